"""Nested loops and branches have the values and derivatives of the same program in plain Python, under every transformation."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import minijax as mj
import minijax.numpy as mnp
from minijax.array import raw
from minijax.interpreters.eval import eval_closed
from minijax.ir import check_jaxpr, parse
from minijax.ir.passes.cse import cse
from minijax.ir.passes.dce import dce, dce_jaxpr
from minijax.ir.passes.fold_constants import fold_constants
from minijax.ir.passes.inline_calls import inline_calls
from minijax.ir.passes.lift_guards import lift_guards
from minijax.ir.passes.rewrite import rewrite
from tests.structured.random_loops import plain, programs, run, structured

COUNT = int(os.environ.get("MINIJAX_RANDOM_PROGRAMS", "20"))
thorough = settings(
    max_examples=COUNT, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
sizes = st.integers(1, 3)


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def losses(program):
    def loss(reading):
        def f(w, s):
            u, v = run(program, mnp.sin(w) + s, w * 0.7, w, reading)
            return mnp.sum(u * mnp.arange(1.0, 1.0 + u.size)) + mnp.sum(v * v) * s

        return f

    return loss(structured), loss(plain)


def point(size, seed=0):
    rng = np.random.default_rng(seed)
    return mnp.asarray(rng.normal(size=size)), mnp.asarray(rng.normal())


def same(a, b):
    for x, y in zip(mj.tree.leaves(a), mj.tree.leaves(b), strict=True):
        np.testing.assert_allclose(raw(x), raw(y), rtol=1e-9, atol=1e-10)


@thorough
@given(programs(), sizes)
def test_values_and_first_derivatives(program, size):
    f, g = losses(program)
    x = point(size)
    same(f(*x), g(*x))
    same(mj.grad(f, (0, 1))(*x), mj.grad(g, (0, 1))(*x))
    tangents = point(size, 1)
    same(mj.jvp(f, x, tangents), mj.jvp(g, x, tangents))


@thorough
@given(programs(2), sizes)
def test_second_derivatives_in_every_order_of_modes(program, size):
    f, g = losses(program)
    x, t = point(size), point(size, 1)

    def along(f):
        return lambda *x: mj.jvp(f, x, t)[1]

    def paired(f):
        return lambda *x: sum(mnp.sum(a * b) for a, b in zip(mj.grad(f, (0, 1))(*x), t, strict=True))

    expected = mj.grad(paired(g), (0, 1))(*x)
    same(mj.grad(along(f), (0, 1))(*x), expected)  # reverse over forward
    same(mj.grad(paired(f), (0, 1))(*x), expected)  # reverse over reverse
    same(mj.jvp(mj.grad(f, (0, 1)), x, t)[1], expected)  # forward over reverse
    same(along(along(f))(*x), along(along(g))(*x))


@thorough
@given(programs(2), sizes)
def test_under_jit(program, size):
    f, g = losses(program)
    x, t = point(size), point(size, 1)
    same(mj.jit(f)(*x), g(*x))
    same(mj.jit(mj.grad(f, (0, 1)))(*x), mj.grad(g, (0, 1))(*x))
    same(mj.grad(mj.jit(f), (0, 1))(*x), mj.grad(g, (0, 1))(*x))
    hvp = mj.jit(lambda *x: mj.jvp(mj.grad(f), x, t)[1])
    same(hvp(*x), mj.jvp(mj.grad(g), x, t)[1])


@thorough
@given(programs(2), sizes)
def test_under_vmap(program, size):
    f, g = losses(program)
    rows = [point(size, seed) for seed in range(3)]
    w, s = (mnp.stack(column) for column in zip(*rows, strict=True))
    same(mj.vmap(f)(w, s), mnp.stack([g(*row) for row in rows]))
    gradients = mj.vmap(mj.grad(f, (0, 1)))(w, s)
    same(gradients, [mnp.stack(column) for column in zip(*(mj.grad(g, (0, 1))(*row) for row in rows), strict=True)])
    same(mj.grad(lambda w, s: mnp.sum(mj.vmap(f)(w, s)), (0, 1))(w, s), gradients)
    same(mj.vmap(f, in_axes=(None, 0))(rows[0][0], s), mnp.stack([g(rows[0][0], row[1]) for row in rows]))
    same(mj.vmap(mj.jacfwd(mj.grad(f)))(w, s), mnp.stack([mj.jacfwd(mj.grad(g))(*row) for row in rows]))


@thorough
@given(programs(2), sizes)
def test_programs_are_well_formed(program, size):
    f, _ = losses(program)
    x = w, s = point(size)
    for g in (f, mj.grad(f), lambda *x: mj.jvp(f, x, x), mj.jacfwd(mj.grad(f))):
        check_jaxpr(mj.make_jaxpr(g)(*x))
    check_jaxpr(mj.make_jaxpr(mj.vmap(mj.grad(f), in_axes=(None, 0)))(w, mnp.stack([s, s])))


@thorough
@given(programs(2), sizes)
def test_passes_and_text_keep_the_meaning(program, size):
    f, _ = losses(program)
    w, s = x = point(size)
    for g in (f, mj.grad(f, (0, 1)), lambda *x: mj.jvp(f, x, x)):
        closed = mj.make_jaxpr(g)(*x)
        expected = eval_closed(closed, w, s)
        for function in (dce, cse, fold_constants, inline_calls, lift_guards, rewrite):
            changed = function(closed)
            check_jaxpr(changed)
            same(eval_closed(changed, w, s), expected)
        if not closed.consts:
            same(eval_closed(parse(str(closed)), w, s), expected)


@thorough
@given(programs(2), sizes, st.data())
def test_dead_results_of_loops_are_dropped(program, size, data):
    def both(w, s):
        u, v = run(program, mnp.sin(w) + s, w * 0.7, w, structured)
        return (*mj.jvp(lambda w: run(program, mnp.sin(w) + s, w, w, structured), (w,), (w,))[1], u, v)

    closed = mj.make_jaxpr(both)(*point(size))
    used = data.draw(st.lists(st.booleans(), min_size=4, max_size=4))
    reduced, reads = dce_jaxpr(closed, used)
    check_jaxpr(reduced)
    args = [x for x, flag in zip(point(size), reads, strict=True) if flag]
    expected = [x for x, flag in zip(eval_closed(closed, *point(size)), used, strict=True) if flag]
    same(eval_closed(reduced, *args), expected)
