"""quick: binding one or two operands without params at the least cost.

In: an elementwise primitive. Out: a function that does what `primitive.bind` does, with the two common cases written out: operands
that have values and nothing is staged (evaluate), and operands of one live trace (record). Everything else goes to `bind`.
`minijax.numpy` makes its ufuncs and operators from these: they are called a million times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..config import config
from . import trace as tracing
from .jaxpr import Eqn, Literal, Var
from .primitive import Primitive
from .trace import Tracer, state

__all__ = ["bind_one", "bind_two"]

_NO_PARAMS: dict[str, Any] = {}  # shared: params of an equation are never changed


def bind_one(primitive: Primitive) -> Callable[[Any], Any]:
    """`primitive.bind` for one operand and no params."""
    array, known, evaluate, bind = tracing.array_type(), primitive.known_avals, primitive.evaluate, primitive.bind
    local, flags = state, config

    def quick(x: Any) -> Any:
        if local.staging is None:
            aval = known.get((x.aval,))
            kind = type(x)
            if aval is not None:
                if kind is array and not flags.debugging:
                    return array(local.context.run(evaluate, x._value), aval)
                if kind is Tracer:
                    trace = x._trace
                    if trace.alive and local.level >= trace.level:
                        var = Var(aval)
                        place = local.source or trace.recorder.pointers(2)
                        trace.eqns.append(Eqn(primitive, (x._var,), (var,), _NO_PARAMS, place))
                        return Tracer(trace, aval, var)
        return bind(x)

    return quick


def bind_two(primitive: Primitive) -> Callable[[Any, Any], Any]:
    """`primitive.bind` for two operands (Arrays, tracers or literals) and no params."""
    array, known, evaluate, bind = tracing.array_type(), primitive.known_avals, primitive.evaluate, primitive.bind
    local, flags = state, config

    def quick(x: Any, y: Any) -> Any:
        if local.staging is None:
            aval = known.get((x.aval, y.aval))
            if aval is not None:
                first, second = type(x), type(y)
                if first is Tracer:
                    trace = x._trace
                    beside = second is Literal or (second is Tracer and y._trace is trace)
                    if beside and trace.alive and local.level >= trace.level:
                        var = Var(aval)
                        place = local.source or trace.recorder.pointers(2)
                        atoms = (x._var, y if second is Literal else y._var)
                        trace.eqns.append(Eqn(primitive, atoms, (var,), _NO_PARAMS, place))
                        return Tracer(trace, aval, var)
                elif second is not Tracer and not flags.debugging:
                    return array(local.context.run(evaluate, x._value, y._value), aval)
        return bind(x, y)

    return quick
