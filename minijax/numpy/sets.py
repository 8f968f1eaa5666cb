"""Sets: unique, isin, union1d, intersect1d, setdiff1d, setxor1d; and bits packed into bytes.

In: arrays. Out: arrays. The size of a set depends on values: they must be known, or `size` given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..array import Array, wrap
from ..dtypes import scalar_dtype
from ..ir import Tracer
from ..primitives import p
from ..primitives._ops import like
from ._promotion import (
    as_array,
    as_dtype,
    broadcast_value,
    canonical_axis,
    checked,
    common_dtype,
    known_values,
    literal,
)
from .indexing import take
from .manipulation import expand_dims, moveaxis, ravel, reshape
from .searching import nonzero, where

__all__ = [
    "bitwise_count",
    "intersect1d",
    "isin",
    "packbits",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unpackbits",
]


class UniqueAll(NamedTuple):
    """Values, first indices, inverse indices and counts."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """Values and counts."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """Values and inverse indices."""

    values: Any
    inverse_indices: Any


def _index(x: Any) -> Array:
    return wrap(np.asarray(x).astype(scalar_dtype(int)))


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: Any = None,
    sorted: bool = True,
) -> Any:
    """The distinct elements, sorted.

    Args:
        ar: array.
        return_index: also their first places.
        return_inverse: also the number of the distinct element at each place.
        return_counts: also how often each occurs.
        axis: distinct slices along it; None: of the flattened array.
        equal_nan: whether all nans are one.
        size: of the result: cut off, or filled with `fill_value` (the smallest element); required where values are
            not known.
        fill_value: see `size`.
        sorted: accepted; they are.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.unique(mnp.array([3, 1, 3]))
        Array([1, 3], dtype=int32)
    """
    ar = as_array("unique", ar)
    shape = ar.aval.shape
    if size is not None and type(ar) is Tracer and axis is None:
        found = _unique_traced(ravel(ar), size, fill_value)
    else:
        found = _unique_known(ar, axis, equal_nan, size, fill_value)
    inverse = reshape(found.inverse_indices, shape) if axis is None else found.inverse_indices
    wanted = ((found.indices, return_index), (inverse, return_inverse), (found.counts, return_counts))
    extra = [value for value, asked in wanted if asked]
    return (found.values, *extra) if extra else found.values


def _unique_known(ar: Any, axis: int | None, equal_nan: bool, size: int | None, fill_value: Any) -> UniqueAll:
    values = known_values("unique", ar)
    _, index, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=equal_nan
    )
    inverse = np.reshape(inverse, -1)
    flat, along = (ravel(ar), 0) if axis is None else (ar, canonical_axis(axis, ar.aval.ndim))
    kept = index if size is None else index[:size]
    out = take(flat, _index(kept), along, mode="clip")  # taken from the traced value: derivatives follow
    if size is not None and len(index) < size:
        missing = size - len(index)
        fill = (
            as_dtype(checked("unique", 0 if not len(index) else fill_value)[0], ar.aval.dtype)
            if fill_value is not None or not len(index)
            else None
        )
        rows = tuple(missing if i == along else n for i, n in enumerate(out.aval.shape))
        first = take(flat, _index(index[:1]), along, mode="clip") if fill is None else fill
        tail = broadcast_value(first, rows)
        out = p.concatenate(out, as_array("unique", tail), dimension=along)
        index = np.concatenate([index, np.full(missing, index[0] if len(index) else 0)])
        counts = np.concatenate([counts, np.zeros(missing, int)])
    return UniqueAll(out, _index(index[:size]), _index(inverse), _index(counts[:size]))


def _unique_traced(flat: Any, size: int, fill_value: Any) -> UniqueAll:
    """By sorting: an element is new where it differs from the one before it."""
    n, integer = flat.aval.shape[0], scalar_dtype(int)
    counter = p.iota(dtype=integer, shape=(n,), dimension=0)
    ordered, source = p.sort(flat, counter, dimension=0, is_stable=True, num_keys=1)
    later, earlier = ordered[1:], ordered[:-1]
    same = p.or_(p.eq(later, earlier), p.and_(p.ne(later, later), p.ne(earlier, earlier)))
    first = p.concatenate(wrap(np.ones(min(n, 1), bool)), p.not_(same), dimension=0)
    (starts,) = nonzero(first, size=size, fill_value=n)
    total = p.reduce_sum(as_dtype(first, integer), axes=(0,))
    present = p.lt(p.iota(dtype=integer, shape=(size,), dimension=0), total)
    values = take(ordered, starts, mode="clip")
    fill = ordered[0] if fill_value is None else as_dtype(checked("unique", fill_value)[0], flat.aval.dtype)
    values = where(present, values, as_array("unique", fill))
    ends = p.concatenate(starts[1:], as_array("unique", wrap(np.full(1, n, integer))), dimension=0)
    counts = where(present, ends - starts, 0)
    group = p.sub(p.cumsum(as_dtype(first, integer), axis=0, reverse=False), literal(1, integer))
    inverse = p.sub(counter, counter).at[source].set(group)
    indices = where(present, take(source, starts, mode="clip"), source[0])
    return UniqueAll(values, indices, inverse, counts)


def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAll:
    """Distinct values, first indices, inverse indices, counts (array API)."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCounts:
    """Distinct values and counts (array API)."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverse:
    """Distinct values and inverse indices (array API)."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Distinct values (array API)."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, method: str = "auto"
) -> Any:
    """Whether each element is among `test_elements`."""
    values = [as_array("isin", v, i) for i, v in enumerate((element, test_elements))]
    dtype, _ = common_dtype(values)
    x, tests = (as_dtype(v, dtype) for v in values)
    tests = ravel(tests)
    shape = (*x.aval.shape, tests.aval.size)
    wide = p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(x.aval.ndim)))
    same = p.eq(wide, broadcast_value(tests, shape))
    found = p.reduce_or(same, axes=(x.aval.ndim,))
    return p.not_(found) if invert else found


