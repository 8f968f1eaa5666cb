"""Activation functions, elementwise. At kinks they have JAX's subgradients, which the docstrings state.

Where one arm of a `where` would overflow or give nan, its argument is made safe first, so that the gradient of the arm
not chosen is finite (the "double where").
"""

from __future__ import annotations

import math
from typing import Any

from .. import numpy as mnp
from ..primitives import p

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softplus",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "swish",
    "tanh",
]


def _inexact(x: Any) -> Any:
    """`x` as a floating array."""
    x = mnp.asarray(x)
    return x if x.dtype.kind in "fcV" else x.astype(mnp.result_type(x.dtype, float))


def identity(x: Any) -> Any:
    """`x` itself."""
    return mnp.asarray(x)


def relu(x: Any) -> Any:
    """max(x, 0); nan stays nan. The derivative at 0 is 0.

    Example:
        >>> import minijax as mj
        >>> float(mj.grad(relu)(0.0))
        0.0
    """
    x = mnp.asarray(x)
    return mnp.where(x <= 0, 0, x)


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6); nan stays nan. The derivative at 0 and at 6 is 0."""
    x = mnp.asarray(x)
    return mnp.where(x <= 0, 0.0, mnp.where(x >= 6, 6.0, x))


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), never overflowing; the derivative does not cancel for large x."""
    return p.logistic(_inexact(x))


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), stable: `logaddexp(x, 0)`."""
    return mnp.logaddexp(_inexact(x), 0.0)


def sparse_plus(x: Any) -> Any:
    """0 for x <= -1, x for x >= 1, (x + 1)**2 / 4 between: the integral of `sparse_sigmoid` (Martins & Astudillo 2016)."""
    x = mnp.asarray(x)
    return mnp.where(x <= -1.0, 0.0, mnp.where(x >= 1.0, x, (x + 1.0) ** 2 / 4))


def soft_sign(x: Any) -> Any:
    """x / (|x| + 1)."""
    x = _inexact(x)
    magnitude = mnp.where(x >= 0, x, -x)
    return x / (magnitude + 1)


def silu(x: Any) -> Any:
    """x sigmoid(x)."""
    x = _inexact(x)
    return x * sigmoid(x)


swish = silu


def mish(x: Any) -> Any:
    """x tanh(softplus(x)) (Misra 2019)."""
    x = _inexact(x)
    return x * mnp.tanh(softplus(x))


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)) = -softplus(-x), finite for every finite x."""
    return -softplus(-_inexact(x))


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x for x > 0, alpha (exp(x) - 1) below. The derivative at 0 is alpha."""
    x = mnp.asarray(x)
    safe = mnp.where(x > 0, 0.0, x)
    return mnp.where(x > 0, x, alpha * mnp.expm1(safe))


def leaky_relu(x: Any, negative_slope: Any = 1e-2) -> Any:
    """x for x >= 0, negative_slope x below. The derivative at 0 is 1."""
    x = mnp.asarray(x)
    return mnp.where(x >= 0, x, negative_slope * x)


def hard_tanh(x: Any) -> Any:
    """x limited to [-1, 1]. The derivative at -1 and 1 is 1."""
    x = mnp.asarray(x)
    return mnp.where(x > 1, 1, mnp.where(x < -1, -1, x))


def celu(x: Any, alpha: Any = 1.0) -> Any:
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1)) (Barron 2017). The derivative at 0 is 1."""
    x = mnp.asarray(x)
    safe = mnp.where(x > 0, 0.0, x)
    return mnp.where(x > 0, x, alpha * mnp.expm1(safe / alpha))


def selu(x: Any) -> Any:
    """scale elu(x, alpha) with the constants of Klambauer et al. 2017. The derivative at 0 is scale * alpha."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * elu(x, alpha)


def gelu(x: Any, approximate: bool = True) -> Any:
    """x Phi(x) with the normal distribution function Phi; by default its tanh approximation (Hendrycks & Gimpel 2016)."""
    x = _inexact(x)
    if approximate:
        return x * 0.5 * (1.0 + mnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * p.erfc(-x * math.sqrt(0.5))


def glu(x: Any, axis: int = -1) -> Any:
    """The first half along `axis`, times the sigmoid of the second half (Dauphin et al. 2017)."""
    first, second = mnp.split(_inexact(x), 2, axis)
    return first * sigmoid(second)


def hard_sigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6."""
    return relu6(mnp.asarray(x) + 3.0) / 6.0


def hard_silu(x: Any) -> Any:
    """x hard_sigmoid(x)."""
    x = mnp.asarray(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def sparse_sigmoid(x: Any) -> Any:
    """0 for x <= -1, 1 for x >= 1, (x + 1) / 2 between."""
    return 0.5 * mnp.clip(mnp.asarray(x) + 1.0, 0.0, 2.0)


def squareplus(x: Any, b: Any = 4) -> Any:
    """(x + sqrt(x**2 + b)) / 2 (Barron 2021)."""
    x = _inexact(x)
    return (x + mnp.sqrt(mnp.square(x) + b)) / 2


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return mnp.tanh(x)
