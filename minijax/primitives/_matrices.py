"""Matrices in the last two axes, any batch in front: what the rules of linear algebra are written with.

In: values whose last two axes are a matrix. Out: products, adjoints, triangles, all by binding primitives, so
that rules made of them can be differentiated again and batched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..array import Array, wrap
from ..ir import ShapedArray, aval_like
from ._families import moved_to_front
from ._ops import like, p, select

__all__ = [
    "adjoint",
    "batch_in_front",
    "columns_scaled",
    "diagonal_mask",
    "filled_like",
    "hermitian_from",
    "is_complex",
    "lapack",
    "lower_part",
    "masked",
    "matmul",
    "matrix_aval",
    "nan_where_it_fails",
    "real_dtype",
    "rows_scaled",
    "spread_columns",
    "spread_rows",
    "transposed",
    "upper_part",
]

_ACCEPTED = "fdFD"  # what LAPACK computes in


def matrix_aval(name: str, x: ShapedArray, *, square: bool = False) -> None:
    """Check that `x` holds (batches of) matrices of a LAPACK dtype."""
    if x.dtype.char not in _ACCEPTED:
        raise TypeError(
            f"{name} does not accept dtype {x.dtype}: LAPACK has float32, float64, complex64 and complex128 only. "
            "Convert with x.astype('float32')"
        )
    if x.ndim < 2:
        raise TypeError(f"Input 0 to {name} must have rank at least 2, but got shape={x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"Argument to {name} must have shape [..., n, n], got {x.shape}.")


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the real part."""
    return np.dtype(dtype.char.lower()) if dtype.kind == "c" else dtype


def is_complex(x: Any) -> bool:
    """Whether `x` is complex."""
    return bool(aval_like(x).dtype.kind == "c")


def transposed(x: Any) -> Any:
    """The last two axes swapped."""
    ndim = aval_like(x).ndim
    return p.transpose(x, permutation=(*range(ndim - 2), ndim - 1, ndim - 2))


def adjoint(x: Any) -> Any:
    """Conjugate transpose."""
    return p.conj(transposed(x)) if is_complex(x) else transposed(x)


def matmul(x: Any, y: Any) -> Any:
    """Matrix product of values with equal batch axes."""
    ndim = aval_like(x).ndim
    batch = tuple(range(ndim - 2))
    numbers = (((ndim - 1,), (ndim - 2,)), (batch, batch))
    return p.dot_general(x, y, dimension_numbers=numbers, precision=None, preferred_element_type=None)


@lru_cache(maxsize=256)
def _mask(kind: str, rows: int, columns: int) -> Array:
    shape = (rows, columns)
    if kind == "lower":
        return wrap(np.tri(*shape, dtype=bool))
    if kind == "strictly lower":
        return wrap(np.tri(*shape, -1, dtype=bool))
    return wrap(np.eye(*shape, dtype=bool))


def masked(kind: str, x: Any, on_true: Any, on_false: Any) -> Any:
    """`on_true` where the mask of that kind ("lower", "strictly lower", "diagonal") holds, for matrices like
    `x`."""
    shape = aval_like(x).shape
    mask: Any = _mask(kind, shape[-2], shape[-1])
    if len(shape) > 2:
        mask = p.broadcast_in_dim(mask, shape=shape, broadcast_dimensions=(len(shape) - 2, len(shape) - 1))
    return select(mask, on_true, on_false)


def diagonal_mask(x: Any) -> Any:
    """True on the diagonal, of the shape of `x`."""
    shape = aval_like(x).shape
    return p.broadcast_in_dim(
        _mask("diagonal", shape[-2], shape[-1]), shape=shape, broadcast_dimensions=(len(shape) - 2, len(shape) - 1)
    )


def filled_like(x: Any, value: complex) -> Any:
    """`value` in the shape and dtype of `x`."""
    return p.broadcast_in_dim(like(x, value), shape=aval_like(x).shape, broadcast_dimensions=())


