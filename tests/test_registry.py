"""Walks the registry: every primitive has the rules its kind requires, and every rule is right.

Derivatives against central differences in forward mode, reverse mode by the dot-product test, second order as forward over
reverse against reverse over forward, batching at every axis against a loop, compiled against eager, printed against parsed.
Complex operands are differentiated along complex directions; cotangents pair as Re(sum(ct * t)), without conjugation, so
the same identities hold for them. A check runs on the rows that it applies to (`APPLIES`).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minijax as mj
from minijax.array import wrap
from minijax.ir import Kind, all_primitives, check_jaxpr, lookup, parse
from tests.primitives.case_table import CASES, ELSEWHERE, Case

PRIMITIVES = [q for q in all_primitives() if q.kind is not Kind.STRUCTURED and not hasattr(q, "test_only")]
NOT_DIFFERENTIABLE = ("missing", None)


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        rows = [(f"{case.primitive}-{index}", case) for index, case in enumerate(CASES)]
        rows = [row for row in rows if applies(metafunc.function, row[1])]
        metafunc.parametrize("case", [case for _, case in rows], ids=[name for name, _ in rows])


def applies(check, case: Case) -> bool:
    """Whether a check has something to say about a row."""
    with mj.enable_x64():
        return APPLIES.get(check.__name__, lambda case: True)(case)


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def bound(case: Case):
    """The primitive as a function of its inexact operands, returning a tuple of inexact results."""
    primitive = lookup(case.primitive)
    places = inexact_places(case)

    def f(*xs):
        operands = [wrap(np.asarray(x)) for x in case.operands]
        for place, x in zip(places, xs, strict=True):
            operands[place] = x
        out = primitive.bind(*operands, **case.params)
        outs = out if primitive.multiple_results else (out,)
        return tuple(x for x in outs if x.dtype.kind in "fc")

    return f, [wrap(np.asarray(case.operands[i])) for i in places]


def inexact_places(case: Case) -> list[int]:
    if case.only is not None:
        return list(case.only)
    return [i for i, x in enumerate(case.operands) if np.asarray(x).dtype.kind in "fc"]


def differentiable(case: Case) -> bool:
    primitive = lookup(case.primitive)
    return (
        primitive.jvp not in NOT_DIFFERENTIABLE
        and bool(inexact_places(case))
        and bool(bound(case)[0](*bound(case)[1]))
    )


def twice_differentiable(case: Case) -> bool:
    return case.second_order and differentiable(case)


def directions(xs, seed):
    rng = np.random.default_rng(seed)
    out = []
    for x in xs:
        v = rng.standard_normal(x.shape)
        if x.dtype.kind == "c":
            v = v + 1j * rng.standard_normal(x.shape)
        out.append(wrap(np.asarray(v, x.dtype)))
    return tuple(out)


def inner(us, vs):
    return sum((u * v).sum() for u, v in zip(us, vs, strict=True)).real


def moved(xs, vs, h):
    """The points x + h v."""
    return [wrap(np.asarray(x) + h * np.asarray(v)) for x, v in zip(xs, vs, strict=True)]


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda q: q.name)
def test_a_primitive_is_declared_completely(primitive):
    rows = [case for case in CASES if case.primitive == primitive.name]
    assert rows or primitive.name in ELSEWHERE, "no row in case_table.py"
    assert len(primitive.doc.split()) >= 5
    if primitive.jvp not in NOT_DIFFERENTIABLE:
        assert any(word in primitive.doc for word in ("d", "dx", "tangent", "Linear", "linear")), (
            "no derivative formula"
        )
    if any(case.operands for case in rows) and primitive.kind is not Kind.EFFECT:
        assert primitive.batch is not None
    if primitive.jvp == "linear":
        assert primitive.transpose is not None
    for case in rows:
        assert set(case.params) == set(primitive.params), "declared params"


def test_results_have_the_types_that_the_abstract_rule_promises(case):
    primitive = lookup(case.primitive)
    avals = [wrap(np.asarray(x)).aval for x in case.operands]
    promised = primitive.abstract(*avals, **case.params)
    found = primitive.evaluate(*[np.asarray(x) for x in case.operands], **case.params)
    for aval, x in zip(*((promised, found) if primitive.multiple_results else ((promised,), (found,))), strict=True):
        assert (x.shape, x.dtype) == (aval.shape, aval.dtype)


def test_forward_mode_equals_finite_differences(case):
    f, xs = bound(case)
    vs = directions(xs, 0)
    _, tangents = mj.jvp(f, tuple(xs), vs)
    h = 1e-6
    for t, a, b in zip(tangents, f(*moved(xs, vs, h)), f(*moved(xs, vs, -h)), strict=True):
        np.testing.assert_allclose(t, (np.asarray(a) - np.asarray(b)) / (2 * h), rtol=case.tolerance, atol=1e-6)


def test_reverse_mode_is_the_transpose_of_forward_mode(case):
    f, xs = bound(case)
    vs = directions(xs, 1)
    outs, tangents = mj.jvp(f, tuple(xs), vs)
    us = directions(outs, 2)
    _, pull = mj.vjp(f, *xs)
    np.testing.assert_allclose(inner(tangents, us), inner(vs, pull(us)), rtol=1e-9, atol=1e-12)


def second_derivatives(f, xs):
    """The derivative along v of the gradient of <u, f>, forward over reverse and reverse over forward: functions of x."""
    vs, us = directions(xs, 3), directions(f(*xs), 4)
    gradient = lambda *xs: mj.vjp(f, *xs)[1](us)
    forward_over_reverse = lambda *xs: mj.jvp(gradient, xs, vs)[1]
    along = lambda *xs: inner(mj.jvp(f, xs, vs)[1], us)
    reverse_over_forward = mj.grad(along, argnums=tuple(range(len(xs))))
    return gradient, vs, forward_over_reverse, reverse_over_forward


def test_second_derivatives_agree_in_both_orders_and_with_finite_differences(case):
    f, xs = bound(case)
    gradient, vs, forward_over_reverse, reverse_over_forward = second_derivatives(f, xs)
    h = 1e-5
    above, below = gradient(*moved(xs, vs, h)), gradient(*moved(xs, vs, -h))
    for a, b, up, down in zip(forward_over_reverse(*xs), reverse_over_forward(*xs), above, below, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
        numerical = (np.asarray(up) - np.asarray(down)) / (2 * h)
        np.testing.assert_allclose(a, numerical, rtol=10 * case.tolerance, atol=1e-4)


def test_second_derivatives_are_the_same_compiled_and_batched(case):
    f, xs = bound(case)
    _, _, *orders = second_derivatives(f, xs)
    near = [wrap(np.asarray(x) * 1.03) for x in xs]
    stacked = [wrap(np.stack([np.asarray(x), np.asarray(y)], -1)) for x, y in zip(xs, near, strict=True)]
    for second in orders:
        eager, beside = second(*xs), second(*near)
        compiled, batched = mj.jit(second)(*xs), mj.vmap(second, in_axes=-1)(*stacked)
        for a, b, c, d in zip(eager, beside, compiled, batched, strict=True):
            np.testing.assert_allclose(c, a, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(d[0], a, rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(d[1], b, rtol=1e-9, atol=1e-11)


def is_holomorphic(case: Case) -> bool:
    """Complex throughout, and the derivative along i v is i times the one along v (Cauchy and Riemann)."""
    if not differentiable(case):
        return False
    f, xs = bound(case)
    if any(x.dtype.kind != "c" for x in (*xs, *f(*xs))):
        return False
    vs = directions(xs, 8)
    along, across = mj.jvp(f, tuple(xs), vs)[1], mj.jvp(f, tuple(xs), tuple(v * 1j for v in vs))[1]
    return all(np.allclose(np.asarray(a) * 1j, b) for a, b in zip(along, across, strict=True))


def test_holomorphic_gradients_are_complex_derivatives(case):
    f, xs = bound(case)
    vs = directions(xs, 9)
    total = lambda *xs: sum(out.sum() for out in f(*xs))
    places = tuple(range(len(xs)))
    slope = mj.jvp(total, tuple(xs), vs)[1]
    for gradient in (mj.grad, mj.jacrev, mj.jacfwd):
        found = gradient(total, places, holomorphic=True)(*xs)
        np.testing.assert_allclose(sum((g * v).sum() for g, v in zip(found, vs, strict=True)), slope, rtol=1e-9)


def test_jit_equals_eager_and_the_program_prints_parses_and_checks(case):
    primitive = lookup(case.primitive)
    operands = [wrap(np.asarray(x)) for x in case.operands]
    f = lambda *xs: primitive.bind(*xs, **case.params)
    eager, compiled = f(*operands), mj.jit(f)(*operands)
    for a, b in zip(mj.tree.leaves(eager), mj.tree.leaves(compiled), strict=True):
        if a.dtype.kind in "fc":  # a few units in the last place: other elementary functions, sums in another order
            np.testing.assert_allclose(a, b, rtol=8 * np.finfo(a.dtype).eps, atol=np.finfo(a.dtype).tiny)
        else:
            np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    jaxpr = mj.make_jaxpr(f)(*operands)
    check_jaxpr(jaxpr)
    assert str(parse(str(jaxpr))) == str(jaxpr)


def test_batching_equals_a_loop(case):
    primitive = lookup(case.primitive)
    operands = [np.asarray(x) for x in case.operands]
    f = lambda *xs: primitive.bind(*xs, **case.params)
    count = len(operands)
    masks = [m for m in itertools.product((None, 0, -1), repeat=count) if any(a is not None for a in m)]
    if len(masks) > 8:
        masks = masks[:: len(masks) // 8]
    size = 2
    for mask in masks:
        stacked, examples = [], [[] for _ in range(size)]
        for x, axis in zip(operands, mask, strict=True):
            variants = [x] if axis is None else [_varied(x, k) for k in range(size)]
            stacked.append(x if axis is None else np.stack(variants, axis))
            for k in range(size):
                examples[k].append(variants[0] if axis is None else variants[k])
        batched = mj.vmap(f, in_axes=mask)(*[wrap(np.asarray(x)) for x in stacked])
        loop = [f(*[wrap(np.asarray(x)) for x in xs]) for xs in examples]
        for k in range(size):
            for a, b in zip(mj.tree.leaves(batched), mj.tree.leaves(loop[k]), strict=True):
                assert a.shape == (size, *b.shape)
                np.testing.assert_allclose(np.asarray(a)[k], b, rtol=1e-10, atol=1e-12, err_msg=f"{mask}")


def _varied(x, k):
    """Another example of the same kind."""
    if x.dtype.kind in "fc":
        return x * (1 + 0.03 * k)
    if x.dtype.kind == "b":
        return x ^ bool(k)
    return x if k == 0 else np.roll(x, 1) if x.ndim else x


def test_empty_operands():
    for name in ("sin", "neg", "log"):
        assert lookup(name).bind(wrap(np.zeros((0, 3)))).shape == (0, 3)
    assert lookup("reduce_sum").bind(wrap(np.zeros((0, 3))), axes=(0,)).tolist() == [0.0] * 3
    assert lookup("reduce_prod").bind(wrap(np.zeros((0, 2))), axes=(0,)).tolist() == [1.0] * 2
    gradient = mj.grad(lambda x: lookup("reduce_prod").bind(x, axes=(0,)))(wrap(np.zeros(0)))
    assert gradient.shape == (0,)


def test_transposes_are_adjoint_in_each_operand_alone(case):
    primitive = lookup(case.primitive)
    operands = [wrap(np.asarray(x)) for x in case.operands]
    for place in inexact_places(case):
        x = operands[place]

        def f(v, place=place):
            out = primitive.bind(*[v if i == place else y for i, y in enumerate(operands)], **case.params)
            return tuple(out) if primitive.multiple_results else (out,)

        zero, (v,) = wrap(np.zeros(x.shape, x.dtype)), directions([x], 5)
        at_zero, once, twice = f(zero), f(v), f(wrap(2 * np.asarray(v)))
        if not all(np.isfinite(np.asarray(y)).all() for y in (*at_zero, *once)):
            continue  # not linear: a pole at 0
        image = [np.asarray(a) - np.asarray(b) for a, b in zip(once, at_zero, strict=True)]
        double = [np.asarray(a) - np.asarray(b) for a, b in zip(twice, at_zero, strict=True)]
        if not all(np.allclose(b, 2 * a, rtol=1e-9) for a, b in zip(image, double, strict=True)):
            continue  # not linear in this operand
        us = directions(once, 6)
        try:
            (pulled,) = mj.linear_transpose(f, x)(us)
        except NotImplementedError:
            assert case.primitive in (
                "div",
                "scatter_mul",
                "triangular_solve",
            )  # in these operands they are not linear
            continue
        np.testing.assert_allclose(inner(image, us), inner([v], [pulled]), rtol=1e-9, atol=1e-12)


APPLIES = {
    "test_forward_mode_equals_finite_differences": differentiable,
    "test_reverse_mode_is_the_transpose_of_forward_mode": differentiable,
    "test_second_derivatives_agree_in_both_orders_and_with_finite_differences": twice_differentiable,
    "test_second_derivatives_are_the_same_compiled_and_batched": twice_differentiable,
    "test_holomorphic_gradients_are_complex_derivatives": is_holomorphic,
    "test_batching_equals_a_loop": lambda case: bool(case.operands),
    "test_transposes_are_adjoint_in_each_operand_alone": lambda case: (
        lookup(case.primitive).transpose is not None and differentiable(case)
    ),
}
