"""The data model: interned avals, last uses, effects, sub-Jaxprs."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from hypothesis import given, settings

import minijax.ir as ir
from minijax.dtypes import float0
from minijax.primitives._ops import p
from tests.ir.random_jaxprs import FLOAT, bind, programs

SCALAR = ir.ShapedArray((), FLOAT)


def trace(function, count=1):
    return ir.trace_function(function, [SCALAR] * count, purpose="test", name="f", arg_names=["x"] * count)


def test_equal_avals_are_identical():
    aval = ir.ShapedArray((2, 3), FLOAT)
    assert aval is ir.ShapedArray((np.int64(2), 3), np.dtype("f4")) is aval.update() is aval.update(weak_type=False)
    assert aval is pickle.loads(pickle.dumps(aval)) is copy.deepcopy(aval)
    assert aval is not aval.update(weak_type=True) and aval is aval.update(weak_type=True).strong()
    assert (aval.ndim, aval.size, aval.itemsize, aval.str_short()) == (2, 6, 4, "f32[2,3]")


def test_tangents_of_integers_are_float0():
    assert ir.ShapedArray((2,), np.dtype("int32")).tangent().dtype == float0
    assert ir.ShapedArray((2,), FLOAT).tangent() is ir.ShapedArray((2,), FLOAT)


def test_literals_and_variables_show_their_types():
    assert repr(ir.Var(SCALAR)) == "Var(f32[])"
    assert repr(ir.Literal(np.float32(2), SCALAR)) == "Literal(2.0:f32[])"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(programs())
def test_last_uses_name_each_variable_once_and_never_an_output(program):
    jaxpr = program.closed.jaxpr
    released: list[ir.Var] = []
    for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
        assert not any(x in released for x in eqn.invars)
        released.extend(done)
    assert len(set(released)) == len(released)
    assert not set(released) & set(jaxpr.outvars)
    read = {x for eqn in jaxpr.eqns for x in (*eqn.invars, *eqn.outvars) if type(x) is ir.Var}
    assert read - set(jaxpr.outvars) == set(released)


def test_effects_of_bodies_reach_the_outside():
    body = trace(lambda a: bind("guard", a, kind="value", value="array") or [a])
    closed = trace(lambda a: bind("jit", a, jaxpr=body, name="f"))
    assert body.effects == closed.effects == closed.eqns[0].effects == {ir.GUARD}


def test_sub_jaxprs_are_found_in_params_and_tuples():
    body = trace(lambda a: [a])
    eqn = ir.Eqn(ir.lookup("jit"), [], [], {"jaxpr": body, "branches": (body, None, body), "n": 1}, None)
    assert list(ir.sub_jaxprs(eqn)) == [("jaxpr", body), ("branches", body), ("branches", body)]


def test_replace_works_out_effects_again():
    closed = trace(lambda a: bind("guard", a, kind="value", value="array") or [p.neg(a)])
    assert closed.jaxpr.replace(eqns=closed.eqns[1:]).effects == frozenset()
    assert closed.jaxpr.replace(eqns=closed.eqns[1:]).names is closed.jaxpr.names
    eqn = closed.eqns[1]
    assert eqn.replace(params={"y": 1}).params == {"y": 1} and eqn.params == {}


def test_names_are_kept():
    names = trace(lambda a: [a]).jaxpr.names
    assert (names.function, names.traced_for, names.arg_names) == ("f", "test", ("x",))
