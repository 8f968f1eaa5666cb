"""A whole lowered program as readable Python: what `as_text()` shows, and what the tests hold machine code against.

In: an optimised ClosedJaxpr and its steps. Out: a `Readable`: source text that stands alone (NumPy, and numba if it is there), and
the same program as a function, with numba or without. A kernel is a function (`emit_python.py`), a loop over kernels
another one; the function `program` calls them in order, and NumPy for the rest. Arrays are flat inside kernels.

Names are those of the variables in the printed Jaxpr.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..array import Array
from ..ir import Atom, ClosedJaxpr, Eqn, GuardMismatch, Jaxpr, Literal, Var, guard, state
from ..ir.guards import outcome_of
from ..ir.printer import names_of, print_jaxpr
from . import python_scalars
from .cumulative import Cumulative, python_cumulative
from .emit_python import Source, emit_python
from .emit_python_loops import LoopWriter
from .loops import Loop
from .steps import Call, Step

__all__ = ["Readable", "helpers", "imports", "readable"]

_MATH = ("erf", "erfc")


class Readable(NamedTuple):
    """A program as Python.

    Attributes:
        imports: what the text takes from NumPy and `math`.
        text: the functions, `program` last.
        scope: what they refer to besides: NumPy rules of primitives, constants.
    """

    imports: str
    text: str
    scope: dict[str, Any]

    @property
    def source(self) -> str:
        """The whole text, as a file to read or run."""
        return f"from numba import njit\n{self.imports}\n\n\n{self.text}"

    def function(self, njit: Callable[..., Any] | None = None) -> Callable[..., tuple[Any, ...]]:
        """The program as a function of NumPy arrays.

        Args:
            njit: what compiles the kernels, `numba.njit(error_model="numpy")`; None: Python runs them.
        """
        scope = dict(self.scope)
        scope["njit"] = njit or (lambda f: f)
        exec(compile(f"{self.imports}\n{self.text}", "<minijax readable program>", "exec"), scope)
        return scope["program"]  # type: ignore[no-any-return]


def readable(closed: ClosedJaxpr, steps: Sequence[Step]) -> Readable:
    """The Python rendering of a program.

    Args:
        closed: the optimised program.
        steps: what it was lowered to.
    """
    return _Writer(closed).program(steps)


def helpers(names: set[str]) -> list[str]:
    """Texts of the functions of `python_scalars.py` among `names`."""
    own = sorted(name for name in names if _is_own(name))
    return [f"@njit\n{python_scalars.source_of(name).rstrip()}" for name in own]


def imports(names: set[str]) -> str:
    """The import statements for `names`, and for what those functions need."""
    own = {name for name in names if _is_own(name)}
    names = names - own - {"abs"}
    for name in own:
        names |= set(python_scalars.NEEDS.get(name, ()))
    mathematics = sorted(names & {*_MATH})
    lines = [f"from math import {', '.join(mathematics)}"] if mathematics else []
    if "bfloat16" in names:
        lines.append("from ml_dtypes import bfloat16")
    taken = sorted(names - {*_MATH, "bfloat16"})
    return "\n".join([*lines, f"from numpy import {', '.join(taken)}"] if taken else lines)


class _Writer:
    def __init__(self, closed: ClosedJaxpr) -> None:
        self.closed = closed
        self.kernels = Source()
        self.body = Source()
        self.body.depth = 1
        self.scope: dict[str, Any] = {}
        self.names: dict[Var, str] = {
            var: f"{name}_" if keyword.iskeyword(name) else name
            for var, name in names_of(closed).items()
            if type(var) is Var and name != "_"
        }
        self.count = 0
        self.made: set[Var] = {*closed.jaxpr.constvars, *closed.jaxpr.invars}

    def program(self, steps: Sequence[Step]) -> Readable:
        jaxpr = self.closed.jaxpr
        for var, const in zip(jaxpr.constvars, self.closed.consts, strict=True):
            self.scope[self.names[var]] = np.asarray(getattr(const, "_value", const))
        for number, step in enumerate(steps):
            if type(step) is Call:
                self.call(number, step)
            else:
                self.native(number, step)
        results = ", ".join(self.read(atom) for atom in jaxpr.outvars)
        comma = "," if len(jaxpr.outvars) == 1 else ""
        self.body.line(f"return ({results}{comma})")
        inputs = ", ".join(self.names[var] for var in jaxpr.invars)
        head = [f"def program({inputs}):"]
        if jaxpr.constvars:
            listed = ", ".join(f"{self.names[var]}: {var.aval.str_short()}" for var in jaxpr.constvars)
            head.append(f"    # constants of the program: {listed}")
        names = self.kernels.names | self.body.names
        native = any(type(step) is not Call for step in steps)
        if native:
            names.add("ascontiguousarray")
        parts = [*helpers(names), *["\n".join(self.kernels.lines)][: len(self.kernels.lines)]]
        parts += [*[_FLAT][:native], "\n".join([*head, *self.body.lines])]
        text = "\n\n\n".join(parts) + "\n"
        return Readable(imports(names), text, self.scope)

    # -- steps ---------------------------------------------------------------------------------------------------

    def name(self, var: Var) -> str:
        if var not in self.names:
            self.count += 1
            self.names[var] = f"v{self.count}"
        return self.names[var]

    def read(self, atom: Atom) -> str:
        if type(atom) is not Literal:
            return self.name(atom)  # type: ignore[arg-type]
        return self.scalar(np.asarray(atom.value).astype(atom.aval.dtype)[()])

    def scalar(self, value: Any) -> str:
        self.body.names.add("asarray")
        text = self.body.constant(value, value.dtype)
        return f"asarray({text})"

    def native(self, number: int, step: Any) -> None:
        if type(step) is Loop:
            for var, value in step.constants:
                if var not in self.made:
                    self.made.add(var)
                    self.constant(var, np.asarray(value))
        variables = [var for var in step.variables if type(step) is not Loop or var is not step.scratch]
        for var in variables:
            if var not in self.made:
                self.made.add(var)
                self.body.names.add("empty")
                shape = f"({', '.join(map(str, var.aval.shape))}{',' if var.aval.ndim == 1 else ''})"
                self.body.line(f"{self.name(var)} = empty({shape}, {self.body.dtype(var.aval.dtype)})")
        buffers = [self.name(var) for var in variables]
        if type(step) is Cumulative:
            name = f"{step.eqn.primitive.name}_{number}"
            python_cumulative(self.kernels, step, name, buffers)
        elif type(step) is Loop:
            name = f"{step.kind}_{number}"
            LoopWriter(self.kernels, name).function(step, buffers)
        else:
            name = f"kernel_{number}"
            emit_python(self.kernels, step.kernel, name, buffers)
        self.body.line(f"{name}({', '.join(f'flat({buffer})' for buffer in buffers)})")

    def constant(self, var: Var, value: np.ndarray) -> None:
        """An array that a loop brings along."""
        name = self.name(var)
        if value.ndim == 0 and value.dtype.kind in "biuf":
            self.body.line(f"{name} = {self.scalar(value[()])}")
        else:
            self.scope[name] = value
            self.body.line(f"# {name}: a constant {var.aval.str_short()}")

    def call(self, number: int, step: Call) -> None:
        eqn = step.eqn
        if eqn.primitive is guard:
            self.guard(number, eqn)
            return
        name = f"{eqn.primitive.name}_{number}"
        self.scope[name] = _rule(eqn)
        targets = []
        for var in step.outs:
            if var is not None:
                self.made.add(var)
            targets.append("_" if var is None else self.name(var))
        shown = (
            " ".join(print_jaxpr(_alone(eqn)).split()).partition(" = ")[2].rpartition(" in (")[0].rpartition("]")[0]
        )
        comment = f"  # {shown}]" if 0 < len(shown) < 100 else ""
        given = f"{name}({', '.join(self.read(x) for x in eqn.invars)})"
        self.body.line(f"{', '.join(targets)}{',' if targets else ''}{' = ' if targets else ''}{given}{comment}")

    def guard(self, number: int, eqn: Eqn) -> None:
        kind, value = eqn.params["kind"], eqn.params["value"]
        if kind == "value":
            return
        name = f"mismatch_{number}"
        self.scope[name] = lambda found: GuardMismatch(kind, value, outcome_of(kind, np.asarray(found)))
        operand = self.read(eqn.invars[0])
        place = "" if eqn.source is None or not eqn.source.line_text else f"  # {eqn.source.line_text}"
        self.body.line(f"if {kind}({operand}) != {value!r}: raise {name}({operand}){place}")


_FLAT = """def flat(x):
    return ascontiguousarray(x).reshape(-1)"""


def _is_own(name: str) -> bool:
    return name in python_scalars.__all__ or name.startswith("to_")


def _alone(eqn: Eqn) -> Any:
    """A program of one equation, to print it."""
    return Jaxpr((), [x for x in dict.fromkeys(eqn.invars) if type(x) is Var], [eqn], eqn.outvars)


def _rule(eqn: Eqn) -> Callable[..., Any]:
    """The primitive's NumPy rule as a function of arrays that returns a tuple."""
    primitive, params = eqn.primitive, eqn.params
    avals = [x.aval for x in eqn.invars]

    def run(*values: Any) -> tuple[Any, ...]:
        if primitive.takes_arrays:
            wrapped = [Array(x, aval) for x, aval in zip(values, avals, strict=True)]
            return tuple([getattr(x, "_value", x) for x in primitive.evaluate(*wrapped, **params)])
        outs = state.context.run(primitive.evaluate, *values, **params)
        return tuple(outs) if primitive.multiple_results else (outs,)

    return run
