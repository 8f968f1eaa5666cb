"""Guards: what Python asked of a traced value is written down, kept, and checked again."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.errors import ConcretizationTypeError, TracerBoolConversionError
from minijax.interpreters.eval import eval_closed
from minijax.ir import GuardMismatch, guards_of
from minijax.ir.guards import outcome_of
from minijax.ir.passes.dce import dce_jaxpr


def relu(x):
    if x > 0.0:
        return x * 2.0
    return x * 0.0


@pytest.mark.parametrize(("value", "outcome"), [(2.0, True), (-2.0, False)])
def test_bool_records_the_answer(value, outcome):
    (eqn,) = guards_of(mj.make_jaxpr(relu)(value))
    assert eqn.params == {"kind": "bool", "value": outcome}
    assert eqn.outvars == () or list(eqn.outvars) == []


def test_int_records_the_number():
    table = [1.0, 10.0, 100.0]
    program = mj.make_jaxpr(lambda i, x: x * table[i])(np.int32(2), 3.0)
    (eqn,) = guards_of(program)
    assert eqn.params == {"kind": "int", "value": 2}


def test_a_program_runs_while_its_guards_hold():
    program = mj.make_jaxpr(relu)(2.0)
    (result,) = eval_closed(program, mnp.asarray(5.0))
    assert float(result) == 10.0


def test_a_program_stops_where_a_guard_fails():
    program = mj.make_jaxpr(relu)(2.0)
    with pytest.raises(GuardMismatch) as caught:
        eval_closed(program, mnp.asarray(-5.0))
    assert (caught.value.kind, caught.value.expected, caught.value.outcome) == ("bool", True, False)


def test_dead_code_elimination_keeps_guards():
    program = mj.make_jaxpr(lambda x: (relu(x), mnp.sin(x))[1])(2.0)
    kept, _ = dce_jaxpr(program, [True])
    assert len(guards_of(kept)) == 1
    assert "mul" not in {eqn.primitive.name for eqn in kept.eqns}


@pytest.mark.parametrize(("value", "slope"), [(2.0, 2.0), (-2.0, 0.0)])
def test_the_gradient_is_that_of_the_arm_taken(value, slope):
    assert float(mj.grad(relu)(value)) == slope


def piecewise(x):
    for _ in range(3):
        x = x * x if x < 2.0 else mnp.sin(x) - x
    return x


@pytest.mark.parametrize("value", [-1.7, 0.3, 1.2, 1.9, 2.5])
def test_forward_and_reverse_agree_with_differences_through_branches(value):
    with mj.enable_x64():
        step = 1e-6
        ends = [float(piecewise(mnp.asarray(value + s))) for s in (step, -step)]
        expected = (ends[0] - ends[1]) / (2 * step)
        assert float(mj.grad(piecewise)(value)) == pytest.approx(expected, rel=1e-6)
        assert float(mj.jacfwd(piecewise)(value)) == pytest.approx(expected, rel=1e-6)


def test_second_derivatives_go_through_both_traces():
    with mj.enable_x64():
        assert float(mj.grad(mj.grad(lambda x: x**3 if x > 0.0 else x))(2.0)) == pytest.approx(12.0)


def test_jit_traces_again_when_the_answer_changes():
    f = mj.jit(relu)
    assert [float(f(x)) for x in (2.0, -2.0, 3.0, -3.0)] == [4.0, 0.0, 6.0, 0.0]


def test_mapped_values_have_no_truth():
    with pytest.raises(TracerBoolConversionError, match="where"):
        mj.vmap(relu)(mnp.arange(3.0))


def test_types_have_no_truth():
    with pytest.raises(ConcretizationTypeError):
        mj.make_jaxpr(relu)(mj.ShapeDtypeStruct((), np.float32))


@pytest.mark.parametrize(
    ("kind", "value", "outcome"),
    [
        ("bool", np.array(1.5), True),
        ("bool", np.array([0.0]), False),
        ("int", np.array(3), 3),
        ("value", np.array(2.5), 2.5),
        ("value", np.array([1, 2]), [1, 2]),
    ],
)
def test_outcomes_are_python_values(kind, value, outcome):
    assert outcome_of(kind, value) == outcome
    assert type(outcome_of(kind, value)) is type(outcome)
