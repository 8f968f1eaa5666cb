"""Loops compiled: no Python inside, values and derivatives of the same program evaluated or written in plain Python."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.lower import compile_program
from minijax.lower.loops import Loop
from minijax.lower.steps import Call
from tests.structured.random_loops import plain, programs, run, structured

COUNT = int(os.environ.get("MINIJAX_RANDOM_PROGRAMS", "15"))
thorough = settings(
    max_examples=COUNT, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def compiled(f, *xs):
    """(results, steps) of a function, compiled."""
    program = compile_program(mj.make_jaxpr(f)(*xs))
    return program.run(*[np.asarray(x) for x in mj.tree.leaves(xs)]), program.steps


@thorough
@given(programs(), st.integers(1, 3))
def test_random_loops_compiled_equal_plain_python(program, size):
    def loss(reading):
        def f(w, s):
            u, v = run(program, mnp.sin(w) + s, w * 0.7, w, reading)
            return mnp.sum(u * mnp.arange(1.0, 1.0 + u.size)) + mnp.sum(v * v) * s

        return f

    with mj.enable_x64():
        rng = np.random.default_rng(size)
        w, s = mnp.asarray(rng.normal(size=size)), mnp.asarray(rng.normal())
        results, steps = compiled(loss(structured), w, s)
        np.testing.assert_allclose(results[0], loss(plain)(w, s), rtol=1e-9, atol=1e-10)
        assert not any(type(step) is Call for step in steps)
        expected = mj.grad(loss(plain), argnums=(0, 1))(w, s)
        for a, b in zip(mj.jit(mj.grad(loss(structured), argnums=(0, 1)))(w, s), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_scan_of_arrays_alternates_buffers(length, reverse):
    xs = np.random.default_rng(length).standard_normal((length, 3, 4))
    w = np.random.default_rng(7).standard_normal((4, 4))

    def f(h, xs):
        def step(carry, x):
            h, count = carry
            new = mnp.tanh(h @ w + x)
            return (new, count + 1), new.sum(axis=0)

        return lax.scan(step, (h, 0), xs, reverse=reverse)

    with mj.enable_x64():
        results, steps = compiled(f, np.ones((3, 4)), xs)
    h, rows = np.ones((3, 4)), np.zeros((length, 4))
    for i in reversed(range(length)) if reverse else range(length):
        h = np.tanh(h @ w + xs[i])
        rows[i] = h.sum(axis=0)
    assert [type(step) for step in steps].count(Loop) == 1 and not any(type(step) is Call for step in steps)
    for found, expected in zip(results, (h, length, rows), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_body_that_needs_numpy_is_called_as_a_whole():
    f = lambda x: lax.fori_loop(0, 3, lambda i, v: mnp.sort(v)[::-1] + i, x)
    results, steps = compiled(f, mnp.array([3.0, 1.0, 2.0]))
    assert any(type(step) is Call for step in steps)
    np.testing.assert_allclose(results[0], f(mnp.array([3.0, 1.0, 2.0])))


def test_carries_that_change_places_and_carries_that_stay():
    f = lambda a, b, c: lax.fori_loop(0, 5, lambda i, s: (s[1], s[0] + i, s[2]), (a, b, c))
    xs = np.arange(3.0, dtype=np.float32), np.ones(3, np.float32), np.full(3, 9.0, np.float32)
    results, _ = compiled(f, *xs)
    a, b, c = xs
    for i in range(5):
        a, b = b, a + i
    for found, expected in zip(results, (a, b, c), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 7])
def test_switch_clamps_its_index(index):
    branches = [lambda x: x + 1, lambda x: x * 3, lambda x: mnp.zeros_like(x)]
    x = np.arange(4.0, dtype=np.float32)
    (found,), steps = compiled(lambda i, x: lax.switch(i, branches, x), np.int32(index), x)
    np.testing.assert_array_equal(found, branches[min(max(index, 0), 2)](x))
    assert not any(type(step) is Call for step in steps)


@pytest.mark.parametrize("moved", [lambda h: h[0], lambda h: h.reshape(-1), lambda h: h[:, 1:], lambda h: h.T])
def test_a_result_of_a_body_that_only_moves_data_stays_native(moved):
    """A NumPy view of a place inside the loop cannot exist; such a result must not send the whole loop to Python."""
    rng = np.random.default_rng(3)
    h, xs = rng.standard_normal((1, 4)), rng.standard_normal((5, 4))

    def f(h, xs):
        def step(h, x):
            h = mnp.tanh(h * 0.5 + x)
            return h, moved(h * 2)

        return lax.scan(step, h, xs)

    with mj.enable_x64():
        results, steps = compiled(f, h, xs)
        assert [type(step) for step in steps] == [Loop]
    for x in xs:
        h = np.tanh(h * 0.5 + x)
    np.testing.assert_allclose(results[0], h, rtol=1e-14)
    np.testing.assert_allclose(results[1][-1], moved(h * 2), rtol=1e-14)
