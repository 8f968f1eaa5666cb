"""The model of a picture: nodes, edges and clusters of a program. Plain data; nothing here draws.

In: a Jaxpr. Out: a `Graph`. An equation is a node, titled as in the printed Jaxpr (`c = mul a 2.0`), so that picture
and text can be read side by side; scalar constants stand in the title. A call (`jit`) is a cluster into which
edges run directly; any other equation that holds Jaxprs is a cluster with one cluster per body. A guard is a
diamond with two notes, the text of the arm that ran and of the arm that did not. Ids are positions in the
program: the same program gives the same graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..array import Array
from ..ir import Atom, ClosedJaxpr, Eqn, Jaxpr, Kind, Literal, ShapedArray, Source, Var, guard, sub_jaxprs
from ..ir.branches import Arm, Branch, branch_of, in_arm
from ..ir.printer import format_literal, format_param, variable_name

__all__ = ["Cluster", "Edge", "Graph", "Node", "graph_of"]


@dataclass(frozen=True, slots=True)
class Node:
    """A box: `kind` is input, const, equation, guard, taken, untaken, undecided, result or output.

    `family` (see `style.FAMILIES`) is set for equations; `lines` follow the title; `detail` is the tooltip.
    """

    id: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    family: str = ""
    cluster: str = ""
    source: Source | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow: `kind` is data, taken, untaken, undecided (guard to note) or runs (note to first equation)."""

    tail: str
    head: str
    kind: str = "data"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around nodes; `parent` is the id of the cluster around it, or empty."""

    id: str
    kind: str
    title: str
    parent: str = ""


@dataclass(slots=True)
class Graph:
    """A picture's content. `branches`: (node id, branch) of every guard."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    branches: list[tuple[str, Branch]] = field(default_factory=list)

    @property
    def equations(self) -> int:
        """How many equations are drawn (guards are counted as branches, calls as clusters)."""
        return sum(node.kind == "equation" for node in self.nodes)

    def summary(self) -> str:
        """`f: 12 equations, 1 captured branch`."""
        equations = f"{self.equations} equation" + ("s" if self.equations != 1 else "")
        count = len(self.branches)
        return f"{self.name}: {equations}" + (
            f", {count} captured branch{'es' if count > 1 else ''}" if count else ""
        )


FAMILY_OF = {
    Kind.UNARY: "elementwise",
    Kind.BINARY: "elementwise",
    Kind.ELEMENTWISE: "elementwise",
    Kind.REDUCTION: "reduction",
    Kind.CONTRACTION: "contraction",
    Kind.LIBRARY: "contraction",
    Kind.MOVEMENT: "movement",
    Kind.INDEXING: "movement",
    Kind.STRUCTURED: "structured",
    Kind.RANDOM: "effect",
    Kind.COLLECTIVE: "effect",
    Kind.EFFECT: "effect",
}
# Parameters that the avals or the title say already.
_IMPLIED = frozenset({"shape", "new_dtype", "dtype", "weak_type", "name"})
_SMALL = 3  # constants of at most so many elements are written into the equation
_WIDEST = 44  # characters of a line of text
_TALLEST = 6  # lines of an arm's text


def graph_of(program: Jaxpr | ClosedJaxpr, name: str = "") -> Graph:
    """The graph of a program.

    Args:
        program: any Jaxpr, with or without guards and sub-Jaxprs.
        name: what to call it; default: the name of the traced function.

    Returns:
        A graph with one node per equation, in program order.
    """
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    builder = _Builder(Graph(name or jaxpr.names.function or "program"))
    builder.draw_program(program)
    known = {node.id for node in builder.graph.nodes}  # calls have no node of their own
    builder.graph.edges = [edge for edge in builder.graph.edges if edge.head in known]
    return builder.graph


