"""custom_linear_solve: every derivative equals that of `numpy.linalg.solve`, whatever the solver is."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.ir import check_jaxpr, histogram, parse

A = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, -0.2], [0.1, 0.4, 1.5]])
B = np.array([1.0, -2.0, 0.5])


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def dense(f, b):
    return mnp.linalg.solve(mj.jacobian(f)(b), b)


def richardson(f, b):
    """x <- x + (b - A x) / 4 until nothing changes: a loop of unknown length."""

    def step(carry):
        x, _ = carry
        change = (b - f(x)) / 4.0
        return x + change, abs(change).max()

    return lax.while_loop(lambda carry: carry[1] > 1e-14, step, (0.0 * b, 1.0))[0]


def solved(solve):
    return lambda a, b: lax.custom_linear_solve(lambda x: a @ x, b, solve, solve)


def loss(solve):
    return lambda a, b: mnp.sin(solve(a, b)).sum()


TRANSFORMED = {
    "value": lambda f: f(A, B),
    "jit": lambda f: mj.jit(f)(A, B),
    "jvp": lambda f: mj.jvp(f, (A, B), (A.T, B[::-1])),
    "jvp in b": lambda f: mj.jvp(lambda b: f(A, b), (B,), (B[::-1],)),
    "grad": lambda f: mj.grad(f, (0, 1))(A, B),
    "jit of grad": lambda f: mj.jit(mj.grad(f, (0, 1)))(A, B),
    "grad of jit": lambda f: mj.grad(mj.jit(f), (0, 1))(A, B),
    "hessian": lambda f: mj.hessian(f, (0, 1))(A, B),
    "reverse twice": lambda f: mj.jacrev(mj.grad(f, (0, 1)), (0, 1))(A, B),
    "forward over forward": lambda f: mj.jacfwd(mj.jacfwd(f))(A, B),
    "vmap over both": lambda f: mj.vmap(f)(np.stack([A, A.T]), np.stack([B, 2 * B])),
    "vmap over b": lambda f: mj.vmap(f, (None, 1))(A, np.stack([B, 2 * B], 1)),
    "vmap over a": lambda f: mj.vmap(f, (2, None))(np.stack([A, A.T], 2), B),
    "vmap of grad": lambda f: mj.vmap(mj.grad(f, (0, 1)), (0, None))(np.stack([A, A.T]), B),
    "linearize": lambda f: mj.linearize(f, A, B)[1](A.T, B[::-1]),
    "checkpoint": lambda f: mj.grad(mj.checkpoint(f))(A, B),
    "in a loop": lambda f: mj.grad(
        lambda a: lax.scan(lambda c, b: (c + f(a, c * b), None), 1.0, np.stack([B, B]))[0]
    )(A),
}


@pytest.mark.parametrize("solve", [dense, richardson])
@pytest.mark.parametrize("name", TRANSFORMED)
def test_derivatives_are_those_of_the_solution(name, solve):
    found, expected = (TRANSFORMED[name](loss(f)) for f in (solved(solve), mnp.linalg.solve))
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10), found, expected)


def test_the_solver_is_not_differentiated():
    program = mj.make_jaxpr(mj.grad(loss(solved(richardson)), (0, 1)))(A, B)
    assert histogram(program)["custom_linear_solve"] == 2  # the solution, and that of the transposed system
    assert "deferred_jvp" not in histogram(program)


def test_a_symmetric_system_needs_one_solver():
    symmetric = A + A.T
    f = lambda b: lax.custom_linear_solve(lambda x: symmetric @ x, b, dense, symmetric=True)
    np.testing.assert_allclose(mj.jacrev(f)(B), np.linalg.inv(symmetric), rtol=1e-12)
    with_both = lambda b: lax.custom_linear_solve(lambda x: symmetric @ x, b, dense, dense, symmetric=True)
    np.testing.assert_allclose(mj.jacrev(with_both)(B), np.linalg.inv(symmetric), rtol=1e-12)


def test_the_transposed_solver_gets_the_transposed_map():
    seen = []

    def back(vecmat, ct):
        seen.append(mj.jacobian(vecmat)(B))
        return mnp.linalg.solve(seen[-1], ct)

    f = lambda b: lax.custom_linear_solve(lambda x: A @ x, b, dense, back)
    np.testing.assert_allclose(mj.jacrev(f)(B), np.linalg.inv(A), rtol=1e-12)
    assert len(seen) == 1


def test_without_a_transposed_solver_there_is_forward_mode_only():
    f = lambda b: lax.custom_linear_solve(lambda x: A @ x, b, dense).sum()
    np.testing.assert_allclose(mj.jvp(f, (B,), (B,))[1], np.linalg.solve(A, B).sum(), rtol=1e-12)
    with pytest.raises(TypeError, match="transpose_solve required for backwards mode") as error:
        mj.grad(f)(B)
    assert "test_linear_solve.py" in str(error.value) and "symmetric=True" in str(error.value)


def test_what_the_solver_gives_beside_the_solution_has_no_derivative():
    solve = lambda f, b: (dense(f, b), {"norm": abs(b).sum(), "steps": 3})

    def f(b):
        x, aux = lax.custom_linear_solve(lambda x: A @ x, b, solve, solve, has_aux=True)
        return (x * aux["norm"]).sum(), aux

    gradient, aux = mj.grad(f, has_aux=True)(B)
    np.testing.assert_allclose(gradient, abs(B).sum() * np.linalg.inv(A).sum(0), rtol=1e-12)
    assert float(aux["norm"]) == abs(B).sum() and int(aux["steps"]) == 3
    (_, batched) = mj.vmap(f)(np.stack([B, 2 * B]))
    np.testing.assert_allclose(batched["norm"], [abs(B).sum(), 2 * abs(B).sum()])


def test_unknowns_are_trees():
    def f(s, b):
        matvec = lambda x: {"u": s * x["u"] + x["v"], "v": x["v"] * 2.0}
        solve = lambda g, b: {"u": (b["u"] - b["v"] / 2.0) / s, "v": b["v"] / 2.0}
        back = lambda g, b: {"u": b["u"] / s, "v": (b["v"] - b["u"] / s) / 2.0}
        x = lax.custom_linear_solve(matvec, b, solve, back)
        return x["u"] * x["v"]

    plain = lambda s, b: (b["u"] - b["v"] / 2.0) / s * b["v"] / 2.0
    b = {"u": 3.0, "v": 1.0}
    mj.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12),
        mj.grad(f, (0, 1))(1.5, b),
        mj.grad(plain, (0, 1))(1.5, b),
    )


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda: lax.custom_linear_solve(lambda x: (x, x), B, dense),
            r"matvec must return the structure of b, but they",
        ),
        (
            lambda: lax.custom_linear_solve(lambda x: x[:2], B, dense),
            r"b has type f64\[3\], the output of matvec has type",
        ),
        (
            lambda: lax.custom_linear_solve(lambda x: x, B, lambda f, b: b[0]),
            r"output of solve has type f64\[\], so the sh",
        ),
        (
            lambda: lax.custom_linear_solve(lambda x: x, B, dense, lambda f, b: b.astype("float32")),
            "output of transpose_solve has type f32.3., so the dtypes do not match",
        ),
        (
            lambda: lax.custom_linear_solve(lambda x: x, B, dense, has_aux=True),
            "solve: has_aux=True, so it must return a",
        ),
    ],
)
def test_wrong_functions_are_refused_with_their_lines(run, message):
    with pytest.raises(TypeError, match=message) as error:
        run()
    assert "test_linear_solve.py:" in str(error.value)


def test_programs_check_print_and_parse():
    program = mj.make_jaxpr(solved(dense))(A, B)
    check_jaxpr(program)
    text = str(program)
    assert "custom_linear_solve[" in text and "transpose_solve={" in text and "vecmat={" in text
    assert str(parse(text, program.consts)) == text
