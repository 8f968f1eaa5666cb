"""Exponentials and logarithms.

exp: x = n ln 2 + r with |r| <= ln(2) / 2 (Cody and Waite's two-part constant, exact under fma), a minimax polynomial
for exp(r), and 2**n by exponent arithmetic. log: x = 2**e m with m in [sqrt(1/2), sqrt(2)), then log(1 + f) for
f = m - 1 by a minimax polynomial in f (f32) or in s**2 for s = f / (2 + f), the odd series of 2 artanh(s) (f64);
the leading terms f - f**2 / 2 are kept apart so that the result is good to the last bit near 1. Range reductions after
Muller, "Elementary Functions" (3rd edition, chapters 4 and 11); the split of f - f**2 / 2 is fdlibm's idea.
"""

from __future__ import annotations

from ._builder import Block, Number, Value
from ._registry import function

# exp(r) = 1 + r + r**2 (c0 + c1 r + ...) on |r| <= ln(2) / 2; relative error 2**-28.2, 2**-56.2
EXP = {
    "f32": (0.49999994, 0.16666517, 0.041668106, 0.008369208, 0.0013838748),
    "f64": (
        0.5000000000000011,
        0.16666666666665966,
        0.04166666666652117,
        0.008333333333477928,
        0.001388888894846154,
        0.00019841270022981933,
        2.480148576140413e-05,
        2.7556794026818985e-06,
        2.7633537065754346e-07,
        2.5334319513830236e-08,
    ),
}
# 2**r = 1 + r (c0 + c1 r + ...) on |r| <= 1/2; relative error 2**-25.9, 2**-59.6
EXP2 = {
    "f32": (0.69314724, 0.24022655, 0.055502027, 0.009616968, 0.0013450517, 0.0001586472),
    "f64": (
        0.6931471805599453,
        0.2402265069591007,
        0.05550410866482338,
        0.009618129107630229,
        0.001333355814603299,
        0.00015403530388886425,
        1.525273416748568e-05,
        1.3215491335850505e-06,
        1.0177932014849231e-07,
        7.052947614493591e-09,
        4.473360833225813e-10,
        2.872991911486847e-11,
    ),
}
# f32: log(1 + f) = f - f**2 / 2 + f**3 (c0 + c1 f + ...) on [sqrt(1/2) - 1, sqrt(2) - 1]; 2**-27.3
# f64: log(1 + f) = 2 s + s**3 (c0 + c1 s**2 + ...), s = f / (2 + f); 2**-59.5
LOG = {
    "f32": (0.3333333, -0.25000823, 0.20001243, -0.1662332, 0.14201629, -0.13160613, 0.12761426, -0.07631833),
    "f64": (
        0.6666666666666734,
        0.39999999999416525,
        0.2857142874218482,
        0.22222198574246263,
        0.1818356518472351,
        0.1531400774672067,
        0.14796565735357667,
    ),
}
LOG2_E = 1.4426950408889634
# ln 2 in two parts: for exp the high part is ln 2 rounded (n * high is exact inside an fma), the low part the rest
LN2 = {"f32": (0.6931472, -1.9046542e-09), "f64": (0.6931471805599453, 2.3190468138462996e-17)}
# log2(e), log10(e) and log10(2) in two parts
LOG2_E_PARTS = {"f32": (1.442695, 1.925963e-08), "f64": (1.4426950408889634, 2.0355273740931033e-17)}
LOG10_E_PARTS = {"f32": (0.4342945, -1.010305e-08), "f64": (0.4342944819032518, 1.098319650216765e-17)}
LOG10_2_PARTS = {"f32": (0.30103, -1.4320989e-08), "f64": (0.3010299956639812, -2.8037281277851704e-18)}
# arguments between which exp is neither 0 nor infinite (a little wider), and below which it may be denormal
EXP_RANGE = {"f32": (-105.0, 89.0, -86.0), "f64": (-746.0, 710.0, -707.0)}
EXP2_RANGE = {"f32": (-151.0, 128.5, -124.0), "f64": (-1076.0, 1024.5, -1020.0)}