class _Builder:
    """Where each variable of the program comes from (`producers`: node id, or text to write instead) and its name."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producers: dict[Var, str] = {}
        self.texts: dict[Var, str] = {}
        self.names: dict[Var, str] = {}
        self.rounds: Counter[Any] = Counter()  # how often each branch was met
        self.shown: set[Any] = set()  # branches whose arms are drawn
        self.asked: set[tuple[Any, ...]] = set()  # what was asked where

    def draw_program(self, program: Jaxpr | ClosedJaxpr) -> None:
        jaxpr = self.open(program, "", "")
        given = jaxpr.names.arg_names
        for index, var in enumerate(jaxpr.invars):
            known = given[index] if index < len(given) else f"argument {index}"
            self.input(f"v{index}", var, known, "")
        self.draw_body(jaxpr, "e", "")
        paths = jaxpr.names.result_paths
        for index, atom in enumerate(jaxpr.outvars):
            several = f"result[{index}]" if len(jaxpr.outvars) > 1 else "result"
            title = paths[index] if index < len(paths) and paths[index] else several
            self.output(f"o{index}", title, atom, "")

    def open(self, program: Jaxpr | ClosedJaxpr, prefix: str, cluster: str) -> Jaxpr:
        """Name the variables of a program and place its constants."""
        jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
        for var in (*jaxpr.constvars, *jaxpr.invars, *(v for eqn in jaxpr.eqns for v in eqn.outvars)):
            self.names.setdefault(var, variable_name(len(self.names)))
        consts = program.consts if isinstance(program, ClosedJaxpr) else [None] * len(jaxpr.constvars)
        for index, (var, value) in enumerate(zip(jaxpr.constvars, consts, strict=True)):
            if type(value) is Array and value.size <= _SMALL:
                self.texts[var] = _number(np.asarray(value)[()], value.aval)
            else:
                key = f"k{prefix}{index}"
                self.producers[var] = key
                node = Node(key, "const", f"constant {self.names[var]}", (var.aval.str_short(),), cluster=cluster)
                self.graph.nodes.append(node)
        return jaxpr

    def input(self, key: str, var: Var, title: str, cluster: str) -> None:
        self.producers[var] = key
        typed = f"{self.names[var]}:{var.aval.str_short()}"
        self.graph.nodes.append(Node(key, "input", title, (typed,), cluster=cluster))

    def output(self, key: str, title: str, atom: Atom, cluster: str) -> None:
        typed = f"{self.operand(atom)}:{atom.aval.str_short()}"
        self.graph.nodes.append(Node(key, "output", title, (typed,), cluster=cluster))
        self.connect([atom], key)

    def operand(self, atom: Atom) -> str:
        if type(atom) is Literal:
            return _number(atom.value, atom.aval)
        assert type(atom) is Var
        return self.texts.get(atom) or self.names[atom]

    def connect(self, atoms: Iterable[Atom], key: str) -> None:
        for atom in dict.fromkeys(x for x in atoms if type(x) is Var):
            if atom in self.producers:
                self.graph.edges.append(Edge(self.producers[atom], key))

    def draw_body(self, jaxpr: Jaxpr, prefix: str, cluster: str) -> None:
        for index, eqn in enumerate(jaxpr.eqns):
            key = f"{prefix}{index}"
            if eqn.primitive is guard:
                self.draw_guard(jaxpr.eqns, index, prefix, cluster)
            elif any(True for _ in sub_jaxprs(eqn)):
                self.draw_structured(eqn, key, cluster)
            else:
                self.draw_equation(eqn, key, cluster)

    def draw_equation(self, eqn: Eqn, key: str, cluster: str) -> None:
        outs = ", ".join(self.names[v] for v in eqn.outvars)
        operands = " ".join(self.operand(x) for x in eqn.invars)
        title = _cut(f"{outs} = {eqn.primitive.name} {operands}" if outs else f"{eqn.primitive.name} {operands}")
        lines = [*_param_lines(eqn), *_aval_lines(v.aval for v in eqn.outvars)]
        if eqn.source is not None:
            lines.append(_place(eqn.source))
        family = FAMILY_OF[eqn.primitive.kind]
        detail = eqn.source.line_text if eqn.source is not None else ""
        self.graph.nodes.append(
            Node(key, "equation", title, tuple(lines), family, cluster, eqn.source, detail or title)
        )
        for var in eqn.outvars:
            self.producers[var] = key
        self.connect(eqn.invars, key)

    # -- equations that hold programs

    def draw_structured(self, eqn: Eqn, key: str, cluster: str) -> None:
        bodies = list(sub_jaxprs(eqn))
        frame = f"c{key}"
        called = eqn.params.get("name")
        title = f"{eqn.primitive.name} {called}" if isinstance(called, str) else eqn.primitive.name
        self.graph.clusters.append(Cluster(frame, eqn.primitive.name, title, cluster))
        if len(bodies) == 1 and _is_call(eqn, bodies[0][1]):
            self.draw_call(eqn, bodies[0][1], key, frame)
            return
        for number, (param, body) in enumerate(bodies):
            self.draw_arm(eqn, param, number, body, key, frame)
        outs = ", ".join(self.names[v] for v in eqn.outvars)
        lines = [*_param_lines(eqn), *_aval_lines(v.aval for v in eqn.outvars)]
        if eqn.source is not None:
            lines.append(_place(eqn.source))
        title = f"{outs} = {eqn.primitive.name}" if outs else eqn.primitive.name
        self.graph.nodes.append(Node(key, "result", title, tuple(lines), "structured", frame, eqn.source))
        most = max(len(body.jaxpr.invars) for _, body in bodies)
        self.connect(eqn.invars[: max(0, len(eqn.invars) - most)], key)  # the index of a cond enters no body
        for var in eqn.outvars:
            self.producers[var] = key

    def draw_call(self, eqn: Eqn, body: ClosedJaxpr, key: str, frame: str) -> None:
        """The body in place: its inputs are the operands, its outputs the results."""
        jaxpr = self.inline_names(eqn, body, key, frame)
        self.draw_body(jaxpr, f"{key}_", frame)
        for var, atom in zip(eqn.outvars, jaxpr.outvars, strict=True):
            self.alias(var, atom)

    def inline_names(self, eqn: Eqn, body: ClosedJaxpr, key: str, frame: str) -> Jaxpr:
        # A body called twice is one object: its variables mean something else at the second call.
        for var in (*body.jaxpr.constvars, *body.jaxpr.invars):
            for known in (self.producers, self.texts, self.names):
                known.pop(var, None)
        for var, atom in zip(body.jaxpr.invars, eqn.invars, strict=True):
            self.alias(var, atom)
        return self.open(body, f"{key}_", frame)

    def alias(self, var: Var, atom: Atom) -> None:
        """Let `var` stand for `atom`."""
        if type(atom) is Literal:
            self.texts[var] = self.operand(atom)
            return
        assert type(atom) is Var
        for known in (self.producers, self.texts):
            if atom in known:
                known[var] = known[atom]
        if var not in self.texts:
            self.names[var] = self.names[atom]

    def draw_arm(self, eqn: Eqn, param: str, number: int, body: ClosedJaxpr, key: str, frame: str) -> None:
        """One body of a structured equation, as a cluster with its own inputs and outputs."""
        inner = f"{frame}_{number}"
        title = f"{param} {number}" if param == "branches" else param
        self.graph.clusters.append(Cluster(inner, "arm", title, frame))
        jaxpr = self.open(body, f"{key}_{number}_", inner)
        outer = _operands_of(eqn, param, len(jaxpr.invars))
        for index, var in enumerate(jaxpr.invars):
            shown = f"{self.names[var]} <- {self.operand(outer[index])}" if index < len(outer) else self.names[var]
            node = f"v{key}_{number}_{index}"
            self.graph.nodes.append(Node(node, "input", shown, (var.aval.str_short(),), cluster=inner))
            if index < len(outer):
                self.connect([outer[index]], node)
            self.producers[var] = node
        self.draw_body(jaxpr, f"{key}_{number}_", inner)
        self.connect(jaxpr.outvars, key)

    # -- branches

    def draw_guard(self, eqns: tuple[Eqn, ...], index: int, prefix: str, cluster: str) -> None:
        eqn, key = eqns[index], f"{prefix}{index}"
        source = eqn.source
        question = _question(eqn, key)
        if question in self.asked:
            return  # once by Python while tracing, again when a transformed function ran the equation
        self.asked.add(question)
        branch = _branch_at(eqns, index)
        site = (None if source is None else source.code, branch.line, branch.column)
        self.rounds[site] += 1
        later = _next_operand(eqns, index, branch) if branch.arms else None
        self.diamond(eqn, branch, key, cluster, self.rounds[site], later is None)
        if not branch.arms or source is None:
            return
        if later is not None:
            self.graph.edges.append(Edge(key, f"{prefix}{later}", "runs"))
            return
        shown = (*site, None if branch.kind == "while" else branch.taken)
        if shown in self.shown:  # a later round of a loop: the texts are there already
            self.lead_into(branch.taken, key, eqns, index, prefix)
            return
        self.shown.add(shown)
        for arm in branch.arms:
            self.draw_note(branch, arm, key, eqns, index, prefix, cluster)

    def diamond(self, eqn: Eqn, branch: Branch, key: str, cluster: str, round_: int, decides: bool) -> None:
        """The test; just the operand where the next one of the same test decides."""
        self.graph.branches.append((key, branch))
        title = branch.predicate if decides else branch.operand
        title = title or f"{eqn.params['kind']} of {self.operand(eqn.invars[0])}"
        part = "" if not decides or branch.operand == branch.predicate else f"{_cut(_one_line(branch.operand))} "
        lines = [f"{part}is {branch.outcome}"]
        if branch.kind == "while":
            lines.append(f"round {round_}")
        if eqn.source is not None:
            lines.append(_place(eqn.source))
        detail = branch.note or str(branch)
        self.graph.nodes.append(Node(key, "guard", _one_line(title), tuple(lines), "", cluster, eqn.source, detail))
        self.connect(eqn.invars, key)

    def draw_note(
        self, branch: Branch, arm: Arm, key: str, eqns: tuple[Eqn, ...], index: int, prefix: str, cluster: str
    ) -> None:
        """The text of an arm beside its diamond."""
        if branch.undecided:
            kind, state = "undecided", "not determined"
        else:
            kind, state = ("taken", "taken") if arm is branch.taken else ("untaken", "not taken")
        if not arm.text and branch.kind in ("while", "filter") and kind == "untaken":
            return  # leaving the loop is no arm to show
        note = f"{key}{'t' if arm is branch.arms[0] else 'f'}"
        place = f" (line {arm.span[0]})" if arm.span is not None else ""
        lines = _shortened(arm.text) or ("nothing to do",)
        self.graph.nodes.append(Node(note, kind, f"{arm.label}: {state}{place}", lines, "", cluster))
        self.graph.edges.append(Edge(key, note, kind))
        if kind == "taken":
            self.lead_into(arm, note, eqns, index, prefix)

    def lead_into(self, arm: Arm | None, tail: str, eqns: tuple[Eqn, ...], index: int, prefix: str) -> None:
        """An edge to the first equation of the arm: it can only be the next one recorded."""
        source, number = eqns[index].source, index + 1
        if arm is None or source is None:
            return
        while number < len(eqns) and _question(eqns[number], "") == _question(eqns[index], ""):
            number += 1
        if number == len(eqns):
            return
        place = eqns[number].source
        if place is not None and in_arm(place, source, arm):
            self.graph.edges.append(Edge(tail, f"{prefix}{number}", "runs"))


def _question(eqn: Eqn, key: str) -> Any:
    """What a guard asked where; anything else asks nothing."""
    if eqn.primitive is not guard:
        return None
    return (key if eqn.source is None else (eqn.source.code, eqn.source.lasti), eqn.invars[0])


def _branch_at(eqns: tuple[Eqn, ...], index: int) -> Branch:
    eqn = eqns[index]
    if eqn.source is None:
        return Branch("unknown", "", "", eqn.params["value"], note="the source is not known")
    following = (x.source for x in eqns[index + 1 :] if x.source is not None)
    return branch_of(eqn.source, eqn.params["value"], following)


def _next_operand(eqns: tuple[Eqn, ...], index: int, branch: Branch) -> int | None:
    """The next guard, if it asks a later operand of the same test: that one decides."""
    source = eqns[index].source
    for number in range(index + 1, len(eqns)):
        later = eqns[number]
        if later.primitive is guard and later.source is not None and source is not None:
            other = _branch_at(eqns, number)
            after = (branch.line, branch.column or 0) < (other.line, other.column or 0)
            return number if later.source.code is source.code and other.arms == branch.arms and after else None
    return None


def _operands_of(eqn: Eqn, param: str, count: int) -> list[Atom]:
    """The operands that enter a body: the last `count`, but the constants of a loop's condition stand first."""
    first = eqn.params.get("cond_nconsts", 0) if param == "cond_jaxpr" else 0
    return [*eqn.invars[:first], *eqn.invars[len(eqn.invars) - count + first :]]


