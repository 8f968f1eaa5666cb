"""Drawings come out as SVG, PNG, DOT and text; without an engine, as text and DOT."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from xml.etree import ElementTree

import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.viz import EngineError, draw, draw_grad, draw_transforms, engine

needs_engine = pytest.mark.skipif(next(engine.engines(), None) is None, reason="no Graphviz on this machine")
SVG = "{http://www.w3.org/2000/svg}"


def model(x, y):
    if x > 0.0:
        z = mnp.sin(x) * y
    else:
        z = mnp.exp(-x) - y
    return z * z


def elif_chain(x):
    if x < 0.0:
        return -x
    elif x < 1.0:
        return x * x
    else:
        return mnp.exp(x)


def loop(x):
    total = x * 0.0
    for k in (1.0, 2.0, 3.0):
        if x > k:
            total = total + x * k
    return total


def called(x):
    f = mj.jit(lambda t: mnp.sin(t) * 2.0)
    return f(f(x)) + f(x)


CASES = [(model, (1.0, 2.0)), (elif_chain, (0.5,)), (loop, (2.5,)), (called, (1.0,)), (mj.grad(model), (1.0, 2.0))]
IDS = ["if", "elif", "loop", "jit", "grad"]


@needs_engine
@pytest.mark.parametrize(("function", "args"), CASES, ids=IDS)
def test_the_svg_holds_the_whole_graph(function, args):
    found = draw(function)(*args)
    root = ElementTree.fromstring(found.svg())
    groups = [g.get("class", "") for g in root.iter(f"{SVG}g")]
    assert sum(g.startswith("node") and "legend" not in g for g in groups) == len(found.graph.nodes)
    assert sum(g.startswith("edge") for g in groups) == len(found.graph.edges)
    assert sum(g.startswith("cluster frame") for g in groups) == len(found.graph.clusters)
    assert {n.id for n in found.graph.nodes} <= {g.get("id") for g in root.iter(f"{SVG}g")}


@needs_engine
@pytest.mark.parametrize(("function", "args"), CASES, ids=IDS)
def test_no_two_boxes_overlap_and_text_stays_inside(function, args):
    root = ElementTree.fromstring(draw(function)(*args).svg())
    boxes = []
    for group in root.iter(f"{SVG}g"):
        if not group.get("class", "").startswith("node"):
            continue
        shapes = [*group.iter(f"{SVG}polygon"), *group.iter(f"{SVG}path"), *group.iter(f"{SVG}ellipse")]
        numbers = re.findall(
            r"-?\d+\.?\d*,-?\d+\.?\d*", " ".join(s.get("points") or s.get("d") or "" for s in shapes)
        )
        points = [tuple(map(float, pair.split(","))) for pair in numbers]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        box = (min(xs), min(ys), max(xs), max(ys))
        boxes.append(box)
        for text in group.iter(f"{SVG}text"):
            width = 0.42 * 10 * len(text.text or "")  # a careful lower bound for Helvetica at 10 points
            left = float(text.get("x", 0)) - (width / 2 if text.get("text-anchor") == "middle" else 0)
            assert box[0] <= left
            assert left + width <= box[2]
            assert box[1] <= float(text.get("y", 0)) <= box[3]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@needs_engine
def test_a_picture_says_what_it_is():
    text = draw(model)(1.0, 2.0).svg()
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "model: 4 equations, 1 captured branch"
    assert "else: not taken" in root.find(f"{SVG}desc").text
    assert text.startswith("<svg")


@needs_engine
@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".svg", b"<svg"),
        (".html", b"<!DOCTYPE html>"),
        (".png", b"\x89PNG"),
        (".dot", b"digraph"),
        (".gv", b"digraph"),
        (".txt", b"model:"),
    ],
)
def test_save_writes_by_suffix(tmp_path, suffix, start):
    path = draw(model)(1.0, 2.0).save(tmp_path / "new" / f"picture{suffix}")
    assert path.read_bytes().startswith(start)


def test_save_refuses_other_suffixes(tmp_path):
    with pytest.raises(ValueError, match=r"\.svg, \.png"):
        draw(model)(1.0, 2.0).save(tmp_path / "picture.bmp")


def test_the_text_says_the_same():
    text = str(draw(model)(-1.0, 2.0))
    assert "<> x > 0.0   is False" in text
    assert re.search(r"then: not taken .*\n\s*\| z = mnp.sin\(x\) \* y", text)
    assert re.search(r"else: taken .*\n\s*\| z = mnp.exp\(-x\) - y", text)
    assert text.count(" = exp ") == 1


def test_the_text_shows_calls_as_blocks():
    lines = str(draw(called)(1.0)).splitlines()
    assert sum("[jit" in line for line in lines) == 3


def test_repr_is_one_line():
    shown = repr(draw(model)(1.0, 2.0))
    assert shown.startswith("Drawing(model: 4 equations, 1 captured branch)")
    assert "\n" not in shown


@needs_engine
def test_notebooks_get_svg_and_text():
    bundle = draw(model)(1.0, 2.0)._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert bundle["image/svg+xml"].startswith("<svg")


def test_without_an_engine_there_is_text_and_one_command(monkeypatch):
    monkeypatch.setattr(engine, "engines", lambda: iter(()))
    found = draw(model)(1.0, 2.0)
    with pytest.raises(EngineError, match=r"pip install .*graphviz-pure"):
        found.svg()
    assert found.dot.startswith("digraph")
    assert set(found._repr_mimebundle_()) == {"text/plain"}
    page = found.html()
    assert "pip install" in page
    assert "z = mnp.exp(-x) - y" in page
    assert "<svg" not in page
    panels = draw_transforms(mnp.sin)(1.0).html()
    assert "transpose of sin" in panels


@pytest.mark.skipif(shutil.which("dot") is None, reason="PDF needs the dot of the system")
def test_pdf_is_written_by_the_graphviz_of_the_system(tmp_path):
    assert draw(model)(1.0, 2.0).save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("platform", "command"), [("linux", "apt-get install"), ("darwin", "brew install"), ("win32", "winget install")]
)
def test_without_it_the_error_names_one_command(monkeypatch, platform, command):
    monkeypatch.setattr(engine, "engines", lambda: iter(()))
    monkeypatch.setattr(engine.sys, "platform", platform)
    with pytest.raises(EngineError, match=rf"PDF needs the Graphviz of the system(?s:.*){command} graphviz"):
        draw(model)(1.0, 2.0).pdf()


@needs_engine
def test_a_wide_picture_scrolls_before_its_text_is_too_small():
    root = ElementTree.fromstring(draw_grad(model, argnums=(0, 1))(1.0, 2.0).svg())
    style = dict(part.split(":") for part in root.get("style").split(";"))
    points = float(root.get("width").removesuffix("pt"))
    assert style["max-width"] == "100%"
    smallest = float(style["min-width"].removesuffix("px"))
    assert smallest / points * 10.0 == pytest.approx(8.0, abs=0.05)  # pixels of a text of 10 points


def fake_engine(tmp_path, body):
    path = tmp_path / "dot"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="the fake engine is a script with a #! line")
class TestEngines:
    def test_one_that_hangs_is_stopped(self, tmp_path, monkeypatch):
        monkeypatch.setattr(engine, "engines", lambda: iter([fake_engine(tmp_path, "time.sleep(60)")]))
        with pytest.raises(EngineError, match=r"more than 0\.3 s"):
            engine.run_engine("digraph {}", "svg", time_limit=0.3)

    def test_one_that_fails_is_tried_with_straight_lines(self, tmp_path, monkeypatch):
        body = "print('<svg/>') if '-Gsplines=line' in sys.argv else sys.exit(1)"
        monkeypatch.setattr(engine, "engines", lambda: iter([fake_engine(tmp_path, body)]))
        assert engine.run_engine("digraph {}", "svg").strip() == b"<svg/>"

    def test_after_one_that_is_broken_comes_the_next(self, tmp_path, monkeypatch):
        good = fake_engine(tmp_path, "print('<svg/>')")
        monkeypatch.setattr(engine, "engines", lambda: iter([str(tmp_path / "missing"), good]))
        assert engine.run_engine("digraph {}", "svg").strip() == b"<svg/>"

    def test_its_complaint_is_quoted(self, tmp_path, monkeypatch):
        path = fake_engine(tmp_path, "sys.exit('syntax error in line 1')")
        monkeypatch.setattr(engine, "engines", lambda: iter([path]))
        with pytest.raises(EngineError, match="syntax error in line 1"):
            engine.run_engine("digraph {", "svg")

    def test_dot_on_the_path_comes_first(self, tmp_path, monkeypatch):
        path = fake_engine(tmp_path, "print('<svg/>')")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert next(engine.engines()) == path
