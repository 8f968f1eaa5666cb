"""Indexing: `x[...]`, `x.at[...]`, iteration over rows, `take`, `take_along_axis`, `put` and `put_along_axis`.

In: an array and an index. Out: what NumPy would give, as the least primitives that do it; `_index_forms` says
    what an index means, `_index_reading` and `_index_writing` carry it out.

Nothing is ever out of bounds (XLA's semantics): reading moves the index to the nearest element, or gives a fill
value where asked to (`take` does by default); writing drops the update.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ..array import Array, as_value
from ..dtypes import scalar_dtype
from ..ir import Tracer
from ..primitives._index_maps import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from ..primitives._ops import like, p
from ._index_forms import Positions, expanded, from_front
from ._index_reading import read_basic, read_windows, static_scalar
from ._index_writing import At as At, IndexedAt as IndexedAt, as_dtype
from ._promotion import as_array
from .creation import array
from .manipulation import ravel, reshape

__all__ = ["At", "IndexedAt", "getitem", "iterate", "put", "put_along_axis", "take", "take_along_axis"]


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`.

    Args:
        x: array.
        index: integer, slice, None, Ellipsis, integer or boolean array, or a tuple of these.

    Returns:
        The elements; out-of-bounds integers read the nearest element.

    Raises:
        IndexError: too many indices, an empty axis, a mask of the wrong shape.
        TypeError: an index that is neither integer nor boolean.
        NonConcreteBooleanIndexError: a mask without known values.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.arange(6).reshape(2, 3)[1, ::-1]
        Array([5, 4, 3], dtype=int32)
    """
    if type(index) is int and (shape := x.aval.shape) and (n := shape[0]):
        row = min(index, n - 1) if index >= 0 else max(index + n, 0)
        rest = shape[1:]
        out = p.slice(x, start_indices=(row, *(0,) * len(rest)), limit_indices=(row + 1, *rest), strides=None)
        return p.squeeze(out, dimensions=(0,))
    if isinstance(index, (Array, np.ndarray)) and index.dtype.kind in "iu" and index.ndim and x.aval.ndim:
        return _rows(x, index)
    items = expanded(x.aval.shape, index)
    if any(type(item) is Positions for item in items):
        return read_windows(x, items, GatherScatterMode.PROMISE_IN_BOUNDS, None, True, False, False)
    return read_basic(x, items)


def _rows(x: Any, index: Any) -> Any:
    """`x[index]` for one array of integers: the common case, without the general bookkeeping."""
    n, *rest = x.aval.shape
    if type(index) is Tracer:
        index = from_front(index, n)
        dims = tuple(range(index.ndim))
        rows = p.broadcast_in_dim(index, shape=(*index.shape, 1), broadcast_dimensions=dims)
    else:
        rows = from_front(np.asarray(index), n)[..., None].astype(scalar_dtype(int), copy=False)
    return p.gather(
        x,
        rows,
        dimension_numbers=_row_numbers(len(rest), index.ndim),
        slice_sizes=(1, *rest),
        mode=GatherScatterMode.PROMISE_IN_BOUNDS,
        fill_value=None,
        indices_are_sorted=False,
        unique_indices=False,
    )


@lru_cache(maxsize=256)
def _row_numbers(row_ndim: int, index_ndim: int) -> GatherDimensionNumbers:
    return GatherDimensionNumbers(tuple(range(index_ndim, index_ndim + row_ndim)), (0,), (0,))


def iterate(x: Any) -> Iterator[Any]:
    """The rows of `x`, for `for row in x` on traced values. One split: its transpose costs one concatenation.

    Raises:
        TypeError: `x` has no axes.
    """
    shape = x.aval.shape
    if not shape:
        raise TypeError("iteration over a 0-d array")
    rows = p.split(x, sizes=(1,) * shape[0], axis=0) if shape[0] else ()
    return iter([p.squeeze(row, dimensions=(0,)) for row in rows])


