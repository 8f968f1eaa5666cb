"""The functions that draw: `draw`, `draw_grad`, `draw_transforms`, `draw_branches`, and `label`.

In: a function and its arguments, or a program. Out: a `Drawing`. A picture is made in steps that are all graphs: build,
values, cost, fold, around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

from ..api._calls import check_callable, positions
from ..api.checkpointing import checkpoint_name
from ..api.compile import Jitted
from ..api.stage import abstract_leaf, make_jaxpr
from ..errors import teach
from ..ir import ClosedJaxpr, Jaxpr, Tracer
from ..tree import tree_flatten
from .build import graph_of
from .diff import diff_graph
from .drawing import Drawing, Panels
from .fold import How, fold, neighbourhood
from .grad_pair import pair_graph
from .graph import Graph
from .specialisations import Program, tree_graph
from .stages import STAGES, stage_graphs
from .style import THEMES
from .values import evaluate, with_costs, with_values

__all__ = ["Drawer", "draw", "draw_branches", "draw_grad", "draw_transforms", "label"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the picture shows: the keywords of `draw`."""

    values: bool = False
    cost: bool = False
    fold: How = "auto"
    depth: int | None = None
    max_nodes: int = 400
    theme: str = "auto"
    around: str | None = None

    def __post_init__(self) -> None:
        if self.theme not in ("auto", *THEMES):
            raise ValueError(f"theme must be 'auto', 'light' or 'dark', got {self.theme!r}")

    def graph(self, program: Jaxpr | ClosedJaxpr, args: Sequence[Any] | None) -> Graph:
        """The graph of a program, everything done that the options ask for."""
        graph = graph_of(program)
        if self.values:
            if args is None or not isinstance(program, ClosedJaxpr):
                raise ValueError("values=True needs a closed Jaxpr and its arguments: draw(jaxpr, args, values=True)")
            graph = with_values(graph, evaluate(program, args))
        if self.cost and isinstance(program, ClosedJaxpr):
            graph = with_costs(graph, program)
        return self.shown(graph)

    def shown(self, graph: Graph) -> Graph:
        """The part of a graph that is drawn, folded."""
        if self.around is not None:
            graph = neighbourhood(graph, self.around)
        return fold(graph, self.fold, self.depth, self.max_nodes)


def draw(
    program: Any,
    args: Sequence[Any] | None = None,
    *,
    values: bool = False,
    cost: bool = False,
    fold: How = "auto",
    depth: int | None = None,
    max_nodes: int = 400,
    theme: str = "auto",
    around: str | None = None,
) -> Any:
    """A picture of a function's program, or of a Jaxpr.

    Args:
        program: a function of arrays (also a transformed one: `grad(f)`, `jit(f)`), or a Jaxpr.
        args: tuple of arguments: `draw(f, (x, y))` is `draw(f)(x, y)`.
        values: show what each equation computed; mark what is not finite.
        cost: show floating-point operations and bytes.
        fold: "auto" (loops, and whatever it takes to show at most `max_nodes` nodes), "repeats", "functions", False, or a
            function from nodes to a name.
        depth: draw what is nested deeper than this as one node each.
        max_nodes: budget of fold="auto".
        theme: "auto" (SVG follows the reader's setting), "light" or "dark".
        around: show what is near this only: a node (`e3`), a variable, an input, a place (`model.py:12`).

    Returns:
        For a function without `args`, a function of the same arguments that returns the `Drawing` of the program traced
        with them: Python branches on their values are captured. Else a `Drawing`.

    Raises:
        TypeError: `program` is neither a function nor a Jaxpr, or `args` is not a tuple.
        ValueError: a keyword has no such value.

    Example:
        >>> import minijax as mj
        >>> draw(mj.make_jaxpr(lambda x: x + 1.0)(2.0))
        Drawing(<lambda>: 1 equation) -> .save("picture.svg")
    """
    options = Options(values, cost, fold, depth, max_nodes, theme, around)
    if args is not None and not isinstance(args, (tuple, list)):
        raise TypeError(
            teach(
                f"draw takes the arguments of the function as a tuple, got {type(args).__name__}",
                do="draw(f)(x, y)   or   draw(f, (x, y))",
            )
        )
    if isinstance(program, (Jaxpr, ClosedJaxpr)):
        return Drawing(options.graph(program, args), theme)
    if not callable(program):
        raise TypeError(f"draw takes a function or a Jaxpr, got {type(program).__name__}")
    drawer = Drawer(program, options)
    return drawer if args is None else drawer(*args)


