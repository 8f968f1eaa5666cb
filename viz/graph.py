"""The model of a picture: nodes, edges and clusters. Plain data; nothing here draws.

Everything else in `viz` reads this or makes a new one: `build` makes a graph from a Jaxpr, `fold` and `diff` make
graphs from graphs, `text`, `dot` and `svg` print them. Ids are positions in the program (`e3`, `e3_0` for the first
equation inside the call `e3`), so that the same program gives the same graph and steps, marks and tests can
address its nodes. They contain no hyphens: they are ids in the SVG too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..ir import ShapedArray, Source
from ..ir.branches import Branch

__all__ = ["Cluster", "Cost", "Edge", "Graph", "Mark", "Node"]

NODE_KINDS = frozenset(
    {
        "input",
        "const",
        "equation",
        "carry",
        "choice",
        "guard",
        "taken",
        "untaken",
        "undecided",
        "result",
        "residual",
        "fold",
        "leaf",
        "output",
    }
)
ARM_KINDS = frozenset({"taken", "untaken", "undecided"})
EDGE_KINDS = frozenset({"data", "taken", "untaken", "undecided", "runs", "chosen", "other", "residual", "carry"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A remark about a node: what `values`, `diff` and `minijax.diagnose` have to say.

    Attributes:
        node: id of the node.
        code: a word for programs: "nan", "inf", "first", "second", "differs", ...
        severity: "error", "warning" or "note".
        text: a few words for people.
    """

    node: str
    code: str
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Work of one equation: floating-point operations, bytes read and written."""

    flops: float
    bytes: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Node:
    """A box.

    Attributes:
        id: position in the program.
        kind: one of `NODE_KINDS`. "taken", "untaken" and "undecided" are the arms of a Python branch, "choice" is the index
            of a `cond`, "carry" a value that goes round in a loop, "result" what an equation with bodies returns,
            "leaf" one compiled specialisation.
        title: first line of text.
        lines: the lines after it.
        family: of an equation, see `style.FAMILIES`; empty otherwise.
        cluster: id of the frame it stands in; empty: none.
        source: where the user wrote it.
        detail: more text, for tooltips.
        avals: types of the results.
        origin: id of the forward equation that this one was derived from, in a forward and backward picture.
        values: lines that say what was computed, when asked for.
        cost: work, when asked for.
        marks: remarks.
        op: name of the primitive; empty for what is no equation.
        size: how many equations it stands for (more than one when folded).
        members: ids of the nodes folded into it.
    """

    id: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    family: str = ""
    cluster: str = ""
    source: Source | None = None
    detail: str = ""
    avals: tuple[ShapedArray, ...] = ()
    origin: str = ""
    values: tuple[str, ...] = ()
    cost: Cost | None = None
    marks: tuple[Mark, ...] = ()
    op: str = ""
    size: int = 1
    members: tuple[str, ...] = ()

    @property
    def text(self) -> tuple[str, ...]:
        """All lines as they are shown."""
        marks = tuple(f"! {mark.text}" for mark in self.marks)
        cost = () if self.cost is None else (cost_text(self.cost),)
        return (self.title, *marks, *self.lines, *self.values, *cost)


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow.

    Attributes:
        tail, head: ids of nodes.
        kind: "data"; "taken", "untaken", "undecided" from a guard to its arms; "runs" from an arm to its first equation;
            "chosen", "other" from the index of a `cond` to its branches; "carry" back to the top of a loop;
            "residual" from forward to backward.
        label: text on the arrow.
    """

    tail: str
    head: str
    kind: str = "data"
    label: str = ""

    @property
    def id(self) -> str:
        """`d_e0_to_e1`: unique, since there is one edge of a kind between two nodes."""
        return f"{self.kind[0] if self.kind == 'data' else self.kind}_{self.tail}_to_{self.head}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around nodes.

    Attributes:
        id: "c" and the id of the equation it shows.
        kind: "jit", "cond", "while", "scan", "arm", "custom_jvp", "checkpoint", "loop", "forward", "backward", ... or the name
            of any other primitive that holds Jaxprs.
        title: text in its corner.
        parent: id of the cluster around it; empty: none.
        source: where the user wrote it.
        detail: more text, for tooltips.
        ran: of a branch, whether it ran; None: not known.
    """

    id: str
    kind: str
    title: str
    parent: str = ""
    source: Source | None = None
    detail: str = ""
    ran: bool | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """A picture's content.

    Attributes:
        name: of the function.
        nodes: in program order.
        edges: each pair of nodes at most once per kind.
        clusters: each after its parent.
        branches: (id of the guard node, branch) of every captured branch, in the order asked.
        notes: sentences below the title: what was folded, totals.
        hidden: ids of equations that are not drawn, with the reason.

    Raises:
        ValueError: an id occurs twice, an edge or parent names no node or cluster, a kind is unknown.
    """

    name: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    branches: tuple[tuple[str, Branch], ...] = ()
    notes: tuple[str, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for field in ("nodes", "edges", "clusters", "branches", "notes", "hidden"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        nodes = _unique("node", (node.id for node in self.nodes))
        _unique("edge", (edge.id for edge in self.edges))
        frames = {""}
        for cluster in self.clusters:
            if cluster.id in frames or cluster.parent not in frames:
                raise ValueError(
                    f"cluster {cluster.id!r} in {cluster.parent!r}: a cluster comes once, after its parent"
                )
            frames.add(cluster.id)
        for node in self.nodes:
            if node.kind not in NODE_KINDS or node.cluster not in frames:
                raise ValueError(f"node {node.id!r}: no kind {node.kind!r} or no cluster {node.cluster!r}")
        for edge in self.edges:
            if edge.kind not in EDGE_KINDS or edge.tail not in nodes or edge.head not in nodes:
                raise ValueError(f"edge {edge.id!r}: no such kind or no such nodes")

    @property
    def equations(self) -> int:
        """How many equations the picture stands for (a guard counts as a branch, a call as what is inside)."""
        return sum(node.size for node in self.nodes if node.kind in ("equation", "fold"))

    def summary(self) -> str:
        """`f: 12 equations, 1 captured branch`."""
        parts = [counted(self.equations, "equation")] if self.equations or not self.branches else []
        if self.branches:
            parts.append(counted(len(self.branches), "captured branch", "captured branches"))
        return f"{self.name}: {', '.join(parts)}"

    def marked(self, marks: Iterable[Mark]) -> Graph:
        """The graph with more marks on its nodes; marks of other nodes are dropped."""
        by_node: dict[str, list[Mark]] = {}
        for mark in marks:
            by_node.setdefault(mark.node, []).append(mark)
        nodes = [replace(n, marks=(*n.marks, *by_node[n.id])) if n.id in by_node else n for n in self.nodes]
        return replace(self, nodes=nodes)  # type: ignore[arg-type]

    def enclosing(self, cluster: str) -> Iterator[Cluster]:
        """The cluster with this id and those around it, innermost first."""
        known = {c.id: c for c in self.clusters}
        while cluster:
            yield known[cluster]
            cluster = known[cluster].parent


def _unique(what: str, ids: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    for key in ids:
        if key in seen:
            raise ValueError(f"two {what}s with the id {key!r}")
        seen.add(key)
    return seen


def counted(number: int, one: str, many: str = "") -> str:
    """`1 equation`, `5,000 equations`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def cost_text(cost: Cost) -> str:
    """`1.0 Mflop, 32 KiB`."""
    flops = scaled(cost.flops, 1000.0, ("flop", "kflop", "Mflop", "Gflop", "Tflop"))
    return f"{flops}, {bytes_text(cost.bytes)}" if cost.flops else bytes_text(cost.bytes)


def bytes_text(number: float) -> str:
    """`4 bytes`, `32 KiB`."""
    return scaled(number, 1024.0, ("bytes", "KiB", "MiB", "GiB", "TiB"))


def scaled(number: float, step: float, units: tuple[str, ...]) -> str:
    """`number` in the largest unit that leaves it at least 1, three digits."""
    power = 0
    while power < len(units) - 1 and number >= step:
        number /= step
        power += 1
    return f"{number:.3g} {units[power]}" if number < 1000 else f"{number:.0f} {units[power]}"


def one_line(text: Any) -> str:
    """Text without line breaks or runs of blanks."""
    return " ".join(str(text).split())


WIDEST = 44  # characters of a line of text


def cut(text: str, widest: int = WIDEST) -> str:
    """At most `widest` characters, an ellipsis at the end of what was longer."""
    return text if len(text) <= widest else text[: widest - 1] + "\u2026"