def _flat_pair(name: str, ar1: Any, ar2: Any) -> tuple[Any, Any]:
    """Both as vectors of one dtype."""
    values = [as_array(name, x, i) for i, x in enumerate((ar1, ar2))]
    dtype, _ = common_dtype(values)
    first, second = (ravel(as_dtype(v, dtype)) for v in values)
    return first, second


def _taken(name: str, x: Any, index: np.ndarray, size: int | None, fill: Any) -> Any:
    """x[index], cut off or filled up to `size`. The elements are taken from the traced vector: derivatives follow them."""
    out = take(x, _index(index if size is None else index[:size]), mode="clip")
    missing = 0 if size is None else size - len(index)
    if missing <= 0:
        return out
    tail = broadcast_value(as_dtype(checked(name, fill)[0], x.aval.dtype), (missing,))
    return p.concatenate(out, as_array(name, tail), dimension=0)


def _smallest(x: Any, index: np.ndarray, fill_value: Any) -> Any:
    """What fills up a sorted result: its first element, unless the user says otherwise."""
    return fill_value if fill_value is not None else x[int(index[0])] if len(index) else 0


def _first_places(values: np.ndarray, assume_unique: bool) -> np.ndarray:
    """Where each distinct value stands first, in the order of the values; all places if they are distinct anyway."""
    return np.arange(len(values)) if assume_unique else np.unique(values, return_index=True)[1]


def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Distinct elements of both, sorted."""
    return unique(p.concatenate(*_flat_pair("union1d", ar1, ar2), dimension=0), size=size, fill_value=fill_value)


def intersect1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Elements of both, sorted; with `return_indices` also their places."""
    x, y = _flat_pair("intersect1d", ar1, ar2)
    known = [known_values("intersect1d", v) for v in (x, y)]
    _, first, second = np.intersect1d(*known, assume_unique, return_indices=True)
    out = _taken("intersect1d", x, first, size, _smallest(x, first, fill_value))
    return (out, _index(first), _index(second)) if return_indices else out


