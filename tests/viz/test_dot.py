"""DOT text that every engine draws alike, and colours that everybody can tell apart."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import minijax as mj
import minijax.numpy as mnp
from minijax.viz import draw
from minijax.viz.dot import dot_of, escaped
from minijax.viz.drawing import engines, run_engine
from minijax.viz.graph import Edge, Graph, Node
from minijax.viz.style import EDGES, FADED, FAINT, FAMILIES, INK, KINDS, PALETTE, PAPER

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
    assert KINDS["guard"]["shape"] == "diamond"
    assert "style" not in EDGES["taken"]  # solid


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
    graph = Graph("f", nodes=[Node(f"n{i}", "equation", text, family="elementwise") for i, text in enumerate(labels)])
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


# --- colours: formulas of WCAG 2.2 (contrast) and Machado et al. 2009 (dichromacy), CIE76 in L*a*b*


def linear(colour: str) -> np.ndarray:
    """Linear-light RGB of `#rrggbb`."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])
    high, low = sorted((float(weights @ linear(x)) for x in (a, b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


DICHROMACIES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def lab(rgb: np.ndarray) -> np.ndarray:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (matrix @ np.clip(rgb, 0, 1)) / np.array([0.9505, 1.0, 1.089])
    f = [np.cbrt(t) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", DICHROMACIES)
def test_families_are_told_apart(sight):
    seen = [lab(DICHROMACIES[sight] @ linear(colour)) for colour in (*PALETTE.values(), PAPER)]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) >= 15


def test_text_can_be_read_on_every_fill():
    assert all(contrast(INK, fill) >= 7 for fill in (*PALETTE.values(), PAPER))
    assert contrast(FADED, FAINT) >= 7
    assert all(contrast(look["color"], PAPER) >= 3 for look in EDGES.values() if "color" in look)


def test_no_family_differs_by_colour_alone():
    looks = [tuple(sorted((k, v) for k, v in look.items() if "color" not in k)) for look in FAMILIES.values()]
    filled = [look for look, family in zip(looks, FAMILIES, strict=True) if family != "movement"]
    assert len(set(filled)) == len(filled)
