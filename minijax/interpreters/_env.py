"""`Environment`: the values of variables while an interpreter walks a Jaxpr."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..ir import Atom, Jaxpr, Literal, Var

__all__ = ["Environment"]


class Environment(dict[Var, Any]):
    """Values by variable. A literal reads as itself (it carries its aval, weak type included)."""

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> None:
        super().__init__(zip(jaxpr.constvars, consts, strict=True))
        self.update(zip(jaxpr.invars, args, strict=True))

    def read(self, atoms: Iterable[Atom]) -> list[Any]:
        """The values of `atoms`."""
        return [atom if type(atom) is Literal else self[atom] for atom in atoms]  # type: ignore[index]

    def write(self, outvars: Sequence[Var], outs: Any) -> None:
        """Bind `outvars` to the list `outs`."""
        for var, out in zip(outvars, outs, strict=True):
            self[var] = out

    def free(self, variables: Iterable[Var]) -> None:
        """Forget `variables`: nothing reads them any more."""
        for var in variables:
            self.pop(var, None)
