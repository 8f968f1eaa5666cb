"""Functions of how numbers are written: signs, exponents, mantissas, special values, divisors.

In: arrays. Out: arrays. Bits are read by `bitcast_convert_type`, which has no derivative; what is differentiable is computed by
arithmetic beside it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import canonicalize_dtype, issubdtype
from ..primitives import p
from ..primitives._ops import like, select
from ._promotion import (
    as_array,
    as_dtype,
    as_inexact,
    checked,
    promoted,
    promoted_inexact,
    promoted_numeric,
    strengthened,
)
from .ufuncs import trunc

__all__ = [
    "copysign",
    "frexp",
    "gcd",
    "lcm",
    "ldexp",
    "modf",
    "nan_to_num",
    "spacing",
    "sign_bit",
]


def sign_bit(x: Any) -> Any:
    """Whether the sign bit of floats is set."""
    bits = p.bitcast_convert_type(x, new_dtype=np.dtype(f"i{x.aval.dtype.itemsize}"))
    return p.lt(bits, like(bits, 0))


def copysign(x1: Any, x2: Any, /) -> Any:
    """|x1| with the sign of x2, elementwise."""
    x, y = promoted_inexact("copysign", x1, x2)
    return select(p.ne(sign_bit(x), sign_bit(y)), p.neg(x), x)


def spacing(x: Any, /) -> Any:
    """Distance to the next float away from zero, elementwise."""
    x = strengthened(as_array("spacing", as_inexact("spacing", x)))
    away = select(sign_bit(x), like(x, -math.inf), like(x, math.inf))
    return p.sub(p.nextafter(x, away), x)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """`x` with nan and infinities replaced by numbers, elementwise.

    Args:
        x: array.
        copy: accepted; arrays never change.
        nan: in place of nan.
        posinf, neginf: in place of infinities; default: the extreme finite numbers.
    """
    x = strengthened(as_array("nan_to_num", x))
    dtype = x.aval.dtype
    if not issubdtype(dtype, np.inexact):
        return x
    if dtype.kind == "c":
        return p.complex(*[nan_to_num(part(x), copy, nan, posinf, neginf) for part in (p.real, p.imag)])
    limits = np.finfo(dtype) if dtype.kind == "f" else None
    top = (limits.max if limits is not None else 3.3895e38) if posinf is None else posinf
    low = (limits.min if limits is not None else -3.3895e38) if neginf is None else neginf
    nan, top, low = (as_dtype(v, dtype) for v in checked("nan_to_num", nan, top, low))
    x = select(p.ne(x, x), nan, x)
    x = select(p.eq(x, like(x, math.inf)), top, x)
    return select(p.eq(x, like(x, -math.inf)), low, x)


def modf(x: Any, /) -> tuple[Any, Any]:
    """(fractional part, whole part), both with the sign of x, elementwise."""
    x = as_inexact("modf", x)
    whole = trunc(x)
    infinite = p.eq(p.abs(x), like(x, math.inf))
    return select(infinite, like(x, 0), p.sub(x, whole)), whole


_FLOAT_FORMATS = {2: (5, 10), 4: (8, 23), 8: (11, 52)}  # bytes: exponent bits, mantissa bits


def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 * 2**x2 for integers x2, elementwise."""
    x, n = as_array("ldexp", x1), as_array("ldexp", x2)
    if n.aval.dtype.kind not in "iub":
        raise ValueError(f"ldexp not supported for input types {(x.aval.dtype, n.aval.dtype)}")
    x = strengthened(as_inexact("ldexp", x))
    n = p.convert_element_type(n, new_dtype=x.aval.dtype, weak_type=False)
    x, n = promoted("ldexp", x, n)
    limit = 4.0 * (2 ** (_FLOAT_FORMATS[x.aval.dtype.itemsize][0] - 1) - 2)
    n = p.clamp(like(n, -limit), n, like(n, limit))
    quarter = p.trunc(p.mul(n, like(n, 0.25)))  # no factor over- or underflows
    step = p.exp2(quarter)
    rest = p.exp2(p.sub(n, p.mul(quarter, like(n, 3))))
    return p.mul(p.mul(p.mul(p.mul(x, step), step), step), rest)


def frexp(x: Any, /) -> tuple[Any, Any]:
    """(mantissa in [0.5, 1), integer exponent) with x = mantissa * 2**exponent, elementwise."""
    x = strengthened(as_array("frexp", as_inexact("frexp", x)))
    dtype = x.aval.dtype
    exponent_bits, mantissa_bits = _FLOAT_FORMATS[dtype.itemsize]
    bias = 2 ** (exponent_bits - 1) - 2
    lifted = p.mul(x, like(x, 2.0**mantissa_bits))  # out of the denormals
    tiny = p.lt(p.abs(x), like(x, float(np.finfo(dtype).tiny)))
    bits = p.bitcast_convert_type(select(tiny, lifted, x), new_dtype=np.dtype(f"i{dtype.itemsize}"))
    field = p.and_(p.shift_right_arithmetic(bits, like(bits, mantissa_bits)), like(bits, 2**exponent_bits - 1))
    exponent = p.sub(field, select(tiny, like(bits, bias + mantissa_bits), like(bits, bias)))
    special = p.or_(p.eq(x, like(x, 0)), p.not_(p.is_finite(x)))
    exponent = select(special, like(exponent, 0), exponent)
    exponent = p.convert_element_type(exponent, new_dtype=canonicalize_dtype(np.int32), weak_type=False)
    return ldexp(x, p.neg(exponent)), exponent


def _euclid(x: Any, y: Any) -> Any:
    """Greatest common divisor of nonnegative integers; the number of steps is that of the worst case (Lame 1844)."""
    steps = int(x.aval.dtype.itemsize * 8 * 1.4404) + 2
    zero = like(y, 0)
    for _ in range(steps):
        done = p.eq(y, zero)
        x, y = select(done, x, y), select(done, zero, p.rem(x, select(done, like(y, 1), y)))
    return x


def _integer_pair(name: str, x1: Any, x2: Any) -> list[Any]:
    values = promoted_numeric(name, x1, x2)
    if values[0].aval.dtype.kind not in "iu":
        raise ValueError(f"Arguments to jax.numpy.{name} must be integers.")
    return [p.abs(v) if v.aval.dtype.kind == "i" else v for v in values]


def gcd(x1: Any, x2: Any, /) -> Any:
    """Greatest common divisor of integers, elementwise."""
    return _euclid(*_integer_pair("gcd", x1, x2))


def lcm(x1: Any, x2: Any, /) -> Any:
    """Least common multiple of integers, elementwise."""
    x, y = _integer_pair("lcm", x1, x2)
    divisor = _euclid(x, y)
    zero = p.eq(divisor, like(divisor, 0))
    return p.mul(p.div(x, select(zero, like(divisor, 1), divisor)), y)
