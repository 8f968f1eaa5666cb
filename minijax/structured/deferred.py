"""`deferred_jvp`, `deferred_vjp`: derivatives that are worked out when the values arrive.

A loop whose number of steps depends on values cannot be turned around while its program is being written: the
residuals have no size yet. But its tangent map has types, and so has the transpose of that map. These equations stand for them:

    t = deferred_jvp[jaxpr=J ...] x dx        dJ(x) . dx
    c = deferred_vjp[jaxpr=J ...] x ct        dJ(x)^T . ct

They keep the inputs of J instead of residuals, and differentiate J when they are evaluated. They are closed under all
transformations: J is pushed forward or batched, and the identity

    d/dx [dJ(x)^T ct] . dx  =  the x-part of  dG(x, dx)^T (0, ct),   G(x, dx) = (J(x), dJ(x) . dx)

(symmetry of second derivatives) makes the derivative of a pullback a pullback again, linear and self-transposed in dx.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..interpreters.batch import batch_jaxpr, materialize
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.linearize import linearize_values
from ..interpreters.transpose import transpose_values
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, Zero
from ._bodies import Flags, chosen, linearize_inside, merged, nonzero_flags, retraced, retyped, split_list, with_zeros

__all__ = ["deferred_jvp", "deferred_tangents", "deferred_vjp"]


def deferred_tangents(closed: ClosedJaxpr, primals: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    """Result tangents of a program, None for zero: one `deferred_jvp` equation."""
    active = nonzero_flags(tangents)
    _, results = jvp_jaxpr(closed, active)
    if not any(results):
        return [None] * len(results)
    given = chosen(tangents, active)
    found = deferred_jvp.bind(*primals, *given, jaxpr=closed, active=active, results=results)
    return merged(results, found, [None] * len(results))


def _tangent_avals(avals: Sequence[ShapedArray], flags: Flags) -> tuple[ShapedArray, ...]:
    return tuple(aval.tangent() for aval in chosen(avals, flags))


# -- dJ(x) . dx


def _jvp_abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, active: Flags, results: Flags) -> tuple[ShapedArray, ...]:
    return _tangent_avals(jaxpr.out_avals, results)


def _pair(jaxpr: ClosedJaxpr, moving: Flags, given: Flags) -> ClosedJaxpr:
    """G(x, dx) = (J(x), dJ(x) . dx), with the tangents of the results flagged by `given` only."""
    pushed, found = jvp_jaxpr(jaxpr, moving, given)
    extra = [flag and not asked for flag, asked in zip(found, given, strict=True)]
    if not any(extra):
        return pushed
    whole, keep = pushed.jaxpr, [True] * len(found) + [not flag for flag in chosen(extra, found)]
    return ClosedJaxpr(whole.replace(outvars=chosen(whole.outvars, keep)), pushed.consts)


@lru_cache(maxsize=256)
def _tangent_program(jaxpr: ClosedJaxpr, active: Flags, results: Flags) -> ClosedJaxpr:
    """(x, dx) -> dJ(x) . dx as a plain program."""
    pushed = _pair(jaxpr, active, results)
    avals = _tangent_avals(jaxpr.out_avals, results)

    def tangents(*args: Any) -> list[Any]:
        outs = eval_closed(pushed, *args)[len(results) :]
        return [retyped(t, aval) for t, aval in zip(outs, avals, strict=True)]

    return retraced(tangents, pushed.in_avals, "jvp", jaxpr)


def _jvp_evaluate(*args: Any, **params: Any) -> list[Any]:
    return eval_closed(_tangent_program(**params), *args)


def _jvp_transpose(ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, active: Flags, results: Flags) -> list[Any]:
    primals, tangents = split_list(args, len(active))
    linear = [type(t) is Linear for t in tangents]
    wanted = tuple(merged(active, linear, [False] * len(active)))
    given = tuple(merged(results, nonzero_flags(ct), [False] * len(results)))
    cts = [c for c in ct if type(c) is not Zero]
    found = deferred_vjp.bind(*primals, *cts, jaxpr=jaxpr, wanted=wanted, given=given)
    return [None] * len(primals) + merged(linear, found, [None] * len(linear))


def _jvp_batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    active: Flags,
    results: Flags,
    batch_axis_name: Any = None,
) -> tuple[list[Any], list[int]]:
    primals, tangents = split_list(args, len(active))
    in_axes, tangent_axes = split_list(axes, len(active))
    own = [flag or axis is not None for flag, axis in zip(active, in_axes, strict=True)]
    batched = _batched(jaxpr, size, own, batch_axis_name)
    outs = deferred_jvp.bind(
        *_moved(size, primals, in_axes, own),
        *_moved(size, tangents, tangent_axes, [True] * len(tangents)),
        jaxpr=batched,
        active=active,
        results=results,
    )
    return outs, [0] * len(outs)


def _batched(jaxpr: ClosedJaxpr, size: int, own: Sequence[bool], axis_name: Any) -> ClosedJaxpr:
    """The batched program, all results with the batch axis in front."""
    in_axes = tuple(0 if flag else None for flag in own)
    return batch_jaxpr(jaxpr, size, in_axes, axis_name, (True,) * len(jaxpr.out_avals))[0]


def _moved(size: int, values: Sequence[Any], axes: Sequence[int | None], own: Sequence[bool]) -> list[Any]:
    flags = zip(values, axes, own, strict=True)
    return [materialize(x, axis, size, 0 if flag else None) for x, axis, flag in flags]


def _unfolding(program: Any) -> dict[str, Any]:
    """jvp and partial_eval rules of an equation that stands for `program(**params)`."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
        flags = nonzero_flags(tangents)
        closed = program(**params)
        pushed, out_flags = jvp_jaxpr(closed, flags)
        outs = eval_closed(pushed, *primals, *chosen(tangents, flags))
        count = len(out_flags)
        return outs[:count], merged(out_flags, outs[count:], [None] * count)

    def partial_eval(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
        return linearize_inside(program(**params), primals, tangents)

    return {"jvp": jvp, "partial_eval": partial_eval}


deferred_jvp = Primitive(
    "deferred_jvp",
    Kind.STRUCTURED,
    abstract=_jvp_abstract,
    evaluate=_jvp_evaluate,
    **_unfolding(_tangent_program),
    transpose=_jvp_transpose,
    batch=_jvp_batch,
    params={"jaxpr": ClosedJaxpr, "active": tuple, "results": tuple},
    multiple_results=True,
    doc="""The tangents of a program, worked out when evaluated. Operands: all inputs x of the program, then tangents of
    those flagged by `active`; results: tangents of the results flagged by `results`, dJ(x) . dx. Transpose: deferred_vjp.""",
)


# -- dJ(x)^T . ct


def _vjp_abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, wanted: Flags, given: Flags) -> tuple[ShapedArray, ...]:
    return _tangent_avals(jaxpr.in_avals, wanted)


