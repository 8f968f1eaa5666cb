"""Elementwise lax functions: one per primitive. Operands have equal shapes (or are scalars) and equal dtypes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import check_user_dtype, issubdtype
from ..ir import lookup
from ..primitives import p
from ..tree import tree_map
from ._operands import as_operand, as_operands

_UNARY = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bessel_i0e",
    "bessel_i1e",
    "cbrt",
    "ceil",
    "clz",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "imag",
    "is_finite",
    "lgamma",
    "log",
    "log1p",
    "logistic",
    "neg",
    "population_count",
    "real",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
]
_NARY = [
    "add",
    "atan2",
    "complex",
    "div",
    "eq",
    "ge",
    "gt",
    "igamma",
    "igammac",
    "le",
    "lt",
    "max",
    "min",
    "mul",
    "ne",
    "nextafter",
    "polygamma",
    "pow",
    "rem",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sub",
    "zeta",
]
_RENAMED = {"bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"}

__all__ = [
    *_UNARY,
    *_NARY,
    *_RENAMED,
    "RoundingMethod",
    "betainc",
    "bitcast_convert_type",
    "bitwise_not",
    "clamp",
    "conj",
    "convert_element_type",
    "integer_pow",
    "random_gamma_grad",
    "reciprocal",
    "reduce_precision",
    "round",
    "select",
    "select_n",
    "stop_gradient",
]


# these take the keyword `accuracy` of jax.lax; there is one accuracy here
_WITH_ACCURACY = frozenset(
    ["cbrt", "cos", "exp", "exp2", "expm1", "log", "log1p", "logistic", "rsqrt", "sin", "sqrt", "tan", "tanh"]
)
_ARGUMENTS = {"igamma": "a x", "igammac": "a x", "nextafter": "x1 x2", "polygamma": "m x", "zeta": "x q"}


def _unary(name: str) -> Callable[..., Any]:
    primitive = lookup(name)

    def apply(x: Any) -> Any:
        return primitive.bind(as_operand(x))

    def apply_accurately(x: Any, *, accuracy: Any = None) -> Any:
        return primitive.bind(as_operand(x))

    return _named(apply_accurately if name in _WITH_ACCURACY else apply, name, primitive.doc)

    return _named(apply, name, primitive.doc)


def _nary(name: str, primitive_name: str) -> Callable[..., Any]:
    primitive = lookup(primitive_name)

    def by_x_y(x: Any, y: Any) -> Any:
        return primitive.bind(*as_operands(x, y))

    def by_a_x(a: Any, x: Any) -> Any:
        return primitive.bind(*as_operands(a, x))

    def by_m_x(m: Any, x: Any) -> Any:
        return primitive.bind(*as_operands(m, x))

    def by_x_q(x: Any, q: Any) -> Any:
        return primitive.bind(*as_operands(x, q))

    def by_x1_x2(x1: Any, x2: Any) -> Any:
        return primitive.bind(*as_operands(x1, x2))

    named = {"a x": by_a_x, "m x": by_m_x, "x q": by_x_q, "x1 x2": by_x1_x2}
    return _named(named.get(_ARGUMENTS.get(name, ""), by_x_y), name, primitive.doc)


def _named(f: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"`lax.{name}`: {doc}"
    return f


globals().update({name: _unary(name) for name in _UNARY})
globals().update({name: _nary(name, name) for name in _NARY})
globals().update({name: _nary(name, primitive) for name, primitive in _RENAMED.items()})


def bitwise_not(x: Any) -> Any:
    """Bitwise (integers) or logical (booleans) negation, elementwise."""
    return p.not_(as_operand(x))


def conj(x: Any) -> Any:
    """Complex conjugate, elementwise; a real array becomes complex."""
    x = as_operand(x)
    if not issubdtype(x.dtype, np.complexfloating):
        x = p.complex(x, p.broadcast_in_dim(x.dtype.type(0), shape=x.shape, broadcast_dimensions=()))
    return p.conj(x)


def integer_pow(x: Any, y: int) -> Any:
    """x**y for a Python int y, elementwise."""
    return p.integer_pow(as_operand(x), y=int(y))


def reciprocal(x: Any) -> Any:
    """1 / x, elementwise."""
    one, x = as_operands(1, x)
    return p.div(one, x)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularized incomplete beta function I_x(a, b), elementwise (DLMF 8.17.2)."""
    return p.regularized_incomplete_beta(*as_operands(a, b, x))


def random_gamma_grad(a: Any, x: Any) -> Any:
    """The derivative of a gamma(a) sample x with respect to a, elementwise (Figurnov et al. 2018)."""
    return p.random_gamma_grad(*as_operands(a, x))


class RoundingMethod(enum.IntEnum):
    """What `round` does with halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def round(x: Any, rounding_method: int = RoundingMethod.AWAY_FROM_ZERO) -> Any:
    """Round to integers, elementwise: halves away from zero or to even."""
    return p.round(as_operand(x), rounding_method=int(rounding_method))


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Round to a float format with fewer bits, elementwise."""
    return p.reduce_precision(as_operand(operand), exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)


def clamp(min: Any, x: Any, max: Any) -> Any:
    """`x` limited to [min, max], elementwise; the derivative at the limits is 0."""
    x = as_operand(x)
    low, _, high = as_operands(min, x, max)
    return p.clamp(low, x, high)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """`on_true` where `pred`, else `on_false`, elementwise."""
    return select_n(pred, on_false, on_true)


def select_n(which: Any, *cases: Any) -> Any:
    """The case numbered `which` (bool or int32), elementwise."""
    return p.select_n(as_operand(which), *as_operands(*cases))


def convert_element_type(operand: Any, new_dtype: Any) -> Any:
    """`operand` with dtype `new_dtype`; floats are truncated to integers."""
    x = as_operand(operand)
    weak = isinstance(new_dtype, type) and new_dtype in (int, float, complex)
    dtype = check_user_dtype(new_dtype, "convert_element_type")
    if x.dtype == dtype and x.weak_type == weak:
        return x
    return p.convert_element_type(x, new_dtype=dtype, weak_type=weak)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits of `operand` read as `new_dtype`."""
    return p.bitcast_convert_type(as_operand(operand), new_dtype=check_user_dtype(new_dtype, "bitcast_convert_type"))


def stop_gradient(x: Any) -> Any:
    """`x` without its derivative: a constant to every differentiation.

    Args:
        x: tree of arrays.

    Example:
        >>> import minijax as mj
        >>> float(mj.grad(lambda x: x * mj.lax.stop_gradient(x))(3.0))
        3.0
    """
    return tree_map(_stopped, x)


def _stopped(x: Any) -> Any:
    value = as_operand(x)
    return p.stop_gradient(value) if issubdtype(value.dtype, np.inexact) else value
