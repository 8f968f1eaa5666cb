"""Keys: made from a seed, split, folded.

In: seeds and keys. Out: keys, uint32 arrays (2,).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..array import Array, as_value
from ..config import config
from ..primitives import p
from ._operands import checked_key, converted

__all__ = [
    "PRNGKey",
    "clone",
    "fold_in",
    "key",
    "key_data",
    "key_impl",
    "split",
    "wrap_key_data",
]

_UINT32 = np.dtype(np.uint32)
_IMPLEMENTATIONS = (None, "threefry2x32", "fry")


def PRNGKey(seed: Any, *, impl: str | None = None) -> Array:
    """A key from an integer seed.

    Args:
        seed: int or integer scalar; without x64 its low 32 bits count.
        impl: "threefry2x32" (or None).

    Returns:
        uint32 array (2,).

    Raises:
        TypeError: the seed is not an integer, or not a scalar.
        OverflowError: it does not fit 64 bits.

    Example:
        >>> import minijax as mj
        >>> mj.random.PRNGKey(0)
        Array([0, 0], dtype=uint32)
    """
    if impl not in _IMPLEMENTATIONS:
        raise ValueError(f"unrecognized PRNG implementation {impl!r}: minijax has threefry2x32")
    if isinstance(seed, int) and not isinstance(seed, bool):
        wide = np.int64(seed)  # OverflowError beyond 64 bits
        return p.random_seed(wide if config.jax_enable_x64 else wide.astype(np.int32))
    seed = as_value(seed)
    if seed.dtype.kind not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got {seed.aval.str_short()}")
    if seed.ndim:
        raise TypeError(
            f"PRNGKey accepts a scalar seed, but was given an array of shape {seed.shape} != (). "
            "Use minijax.vmap for batching"
        )
    return p.random_seed(seed)


def key(seed: Any, *, impl: str | None = None, dtype: Any = None) -> Array:
    """A key from an integer seed: `PRNGKey`, under the name of JAX's typed keys.

    Example:
        >>> import minijax as mj
        >>> mj.random.key(1)
        Array([0, 1], dtype=uint32)
    """
    return PRNGKey(seed, impl=impl)


def split(key: Any, num: int | tuple[int, ...] = 2) -> Array:
    """New independent keys from a key, which should not be used again.

    Args:
        key: a key.
        num: how many, or a shape.

    Returns:
        uint32 array (num, 2) or (*num, 2).

    Example:
        >>> import minijax as mj
        >>> mj.random.split(mj.random.PRNGKey(0))
        Array([[1797259609, 2579123966],
               [ 928981903, 3453687069]], dtype=uint32)
    """
    shape = tuple(map(operator.index, num)) if isinstance(num, (tuple, list)) else (operator.index(num),)
    return p.random_split(checked_key(key, "split"), shape=shape)


def fold_in(key: Any, data: Any) -> Array:
    """A new key from a key and an integer (a step number, the index of a worker).

    Example:
        >>> import minijax as mj
        >>> mj.random.fold_in(mj.random.PRNGKey(0), 7)
        Array([2716826189,  292468403], dtype=uint32)
    """
    key = checked_key(key, "fold_in")
    if isinstance(data, int):
        data = np.uint32(data)
    data = as_value(data)
    if data.ndim:
        raise TypeError(f"fold_in accepts a scalar, but was given an array of shape {data.shape} != (). Use vmap")
    return p.random_fold_in(key, converted(data, _UINT32))


def clone(key: Any) -> Any:
    """The same key, to say that using it twice is meant."""
    return checked_key(key, None)


def key_data(keys: Any) -> Any:
    """The words (..., 2) of keys: here, the keys."""
    return checked_key(keys, None)


def wrap_key_data(key_bits_array: Any, *, impl: str | None = None, dtype: Any = None) -> Any:
    """Keys from their words (..., 2): here, the words."""
    return checked_key(key_bits_array, None)


def key_impl(keys: Any) -> str:
    """The name of the generator: "fry" (Threefry)."""
    checked_key(keys, None)
    return "fry"
