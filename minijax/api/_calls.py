"""Calls: what every transformation does before and after its own work.

In: a user function and its arguments, trees of arrays. Out: flat values with names, and a flat function that
takes tracers and gives flat results, remembering their tree.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..array import Array, as_value
from ..errors import teach
from ..ir import ClosedJaxpr, ShapedArray, Trace, Tracer, Var, aval_like, new_trace, state
from ..tree import PyTreeDef, leaf_names, tree_flatten, tree_unflatten

__all__ = [
    "FlatFunction",
    "Traced",
    "argument_names",
    "check_callable",
    "flatten_values",
    "function_name",
    "no_scalar_output",
    "positions",
    "restore_aux",
    "split_aux",
    "trace_flat",
    "unflatten_each",
    "whole_call",
]


def check_callable(f: Any) -> None:
    """Raise TypeError unless `f` can be called."""
    if not callable(f):
        raise TypeError(f"Expected a callable value, got {f!r}")


def function_name(f: Any) -> str:
    """What to call `f` in messages and Jaxprs."""
    while hasattr(f, "func") and not hasattr(f, "__name__"):  # functools.partial
        f = f.func
    return getattr(f, "__name__", type(f).__name__)


def argument_names(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> list[str]:
    """Names of the leaves of (args, kwargs) as the signature of `f` has them: `params['w']`, `x`."""
    return leaf_names(args, kwargs, parameter_names(f, len(args)))


def parameter_names(f: Callable[..., Any], count: int) -> list[str]:
    """Names of the first `count` positional parameters of `f`, as far as its signature tells."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return [f"args[{i}]" for i in range(count)]
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
    names += [f"args[{i}]" for i in range(len(names), count)]
    return names[:count]


def flatten_values(tree: Any) -> tuple[list[Any], PyTreeDef]:
    """The leaves of `tree` as values that can be bound, and its structure."""
    kind = type(tree)
    if kind is Array or kind is Tracer:
        return [tree], LEAF
    leaves, structure = tree_flatten(tree)
    return [x if type(x) is Array or type(x) is Tracer else as_value(x) for x in leaves], structure


LEAF = tree_flatten(0)[1]


def unflatten_each(structures: Sequence[PyTreeDef], leaves: Sequence[Any]) -> list[Any]:
    """Trees of these structures, filled with `leaves` one after the other."""
    if len(structures) == 1 and structures[0] is LEAF:
        return list(leaves)
    trees, start = [], 0
    for structure in structures:
        trees.append(tree_unflatten(structure, leaves[start : start + structure.num_leaves]))
        start += structure.num_leaves
    return trees


def positions(argnums: int | Sequence[int], count: int, transformation: str = "differentiating") -> tuple[int, ...]:
    """`argnums` as nonnegative positions, checked against the number of positional arguments."""
    if type(argnums) is int and 0 <= argnums < count:
        return (argnums,)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    found = []
    for n in wanted:
        n = n.__index__() if hasattr(n, "__index__") else _not_an_index(n)
        if not -count <= n < count:
            raise TypeError(
                f"{transformation} with respect to argnums={argnums} requires at least "
                f"{n + 1 if n >= 0 else -n} positional arguments to be passed by the caller, "
                f"but got only {count} positional arguments."
            )
        found.append(n % count)
    return tuple(found)


def _not_an_index(n: Any) -> int:
    raise TypeError(f"{type(n).__name__!r} object cannot be interpreted as an integer")


