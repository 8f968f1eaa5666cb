"""Special functions, elementwise: erf family, gamma family, incomplete gamma and beta, Bessel.

Values come from SciPy (imported at the first use: it costs 0.3 s); derivatives from the Digital Library of Mathematical
Functions (DLMF), equation numbers in the declarations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._families import FLOAT, binary, elementwise, unary
from ._ops import like, p, select


def _scipy(name: str) -> Any:
    """scipy.special's `name` in the dtype of the operands."""

    def evaluate(*xs: Any) -> Any:
        import scipy.special  # heavy: only when a special function is evaluated

        dtype = xs[0].dtype
        wide = [x.astype(np.float32) if dtype.itemsize == 2 else x for x in xs]
        return np.asarray(getattr(scipy.special, name)(*wide)).astype(dtype)

    return evaluate


def _special(name: str, scipy_name: str, jvp: Any, doc: str, lower: str = "library") -> Any:
    return unary(name, _scipy(scipy_name), jvp=jvp, accepts=FLOAT, lower=lower, doc=doc)


_GAUSS = 2.0 / math.sqrt(math.pi)


def _gauss(x: Any, factor: float) -> Any:
    return p.mul(like(x, factor), p.exp(p.neg(p.mul(x, x))))


erf = _special(
    "erf",
    "erf",
    lambda t, out, x: p.mul(t, _gauss(x, _GAUSS)),
    "Error function. d = 2/sqrt(pi) exp(-x**2) dx (DLMF 7.10.1).",
    lower="vmath.erf({0})",
)
erfc = _special(
    "erfc",
    "erfc",
    lambda t, out, x: p.mul(t, _gauss(x, -_GAUSS)),
    "1 - erf(x), accurate for large x. d = -2/sqrt(pi) exp(-x**2) dx (DLMF 7.10.1).",
    lower="vmath.erfc({0})",
)
erf_inv = _special(
    "erf_inv",
    "erfinv",
    lambda t, out, x: p.mul(t, p.mul(like(x, 1.0 / _GAUSS), p.exp(p.mul(out, out)))),
    "Inverse of erf on (-1, 1). d = sqrt(pi)/2 exp(erf_inv(x)**2) dx (inverse of DLMF 7.10.1); inf at 1.",
    lower="vmath.erf_inv({0})",
)


def _lgamma_evaluate(x: Any) -> Any:
    """SciPy's, except at -inf, where C's lgamma is inf and SciPy's -inf."""
    out = _scipy("gammaln")(x)
    return np.where(np.isinf(x), x.dtype.type(np.inf), out)


lgamma = unary(
    "lgamma",
    _lgamma_evaluate,
    jvp=lambda t, out, x: p.mul(t, p.digamma(x)),
    accepts=FLOAT,
    lower="library",
    doc="log |Gamma(x)|. d = digamma(x) dx (DLMF 5.2.2); inf at 0, -1, ... and at both infinities.",
)


def _digamma_evaluate(x: Any) -> Any:
    out = _scipy("digamma")(x)
    pole = (x <= 0) & (x == np.floor(x))
    return np.where(pole, x.dtype.type(np.nan), out)


digamma = unary(
    "digamma",
    _digamma_evaluate,
    jvp=lambda t, out, x: p.mul(t, p.polygamma(like(x, 1), x)),
    accepts=FLOAT,
    lower="library",
    doc="Derivative of lgamma. d = polygamma(1, x) dx (DLMF 5.15.1); nan at the poles 0, -1, ...",
)


def _polygamma_evaluate(m: Any, x: Any) -> Any:
    import scipy.special  # heavy: only when a special function is evaluated

    dtype = x.dtype
    order, wide = np.asarray(m, np.float64), np.asarray(x, np.float64)
    sign = np.where(np.mod(order, 2) == 1, 1.0, -1.0)
    positive = sign * scipy.special.gamma(order + 1) * scipy.special.zeta(order + 1, wide)
    reflected = np.where(order == 1, _trigamma_reflected(wide), np.nan)
    out = np.where(order == 0, scipy.special.digamma(wide), np.where(wide > 0, positive, reflected))
    pole = (wide <= 0) & (wide == np.floor(wide))
    out = np.where(pole, np.where(np.mod(order, 2) == 1, np.inf, np.nan), out)
    return out.astype(dtype)


