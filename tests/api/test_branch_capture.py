"""Python control flow on traced values: every construct, under every transformation, has the derivative of the path it takes.

Each function is written with one Python construct; `reference` gives its value and its first two derivatives in closed form or by the same
construct on floats. What is asked of a traced value is recorded, and shown by `make_jaxpr`.
"""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.ir import histogram
from minijax.ir.branches import branches_of


def if_elif_else(x):
    if x > 2.0:
        return x**3
    elif x > 0.0:
        return x**2
    else:
        return -x


def ternary(x):
    return x**2 if x > 1.0 else 3.0 * x


def while_loop(x):
    y = x
    while y < 10.0:
        y = y * y + 1.0
    return y


def for_range_of_a_traced_count(x):
    y = x
    for _ in range(mnp.floor(mnp.abs(x)).astype(int)):
        y = y * x
    return y


def conjunction(x):
    return x**3 if x > 0.0 and x < 2.0 else x**2


def disjunction(x):
    return x**3 if x < 0.0 or x > 2.0 else x**2


def chain(x):
    return x**3 if 0.0 < x < 2.0 else x**2


def negation(x):
    return x**3 if not x > 0.0 else x**2


def smallest(x):
    return min(x * x, 2.0 * x, 3.0 - x)


def largest(x):
    return max([x**3, x, 1.0 - x])


def middle(x):
    return sorted([x**2, 1.0 + 0.1 * x, -x])[1]


def asserted(x):
    assert x > -100.0
    return x**2


def filtered(x):
    return sum(v for v in [x, x**2, x**3, 1.0 - x] if v > 0.5)


def matched(x):
    match x:
        case y if y > 1.0:
            return y**3
        case y if y > 0.0:
            return y**2
        case _:
            return -x


def any_and_all(x):
    return x**3 if any(v > 2.0 for v in (x, x**2)) and all(v < 50.0 for v in (x, x**2)) else x**2


def nested_jit(x):
    return mj.jit(if_elif_else)(x) * mj.jit(lambda y: ternary(y))(x)


def recursive(x):
    return x if x > 4.0 else recursive(1.0 + x * x)


CONSTRUCTS = [
    if_elif_else,
    ternary,
    while_loop,
    for_range_of_a_traced_count,
    conjunction,
    disjunction,
    chain,
    negation,
    smallest,
    largest,
    middle,
    asserted,
    filtered,
    matched,
    any_and_all,
    nested_jit,
    recursive,
]
POINTS = [-1.3, 0.4, 1.6, 2.7]
each = pytest.mark.parametrize("f", CONSTRUCTS, ids=lambda f: f.__name__)


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def difference(f, x, step=1e-5):
    return (float(f(x + step)) - float(f(x - step))) / (2 * step)


@each
@pytest.mark.parametrize("x", POINTS)
def test_every_mode_differentiates_the_path_taken(f, x):
    slope = difference(f, x)
    close = {"rtol": 1e-7, "atol": 1e-8}
    np.testing.assert_allclose(mj.grad(f)(x), slope, **close)
    np.testing.assert_allclose(mj.jvp(f, (x,), (1.0,))[1], slope, **close)
    np.testing.assert_allclose(mj.jacfwd(f)(x), slope, **close)
    np.testing.assert_allclose(mj.jacrev(f)(x), slope, **close)
    np.testing.assert_allclose(mj.linearize(f, x)[1](1.0), slope, **close)
    np.testing.assert_allclose(mj.vjp(f, x)[1](1.0)[0], slope, **close)
    np.testing.assert_allclose(mj.checkpoint(f)(x), f(x))


@each
@pytest.mark.parametrize("x", POINTS)
def test_second_derivatives_go_through_the_branches_of_both_traces(f, x):
    curvature = difference(mj.grad(f), x)
    for second in (mj.hessian(f), mj.grad(mj.grad(f)), mj.jacrev(mj.jacfwd(f)), mj.jit(mj.hessian(f))):
        np.testing.assert_allclose(second(x), curvature, rtol=1e-6, atol=1e-7)


