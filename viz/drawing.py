"""`Drawing`: a picture of a program, as SVG, PNG, PDF, HTML, DOT or text. What `draw` returns.

In: a `Graph`. Out: text, DOT and SVG on every machine; PNG through Graphviz. In a notebook the picture shows itself; in
a terminal `print(drawing)` is the picture in words, and the repr says how to save it.
"""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from .dot import dot_of
from .engine import EngineError, run_engine
from .graph import Graph
from .style import THEMES
from .svg import finished_svg
from .text import alt_text, text_of

__all__ = ["Drawing", "Panels"]


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

    def svg(self, prefix: str = "") -> str:
        """The picture as one element `<svg>`, with title and description for screen readers.

        Args:
            prefix: put before every id, for pages with several pictures.
        """
        return finished_svg(self._drawn, self.graph, self.theme, prefix)

    @cached_property
    def _drawn(self) -> str:
        return run_engine(self.dot, "svg").decode()

    def png(self) -> bytes:
        """The picture as PNG.

        Raises:
            EngineError: no Graphviz engine could draw it.
        """
        return run_engine(self.dot, "png")

    def pdf(self) -> bytes:
        """The picture as PDF.

        Raises:
            EngineError: the Graphviz of the system is not there (graphviz-pure writes no PDF).
        """
        return run_engine(self.dot, "pdf")

    def html(self) -> str:
        """A page with the picture and its text, no script, nothing from the network; without an engine the text alone."""
        return page(self.graph.summary(), f"{figure(self)}\n{in_words(self.text())}")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix says how: .svg, .png, .pdf, .html, .dot (or .gv), .txt.

        Returns:
            The path.

        Raises:
            ValueError: another suffix.
            EngineError: no engine for .svg, .png or .pdf.
        """
        path = Path(path)
        writers = {
            ".svg": lambda: self.svg().encode(),
            ".png": self.png,
            ".pdf": self.pdf,
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


class Panels(Mapping[str, Drawing]):
    """Several pictures under names: what `draw_transforms` returns. A mapping from name to `Drawing`.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.viz import draw_transforms
        >>> panels = draw_transforms(mnp.sin)(1.0)
        >>> list(panels)
        ['trace', 'jvp', 'linearize', 'transpose', 'batch']
        >>> panels["transpose"]
        Drawing(transpose of sin: 1 equation) -> .save("picture.svg")
    """

    def __init__(self, name: str, drawings: Mapping[str, Drawing]) -> None:
        self.name = name
        self._drawings = dict(drawings)

    def __getitem__(self, panel: str) -> Drawing:
        return self._drawings[panel]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawings)

    def __len__(self) -> int:
        return len(self._drawings)

    def text(self) -> str:
        """All pictures in words."""
        return "\n\n".join(f"{name}\n{drawing.text()}" for name, drawing in self.items())

    def html(self) -> str:
        """A page with all pictures side by side and their text, no script, nothing from the network."""
        return page(self.name, self._figures())

    def _figures(self) -> str:
        figures = (
            f'<figure style="margin:0;max-width:100%;overflow-x:auto"><figcaption>{html.escape(name)}</figcaption>\n'
            f"{figure(drawing, f'{name}_')}\n</figure>"
            for name, drawing in self.items()
        )
        return (
            f'<div class="minijax-panels" style="display:flex;flex-wrap:wrap;gap:1rem">\n{chr(10).join(figures)}\n</div>\n'
            f"{in_words(self.text())}"
        )

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the pictures: .html and .txt as one file, others as one file per panel, `f_jvp.svg` for `f.svg`.

        Returns:
            The paths.

        Raises:
            ValueError: another suffix.
        """
        path = Path(path)
        whole = {".html": self.html, ".txt": lambda: self.text() + "\n"}
        if path.suffix in whole:
            content = whole[path.suffix]().encode()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return [path]
        return [drawing.save(path.with_name(f"{path.stem}_{name}{path.suffix}")) for name, drawing in self.items()]

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f'Panels({self.name}: {", ".join(self)}) -> .save("picture.html"), ["{next(iter(self), "")}"]'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._figures(), "text/plain": self.text()}


def figure(drawing: Drawing, prefix: str = "") -> str:
    """The SVG of a drawing for a page; without an engine, why there is none, and the picture in words."""
    try:
        return drawing.svg(prefix)
    except EngineError as error:
        return f"<pre>{html.escape(str(error))}</pre>\n<pre>{html.escape(drawing.text())}</pre>"


def in_words(text: str) -> str:
    """A part of a page that unfolds to the text of a picture."""
    return f"<details><summary>The same in words</summary>\n<pre>{html.escape(text)}</pre>\n</details>"


def page(title: str, body: str) -> str:
    """A page around some HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"{_PAGE_STYLE}\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


_PAGE_STYLE = (
    "<style>:root{color-scheme:light dark}body{margin:1rem;font:1rem/1.4 system-ui,sans-serif}"
    "pre{overflow:auto;font-size:.85rem}svg{display:block}summary{min-height:24px;cursor:pointer}</style>"
)
