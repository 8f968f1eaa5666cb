"""Trigonometric functions and their inverses.

sin, cos, tan: |x| = n pi/2 + r with |r| <= pi/4, then one of two minimax polynomials by the last bit of n, and a sign.
The reduction is Cody and Waite's with pi/2 in three parts, in which the first product is exact under fma; from 1e5 (f32)
or 1e9 (f64) on it is Payne and Hanek's ("Radian reduction for trigonometric functions", SIGNUM 1983): the 192 bits of
2/pi that matter for the exponent of x, times the significand, in integers. That path is a branch, taken if one lane needs
it. Inverses: the quotient of two linear functions brings the argument near 0 (addition theorems at pi/8 and 3 pi/8 for
atan, the half angle for asin and acos above 1/2), a minimax polynomial follows, and the offset is added in two parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ._builder import FORMATS, Block, Value
from ._registry import function

# sin(r) = r + r**3 (c0 + c1 r**2 + ...) on |r| <= pi/4; 2**-32.5, 2**-57.2
SIN = {
    "f32": (-0.16666667, 0.008333379, -0.00019853064, 2.8325778e-06),
    "f64": (
        -0.1666666666666663,
        0.00833333333332184,
        -0.00019841269829368164,
        2.7557313545412216e-06,
        -2.5050735350937452e-08,
        1.5895440729502774e-10,
    ),
}
# cos(r) = 1 - r**2 / 2 + r**4 (c0 + c1 r**2 + ...) on |r| <= pi/4; 2**-33.0, 2**-63.9
COS = {
    "f32": (0.041666646, -0.001388731, 2.4432355e-05),
    "f64": (
        0.041666666666666595,
        -0.0013888888888873325,
        2.480158728898312e-05,
        -2.755731420971056e-07,
        2.0875704194030695e-09,
        -1.1358678026535718e-11,
    ),
}
# tan(r) = r + r**3 (c0 + c1 r**2 + ...) on |r| <= pi/4; 2**-29.3, 2**-59.4
TAN = {
    "f32": (0.3333335, 0.13332674, 0.054059867, 0.021277241, 0.01085989, 4.7071935e-05, 0.00440222),
    "f64": (
        0.3333333333333338,
        0.13333333333325342,
        0.05396825397290287,
        0.021869488399335963,
        0.008863237921845976,
        0.0035921008902420255,
        0.0014560454497215293,
        0.0005888652328557335,
        0.00024374827766064725,
        8.356728570690541e-05,
        6.720426389251263e-05,
        -2.5608165330281627e-05,
        4.861159843205382e-05,
        -2.4260327612555067e-05,
        9.795650308735212e-06,
    ),
}
# asin(s) = s + s**3 (c0 + c1 s**2 + ...) on [0, 1/2]; 2**-27.6, 2**-55.8
ASIN = {
    "f32": (0.16666752, 0.074953094, 0.045469154, 0.02418474, 0.042158406),
    "f64": (
        0.16666666666665408,
        0.07500000000337159,
        0.04464285682818816,
        0.030381959143402512,
        0.022371757882636293,
        0.017359707521250628,
        0.013885204871235353,
        0.012169445965174643,
        0.006526760090932916,
        0.019532297840594712,
        -0.01623191095347074,
        0.03191855998514541,
    ),
}
# atan(t) = t + t**3 (c0 + c1 t**2 + ...) on [0, tan(pi/8)]; 2**-30.4, 2**-58.4
ATAN = {
    "f32": (-0.33333316, 0.19998527, -0.14244345, 0.10598728, -0.060887348),
    "f64": (
        -0.3333333333333319,
        0.19999999999952184,
        -0.14285714280060885,
        0.11111110777149237,
        -0.09090897555751645,
        0.07692055640862738,
        -0.06663035953506995,
        0.0584725556043597,
        -0.050357816817132174,
        0.03795783450993887,
        -0.017771804641590703,
    ),
}
HALF_PI = {
    "f32": (1.5707964, -4.371139e-08, -1.7151245e-15),
    "f64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591815e-33),
}
# multiples of pi/4 in two parts
QUARTERS = {
    "f32": (
        (0.0, 0.0),
        (0.7853982, -2.1855694e-08),
        (1.5707964, -4.371139e-08),
        (2.3561945, -5.9624403e-09),
        (3.1415927, -8.742278e-08),
    ),
    "f64": (
        (0.0, 0.0),
        (0.7853981633974483, 3.061616997868383e-17),
        (1.5707963267948966, 6.123233995736766e-17),
        (2.356194490192345, 9.184850993605148e-17),
        (3.141592653589793, 1.2246467991473532e-16),
    ),
}
TWO_OVER_PI = 0.6366197723675814
HUGE = {"f32": 1e5, "f64": 1e9}
TAN_PI_8, TAN_3_PI_8 = 0.41421356237309503, 2.414213562373095


def quadrant(b: Block, a: Value) -> tuple[Value, Value, Value]:
    """(r, low, n mod 4 as integer) with a = n pi/2 + (r + low), |r| <= pi/4, for a >= 0; NaN for infinity."""
    dtype = b.format.dtype
    first, second, third = HALF_PI[dtype]
    n, n_integer = b.nearest(a, TWO_OVER_PI)
    rest = b.fma(n, -first, a)  # exact: the result has no more bits than a
    product = n * second
    r, low = exact_sum(rest, -product)
    low = low - b.fma(n, third, b.fma(n, second, -product))
    huge = a >= HUGE[dtype]

    def payne_hanek() -> Sequence[Value]:
        text, declares = reduction()
        b.helpers |= {TABLE: table_text(), REDUCTION: text}
        b.declares |= declares
        wide = a if dtype == "f64" else b.cast("fpext", a, "double")
        exact = b.each_lane(REDUCTION, wide, ["double", "double", "i64"])
        if dtype == "f32":
            near = b.cast("fptrunc", exact[0], "float")
            remainder = b.cast("fptrunc", exact[0] - b.cast("fpext", near, "double"), "float")
            exact = [near, remainder, b.cast("trunc", exact[2], "i32")]
        return [b.select(huge, new, old) for new, old in zip(exact, (r, low, n_integer), strict=True)]

    r, low, n_integer = b.rarely(huge, payne_hanek, (r, low, n_integer))
    return r, low, n_integer


def exact_sum(a: Value, c: Value) -> tuple[Value, Value]:
    """The rounded sum and what rounding cut off (Knuth's TwoSum)."""
    total = a + c
    of_c = total - a
    return total, (a - (total - of_c)) + (c - of_c)


def sine(b: Block, r: Value, low: Value) -> Value:
    """sin(r + low)."""
    z = r * r
    return r + b.fma(r * z, b.poly(z, SIN[b.format.dtype]), low)


def cosine(b: Block, r: Value, low: Value) -> Value:
    """cos(r + low)."""
    z = r * r
    main = b.fma(-0.5, z, 1.0)
    cut = b.fma(-0.5, z, 1.0 - main)
    return main + (cut + b.fma(z * z, b.poly(z, COS[b.format.dtype]), -r * low))


def sign_bit(b: Block) -> int:
    return -(1 << (b.format.bits - 1))


def flip(b: Block, x: Value, sign: Value) -> Value:
    """`x`, negated where the highest bit of the integer `sign` is set."""
    return b.from_bits(b.bits(x) ^ (sign & sign_bit(b)))


@function("sin", branches=("f32", "f64"))
def sin(b: Block, x: Value) -> Value:
    """sin(x): the sine or cosine of r, negated in the third and fourth quadrant and with x."""
    r, low, n = quadrant(b, b.abs(x))
    value = b.select((n & 1).equals(0), sine(b, r, low), cosine(b, r, low))
    return flip(b, value, (n << (b.format.bits - 2)) ^ b.bits(x))


@function("cos", branches=("f32", "f64"))
def cos(b: Block, x: Value) -> Value:
    """cos(x): the cosine or sine of r, negated in the second and third quadrant."""
    r, low, n = quadrant(b, b.abs(x))
    value = b.select((n & 1).equals(0), cosine(b, r, low), sine(b, r, low))
    return flip(b, value, (n + 1) << (b.format.bits - 2))


@function("tan", branches=("f32", "f64"))
def tan(b: Block, x: Value) -> Value:
    """tan(x): the tangent t of r in even quadrants, -1 / t in odd ones."""
    r, low, n = quadrant(b, b.abs(x))
    z = r * r
    cubic = r * z * b.poly(z, TAN[b.format.dtype])
    # tan(r + low) = tan(r) + low (1 + tan(r)**2), and t**2 differs little from z where low matters
    t = r + (cubic + b.fma(low, z, low))
    even = (n & 1).equals(0)
    return flip(b, b.select(even, t, -1.0) / b.select(even, b.real(1.0), t), b.bits(x))


@function("atan")
def atan(b: Block, x: Value) -> Value:
    """atan(x), odd."""
    a = b.abs(x)
    far, middle = a > TAN_3_PI_8, a > TAN_PI_8
    numerator = b.select(far, b.real(-1.0), b.select(middle, a - 1.0, a))
    denominator = b.select(far, a, b.select(middle, a + 1.0, 1.0))
    base = [
        b.select(far, two, b.select(middle, one, b.real(0.0))) for one, two in zip(*quarters(b, 1, 2), strict=True)
    ]
    t = numerator / denominator
    return b.copysign(add_to_base(b, base, t, atan_rest(b, t)), x)


def quarters(b: Block, *multiples: int) -> list[list[Value]]:
    """The two parts of multiples of pi/4."""
    return [[b.real(part) for part in QUARTERS[b.format.dtype][k]] for k in multiples]


def atan_rest(b: Block, t: Value) -> Value:
    """atan(t) - t for |t| <= tan(pi/8)."""
    z = t * t
    return t * z * b.poly(z, ATAN[b.format.dtype])


def add_to_base(b: Block, base: Sequence[Value], x: Value, rest: Value) -> Value:
    """base + x + rest, where base has two parts and |x| is smaller than it, unless it is 0."""
    high, low = base
    total = high + x
    return total + (((high - total) + x) + (rest + low))


@function("atan2", arity=2)
def atan2(b: Block, y: Value, x: Value) -> Value:
    """The angle of the point (x, y) in [-pi, pi], as C99 defines it at zeros and infinities."""
    a, c = b.abs(y), b.abs(x)
    both_infinite = b.select(a.equals(float("inf")), c, b.real(0.0)).equals(float("inf"))
    a, c = (b.select(both_infinite, b.real(1.0), v) for v in (a, c))
    # one power of two brings both away from overflow and from denormals
    larger = b.select(a < c, c, a)
    limit = 2.0 ** (b.format.bias - 3)
    step = 2.0 ** (b.format.mantissa * 2)
    factor = b.select(larger > limit, 1 / step, b.select(larger < step / limit, b.real(step), b.real(1.0)))
    a, c = a * factor, c * factor
    far, middle = a > c * TAN_3_PI_8, a > c * TAN_PI_8
    numerator = b.select(far, -c, b.select(middle, a - c, a))
    denominator = b.select(far, a, b.select(middle, a + c, c))
    t = numerator / b.select(denominator.equals(0.0), b.real(1.0), denominator)
    left = b.bits(x) < 0
    right_base, left_base = quarters(b, 0, 1, 2), quarters(b, 4, 3, 2)
    base = [
        b.select(
            far,
            right_base[2][k],
            b.select(
                middle,
                *(
                    b.select(left, lb[k], rb[k])
                    for lb, rb in ((left_base[1], right_base[1]), (left_base[0], right_base[0]))
                ),
            ),
        )
        for k in (0, 1)
    ]
    sign = b.select(left, b.real(-1.0), b.real(1.0))
    return b.copysign(add_to_base(b, base, t * sign, atan_rest(b, t) * sign), y)


def half_angle(b: Block, a: Value) -> tuple[Value, Value, Value]:
    """(large, s, rest): asin(a) = s + rest where a <= 1/2; else, `large`, acos(a) = 2 (s + rest)."""
    large = a > 0.5
    halved = b.fma(a, -0.5, 0.5)
    z = b.select(large, halved, a * a)
    root = b.sqrt(z)
    s = b.select(large, root, a)
    # what rounding the root has cut off; the divisor is kept from 0
    missing = b.fma(-root, root, halved) * 0.5 / b.at_least(root, b.format.smallest_normal)
    rest = b.fma(s * z, b.poly(z, ASIN[b.format.dtype]), b.select(large, missing, b.real(0.0)))
    return large, s, rest


@function("asin")
def asin(b: Block, x: Value) -> Value:
    """asin(x), odd; NaN outside [-1, 1]."""
    large, s, rest = half_angle(b, b.abs(x))
    zero, half_pi = quarters(b, 0, 2)
    base = [b.select(large, p, q) for p, q in zip(half_pi, zero, strict=True)]
    factor = b.select(large, b.real(-2.0), b.real(1.0))
    return b.copysign(add_to_base(b, base, s * factor, rest * factor), x)


@function("acos")
def acos(b: Block, x: Value) -> Value:
    """acos(x); NaN outside [-1, 1]."""
    large, s, rest = half_angle(b, b.abs(x))
    zero, half_pi, pi = quarters(b, 0, 2, 4)
    left = x < 0.0
    base = [b.select(large, b.select(left, p, z), h) for z, h, p in zip(zero, half_pi, pi, strict=True)]
    factor = b.select(large, b.select(left, b.real(-2.0), b.real(2.0)), b.select(left, b.real(1.0), b.real(-1.0)))
    return add_to_base(b, base, s * factor, rest * factor)


# Payne and Hanek's reduction: one scalar function for both formats

REDUCTION, TABLE = "minijax_reduce_huge", "minijax_two_over_pi"
WORDS = 20
PADDING = 64  # zero bits in front, because a window may begin before the point


@cache
def two_over_pi_words() -> tuple[int, ...]:
    """PADDING zero bits and then the binary digits of 2/pi, in 64-bit words, from Machin's formula in integers."""
    one = 1 << (64 * WORDS + 64)

    def arctangent_of_inverse(q: int) -> int:
        term, total, k = one // q, 0, 0
        while term:
            total += (-term if k % 2 else term) // (2 * k + 1)
            term //= q * q
            k += 1
        return total

    pi = 4 * (4 * arctangent_of_inverse(5) - arctangent_of_inverse(239))
    digits = (2 * one << (64 * WORDS - PADDING)) // pi
    return tuple((digits >> (64 * (WORDS - 1 - k))) & (2**64 - 1) for k in range(WORDS))


def table_text() -> str:
    words = ", ".join(f"i64 {w}" for w in two_over_pi_words())
    return f"@{TABLE} = private unnamed_addr constant [{WORDS} x i64] [{words}]\n"


@cache
def reduction() -> tuple[str, dict[str, str]]:
    """Definition, and intrinsics used, of a function x -> {r, low, n}: x = n pi/2 + r + low, |r| <= pi/4, for double x >= 2**16; NaN at infinity."""
    b = Block(FORMATS["f64"])
    x = Value(b, "double", "%x")
    bits = b.bits(x)
    significand = (bits & (2**52 - 1)) | 2**52
    exponent = (bits.unsigned_shift(52) & 0x7FF) - 1075
    # bits of 2/pi that contribute multiples of 4 to n are left out, the 192 after them decide
    start = exponent + (PADDING - 2)
    start = b.select(start < 0, b.lift(0, "i64"), start)
    word, shift = start >> 6, start & 63
    words = [b.entry(TABLE, WORDS, "i64", word + k) for k in range(4)]
    window = [b.intrinsic("fshl", "i64", words[k], words[k + 1], shift) for k in range(3)]
    wide = [b.cast("zext", w, "i128") for w in (*window, significand)]
    last = wide[3] * wide[2]
    middle = wide[3] * wide[1] + last.unsigned_shift(64)
    product = ((wide[3] * wide[0] + middle.unsigned_shift(64)) << 64) | (middle & (2**64 - 1))
    n = b.cast("trunc", (product + (1 << 125)).unsigned_shift(126), "i64")
    fraction = product << 2  # a signed multiple of 2**-128
    negative = fraction < 0
    magnitude = b.select(negative, -fraction, fraction)
    zeros = b.intrinsic("ctlz", "i128", magnitude, Value(b, "i1", "false"), overloads=("i128",))
    normal = magnitude << zeros
    first = b.cast("uitofp", b.cast("trunc", normal.unsigned_shift(75), "i64"), "double") * 2.0**-53
    second = b.cast("uitofp", b.cast("trunc", normal.unsigned_shift(22) & (2**53 - 1), "i64"), "double") * 2.0**-106
    high, low, _ = HALF_PI["f64"]
    r = first * high
    rest = b.fma(first, high, -r) + b.fma(first, low, second * high)
    power = b.power_of_two(-b.cast("trunc", zeros, "i64"))
    factor = b.select(negative, -power, power) + (x - x)
    results = r * factor, rest * factor, n
    struct_type = "{ double, double, i64 }"
    packed = "poison"
    for k, value in enumerate(results):
        insertion = f"insertvalue {struct_type} {packed}, {value.element} {value.name}, {k}"
        packed = b.instruction(struct_type, insertion).name
    head = f"define internal {struct_type} @{REDUCTION}(double %x) noinline nounwind willreturn readnone {{"
    return "\n".join([head, *b.lines, f"  ret {struct_type} {packed}", "}", ""]), b.declares