def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: None = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Any:
    """Elements of `a` at integer positions along an axis.

    Args:
        a: array.
        indices: integer array of any shape; negative ones count from the end (except with mode "clip").
        axis: None for positions in the flattened array.
        out: not supported.
        mode: "fill" (default: nan, or an extreme integer, outside), "clip", "wrap".
        unique_indices, indices_are_sorted: promises about `indices`.
        fill_value: what to read outside.

    Returns:
        `a.shape` with `indices.shape` in place of `axis`.

    Raises:
        IndexError: a nonempty take from an empty axis.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.take(mnp.array([10.0, 20.0]), mnp.array([1, 0, 5]))
        Array([20., 10., nan], dtype=float32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.take is not supported.")
    if isinstance(indices, (list, tuple)) or isinstance(a, (list, tuple)):
        which, position = (a, 0) if isinstance(a, (list, tuple)) else (indices, 1)
        raise TypeError(f"take requires ndarray or scalar arguments, got {type(which)} at position {position}.")
    a = as_value(a)
    if axis is None:
        a, axis = p.reshape(a, new_sizes=(a.aval.size,), dimensions=None), 0
    axis = _axis(axis, a.aval.ndim)
    indices, how = _positions(indices, a.aval.shape[axis], mode, "take")
    if not a.aval.shape[axis] and indices.size:
        raise IndexError("Cannot do a non-empty jnp.take() from an empty axis.")
    items = [Positions(indices) if d == axis else slice(None) for d in range(a.aval.ndim)]
    return read_windows(a, items, how, fill_value, False, indices_are_sorted, unique_indices)


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return axis % ndim


def _positions(indices: Any, n: int, mode: str | None, name: str) -> tuple[Any, GatherScatterMode]:
    """Indices along an axis of size n as NumPy integers or a tracer, and the mode that remains."""
    indices = as_value(indices)
    if indices.dtype.kind == "b":
        indices = p.convert_element_type(indices, new_dtype=np.dtype(np.int32), weak_type=False)
    if indices.dtype.kind not in "iu":
        error = ValueError if name == "take" else TypeError
        raise error(f"{name} indices must have an integer type, got {indices.dtype}: indices must be of integer type")
    values = indices if type(indices) is Tracer else np.asarray(indices)
    if mode == "raise":
        raise NotImplementedError(f"The 'raise' mode to jnp.{name} is not supported.")
    if mode == "wrap":
        if values.dtype.itemsize < 4:  # n may not fit
            values = as_value(p.convert_element_type(values, new_dtype=np.dtype(np.int32), weak_type=False))
            values = values if type(values) is Tracer else np.asarray(values)
        if type(values) is not Tracer:
            return values % max(n, 1), GatherScatterMode.CLIP
        size = like(values, max(n, 1))
        return from_front(p.rem(values, size), n), GatherScatterMode.CLIP
    if mode == "clip":
        return values, GatherScatterMode.CLIP
    return from_front(values, n), GatherScatterMode.from_any(mode)


def take_along_axis(
    arr: Any, indices: Any, axis: int | None = -1, mode: str | None = None, fill_value: Any = None
) -> Any:
    """For each position of `indices`, the element of `arr` at that index along `axis` and the same place otherwise.

    Args:
        arr: array (..., n, ...).
        indices: integer array (..., k, ...); other axes broadcast against those of `arr`.
        axis: None for one-dimensional indices into the flattened array.
        mode, fill_value: as in `take`.

    Returns:
        Array (..., k, ...).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.take_along_axis(mnp.array([[3, 1, 2]]), mnp.array([[1, 2, 0]]), axis=1)
        Array([[1, 2, 3]], dtype=int32)
    """
    arr, indices, axis = _aligned("take_along_axis", arr, indices, axis)
    n = arr.aval.shape[axis]
    values, how = _positions(indices, n, mode, "take_along_axis")
    shape = _along_shape(arr.aval.shape, values.shape, axis)
    arr = _broadcast_to(arr, (*shape[:axis], n, *shape[axis + 1 :]))
    rows = _broadcast_rows(values, shape)
    shared = tuple(d for d in range(len(shape)) if d != axis)
    return p.gather(
        arr,
        rows,
        dimension_numbers=GatherDimensionNumbers((), (axis,), (axis,), shared, shared),
        slice_sizes=(1,) * len(shape),
        mode=how,
        fill_value=static_scalar(fill_value),
        indices_are_sorted=False,
        unique_indices=False,
    )


def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: int | None, inplace: bool = True, *, mode: str | None = None
) -> Any:
    """A copy of `arr` with `values` at the places that `take_along_axis` would read.

    Args:
        arr, indices, axis, mode: as in `take_along_axis`.
        values: broadcast to the shape of `indices`.
        inplace: must be False: arrays are immutable.

    Returns:
        Array of the shape of `arr`.

    Raises:
        ValueError: `inplace` was not set to False.
    """
    if inplace:
        raise ValueError(
            "put_along_axis cannot modify arrays in-place, because arrays are immutable. Pass inplace=False to "
            "instead return an updated array."
        )
    original = as_value(arr).aval.shape
    arr, indices, axis = _aligned("put_along_axis", arr, indices, axis)
    n = arr.aval.shape[axis]
    positions, how = _positions(indices, n, mode, "put_along_axis")
    shape = _along_shape(arr.aval.shape, positions.shape, axis)
    shared = tuple(d for d in range(len(shape)) if d != axis)
    out = p.scatter(
        arr,
        _broadcast_rows(positions, shape),
        _broadcast_to(as_dtype(values, arr), shape),
        dimension_numbers=ScatterDimensionNumbers((), (axis,), (axis,), shared, shared),
        indices_are_sorted=False,
        unique_indices=False,
        mode=how,
    )
    return out if out.aval.shape == original else p.reshape(out, new_sizes=original, dimensions=None)


def _aligned(name: str, arr: Any, indices: Any, axis: int | None) -> tuple[Any, Any, int]:
    arr, indices = as_value(arr), as_value(indices)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError(f"{name} indices must be 1D if axis=None, got shape {indices.shape}")
        return p.reshape(arr, new_sizes=(arr.aval.size,), dimensions=None), indices, 0
    if arr.ndim != indices.ndim:
        raise ValueError(f"indices and arr must have the same number of dimensions; {indices.ndim} vs. {arr.ndim}")
    return arr, indices, _axis(axis, arr.ndim)


def _along_shape(shape: tuple[int, ...], indices: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The common shape apart from `axis`, where it is that of the indices."""
    try:
        return np.broadcast_shapes((*shape[:axis], indices[axis], *shape[axis + 1 :]), indices)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: {shape} and {indices} along axis {axis}") from None


