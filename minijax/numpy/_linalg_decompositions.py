"""Decompositions: cholesky, qr, svd, eigh, eig and their values alone.

In: matrices (..., m, n). Out: factors, in named tuples. Hermitian operations read (a + a^H) / 2 unless told
that the input is symmetric, so that gradients come out symmetric.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import numpy as mnp  # complete by the time a function here runs
from ..primitives import p
from ._linalg_operands import (
    adjoint,
    hermitian_part,
    matrices,
)

__all__ = [
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "qr",
    "svd",
    "svdvals",
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
    a = matrices("cholesky", a, square=True)
    factor = p.cholesky(hermitian_part(a) if symmetrize_input else a)
    return adjoint(factor) if upper else factor


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
    q, r = p.qr(matrices("qr", a), full_matrices=mode == "complete")
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
    a = matrices("svd", a, square=hermitian)
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
    v, w = p.eigh(hermitian_part(a), lower=True, sort_eigenvalues=True)
    sign, s = mnp.sign(w), mnp.abs(w)
    descending = mnp.flip(_argsort(s), -1)
    s = _take_last(s, descending)
    if not compute_uv:
        return s
    vectors = _take_last(v, mnp.expand_dims(descending, -2))
    turned = mnp.multiply(vectors, mnp.expand_dims(_take_last(sign, descending), -2))
    return vectors, s, adjoint(turned)


def _argsort(x: Any) -> Any:
    index = p.iota(dtype=np.dtype(np.int32), shape=x.shape, dimension=x.ndim - 1)
    return p.sort(x, index, dimension=x.ndim - 1, is_stable=True, num_keys=1)[1]


def _take_last(x: Any, index: Any) -> Any:
    return mnp.take_along_axis(x, index, axis=-1)


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
    a = matrices("eigh", a, square=True)
    v, w = p.eigh(hermitian_part(a) if symmetrize_input else a, lower=UPLO != "U", sort_eigenvalues=True)
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
    a = matrices("eig", a, square=True)
    return EigResult(*p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=True))


def eigvals(a: Any) -> Any:
    """Eigenvalues (..., n) of a general matrix (..., n, n); complex, in no particular order.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linalg.eigvals(mnp.array([[2.0, 1.0], [0.0, 1.0]]))
        Array([2.+0.j, 1.+0.j], dtype=complex64)
    """
    a = matrices("eigvals", a, square=True)
    return p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]
