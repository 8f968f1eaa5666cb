"""The user's source beside the picture: the functions that were traced, line by line, with the captured path marked.

In: the places of the equations, and the branches. Out: a `Listing`: blocks of numbered lines, each line with a state, and
a way to say where a place stands in them. A text that may not be the one that ran (the file changed since import) is
not shown; then places have line numbers only.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from ...ir import Source
from ...ir.branches import Branch
from ...ir.parsed import ParsedFile, Span as Bytes, parsed_file, span_of
from ...ir.source import cell_name

__all__ = ["Block", "Listing", "Span", "assigned_name", "expression_at"]

Span = tuple[int, int, int, int, int]  # block, line, column, end line, end column; lines from 1, columns from 0


class Block(NamedTuple):
    """Consecutive lines of one file.

    Attributes:
        title: `model.py, loss`.
        first: number of the first line.
        lines: their texts; empty where the text is not to be had.
        states: "taken", "untaken" or "" for each line.
        dead: parts of lines that did not run, as in `x if test else y`.
        note: why there is no text.
    """

    title: str
    first: int
    lines: tuple[str, ...]
    states: tuple[str, ...]
    dead: tuple[Bytes, ...]
    note: str


class Listing:
    """The blocks that hold all `sources`, in the order in which they ran.

    Args:
        sources: places of equations.
        branches: pairs (place of the guard, branch).
        code: of the traced function: shown first, even if it has no equation.
    """

    def __init__(
        self, sources: Iterable[Source], branches: Sequence[tuple[Source, Branch]], code: CodeType | None = None
    ) -> None:
        codes = dict.fromkeys([code] if code is not None else [])
        codes.update(dict.fromkeys(place.code for source in sources for place in reversed(list(source.path()))))
        self._ranges = _merged(codes)
        states = _states(branches)
        dead = _dead_parts(branches)
        self.blocks = [self._block(*found, states, dead) for found in self._ranges]

    def _block(
        self,
        name: str,
        first: int,
        last: int,
        code: CodeType,
        states: dict[tuple[str, int], str],
        dead: Sequence[tuple[str, Bytes]],
    ) -> Block:
        file = parsed_file(code)
        base = os.path.basename(name.replace("\\", "/")) or name
        title = f"{cell_name(name) or base}, {code.co_name}"
        if isinstance(file, str):
            return Block(title, first, (), (), (), file)
        lines = [line.rstrip() for line in file.lines[first - 1 : last]]
        marks = tuple(states.get((name, first + i), "") for i in range(len(lines)))
        parts = [part for where, part in dead if where == name and first <= part[0] <= part[2] <= last]
        encoded = [line.encode() for line in lines]
        return Block(title, first, tuple(lines), marks, tuple(_in_characters(p, encoded, first) for p in parts), "")

    def span(self, source: Source) -> Span | None:
        """Where a place stands; None where Python kept no position or the block has no text."""
        line, end_line, column, end_column = source.position
        number = self._number(source.file, source.line)
        if number is None or line is None:
            return None
        block = self.blocks[number]
        if not block.lines:
            return number, line, 0, line, 0
        if end_line is None or column is None or end_column is None:
            return number, line, 0, line, len(block.lines[line - block.first])
        encoded = [text.encode() for text in block.lines]
        return number, *_in_characters((line, column, end_line, end_column), encoded, block.first)

    def _number(self, file: str, line: int) -> int | None:
        for number, (name, first, last, _) in enumerate(self._ranges):
            if name == file and first <= line <= last:
                return number
        return None


def _in_characters(span: Bytes, lines: Sequence[bytes], first: int) -> Bytes:
    """A span with its columns counted in characters."""
    line, column, end_line, end_column = span
    start = len(lines[line - first][:column].decode(errors="replace"))
    end = len(lines[min(end_line - first, len(lines) - 1)][:end_column].decode(errors="replace"))
    return line, start, end_line, end


def _merged(codes: Iterable[CodeType]) -> list[tuple[str, int, int, CodeType]]:
    """(file, first line, last line, outermost code) of the functions; those inside others are part of them."""
    ranges: list[tuple[str, int, int, CodeType]] = []
    for code in codes:
        name, first, last = code.co_filename, *_lines_of(code)
        around = next((r for r in ranges if r[0] == name and r[1] <= first and last <= r[2]), None)
        if around is None:
            inside = [r for r in ranges if r[0] == name and first <= r[1] and r[2] <= last]
            place = ranges.index(inside[0]) if inside else len(ranges)
            ranges = [r for r in ranges if r not in inside]
            ranges.insert(place, (name, first, last, code))
    return ranges


def _lines_of(code: CodeType) -> tuple[int, int]:
    """First and last line of a function, functions inside it included."""
    last, work = code.co_firstlineno, [code]
    while work:
        here = work.pop()
        last = max([last, *(end for _, end, _, _ in here.co_positions() if end)])
        work += [x for x in here.co_consts if isinstance(x, CodeType)]
    return code.co_firstlineno, last


_INLINE = ("and", "or", "filter", "ternary")  # kinds of branches whose arms are parts of lines


def _states(branches: Sequence[tuple[Source, Branch]]) -> dict[tuple[str, int], str]:
    """(file, line) -> state. What was taken once is taken, whatever other rounds of a loop did."""
    found: dict[tuple[str, int], str] = {}
    for state in ("untaken", "taken"):
        for source, branch in branches:
            arm = branch.taken if state == "taken" else branch.other
            if arm is not None and arm.span is not None and branch.kind not in _INLINE:
                lines = range(arm.span[0], arm.span[2] + 1)
                # `if test: x` on one line: the line ran, whatever the test said
                found.update({(source.file, n): state for n in lines if state == "taken" or n != branch.line})
    return found


def _dead_parts(branches: Sequence[tuple[Source, Branch]]) -> list[tuple[str, Bytes]]:
    """(file, span) of the arms inside lines that never ran."""
    inline = [(source.file, branch) for source, branch in branches if branch.kind in _INLINE]
    ran = {(file, b.taken.span) for file, b in inline if b.taken is not None}
    missed = [(file, b.other.span) for file, b in inline if b.other is not None and b.other.span is not None]
    return [x for x in dict.fromkeys(missed) if x not in ran]


# --- what the user calls things ------------------------------------------------------------------------------


def expression_at(source: Source) -> str:
    """The text of the expression on one line, if it is the one that ran; empty otherwise."""
    file = parsed_file(source.code)
    return "" if isinstance(file, str) else " ".join(source.text.split())


def assigned_name(source: Source) -> str:
    """The variable that the value of the expression is assigned to: `force` for `force = -stiffness * x`."""
    file = parsed_file(source.code)
    return "" if isinstance(file, str) else _targets(file).get(_bytes(source), "")


@lru_cache(maxsize=64)
def _targets(file: ParsedFile) -> dict[Bytes, str]:
    """Where each value stands that is assigned to one name, and the name."""
    found: dict[Bytes, str] = {}
    for node in file.parents:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, places = node.targets[0], [node.value]
        elif isinstance(node, ast.AugAssign):  # `x += y`: the operation has the position of the statement
            target, places = node.target, [node]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            target, places = node.target, [node.value]
        else:
            continue
        if isinstance(target, ast.Name):
            found.update({span_of(place): target.id for place in places})
    return found


def _bytes(source: Source) -> Bytes:
    line, end_line, column, end_column = source.position
    return line or 0, column or 0, end_line or 0, end_column or 0


def block_data(block: Block) -> dict[str, Any]:
    """The block for JSON."""
    return {
        "title": block.title,
        "first": block.first,
        "note": block.note,
        "dead": block.dead,
        "lines": [{"text": text, "state": state} for text, state in zip(block.lines, block.states, strict=True)],
    }
