"""Loops that write into their carries: the same numbers as a Python loop that copies, and no copy where none is needed."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.lower import compile_program

X = np.random.default_rng(3).standard_normal((12, 4)).astype(np.float32)
STEPS = 9


def compiled(step, *xs):
    """(results, places of carries written in place) of STEPS steps of `(i, *xs) -> xs`."""

    def run(*xs):
        return lax.fori_loop(0, STEPS, lambda i, c: step(i, *c), xs)

    program = compile_program(mj.make_jaxpr(run)(*xs))
    found = program.run(*[np.array(x) for x in xs])
    loops = [step for step in program.steps if hasattr(step, "blocks")]
    counters = len(loops[0].carries) - len(xs)  # none if nothing reads it
    return found, {place - counters for place in loops[0].blocks[-1].in_place}


def copied(step, *xs):
    """The same steps, one array operation after the other."""
    xs = tuple(map(mnp.asarray, xs))
    for i in range(STEPS):
        xs = step(np.int32(i), *xs)
    return xs


def assert_same(step, xs, places=None):
    before = [x.copy() for x in xs]
    found, in_place = compiled(step, *xs)
    for a, b in zip(found, copied(step, *xs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    for x, old in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, old)
    if places is not None:
        assert in_place == places


IN_PLACE = {
    "one row of another": lambda i, x: (x.at[i].set(x[i - 1] * 0.5 + x[i]),),
    "old rows read behind the write": lambda i, x: (x.at[i].set(x[i - 1]).at[i + 1].add(x[i + 2]),),
    "overlapping slices": lambda i, x: (x.at[1:].set(x[:-1] * 0.9),),
    "a row from all": lambda i, x: (x.at[i].add(mnp.sum(x)),),
    "a row from a column": lambda i, x: (x.at[i].set(x.T[:, i] * 2),),
    "a row of a running sum": lambda i, x: (x.at[i].set(mnp.cumsum(x, 0)[i]),),
    "a row of a product": lambda i, x: (x.at[i].set((x @ x[:4])[i]),),
    "a row from an inner loop": lambda i, x: (
        x.at[i].set(lax.fori_loop(0, 3, lambda j, y: y.at[j].add(x[j + 1]), x)[i]),
    ),
    "many rows, some twice": lambda i, x: (x.at[mnp.stack([i, i + 1, i])].add(x[:3]),),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_carry_is_written_in_place(name):
    assert_same(IN_PLACE[name], [X], {0})


def test_two_carries_that_read_each_other_are_both_written_in_place():
    assert_same(lambda i, x, y: (x.at[i].set(y[i]), y.at[i].add(x[i + 1])), [X, X * 2], {0, 1})


def test_carries_that_change_places_are_copied():
    assert_same(lambda i, x, y: (y.at[i].set(y[i]), x.at[i].add(x[i + 1])), [X, X * 2], set())


def test_updates_that_are_the_carry_itself_are_copied():
    assert_same(lambda i, x: (x.at[::-1].set(x),), [X], set())


def test_a_carry_that_is_kept_is_copied():
    def step(i, x, y):
        return x.at[i].add(1.0), x

    assert_same(step, [X, X], {0})


def test_scans_give_the_carry_before_and_after_each_write():
    def f(x):
        return lax.scan(lambda c, i: (c.at[i].mul(2.0), (c, c.at[i].mul(2.0)[i], c[i + 1])), x, mnp.arange(5))

    program = compile_program(mj.make_jaxpr(f)(X))
    last, old, new, following = program.run(X.copy())
    x = X.copy()
    for i in range(5):
        np.testing.assert_array_equal(old[i], x)
        np.testing.assert_array_equal(following[i], x[i + 1])
        x[i] *= 2
        np.testing.assert_array_equal(new[i], x[i])
    np.testing.assert_array_equal(last, x)


def test_a_loop_without_steps_gives_its_input():
    program = compile_program(mj.make_jaxpr(lambda x: lax.fori_loop(0, 0, lambda i, c: c.at[i].set(1.0), x))(X))
    np.testing.assert_array_equal(program.run(X)[0], X)


def test_a_while_loop_asks_about_what_was_written():
    def f(x):
        return lax.while_loop(
            lambda c: c[1][c[0]] < 3, lambda c: (c[0] + 1, c[1].at[c[0] + 1].set(c[0] + 1.0)), (0, x)
        )

    number, found = compile_program(mj.make_jaxpr(f)(X[:, 0] * 0)).run(X[:, 0] * 0)
    assert number == 3
    np.testing.assert_array_equal(found, [0, 1, 2, 3, *[0] * 8])


@pytest.mark.parametrize("seed", range(25))
def test_random_steps_equal_steps_that_copy(seed):
    recipe = np.random.default_rng(seed).integers(1 << 30)

    def step(i, *xs):
        rng = np.random.default_rng(recipe)
        values, rows = list(xs), [mnp.zeros(4, np.float32)]
        for _ in range(rng.integers(2, 8)):
            k, row = rng.integers(len(values)), (i + rng.integers(0, 4)) % 12
            kind = rng.integers(0, 7)
            if kind <= 1:
                rows.append(mnp.sin(values[k][row]))
            elif kind == 2:
                rows.append(mnp.tanh(values[k].sum(0) + rows[-1]))
            elif kind == 3:
                values[k] = values[k].at[row].set(rows[-1])
            elif kind == 4:
                values[k] = values[k].at[row].add(rows[rng.integers(len(rows))])
            elif kind == 5:
                values[k] = lax.dynamic_update_slice(values[k], values[rng.integers(len(values))][:2] * 0.5, (row, 0))
            else:
                values[k] = values[k].at[mnp.stack([row, i])].max(values[rng.integers(len(values))][3:5])
        return tuple(values)

    assert_same(step, [X, X[::-1] * 0.5])
