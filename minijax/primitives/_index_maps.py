"""Which element of an array an index of gather or scatter means: the arithmetic both share.

In: NumPy arrays, dimension numbers, window sizes and an array of indices, one row per window, in XLA's convention
(openxla.org/xla/operation_semantics, Gather and Scatter). Out: NumPy index arrays for the axes that must be indexed
("picked"), the order of the axes of what they give, and which windows lie outside the array.

Everything that depends on shapes alone is worked out once and cached in a `WindowPlan`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..ir import ShapedArray

__all__ = [
    "batched_numbers",
    "GatherDimensionNumbers",
    "GatherScatterMode",
    "ScatterDimensionNumbers",
    "WindowPlan",
    "accumulate",
    "batch_mask",
    "check_numbers",
    "in_bounds",
    "read_windows",
    "row_count",
    "single_window",
    "window_plan",
    "write_windows",
]


class GatherScatterMode(enum.Enum):
    """What happens to windows that do not lie inside the array.

    CLIP moves them inwards; FILL_OR_DROP reads a fill value and drops writes; PROMISE_IN_BOUNDS says there are
    none (reads clip and writes drop all the same); ONE_HOT is accepted as a synonym of FILL_OR_DROP.
    """

    CLIP = 0
    FILL_OR_DROP = 1
    PROMISE_IN_BOUNDS = 2
    ONE_HOT = 3

    @staticmethod
    def from_any(mode: str | GatherScatterMode | None) -> GatherScatterMode:
        """The mode called "clip", "fill", "drop" or "promise_in_bounds" (None: FILL_OR_DROP).

        Raises:
            ValueError: another name.
        """
        if isinstance(mode, GatherScatterMode):
            return mode
        try:
            return _MODES[mode]
        except (KeyError, TypeError):
            names = ", ".join(repr(name) for name in _MODES if name)
            raise ValueError(f'Unknown gather mode "{mode}": expected one of {names}') from None


_MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
    "one_hot": GatherScatterMode.ONE_HOT,
}


class GatherDimensionNumbers(NamedTuple):
    """How the axes of operand, indices and result of a gather belong together.

    Attributes:
        offset_dims: axes of the result that run through a window.
        collapsed_slice_dims: axes of the operand whose window has size 1 and no axis in the result.
        start_index_map: for each entry of an index row, the axis of the operand that it counts along.
        operand_batching_dims, start_indices_batching_dims: axes that operand and indices share.
    """

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


class ScatterDimensionNumbers(NamedTuple):
    """How the axes of operand, indices and updates of a scatter belong together: a gather, read backwards.

    Attributes:
        update_window_dims: axes of the updates that run through a window.
        inserted_window_dims: axes of the operand whose window has size 1 and no axis in the updates.
        scatter_dims_to_operand_dims: for each entry of an index row, the axis of the operand that it counts along.
        operand_batching_dims, scatter_indices_batching_dims: axes that operand and indices share.
    """

    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    scatter_indices_batching_dims: tuple[int, ...] = ()


def check_numbers(
    name: str, x: ShapedArray, indices: ShapedArray, numbers: GatherDimensionNumbers, sizes: tuple[int, ...]
) -> None:
    """Raise the errors users see when dimension numbers do not fit the operand, the indices or the windows."""
    if indices.dtype.kind not in "iu":
        raise ValueError(f"{name} indices must be integers, got {indices.str_short()}")
    if not indices.ndim or indices.shape[-1] != len(numbers.start_index_map):
        raise TypeError(
            f"{name}: the last axis of indices has one entry for each of {numbers.start_index_map}, got indices of "
            f"shape {indices.shape}"
        )
    every = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    mapped = (*numbers.start_index_map, *numbers.operand_batching_dims)
    if len(set(every)) != len(every) or len(set(mapped)) != len(mapped):
        raise TypeError(f"{name}: an axis of the operand appears twice in {numbers}")
    if any(not 0 <= d < x.ndim for d in (*every, *mapped)):
        raise TypeError(f"{name}: {numbers} names an axis that an operand of shape {x.shape} does not have")
    if len(numbers.offset_dims) + len(every) != x.ndim or len(sizes) != x.ndim:
        raise TypeError(
            f"{name}: each axis of the operand (shape {x.shape}) is a window axis, collapsed or batching; got "
            f"{numbers} and window sizes {sizes}"
        )
    shared = numbers.start_indices_batching_dims
    if [x.shape[d] for d in numbers.operand_batching_dims] != [indices.shape[d] for d in shared]:
        raise TypeError(f"{name}: batching axes of operand {x.shape} and indices {indices.shape} differ: {numbers}")
    for d, (n, w) in enumerate(zip(x.shape, sizes)):
        if d in every and w > 1:
            raise TypeError(f"{name}: collapsed and batching axes have window size 1, got {sizes} for {numbers}")
        if not 0 <= w <= n and indices.size:
            raise TypeError(
                f"Slice size at index {d} in {name} op is out of range, must be within [0, {n} + 1), got {w}."
            )


class WindowPlan(NamedTuple):
    """What follows from shapes alone.

    Attributes:
        shape: of the operand.
        sizes: of a window, one per axis of the operand.
        numbers: dimension numbers, as those of the gather.
        narrow: slices that cut the operand to the windows where no index moves them; None for nothing to cut.
        picked: axes of the operand that index arrays select along.
        order: axes of the operand, the picked ones first; None if they are.
        extents: window sizes of the picked axes.
        wide: picked axes with a window of more than one element (they have an axis of their own after the batch).
        axes: permutation from (batch..., wide..., other...) to the axes of the result that are not mere unit axes.
        take_axis: the axis to `take` along, where one index array of single elements is all there is; -1 otherwise.
        take_axes: permutation from what `take` gives to the result; None if they agree.
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    numbers: GatherDimensionNumbers
    narrow: tuple[slice, ...] | None
    picked: tuple[int, ...]
    order: tuple[int, ...] | None
    extents: tuple[int, ...]
    wide: tuple[int, ...]
    axes: tuple[int, ...]
    take_axis: int
    take_axes: tuple[int, ...] | None

    def result_shape(self, batch: Sequence[int]) -> tuple[int, ...]:
        """The shape of the gathered windows, batch axes between the offset axes."""
        rows, windows = iter(batch), iter(n for d, n in enumerate(self.sizes) if d not in self.dropped)
        ndim = len(batch) + len(self.numbers.offset_dims)
        return tuple([next(windows) if o in self.numbers.offset_dims else next(rows) for o in range(ndim)])

    @property
    def dropped(self) -> tuple[int, ...]:
        """Axes of the operand that have no window axis in the result."""
        return self.numbers.collapsed_slice_dims + self.numbers.operand_batching_dims


