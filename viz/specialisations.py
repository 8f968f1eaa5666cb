"""The branches that a jitted function has taken in its life, as a tree.

In: the programs that `jit` keeps, each with the number of calls that ran it. Out: a graph: a diamond for each question that
programs of one signature have in common, an edge per answer with the calls that gave it, a box per program; an arm that no
call has ever taken is a dashed note with its text. It is the coverage of a function, by use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir import ClosedJaxpr, Eqn
from ..ir.branches import Branch, branches_of
from .branches import shortened
from .graph import Cluster, Edge, Graph, Node, counted, cut, one_line
from .sheet import place_of

__all__ = ["Program", "tree_graph"]


@dataclass(frozen=True, slots=True)
class Program:
    """One specialisation: the program, and how many calls ran it."""

    closed: ClosedJaxpr
    hits: int


@dataclass(slots=True)
class _Asked:
    """A question and what followed from each answer."""

    eqn: Eqn
    branch: Branch
    hits: int = 0
    answers: dict[Any, tuple[Branch, list[tuple[Program, list[_Step]]]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Step:
    """A question of a program and its answer; the rounds of a `while` are one step."""

    eqn: Eqn
    branch: Branch
    answer: Any


def tree_graph(name: str, signatures: Sequence[tuple[str, Sequence[Program]]]) -> Graph:
    """The tree.

    Args:
        name: of the function.
        signatures: for each type of arguments: its text, and the programs.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    clusters = []
    branches: list[tuple[str, Branch]] = []
    for number, (signature, programs) in enumerate(signatures):
        frame = f"c{number}"
        clusters.append(Cluster(frame, "function", cut(f"{name}({signature})")))
        root = f"v{number}"
        hits = sum(program.hits for program in programs)
        lines = (counted(hits, "call"), counted(len(programs), "specialisation"))
        nodes.append(Node(root, "input", name, lines, cluster=frame))
        todo: list[tuple[str, str, str, list[tuple[Program, list[_Step]]]]]
        hot = sorted(programs, key=lambda program: -program.hits)
        todo = [(root, "", "data", [(program, _steps(program.closed)) for program in hot])]
        while todo:
            tail, label, kind, group = todo.pop()
            key = f"e{number}_{len(nodes)}"
            edges.append(Edge(tail, key, kind, label))
            if len(group) == 1 and not group[0][1]:
                nodes.append(_leaf(key, group[0][0], frame))
                continue
            if any(not steps for _, steps in group):  # equal answers, yet two programs: nothing to ask them apart
                nodes.extend(_leaf(f"{key}_{i}", program, frame) for i, (program, _) in enumerate(group))
                edges[-1:] = [Edge(tail, f"{key}_{i}", kind, label) for i in range(len(group))]
                continue
            asked = _ask(group)
            nodes.append(_diamond(key, asked, frame))
            branches.append((key, asked.branch))
            for answer, (branch, rest) in reversed(asked.answers.items()):
                told = branch.taken.label if branch.taken is not None and branch.kind != "while" else str(answer)
                calls = counted(sum(program.hits for program, _ in rest), "call")
                todo.append((key, f"{told}: {calls}", "taken", rest))
            note = _never(key, asked, frame)
            if note is not None:
                nodes.append(note)
                edges.append(Edge(key, note.id, "untaken"))
    total = sum(len(programs) for _, programs in signatures)
    notes = (f"{counted(total, 'specialisation')} of jit({name}); dashed: arms that no call has taken.",)
    return Graph(f"jit({name})", tuple(nodes), tuple(edges), tuple(clusters), tuple(branches), notes)


def _steps(closed: ClosedJaxpr) -> list[_Step]:
    found: list[_Step] = []
    rounds = 0
    pairs = branches_of(closed)
    for index, (eqn, branch) in enumerate(pairs):
        if branch.kind == "while":
            again = index + 1 < len(pairs) and _same_place(pairs[index + 1][1], branch)
            rounds += bool(branch.outcome)
            if again and branch.outcome:
                continue
            found.append(_Step(eqn, branch, f"after {counted(rounds, 'round')}"))
            rounds = 0
        else:
            found.append(_Step(eqn, branch, branch.outcome))
    return found


def _same_place(a: Branch, b: Branch) -> bool:
    return (a.kind, a.line, a.column) == (b.kind, b.line, b.column)


def _ask(group: Sequence[tuple[Program, list[_Step]]]) -> _Asked:
    first = group[0][1][0]
    asked = _Asked(first.eqn, first.branch)
    for program, steps in group:
        asked.hits += program.hits
        asked.answers.setdefault(steps[0].answer, (steps[0].branch, []))[1].append((program, steps[1:]))
    return asked


def _diamond(key: str, asked: _Asked, frame: str) -> Node:
    branch, source = asked.branch, asked.eqn.source
    title = cut(one_line(branch.predicate or branch.operand or branch.kind))
    part = () if branch.operand == branch.predicate else (cut(one_line(branch.operand)),)
    place = () if source is None else (place_of(source),)
    return Node(key, "guard", title, (*part, counted(asked.hits, "call"), *place), "", frame, source, str(branch))


def _leaf(key: str, program: Program, frame: str) -> Node:
    lines = (counted(program.hits, "call"), counted(len(program.closed.eqns), "equation"))
    return Node(key, "leaf", "specialisation", lines, cluster=frame, detail=cut(str(program.closed), 500))


def _never(key: str, asked: _Asked, frame: str) -> Node | None:
    """The arm that no call has taken, if there is just one answer so far."""
    if len(asked.answers) != 1 or asked.branch.kind == "while" or not isinstance(asked.branch.outcome, bool):
        return None
    other = asked.branch.other
    if other is None:
        return Node(
            f"{key}n", "untaken", f"is {not asked.branch.outcome}: never", ("(which arm is not known)",), "", frame
        )
    place = "" if other.span is None else f" (line {other.span[0]})"
    lines = shortened(other.text) or ("nothing to do",)
    return Node(f"{key}n", "untaken", f"{other.label}: never{place}", lines, "", frame, detail=other.text)
