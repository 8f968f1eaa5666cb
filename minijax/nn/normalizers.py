"""softmax, logsumexp, one_hot and friends: reductions that subtract the maximum first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import numpy as mnp
from ..lax import stop_gradient

__all__ = ["log_softmax", "logmeanexp", "logsumexp", "one_hot", "softmax", "standardize"]

Axis = int | Sequence[int] | None


def logsumexp(
    a: Any,
    axis: Axis = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """log(sum(b exp(a))), stable: the maximum is taken out first.

    Args:
        a: array.
        axis: axis or axes to reduce (default: all).
        b: weights, broadcast against `a`.
        keepdims: keep reduced axes with size 1.
        return_sign: return (log of the absolute value, sign).
        where: mask of the elements to include.

    Returns:
        Array; -inf where the sum is empty. nan where the sum is negative, unless `return_sign`.

    Example:
        >>> import minijax.numpy as mnp
        >>> logsumexp(mnp.array([1000.0, -1000.0]))
        Array(1000., dtype=float32)
    """
    a = mnp.asarray(a)
    a = a if a.dtype.kind in "fcV" else a.astype(mnp.result_type(a.dtype, float))
    if b is not None:
        a, b = mnp.broadcast_arrays(a, mnp.asarray(b, dtype=a.dtype))
        a = mnp.where(b != 0, a, -mnp.inf)
    masked = a if where is None else mnp.where(where, a, -mnp.inf)
    top = mnp.max(masked.real, axis=axis, keepdims=True, initial=-mnp.inf)
    top = stop_gradient(mnp.where(mnp.isfinite(top), top, mnp.zeros_like(top)))
    terms = mnp.exp(masked - top)
    if b is not None:
        terms = b * terms
    total = mnp.sum(terms, axis=axis, keepdims=keepdims)
    sign = mnp.sign(total)
    if return_sign:
        total = mnp.abs(total)
    top = top if keepdims else mnp.squeeze(top, axis=axis)
    out = mnp.log(total) + top
    return (out, sign) if return_sign else out


def logmeanexp(x: Any, axis: Axis = None, where: Any = None, keepdims: bool = False) -> Any:
    """log(mean(exp(x))), stable."""
    x = mnp.asarray(x)
    taken = mnp.ones(x.shape) if where is None else mnp.broadcast_to(mnp.where(where, 1.0, 0.0), x.shape)
    count = mnp.sum(taken.astype(mnp.result_type(x.dtype, float)), axis=axis, keepdims=keepdims)
    return logsumexp(x, axis=axis, where=where, keepdims=keepdims) - mnp.log(count)


def softmax(x: Any, axis: int | Sequence[int] | None = -1, where: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along `axis`, stable.

    Args:
        x: array.
        axis: axis or axes that the results sum to 1 over.
        where: mask of the elements to include; the others get 0.

    Example:
        >>> import minijax.numpy as mnp
        >>> softmax(mnp.array([0.0, 0.0]))
        Array([0.5, 0.5], dtype=float32)
    """
    x = mnp.asarray(x)
    masked = x if where is None else mnp.where(where, x, -mnp.inf)
    top = stop_gradient(mnp.max(masked, axis=axis, keepdims=True, initial=-mnp.inf))
    terms = mnp.exp(masked - top)
    out = terms / mnp.sum(terms, axis=axis, keepdims=True)
    return out if where is None else mnp.where(where, out, mnp.zeros_like(out))


def log_softmax(x: Any, axis: int | Sequence[int] | None = -1, where: Any = None) -> Any:
    """log(softmax(x)), stable."""
    x = mnp.asarray(x)
    masked = x if where is None else mnp.where(where, x, -mnp.inf)
    shifted = masked - stop_gradient(mnp.max(masked, axis=axis, keepdims=True, initial=-mnp.inf))
    return shifted - mnp.log(mnp.sum(mnp.exp(shifted), axis=axis, keepdims=True))


def standardize(
    x: Any, axis: Axis = -1, mean: Any = None, variance: Any = None, epsilon: Any = 1e-5, where: Any = None
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) along `axis`."""
    x = mnp.asarray(x)
    if mean is None:
        mean = mnp.mean(x, axis=axis, keepdims=True, where=where)
    if variance is None:
        variance = mnp.mean(mnp.square(x - mean), axis=axis, keepdims=True, where=where)
    return (x - mean) / mnp.sqrt(variance + epsilon)


def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Any:
    """Indices as unit vectors: 1 at the index, 0 elsewhere; all 0 for indices out of range.

    Args:
        x: integer array.
        num_classes: length of the vectors.
        dtype: of the result (default: float).
        axis: where the vectors go.

    Example:
        >>> import minijax.numpy as mnp
        >>> one_hot(mnp.array([1, 0]), 2).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    x = mnp.asarray(x)
    classes = mnp.arange(num_classes, dtype=x.dtype if np.issubdtype(x.dtype, np.integer) else None)
    place = axis if axis >= 0 else axis + x.ndim + 1
    shape = [1] * (x.ndim + 1)
    shape[place] = num_classes
    return (mnp.expand_dims(x, place) == classes.reshape(shape)).astype(float if dtype is None else dtype)
