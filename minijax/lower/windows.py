"""Gather, scatter and dynamic slices as index arithmetic: windows at places that are read from memory.

In: an equation, and the index of an element of its result (of its updates, for what writes). Out: the index of the element of the
operand, whose `terms` are the windows' starts, and whether the window lies inside. So a gather is a load inside the
kernel that wants it, and a scatter a loop over its updates that replaces one element after the other, in the order of the
rows. Nothing is copied but the operand of what writes.

The conventions of the windows are XLA's, as in `primitives/gather.py`. Starts are moved inwards before they become part of an
address, in all modes: no index can leave the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..ir import Atom, Eqn
from ..primitives.gather import GatherScatterMode, value_outside
from .nests import Affine, Apply, Datum, Load, Position, Store, Value
from .scalars import word_of
from .views import Index, apart, offset_of, whole

if TYPE_CHECKING:
    from .roots import Roots

__all__ = ["Update", "read_window", "updates_of"]

_INDEX = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)
_COMBINED = {
    "scatter": None,
    "scatter_add": "add",
    "scatter_sub": "sub",
    "scatter_mul": "mul",
    "scatter_min": "min",
    "scatter_max": "max",
}


class Update(NamedTuple):
    """Loops over the updates of a scatter, and what each point of them stores."""

    shape: tuple[int, ...]
    root: Store


def read_window(roots: Roots, eqn: Eqn, index: Index, shape: tuple[int, ...]) -> Value:
    """The element at `index` of what a gather or a dynamic slice gives, in loops over `shape`.

    Raises:
        Unreachable: after noting what must be stored.
    """
    x, var, loops = eqn.invars[0], eqn.outvars[0], len(shape)
    if word_of(eqn.primitive.lower) == "dynamic_slice":
        places = roots.reachable(var, lambda: apart(index, loops))
        inner = _moved(roots, x, eqn.invars[1:], eqn.params["slice_sizes"], places, shape)
        return roots.value(x, inner, shape)
    params = eqn.params
    drops = _drops(params["mode"])
    numbers = params["dimension_numbers"]
    rows, through = roots.reachable(var, lambda: _rows(index, numbers.offset_dims, loops, bool(numbers[3])))
    windows = _Windows(roots, shape, x, eqn.invars[1], params["slice_sizes"], numbers, drops)
    inner, inside = windows.index(rows, through)
    value = roots.value(x, inner, shape)
    if inside is None:
        return value
    dtype = eqn.outvars[0].aval.dtype
    fill = roots.scalar(value_outside(dtype, params["fill_value"]), dtype)
    return _apply(roots, "select", (inside, fill, value), dtype)


def updates_of(roots: Roots, eqn: Eqn) -> Update:
    """What a scatter or a dynamic update does to a copy of its operand, in the order of its rows.

    Raises:
        Unreachable: after noting what must be stored.
    """
    (var,) = eqn.outvars
    x, dtype = eqn.invars[0], eqn.outvars[0].aval.dtype
    if word_of(eqn.primitive.lower) == "dynamic_update_slice":
        update, starts = eqn.invars[1], eqn.invars[2:]
        sizes = update.aval.shape
        index = whole(sizes)
        shape = _long(sizes)
        inner = _moved(roots, x, starts, sizes, apart(index, len(shape)), shape)
        value = roots.value(update, index, shape)
        return Update(shape, Store(roots.number(var), offset_of(inner, _zero(shape)), value))
    indices, updates = eqn.invars[1:]
    numbers = eqn.params["dimension_numbers"]
    windows_axes, inserted, _, shared, _ = numbers
    full = updates.aval.shape
    order = [d for d in range(len(full)) if d not in windows_axes] + list(windows_axes)  # one row after the other
    loops = [d for d in order if full[d] != 1]
    shape = tuple([full[d] for d in loops])
    index = tuple([((n,), Affine(0, tuple([int(loop == d) for loop in loops]))) for d, n in enumerate(full)])
    sizes_of_windows = iter(windows_axes)
    sizes = tuple([1 if d in inserted or d in shared else full[next(sizes_of_windows)] for d in range(x.aval.ndim)])
    drops = eqn.params["mode"] is not GatherScatterMode.CLIP
    rows, through = _rows(index, windows_axes, len(shape), True)
    inner, inside = _Windows(roots, shape, x, indices, sizes, numbers, drops).index(rows, through)
    value = roots.value(updates, index, shape)
    offset = offset_of(inner, _zero(shape))
    held = roots.shared(("load", roots.number(var), offset), Load(roots.number(var), offset, dtype))
    op = _COMBINED[eqn.primitive.name]
    if op is not None:
        value = _apply(roots, op, (held, value), dtype)
    if inside is not None:
        value = _apply(roots, "select", (inside, held, value), dtype)
    return Update(shape, Store(roots.number(var), offset, value, combines=True))


class _Windows:
    """Windows of `sizes` in x, at the rows of `indices`."""

    def __init__(
        self,
        roots: Roots,
        shape: tuple[int, ...],
        x: Atom,
        indices: Atom,
        sizes: Sequence[int],
        numbers: Any,
        drops: bool,
    ) -> None:
        self.roots = roots
        self.shape = shape
        self.x = x
        self.indices = indices
        self.sizes = sizes
        self.numbers = numbers
        self.drops = drops

    def index(self, rows: Index, through: Sequence[Affine]) -> tuple[Index, Value | None]:
        """The index in x at the place `through` a window of the row `rows`; whether the window is inside, None if it always is."""
        _, collapsed, mapped, shared, shared_rows = self.numbers
        inside: Value | None = None
        windows = iter(through)
        row_axes = apart(rows, len(self.shape)) if shared else []
        index = []
        for d, n in enumerate(self.x.aval.shape):
            if d in shared:
                place = row_axes[shared_rows[shared.index(d)]]
            else:
                place = _zero(self.shape) if d in collapsed else next(windows)
            if d in mapped:
                last, start = n - self.sizes[d], self.start(rows, mapped.index(d))
                if self.drops:
                    here = _within(self.roots, start, last, self.shape)
                    inside = here if inside is None else _apply(self.roots, "and", (inside, here), _BOOL)
                if last:
                    place = place.plus(_datum(self.roots, _inwards(self.roots, start, last, self.shape), self.shape))
            index.append(((n,), place))
        return tuple(index), inside

    def start(self, rows: Index, column: int) -> Value:
        width = self.indices.aval.shape[-1]
        place: Index = (*rows, ((width,), _zero(self.shape).shifted(column)))
        return _as_index(self.roots, self.roots.value(self.indices, place, self.shape))


def _drops(mode: GatherScatterMode) -> bool:
    return mode in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT)


def _rows(index: Index, window_axes: Sequence[int], loops: int, all_apart: bool) -> tuple[Index, list[Affine]]:
    """An index taken apart into that of the row (its axes may stay grouped) and the place inside the window."""
    rows: list[Any] = []
    through = []
    axis = 0
    for group in index:
        here = range(axis, axis + len(group[0]))
        axis += len(group[0])
        if not all_apart and not any(a in window_axes for a in here):
            rows.append(group)
            continue
        for a, n, place in zip(here, group[0], apart((group,), loops), strict=True):
            if a in window_axes:
                through.append(place)
            else:
                rows.append(((n,), place))
    return tuple(rows), through


def _moved(
    roots: Roots,
    x: Atom,
    starts: Sequence[Atom],
    sizes: Sequence[int],
    places: Sequence[Affine],
    shape: tuple[int, ...],
) -> Index:
    """The index in x of places in one window of `sizes` at scalar `starts`, moved inwards until it fits."""
    index = []
    for n, start, size, place in zip(x.aval.shape, starts, sizes, places, strict=True):
        if n != size:
            begin = _inwards(roots, _as_index(roots, roots.value(start, (), shape)), n - size, shape)
            place = place.plus(_datum(roots, begin, shape))
        index.append(((n,), place))
    return tuple(index)


def _as_index(roots: Roots, value: Value) -> Value:
    return value if value.dtype == _INDEX else _apply(roots, "convert", (value,), _INDEX)


def _within(roots: Roots, start: Value, last: int, shape: tuple[int, ...]) -> Value:
    low = _apply(roots, "ge", (start, _number(roots, 0, shape)), _BOOL)
    high = _apply(roots, "le", (start, _number(roots, last, shape)), _BOOL)
    return _apply(roots, "and", (low, high), _BOOL)


def _inwards(roots: Roots, start: Value, last: int, shape: tuple[int, ...]) -> Value:
    below = _apply(roots, "min", (start, _number(roots, last, shape)), _INDEX)
    return _apply(roots, "max", (below, _number(roots, 0, shape)), _INDEX)


def _number(roots: Roots, n: int, shape: tuple[int, ...]) -> Value:
    """A number that comes from shapes: no constant, so that other shapes are the same kernel."""
    index = _zero(shape).shifted(n)
    return roots.shared(("position", index, _INDEX), Position(index, _INDEX))


def _datum(roots: Roots, value: Value, shape: tuple[int, ...]) -> Affine:
    datum = roots.data.setdefault(id(value), Datum(value))
    return _zero(shape)._replace(terms=((1, datum),))


def _apply(roots: Roots, op: str, args: tuple[Value, ...], dtype: np.dtype) -> Value:
    return roots.shared((op, dtype, (), *map(id, args)), Apply(op, args, dtype))


def _long(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple([n for n in shape if n != 1])


def _zero(shape: Sequence[int]) -> Affine:
    return Affine(0, (0,) * len(shape))
