"""A traced program made ready for stepping: its picture, and its equations one after the other with their places in it.

In: a closed Jaxpr. Out: a `Program`: the `Graph` of it, and a flat list of equations that says which node (or frame) shows
each, where in the source it came from, and what its operands are called in the picture. Calls of jitted functions are
stepped into, so their variables are made anew for each call; every other equation that holds programs is one step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...ir import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Source, Var
from ...structured.jit import jit
from ..build import draw_body, draw_inputs, draw_outputs
from ..graph import Graph
from ..sheet import Sheet

__all__ = ["Placed", "Program", "alone"]


class Placed(NamedTuple):
    """An equation and its place.

    Attributes:
        node: id of the node or frame that shows it; empty when it is not drawn.
        eqn: with operands that are inputs, constants or results of earlier equations of the flat list.
        sources: the places in the user's program, innermost first, then the calls that led there.
        index: of the top-level equation that it is, or is part of.
    """

    node: str
    eqn: Eqn
    sources: tuple[Source, ...]
    index: int


class Program:
    """A program, its picture and its equations in order.

    Args:
        closed: the program.
        name: what to call it.
        prefix: of the ids of its nodes, so that two pictures can stand in one page.
        called: names for variables, in place of a, b, c, ...

    Attributes:
        graph: the picture.
        equations: all equations, those of jitted calls in their place.
        inputs, outputs: pairs (id of the node, variable or literal).
        consts: values of the constants, those of jitted calls included.
    """

    def __init__(
        self, closed: ClosedJaxpr, name: str, prefix: str = "", called: Mapping[Var, str] | None = None
    ) -> None:
        closed = ClosedJaxpr(_with_own_bodies(closed.jaxpr), closed.consts)
        jaxpr = closed.jaxpr
        self.closed = closed
        self._sheet = sheet = Sheet()
        sheet.open(closed, prefix, "")
        sheet.names.update(called or {})
        equation = prefix or "e"
        draw_inputs(sheet, jaxpr, f"{prefix}v")
        draw_body(sheet, jaxpr, equation, "")
        draw_outputs(sheet, jaxpr, f"{prefix}o")
        self.graph: Graph = sheet.graph(name)
        self.consts: dict[Var, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
        self._same: dict[Var, Atom] = {}
        self._drawn = {node.id for node in self.graph.nodes} | {frame.id for frame in self.graph.clusters}
        self.equations: list[Placed] = []
        self._place(jaxpr, equation, ())
        self.inputs = [(f"{prefix}v{i}", var) for i, var in enumerate(jaxpr.invars)]
        self.outputs = [(f"{prefix}o{i}", self.resolved(x)) for i, x in enumerate(jaxpr.outvars)]

    def resolved(self, atom: Atom) -> Atom:
        """The variable of the flat list that `atom` stands for."""
        while type(atom) is Var and atom in self._same:
            atom = self._same[atom]
        return atom

    def name(self, atom: Atom) -> str:
        """What an operand is called in the picture: a variable's name, or a number."""
        return self._sheet.operand(atom)

    def node_of(self, atom: Atom) -> str:
        """The node that `atom` comes from; empty for numbers."""
        return self._sheet.producers.get(atom, "") if type(atom) is Var else ""

    def _place(self, jaxpr: Jaxpr, prefix: str, calls: tuple[Source, ...], top: int | None = None) -> None:
        for number, eqn in enumerate(jaxpr.eqns):
            key, index = f"{prefix}{number}", number if top is None else top
            sources = (*(() if eqn.source is None else eqn.source.path()), *calls)
            operands = [self.resolved(x) for x in eqn.invars]
            if eqn.primitive is jit:
                body: ClosedJaxpr = eqn.params["jaxpr"]
                self.consts.update(zip(body.jaxpr.constvars, body.consts, strict=True))
                self._same.update(zip(body.jaxpr.invars, operands, strict=True))
                self._place(body.jaxpr, f"{key}_", sources, index)
                self._same.update(zip(eqn.outvars, map(self.resolved, body.jaxpr.outvars), strict=True))
            else:
                shown = next((x for x in (f"c{key}", key) if x in self._drawn), "")
                self.equations.append(Placed(shown, eqn.replace(invars=operands), sources, index))


def alone(eqn: Eqn) -> tuple[Jaxpr, list[Var]]:
    """One equation as a program, and the variables that are its inputs (each once)."""
    inputs = list(dict.fromkeys(x for x in eqn.invars if type(x) is not Literal))
    return Jaxpr((), inputs, (eqn,), eqn.outvars), inputs  # type: ignore[arg-type]


def _with_own_bodies(jaxpr: Jaxpr) -> Jaxpr:
    """The program with a body of its own, with its own variables, for each jitted call."""
    if not any(eqn.primitive is jit for eqn in jaxpr.eqns):
        return jaxpr
    return jaxpr.replace(
        eqns=[
            eqn.replace(params={**eqn.params, "jaxpr": _copied(eqn.params["jaxpr"])}) if eqn.primitive is jit else eqn
            for eqn in jaxpr.eqns
        ]
    )


def _copied(closed: ClosedJaxpr) -> ClosedJaxpr:
    jaxpr = _with_own_bodies(closed.jaxpr)
    made = [var for eqn in jaxpr.eqns for var in eqn.outvars]
    fresh = {var: Var(var.aval) for var in (*jaxpr.constvars, *jaxpr.invars, *made)}

    def renamed(atoms: Sequence[Atom]) -> list[Any]:
        return [x if type(x) is Literal else fresh[x] for x in atoms]  # type: ignore[index]

    eqns = [eqn.replace(invars=renamed(eqn.invars), outvars=renamed(eqn.outvars)) for eqn in jaxpr.eqns]
    body = jaxpr.replace(
        constvars=renamed(jaxpr.constvars), invars=renamed(jaxpr.invars), eqns=eqns, outvars=renamed(jaxpr.outvars)
    )
    return ClosedJaxpr(body, closed.consts)
