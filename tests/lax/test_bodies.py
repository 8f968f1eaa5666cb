"""Bodies of loops and branches that are traced again: the same program is the same object, another one never is."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.ir import sub_jaxprs


def bodies(function, *args):
    """The bodies of the first equation that has any."""
    eqns = mj.make_jaxpr(function)(*args).eqns
    return next(found for eqn in eqns if (found := [body for _, body in sub_jaxprs(eqn)]))


LOOPS = {
    "scan": lambda x, w: lax.scan(lambda c, row: (mnp.sin(c * w) + row, c.sum()), x, mnp.ones((4, 3))),
    "fori_loop": lambda x, w: lax.fori_loop(0, 5, lambda i, v: v * w + i, x),
    "fori_loop of traced bounds": lambda x, w: lax.fori_loop(0, x[0].astype(int), lambda i, v: v * w, x),
    "while_loop": lambda x, w: lax.while_loop(lambda v: v.sum() < 8.0 + w.sum(), lambda v: v * w + v, x),
    "cond": lambda x, w: lax.cond(x[0] > 0, lambda v: v * w, lambda v: v - 1.0, x),
    "switch": lambda x, w: lax.switch(1, [mnp.sin, lambda v: v * w, lambda v: v - x], x),
    "scan in scan": lambda x, w: lax.scan(
        lambda c, _: (lax.scan(lambda d, _: (d * w + c, None), c, None, length=2)[0], None), x, None, length=3
    ),
    "grad in scan": lambda x, w: lax.scan(
        lambda c, _: (c - mj.grad(lambda v: mnp.sin(v * w).sum())(c), None), x, None, length=3
    ),
}


@pytest.mark.parametrize("what", LOOPS)
def test_a_body_that_is_traced_again_is_the_same_object(what):
    x, w = mnp.ones(3), mnp.full(3, 2.0)
    first, second = bodies(LOOPS[what], x, w), bodies(LOOPS[what], x + 1.0, w * 0.5)
    assert all(one is other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("what", LOOPS)
def test_a_body_that_is_recognised_has_the_values_it_closes_over_now(what):
    def loss(x, w):
        leaves = mj.tree.leaves(LOOPS[what](x, w))
        return sum(leaf.sum() for leaf in leaves)

    x = mnp.array([0.5, 1.0, 1.5])
    for scale in (1.5, 2.0, 1.25):
        w = mnp.array([0.2, 0.4, 0.6]) * scale
        one, other = loss(x, w), mj.jit(loss)(x, w)
        np.testing.assert_allclose(one, other, rtol=1e-5)
        found, wanted = mj.grad(loss, (0, 1))(x, w), mj.jit(mj.grad(loss, (0, 1)))(x, w)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        h = 1e-2
        slope = (loss(x, w + h) - loss(x, w - h)) / (2 * h)
        np.testing.assert_allclose(found[1].sum(), slope, rtol=2e-2, atol=2e-2)


def test_python_numbers_that_a_body_closes_over_are_part_of_it():
    results = [float(lax.fori_loop(0, 3, lambda i, v, a=a: v * a, 1.0)) for a in (1.0, 2.0, -2.0, 2.0)]
    assert results == [1.0, 8.0, -8.0, 8.0]


def test_what_python_reads_of_an_array_is_part_of_the_body():
    def loop(a):
        return float(lax.fori_loop(0, 2, lambda i, v: v * float(a) if a > 0 else v, 1.0))

    assert [loop(mnp.array(a)) for a in (2.0, 3.0, -1.0, 2.0)] == [4.0, 9.0, 1.0, 4.0]


def test_a_body_sees_globals_and_containers_as_they_are_now():
    held = {"scale": mnp.array(2.0)}
    loop = lambda: float(lax.fori_loop(0, 2, step, 1.0))
    step = lambda i, v: v * held["scale"]
    assert loop() == 4.0
    held["scale"] = mnp.array(3.0)
    assert loop() == 9.0


def test_the_same_operations_from_other_lines_are_another_body():
    def one(x):
        return lax.fori_loop(0, 3, lambda i, v: mnp.sin(v), x)

    def other(x):
        return lax.fori_loop(0, 3, lambda i, v: mnp.sin(v), x)

    (first,), (second,) = bodies(one, 1.0), bodies(other, 1.0)
    assert first is not second
    lines = [next(eqn.source.line for eqn in body.eqns if eqn.primitive.name == "sin") for body in (first, second)]
    assert lines == [one.__code__.co_firstlineno + 1, other.__code__.co_firstlineno + 1]


def test_helpers_called_from_other_lines_are_another_body():
    def one(c, x):
        return doubled(c), None

    def other(c, x):
        return doubled(c), None

    def doubled(c):
        return c * 2.0

    found = [bodies(lambda c, f=f: lax.scan(f, c, None, length=2), 1.0)[0] for f in (one, other)]
    assert [body.eqns[0].source.parent.function for body in found] == ["one", "other"]


def test_inputs_of_other_names_are_another_body():
    double = lambda carry: mj.tree.map(lambda x: x * 2.0, carry)
    loop = lambda tree: lax.scan(lambda carry, _: (double(carry), None), tree, None, length=2)[0]
    (first,), (second,) = bodies(loop, {"a": 1.0}), bodies(loop, {"b": 1.0})
    assert first.jaxpr.names.arg_names == ("carry['a']",)
    assert second.jaxpr.names.arg_names == ("carry['b']",)


def root_or_zero(c):
    return mnp.where(c > 0, mnp.sqrt(c), 0.0 * c)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: lax.scan(lambda c, _: (root_or_zero(c), None), x, None, length=1)[0],
        lambda x: lax.cond(x < 1, root_or_zero, mnp.sin, x),
    ],
)
def test_derivatives_with_and_without_strong_zeros_are_kept_apart(f):
    for _ in range(2):
        assert np.isnan(mj.grad(f)(0.0))
        assert float(mj.grad(f, strong_zeros=True)(0.0)) == 0.0


def test_values_that_a_body_closes_over_are_let_go():
    value = mnp.ones(3)
    ref = weakref.ref(value)
    mj.grad(lambda x, w=value: lax.scan(lambda c, _: (c * w, w.sum()), x, None, length=2)[0].sum())(mnp.ones(3))
    del value
    gc.collect()
    assert ref() is None


def test_structures_that_cannot_be_hashed_are_traced_all_the_same():
    class Box:
        def __init__(self, x, note):
            self.x, self.note = x, note

    mj.tree_util.register_pytree_node(Box, lambda b: ((b.x,), b.note), lambda note, xs: Box(xs[0], note))
    for scale in (2.0, 3.0):
        box = lax.fori_loop(0, 2, lambda i, b, s=scale: Box(b.x * s, b.note), Box(1.0, ["unhashable"]))
        assert float(box.x) == scale**2


def test_the_same_program_from_ever_new_code_is_forgotten_in_time():
    from minijax.ir import prefix

    def program(number):
        scope = {}
        exec(compile(chr(10) * number + "step = lambda i, v: v * 1.8125", "<new>", "exec"), scope)
        return bodies(lambda x: lax.fori_loop(0, 2, scope["step"], x), 1.0)[0]

    assert program(0) is not program(1)
    memo = next(m for m in _memos(prefix.shared_root()) if any(getattr(v, "recurs", False) for v in m.values()))
    assert len(memo) <= prefix._MEMO_LIMIT
    for number in range(2, prefix._MEMO_LIMIT + 5):
        program(number)
    assert all(len(m) <= prefix._MEMO_LIMIT for m in _memos(prefix.shared_root()))


def _memos(root):
    stack = [root]
    while stack:
        here = stack.pop()
        stack.extend(here.values())
        if here.memo:
            yield here.memo
