"""What things look like: one table of Graphviz attributes by family and by kind. No drawing here.

Five fills stay apart under normal sight and under protanopia, deuteranopia and tritanopia (simulated after
Machado, Oliveira and Fernandes 2009: smallest CIE76 difference 20), and black text on each has a contrast of at
least 7 (WCAG 2.2). Colour never carries a meaning alone: each family has its own shape or border, an arm not
taken is dashed, and words say the rest.
"""

from __future__ import annotations

__all__ = ["CLUSTER", "EDGES", "FAMILIES", "GRAPH", "KINDS", "PALETTE"]

PALETTE = {
    "elementwise": "#bddbfa",
    "reduction": "#9eb686",
    "contraction": "#71b2f4",
    "structured": "#f09e4c",
    "effect": "#c69fb2",
}
TAKEN = "#0072b2"
UNTAKEN = "#6e6e6e"
INK = "#1a1a1a"
PAPER = "#ffffff"
FAINT = "#f4f4f4"
FADED = "#4f4f4f"  # text of what did not run
FONT = "Helvetica,Arial,sans-serif"

GRAPH = {
    "graph": {
        "fontname": FONT,
        "fontsize": "11",
        "bgcolor": PAPER,
        "rankdir": "TB",
        "nodesep": "0.3",
        "ranksep": "0.35",
        "labeljust": "l",
        "labelloc": "t",
        "newrank": "true",
    },
    "node": {
        "fontname": FONT,
        "fontsize": "10",
        "fontcolor": INK,
        "color": INK,
        "fillcolor": PAPER,
        "style": "filled",
        "shape": "box",
        "margin": "0.17,0.07",
        "height": "0.3",
    },
    "edge": {"fontname": FONT, "fontsize": "9", "fontcolor": INK, "color": "#444444", "arrowsize": "0.7"},
}

FAMILIES = {
    "elementwise": {"fillcolor": PALETTE["elementwise"], "style": "filled,rounded"},
    "reduction": {"fillcolor": PALETTE["reduction"], "style": "filled,diagonals", "margin": "0.25,0.11"},
    "contraction": {"fillcolor": PALETTE["contraction"], "peripheries": "2"},
    "movement": {"fillcolor": PAPER, "style": "filled,rounded", "color": "#8a8a8a"},
    "structured": {"fillcolor": PALETTE["structured"], "penwidth": "1.5"},
    "effect": {"fillcolor": PALETTE["effect"], "shape": "octagon", "margin": "0.05,0.03"},
}

_UNTAKEN_NOTE = {"shape": "note", "color": UNTAKEN, "fontcolor": FADED, "fillcolor": FAINT}
KINDS = {
    "input": {"shape": "invhouse", "margin": "0.1,0.03", "penwidth": "1.5"},
    "const": {"shape": "box", "style": "filled,dotted"},
    "output": {"shape": "house", "margin": "0.1,0.03", "penwidth": "1.5"},
    "guard": {"shape": "diamond", "margin": "0.06,0.05", "penwidth": "1.8", "color": TAKEN},
    "taken": {"shape": "note", "color": TAKEN, "penwidth": "1.5"},
    "untaken": {**_UNTAKEN_NOTE, "style": "filled,dashed"},
    "undecided": {**_UNTAKEN_NOTE, "style": "filled,dotted"},
}

EDGES = {
    "data": {},
    "taken": {"color": TAKEN, "fontcolor": TAKEN, "penwidth": "2.2"},
    "runs": {"color": TAKEN, "penwidth": "1.3", "arrowhead": "empty"},
    "untaken": {"color": UNTAKEN, "fontcolor": FADED, "style": "dashed"},
    "undecided": {"color": UNTAKEN, "fontcolor": FADED, "style": "dotted"},
}

CLUSTER = {
    "color": "#8a5a20",
    "fontcolor": INK,
    "style": "rounded",
    "penwidth": "1.5",
    "margin": "10",
    "labeljust": "l",
}
ARM = {**CLUSTER, "color": "#8a8a8a", "style": "rounded,dotted", "penwidth": "1.2"}
