"""What the functions of this folder take: keys, shapes, dtypes, parameters; checked.

In: what users pass. Out: values, or the errors users see.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import as_value
from ..dtypes import canonicalize_dtype, issubdtype
from ..primitives import p

__all__ = [
    "checked_dtype",
    "checked_key",
    "converted",
    "float_dtype",
    "sample_shape",
    "static_shape",
]

_UINT32 = np.dtype(np.uint32)


def checked_key(key: Any, caller: str | None) -> Any:
    """`key`, checked; a single one if `caller` is named."""
    if not all(hasattr(key, name) for name in ("ndim", "shape", "dtype")):
        raise TypeError(
            "JAX encountered invalid PRNG key data: expected key_data to have ndim, shape, and dtype attributes. "
            f"Got {key!r}. Make a key with minijax.random.key(seed)"
        )
    key = as_value(key)
    if key.ndim < 1 or key.shape[-1] != 2:
        raise TypeError(
            f"JAX encountered invalid PRNG key data: expected key_data.shape to end with (2,); got shape={key.shape}"
        )
    if key.dtype != _UINT32:
        raise TypeError(
            f"JAX encountered invalid PRNG key data: expected key_data.dtype = uint32; got dtype={key.dtype}"
        )
    if caller is not None and key.ndim != 1:
        raise ValueError(
            f"{caller} accepts a single key, but was given a key array of shape {key.shape} != (2,). "
            "Use minijax.vmap for batching."
        )
    return key


def static_shape(shape: Any) -> tuple[int, ...]:
    """A shape of nonnegative ints; one int is a shape of one axis."""
    shape = (
        tuple(operator.index(n) for n in shape)
        if isinstance(shape, (Sequence, np.ndarray))
        else (operator.index(shape),)
    )
    if any(n < 0 for n in shape):
        raise ValueError(f"shapes have no negative sizes, got {shape}")
    return shape


def converted(x: Any, dtype: np.dtype) -> Any:
    """`x` in `dtype`, strongly typed."""
    return x if x.dtype == dtype and not x.weak_type else p.convert_element_type(x, new_dtype=dtype, weak_type=False)


def checked_dtype(caller: str, dtype: Any, default: Any, kinds: tuple[Any, ...], wanted: str) -> np.dtype:
    """The canonical `dtype`, which must be of one of `kinds`."""
    dtype = canonicalize_dtype(default if dtype is None else dtype)
    if not any(issubdtype(dtype, kind) for kind in kinds):
        raise ValueError(f"dtype argument to `{caller}` must be {wanted} dtype, got {dtype}")
    return dtype


def float_dtype(caller: str, dtype: Any) -> np.dtype:
    """The canonical `dtype`, which must be a float."""
    return checked_dtype(caller, dtype, float, (np.floating,), "a float")


def sample_shape(shape: Any, *parameters: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of a sample (that of the parameters if it is not given), and the parameters as values."""
    values = [as_value(x) for x in parameters]
    common = np.broadcast_shapes(*(x.shape for x in values))
    if shape is None:
        return common, values
    shape = static_shape(shape)
    if np.broadcast_shapes(shape, common) != shape:
        raise ValueError(f"shape {shape} is not compatible with the shape {common} of the parameters")
    return shape, values
