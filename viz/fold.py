"""Large graphs made readable: Graph -> Graph, before anything is laid out.

In: a graph and a budget of nodes. Out: a graph within the budget, with a note that says what was folded and how to see
it all. Steps, in this order, until the budget is met: repetitions ("loop x 37"); movement of data (`reshape`,
`convert_element_type`, ...) into the equation that made it; bodies of deeply nested equations; the user's functions,
innermost first; chains; at last, neighbouring equations in blocks. Everything is a walk over the nodes; nothing recurses over
the length of the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil
from typing import Any

from .contract import Group, Levels, contract, moved_edges, without_empty_frames
from .graph import ARM_KINDS, Edge, Graph, Node, counted
from .repeats import fold_repeats

__all__ = ["HOW", "fold", "neighbourhood"]

HOW = ("auto", "repeats", "functions")
_OFTEN = 4  # what comes so often is a loop, even in a small picture
_TRIVIAL = frozenset(
    {
        "broadcast_in_dim",
        "convert_element_type",
        "reshape",
        "squeeze",
        "expand_dims",
        "copy",
        "transpose",
        "stop_gradient",
    }
)
_MANY = {"step that moves data": "steps that move data", "stretch": "stretches"}
_KEPT = frozenset({"forward", "backward", "kept", "first", "second"})  # frames that are the picture

How = str | bool | Callable[[Node], str | None]


def fold(graph: Graph, how: How = "auto", depth: int | None = None, max_nodes: int = 400) -> Graph:
    """A graph that can be read.

    Args:
        graph: any graph.
        how: "auto": loops, and whatever it takes to show at most `max_nodes` nodes; "repeats": loops only; "functions":
            each call of a user's function is one node; False: nothing; or a function from nodes to a name:
            neighbours with the same name become one node (None: stays).
        depth: frames nested deeper than this become one node each.
        max_nodes: budget of "auto".

    Returns:
        The folded graph; its `notes` say what was done.

    Raises:
        ValueError: another `how`, or a `depth` or `max_nodes` that is too small.
    """
    if not (how is False or callable(how) or how in HOW):
        raise ValueError(f"fold must be one of {', '.join(map(repr, HOW))}, False or a function, got {how!r}")
    if (depth is not None and depth < 0) or max_nodes < 1:
        raise ValueError(f"depth must be at least 0 and max_nodes at least 1, got {depth} and {max_nodes}")
    folder = _Folder(graph)
    if callable(how):
        folder.by_name(how)
    if depth is not None:
        folder.below(depth)
    if how in ("auto", "repeats"):
        folder.repeats(_OFTEN if how == "auto" else 2)
    if how == "functions":
        folder.functions(1)
    if how == "auto":
        folder.within(max_nodes)
    return folder.finished()


class _Folder:
    """A graph on its way, the graph that it was, and what has been done to it."""

    def __init__(self, graph: Graph) -> None:
        self.start = graph
        self.graph = graph
        self.originals = {node.id: node for node in graph.nodes}
        self.done: Counter[str] = Counter()

    def finished(self) -> Graph:
        """The graph, with a note if something was folded."""
        if not self.done:
            return self.graph
        said = ", ".join(counted(number, what, _MANY.get(what, "")) for what, number in self.done.items())
        shown, total = _size(self.graph), _size(self.start)
        note = f"{shown:,} of {total:,} nodes shown; folded: {said}. fold=False shows all."
        return replace(self.graph, notes=(*self.graph.notes, note))

    def within(self, budget: int) -> None:
        """Fold until at most `budget` nodes are left."""
        steps: list[Callable[[], None]] = [lambda: self.repeats(2), self.movement]
        deepest = max(Levels(self.graph).depth.values(), default=0)
        steps += [lambda level=level: self.below(level) for level in range(deepest - 1, 0, -1)]  # type: ignore[misc]
        calls = max(map(_calls, self.graph.nodes), default=0)
        steps += [lambda level=level: self.functions(level) for level in range(calls, 0, -1)]  # type: ignore[misc]
        steps += [lambda: self.below(0), self.chains]
        for step in steps:
            if len(self.graph.nodes) <= budget:
                return
            step()
        for _ in range(4):
            if len(self.graph.nodes) > budget:
                self.blocks(budget)

    def fold(self, groups: Sequence[Group], what: str) -> None:
        """Draw each group as one node."""
        if groups:
            self.done[what] += len(groups)
            self.graph = contract(self.graph, groups, self.originals)

    # -- kinds of groups

    def repeats(self, at_least: int) -> None:
        """Loops."""
        before = sum(cluster.kind == "loop" for cluster in self.graph.clusters)
        self.graph = fold_repeats(self.graph, at_least)
        found = sum(cluster.kind == "loop" for cluster in self.graph.clusters) - before
        if found:
            self.done["loop"] += found

    def below(self, depth: int) -> None:
        """Frames nested deeper than `depth`, as one node each."""
        levels = Levels(self.graph)
        groups = []
        for cluster in self.graph.clusters:
            if levels.depth[cluster.id] == depth + 1 and cluster.kind not in _KEPT and levels.inside[cluster.id]:
                members = tuple(levels.inside[cluster.id])
                groups.append(Group(cluster.title, members, cluster.parent, cluster.source))
        self.fold(groups, "block")

    def by_name(self, name: Callable[[Node], str | None]) -> None:
        """Neighbours to which `name` gives the same name."""
        self.fold(list(self._runs(lambda node: name(node) if node.kind == "equation" else None)), "group")

    def functions(self, depth: int) -> None:
        """Calls of the user's functions, `depth` calls below the one that was traced."""
        self.fold(list(self._runs(lambda node: _call(node, depth), smallest=2)), "function call")

    def movement(self) -> None:
        """What only moves data, into the equation whose result it moves."""
        nodes = {node.id: node for node in self.graph.nodes}
        made_by: dict[str, set[str]] = {}
        for edge in self.graph.edges:
            made_by.setdefault(edge.head, set()).add(edge.tail)
        into: dict[str, str] = {}
        for node in self.graph.nodes:
            makers = made_by.get(node.id, set())
            if node.op in _TRIVIAL and node.kind == "equation" and len(makers) == 1:
                maker = nodes[into.get(next(iter(makers)), next(iter(makers)))]
                if maker.kind == "equation" and maker.cluster == node.cluster:
                    into[node.id] = maker.id
        if not into:
            return
        self.done["step that moves data"] += len(into)
        moved: dict[str, list[Node]] = {}
        for key, maker_id in into.items():
            moved.setdefault(maker_id, []).append(nodes[key])
        kept = [_with_moved(n, moved[n.id]) if n.id in moved else n for n in self.graph.nodes if n.id not in into]
        self.graph = replace(self.graph, nodes=tuple(kept), edges=moved_edges(self.graph.edges, into))

    def chains(self) -> None:
        """Equations that hand one result to one reader."""
        groups, ids = [], _single_edges(self.graph)
        nodes = {node.id: node for node in self.graph.nodes}
        heads = {head for tail, head in ids.items()}
        for first in [key for key in ids if key not in heads]:
            chain, here = [first], first
            while here in ids and nodes[ids[here]].cluster == nodes[first].cluster:
                here = ids[here]
                chain.append(here)
            if len(chain) >= 3:
                title = f"{nodes[chain[0]].op or 'chain'} \u2026 {nodes[chain[-1]].op or ''}".rstrip()
                groups.append(Group(title, tuple(chain), nodes[first].cluster, nodes[first].source))
        self.fold(groups, "chain")

    def blocks(self, budget: int) -> None:
        """Neighbouring equations, so many that the budget is met."""
        levels = Levels(self.graph)
        foldable = sum(node.kind in ("equation", "fold", "guard") for node in self.graph.nodes)
        rest = len(self.graph.nodes) - foldable
        size = max(2, ceil(foldable / max(1, budget - rest)))
        nodes = {node.id: node for node in self.graph.nodes}
        groups = []
        for cluster, items in levels.items.items():
            for run in _runs_of(
                items, lambda item: item in nodes and nodes[item].kind in ("equation", "fold", "guard")
            ):
                for begin in range(0, len(run), size):
                    members = tuple(run[begin : begin + size])
                    if len(members) > 1:
                        source = nodes[members[0]].source
                        groups.append(Group("equations", members, cluster, source))
        self.fold(groups, "stretch")

    def _runs(self, key: Callable[[Node], Any], smallest: int = 1) -> Iterator[Group]:
        """Neighbours in a frame with the same key; None stays as it is."""
        levels = Levels(self.graph)
        nodes = {node.id: node for node in self.graph.nodes}

        keys = {node.id: key(node) for node in self.graph.nodes}

        def key_of(item: str) -> Any:
            if item in keys:
                return keys[item]
            inside = {keys[member] for member in levels.members(item)}
            return inside.pop() if len(inside) == 1 else None

        taken: set[str] = set()  # a run of a frame may swallow a whole frame in it
        for cluster, items in levels.items.items():
            for name, run in groupby([item for item in items if item not in taken], key_of):
                members = tuple(member for item in run for member in levels.members(item))
                if name is not None and len(members) >= smallest:
                    taken.update(members)
                    title = name if isinstance(name, str) else name[-1].co_name
                    yield Group(title, members, cluster, nodes[members[0]].source)


