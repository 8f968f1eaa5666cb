"""Python asks a traced value for a bool, an int, a float, an array: the table of DESIGN 5, row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.errors import (
    ConcretizationTypeError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
)


def branching(x):
    if x > 0:
        return x * x
    return -x


def guards(jaxpr):
    return [(eqn.params["kind"], eqn.params["value"]) for eqn in jaxpr.eqns if eqn.primitive.name == "guard"]


@pytest.mark.parametrize(("x", "value", "slope"), [(3.0, 9.0, 6.0), (-3.0, 3.0, -1.0)])
def test_a_branch_on_a_known_value_is_taken_and_differentiated(x, value, slope):
    assert mj.grad(branching)(x) == slope
    assert mj.jvp(branching, (x,), (1.0,)) == (value, slope)
    assert mj.jacfwd(branching)(x) == slope
    assert mj.jacrev(branching)(x) == slope
    assert mj.linearize(branching, x)[1](1.0) == slope
    assert mj.jit(branching)(x) == value
    assert mj.jit(mj.grad(branching))(x) == slope
    assert mj.grad(mj.jit(branching))(x) == slope
    assert mj.hessian(branching)(x) == (2.0 if x > 0 else 0.0)


def test_the_branch_is_recorded_with_its_outcome():
    assert guards(mj.make_jaxpr(branching)(3.0)) == [("bool", True)]
    assert guards(mj.make_jaxpr(branching)(-3.0)) == [("bool", False)]


def test_guards_do_not_enter_linear_programs_but_stay_in_the_primal():
    jaxpr = mj.make_jaxpr(mj.grad(branching))(3.0)
    assert ("bool", True) in guards(jaxpr)


def test_jit_takes_the_other_arm_when_the_value_changes():
    f = mj.jit(branching)
    assert [float(f(x)) for x in (2.0, -2.0, 3.0, -3.0, 2.0)] == [4.0, 2.0, 9.0, 3.0, 4.0]


def test_loops_with_a_trip_count_that_depends_on_the_value():
    def collatz_like(x):
        count = 0
        while x < 10.0:
            x = x * 2.0
            count += 1
        return x * count

    for f in (collatz_like, mj.jit(collatz_like)):
        assert f(3.0) == 24.0
        assert mj.grad(f)(3.0) == 8.0
        assert mj.grad(f)(6.0) == 2.0


def test_integers_are_guarded_by_value():
    f = lambda x, n: sum(x**k for k in range(n))
    assert mj.jit(f)(2.0, 3) == 7.0
    assert mj.grad(lambda x: sum(x * i for i in range(int(x))))(3.5) == 3.0
    assert guards(mj.make_jaxpr(f)(2.0, 3)) == [("int", 3)]


@pytest.mark.filterwarnings("ignore::minijax.errors.GradientStopsWarning")
def test_a_float_is_given_away_without_jit_and_recorded():
    assert mj.grad(lambda x: float(x) * x)(2.5) == 2.5
    assert mj.grad(lambda x: x.item() * x)(2.5) == 2.5
    assert mj.grad(lambda x: np.asarray(x) * x)(2.5) == 2.5
    np.testing.assert_allclose(mj.grad(lambda x: math.sin(x) * x)(2.5), math.sin(2.5), rtol=1e-6)


def test_under_jit_a_float_is_refused_with_the_reason():
    with pytest.raises(ConcretizationTypeError, match="compiled again for every value"):
        mj.jit(lambda x: float(x) * x)(2.5)
    with pytest.raises(TracerArrayConversionError):
        mj.jit(lambda x: np.asarray(x) * x)(2.5)


UNKNOWN = {
    "vmap": lambda f: mj.vmap(f)(mnp.arange(3.0)),
    "ShapeDtypeStruct": lambda f: mj.make_jaxpr(f)(mj.ShapeDtypeStruct((), np.float32)),
    "eval_shape": lambda f: mj.eval_shape(f, 1.0),
    "vmap of grad": lambda f: mj.vmap(mj.grad(f))(mnp.arange(3.0)),
    "vmap of jit": lambda f: mj.vmap(mj.jit(f))(mnp.arange(3.0)),
}


@pytest.mark.parametrize("how", UNKNOWN)
def test_an_unknown_value_is_refused_with_line_reason_and_rewrite(how):
    with pytest.raises(TracerBoolConversionError) as caught:
        UNKNOWN[how](branching)
    message = str(caught.value)
    assert "Attempted boolean conversion" in message
    assert "if x > 0:" in message
    assert "minijax.lax.cond" in message
    assert "argument `x`" in message
    with pytest.raises(TracerIntegerConversionError):
        UNKNOWN[how](lambda x: x * [1.0, 2.0][x.astype(int)])
    with pytest.raises(ConcretizationTypeError):
        UNKNOWN[how](lambda x: x * float(x))


def test_unmapped_values_are_known_inside_vmap():
    f = lambda x, flag: x if flag > 0 else -x
    out = mj.vmap(f, in_axes=(0, None))(mnp.arange(3.0), -1.0)
    assert out.tolist() == [0.0, -1.0, -2.0]


def test_capture_can_be_switched_off():
    with mj.config.override("minijax_branch_capture", "error"):
        with pytest.raises(TracerBoolConversionError, match="minijax_branch_capture is 'error'"):
            mj.jit(branching)(1.0)
        assert mj.grad(branching)(3.0) == 6.0  # as in JAX: grad alone may branch


def test_repr_shows_the_value_where_there_is_one():
    seen = []
    mj.grad(lambda x: seen.append(repr(x * 2)) or x)(1.5)
    mj.jit(lambda x: seen.append(repr(x)) or x)(1.5)
    mj.vmap(lambda x: seen.append(repr(x)) or x)(mnp.ones(2))
    assert "3." in seen[0]
    assert "1.5" not in seen[1]
    assert "f32[]" in seen[2]


def test_nested_traces_each_record_their_own_guard():
    outer = lambda x: mj.grad(branching)(x) + x if x > 1 else x
    assert mj.grad(outer)(3.0) == 3.0
    assert len(guards(mj.make_jaxpr(outer)(3.0))) >= 2


def test_a_guard_inside_a_nested_jit_respecialises():
    inner = mj.jit(branching)
    outer = mj.jit(lambda x: inner(x) + inner(-x))
    assert [float(outer(x)) for x in (2.0, -2.0, 3.0)] == [6.0, 6.0, 12.0]


def test_python_builtins_on_traced_values():
    f = lambda x: max(x[0], x[1]) * 2 + min(x[0], x[1]) + sorted([x[1], x[0]])[0]
    np.testing.assert_array_equal(mj.grad(f)(mnp.array([1.0, 5.0])), [2.0, 2.0])


def test_predicates_of_arrays_are_ambiguous():
    with pytest.raises(ValueError, match="ambiguous"):
        mj.grad(lambda x: x.sum() if x > 0 else -x.sum())(mnp.ones(2))


@pytest.mark.parametrize("use", [hash, lambda x: {x}], ids=["hash", "set"])
def test_tracers_are_not_hashable(use):
    with pytest.raises(TypeError, match="unhashable"):
        mj.grad(lambda x: use(x) and x)(1.0)
