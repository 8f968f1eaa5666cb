"""x**y and the cube root.

pow: 2**(y log2 x). In f64 the logarithm needs 64 good bits, because y log2 x goes up to 1024: double-double arithmetic
(Dekker, "A floating-point technique for extending the available precision", 1971; products by fma) for the leading
terms of the series in s = (m - 1) / (m + 1), plain arithmetic for the rest. In f32 plain f64 arithmetic is enough.
cbrt: a polynomial for m**(-1/3), one step of third order towards it in f64, then one step for the root itself, whose
residual is computed exactly; no division.
"""

from __future__ import annotations

from ._builder import Block, Value
from ._registry import function
from .exp_log import EXP2, EXP2_RANGE, scale, split

# log2((1 + s) / (1 - s)) / s by powers of s**2 on |s| <= 0.172: for f64 (the two leading coefficients, 2 / ln 2 and a
# third of it, in two parts, then the rest), for f32 with f64 coefficients
LOG2_LEADING = (2.8853900817779268, 4.0710547481862066e-17), (0.9617966939259756, 5.0577616648125907e-17)
LOG2_F64 = (  # 2**-73.4
    0.5770780163555851,
    0.41219858311134594,
    0.32059889791269314,
    0.26230819867247107,
    0.22195226918231076,
    0.19240137336757646,
    0.1684503747428471,
    0.1728275320728571,
)
LOG2_F32 = (  # 2**-37.8
    2.8853900817901716,
    0.9617966732425872,
    0.5770836029254128,
    0.411671681929055,
    0.3407487595398093,
)
# 2**r = 1 + r (c0 + c1 r + ...) on |r| <= 1/2, 2**-28.5
EXP2_F32 = (
    0.6931472149723842,
    0.24022652785543885,
    0.0555031054344674,
    0.009617692639585687,
    0.0013406646389745962,
    0.0001559477162070972,
)
# m**(-1/3) on [sqrt(1/2), sqrt(2)]; 2**-14.7
ROOT = {
    "f32": (1.8745193, -1.861832, 1.561307, -0.7023873, 0.12836958),
    "f64": (1.8745193018606083, -1.861831809634355, 1.5613066043620398, -0.702387040292419, 0.12836952943028057),
}
CBRT_2 = 1.2599210498948732
# y log2 x is cut here: beyond, the power is 0 or infinite
CUT_F32 = 1000.0


@function("pow", arity=2)
def pow(b: Block, x: Value, y: Value) -> Value:
    """x**y, as C99 defines it at zeros, infinities and NaN."""
    a = b.abs(x)
    magnitude = power_f32(b, a, y) if b.format.dtype == "f32" else power_f64(b, a, y)
    # 0 and infinity: the logarithm was computed of bits that mean something else
    zero, infinite = a.equals(0.0), a.equals(float("inf"))
    at_ends = b.select((y < 0.0) ^ zero, b.real(0.0), b.real(float("inf")))
    magnitude = b.select(zero | infinite, at_ends, magnitude)
    magnitude = b.select(a.equals(1.0), b.real(1.0), magnitude)
    half = y * 0.5
    whole = b.floor(y).equals(y)
    odd = whole & b.floor(half).differs(half)
    negative = b.bits(x) < 0
    value = b.select(negative & odd, -magnitude, magnitude)
    value = b.select((x < 0.0) & ~whole & ~infinite, b.real(float("nan")), value)
    value = b.select(x.unordered(y), x + y, value)
    return b.select(x.equals(1.0) | y.equals(0.0), b.real(1.0), value)


def power_f32(b: Block, a: Value, y: Value) -> Value:
    """a**y for 0 < a < infinity, in f64 arithmetic."""
    m, e = split(b, a)
    m, e, y = (b.cast("fpext", v, "double") for v in (m, e, y))
    s = (m - 1.0) / (m + 1.0)
    t = y * b.fma(s, b.poly(s * s, LOG2_F32), e)
    t = b.at_least(b.at_most(t, CUT_F32), -CUT_F32)
    n, n_integer = b.nearest(t)
    r = t - n
    return b.cast("fptrunc", b.fma(r, b.poly(r, EXP2_F32), 1.0) * b.power_of_two(n_integer), "float")


def power_f64(b: Block, a: Value, y: Value) -> Value:
    """a**y for 0 < a < infinity."""
    log, log_low = log2_in_two_parts(b, a)
    t = y * log
    low = b.fma(y, log, -t) + y * log_low
    cut, high, denormal = EXP2_RANGE["f64"]
    # beyond the cut, and where y is infinite, the low part may be NaN
    low = b.select(b.abs(t) < 2000.0, low, b.real(0.0))
    t = b.at_least(b.at_most(t, high), cut)
    n, n_integer = b.nearest(t)
    r = (t - n) + low
    twice = b.fma(b.poly(r, [2 * c for c in EXP2["f64"]]), r, 2.0)
    return scale(b, twice, n_integer, t < denormal)


def log2_in_two_parts(b: Block, a: Value) -> tuple[Value, Value]:
    """log2(a) for 0 < a < infinity, to 64 bits."""
    m, e = split(b, a)
    f, d = m - 1.0, m + 1.0
    of_d = m - (d - 1.0)
    inverse = 1.0 / d
    s = f * inverse
    of_s = inverse * b.fma(-s, of_d, b.fma(-s, d, f))
    z = s * s
    of_z = b.fma(s + s, of_s, b.fma(s, s, -z))
    (zeroth, of_zeroth), (first, of_first) = LOG2_LEADING
    rest = z * b.poly(z, LOG2_F64)
    inner = first + rest
    of_inner = (rest - (inner - first)) + of_first
    curved = z * inner
    of_curved = b.fma(z, of_inner, b.fma(of_z, inner, b.fma(z, inner, -curved)))
    outer = zeroth + curved
    of_outer = (curved - (outer - zeroth)) + (of_curved + of_zeroth)
    near = s * outer
    of_near = b.fma(s, of_outer, b.fma(of_s, outer, b.fma(s, outer, -near)))
    log = e + near
    return log, (near - (log - e)) + of_near


@function("cbrt")
def cbrt(b: Block, x: Value) -> Value:
    """The real cube root, odd."""
    a = b.abs(x)
    usual = b.select(a.equals(0.0), b.real(1.0), a)
    m, e = split(b, usual)
    third, k = b.nearest(e, 1 / 3)
    j = b.fma(third, -3.0, e)  # e = 3 k + j, j = -1, 0 or 1
    below, above = j < -0.5, j > 0.5
    g = b.poly(m, ROOT[b.format.dtype])
    g = g * b.select(below, CBRT_2, b.select(above, b.real(1 / CBRT_2), b.real(1.0)))
    m = m * b.select(below, 0.5, b.select(above, b.real(2.0), b.real(1.0)))
    if b.format.dtype == "f64":
        h = b.fma(-m * g, g * g, 1.0)
        g = b.fma(g * h, b.fma(h, 2 / 9, 1 / 3), g)
    square = g * g
    root = m * square
    of_cube = root * root
    residual = b.fma(-of_cube, root, m) - b.fma(root, root, -of_cube) * root
    root = b.fma(residual * (1 / 3), square, root) * b.power_of_two(k)
    return b.copysign(b.select(a.equals(0.0) | ~(a < float("inf")), a, root), x)
