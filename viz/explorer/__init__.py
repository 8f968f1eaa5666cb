"""The explorer: one HTML file in which a function can be stepped through, values and derivatives included.

    >>> import minijax.numpy as mnp
    >>> from minijax.viz import explore
    >>> explore(lambda x: mnp.sin(x) * x)(2.0)
    Page(<lambda>: 4 stages, 18 steps) -> .save("explorer.html")

`timeline.py` runs the interpreters and writes down each step; `listing.py` is the source beside it, `picture.py` the graph;
`page.py` puts them into a file. The page needs no server and no network, and computes nothing.
"""

from __future__ import annotations

import html
import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from ...api.stage import stage_call
from ...errors import teach
from ...ir import aval_like
from ...ir.source import is_internal
from ..graph import counted, cut
from .listing import Listing
from .page import page_html
from .picture import picture_of
from .summary import short_text
from .timeline import Timeline, timeline_of

__all__ = ["Page", "explore"]

_ARGUMENTS = 6  # named in the heading


class Page:
    """An explorer: what `explore(f)(*args)` returns. In a notebook it shows itself, in a frame of its own.

    Attributes:
        timeline: what it steps through, as data.
    """

    def __init__(self, timeline: Timeline, text: str) -> None:
        self.timeline = timeline
        self._text = text

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page.

        Args:
            path: of the file; folders are made.

        Returns:
            The path.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._text, encoding="utf-8")
        return path

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        steps = sum(len(stage.steps) for stage in self.timeline.stages)
        told = f"{counted(len(self.timeline.stages), 'stage')}, {counted(steps, 'step')}"
        return f'Page({self.timeline.forward.graph.name}: {told}) -> .save("explorer.html")'

    def _repr_html_(self) -> str:
        name = html.escape(self.timeline.forward.graph.name, quote=True)
        return (
            f'<iframe title="Explorer of {name}" sandbox="allow-scripts" style="width:100%;height:760px;border:1px solid #8a8a8a" '
            f'srcdoc="{html.escape(self._text, quote=True)}"></iframe>'
        )


def explore(function: Callable[..., Any]) -> Callable[..., Page]:
    """Step through a function: its values, tangents, linear program and cotangents, beside its source.

    Args:
        function: of arrays (also a transformed one). Python branches on values are captured.

    Returns:
        A function of the same arguments, which must have values, that returns a `Page`.

    Raises:
        TypeError: `function` cannot be called, or an argument is a type without a value.

    Note:
        All inputs of floating point type get the tangent 1, all such results the cotangent 1: for a scalar result, what
        comes back to the inputs is the gradient.

    Example:
        >>> import minijax.numpy as mnp
        >>> page = explore(lambda x: mnp.sin(x) * x)(2.0)
        >>> [stage.title for stage in page.timeline.stages]
        ['Values', 'Tangents', 'Linear program', 'Cotangents']
    """
    if not callable(function):
        raise TypeError(f"explore takes a function, got {type(function).__name__}: explore(f)(*args)")

    @wraps(function, updated=())
    def explore_f(*args: Any, **kwargs: Any) -> Page:
        traced = stage_call(function, args, kwargs, purpose="explore")
        if any(value is None for value in traced.values):
            raise TypeError(
                teach(
                    "explore needs the values of all arguments, and got a type",
                    why="each step shows what is computed; a ShapeDtypeStruct has no value",
                    do="pass arrays or numbers; minijax.viz.draw draws a program without values",
                )
            )
        name = traced.closed.jaxpr.names.function or "program"
        timeline = timeline_of(traced.closed, traced.values, name)
        return Page(timeline, _page_text(timeline, function))

    return explore_f


def _page_text(timeline: Timeline, function: Callable[..., Any]) -> str:
    graph = timeline.forward.graph
    sources = [source for placed in timeline.forward.equations for source in placed.sources]
    at = {node.id: node.source for node in graph.nodes}
    branches = [(at[node], branch) for node, branch in graph.branches if at[node] is not None]
    listing = Listing(sources, branches, _code_of(function))
    pictures = {"forward": picture_of(timeline.forward, [s for s in timeline.stages if s.graph == "forward"])}
    if timeline.linear is not None:
        pictures["linear"] = picture_of(timeline.linear, [s for s in timeline.stages if s.graph == "linear"])
    arguments = zip((n for n in graph.nodes if n.kind == "input"), timeline.stages[0].steps, strict=False)
    given = [f"{node.title} = {_given_text(step.writes[0].value)}" for node, step in arguments]
    call = ", ".join(cut(x) for x in given[:_ARGUMENTS]) + (", \u2026" if len(given) > _ARGUMENTS else "")
    return page_html(timeline, listing, pictures, graph.name, call)


def _given_text(value: Any) -> str:
    """A number or a short vector; of larger arrays the type."""
    text = short_text(value)
    return text if np.ndim(value) == 0 or text.startswith("[") else aval_like(value).str_short()


def _code_of(function: Callable[..., Any]) -> CodeType | None:
    """The code of the function, if it is one that the user wrote in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None or is_internal(code.co_filename) else code
