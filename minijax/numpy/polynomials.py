"""Polynomials as vectors of coefficients, the highest power first.

In: vectors. Out: vectors. Values are computed by Horner's rule, roots as eigenvalues of the companion matrix.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..array import wrap
from ..ir import Tracer, concretize
from ..primitives import p as primitives
from . import linalg
from ._promotion import as_array, as_dtype, checked, common_dtype, literal
from .creation import array, ones, zeros
from .grids import diag, vander
from .joining import concatenate
from .manipulation import atleast_1d, expand_dims
from .products import convolve
from .reductions import sum as _sum
from .statistics import promoted_inexact_each

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots"]


def _vector(name: str, x: Any) -> Any:
    return atleast_1d(as_array(name, array(x) if isinstance(x, (list, tuple)) else x))


def polyval(p: Any, x: Any, *, unroll: int = 16) -> Any:
    """Values of a polynomial at `x`.

    Args:
        p: coefficients, the highest power first.
        x: array.
        unroll: accepted.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.polyval(mnp.array([1.0, 0.0, 2.0]), 3.0)
        Array(11., dtype=float32)
    """
    coefficients, (point,) = _vector("polyval", p), checked("polyval", x)
    dtype, _ = common_dtype([coefficients, point])
    coefficients, point = as_dtype(coefficients, dtype), as_array("polyval", as_dtype(point, dtype))
    return _horner(coefficients, point)


def _horner(coefficients: Any, point: Any) -> Any:
    shape, dtype = point.aval.shape, coefficients.aval.dtype
    total = primitives.broadcast_in_dim(literal(0, dtype), shape=shape, broadcast_dimensions=())
    n = coefficients.aval.shape[0]
    for part in primitives.split(coefficients, sizes=(1,) * n, axis=0) if n else ():
        total = primitives.add(primitives.mul(total, point), primitives.squeeze(part, dimensions=(0,)))
    return total


def _aligned(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two coefficient vectors, the shorter one filled with zeros in front."""
    values = [_vector(name, v) for v in (a, b)]
    dtype, _ = common_dtype(values)
    n = max(v.aval.shape[0] for v in values)
    x, y = (
        primitives.pad(as_dtype(v, dtype), literal(0, dtype), padding_config=((n - v.aval.shape[0], 0, 0),))
        for v in values
    )
    return x, y


def polyadd(a1: Any, a2: Any) -> Any:
    """Sum of polynomials."""
    return primitives.add(*_aligned("polyadd", a1, a2))


def polysub(a1: Any, a2: Any) -> Any:
    """Difference of polynomials."""
    return primitives.sub(*_aligned("polysub", a1, a2))


def polymul(a1: Any, a2: Any, *, trim_leading_zeros: bool = False) -> Any:
    """Product of polynomials.

    Args:
        a1, a2: coefficients.
        trim_leading_zeros: drop them first (needs known values).
    """
    x, y = _vector("polymul", a1), _vector("polymul", a2)
    if trim_leading_zeros:
        x, y = _trimmed(x), _trimmed(y)
    return convolve(x, y)


def _trimmed(x: Any) -> Any:
    values = np.asarray(concretize(x, "value", "trim_leading_zeros") if type(x) is Tracer else x)
    nonzero = np.flatnonzero(values)
    return x[int(nonzero[0]) :] if nonzero.size else x[-1:]


def polydiv(u: Any, v: Any, *, trim_leading_zeros: bool = False) -> tuple[Any, Any]:
    """(quotient, remainder) of polynomials, by long division."""
    u, v = promoted_inexact_each("polydiv", [_vector("polydiv", u), _vector("polydiv", v)])
    m, n = u.aval.shape[0] - 1, v.aval.shape[0] - 1
    scale = 1.0 / v[0]
    rest, digits = u, []
    for k in range(max(m - n + 1, 0)):
        digit = scale * rest[k]
        digits.append(digit)
        rest = rest.at[k : k + n + 1].add(-digit * v)
    quotient = concatenate([expand_dims(d, 0) for d in digits]) if digits else zeros(1, u.aval.dtype)
    return quotient, _trimmed(rest) if trim_leading_zeros else rest


