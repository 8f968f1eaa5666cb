"""Linear systems: triangular_solve, solve (with the factors given), inv, pinv, det.

In: matrices in the last two axes, any batch in front. Out: solutions. Derivatives are those of implicit
functions, written with the same operation: nothing differentiates through an elimination.
(Giles 2008, "Collected matrix derivative results for forward and reverse mode AD", section 2.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Linear, ShapedArray, Zero, aval_like
from ._families import library_call, move_axis, moved_to_front
from ._matrices import (
    adjoint,
    batch_in_front,
    is_complex,
    lapack,
    lower_part,
    masked,
    matmul,
    matrix_aval,
    real_dtype,
    transposed,
    upper_part,
)
from ._ops import like, p, select


def _pairs(*arrays: np.ndarray) -> Any:
    """The matrices of equally batched arrays, one tuple at a time."""
    return zip(*(x.reshape(-1, *x.shape[-2:]) for x in arrays), strict=True)


def _check_batches(name: str, a: ShapedArray, b: ShapedArray) -> None:
    if a.shape[:-2] != b.shape[:-2]:
        raise TypeError(f"{name} requires both arguments to have the same batch axes, got {a.shape} and {b.shape}")
    if a.dtype != b.dtype:
        raise TypeError(f"{name} requires arguments to have the same dtypes, got {a.dtype}, {b.dtype}.")


def _columns_batch(name: str, a_operands: int) -> Any:
    """Batching of `op(a..., b)`: a batch of right-hand sides under one matrix is one wider right-hand side."""

    def batch(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, int]:
        bind = getattr(p, name)
        b, axis = args[-1], axes[-1]
        if axis is None or any(x is not None for x in axes[:a_operands]):
            return bind(*moved_to_front(size, args, axes), **params), 0
        left = params.get("left_side", True)
        ndim = aval_like(b).ndim
        place = ndim - 1 if left else ndim - 3  # beside the axis that the matrix does not touch
        b = move_axis(b, axis, place)
        shape = aval_like(b).shape
        wide = (*shape[:-2], shape[-2] * shape[-1]) if left else (*shape[:-3], shape[-3] * shape[-2], shape[-1])
        out = bind(*args[:-1], p.reshape(b, new_sizes=wide, dimensions=None), **params)
        return p.reshape(out, new_sizes=shape, dimensions=None), place

    return batch


# --- triangular_solve -----------------------------------------------------------------------------------------


def _triangular_abstract(
    a: ShapedArray,
    b: ShapedArray,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool,
    unit_diagonal: bool,
) -> ShapedArray:
    matrix_aval("triangular_solve", a, square=True)
    matrix_aval("triangular_solve", b)
    _check_batches("triangular_solve", a, b)
    if a.shape[-1] != b.shape[-2 if left_side else -1]:
        raise TypeError(
            f"triangular_solve: the sizes of a {a.shape} and b {b.shape} do not match (left_side={left_side})"
        )
    return ShapedArray(b.shape, b.dtype)


def _triangular_evaluate(
    a: np.ndarray,
    b: np.ndarray,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool,
    unit_diagonal: bool,
) -> np.ndarray:
    if b.size == 0:
        return np.zeros_like(b)
    if a.dtype.kind != "c":
        conjugate_a = False
    if conjugate_a and not transpose_a:
        a, conjugate_a = a.conj(), False
    trsm = lapack("trsm", a.dtype.char)
    op = 2 if conjugate_a else int(transpose_a)
    out = np.empty(b.shape, b.dtype)
    # BLAS thinks in columns: it is given the transposed problem, whose arrays need no copy.
    for matrix, right, solution in _pairs(a, b, out):
        found = trsm(
            1, matrix.T, right.T, side=int(left_side), lower=int(not lower), trans_a=op, diag=int(unit_diagonal)
        )
        solution[...] = found.T
    return out


def _triangle_of(a: Any, *, lower: bool, unit_diagonal: bool, transpose_a: bool, conjugate_a: bool) -> Any:
    """The matrix that `triangular_solve` reads out of `a`, as far as it varies."""
    part = lower_part(a, strict=unit_diagonal) if lower else upper_part(a, strict=unit_diagonal)
    part = transposed(part) if transpose_a else part
    return p.conj(part) if conjugate_a and is_complex(part) else part


def _triangular_jvp_matrix(t: Any, out: Any, a: Any, b: Any, *, left_side: bool, **params: Any) -> Any:
    change = _triangle_of(t, **params)
    right = matmul(change, out) if left_side else matmul(out, change)
    return p.neg(p.triangular_solve(a, right, left_side=left_side, **params))


def _triangular_transpose(ct: Any, a: Any, b: Any, *, transpose_a: bool, **params: Any) -> tuple[Any, Any]:
    if type(b) is not Linear:
        raise NotImplementedError("triangular_solve is linear in its right-hand side only")
    return None, p.triangular_solve(a, ct, transpose_a=not transpose_a, **params)


triangular_solve = library_call(
    "triangular_solve",
    _triangular_evaluate,
    abstract=_triangular_abstract,
    jvp=(
        _triangular_jvp_matrix,
        lambda t, out, a, b, **params: p.triangular_solve(a, t, **params),
    ),
    transpose=_triangular_transpose,
    jet="implicit",
    batch=_columns_batch("triangular_solve", 1),
    params={
        "left_side": bool,
        "lower": bool,
        "transpose_a": bool,
        "conjugate_a": bool,
        "unit_diagonal": bool,
    },
    doc="""Solve op(a) x = b (left_side) or x op(a) = b: a (..., n, n) triangular, b (..., n, k) or (..., k,
    n). op transposes and conjugates as told. dx = op(a)^-1 (db - op(da) x) (Giles 2008, 2.3.1), da
    restricted to the triangle that is read. A zero on the diagonal gives inf or nan.""",
)


# --- solve ------------------------------------------------------------------------------------------------------


def _solve_abstract(
    a: ShapedArray, lu: ShapedArray, pivots: ShapedArray, b: ShapedArray, *, transpose_a: bool
) -> ShapedArray:
    matrix_aval("solve", a, square=True)
    matrix_aval("solve", b)
    _check_batches("solve", a, b)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"solve: a {a.shape} and b {b.shape} have inconsistent sizes: expected b of shape (..., n, k)"
        )
    return ShapedArray(b.shape, b.dtype)


def _solve_evaluate(
    a: np.ndarray, lu: np.ndarray, pivots: np.ndarray, b: np.ndarray, *, transpose_a: bool
) -> np.ndarray:
    if b.size == 0:
        return np.zeros_like(b)
    getrs = lapack("getrs", a.dtype.char)
    out = np.empty(b.shape, b.dtype)
    flat_pivots = pivots.reshape(-1, pivots.shape[-1])
    for (factors, right, solution), pivot in zip(_pairs(lu, b, out), flat_pivots, strict=True):
        solution[...] = getrs(factors, pivot, right, trans=int(transpose_a))[0]
    return out


def _solve_jvp_matrix(t: Any, out: Any, a: Any, lu: Any, pivots: Any, b: Any, *, transpose_a: bool) -> Any:
    change = transposed(t) if transpose_a else t
    return p.neg(p.solve(a, lu, pivots, matmul(change, out), transpose_a=transpose_a))


def _solve_transpose(ct: Any, a: Any, lu: Any, pivots: Any, b: Any, *, transpose_a: bool) -> tuple[Any, ...]:
    if type(b) is not Linear:
        raise NotImplementedError("solve is linear in its right-hand side only")
    return None, None, None, p.solve(a, lu, pivots, ct, transpose_a=not transpose_a)


solve = library_call(
    "solve",
    _solve_evaluate,
    abstract=_solve_abstract,
    jvp=(
        _solve_jvp_matrix,
        None,
        None,
        lambda t, out, a, lu, pivots, b, **params: p.solve(a, lu, pivots, t, **params),
    ),
    transpose=_solve_transpose,
    jet="implicit",
    batch=_columns_batch("solve", 3),
    params={"transpose_a": bool},
    doc="""Solve a x = b (or a^T x = b) with the factors of a at hand: a (..., n, n), lu and pivots of it as from
    `lu_factors`, b (..., n, k). dx = a^-1 (db - da x) (Giles 2008, 2.3.1). The factors follow from a and
    carry no derivative of their own, so one factorisation serves value, tangent and cotangent.""",
)


# --- inv, pinv ----------------------------------------------------------------------------------------------------


def _square_abstract(name: str) -> Any:
    def abstract(a: ShapedArray) -> ShapedArray:
        matrix_aval(name, a, square=True)
        return ShapedArray(a.shape, a.dtype)

    return abstract


def _inv_evaluate(a: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:  # a singular matrix among them: divide by its zero pivots instead
        getrf, getrs = lapack("getrf", a.dtype.char), lapack("getrs", a.dtype.char)
        out = np.empty_like(a)
        for matrix, inverse in _pairs(a, out):
            lu, pivots, _ = getrf(matrix)
            inverse[...] = getrs(lu, pivots, np.eye(a.shape[-1], dtype=a.dtype))[0]
        return out


inv = library_call(
    "inv",
    _inv_evaluate,
    abstract=_square_abstract("inv"),
    jvp=(lambda t, out, a: p.neg(matmul(out, matmul(t, out))),),
    batch=batch_in_front("inv"),
    doc="""Inverse of (..., n, n). d a^-1 = -a^-1 da a^-1 (Giles 2008, 2.2.3). A singular matrix gives inf
    and nan.""",
)


def _pinv_abstract(a: ShapedArray, rtol: ShapedArray, *, hermitian: bool) -> ShapedArray:
    matrix_aval("pinv", a, square=hermitian)
    if rtol.shape != a.shape[:-2]:
        raise ValueError(f"pinv: rtol has shape {rtol.shape}, expected the batch shape {a.shape[:-2]}")
    return ShapedArray((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)


def _pinv_evaluate(a: np.ndarray, rtol: np.ndarray, *, hermitian: bool) -> np.ndarray:
    if a.size == 0:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    try:
        return np.linalg.pinv(a, np.asarray(rtol), hermitian=hermitian).astype(a.dtype, copy=False)
    except np.linalg.LinAlgError:
        return np.full((*a.shape[:-2], a.shape[-1], a.shape[-2]), np.nan, a.dtype)


def _pinv_jvp(t: Any, out: Any, a: Any, rtol: Any, *, hermitian: bool) -> Any:
    outH, tH = adjoint(out), adjoint(t)
    inner = p.neg(matmul(out, matmul(t, out)))
    gram = matmul(matmul(out, outH), tH)
    rows = p.sub(gram, matmul(matmul(gram, a), out))
    gram = matmul(tH, matmul(outH, out))
    columns = p.sub(gram, matmul(out, matmul(a, gram)))
    return p.add(inner, p.add(rows, columns))


pinv = library_call(
    "pinv",
    _pinv_evaluate,
    abstract=_pinv_abstract,
    jvp=(_pinv_jvp, None),
    batch=batch_in_front("pinv"),
    params={"hermitian": bool},
    doc="""Moore-Penrose pseudo-inverse P of a (..., m, n); singular values below rtol (...) times the
    largest count as zero. dP = -P da P + P P^H da^H (1 - a P) + (1 - P a) da^H P^H P (Golub & Pereyra 1973,
    4.12), where the rank is constant.""",
)


# --- det ------------------------------------------------------------------------------------------------------------


def _det_abstract(a: ShapedArray) -> ShapedArray:
    matrix_aval("det", a, square=True)
    return ShapedArray(a.shape[:-2], a.dtype)


def _total(x: Any, axes: int) -> Any:
    ndim = aval_like(x).ndim
    return p.reduce_sum(x, axes=tuple(range(ndim - axes, ndim)))


det = library_call(
    "det",
    lambda a: np.linalg.det(a).astype(a.dtype, copy=False),
    abstract=_det_abstract,
    jvp=(lambda t, out, a: _total(p.mul(p.cofactor(a), t), 2),),
    batch=batch_in_front("det"),
    doc="""Determinant of (..., n, n). d det(a) = sum(cofactor(a) * da) (Jacobi), right for singular matrices
    too.""",
)


def _cofactor_evaluate(a: np.ndarray) -> np.ndarray:
    n = a.shape[-1]
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    u, s, vh = np.linalg.svd(a)
    # a = u s vh: cofactors multiply, and those of a unitary matrix are det times its conjugate.
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return (sign[..., None, None] * ((u.conj() * others[..., None, :]) @ vh.conj())).astype(a.dtype, copy=False)


def _trace(x: Any) -> Any:
    """Traces of (..., n, n), spread over the diagonals of zero matrices."""
    shape = aval_like(x).shape
    zero = p.broadcast_in_dim(like(x, 0), shape=shape, broadcast_dimensions=())
    total = _total(masked("diagonal", x, x, zero), 2)
    spread = p.broadcast_in_dim(total, shape=shape, broadcast_dimensions=tuple(range(len(shape) - 2)))
    return masked("diagonal", x, spread, zero)


def _cofactor_jvp(t: Any, out: Any, a: Any) -> Any:
    n = aval_like(a).shape[-1]
    if n == 1:
        return p.sub(t, t)
    if n == 2:  # C = tr(a) - a^T
        return p.sub(_trace(t), transposed(t))
    if n == 3:  # C^T = a a - tr(a) a + (tr(a)^2 - tr(a a)) / 2, Cayley and Hamilton
        at = matmul(a, t)
        change = p.sub(p.add(at, matmul(t, a)), p.add(matmul(_trace(t), a), matmul(_trace(a), t)))
        return transposed(p.add(change, p.sub(matmul(_trace(a), _trace(t)), _trace(at))))
    inverse = p.inv(transposed(a))
    trace = _trace(matmul(transposed(inverse), t))
    return p.sub(matmul(trace, out), matmul(matmul(inverse, transposed(t)), out))


cofactor = library_call(
    "cofactor",
    _cofactor_evaluate,
    abstract=_square_abstract("cofactor"),
    jvp=(_cofactor_jvp,),
    batch=batch_in_front("cofactor"),
    doc="""Matrix C of cofactors of a (..., n, n), the gradient of det, from an SVD (Stewart 1998, "On the
    adjugate matrix"). Up to n = 3 its derivative is that of a polynomial; above, dC = tr(a^-1 da) C - a^-T
    da^T C, nan where a is singular.""",
)


# --- slogdet ------------------------------------------------------------------------------------------------


def _slogdet_abstract(a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
    matrix_aval("slogdet", a, square=True)
    return ShapedArray(a.shape[:-2], a.dtype), ShapedArray(a.shape[:-2], real_dtype(a.dtype))


def _slogdet_evaluate(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sign, logdet = np.linalg.slogdet(a)
    return sign.astype(a.dtype, copy=False), logdet.astype(real_dtype(a.dtype), copy=False)


def _slogdet_jvp(primals: Any, tangents: Any) -> Any:
    (a,), (t,) = primals, tangents
    sign, logdet = p.slogdet(a)
    inverse = p.inv(transposed(a))
    shape = aval_like(a).shape
    # Elimination leaves some entries of a singular matrix's "inverse" infinite; its log |det| has no gradient at all.
    singular = p.eq(sign, like(sign, 0))
    dims = tuple(range(len(shape) - 2))
    singular = p.broadcast_in_dim(singular, shape=shape, broadcast_dimensions=dims)
    inverse = select(
        singular, p.broadcast_in_dim(like(sign, math.nan), shape=shape, broadcast_dimensions=()), inverse
    )
    trace = _total(p.mul(inverse, t), 2)
    if not is_complex(a):
        return [sign, logdet], [Zero(aval_like(sign)), trace]
    turn = p.mul(sign, p.complex(p.sub(p.real(trace), p.real(trace)), p.imag(trace)))
    return [sign, logdet], [turn, p.real(trace)]


slogdet = library_call(
    "slogdet",
    _slogdet_evaluate,
    abstract=_slogdet_abstract,
    jvp=_slogdet_jvp,
    batch=batch_in_front("slogdet"),
    multiple_results=True,
    doc="""(sign, log |det|) of (..., n, n). d log|det a| = Re tr(a^-1 da), d sign = i Im tr(a^-1 da) sign
    (Giles 2008, 2.2.4). nan gradients for singular matrices.""",
)
