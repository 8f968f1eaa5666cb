"""What things look like: one `Look` per family and kind of node, edge and cluster, in a light and a dark theme.

Five fills stay apart under normal sight and under protanopia, deuteranopia and tritanopia (simulated after
Machado, Oliveira and Fernandes 2009: smallest CIE76 difference 20 in the light theme, 18.7 in the dark one), and text on
each has a contrast of at least 7 (WCAG 2.2). Colour never carries a meaning alone: each family has its own shape or
border, an arm not taken is dashed, and words say the rest. Nothing here knows Graphviz or SVG: `dot` and `svg` print it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .graph import Graph, Node

__all__ = [
    "CLUSTERS",
    "EDGES",
    "FAMILIES",
    "FONT",
    "KINDS",
    "THEMES",
    "Look",
    "cluster_look",
    "idle",
    "legend",
    "look_of",
]

FONT = "Helvetica,Arial,sans-serif"
FONT_SIZE = 10.0
TITLE_SIZE = 11.0
SMALL_SIZE = 8.0

# Role -> colour. The roles of both themes are the same, and no two of a theme share a colour unless they mean the same:
# a light picture becomes a dark one by exchanging colours.
THEMES = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1a1a1a",
        "faint": "#f4f4f4",
        "faded": "#4f4f4f",
        "line": "#444444",
        "pale": "#8a8a8a",
        "elementwise": "#bddbfa",
        "reduction": "#9eb686",
        "contraction": "#71b2f4",
        "structured": "#f09e4c",
        "effect": "#c69fb2",
        "taken": "#0072b2",
        "untaken": "#6e6e6e",
        "residual": "#d55e00",
        "frame": "#8a5a20",
        "alarm": "#b30000",
    },
    "dark": {
        "paper": "#1b1b1b",
        "ink": "#f5f5f5",
        "faint": "#2b2b2b",
        "faded": "#c4c4c4",
        "line": "#b8b8b8",
        "pale": "#8f8f8f",
        "elementwise": "#0e0eaa",
        "reduction": "#604339",
        "contraction": "#400a76",
        "structured": "#76250a",
        "effect": "#772262",
        "taken": "#56b4e9",
        "untaken": "#a0a0a0",
        "residual": "#ff9a4d",
        "frame": "#d2a565",
        "alarm": "#ff7b7b",
    },
}


@dataclass(frozen=True, slots=True)
class Look:
    """How something is drawn; colours are roles of a theme.

    Attributes:
        shape: "box", "round", "corners" (a box with its corners cut off by lines), "double", "octagon", "diamond",
            "hexagon", "note", "house", "invhouse", "solid" (a box seen from the side).
        fill, line, text: roles.
        dash: "solid", "dashed" or "dotted".
        width: of the line, in points.
        left: whether the text keeps its left edge (program text) or is centred.
        arrow: of edges: "normal", "empty" or "none".
    """

    shape: str = "box"
    fill: str = "paper"
    line: str = "ink"
    text: str = "ink"
    dash: str = "solid"
    width: float = 1.0
    left: bool = False
    arrow: str = "normal"


FAMILIES = {
    "elementwise": Look("round", "elementwise"),
    "reduction": Look("corners", "reduction"),
    "contraction": Look("double", "contraction"),
    "movement": Look("round", "paper", "pale"),
    "structured": Look("box", "structured", width=1.5),
    "effect": Look("octagon", "effect"),
}

_NOTE = Look("note", left=True)
KINDS = {
    "input": Look("invhouse", width=1.5),
    "const": Look("box", dash="dotted"),
    "equation": Look(),
    "carry": Look("hexagon"),
    "choice": Look("diamond", line="frame", width=1.5),
    "guard": Look("diamond", line="taken", width=1.8),
    "taken": replace(_NOTE, line="taken", width=1.5),
    "untaken": replace(_NOTE, fill="faint", line="untaken", text="faded", dash="dashed"),
    "undecided": replace(_NOTE, fill="faint", line="untaken", text="faded", dash="dotted"),
    "result": Look("box", "structured", width=1.5),
    "residual": Look("solid", line="residual", width=1.3),
    "fold": Look("solid", "faint", width=1.5),
    "leaf": Look("round", width=1.5),
    "output": Look("house", width=1.5),
}

EDGES = {
    "data": Look(line="line"),
    "taken": Look(line="taken", text="taken", width=2.2),
    "runs": Look(line="taken", text="taken", width=1.3, arrow="empty"),
    "untaken": Look(line="untaken", text="faded", dash="dashed"),
    "undecided": Look(line="untaken", text="faded", dash="dotted"),
    "chosen": Look(line="frame", width=1.5),
    "other": Look(line="untaken", dash="dashed", width=1.5),
    "residual": Look(line="residual", dash="dotted", width=1.6),
    "carry": Look(line="frame", dash="dashed", width=1.3, arrow="empty"),
}

_FRAME = Look("round", line="frame", width=1.5)
CLUSTERS = {
    "arm": replace(_FRAME, line="pale", dash="dotted", width=1.2),
    "loop": replace(_FRAME, line="taken", dash="dashed"),
    "forward": replace(_FRAME, line="pale"),
    "kept": replace(_FRAME, line="residual", dash="dotted", width=1.0),
    "backward": replace(_FRAME, line="residual"),
    "first": replace(_FRAME, line="taken"),
    "second": replace(_FRAME, line="residual", dash="dashed"),
}
NOT_RUN = Look("round", line="untaken", text="faded", dash="dashed")

_NEXT_ROUND = Look("round", line="frame", dash="dashed", width=1.3)  # in the legend: the edge "carry"
_WORDS = {
    "input": "input",
    "const": "constant",
    "carry": "goes round",
    "choice": "chooses",
    "guard": "Python branch",
    "taken": "arm taken",
    "untaken": "arm not taken",
    "undecided": "arm not known",
    "result": "result of a block",
    "residual": "kept for backward",
    "fold": "folded",
    "output": "output",
    "elementwise": "elementwise",
    "reduction": "along an axis",
    "contraction": "linear algebra",
    "movement": "moves data",
    "effect": "random, effects",
    "next_round": "to the next round",
}


def look_of(node: Node) -> Look:
    """The look of a node; remarks of severity "error" and "warning" give it a thick red border."""
    look = FAMILIES[node.family] if node.family and node.kind == "equation" else KINDS[node.kind]
    if any(mark.severity in ("error", "warning") for mark in node.marks):
        look = replace(look, line="alarm", width=3.0)
    return look


def idle(look: Look) -> Look:
    """The look of what stands in a branch that did not run: the same shape, dashed and grey."""
    return replace(look, fill="faint", line="untaken", text="faded", dash="dashed")


def cluster_look(kind: str, *, ran: bool | None = None) -> Look:
    """The look of a frame: solid when it is known to have run, dashed when it is known not to have run."""
    if ran is None:
        return CLUSTERS.get(kind, _FRAME)
    return _FRAME if ran else NOT_RUN


def legend(graph: Graph) -> list[tuple[str, Look, str]]:
    """What occurs in the graph and may need a word: (name, look, word), in a fixed order."""
    families = {node.family for node in graph.nodes if node.kind == "equation"}
    kinds = {node.kind for node in graph.nodes}
    names = [name for name in FAMILIES if name in families] + [name for name in KINDS if name in kinds]
    if any(edge.kind == "carry" for edge in graph.edges):
        names.append("next_round")
    looks = {**FAMILIES, **KINDS, "next_round": _NEXT_ROUND}
    return [(name, looks[name], _WORDS[name]) for name in names if name in _WORDS and name not in ("input", "output")]
