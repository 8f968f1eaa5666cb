"""Values, costs and marks on the graph."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.viz import draw
from minijax.viz.graph import Cost, Graph, Mark, Node, bytes_text, cost_text
from minijax.viz.style import look_of
from minijax.viz.values import summary


def f(x, y):
    if x > 1.0:
        z = mnp.sin(x) * y
    else:
        z = y
    return mnp.sum(z)


def by_op(found, op):
    return next(n for n in found.nodes if n.op == op)


def test_values_stand_on_inputs_equations_and_outputs():
    found = draw(f, values=True)(2.0, mnp.asarray([1.0, 2.0])).graph
    sine = np.float32(np.sin(2.0))
    assert by_op(found, "sin").values == (f"= {float(sine):.6g}",)
    assert [n.values for n in found.nodes if n.kind == "input"] == [("= 2",), ("= [1 2]",)]
    assert next(n for n in found.nodes if n.kind == "output").values == (f"= {float(sine * 3):.6g}",)


def test_a_question_shows_its_numbers_and_how_far_it_is_from_the_other_answer():
    found = draw(f, values=True)(2.5, mnp.asarray([1.0, 2.0])).graph
    diamond = next(n for n in found.nodes if n.kind == "guard")
    assert diamond.lines[0] == "2.5 > 1 is True"
    assert "flips if a side moves by 1.5" in diamond.detail


def test_without_values_nothing_is_computed():
    assert all(not n.values for n in draw(f)(2.0, mnp.ones(2)).graph.nodes)


def test_what_is_not_finite_is_marked_in_words_and_with_a_thick_border():
    drawing = draw(lambda x: mnp.log(x) * 2.0, values=True)(mnp.asarray([-1.0, 0.0, 1.0]))
    log = by_op(drawing.graph, "log")
    assert log.marks == (Mark(log.id, "nan", "error", "1 NaN, 1 inf"),)
    assert "! 1 NaN, 1 inf" in log.text
    assert (look_of(log).line, look_of(log).width) == ("alarm", 3.0)
    assert "! 1 NaN, 1 inf" in str(drawing)


def test_values_of_calls_are_those_inside():
    inner = mj.jit(lambda x: mnp.exp(x) + 1.0)
    found = draw(lambda x: inner(x) * 2.0, values=True)(0.0).graph
    assert by_op(found, "exp").values == ("= 1",)


def test_values_of_a_jaxpr_need_its_arguments():
    program = mj.make_jaxpr(mnp.sin)(1.0)
    assert by_op(draw(program, (0.0,), values=True).graph, "sin").values == ("= 0",)
    with pytest.raises(ValueError, match="values=True needs a closed Jaxpr and its arguments"):
        draw(program, values=True)
    with pytest.raises(ValueError, match="arguments with values"):
        draw(mnp.sin, values=True)(mj.ShapeDtypeStruct((), np.float32))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.float32(0.5), ("= 0.5", "")),
        (np.int32(3), ("= 3", "")),
        (np.bool_(True), ("= True", "")),
        (np.complex64(1 + 2j), ("= 1+2j", "")),
        (np.float32("nan"), ("= nan", "1 NaN")),
        (np.zeros((0, 3)), ("empty", "")),
        (np.arange(7.0), ("mean 3, min 0, max 6", "")),
        (np.array([np.inf] * 7), ("nothing finite", "7 inf")),
        (np.arange(10) % 2 == 0, ("5 of 10 true", "")),
        (np.ones((2, 2)), ("mean 1, min 1, max 1", "")),
        (np.full(8, 3 + 4j), ("abs mean 5, min 5, max 5", "")),
    ],
)
def test_summaries(value, told):
    assert summary(value) == told


def test_costs_are_counted_and_added_up():
    found = draw(lambda x: x @ x + 1.0, cost=True)(mnp.ones((8, 8))).graph
    assert by_op(found, "dot_general").cost == Cost(2.0 * 8**3, 3.0 * 4 * 64)
    assert by_op(found, "add").cost.flops == 64
    assert by_op(found, "dot_general").text[-1] == "1.02 kflop, 768 bytes"


def test_a_fold_adds_the_costs_of_what_it_hides():
    inner = mj.jit(lambda x: x @ x + 1.0)
    found = draw(lambda x: inner(x), cost=True, depth=0)(mnp.ones((8, 8))).graph
    (folded,) = [n for n in found.nodes if n.kind == "fold"]
    assert folded.cost == Cost(1024.0 + 64.0, 768.0 + 4 * (64 + 1 + 64))


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(0, 12), "12 bytes"),
        (Cost(999, 1023), "999 flop, 1023 bytes"),
        (Cost(1.5e6, 2048), "1.5 Mflop, 2 KiB"),
        (Cost(3e15, 3 * 2**40), "3000 Tflop, 3 TiB"),
    ],
)
def test_units(cost, text):
    assert cost_text(cost) == text


def test_bytes():
    assert (bytes_text(4), bytes_text(1536)) == ("4 bytes", "1.5 KiB")


def test_marks_of_others_can_be_drawn():
    graph = Graph("f", [Node("e0", "equation", "b = sin a", family="elementwise")])
    marked = graph.marked([Mark("e0", "zero", "note", "no gradient"), Mark("e9", "zero", "note", "elsewhere")])
    assert marked.nodes[0].text == ("b = sin a", "! no gradient")
    assert look_of(marked.nodes[0]).line == "ink"
