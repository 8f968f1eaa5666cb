"""Sorting: sort of several arrays by their first ones, top_k.

A sort is a permutation of its operands: the tangents are permuted alike. nan comes last, -0 and 0 are equal, ties keep
their order.
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
    first = avals[0]
    if any(aval.shape != first.shape for aval in avals):
        raise TypeError(f"sort needs operands of one shape, got {', '.join(str(a.shape) for a in avals)}")
    if not 1 <= num_keys <= len(avals):
        raise ValueError(f"sort: num_keys={num_keys} of {len(avals)} operands")
    if not 0 <= dimension < max(first.ndim, 1):
        raise ValueError(f"sort: dimension {dimension} is not an axis of an array of shape {first.shape}")
    return avals


def _order(keys: Sequence[Any], dimension: int) -> Any:
    """The stable permutation that sorts by `keys`, the first one first."""
    keys = [key.astype(np.float32) if key.dtype.kind == "V" else key for key in keys]
    if len(keys) == 1:
        return np.argsort(keys[0], axis=dimension, kind="stable")
    return np.lexsort(keys[::-1], axis=dimension)


def _sort_evaluate(*xs: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    if xs[0].ndim == 0:
        return list(xs)
    if len(xs) == 1 and xs[0].dtype.kind != "V":
        return [np.sort(xs[0], axis=dimension, kind="stable")]
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
    check_dtype("top_k", x, REAL)
    if not x.ndim:
        raise TypeError("top_k operand must have >= 1 dimension, got ()")
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(f"k argument to top_k must be no larger than size along axis; got {k=} with shape={x.shape}")
    shape = (*x.shape[:-1], k)
    return x.update(shape=shape), ShapedArray(shape, _INDEX)


def _top_k_evaluate(x: Any, *, k: int) -> tuple[Any, Any]:
    key = x.astype(np.float32) if x.dtype.kind == "V" else x
    flipped = np.flip(np.argsort(np.flip(key, -1), axis=-1, kind="stable"), -1)
    order = (x.shape[-1] - 1 - flipped)[..., :k]
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
    largest; of ties the lowest index comes first. d = the tangents of the chosen elements.""",
)
