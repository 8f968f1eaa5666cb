"""Bodies of loops and branches: user functions traced to Jaxprs, and the errors when their results do not fit.

In: a function and the types of its arguments (values are not known in a body). Out: a `Body`: the program, whose leading inputs
are the outer values that it captures, these values, and the structure of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ..api._calls import FlatFunction, function_name, parameter_names, trace_flat
from ..array import Array
from ..config import config
from ..errors import teach
from ..ir import ClosedJaxpr, Literal, ShapedArray, Var
from ..ir.evaluation import describe, here
from ..tree import PyTreeDef, keystr, leaf_names, tree_flatten_with_path, tree_unflatten

__all__ = [
    "Body",
    "difference",
    "described",
    "literals",
    "over_all_captured",
    "trace_body",
    "type_difference",
]


class Body(NamedTuple):
    """A traced function: inputs of `closed` are `captured`, then the leaves of the arguments."""

    closed: ClosedJaxpr
    captured: list[Any]
    out_tree: PyTreeDef

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """Types of the results."""
        return self.closed.out_avals


def trace_body(
    function: Callable[..., Any],
    structures: Sequence[PyTreeDef],
    avals: Sequence[ShapedArray],
    purpose: str,
    known_names: Sequence[str] | None = None,
) -> Body:
    """Trace `function` of trees with these structures and leaf types; its leaves are called `known_names`, if these are given."""
    flat = FlatFunction(function, [None] * len(structures), {}, tuple(range(len(structures))), structures)

    def names() -> Sequence[str]:
        if known_names is not None:
            return known_names
        trees = [tree_unflatten(structure, [0] * structure.num_leaves) for structure in structures]
        return leaf_names(trees, {}, parameter_names(function, len(trees)))

    unknown = [None] * len(avals)
    traced = trace_flat(flat, unknown, avals=avals, purpose=purpose, names=names, staging=True, recurs=True)
    named_by = getattr(function, "__code__", None) if known_names is None else tuple(known_names)
    closed, captured = traced.program.body(named_by, tuple(structures), config.trace_key())
    return Body(closed, captured, traced.out_tree)


def over_all_captured(bodies: Sequence[Body]) -> tuple[list[Any], list[ClosedJaxpr]]:
    """(what the bodies capture together, their programs with all of that as leading inputs)."""
    captured = {id(x): x for body in bodies for x in body.captured}
    avals = tuple([x.aval for x in captured.values()])
    programs = []
    for body in bodies:
        own = {id(x): i for i, x in enumerate(body.captured)}
        programs.append(_with_leading(body.closed, len(own), tuple(map(own.get, captured)), avals))
    return list(captured.values()), programs


@lru_cache(maxsize=1024)
def _with_leading(
    closed: ClosedJaxpr, count: int, places: tuple[int | None, ...], avals: tuple[ShapedArray, ...]
) -> ClosedJaxpr:
    """A body with other leading inputs instead of its first `count`: of each, which of these it was, if any."""
    jaxpr = closed.jaxpr
    leading = [Var(aval) if i is None else jaxpr.invars[i] for i, aval in zip(places, avals, strict=True)]
    return ClosedJaxpr(jaxpr.replace(invars=[*leading, *jaxpr.invars[count:]]), closed.consts, closed.recurs)


def literals(values: Sequence[Any]) -> list[Any]:
    """Values with scalars that exist as literals, so that they are seen in the program."""
    return [Literal(x._value[()], x.aval) if type(x) is Array and not x.aval.shape else x for x in values]


def called_from() -> str | None:
    """`file.py:3 in f: text` of the user's call of the function of `lax` that asks, for messages."""
    return describe(here())


def described(function: Callable[..., Any]) -> str:
    """`f at file.py:3`, for messages."""
    code = getattr(function, "__code__", None)
    where = f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    return f"{function_name(function)}{where}"


def _kind(tree: PyTreeDef) -> str:
    if tree.num_leaves == 1 and tree.is_leaf():
        return "a pytree leaf"
    return f"a {type(tree_unflatten(tree, [0] * tree.num_leaves))}"


def _paths(tree: PyTreeDef) -> list[str]:
    pairs, _ = tree_flatten_with_path(tree_unflatten(tree, [0] * tree.num_leaves))
    return [keystr(path) for path, _ in pairs]


def difference(first: PyTreeDef, second: PyTreeDef, one: str, other: str) -> str:
    """How two structures differ, in words."""
    if _kind(first) != _kind(second):
        return f"{one} is {_kind(first)} but {other} is {_kind(second)}, so their Python types differ."
    if first.num_leaves != second.num_leaves:
        return f"{one} has {first.num_leaves} leaves, {other} has {second.num_leaves}: {first} and {second}."
    return f"{one} has structure {first}, {other} has structure {second}."


def type_difference(given: ShapedArray, found: ShapedArray) -> str:
    """What of two types does not match: ", so the dtypes do not match"."""
    wrong = [name for name in ("shape", "dtype") if getattr(given, name) != getattr(found, name)]
    return f", so the {' and '.join(name + 's' for name in wrong)} do not match"


def carry_error(
    what: str,
    function: Callable[..., Any],
    names: Sequence[str],
    avals_in: Sequence[ShapedArray],
    avals_out: Sequence[ShapedArray],
) -> TypeError:
    """The error for a body that returns another type of carry than it gets."""
    lines = [
        f"The input carry {name} has type {_typed(given)} but the corresponding output carry component has type "
        f"{_typed(found)}{type_difference(given, found)}."
        for name, given, found in zip(names, avals_in, avals_out, strict=True)
        if (given.shape, given.dtype) != (found.shape, found.dtype)
    ]
    return TypeError(
        teach(
            f"{what} function carry input and carry output must have equal types, but they differ: "
            + " ".join(lines),
            at=described(function),
            why="the loop is one program: every step takes what the step before returned",
            do="give the initial carry that type (mnp.zeros(shape, dtype), .astype), or convert the result of the step",
        )
    )


def carry_structure_error(
    what: str, function: Callable[..., Any], name: str, tree_in: PyTreeDef, tree_out: PyTreeDef
) -> TypeError:
    """The error for a body that returns another structure of carry than it gets."""
    one, other = f"the input carry {name}".strip(), "the corresponding component of the carry output"
    shown = difference(tree_in, tree_out, one, other)
    return TypeError(
        teach(
            f"{what} function carry input and carry output must have the same pytree structure, but they differ: "
            f"{shown[0].upper()}{shown[1:]}",
            at=described(function),
            do="revise the function so that the carry output has the same pytree structure as the carry input",
        )
    )


def _typed(aval: ShapedArray) -> str:
    return f"{aval.dtype}[{','.join(map(str, aval.shape))}]"


def carry_names(tree: PyTreeDef, name: str) -> list[str]:
    """Names of the leaves of a carry: `c[0]`, `state['w']`."""
    return [f"{name}{path}" for path in _paths(tree)]