def polyder(p: Any, m: int = 1) -> Any:
    """Derivative of a polynomial, `m` times."""
    m = operator.index(m)
    if m < 0:
        raise ValueError("Order of derivative must be positive")
    (coefficients,) = promoted_inexact_each("polyder", [_vector("polyder", p)])
    for _ in range(m):
        n = coefficients.aval.shape[0]
        powers = wrap(np.arange(n - 1, 0, -1).astype(coefficients.aval.dtype))
        coefficients = coefficients[:-1] * powers
    return coefficients


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Integral of a polynomial, `m` times, with integration constants `k` (0)."""
    m = operator.index(m)
    if m < 0:
        raise ValueError("Order of integral must be positive")
    (coefficients,) = promoted_inexact_each("polyint", [_vector("polyint", p)])
    constants = zeros(m) if k is None else atleast_1d(array(k))
    if constants.aval.shape[0] not in (1, m):
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or m.")
    for step in range(m):
        n = coefficients.aval.shape[0]
        powers = wrap(np.arange(n, 0, -1).astype(coefficients.aval.dtype))
        constant = as_dtype(constants[step % constants.aval.shape[0]], coefficients.aval.dtype)
        coefficients = concatenate([coefficients / powers, expand_dims(constant, 0)])
    return coefficients


def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with given roots, or the characteristic polynomial of a matrix."""
    (values,) = promoted_inexact_each("poly", [_vector("poly", seq_of_zeros)])
    if values.aval.ndim == 2:
        values = linalg.eigvals(values)
    out = ones(1, values.aval.dtype)
    for k in range(values.aval.shape[0]):
        root = values[k]
        out = concatenate([out, zeros(1, out.aval.dtype)]) - concatenate([zeros(1, out.aval.dtype), out * root])
    return out


def roots(p: Any, *, strip_zeros: bool = True) -> Any:
    """Roots of a polynomial.

    Args:
        p: coefficients.
        strip_zeros: drop leading and trailing zeros first (needs known values); trailing ones give roots at 0.
    """
    (coefficients,) = promoted_inexact_each("roots", [_vector("roots", p)])
    zero_roots = 0
    if strip_zeros:
        values = np.asarray(
            concretize(coefficients, "value", "roots") if type(coefficients) is Tracer else coefficients
        )
        nonzero = np.flatnonzero(values)
        if not nonzero.size:
            return zeros(0, np.result_type(values.dtype, np.complex64))
        zero_roots = len(values) - 1 - int(nonzero[-1])
        coefficients = coefficients[int(nonzero[0]) : int(nonzero[-1]) + 1]
    n = coefficients.aval.shape[0] - 1
    if n < 1:
        return zeros(zero_roots, np.result_type(coefficients.aval.dtype, np.complex64))
    companion = diag(ones(n - 1, coefficients.aval.dtype), -1)
    companion = companion.at[0, :].set(-coefficients[1:] / coefficients[0])
    found = linalg.eigvals(companion)
    return concatenate([found, zeros(zero_roots, found.aval.dtype)]) if zero_roots else found


def polyfit(
    x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: bool | str = False
) -> Any:
    """Coefficients of the polynomial of degree `deg` that fits best in the sense of least squares.

    Args:
        x: places (n,).
        y: values (n,) or (n, k).
        deg: degree.
        rcond: singular values below this fraction of the largest count as zero.
        full: also return (residuals, rank, singular values, rcond).
        w: weights of the residuals.
        cov: also return the covariance matrix ("unscaled": without the residual's factor).
    """
    deg = operator.index(deg)
    x, y = promoted_inexact_each("polyfit", [as_array("polyfit", v, i) for i, v in enumerate((x, y))])
    if x.aval.ndim != 1 or not x.aval.size:
        raise TypeError("expected 1D vector for x" if x.aval.ndim != 1 else "expected non-empty vector for x")
    if y.aval.ndim not in (1, 2) or x.aval.shape[0] != y.aval.shape[0]:
        raise TypeError("expected x and y to have same length")
    rcond = x.aval.size * float(np.finfo(x.aval.dtype).eps) if rcond is None else rcond
    matrix, target = vander(x, deg + 1), y
    if w is not None:
        weights = as_dtype(as_array("polyfit", w), x.aval.dtype)
        matrix = matrix * weights[:, None]
        target = target * (weights[:, None] if y.aval.ndim == 2 else weights)
    scale = primitives.sqrt(_sum(matrix * matrix, axis=0))
    c, residuals, rank, s = linalg.lstsq(matrix / scale, target, rcond)
    c = c / (scale[:, None] if c.aval.ndim == 2 else scale)
    if full:
        return c, residuals, rank, s, as_array("polyfit", rcond)
    if cov:
        base = linalg.inv(matrix.T @ matrix)
        if cov == "unscaled":
            return c, base
        factor = residuals / (x.aval.size - (deg + 1))
        return c, base * factor if y.aval.ndim == 1 else base[:, :, None] * factor
    return c
