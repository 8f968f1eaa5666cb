"""gradient: the value and the gradient of a traced program on arrays, at the least cost.

In: a program whose first result is a scalar, and arrays. Out: its results and the cotangents of its inputs. Two ways, both
made of `linearize` and `transpose`:

- a program seen for the first time runs on a tape (`pullback.py`), its rules worked out once per kind of equation;
- a program whose structure was seen before (a training loop traces the same one at every step) is differentiated as
  a whole, once, into a straight line of NumPy calls that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..array import Array, raw
from ..ir import Jaxpr, Literal, Tracer, guard, state, trace_function
from .linearize import linearize_values
from .pullback import record_tape
from .straight_line import straight_line
from .transpose import transpose_values

__all__ = ["value_and_cotangents"]

_LONGEST = 1000  # equations; longer programs are rarely repeated and dear to compile
_LIMIT = 512
_programs: dict[Any, Any] = {}  # structure -> (function, which inputs have a cotangent); None: seen once


def value_and_cotangents(
    jaxpr: Jaxpr, consts: Sequence[Any], primals: Sequence[Any], nonzero: Sequence[bool]
) -> tuple[list[Any], list[Any]] | None:
    """Results (Arrays) and cotangents (NumPy, None for zero) of the inputs, for the cotangent 1 of the first result.

    Args:
        jaxpr, consts, primals: the program and its values.
        nonzero: which inputs have a tangent.

    Returns:
        None when a value is traced or an equation holds Jaxprs: then `linearize_values` does it.
    """
    if state.staging is not None:
        return None
    for x in (*consts, *primals):
        if type(x) is Tracer:
            return None
    if len(jaxpr.eqns) <= _LONGEST:
        program = _repeated(jaxpr, nonzero)
        if program is not None:
            run, has_cotangent = program
            found = state.context.run(run, *map(raw, consts), *map(raw, primals))
            count = len(jaxpr.outvars)
            outs = [Array(value, x.aval) for value, x in zip(found, jaxpr.outvars)]
            rest = iter(found[count:])
            return outs, [next(rest) if flag else None for flag in has_cotangent]
    tape = record_tape(jaxpr, consts, primals, nonzero)
    if tape is None:
        return None
    return tape.outs, tape.pull(jaxpr.outvars[0].aval.dtype.type(1))


def _repeated(jaxpr: Jaxpr, nonzero: Sequence[bool]) -> tuple[Callable[..., Any], list[bool]] | None:
    """The differentiated program, if one of this structure was seen before."""
    try:
        key = _structure(jaxpr)
        program = _programs.get(key, key)
    except TypeError:  # a param that cannot be hashed
        return None
    if program is key:  # never seen
        if len(_programs) >= _LIMIT:
            _programs.clear()
        _programs[key] = None
        return None
    if program is None:
        program = _programs[key] = _differentiated(jaxpr, nonzero)
    return program or None


def _structure(jaxpr: Jaxpr) -> tuple[Any, ...]:
    """Everything that the computation depends on except the values of its inputs; guards hold and do not matter."""
    index: dict[Any, int] = {}
    parts: list[Any] = []
    for var in (*jaxpr.constvars, *jaxpr.invars):
        index[var] = len(index)
        parts.append(var.aval)
    parts.append(len(jaxpr.invars))
    add = parts.append
    for eqn in jaxpr.eqns:
        primitive = eqn.primitive
        if primitive is guard:
            continue
        add(primitive)  # also marks where the operands of the equation before end
        for x in eqn.invars:
            place = index.get(x)
            add((x.aval, x.value.tobytes()) if place is None else place)
        if eqn.params:
            add(tuple(eqn.params.items()))
        for var in eqn.outvars:
            index[var] = len(index)
    for x in jaxpr.outvars:
        add((x.aval, x.value.tobytes()) if type(x) is Literal else index[x])  # type: ignore[index]
    return tuple(parts)


def _differentiated(jaxpr: Jaxpr, nonzero: Sequence[bool]) -> Any:
    """(function on NumPy values, flags), or False where there is none."""
    eqns = [eqn for eqn in jaxpr.eqns if eqn.primitive is not guard]
    if any(eqn.primitive.takes_arrays for eqn in eqns):
        return False
    inputs = (*jaxpr.constvars, *jaxpr.invars)
    opened = Jaxpr((), inputs, eqns, jaxpr.outvars, jaxpr.names)
    flags = (*(False,) * len(jaxpr.constvars), *nonzero)
    has_cotangent: list[bool] = []

    def both(*args: Any) -> list[Any]:
        outs, linear, out_nonzero = linearize_values(opened, (), args, flags)
        seeds: list[Any] = [None] * sum(out_nonzero)
        if out_nonzero[0]:
            aval = opened.outvars[0].aval
            seeds[0] = Literal(aval.dtype.type(1), aval)
        found = iter(transpose_values(linear.jaxpr, linear.consts, (None,) * sum(nonzero), seeds))
        cts = [next(found) if flag else None for flag in nonzero]
        has_cotangent.extend(ct is not None for ct in cts)
        return [*outs, *(ct for ct in cts if ct is not None)]

    program = trace_function(both, [var.aval for var in inputs], purpose="grad", name=jaxpr.names.function)
    run = straight_line(program)
    return False if run is None else (run, has_cotangent)
