"""lax functions that move, slice, join, create and index arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import as_value
from ..dtypes import check_user_dtype
from ..ir import Literal, ShapedArray
from ..primitives import p
from ..primitives._index_maps import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
)
from ._operands import as_operand, as_operands, canonical_axes, canonical_axis, index_operands, static_shape

_python_slice = slice  # the name is taken below

__all__ = [
    "GatherDimensionNumbers",
    "GatherScatterMode",
    "ScatterDimensionNumbers",
    "broadcast",
    "broadcast_in_dim",
    "broadcast_shapes",
    "broadcast_to_rank",
    "broadcasted_iota",
    "collapse",
    "concatenate",
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
    "empty",
    "expand_dims",
    "full",
    "full_like",
    "gather",
    "index_in_dim",
    "iota",
    "pad",
    "reshape",
    "rev",
    "scatter",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_sub",
    "slice",
    "slice_in_dim",
    "split",
    "squeeze",
    "transpose",
]


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to. Raises ValueError if there is none.

    Example:
        >>> broadcast_shapes((2, 1), (3,))
        (2, 3)
    """
    if not shapes:
        return ()
    try:
        return np.broadcast_shapes(*[static_shape(s) for s in shapes])
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={list(map(tuple, shapes))}") from None


def broadcast(operand: Any, sizes: Sequence[int], *, out_sharding: Any = None) -> Any:
    """Add leading axes of `sizes`."""
    x = as_operand(operand)
    shape = (*static_shape(sizes), *x.shape)
    return p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(len(sizes), len(shape))))


def broadcast_in_dim(
    operand: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], *, out_sharding: Any = None
) -> Any:
    """`operand` with its axes at `broadcast_dimensions` of an array of `shape`, repeated along the others."""
    return p.broadcast_in_dim(
        as_operand(operand),
        shape=static_shape(shape),
        broadcast_dimensions=tuple(int(d) for d in broadcast_dimensions),
    )


def broadcast_to_rank(x: Any, rank: int) -> Any:
    """Add leading axes of size 1 up to `rank`."""
    x = as_operand(x)
    return x if x.ndim == rank else expand_dims(x, range(rank - x.ndim))


def reshape(
    operand: Any, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None, *, out_sharding: Any = None
) -> Any:
    """The same elements, in C order (after transposing to `dimensions`), in another shape."""
    x = as_operand(operand)
    if dimensions is not None and tuple(dimensions) != tuple(range(x.ndim)):
        x = transpose(x, dimensions)
    shape = static_shape(new_sizes)
    return x if shape == x.shape else p.reshape(x, new_sizes=shape, dimensions=None)


def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """The axes in another order."""
    x = as_operand(operand)
    order = tuple(int(i) for i in permutation)
    return x if order == tuple(range(x.ndim)) else p.transpose(x, permutation=order)


def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """Drop axes of size 1."""
    x = as_operand(array)
    axes = canonical_axes(dimensions, x.ndim)
    return p.squeeze(x, dimensions=axes) if axes else x


def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """Insert axes of size 1 at `dimensions` of the result."""
    x = as_operand(array)
    axes = canonical_axes(dimensions, x.ndim + len(tuple(dimensions)))
    rest = iter(x.shape)
    shape = tuple(1 if i in axes else next(rest) for i in range(x.ndim + len(axes)))
    kept = tuple(i for i in range(len(shape)) if i not in axes)
    return p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=kept) if axes else x


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """Merge the axes from `start_dimension` up to `stop_dimension` into one."""
    x = as_operand(operand)
    start, stop, _ = _python_slice(start_dimension, stop_dimension).indices(x.ndim)
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start:stop]), *x.shape[stop:]))


def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """Reverse the order of elements along `dimensions`."""
    x = as_operand(operand)
    return p.rev(x, dimensions=canonical_axes(dimensions, x.ndim))


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Join arrays of one dtype along `dimension`."""
    if not operands:
        raise ValueError("concatenate requires a non-empty sequences of arrays")
    arrays = [as_operand(x) for x in operands]
    return arrays[0] if len(arrays) == 1 else p.concatenate(*arrays, dimension=int(dimension))


def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Cut into parts of `sizes` along `axis`."""
    x = as_operand(operand)
    return list(p.split(x, sizes=static_shape(sizes), axis=canonical_axis(axis, x.ndim)))


