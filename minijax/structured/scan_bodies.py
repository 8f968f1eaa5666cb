"""What the body of a scan becomes under each transformation: Jaxpr to Jaxpr, cached by body and masks.

In: a body `(constants, carry, xs) -> (carry, ys)` and flags that say which operands are active. Out: the body of the pushed
forward, linearized or transposed loop, with its operands in the order that the new scan wants. `scan.py` binds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.linearize import linearize_jaxpr
from ..interpreters.transpose import transpose_jaxpr
from ..ir import ClosedJaxpr, Jaxpr, Literal, Var
from ..ir.passes.dce import dce
from ..ir.walk import needed_for
from ..primitives._ops import p
from ._bodies import (
    Flags,
    chosen,
    fixpoint,
    merged,
    reads_only,
    retraced,
    retyped,
    split_list,
    with_zeros,
)

__all__ = [
    "LinearizedBody",
    "TransposedBody",
    "carries_that_become_linear",
    "linearized_body",
    "pushed_body",
    "transposed_body",
]


@lru_cache(maxsize=1024)
def pushed_body(
    jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, nonzero: Flags
) -> tuple[ClosedJaxpr, Flags, Flags]:
    """(body over values and tangents, which carries have a tangent, which stacked results have one)."""
    const_flags, carry_flags, x_flags = (tuple(part) for part in split_list(nonzero, num_consts, num_carry))
    num_ys = len(jaxpr.out_avals) - num_carry

    def step(mask: Flags) -> tuple[tuple[ClosedJaxpr, Flags], Flags]:
        pushed = jvp_jaxpr(jaxpr, (*const_flags, *mask, *x_flags), (*mask, *(False,) * num_ys))
        return pushed, pushed[1][:num_carry]

    (pushed, out_flags), carry_flags = fixpoint(carry_flags, step)
    y_flags = out_flags[num_carry:]
    sizes = (num_consts, sum(const_flags), num_carry, sum(carry_flags), len(x_flags))
    avals = pushed.in_avals
    consts, carry, xs, const_ts, carry_ts, x_ts = split_list(
        avals, num_consts, num_carry, len(x_flags), sum(const_flags), sum(carry_flags)
    )

    def body(*args: Any) -> list[Any]:
        consts, const_ts, carry, carry_ts, xs, x_ts = split_list(args, *sizes)
        outs = eval_closed(pushed, *consts, *carry, *xs, *const_ts, *carry_ts, *x_ts)
        carry_out, ys, carry_ts_out, y_ts = split_list(outs, num_carry, num_ys, sum(carry_flags))
        typed = [retyped(t, aval) for t, aval in zip(carry_ts_out, carry_ts_avals, strict=True)]
        return [*carry_out, *typed, *ys, *y_ts]

    carry_ts_avals = carry_ts
    program = retraced(body, (*consts, *const_ts, *carry, *carry_ts, *xs, *x_ts), "jvp", jaxpr)
    return program, carry_flags, y_flags


class LinearizedBody(NamedTuple):
    """A body in two. `known` returns (results, residuals to stack); `linear` takes (residuals of the loop's constants,
    tangents of constants | of the carry | stacked residuals, tangents of `xs`)."""

    known: ClosedJaxpr
    outside: ClosedJaxpr  # constants -> the residuals that no step changes
    linear: ClosedJaxpr
    stacked: tuple[tuple[str, int], ...]  # where each stacked residual is: ("x", operand) or ("y", result of known)
    carry_flags: Flags
    y_flags: Flags


@lru_cache(maxsize=1024)
def linearized_body(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, nonzero: Flags) -> LinearizedBody:
    const_flags, carry_flags, x_flags = (tuple(part) for part in split_list(nonzero, num_consts, num_carry))
    num_outs = len(jaxpr.out_avals)

    def step(mask: Flags) -> Any:
        split = linearize_jaxpr(jaxpr, (*const_flags, *mask, *x_flags))
        return split, split.out_nonzero[:num_carry]

    split, carry_flags = fixpoint(carry_flags, step)
    residuals = split.known.jaxpr.outvars[num_outs:]
    unchanging = reads_only(split.known, [i < num_consts for i in range(len(jaxpr.in_avals))])
    is_outside = [type(x) is Literal or x in unchanging for x in residuals]
    known, stacked = _stacking(split.known, num_outs, num_carry, num_consts, residuals, is_outside)
    outside = _outside(split.known, num_consts, chosen(residuals, is_outside))
    num_outside, num_stacked = sum(is_outside), len(residuals) - sum(is_outside)
    carry_avals = [a.tangent() for a in chosen(jaxpr.out_avals[:num_carry], carry_flags)]
    y_flags = split.out_nonzero[num_carry:]

    def body(*args: Any) -> list[Any]:
        fixed, const_ts, carry_ts, moving, x_ts = split_list(
            args, num_outside, sum(const_flags), len(carry_avals), num_stacked
        )
        outs = iter(
            eval_closed(split.linear, *merged(is_outside, fixed, moving), *_in_order(const_ts, carry_ts, x_ts))
        )
        found = [next(outs) if flag else None for flag in split.out_nonzero]
        carry_out = [
            with_zeros(t, a) for t, a in zip(chosen(found, (*carry_flags, *no_ys)), carry_avals, strict=True)
        ]
        return [*carry_out, *(t for t in found[num_carry:] if t is not None)]

    no_ys = (False,) * (num_outs - num_carry)
    tangent_avals = split.linear.in_avals[len(residuals) :]
    const_avals, carry_in, x_avals = split_list(tangent_avals, sum(const_flags), len(carry_avals))
    by_place = [x.aval for x in residuals]
    fixed_avals, moving_avals = chosen(by_place, is_outside), chosen(by_place, [not flag for flag in is_outside])
    avals = (*fixed_avals, *const_avals, *carry_in, *moving_avals, *x_avals)
    linear = retraced(body, avals, "linearize", jaxpr)
    return LinearizedBody(known, outside, linear, stacked, carry_flags, y_flags)


def _in_order(*parts: Sequence[Any]) -> list[Any]:
    return [x for part in parts for x in part]


def _stacking(
    known: ClosedJaxpr,
    num_outs: int,
    num_carry: int,
    num_consts: int,
    residuals: Sequence[Any],
    is_outside: Sequence[bool],
) -> tuple[ClosedJaxpr, tuple[tuple[str, int], ...]]:
    """The known body with each residual that changes stacked once, and where to find each of these."""
    jaxpr = known.jaxpr
    xs = {var: i for i, var in enumerate(jaxpr.invars[num_consts + num_carry :])}
    outvars = list(jaxpr.outvars[:num_outs])
    results = {var: i for i, var in enumerate(outvars) if i >= num_carry and type(var) is Var}
    places: list[tuple[str, int]] = []
    for var, flag in zip(residuals, is_outside, strict=True):
        if flag:
            continue
        if var in xs:
            places.append(("x", xs[var]))
            continue
        if var not in results:
            results[var] = len(outvars)
            outvars.append(var)
        places.append(("y", results[var]))
    return dce(ClosedJaxpr(jaxpr.replace(outvars=outvars), known.consts)), tuple(places)


def _outside(known: ClosedJaxpr, num_consts: int, residuals: Sequence[Any]) -> ClosedJaxpr:
    jaxpr = known.jaxpr
    opened = Jaxpr(jaxpr.constvars, jaxpr.invars[:num_consts], needed_for(jaxpr, residuals), residuals, jaxpr.names)
    return ClosedJaxpr(opened, known.consts)


class TransposedBody(NamedTuple):
    """The backward body: (known constants | cotangents of linear constants, of the carry | known xs, cotangents of ys)
    -> (cotangents of linear constants, of the carry | of linear xs)."""

    body: ClosedJaxpr
    carry_flags: Flags
    const_flags: Flags  # which linear constants have a cotangent
    x_flags: Flags  # which linear xs have one


@lru_cache(maxsize=1024)
def transposed_body(
    jaxpr: ClosedJaxpr,
    linear_consts: Flags,
    linear_xs: Flags,
    carry_flags: Flags,
    y_flags: Flags,
    strong_zeros: bool,
) -> TransposedBody:
    """The last argument is the flag as it is set: what `transpose_jaxpr` gives depends on it."""
    num_carry = len(carry_flags)
    linear = (*linear_consts, *(True,) * num_carry, *linear_xs)
    num_linear_consts = sum(linear_consts)

    def step(mask: Flags) -> Any:
        pulled, found = transpose_jaxpr(jaxpr, linear, (*mask, *y_flags))
        return (pulled, found), found[num_linear_consts : num_linear_consts + num_carry]

    (pulled, found), carry_flags = fixpoint(carry_flags, step)
    const_flags, _, x_flags = (tuple(part) for part in split_list(found, num_linear_consts, num_carry))
    consts, carry, xs = split_list(jaxpr.in_avals, len(linear_consts), num_carry)
    not_linear = [not flag for flag in linear_consts], [not flag for flag in linear_xs]
    known_consts, known_xs = chosen(consts, not_linear[0]), chosen(xs, not_linear[1])
    sum_avals = [a.tangent() for a in chosen(chosen(consts, linear_consts), const_flags)]
    carry_avals = [a.tangent() for a in chosen(carry, carry_flags)]
    y_avals = [a.tangent() for a in chosen(jaxpr.out_avals[num_carry:], y_flags)]
    x_avals = [a.tangent() for a in chosen(chosen(xs, linear_xs), x_flags)]

    def body(*args: Any) -> list[Any]:
        fixed, sums, carry_cts, moving, y_cts = split_list(
            args, len(known_consts), len(sum_avals), len(carry_avals), len(known_xs)
        )
        cts = iter(eval_closed(pulled, *fixed, *moving, *carry_cts, *y_cts))
        parts = split_list([next(cts) if flag else None for flag in found], num_linear_consts, num_carry)
        added = [
            retyped(p.add(total, ct), aval)
            for total, ct, aval in zip(sums, chosen(parts[0], const_flags), sum_avals, strict=True)
        ]
        carry_out = [with_zeros(ct, a) for ct, a in zip(chosen(parts[1], carry_flags), carry_avals, strict=True)]
        x_cts = [retyped(ct, a) for ct, a in zip(chosen(parts[2], x_flags), x_avals, strict=True)]
        return [*added, *carry_out, *x_cts]

    program = retraced(body, (*known_consts, *sum_avals, *carry_avals, *known_xs, *y_avals), "transpose", jaxpr)
    return TransposedBody(program, carry_flags, const_flags, x_flags)


@lru_cache(maxsize=1024)
def carries_that_become_linear(jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, is_linear: Flags) -> Flags:
    """Which carries depend on a linear operand (a known zero may become a tangent in the loop)."""
    consts, carry, xs = split_list(is_linear, num_consts, num_carry)

    def step(mask: Flags) -> tuple[None, Flags]:
        known = reads_only(jaxpr, [not flag for flag in (*consts, *mask, *xs)])
        return None, tuple(type(x) is Var and x not in known for x in jaxpr.jaxpr.outvars[:num_carry])

    return fixpoint(tuple(carry), step)[1]
