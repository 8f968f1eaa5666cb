"""What was computed: run a program once and write on its graph what each equation gave, and what it cost.

In: a program, its arguments, its graph. Out: the graph with value lines ("= 0.84", "mean 0.3, min -1, max 4.1"), marks
where a result is not finite, the branches of a `cond` that did not run dashed, the rounds of a `while` counted. The
program is evaluated equation by equation, bodies of calls and chosen branches too, under the ids of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..array import as_value
from ..interpreters.eval import eval_closed
from ..ir import Atom, ClosedJaxpr, Eqn, Jaxpr, Kind, Literal, Var, guard, sub_jaxprs
from ..ir.costs import cost_of
from .graph import Cluster, Cost, Graph, Mark
from .structured import is_call

__all__ = ["Run", "equations_of", "evaluate", "summary", "with_costs", "with_values"]

_SMALL = 6  # elements of an array that is shown in full
_COMPARED = {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!="}


@dataclass(slots=True)
class Run:
    """What an evaluation found, by id.

    Attributes:
        results: of equations, inputs, constants and outputs.
        questions: of guards: the comparison that was asked, with numbers: `12.5 > 0`; and how far it is from flipping.
        chosen: of `cond` equations: the branch that ran.
        rounds: of `while` equations: how often the body ran.
    """

    results: dict[str, list[Any]] = field(default_factory=dict)
    questions: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)


def evaluate(closed: ClosedJaxpr, args: Sequence[Any]) -> Run:
    """Evaluate a program and keep everything.

    Args:
        closed: the program.
        args: its flat inputs.
    """
    run = Run()
    values = [as_value(x) for x in args]
    run.results.update({f"v{index}": [value] for index, value in enumerate(values)})
    outs = _evaluate_body(closed, values, "", "e", run)
    run.results.update({f"o{index}": [value] for index, value in enumerate(outs)})
    return run


def _evaluate_body(closed: ClosedJaxpr, args: Sequence[Any], scope: str, prefix: str, run: Run) -> list[Any]:
    jaxpr = closed.jaxpr
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    run.results.update({f"k{scope}{index}": [value] for index, value in enumerate(closed.consts)})
    made_by: dict[Atom, Eqn] = {}
    for index, eqn in enumerate(jaxpr.eqns):
        key = f"{prefix}{index}"
        xs = [x if type(x) is Literal else env[x] for x in eqn.invars]  # type: ignore[index]
        if eqn.primitive is guard:
            run.questions[key] = _question(eqn.invars[0], made_by, env)
            continue
        outs = _results(eqn, xs, key, run)
        run.results[key] = list(outs)
        env.update(zip(eqn.outvars, outs, strict=True))
        made_by.update(dict.fromkeys(eqn.outvars, eqn))
    return [x.value if type(x) is Literal else env[x] for x in jaxpr.outvars]  # type: ignore[index]


def _results(eqn: Eqn, xs: Sequence[Any], key: str, run: Run) -> Sequence[Any]:
    primitive = eqn.primitive
    if eqn.params and primitive.kind is Kind.STRUCTURED:
        if is_call(eqn):
            ((_, body),) = sub_jaxprs(eqn)
            return _evaluate_body(body, xs, f"{key}_", f"{key}_", run)
        if primitive.name == "cond":
            branches = eqn.params["branches"]
            number = min(max(int(np.asarray(_plain(xs[0]))), 0), len(branches) - 1)
            run.chosen[key] = number
            return _evaluate_body(branches[number], xs[1:], f"{key}_{number}_", f"{key}_{number}_", run)
        if primitive.name == "while":
            return _rounds(eqn, xs, key, run)
    outs = primitive.bind(*xs, **eqn.params)
    return outs if primitive.multiple_results else (outs,)


def _rounds(eqn: Eqn, xs: Sequence[Any], key: str, run: Run) -> list[Any]:
    test, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    num_test = len(test.jaxpr.invars) - len(eqn.outvars)
    num_body = len(body.jaxpr.invars) - len(eqn.outvars)
    test_consts, body_consts = list(xs[:num_test]), list(xs[num_test : num_test + num_body])
    carry = list(xs[num_test + num_body :])
    run.rounds[key] = 0
    while bool(np.asarray(_plain(eval_closed(test, *test_consts, *carry)[0]))):
        carry = list(eval_closed(body, *body_consts, *carry))
        run.rounds[key] += 1
    return carry


def _question(atom: Atom, made_by: dict[Atom, Eqn], env: dict[Var, Any]) -> tuple[str, float | None]:
    """The comparison behind a guard, with numbers, and its distance from the other answer."""
    eqn = made_by.get(atom)
    if eqn is None or eqn.primitive.name not in _COMPARED:
        return "", None
    a, b = (np.asarray(_plain(x if type(x) is Literal else env[x])) for x in eqn.invars)  # type: ignore[index]
    if a.size != 1 or b.size != 1:
        return "", None
    distance = None if a.dtype.kind not in "fiu" else abs(float(a) - float(b))
    return f"{_scalar(a.reshape(())[()])} {_COMPARED[eqn.primitive.name]} {_scalar(b.reshape(())[()])}", distance


def _plain(x: Any) -> Any:
    return x.value if type(x) is Literal else x


# --- in words -------------------------------------------------------------------------------------------------


def summary(value: Any) -> tuple[str, str]:
    """(a few words about a value, what is wrong with it).

    Example:
        >>> import numpy as np
        >>> summary(np.float32(0.5)), summary(np.array([1.0, np.nan]))
        (('= 0.5', ''), ('= [1 nan]', '1 NaN'))
    """
    array = np.asarray(_plain(value))
    if array.dtype.kind not in "biufc" and array.dtype.name != "bfloat16":
        return "", ""
    if array.dtype.kind not in "biufc":
        array = array.astype(np.float32)
    wrong = _wrong(array)
    if array.size == 0:
        return "empty", wrong
    if array.size <= _SMALL and array.ndim <= 1:
        text = _scalar(array[()]) if array.ndim == 0 else f"[{' '.join(_scalar(x, 4) for x in array)}]"
        return f"= {text}", wrong
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true", wrong
    magnitudes = np.abs(array) if array.dtype.kind == "c" else array
    finite = magnitudes[np.isfinite(magnitudes)].astype(np.float64)
    if finite.size == 0:
        return "nothing finite", wrong
    word = "abs " if array.dtype.kind == "c" else ""
    return f"{word}mean {finite.mean():.3g}, min {finite.min():.3g}, max {finite.max():.3g}", wrong


def _wrong(array: np.ndarray) -> str:
    if array.dtype.kind not in "fc":
        return ""
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    return ", ".join(f"{count:,} {name}" for count, name in ((nan, "NaN"), (inf, "inf")) if count)


def _scalar(x: Any, digits: int = 6) -> str:
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (complex, np.complexfloating)):
        return f"{complex(x):.4g}"
    return f"{float(x):.{digits}g}" if isinstance(x, (float, np.floating)) else str(int(x))


# --- on a graph -----------------------------------------------------------------------------------------------


def with_values(graph: Graph, run: Run) -> Graph:
    """The graph of a program with what `evaluate` found."""
    marks = []
    nodes = []
    for node in graph.nodes:
        if node.kind in ("equation", "result", "input", "const", "output") and node.id in run.results:
            told = [summary(value) for value in run.results[node.id]]
            node = replace(node, values=tuple(text for text, _ in told[:3] if text))
            if node.kind != "output":
                marks += [
                    Mark(node.id, "nan" if "NaN" in wrong else "inf", "error", wrong) for _, wrong in told if wrong
                ]
        elif node.kind == "guard" and run.questions.get(node.id, ("", None))[0]:
            question, distance = run.questions[node.id]
            flips = (
                ""
                if distance is None or not math.isfinite(distance)
                else f"\nflips if a side moves by {distance:.4g}"
            )
            asked, *rest = node.lines
            node = replace(
                node, lines=(f"{question} {asked[asked.index('is ') :]}", *rest), detail=node.detail + flips
            )
        nodes.append(node)
    arms = {c.id for c in graph.clusters if c.kind == "arm"}
    has_run = {f"c{key}_{taken}" for key, taken in run.chosen.items()}
    not_run = {arm for arm in arms - has_run if arm[1:].rpartition("_")[0] in run.chosen}
    clusters = tuple(_with_run(cluster, run, has_run, not_run) for cluster in graph.clusters)
    shown = replace(graph, nodes=tuple(nodes), clusters=clusters)
    idle: set[str] = set()
    for cluster in graph.clusters:  # each comes after its parent
        if cluster.id in not_run or cluster.parent in idle:
            idle.add(cluster.id)
    frame_of = {node.id: node.cluster for node in graph.nodes}
    edges = [
        replace(edge, kind="other") if edge.kind == "chosen" and frame_of[edge.head] in idle else edge
        for edge in graph.edges
    ]
    return replace(shown, edges=tuple(edges)).marked(marks)


def _with_run(cluster: Cluster, run: Run, has_run: set[str], not_run: set[str]) -> Cluster:
    key = cluster.id[1:]
    if cluster.id in not_run:
        return replace(cluster, ran=False, title=f"{cluster.title}, not run")
    if cluster.id in has_run:
        return replace(cluster, ran=True, title=f"{cluster.title}, ran")
    if key in run.rounds and cluster.kind == "while":
        times = run.rounds[key]
        return replace(cluster, title=f"{cluster.title}: {times:,} round{'' if times == 1 else 's'}")
    return cluster


def equations_of(program: ClosedJaxpr | Jaxpr, prefix: str = "e") -> Iterator[tuple[str, Eqn]]:
    """Every equation with its id in the graph, those of bodies after the equation that holds them."""
    eqns = program.eqns
    for index, eqn in enumerate(eqns):
        key = f"{prefix}{index}"
        yield key, eqn
        if eqn.params:
            call = is_call(eqn)
            for number, (_, body) in enumerate(sub_jaxprs(eqn)):
                yield from equations_of(body, f"{key}_" if call else f"{key}_{number}_")


def with_costs(graph: Graph, program: ClosedJaxpr) -> Graph:
    """The graph with the work of each equation, and a note with the total (of bodies: once through)."""
    costs = {
        key: Cost(*cost_of(eqn)) for key, eqn in equations_of(program) if eqn.primitive.kind is not Kind.STRUCTURED
    }
    nodes = [replace(n, cost=costs[n.id]) if n.kind == "equation" and n.id in costs else n for n in graph.nodes]
    return replace(graph, nodes=tuple(nodes))
