"""Walks, slices, substitution, counts."""

from __future__ import annotations

from hypothesis import given, settings

import minijax.ir as ir
from minijax.ir.walk import histogram, map_sub_jaxprs, needed_for, substitute, used_by, walk
from minijax.primitives._ops import like, p
from tests.ir.random_jaxprs import FLOAT, bind, bits, programs

SCALAR = ir.ShapedArray((), FLOAT)
SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)


def trace(function, count=1):
    return ir.trace_function(function, [SCALAR] * count, purpose="test")


def nested():
    body = trace(lambda a: [p.neg(p.sub(a, like(a, 3)))])
    return trace(lambda a: [p.add(bind("jit", p.mul(a, a), jaxpr=body, name="f")[0], a)])


def test_walk_gives_paths_into_bodies():
    steps = list(walk(nested()))
    assert [(str(step), step.eqn.primitive.name) for step in steps] == [
        ("0", "mul"),
        ("1", "jit"),
        ("1/jaxpr/0/0", "sub"),
        ("1/jaxpr/0/1", "neg"),
        ("2", "add"),
    ]
    assert all(step.eqn in step.jaxpr.eqns for step in steps)


def test_histogram_counts_bodies():
    assert histogram(nested()) == {"mul": 1, "jit": 1, "sub": 1, "neg": 1, "add": 1}


def test_slices_of_a_diamond():
    closed = trace(lambda a, b: [p.add(p.neg(a), p.square(b)), p.abs(b)], 2)
    neg, square, add, absolute = closed.eqns
    assert needed_for(closed, closed.jaxpr.outvars[:1]) == [neg, square, add]
    assert needed_for(closed, closed.jaxpr.outvars[1:]) == [absolute]
    assert used_by(closed, closed.jaxpr.invars[0]) == [neg, add]
    assert used_by(closed.jaxpr, closed.jaxpr.invars[1]) == [square, add, absolute]


@SETTINGS
@given(programs(guards=False))
def test_backward_slice_is_enough_to_compute_the_outputs(program):
    jaxpr = program.closed.jaxpr
    smaller = jaxpr.replace(eqns=needed_for(jaxpr, jaxpr.outvars))
    assert bits(program.run(ir.ClosedJaxpr(smaller, program.closed.consts))) == bits(program.run())


@SETTINGS
@given(programs())
def test_forward_slice_is_closed_under_use(program):
    jaxpr = program.closed.jaxpr
    for var in jaxpr.invars:
        reached = used_by(jaxpr, var)
        tainted = {var, *(out for eqn in reached for out in eqn.outvars)}
        for eqn in jaxpr.eqns:
            assert (eqn in reached) == any(x in tainted for x in eqn.invars)


def test_substitute_replaces_operands_and_results():
    closed = trace(lambda a, b: [p.add(a, b), a], 2)
    a, b = closed.jaxpr.invars
    changed = substitute(closed.jaxpr, {a: b})
    assert str(changed) == "{ lambda ; a:f32[] b:f32[]. let c:f32[] = add b b in (c, b) }"
    assert substitute(closed.jaxpr, {}) is closed.jaxpr


def test_map_sub_jaxprs_keeps_what_does_not_change():
    closed = nested()
    assert all(map_sub_jaxprs(eqn, lambda body: body) is eqn for eqn in closed.eqns)
    replaced = map_sub_jaxprs(closed.eqns[1], lambda body: trace(lambda a: [a]))
    assert str(replaced.params["jaxpr"]) == "{ lambda ; a:f32[]. let  in (a,) }"
    assert replaced.params["name"] == "f"
