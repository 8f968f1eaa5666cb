"""gradient: the value and the gradient of a traced program on arrays, at the least cost.

In: a trace that has ended, whose first result is a scalar and whose inputs are arrays. Out: its results and the cotangents
of its arguments. The trace is a list of pieces (`ir/trace.py`), usually one; each is run forward, the last one forward and
backward, then the others are pulled back in reverse. Equal pieces (another call of the same function, another iteration of a
loop) are the same `Prefix`, and what is worked out for a piece is kept there:

- a piece seen for the first time runs equation by equation (`Tape`);
- a piece seen again is differentiated as a whole, once, into a straight line of NumPy calls.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..array import Array
from ..ir import ClosedJaxpr, Literal, Operand, Piece, Prefix, Trace, state, trace_function
from ..ir.passes.cse import cse
from ..ir.passes.rewrite import rewrite
from .linearize import linearize_values
from .pullback import HasBodies, Pullback, Tape, compiled
from .transpose import transpose_values

__all__ = ["value_and_cotangents"]

_RARE = 1  # a piece that is met more often is compiled


def value_and_cotangents(trace: Trace) -> tuple[list[Any], list[Any]] | None:
    """Results (Arrays) and cotangents (NumPy, None for zero) of the arguments, for the cotangent 1 of the first result.

    Args:
        trace: one that has ended.

    Returns:
        None when a value is traced or an equation holds Jaxprs: then `linearize_values` does it.
    """
    if state.staging is not None:
        return None
    pieces, known = trace.pieces, trace.known
    values = []
    for var in trace.inputs:
        x = known.get(var)
        if type(x) is not Array:
            return None
        values.append(x._value)
    for piece in pieces:
        if not piece.prefix.plain:
            return None
    flags = [var.aval.is_differentiable for var in trace.inputs]
    if trace.constvars:
        constants = set(trace.constvars)
        flags = [flag and var not in constants for flag, var in zip(flags, trace.inputs, strict=True)]
    last = pieces[-1].prefix
    try:
        if len(pieces) == 1:
            outs, cts = state.context.run(_last(last, tuple(flags), tuple(trace.outputs)), values)
        else:
            outs, cts = state.context.run(_run, pieces, values, flags, tuple(trace.outputs))
    except HasBodies:
        return None
    if trace.constvars:
        cts = [ct for ct, var in zip(cts, trace.inputs, strict=True) if var not in constants]
    return outs, cts


def _run(
    pieces: Sequence[Piece], inputs: Sequence[Any], flags: Sequence[bool], outputs: tuple[Operand, ...]
) -> tuple[list[Any], list[Any]]:
    """The same for a program of several pieces. Values go by their numbers in the whole program."""
    *earlier, last = pieces
    values = {-1 - index: x for index, x in enumerate(inputs)}
    active = {-1 - index for index, flag in enumerate(flags) if flag}
    done = []
    for piece, read in zip(earlier, _read_later(pieces), strict=True):
        block = _block(piece.prefix, tuple([x in active for x in piece.origins]), read)
        found, saved = block.forward([values[x] for x in piece.origins])
        for index, value, nonzero in zip(read, found, block.out_nonzero, strict=True):
            values[piece.base + index] = value
            if nonzero:
                active.add(piece.base + index)
        done.append((piece, read, block, saved))
    cts: dict[int, Any] = {}
    run = _last(last.prefix, tuple([x in active for x in last.origins]), outputs)
    outs, parts = run([values[x] for x in last.origins])
    values.clear()
    _collect(cts, last, enumerate(parts))
    while done:
        piece, read, block, saved = done.pop()
        given = [cts.pop(piece.base + index, None) for index in read]
        if any(ct is not None for ct in given):
            _collect(cts, piece, block.pull(saved, given))
    return outs, [cts.get(-1 - index) for index in range(len(inputs))]


def _read_later(pieces: Sequence[Piece]) -> list[tuple[int, ...]]:
    """For every piece but the last, the results (numbers in the piece) that later pieces read."""
    bases = [piece.base for piece in pieces]
    read: list[set[int]] = [set() for _ in pieces]
    for piece in pieces:
        for origin in piece.origins:
            if origin >= 0:
                maker = bisect_right(bases, origin) - 1
                read[maker].add(origin - bases[maker])
    return [tuple(sorted(numbers)) for numbers in read[:-1]]


def _collect(cts: dict[int, Any], piece: Piece, parts: Iterable[tuple[int, Any]]) -> None:
    """Add the cotangents of the inputs of a piece to those of the values that they are."""
    for index, part in parts:
        if part is not None:
            origin = piece.origins[index]
            before = cts.get(origin)
            cts[origin] = part if before is None else np.add(before, part)


def _block(prefix: Prefix, mask: tuple[bool, ...], outputs: tuple[int, ...]) -> Tape | Pullback:
    """How to run a piece and pull it back."""
    memo = prefix.memo
    if memo is None:
        memo = prefix.memo = {}
    block = memo.get((mask, outputs))
    if block is None:
        block = memo[mask, outputs] = Tape(prefix, mask, outputs)
    if type(block) is Tape:
        block.uses += 1
        if block.uses > _RARE:
            block = memo[mask, outputs] = Pullback(ClosedJaxpr(prefix.jaxpr(outputs), ()), mask)
    return block


def _last(prefix: Prefix, mask: tuple[bool, ...], outputs: tuple[Operand, ...]) -> LastPiece:
    memo = prefix.memo
    if memo is None:
        memo = prefix.memo = {}
    found = memo.get((LastPiece, mask, outputs))
    if found is None:
        found = memo[LastPiece, mask, outputs] = LastPiece(prefix, mask, outputs)
    return found


class LastPiece:
    """The last piece of a program, run forward and pulled back at once, for the cotangent 1 of the first result.

    Args:
        prefix: the piece.
        mask: which of its inputs carry tangents.
        outputs: numbers of its results.

    Calling it on the inputs gives its results (Arrays) and the cotangents of the inputs (None for zero).
    """

    __slots__ = ("_has_cotangent", "_mask", "_out_avals", "_outputs", "_prefix", "_run", "_tape", "_uses")

    def __init__(self, prefix: Prefix, mask: tuple[bool, ...], outputs: tuple[Operand, ...]) -> None:
        self._prefix = prefix
        self._mask = mask
        self._outputs = outputs
        self._out_avals = prefix.jaxpr(outputs).out_avals
        self._tape = Tape(prefix, mask, outputs)
        self._run: Callable[..., Any] | None = None
        self._has_cotangent: list[bool] = []
        self._uses = 0

    def __call__(self, inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        run = self._run
        if run is None:
            self._uses += 1
            if self._uses <= _RARE:
                return self._through_tape(inputs)
            run = self._run = self._compiled()
        found = iter(run(*inputs))
        outs = [Array(value, aval) for aval, value in zip(self._out_avals, found)]
        return outs, [next(found) if flag else None for flag in self._has_cotangent]

    def _through_tape(self, inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        outs, saved = self._tape.forward(inputs)
        seeds = [None] * len(outs)
        if self._tape.out_nonzero[0]:
            seeds[0] = self._out_avals[0].dtype.type(1)
        cts: list[Any] = [None] * len(inputs)
        for index, ct in self._tape.pull(saved, seeds):
            cts[index] = ct
        return [Array(value, aval) for aval, value in zip(self._out_avals, outs)], cts

    def _compiled(self) -> Callable[..., Any]:
        """Differentiate the piece as a whole."""
        jaxpr = self._prefix.jaxpr(self._outputs)

        def both(*args: Any) -> list[Any]:
            outs, linear, out_nonzero = linearize_values(jaxpr, (), args, self._mask)
            seeds: list[Any] = [None] * sum(out_nonzero)
            if out_nonzero[0]:
                aval = jaxpr.outvars[0].aval
                seeds[0] = Literal(aval.dtype.type(1), aval)
            found = iter(transpose_values(linear.jaxpr, linear.consts, (None,) * sum(self._mask), seeds))
            cts = [next(found) if flag else None for flag in self._mask]
            self._has_cotangent = [ct is not None for ct in cts]
            return [*outs, *(ct for ct in cts if ct is not None)]

        return compiled(cse(rewrite(trace_function(both, jaxpr.in_avals, purpose="grad"))))
