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

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnexpectedTracerError, teach
from .avals import ShapedArray, Typed, aval_like, shaped
from .effects import GUARD
from .evaluation import array_type, describe, evaluate, here, register_array_type, state
from .jaxpr import Atom, ClosedJaxpr, DebugNames, Eqn, Jaxpr, Literal, Var, interned
from .listing import Listing
from .prefix import Operand, Piece, Prefix, shared_root
from .source import Places, Source

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = [
    "Piece",
    "Trace",
    "Tracer",
    "array_type",
    "describe",
    "evaluate",
    "leaked",
    "new_trace",
    "outside",
    "register_array_type",
    "source_of",
    "state",
    "trace_function",
]


class Tracer(Typed):
    """A value that is being traced: a numbered value of a segment of its trace. Operators come from minijax.numpy.

    When a new segment of the trace meets the tracer, the tracer becomes an input of that segment.
    """

    __slots__ = ("__weakref__", "_index", "_segment", "aval")  # `trace` and `index` are methods of arrays

    def __init__(self, segment: Segment, aval: ShapedArray, index: int) -> None:
        self._segment = segment
        self.aval = aval
        self._index = index

    @property
    def _trace(self) -> Trace:
        return self._segment.trace

    @property
    def _var(self) -> Var:
        return self._segment.trace.variable(self)

    __hash__ = None  # type: ignore[assignment]


Names = Sequence[str] | Callable[[], Sequence[str]]
_SHORTEST, _LONGEST = 64, 256  # equations of a segment that is followed by another
_CLOSED = sys.maxsize  # level of a segment that nothing can be recorded into


class Segment:
    """The piece that a trace is writing. `level` is that of the trace until another piece begins."""

    __slots__ = ("base", "level", "origins", "places", "prefix", "start", "trace")

    def __init__(self, trace: Trace, prefix: Prefix, base: int) -> None:
        self.trace = trace
        self.level = trace.level
        self.prefix = prefix
        self.base = base
        self.origins: list[int] = []
        self.places = trace.places
        self.start = len(trace.places.offsets)  # number, in the whole program, of the first equation

    def number(self, index: int) -> int:
        """The number, in the whole program, of value number `index` of this piece."""
        return self.base + index if index >= 0 else self.origins[-1 - index]

    def piece(self) -> Piece:
        """What was written."""
        return Piece(self.prefix, self.base, self.origins)

    def ends_at(self, place: Source | int | None) -> bool:
        """Whether another segment begins before an equation from `place`: where a loop comes round, if one does.

        The first trace that gets here decides. The prefix remembers it (`full`), so that the quick look-up of `quick.py`
        finds nothing behind it and need not ask.
        """
        prefix = self.prefix
        if not prefix.full and prefix.shared and prefix.equations >= _SHORTEST:
            comes_round = not prefix and self.places.repeats(self.start, place)
            prefix.full = comes_round or prefix.equations >= _LONGEST
        return prefix.full

    def add_input(self, aval: ShapedArray, origin: int) -> int:
        """A new input; its number."""
        self.prefix = self.prefix.with_input(aval)
        self.origins.append(origin)
        return self.prefix.index

    def index_of(self, tracer: Tracer) -> int:
        """The number of a tracer of the same trace here; a value of an earlier piece becomes an input."""
        if tracer._segment is not self:
            tracer._index = self.add_input(tracer.aval, tracer._segment.number(tracer._index))
            tracer._segment = self
        return tracer._index


