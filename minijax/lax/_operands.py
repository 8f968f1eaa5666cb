"""Operands of lax functions: arrays as they are, Python scalars in the dtype of the arrays beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import Array, as_value
from ..dtypes import canonicalize_dtype
from ..ir import Literal, ShapedArray, Tracer

__all__ = ["canonical_axes", "canonical_axis", "index_operands", "as_operand", "as_operands", "static_shape"]

_SCALARS = (bool, int, float, complex)


def as_operand(x: Any) -> Any:
    """`x` as a value that can be bound."""
    kind = type(x)
    return x if kind is Array or kind is Tracer else as_value(x)


def as_operands(*args: Any) -> list[Any]:
    """`args` with Python scalars turned into weak literals of the dtype of the first array among them."""
    lead = next((x for x in args if type(x) not in _SCALARS), None)
    if lead is None:
        return [as_value(x) for x in args]
    dtype = as_operand(lead).dtype
    return [_literal(x, dtype) if type(x) in _SCALARS else as_operand(x) for x in args]


def _literal(x: Any, dtype: np.dtype) -> Literal:
    own = as_value(x).dtype
    if "biufc".find(own.kind) > "biufc".find(dtype.kind if dtype.kind != "V" else "f"):
        raise TypeError(
            f"lax functions require arguments to have the same dtypes, got {dtype} and the {own} {x!r}, which would "
            "lose its value. minijax.numpy has the same functions, and promotes."
        )
    return Literal(dtype.type(x), ShapedArray((), dtype, True))


def index_operands(indices: Sequence[Any]) -> list[Any]:
    """Start indices as integer scalars."""
    return [
        as_value(np.asarray(i, canonicalize_dtype(np.int32))) if type(i) is int else as_operand(i) for i in indices
    ]


def canonical_axis(axis: int, ndim: int) -> int:
    """A nonnegative axis. Raises ValueError if it is out of range."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return int(axis) % ndim


def canonical_axes(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Nonnegative axes."""
    return tuple(canonical_axis(axis, ndim) for axis in axes)


def static_shape(shape: Any) -> tuple[int, ...]:
    """A shape of Python ints. Raises TypeError for anything else."""
    try:
        return tuple(n.__index__() for n in shape)
    except (TypeError, AttributeError):
        raise TypeError(f"Shapes must be 1D sequences of concrete values of integer type, got {shape!r}.") from None
