"""docs/implicit.md: its cells run, and what they show agrees with the closed forms and differences beside it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minijax as mj

PAGE = Path(__file__).parents[2] / "docs" / "implicit.md"


@pytest.fixture(scope="module")
def shown():
    """What the cells of the page define."""
    names: dict = {}
    cells = re.findall(r"```\{code-cell\}\n(.*?)```", PAGE.read_text(), re.S)
    for number, cell in enumerate(cells):
        exec(compile(cell, f"implicit.md, cell {number}", "exec"), names)
    return names


def test_the_fixed_point(shown):
    np.testing.assert_allclose(shown["slope"], shown["exact"], rtol=1e-4)


def test_newtons_method_by_custom_root(shown):
    e, mean = 0.3, 1.0
    root = float(shown["E"])
    assert abs(root - e * np.sin(root) - mean) < 1e-6
    found = mj.grad(shown["anomaly"], argnums=(0, 1))(mean, e)
    np.testing.assert_allclose(found, [1 / (1 - e * np.cos(root)), np.sin(root) / (1 - e * np.cos(root))], rtol=1e-5)


def test_the_implicit_layer(shown):
    implicit, unrolled = shown["gradients"]
    np.testing.assert_allclose(implicit, unrolled, rtol=1e-4, atol=1e-6)


def test_the_pendulum_and_its_adjoint(shown):
    gradient = mj.grad(shown["swing"], argnums=(0, 1))(0.5, 1.0)
    np.testing.assert_allclose(gradient, shown["differences"], rtol=1e-3)
    np.testing.assert_allclose(shown["swing"](shown["start"], 1.0), -0.2, atol=1e-5)


def test_the_second_exercise_has_the_answer_that_the_page_hints_at(shown):
    with pytest.raises(TypeError, match="forward-mode"):
        mj.grad(shown["start_for"], argnums=1)(-0.2, 1.0)
