"""What the equations with user rules share: bodies with captured tracers, batched rules, results of the declared type.

A *flat rule* takes flat values and gives flat values. Under `vmap` it is traced for one example and that program is
run over the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..interpreters.batch import batch_values, materialize
from ..ir import ClosedJaxpr, ShapedArray, Var, aval_like, new_trace, state
from ._bodies import hoist_tracers, retyped

__all__ = ["body_with_captured", "over_batch", "retyped", "without_axis"]


def body_with_captured(closed: ClosedJaxpr, captured: Sequence[Any]) -> tuple[ClosedJaxpr, list[Any]]:
    """A body whose leading inputs are the tracers that it or its rules capture, and these tracers."""
    body, found = hoist_tracers(closed)
    known = {id(x) for x in found}
    further = [x for x in captured if id(x) not in known]
    if not further:
        return body, found
    jaxpr = body.jaxpr
    unused = [Var(x.aval) for x in further]
    return ClosedJaxpr(jaxpr.replace(invars=[*unused, *jaxpr.invars]), body.consts), [*further, *found]


def without_axis(aval: ShapedArray, axis: int | None) -> ShapedArray:
    """The type of one example."""
    return aval if axis is None else aval.update(shape=aval.shape[:axis] + aval.shape[axis + 1 :])


def over_batch(
    rule: Callable[..., Sequence[Any]],
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    axis_name: Any,
    name: str,
) -> tuple[list[Any], list[int | None]]:
    """Run a flat rule over a batch: (results, their batch axes: 0, or None where they are the same for all)."""
    avals = [without_axis(aval_like(x), axis) for x, axis in zip(args, axes, strict=True)]
    before = state.axes
    with new_trace("vmap", name, staging=True) as trace:
        if axis_name is not None:  # the rule may contain collectives
            state.axes = {**before, axis_name: (size, trace)}
        try:
            closed = trace.finish(rule(*[trace.input(aval) for aval in avals]))
        finally:
            state.axes = before
    outs, found = batch_values(closed.jaxpr, closed.consts, args, axes, size, axis_name)
    wanted = [None if axis is None else 0 for axis in found]
    return [materialize(x, a, size, w) for x, a, w in zip(outs, found, wanted, strict=True)], wanted