def lower_part(x: Any, *, strict: bool = False) -> Any:
    """`x` with zeros above the diagonal (and on it)."""
    return masked("strictly lower" if strict else "lower", x, x, filled_like(x, 0))


def upper_part(x: Any, *, strict: bool = False) -> Any:
    """`x` with zeros below the diagonal (and on it)."""
    return masked("lower" if strict else "strictly lower", x, filled_like(x, 0), x)


def hermitian_from(x: Any, lower: bool) -> Any:
    """The Hermitian matrix of which LAPACK reads one triangle of `x`."""
    triangle = lower_part(x) if lower else upper_part(x)
    other = adjoint(lower_part(x, strict=True) if lower else upper_part(x, strict=True))
    if is_complex(x):  # the imaginary part of the diagonal is not read
        zero = p.broadcast_in_dim(
            np.zeros((), real_dtype(aval_like(x).dtype)), shape=aval_like(x).shape, broadcast_dimensions=()
        )
        triangle = masked("diagonal", x, p.complex(p.real(x), zero), triangle)
    return p.add(triangle, other)


def spread_rows(v: Any, shape: Sequence[int]) -> Any:
    """Vectors `v` (..., n) as matrices (..., m, n), every row equal to `v`."""
    ndim = len(shape)
    return p.broadcast_in_dim(v, shape=tuple(shape), broadcast_dimensions=(*range(ndim - 2), ndim - 1))


def spread_columns(v: Any, shape: Sequence[int]) -> Any:
    """Vectors `v` (..., m) as matrices (..., m, n), every column equal to `v`."""
    return p.broadcast_in_dim(v, shape=tuple(shape), broadcast_dimensions=tuple(range(len(shape) - 1)))


def _as_dtype_of(v: Any, x: Any) -> Any:
    dtype = aval_like(x).dtype
    if aval_like(v).dtype == dtype:
        return v
    return p.convert_element_type(v, new_dtype=dtype, weak_type=False)


def columns_scaled(x: Any, v: Any) -> Any:
    """`x diag(v)`."""
    return p.mul(x, spread_rows(_as_dtype_of(v, x), aval_like(x).shape))


def rows_scaled(v: Any, x: Any) -> Any:
    """`diag(v) x`."""
    return p.mul(spread_columns(_as_dtype_of(v, x), aval_like(x).shape), x)


@lru_cache(maxsize=64)
def lapack(name: str, char: str) -> Any:
    """The LAPACK (or BLAS, for "trsm") routine `name` for the dtype with that character."""
    from scipy.linalg import get_blas_funcs, get_lapack_funcs  # SciPy is slow to import: on first use

    get = get_blas_funcs if name == "trsm" else get_lapack_funcs
    return get(name, dtype=np.dtype(char))


def batch_in_front(name: str) -> Callable[..., Any]:
    """The batching rule of operations on the last two axes: one more axis in front of every operand."""

    def batch(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        out = getattr(p, name)(*moved_to_front(size, args, axes), **params)
        return (out, [0] * len(out)) if isinstance(out, list) else (out, 0)

    return batch


def nan_where_it_fails(decompose: Callable[[np.ndarray], tuple[np.ndarray, ...]], x: np.ndarray) -> Any:
    """Apply a NumPy decomposition; a matrix that LAPACK gives up on gets nan instead of raising for the batch."""
    try:
        return decompose(x)
    except np.linalg.LinAlgError:
        pass
    found = []
    for matrix in x.reshape(-1, *x.shape[-2:]):
        try:
            found.append(decompose(matrix))
        except np.linalg.LinAlgError:
            blank = decompose(np.eye(*x.shape[-2:], dtype=x.dtype))
            found.append(tuple(np.full_like(part, np.nan) for part in blank))
    return tuple(np.stack(parts).reshape(*x.shape[:-2], *parts[0].shape) for parts in zip(*found, strict=True))
