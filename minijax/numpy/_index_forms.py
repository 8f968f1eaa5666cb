"""What an index means: its entries sorted into integers, slices, traced scalars and arrays of positions.

In: a shape and an index as NumPy understands it (numpy.org/doc/stable/user/basics.indexing). Out: `expanded`,
    one item per axis; `windows`, the same as index rows and dimension numbers for gather and scatter, with the
    result's axes where NumPy places them. Boolean masks become the positions of their true elements, so their
    values must be known.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import scalar_dtype
from ..errors import (
    ConcretizationTypeError,
    NonConcreteBooleanIndexError,
    TracerArrayConversionError,
    TracerIntegerConversionError,
    teach,
)
from ..ir import Tracer, concretize
from ..primitives._index_maps import GatherDimensionNumbers
from ..primitives._ops import like, p

__all__ = ["WHOLE", "Positions", "Windows", "bounds", "expanded", "from_front", "takes_axis", "windows"]

WHOLE = slice(None)


class Positions(NamedTuple):
    """An advanced index: integers that select along one axis (or along none: a scalar boolean, `along` False)."""

    values: Any  # NumPy integers or a tracer
    along: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)


def expanded(shape: tuple[int, ...], index: Any) -> list[Any]:
    """One item per axis, and None for new axes: ints, slices, traced scalars, `Positions`."""
    if type(index) is list or (isinstance(index, Sequence) and not isinstance(index, (tuple, str, bytes))):
        raise TypeError(
            "Using a non-tuple sequence for multidimensional indexing is not allowed; use `arr[array(seq)]` "
            "instead of `arr[seq]`. See https://github.com/jax-ml/jax/issues/4564 for more information."
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
            used += sum(map(takes_axis, found))
    if used > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {used} were indexed")
    missing = [WHOLE] * (len(shape) - used)
    place = len(items) if hole < 0 else hole
    items[place:place] = missing
    _check_masks(items, shape)
    if any(type(item) is Positions and item.shape for item in items):
        items = [_beside_arrays(item) for item in items]
        if hole >= 0 and not missing:
            items.insert(hole, Ellipsis)
    return items


def _beside_arrays(item: Any) -> Any:
    """In NumPy an integer beside an array is an array of shape (), and an ellipsis separates even if it is empty."""
    if type(item) is int:
        return Positions(np.array(item, scalar_dtype(int)))
    return Positions(item) if type(item) is Tracer else item


def _classified(item: Any, shape: tuple[int, ...], used: int, hole: int, position: int) -> list[Any]:
    """What one entry of an index stands for: one item, or one per axis of a mask."""
    kind = type(item)
    if kind is int or kind is slice:
        return [item]
    if kind is bool or kind is np.bool_:
        return [Positions(np.zeros(int(item), scalar_dtype(int)), along=False)]
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
                "only integers, slices (`:`), ellipsis (`...`), newaxis (`None`) and integer or boolean arrays are "
                f"valid indices. Got {item}"
            ) from None
    if dtype.kind == "b":
        return _mask_positions(item, position)
    if dtype.kind not in "iu":
        raise TypeError(f"Indexer must have integer or boolean type, got indexer with type {dtype}")
    if kind is Tracer:
        return [item if item.ndim == 0 else Positions(item)]
    values = np.asarray(item)
    return [int(values)] if values.ndim == 0 else [Positions(values)]


def takes_axis(item: Any) -> bool:
    """Whether an item of an index belongs to an axis of the array."""
    return item is not None and item is not Ellipsis and (type(item) is not Positions or item.along)


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
        return [Positions(np.zeros(int(values), dtype), along=False)]
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
                do="keep the shape: minijax.numpy.where(mask, x, 0); where(mask, v, x) instead of x.at[mask].set(v)",
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
            items[i] = Positions(item.values)
        axis += takes_axis(items[i])


def bounds(item: slice, n: int) -> tuple[int, int, int]:
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


def from_front(index: Any, n: int) -> Any:
    """Indices with negative ones counted from the end."""
    if type(index) is not Tracer:
        if index.dtype.kind == "u":
            return index
        if index.dtype.itemsize < 4:  # n may not fit
            index = index.astype(np.int32)
        negative = index < 0
        return np.where(negative, index + n, index) if negative.any() else index
    dtype = index.aval.dtype
    if dtype.itemsize < 4:  # n may not fit
        index = p.convert_element_type(index, new_dtype=np.dtype(np.int32), weak_type=False)
    if dtype.kind == "u":
        return index
    return p.select_n(p.lt(index, like(index, 0)), index, p.add(index, like(index, n)))


class Windows(NamedTuple):
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


def windows(shape: tuple[int, ...], items: list[Any], wrap: bool) -> Windows:
    """Integers and arrays become index columns, contiguous slices windows, other slices columns of their own.

    Args:
        shape: of the array.
        items: from `expanded`.
        wrap: whether negative integers count from the end.
    """
    rows = _block_shape(items)
    advanced = [i for i, item in enumerate(items) if type(item) is Positions]
    # NumPy: next to each other, the arrays' axes stay there; otherwise they come first.
    together = bool(advanced) and advanced[-1] - advanced[0] == len(advanced) - 1
    place = advanced[0] if together else 0
    layout = _Layout(shape)
    axis = 0
    for i, item in enumerate(items):
        if advanced and i == place:
            layout.add_block(rows)
        if item is None:
            layout.new_axes.append(len(layout.result) + len(layout.new_axes))
        if not takes_axis(item):
            continue
        if type(item) is slice:
            layout.add_slice(axis, item)
        else:
            layout.add_positions(axis, item, wrap)
        axis += 1
    return layout.finish(len(rows), bool(advanced))


class _Layout:
    """Windows, index columns and result axes as they come together, item by item."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.sizes = list(shape)  # of a window
        self.collapsed: list[int] = []
        self.batch: list[int] = []  # sizes of the axes that index rows have
        self.result: list[int] = []  # sizes of the axes that the gather gives
        self.offsets: list[int] = []  # those of them that run through a window
        self.new_axes: list[int] = []
        self.columns: list[tuple[int, Any, int | None]] = []  # axis, indices, their batch axis (None: the block's)
        self.block = 0  # where the arrays' common axes start among the batch axes

    def add_block(self, rows: tuple[int, ...]) -> None:
        self.block = len(self.batch)
        self.batch.extend(rows)
        self.result.extend(rows)

    def add_slice(self, axis: int, item: slice) -> None:
        n = self.shape[axis]
        start, count, step = (0, n, 1) if item == WHOLE else bounds(item, n)
        if step == 1 or count <= 1:
            self.offsets.append(len(self.result))
            self.sizes[axis] = count
            if count != n:
                self.columns.append((axis, np.array(start if count else 0), None))
        else:
            self.columns.append((axis, start + step * np.arange(count), len(self.batch)))
            self.batch.append(count)
            self.sizes[axis] = 1
            self.collapsed.append(axis)
        self.result.append(count)

    def add_positions(self, axis: int, item: Any, wrap: bool) -> None:
        n = self.shape[axis]
        values = item.values if type(item) is Positions else item
        if type(values) is int:
            values = np.array(max(min(values, n), -n - 1))  # still outside, but of any integer dtype
        self.columns.append((axis, from_front(values, n) if wrap else values, None))
        self.sizes[axis] = 1
        self.collapsed.append(axis)

    def finish(self, block_ndim: int, has_arrays: bool) -> Windows:
        mapped = tuple(axis for axis, _, _ in self.columns)
        numbers = GatherDimensionNumbers(tuple(self.offsets), tuple(self.collapsed), mapped)
        after = self.block + block_ndim
        arrays = [
            (values, tuple(range(after - values.ndim, after)) if own is None else (own,))
            for _, values, own in self.columns
        ]
        indices = _index_rows(arrays, tuple(self.batch))
        full_shape = list(self.result)
        for axis in self.new_axes:
            full_shape.insert(axis, 1)
        single = all(n == 1 for n in self.batch)
        return Windows(
            indices,
            numbers,
            tuple(self.sizes),
            tuple(self.result),
            tuple(full_shape),
            single or not has_arrays,
            single and type(indices) is not Tracer and _is_inside(indices, numbers, self.shape, self.sizes),
        )


def _block_shape(items: list[Any]) -> tuple[int, ...]:
    """The shape that all index arrays broadcast to."""
    shapes = [item.shape for item in items if type(item) is Positions]
    try:
        return shapes[0] if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={shapes}") from None


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
