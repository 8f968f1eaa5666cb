"""Products of updates that meet at one element: derivatives of every order, whatever is zero. The rest: test_gather.py."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

# Four updates meet at element 0, two at 2, one is outside.
PLACES = np.array([0, 2, 0, 0, 1, 9, 2, 0])
START = np.array([2.0, 3.0, 0.5])


def scattered(x, updates):
    return x.at[PLACES].multiply(updates, mode="drop")


def multiplied(x, updates):
    """The same in products of scalars."""
    out = list(x)
    for place, update in zip(PLACES, updates, strict=True):
        if place < 3:
            out[place] = out[place] * update
    return mnp.stack(out)


UPDATES = {
    "no zero": [1.5, 2.0, -0.5, 3.0, 2.0, 5.0, -1.0, 0.7],
    "one zero": [0.0, 2.0, -0.5, 3.0, 0.0, 5.0, 0.0, 0.7],
    "two zeros": [0.0, 0.0, -0.5, 0.0, 2.0, 5.0, 0.0, 0.7],
    "three zeros": [0.0, 2.0, 0.0, 0.0, 2.0, 5.0, -1.0, 0.7],
    "four zeros": [0.0, 2.0, 0.0, 0.0, 2.0, 5.0, -1.0, 0.0],
    "infinite outside": [1.5, 2.0, 0.0, 3.0, 2.0, np.inf, -1.0, 0.7],
}


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("zeros", UPDATES)
def test_derivatives_of_products(zeros, order):
    with mj.enable_x64():
        f, g = scattered, multiplied
        for _ in range(order):
            f, g = mj.jacfwd(f, 1), mj.jacfwd(g, 1)
        arguments = mnp.array(START), mnp.array(UPDATES[zeros])
        np.testing.assert_allclose(f(*arguments), g(*arguments), rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("zeros", UPDATES)
def test_derivatives_of_products_in_reverse_mode(zeros, order):
    with mj.enable_x64():
        f, g = scattered, multiplied
        for argument in (1, 0, 1)[:order]:
            f, g = mj.jacrev(f, argument), mj.jacrev(g, argument)
        arguments = mnp.array(START), mnp.array(UPDATES[zeros])
        np.testing.assert_allclose(f(*arguments), g(*arguments), rtol=1e-12)


def test_windows_that_overlap():
    updates = mnp.array([[0.0, 2.0], [0.0, 0.0], [3.0, 0.0]])
    numbers = mj.lax.ScatterDimensionNumbers((1,), (), (0,))

    def f(updates):
        return mj.lax.scatter_mul(mnp.arange(1.0, 5.0), np.array([[0], [1], [2]]), updates, numbers)

    def g(u):
        return mnp.stack([u[0, 0], 2 * u[0, 1] * u[1, 0], 3 * u[1, 1] * u[2, 0], 4 * u[2, 1]])

    for derivative in (mj.jacfwd, lambda f: mj.jacfwd(mj.jacrev(f)), lambda f: mj.jit(mj.hessian(f))):
        np.testing.assert_allclose(derivative(f)(updates), derivative(g)(updates))
