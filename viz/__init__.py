"""Pictures of traced programs, with the Python branch that was captured.

    >>> import minijax.numpy as mnp
    >>> from minijax.viz import draw
    >>> def f(x):
    ...     if x > 0:
    ...         return mnp.sin(x)
    ...     return -x
    >>> draw(f)(2.0)
    Drawing(f: 2 equations, 1 captured branch) -> .save("picture.svg")

In a notebook the picture shows itself; elsewhere `draw(f)(2.0).save("f.svg")`. How it works: `graph.py` turns a Jaxpr
into nodes, edges and clusters; `style.py` says what they look like; `dot.py` writes DOT; `drawing.py` runs Graphviz.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..api.stage import make_jaxpr
from ..ir import ClosedJaxpr, Jaxpr
from .build import graph_of as graph_of
from .drawing import Drawing as Drawing
from .engine import EngineError as EngineError

__all__ = ["Drawing", "EngineError", "draw", "graph_of"]


def draw(program: Any) -> Any:
    """A picture of a function's program, or of a Jaxpr.

    Args:
        program: a function of arrays (also a transformed one: `grad(f)`, `jit(f)`), or a Jaxpr.

    Returns:
        For a function, a function of the same arguments that returns the `Drawing` of the program traced with
        them: Python branches on their values are captured. For a Jaxpr, its `Drawing`.

    Raises:
        TypeError: anything else.

    Example:
        >>> import minijax as mj
        >>> draw(mj.make_jaxpr(lambda x: x + 1.0)(2.0))
        Drawing(<lambda>: 1 equation) -> .save("picture.svg")
    """
    if isinstance(program, (Jaxpr, ClosedJaxpr)):
        return Drawing(graph_of(program))
    if not callable(program):
        raise TypeError(f"draw takes a function or a Jaxpr, got {type(program).__name__}")
    return _drawing_function(program)


def _drawing_function(function: Callable[..., Any]) -> Callable[..., Drawing]:
    @wraps(function, updated=())
    def draw_f(*args: Any, **kwargs: Any) -> Drawing:
        return Drawing(graph_of(make_jaxpr(function)(*args, **kwargs)))

    return draw_f
