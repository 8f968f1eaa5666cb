"""linear_call and custom_transpose: the transpose given is what reverse mode uses, in every combination."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.custom_derivatives import linear_call
from minijax.custom_transpose import custom_transpose

X = mnp.array([0.3, -1.2, 2.0])


def divided(x, r, transpose=lambda r, ct: ct / r):
    return linear_call(lambda r, x: x / r, transpose, r, x)


TRANSFORMED = {
    "value": lambda f: f(3.0, 2.0),
    "jit": lambda f: mj.jit(f)(3.0, 2.0),
    "jvp": lambda f: mj.jvp(f, (3.0, 2.0), (1.0, 0.5)),
    "grad": lambda f: mj.grad(f, (0, 1))(3.0, 2.0),
    "jit of grad": lambda f: mj.jit(mj.grad(f, (0, 1)))(3.0, 2.0),
    "grad of jit": lambda f: mj.grad(mj.jit(f), (0, 1))(3.0, 2.0),
    "hessian": lambda f: mj.hessian(f, (0, 1))(3.0, 2.0),
    "reverse twice": lambda f: mj.jacrev(mj.grad(f, (0, 1)), (0, 1))(3.0, 2.0),
    "vmap": lambda f: mj.vmap(f)(X, X + 3),
    "vmap of grad": lambda f: mj.vmap(mj.grad(f, (0, 1)), (0, None))(X, 2.0),
    "grad of vmap": lambda f: mj.grad(lambda x, r: mj.vmap(f, (0, None))(x, r).sum(), (0, 1))(X, 2.0),
    "grad of vmap, linear not mapped": lambda f: mj.grad(lambda x, r: mj.vmap(f, (None, 0))(x, r).sum(), (0, 1))(
        3.0, X
    ),
    "linearize": lambda f: mj.linearize(f, 3.0, 2.0)[1](1.0, 0.5),
    "linear_transpose": lambda f: mj.linear_transpose(lambda x: f(x, 2.0), 3.0)(1.0),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_a_correct_transpose_changes_nothing(name):
    found, expected = TRANSFORMED[name](divided), TRANSFORMED[name](lambda x, r: x / r)
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


@pytest.mark.parametrize(
    "run",
    [
        lambda f: mj.grad(f)(3.0),
        lambda f: mj.jit(mj.grad(f))(3.0),
        lambda f: mj.vmap(mj.grad(f))(X)[1],
        lambda f: mj.grad(lambda x: mj.vmap(f)(x).sum())(X)[1],
        lambda f: mj.grad(lambda x: f(f(x)) / 7.0)(3.0),
        lambda f: mj.linear_transpose(f, 3.0)(1.0)[0],
    ],
)
def test_reverse_mode_uses_the_transpose(run):
    identity = lambda x: linear_call(lambda _, x: x, lambda _, ct: 7.0 * ct, (), x)
    assert float(run(identity)) == 7.0
    assert float(mj.jvp(identity, (3.0,), (1.0,))[1]) == 1.0


def transposed(f, example):
    return lambda ct: mj.linear_transpose(f, example)(ct)[0]


def test_transposing_twice_gives_the_function_back():
    identity = lambda x: linear_call(lambda _, x: x, lambda _, ct: 7.0 * ct, (), x)
    found, f = [], identity
    for _ in range(4):
        found.append(float(f(1.0)))
        f = transposed(f, 1.0)
    assert found == [1.0, 7.0, 1.0, 7.0]


def test_trees_and_closures():
    def apply(c, d):
        def f(r, d):
            return {"sum": c * (d["a"].sum() + r * d["b"])}

        def t(r, ct):
            return {"a": c * ct["sum"] * mnp.ones(3), "b": c * r * ct["sum"]}

        return linear_call(f, t, 5.0, d)["sum"]

    plain = lambda c, d: c * (d["a"].sum() + 5.0 * d["b"])
    args = (2.0, {"a": X, "b": 1.0})
    for run in (lambda f: mj.grad(f, (0, 1))(*args), lambda f: mj.jit(mj.grad(f, (0, 1)))(*args)):
        mj.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), run(apply), run(plain))


@pytest.mark.parametrize(
    ("transpose", "message"),
    [
        (
            lambda r, ct: (ct, ct),
            "transpose output pytree structure must match that of linear inputs, got output structure PyTreeDef((*, *)) and "
            "input structure PyTreeDef(*).",
        ),
        (
            lambda r, ct: mnp.ones(2) * ct,
            "transpose output must have the types of the linear inputs: <lambda> gave float32[2] for float32[].",
        ),
    ],
)
def test_wrong_transposes_are_refused(transpose, message):
    with pytest.raises(TypeError) as caught:
        mj.grad(lambda x: divided(x, 2.0, transpose))(3.0)
    assert str(caught.value).splitlines()[0] == message
    assert "linear_call(lambda r, x: x / r, transpose, r, x)" in str(caught.value).splitlines()[1]


SCALAR = mj.ShapeDtypeStruct((), np.float32)


def test_custom_transpose():
    @custom_transpose
    def scale(r, x):
        return {"y": x * r}

    with pytest.raises(AttributeError, match="transpose of custom_transpose function scale is not defined"):
        scale({"y": SCALAR}, 2.0, 3.0)
    assert scale.def_transpose(lambda r, ct: 10.0 * r * ct["y"]) is not None
    assert float(mj.grad(lambda x: scale({"y": SCALAR}, 2.0, x)["y"])(3.0)) == 20.0
    with pytest.raises(
        TypeError, match=r"function scale returned \{'y': float32\[\]\}, but out_types says float32\[\]"
    ):
        scale(SCALAR, 2.0, 3.0)


def test_programs_check_and_print():
    program = mj.make_jaxpr(mj.grad(divided))(3.0, 2.0)
    mj.ir.check_jaxpr(program)
    assert "linear_call[" in str(program)
