"""`minijax.scipy.linalg`: triangular and Cholesky solvers, with SciPy's arguments, over `minijax.lax.linalg`."""

from __future__ import annotations

from typing import Any

from .. import numpy as mnp
from ..lax import linalg

__all__ = ["cho_factor", "cho_solve", "cholesky", "solve_triangular"]


def _inexact(a: Any, *others: Any) -> list[Any]:
    arrays = [mnp.asarray(x) for x in (a, *others)]
    dtype = mnp.result_type(*arrays, float)
    return [x.astype(dtype) for x in arrays]


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The triangular factor of Hermitian positive definite matrices a (..., n, n): upper, or lower if `lower`."""
    (a,) = _inexact(a)
    factor = linalg.cholesky(a if lower else mnp.conj(mnp.swapaxes(a, -1, -2)))
    return factor if lower else mnp.conj(mnp.swapaxes(factor, -1, -2))


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    """(`cholesky(a, lower)`, `lower`), for `cho_solve`."""
    return cholesky(a, lower), lower


def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    debug: Any = None,
    check_finite: bool = True,
) -> Any:
    """x of a x = b with a triangular matrix a (..., n, n) and b (..., n) or (..., n, k).

    Args:
        a: only the triangle that `lower` names is read.
        b: right-hand sides.
        trans: 0 or "N" for a x = b, 1 or "T" for a^T x = b, 2 or "C" for a^H x = b.
        lower: a is lower triangular.
        unit_diagonal: take the diagonal of a as ones.
        overwrite_b, debug, check_finite: accepted, and unused.

    Raises:
        ValueError: another `trans`.

    Example:
        >>> import minijax.numpy as mnp
        >>> solve_triangular(mnp.array([[2.0, 0.0], [1.0, 1.0]]), mnp.array([2.0, 3.0]), lower=True)
        Array([1., 2.], dtype=float32)
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"Invalid 'trans' value {trans}")
    a, b = _inexact(a, b)
    columns = b if b.ndim == a.ndim else b[..., None]
    x = linalg.triangular_solve(
        a,
        columns,
        left_side=True,
        lower=lower,
        transpose_a=trans not in (0, "N"),
        conjugate_a=trans in (2, "C"),
        unit_diagonal=unit_diagonal,
    )
    return x if b.ndim == a.ndim else x[..., 0]


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """x of a x = b, where `c_and_lower` is `cho_factor(a)`.

    Example:
        >>> import minijax.numpy as mnp
        >>> cho_solve(cho_factor(4.0 * mnp.eye(2)), mnp.array([4.0, 8.0]))
        Array([1., 2.], dtype=float32)
    """
    factor, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    half = solve_triangular(factor, b, trans=first, lower=lower)
    return solve_triangular(factor, half, trans=second, lower=lower)
