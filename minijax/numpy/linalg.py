"""minijax.numpy.linalg: NumPy's linear algebra over the primitives of `primitives/linalg_*.py`.

In: arrays of any dtype (integers become floats), matrices in the last two axes. Out: arrays, or named tuples of
them. Hermitian operations read (a + a^H) / 2 unless told that the input is symmetric, so that gradients
come out symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..array import as_value
from ..ir import aval_like
from ..primitives import p
from . import creation, manipulation, products, reductions, ufuncs
from ._promotion import promote_inexact
from .products import matmul as matmul, tensordot as tensordot

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


def _inexact(*xs: Any) -> Any:
    """The operands as values of one common float or complex dtype."""
    values = promote_inexact(*xs)
    return values[0] if len(xs) == 1 else values


def _matrix(name: str, a: Any, *, square: bool = False) -> Any:
    a = _inexact(a)
    if a.ndim < 2:
        raise ValueError(f"{name} requires at least a two-dimensional array, got shape={a.shape}")
    if square and a.shape[-1] != a.shape[-2]:
        raise ValueError(f"Argument to {name} must have shape [..., n, n], got {a.shape}.")
    return a


def _adjoint(a: Any) -> Any:
    a = manipulation.swapaxes(a, -1, -2)
    return p.conj(a) if a.dtype.kind == "c" else a


def _hermitian_part(a: Any) -> Any:
    return ufuncs.divide(ufuncs.add(a, _adjoint(a)), 2)


def _epsilon(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).eps)


# --- decompositions -------------------------------------------------------------------------------------------


def cholesky(a: Any, *, upper: bool = False, symmetrize_input: bool = True) -> Any:
    """Cholesky factor L of a positive definite matrix, a = L L^H.

    Args:
        a: array (..., n, n), Hermitian positive definite; otherwise the result is nan.
        upper: return U = L^H with a = U^H U.
        symmetrize_input: factor (a + a^H) / 2.

    Returns:
        Array (..., n, n), triangular.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.cholesky(mnp.array([[4.0, 2.0], [2.0, 5.0]]))
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    a = _matrix("cholesky", a, square=True)
    factor = p.cholesky(_hermitian_part(a) if symmetrize_input else a)
    return _adjoint(factor) if upper else factor


def qr(a: Any, mode: str = "reduced") -> Any:
    """QR decomposition a = Q R, Q with orthonormal columns, R upper triangular.

    Args:
        a: array (..., m, n).
        mode: "reduced" (Q (..., m, k), k = min(m, n)), "complete" (Q (..., m, m)) or "r" (R alone).

    Returns:
        QRResult(Q, R), or R.

    Raises:
        ValueError: another mode.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.qr(mnp.array([[3.0], [4.0]]), mode="r")
        Array([[-5.]], dtype=float32)
    """
    if mode == "full":
        mode = "reduced"
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}': use 'reduced', 'complete' or 'r'")
    q, r = p.qr(_matrix("qr", a), full_matrices=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
    subset_by_index: tuple[int, int] | None = None,
) -> Any:
    """Singular value decomposition a = U diag(S) Vh.

    Args:
        a: array (..., m, n).
        full_matrices: U (..., m, m) and Vh (..., n, n) instead of min(m, n) columns and rows.
        compute_uv: whether to return U and Vh.
        hermitian: a is Hermitian: use eigh.
        subset_by_index: (start, end) of the singular values wanted.

    Returns:
        SVDResult(U, S, Vh), or S descending. Gradients of S always exist; those of U and Vh are nan where
        singular values are equal.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.svd(mnp.array([[0.0, 2.0], [1.0, 0.0]]), compute_uv=False)
        Array([2., 1.], dtype=float32)
    """
    a = _matrix("svd", a, square=hermitian)
    if hermitian:
        found = _hermitian_svd(a, compute_uv)
    else:
        s, *vectors = p.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
        found = (vectors[0], s, vectors[1]) if compute_uv else s
    if subset_by_index is not None:
        part = slice(*subset_by_index)
        if not compute_uv:
            return found[..., part]
        u, s, vh = found
        found = (u[..., part], s[..., part], vh[..., part, :])
    return SVDResult(*found) if compute_uv else found


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    v, w = p.eigh(_hermitian_part(a), lower=True, sort_eigenvalues=True)
    sign, s = ufuncs.sign(w), ufuncs.abs(w)
    descending = manipulation.flip(_argsort(s), -1)
    s = _take_last(s, descending)
    if not compute_uv:
        return s
    vectors = _take_last(v, manipulation.expand_dims(descending, -2))
    turned = ufuncs.multiply(vectors, manipulation.expand_dims(_take_last(sign, descending), -2))
    return vectors, s, _adjoint(turned)


