"""The model of a picture says what the program says, and no more."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.ir import Kind, Primitive, ShapedArray, sub_jaxprs, trace_function
from minijax.viz import draw, graph_of
from minijax.viz.graph import Graph

SCALAR = ShapedArray((), np.dtype(np.float32))


def graph(function, *args) -> Graph:
    return graph_of(mj.make_jaxpr(function)(*args))


def node(found: Graph, key: str):
    (only,) = [n for n in found.nodes if n.id == key]
    return only


def of_kind(found: Graph, kind: str):
    return [n for n in found.nodes if n.kind == kind]


def straight(x, scale):
    return mnp.sin(x) * scale + 2.0


def branching(x):
    if x > 0.0:
        y = mnp.sin(x)
    else:
        y = mnp.exp(-x)
    return y * 3.0


@mj.jit
def called(x, y):
    return mnp.sin(x) * y


def calling(x):
    return called(called(x, 2.0), x)


def test_every_equation_is_one_node_titled_as_in_the_text():
    program = mj.make_jaxpr(straight)(1.0, 3.0)
    found = graph_of(program)
    assert [n.id for n in of_kind(found, "equation")] == [f"e{i}" for i in range(len(program.eqns))]
    assert [n.title for n in of_kind(found, "equation")] == ["c = sin a", "d = mul c b", "e = add d 2.0"]


def test_edges_are_reads():
    found = graph(straight, 1.0, 3.0)
    data = {(e.tail, e.head) for e in found.edges}
    assert data == {("v0", "e0"), ("e0", "e1"), ("v1", "e1"), ("e1", "e2"), ("e2", "o0")}


def test_inputs_carry_the_names_of_the_arguments():
    found = graph(lambda params, x: params["w"] * x, {"w": 1.0}, 2.0)
    assert [n.title for n in of_kind(found, "input")] == ["params['w']", "x"]


def test_nodes_carry_type_and_place():
    lines = node(graph(straight, mnp.ones((2, 3)), 3.0), "e0").lines  # of the sine
    assert lines[0] == "f32[2,3]"
    assert lines[1].startswith("test_graph.py:")


@pytest.mark.parametrize(("value", "ran", "did_not"), [(2.0, "then", "else"), (-2.0, "else", "then")])
def test_a_guard_has_a_note_for_each_arm(value, ran, did_not):
    found = graph(branching, value)
    (diamond,) = of_kind(found, "guard")
    assert diamond.title == "x > 0.0"
    assert diamond.lines[0] == f"is {value > 0}"
    (taken,), (untaken,) = of_kind(found, "taken"), of_kind(found, "untaken")
    texts = {"then": ("y = mnp.sin(x)",), "else": ("y = mnp.exp(-x)",)}
    assert taken.title.startswith(f"{ran}: taken")
    assert taken.lines == texts[ran]
    assert untaken.title.startswith(f"{did_not}: not taken")
    assert untaken.lines == texts[did_not]
    kinds = {(e.tail, e.kind) for e in found.edges if e.head in (taken.id, untaken.id)}
    assert kinds == {(diamond.id, "taken"), (diamond.id, "untaken")}


def test_the_note_leads_to_the_first_equation_of_its_arm():
    found = graph(branching, 2.0)
    (edge,) = [e for e in found.edges if e.kind == "runs"]
    assert node(found, edge.tail).kind == "taken"
    assert " = sin " in node(found, edge.head).title


def test_the_branch_of_a_gradient_is_drawn_once():
    assert len(graph(mj.grad(branching), 2.0).branches) == 1


def flagged(x, flag=True):
    if x > 0.0 and flag:
        return x
    return x


def test_an_undecided_branch_takes_no_side():
    found = graph(flagged, 1.0)
    assert len(of_kind(found, "undecided")) == 2
    assert not of_kind(found, "taken")
    assert not of_kind(found, "untaken")


def two_operands(x):
    return mnp.sin(x) if x > 0.0 and x < 5.0 else x


def test_operands_of_one_test_are_linked_and_the_last_decides():
    found = graph(two_operands, 1.0)
    first, second = of_kind(found, "guard")
    assert any((e.tail, e.head, e.kind) == (first.id, second.id, "runs") for e in found.edges)
    assert {e.tail for e in found.edges if e.kind in ("taken", "untaken")} == {second.id}


def halving(x):
    while x > 1.0:
        x = x / 2.0
    return x


def test_a_loop_shows_its_body_once_and_counts_rounds():
    found = graph(halving, 5.0)
    assert [n.lines[1] for n in of_kind(found, "guard")] == ["round 1", "round 2", "round 3", "round 4"]
    assert len(of_kind(found, "taken")) == 1


def test_a_call_is_a_cluster_that_edges_run_into():
    found = graph(calling, 1.0)
    assert [c.title for c in found.clusters] == ["jit called", "jit called"]
    first, second = (c.id for c in found.clusters)
    inside = {n.id: n.cluster for n in found.nodes}
    sine = [n for n in found.nodes if " = sin " in n.title]
    assert [n.cluster for n in sine] == [first, second]
    product = next(n.id for n in found.nodes if " = mul " in n.title and n.cluster == first)
    assert inside[product] == first
    assert any((e.tail, e.head) == (product, sine[1].id) for e in found.edges)  # straight from call to call
    assert any((e.tail, e.head) == ("v0", sine[0].id) for e in found.edges)


def with_bodies(index, x):
    """A `cond` of our own: graphs need nothing but its Jaxprs."""
    first = trace_function(lambda a: [mnp.sin(a)], [SCALAR], purpose="arm")
    second = trace_function(lambda a: [a * 2.0], [SCALAR], purpose="arm")
    return choose.bind(index, x, branches=(first, second))


choose = Primitive(
    "choose",
    Kind.STRUCTURED,
    abstract=lambda *avals, branches: branches[0].out_avals,
    evaluate=lambda *args, branches: args[1:],
    multiple_results=True,
    register=False,
)


def test_every_body_of_a_structured_equation_is_a_cluster():
    program = trace_function(with_bodies, [ShapedArray((), np.dtype(np.int32)), SCALAR], purpose="test")
    assert len(list(sub_jaxprs(program.eqns[0]))) == 2
    found = graph_of(program)
    outer, *arms = found.clusters
    assert (outer.title, [c.title for c in arms]) == ("choose", ["branches 0", "branches 1"])
    assert {c.parent for c in arms} == {outer.id}
    (result,) = of_kind(found, "result")
    heads = {(e.tail, e.head) for e in found.edges}
    assert ("v0", result.id) in heads  # the index enters no body
    for arm in arms:
        (given,) = [n for n in found.nodes if n.kind == "input" and n.cluster == arm.id]
        (made,) = [n for n in found.nodes if n.kind == "equation" and n.cluster == arm.id]
        assert {("v1", given.id), (given.id, made.id), (made.id, result.id)} <= heads


def test_small_constants_stand_in_the_title_and_large_ones_are_nodes():
    small, large = mnp.asarray([1.0, 2.0]), mnp.arange(50.0)
    found = graph_of(trace_function(lambda x: [x * small], [ShapedArray((2,), np.dtype("f4"))], purpose=""))
    assert any("[1.0, 2.0]" in n.title for n in found.nodes)
    found = graph_of(trace_function(lambda x: [x * large], [ShapedArray((50,), np.dtype("f4"))], purpose=""))
    (constant,) = of_kind(found, "const")
    assert constant.lines == ("f32[50]",)


@pytest.mark.parametrize("function", [straight, branching, calling, halving, two_operands])
def test_graphs_are_acyclic_closed_and_reproducible(function):
    args = (2.0, 3.0) if function is straight else (2.0,)
    found = graph(function, *args)
    again = graph(function, *args)
    assert [(n.id, n.title, n.lines) for n in found.nodes] == [(n.id, n.title, n.lines) for n in again.nodes]
    ids = [n.id for n in found.nodes]
    assert len(set(ids)) == len(ids)
    assert {e.tail for e in found.edges} | {e.head for e in found.edges} <= set(ids)
    reached, edges = set(), {(e.tail, e.head) for e in found.edges}
    while free := {n for n in ids if n not in reached and not any(h == n and t not in reached for t, h in edges)}:
        reached |= free
    assert reached == set(ids)


def test_the_summary_counts():
    assert graph(branching, 2.0).summary() == "branching: 3 equations, 1 captured branch"
    assert graph(straight, 1.0, 1.0).summary() == "straight: 3 equations"


def test_draw_takes_a_function_or_a_program():
    program = mj.make_jaxpr(straight)(1.0, 2.0)
    assert draw(program).dot == draw(straight)(1.0, 2.0).dot
    with pytest.raises(TypeError, match="function or a Jaxpr"):
        draw(3)
