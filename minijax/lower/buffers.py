"""Buffers: where stored variables live.

In: the steps of a program. Out: for each variable that native code alone reads and writes, its place in one workspace,
which the program keeps between calls; everything else (results, what calls read) is an array of its own.

A place is free again after the step that reads it last: first fit over the steps, as a linear-scan register allocator
(Poletto & Sarkar 1999). Two variables never share memory within a step, so that kernels may promise `noalias`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..ir import Atom, Var
from .steps import Call, Step

__all__ = ["Workspace", "plan_workspace"]

_ALIGNMENT = 64
_PAGE = 4096  # addresses that differ by a multiple of it look alike to a processor that orders loads after stores
_STAGGER = 13 * _ALIGNMENT  # so that arrays of the same whole number of pages do not all begin alike


class Workspace(NamedTuple):
    """`places`: byte offset by variable; `size` in bytes."""

    places: dict[Var, int]
    size: int


def plan_workspace(steps: Sequence[Step], results: Sequence[Atom]) -> Workspace:
    """Places for the variables that no call and no caller sees."""
    seen = {x for x in results if type(x) is Var}
    first: dict[Var, int] = {}
    last: dict[Var, int] = {}
    for number, step in enumerate(steps):
        if type(step) is Call:
            seen.update(x for x in (*step.eqn.invars, *step.outs) if type(x) is Var)
            continue
        for var, written in zip(step.variables, step.written, strict=True):  # type: ignore[union-attr]
            if written:
                first.setdefault(var, number)
            last[var] = number
    local = [var for var in first if var not in seen]
    taken: list[tuple[int, int, Var]] = []  # (start, end, variable), by start
    places: dict[Var, int] = {}
    size = 0
    for var in sorted(local, key=first.__getitem__):
        taken = [piece for piece in taken if last[piece[2]] >= first[var]]
        length = -(-max(1, var.aval.size * var.aval.dtype.itemsize) // _ALIGNMENT) * _ALIGNMENT
        if length >= _PAGE:
            length += _STAGGER
        start = 0
        for begin, end, _ in taken:
            if begin - start >= length:
                break
            start = max(start, end)
        places[var] = start
        taken.append((start, start + length, var))
        taken.sort(key=lambda piece: piece[0])
        size = max(size, start + length)
    return Workspace(places, size)
