"""straight_line: the same numbers as `eval`, in little memory, and nobody's buffer but its own is written to."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.interpreters.straight_line import straight_line
from minijax.ir import state
from minijax.ir.passes.inline_calls import inline_calls
from tests.ir.random_jaxprs import bits, programs


def run(function, *args):
    """The function's program on NumPy values; checks that the arguments stay what they were."""
    program = straight_line(mj.make_jaxpr(function)(*args))
    values = [np.array(x) for x in args]
    before = [x.copy() for x in values]
    found = state.context.run(program, *values)
    for x, old in zip(values, before, strict=True):
        np.testing.assert_array_equal(x, old)
    return found


@settings(max_examples=200, deadline=None, derandomize=True)
@given(programs())
def test_random_programs_give_the_numbers_of_eval(program):
    wanted = program.run()
    found = state.context.run(straight_line(inline_calls(program.closed)), *[np.asarray(x) for x in program.inputs])
    assert bits([np.asarray(x) for x in found]) == bits(wanted)


X = np.array([0.5, -2.0, 3.0], np.float32)


def test_operands_that_nothing_reads_again_are_written_to():
    out = run(lambda x: mnp.sin(x) * 2.0 + 1.0, X)[0]
    np.testing.assert_allclose(out, np.sin(X) * 2 + 1, rtol=1e-6)
    program = straight_line(mj.make_jaxpr(lambda x: -mnp.sqrt(mnp.abs(mnp.sin(x))))(X))
    assert len(program.__code__.co_varnames) == 2  # the argument, and one buffer


def test_maximum_takes_its_result_by_keyword():
    out = run(lambda x: mnp.maximum(mnp.sin(x), mnp.minimum(mnp.cos(x), 0.5)), X)[0]
    np.testing.assert_allclose(out, np.maximum(np.sin(X), np.minimum(np.cos(X), 0.5)), rtol=1e-6)


VIEWS = {
    "reshape": lambda y: y.reshape(3, 1),
    "broadcast": lambda y: mnp.broadcast_to(y, (2, 3)),
    "reverse": lambda y: y[::-1],
    "slice": lambda y: y[1:],
    "transpose": lambda y: y[:, None].T,
}


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_view_shows_is_not_written_to(view):
    def f(x):
        y = mnp.sin(x)
        seen = VIEWS[view](y)
        return seen, y * 2.0, seen.sum()

    seen, twice, total = run(f, X)
    wanted = np.asarray(VIEWS[view](mnp.sin(X)))
    np.testing.assert_allclose(seen, wanted, rtol=1e-6)
    np.testing.assert_allclose(twice, 2 * np.sin(X), rtol=1e-6)
    np.testing.assert_allclose(total, wanted.sum(), rtol=1e-6)


def test_results_and_constants_are_not_written_to():
    weight = mnp.array([1.0, 2.0, 3.0])

    def f(x):
        y = mnp.sin(x)
        z = y * weight
        return y, z, z + weight

    y, z, last = run(f, X)
    np.testing.assert_allclose(y, np.sin(X), rtol=1e-6)
    np.testing.assert_allclose(z, np.sin(X) * [1, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(last, np.sin(X) * [1, 2, 3] + [1, 2, 3], rtol=1e-6)
    assert weight.tolist() == [1.0, 2.0, 3.0]


def test_a_result_given_twice_is_one_value():
    a, b = run(lambda x: (mnp.sin(x), mnp.sin(x) * 1.0), X)
    np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "complex64"])
@pytest.mark.parametrize("shape", [(), (3,), (0,)])
def test_dtypes_stay_what_they_are(dtype, shape):
    def f(x):
        y = x * x + x - x * mnp.asarray(4, x.dtype)
        return y, -y, y / y if x.dtype.kind != "i" else y

    with mj.enable_x64():
        x = mnp.full(shape, 2, dtype)
        program = straight_line(mj.make_jaxpr(f)(x))
        for found, wanted in zip(state.context.run(program, np.asarray(x)), f(x), strict=True):
            assert np.asarray(found).dtype == wanted.dtype
            np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_scalars_divide_by_zero_in_silence():
    plus, minus, undefined = run(lambda x, y: (x / y, -x / y, y / y), np.float32(1), np.float32(0))
    assert (plus, minus) == (np.inf, -np.inf)
    assert np.isnan(undefined)


def test_values_are_let_go_after_their_last_use():
    seen = []

    class Spy(np.ndarray):
        pass

    def look(x):
        gc.collect()
        seen.append([ref() is not None for ref in refs])
        return x

    refs = []

    def made(x):
        new = np.asarray(x).copy().view(Spy)
        refs.append(weakref.ref(new))
        return new

    closed = mj.make_jaxpr(lambda x: lax.sort(lax.cumsum(lax.cumprod(x))))(X)
    first, second, third = (eqn.primitive for eqn in closed.eqns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first, "evaluate", lambda x, **params: made(x))
        patch.setattr(second, "evaluate", lambda x, **params: made(x))
        patch.setattr(third, "evaluate", lambda x, **params: [look(np.asarray(x).copy())])
        straight_line.__wrapped__(closed)(X)
    assert seen == [[False, True]]


def test_programs_with_bodies_are_not_taken():
    closed = mj.make_jaxpr(lambda x: lax.fori_loop(0, 3, lambda i, y: y * 2.0, x))(1.0)
    assert straight_line(closed) is None
