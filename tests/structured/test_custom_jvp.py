"""custom_jvp: the user's rule is what every transformation sees, and nothing else of the function is differentiated."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

POINT = np.linspace(-1.3, 1.7, 5, dtype=np.float32)


@mj.custom_jvp
def wave(x, y):
    return mnp.sin(x) * y


@wave.defjvp
def wave_jvp(primals, tangents):
    (x, y), (dx, dy) = primals, tangents
    return wave(x, y), mnp.cos(x) * y * dx + mnp.sin(x) * dy


def plain(x, y):
    return mnp.sin(x) * y


@mj.custom_jvp
def tenfold(x):
    return mnp.sin(x)


tenfold.defjvp(lambda primals, tangents: (tenfold(primals[0]), 10.0 * tangents[0]))

TRANSFORMED = {
    "grad": lambda f: mj.grad(f, (0, 1))(0.7, 1.3),
    "grad of jit": lambda f: mj.grad(mj.jit(f), (0, 1))(0.7, 1.3),
    "jit of grad": lambda f: mj.jit(mj.grad(f, (0, 1)))(0.7, 1.3),
    "jvp": lambda f: mj.jvp(f, (0.7, 1.3), (0.5, -2.0)),
    "hessian": lambda f: mj.hessian(f, (0, 1))(0.7, 1.3),
    "third": lambda f: mj.grad(mj.grad(mj.grad(f)))(0.7, 1.3),
    "vmap": lambda f: mj.vmap(f)(POINT, POINT[::-1].copy()),
    "vmap of grad": lambda f: mj.vmap(mj.grad(f, (0, 1)), (0, None))(POINT, 1.3),
    "grad of vmap": lambda f: mj.grad(lambda x: mj.vmap(f, (0, None))(x, x[1]).sum())(POINT),
    "hessian of vmap": lambda f: mj.hessian(lambda x: mj.vmap(f, (0, None))(x, x[1]).sum())(POINT),
    "vmap twice": lambda f: mj.vmap(mj.vmap(mj.grad(f), (None, 0)), (0, None))(POINT, POINT),
    "last axis": lambda f: mj.vmap(lambda r: f(r, r).sum(), in_axes=1)(np.outer(POINT, POINT)),
    "jacfwd": lambda f: mj.jacfwd(lambda x: f(x, x))(POINT),
    "jacrev": lambda f: mj.jacrev(lambda x: f(x, x))(POINT),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_a_correct_rule_changes_nothing(name):
    found, expected = TRANSFORMED[name](wave), TRANSFORMED[name](plain)
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: mj.grad(f)(0.3),
        lambda f: mj.jit(mj.grad(f))(0.3),
        lambda f: mj.grad(mj.jit(f))(0.3),
        lambda f: mj.jvp(f, (0.3,), (1.0,))[1],
        lambda f: mj.vmap(mj.grad(f))(POINT)[0],
        lambda f: mj.grad(lambda x: mj.vmap(f)(x).sum())(POINT)[2],
        lambda f: mj.linearize(f, 0.3)[1](1.0),
    ],
)
def test_the_rule_decides(derivative):
    assert float(derivative(tenfold)) == 10.0


def test_the_value_is_that_of_the_function():
    assert float(mj.value_and_grad(tenfold)(0.3)[0]) == pytest.approx(np.sin(0.3))
    np.testing.assert_allclose(tenfold(POINT), np.sin(POINT), rtol=1e-6)


def test_relu_has_derivative_zero_at_its_kink():
    relu = mj.custom_jvp(lambda x: mnp.maximum(x, 0))
    relu.defjvps(lambda t, out, x: mnp.where(x > 0, t, 0 * t))
    assert [float(mj.grad(relu)(x)) for x in (-1.0, 0.0, 1.0)] == [0.0, 0.0, 1.0]
    np.testing.assert_array_equal(mj.vmap(mj.grad(relu))(mnp.array([-1.0, 0.0, 1.0])), [0, 0, 1])


def test_log1pexp_is_finite_where_the_formula_overflows():
    @mj.custom_jvp
    def log1pexp(x):
        return mnp.log(1.0 + mnp.exp(x))

    @log1pexp.defjvp
    def rule(primals, tangents):
        return log1pexp(primals[0]), (1 - 1 / (1 + mnp.exp(primals[0]))) * tangents[0]

    assert float(mj.grad(log1pexp)(100.0)) == 1.0
    assert np.isnan(float(mj.grad(lambda x: mnp.log(1.0 + mnp.exp(x)))(100.0)))


def test_defjvps_adds_the_terms_and_leaves_out_none():
    product = mj.custom_jvp(lambda x, y: x * y)
    product.defjvps(lambda t, out, x, y: 5.0 * t * y, None)
    assert [float(g) for g in mj.grad(product, (0, 1))(2.0, 3.0)] == [15.0, 0.0]


def test_static_arguments_come_first_and_may_be_functions():
    @partial(mj.custom_jvp, nondiff_argnums=(0,))
    def apply(f, x):
        return f(x)

    @apply.defjvp
    def rule(f, primals, tangents):
        return f(primals[0]), 3.0 * f(tangents[0])

    assert float(mj.grad(lambda x: apply(lambda z: 2.0 * z, x))(1.0)) == 6.0


def test_trees_keywords_and_defaults():
    @mj.custom_jvp
    def total(d, scale=2.0):
        return {"s": (d["a"].sum() + d["b"]) * scale, "n": mnp.arange(2)}

    @total.defjvp
    def rule(primals, tangents):
        (d, scale), (t, _) = primals, tangents
        return total(d, scale), {"s": (t["a"].sum() + t["b"]) * scale, "n": mnp.arange(2)}

    g = mj.grad(lambda d: total(d, scale=3.0)["s"])({"a": POINT, "b": 1.0})
    np.testing.assert_array_equal(g["a"], np.full(5, 3.0))
    assert float(g["b"]) == 3.0


def closing_over(c):
    @mj.custom_jvp
    def inner(x):
        return x * c

    inner.defjvp(lambda primals, tangents: (inner(primals[0]), 10.0 * c * tangents[0]))
    return inner


@pytest.mark.parametrize(
    "run",
    [
        lambda: mj.grad(lambda x, c: closing_over(c)(x))(2.0, 3.0),
        lambda: mj.jit(mj.grad(lambda x, c: closing_over(c)(x)))(2.0, 3.0),
        lambda: mj.grad(mj.jit(lambda x, c: closing_over(c)(x)))(2.0, 3.0),
        lambda: mj.vmap(mj.grad(lambda x, c: closing_over(c)(x)), (None, 0))(2.0, mnp.array([1.0, 3.0]))[1],
        lambda: mj.grad(lambda x: mj.vmap(closing_over(3.0))(x * mnp.ones(2))[0])(2.0),
    ],
)
def test_rules_may_close_over_traced_values(run):
    assert float(run()) == 30.0


def test_a_jitted_function_with_a_rule_is_not_stale():
    f = mj.jit(lambda x, c: closing_over(c)(x))
    assert [float(mj.grad(f)(2.0, c)) for c in (1.0, 3.0, 5.0)] == [10.0, 30.0, 50.0]


def test_differentiating_a_closed_over_value_is_refused():
    with pytest.raises(TypeError, match="with respect to a closed-over value"):
        mj.grad(lambda c: closing_over(c)(2.0 * c))(1.0)


def test_programs_check_and_print():
    program = mj.make_jaxpr(wave)(1.0, 2.0)
    mj.ir.check_jaxpr(program)
    mj.ir.check_jaxpr(mj.make_jaxpr(mj.hessian(wave))(1.0, 2.0))
    mj.ir.check_jaxpr(mj.make_jaxpr(mj.vmap(wave, (0, None)))(POINT, 2.0))
    assert "custom_jvp_call[" in str(program)
    assert "jvp=<function wave>" in str(program)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda p, t: p, "must produce a pair"),
        (lambda p, t: (p[0], (t[0], t[0])), "equal container"),
        (lambda p, t: (p[0], mnp.ones(3) * t[0]), "corresponding shapes and dtypes"),
        (lambda p, t: (p[0] * mnp.ones(3), t[0]), r"gave float32\[3\], the function float32\[\]"),
    ],
)
def test_wrong_rules_are_refused(rule, message):
    f = mj.custom_jvp(lambda x: x)
    f.defjvp(rule)
    with pytest.raises(TypeError, match=message):
        mj.grad(f)(1.0)


def test_without_a_rule():
    def cj(x):
        return x

    with pytest.raises(AttributeError, match=r"No JVP defined for custom_jvp function cj using defjvp\."):
        mj.custom_jvp(cj)(1.0)
