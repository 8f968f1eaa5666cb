"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions and their inverses, elementwise.

Derivatives are written so that they are right wherever they can be represented: no `1 - tanh(x)**2` (cancels from x = 9
in f32), no `exp(x) - 1 + 1`. Formulas: DLMF chapter 4, equation numbers in the declarations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import aval_like
from ._families import FLOAT, binary, unary
from ._ops import like, p


def _function(name: str, evaluate: Any, jvp: Any, doc: str, **more: Any) -> Any:
    return unary(name, evaluate, jvp=jvp, lower=f"vmath.{name}({{0}})", doc=doc, **more)


exp = _function("exp", np.exp, lambda t, out, x: p.mul(t, out), "Exponential. d = exp(x) dx.")
exp2 = _function(
    "exp2",
    lambda x: np.exp2(x) if x.dtype.kind != "c" else np.exp(x * x.dtype.type(np.log(2.0))),
    lambda t, out, x: p.mul(t, p.mul(like(x, np.log(2.0)), out)),
    "2**x. d = log(2) 2**x dx.",
)
expm1 = _function(
    "expm1",
    np.expm1,
    lambda t, out, x: p.mul(t, p.exp(x)),
    "exp(x) - 1, accurate near 0. d = exp(x) dx: not out + 1, which is 0 for x below -17 in f32.",
)
log = _function(
    "log", np.log, lambda t, out, x: p.div(t, x), "Natural logarithm. d = dx / x, for x < 0 too; inf at 0."
)
log1p = _function(
    "log1p",
    np.log1p,
    lambda t, out, x: p.div(t, p.add(x, like(x, 1))),
    "log(1 + x), accurate near 0. d = dx / (1 + x).",
)


def _logistic_evaluate(x: Any) -> Any:
    one = x.dtype.type(1)
    if x.dtype.kind == "c":
        return one / (one + np.exp(-x))
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, one / (one + small), small / (one + small))


logistic = _function(
    "logistic",
    _logistic_evaluate,
    lambda t, out, x: p.mul(t, p.mul(out, p.logistic(p.neg(x)))),
    "1 / (1 + exp(-x)). d = s(x) s(-x) dx, which does not cancel for large x as s (1 - s) does.",
)

sqrt = _function(
    "sqrt",
    np.sqrt,
    lambda t, out, x: p.mul(t, p.div(like(x, 0.5), out)),
    "Square root. d = dx / (2 sqrt(x)); inf at 0, nan below.",
)


def _rsqrt_evaluate(x: Any) -> Any:
    return x.dtype.type(1) / np.sqrt(x)


rsqrt = _function(
    "rsqrt",
    _rsqrt_evaluate,
    lambda t, out, x: p.mul(t, p.mul(like(x, -0.5), p.div(out, x))),
    "1 / sqrt(x). d = -1/2 x**(-3/2) dx; -inf at 0.",
)
cbrt = _function(
    "cbrt",
    np.cbrt,
    lambda t, out, x: p.mul(t, p.div(like(x, 1 / 3), p.mul(out, out))),
    "Cube root. d = dx / (3 cbrt(x)**2); inf at 0.",
    accepts=(np.floating,),
)
sin = _function("sin", np.sin, lambda t, out, x: p.mul(t, p.cos(x)), "Sine. d = cos(x) dx.")
cos = _function("cos", np.cos, lambda t, out, x: p.mul(t, p.neg(p.sin(x))), "Cosine. d = -sin(x) dx.")
tan = _function(
    "tan",
    np.tan,
    lambda t, out, x: p.mul(t, p.add(like(x, 1), p.mul(out, out))),
    "Tangent. d = (1 + tan(x)**2) dx.",
)


def _one_minus_square(x: Any) -> Any:
    one = like(x, 1)
    return p.mul(p.sub(one, x), p.add(one, x))


