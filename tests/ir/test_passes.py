"""Passes keep values bit by bit, are idempotent and well typed, and do what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import minijax.ir as ir
from minijax.array import wrap
from minijax.config import config
from minijax.errors import JaxprTypeError
from minijax.interpreters.eval import eval_closed
from minijax.ir import passes
from minijax.ir.check import check_jaxpr
from minijax.ir.passes.cse import cse
from minijax.ir.passes.dce import dce, dce_jaxpr
from minijax.ir.passes.fold_constants import fold_constants
from minijax.ir.passes.inline_calls import inline_calls
from minijax.ir.passes.lift_guards import lift_guards
from minijax.ir.passes.rewrite import (
    Operation,
    compose_broadcasts,
    compose_reshapes,
    compose_transposes,
    identity_if_same_type,
    involution,
    known_case,
    rewrite,
)
from minijax.ir.walk import histogram, walk
from minijax.primitives._ops import like, p
from tests.ir.random_jaxprs import FLOAT, SPECIAL, bind, bits, literal, programs

PASSES = {
    "dce": dce,
    "cse": cse,
    "fold_constants": fold_constants,
    "inline_calls": inline_calls,
    "lift_guards": lift_guards,
    "rewrite": rewrite,
}
SETTINGS = settings(max_examples=200, deadline=None, derandomize=True)
SCALAR = ir.ShapedArray((), FLOAT)
VECTOR = ir.ShapedArray((3,), FLOAT)


def trace(function, *avals):
    return ir.trace_function(function, avals or [SCALAR], purpose="test")


def names(closed):
    return [eqn.primitive.name for eqn in closed.eqns]


def guard(x, label="g"):
    bind("guard", x, kind="value", value=label)


@pytest.mark.parametrize("name", PASSES)
def test_pass_keeps_values_and_types_and_is_idempotent(name):
    run = PASSES[name]

    @SETTINGS
    @given(programs())
    def check(program):
        before = str(program.closed)
        once = run(program.closed)
        check_jaxpr(once)
        assert once.in_avals == program.closed.in_avals and once.out_avals == program.closed.out_avals
        assert bits(program.run(once)) == bits(program.run())
        assert str(program.closed) == before
        assert once.effects == program.closed.effects
        assert run(once) is once
        assert all(step.eqn.source is not None for step in walk(once))

    check()


@SETTINGS
@given(programs())
def test_all_passes_together_keep_values(program):
    closed = program.closed
    for name in ("inline_calls", "lift_guards", "rewrite", "fold_constants", "cse", "dce"):
        closed = passes.apply(name, PASSES[name], closed)
    check_jaxpr(closed)
    assert bits(program.run(closed)) == bits(program.run())
    assert "jit" not in histogram(closed)


# dce


def test_dce_drops_equations_and_constants_nobody_reads():
    def f(a):
        p.neg(p.add(a, wrap(np.ones(3, np.float32))))
        return [p.abs(a)]

    closed = dce(trace(f, VECTOR))
    assert names(closed) == ["abs"] and closed.consts == ()


def test_dce_keeps_effects_and_what_they_read():
    def f(a):
        guard(p.neg(a))
        return [a]

    assert names(dce(trace(f))) == ["neg", "guard"]


def test_dce_drops_unused_results_of_a_call_and_then_unused_operands():
    body = trace(lambda a, b: [p.neg(a), p.sin(b)], SCALAR, SCALAR)
    closed = dce(trace(lambda a, b: bind("jit", p.abs(a), p.square(b), jaxpr=body, name="f")[:1], SCALAR, SCALAR))
    assert histogram(closed) == {"abs": 1, "jit": 1, "neg": 1}
    check_jaxpr(closed)


def test_dce_jaxpr_says_which_inputs_are_read():
    closed = trace(lambda a, b, c: [p.neg(a), p.add(b, c)], SCALAR, SCALAR, SCALAR)
    smaller, used = dce_jaxpr(closed, [True, False])
    assert used == [True, False, False] and len(smaller.in_avals) == 1 and len(smaller.out_avals) == 1
    same, used = dce_jaxpr(closed, [True, True])
    assert same is closed and used == [True] * 3


# cse


def test_cse_merges_equal_equations_and_what_follows_from_them():
    closed = cse(trace(lambda a: [p.add(p.neg(p.abs(a)), p.neg(p.abs(a)))]))
    assert names(closed) == ["abs", "neg", "add"]
    assert closed.eqns[2].invars[0] is closed.eqns[2].invars[1]


@pytest.mark.parametrize(
    ("first", "second", "merged"), [(0.0, -0.0, False), (np.nan, np.nan, True), (1.0, 1.0, True)]
)
def test_cse_compares_literals_by_their_bits(first, second, merged):
    closed = cse(trace(lambda a: [p.div(a, literal(first, FLOAT)), p.div(a, literal(second, FLOAT))]))
    assert len(closed.eqns) == (1 if merged else 2)


def test_cse_tells_weak_from_strong_literals():
    weak = ir.Literal(np.float32(1), ir.ShapedArray((), FLOAT, True))
    weak_input = ir.ShapedArray((), FLOAT, True)
    closed = cse(trace(lambda a: [p.add(a, weak), p.add(a, literal(1, FLOAT))], weak_input))
    assert len(closed.eqns) == 2


def test_cse_compares_params_and_operands_in_order():
    closed = cse(
        trace(lambda a, b: [p.sub(a, b), p.sub(b, a), p.integer_pow(a, y=2), p.integer_pow(a, y=3)], SCALAR, SCALAR)
    )
    assert len(closed.eqns) == 4


def test_cse_never_merges_effects():
    def f(a):
        guard(a)
        guard(a)
        return [a]

    assert names(cse(trace(f))) == ["guard", "guard"]


def test_cse_merges_constants_given_twice():
    value = wrap(np.ones(3, np.float32))
    a, b, c = ir.Var(VECTOR), ir.Var(VECTOR), ir.Var(VECTOR)
    out = ir.Eqn(ir.lookup("add"), [b, c], [a], {}, None)
    closed = cse(ir.ClosedJaxpr(ir.Jaxpr([b, c], [], [out], [a]), [value, value]))
    assert len(closed.consts) == 1 and closed.eqns[0].invars[0] is closed.eqns[0].invars[1]


# fold_constants


def test_folding_gives_literals_for_scalars_and_constants_for_arrays():
    ones = wrap(np.ones(3, np.float32))
    closed = fold_constants(
        trace(lambda a: [p.mul(a, p.add(literal(2, FLOAT), literal(3, FLOAT))), p.neg(ones)], VECTOR)
    )
    assert names(closed) == ["mul"] and closed.eqns[0].invars[1].value == 5
    assert np.asarray(eval_closed(closed, ones)[1]).tolist() == [-1.0, -1.0, -1.0]


def test_folding_does_not_make_big_things_out_of_small_ones():
    def f(a):
        return [p.mul(a, p.broadcast_in_dim(literal(2, FLOAT), shape=(3,), broadcast_dimensions=()))]

    assert names(fold_constants(trace(f, VECTOR))) == ["broadcast_in_dim", "mul"]


def test_folding_respects_the_size_limit():
    big = wrap(np.ones(100, np.float32))
    closed = trace(lambda a: [p.neg(big)])
    assert names(fold_constants(closed, max_elements=99)) == ["neg"]
    assert names(fold_constants(closed, max_elements=100)) == []


def test_folding_leaves_errors_to_the_program():
    def fails(x):
        raise RuntimeError("at run time")

    failing = ir.Primitive("test_failing", ir.Kind.UNARY, abstract=lambda x: x, evaluate=fails, register=False)
    closed = trace(lambda a: [failing.bind(literal(1, FLOAT))])
    assert fold_constants(closed) is closed


def test_folding_does_not_record_into_an_enclosing_trace():
    inner = trace(lambda a: [p.mul(a, p.add(literal(2, FLOAT), literal(3, FLOAT)))])
    outer = trace(lambda a: [p.neg(a)] if fold_constants(inner) else [])
    assert names(outer) == ["neg"]


# inline_calls


def test_inlining_removes_nested_and_repeated_calls_and_shares_constants():
    ones = wrap(np.ones(3, np.float32))
    inner = trace(lambda a: [p.add(a, ones)], VECTOR)
    body = trace(lambda a: bind("jit", p.neg(a), jaxpr=inner, name="inner"), VECTOR)
    closed = trace(lambda a: bind("jit", *bind("jit", a, jaxpr=body, name="f"), jaxpr=body, name="f"), VECTOR)
    flat = inline_calls(closed)
    check_jaxpr(flat)
    assert names(flat) == ["neg", "add", "neg", "add"] and flat.consts == (ones,)
    assert [eqn.source.line for eqn in flat.eqns[:2]] == [body.eqns[0].source.line, inner.eqns[0].source.line]


def test_call_with_operands_of_another_type_stays_a_call():
    body = trace(lambda a: [p.neg(a)])
    closed = trace(lambda a: bind("jit", a, jaxpr=body, name="f"), ir.ShapedArray((), FLOAT, True))
    assert inline_calls(closed) is closed


def test_body_that_returns_its_input_or_a_literal():
    body = trace(lambda a: [a, literal(2, FLOAT)])
    flat = inline_calls(trace(lambda a: bind("jit", a, jaxpr=body, name="f")))
    assert str(flat) == "{ lambda ; a:f32[]. let  in (a, 2.0:f32[]) }"


# lift_guards


def test_guards_come_as_soon_as_their_operands_can():
    def f(a, b):
        x = p.sin(b)
        guard(p.neg(a), "first")
        y = p.add(x, a)
        guard(p.abs(x), "second")
        return [y]

    closed = lift_guards(trace(f, SCALAR, SCALAR))
    assert names(closed) == ["neg", "guard", "sin", "abs", "guard", "add"]
    assert [eqn.params["value"] for eqn in ir.guards_of(closed)] == ["first", "second"]


def test_guards_do_not_pass_a_callback():
    shout = ir.Primitive(
        "test_shout",
        ir.Kind.EFFECT,
        abstract=lambda x: (),
        evaluate=lambda x: (),
        multiple_results=True,
        effects=frozenset({ir.ORDERED_CALLBACK}),
        register=False,
    )

    def f(a):
        x = p.sin(a)
        guard(a, "before")
        shout.bind(x)
        y = p.cos(a)
        guard(p.neg(a), "after")
        return [y]

    closed = lift_guards(trace(f))
    assert names(closed) == ["guard", "sin", "test_shout", "neg", "guard", "cos"]


# rewrite


def simplified(function, *avals):
    return rewrite(trace(function, *(avals or [VECTOR])))


def install_shared_rules(patch):
    """The rules of families, whether their declarations name them already or not."""
    for name, rule in {
        "transpose": compose_transposes,
        "reshape": compose_reshapes,
        "broadcast_in_dim": compose_broadcasts,
        "convert_element_type": identity_if_same_type,
        "select_n": known_case,
        "rev": involution,
    }.items():
        patch.setattr(ir.lookup(name), "simplify", [rule])


@pytest.fixture
def shared_rules(monkeypatch):
    install_shared_rules(monkeypatch)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: p.mul(a, like(a, 1)),
        lambda a: p.mul(like(a, 1), a),
        lambda a: p.div(a, like(a, 1)),
        lambda a: p.sub(a, like(a, 0.0)),
        lambda a: p.add(a, like(a, -0.0)),
        lambda a: p.neg(p.neg(a)),
        lambda a: p.integer_pow(a, y=1),
        lambda a: p.neg(p.neg(p.mul(a, like(a, 1)))),
        lambda a: p.reshape(a, new_sizes=(3,), dimensions=None),
        lambda a: p.reshape(p.reshape(a, new_sizes=(1, 3), dimensions=None), new_sizes=(3,), dimensions=None),
        lambda a: p.transpose(a, permutation=(0,)),
        lambda a: p.convert_element_type(a, new_dtype=FLOAT, weak_type=False),
        lambda a: p.broadcast_in_dim(a, shape=(3,), broadcast_dimensions=(0,)),
        lambda a: p.rev(p.rev(a, dimensions=(0,)), dimensions=(0,)),
        lambda a: p.select_n(literal(False, np.dtype(bool)), a, p.neg(a)),
        lambda a: p.select_n(literal(True, np.dtype(bool)), p.neg(a), a),
        lambda a: p.select_n(p.lt(a, like(a, 0)), a, a),
    ],
)
def test_rules_that_hold_for_every_value(function, shared_rules):
    closed = simplified(lambda a: [function(a)])
    assert closed.jaxpr.outvars == closed.jaxpr.invars


@pytest.mark.parametrize(
    "function",
    [
        lambda a: p.add(a, like(a, 0.0)),
        lambda a: p.sub(a, like(a, -0.0)),
        lambda a: p.mul(a, like(a, 0)),
        lambda a: p.sub(a, a),
        lambda a: p.div(a, a),
        lambda a: p.div(like(a, 1), a),
        lambda a: p.sub(like(a, 0), a),
    ],
)
def test_what_is_false_for_some_value_is_left_alone(function):
    closed = simplified(lambda a: [function(a)])
    assert closed.jaxpr.outvars != closed.jaxpr.invars
    x = wrap(np.array(SPECIAL[:3], np.float32))
    assert len(closed.eqns) == 1 and eval_closed(closed, x)


def test_rules_of_products_do_not_apply_to_complex_numbers():
    aval = ir.ShapedArray((), np.dtype("complex64"))
    assert names(simplified(lambda a: [p.mul(a, like(a, 1))], aval)) == ["mul"]


@pytest.mark.parametrize(
    "function",
    [
        lambda a: p.transpose(p.transpose(a, permutation=(1, 2, 0)), permutation=(1, 0, 2)),
        lambda a: p.reshape(p.reshape(a, new_sizes=(6, 4), dimensions=None), new_sizes=(8, 3), dimensions=None),
        lambda a: p.reshape(p.reshape(a, new_sizes=(6, 4), dimensions=(2, 0, 1)), new_sizes=(8, 3), dimensions=None),
        lambda a: p.broadcast_in_dim(
            p.broadcast_in_dim(a, shape=(5, 2, 3, 4), broadcast_dimensions=(1, 2, 3)),
            shape=(5, 6, 2, 3, 4),
            broadcast_dimensions=(0, 2, 3, 4),
        ),
    ],
)
def test_movements_are_composed(function, shared_rules):
    before = trace(lambda a: [function(a)], ir.ShapedArray((2, 3, 4), FLOAT))
    after = dce(rewrite(before))
    check_jaxpr(after)
    assert len(before.eqns) == 2 and len(after.eqns) == 1
    x = wrap(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    np.testing.assert_array_equal(*(np.asarray(eval_closed(closed, x)[0]) for closed in (before, after)))


@SETTINGS
@given(programs())
def test_shared_rules_keep_values(program):
    with pytest.MonkeyPatch.context() as patch:
        install_shared_rules(patch)
        once = rewrite(program.closed)
        check_jaxpr(once)
        assert bits(program.run(once)) == bits(program.run())
        assert rewrite(once) is once


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "max", "lt"])
def test_a_scalar_beside_an_array_is_not_broadcast(name):
    spread = lambda s: p.broadcast_in_dim(s, shape=(3,), broadcast_dimensions=())
    for function in (lambda s, a: [bind(name, spread(s), a)], lambda s, a: [bind(name, a, spread(s))]):
        before = trace(function, SCALAR, VECTOR)
        after = dce(rewrite(before))
        check_jaxpr(after)
        assert names(after) == [name]
        args = wrap(np.float32(2.5)), wrap(np.array([-1.0, 2.5, np.nan], np.float32))
        np.testing.assert_array_equal(*(np.asarray(eval_closed(closed, *args)[0]) for closed in (before, after)))


def test_a_scalar_that_gives_the_result_its_shape_stays_broadcast():
    spread = lambda s: p.broadcast_in_dim(s, shape=(3,), broadcast_dimensions=())
    closed = rewrite(trace(lambda s: [p.add(spread(s), s)]))
    assert names(closed) == ["broadcast_in_dim", "add"]
    both = dce(rewrite(trace(lambda s: [p.add(spread(s), spread(s))])))
    assert names(both) == ["broadcast_in_dim", "add"]


def test_a_rule_that_changes_the_type_is_refused():
    wrong = ir.Primitive(
        "test_wrong",
        ir.Kind.UNARY,
        abstract=lambda x: ir.ShapedArray((), x.dtype),
        evaluate=lambda x: x.sum(),
        simplify=[lambda view: view.operands[0], lambda view: Operation("neg", (view.operands[0],), {})],
        register=False,
    )
    closed = trace(lambda a: [wrong.bind(a)], VECTOR)
    assert rewrite(closed) is closed


def test_rules_that_undo_each_other_end():
    flip = ir.Primitive(
        "test_flip",
        ir.Kind.UNARY,
        abstract=lambda x, y: x,
        evaluate=lambda x, y: x,
        simplify=[lambda view: Operation("test_flip", tuple(view.operands[::-1]), {})],
    )
    try:
        rewrite(trace(lambda a, b: [flip.bind(a, b)], SCALAR, SCALAR))
    finally:
        ir.primitive._registry.pop("test_flip")


# apply


def test_apply_records_before_and_after():
    closed = trace(lambda a: [p.neg(p.neg(a))])
    with passes.recording() as outer, passes.recording() as inner:
        after = passes.apply("rewrite", rewrite, closed)
        passes.apply("dce", dce, after)
    assert [record.name for record in outer] == ["rewrite", "dce"] and inner == outer
    assert outer[0].before is closed and outer[0].after is after and outer[0].changed
    assert outer[0].seconds >= 0
    passes.apply("dce", dce, closed)
    assert len(outer) == 2


def test_apply_checks_when_the_configuration_says_so():
    closed = trace(lambda a: [p.neg(a)])

    def breaks(program):
        return ir.ClosedJaxpr(program.jaxpr.replace(eqns=[]), program.consts)

    assert passes.apply("breaks", breaks, closed)
    before = config.jax_enable_checks
    config.update("jax_enable_checks", True)
    try:
        with pytest.raises(JaxprTypeError):
            passes.apply("breaks", breaks, closed)
    finally:
        config.update("jax_enable_checks", before)
