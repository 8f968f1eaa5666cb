"""Two runs of a function in one picture: what they share once, where they part, and what each did alone.

In: two graphs of the same function at different arguments. Out: one graph. Nodes are equal when they do the same at the
same place of the source; the longest common subsequences in program order (Ratcliff and Obershelp's matching, as in
`difflib`) say which equations are shared. A question with two answers is marked; equations of one run stand in its frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from .graph import ARM_KINDS, Cluster, Edge, Graph, Mark, Node

__all__ = ["diff_graph"]


def diff_graph(first: Graph, second: Graph) -> Graph:
    """The picture of two runs.

    Args:
        first, second: unfolded graphs.

    Returns:
        A graph with the ids of `first`; what only `second` has gets an `x` in front of its id.
    """
    same = _matches(first, second)  # id in second -> id in first
    differing = _differing(first, second, same)
    same.update(_arms_of_matches(first, second, same))
    new_id = {node.id: same.get(node.id, f"x{node.id}") for node in second.nodes}
    shared = set(same.values())
    nodes = [_own(node, shared, "cfirst") for node in first.nodes]
    clusters, frame_of = _frames(first, second, same, shared)
    nodes = _in_order(nodes, [replace(n, id=new_id[n.id], cluster=frame_of[n.cluster]) for n in second.nodes], shared)
    edges: dict[tuple[str, str, str], Edge] = {(e.tail, e.head, e.kind): e for e in first.edges}
    for edge in second.edges:
        tail, head, kind = new_id[edge.tail], new_id[edge.head], edge.kind
        if kind not in ARM_KINDS or (tail, head) not in {(t, h) for t, h, k in edges if k in ARM_KINDS}:
            edges.setdefault((tail, head, kind), replace(edge, tail=tail, head=head))
    alone = [sum(n.kind == "equation" and n.id not in shared for n in first.nodes)]
    alone.append(sum(n.kind == "equation" and n.id not in same for n in second.nodes))
    note = f"Equations of the first run alone: {alone[0]:,}; of the second: {alone[1]:,}."
    if not differing:
        note = f"{note} No captured branch was answered differently."
    graph = Graph(
        f"{first.name}, two runs",
        tuple(nodes),
        tuple(_both_taken(edges.values(), differing)),
        tuple(clusters),
        (*first.branches, *((new_id[k], b) for k, b in second.branches if k not in same)),
        (note,),
    )
    marks = [Mark(key, "differs", "warning", f"first {a}, second {b}") for key, (a, b) in differing.items()]
    return _arms_told(graph, differing).marked(marks)


def _key(node: Node) -> Any:
    site: Any = None
    if node.source is not None:
        line, _, column, _ = node.source.position
        site = node.source.code, line, column
    if node.kind == "guard":
        return node.kind, node.title, site
    if node.kind in ("input", "output"):
        return node.kind, node.title
    return node.kind, node.op or node.title, site, tuple(aval.str_short() for aval in node.avals)


def _matches(first: Graph, second: Graph) -> dict[str, str]:
    numbers: dict[Any, int] = {}
    sides = []
    for graph in (first, second):
        nodes = [node for node in graph.nodes if node.kind not in ARM_KINDS]
        sides.append(([node.id for node in nodes], [numbers.setdefault(_key(n), len(numbers)) for n in nodes]))
    (ids_a, keys_a), (ids_b, keys_b) = sides
    same = {}
    for block in SequenceMatcher(None, keys_a, keys_b, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            same[ids_b[block.b + offset]] = ids_a[block.a + offset]
    return same


def _differing(first: Graph, second: Graph, same: dict[str, str]) -> dict[str, tuple[Any, Any]]:
    outcomes = {key: branch.outcome for key, branch in first.branches}
    return {
        same[key]: (outcomes[same[key]], branch.outcome)
        for key, branch in second.branches
        if key in same and same[key] in outcomes and outcomes[same[key]] != branch.outcome
    }


def _arms_of_matches(first: Graph, second: Graph, same: dict[str, str]) -> dict[str, str]:
    known = {node.id for node in first.nodes}
    found = {}
    for edge in second.edges:
        if edge.kind in ARM_KINDS and edge.tail in same:
            arm = same[edge.tail] + edge.head[len(edge.tail) :]
            if arm in known:
                found[edge.head] = arm
    return found


def _own(node: Node, shared: set[str], frame: str) -> Node:
    """A node of one run alone stands in its frame."""
    return node if node.id in shared or node.cluster else replace(node, cluster=frame)


def _frames(
    first: Graph, second: Graph, same: dict[str, str], shared: set[str]
) -> tuple[list[Cluster], dict[str, str]]:
    """The clusters of both; where each cluster of the second run goes."""
    cluster_of = {node.id: node.cluster for node in first.nodes}
    frame_of = {"": "csecond"}
    for node in second.nodes:
        here, there = node.cluster, cluster_of.get(same.get(node.id, ""), "")
        if here and there and here not in frame_of:
            frame_of[here] = there
    mixed = {node.cluster for node in first.nodes if node.id in shared}
    clusters = [Cluster("cfirst", "first", "first run only"), Cluster("csecond", "second", "second run only")]
    for cluster in first.clusters:
        alone = not cluster.parent and cluster.id not in mixed
        clusters.append(replace(cluster, parent="cfirst") if alone else cluster)
    for cluster in second.clusters:
        if cluster.id not in frame_of:
            frame_of[cluster.id] = f"x{cluster.id}"
            clusters.append(replace(cluster, id=f"x{cluster.id}", parent=frame_of[cluster.parent]))
    return clusters, frame_of


def _in_order(first: list[Node], second: list[Node], shared: set[str]) -> list[Node]:
    """Both runs in one order: what the second did alone comes before the shared node that follows it."""
    merged: list[Node] = []
    rest = iter(first)
    for node in second:
        if node.id not in shared:
            merged.append(node)
            continue
        for other in rest:
            merged.append(other)
            if other.id == node.id:
                break
    merged.extend(rest)
    seen: set[str] = set()
    return [node for node in merged if not (node.id in seen or seen.add(node.id))]  # type: ignore[func-returns-value]


def _both_taken(edges: Iterable[Edge], differing: dict[str, tuple[Any, Any]]) -> list[Edge]:
    return [
        replace(edge, kind="taken") if edge.kind == "untaken" and edge.tail in differing else edge for edge in edges
    ]


def _arms_told(graph: Graph, differing: dict[str, tuple[Any, Any]]) -> Graph:
    """The notes of a question with two answers say which run took them."""
    arms = {edge.head: edge.tail for edge in graph.edges if edge.kind in ARM_KINDS}
    nodes = []
    for node in graph.nodes:
        if arms.get(node.id) in differing:
            taken, untaken = ": taken by the first run", ": taken by the second run"
            title = node.title.replace(": not taken", untaken).replace(": taken (", f"{taken} (")
            node = replace(node, kind="taken", title=title)
        elif node.id in differing:
            node = replace(node, lines=node.lines[1:])  # without the answer of the first run
        nodes.append(node)
    used = {node.cluster for node in nodes}
    parents = {cluster.id: cluster.parent for cluster in graph.clusters}
    for here in list(used):
        while here:
            here = parents[here]
            used.add(here)
    return replace(graph, nodes=tuple(nodes), clusters=tuple(c for c in graph.clusters if c.id in used))
