"""Linear systems and what goes with them: solve, inv, pinv, lstsq, det, slogdet, rank, condition, powers.

In: matrices (..., m, n) and right-hand sides. Out: solutions, inverses, numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import numpy as mnp  # complete by the time a function here runs
from ..array import as_value
from ..primitives import p
from ._linalg_decompositions import SlogdetResult, svd, svdvals
from ._linalg_norms import norm
from ._linalg_operands import (
    adjoint,
    epsilon,
    inexact,
    inexact_pair,
    matrices,
    squared_modulus,
)

__all__ = [
    "cond",
    "det",
    "inv",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "slogdet",
    "solve",
    "tensorinv",
    "tensorsolve",
]


def solve(a: Any, b: Any) -> Any:
    """The solution x of a x = b.

    Args:
        a: array (..., n, n).
        b: array (n,) or (..., n, k); batch axes broadcast.

    Returns:
        Array (..., n) or (..., n, k); inf or nan where a is singular.

    Raises:
        ValueError: sizes that do not match.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.solve(mnp.array([[2.0, 0.0], [0.0, 4.0]]), mnp.array([2.0, 4.0]))
        Array([1., 1.], dtype=float32)
    """
    a, b = inexact_pair(a, b)
    a = matrices("solve", a, square=True)
    vector = b.ndim == 1
    if b.ndim == 0 or b.shape[0 if vector else -2] != a.shape[-1]:
        raise ValueError(f"solve: inconsistent size for core dimension 'm': a has shape {a.shape}, b has {b.shape}")
    b = mnp.expand_dims(b, -1) if vector else b
    factors, pivots = p.lu_factors(a)
    if vector or b.ndim == 2:
        x = _solve_columns(a, factors, pivots, b)
    else:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, factors = (mnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, factors))
        pivots = mnp.broadcast_to(pivots, (*batch, pivots.shape[-1]))
        x = p.solve(a, factors, pivots, mnp.broadcast_to(b, (*batch, *b.shape[-2:])), transpose_a=False)
    return mnp.squeeze(x, -1) if vector else x


def _solve_columns(a: Any, factors: Any, pivots: Any, b: Any) -> Any:
    if a.ndim > 2:
        b = mnp.broadcast_to(b, (*a.shape[:-2], *b.shape))
    return p.solve(a, factors, pivots, b, transpose_a=False)


def inv(a: Any) -> Any:
    """Inverse of (..., n, n). A singular matrix gives inf and nan.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.inv(mnp.array([[2.0, 0.0], [0.0, 4.0]]))
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    return p.inv(matrices("inv", a, square=True))


def pinv(a: Any, rtol: Any = None, hermitian: bool = False, *, rcond: Any = None) -> Any:
    """Moore-Penrose pseudo-inverse (..., n, m) of a (..., m, n).

    Args:
        a: array (..., m, n).
        rtol: singular values below rtol times the largest count as zero; default 10 max(m, n) eps.
        hermitian: a is Hermitian (and its eigenvalues are used).
        rcond: older name of rtol.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.pinv(mnp.array([[2.0], [0.0]]))
        Array([[0.5, 0. ]], dtype=float32)
    """
    a = matrices("pinv", a)
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = 10.0 * max(a.shape[-2:]) * epsilon(a.dtype)
    real = np.dtype(a.dtype.char.lower()) if a.dtype.kind == "c" else a.dtype
    cutoff = p.convert_element_type(as_value(rtol), new_dtype=real, weak_type=False)
    return p.pinv(a, mnp.broadcast_to(cutoff, a.shape[:-2]), hermitian=hermitian)


def lstsq(a: Any, b: Any, rcond: float | None = None, *, numpy_resid: bool = False) -> tuple[Any, Any, Any, Any]:
    """Least squares: the x of least norm that minimises |b - a x|.

    Args:
        a: array (m, n).
        b: array (m,) or (m, k).
        rcond: singular values below rcond times the largest count as zero; default eps max(m, n).
        numpy_resid: return empty residuals where NumPy does (rank-deficient or m <= n); not under jit.

    Returns:
        (x, sums of squared residuals, rank, singular values of a).

    Raises:
        TypeError: a is not a matrix, or b not a vector or matrix.
        ValueError: numbers of rows differ.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.lstsq(mnp.array([[1.0], [1.0]]), mnp.array([1.0, 3.0]))[0].round(3)
        Array([2.], dtype=float32)
    """
    a, b = inexact_pair(a, b)
    if a.ndim != 2:
        raise TypeError(f"{a.ndim}-dimensional array given. Array must be two-dimensional")
    if b.ndim not in (1, 2):
        raise TypeError(f"{b.ndim}-dimensional array given. Array must be one or two-dimensional")
    m, n = a.shape
    if b.shape[0] != m:
        raise ValueError(f"Leading dimensions of input arrays must match, got {a.shape} and {b.shape}")
    columns = mnp.expand_dims(b, -1) if b.ndim == 1 else b
    u, s, vh = svd(a, full_matrices=False)
    cutoff = epsilon(a.dtype) * max(m, n) if rcond is None else rcond
    large = mnp.logical_and(mnp.greater(s, 0), mnp.greater_equal(s, mnp.multiply(cutoff, s[:1])))
    inverse = mnp.where(large, mnp.divide(1, mnp.where(large, s, 1)), 0)
    x = mnp.matmul(adjoint(vh), mnp.multiply(inverse[:, None], mnp.matmul(adjoint(u), columns)))
    rank = mnp.sum(large, dtype=np.dtype(np.int32))
    if numpy_resid and (int(rank) < n or m <= n):
        residuals = mnp.zeros((0,), s.dtype)
    else:
        residuals = mnp.sum(squared_modulus(mnp.subtract(columns, mnp.matmul(a, x))), axis=0)
    return (mnp.squeeze(x, -1) if b.ndim == 1 else x), residuals, rank, s


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Inverse for tensordot: tensordot(tensorinv(a), a, ind) is the identity.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.tensorinv(mnp.ones((1, 1, 1)), ind=1).shape
        (1, 1, 1)
    """
    a = as_value(a)
    if ind <= 0:
        raise ValueError(f"ind must be a positive integer; got ind={ind}")
    left, right = a.shape[:ind], a.shape[ind:]
    if math.prod(left) != math.prod(right):
        raise ValueError(f"product of dimensions {left} must match that of {right}")
    return mnp.reshape(inv(mnp.reshape(a, (math.prod(left), -1))), (*right, *left))


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.tensorsolve(2 * mnp.eye(2).reshape(2, 2), mnp.ones(2))
        Array([0.5, 0.5], dtype=float32)
    """
    a, b = as_value(a), as_value(b)
    if axes is not None:
        a = mnp.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    shape = a.shape[b.ndim :]
    if a.shape[: b.ndim] != b.shape or math.prod(shape) != b.size:
        raise ValueError(
            f"After moving axes to end, leading shape of a must match shape of b. got {a.shape} and {b.shape}"
        )
    square = mnp.reshape(a, (b.size, b.size))
    return mnp.reshape(solve(square, mnp.reshape(b, (-1,))), shape)


