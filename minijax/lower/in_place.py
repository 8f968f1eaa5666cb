"""Carries that a loop's body changes in place: `x = x.at[i].set(...)` writes one element, not a new array.

In: the body of a loop and its carries. Out: for each scatter that may write into the carry itself, the carry. That is so
where the next carry comes from the carry through scatters and dynamic updates alone, and whatever else reads the array between two
of them stands before the next one. What those readers make is stored, so that nothing reads the old array later, as part of
another expression. The condition is XLA's copy elision (a buffer is shared if all uses of the old value come first),
applied to the one pattern for which a copy changes the cost of a loop from linear to quadratic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..ir import Atom, Eqn, Jaxpr, Var

__all__ = ["InPlace", "writes_last", "written_in_place"]


CALLS = ("call", "loop")  # "call": loops too, before they are made native


class InPlace(NamedTuple):
    """`homes`: the carry that the result of a scatter is written into; `read`: what must be stored when it is computed."""

    homes: dict[Var, Var]
    read: frozenset[Var]


def written_in_place(
    jaxpr: Jaxpr, carries: Sequence[tuple[Var, Atom]], sort_of: Callable[[Eqn], str]
) -> tuple[InPlace, frozenset[int]]:
    """What a body may do in place.

    Args:
        jaxpr: the body.
        carries: (carry, next carry) pairs.
        sort_of: the sort of an equation, as in `facts.py`.

    Returns:
        the variables, and the places of the carries.
    """
    makers = {var: (position, eqn) for position, eqn in enumerate(jaxpr.eqns) for var in eqn.outvars}
    readers: dict[Var, list[tuple[int, Eqn]]] = {}
    for position, eqn in enumerate(jaxpr.eqns):
        for atom in eqn.invars:
            if type(atom) is Var:
                readers.setdefault(atom, []).append((position, eqn))
    homes: dict[Var, Var] = {}
    read: set[Var] = set()
    places = set()
    for place, (carry, result) in enumerate(carries):
        chain = _chain(carry, result, makers, sort_of)
        if chain is None or carry.aval.size == 1 or any(var in jaxpr.outvars for var in (carry, *chain[:-1])):
            continue
        if any(sort_of(eqn) in CALLS for var in chain for _, eqn in readers.get(var, ())):
            continue  # they take arrays by name, and these have none of their own
        between: list[Eqn] = []
        for old, new in zip((carry, *chain), chain, strict=False):
            last, writer = makers[new]
            found = [(position, eqn) for position, eqn in readers[old] if eqn is not writer]
            if writer.invars.count(old) > 1 or any(position > last for position, _ in found):
                break
            between += [eqn for _, eqn in found]
        else:
            places.add(place)
            homes.update(dict.fromkeys(chain, carry))
            read.update(var for eqn in between for var in eqn.outvars)
    return InPlace(homes, frozenset(read)), frozenset(places)


def _chain(
    carry: Var, result: Atom, makers: dict[Var, tuple[int, Eqn]], sort_of: Callable[[Eqn], str]
) -> list[Var] | None:
    """The results of the scatters that lead from a carry to the next one, in order; None if something else does."""
    chain = []
    while result is not carry:
        if type(result) is not Var or result not in makers:
            return None
        eqn = makers[result][1]
        if sort_of(eqn) != "scatter":
            return None
        chain.append(result)
        result = eqn.invars[0]
    return chain[::-1] or None


def writes_last(jaxpr: Jaxpr, carries: Sequence[tuple[Var, Atom]], sort_of: Callable[[Eqn], str]) -> Jaxpr:
    """The same body, where the scatters that lead from a carry to the next one stand behind all that does not need them."""
    makers = {var: (position, eqn) for position, eqn in enumerate(jaxpr.eqns) for var in eqn.outvars}
    held = {var for carry, result in carries for var in _chain(carry, result, makers, sort_of) or ()}
    if not held:
        return jaxpr
    order = {id(eqn): position for position, eqn in enumerate(jaxpr.eqns)}
    waiting: dict[Var, Eqn] = {}
    eqns: list[Eqn] = []

    def append(eqn: Eqn) -> None:
        needed, work = [], [eqn]
        while work:
            needed.append(work.pop())
            found = dict.fromkeys(x for x in needed[-1].invars if type(x) is Var and x in waiting)
            work += [waiting.pop(var) for var in found]
        eqns.extend(sorted(needed, key=lambda one: order[id(one)]))

    for eqn in jaxpr.eqns:
        if len(eqn.outvars) == 1 and eqn.outvars[0] in held:
            waiting[eqn.outvars[0]] = eqn
        else:
            append(eqn)
    while waiting:
        append(waiting.pop(next(iter(waiting))))
    return jaxpr.replace(eqns=eqns)
