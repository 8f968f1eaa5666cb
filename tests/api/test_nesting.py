"""Transformations compose in any order: every nesting to depth four equals the closed form or finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

# Functions of one scalar with all derivatives at hand, as functions of (order, x).
FUNCTIONS = {
    "sin": (mnp.sin, lambda n, x: np.sin(x + n * np.pi / 2)),
    "exp2x": (lambda x: mnp.exp(2.0 * x), lambda n, x: 2.0**n * np.exp(2 * x)),
    "power": (lambda x: x**5, lambda n, x: np.prod(np.arange(5 - n + 1, 6)) * x ** (5 - n)),
    "branch": (
        lambda x: mnp.sin(x) if x > 0 else -mnp.exp(x),
        lambda n, x: np.sin(x + n * np.pi / 2) if x > 0 else -np.exp(x),
    ),
}
BRANCHING = {"branch"}


def by_jvp(f):
    return lambda x: mj.jvp(f, (x,), (mnp.ones_like(x),))[1]


def by_vjp(f):
    return lambda x: mj.vjp(f, x)[1](mnp.ones_like(x))[0]


def by_linearize(f):
    return lambda x: mj.linearize(f, x)[1](mnp.ones_like(x))


DERIVATIVES = {
    "grad": mj.grad,
    "jvp": by_jvp,
    "vjp": by_vjp,
    "linearize": by_linearize,
    "jacfwd": mj.jacfwd,
    "jacrev": mj.jacrev,
}
WRAPPERS = {"jit": mj.jit, "vmap": lambda f: lambda x: mj.vmap(f)(mnp.stack([x, x + 0.5]))[0]}
ALL = DERIVATIVES | WRAPPERS


# a branch on a mapped value is refused: tests/ir/test_concrete.py
NESTINGS = [
    pytest.param(name, nesting, id=f"{name}-{'-'.join(nesting)}")
    for depth in (1, 2, 3, 4)
    for nesting in itertools.product(["grad", "jvp", "jacfwd", "jit", "vmap"], repeat=depth)
    for name in sorted(FUNCTIONS)
    if not (name in BRANCHING and "vmap" in nesting)
]


@pytest.mark.parametrize(("name", "nesting"), NESTINGS)
def test_every_nesting_to_depth_four(name, nesting):
    check(name, nesting, 0.7)


@pytest.mark.parametrize("nesting", list(itertools.product(sorted(DERIVATIVES), repeat=2)), ids="-".join)
def test_every_pair_of_derivatives(nesting):
    check("exp2x", nesting, 0.3)


def check(name, nesting, x):
    f, derivative = FUNCTIONS[name]
    order = 0
    for transformation in reversed(nesting):
        f = ALL[transformation](f)
        order += transformation in DERIVATIVES
    with mj.enable_x64():
        np.testing.assert_allclose(f(mnp.asarray(x)), derivative(order, x), rtol=1e-10)


def test_perturbations_of_nested_derivatives_are_not_confused():
    # d/dx (x * d/dy (x + y)) = 1: an implementation that mixes the two perturbations says 2
    assert mj.grad(lambda x: x * mj.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert by_jvp(lambda x: x * by_jvp(lambda y: x + y)(mnp.asarray(1.0)))(mnp.asarray(1.0)) == 1.0
    assert by_jvp(lambda x: x * mj.grad(lambda y: x + y)(1.0))(mnp.asarray(1.0)) == 1.0


def test_an_inner_derivative_sees_the_outer_variable():
    # f(x) = d/dy (x^2 y^3) at y = x is 3 x^4
    f = lambda x: mj.grad(lambda y: x**2 * y**3)(x)
    np.testing.assert_allclose(mj.grad(f)(2.0), 12 * 2.0**3, rtol=1e-6)
    np.testing.assert_allclose(mj.jit(mj.grad(f))(2.0), 12 * 2.0**3, rtol=1e-6)


def test_a_higher_order_function_keeps_its_perturbations_apart():
    # Manzyuk et al. 2012: the derivative of a function-valued function must be tagged per application
    def shifted(u):
        return lambda f: lambda x: f(x + u)

    d_shift = lambda f, x: mj.jvp(lambda u: shifted(u)(f)(x), (0.0,), (1.0,))[1]
    twice = d_shift(lambda y: d_shift(mnp.exp, y), 0.3)
    np.testing.assert_allclose(twice, np.exp(0.3), rtol=1e-6)
