"""Distributions: functions of uniform numbers.

In: a key, a shape, parameters. Out: samples, differentiable in the parameters where the formula is
(reparametrisation).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import numpy as mnp
from ..array import Array, as_value
from ..dtypes import canonicalize_dtype, finfo, issubdtype
from ..primitives import p
from ._operands import checked_dtype, checked_key, converted, float_dtype, sample_shape, static_shape
from .keys import split
from .uniforms import open_uniform, uniform

__all__ = [
    "bernoulli",
    "cauchy",
    "exponential",
    "geometric",
    "gumbel",
    "laplace",
    "logistic",
    "lognormal",
    "maxwell",
    "multivariate_normal",
    "normal",
    "orthogonal",
    "pareto",
    "rademacher",
    "rayleigh",
    "triangular",
    "truncated_normal",
    "weibull_min",
]


def normal(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Standard normal numbers: sqrt(2) erfinv(u), u uniform in (-1, 1).

    Args:
        key: a key.
        shape: of the result.
        dtype: a float or complex dtype; complex numbers have variance one.

    Example:
        >>> import minijax as mj
        >>> mj.random.normal(mj.random.key(0), (2,))  # doctest: +ELLIPSIS
        Array([1.62264..., 2.02526...], dtype=float32)
    """
    key = checked_key(key, "normal")
    dtype = checked_dtype("normal", dtype, float, (np.floating, np.complexfloating), "a float or complex")
    shape = static_shape(shape)
    if dtype.kind == "c":
        part = np.dtype(dtype.char.lower())
        real, imaginary = (_normal(k, shape, part) for k in split(key))
        return mnp.divide(p.complex(real, imaginary), dtype.type(math.sqrt(2)))
    return _normal(key, shape, dtype)


def _normal(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    low = float(np.nextafter(dtype.type(-1), dtype.type(0), dtype=dtype))
    u = uniform(key, shape, dtype, low, 1.0)
    return mnp.multiply(dtype.type(math.sqrt(2)), p.erf_inv(u))


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Standard normal numbers on condition that they lie in (lower, upper).

    Args:
        key: a key.
        lower, upper: bounds; their shape is that of the result unless `shape` is given.
        shape, dtype: of the result.

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.truncated_normal(mj.random.key(0), 1.0, 2.0) < 2)
        True
    """
    key, dtype = checked_key(key, "truncated_normal"), float_dtype("truncated_normal", dtype)
    shape, bounds = sample_shape(shape, lower, upper)
    low, high = (converted(x, dtype) for x in bounds)
    root = dtype.type(math.sqrt(2))
    u = uniform(key, shape, dtype, p.erf(mnp.divide(low, root)), p.erf(mnp.divide(high, root)))
    out = mnp.multiply(root, p.erf_inv(u))
    # Rounding may reach the bounds; the clip moves nothing else, and no gradient goes to it.
    inside = mnp.nextafter(p.stop_gradient(low), dtype.type(math.inf))
    return mnp.clip(out, inside, mnp.nextafter(p.stop_gradient(high), dtype.type(-math.inf)))


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = None, method: str = "cholesky"
) -> Array:
    """Normal vectors with given mean and covariance.

    Args:
        key: a key.
        mean: array (..., n).
        cov: array (..., n, n), positive (semi)definite.
        shape: batch shape of the result; default that of mean and cov.
        dtype: a float dtype.
        method: "cholesky", "eigh" or "svd": the factor of the covariance.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.random.multivariate_normal(mj.random.key(0), mnp.zeros(2), mnp.eye(2)).shape
        (2,)
    """
    key, dtype = checked_key(key, "multivariate_normal"), float_dtype("multivariate_normal", dtype)
    if method not in ("cholesky", "eigh", "svd"):
        raise ValueError("method must be one of {'svd', 'eigh', 'cholesky'}")
    mean, cov = (converted(as_value(x), dtype) for x in (mean, cov))
    if mean.ndim < 1 or cov.ndim < 2 or cov.shape[-2:] != (mean.shape[-1],) * 2:
        raise ValueError(
            f"multivariate_normal requires mean (..., n) and cov (..., n, n), got {mean.shape}, {cov.shape}"
        )
    batch = np.broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    batch = batch if shape is None else static_shape(shape)
    if method == "cholesky":
        factor = mnp.linalg.cholesky(cov)
    elif method == "eigh":
        w, v = mnp.linalg.eigh(cov)
        factor = mnp.multiply(v, mnp.sqrt(w)[..., None, :])
    else:
        u, s, _ = mnp.linalg.svd(cov)
        factor = mnp.multiply(u, mnp.sqrt(s)[..., None, :])
    samples = normal(key, (*batch, mean.shape[-1]), dtype)
    return mnp.add(mean, mnp.squeeze(mnp.matmul(factor, samples[..., None]), -1))


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None, mode: str = "low") -> Array:
    """True with probability `p`.

    Args:
        key: a key.
        p: probabilities; no gradient passes.
        shape: of the result; default that of `p`.
        mode: "high" draws twice the bits, for probabilities near zero.

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.bernoulli(mj.random.key(0), 1.0))
        True
    """
    key = checked_key(key, "bernoulli")
    if mode not in ("low", "high"):
        raise ValueError(f"got {mode=}, expected 'high' or 'low'")
    shape, (probability,) = sample_shape(shape, p)
    dtype = probability.dtype if issubdtype(probability.dtype, np.floating) else canonicalize_dtype(float)
    probability = converted(probability, dtype)
    if mode == "low":
        return mnp.less(uniform(key, shape, dtype), probability)
    coarse, fine = uniform(key, (2, *shape), dtype)
    return mnp.less(mnp.multiply(fine, dtype.type(2.0 ** -finfo(dtype).nmant)), mnp.subtract(probability, coarse))


def rademacher(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """-1 or 1 with equal probability.

    Example:
        >>> import minijax as mj
        >>> int(mj.random.rademacher(mj.random.key(0))) in (-1, 1)
        True
    """
    key, dtype = checked_key(key, "rademacher"), canonicalize_dtype(int if dtype is None else dtype)
    positive = converted(bernoulli(key, 0.5, static_shape(shape)), dtype)
    return mnp.subtract(mnp.multiply(positive, dtype.type(2)), dtype.type(1))


def exponential(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Exponential numbers of rate one: -log(1 - u).

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.exponential(mj.random.key(0)) >= 0)
        True
    """
    key, dtype = checked_key(key, "exponential"), float_dtype("exponential", dtype)
    return mnp.negative(mnp.log1p(mnp.negative(uniform(key, shape, dtype))))


