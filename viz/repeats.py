"""Loops: the same equations, from the same places of the source, again and again, drawn once.

In: a graph. Out: a graph in which consecutive equal pieces are one frame "loop x 37" with one of them inside; what one
round hands to the next is a carry edge. Two nodes are equal when they have the same primitive, parameters and types and
were written at the same place. A Python `while` is asked once more than it runs: its last question belongs to the loop.

Finding them is one scan: at each position the distances to the next nodes equal to the one there are the candidates
for the period; how far a sequence agrees with itself at a distance is remembered, so that no stretch is compared twice
at the same distance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .contract import Levels
from .graph import ARM_KINDS, Cluster, Edge, Graph, Node, counted, cut
from .sheet import place_of

__all__ = ["Loop", "find_repeats", "fold_repeats"]

_CANDIDATES = 4  # distances tried at one position
_WORTH = 3  # nodes that a loop has to save


@dataclass(frozen=True, slots=True)
class Loop:
    """Equal pieces of a sequence: `count` times `period` items from `start` on, then `rest` items of one more piece."""

    start: int
    period: int
    count: int
    rest: int = 0

    @property
    def stop(self) -> int:
        """Index after the last item."""
        return self.start + self.period * self.count + self.rest


def find_repeats(items: Sequence[int], enough: Callable[[Loop], Loop | None]) -> list[Loop]:
    """Consecutive equal pieces, from the left, of each stretch the longest.

    Args:
        items: numbers, equal where items are equal.
        enough: whether a candidate counts: itself, or a shorter one, or None.

    Returns:
        Disjoint loops, in order.

    Example:
        >>> find_repeats([7, 1, 2, 1, 2, 1, 2, 9], lambda loop: loop if loop.count > 1 else None)
        [Loop(start=1, period=2, count=3, rest=0)]
    """
    following: list[list[int]] = [[] for _ in items]
    later: dict[int, list[int]] = {}
    for index in range(len(items) - 1, -1, -1):
        known = later.setdefault(items[index], [])
        following[index] = known[-_CANDIDATES:][::-1]
        known.append(index)
    agrees: dict[int, int] = {}  # distance -> where the sequence stops agreeing with itself at that distance
    found: list[Loop] = []
    start = 0
    while start < len(items):
        best: Loop | None = None
        for other in following[start]:
            candidate = _loop_at(items, start, other - start, agrees)
            loop = enough(candidate) if candidate.count > 1 or candidate.rest else None
            if loop is not None and (best is None or loop.stop > best.stop):
                best = loop
        if best is None:
            start += 1
        else:
            found.append(best)
            start = best.stop
    return found


def _loop_at(items: Sequence[int], start: int, period: int, agrees: dict[int, int]) -> Loop:
    end = agrees.get(period, -1)
    if end <= start:
        end = start
        while end + period < len(items) and items[end] == items[end + period]:
            end += 1
        agrees[period] = end
    count, rest = divmod(end - start, period)
    return Loop(start, period, count + 1, rest)


# --- in a graph -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rounds:
    """A loop found in a graph: the frame to draw, its items, and the nodes of each round, in the same order."""

    frame: Cluster
    body: tuple[str, ...]
    nodes: tuple[tuple[str, ...], ...]
    asking: str
    following: str


def fold_repeats(graph: Graph, at_least: int) -> Graph:
    """The graph with its repetitions drawn once, the innermost frames first, then loops in loops.

    Args:
        graph: any graph.
        at_least: how often something must come to count as a loop; a Python `while` always does.

    Returns:
        The graph itself when nothing repeats.
    """
    depth = Levels(graph).depth
    for level in sorted(set(depth.values()), reverse=True):
        todo = [key for key, value in depth.items() if value == level]
        while todo:
            loops = _loops_in(graph, todo, at_least)
            graph = _drawn_once(graph, loops) if loops else graph
            todo = [loop.frame.id for loop in loops]
    return graph


def _loops_in(graph: Graph, clusters: Sequence[str], at_least: int) -> list[_Rounds]:
    levels = Levels(graph)
    nodes = {node.id: node for node in graph.nodes}
    signatures = _Signatures(nodes, levels, {cluster.id: cluster for cluster in graph.clusters})
    taken = {cluster.id for cluster in graph.clusters}
    found: list[_Rounds] = []
    for cluster in clusters:
        items = levels.items.get(cluster, [])
        if len(items) < 2:
            continue
        judge = _judge([nodes.get(item) for item in items], at_least)
        for loop in find_repeats([signatures.of(item) for item in items], judge):
            rounds = _rounds(loop, items, levels, nodes, cluster)
            while rounds.frame.id in taken:  # a loop in a loop may begin with the same node
                rounds = replace(rounds, frame=replace(rounds.frame, id=f"l{rounds.frame.id}"))
            taken.add(rounds.frame.id)
            found.append(rounds)
    return found


def _judge(items: Sequence[Node | None], at_least: int) -> Callable[[Loop], Loop | None]:
    """What counts as a loop; `items` are the nodes, None for a frame."""
    next_asking = [len(items)] * (len(items) + 1)
    for index in range(len(items) - 1, -1, -1):
        node = items[index]
        next_asking[index] = index if node is not None and _asks_again(node) else next_asking[index + 1]

    def is_all(loop: Loop, asking: int) -> bool:
        """Whether a loop of one round is all there was: the first question, and the next one answered False."""
        first, next_one = loop.start + asking, next_asking[loop.start + asking + 1]
        last = items[next_one] if next_one == first + loop.period and loop.rest > asking else None
        return last is not None and last.lines[0].endswith("False") and "round 1" in items[first].lines

    def enough(loop: Loop) -> Loop | None:
        asking = next_asking[loop.start] - loop.start
        if asking >= loop.period:
            worth = loop.count >= at_least and (loop.count - 1) * loop.period >= _WORTH
            return replace(loop, rest=0) if worth else None
        if loop.count == 1 and not is_all(loop, asking):
            return None  # rounds that took different arms are not one round
        if loop.rest > asking:  # the last question of a `while`, with all that comes before it
            return replace(loop, rest=asking + 1)
        return replace(loop, rest=0) if loop.count >= 2 else None

    return enough


def _asks_again(node: Node) -> bool:
    """Whether the node is the test of a `while`."""
    return node.kind == "guard" and any(line.startswith("round ") for line in node.lines)


class _Signatures:
    """Numbers for items: equal for items that look alike but for the names of variables."""

    def __init__(self, nodes: dict[str, Node], levels: Levels, clusters: dict[str, Cluster]) -> None:
        self.nodes = nodes
        self.levels = levels
        self.clusters = clusters
        self.numbers: dict[Any, int] = {}
        self.known: dict[str, int] = {}

    def of(self, item: str) -> int:
        """The number of a node or cluster."""
        found = self.known.get(item)
        if found is None:
            key = self._node_key(self.nodes[item]) if item in self.nodes else self._cluster_key(item)
            found = self.known[item] = self.numbers.setdefault(key, len(self.numbers))
        return found

    def _cluster_key(self, item: str) -> Any:
        cluster = self.clusters[item]
        frames = {item: 0}
        inner = []
        for key in self.levels.inside[item]:
            frame = frames.setdefault(self.nodes[key].cluster, len(frames))
            inner.append((frame, self.of(key)))
        return cluster.kind, cluster.title, tuple(inner)

    def _node_key(self, node: Node) -> Any:
        if node.kind in ("input", "output", "const", "residual") and not node.cluster:
            return node.id  # never part of a loop
        site: Any = None
        if node.source is not None:
            line, _, column, _ = node.source.position
            site = node.source.code, line, column
        lines = () if _asks_again(node) or node.kind == "carry" else node.lines
        title = node.title if node.kind in ("guard", "fold") else node.op
        return node.kind, title, lines, site, tuple(aval.str_short() for aval in node.avals), node.size


def _rounds(loop: Loop, items: Sequence[str], levels: Levels, nodes: dict[str, Node], parent: str) -> _Rounds:
    rounds = []
    for begin in range(loop.start, loop.stop, loop.period):
        again = items[begin : min(begin + loop.period, loop.stop)]
        rounds.append(tuple(key for item in again for key in levels.members(item)))
    first = rounds[0]
    asking = next((key for key in first if _asks_again(nodes[key])), "")
    source = nodes[asking].source if asking else next((s for key in first if (s := nodes[key].source)), None)
    place = "" if source is None else f"  {place_of(source)}"
    detail = f"{counted(len(first), 'node')}, {loop.count} times, drawn once"
    frame = Cluster(f"l{first[0]}", "loop", f"loop x {loop.count}{place}", parent, source, detail)
    following = levels.members(items[loop.stop])[0] if asking and loop.rest and loop.stop < len(items) else ""
    body = tuple(items[loop.start : loop.start + loop.period])
    return _Rounds(frame, body, tuple(rounds), asking, following)


def _drawn_once(graph: Graph, loops: Sequence[_Rounds]) -> Graph:
    nodes = {node.id: node for node in graph.nodes}
    place: dict[str, tuple[str, int, str]] = {}  # node -> (frame, round, the node that is drawn for it)
    framed: dict[str, str] = {}
    for loop in loops:
        framed.update(dict.fromkeys(loop.body, loop.frame.id))
        for number, members in enumerate(loop.nodes):
            place.update(
                (key, (loop.frame.id, number, first)) for key, first in zip(members, loop.nodes[0], strict=False)
            )
    place, dropped = _with_arms_placed(graph, place)
    leaving = {
        edge.tail
        for edge in graph.edges
        if edge.tail in place and place.get(edge.head, ("",))[0] != place[edge.tail][0]
    }
    merged = {new.id: new for loop in loops for new in _merged(loop, nodes, leaving)}
    kept = []
    for node in graph.nodes:
        if node.id in dropped or (node.id in place and place[node.id][2] != node.id):
            continue
        node = merged.get(node.id, node)
        owner = node.id if node.kind not in ARM_KINDS else node.id[:-1]
        kept.append(replace(node, cluster=framed[owner]) if owner in framed else node)
    edges = {edge.id: edge for edge in _edges(graph.edges, place, dropped)}
    for loop in loops:
        if loop.following:  # its last question may lead there already: one edge, which says after how many rounds
            edge = Edge(loop.asking, loop.following, "runs", f"after {len(loop.nodes) - 1}")
            edges[edge.id] = edge
    return replace(
        graph, nodes=tuple(kept), edges=tuple(edges.values()), clusters=_frames(graph, loops, framed, kept)
    )


def _with_arms_placed(
    graph: Graph, place: dict[str, tuple[str, int, str]]
) -> tuple[dict[str, tuple[str, int, str]], set[str]]:
    """Arms go where their diamonds go; those that the first round does not have are dropped."""
    arms = {edge.head: edge.tail for edge in graph.edges if edge.kind in ARM_KINDS and edge.tail in place}
    dropped = set()
    for arm, diamond in arms.items():
        frame, number, first = place[diamond]
        same = first + arm[len(diamond) :]
        if number and same not in arms:
            dropped.add(arm)
        else:
            place[arm] = frame, number, same
    return place, dropped


def _edges(edges: Sequence[Edge], place: dict[str, tuple[str, int, str]], dropped: set[str]) -> list[Edge]:
    found: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        if edge.tail in dropped or edge.head in dropped:
            continue
        tail, head, kind = place.get(edge.tail), place.get(edge.head), edge.kind
        if tail is not None and head is not None and tail[0] == head[0] and tail[1] != head[1]:
            if kind != "data":
                continue  # control goes on to the next round: the frame says so
            kind = "carry"
        if tail is not None or head is not None:
            edge = Edge(tail[2] if tail else edge.tail, head[2] if head else edge.head, kind, edge.label)
        found.setdefault((edge.tail, edge.head, kind), edge)
    runs: dict[str, list[Edge]] = {}
    for edge in found.values():
        if edge.kind == "runs":
            runs.setdefault(edge.tail, []).append(edge)
    # From the second round on the diamond itself leads on; in the first round the text of the arm stands between.
    taken = {(e.tail, f.head) for e in found.values() if e.kind == "taken" for f in runs.get(e.head, ())}
    return [e for e in found.values() if e.kind != "runs" or (e.tail, e.head) not in taken]


def _frames(
    graph: Graph, loops: Sequence[_Rounds], framed: dict[str, str], kept: Sequence[Node]
) -> tuple[Cluster, ...]:
    """The clusters with the new frames, each after its parent; those of later rounds are gone."""
    clusters: list[Cluster] = []
    for cluster in (None, *graph.clusters):
        if cluster is not None:
            clusters.append(replace(cluster, parent=framed.get(cluster.id, cluster.parent)))
        clusters += [loop.frame for loop in loops if loop.frame.parent == ("" if cluster is None else cluster.id)]
    known = {cluster.id: cluster for cluster in clusters}
    used: set[str] = set()
    for here in {node.cluster for node in kept}:
        while here and here not in used:
            used.add(here)
            here = known[here].parent
    return tuple(cluster for cluster in clusters if cluster.id in used)


def _merged(loop: _Rounds, nodes: dict[str, Node], leaving: set[str]) -> list[Node]:
    """The nodes of the first round, speaking for all rounds."""
    found = []
    for index, key in enumerate(loop.nodes[0]):
        all_rounds = [members[index] for members in loop.nodes if index < len(members)]
        node = nodes[key]
        last = nodes[all_rounds[-1]].title if all_rounds[-1] in leaving else ""
        title = node.title if node.kind == "guard" else merged_title([nodes[x].title for x in all_rounds], last)
        lines = node.lines
        if key == loop.asking:
            rounds = len(all_rounds)
            ended = nodes[all_rounds[-1]].lines[0].endswith("False")
            answer = f"{rounds - 1} x True, then False" if ended else f"{rounds} x True"
            lines = (answer, *(line for line in lines[1:] if not line.startswith("round ")))
        members = tuple(m for x in all_rounds for m in (nodes[x].members or (x,)))
        size = sum(nodes[x].size for x in all_rounds)
        marks = tuple(dict.fromkeys(mark for x in all_rounds for mark in nodes[x].marks))
        found.append(replace(node, title=title, lines=lines, members=members, size=size, marks=marks))
    return found


def merged_title(titles: Sequence[str], last: str) -> str:
    """One title for the same equation in all rounds.

    Args:
        titles: of each round.
        last: the title of the last round if something after the loop reads it, else empty.

    Example:
        >>> merged_title(["b = mul a 1.0", "c = mul b 2.0", "d = mul c 3.0"], "d = mul c 3.0")
        'b \u2026 d = mul a \u2026'
    """
    outs, equals, call = titles[0].rpartition(" = ")
    words = call.split(" ")
    for title in titles[1:]:
        others = title.rpartition(" = ")[2].split(" ")
        for index, (word, other) in enumerate(zip(words, others, strict=False)):
            if word != other and not (_NAME.fullmatch(word) and _NAME.fullmatch(other)):
                words[index] = "\u2026"
    if last and equals and last.rpartition(" = ")[0] != outs:
        outs = f"{outs} \u2026 {last.rpartition(' = ')[0]}"
    return cut(f"{outs}{equals}{' '.join(words)}")


_NAME = re.compile(r"[a-z]\w*", re.ASCII)
