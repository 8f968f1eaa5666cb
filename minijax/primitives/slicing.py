"""Slicing: windows whose size is static, at places that are static (`slice`) or values (`dynamic_slice`).

Linear in the arrays, constant in the indices. A dynamic window that would stick out is moved inwards until it
fits, as XLA does; transposing one operation of the family gives another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Kind, Linear, Primitive, ShapedArray, Zero, aval_like
from ._families import move_axis, moved_to_front
from ._index_maps import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from ._ops import like, p, zeros


def _slice_aval(
    x: ShapedArray, *, start_indices: tuple[int, ...], limit_indices: tuple[int, ...], strides: Any = None
) -> ShapedArray:
    steps = (1,) * x.ndim if strides is None else strides
    if not len(start_indices) == len(limit_indices) == len(steps) == x.ndim:
        raise TypeError(
            f"slice start_indices, limit_indices and strides must have one entry per axis of shape {x.shape}, got "
            f"{start_indices}, {limit_indices}, {strides}"
        )
    for n, start, limit, step in zip(x.shape, start_indices, limit_indices, steps):
        if not 0 <= start <= limit <= n:
            raise TypeError(
                f"slice indices must satisfy 0 <= start_indices <= limit_indices <= shape; got start_indices "
                f"{start_indices}, limit_indices {limit_indices} for operand shape {x.shape}."
            )
        if step <= 0:
            raise TypeError(f"slice strides must be positive, got {strides}")
    shape = tuple([-((start - limit) // step) for start, limit, step in zip(start_indices, limit_indices, steps)])
    return ShapedArray(shape, x.dtype, x.weak_type)


def _slice_evaluate(x: Any, *, start_indices: Any, limit_indices: Any, strides: Any = None) -> Any:
    if strides is None:
        return x[tuple(map(slice, start_indices, limit_indices))]
    return x[tuple(map(slice, start_indices, limit_indices, strides))]


def _slice_transpose(
    ct: Any, x: Linear, *, start_indices: Any, limit_indices: Any, strides: Any = None
) -> tuple[Any]:
    shape, taken = x.aval.shape, aval_like(ct).shape
    steps = (1,) * len(shape) if strides is None else strides
    config = []
    for n, count, start, step in zip(shape, taken, start_indices, steps):
        covered = (count - 1) * step + 1 if count else 0
        config.append((start, n - start - covered, step - 1))
    return (p.pad(ct, like(ct, 0), padding_config=tuple(config)),)


def _slice_batch(
    size: int, args: Any, axes: Any, *, start_indices: Any, limit_indices: Any, strides: Any = None
) -> Any:
    (x,), (axis,) = args, axes
    starts = (*start_indices[:axis], 0, *start_indices[axis:])
    limits = (*limit_indices[:axis], size, *limit_indices[axis:])
    steps = None if strides is None else (*strides[:axis], 1, *strides[axis:])
    return p.slice(x, start_indices=starts, limit_indices=limits, strides=steps), axis


slice_ = Primitive(
    "slice",
    Kind.INDEXING,
    abstract=_slice_aval,
    evaluate=_slice_evaluate,
    jvp="linear",
    transpose=_slice_transpose,
    batch=_slice_batch,
    lower="slice",
    params={"start_indices": tuple, "limit_indices": tuple, "strides": (tuple, type(None))},
    doc="""x[start:limit:stride] along every axis, all static and inside x. Linear; the transpose pads the
    cotangent with zeros, strides become interior padding.""",
)


def _check_indices(name: str, x: ShapedArray, indices: Sequence[ShapedArray], sizes: Sequence[int]) -> None:
    if len(indices) != x.ndim or len(sizes) != x.ndim:
        raise TypeError(
            f"{name} needs one scalar index and one window size per axis of shape {x.shape}, got {len(indices)} "
            f"indices and sizes {tuple(sizes)}"
        )
    for index in indices:
        if index.shape != () or index.dtype.kind not in "iu":
            raise TypeError(f"index arguments to {name} must be integers of shape (), got {index.str_short()}")
    if any(not 0 <= w <= n for w, n in zip(sizes, x.shape)):
        raise TypeError(
            f"slice slice_sizes must be less than or equal to operand shape, got slice_sizes {tuple(sizes)} for "
            f"operand shape {x.shape}."
        )


def _window(shape: Sequence[int], indices: Sequence[Any], sizes: Sequence[int]) -> tuple[slice, ...]:
    """The window at `indices`, moved inwards until it fits."""
    window = []
    for n, index, w in zip(shape, indices, sizes):
        start = min(max(int(index), 0), n - w)
        window.append(slice(start, start + w))
    return tuple(window)


def _dynamic_slice_aval(x: ShapedArray, *indices: ShapedArray, slice_sizes: tuple[int, ...]) -> ShapedArray:
    _check_indices("dynamic_slice", x, indices, slice_sizes)
    return ShapedArray(tuple(slice_sizes), x.dtype, x.weak_type)


def _dynamic_slice_jvp(primals: Any, tangents: Any, *, slice_sizes: tuple[int, ...]) -> Any:
    x, *indices = primals
    out = p.dynamic_slice(x, *indices, slice_sizes=slice_sizes)
    t = tangents[0]
    if type(t) is Zero:
        return out, Zero(out.aval.tangent())
    return out, p.dynamic_slice(t, *indices, slice_sizes=slice_sizes)


def _dynamic_slice_transpose(ct: Any, x: Linear, *indices: Any, slice_sizes: tuple[int, ...]) -> tuple[Any, ...]:
    return p.dynamic_update_slice(zeros(x.aval), ct, *indices), *(None,) * len(indices)


def _dynamic_slice_batch(size: int, args: Any, axes: Any, *, slice_sizes: tuple[int, ...]) -> Any:
    (x, *indices), (axis, *index_axes) = args, axes
    if index_axes.count(None) == len(index_axes):
        indices.insert(axis, _FIRST)
        sizes = (*slice_sizes[:axis], size, *slice_sizes[axis:])
        return p.dynamic_slice(x, *indices, slice_sizes=sizes), axis
    # A window per example: a gather whose windows are the slices.
    starts = _stacked(size, indices, index_axes)
    ndim = len(slice_sizes)
    if axis is None:
        numbers = GatherDimensionNumbers(tuple(range(1, ndim + 1)), (), tuple(range(ndim)))
    else:
        x, slice_sizes = move_axis(x, axis, 0), (1, *slice_sizes)
        through = tuple(range(1, ndim + 1))
        numbers = GatherDimensionNumbers(through, (), through, (0,), (0,))
    out = p.gather(
        x,
        starts,
        dimension_numbers=numbers,
        slice_sizes=tuple(slice_sizes),
        mode=GatherScatterMode.PROMISE_IN_BOUNDS,  # reads move inwards, as here; `checkify` looks at these, not at CLIP
        fill_value=None,
        indices_are_sorted=False,
        unique_indices=axis is not None,  # windows of one shared operand may overlap
    )
    return out, 0


_FIRST = np.int32(0)


def _stacked(size: int, indices: Sequence[Any], axes: Sequence[int | None]) -> Any:
    """Scalar indices, some of them one per example, as an array (size, number of indices)."""
    dtype = max((aval_like(i).dtype for i in indices), key=lambda dtype: dtype.itemsize)
    columns = []
    for index, axis in zip(indices, axes, strict=True):
        if aval_like(index).dtype != dtype:
            index = p.convert_element_type(index, new_dtype=dtype, weak_type=False)
        dims = () if axis is None else (0,)
        columns.append(p.broadcast_in_dim(index, shape=(size, 1), broadcast_dimensions=dims))
    return p.concatenate(*columns, dimension=1)


dynamic_slice = Primitive(
    "dynamic_slice",
    Kind.INDEXING,
    abstract=_dynamic_slice_aval,
    evaluate=lambda x, *indices, slice_sizes: x[_window(x.shape, indices, slice_sizes)],
    jvp=_dynamic_slice_jvp,
    transpose=_dynamic_slice_transpose,
    batch=_dynamic_slice_batch,
    lower="dynamic_slice",
    params={"slice_sizes": tuple},
    doc="""The window of size `slice_sizes` at scalar integer indices, one per axis of x, moved inwards until it
    fits. Linear in x, constant in the indices; the transpose writes the cotangent into zeros at the same
    place.""",
)


def _update_aval(x: ShapedArray, update: ShapedArray, *indices: ShapedArray) -> ShapedArray:
    if x.dtype != update.dtype:
        raise TypeError(
            f"dynamic_update_slice requires arguments to have the same dtypes, got {x.dtype}, {update.dtype}."
        )
    if update.ndim != x.ndim or any(w > n for w, n in zip(update.shape, x.shape)):
        raise TypeError(
            f"dynamic_update_slice update shape must be smaller than operand shape, got update shape {update.shape} "
            f"for operand shape {x.shape}."
        )
    _check_indices("dynamic_update_slice", x, indices, update.shape)
    return ShapedArray(x.shape, x.dtype, x.weak_type and update.weak_type)


def _update_evaluate(x: Any, update: Any, *indices: Any) -> Any:
    out = np.array(x, order="C")
    out[_window(out.shape, indices, update.shape)] = update
    return out


def _update_jvp(primals: Any, tangents: Any) -> Any:
    x, update, *indices = primals
    out = p.dynamic_update_slice(x, update, *indices)
    t, t_update = tangents[:2]
    if type(t) is Zero and type(t_update) is Zero:
        return out, Zero(out.aval.tangent())
    full = [zeros(t.aval) if type(t) is Zero else t for t in (t, t_update)]
    return out, p.dynamic_update_slice(*full, *indices)


def _update_transpose(ct: Any, x: Any, update: Any, *indices: Any) -> tuple[Any, ...]:
    aval = aval_like(update)
    x_ct = p.dynamic_update_slice(ct, zeros(aval), *indices) if type(x) is Linear else None
    update_ct = p.dynamic_slice(ct, *indices, slice_sizes=aval.shape) if type(update) is Linear else None
    return x_ct, update_ct, *(None,) * len(indices)


def _update_batch(size: int, args: Any, axes: Any) -> Any:
    x, update = moved_to_front(size, args[:2], axes[:2])
    indices, index_axes = args[2:], axes[2:]
    if index_axes.count(None) == len(index_axes):
        return p.dynamic_update_slice(x, update, _FIRST, *indices), 0
    through = tuple(range(1, len(indices) + 1))
    out = p.scatter(
        x,
        _stacked(size, indices, index_axes),
        update,
        dimension_numbers=ScatterDimensionNumbers(through, (), through, (0,), (0,)),
        indices_are_sorted=True,
        unique_indices=True,
        mode=GatherScatterMode.CLIP,
    )
    return out, 0


dynamic_update_slice = Primitive(
    "dynamic_update_slice",
    Kind.INDEXING,
    abstract=_update_aval,
    evaluate=_update_evaluate,
    jvp=_update_jvp,
    transpose=_update_transpose,
    batch=_update_batch,
    lower="dynamic_update_slice",
    doc="""x with the window at scalar integer indices, one per axis, replaced by `update` (moved inwards until
    it fits). Linear in x and update jointly; the transpose cuts the window out of the cotangent, and leaves
    zeros there for x.""",
)
