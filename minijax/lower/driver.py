"""The driver: a program's steps as one straight-line Python function, generated.

In: steps, a workspace, compiled kernels. Out: a function of NumPy values. Neighbouring kernels are one native call;
between them stand the equations that NumPy, OpenBLAS or LAPACK compute. Results and what calls read are fresh arrays; the
rest lies in a workspace that the program keeps (one for every thread that is inside).

Names in the generated text are generated; what it refers to is passed in, never printed into it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Array
from ..dtypes import float0
from ..ir import Atom, ClosedJaxpr, Eqn, GuardMismatch, Literal, Var, guard, state
from ..ir.guards import outcome_of
from ..ir.primitive import Primitive
from ..tree import tree_flatten, tree_unflatten
from . import native
from .buffers import Workspace, plan_workspace
from .emit_loops import emit_step
from .loops import Loop
from .steps import Call, Native, Step
from .workers import LARGE, Divided

__all__ = ["Driver"]

_LONG = 20_000  # elements from which it pays to let other threads run


class Driver:
    """A program's steps as functions: `values` on NumPy values, `arrays` on Arrays."""

    def __init__(self, closed: ClosedJaxpr, steps: Sequence[Step]) -> None:
        self.closed = closed
        self.steps = steps
        self.scope: dict[str, Any] = {}
        self.names: dict[Var, str] = {}
        self.body: list[str] = []
        self.guards = 0  # met so far
        self.lock = threading.Lock()
        self.workspace: Workspace = plan_workspace(steps, closed.jaxpr.outvars)
        self.last = self._last_uses()
        self._write()

    def _last_uses(self) -> dict[Var, int]:
        last: dict[Var, int] = {}
        for number, step in enumerate(self.steps):
            atoms = step.eqn.invars if type(step) is Call else step.variables
            last.update({x: number for x in atoms if type(x) is Var})
            if type(step) is Call:
                last.update({x: number for x in step.outs if x is not None})
        for atom in self.closed.jaxpr.outvars:
            if type(atom) is Var:
                last[atom] = len(self.steps)
        return last

    def constant(self, value: Any) -> str:
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def read(self, atom: Atom) -> str:
        return self.constant(atom.value) if type(atom) is Literal else self.names[atom]  # type: ignore[index]

    def _write(self) -> None:
        """Write the body of the functions."""
        jaxpr = self.closed.jaxpr
        for var, const in zip(jaxpr.constvars, self.closed.consts, strict=True):
            self.names[var] = self.constant(getattr(const, "_value", const))
        for i, var in enumerate(jaxpr.invars):
            self.names[var] = f"x{i}"
        fused = [step for step in self.steps if type(step) is not Call]
        emitted = [emit_step(step, alone=True) for step in fused]
        for step in fused:
            if type(step) is Loop:
                for var, value in step.constants:
                    if var not in self.names:
                        self.names[var] = self.constant(value)
        addresses = native.compiled(emitted)
        kernels = {id(step): pair for step, pair in zip(fused, zip(emitted, addresses, strict=True), strict=True)}
        if any(type(step) is Call and not step.eqn.primitive.takes_arrays for step in self.steps):
            self.scope["state"] = state
            self.body.append("    quietly = state.context.run")
        if self.workspace.size:
            self.scope["spare"] = []
            self.body.append(f"    w = spare.pop() if spare else {self.constant(self._new_workspace)}()")
        number = 0
        while number < len(self.steps):
            step = self.steps[number]
            if type(step) is Call:
                self.call(step)
                number += 1
            else:
                end = number + 1
                while end < len(self.steps) and not (
                    type(self.steps[end]) is Call
                    or _is_shared(self.steps[end - 1], kernels)
                    or _is_shared(self.steps[end], kernels)
                ):
                    end += 1
                self.segment(self.steps[number:end], kernels)  # type: ignore[arg-type]
                number = end
            self.free(number)
        if self.workspace.size:
            self.body.append("    spare.append(w)")

    def values(self) -> Callable[..., tuple[Any, ...]]:
        """The function `(*inputs) -> tuple of results` on NumPy values."""
        results = "".join(f"{self.read(atom)}, " for atom in self.closed.jaxpr.outvars)
        return self._function([], f"({results})")

    def arrays(self, tree: Any) -> Callable[..., Any]:
        """The function `(*Arrays) -> result` of a user's call.

        Args:
            tree: the result with numbers in place of its leaves.
        """
        opened = [f"    x{i} = x{i}._value" for i in range(len(self.closed.jaxpr.invars))]
        with self.lock:  # constants are named by how many there are
            self.scope["Array"] = Array
            return self._function(opened, self._displayed(tree))

    def _function(self, opened: list[str], result: str) -> Callable[..., Any]:
        inputs = ", ".join(f"x{i}" for i in range(len(self.closed.jaxpr.invars)))
        text = "\n".join([f"def run({inputs}):", *opened, *self.body, f"    return {result}"])
        made: dict[str, Any] = {}
        exec(compile(text, "<minijax program>", "exec"), self.scope, made)
        return made["run"]  # type: ignore[no-any-return]

    def _displayed(self, tree: Any) -> str:
        """Python text that puts a result together."""
        kind = type(tree)
        if kind is int:
            atom = self.closed.jaxpr.outvars[tree]
            value = self.read(atom)
            return value if atom.aval.dtype == float0 else f"Array({value}, {self.constant(atom.aval)})"
        if kind is tuple:
            return f"({''.join(self._displayed(x) + ', ' for x in tree)})"
        if kind is list:
            return f"[{', '.join(self._displayed(x) for x in tree)}]"
        if kind is dict:
            return f"{{{', '.join(f'{self.constant(k)}: {self._displayed(x)}' for k, x in tree.items())}}}"
        if tree is None:
            return "None"
        leaves, structure = tree_flatten(tree)
        return f"{self.constant(tree_unflatten)}({self.constant(structure)}, {self._displayed(leaves)})"

    def _new_workspace(self) -> np.ndarray:
        return np.empty(self.workspace.size, np.uint8)

    def free(self, done: int) -> None:
        """Let go of arrays that no step from `done` on reads."""
        dead = [var for var, last in self.last.items() if last < done and self.names.get(var, "").startswith("v")]
        if dead:
            self.body.append(f"    del {', '.join(self.names[var] for var in dead)}")
        for var in dead:
            del self.last[var]

    def new_name(self, var: Var) -> str:
        return self.names.setdefault(var, f"v{len(self.names)}")

    def call(self, step: Call) -> None:
        primitive: Primitive = step.eqn.primitive
        if primitive is guard:
            self.guard(step.eqn)
            return
        params = [f"{key}={self.constant(value)}" for key, value in step.eqn.params.items()]
        if primitive.takes_arrays:
            operands = [f"{self.constant(_wrapped(x))}({self.read(x)})" for x in step.eqn.invars]
            call = f"{self.constant(primitive.evaluate)}({', '.join([*operands, *params])})"
            call = f"{self.constant(_unwrapped)}({call})"
            many = True
        else:
            operands = [self.read(x) for x in step.eqn.invars]
            call = f"quietly({', '.join([self.constant(primitive.evaluate), *operands, *params])})"
            many = primitive.multiple_results
        targets = [self.new_name(var) if var is not None else "_" for var in step.outs]
        if targets:
            self.body.append(f"    {', '.join(targets)}{',' if many else ''} = {call}")
        else:
            self.body.append(f"    {call}")

    def guard(self, eqn: Eqn) -> None:
        """Compare the outcome of a Python decision with the recorded one."""
        kind, value = eqn.params["kind"], eqn.params["value"]
        self.guards += 1
        if kind == "value":  # a constant taken out of the program: nothing to compare
            return
        ask = {"bool": bool, "int": int}[kind]
        found, expected = f"{self.constant(ask)}({self.read(eqn.invars[0])})", self.constant(value)
        differs = f"{self.constant(_mismatch)}({kind!r}, {expected}, {self.read(eqn.invars[0])}, {self.guards - 1})"
        self.body.append(f"    if {found} != {expected}: raise {differs}")

    def segment(self, steps: Sequence[Native], kernels: dict[int, Any]) -> None:
        """Kernels that run one after the other without leaving native code."""
        slots: dict[Any, int] = {}
        pieces: list[Var] = []
        for step in steps:
            for var in step.variables:
                if var in self.workspace.places:
                    if var not in pieces:
                        pieces.append(var)
                elif var not in slots:
                    slots[var] = len(slots)
                    if var not in self.names:
                        shape, dtype = self.constant(var.aval.shape), self.constant(var.aval.dtype)
                        self.scope["empty"] = np.empty
                        self.body.append(f"    {self.new_name(var)} = empty({shape}, {dtype})")
        arguments = [self.names[var] for var in slots]
        if pieces:
            arguments.append("w")
            base = len(slots)
            slots["w"] = base
        count = len(slots)
        derived = []
        for var in pieces:
            slots[var] = len(slots)
            derived.append((slots[var], base, self.workspace.places[var]))
        calls, work = [], 0.0
        for step in steps:
            emitted, address = kernels[id(step)]
            calls.append((address, [slots[var] for var in step.variables], emitted.numbers))
            work += step.work
        if _is_shared(steps[0], kernels):
            found = self.shared(count, len(slots), derived, calls[0])
        else:
            found = native.enter(native.program(count, len(slots), derived, calls, frees_lock=work > _LONG))
        enter, again = self.constant(found), self.constant(_again)
        listed = ", ".join(arguments)
        self.body.append(f"    if {enter}({listed}): {again}({enter}, {listed})")

    def shared(self, arguments: int, slots: int, derived: Sequence[Any], call: tuple[int, Any, Any]) -> Divided:
        """A large kernel, to be called in parts."""
        address, buffers, (_, turns, *numbers) = call

        def part(begin: int, end: int) -> Callable[..., int]:
            piece = [(address, buffers, (begin, end, *numbers))]
            return native.enter(native.program(arguments, slots, derived, piece, frees_lock=True))

        return Divided(turns, part)


def _is_shared(step: Step, kernels: dict[int, Any]) -> bool:
    return type(step) is not Call and step.work >= LARGE and kernels[id(step)][0].divided  # type: ignore[union-attr, no-any-return]


def _again(enter: Callable[..., int], *arrays: Any) -> None:
    """Call native code with copies of the arrays that are not contiguous."""
    whole = [
        np.array(x, order="C") if type(x) is np.ndarray and not (x.flags.c_contiguous and x.flags.aligned) else x
        for x in arrays
    ]
    status = enter(*whole)
    if status:
        raise RuntimeError(f"native program refused its arguments (status {status}): {[type(x) for x in whole]}")


def _mismatch(kind: str, expected: Any, value: Any, index: int) -> GuardMismatch:
    return GuardMismatch(kind, expected, outcome_of(kind, np.asarray(value)), index)


def _wrapped(atom: Atom) -> Callable[[Any], Array]:
    aval = atom.aval
    return lambda value: Array(value, aval)


def _unwrapped(outs: Sequence[Any]) -> list[Any]:
    return [x._value if type(x) is Array else x for x in outs]
