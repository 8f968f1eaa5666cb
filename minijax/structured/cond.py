"""`cond`: one of several branches, chosen by an index.

    c:f32[] = cond[branches=({ lambda ; a:f32[]. let ... }, { ... })] i a

In: an int32 scalar (0 runs the first branch; clamped to the branches there are), operands of all branches. `lax.cond` puts
the false branch first. A rule transforms each branch and makes their results agree: a tangent, residual or cotangent that one branch
has and another lacks is zero there. Where the index has a value when a derivative is taken, only that branch is
differentiated; where it differs across a batch, all branches run and `select_n` picks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..config import config
from ..interpreters.batch import batch_jaxpr, batch_values, materialize
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.linearize import linearize_jaxpr
from ..interpreters.transpose import transpose_jaxpr
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, aval_like, known_value
from ..ir.passes.dce import dce, dce_jaxpr
from ..primitives._ops import p, zeros
from ._bodies import (
    Flags,
    check_operands,
    chosen,
    is_concrete,
    linearize_inside,
    merged,
    nonzero_flags,
    retraced,
    retyped,
    with_zeros,
)
from ._taylor import cond_jet
from .conditional_checks import has_checks, under_condition
from .jit import jit

__all__ = ["cond"]

Branches = tuple[ClosedJaxpr, ...]


def _abstract(index: ShapedArray, *avals: ShapedArray, branches: Branches) -> tuple[ShapedArray, ...]:
    if index.shape != () or index.dtype != np.int32:
        raise TypeError(f"cond: the index must be a scalar of dtype int32, got {index.str_short()}")
    for branch in branches:
        check_operands("cond", avals, branch.in_avals)
        if branch.out_avals != branches[0].out_avals:
            first, other = (" ".join(a.str_short() for a in b.out_avals) for b in (branches[0], branch))
            raise TypeError(f"cond: the branches return different types: {first} and {other}")
    return branches[0].out_avals


def _taken(index: Any, branches: Branches) -> ClosedJaxpr:
    """The branch for an index that has a value."""
    return branches[min(max(int(known_value(index)), 0), len(branches) - 1)]  # type: ignore[arg-type]


def _evaluate(index: Any, *args: Any, branches: Branches) -> Any:
    return jit.bind(*args, jaxpr=_taken(index, branches), name="branch")


def _united(flags: Sequence[Sequence[bool]]) -> Flags:
    """A result is active if it is in some branch."""
    return tuple(map(any, zip(*flags, strict=True)))


# -- forward mode


@lru_cache(maxsize=1024)
def _pushed(branches: Branches, nonzero: Flags) -> tuple[Branches, Flags]:
    united = _united([jvp_jaxpr(branch, nonzero)[1] for branch in branches])
    return tuple(_typed(jvp_jaxpr(branch, nonzero, united)[0], branch, united) for branch in branches), united


def _typed(pushed: ClosedJaxpr, branch: ClosedJaxpr, flags: Flags) -> ClosedJaxpr:
    """Result tangents with the weak types of the results, so that all branches return the same types."""
    wanted = (*branch.out_avals, *(a.tangent() for a in chosen(branch.out_avals, flags)))
    if wanted == pushed.out_avals:
        return pushed

    def typed(*args: Any) -> list[Any]:
        return [retyped(x, aval) for x, aval in zip(eval_closed(pushed, *args), wanted, strict=True)]

    return retraced(typed, pushed.in_avals, "jvp", branch)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, branches: Branches) -> tuple[list[Any], list[Any]]:
    flags = nonzero_flags(tangents[1:])
    pushed, united = _pushed(branches, flags)
    outs = cond.bind(*primals, *chosen(tangents[1:], flags), branches=pushed)
    count = len(united)
    return outs[:count], merged(united, outs[count:], [None] * count)


# -- linearize


class _LinearizedBranches(NamedTuple):
    """`known`: operands -> (results, slots); `linear`: (slots, tangents) -> tangents, the same slots in all branches."""

    known: Branches
    linear: Branches
    out_flags: Flags


@lru_cache(maxsize=1024)
def _linearized(branches: Branches, nonzero: Flags) -> _LinearizedBranches:
    splits = [linearize_jaxpr(branch, nonzero) for branch in branches]
    out_flags = _united([split.out_nonzero for split in splits])
    num_outs = len(out_flags)
    residual_avals = [split.known.out_avals[num_outs:] for split in splits]
    slots = _slots(residual_avals)
    places = [_places(avals, slots) for avals in residual_avals]
    out_avals = [a.tangent() for a in chosen(branches[0].out_avals, out_flags)]
    return _LinearizedBranches(
        tuple(_with_slots(split.known, num_outs, slots, where) for split, where in zip(splits, places, strict=True)),
        tuple(
            _from_slots(split, slots, where, out_flags, out_avals)
            for split, where in zip(splits, places, strict=True)
        ),
        out_flags,
    )


def _slots(residual_avals: Sequence[Sequence[ShapedArray]]) -> tuple[ShapedArray, ...]:
    """Types of the values that cross over: branches share a slot where their residuals have the same type."""
    most: Counter[ShapedArray] = Counter()
    for avals in residual_avals:
        most |= Counter(avals)
    return tuple(most.elements())


def _places(avals: Sequence[ShapedArray], slots: Sequence[ShapedArray]) -> list[int]:
    """For each residual of a branch, its slot."""
    free: dict[ShapedArray, list[int]] = {}
    for i, aval in enumerate(slots):
        free.setdefault(aval, []).append(i)
    return [free[aval].pop(0) for aval in avals]


def _with_slots(
    known: ClosedJaxpr, num_outs: int, slots: Sequence[ShapedArray], places: Sequence[int]
) -> ClosedJaxpr:
    def branch(*args: Any) -> list[Any]:
        outs = eval_closed(known, *args)
        filled = dict(zip(places, outs[num_outs:], strict=True))
        return [*outs[:num_outs], *(filled[i] if i in filled else zeros(aval) for i, aval in enumerate(slots))]

    return retraced(branch, known.in_avals, "linearize", known)


def _from_slots(
    split: Any,
    slots: Sequence[ShapedArray],
    places: Sequence[int],
    out_flags: Flags,
    out_avals: Sequence[ShapedArray],
) -> ClosedJaxpr:
    def branch(*args: Any) -> list[Any]:
        outs = iter(eval_closed(split.linear, *(args[i] for i in places), *args[len(slots) :]))
        found = [next(outs) if flag else None for flag in split.out_nonzero]
        return [with_zeros(t, aval) for t, aval in zip(chosen(found, out_flags), out_avals, strict=True)]

    return retraced(branch, (*slots, *split.linear.in_avals[len(places) :]), "linearize", split.linear)


def _partial_eval(
    primals: Sequence[Any], tangents: Sequence[Any], *, branches: Branches
) -> tuple[list[Any], list[Any]]:
    index, operands = primals[0], primals[1:]
    if is_concrete([index]):
        return linearize_inside(_taken(index, branches), operands, tangents[1:])
    flags = nonzero_flags(tangents[1:])
    split = _linearized(branches, flags)
    num_outs = len(split.out_flags)
    outs = cond.bind(index, *operands, branches=split.known)
    found = cond.bind(index, *outs[num_outs:], *chosen(tangents[1:], flags), branches=split.linear)
    return outs[:num_outs], merged(split.out_flags, found, [None] * num_outs)


# -- transpose


@lru_cache(maxsize=1024)
def _transposed(branches: Branches, linear: Flags, nonzero: Flags, strong_zeros: bool) -> tuple[Branches, Flags]:
    """The last argument is the flag as it is set: what `transpose_jaxpr` gives depends on it."""
    pairs = [transpose_jaxpr(branch, linear, nonzero) for branch in branches]
    united = _united([flags for _, flags in pairs])
    avals = [a.tangent() for a in chosen(chosen(branches[0].in_avals, linear), united)]

    def agreeing(pulled: ClosedJaxpr, flags: Flags) -> ClosedJaxpr:
        def branch(*args: Any) -> list[Any]:
            outs = iter(eval_closed(pulled, *args))
            found = [next(outs) if flag else None for flag in flags]
            return [with_zeros(ct, aval) for ct, aval in zip(chosen(found, united), avals, strict=True)]

        return retraced(branch, pulled.in_avals, "transpose", pulled)

    return tuple(agreeing(*pair) for pair in pairs), united


def _transpose(ct: Sequence[Any], index: Any, *args: Any, branches: Branches) -> list[Any]:
    linear = tuple(type(x) is Linear for x in args)
    flags = nonzero_flags(ct)
    pulled, united = _transposed(branches, linear, flags, config.minijax_strong_zeros)
    known = [x for x in args if type(x) is not Linear]
    outs = cond.bind(index, *known, *chosen(ct, flags), branches=pulled)
    found = merged(united, outs, [None] * len(united))
    return [None, *merged(linear, found, [None] * len(linear))]


# -- batch, dead code


def _batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, branches: Branches, batch_axis_name: Any = None
) -> tuple[list[Any], list[int | None]]:
    if axes[0] is not None:
        return _select(size, args, axes, branches, batch_axis_name)
    in_axes = tuple(axes[1:])
    found = [batch_jaxpr(branch, size, in_axes, batch_axis_name)[1] for branch in branches]
    mapped = _united([[axis is not None for axis in out_axes] for out_axes in found])
    batched = tuple(
        _typed_alike(batch_jaxpr(branch, size, in_axes, batch_axis_name, mapped)[0], branch) for branch in branches
    )
    return cond.bind(*args, branches=batched), [0 if flag else None for flag in mapped]


@lru_cache(maxsize=1024)
def _typed_alike(batched: ClosedJaxpr, branch: ClosedJaxpr) -> ClosedJaxpr:
    """A batched branch whose results have the weak types of the results of one example."""
    weak = [aval.weak_type for aval in branch.out_avals]
    if [aval.weak_type for aval in batched.out_avals] == weak:
        return batched

    def typed(*args: Any) -> list[Any]:
        outs = zip(eval_closed(batched, *args), weak, strict=True)
        return [retyped(x, aval_like(x).update(weak_type=flag)) for x, flag in outs]

    return retraced(typed, batched.in_avals, "vmap", branch)


def _select(
    size: int, args: Sequence[Any], axes: Sequence[int | None], branches: Branches, axis_name: Any
) -> tuple[list[Any], list[int | None]]:
    """Each example takes its own branch: run them all, and pick."""
    last = len(branches) - 1
    index = p.clamp(np.int32(0), materialize(args[0], axes[0], size, 0), np.int32(last))
    columns = []
    for number, branch in enumerate(branches):
        operands, in_axes = list(args[1:]), list(axes[1:])
        if has_checks(branch):
            taken = p.eq(index, p.broadcast_in_dim(np.int32(number), shape=(size,), broadcast_dimensions=()))
            branch, operands, in_axes = under_condition(branch), [taken, *operands], [0, *in_axes]
        outs, found = batch_values(branch.jaxpr, branch.consts, operands, in_axes, size, axis_name)
        columns.append([materialize(x, axis, size, 0) for x, axis in zip(outs, found, strict=True)])
    picked = [
        retyped(_pick(index, cases), aval_like(cases[0]).update(weak_type=aval.weak_type))
        for cases, aval in zip(zip(*columns, strict=True), branches[0].out_avals, strict=True)
    ]
    return picked, [0] * len(picked)


def _pick(index: Any, cases: Sequence[Any]) -> Any:
    shape = aval_like(cases[0]).shape
    if len(shape) > 1:
        index = p.broadcast_in_dim(index, shape=shape, broadcast_dimensions=(0,))
    if len(cases) == 1:
        return cases[0]
    if len(cases) == 2:  # a boolean selects between two
        index = p.convert_element_type(index, new_dtype=np.dtype(bool), weak_type=False)
    return p.select_n(index, *cases)


def _dce(params: dict[str, Any], used: Sequence[bool]) -> tuple[dict[str, Any], list[bool]]:
    branches: Branches = params["branches"]
    reads = _united([dce_jaxpr(branch, used)[1] for branch in branches])
    reduced = tuple(_reduced(branch, used, reads) for branch in branches)
    same = all(new is old for new, old in zip(reduced, branches, strict=True))
    return {**params, "branches": branches if same else reduced}, [True, *reads]


def _reduced(branch: ClosedJaxpr, used: Sequence[bool], reads: Flags) -> ClosedJaxpr:
    if all(used) and all(reads):
        return dce(branch)
    jaxpr = branch.jaxpr
    fewer = jaxpr.replace(invars=chosen(jaxpr.invars, reads), outvars=chosen(jaxpr.outvars, used))
    return dce(ClosedJaxpr(fewer, branch.consts))


cond = Primitive(
    "cond",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    transpose=_transpose,
    batch=_batch,
    dce=_dce,
    jet=cond_jet,
    lower="cond",
    params={"branches": tuple},
    multiple_results=True,
    doc="""One of several branches. Operands: an int32 scalar, clamped to the number of branches, then the operands of all
    branches; results as those of the branch. d cond(i, x) = cond(i, d branches): the choice itself has no derivative.""",
)
