"""Walks the registry: every primitive has the rules its kind requires, and every rule is right.

Derivatives against central differences in forward mode, reverse mode by the dot-product test, second order as forward over
reverse against reverse over forward, batching at every axis against a loop, compiled against eager, printed against parsed.
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
IDS = [f"{case.primitive}-{index}" for index, case in enumerate(CASES)]
NOT_DIFFERENTIABLE = ("missing", None)


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=IDS)


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
    return sum(np.sum(np.asarray(u) * np.asarray(v)) for u, v in zip(us, vs, strict=True))


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
    if not differentiable(case):
        pytest.skip("no derivative")
    f, xs = bound(case)
    vs = directions(xs, 0)
    _, tangents = mj.jvp(f, tuple(xs), vs)
    h = 1e-6
    above = f(*[wrap(np.asarray(x) + h * np.asarray(v)) for x, v in zip(xs, vs, strict=True)])
    below = f(*[wrap(np.asarray(x) - h * np.asarray(v)) for x, v in zip(xs, vs, strict=True)])
    for t, a, b in zip(tangents, above, below, strict=True):
        np.testing.assert_allclose(t, (np.asarray(a) - np.asarray(b)) / (2 * h), rtol=case.tolerance, atol=1e-6)


def test_reverse_mode_is_the_transpose_of_forward_mode(case):
    if not differentiable(case):
        pytest.skip("no derivative")
    f, xs = bound(case)
    vs = directions(xs, 1)
    outs, tangents = mj.jvp(f, tuple(xs), vs)
    us = directions(outs, 2)
    _, pull = mj.vjp(f, *xs)
    # <J v, u> = <v, J^T u>; over the reals, cotangents of complex numbers pair without conjugation
    np.testing.assert_allclose(inner(tangents, us).real, inner(vs, pull(us)).real, rtol=1e-9, atol=1e-12)


def test_second_derivatives_agree_in_both_orders_and_with_finite_differences(case):
    if not differentiable(case) or not case.second_order:
        pytest.skip("no second derivative")
    f, xs = bound(case)
    if any(x.dtype.kind == "c" for x in (*xs, *f(*xs))):
        pytest.skip("complex: first order only")
    vs = directions(xs, 3)
    us = directions(f(*xs), 4)
    gradient = lambda *xs: mj.vjp(f, *xs)[1](us)
    forward_over_reverse = mj.jvp(gradient, tuple(xs), vs)[1]
    along = lambda *xs: inner_traced(mj.jvp(f, xs, vs)[1], us)
    reverse_over_forward = mj.grad(along, argnums=tuple(range(len(xs))))(*xs)
    h = 1e-5
    above = gradient(*[wrap(np.asarray(x) + h * np.asarray(v)) for x, v in zip(xs, vs, strict=True)])
    below = gradient(*[wrap(np.asarray(x) - h * np.asarray(v)) for x, v in zip(xs, vs, strict=True)])
    for a, b, up, down in zip(forward_over_reverse, reverse_over_forward, above, below, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
        numerical = (np.asarray(up) - np.asarray(down)) / (2 * h)
        np.testing.assert_allclose(a, numerical, rtol=10 * case.tolerance, atol=1e-4)


def inner_traced(us, vs):
    return sum((u * v).sum() for u, v in zip(us, vs, strict=True))


def test_jit_equals_eager_and_the_program_prints_parses_and_checks(case):
    primitive = lookup(case.primitive)
    operands = [wrap(np.asarray(x)) for x in case.operands]
    f = lambda *xs: primitive.bind(*xs, **case.params)
    eager, compiled = f(*operands), mj.jit(f)(*operands)
    for a, b in zip(mj.tree.leaves(eager), mj.tree.leaves(compiled), strict=True):
        np.testing.assert_array_equal(a, b)
    jaxpr = mj.make_jaxpr(f)(*operands)
    check_jaxpr(jaxpr)
    assert str(parse(str(jaxpr))) == str(jaxpr)


def test_batching_equals_a_loop(case):
    primitive = lookup(case.primitive)
    if not case.operands:
        pytest.skip("no operands")
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
                np.testing.assert_allclose(np.asarray(a)[k], b, rtol=1e-10, atol=1e-12, err_msg=f"{mask}")


def _varied(x, k):
    """Another example of the same kind."""
    if x.dtype.kind in "fc":
        return x * (1 + 0.03 * k)
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
    if primitive.transpose is None or not differentiable(case):
        pytest.skip("no transpose")
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
        np.testing.assert_allclose(inner(image, us).real, inner([v], [pulled]).real, rtol=1e-9, atol=1e-12)
