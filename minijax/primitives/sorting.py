"""Sorting: sort of several arrays by their first ones, top_k.

A sort is a permutation of its operands: the tangents are permuted alike. nan comes last, -0 and 0 are equal, ties keep
their order.

Stable permutations of 32-bit keys are found by sorting 64-bit integers, key above index, all of them distinct: NumPy's
vectorised integer sort does that several times faster than its stable argsort.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Kind, Primitive, ShapedArray, Zero, aval_like
from ._families import REAL, check_dtype, moved_to_front
from ._index_maps import GatherDimensionNumbers, GatherScatterMode
from ._ops import p

_INDEX = np.dtype(np.int32)
_SMALL = 512  # elements along the axis, below which packing keys costs more than it gains


def taken_along(x: Any, indices: Any, dimension: int) -> Any:
    """`x[..., indices[..., k, ...], ...]` along `dimension`; all other axes correspond."""
    shape = aval_like(indices).shape
    others = tuple(i for i in range(len(shape)) if i != dimension)
    numbers = GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=(dimension,),
        start_index_map=(dimension,),
        operand_batching_dims=others,
        start_indices_batching_dims=others,
    )
    return p.gather(
        x,
        p.reshape(indices, new_sizes=(*shape, 1), dimensions=None),
        dimension_numbers=numbers,
        slice_sizes=(1,) * len(shape),
        mode=GatherScatterMode.PROMISE_IN_BOUNDS,
        fill_value=None,
        indices_are_sorted=False,
        unique_indices=False,
    )


def _sort_abstract(*avals: ShapedArray, dimension: int, is_stable: bool, num_keys: int) -> tuple[ShapedArray, ...]:
    if not avals:
        raise TypeError("Sort requires at least one operand")
    first = avals[0]
    if any(aval.shape != first.shape for aval in avals):
        raise TypeError(f"sort needs operands of one shape, got {', '.join(str(a.shape) for a in avals)}")
    if not 1 <= num_keys <= len(avals):
        raise ValueError(f"sort: num_keys={num_keys} of {len(avals)} operands")
    if not 0 <= dimension < max(first.ndim, 1):
        raise ValueError(f"sort: dimension {dimension} is not an axis of an array of shape {first.shape}")
    return avals


def _widened(x: Any) -> Any:
    """16-bit floats as float32, which NumPy can compare and reinterpret."""
    return x.astype(np.float32) if x.dtype.itemsize <= 2 and x.dtype.kind in "fV" else x


def _order_bits(x: Any) -> Any:
    """Integers in the order of `x`: -0 before 0, every nan at the end."""
    if x.dtype.kind != "f":
        return x
    signed = np.where(x == x, x, x.dtype.type(np.nan)).view(f"i{x.dtype.itemsize}")
    return signed ^ ((signed >> (8 * x.dtype.itemsize - 1)) & np.iinfo(signed.dtype).max)


def _above_index(bits: Any) -> Any:
    """Distinct 64-bit integers: 32-bit keys above the index along the last axis."""
    return (bits.astype(np.int64) << 32) | np.arange(bits.shape[-1])


def _index_below(keys: Any) -> Any:
    return keys & 0xFFFFFFFF


def _order(keys: Sequence[Any], dimension: int) -> Any:
    """The stable permutation that sorts by `keys`, the first one first."""
    keys = [_widened(key) for key in keys]
    (key, *more) = keys
    if more:
        return np.lexsort(keys[::-1], axis=dimension)
    if key.shape[dimension] < _SMALL or key.dtype.itemsize > 4:
        return np.argsort(key, axis=dimension, kind="stable")
    equal_zeros = key + key.dtype.type(0) if key.dtype.kind == "f" else key  # -0 + 0 is 0
    packed = _above_index(_order_bits(np.moveaxis(equal_zeros, dimension, -1)))
    packed.sort(axis=-1)
    return np.moveaxis(_index_below(packed), -1, dimension)


def _sorted(x: Any, dimension: int) -> Any:
    """Only zeros of both signs and complex numbers show whether a sort is stable; the others are sorted as is fastest."""
    kind = x.dtype.kind
    if kind in "biu" or (kind == "f" and x.shape[dimension] >= _SMALL and not (np.signbit(x) & (x == 0)).any()):
        return np.sort(x, axis=dimension)
    return np.sort(x, axis=dimension, kind="stable")


def _sort_evaluate(*xs: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    if xs[0].ndim == 0:
        return list(xs)
    if len(xs) == 1 and xs[0].dtype.kind != "V":
        return [_sorted(xs[0], dimension)]
    order = _order(xs[:num_keys], dimension)
    return [np.take_along_axis(np.asarray(x), order, dimension) for x in xs]


def _sort_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, dimension: int, is_stable: bool, num_keys: int
) -> Any:
    aval = aval_like(primals[0])
    if aval.ndim == 0:
        return list(primals), list(tangents)
    params = {"dimension": dimension, "is_stable": is_stable, "num_keys": num_keys}
    counter = p.iota(dtype=_INDEX, shape=aval.shape, dimension=dimension)
    *outs, order = p.sort(*primals, counter, **params)
    moved = [t if type(t) is Zero else taken_along(t, order, dimension) for t in tangents]
    return outs, moved


def _sort_batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, dimension: int, **params: Any
) -> tuple[list[Any], list[int]]:
    fronts = moved_to_front(size, args, axes)
    if aval_like(fronts[0]).ndim == 1:
        return fronts, [0] * len(fronts)
    return p.sort(*fronts, dimension=dimension + 1, **params), [0] * len(fronts)


sort = Primitive(
    "sort",
    Kind.LIBRARY,
    abstract=_sort_abstract,
    evaluate=_sort_evaluate,
    jvp=_sort_jvp,
    batch=_sort_batch,
    lower="library",
    params={"dimension": int, "is_stable": bool, "num_keys": int},
    multiple_results=True,
    doc="""Operands of one shape, sorted along `dimension` by the first `num_keys` of them. Stable; nan last. d = the tangents in
    the same order: at ties, all of it goes to the element that came first.""",
)


def _top_k_abstract(x: ShapedArray, *, k: int) -> tuple[ShapedArray, ShapedArray]:
    check_dtype("top_k", x, (*REAL, np.bool_))
    if not x.ndim:
        raise TypeError("top_k operand must have >= 1 dimension, got ()")
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(f"k argument to top_k must be no larger than size along axis; got {k=} with shape={x.shape}")
    shape = (*x.shape[:-1], k)
    return x.update(shape=shape), ShapedArray(shape, _INDEX)


def _top_k_evaluate(x: Any, *, k: int) -> tuple[Any, Any]:
    falling = ~_order_bits(_widened(x))
    if x.shape[-1] < _SMALL or falling.dtype.itemsize > 4:
        order = np.argsort(falling, axis=-1, kind="stable")[..., :k]
    else:
        packed = _above_index(falling)
        if 0 < k < x.shape[-1]:
            packed = np.partition(packed, k - 1, axis=-1)[..., :k]
        order = _index_below(np.sort(packed, axis=-1)[..., :k])
    return np.take_along_axis(x, order, -1), order.astype(_INDEX)


def _top_k_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, k: int) -> Any:
    (x,), (t,) = primals, tangents
    values, indices = p.top_k(x, k=k)
    moved = t if type(t) is Zero else taken_along(t, indices, aval_like(x).ndim - 1)
    if type(t) is Zero:
        moved = Zero(aval_like(values).tangent())
    return (values, indices), (moved, Zero(aval_like(indices).tangent()))


def _top_k_batch(size: int, args: Any, axes: Any, *, k: int) -> tuple[list[Any], list[int]]:
    (front,) = moved_to_front(size, args, axes)
    return p.top_k(front, k=k), [0, 0]


top_k = Primitive(
    "top_k",
    Kind.LIBRARY,
    abstract=_top_k_abstract,
    evaluate=_top_k_evaluate,
    jvp=_top_k_jvp,
    batch=_top_k_batch,
    lower="library",
    params={"k": int},
    multiple_results=True,
    doc="""The k largest elements of the last axis in falling order, and their indices (int32). x (..., n) -> (..., k). nan counts as
    largest, 0 as larger than -0; of ties the lowest index comes first. d = the tangents of the chosen elements.""",
)