def reduce_by_ln2(b: Block, x: Value) -> tuple[Value, Value]:
    """(r, n) with x = n ln 2 + r, |r| <= ln(2) / 2, n as an integer."""
    n, n_integer = b.nearest(x, LOG2_E)
    high, low = LN2[b.format.dtype]
    return b.fma(n, -low, b.fma(n, -high, x)), n_integer


def reduce_by_ln2_exactly(b: Block, x: Value) -> tuple[Value, Value, Value]:
    """(n, r, low) with x = n ln 2 + (r + low), n as an integer."""
    n, n_integer = b.nearest(x, LOG2_E)
    high, low = LN2[b.format.dtype]
    first = b.fma(n, -high, x)  # exact
    r = b.fma(n, -low, first)
    return n_integer, r, b.fma(n, -low, first - r)


def scale(b: Block, twice: Value, n: Value, denormal: Value) -> Value:
    """`twice` * 2**(n - 1), right also where the result is infinite or, if `denormal` says so, denormal."""
    shift = 2 * b.format.mantissa
    raised = n + b.select(denormal, b.integer(shift - 1), b.integer(-1))
    return twice * b.power_of_two(raised) * b.select(denormal, b.real(2.0**-shift), b.real(1.0))


@function("exp")
def exp(b: Block, x: Value) -> Value:
    """exp(x): polynomial of degree 6 or 11 after reduction by ln 2."""
    return exp_of_negative(b, b.at_most(x, EXP_RANGE[b.format.dtype][1]))


def exp_of_negative(b: Block, x: Value) -> Value:
    """exp(x) where it does not overflow by more than a factor of 2."""
    low, _, denormal = EXP_RANGE[b.format.dtype]
    x = b.at_least(x, low)
    r, n = reduce_by_ln2(b, x)
    # twice the polynomial and half the power, because 2**128 is not a float where exp(x) still is
    twice = b.fma(b.poly(r, [2.0, *(2 * c for c in EXP[b.format.dtype])]), r, 2.0)
    return scale(b, twice, n, x < denormal)


@function("exp2")
def exp2(b: Block, x: Value) -> Value:
    """2**x: the reduction x = n + r is exact."""
    low, high, denormal = EXP2_RANGE[b.format.dtype]
    x = b.at_least(b.at_most(x, high), low)
    n, n_integer = b.nearest(x)
    r = x - n
    twice = b.fma(b.poly(r, [2 * c for c in EXP2[b.format.dtype]]), r, 2.0)
    return scale(b, twice, n_integer, x < denormal)


@function("expm1")
def expm1(b: Block, x: Value) -> Value:
    """exp(x) - 1 = 2**n (exp(r) - 1) + (2**n - 1), without cancellation."""
    high = EXP_RANGE[b.format.dtype][1]
    clamped = b.at_least(b.at_most(x, high), -50.0)
    half = half_expm1(b, clamped)
    # 0 keeps its sign and denormals their last bit
    return b.select(b.abs(x) < 2.0 ** -(b.format.mantissa + 2), x, half + half)


def half_expm1(b: Block, x: Value) -> Value:
    """(exp(x) - 1) / 2 for -50 <= x <= 89 or 710: 2**(n-1) (r + rest) + (2**(n-1) - 1/2), the small terms first."""
    n, r, low = reduce_by_ln2_exactly(b, x)
    half = b.power_of_two(n - 1)
    rest = b.fma(r * r, b.poly(r, EXP[b.format.dtype]), low)
    return (half - 0.5) + b.fma(half, r, half * rest)


def exp_quarter(b: Block, x: Value) -> Value:
    """exp(x) / 4 for 0 <= x <= 80, where one part of ln 2 suffices for half of the digits."""
    n, n_integer = b.nearest(x, LOG2_E)
    r = b.fma(n, -LN2[b.format.dtype][0], x)
    q = b.fma(r * r, b.poly(r, EXP[b.format.dtype]), r)
    power = b.power_of_two(n_integer - 2)
    return b.fma(power, q, power)


