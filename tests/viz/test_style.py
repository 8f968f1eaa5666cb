"""Colours and shapes that everybody can tell apart, in both themes. Formulas of WCAG 2.2 (contrast) and Machado et al. 2009."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minijax.viz.graph import EDGE_KINDS, NODE_KINDS, Graph, Node
from minijax.viz.style import CLUSTERS, EDGES, FAMILIES, KINDS, NOT_RUN, THEMES, legend, look_of

FILLS = ("elementwise", "reduction", "contraction", "structured", "effect")
LINES = ("line", "pale", "taken", "untaken", "residual", "frame", "alarm", "ink")


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
@pytest.mark.parametrize("theme", THEMES)
def test_families_are_told_apart(sight, theme):
    seen = [lab(DICHROMACIES[sight] @ linear(THEMES[theme][role])) for role in (*FILLS, "paper")]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) >= 15


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_every_fill(theme):
    colours = THEMES[theme]
    looks = [*FAMILIES.values(), *KINDS.values()]
    assert all(contrast(colours[look.text], colours[look.fill]) >= 7 for look in looks)
    assert all(contrast(colours[look.text], colours["paper"]) >= 4.5 for look in (*EDGES.values(), NOT_RUN))


@pytest.mark.parametrize("theme", THEMES)
def test_lines_can_be_seen(theme):
    assert min(contrast(THEMES[theme][role], THEMES[theme]["paper"]) for role in LINES) >= 3


@pytest.mark.parametrize("theme", THEMES)
def test_every_role_has_its_own_colour(theme):
    """A light picture becomes a dark one by exchanging colours: each must stand for one role."""
    assert len(set(THEMES[theme].values())) == len(THEMES[theme]) == len(THEMES["light"])
    assert set(THEMES[theme]) == set(THEMES["light"])


def without_colour(look):
    return (look.shape, look.dash, look.width, look.arrow)


def test_nothing_differs_by_colour_alone():
    filled = [look for name, look in FAMILIES.items() if name != "movement"]
    kinds = [
        KINDS[name] for name in ("taken", "untaken", "undecided", "guard", "input", "output", "residual", "carry")
    ]
    for looks in (filled, kinds, [*EDGES.values()]):
        assert len({without_colour(look) for look in looks}) == len(looks)


def test_everything_has_a_look():
    assert set(KINDS) == NODE_KINDS
    assert set(EDGES) == EDGE_KINDS
    roles = set(THEMES["light"])
    for look in (*KINDS.values(), *FAMILIES.values(), *EDGES.values(), *CLUSTERS.values()):
        assert {look.fill, look.line, look.text} <= roles


def test_the_legend_names_what_occurs_and_nothing_else():
    nodes = [Node("a", "input", "x"), Node("b", "equation", "y", family="reduction"), Node("c", "guard", "z")]
    assert [name for name, _, _ in legend(Graph("f", nodes))] == ["reduction", "guard"]
    assert legend(Graph("f", nodes))[0][1] == look_of(nodes[1])
