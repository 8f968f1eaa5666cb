"""Pictures of traced programs, with the Python branch that was captured.

    >>> import minijax.numpy as mnp
    >>> from minijax.viz import draw
    >>> def f(x):
    ...     if x > 0:
    ...         return mnp.sin(x)
    ...     return -x
    >>> draw(f)(2.0)
    Drawing(f: 2 equations, 1 captured branch) -> .save("picture.svg")
    >>> print(draw(f)(2.0).alt())
    f: 2 equations, 1 captured branch (x > 0 is True at line 2: then).

In a notebook the picture shows itself; elsewhere `draw(f)(2.0).save("f.svg")`.

    draw              the program of a function
    draw_grad         forward and backward side by side, and what is kept in between
    draw_transforms   the same function traced, differentiated, transposed, batched: one panel each
    draw_branches     the specialisations of a jitted function, and the arms that it has never run
    explore           one HTML file in which the function can be stepped through, values and derivatives included
    label             a name for a value

How it works: `build.py` turns a Jaxpr into nodes, edges and clusters (`graph.py`, plain data); `fold.py`, `values.py` and
`diff.py` make graphs from graphs; `style.py` says what things look like; `text.py` and `dot.py` print them;
`engine.py` runs Graphviz.
"""

from __future__ import annotations

from .build import graph_of as graph_of
from .drawing import Drawing as Drawing, Panels as Panels
from .engine import EngineError as EngineError
from .explorer import Page as Page, explore as explore
from .pictures import (
    draw as draw,
    draw_branches as draw_branches,
    draw_grad as draw_grad,
    draw_transforms as draw_transforms,
    label as label,
)

__all__ = [
    "Drawing",
    "EngineError",
    "Page",
    "Panels",
    "draw",
    "draw_branches",
    "draw_grad",
    "draw_transforms",
    "explore",
    "graph_of",
    "label",
]
