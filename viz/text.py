"""A `Graph` as text: the picture for terminals and screen readers, and the sentence that describes it.

In: a `Graph`. Out: nodes in program order, clusters by indentation, the arms of a branch under its diamond. Every
fact of the picture is in the text.
"""

from __future__ import annotations

from collections.abc import Iterator

from .graph import Graph, Node

__all__ = ["alt_text", "text_of"]

_MARKS = {
    "guard": "<> ",
    "choice": "<> ",
    "taken": "==> ",
    "untaken": "--> ",
    "undecided": "-?> ",
    "input": "> ",
    "output": "< ",
    "const": "# ",
    "carry": "@ ",
    "residual": "~ ",
    "fold": "+ ",
}
_ARMS = ("taken", "untaken", "undecided")


def text_of(graph: Graph) -> str:
    """The picture in words."""
    return "\n".join(_lines(graph))


def alt_text(graph: Graph) -> str:
    """One sentence: `f: 3 equations, 1 captured branch (x > 0 is True at line 4: then).`"""
    told = [f"{b.predicate or b.kind} is {b.outcome} at line {b.line}" for _, b in graph.branches[:3]]
    told = [
        f"{text}: {b.taken.label}" if b.taken else text for text, (_, b) in zip(told, graph.branches, strict=False)
    ]
    if len(graph.branches) > 3:
        told.append("\u2026")
    answers = f" ({'; '.join(told)})" if told else ""
    return " ".join([f"{graph.summary()}{answers}.", *graph.notes])


def _lines(graph: Graph) -> Iterator[str]:
    yield graph.summary()
    yield from graph.notes
    clusters = {cluster.id: cluster for cluster in graph.clusters}
    labels: dict[str, str] = {}
    for edge in graph.edges:
        if edge.label:
            labels[edge.head] = f"{labels[edge.head]}, {edge.label}" if edge.head in labels else edge.label
    inside: list[str] = []
    for node in graph.nodes:
        around: list[str] = []
        here = node.cluster
        while here:
            around.insert(0, here)
            here = clusters[here].parent
        for depth, key in enumerate(around):
            if key not in inside:
                ran = " (did not run)" if clusters[key].ran is False else ""
                yield f"{'  ' * (depth + 1)}[{clusters[key].title}{ran}]"
        inside = around
        yield from _node_lines(node, "  " * (len(around) + 1), labels.get(node.id, ""))


def _node_lines(node: Node, indent: str, label: str) -> Iterator[str]:
    mark = _MARKS.get(node.kind, "") + (f"({label}) " if label else "")
    title, *rest = node.text
    if node.kind in _ARMS:
        yield f"{indent}  {mark}{title}"
        for line in rest:
            yield f"{indent}      | {line}"
    else:
        yield f"{indent}{mark}{title}   {'  '.join(rest)}".rstrip()