def split_aux(result: Any) -> tuple[Any, Any]:
    """(output, aux) of a function called with has_aux=True. Raises TypeError for anything but a pair."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise TypeError(
            "expected function with aux output to return a two-element tuple, but got type "
            f"{type(result)} with value {result!r}"
        )
    return result[0], result[1]


class FlatFunction:
    """A user function as seen by an interpreter: flat tracers in, flat results out.

    Args:
        function: the user's.
        args, kwargs: as called; the leaves of `args[i]` for i in `dynamic` are replaced by tracers.
        structures: of the dynamic arguments.
        has_aux: the function returns (output, aux); aux stays out of the program.

    After the call: `out_tree`, `aux`.
    """

    __slots__ = ("args", "aux", "dynamic", "function", "has_aux", "kwargs", "out_tree", "structures")

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        dynamic: Sequence[int],
        structures: Sequence[PyTreeDef],
        has_aux: bool = False,
    ) -> None:
        self.function = function
        self.args = list(args)
        self.kwargs = kwargs
        self.dynamic = dynamic
        self.structures = structures
        self.has_aux = has_aux
        self.out_tree: Any = None
        self.aux: Any = None

    def __call__(self, *leaves: Any) -> list[Any]:
        for position, tree in zip(self.dynamic, unflatten_each(self.structures, leaves), strict=True):
            self.args[position] = tree
        result = self.function(*self.args, **self.kwargs)
        if self.has_aux:
            result, self.aux = split_aux(result)
        outs, self.out_tree = flatten_values(result)
        return outs


def whole_call(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` as a function of two trees, its positional and its keyword arguments."""

    def call(args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return f(*args, **kwargs)

    call.__name__ = function_name(f)
    return call


class Traced:
    """A traced call: the program, its input values, what is known inside, and the structure of the result.

    The program may be given as a trace that has ended: then `closed` is written out when somebody looks at it.
    """

    __slots__ = ("aux", "known", "out_tree", "program", "values")

    def __init__(
        self, program: ClosedJaxpr | Trace, known: dict[Var, Any], values: Sequence[Any], out_tree: Any, aux: Any
    ) -> None:
        self.program = program
        self.known = known
        self.values = values
        self.out_tree = out_tree
        self.aux = aux

    @property
    def closed(self) -> ClosedJaxpr:
        """The program."""
        if type(self.program) is Trace:
            self.program = self.program.closed_jaxpr()
        return self.program  # type: ignore[return-value]


def trace_flat(
    flat: FlatFunction,
    values: Sequence[Any],
    *,
    purpose: str,
    names: Sequence[str] | Callable[[], Sequence[str]] = (),
    avals: Sequence[ShapedArray] | None = None,
    staging: bool = False,
    recurs: bool | None = None,
    axis: tuple[Any, int] | None = None,
    check: Callable[[Any, Sequence[Any]], None] | None = None,
) -> Traced:
    """Trace a flat function.

    Args:
        flat: the function; called once.
        values: of its inputs: Arrays, or tracers of the traces around; None where not known (then `avals` is needed).
        purpose: "grad", "vmap", ...: for messages.
        names: of the inputs.
        avals: of the inputs (default: those of `values`).
        staging: record operations on constants too.
        recurs: see `new_trace`.
        axis: (name, size) of the axis that a vmap maps over.
        check: called with (out_tree, outputs) before the trace ends; raises in the user's terms.

    Returns:
        The traced call; traced leaves of the auxiliary output come after the results.
    """
    with new_trace(purpose, function_name(flat.function), staging=staging, recurs=recurs) as trace:
        trace.names = names
        if avals is None:
            avals = [aval_like(x) for x in values]
        outs = _call_with_axis(flat, [trace.input(a, x) for a, x in zip(avals, values, strict=True)], axis, trace)
        if check is not None:
            check(flat.out_tree, outs)
        aux_leaves, aux_tree = ([], None) if flat.aux is None else tree_flatten(flat.aux)
        places = [i for i, x in enumerate(aux_leaves) if type(x) is Tracer and x._trace is trace]
        trace.end([*outs, *(aux_leaves[i] for i in places)])
    return Traced(trace, trace.known, values, flat.out_tree, (aux_leaves, aux_tree, places))


def _call_with_axis(flat: FlatFunction, tracers: list[Tracer], axis: tuple[Any, int] | None, trace: Any) -> list[Any]:
    if axis is None or axis[0] is None:
        return flat(*tracers)
    name, size = axis
    before = state.axes
    state.axes = {**before, name: (size, trace)}
    try:
        return flat(*tracers)
    finally:
        state.axes = before


def restore_aux(traced: Traced, values: Sequence[Any]) -> Any:
    """The auxiliary output, with `values` in the places of its traced leaves."""
    leaves, structure, places = traced.aux
    if structure is None:
        return None
    leaves = list(leaves)
    for place, value in zip(places, values, strict=True):
        leaves[place] = value
    return tree_unflatten(structure, leaves)


def no_scalar_output(shape: tuple[int, ...], name: str) -> TypeError:
    """The error of `grad` for an output that is not a scalar."""
    return TypeError(
        teach(
            f"Gradient only defined for scalar-output functions. Output had shape: {shape}.",
            why=f"{name} returns an array, and the derivative of an array is a Jacobian, not a gradient",
            do="use minijax.jacrev (few outputs) or minijax.jacfwd (few inputs) for the whole Jacobian, minijax.vjp for a "
            "product with it, or reduce the output to a scalar, for example with .sum()",
        )
    )
