"""Listing: what a trace recorded, written out as equations.

In: the pieces of a trace, its inputs, the places its equations came from. Out: equations and their variables. They are made
when somebody looks (a Jaxpr is wanted, Python asks for a value), as far as the trace has got, and continued when somebody
looks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .jaxpr import Atom, ClosedJaxpr, Eqn, Literal, Var
from .prefix import Operand, Piece, Prefix
from .source import Places, Pointers, Source

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = ["Listing"]


class Listing:
    """The equations of a trace; `guard` equations stand among them, and nowhere else."""

    __slots__ = ("_at", "_count", "_done", "_inputs", "_results", "eqns", "producers")

    def __init__(self, inputs: Sequence[Var]) -> None:
        self.eqns: list[Eqn] = []
        self.producers: dict[Var, int] = {}  # filled by concrete.py: which equation made a variable
        self._inputs = inputs
        self._results: list[Var] = []
        # How far `eqns` goes: the piece, the prefix in it, the equations without guards
        self._at = self._count = 0
        self._done: Prefix | None = None

    def extend(self, pieces: Sequence[Piece], places: Places) -> None:
        """Write out what is new."""
        if self._at == len(pieces) - 1 and self._done is pieces[-1].prefix:
            return
        pointers = places.pointers(self._count)
        for piece in pieces[self._at :]:
            for step in piece.prefix.since(self._done):
                if step.primitive is not None:
                    self.eqns.append(self._equation(piece, step, step.primitive, next(pointers)))
                    self._count += 1
            self._done = None
        self._at, self._done = len(pieces) - 1, pieces[-1].prefix

    def _equation(self, piece: Piece, step: Prefix, primitive: Primitive, place: Source | Pointers | None) -> Eqn:
        atoms = [self.atom(piece, x) for x in step.operands]
        outvars = [Var(aval) for aval in step.outs]
        self._results += outvars
        return Eqn(primitive, atoms, outvars, step.params, place, _effects(primitive, step.params))

    def atom(self, piece: Piece, operand: Operand) -> Atom:
        """What an operand of an operation in `piece` is."""
        return operand if isinstance(operand, Literal) else self.variable(piece.number(operand))

    def variable(self, number: int) -> Var:
        """Value number `number` of the program."""
        return self._results[number] if number >= 0 else self._inputs[-1 - number]


def _effects(primitive: Primitive, params: dict[str, Any]) -> frozenset[Any]:
    found = primitive.effects
    if primitive.takes_arrays:  # sub-Jaxprs bring their own
        for value in params.values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, ClosedJaxpr):
                    found = found | item.effects
    return found
