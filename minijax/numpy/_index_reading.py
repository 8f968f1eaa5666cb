"""Reading by an index: the least primitives that do it.

In: an array and the items of an index (`_index_forms`). Out: its elements. Static integers and slices become
    `slice` (with `rev` and `squeeze`), traced integers `dynamic_slice`, arrays of positions `gather`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitives._index_maps import GatherScatterMode
from ..primitives._ops import like, p
from ._index_forms import WHOLE, bounds, from_front, takes_axis, windows

__all__ = ["read_basic", "read_windows", "static_scalar"]


def _inside(index: int, n: int, axis: int) -> int:
    """A static index, counted from the front and moved to the nearest element."""
    if n == 0:
        raise IndexError(f"index is out of bounds for axis {axis} with size 0")
    return min(index, n - 1) if index >= 0 else max(index + n, 0)


def read_basic(x: Any, items: list[Any]) -> Any:
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
            if item != WHOLE:
                start, count, step = bounds(item, n)
                if count <= 1:  # of no elements or one, start and step do not matter
                    start, step = (start if count else 0), 1
                elif step < 0:
                    reversed_.append(axis)
                    start, step = start + (count - 1) * step, -step
            sizes.append(count)
        else:
            if n == 0:
                raise IndexError(f"index is out of bounds for axis {axis} with size 0")
            dynamic[axis] = from_front(item, n)
            dropped.append(axis)
        starts.append(start)
        limits.append(min(start + count * step, n))
        steps.append(step)
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
    return (
        _with_axes(x, items, tuple(sizes)) if not dropped else p.reshape(x, new_sizes=tuple(sizes), dimensions=None)
    )


def _with_axes(x: Any, items: list[Any], sizes: tuple[int, ...]) -> Any:
    dims = tuple(i for i, item in enumerate(items) if item is not None)
    return p.broadcast_in_dim(x, shape=sizes, broadcast_dimensions=dims)


def _dynamic_window(x: Any, dynamic: dict[int, Any]) -> Any:
    """One element along each axis in `dynamic`, at a traced index."""
    first = next(iter(dynamic.values()))
    indices = [dynamic[d] if d in dynamic else like(first, 0) for d in range(x.aval.ndim)]
    sizes = tuple(1 if d in dynamic else n for d, n in enumerate(x.aval.shape))
    return p.dynamic_slice(x, *indices, slice_sizes=sizes)


def static_scalar(fill_value: Any) -> Any:
    """A fill value as a Python scalar: params of equations are hashable and printable."""
    return fill_value if fill_value is None else np.asarray(fill_value).item()


def read_windows(
    x: Any,
    items: list[Any],
    mode: GatherScatterMode,
    fill_value: Any,
    wrap: bool,
    indices_are_sorted: bool,
    unique_indices: bool,
) -> Any:
    """`x[items]` with index arrays; slices first, so that the windows of the gather are whole axes."""
    cuts = [item if type(item) is slice else WHOLE for item in items if takes_axis(item)]
    if any(cut != WHOLE for cut in cuts):
        x = read_basic(x, cuts)
        items = [WHOLE if type(item) is slice else item for item in items]
    found = windows(x.aval.shape, items, wrap)
    out = p.gather(
        x,
        found.indices,
        dimension_numbers=found.numbers,
        slice_sizes=found.sizes,
        mode=mode,
        fill_value=static_scalar(fill_value),
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices or found.unique,
    )
    return out if found.full_shape == found.shape else p.reshape(out, new_sizes=found.full_shape, dimensions=None)
