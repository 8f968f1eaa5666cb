"""Selections: permutations, categories, choices.

In: a key and what to select from. Out: indices or elements.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import numpy as mnp
from ..array import Array, as_value
from ..dtypes import canonicalize_dtype, issubdtype
from ..primitives import p
from ._operands import checked_key, converted, static_shape
from .distributions import gumbel
from .keys import split
from .uniforms import randint, uniform

__all__ = [
    "categorical",
    "choice",
    "permutation",
]


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Array:
    """A random order.

    Args:
        key: a key.
        x: an int n (the numbers 0 ... n - 1 are permuted) or an array.
        axis: the axis to permute.
        independent: permute every vector along `axis` on its own.

    Example:
        >>> import minijax as mj
        >>> mj.random.permutation(mj.random.PRNGKey(0), 5)
        Array([0, 1, 4, 3, 2], dtype=int32)
    """
    key = checked_key(key, "permutation")
    if isinstance(x, (int, np.integer)) or not getattr(x, "ndim", 0):
        return _shuffle(key, mnp.arange(operator.index(x)), 0)
    x = as_value(x)
    axis = range(x.ndim)[axis]
    if independent or x.ndim == 1:
        return _shuffle(key, x, axis)
    return mnp.take(x, _shuffle(key, mnp.arange(x.shape[axis]), 0), axis=axis)


def _shuffle(key: Any, x: Any, axis: int) -> Any:
    """Sort by random numbers, so often that ties of 32-bit numbers leave no trace (probability below n^-3)."""
    rounds = math.ceil(3 * math.log(max(1, x.size)) / math.log(2**32 - 1))
    for _ in range(rounds):
        key, subkey = split(key)
        order = p.random_bits(subkey, bit_width=32, shape=x.shape)
        x = p.sort(order, x, dimension=axis, is_stable=True, num_keys=1)[1]
    return x


def categorical(
    key: Any, logits: Any, axis: int = -1, shape: Any = None, replace: bool = True, mode: str | None = None
) -> Array:
    """Indices drawn with probabilities softmax(logits): the argmax of logits plus Gumbel noise.

    Args:
        key: a key.
        logits: array; the categories lie along `axis`.
        axis: the axis of the categories.
        shape: of the result; ends with the batch shape of the logits.
        replace: with False, the draws (the leading axes of `shape`) are distinct.
        mode: of `gumbel`.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> int(mj.random.categorical(mj.random.key(0), mnp.array([-1e9, 0.0])))
        1
    """
    key, logits = checked_key(key, "categorical"), as_value(logits)
    axis = range(logits.ndim)[axis]
    batch = (*logits.shape[:axis], *logits.shape[axis + 1 :])
    shape = batch if shape is None else static_shape(shape)
    lead = shape[: len(shape) - len(batch)]
    if (*lead, *batch) != shape and np.broadcast_shapes(shape, batch) != shape:
        raise ValueError(f"categorical: shape {shape} must end with the batch shape {batch} of the logits")
    dtype = logits.dtype if issubdtype(logits.dtype, np.floating) else canonicalize_dtype(float)
    if replace:
        tail = list(shape[len(lead) :])
        tail.insert(axis, logits.shape[axis])
        noise = gumbel(key, (*lead, *tail), dtype, mode)
        return mnp.argmax(mnp.add(noise, logits), axis=axis + len(lead))
    count = math.prod(lead)
    if count > logits.shape[axis]:
        raise ValueError(
            f"Number of samples without replacement ({count}) cannot exceed number of categories "
            f"({logits.shape[axis]})."
        )
    score = mnp.moveaxis(mnp.add(gumbel(key, logits.shape, dtype, mode), logits), axis, -1)
    best = mnp.moveaxis(mnp.argsort(mnp.negative(score), axis=-1)[..., :count], -1, 0)
    return converted(mnp.reshape(best, shape), np.dtype(np.int32))


def choice(
    key: Any, a: Any, shape: Any = (), replace: bool = True, p: Any = None, axis: int = 0, mode: str | None = None
) -> Array:
    """Random elements.

    Args:
        key: a key.
        a: an int n (choose from 0 ... n - 1) or an array, chosen from along `axis`.
        shape: of the draws.
        replace: whether an element may be drawn twice.
        p: probabilities (n,); default equal.
        axis: the axis of `a`.
        mode: of `gumbel`, for draws without replacement.

    Raises:
        ValueError: more draws without replacement than elements, or `p` of another shape.

    Example:
        >>> import minijax as mj
        >>> mj.random.choice(mj.random.PRNGKey(0), 5, (3,))
        Array([4, 0, 2], dtype=int32)
    """
    key, shape = checked_key(key, "choice"), static_shape(shape)
    whole = isinstance(a, (int, np.integer)) or not getattr(a, "ndim", 0)
    a = operator.index(a) if whole else as_value(a)
    axis = 0 if whole else range(a.ndim)[axis]
    n, draws = (a if whole else a.shape[axis]), math.prod(shape)
    if draws == 0:
        shape_out = shape if whole else (*a.shape[:axis], *shape, *a.shape[axis + 1 :])
        return mnp.zeros(shape_out, int if whole else a.dtype)
    if n <= 0:
        raise ValueError("a must be greater than 0 unless no samples are taken")
    if not replace and draws > n:
        raise ValueError(
            f"Cannot take a larger sample (size {draws}) than population (size {n}) when 'replace=False'"
        )
    if p is None:
        if not replace:
            index = permutation(key, n)[:draws]
        else:
            index = randint(key, shape, 0, n)
    else:
        index = _weighted_index(key, as_value(p), n, shape, replace, mode)
    index = mnp.reshape(index, shape)
    return index if whole else mnp.take(a, index, axis=axis)


def _weighted_index(key: Any, weights: Any, n: int, shape: tuple[int, ...], replace: bool, mode: str | None) -> Any:
    if weights.shape != (n,):
        raise ValueError(
            f"p must be None or a 1D vector with the same size as a.shape[axis]. p has shape {weights.shape} "
            f"and a.shape[axis] is {n}."
        )
    if not issubdtype(weights.dtype, np.floating):
        weights = converted(weights, canonicalize_dtype(float))
    if replace:
        total = mnp.cumsum(weights)
        place = mnp.multiply(total[-1], mnp.subtract(weights.dtype.type(1), uniform(key, shape, weights.dtype)))
        return converted(mnp.searchsorted(total, place), canonicalize_dtype(int))
    score = mnp.add(mnp.log(weights), gumbel(key, (n,), weights.dtype, mode))
    return converted(mnp.argsort(mnp.negative(score))[: math.prod(shape)], canonicalize_dtype(int))
