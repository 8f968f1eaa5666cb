"""Which element of an array an index of gather or scatter means: the arithmetic both share.

In: dimension numbers, window sizes and an array of indices, one row per window, in XLA's convention
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

__all__ = [
    "GatherDimensionNumbers",
    "GatherScatterMode",
    "ScatterDimensionNumbers",
    "WindowPlan",
    "batch_mask",
    "in_bounds",
    "pick_indices",
    "row_count",
    "single_window",
    "window_plan",
]


class GatherScatterMode(enum.Enum):
    """What happens to windows that do not lie inside the array.

    CLIP moves them inwards; FILL_OR_DROP reads a fill value and drops writes; PROMISE_IN_BOUNDS says there are none (reads
    clip and writes drop all the same); ONE_HOT is accepted as a synonym of FILL_OR_DROP.
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
    """The only window that `indices` (one row) mean, as slices of the operand; None if it is outside and not moved."""
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
