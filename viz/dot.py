"""A `Graph` as DOT text, through the `graphviz` package.

In: a `Graph`. Out: text that every engine draws alike: six-digit colours, plain multi-line labels (no HTML),
fonts that exist everywhere, nothing that depends on an engine's version. The same graph gives the same text.
"""

from __future__ import annotations

import textwrap

import graphviz

from .graph import Cluster, Graph, Node
from .style import ARM, CLUSTER, EDGES, FAMILIES, GRAPH, KINDS

__all__ = ["dot_of", "escaped"]

_NOTES = ("taken", "untaken", "undecided")
_CORNER = "\u00a0" * 3
_TEST_WIDTH = 20  # a diamond is about twice as wide as its text


def dot_of(graph: Graph) -> str:
    """The DOT source of a graph."""
    dot = graphviz.Digraph("minijax")
    for target, attributes in GRAPH.items():
        dot.attr(target, **attributes)
    dot.attr("graph", label=graphviz.nohtml(escaped(graph.summary()) + r"\l"))
    _fill(dot, graph, "")
    for edge in graph.edges:
        dot.edge(edge.tail, edge.head, **EDGES[edge.kind])
    return str(dot.source)


def _fill(dot: graphviz.Digraph, graph: Graph, parent: str) -> None:
    """Add the nodes of cluster `parent` and, inside it, its clusters."""
    for node in graph.nodes:
        if node.cluster == parent:
            dot.node(node.id, **_attributes(node))
    for cluster in graph.clusters:
        if cluster.parent == parent:
            with dot.subgraph(name=f"cluster_{cluster.id}") as inner:
                inner.attr(**_cluster_attributes(cluster))
                _fill(inner, graph, cluster.id)


def _cluster_attributes(cluster: Cluster) -> dict[str, str]:
    look = ARM if cluster.kind == "arm" else CLUSTER
    return {**look, "id": cluster.id, "label": graphviz.nohtml(escaped(cluster.title) + r"\l")}


def _attributes(node: Node) -> dict[str, str]:
    look = FAMILIES[node.family] if node.family else KINDS.get(node.kind, {})
    if node.kind == "guard":
        lines, end = [*textwrap.wrap(node.title, _TEST_WIDTH, break_long_words=True), *node.lines], r"\n"
    elif node.kind in _NOTES:
        lines, end = [node.title, *node.lines], r"\l"  # code keeps its left edge
    else:
        lines, end = [node.title, *node.lines], r"\n"
    # The corner of a note cuts into its first line: room for it at the end of each.
    label = (
        end.join(escaped(line) + _CORNER for line in lines) + end if end == r"\l" else end.join(map(escaped, lines))
    )
    return {
        **look,
        "id": node.id,
        "class": f"{node.kind} {node.family}".strip(),
        "label": graphviz.nohtml(label),
        "tooltip": graphviz.nohtml(escaped(node.detail or node.title)),
    }


def escaped(text: str) -> str:
    r"""`text` as it has to stand in a label: `\n` in a program stays two characters, `&lt;` four."""
    clean = "".join(c if c.isprintable() else " " for c in text)  # control characters are no XML
    indent = len(clean) - len(clean.lstrip(" "))
    # The package passes `"` on escaped; a leading space would be trimmed, a no-break space is kept.
    return "\u00a0" * indent + clean.lstrip(" ").replace("\\", "\\\\").replace("&", "&amp;")