def _trigamma_reflected(x: Any) -> Any:
    """trigamma(x) for x < 0 by reflection: trigamma(1 - x) + trigamma(x) = pi**2 / sin(pi x)**2 (DLMF 5.15.6)."""
    import scipy.special  # heavy: only when a special function is evaluated

    return np.pi**2 / np.sin(np.pi * x) ** 2 - scipy.special.zeta(2.0, np.where(x < 0, 1 - x, 1.0))


polygamma = binary(
    "polygamma",
    _polygamma_evaluate,
    accepts=FLOAT,
    jvp=(None, lambda t, out, m, x: p.mul(t, p.polygamma(p.add(m, like(m, 1)), x))),
    lower="library",
    doc="""The m-th derivative of digamma at x, m a whole number >= 0 (DLMF 5.15). d = polygamma(m + 1, x) dx; zero in m. For x < 0
    orders 0 and 1 only.""",
)
zeta = binary(
    "zeta",
    _scipy("zeta"),
    accepts=FLOAT,
    jvp=(
        lambda t, out, s, q: _no_derivative("zeta", "s")(t, out),
        lambda t, out, s, q: p.mul(t, p.neg(p.mul(s, p.zeta(p.add(s, like(s, 1)), q)))),
    ),
    lower="library",
    doc="Hurwitz zeta function sum_k (k + q)**-s. d/dq = -s zeta(s + 1, q) dq (DLMF 25.11.17); none in s.",
)


def _entropy_term(f: Any) -> Any:
    """x f(y), 0 where x is 0 (unless y is nan)."""

    def evaluate(x: Any, y: Any) -> Any:
        return np.where((x == 0) & ~np.isnan(y), x.dtype.type(0), x * f(y))

    return evaluate


xlogy = binary(
    "xlogy",
    _entropy_term(np.log),
    accepts=FLOAT,
    jvp=(lambda t, out, x, y: p.mul(t, p.log(y)), lambda t, out, x, y: p.mul(t, p.div(x, y))),
    lower="library",
    doc="x log(y), 0 for x = 0, elementwise. d = log(y) dx + x / y dy, as it stands: -inf dx at y = 0.",
)
xlog1py = binary(
    "xlog1py",
    _entropy_term(np.log1p),
    accepts=FLOAT,
    jvp=(
        lambda t, out, x, y: p.mul(t, p.log1p(y)),
        lambda t, out, x, y: p.mul(t, p.div(x, p.add(like(y, 1), y))),
    ),
    lower="library",
    doc="x log(1 + y), 0 for x = 0, elementwise. d = log1p(y) dx + x / (1 + y) dy.",
)
xlogx = unary(
    "xlogx",
    lambda x: np.where(x == 0, x.dtype.type(0), x * np.log(x)),
    jvp=lambda t, out, x: p.mul(t, p.add(p.log(x), like(x, 1))),
    accepts=FLOAT,
    lower="library",
    doc="x log(x), 0 at 0, elementwise. d = (log(x) + 1) dx; -inf at 0.",
)


def _no_derivative(name: str, argument: str) -> Any:
    def rule(t: Any, out: Any, *xs: Any) -> Any:
        raise NotImplementedError(
            f"Differentiation rule for {name!r} with respect to {argument} not implemented: there is no closed form. Use "
            "stop_gradient on that argument, or custom_jvp"
        )

    return rule


def _gamma_density(a: Any, x: Any) -> Any:
    """x**(a - 1) exp(-x) / Gamma(a), in logarithms; 1 for a = 1 and x = 0."""
    one = like(x, 1)
    log_density = p.sub(p.sub(p.xlogy(p.sub(a, one), x), x), p.lgamma(a))
    return p.exp(log_density)


igamma = binary(
    "igamma",
    _scipy("gammainc"),
    accepts=FLOAT,
    jvp=(
        lambda t, out, a, x: p.mul(t, p.igamma_grad_a(a, x)),
        lambda t, out, a, x: p.mul(t, _gamma_density(a, x)),
    ),
    lower="library",
    doc="Regularized lower incomplete gamma P(a, x). d/dx = x**(a-1) exp(-x) / Gamma(a) (DLMF 8.8.13); d/da numerically.",
)
igammac = binary(
    "igammac",
    _scipy("gammaincc"),
    accepts=FLOAT,
    jvp=(
        lambda t, out, a, x: p.mul(t, p.neg(p.igamma_grad_a(a, x))),
        lambda t, out, a, x: p.mul(t, p.neg(_gamma_density(a, x))),
    ),
    lower="library",
    doc="Regularized upper incomplete gamma Q = 1 - P. d as of P, negated.",
)


