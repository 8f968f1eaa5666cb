"""The checker accepts what is traced and finds every way in which a program can be broken."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

import minijax.ir as ir
from minijax.array import wrap
from minijax.errors import JaxprTypeError
from minijax.ir.check import accepts, check_jaxpr
from minijax.primitives._ops import p
from tests.ir.random_jaxprs import FLOAT, bind, literal, programs

F32 = ir.ShapedArray((), FLOAT)
WEAK = ir.ShapedArray((), FLOAT, True)
NEG, ADD, JIT = "neg", "add", "jit"


def eqn(name, invars, outvars, effects=frozenset(), /, **params):
    return ir.Eqn(ir.lookup(name), invars, outvars, params, None, effects)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(programs())
def test_traced_programs_are_well_formed(program):
    check_jaxpr(program.closed)
    check_jaxpr(program.closed.jaxpr)


def broken_programs():
    a, b, c = ir.Var(F32), ir.Var(F32), ir.Var(F32)
    weak, vector = ir.Var(WEAK), ir.Var(ir.ShapedArray((3,), FLOAT))
    body = ir.ClosedJaxpr(ir.Jaxpr([], [], [eqn(NEG, [b], [c])], [c]), [])
    return {
        "read, but not defined": ir.Jaxpr([], [a], [eqn(NEG, [b], [c])], [c]),
        "read, but not defined before": ir.Jaxpr([], [a], [eqn(NEG, [b], [c]), eqn(NEG, [a], [b])], [c]),
        "type f32\\[\\] is read": ir.Jaxpr([], [a], [], [b]),
        "defined twice": ir.Jaxpr([], [a], [eqn(NEG, [a], [b]), eqn(NEG, [b], [b])], [b]),
        "twice": ir.Jaxpr([], [a, a], [], [a]),
        "result 0 is ShapedArray": ir.Jaxpr([], [a], [eqn(NEG, [a], [vector])], [vector]),
        "weak_type=True": ir.Jaxpr([], [weak], [eqn(NEG, [weak], [b])], [b]),
        "defines 2 variables": ir.Jaxpr([], [a], [eqn(NEG, [a], [b, c])], [b]),
        "does not accept": ir.Jaxpr([], [a], [eqn(ADD, [a], [b])], [b]),
        "same dtypes": ir.Jaxpr([], [a], [eqn(ADD, [a, literal(1, np.dtype("int32"))], [b])], [b]),
        "literal": ir.Jaxpr([], [a], [eqn(ADD, [a, ir.Literal(np.int32(1), F32)], [b])], [b]),
        "has dtype None": ir.Jaxpr([], [a], [eqn(ADD, [a, ir.Literal(1.0, F32)], [b])], [b]),
        "not a scalar": ir.Jaxpr([], [a], [eqn(ADD, [a, ir.Literal(np.ones(3, FLOAT), vector.aval)], [b])], [b]),
        "neither a variable nor a literal": ir.Jaxpr([], [a], [eqn(NEG, [1.0], [b])], [b]),
        "no parameter 'axis'": ir.Jaxpr([], [a], [eqn(NEG, [a], [b], axis=1)], [b]),
        "'two' is not a": ir.Jaxpr([], [a], [eqn("integer_pow", [a], [b], y="two")], [b]),
        "effects are \\{guard\\}": ir.Jaxpr([], [a], [eqn(NEG, [a], [b], frozenset({ir.GUARD}))], [b]),
        "effects are \\{\\}, should be \\{guard\\}": ir.Jaxpr(
            [], [a], [eqn("guard", [a], [], kind="value", value=1.0)], []
        ),
        "effects are": ir.Jaxpr([], [a], [], [a], effects=frozenset({ir.GUARD})),
        "is read": ir.Jaxpr([], [a], [eqn(JIT, [], [b], jaxpr=body, name="f")], [b]),
        "0 constants": ir.ClosedJaxpr(ir.Jaxpr([b], [a], [], [b]), []),
        "its constant is": ir.ClosedJaxpr(ir.Jaxpr([b], [a], [], [b]), [wrap(np.ones(3, FLOAT))]),
    }


@pytest.mark.parametrize("message", list(broken_programs()))
def test_broken_programs_are_refused(message):
    with pytest.raises(JaxprTypeError, match=message):
        check_jaxpr(broken_programs()[message])


def test_call_must_fit_its_body():
    body = ir.trace_function(lambda a: [p.neg(a)], [F32], purpose="test")
    a, b = ir.Var(ir.ShapedArray((3,), FLOAT)), ir.Var(F32)
    with pytest.raises(JaxprTypeError, match=r"body takes f32\[\], the call gives f32\[3\]"):
        check_jaxpr(ir.Jaxpr([], [a], [eqn(JIT, [a], [b], jaxpr=body, name="f")], [b]))


def test_error_shows_the_equation_among_ten_neighbours_either_side():
    variables = [ir.Var(F32) for _ in range(41)]
    eqns = [eqn(NEG, [x], [y]) for x, y in itertools.pairwise(variables)]
    eqns[20] = eqn(ADD, [variables[20]], [variables[21]])
    with pytest.raises(JaxprTypeError) as caught:
        check_jaxpr(ir.Jaxpr([], variables[:1], eqns, variables[-1:]))
    lines = str(caught.value).splitlines()
    assert "equation 20" in lines[0] and len(lines) == 1 + 21
    assert lines[11].startswith(" >> ") and "add" in lines[11]
    assert all("neg" in line for line in lines[1:11] + lines[12:])


def test_sub_jaxpr_scope_is_its_own():
    outer = ir.Var(F32)
    inner_out = ir.Var(F32)
    body = ir.ClosedJaxpr(ir.Jaxpr([], [], [eqn(NEG, [outer], [inner_out])], [inner_out]), [])
    out = ir.Var(F32)
    with pytest.raises(JaxprTypeError, match="not defined"):
        check_jaxpr(ir.Jaxpr([], [outer], [eqn(JIT, [], [out], jaxpr=body, name="f")], [out]))


@pytest.mark.parametrize(
    ("declared", "value", "fits"),
    [
        (int, 1, True),
        (int, np.int64(1), True),
        (int, 1.0, False),
        (float, 1, True),
        (float, "1", False),
        (str, "a", True),
        (tuple, (1,), True),
        (tuple[int, ...], [1], False),
        (int | None, None, True),
        (int | None, "a", False),
        ((tuple, type(None)), None, True),
        (np.dtype, np.float32, True),
        (np.dtype, np.dtype("f4"), True),
        (object, object(), True),
    ],
)
def test_declared_types(declared, value, fits):
    assert accepts(declared, value) is fits


def test_shared_bodies_are_checked_once():
    body = ir.trace_function(lambda a: [p.neg(a)], [F32], purpose="test")
    for _ in range(40):  # 2**40 paths

        def call_twice(a, inner=body):
            return bind(JIT, bind(JIT, a, jaxpr=inner, name="f")[0], jaxpr=inner, name="f")

        body = ir.trace_function(call_twice, [F32], purpose="test")
    check_jaxpr(body)
