"""custom_jvp and custom_vjp as they are called and defined: symbolic zeros, static arguments, keywords, every error by its text."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.custom_derivatives import (
    CustomVJPPrimal,
    SymbolicZero,
    custom_vjp_primal_tree_values,
    zero_from_primal,
)

X = mnp.array([0.5, -1.0, 2.0])


def kinds(tree):
    return mj.tree.map(lambda x: type(x) is SymbolicZero, tree)


def recording_jvp():
    """A product whose rule notes which tangents are symbolic zeros."""
    seen = []

    @mj.custom_jvp
    def product(x, y, n):
        return x * y

    def rule(primals, tangents):
        (x, y, _), (tx, ty, tn) = primals, tangents
        seen.append(kinds(tangents))
        assert type(tn) is SymbolicZero and tn.dtype == mj.float0
        terms = [t for t in (tx, ty) if type(t) is not SymbolicZero]
        assert all(t.shape == x.shape for t in (tx, ty))
        out = sum(t * (y if t is tx else x) for t in terms)
        return x * y, out

    product.defjvp(rule, symbolic_zeros=True)
    return product, seen


@pytest.mark.parametrize(
    ("run", "expected", "zeros"),
    [
        (lambda f: mj.grad(f)(2.0, 3.0, 1), 3.0, (False, True, True)),
        (lambda f: mj.grad(f, 1)(2.0, 3.0, 1), 2.0, (True, False, True)),
        (lambda f: sum(mj.grad(f, (0, 1))(2.0, 3.0, 1)), 5.0, (False, False, True)),
        (lambda f: mj.jit(mj.grad(f))(2.0, 3.0, 1), 3.0, (False, True, True)),
        (lambda f: mj.grad(mj.jit(f))(2.0, 3.0, 1), 3.0, (False, True, True)),
        (lambda f: mj.vmap(mj.grad(f), (0, None, None))(X, 3.0, 1)[0], 3.0, (False, True, True)),
        (
            lambda f: mj.grad(lambda x: mj.vmap(f, (0, None, None))(x, 3.0, 1).sum())(X)[0],
            3.0,
            (False, True, True),
        ),
        (
            lambda f: mj.grad(
                lambda x: mj.vmap(mj.vmap(f, (0, None, 0)), (None, 0, None))(x, X, mnp.arange(3)).sum()
            )(X)[0],
            1.5,
            (False, True, True),
        ),
        (lambda f: mj.jvp(lambda y: f(2.0, y, 1), (3.0,), (1.0,))[1], 2.0, (True, False, True)),
        (lambda f: mj.hessian(lambda x: f(x, x, 1))(2.0), 2.0, (False, False, True)),
    ],
)
def test_a_jvp_rule_sees_which_tangents_are_zero(run, expected, zeros):
    product, seen = recording_jvp()
    assert float(run(product)) == expected
    assert seen[0] == zeros


def test_a_jvp_rule_may_return_symbolic_zeros():
    @mj.custom_jvp
    def f(x, y):
        return x * y, x + y

    f.defjvp(
        lambda p, t: (f(*p), (t[0] if type(t[0]) is SymbolicZero else t[0] * p[1], t[1])),
        symbolic_zeros=True,
    )
    assert [float(t) for t in mj.jvp(lambda x: f(x, 3.0), (2.0,), (1.0,))[1]] == [3.0, 0.0]
    assert [float(t) for t in mj.jvp(lambda y: f(2.0, y), (3.0,), (1.0,))[1]] == [0.0, 1.0]
    assert float(mj.grad(lambda y: f(2.0, y)[0])(3.0)) == 0.0
    np.testing.assert_array_equal(mj.grad(lambda x: mj.vmap(lambda v: f(v, 3.0)[1])(x).sum())(X), np.zeros(3))


def test_without_symbolic_zeros_all_tangents_are_arrays():
    seen = []
    f = mj.custom_jvp(lambda x, y, n: x * y)
    f.defjvp(lambda p, t: (seen.append(t), (f(*p), p[1] * t[0] + p[0] * t[1]))[1])
    mj.grad(f)(2.0, 3.0, 4)
    assert seen[0][1].shape == () and float(seen[0][1]) == 0.0
    assert seen[0][2].dtype == mj.float0


def recording_vjp():
    """(x y, x + y) whose rules note what is perturbed and which cotangents are zero."""
    seen = []

    @mj.custom_vjp
    def f(d, n):
        return d["x"] * d["y"], d["x"] + d["y"]

    def fwd(d, n):
        assert all(type(leaf) is CustomVJPPrimal for leaf in mj.tree.leaves((d, n)))
        seen.append({name: d[name].perturbed for name in "xy"})
        assert not n.perturbed
        values = custom_vjp_primal_tree_values(d)
        return f(values, n.value), values

    def bwd(d, cts):
        seen.append(kinds(cts))
        product, total = cts
        if type(product) is SymbolicZero and type(total) is SymbolicZero:
            return None, None
        zero = product if type(product) is SymbolicZero else total
        if type(product) is SymbolicZero:
            return {"x": total, "y": total}, None
        if type(total) is SymbolicZero:
            return {"x": product * d["y"], "y": product * d["x"]}, zero
        return {"x": product * d["y"] + total, "y": product * d["x"] + total}, None

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    return f, seen


@pytest.mark.parametrize(
    ("run", "expected", "perturbed", "zeros"),
    [
        (lambda f: mj.grad(lambda x: f({"x": x, "y": 3.0}, 1)[0])(2.0), 3.0, [True, False], (False, True)),
        (lambda f: mj.grad(lambda y: f({"x": 2.0, "y": y}, 1)[1])(3.0), 1.0, [False, True], (True, False)),
        (lambda f: mj.grad(lambda x: sum(f({"x": x, "y": x}, 1)))(2.0), 6.0, [True, True], (False, False)),
        (lambda f: mj.grad(mj.jit(lambda x: f({"x": x, "y": 3.0}, 1)[0]))(2.0), 3.0, [True, False], (False, True)),
        (lambda f: mj.jit(mj.grad(lambda x: f({"x": x, "y": 3.0}, 1)[0]))(2.0), 3.0, [True, False], (False, True)),
        (
            lambda f: mj.vmap(mj.grad(lambda x: f({"x": x, "y": 3.0}, 1)[0]))(X)[1],
            3.0,
            [True, False],
            (False, True),
        ),
        (
            lambda f: mj.grad(lambda x: mj.vmap(lambda v: f({"x": v, "y": 3.0}, 1)[0])(x).sum())(X)[1],
            3.0,
            [True, False],
            (False, True),
        ),
        (
            lambda f: mj.grad(lambda y: mj.vmap(lambda v: f({"x": v, "y": y}, 1)[1])(X).sum())(2.0),
            3.0,
            [False, True],
            (True, False),
        ),
    ],
)
def test_vjp_rules_see_what_is_differentiated(run, expected, perturbed, zeros):
    f, seen = recording_vjp()
    assert float(run(f)) == expected
    assert list(seen[0].values()) == perturbed
    assert seen[1] == zeros


def test_cotangents_of_integers_are_float0_arrays_without_symbolic_zeros():
    seen = []
    f = mj.custom_vjp(lambda x: (x * x, mnp.arange(2), {"s": 2.0 * x}))
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (seen.append(ct), (2 * x * ct[0],))[1])
    assert float(mj.grad(lambda x: f(x)[0])(3.0)) == 6.0
    np.testing.assert_array_equal(mj.grad(lambda x: mj.vmap(f)(x)[0].sum())(X), 2 * X)
    for ct in seen:
        assert ct[1].dtype == mj.float0 and ct[1].shape == (2,)
    assert float(seen[0][2]["s"]) == 0.0


def test_cotangents_are_converted_to_the_type_of_the_argument():
    f = mj.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, None), lambda saved, ct: (2, np.float16(3.0)))
    found = mj.grad(f, (0, 1))(1.0, mnp.float32(1.0))
    assert [float(g) for g in found] == [2.0, 3.0]
    assert [g.dtype for g in found] == [np.float32, np.float32]


def test_symbolic_zeros_and_optimize_remat_do_not_go_together():
    f = mj.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda saved, ct: (3.0 * ct,), optimize_remat=True)
    assert float(mj.grad(mj.checkpoint(f))(1.0)) == 3.0
    with pytest.raises(NotImplementedError, match="does not support symbolic zeros"):
        f.defvjp(lambda x: (x, None), lambda saved, ct: (ct,), symbolic_zeros=True, optimize_remat=True)


def test_zero_from_primal():
    tree = {"a": X, "n": mnp.arange(2)}
    zeros = zero_from_primal(tree, symbolic_zeros=True)
    assert kinds(zeros) == {"a": True, "n": True}
    assert (zeros["a"].shape, zeros["a"].ndim, zeros["a"].size, zeros["a"].dtype) == ((3,), 1, 3, np.float32)
    assert repr(zeros["n"]) == "Zero(float0[2])"
    arrays = zero_from_primal(tree)
    np.testing.assert_array_equal(arrays["a"], np.zeros(3))
    assert arrays["n"].dtype == mj.float0


def test_values_of_something_else_are_refused():
    with pytest.raises(TypeError, match="unexpected leaf type <class 'float'>"):
        custom_vjp_primal_tree_values({"a": 1.0})


# Static arguments and keywords


@pytest.mark.parametrize("decorate", [mj.custom_jvp, mj.custom_vjp])
@pytest.mark.parametrize("option", [{"nondiff_argnums": (1,)}, {"nondiff_argnames": ("power",)}])
def test_static_arguments_by_number_and_by_name(decorate, option):
    f = decorate(lambda x, power=2, scale=1.0: scale * x**power, **option)
    if decorate is mj.custom_jvp:
        f.defjvp(lambda power, p, t: (f(p[0], power, p[1]), 10.0 * power * t[0] + t[1]))
    else:
        f.defvjp(lambda x, power, scale: (f(x, power, scale), None), lambda power, saved, ct: (10.0 * power * ct, ct))
    assert float(mj.grad(f)(1.0)) == 20.0
    assert float(mj.grad(f)(1.0, 3)) == 30.0
    assert float(mj.grad(lambda x: f(x, scale=2.0, power=3))(1.0)) == 30.0
    assert float(mj.grad(lambda s: f(1.0, scale=s))(2.0)) == 1.0
    assert float(mj.jit(mj.grad(lambda x: f(x, power=4)))(1.0)) == 40.0


def test_a_static_argument_of_custom_jvp_that_is_traced_has_no_tangent():
    f = mj.custom_jvp(lambda x, y: x * y, nondiff_argnums=(1,))
    f.defjvp(lambda y, p, t: (f(p[0], y), y * t[0]))
    assert [float(g) for g in mj.grad(f, (0, 1))(2.0, 3.0)] == [3.0, 0.0]


def test_methods_can_be_decorated():
    class Model:
        scale = 3.0

        @partial(mj.custom_jvp, nondiff_argnums=(0,))
        def f(self, x):
            return self.scale * x

        @f.defjvp
        def f_jvp(self, primals, tangents):
            return self.f(primals[0]), 100.0 * self.scale * tangents[0]

    assert float(mj.grad(Model().f)(1.0)) == 300.0
    assert Model.f.__name__ == "f"


@pytest.mark.parametrize("decorate", [mj.custom_jvp, mj.custom_vjp])
def test_arguments_that_have_no_position_are_refused(decorate):
    def scaled(x, *, k=1.0):
        return k * x

    f = decorate(scaled)
    if decorate is mj.custom_jvp:
        f.defjvp(lambda p, t: (p[0], t[0]))
    else:
        f.defvjp(lambda x: (x, None), lambda saved, ct: (ct,))
    assert float(f(1.0)) == 1.0
    for args, kwargs, message in [
        ((1.0,), {"k": 2.0}, "The following keyword arguments could not be resolved to positions: k"),
        ((), {}, "missing a required argument: 'x'"),
    ]:
        with pytest.raises(TypeError) as caught:
            f(*args, **kwargs)
        assert str(caught.value) == (
            f"The input arguments to the {decorate.__name__}-decorated function scaled could not be resolved to "
            f"positional-only arguments. Binding failed with the error:\n{message}"
        )


def test_static_names_must_be_parameters():
    with pytest.raises(
        ValueError,
        match="custom_vjp of <lambda>: nondiff_argnames 'z' is not a positional parameter; these are: x, y",
    ):
        mj.custom_vjp(lambda x, y: x, nondiff_argnames=("z",))


def test_defjvps_does_not_take_static_arguments():
    with pytest.raises(TypeError, match="Can't use ``defjvps`` with ``nondiff_argnums``"):
        mj.custom_jvp(lambda n, x: x, nondiff_argnums=(0,)).defjvps(None, None)


def test_defjvps_of_trees_and_of_none_only():
    f = mj.custom_jvp(lambda x, y: {"a": x * y, "b": y})
    f.defjvps(lambda t, out, x, y: {"a": t * y, "b": 0 * t}, lambda t, out, x, y: {"a": out["a"] / y * t, "b": t})
    _, tangent = mj.jvp(f, (2.0, 3.0), (1.0, 10.0))
    assert {k: float(v) for k, v in tangent.items()} == {"a": 23.0, "b": 10.0}
    g = mj.custom_jvp(lambda x: x * x)
    g.defjvps(None)
    assert float(mj.grad(g)(3.0)) == 0.0


# Errors


def message_of(kind, run):
    with pytest.raises(kind) as caught:
        run()
    return str(caught.value)


def bad_jvp(rule, fun=lambda x: {"v": x * x}):
    def f(x):
        return fun(x)

    decorated = mj.custom_jvp(f)

    def f_jvp(primals, tangents):
        return rule(*primals, *tangents)

    decorated.defjvp(f_jvp)
    return lambda: mj.jvp(lambda x: decorated(x), (mnp.ones(2),), (mnp.ones(2),))


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (
            lambda x, t: 3,
            "Custom JVP rule f_jvp for function f must produce a pair (list or tuple of length two) representing primal and "
            "tangent outputs, but got 3.",
        ),
        (
            lambda x, t: ({"v": x}, [t]),
            "Custom JVP rule f_jvp for function f must produce primal and tangent outputs with equal container (pytree) "
            "structures, but got PyTreeDef({'v': *}) and PyTreeDef([*]) respectively.",
        ),
        (
            lambda x, t: (x, t),
            "Custom JVP rule f_jvp for function f must produce the output of f as its first element, of the same "
            "container/pytree structure: the rule gave float32[2], the function {'v': float32[2]}.",
        ),
        (
            lambda x, t: ({"v": x.sum()}, {"v": t}),
            "Custom JVP rule f_jvp for function f must produce the output of f as its first element, of the same "
            "shapes/dtypes: the rule gave {'v': float32[]}, the function {'v': float32[2]}.",
        ),
        (
            lambda x, t: ({"v": x}, {"v": t.sum()}),
            "Custom JVP rule for function f must produce primal and tangent outputs with corresponding shapes and dtypes. "
            "Expected float32[2] (tangent type of float32[2]) but got float32[].",
        ),
        (
            lambda x, t: ({"v": x}, {"v": zero_from_primal(1, symbolic_zeros=True)}),
            "Custom JVP rule for function f must produce primal and tangent outputs with corresponding shapes and dtypes. "
            "Expected float32[2] (tangent type of float32[2]) but got float0[].",
        ),
    ],
)
def test_a_wrong_jvp_rule_is_named_with_both_types_and_the_line(rule, first):
    text = message_of(TypeError, bad_jvp(rule))
    assert text.splitlines()[0] == first
    assert "decorated(x)" in text.splitlines()[1]


def test_a_wrong_jvp_rule_is_found_under_vmap_and_jit_too():
    f = mj.custom_jvp(lambda x: x)
    f.defjvp(lambda p, t: (p[0], mnp.ones(3) * t[0]))
    called = lambda x: f(x)
    for run in (
        mj.vmap(mj.grad(called)),
        mj.jit(mj.vmap(mj.grad(called))),
        mj.grad(lambda x: mj.vmap(called)(x).sum()),
    ):
        text = message_of(TypeError, lambda run=run: run(X))
        assert "Expected float32[] (tangent type of float32[]) but got float32[3]" in text
        assert "called = lambda x: f(x)" in text.splitlines()[1]


def bad_vjp(bwd, fwd=None):
    def f(params, y):
        return params["w"] * y

    def f_fwd(params, y):
        return params["w"] * y, (params["w"], y)

    def f_bwd(saved, ct):
        return bwd(saved, ct)

    decorated = mj.custom_vjp(f)
    decorated.defvjp(fwd or f_fwd, f_bwd)
    return lambda: mj.grad(lambda p, y: decorated(p, y).sum(), (0, 1))({"w": mnp.ones(2)}, mnp.ones(2))


STRUCTURE = (
    "Custom VJP bwd rule must produce an output with the same container (pytree) structure as the args tuple of the primal "
    "function, and in particular must produce a tuple of length equal to the number of arguments to the primal function, "
    "but got bwd output structure PyTreeDef({}) for primal input structure PyTreeDef(({{'w': *}}, *))."
)
TYPE = (
    "Custom VJP bwd rule must produce an output with the same type as the args tuple of the primal function, but at "
    "output{} the bwd rule produced an output of type {} corresponding to an input of type {}, so the {} do not match"
)


@pytest.mark.parametrize(
    ("bwd", "first"),
    [
        (lambda saved, ct: ct, STRUCTURE.format("*")),
        (lambda saved, ct: ({"w": ct},), STRUCTURE.format("({'w': *},)")),
        (lambda saved, ct: (ct, ct), STRUCTURE.format("(*, *)")),
        (lambda saved, ct: ({"u": ct}, ct), STRUCTURE.format("({'u': *}, *)")),
    ],
)
def test_a_backward_rule_with_the_wrong_structure(bwd, first):
    text = message_of(TypeError, bad_vjp(bwd)).splitlines()
    assert text[0] == first
    assert "decorated(p, y)" in text[1]
    assert text[2] == "  why: f_bwd gives the cotangents of the arguments of f: ct_params, ct_y"
    assert text[3] == "  do:  return (ct_params, ct_y), with None for a zero cotangent"


@pytest.mark.parametrize(
    ("bwd", "first", "argument"),
    [
        (
            lambda saved, ct: ({"w": ct.sum()}, ct),
            TYPE.format("[0]['w']", "float32[]", "float32[2]", "shapes"),
            "params['w']",
        ),
        (
            lambda saved, ct: ({"w": ct}, ct[:1]),
            TYPE.format("[1]", "float32[1]", "float32[2]", "shapes"),
            "y",
        ),
        (lambda saved, ct: ({"w": ct}, 1j * ct), TYPE.format("[1]", "complex64[2]", "float32[2]", "dtypes"), "y"),
        (
            lambda saved, ct: ({"w": ct}, zero_from_primal(1.0, symbolic_zeros=True)),
            TYPE.format("[1]", "float32[]", "float32[2]", "shapes"),
            "y",
        ),
    ],
)
def test_a_cotangent_of_the_wrong_type_names_the_argument(bwd, first, argument):
    text = message_of(ValueError, bad_vjp(bwd)).splitlines()
    assert text[0] == first
    assert "decorated(p, y)" in text[1]
    assert f"argument `{argument}` of f" in text[2]


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (
            lambda params, y: 3,
            "Custom VJP fwd rule f_fwd for function f must produce a pair (list or tuple of length two): the output of f "
            "and the residuals to keep for the backward rule, but got 3.",
        ),
        (
            lambda params, y: ((y, y), None),
            "Custom VJP fwd rule f_fwd for function f must produce a pair whose first element is the output of f, of the "
            "same container/pytree structure: the rule gave (float32[2], float32[2]), the function float32[2].",
        ),
        (
            lambda params, y: (y.astype(np.int32), None),
            "Custom VJP fwd rule f_fwd for function f must produce a pair whose first element is the output of f, of the "
            "same shapes/dtypes: the rule gave int32[2], the function float32[2].",
        ),
    ],
)
def test_a_forward_rule_with_the_wrong_output(rule, first):
    def f_fwd(params, y):
        return rule(params, y)

    text = message_of(TypeError, bad_vjp(None, f_fwd)).splitlines()
    assert text[0] == first
    assert "decorated(p, y)" in text[1]


def test_operations_of_a_rule_come_from_its_own_lines():
    f = mj.custom_jvp(lambda x: x)

    @f.defjvp
    def rule(primals, tangents):
        return primals[0], mnp.cos(primals[0]) * tangents[0]

    program = mj.make_jaxpr(mj.grad(f))(1.0)
    (cosine,) = [eqn for eqn in program.eqns if eqn.primitive.name == "cos"]
    assert "mnp.cos(primals[0])" in cosine.source.line_text


# Rules and collectives, custom_gradient


def test_rules_may_use_the_axis_of_a_vmap():
    f = mj.custom_jvp(lambda x: x)
    f.defjvp(lambda p, t: (p[0], t[0] * mj.lax.psum(p[0], "i")))
    g = mj.custom_vjp(lambda x: x)
    g.defvjp(lambda x: (x, mj.lax.psum(x, "i")), lambda total, ct: (ct * total * mj.lax.axis_size("i"),))
    total = float(X.sum())
    np.testing.assert_allclose(mj.grad(lambda x: mj.vmap(f, axis_name="i")(x).sum())(X), [total] * 3)
    np.testing.assert_allclose(mj.grad(lambda x: mj.vmap(g, axis_name="i")(x).sum())(X), [3 * total] * 3)
    np.testing.assert_allclose(mj.vmap(mj.grad(f), axis_name="i")(X), [total] * 3)


def test_custom_gradient_computes_the_value_once():
    calls = []

    @mj.custom_gradient
    def f(x, y):
        calls.append(1)
        s = mnp.sin(x)
        return {"s": s * y}, lambda ct: (7.0 * s * ct["s"], ct["s"] * y)

    _, pull = mj.vjp(f, 0.5, 2.0)
    calls.clear()
    assert float(pull({"s": 1.0})[0]) == pytest.approx(7.0 * np.sin(0.5), rel=1e-6)
    assert calls == []
    second = mj.grad(mj.grad(lambda x: f(x, 2.0)["s"]))(0.5)
    assert float(second) == pytest.approx(7.0 * np.cos(0.5), rel=1e-6)
    batch = mj.vmap(mj.grad(lambda x: f(x, 2.0)["s"]))(X)
    np.testing.assert_allclose(batch, 7.0 * np.sin(X), rtol=1e-6)
    np.testing.assert_allclose(mj.jit(mj.grad(lambda x: f(x, 2.0)["s"]))(0.5), 7.0 * np.sin(0.5), rtol=1e-6)


def test_custom_gradient_with_integer_results():
    f = mj.custom_gradient(lambda x: ((x * x, mnp.arange(2)), lambda ct: 5.0 * ct[0]))
    assert float(mj.grad(lambda x: f(x)[0])(3.0)) == 5.0


def test_custom_gradient_refuses_branches_on_the_cotangent():
    f = mj.custom_gradient(lambda x: (x, lambda ct: ct if ct > 0 else -ct))
    with pytest.raises(mj.errors.TracerBoolConversionError):
        mj.grad(f)(1.0)
