"""custom_vmap: the rule is used by vmap, by vmap of derivatives and by derivatives of vmap; the errors by text."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.custom_batching import custom_vmap

X = mnp.array([0.3, -1.2, 2.0])
Y = mnp.array([1.5, 0.4, -0.7])


def plain(x, y):
    return mnp.sin(x) * y


def make():
    """`plain` with a correct rule that notes when it is used, and with what."""
    seen = []
    f = custom_vmap(plain)

    @f.def_vmap
    def rule(size, in_batched, x, y):
        seen.append((size, tuple(in_batched)))
        for value, mapped in zip((x, y), in_batched, strict=True):
            assert value.shape[:1] == ((size,) if mapped else value.shape[:0])
        out = mnp.sin(x) * y
        return out, any(in_batched)

    return f, seen


TRANSFORMED = {
    "vmap": (lambda f: mj.vmap(f)(X, Y), (True, True)),
    "one mapped": (lambda f: mj.vmap(f, (0, None))(X, 2.0), (True, False)),
    "jit of vmap": (lambda f: mj.jit(mj.vmap(f))(X, Y), (True, True)),
    "vmap of jit": (lambda f: mj.vmap(mj.jit(f))(X, Y), (True, True)),
    "out axis": (lambda f: mj.vmap(lambda m: f(m[0], m[1]), in_axes=1)(mnp.stack([X, Y])), (True, True)),
    "jvp of vmap": (lambda f: mj.jvp(mj.vmap(f), (X, Y), (Y, X)), (True, True)),
    "vmap of jvp": (lambda f: mj.vmap(lambda x, y: mj.jvp(f, (x, y), (y, x)))(X, Y), (True, True)),
    "vmap of jvp, tangent not mapped": (
        lambda f: mj.vmap(lambda x: mj.jvp(lambda v: f(v, 2.0), (x,), (1.0,)))(X),
        (True, False),
    ),
    "vmap of grad": (lambda f: mj.vmap(mj.grad(f, (0, 1)))(X, Y), (True, True)),
    "vmap of grad, one mapped": (lambda f: mj.vmap(mj.grad(f, (0, 1)), (None, 0))(0.3, Y), (False, True)),
    "grad of vmap": (lambda f: mj.grad(lambda x: mj.vmap(f, (0, None))(x, 2.0).sum())(X), (True, False)),
    "jit of vmap of grad": (lambda f: mj.jit(mj.vmap(mj.grad(f)))(X, Y), (True, True)),
    "vmap of hessian": (lambda f: mj.vmap(mj.hessian(f, (0, 1)))(X, Y), (True, True)),
    "vmap of reverse twice": (lambda f: mj.vmap(mj.grad(mj.grad(f), 1))(X, Y), (True, True)),
    "hessian of vmap": (lambda f: mj.hessian(lambda x: mj.vmap(f, (0, None))(x, 2.0).sum())(X), (True, False)),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_the_rule_is_used_and_a_correct_one_changes_nothing(name):
    run, in_batched = TRANSFORMED[name]
    f, seen = make()
    found, expected = run(f), run(plain)
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)
    assert (3, in_batched) in seen


@pytest.mark.parametrize(
    "run",
    [
        lambda f: f(0.3, 1.5),
        lambda f: mj.jit(f)(0.3, 1.5),
        lambda f: mj.grad(f, (0, 1))(0.3, 1.5),
        lambda f: mj.hessian(f)(0.3, 1.5),
        lambda f: mj.jacfwd(f, (0, 1))(0.3, 1.5),
        lambda f: mj.vmap(lambda t: mj.jvp(lambda x: f(x, 2.0), (0.3,), (t,))[1])(X),
    ],
)
def test_at_one_point_the_function_itself_is_used(run):
    f, seen = make()
    mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), run(f), run(plain))
    assert seen == []


def test_two_maps_call_the_rule_for_the_inner_one_and_map_it():
    f, seen = make()
    found = mj.vmap(mj.vmap(f, (None, 0)), (0, None))(X, Y)
    np.testing.assert_allclose(found, np.sin(X)[:, None] * np.asarray(Y)[None], rtol=1e-6)
    assert seen[0] == (3, (False, True))


def test_a_rule_that_does_something_else():
    f = custom_vmap(lambda x, y: x + y)
    f.def_vmap(lambda size, in_batched, xs, ys: (xs * ys, True))
    np.testing.assert_allclose(mj.vmap(f)(X, Y), X * Y)
    np.testing.assert_allclose(mj.vmap(mj.grad(f))(X, Y), Y)
    np.testing.assert_allclose(mj.grad(lambda x: mj.vmap(f)(x, Y).sum())(X), Y)
    assert float(mj.grad(f)(2.0, 3.0)) == 1.0


def test_trees_keywords_and_results_that_are_not_mapped():
    f = custom_vmap(lambda d, scale=2.0: {"out": d["a"] * scale, "scale": scale * 1.0, "n": mnp.int32(3)})

    @f.def_vmap
    def rule(size, in_batched, d, scale):
        assert in_batched == [{"a": True, "b": False}, False]
        return (
            {"out": d["a"] * scale, "scale": scale * 1.0, "n": mnp.int32(3)},
            {"out": True, "scale": False, "n": False},
        )

    in_axes = ({"a": 0, "b": None}, None)
    found = mj.vmap(f, in_axes, {"out": 0, "scale": None, "n": None})({"a": X, "b": 1.0}, 5.0)
    np.testing.assert_allclose(found["out"], 5 * X)
    assert (float(found["scale"]), int(found["n"])) == (5.0, 3)
    gradient = mj.vmap(lambda a: mj.grad(lambda v: f({"a": v, "b": 1.0}, scale=5.0)["out"])(a))(X)
    np.testing.assert_array_equal(gradient, [5.0] * 3)


def test_inside_custom_vjp_as_jax_documents_it():
    @mj.custom_vjp
    @custom_vmap
    def f(x, y):
        return mnp.sin(x) * y

    f.def_vmap(lambda size, in_batched, xs, ys: (mnp.cos(xs) * ys, True))
    f.defvjp(
        lambda x, y: (f(x, y), (mnp.cos(x), mnp.sin(x), y)),
        lambda saved, ct: (saved[0] * ct * saved[2], saved[1] * ct),
    )
    np.testing.assert_allclose(mj.vmap(f)(mnp.zeros(3), mnp.ones(3)), np.ones(3))
    assert float(mj.grad(f)(0.0, 1.0)) == 1.0


def test_programs_check_and_print():
    f, _ = make()
    program = mj.make_jaxpr(mj.grad(f))(0.3, 1.5)
    mj.ir.check_jaxpr(program)
    assert "custom_vmap_call[" in str(program)


def test_without_a_rule():
    with pytest.raises(
        AttributeError, match=r"No batching rule defined for custom_vmap function plain using def_vmap\."
    ):
        custom_vmap(plain)(1.0, 2.0)


def message_of(kind, rule, fun=plain):
    f = custom_vmap(fun)
    f.def_vmap(rule)
    with pytest.raises(kind) as caught:
        mj.vmap(lambda x, y: f(x, y))(X, Y)
    text = str(caught.value)
    assert "f(x, y)" in text
    return text


def test_wrong_rules_are_refused():
    def rule(size, in_batched, x, y):
        return result(x, y)

    for result, kind, expected in [
        (
            lambda x, y: x,
            TypeError,
            r"custom vmap rule (rule) of plain must return a pair (result, out_batched), got Array(",
        ),
        (
            lambda x, y: ((x, y), True),
            ValueError,
            "structure of output value and output batching specification returned by custom vmap rule (rule) do not match: "
            "output values PyTreeDef((*, *)), batching spec PyTreeDef(*)",
        ),
        (
            lambda x, y: ((x, y), (True, True)),
            ValueError,
            "structure of output returned by custom vmap rule (rule) does not match that of plain: original output "
            "PyTreeDef(*), rule output PyTreeDef((*, *))",
        ),
        (
            lambda x, y: (x.sum(), True),
            ValueError,
            "custom vmap rule (rule) of plain returned float32[] as output 0, expected float32[3]",
        ),
        (
            lambda x, y: (x, False),
            ValueError,
            "custom vmap rule (rule) of plain returned float32[3] as output 0, expected float32[]",
        ),
        (
            lambda x, y: (x.astype(int), True),
            ValueError,
            "custom vmap rule (rule) of plain returned int32[3] as output 0, expected float32[3]",
        ),
    ]:
        assert message_of(kind, rule).startswith(expected), result


def test_closing_over_a_mapped_value_is_refused():
    def run(x):
        f = custom_vmap(lambda y: x * y)
        f.def_vmap(lambda size, in_batched, y: (y, True))
        return f(2.0 * x)

    with pytest.raises(ValueError, match="closes over a value that is mapped") as caught:
        mj.vmap(run)(X)
    assert "as an argument" in str(caught.value)
    assert float(mj.jit(run)(3.0)) == 18.0


def test_closing_over_a_traced_value():
    def run(x, ys):
        f = custom_vmap(lambda y: x * y)
        f.def_vmap(lambda size, in_batched, y: (10.0 * x * y, True))
        return mj.vmap(f)(ys).sum()

    assert float(mj.grad(run)(2.0, X)) == pytest.approx(10 * float(X.sum()))
    np.testing.assert_allclose(mj.jit(mj.grad(run, 1))(2.0, X), [20.0] * 3)


def test_sequential_vmap_is_a_loop():
    seen = []

    @mj.custom_batching.sequential_vmap
    def f(x, scale):
        mj.debug.callback(lambda v: seen.append(float(v)), x["a"])
        return x["a"] * scale, mnp.sin(x["a"])

    x = {"a": mnp.arange(3.0)}
    product, sine = mj.vmap(f, ({"a": 0}, None))(x, 2.0)
    np.testing.assert_allclose(product, [0.0, 2.0, 4.0])
    np.testing.assert_allclose(sine, np.sin(np.arange(3.0)), rtol=1e-6)
    assert seen == [0.0, 1.0, 2.0]
    loss = lambda x, scale: mj.vmap(f, ({"a": 0}, None))(x, scale)[0].sum()
    np.testing.assert_allclose(mj.grad(loss, 1)(x, 2.0), 3.0)
    nested = mj.vmap(mj.vmap(lambda a: f({"a": a}, 3.0)[0]))(mnp.ones((2, 3)))
    np.testing.assert_allclose(nested, 3.0 * np.ones((2, 3)))
    assert "scan" in str(mj.make_jaxpr(mj.vmap(lambda a: f({"a": a}, 3.0)))(mnp.ones(3)))
