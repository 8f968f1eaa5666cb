"""Joining, cutting, repeating: concatenate, stack, split, tile, repeat, append, insert, delete, block, unstack.

In: arrays or sequences of them. Out: arrays or lists of them. Counts and places are static.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..array import Array, wrap
from ..dtypes import scalar_dtype
from ..ir import Tracer, concretize
from ..primitives import p
from ._promotion import (
    as_array,
    as_dtype,
    canonical_axis,
    checked,
    common_dtype,
    static_shape,
    user_dtype,
)
from .indexing import take
from .manipulation import atleast_1d, atleast_2d, atleast_3d, expand_dims, moveaxis, ravel, reshape

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "delete",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "insert",
    "repeat",
    "split",
    "stack",
    "tile",
    "trim_zeros",
    "unstack",
    "vsplit",
    "vstack",
]


def _parts(name: str, arrays: Any) -> list[Any]:
    """The elements of a sequence of arrays, or the rows of an array."""
    if isinstance(arrays, (Array, np.ndarray)):
        return list(arrays)
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} requires a sequence of arrays, got {type(arrays)}.")
    return [as_array(name, x, i) for i, x in enumerate(arrays)]


def concatenate(arrays: Any, axis: int | None = 0, dtype: Any = None) -> Any:
    """Arrays joined along an existing axis.

    Args:
        arrays: sequence of arrays that agree in the other axes.
        axis: None: flatten them first.
        dtype: of the result; default: the promoted one.

    Raises:
        ValueError: no arrays, or without axes.
        TypeError: other axes differ.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.concatenate([mnp.array([1]), mnp.array([2, 3])])
        Array([1, 2, 3], dtype=int32)
    """
    values = [as_array("concatenate", x, i) for i, x in enumerate(_parts("concatenate", arrays))]
    if not values:
        raise ValueError("Need at least one array to concatenate.")
    if axis is None:
        values, axis = [ravel(x) for x in values], 0
    if not values[0].aval.ndim:
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    wanted = user_dtype(dtype, "concatenate")
    if wanted is not None or len({x.aval.dtype for x in values}) > 1:
        found, weak = common_dtype(values)
        values = [as_dtype(x, wanted or found, weak and wanted is None) for x in values]
    dimension = canonical_axis(axis, values[0].aval.ndim)
    return values[0] if len(values) == 1 else p.concatenate(*values, dimension=dimension)


concat = concatenate


def stack(arrays: Any, axis: int = 0, out: None = None, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.stack([mnp.array([1, 2]), mnp.array([3, 4])])
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.stack is not supported.")
    values = [as_array("stack", x, i) for i, x in enumerate(_parts("stack", arrays))]
    if not values:
        raise ValueError("Need at least one array to stack.")
    if len({x.aval.shape for x in values}) > 1:
        raise ValueError("All input arrays must have the same shape.")
    axis = canonical_axis(axis, values[0].aval.ndim + 1)
    shape = values[0].aval.shape
    longer, kept = (*shape[:axis], 1, *shape[axis:]), tuple(i + (i >= axis) for i in range(len(shape)))
    rows = [p.broadcast_in_dim(x, shape=longer, broadcast_dimensions=kept) for x in values]
    return concatenate(rows, axis, dtype)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of `x` along an axis, without it."""
    x = as_array("unstack", x)
    if not x.aval.ndim:
        raise ValueError("Unstack requires arrays with rank > 0, however a scalar array was passed.")
    axis = canonical_axis(axis, x.aval.ndim)
    parts = p.split(x, sizes=(1,) * x.aval.shape[axis], axis=axis)
    return tuple(p.squeeze(part, dimensions=(axis,)) for part in parts)


def _extended(f: Any, arrays: Any) -> list[Any]:
    return [f(x) for x in (arrays if isinstance(arrays, (list, tuple)) else _parts("stack", arrays))]


def vstack(tup: Any, dtype: Any = None) -> Any:
    """Rows below one another."""
    return concatenate(_extended(atleast_2d, tup), 0, dtype)


def hstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays side by side: along the second axis, vectors along the first."""
    values = _extended(atleast_1d, tup)
    return concatenate(values, 0 if values and values[0].aval.ndim == 1 else 1, dtype)


def dstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along the third axis."""
    return concatenate(_extended(atleast_3d, tup), 2, dtype)


