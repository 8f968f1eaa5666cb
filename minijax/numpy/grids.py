"""Matrices and grids of indices: diag, tri, tril, meshgrid, mgrid, indices, r_, c_, ix_, ...

In: sizes, vectors, matrices. Out: arrays.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..array import wrap
from ..dtypes import scalar_dtype
from ..ir import Tracer, concretize
from ..primitives import p
from ..primitives._ops import like
from ._promotion import (
    as_array,
    as_dtype,
    broadcast_value,
    canonical_axis,
    checked,
    literal,
    static_shape,
    user_dtype,
)
from .creation import arange, array, linspace, zeros
from .joining import concatenate, stack
from .manipulation import atleast_1d, expand_dims, moveaxis, ravel, reshape
from .reductions import sum as _sum
from .searching import nonzero, where

__all__ = [
    "c_",
    "diag",
    "diag_indices",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "fill_diagonal",
    "index_exp",
    "indices",
    "ix_",
    "mask_indices",
    "meshgrid",
    "mgrid",
    "ogrid",
    "r_",
    "ravel_multi_index",
    "s_",
    "trace",
    "tri",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
    "vander",
]


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """An (N, M) matrix with ones at and below diagonal `k`."""
    wanted = user_dtype(dtype, "tri") or scalar_dtype(float)
    return wrap(np.tri(operator.index(N), None if M is None else operator.index(M), k, dtype=bool).astype(wanted))


def _triangle(name: str, m: Any, k: int, lower: bool) -> Any:
    m = as_array(name, m)
    if m.aval.ndim < 2:
        raise ValueError(f"Argument to jax.numpy.{name} must be at least 2D")
    rows, columns = m.aval.shape[-2:]
    mask = np.tri(rows, columns, k if lower else k - 1, dtype=bool)
    mask = mask if lower else ~mask
    return p.select_n(broadcast_value(wrap(mask), m.aval.shape), like(m, 0), m)


def tril(m: Any, k: int = 0) -> Any:
    """`m` with zeros above diagonal `k`."""
    return _triangle("tril", m, k, True)


def triu(m: Any, k: int = 0) -> Any:
    """`m` with zeros below diagonal `k`."""
    return _triangle("triu", m, k, False)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Diagonals of the planes of two axes, as the last axis."""
    a = as_array("diagonal", a)
    if a.aval.ndim < 2:
        raise ValueError("diagonal requires an array of at least two dimensions.")
    i, j = canonical_axis(axis1, a.aval.ndim), canonical_axis(axis2, a.aval.ndim)
    a = moveaxis(a, (i, j), (-2, -1))
    rows, columns = a.aval.shape[-2:]
    first = max(-offset, 0) * columns + max(offset, 0)
    count = max(min(rows - max(-offset, 0), columns - max(offset, 0)), 0)
    flat = reshape(a, (*a.aval.shape[:-2], rows * columns))
    last = flat.aval.ndim - 1
    if not count:
        return p.slice(flat, start_indices=(0,) * (last + 1), limit_indices=(*flat.aval.shape[:-1], 0), strides=None)
    return p.slice(
        flat,
        start_indices=(*(0,) * last, first),
        limit_indices=(*flat.aval.shape[:-1], first + (count - 1) * (columns + 1) + 1),
        strides=(*(1,) * last, columns + 1),
    )


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """Sums of diagonals."""
    return _sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


