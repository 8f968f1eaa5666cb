"""A `Graph` as DOT text, through the `graphviz` package.

In: a `Graph`. Out: text that every engine draws alike: six-digit colours, plain multi-line labels (no HTML), boxes of
the size that `measure` gives, fonts that exist everywhere, nothing that depends on an engine's version. The same
graph gives the same text.
"""

from __future__ import annotations

import textwrap
from itertools import pairwise

import graphviz

from .graph import Cluster, Edge, Graph, Node
from .measure import box_of
from .style import EDGES, FONT, FONT_SIZE, SMALL_SIZE, THEMES, TITLE_SIZE, Look, cluster_look, idle, legend, look_of

__all__ = ["dot_of", "escaped", "shown_lines"]

_CORNER = "\u00a0" * 3
_TEST_WIDTH = 24  # characters of a line in a diamond, which is twice as wide as its text
_FOOTER_WIDTH = 90  # characters of a line of the title
_MANY = 800  # nodes from which on the engine's search for a good layout is cut short

_SHAPES = {
    "box": {"shape": "box"},
    "round": {"shape": "box", "style": "rounded"},
    "corners": {"shape": "box", "style": "diagonals"},
    "double": {"shape": "box", "peripheries": "2"},
    "octagon": {"shape": "octagon"},
    "diamond": {"shape": "diamond"},
    "hexagon": {"shape": "hexagon"},
    "note": {"shape": "note"},
    "house": {"shape": "house"},
    "invhouse": {"shape": "invhouse"},
    "solid": {"shape": "box3d"},
}

_COLUMNS = ("forward", "kept", "backward")  # kinds of frames that stand side by side, in this order


def dot_of(graph: Graph, theme: str = "light") -> str:
    """The DOT source of a graph in a theme of `style.THEMES`."""
    return _Writer(graph, THEMES[theme]).write()


