"""Elementwise work on scanned arrays goes into the loops, compared with the program as it was."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.lax as lax
import minijax.numpy as mnp
from minijax.interpreters.eval import eval_closed
from minijax.ir.check import check_jaxpr
from minijax.ir.passes.dce import dce
from minijax.lower.compile import optimised
from minijax.lower.sink import sink_into_scan


@pytest.fixture(autouse=True)
def wide():
    with mj.enable_x64(True):
        yield


def sunk(f, *args):
    """The program after the pass, whose results have been compared with those before; its names outside loops."""
    closed = optimised(mj.make_jaxpr(f)(*args))
    new = dce(sink_into_scan(closed))
    check_jaxpr(new)
    for got, expected in zip(eval_closed(new, *args), eval_closed(closed, *args), strict=True):
        np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
    np.testing.assert_allclose(mj.jit(f)(*args), f(*args), rtol=1e-12)
    return [eqn.primitive.name for eqn in new.jaxpr.eqns]


def total(xs, *more):
    """A scan that adds up rows."""
    return lax.scan(lambda c, x: (c + x, None), mnp.zeros(xs.shape[1:]), xs, *more)[0]


XS = np.linspace(0.1, 2, 24).reshape(6, 4)


def test_a_chain_of_elementwise_work_is_done_in_the_loop():
    assert sunk(lambda xs: total(mnp.sin(xs * 2.0 + 1.0)), XS).count("scan") == 1
    assert "sin" not in sunk(lambda xs: total(mnp.sin(xs * 2.0 + 1.0)), XS)


def test_two_arrays_and_a_scalar_of_the_program():
    f = lambda xs, s: total(xs * s + mnp.exp(xs))
    names = sunk(f, XS, np.float64(3))
    assert "mul" not in names and "exp" not in names


def test_what_is_repeated_in_every_step_is_a_constant_of_the_loop():
    f = lambda row, s: total(mnp.broadcast_to(row, (6, 4)) * mnp.broadcast_to(s, (6, 4)))
    names = sunk(f, XS[0], np.float64(3))
    assert names.count("mul") == 0


def test_what_differs_by_step_but_is_repeated_along_a_row_stays_outside():
    f = lambda column: total(mnp.broadcast_to(column[:, None], (6, 4)))
    assert "broadcast_in_dim" in sunk(f, XS[:, 0])


def test_what_is_read_twice_is_made_once_outside():
    def f(xs):
        y = mnp.sin(xs)
        return total(y) + mnp.sum(y)

    assert "sin" in sunk(f, XS)


def test_loops_over_scalars_and_none_and_backwards():
    for n in (0, 1, 5):
        xs = np.arange(float(n))
        f = lambda xs: lax.scan(lambda c, x: (c * 0.5 + x, c), 1.0, mnp.cos(xs) * 3.0, reverse=True)[0]
        assert "cos" not in sunk(f, xs)


def test_the_seed_of_a_mean_goes_into_the_transposed_loop():
    def loss(w, xs):
        _, hs = lax.scan(lambda h, x: (mnp.tanh(h * w + x),) * 2, mnp.zeros(4), xs)
        return mnp.mean(hs**2)

    names = sunk(mj.grad(loss), np.float64(0.3), XS)
    assert names.count("mul") <= 1
