"""`scan`: a loop of fixed length that carries values and stacks results.

    c:f32[] d:f32[3] = scan[jaxpr={ lambda ; k:f32[] s:f32[] x:f32[]. let ... in (s', y) } length=3 num_carry=1 num_consts=1 reverse=False unroll=1] k s xs

In: constants (the same in every step), the carry at the start, arrays `xs` whose leading axis is the steps. Out: the last
carry, and the results of the steps stacked. Every rule lifts a Jaxpr-to-Jaxpr function through the body:

- jvp: one loop over (carry, its tangent);
- linearize: a loop that computes the carry and stacks residuals, and a linear loop that reads them. Residuals that no step changes
  are computed once outside, those that are operands already are not copied;
- transpose: the linear loop from the other end; cotangents of constants add up in the carry;
- batch: one loop over batches.

(Radul et al. 2023, "You Only Linearize Once", on loops; Griewank & Walther 2008, chapter 4.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..array import Array, raw
from ..config import config
from ..interpreters.batch import batch_jaxpr, materialize
from ..interpreters.eval import eval_closed
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, aval_like
from ..ir.passes.dce import dce, dce_jaxpr
from ._bodies import (
    Flags,
    check_operands,
    chosen,
    fixpoint,
    merged,
    nonzero_flags,
    retraced,
    run_loop,
    split_by_dependency,
    split_list,
    with_carry_types,
    with_zeros,
)
from ._taylor import scan_jet
from .scan_bodies import carries_that_become_linear, linearized_body, pushed_body, transposed_body

__all__ = ["scan"]


class _Loop(NamedTuple):
    """The params of a scan beside its body, which most rules only pass on."""

    length: int
    reverse: bool
    unroll: int

    def bind(self, body: ClosedJaxpr, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        return scan.bind(  # type: ignore[no-any-return]
            *consts,
            *carry,
            *xs,
            jaxpr=body,
            length=self.length,
            reverse=self.reverse,
            num_consts=len(consts),
            num_carry=len(carry),
            unroll=self.unroll,
        )

    def backwards(self) -> _Loop:
        return self._replace(reverse=not self.reverse)


def _abstract(
    *avals: ShapedArray, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, unroll: int
) -> tuple[ShapedArray, ...]:
    consts, carry, xs = split_list(avals, num_consts, num_carry)
    for aval in xs:
        if not aval.shape or aval.shape[0] != length:
            raise TypeError(f"scan of length {length}: an operand to scan over has type {aval.str_short()}")
    check_operands("scan", [*consts, *carry, *(aval.update(shape=aval.shape[1:]) for aval in xs)], jaxpr.in_avals)
    carry_out, ys = jaxpr.out_avals[:num_carry], jaxpr.out_avals[num_carry:]
    if [(a.shape, a.dtype) for a in carry_out] != [(a.shape, a.dtype) for a in carry]:
        given, found = (" ".join(a.str_short() for a in side) for side in (carry, carry_out))
        raise TypeError(f"scan: the carry is {given}, the body returns {found}")
    return (*carry_out, *(aval.update(shape=(length, *aval.shape)) for aval in ys))


def _evaluate(
    *args: Any, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, unroll: int
) -> list[Array]:
    consts, carry, xs = split_list([raw(x) for x in args], num_consts, num_carry)
    outs = run_loop(_run, [jaxpr], consts, carry, xs, length, reverse, jaxpr.out_avals[num_carry:])
    avals = _abstract(
        *map(aval_like, args),
        jaxpr=jaxpr,
        length=length,
        reverse=reverse,
        num_consts=num_consts,
        num_carry=num_carry,
        unroll=unroll,
    )
    return [Array(value, aval) for value, aval in zip(outs, avals, strict=True)]


def _run(
    step: Any,
    consts: list[Any],
    carry: list[Any],
    xs: list[Any],
    length: int,
    reverse: bool,
    y_avals: Sequence[ShapedArray],
) -> list[Any]:
    ys = [np.empty((length, *aval.shape), aval.dtype) for aval in y_avals]
    num_carry = len(carry)
    for i in reversed(range(length)) if reverse else range(length):
        outs = step(*consts, *carry, *[x[i] for x in xs])
        carry = outs[:num_carry]
        for y, out in zip(ys, outs[num_carry:], strict=True):
            y[i] = out
    return [*carry, *ys]


# -- forward mode


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    **loop: Any,
) -> tuple[list[Any], list[Any]]:
    nonzero = nonzero_flags(tangents)
    body, carry_flags, y_flags = pushed_body(jaxpr, num_consts, num_carry, nonzero)
    consts, carry, xs = split_list(primals, num_consts, num_carry)
    const_ts, carry_ts, x_ts = split_list(tangents, num_consts, num_carry)
    const_flags, _, x_flags = split_list(nonzero, num_consts, num_carry)
    outs = _Loop(**loop).bind(
        body,
        [*consts, *chosen(const_ts, const_flags)],
        [*carry, *_started(carry_ts, carry_flags, jaxpr.in_avals[num_consts:])],
        [*xs, *chosen(x_ts, x_flags)],
    )
    carry_out, carry_ts_out, ys, y_ts = split_list(outs, num_carry, sum(carry_flags), len(y_flags))
    found = merged((*carry_flags, *y_flags), [*carry_ts_out, *y_ts], [None] * (len(nonzero) + len(y_flags)))
    return [*carry_out, *ys], found


def _started(tangents: Sequence[Any], flags: Flags, avals: Sequence[ShapedArray]) -> list[Any]:
    """The flagged tangents of the carry as arrays: a carry may gain its tangent in the loop."""
    return [with_zeros(t, aval) for t, flag, aval in zip(tangents, flags, avals, strict=False) if flag]


# -- linearize


def _partial_eval(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    **loop: Any,
) -> tuple[list[Any], list[Any]]:
    nonzero = nonzero_flags(tangents)
    split = linearized_body(jaxpr, num_consts, num_carry, nonzero)
    consts, carry, xs = split_list(primals, num_consts, num_carry)
    const_ts, carry_ts, x_ts = split_list(tangents, num_consts, num_carry)
    const_flags, _, x_flags = split_list(nonzero, num_consts, num_carry)
    outs = _Loop(**loop).bind(split.known, consts, carry, xs)
    moving = [xs[i] if where == "x" else outs[i] for where, i in split.stacked]
    carry_avals = jaxpr.in_avals[num_consts:]
    found = _Loop(**loop).bind(
        split.linear,
        [*eval_closed(split.outside, *consts), *chosen(const_ts, const_flags)],
        _started(carry_ts, split.carry_flags, carry_avals),
        [*moving, *chosen(x_ts, x_flags)],
    )
    flags = (*split.carry_flags, *split.y_flags)
    return outs[: len(flags)], merged(flags, found, [None] * len(flags))


# -- transpose


def _transpose(
    ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, **loop: Any
) -> list[Any]:
    is_linear = tuple([type(x) is Linear for x in args])
    carry_linear = carries_that_become_linear(jaxpr, num_consts, num_carry, is_linear)
    if not all(carry_linear):
        return _transpose_rest(ct, args, is_linear, carry_linear, jaxpr, num_consts, _Loop(**loop))
    consts, _, xs = split_list(args, num_consts, num_carry)
    linear_consts, linear_carry, linear_xs = (tuple(p) for p in split_list(is_linear, num_consts, num_carry))
    carry_cts, y_cts = split_list(ct, num_carry)
    flags = nonzero_flags(carry_cts), nonzero_flags(y_cts)
    back = transposed_body(jaxpr, linear_consts, linear_xs, *flags, config.minijax_strong_zeros)
    const_avals = chosen(chosen([x.aval for x in consts], linear_consts), back.const_flags)
    out_avals = jaxpr.out_avals
    outs = (
        _Loop(**loop)
        .backwards()
        .bind(
            back.body,
            [x for x in consts if type(x) is not Linear],
            [*(with_zeros(None, a) for a in const_avals), *_started(carry_cts, back.carry_flags, out_avals)],
            [*(x for x in xs if type(x) is not Linear), *chosen(y_cts, nonzero_flags(y_cts))],
        )
    )
    sums, carry_out, x_cts = split_list(outs, len(const_avals), sum(back.carry_flags))
    found_consts = merged(back.const_flags, sums, [None] * len(linear_consts))
    found_carry = merged(back.carry_flags, carry_out, [None] * num_carry)
    found_xs = merged(back.x_flags, x_cts, [None] * len(linear_xs))
    return [
        *merged(linear_consts, found_consts, [None] * num_consts),
        *(c if flag else None for c, flag in zip(found_carry, linear_carry, strict=True)),
        *merged(linear_xs, found_xs, [None] * len(linear_xs)),
    ]


def _transpose_rest(
    ct: Sequence[Any],
    args: Sequence[Any],
    is_linear: Sequence[bool],
    carry_linear: Flags,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    loop: _Loop,
) -> list[Any]:
    """Transpose a loop that carries values beside tangents (a counter, say): run those first, then the linear loop."""
    num_carry = len(carry_linear)
    consts, carry, xs = split_list(args, num_consts, num_carry)
    const_flags, _, x_flags = split_list(is_linear, num_consts, num_carry)
    split = split_by_dependency(jaxpr, (*const_flags, *carry_linear, *x_flags))
    not_linear = [[not flag for flag in flags] for flags in (const_flags, carry_linear, x_flags)]
    known = loop.bind(split.known, *(chosen(v, f) for v, f in zip((consts, carry, xs), not_linear, strict=True)))
    residuals = known[len(known) - split.num_residuals :]
    num_linear_consts, num_linear_carry = sum(const_flags), sum(carry_linear)

    def body(*inputs: Any) -> list[Any]:
        head, moving, rest = split_list(inputs, num_linear_consts + num_linear_carry, split.num_residuals)
        return eval_closed(split.rest, *moving, *head, *rest)

    avals = split.rest.in_avals
    residual_avals, head_avals, x_avals = split_list(avals, split.num_residuals, num_linear_consts + num_linear_carry)
    linear = retraced(body, (*head_avals, *residual_avals, *x_avals), "transpose", jaxpr)
    found = iter(
        _transpose(
            chosen(ct, split.out_rest),
            *chosen(consts, const_flags),
            *chosen(carry, carry_linear),
            *residuals,
            *chosen(xs, x_flags),
            jaxpr=linear,
            num_consts=num_linear_consts,
            num_carry=num_linear_carry,
            **loop._asdict(),
        )
    )
    heads = [next(found) if flag else None for flag in (*const_flags, *carry_linear)]
    for _ in residuals:
        next(found)
    return [*heads, *(next(found) if flag else None for flag in x_flags)]


# -- batch, dead code


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    batch_axis_name: Any = None,
    **loop: Any,
) -> tuple[list[Any], list[int | None]]:
    const_axes, carry_axes, x_axes = split_list(axes, num_consts, num_carry)
    step_axes = [None if axis is None else 0 for axis in x_axes]  # the loop takes the leading axis away
    num_ys = len(jaxpr.out_avals) - num_carry

    def step(mask: Flags) -> Any:
        in_axes = (*const_axes, *(0 if flag else None for flag in mask), *step_axes)
        body, out_axes = batch_jaxpr(jaxpr, size, in_axes, batch_axis_name, (*mask, *(False,) * num_ys))
        return (body, out_axes), tuple(axis is not None for axis in out_axes[:num_carry])

    (body, out_axes), mask = fixpoint(tuple(axis is not None for axis in carry_axes), step)
    consts, carry, xs = split_list(args, num_consts, num_carry)
    outs = _Loop(**loop).bind(
        with_carry_types(body, num_consts, num_carry),
        consts,
        [materialize(x, a, size, 0 if flag else None) for x, a, flag in zip(carry, carry_axes, mask, strict=True)],
        [materialize(x, a, size, None if a is None else 1) for x, a in zip(xs, x_axes, strict=True)],
    )
    y_axes = [None if axis is None else 1 for axis in out_axes[num_carry:]]
    return outs, [*(0 if flag else None for flag in mask), *y_axes]


def _dce(params: dict[str, Any], used: Sequence[bool]) -> tuple[dict[str, Any], list[bool], list[bool]]:
    jaxpr, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    used_ys = tuple(used[num_carry:])

    def step(mask: Flags) -> tuple[list[bool], Flags]:
        _, reads = dce_jaxpr(jaxpr, (*mask, *used_ys))
        return reads, tuple(reads[num_consts : num_consts + num_carry])

    reads, mask = fixpoint(tuple(used[:num_carry]), step)
    kept_outs = [*mask, *used_ys]
    kept_ins = [
        *reads[:num_consts],
        *mask,
        *reads[num_consts + num_carry :],
    ]  # a carry that is kept is an operand too
    if all(kept_outs) and all(kept_ins):
        return {**params, "jaxpr": dce(jaxpr)}, kept_ins, kept_outs
    whole = jaxpr.jaxpr
    reduced = whole.replace(invars=chosen(whole.invars, kept_ins), outvars=chosen(whole.outvars, kept_outs))
    closed = dce(ClosedJaxpr(reduced, jaxpr.consts))
    changed = {"jaxpr": closed, "num_consts": sum(reads[:num_consts]), "num_carry": sum(mask)}
    return {**params, **changed}, kept_ins, kept_outs


scan = Primitive(
    "scan",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    transpose=_transpose,
    batch=_batch,
    dce=_dce,
    jet=scan_jet,
    lower="scan",
    params={
        "jaxpr": ClosedJaxpr,
        "length": int,
        "num_carry": int,
        "num_consts": int,
        "reverse": bool,
        "unroll": int,
    },
    multiple_results=True,
    doc="""A loop of `length` steps. Operands: constants, the carry, arrays of shape (length, ...) read step by step (from
    the end if `reverse`). Results: the last carry, the results of the steps stacked. The derivative of the loop is the
    loop of the derivatives: d carry' = d_carry body . d carry + d_x body . dx, and its transpose runs from the other end.""",
)
