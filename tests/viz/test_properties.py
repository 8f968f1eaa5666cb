"""What holds for the graph of every program: random Jaxprs, straight and nested."""

from __future__ import annotations

import os

from hypothesis import given, settings, strategies as st

from minijax.ir import guard, sub_jaxprs
from minijax.viz import Drawing, graph_of
from minijax.viz.fold import fold
from minijax.viz.grad_pair import pair_graph
from minijax.viz.text import text_of
from minijax.viz.values import equations_of, evaluate, with_values
from tests.ir.random_jaxprs import programs

EXAMPLES = settings(max_examples=int(os.environ.get("MINIJAX_EXAMPLES", "60")), deadline=None)


def leaves(graph):
    """Ids of the equations that a graph shows, folds or hides."""
    shown = [m for node in graph.nodes for m in (node.members or (node.id,))]
    return [*shown, *(key for key, _ in graph.hidden)]


@EXAMPLES
@given(programs())
def test_every_equation_is_drawn_folded_or_hidden_with_a_reason(program):
    graph = graph_of(program.closed)
    drawn = leaves(graph)
    assert len(set(drawn)) == len(drawn)
    wanted = {key for key, eqn in equations_of(program.closed) if not any(True for _ in sub_jaxprs(eqn))}
    assert wanted == {key for key in drawn if key.startswith("e") and not key.endswith(("t", "f"))}
    assert all(reason for _, reason in graph.hidden)


@EXAMPLES
@given(programs(depth=0, guards=False))
def test_edges_are_reads(program):
    graph = graph_of(program.closed)
    made_by = {v: f"e{i}" for i, eqn in enumerate(program.closed.eqns) for v in eqn.outvars}
    made_by.update({v: f"v{i}" for i, v in enumerate(program.closed.jaxpr.invars)})
    reads = {
        (made_by[x], f"e{i}") for i, eqn in enumerate(program.closed.eqns) for x in eqn.invars if x in made_by
    } | {(made_by[x], f"o{i}") for i, x in enumerate(program.closed.jaxpr.outvars) if x in made_by}
    consts = {node.id for node in graph.nodes if node.kind == "const"}
    assert {(e.tail, e.head) for e in graph.edges if e.tail not in consts} == reads


@EXAMPLES
@given(programs(max_equations=30), st.integers(1, 40), st.one_of(st.none(), st.integers(0, 2)))
def test_folding_keeps_every_equation_and_makes_no_circle(program, budget, depth):
    graph = graph_of(program.closed)
    folded = fold(graph, "auto", depth, budget)
    assert sorted(leaves(folded)) == sorted(leaves(graph))
    assert folded.equations == graph.equations
    assert folded.branches == graph.branches
    assert_acyclic(folded)
    assert len(folded.nodes) <= len(graph.nodes)
    assert fold(graph, False) is graph


def assert_acyclic(graph):
    heads = {}
    waiting = dict.fromkeys((node.id for node in graph.nodes), 0)
    for edge in graph.edges:
        if edge.kind != "carry":
            heads.setdefault(edge.tail, []).append(edge.head)
            waiting[edge.head] += 1
    free = [key for key, count in waiting.items() if not count]
    done = 0
    while free:
        key = free.pop()
        done += 1
        for head in heads.get(key, ()):
            waiting[head] -= 1
            if not waiting[head]:
                free.append(head)
    assert done == len(graph.nodes)


@EXAMPLES
@given(programs())
def test_graphs_are_acyclic_and_reproducible(program):
    graph, again = graph_of(program.closed), graph_of(program.closed)
    assert_acyclic(graph)
    assert Drawing(graph).dot == Drawing(again).dot


@EXAMPLES
@given(programs())
def test_the_text_has_every_title_and_every_captured_branch(program):
    graph = fold(graph_of(program.closed))
    text = text_of(graph)
    assert all(node.title in text for node in graph.nodes)
    assert text.count("<> ") == sum(node.kind == "guard" for node in graph.nodes)


@EXAMPLES
@given(programs())
def test_values_are_those_of_the_program(program):
    guards = any(eqn.primitive is guard for _, eqn in equations_of(program.closed))
    run = evaluate(program.closed, program.inputs)
    if not guards:
        expected = program.run()
        found = [run.results[f"o{i}"][0] for i in range(len(expected))]
        assert [str(getattr(x, "dtype", "")) for x in found] == [str(x.dtype) for x in expected]
    graph = with_values(graph_of(program.closed), run)
    assert all(
        node.values for node in graph.nodes if node.kind == "equation" and node.avals and node.id in run.results
    )


@EXAMPLES
@given(programs(guards=False))
def test_forward_and_backward_are_one_graph(program):
    wanted = [aval.dtype.kind == "f" for aval in program.closed.in_avals]
    graph = pair_graph(program.closed, wanted)
    assert_acyclic(graph)
    ids = {node.id for node in graph.nodes}
    assert all(node.origin in ids for node in graph.nodes if node.origin)
    for edge in graph.edges:  # what goes from forward to backward goes through a kept value
        sides = [edge.tail[0] in "bg" or edge.tail.startswith("ct"), edge.head[0] in "bg"]
        assert sides[0] == sides[1] or edge.tail.startswith(("r", "k"))
