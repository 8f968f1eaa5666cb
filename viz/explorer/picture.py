"""The pictures of an explorer: graphs with room in each node for what the steps will show, as SVG.

In: a `Program` and the stages that its picture shows. Out: a `Picture`: SVG with the ids of the graph, and what the page
needs to bring it to life. Everything is laid out once, here; the page only fills in texts and changes classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..drawing import Drawing
from ..fold import fold
from ..graph import Graph, Node, counted
from ..measure import text_width
from ..sheet import place_of
from ..style import FONT_SIZE
from .program import Program
from .steps import Stage

__all__ = ["Picture", "picture_of"]

_MOST = 1600  # nodes that are drawn one by one: a second or two for the engine, a few megabytes in the page
_FOLDED = 500  # nodes of a larger program


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its slots.

    Attributes:
        svg: the element.
        slots: for each node, how many lines at its end are filled in by steps.
        covers: for the frames and tests that steps ring, the nodes that belong to them.
        stand_in: for nodes and frames that are not drawn, the folded node that is drawn in their place.
    """

    svg: str
    slots: dict[str, int]
    covers: dict[str, list[str]]
    stand_in: dict[str, str]


def picture_of(program: Program, stages: Sequence[Stage]) -> Picture:
    """The picture of a program.

    Args:
        program: the program.
        stages: those that are shown in this picture.
    """
    graph, stand_in = program.graph, {}
    if len(graph.nodes) > _MOST:
        graph, stand_in = _folded(graph)
    filled = {node.id for node in graph.nodes if node.kind != "fold"}
    widest: dict[str, dict[int, str]] = {}
    for stage in stages:
        for step in stage.steps:
            for node, line, text in step.shown:
                lines = widest.setdefault(stand_in.get(node, node), {})
                if text_width(text, FONT_SIZE) > text_width(lines.get(line, ""), FONT_SIZE):
                    lines[line] = text
    count = 1 + max((line for lines in widest.values() for line in lines), default=0)
    graph = replace(graph, nodes=tuple(_with_room(n, widest.get(n.id), count) for n in graph.nodes))
    ringed = {stand_in.get(step.node, step.node) for stage in stages for step in stage.steps}
    return Picture(
        Drawing(graph, "light").svg(),
        {node: count for node in widest if node in filled},
        {node: covered for node in sorted(ringed) if (covered := _covered(graph, node))},
        stand_in,
    )


def _folded(whole: Graph) -> tuple[Graph, dict[str, str]]:
    """The graph, small enough to be drawn; which node stands for each that is gone."""
    graph = fold(whole, max_nodes=_FOLDED)
    drawn = f"{counted(len(whole.nodes), 'node')}, drawn as {len(graph.nodes)}: a node may stand for several steps."
    return replace(graph, notes=(*whole.notes, drawn)), _stand_ins(whole, graph)


def _stand_ins(whole: Graph, folded: Graph) -> dict[str, str]:
    """Which folded node stands for each node and frame that is gone."""
    found = {member: node.id for node in folded.nodes for member in node.members}
    kept = {frame.id for frame in folded.clusters}
    for node in whole.nodes:
        for frame in whole.enclosing(node.cluster):
            if frame.id not in kept and node.id in found:
                found.setdefault(frame.id, found[node.id])
    return found


def _with_room(node: Node, texts: dict[int, str] | None, count: int) -> Node:
    """The node with lines for what is computed, and without the file name: the source stands beside the picture."""
    lines = node.lines
    if node.source is not None:
        place = place_of(node.source)
        lines = tuple(f"line {node.source.line}" if line == place else line for line in lines)
        if node.kind == "equation" and len(lines) >= 2 and lines[-1].startswith("line "):
            lines = (*lines[:-2], f"{lines[-2]}   {lines[-1]}")
    if texts is None or node.kind == "fold":
        return replace(node, lines=lines)
    return replace(node, lines=lines, values=tuple(texts.get(line, "\u00a0") for line in range(count)))


def _covered(graph: Graph, node: str) -> list[str]:
    """The nodes in a frame, or the arms of a test."""
    if any(frame.id == node for frame in graph.clusters):
        inside = [n.id for n in graph.nodes if any(c.id == node for c in graph.enclosing(n.cluster))]
        frames = [c.id for c in graph.clusters if c.id != node and any(x.id == node for x in graph.enclosing(c.id))]
        return inside + frames
    arms = {edge.head for edge in graph.edges if edge.tail == node and edge.kind in ("taken", "untaken", "undecided")}
    return sorted(arms)