def _argsort(x: Any) -> Any:
    index = p.iota(dtype=np.dtype(np.int32), shape=x.shape, dimension=x.ndim - 1)
    return p.sort(x, index, dimension=x.ndim - 1, is_stable=True, num_keys=1)[1]


def _take_last(x: Any, index: Any) -> Any:
    return manipulation.take_along_axis(x, index, axis=-1)


def svdvals(x: Any) -> Any:
    """Singular values (..., k) of x (..., m, n), descending.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.svdvals(mnp.array([[3.0, 0.0], [0.0, 4.0]]))
        Array([4., 3.], dtype=float32)
    """
    return svd(x, compute_uv=False)


def eigh(a: Any, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues and eigenvectors of a Hermitian matrix.

    Args:
        a: array (..., n, n).
        UPLO: "L" (default) or "U", the triangle read when the input is not symmetrized.
        symmetrize_input: decompose (a + a^H) / 2.

    Returns:
        EighResult(eigenvalues ascending (..., n), eigenvectors (..., n, n) in columns).

    Raises:
        ValueError: another UPLO.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.eigh(mnp.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        Array([1., 2.], dtype=float32)
    """
    if UPLO not in (None, "L", "U"):
        raise ValueError(f"UPLO must be one of None, 'L', or 'U', got {UPLO}")
    a = _matrix("eigh", a, square=True)
    v, w = p.eigh(_hermitian_part(a) if symmetrize_input else a, lower=UPLO != "U", sort_eigenvalues=True)
    return EighResult(w, v)


def eigvalsh(a: Any, UPLO: str | None = "L", *, symmetrize_input: bool = True) -> Any:
    """Eigenvalues (..., n), ascending, of Hermitian a (..., n, n); arguments as for `eigh`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.eigvalsh(mnp.array([[0.0, 1.0], [1.0, 0.0]]))
        Array([-1.,  1.], dtype=float32)
    """
    return eigh(a, UPLO, symmetrize_input).eigenvalues


def eig(a: Any) -> EigResult:
    """Eigenvalues and right eigenvectors of a general matrix; complex.

    Args:
        a: array (..., n, n).

    Returns:
        EigResult(eigenvalues (..., n), eigenvectors (..., n, n) of length one, in columns). Gradients of the
        eigenvectors are those of functions that do not depend on their phases.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.eig(mnp.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        Array([2.+0.j, 1.+0.j], dtype=complex64)
    """
    a = _matrix("eig", a, square=True)
    return EigResult(*p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=True))


def eigvals(a: Any) -> Any:
    """Eigenvalues (..., n) of a general matrix (..., n, n); complex, in no particular order.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.eigvals(mnp.array([[2.0, 1.0], [0.0, 1.0]]))
        Array([2.+0.j, 1.+0.j], dtype=complex64)
    """
    a = _matrix("eigvals", a, square=True)
    return p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


# --- systems ----------------------------------------------------------------------------------------------------


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
    a, b = _inexact(a, b)
    a = _matrix("solve", a, square=True)
    vector = b.ndim == 1
    if b.ndim == 0 or b.shape[0 if vector else -2] != a.shape[-1]:
        raise ValueError(f"solve: inconsistent size for core dimension 'm': a has shape {a.shape}, b has {b.shape}")
    b = manipulation.expand_dims(b, -1) if vector else b
    factors, pivots = p.lu_factors(a)
    if vector or b.ndim == 2:
        x = _solve_columns(a, factors, pivots, b)
    else:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, factors = (manipulation.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, factors))
        pivots = manipulation.broadcast_to(pivots, (*batch, pivots.shape[-1]))
        x = p.solve(a, factors, pivots, manipulation.broadcast_to(b, (*batch, *b.shape[-2:])), transpose_a=False)
    return manipulation.squeeze(x, -1) if vector else x


def _solve_columns(a: Any, factors: Any, pivots: Any, b: Any) -> Any:
    if a.ndim > 2:
        b = manipulation.broadcast_to(b, (*a.shape[:-2], *b.shape))
    return p.solve(a, factors, pivots, b, transpose_a=False)


def inv(a: Any) -> Any:
    """Inverse of (..., n, n). A singular matrix gives inf and nan.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.inv(mnp.array([[2.0, 0.0], [0.0, 4.0]]))
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    return p.inv(_matrix("inv", a, square=True))


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
    a = _matrix("pinv", a)
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = 10.0 * max(a.shape[-2:]) * _epsilon(a.dtype)
    real = np.dtype(a.dtype.char.lower()) if a.dtype.kind == "c" else a.dtype
    cutoff = p.convert_element_type(as_value(rtol), new_dtype=real, weak_type=False)
    return p.pinv(a, manipulation.broadcast_to(cutoff, a.shape[:-2]), hermitian=hermitian)


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
        >>> mnp.linalg.lstsq(mnp.array([[1.0], [1.0]]), mnp.array([1.0, 3.0]))[0]
        Array([2.], dtype=float32)
    """
    a, b = _inexact(a, b)
    if a.ndim != 2:
        raise TypeError(f"{a.ndim}-dimensional array given. Array must be two-dimensional")
    if b.ndim not in (1, 2):
        raise TypeError(f"{b.ndim}-dimensional array given. Array must be one or two-dimensional")
    m, n = a.shape
    if b.shape[0] != m:
        raise ValueError(f"Leading dimensions of input arrays must match, got {a.shape} and {b.shape}")
    columns = manipulation.expand_dims(b, -1) if b.ndim == 1 else b
    u, s, vh = svd(a, full_matrices=False)
    cutoff = _epsilon(a.dtype) * max(m, n) if rcond is None else rcond
    large = ufuncs.logical_and(ufuncs.greater(s, 0), ufuncs.greater_equal(s, ufuncs.multiply(cutoff, s[:1])))
    inverse = ufuncs.where(large, ufuncs.divide(1, ufuncs.where(large, s, 1)), 0)
    x = matmul(_adjoint(vh), ufuncs.multiply(inverse[:, None], matmul(_adjoint(u), columns)))
    rank = reductions.sum(large, dtype=np.dtype(np.int32))
    if numpy_resid and (int(rank) < n or m <= n):
        residuals = creation.zeros((0,), s.dtype)
    else:
        residuals = reductions.sum(_squared_modulus(ufuncs.subtract(columns, matmul(a, x))), axis=0)
    return (manipulation.squeeze(x, -1) if b.ndim == 1 else x), residuals, rank, s


def _squared_modulus(x: Any) -> Any:
    if x.dtype.kind == "c":
        return ufuncs.add(ufuncs.square(p.real(x)), ufuncs.square(p.imag(x)))
    return ufuncs.square(x)


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
    return manipulation.reshape(inv(manipulation.reshape(a, (math.prod(left), -1))), (*right, *left))


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.tensorsolve(2 * mnp.eye(2).reshape(2, 2), mnp.ones(2))
        Array([0.5, 0.5], dtype=float32)
    """
    a, b = as_value(a), as_value(b)
    if axes is not None:
        a = manipulation.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    shape = a.shape[b.ndim :]
    if a.shape[: b.ndim] != b.shape or math.prod(shape) != b.size:
        raise ValueError(
            f"After moving axes to end, leading shape of a must match shape of b. got {a.shape} and {b.shape}"
        )
    square = manipulation.reshape(a, (b.size, b.size))
    return manipulation.reshape(solve(square, manipulation.reshape(b, (-1,))), shape)


# --- numbers of a matrix ------------------------------------------------------------------------------------------


def det(a: Any) -> Any:
    """Determinant (...) of (..., n, n); its gradient, the cofactors, exists for singular matrices too.

    Example:
        >>> import minijax.numpy as mnp
        >>> float(mnp.linalg.det(mnp.array([[1.0, 2.0], [3.0, 4.0]]))).__round__(4)
        -2.0
    """
    return p.det(_matrix("det", a, square=True))


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
    return SlogdetResult(*p.slogdet(_matrix("slogdet", a, square=True)))


def matrix_rank(M: Any, rtol: Any = None, *, tol: Any = None) -> Any:
    """Number of singular values of M (..., m, n) above rtol times the largest; default max(m, n) eps.

    Example:
        >>> import minijax.numpy as mnp
        >>> int(mnp.linalg.matrix_rank(mnp.ones((2, 2))))
        1
    """
    M = _inexact(M)
    if M.ndim < 2:
        return reductions.max(ufuncs.not_equal(M, 0).astype("int32"))
    s = svd(M, full_matrices=False, compute_uv=False)
    rtol = tol if rtol is None else rtol
    if rtol is None:
        rtol = max(M.shape[-2:]) * _epsilon(M.dtype)
    cutoff = ufuncs.multiply(reductions.max(s, axis=-1, keepdims=True), rtol)
    return reductions.sum(ufuncs.greater(s, cutoff), axis=-1, dtype=np.dtype(np.int32))


def cond(x: Any, p: Any = None) -> Any:
    """Condition number |x| |x^-1| of (..., n, n) in the norm `p` (None, 2, -2: from singular values).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.cond(mnp.array([[2.0, 0.0], [0.0, 1.0]]))
        Array(2., dtype=float32)
    """
    x = _matrix("cond", x)
    if p in (None, 2, -2):
        s = svdvals(x)
        low, high = s[..., -1], s[..., 0]
        ratio = ufuncs.divide(low, high) if p == -2 else ufuncs.divide(high, low)
    else:
        ratio = ufuncs.multiply(norm(x, ord=p, axis=(-2, -1)), norm(inv(x), ord=p, axis=(-2, -1)))
    # A singular matrix gives 0 / 0 or inf * 0: its condition is inf, unless the matrix itself has a nan.
    lost = ufuncs.logical_and(ufuncs.isnan(ratio), ufuncs.logical_not(reductions.any(ufuncs.isnan(x), axis=(-2, -1))))
    return ufuncs.where(lost, math.inf, ratio)


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
        return manipulation.broadcast_to(creation.eye(a.shape[-1], dtype=a.dtype), a.shape)
    if n < 0:
        a, n = inv(a), -n
    result = None
    while n:
        n, odd = divmod(n, 2)
        if odd:
            result = a if result is None else matmul(result, a)
        if n:
            a = matmul(a, a)
    return result


# --- norms --------------------------------------------------------------------------------------------------------


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
    x = _inexact(x)
    if axis is None:
        axis = tuple(range(x.ndim))
        if ord is None:
            return ufuncs.sqrt(reductions.sum(_squared_modulus(x), axis=axis, keepdims=keepdims))
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
        return ufuncs.sqrt(reductions.sum(_squared_modulus(x), **over))
    if isinstance(ord, str):
        raise ValueError(f"Invalid order '{ord}' for vector norm.")
    modulus = ufuncs.abs(x)
    if ord == math.inf:
        return reductions.max(modulus, **over)
    if ord == -math.inf:
        return reductions.min(modulus, **over)
    if ord == 0:
        return reductions.sum(ufuncs.not_equal(x, 0), dtype=modulus.dtype, **over)
    if ord == 1:
        return reductions.sum(modulus, **over)
    total = reductions.sum(ufuncs.power(modulus, ord), **over)
    return ufuncs.power(total, ufuncs.divide(1.0, ord))


def _matrix_norm(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    row, column = (i % x.ndim for i in axis)
    if row == column:
        raise ValueError(f"norm: the axes {axis} are the same")
    if ord in (None, "fro"):
        return ufuncs.sqrt(reductions.sum(_squared_modulus(x), axis=(row, column), keepdims=keepdims))
    if ord in (1, -1, math.inf, -math.inf):
        summed, kept = (row, column) if abs(ord) == 1 else (column, row)
        sums = reductions.sum(ufuncs.abs(x), axis=summed, keepdims=True)
        extreme = (reductions.max if ord > 0 else reductions.min)(sums, axis=kept, keepdims=True)
        return extreme if keepdims else manipulation.squeeze(extreme, (row, column))
    if ord not in (2, -2, "nuc"):
        raise ValueError(f"Invalid order '{ord}' for matrix norm.")
    s = svdvals(manipulation.moveaxis(x, (row, column), (-2, -1)))
    reduce = {2: reductions.max, -2: reductions.min, "nuc": reductions.sum}[ord]
    found = reduce(s, axis=-1)
    return manipulation.expand_dims(found, tuple(sorted((row, column)))) if keepdims else found


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Norm of `x` as a vector along `axis` (None: all elements; several axes count as one).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.vector_norm(mnp.array([[3.0, 4.0]]))
        Array(5., dtype=float32)
    """
    x = _inexact(x)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return _vector_norm(x, ord, axes, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norm (...) of matrices x (..., m, n).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.matrix_norm(mnp.array([[3.0, 0.0], [0.0, 4.0]]))
        Array(5., dtype=float32)
    """
    return norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


# --- products -----------------------------------------------------------------------------------------------------


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
    first = manipulation.expand_dims(values[0], 0) if ends[0] == 1 else values[0]
    last = manipulation.expand_dims(values[-1], 1) if ends[1] == 1 else values[-1]
    chain = [first, *values[1:-1], last]
    result = _product(chain, _split_points([chain[0].shape[0], *(x.shape[1] for x in chain)]), 0, len(chain) - 1)
    drop = tuple(axis for axis, ndim in enumerate(ends) if ndim == 1)
    return manipulation.squeeze(result, drop) if drop else result


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
    return matmul(_product(chain, split, i, k), _product(chain, split, k + 1, j))


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
    return manipulation.swapaxes(x, -1, -2)


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
    return ufuncs.multiply(x1[:, None], x2[None, :])


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
    return products.cross(x1, x2, axis=axis)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sums along the diagonals of matrices x (..., m, n).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.trace(mnp.array([[1.0, 2.0], [3.0, 4.0]]))
        Array(5., dtype=float32)
    """
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


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
    return products.vecdot(x1, x2, axis=axis)
