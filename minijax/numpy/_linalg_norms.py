"""Norms of vectors and matrices, products and diagonals, as `numpy.linalg` has them.

In: arrays. Out: arrays. The gradient of a norm that is a root is nan at zero, as that of sqrt is not finite
there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import numpy as mnp  # complete by the time a function here runs
from ..array import as_value
from ..ir import aval_like
from ._linalg_decompositions import svdvals
from ._linalg_operands import (
    inexact,
    squared_modulus,
)

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of a vector or matrix.

    Args:
        x: array.
        ord: None (2-norm, Frobenius for matrices), a number, inf, -inf, 0 (vectors), "fro", "nuc" (matrices).
        axis: int (vector norms along it), pair of ints (matrix norms), None: all of `x`.
        keepdims: keep reduced axes with size one.

    Returns:
        Real array. The gradient at zero is nan for roots, as for sqrt.

    Raises:
        ValueError: an order that is not a norm of vectors (matrices).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.norm(mnp.array([3.0, 4.0]))
        Array(5., dtype=float32)
    """
    x = inexact(x)
    if axis is None:
        axis = tuple(range(x.ndim))
        if ord is None:
            return mnp.sqrt(mnp.sum(squared_modulus(x), axis=axis, keepdims=keepdims))
    elif not isinstance(axis, (tuple, list)):
        axis = (axis,)
    axis = tuple(int(i) for i in axis)
    if len(axis) == 1:
        return _vector_norm(x, ord, axis, keepdims)
    if len(axis) == 2:
        return _matrix_norm(x, ord, axis, keepdims)
    raise ValueError(
        f"Improper number of axes for norm: axis={axis}. Pass one axis to compute a vector-norm, or two axes to "
        "compute a matrix-norm."
    )


