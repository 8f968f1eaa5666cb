"""Reference pictures: their DOT text is known, and what an engine makes of it can be read.

A snapshot that changed on purpose is written anew by `python -m tests.viz.test_references`; look at the picture then.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from minijax.viz.engine import engines
from minijax.viz.measure import text_width

from .references import LARGE, SMALL

needs_engine = pytest.mark.skipif(next(engines(), None) is None, reason="no Graphviz on this machine")
SNAPSHOTS = Path(__file__).parent / "snapshots"
SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


@pytest.mark.parametrize("name", SMALL)
def test_the_dot_text_is_the_one_that_was_looked_at(name):
    assert SMALL[name]().dot == (SNAPSHOTS / f"{name}.dot").read_text(encoding="utf-8")


def box_of(group: ElementTree.Element) -> Box:
    """Left, top, right, bottom of the shapes directly in a group."""
    shapes = [*group.iter(f"{SVG}polygon"), *group.iter(f"{SVG}path")]
    pairs = re.findall(r"(-?[\d.]+),(-?[\d.]+)", " ".join(s.get("points") or s.get("d") or "" for s in shapes))
    xs, ys = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
    return min(xs), min(ys), max(xs), max(ys)


def within(inner: Box, outer: Box, slack: float = 0.5) -> bool:
    low = all(a >= b - slack for a, b in zip(inner[:2], outer[:2], strict=True))
    return low and all(a <= b + slack for a, b in zip(inner[2:], outer[2:], strict=True))


def apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@needs_engine
@pytest.mark.parametrize("name", {**SMALL, **LARGE})
def test_boxes_are_apart_hold_their_text_and_stand_in_their_frames(name):
    drawing = {**SMALL, **LARGE}[name]()
    root = ElementTree.fromstring(drawing.svg())
    groups = [g for g in root.iter(f"{SVG}g") if g.get("class", "").startswith(("node", "cluster"))]
    boxes = {g.get("id", ""): box_of(g) for g in groups}
    nodes = [g for g in groups if g.get("class", "").startswith("node")]
    for a, b in combinations([g.get("id", "") for g in nodes], 2):
        assert apart(boxes[a], boxes[b]), (a, b)
    for group in nodes:
        box = boxes[group.get("id", "")]
        for text in group.iter(f"{SVG}text"):
            content, size = text.text or "", float(text.get("font-size", "10"))
            width = text_width(content.rstrip("\u00a0"), size)
            left = float(text.get("x", "0")) - (width / 2 if text.get("text-anchor") == "middle" else 0.0)
            baseline = float(text.get("y", "0"))
            assert within((left, baseline - 0.7 * size, left + width, baseline + 0.2 * size), box), content
    for node in drawing.graph.nodes:
        for frame in drawing.graph.enclosing(node.cluster):
            assert within(boxes[node.id], boxes[frame.id]), (node.id, frame.id)


def points_of(edge: ElementTree.Element) -> list[tuple[float, float]]:
    """Points along the cubic curves of an edge."""
    (path,) = edge.iter(f"{SVG}path")
    ends = [complex(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d", ""))]
    curves = [ends[k : k + 4] for k in range(0, len(ends) - 3, 3)]
    along = [
        (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        for a, b, c, d in curves
        for t in np.linspace(0, 1, 25)
    ]
    return [(z.real, z.imag) for z in along]


@needs_engine
@pytest.mark.parametrize("name", {**SMALL, **LARGE})
def test_no_edge_runs_through_a_box_that_it_does_not_end_at(name):
    drawing = {**SMALL, **LARGE}[name]()
    groups = {g.get("id", ""): g for g in ElementTree.fromstring(drawing.svg()).iter(f"{SVG}g")}
    boxes = {node.id: box_of(groups[node.id]) for node in drawing.graph.nodes}
    for edge in drawing.graph.edges:
        for x, y in points_of(groups[edge.id]):
            for node, (left, top, right, bottom) in boxes.items():
                inside = left + 6 < x < right - 6 and top + 6 < y < bottom - 6
                assert not inside or node in (edge.tail, edge.head), (edge.id, node)


@needs_engine
@pytest.mark.parametrize("name", {**SMALL, **LARGE})
def test_the_whole_drawing_lies_in_its_view(name):
    root = ElementTree.fromstring({**SMALL, **LARGE}[name]().svg())
    left, top, width, height = map(float, root.get("viewBox", "").split())
    (graph,) = [g for g in root.iter(f"{SVG}g") if g.get("class") == "graph"]
    dx, dy = map(float, re.search(r"translate\((-?[\d.]+)[ ,](-?[\d.]+)\)", graph.get("transform", "")).groups())
    for group in graph.iter(f"{SVG}g"):
        if group.get("class", "").startswith(("node", "cluster")):
            a, b, c, d = box_of(group)
            assert within((a + dx, b + dy, c + dx, d + dy), (left, top, left + width, top + height))


@needs_engine
@pytest.mark.parametrize("name", {**SMALL, **LARGE})
def test_what_is_dashed_or_coloured_is_in_the_legend(name):
    drawing = {**SMALL, **LARGE}[name]()
    root = ElementTree.fromstring(drawing.svg())
    words = {
        "".join(t.text or "" for t in g.iter(f"{SVG}text"))
        for g in root.iter(f"{SVG}g")
        if "legend" in g.get("class", "")
    }
    kinds = {n.kind for n in drawing.graph.nodes} | {e.kind for e in drawing.graph.edges}
    named = {"untaken": "arm not taken", "carry": "to the next round", "residual": "kept for backward"}
    assert {named[kind] for kind in kinds & set(named)} <= words


def test_the_branch_of_a_cond_that_ran_is_solid_and_the_other_dashed():
    dot = SMALL["cond"]().dot
    frames = dict(re.findall(r'label="?(\d: \w+, [\w ]+)\\l"?.*? style="?([\w,]+)"?', dot))
    assert frames == {"0: false, not run": "rounded,dashed", "1: true, ran": "rounded"}
    styles = dict(re.findall(r'label="?\w = (\w+)[^\n]*? style="([\w,]+)"', dot))
    assert {name: "dashed" in style for name, style in styles.items() if name in ("neg", "exp", "sin", "mul")} == {
        "neg": True,
        "exp": True,
        "sin": False,
        "mul": False,
    }


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for key, make in SMALL.items():
        (SNAPSHOTS / f"{key}.dot").write_text(make().dot, encoding="utf-8")
