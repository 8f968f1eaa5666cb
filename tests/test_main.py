"""The command line: `python -m minijax demo | print | grad | draw`."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import minijax as mj
from minijax.__main__ import central_difference, derivatives, load, main
from minijax.viz.engine import engines

needs_engine = pytest.mark.skipif(next(engines(), None) is None, reason="no Graphviz on this machine")

MODEL = """
import minijax.numpy as mnp

def f(x, y):
    return mnp.sin(x) * y if y > 0 else x

def norm(v):
    return mnp.sum(v * v)

def vector(v):
    return v * 2.0

constant = 3
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return str(path)


@needs_engine
def test_the_demo_traces_differentiates_checks_and_draws(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "def loss(stiffness, damping):" in said
    assert "guard[kind=bool value=True]" in said
    assert "spring.py:" in said  # places of equations
    assert "\nagree: " in said
    assert "did not: cost = mnp.sin(x) ** 2" in said
    svg = (tmp_path / "out" / "spring.svg").read_text()
    ElementTree.fromstring(svg)
    assert "mnp.sin(x)" in svg
    assert (tmp_path / "out" / "spring.png").read_bytes().startswith(b"\x89PNG")
    assert f"wrote {tmp_path / 'out' / 'spring.html'}" in said
    assert "-stiffness * x" in (tmp_path / "out" / "spring.html").read_text()


def test_draw_writes_the_explorer(model, tmp_path, capsys, monkeypatch):
    assert main(["draw", f"{model}:f", "--at", "1.0", "2.0", "--explore", "-o", str(tmp_path / "a.html")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.html'}\n"
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")
    monkeypatch.chdir(tmp_path)
    assert main(["draw", f"{model}:f", "--at", "1.0", "2.0", "--explore"]) == 0
    assert (tmp_path / "f.html").exists()
    assert main(["draw", f"{model}:f", "--at", "1.0", "2.0", "--explore", "-o", "a.svg"]) == 2
    assert "the suffix must be .html" in capsys.readouterr().err


def test_print_shows_the_program(model, capsys):
    assert main(["print", f"{model}:f", "--at", "1.0", "2.0"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("{ lambda ; a:f32[] b:f32[]. let")
    assert "sin a" in said
    assert "model.py:5 in f" in said


@pytest.mark.parametrize("y", ["2.0", "-1e-3", "-2"])
def test_grad_checks_both_modes(model, capsys, y):
    assert main(["grad", f"{model}:f", "--at", "0.5", y]) == 0
    said = capsys.readouterr().out
    expected = np.sin(0.5) * float(y) if float(y) > 0 else 0.5
    assert f"value  {expected:.10g}"[:15] in said
    assert [line.split()[0] for line in said.splitlines() if line[:2] in ("x ", "y ")] == ["x", "y"]


def test_grad_takes_lists(model, capsys):
    assert main(["grad", f"{model}:norm", "--at", "[1.0, -2.0, 3.0]"]) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0]: float(line.split()[1]) for line in said.splitlines() if line.startswith("v[")}
    assert rows == {"v[0]": 2.0, "v[1]": -4.0, "v[2]": 6.0}


def test_draw_without_a_file_prints_text(model, capsys):
    assert main(["draw", f"{model}:f", "--at", "1.0", "2.0"]) == 0
    said = capsys.readouterr().out
    assert "<> y > 0   is True" in said
    assert "else: not taken" in said


@needs_engine
def test_draw_writes_a_picture(model, tmp_path, capsys):
    out = tmp_path / "f.svg"
    assert main(["draw", f"{model}:f", "--at", "1.0", "2.0", "-o", str(out)]) == 0
    assert out.read_text().startswith("<svg")
    assert str(out) in capsys.readouterr().out


def test_draw_without_an_engine_writes_dot(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minijax.viz.engine.engines", lambda: iter(()))
    main(["draw", f"{model}:f", "--at", "1.0", "2.0", "-o", str(tmp_path / "f.svg")])
    assert (tmp_path / "f.dot").read_text().startswith("digraph")
    assert "pip install" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grad", "nowhere.py:f"], "no file 'nowhere.py'"),
        (["grad", "f"], "expected FILE.py:FUNCTION"),
        (["grad", "{model}:g"], "has no function 'g'; it has: f, norm, vector"),
        (["grad", "{model}:constant"], "has no function 'constant'"),
        (["print", "{model}:f", "--at", "1.0"], "missing a required argument: 'y'"),
        (["grad", "{model}:vector", "--at", "[1.0, 2.0]"], "one real result"),
        (["draw", "{model}:f", "--at", "1.0", "2.0", "-o", "f.bmp"], "suffix must be one of"),
    ],
)
def test_mistakes_are_explained(model, capsys, words, message):
    assert main([word.replace("{model}", model) for word in words]) == 2
    assert message in capsys.readouterr().err


@needs_engine
def test_what_cannot_be_written_is_said_in_a_line(model, tmp_path, capsys):
    folder = tmp_path / "a.svg"
    folder.mkdir()
    page = tmp_path / "file" / "a.html"
    page.parent.write_text("")
    draw = ["draw", f"{model}:f", "--at", "1.0", "2.0"]
    for words, path in (
        ([*draw, "-o", str(folder)], folder),
        ([*draw, "--explore", "-o", str(page)], page),
        (["demo", "--out", str(page.parent)], page.parent / "spring.py"),
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"cannot write {str(path)!r}: " in said
        assert "Traceback" not in said


def test_a_file_that_is_no_python_is_named_with_its_line(tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text("import math\ndef f(x:\n")
    assert main(["print", f"{path}:f", "--at", "1.0"]) == 2
    assert f"{path}:2 is not valid Python: '(' was never closed\n    def f(x:\n" in capsys.readouterr().err


def test_an_error_in_the_function_shows_the_lines_of_the_user_only(tmp_path, capsys):
    path = tmp_path / "bad.py"
    path.write_text("import minijax.numpy as mnp\n\ndef f(x):\n    return mnp.dot(mnp.ones(3), mnp.ones(4)) * x\n")
    assert main(["draw", f"{path}:f", "--at", "1.0"]) == 1
    text = capsys.readouterr().err
    assert "bad.py" in text and "line 4, in f" in text and "TypeError" in text
    assert "minijax/numpy" not in text and "__main__" not in text


def test_what_is_no_number_is_refused(model, capsys):
    with pytest.raises(SystemExit):
        main(["grad", f"{model}:f", "--at", "one"])
    assert "'one' is not a number or a list of numbers" in capsys.readouterr().err


def test_a_wrong_gradient_is_found(model, monkeypatch, capsys):
    monkeypatch.setattr("minijax.__main__.central_difference", lambda *args: 7.0)
    assert main(["grad", f"{model}:f", "--at", "0.5", "2.0"]) == 1
    assert "DO NOT AGREE" in capsys.readouterr().out


def test_derivatives_are_in_double_precision(model):
    value, rows = derivatives(load(f"{model}:f"), (0.5, 2.0))
    assert value == pytest.approx(2.0 * np.sin(0.5), rel=1e-15)
    assert [r.reverse for r in rows] == pytest.approx([2.0 * np.cos(0.5), np.sin(0.5)], rel=1e-15)
    assert [r.forward for r in rows] == pytest.approx([r.reverse for r in rows], rel=1e-15)


def test_central_differences_are_exact_to_second_order():
    with mj.enable_x64():
        found = central_difference(lambda v: (v**3).sum(), [np.array([2.0, 5.0])], 0, (1,))
    assert found == pytest.approx(75.0, rel=1e-8)


def test_it_runs_as_a_module(model):
    done = subprocess.run(
        [sys.executable, "-m", "minijax", "print", f"{model}:f", "--at", "1.0", "2.0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sin a" in done.stdout
