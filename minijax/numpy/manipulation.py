"""Shapes and axes: reshape, transpose, broadcast, squeeze, flip, roll, and what `numpy` calls the same by other names.

In: arrays. Out: arrays with the same elements elsewhere. Everything here is linear.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import canonicalize_dtype
from ..ir import Tracer
from ..primitives import p
from ..primitives._ops import like, select
from ._promotion import (
    as_array,
    broadcast_value,
    canonical_axes,
    canonical_axis,
    static_shape,
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "reshape",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "shape",
    "size",
    "squeeze",
    "swapaxes",
    "transpose",
]


def shape(a: Any) -> tuple[int, ...]:
    """The shape of `a`."""
    return tuple(np.shape(a)) if isinstance(a, (list, tuple)) else tuple(as_array("shape", a).aval.shape)


def ndim(a: Any) -> int:
    """The number of axes of `a`."""
    return len(shape(a))


def size(a: Any, axis: Any = None) -> int:
    """The number of elements of `a`, or along `axis`."""
    sizes = shape(a)
    return math.prod(sizes[i] for i in canonical_axes(axis, len(sizes)))


def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None, out_sharding: Any = None) -> Any:
    """The same elements in another shape.

    Args:
        a: array.
        shape: int or ints; one may be -1: what remains.
        order: "C" (last axis fastest) or "F" (first axis fastest).

    Raises:
        TypeError: the number of elements differs.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.reshape(mnp.arange(4), (2, -1))
        Array([[0, 1],
               [2, 3]], dtype=int32)
    """
    a = as_array("reshape", a)
    sizes = _full_shape(a.aval.shape, a.aval.size, static_shape(shape))
    if order == "F":
        turned = p.reshape(transpose(a), new_sizes=sizes[::-1], dimensions=None)
        return transpose(turned)
    if order not in ("C", "K", "A"):
        raise ValueError(f"Unexpected value for 'order' argument: {order}.")
    return a if sizes == a.aval.shape else p.reshape(a, new_sizes=sizes, dimensions=None)


def _full_shape(old: tuple[int, ...], count: int, new: tuple[int, ...]) -> tuple[int, ...]:
    if -1 not in new:
        return new
    known = math.prod(n for n in new if n != -1)
    if new.count(-1) > 1:
        raise ValueError(f"can only specify one unknown axis size with a `-1` value, got {new}")
    if (known == 0 and count) or (known and count % known):
        raise TypeError(
            f"cannot reshape array of shape {old} (size {count}) into shape {new} because the product of specified axis sizes "
            f"({known}) does not evenly divide {count}"
        )
    return tuple(n if n != -1 else count // (known or 1) for n in new)


def ravel(a: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """All elements along one axis."""
    return reshape(a, -1, order) if as_array("ravel", a).aval.size else reshape(a, 0)


def resize(a: Any, new_shape: Any) -> Any:
    """Elements of `a`, repeated or cut off, in `new_shape`."""
    flat = ravel(a)
    sizes = static_shape(new_shape)
    count = math.prod(sizes)
    if not flat.aval.size or not count:
        return p.broadcast_in_dim(like(flat, 0), shape=sizes, broadcast_dimensions=())
    repeats = -(-count // flat.aval.size)
    whole = p.concatenate(*[flat] * repeats, dimension=0) if repeats > 1 else flat
    return reshape(p.slice(whole, start_indices=(0,), limit_indices=(count,), strides=None), sizes)


def transpose(a: Any, axes: Any = None) -> Any:
    """The axes in another order; reversed by default.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.transpose(mnp.ones((2, 3))).shape
        (3, 2)
    """
    a = as_array("transpose", a)
    count = a.aval.ndim
    if axes is None:
        order = tuple(range(count))[::-1]
    else:
        order = tuple(operator.index(i) % count if -count <= i < count else operator.index(i) for i in axes)
    return a if order == tuple(range(count)) else p.transpose(a, permutation=order)


permute_dims = transpose


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes swapped."""
    x = as_array("matrix_transpose", x)
    if x.aval.ndim < 2:
        raise ValueError(f"x must be at least two-dimensional for matrix_transpose; got ndim={x.aval.ndim}")
    return swapaxes(x, -1, -2)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    a = as_array("swapaxes", a)
    order = list(range(a.aval.ndim))
    i, j = canonical_axis(axis1, a.aval.ndim), canonical_axis(axis2, a.aval.ndim)
    order[i], order[j] = order[j], order[i]
    return transpose(a, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes `source` moved to `destination`; the others stay in order.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.moveaxis(mnp.ones((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    a = as_array("moveaxis", a)
    count = a.aval.ndim
    old, new = canonical_axes(source, count), canonical_axes(destination, count)
    if len(old) != len(new):
        raise ValueError(f"Inconsistent number of elements: {len(old)} vs {len(new)}")
    order = [i for i in range(count) if i not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return transpose(a, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """`axis` moved before `start`."""
    count = ndim(a)
    axis = canonical_axis(axis, count)
    start = start + count if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def expand_dims(a: Any, axis: Any) -> Any:
    """Axes of size 1 inserted at `axis` (of the result).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.expand_dims(mnp.ones(3), (0, -1)).shape
        (1, 3, 1)
    """
    a = as_array("expand_dims", a)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    new = canonical_axes(axes, a.aval.ndim + len(axes))
    if not new:
        return a
    kept = tuple(i for i in range(a.aval.ndim + len(new)) if i not in new)
    sizes = iter(a.aval.shape)
    shape = tuple(1 if i in new else next(sizes) for i in range(a.aval.ndim + len(new)))
    return p.broadcast_in_dim(a, shape=shape, broadcast_dimensions=kept)


def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of size 1: all of them, or `axis`."""
    a = as_array("squeeze", a)
    axes = (
        tuple(i for i, n in enumerate(a.aval.shape) if n == 1) if axis is None else canonical_axes(axis, a.aval.ndim)
    )
    return p.squeeze(a, dimensions=tuple(sorted(axes))) if axes else a


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to. Raises ValueError if there is none."""
    try:
        return tuple(np.broadcast_shapes(*[static_shape(s) for s in shapes]))
    except ValueError:
        raise ValueError(
            f"Incompatible shapes for broadcasting: shapes={[tuple(static_shape(s)) for s in shapes]}"
        ) from None


def broadcast_to(array: Any, shape: Any, *, out_sharding: Any = None) -> Any:
    """`array` repeated to `shape`.

    Raises:
        ValueError: "Incompatible shapes for broadcasting".

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.broadcast_to(mnp.array([1, 2]), (2, 2))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    array = as_array("broadcast_to", array)
    sizes = static_shape(shape)
    old = array.aval.shape
    if old == sizes:
        return array
    if len(old) > len(sizes) or any(n not in (1, m) for n, m in zip(old[::-1], sizes[::-1])):
        raise ValueError(f"Incompatible shapes for broadcasting: {old} and requested shape {sizes}")
    return broadcast_value(array, sizes)


def broadcast_arrays(*args: Any) -> list[Any]:
    """All arrays repeated to their common shape."""
    arrays = [as_array("broadcast_arrays", x, i) for i, x in enumerate(args)]
    common = broadcast_shapes(*[x.aval.shape for x in arrays]) if arrays else ()
    return [broadcast_to(x, common) for x in arrays]


def _at_least(name: str, count: int, arrays: Sequence[Any]) -> Any:
    def extended(x: Any) -> Any:
        x = as_array(name, x)
        ndim = x.aval.ndim
        if ndim >= count:
            return x
        if count == 3 and ndim == 2:
            return expand_dims(x, 2)
        return expand_dims(x, (0, 2)[: count - ndim] if count == 3 and ndim == 1 else tuple(range(count - ndim)))

    if len(arrays) == 1 and not isinstance(arrays[0], (list, tuple)):
        return extended(arrays[0])
    return [extended(x) for x in arrays]


def atleast_1d(*arys: Any) -> Any:
    """With at least one axis."""
    return _at_least("atleast_1d", 1, arys)


def atleast_2d(*arys: Any) -> Any:
    """With at least two axes, new ones in front."""
    return _at_least("atleast_2d", 2, arys)


def atleast_3d(*arys: Any) -> Any:
    """With at least three axes, as `numpy.atleast_3d` places them."""
    return _at_least("atleast_3d", 3, arys)


def flip(m: Any, axis: Any = None) -> Any:
    """Elements in reverse order along `axis` (all by default)."""
    m = as_array("flip", m)
    return p.rev(m, dimensions=canonical_axes(axis, m.aval.ndim))


def fliplr(m: Any) -> Any:
    """Columns in reverse order."""
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """Rows in reverse order."""
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turned by k quarters in the plane of `axes`, from the first towards the second."""
    m = as_array("rot90", m)
    i, j = (canonical_axis(axis, m.aval.ndim) for axis in axes)
    if i == j:
        raise ValueError("Axes must be different")
    turns = k % 4
    if turns == 0:
        return m
    if turns == 2:
        return flip(m, (i, j))
    return swapaxes(flip(m, j), i, j) if turns == 1 else flip(swapaxes(m, i, j), j)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Elements moved along `axis`; what leaves at the end comes back at the start.

    Args:
        a: array.
        shift: int or ints, one per axis; may be traced.
        axis: None: of the flattened array.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.roll(mnp.arange(4), 1)
        Array([3, 0, 1, 2], dtype=int32)
    """
    a = as_array("roll", a)
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.aval.shape)
    axes = [canonical_axis(i, a.aval.ndim) for i in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    if type(shift) is Tracer:
        shifts = (
            [shift] * len(axes) if not shift.aval.ndim else [p.squeeze(row, dimensions=(0,)) for row in _rows(shift)]
        )
    else:
        shifts = np.broadcast_to(np.asarray(shift), (len(axes),) if np.ndim(shift) <= 1 else np.shape(shift)).tolist()
    for i, by in zip(axes, shifts, strict=True):
        a = _rolled(a, by, i)
    return a


def _rows(x: Any) -> Any:
    return p.split(x, sizes=(1,) * x.aval.shape[0], axis=0)


def _rolled(a: Any, by: Any, axis: int) -> Any:
    n = a.aval.shape[axis]
    if not n:
        return a
    if type(by) is Tracer:
        return _rolled_by_traced(a, by, axis)
    cut = -by % n
    if not cut:
        return a
    head, tail = p.split(a, sizes=(cut, n - cut), axis=axis)
    return p.concatenate(tail, head, dimension=axis)


def _rolled_by_traced(a: Any, by: Any, axis: int) -> Any:
    n = a.aval.shape[axis]
    by = p.convert_element_type(by, new_dtype=canonicalize_dtype(np.int32), weak_type=False)
    rest = p.rem(by, like(by, n))
    forward = select(p.lt(rest, like(rest, 0)), p.add(rest, like(rest, n)), rest)
    start = p.sub(like(forward, n), forward)
    zero = like(start, 0)
    starts = [start if i == axis else zero for i in range(a.aval.ndim)]
    return p.dynamic_slice(p.concatenate(a, a, dimension=axis), *starts, slice_sizes=a.aval.shape)