class Drawer:
    """What `draw(f)` returns: call it with the arguments of `f`."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        check_callable(function)
        self._function = function
        self._options = options
        update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Drawing:
        """The picture of the function at these arguments."""
        program = make_jaxpr(self._function)(*args, **kwargs)
        leaves = tree_flatten((args, kwargs))[0] if self._options.values else []
        values = [abstract_leaf(x)[1] for x in leaves]
        if any(x is None or type(x) is Tracer for x in values):
            raise ValueError("values=True needs arguments with values, not ShapeDtypeStructs or traced values")
        return Drawing(self._options.graph(program, values), self._options.theme)

    def diff(self, first: Any, second: Any) -> Drawing:
        """Two runs in one picture: what they share once, the branch where they part, what each did alone.

        Args:
            first, second: tuples of arguments (or one argument each).

        Returns:
            The picture; questions answered differently have a thick red border.

        Example:
            >>> f = lambda x: x * 2.0 if x > 0 else -x
            >>> print(draw(f).diff(1.0, -1.0).alt())  # doctest: +ELLIPSIS
            <lambda>, two runs: 3 equations, 1 captured branch (x > 0 is True at line 1: then). Equations of the ...
        """
        runs = [make_jaxpr(self._function)(*(x if isinstance(x, tuple) else (x,))) for x in (first, second)]
        graph = diff_graph(*(graph_of(run) for run in runs))
        return Drawing(self._options.shown(graph), self._options.theme)

    def __repr__(self) -> str:
        name = getattr(self._function, "__name__", "f")
        return f"<draw({name}): call it with the arguments of {name} to see the picture>"


def draw_grad(
    program: Callable[..., Any],
    args: Sequence[Any] | None = None,
    *,
    argnums: int | Sequence[int] = 0,
    fold: How = "auto",
    depth: int | None = None,
    max_nodes: int = 400,
    theme: str = "auto",
) -> Any:
    """Forward and backward side by side: what `grad` computes, and what it keeps in between.

    Args:
        program: a function of arrays.
        args: tuple of arguments: `draw_grad(f, (x, y))` is `draw_grad(f)(x, y)`.
        argnums: which arguments to differentiate.
        fold, depth, max_nodes, theme: as in `draw`.

    Returns:
        Without `args`, a function of the arguments of `program` that returns the `Drawing`; else the `Drawing`.

    Example:
        >>> import minijax.numpy as mnp
        >>> draw_grad(lambda x: mnp.sin(x))(1.0)
        Drawing(<lambda>: 3 equations) -> .save("picture.svg")
        >>> draw_grad(lambda x: mnp.sin(x))(1.0).graph.notes
        ('1 value kept for the backward program, 4 bytes.',)
    """
    check_callable(program)
    options = Options(fold=fold, depth=depth, max_nodes=max_nodes, theme=theme)

    def picture(*args: Any, **kwargs: Any) -> Drawing:
        traced = make_jaxpr(program)(*args, **kwargs)
        graph = pair_graph(traced, differentiated(traced, args, argnums))
        return Drawing(options.shown(graph), theme)

    update_wrapper(picture, program, updated=())
    return picture if args is None else picture(*args)


def draw_transforms(
    program: Callable[..., Any],
    args: Sequence[Any] | None = None,
    *,
    steps: Sequence[str] = STAGES,
    argnums: int | Sequence[int] = 0,
    fold: How = "auto",
    depth: int | None = None,
    max_nodes: int = 400,
    theme: str = "auto",
) -> Any:
    """The same function after each transformation, one panel each.

    Args:
        program: a function of arrays.
        args: tuple of arguments: `draw_transforms(f, (x, y))` is `draw_transforms(f)(x, y)`.
        steps: which panels: "trace" (the program), "jvp" (forward mode), "linearize" (its linear part), "transpose" (that
            part backwards: reverse mode), "batch" (`vmap`).
        argnums: which arguments to differentiate.
        fold, depth, max_nodes, theme: as in `draw`.

    Returns:
        Without `args`, a function of the arguments of `program` that returns `Panels`; else the `Panels`.

    Raises:
        ValueError: no such step.

    Example:
        >>> import minijax.numpy as mnp
        >>> print(draw_transforms(mnp.sin, steps=("transpose",))(1.0))
        transpose
        transpose of sin: 1 equation
          > kept: cos   a:f32[]
          > ct(result)   b:f32[]
          c = mul b a   f32[] ...
          < ct(x)   c:f32[]
    """
    check_callable(program)
    options = Options(fold=fold, depth=depth, max_nodes=max_nodes, theme=theme)
    for step in steps:
        if step not in STAGES:
            raise ValueError(f"steps must be among {', '.join(map(repr, STAGES))}, got {step!r}")

    def panels(*args: Any, **kwargs: Any) -> Panels:
        traced = make_jaxpr(program)(*args, **kwargs)
        graphs = stage_graphs(traced, differentiated(traced, args, argnums), steps)
        drawings = {step: Drawing(options.shown(graph), theme) for step, graph in graphs.items()}
        return Panels(traced.jaxpr.names.function or "program", drawings)

    update_wrapper(panels, program, updated=())
    return panels if args is None else panels(*args)


def draw_branches(jitted: Any, *, theme: str = "auto") -> Drawing:
    """The specialisations that a jitted function has at this moment: the branches that its calls took, and never took.

    Args:
        jitted: what `jit` returned, after some calls.
        theme: as in `draw`.

    Raises:
        TypeError: not a jitted function.

    Example:
        >>> import minijax as mj
        >>> f = mj.jit(lambda x: x * 2.0 if x > 0 else -x)
        >>> _ = [f(x) for x in (1.0, 2.0, -3.0)]
        >>> print(draw_branches(f))
        jit(<lambda>): 1 captured branch
        2 specialisations of jit(<lambda>); dashed: arms that no call has taken.
          [<lambda>(f32[])]
            > <lambda>   3 calls  2 specialisations
            <> x > 0   3 calls  <doctest minijax.viz.pictures.draw_branches[1]>:1
            (then: 2 calls) specialisation   2 calls  3 equations
            (else: 1 call) specialisation   1 call  3 equations
    """
    if not isinstance(jitted, Jitted):
        raise TypeError(
            teach(
                f"draw_branches takes a jitted function, got {type(jitted).__name__}",
                why="only jit keeps a program for each way through the branches",
                do="g = minijax.jit(f); g(x); draw_branches(g)   or, for one call,   draw(f)(x)",
            )
        )
    signatures = [
        (_signature(programs), [Program(leaf.closed, leaf.hits) for leaf in programs])
        for programs in jitted.programs.values()
        if programs
    ]
    return Drawing(tree_graph(jitted.__name__, signatures), theme)


def _signature(programs: Iterable[Any]) -> str:
    return ", ".join(aval.str_short() for aval in next(iter(programs)).closed.in_avals)


def differentiated(traced: ClosedJaxpr, args: Sequence[Any], argnums: int | Sequence[int]) -> list[bool]:
    """Which flat inputs of a traced call belong to the arguments `argnums` and are of a type that has derivatives."""
    wanted = set(positions(argnums, len(args), "draw_grad"))
    flags = [i in wanted for i, arg in enumerate(args) for _ in tree_flatten(arg)[0]]
    flags += [False] * (len(traced.in_avals) - len(flags))  # keyword arguments
    return [flag and aval.dtype.kind not in "biu" for flag, aval in zip(flags, traced.in_avals, strict=True)]


def label(x: Any, name: str) -> Any:
    """`x` itself, under a name that pictures show.

    Args:
        x: an array or a tree of arrays.
        name: what to call it.

    Returns:
        An equal tree.

    Example:
        >>> import minijax.numpy as mnp
        >>> [n.title for n in draw(lambda x: label(mnp.sin(x), "wave") * 2.0)(1.0).graph.nodes]
        ['x', 'wave = sin a', 'b = mul wave 2.0', 'result']
    """
    return checkpoint_name(x, name)