def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """Pad each axis by (low, high, interior); negative low and high cut away.

    Example:
        >>> import minijax.numpy as mnp
        >>> pad(mnp.array([1.0, 2.0]), 0.0, [(1, 0, 1)])
        Array([0., 1., 0., 2.], dtype=float32)
    """
    x, value = as_operands(operand, padding_value)
    return p.pad(x, value, padding_config=tuple((int(a), int(b), int(c)) for a, b, c in padding_config))


def iota(dtype: Any, size: int) -> Any:
    """0, 1, ..., size - 1."""
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int, *, out_sharding: Any = None) -> Any:
    """An array of `shape` that counts along `dimension`."""
    return p.iota(dtype=check_user_dtype(dtype, "iota"), shape=static_shape(shape), dimension=int(dimension))


def full(shape: Sequence[int], fill_value: Any, dtype: Any = None, *, sharding: Any = None) -> Any:
    """An array of `shape` with every element `fill_value`."""
    value = as_operand(fill_value)
    if value.ndim:
        raise TypeError(f"full must be called with scalar fill_value, got fill_value.shape {value.shape}.")
    weak = dtype is None and value.weak_type
    dtype = value.dtype if dtype is None else check_user_dtype(dtype, "full")
    if value.dtype != dtype or value.weak_type != weak:
        value = p.convert_element_type(value, new_dtype=dtype, weak_type=weak)
    return p.broadcast_in_dim(value, shape=static_shape(shape), broadcast_dimensions=())


def full_like(
    x: Any, fill_value: Any, dtype: Any = None, shape: Sequence[int] | None = None, sharding: Any = None
) -> Any:
    """`full` with the shape and dtype of `x` where they are not given."""
    x = as_operand(x)
    dtype = x.dtype if dtype is None else check_user_dtype(dtype, "full_like")
    value = (
        Literal(dtype.type(fill_value), ShapedArray((), dtype, x.weak_type))
        if np.isscalar(fill_value)
        else fill_value
    )
    shape = x.shape if shape is None else static_shape(shape)
    if type(value) is Literal:
        return p.broadcast_in_dim(value, shape=shape, broadcast_dimensions=())
    return full(shape, value, dtype)


