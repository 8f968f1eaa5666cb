"""Forward and backward side by side: the program, what it keeps, and its transpose.

In: a program and which inputs to differentiate. Out: one `Graph` with three parts: the forward equations (with the factors
that the derivative needs, `cos a` for `sin a`), a box for each *residual* with its bytes, and the backward equations, which
run from bottom to top so that each stands level with the equation that it transposes. The parts are those of reverse
mode as minijax does it: linearize, then transpose (Radul et al. 2023). Where a value was used twice its cotangents
are added up; these additions are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..interpreters.linearize import linearize_jaxpr
from ..interpreters.transpose import transpose_jaxpr
from ..ir import ClosedJaxpr, Eqn, Jaxpr, Source, Var
from ..ir.walk import map_sub_jaxprs
from .build import draw_body, draw_inputs, draw_outputs
from .graph import Cluster, Graph, Node, bytes_text, counted, cut
from .sheet import Sheet

__all__ = ["Halves", "halves_of", "pair_graph"]

_TOP = Source((lambda: None).__code__, 0)  # the call site of what was called by nobody


@dataclass(frozen=True, slots=True)
class Halves:
    """A program split for reverse mode.

    Attributes:
        forward: inputs -> (results, residuals).
        linear: (residuals, tangents) -> tangents of the results.
        backward: (residuals, cotangents of the results) -> cotangents of the differentiated inputs.
        num_residuals: how many values are kept.
        results_used: which results have a derivative.
        inputs_reached: which of the differentiated inputs have a cotangent that is not zero.
    """

    forward: ClosedJaxpr
    linear: ClosedJaxpr
    backward: ClosedJaxpr
    num_residuals: int
    results_used: tuple[bool, ...]
    inputs_reached: tuple[bool, ...]


def halves_of(program: ClosedJaxpr, wanted: Sequence[bool]) -> Halves:
    """Linearize a program and transpose the linear part.

    Args:
        program: any.
        wanted: which inputs to differentiate.
    """
    split = linearize_jaxpr(program, tuple(wanted))
    linear = split.linear
    num_tangents = len(linear.in_avals) - split.num_residuals
    flags = (False,) * split.num_residuals + (True,) * num_tangents
    backward, reached = transpose_jaxpr(linear, flags, (True,) * len(linear.out_avals))
    names = program.jaxpr.names
    forward = ClosedJaxpr(split.known.jaxpr.replace(names=names), split.known.consts)
    return Halves(forward, linear, backward, split.num_residuals, split.out_nonzero, reached)


def pair_graph(program: ClosedJaxpr, wanted: Sequence[bool]) -> Graph:
    """The picture of forward and backward.

    Args:
        program: what was traced.
        wanted: which inputs to differentiate.

    Returns:
        A graph: forward nodes have the ids of `halves_of(...).forward`, backward ones start with `b`, residuals with `r`;
        `origin` of a backward node is the forward equation that it comes from.
    """
    tags = _Tags()
    halves = halves_of(tags.on(program), wanted)
    sheet = Sheet()
    sheet.clusters += [
        Cluster("cforward", "forward", "forward"),
        Cluster("ckept", "kept", "kept"),
        Cluster("cbackward", "backward", "backward, upwards"),
    ]
    num_results = len(program.out_avals)
    forward = sheet.open(halves.forward, "", "cforward")
    draw_inputs(sheet, forward, cluster="cforward")
    draw_body(sheet, forward, "e", "cforward")
    results = forward.replace(outvars=forward.outvars[:num_results])
    draw_outputs(sheet, results, cluster="cforward")
    residuals = forward.outvars[num_results:]
    _draw_residuals(sheet, halves.backward.jaxpr, residuals)
    _draw_backward(sheet, halves, results, wanted)
    sheet.notes.append(_kept_note(sheet))
    graph = sheet.graph(program.jaxpr.names.function or "program")
    return tags.off(_with_residual_edges(graph))


def _draw_residuals(sheet: Sheet, backward: Jaxpr, residuals: Sequence[Any]) -> None:
    """A box per kept value; the backward program's inputs come from these."""
    drawn: dict[Any, str] = {}
    for index, (inner, kept) in enumerate(zip(backward.invars, residuals, strict=False)):
        sheet.alias(inner, kept)
        if type(kept) is not Var:
            continue
        if kept not in drawn:
            aval = kept.aval
            key = drawn[kept] = f"r{index}"
            lines = (aval.str_short(), bytes_text(aval.size * aval.itemsize))
            title = cut(f"keep {sheet.operand(kept)}")
            detail, maker = "computed forward, read backward", sheet.producers.get(kept, "")
            sheet.node(Node(key, "residual", title, lines, "", "ckept", None, detail, (aval,), origin=maker))
            sheet.connect([kept], key)
        sheet.producers[inner] = drawn[kept]


