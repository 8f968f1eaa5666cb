"""The error function, its complement and its inverse.

erf: 1 - erf(a) = 2**-w with w = a Q(a), where Q is one smooth function on [0, 6]: a minimax polynomial for Q, then
1 - 2**-w without cancellation, as in expm1. erfc: exp(-a**2) from the exact square in two parts, times
erfcx(a) = q P(t) with q = 1 / (a + k) and t = a q - 3/8 (up to shift and scale the mapping of Shepherd and Laframboise ("Chebyshev
approximation of (1 + 2x) exp(x**2) erfc x", 1981), exact near 0). erf_inv: x G(w) with w = -log(1 - x**2), Giles's variable
("Approximating the erfinv function", 2010): polynomials in w near 0 and in sqrt(w) in the tails.
"""

from __future__ import annotations

from collections.abc import Sequence

from ._builder import Block, Number, Value
from ._registry import function
from .exp_log import EXP, binary_exponent, natural, reduce_by_ln2_exactly, scale

# -log2(1 - erf(a)) = a (c0 + c1 a + ...) on [0, 3.95] and [0, 5.95]; relative error in erf 2**-27.2, 2**-55.2
ERF = {
    "f32": (
        1.627907,
        0.9184474,
        0.1482808,
        -0.027651126,
        -0.0001866092,
        0.002350826,
        -0.0008782018,
        0.00015851777,
        -1.1936988e-05,
    ),
    "f64": (
        1.627907028611115,
        0.918448188526569,
        0.1482695251227276,
        -0.0275965156295424,
        -0.00030180424593822944,
        0.002447109528953245,
        -0.0008513773067250527,
        3.736023578345842e-05,
        9.296721035803327e-05,
        -4.271843038258455e-05,
        4.64101532494428e-06,
        4.446696321000433e-06,
        -2.8767361084225403e-06,
        7.809928680940606e-07,
        6.0093131821915144e-09,
        -1.0474537067396407e-07,
        5.3307127962317254e-08,
        -1.646858149396465e-08,
        3.60082127736231e-09,
        -5.73865925519025e-10,
        6.574159398182947e-11,
        -5.152370447901348e-12,
        2.47912057080538e-13,
        -5.528953213767619e-15,
    ),
}
# 2**r = 1 + r (c0 + c1 r + ...) on |r| <= 1/2, relative error of 2**r - 1: 2**-26.2, 2**-54.7
GROWTH = {
    "f32": (0.6931472, 0.24022649, 0.055503674, 0.009618306, 0.0013387406, 0.00015384566),
    "f64": (
        0.6931471805599453,
        0.24022650695910072,
        0.05550410866482626,
        0.00961812910762889,
        0.0013333558144917868,
        0.00015403530390570422,
        1.5252735513679492e-05,
        1.3215490663437824e-06,
        1.0177291008536076e-07,
        7.052951561698151e-09,
        4.5785998847025526e-10,
        2.9030548520064635e-11,
    ),
}
ERF_ONE = {"f32": 3.95, "f64": 5.95}
# erfcx(a) = q (c0 + c1 t + ...), q = 1 / (a + k), t = a q - 3/8; 2**-28.3, 2**-57.8
ERFC = {
    "f32": (
        1.3370885,
        -2.4894063,
        3.4878292,
        -3.5675645,
        2.4024386,
        -0.6622562,
        -0.45026222,
        0.42441374,
        0.063617826,
        -0.16667862,
    ),
    "f64": (
        1.28634166581727,
        -2.1306000286459055,
        2.3656316137623037,
        -1.5436615261471318,
        0.22036050493514675,
        0.46346798098266295,
        -0.1905412570138657,
        -0.19691844461983232,
        0.08472822819514945,
        0.11833840162639479,
        -0.01803957677630863,
        -0.07674584392841992,
        -0.020590656112069193,
        0.03996390108614126,
        0.035761417360446295,
        -0.006070515693871052,
        -0.029176282660564164,
        -0.017404211016255892,
        0.006830239649862531,
        0.026421341530943797,
        0.017548565982417334,
        -0.029811385653190615,
        -0.019877610765591008,
        0.028728283070313686,
        -0.0065762669217921494,
    ),
}

