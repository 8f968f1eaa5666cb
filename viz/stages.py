"""The same function after each transformation: programs for one panel each.

In: a traced program. Out: a graph per stage. `jvp` pushes tangents forward beside the values; `linearize` leaves the part that
is linear in the tangents, with what it needs as inputs; `transpose` runs that part backwards; `batch` runs the program on
several examples at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..interpreters.batch import batch_jaxpr
from ..interpreters.jvp import jvp_jaxpr
from ..ir import ClosedJaxpr, Literal
from ..ir.jaxpr import DebugNames
from .build import graph_of
from .grad_pair import halves_of
from .graph import Graph

__all__ = ["STAGES", "stage_graphs"]

BATCH = 3  # examples in the batched panel


def stage_graphs(program: ClosedJaxpr, wanted: Sequence[bool], stages: Sequence[str]) -> dict[str, Graph]:
    """The graph of each stage.

    Args:
        program: what was traced.
        wanted: which inputs are differentiated.
        stages: names from `STAGES`.
    """
    return {
        stage: graph_of(_STAGES[stage](program, wanted), _NAMES[stage].format(_name(program))) for stage in stages
    }


def _traced(program: ClosedJaxpr, wanted: Sequence[bool]) -> ClosedJaxpr:
    return program


def _jvp(program: ClosedJaxpr, wanted: Sequence[bool]) -> ClosedJaxpr:
    pushed, moved = jvp_jaxpr(program, tuple(wanted))
    names, results = _inputs(program), _results(program)
    tangents = [f"d {name}" for name, flag in zip(names, wanted, strict=True) if flag]
    moving = [f"d {result}" for result, flag in zip(results, moved, strict=True) if flag]
    return _named(pushed, [*names, *tangents], [*results, *moving])


def _linear(program: ClosedJaxpr, wanted: Sequence[bool]) -> ClosedJaxpr:
    halves = halves_of(program, wanted)
    tangents = [f"d {name}" for name, flag in zip(_inputs(program), wanted, strict=True) if flag]
    moving = [f"d {result}" for result, flag in zip(_results(program), halves.results_used, strict=True) if flag]
    return _named(halves.linear, [*_kept(halves.forward, halves.num_residuals), *tangents], moving)


def _transposed(program: ClosedJaxpr, wanted: Sequence[bool]) -> ClosedJaxpr:
    halves = halves_of(program, wanted)
    cotangents = [f"ct({r})" for r, flag in zip(_results(program), halves.results_used, strict=True) if flag]
    asked = [name for name, flag in zip(_inputs(program), wanted, strict=True) if flag]
    found = [f"ct({name})" for name, flag in zip(asked, halves.inputs_reached, strict=True) if flag]
    return _named(halves.backward, [*_kept(halves.forward, halves.num_residuals), *cotangents], found)


def _batched(program: ClosedJaxpr, wanted: Sequence[bool]) -> ClosedJaxpr:
    batched, _ = batch_jaxpr(program, BATCH, (0,) * len(program.in_avals))
    return _named(batched, [f"{name}, {BATCH} examples" for name in _inputs(program)], _results(program))


_STAGES: dict[str, Callable[[ClosedJaxpr, Sequence[bool]], ClosedJaxpr]] = {
    "trace": _traced,
    "jvp": _jvp,
    "linearize": _linear,
    "transpose": _transposed,
    "batch": _batched,
}
_NAMES = {
    "trace": "{}",
    "jvp": "jvp of {}",
    "linearize": "linear part of {}",
    "transpose": "transpose of {}",
    "batch": "vmap of {}",
}
STAGES = tuple(_STAGES)


def _name(program: ClosedJaxpr) -> str:
    return program.jaxpr.names.function or "program"


def _inputs(program: ClosedJaxpr) -> list[str]:
    given = program.jaxpr.names.arg_names
    return [given[i] if i < len(given) else f"argument {i}" for i in range(len(program.in_avals))]


def _results(program: ClosedJaxpr) -> list[str]:
    paths, count = program.jaxpr.names.result_paths, len(program.out_avals)
    plain = ["result"] if count == 1 else [f"result[{i}]" for i in range(count)]
    return [paths[i] if i < len(paths) and paths[i] else plain[i] for i in range(count)]


def _kept(forward: ClosedJaxpr, count: int) -> list[str]:
    """What the residuals are: an input, or what computed them."""
    jaxpr = forward.jaxpr
    made_by = {v: eqn.primitive.name for eqn in jaxpr.eqns for v in eqn.outvars}
    made_by.update(zip(jaxpr.invars, _inputs(forward), strict=False))
    kept = jaxpr.outvars[len(jaxpr.outvars) - count :]
    return [f"kept: {'a number' if type(x) is Literal else made_by.get(x, 'a constant')}" for x in kept]


def _named(program: ClosedJaxpr, inputs: Sequence[str], results: Sequence[str]) -> ClosedJaxpr:
    names = DebugNames(program.jaxpr.names.function, "", inputs, results)
    return ClosedJaxpr(program.jaxpr.replace(names=names), program.consts)
