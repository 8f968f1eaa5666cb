"""Random bits: the counter-based generator Threefry-2x32, bit for bit as JAX 0.10 uses it.

In: keys, uint32 pairs in the last axis. Out: keys (`random_seed`, `random_split`, `random_fold_in`) and bits
(`random_bits`). Element i of a stream is a function of the key and of i alone ("partitionable"): the block
of counter (i >> 32, i & 0xffffffff) under the key. There is no state, so nothing here is differentiable or
ordered. (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Kind, Primitive, ShapedArray
from ._families import elementwise_batch, moved_to_front
from ._ops import p

_UINT32 = np.dtype(np.uint32)
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_WORD = 0xFFFFFFFF
_FEW = 6  # blocks; above, arrays are faster than Python ints
_BLOCK = 1 << 14  # counters at a time: all buffers of a block stay in the cache


def _rounds(x: np.ndarray, y: np.ndarray, keys: Sequence[Any]) -> None:
    """Encrypt the counters (x, y) in place: five times four rounds of add, rotate, xor."""
    scratch = np.empty_like(y)
    x += keys[0]
    y += keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x += y
            np.right_shift(y, np.uint32(32 - rotation), out=scratch)
            np.left_shift(y, np.uint32(rotation), out=y)
            y |= scratch
            y ^= x
        x += keys[(group + 1) % 3]
        y += keys[(group + 2) % 3]
        y += np.uint32(group + 1)


def _schedule(k0: Any, k1: Any) -> tuple[Any, Any, Any]:
    return k0, k1, k0 ^ k1 ^ np.uint32(_PARITY)


def _encrypt_one(k0: int, k1: int, x: int, y: int) -> tuple[int, int]:
    """One block, in Python ints: for a few blocks the loop above is all overhead."""
    keys = (k0, k1, k0 ^ k1 ^ _PARITY)
    x, y = (x + k0) & _WORD, (y + k1) & _WORD
    for group in range(5):
        for rotation in _ROTATIONS[group & 1]:
            x = (x + y) & _WORD
            y = ((y << rotation | y >> (32 - rotation)) & _WORD) ^ x
        x = (x + keys[(group + 1) % 3]) & _WORD
        y = (y + keys[(group + 2) % 3] + group + 1) & _WORD
    return x, y


def _encrypt(k0: Any, k1: Any, x0: np.ndarray, x1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 of counters under keys that broadcast against them."""
    shape = np.broadcast_shapes(np.shape(k0), np.shape(x0))
    x = np.array(np.broadcast_to(x0, shape), _UINT32)
    y = np.array(np.broadcast_to(x1, shape), _UINT32)
    _rounds(x, y, _schedule(k0, k1))
    return x, y


