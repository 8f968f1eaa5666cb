"""custom_root: derivatives of roots by the implicit function theorem, against closed forms and unrolled solvers."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.ir import check_jaxpr, histogram, parse


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def scalar_solve(g, y):
    return y / g(1.0)


def newton(f, guess):
    return lax.while_loop(lambda x: abs(f(x)) > 1e-13, lambda x: x - f(x) / mj.grad(f)(x), guess)


def root(a):
    """The root of x**3 - a."""
    return lax.custom_root(lambda x: x**3 - a, 1.0, newton, scalar_solve)


cube_root = lambda a: a ** (1.0 / 3.0)
X = np.array([0.5, 2.0, 8.0])
TRANSFORMED = {
    "value": lambda f: f(2.0),
    "jit": lambda f: mj.jit(f)(2.0),
    "jvp": lambda f: mj.jvp(f, (2.0,), (0.5,)),
    "grad": lambda f: mj.grad(f)(2.0),
    "jit of grad": lambda f: mj.jit(mj.grad(f))(2.0),
    "grad of jit": lambda f: mj.grad(mj.jit(f))(2.0),
    "hessian": lambda f: mj.hessian(f)(2.0),
    "reverse twice": lambda f: mj.grad(mj.grad(f))(2.0),
    "forward twice": lambda f: mj.jacfwd(mj.jacfwd(f))(2.0),
    "third": lambda f: mj.jit(mj.grad(mj.grad(mj.grad(f))))(2.0),
    "vmap": lambda f: mj.vmap(f)(X),
    "vmap of hessian": lambda f: mj.vmap(mj.hessian(f))(X),
    "grad of vmap": lambda f: mj.grad(lambda x: mj.vmap(f)(x).sum())(X),
    "linearize": lambda f: mj.linearize(f, 2.0)[1](3.0),
    "checkpoint": lambda f: mj.grad(mj.checkpoint(f))(2.0),
    "in a loop": lambda f: mj.grad(lambda a: lax.fori_loop(0, 3, lambda i, x: f(x + a), a))(2.0),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_derivatives_are_those_of_the_root(name):
    found, expected = TRANSFORMED[name](root), TRANSFORMED[name](cube_root)
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), found, expected)


def test_the_solver_is_not_differentiated():
    program = mj.make_jaxpr(mj.grad(root))(2.0)
    counts = histogram(program)
    assert counts["custom_root"] == 1 and counts["custom_linear_solve"] == 1 and "deferred_jvp" not in counts


def fixed_point(theta, b):
    f = lambda x: mnp.tanh(theta @ x + b) - x
    iterate = lambda f, x: lax.while_loop(lambda x: abs(f(x)).max() > 1e-14, lambda x: x + f(x), x)
    return lax.custom_root(f, mnp.zeros(2), iterate, lambda g, y: mnp.linalg.solve(mj.jacobian(g)(y), y))


def unrolled(theta, b):
    x = mnp.zeros(2)
    for _ in range(60):
        x = mnp.tanh(theta @ x + b)
    return x


@pytest.mark.parametrize("derivative", [mj.jacrev, mj.jacfwd, lambda f, n: mj.jit(mj.jacrev(mj.jacrev(f, n), n))])
def test_an_implicit_layer_equals_the_unrolled_one(derivative):
    theta, b = np.array([[0.2, 0.1], [-0.3, 0.1]]), np.array([1.0, 2.0])
    found, expected = (derivative(f, (0, 1))(theta, b) for f in (fixed_point, unrolled))
    mj.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12), found, expected)


def test_aux_trees_and_the_guess():
    def f(a, guess):
        equation = lambda x: {"u": x["u"] ** 2 - a, "v": x["v"] - x["u"] * a}
        solve = lambda f, x: ({"u": mnp.sqrt(a), "v": a * mnp.sqrt(a)}, 7)
        tangent = lambda g, y: {
            "u": y["u"] / g({"u": 1, "v": 0})["u"],
            "v": y["v"] - g({"u": 1.0, "v": 0.0})["v"] * y["u"] / g({"u": 1.0, "v": 0.0})["u"],
        }
        x, steps = lax.custom_root(equation, {"u": guess, "v": guess}, solve, tangent, has_aux=True)
        return x["v"], steps

    (value, steps), (da, dguess) = mj.value_and_grad(f, (0, 1), has_aux=True)(4.0, 1.0)
    assert (float(value), int(steps)) == (8.0, 7)
    np.testing.assert_allclose([da, dguess], [3.0, 0.0], atol=1e-12)  # v = a**1.5


def test_a_solver_of_the_tangent_that_is_not_linear_serves_forward_mode():
    f = lambda a: lax.custom_root(lambda x: x**2 - a, 1.0, newton, lambda g, y: y * y / (y * g(1.0)))
    np.testing.assert_allclose(mj.jvp(f, (4.0,), (1.0,))[1], 0.25)
    with pytest.raises(NotImplementedError, match="Transposition rule for 'div' not implemented"):
        mj.grad(f)(4.0)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda: lax.custom_root(lambda x: (x, x), 1.0, newton, scalar_solve),
            "f must return the structure of initial_gu",
        ),
        (
            lambda: lax.custom_root(lambda x: x > 0, 1.0, newton, scalar_solve),
            r"the output of f has type bool\[\], so the",
        ),
        (
            lambda: lax.custom_root(lambda x: x, 1.0, lambda f, x: [x], scalar_solve),
            "the output of solve is a <class 'lis",
        ),
        (
            lambda: lax.custom_root(lambda x: x, 1.0, lambda f, x: x, lambda g, y: mnp.ones(2)),
            r"the output of tangent_solve has type f64\[2\], so the shapes do not match",
        ),
        (lambda: lax.custom_root(lambda x: x, 1.0, newton, scalar_solve, has_aux=True), "must return a pair"),
    ],
)
def test_wrong_functions_are_refused_with_their_lines(run, message):
    with pytest.raises(TypeError, match=message) as error:
        run()
    assert "test_root.py:" in str(error.value)


def test_programs_check_print_and_parse():
    program = mj.make_jaxpr(root)(2.0)
    check_jaxpr(program)
    text = str(program)
    assert "custom_root[" in text and "tangent_solve={" in text
    assert str(parse(text, program.consts)) == text


def test_a_solution_is_weakly_typed_where_guess_and_solver_are():
    with mj.enable_x64(False):
        for a, weak in ((2.0, True), (np.float32(2.0), False)):
            found = lax.custom_root(lambda x: x**2 - a, 1.0, lambda f, x: 0.0 * x + mnp.sqrt(a), scalar_solve)
            assert found.weak_type is weak and found.dtype == np.float32
        assert root(2.0).weak_type and mj.grad(root)(2.0).weak_type
        assert not root(np.float32(2.0)).weak_type
