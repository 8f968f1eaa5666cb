"""Indexing: what `x[...]`, `x.at[...]`, `take` and their like mean in terms of primitives.

In: an array and an index as NumPy understands it. Out: the least that does it: static integers and slices become
`slice` (with `rev`, `squeeze`), traced integers `dynamic_slice`, arrays of integers `gather`; updates are a
`scatter`. Result axes are placed by NumPy's rules for advanced indexing (numpy.org/doc/stable/user/basics.indexing).

Nothing is ever out of bounds: reading moves the index to the nearest element, or gives a fill value where asked to; writing
drops the update. Boolean masks are turned into the positions of their true elements, so their values must be known.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..array import Array, as_value
from ..dtypes import canonicalize_dtype, result_type, scalar_dtype
from ..errors import (
    ConcretizationTypeError,
    NonConcreteBooleanIndexError,
    TracerArrayConversionError,
    TracerIntegerConversionError,
    teach,
)
from ..ir import Tracer, concretize
from ..primitives._index_maps import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from ..primitives._ops import like, p

__all__ = ["At", "IndexedAt", "getitem", "iterate", "put_along_axis", "take", "take_along_axis"]

_CLAMPING = (GatherScatterMode.CLIP, GatherScatterMode.PROMISE_IN_BOUNDS)
_WHOLE = slice(None)


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
    items = _expanded(x.aval.shape, index)
    if any(type(item) is _Positions for item in items):
        return _gather(x, items, GatherScatterMode.PROMISE_IN_BOUNDS, None, True, False, False)
    return _basic(x, items)


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


class _Positions(NamedTuple):
    """An advanced index: integers that select along one axis (or along none: a scalar boolean, `along` False)."""

    values: Any  # NumPy integers or a tracer
    along: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)


def _expanded(shape: tuple[int, ...], index: Any) -> list[Any]:
    """One item per axis, and None for new axes: ints, slices, traced scalars, `_Positions`."""
    if type(index) is list or (isinstance(index, Sequence) and not isinstance(index, (tuple, str, bytes))):
        raise TypeError(
            "Using a non-tuple sequence for multidimensional indexing is not allowed; use `arr[array(seq)]` instead of "
            "`arr[seq]`. See https://github.com/jax-ml/jax/issues/4564 for more information."
        )
    given = index if type(index) is tuple else (index,)
    items: list[Any] = []
    hole = -1
    used = 0
    for item in given:
        if item is Ellipsis:
            if hole >= 0:
                raise IndexError("an index can only have a single ellipsis ('...')")
            hole = len(items)
        elif item is None:
            items.append(None)
        else:
            found = _classified(item, shape, used, hole, len(items))
            items.extend(found)
            used += sum(type(one) is not _Positions or one.along for one in found)
    if used > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {used} were indexed")
    missing = [_WHOLE] * (len(shape) - used)
    hole = len(items) if hole < 0 else hole
    items[hole:hole] = missing
    _check_masks(items, shape)
    # In NumPy an integer beside an array is an array of shape ().
    if any(type(item) is _Positions and item.shape for item in items):
        dtype = scalar_dtype(int)
        return [_Positions(np.array(i, dtype)) if type(i) is int else _Positions(i) if type(i) is Tracer else i for i in items]
    return items


def _classified(item: Any, shape: tuple[int, ...], used: int, hole: int, position: int) -> list[Any]:
    """What one entry of an index stands for: one item, or one per axis of a mask."""
    kind = type(item)
    if kind is int or kind is slice:
        return [item]
    if kind is bool or kind is np.bool_:
        return [_Positions(np.zeros(int(item), scalar_dtype(int)), along=False)]
    if isinstance(item, (str, bytes)):
        raise TypeError(f"JAX does not support string indexing; got idx={item!r}")
    if isinstance(item, (list, tuple)):
        item = np.asarray(item) if item else np.zeros(0, np.int32)
    elif isinstance(item, (float, complex)):
        item = np.asarray(item)
    dtype = getattr(item, "dtype", None)
    if dtype is None:
        if hasattr(item, "__jax_array__"):
            return _classified(item.__jax_array__(), shape, used, hole, position)
        try:
            return [operator.index(item)]
        except TypeError:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), newaxis (`None`) and integer or boolean arrays are valid "
                f"indices. Got {item}"
            ) from None
    if dtype.kind == "b":
        return _mask_positions(item, position)
    if dtype.kind not in "iu":
        raise TypeError(f"Indexer must have integer or boolean type, got indexer with type {dtype}")
    if kind is Tracer:
        return [item if item.ndim == 0 else _Positions(item)]
    values = np.asarray(item)
    return [int(values)] if values.ndim == 0 else [_Positions(values)]


class _Mask(NamedTuple):
    """Positions along one axis of a boolean mask, which remembers the mask's size there, for checking."""

    values: Any
    size: int
    shape_of_mask: tuple[int, ...]
    position: int


