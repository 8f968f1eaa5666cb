"""custom_vjp and custom_gradient: the user's pullback in every reverse-mode transformation, and the errors."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

POINT = np.linspace(-1.3, 1.7, 5, dtype=np.float32)


def plain(x, y):
    return mnp.sin(x) * y


wave = mj.custom_vjp(plain)
wave.defvjp(
    lambda x, y: (plain(x, y), (x, y)),
    lambda saved, ct: (ct * mnp.cos(saved[0]) * saved[1], ct * mnp.sin(saved[0])),
)

TRANSFORMED = {
    "grad": lambda f: mj.grad(f, (0, 1))(0.7, 1.3),
    "grad of jit": lambda f: mj.grad(mj.jit(f), (0, 1))(0.7, 1.3),
    "jit of grad": lambda f: mj.jit(mj.grad(f, (0, 1)))(0.7, 1.3),
    "vjp": lambda f: mj.vjp(f, 0.7, 1.3)[1](2.0),
    "hessian": lambda f: mj.hessian(f)(0.7, 1.3),
    "hessian of jit": lambda f: mj.hessian(mj.jit(f), (0, 1))(0.7, 1.3),
    "reverse twice": lambda f: mj.jacrev(mj.jacrev(f, (0, 1)), (0, 1))(0.7, 1.3),
    "third": lambda f: mj.grad(mj.grad(mj.grad(f)))(0.7, 1.3),
    "vmap": lambda f: mj.vmap(f)(POINT, POINT[::-1].copy()),
    "vmap of grad": lambda f: mj.vmap(mj.grad(f, (0, 1)), (0, None))(POINT, 1.3),
    "grad of vmap": lambda f: mj.grad(lambda x: mj.vmap(f, (0, None))(x, x[1]).sum())(POINT),
    "hessian of vmap": lambda f: mj.hessian(lambda x: mj.vmap(f, (0, None))(x, x[1]).sum())(POINT),
    "last axis": lambda f: mj.grad(lambda m: mj.vmap(lambda r: f(r, r).sum(), in_axes=1)(m).sum())(
        np.outer(POINT, POINT)
    ),
    "jacrev": lambda f: mj.jacrev(lambda x: f(x, x))(POINT),
    "vmap of vjp": lambda f: mj.vmap(lambda ct: mj.vjp(f, 0.7, 1.3)[1](ct))(POINT),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_a_correct_rule_changes_nothing(name):
    found, expected = TRANSFORMED[name](wave), TRANSFORMED[name](plain)
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


def test_gradient_clipping():
    clip = mj.custom_vjp(lambda x, limit: x)
    clip.defvjp(lambda x, limit: (x, limit), lambda limit, ct: (mnp.clip(ct, -limit, limit), None))
    g = mj.grad(lambda x: (mnp.array([0.1, 5.0, -7.0]) * clip(x, 1.0)).sum())(mnp.ones(3))
    np.testing.assert_allclose(g, [0.1, 1.0, -1.0], rtol=1e-6)


def test_none_is_a_zero_cotangent():
    f = mj.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, x), lambda x, ct: (None, x * ct))
    assert [float(g) for g in mj.grad(f, (0, 1))(2.0, 3.0)] == [0.0, 2.0]


def test_static_arguments_residual_trees_and_integers():
    @partial(mj.custom_vjp, nondiff_argnums=(1,))
    def power(x, n, d):
        return {"y": x["a"] ** n, "count": d + 1}

    power.defvjp(
        lambda x, n, d: (power(x, n, d), {"x": x, "none": None}),
        lambda n, saved, ct: ({"a": 100.0 * n * ct["y"] * saved["x"]["a"]}, None),
    )
    g = mj.grad(lambda x: power(x, 2, 7)["y"])({"a": 3.0})
    assert float(g["a"]) == 600.0


def closing_over(c):
    @mj.custom_vjp
    def inner(x):
        return x * c

    inner.defvjp(lambda x: (inner(x), None), lambda saved, ct: (10.0 * c * ct,))
    return inner


@pytest.mark.parametrize(
    "run",
    [
        lambda: mj.grad(lambda x, c: closing_over(c)(x))(2.0, 3.0),
        lambda: mj.jit(mj.grad(lambda x, c: closing_over(c)(x)))(2.0, 3.0),
        lambda: mj.grad(mj.jit(lambda x, c: closing_over(c)(x)))(2.0, 3.0),
        lambda: mj.vmap(mj.grad(lambda x, c: closing_over(c)(x)), (None, 0))(2.0, mnp.array([1.0, 3.0]))[1],
        lambda: mj.grad(lambda x: mj.vmap(mj.jit(closing_over(3.0)))(x * mnp.ones(2))[0])(2.0),
    ],
)
def test_rules_may_close_over_traced_values(run):
    assert float(run()) == 30.0


def test_differentiating_a_closed_over_value_is_refused():
    with pytest.raises(TypeError, match="with respect to a closed-over value"):
        mj.grad(lambda c: closing_over(c)(2.0 * c))(1.0)


@pytest.mark.parametrize(
    "run",
    [
        lambda: mj.jvp(wave, (1.0, 2.0), (1.0, 0.0)),
        lambda: mj.jacfwd(wave)(1.0, 2.0),
        lambda: mj.jvp(mj.jit(wave), (1.0, 2.0), (1.0, 0.0)),
        lambda: mj.linearize(wave, 1.0, 2.0)[1](1.0, 1.0),
    ],
)
def test_there_is_no_forward_mode(run):
    with pytest.raises(TypeError, match=r"can't apply forward-mode autodiff \(jvp\) to a custom_vjp function\."):
        run()


@pytest.mark.parametrize(
    ("bwd", "error", "message"),
    [
        (lambda saved, ct: ct, TypeError, "same container .pytree. structure as the args tuple"),
        (lambda saved, ct: (ct, ct), TypeError, "tuple of length equal to the number of arguments"),
        (lambda saved, ct: ((ct, ct),), TypeError, "same container"),
        (
            lambda saved, ct: (mnp.ones(2),),
            ValueError,
            r"at output\[0\] the bwd rule produced an output of type float32\[2\]",
        ),
    ],
)
def test_wrong_backward_rules_are_refused(bwd, error, message):
    f = mj.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), bwd)
    with pytest.raises(error, match=message):
        mj.grad(f)(1.0)


@pytest.mark.parametrize(
    ("fwd", "message"), [(lambda x: x, "must produce a pair"), (lambda x: ((x, x), x), "structure")]
)
def test_wrong_forward_rules_are_refused(fwd, message):
    f = mj.custom_vjp(lambda x: x)
    f.defvjp(fwd, lambda saved, ct: (ct,))
    with pytest.raises(TypeError, match=message):
        mj.grad(f)(1.0)


def test_without_a_rule():
    def cv(x):
        return x

    with pytest.raises(AttributeError, match=r"No VJP defined for custom_vjp function cv using defvjp\."):
        mj.grad(mj.custom_vjp(cv))(1.0)


def test_programs_check_and_print():
    program = mj.make_jaxpr(wave)(1.0, 2.0)
    mj.ir.check_jaxpr(program)
    assert "custom_vjp_call[" in str(program)
    assert "rule=<function plain>" in str(program)
    mj.ir.check_jaxpr(mj.make_jaxpr(mj.grad(mj.jit(wave)))(1.0, 2.0))


def test_custom_gradient():
    f = mj.custom_gradient(lambda x, y: (x * y, lambda ct: (2.0 * ct * x, 3.0 * ct)))
    assert [float(g) for g in mj.grad(f, (0, 1))(5.0, 7.0)] == [10.0, 3.0]
    assert float(f(5.0, 7.0)) == 35.0
    assert float(mj.grad(mj.grad(f))(5.0, 7.0)) == 2.0
