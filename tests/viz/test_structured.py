"""Equations that hold programs: cond, while, scan, calls, custom rules, checkpoint; labels; questions inside a jit."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.viz import draw, graph_of, label


def graph(function, *args):
    return graph_of(mj.make_jaxpr(function)(*args))


def node(found, key):
    (only,) = [n for n in found.nodes if n.id == key]
    return only


def chosen(flag, x):
    return lax.cond(flag, lambda t: mnp.sin(t) * 2.0, lambda t: t - 1.0, x)


def test_a_cond_has_a_frame_per_branch_and_a_diamond_that_chooses():
    found = graph(chosen, True, 2.0)
    outer, *arms = found.clusters
    assert (outer.kind, [c.title for c in arms]) == ("cond", ["0: false", "1: true"])
    (choice,) = [n for n in found.nodes if n.kind == "choice"]
    heads = [node(found, e.head) for e in found.edges if e.kind == "chosen" and e.tail == choice.id]
    assert [n.cluster for n in heads] == [arm.id for arm in arms]
    (result,) = [n for n in found.nodes if n.kind == "result"]
    into = [node(found, e.tail) for e in found.edges if e.head == result.id]
    assert {n.cluster for n in into} == {arm.id for arm in arms}


@pytest.mark.parametrize("flag", [True, False])
def test_with_values_the_branch_that_did_not_run_is_dashed(flag):
    found = draw(chosen, values=True)(flag, 2.0).graph
    ran = {c.title.partition(",")[0]: c.ran for c in found.clusters if c.kind == "arm"}
    assert ran == {"0: false": not flag, "1: true": flag}
    kinds = [e.kind for e in found.edges if e.kind in ("chosen", "other")]
    assert sorted(kinds) == ["chosen", "other"]
    idle = next(c.id for c in found.clusters if c.ran is False)
    assert all(not n.values for n in found.nodes if n.cluster == idle)


def test_a_branch_that_computes_nothing_shows_what_it_returns():
    found = graph(lambda i, x: lax.cond(i, lambda t: t, lambda t: 0.0 * t, x), True, 2.0)
    assert any(n.title == "return b" for n in found.nodes)


def test_a_switch_numbers_its_branches():
    found = graph(lambda i, x: lax.switch(i, [mnp.sin, mnp.cos, mnp.exp], x), 1, 2.0)
    assert [c.title for c in found.clusters[1:]] == ["branch 0", "branch 1", "branch 2"]


def newton(a):
    return lax.while_loop(
        lambda s: mnp.abs(s[0] ** 2 - a) > 1e-5, lambda s: (0.5 * (s[0] + a / s[0]), s[1] + 1), (a, 0)
    )


def test_a_while_loop_carries():
    found = graph(newton, 2.0)
    assert [c.title for c in found.clusters] == ["while", "test", "body"]
    carries = [n for n in found.nodes if n.kind == "carry"]
    assert [n.lines[0] for n in carries] == ["starts as a", "starts as 0"]
    back = [(node(found, e.tail).cluster, e.head) for e in found.edges if e.kind == "carry"]
    assert back == [(found.clusters[2].id, n.id) for n in carries]


def test_a_while_loop_counts_its_rounds_when_values_are_known():
    found = draw(newton, values=True)(2.0).graph
    assert found.clusters[0].title == "while: 3 rounds"
    (result,) = [n for n in found.nodes if n.kind == "result"]
    assert result.values == ("= 1.41422", "= 3")  # 1.5, 1.41667, 1.414216


def running(w, xs):
    def step(h, x):
        h = mnp.tanh(w * h + x)
        return h, h * h

    return lax.scan(step, 0.0, xs, reverse=True)


def test_a_scan_takes_slices_and_gives_stacks():
    found = graph(running, 0.5, mnp.ones(4))
    assert found.clusters[0].title == "scan length=4 reverse"
    carry, piece = [n for n in found.nodes if n.kind == "carry"]
    assert carry.title.startswith("carry ")
    assert piece.title.endswith("[t]")
    (result,) = [n for n in found.nodes if n.kind == "result"]
    assert any(line.startswith("stacked: ") for line in result.lines)
    (back,) = [e for e in found.edges if e.kind == "carry"]
    assert (node(found, back.tail).op, back.head) == ("tanh", carry.id)


def test_constants_of_a_loop_come_from_outside():
    found = graph(running, 0.5, mnp.ones(4))
    readers = [node(found, e.head) for e in found.edges if e.tail == "v0"]
    assert [n.op for n in readers] == ["mul"]
    assert readers[0].cluster == found.clusters[1].id


@mj.custom_jvp
def clipped(x):
    return mnp.clip(x, 0.0, 1.0)


clipped.defjvp(lambda primals, tangents: (clipped(*primals), tangents[0]))


@pytest.mark.parametrize(
    ("function", "kind", "title"),
    [
        (lambda x: mj.jit(mnp.sin)(x), "jit", "jit sin"),
        (clipped, "custom_jvp", "custom_jvp clipped"),
        (mj.checkpoint(lambda x: mnp.sin(x) * 2.0), "checkpoint", "checkpoint"),
    ],
)
def test_calls_are_frames(function, kind, title):
    found = graph(function, 0.5)
    assert (found.clusters[0].kind, found.clusters[0].title) == (kind, title)
    assert any(n.cluster == found.clusters[0].id for n in found.nodes)


def test_a_label_names_a_value():
    found = graph(lambda x: label(mnp.sin(x), "wave") * 2.0, 1.0)
    assert [n.title for n in found.nodes] == ["x", "wave = sin a", "b = mul wave 2.0", "result"]
    assert [key for key, _ in found.hidden] == ["e1"]


def test_a_label_changes_no_value_and_no_derivative():
    assert float(mj.grad(lambda x: label(x * x, "square"))(3.0)) == 6.0
    np.testing.assert_array_equal(mj.vmap(lambda x: label(x, "x") + 1.0)(mnp.arange(3.0)), [1.0, 2.0, 3.0])


# --- a question asked inside a jit


@mj.jit
def signed(x):
    y = mnp.sin(x) * 3.0
    if y > 0:
        return mnp.sqrt(y)
    return -y


def outside(x):
    return signed(x) + 1.0


def test_a_question_inside_a_jit_is_drawn_once_and_where_it_belongs():
    found = graph(outside, 1.0)
    (diamond,) = [n for n in found.nodes if n.kind == "guard"]
    assert diamond.cluster == found.clusters[0].id
    assert [n.kind for n in found.nodes].count("taken") == 1
    assert sum(n.op == "sin" for n in found.nodes) == 1  # not what was computed to answer it while tracing
    assert {reason for _, reason in found.hidden} == {
        "asked again inside the call",
        "computed while tracing, to answer a question inside the call",
    }


def test_the_same_jit_called_twice_asks_twice():
    found = graph(lambda x: signed(signed(x)), 1.0)
    assert [n.cluster for n in found.nodes if n.kind == "guard"] == [c.id for c in found.clusters]


def test_the_gradient_of_a_jit_asks_once():
    found = graph(mj.grad(outside), 1.0)
    assert sum(n.kind == "guard" for n in found.nodes) == 1


def deep(x):
    return mj.jit(outside)(x) * 2.0


def test_a_question_two_calls_deep_is_drawn_in_the_innermost():
    found = graph(deep, 1.0)
    (diamond,) = [n for n in found.nodes if n.kind == "guard"]
    assert [c.title for c in found.enclosing(diamond.cluster)] == ["jit signed", "jit outside"]


def square_root(a):
    return lax.custom_root(lambda x: x * x - a, 1.0, lambda f, x: x - f(x), lambda g, y: y / g(1.0))


def quotient(a, b):
    return lax.custom_linear_solve(lambda x: a * x, b, lambda f, b: b / a, symmetric=True)


@pytest.mark.parametrize(
    ("function", "args", "titles"),
    [
        (square_root, (2.0,), ["custom_root", "f", "solve", "tangent_solve"]),
        (quotient, (2.0, 3.0), ["custom_linear_solve", "solve", "matvec", "transpose_solve", "vecmat"]),
    ],
)
def test_a_solver_shows_its_equation_and_only_solving_gives_the_result(function, args, titles):
    found = graph(function, *args)
    outer, *frames = found.clusters
    assert outer.title == titles[0] and sorted(c.title for c in frames) == sorted(titles[1:])
    (result,) = [n for n in found.nodes if n.kind == "result"]
    (solving,) = [c for c in frames if c.title == "solve"]
    assert {node(found, e.tail).cluster for e in found.edges if e.head == result.id} == {solving.id}


def test_the_unknown_of_an_equation_is_not_the_guess():
    found = graph(square_root, 2.0)
    (frame,) = [c for c in found.clusters if c.title == "f"]
    inputs = [n for n in found.nodes if n.kind == "input" and n.cluster == frame.id]
    assert [" = " in n.title for n in inputs] == [True] * (len(inputs) - 1) + [False]
    assert inputs[-1].id not in {e.head for e in found.edges}
