"""What equations with bodies share: closing bodies over outer tracers, mask fixpoints, splitting and rewiring programs.

A rule of a loop or branch asks three things again and again: *which* operands are active (have a tangent, are mapped,
are read), a mask that grows until the body agrees with it (`fixpoint`, written once); *what the body becomes* then
(`retraced` gives it the operands and results that the equation needs); and how to run it on NumPy values (`run_loop`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from ..array import Array, raw
from ..config import config
from ..interpreters._zeros import instantiate
from ..interpreters.eval import eval_closed
from ..interpreters.linearize import linearize_values
from ..interpreters.straight_line import straight_line
from ..ir import (
    GUARD,
    ClosedJaxpr,
    Effect,
    Eqn,
    Jaxpr,
    ShapedArray,
    Tracer,
    Var,
    Zero,
    aval_like,
    state,
    sub_jaxprs,
    trace_function,
    value_of,
)
from ..ir.passes.inline_calls import inline_calls
from ..ir.walk import map_sub_jaxprs
from ..primitives._ops import p

__all__ = [
    "Split",
    "check_operands",
    "chosen",
    "fixpoint",
    "hoist_tracers",
    "is_concrete",
    "linearize_inside",
    "merged",
    "nonzero_flags",
    "present",
    "reads_only",
    "retraced",
    "retyped",
    "run_loop",
    "split_by_dependency",
    "split_list",
    "with_carry_types",
    "with_zeros",
    "without_side_effects",
]

Flags = tuple[bool, ...]
T = TypeVar("T")


def hoist_tracers(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    """A body whose captured outer tracers became leading inputs, and those tracers.

    A body may close over values of the traces around it. Interpreters see only operands of the equation, so these
    values must be among them; array constants stay constants.
    """
    jaxpr = closed.jaxpr
    pairs = list(zip(jaxpr.constvars, closed.consts, strict=True))
    tracers = [(var, x) for var, x in pairs if type(x) is Tracer]
    if not tracers:
        return closed, []
    arrays = [(var, x) for var, x in pairs if type(x) is not Tracer]
    opened = Jaxpr(
        [var for var, _ in arrays],
        [*(var for var, _ in tracers), *jaxpr.invars],
        jaxpr.eqns,
        jaxpr.outvars,
        jaxpr.names,
        jaxpr.effects,
    )
    return ClosedJaxpr(opened, [x for _, x in arrays]), [x for _, x in tracers]


def present(values: Sequence[Any]) -> list[Any]:
    """The values that are not None."""
    return [x for x in values if x is not None]


def chosen(values: Sequence[T], flags: Sequence[bool]) -> list[T]:
    """The values whose flag is set."""
    return [x for x, flag in zip(values, flags, strict=True) if flag]


def merged(flags: Sequence[bool], yes: Sequence[Any], no: Sequence[Any]) -> list[Any]:
    """One list from two: the next of `yes` where the flag is set, else the next of `no`."""
    from_yes, from_no = iter(yes), iter(no)
    return [next(from_yes) if flag else next(from_no) for flag in flags]


def split_list(values: Sequence[T], *sizes: int) -> list[list[T]]:
    """Consecutive parts of these sizes, and the rest."""
    parts, start = [], 0
    for size in sizes:
        parts.append(list(values[start : start + size]))
        start += size
    return [*parts, list(values[start:])]


def nonzero_flags(tangents: Sequence[Any]) -> Flags:
    """Which tangents (or cotangents) are neither None nor `Zero`."""
    return tuple(t is not None and type(t) is not Zero for t in tangents)


def fixpoint(mask: Flags, step: Callable[[Flags], tuple[T, Flags]]) -> tuple[T, Flags]:
    """Let a mask of the carry grow until the body agrees with it.

    Args:
        mask: which carried values are active on entry.
        step: `mask -> (program for this mask, which carried results are active)`.

    Returns:
        The program for the smallest stable mask, and that mask.
    """
    while True:
        program, found = step(mask)
        grown = tuple(a or b for a, b in zip(mask, found, strict=True))
        if grown == mask:
            return program, mask
        mask = grown


def with_zeros(ct: Any, aval: ShapedArray) -> Any:
    """A tangent or cotangent of a value of type `aval`, as an array: zeros where it is None."""
    return retyped(instantiate(ct, aval), aval.tangent())


def retyped(x: Any, aval: ShapedArray) -> Any:
    """`x` with the weak type of `aval`: what a rule returns stands for what the function returned."""
    found = aval_like(x)
    if found.weak_type == aval.weak_type or found.dtype != aval.dtype:
        return x
    return p.convert_element_type(x, new_dtype=aval.dtype, weak_type=aval.weak_type)


def retraced(
    function: Callable[..., Sequence[Any]], in_avals: Sequence[ShapedArray], purpose: str, like: ClosedJaxpr
) -> ClosedJaxpr:
    """The program of `function`, named as the body `like` that it was made from."""
    return trace_function(function, in_avals, purpose=purpose, name=like.jaxpr.names.function)


@lru_cache(maxsize=1024)
def with_carry_types(body: ClosedJaxpr, num_consts: int, num_carry: int) -> ClosedJaxpr:
    """The body of a loop with the weak types of the carry going out as they come in."""
    wanted = body.in_avals[num_consts : num_consts + num_carry]
    if wanted == body.out_avals[:num_carry]:
        return body

    def typed(*args: Any) -> list[Any]:
        outs = eval_closed(body, *args)
        return [*(retyped(x, aval) for x, aval in zip(outs, wanted, strict=False)), *outs[num_carry:]]

    names = body.jaxpr.names
    program = trace_function(typed, body.in_avals, purpose=names.traced_for, name=names.function)
    return ClosedJaxpr(program.jaxpr, program.consts, body.recurs)


@lru_cache(maxsize=512)
def without_side_effects(closed: ClosedJaxpr) -> ClosedJaxpr:
    """A program without the equations that are there for their effect alone (guards stay)."""
    if not closed.effects:
        return closed
    eqns = [
        map_sub_jaxprs(eqn, without_side_effects)
        for eqn in closed.jaxpr.eqns
        if eqn.outvars or not eqn.effects or GUARD in eqn.effects
    ]
    return ClosedJaxpr(closed.jaxpr.replace(eqns=[eqn.replace(effects=_effects(eqn)) for eqn in eqns]), closed.consts)


def _effects(eqn: Eqn) -> frozenset[Effect]:
    return eqn.primitive.effects.union(*(body.effects for _, body in sub_jaxprs(eqn)))


def reads_only(closed: ClosedJaxpr, flags: Sequence[bool]) -> set[Any]:
    """The variables of a body that depend on the flagged inputs and on constants only, without effects."""
    jaxpr = closed.jaxpr
    found: set[Any] = {*jaxpr.constvars, *chosen(jaxpr.invars, flags)}
    for eqn in jaxpr.eqns:
        if not eqn.effects and all(type(x) is not Var or x in found for x in eqn.invars):
            found.update(eqn.outvars)
    return found


class Split(NamedTuple):
    """A program in two: `known` gives (its results, residuals), `rest` maps (residuals, the other inputs) to the others."""

    known: ClosedJaxpr
    rest: ClosedJaxpr
    num_residuals: int
    out_rest: Flags


@lru_cache(maxsize=512)
def split_by_dependency(closed: ClosedJaxpr, in_rest: Flags) -> Split:
    """Split a program into what depends on the flagged inputs and what does not."""
    jaxpr = closed.jaxpr
    known = reads_only(closed, [not flag for flag in in_rest])
    first = [eqn for eqn in jaxpr.eqns if not eqn.outvars or eqn.outvars[0] in known]
    second = [eqn for eqn in jaxpr.eqns if eqn.outvars and eqn.outvars[0] not in known]
    out_rest = tuple(type(x) is Var and x not in known for x in jaxpr.outvars)
    crossing = dict.fromkeys(
        x for eqn in second for x in eqn.invars if type(x) is Var and x in known and x not in jaxpr.constvars
    )
    known_outs = [x for x, flag in zip(jaxpr.outvars, out_rest, strict=True) if not flag]
    before = jaxpr.replace(
        invars=[x for x, flag in zip(jaxpr.invars, in_rest, strict=True) if not flag],
        eqns=first,
        outvars=[*known_outs, *crossing],
    )
    after = jaxpr.replace(
        invars=[*crossing, *chosen(jaxpr.invars, in_rest)], eqns=second, outvars=chosen(jaxpr.outvars, out_rest)
    )
    return Split(ClosedJaxpr(before, closed.consts), ClosedJaxpr(after, closed.consts), len(crossing), out_rest)


@lru_cache(maxsize=1024)
def _straight(closed: ClosedJaxpr) -> Callable[..., Sequence[Any]] | None:
    return straight_line(inline_calls(closed))


def run_loop(loop: Callable[..., Any], bodies: Sequence[ClosedJaxpr], *args: Any) -> Any:
    """Call `loop(*functions, *args)`, the functions running `bodies` on NumPy values.

    Where all bodies are straight lines of NumPy calls, floating-point warnings are switched off once around the whole
    loop. (A context cannot be entered twice, and what evaluates equations enters it for each.)
    """
    lines = [None if config.debugging else _straight(body) for body in bodies]
    if None not in lines:
        return state.context.run(loop, *lines, *args)
    return loop(*map(_function, bodies, lines), *args)


def _function(body: ClosedJaxpr, line: Callable[..., Sequence[Any]] | None) -> Callable[..., Sequence[Any]]:
    if line is not None:
        return lambda *values: state.context.run(line, *values)
    avals = body.in_avals
    return lambda *values: [raw(x) for x in eval_closed(body, *map(Array, values, avals))]


def is_concrete(values: Sequence[Any]) -> bool:
    """Whether every value exists now, and the program being recorded is used at these values only.

    Under jit and in bodies a traced value stands for others to come, even if its value at this call is known.
    """
    if state.staging is not None:
        return False
    for x in values:
        while type(x) is Tracer:
            if x._trace.staging:
                return False
            x = value_of(x)
            if x is None:
                return False
    return True


def linearize_inside(
    closed: ClosedJaxpr, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """(results, result tangents) of a program within a linearization: its linear part joins the one being recorded."""
    flags = nonzero_flags(tangents)
    outs, linear, out_flags = linearize_values(closed.jaxpr, closed.consts, primals, flags)
    found = iter(eval_closed(linear, *chosen(tangents, flags)))
    return outs, [next(found) if flag else None for flag in out_flags]


def check_operands(name: str, avals: Sequence[ShapedArray], wanted: Sequence[ShapedArray]) -> None:
    """Raise TypeError unless the operands of a loop or branch fit the inputs of its body."""
    if len(avals) != len(wanted):
        raise TypeError(f"{name}: the body takes {len(wanted)} operands, got {len(avals)}")
    for number, (given, aval) in enumerate(zip(avals, wanted, strict=True)):
        if (given.shape, given.dtype) != (aval.shape, aval.dtype):
            raise TypeError(f"{name}: operand {number} is {given.str_short()}, the body takes {aval.str_short()}")
