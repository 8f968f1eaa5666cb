"""Bits, and uniform numbers made of them.

In: a key and a shape. Out: unsigned integers, floats in an interval, integers in a range; bit for bit those
of JAX 0.10.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as mnp
from ..array import Array, as_value
from ..dtypes import canonicalize_dtype, finfo
from ..primitives import p
from ._operands import checked_dtype, checked_key, converted, float_dtype, static_shape
from .keys import split

__all__ = [
    "bits",
    "open_uniform",
    "randint",
    "uniform",
]


def bits(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Uniformly distributed unsigned integers.

    Args:
        key: a key.
        shape: of the result.
        dtype: an unsigned dtype; default uint32 (uint64 with x64).

    Example:
        >>> import minijax as mj
        >>> mj.random.bits(mj.random.PRNGKey(0), (2,))
        Array([4070199207, 4202968722], dtype=uint32)
    """
    dtype = checked_dtype("bits", dtype, np.uint64, (np.unsignedinteger,), "an unsigned int")
    return p.random_bits(checked_key(key, "bits"), bit_width=8 * dtype.itemsize, shape=static_shape(shape))


def _unit_interval(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Floats in [0, 1): random mantissas under the exponent of one, minus one."""
    info = finfo(dtype)
    mantissa, width = info.nmant, 8 * dtype.itemsize
    drawn = 8 if mantissa < 8 else width
    unsigned = np.dtype(f"uint{width}")
    words = p.random_bits(key, bit_width=drawn, shape=shape)
    words = p.shift_right_logical(words, words.dtype.type(drawn - mantissa))
    one = np.ones((), dtype).view(unsigned)[()]
    words = p.or_(converted(words, unsigned), one)
    return p.sub(p.bitcast_convert_type(words, new_dtype=dtype), dtype.type(1))


def uniform(key: Any, shape: Any = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0) -> Array:
    """Uniform numbers in [minval, maxval).

    Args:
        key: a key.
        shape: of the result.
        dtype: a float dtype.
        minval, maxval: bounds, broadcast to `shape`; differentiable.

    Raises:
        ValueError: the dtype is not a float.

    Example:
        >>> import minijax as mj
        >>> mj.random.uniform(mj.random.PRNGKey(42), (2,))
        Array([0.48870957, 0.6797972 ], dtype=float32)
    """
    key, dtype, shape = checked_key(key, "uniform"), float_dtype("uniform", dtype), static_shape(shape)
    floats = _unit_interval(key, shape, dtype)
    if isinstance(minval, float) and isinstance(maxval, float) and minval == 0 and maxval == 1:
        return floats
    low, high = (converted(as_value(x), dtype) for x in (minval, maxval))
    scaled = mnp.add(mnp.multiply(floats, mnp.subtract(high, low)), low)
    return mnp.maximum(low, scaled)


def open_uniform(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Uniform in (0, 1): never zero, so that logarithms are finite."""
    return uniform(key, shape, dtype, float(finfo(dtype).tiny), 1.0)


def randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None) -> Array:
    """Uniform integers in [minval, maxval).

    Args:
        key: a key.
        shape: of the result.
        minval, maxval: integer bounds, broadcast to `shape`; an empty range gives minval.
        dtype: an integer dtype; default int32 (int64 with x64).

    Raises:
        TypeError: the dtype or a bound is not an integer.

    Example:
        >>> import minijax as mj
        >>> mj.random.randint(mj.random.PRNGKey(0), (3,), 0, 10)
        Array([9, 0, 2], dtype=int32)
    """
    key, shape = checked_key(key, "randint"), static_shape(shape)
    dtype = canonicalize_dtype(int if dtype is None else dtype)
    if dtype.kind not in "iu":
        raise TypeError(f"randint only accepts integer dtypes, got {dtype}")
    low, high = (_bound(x) for x in (minval, maxval))
    info = np.iinfo(dtype)
    if dtype.itemsize < 4:  # drawn with 32 bits: few bits modulo a span would not be uniform
        low, high = mnp.clip(low, info.min, info.max), mnp.clip(high, info.min, info.max + 1)
        return converted(randint(key, shape, low, high, np.int32), dtype)
    wider = np.iinfo(high.dtype).max > info.max
    # A bound one above the dtype's range is allowed: it means the whole range.
    beyond = mnp.greater(high, info.max) if wider else None
    low, high = (converted(_within(x, info), dtype) for x in (low, high))
    width = 8 * dtype.itemsize
    unsigned = np.dtype(f"uint{width}")
    first, second = split(key)
    high_bits, low_bits = (p.random_bits(k, bit_width=width, shape=shape) for k in (first, second))
    span = converted(mnp.subtract(high, low), unsigned)
    span = mnp.where(mnp.less_equal(high, low), unsigned.type(1), span)
    if beyond is not None:
        span = mnp.where(mnp.logical_and(beyond, mnp.greater(high, low)), mnp.add(span, unsigned.type(1)), span)
    # high_bits * 2**width + low_bits modulo the span, without a wider type.
    multiplier = mnp.remainder(unsigned.type(2 ** (width // 2)), span)
    multiplier = mnp.remainder(mnp.multiply(multiplier, multiplier), span)
    offset = mnp.add(mnp.multiply(mnp.remainder(high_bits, span), multiplier), mnp.remainder(low_bits, span))
    return mnp.add(low, converted(mnp.remainder(offset, span), dtype))


def _within(x: Any, info: Any) -> Any:
    """`x` clipped to the range of an integer dtype, where its own is wider."""
    own = np.iinfo(x.dtype)
    if info.min <= own.min and own.max <= info.max:
        return x
    return mnp.clip(x, max(info.min, own.min), min(info.max, own.max))


def _bound(x: Any) -> Any:
    if isinstance(x, int):
        limit = np.iinfo(canonicalize_dtype(int))
        if not limit.min <= x <= limit.max:
            raise OverflowError(f"randint: the bound {x} does not fit {limit.dtype}")
    x = as_value(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"randint only accepts integer bounds, got {x.dtype}")
    return x
