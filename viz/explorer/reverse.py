"""linearize and transpose on the timeline: the derivative as a linear program, and that program run backwards.

In: a run whose values are known. Out: a stage for each. Linearized, each equation that moves writes down what its tangent
is in terms of the tangents of its operands, and keeps the values that this needs. Transposed, the cotangent of its
results becomes cotangents of its operands; what is used several times gets the sum of what comes back from each use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from ...array import raw
from ...interpreters._zeros import add_tangents
from ...interpreters.eval import eval_jaxpr
from ...interpreters.linearize import linearize_values
from ...interpreters.transpose import transpose_jaxpr, transpose_values
from ...ir import Var
from ..graph import bytes_text, counted
from .linear import LinearPiece, linear_program, pulled_lines
from .program import Placed, Program, alone
from .steps import (
    DERIVATIVE,
    REFUSALS,
    VALUE,
    Quantity,
    Run,
    Stage,
    Step,
    equation_text,
    ones,
    refused,
    shown_values,
    told,
)
from .summary import short_text, spoken_text
from .words import formula_of, where

__all__ = ["linearize_stage", "transpose_stage"]


# --- linearize ------------------------------------------------------------------------------------------------

_RECORDING = (
    "The derivative as a program of its own, linear in the tangents. The numbers in it are known: they are kept for the "
    "way back."
)


def linearize_stage(run: Run) -> tuple[Stage, Program | None]:
    """The linear program, equation by equation; None for it when an equation has no derivative."""
    pieces, stopped = _pieces(run)
    if stopped is not None:
        return Stage("linearize", "Linear program", _RECORDING, "forward", (stopped,), stopped.sentence), None
    run.pieces = pieces
    linear, owners = linear_program(run.program, pieces, run.moving, run.names_of_values)
    env: dict[Any, Any] = dict(linear.consts)
    steps = []
    for node, var in linear.inputs:
        env[var] = ones(var.aval)
        moves = (Quantity(linear.name(var), "tangent", raw(env[var])),)
        title = _title_of(linear, node)
        sentence = f"{title} is an input of the linear program. Here it is run with ones."
        steps.append(Step(node, title, sentence, writes=moves, shown=(shown_values(node, moves, VALUE),)))
    for placed, owner in zip(linear.equations, owners, strict=True):
        _run_forwards(placed, env)
        if placed.node:
            steps.append(_recorded_step(run, linear, placed, pieces[owner], env))
    steps += [_linear_result(linear, node, atom, env) for node, atom in linear.outputs]
    return Stage("linearize", "Linear program", _RECORDING, "linear", tuple(steps)), linear


def _run_forwards(placed: Placed, env: dict[Any, Any]) -> None:
    """Evaluate an equation of the linear program; what has a rule for reverse mode only stays without values."""
    jaxpr, inputs = alone(placed.eqn)
    if all(x in env for x in inputs):
        with suppress(*REFUSALS):
            env.update(zip(placed.eqn.outvars, eval_jaxpr(jaxpr, (), *[env[x] for x in inputs]), strict=True))


def _linear_result(linear: Program, node: str, atom: Any, env: Mapping[Any, Any]) -> Step:
    size = sum(x.aval.size * x.aval.dtype.itemsize for x in linear.closed.jaxpr.constvars)
    kept = f"The linear program keeps {counted(len(linear.closed.consts), 'array')}, {bytes_text(size)}."
    title = _title_of(linear, node)
    if type(atom) is Var and atom not in env:
        return Step(node, title, kept)
    out = (Quantity(linear.name(atom), "tangent", raw(env.get(atom, atom))),)
    sentence = f"The same rate as by jvp: {spoken_text(out[0].value)}. {kept}"
    return Step(node, title, sentence, reads=out, shown=(shown_values(node, out, VALUE),))


def _pieces(run: Run) -> tuple[list[LinearPiece], Step | None]:
    """The linear program of each equation that moves."""
    moving = set(run.moving)
    pieces = []
    for placed in run.program.equations:
        eqn = placed.eqn
        jaxpr, inputs = alone(eqn)
        flags = [x in moving for x in inputs]
        if not any(flags):
            continue
        known = {var: run.env[var] for var in eqn.outvars}
        try:
            _, closed, found = linearize_values(jaxpr, (), run.read(inputs), flags, known)
        except REFUSALS as error:
            return [], refused(run, placed, error)
        outputs = [var for var, flag in zip(eqn.outvars, found, strict=True) if flag]
        if outputs:
            moving.update(outputs)
            pieces.append(
                LinearPiece(placed, [x for x, flag in zip(inputs, flags, strict=True) if flag], outputs, closed)
            )
    return pieces, None


def _title_of(program: Program, node: str) -> str:
    return next(x.title for x in program.graph.nodes if x.id == node)


def _recorded_step(run: Run, linear: Program, placed: Placed, piece: LinearPiece, env: Mapping[Any, Any]) -> Step:
    eqn = placed.eqn
    read = dict.fromkeys(x for x in eqn.invars if type(x) is Var)
    names = run.names_of_values
    kept = [Quantity(names.get(id(env[x]), "kept"), "kept", raw(env[x])) for x in read if x in linear.consts]
    tangents = [Quantity(linear.name(x), "tangent", raw(env[x])) for x in read if x in env and x not in linear.consts]
    written = tuple(Quantity(linear.name(v), "tangent", raw(env[v])) for v in eqn.outvars if v in env)
    forward = equation_text(run.program, piece.placed)
    sentence = f"{where(placed.sources)}the derivative of {forward} is written down."
    if kept:
        sentence += f" Kept for the way back: {', '.join(map(_kept_text, kept))}."
    if not written:
        sentence += " It is not run here: there is a rule for the way back only."
    node = linear.node_of(eqn.outvars[0]) if written else ""
    return Step(
        placed.node,
        equation_text(linear, placed),
        sentence,
        placed.sources,
        formula_of(piece.placed.eqn.primitive),
        (*kept, *tangents),
        written,
        (shown_values(node, written, VALUE),) if node else (),
    )


def _kept_text(quantity: Quantity) -> str:
    text = spoken_text(quantity.value)
    return text if quantity.name == "kept" else f"{quantity.name}, which is {text}"


# --- transpose ------------------------------------------------------------------------------------------------

_PULLING = (
    "Backwards: each equation sends the cotangent of its result back to what it read. Cotangents that meet are added."
)


class _Pull(NamedTuple):
    """One equation transposed: cotangents that arrived, and for each operand what was there and what is added."""

    piece: LinearPiece
    arrived: list[Any]
    before: list[Any]
    parts: list[Any]


def transpose_stage(run: Run) -> Stage:
    """Cotangents, from the results to the arguments."""
    program = run.program
    cts: dict[Var, Any] = {}
    steps, pending = [], Counter[Var]()
    seeds = [(node, x) for node, x in program.outputs if type(x) is Var and x.aval.is_differentiable]
    for _, var in seeds:
        cts[var] = add_tangents(cts.get(var), ones(var.aval.tangent()))
    first = {var: ones(var.aval.tangent()) for _, var in seeds}
    pulls = _pulls(run, cts)
    pending.update(
        var for pull in pulls for var, part in zip(pull.piece.inputs, pull.parts, strict=True) if part is not None
    )
    for node, var in seeds:
        arrives = (Quantity(_ct(run, var), "cotangent", raw(first[var]), more=pending[var] > 0),)
        title = run.titles[node]
        sentence = (
            "The cotangent of the result is 1: how much does the result change with each value? With itself, by 1."
        )
        shown = tuple(shown_values(x, arrives, DERIVATIVE) for x in dict.fromkeys((node, program.node_of(var))))
        steps.append(Step(node, title, sentence, writes=arrives, shown=shown))
    for pull in pulls:
        pending.subtract(v for v, part in zip(pull.piece.inputs, pull.parts, strict=True) if part is not None)
        if pull.piece.placed.node:
            steps.append(_pulled_step(run, pull, pending))
    for node, var in reversed(program.inputs):
        if var.aval.is_differentiable:
            steps.append(_gradient_step(run, node, var, cts.get(var)))
    return Stage("transpose", "Cotangents", _PULLING, "forward", tuple(steps))


def _ct(run: Run, var: Var) -> str:
    return f"ct({run.program.name(var)})"


def _pulls(run: Run, cts: dict[Var, Any]) -> list[_Pull]:
    """Pull the cotangents back through all pieces, last to first; `cts` holds them all at the end."""
    pulls = []
    for piece in reversed(run.pieces):
        arrived = [cts.get(var) for var in piece.outputs]
        if arrived.count(None) == len(arrived):
            continue
        nothing = (None,) * len(piece.inputs)
        parts = transpose_values(piece.closed.jaxpr, piece.closed.consts, nothing, arrived)
        before = [cts.get(var) for var in piece.inputs]
        for var, part in zip(piece.inputs, parts, strict=True):
            if part is not None:
                cts[var] = add_tangents(cts.get(var), part)
        pulls.append(_Pull(piece, arrived, before, parts))
    return pulls


def _pulled_step(run: Run, pull: _Pull, pending: Counter[Var]) -> Step:
    piece, program = pull.piece, run.program
    eqn = piece.placed.eqn
    arrived = tuple(
        Quantity(_ct(run, var), "cotangent", None if ct is None else raw(ct))
        for var, ct in zip(piece.outputs, pull.arrived, strict=True)
    )
    sent, shown = [], []
    for var, before, part in zip(piece.inputs, pull.before, pull.parts, strict=True):
        if part is not None:
            total = raw(add_tangents(before, part))
            was = None if before is None else raw(before)
            sent.append(Quantity(_ct(run, var), "cotangent", total, was, raw(part), pending[var] > 0))
            shown.append(shown_values(program.node_of(var), sent[-1:], DERIVATIVE))
    back = ", ".join(_sent_text(q) for q in sent) or "nothing"
    sentence = (
        f"{where(piece.placed.sources)}{told([q for q in arrived if q.value is not None])}; it sends back {back}."
    )
    return Step(
        piece.placed.node,
        equation_text(program, piece.placed),
        sentence,
        piece.placed.sources,
        formula_of(eqn.primitive),
        (*run.operands(eqn), *arrived),
        tuple(sent),
        tuple(shown),
        tuple(_transposed_lines(run, pull)),
    )


def _sent_text(q: Quantity) -> str:
    part = spoken_text(q.part)
    if q.before is None:
        return f"{part} to {q.name}"
    return f"{part} to {q.name}, which had {spoken_text(q.before)} and has {spoken_text(q.value)} now"


def _transposed_lines(run: Run, pull: _Pull) -> list[str]:
    """What ran: the piece, transposed."""
    piece = pull.piece
    given = tuple(ct is not None for ct in pull.arrived)
    closed, found = transpose_jaxpr(piece.closed, (True,) * len(piece.inputs), given)
    arrived = [_ct(run, var) for var, flag in zip(piece.outputs, given, strict=True) if flag]
    results = [_ct(run, var) for var, flag in zip(piece.inputs, found, strict=True) if flag]
    constants = [run.names_of_values.get(id(x), short_text(raw(x))) for x in closed.consts]
    return pulled_lines(closed, dict(zip(closed.jaxpr.invars, arrived, strict=True)), constants, results)


def _gradient_step(run: Run, node: str, var: Var, ct: Any) -> Step:
    title = run.titles[node]
    if ct is None:
        nothing = (Quantity(_ct(run, var), "cotangent", None),)
        sentence = f"Nothing came back to {title}: the result does not depend on it, or its derivative is zero."
        return Step(node, title, sentence, reads=nothing, shown=(shown_values(node, nothing, DERIVATIVE),))
    gradient = (Quantity(_ct(run, var), "cotangent", raw(ct)),)
    sentence = f"All has come back to {title}: the gradient with respect to it is {spoken_text(raw(ct))}."
    return Step(node, title, sentence, reads=gradient, shown=(shown_values(node, gradient, DERIVATIVE),))
