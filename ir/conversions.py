"""What Python may ask of a traced value: bool, int, float, complex, NumPy's `__array__`, repr.

In: a tracer. Out: its value (`concrete.py` finds it and writes a guard down), or an error. A number that leaves the
program takes no derivative with it: where somebody differentiates with respect to what it depends on, the user is
told, once per line, that the gradient stops there.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from ..errors import GradientStopsWarning, teach
from .concrete import concretize, known_value, value_of
from .jaxpr import Atom, Eqn
from .source import Source, user_frame
from .trace import Trace, Tracer, describe

__all__ = ["python_value"]


def python_value(tracer: Tracer, asked: str) -> np.ndarray:
    """The value of `tracer`, for Python to compute with.

    Args:
        tracer: the traced value.
        asked: how it was asked for, for messages: "float()", "np.asarray()".

    Raises:
        ConcretizationTypeError, TracerArrayConversionError: the value is not known here.

    Warns:
        GradientStopsWarning: a derivative is being taken with respect to what the value depends on.
    """
    value: np.ndarray = concretize(tracer, "value", asked)
    here: Any = tracer
    while type(here) is Tracer:
        if _carries_tangent(here):
            _warn(here, asked)
            break
        here = value_of(here)
    return value


class _Activity:
    """Which variables of a trace carry tangents, for the equations looked at so far."""

    __slots__ = ("active", "count", "told")

    def __init__(self, trace: Trace) -> None:
        self.active: set[Atom] = {var for var in trace.invars if var.aval.is_differentiable}
        self.count = 0
        self.told: set[tuple[str, int]] = set()  # lines that were warned about in this trace

    def update(self, eqns: list[Eqn]) -> None:
        for eqn in eqns[self.count :]:
            if any(_passes(eqn, place) for place, x in enumerate(eqn.invars) if x in self.active):
                self.active.update(var for var in eqn.outvars if var.aval.is_differentiable)
        self.count = len(eqns)


def _passes(eqn: Eqn, place: int) -> bool:
    """Whether the operand at `place` has a derivative in the results (`stop_gradient` and `floor` have none)."""
    rule = eqn.primitive.jvp
    return rule is not None and not (type(rule) is tuple and rule[place] is None)


def _carries_tangent(tracer: Tracer) -> bool:
    trace, var = tracer._trace, tracer._var
    if trace.staging or trace.purpose == "vmap" or not var.aval.is_differentiable:  # the others take a derivative
        return False
    if trace.activity is None:
        trace.activity = _Activity(trace)
    trace.activity.update(trace.eqns)
    return var in trace.activity.active


def _warn(tracer: Tracer, asked: str) -> None:
    frame = user_frame(sys._getframe(1))
    trace = tracer._trace
    if frame is None or (line := (frame.f_code.co_filename, frame.f_lineno)) in trace.activity.told:
        return
    trace.activity.told.add(line)
    message = teach(
        f"{asked} of a traced value ({tracer.aval.str_short()}): the gradient stops here",
        at=describe(Source(frame.f_code, frame.f_lasti)),
        why=f"{trace.function or 'the function'} is traced for {trace.purpose}, and what Python computes with this number "
        "is a constant to it: its derivative is 0",
        do="keep computing with minijax.numpy; if a constant is meant, say so: minijax.lax.stop_gradient(x)",
    )
    names = frame.f_globals
    warnings.warn_explicit(
        message,
        GradientStopsWarning,
        *line,
        names.get("__name__", "<unknown>"),
        names.setdefault("__warningregistry__", {}),  # where Python notes that it has shown a warning
    )


def _bool(self: Tracer) -> bool:
    if self.size != 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            if self.size
            else "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that it is not empty."
        )
    return bool(concretize(self, "bool", "bool()"))


def _int(self: Tracer) -> int:
    return int(concretize(_scalar(self, "int"), "int", "int()"))


def _index(self: Tracer) -> int:
    if self.dtype.kind not in "iub" or self.ndim:
        raise TypeError(f"only integer scalar arrays can be converted to a scalar index, got {self.aval.str_short()}")
    return int(concretize(self, "int", "__index__()"))


def _float(self: Tracer) -> float:
    return float(python_value(_scalar(self, "float"), "float()").item())


def _complex(self: Tracer) -> complex:
    return complex(python_value(_scalar(self, "complex"), "complex()").item())


def _scalar(tracer: Tracer, wanted: str) -> Tracer:
    if tracer.size != 1:
        raise TypeError(f"only size-1 arrays can be converted to Python {wanted}, got {tracer.aval.str_short()}")
    return tracer


def _array(self: Tracer, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    return np.array(python_value(self, "np.asarray()"), dtype=dtype)


def _repr(self: Tracer) -> str:
    value = None
    if self._trace.alive and not self._trace.staging:
        value = known_value(self)
    shown = "" if value is None else f", value={np.array2string(np.asarray(value), threshold=20, separator=', ')}"
    return f"Tracer<{self.aval.str_short()}, {self._trace.purpose}{shown}>"


# Attached here rather than written in trace.py, which must not know how values are found.
Tracer.__bool__ = _bool  # type: ignore[attr-defined]
Tracer.__int__ = _int  # type: ignore[attr-defined]
Tracer.__index__ = _index  # type: ignore[attr-defined]
Tracer.__float__ = _float  # type: ignore[attr-defined]
Tracer.__complex__ = _complex  # type: ignore[attr-defined]
Tracer.__array__ = _array  # type: ignore[attr-defined]
Tracer.__repr__ = _repr  # type: ignore[method-assign, assignment]
