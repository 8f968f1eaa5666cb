"""Reductions against NumPy, their accuracy on long axes, and their derivatives at ties, nan and zeros."""

from __future__ import annotations

import functools
import itertools

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p

BY_NUMPY = {"reduce_sum": np.sum, "reduce_prod": np.prod, "reduce_max": np.max, "reduce_min": np.min}
BITWISE = {"reduce_and": np.bitwise_and, "reduce_or": np.bitwise_or, "reduce_xor": np.bitwise_xor}
SUBSETS = [axes for count in range(4) for axes in itertools.combinations(range(3), count)]
INT32 = np.dtype(np.int32)
nan, inf = np.nan, np.inf


def f32(*values):
    return np.array(values, np.float32)


def gradient(name, x):
    return np.asarray(mj.grad(lambda x: getattr(p, name)(x, axes=(0,)))(mnp.asarray(x)))


@pytest.mark.parametrize("axes", SUBSETS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "complex64"])
@pytest.mark.parametrize("name", BY_NUMPY)
def test_values_and_dtypes_are_those_of_numpy_over_any_axes(name, dtype, axes):
    x = np.random.default_rng(0).integers(1, 5, (2, 3, 2)).astype(dtype)
    for view in (x, x.transpose(2, 0, 1)[::-1]):
        found = np.asarray(getattr(p, name)(view, axes=axes))
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found, BY_NUMPY[name](view, axis=axes).astype(dtype))


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.uint8])
@pytest.mark.parametrize("name", BITWISE)
def test_bitwise_reductions_fold_the_operator(name, dtype):
    x = np.array([[5, 1, 0], [7, 0, 0], [4, 1, 0]]).astype(dtype)
    found = np.asarray(getattr(p, name)(x, axes=(0,)))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, functools.reduce(BITWISE[name], x))


@pytest.mark.parametrize(
    ("name", "dtype", "neutral"),
    [
        ("reduce_sum", np.float32, 0),
        ("reduce_prod", np.float32, 1),
        ("reduce_max", np.float32, -inf),
        ("reduce_min", ml_dtypes.bfloat16, inf),
        ("reduce_max", np.int8, -128),
        ("reduce_min", np.uint8, 255),
        ("reduce_max", np.bool_, False),
        ("reduce_and", np.uint8, 255),
        ("reduce_and", np.bool_, True),
        ("reduce_xor", np.int32, 0),
    ],
)
def test_of_nothing_the_neutral_element_is_left(name, dtype, neutral):
    found = np.asarray(getattr(p, name)(np.zeros((0, 2), dtype), axes=(0,)))
    assert found.dtype == dtype and found.shape == (2,)
    np.testing.assert_array_equal(found.astype(float), float(neutral))


@pytest.mark.parametrize(("dtype", "count"), [(ml_dtypes.bfloat16, 1024), (np.float16, 4096)])
def test_half_precision_accumulates_in_float32(dtype, count):
    total = np.asarray(p.reduce_sum(np.ones(count, dtype), axes=(0,)))  # in `dtype` it would stop at 256, at 2048
    assert total.dtype == dtype and float(total) == count


@pytest.mark.parametrize("shape", [(2**24 + 10,), (2**24 + 10, 2), (2, 2**24 + 10)], ids=str)
def test_a_long_float32_sum_of_ones_does_not_stop_at_its_last_integer(shape):
    axis = int(np.argmax(shape))
    ones = np.broadcast_to(np.float32(1), shape)
    np.testing.assert_array_equal(p.reduce_sum(ones, axes=(axis,)), 2**24 + 10)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("shape", "axes"), [((9001, 3), (0,)), ((2, 8192, 3), (0, 1)), ((3, 5000), (1,))], ids=str)
def test_sums_of_long_axes_are_right_in_any_memory_layout(shape, axes, order):
    x = np.asarray(np.random.default_rng(1).normal(size=shape).astype(np.float32), order=order)
    for view in (x, x[::-1], x[:, ::-1]):
        np.testing.assert_allclose(p.reduce_sum(view, axes=axes), view.sum(axes, dtype=float), atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "axes"), [((9001, 3), (0,)), ((2, 700, 9), (1,)), ((130, 5000), (0,)), ((3, 4099, 2), (0, 1))], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool", "complex64"])
def test_long_outer_axes_lose_no_element(dtype, shape, axes):
    rng = np.random.default_rng(2)
    x = rng.integers(-9, 10, shape).astype(dtype)
    for view in (x, x[:, ::-1], np.broadcast_to(x[..., :1], shape)):
        for name in ("reduce_max", "reduce_min") if dtype == "bool" else ("reduce_sum", "reduce_max", "reduce_min"):
            found = np.asarray(getattr(p, name)(view, axes=axes))
            assert found.dtype == x.dtype
            np.testing.assert_array_equal(found, BY_NUMPY[name](view, axis=axes).astype(dtype))
    places = [tuple(int(rng.integers(0, n)) for n in shape) for _ in range(3)]
    places.append(tuple(n - 1 for n in shape))  # in the piece that is left over
    for place in places:
        ones, one = np.ones(shape, dtype), np.zeros(shape, dtype)
        ones[place], one[place] = 0, 1
        kept = tuple(i for axis, i in enumerate(place) if axis not in axes)
        assert (
            np.asarray(p.reduce_max(one, axes=axes))[kept] == 1
            and np.asarray(p.reduce_min(ones, axes=axes))[kept] == 0
        )
        if dtype != "bool":
            assert np.asarray(p.reduce_prod(ones, axes=axes))[kept] == 0


