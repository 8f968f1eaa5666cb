"""jit(f).trace, .lower, .compile: types, texts, costs, and calls of what was compiled ahead of them."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

X, W = np.ones((8, 3), np.float32), np.arange(3, dtype=np.float32)


@mj.jit
def layer(q, *, bias):
    return {"out": mnp.tanh(q["x"] @ q["w"] + bias), "norm": mnp.sum(q["w"] ** 2)}


ARGUMENTS = {"x": X, "w": W}


def test_every_stage_knows_the_types_of_arguments_and_results():
    traced = layer.trace(ARGUMENTS, bias=1.0)
    lowered = traced.lower()
    for stage in (traced, lowered, lowered.compile(), layer.lower(ARGUMENTS, bias=1.0)):
        (avals,), named = stage.in_avals
        assert {k: a.shape for k, a in avals.items()} == {"x": (8, 3), "w": (3,)} and named["bias"].weak_type
        assert stage.out_info == layer.eval_shape(ARGUMENTS, bias=1.0)
        assert stage.out_info["out"] == mj.ShapeDtypeStruct((8,), np.float32)
        assert stage.out_tree == mj.tree.structure(layer(ARGUMENTS, bias=1.0))
        assert stage.in_tree == mj.tree.structure(((ARGUMENTS,), {"bias": 1.0}))
        assert stage.args_info[0][0]["w"] == ((3,), np.float32, False)
        assert stage.fun_name == "layer" and stage.donate_argnums == ()
        assert "(q['w']: f32[3], q['x']: f32[8,3], bias: f32[])" in repr(stage)


def test_types_are_enough_to_lower():
    shapes = {"x": mj.ShapeDtypeStruct((100, 3), np.float32), "w": mj.ShapeDtypeStruct((3,), np.float32)}
    compiled = layer.lower(shapes, bias=0.0).compile()
    found = compiled({"x": np.ones((100, 3), np.float32), "w": W}, bias=0.0)
    np.testing.assert_allclose(found["out"], np.tanh(np.full(100, 3.0)), rtol=1e-6)
    assert found["norm"] == 5.0


def test_the_texts_show_each_stage():
    lowered = layer.lower(ARGUMENTS, bias=1.0)
    assert lowered.jaxpr is not lowered.compile().jaxpr
    assert str(layer.trace(ARGUMENTS, bias=1.0).jaxpr) == str(lowered.jaxpr)
    text = lowered.as_text()
    assert text == lowered.compile().as_text()
    assert text.startswith(lowered.as_text("jaxpr")) and text.endswith(lowered.as_text("python"))
    assert "{ lambda ;" in text and "@njit\ndef kernel_0(" in text
    assert "define void @NAME" in lowered.as_text("llvm")
    assert str(lowered.compiler_ir()) == str(lowered.compile().jaxpr) == lowered.as_text("jaxpr")
    with pytest.raises(ValueError, match="dialect 'stablehlo' is not one of"):
        lowered.as_text("stablehlo")


def test_costs_count_operations_and_bytes_that_move():
    shape = mj.ShapeDtypeStruct((200, 200), np.float32)
    product = mj.jit(lambda a, b: a @ b).lower(shape, shape)
    assert product.cost_analysis() == {"flops": 2.0 * 200**3, "bytes accessed": 3.0 * 4 * 200**2}
    fused = mj.jit(lambda a, b: mnp.sin(a * b) + 1.0).lower(shape, shape).compile().cost_analysis()
    assert fused == {
        "flops": 3.0 * 200**2,
        "bytes accessed": 3.0 * 4 * 200**2,
    }  # what is in between stays in registers
    looped = mj.jit(lambda a: mj.lax.fori_loop(0, 10, lambda i, c: c * 2.0, a)).lower(shape).cost_analysis()
    assert 10 * 200**2 <= looped["flops"] <= 10 * 200**2 + 100


def test_memory_is_that_of_arguments_results_and_what_lies_between():
    shape = mj.ShapeDtypeStruct((1000, 10), np.float32)
    memory = mj.jit(lambda a: mj.nn.softmax(a)).lower(shape).compile().memory_analysis()
    assert memory.argument_size_in_bytes == memory.output_size_in_bytes == 40_000
    assert 4_000 <= memory.temp_size_in_bytes <= 20_000  # rows' maxima and sums
    assert memory.alias_size_in_bytes == 0


def test_compiled_programs_take_the_types_they_were_compiled_for():
    compiled = mj.jit(lambda x, n: x * n, static_argnums=1).lower(W, 3).compile()
    np.testing.assert_array_equal(compiled(W), 3 * W)
    with pytest.raises(TypeError, match=r"Argument 'x' compiled with float32\[3\] and called with float32\[4\]"):
        compiled(np.ones(4, np.float32))
    with pytest.raises(TypeError, match=r"does not match the input pytree(.|\n)*static arguments are part"):
        compiled(W, 3)


def test_a_compiled_branch_that_goes_another_way_says_so():
    def f(x):
        return x * 2 if x > 0 else -x

    compiled = mj.jit(f).lower(3.0).compile()
    assert compiled(4.0) == 8.0
    with pytest.raises(
        mj.errors.JaxRuntimeError, match=r"was True; now it is False(.|\n)*return x \* 2 if x > 0(.|\n)*lax\.cond"
    ):
        compiled(-1.0)


def test_a_function_that_closes_over_traced_values_has_no_ahead_of_time_form():
    def outer(y):
        return mj.jit(lambda x: x * y).lower(1.0).compile()(2.0)

    with pytest.raises(ValueError, match="closes over values that are being traced"):
        mj.grad(outer)(1.0)
