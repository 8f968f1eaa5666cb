"""straight_line: a Jaxpr as one Python function over NumPy values.

In: a closed Jaxpr of first-order equations. Out: a function that calls their `evaluate` rules one after the other,
without environments, avals or wrappers. It lets go of every value after its last use, and elementwise operations write into
an operand that nothing reads again: for large arrays, fresh memory costs more than the arithmetic. Names in the generated text
are generated; what the program refers to (rules, params, constants) is passed in, never printed into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..ir import Atom, ClosedJaxpr, Eqn, Literal, Var, guard

__all__ = ["straight_line"]

_LONGEST = 5000  # Python's own compiler takes seconds beyond
_ON_INEXACT = {"div": np.true_divide}  # its `evaluate` asks for the dtype first
_KEYWORD_ONLY = (np.maximum, np.minimum)  # others take `out` by position, which is quicker
# A tenth of the ufunc's time on NumPy scalars. The result is the same.
_ON_SCALARS = {
    np.add: "{} + {}",
    np.subtract: "{} - {}",
    np.multiply: "{} * {}",
    np.true_divide: "{} / {}",
    np.negative: "-{}",
}


@lru_cache(maxsize=2048)
def straight_line(closed: ClosedJaxpr) -> Callable[..., tuple[Any, ...]] | None:
    """The function `(*inputs) -> tuple of results` on NumPy values.

    Run it where floating-point warnings are off (`ir.state.context`). None if an equation holds Jaxprs, or the program
    is too long to be compiled in good time.
    """
    eqns = _live(closed)
    if len(eqns) > _LONGEST or any(eqn.primitive.takes_arrays and eqn.primitive is not guard for eqn in eqns):
        return None
    return _Writer(closed, eqns).function()


class _Writer:
    """Writes the function's text, line by line."""

    def __init__(self, closed: ClosedJaxpr, eqns: Sequence[Eqn]) -> None:
        self.scope: dict[str, Any] = {}
        self.names: dict[Var, str] = {}
        self.lines: list[str] = []
        self.computed: set[Var] = set()
        self.owned = _written_once(eqns)
        for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
            self.names[var] = self.constant(getattr(const, "_value", const))
        inputs = [self.names.setdefault(var, f"x{i}") for i, var in enumerate(closed.jaxpr.invars)]
        for eqn, done in zip(eqns, _last_uses(eqns, closed.jaxpr.outvars), strict=True):
            self.equation(eqn, [var for var in done if var in self.computed])
        results = "".join(f"{self.read(atom)}, " for atom in closed.jaxpr.outvars)
        self.lines = [f"def run({', '.join(inputs)}):", *self.lines, f"    return ({results})"]

    def function(self) -> Callable[..., tuple[Any, ...]]:
        exec(compile("\n".join(self.lines), "<minijax straight_line>", "exec"), self.scope)
        return self.scope["run"]  # type: ignore[no-any-return]

    def constant(self, value: Any) -> str:
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def read(self, atom: Atom) -> str:
        return self.constant(atom.value) if type(atom) is Literal else self.names[atom]  # type: ignore[index]

    def equation(self, eqn: Eqn, done: Sequence[Var]) -> None:
        """One line. `done`: the variables that nothing after it reads."""
        ufunc = _ufunc(eqn)
        if ufunc is None:
            operands = [self.read(atom) for atom in eqn.invars]
            operands += [f"{key}={self.constant(value)}" for key, value in eqn.params.items()]
            self.assign(eqn, f"{self.constant(eqn.primitive.evaluate)}({', '.join(operands)})", done)
        elif ufunc in _ON_SCALARS and all(_is_scalar(x) for x in (*eqn.invars, *eqn.outvars)):
            self.assign(eqn, _ON_SCALARS[ufunc].format(*map(self.read, eqn.invars)), done)
        else:
            self.elementwise(eqn, ufunc, done)
        self.computed.update(eqn.outvars)

    def elementwise(self, eqn: Eqn, ufunc: Any, done: Sequence[Var]) -> None:
        (out,) = eqn.outvars
        operands = [
            self.constant(np.asarray(x.value))
            if type(x) is Literal
            else self.names[x]  # an array costs less than a scalar
            for x in eqn.invars
        ]
        call = f"{self.constant(ufunc)}({', '.join(operands)}"
        for var in done:
            if (
                var in self.owned
                and var is not out
                and var.aval.update(weak_type=False) is out.aval.update(weak_type=False)
            ):
                keyword = "out=" if ufunc in _KEYWORD_ONLY else ""
                self.lines.append(f"    {call}, {keyword}{self.names[var]})")
                self.names[out] = self.names[var]
                self.delete([x for x in done if x is not var])
                return
        self.assign(eqn, call + ")", done)

    def assign(self, eqn: Eqn, value: str, done: Sequence[Var]) -> None:
        """Results take the names of the operands that are done."""
        free = [var for var in done if var not in eqn.outvars]
        for var in eqn.outvars:
            self.names[var] = self.names[free.pop()] if free else f"v{len(self.names)}"
        outs = [self.names[var] for var in eqn.outvars]
        target = ", ".join(outs) + ("," if eqn.primitive.multiple_results else "")
        self.lines.append(f"    {target} = {value}" if outs else f"    {value}")
        self.delete([*free, *(var for var in eqn.outvars if var in done)])

    def delete(self, variables: Sequence[Var]) -> None:
        if variables:
            self.lines.append(f"    del {', '.join(self.names[var] for var in variables)}")


def _ufunc(eqn: Eqn) -> Any:
    """The NumPy ufunc that evaluates an equation, if one does."""
    primitive = eqn.primitive
    if eqn.params:
        return None
    if primitive.name in _ON_INEXACT and eqn.outvars[0].aval.dtype.kind in "fc":
        return _ON_INEXACT[primitive.name]
    return primitive.evaluate if type(primitive.evaluate) is np.ufunc else None


def _is_scalar(atom: Atom) -> bool:
    return atom.aval.shape == () and atom.aval.dtype.kind == "f" and atom.aval.dtype.itemsize >= 4


def _written_once(eqns: Sequence[Eqn]) -> set[Atom]:
    """The variables whose memory the program made and shows nobody else: results of ufuncs that only ufuncs read."""
    made: set[Atom] = set()
    for eqn in eqns:
        if _ufunc(eqn) is None:
            made.difference_update(eqn.invars)
        elif eqn.outvars[0].aval.shape:  # others are NumPy scalars
            made.update(eqn.outvars)
    return made


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