def test_a_nan_anywhere_in_a_long_axis_wins():
    for row in (0, 8000, 9000):
        x = np.zeros((9001, 3), np.float32)
        x[row, 1] = nan
        for name in BY_NUMPY:
            assert np.isnan(np.asarray(getattr(p, name)(x, axes=(0,)))).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("reduce_max", f32(1, 3, 3), [0, 0.5, 0.5]),
        ("reduce_min", f32(1, 1, 3), [0.5, 0.5, 0]),
        ("reduce_max", f32(2, 2, 2), [1 / 3] * 3),
        ("reduce_max", f32(-inf, -inf), [0.5, 0.5]),
        ("reduce_max", f32(0.0, -0.0), [0.5, 0.5]),
        ("reduce_max", f32(1, nan, 3), [nan] * 3),
        ("reduce_min", f32(nan, 1), [nan] * 2),
        ("reduce_prod", f32(0, 2, 3), [6, 0, 0]),
        ("reduce_prod", f32(0, 0, 3), [0, 0, 0]),
        ("reduce_prod", f32(1e30, 1e30, 0), [0, 0, inf]),
    ],
)
def test_gradients_at_ties_nan_and_zeros(name, x, expected):
    np.testing.assert_allclose(gradient(name, x), np.array(expected, np.float32), rtol=1e-6)


def test_the_tangent_of_a_maximum_is_the_mean_over_the_ties():
    maximum = lambda x: p.reduce_max(x, axes=(0,))
    assert float(mj.jvp(maximum, (f32(1, 3, 3),), (f32(0, 1, 0),))[1]) == 0.5


def test_nan_spoils_the_gradient_of_its_own_row_only():
    x = np.array([[1, nan, 2], [1, 5, 2]], np.float32)
    rows = np.asarray(mj.grad(lambda x: p.reduce_max(x, axes=(1,)).sum())(mnp.asarray(x)))
    assert np.isnan(rows[0]).all()
    np.testing.assert_array_equal(rows[1], [0, 1, 0])


@pytest.mark.parametrize("zeros", list(itertools.product((False, True), repeat=4)), ids=str)
def test_first_and_second_derivatives_of_a_product_are_products_of_the_others(zeros):
    with mj.enable_x64():
        x = np.where(zeros, 0, [2.0, 3.0, 5.0, 7.0])
        others = lambda *left_out: np.prod([v for i, v in enumerate(x) if i not in left_out])
        product = lambda x: p.reduce_prod(x, axes=(0,))
        np.testing.assert_allclose(mj.grad(product)(mnp.asarray(x)), [others(i) for i in range(4)], rtol=1e-12)
        second = [[0.0 if i == j else others(i, j) for j in range(4)] for i in range(4)]
        np.testing.assert_allclose(mj.hessian(product)(mnp.asarray(x)), second, rtol=1e-12)


def test_a_batch_of_maxima_shares_ties_like_a_loop():
    x = np.array([[1, 3, 3], [2, 2, 2], [5, 1, 0]], np.float32)
    batched = mj.vmap(lambda row: mj.grad(lambda r: p.reduce_max(r, axes=(0,)))(row))(mnp.asarray(x))
    np.testing.assert_array_equal(batched, np.stack([gradient("reduce_max", row) for row in x]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32", "bool"])
def test_arg_reductions_find_the_first_of_equals(dtype):
    x = mnp.asarray(np.array([[0, 1, 1], [1, 0, 0]])).astype(dtype)
    assert np.asarray(p.argmax(x, axes=(1,), index_dtype=INT32)).tolist() == [1, 0]
    assert np.asarray(p.argmin(x, axes=(1,), index_dtype=np.dtype(np.uint8))).tolist() == [0, 1]
    assert p.argmin(x, axes=(0,), index_dtype=np.dtype(np.uint8)).dtype == np.uint8


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_reductions_find_the_first_nan(name):
    assert int(getattr(p, name)(f32(1, nan, inf, nan, -inf), axes=(0,), index_dtype=INT32)) == 1


def test_an_index_has_no_gradient():
    x = mnp.asarray(f32(1, 3, 3))
    counted = lambda x: p.argmax(x, axes=(0,), index_dtype=INT32).astype(np.float32) * 2
    np.testing.assert_array_equal(mj.grad(counted)(x), 0)
    chosen = lambda x: x[p.argmax(x, axes=(0,), index_dtype=INT32)]
    np.testing.assert_array_equal(mj.grad(chosen)(x), [0, 1, 0])


x = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "phrase"),
    [
        (lambda: p.reduce_sum(x, axes=(2,)), ValueError, "not distinct axes"),
        (lambda: p.reduce_max(x, axes=(0, 0)), ValueError, "not distinct axes"),
        (lambda: p.reduce_and(x, axes=(0,)), TypeError, "does not accept dtype float32"),
        (lambda: p.argmax(x, axes=(2,), index_dtype=INT32), ValueError, "not an axis"),
        (lambda: p.argmax(x[:0], axes=(0,), index_dtype=INT32), ValueError, "empty sequence"),
        (lambda: p.argmax(x, axes=(0,), index_dtype=np.dtype("float32")), TypeError, "must be an integer type"),
        (lambda: p.argmin(x * 1j, axes=(0,), index_dtype=INT32), TypeError, "does not accept dtype complex"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call()
