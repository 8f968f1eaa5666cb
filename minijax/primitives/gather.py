"""Gather: many windows read at once, at places given by an array of indices.

Each row of `indices` names a window of the operand. Conventions are XLA's (openxla.org/xla/operation_semantics) with the index
vector in the last axis; `_index_maps.py` holds the arithmetic. Reading and adding (`scatter.py`) transpose into each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import issubdtype
from ..ir import Kind, Linear, Primitive, ShapedArray
from ._families import move_axis
from ._index_maps import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    batch_mask,
    batched_numbers,
    check_numbers,
    in_bounds,
    read_windows,
    row_count,
    single_window,
    window_plan,
)
from ._ops import p, zeros

__all__ = ["GatherDimensionNumbers", "GatherScatterMode", "ScatterDimensionNumbers", "value_outside"]

_DROPS = (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT)


def _gather_aval(
    x: ShapedArray, indices: ShapedArray, *, dimension_numbers: Any, slice_sizes: tuple[int, ...], **params: Any
) -> ShapedArray:
    check_numbers("gather", x, indices, dimension_numbers, slice_sizes)
    plan = window_plan(x.shape, indices.ndim - 1, dimension_numbers, slice_sizes)
    return ShapedArray(plan.result_shape(indices.shape[:-1]), x.dtype, x.weak_type)


def _gather_evaluate(
    x: Any,
    indices: Any,
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: tuple[int, ...],
    mode: GatherScatterMode,
    fill_value: Any = None,
    **params: Any,
) -> Any:
    batch = indices.shape[:-1]
    plan = window_plan(x.shape, len(batch), dimension_numbers, slice_sizes)
    shape = plan.result_shape(batch)
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    fills = mode in _DROPS
    if row_count(indices) == 1 and not dimension_numbers.operand_batching_dims:
        window = single_window(plan, indices, not fills)
        return (
            np.full(shape, value_outside(x.dtype, fill_value), x.dtype)
            if window is None
            else x[window].reshape(shape)
        )
    valid = in_bounds(plan, indices) if fills else None
    out = read_windows(plan, x, indices).reshape(shape)
    if valid is None:
        return out
    return np.where(batch_mask(plan, valid), out, np.asarray(value_outside(x.dtype, fill_value)).astype(x.dtype))


def value_outside(dtype: np.dtype, fill_value: Any) -> Any:
    """What is read outside the operand: nan, the lowest signed or the highest unsigned integer, True."""
    if fill_value is not None:
        return fill_value
    if issubdtype(dtype, np.inexact):
        return np.nan
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max


def _gather_transpose(
    ct: Any,
    x: Linear,
    indices: Any,
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: tuple[int, ...],
    mode: GatherScatterMode,
    fill_value: Any = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> tuple[Any, None]:
    back = p.scatter_add(
        zeros(x.aval),
        indices,
        ct,
        dimension_numbers=ScatterDimensionNumbers(*dimension_numbers),
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices,
        # A promise that was broken reads the nearest window: the gradient belongs to that one.
        mode=GatherScatterMode.CLIP if mode is GatherScatterMode.PROMISE_IN_BOUNDS else mode,
    )
    return back, None


def _gather_batch(size: int, args: Any, axes: Any, *, dimension_numbers: Any, slice_sizes: Any, **params: Any) -> Any:
    (x, indices), (axis, row_axis) = args, axes
    if axis is not None:
        x = move_axis(x, axis, 0)
        slice_sizes = (size if row_axis is None else 1, *slice_sizes)
    if row_axis is not None:
        indices = move_axis(indices, row_axis, 0)
        params["indices_are_sorted"] = False
        params["unique_indices"] = params.get("unique_indices", False) and axis is not None
    numbers = batched_numbers(dimension_numbers, row_axis is not None, axis is not None)
    return p.gather(x, indices, dimension_numbers=numbers, slice_sizes=slice_sizes, **params), 0


gather = Primitive(
    "gather",
    Kind.INDEXING,
    abstract=_gather_aval,
    evaluate=_gather_evaluate,
    jvp=(lambda t, out, x, indices, **params: p.gather(t, indices, **{**params, "fill_value": 0}), None),
    transpose=_gather_transpose,
    batch=_gather_batch,
    lower="gather",
    params={
        "dimension_numbers": GatherDimensionNumbers,
        "slice_sizes": tuple,
        "mode": GatherScatterMode,
        "fill_value": (float, int, bool, complex, type(None)),
        "indices_are_sorted": bool,
        "unique_indices": bool,
    },
    doc="""Windows of size `slice_sizes` of x, one for each row of the integer array `indices`; windows outside
    are moved inwards (CLIP) or read as `fill_value` (FILL_OR_DROP). Linear in x, constant in the indices; the
    transpose is scatter_add.""",
)
