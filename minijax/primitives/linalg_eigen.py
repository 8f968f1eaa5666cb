"""Spectral decompositions: eigh, eig, svd.

In: matrices in the last two axes, any batch in front. Out: eigenvalues or singular values, and vectors.
LAPACK through NumPy; where it does not converge (nan in the input) the result is nan. Vectors turn into each
other at a rate 1 / (difference of their values): equal values have no derivative of the vectors (nan), their
own is fine. (Giles 2008, section 3; Townsend 2016, "Differentiating the singular value decomposition".)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import teach
from ..ir import ShapedArray, aval_like
from ._families import library_call
from ._matrices import (
    adjoint,
    batch_in_front,
    columns_scaled,
    diagonal_mask,
    hermitian_from,
    is_complex,
    matmul,
    matrix_aval,
    nan_where_it_fails,
    real_dtype,
    rows_scaled,
    spread_columns,
    spread_rows,
)
from ._ops import like, p, select


def _as_complex(x: Any) -> Any:
    dtype = aval_like(x).dtype
    if dtype.kind == "c":
        return x
    return p.convert_element_type(x, new_dtype=np.result_type(dtype, np.complex64), weak_type=False)


def _cast_like(x: Any, y: Any) -> Any:
    dtype = aval_like(y).dtype
    return x if aval_like(x).dtype == dtype else p.convert_element_type(x, new_dtype=dtype, weak_type=False)


def _inverse_gaps(values: Any, like_matrix: Any) -> Any:
    """1 / (v_j - v_i) off the diagonal, 0 on it; infinite where values are equal."""
    shape = (*aval_like(values).shape, aval_like(values).shape[-1])
    gaps = p.sub(spread_rows(values, shape), spread_columns(values, shape))
    on_diagonal = diagonal_mask(gaps)
    one = p.broadcast_in_dim(like(values, 1), shape=shape, broadcast_dimensions=())
    inverse = p.div(one, select(on_diagonal, one, gaps))
    return _cast_like(select(on_diagonal, p.sub(one, one), inverse), like_matrix)


def _diagonal(x: Any) -> Any:
    """The diagonals of (..., n, n), shape (..., n)."""
    ndim = aval_like(x).ndim
    zero = p.broadcast_in_dim(like(x, 0), shape=aval_like(x).shape, broadcast_dimensions=())
    return p.reduce_sum(select(diagonal_mask(x), x, zero), axes=(ndim - 1,))


def _column_products(x: Any, y: Any) -> Any:
    """The diagonal of x^H y, without the rest."""
    conjugate = p.conj(x) if is_complex(x) else x
    return p.reduce_sum(p.mul(conjugate, y), axes=(aval_like(x).ndim - 2,))


def _real(x: Any) -> Any:
    return p.real(x) if is_complex(x) else x


# --- eigh ---------------------------------------------------------------------------------------------------------


def _eigh_abstract(a: ShapedArray, *, lower: bool, sort_eigenvalues: bool) -> tuple[ShapedArray, ShapedArray]:
    matrix_aval("eigh", a, square=True)
    return ShapedArray(a.shape, a.dtype), ShapedArray(a.shape[:-1], real_dtype(a.dtype))


def _eigh_evaluate(a: np.ndarray, *, lower: bool, sort_eigenvalues: bool) -> tuple[np.ndarray, np.ndarray]:
    # LAPACK's are sorted; to be allowed not to sort changes nothing here.
    w, v = nan_where_it_fails(lambda x: tuple(np.linalg.eigh(x, "L" if lower else "U")), a)
    if not np.isfinite(a).all():  # some LAPACKs return numbers for nan
        bad = ~np.isfinite(np.tril(a) if lower else np.triu(a)).all(axis=(-2, -1))
        w, v = (
            np.where(bad[..., None], np.nan, w).astype(w.dtype),
            np.where(bad[..., None, None], np.nan, v).astype(v.dtype),
        )
    return v, w


def _eigh_jvp(primals: Any, tangents: Any, *, lower: bool, sort_eigenvalues: bool) -> Any:
    (a,), (t,) = primals, tangents
    v, w = p.eigh(a, lower=lower, sort_eigenvalues=sort_eigenvalues)
    moved = matmul(hermitian_from(t, lower), v)
    dw = _real(_column_products(v, moved))
    dv = matmul(v, p.mul(_inverse_gaps(w, v), matmul(adjoint(v), moved)))
    return [v, w], [dv, dw]


eigh = library_call(
    "eigh",
    _eigh_evaluate,
    abstract=_eigh_abstract,
    jvp=_eigh_jvp,
    batch=batch_in_front("eigh"),
    params={"lower": bool, "sort_eigenvalues": bool},
    multiple_results=True,
    doc="""a (..., n, n), Hermitian, of which one triangle is read, to (eigenvectors v, eigenvalues w
    ascending). With M = v^H da v: dw = diag(M), dv = v (F * M), F_ij = 1 / (w_j - w_i) off the diagonal
    (Giles 2008, 3.1). Equal eigenvalues: dv is nan, dw is right.""",
)


# --- svd ----------------------------------------------------------------------------------------------------------


def _svd_abstract(a: ShapedArray, *, full_matrices: bool, compute_uv: bool) -> tuple[ShapedArray, ...]:
    matrix_aval("svd", a)
    *batch, m, n = a.shape
    k = min(m, n)
    s = ShapedArray((*batch, k), real_dtype(a.dtype))
    if not compute_uv:
        return (s,)
    rows, columns = (m, n) if full_matrices else (k, k)
    return s, ShapedArray((*batch, m, rows), a.dtype), ShapedArray((*batch, columns, n), a.dtype)


def _svd_evaluate(a: np.ndarray, *, full_matrices: bool, compute_uv: bool) -> tuple[np.ndarray, ...]:
    if not compute_uv:
        return nan_where_it_fails(lambda x: (np.linalg.svd(x, compute_uv=False),), a)
    u, s, vh = nan_where_it_fails(lambda x: tuple(np.linalg.svd(x, full_matrices=full_matrices)), a)
    return s, u, vh


def _svd_jvp(primals: Any, tangents: Any, *, full_matrices: bool, compute_uv: bool) -> Any:
    (a,), (t,) = primals, tangents
    m, n = aval_like(a).shape[-2:]
    if compute_uv and full_matrices and m != n:
        raise NotImplementedError(
            teach(
                "Singular value decomposition JVP not implemented for full matrices: the matrix has shape "
                f"{aval_like(a).shape} and full_matrices is True.",
                why="the added singular vectors are any basis of what the others leave, not a function of the matrix",
                do="svd(a, full_matrices=False); for the singular values alone, svd(a, compute_uv=False)",
            )
        )
    s, u, vh = p.svd(a, full_matrices=False, compute_uv=True)
    v = adjoint(vh)
    moved = matmul(t, v)
    ds = _real(_column_products(u, moved))
    if not compute_uv:
        return [s], [ds]
    inner = matmul(adjoint(u), moved)
    gaps = _inverse_gaps(p.mul(s, s), u)
    scaled, turned = columns_scaled(inner, s), rows_scaled(s, inner)
    du = p.mul(gaps, p.add(scaled, adjoint(scaled)))
    dv = p.mul(gaps, p.add(turned, adjoint(turned)))
    one = p.broadcast_in_dim(like(s, 1), shape=aval_like(s).shape, broadcast_dimensions=())
    inverse = p.div(one, s)
    if is_complex(a):  # the phases of u_i and v_i are free together: all of the change is given to u
        zero = p.sub(inner, inner)
        phase = p.mul(p.sub(inner, p.conj(inner)), like(inner, 0.5))
        du = p.add(du, columns_scaled(select(diagonal_mask(inner), phase, zero), inverse))
    du, dv = matmul(u, du), matmul(v, dv)
    if m > n:
        du = p.add(du, columns_scaled(p.sub(moved, matmul(u, inner)), inverse))
    if n > m:
        moved = matmul(adjoint(t), u)
        dv = p.add(dv, columns_scaled(p.sub(moved, matmul(v, adjoint(inner))), inverse))
    return [s, u, vh], [ds, du, adjoint(dv)]


svd = library_call(
    "svd",
    _svd_evaluate,
    abstract=_svd_abstract,
    jvp=_svd_jvp,
    batch=batch_in_front("svd"),
    params={"full_matrices": bool, "compute_uv": bool},
    multiple_results=True,
    doc="""a (..., m, n) to (s,) or (s descending, u, v^H). With P = u^H da v and F_ij = 1 / (s_j^2 - s_i^2)
    off the diagonal: ds = Re diag(P), du = u (F * (P s + s P^H)) + (1 - u u^H) da v / s, dv = v (F * (s P +
    P^H s)) + (1 - v v^H) da^H u / s (Townsend 2016, eq. 18-20); complex: u also takes the change of phase, i
    Im diag(P) / s (Wan & Zhang 2019). Equal singular values: du, dv are nan, ds is right.""",
)


# --- eig ----------------------------------------------------------------------------------------------------------


def _eig_abstract(
    a: ShapedArray, *, compute_left_eigenvectors: bool, compute_right_eigenvectors: bool
) -> tuple[ShapedArray, ...]:
    matrix_aval("eig", a, square=True)
    dtype = np.result_type(a.dtype, np.complex64)
    vectors = ShapedArray(a.shape, dtype)
    wanted = compute_left_eigenvectors + compute_right_eigenvectors
    return (ShapedArray(a.shape[:-1], dtype), *(vectors,) * wanted)


def _eig_evaluate(
    a: np.ndarray, *, compute_left_eigenvectors: bool, compute_right_eigenvectors: bool
) -> tuple[np.ndarray, ...]:
    def decompose(x: np.ndarray) -> tuple[np.ndarray, ...]:
        if compute_left_eigenvectors:
            return _eig_both(x, compute_right_eigenvectors)
        return tuple(np.linalg.eig(x)) if compute_right_eigenvectors else (np.linalg.eigvals(x),)

    dtype = np.result_type(a.dtype, np.complex64)
    return tuple(part.astype(dtype, copy=False) for part in nan_where_it_fails(decompose, a))


def _eig_both(x: np.ndarray, right: bool) -> tuple[np.ndarray, ...]:
    from scipy.linalg import eig  # SciPy is slow to import: on first use; NumPy has no left eigenvectors

    if not np.isfinite(x).all():
        raise np.linalg.LinAlgError("array must not contain infs or nans")
    found = [eig(matrix, left=True, right=True) for matrix in x.reshape(-1, *x.shape[-2:])]
    dtype = np.result_type(x.dtype, np.complex64)
    parts = [np.array(part, dtype) for part in zip(*found, strict=True)] if found else [np.empty(0, dtype)] * 3
    w, left, vectors = parts[0].reshape(x.shape[:-1]), parts[1].reshape(x.shape), parts[2].reshape(x.shape)
    return (w, left, vectors) if right else (w, left)


def _eig_jvp(primals: Any, tangents: Any, **params: bool) -> Any:
    (a,), (t,) = primals, tangents
    outs = p.eig(a, **params)
    left, right = params["compute_left_eigenvectors"], params["compute_right_eigenvectors"]
    v = outs[-1] if right else p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=True)[1]
    w = outs[0]
    dw, dv = _eig_tangents(w, v, _as_complex(t))
    out_tangents = [dw]
    if left:  # left eigenvectors are right ones of a^H, with conjugate eigenvalues
        out_tangents.append(_eig_tangents(p.conj(w), outs[1], adjoint(_as_complex(t)))[1])
    if right:
        out_tangents.append(dv)
    return outs, out_tangents


def _eig_tangents(w: Any, v: Any, t: Any) -> tuple[Any, Any]:
    factors, pivots = p.lu_factors(v)
    inner = p.solve(v, factors, pivots, matmul(t, v), transpose_a=False)
    dv = matmul(v, p.mul(_inverse_gaps(w, v), inner))
    # Vectors have length one, and turn by no phase: v^H dv = 0.
    return _diagonal(inner), p.sub(dv, columns_scaled(v, _column_products(v, dv)))


eig = library_call(
    "eig",
    _eig_evaluate,
    abstract=_eig_abstract,
    jvp=_eig_jvp,
    batch=batch_in_front("eig"),
    params={"compute_left_eigenvectors": bool, "compute_right_eigenvectors": bool},
    multiple_results=True,
    doc="""a (..., n, n) to complex eigenvalues w, then left and right eigenvectors (unit length) as asked
    for. With M = v^-1 da v: dw = diag(M), dv = v (F * M) less its part along v, F_ij = 1 / (w_j - w_i)
    (Giles 2008, 3.1; Boeddeker et al. 2017, 4.77). Only the direction of a vector is determined: derivatives
    are those of functions that do not depend on its phase. Equal eigenvalues: dv is nan.""",
)
