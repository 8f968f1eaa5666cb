"""Tracing: running a Python function while writing down what it does.

In: a Python function and the avals (and, where there are any, the values) of its arguments. Out: a `Jaxpr`.
There is one kind of tracer, and it holds no transformation: jvp, vmap and grad trace to a Jaxpr first and
interpret it afterwards. Traces nest; each has a level, and an operation is recorded by the innermost trace
among its operands (the innermost *staging* trace records even operations on constants). What an inner trace
takes from outside, tracers of outer traces included, are constants to it: so perturbations cannot
be confused (Siskind & Pearlmutter 2005).

A tracer is *lazily concrete*: where the trace knows its inputs, Python may ask for a value, and just the
equations that it depends on are evaluated (`concrete.py`).
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import config
from ..errors import UnexpectedTracerError, teach
from .avals import ShapedArray, shaped
from .jaxpr import Atom, ClosedJaxpr, DebugNames, Eqn, Jaxpr, Literal, Var
from .source import Pointers, Source, SourceRecorder

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = [
    "Trace",
    "Tracer",
    "evaluate",
    "new_trace",
    "outside",
    "register_array_type",
    "source_of",
    "state",
]


class ThreadState(threading.local):
    """What tracing keeps per thread: the innermost staging trace, the nesting level, the current origin."""

    def __init__(self) -> None:
        self.staging: Trace | None = None
        self.level = 0
        self.source: Source | None = None  # set while an interpreter runs an equation recorded earlier
        self.axes: dict[Any, tuple[int, Trace]] = {}  # named vmap axes: size and the trace they belong to
        # Floating-point flags are values here (inf, nan), not warnings. Entering a context that has them
        # switched off costs 0.02 us; np.errstate costs 1.1 us an operation.
        self.context = contextvars.copy_context()
        self.context.run(np.seterr, all="ignore")


state = ThreadState()
_Array: Any = None


def register_array_type(array_type: Any) -> None:
    """Say which class holds evaluated values: `array_type(ndarray, aval)`, with slots `_value` and `aval`."""
    global _Array
    _Array = array_type


def array_type() -> Any:
    """The class of evaluated values."""
    return _Array


def evaluate(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run a primitive's reference implementation on values that all exist."""
    try:  # Arrays and literals have both attributes; NumPy values neither
        values = [x._value for x in args]
        avals = tuple([x.aval for x in args])
    except AttributeError:
        values = [getattr(x, "_value", x) for x in args]
        avals = tuple([x.aval if hasattr(x, "aval") else shaped(x) for x in args])
    out_aval = None if params else primitive.known_avals.get(avals)
    if out_aval is None:
        out_aval = primitive.abstract(*avals, **params)
    if primitive.takes_arrays:
        return primitive.evaluate(*args, **params)
    out = state.context.run(primitive.evaluate, *values, **params)
    if config.debugging:
        _check_finite(primitive, out)
    if primitive.multiple_results:
        return [_Array(value, aval) for value, aval in zip(out, out_aval, strict=True)]
    return _Array(out, out_aval)


def _check_finite(primitive: Primitive, out: Any) -> None:
    for value in out if primitive.multiple_results else (out,):
        if value.dtype.kind not in "fc":
            continue
        for flag, name, test in (
            (config.jax_debug_nans, "nan", np.isnan),
            (config.jax_debug_infs, "inf", np.isinf),
        ):
            if flag and test(value).any():
                where = state.source or SourceRecorder().here(3)
                raise FloatingPointError(
                    teach(
                        f"invalid value ({name}) encountered in {primitive.name}",
                        at=describe(where),
                        why=f"config.jax_debug_{name}s is set and an output of this operation has a {name}",
                        do="look at the operands at this line; minijax.debug_nans(False) turns the check off",
                    )
                )


def describe(source: Source | None) -> str | None:
    """`file:line in function: text`, for error messages."""
    if source is None:
        return None
    text = source.line_text
    return f"{source.file}:{source.line} in `{source.function}`" + (f":   {text}" if text else "")


