"""Elementwise functions composed of several primitives: powers, remainders, logarithms of sums, tests, bits.

In: arrays, NumPy values, Python scalars. Out: arrays. The compositions are chosen for their derivatives: no
intermediate overflows where the result does not, and removable singularities are removed for every order
(`hypot`, `sinc`, `logaddexp`). Conventions at kinks are those of the primitives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import issubdtype
from ..ir import Tracer, known_value
from ..primitives import p
from ..primitives._ops import like, select
from . import ufuncs
from ._promotion import (
    as_array,
    as_dtype,
    as_inexact,
    checked,
    literal,
    promoted,
    promoted_inexact,
    promoted_numeric,
    strengthened,
    typed,
)
from .ufuncs import OPERATORS, operators_of

__all__ = [
    "angle",
    "around",
    "clip",
    "deg2rad",
    "degrees",
    "divmod",
    "fabs",
    "float_power",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "i0",
    "imag",
    "log10",
    "log2",
    "logaddexp",
    "logaddexp2",
    "mod",
    "power",
    "rad2deg",
    "radians",
    "real",
    "reciprocal",
    "remainder",
    "rint",
    "round",
    "sinc",
]


def _scaled(name: str, function: Callable[[Any], Any], factor: float, what: str) -> Callable[[Any], Any]:
    def scaled(x: Any, /) -> Any:
        x = function(as_inexact(name, x))
        return p.mul(x, like(x, factor))

    scaled.__name__ = scaled.__qualname__ = name
    scaled.__doc__ = f"{what}, elementwise."
    return scaled


rad2deg = _scaled("rad2deg", lambda x: x, 180 / math.pi, "Radians to degrees")
degrees = _scaled("degrees", lambda x: x, 180 / math.pi, "Radians to degrees")
deg2rad = _scaled("deg2rad", lambda x: x, math.pi / 180, "Degrees to radians")
radians = _scaled("radians", lambda x: x, math.pi / 180, "Degrees to radians")


def log2(x: Any, /) -> Any:
    """Logarithm to base 2, elementwise."""
    x = p.log(as_inexact("log2", x))
    return p.div(x, literal(math.log(2.0), x.aval.dtype))


def log10(x: Any, /) -> Any:
    """Logarithm to base 10, elementwise."""
    x = p.log(as_inexact("log10", x))
    if x.aval.dtype.kind == "c":  # part by part: a complex quotient turns -inf + 0j into nan
        return p.complex(*[p.div(part, like(part, math.log(10.0))) for part in (p.real(x), p.imag(x))])
    return p.div(x, literal(math.log(10.0), x.aval.dtype))


def reciprocal(x: Any, /) -> Any:
    """1 / x, elementwise; integers become floats."""
    x = as_inexact("reciprocal", x)
    return p.div(like(x, 1), x)


def fabs(x: Any, /) -> Any:
    """Absolute value as a float, elementwise."""
    x = as_inexact("fabs", x)
    if x.aval.dtype.kind == "c":
        raise TypeError("ufunc 'fabs' does not support complex dtypes")
    return p.abs(x)


def real(val: Any, /) -> Any:
    """Real part, elementwise."""
    x = as_array("real", val)
    return p.real(x) if x.aval.dtype.kind == "c" else x


def imag(val: Any, /) -> Any:
    """Imaginary part, elementwise; zeros for real arrays."""
    x = as_array("imag", val)
    if x.aval.dtype.kind == "c":
        return p.imag(x)
    return p.broadcast_in_dim(like(x, 0), shape=x.aval.shape, broadcast_dimensions=())


def angle(z: Any, deg: bool = False) -> Any:
    """Argument of complex numbers, elementwise; in degrees if `deg`."""
    z = strengthened(as_inexact("angle", as_array("angle", z)))
    im, re = (p.imag(z), p.real(z)) if z.aval.dtype.kind == "c" else (like(z, 0), z)
    out = p.atan2(im, re)
    return p.mul(out, like(out, 180 / math.pi)) if deg else out


def _static_exponent(y: Any) -> int | None:
    """The Python int that an exponent is, if it is one."""
    if type(y) is int:
        return y
    if isinstance(y, np.integer):
        return int(y)
    if type(y) is not Tracer and hasattr(y, "aval") and y.aval.dtype.kind in "iu" and not y.aval.shape:
        return int(known_value(y))  # type: ignore[arg-type]
    return None


def power(x1: Any, x2: Any, /) -> Any:
    """x1**x2, elementwise.

    A Python int (or a concrete integer scalar) as exponent gives `integer_pow`, any other `pow`. Derivatives at zero go
    by cases: x**0 is constant in x, 0**y is constant in y.

    Args:
        x1, x2: arrays of shapes that broadcast.

    Raises:
        TypeError: integers to a negative integer power.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.power(mnp.array([1.0, 2.0]), 3)
        Array([1., 8.], dtype=float32)
    """
    exponent = _static_exponent(x2)
    if exponent is not None:
        (base,) = checked("power", x1)
        dtype, weak = typed(base)
        if type(x2) is not int:
            dtype, weak = typed(promoted("power", base, x2)[0])
        return _integer_power(promoted_numeric("power", as_dtype(base, dtype, weak))[0], exponent)
    x, y = checked("power", x1, x2)
    x, y = promoted_numeric("power", x, y)
    if issubdtype(x.aval.dtype, np.inexact):
        return p.pow(x, y)
    return _power_by_squaring(x, y)


def _integer_power(x: Any, exponent: int) -> Any:
    aval = x.aval
    if exponent < 0 and aval.dtype.kind in "iub":
        weak = "~" if aval.weak_type else ""
        raise TypeError(
            f"Integers cannot be raised to negative powers, got integer_pow({weak}{aval.dtype}"
            f"[{','.join(map(str, aval.shape))}], {exponent}). Convert the base to float first: x.astype(float) ** "
            f"{exponent}"
        )
    return p.integer_pow(x, y=exponent)


def _power_by_squaring(x: Any, y: Any) -> Any:
    """Integers to integer powers, modulo the word: binary exponentiation (Knuth, TAOCP 4.6.3)."""
    one, zero = like(y, 1), like(y, 0)
    result: Any = literal(1, x.aval.dtype)
    for _ in range(x.aval.dtype.itemsize.bit_length() + 3):
        odd = p.ne(p.and_(y, one), zero)
        result = p.mul(result, select(odd, x, like(x, 1)))
        x = p.mul(x, x)
        y = p.shift_right_arithmetic(y, one)
    return result


def _power_operator(x: Any, y: Any) -> Any:
    if type(y) is int and x.aval.dtype.kind in "fc":
        return p.integer_pow(x, y=y)
    return _slow_power_operator(x, y)


_slow_power_operator, _reflected_power = operators_of(power)
OPERATORS["__pow__"], OPERATORS["__rpow__"] = _power_operator, _reflected_power


def float_power(x: Any, y: Any, /) -> Any:
    """x**y in floating point of at least single precision, elementwise."""
    return p.pow(*promoted_inexact("float_power", x, y))


def remainder(x1: Any, x2: Any, /) -> Any:
    """Remainder with the sign of x2 (Python's %), elementwise. d = dx1 - floor(x1 / x2) dx2."""
    x, y = promoted_numeric("remainder", x1, x2)
    rest = p.rem(x, y)
    zero = like(rest, 0)
    if rest.aval.dtype.kind in "iu":
        rest = select(p.eq(y, zero), zero, rest)  # as NumPy has it
        if rest.aval.dtype.kind == "u":
            return rest
    other_sign = p.and_(p.ne(p.lt(rest, zero), p.lt(y, zero)), p.ne(rest, zero))
    return select(other_sign, p.add(rest, y), rest)


mod = remainder


def fmod(x1: Any, x2: Any, /) -> Any:
    """Remainder with the sign of x1 (C's fmod), elementwise. d = dx1 - trunc(x1 / x2) dx2."""
    return p.rem(*promoted_numeric("fmod", x1, x2))


def floor_divide(x1: Any, x2: Any, /) -> Any:
    """Largest integer not above x1 / x2 (Python's //), elementwise. Its derivative is zero."""
    x, y = promoted_numeric("floor_divide", x1, x2)
    kind = x.aval.dtype.kind
    if kind == "u":
        return p.div(x, y)
    if kind == "i":
        quotient = p.div(x, y)
        below = p.and_(p.ne(p.lt(x, like(x, 0)), p.lt(y, like(y, 0))), p.ne(p.rem(x, y), like(x, 0)))
        return select(below, p.sub(quotient, like(quotient, 1)), quotient)
    if kind == "c":
        raise TypeError("floor_divide does not accept complex numbers: they are not ordered")
    return _float_divmod(x, y)[0]


def _float_divmod(x: Any, y: Any) -> tuple[Any, Any]:
    rest = p.rem(x, y)
    quotient = p.div(p.sub(x, rest), y)
    other_sign = p.and_(p.ne(p.lt(rest, like(rest, 0)), p.lt(y, like(y, 0))), p.ne(rest, like(rest, 0)))
    rest = select(other_sign, p.add(rest, y), rest)
    quotient = select(other_sign, p.sub(quotient, like(quotient, 1)), quotient)
    quotient = select(p.eq(y, like(y, 0)), p.div(x, y), quotient)
    return p.round(quotient, rounding_method=1), rest


def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """(x1 // x2, x1 % x2), elementwise."""
    x, y = promoted_numeric("divmod", x1, x2)
    if x.aval.dtype.kind in "fV":
        return _float_divmod(x, y)
    return floor_divide(x, y), remainder(x, y)


for _dunder, _function in (("floordiv", floor_divide), ("mod", remainder), ("divmod", divmod)):
    OPERATORS[f"__{_dunder}__"], OPERATORS[f"__r{_dunder}__"] = operators_of(_function)


def clip(
    arr: Any = None, /, min: Any = None, max: Any = None, *, a: Any = None, a_min: Any = None, a_max: Any = None
) -> Any:
    """`arr` limited to [min, max], elementwise.

    Args:
        arr: array.
        min, max: limits, arrays that broadcast; None: no limit.
        a, a_min, a_max: older names of the arguments.

    Returns:
        Array. Its derivative at a limit is shared with the limit: 0.5.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.clip(mnp.array([-1.0, 0.5, 2.0]), 0, 1)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    arr = a if arr is None else arr
    min, max = (a_min if min is None else min), (a_max if max is None else max)
    if arr is None:
        raise ValueError(
            "At most one of a_min and a_max may be None" if min is None else "No input was provided to clip"
        )
    if any(getattr(getattr(v, "dtype", None), "kind", "") == "c" or type(v) is complex for v in (arr, min, max)):
        raise ValueError("Clip received a complex value either through the input or the min/max keywords.")
    out = as_array("clip", arr)
    if min is not None:
        out = ufuncs.maximum(out, min)
    if max is not None:
        out = ufuncs.minimum(out, max)
    return out


def fmax(x1: Any, x2: Any, /) -> Any:
    """Larger of two, elementwise; a number wins over nan. At ties the derivative goes to x2."""
    x, y = promoted("fmax", x1, x2)
    return select(p.or_(p.gt(x, y), p.ne(y, y)), x, y)


def fmin(x1: Any, x2: Any, /) -> Any:
    """Smaller of two, elementwise; a number wins over nan. At ties the derivative goes to x2."""
    x, y = promoted("fmin", x1, x2)
    return select(p.or_(p.lt(x, y), p.ne(y, y)), x, y)


def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 for x1 < 0, x2 for x1 == 0, 1 for x1 > 0, elementwise; nan stays nan."""
    x, y = promoted_inexact("heaviside", x1, x2)
    zero, one = like(y, 0), like(y, 1)
    out = select(p.lt(x, zero), zero, select(p.gt(x, zero), one, y))
    return select(p.ne(x, x), like(y, math.nan), out)


def hypot(x1: Any, x2: Any, /) -> Any:
    """sqrt(x1**2 + x2**2) without over- or underflow, elementwise.

    Both are divided by the larger one, which is a constant to differentiation: the function does not depend on it.
    The derivative at (0, 0) is (1/2, 1/2), as in JAX.
    """
    x, y = promoted_inexact("hypot", x1, x2)
    if x.aval.dtype.kind == "c":
        raise ValueError("jnp.hypot does not support complex numbers.")
    scale = p.stop_gradient(p.max(p.abs(x), p.abs(y)))
    zero = p.eq(scale, like(scale, 0))
    one = like(scale, 1)
    infinite = p.or_(*[p.eq(p.abs(v), like(v, math.inf)) for v in (x, y)])
    safe = select(p.or_(zero, infinite), one, scale)
    u, v = p.div(select(zero, one, x), safe), p.div(y, safe)
    length = p.mul(safe, p.sqrt(p.add(p.mul(u, u), p.mul(v, v))))
    out = select(zero, p.mul(like(scale, 0.5), p.add(x, y)), length)
    return select(infinite, like(out, math.inf), out)


# Taylor coefficients of sin(sqrt t) / sqrt t, good to the last bit of float64 for t <= 1 with four derivatives.
_SINC_SERIES = [(-1) ** k / math.factorial(2 * k + 1) for k in range(12)]


def sinc(x: Any, /) -> Any:
    """sin(pi x) / (pi x), elementwise; 1 at 0.

    Near 0 the series is used, so that derivatives of every order are right there and close to it.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.sinc(0.0)
        Array(1., dtype=float32, weak_type=True)
    """
    x = as_inexact("sinc", x)
    angle = p.mul(x, like(x, math.pi))
    magnitude = p.abs(angle)
    near = p.lt(magnitude, like(magnitude, 1))
    one = like(x, 1)
    apart = select(near, one, angle)
    t = select(near, p.mul(angle, angle), like(x, 0))
    series: Any = like(x, _SINC_SERIES[-1])
    for coefficient in reversed(_SINC_SERIES[:-1]):
        series = p.add(p.mul(series, t), like(x, coefficient))
    return select(near, series, p.div(p.sin(apart), apart))


def logaddexp(x1: Any, x2: Any, /) -> Any:
    """log(exp(x1) + exp(x2)) without overflow, elementwise.

    Written as m + log1p(...) with m the larger operand as a constant, so that derivatives of every order are right,
    at ties too; nan where both are -inf.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.logaddexp(0.0, 0.0)
        Array(0.6931472, dtype=float32, weak_type=True)
    """
    x, y = promoted_inexact("logaddexp", x1, x2)
    if x.aval.dtype.kind == "c":
        return _complex_logaddexp(x, y)
    top = p.stop_gradient(p.max(x, y))
    top = select(p.is_finite(top), top, like(top, 0))
    u, v = p.sub(x, top), p.sub(y, top)
    first = p.ge(x, y)
    # one of the exponentials is 1, and is taken off exactly
    rest = p.add(select(first, p.expm1(u), p.exp(u)), select(first, p.exp(v), p.expm1(v)))
    return p.add(top, p.log1p(rest))


def _complex_logaddexp(x: Any, y: Any) -> Any:
    top = p.stop_gradient(p.max(p.real(x), p.real(y)))
    top = p.convert_element_type(top, new_dtype=x.aval.dtype, weak_type=False)
    return p.add(top, p.log(p.add(p.exp(p.sub(x, top)), p.exp(p.sub(y, top)))))


def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """log2(2**x1 + 2**x2) without overflow, elementwise."""
    x, y = promoted_inexact("logaddexp2", x1, x2)
    out = logaddexp(p.mul(x, like(x, math.log(2.0))), p.mul(y, like(y, math.log(2.0))))
    return p.div(out, like(out, math.log(2.0)))


def rint(x: Any, /) -> Any:
    """Nearest integer, halves to even, elementwise; integers become floats. Its derivative is zero."""
    x = as_inexact("rint", x)
    if x.aval.dtype.kind == "c":
        return p.complex(rint(p.real(x)), rint(p.imag(x)))
    return p.round(x, rounding_method=1)


def round(a: Any, decimals: int = 0, out: None = None) -> Any:
    """`a` rounded to `decimals` digits after the point, halves to even, elementwise. Its derivative is zero.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.round(mnp.array([0.5, 1.25]), 1)
        Array([0.5, 1.2], dtype=float32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.round is not supported.")
    a = as_array("round", a)
    kind = a.aval.dtype.kind
    if kind in "iub":
        if decimals < 0:
            raise NotImplementedError("integer np.round not implemented for decimals < 0")
        return a
    if kind == "c":
        return p.complex(round(p.real(a), decimals), round(p.imag(a), decimals))
    if decimals == 0:
        return p.round(a, rounding_method=1)
    factor = like(a, 10.0**decimals)
    return p.div(p.round(p.mul(a, factor), rounding_method=1), factor)


around = round


def i0(x: Any, /) -> Any:
    """Modified Bessel function of the first kind, order zero, elementwise."""
    x = as_inexact("i0", x)
    return p.mul(p.exp(p.abs(x)), p.bessel_i0e(x))
