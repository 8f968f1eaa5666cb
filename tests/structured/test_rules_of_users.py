"""custom_jvp, custom_vjp, checkpoint and callbacks under every transformation."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.ir import check_jaxpr


@mj.custom_jvp
def log1pexp(x):
    return mnp.log1p(mnp.exp(x))


@log1pexp.defjvp
def _log1pexp_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return log1pexp(x), (1 - 1 / (1 + mnp.exp(x))) * t


@mj.custom_vjp
def clipped(x, limit):
    return x * 1.0


clipped.defvjp(lambda x, limit: (x * 1.0, limit), lambda limit, ct: (mnp.clip(ct, -limit, limit), None))

X = np.array([-1.0, 0.5, 100.0], np.float32)
SLOPES = 1 / (1 + np.exp(-X))


def test_a_custom_jvp_rule_serves_forward_and_reverse_mode():
    np.testing.assert_allclose(mj.vmap(mj.grad(log1pexp))(X), SLOPES, rtol=1e-6)
    np.testing.assert_allclose(mj.jvp(log1pexp, (X,), (np.ones(3, np.float32),))[1], SLOPES, rtol=1e-6)
    np.testing.assert_allclose(mj.jit(mj.vmap(mj.grad(log1pexp)))(X), SLOPES, rtol=1e-6)
    np.testing.assert_allclose(mj.grad(mj.grad(log1pexp))(0.5), SLOPES[1] * (1 - SLOPES[1]), rtol=1e-5)
    np.testing.assert_allclose(np.diag(mj.jacfwd(log1pexp)(X)), SLOPES, rtol=1e-6)


def test_a_custom_vjp_rule_replaces_the_cotangent():
    gradient = mj.grad(lambda x: (clipped(x, 0.5) ** 2).sum())
    np.testing.assert_allclose(gradient(X), [-0.5, 0.5, 0.5])
    np.testing.assert_allclose(mj.jit(gradient)(X), [-0.5, 0.5, 0.5])
    np.testing.assert_allclose(mj.vmap(mj.grad(lambda x: clipped(x, 0.5) ** 2))(X), [-0.5, 0.5, 0.5])
    check_jaxpr(mj.make_jaxpr(gradient)(X))
    with pytest.raises(TypeError, match="can't apply forward-mode autodiff"):
        mj.jvp(lambda x: clipped(x, 0.5), (1.0,), (1.0,))


def test_rules_that_are_not_defined_are_named():
    with pytest.raises(AttributeError, match="No JVP defined for custom_jvp function"):
        mj.grad(mj.custom_jvp(mnp.sin))(1.0)
    with pytest.raises(AttributeError, match="No VJP defined for custom_vjp function"):
        mj.grad(mj.custom_vjp(mnp.sin))(1.0)


def deep(x):
    for _ in range(3):
        x = mnp.sin(x) * x
    return x.sum()


@pytest.mark.parametrize(
    "policy", [None, mj.checkpoint_policies.everything_saveable, mj.checkpoint_policies.nothing_saveable]
)
def test_checkpointing_changes_no_derivative(policy):
    f = mj.checkpoint(deep, policy=policy)
    with mj.enable_x64():
        x = mnp.array([0.3, 0.9])
        np.testing.assert_allclose(f(x), deep(x), rtol=1e-12)
        np.testing.assert_allclose(mj.grad(f)(x), mj.grad(deep)(x), rtol=1e-12)
        np.testing.assert_allclose(mj.hessian(f)(x), mj.hessian(deep)(x), rtol=1e-10)
        np.testing.assert_allclose(mj.jit(mj.grad(f))(x), mj.grad(deep)(x), rtol=1e-12)
        rows = mnp.stack([x, 2 * x])
        np.testing.assert_allclose(mj.vmap(mj.grad(f))(rows), mj.vmap(mj.grad(deep))(rows), rtol=1e-12)


def test_a_checkpointed_gradient_computes_its_residuals_again():
    count = lambda f: str(mj.make_jaxpr(mj.grad(f))(np.ones(2, np.float32))).count("= sin ")
    assert count(mj.checkpoint(deep)) > count(deep)


def test_a_pure_callback_computes_and_says_what_to_do_about_derivatives():
    twice = lambda x: mj.pure_callback(lambda a: np.asarray(a) * 2, mj.ShapeDtypeStruct((), np.float32), x)
    assert twice(1.5) == 3.0
    assert mj.jit(twice)(1.5) == 3.0
    np.testing.assert_array_equal(
        mj.vmap(
            lambda x: mj.pure_callback(
                lambda a: np.asarray(a) * 2, mj.ShapeDtypeStruct((), np.float32), x, vmap_method="sequential"
            )
        )(X),
        2 * X,
    )
    with pytest.raises(ValueError, match="Pure callbacks do not support JVP") as caught:
        mj.grad(twice)(1.0)
    assert "custom_jvp" in str(caught.value)


def test_debug_print_shows_values_under_transformations(capsys):
    def f(x):
        mj.debug.print("x = {x}", x=x)
        return x * 2

    f(1.0), mj.jit(f)(2.0), mj.grad(f)(3.0)
    assert capsys.readouterr().out.splitlines() == ["x = 1.0", "x = 2.0", "x = 3.0"]


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_a_function_and_its_rule_close_over_traced_values(kind):
    """The function reads one value of the program around it, its rule two, of other shapes; both see each example's own."""

    def around(x, vector, matrix, scale):
        def f(x):
            return mnp.sin(x) * vector

        if kind == "jvp":
            g = mj.custom_jvp(f)
            g.defjvp(lambda primals, tangents: (f(primals[0]), matrix @ tangents[0] * scale))
        else:
            g = mj.custom_vjp(f)
            g.defvjp(lambda x: (f(x), None), lambda _, ct: (ct @ matrix * scale,))
        return g(x)

    def slopes(x, vector, matrix, scale):
        # the closed-over values are constants of the derivative
        return mj.jacrev(lambda x: around(x, vector, matrix, scale))(x)

    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in [(3,), (3,), (3, 3), ()]]
    for in_axes in [(0, 0, 0, 0), (0, None, 0, 0), (None, 0, 0, None), (0, 0, None, 0), (None, None, None, 0)]:
        given = [row if axis == 0 else row[0] for row, axis in zip(rows, in_axes, strict=True)]
        for n in range(2):
            one = [row[n if axis == 0 else 0] for row, axis in zip(rows, in_axes, strict=True)]
            outs = mj.jit(mj.vmap(around, in_axes))(*given)
            np.testing.assert_allclose(outs[n], np.sin(one[0]) * one[1], rtol=1e-5)
            for way in (mj.vmap(slopes, in_axes), mj.jit(mj.vmap(mj.jit(slopes), in_axes))):
                np.testing.assert_allclose(way(*given)[n], one[2] * one[3], rtol=1e-5)
