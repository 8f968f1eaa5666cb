"""Threefry: the published test vectors, and the streams of JAX 0.10 (values measured there)."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
from minijax.primitives import p


def key(seed):
    return p.random_seed(np.int32(seed))


@pytest.mark.parametrize(
    ("counter", "keys", "expected"),
    [  # Salmon et al. 2011: kat_vectors of Random123, threefry2x32 with 20 rounds
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_known_answers(counter, keys, expected):
    out = p.threefry2x32(*(np.uint32(word) for word in (*keys, *counter)))
    assert tuple(int(x) for x in out) == expected


def test_bits_of_every_width():
    np.testing.assert_array_equal(
        p.random_bits(key(0), bit_width=32, shape=(2,)), np.array([4070199207, 4202968722], np.uint32)
    )
    np.testing.assert_array_equal(
        p.random_bits(key(3), bit_width=8, shape=(2, 3)), np.array([[126, 197, 222], [48, 174, 101]], np.uint8)
    )
    np.testing.assert_array_equal(
        p.random_bits(key(3), bit_width=16, shape=(5,)), np.array([7550, 15045, 3294, 19504, 50606], np.uint16)
    )
    assert int(p.random_bits(key(3), bit_width=32, shape=())) == 318053758


def test_wide_bits_hold_both_words_of_a_block():
    wide = np.asarray(p.random_bits(key(5), bit_width=64, shape=(4,)))
    narrow = np.asarray(p.random_bits(key(5), bit_width=32, shape=(4,)))
    np.testing.assert_array_equal((wide >> np.uint64(32)).astype(np.uint32) ^ wide.astype(np.uint32), narrow)


def test_split_and_fold_in():
    expected = np.array([[1797259609, 2579123966], [928981903, 3453687069]], np.uint32)
    np.testing.assert_array_equal(p.random_split(key(0), shape=(2,)), expected)
    four = np.asarray(p.random_split(key(0), shape=(2, 2)))
    np.testing.assert_array_equal(four[0], expected)
    np.testing.assert_array_equal(four[1], np.array([[4146024105, 2718843009], [2467461003, 3840466878]], np.uint32))
    np.testing.assert_array_equal(
        p.random_fold_in(key(0), np.uint32(7)), np.array([2716826189, 292468403], np.uint32)
    )


@pytest.mark.parametrize(("seed", "expected"), [(0, [0, 0]), (-1, [0, 2**32 - 1]), (2**31 - 1, [0, 2**31 - 1])])
def test_seeds_of_32_bits(seed, expected):
    np.testing.assert_array_equal(key(seed), np.array(expected, np.uint32))


def test_seeds_of_64_bits_fill_both_words():
    with mj.enable_x64():
        np.testing.assert_array_equal(p.random_seed(np.int64(2**40 + 5)), np.array([2**8, 5], np.uint32))
        np.testing.assert_array_equal(p.random_seed(np.int64(-1)), np.array([2**32 - 1] * 2, np.uint32))


def test_element_of_a_stream_depends_on_its_place_only():
    long = np.asarray(p.random_bits(key(9), bit_width=32, shape=(40000,)))
    for size in (1, 7, 16384, 16385):
        np.testing.assert_array_equal(p.random_bits(key(9), bit_width=32, shape=(size,)), long[:size])


@pytest.mark.parametrize("axis", [0, 1])
def test_batched_keys_have_their_own_streams(axis):
    keys = np.asarray(p.random_split(key(1), shape=(3,)))
    moved = np.moveaxis(keys, 0, axis)
    for f in (
        lambda k: p.random_bits(k, bit_width=32, shape=(2, 2)),
        lambda k: p.random_split(k, shape=(2,)),
        lambda k: p.random_fold_in(k, np.uint32(3)),
    ):
        np.testing.assert_array_equal(mj.vmap(f, in_axes=axis)(moved), np.stack([f(k) for k in keys]))
    seeds = np.arange(4, dtype=np.int32)
    np.testing.assert_array_equal(mj.vmap(p.random_seed)(seeds), np.stack([key(s) for s in seeds]))


def test_bits_look_uniform():
    bits = np.asarray(p.random_bits(key(2), bit_width=32, shape=(20000,)))
    share = np.unpackbits(bits.view(np.uint8)).mean()
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(32 * len(bits))


def test_keys_are_checked():
    with pytest.raises(TypeError, match="expects keys of dtype uint32"):
        p.random_bits(np.zeros(2, np.int32), bit_width=32, shape=())
    with pytest.raises(TypeError, match="PRNG key seed must be an integer"):
        p.random_seed(np.float32(1.5))
