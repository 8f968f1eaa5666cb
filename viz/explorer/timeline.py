"""The timeline: a function run once at a point, equation by equation, by every interpreter.

In: a program and its arguments. Out: stages of steps. The interpreters do the work, on programs of one equation each, so that
every value on the way can be looked at; run on the whole program they give the same numbers. Values and tangents are
here, what is linear in `reverse.py`, many examples at once in `examples.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...array import raw
from ...interpreters.eval import eval_jaxpr
from ...interpreters.jvp import jvp_values
from ...ir import Atom, ClosedJaxpr, guard
from .linear import tangent_name
from .program import Placed, Program, alone
from .reverse import linearize_stage, transpose_stage
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
from .summary import spoken_text
from .words import arm_lines, called, formula_of, guard_sentence, meaning_of, where

__all__ = ["Timeline", "timeline_of"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All stages of a run.

    Attributes:
        forward: the program.
        linear: its derivative as a linear program; None where there is none.
        stages: those in which there is something to see.
    """

    forward: Program
    linear: Program | None
    stages: tuple[Stage, ...]


def timeline_of(closed: ClosedJaxpr, values: Sequence[Any], name: str) -> Timeline:
    """Run a program at a point, through every interpreter.

    Args:
        closed: the program.
        values: its arguments (Arrays).
        name: what to call it.

    Returns:
        The timeline. The tangents of all inputs of floating point type are ones, and so are the cotangents of all such
        results.
    """
    run = Run(Program(closed, name), values)
    reason = _no_derivative(run)
    stages = [replace(eval_stage(run), note=reason)]
    linear = None
    if not reason:
        stages.append(jvp_stage(run))
        stage, linear = linearize_stage(run)
        stages.append(stage)
        if linear is not None:
            stages.append(transpose_stage(run))
    return Timeline(run.program, linear, tuple(stages))


def _no_derivative(run: Run) -> str:
    """Why there is nothing to differentiate; empty if there is."""
    if not run.moving:
        return "There are values only: no input is a floating point number, so nothing can move (write 3.0 instead of 3)."
    if not any(atom.aval.is_differentiable for _, atom in run.program.outputs):
        return "There are values only: no result is a floating point number, so none has a derivative."
    return ""


# --- eval -----------------------------------------------------------------------------------------------------


def eval_stage(run: Run) -> Stage:
    """Values, from the arguments to the results."""
    program, steps = run.program, []
    for node, var in program.inputs:
        given = (Quantity(program.name(var), "value", raw(run.env[var])),)
        sentence = f"The argument {run.titles[node]} is given. {told(given)}."
        steps.append(Step(node, run.titles[node], sentence, writes=given, shown=(shown_values(node, given, VALUE),)))
    for placed in program.equations:
        jaxpr, inputs = alone(placed.eqn)
        run.env.update(zip(placed.eqn.outvars, eval_jaxpr(jaxpr, (), *run.read(inputs)), strict=True))
        if placed.node:
            steps.append(_guard_step(run, placed) if placed.eqn.primitive is guard else _value_step(run, placed))
    for node, atom in program.outputs:
        out = (Quantity(program.name(atom), "value", raw(run.read([atom])[0])),)
        sentence = f"The function returns {spoken_text(out[0].value)}."
        steps.append(Step(node, run.titles[node], sentence, reads=out, shown=(shown_values(node, out, VALUE),)))
    return Stage(
        "eval",
        "Values",
        "The function runs at these arguments, one equation after the other.",
        "forward",
        tuple(steps),
    )


def _value_step(run: Run, placed: Placed) -> Step:
    eqn, results = placed.eqn, run.results(placed.eqn)
    sentence = f"{where(placed.sources)}{told(results) or meaning_of(eqn.primitive)}"
    user = called(placed.sources) if len(results) == 1 else ""
    sentence += f", which the program calls \u2018{user}\u2019." if user else "."
    node = run.program.node_of(eqn.outvars[0]) if results else ""
    shown = (shown_values(node, results, VALUE),) if node else ()
    return Step(
        placed.node,
        equation_text(run.program, placed),
        sentence,
        placed.sources,
        meaning_of(eqn.primitive),
        run.operands(eqn),
        results,
        shown,
    )