def gumbel(key: Any, shape: Any = (), dtype: Any = None, mode: str | None = None) -> Array:
    """Gumbel numbers: -log(-log(u)); mode "high" takes -log(-log(1 - u)), finer in the tail.

    Example:
        >>> import minijax as mj
        >>> mj.random.gumbel(mj.random.key(0), (2,)).shape
        (2,)
    """
    key, dtype = checked_key(key, "gumbel"), float_dtype("gumbel", dtype)
    if mode not in (None, "low", "high"):
        raise ValueError("Must provide valid mode for gumbel got: " + str(mode))
    u = open_uniform(key, static_shape(shape), dtype)
    inner = mnp.log1p(mnp.negative(u)) if mode == "high" else mnp.log(u)
    return mnp.negative(mnp.log(mnp.negative(inner)))


def laplace(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Laplace numbers: sign(u) log(1 - |u|), u uniform in (-1, 1).

    Example:
        >>> import minijax as mj
        >>> mj.random.laplace(mj.random.key(0), (2,)).shape
        (2,)
    """
    key, dtype = checked_key(key, "laplace"), float_dtype("laplace", dtype)
    u = uniform(key, shape, dtype, -1.0 + float(finfo(dtype).eps), 1.0)
    return mnp.multiply(mnp.sign(u), mnp.log1p(mnp.negative(mnp.abs(u))))


def logistic(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Logistic numbers: log(u / (1 - u)).

    Example:
        >>> import minijax as mj
        >>> mj.random.logistic(mj.random.key(0), (2,)).shape
        (2,)
    """
    key, dtype = checked_key(key, "logistic"), float_dtype("logistic", dtype)
    u = uniform(key, shape, dtype, float(finfo(dtype).eps), 1.0)
    return mnp.log(mnp.divide(u, mnp.subtract(dtype.type(1), u)))


def cauchy(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Cauchy numbers: tan(pi (u - 1/2)).

    Example:
        >>> import minijax as mj
        >>> mj.random.cauchy(mj.random.key(0), (2,)).shape
        (2,)
    """
    key, dtype = checked_key(key, "cauchy"), float_dtype("cauchy", dtype)
    u = uniform(key, shape, dtype, float(finfo(dtype).eps), 1.0)
    return mnp.tan(mnp.multiply(dtype.type(math.pi), mnp.subtract(u, dtype.type(0.5))))


def lognormal(key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = None) -> Array:
    """exp(sigma z), z standard normal.

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.lognormal(mj.random.key(0)) > 0)
        True
    """
    key, dtype = checked_key(key, "lognormal"), float_dtype("lognormal", dtype)
    shape, (sigma,) = sample_shape(shape, sigma)
    return mnp.exp(mnp.multiply(normal(key, shape, dtype), converted(sigma, dtype)))


def rayleigh(key: Any, scale: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Rayleigh numbers: scale sqrt(-2 log u).

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.rayleigh(mj.random.key(0), 2.0) >= 0)
        True
    """
    key, dtype = checked_key(key, "rayleigh"), float_dtype("rayleigh", dtype)
    shape, (scale,) = sample_shape(shape, scale)
    radius = mnp.sqrt(mnp.multiply(dtype.type(-2), mnp.log(open_uniform(key, shape, dtype))))
    return mnp.multiply(converted(scale, dtype), radius)


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Weibull numbers: scale (-log(1 - u))^(1 / concentration).

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.weibull_min(mj.random.key(0), 1.0, 2.0) >= 0)
        True
    """
    key, dtype = checked_key(key, "weibull_min"), float_dtype("weibull_min", dtype)
    scale, concentration = (converted(as_value(x), dtype) for x in (scale, concentration))
    drawn = exponential(key, shape, dtype)
    return mnp.multiply(scale, mnp.power(drawn, mnp.divide(dtype.type(1), concentration)))


def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Pareto numbers: exp(e / b), e exponential.

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.pareto(mj.random.key(0), 2.0) >= 1)
        True
    """
    key, dtype = checked_key(key, "pareto"), float_dtype("pareto", dtype)
    shape, (b,) = sample_shape(shape, b)
    return mnp.exp(mnp.divide(exponential(key, shape, dtype), converted(b, dtype)))


