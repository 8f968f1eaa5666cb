"""Folding: what becomes one node, what the notes say, and that long programs stay within the budget."""

from __future__ import annotations

import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.viz import draw, graph_of
from minijax.viz.fold import _Folder, fold, neighbourhood
from minijax.viz.repeats import Loop, find_repeats, merged_title


def graph(function, *args):
    return graph_of(mj.make_jaxpr(function)(*args))


def step(x, w):
    y = mnp.sin(x) * w
    return y + x * 0.5


def many_steps(x, w, n=37):
    for _ in range(n):
        x = step(x, w)
    return x


def named(found, kind):
    return [c.title for c in found.clusters if c.kind == kind]


def test_equal_iterations_are_one_frame():
    found = fold(graph(many_steps, 1.0, 2.0))
    (title,) = named(found, "loop")
    assert title.startswith("loop x 37  test_fold.py:")
    assert [n.op for n in found.nodes if n.kind == "equation"] == ["sin", "mul", "mul", "add"]
    assert found.equations == 4 * 37
    assert found.notes == ("7 of 151 nodes shown; folded: 1 loop. fold=False shows all.",)


def test_what_goes_round_is_a_carry_edge():
    found = fold(graph(many_steps, 1.0, 2.0))
    ops = {n.id: n.op for n in found.nodes}
    carries = [(ops[e.tail], ops[e.head]) for e in found.edges if e.kind == "carry"]
    assert sorted(carries) == [("add", "mul"), ("add", "sin")]  # x enters sin and x * 0.5 again


def test_the_last_round_gives_the_name_that_is_read_afterwards():
    found = fold(graph(many_steps, 1.0, 2.0))
    (leaving,) = [n.title for n in found.nodes if "\u2026" in n.title]
    (output,) = [n for n in found.nodes if n.kind == "output"]
    name = output.lines[0].partition(":")[0]
    assert leaving == f"f \u2026 {name} = add d e"


def numbered(x):
    for k in range(20):
        x = mnp.sin(x) + float(k)
    return x


def test_numbers_that_differ_from_round_to_round_are_dots():
    found = fold(graph(numbered, 1.0))
    assert any(n.title.endswith("add b \u2026") for n in found.nodes)


def nested(x):
    for _ in range(6):
        x = mnp.cos(x)
        for _ in range(5):
            x = x * 0.5
    return x


def test_loops_in_loops_are_frames_in_frames():
    found = fold(graph(nested, 1.0))
    outer, inner = (c for c in found.clusters if c.kind == "loop")
    assert outer.title.startswith("loop x 6 ") and inner.title.startswith("loop x 5 ")
    assert inner.parent == outer.id


def halving(x):
    while x > 1.0:
        x = x / 2.0
    return x + 1.0


@pytest.mark.parametrize(("value", "rounds"), [(1.5, 1), (3.0, 2), (100.0, 7)])
def test_a_python_while_is_one_diamond(value, rounds):
    found = fold(graph(halving, value))
    (diamond,) = [n for n in found.nodes if n.kind == "guard"]
    assert diamond.lines[0] == f"{rounds} x True, then False"
    assert named(found, "loop")[0].startswith(f"loop x {rounds} ")
    (exit_edge,) = [e for e in found.edges if e.label]
    assert (exit_edge.tail, exit_edge.label) == (diamond.id, f"after {rounds}")
    assert len(found.branches) == rounds + 1


def test_a_question_leads_to_the_next_loop_by_one_edge():
    def collatz(n):  # 6, 3, 10, 5, 16, 8, 4, 2, 1: the last rounds are equal, so two loops follow each other
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps

    graph = draw(collatz)(6).graph
    labels = {edge.label for edge in graph.edges if edge.kind == "runs" and edge.label}
    assert labels == {"after 2"}
    assert graph.equations == draw(collatz, fold=False)(6).graph.equations


def test_a_while_that_never_runs_is_a_plain_diamond():
    found = fold(graph(halving, 0.5))
    assert not named(found, "loop")
    assert len([n for n in found.nodes if n.kind == "guard"]) == 1


def alternating(x):
    for k in range(8):
        if x > 0:
            x = x - 3.0
        else:
            x = x + 2.0 + 0.0 * k
    return x


def test_rounds_that_take_other_arms_are_not_the_same():
    found = fold(graph(alternating, 1.0))
    outcomes = [branch.outcome for _, branch in found.branches]
    assert len(set(outcomes)) == 2
    assert all("x True" not in n.lines[0] for n in found.nodes if n.kind == "guard")


def test_two_rounds_with_other_arms_are_not_one_round():
    def bisection(a):
        low, high = 1.0, a
        while high - low > 0.3:  # up, then down: the questions are equal, what lies between them is not
            middle = 0.5 * (low + high)
            low, high = (middle, high) if middle**2 < a else (low, middle)
        return high

    found = fold(graph(bisection, 2.0))
    assert not named(found, "loop")
    asked = [n.lines[0] for n in found.nodes if n.kind == "guard" and "high - low" in n.title]
    assert asked == ["is True", "is True", "is False"]


@mj.jit
def inner(x):
    return mnp.sin(x) * 2.0


@mj.jit
def outer(x):
    return inner(x) + inner(x * 3.0)