asin = _function(
    "asin",
    np.arcsin,
    lambda t, out, x: p.mul(t, p.rsqrt(_one_minus_square(x))),
    "Inverse sine (DLMF 4.24.7). d = dx / sqrt((1 - x)(1 + x)); inf at 1.",
)
acos = _function(
    "acos",
    np.arccos,
    lambda t, out, x: p.mul(t, p.neg(p.rsqrt(_one_minus_square(x)))),
    "Inverse cosine (DLMF 4.24.8). d = -dx / sqrt((1 - x)(1 + x)); -inf at 1.",
)
atan = _function(
    "atan",
    np.arctan,
    lambda t, out, x: p.div(t, p.add(like(x, 1), p.mul(x, x))),
    "Inverse tangent (DLMF 4.24.9). d = dx / (1 + x**2).",
)
sinh = _function("sinh", np.sinh, lambda t, out, x: p.mul(t, p.cosh(x)), "Hyperbolic sine. d = cosh(x) dx.")
cosh = _function("cosh", np.cosh, lambda t, out, x: p.mul(t, p.sinh(x)), "Hyperbolic cosine. d = sinh(x) dx.")


def _tanh_jvp(t: Any, out: Any, x: Any) -> Any:
    if aval_like(x).dtype.kind == "c":
        return p.mul(t, _one_minus_square(out))
    small = p.exp(p.mul(like(x, -2), p.abs(x)))
    one = like(x, 1)
    ratio = p.div(like(x, 2), p.add(one, small))
    return p.mul(t, p.mul(small, p.mul(ratio, ratio)))


tanh = _function(
    "tanh",
    np.tanh,
    _tanh_jvp,
    """Hyperbolic tangent. d = dx / cosh(x)**2 = 4 e / (1 + e)**2 dx with e = exp(-2 |x|): the usual 1 - tanh(x)**2 is 0 from
    x = 19 in f64. Costs one more exponential.""",
)
asinh = _function(
    "asinh",
    np.arcsinh,
    lambda t, out, x: p.mul(t, p.rsqrt(p.add(p.mul(x, x), like(x, 1)))),
    "Inverse hyperbolic sine (DLMF 4.40.5). d = dx / sqrt(x**2 + 1).",
)
acosh = _function(
    "acosh",
    np.arccosh,
    lambda t, out, x: p.mul(t, p.mul(p.rsqrt(p.sub(x, like(x, 1))), p.rsqrt(p.add(x, like(x, 1))))),
    "Inverse hyperbolic cosine (DLMF 4.40.6). d = dx / (sqrt(x - 1) sqrt(x + 1)); inf at 1.",
)
atanh = _function(
    "atanh",
    np.arctanh,
    lambda t, out, x: p.div(t, _one_minus_square(x)),
    "Inverse hyperbolic tangent (DLMF 4.40.7). d = dx / ((1 - x)(1 + x)); inf at 1.",
)


def _over_square_norm(numerator: Any, y: Any, x: Any) -> Any:
    """numerator / (x**2 + y**2) without squaring what may overflow: both are divided by the larger first."""
    scale = p.max(p.abs(x), p.abs(y))
    u, v = p.div(x, scale), p.div(y, scale)
    return p.div(p.div(numerator, scale), p.add(p.mul(u, u), p.mul(v, v)))


atan2 = binary(
    "atan2",
    np.arctan2,
    accepts=FLOAT,
    jvp=(
        lambda t, out, y, x: p.mul(t, _over_square_norm(p.div(x, p.max(p.abs(x), p.abs(y))), y, x)),
        lambda t, out, y, x: p.mul(t, p.neg(_over_square_norm(p.div(y, p.max(p.abs(x), p.abs(y))), y, x))),
    ),
    lower="vmath.atan2({0}, {1})",
    doc="Angle of the point (x, y). d = (x dy - y dx) / (x**2 + y**2), scaled so that nothing overflows; nan at (0, 0).",
)