def _igamma_grad_a_evaluate(a: Any, x: Any) -> Any:
    """dP/da by Richardson-extrapolated central differences of SciPy's gammainc in double precision: error about 1e-10.

    P varies with a on the scale min(a, sqrt(a)). The smaller of P and Q = 1 - P is differenced: it has the digits.
    """
    import scipy.special  # heavy: only when a special function is evaluated

    wide_a, wide_x = np.asarray(a, np.float64), np.asarray(x, np.float64)
    step = 2e-3 * np.minimum(wide_a, np.sqrt(wide_a))
    lower_is_smaller = scipy.special.gammainc(wide_a, wide_x) < 0.5

    def difference(h: Any) -> Any:
        above, below = wide_a + h, wide_a - h
        lower = scipy.special.gammainc(above, wide_x) - scipy.special.gammainc(below, wide_x)
        upper = scipy.special.gammaincc(below, wide_x) - scipy.special.gammaincc(above, wide_x)
        return np.where(lower_is_smaller, lower, upper) / (2 * h)

    coarse, middle, fine = difference(2 * step), difference(step), difference(step / 2)
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return ((16 * second - first) / 15).astype(a.dtype)


igamma_grad_a = binary(
    "igamma_grad_a",
    _igamma_grad_a_evaluate,
    accepts=FLOAT,
    jvp="missing",
    lower="library",
    doc="The derivative of igamma(a, x) with respect to a. Not differentiable itself.",
)
random_gamma_grad = binary(
    "random_gamma_grad",
    lambda a, x: _random_gamma_grad_evaluate(a, x),
    accepts=FLOAT,
    jvp="missing",
    lower="library",
    doc="""How a sample x of a gamma(a) distribution moves with a: -(dP/da) / (dP/dx) (implicit reparameterization, Figurnov et
    al. 2018). Not differentiable itself.""",
)


def _random_gamma_grad_evaluate(a: Any, x: Any) -> Any:
    import scipy.special  # heavy: only when a special function is evaluated

    wide_a, wide_x = np.asarray(a, np.float64), np.asarray(x, np.float64)
    density = np.exp((wide_a - 1) * np.log(wide_x) - wide_x - scipy.special.gammaln(wide_a))
    return (-_igamma_grad_a_evaluate(wide_a, wide_x) / density).astype(a.dtype)


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """x**(a-1) (1-x)**(b-1) / B(a, b), in logarithms."""
    one = like(x, 1)
    log_beta = p.sub(p.add(p.lgamma(a), p.lgamma(b)), p.lgamma(p.add(a, b)))
    powers = p.add(p.mul(p.sub(a, one), p.log(x)), p.mul(p.sub(b, one), p.log1p(p.neg(x))))
    return p.exp(p.sub(powers, log_beta))


regularized_incomplete_beta = elementwise(
    "regularized_incomplete_beta",
    _scipy("betainc"),
    accepts=FLOAT,
    jvp=(
        lambda t, out, a, b, x: _no_derivative("regularized_incomplete_beta", "a")(t, out),
        lambda t, out, a, b, x: _no_derivative("regularized_incomplete_beta", "b")(t, out),
        lambda t, out, a, b, x: p.mul(t, _beta_density(a, b, x)),
    ),
    lower="library",
    doc="Regularized incomplete beta I_x(a, b). d/dx = x**(a-1) (1-x)**(b-1) / B(a, b) (DLMF 8.17.20); none in a and b.",
)


def _bessel_i0e_jvp(t: Any, out: Any, x: Any) -> Any:
    return p.mul(t, p.sub(p.bessel_i1e(x), p.mul(p.sign(x), out)))


def _bessel_i1e_jvp(t: Any, out: Any, x: Any) -> Any:
    """I1e' = I0e - I1e / x - sign(x) I1e, with limit 1/2 at 0 (DLMF 10.29.2)."""
    zero = p.eq(x, like(x, 0))
    safe = select(zero, like(x, 1), x)
    slope = p.sub(p.bessel_i0e(safe), p.mul(out, p.add(p.sign(safe), p.div(like(x, 1), safe))))
    return p.mul(t, select(zero, like(x, 0.5), slope))


bessel_i0e = _special(
    "bessel_i0e", "i0e", _bessel_i0e_jvp, "exp(-|x|) I0(x). d = (i1e(x) - sign(x) i0e(x)) dx (DLMF 10.29.3)."
)
bessel_i1e = _special(
    "bessel_i1e", "i1e", _bessel_i1e_jvp, "exp(-|x|) I1(x). d = (i0e - i1e (sign(x) + 1/x)) dx; 1/2 at 0."
)
