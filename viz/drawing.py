"""`Drawing`: a picture of a program, as DOT, SVG, PNG or text.

In: a `Graph`. Out: text without any engine; pictures through Graphviz: `dot` on PATH, else the `graphviz-pure`
that pip installs with minijax. Engines are run by argument list, with a time limit, and see the graph on
standard input; nothing goes through a shell.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import teach
from .dot import dot_of
from .graph import Graph, Node

__all__ = ["Drawing", "EngineError", "engines", "run_engine"]

TIME_LIMIT = 60.0  # seconds, for one run of an engine
_DESCRIBED = 2000  # characters of the text picture that go into the description of an SVG


class EngineError(RuntimeError):
    """No Graphviz engine could draw the graph. Its DOT text and text picture exist all the same."""


def engines() -> Iterator[str]:
    """Paths of the engines on this machine, in order of preference."""
    found = shutil.which("dot")
    if found:
        yield found
    scripts = sysconfig.get_path("scripts")  # of this interpreter: its folder need not be on PATH
    found = shutil.which("graphviz-pure", path=scripts) or shutil.which("graphviz-pure")
    if found:
        yield found


def run_engine(dot: str, form: str, time_limit: float = TIME_LIMIT) -> bytes:
    """Draw DOT text.

    Args:
        dot: the text.
        form: "svg" or "png".
        time_limit: seconds for one run.

    Returns:
        The picture.

    Raises:
        EngineError: no engine is installed, or each failed.
    """
    reports = []
    for engine in engines():
        for options in ([], ["-Gsplines=line"]):  # routing is what crashes; straight lines always work
            try:
                done = subprocess.run(
                    [engine, f"-T{form}", *options],
                    input=dot.encode(),
                    capture_output=True,
                    timeout=time_limit,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                reports.append(f"{engine}: more than {time_limit:g} s")
                continue
            except OSError as error:
                reports.append(f"{engine}: {error}")
                break
            if done.returncode == 0 and done.stdout:
                return done.stdout
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no output"]
            reports.append(f"{engine}: {said[-1]}")
    raise EngineError(
        teach(
            "Graphviz failed to draw the graph" if reports else "Graphviz was not found",
            why="; ".join(reports) or "pictures need a `dot` program; `print(drawing)` and `drawing.dot` do not",
            do="python -m pip install --force-reinstall graphviz-pure",
        )
    )


class Drawing:
    """A picture of a program: what `minijax.viz.draw` returns.

    Attributes:
        graph: the content, plain data (`viz.graph.Graph`).

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.viz import draw
        >>> draw(lambda x: mnp.sin(x) * 2.0)(1.0)
        Drawing(<lambda>: 2 equations) -> .save("picture.svg")
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def dot(self) -> str:
        """The DOT source."""
        return dot_of(self.graph)

    def svg(self) -> str:
        """The picture as SVG, one element `<svg>`, with title and description for screen readers."""
        drawn = run_engine(self.dot, "svg").decode()
        head, _, body = drawn[drawn.index("<svg") :].partition(">")  # without the XML prologue: it goes into pages
        label = html.escape(self.graph.summary())
        described = f"<title>{label}</title>\n<desc>{html.escape(str(self)[:_DESCRIBED])}</desc>"
        return f'{head} role="img" aria-label="{label}">\n{described}{body}'

    def png(self) -> bytes:
        """The picture as PNG."""
        return run_engine(self.dot, "png")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix says how: .svg, .png, .dot (or .gv), .txt.

        Returns:
            The path.

        Raises:
            ValueError: another suffix.
            EngineError: no engine for .svg or .png.
        """
        path = Path(path)
        writers = {
            ".svg": lambda: self.svg().encode(),
            ".png": self.png,
            ".dot": self.dot.encode,
            ".gv": self.dot.encode,
            ".txt": lambda: str(self).encode(),
        }
        if path.suffix not in writers:
            raise ValueError(f"cannot write {path.name!r}: the suffix must be one of {', '.join(writers)}")
        content = writers[path.suffix]()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def __str__(self) -> str:
        return "\n".join(_text_lines(self.graph))

    def __repr__(self) -> str:
        return f'Drawing({self.graph.summary()}) -> .save("picture.svg")'

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except EngineError:
            return None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        picture = self._repr_svg_()
        text = {"text/plain": str(self)}
        return text if picture is None else {"image/svg+xml": picture, **text}


_MARKS = {
    "guard": "<>",
    "taken": "==>",
    "untaken": "-->",
    "undecided": "-?>",
    "input": ">",
    "output": "<",
    "const": "#",
}


def _text_lines(graph: Graph) -> Iterator[str]:
    """The picture in words: nodes in program order, clusters by indentation."""
    yield graph.summary()
    clusters = {cluster.id: cluster for cluster in graph.clusters}
    inside: list[str] = []
    for node in graph.nodes:
        around: list[str] = []
        here = node.cluster
        while here:
            around.insert(0, here)
            here = clusters[here].parent
        for depth, key in enumerate(around):
            if key not in inside:
                yield f"{'  ' * (depth + 1)}[{clusters[key].title}]"
        inside = around
        yield from _node_lines(node, "  " * (len(around) + 1))


def _node_lines(node: Node, indent: str) -> Iterator[str]:
    mark = _MARKS.get(node.kind, "")
    if node.kind in ("taken", "untaken", "undecided"):
        yield f"{indent}  {mark} {node.title}"
        for line in node.lines:
            yield f"{indent}      | {line}"
    else:
        yield f"{indent}{mark + ' ' if mark else ''}{node.title}   {'  '.join(node.lines)}"