# what is missing from the leading coefficients
ERFC_LOW = {"f32": -8.547677e-09, "f64": 7.061781680307852e-17}
ERFC_BEND = {"f32": -2.4, "f64": -1.1}
ERFC_K = {"f32": 3.0, "f64": 2.5}
# (from here on erfc is 0, from here on it may be denormal)
ERFC_RANGE = {"f32": (10.1, 9.1), "f64": (27.3, 26.4)}
# erf_inv(x) / x by powers of w - 2.5 for w < 5; 2**-28.2, 2**-54.9
CENTRE = {
    "f32": (
        1.5014094,
        0.2466403,
        -0.0041773366,
        -0.0012527625,
        0.00021827588,
        -4.950375e-06,
        -3.4303857e-06,
        4.6320366e-07,
        1.7078948e-08,
        -8.567926e-09,
        4.068485e-10,
    ),
    "f64": (
        1.501409351110792,
        0.24664027674416733,
        -0.00417731772438295,
        -0.0012527079078149509,
        0.0002182502643396809,
        -4.9960795852129935e-06,
        -3.41661958548514e-06,
        4.787251967774867e-07,
        1.3416789423126848e-08,
        -1.086114988924281e-08,
        9.073144387558362e-10,
        1.1959696381526944e-10,
        -3.110784079390754e-11,
        9.148707065451315e-13,
        5.37152588093749e-13,
        -7.681427481654667e-14,
        -3.1737793713791393e-15,
        1.984406497189407e-15,
        -1.016181122713379e-16,
        -3.3083693848920156e-17,
        2.5454726291257477e-18,
        3.6128198936743895e-19,
    ),
}
# erf_inv(x) / x by powers of sqrt(w) - 3 for w >= 5; 2**-26.8, 2**-56.9 (w < 15)
TAIL = {
    "f32": (
        2.8329768,
        1.001675,
        0.00944529,
        -0.0076381573,
        0.0056870477,
        -0.0035925533,
        0.0014836916,
        -6.707464e-05,
        -0.00030462758,
        0.00012317252,
        -4.8173674e-06,
    ),
    "f64": (
        2.8329767987282706,
        1.0016752766933994,
        0.00944552201198825,
        -0.007643805570005981,
        0.005685182417975376,
        -0.003558794017976703,
        0.0014837373425432231,
        -0.00014889806757566152,
        -0.00028312441704841744,
        0.00020551626181134465,
        -4.646032381177426e-05,
        -2.2871268377734138e-05,
        2.193351975372289e-05,
        -5.953835167075172e-06,
        -1.6480439577770617e-06,
        2.012655161574489e-06,
        -6.545530282904317e-07,
        -9.534111944778303e-08,
        1.8209551789669927e-07,
        -5.360933617828638e-08,
        -1.3816765776622146e-08,
        8.550937870431847e-09,
    ),
}
# and by powers of sqrt(w) - 5 for w >= 15; 2**-61.6
FAR_TAIL = (
    4.849906401408584,
    1.0103004648645448,
    -0.00013871931837985347,
    -0.00021503011979733327,
    7.59952780877259e-05,
    -1.968177123139849e-05,
    4.526052635522153e-06,
    -9.930251857670335e-07,
    2.2905213933694625e-07,
    -6.757421409560865e-08,
    2.90210946902937e-08,
    -1.52094201579553e-08,
    7.81598882160548e-09,
    -3.5418205328731723e-09,
    1.3236137700122582e-09,
    -3.719447660604018e-10,
    6.304553264934758e-11,
    8.452109915837612e-12,
    -1.727475976112149e-11,
    8.398818166297871e-12,
    -6.357373931597536e-13,
    -4.359742255559747e-13,
)

# what is missing from the three leading coefficients
CENTRE_LOW = {"f32": -5.791512e-08, "f64": -8.225896538938566e-17}
TAIL_LOW = {"f32": -1.6750276e-08, "f64": 1.4251672039644606e-16}
FAR_TAIL_LOW = -8.191764081502193e-17


def linear_first(b: Block, x: Value, coefficients: Sequence[Number]) -> Value:
    """x (c0 + c1 x + ...) with the leading product rounded once, together with the rest."""
    return b.fma(x, coefficients[0], x * x * b.poly(x, coefficients[1:]))


def sum_of_polynomial(
    b: Block,
    t: Value,
    coefficients: Sequence[Value | Number],
    low: Value | Number,
    of_t: Value | None = None,
    bend: float = 0.0,
) -> tuple[Value, Value]:
    """c0 + low + c1 t + ... in two parts: the last three steps of Horner's rule are not rounded.

    `of_t` is what rounding took from t, and `bend` about half the second derivative without c2, for its effect.
    """
    zeroth, first, second = (b.lift(c, t.element) for c in coefficients[:3])
    third = t * b.poly(t, coefficients[3:])
    curved = second + third
    rest, of_rest = exact_step(b, t, curved, third - (curved - second))
    slope = first + rest
    product, of_product = exact_step(b, t, slope, (rest - (slope - first)) + of_rest)
    of_product = of_product + low
    if of_t is not None:
        of_product = b.fma(of_t, b.fma(t * t, bend, slope + rest), of_product)
    total = zeroth + product
    return total, (product - (total - zeroth)) + of_product


