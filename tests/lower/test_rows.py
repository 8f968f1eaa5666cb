"""by_rows: which kernels share a loop over rows, that their values stay, and what must not be joined."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.array import wrap
from minijax.interpreters.eval import eval_closed
from minijax.lower import compile_program, lower_program
from minijax.lower.steps import Fused

ROWS, LENGTH = 6, 100


def matrix(seed=0, shape=(ROWS, LENGTH)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layer_norm(x):
    centred = x - mnp.mean(x, axis=-1, keepdims=True)
    return centred / mnp.sqrt(mnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)


def cross_entropy(x):
    return -mnp.sum(mj.nn.log_softmax(x)[:, 0])


def kernels(f, *args):
    """The joined nests of a program, and how many others it has."""
    steps = lower_program(mj.make_jaxpr(f)(*args)).steps
    assert all(type(step) is Fused for step in steps)
    return [step.kernel for step in steps if step.kernel.rows], sum(not step.kernel.rows for step in steps)


def same(f, *args):
    closed = mj.make_jaxpr(f)(*args)
    found = compile_program(closed).run(*args)
    expected = eval_closed(closed, *map(wrap, args))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=2e-5, atol=2e-5 * max(1, np.max(np.abs(b))))


ONE_WALK = {
    "softmax": lambda x: mj.nn.softmax(x, axis=-1),
    "log_softmax": lambda x: mj.nn.log_softmax(x, axis=-1),
    "layer norm": layer_norm,
    "gradient of layer norm": mj.grad(lambda x: mnp.sum(layer_norm(x) ** 3)),
    "normalise": lambda x: x / mnp.sqrt(mnp.sum(x * x, axis=1, keepdims=True)),
}


@pytest.mark.parametrize("f", ONE_WALK.values(), ids=ONE_WALK)
def test_what_is_normalised_along_rows_is_one_walk_through_memory(f):
    joined, others = kernels(f, matrix())
    assert [(kernel.rows, others) for kernel in joined] == [((ROWS,), 0)]
    same(f, matrix())


def test_logsumexp_is_one_walk_and_its_logarithm_is_taken_of_many_rows_at_once():
    f = lambda x: mj.scipy.special.logsumexp(x, axis=1)
    joined, others = kernels(f, matrix())
    assert ([len(kernel.stages) for kernel in joined], others) == ([2], 1)
    same(f, matrix())


def test_the_gradient_of_the_cross_entropy_reads_each_row_twice_at_most():
    joined, _ = kernels(mj.grad(cross_entropy), matrix())
    assert len(joined) <= 2
    same(mj.grad(cross_entropy), matrix())


def test_steps_between_that_do_not_matter_do_not_keep_kernels_apart():
    f = lambda x: (mnp.sum(x), mnp.max(x, axis=1), mnp.sum(x * x, axis=0), mj.nn.softmax(x))
    joined, _ = kernels(f, matrix())
    assert len(joined) == 1
    same(f, matrix())


APART = {
    "columns": lambda x: mj.nn.softmax(x, axis=0),
    "the row before": lambda x: (lambda y: y[1:] - y[:-1])(mnp.cumsum(x, axis=1) * 2.0),
    "rows from behind": lambda x: (lambda m: x * m[::-1, None])(mnp.max(x, axis=1)),
    "all rows": lambda x: (lambda m: x - mnp.sum(m))(mnp.max(x, axis=1)),
    "another order": lambda x: (lambda m: x[:, :ROWS] * m)(mnp.sum(x, axis=1)),
    "picked rows": lambda x: (lambda m: x * m[np.array([1, 0, 2, 5, 4, 3])][:, None])(mnp.sum(x, axis=1)),
}


@pytest.mark.parametrize("f", APART.values(), ids=APART)
def test_what_needs_other_rows_is_not_joined(f):
    closed = mj.make_jaxpr(f)(matrix())
    assert not [s for s in lower_program(closed).steps if type(s) is Fused and s.kernel.rows]
    same(f, matrix())


def test_short_rows_are_not_worth_it():
    joined, _ = kernels(lambda x: mj.nn.softmax(x), matrix(shape=(1000, 10)))
    assert not joined


@pytest.mark.parametrize("seed", range(60))
def test_random_chains_of_rows_columns_and_shifts_keep_their_values(seed):
    rng = np.random.default_rng(seed)
    x = matrix(seed, (int(rng.integers(1, 9)), int(rng.choice([64, 65, 100, 130]))))
    choices = rng.integers(0, 10, size=6)
    same(lambda x: chain(x, choices), x)


def chain(x, choices):
    """Arrays made one from the other, and all of them: some in the row alone, some not."""
    held = [x]
    for choice in choices:
        y = held[-1]
        held.append(
            [
                lambda y: mnp.tanh(y) + 1.0,
                lambda y: y - mnp.max(y, axis=1, keepdims=True),
                lambda y: y * mnp.mean(y, axis=1, keepdims=True) + held[0],
                lambda y: y - mnp.mean(y, axis=0),
                lambda y: y[::-1] * 0.5 + y,
                lambda y: mnp.roll(y, 1, axis=0) - y,
                lambda y: y[:, ::-1] + mnp.min(y, axis=1)[:, None],
                lambda y: mnp.sum(y) * 1e-3 + y,
                lambda y: mnp.cumsum(y, axis=1) * 0.1,
                lambda y: y.at[:, 0].add(mnp.sum(y, axis=1)),
            ][choice](y)
        )
    return (*held, mnp.sum(held[-1], axis=0), mnp.sum(held[-1], axis=1))
