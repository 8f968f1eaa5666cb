"""`check`: a condition that has to hold, with what to say when it does not.

    check[debug=False message=x must be positive, got {}] b x

In: a boolean, then the values that the message shows; under vmap each with the batch axes in front. No results. Evaluated, it
raises `CheckError` unless the condition holds (with `debug=True`, nothing); `checked_values` (checked.py) makes it a result instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import raw
from ..errors import CheckError
from ..interpreters.batch import materialize
from ..ir import CHECK, Kind, Primitive, ShapedArray, Source, state
from ..ir.trace import describe
from ..tree import PyTreeDef, tree_unflatten

__all__ = ["Message", "check"]


class Message:
    """What a failed check says.

    Args:
        text: a format string.
        structure: of `(args, kwargs)` that it is formatted with.
        why: what stands behind it, in brackets: "`check` failed".
        source: of the call, where the user made it: a compiled program no longer knows.
    """

    __slots__ = ("source", "structure", "text", "why")

    def __init__(self, text: str, structure: PyTreeDef, why: str = "", source: Source | None = None) -> None:
        self.text = text
        self.structure = structure
        self.why = why
        self.source = source

    def formatted(self, values: Sequence[Any], place: str | None) -> str:
        """The message for these values (NumPy), and where in the user's program it comes from (None: from `source`)."""
        place = place or describe(self.source)
        args, kwargs = tree_unflatten(self.structure, values)
        first = self.text.format(*args, **kwargs) + (f" ({self.why})" if self.why else "")
        return first if place is None else f"{first}\n  at {place}"

    def __repr__(self) -> str:
        return self.text


def _abstract(pred: ShapedArray, *values: ShapedArray, message: Message, debug: bool) -> tuple[ShapedArray, ...]:
    if pred.dtype != np.bool_ or any(x.shape[: pred.ndim] != pred.shape for x in values):
        raise TypeError(f"check: expected a boolean, and values with its axes in front; got {(pred, *values)}")
    return ()


def _evaluate(pred: Any, *values: Any, message: Message, debug: bool) -> list[Any]:
    holds = np.asarray(raw(pred))
    if not debug and not holds.all():
        first = np.unravel_index(np.argmin(holds), holds.shape)
        raise CheckError(message.formatted([raw(x)[first] for x in values], describe(state.source)))
    return []


def _batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any
) -> tuple[list[Any], list[int | None]]:
    if axes[0] is None and all(axis is None for axis in axes):
        check.bind(*args, **params)
    else:
        check.bind(*[materialize(x, axis, size, 0) for x, axis in zip(args, axes, strict=True)], **params)
    return [], []


check = Primitive(
    "check",
    Kind.EFFECT,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=None,
    batch=_batch,
    params={"message": object, "debug": bool},
    multiple_results=True,
    effects=frozenset({CHECK}),
    doc="Raise CheckError unless a condition holds. Operands: the condition, values for the message. Tangents pass it by.",
)
