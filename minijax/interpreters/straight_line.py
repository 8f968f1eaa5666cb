"""straight_line: a Jaxpr as one Python function over NumPy values.

In: a closed Jaxpr of first-order equations. Out: a function that calls their `evaluate` rules one after the other,
without environments, avals or wrappers, and lets go of every value after its last use. Names in the generated text are
generated; what the program refers to (rules, params, constants) is passed in, never printed into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..ir import Atom, ClosedJaxpr, Eqn, Literal, Var, guard

__all__ = ["straight_line"]

_LONGEST = 5000  # Python's own compiler takes seconds beyond


@lru_cache(maxsize=2048)
def straight_line(closed: ClosedJaxpr) -> Callable[..., tuple[Any, ...]] | None:
    """The function `(*inputs) -> tuple of results` on NumPy values.

    Run it where floating-point warnings are off (`ir.state.context`). None if an equation holds Jaxprs, or the program
    is too long to be compiled in good time.
    """
    eqns = _live(closed)
    if len(eqns) > _LONGEST or any(eqn.primitive.takes_arrays and eqn.primitive is not guard for eqn in eqns):
        return None
    scope: dict[str, Any] = {}
    names: dict[Var, str] = {}

    def name(value: Any) -> str:
        fresh = f"c{len(scope)}"
        scope[fresh] = value
        return fresh

    def read(atom: Atom) -> str:
        return name(atom.value) if type(atom) is Literal else names[atom]  # type: ignore[index]

    for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        names[var] = name(getattr(const, "_value", const))
    inputs = [names.setdefault(var, f"x{i}") for i, var in enumerate(closed.jaxpr.invars)]
    computed: set[Atom] = set()
    body = []
    for eqn, done in zip(eqns, _last_uses(eqns, closed.jaxpr.outvars), strict=True):
        operands = [read(atom) for atom in eqn.invars]
        operands += [f"{key}={name(value)}" for key, value in eqn.params.items()]
        outs = [names.setdefault(var, f"v{len(names)}") for var in eqn.outvars]
        call = f"{name(eqn.primitive.evaluate)}({', '.join(operands)})"
        target = ", ".join(outs) + ("," if eqn.primitive.multiple_results else "")
        body.append(f"    {target} = {call}" if outs else f"    {call}")
        computed.update(eqn.outvars)
        free = [names[var] for var in done if var in computed]
        if free:
            body.append(f"    del {', '.join(free)}")
    results = "".join(f"{read(atom)}, " for atom in closed.jaxpr.outvars)
    text = "\n".join([f"def run({', '.join(inputs)}):", *body, f"    return ({results})"])
    exec(compile(text, "<minijax straight_line>", "exec"), scope)
    return scope["run"]  # type: ignore[no-any-return]


def _live(closed: ClosedJaxpr) -> list[Eqn]:
    """The equations that the results depend on, or that have effects."""
    wanted = {atom for atom in closed.jaxpr.outvars if type(atom) is Var}
    live = []
    for eqn in reversed(closed.jaxpr.eqns):
        if eqn.effects or any(var in wanted for var in eqn.outvars):
            live.append(eqn)
            wanted.update(atom for atom in eqn.invars if type(atom) is Var)
    return live[::-1]


def _last_uses(eqns: list[Eqn], outvars: tuple[Atom, ...]) -> list[list[Var]]:
    """For each equation, the variables that nothing after it reads."""
    seen: set[Atom] = set(outvars)
    uses = []
    for eqn in reversed(eqns):
        done = []
        for atom in (*eqn.invars, *eqn.outvars):
            if type(atom) is Var and atom not in seen:
                seen.add(atom)
                done.append(atom)
        uses.append(done)
    return uses[::-1]