def _stream(key: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `size` blocks of one key's stream."""
    if size <= _FEW:
        k0, k1 = key.tolist()
        blocks = np.array([_encrypt_one(k0, k1, 0, i) for i in range(size)], _UINT32).reshape(size, 2)
        return blocks[:, 0].copy(), blocks[:, 1].copy()
    keys = _schedule(np.uint32(key[0]), np.uint32(key[1]))
    x, y = np.empty(size, _UINT32), np.empty(size, _UINT32)
    for start in range(0, size, _BLOCK):
        part = slice(start, min(start + _BLOCK, size))
        counter = np.arange(part.start, part.stop, dtype=np.uint64)
        x[part] = counter >> np.uint64(32)
        y[part] = counter & np.uint64(_WORD)
        _rounds(x[part], y[part], keys)
    return x, y


def _streams(keys: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `size` blocks of every key's stream, shape (*batch, size)."""
    if keys.ndim == 1:
        return _stream(keys, size)
    counter = np.arange(size, dtype=np.uint64)
    high, low = (counter >> np.uint64(32)).astype(_UINT32), counter.astype(_UINT32)
    return _encrypt(keys[..., :1], keys[..., 1:], high, low)


def _key_shape(name: str, key: ShapedArray) -> tuple[int, ...]:
    if key.dtype != _UINT32 or key.ndim < 1 or key.shape[-1] != 2:
        raise TypeError(
            f"{name} expects keys of dtype uint32 and shape (..., 2), as made by random.PRNGKey(seed); "
            f"got {key.str_short()}"
        )
    return key.shape[:-1]


def _keys_in_front(name: str) -> Any:
    """Batching: keys are already vectorised over leading axes."""

    def batch(size: int, args: Any, axes: Any, **params: Any) -> Any:
        return getattr(p, name)(*moved_to_front(size, args, axes), **params), 0

    return batch


def _threefry_abstract(*avals: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
    shape: tuple[int, ...] = ()
    for aval in avals:
        if aval.dtype != _UINT32:
            raise TypeError(f"threefry2x32 requires uint32 arguments, got {aval.dtype}")
        if aval.shape and shape and aval.shape != shape:
            raise TypeError(f"threefry2x32 got incompatible shapes for broadcasting: {shape}, {aval.shape}.")
        shape = shape or aval.shape
    out = ShapedArray(shape, _UINT32)
    return out, out


def _threefry_evaluate(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[np.ndarray, np.ndarray]:
    k0, k1, x0, x1 = np.broadcast_arrays(k0, k1, x0, x1)
    return _encrypt(k0, k1, x0, x1)


def _threefry_batch(size: int, args: Any, axes: Any) -> Any:
    outs, axis = elementwise_batch("threefry2x32")(size, args, axes)
    return outs, [axis, axis]


threefry = Primitive(
    "threefry2x32",
    Kind.RANDOM,
    abstract=_threefry_abstract,
    evaluate=_threefry_evaluate,
    jvp=None,
    batch=_threefry_batch,
    multiple_results=True,
    doc="""(k0, k1, x0, x1), uint32 of one shape or scalars, to two uint32 arrays: the counters (x0, x1)
    encrypted under the keys (k0, k1) by 20 rounds of Threefry (Salmon et al. 2011). Not differentiable.""",
)


def _bits_abstract(key: ShapedArray, *, bit_width: int, shape: tuple[int, ...]) -> ShapedArray:
    if bit_width not in (8, 16, 32, 64):
        raise TypeError(f"random_bits requires a bit width of 8, 16, 32 or 64, got {bit_width}")
    return ShapedArray((*_key_shape("random_bits", key), *shape), np.dtype(f"uint{bit_width}"))


def _bits_evaluate(key: np.ndarray, *, bit_width: int, shape: tuple[int, ...]) -> np.ndarray:
    high, low = _streams(key, math.prod(shape))
    if bit_width == 64:
        bits = high.astype(np.uint64)
        bits <<= np.uint64(32)
        bits |= low
    else:
        high ^= low
        bits = high.astype(f"uint{bit_width}", copy=False)
    return bits.reshape((*key.shape[:-1], *shape))


random_bits = Primitive(
    "random_bits",
    Kind.RANDOM,
    abstract=_bits_abstract,
    evaluate=_bits_evaluate,
    jvp=None,
    batch=_keys_in_front("random_bits"),
    params={"bit_width": int, "shape": tuple},
    doc="""Keys (..., 2) to (..., *shape) unsigned integers of 8, 16, 32 or 64 bits. Up to 32 bits the two
    words of a block are xor-ed, 64 bits take both. Not differentiable.""",
)


def _split_abstract(key: ShapedArray, *, shape: tuple[int, ...]) -> ShapedArray:
    return ShapedArray((*_key_shape("random_split", key), *shape, 2), _UINT32)


def _split_evaluate(key: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(_streams(key, math.prod(shape)), axis=-1).reshape((*key.shape[:-1], *shape, 2))


random_split = Primitive(
    "random_split",
    Kind.RANDOM,
    abstract=_split_abstract,
    evaluate=_split_evaluate,
    jvp=None,
    batch=_keys_in_front("random_split"),
    params={"shape": tuple},
    doc="""Keys (..., 2) to independent keys (..., *shape, 2): the first blocks of the stream. Not
    differentiable.""",
)


def _fold_abstract(key: ShapedArray, data: ShapedArray) -> ShapedArray:
    batch = _key_shape("random_fold_in", key)
    if data.dtype != _UINT32 or data.shape != batch:
        raise TypeError(f"random_fold_in expects uint32 data of shape {batch}, one per key; got {data.str_short()}")
    return ShapedArray(key.shape, _UINT32)


def _fold_evaluate(key: np.ndarray, data: np.ndarray) -> np.ndarray:
    if key.ndim == 1:
        return np.array(_encrypt_one(*key.tolist(), 0, int(data)), _UINT32)
    return np.stack(_encrypt(key[..., 0], key[..., 1], np.zeros_like(data), data), axis=-1)


random_fold_in = Primitive(
    "random_fold_in",
    Kind.RANDOM,
    abstract=_fold_abstract,
    evaluate=_fold_evaluate,
    jvp=None,
    batch=_keys_in_front("random_fold_in"),
    doc="""Keys (..., 2) and uint32 data (...) to new keys: the block of counter (0, data). Not
    differentiable.""",
)


def _seed_abstract(seed: ShapedArray) -> ShapedArray:
    if seed.dtype.kind not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got {seed.str_short()}")
    return ShapedArray((*seed.shape, 2), _UINT32)


def _seed_evaluate(seed: np.ndarray) -> np.ndarray:
    # The high word is a logical shift of the seed at its own width: 0 for 32 bits and less, also if negative.
    wide = np.asarray(seed).astype(f"uint{8 * seed.dtype.itemsize}").astype(np.uint64)
    if seed.dtype.itemsize < 4 and seed.dtype.kind == "i":
        wide = np.asarray(seed).astype(np.int32).astype(np.uint32).astype(np.uint64)
    return np.stack([wide >> np.uint64(32), wide & np.uint64(0xFFFFFFFF)], axis=-1).astype(_UINT32)


random_seed = Primitive(
    "random_seed",
    Kind.RANDOM,
    abstract=_seed_abstract,
    evaluate=_seed_evaluate,
    jvp=None,
    batch=_keys_in_front("random_seed"),
    doc="Integer seeds (...) to keys (..., 2): the high and the low word of the seed. Not differentiable.",
)
