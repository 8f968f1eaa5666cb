"""Taylor coefficients of every primitive against nested forward mode; the number of operations grows polynomially."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.interpreters.jet import jet_jaxpr, jet_values
from tests.primitives.case_table import CASES
from tests.test_registry import bound, differentiable, directions

ORDER = 3
FIRST_ORDER_ONLY = ("igamma", "igammac")  # there are no higher derivatives in the first operand to compare with

with mj.enable_x64():
    DIFFERENTIABLE = [case for case in CASES if differentiable(case) and case.primitive not in FIRST_ORDER_ONLY]


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def derivatives(g, order):
    """g'(0), g''(0), ... by nested forward mode."""
    found = []
    for _ in range(order):
        g = (lambda h: lambda s: mj.jvp(h, (s,), (mnp.ones(()),))[1])(g)
        found.append(g(mnp.zeros(())))
    return found


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.primitive)
def test_coefficients_equal_nested_forward_mode(case):
    f, xs = bound(case)
    vs, ws = directions(xs, 1), directions(xs, 2)
    curve = lambda s: f(
        *[x + s.astype(x.dtype) * v + (s * s).astype(x.dtype) * w for x, v, w in zip(xs, vs, ws, strict=True)]
    )
    expected = derivatives(curve, ORDER)
    closed = mj.make_jaxpr(f)(*xs)
    inputs = [[x, v, w] for x, v, w in zip(xs, vs, ws, strict=True)]
    outs = jet_values(closed.jaxpr, closed.consts, inputs, ORDER)
    for i, (out, value) in enumerate(zip(outs, f(*xs), strict=True)):
        np.testing.assert_array_equal(out[0], value)
        factorial = 1.0
        for k in range(1, ORDER + 1):
            factorial *= k
            found = np.zeros(value.shape) if k >= len(out) or out[k] is None else np.asarray(out[k]) * factorial
            assert found.shape == value.shape
            np.testing.assert_allclose(found, expected[k - 1][i], rtol=1e-7, atol=1e-8)


MATRIX = np.random.default_rng(0).standard_normal((3, 3)) + 3 * np.eye(3)
FUNCTIONS = {
    "exp": mnp.exp,
    "sin": mnp.sin,
    "tanh": mnp.tanh,
    "sigmoid": mj.nn.sigmoid,
    "quotient": lambda x: x / (1 + x * x),
    "log and sqrt": lambda x: mnp.log(1 + mnp.sqrt(x * x + 1)),
    "power": lambda x: (1 + x * x) ** 1.5,
    "arctan": mnp.arctan,
    "softmax": mj.nn.softmax,
    "matmul": lambda x: mnp.sin(x) @ x @ x,
    "solve": lambda x: mnp.linalg.solve(x, x[0]),
    "inverse": mnp.linalg.inv,
    "determinant": mnp.linalg.det,
    "cholesky": lambda x: mnp.linalg.cholesky(x @ x.T),
    "qr": lambda x: mnp.linalg.qr(x)[1],
    "eigh": lambda x: mnp.linalg.eigh(x + x.T),
    "svd": lambda x: mnp.linalg.svd(x, compute_uv=False),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_number_of_operations_is_polynomial_in_the_order(name):
    closed = mj.make_jaxpr(FUNCTIONS[name])(MATRIX)
    counts = [len(jet_jaxpr(closed, order, (True,))[0].eqns) for order in (4, 8, 16)]
    # Cubic growth would be a factor of 8 for twice the order, nested jvp 16 and 256.
    assert counts[1] < 7 * counts[0]
    assert counts[2] < 7 * counts[1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_matrix_functions_equal_nested_forward_mode(name):
    f = lambda x: mj.tree.leaves(FUNCTIONS[name](x))
    direction = np.random.default_rng(1).standard_normal((3, 3))
    expected = derivatives(lambda s: f(MATRIX + s * direction), 4)
    closed = mj.make_jaxpr(f)(MATRIX)
    outs = jet_values(closed.jaxpr, closed.consts, [[mnp.asarray(MATRIX), mnp.asarray(direction)]], 4)
    for i, out in enumerate(outs):
        for k, factorial in enumerate((1, 2, 6, 24), 1):
            found = 0.0 if out[k] is None else np.asarray(out[k]) * factorial  # None: a polynomial of a lower degree
            np.testing.assert_allclose(found, expected[k - 1][i], rtol=1e-9, atol=1e-9)


def test_exponentials_share_what_sines_and_cosines_share():
    closed = mj.make_jaxpr(mnp.sin)(1.0)
    program, _ = jet_jaxpr(closed, 8, (True,))
    assert mj.ir.histogram(program)["sin"] == 1
    assert mj.ir.histogram(program)["cos"] == 1
    assert mj.ir.histogram(jet_jaxpr(mj.make_jaxpr(mnp.exp)(1.0), 8, (True,))[0])["exp"] == 1


def test_what_does_not_vary_has_a_value_only():
    closed = mj.make_jaxpr(lambda x, y: (x * y, mnp.floor(x), y * 2.0, x > 0))(1.0, 2.0)
    outs = jet_values(closed.jaxpr, closed.consts, [[mnp.float64(1.0), mnp.float64(3.0)], [mnp.float64(2.0)]], 2)
    assert [len(out) for out in outs] == [3, 1, 1, 1]
    assert [float(c) if c is not None else None for c in outs[0]] == [2.0, 6.0, None]


@pytest.mark.parametrize("f", [mnp.exp, mnp.sin, mnp.sqrt, lambda x: x**3, lambda x: 1 / x, mj.nn.softmax])
def test_coefficients_that_are_zero_at_first(f):
    x, w = np.array([0.5, 1.5]), np.array([1.0, -2.0])
    closed = mj.make_jaxpr(f)(x)
    (out,) = jet_values(closed.jaxpr, closed.consts, [[mnp.asarray(x), None, mnp.asarray(w)]], 4)
    expected = derivatives(lambda s: f(x + s * s * w), 4)
    for k, factorial in enumerate((1, 2, 6, 24), 1):
        found = 0.0 if out[k] is None else np.asarray(out[k]) * factorial
        np.testing.assert_allclose(found, expected[k - 1], rtol=1e-9, atol=1e-12)


def test_programs_check_and_know_their_origin():
    closed = mj.make_jaxpr(lambda x: mj.jit(mnp.sin)(x) ** 2)(1.0)
    program, flags = jet_jaxpr(closed, 3, (True,))
    assert flags == (True,)
    mj.ir.check_jaxpr(program)
    assert {eqn.source.origin for eqn in program.eqns if eqn.source is not None} <= {
        "jet(sin)",
        "jet(integer_pow)",
        "jet",
    }


def test_long_programs_need_no_recursion():
    def f(x):
        for _ in range(3000):
            x = x * 0.999
        return x

    closed = mj.make_jaxpr(f)(1.0)
    (out,) = jet_values(closed.jaxpr, closed.consts, [[mnp.float64(1.0), mnp.float64(1.0)]], 2)
    assert float(out[1]) == pytest.approx(0.999**3000)