def _vjp_evaluate(*args: Any, jaxpr: ClosedJaxpr, wanted: Flags, given: Flags) -> list[Any]:
    primals, cts = split_list(args, len(wanted))
    _, linear, nonzero = linearize_values(jaxpr.jaxpr, jaxpr.consts, primals, wanted)
    seeds = chosen(merged(given, cts, [None] * len(given)), nonzero)
    found = transpose_values(linear.jaxpr, linear.consts, (None,) * sum(wanted), seeds)
    return [with_zeros(c, aval) for c, aval in zip(found, chosen(jaxpr.in_avals, wanted), strict=True)]


def _vjp_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, wanted: Flags, given: Flags
) -> tuple[list[Any], list[Any]]:
    params = {"jaxpr": jaxpr, "wanted": wanted, "given": given}
    outs = deferred_vjp.bind(*primals, **params)
    return outs, _vjp_tangents(primals, tangents, **params)


def _vjp_tangents(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, wanted: Flags, given: Flags
) -> list[Any]:
    """The derivative of dJ(x)^T . ct along (dx, dct)."""
    x_ts, ct_ts = split_list(tangents, len(wanted))
    moving, ct_flags = nonzero_flags(x_ts), nonzero_flags(ct_ts)
    given_ts = tuple(merged(given, ct_flags, [False] * len(given)))
    if not any(moving):
        found = deferred_vjp.bind(
            *primals[: len(wanted)], *chosen(ct_ts, ct_flags), jaxpr=jaxpr, wanted=wanted, given=given_ts
        )
        return list(found)
    found = deferred_vjp_jvp.bind(
        *primals,
        *chosen(x_ts, moving),
        *chosen(ct_ts, ct_flags),
        jaxpr=jaxpr,
        wanted=wanted,
        given=given,
        moving=moving,
        given_ts=given_ts,
    )
    return list(found)


