"""compile: a closed Jaxpr as a fast function of NumPy values.

In: a ClosedJaxpr. Out: a `Program`. Passes, fusion (`fuse.py`), machine code (`emit_llvm.py`, `native.py`), a driver. What
cannot be fused is called; a kernel that cannot be compiled leaves the program to its primitives' NumPy rules, with one
warning that holds a reproducer.
"""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import teach
from ..ir import ClosedJaxpr
from ..ir.costs import Cost, bytes_of, program_cost
from ..ir.passes import apply
from ..ir.passes.cse import cse
from ..ir.passes.dce import dce
from ..ir.passes.fold_constants import fold_constants
from ..ir.passes.inline_calls import inline_calls
from ..ir.passes.lift_guards import lift_guards
from ..ir.passes.rewrite import rewrite
from ..ir.printer import constants_of
from . import native
from .driver import Driver
from .emit_loops import emit_step
from .fuse import plan
from .hoist import hoist_from_scan
from .loops import lower_loop
from .readable import Readable, readable
from .sink import sink_into_scan
from .steps import Call, Step
from .turn import turn_products

__all__ = ["Lowered", "Program", "compile_program", "compiled", "lower_program", "optimised"]

# to evaluate these is to evaluate their bodies
_INLINED = (
    "jit",
    "custom_jvp_call",
    "custom_vjp_call",
    "checkpoint",
    "custom_linear_solve",
    "custom_root",
)


class Lowered(NamedTuple):
    """A program before it is machine code: the optimised Jaxpr, and its kernels and calls in order."""

    closed: ClosedJaxpr
    steps: list[Step]

    @property
    def readable(self) -> Readable:
        """The program as Python source."""
        return readable(self.closed, self.steps)

    @property
    def llvm(self) -> str:
        """The LLVM IR of its kernels."""
        return "\n".join(emit_step(step).definition for step in self.steps if type(step) is not Call)

    @property
    def cost(self) -> Cost:
        """Operations of the equations; bytes that kernels and calls read and write: what is fused moves nothing."""
        moved = 0.0
        for step in self.steps:
            if type(step) is Call:
                moved += bytes_of(x.aval for x in (*step.eqn.invars, *(v for v in step.outs if v is not None)))
            else:
                moved += bytes_of(var.aval for var in step.variables)
        return Cost(program_cost(self.closed).flops, moved)


class Program:
    """A compiled program.

    Attributes:
        closed: the optimised Jaxpr.
        steps: kernels and calls, in order.
        driver: its steps as Python functions.
        run: `(*values) -> tuple of values`, NumPy in and out.
    """

    __slots__ = ("closed", "driver", "run", "steps")

    def __init__(self, closed: ClosedJaxpr, steps: Sequence[Step], driver: Driver) -> None:
        self.closed = closed
        self.steps = steps
        self.driver = driver
        self.run: Callable[..., tuple[Any, ...]] = driver.values()


def optimised(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program after all passes: the same inputs, outputs and numbers."""
    closed = apply("inline_calls", inline_calls, closed, _INLINED)
    closed = apply("rewrite", rewrite, closed)
    closed = apply("fold_constants", fold_constants, closed)
    closed = apply("cse", cse, closed)
    closed = apply("dce", dce, apply("turn_products", turn_products, closed))
    return apply("lift_guards", lift_guards, closed)


def lower_program(closed: ClosedJaxpr) -> Lowered:
    """Optimise a program, whose constants are arrays, and plan its kernels."""
    closed = _prepared(closed)
    return Lowered(closed, _planned(closed))


def _prepared(closed: ClosedJaxpr) -> ClosedJaxpr:
    closed = optimised(closed)
    closed = apply("sink_into_scan", sink_into_scan, closed)
    closed = apply("hoist_from_scan", hoist_from_scan, closed)
    closed = apply("dce", dce, apply("turn_products", turn_products, closed))
    return ClosedJaxpr(closed.jaxpr, closed.consts)  # a program must not keep the key of its own cache entry alive


def _planned(closed: ClosedJaxpr) -> list[Step]:
    return plan(closed, lambda eqn: lower_loop(eqn, optimised))


def _reproducer(closed: ClosedJaxpr) -> str:
    """Python code that compiles the program again; constants of the program are zeros in it."""
    consts = [f"numpy.zeros({x.shape}, {x.dtype.name!r})" for x in constants_of(closed)]
    given = f", [{', '.join(consts)}]" if consts else ""
    return f"""import numpy, minijax
from minijax.lower import compile_program
text = '''{closed}'''
compile_program(minijax.ir.parse(text{given}))"""


def compile_program(closed: ClosedJaxpr) -> Program:
    """Compile a program.

    Args:
        closed: the program; its constants are arrays.

    Returns:
        The compiled program.
    """
    closed = _prepared(closed)
    steps: list[Step]
    try:
        steps = _planned(closed)
        driver = Driver(closed, steps)
    except Exception as error:  # LLVM's errors have many types; the program must run
        warnings.warn(
            teach(
                f"a kernel could not be compiled: {type(error).__name__}: {str(error)[:300]}",
                why="this program is evaluated by NumPy instead; the results are the same, only slower",
                do="please report it with this reproducer:\n" + _reproducer(closed),
            ),
            UserWarning,
            stacklevel=2,
        )
        steps = [Call(eqn, tuple(eqn.outvars)) for eqn in closed.eqns]
        driver = Driver(closed, steps)
    return Program(closed, steps, driver)


_programs: weakref.WeakKeyDictionary[ClosedJaxpr, Program] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def _hold() -> None:
    """Before a fork: no thread is in the middle of compiling, or the child would wait for it for ever."""
    _lock.acquire()
    native.lock.acquire()


def _let_go() -> None:
    native.lock.release()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)


def compiled(closed: ClosedJaxpr) -> Program:
    """`compile_program`, once for each program object."""
    found = _programs.get(closed)
    if found is None:
        with _lock:
            found = _programs.get(closed)
            if found is None:
                found = _programs[closed] = compile_program(closed)
    return found


def forget() -> None:
    """Let go of the compiled programs, and of the memory that they keep between calls."""
    with _lock:
        _programs.clear()