class _Writer:
    def __init__(self, graph: Graph, colours: dict[str, str]) -> None:
        self.graph = graph
        self.colours = colours
        self.nodes: dict[str, list[Node]] = {}
        self.clusters: dict[str, list[Cluster]] = {}
        self.upwards: set[str] = set()  # frames in which the program runs from bottom to top
        for cluster in graph.clusters:  # each after its parent
            if cluster.kind == "backward" or cluster.parent in self.upwards:
                self.upwards.add(cluster.id)
        self.idle: set[str] = set()  # frames that did not run
        for cluster in graph.clusters:
            if cluster.ran is False or cluster.parent in self.idle:
                self.idle.add(cluster.id)
        for node in graph.nodes:
            self.nodes.setdefault(node.cluster, []).append(node)
        for cluster in graph.clusters:
            self.clusters.setdefault(cluster.parent, []).append(cluster)

    def write(self) -> str:
        dot = graphviz.Digraph("minijax")
        self._defaults(dot)
        self._fill(dot, "")
        self._ties(dot)
        backward = {node.id for node in self.graph.nodes if self._is_backward(node)}
        for edge in self.graph.edges:
            self._edge(dot, edge, backward)
        self._legend(dot)
        return str(dot.source)

    def _defaults(self, dot: graphviz.Digraph) -> None:
        lines = [self.graph.summary(), *(x for note in self.graph.notes for x in textwrap.wrap(note, _FOOTER_WIDTH))]
        ink, line = self.colours["ink"], self.colours["line"]
        dot.attr(
            "graph",
            fontname=FONT,
            fontsize=f"{TITLE_SIZE:g}",
            fontcolor=ink,
            bgcolor=self.colours["paper"],
            rankdir="TB",
            nodesep="0.3",
            ranksep="0.35",
            labeljust="l",
            labelloc="t",
            newrank="true",
            pad="0.08",
            label=graphviz.nohtml("".join(escaped(x) + r"\l" for x in lines)),
            **({"nslimit": "2", "nslimit1": "2"} if len(self.graph.nodes) > _MANY else {}),
        )
        dot.attr(
            "node",
            fontname=FONT,
            fontsize=f"{FONT_SIZE:g}",
            fontcolor=ink,
            color=ink,
            margin="0.02,0.02",
            height="0.3",
        )
        dot.attr("edge", fontname=FONT, fontsize="9", fontcolor=ink, color=line, arrowsize="0.7")

    def _fill(self, dot: graphviz.Digraph, parent: str) -> None:
        """Add the nodes of a cluster and, inside it, its clusters."""
        for node in self.nodes.get(parent, ()):
            dot.node(node.id, **self._node(node))
        for cluster in self.clusters.get(parent, ()):
            with dot.subgraph(name=f"cluster_{cluster.id}") as inner:
                inner.attr(**self._cluster(cluster))
                if cluster.kind in _COLUMNS:
                    inner.node(f"column_{cluster.id}", label="", shape="point", width="0.01", style="invis")
                self._fill(inner, cluster.id)

    def _cluster(self, cluster: Cluster) -> dict[str, str]:
        look = cluster_look(cluster.kind, ran=cluster.ran)
        return {
            "id": cluster.id,
            "class": f"frame {cluster.kind}",
            "label": graphviz.nohtml(escaped(cluster.title) + r"\l"),
            "tooltip": graphviz.nohtml(escaped(cluster.detail or cluster.title)),
            "color": self.colours[look.line],
            "fontcolor": self.colours[look.text],
            "style": "rounded" if look.dash == "solid" else f"rounded,{look.dash}",
            "penwidth": f"{look.width:g}",
            "margin": "10",
        }

    def _node(self, node: Node) -> dict[str, str]:
        look = idle(look_of(node)) if node.cluster in self.idle else look_of(node)
        lines = shown_lines(node)
        end = r"\l" if look.left else r"\n"
        width, height = box_of(look.shape, lines, FONT_SIZE)
        if look.left:  # the corner of a note cuts into its first line: room for it at the end of each
            label = "".join(escaped(line) + _CORNER + end for line in lines)
        else:
            label = end.join(map(escaped, lines))
        return {
            **self._look(look),
            "id": node.id,
            "class": f"{node.kind} {node.family}".strip(),
            "label": graphviz.nohtml(label),
            "tooltip": graphviz.nohtml(escaped(node.detail or node.title)),
            "width": f"{width / 72:.3f}",
            "height": f"{height / 72:.3f}",
        }

    def _look(self, look: Look) -> dict[str, str]:
        shape = dict(_SHAPES[look.shape])
        styles = ["filled", shape.pop("style", ""), look.dash if look.dash != "solid" else ""]
        return {
            **shape,
            "style": ",".join(filter(None, styles)),
            "fillcolor": self.colours[look.fill],
            "color": self.colours[look.line],
            "fontcolor": self.colours[look.text],
            "penwidth": f"{look.width:g}",
            **({"margin": "0.1,0.05"} if look.left else {}),
        }

    # -- edges

    def _edge(self, dot: graphviz.Digraph, edge: Edge, backward: set[str]) -> None:
        look = EDGES[edge.kind]
        attributes = {
            "id": edge.id,
            "class": edge.kind,
            "color": self.colours[look.line],
            "style": look.dash,
            "penwidth": f"{look.width:g}",
            "arrowhead": look.arrow,
        }
        if edge.label:
            text = graphviz.nohtml(escaped(f" {edge.label}"))
            if edge.kind == "taken":
                attributes["label"] = text
            else:  # leaves a frame: amid the edge it would land on the frame
                attributes |= {"headlabel": text, "labeldistance": "2.2"}
            attributes["fontcolor"] = self.colours[look.text]
        tail, head = edge.tail, edge.head
        if edge.kind == "carry" or (edge.kind == "residual" and head not in backward):
            attributes["constraint"] = "false"
        elif head in backward and (
            tail in backward or edge.kind == "residual"
        ):  # upwards: written against the rank direction
            if edge.kind == "residual":  # free edges across ranks are led through boxes
                attributes |= {"minlen": "0", "weight": "0"}
            tail, head = head, tail
            attributes["dir"] = "back"
            attributes["arrowtail"] = attributes.pop("arrowhead")
        dot.edge(tail, head, **attributes)

    def _is_backward(self, node: Node) -> bool:
        return node.cluster in self.upwards

    def _ties(self, dot: graphviz.Digraph) -> None:
        """What is kept, and the first equation derived from it, stand level with the equation that they come from."""
        known = {node.id for node in self.graph.nodes}
        rows: dict[str, dict[str, str]] = {}
        for node in self.graph.nodes:
            if node.origin in known:
                rows.setdefault(node.origin, {}).setdefault(node.kind, node.id)
        for origin, row in rows.items():
            with dot.subgraph() as level:
                level.attr(rank="same")
                for key in (origin, *row.values()):
                    level.node(key)
        self._columns(dot)

    def _columns(self, dot: graphviz.Digraph) -> None:
        """What is kept stands between forward and backward.

        The order of frames from left to right is the engine's, by the number of crossings. Invisible points in a row fix it;
        an invisible edge from each equation whose result is kept to the next kept value keeps crossings few in that order.
        """
        columns = [f"column_{cluster.id}" for cluster in self.graph.clusters if cluster.kind in _COLUMNS]
        if not columns:
            return
        with dot.subgraph() as level:
            level.attr(rank="same")
            for left, right in pairwise(columns):
                level.edge(left, right, style="invis")
        place = {node.id: index for index, node in enumerate(self.graph.nodes)}
        kept = [node for node in self.graph.nodes if node.kind == "residual" and node.origin in place]
        kept.sort(key=lambda node: place[node.origin])
        for above, below in pairwise(kept):
            dot.edge(above.origin, below.id, style="invis", constraint="false", weight="0")

    # -- legend

    def _legend(self, dot: graphviz.Digraph) -> None:
        entries = legend(self.graph)
        if not entries:
            return
        with dot.subgraph(name="cluster_legend") as box:
            box.attr(
                id="legend",
                label=graphviz.nohtml("legend"),
                fontsize=f"{SMALL_SIZE:g}",
                color=self.colours["pale"],
                style="solid",
                penwidth="0.5",
                margin="4",
                rank="same",
            )
            for name, look, word in entries:
                width, height = box_of(look.shape, [word], SMALL_SIZE)
                box.node(
                    f"legend_{name}",
                    **{
                        **self._look(look),
                        "id": f"legend_{name}",
                        "class": "legend",
                        "label": graphviz.nohtml(escaped(word)),
                        "fontsize": f"{SMALL_SIZE:g}",
                        "width": f"{width / 72:.3f}",
                        "height": f"{height / 72:.3f}",
                    },
                )
        for key in self._lowest():
            dot.edge(
                key, f"legend_{entries[len(entries) // 2][0]}", style="invis"
            )  # the graph stands above the middle

    def _lowest(self) -> list[str]:
        """Nodes that nothing stands below: the last ones, and where a backward program begins."""
        tails = {edge.tail for edge in self.graph.edges if edge.kind not in ("residual", "carry")}
        heads = {edge.head for edge in self.graph.edges if edge.kind not in ("residual", "carry")}
        down = [
            n.id for n in self.graph.nodes if n.id not in tails and not self._is_backward(n) and n.kind != "residual"
        ]
        up = [n.id for n in self.graph.nodes if n.id not in heads and self._is_backward(n)]
        return [*down[-8:], *up[:1]]


def shown_lines(node: Node) -> list[str]:
    """The lines of a node as they are drawn: tests are broken so that their diamonds stay narrow."""
    title, *rest = node.text
    if node.kind in ("guard", "choice"):
        return [*textwrap.wrap(title, _TEST_WIDTH, break_long_words=True), *rest]
    return [title, *rest]


def escaped(text: str) -> str:
    r"""`text` as it has to stand in a label: `\n` in a program stays two characters, `&lt;` four."""
    clean = "".join(c if c.isprintable() else " " for c in text)  # control characters are no XML
    indent = len(clean) - len(clean.lstrip(" "))
    # The package passes `"` on escaped; a leading space would be trimmed, a no-break space is kept.
    return "\u00a0" * indent + clean.lstrip(" ").replace("\\", "\\\\").replace("&", "&amp;")
