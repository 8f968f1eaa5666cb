"""Hyperbolic functions, their inverses, and the logistic function.

sinh and cosh take both exponentials from one reduction: x = n ln 2 + r, exp(+-x) = 2**(+-n) (cosh r +- sinh r), with
minimax polynomials for sinh r and cosh r, so that nothing cancels and nothing is divided. tanh is a quotient of
exp(2x) - 1. atanh brings (1 + x) / (1 - x) to the form 2**k (1 + s) / (1 - s), k from the difference of the exponents,
with one division and without rounding 1 - x first; asinh and acosh are log1p of forms without cancellation (Kahan,
"Branch cuts for complex elementary functions", 1987).
"""

from __future__ import annotations

from ._builder import Block, Value
from ._registry import function
from .exp_log import LN2, binary_exponent, exp_of_negative, exp_quarter, natural, reduce_by_ln2_exactly

# sinh(r) = r + r**3 (c0 + c1 r**2 + ...) on |r| <= ln(2) / 2; 2**-34.3, 2**-61.7
SINH = {
    "f32": (0.16666667, 0.008333175, 0.00019974081),
    "f64": (
        0.16666666666666677,
        0.008333333333321376,
        0.0001984126988684643,
        2.755724342250904e-06,
        2.5109330368291672e-08,
    ),
}
# cosh(r) = 1 + r**2 (c0 + c1 r**2 + ...) on |r| <= ln(2) / 2; 2**-33.3, 2**-57.3
COSH = {
    "f32": (0.5, 0.04166646, 0.0013935452),
    "f64": (
        0.5000000000000013,
        0.0416666666665101,
        0.0013888888948380086,
        2.4801488929140252e-05,
        2.763144966961184e-07,
    ),
}
# atanh(s) = s + s**3 (c0 + c1 s**2 + ...) on |s| <= 0.203; 2**-28.3, 2**-62.3
ATANH = {
    "f32": (0.3333348, 0.19978228, 0.15195113),
    "f64": (
        0.3333333333333329,
        0.2000000000003222,
        0.14285714277003705,
        0.11111112248704755,
        0.0909082704817817,
        0.07695744613090488,
        0.0658368389712485,
        0.06942275027936813,
    ),
}
# tanh(a) = a + a**3 (c0 + c1 a**2 + ...) on [0, 0.5525]; 2**-29.7, 2**-60.1
TANH = {
    "f32": (-0.33333316, 0.13332544, -0.053847585, 0.021051038, -0.006243526),
    "f64": (
        -0.3333333333333329,
        0.13333333333325623,
        -0.053968253963168566,
        0.021869488368560015,
        -0.00886323231244755,
        0.003592089060363047,
        -0.0014555234516623286,
        0.0005883638579244432,
        -0.00023317498072804657,
        8.301919519200451e-05,
        -1.93109441353157e-05,
    ),
}
# sinh and cosh are infinite from here on
OVERFLOW = {"f32": 89.5, "f64": 710.6}
# from here on tanh(x) rounds to 1
TANH_ONE = {"f32": 10.0, "f64": 20.0}


