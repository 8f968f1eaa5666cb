"""cond and switch: which branch runs, what their derivatives are, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax


@pytest.mark.parametrize(
    ("pred", "expected"), [(True, 2.0), (False, -1.0), (1.0, 2.0), (0, -1.0), (np.bool_(True), 2.0)]
)
def test_cond_runs_one_branch(pred, expected):
    assert float(lax.cond(pred, lambda x: x + 1.0, lambda x: -x, 1.0)) == expected
    assert float(mj.jit(lambda p, x: lax.cond(p, lambda x: x + 1.0, lambda x: -x, x))(pred, 1.0)) == expected


def test_operands_are_trees_and_may_be_none():
    out = lax.cond(True, lambda d, n: {"y": d["x"] * 2}, lambda d, n: {"y": d["x"]}, {"x": mnp.ones(2)}, None)
    np.testing.assert_array_equal(out["y"], [2.0, 2.0])
    assert float(lax.cond(False, lambda: 1.0, lambda: 2.0)) == 2.0
    assert float(lax.cond(True, lambda x: x, lambda x: -x, operand=3.0)) == 3.0


@pytest.mark.parametrize(("index", "expected"), [(-5, 1.0), (0, 1.0), (1, 10.0), (2, 100.0), (7, 100.0)])
@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint8, np.int16])
def test_switch_clamps_its_index(index, expected, dtype):
    if index < 0 and dtype == np.uint8:
        index = 0
    branches = [lambda x: x, lambda x: 10.0 * x, lambda x: 100.0 * x]
    assert float(lax.switch(mnp.asarray(index, dtype), branches, 1.0)) == expected
    assert float(mj.jit(lambda i: lax.switch(i, branches, 1.0))(mnp.asarray(index, dtype))) == expected


def test_the_branch_that_does_not_run_leaves_no_nan_behind():
    f = lambda x: lax.cond(x > 0, mnp.log, lambda x: 0.0 * x, x)
    assert float(mj.grad(f)(0.0)) == 0.0
    assert float(mj.jit(mj.grad(f))(0.0)) == 0.0
    assert float(mj.jit(mj.grad(mj.grad(f)))(0.0)) == 0.0


def test_a_mapped_predicate_selects_between_the_branches():
    f = lambda p, x: lax.cond(p, mnp.sin, mnp.cos, x)
    p, x = mnp.array([True, False, True]), mnp.arange(3.0)
    np.testing.assert_allclose(mj.vmap(f)(p, x), np.where(p, np.sin(x), np.cos(x)), rtol=1e-6)
    assert "cond" not in str(mj.make_jaxpr(mj.vmap(f))(p, x))
    assert "cond" in str(mj.make_jaxpr(mj.vmap(f, in_axes=(None, 0)))(True, x))


def test_closed_over_values_are_differentiated():
    f = lambda x, y: lax.cond(x > 0, lambda: x * y, lambda: y * y)
    assert [float(g) for g in mj.grad(f, (0, 1))(2.0, 3.0)] == [3.0, 2.0]
    assert [float(g) for g in mj.grad(f, (0, 1))(-2.0, 3.0)] == [0.0, 6.0]
    assert [float(g) for g in mj.jit(mj.grad(f, (0, 1)))(-2.0, 3.0)] == [0.0, 6.0]


def test_branches_share_residual_slots_of_equal_types():
    f = lambda x: lax.cond(x[0] > 0, lambda x: mnp.sin(x).sum(), lambda x: mnp.exp(x).sum(), x)
    jaxpr = mj.make_jaxpr(mj.grad(f))(mnp.ones(3))
    first = next(eqn for eqn in jaxpr.eqns if eqn.primitive.name == "cond")
    assert [v.aval.shape for v in first.outvars] == [(), (3,)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: lax.cond(mnp.ones(2), lambda: 1, lambda: 2),
            r"Pred must be a scalar, got \[1. 1.\] of shape \(2,\)",
        ),
        (lambda: lax.cond(None, lambda: 1, lambda: 2), "pred must be a scalar, got None"),
        (lambda: lax.cond(True, 1, lambda: 2), "arguments should be callable"),
        (
            lambda: lax.cond(True, lambda x: x, lambda x: (x, x), 1.0),
            "true_fun output is a pytree leaf but false_fun output is",
        ),
        (lambda: lax.cond(True, lambda x: x, lambda x: x.astype(int), 1.0), "int32.., so the dtypes do not match"),
        (lambda: lax.cond(True, lambda x: x, lambda x: x[:1], mnp.ones(2)), "so the shapes do not match"),
        (lambda: lax.switch(0.0, [lambda: 1, lambda: 2]), "Index type must be an integer, got float32"),
        (lambda: lax.switch(mnp.arange(2), [lambda: 1, lambda: 2]), "Branch index must be scalar"),
        (
            lambda: lax.switch(0, [lambda: 1, lambda: 1.5]),
            "output of branch 0 has type int32.* branch 1 has type float32",
        ),
    ],
)
def test_errors_say_what_differs(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_errors_name_the_functions_and_their_lines():
    def positive(x):
        return x

    def negative(x):
        return x, x

    with pytest.raises(TypeError) as error:
        lax.cond(True, positive, negative, 1.0)
    text = str(error.value)
    assert "true_fun is positive at" in text and "false_fun is negative at" in text and "test_conditionals.py" in text


def test_switch_without_branches_is_refused():
    with pytest.raises(ValueError, match="Empty branch sequence"):
        lax.switch(0, [])


def test_callbacks_run_in_the_branch_that_is_taken():
    seen = []

    def noisy(name):
        def branch(x):
            mj.debug.callback(lambda v: seen.append((name, float(v))), x)
            return x

        return branch

    f = mj.jit(lambda p, x: lax.cond(p, noisy("yes"), noisy("no"), x))
    f(True, 1.0), f(False, 2.0)
    assert seen == [("yes", 1.0), ("no", 2.0)]


def test_disable_jit_calls_the_branch():
    with mj.disable_jit():
        seen = []
        assert lax.cond(True, lambda x: seen.append("yes") or x, lambda x: seen.append("no") or x, 1.0) == 1.0
        assert lax.switch(1, [lambda x: x, lambda x: seen.append("one") or x], 2.0) == 2.0
        assert seen == ["yes", "one"]


ALTERNATIVES = {"cuda": mnp.cos, "cpu": mnp.sin, "tpu": mnp.cos}


def test_platform_dependent_is_the_function_for_the_cpu():
    f = lambda x: lax.platform_dependent(x, **ALTERNATIVES, default=mnp.tan)
    assert float(f(0.5)) == float(mnp.sin(0.5))
    assert float(mj.jit(f)(0.5)) == float(mnp.sin(0.5))
    assert float(mj.jit(mj.grad(f))(0.5)) == float(mnp.cos(0.5))
    assert float(lax.platform_dependent(0.5, tpu=mnp.cos, default=mnp.sin)) == float(mnp.sin(0.5))
    np.testing.assert_allclose(mj.vmap(mj.jit(f))(mnp.arange(3.0)), np.sin(np.arange(3.0)), rtol=1e-6)


def test_platform_dependent_keeps_its_alternatives_in_the_program_once_each():
    program = mj.make_jaxpr(lambda x: lax.platform_dependent(x, **ALTERNATIVES, default=mnp.tan))(0.5)
    (eqn,) = [eqn for eqn in program.eqns if eqn.primitive.name == "cond"]
    assert len(eqn.params["branches"]) == 3


@pytest.mark.parametrize(
    ("alternatives", "error", "message"),
    [
        ({"cuda": mnp.sin}, NotImplementedError, r"no branch for the platform 'cpu', only for \['cuda'\]"),
        ({"gpu": mnp.sin}, ValueError, "Use 'cuda' or 'rocm'"),
        ({"cpu": 1}, TypeError, "the 'cpu' branch must be a callable"),
        (
            {"cpu": mnp.sin, "tpu": lambda x: (x, x)},
            TypeError,
            "(?s)platform_dependent branch outputs must have the same pytree structure.*tpu is .*test_conditionals.py",
        ),
    ],
)
def test_platform_dependent_refuses_what_does_not_fit(alternatives, error, message):
    with pytest.raises(error, match=message):
        mj.jit(lambda x: lax.platform_dependent(x, **alternatives))(1.0)