def _mask_positions(mask: Any, position: int) -> list[Any]:
    values = _known_mask(mask) if type(mask) is Tracer else np.asarray(mask)
    dtype = scalar_dtype(int)
    if values.ndim == 0:
        return [_Positions(np.zeros(int(values), dtype), along=False)]
    found = [axis.astype(dtype) for axis in np.nonzero(values)]
    return [_Mask(axis, n, values.shape, position) for axis, n in zip(found, values.shape)]


def _known_mask(mask: Tracer) -> np.ndarray:
    try:
        return np.asarray(concretize(mask, "value", "boolean index"))
    except (ConcretizationTypeError, TracerArrayConversionError) as error:
        raise NonConcreteBooleanIndexError(
            teach(
                f"Array boolean indices must be concrete; got {mask.dtype}[{','.join(map(str, mask.shape))}]",
                why="the shape of the result depends on the mask's values, and they are not known here",
                do="keep the shape: minijax.numpy.where(mask, x, 0), or where(mask, value, x) in place of x.at[mask].set(value)",
            )
        ) from error


def _check_masks(items: list[Any], shape: tuple[int, ...]) -> None:
    """Check masks against the axes that they select from, and make them plain positions."""
    axis = 0
    for i, item in enumerate(items):
        if type(item) is _Mask:
            if item.size != shape[axis]:
                raise IndexError(
                    f"boolean index did not match shape of indexed array in index {item.position}: got "
                    f"{item.shape_of_mask}, expected {list(shape[axis : axis + len(item.shape_of_mask)])}"
                )
            items[i] = _Positions(item.values)
        axis += item is not None and not (type(items[i]) is _Positions and not items[i].along)


def _bounds(item: slice, n: int) -> tuple[int, int, int]:
    """(start, number of elements, step) of a slice of an axis of size n."""
    try:
        start, stop, step = item.indices(n)
    except TracerIntegerConversionError as error:
        raise IndexError(
            teach(
                f"Slice entries must be static integers. Got {item}",
                why="the size of the result would depend on a value that is not known here",
                do="minijax.lax.dynamic_slice(x, start, sizes) for a window of fixed size at a traced place",
            )
        ) from error
    return start, len(range(start, stop, step)), step


def _inside(index: int, n: int, axis: int) -> int:
    """A static index, counted from the front and moved to the nearest element."""
    if n == 0:
        raise IndexError(f"index is out of bounds for axis {axis} with size 0")
    return min(index, n - 1) if index >= 0 else max(index + n, 0)


def _basic(x: Any, items: list[Any]) -> Any:
    """Static integers and slices, traced integers and new axes: no gather."""
    shape = x.aval.shape
    starts, limits, steps, reversed_, dropped, sizes = [], [], [], [], [], []
    dynamic: dict[int, Any] = {}
    axis = 0
    for item in items:
        if item is None:
            sizes.append(1)
            continue
        n = shape[axis]
        start, count, step = 0, n, 1
        if type(item) is int:
            start, count = _inside(item, n, axis), 1
            dropped.append(axis)
        elif type(item) is slice:
            if item != _WHOLE:
                start, count, step = _bounds(item, n)
                if step < 0:
                    reversed_.append(axis)
                    start, step = start + (count - 1) * step, -step
                if not count:
                    start = 0
            sizes.append(count)
        else:
            if n == 0:
                raise IndexError(f"index is out of bounds for axis {axis} with size 0")
            dynamic[axis] = _from_front(item, n)
            dropped.append(axis)
        starts.append(start)
        limits.append(min(start + count * step, n) if count else start)
        steps.append(step if count > 1 else 1)
        axis += 1
    if tuple(limits) != shape or any(starts) or any(step != 1 for step in steps):
        strides = tuple(steps) if any(step != 1 for step in steps) else None
        x = p.slice(x, start_indices=tuple(starts), limit_indices=tuple(limits), strides=strides)
    if dynamic:
        x = _dynamic_window(x, dynamic)
    if reversed_:
        x = p.rev(x, dimensions=tuple(reversed_))
    if len(sizes) == axis - len(dropped):  # no new axes
        return p.squeeze(x, dimensions=tuple(dropped)) if dropped else x
    return _with_axes(x, items, tuple(sizes)) if not dropped else p.reshape(x, new_sizes=tuple(sizes), dimensions=None)


