"""transpose: results that are the same value, values that are known, results without a cotangent."""

from __future__ import annotations

import numpy as np

import minijax as mj
import minijax.numpy as mnp
from minijax import lax

X = np.array([1.0, -2.0, 3.0], np.float32)


def test_a_value_returned_twice_gets_both_cotangents():
    def f(x):
        y = 3.0 * x
        return y, y, x

    (pulled,) = mj.linear_transpose(f, X)((X, 10.0 * X, X))
    np.testing.assert_allclose(pulled, 34.0 * X)
    (pulled,) = mj.jit(lambda *cts: mj.linear_transpose(mj.jit(f), X)(cts))(X, 10.0 * X, X)
    np.testing.assert_allclose(pulled, 34.0 * X)


def test_known_values_are_computed_first_also_where_an_equation_gives_several():
    def f(x, key):
        ordered, places = lax.sort((key, mnp.arange(3)), num_keys=1)
        return x * ordered + x[places]

    key = np.array([2.0, 5.0, 4.0], np.float32)
    pull = lambda ct, key: mj.linear_transpose(mj.jit(lambda x: f(x, key)), X)(ct)[0]
    expected = X * np.sort(key)
    expected[np.argsort(key)] += X
    np.testing.assert_allclose(pull(X, key), expected)
    np.testing.assert_allclose(mj.jit(pull)(X, key), expected)


def test_results_without_a_cotangent_count_as_zero():
    f = lambda x: lax.switch(1, [lambda x: (x, x * 2.0), lambda x: (x * 3.0, x)], x)
    (pulled,) = mj.vjp(lambda x: f(x)[0], X)[1](X)
    np.testing.assert_allclose(pulled, 3.0 * X)
    (pulled,) = mj.vjp(lambda x: mnp.split(x[:2] * 2.0, 2)[1], X)[1](np.ones(1, np.float32))
    np.testing.assert_allclose(pulled, [0.0, 2.0, 0.0])