def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix."""
    arrays = [as_array("column_stack", x) for x in _parts("column_stack", tup)]
    return concatenate([x if x.aval.ndim > 1 else expand_dims(ravel(x), 1) for x in arrays], 1)


def block(arrays: Any) -> Any:
    """An array from nested lists of blocks: the innermost lists are joined along the last axis, the next along
    the one before it."""

    def depth(x: Any) -> int:
        return 1 + max(map(depth, x), default=0) if isinstance(x, list) else 0

    def joined(x: Any, level: int) -> Any:
        if not isinstance(x, list):
            x = as_array("block", x)
            missing = max(levels - x.aval.ndim, 0)
            return expand_dims(x, tuple(range(missing)))
        return concatenate([joined(item, level - 1) for item in x], -level)

    levels = depth(arrays)
    return joined(arrays, levels)


def _places(name: str, x: Any) -> Any:
    if type(x) is Tracer:
        return concretize(x, "value", f"{name}: it requires static sizes")
    return np.asarray(x)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """`split` into parts of nearly equal sizes."""
    return _split("array_split", ary, indices_or_sections, axis, uneven=True)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut into parts along `axis`.

    Args:
        ary: array.
        indices_or_sections: a number of equal parts, or the places to cut at.
        axis: which axis.

    Returns:
        List of arrays.

    Raises:
        ValueError: it does not divide evenly.
    """
    return _split("split", ary, indices_or_sections, axis, uneven=False)


