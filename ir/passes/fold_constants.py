"""Constant folding: compute now what depends on constants only.

In: a ClosedJaxpr. Out: one in which equations without effects whose operands are literals or constants are
replaced by their values: scalars become literals, arrays become constants. Not folded: what makes more numbers than
it reads (broadcast, iota: cheaper to run than to store), results over the size limit, equations with bodies, and
equations that raise, whose error belongs to the run of the program. Values are those of the primitives' reference
implementation, hence those that the program itself would compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import trace as tracing
from ..jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from ..primitive import Kind
from ..walk import map_sub_jaxprs, resolved, with_operands

__all__ = ["fold_constants"]

_UNFOLDED = frozenset({Kind.STRUCTURED, Kind.EFFECT, Kind.COLLECTIVE})
MAX_ELEMENTS = 1 << 16


def fold_constants(closed: ClosedJaxpr, max_elements: int = MAX_ELEMENTS) -> ClosedJaxpr:
    """`closed` with constant equations evaluated, also inside sub-Jaxprs.

    Args:
        closed: the program.
        max_elements: results with more elements are left to be computed.

    Returns:
        The program; operands of folded equations may have become dead constants (see `dce`).
    """
    return _Folder(max_elements).program(closed)


class _Folder:
    def __init__(self, max_elements: int) -> None:
        self.max_elements = max_elements
        self.bodies: dict[int, tuple[ClosedJaxpr, ClosedJaxpr]] = {}  # the originals too: they keep their ids

    def program(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        found = self.bodies.get(id(closed))
        if found is None:
            found = self.bodies[id(closed)] = (closed, self._folded(closed))
        return found[1]

    def _folded(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        jaxpr = closed.jaxpr
        values = {
            var: value
            for var, value in zip(jaxpr.constvars, closed.consts, strict=True)
            if type(value) is not tracing.Tracer
        }
        literals: dict[Var, Atom] = {}
        new_constants: list[tuple[Var, Any]] = []
        eqns = []
        for eqn in jaxpr.eqns:
            new = map_sub_jaxprs(eqn, self.program)
            if literals:
                new = with_operands(new, [resolved(x, literals) for x in new.invars])
            results = self._evaluated(new, values)
            if results is None:
                eqns.append(new)
                continue
            for var, value in zip(new.outvars, results, strict=True):
                if var.aval.shape == ():
                    literals[var] = Literal(np.asarray(value)[()], var.aval)
                else:
                    values[var] = value
                    new_constants.append((var, value))
        if len(eqns) == len(jaxpr.eqns) and all(new is old for new, old in zip(eqns, jaxpr.eqns, strict=True)):
            return closed
        folded = Jaxpr(
            [*jaxpr.constvars, *(var for var, _ in new_constants)],
            jaxpr.invars,
            eqns,
            [resolved(x, literals) for x in jaxpr.outvars],
            jaxpr.names,
        )
        return ClosedJaxpr(folded, [*closed.consts, *(value for _, value in new_constants)])

    def _evaluated(self, eqn: Eqn, values: dict[Var, Any]) -> list[Any] | None:
        """The results of an equation that is worth folding; None otherwise."""
        if eqn.effects or eqn.primitive.kind in _UNFOLDED or not eqn.outvars:
            return None
        if not all(type(x) is Literal or x in values for x in eqn.invars):
            return None
        if any(var.aval.dtype.kind == "V" and var.aval.dtype.fields for var in eqn.outvars):  # float0 has no values
            return None
        made = sum(var.aval.size for var in eqn.outvars)
        read = sum(x.aval.size for x in eqn.invars)
        if made > self.max_elements or (made > read and any(var.aval.shape for var in eqn.outvars)):
            return None
        args = [x if type(x) is Literal else values[x] for x in eqn.invars]  # type: ignore[index]
        try:
            out = tracing.evaluate(eqn.primitive, args, eqn.params)
        except Exception:  # it will raise again, where the user can see it
            return None
        results = list(out) if eqn.primitive.multiple_results else [out]
        return results if _typed_as(results, eqn.outvars) else None


def _typed_as(results: list[Any], outvars: Any) -> bool:
    """Whether the values really have the types that the equation promises."""
    arrays = [np.asarray(value) for value in results]
    return all(
        array.shape == var.aval.shape and array.dtype == var.aval.dtype
        for array, var in zip(arrays, outvars, strict=True)
    )
