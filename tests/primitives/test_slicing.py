"""Slices and dynamic windows against NumPy; derivatives by linearity; batching against loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p

SLICES = [
    ((5,), (1,), (4,), None),
    ((5,), (0,), (5,), (2,)),
    ((6,), (1,), (6,), (3,)),
    ((5,), (2,), (2,), None),
    ((0,), (0,), (0,), (2,)),
    ((4, 5), (1, 0), (3, 5), (1, 2)),
    ((), (), (), None),
]
WINDOWS = [((5,), (2,)), ((5,), (5,)), ((5,), (0,)), ((4, 3), (2, 1)), ((), ()), ((0, 3), (0, 2))]
STARTS = [-2, 0, 1, 4, 9]
every_slice = pytest.mark.parametrize("case", SLICES, ids=repr)
every_window = pytest.mark.parametrize("case", WINDOWS, ids=repr)


def numbers_of(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sliced(x, start, limit, strides):
    return p.slice(x, start_indices=start, limit_indices=limit, strides=strides)


def window(shape, sizes, starts):
    fit = [min(max(s, 0), n - w) for n, w, s in zip(shape, sizes, starts)]
    return tuple(slice(s, s + w) for s, w in zip(fit, sizes))


def starts_for(shape):
    return itertools.product(STARTS, repeat=len(shape))


@every_slice
def test_slice_takes_what_numpy_takes(case):
    shape, *params = case
    x = numbers_of(shape)
    there = tuple(map(slice, params[0], params[1], params[2] or (1,) * len(shape)))
    np.testing.assert_array_equal(sliced(x, *params), x[there])
    _, tangent = mj.jvp(lambda x: sliced(x, *params), (x,), (2 * x,))
    np.testing.assert_array_equal(tangent, 2 * x[there])
    out, pull = mj.vjp(lambda x: sliced(x, *params), x)
    ct, expected = numbers_of(out.shape, 1), np.zeros(shape, np.float32)
    expected[there] = ct
    np.testing.assert_array_equal(pull(mnp.asarray(ct))[0], expected)


@every_slice
def test_batched_slice_equals_a_loop(case):
    shape, *params = case
    for axis in range(len(shape) + 1):
        xs = numbers_of((*shape[:axis], 3, *shape[axis:]))
        found = mj.vmap(lambda x: sliced(x, *params), in_axes=axis)(mnp.asarray(xs))
        expected = [np.asarray(sliced(np.take(xs, i, axis), *params)) for i in range(3)]
        np.testing.assert_array_equal(found, np.stack(expected))


@every_window
def test_dynamic_windows_move_inwards_until_they_fit(case):
    shape, sizes = case
    x, update = numbers_of(shape), numbers_of(sizes, 1)
    for starts in starts_for(shape):
        indices = [np.int32(s) for s in starts]
        there = window(shape, sizes, starts)
        np.testing.assert_array_equal(p.dynamic_slice(x, *indices, slice_sizes=sizes), x[there])
        expected = x.copy()
        expected[there] = update
        np.testing.assert_array_equal(p.dynamic_update_slice(x, update, *indices), expected)


@every_window
def test_derivatives_of_dynamic_windows(case):
    shape, sizes = case
    x, update, t, t_update, ct = (numbers_of(s, i) for i, s in enumerate((shape, sizes, shape, sizes, shape)))
    for starts in starts_for(shape):
        indices = [np.int32(s) for s in starts]
        there = window(shape, sizes, starts)
        _, tangent = mj.jvp(lambda x: p.dynamic_slice(x, *indices, slice_sizes=sizes), (x,), (t,))
        np.testing.assert_array_equal(tangent, t[there])
        _, pull = mj.vjp(lambda x: p.dynamic_slice(x, *indices, slice_sizes=sizes), x)
        expected = np.zeros(shape, np.float32)
        expected[there] = update
        np.testing.assert_array_equal(pull(mnp.asarray(update))[0], expected)

        f = lambda x, update: p.dynamic_update_slice(x, update, *indices)
        _, tangent = mj.jvp(f, (x, update), (t, t_update))
        expected = t.copy()
        expected[there] = t_update
        np.testing.assert_array_equal(tangent, expected)
        _, pull = mj.vjp(f, x, update)
        x_ct, update_ct = pull(mnp.asarray(ct))
        expected = ct.copy()
        expected[there] = 0
        np.testing.assert_array_equal(x_ct, expected)
        np.testing.assert_array_equal(update_ct, ct[there])


def test_derivative_in_one_of_operand_and_update():
    x, update = numbers_of((4,)), numbers_of((2,), 1)
    f = lambda x, update: p.dynamic_update_slice(x, update, np.int32(1)).sum()
    np.testing.assert_array_equal(mj.grad(f, 0)(mnp.asarray(x), mnp.asarray(update)), [1, 0, 0, 1])
    np.testing.assert_array_equal(mj.grad(f, 1)(mnp.asarray(x), mnp.asarray(update)), [1, 1])


MAPPED = [
    (axis, index_axes)
    for axis in (None, 0, 1, 2)
    for index_axes in ((0, None), (None, 0), (0, 0), (None, None))
    if axis is not None or index_axes != (None, None)
]


@pytest.mark.parametrize(("axis", "index_axes"), MAPPED)
@pytest.mark.parametrize("sizes", [(2, 1), (4, 3), (0, 2)])
def test_batched_dynamic_windows_equal_a_loop(axis, index_axes, sizes):
    shape = (4, 3)
    x = numbers_of(shape if axis is None else (*shape[:axis], 5, *shape[axis:]))
    i, j = (np.int32(2) if a is None else np.array(STARTS, np.int32) for a in index_axes)
    take = lambda a, place, k: a if place is None else np.take(a, k, place)

    def read(x, i, j):
        return p.dynamic_slice(x, i, j, slice_sizes=sizes)

    found = mj.vmap(read, in_axes=(axis, *index_axes))(*map(mnp.asarray, (x, i, j)))
    examples = [(take(x, axis, k), take(i, index_axes[0], k), take(j, index_axes[1], k)) for k in range(5)]
    np.testing.assert_array_equal(found, np.stack([np.asarray(read(*e)) for e in examples]))

    updates = numbers_of((5, *sizes), 1)

    def write(x, update, i, j):
        return p.dynamic_update_slice(x, update, i, j)

    for update_axis in (0, None):
        update = updates if update_axis == 0 else updates[0]
        found = mj.vmap(write, in_axes=(axis, update_axis, *index_axes))(*map(mnp.asarray, (x, update, i, j)))
        expected = [np.asarray(write(e[0], take(update, update_axis, k), *e[1:])) for k, e in enumerate(examples)]
        np.testing.assert_array_equal(found, np.stack(expected))


def test_gradient_of_windows_that_overlap_adds_up():
    x = mnp.arange(4.0)
    starts = mnp.asarray(np.array([0, 1, 1, 9], np.int32))
    read = mj.vmap(lambda x, i: p.dynamic_slice(x, i, slice_sizes=(2,)), in_axes=(None, 0))
    np.testing.assert_array_equal(mj.grad(lambda x: read(x, starts).sum())(x), [1, 3, 3, 1])


def test_indices_of_several_dtypes_can_be_mapped():
    x = mnp.asarray(numbers_of((4, 300)))
    i, j = mnp.asarray(np.array([1, 3], np.int8)), mnp.asarray(np.array([299, 0], np.int32))
    found = mj.vmap(lambda i, j: p.dynamic_slice(x, i, j, slice_sizes=(1, 1)))(i, j)
    np.testing.assert_array_equal(np.asarray(found).ravel(), np.asarray(x)[[1, 3], [299, 0]])


ones = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    "call, phrase",
    [
        (lambda: sliced(ones, (0, 0), (3, 3), None), "0 <= start_indices <= limit_indices <= shape"),
        (lambda: sliced(ones, (1, 2), (2, 1), None), "0 <= start_indices <= limit_indices <= shape"),
        (lambda: sliced(ones, (0,), (2,), None), "one entry per axis"),
        (lambda: sliced(ones, (0, 0), (2, 3), (1, 0)), "strides must be positive"),
        (
            lambda: p.dynamic_slice(ones, np.int32(0), slice_sizes=(1, 1)),
            "one scalar index and one window size per axis",
        ),
        (lambda: p.dynamic_slice(ones, np.int32(0), np.float32(0), slice_sizes=(1, 1)), "must be integers"),
        (
            lambda: p.dynamic_slice(ones, np.int32(0), np.int32(0), slice_sizes=(3, 1)),
            "less than or equal to operand",
        ),
        (lambda: p.dynamic_update_slice(ones, ones[0], np.int32(0), np.int32(0)), "smaller than operand"),
        (lambda: p.dynamic_update_slice(ones, ones.astype(int), np.int32(0), np.int32(0)), "same dtypes"),
    ],
)
def test_what_does_not_fit_is_refused(call, phrase):
    with pytest.raises(TypeError, match=phrase):
        call()
