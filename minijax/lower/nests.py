"""The loop-nest IR: what a fused kernel is, as plain immutable data.

    Kernel(rows, stages, buffers)
      Stage(extents, roots)                        loops over rows + extents, one after the other inside the rows
        Store(buffer, index, value)                buffer[index] = value
        Reduce(op, buffer, index, axes, value)     buffer[index] = op over the loops `axes` of value
          value: Load | Const | Position | Apply

Every index is *affine* in the loop counters: a constant and one coefficient per loop. Reshapes, transposes, slices and
broadcasts are therefore no operations at all, only coefficients, and fusing, collapsing loops and shrinking buffers
are arithmetic on them (Feautrier 1991; the same restriction as a polyhedral compiler's). What depends on data (gather,
scatter, dynamic slices) adds `terms` to the affine part: multiples of integer expressions.

`emit_llvm` and `emit_python` read this and nothing else. Numbers that come from shapes and are larger than `STATIC`
become run-time parameters of the kernel, so that kernels for other shapes are the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "STATIC",
    "Affine",
    "Apply",
    "Buffer",
    "Const",
    "Datum",
    "Kernel",
    "Load",
    "Position",
    "Reduce",
    "Root",
    "Stage",
    "Store",
    "Value",
    "accesses",
    "collapsed",
    "mapped",
    "mapped_index",
    "parts",
    "split",
]

STATIC = 8  # extents and coefficients up to here are written into the code: LLVM unrolls such loops


class Datum:
    """An int64 expression as part of an index. Equal by identity: expressions are shared, and deep."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


class Affine(NamedTuple):
    """`offset + sum(coefficient * counter)`: one coefficient per loop, outermost first; plus `sum(factor * datum)`."""

    offset: int
    coefficients: tuple[int, ...]
    terms: tuple[tuple[int, Datum], ...] = ()

    def plus(self, other: Affine) -> Affine:
        """The sum."""
        return Affine(
            self.offset + other.offset,
            tuple([a + b for a, b in zip(self.coefficients, other.coefficients, strict=True)]),
            self.terms + other.terms,
        )

    def times(self, factor: int) -> Affine:
        """The multiple."""
        terms = tuple([(c * factor, datum) for c, datum in self.terms]) if factor else ()
        return Affine(self.offset * factor, tuple([c * factor for c in self.coefficients]), terms)

    def shifted(self, offset: int) -> Affine:
        """`offset` further."""
        return self._replace(offset=self.offset + offset)


class Load(NamedTuple):
    """The element of a buffer at an index."""

    buffer: int
    index: Affine
    dtype: np.dtype


class Const(NamedTuple):
    """A literal: the bytes of a scalar, so that -0.0 and nan are what they are."""

    data: bytes
    dtype: np.dtype

    @property
    def value(self) -> Any:
        """The NumPy scalar."""
        return np.frombuffer(self.data, self.dtype)[0]


class Position(NamedTuple):
    """An index as a value (iota)."""

    index: Affine
    dtype: np.dtype


class Apply(NamedTuple):
    """A scalar operation of `scalars.py` on values; `params` are (name, value) pairs."""

    op: str
    args: tuple[Any, ...]
    dtype: np.dtype
    params: tuple[tuple[str, Any], ...] = ()


Value = Load | Const | Position | Apply


class Store(NamedTuple):
    """`buffer[index] = value` at every point of the loops, in their order. `combines`: an index may come up again."""

    buffer: int
    index: Affine
    value: Value
    combines: bool = False


class Reduce(NamedTuple):
    """`buffer[index]` becomes `op` (add, mul, max, min, and, or, xor) of `value` over the loops `axes`."""

    op: str
    buffer: int
    index: Affine
    axes: tuple[int, ...]
    value: Value


Root = Store | Reduce


class Stage(NamedTuple):
    """One nest: loops over `extents` (inside the kernel's rows) that compute `roots`."""

    extents: tuple[int, ...]
    roots: tuple[Root, ...]


class Buffer(NamedTuple):
    """A piece of memory that a kernel reads or writes: elements of `dtype`, row-major."""

    dtype: np.dtype
    written: bool


class Kernel(NamedTuple):
    """Loops over `rows`, and inside them the stages. Index coefficients count the rows first."""

    rows: tuple[int, ...]
    stages: tuple[Stage, ...]
    buffers: tuple[Buffer, ...]