def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """Elements of `ar1` that are not in `ar2`, sorted (in their order with `assume_unique`); filled up with 0."""
    x, y = _flat_pair("setdiff1d", ar1, ar2)
    values, others = (known_values("setdiff1d", v) for v in (x, y))
    index = _first_places(values, assume_unique)
    index = index[np.isin(values[index], others, invert=True)]
    x = ravel(as_array("setdiff1d", ar1))
    return _taken("setdiff1d", x, index, size, 0 if fill_value is None else fill_value)


def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """Elements of just one of both, sorted."""
    x, y = _flat_pair("setxor1d", ar1, ar2)
    known = [known_values("setxor1d", v) for v in (x, y)]
    index = np.concatenate(
        [_first_places(known[0], assume_unique), len(known[0]) + _first_places(known[1], assume_unique)]
    )
    values = np.concatenate(known)[index]
    order = np.argsort(values, kind="stable")
    values, index = values[order], index[order]
    changes = values[1:] != values[:-1]
    alone = np.ones(len(values), bool)  # unlike its neighbours on both sides
    alone[1:] &= changes
    alone[:-1] &= changes
    index = index[alone]
    both = p.concatenate(x, y, dimension=0)
    return _taken("setxor1d", both, index, size, _smallest(both, index, fill_value))


def bitwise_count(x: Any, /) -> Any:
    """Number of one bits of |x|, elementwise, as uint8."""
    x = as_array("bitwise_count", x)
    if x.aval.dtype.kind == "i":
        x = p.abs(x)
    count = x if x.aval.dtype.kind == "b" else p.population_count(x)
    return p.convert_element_type(count, new_dtype=np.dtype(np.uint8), weak_type=False)


def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> Any:
    """Bits (nonzero elements) packed into bytes along `axis`."""
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    a = as_array("packbits", a)
    if axis is None:
        a, axis = ravel(a), 0
    a = moveaxis(a, axis, -1)
    bits = p.convert_element_type(p.ne(a, like(a, 0)), new_dtype=np.dtype(np.uint8), weak_type=False)
    n = bits.aval.shape[-1]
    config = ((0, 0, 0),) * (bits.aval.ndim - 1) + ((0, -n % 8, 0),)
    bits = p.pad(bits, literal(0, bits.aval.dtype), padding_config=config)
    bits = reshape(bits, (*bits.aval.shape[:-1], -(-n // 8), 8))
    places = np.arange(8, dtype=np.uint8)
    shifts = wrap(places[::-1].copy() if bitorder == "big" else places)
    packed = p.reduce_sum(p.shift_left(bits, broadcast_value(shifts, bits.aval.shape)), axes=(bits.aval.ndim - 1,))
    return moveaxis(packed, -1, axis)


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """Bytes unpacked into bits along `axis`."""
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    a = as_array("unpackbits", a)
    if a.aval.dtype != np.dtype(np.uint8):
        raise TypeError("Expected an input array of unsigned byte data type")
    if axis is None:
        a, axis = ravel(a), 0
    a = moveaxis(a, axis, -1)
    places = np.arange(8, dtype=np.uint8)
    shifts = wrap(places[::-1].copy() if bitorder == "big" else places)
    shape = (*a.aval.shape, 8)
    wide = p.broadcast_in_dim(expand_dims(a, -1), shape=shape, broadcast_dimensions=tuple(range(len(shape))))
    bits = p.and_(p.shift_right_logical(wide, broadcast_value(shifts, shape)), literal(1, a.aval.dtype))
    flat = reshape(bits, (*a.aval.shape[:-1], a.aval.shape[-1] * 8))
    return moveaxis(flat[..., :count] if count is not None else flat, -1, axis)