def _guard_step(run: Run, placed: Placed) -> Step:
    branch, title, read = run.branches[placed.node], run.titles[placed.node], run.operands(placed.eqn)
    return Step(
        placed.node, title, guard_sentence(branch), placed.sources, reads=read, lines=tuple(arm_lines(branch))
    )


# --- jvp ------------------------------------------------------------------------------------------------------


def jvp_stage(run: Run) -> Stage:
    """Tangents beside the values: how fast everything moves when the inputs do."""
    program, steps = run.program, []
    tangents: dict[Atom, Any] = {var: ones(var.aval.tangent()) for var in run.moving}
    for node, var in program.inputs:
        moves = (tangent_of(run, tangents, var),)
        title = run.titles[node]
        sentence = (
            f"{title} moves at rate 1: {told(moves)}." if var in tangents else f"{title} is a whole number: fixed."
        )
        steps.append(Step(node, title, sentence, writes=moves, shown=(shown_values(node, moves, DERIVATIVE),)))
    for placed in program.equations:
        eqn = placed.eqn
        read = [tangent_of(run, tangents, x) for x in dict.fromkeys(eqn.invars) if x in tangents]
        if read:
            jaxpr, inputs = alone(eqn)
            try:
                _, outs = jvp_values(jaxpr, (), run.read(inputs), [tangents.get(x) for x in inputs])
            except REFUSALS as error:
                steps.append(refused(run, placed, error))
                return Stage("jvp", "Tangents", _MOVING, "forward", tuple(steps), steps[-1].sentence)
            tangents.update((v, t) for v, t in zip(eqn.outvars, outs, strict=True) if t is not None)
        if placed.node:
            steps.append(_tangent_step(run, placed, read, [tangent_of(run, tangents, v) for v in eqn.outvars]))
    for node, atom in program.outputs:
        moves = (tangent_of(run, tangents, atom),)
        sentence = f"When the inputs move at rate 1, the result moves at rate {spoken_text(moves[0].value)}."
        steps.append(
            Step(node, run.titles[node], sentence, reads=moves, shown=(shown_values(node, moves, DERIVATIVE),))
        )
    return Stage("jvp", "Tangents", _MOVING, "forward", tuple(steps))


_MOVING = "All inputs move at rate 1; the tangent of a value is the rate at which it moves then."


def tangent_of(run: Run, tangents: Mapping[Atom, Any], atom: Atom) -> Quantity:
    """The tangent of a value."""
    found = tangents.get(atom)
    return Quantity(tangent_name(run.program.name(atom)), "tangent", None if found is None else raw(found))


def _tangent_step(run: Run, placed: Placed, read: Sequence[Quantity], written: Sequence[Quantity]) -> Step:
    eqn, title = placed.eqn, equation_text(run.program, placed)
    if eqn.primitive is guard:
        title = run.titles[placed.node]
        sentence = "The derivative follows the arm that ran; which one runs does not change near these inputs."
    elif not read:
        sentence = f"{where(placed.sources)}nothing that it reads moves, so the tangent is zero."
    elif all(q.value is None for q in written):
        sentence = f"{where(placed.sources)}what it reads moves, but its derivative is zero."
    else:
        sentence = f"{where(placed.sources)}{told([q for q in written if q.value is not None])}."
    node = run.program.node_of(eqn.outvars[0]) if eqn.outvars else ""
    shown = (shown_values(node, written, DERIVATIVE),) if node else ()
    reads = (*run.operands(eqn), *read)
    return Step(placed.node, title, sentence, placed.sources, formula_of(eqn.primitive), reads, tuple(written), shown)