def test_depth_draws_deeper_frames_as_one_node():
    whole = graph(lambda x: outer(x) + 1.0, 1.0)
    one = fold(whole, depth=1)
    assert [c.title for c in one.clusters] == ["jit outer"]
    folded = [n for n in one.nodes if n.kind == "fold"]
    assert [(n.title, n.lines[0]) for n in folded] == [("jit inner", "2 equations")] * 2
    none = fold(whole, depth=0)
    (only,) = [n for n in none.nodes if n.kind == "fold"]
    assert (only.title, only.size, only.lines[1]) == ("jit outer", 6, "3 mul, 2 sin, 1 add")
    assert [(e.tail, e.head) for e in none.edges] == [("v0", only.id), (only.id, "e1"), ("e1", "o0")]


def test_functions_are_one_node_per_call():
    found = fold(graph(lambda x: step(step(x, 2.0), 3.0), 1.0), "functions")
    assert [(n.title, n.size) for n in found.nodes if n.kind == "fold"] == [("step", 4), ("step", 4)]


def test_a_call_swallows_the_loops_in_it():
    def turn(x):
        for _ in range(3):
            x = mnp.sin(x) + x
        return mnp.exp(x)

    found = graph(lambda x: mnp.cos(turn(x)) * 2.0, 1.0)
    folder = _Folder(found)
    folder.repeats(2)
    folder.functions(1)  # the run of sin, add and exp is found around the loop's frame, and inside it
    assert [n.op or n.kind for n in folder.finished().nodes] == ["input", "fold", "cos", "mul", "output"]


def test_a_function_can_name_groups():
    found = fold(graph(many_steps, 1.0, 2.0), lambda node: "waves" if node.op == "sin" else None)
    assert [n.title for n in found.nodes if n.kind == "fold"] == ["waves"] * 37
    assert "37 groups" in found.notes[0]


def irregular(x, n):
    values = [x, x * 2.0]
    for k in range(n):
        a, b = values[-1 - k % 7 % len(values)], values[-1 - k * k % 5 % len(values)]
        values.append((mnp.sin(a) if k % 3 == 0 else a * b if k % 3 == 1 else a - b) + float(k))
    return values[-1]


@pytest.mark.parametrize("budget", [20, 100, 400])
def test_the_budget_is_met(budget):
    found = fold(graph(lambda x: irregular(x, 3000), 1.0), max_nodes=budget)
    assert len(found.nodes) <= budget
    assert found.equations >= 6000
    assert "fold=False shows all" in found.notes[0]


def test_a_hundred_thousand_equations_fold_without_recursion():
    program = mj.make_jaxpr(lambda x, w: many_steps(x, w, 25_000))(1.0, 2.0)
    found = fold(graph_of(program))
    assert found.equations == 100_000
    assert len(found.nodes) == 7


def test_movement_goes_into_the_equation_that_made_it():
    def f(x):
        for k in range(1, 12):  # each time another shape: no loop
            x = mnp.reshape(mnp.sin(x), (2**k, 2 ** (12 - k))) * float(k)
        return x

    found = fold(graph(f, mnp.ones((2**12,))), max_nodes=30)
    assert not any(n.op == "reshape" and n.kind == "equation" for n in found.nodes)
    assert any("then reshape" in n.lines for n in found.nodes if n.op == "sin")


@pytest.mark.parametrize("where", ["e3", "x", "test_fold.py:20", "e"])
def test_a_neighbourhood_is_found_by_id_name_or_place(where):
    whole = graph(many_steps, 1.0, 2.0)
    line = next(n.lines[-1] for n in whole.nodes if n.op == "sin")
    found = neighbourhood(whole, line if ":" in where else where)
    assert 0 < len(found.nodes) <= len(whole.nodes)
    assert found.notes[0].startswith(f"{len(found.nodes)} of {len(whole.nodes)} nodes shown: around ")


def test_a_neighbourhood_of_nothing_is_refused():
    with pytest.raises(ValueError, match="around='nowhere' names nothing in many_steps"):
        draw(many_steps, around="nowhere")(1.0, 2.0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [({"fold": "all"}, "fold must be one of"), ({"depth": -1}, "depth must be"), ({"max_nodes": 0}, "max_nodes")],
)
def test_wrong_options_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        draw(step, **keywords)(1.0, 2.0)


@pytest.mark.parametrize(
    ("items", "loops"),
    [
        ([1, 2, 3], []),
        ([1, 1, 1], [Loop(0, 1, 3)]),
        ([9, 1, 2, 1, 2, 1, 8], [Loop(1, 2, 2, 1)]),
        ([1, 1, 2, 1, 1, 2], [Loop(0, 3, 2)]),
        ([1, 2, 1, 2, 5, 6, 5, 6], [Loop(0, 2, 2), Loop(4, 2, 2)]),
        ([], []),
    ],
)
def test_repeats(items, loops):
    assert find_repeats(items, lambda loop: loop if loop.count > 1 else None) == loops


def test_one_title_for_all_rounds():
    assert merged_title(["b = add a 1.0", "c = add b 1.0"], "") == "b = add a 1.0"
    assert merged_title(["b = add a [1.0, 2.0]", "c = add b [1.0, 3.0]"], "").startswith("b = add a")