def _vjp_partial_eval(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    return deferred_vjp.bind(*primals, **params), _vjp_tangents(primals, tangents, **params)


def _vjp_transpose(ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, wanted: Flags, given: Flags) -> list[Any]:
    primals, cts = split_list(args, len(wanted))
    linear = [type(c) is Linear for c in cts]
    active = tuple(merged(wanted, nonzero_flags(ct), [False] * len(wanted)))
    results = tuple(merged(given, linear, [False] * len(given)))
    given_cts = [c for c in ct if type(c) is not Zero]
    _, reachable = jvp_jaxpr(jaxpr, active)
    asked = tuple(a and b for a, b in zip(results, reachable, strict=True))
    found = deferred_jvp.bind(*primals, *given_cts, jaxpr=jaxpr, active=active, results=asked)
    return [None] * len(primals) + chosen(merged(asked, found, [None] * len(asked)), given)


def _vjp_batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    wanted: Flags,
    given: Flags,
    batch_axis_name: Any = None,
) -> tuple[list[Any], list[int]]:
    primals, cts = split_list(args, len(wanted))
    in_axes, ct_axes = split_list(axes, len(wanted))
    own = [flag or axis is not None for flag, axis in zip(wanted, in_axes, strict=True)]
    outs = deferred_vjp.bind(
        *_moved(size, primals, in_axes, own),
        *_moved(size, cts, ct_axes, [True] * len(cts)),
        jaxpr=_batched(jaxpr, size, own, batch_axis_name),
        wanted=wanted,
        given=given,
    )
    return outs, [0] * len(outs)


deferred_vjp = Primitive(
    "deferred_vjp",
    Kind.STRUCTURED,
    abstract=_vjp_abstract,
    evaluate=_vjp_evaluate,
    jvp=_vjp_jvp,
    partial_eval=_vjp_partial_eval,
    transpose=_vjp_transpose,
    batch=_vjp_batch,
    params={"jaxpr": ClosedJaxpr, "wanted": tuple, "given": tuple},
    multiple_results=True,
    doc="""The pullback of a program, worked out when evaluated. Operands: all inputs x of the program, then cotangents of the
    results flagged by `given`; results: cotangents of the inputs flagged by `wanted`, dJ(x)^T . ct. Transpose: deferred_jvp.""",
)


# -- d(dJ(x)^T . ct) along (dx, dct)


def _second_abstract(
    *avals: ShapedArray, jaxpr: ClosedJaxpr, wanted: Flags, **params: Any
) -> tuple[ShapedArray, ...]:
    return _tangent_avals(jaxpr.in_avals, wanted)


