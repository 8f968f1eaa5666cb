"""Movement as index arithmetic: where the element of a result is found in the operand.

In: a movement equation and the index of an element of its result. Out: the index of the same element in its operand.
Nothing is moved: a reshape, transpose, slice or broadcast inside a fused kernel is a change of coefficients.

An index is a list of *groups*: `(sizes, linear)` is the row-major position `linear` inside neighbouring axes of these
sizes. Most groups are one axis; a reshape that merges axes leaves them grouped, because taking a position apart again would
need a division. Where an operation must have the axes apart, `Unreachable` says so and the planner stores its result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .nests import Affine

__all__ = ["VIEWS", "Group", "Index", "Unreachable", "apart", "offset_of", "whole"]

Group = tuple[tuple[int, ...], Affine]
Index = tuple[Group, ...]


class Unreachable(Exception):
    """The element cannot be addressed through this operation without a division."""


def whole(shape: Sequence[int]) -> Index:
    """The index of the current element of loops over the axes of `shape` that are not 1."""
    kept = [axis for axis, n in enumerate(shape) if n != 1]
    groups = []
    for axis, n in enumerate(shape):
        unit = tuple([int(n != 1 and kept[place] == axis) for place in range(len(kept))])
        groups.append(((n,), Affine(0, unit)))
    return tuple(groups)


def offset_of(index: Index, zero: Affine) -> Affine:
    """The position in a row-major buffer."""
    total, stride = zero, 1
    for sizes, linear in reversed(index):
        total = total.plus(linear.times(stride))
        stride *= math.prod(sizes)
    return total


def _zero(index: Index, loops: int) -> Affine:
    return Affine(0, (0,) * loops)


def apart(index: Index, loops: int) -> list[Affine]:
    """One affine index per axis. Raises Unreachable."""
    out = []
    for sizes, linear in index:
        if len(sizes) == 1:
            out.append(linear if sizes[0] != 1 else _zero(index, loops))
            continue
        long = [axis for axis, n in enumerate(sizes) if n != 1]
        if len(long) > 1:
            raise Unreachable
        out += [linear if axis in long else _zero(index, loops) for axis in range(len(sizes))]
    return out


def _singles(shape: Sequence[int], axes: Sequence[Affine]) -> Index:
    return tuple([((n,), linear) for n, linear in zip(shape, axes, strict=True)])


def _reshape(index: Index, shape: Sequence[int], loops: int, /, **params: Any) -> Index:
    if "new_sizes" in params and params["dimensions"] is not None:  # (squeeze has `dimensions` too)
        raise Unreachable
    zero = _zero(index, loops)
    if math.prod(shape) == 0:
        return _singles(shape, [zero] * len(shape))
    groups = [(math.prod(sizes), linear) for sizes, linear in index if math.prod(sizes) != 1]
    out: list[Group] = []
    axis = 0
    while axis < len(shape) or groups:
        if axis < len(shape) and shape[axis] == 1:
            out.append(((1,), zero))
            axis += 1
            continue
        size, linear = groups.pop(0)
        covered, first = 1, axis
        while covered != size:
            if covered < size:
                covered *= shape[axis]
                axis += 1
            else:
                more, inner = groups.pop(0)
                linear = linear.times(more).plus(inner)
                size *= more
        out.append((tuple(shape[first:axis]), linear))
    return tuple(out)


def _broadcast(
    index: Index, shape: Sequence[int], loops: int, /, *, broadcast_dimensions: Sequence[int], **params: Any
) -> Index:
    zero = _zero(index, loops)
    place = dict(zip(broadcast_dimensions, range(len(shape)), strict=True))
    out: list[Group] = []
    axis = 0
    for sizes, linear in index:
        here = [(d, n) for d, n in enumerate(sizes, start=axis)]
        axis += len(sizes)
        found = [(place[d], n) for d, n in here if d in place]
        full = [n for a, n in found if shape[a] == n and n != 1]
        if not full:
            out += [((shape[a],), zero) for a, _ in found]
        elif full == [n for n in sizes if n != 1]:
            out.append((tuple([shape[a] for a, _ in found]), linear))
        else:
            raise Unreachable
    return tuple(out)


def _transpose(index: Index, shape: Sequence[int], loops: int, /, *, permutation: Sequence[int]) -> Index:
    placed: list[tuple[int, Group]] = []
    axis = 0
    for group in index:
        count = len(group[0])
        targets = list(permutation[axis : axis + count])
        axis += count
        if targets == list(range(targets[0], targets[0] + count)):
            placed.append((targets[0], group))
        else:
            axes = apart((group,), loops)
            placed += [(t, ((n,), a)) for t, n, a in zip(targets, group[0], axes, strict=True)]
    return tuple([group for _, group in sorted(placed, key=lambda pair: pair[0])])


def _slice(
    index: Index,
    shape: Sequence[int],
    loops: int,
    /,
    *,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Any,
) -> Index:
    out: list[Group] = []
    axis = 0
    steps = strides or (1,) * len(shape)
    for sizes, linear in index:
        here = range(axis, axis + len(sizes))
        axis += len(sizes)
        if len(sizes) == 1:
            (a,) = here
            out.append(((shape[a],), linear.times(steps[a]).shifted(start_indices[a])))
        elif all(shape[a] == n for a, n in zip(here[1:], sizes[1:], strict=True)) and steps[here[0]] == 1:
            moved = linear.shifted(start_indices[here[0]] * math.prod(sizes[1:]))
            out.append((tuple([shape[a] for a in here]), moved))
        else:
            for a, one in zip(here, apart(((sizes, linear),), loops), strict=True):
                out.append(((shape[a],), one.times(steps[a]).shifted(start_indices[a])))
    return tuple(out)


def _rev(index: Index, shape: Sequence[int], loops: int, /, *, dimensions: Sequence[int]) -> Index:
    axes = [
        linear.times(-1).shifted(n - 1) if axis in dimensions else linear
        for axis, (n, linear) in enumerate(zip(shape, apart(index, loops), strict=True))
    ]
    return _singles(shape, axes)


# By the `lower` word of a movement primitive: (index in the result, shape of the operand, loops, **params) -> index
VIEWS: dict[str, Callable[..., Index]] = {
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "slice": _slice,
    "rev": _rev,
}
