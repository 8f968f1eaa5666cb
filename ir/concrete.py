"""Lazily concrete values: what happens when Python asks a tracer for a bool, an int or a number.

In: a tracer. Out: its value, worked out by evaluating just the equations that it depends on, each once,
with the *enclosing* traces' operations (so that an outer grad records the predicate too), and a guard
equation that writes the answer down. Where the inputs have no values (mapped by vmap, body of a loop,
`ShapeDtypeStruct`), an error that says why and what to write instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import config
from ..errors import (
    ConcretizationTypeError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    teach,
)
from .guards import guard, outcome_of
from .jaxpr import Eqn, Literal, Var
from .source import Places
from .trace import Trace, Tracer, describe, leaked, outside, state

__all__ = ["concretize", "known_value", "value_of"]


def value_of(tracer: Tracer) -> Any:
    """The value of `tracer` in the traces around its own (an Array or an outer tracer), None when it has none."""
    trace = tracer._trace
    found = trace.known.get(tracer._var)
    if found is not None:
        return found
    needed = _slice(trace, tracer._var)
    if needed is None:
        return None
    with outside(trace):
        for eqn in needed:
            state.source = eqn.source
            args = [x if type(x) is Literal else trace.known[x] for x in eqn.invars]  # type: ignore[index]
            outs = eqn.primitive.bind(*args, **eqn.params)
            for var, out in zip(eqn.outvars, outs if eqn.primitive.multiple_results else (outs,), strict=True):
                trace.known[var] = out
    return trace.known[tracer._var]


def _slice(trace: Trace, var: Var) -> list[Eqn] | None:
    """The equations not evaluated yet that `var` depends on, in order; None if an input without a value is one."""
    producers, eqns = trace.listing.producers, trace.listing.eqns
    done = producers.get(_COUNT, 0)
    for index in range(done, len(eqns)):
        for out in eqns[index].outvars:
            producers[out] = index
    producers[_COUNT] = len(eqns)
    wanted: set[int] = set()
    work: list[Any] = [var]
    while work:
        here = work.pop()
        if type(here) is Literal or here in trace.known:
            continue
        index = producers.get(here, -1)
        if index < 0:
            return None
        if index not in wanted:
            wanted.add(index)
            work.extend(eqns[index].invars)  # type: ignore[arg-type]
    return [eqns[index] for index in sorted(wanted)]


_COUNT = Var(None)  # type: ignore[arg-type]  # key of `producers` that counts the equations indexed so far


def known_value(x: Any) -> np.ndarray | None:
    """The NumPy value behind any number of enclosing traces; None where there is none."""
    while type(x) is Tracer:
        x = value_of(x)
        if x is None:
            return None
    return x.value if type(x) is Literal else np.asarray(x)


def concretize(tracer: Tracer, kind: str, asked: str) -> Any:
    """Answer Python's question and write the answer down as a guard, in every trace that knows the value.

    Args:
        tracer: the traced value.
        kind: "bool", "int" or "value".
        asked: how Python asked, for messages: "bool()", "float()", "np.asarray()".

    Returns:
        A Python bool or int, or a NumPy array for kind "value".

    Raises:
        TracerBoolConversionError, TracerIntegerConversionError, TracerArrayConversionError,
        ConcretizationTypeError: the value is not known here.
    """
    if not tracer._trace.alive:
        raise leaked(tracer)
    refused = _refusing_trace(tracer, kind)
    if refused is not None:
        raise _error(tracer, kind, asked, refused)
    value = value_of(tracer)
    if value is None:
        raise _error(tracer, kind, asked, None)
    if type(value) is Tracer:
        answer = concretize(value, kind, asked)
    elif kind == "value":
        answer = np.asarray(value.value if type(value) is Literal else value)
    else:
        answer = outcome_of(kind, np.asarray(value.value if type(value) is Literal else value))
    shown = outcome_of(kind, answer) if kind == "value" and answer.size <= 1 else answer
    _record_guard(tracer, kind, shown)
    return answer


def _record_guard(tracer: Tracer, kind: str, answer: Any) -> None:
    trace = tracer._trace
    source = state.source if state.source is not None else trace.places.here(1)
    params = {"kind": kind, "value": "array" if isinstance(answer, np.ndarray) else answer}
    trace.record_guard(guard, tracer, params, source)


def _refusing_trace(tracer: Tracer, kind: str) -> Trace | None:
    """The trace that may not give the value away although it knows it: jit for values, or capture switched off."""
    capturing = config.minijax_branch_capture == "capture"
    x: Any = tracer
    while type(x) is Tracer:
        if x._trace.staging and (kind == "value" or not capturing):
            return x._trace
        x = value_of(x)
    return None


_REMEDY = {
    "bool": "minijax.numpy.where(pred, a, b)   or   minijax.lax.cond(pred, true_fun, false_fun, x)   or   "
    "minijax.lax.while_loop(cond_fun, body_fun, init)",
    "int": "make it static (static_argnums), or use minijax.lax.fori_loop / dynamic_slice / jnp.take",
    "value": "keep computing with minijax.numpy, or return the value from the function",
}
_QUESTION = {
    "bool": "Attempted boolean conversion of traced array with shape {}",
    "int": "The __index__() method was called on traced array with shape {}",
    "value": "Abstract tracer value encountered where concrete value is expected: traced array with shape {}",
    "array": "The numpy.ndarray conversion method __array__() was called on traced array with shape {}",
}
_CLASSES = {
    "bool": TracerBoolConversionError,
    "int": TracerIntegerConversionError,
    "value": ConcretizationTypeError,
    "array": TracerArrayConversionError,
}


def _error(tracer: Tracer, kind: str, asked: str, refused: Trace | None) -> Exception:
    which = "array" if "array" in asked else "value" if kind == "int" and "index" not in asked else kind
    where = state.source or Places().here(2)
    first = _QUESTION[which].format(f"{tracer.aval.dtype}[{','.join(map(str, tracer.shape))}]")
    return _CLASSES[which](
        teach(f"{first} ({asked})", at=describe(where), why=_why(tracer, refused), do=_REMEDY[kind])
    )


def _why(tracer: Tracer, refused: Trace | None) -> str:
    if refused is not None:
        what = f"{refused.function or 'the function'} is traced for {refused.purpose}"
        if config.minijax_branch_capture != "capture":
            return f"{what}, and config.minijax_branch_capture is 'error'"
        return f"{what}: a program compiled around this value would be compiled again for every value"
    innermost: Any = tracer
    while type(value := value_of(innermost)) is Tracer:
        innermost = value
    trace = innermost._trace
    names = _arguments(trace, innermost._var)
    on = f"depends on {', '.join(names)} of" if names else "is traced in"
    return f"the value {on} {trace.function or 'the function'}, traced for {trace.purpose}, which has no value there"


def _arguments(trace: Trace, var: Var) -> list[str]:
    """Names of the inputs that `var` depends on."""
    made = {out: eqn for eqn in trace.eqns for out in eqn.outvars}
    seen: set[Var] = set()
    work: list[Any] = [var]
    while work:
        here = work.pop()
        if type(here) is Literal or here in seen:
            continue
        seen.add(here)
        if here in made:
            work.extend(made[here].invars)  # type: ignore[arg-type]
    names = trace.names() if callable(trace.names) else trace.names
    names = names or [f"argument {i}" for i in range(len(trace.invars))]
    return [f"argument `{name}`" for name, v in zip(names, trace.invars, strict=False) if v in seen]
