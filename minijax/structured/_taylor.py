"""Taylor coefficients through loops and branches: the `jet` rules of scan, while and cond.

In: the coefficients of the operands, the value first. Out: those of the results. The body becomes a program over coefficients
(`jet_jaxpr`); which carries vary is a fixpoint, as for tangents. The loop then runs once, over values and coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..interpreters.eval import eval_closed
from ..interpreters.jet import coefficients_of, jet_jaxpr
from ..ir import ClosedJaxpr, ShapedArray
from ..primitives._ops import p
from ._bodies import Flags, chosen, fixpoint, retraced, retyped, split_list

__all__ = ["cond_jet", "scan_jet", "while_jet"]

Coefficients = Sequence[Any]


def _varying(operands: Sequence[Coefficients]) -> Flags:
    return tuple(len(x) > 1 for x in operands)


def _values(operands: Sequence[Coefficients]) -> list[Any]:
    return [x[0] for x in operands]


def _grouped(outs: Sequence[Any], flags: Sequence[bool], order: int) -> list[list[Any]]:
    """(values, then the coefficients of the flagged ones) as one list of coefficients each."""
    rest = iter(outs[len(flags) :])
    return [[x, *(next(rest) for _ in range(order) if flag)] for x, flag in zip(outs, flags, strict=False)]


@lru_cache(maxsize=256)
def _loop_body(
    jaxpr: ClosedJaxpr, order: int, num_consts: int, num_carry: int, varying: Flags
) -> tuple[ClosedJaxpr, Flags, Flags]:
    """(body over values and coefficients, which carries vary, which other results do).

    Its inputs: constants, their coefficients | carry, its coefficients | slices, their coefficients.
    """
    const_flags, carry_flags, x_flags = (tuple(part) for part in split_list(varying, num_consts, num_carry))
    num_ys = len(jaxpr.out_avals) - num_carry

    def step(mask: Flags) -> tuple[tuple[ClosedJaxpr, Flags], Flags]:
        found = jet_jaxpr(jaxpr, order, (*const_flags, *mask, *x_flags), (*mask, *(False,) * num_ys))
        return found, found[1][:num_carry]

    (program, out_flags), carry_flags = fixpoint(carry_flags, step)
    counts = [order * sum(flags) for flags in (const_flags, carry_flags, x_flags)]
    consts, carry, xs, const_cs, carry_cs, x_cs = split_list(
        program.in_avals, num_consts, num_carry, len(x_flags), *counts[:2]
    )

    def body(*args: Any) -> list[Any]:
        consts, const_cs, carry, cs, xs, x_cs = split_list(
            args, num_consts, counts[0], num_carry, counts[1], len(x_flags)
        )
        outs = eval_closed(program, *consts, *carry, *xs, *const_cs, *cs, *x_cs)
        carry_out, ys, cs_out, y_cs = split_list(outs, num_carry, num_ys, counts[1])
        typed = [retyped(c, aval) for c, aval in zip(cs_out, carry_cs, strict=True)]
        return [*carry_out, *typed, *ys, *y_cs]

    return (
        retraced(body, (*consts, *const_cs, *carry, *carry_cs, *xs, *x_cs), "jet", jaxpr),
        carry_flags,
        tuple(out_flags[num_carry:]),
    )


def _with_coefficients(
    operands: Sequence[Coefficients], flags: Sequence[bool], avals: Sequence[ShapedArray], order: int
) -> list[Any]:
    """The values, then the coefficients of the flagged ones, typed as the body has them."""
    cs = coefficients_of(operands, flags, avals, order)
    types = [aval.tangent() for aval in chosen(avals, flags) for _ in range(order)]
    return [*_values(operands), *(retyped(c, aval) for c, aval in zip(cs, types, strict=True))]


def scan_jet(
    order: int,
    *operands: Coefficients,
    jaxpr: ClosedJaxpr,
    length: int,
    num_consts: int,
    num_carry: int,
    reverse: bool,
    unroll: int,
) -> list[list[Any]]:
    """One loop over (carry, its coefficients)."""
    varying = _varying(operands)
    body, carry_flags, y_flags = _loop_body(jaxpr, order, num_consts, num_carry, varying)
    consts, carry, xs = split_list(operands, num_consts, num_carry)
    const_avals, carry_avals, x_avals = split_list(jaxpr.in_avals, num_consts, num_carry)
    const_flags, _, x_flags = split_list(varying, num_consts, num_carry)
    first = _with_coefficients(consts, const_flags, const_avals, order)
    second = _with_coefficients(carry, carry_flags, carry_avals, order)
    rows = [aval.update(shape=(length, *aval.shape)) for aval in x_avals]
    outs = p.scan(
        *first,
        *second,
        *_with_coefficients(xs, x_flags, rows, order),
        jaxpr=body,
        length=length,
        num_consts=len(first),
        num_carry=len(second),
        reverse=reverse,
        unroll=unroll,
    )
    carry_out, ys = outs[: len(second)], outs[len(second) :]
    return [*_grouped(carry_out, carry_flags, order), *_grouped(ys, y_flags, order)]


def while_jet(
    order: int,
    *operands: Coefficients,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
    **params: Any,
) -> list[list[Any]]:
    """The loop over (carry, its coefficients), as long as the predicate of the values holds."""
    cond_consts, body_consts, carry = split_list(operands, cond_nconsts, body_nconsts)
    varying = _varying([*body_consts, *carry])
    body, carry_flags, _ = _loop_body(body_jaxpr, order, body_nconsts, len(carry), varying)
    const_avals, carry_avals = split_list(body_jaxpr.in_avals, body_nconsts)
    consts = _with_coefficients(body_consts, varying[:body_nconsts], const_avals, order)
    start = _with_coefficients(carry, carry_flags, carry_avals, order)
    further = body.in_avals[len(consts) + len(carry) :]
    used = cond_nconsts + len(carry)
    pred = retraced(
        lambda *args: eval_closed(cond_jaxpr, *args[:used]), (*cond_jaxpr.in_avals, *further), "jet", cond_jaxpr
    )
    outs = p.while_(
        *_values(cond_consts),
        *consts,
        *start,
        cond_jaxpr=pred,
        body_jaxpr=body,
        cond_nconsts=cond_nconsts,
        body_nconsts=len(consts),
        **params,
    )
    return _grouped(outs, carry_flags, order)


@lru_cache(maxsize=256)
def _branches(branches: tuple[ClosedJaxpr, ...], order: int, varying: Flags) -> tuple[tuple[ClosedJaxpr, ...], Flags]:
    """Branches over values and coefficients that agree on which results vary."""
    found = [jet_jaxpr(branch, order, varying)[1] for branch in branches]
    united = tuple(map(any, zip(*found, strict=True)))
    avals = branches[0].out_avals
    wanted = (*avals, *(aval.tangent() for aval in chosen(avals, united) for _ in range(order)))

    def agreeing(branch: ClosedJaxpr) -> ClosedJaxpr:
        program, _ = jet_jaxpr(branch, order, varying, united)

        def typed(*args: Any) -> list[Any]:
            return [retyped(x, aval) for x, aval in zip(eval_closed(program, *args), wanted, strict=True)]

        return retraced(typed, program.in_avals, "jet", branch)

    return tuple(agreeing(branch) for branch in branches), united


def cond_jet(order: int, *operands: Coefficients, branches: tuple[ClosedJaxpr, ...]) -> list[list[Any]]:
    """The branch that is taken, over values and coefficients."""
    index, *args = operands
    varying = _varying(args)
    programs, united = _branches(branches, order, varying)
    outs = p.cond(index[0], *_with_coefficients(args, varying, branches[0].in_avals, order), branches=programs)
    return _grouped(outs, united, order)
