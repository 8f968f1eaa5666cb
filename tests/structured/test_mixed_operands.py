"""Loops and branches whose operands are of every sort at once: constants, carries and rows with a tangent, mapped or linear
beside others without. Values and derivatives equal those of the same loop in plain Python, for every subset of the arguments.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.interpreters.eval import eval_closed
from minijax.ir import check_jaxpr
from minijax.ir.passes.dce import dce_jaxpr


def _plain_scan(step, carry, xs, reverse=False):
    length = len(mj.tree.leaves(xs)[0])
    rows = []
    for i in reversed(range(length)) if reverse else range(length):
        carry, row = step(carry, mj.tree.map(lambda x, i=i: x[i], xs))
        rows.append(row)
    rows = rows[::-1] if reverse else rows
    return carry, mj.tree.map(lambda *parts: mnp.stack(parts), *rows)


def _plain_while(holds, step, carry):
    while holds(carry):
        carry = step(carry)
    return carry


def _plain_fori(start, stop, step, carry):
    for i in range(start, stop):
        carry = step(i, carry)
    return carry


PLAIN = SimpleNamespace(
    scan=_plain_scan,
    while_loop=_plain_while,
    fori_loop=_plain_fori,
    cond=lambda pred, yes, no, *args: yes(*args) if pred else no(*args),
    switch=lambda index, arms, *args: arms[min(max(int(index), 0), len(arms) - 1)](*args),
)

K = np.array([0.3, -0.8, 1.1])
ROWS = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def _scan(reverse):
    def f(how, a, b, s, t, xs):
        def step(carry, row):
            i, s, still, t = carry
            x, r, y = row
            new = mnp.sin(s * a) + x * K + 0.1 * i
            return (i + 1, new, still * 0.9 + K, t * b + mnp.sum(s) * r[:2]), (still * r, s * t[0] + x, y * i, t)

        carry = (0, s, mnp.asarray(K), t)
        carry, rows = how.scan(step, carry, (xs, mnp.asarray(ROWS), mnp.asarray(ROWS)), reverse=reverse)
        return (*carry[1:], *rows)

    return f


def _gaining(how, a, b, s, t, xs):
    """Carries that get their tangent in the loop, one from the other, and one that loses it."""

    def step(carry, x):
        u, v, w = carry
        return (u + 0.1 * v, mnp.sin(v) + a[:2] * x[:2], u * 0.5), (w, v * b)

    (u, v, w), rows = how.scan(step, (mnp.ones(2), mnp.ones(2) * 0.2, t), xs)
    return u, v, w, *rows, s * 2.0


def _while(how, a, b, s, t, xs):
    def step(carry):
        i, s, still, t = carry
        return i + 1, mnp.sin(s * a) + xs[0] * still, still * 0.9, t * b + mnp.sum(s) * 0.1

    out = how.while_loop(lambda carry: (carry[0] < 4) & (mnp.sum(carry[1]) < 9.0), step, (0, s, mnp.asarray(K), t))
    return out[1:]


def _until(how, a, b, s, t, xs):
    """The predicate reads a constant beside the carry: examples stop at different steps."""
    limit = b * b + 3.0
    out = how.while_loop(
        lambda c: mnp.sum(c[0] * c[0]) < limit, lambda c: (c[0] * 1.4 + xs[1] * 0.1, c[1] * a[0] + c[0][:2]), (s, t)
    )
    return out[0] * a, out[1]


def _fori(how, a, b, s, t, xs):
    def step(i, carry):
        s, still, t = carry
        return mnp.cos(s) * a + i * xs[2], still + K, t * b - still[:2] * s[0]

    return how.fori_loop(1, 4, step, (s, mnp.asarray(K), t))


def _cond(how, a, b, s, t, xs):
    return how.cond(
        mnp.sum(s) > 0.3,
        lambda s, t, k: (mnp.sin(s * a) * k, t * b, k * 2.0, mnp.ones(2)),
        lambda s, t, k: (mnp.exp(s) + xs[0], t * t * b, k, t * mnp.cos(b)),
        s,
        t,
        mnp.asarray(K),
    )


def _switch(how, a, b, s, t, xs):
    arms = [
        lambda t, s: (t * a[0], s * b),
        lambda t, s: (mnp.sin(t), mnp.asarray(K)),
        lambda t, s: (mnp.asarray(K[:2]), s * s * a),
    ]
    return how.switch(mnp.floor(3.0 * mnp.abs(s[0])).astype(int), arms, t, s)


LOOPS = {
    "scan": _scan(False),
    "scan-reverse": _scan(True),
    "gaining": _gaining,
    "while": _while,
    "until": _until,
    "fori": _fori,
    "cond": _cond,
    "switch": _switch,
}
SUBSETS = [(0,), (1,), (2,), (3,), (4,), (0, 2), (1, 3), (2, 4), (0, 1, 2, 3, 4)]


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


@pytest.fixture(params=LOOPS)
def loop(request):
    return LOOPS[request.param]


@pytest.fixture(params=SUBSETS, ids=lambda places: "".join("abstx"[i] for i in places))
def places(request):
    return request.param


def arguments(seed):
    rng = np.random.default_rng(seed)
    shapes = [(3,), (), (3,), (2,), (4, 3)]
    return [mnp.asarray(rng.uniform(-0.9, 0.9, shape)) for shape in shapes]


def of(loop, how, places, args):
    """The loop as a function of some of its arguments."""

    def f(*some):
        whole = list(args)
        for place, x in zip(places, some, strict=True):
            whole[place] = x
        return tuple(loop(how, *whole))

    return f


def both(loop, places, seed=0):
    args = arguments(seed)
    some = tuple(args[i] for i in places)
    return of(loop, lax, places, args), of(loop, PLAIN, places, args), some


def same(found, expected):
    for a, b in zip(mj.tree.leaves(found), mj.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def weighted(f):
    """A scalar that weighs every entry of the results differently."""

    def total(*xs):
        parts = [mnp.ravel(y) for y in f(*xs)]
        return sum(mnp.sum(mnp.sin(y) * mnp.arange(1.0, 1.0 + y.size)) * (n + 1) for n, y in enumerate(parts))

    return total


def slope(g, xs, vs, h=1e-6):
    """The derivative along vs by central differences."""
    above, below = (g(*(x + sign * h * v for x, v in zip(xs, vs, strict=True))) for sign in (1, -1))
    return [(a - b) / (2 * h) for a, b in zip(above, below, strict=True)]


def close(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_tangents(loop, places):
    f, g, xs = both(loop, places)
    vs = tuple(arguments(1)[i] for i in places)
    outs, tangents = mj.jvp(f, xs, vs)
    same(outs, g(*xs))
    close(tangents, slope(g, xs, vs))
    same(mj.linearize(f, *xs)[1](*vs), tangents)


def test_cotangents(loop, places):
    f, g, xs = both(loop, places)
    vs = tuple(arguments(1)[i] for i in places)
    outs, pull = mj.vjp(f, *xs)
    moved = slope(g, xs, vs)
    for n in range(len(outs)):  # one result alone: the other cotangents are zero
        cts = tuple(mnp.cos(y) * (k == n) for k, y in enumerate(outs))
        alone = mj.vjp(lambda *xs, n=n: f(*xs)[n], *xs)[1](cts[n])
        same(alone, pull(cts))
        close([sum(mnp.sum(v * ct) for v, ct in zip(vs, alone, strict=True))], [mnp.sum(moved[n] * cts[n])])


@pytest.mark.parametrize("places", [(1,), (0, 2), (1, 3, 4)])
@pytest.mark.parametrize("wrap", [lambda f: f, mj.jit], ids=["eager", "jit"])
def test_second_derivatives(loop, places, wrap):
    f, g, xs = both(loop, places)
    vs = tuple(arguments(1)[i] for i in places)
    argnums = tuple(range(len(places)))
    gradient = mj.grad(weighted(f), argnums)
    paired = lambda *xs: sum(mnp.sum(a * v) for a, v in zip(gradient(*xs), vs, strict=True))
    expected = slope(mj.grad(weighted(g), argnums), xs, vs, h=1e-5)
    close(wrap(lambda *xs: mj.jvp(gradient, xs, vs)[1])(*xs), expected)
    close(wrap(mj.grad(lambda *xs: mj.jvp(weighted(f), xs, vs)[1], argnums))(*xs), expected)
    close(wrap(mj.grad(paired, argnums))(*xs), expected)
    same(wrap(gradient)(*xs), mj.grad(weighted(g), argnums)(*xs))


@pytest.mark.parametrize("axis", [0, -1])
def test_batches(loop, places, axis):
    _, g, _ = both(loop, places)
    f = of(loop, lax, places, arguments(0))
    rows = [tuple(arguments(seed)[i] for i in places) for seed in (0, 3, 5)]
    stacked = [mnp.stack(column, axis) for column in zip(*rows, strict=True)]
    found = mj.vmap(f, in_axes=axis)(*stacked)
    for n, row in enumerate(rows):
        same([x[n] for x in found], g(*row))


@pytest.mark.parametrize("places", [(1,), (0, 2), (1, 3, 4)])
def test_batches_of_gradients(loop, places):
    f, g, _ = both(loop, places)
    argnums = tuple(range(len(places)))
    rows = [tuple(arguments(seed)[i] for i in places) for seed in (0, 3)]
    found = mj.vmap(mj.grad(weighted(f), argnums))(*[mnp.stack(column) for column in zip(*rows, strict=True)])
    for n, row in enumerate(rows):
        same([x[n] for x in found], mj.grad(weighted(g), argnums)(*row))


@pytest.mark.parametrize("places", [(1,), (0, 2), (1, 3, 4)])
@pytest.mark.parametrize("name", ["while", "until", "fori"])
def test_compiled_batches_of_second_derivatives(name, places):
    """Under jit the derivative of a loop of unknown length is an equation of its own, with rules of its own."""
    loop, argnums = LOOPS[name], tuple(range(len(places)))
    f = of(loop, lax, places, arguments(0))
    gradient = mj.grad(weighted(f), argnums)
    vs = tuple(arguments(1)[i] for i in places)
    paired = lambda *xs: sum(mnp.sum(a * v) for a, v in zip(gradient(*xs), vs, strict=True))
    rows = [tuple(arguments(seed)[i] for i in places) for seed in (0, 3)]
    stacked = [mnp.stack(column, -1) for column in zip(*rows, strict=True)]
    slopes = [slope(mj.grad(weighted(both(loop, places)[1]), argnums), row, vs, h=1e-5) for row in rows]
    ways = [
        lambda *xs: mj.jvp(gradient, xs, vs)[1],
        mj.grad(lambda *xs: mj.jvp(weighted(f), xs, vs)[1], argnums),
        mj.grad(paired, argnums),
    ]
    for second in ways:
        found = mj.jit(mj.vmap(second, in_axes=-1))(*stacked)
        for n, expected in enumerate(slopes):
            close([x[n] for x in found], expected)
    along = lambda *xs: mj.jit(gradient)(*xs)
    pushed = mj.jit(mj.vmap(lambda *ts: mj.jvp(along, rows[0], ts)[1], in_axes=-1))  # many directions at one point
    found = pushed(*[mnp.stack([v, 2.0 * v], -1) for v in vs])
    for n in range(2):
        close([x[n] / (n + 1) for x in found], slopes[0])


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_segments_of_a_while_loop_with_constants(every):
    a, s = arguments(0)[0], arguments(0)[2]

    def f(how, **options):
        def end(a, s):
            step = lambda c: (c[0] + 1, mnp.sin(c[1] * a) + 0.2, c[2] * c[1])
            return mnp.sum(how.while_loop(lambda c: c[0] < 5, step, (0, s, a), **options)[2])

        return end

    same(mj.grad(f(lax, checkpoint_every=every), (0, 1))(a, s), mj.grad(f(PLAIN), (0, 1))(a, s))


def test_dead_results(loop):
    f, _, xs = both(loop, (0, 1, 2, 3, 4))
    for function in (f, lambda *xs: mj.jvp(f, xs, xs)[1]):
        closed = mj.make_jaxpr(function)(*xs)
        whole = eval_closed(closed, *xs)
        for n in range(len(whole)):
            used = [i == n for i in range(len(whole))]
            reduced, reads = dce_jaxpr(closed, used)
            check_jaxpr(reduced)
            same(eval_closed(reduced, *[x for x, flag in zip(xs, reads, strict=True) if flag]), [whole[n]])


# -- loops that are linear in some operands and not in the others


def _linear(how, c, s, xs, start):
    """Linear in (c, s, xs): beside them a counter and a factor are carried, and rows are read that are known."""

    def step(carry, row):
        i, s, factor, t = carry
        x, r, q = row
        return (i + 1, s * factor + x * r + i * c, factor * K + 0.2, t + s[:2] * 3.0), (s * r[0], x * q, t, factor)

    carry, rows = how.scan(step, (1, s, start, mnp.zeros(2)), (xs, mnp.asarray(ROWS), mnp.asarray(ROWS) * 2.0))
    return carry[1], carry[3], *rows[:3]


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_a_loop_that_is_linear_in_some_operands_is_transposed(places):
    rng = np.random.default_rng(0)
    zeros = [mnp.zeros(3), mnp.zeros(3), mnp.zeros((4, 3))]

    def f(*some):
        whole = list(zeros)
        for place, x in zip(places, some, strict=True):
            whole[place] = x
        return _linear(lax, *whole, mnp.asarray(K))

    vs = [mnp.asarray(rng.normal(size=zeros[i].shape)) for i in places]
    outs = f(*vs)
    for kept in range(len(outs) + 1):  # each result alone, then all
        us = [mnp.asarray(rng.normal(size=y.shape)) for y in outs]
        wanted = [n for n in range(len(outs)) if kept in (n, len(outs))]
        pulled = mj.linear_transpose(lambda *xs, wanted=wanted: [f(*xs)[n] for n in wanted], *vs)(
            [us[n] for n in wanted]
        )
        left = sum(mnp.sum(outs[n] * us[n]) for n in wanted)
        same(left, sum(mnp.sum(v * ct) for v, ct in zip(vs, pulled, strict=True)))
