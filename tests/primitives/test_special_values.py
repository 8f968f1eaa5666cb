"""Elementwise primitives at zeros of both signs, infinities, nan, huge, tiny and subnormal numbers, and on empty arrays.

Values are compared with NumPy's and SciPy's, signs of zeros included; where the library differs on purpose, the row says why.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import minijax as mj
from minijax.array import wrap
from minijax.ir import lookup

POINTS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, np.inf, -np.inf, np.nan]
POINTS += [1e300, -1e300, 1e-300, -1e-300, 5e-324, 40.0, 709.0, 1e-8]


def lgamma(x):
    return np.where(np.isneginf(x), x.dtype.type(np.inf), scipy.special.gammaln(x))  # as C has it


def digamma(x):
    return np.where(x == 0, x.dtype.type(np.nan), scipy.special.digamma(x))  # nan at all poles


UNARY = {
    **{
        name: getattr(np, name)
        for name in [
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
            "exp",
            "exp2",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "cbrt",
        ]
    },
    **{name: getattr(np, f"arc{name[1:]}") for name in ["asin", "acos", "atan", "asinh", "acosh", "atanh"]},
    **{name: getattr(np, name) for name in ["abs", "sign", "square", "floor", "ceil", "trunc", "copy"]},
    **{name: getattr(scipy.special, name) for name in ["erf", "erfc"]},
    "erf_inv": scipy.special.erfinv,
    "bessel_i0e": scipy.special.i0e,
    "bessel_i1e": scipy.special.i1e,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "logistic": scipy.special.expit,
    "lgamma": lgamma,
    "digamma": digamma,
    "xlogx": lambda x: scipy.special.xlogy(x, x),
    "neg": np.negative,
    "is_finite": np.isfinite,
    "stop_gradient": np.copy,
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "atan2": np.arctan2,
    "rem": np.fmod,
    "nextafter": np.nextafter,
    "xlogy": scipy.special.xlogy,
    "xlog1py": scipy.special.xlog1py,
    "igamma": scipy.special.gammainc,
    "igammac": scipy.special.gammaincc,
    "zeta": scipy.special.zeta,
}
REFERENCES = {**UNARY, **BINARY}
# zeta has no derivative in its first operand, and says so
DIFFERENTIABLE = [name for name in REFERENCES if lookup(name).jvp not in (None, "missing") and name != "zeta"]


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def operands(name: str, dtype: type) -> list[np.ndarray]:
    with np.errstate(all="ignore"):
        x = np.array(POINTS).astype(dtype)
    return [x] if name in UNARY else [a.ravel() for a in np.meshgrid(x, x)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REFERENCES)
def test_values_are_those_of_numpy_and_scipy(name, dtype):
    xs = operands(name, dtype)
    found = np.asarray(lookup(name).bind(*map(wrap, xs)))
    with np.errstate(all="ignore"):
        wanted = REFERENCES[name](*xs).astype(found.dtype)
    tolerance = 3e-6 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=0)
    if found.dtype.kind == "f":
        signed = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(found[signed]), np.signbit(wanted[signed]))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_exist_agree_in_both_modes_and_are_defined_where_the_function_is(name):
    primitive = lookup(name)
    xs = list(map(wrap, operands(name, np.float64)))
    for place, x in enumerate(xs):

        def f(x, place=place):
            return primitive.bind(*[x if i == place else y for i, y in enumerate(xs)])

        one = wrap(np.ones_like(np.asarray(x)))
        out, tangent = mj.jvp(f, (x,), (one,))
        np.testing.assert_array_equal(tangent, mj.vjp(f, x)[1](one)[0])
        if len(xs) == 1:
            defined = np.isfinite(np.asarray(x)) & np.isfinite(np.asarray(out))
            assert not np.isnan(np.asarray(tangent)[defined]).any()


@pytest.mark.parametrize("name", REFERENCES)
def test_empty_arrays_keep_their_shape_in_values_and_derivatives(name):
    primitive = lookup(name)
    xs = [wrap(np.zeros((0, 3)))] * (1 if name in UNARY else 2)
    assert primitive.bind(*xs).shape == (0, 3)
    if name in DIFFERENTIABLE:
        assert mj.vjp(primitive.bind, *xs)[1](xs[0])[0].shape == (0, 3)


def test_the_derivative_of_igamma_at_the_origin_of_x():
    density = mj.grad(lambda x, a: lookup("igamma").bind(a, x))
    for a, slope in ((0.5, np.inf), (1.0, 1.0), (2.0, 0.0)):
        assert float(density(wrap(np.array(0.0)), wrap(np.array(a)))) == slope


@pytest.mark.parametrize(
    ("a", "x", "slope"),  # mpmath, 40 digits
    [
        (1e-8, 0.3, -0.9056766549160524),
        (1e-2, 1e-5, -9.816725261192564),
        (3.0, 9.0, -0.008695466419742526),
        (1e4, 1.01e4, -0.0024156880031763668),
        (1e6, 1e6, -0.0003989423136466252),
    ],
)
def test_the_derivative_of_igamma_in_a_from_tiny_to_huge(a, x, slope):
    found = lookup("igamma_grad_a").bind(wrap(np.array(a)), wrap(np.array(x)))
    np.testing.assert_allclose(found, slope, rtol=1e-10)
