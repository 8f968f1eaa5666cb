"""jit as a call, make_jaxpr, eval_shape, closure_convert: what is cached, what is static, what is shown."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp


def counted(f):
    calls = []

    def g(*args, **kwargs):
        calls.append(1)
        return f(*args, **kwargs)

    return g, calls


def test_jit_traces_once_per_type():
    f, calls = counted(lambda x: mnp.sin(x) * 2)
    g = mj.jit(f)
    for x in (1.0, 2.0, mnp.ones(3), mnp.zeros(3), 1, mnp.float32(1.0)):
        np.testing.assert_allclose(g(x), np.sin(np.asarray(x, np.float32)) * 2, rtol=1e-6)
    assert len(calls) == 4  # weak float, f32[3], weak int, strong float
    with mj.enable_x64():
        assert g(1.0).dtype == np.float64
    assert len(calls) == 5


def test_jit_of_trees_keywords_and_statics():
    f = mj.jit(lambda q, n, *, scale: {"out": q["a"] ** n * scale}, static_argnums=1)
    assert f({"a": 2.0}, 3, scale=0.5)["out"] == 4.0
    g = mj.jit(lambda x, n: x * n, static_argnames="n")
    assert g(1.0, n=2) == 2.0
    assert g(1.0, 3) == 3.0
    with pytest.raises(ValueError, match="Non-hashable static arguments"):
        mj.jit(lambda x, n: x, static_argnums=1)(1.0, [1])
    with pytest.raises(TypeError, match="static_argnums"):
        mj.jit(lambda s: s)("abc")


def test_jit_as_a_decorator_with_options():
    @mj.jit
    def f(x):
        return x + 1

    assert f(1.0) == 2.0
    assert f.__name__ == "f"


def test_jit_closes_over_traced_values():
    def outer(y):
        return mj.jit(lambda x: x * y)(3.0)

    assert mj.grad(outer)(2.0) == 3.0
    np.testing.assert_array_equal(mj.vmap(outer)(mnp.arange(3.0)), [0.0, 3.0, 6.0])


def test_side_effects_under_jit_happen_once():
    f, calls = counted(lambda x: x)
    g = mj.jit(f)
    g(1.0), g(2.0)
    assert len(calls) == 1
    g.clear_cache()
    g(1.0)
    assert len(calls) == 2


def test_make_jaxpr_prints_in_jax_notation():
    assert str(mj.make_jaxpr(lambda x: x * 2.0)(1.0)) == "{ lambda ; a:f32[]. let b:f32[] = mul a 2.0:f32[] in (b,) }"


def test_make_jaxpr_stages_constants():
    names = [eqn.primitive.name for eqn in mj.make_jaxpr(lambda x: x + mnp.zeros(2))(1.0).eqns]
    assert "broadcast_in_dim" in names


def test_make_jaxpr_of_grad_has_no_tracer_left_over():
    jaxpr = mj.make_jaxpr(mj.grad(lambda x: mnp.sin(x) * x))(1.0)
    assert [eqn.primitive.name for eqn in jaxpr.eqns].count("cos") == 1
    assert jaxpr.out_avals[0].shape == ()


def test_make_jaxpr_with_static_arguments_and_shapes():
    jaxpr, shape = mj.make_jaxpr(lambda x, n: x**n, static_argnums=1, return_shape=True)(mnp.ones(3), 2)
    assert jaxpr.eqns[0].params == {"y": 2}
    assert shape == mj.ShapeDtypeStruct((3,), np.float32)


def test_eval_shape_computes_nothing():
    out = mj.eval_shape(
        lambda q: {"y": q["a"] @ q["b"]},
        {"a": mj.ShapeDtypeStruct((10**6, 10**6), np.float32), "b": mj.ShapeDtypeStruct((10**6,), np.float32)},
    )
    assert out["y"] == mj.ShapeDtypeStruct((10**6,), np.float32)


def test_closure_convert_makes_captured_tracers_arguments():
    def f(y):
        converted, consts = mj.closure_convert(lambda x: x * y, 1.0)
        assert len(consts) == 1
        return converted(3.0, *consts)

    assert mj.grad(f)(2.0) == 3.0


def test_equations_know_their_line():
    def f(x):
        y = mnp.sin(x)
        return y * x

    lines = [eqn.source.line_text for eqn in mj.make_jaxpr(f)(1.0).eqns]
    assert lines == ["y = mnp.sin(x)", "return y * x"]


def test_the_second_call_of_a_type_goes_straight_to_the_program():
    g = mj.jit(lambda q: {"out": (q["a"] + 1, [q["b"], None]), "twice": q["a"]})
    q = {"a": mnp.arange(3.0), "b": mnp.ones(2)}
    first, second = g(q), g(q)
    assert mj.tree.structure(first) == mj.tree.structure(second)
    for a, b in zip(mj.tree.leaves(first), mj.tree.leaves(second), strict=True):
        assert type(b) is type(a) and a.aval is b.aval
        np.testing.assert_array_equal(a, b)


def test_the_straight_way_is_left_when_the_configuration_or_the_surroundings_change():
    f, calls = counted(lambda x: mnp.sin(x) + (1.0 if x.sum() > 0 else 2.0))
    g = mj.jit(f)
    x = mnp.ones(3)
    g(x), g(x)
    assert len(calls) == 1
    np.testing.assert_allclose(g(-x), np.sin(-np.ones(3)) + 2, rtol=1e-6)  # the guard fails
    assert len(calls) == 2
    with mj.disable_jit():
        g(x)
    assert len(calls) == 3
    with pytest.raises(FloatingPointError), mj.debug_nans():
        mj.jit(lambda x: mnp.log(x))(-x)
    with pytest.raises(mj.errors.TracerBoolConversionError):
        mj.vmap(g)(mnp.ones((2, 3)))
    assert "jit" in str(mj.make_jaxpr(lambda y: y + g(x))(x))