def _broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    given = x.shape
    if given == shape:
        return x
    lead = len(shape) - len(given)
    if lead < 0 or any(n not in (1, m) for n, m in zip(given, shape[lead:])):
        raise ValueError(f"Incompatible shapes for broadcasting: {given} and requested shape {shape}")
    return p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(lead, len(shape))))


def _broadcast_rows(values: Any, shape: tuple[int, ...]) -> Any:
    """Index rows of one entry each."""
    if type(values) is Tracer:
        return p.broadcast_in_dim(values, shape=(*shape, 1), broadcast_dimensions=tuple(range(len(shape))))
    return np.broadcast_to(values, shape)[..., None]


def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Any:
    """`a` with `v` (repeated) at places `ind` of the flattened array.

    Args:
        a: array.
        ind: integers.
        v: values.
        mode: places outside: "clip", "wrap", or dropped (None).
        inplace: must be False: arrays do not change.

    Raises:
        ValueError: `inplace` is true.
    """
    if inplace:
        raise ValueError(
            "jax.numpy.put cannot modify arrays in-place, because JAX arrays are immutable. Pass inplace=False"
        )
    a = as_array("put", a)
    places, values = (ravel(array(x) if isinstance(x, (list, tuple)) else x) for x in (ind, v))
    if not places.aval.size or not values.aval.size:
        return a
    if mode == "wrap":
        places = places % max(a.aval.size, 1)
    elif mode == "clip":
        places = p.clamp(like(places, 0), places, like(places, a.aval.size - 1))
    which = p.iota(dtype=scalar_dtype(int), shape=(places.aval.size,), dimension=0)
    repeated = take(values, p.rem(which, like(which, values.aval.size)), mode="clip")
    return reshape(ravel(a).at[places].set(repeated.astype(a.aval.dtype), mode="drop"), a.aval.shape)
