"""Walking over programs: paths, slices, substitution, counts.

In: a Jaxpr. Out: its equations with the path that leads to them, the slice that some variables need, the
equations that a variable reaches, a program with operands replaced. What passes, `viz` and `diagnose` share.
Slices are those of Weiser (1984), which in A-normal form need one walk and no data-flow analysis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, sub_jaxprs

__all__ = ["Step", "histogram", "map_sub_jaxprs", "needed_for", "substitute", "used_by", "walk"]

Program = Jaxpr | ClosedJaxpr
Path = tuple[int | str, ...]


class Step(NamedTuple):
    """An equation met on a walk: `path` is its index, preceded by (index, param, number) of each enclosing equation.

    `(3, "branches", 1, 0)` is the first equation of the second branch of the fourth equation.
    """

    path: Path
    eqn: Eqn
    jaxpr: Jaxpr

    def __str__(self) -> str:
        return "/".join(map(str, self.path))


def walk(program: Program, path: Path = ()) -> Iterator[Step]:
    """Every equation, those of sub-Jaxprs right after the equation that holds them.

    Args:
        program: a Jaxpr, closed or not.
        path: prefix of the paths.

    Yields:
        Steps `(path, eqn, jaxpr)`, `jaxpr` being the one that holds `eqn`.
    """
    jaxpr = _open(program)
    for index, eqn in enumerate(jaxpr.eqns):
        here = (*path, index)
        yield Step(here, eqn, jaxpr)
        if eqn.params:
            seen: Counter[str] = Counter()
            for name, body in sub_jaxprs(eqn):
                yield from walk(body, (*here, name, seen[name]))
                seen[name] += 1


def histogram(program: Program) -> dict[str, int]:
    """How many equations of each primitive there are, sub-Jaxprs included; most frequent first."""
    return dict(Counter(step.eqn.primitive.name for step in walk(program)).most_common())


def needed_for(program: Program, outvars: Iterable[Atom]) -> list[Eqn]:
    """The equations that `outvars` depend on, in program order (the backward slice)."""
    needed = {atom for atom in outvars if type(atom) is Var}
    found = []
    for eqn in reversed(_open(program).eqns):
        if any(var in needed for var in eqn.outvars):
            found.append(eqn)
            needed.update(x for x in eqn.invars if type(x) is Var)
    found.reverse()
    return found


def used_by(program: Program, var: Var) -> list[Eqn]:
    """The equations that depend on `var`, directly or not, in program order (the forward slice)."""
    reached: set[Atom] = {var}
    found = []
    for eqn in _open(program).eqns:
        if any(x in reached for x in eqn.invars):
            found.append(eqn)
            reached.update(eqn.outvars)
    return found


def substitute(jaxpr: Jaxpr, mapping: Mapping[Var, Atom]) -> Jaxpr:
    """`jaxpr` with operands and results replaced by what `mapping` says (once: not transitively)."""
    if not mapping:
        return jaxpr
    eqns = [with_operands(eqn, [resolved(x, mapping) for x in eqn.invars]) for eqn in jaxpr.eqns]
    return jaxpr.replace(eqns=eqns, outvars=[resolved(x, mapping) for x in jaxpr.outvars])


def resolved(atom: Atom, mapping: Mapping[Var, Atom]) -> Atom:
    """What `mapping` puts in place of `atom`."""
    return atom if type(atom) is Literal else mapping.get(atom, atom)  # type: ignore[arg-type]


def with_operands(eqn: Eqn, invars: Sequence[Atom]) -> Eqn:
    """`eqn` applied to `invars`; `eqn` itself when they are its operands already."""
    if all(new is old for new, old in zip(invars, eqn.invars, strict=True)):
        return eqn
    return Eqn(eqn.primitive, invars, eqn.outvars, eqn.params, eqn.source, eqn.effects)


def map_sub_jaxprs(eqn: Eqn, function: Callable[[ClosedJaxpr], ClosedJaxpr]) -> Eqn:
    """`eqn` with `function` applied to the Jaxprs among its params; `eqn` itself when none changes.

    Args:
        eqn: any equation.
        function: keeps the avals of inputs and outputs.
    """
    if not eqn.params or not any(True for _ in sub_jaxprs(eqn)):
        return eqn
    params: dict[str, Any] = {}
    changed = False
    for name, value in eqn.params.items():
        if isinstance(value, ClosedJaxpr):
            params[name] = function(value)
        elif type(value) is tuple and any(isinstance(item, ClosedJaxpr) for item in value):
            mapped = tuple(function(item) if isinstance(item, ClosedJaxpr) else item for item in value)
            params[name] = value if all(a is b for a, b in zip(mapped, value, strict=True)) else mapped
        else:
            params[name] = value
        changed = changed or params[name] is not value
    return eqn.replace(params=params) if changed else eqn


def _open(program: Program) -> Jaxpr:
    return program.jaxpr if isinstance(program, ClosedJaxpr) else program