def empty(shape: Sequence[int], dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Zeros of `shape` (there is no uninitialised memory here)."""
    return full(shape, 0, np.float32 if dtype is None else dtype)


def slice(
    operand: Any, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None = None
) -> Any:
    """A static slice, one (start, limit, stride) per axis."""
    return p.slice(
        as_operand(operand),
        start_indices=static_shape(start_indices),
        limit_indices=static_shape(limit_indices),
        strides=None if strides is None else static_shape(strides),
    )


def slice_in_dim(
    operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Any:
    """A static slice of one axis."""
    x = as_operand(operand)
    axis = canonical_axis(axis, x.ndim)
    size = x.shape[axis]
    start = 0 if start_index is None else start_index + size * (start_index < 0)
    stop = size if limit_index is None else limit_index + size * (limit_index < 0)
    starts = [start if i == axis else 0 for i in range(x.ndim)]
    stops = [stop if i == axis else n for i, n in enumerate(x.shape)]
    return slice(x, starts, stops, [stride if i == axis else 1 for i in range(x.ndim)])


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """One row of an axis at a static index."""
    x = as_operand(operand)
    axis = canonical_axis(axis, x.ndim)
    size = x.shape[axis]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")
    row = slice_in_dim(x, index % size, index % size + 1, 1, axis)
    return row if keepdims else squeeze(row, (axis,))


def dynamic_slice(
    operand: Any,
    start_indices: Any,
    slice_sizes: Sequence[int],
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Any:
    """A window of `slice_sizes` that starts at `start_indices`, moved inwards where it would leave the array."""
    x = as_operand(operand)
    return p.dynamic_slice(
        x, *_starts(x, start_indices, allow_negative_indices), slice_sizes=static_shape(slice_sizes)
    )


def dynamic_update_slice(
    operand: Any, update: Any, start_indices: Any, *, allow_negative_indices: bool | Sequence[bool] = True
) -> Any:
    """`operand` with the window at `start_indices` replaced by `update`."""
    x = as_operand(operand)
    return p.dynamic_update_slice(x, as_operand(update), *_starts(x, start_indices, allow_negative_indices))


def _starts(x: Any, start_indices: Any, from_the_end: bool | Sequence[bool]) -> list[Any]:
    if not isinstance(start_indices, (tuple, list)):
        start_indices = [start_indices[i] for i in range(x.ndim)]
    starts = index_operands(start_indices)
    sizes = [as_value(np.int32(n)) for n in x.shape]
    wraps = [from_the_end] * x.ndim if isinstance(from_the_end, bool) else from_the_end
    places = zip(starts, sizes, wraps, strict=True)
    return [_counted_from_the_end(i, n) if wrap else i for i, n, wrap in places]


def _counted_from_the_end(index: Any, size: Any) -> Any:
    """Negative indices count from the end."""
    if index.dtype.kind == "u":
        return index
    if index.dtype != size.dtype:
        size = p.convert_element_type(size, new_dtype=index.dtype, weak_type=False)
    zero = Literal(index.dtype.type(0), ShapedArray((), index.dtype))
    return p.select_n(p.lt(index, zero), index, p.add(index, size))


def dynamic_slice_in_dim(
    operand: Any, start_index: Any, slice_size: int, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """`dynamic_slice` of one axis."""
    x = as_operand(operand)
    axis = canonical_axis(axis, x.ndim)
    starts = [start_index if i == axis else 0 for i in range(x.ndim)]
    sizes = [slice_size if i == axis else n for i, n in enumerate(x.shape)]
    return dynamic_slice(x, starts, sizes, allow_negative_indices=allow_negative_indices)


def dynamic_index_in_dim(
    operand: Any, index: Any, axis: int = 0, keepdims: bool = True, *, allow_negative_indices: bool = True
) -> Any:
    """One row of an axis at a traced index."""
    row = dynamic_slice_in_dim(operand, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return row if keepdims else squeeze(row, (axis,))


def dynamic_update_slice_in_dim(
    operand: Any, update: Any, start_index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """`dynamic_update_slice` along one axis."""
    x = as_operand(operand)
    axis = canonical_axis(axis, x.ndim)
    starts = [start_index if i == axis else 0 for i in range(x.ndim)]
    return dynamic_update_slice(x, update, starts, allow_negative_indices=allow_negative_indices)


def dynamic_update_index_in_dim(
    operand: Any, update: Any, index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """`operand` with one row of an axis replaced by `update`."""
    x, row = as_operand(operand), as_operand(update)
    axis = canonical_axis(axis, x.ndim)
    if row.ndim != x.ndim:
        row = expand_dims(row, (axis,))
    return dynamic_update_slice_in_dim(x, row, index, axis, allow_negative_indices=allow_negative_indices)


def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: Any = None,
    fill_value: Any = None,
) -> Any:
    """Windows of an array at the places that the last axis of `start_indices` names (XLA's gather)."""
    return p.gather(
        as_operand(operand),
        as_operand(start_indices),
        dimension_numbers=dimension_numbers,
        slice_sizes=static_shape(slice_sizes),
        mode=GatherScatterMode.from_any(mode),
        fill_value=fill_value,
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices,
    )


def _scatter(name: str, doc: str) -> Any:
    def apply(
        operand: Any,
        scatter_indices: Any,
        updates: Any,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
    ) -> Any:
        x, new = as_operands(operand, updates)
        return getattr(p, name)(
            x,
            as_operand(scatter_indices),
            new,
            dimension_numbers=dimension_numbers,
            mode=GatherScatterMode.from_any(mode),
            indices_are_sorted=indices_are_sorted,
            unique_indices=unique_indices,
        )

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return apply


scatter = _scatter(
    "scatter", "Windows of `operand` replaced by `updates` (XLA's scatter); of several, the last one stays."
)
scatter_add = _scatter("scatter_add", "`updates` added to windows of `operand`.")
scatter_sub = _scatter("scatter_sub", "`updates` subtracted from windows of `operand`.")
scatter_mul = _scatter("scatter_mul", "Windows of `operand` multiplied by `updates`.")
scatter_min = _scatter("scatter_min", "The minimum of windows of `operand` and `updates`.")
scatter_max = _scatter("scatter_max", "The maximum of windows of `operand` and `updates`.")
