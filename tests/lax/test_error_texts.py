"""What errors of loops and branches say: the argument, both types or structures, and the user's line."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax

THREE = mnp.arange(3.0)


def wide(v):
    return mnp.ones(3)


def two(v):
    return v, v


def whole(v):
    return v.astype(np.int32)


def same(v):
    return v


def message(run, error=TypeError):
    with pytest.raises(error) as caught:
        run()
    return str(caught.value)


# what is run, what its message names, and the text of the user's line (or the function that stands there)
CARRIES = {
    "scan, type": (
        lambda: lax.scan(lambda state, x: ((state[0], wide(x)), None), (0.0, mnp.zeros(2)), THREE),
        ["scan body", "input carry state[1] has type float32[2]", "type float32[3]", "the shapes do not match"],
    ),
    "scan, structure": (
        lambda: lax.scan(lambda total, x: ((total, x), None), 0.0, THREE),
        ["scan body", "input carry total is a pytree leaf", "carry output is a <class 'tuple'>"],
    ),
    "scan, no pair": (lambda: lax.scan(lambda total, x: total, 0.0, THREE), ["must be a pair, got PyTreeDef(*)"]),
    "while_loop, type": (
        lambda: lax.while_loop(lambda v: v.sum() < 5, whole, mnp.zeros(2)),
        ["while_loop body", "input carry v has type float32[2]", "type int32[2]", "the dtypes do not match"],
    ),
    "while_loop, structure": (
        lambda: lax.while_loop(lambda v: v < 5, two, 1.0),
        ["while_loop body", "input carry v is a pytree leaf", "<class 'tuple'>"],
    ),
    "fori_loop, type": (
        lambda: lax.fori_loop(0, 3, lambda i, total: total > 0, mnp.float32(1)),
        ["fori_loop body", "input carry total has type float32[]", "type bool[]", "the dtypes do not match"],
    ),
    "fori_loop, structure": (
        lambda: lax.fori_loop(0, 3, lambda i, total: {"t": total}, 1.0),
        ["fori_loop body", "input carry total is a pytree leaf", "<class 'dict'>"],
    ),
    "fori_loop of traced length, type": (
        lambda: mj.jit(lambda n: lax.fori_loop(0, n, lambda i, total: total > 0, mnp.float32(1)))(3),
        ["fori_loop body", "input carry total has type float32[]", "type bool[]"],
    ),
    "cond, type": (
        lambda: lax.cond(True, lambda x: (x, x), lambda x: (x, x > 0), 1.0),
        ["output of true_fun has type float32[]", "output of false_fun has type bool[]", "the dtypes do not match"],
    ),
    "cond, structure": (
        lambda: lax.cond(True, lambda x: (x, x), lambda x: [x, x], 1.0),
        ["true_fun output is a <class 'tuple'>", "false_fun output is a <class 'list'>"],
    ),
    "cond, keys": (
        lambda: lax.cond(True, lambda x: {"a": x, "b": x}, lambda x: {"a": x}, 1.0),
        ["true_fun output has 2 leaves, false_fun output has 1", "'b': *"],
    ),
    "switch, type": (
        lambda: lax.switch(1, [same, same, lambda x: x[None]], 1.0),
        ["output of branch 0 has type float32[]", "output of branch 2 has type float32[1]", "branch 2 is <lambda>"],
    ),
    "switch, structure": (
        lambda: lax.switch(1, [same, two], 1.0),
        ["branch 0 output is a pytree leaf", "branch 1 output is a <class 'tuple'>"],
    ),
    "while_loop, predicate of another type": (
        lambda: lax.while_loop(lambda v: v, same, 1.0),
        ["cond_fun must return a boolean scalar", "[ShapedArray(f32[])]", "n != 0"],
    ),
    "while_loop, predicate of another shape": (
        lambda: lax.while_loop(lambda v: v > 0, same, THREE),
        ["cond_fun must return a boolean scalar", "[ShapedArray(bool[3])]", ".all()"],
    ),
    "while_loop, two predicates": (
        lambda: lax.while_loop(lambda v: (v > 0, v < 1), same, 1.0),
        ["cond_fun must return a boolean scalar", "PyTreeDef((*, *))", "a & b"],
    ),
    "cond, predicate of another shape": (
        lambda: lax.cond(THREE > 1, lambda: 1, lambda: 2),
        ["Pred must be a scalar", "of shape (3,)", "a bool[] is wanted, this is a bool[3]", "where(pred, a, b)"],
    ),
    "cond, predicate that is complex": (
        lambda: lax.cond(1j, lambda: 1, lambda: 2),
        ["Pred type must be either boolean or number, got complex64", "z != 0"],
    ),
    "cond, predicate that is a function": (
        lambda: lax.cond(lambda: True, lambda: 1, lambda: 2),
        ["pred must be a scalar, got <function", "call it"],
    ),
    "switch, index that is no integer": (
        lambda: lax.switch(0.5, [lambda: 1, lambda: 2]),
        ["Index type must be an integer, got float32"],
    ),
    "switch, index of another shape": (
        lambda: lax.switch(mnp.arange(2), [lambda: 1, lambda: 2]),
        ["Branch index must be scalar", "an i32[] is wanted, this is a i32[2]"],
    ),
    "fori_loop, bound that is no integer": (
        lambda: lax.fori_loop(0, 3.0, lambda i, c: c, 1.0),
        ["integer scalars; got upper of type f32[]"],
    ),
}


@pytest.mark.parametrize("name", CARRIES)
def test_the_message_names_argument_types_and_line(name):
    run, parts = CARRIES[name]
    text = message(run)
    missing = [part for part in parts if part not in text]
    assert not missing, text
    assert re.search(r"\n  at .*test_error_texts\.py:\d+", text), text


@pytest.mark.parametrize(
    ("run", "part"),
    [
        (
            lambda: lax.scan(lambda c, x: (c, x), 0.0, (mnp.ones(2), mnp.ones(3))),
            "different leading axis sizes: 2, 3",
        ),
        (lambda: lax.scan(lambda c, x: (c, x), 0.0, mnp.ones(2), length=3), "`length` argument of 3"),
        (lambda: lax.scan(lambda c, x: (c, x), 0.0, 1.0), "no leading axis to scan over: f32[]"),
        (lambda: lax.scan(lambda c, x: (c, x), 0.0), "`length` not provided"),
    ],
)
def test_wrong_lengths_name_the_line(run, part):
    text = message(run, ValueError)
    assert part in text and re.search(r"at .*test_error_texts\.py:\d+ in `<lambda>`:   .*lax\.scan", text)


# -- values that leave a body by a side effect


class Kept:
    value = None


def kept_by_scan():
    def step(c, x):
        Kept.value = c * x
        return c, None

    lax.scan(step, 0.0, THREE)


def kept_by_while_loop():
    def step(c):
        Kept.value = c * 2.0
        return c + 1.0

    lax.while_loop(lambda c: c < 3, step, 0.0)


def kept_by_fori_loop():
    def step(i, c):
        Kept.value = c * 2.0
        return c + i

    lax.fori_loop(0, 3, step, 0.0)


def kept_by_cond():
    def step(c):
        Kept.value = mnp.sin(c)
        return c

    lax.cond(True, step, lambda c: c, 1.0)


@pytest.mark.parametrize(
    ("leak", "where", "purpose"),
    [
        (kept_by_scan, "Kept.value = c * x", "body of scan"),
        (kept_by_while_loop, "Kept.value = c * 2.0", "body of while_loop"),
        (kept_by_fori_loop, "Kept.value = c * 2.0", "body of fori_loop"),
        (kept_by_cond, "Kept.value = mnp.sin(c)", "branch of cond"),
    ],
)
@pytest.mark.parametrize(
    "use", [lambda: Kept.value + 1.0, lambda: lax.scan(lambda c, x: (c + Kept.value, None), 0.0, THREE)]
)
def test_a_leaked_value_says_where_it_was_made_and_where_it_was_used(leak, where, purpose, use):
    leak()
    text = message(use, mj.errors.UnexpectedTracerError)
    first, at, why, do = text.split("\n")
    assert "a value of type f32[] escaped its trace" in first
    assert re.search(rf"created at .*test_error_texts\.py:\d+ in `step`:   {re.escape(where)}; used at ", at)
    assert at.count("test_error_texts.py") == 2 and "Kept.value" in at.split("used at")[1]
    assert "a side effect of step" in why and purpose in why and "return the value" in do


def test_a_leaked_argument_is_named():
    def step(i, total):
        Kept.value = total
        return total + 1.0

    lax.fori_loop(0, 3, step, 0.0)
    text = message(lambda: Kept.value + 1.0, mj.errors.UnexpectedTracerError)
    assert "created as argument `total` of step, traced for body of fori_loop; used at" in text


# -- bodies that want a value


@pytest.mark.parametrize(
    ("run", "error", "line", "parts"),
    [
        (
            lambda: lax.fori_loop(0, 3, lambda i, c: c + 1.0 if i > 1 else c, 0.0),
            mj.errors.TracerBoolConversionError,
            "c + 1.0 if i > 1 else c",
            ["argument `i` of <lambda>", "body of fori_loop", "lax.cond"],
        ),
        (
            lambda: lax.fori_loop(0, 3, lambda i, c: c + [1.0, 2.0, 3.0][i], 0.0),
            mj.errors.TracerIntegerConversionError,
            "[1.0, 2.0, 3.0][i]",
            ["argument `i` of <lambda>", "body of fori_loop"],
        ),
        (
            lambda: lax.scan(lambda c, x: (c + float(x), None), 0.0, THREE),
            mj.errors.ConcretizationTypeError,
            "c + float(x)",
            ["body of scan", "keep computing with minijax.numpy"],
        ),
        (
            lambda: lax.scan(lambda c, x: (c + np.asarray(x), None), 0.0, THREE),
            mj.errors.TracerArrayConversionError,
            "np.asarray(x)",
            ["body of scan", "keep computing with minijax.numpy"],
        ),
    ],
)
def test_a_body_that_asks_for_a_value_is_shown_its_line(run, error, line, parts):
    text = message(run, error)
    assert re.search(rf"at .*test_error_texts\.py:\d+ in `<lambda>`:.*{re.escape(line)}", text), text
    assert not [part for part in parts if part not in text], text
