"""Running a primitive on values that exist, and what a thread keeps while it traces and evaluates.

In: a primitive, Arrays or NumPy values, params. Out: Arrays. Nothing is recorded here; `Primitive.bind` decides which of the
two it is.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import config
from ..errors import teach
from .avals import shaped
from .source import Places, Source

if TYPE_CHECKING:
    from .primitive import Primitive
    from .trace import Trace

__all__ = ["array_type", "describe", "evaluate", "here", "register_array_type", "state"]


class ThreadState(threading.local):
    """What tracing keeps per thread: the innermost staging trace, the nesting level, the current origin."""

    def __init__(self) -> None:
        self._staging: Trace | None = None
        self._level = 0
        self.open = 0  # traces up to this level may be recorded into without asking further (none: -1)
        self.source: Source | None = None  # set while an interpreter runs an equation recorded earlier
        self.axes: dict[Any, tuple[int, Trace]] = {}  # named vmap axes: size and the trace they belong to
        # Floating-point flags are values here (inf, nan), not warnings. Entering a context that has them
        # switched off costs 0.02 us; np.errstate costs 1.1 us an operation.
        self.context = contextvars.copy_context()
        self.context.run(np.seterr, all="ignore")

    @property
    def staging(self) -> Trace | None:
        """The innermost trace that records operations on constants too."""
        return self._staging

    @staging.setter
    def staging(self, trace: Trace | None) -> None:
        self._staging = trace
        self.open = self._level if trace is None else -1

    @property
    def level(self) -> int:
        """How many traces this thread is in."""
        return self._level

    @level.setter
    def level(self, level: int) -> None:
        self._level = level
        self.open = level if self._staging is None else -1


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
                where = state.source or Places().here(3)
                raise FloatingPointError(
                    teach(
                        f"invalid value ({name}) encountered in {primitive.name}",
                        at=describe(where),
                        why=f"config.jax_debug_{name}s is set and an output of this operation has a {name}",
                        do="look at the operands at this line; minijax.debug_nans(False) turns the check off",
                    )
                )


def here(depth: int = 1) -> Source | None:
    """What runs now: the equation that an interpreter is at, or the user's frame, `depth` frames above the caller or further out."""
    return state.source or Places().here(depth + 1)


def describe(source: Source | None) -> str | None:
    """`file:line in function: text`, for error messages."""
    if source is None:
        return None
    text = source.line_text
    return f"{source.place} in `{source.function}`" + (f":   {text}" if text else "")
