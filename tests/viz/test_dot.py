"""DOT text that every engine draws alike, and colours that everybody can tell apart."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st

import minijax as mj
import minijax.numpy as mnp
from minijax.viz import draw
from minijax.viz.dot import dot_of, escaped
from minijax.viz.engine import engines, run_engine
from minijax.viz.graph import Edge, Graph, Node
from minijax.viz.style import EDGES, KINDS

needs_engine = pytest.mark.skipif(next(engines(), None) is None, reason="no Graphviz on this machine")
SVG = "{http://www.w3.org/2000/svg}"


PRINTABLE = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co"))


def branching(x):
    return mnp.sin(x) if x > 0.0 else 'a < b & c > d "\\n"' and x


def texts_of(dot: str) -> list[str]:
    """The texts of an SVG, one per <text>, as they were before quoting."""
    root = ElementTree.fromstring(run_engine(dot, "svg"))
    return [(t.text or "").replace("\u00a0", " ").strip() for t in root.iter(f"{SVG}text")]


def test_the_same_program_gives_the_same_text():
    assert draw(branching)(1.0).dot == draw(branching)(1.0).dot


def test_colours_have_six_digits_and_labels_are_plain():
    dot = draw(mj.grad(branching))(1.0).dot
    colours = re.findall(r'color="?([^"\s\]]+)', dot)
    assert colours
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)
    assert not re.search(r"label\s*=\s*<", dot)


def test_the_arm_not_taken_is_dashed_and_grey():
    found = draw(branching)(1.0)
    (note,) = [n for n in found.graph.nodes if n.kind == "untaken"]
    line = next(x for x in found.dot.splitlines() if x.strip().startswith(f"{note.id} ["))
    assert "dashed" in line
    edge = next(x for x in found.dot.splitlines() if x.strip().endswith("]") and f"-> {note.id} " in x)
    assert "dashed" in edge
    assert (KINDS["guard"].shape, EDGES["taken"].dash) == ("diamond", "solid")


HOSTILE = [
    "a\\nb",
    'say "x"',
    "<b>bold</b>",
    "<>",
    "{a|b}",
    "\\",
    "tail\\",
    "\u00e4\u4e2d \u2264",
    "& &amp;",
    "\\N \\l",
]


@needs_engine
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_survive(text):
    graph = Graph("f", nodes=[Node("a", "input", text)])
    assert text in texts_of(dot_of(graph))


@needs_engine
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.text(PRINTABLE), min_size=8, max_size=8))
def test_any_text_comes_back_from_the_svg(labels):
    labels = [" ".join("".join(c if c.isprintable() else " " for c in text).split()) for text in labels]
    graph = Graph("f", nodes=[Node(f"n{i}", "input", text) for i, text in enumerate(labels)])
    shown = [" ".join(text.split()) for text in texts_of(dot_of(graph))]
    assert sorted(filter(None, labels)) == sorted(filter(None, shown[1:]))


def test_leading_spaces_are_kept():
    assert escaped("    return x") == "\u00a0" * 4 + "return x"


def test_clusters_hold_their_nodes():
    inner = mj.jit(lambda x: mnp.sin(x) * 2.0)
    dot = draw(lambda x: inner(x) + 1.0)(1.0).dot
    body = dot[dot.index("subgraph") : dot.index("}", dot.index("subgraph"))]
    assert "sin" in body
    assert "mul" in body
    assert "add" not in body


def test_every_edge_kind_has_a_look():
    dot_of(Graph("f", nodes=[Node("a", "input", "a")], edges=[Edge("a", "a", kind) for kind in EDGES]))
