"""straight_line: a Jaxpr as one Python function over NumPy values.

In: a closed Jaxpr of first-order equations. Out: a function that calls their `evaluate` rules one after the other,
without environments, avals or wrappers: what eager gradients run a thousand times a second. Names in
the generated text are generated; what the program refers to (rules, params, constants) is passed in, never printed
into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir import Atom, ClosedJaxpr, Eqn, Literal, Var

__all__ = ["straight_line"]


def straight_line(closed: ClosedJaxpr) -> Callable[..., tuple[Any, ...]] | None:
    """The function `(*inputs) -> tuple of results` on NumPy values; None if an equation holds Jaxprs.

    Run it where floating-point warnings are off (`ir.state.context`).
    """
    eqns = _live(closed)
    if any(eqn.primitive.takes_arrays for eqn in eqns):
        return None
    scope: dict[str, Any] = {}
    names: dict[Var, str] = {}

    def name(value: Any) -> str:
        fresh = f"c{len(scope)}"
        scope[fresh] = value
        return fresh

    def read(atom: Atom) -> str:
        if type(atom) is Literal:
            return name(atom.value)
        return names[atom]  # type: ignore[index]

    for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        names[var] = name(getattr(const, "_value", const))
    inputs = [names.setdefault(var, f"x{i}") for i, var in enumerate(closed.jaxpr.invars)]
    lines = []
    for eqn in eqns:
        operands = [read(atom) for atom in eqn.invars]
        operands += [f"{key}={name(value)}" for key, value in eqn.params.items()]
        outs = [names.setdefault(var, f"v{len(names)}") for var in eqn.outvars]
        target = ", ".join(outs) + ("," if eqn.primitive.multiple_results else "")
        lines.append(f"    {target} = {name(eqn.primitive.evaluate)}({', '.join(operands)})")
    results = "".join(f"{read(atom)}, " for atom in closed.jaxpr.outvars)
    text = "\n".join([f"def run({', '.join(inputs)}):", *lines, f"    return ({results})"])
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