def mapped(value: Value, f: Callable[[Value], Value | None], memo: dict[int, Any]) -> Value:
    """`value` with `f` applied to every part, operands first; None from `f` keeps a part.

    Args:
        value: the expression; shared parts stay shared.
        f: gets a part whose operands have been mapped.
        memo: results by identity of the original, kept by the caller across calls.
    """
    found = memo.get(id(value))
    if found is not None:
        return found[1]  # type: ignore[no-any-return]
    new: Value = value
    if type(value) is Apply:
        args = tuple([mapped(x, f, memo) for x in value.args])
        if any(a is not b for a, b in zip(args, value.args, strict=True)):
            new = value._replace(args=args)
    elif (type(value) is Load or type(value) is Position) and value.index.terms:
        index = mapped_index(value.index, f, memo)
        if index is not value.index:
            new = value._replace(index=index)
    changed = f(new)
    new = new if changed is None else changed
    memo[id(value)] = (value, new)
    return new


def mapped_index(index: Affine, f: Callable[[Value], Value | None], memo: dict[int, Any]) -> Affine:
    """`index` with `f` applied to every part of its terms; what is equal before is equal afterwards."""
    terms = []
    for factor, datum in index.terms:
        found = memo.get(id(datum))
        if found is None:
            value = mapped(datum.value, f, memo)
            found = memo[id(datum)] = (datum, datum if value is datum.value else Datum(value))
        terms.append((factor, found[1]))
    if all(a is b for (_, a), (_, b) in zip(terms, index.terms, strict=True)):
        return index
    return index._replace(terms=tuple(terms))


def parts(root: Root) -> Iterator[Value]:
    """Every distinct part of the value and the index of a root, operands before what they are used in."""
    seen: set[int] = set()
    work: list[tuple[Value, bool]] = [(root.value, False)]
    work += [(datum.value, False) for _, datum in root.index.terms]
    while work:
        value, done = work.pop()
        if done:
            yield value
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        work.append((value, True))
        if type(value) is Apply:
            work.extend((x, False) for x in reversed(value.args))
        elif type(value) is Load or type(value) is Position:
            work.extend((datum.value, False) for _, datum in value.index.terms)


def accesses(stage: Stage) -> Iterator[Affine]:
    """Every affine index in a stage."""
    for root in stage.roots:
        yield root.index
        for value in parts(root):
            if type(value) is Load or type(value) is Position:
                yield value.index


def collapsed(stage: Stage) -> Stage:
    """The same nest with as few loops as possible (a stage without rows).

    Loops of one step go; neighbouring loops become one where every index runs through both as through one.
    """
    extents = list(stage.extents)
    groups = [[axis] for axis, extent in enumerate(extents) if extent != 1]
    indices = list(accesses(stage))
    reduced = [set(root.axes) if type(root) is Reduce else set() for root in stage.roots]

    def joins(outer: int, inner: int) -> bool:
        if any((outer in axes) != (inner in axes) for axes in reduced):
            return False
        n = extents[inner]
        return all(i.coefficients[outer] == i.coefficients[inner] * n for i in indices)

    merged: list[list[int]] = []
    for group in groups:
        if merged and joins(merged[-1][-1], group[0]):
            merged[-1].append(group[0])
        else:
            merged.append(group)
    if len(merged) == len(extents):
        return stage

    def reindexed(index: Affine) -> Affine:
        return index._replace(coefficients=tuple([index.coefficients[group[-1]] for group in merged]))

    def axes_of(axes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([place for place, group in enumerate(merged) if group[0] in axes])

    return _reindexed(stage, tuple([_product(extents, group) for group in merged]), reindexed, axes_of)


def split(stage: Stage, count: int) -> Stage | None:
    """A nest of one loop over stores as one of two, the outer of `count` steps; None if that is not so, or does not divide."""
    if len(stage.extents) != 1 or stage.extents[0] % count or any(type(root) is Reduce for root in stage.roots):
        return None
    inner = stage.extents[0] // count

    def reindexed(index: Affine) -> Affine:
        return index._replace(coefficients=(index.coefficients[0] * inner, index.coefficients[0]))

    return _reindexed(stage, (count, inner), reindexed, lambda axes: axes)


def _product(extents: list[int], group: list[int]) -> int:
    size = 1
    for axis in group:
        size *= extents[axis]
    return size


def _reindexed(
    stage: Stage,
    extents: tuple[int, ...],
    reindexed: Callable[[Affine], Affine],
    axes_of: Callable[[tuple[int, ...]], tuple[int, ...]],
) -> Stage:
    memo: dict[int, Any] = {}

    def part(value: Value) -> Value | None:
        if type(value) is Load or type(value) is Position:
            return value._replace(index=reindexed(value.index))
        return None

    roots: list[Root] = []
    for root in stage.roots:
        value = mapped(root.value, part, memo)
        if type(root) is Reduce:
            roots.append(Reduce(root.op, root.buffer, reindexed(root.index), axes_of(root.axes), value))
        else:
            roots.append(root._replace(index=reindexed(mapped_index(root.index, part, memo)), value=value))
    return Stage(extents, tuple(roots))