def diag(v: Any, k: int = 0) -> Any:
    """The matrix with vector `v` on diagonal `k`, or diagonal `k` of a matrix.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.diag(mnp.array([1, 2]))
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    v = as_array("diag", v)
    if v.aval.ndim == 2:
        return diagonal(v, k)
    if v.aval.ndim != 1:
        raise ValueError("diag input must be 1d or 2d")
    n = v.aval.size + abs(k)
    before, after = max(k, 0), max(-k, 0)
    wide = p.broadcast_in_dim(
        p.pad(v, literal(0, v.aval.dtype, v.aval.weak_type), padding_config=((before, after, 0),)),
        shape=(n, n),
        broadcast_dimensions=(1,),
    )
    return p.select_n(wrap(np.eye(n, k=k, dtype=bool)), like(v, 0), wide)


def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with the elements of `v` on diagonal `k`."""
    return diag(ravel(v), k)


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """`a` with `val` on its main diagonal.

    Raises:
        ValueError: `inplace` is true: arrays do not change.
    """
    if inplace:
        raise ValueError(
            "jax.numpy.fill_diagonal cannot modify arrays in-place, because JAX arrays are immutable. Pass inplace=False"
        )
    a = as_array("fill_diagonal", a)
    n = min(a.aval.shape)
    value = as_dtype(checked("fill_diagonal", array(val) if isinstance(val, (list, tuple)) else val)[0], a.aval.dtype)
    value = (
        p.broadcast_in_dim(ravel(as_array("fill_diagonal", value)), shape=(n,), broadcast_dimensions=(0,))
        if value.aval.size == 1
        else ravel(value)[:n]
    )
    index = np.arange(n)
    return a.at[tuple(index for _ in a.aval.shape)].set(value)


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """Indices of the main diagonal of an array of `ndim` axes of size `n`."""
    return (arange(operator.index(n)),) * ndim


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Indices of the main diagonal of `arr`."""
    shape = as_array("diag_indices_from", arr).aval.shape
    if len(shape) < 2 or len(set(shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(shape[0], len(shape))


def _indices_of(mask: np.ndarray) -> tuple[Any, Any]:
    rows, columns = np.nonzero(mask)
    return wrap(rows.astype(scalar_dtype(int))), wrap(columns.astype(scalar_dtype(int)))


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """Indices at and below diagonal `k` of an (n, m) matrix."""
    return _indices_of(np.tri(n, m, k, dtype=bool))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """Indices at and above diagonal `k` of an (n, m) matrix."""
    return _indices_of(~np.tri(n, m, k - 1, dtype=bool))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """`tril_indices` for the shape of `arr`."""
    rows, columns = as_array("tril_indices_from", arr).aval.shape
    return tril_indices(rows, k, columns)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """`triu_indices` for the shape of `arr`."""
    rows, columns = as_array("triu_indices_from", arr).aval.shape
    return triu_indices(rows, k, columns)


def mask_indices(n: int, mask_func: Any, k: int = 0, *, size: int | None = None) -> tuple[Any, ...]:
    """Indices of the elements of an (n, n) matrix that `mask_func(matrix, k)` leaves."""
    return nonzero(mask_func(array(np.ones((n, n), np.int32)), k), size=size)


def indices(dimensions: Any, dtype: Any = None, sparse: bool = False) -> Any:
    """Index arrays of a grid of the given sizes: stacked, or open if `sparse`."""
    wanted = user_dtype(dtype, "indices") or scalar_dtype(int)
    sizes = static_shape(dimensions)
    if sparse:
        return tuple(
            reshape(
                p.iota(dtype=wanted, shape=(n,), dimension=0), tuple(n if i == d else 1 for i in range(len(sizes)))
            )
            for d, n in enumerate(sizes)
        )
    if not sizes:
        return zeros((0,), wanted)
    return stack([p.iota(dtype=wanted, shape=sizes, dimension=d) for d in range(len(sizes))])


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Any]:
    """Coordinate arrays of the grid that vectors span.

    Args:
        *xi: vectors.
        copy: accepted; arrays never change.
        sparse: leave axes of size 1 instead of repeating.
        indexing: "xy" (the first vector runs along axis 1) or "ij".
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for indexing are 'xy' and 'ij', got {indexing}")
    vectors = [as_array("meshgrid", x, i) for i, x in enumerate(xi)]
    if any(v.aval.ndim > 1 for v in vectors):
        raise ValueError(
            "Arguments to jax.numpy.meshgrid must be 1D, got shapes " + str([v.aval.shape for v in vectors])
        )
    vectors = [ravel(v) for v in vectors]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[:2] = [1, 0]
    shape = [0] * len(vectors)
    for v, axis in zip(vectors, order):
        shape[axis] = v.aval.size
    out = []
    for v, axis in zip(vectors, order):
        sizes = tuple(n if sparse is False or i == axis else 1 for i, n in enumerate(shape))
        out.append(p.broadcast_in_dim(v, shape=sizes, broadcast_dimensions=(axis,)))
    return out


