"""jvp and linearize: equations beside the tangents, and rules that have nothing to say about one of several results."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.dtypes import float0

X = np.array([1.0, -2.0, 3.0], np.float32)
KEY = np.array([2.0, 5.0, 4.0], np.float32)


def weighted(x, key):
    """Linear in x; the key is sorted by an equation with several results."""
    ordered, places = lax.sort((key, mnp.arange(3)), num_keys=1)
    return x * ordered + x[places]


@pytest.mark.parametrize("wrap", [lambda f: f, mj.jit])
def test_equations_without_a_tangent_may_have_several_results(wrap):
    f = wrap(weighted)
    expected = X * np.sort(KEY) + X[np.argsort(KEY)]
    np.testing.assert_allclose(mj.jvp(lambda x: f(x, KEY), (X,), (X,))[1], expected)
    np.testing.assert_allclose(mj.linearize(lambda x: f(x, KEY), X)[1](X), expected)
    np.testing.assert_allclose(mj.jit(mj.grad(lambda x, key: (f(x, key) * X).sum()))(X, KEY), slopes())


def slopes():
    out = X * np.sort(KEY)
    out[np.argsort(KEY)] += X
    return out


def test_a_result_of_integers_has_a_tangent_of_float0():
    outs, tangents = mj.jvp(lambda x: (x * 2.0, mnp.argmax(x)), (X,), (X,))
    np.testing.assert_allclose(tangents[0], 2.0 * X)
    assert outs[1] == 2
    assert tangents[1].dtype == float0
    assert tangents[1].shape == ()


def test_results_that_do_not_move_have_zero_tangents():
    two = lambda x: lax.cond(x.sum() > 0, lambda x: (x * x, 1.0), lambda x: (x, 2.0), x)
    outs, tangents = mj.jvp(two, (X,), (X,))
    assert outs[1] == 1.0
    np.testing.assert_allclose(tangents[0], 2.0 * X * X)
    assert tangents[1] == 0.0