def det(a: Any) -> Any:
    """Determinant (...) of (..., n, n); its gradient, the cofactors, exists for singular matrices too.

    Example:
        >>> import minijax.numpy as mnp
        >>> float(mnp.linalg.det(mnp.array([[1.0, 2.0], [3.0, 4.0]]))).__round__(4)
        -2.0
    """
    return p.det(matrices("det", a, square=True))


def slogdet(a: Any, *, method: str | None = None) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinant of (..., n, n).

    Args:
        a: array (..., n, n).
        method: None or "lu"; "qr" is accepted and computes the same.

    Returns:
        SlogdetResult(sign, logabsdet); (0, -inf) for a singular matrix.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.slogdet(mnp.eye(2)).logabsdet
        Array(0., dtype=float32)
    """
    if method not in (None, "lu", "qr"):
        raise ValueError(f"Unknown slogdet method '{method}'. Supported methods are 'lu' (`None`), and 'qr'.")
    return SlogdetResult(*p.slogdet(matrices("slogdet", a, square=True)))


def matrix_rank(M: Any, rtol: Any = None, *, hermitian: bool = False, tol: Any = None) -> Any:
    """Number of singular values of M (..., m, n) above rtol times the largest; default max(m, n) eps.

    Example:
        >>> import minijax.numpy as mnp
        >>> int(mnp.linalg.matrix_rank(mnp.ones((2, 2))))
        1
    """
    M = inexact(M)
    if M.ndim < 2:
        return mnp.any(mnp.not_equal(M, 0)).astype("int32")
    s = svd(M, full_matrices=False, compute_uv=False, hermitian=hermitian)
    rtol = tol if rtol is None else rtol
    if rtol is None:
        rtol = max(M.shape[-2:]) * epsilon(M.dtype)
    cutoff = mnp.multiply(mnp.max(s, axis=-1, keepdims=True), rtol)
    return mnp.sum(mnp.greater(s, cutoff), axis=-1, dtype=np.dtype(np.int32))


def cond(x: Any, p: Any = None) -> Any:
    """Condition number |x| |x^-1| of (..., n, n) in the norm `p` (None, 2, -2: from singular values).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.cond(mnp.array([[2.0, 0.0], [0.0, 1.0]]))
        Array(2., dtype=float32)
    """
    x = matrices("cond", x)
    if p in (None, 2, -2):
        s = svdvals(x)
        low, high = s[..., -1], s[..., 0]
        ratio = mnp.divide(low, high) if p == -2 else mnp.divide(high, low)
    else:
        ratio = mnp.multiply(norm(x, ord=p, axis=(-2, -1)), norm(inv(x), ord=p, axis=(-2, -1)))
    # A singular matrix gives 0 / 0 or inf * 0: its condition is inf, unless the matrix itself has a nan.
    lost = mnp.logical_and(mnp.isnan(ratio), mnp.logical_not(mnp.any(mnp.isnan(x), axis=(-2, -1))))
    return mnp.where(lost, math.inf, ratio)


def matrix_power(a: Any, n: int) -> Any:
    """`a` (..., m, m) to an integer power, by repeated squaring; negative powers invert first.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.matrix_power(mnp.array([[1.0, 1.0], [0.0, 1.0]]), 5)
        Array([[1., 5.],
               [0., 1.]], dtype=float32)
    """
    a = as_value(a)
    if a.ndim < 2:
        raise TypeError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
    if a.shape[-2] != a.shape[-1]:
        raise TypeError("Last 2 dimensions of the array must be square")
    try:
        n = int(n.__index__())
    except (TypeError, AttributeError):
        raise TypeError(f"exponent must be an integer, got {n!r}") from None
    if n == 0:
        return mnp.broadcast_to(mnp.eye(a.shape[-1], dtype=a.dtype), a.shape)
    if n < 0:
        a, n = inv(a), -n
    result = None
    while n:
        n, odd = divmod(n, 2)
        if odd:
            result = a if result is None else mnp.matmul(result, a)
        if n:
            a = mnp.matmul(a, a)
    return result
