"""Questions about values and arrays: `isnan`, `isclose`, `array_equal`, `isscalar`, ...

In: arrays, NumPy values, Python scalars. Out: boolean arrays, or Python booleans where the answer is static.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..array import Array
from ..dtypes import issubdtype
from ..ir import Tracer
from ..primitives import p
from ..primitives._ops import like
from ._promotion import BOOL, SCALAR_TYPES, as_array, as_dtype, checked, literal, promoted, promoted_inexact, typed
from .representation import sign_bit
from .ufuncs import equal, logical_and, logical_not

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "isscalar",
    "iterable",
    "signbit",
]


def _operand(name: str, x: Any) -> Any:
    (x,) = checked(name, x)
    return as_dtype(x, *typed(x))


def _constant(x: Any, value: bool) -> Any:
    return p.broadcast_in_dim(literal(value, BOOL), shape=x.aval.shape, broadcast_dimensions=())


def isnan(x: Any, /) -> Any:
    """Whether x is nan, elementwise."""
    x = _operand("isnan", x)
    return p.ne(x, x)


def isfinite(x: Any, /) -> Any:
    """Whether x is neither infinite nor nan, elementwise."""
    x = _operand("isfinite", x)
    kind = x.aval.dtype.kind
    if kind == "c":
        return p.and_(p.is_finite(p.real(x)), p.is_finite(p.imag(x)))
    return _constant(x, True) if kind in "iub" else p.is_finite(x)


def isinf(x: Any, /) -> Any:
    """Whether x is infinite, elementwise."""
    x = _operand("isinf", x)
    kind = x.aval.dtype.kind
    if kind == "c":
        return p.or_(isinf(p.real(x)), isinf(p.imag(x)))
    return _constant(x, False) if kind in "iub" else p.eq(p.abs(x), like(x, math.inf))


def _is_infinity(name: str, x: Any, value: float) -> Any:
    x = _operand(name, x)
    if x.aval.dtype.kind == "c":
        raise ValueError(f"{name} is not well defined for complex type: {x.aval.dtype}")
    return _constant(x, False) if x.aval.dtype.kind in "iub" else p.eq(x, like(x, value))


def isposinf(x: Any, /, out: None = None) -> Any:
    """Whether x is +inf, elementwise."""
    return _is_infinity("isposinf", x, math.inf)


def isneginf(x: Any, /, out: None = None) -> Any:
    """Whether x is -inf, elementwise."""
    return _is_infinity("isneginf", x, -math.inf)


def signbit(x: Any, /) -> Any:
    """Whether the sign bit of x is set (also for -0.0), elementwise."""
    x = _operand("signbit", x)
    if x.aval.dtype.kind == "c":
        raise ValueError("jax.numpy.signbit is not well defined for complex inputs.")
    if x.aval.dtype.kind == "b":
        return _constant(x, False)
    return p.lt(x, like(x, 0)) if x.aval.dtype.kind in "iu" else sign_bit(x)


def iscomplex(x: Any) -> Any:
    """Whether the imaginary part is not zero, elementwise."""
    x = as_array("iscomplex", x)
    return p.ne(p.imag(x), literal(0, p.imag(x).aval.dtype)) if x.aval.dtype.kind == "c" else _constant(x, False)


def isreal(x: Any) -> Any:
    """Whether the imaginary part is zero, elementwise."""
    return logical_not(iscomplex(x))


def iscomplexobj(x: Any) -> bool:
    """Whether `x` has a complex dtype."""
    return issubdtype(_dtype_of(x), np.complexfloating)


def isrealobj(x: Any) -> bool:
    """Whether `x` does not have a complex dtype."""
    return not iscomplexobj(x)


def _dtype_of(x: Any) -> np.dtype:
    return typed(x)[0] if type(x) in (Array, Tracer) or type(x) in SCALAR_TYPES else np.asarray(x).dtype


def isscalar(element: Any) -> bool:
    """Whether `element` is a number or an array without axes."""
    if hasattr(element, "__jax_array__"):
        element = element.__jax_array__()
    return bool(np.isscalar(element)) or (isinstance(element, (Array, np.ndarray)) and element.ndim == 0)


def iterable(y: Any) -> bool:
    """Whether `iter(y)` works."""
    try:
        iter(y)
    except TypeError:
        return False
    return True


def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |a - b| <= atol + rtol * |b|, elementwise; infinities are close to themselves.

    Args:
        a, b: arrays of shapes that broadcast.
        rtol, atol: tolerances.
        equal_nan: whether nan is close to nan.
    """
    x, y = promoted("isclose", a, b)
    if not issubdtype(x.aval.dtype, np.inexact):
        x, y = promoted_inexact("isclose", a, b)
    bound_by = p.abs(y)
    scale, offset = (as_dtype(v, bound_by.aval.dtype) for v in checked("isclose", rtol, atol))
    bound = p.add(offset, p.mul(scale, bound_by))
    close = p.and_(p.le(p.abs(p.sub(x, y)), bound), isfinite(y))
    out = p.or_(close, p.eq(x, y))
    return p.or_(out, p.and_(isnan(x), isnan(y))) if equal_nan else out


def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether all elements are close; see `isclose`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.allclose(mnp.array([1.0, 2.0]), 1.0)
        Array(False, dtype=bool)
    """
    return _all(isclose(a, b, rtol, atol, equal_nan))


def _all(x: Any) -> Any:
    return p.reduce_and(x, axes=tuple(range(x.aval.ndim)))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether two arrays have the same shape and elements."""
    try:
        x, y = as_array("array_equal", a1), as_array("array_equal", a2)
    except TypeError:
        return Array(np.bool_(False), _FALSE)
    if x.aval.shape != y.aval.shape:
        return Array(np.bool_(False), _FALSE)
    same = equal(x, y)
    return _all(p.or_(same, logical_and(isnan(x), isnan(y))) if equal_nan else same)


_FALSE = literal(False, BOOL).aval


def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether two arrays are equal after broadcasting."""
    try:
        return _all(equal(a1, a2))
    except TypeError:
        return Array(np.bool_(False), _FALSE)