def _vector_norm(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    over = {"axis": axis, "keepdims": keepdims}
    if ord is None or (not isinstance(ord, str) and ord == 2):
        return mnp.sqrt(mnp.sum(squared_modulus(x), **over))
    if isinstance(ord, str):
        raise ValueError(f"Invalid order '{ord}' for vector norm.")
    modulus = mnp.abs(x)
    if ord == math.inf:
        return mnp.max(modulus, **over)
    if ord == -math.inf:
        return mnp.min(modulus, **over)
    if ord == 0:
        return mnp.sum(mnp.not_equal(x, 0), dtype=modulus.dtype, **over)
    if ord == 1:
        return mnp.sum(modulus, **over)
    total = mnp.sum(mnp.power(modulus, ord), **over)
    return mnp.power(total, mnp.divide(1.0, ord))


def _matrix_norm(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    row, column = (i % x.ndim for i in axis)
    if row == column:
        raise ValueError(f"norm: the axes {axis} are the same")
    if ord in (None, "fro"):
        return mnp.sqrt(mnp.sum(squared_modulus(x), axis=(row, column), keepdims=keepdims))
    if ord in (1, -1, math.inf, -math.inf):
        summed, kept = (row, column) if abs(ord) == 1 else (column, row)
        sums = mnp.sum(mnp.abs(x), axis=summed, keepdims=True)
        extreme = (mnp.max if ord > 0 else mnp.min)(sums, axis=kept, keepdims=True)
        return extreme if keepdims else mnp.squeeze(extreme, (row, column))
    if ord not in (2, -2, "nuc"):
        raise ValueError(f"Invalid order '{ord}' for matrix norm.")
    s = svdvals(mnp.moveaxis(x, (row, column), (-2, -1)))
    reduce = {2: mnp.max, -2: mnp.min, "nuc": mnp.sum}[ord]
    found = reduce(s, axis=-1)
    return mnp.expand_dims(found, tuple(sorted((row, column)))) if keepdims else found


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Norm of `x` as a vector along `axis` (None: all elements; several axes count as one).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.vector_norm(mnp.array([[3.0, 4.0]]))
        Array(5., dtype=float32)
    """
    x = inexact(x)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return _vector_norm(x, ord, axes, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norm (...) of matrices x (..., m, n).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.matrix_norm(mnp.array([[3.0, 0.0], [0.0, 4.0]]))
        Array(5., dtype=float32)
    """
    x = as_value(x)
    if x.ndim < 2:
        raise ValueError(f"axis -2 is out of bounds for array of dimension {x.ndim}")
    return norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


def multi_dot(arrays: Sequence[Any], *, precision: Any = None) -> Any:
    """Product of several matrices (the first and the last may be vectors), in the cheapest order.

    The order is found by dynamic programming (Cormen et al., Introduction to Algorithms, section 15.2).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.multi_dot([mnp.ones((2, 3)), mnp.ones((3, 2)), mnp.ones(2)])
        Array([6., 6.], dtype=float32)
    """
    values = [as_value(x) for x in arrays]
    if len(values) < 2:
        raise ValueError(f"multi_dot requires at least two arrays; got len(arrays)={len(values)}")
    ends = (values[0].ndim, values[-1].ndim)
    if not all(x.ndim == 2 for x in values[1:-1]) or any(n not in (1, 2) for n in ends):
        raise ValueError("multi_dot: input arrays must all be two-dimensional, except for the first and last array")
    first = mnp.expand_dims(values[0], 0) if ends[0] == 1 else values[0]
    last = mnp.expand_dims(values[-1], 1) if ends[1] == 1 else values[-1]
    chain = [first, *values[1:-1], last]
    result = _product(chain, _split_points([chain[0].shape[0], *(x.shape[1] for x in chain)]), 0, len(chain) - 1)
    drop = tuple(axis for axis, ndim in enumerate(ends) if ndim == 1)
    return mnp.squeeze(result, drop) if drop else result


def _split_points(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each product of matrices i ... j; matrix i is sizes[i] by sizes[i + 1]."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


def _product(chain: list[Any], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return chain[i]
    k = split[i, j]
    return mnp.matmul(_product(chain, split, i, k), _product(chain, split, k + 1, j))


def matmul(x1: Any, x2: Any, /, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """`minijax.numpy.matmul`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.matmul(mnp.ones((1, 2)), mnp.ones((2, 1)))
        Array([[2.]], dtype=float32)
    """
    return mnp.matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)


def tensordot(
    x1: Any, x2: Any, /, *, axes: Any = 2, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """`minijax.numpy.tensordot`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.tensordot(mnp.ones(2), mnp.ones(2), axes=1)
        Array(2., dtype=float32)
    """
    return mnp.tensordot(x1, x2, axes=axes, precision=precision, preferred_element_type=preferred_element_type)


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes of `x` swapped.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.matrix_transpose(mnp.ones((4, 2, 3))).shape
        (4, 3, 2)
    """
    x = as_value(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose requires at least two dimensions, got shape {x.shape}")
    return mnp.swapaxes(x, -1, -2)


def outer(x1: Any, x2: Any, /) -> Any:
    """Outer product (m, n) of vectors (m,) and (n,).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.outer(mnp.array([1.0, 2.0]), mnp.array([3.0, 4.0]))
        Array([[3., 4.],
               [6., 8.]], dtype=float32)
    """
    x1, x2 = as_value(x1), as_value(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are x1.ndim={x1.ndim} x2.ndim={x2.ndim}")
    return mnp.multiply(x1[:, None], x2[None, :])


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Cross product of three-vectors along `axis`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.cross(mnp.array([1.0, 0.0, 0.0]), mnp.array([0.0, 1.0, 0.0]))
        Array([0., 0., 1.], dtype=float32)
    """
    x1, x2 = as_value(x1), as_value(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x1.shape[axis]} and "
            f"{x2.shape[axis]} dimensional instead."
        )
    return mnp.cross(x1, x2, axis=axis)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sums along the diagonals of matrices x (..., m, n).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.trace(mnp.array([[1.0, 2.0], [3.0, 4.0]]))
        Array(5., dtype=float32)
    """
    return mnp.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonals (..., k) of matrices x (..., m, n).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.diagonal(mnp.array([[1.0, 2.0], [3.0, 4.0]]))
        Array([1., 4.], dtype=float32)
    """
    x = as_value(x)
    m, n = aval_like(x).shape[-2:]
    row, column = max(-offset, 0), max(offset, 0)
    size = max(min(m - row, n - column), 0)
    index = np.arange(size)
    return x[..., row + index, column + index]


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Dot products along `axis`; the first operand is conjugated.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.vecdot(mnp.array([1.0, 2.0]), mnp.array([3.0, 4.0]))
        Array(11., dtype=float32)
    """
    return mnp.vecdot(x1, x2, axis=axis)
