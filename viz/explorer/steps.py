"""The parts of a timeline, and the run that fills them: values of a program at a point.

In: a `Program` and its arguments. Out: `Step`s, `Stage`s; and `Run`, which holds what the stages share. A step says what is
read, what is written, which node shows it, where it came from, and what appears in the picture: values that were
not computed yet are not there, which is something else than zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...array import Array, raw
from ...ir import Atom, Eqn, Literal, ShapedArray, Source, Var
from ...ir.branches import Branch
from ..graph import cut
from .linear import LinearPiece
from .program import Placed, Program
from .summary import is_odd, short_text, spoken_text

__all__ = ["DERIVATIVE", "VALUE", "Quantity", "Run", "Shown", "Stage", "Step"]

VALUE, DERIVATIVE = 0, 1  # the two lines of a node that steps fill in
Shown = tuple[str, int, str]  # node, line, text


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that a step reads or writes.

    Attributes:
        name: `a`, `da`, `ct(a)`.
        role: "value", "tangent", "cotangent" or "kept".
        value: NumPy; None for a zero that never became an array.
        before, part: of a cotangent that adds up: what was there already, what this step adds.
        more: further contributions are still to come.
    """

    name: str
    role: str
    value: Any
    before: Any = None
    part: Any = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One equation, input or result, as an interpreter handles it.

    Attributes:
        node: id of the node or frame that shows it.
        title: the equation, as in the picture.
        sentence: what happens, in words.
        sources: places in the user's program, innermost first, then the calls that led there.
        rule: what the primitive computes, or its derivative, as its documentation has it.
        reads, writes: quantities.
        shown: what appears in the picture.
        lines: what ran, as equations, where that is not the title; the arms of a branch.
    """

    node: str
    title: str
    sentence: str
    sources: tuple[Source, ...] = ()
    rule: str = ""
    reads: tuple[Quantity, ...] = ()
    writes: tuple[Quantity, ...] = ()
    shown: tuple[Shown, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """What one interpreter does.

    Attributes:
        key: "eval", "jvp", "linearize", "transpose" or "batch".
        title, intro: for people.
        graph: "forward" or "linear": which picture shows it.
        steps: in order.
        note: why it ends early; empty otherwise.
    """

    key: str
    title: str
    intro: str
    graph: str
    steps: tuple[Step, ...]
    note: str = ""


class Run:
    """The values of a program at a point.

    Attributes:
        program: what runs.
        env: the values of its variables, as far as they have been computed.
        moving: the inputs that have tangents.
        pieces: the equations that move when these do, linearized (filled by the stage "linearize").
        titles: of nodes and frames.
        branches: of guards, by node.
    """

    def __init__(self, program: Program, values: Sequence[Any]) -> None:
        self.program = program
        self.env: dict[Var, Any] = dict(program.consts)
        self.env.update(zip([var for _, var in program.inputs], values, strict=True))
        self.moving = [var for _, var in program.inputs if var.aval.is_differentiable]
        self.pieces: list[LinearPiece] = []
        self.titles = {x.id: x.title for x in (*program.graph.nodes, *program.graph.clusters)}
        self.branches: dict[str, Branch] = dict(program.graph.branches)

    @cached_property
    def names_of_values(self) -> dict[int, str]:
        """What the program calls its values, by identity; to be asked once they are all there."""
        return {id(value): self.program.name(var) for var, value in self.env.items()}

    def read(self, atoms: Sequence[Atom]) -> list[Any]:
        """The values of `atoms`."""
        return [x if type(x) is Literal else self.env[x] for x in atoms]  # type: ignore[index]

    def operands(self, eqn: Eqn) -> tuple[Quantity, ...]:
        """The values that an equation reads, each once; numbers in its title speak for themselves."""
        atoms = dict.fromkeys(x for x in eqn.invars if type(x) is Var)
        return tuple(Quantity(self.program.name(x), "value", raw(self.env[x])) for x in atoms)

    def results(self, eqn: Eqn) -> tuple[Quantity, ...]:
        """The values that an equation writes."""
        return tuple(Quantity(self.program.name(x), "value", raw(self.env[x])) for x in eqn.outvars)


def equation_text(program: Program, placed: Placed) -> str:
    """The equation, named as in the picture."""
    outs = ", ".join(program.name(v) for v in placed.eqn.outvars)
    operands = " ".join(program.name(x) for x in placed.eqn.invars)
    text = f"{placed.eqn.primitive.name} {operands}".rstrip()
    return cut(f"{outs} = {text}" if outs else text, 100)


def ones(aval: ShapedArray) -> Array:
    """The tangent or cotangent that everything starts from."""
    return Array(np.ones(aval.shape, aval.dtype), aval)


REFUSALS = (NotImplementedError, TypeError)  # what the interpreters raise when there is no rule


def refused(run: Run, placed: Placed, error: Exception) -> Step:
    """The step at which an interpreter gives up, with its reason."""
    title = equation_text(run.program, placed)
    return Step(
        placed.node,
        title,
        f"It ends here. {error.args[0].splitlines()[0]}",
        placed.sources,
        reads=run.operands(placed.eqn),
    )


def shown_values(node: str, quantities: Sequence[Quantity], line: int) -> Shown:
    """What appears in a node: `= 0.84`, `da = 0.54`, `ct(a) = 0.36 + ...`; `! = nan` where there are nan or inf."""
    texts = ["0" if q.value is None else short_text(q.value) for q in quantities[:2]]
    texts += ["\u2026"] if len(quantities) > 2 else []
    named = line == DERIVATIVE and len(quantities) == 1 and len(quantities[0].name) <= 8
    more = " + \u2026" if any(q.more for q in quantities) else ""
    odd = "! " if any(is_odd(q.value) for q in quantities) else ""
    return (
        node,
        line,
        f"{odd}{quantities[0].name if named else ''} = {', '.join(texts)}{more}".replace("  ", " ").strip(),
    )


def told(quantities: Sequence[Quantity]) -> str:
    """`c is 0.5`, `c is 0.5 and d is 2`; at most three."""
    texts = [f"{q.name} is {spoken_text(q.value)}" for q in quantities]
    if len(texts) > 3:
        texts = [*texts[:2], f"{len(texts) - 2} more"]
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
