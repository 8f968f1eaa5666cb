"""Products that are only wanted transposed, computed that way round."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.interpreters.eval import eval_closed
from minijax.ir.check import check_jaxpr
from minijax.ir.passes.dce import dce
from minijax.lower import compile_program
from minijax.lower.turn import turn_products


def turned(f, *args):
    """Names of the equations after the pass, whose results have been compared with those before."""
    closed = mj.make_jaxpr(f)(*args)
    new = dce(turn_products(closed))
    check_jaxpr(new)
    for got, expected in zip(eval_closed(new, *args), eval_closed(closed, *args), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=1e-5)
    return [eqn.primitive.name for eqn in new.jaxpr.eqns]


def draw(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.parametrize(
    "f, shapes",
    [
        (lambda a, b: (a @ b).T, [(5, 3), (3, 4)]),
        (
            lambda a, b: mnp.transpose(mj.lax.dot_general(a, b, (((2,), (1,)), ((), ()))), (2, 0, 1)),
            [(2, 5, 3), (4, 3)],
        ),
        (
            lambda a, b: mnp.transpose(mj.lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,)))), (0, 2, 1)),
            [(2, 5, 3), (2, 3, 4)],
        ),
    ],
)
def test_a_transpose_that_exchanges_the_sides_goes_away(f, shapes):
    assert turned(f, *(draw(*s) for s in shapes)) == ["dot_general"]


def test_other_transposes_and_products_that_are_read_twice_stay():
    def inside(a, b):
        return mnp.transpose(mj.lax.dot_general(a, b, (((2,), (0,)), ((), ()))), (1, 0, 2))

    assert "transpose" in turned(inside, draw(2, 5, 3), draw(3, 4))

    def twice(a, b):
        c = a @ b
        return c.T, c

    assert "transpose" in turned(twice, draw(5, 3), draw(3, 4))


def test_the_gradient_of_a_layer_is_one_product_per_operand():
    loss = lambda w, x: mnp.sum(x @ w)
    closed = compile_program(mj.make_jaxpr(mj.grad(loss, (0, 1)))(draw(20, 30), draw(40, 20))).closed
    assert [eqn.primitive.name for eqn in closed.jaxpr.eqns].count("transpose") == 0