def split(b: Block, x: Value) -> tuple[Value, Value]:
    """(m, e) with x = 2**e m, m in [sqrt(1/2), sqrt(2)), for positive finite x, denormal or not."""
    denormal = x < b.format.smallest_normal
    lift = b.format.mantissa + 1
    lifted = b.select(denormal, x * 2.0**lift, x)
    exponent, e = binary_exponent(b, lifted, b.select(denormal, b.real(lift), b.real(0.0)))
    return b.from_bits(b.bits(lifted) - exponent), e


def binary_exponent(b: Block, x: Value, lift: Value | Number = 0.0) -> tuple[Value, Value]:
    """e with x / 2**e in [sqrt(1/2), sqrt(2)): as e << mantissa and as the float e - lift."""
    format = b.format
    above = b.bits(x) - SQRT_HALF_BITS[format.dtype]
    exponent = above & -(1 << format.mantissa)
    if format.dtype == "f32":
        return exponent, b.fma(b.cast("sitofp", exponent, "float"), 2.0**-23, -lift)
    # AVX2 converts no 64-bit integers: the biased exponent becomes the low bits of 2**52
    biased = (above + (format.bias << 52)).unsigned_shift(52)
    return exponent, b.from_bits(biased | 0x4330000000000000) - (lift + (2.0**52 + format.bias))


SQRT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}


def log1p_parts(b: Block, f: Value) -> Value:
    """log(1 + f) - f for f in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    half_square = 0.5 * f * f
    if b.format.dtype == "f32":
        return b.fma(f * f * f, b.poly(f, LOG["f32"]), -half_square)
    s = f / (2.0 + f)
    z = s * s
    return b.fma(s, b.fma(z, b.poly(z, LOG["f64"]), half_square), -half_square)


def natural(b: Block, f: Value, e: Value) -> Value:
    """log(2**e (1 + f))."""
    high, low = LN2[b.format.dtype]
    return b.fma(e, high, f + b.fma(e, low, log1p_parts(b, f)))


def special_logarithm(b: Block, x: Value, result: Value) -> Value:
    """`result`, or what a logarithm is at 0, below 0, at infinity and NaN."""
    outside = b.select(x.equals(0.0), b.real(float("-inf")), b.real(float("nan")))
    return b.select(x <= 0.0, outside, b.select(x < float("inf"), result, x))


@function("log")
def log(b: Block, x: Value) -> Value:
    """The natural logarithm."""
    m, e = split(b, x)
    return special_logarithm(b, x, natural(b, m - 1.0, e))


@function("log2")
def log2(b: Block, x: Value) -> Value:
    """The logarithm to base 2: exact at powers of 2."""
    m, e = split(b, x)
    return special_logarithm(b, x, e + converted(b, m - 1.0, *LOG2_E_PARTS[b.format.dtype]))


@function("log10")
def log10(b: Block, x: Value) -> Value:
    """The logarithm to base 10."""
    m, e = split(b, x)
    high, low = LOG10_2_PARTS[b.format.dtype]
    rest = b.fma(e, low, converted(b, m - 1.0, *LOG10_E_PARTS[b.format.dtype]))
    return special_logarithm(b, x, b.fma(e, high, rest))


def converted(b: Block, f: Value, high: Number, low: Number) -> Value:
    """log(1 + f) * (high + low), where the leading term f * high is exact inside the fma."""
    return b.fma(f, high, b.fma(f, low, log1p_parts(b, f) * high))


@function("log1p")
def log1p(b: Block, x: Value) -> Value:
    """log(1 + x): e from the rounded 1 + x, then f = 2**-e (1 + x) - 1 from x itself, with one rounding."""
    format = b.format
    exponent, e = binary_exponent(b, 1.0 + x)
    # 4 * 2**-e is normal for every e; 2**-e is not
    four = b.from_bits(b.bits(b.real(4.0)) - exponent)
    f = b.fma(x * 0.25, four, b.fma(four, 0.25, -1.0))
    result = natural(b, f, e)
    outside = b.select(x.equals(-1.0), b.real(float("-inf")), b.real(float("nan")))
    result = b.select(x <= -1.0, outside, b.select(x < float("inf"), result, x))
    return b.select(b.abs(x) < 2.0 ** -(format.mantissa + 2), x, result)
