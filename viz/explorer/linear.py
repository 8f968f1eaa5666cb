"""The linear program of a function, put together from what `linearize` writes down for each equation.

In: for every equation that moves when the inputs move, the linear program of that equation alone. Out: one program, the
same as `linearize` makes of the whole function, that knows for each of its equations which one it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...ir import Atom, ClosedJaxpr, DebugNames, Eqn, Jaxpr, Literal, Var
from .program import Placed, Program

__all__ = ["LinearPiece", "linear_program", "pulled_lines"]


class LinearPiece(NamedTuple):
    """An equation and its derivative.

    Attributes:
        placed: the equation.
        inputs: its operands that move, each once.
        outputs: its results that move.
        closed: the linear program from the tangents of `inputs` to those of `outputs`; its constants are the residuals.
    """

    placed: Placed
    inputs: list[Var]
    outputs: list[Var]
    closed: ClosedJaxpr


class Composed(NamedTuple):
    """The whole linear program, and the index of the piece that each of its equations comes from."""

    closed: ClosedJaxpr
    owners: list[int]
    tangent_of: dict[Var, Atom]


def composed(forward: Program, pieces: Sequence[LinearPiece], moving: Sequence[Var]) -> Composed:
    """One linear program from the tangents of the inputs `moving` to those of the results."""
    tangent_of: dict[Var, Atom] = {var: Var(var.aval.tangent()) for var in moving}
    inputs = list(tangent_of.values())
    constvars: dict[int, Var] = {}
    consts: list[Any] = []
    eqns: list[Eqn] = []
    owners: list[int] = []
    for number, piece in enumerate(pieces):
        jaxpr = piece.closed.jaxpr
        here: dict[Any, Atom] = dict(zip(jaxpr.invars, (tangent_of[v] for v in piece.inputs), strict=True))
        for var, value in zip(jaxpr.constvars, piece.closed.consts, strict=True):
            if id(value) not in constvars:
                constvars[id(value)] = Var(var.aval)
                consts.append(value)
            here[var] = constvars[id(value)]
        for eqn in jaxpr.eqns:
            eqns.append(eqn.replace(invars=[x if type(x) is Literal else here.get(x, x) for x in eqn.invars]))
            owners.append(number)
        tangent_of.update((v, here.get(x, x)) for v, x in zip(piece.outputs, jaxpr.outvars, strict=True))
    outs = [x for _, x in forward.outputs if type(x) is Var and x in tangent_of]
    names = [node.title for node in forward.graph.nodes if node.kind == "input"]
    moved = [f"d {name}" for name, (_, var) in zip(names, forward.inputs, strict=True) if var in tangent_of]
    jaxpr = Jaxpr(
        tuple(constvars.values()),
        inputs,  # type: ignore[arg-type]
        eqns,
        [tangent_of[x] for x in outs],
        DebugNames(forward.graph.name, "linearize", moved),
    )
    return Composed(ClosedJaxpr(jaxpr, consts), owners, tangent_of)


def linear_program(
    forward: Program, pieces: Sequence[LinearPiece], moving: Sequence[Var], kept: Mapping[int, str]
) -> tuple[Program, list[int]]:
    """The linear program with its picture.

    Args:
        forward: the program that was linearized.
        pieces: its equations that move, in order.
        moving: the inputs that move.
        kept: names of the values of the forward program, by identity.

    Returns:
        (the program, for each of its equations the index of its piece).
    """
    whole = composed(forward, pieces, moving)
    called: dict[Var, str] = {}
    for var, tangent in whole.tangent_of.items():
        if type(tangent) is Var:
            called.setdefault(tangent, tangent_name(forward.name(var)))
    parts: dict[int, int] = {}
    for eqn, owner in zip(whole.closed.eqns, whole.owners, strict=True):
        for var in eqn.outvars:
            if var not in called:
                parts[owner] = parts.get(owner, 0) + 1
                called[var] = f"{tangent_name(forward.name(pieces[owner].outputs[0]))}.{parts[owner]}"
    spare = 0
    for var, value in zip(whole.closed.jaxpr.constvars, whole.closed.consts, strict=True):
        if id(value) not in kept:
            spare += 1
        called[var] = kept.get(id(value), f"kept {spare}")
    program = Program(whole.closed, f"derivative of {forward.graph.name}", "t", called)
    owners = [whole.owners[placed.index] for placed in program.equations]
    return program, owners


def tangent_name(name: str) -> str:
    """`da` is the tangent of `a`."""
    return f"d{name}" if len(name) == 1 else f"d({name})"


def pulled_lines(
    program: ClosedJaxpr, names: Mapping[Var, str], constants: Sequence[str], results: Sequence[str]
) -> list[str]:
    """The equations of a transposed piece: `ct(a) = mul ct(c) b`.

    Args:
        program: the transposed program.
        names: of its inputs.
        constants: names of its constants, in order.
        results: names of its results, in order.
    """
    jaxpr = program.jaxpr
    called = {**names, **dict(zip(jaxpr.constvars, constants, strict=True))}
    lines = []
    for name, atom in zip(results, jaxpr.outvars, strict=True):
        if type(atom) is Var and atom in called:
            lines.append(f"{name} = {called[atom]}")
        elif type(atom) is Var:
            called[atom] = name
    told = []
    for number, eqn in enumerate(jaxpr.eqns, 1):
        for place, var in enumerate(eqn.outvars):
            called.setdefault(var, f"t{number}" + (f".{place}" if place else ""))
        operands = " ".join(str(x.value) if type(x) is Literal else called[x] for x in eqn.invars)  # type: ignore[index]
        told.append(f"{', '.join(called[v] for v in eqn.outvars)} = {eqn.primitive.name} {operands}")
    return [*told, *lines]
