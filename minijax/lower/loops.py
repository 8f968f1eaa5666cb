"""Loops and branches as native steps: scan, while and cond whose bodies are machine code from end to end.

In: an equation that holds Jaxprs. Out: a `Loop` with one `Block` of native steps per body, or None if a body must call
NumPy, in which case the equation is a call as a whole. The control flow itself is LLVM IR (`emit_loops.py`): there is no
Python inside a loop, and a body of scalars runs in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, ShapedArray, Var, lookup
from .buffers import plan_workspace
from .cumulative import CUMULATIVE, Cumulative, cumulative_of
from .facts import sort_of
from .fuse import plan
from .in_place import writes_last, written_in_place
from .scalars import NATIVE, word_of
from .steps import Call, Native

__all__ = ["Block", "Loop", "lower_loop"]

_BYTES = np.dtype(np.uint8)
_ALIGNMENT = 64
_UNKNOWN_STEPS = 100  # of a while loop, for estimates of work


class Block(NamedTuple):
    """A body: native steps, where its own variables lie in the scratch memory, and its constants.

    Every result is computed by the body and by one equation alone, so that it can be written where it is wanted.
    """

    jaxpr: Jaxpr
    steps: tuple[Native, ...]
    places: dict[Var, int]
    size: int
    constants: tuple[tuple[Var, Any], ...]
    in_place: frozenset[int] = frozenset()  # places of the carries that it changes where they are


class Loop(NamedTuple):
    """A native step that runs blocks: `kind` is scan, while or cond.

    Attributes:
        eqn: the equation.
        operands: its operands as variables (literals became constants).
        blocks: body; predicate and body; or the branches.
        scratch: the variable of its scratch memory.
        carries: byte offsets of two buffers for each carry in the scratch memory.
        constants: arrays that it brings along, its blocks' included.
    """

    kind: str
    eqn: Eqn
    operands: tuple[Var, ...]
    blocks: tuple[Block, ...]
    scratch: Var
    carries: tuple[tuple[int, int], ...]
    constants: tuple[tuple[Var, Any], ...]

    @property
    def variables(self) -> tuple[Var, ...]:
        """Operands, constants, results, scratch memory."""
        return tuple(
            dict.fromkeys((*self.operands, *(var for var, _ in self.constants), *self.eqn.outvars, self.scratch))
        )

    @property
    def written(self) -> tuple[bool, ...]:
        """For each variable, whether the step writes it."""
        made = {*self.eqn.outvars, self.scratch}
        return tuple([var in made for var in self.variables])

    @property
    def work(self) -> float:
        """About how many scalar operations it makes."""
        once = sum(step.work for block in self.blocks for step in block.steps)
        return once * {"scan": self.eqn.params.get("length", 1), "while": _UNKNOWN_STEPS}.get(self.kind, 1)


def lower_loop(eqn: Eqn, optimised: Callable[[ClosedJaxpr], ClosedJaxpr]) -> Loop | Cumulative | None:
    """The native form of an equation with bodies, or of a running reduction; None if part of it is not native."""
    if any(x.aval.dtype not in NATIVE for x in (*eqn.invars, *eqn.outvars)):
        return None
    kind = word_of(eqn.primitive.lower)
    if kind in CUMULATIVE:
        return cumulative_of(eqn)
    params = eqn.params
    bodies = {
        "scan": lambda: (params["jaxpr"],),
        "while": lambda: (params["cond_jaxpr"], params["body_jaxpr"]),
        "cond": lambda: params["branches"],
    }[kind]()
    blocks = []
    for number, body in enumerate(bodies):
        block = _block(body, optimised, _carried(kind, number, params))
        if block is None:
            return None
        blocks.append(block)
    constants: list[tuple[Var, Any]] = [pair for block in blocks for pair in block.constants]
    operands = []
    for atom in eqn.invars:
        if type(atom) is Literal:
            var = Var(atom.aval)
            constants.append((var, np.asarray(atom.value).astype(atom.aval.dtype)))
            operands.append(var)
        else:
            operands.append(atom)
    size = sum(block.size for block in blocks)
    carries = []
    for place, var in enumerate(_carries(kind, eqn)):
        length = -(-var.aval.size * var.aval.dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        other = 0 if place in blocks[-1].in_place else length
        carries.append((size, size + other))
        size += length + other
    scratch = Var(ShapedArray((max(size, 1),), _BYTES))
    return Loop(kind, eqn, tuple(operands), tuple(blocks), scratch, tuple(carries), tuple(constants))


def _carries(kind: str, eqn: Eqn) -> tuple[Var, ...]:
    if kind == "scan":
        return tuple(eqn.outvars[: eqn.params["num_carry"]])
    return tuple(eqn.outvars) if kind == "while" else ()


def _carried(kind: str, number: int, params: dict[str, Any]) -> tuple[int, int]:
    """(first, end) of the inputs of body `number` of a loop that its first results replace."""
    if kind == "scan":
        return params["num_consts"], params["num_consts"] + params["num_carry"]
    if kind == "while" and number == 1:
        return params["body_nconsts"], len(params["body_jaxpr"].jaxpr.invars)
    return 0, 0


def _block(
    body: ClosedJaxpr, optimised: Callable[[ClosedJaxpr], ClosedJaxpr], carried: tuple[int, int]
) -> Block | None:
    closed = _with_own_results(optimised(body))
    if closed.effects:
        return None
    inputs = closed.jaxpr.invars[slice(*carried)]
    pairs = list(zip(inputs, closed.jaxpr.outvars, strict=False))
    closed = ClosedJaxpr(writes_last(closed.jaxpr, pairs, sort_of), closed.consts)
    in_place, places = written_in_place(closed.jaxpr, pairs, sort_of)
    steps = plan(closed, lambda eqn: lower_loop(eqn, optimised), inside=True, in_place=in_place)
    if any(type(step) is Call for step in steps):
        return None
    workspace = plan_workspace(steps, (*closed.jaxpr.outvars, *in_place.homes.values()))
    constants = [(var, getattr(x, "_value", x)) for var, x in zip(closed.jaxpr.constvars, closed.consts, strict=True)]
    for step in steps:
        if type(step) is Loop:
            constants += step.constants
    return Block(closed.jaxpr, tuple(steps), workspace.places, workspace.size, tuple(constants), places)  # type: ignore[arg-type]


def _with_own_results(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The body with copies where a result is an input, a constant, a literal or given twice."""
    jaxpr = closed.jaxpr
    made = {var for eqn in jaxpr.eqns for var in eqn.outvars}
    eqns, outvars = list(jaxpr.eqns), []
    copy = lookup("copy")
    for atom in jaxpr.outvars:
        if type(atom) is Var and atom in made:
            made.discard(atom)
            outvars.append(atom)
            continue
        var = Var(atom.aval)
        eqns.append(_copy(copy, atom, var))
        outvars.append(var)
    return ClosedJaxpr(jaxpr.replace(eqns=eqns, outvars=outvars), closed.consts)


def _copy(copy: Any, atom: Atom, var: Var) -> Eqn:
    return Eqn(copy, (atom,), (var,), {}, None)