def _with_moved(node: Node, moved: Sequence[Node]) -> Node:
    lines = (*node.lines, f"then {', '.join(dict.fromkeys(x.op for x in moved))}")
    members = (*(node.members or (node.id,)), *(m for x in moved for m in (x.members or (x.id,))))
    return replace(node, lines=lines, members=members, size=node.size + sum(x.size for x in moved))


def _size(graph: Graph) -> int:
    return len(graph.nodes)


def _call_path(node: Node) -> list[Any]:
    """The calls that led to an equation, outermost first."""
    return [] if node.source is None else list(node.source.path())[::-1]


def _calls(node: Node) -> int:
    return 0 if node.source is None else sum(1 for _ in node.source.path()) - 1


def _call(node: Node, depth: int) -> Any:
    """What distinguishes the call, `depth` calls deep, in which an equation was recorded; its code comes last."""
    if node.kind not in ("equation", "guard", "result"):
        return None
    path = _call_path(node)
    if len(path) <= depth:
        return None
    return (*((x.code, x.lasti) for x in path[:depth]), path[depth].code)


def _single_edges(graph: Graph) -> dict[str, str]:
    """tail -> head of edges that are the only one out of their tail and the only one into their head."""
    outs = Counter(edge.tail for edge in graph.edges)
    ins = Counter(edge.head for edge in graph.edges)
    foldable = {node.id for node in graph.nodes if node.kind in ("equation", "fold")}
    return {
        edge.tail: edge.head
        for edge in graph.edges
        if edge.kind == "data"
        and outs[edge.tail] == ins[edge.head] == 1
        and edge.tail in foldable
        and edge.head in foldable
    }


