"""hoist_from_scan: the same values and derivatives, with the products outside the loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.interpreters.eval import eval_closed
from minijax.ir.check import check_jaxpr
from minijax.ir.passes.dce import dce
from minijax.lower.compile import optimised
from minijax.lower.hoist import hoist_from_scan
from tests.structured.random_loops import programs, run, structured


def same(closed, *xs, rtol=1e-9):
    """The hoisted program, after a comparison of both programs' results."""
    closed = optimised(closed)
    hoisted = dce(hoist_from_scan(closed))
    check_jaxpr(hoisted)
    for a, b in zip(eval_closed(hoisted, *xs), eval_closed(closed, *xs), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-9)
    return hoisted


def scans(closed):
    return [eqn for eqn in closed.jaxpr.eqns if eqn.primitive.name == "scan"]


def products(closed):
    return sum(eqn.primitive.name == "dot_general" for eqn in closed.jaxpr.eqns)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 64])
@pytest.mark.parametrize("length", [0, 1, 5])
def test_products_of_a_recurrent_net_leave_the_loops(length, n, left, reverse):
    rng = np.random.default_rng(n)

    def loss(w, u, xs):
        def step(h, x):
            h = mnp.tanh(w @ h + u @ x) if left else mnp.tanh(h @ w + x @ u)
            return h, h

        h, hs = lax.scan(step, mnp.ones((n, n)), xs, reverse=reverse)
        return mnp.sum(hs**2) + mnp.sum(h)

    with mj.enable_x64():
        xs = [mnp.asarray(rng.normal(size=s) / 3) for s in ((n, n), (n, n), (length, n, n))]
        closed = mj.make_jaxpr(mj.value_and_grad(loss, argnums=(0, 1)))(*xs)
        hoisted = same(closed, *xs)
        # eight rows keep a processor busy in the loop; a sum of products that is read and written in every step does not
        inside, outside = ([1, 1], 3) if n < 8 else ([2, 1], 2) if n < 64 else ([2, 3], 0)
        assert [products(eqn.params["jaxpr"]) for eqn in scans(hoisted)] == inside
        assert products(hoisted) == outside
        value, grads = mj.jit(mj.value_and_grad(loss, argnums=(0, 1)))(*xs)
        np.testing.assert_allclose(value, loss(*xs), rtol=1e-9)
        direction = rng.normal(size=(n, n))
        for k in (0, 1):
            moved = [[x + s * 1e-6 * direction if i == k else x for i, x in enumerate(xs)] for s in (1, -1)]
            slope = (loss(*moved[0]) - loss(*moved[1])) / 2e-6
            np.testing.assert_allclose(np.sum(np.asarray(grads[k]) * direction), slope, rtol=1e-5, atol=1e-7)


def test_stacks_that_are_larger_than_half_of_the_loops_own_stay_inside():
    w = np.ones((2, 1000))
    f = lambda xs: lax.scan(lambda c, x: (c + x @ w, ()), mnp.zeros(1000), xs)[0]
    with mj.enable_x64():
        xs = mnp.ones((50, 2))
        (loop,) = scans(same(mj.make_jaxpr(f)(xs), xs))
        assert products(loop.params["jaxpr"]) == 1


def test_invariant_equations_come_before_the_loop_and_broadcasts_stay():
    def f(w, xs):
        return lax.scan(lambda c, x: (mnp.sin(c * mnp.exp(w)) + x, ()), mnp.ones(3), xs)[0]

    with mj.enable_x64():
        w, xs = mnp.ones(3), mnp.ones((4, 3))
        hoisted = same(mj.make_jaxpr(f)(w, xs), w, xs)
        names = [eqn.primitive.name for eqn in scans(hoisted)[0].params["jaxpr"].jaxpr.eqns]
        assert "exp" not in names and "exp" in [eqn.primitive.name for eqn in hoisted.jaxpr.eqns]


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "complex64"])
def test_sums_of_products_of_every_dtype(dtype):
    a = np.arange(60).reshape(5, 3, 4).astype(dtype)
    f = lambda a: lax.scan(lambda c, x: (x.T @ x + c, x), mnp.ones((4, 4), dtype), a)
    hoisted = same(mj.make_jaxpr(f)(a), a, rtol=1e-6)
    assert products(hoisted) == 1 and products(scans(hoisted)[0].params["jaxpr"]) == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(programs(), st.integers(1, 3))
def test_random_loops_keep_their_values_and_gradients(program, size):
    def f(w, s):
        u, v = run(program, mnp.sin(w) + s, w * 0.7, w, structured)
        return mnp.sum(u) + mnp.sum(v * v) * s

    with mj.enable_x64():
        rng = np.random.default_rng(size)
        w, s = mnp.asarray(rng.normal(size=size)), mnp.asarray(rng.normal())
        same(mj.make_jaxpr(mj.value_and_grad(f, argnums=(0, 1)))(w, s), w, s, rtol=1e-8)