def _with_axes(x: Any, items: list[Any], sizes: tuple[int, ...]) -> Any:
    dims = tuple(i for i, item in enumerate(items) if item is not None)
    return p.broadcast_in_dim(x, shape=sizes, broadcast_dimensions=dims)


def _dynamic_window(x: Any, dynamic: dict[int, Any]) -> Any:
    """One element along each axis in `dynamic`, at a traced index."""
    first = next(iter(dynamic.values()))
    indices = [dynamic[d] if d in dynamic else like(first, 0) for d in range(x.aval.ndim)]
    sizes = tuple(1 if d in dynamic else n for d, n in enumerate(x.aval.shape))
    return p.dynamic_slice(x, *indices, slice_sizes=sizes)


def _from_front(index: Any, n: int) -> Any:
    """Indices with negative ones counted from the end."""
    if type(index) is not Tracer:
        if index.dtype.kind == "u":
            return index
        negative = index < 0
        return np.where(negative, index + n, index) if negative.any() else index
    dtype = index.aval.dtype
    if dtype.itemsize < 4:  # n may not fit
        index = p.convert_element_type(index, new_dtype=np.dtype(np.int32), weak_type=False)
    if dtype.kind == "u":
        return index
    return p.select_n(p.lt(index, like(index, 0)), index, p.add(index, like(index, n)))


class _Windows(NamedTuple):
    """An index with arrays, as gather and scatter want it.

    Attributes:
        indices: integers (rows..., axes selected along).
        numbers: dimension numbers.
        sizes: of a window.
        shape: of the result of the gather.
        full_shape: of `x[index]`, with its new axes.
        unique: no element is meant twice.
        inside: a single window whose place is static and inside the array.
    """

    indices: Any
    numbers: GatherDimensionNumbers
    sizes: tuple[int, ...]
    shape: tuple[int, ...]
    full_shape: tuple[int, ...]
    unique: bool
    inside: bool


def _windows(shape: tuple[int, ...], items: list[Any], wrap: bool) -> _Windows:
    """Integers and arrays become index columns, contiguous slices windows, other slices index columns of their own."""
    rows = _block_shape(items)
    advanced = [i for i, item in enumerate(items) if type(item) is _Positions]
    # NumPy: next to each other, the arrays' axes stay there; otherwise they come first.
    together = bool(advanced) and advanced[-1] - advanced[0] == len(advanced) - 1
    at = advanced[0] if together else 0
    axis = 0  # of x
    batch: list[int] = []  # sizes of the batch axes
    offsets: list[int] = []
    result: list[int] = []
    new_axes: list[int] = []
    columns: list[tuple[int, Any, int | None]] = []  # axis of x, indices, their batch axis (None: the block's)
    sizes = list(shape)
    collapsed: list[int] = []
    block = 0
    for i, item in enumerate(items):
        if advanced and i == at:
            block = len(batch)
            batch.extend(rows)
            result.extend(rows)
        if item is None:
            new_axes.append(len(result) + len(new_axes))
            continue
        if type(item) is _Positions and not item.along:
            continue
        n = shape[axis]
        if type(item) is slice:
            start, count, step = (0, n, 1) if item == _WHOLE else _bounds(item, n)
            if step == 1 or count == 1:
                offsets.append(len(result))
                sizes[axis] = count
                if count != n:
                    columns.append((axis, np.array(start if count else 0), None))
            else:
                columns.append((axis, start + step * np.arange(count), len(batch)))
                batch.append(count)
                sizes[axis] = 1
                collapsed.append(axis)
            result.append(count)
        else:
            values = item.values if type(item) is _Positions else item
            if type(values) is int:
                values = np.array(values)
            columns.append((axis, _from_front(values, n) if wrap else values, None))
            sizes[axis] = 1
            collapsed.append(axis)
        axis += 1
    numbers = GatherDimensionNumbers(tuple(offsets), tuple(collapsed), tuple(axis for axis, _, _ in columns))
    arrays = [_in_batch(values, own, block, len(rows), len(batch)) for _, values, own in columns]
    indices = _index_rows(arrays, tuple(batch))
    single = all(n == 1 for n in batch)
    return _Windows(
        indices,
        numbers,
        tuple(sizes),
        tuple(result),
        _with_ones(result, new_axes),
        single or not advanced,
        single and type(indices) is not Tracer and _is_inside(indices, numbers, shape, sizes),
    )