class Tracer:
    """A value that is being traced: its trace, its aval and its variable. Operators come from minijax.numpy."""

    __slots__ = ("__weakref__", "_trace", "_var", "aval")  # `trace` and `var` are methods of arrays

    def __init__(self, trace: Trace, aval: ShapedArray, var: Var) -> None:
        self._trace = trace
        self.aval = aval
        self._var = var

    __hash__ = None  # type: ignore[assignment]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.aval.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.aval.size

    @property
    def weak_type(self) -> bool:
        """Whether the dtype gives way in promotion."""
        return self.aval.weak_type


Names = Sequence[str] | Callable[[], Sequence[str]]


class Trace:
    """Records equations. Made by `new_trace`, closed by `finish` or on leaving the context.

    Args:
        level: nesting depth; higher records first.
        staging: whether operations on constants are recorded too (jit, make_jaxpr, loop bodies).
        purpose: why this trace exists, for messages: "grad", "jit", "vmap", "body of scan".
        function: name of the traced function.
    """

    __slots__ = (
        "activity",
        "alive",
        "constants",
        "constvars",
        "eqns",
        "function",
        "invars",
        "known",
        "level",
        "names",
        "outer",
        "owner",
        "producers",
        "purpose",
        "recorder",
        "staging",
    )

    def __init__(
        self,
        level: int,
        staging: bool,
        purpose: str,
        function: str,
        outer: Trace | None,
        stop: FrameType | None = None,
    ) -> None:
        self.level = level
        self.staging = staging
        self.purpose = purpose
        self.function = function
        self.outer = outer  # the staging trace around this one
        self.owner = threading.get_ident()
        self.alive = True
        self.eqns: list[Eqn] = []
        self.invars: list[Var] = []
        self.names: Names = ()
        self.constvars: dict[int, Var] = {}
        self.constants: list[Any] = []  # kept alive, so that the ids above stay theirs
        self.known: dict[Var, Any] = {}
        self.producers: dict[Var, int] = {}  # filled on demand by concrete.py
        self.activity: Any = None  # filled on demand by conversions.py
        self.recorder = SourceRecorder(stop)

    def input(self, aval: ShapedArray, value: Any = None) -> Tracer:
        """A new input. With `value` (an Array or a tracer of an outer trace), it is known."""
        var = Var(aval)
        self.invars.append(var)
        if value is not None:
            self.known[var] = value
        return Tracer(self, aval, var)

    def record(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Write down one equation and return tracers of its outputs."""
        if not self.alive or state.level < self.level:  # ended, or used from another thread
            raise leaked(next(x for x in args if type(x) is Tracer and x._trace is self))
        atoms: list[Atom] = [x._var if type(x) is Tracer and x._trace is self else self.atom(x) for x in args]
        out = primitive.abstract(*[x.aval for x in atoms], **params)
        place: Source | Pointers | None = state.source
        if place is None:
            place = self.recorder.pointers(3)
        if primitive.multiple_results:
            outvars = [Var(aval) for aval in out]
            self.eqns.append(Eqn(primitive, atoms, outvars, params, place, _effects(primitive, params)))
            return [Tracer(self, var.aval, var) for var in outvars]
        var = Var(out)
        self.eqns.append(Eqn(primitive, atoms, (var,), params, place, primitive.effects))
        return Tracer(self, out, var)

    def atom(self, x: Any) -> Atom:
        """The variable or literal that stands for `x` in this trace."""
        kind = type(x)
        if kind is Literal:
            return x  # type: ignore[no-any-return]
        if kind is Tracer:
            if x._trace is self:
                return x._var  # type: ignore[no-any-return]
            if not x._trace.alive or x._trace.owner != self.owner or x._trace.level > self.level:
                raise leaked(x)
        elif isinstance(x, np.generic):
            return Literal(x, shaped(x))
        elif kind is not _Array:
            x = _Array(x, shaped(x))
        found = self.constvars.get(id(x))
        if found is None:
            found = self.constvars[id(x)] = Var(x.aval)
            self.constants.append(x)
            self.known[found] = x
        return found

    def finish(self, outputs: Sequence[Any], result_paths: Sequence[str] = ()) -> ClosedJaxpr:
        """The program that was recorded, with `outputs` as its results. Ends the trace."""
        outvars = [Literal(x._value[()], x.aval) if _is_scalar(x) else self.atom(x) for x in outputs]
        names = DebugNames(self.function, self.purpose, self.names, result_paths)
        jaxpr = Jaxpr(tuple(self.constvars.values()), self.invars, self.eqns, outvars, names)
        self.close()
        return ClosedJaxpr(jaxpr, self.constants)

    def close(self) -> None:
        """End the trace: tracers that outlive it raise when used."""
        self.alive = False
        self.recorder.close()


def _is_scalar(x: Any) -> bool:
    return type(x) is _Array and x.aval.shape == ()


def _effects(primitive: Primitive, params: dict[str, Any]) -> frozenset[Any]:
    found = primitive.effects
    if primitive.takes_arrays:  # sub-Jaxprs bring their own
        for value in params.values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, ClosedJaxpr):
                    found = found | item.effects
    return found


class new_trace:
    """A trace one level inside the current one; closed on exit, also when the traced function raises."""

    __slots__ = ("outer", "trace")

    def __init__(self, purpose: str, function: str = "", *, staging: bool = False) -> None:
        self.outer = state.staging, state.level, state.source
        # call paths of its equations end at the frame that opens it
        self.trace = Trace(state.level + 1, staging, purpose, function, state.staging, sys._getframe(1))

    def __enter__(self) -> Trace:
        trace = self.trace
        state.level = trace.level
        state.source = None
        if trace.staging:
            state.staging = trace
        return trace

    def __exit__(self, *error: object) -> None:
        state.staging, state.level, state.source = self.outer
        self.trace.close()


@contextmanager
def outside(trace: Trace) -> Iterator[None]:
    """Run as if `trace` were not there: operations on what it was given go to the traces around it."""
    staging, source = state.staging, state.source
    state.staging = trace.outer
    try:
        yield
    finally:
        state.staging, state.source = staging, source


@contextmanager
def source_of(source: Source | None) -> Iterator[None]:
    """Equations recorded inside come from `source` (None: from the user's frame, as usual)."""
    before = state.source
    state.source = source
    try:
        yield
    finally:
        state.source = before


def where_made(tracer: Tracer) -> Source | None:
    """The source of the equation that made `tracer` (None for inputs)."""
    for eqn in reversed(tracer._trace.eqns):
        if any(var is tracer._var for var in eqn.outvars):
            return eqn.source
    return None


def leaked(tracer: Tracer) -> UnexpectedTracerError:
    """The error for a tracer that is used after its trace ended, or in another thread."""
    trace = tracer._trace
    if trace.alive and trace.owner != threading.get_ident():
        why = "the tracer belongs to another thread; traces are thread-local"
    else:
        why = (
            f"a side effect of {trace.function or 'the traced function'} (list, global, attribute) kept an intermediate "
            f"value of its trace for {trace.purpose}, which has ended"
        )
    source = where_made(tracer)
    made = describe(source) or f"an input of {trace.function or 'the traced function'}, traced for {trace.purpose}"
    return UnexpectedTracerError(
        teach(
            f"Encountered an unexpected tracer: a value of type {tracer.aval.str_short()} escaped its trace",
            at=f"created at {made}",
            why=why,
            do="return the value from the function instead of saving it outside",
        )
    )


def trace_function(
    function: Callable[..., Sequence[Any]],
    in_avals: Sequence[ShapedArray],
    values: Sequence[Any] | None = None,
    *,
    purpose: str,
    name: str = "",
    arg_names: Names = (),
    staging: bool = True,
) -> ClosedJaxpr:
    """Trace `function`, which takes one tracer per aval and returns a flat sequence of values.

    Args:
        function: called once.
        in_avals: avals of the arguments.
        values: their values where known (Arrays, or tracers of outer traces; None for unknown ones).
        purpose, name, arg_names, staging: see `Trace`.

    Returns:
        The traced program.
    """
    with new_trace(purpose, name, staging=staging) as trace:
        trace.names = arg_names
        known = values if values is not None else [None] * len(in_avals)
        inputs = [trace.input(aval, value) for aval, value in zip(in_avals, known, strict=True)]
        return trace.finish(function(*inputs))
