"""Steps: what a compiled program does, one after the other.

A `Call` leaves native code for a primitive's NumPy rule. Everything else is `Native`: a `Fused` kernel, or a loop over
blocks of native steps (`loops.py`). Here is also what turns a group of roots into a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ..ir import Eqn, Var
from .nests import Buffer, Kernel, Load, Root, Stage, Store, Value, mapped, mapped_index

__all__ = ["Call", "Fused", "LowerLoop", "Native", "Step", "assembled", "forwarded"]


class Call(NamedTuple):
    """An equation that its primitive's own rule computes; `outs` are the results that are kept (None: not this one)."""

    eqn: Eqn
    outs: tuple[Var | None, ...]


class Fused(NamedTuple):
    """A kernel, and the variable that each of its buffers holds."""

    kernel: Kernel
    variables: tuple[Var, ...]

    @property
    def written(self) -> tuple[bool, ...]:
        """For each variable, whether the step writes it."""
        return tuple([buffer.written for buffer in self.kernel.buffers])

    @property
    def work(self) -> float:
        """About how many scalar operations it makes."""
        total = 0.0
        for stage in self.kernel.stages:
            total += math.prod((*self.kernel.rows, *stage.extents)) * len(stage.roots)
        return total


class Native(Protocol):
    """A step that is machine code; `Fused` is one, loops over blocks of them are others (`loops.py`)."""

    @property
    def variables(self) -> tuple[Var, ...]:
        """What it reads and writes."""

    @property
    def written(self) -> tuple[bool, ...]:
        """For each variable, whether the step writes it."""

    @property
    def work(self) -> float:
        """About how many scalar operations it makes."""


Step = Call | Native
LowerLoop = Callable[[Eqn], Any]  # an equation with bodies as a native step, None if that is not possible


def forwarded(roots: Sequence[Root]) -> list[Root]:
    """Roots of one nest, where what one of them stores is used directly by the others."""
    stored = {root.buffer: root for root in roots if type(root) is Store and not root.combines}
    memo: dict[int, Any] = {}

    def part(value: Value) -> Value | None:
        if type(value) is Load and value.buffer in stored:
            store = stored[value.buffer]
            if store.index == value.index:
                return mapped(store.value, part, memo)
        return None

    return [
        root._replace(value=mapped(root.value, part, memo), index=mapped_index(root.index, part, memo))
        for root in roots
    ]


def assembled(rows: tuple[int, ...], stages: Sequence[Stage], variables: Sequence[Var]) -> Fused:
    """A kernel whose buffers are numbered in the order in which it meets them."""
    numbers: dict[int, int] = {}
    written: set[int] = set()
    memo: dict[int, Any] = {}

    def renumbered(buffer: int) -> int:
        return numbers.setdefault(buffer, len(numbers))

    def part(value: Value) -> Value | None:
        return value._replace(buffer=renumbered(value.buffer)) if type(value) is Load else None

    new_stages = []
    for stage in stages:
        roots: list[Root] = []
        for root in stage.roots:
            value = mapped(root.value, part, memo)
            written.add(root.buffer)
            index = mapped_index(root.index, part, memo)
            roots.append(root._replace(value=value, index=index, buffer=renumbered(root.buffer)))
        new_stages.append(Stage(stage.extents, tuple(roots)))
    used = [variables[old] for old in numbers]
    buffers = tuple([Buffer(variables[old].aval.dtype, old in written) for old in numbers])
    return Fused(Kernel(rows, tuple(new_stages), buffers), tuple(used))
