"""Dead code elimination: drop equations whose results nobody reads.

In: a ClosedJaxpr. Out: one with the equations that its outputs or its effects need, and the constants that
those read. One backward walk: in A-normal form a variable is dead exactly if no live equation after its
definition reads it. Equations that hold Jaxprs say through their `dce` slot which outputs they can leave out,
and which inputs they then no longer read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..jaxpr import Atom, ClosedJaxpr, Eqn, Var
from ..walk import map_sub_jaxprs

__all__ = ["dce", "dce_jaxpr"]


def dce(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` without dead equations and constants; inputs and outputs stay."""
    jaxpr = closed.jaxpr
    eqns, needed = _live(closed, jaxpr.outvars)
    kept = [index for index, var in enumerate(jaxpr.constvars) if var in needed]
    if len(kept) == len(jaxpr.constvars) and _same(eqns, jaxpr.eqns):
        return closed
    constvars = [jaxpr.constvars[index] for index in kept]
    return ClosedJaxpr(jaxpr.replace(constvars=constvars, eqns=eqns), [closed.consts[index] for index in kept])


def dce_jaxpr(closed: ClosedJaxpr, used_outputs: Sequence[bool]) -> tuple[ClosedJaxpr, list[bool]]:
    """`closed` reduced to some of its outputs.

    Args:
        closed: the program.
        used_outputs: one flag per output; the others are dropped.

    Returns:
        The program, which has only the inputs that it reads, and one flag per original input: whether it is read.
    """
    jaxpr = closed.jaxpr
    outvars = [var for var, used in zip(jaxpr.outvars, used_outputs, strict=True) if used]
    eqns, needed = _live(closed, outvars)
    used_inputs = [var in needed for var in jaxpr.invars]
    kept = [index for index, var in enumerate(jaxpr.constvars) if var in needed]
    if len(kept) == len(jaxpr.constvars) and all(used_inputs) and all(used_outputs) and _same(eqns, jaxpr.eqns):
        return closed, used_inputs
    reduced = jaxpr.replace(
        constvars=[jaxpr.constvars[index] for index in kept],
        invars=[var for var, used in zip(jaxpr.invars, used_inputs, strict=True) if used],
        eqns=eqns,
        outvars=outvars,
    )
    return ClosedJaxpr(reduced, [closed.consts[index] for index in kept]), used_inputs


def _live(closed: ClosedJaxpr, outvars: Sequence[Atom]) -> tuple[list[Eqn], set[Atom]]:
    """The live equations, and every variable that they or `outvars` read."""
    needed: set[Atom] = set(outvars)
    live: list[Eqn] = []
    for eqn in reversed(closed.jaxpr.eqns):
        used = [var in needed for var in eqn.outvars]
        if not eqn.effects and not any(used):
            continue
        if eqn.primitive.dce is not None:
            eqn = _reduced(eqn, used)
        elif eqn.params:
            eqn = map_sub_jaxprs(eqn, dce)
        live.append(eqn)
        needed.update(eqn.invars)
    live.reverse()
    return live, needed


def _reduced(eqn: Eqn, used: list[bool]) -> Eqn:
    """The equation with fewer outputs and inputs, by its primitive's rule."""
    assert eqn.primitive.dce is not None
    params, used_inputs, *rest = eqn.primitive.dce(eqn.params, used)
    kept = rest[0] if rest else used  # loops may have to keep more outputs than are read
    if params is eqn.params or (all(used_inputs) and all(kept) and _same_values(params, eqn.params)):
        return eqn
    invars = [x for x, flag in zip(eqn.invars, used_inputs, strict=True) if flag]
    outvars: list[Var] = [var for var, flag in zip(eqn.outvars, kept, strict=True) if flag]
    return Eqn(eqn.primitive, invars, outvars, params, eqn.source, eqn.effects)


def _same_values(first: dict[str, object], second: dict[str, object]) -> bool:
    return all(value is second.get(name) for name, value in first.items())


def _same(first: Sequence[Eqn], second: Sequence[Eqn]) -> bool:
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))
