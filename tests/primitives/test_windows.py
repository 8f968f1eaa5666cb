"""Pooling against loops over windows, its derivatives against finite differences, and at ties, nan, padding and infinities."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p

BY_NUMPY = {"reduce_window_sum": np.sum, "reduce_window_max": np.max, "reduce_window_min": np.min}
every_pooling = pytest.mark.parametrize("name", BY_NUMPY)
extrema = pytest.mark.parametrize("name", ["reduce_window_max", "reduce_window_min"])
nan, inf = np.nan, np.inf


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def params_of(rank, **options):
    ones = (1,) * rank
    usual = {"window_dimensions": ones, "window_strides": ones, "padding": ((0, 0),) * rank}
    return {**usual, "base_dilation": ones, "window_dilation": ones, **options}


def line(window, stride=1, padding=(0, 0), **options):
    return params_of(1, window_dimensions=(window,), window_strides=(stride,), padding=(padding,), **options)


def pool(name, params):
    return lambda x: getattr(p, name)(x, **params)


def pulled(name, params, x, ct=None):
    out, pull = mj.vjp(pool(name, params), mnp.asarray(x))
    return np.asarray(pull(mnp.ones_like(out) if ct is None else mnp.asarray(ct))[0])


def by_definition(name, x, params):
    """Only elements of `x` itself take part: padding and the gaps of a dilation are neutral."""
    neutral = {"reduce_window_sum": 0, "reduce_window_max": -inf, "reduce_window_min": inf}[name]
    spread = [max((n - 1) * d + 1, 0) if n else 0 for n, d in zip(x.shape, params["base_dilation"])]
    sizes = [max(low + n + high, 0) for n, (low, high) in zip(spread, params["padding"])]
    padded = np.full(sizes, neutral, float)
    for place in np.ndindex(*x.shape):
        at = tuple(low + i * d for i, d, (low, _) in zip(place, params["base_dilation"], params["padding"]))
        if all(0 <= i < n for i, n in zip(at, sizes)):
            padded[at] = x[place]
    reach = [(w - 1) * d + 1 for w, d in zip(params["window_dimensions"], params["window_dilation"])]
    counts = [max((n - r) // s + 1, 0) for n, r, s in zip(sizes, reach, params["window_strides"])]
    out = np.empty(counts)
    for place in np.ndindex(*counts):
        starts = [i * s for i, s in zip(place, params["window_strides"])]
        window = tuple(slice(a, a + r, d) for a, r, d in zip(starts, reach, params["window_dilation"]))
        out[place] = BY_NUMPY[name](padded[window])
    return out


def random_pooling(seed):
    rng = np.random.default_rng(seed)
    rank = 1 + seed % 3
    pick = lambda low, high: tuple(int(n) for n in rng.integers(low, high, rank))
    params = params_of(
        rank,
        window_dimensions=pick(1, 4),
        window_strides=pick(1, 4),
        padding=tuple(zip(pick(-1, 3), pick(-1, 3))),
        base_dilation=pick(1, 3),
        window_dilation=pick(1, 3),
    )
    shape = pick(0, 6 - rank) if seed % 5 == 0 else pick(2, 7 - rank)
    return rng.permutation(int(np.prod(shape))).reshape(shape).astype(float), params


any_pooling = pytest.mark.parametrize("seed", range(30))


@every_pooling
@any_pooling
def test_values_are_those_of_the_definition(name, seed):
    x, params = random_pooling(seed)
    found, expected = np.asarray(pool(name, params)(x)), by_definition(name, x, params)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@every_pooling
@any_pooling
def test_derivatives_equal_finite_differences_and_their_transpose(name, seed):
    x, params = random_pooling(seed)
    rng = np.random.default_rng(100 + seed)
    v, h = rng.normal(size=x.shape), 1e-3  # elements are integers: no order changes within h
    out, tangent = mj.jvp(pool(name, params), (x,), (v,))
    inside = np.isfinite(np.asarray(out))  # elsewhere a window of padding only
    above, below = (np.where(inside, by_definition(name, x + s * h * v, params), 0) for s in (1, -1))
    np.testing.assert_allclose(tangent, (above - below) / (2 * h), atol=1e-9)
    ct = rng.normal(size=out.shape)
    back = pulled(name, params, x, ct)
    assert back.shape == x.shape
    np.testing.assert_allclose((back * v).sum(), (ct * np.asarray(tangent)).sum(), atol=1e-10)


@every_pooling
@any_pooling
def test_batching_at_any_axis_equals_a_loop(name, seed):
    x, params = random_pooling(seed)
    for axis in range(-1, x.ndim + 1):
        found = mj.vmap(pool(name, params), in_axes=axis)(mnp.asarray(np.stack([x, 1 - x], axis)))
        np.testing.assert_array_equal(found, np.stack([by_definition(name, y, params) for y in (x, 1 - x)]))


@every_pooling
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_long_windows(name, stride, dilation):
    x = np.random.default_rng(4).permutation(200).reshape(2, 100).astype(float)
    params = params_of(
        2,
        window_dimensions=(2, 40),
        window_strides=(1, stride),
        padding=((1, 0), (5, 2)),
        window_dilation=(1, dilation),
    )
    np.testing.assert_array_equal(pool(name, params)(x), by_definition(name, x, params))
    wrapped = np.asarray(pool("reduce_window_sum", line(40))(np.full(41, 100, np.int8)))
    assert wrapped.dtype == np.int8 and wrapped.tolist() == [4000 % 256 - 256] * 2


@pytest.mark.parametrize(
    ("name", "x", "params", "expected"),
    [
        ("reduce_window_max", [3, 3, 1], line(3), [1, 0, 0]),
        ("reduce_window_max", [1, 2, 2, 2], line(2), [0, 2, 1, 0]),
        ("reduce_window_min", [2, 2, 1, 1], line(2), [1, 0, 2, 0]),
        ("reduce_window_max", [0.0, -0.0], line(2), [1, 0]),
        ("reduce_window_max", [5, 5], line(2, padding=(1, 1)), [2, 1]),
        # of a window with -inf, the padding in front of it is as large, and comes first
        ("reduce_window_max", [-inf, -inf], line(2, padding=(1, 1)), [1, 1]),
        ("reduce_window_min", [inf, 1], line(2, padding=(1, 0)), [0, 1]),
        ("reduce_window_max", [1], line(1, padding=(2, 1)), [1]),
    ],
)
def test_the_first_of_equal_elements_gets_the_gradient(name, x, params, expected):
    np.testing.assert_array_equal(pulled(name, params, np.array(x, float)), expected)


def test_in_two_dimensions_the_first_is_the_first_in_reading_order():
    x = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    params = params_of(2, window_dimensions=(2, 2))
    np.testing.assert_array_equal(pulled("reduce_window_max", params, x), [[1, 0, 1], [1, 0, 1], [0, 0, 0]])


@extrema
def test_a_window_with_nan_is_nan_and_keeps_its_cotangent_to_itself(name):
    x = np.array([1.0, 4.0, nan, 2.0, 3.0])
    out = np.asarray(pool(name, line(2))(x))
    assert np.isnan(out).tolist() == [False, True, True, False]
    back = pulled(name, line(2), x, [1.0, 10.0, 100.0, 1000.0])
    assert np.isfinite(back).all() and back.sum() == 1111
    assert back[4] == (1000 if name == "reduce_window_max" else 0) and back[:2].sum() in (1, 11)


@extrema
def test_second_derivatives_follow_the_elements_that_were_chosen(name):
    x, params = random_pooling(7)
    square = lambda x: (pool(name, params)(x) ** 2).sum()
    chosen = pulled(name, params, x)
    hessian = np.asarray(mj.hessian(square)(mnp.asarray(x))).reshape(x.size, x.size)
    np.testing.assert_allclose(hessian, np.diag(2 * chosen.ravel()), atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "x"),
    [("int8", [-5, -3, -9]), ("uint8", [200, 7, 255]), ("int32", [-5, 3, 2**31 - 1]), ("bool", [1, 1, 0])],
)
def test_padding_loses_against_every_integer_and_boolean(dtype, x):
    x = np.array(x).astype(dtype)
    for name, best in (("reduce_window_max", np.maximum), ("reduce_window_min", np.minimum)):
        for values in (x, ~x):
            found = np.asarray(pool(name, line(2, padding=(1, 1)))(values))
            inside = [best(values[0], values[1]), best(values[1], values[2])]
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, [values[0], *inside, values[2]])


@pytest.mark.parametrize(("dtype", "count"), [(np.float16, 4096), (ml_dtypes.bfloat16, 1024)])
def test_half_precision_accumulates_in_float32(dtype, count):
    out = np.asarray(pool("reduce_window_sum", line(count))(np.ones(count, dtype)))
    assert out.dtype == dtype and float(out[0]) == count


@every_pooling
@pytest.mark.parametrize("window", [4, 40])
def test_windows_that_do_not_fit_give_nothing_and_get_zeros_back(name, window):
    params = line(window, window_dilation=(2,))
    assert pool(name, params)(np.ones(5)).shape == (0,)
    np.testing.assert_array_equal(pulled(name, params, np.ones(5)), np.zeros(5))
    np.testing.assert_array_equal(mj.jvp(pool(name, params), (np.ones(5),), (np.ones(5),))[1], np.zeros(0))


@every_pooling
@pytest.mark.parametrize("value", [0, -2])
@pytest.mark.parametrize("param", ["window_dimensions", "window_strides", "base_dilation", "window_dilation"])
def test_what_would_read_outside_the_array_is_refused(name, param, value):
    params = {**line(3), param: (value,)}
    with pytest.raises(TypeError, match=f"{name} {param} must have every element be strictly positive"):
        pool(name, params)(np.ones(5))


@every_pooling
def test_every_axis_needs_its_entry(name):
    with pytest.raises(TypeError, match="need one entry per axis"):
        pool(name, line(2))(np.ones((2, 2)))
    with pytest.raises(TypeError, match="does not accept dtype"):
        pool(name, line(2))(np.ones(2, bool if name == "reduce_window_sum" else complex))
