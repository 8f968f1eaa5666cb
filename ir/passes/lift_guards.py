"""Lifting guards: find out as early as possible whether this is the right program.

In: a ClosedJaxpr. Out: the same equations in an order in which each guard comes as soon as its operand can be
computed: first the equations that the first guard needs, then that guard, and so on; then the rest. A guard that
fails then fails before the work that depends on the other arm. Effects keep their order: a guard does not pass
a callback, nor does anything else. The order is a stable topological sort by the first guard that
needs an equation.
"""

from __future__ import annotations

from ..effects import GUARD
from ..jaxpr import ClosedJaxpr, Eqn, Literal, Var
from ..walk import map_sub_jaxprs

__all__ = ["lift_guards"]


def lift_guards(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` with guards, and what they need, moved forward; also inside sub-Jaxprs."""
    jaxpr = closed.jaxpr
    if not jaxpr.effects:
        eqns = [map_sub_jaxprs(eqn, lift_guards) for eqn in jaxpr.eqns]
    else:
        eqns = _reordered([map_sub_jaxprs(eqn, lift_guards) for eqn in jaxpr.eqns])
    if all(new is old for new, old in zip(eqns, jaxpr.eqns, strict=True)):
        return closed
    return ClosedJaxpr(jaxpr.replace(eqns=eqns), closed.consts)


def _reordered(eqns: list[Eqn]) -> list[Eqn]:
    producers = {var: index for index, eqn in enumerate(eqns) for var in eqn.outvars}
    placed = [False] * len(eqns)
    order: list[int] = []

    def place(index: int) -> None:
        placed[index] = True
        order.append(index)

    start = 0  # everything before it has been placed
    for index, eqn in enumerate(eqns):
        if not eqn.effects:
            continue
        if eqn.effects == {GUARD}:
            for needed in _slice(eqns, index, producers, placed):
                place(needed)
        else:
            for before in range(start, index + 1):
                if not placed[before]:
                    place(before)
            start = index + 1
    for rest in range(start, len(eqns)):
        if not placed[rest]:
            place(rest)
    return [eqns[index] for index in order]


def _slice(eqns: list[Eqn], index: int, producers: dict[Var, int], placed: list[bool]) -> list[int]:
    """The equations not placed yet that equation `index` needs, itself included, in order."""
    wanted = {index}
    work = [index]
    while work:
        for x in eqns[work.pop()].invars:
            producer = None if type(x) is Literal else producers.get(x)  # type: ignore[arg-type]
            if producer is not None and not placed[producer] and producer not in wanted:
                wanted.add(producer)
                work.append(producer)
    return sorted(wanted)
