"""Derivative formulas without cancellation or spurious over- and underflow: against mpmath at 60 digits, in float64.

The rows are those where JAX 0.10.2, torch 2.13 or autograd lose digits or overflow.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax, nn

mpmath.mp.dps = 60
m = mpmath
ROWS = {
    "expm1": (mnp.expm1, lambda x: m.exp(x), -40.0),
    "tanh": (mnp.tanh, lambda x: m.sech(x) ** 2, 20.0),
    "sigmoid": (nn.sigmoid, lambda x: m.exp(-x) / (1 + m.exp(-x)) ** 2, 40.0),
    "erf": (lax.erf, lambda x: 2 / m.sqrt(m.pi) * m.exp(-(x**2)), 5.0),
    "sqrt": (mnp.sqrt, lambda x: 1 / (2 * m.sqrt(x)), 5e-324),
    "arcsin": (mnp.arcsin, lambda x: 1 / m.sqrt(1 - x**2), 0.999999999999999),
    "arccosh": (mnp.arccosh, lambda x: 1 / m.sqrt(x**2 - 1), 1.000000000000001),
    "arctanh": (mnp.arctanh, lambda x: 1 / (1 - x**2), 0.999999999999999),
    "1/x": (lambda x: 1 / x, lambda x: -1 / x**2, 1e155),
    "y/x": (lambda x: 1e300 / x, lambda x: -m.mpf(1e300) / x**2, 1e200),
    "log1p": (mnp.log1p, lambda x: 1 / (1 + x), -0.999999999999999),
    "log_sigmoid": (nn.log_sigmoid, lambda x: m.exp(-x) / (1 + m.exp(-x)), 40.0),
    "sinc": (
        mnp.sinc,
        lambda x: (m.cos(m.pi * x) * m.pi * x - m.sin(m.pi * x)) / (m.pi * x**2),
        1e-6,
    ),
    "hypot": (lambda x: mnp.hypot(x, 1e200), lambda x: x / m.hypot(x, m.mpf(1e200)), 1e200),
    "logit": (mj.scipy.special.logit, lambda x: 1 / (x * (1 - x)), 0.999999999999999),
    "softplus": (nn.softplus, lambda x: m.exp(x) / (1 + m.exp(x)), -40.0),
}
# The truth itself cannot be represented better than this near these points.
LOOSE = {"sinc": 1e-9, "1/x": 1e-13, "sqrt": 1e-15}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("mode", ["grad", "jvp", "jit of grad"])
def test_first_derivative_is_exact(name, mode):
    f, slope, x = ROWS[name]
    derivative = {
        "grad": mj.grad(f),
        "jvp": lambda x: mj.jvp(f, (x,), (1.0,))[1],
        "jit of grad": mj.jit(mj.grad(f)),
    }[mode]
    with mj.enable_x64():
        found = float(derivative(x))
    expected = slope(m.mpf(x))
    assert abs((m.mpf(found) - expected) / expected) < LOOSE.get(name, 1e-14)


def test_float32_quotients_neither_overflow_nor_vanish():
    np.testing.assert_allclose(mj.grad(lambda x: np.float32(1e30) / x)(1e25), -1e-20, rtol=1e-5)
    np.testing.assert_allclose(mj.grad(lambda x: np.float32(1e-30) / x)(1e-25), -1e20, rtol=1e-5)


def test_second_derivatives_at_removable_singularities():
    with mj.enable_x64():
        np.testing.assert_allclose(mj.grad(mj.grad(mnp.sinc))(0.0), -(np.pi**2) / 3, rtol=1e-12)
        assert mj.grad(mj.grad(lambda x: x**1.0))(0.0) == 0.0
        assert mj.grad(mj.grad(lambda x: x**2.0))(0.0) == 2.0