def _block_shape(items: list[Any]) -> tuple[int, ...]:
    """The shape that all index arrays broadcast to."""
    shapes = [item.shape for item in items if type(item) is _Positions]
    try:
        return shapes[0] if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={shapes}") from None


def _in_batch(values: Any, own: int | None, block: int, block_ndim: int, ndim: int) -> Any:
    """(indices, the batch axes that theirs are)."""
    if own is not None:
        return values, (own,)
    after = block + block_ndim
    return values, tuple(range(after - values.ndim, after))


def _with_ones(shape: list[int], new_axes: list[int]) -> tuple[int, ...]:
    full = list(shape)
    for axis in new_axes:
        full.insert(axis, 1)
    return tuple(full)


def _is_inside(indices: np.ndarray, numbers: GatherDimensionNumbers, shape: Any, sizes: Any) -> bool:
    starts = zip(numbers.start_index_map, indices.ravel().tolist())
    return all(0 <= start <= shape[d] - sizes[d] for d, start in starts)


def _index_rows(columns: list[Any], batch: tuple[int, ...]) -> Any:
    """Index columns side by side: an array (batch..., number of columns), traced if one of them is."""
    dtype = scalar_dtype(int)
    traced = [values for values, _ in columns if type(values) is Tracer]
    if not traced:
        out = np.empty((*batch, len(columns)), dtype)
        for k, (values, axes) in enumerate(columns):
            shape = [1] * len(batch)
            for axis, n in zip(axes, values.shape):
                shape[axis] = n
            out[..., k] = values.reshape(shape)
        return out
    dtype = max((values.aval.dtype for values in traced), key=lambda dtype: dtype.itemsize)
    if dtype.itemsize < 4 or len({values.aval.dtype for values in traced}) > 1:
        dtype = scalar_dtype(int)
    parts = []
    for values, axes in columns:
        if type(values) is not Tracer:
            values = values.astype(dtype)
        elif values.aval.dtype != dtype:
            values = p.convert_element_type(values, new_dtype=dtype, weak_type=False)
        parts.append(p.broadcast_in_dim(values, shape=(*batch, 1), broadcast_dimensions=axes))
    return parts[0] if len(parts) == 1 else p.concatenate(*parts, dimension=len(batch))


def _gather(
    x: Any,
    items: list[Any],
    mode: GatherScatterMode,
    fill_value: Any,
    wrap: bool,
    indices_are_sorted: bool,
    unique_indices: bool,
) -> Any:
    """`x[items]` with index arrays; slices first, so that the windows of the gather are whole axes."""
    axis = 0
    cuts: list[Any] = []
    for i, item in enumerate(items):
        if item is None or (type(item) is _Positions and not item.along):
            continue
        cuts.append(item if type(item) is slice else _WHOLE)
        if type(item) is slice:
            items[i] = _WHOLE
        axis += 1
    x = _basic(x, cuts) if any(cut != _WHOLE for cut in cuts) else x
    found = _windows(x.aval.shape, items, wrap)
    if 0 in x.aval.shape and 0 not in found.shape:
        raise IndexError(f"cannot index an array of shape {x.aval.shape} with indices of shape {_block_shape(items)}")
    out = p.gather(
        x,
        found.indices,
        dimension_numbers=found.numbers,
        slice_sizes=found.sizes,
        mode=mode,
        fill_value=fill_value,
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices or found.unique,
    )
    return out if found.full_shape == found.shape else p.reshape(out, new_sizes=found.full_shape, dimensions=None)