def _draw_backward(sheet: Sheet, halves: Halves, results: Jaxpr, wanted: Sequence[bool]) -> None:
    backward = halves.backward.jaxpr
    paths = results.names.result_paths
    cotangents = iter(backward.invars[halves.num_residuals :])
    for index, used in enumerate(halves.results_used):
        if used:
            var = next(cotangents)
            path = paths[index] if index < len(paths) and paths[index] else ""
            called = path or (f"result[{index}]" if len(halves.results_used) > 1 else "result")
            sheet.names[var] = f"ct({called})"
            lines = (var.aval.str_short(), "1.0 for grad" if not var.aval.shape else "chosen by the caller")
            node = Node(f"ct{index}", "input", cut(sheet.names[var]), lines, cluster="cbackward", avals=(var.aval,))
            sheet.node(node, var)
    jaxpr = sheet.open(halves.backward, "b", "cbackward")
    draw_body(sheet, jaxpr, "b", "cbackward")
    given = results.names.arg_names
    found = iter(jaxpr.outvars)
    reached = iter(halves.inputs_reached)
    for index, (var, flag) in enumerate(zip(results.invars, wanted, strict=True)):
        if flag:
            called = given[index] if index < len(given) else f"argument {index}"
            key = f"g{index}"
            if next(reached):
                atom = next(found)
                line = cut(sheet.typed(atom))
            else:
                atom, line = None, f"zero: nothing depends on it, {var.aval.str_short()}"
            sheet.node(Node(key, "output", cut(f"ct({called})"), (line,), cluster="cbackward", avals=(var.aval,)))
            if atom is not None:
                sheet.connect([atom], key)


def _with_residual_edges(graph: Graph) -> Graph:
    kept = {node.id for node in graph.nodes if node.kind == "residual"}
    edges = [replace(edge, kind="residual") if {edge.tail, edge.head} & kept else edge for edge in graph.edges]
    return replace(graph, edges=tuple(edges))


def _kept_note(sheet: Sheet) -> str:
    kept = [
        (node.avals[0].size * node.avals[0].itemsize, node.title) for node in sheet.nodes if node.kind == "residual"
    ]
    if not kept:
        return "Nothing is kept for the backward program."
    largest = sorted(kept, reverse=True)[:3]
    said = ", ".join(f"{title.removeprefix('keep ')} ({bytes_text(size)})" for size, title in largest)
    what = "" if len(kept) == 1 else f"; the largest: {said}"
    return (
        f"{counted(len(kept), 'value')} kept for the backward program, {bytes_text(sum(x for x, _ in kept))}{what}."
    )


class _Tags:
    """Which equation another was derived from.

    A derived equation keeps the call site of its `Source`, as an object. So each equation gets a call site of its own,
    an equal copy, and whoever has the same object comes from the same equation.
    """

    def __init__(self) -> None:
        self.made: dict[int, tuple[Source, Source | None, str]] = {}  # id(copy) -> (copy, call site, primitive)

    def on(self, program: ClosedJaxpr) -> ClosedJaxpr:
        """The program with a call site of its own for each equation, in bodies too."""
        return ClosedJaxpr(program.jaxpr.replace(eqns=[self._tagged(eqn) for eqn in program.eqns]), program.consts)

    def _tagged(self, eqn: Eqn) -> Eqn:
        eqn = map_sub_jaxprs(eqn, self.on)
        source = eqn.source
        if source is None:
            return eqn
        site = source.parent or _TOP
        copy = Source(site.code, site.lasti, site.parent, site.origin)
        self.made[id(copy)] = copy, source.parent, eqn.primitive.name
        return eqn.replace(source=Source(source.code, source.lasti, copy, source.origin))

    def off(self, graph: Graph) -> Graph:
        """The graph with the call sites put back, and `origin` set on backward nodes."""
        first: dict[int, str] = {}
        for node in graph.nodes:
            tag = self._tag(node)
            if tag and node.id.startswith("e") and (tag not in first or node.op == self.made[tag][2]):
                first[tag] = node.id
        return replace(graph, nodes=tuple(self._restored(node, first) for node in graph.nodes))

    def _tag(self, node: Node) -> int:
        return id(node.source.parent) if node.source is not None and id(node.source.parent) in self.made else 0

    def _restored(self, node: Node, first: dict[int, str]) -> Node:
        tag = self._tag(node)
        if not tag:
            return node
        assert node.source is not None
        _, site, op = self.made[tag]
        source = Source(node.source.code, node.source.lasti, site, node.source.origin)
        if not node.id.startswith("b"):
            return replace(node, source=source)
        lines = node.lines
        if node.kind == "equation":
            adds_up = node.op.startswith("add") and not op.startswith("add")
            lines = (*lines, "adds up two uses" if adds_up else f"back through {op}")
        return replace(node, source=source, origin=first.get(tag, ""), lines=lines)
