"""`Drawing`: a picture of a program, as SVG, PNG, PDF, HTML, DOT or text. What `draw` returns.

In: a `Graph`. Out: text, DOT and SVG on every machine; PNG through Graphviz. In a notebook the picture shows itself; in
a terminal `print(drawing)` is the picture in words, and the repr says how to save it.
"""

from __future__ import annotations

import html
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from .dot import dot_of
from .engine import EngineError, run_engine
from .graph import Graph
from .style import THEMES
from .svg import finished_svg
from .text import alt_text, text_of

__all__ = ["Drawing"]


class Drawing:
    """A picture of a program: what `minijax.viz.draw` returns.

    Attributes:
        graph: the content, plain data (`viz.graph.Graph`).
        theme: "auto" (follows the reader), "light" or "dark".

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.viz import draw
        >>> draw(lambda x: mnp.sin(x) * 2.0)(1.0)
        Drawing(<lambda>: 2 equations) -> .save("picture.svg")
    """

    def __init__(self, graph: Graph, theme: str = "auto") -> None:
        if theme not in ("auto", *THEMES):
            raise ValueError(f"theme must be 'auto', 'light' or 'dark', got {theme!r}")
        self.graph = graph
        self.theme = theme

    @cached_property
    def dot(self) -> str:
        """The DOT source."""
        return dot_of(self.graph, "light" if self.theme == "auto" else self.theme)

    def text(self) -> str:
        """The picture in words."""
        return text_of(self.graph)

    def alt(self) -> str:
        """A sentence that stands for the picture: for `alt` attributes."""
        return alt_text(self.graph)

    def svg(self) -> str:
        """The picture as one element `<svg>`, with title and description for screen readers."""
        return self._svg

    @cached_property
    def _svg(self) -> str:
        return finished_svg(run_engine(self.dot, "svg").decode(), self.graph, self.theme)

    def png(self) -> bytes:
        """The picture as PNG.

        Raises:
            EngineError: no Graphviz engine could draw it.
        """
        return run_engine(self.dot, "png")

    def html(self) -> str:
        """A page with the picture and its text, no script, nothing from the network."""
        title = html.escape(self.graph.summary())
        words = html.escape(self.text())
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n{_PAGE_STYLE}\n</head>\n'
            f"<body>\n<main>\n{self.svg()}\n<details><summary>The same in words</summary>\n<pre>{words}</pre>\n</details>\n"
            "</main>\n</body>\n</html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix says how: .svg, .png, .html, .dot (or .gv), .txt.

        Returns:
            The path.

        Raises:
            ValueError: another suffix.
            EngineError: no engine for .png.
        """
        path = Path(path)
        writers = {
            ".svg": lambda: self.svg().encode(),
            ".png": self.png,
            ".html": lambda: self.html().encode(),
            ".dot": self.dot.encode,
            ".gv": self.dot.encode,
            ".txt": lambda: (self.text() + "\n").encode(),
        }
        if path.suffix not in writers:
            raise ValueError(f"cannot write {path.name!r}: the suffix must be one of {', '.join(writers)}")
        content = writers[path.suffix]()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f'Drawing({self.graph.summary()}) -> .save("picture.svg")'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        text = {"text/plain": self.text()}
        try:
            return {"image/svg+xml": self.svg(), **text}
        except EngineError as error:
            print(error, file=sys.stderr)  # noqa: T201
            return text


_PAGE_STYLE = (
    "<style>:root{color-scheme:light dark}body{margin:1rem;font:1rem/1.4 system-ui,sans-serif}"
    "pre{overflow:auto;font-size:.85rem}svg{display:block}summary{min-height:24px;cursor:pointer}</style>"
)