def tiny(b: Block) -> float:
    """Below this, f(x) = x for every odd f with f'(0) = 1; x itself keeps the sign of 0 and the bits of denormals."""
    return 2.0 ** -(b.format.mantissa // 2 + 2)


def both_exponentials(b: Block, a: Value) -> tuple[Value, Value, Value, Value, Value]:
    """(rising, falling, r, cosh r - 1, sinh r - r): rising = 2**n / 4, falling = 2**-n / 4, a = n ln 2 + r >= 0.

    The quarter keeps 2**n finite where cosh(a) still is. The leading terms 1 and r stand apart, to be added last.
    """
    n, r, low = reduce_by_ln2_exactly(b, b.at_most(a, OVERFLOW[b.format.dtype]))
    z = r * r
    cosh_rest = z * b.poly(z, COSH[b.format.dtype])
    sinh_rest = b.fma(r * z, b.poly(z, SINH[b.format.dtype]), low)
    rising = b.power_of_two(n - 2)
    exponent = b.format.bias - 2 - n
    falling = b.from_bits(b.select(exponent > 0, exponent, b.integer(0)) << b.format.mantissa)
    return rising, falling, r, cosh_rest, sinh_rest


@function("sinh")
def sinh(b: Block, x: Value) -> Value:
    """sinh(x), odd."""
    a = b.abs(x)
    rising, falling, r, cosh_rest, sinh_rest = both_exponentials(b, a)
    plus, minus = rising + falling, rising - falling
    half = minus + b.fma(plus, r, b.fma(minus, cosh_rest, plus * sinh_rest))
    return b.copysign(b.select(a < tiny(b), a, half + half), x)


@function("cosh")
def cosh(b: Block, x: Value) -> Value:
    """cosh(x), even."""
    rising, falling, r, cosh_rest, sinh_rest = both_exponentials(b, b.abs(x))
    plus, minus = rising + falling, rising - falling
    # rising is a power of 2, plus need not be exact: it only multiplies small terms
    half = rising + b.fma(minus, r, b.fma(plus, cosh_rest, b.fma(minus, sinh_rest, falling)))
    return half + half


@function("tanh")
def tanh(b: Block, x: Value) -> Value:
    """tanh(x) = 1 - 2 / (exp(2|x|) + 1) with the sign of x, and a polynomial below 0.55, where that would cancel."""
    a = b.abs(x)
    z = a * a
    near = b.fma(a * z, b.poly(z, TANH[b.format.dtype]), a)
    quarter = exp_quarter(b, b.at_most(a + a, 2 * TANH_ONE[b.format.dtype]))
    far = 1.0 - 0.5 / (quarter + 0.25)
    return b.copysign(b.select(a < 0.55, near, far), x)


@function("logistic")
def logistic(b: Block, x: Value) -> Value:
    """1 / (1 + exp(-x)), through exp(-|x|): neither overflow nor the loss of small values."""
    e = exp_of_negative(b, -b.abs(x))
    denominator = 1.0 + e
    quotient = b.select(x < 0.0, e, b.real(1.0)) / denominator
    # the rounding error of the denominator, brought in to first order
    return b.fma(-quotient, e - (denominator - 1.0), quotient)


@function("atanh")
def atanh(b: Block, x: Value) -> Value:
    """atanh(x), odd; infinite at 1 and NaN beyond."""
    a = b.abs(x)
    above, below = 1.0 + a, 1.0 - a
    # the difference of the bit patterns is log2 of the quotient, within 0.09
    ratio = b.bits(above) - b.bits(below)
    exponent = (ratio + (1 << (b.format.mantissa - 1))) & -(1 << b.format.mantissa)
    power = b.from_bits(exponent + (b.format.bias << b.format.mantissa))
    # near 1 the power is so large that 1 would be lost beside it; there 1 - a is exact
    near_one, scaled = a > 0.5, power * below
    numerator = b.select(near_one, above - scaled, b.fma(a, 1.0 + power, 1.0 - power))
    s = numerator / b.select(near_one, above + scaled, b.fma(a, 1.0 - power, 1.0 + power))
    _, k = binary_exponent(b, power)
    high, low = LN2[b.format.dtype]
    z = s * s
    rest = b.fma(s * z, b.poly(z, ATANH[b.format.dtype]), k * (low / 2))
    inside = b.fma(k, high / 2, s + rest)
    outside = b.select(a.equals(1.0), b.real(float("inf")), b.real(float("nan")))
    return b.copysign(b.select(a < 1.0, inside, b.select(a >= 1.0, outside, a)), x)


def log_of_sum(b: Block, a: Value, w: Value, large: Value) -> Value:
    """log(1 + w), or log(2 a) where `large`."""
    exponent, e = binary_exponent(b, b.select(large, a, 1.0 + w))
    four = b.from_bits(b.bits(b.real(4.0)) - exponent)
    w = b.select(large, a, w)
    offset = b.select(large, b.real(0.0), four * 0.25)
    f = b.fma(w * 0.25, four, offset - 1.0)
    return natural(b, f, e + b.select(large, b.real(1.0), b.real(0.0)))


@function("asinh")
def asinh(b: Block, x: Value) -> Value:
    """asinh(x) = log1p(a + a**2 / (1 + sqrt(1 + a**2))) with the sign of x, a = |x|; odd."""
    a = b.abs(x)
    large = a > 2.0 ** (b.format.mantissa + 4)
    w = a + a * a / (1.0 + b.sqrt(b.fma(a, a, 1.0)))
    value = log_of_sum(b, a, w, large)
    value = b.select(a < tiny(b), a, b.select(a < float("inf"), value, a))
    return b.copysign(value, x)


@function("acosh")
def acosh(b: Block, x: Value) -> Value:
    """acosh(x) = log1p(t + sqrt(2 t + t**2)), t = x - 1; NaN below 1."""
    large = x > 2.0 ** (b.format.mantissa + 4)
    t = x - 1.0
    w = t + b.sqrt(b.fma(t, t, t + t))
    value = log_of_sum(b, x, w, large)
    return b.select(x < 1.0, b.real(float("nan")), b.select(x < float("inf"), value, x))
