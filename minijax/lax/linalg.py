"""`minijax.lax.linalg`: the linear algebra primitives, batched over leading axes."""

from __future__ import annotations

from typing import Any

from ..primitives import p
from ._operands import as_operand, as_operands

__all__ = ["cholesky", "eig", "eigh", "lu", "lu_pivots_to_permutation", "qr", "svd", "triangular_solve"]


def cholesky(a: Any, *, symmetrize_input: bool = True) -> Any:
    """The lower Cholesky factor of (..., n, n) positive definite matrices; nan where there is none."""
    x = as_operand(a)
    if symmetrize_input:
        order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
        adjoint = p.transpose(p.conj(x) if x.dtype.kind == "c" else x, permutation=order)
        x = p.div(*as_operands(p.add(x, adjoint), 2))
    return p.cholesky(x)


def eigh(
    x: Any, *, lower: bool = True, symmetrize_input: bool = True, sort_eigenvalues: bool = True
) -> tuple[Any, Any]:
    """(eigenvectors, eigenvalues) of (..., n, n) Hermitian matrices."""
    x = as_operand(x)
    if symmetrize_input:
        order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
        adjoint = p.transpose(p.conj(x) if x.dtype.kind == "c" else x, permutation=order)
        x = p.div(*as_operands(p.add(x, adjoint), 2))
    vectors, values = p.eigh(x, lower=lower, sort_eigenvalues=sort_eigenvalues)
    return vectors, values


def eig(x: Any, *, compute_left_eigenvectors: bool = True, compute_right_eigenvectors: bool = True) -> list[Any]:
    """Eigenvalues, and left and right eigenvectors as asked for, of (..., n, n) matrices."""
    return list(
        p.eig(
            as_operand(x),
            compute_left_eigenvectors=compute_left_eigenvectors,
            compute_right_eigenvectors=compute_right_eigenvectors,
        )
    )


def lu(x: Any) -> tuple[Any, Any, Any]:
    """(L and U in one matrix, pivots, permutation) of (..., m, n) matrices."""
    factors, pivots, permutation = p.lu(as_operand(x))
    return factors, pivots, permutation


def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Any:
    """The permutation that the row swaps `pivots` make."""
    return p.lu_pivots_to_permutation(as_operand(pivots), permutation_size=int(permutation_size))


def qr(x: Any, *, full_matrices: bool = True) -> tuple[Any, Any]:
    """(Q, R) of (..., m, n) matrices."""
    q, r = p.qr(as_operand(x), full_matrices=full_matrices)
    return q, r


def svd(x: Any, *, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values of (..., m, n) matrices; with `compute_uv`, (U, singular values, V^H)."""
    outs = p.svd(as_operand(x), full_matrices=full_matrices, compute_uv=compute_uv)
    return (outs[1], outs[0], outs[2]) if compute_uv else outs[0]


def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """Solve op(a) x = b (`left_side`) or x op(a) = b for triangular (..., n, n) matrices `a`."""
    a, b = as_operand(a), as_operand(b)
    vector = b.ndim == a.ndim - 1
    if vector:
        shape = (*b.shape, 1) if left_side else (*b.shape[:-1], 1, b.shape[-1])
        b = p.reshape(b, new_sizes=shape, dimensions=None)
    out = p.triangular_solve(
        a,
        b,
        left_side=left_side,
        lower=lower,
        transpose_a=transpose_a,
        conjugate_a=conjugate_a and a.dtype.kind == "c",
        unit_diagonal=unit_diagonal,
    )
    return p.squeeze(out, dimensions=(out.ndim - 1 if left_side else out.ndim - 2,)) if vector else out
