"""What the equations with user rules share: bodies with captured tracers, batched rules, results of the declared type.

A *flat rule* takes flat values and gives flat values. Under `vmap` it is traced for one example and that program is
run over the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..interpreters.batch import batch_values, materialize
from ..ir import ClosedJaxpr, ShapedArray, Var, Zero, aval_like, new_trace, state
from ..primitives._ops import p
from ._bodies import hoist_tracers

__all__ = ["BatchedPullback", "Pullback", "body_with_captured", "over_batch", "without_axis"]

# (residuals, cotangents of the differentiable results: Zero for zero) -> cotangents of the inputs, None for zero
Pullback = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]


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


class BatchedPullback:
    """A pullback for a batch: inputs that all examples share get the sum of their cotangents."""

    def __init__(
        self,
        pullback: Pullback,
        size: int,
        residual_axes: Sequence[int | None],
        ct_axes: Sequence[int | None],
        in_axes: Sequence[int | None],
        axis_name: Any,
    ) -> None:
        self.pullback = pullback
        self.size = size
        self.axes = (*residual_axes, *ct_axes)
        self.in_axes = in_axes
        self.axis_name = axis_name
        self.__name__ = getattr(pullback, "__name__", "pullback")

    def __call__(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        present: list[bool] = []
        axes = self.axes[len(residuals) :]
        given = [
            Zero(without_axis(ct.aval, axis)) if type(ct) is Zero else None
            for ct, axis in zip(cts, axes, strict=True)
        ]

        def flat(*args: Any) -> list[Any]:
            rest = iter(args[len(residuals) :])
            found = self.pullback(args[: len(residuals)], [next(rest) if ct is None else ct for ct in given])
            present.extend(ct is not None for ct in found)
            return [ct for ct in found if ct is not None]

        args = (*residuals, *(ct for ct in cts if type(ct) is not Zero))
        nonzero_axes = [axis for ct, axis in zip(given, axes, strict=True) if ct is None]
        found, found_axes = over_batch(
            flat, self.size, args, (*self.axes[: len(residuals)], *nonzero_axes), self.axis_name, self.__name__
        )
        pairs = iter(zip(found, found_axes, strict=True))
        return [
            self._placed(*next(pairs), axis) if flag else None
            for flag, axis in zip(present, self.in_axes, strict=True)
        ]

    def _placed(self, ct: Any, axis: int | None, wanted: int | None) -> Any:
        if wanted is not None:
            return materialize(ct, axis, self.size, wanted)
        return p.reduce_sum(materialize(ct, axis, self.size, 0), axes=(0,))
