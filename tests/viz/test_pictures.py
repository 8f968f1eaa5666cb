"""draw, draw_grad, draw_transforms, draw_branches, diff: what they say about real functions."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.interpreters.eval import eval_closed
from minijax.viz import draw, draw_branches, draw_grad, draw_transforms
from minijax.viz.grad_pair import halves_of


def pair(x, w):
    y = mnp.sin(x) * w
    return mnp.sum(y * mnp.exp(x))


VECTOR = mnp.asarray([0.5, 1.0, 1.5])


def by_id(found):
    return {n.id: n for n in found.nodes}


# --- forward and backward


def test_backward_equations_know_the_forward_equation_they_come_from():
    found = draw_grad(pair)(VECTOR, 2.0).graph
    nodes = by_id(found)
    derived = {(n.op, nodes[n.origin].op) for n in found.nodes if n.id.startswith("b") and n.kind == "equation"}
    assert ("broadcast_in_dim", "reduce_sum") in derived
    assert {"back through sin", "back through exp", "back through mul"} <= {
        line for n in found.nodes for line in n.lines
    }


def test_the_same_operation_at_the_same_place_is_told_apart():
    def twice(x):
        for _ in range(3):
            x = mnp.sin(x)
        return x

    found = draw_grad(twice, fold=False)(1.0).graph
    nodes = by_id(found)
    origins = [nodes[n.origin].title for n in found.nodes if n.id.startswith("b") and n.kind == "equation"]
    sines = [n.title for n in found.nodes if n.op == "sin"]
    assert origins == sines[::-1]


def test_what_is_kept_is_counted_in_bytes():
    found = draw_grad(pair)(VECTOR, 2.0).graph
    kept = [n for n in found.nodes if n.kind == "residual"]
    assert sorted(n.lines[1] for n in kept) == ["12 bytes", "12 bytes", "12 bytes", "4 bytes"]
    assert found.notes[0].startswith("4 values kept for the backward program, 40 bytes; the largest: ")


def test_cotangents_that_meet_are_added_up():
    found = draw_grad(pair)(VECTOR, 2.0).graph
    (total,) = [n for n in found.nodes if "adds up two uses" in n.lines]
    assert total.op == "add"


def test_the_ends_have_names():
    found = draw_grad(pair, argnums=(0, 1))(VECTOR, 2.0).graph
    titles = {n.title for n in found.nodes if n.kind in ("input", "output")}
    assert titles == {"x", "w", "result", "ct(result)", "ct(x)", "ct(w)"}


def test_an_argument_that_nothing_depends_on_gets_zero():
    found = draw_grad(lambda x, y: mnp.sin(x), argnums=(0, 1))(1.0, 2.0).graph
    (zero,) = [n for n in found.nodes if n.title == "ct(y)"]
    assert zero.lines[0].startswith("zero: ")


def test_trees_are_differentiated_leaf_by_leaf():
    found = draw_grad(lambda p: p["a"] * p["b"])({"a": 1.0, "b": 2.0}).graph
    assert {"ct(p['a'])", "ct(p['b'])"} <= {n.title for n in found.nodes}


def test_the_backward_program_is_the_gradient():
    """The picture is of the program that runs: its values are those of grad."""
    halves = halves_of(mj.make_jaxpr(pair)(VECTOR, 2.0), [True, True])
    outs = eval_closed(halves.forward, VECTOR, mnp.asarray(2.0))
    cts = eval_closed(halves.backward, *outs[1:], mnp.asarray(1.0))
    for found, expected in zip(cts, mj.grad(pair, argnums=(0, 1))(VECTOR, 2.0), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_captured_branch_is_part_of_the_forward_program():
    def f(x):
        return mnp.sin(x) if x > 0 else x

    found = draw_grad(f)(1.0).graph
    (diamond,) = [n for n in found.nodes if n.kind == "guard"]
    assert (diamond.cluster, len(found.branches)) == ("cforward", 1)
    assert {n.kind for n in found.nodes} >= {"taken", "untaken"}


# --- transformations


def test_every_stage_is_a_panel():
    panels = draw_transforms(pair)(VECTOR, 2.0)
    assert list(panels) == ["trace", "jvp", "linearize", "transpose", "batch"]
    titles = {name: [n.title for n in panels[name].graph.nodes if n.kind in ("input", "output")] for name in panels}
    assert titles["jvp"] == ["x", "w", "d x", "result", "d result"]
    assert titles["transpose"][-2:] == ["ct(result)", "ct(x)"]
    assert titles["linearize"][0].startswith("kept: ")
    assert panels["batch"].graph.nodes[0].lines == ("a:f32[3,3]",)


def test_panels_are_one_page_with_ids_of_their_own(tmp_path):
    panels = draw_transforms(pair, steps=("trace", "jvp"))(VECTOR, 2.0)
    (path,) = panels.save(tmp_path / "f.html")
    page = path.read_text()
    assert 'id="trace_e0"' in page and 'id="jvp_e0"' in page
    assert "<script" not in page
    names = [p.name for p in panels.save(tmp_path / "f.dot")]
    assert names == ["f_trace.dot", "f_jvp.dot"]
    assert set(panels._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert repr(panels).startswith("Panels(pair: trace, jvp)")


def test_unknown_stages_are_refused():
    with pytest.raises(ValueError, match="steps must be among 'trace', 'jvp'"):
        draw_transforms(pair, steps=("unroll",))


# --- two runs


def branching(x):
    y = mnp.sin(x)
    if x > 0:
        z = y * 2.0
    else:
        z = mnp.exp(y) - 1.0
    return z + y


def test_a_diff_shows_common_equations_once_and_each_arm_in_its_frame():
    found = draw(branching).diff((1.0,), (-1.0,)).graph
    frames = {c.title: c.id for c in found.clusters}
    assert [n.op for n in found.nodes if n.cluster == frames["first run only"]] == ["mul"]
    assert [n.op for n in found.nodes if n.cluster == frames["second run only"]] == ["exp", "sub"]
    assert sum(n.op == "sin" for n in found.nodes) == sum(n.op == "add" for n in found.nodes) == 1
    assert found.notes == ("Equations of the first run alone: 1; of the second: 2.",)


def test_the_question_that_was_answered_differently_is_marked():
    found = draw(branching).diff((1.0,), (-1.0,)).graph
    (diamond,) = [n for n in found.nodes if n.kind == "guard"]
    assert [m.text for m in diamond.marks] == ["first True, second False"]
    arms = [n.title for n in found.nodes if n.kind == "taken"]
    assert [arm.partition(" (")[0] for arm in arms] == [
        "then: taken by the first run",
        "else: taken by the second run",
    ]
    assert not [n for n in found.nodes if n.kind == "untaken"]


def test_two_equal_runs_have_no_difference():
    found = draw(branching).diff((1.0,), (2.0,)).graph
    assert not found.clusters
    assert "No captured branch was answered differently." in found.notes[0]
    plain = draw(branching)(1.0).graph
    assert [n.id for n in found.nodes] == [n.id for n in plain.nodes]
    assert set(found.edges) == set(plain.edges)


# --- specialisations


def test_branches_of_a_jitted_function_with_their_hits():
    def f(x, y):
        if x > 0:
            return y * 2.0 if y > 10 else y
        return -y

    g = mj.jit(f)
    for x, y in ((1.0, 2.0), (2.0, 3.0), (-1.0, 2.0)):
        g(x, y)
    found = draw_branches(g).graph
    first, second = [n for n in found.nodes if n.kind == "guard"]
    assert (first.title, first.lines[0]) == ("x > 0", "3 calls")
    assert (second.title, second.lines[0]) == ("y > 10", "2 calls")
    assert sorted(e.label for e in found.edges if e.kind == "taken") == [
        "else: 1 call",
        "else: 2 calls",
        "then: 2 calls",
    ]
    (never,) = [n for n in found.nodes if n.kind == "untaken"]
    assert never.title.startswith("then: never")
    assert never.lines == ("y * 2.0",)
    assert sorted(n.lines[0] for n in found.nodes if n.kind == "leaf") == ["1 call", "2 calls"]


def test_each_type_of_arguments_is_a_tree():
    g = mj.jit(lambda x: x * 2.0)
    for x in (1.0, mnp.ones(3), mnp.ones(3)):
        g(x)
    found = draw_branches(g).graph
    assert [c.title for c in found.clusters] == ["<lambda>(f32[])", "<lambda>(f32[3])"]
    assert [n.lines[0] for n in found.nodes if n.kind == "leaf"] == ["1 call", "2 calls"]


def test_rounds_of_a_while_are_one_question():
    def halve(x):
        while x > 1.0:
            x = x / 2.0
        return x

    g = mj.jit(halve)
    for x in (3.0, 3.5, 10.0):
        g(x)
    found = draw_branches(g).graph
    assert sum(n.kind == "guard" for n in found.nodes) == 1
    assert sorted(e.label for e in found.edges if e.kind == "taken") == [
        "after 2 rounds: 2 calls",
        "after 4 rounds: 1 call",
    ]


def test_a_jitted_function_that_was_never_called_is_an_empty_picture():
    assert draw_branches(mj.jit(mnp.sin)).graph.nodes == ()


def test_only_jitted_functions_have_specialisations():
    with pytest.raises(TypeError, match="draw_branches takes a jitted function, got function"):
        draw_branches(branching)


# --- arguments


def test_arguments_may_be_given_as_a_tuple():
    assert draw(branching, (1.0,)).dot == draw(branching)(1.0).dot
    assert draw_grad(pair, (VECTOR, 2.0)).dot == draw_grad(pair)(VECTOR, 2.0).dot
    with pytest.raises(TypeError, match=r"as a tuple, got float\n.*draw\(f\)\(x, y\)"):
        draw(branching, 1.0)


def test_draw_of_a_function_says_what_to_do_with_it():
    assert repr(draw(branching)) == "<draw(branching): call it with the arguments of branching to see the picture>"


@pytest.mark.parametrize("theme", ["sepia", ""])
def test_themes_are_known(theme):
    with pytest.raises(ValueError, match="theme must be 'auto', 'light' or 'dark'"):
        draw(branching, theme=theme)
