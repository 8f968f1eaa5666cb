"""Inlining: replace calls by what they call.

In: a ClosedJaxpr. Out: one without `jit` equations, also inside the bodies of loops and branches. Each copy of a
body gets fresh variables; its constants move to the caller. What is left for a user to see is where an
equation came from: the sources are those of the body. A call whose operands have other types than its body's inputs
(a weak type given for a strong one) stays a call, because its body would have to be typed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, sub_jaxprs
from ..walk import map_sub_jaxprs, resolved, with_operands

__all__ = ["inline_calls"]


def inline_calls(closed: ClosedJaxpr, names: Sequence[str] = ("jit",)) -> ClosedJaxpr:
    """`closed` with calls replaced by their bodies.

    Args:
        closed: the program.
        names: of the primitives that are calls: `jit` always; to the compiler, custom rules and checkpoints too.
    """
    return _Inliner(names).program(closed)


class _Inliner:
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.bodies: dict[int, tuple[ClosedJaxpr, ClosedJaxpr]] = {}  # the originals too: they keep their ids

    def program(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        found = self.bodies.get(id(closed))
        if found is None:
            found = self.bodies[id(closed)] = (closed, self._inlined(closed))
        return found[1]

    def _inlined(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        jaxpr = closed.jaxpr
        if not any(True for eqn in jaxpr.eqns if eqn.params for _ in sub_jaxprs(eqn)):
            return closed
        caller = _Caller(closed)
        for eqn in jaxpr.eqns:
            new = with_operands(map_sub_jaxprs(eqn, self.program), caller.read(eqn.invars))
            if new.primitive.name in self.names and _can_inline(new):
                outs = caller.paste(new.params["jaxpr"], new.invars)
                caller.mapping.update(zip(new.outvars, outs, strict=True))
            else:
                caller.eqns.append(new)
        if len(caller.eqns) == len(jaxpr.eqns) and all(a is b for a, b in zip(caller.eqns, jaxpr.eqns, strict=True)):
            return closed
        return caller.finish()


def _can_inline(eqn: Eqn) -> bool:
    return all(x.aval is aval for x, aval in zip(eqn.invars, eqn.params["jaxpr"].in_avals, strict=True))


class _Caller:
    """The program being put together: its constants, its equations, and what stands for inlined results."""

    def __init__(self, closed: ClosedJaxpr) -> None:
        self.jaxpr = closed.jaxpr
        self.constvars = list(closed.jaxpr.constvars)
        self.consts = list(closed.consts)
        self.known = {id(value): var for var, value in zip(self.constvars, self.consts, strict=True)}
        self.eqns: list[Eqn] = []
        self.mapping: dict[Var, Atom] = {}

    def read(self, atoms: Sequence[Atom]) -> list[Atom]:
        return [resolved(x, self.mapping) for x in atoms]

    def constant(self, value: Any, var: Var) -> Var:
        """The variable of a constant; one that the caller has already is shared."""
        found = self.known.get(id(value))
        if found is not None and found.aval is var.aval:
            return found
        new = self.known[id(value)] = Var(var.aval)
        self.constvars.append(new)
        self.consts.append(value)
        return new

    def paste(self, body: ClosedJaxpr, operands: Sequence[Atom]) -> list[Atom]:
        """Append a copy of `body` applied to `operands`; its results."""
        jaxpr = body.jaxpr
        mapping: dict[Var, Atom] = dict(zip(jaxpr.invars, operands, strict=True))
        for var, value in zip(jaxpr.constvars, body.consts, strict=True):
            mapping[var] = self.constant(value, var)
        for eqn in jaxpr.eqns:
            outvars = [Var(var.aval) for var in eqn.outvars]
            mapping.update(zip(eqn.outvars, outvars, strict=True))
            invars = [x if type(x) is Literal else mapping[x] for x in eqn.invars]  # type: ignore[index]
            self.eqns.append(Eqn(eqn.primitive, invars, outvars, eqn.params, eqn.source, eqn.effects))
        return [resolved(x, mapping) for x in jaxpr.outvars]

    def finish(self) -> ClosedJaxpr:
        jaxpr = self.jaxpr
        outvars = self.read(jaxpr.outvars)
        return ClosedJaxpr(Jaxpr(self.constvars, jaxpr.invars, self.eqns, outvars, jaxpr.names), self.consts)