def _split(name: str, ary: Any, indices_or_sections: Any, axis: int, uneven: bool) -> list[Any]:
    ary = as_array(name, ary)
    axis = canonical_axis(axis, ary.aval.ndim)
    n = ary.aval.shape[axis]
    places = _places(name, indices_or_sections)
    if places.ndim == 0:
        count = int(places)
        if not uneven and n % count:
            raise ValueError(f"array split does not result in an equal division: rest is {n % count}")
        sizes = [n // count + (i < n % count) for i in range(count)]
    else:
        cuts = [0, *[min(max(c + n if c < 0 else c, 0), n) for c in places.tolist()], n]
        if any(b < a for a, b in pairwise(cuts)):  # NumPy's parts may overlap then
            return [_cut(ary, axis, a, max(a, b)) for a, b in pairwise(cuts)]
        sizes = [b - a for a, b in pairwise(cuts)]
    return list(p.split(ary, sizes=tuple(sizes), axis=axis))


def _cut(x: Any, axis: int, start: int, stop: int) -> Any:
    return p.slice(
        x,
        start_indices=tuple(start if i == axis else 0 for i in range(x.aval.ndim)),
        limit_indices=tuple(stop if i == axis else n for i, n in enumerate(x.aval.shape)),
        strides=None,
    )


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`split` along the first axis."""
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`split` along the second axis (of vectors: the first)."""
    return split(ary, indices_or_sections, 1 if as_array("hsplit", ary).aval.ndim > 1 else 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`split` along the third axis."""
    return split(ary, indices_or_sections, 2)


def tile(A: Any, reps: Any) -> Any:
    """`A` repeated as a whole, `reps` times along each axis."""
    A = as_array("tile", A)
    times = static_shape(reps)
    ndim = max(A.aval.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    sizes = (1,) * (ndim - A.aval.ndim) + A.aval.shape
    paired = tuple(n for pair in zip(times, sizes) for n in pair)
    kept = tuple(2 * i + 1 for i in range(ndim - A.aval.ndim, ndim))
    out = p.broadcast_in_dim(A, shape=paired, broadcast_dimensions=kept)
    return reshape(out, tuple(t * n for t, n in zip(times, sizes)))


def repeat(
    a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None, out_sharding: Any = None
) -> Any:
    """Each element repeated.

    Args:
        a: array.
        repeats: how often; int, or one per element along `axis` (static, unless `total_repeat_length` is given).
        axis: None: of the flattened array.
        total_repeat_length: size of the result; the last element fills up.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.repeat(mnp.array([1, 2]), mnp.array([2, 1]))
        Array([1, 1, 2], dtype=int32)
    """
    a = as_array("repeat", a)
    if axis is None:
        a, axis = ravel(a), 0
    axis = canonical_axis(axis, a.aval.ndim)
    n = a.aval.shape[axis]
    if type(repeats) is Tracer and total_repeat_length is not None:
        return _repeat_traced(a, repeats, axis, total_repeat_length)
    times = _places("repeat", repeats)
    if times.size == 1 and total_repeat_length is None:
        k = int(times.reshape(()))
        out = p.broadcast_in_dim(
            a,
            shape=(*a.aval.shape[: axis + 1], k, *a.aval.shape[axis + 1 :]),
            broadcast_dimensions=tuple(i + (i > axis) for i in range(a.aval.ndim)),
        )
        return reshape(out, tuple(m * k if i == axis else m for i, m in enumerate(a.aval.shape)))
    if times.size not in (1, n):
        raise ValueError(
            f"repeat 'repeats' parameter cannot be broadcast to (axis size {n}), got shape {times.shape}"
        )
    index = np.repeat(np.arange(n), np.broadcast_to(times, (n,)))
    if total_repeat_length is not None:
        filled = np.full(total_repeat_length, index[-1] if index.size else 0)
        filled[: index.size] = index[:total_repeat_length]
        index = filled
    return take(a, wrap(index.astype(scalar_dtype(int))), axis, mode="clip")


def _repeat_traced(a: Any, repeats: Any, axis: int, total: int) -> Any:
    """The source of place k is the number of running sums of `repeats` that are <= k."""
    n = a.aval.shape[axis]
    ends = p.cumsum(
        p.broadcast_in_dim(repeats, shape=(n,), broadcast_dimensions=tuple(range(repeats.aval.ndim))),
        axis=0,
        reverse=False,
    )
    places = p.iota(dtype=ends.aval.dtype, shape=(total, n), dimension=0)
    passed = p.le(p.broadcast_in_dim(ends, shape=(total, n), broadcast_dimensions=(1,)), places)
    index = p.reduce_sum(p.convert_element_type(passed, new_dtype=ends.aval.dtype, weak_type=False), axes=(1,))
    return take(a, index, axis, mode="clip")


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """`values` after `arr`."""
    if axis is None:
        return concatenate([ravel(arr), ravel(values)])
    return concatenate([arr, values], axis)


def delete(arr: Any, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False) -> Any:
    """`arr` without the elements at `obj` (static: int, ints, slice or mask)."""
    arr = as_array("delete", arr)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = canonical_axis(axis, arr.aval.ndim)
    kept = np.delete(np.arange(arr.aval.shape[axis]), obj if isinstance(obj, slice) else _places("delete", obj))
    return take(arr, wrap(kept.astype(scalar_dtype(int))), axis, mode="clip")


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """`values` inserted before the (static) places `obj`."""
    arr = as_array("insert", arr)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = canonical_axis(axis, arr.aval.ndim)
    n = arr.aval.shape[axis]
    places = np.arange(n)[obj] if isinstance(obj, slice) else _places("insert", obj)
    count = places.size if places.ndim else _count(values, arr, axis)
    order = np.insert(np.arange(n), places if places.ndim else int(places), np.arange(n, n + count))
    new = as_array("insert", values)
    new = moveaxis(expand_dims(new, 0), 0, axis) if places.ndim == 0 and new.aval.ndim == arr.aval.ndim - 1 else new
    shape = tuple(order.size - n if i == axis else m for i, m in enumerate(arr.aval.shape))
    (new,) = checked("insert", new)
    new = p.broadcast_in_dim(
        as_dtype(new, arr.aval.dtype),
        shape=shape,
        broadcast_dimensions=tuple(range(len(shape) - new.aval.ndim, len(shape))),
    )
    return take(p.concatenate(arr, new, dimension=axis), wrap(order.astype(scalar_dtype(int))), axis, mode="clip")


def _count(values: Any, arr: Any, axis: int) -> int:
    """How many slices `values` has along the axis it is inserted in at one place."""
    shape = as_array("insert", values).aval.shape
    return int(shape[axis]) if len(shape) == arr.aval.ndim else 1


def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """An array without the zeros at the ends of `axis` (default: of all axes; concrete values only)."""
    filt = as_array("trim_zeros", filt)
    values = np.asarray(_places("trim_zeros", filt))
    axes = range(values.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    for dimension in (canonical_axis(a, values.ndim) for a in axes):
        nonzero = np.flatnonzero(values.any(axis=tuple(i for i in range(values.ndim) if i != dimension)))
        start = int(nonzero[0]) if nonzero.size and "f" in trim.lower() else 0
        stop = int(nonzero[-1]) + 1 if nonzero.size and "b" in trim.lower() else values.shape[dimension]
        filt = _cut(filt, dimension, start, stop if nonzero.size else 0)
    return filt
