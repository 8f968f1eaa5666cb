"""quick: binding one or two operands without params at the least cost.

In: an elementwise primitive. Out: a function that does what `primitive.bind` does, with the two common cases written out: operands
that have values and nothing is staged (evaluate), and operands of one live trace that some trace bound there before
(follow its prefix). Everything else goes to `bind`. `minijax.numpy` makes its ufuncs and operators from these: they are
called a million times.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..config import config
from . import trace as tracing
from .jaxpr import Literal
from .primitive import Primitive
from .trace import Tracer, state

__all__ = ["bind_one", "bind_two"]


def bind_one(primitive: Primitive) -> Callable[[Any], Any]:
    """`primitive.bind` for one operand and no params."""
    array, known, evaluate, bind = tracing.array_type(), primitive.known_avals, primitive.evaluate, primitive.bind
    local, flags, frame_above, new = state, config, sys._getframe, object.__new__

    def quick(x: Any) -> Any:
        kind = type(x)
        if kind is Tracer:
            segment = x._segment
            if segment.level <= local.open:
                found = segment.prefix.get((primitive, x._index))
                if found is not None:
                    places, place = segment.places, local.source
                    if place is None:
                        frame = frame_above(2)
                        place = frame.f_lasti if frame is places.frame else places.enter(frame)
                    places.offsets.append(place)
                    segment.prefix = found
                    out = new(Tracer)
                    out._segment, out._index, out.aval = segment, found.index, found.aval
                    return out
        elif kind is array and local.open >= 0 and not flags.debugging:
            aval = known.get((x.aval,))
            if aval is not None:
                return array(local.context.run(evaluate, x._value), aval)
        return bind(x)

    return quick


def bind_two(primitive: Primitive) -> Callable[[Any, Any], Any]:
    """`primitive.bind` for two operands (Arrays, tracers or literals) and no params."""
    array, known, evaluate, bind = tracing.array_type(), primitive.known_avals, primitive.evaluate, primitive.bind
    local, flags, frame_above, new = state, config, sys._getframe, object.__new__

    def quick(x: Any, y: Any) -> Any:
        first, second = type(x), type(y)
        if first is Tracer or second is Tracer:
            if first is not Tracer:
                segment, a, b = y._segment, x, y._index
                beside = first is Literal
            elif second is not Tracer:
                segment, a, b = x._segment, x._index, y
                beside = second is Literal
            else:
                segment, a, b = x._segment, x._index, y._index
                beside = y._segment is segment
            if beside and segment.level <= local.open:
                found = segment.prefix.get((primitive, a, b))
                if found is not None:
                    places, place = segment.places, local.source
                    if place is None:
                        frame = frame_above(2)
                        place = frame.f_lasti if frame is places.frame else places.enter(frame)
                    places.offsets.append(place)
                    segment.prefix = found
                    out = new(Tracer)
                    out._segment, out._index, out.aval = segment, found.index, found.aval
                    return out
        elif local.open >= 0 and not flags.debugging:
            aval = known.get((x.aval, y.aval))
            if aval is not None:
                return array(local.context.run(evaluate, x._value, y._value), aval)
        return bind(x, y)

    return quick
