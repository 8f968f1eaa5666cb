"""Callbacks: called as often, in the order and with the values that the program says, under every transformation."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.api.callbacks import io_callback
from minijax.ir.passes.dce import dce

X = np.linspace(-1.0, 1.0, 3, dtype=np.float32)


def sine(method=None, calls=None):
    def on_numpy(a):
        assert type(a) is np.ndarray or isinstance(a, np.generic)
        if calls is not None:
            calls.append(a.shape)
        return np.sin(a).astype(np.float32)

    return lambda x: mj.pure_callback(on_numpy, mj.ShapeDtypeStruct(np.shape(x), np.float32), x, vmap_method=method)


def test_value_eager_and_jitted():
    np.testing.assert_allclose(sine()(X), np.sin(X), rtol=1e-6)
    np.testing.assert_allclose(mj.jit(sine())(X), np.sin(X), rtol=1e-6)
    assert mj.make_jaxpr(sine())(X).out_avals[0].shape == (3,)


@pytest.mark.parametrize(
    ("method", "shapes"), [("sequential", [()] * 3), ("expand_dims", [(3,)]), ("broadcast_all", [(3,)])]
)
def test_vmap(method, shapes):
    calls = []
    np.testing.assert_allclose(mj.vmap(sine(method, calls))(X), np.sin(X), rtol=1e-6)
    assert calls == shapes


@pytest.mark.parametrize(("method", "shape"), [("expand_dims", (1,)), ("broadcast_all", (3,))])
def test_vmap_of_an_unmapped_operand(method, shape):
    seen = []

    def add(a, b):
        seen.append(b.shape)
        return a + b

    out = mj.vmap(
        lambda x, y: mj.pure_callback(add, mj.ShapeDtypeStruct((), np.float32), x, y, vmap_method=method), (0, None)
    )(X, np.float32(2.0))
    np.testing.assert_array_equal(out, X + 2)
    assert seen == [shape]


def test_vmap_needs_a_method():
    with pytest.raises(NotImplementedError, match="vmap_method"):
        mj.vmap(sine())(X)
    with pytest.raises(ValueError, match="vmap_method must be one of"):
        sine("parallel")(X)


def test_derivatives_need_a_rule():
    with pytest.raises(ValueError, match="Pure callbacks do not support JVP"):
        mj.grad(sine())(1.0)
    f = mj.custom_jvp(sine("sequential"))
    f.defjvp(lambda p, t: (f(p[0]), mnp.cos(p[0]) * t[0]))
    assert float(mj.grad(f)(0.5)) == pytest.approx(np.cos(0.5), rel=1e-6)
    np.testing.assert_allclose(mj.vmap(mj.grad(f))(X), np.cos(X), rtol=1e-6)


def test_results_have_the_announced_types():
    with pytest.raises(ValueError, match="result_shape_dtypes"):
        mj.pure_callback(lambda x: np.ones(2, np.float32), mj.ShapeDtypeStruct((3,), np.float32), 1.0)
    with pytest.raises(ValueError, match="structure"):
        mj.pure_callback(lambda x: (x, x), mj.ShapeDtypeStruct((), np.float32), 1.0)


def test_trees_go_in_and_out():
    types = {"s": mj.ShapeDtypeStruct((), np.float32), "n": mj.ShapeDtypeStruct((), np.int32)}
    out = mj.pure_callback(
        lambda d, *, k: {"s": np.float32(d["a"].sum() * k), "n": np.int32(d["a"].size)}, types, {"a": X + 2}, k=2.0
    )
    assert (float(out["s"]), int(out["n"])) == (12.0, 3)


def test_io_callback_runs_once_each_time():
    seen = []

    def f(x):
        io_callback(lambda a: seen.append(float(a)), None, x, ordered=True)
        return 2.0 * x

    compiled = mj.jit(f)
    assert [float(compiled(x)) for x in (1.0, 2.0)] == [2.0, 4.0]
    assert seen == [1.0, 2.0]
    seen.clear()
    mj.vmap(f)(X)
    assert seen == [float(x) for x in X]
    with pytest.raises(ValueError, match="IO callbacks do not support JVP"):
        mj.grad(f)(1.0)


def test_io_callback_returns_values():
    count = iter(range(10))
    types = mj.ShapeDtypeStruct((), np.int32)
    f = mj.jit(lambda: io_callback(lambda: np.int32(next(count)), types))
    assert [int(f()), int(f())] == [0, 1]


def printing(x):
    mj.debug.print("x = {} and {y:.1f}", x, y=x * 2)
    return x * x


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (lambda: printing(1.0), [1.0]),
        (lambda: mj.grad(printing)(1.0), [1.0]),
        (lambda: mj.jit(printing)(1.0), [1.0]),
        (lambda: mj.grad(mj.jit(printing))(1.0), [1.0]),
        (lambda: mj.jit(mj.grad(printing))(1.0), [1.0]),
        (lambda: mj.vmap(printing)(mnp.arange(3.0)), [0.0, 1.0, 2.0]),
        (lambda: mj.jit(mj.vmap(mj.grad(printing)))(mnp.arange(2.0)), [0.0, 1.0]),
        (lambda: mj.hessian(printing)(1.0), [1.0]),
    ],
)
def test_debug_print(run, shown, capsys):
    run()
    assert capsys.readouterr().out == "".join(f"x = {x} and {2 * x:.1f}\n" for x in shown)


def test_debug_print_of_a_value_without_tangent(capsys):
    def f(x):
        mj.debug.print("{}", mj.lax.stop_gradient(x) > 0)
        return x * x

    mj.grad(f)(1.0)
    assert capsys.readouterr().out == "True\n"


def test_debug_print_checks_its_text():
    with pytest.raises(ValueError, match=r"Unused keyword arguments to `minijax.debug.print`: \['y'\]"):
        mj.debug.print("x", y=1)
    with pytest.raises(IndexError):
        mj.debug.print("{} {}", 1)


def test_programs_check_and_keep_their_effects():
    program = mj.make_jaxpr(printing)(1.0)
    mj.ir.check_jaxpr(program)
    assert [eqn.primitive.name for eqn in program.eqns] == ["mul", "debug_callback", "mul"]
    assert "debug_callback" in mj.ir.histogram(dce(program))
    assert "pure_callback" not in mj.ir.histogram(dce(mj.make_jaxpr(lambda x: (sine()(x), x)[1])(1.0)))


def test_sequential_is_a_loop_in_the_program():
    for method, unroll in (("sequential", 1), ("sequential_unrolled", 3)):
        program = mj.make_jaxpr(mj.vmap(sine(method)))(X)
        mj.ir.check_jaxpr(program)
        (eqn,) = program.eqns
        assert (eqn.primitive.name, eqn.params["length"], eqn.params["unroll"]) == ("scan", 3, unroll)


def test_legacy_vectorized_leaves_unmapped_arguments_alone():
    seen = []

    def add(a, b):
        seen.append((a.shape, b.shape))
        return a + b

    f = lambda x, y: mj.pure_callback(add, mj.ShapeDtypeStruct((), np.float32), x, y, vmap_method="legacy_vectorized")
    np.testing.assert_array_equal(mj.vmap(f, (0, None))(X, 2.0), X + 2)
    assert seen == [((3,), ())]


@pytest.mark.parametrize("method", ["sequential", "expand_dims", "broadcast_all"])
def test_two_maps_and_other_axes(method):
    f = lambda x, y: mj.pure_callback(
        lambda a, b: (a * b).astype(np.float32), mj.ShapeDtypeStruct((), np.float32), x, y, vmap_method=method
    )
    table = np.outer(X, X).astype(np.float32) + 1
    np.testing.assert_allclose(mj.vmap(mj.vmap(f, (0, None)), (1, 0))(table, X), table.T * X[:, None], rtol=1e-6)
    np.testing.assert_allclose(mj.jit(mj.vmap(mj.vmap(f, (None, 0)), (0, None)))(X, X), np.outer(X, X), rtol=1e-6)


def test_ordered_callbacks_keep_their_order_in_loops():
    seen = []

    def step(carry, x):
        io_callback(lambda a: seen.append(("a", float(a))), None, x, ordered=True)
        io_callback(lambda a: seen.append(("b", float(a))), None, carry, ordered=True)
        return carry + x, None

    mj.jit(lambda: mj.lax.scan(step, 0.0, mnp.arange(3.0)))()
    assert seen == [("a", 0.0), ("b", 0.0), ("a", 1.0), ("b", 0.0), ("a", 2.0), ("b", 1.0)]


def test_empty_batches_call_nothing():
    calls = []
    assert mj.vmap(sine("sequential", calls))(np.zeros(0, np.float32)).shape == (0,)
    assert calls == []
