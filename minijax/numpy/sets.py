"""Sets: unique, isin, union1d, intersect1d, setdiff1d, setxor1d; and bits packed into bytes.

In: arrays. Out: arrays. The size of a set depends on values: they must be known, or `size` given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..array import Array, wrap
from ..dtypes import scalar_dtype
from ..errors import ConcretizationTypeError
from ..ir import Tracer, concretize
from ..primitives import p
from ..primitives._ops import like
from ._promotion import as_array, as_dtype, broadcast_value, canonical_axis, checked, common_dtype, literal
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


def _known(name: str, x: Any) -> np.ndarray:
    if type(x) is not Tracer:
        return np.asarray(x)
    try:
        return concretize(x, "value", name)
    except ConcretizationTypeError as error:
        raise ConcretizationTypeError(
            f"{error}\n  note: The size argument of jnp.{name}() must be statically specified to use jnp.{name} within "
            "JAX transformations."
        ) from None


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
    values = _known("unique", ar)
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


def _sorted_values(name: str, *arrays: Any) -> list[np.ndarray]:
    values = [as_array(name, x, i) for i, x in enumerate(arrays)]
    dtype, _ = common_dtype(values)
    return [_known(name, as_dtype(v, dtype)).reshape(-1) for v in values]


def _sized(values: np.ndarray, size: int | None, fill_value: Any) -> Array:
    if size is not None:
        default = values.min() if values.size else 0
        padded = np.full(size, default if fill_value is None else fill_value, values.dtype)
        padded[: min(size, values.size)] = values[:size]
        values = padded
    return wrap(values)


def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Distinct elements of both, sorted."""
    return _sized(np.union1d(*_sorted_values("union1d", ar1, ar2)), size, fill_value)


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
    out = np.intersect1d(*_sorted_values("intersect1d", ar1, ar2), assume_unique, return_indices)
    if return_indices:
        return _sized(out[0], size, fill_value), _index(out[1]), _index(out[2])
    return _sized(out, size, fill_value)


def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """Elements of `ar1` that are not in `ar2`, sorted."""
    return _sized(np.setdiff1d(*_sorted_values("setdiff1d", ar1, ar2), assume_unique), size, fill_value)


def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """Elements of just one of both, sorted."""
    return _sized(np.setxor1d(*_sorted_values("setxor1d", ar1, ar2), assume_unique), size, fill_value)


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
