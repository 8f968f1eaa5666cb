"""batch: run a Jaxpr on many inputs at once (vmap).

In: a Jaxpr, arguments with the position of their batch axis (None: the same for all). Out: results with theirs.
What does not depend on a mapped input is computed once. Equations that name the axis (`psum`, `axis_index`, ...)
are carried out over the batch axis by their `collective` rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..ir import (
    ClosedJaxpr,
    Jaxpr,
    Kind,
    Literal,
    Primitive,
    ShapedArray,
    Var,
    aval_like,
    source_of,
    state,
    trace_function,
)
from ..primitives._families import move_axis
from ..primitives._ops import p
from ._env import Environment

__all__ = ["batch_jaxpr", "batch_values", "materialize"]


def batch_values(
    jaxpr: Jaxpr,
    consts: Sequence[Any],
    args: Sequence[Any],
    axes: Sequence[int | None],
    size: int,
    axis_name: Any = None,
) -> tuple[list[Any], list[int | None]]:
    """Evaluate `jaxpr` over a batch of `size`.

    Args:
        jaxpr, consts: the program, written for one example.
        args: its inputs; those with an axis carry the batch there.
        axes: the position of the batch axis of each input, None for inputs that are not mapped.
        size: of the batch.
        axis_name: what the axis is called in collectives.

    Returns:
        (results, the position of the batch axis of each, None where it is the same for all).
    """
    env = Environment(jaxpr, consts, args)
    axis_of: dict[Var, int] = {var: axis for var, axis in zip(jaxpr.invars, axes, strict=True) if axis is not None}
    with source_of(state.source):
        for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
            primitive = eqn.primitive
            xs = env.read(eqn.invars)
            in_axes = [None if type(x) is Literal else axis_of.get(x) for x in eqn.invars]
            unmapped = in_axes.count(None) == len(in_axes)
            state.source = eqn.source if unmapped else eqn.derived("batch")
            if primitive.collective is not None and eqn.params.get("axis_name") == axis_name:
                outs, out_axes = primitive.collective(size, xs, in_axes, **eqn.params)
            elif unmapped and (axis_name is None or not _has_body(primitive)):
                outs, out_axes = primitive.bind(*xs, **eqn.params), None
                if primitive.multiple_results:
                    out_axes = [None] * len(outs)
            elif primitive.batch is None:
                raise primitive.missing("batch")
            elif _has_body(primitive):  # collectives may be inside: pass the axis name on
                outs, out_axes = primitive.batch(size, xs, in_axes, **eqn.params, batch_axis_name=axis_name)
            else:
                outs, out_axes = primitive.batch(size, xs, in_axes, **eqn.params)
            if not primitive.multiple_results:
                outs, out_axes = (outs,), (out_axes,)
            env.write(eqn.outvars, outs)
            for var, axis in zip(eqn.outvars, out_axes, strict=True):
                if axis is not None:
                    axis_of[var] = axis
            env.free(done)
    out_axes = [None if type(x) is Literal else axis_of.get(x) for x in jaxpr.outvars]
    return env.read(jaxpr.outvars), out_axes


def _has_body(primitive: Primitive) -> bool:
    return primitive.kind is Kind.STRUCTURED


def materialize(x: Any, axis: int | None, size: int, wanted: int | None) -> Any:
    """`x` with its batch axis at `wanted` (an unmapped value is broadcast; None: it must not be mapped)."""
    aval: ShapedArray = aval_like(x)
    if wanted is None:
        return x
    if axis is None:
        wanted = wanted + aval.ndim + 1 if wanted < 0 else wanted
        shape = (*aval.shape[:wanted], size, *aval.shape[wanted:])
        dims = tuple(i for i in range(len(shape)) if i != wanted)
        return p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=dims)
    wanted = wanted + aval.ndim if wanted < 0 else wanted
    return move_axis(x, axis, wanted)


@lru_cache(maxsize=2048)
def batch_jaxpr(
    closed: ClosedJaxpr,
    size: int,
    axes: tuple[int | None, ...],
    axis_name: Any = None,
    out_batched: tuple[bool, ...] | None = None,
) -> tuple[ClosedJaxpr, tuple[int | None, ...]]:
    """The batched program: inputs carry the batch axis at `axes`, results at the returned positions.

    Args:
        out_batched: results that must be mapped even if they are the same for all (None: none); these
            have their batch axis in front, as have all results that are mapped.
    """
    out_axes: list[int | None] = []

    def over_batch(*args: Any) -> list[Any]:
        outs, found = batch_values(closed.jaxpr, closed.consts, args, axes, size, axis_name)
        must = out_batched or (False,) * len(outs)
        wanted = [0 if axis is not None or flag else None for axis, flag in zip(found, must, strict=True)]
        out_axes.extend(wanted)
        return [materialize(x, a, size, w) for x, a, w in zip(outs, found, wanted, strict=True)]

    avals = [
        aval if axis is None else aval.update(shape=(*aval.shape[:axis], size, *aval.shape[axis:]))
        for aval, axis in zip(closed.in_avals, axes, strict=True)
    ]
    program = trace_function(over_batch, avals, purpose="vmap", name=closed.jaxpr.names.function)
    return program, tuple(out_axes)
