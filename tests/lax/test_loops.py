"""scan, while_loop, fori_loop: what they return, what their programs look like, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.ir import histogram


def test_scan_carries_and_stacks_trees():
    def step(state, x):
        return {"sum": state["sum"] + x["a"], "n": state["n"] + 1}, (x["a"] * 2, None)

    xs = {"a": mnp.arange(4.0)}
    state, (doubled, nothing) = lax.scan(step, {"sum": 0.0, "n": 0}, xs)
    assert float(state["sum"]) == 6.0 and int(state["n"]) == 4 and nothing is None
    np.testing.assert_array_equal(doubled, [0.0, 2.0, 4.0, 6.0])


def test_scan_in_reverse_keeps_results_in_their_places():
    last, sums = lax.scan(lambda c, x: (c + x, c + x), 0.0, mnp.arange(1.0, 4.0), reverse=True)
    assert float(last) == 6.0
    np.testing.assert_array_equal(sums, [6.0, 5.0, 3.0])


def test_scan_of_length_zero_gives_the_carry_and_empty_results():
    carry, ys = lax.scan(lambda c, x: (c * 2.0, x), 1.0, mnp.zeros((0, 3)))
    assert float(carry) == 1.0 and ys.shape == (0, 3)
    g = mj.grad(lambda c: lax.scan(lambda c, x: (c * 2.0, x), c, mnp.zeros((0, 3)))[0])
    assert float(g(1.0)) == 1.0


def test_a_body_is_traced_once():
    calls = []

    def step(c, x):
        calls.append(1)
        return c + x, None

    lax.scan(step, mnp.float32(0), mnp.arange(100.0))
    assert len(calls) == 1


@pytest.mark.parametrize("unroll", [1, 3, True])
def test_unroll_does_not_change_results(unroll):
    _, ys = lax.scan(lambda c, x: (c + x, c), 0.0, mnp.arange(7.0), unroll=unroll)
    np.testing.assert_array_equal(ys, np.cumsum(np.arange(7.0)) - np.arange(7.0))


def test_python_numbers_take_the_type_of_what_the_body_returns():
    assert lax.scan(lambda c, _: (c * 2.0, None), 1, None, length=3)[0].dtype == np.float32
    carry, _ = lax.scan(lambda c, x: (c + x, None), 0, mnp.arange(3, dtype=np.int8))
    assert carry.dtype == np.int8 and not carry.weak_type
    assert lax.scan(lambda c, _: (c * 2, None), 1, None, length=3)[0].weak_type


def test_scan_refuses_a_carry_that_changes_its_type():
    with pytest.raises(TypeError) as error:
        lax.scan(lambda state, x: ((state[0], mnp.ones(3)), None), (0.0, mnp.zeros(2)), mnp.arange(3.0))
    text = str(error.value)
    assert "scan body function carry input and carry output must have equal types" in text
    assert "state[1] has type float32[2]" in text and "float32[3], so the shapes do not match" in text
    assert "test_loops.py" in text


def test_scan_refuses_a_carry_that_changes_its_structure():
    with pytest.raises(TypeError, match="must have the same pytree structure, but they differ") as error:
        lax.scan(lambda c, x: ((c, c), None), 0.0, mnp.arange(3.0))
    assert "The input carry c is a pytree leaf" in str(error.value) and "test_loops.py" in str(error.value)


def test_scan_refuses_a_body_that_returns_no_pair():
    with pytest.raises(TypeError, match="scan body output must be a pair") as error:
        lax.scan(lambda c, x: c + x, 0.0, mnp.arange(3.0))
    assert "return carry, None" in str(error.value)


@pytest.mark.parametrize(
    ("xs", "length", "message"),
    [
        ((mnp.zeros(3), mnp.zeros(4)), None, "different leading axis sizes: 3, 4"),
        (mnp.zeros(3), 4, "`length` argument of 4 which disagrees with leading axis sizes"),
        (None, None, "no values to scan over and `length` not provided"),
        (1.0, None, "no leading axis to scan over"),
    ],
)
def test_scan_says_what_is_wrong_with_lengths(xs, length, message):
    with pytest.raises(ValueError, match=message):
        lax.scan(lambda c, x: (c, None), 0.0, xs, length=length)


def test_while_loop_stops_when_the_predicate_is_false():
    i, total = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] + c[0]), (0, 0))
    assert (int(i), int(total)) == (5, 10)
    assert float(lax.while_loop(lambda x: False & (x > 0), lambda x: x * 2.0, 3.0)) == 3.0


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (lambda c: c, r"boolean scalar, but got output type\(s\) \[ShapedArray\(f32\[\]\)\]"),
        (lambda c: mnp.ones(2) < c, r"\[ShapedArray\(bool\[2\]\)\]"),
        (lambda c: (c > 0, c > 0), "boolean scalar, but got pytree"),
    ],
)
def test_while_loop_refuses_predicates_that_are_no_boolean_scalars(predicate, message):
    with pytest.raises(TypeError, match=message):
        lax.while_loop(predicate, lambda c: c, 1.0)


def test_while_loop_refuses_a_carry_that_changes_its_dtype():
    with pytest.raises(TypeError, match="so the dtypes do not match") as error:
        lax.while_loop(lambda c: c.sum() < 5, lambda c: c.astype(np.int32), mnp.zeros(2))
    assert "while_loop body function carry input" in str(error.value)


def test_fori_loop_is_a_scan_when_its_bounds_are_known_and_a_while_when_not():
    counted = mj.make_jaxpr(lambda x: lax.fori_loop(0, 3, lambda i, c: c * x, 1.0))(2.0)
    assert "scan" in histogram(counted)
    open_ended = mj.make_jaxpr(lambda n: lax.fori_loop(0, n, lambda i, c: c * 2.0, 1.0))(3)
    assert "while" in histogram(open_ended)


def test_fori_loop_counts_from_lower_to_upper():
    assert int(lax.fori_loop(2, 5, lambda i, c: c * 10 + i, 0)) == 234
    assert int(lax.fori_loop(5, 2, lambda i, c: c * 10 + i, 7)) == 7
    assert int(lax.fori_loop(np.int32(0), 3, lambda i, c: c + i, 0)) == 3
    assert int(mj.jit(lambda n: lax.fori_loop(0, n, lambda i, c: c + i, 0))(4)) == 6


def test_fori_loop_says_which_component_changes():
    with pytest.raises(TypeError) as error:
        lax.fori_loop(0, 3, lambda i, total: total > 0, mnp.float32(1))
    assert "fori_loop body function carry input" in str(error.value) and "carry total has type float32[]" in str(
        error.value
    )
    with pytest.raises(TypeError, match="The input carry total is a pytree leaf"):
        lax.fori_loop(0, 3, lambda i, total: (total, i), 1.0)
    with pytest.raises(TypeError, match="got upper of type f32"):
        lax.fori_loop(0, 3.0, lambda i, c: c, 1.0)


def test_checkpoint_every_does_not_change_the_gradient():
    def f(x, every):
        return lax.while_loop(
            lambda c: c[0] < 11, lambda c: (c[0] + 1, mnp.sin(c[1]) * x), (0, x), checkpoint_every=every
        )[1]

    with mj.enable_x64():
        expected = mj.grad(f)(1.3, None)
        for every in (1, 2, 3, 5, 11, 12, 100):
            np.testing.assert_allclose(mj.grad(f)(1.3, every), expected, rtol=1e-12)
            np.testing.assert_allclose(mj.jit(mj.grad(f), static_argnums=1)(1.3, every), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="positive number of steps, got 0"):
        f(1.0, 0)


def test_a_value_that_escapes_from_a_body_is_refused_where_it_is_used():
    kept = []

    def step(c, x):
        kept.append(c * x)
        return c + x, None

    lax.scan(step, 0.0, mnp.arange(3.0))
    with pytest.raises(mj.errors.UnexpectedTracerError, match=r"kept\.append\(c \* x\)") as error:
        kept[0] + 1
    assert "body of scan" in str(error.value)


def test_python_branches_on_values_of_a_body_are_refused_with_the_rewrite():
    with pytest.raises(mj.errors.TracerBoolConversionError, match=r"lax\.cond") as error:
        lax.scan(lambda c, x: (c + x if x > 0 else c, None), 0.0, mnp.arange(3.0))
    assert "argument `x`" in str(error.value) and "body of scan" in str(error.value)


def test_callbacks_in_a_body_run_in_every_step():
    seen = []

    def step(c, x):
        mj.debug.callback(lambda v: seen.append(float(v)), c)
        return c + x, None

    assert float(lax.scan(step, 0.0, mnp.arange(4.0))[0]) == 6.0
    assert seen == [0.0, 0.0, 1.0, 3.0]
    seen.clear()
    assert float(mj.grad(lambda c: lax.scan(step, c, mnp.arange(4.0))[0])(1.0)) == 1.0
    assert seen == [1.0, 1.0, 2.0, 4.0]


def test_disable_jit_runs_the_loops_in_python():
    with mj.disable_jit():
        seen = []

        def step(c, x):
            seen.append(float(x))
            return c + x, c

        carry, ys = lax.scan(step, mnp.float32(0), mnp.arange(3.0), reverse=True)
        assert seen == [2.0, 1.0, 0.0] and float(carry) == 3.0
        np.testing.assert_array_equal(ys, [3.0, 2.0, 0.0])
        assert float(lax.while_loop(lambda c: float(c) < 4, lambda c: c * 2.0, mnp.float32(1))) == 4.0
        assert int(lax.fori_loop(0, 3, lambda i, c: c + int(i), 0)) == 3


def test_residuals_that_no_step_changes_are_computed_once():
    def loss(w, xs):
        return lax.scan(lambda c, x: (c * mnp.sin(w) + x, None), 0.0, xs)[0]

    jaxpr = mj.make_jaxpr(mj.grad(loss))(0.5, mnp.arange(5.0))
    scans = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == "scan"]
    assert all(v.aval.shape in ((), (5,)) for eqn in scans for v in eqn.invars)
    outside = [eqn.primitive.name for eqn in jaxpr.eqns]
    assert "sin" in outside and "cos" in outside  # d(sin w) is known before the loop starts


def test_operands_that_are_residuals_are_not_copied():
    def loss(c, xs):
        return lax.scan(lambda c, x: (c * x, None), c, xs)[0]

    jaxpr = mj.make_jaxpr(mj.grad(loss))(0.5, mnp.arange(5.0))
    first, second = (eqn for eqn in jaxpr.eqns if eqn.primitive.name == "scan")
    assert [v.aval.shape for v in first.outvars] == [()]
    assert jaxpr.jaxpr.invars[1] in second.invars


def test_linear_transpose_of_a_loop_with_a_counter():
    def f(x):
        return lax.fori_loop(0, 4, lambda i, c: c * (1.0 + i), x)

    (ct,) = mj.linear_transpose(f, mnp.float32(1))(mnp.float32(1))
    assert float(ct) == 24.0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        mj.grad,
        mj.jacfwd,
        mj.hessian,
        lambda f: mj.jit(mj.grad(f)),
        lambda f: mj.grad(mj.jit(f)),
        lambda f: mj.jit(mj.grad(mj.grad(f))),
    ],
)
def test_callbacks_of_a_loop_of_unknown_length_run_once_in_each_step(wrap):
    seen = []

    def step(v, x):
        lax.cond(v < 100.0, lambda v: mj.debug.callback(lambda v: seen.append(float(v)), v), lambda v: None, v)
        return v * x

    wrap(lambda x: lax.while_loop(lambda v: v < 10.0, lambda v: step(v, x), x))(2.0)
    assert seen == [2.0, 4.0, 8.0]