class At:
    """`x.at`: indexing it says where an update happens.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.zeros(3).at[1].set(5.0)
        Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> IndexedAt:
        return IndexedAt(self.array, index)

    def __repr__(self) -> str:
        return f"At({self.array!r})"


class IndexedAt:
    """`x.at[index]`: gives copies of `x` with the indexed elements changed.

    All methods take `indices_are_sorted` and `unique_indices` (promises, about index arrays), `mode` ("drop" or
    "fill": what is outside is left alone, the default; "clip": the nearest element is meant;
    "promise_in_bounds") and `wrap_negative_indices`.

    Args:
        array: x.
        index: as in `x[index]`.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any) -> None:
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"IndexedAt({self.array!r}, {self.index!r})"

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        """`x[index]`, where `mode="fill"` gives `fill_value` outside (default nan, or an extreme integer)."""
        x = as_value(self.array)
        how = GatherScatterMode.PROMISE_IN_BOUNDS if mode is None else GatherScatterMode.from_any(mode)
        items = _expanded(x.aval.shape, self.index)
        has_arrays = any(type(item) is _Positions for item in items)
        has_integers = any(type(item) in (int, Tracer) for item in items)
        if not has_arrays and (not has_integers or (how in _CLAMPING and wrap_negative_indices)):
            return _basic(x, items)
        return _gather(x, items, how, fill_value, wrap_negative_indices, indices_are_sorted, unique_indices)

    def set(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] = values`."""
        return _update(self, "scatter", values, **options)

    def add(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] += values`; an element that is meant several times gets all of them."""
        return _update(self, "scatter_add", values, **options)

    def subtract(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] -= values`; an element that is meant several times gets all of them."""
        return _update(self, "scatter_sub", values, **options)

    def multiply(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] *= values`; an element that is meant several times gets all of them."""
        return _update(self, "scatter_mul", values, **options)

    mul = multiply

    def divide(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] /= values` (integers become floats, as with `/`)."""
        return self.array / IndexedAt(_ones(self.array), self.index).multiply(values, **options)

    def power(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] **= values`."""
        return self.array ** IndexedAt(_ones(self.array), self.index).multiply(values, **options)

    def min(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] = minimum(x[index], values)`."""
        return _update(self, "scatter_min", values, **options)

    def max(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] = maximum(x[index], values)`."""
        return _update(self, "scatter_max", values, **options)

    def apply(self, func: Callable[[Any], Any], **options: Any) -> Any:
        """`x` with the elementwise function `func` applied at `index`, as often as an element is meant."""
        x = as_value(self.array)
        items = _expanded(x.aval.shape, self.index)
        found = _windows(x.aval.shape, items, options.get("wrap_negative_indices", True))
        rounds = [found.indices] if found.unique or options.get("unique_indices") else _rounds(found)
        for indices in rounds:
            once = _one_round(found, indices)
            taken = p.gather(
                x,
                indices,
                dimension_numbers=once.numbers,
                slice_sizes=once.sizes,
                mode=GatherScatterMode.PROMISE_IN_BOUNDS,
                fill_value=None,
                indices_are_sorted=False,
                unique_indices=True,
            )
            x = _scatter(x, "scatter", once, _as_dtype(func(taken), x), {**options, "unique_indices": True})
        return x


def _rounds(found: _Windows) -> list[Any]:
    """Index rows in rounds, within each of which no row occurs twice: known ones by rank, traced ones one by one."""
    indices = found.indices
    if type(indices) is Tracer:
        rows = p.reshape(indices, new_sizes=(-1 if not indices.size else indices.size // indices.shape[-1], indices.shape[-1]))
        return [p.slice(rows, start_indices=(i, 0), limit_indices=(i + 1, rows.shape[1]), strides=None) for i in range(rows.shape[0])]
    rows = indices.reshape(-1, indices.shape[-1])
    seen: dict[tuple[int, ...], int] = {}
    ranks = []
    for row in map(tuple, rows.tolist()):
        seen[row] = seen.get(row, -1) + 1
        ranks.append(seen[row])
    order = np.array(ranks, np.intp)
    return [rows[order == rank] for rank in range(order.max(initial=-1) + 1)]
