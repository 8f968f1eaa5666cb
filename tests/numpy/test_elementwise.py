"""Elementwise functions: NumPy's values, derivatives by finite differences, conventions at kinks, accuracy at extremes."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.test_util import check_grads

UNARY = {
    "sin": (-2, 2), "cos": (-2, 2), "tan": (-1, 1), "arcsin": (-0.9, 0.9), "arccos": (-0.9, 0.9), "arctan": (-2, 2),
    "sinh": (-2, 2), "cosh": (-2, 2), "tanh": (-2, 2), "arcsinh": (-2, 2), "arccosh": (1.1, 3), "arctanh": (-0.9, 0.9),
    "exp": (-2, 2), "exp2": (-2, 2), "expm1": (-2, 2), "log": (0.1, 3), "log2": (0.1, 3), "log10": (0.1, 3),
    "log1p": (-0.5, 2), "sqrt": (0.1, 3), "cbrt": (0.1, 3), "square": (-2, 2), "reciprocal": (0.3, 2),
    "negative": (-2, 2), "positive": (-2, 2), "abs": (0.1, 2), "fabs": (-2, -0.1), "rad2deg": (-2, 2), "deg2rad": (-2, 2),
    "sinc": (-2, 2), "i0": (0.1, 2), "sign": (0.1, 2), "floor": (0.1, 0.9), "ceil": (0.1, 0.9), "trunc": (0.1, 0.9),
    "rint": (0.1, 0.4), "nan_to_num": (-2, 2),
}  # fmt: skip
BINARY = {
    "add": (-2, 2), "subtract": (-2, 2), "multiply": (-2, 2), "divide": (0.5, 2), "power": (0.5, 2), "float_power": (0.5, 2),
    "maximum": (-2, 2), "minimum": (-2, 2), "fmax": (-2, 2), "fmin": (-2, 2), "arctan2": (0.3, 2), "hypot": (-2, 2),
    "logaddexp": (-2, 2), "logaddexp2": (-2, 2), "remainder": (0.5, 2), "fmod": (0.5, 2), "copysign": (-2, 2),
    "floor_divide": (0.5, 2), "heaviside": (0.5, 2),
}  # fmt: skip


def samples(name, low, high, count):
    rng = np.random.default_rng(sum(map(ord, name)))
    return [rng.uniform(low, high, 7) for _ in range(count)]


@pytest.mark.parametrize("name", UNARY)
def test_unary_values_and_derivatives(name):
    (x,) = samples(name, *UNARY[name], 1)
    f = getattr(mnp, name)
    np.testing.assert_allclose(f(x.astype(np.float32)), getattr(np, name)(x), rtol=1e-5, atol=1e-6)
    with mj.enable_x64():
        np.testing.assert_allclose(f(x), getattr(np, name)(x), rtol=1e-13, atol=1e-15)
        check_grads(f, (x,), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("name", BINARY)
def test_binary_values_and_derivatives(name):
    x, y = samples(name, *BINARY[name], 2)
    f = getattr(mnp, name)
    with mj.enable_x64():
        np.testing.assert_allclose(f(x, y), getattr(np, name)(x, y), rtol=1e-12)
        np.testing.assert_allclose(f(x, 1.5), getattr(np, name)(x, 1.5), rtol=1e-12)
        check_grads(f, (x, y), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize(
    "name", ["floor_divide", "remainder", "fmod", "power", "gcd", "lcm", "left_shift", "right_shift"]
)
def test_integer_operations(name):
    rng = np.random.default_rng(3)
    low = 0 if name in ("power", "left_shift", "right_shift") else -9
    x, y = rng.integers(-9, 9, 50, np.int32), rng.integers(low, 9, 50, np.int32)
    y = np.where((y == 0) & (name not in ("power", "gcd", "lcm")), 1, y).astype(np.int32)
    np.testing.assert_array_equal(getattr(mnp, name)(x, y), getattr(np, name)(x, y))


def test_powers_of_integer_arrays_wrap_around():
    x, y = np.array([3, -7, 2, 1], np.int32), np.array([30, 13, 40, 100], np.int32)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(mnp.array(x) ** mnp.array(y), x**y)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit"])
def test_tests_of_special_values(name):
    x = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(getattr(mnp, name)(x), getattr(np, name)(x))
    np.testing.assert_array_equal(getattr(mnp, name)(np.arange(3)), getattr(np, name)(np.arange(3)))


def test_parts_of_floats():
    x = np.array([3.0, -0.1, 1e-40, 0.0, 3e38, np.inf], np.float32)
    mantissa, exponent = mnp.frexp(x)
    np.testing.assert_array_equal(mantissa, np.frexp(x)[0])
    np.testing.assert_array_equal(exponent, np.frexp(x)[1])
    np.testing.assert_array_equal(mnp.ldexp(mantissa, exponent), x)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(mnp.ldexp(x[:2], 300), np.ldexp(x[:2], 300))
    for ours, theirs in zip(mnp.modf(x), np.modf(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(mnp.spacing(x[:3]), np.spacing(x[:3]))


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (lambda x: mnp.maximum(x, 0), 0.0, 0.5),
        (lambda x: mnp.clip(x, 0.0, 1.0), 0.0, 0.5),
        (lambda x: mnp.clip(x, 0.0, 1.0), 1.0, 0.5),
        (lambda x: mnp.clip(x, 0.0, 1.0), 2.0, 0.0),
        (mnp.abs, 0.0, 0.0),
        (mnp.sign, 0.0, 0.0),
        (lambda x: mnp.fmax(x, 1.0), 1.0, 0.0),
        (lambda x: mnp.fmax(1.0, x), 1.0, 1.0),
        (lambda x: mnp.fmax(x, 1.0), np.nan, 0.0),
        (lambda x: x % 1.0, 2.0, 1.0),
        (lambda y: mnp.mod(7.5, y), 2.0, -3.0),
        (lambda y: mnp.fmod(7.5, y), 2.0, -3.0),
        (lambda x: x // 2.0, 7.5, 0.0),
        (lambda x: mnp.copysign(x, -1.0), 0.0, -1.0),
        (lambda x: mnp.copysign(2.0, x), 0.0, 0.0),
        (lambda h: mnp.heaviside(0.0, h), 0.5, 1.0),
        (lambda x: mnp.frexp(x)[0], 3.0, 0.25),
        (lambda x: mnp.ldexp(x, 2), 3.0, 4.0),
        (lambda x: mnp.modf(x)[0], 3.3, 1.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**0.0, 0.0, 0.0),
        (lambda x: x**1.0, 0.0, 1.0),
        (lambda x: x**-1, 0.0, -np.inf),
        (lambda x: x**2.5, -3.0, np.nan),
        (lambda y: 0.0**y, 0.0, 0.0),
        (lambda x: divmod(x, 2.0)[1], 3.0, 1.0),
        (lambda x: pow(x, 2), 3.0, 6.0),
        (mnp.sinc, 0.0, 0.0),
        (lambda x: mnp.logaddexp(x, -np.inf), 0.0, 1.0),
        (lambda x: mnp.logaddexp(x, -np.inf), -np.inf, np.nan),
        (lambda x: mnp.nan_to_num(mnp.log(x)), 0.0, np.nan),
        (lambda x: mnp.where(x > 0, mnp.log(x), 0.0), 0.0, np.nan),
        (lambda x: mnp.where(x > 0, mnp.log(mnp.where(x > 0, x, 1.0)), 0.0), 0.0, 0.0),
    ],
)
def test_conventions_at_special_points(f, x, slope):
    np.testing.assert_allclose(mj.grad(f)(x), slope)


def test_ties_and_nans_of_two_arguments():
    assert [float(d) for d in mj.grad(mnp.maximum, (0, 1))(1.0, 1.0)] == [0.5, 0.5]
    assert [float(d) for d in mj.grad(mnp.maximum, (0, 1))(np.float32(np.nan), 1.0)] == [0.0, 0.0]
    assert [float(d) for d in mj.grad(mnp.hypot, (0, 1))(0.0, 0.0)] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("ours", "reference", "x"),
    [
        (mnp.sinc, mpmath.sincpi, 1e-6),
        (mnp.sinc, mpmath.sincpi, 0.3),
        (mnp.sinc, mpmath.sincpi, 0.32),
        (mnp.expm1, mpmath.expm1, -40.0),
        (lambda x: 1 / x, lambda x: 1 / x, 1e155),
        (mnp.reciprocal, lambda x: 1 / x, 1e155),
        (lambda x: 1e100 / x, lambda x: mpmath.mpf(1e100) / x, 1e200),
        (lambda x: mnp.hypot(x, 1e200), lambda x: mpmath.hypot(x, 1e200), 1e200),
        (lambda x: mnp.hypot(x, 3e-200), lambda x: mpmath.hypot(x, 3e-200), 4e-200),
        (lambda x: mnp.logaddexp(x, 0.0), lambda x: mpmath.log1p(mpmath.exp(x)), -40.0),
        (lambda x: mnp.logaddexp(x, 0.0), lambda x: mpmath.log1p(mpmath.exp(x)), 0.0),
        (lambda x: x**2.0, lambda x: x**2, -3.0),
    ],
)
def test_first_derivatives_are_accurate(ours, reference, x):
    with mj.enable_x64(), mpmath.workdps(60):
        exact = float(
            mpmath.diff(
                reference, mpmath.mpf(x), h=abs(mpmath.mpf(x)) * mpmath.mpf(10) ** -20 or mpmath.mpf(10) ** -20
            )
        )
        assert float(mj.grad(ours)(x)) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(
    ("f", "x", "exact"),
    [
        (mnp.sinc, 0.0, -(np.pi**2) / 3),
        (mnp.sinc, 1e-6, -(np.pi**2) / 3 + np.pi**4 / 10 * 1e-12),
        (lambda x: mnp.logaddexp(x, 0.0), 0.0, 0.25),
        (lambda x: mnp.hypot(x, 4.0), 3.0, 16 / 125),
        (lambda x: x**1.0, 0.0, 0.0),
        (lambda x: x**2.0, 0.0, 2.0),
    ],
)
def test_second_derivatives_are_accurate(f, x, exact):
    with mj.enable_x64():
        assert float(mj.grad(mj.grad(f))(x)) == pytest.approx(exact, rel=1e-13)


def test_logaddexp_neither_overflows_nor_cancels():
    with mj.enable_x64():
        assert float(mnp.logaddexp(1000.0, 1000.0)) == pytest.approx(1000 + np.log(2), rel=1e-15)
        assert float(mnp.logaddexp(-40.0, 0.0)) == pytest.approx(np.log1p(np.exp(-40)), rel=1e-15)
        assert float(mnp.logaddexp(np.inf, np.inf)) == np.inf
        assert float(mnp.logaddexp(-np.inf, -np.inf)) == -np.inf


def test_rounding():
    x = np.array([0.5, 1.5, -2.5, 1.25, np.inf], np.float32)
    np.testing.assert_array_equal(mnp.round(x), np.round(x))
    np.testing.assert_allclose(mnp.round(x[:4], 1), np.round(x[:4], 1), rtol=1e-6)
    assert str(round(mnp.float32(1.5)).dtype) == "int32"
    with pytest.raises(NotImplementedError):
        mnp.round(mnp.arange(3), -1)


def test_complex_numbers():
    z = np.array([1 + 2j, -3j, 0.5], np.complex64)
    for name in ("real", "imag", "conj", "abs", "angle", "exp", "sqrt", "log", "sign"):
        np.testing.assert_allclose(getattr(mnp, name)(z), getattr(np, name)(z), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mnp.isfinite(z), True)
    assert mnp.iscomplexobj(mnp.array(z)) and not mnp.iscomplexobj(1.0)


def test_closeness():
    x = np.array([1.0, np.inf, np.nan, 2.0], np.float32)
    y = np.array([1.0 + 1e-6, np.inf, np.nan, 2.1], np.float32)
    np.testing.assert_array_equal(mnp.isclose(x, y), np.isclose(x, y))
    np.testing.assert_array_equal(mnp.isclose(x, y, equal_nan=True), np.isclose(x, y, equal_nan=True))
    assert not bool(mnp.allclose(x, y)) and bool(mnp.allclose(x[:2], y[:2]))
    assert bool(mnp.array_equal(x, x, equal_nan=True)) and not bool(mnp.array_equal(x, x[:2]))
    assert bool(mnp.array_equiv(mnp.ones((2, 2)), 1.0))
