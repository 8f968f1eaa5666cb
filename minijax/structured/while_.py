"""`while`: a loop that runs as long as a predicate of its carry holds.

    c:f32[] = while[body_jaxpr={ ... } body_nconsts=1 cond_jaxpr={ ... } cond_nconsts=0] k a

In: constants of the predicate, constants of the body, the carry. Out: the first carry for which the predicate is false.

Reverse mode must read the residuals of the steps from the last to the first, and how many there are is known only when the loop
has run. Where the operands have values, it is run once to count its steps; then it is a `scan` of that length, which has
all rules (with `checkpoint_every=k`, segments of k steps that keep only their first carry). Where they have none (under jit, in bodies,
in vmap) its derivative is a `deferred_jvp` equation, whose transpose does the same when values arrive.

Batched, the loop runs until every example is done; those that are done keep their carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..array import Array, raw
from ..interpreters.batch import batch_jaxpr, materialize
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..ir import ClosedJaxpr, Jaxpr, Kind, Primitive, ShapedArray, aval_like, known_value, trace_function
from ..ir.passes.dce import dce, dce_jaxpr
from ..primitives._ops import p
from ._bodies import (
    Flags,
    check_operands,
    chosen,
    fixpoint,
    is_concrete,
    linearize_inside,
    merged,
    nonzero_flags,
    retraced,
    retyped,
    run_loop,
    split_list,
    with_carry_types,
    with_zeros,
    without_side_effects,
)
from ._taylor import while_jet
from .conditional_checks import has_checks, under_condition
from .deferred import deferred_tangents

__all__ = ["segmented", "while_"]


def _bind(
    cond: ClosedJaxpr,
    body: ClosedJaxpr,
    cond_consts: Sequence[Any],
    body_consts: Sequence[Any],
    carry: Sequence[Any],
    checkpoint_every: int | None,
) -> list[Any]:
    return while_.bind(  # type: ignore[no-any-return]
        *cond_consts,
        *body_consts,
        *carry,
        cond_jaxpr=cond,
        body_jaxpr=body,
        cond_nconsts=len(cond_consts),
        body_nconsts=len(body_consts),
        **segmented(checkpoint_every),
    )


def segmented(checkpoint_every: int | None) -> dict[str, int]:
    """The param `checkpoint_every`, there only if it is asked for."""
    return {} if checkpoint_every is None else {"checkpoint_every": checkpoint_every}


def _abstract(
    *avals: ShapedArray,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
    checkpoint_every: int | None = None,
) -> tuple[ShapedArray, ...]:
    cond_consts, body_consts, carry = split_list(avals, cond_nconsts, body_nconsts)
    check_operands("while", [*cond_consts, *carry], cond_jaxpr.in_avals)
    check_operands("while", [*body_consts, *carry], body_jaxpr.in_avals)
    if [(a.shape, a.dtype) for a in body_jaxpr.out_avals] != [(a.shape, a.dtype) for a in carry]:
        given, found = (" ".join(a.str_short() for a in side) for side in (carry, body_jaxpr.out_avals))
        raise TypeError(f"while: the carry is {given}, the body returns {found}")
    (pred,) = cond_jaxpr.out_avals
    if pred.shape != () or pred.dtype != np.bool_:
        raise TypeError(f"while: the predicate must be a boolean scalar, got {pred.str_short()}")
    return body_jaxpr.out_avals


def _evaluate(
    *args: Any, cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_nconsts: int, body_nconsts: int, **params: Any
) -> list[Array]:
    parts = split_list([raw(x) for x in args], cond_nconsts, body_nconsts)
    carry, _ = run_loop(_run, [cond_jaxpr, body_jaxpr], *parts)
    return [Array(value, aval) for value, aval in zip(carry, body_jaxpr.out_avals, strict=True)]


def _run(holds: Any, step: Any, cond_consts: list[Any], body_consts: list[Any], carry: Any) -> tuple[Any, int]:
    """(last carry, number of steps)."""
    count = 0
    while holds(*cond_consts, *carry)[0]:
        carry = step(*body_consts, *carry)
        count += 1
    return carry, count


# -- forward mode


@lru_cache(maxsize=1024)
def _pushed(
    cond: ClosedJaxpr, body: ClosedJaxpr, const_flags: Flags, carry_flags: Flags
) -> tuple[ClosedJaxpr, ClosedJaxpr, Flags]:
    """(predicate, body) over values and tangents, and which carries have a tangent."""
    num_consts, num_carry = len(const_flags), len(carry_flags)

    def step(mask: Flags) -> Any:
        pushed, found = jvp_jaxpr(body, (*const_flags, *mask), mask)
        return pushed, found

    pushed, carry_flags = fixpoint(carry_flags, step)
    consts, carry, const_ts, carry_ts = split_list(pushed.in_avals, num_consts, num_carry, sum(const_flags))

    def both(*args: Any) -> list[Any]:
        consts, const_ts, carry, tangents = split_list(args, num_consts, sum(const_flags), num_carry)
        outs = eval_closed(pushed, *consts, *carry, *const_ts, *tangents)
        typed = [retyped(t, aval) for t, aval in zip(outs[num_carry:], carry_ts, strict=True)]
        return [*outs[:num_carry], *typed]

    program = retraced(both, (*consts, *const_ts, *carry, *carry_ts), "jvp", body)
    return _ignoring(cond, carry_ts), program, carry_flags


def _ignoring(cond: ClosedJaxpr, further: Sequence[ShapedArray]) -> ClosedJaxpr:
    """The predicate of a longer carry."""
    return retraced(
        lambda *args: eval_closed(cond, *args[: len(args) - len(further)]), (*cond.in_avals, *further), "jvp", cond
    )


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
    checkpoint_every: int | None = None,
) -> tuple[list[Any], list[Any]]:
    cond_consts, body_consts, carry = split_list(primals, cond_nconsts, body_nconsts)
    _, const_ts, carry_ts = split_list(tangents, cond_nconsts, body_nconsts)
    const_flags = nonzero_flags(const_ts)
    cond, body, mask = _pushed(cond_jaxpr, body_jaxpr, const_flags, nonzero_flags(carry_ts))
    started = [with_zeros(t, aval_like(x)) for t, x, flag in zip(carry_ts, carry, mask, strict=True) if flag]
    consts = [*body_consts, *chosen(const_ts, const_flags)]
    outs = _bind(cond, body, cond_consts, consts, [*carry, *started], checkpoint_every)
    return outs[: len(mask)], merged(mask, outs[len(mask) :], [None] * len(mask))


# -- linearize


def _partial_eval(
    primals: Sequence[Any], tangents: Sequence[Any], **params: Any
) -> tuple[Sequence[Any], Sequence[Any]]:
    if not is_concrete(primals):
        return while_.bind(*primals, **params), deferred_tangents(_program(primals, params), primals, tangents)
    count = _count(primals, params)
    cond_nconsts = params["cond_nconsts"]
    loop = _counted(params["body_jaxpr"], params["body_nconsts"], count, params.get("checkpoint_every"))
    return linearize_inside(loop, primals[cond_nconsts:], tangents[cond_nconsts:])


def _program(primals: Sequence[Any], params: dict[str, Any]) -> ClosedJaxpr:
    """The loop alone, as a program of its operands."""
    avals = tuple(aval_like(x) for x in primals)
    return _one_loop(avals, tuple(sorted(_run_again(params).items())))


@lru_cache(maxsize=512)
def _one_loop(avals: tuple[ShapedArray, ...], params: tuple[tuple[str, Any], ...]) -> ClosedJaxpr:
    return trace_function(lambda *args: while_.bind(*args, **dict(params)), avals, purpose="while", name="while")


def _count(primals: Sequence[Any], params: dict[str, Any]) -> int:
    """The number of steps, at operands that have values."""
    values = [known_value(x) for x in primals]
    parts = split_list(values, params["cond_nconsts"], params["body_nconsts"])
    again = _run_again(params)
    return run_loop(_run, [again["cond_jaxpr"], again["body_jaxpr"]], *parts)[1]  # type: ignore[no-any-return]


def _run_again(params: dict[str, Any]) -> dict[str, Any]:
    """The params of a loop that is run once more for its derivative: callbacks and checks are run once."""
    return {**params, **{name: without_side_effects(params[name]) for name in ("cond_jaxpr", "body_jaxpr")}}


@lru_cache(maxsize=512)
def _counted(body: ClosedJaxpr, num_consts: int, count: int, checkpoint_every: int | None) -> ClosedJaxpr:
    """`count` steps of the body, as a program of (its constants, the carry)."""
    every = checkpoint_every or count
    segments, rest = divmod(count, every) if every else (0, 0)

    def steps(length: int, args: Sequence[Any], step: ClosedJaxpr = body) -> list[Any]:
        return p.scan(  # type: ignore[no-any-return]
            *args,
            jaxpr=step,
            length=length,
            reverse=False,
            num_consts=num_consts,
            num_carry=len(args) - num_consts,
            unroll=1,
        )

    def loop(*args: Any) -> list[Any]:
        if segments > 1:
            args = (*args[:num_consts], *steps(segments, args, _segment(body, lambda *xs: steps(every, xs))))
        elif segments:
            args = (*args[:num_consts], *steps(every, args))
        return steps(rest, args) if rest else list(args[num_consts:])

    return retraced(loop, body.in_avals, "linearize", body)


def _segment(body: ClosedJaxpr, steps: Any) -> ClosedJaxpr:
    """Some steps that keep only where they started."""
    inner = retraced(steps, body.in_avals, "checkpoint", body)
    params = {"policy": None, "prevent_cse": False, "differentiated": False}
    return retraced(lambda *args: p.checkpoint(*args, jaxpr=inner, **params), body.in_avals, "checkpoint", body)


# -- batch, dead code


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
    checkpoint_every: int | None = None,
    batch_axis_name: Any = None,
) -> tuple[list[Any], list[int | None]]:
    parts = split_list(args, cond_nconsts, body_nconsts)
    cond_axes, body_axes, carry_axes = (tuple(part) for part in split_list(axes, cond_nconsts, body_nconsts))
    every = (True,) * len(carry_axes)

    def step(mask: Flags) -> Any:
        in_axes = tuple(0 if flag else None for flag in mask)
        _, (pred_axis,) = batch_jaxpr(cond_jaxpr, size, (*cond_axes, *in_axes), batch_axis_name)
        if pred_axis is not None:  # the examples stop at different steps: each has its own carry
            mask, in_axes = every, (0,) * len(every)
        stepping, step_axes = body_jaxpr, (*body_axes, *in_axes)
        if pred_axis is not None and has_checks(body_jaxpr):
            stepping, step_axes = under_condition(body_jaxpr), (0, *step_axes)
        body, out_axes = batch_jaxpr(stepping, size, step_axes, batch_axis_name, mask)
        return (body, pred_axis is not None), tuple(axis is not None for axis in out_axes)

    (body, own_pred), mask = fixpoint(tuple(axis is not None for axis in carry_axes), step)
    cond_consts, body_consts, carry = parts
    carry_in = [materialize(x, a, size, 0 if f else None) for x, a, f in zip(carry, carry_axes, mask, strict=True)]
    in_axes = tuple(0 if flag else None for flag in mask)
    if not own_pred:
        cond, _ = batch_jaxpr(cond_jaxpr, size, (*cond_axes, *in_axes), batch_axis_name)
        body = with_carry_types(body, body_nconsts, len(carry_in))
        return _bind(cond, body, cond_consts, body_consts, carry_in, checkpoint_every), list(in_axes)
    consts = [
        *(materialize(x, a, size, None if a is None else 0) for x, a in zip(cond_consts, cond_axes, strict=True)),
    ]
    const_axes = tuple(None if a is None else 0 for a in cond_axes)
    holds, masked = _masked(cond_jaxpr, body, size, const_axes, body_nconsts, batch_axis_name)
    outs = _bind(holds, masked, consts, [*consts, *body_consts], carry_in, checkpoint_every)
    return outs, list(in_axes)


@lru_cache(maxsize=512)
def _masked(
    cond: ClosedJaxpr,
    body: ClosedJaxpr,
    size: int,
    const_axes: tuple[int | None, ...],
    body_nconsts: int,
    axis_name: Any,
) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """(whether some example goes on, the step of those that do)."""
    asks = has_checks(body)  # then the first input of the body says which examples go on
    body_avals = body.in_avals[asks:]
    _, carry_avals = split_list(body_avals, body_nconsts)
    each, _ = batch_jaxpr(cond, size, (*const_axes, *(0,) * len(carry_avals)), axis_name, (True,))
    num_consts = len(const_axes)

    def some(*args: Any) -> list[Any]:
        return [p.reduce_or(eval_closed(each, *args)[0], axes=(0,))]

    def step(*args: Any) -> list[Any]:
        cond_consts, body_consts, carry = split_list(args, num_consts, body_nconsts)
        (going,) = eval_closed(each, *cond_consts, *carry)
        outs = eval_closed(body, *([going] if asks else []), *body_consts, *carry)
        return [
            retyped(_where(going, retyped(new, aval), old), aval)
            for new, old, aval in zip(outs, carry, carry_avals, strict=True)
        ]

    holds = retraced(some, each.in_avals, "vmap", cond)
    masked = retraced(step, (*each.in_avals[:num_consts], *body_avals), "vmap", body)
    return holds, masked


def _where(going: Any, new: Any, old: Any) -> Any:
    shape = aval_like(new).shape
    if len(shape) > 1:
        going = p.broadcast_in_dim(going, shape=shape, broadcast_dimensions=(0,))
    return p.select_n(going, old, new)


def _dce(params: dict[str, Any], used: Sequence[bool]) -> tuple[dict[str, Any], list[bool], list[bool]]:
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    cond_nconsts, body_nconsts = params["cond_nconsts"], params["body_nconsts"]
    _, cond_reads = dce_jaxpr(cond, [True])

    def step(mask: Flags) -> tuple[list[bool], Flags]:
        _, reads = dce_jaxpr(body, mask)
        return reads, tuple(reads[body_nconsts:])

    started = tuple(a or b for a, b in zip(used, cond_reads[cond_nconsts:], strict=True))
    reads, mask = fixpoint(started, step)
    kept = [*cond_reads[:cond_nconsts], *reads[:body_nconsts], *mask]
    new_cond = _reduced(cond, [*cond_reads[:cond_nconsts], *mask], [True])
    new_body = _reduced(body, [*reads[:body_nconsts], *mask], mask)
    counts = {"cond_nconsts": sum(cond_reads[:cond_nconsts]), "body_nconsts": sum(reads[:body_nconsts])}
    return {**params, "cond_jaxpr": new_cond, "body_jaxpr": new_body, **counts}, kept, list(mask)


def _reduced(closed: ClosedJaxpr, inputs: Sequence[bool], outputs: Sequence[bool]) -> ClosedJaxpr:
    if all(inputs) and all(outputs):
        return dce(closed)
    jaxpr: Jaxpr = closed.jaxpr
    fewer = jaxpr.replace(invars=chosen(jaxpr.invars, inputs), outvars=chosen(jaxpr.outvars, outputs))
    return dce(ClosedJaxpr(fewer, closed.consts))


while_ = Primitive(
    "while",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    batch=_batch,
    dce=_dce,
    jet=while_jet,
    lower="while",
    params={
        "body_jaxpr": ClosedJaxpr,
        "body_nconsts": int,
        "checkpoint_every": int,
        "cond_jaxpr": ClosedJaxpr,
        "cond_nconsts": int,
    },
    multiple_results=True,
    doc="""A loop. Operands: constants of the predicate, constants of the body, the carry; results: the carry when the
    predicate is false. The derivative is that of the steps taken: d carry' = d body . d carry; the predicate has none.
    With `checkpoint_every=k`, reverse mode keeps every k-th carry only.""",
)
