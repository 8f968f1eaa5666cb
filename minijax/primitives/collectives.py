"""Collectives: operations across a named vmap axis: psum, pmax, pmin, all_gather, axis_index.

Inside `vmap(f, axis_name="i")` they are recorded with the name; `interpreters.batch` carries them out over the batch
axis of that name through their `collective` rule, and through `batch` under every other vmap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import teach
from ..ir import Kind, Literal, Primitive, ShapedArray, Tracer, aval_like, state
from ._families import move_axis
from ._ops import like, p

__all__ = ["axis_size"]


def axis_size(axis_name: Any) -> int:
    """The size of a named axis. Raises NameError outside a vmap with that name."""
    return _axis(axis_name)[0]


def _axis(axis_name: Any) -> tuple[int, Any]:
    found = state.axes.get(axis_name)
    if found is None:
        raise NameError(
            teach(
                f"unbound axis name: {axis_name}",
                why=f"no vmap with axis_name={axis_name!r} is active here; known axes: {sorted(map(str, state.axes)) or 'none'}",
                do=f"minijax.vmap(f, axis_name={axis_name!r})",
            )
        )
    return found


class Collective(Primitive):
    """A primitive over a named axis: recorded in the trace of its axis also when no operand is traced there."""

    __slots__ = ()

    def bind(self, *args: Any, axis_name: Any, **params: Any) -> Any:
        """Record in the innermost trace among those of the operands and of the axis."""
        size, trace = _axis(axis_name)
        params = {"axis_name": axis_name, **params, "axis_size": size}
        innermost = max([x._trace.level for x in args if type(x) is Tracer], default=0)
        staging = state.staging.level if state.staging is not None else 0
        if max(innermost, staging) >= trace.level:
            return super().bind(*args, **params)
        return trace.record(self, args, params)


def _outside(*args: Any, axis_name: Any, **params: Any) -> Any:
    raise NameError(f"unbound axis name: {axis_name}")


def _elementwise_batch(name: str) -> Any:
    def batch(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, int | None]:
        return getattr(p, name)(args[0], **params), axes[0]

    return batch


def _psum_collective(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, None]:
    (x,), (axis,) = args, axes
    return (p.mul(x, like(x, size)) if axis is None else p.reduce_sum(x, axes=(axis,))), None


def _extremum_collective(reduce_name: str) -> Any:
    def collective(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, None]:
        (x,), (axis,) = args, axes
        return (x if axis is None else getattr(p, reduce_name)(x, axes=(axis,))), None

    return collective


def _extremum_jvp(t: Any, out: Any, x: Any, **params: Any) -> Any:
    chosen = p.convert_element_type(p.eq(x, out), new_dtype=aval_like(x).dtype, weak_type=False)
    share = p.div(chosen, p.psum(chosen, **params))
    return p.psum(p.mul(t, share), **params)


_PARAMS = {"axis_name": object, "axis_size": int}


def _reduction(name: str, collective: Any, jvp: Any, transpose: Any, doc: str) -> Primitive:
    return Collective(
        name,
        Kind.COLLECTIVE,
        abstract=lambda x, axis_name, axis_size: x,
        evaluate=_outside,
        jvp=jvp,
        transpose=transpose,
        batch=_elementwise_batch(name),
        collective=collective,
        params=_PARAMS,
        doc=doc,
    )


psum = _reduction(
    "psum",
    _psum_collective,
    "linear",
    lambda ct, x, **params: (p.psum(ct, **params),),
    "Sum over the named axis, the same for all. x: any shape -> same shape. Linear; its transpose is itself.",
)
pmax = _reduction(
    "pmax",
    _extremum_collective("reduce_max"),
    (_extremum_jvp,),
    None,
    "Maximum over the named axis. The tangent is shared equally by the examples that attain it.",
)
pmin = _reduction(
    "pmin",
    _extremum_collective("reduce_min"),
    (_extremum_jvp,),
    None,
    "Minimum over the named axis. The tangent is shared equally by the examples that attain it.",
)


def _all_gather_abstract(x: ShapedArray, *, axis_name: Any, axis_size: int, axis: int) -> ShapedArray:
    return x.update(shape=(*x.shape[:axis], axis_size, *x.shape[axis:]))


def _all_gather_collective(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, axis: int, **params: Any
) -> tuple[Any, None]:
    (x,), (batch_axis,) = args, axes
    if batch_axis is not None:
        return move_axis(x, batch_axis, axis), None
    shape = aval_like(x).shape
    full = (*shape[:axis], size, *shape[axis:])
    return p.broadcast_in_dim(
        x, shape=full, broadcast_dimensions=tuple(i for i in range(len(full)) if i != axis)
    ), None


def _all_gather_transpose(ct: Any, x: Any, *, axis_name: Any, axis_size: int, axis: int) -> tuple[Any]:
    total = p.psum(ct, axis_name=axis_name, axis_size=axis_size)
    here = p.axis_index(axis_name=axis_name)
    shape = aval_like(total).shape
    zero = Literal(np.int32(0), ShapedArray((), np.dtype(np.int32)))
    starts = [here if i == axis else zero for i in range(len(shape))]
    sizes = tuple(1 if i == axis else n for i, n in enumerate(shape))
    return (p.squeeze(p.dynamic_slice(total, *starts, slice_sizes=sizes), dimensions=(axis,)),)


def _all_gather_batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, axis: int, **params: Any
) -> tuple[Any, int]:
    front = move_axis(args[0], axes[0], 0)  # type: ignore[arg-type]
    return p.all_gather(front, axis=axis + 1, **params), 0


all_gather = Collective(
    "all_gather",
    Kind.COLLECTIVE,
    abstract=_all_gather_abstract,
    evaluate=_outside,
    jvp="linear",
    transpose=_all_gather_transpose,
    batch=_all_gather_batch,
    collective=_all_gather_collective,
    params={**_PARAMS, "axis": int},
    doc="""The values of all examples of the named axis, stacked along `axis`. x: shape s -> s with axis_size inserted.
    Linear; its transpose sums the cotangents of all examples and takes this example's row.""",
)

axis_index = Collective(
    "axis_index",
    Kind.COLLECTIVE,
    abstract=lambda axis_name, axis_size: ShapedArray((), np.dtype(np.int32)),
    evaluate=_outside,
    jvp=None,
    batch=None,
    collective=lambda size, args, axes, **params: (
        p.iota(dtype=np.dtype(np.int32), shape=(size,), dimension=0),
        0,
    ),
    params=_PARAMS,
    doc="The position of this example along the named axis -> i32[]. No derivative: it does not depend on any value.",
)