def _is_call(eqn: Eqn, body: ClosedJaxpr) -> bool:
    same_inputs = len(body.jaxpr.invars) == len(eqn.invars) and len(body.jaxpr.outvars) == len(eqn.outvars)
    return same_inputs and eqn.primitive.name not in ("scan", "while", "cond")


def _number(value: Any, aval: ShapedArray) -> str:
    """A constant without its dtype: `2.0`, `[1.0, 2.0]`."""
    if aval.shape:
        items = ", ".join(_number(x, ShapedArray(aval.shape[1:], aval.dtype)) for x in value)
        return f"[{items}]"
    return format_literal(Literal(value, aval)).rpartition(":")[0]


def _param_lines(eqn: Eqn) -> list[str]:
    shown = [
        _cut(f"{name}={format_param(value)}")
        for name, value in sorted(eqn.params.items())
        if name not in _IMPLIED
        and value is not None
        and value is not False
        and value != ()
        and not isinstance(value, ClosedJaxpr)
        and not (isinstance(value, tuple) and any(isinstance(x, ClosedJaxpr) for x in value))
        and not callable(value)
    ]
    return shown[:2] + (["..."] if len(shown) > 2 else [])


def _aval_lines(avals: Iterable[ShapedArray]) -> list[str]:
    texts = [aval.str_short() for aval in avals]
    return [_cut(", ".join(texts))] if texts else []


def _place(source: Source) -> str:
    origin = f" ({_cut(source.origin)})" if source.origin else ""
    return f"{source.file.replace(chr(92), '/').rpartition('/')[2]}:{source.line}{origin}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "\u2026"


def _shortened(text: str) -> tuple[str, ...]:
    lines = text.splitlines()
    if len(lines) > _TALLEST:
        lines = [*lines[: _TALLEST - 1], f"\u2026 ({len(lines) - _TALLEST + 1} more lines)"]
    return tuple(_cut(line) for line in lines)
