"""grad, value_and_grad, jvp, vjp, linearize, linear_transpose: values, trees, arguments, errors."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.errors import MissingRuleError, UnexpectedTracerError


def test_the_article():
    assert mj.grad(mnp.sign)(0.0) == 0.0
    assert mj.grad(mnp.abs)(0.0) == 0.0
    assert mj.grad(lambda x: x.astype(mnp.int32).astype(mnp.float32) ** 2)(2.7) == 0.0
    steep = mj.grad(mnp.log)(1e-20)
    assert np.isfinite(steep)
    assert steep > 1e19
    assert np.isposinf(mj.grad(mnp.log)(0.0))
    with pytest.raises(TypeError, match="scalar") as caught:
        mj.grad(lambda x: mnp.array([mnp.sin(x), mnp.cos(x)]))(0.5)
    assert "jacfwd" in str(caught.value)
    assert "jacrev" in str(caught.value)


def test_gradients_of_a_tree_have_its_structure():
    params = {"w": mnp.ones((2, 3)), "b": [mnp.zeros(3), None]}
    gradient = mj.grad(lambda q: (mnp.ones(2) @ q["w"] + q["b"][0]).sum())(params)
    assert gradient["b"][1] is None
    np.testing.assert_array_equal(gradient["w"], np.ones((2, 3)))
    np.testing.assert_array_equal(gradient["b"][0], np.ones(3))


def test_argnums_select_arguments():
    f = lambda x, y: x * x * y
    assert mj.grad(f, argnums=1)(3.0, 2.0) == 9.0
    assert [float(g) for g in mj.grad(f, argnums=(1, 0))(3.0, 2.0)] == [9.0, 12.0]
    assert mj.grad(f, argnums=-1)(3.0, 2.0) == 9.0
    with pytest.raises(TypeError, match="requires at least 3 positional arguments"):
        mj.grad(f, argnums=2)(3.0, 2.0)


def test_keyword_arguments_are_constants():
    assert mj.grad(lambda x, *, y: x * y)(2.0, y=3.0) == 3.0


def test_auxiliary_output_is_returned_untouched():
    (value, aux), gradient = mj.value_and_grad(lambda x: (x**2, {"y": 2 * x, "name": "f"}), has_aux=True)(3.0)
    assert (float(value), float(gradient)) == (9.0, 6.0)
    assert float(aux["y"]) == 6.0
    assert aux["name"] == "f"
    with pytest.raises(TypeError, match="two-element tuple"):
        mj.grad(lambda x: x**2, has_aux=True)(3.0)


def test_integer_inputs_are_refused_unless_allowed():
    with pytest.raises(TypeError, match="real- or complex-valued inputs"):
        mj.grad(mnp.sin)(1)
    assert mj.grad(lambda n: n * 2.0, allow_int=True)(3).dtype == mj.float0


def test_gradient_of_a_function_that_ignores_its_input_is_zero():
    np.testing.assert_array_equal(mj.grad(lambda x: 1.0)(mnp.ones(3)), np.zeros(3))


def test_holomorphic_gradient_is_the_complex_derivative():
    z = 0.3 + 0.4j
    np.testing.assert_allclose(
        mj.grad(lambda w: mnp.sin(w) * w, holomorphic=True)(z), np.cos(z) * z + np.sin(z), rtol=1e-6
    )


def test_linearize_is_linear_and_equals_jvp():
    x, v = mnp.arange(1.0, 4.0), mnp.array([0.1, -0.2, 0.3])
    f = lambda x: mnp.sin(x) * x.sum()
    value, f_jvp = mj.linearize(f, x)
    np.testing.assert_allclose(f_jvp(v), mj.jvp(f, (x,), (v,))[1], rtol=1e-6)
    np.testing.assert_allclose(f_jvp(2 * v), 2 * f_jvp(v), rtol=1e-6)
    np.testing.assert_allclose(value, f(x), rtol=1e-6)


def test_vjp_can_be_called_again():
    _, pull = mj.vjp(lambda x, y: (x * y, mnp.sin(x)), 2.0, 3.0)
    for _ in range(2):
        (x_bar, y_bar) = pull((1.0, 1.0))
        np.testing.assert_allclose([x_bar, y_bar], [3 + np.cos(2.0), 2.0], rtol=1e-6)


def test_linear_transpose_of_a_matrix_is_its_transpose():
    a = mnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    (out,) = mj.linear_transpose(lambda x: a @ x, mnp.zeros(2))(mnp.array([1.0, 0.0, 2.0]))
    np.testing.assert_allclose(out, np.asarray(a).T @ [1.0, 0.0, 2.0])
    with pytest.raises(MissingRuleError, match="Transposition rule for 'sin'"):
        mj.linear_transpose(mnp.sin, 1.0)(1.0)


def test_hessian_of_a_tree_has_the_shapes_of_pairs_of_leaves():
    params = {"w": mnp.ones((3, 2)), "n": {"b": mnp.ones(3)}}
    shapes = mj.tree_util.tree_map(
        lambda x: x.shape, mj.hessian(lambda q: (q["w"] ** 2).sum() * q["n"]["b"].sum())(params)
    )
    assert shapes == {
        "n": {"b": {"n": {"b": (3, 3)}, "w": (3, 3, 2)}},
        "w": {"n": {"b": (3, 2, 3)}, "w": (3, 2, 3, 2)},
    }


def test_jacobians_agree_and_equal_finite_differences():
    f = lambda x: mnp.stack([mnp.sin(x[0]) * x[1], x[2] ** 2 / x[0]])
    with mj.enable_x64():
        x = mnp.array([0.5, -1.0, 2.0])
        forward, reverse = mj.jacfwd(f)(x), mj.jacrev(f)(x)
        numerical = np.stack([(np.asarray(f(x + h)) - np.asarray(f(x - h))) / 2e-6 for h in 1e-6 * np.eye(3)], axis=1)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    np.testing.assert_allclose(forward, numerical, rtol=1e-8, atol=1e-8)


def long_loop(count):
    def f(x):
        for _ in range(count):
            x = mnp.sin(x) * 1.0001
        return x

    return f


def test_a_loop_of_100_000_operations_differentiates_without_recursion():
    count = 50_000
    x, slope = np.float64(0.5), 1.0
    for _ in range(count):
        slope *= np.cos(x) * 1.0001
        x = np.sin(x) * 1.0001
    with mj.enable_x64():
        np.testing.assert_allclose(mj.grad(long_loop(count))(0.5), slope, rtol=1e-9)
        np.testing.assert_allclose(mj.jvp(long_loop(count), (0.5,), (1.0,))[1], slope, rtol=1e-9)


def test_memory_of_a_gradient_is_linear_in_the_length_of_the_program():
    def peak(count):
        gc.collect()
        tracemalloc.start()
        mj.grad(long_loop(count))(0.5)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    assert peak(8000) < 5 * peak(2000)


def test_threads_differentiate_different_functions_at_once():
    functions = [lambda x, k=k: mnp.sin(k * x) * x**k if x > 0 else -x for k in range(1, 9)]
    serial = [float(mj.grad(f)(0.7)) for f in functions]
    results = [[] for _ in functions]
    start = threading.Barrier(len(functions))

    def work(i):
        start.wait()
        for _ in range(30):
            results[i].append(float(mj.grad(functions[i])(0.7)))
            time.sleep(0)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[s] * 30 for s in serial]


def test_a_leaked_tracer_names_the_line_that_made_it():
    leak = []

    def careless(x):
        leak.append(mnp.sin(x))  # the line to be named
        return x

    mj.grad(careless)(1.0)
    with pytest.raises(UnexpectedTracerError, match=r"leak\.append\(mnp\.sin\(x\)\)") as caught:
        leak[0] + 1
    assert "test_autodiff.py" in str(caught.value)


def test_a_tracer_does_not_cross_threads():
    failures = []

    def f(x):
        def work():
            try:
                mnp.sin(x)
            except UnexpectedTracerError as error:
                failures.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x

    mj.grad(f)(1.0)
    assert len(failures) == 1
    assert "thread" in failures[0]


def test_impure_functions_run_anew_at_every_call():
    calls = []

    def f(x):
        calls.append(1)
        return x * len(calls)

    assert [float(mj.grad(f)(1.0)) for _ in range(3)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("axis", "shape"), [(0, (3, 2)), (1, (2, 3))])
def test_gradients_of_mapped_functions_equal_a_loop(axis, shape):
    x = mnp.arange(6.0).reshape(shape) + 0.5
    f = lambda row: mnp.sin(row).prod()
    mapped = mj.vmap(mj.grad(f), in_axes=axis, out_axes=axis)(x)
    loop = np.stack([np.asarray(mj.grad(f)(row)) for row in np.moveaxis(np.asarray(x), axis, 0)], axis=axis)
    np.testing.assert_allclose(mapped, loop, rtol=1e-6)