@lru_cache(maxsize=4096)
def window_plan(
    shape: tuple[int, ...], batch_ndim: int, numbers: GatherDimensionNumbers, sizes: tuple[int, ...]
) -> WindowPlan:
    """The plan for windows of `sizes` in an operand of `shape`, indexed by `batch_ndim` axes of index rows."""
    mapped, shared = numbers.start_index_map, numbers.operand_batching_dims
    dropped = numbers.collapsed_slice_dims + shared
    picked = tuple(d for d in range(len(shape)) if d in shared or (d in mapped and sizes[d] != shape[d]))
    rest = tuple(d for d in range(len(shape)) if d not in picked)
    narrow = None
    if any(sizes[d] != shape[d] for d in rest):
        narrow = tuple(slice(None) if d in picked else slice(0, sizes[d]) for d in range(len(shape)))
    order = picked + rest
    wide = tuple(d for d in picked if sizes[d] != 1)
    unit = [d for d in rest if d in dropped]
    windows = [d for d in range(len(shape)) if d not in dropped]
    ndim = batch_ndim + len(numbers.offset_dims)
    rows, through = iter(range(batch_ndim)), iter(windows)
    wanted: list[Any] = [
        ("window", next(through)) if o in numbers.offset_dims else ("row", next(rows)) for o in range(ndim)
    ]
    batch = [("row", i) for i in range(batch_ndim)]
    have = [*batch, *(("window", d) for d in wide), *(("window", d) for d in rest)]
    axes = tuple(have.index(axis) for axis in wanted if axis in have) + tuple(have.index(("window", d)) for d in unit)
    take_axis, take_axes = -1, None
    if len(picked) == 1 and not shared and sizes[picked[0]] == 1:
        take_axis = picked[0]
        have = [("window", d) for d in range(len(shape)) if d != take_axis]
        have[take_axis:take_axis] = batch
        taken = tuple(have.index(axis) for axis in wanted if axis in have)
        taken += tuple(have.index(("window", d)) for d in unit)
        take_axes = None if taken == tuple(range(len(taken))) else taken
    return WindowPlan(
        shape,
        sizes,
        numbers,
        narrow,
        picked,
        None if order == tuple(range(len(shape))) else order,
        tuple(sizes[d] for d in picked),
        wide,
        axes,
        take_axis,
        take_axes,
    )


