"""Replace sets of nodes by one node each: the step that every kind of folding is made of.

In: a graph and groups of its nodes. Out: a graph in which each group is one node of kind "fold" that says what is in
it. Edges inside a group go, edges across it are kept, once per kind. A group whose nodes are neighbours in program
order (or a chain) leaves the graph acyclic; who makes groups sees to that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from ..ir import Source
from .graph import ARM_KINDS, Edge, Graph, Node, counted, cut
from .sheet import place_of

__all__ = ["Group", "Levels", "contract", "without_empty_frames"]

_NAMED = 3  # primitives that a folded node names


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes to be drawn as one: `title` names it, `cluster` is the frame it stands in, `members` come in program order."""

    title: str
    members: tuple[str, ...]
    cluster: str = ""
    source: Source | None = None


class Levels:
    """The tree of frames: what stands directly in each, in program order, and all that is below.

    Attributes:
        items: cluster id (empty: the whole picture) -> ids of the nodes and clusters in it; arms of branches belong
            to their diamond and are not listed.
        inside: cluster id -> ids of all nodes below it, without arms.
        depth: cluster id -> number of frames around its nodes.
    """

    def __init__(self, graph: Graph) -> None:
        self.items: dict[str, list[str]] = {"": []}
        self.inside: dict[str, list[str]] = {"": []}
        self.depth = {"": 0}
        parents = {cluster.id: cluster.parent for cluster in graph.clusters}
        for cluster in graph.clusters:
            self.depth[cluster.id] = self.depth[cluster.parent] + 1
            self.items[cluster.id] = []
            self.inside[cluster.id] = []
        placed: set[str] = set()
        for node in graph.nodes:
            if node.kind in ARM_KINDS:
                continue
            self.items[node.cluster].append(node.id)
            here = node.cluster
            while here:
                self.inside[here].append(node.id)
                if here not in placed:
                    placed.add(here)
                    self.items[parents[here]].append(here)
                here = parents[here]
            self.inside[""].append(node.id)

    def members(self, item: str) -> list[str]:
        """The nodes that an item consists of."""
        return self.inside.get(item) or [item]


def contract(graph: Graph, groups: Sequence[Group], originals: Mapping[str, Node]) -> Graph:
    """The graph with one node in place of each group.

    Args:
        graph: any graph.
        groups: disjoint; each with at least one node.
        originals: the nodes of the graph before anything was folded, by id: a fold of folds counts these.

    Returns:
        A graph; a folded node has the id `f` + that of its first member.
    """
    if not groups:
        return graph
    known = {node.id: node for node in graph.nodes}
    group_of: dict[str, Group] = {}
    arms = [(edge.tail, edge.head) for edge in graph.edges if edge.kind in ARM_KINDS]
    for group in groups:
        group_of.update(dict.fromkeys(group.members, group))
    group_of.update({arm: group_of[diamond] for diamond, arm in arms if diamond in group_of})
    new_id = {key: f"f{group.members[0]}" for key, group in group_of.items()}
    nodes: list[Node] = []
    done: set[int] = set()
    for node in graph.nodes:
        group = group_of.get(node.id)  # type: ignore[assignment]
        if group is None:
            nodes.append(node)
        elif id(group) not in done:
            done.add(id(group))
            nodes.append(_folded(group, [known[key] for key in group.members], originals))
    return without_empty_frames(replace(graph, nodes=tuple(nodes), edges=moved_edges(graph.edges, new_id)))


def moved_edges(edges: Iterable[Edge], new_id: Mapping[str, str]) -> tuple[Edge, ...]:
    """Edges between the nodes that their ends became; none from a node to itself, one of a kind."""
    found: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        tail, head = new_id.get(edge.tail, edge.tail), new_id.get(edge.head, edge.head)
        if tail is not edge.tail or head is not edge.head:
            edge = Edge(tail, head, edge.kind, edge.label)
        if tail != head:
            found.setdefault((tail, head, edge.kind), edge)
    return tuple(found.values())


def without_empty_frames(graph: Graph) -> Graph:
    """The graph without the clusters that hold nothing any more, and ids of branches that are drawn."""
    parents = {cluster.id: cluster.parent for cluster in graph.clusters}
    used: set[str] = set()
    for here in {node.cluster for node in graph.nodes}:
        while here and here not in used:
            used.add(here)
            here = parents[here]
    return replace(graph, clusters=tuple(c for c in graph.clusters if c.id in used))


def _folded(group: Group, members: Sequence[Node], originals: Mapping[str, Node]) -> Node:
    leaves = [leaf for node in members for leaf in (node.members or (node.id,))]
    size = sum(node.size for node in members if node.kind in ("equation", "fold"))
    lines = [counted(size, "equation")] if size else []
    named = Counter(originals[leaf].op for leaf in leaves if originals[leaf].kind == "equation").most_common()
    lines += [
        cut(", ".join(f"{count} {op}" for op, count in named[:_NAMED]) + (", \u2026" if named[_NAMED:] else ""))
    ]
    asked = sum(originals[leaf].kind == "guard" for leaf in leaves)
    if asked:
        lines.append(counted(asked, "captured branch", "captured branches"))
    if group.source is not None:
        lines.append(place_of(group.source))
    costs = [node.cost for node in members if node.cost is not None]
    return Node(
        f"f{group.members[0]}",
        "fold",
        cut(group.title),
        tuple(filter(None, lines)),
        cluster=group.cluster,
        source=group.source,
        detail=f"{group.title}: {', '.join(originals[leaf].title for leaf in leaves[:12])}",
        cost=reduce(lambda a, b: a + b, costs) if costs else None,
        marks=tuple(dict.fromkeys(mark for node in members for mark in node.marks)),
        size=size,
        members=tuple(leaves),
    )
