"""`cond`, `switch`, `platform_dependent`: branches that are both in the program.

A Python `if` on a traced value captures the branch that was taken; these keep all branches, so that one program serves every value,
under vmap and in loops too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..api._calls import check_callable, flatten_values
from ..array import finished
from ..config import config
from ..errors import teach
from ..interpreters.eval import eval_closed
from ..ir import ClosedJaxpr, Literal, ShapedArray, Tracer, aval_like, known_value, state, trace_function
from ..primitives import p
from ..structured._bodies import retyped
from ..structured.cond import cond as cond_primitive
from ..tree import tree_unflatten
from ._operands import as_operand
from ._tracing import (
    Body,
    called_from,
    described,
    difference,
    literals,
    over_all_captured,
    trace_body,
    type_difference,
)

__all__ = ["cond", "platform_dependent", "switch"]

_NO_OPERAND = object()


def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    operand: Any = _NO_OPERAND,
    linear: Any = None,
) -> Any:
    """Call one of two functions, chosen by a scalar.

    Args:
        pred: a boolean scalar; a number counts as true unless it is 0.
        true_fun, false_fun: functions of `operands`, with results of equal structure and types.
        *operands: trees of arrays.
        operand: one operand, in the older form of the call.
        linear: accepted for compatibility.

    Returns:
        `true_fun(*operands)` or `false_fun(*operands)`.

    Raises:
        TypeError: `pred` is not a scalar, or the results differ in structure or types.

    Note:
        Both functions are traced, one is run; under vmap over `pred` both are run and the results selected.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> from minijax import lax
        >>> f = lambda x: lax.cond(x > 0, mnp.log, lambda x: 0.0 * x, x)
        >>> float(f(1.0)), float(mj.grad(f)(0.0))
        (0.0, 0.0)
    """
    if operand is not _NO_OPERAND:
        if operands:
            raise TypeError("cond takes operands by position or as `operand=`, not both")
        operands = (operand,)
    for function in (true_fun, false_fun):
        if not callable(function):
            raise TypeError("lax.cond: true_fun and false_fun arguments should be callable.")
    index = _predicate(pred)
    if config.jax_disable_jit and type(index) is not Tracer:
        return (true_fun if known_value(index) else false_fun)(*operands)
    return _choose(index, (false_fun, true_fun), operands, ("false_fun", "true_fun"))


def _predicate(pred: Any) -> Any:
    if pred is None or (callable(pred) and not hasattr(pred, "aval")):
        raise TypeError(
            teach(
                f"lax.cond: pred must be a scalar, got {pred!r}",
                at=called_from(),
                do="call it: the predicate is a value" if callable(pred) else None,
            )
        )
    value = as_operand(pred)
    aval = aval_like(value)
    if aval.shape != ():
        raise TypeError(
            teach(
                f"Pred must be a scalar, got {pred} of shape {aval.shape}: a bool[] is wanted, this is a "
                f"{aval.str_short()}.",
                at=called_from(),
                why="cond runs one branch for the whole array",
                do="use minijax.numpy.where(pred, a, b) for a choice per element, or reduce: pred.all(), pred.any()",
            )
        )
    if aval.dtype == np.bool_:
        return p.convert_element_type(value, new_dtype=np.dtype(np.int32), weak_type=False)
    if aval.dtype.kind not in "iuf" and aval.dtype.name != "bfloat16":
        raise TypeError(
            teach(
                f"Pred type must be either boolean or number, got {aval.dtype.name}.",
                at=called_from(),
                do="compare: z != 0",
            )
        )
    zero = Literal(aval.dtype.type(0), ShapedArray((), aval.dtype, aval.weak_type))
    return p.convert_element_type(p.ne(value, zero), new_dtype=np.dtype(np.int32), weak_type=False)


def switch(
    index: Any,
    branches: Sequence[Callable[..., Any]],
    *operands: Any,
    operand: Any = _NO_OPERAND,
) -> Any:
    """Call one of several functions, chosen by an integer.

    Args:
        index: an integer scalar; clamped to [0, len(branches) - 1].
        branches: functions of `operands`, with results of equal structure and types.
        *operands: trees of arrays.
        operand: one operand, in the older form of the call.

    Returns:
        `branches[index](*operands)`.

    Raises:
        TypeError: `index` is not an integer scalar, or the results differ in structure or types.
        ValueError: there are no branches.

    Example:
        >>> from minijax import lax
        >>> float(lax.switch(1, [lambda x: x, lambda x: -x], 3.0))
        -3.0
    """
    if operand is not _NO_OPERAND:
        if operands:
            raise TypeError("switch takes operands by position or as `operand=`, not both")
        operands = (operand,)
    branches = tuple(branches)
    for branch in branches:
        check_callable(branch)
    if not branches:
        raise ValueError("Empty branch sequence")
    value = as_operand(index)
    aval = aval_like(value)
    if aval.shape != ():
        raise TypeError(
            teach(
                f"Branch index must be scalar, got {index} of shape {aval.shape}: an i32[] is wanted, this is a "
                f"{aval.str_short()}.",
                at=called_from(),
                why="switch runs one branch for the whole array",
                do="minijax.lax.select_n(index, *cases) for a choice per element, or vmap over the index",
            )
        )
    if aval.dtype.kind not in "iu":
        raise TypeError(
            teach(f"Index type must be an integer, got {aval.dtype.name}.", at=called_from(), do="index.astype(int)")
        )
    if len(branches) == 1:
        return branches[0](*operands)
    if aval.dtype != np.int32:
        low, high = aval.dtype.type(0), aval.dtype.type(min(len(branches) - 1, np.iinfo(aval.dtype).max))
        value = p.convert_element_type(p.clamp(low, value, high), new_dtype=np.dtype(np.int32), weak_type=False)
    elif aval.weak_type:
        value = retyped(value, aval.strong())
    if config.jax_disable_jit and type(value) is not Tracer:
        return branches[min(max(int(known_value(value)), 0), len(branches) - 1)](*operands)  # type: ignore[arg-type]
    value = p.clamp(np.int32(0), value, np.int32(len(branches) - 1))
    return _choose(value, branches, operands, [f"branch {i}" for i in range(len(branches))])


_PLATFORM = "cpu"


def platform_dependent(
    *args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]
) -> Any:
    """Call the function that was written for the platform on which the program runs, which is the CPU here.

    Args:
        *args: trees of arrays.
        default: the function for platforms that are not named.
        **per_platform: functions of `args` by name of the platform: `cpu`, `cuda`, `rocm`, `tpu`.

    Returns:
        `cpu(*args)` if there is one, else `default(*args)`.

    Raises:
        TypeError: an alternative cannot be called, or (where a program is being written) they differ in their results.
        ValueError: "gpu" is named, which JAX does not accept either.
        NotImplementedError: there is neither `cpu` nor `default`.

    Note:
        Under jit, in loops and in `make_jaxpr` all alternatives are traced, and are the branches of a `cond` of known index.

    Example:
        >>> from minijax import lax
        >>> lax.platform_dependent(2.0, cpu=lambda x: x + 1.0, tpu=lambda x: x - 1.0)
        3.0
    """
    named = {**per_platform, **({} if default is None else {"default": default})}
    for name, function in named.items():
        if not callable(function):
            raise TypeError(f"lax.platform_dependent: the {name!r} branch must be a callable.")
        if name == "gpu":
            raise ValueError("Use 'cuda' or 'rocm' for lax.platform_dependent.")
    chosen = _PLATFORM if _PLATFORM in per_platform else "default"
    if chosen not in named:
        raise NotImplementedError(
            teach(
                f"lax.platform_dependent: no branch for the platform {_PLATFORM!r}, only for {sorted(per_platform)}.",
                why="minijax runs on the CPU",
                do=f"pass {_PLATFORM}=..., or default=...",
            )
        )
    if state.staging is None or len(set(named.values())) == 1:
        return named[chosen](*args)
    functions = list(dict.fromkeys(named.values()))
    index = Literal(np.int32(functions.index(named[chosen])), ShapedArray((), np.dtype(np.int32)))
    names = [next(name for name, other in named.items() if other is function) for function in functions]
    return _choose(index, functions, args, names)


def _choose(
    index: Any, functions: Sequence[Callable[..., Any]], operands: Sequence[Any], names: Sequence[str]
) -> Any:
    """Trace all branches over the same operands, make their types agree, bind."""
    values: list[Any] = []
    structures = []
    for x in operands:
        leaves, structure = flatten_values(x)
        values += leaves
        structures.append(structure)
    avals = [aval_like(x) for x in values]
    traced: dict[Any, Body] = {}
    for function in functions:
        if function not in traced:
            traced[function] = trace_body(
                function, structures, avals, "branch of cond" if "true_fun" in names else "branch of switch"
            )
    bodies = [traced[function] for function in functions]
    _check_results(bodies, functions, names)
    captured, branches = over_all_captured(bodies)
    outs = cond_primitive.bind(index, *captured, *literals(values), branches=_typed_alike(branches))
    return tree_unflatten(bodies[0].out_tree, [finished(x) for x in outs])


def _what(names: Sequence[str]) -> str:
    if "true_fun" in names:
        return "cond branch"
    return "switch branch" if names[0] == "branch 0" else "platform_dependent branch"


def _check_results(bodies: Sequence[Body], functions: Sequence[Callable[..., Any]], names: Sequence[str]) -> None:
    what = _what(names)
    # JAX's messages speak of true_fun first
    order = [1, 0] if "true_fun" in names else range(len(bodies))
    first = order[0]
    where = "; ".join(f"{names[i]} is {described(functions[i])}" for i in order)
    for i in order[1:]:
        if bodies[i].out_tree != bodies[first].out_tree:
            shown = difference(
                bodies[first].out_tree, bodies[i].out_tree, f"{names[first]} output", f"{names[i]} output"
            )
            raise TypeError(
                teach(
                    f"{what} outputs must have the same pytree structure, but they differ: {shown}",
                    at=where,
                    do=f"revise {names[first]} and/or {names[i]} so that they return the same structure",
                )
            )
        for a, b in zip(bodies[first].out_avals, bodies[i].out_avals, strict=True):
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                raise TypeError(
                    teach(
                        f"{what}es must have equal output types but they differ. The output of {names[first]} has type "
                        f"{a.dtype}[{','.join(map(str, a.shape))}] but the corresponding output of {names[i]} has type "
                        f"{b.dtype}[{','.join(map(str, b.shape))}]{type_difference(a, b)}.",
                        at=where,
                        why="the program goes on with one result, whichever branch gave it",
                        do="convert one of them: .astype(...), mnp.broadcast_to, mnp.zeros_like",
                    )
                )


def _typed_alike(branches: Sequence[ClosedJaxpr]) -> tuple[ClosedJaxpr, ...]:
    """Branches whose results are weakly typed only where they are in all of them."""
    weak = tuple([all(a.weak_type for a in avals) for avals in zip(*(b.out_avals for b in branches), strict=True)])
    return tuple([_typed(branch, weak) for branch in branches])


@lru_cache(maxsize=1024)
def _typed(branch: ClosedJaxpr, weak: tuple[bool, ...]) -> ClosedJaxpr:
    if tuple([a.weak_type for a in branch.out_avals]) == weak:
        return branch
    wanted = [a.update(weak_type=flag) for a, flag in zip(branch.out_avals, weak, strict=True)]

    def converted(*args: Any) -> list[Any]:
        return [retyped(x, aval) for x, aval in zip(eval_closed(branch, *args), wanted, strict=True)]

    names = branch.jaxpr.names
    program = trace_function(converted, branch.in_avals, purpose=names.traced_for, name=names.function)
    return ClosedJaxpr(program.jaxpr, program.consts, branch.recurs)