@lru_cache(maxsize=256)
def _second_program(jaxpr: ClosedJaxpr, wanted: Flags, given: Flags, moving: Flags, given_ts: Flags) -> ClosedJaxpr:
    """(x, ct, dx, dct) -> the x-part of the pullback of G at (x, dx) with cotangents (dct, ct)."""
    pair = _pair(jaxpr, moving, given)
    ct_avals, x_t_avals = _tangent_avals(jaxpr.out_avals, given), _tangent_avals(jaxpr.in_avals, moving)
    num_primals, num_cts, num_x_ts = len(wanted), sum(given), sum(moving)

    def pulled(*args: Any) -> list[Any]:
        x, cts, x_ts, ct_ts = split_list(args, num_primals, num_cts, num_x_ts)
        return deferred_vjp.bind(  # type: ignore[no-any-return]
            *x,
            *x_ts,
            *ct_ts,
            *cts,
            jaxpr=pair,
            wanted=(*wanted, *(False,) * num_x_ts),
            given=(*given_ts, *(True,) * num_cts),
        )

    avals = (*jaxpr.in_avals, *ct_avals, *x_t_avals, *_tangent_avals(jaxpr.out_avals, given_ts))
    return retraced(pulled, avals, "jvp", jaxpr)


def _second_evaluate(*args: Any, **params: Any) -> list[Any]:
    return eval_closed(_second_program(**params), *args)


def _second_transpose(
    ct: Sequence[Any],
    *args: Any,
    jaxpr: ClosedJaxpr,
    wanted: Flags,
    given: Flags,
    moving: Flags,
    given_ts: Flags,
) -> list[Any]:
    x, cts, x_ts, ct_ts = split_list(args, len(wanted), sum(given), sum(moving))
    along = tuple(merged(wanted, nonzero_flags(ct), [False] * len(wanted)))
    directions = [c for c in ct if type(c) is not Zero]
    found_x = deferred_vjp.bind(
        *x,
        *directions,
        *cts,
        jaxpr=_pair(jaxpr, along, given),
        wanted=(*moving, *(False,) * len(directions)),
        given=((False,) * len(given) + (True,) * len(cts)),
    )
    found_ct: list[Any] = [None] * len(ct_ts)
    _, reachable = jvp_jaxpr(jaxpr, along)
    asked = tuple(a and b for a, b in zip(given_ts, reachable, strict=True))
    if any(asked):
        pushed = deferred_jvp.bind(*x, *directions, jaxpr=jaxpr, active=along, results=asked)
        found_ct = chosen(merged(asked, pushed, [None] * len(asked)), given_ts)
    linear = [type(t) is Linear for t in (*x_ts, *ct_ts)]
    cotangents = [c if flag else None for c, flag in zip((*found_x, *found_ct), linear, strict=True)]
    return [None] * (len(x) + len(cts)) + cotangents


def _second_batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    wanted: Flags,
    given: Flags,
    moving: Flags,
    given_ts: Flags,
    batch_axis_name: Any = None,
) -> tuple[list[Any], list[int]]:
    x, rest = split_list(args, len(wanted))
    x_axes, rest_axes = split_list(axes, len(wanted))
    own = [w or m or axis is not None for w, m, axis in zip(wanted, moving, x_axes, strict=True)]
    outs = deferred_vjp_jvp.bind(
        *_moved(size, x, x_axes, own),
        *_moved(size, rest, rest_axes, [True] * len(rest)),
        jaxpr=_batched(jaxpr, size, own, batch_axis_name),
        wanted=wanted,
        given=given,
        moving=moving,
        given_ts=given_ts,
    )
    return outs, [0] * len(outs)


deferred_vjp_jvp = Primitive(
    "deferred_vjp_jvp",
    Kind.STRUCTURED,
    abstract=_second_abstract,
    evaluate=_second_evaluate,
    **_unfolding(_second_program),
    transpose=_second_transpose,
    batch=_second_batch,
    params={"jaxpr": ClosedJaxpr, "wanted": tuple, "given": tuple, "moving": tuple, "given_ts": tuple},
    multiple_results=True,
    doc="""The derivative of `deferred_vjp` along tangents dx (flagged by `moving`) and dct (flagged by `given_ts`), linear in
    both. Operands: x, ct, dx, dct; results: those of deferred_vjp. It is its own transpose in dx.""",
)