def single_window(plan: WindowPlan, indices: np.ndarray, clip: bool) -> tuple[slice, ...] | None:
    """The only window that `indices` (one row) mean, as slices of the operand; None if it is outside and not
    moved."""
    starts = [0] * len(plan.shape)
    for d, start in zip(plan.numbers.start_index_map, indices.ravel().tolist()):
        last = plan.shape[d] - plan.sizes[d]
        if start < 0 or start > last:
            if not clip:
                return None
            start = min(max(start, 0), last)
        starts[d] = start
    return tuple([slice(start, start + n) for start, n in zip(starts, plan.sizes)])


def in_bounds(plan: WindowPlan, indices: np.ndarray) -> np.ndarray | None:
    """One flag per row of `indices`: does its window lie inside the operand? None if all do."""
    valid = None
    for k, d in enumerate(plan.numbers.start_index_map):
        column = indices[..., k]
        inside = (column >= 0) & (column <= plan.shape[d] - plan.sizes[d])
        if not inside.all():
            valid = inside if valid is None else valid & inside
    return valid


def pick_indices(plan: WindowPlan, indices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Index arrays (batch..., wide windows...) for the picked axes, starts moved inwards until the windows fit."""
    batch = indices.shape[:-1]
    tail = len(plan.wide)
    columns = {d: k for k, d in enumerate(plan.numbers.start_index_map)}
    shared = dict(zip(plan.numbers.operand_batching_dims, plan.numbers.start_indices_batching_dims))
    arrays = []
    for d, n in zip(plan.picked, plan.extents):
        if d in shared:
            along = [1] * (len(batch) + tail)
            along[shared[d]] = batch[shared[d]]
            arrays.append(np.arange(batch[shared[d]]).reshape(along))
            continue
        start = indices[..., columns[d]].astype(np.intp)
        np.minimum(start, plan.shape[d] - n, out=start)
        np.maximum(start, 0, out=start)
        if tail:
            start = start.reshape(batch + (1,) * tail)
            if n != 1:
                along = [1] * tail
                along[plan.wide.index(d)] = n
                start = start + np.arange(n).reshape(along)
        arrays.append(start)
    if arrays and not any(d in columns for d in plan.picked):  # shared axes alone do not span all rows
        arrays[0] = np.broadcast_to(arrays[0], batch)
    return tuple(arrays)


def batch_mask(plan: WindowPlan, valid: np.ndarray) -> np.ndarray:
    """Flags of index rows, shaped so that they broadcast against the result."""
    ndim = valid.ndim + len(plan.numbers.offset_dims)
    rows = iter(valid.shape)
    return valid.reshape([1 if o in plan.numbers.offset_dims else next(rows) for o in range(ndim)])


def row_count(indices: Any) -> int:
    """How many windows an array (or aval) of indices means."""
    return math.prod(indices.shape[:-1])


def read_windows(plan: WindowPlan, x: Any, indices: Any) -> Any:
    """All windows, their axes in the order of the result (unit axes may be missing)."""
    if plan.narrow is not None:
        x = x[plan.narrow]
    if plan.take_axis >= 0:
        k = plan.numbers.start_index_map.index(plan.take_axis)
        out = x.take(indices[..., k], plan.take_axis, mode="clip")
        return out if plan.take_axes is None else out.transpose(plan.take_axes)
    x = x if plan.order is None else x.transpose(plan.order)
    out = x[pick_indices(plan, indices)] if plan.picked else np.broadcast_to(x, indices.shape[:-1] + x.shape)
    return out.transpose(plan.axes)


def write_windows(
    plan: WindowPlan, out: np.ndarray, indices: np.ndarray, updates: np.ndarray, drops: bool
) -> tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]:
    """A view of `out`, index arrays into it, and the updates with axes (rows..., wide..., other...) to match."""
    view = out if plan.narrow is None else out[plan.narrow]
    view = view if plan.order is None else view.transpose(plan.order)
    batch = indices.shape[:-1]
    there = (*batch, *(plan.sizes[d] for d in plan.wide), *view.shape[len(plan.picked) :])
    inverse = np.argsort(plan.axes)
    updates = updates.reshape([there[axis] for axis in plan.axes]).transpose(inverse)
    if plan.picked:
        picked = pick_indices(plan, indices)
    else:  # every window is all of the operand
        view, picked = view[None], (np.zeros(batch, np.intp),)
    valid = in_bounds(plan, indices) if drops else None
    if valid is not None:
        picked = tuple([np.broadcast_to(a, batch + a.shape[len(batch) :])[valid] for a in picked])
        updates = updates[valid]
    return view, picked, updates


_MANY = 1 << 15  # updates from which a sparse product beats `ufunc.at`, importing SciPy included
_SPARSE_DTYPES = "fdFDil"


def accumulate(ufunc: Any, view: np.ndarray, picked: tuple[np.ndarray, ...], updates: np.ndarray) -> None:
    """`ufunc.at(view, picked, updates)` by flat positions: NumPy's `at` is fast for one flat index only."""
    place: Any = 0
    for n, index in zip(view.shape, picked):
        place = place * n + index
    width = view[(0,) * len(picked)].size
    flat = view.reshape(-1)  # a copy where the view is not contiguous
    count = updates.size // width
    place = np.broadcast_to(np.asarray(place), updates.shape[: np.ndim(place)]).reshape(-1)
    adds = ufunc is np.add or ufunc is np.subtract
    if adds and _MANY <= updates.size >= flat.size // 4 and flat.dtype.char in _SPARSE_DTYPES:
        table = flat.reshape(-1, width)
        ufunc(table, _summed_rows(place, updates.reshape(count, width), len(table)), out=table)
    else:
        if width != 1:
            place = (place[:, None] * width + np.arange(width)).reshape(-1)
        ufunc.at(flat, place, updates.reshape(-1))
    if not np.shares_memory(flat, view):
        view[...] = flat.reshape(view.shape)


def _summed_rows(place: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Sums of the rows that go to the same place: the product with a matrix that has a single 1 per column."""
    from scipy import sparse  # only large scatters need it

    ones = np.ones(len(rows), rows.dtype)
    return sparse.csc_array((ones, place, np.arange(len(rows) + 1)), shape=(count, len(rows))) @ rows


def _shifted(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Axis numbers after a new axis in front."""
    return tuple(d + 1 for d in axes)


def batched_numbers(numbers: Any, indices_mapped: bool, operand_mapped: bool) -> Any:
    """Dimension numbers with the batch axis in front of all that is mapped (and of the windows or rows)."""
    windows, dropped, mapped, shared, rows = numbers
    rows = _shifted(rows) if indices_mapped else rows
    if operand_mapped:
        dropped, mapped, shared = _shifted(dropped), _shifted(mapped), _shifted(shared)
        if indices_mapped:
            shared, rows = (0, *shared), (0, *rows)
    windows = _shifted(windows) if indices_mapped else (0, *_shifted(windows))
    return type(numbers)(windows, dropped, mapped, shared, rows)