@each
def test_jit_follows_the_value(f):
    compiled, slope = mj.jit(f), mj.jit(mj.grad(f))
    for x in (*POINTS, *reversed(POINTS)):
        np.testing.assert_allclose(compiled(x), f(x), rtol=1e-12)
        np.testing.assert_allclose(slope(x), mj.grad(f)(x), rtol=1e-12)
        np.testing.assert_allclose(mj.grad(compiled)(x), mj.grad(f)(x), rtol=1e-12)


@each
@pytest.mark.parametrize("x", POINTS)
def test_values_that_are_the_same_for_a_whole_batch_may_be_asked(f, x):
    rows = mnp.arange(3.0)
    expected = [float(f(x)) * row for row in range(3)]
    np.testing.assert_allclose(mj.vmap(lambda x, y: f(x) * y, in_axes=(None, 0))(x, rows), expected, rtol=1e-12)
    g = mj.vmap(mj.grad(lambda x, y: f(x) * y), in_axes=(None, 0))
    np.testing.assert_allclose(g(x, rows), [float(mj.grad(f)(x)) * row for row in range(3)], rtol=1e-12)


@each
def test_mapped_values_are_refused_with_the_rewrite(f):
    with pytest.raises((mj.errors.TracerBoolConversionError, mj.errors.TracerIntegerConversionError)) as error:
        mj.vmap(f)(mnp.array(POINTS))
    assert "traced for vmap" in str(error.value) and "do:" in str(error.value)


@each
def test_the_program_shows_what_was_asked(f):
    closed = mj.make_jaxpr(f)(1.6)
    assert histogram(closed)["guard"] >= 1
    for _, branch in branches_of(closed):
        assert branch.predicate or branch.kind == "unknown"
        assert branch.line > 0


@each
def test_capture_can_be_refused_as_in_jax(f):
    mj.config.update("minijax_branch_capture", "error")
    try:
        with pytest.raises((mj.errors.TracerBoolConversionError, mj.errors.TracerIntegerConversionError)) as error:
            mj.jit(f)(1.6)
        assert "minijax_branch_capture is 'error'" in str(error.value)
        np.testing.assert_allclose(mj.grad(ternary)(1.6), 3.2)  # grad has the value, as in JAX
    finally:
        mj.config.update("minijax_branch_capture", "capture")


def test_a_branch_in_a_loop_body_may_ask_values_from_outside():
    def f(x, flag):
        return lax.scan(lambda c, v: (c * v if flag > 0 else -c, None), x, mnp.arange(1.0, 4.0))[0]

    compiled = mj.jit(f)
    for flag, value, slope in ((1.0, 12.0, 6.0), (-1.0, -2.0, -1.0), (1.0, 12.0, 6.0)):
        assert float(f(2.0, flag)) == float(compiled(2.0, flag)) == value
        assert float(mj.grad(f)(2.0, flag)) == float(mj.grad(compiled)(2.0, flag)) == slope


def test_each_branch_knows_its_arms_and_their_texts():
    (_, first), *rest = branches_of(mj.make_jaxpr(if_elif_else)(1.6))
    assert (first.kind, first.predicate, first.outcome) == ("if", "x > 2.0", False)
    assert first.arms[0].text == "return x**3"
    ((_, second),) = rest
    assert (second.kind, second.taken.text) == ("elif", "return x**2")
    assert {arm.text for arm in second.arms} == {"return x**2", "return -x"}


def test_the_iterations_of_a_while_are_one_guard_each():
    rounds = [branch for _, branch in branches_of(mj.make_jaxpr(while_loop)(1.6))]
    assert [branch.outcome for branch in rounds] == [True, True, False]
    assert {branch.kind for branch in rounds} == {"while"} and {branch.predicate for branch in rounds} == {"y < 10.0"}