def _runs_of(items: Sequence[str], wanted: Callable[[str], bool]) -> Iterator[list[str]]:
    for good, run in groupby(items, wanted):
        if good:
            yield list(run)


# --- part of a graph ------------------------------------------------------------------------------------------


def neighbourhood(graph: Graph, around: str, radius: int = 2) -> Graph:
    """The nodes near some node.

    Args:
        graph: any graph.
        around: id of a node, title of an input or output, name of a variable, or a place `model.py:12`.
        radius: how many edges away.

    Returns:
        A graph with a note of how much is shown.

    Raises:
        ValueError: nothing is called so.
    """
    near = {node.id for node in graph.nodes if _is_called(node, around)}
    if not near:
        raise ValueError(
            f"around={around!r} names nothing in {graph.name}: it may be the id of a node (e3), the name of an input, "
            "output or variable, or a place as the picture shows it (model.py:12)"
        )
    for _ in range(radius):
        near |= {end for edge in graph.edges for end in (edge.tail, edge.head) if near & {edge.tail, edge.head}}
    near |= {edge.head for edge in graph.edges if edge.kind in ARM_KINDS and edge.tail in near}
    edges = [edge for edge in graph.edges if edge.tail in near and edge.head in near]
    return _part(graph, near, edges, f"{len(near):,} of {len(graph.nodes):,} nodes shown: around {around}.")


def _part(graph: Graph, kept: set[str], edges: Sequence[Edge], note: str) -> Graph:
    nodes = tuple(node for node in graph.nodes if node.id in kept)
    branches = tuple(pair for pair in graph.branches if pair[0] in kept)
    part = replace(graph, nodes=nodes, edges=tuple(edges), branches=branches, notes=(*graph.notes, note))
    return without_empty_frames(part)


def _is_called(node: Node, name: str) -> bool:
    if name in (node.id, node.title) or name in node.lines:
        return True
    outs, equals, _ = node.title.partition(" = ")
    return bool(equals) and name in outs.replace("\u2026", ",").replace(" ", "").split(",")
