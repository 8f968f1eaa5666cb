"""Common subexpressions: compute equal things once.

In: a ClosedJaxpr. Out: one in which no two equations without effects have the same primitive, params and operands.
One forward walk with a table of what has been computed (value numbering, Cocke & Schwartz 1970). Literals
are equal if their bits are: 0.0 and -0.0 are not, nor are 1 and 1.0. The first of equal equations stays.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from ..jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from ..walk import map_sub_jaxprs, resolved, with_operands

__all__ = ["cse", "literal_key"]


def cse(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` with common subexpressions, and constants given twice, merged; also inside sub-Jaxprs."""
    return _Merger().program(closed)


def literal_key(literal: Literal) -> Hashable:
    """Equal for literals with the same type and the same bits."""
    return literal.aval, np.asarray(literal.value).tobytes()


class _Merger:
    """Remembers the bodies it has seen, so that shared ones stay shared."""

    def __init__(self) -> None:
        self.bodies: dict[int, tuple[ClosedJaxpr, ClosedJaxpr]] = {}  # the originals too: they keep their ids

    def program(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        found = self.bodies.get(id(closed))
        if found is None:
            found = self.bodies[id(closed)] = (closed, self._merged(closed))
        return found[1]

    def _merged(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        jaxpr = closed.jaxpr
        same: dict[Var, Atom] = {}
        kept = _distinct_constants(closed, same)
        table: dict[Hashable, Eqn] = {}
        eqns = []
        for eqn in jaxpr.eqns:
            new = map_sub_jaxprs(eqn, self.program)
            if same:
                new = with_operands(new, [resolved(x, same) for x in new.invars])
            key = None if new.effects else _equation_key(new)
            first = new if key is None else table.setdefault(key, new)
            if first is new:
                eqns.append(new)
            else:
                same.update(zip(new.outvars, first.outvars, strict=True))
        if not same and all(new is old for new, old in zip(eqns, jaxpr.eqns, strict=True)):
            return closed
        reduced = Jaxpr(
            [jaxpr.constvars[index] for index in kept],
            jaxpr.invars,
            eqns,
            [resolved(x, same) for x in jaxpr.outvars],
            jaxpr.names,
        )
        return ClosedJaxpr(reduced, [closed.consts[index] for index in kept])


def _distinct_constants(closed: ClosedJaxpr, same: dict[Var, Atom]) -> list[int]:
    """Indices of the constants to keep; the others are entered in `same`."""
    first: dict[Hashable, Var] = {}
    kept = []
    for index, (var, value) in enumerate(zip(closed.jaxpr.constvars, closed.consts, strict=True)):
        known = first.setdefault((id(value), var.aval), var)
        if known is var:
            kept.append(index)
        else:
            same[var] = known
    return kept


def _equation_key(eqn: Eqn) -> Hashable:
    """Equal for equations that compute the same; None where that cannot be told."""
    try:
        params = tuple((name, _param_key(value)) for name, value in sorted(eqn.params.items()))
        hash(params)
    except TypeError:  # a param without a hash
        return None
    operands = tuple(literal_key(x) if type(x) is Literal else x for x in eqn.invars)
    return eqn.primitive, params, operands, tuple(var.aval for var in eqn.outvars)


def _param_key(value: Any) -> Hashable:
    """With the type, since 1 == 1.0 == True; floats by their bits, since 0.0 == -0.0 and nan != nan."""
    if isinstance(value, (tuple, list)):
        return type(value), tuple(_param_key(item) for item in value)
    if isinstance(value, (float, complex)):
        return type(value), np.asarray(value).tobytes()
    if isinstance(value, (ClosedJaxpr, Jaxpr)):
        return type(value), id(value)
    return type(value), value