def ix_(*args: Any) -> tuple[Any, ...]:
    """Open index arrays: `x[ix_(rows, columns)]` is the block of these rows and columns."""
    vectors = [as_array("ix_", array(a) if isinstance(a, (list, tuple)) else a, i) for i, a in enumerate(args)]
    if any(v.aval.ndim != 1 for v in vectors):
        raise ValueError(
            "Arguments to jax.numpy.ix_ must be 1-dimensional, got shapes " + str([v.aval.shape for v in vectors])
        )
    vectors = [nonzero(v)[0] if v.aval.dtype.kind == "b" else v for v in vectors]
    return tuple(
        p.broadcast_in_dim(
            v, shape=tuple(v.aval.size if i == d else 1 for i in range(len(vectors))), broadcast_dimensions=(d,)
        )
        for d, v in enumerate(vectors)
    )


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Flat positions in an array of `shape` as one index per axis; out-of-range ones are moved inside."""
    flat = as_array("unravel_index", array(indices) if isinstance(indices, (list, tuple)) else indices)
    sizes = static_shape(shape)
    total = int(np.prod(sizes, dtype=int))
    flat = where(flat < 0, flat + total, flat)
    flat = p.clamp(like(flat, 0), flat, like(flat, max(total - 1, 0)))
    out = []
    for n in reversed(sizes):
        out.append(p.rem(flat, like(flat, n)))
        flat = p.div(flat, like(flat, n))
    return tuple(reversed(out))


def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    """One index per axis as flat positions.

    Args:
        multi_index: sequence of integer arrays, one per axis.
        dims: the shape.
        mode: what is out of range: "raise" (needs known values), "wrap", "clip".
        order: "C" or "F".
    """
    sizes = static_shape(dims)
    parts = [as_array("ravel_multi_index", i) for i in multi_index]
    if len(parts) != len(sizes):
        raise ValueError(f"len(multi_index)={len(parts)} != len(dims)={len(sizes)}")
    if order == "F":
        parts, sizes = parts[::-1], sizes[::-1]
    out: Any = None
    for index, n in zip(parts, sizes, strict=True):
        if mode == "raise":
            values = np.asarray(concretize(index, "value", "ravel_multi_index") if type(index) is Tracer else index)
            if (values < 0).any() or (values >= n).any():
                raise ValueError("invalid entry in coordinates array")
        elif mode == "clip":
            index = p.clamp(like(index, 0), index, like(index, n - 1))
        else:
            index = index % n
        out = index if out is None else out * n + index
    return out


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Vandermonde's matrix: powers of the vector `x` as columns, falling by default."""
    x = as_array("vander", x)
    if x.aval.ndim != 1:
        raise ValueError("x must be a one-dimensional array")
    count = x.aval.size if N is None else operator.index(N)
    columns = [p.integer_pow(x, y=k) for k in range(count)]
    if not columns:
        return zeros((x.aval.size, 0), x.aval.dtype)
    return stack(columns if increasing else columns[::-1], axis=1)


class IndexExpression:
    """`s_[1:3, ...]` is the index (slice(1, 3), ...)."""

    def __init__(self, always_tuple: bool) -> None:
        self.always_tuple = always_tuple

    def __getitem__(self, item: Any) -> Any:
        return (item,) if self.always_tuple and not isinstance(item, tuple) else item


s_ = IndexExpression(False)
index_exp = IndexExpression(True)


def _points(item: slice) -> Any:
    """The numbers that a slice of a grid stands for; an imaginary step counts them."""
    start = 0 if item.start is None else item.start
    step = 1 if item.step is None else item.step
    if isinstance(step, complex):
        return linspace(start, item.stop, int(abs(step)))
    return arange(start, item.stop, step)


class Grid:
    """`mgrid[0:2, 0:3]`: index arrays of a grid; `ogrid`: open ones."""

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return _points(key)
        vectors = [_points(item) for item in key]
        grids = meshgrid(*vectors, indexing="ij", sparse=self.sparse)
        return grids if self.sparse else stack(grids)


mgrid = Grid(False)
ogrid = Grid(True)


class Concatenator:
    """`r_[1:4, 0, x]`: slices, numbers and arrays along the first axis; `c_` along the last."""

    def __init__(self, columns: bool) -> None:
        self.columns = columns

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if items and isinstance(items[0], str):
            raise NotImplementedError("string directives of r_ and c_ are not supported: use concatenate")
        arrays = [
            _points(i) if isinstance(i, slice) else atleast_1d(array(i) if isinstance(i, (list, tuple)) else i)
            for i in items
        ]
        if self.columns:
            return concatenate([expand_dims(a, 1) if a.ndim == 1 else a for a in arrays], axis=-1)
        return concatenate(arrays, axis=0)


r_ = Concatenator(False)
c_ = Concatenator(True)