def exact_step(b: Block, t: Value, x: Value, of_x: Value | Number) -> tuple[Value, Value]:
    """t (x + of_x) in two parts."""
    product = t * x
    return product, b.fma(t, of_x, b.fma(t, x, -product))


@function("erf")
def erf(b: Block, x: Value) -> Value:
    """erf(x), odd."""
    a = b.at_most(b.abs(x), ERF_ONE[b.format.dtype])
    w = linear_first(b, a, ERF[b.format.dtype])
    n, n_integer = b.nearest(w)
    growth = linear_first(b, n - w, GROWTH[b.format.dtype])  # 2**(n - w) - 1
    power = b.power_of_two(-n_integer)
    return b.copysign(b.fma(-power, growth, 1.0 - power), x)


@function("erfc")
def erfc(b: Block, x: Value) -> Value:
    """erfc(x), with small relative error also where it is tiny."""
    dtype = b.format.dtype
    zero, denormal = ERFC_RANGE[dtype]
    a = b.at_most(b.abs(x), zero)
    square = a * a
    n, r, low = reduce_by_ln2_exactly(b, -square)
    low = low - b.fma(a, a, -square)
    curved = r * r * b.poly(r, EXP[dtype])
    curved = curved + b.fma(low, r + curved, low)
    growth = r + curved  # exp(-a**2) = 2**n (1 + growth + of_growth)
    of_growth = curved - (growth - r)
    k = ERFC_K[dtype]
    d = a + k
    q = 1.0 / d
    # what rounding took from a + k and from the quotient
    of_k = d - a
    missing = (a - (d - of_k)) + (k - of_k)
    of_q = q * b.fma(-q, missing, b.fma(-q, d, 1.0))
    aq = a * q
    t = aq - 0.375
    of_t = (aq - (t + 0.375)) + b.fma(a, of_q, b.fma(a, q, -aq))
    p, of_p = sum_of_polynomial(b, t, ERFC[dtype], ERFC_LOW[dtype], of_t, ERFC_BEND[dtype])
    product = q * p
    rest = b.fma(product, of_growth, b.fma(q, p, -product) + b.fma(of_q, p, q * of_p))
    mantissa = product + b.fma(product, growth, rest)
    small = scale(b, mantissa + mantissa, n, a > denormal)
    return b.select(x < 0.0, 2.0 - small, small)


@function("erf_inv", branches=("f64",))
def erf_inv(b: Block, x: Value) -> Value:
    """The inverse of erf, odd; infinite at 1 and NaN beyond."""
    dtype = b.format.dtype
    a = b.abs(x)
    u = b.fma(-a, a, 1.0)
    exponent, e = binary_exponent(b, u)
    w = -natural(b, b.from_bits(b.bits(u) - exponent) - 1.0, e)
    in_tail = w >= 5.0
    if dtype == "f32":
        value = times_polynomial(
            b,
            a,
            b.select(in_tail, b.sqrt(w) - 3.0, w - 2.5),
            [b.select(in_tail, b.real(p), b.real(q)) for p, q in zip(TAIL[dtype], CENTRE[dtype], strict=True)],
            b.select(in_tail, b.real(TAIL_LOW[dtype]), b.real(CENTRE_LOW[dtype])),
        )
    else:
        usual = times_polynomial(b, a, w - 2.5, CENTRE[dtype], CENTRE_LOW[dtype])
        (value,) = b.rarely(in_tail, lambda: [with_tails(b, a, w, in_tail)], [usual])
    outside = b.select(a.equals(1.0), b.real(float("inf")), b.real(float("nan")))
    return b.copysign(b.select(a < 1.0, value, b.select(a >= 1.0, outside, a)), x)


def times_polynomial(
    b: Block, a: Value, t: Value, coefficients: Sequence[Value | Number], low: Value | Number
) -> Value:
    """a (c0 + low + c1 t + ...) to nearly full precision."""
    total, rest = sum_of_polynomial(b, t, coefficients, low)
    return b.fma(a, total, a * rest)


def with_tails(b: Block, a: Value, w: Value, in_tail: Value) -> Value:
    """erf_inv(a) for all w, where some lanes are `in_tail`."""
    far = w >= 15.0

    def chosen(p: float, q: float, r: float) -> Value:
        return b.select(far, b.real(p), b.select(in_tail, b.real(q), b.real(r)))

    t = b.select(in_tail, b.sqrt(w) - b.select(far, b.real(5.0), b.real(3.0)), w - 2.5)
    coefficients = [chosen(*row) for row in zip(FAR_TAIL, TAIL["f64"], CENTRE["f64"], strict=True)]
    return times_polynomial(b, a, t, coefficients, chosen(FAR_TAIL_LOW, TAIL_LOW["f64"], CENTRE_LOW["f64"]))