class Trace:
    """Records operations. Made by `new_trace`, closed by `end`, `finish` or on leaving the context.

    What is recorded is a path of `Prefix`es, cut into pieces; equations and variables are made when somebody asks for them.
    In the whole program, results are numbered 0, 1, 2, ... and inputs (arguments and constants) -1, -2, ...

    Args:
        level: nesting depth; higher records first.
        staging: whether operations on constants are recorded too (jit, make_jaxpr, loop bodies).
        recurs: whether the same may be traced again, and is to be recognised.
        purpose: why this trace exists, for messages: "grad", "jit", "vmap", "body of scan".
        function: name of the traced function.
    """

    __slots__ = (
        "_constants",
        "_ended",
        "_listing",
        "activity",
        "alive",
        "consts",
        "constvars",
        "function",
        "inputs",
        "invars",
        "known",
        "level",
        "names",
        "outer",
        "outputs",
        "owner",
        "places",
        "purpose",
        "segment",
        "staging",
    )

    def __init__(
        self,
        level: int,
        staging: bool,
        recurs: bool,
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
        self.names: Names = ()
        self.places = Places(stop)
        self.segment = Segment(self, shared_root() if recurs else Prefix(), 0)
        self._ended: list[Piece] = []
        self.outputs: list[Operand] = []  # numbers in the last piece
        self.inputs: list[Var] = []  # arguments and constants in the order they came
        self.invars: list[Var] = []
        self.constvars: list[Var] = []
        self.consts: list[Any] = []
        self._constants: dict[int, Tracer] = {}  # by the id of what `consts` keeps alive
        self.known: dict[Var, Any] = {}
        self._listing: Listing | None = None
        self.activity: Any = None  # filled on demand by conversions.py: which variables carry tangents

    def input(self, aval: ShapedArray, value: Any = None) -> Tracer:
        """A new argument. With `value` (an Array or a tracer of an outer trace), it is known."""
        tracer = self._new_input(aval, value)
        self.invars.append(self.inputs[-1])
        return tracer

    def _new_input(self, aval: ShapedArray, value: Any) -> Tracer:
        var = Var(aval)
        self.inputs.append(var)
        if value is not None:
            self.known[var] = value
        return Tracer(self.segment, aval, self.segment.add_input(aval, -len(self.inputs)))

    def record(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Write down one equation and return tracers of its outputs."""
        if not self.alive or state.level < self.level:  # ended, or used from another thread
            raise leaked(next(x for x in args if type(x) is Tracer and x._trace is self))
        if GUARD in primitive.effects:
            self.record_guard(primitive, args[0], params, state.source or self.places.here(2))
            return []
        place: Source | int | None = state.source
        if place is None:
            place = self.places.enter(sys._getframe(2))
        if self.segment.ends_at(place):
            self._begin_segment()
        segment = self.segment
        operands = tuple([self.operand(x) for x in args])
        key = _key(primitive, operands, params) if segment.prefix.shared else None
        found = None if key is None else segment.prefix.get(key)
        if found is None:
            out = primitive.abstract(*[aval_like(x) for x in args], **params)
            outs = tuple(out) if primitive.multiple_results else (out,)
            found = segment.prefix.with_equation(key, primitive, operands, params, outs)
        self.places.offsets.append(place)
        segment.prefix = found
        if primitive.multiple_results:
            return [Tracer(segment, aval, found.index + n) for n, aval in enumerate(found.outs)]
        return Tracer(segment, found.outs[0], found.index)

    def record_guard(self, guard: Primitive, x: Any, params: dict[str, Any], source: Source | None) -> None:
        """Write down that Python asked for `x`. Only in the list of equations: programs that differ in guards are the same."""
        if type(x) is Tracer and x._trace is self:
            atom: Atom = x._var
        else:
            operand = self.operand(x)
            atom = self.listing.atom(self.segment.piece(), operand)
        self.eqns.append(Eqn(guard, [atom], [], params, source, guard.effects))

    def operand(self, x: Any) -> Operand:
        """How `x` is written in an operation recorded now: a number of a value, or a literal."""
        kind = type(x)
        if kind is Literal:
            return interned(x)
        if kind is Tracer:
            if x._trace is self:
                return self.segment.index_of(x)  # type: ignore[no-any-return]
            if not x._trace.alive or x._trace.owner != self.owner or x._trace.level > self.level:
                raise leaked(x)
        elif isinstance(x, np.generic):
            return interned(Literal(x, shaped(x)))
        elif kind is not array_type():
            x = array_type()(x, shaped(x))
        holder = self._constants.get(id(x))
        if holder is None:
            holder = self._constants[id(x)] = self._new_input(x.aval, x)
            self.constvars.append(self.inputs[-1])
            self.consts.append(x)
        return self.segment.index_of(holder)

    def _begin_segment(self) -> None:
        before = self.segment
        before.level = _CLOSED
        self._ended.append(before.piece())
        self.segment = Segment(self, shared_root(), before.base + before.prefix.results)

    @property
    def pieces(self) -> list[Piece]:
        """What was recorded."""
        return [*self._ended, self.segment.piece()] if self.alive else self._ended

    @property
    def listing(self) -> Listing:
        """The equations so far."""
        if self._listing is None:
            self._listing = Listing(self.inputs)
        self._listing.extend(self.pieces, self.places)
        return self._listing

    @property
    def eqns(self) -> list[Eqn]:
        """The equations so far."""
        return self.listing.eqns

    def variable(self, tracer: Tracer) -> Var:
        """The variable that `tracer` is in the Jaxpr."""
        number = tracer._segment.number(tracer._index)
        return self.inputs[-1 - number] if number < 0 else self.listing.variable(number)

    def end(self, outputs: Sequence[Any]) -> None:
        """End the trace with `outputs` as the results of the program."""
        self.outputs = [
            interned(Literal(x._value[()], x.aval)) if _is_scalar(x) else self.operand(x) for x in outputs
        ]
        self.close()

    def finish(self, outputs: Sequence[Any]) -> ClosedJaxpr:
        """The program that was recorded, with `outputs` as its results. Ends the trace."""
        self.end(outputs)
        return self.closed_jaxpr()

    def closed_jaxpr(self) -> ClosedJaxpr:
        """The program of a trace that has ended."""
        listing = self.listing
        outvars = [listing.atom(self._ended[-1], x) for x in self.outputs]
        names = DebugNames(self.function, self.purpose, self.names)
        return ClosedJaxpr(Jaxpr(self.constvars, self.invars, listing.eqns, outvars, names), self.consts)

    def body(self, *likeness: Any) -> tuple[ClosedJaxpr, list[Any]]:
        """The program of a trace that has ended as the body of an equation: without constants, which are leading inputs.

        A program that was recorded before, by the same lines of code, is the same object again: what was worked out for it
        (its derivatives, how to run it) is there. So a loop in a function that is called again and again costs its trace.

        Args:
            *likeness: what must be equal beside what is recorded: all that the names of the inputs depend on, flags.

        Returns:
            The body and the values of its constants.
        """
        last = self._ended[-1].prefix
        if self._listing is not None or not last.shared:  # somebody asked for a value: there may be guards
            return self._opened(), self.consts
        pieces = tuple([(piece.prefix, *piece.origins) for piece in self._ended])
        key = (
            pieces,
            tuple(self.outputs),
            len(self.invars),
            self.places.fingerprint(),
            self.function,
            self.purpose,
            likeness,
        )
        try:
            return last.remembered(key, self._recurring), self.consts
        except TypeError:  # a structure with data that cannot be hashed
            return self._opened(), self.consts

    def _opened(self, recurs: bool = False) -> ClosedJaxpr:
        jaxpr = self.closed_jaxpr().jaxpr
        opened = Jaxpr((), (*jaxpr.constvars, *jaxpr.invars), jaxpr.eqns, jaxpr.outvars, jaxpr.names, jaxpr.effects)
        return ClosedJaxpr(opened, (), recurs)

    def _recurring(self) -> ClosedJaxpr:
        body = self._opened(recurs=True)
        body.jaxpr.names.arg_names  # noqa: B018  now: who gives them holds the function, and what it closes over
        return body

    def close(self) -> None:
        """End the trace: tracers that outlive it raise when used."""
        if self.alive:
            self.alive = False
            self.segment.level = _CLOSED
            self._ended.append(self.segment.piece())
            del self.segment, self._constants  # tracers refer to the trace through it: no cycles are left behind
            self.places.close()


def _key(primitive: Primitive, operands: tuple[Operand, ...], params: dict[str, Any]) -> Any:
    """What an operation is found by among those that follow a prefix; None: it cannot be found again."""
    if not params:
        return (primitive, *operands)
    if primitive.takes_arrays and not all(map(_recurs, params.values())):
        return None  # would not be found again, and would keep what its bodies and rules hold alive
    key = (primitive, operands, tuple([(name, type(value), value) for name, value in params.items()]))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _recurs(param: Any) -> bool:
    """Whether a param of an equation with bodies is the same when it is recorded again."""
    if type(param) is tuple:
        return all(map(_recurs, param))
    return param.recurs if type(param) is ClosedJaxpr else not callable(param)


def _is_scalar(x: Any) -> bool:
    return type(x) is array_type() and x.aval.shape == ()


class new_trace:
    """A trace one level inside the current one; closed on exit, also when the traced function raises.

    Args:
        purpose, function, staging: see `Trace`.
        recurs: see `Trace`; what a staging trace records is compiled and kept, and by default hardly traced again.
    """

    __slots__ = ("outer", "trace")

    def __init__(
        self, purpose: str, function: str = "", *, staging: bool = False, recurs: bool | None = None
    ) -> None:
        here = vars(state)  # of this thread; a dictionary is quicker than its attributes
        self.outer = here["_staging"], here["_level"], here["open"], here["source"]
        # call paths of its equations end at the frame that opens it
        recurs = not staging if recurs is None else recurs
        self.trace = Trace(here["_level"] + 1, staging, recurs, purpose, function, here["_staging"], sys._getframe(1))

    def __enter__(self) -> Trace:
        trace, here = self.trace, vars(state)
        here["_level"] = trace.level
        here["source"] = None
        if trace.staging:
            here["_staging"] = trace
        here["open"] = trace.level if here["_staging"] is None else -1
        return trace

    def __exit__(self, *error: object) -> None:
        here = vars(state)
        here["_staging"], here["_level"], here["open"], here["source"] = self.outer
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
    made = f"created at {describe(source)}" if source is not None else f"created as {_input_of(trace, tracer)}"
    used = describe(here(2))
    return UnexpectedTracerError(
        teach(
            f"Encountered an unexpected tracer: a value of type {tracer.aval.str_short()} escaped its trace",
            at=f"{made}; used at {used}" if used else made,
            why=why,
            do="return the value from the function instead of saving it outside",
        )
    )


def _input_of(trace: Trace, tracer: Tracer) -> str:
    """`argument `x` of f, traced for grad`."""
    function = trace.function or "the traced function"
    names = list(trace.names() if callable(trace.names) else trace.names)
    index = next((i for i, var in enumerate(trace.invars) if var is tracer._var), len(names))
    what = f"argument `{names[index]}`" if index < len(names) else "an input"
    return f"{what} of {function}, traced for {trace.purpose}"


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
