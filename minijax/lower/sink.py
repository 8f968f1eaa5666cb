"""sink_into_scan: elementwise work on what a loop reads, done in the loop.

In: a ClosedJaxpr. Out: one that computes the same. An array that only one `scan` reads, step by step, and that is an elementwise
function of arrays as long, of scalars, or of something repeated in every step, is not made: the loop reads what it is made of.
One array less is written and read again, and the memory is never taken.
"""

from __future__ import annotations

from collections import Counter

from ..ir import Atom, ClosedJaxpr, Eqn, Literal, Var
from .facts import sort_of
from .scalars import word_of

__all__ = ["sink_into_scan"]


def sink_into_scan(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` with elementwise producers of scanned arrays moved into the loops; what they leave unused is for dce."""
    jaxpr = closed.jaxpr
    if not any(eqn.primitive.name == "scan" for eqn in jaxpr.eqns):
        return closed
    uses = Counter(x for eqn in jaxpr.eqns for x in eqn.invars if type(x) is Var)
    uses.update(x for x in jaxpr.outvars if type(x) is Var)
    made = {var: eqn for eqn in jaxpr.eqns if len(eqn.outvars) == 1 for var in eqn.outvars if uses[var] == 1}
    eqns = [_Sink(eqn, made).result() if eqn.primitive.name == "scan" else eqn for eqn in jaxpr.eqns]
    if all(new is old for new, old in zip(eqns, jaxpr.eqns, strict=True)):
        return closed
    return ClosedJaxpr(jaxpr.replace(eqns=eqns), closed.consts)


class _Sink:
    """One loop: variables of its body beside the atoms that stand for them outside."""

    def __init__(self, eqn: Eqn, made: dict[Var, Eqn]) -> None:
        params, jaxpr = eqn.params, eqn.params["jaxpr"].jaxpr
        n, m = params["num_consts"], params["num_consts"] + params["num_carry"]
        self.eqn, self.jaxpr, self.made = eqn, jaxpr, made
        self.length: int = params["length"]
        self.consts: list[tuple[Var, Atom]] = list(zip(jaxpr.invars[:n], eqn.invars[:n], strict=True))
        self.carry: list[tuple[Var, Atom]] = list(zip(jaxpr.invars[n:m], eqn.invars[n:m], strict=True))
        self.scanned: list[tuple[Var, Atom]] = []
        self.waiting: list[tuple[Var, Atom]] = list(zip(jaxpr.invars[m:], eqn.invars[m:], strict=True))
        self.inside: dict[Atom, Var] = {atom: var for var, atom in self.consts}  # constants by their atom outside
        self.added: list[Eqn] = []  # last one first

    def result(self) -> Eqn:
        """The loop with producers inside."""
        while self.waiting:
            var, atom = self.waiting.pop(0)
            if not self.taken(var, atom):
                self.scanned.append((var, atom))
        if not self.added:
            return self.eqn
        pairs = [*self.consts, *self.carry, *self.scanned]
        jaxpr = self.jaxpr.replace(invars=[var for var, _ in pairs], eqns=[*reversed(self.added), *self.jaxpr.eqns])
        body = ClosedJaxpr(jaxpr, self.eqn.params["jaxpr"].consts)
        params = self.eqn.params | {"jaxpr": body, "num_consts": len(self.consts)}
        atoms = [atom for _, atom in pairs]
        return Eqn(self.eqn.primitive, atoms, self.eqn.outvars, params, self.eqn.source, self.eqn.effects)

    def taken(self, var: Var, atom: Atom) -> bool:
        """Move the equation that makes a scanned array into the body, if it can be made step by step."""
        eqn = self.made.get(atom) if type(atom) is Var else None
        if eqn is None or eqn.effects:
            return False
        params = eqn.params
        if eqn.primitive.name == "broadcast_in_dim":
            places = params["broadcast_dimensions"]
            if 0 in places:
                return False
            operands = [self.constant(eqn.invars[0])]
            shape = params["shape"][1:]
            params = params | {"shape": shape, "broadcast_dimensions": tuple([d - 1 for d in places])}
        elif sort_of(eqn) == "scalar" and word_of(eqn.primitive.lower) != "bitcast":
            if any(x.aval.ndim and x.aval.shape != atom.aval.shape for x in eqn.invars):
                return False
            operands = [self.row(x) if x.aval.ndim else self.constant(x) for x in eqn.invars]
        else:
            return False
        self.added.append(Eqn(eqn.primitive, operands, [var], params, eqn.source))
        return True

    def constant(self, atom: Atom) -> Atom:
        """The variable in the body that stands for an atom outside; literals stand for themselves."""
        if type(atom) is Literal:
            return atom
        if atom not in self.inside:
            self.inside[atom] = Var(atom.aval)
            self.consts.append((self.inside[atom], atom))
        return self.inside[atom]

    def row(self, atom: Atom) -> Var:
        """A new scanned variable of the body for an array outside."""
        var = Var(atom.aval.update(shape=atom.aval.shape[1:]))
        self.waiting.append((var, atom))
        return var
