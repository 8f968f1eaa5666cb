"""Running reductions as native steps give what eval gives, for every dtype, axis and direction, and inside loops."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.array import wrap
from minijax.lower import lower_program
from minijax.lower.cumulative import Cumulative
from minijax.lower.readable import readable

SHAPES = [((1,), 0), ((7,), 0), ((8,), 0), ((1001,), 0), ((3, 17), 1), ((3, 17), 0), ((5, 9, 130), 1), ((64, 3), 0)]
NAMES = ["cumsum", "cumprod", "cummax", "cummin"]


def argument(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype.kind != "f":
        return rng.integers(0, 5, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8", "uint16", "int64"])
@pytest.mark.parametrize("name", NAMES)
def test_compiled_running_reductions_equal_evaluated_ones(name, dtype, reverse):
    with mj.enable_x64(True):
        for shape, axis in SHAPES:
            x = mnp.asarray(argument(shape, np.dtype(dtype)))

            def f(x, axis=axis):
                return getattr(lax, name)(x, axis=axis, reverse=reverse)

            expected, found = np.asarray(f(x)), np.asarray(mj.jit(f)(x))
            assert found.dtype == expected.dtype
            if name == "cumsum" and x.dtype.kind == "f":
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=16 * np.finfo(x.dtype).eps)
            else:
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_running_extrema_stay_nan_from_the_first_nan_on(name):
    x = mnp.asarray([1.0, 3.0, np.nan, 2.0, *range(20)])
    np.testing.assert_array_equal(mj.jit(lambda x: getattr(lax, name)(x))(x), getattr(lax, name)(x))


def test_a_running_sum_of_ones_in_float32_passes_2_to_the_24():
    x = mnp.ones(2**24 + 16, mnp.float32)
    assert float(mj.jit(mnp.cumsum)(x)[-1]) == 2**24 + 16


def test_a_running_sum_inside_a_scan_stays_native_and_its_gradient_is_the_reversed_sum():
    def f(x):
        return lax.scan(lambda c, row: (c + mnp.sum(mnp.cumsum(row * 2.0) ** 2), None), 0.0, x)[0]

    x = mnp.asarray(np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32))
    np.testing.assert_allclose(mj.jit(f)(x), f(x), rtol=1e-5)
    np.testing.assert_allclose(mj.jit(mj.grad(f))(x), mj.grad(f)(x), rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_readable_program_computes_the_same(name):
    x = argument((3, 17), np.dtype("float32"))
    closed = mj.make_jaxpr(lambda x: getattr(lax, name)(x * 2.0, axis=1, reverse=True))(x)
    closed, steps = lower_program(closed)
    assert any(type(step) is Cumulative for step in steps)
    (found,) = readable(closed, steps).function()(x)
    expected = getattr(lax, name)(wrap(x * 2), axis=1, reverse=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
