"""Movement against NumPy, its derivatives by linearity and the dot-product test, and batching against loops."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p


def numbers_of(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pad_by_definition(x, value, config):
    """Element i of an axis goes to low + i * (interior + 1), if that place exists."""
    sizes = [low + high + n + max(n - 1, 0) * interior for n, (low, high, interior) in zip(x.shape, config)]
    out = np.full(sizes, value, x.dtype)
    for index in np.ndindex(x.shape):
        place = tuple(low + i * (interior + 1) for i, (low, _, interior) in zip(index, config))
        if all(0 <= at < n for at, n in zip(place, sizes)):
            out[place] = x[index]
    return out


# name: (function of arrays, operand shapes, the same by NumPy)
OPERATIONS = {
    "reshape": (lambda x: p.reshape(x, new_sizes=(3, 4), dimensions=None), [(2, 6)], lambda x: x.reshape(3, 4)),
    "reshape of nothing": (
        lambda x: p.reshape(x, new_sizes=(0, 5), dimensions=None),
        [(2, 0)],
        lambda x: x.reshape(0, 5),
    ),
    "reshape to a scalar": (lambda x: p.reshape(x, new_sizes=(), dimensions=None), [(1, 1)], lambda x: x.reshape(())),
    "reshape after a permutation": (
        lambda x: p.reshape(x, new_sizes=(12,), dimensions=(2, 0, 1)),
        [(2, 3, 2)],
        lambda x: x.transpose(2, 0, 1).reshape(12),
    ),
    "broadcast of a scalar": (
        lambda x: p.broadcast_in_dim(x, shape=(2, 3), broadcast_dimensions=()),
        [()],
        lambda x: np.full((2, 3), x),
    ),
    "broadcast along new and unit axes": (
        lambda x: p.broadcast_in_dim(x, shape=(2, 3, 4, 5), broadcast_dimensions=(1, 3)),
        [(3, 1)],
        lambda x: np.broadcast_to(x[None, :, None, :], (2, 3, 4, 5)),
    ),
    "broadcast that adds unit axes": (
        lambda x: p.broadcast_in_dim(x, shape=(1, 3, 1), broadcast_dimensions=(1,)),
        [(3,)],
        lambda x: x[None, :, None],
    ),
    "broadcast of unit axes to themselves": (
        lambda x: p.broadcast_in_dim(x, shape=(2, 1, 3), broadcast_dimensions=(1, 2)),
        [(1, 3)],
        lambda x: np.broadcast_to(x, (2, 1, 3)),
    ),
    "broadcast to nothing": (
        lambda x: p.broadcast_in_dim(x, shape=(0, 3), broadcast_dimensions=(0, 1)),
        [(1, 3)],
        lambda x: np.broadcast_to(x, (0, 3)),
    ),
    "transpose": (lambda x: p.transpose(x, permutation=(2, 0, 1)), [(2, 3, 4)], lambda x: x.transpose(2, 0, 1)),
    "squeeze": (lambda x: p.squeeze(x, dimensions=(0, 2)), [(1, 3, 1, 1)], lambda x: x.squeeze((0, 2))),
    "rev": (lambda x: p.rev(x, dimensions=(0, 2)), [(2, 3, 4)], lambda x: x[::-1, :, ::-1]),
    "concatenate": (
        lambda *xs: p.concatenate(*xs, dimension=1),
        [(2, 3), (2, 0), (2, 1)],
        lambda *xs: np.concatenate(xs, 1),
    ),
    "split": (
        lambda x: p.concatenate(*p.split(x, sizes=(1, 3, 0), axis=0)[::-1], dimension=0),
        [(4, 2)],
        lambda x: np.concatenate([x[1:], x[:1]]),
    ),
    "split of which one piece is used": (
        lambda x: p.split(x, sizes=(2, 3), axis=1)[1],
        [(2, 5)],
        lambda x: x[:, 2:],
    ),
    **{
        f"pad {config}": (
            lambda x, value, config=config: p.pad(x, value, padding_config=config),
            [shape, ()],
            lambda x, value, config=config: pad_by_definition(x, value, config),
        )
        for shape, config in [
            ((3,), ((2, 1, 0),)),
            ((3,), ((1, 2, 2),)),
            ((4,), ((-1, -2, 0),)),
            ((4,), ((-2, 3, 1),)),
            ((4,), ((3, -5, 1),)),
            ((4,), ((-3, -3, 2),)),
            ((3,), ((-4, 2, 0),)),
            ((3,), ((-5, 4, 1),)),
            ((0,), ((1, 2, 3),)),
            ((2, 3), ((0, 0, 0), (0, 0, 0))),
            ((2, 3), ((1, 0, 1), (-1, 2, 0))),
            ((1, 2), ((-1, 0, 0), (0, 1, 0))),
        ]
    },
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def operands_of(shapes, seed=0):
    return [numbers_of(shape, seed + i) for i, shape in enumerate(shapes)]


@every_operation
def test_values_are_those_of_numpy(operation):
    f, shapes, by_numpy = operation
    xs = operands_of(shapes)
    found, expected = np.asarray(f(*xs)), by_numpy(*xs)
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@every_operation
def test_tangents_move_like_values(operation):
    f, shapes, by_numpy = operation
    xs, ts = operands_of(shapes), operands_of(shapes, 10)
    _, tangent = mj.jvp(f, xs, ts)
    np.testing.assert_array_equal(tangent, by_numpy(*ts))


@every_operation
def test_cotangents_move_back(operation):
    f, shapes, by_numpy = operation
    xs, ts = operands_of(shapes), operands_of(shapes, 10)
    out, pull = mj.vjp(f, *xs)
    ct = numbers_of(out.shape, 20)
    back = pull(mnp.asarray(ct))
    assert [b.shape for b in back] == shapes
    there = (ct * by_numpy(*ts)).sum(dtype=float)
    np.testing.assert_allclose(
        sum((np.asarray(b) * t).sum(dtype=float) for b, t in zip(back, ts)), there, rtol=1e-5, atol=1e-5
    )


@every_operation
@pytest.mark.parametrize("place", [0, -1])
def test_batching_equals_a_loop(operation, place):
    f, shapes, by_numpy = operation
    for mapped in range(1, 2 ** len(shapes)):
        axes = tuple(place if mapped >> i & 1 else None for i in range(len(shapes)))
        xs = [
            numbers_of(shape, i)
            if axis is None
            else np.stack([numbers_of(shape, 10 * i + k) for k in range(3)], axis)
            for i, (shape, axis) in enumerate(zip(shapes, axes))
        ]
        found = mj.vmap(f, in_axes=axes)(*map(mnp.asarray, xs))
        expected = [by_numpy(*(x if a is None else np.take(x, k, a) for x, a in zip(xs, axes))) for k in range(3)]
        np.testing.assert_array_equal(found, np.stack(expected))


@pytest.mark.parametrize("dtype", ["int8", "bool", "complex64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(), (3,), (1, 3)])
def test_broadcasting_keeps_every_dtype(dtype, shape):
    x = mnp.ones(shape, dtype)
    out = p.broadcast_in_dim(x, shape=(2, 3), broadcast_dimensions=tuple(range(2 - len(shape), 2)))
    assert out.dtype == x.dtype and out.shape == (2, 3)
    np.testing.assert_array_equal(np.asarray(out).astype(complex), 1)


@pytest.mark.parametrize("dimension", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "bfloat16"])
def test_iota_counts_along_its_axis(dtype, dimension):
    found = p.iota(dtype=mnp.zeros((), dtype).dtype, shape=(2, 3, 4), dimension=dimension)
    assert found.dtype == mnp.zeros((), dtype).dtype
    np.testing.assert_array_equal(np.asarray(found).astype(int), np.indices((2, 3, 4))[dimension])


def test_iota_of_nothing():
    assert p.iota(dtype=np.dtype("int32"), shape=(0, 2), dimension=1).shape == (0, 2)


def test_padding_with_minus_zero_keeps_its_sign():
    out = np.asarray(p.pad(np.ones(1, np.float32), np.float32(-0.0), padding_config=((1, 0, 0),)))
    assert np.signbit(out[0])


def test_padding_integers_and_complex_numbers():
    for dtype in ("int32", "bool", "complex64"):
        out = p.pad(mnp.ones(2, dtype), mnp.zeros((), dtype), padding_config=((1, 0, 1),))
        np.testing.assert_array_equal(np.asarray(out) != 0, [False, True, False, True])


def test_weak_types_survive_movement():
    weak = mnp.asarray(2.0)
    assert p.broadcast_in_dim(weak, shape=(2,), broadcast_dimensions=()).weak_type
    strong = mnp.ones(1)
    assert not p.concatenate(p.reshape(weak, new_sizes=(1,), dimensions=None), strong, dimension=0).weak_type


x = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    "call, error, phrase",
    [
        (lambda: p.reshape(x, new_sizes=(4,), dimensions=None), TypeError, "cannot reshape array of shape"),
        (lambda: p.reshape(x, new_sizes=(6,), dimensions=(0, 0)), TypeError, "permutation"),
        (
            lambda: p.broadcast_in_dim(x, shape=(2, 4), broadcast_dimensions=(0, 1)),
            TypeError,
            "either be 1, or be equal",
        ),
        (lambda: p.broadcast_in_dim(x, shape=(3, 2), broadcast_dimensions=(1, 0)), TypeError, "strictly increasing"),
        (lambda: p.broadcast_in_dim(x, shape=(2, 3), broadcast_dimensions=(0,)), TypeError, "length equal"),
        (lambda: p.transpose(x, permutation=(0, 0)), TypeError, "isn't a permutation"),
        (lambda: p.squeeze(x, dimensions=(0,)), ValueError, "size not equal to one"),
        (lambda: p.squeeze(x, dimensions=(5,)), ValueError, "distinct axes"),
        (lambda: p.rev(x, dimensions=(0, 0)), TypeError, "distinct axes"),
        (
            lambda: p.concatenate(x, x[:, :2], dimension=0),
            TypeError,
            "Cannot concatenate arrays with shapes that differ",
        ),
        (lambda: p.concatenate(x, x.astype(np.int32), dimension=0), TypeError, "same dtypes"),
        (
            lambda: p.concatenate(x[0, 0], x[0, 0], dimension=0),
            ValueError,
            "Zero-dimensional arrays cannot be concatenated",
        ),
        (lambda: p.concatenate(dimension=0), ValueError, "at least one operand"),
        (lambda: p.split(x, sizes=(1, 1), axis=1), ValueError, "sum to 3"),
        (lambda: p.pad(x, np.int32(0), padding_config=((0, 0, 0),) * 2), TypeError, "same dtypes"),
        (lambda: p.pad(x, np.float32(0), padding_config=((0, 0, 0),)), TypeError, "length of padding_config"),
        (lambda: p.pad(x, np.float32(0), padding_config=((0, 0, -1),) * 2), TypeError, "nonnegative"),
        (lambda: p.pad(x, np.float32(0), padding_config=((-2, -2, 0),) * 2), ValueError, "not at least 0"),
        (lambda: p.iota(dtype=np.dtype("int32"), shape=(2,), dimension=1), ValueError, "iota dimension"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call()
