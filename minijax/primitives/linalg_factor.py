"""Factorisations: cholesky, lu (with its pivots and permutation), qr, householder_product.

In: matrices in the last two axes, any batch in front. Out: their factors. LAPACK through NumPy where that
batches, SciPy otherwise. A matrix that has no factorisation gives nan, it does not raise. Derivatives:
perturb the product, multiply by the inverse factors from both sides, and split what is left by triangles.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import ShapedArray, Zero, aval_like
from ._families import library_call
from ._matrices import (
    adjoint,
    batch_in_front,
    diagonal_mask,
    filled_like,
    hermitian_from,
    is_complex,
    lapack,
    lower_part,
    masked,
    matmul,
    matrix_aval,
    nan_where_it_fails,
    upper_part,
)
from ._ops import like, p, select

_INT32 = np.dtype(np.int32)


def _solve_triangle(a: Any, b: Any, **options: bool) -> Any:
    settings = {
        "left_side": True,
        "lower": True,
        "transpose_a": False,
        "conjugate_a": False,
        "unit_diagonal": False,
    } | options
    return p.triangular_solve(a, b, **settings)


# --- cholesky ---------------------------------------------------------------------------------------------------


def _cholesky_abstract(a: ShapedArray) -> ShapedArray:
    matrix_aval("cholesky", a, square=True)
    return ShapedArray(a.shape, a.dtype)


def _cholesky_evaluate(a: np.ndarray) -> np.ndarray:
    (factor,) = nan_where_it_fails(lambda x: (np.linalg.cholesky(x),), a)
    return np.tril(factor) if np.isnan(factor).any() else factor


def _cholesky_jvp(t: Any, out: Any, a: Any) -> Any:
    inner = _solve_triangle(out, hermitian_from(t, lower=True))
    inner = _solve_triangle(out, inner, left_side=False, transpose_a=True, conjugate_a=True)
    half = masked("diagonal", inner, p.mul(inner, like(inner, 0.5)), inner)
    return matmul(out, lower_part(half))


cholesky = library_call(
    "cholesky",
    _cholesky_evaluate,
    abstract=_cholesky_abstract,
    jvp=(_cholesky_jvp,),
    batch=batch_in_front("cholesky"),
    doc="""Lower triangular L with L L^H = a, a (..., n, n) Hermitian positive definite; the lower triangle
    of a is read. dL = L Phi(L^-1 da L^-H), Phi: lower triangle with half the diagonal (Murray 2016,
    "Differentiation of the Cholesky decomposition", eq. 8). nan in the triangle where a is not positive
    definite.""",
)


# --- lu -----------------------------------------------------------------------------------------------------------


def _lu_shapes(name: str, a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
    matrix_aval(name, a)
    *batch, m, n = a.shape
    return ShapedArray(a.shape, a.dtype), ShapedArray((*batch, min(m, n)), _INT32)


def _lu_abstract(a: ShapedArray) -> tuple[ShapedArray, ShapedArray, ShapedArray]:
    lu, pivots = _lu_shapes("lu", a)
    return lu, pivots, ShapedArray(a.shape[:-1], _INT32)


def _factors_evaluate(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = a.shape[-2:]
    lu = np.empty(a.shape, a.dtype)
    pivots = np.empty((*a.shape[:-2], min(rows, columns)), _INT32)
    if a.size == 0:
        return lu, pivots
    getrf = lapack("getrf", a.dtype.char)
    flat = zip(
        a.reshape(-1, rows, columns), lu.reshape(-1, rows, columns), pivots.reshape(-1, pivots.shape[-1]), strict=True
    )
    for matrix, factors, pivot in flat:
        factors[...], pivot[...], _ = getrf(matrix)
    return lu, pivots


def _permutation(pivots: np.ndarray, size: int) -> np.ndarray:
    """The permutation that row swaps, done one after the other, amount to."""
    permutation = np.broadcast_to(np.arange(size, dtype=_INT32), (*pivots.shape[:-1], size)).copy()
    if pivots.ndim == 1:
        order = permutation.tolist()
        for i, target in enumerate(pivots.tolist()):
            order[i], order[target] = order[target], order[i]
        return np.array(order, _INT32)
    rows = permutation.reshape(math.prod(pivots.shape[:-1]), size)
    index = np.arange(len(rows))
    for i, target in enumerate(pivots.reshape(len(rows), pivots.shape[-1]).T):
        rows[index, i], rows[index, target] = rows[index, target], rows[index, i].copy()
    return permutation


def _lu_evaluate(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lu, pivots = _factors_evaluate(a)
    return lu, pivots, _permutation(pivots, a.shape[-2])


def _padded_identity(x: Any, size: int) -> Any:
    """`x`, triangular, completed to a square matrix with ones on the new diagonal."""
    *batch, m, n = aval_like(x).shape
    if m == n:
        return x
    padding = [(0, 0, 0)] * len(batch) + [(0, size - m, 0), (0, size - n, 0)]
    square = p.pad(x, like(x, 0), padding_config=tuple(padding))
    corner = np.zeros((size, size), bool)
    inside = min(m, n)
    corner[range(inside, size), range(inside, size)] = True
    shape = (*batch, size, size)
    corner = p.broadcast_in_dim(corner, shape=shape, broadcast_dimensions=(len(batch), len(batch) + 1))
    return select(corner, _ones(square), square)


def _ones(x: Any) -> Any:
    return p.broadcast_in_dim(like(x, 1), shape=aval_like(x).shape, broadcast_dimensions=())


def _columns(x: Any, start: int, stop: int) -> Any:
    """Columns start:stop."""
    *batch, m, n = aval_like(x).shape
    if (start, stop) == (0, n):
        return x
    zeros = (0,) * len(batch)
    return p.slice(x, start_indices=(*zeros, 0, start), limit_indices=(*batch, m, stop), strides=None)


def _rows_from(x: Any, start: int) -> Any:
    """The rows from `start` on."""
    *batch, m, n = aval_like(x).shape
    return p.slice(x, start_indices=(*(0,) * len(batch), start, 0), limit_indices=(*batch, m, n), strides=None)


def _rows(x: Any, stop: int) -> Any:
    """The first `stop` rows."""
    *batch, m, n = aval_like(x).shape
    if stop == m:
        return x
    return p.slice(x, start_indices=(0,) * (len(batch) + 2), limit_indices=(*batch, stop, n), strides=None)


def _lu_jvp(primals: Any, tangents: Any) -> Any:
    (a,), (t,) = primals, tangents
    lu, pivots, permutation = p.lu(a)
    shape = aval_like(a).shape
    m, n = shape[-2:]
    k = min(m, n)
    lower = lower_part(_columns(lu, 0, k), strict=True)
    lower = _padded_identity(select(diagonal_mask(lower), _ones(lower), lower), m)
    upper = _padded_identity(upper_part(_rows(lu, k)), n)
    moved = matmul(_permutation_matrix(permutation, lu), t)
    inner = _solve_triangle(lower, moved, unit_diagonal=True)
    inner = _solve_triangle(upper, inner, left_side=False, lower=False)
    change = p.add(matmul(lower, lower_part(inner, strict=True)), matmul(upper_part(inner), upper))
    none = [Zero(aval_like(x).tangent()) for x in (pivots, permutation)]
    return [lu, pivots, permutation], [change, *none]


def _permutation_matrix(permutation: Any, like_value: Any) -> Any:
    *batch, m = aval_like(permutation).shape
    shape = (*batch, m, m)
    target = p.broadcast_in_dim(permutation, shape=shape, broadcast_dimensions=tuple(range(len(batch) + 1)))
    column = p.iota(dtype=_INT32, shape=shape, dimension=len(batch) + 1)
    return p.convert_element_type(p.eq(target, column), new_dtype=aval_like(like_value).dtype, weak_type=False)


lu = library_call(
    "lu",
    _lu_evaluate,
    abstract=_lu_abstract,
    jvp=_lu_jvp,
    batch=batch_in_front("lu"),
    multiple_results=True,
    doc="""a (..., m, n) to (lu, pivots, permutation) with a[permutation] = L U, L unit lower and U upper
    triangular, packed. With X = L^-1 da[permutation] U^-1 (factors completed to squares by an identity): dL
    = L tril(X, -1), dU = triu(X) U (Giles 2008, section 2; de Hoog, Anderssen & Lukas 2011). Pivots carry no
    tangent.""",
)

lu_factors = library_call(
    "lu_factors",
    _factors_evaluate,
    abstract=lambda a: _lu_shapes("lu_factors", a),
    jvp=None,
    batch=batch_in_front("lu_factors"),
    multiple_results=True,
    doc="""a (..., m, n) to (lu, pivots) for `solve`, which differentiates with respect to a itself: these
    factors are the means of computing, and their tangent is zero on purpose. To differentiate factors, use
    `lu`.""",
)


def _pivots_abstract(pivots: ShapedArray, *, permutation_size: int) -> ShapedArray:
    if pivots.ndim < 1 or pivots.dtype.kind not in "iu":
        raise ValueError(f"lu_pivots_to_permutation expects integer pivots (..., k), got {pivots.str_short()}")
    if permutation_size < pivots.shape[-1]:
        raise ValueError(
            f"Output permutation size {permutation_size} has to exceed the trailing dimension of the pivots."
        )
    return ShapedArray((*pivots.shape[:-1], permutation_size), pivots.dtype)


lu_pivots_to_permutation = library_call(
    "lu_pivots_to_permutation",
    lambda pivots, *, permutation_size: _permutation(pivots, permutation_size).astype(pivots.dtype, copy=False),
    abstract=_pivots_abstract,
    jvp=None,
    batch=batch_in_front("lu_pivots_to_permutation"),
    params={"permutation_size": int},
    doc="""Pivots (..., k), row swaps in order, to the permutation (..., permutation_size) they make. Not
    differentiable.""",
)


# --- qr -----------------------------------------------------------------------------------------------------------


def _qr_abstract(a: ShapedArray, *, full_matrices: bool) -> tuple[ShapedArray, ShapedArray]:
    matrix_aval("qr", a)
    *batch, m, n = a.shape
    k = m if full_matrices else min(m, n)
    return ShapedArray((*batch, m, k), a.dtype), ShapedArray((*batch, k, n), a.dtype)


def _qr_evaluate(a: np.ndarray, *, full_matrices: bool) -> tuple[np.ndarray, np.ndarray]:
    q, r = np.linalg.qr(a, mode="complete" if full_matrices else "reduced")
    return q.astype(a.dtype, copy=False), r.astype(a.dtype, copy=False)


def _qr_jvp(primals: Any, tangents: Any, *, full_matrices: bool) -> Any:
    (a,), (t,) = primals, tangents
    m, n = aval_like(a).shape[-2:]
    full_q, full_r = p.qr(a, full_matrices=full_matrices)
    k = min(m, n)
    q, r = _columns(full_q, 0, k), _rows(full_r, k)
    scaled = _solve_triangle(_columns(r, 0, k), _columns(t, 0, k), left_side=False, lower=False)
    inner = matmul(adjoint(q), scaled)
    below = lower_part(inner, strict=True)
    turn = p.sub(below, adjoint(below))  # q^H dq is skew-Hermitian
    if is_complex(a):  # r keeps a real diagonal, so that of q^H dq takes the imaginary part
        diagonal = p.mul(p.sub(inner, p.conj(inner)), like(inner, 0.5))
        turn = p.add(turn, masked("diagonal", inner, diagonal, p.sub(inner, inner)))
    dq = p.add(matmul(q, p.sub(turn, inner)), scaled)
    dr = upper_part(p.sub(matmul(adjoint(q), t), matmul(turn, r)))
    if full_matrices and m > n:
        dq = p.concatenate(dq, _added_columns(q, dq), dimension=len(dq.shape) - 1)
        dr = p.pad(dr, like(dr, 0), padding_config=(*[(0, 0, 0)] * (len(dr.shape) - 2), (0, m - n, 0), (0, 0, 0)))
    return [full_q, full_r], [dq, dr]


def _added_columns(q: Any, dq: Any) -> Any:
    """The tangent of the columns that complete a tall Q (..., m, n).

    LAPACK multiplies n reflectors: Q = I - V T V^H with V (m, n). With E the first n columns of I and Z = V2 V1^-1, V split at
    row n, the first n columns are E - V T V1^H and the added ones [0; I] + (first - E) Z^H, where Z = Q2 (Q1 - I)^-1 follows
    from the first n columns alone (Roberts & Roberts 2024, arXiv 2409.13374).
    """
    n = aval_like(q).shape[-1]
    reflected = p.sub(q, masked("diagonal", q, filled_like(q, 1), filled_like(q, 0)))
    inverse = p.inv(_rows(reflected, n))
    z = matmul(_rows_from(q, n), inverse)
    dz = matmul(p.sub(_rows_from(dq, n), matmul(z, _rows(dq, n))), inverse)
    return p.add(matmul(dq, adjoint(z)), matmul(reflected, adjoint(dz)))


qr = library_call(
    "qr",
    _qr_evaluate,
    abstract=_qr_abstract,
    jvp=_qr_jvp,
    batch=batch_in_front("qr"),
    params={"full_matrices": bool},
    multiple_results=True,
    doc="""a (..., m, n) to Q (..., m, k), R (..., k, n). With X = Q^H da R^-1 and W = tril(X, -1) - tril(X,
    -1)^H: dQ = da R^-1 + Q (W - X), dR = Q^H da - W R (Walter & Lehmann 2010, "Algorithmic differentiation
    of linear algebra functions", section 3). Wide matrices: R^-1 of the leading square. The columns that
    complete the Q of a tall matrix: see `_added_columns`. nan where the columns are dependent.""",
)


# --- householder_product --------------------------------------------------------------------------------------------


def _householder_abstract(a: ShapedArray, taus: ShapedArray) -> ShapedArray:
    matrix_aval("householder_product", a)
    if a.shape[-2] < a.shape[-1] or taus.shape[:-1] != a.shape[:-2] or taus.shape[-1] > a.shape[-1]:
        raise ValueError(
            f"householder_product expects a (..., m, n), m >= n, and taus (..., k), k <= n; got {a.shape}, "
            f"{taus.shape}"
        )
    return ShapedArray(a.shape, a.dtype)


def _householder_evaluate(a: np.ndarray, taus: np.ndarray) -> np.ndarray:
    orgqr = lapack("ungqr" if a.dtype.kind == "c" else "orgqr", a.dtype.char)
    out = np.empty(a.shape, a.dtype)
    shape = a.shape[-2:]
    for matrix, tau, product in zip(
        a.reshape(-1, *shape), taus.reshape(-1, taus.shape[-1]), out.reshape(-1, *shape), strict=True
    ):
        product[...] = orgqr(matrix, tau)[0]
    return out


householder_product = library_call(
    "householder_product",
    _householder_evaluate,
    abstract=_householder_abstract,
    jvp="missing",
    batch=batch_in_front("householder_product"),
    doc="""Elementary reflectors a (..., m, n), taus (..., k), as LAPACK's geqrf leaves them, to the
    orthonormal Q (..., m, n). No derivative rule; differentiate qr instead.""",
)
