"""Fusion: which equations become one kernel, and what is stored between kernels.

In: an optimised ClosedJaxpr. Out: `Step`s in order: `Fused` (a kernel and the variables of its buffers) and `Call` (an
equation that its primitive's NumPy rule computes).

A variable is either *stored* (inputs, results, what calls read or make, what reductions make) or computed again
wherever it is needed, as part of the expression of a stored one: elementwise operations, conversions, positions, and all
movement, which is only index arithmetic (`views.py`). Each stored variable is a *root*: loops over its shape (over its
operand's shape, for a reduction). Roots with the same loops that share what they read become one nest, as long as
no element of one is needed at another point of the other (Darte & Huard 2000: fusion as a partition of
the dependence graph without cycles).

Computing again is bounded: what is expensive and would be computed in two nests, at two indices, or once for every element
of a broadcast is stored instead, and so is what an expression grown too deep starts from. Those decisions are taken
while building; each new one starts the building anew.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from ..ir import Atom, ClosedJaxpr, Eqn, Var
from .facts import SMALL_DOT, Facts, products
from .gemm import accumulated
from .in_place import InPlace
from .nests import Apply, Load, Root, Stage, Store, collapsed, parts
from .roots import Placed, Roots
from .rows import by_rows
from .steps import Call, Fused, LowerLoop, Native, Step, assembled, forwarded
from .views import Unreachable

__all__ = ["plan"]

LARGEST = 500  # operations in one nest
_TRIES = 40
_CANDIDATES = 16  # nests with the same loops that a root may join, latest first


def plan(
    closed: ClosedJaxpr, lower_loop: LowerLoop, inside: bool = False, in_place: InPlace | None = None
) -> list[Step]:
    """The steps of a program whose calls have been inlined.

    Args:
        closed: the program.
        lower_loop: what makes native steps of loops and branches.
        inside: the program is the body of a loop, where leaving native code costs most: matrix products are nests.
        in_place: which of its scatters write into its inputs.
    """
    facts = Facts(closed, lower_loop, inside, in_place)
    for attempt in range(_TRIES + len(closed.jaxpr.eqns)):
        if attempt == _TRIES:
            facts.stored |= set(facts.producers)  # no agreement: store everything, which always works
        builder = _Builder(closed, facts)
        builder.build()
        found = builder.roots.to_store - facts.stored
        if not (found or builder.calls):
            break
        facts.stored |= found
        for position in builder.calls:
            facts.call_instead(position)
    return by_rows(accumulated(builder.steps(), closed.jaxpr.outvars))


class _Unit:
    """A nest being put together, or a call."""

    __slots__ = (
        "after",
        "before",
        "eqn",
        "native",
        "number",
        "operations",
        "outs",
        "position",
        "roots",
        "shape",
        "variables",
    )

    def __init__(self, number: int, position: int, shape: tuple[int, ...] | None, eqn: Eqn | None) -> None:
        self.number = number
        self.position = position
        self.shape = shape
        self.eqn = eqn
        self.roots: list[Root] = []
        self.before = 0  # bits of the units that must come first, indirectly too
        self.after: set[int] = set()  # those that must come first directly
        self.outs: tuple[Var | None, ...] = ()
        self.native: Native | None = None
        self.operations: set[int] = set()
        self.variables: set[Var] = set()


class _Builder:
    def __init__(self, closed: ClosedJaxpr, facts: Facts) -> None:
        self.jaxpr = closed.jaxpr
        self.facts = facts
        self.roots = Roots(facts)
        self.units: list[_Unit] = []
        self.writers: dict[Var, list[int]] = {}
        self.readers: dict[Var, list[int]] = {}  # of what is written in place
        self.by_shape: dict[tuple[int, ...], list[_Unit]] = {}
        self.calls: list[int] = []  # positions of products that must become calls
        self.needed = 0  # bits of the units that some unit needs

    def build(self) -> None:
        facts = self.facts
        last_effect = -1
        for position, (eqn, sort) in enumerate(zip(self.jaxpr.eqns, facts.sorts, strict=True)):
            if sort == "call":
                unit = self.call(position, eqn, tuple(eqn.outvars))
                if eqn.effects:
                    if last_effect >= 0:
                        self.order(unit, last_effect)
                    last_effect = unit.number
                continue
            if sort == "loop":
                self.call(position, eqn, tuple(eqn.outvars)).native = facts.loops[eqn.outvars[0]]
                continue
            if sort == "dot" and self.product(position, eqn):
                continue
            outs = tuple([var if var in facts.views and var not in facts.stored else None for var in eqn.outvars])
            if sort == "view" and any(outs):
                self.call(position, eqn, outs)
            try:
                for placed in self.roots.of(eqn, sort):
                    self.place(position, placed)
            except Unreachable:
                continue  # what to store was noted: everything is built anew

    def product(self, position: int, eqn: Eqn) -> bool:
        """Whether a dot_general is no nest: it is a step of its own, or large and to become a call."""
        try:
            step = self.roots.matrices(eqn)
        except Unreachable:
            return True  # built anew
        if step is not None:
            self.call(position, eqn, tuple(eqn.outvars), step.variables).native = step
            return True
        if self.facts.inside or products(eqn) <= SMALL_DOT:
            return False
        self.calls.append(position)
        return True

    def call(
        self, position: int, eqn: Eqn, outs: tuple[Var | None, ...], read: Sequence[Atom] | None = None
    ) -> _Unit:
        unit = self.unit(position, None, eqn)
        unit.outs = outs
        for atom in eqn.invars if read is None else read:
            if type(atom) is Var:
                for writer in self.writers.get(atom, ()):
                    self.order(unit, writer)
                self.readers.setdefault(atom, []).append(unit.number)
        for var in outs:
            if var is not None:
                self.writers.setdefault(var, []).append(unit.number)
        return unit

    # -- units ---------------------------------------------------------------------------------------------------

    def unit(self, position: int, shape: tuple[int, ...] | None, eqn: Eqn | None) -> _Unit:
        unit = _Unit(len(self.units), position, shape, eqn)
        self.units.append(unit)
        if shape is not None:
            self.by_shape.setdefault(shape, []).append(unit)
        return unit

    def order(self, later: _Unit, earlier: int) -> None:
        """`earlier` and all it needs come before `later` and all that need it."""
        later.after.add(earlier)
        bits = (1 << earlier) | self.units[earlier].before
        self.needed |= bits
        if later.before & bits == bits:
            return
        later.before |= bits
        if self.needed >> later.number & 1:
            mark = 1 << later.number
            for unit in self.units:
                if unit.before & mark:
                    unit.before |= later.before

    def place(self, position: int, placed: Placed) -> None:
        """Put a root into a nest with the same loops, or a new one."""
        var, shape, root, _ = placed
        in_place = var in self.facts.homes
        var = self.facts.homes.get(var, var)
        after = list(self.writers.get(var, ())) if placed.after else []
        if in_place:  # what reads the old array comes before
            after += self.readers.get(var, ())
        loads = [v for v in parts(root) if type(v) is Load]
        operations = {id(v) for v in parts(root) if type(v) is Apply}
        reads = {self.roots.vars[v.buffer] for v in loads}
        chosen = None
        for unit in self.by_shape.get(shape, ())[: -_CANDIDATES - 1 : -1] if not in_place else ():
            if len(unit.operations) + len(operations) > LARGEST and not operations <= unit.operations:
                continue
            if shape and not (reads & unit.variables or operations & unit.operations):
                continue
            if self.fits(unit, loads) and not any(w == unit.number or self.needs(w, unit) for w in after):
                chosen = unit
                break
        if chosen is None:
            chosen = self.unit(position, shape, None)
        for read in reads:
            for writer in self.writers.get(read, ()):
                if writer != chosen.number:
                    self.order(chosen, writer)
            self.readers.setdefault(read, []).append(chosen.number)
        for writer in after:
            self.order(chosen, writer)
        chosen.roots.append(root)
        chosen.operations |= operations
        chosen.variables |= reads | {var}
        self.writers.setdefault(var, []).append(chosen.number)

    def needs(self, unit: int, other: _Unit) -> bool:
        return bool(self.units[unit].before >> other.number & 1)

    def fits(self, unit: _Unit, loads: Sequence[Load]) -> bool:
        """Whether a root that makes these loads can join `unit`."""
        stores = {root.buffer: root for root in unit.roots}
        for load in loads:
            for writer in self.writers.get(self.roots.vars[load.buffer], ()):
                if writer == unit.number:
                    store = stores[load.buffer]
                    alone = len(self.writers[self.roots.vars[load.buffer]]) == 1
                    if type(store) is not Store or store.combines or store.index != load.index or not alone:
                        return False
                elif self.needs(writer, unit):
                    return False
        return True

    # -- the result ----------------------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        waits = [len(unit.after) for unit in self.units]
        users: list[list[int]] = [[] for _ in self.units]
        for unit in self.units:
            for earlier in unit.after:
                users[earlier].append(unit.number)
        ready = [(u.position, u.number) for u in self.units if not u.after]
        heapq.heapify(ready)
        steps: list[Step] = []
        while ready:
            unit = self.units[heapq.heappop(ready)[1]]
            if unit.native is not None:
                steps.append(unit.native)
            else:
                steps.append(self.fused(unit) if unit.eqn is None else Call(unit.eqn, unit.outs))
            for later in users[unit.number]:
                waits[later] -= 1
                if not waits[later]:
                    heapq.heappush(ready, (self.units[later].position, later))
        assert len(steps) == len(self.units), "a cycle among the nests"
        return steps

    def fused(self, unit: _Unit) -> Fused:
        assert unit.shape is not None
        stage = collapsed(Stage(unit.shape, tuple(forwarded(unit.roots))))
        return assembled((), [stage], self.roots.vars)
