"""`minijax.scipy.special`: special functions with derivatives. Formulas: DLMF, https://dlmf.nist.gov."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import numpy as mnp
from ..nn import normalizers
from ..nn.normalizers import logsumexp as logsumexp
from ..primitives import p as primitives

__all__ = [
    "betainc",
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "expit",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "kl_div",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "rel_entr",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]


def _operands(*args: Any) -> list[Any]:
    """Floating arrays of one dtype and shape."""
    arrays = [mnp.asarray(x) for x in args]
    dtype, weak = mnp.result_type(*arrays, float), all(x.weak_type for x in arrays)
    shape = mnp.broadcast_shapes(*[x.shape for x in arrays])
    cast = [
        x if x.dtype == dtype else primitives.convert_element_type(x, new_dtype=dtype, weak_type=weak) for x in arrays
    ]
    return [x if x.shape == shape else mnp.broadcast_to(x, shape) for x in cast]


def _real(name: str, *args: Any) -> list[Any]:
    """`_operands`; a ValueError for complex ones."""
    found = _operands(*args)
    if found[0].dtype.kind == "c":
        raise ValueError(f"{name} does not support complex-valued inputs.")
    return found


def _unary(name: str, doc: str) -> Any:
    def apply(x: Any) -> Any:
        return getattr(primitives, name)(*_operands(x))

    apply.__doc__ = doc
    return apply


erf = _unary("erf", "Error function, elementwise.")
erfc = _unary("erfc", "Complementary error function 1 - erf(x), elementwise, accurate for large x.")
erfinv = _unary("erf_inv", "Inverse of the error function on (-1, 1), elementwise.")
gammaln = _unary("lgamma", "log |Gamma(x)|, elementwise.")
digamma = _unary("digamma", "Derivative of `gammaln`, elementwise.")
expit = _unary("logistic", "1 / (1 + exp(-x)), elementwise.")
i0e = _unary("bessel_i0e", "exp(-|x|) I0(x), elementwise.")
i1e = _unary("bessel_i1e", "exp(-|x|) I1(x), elementwise.")


def i0(x: Any) -> Any:
    """Modified Bessel function of order 0, elementwise."""
    (x,) = _operands(x)
    return mnp.exp(mnp.abs(x)) * primitives.bessel_i0e(x)


def i1(x: Any) -> Any:
    """Modified Bessel function of order 1, elementwise."""
    (x,) = _operands(x)
    return mnp.exp(mnp.abs(x)) * primitives.bessel_i1e(x)


def gamma(x: Any) -> Any:
    """Gamma function, elementwise; negative between -1 and 0, -3 and -2, ...; nan at its poles -1, -2, ..."""
    (x,) = _operands(x)
    sign = mnp.where((x > 0) | (mnp.floor(x) % 2 == 0), 1.0, -1.0)
    sign = mnp.where(x == 0, mnp.copysign(1.0, x), sign)
    pole = (x < 0) & (mnp.floor(x) == x)
    return mnp.where(pole, mnp.nan, sign * mnp.exp(primitives.lgamma(x)))


def betaln(a: Any, b: Any) -> Any:
    """log |B(a, b)|, elementwise."""
    a, b = _operands(a, b)
    return primitives.lgamma(a) + primitives.lgamma(b) - primitives.lgamma(a + b)


def betainc(a: Any, b: Any, x: Any) -> Any:
    """Regularized incomplete beta function I_x(a, b), elementwise; differentiable in x."""
    return primitives.regularized_incomplete_beta(*_operands(a, b, x))


def gammainc(a: Any, x: Any) -> Any:
    """Regularized lower incomplete gamma function P(a, x), elementwise."""
    return primitives.igamma(*_operands(a, x))


def gammaincc(a: Any, x: Any) -> Any:
    """Regularized upper incomplete gamma function Q(a, x), elementwise."""
    return primitives.igammac(*_operands(a, x))


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of `digamma`, elementwise."""
    return primitives.polygamma(*_operands(n, x))


def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz zeta function (Riemann's, q = 1, by default), elementwise; differentiable in q."""
    return primitives.zeta(*_operands(x, 1.0 if q is None else q))


def multigammaln(a: Any, d: int) -> Any:
    """log of the multivariate gamma function of dimension `d`, elementwise (DLMF 35.3.6)."""
    (a,) = _operands(a)
    constant = 0.25 * d * (d - 1) * mnp.log(mnp.pi)
    return constant + sum(primitives.lgamma(a - 0.5 * k) for k in range(d))


def logit(x: Any) -> Any:
    """log(x / (1 - x)), the inverse of `expit`, elementwise."""
    (x,) = _operands(x)
    return mnp.log(x / (1.0 - x)) if x.dtype.itemsize < 4 else mnp.log(x) - mnp.log1p(-x)


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), 0 where x is 0, elementwise."""
    return primitives.xlogy(*_operands(x, y))


def xlog1py(x: Any, y: Any) -> Any:
    """x log(1 + y), 0 where x is 0, elementwise."""
    return primitives.xlog1py(*_operands(x, y))


def entr(x: Any) -> Any:
    """-x log(x), 0 at 0, -inf below, elementwise."""
    (x,) = _real("entr", x)
    return mnp.where(x < 0, -mnp.inf, -primitives.xlogx(x))


def softmax(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Any:
    """exp(x) / sum(exp(x)) over `axis` (default: all axes, as in SciPy), stable."""
    return normalizers.softmax(x, axis=axis)


def log_softmax(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Any:
    """log(softmax(x)) over `axis` (default: all axes, as in SciPy), stable."""
    return normalizers.log_softmax(x, axis=axis)


def rel_entr(p: Any, q: Any) -> Any:
    """p log(p / q), 0 for p = 0 and q >= 0, inf elsewhere, elementwise."""
    a, b = _real("rel_entr", p, q)
    both = (a > 0) & (b > 0)
    safe_a, safe_b = mnp.where(both, a, 1.0), mnp.where(both, b, 1.0)
    value = safe_a * (mnp.log(safe_a) - mnp.log(safe_b))
    return mnp.where(both, value, mnp.where((a == 0) & (b >= 0), 0.0, mnp.inf))


def kl_div(p: Any, q: Any) -> Any:
    """p log(p / q) - p + q, elementwise."""
    a, b = _real("kl_div", p, q)
    return mnp.where(mnp.isinf(a) & (a > 0), mnp.inf, rel_entr(a, b) - a + b)


def ndtr(x: Any) -> Any:
    """Distribution function of the standard normal, elementwise (DLMF 7.18)."""
    (x,) = _operands(x)
    return 0.5 * primitives.erfc(-x * 0.7071067811865476)


def ndtri(p: Any) -> Any:
    """Inverse of `ndtr`, elementwise."""
    (x,) = _operands(p)
    return 1.4142135623730951 * primitives.erf_inv(2.0 * x - 1.0)


def log_ndtr(x: Any, series_order: int = 3) -> Any:
    """log of `ndtr`, elementwise (`series_order` is accepted, and unused); by its asymptotic series (DLMF 7.12.1) below -10, where `ndtr` vanishes."""
    (x,) = _operands(x)
    far = x < -10.0
    near = mnp.where(far, 0.0, x)
    tail = mnp.where(far, x, -10.0)
    inverse = 1.0 / (tail * tail)
    series = 1.0 - inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse * (1.0 - 7.0 * inverse)))
    asymptotic = -0.5 * tail * tail - mnp.log(-tail) - 0.9189385332046727 + mnp.log(series)
    return mnp.where(far, asymptotic, mnp.log(ndtr(near)))