def triangular(key: Any, left: Any, mode: Any, right: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Triangular numbers on [left, right] with their peak at `mode`, by inversion.

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.triangular(mj.random.key(0), 0.0, 0.5, 1.0) <= 1)
        True
    """
    key, dtype = checked_key(key, "triangular"), float_dtype("triangular", dtype)
    shape, found = sample_shape(shape, left, mode, right)
    left, mode, right = (converted(x, dtype) for x in found)
    width = mnp.subtract(right, left)
    u = uniform(key, shape, dtype)
    rising = mnp.add(left, mnp.sqrt(u * width * mnp.subtract(mode, left)))
    falling = mnp.subtract(right, mnp.sqrt((dtype.type(1) - u) * width * mnp.subtract(right, mode)))
    return mnp.where(mnp.less(u, mnp.divide(mnp.subtract(mode, left), width)), rising, falling)


def maxwell(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Maxwell numbers: the length of a standard normal vector of three components.

    Example:
        >>> import minijax as mj
        >>> bool(mj.random.maxwell(mj.random.key(0)) >= 0)
        True
    """
    key, dtype = checked_key(key, "maxwell"), float_dtype("maxwell", dtype)
    return mnp.linalg.norm(normal(key, (*static_shape(shape), 3), dtype), axis=-1)


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Number of trials up to the first success, each with probability `p`.

    Example:
        >>> import minijax as mj
        >>> int(mj.random.geometric(mj.random.key(0), 1.0))
        1
    """
    key = checked_key(key, "geometric")
    dtype = checked_dtype("geometric", dtype, int, (np.integer,), "an int")
    shape, (probability,) = sample_shape(shape, p)
    floating = probability.dtype if issubdtype(probability.dtype, np.floating) else canonicalize_dtype(float)
    u = open_uniform(key, shape, floating)
    trials = mnp.divide(mnp.log(u), mnp.log1p(mnp.negative(converted(probability, floating))))
    return converted(mnp.add(mnp.floor(trials), floating.type(1)), dtype)


def orthogonal(key: Any, n: int, shape: Any = (), dtype: Any = None, m: int | None = None) -> Array:
    """Orthogonal (n, m) matrices, uniformly distributed (Mezzadri 2007: QR of a normal matrix, signs fixed).

    Example:
        >>> import minijax as mj
        >>> mj.random.orthogonal(mj.random.key(0), 3).shape
        (3, 3)
    """
    key = checked_key(key, "orthogonal")
    dtype = checked_dtype("orthogonal", dtype, float, (np.floating, np.complexfloating), "a float or complex")
    m = n if m is None else m
    z = normal(key, (*static_shape(shape), max(n, m), min(n, m)), dtype)
    q, r = mnp.linalg.qr(z)
    diagonal = mnp.linalg.diagonal(r)
    q = mnp.multiply(q, mnp.divide(diagonal, mnp.abs(diagonal))[..., None, :])
    return q if n >= m else mnp.conj(mnp.linalg.matrix_transpose(q))
