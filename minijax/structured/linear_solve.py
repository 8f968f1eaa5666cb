"""`custom_linear_solve`: the solution of a linear system, by a solver of the user.

    x:f32[3] = custom_linear_solve[jaxpr={ solve } matvec={ ... } num_consts=1 transpose_solve={ ... } vecmat={ ... }] a b

In: constants that the programs read, then the right-hand side b. Out: x with A x = b, and what the solver gives beside it. All
four programs take (constants, a vector): `jaxpr` solves A x = b, `matvec` is A x; `transpose_solve` and `vecmat` the same for
the transpose of A. Where only `vecmat` is known, the transpose of `jaxpr` is asked for; where neither is, there is no reverse
mode. Solvers are never differentiated:

    A x = b   so   A dx = db - dA x   (the implicit function theorem),   and   ct_b solves A^T ct_b = ct_x.

So all derivatives, of every order, are linear systems with A or its transpose again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..config import config
from ..errors import teach
from ..interpreters.batch import batch_jaxpr, materialize
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.transpose import instantiate_cotangents, transpose_jaxpr
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, state
from ..ir.passes.dce import dce
from ..ir.trace import describe
from ..primitives._ops import p
from ._bodies import (
    Flags,
    check_operands,
    chosen,
    linearize_inside,
    nonzero_flags,
    retraced,
    retyped,
    split_list,
    with_zeros,
)

__all__ = ["custom_linear_solve", "transposed_program"]


def transposed_program(closed: ClosedJaxpr, num_consts: int) -> ClosedJaxpr:
    """The program (constants, cotangents) -> cotangents of a program that is linear in all but its constants.

    Results beyond as many as there are linear inputs (what a solver gives beside the solution) are left out.
    """
    return _transposed(closed, num_consts, config.minijax_strong_zeros)


@lru_cache(maxsize=512)
def _transposed(closed: ClosedJaxpr, num_consts: int, strong_zeros: bool) -> ClosedJaxpr:
    avals = closed.in_avals[num_consts:]
    jaxpr = closed.jaxpr
    alone = dce(ClosedJaxpr(jaxpr.replace(outvars=jaxpr.outvars[: len(avals)]), closed.consts))
    linear = (False,) * num_consts + (True,) * len(avals)
    pulled, nonzero = transpose_jaxpr(alone, linear, (True,) * len(avals))

    def pull(*args: Any) -> list[Any]:
        found = iter(eval_closed(pulled, *args))
        cts = instantiate_cotangents([next(found) if flag else None for flag in nonzero], avals)
        return [retyped(ct, aval) for ct, aval in zip(cts, avals, strict=True)]

    return retraced(pull, pulled.in_avals, "transpose", closed)


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    check_operands("custom_linear_solve", avals, jaxpr.in_avals)
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    return eval_closed(jaxpr, *args)


# -- forward mode, linearize


def _solved_tangents(
    primals: Sequence[Any], b_ts: Sequence[Any], moved: Sequence[Any] | None, outs: Sequence[Any], params: Any
) -> list[Any]:
    """dx = A^-1 (db - dA x), None for what the solver gives beside x; `moved` is dA x, None for zero."""
    num_consts = params["num_consts"]
    if moved is None and not any(nonzero_flags(b_ts)):
        return [None] * len(outs)
    rows = moved or [None] * len(b_ts)
    avals = params["matvec"].in_avals[num_consts:]
    rhs = [_difference(t, row, aval) for t, row, aval in zip(b_ts, rows, avals, strict=True)]
    dx = custom_linear_solve.bind(*primals[:num_consts], *rhs, **params)[: len(rhs)]
    return [*dx, *[None] * (len(outs) - len(rhs))]


def _difference(t: Any, row: Any, aval: ShapedArray) -> Any:
    full = with_zeros(t, aval)
    return full if row is None else retyped(p.sub(full, row), aval.tangent())


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    consts, b = split_list(primals, params["num_consts"])
    const_ts, b_ts = split_list(tangents, len(consts))
    outs = custom_linear_solve.bind(*primals, **params)
    flags, moved = nonzero_flags(const_ts), None
    if any(flags):
        still, every = (False,) * len(b), (True,) * len(b)
        pushed, _ = jvp_jaxpr(params["matvec"], (*flags, *still), every)
        moved = eval_closed(pushed, *consts, *outs[: len(b)], *chosen(const_ts, flags))[len(b) :]
    found = _solved_tangents(primals, b_ts, moved, outs, params)
    return outs, found


def _partial_eval(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    consts, b = split_list(primals, params["num_consts"])
    const_ts, b_ts = split_list(tangents, len(consts))
    outs = custom_linear_solve.bind(*primals, **params)
    moved = None
    if any(nonzero_flags(const_ts)):
        point = [*consts, *outs[: len(b)]]
        _, moved = linearize_inside(params["matvec"], point, [*const_ts, *[None] * len(b)])
    return outs, _solved_tangents(primals, b_ts, moved, outs, params)


# -- transpose, batch


def _transpose(
    ct: Sequence[Any],
    *args: Any,
    jaxpr: ClosedJaxpr,
    matvec: ClosedJaxpr,
    vecmat: ClosedJaxpr | None,
    transpose_solve: ClosedJaxpr | None,
    num_consts: int,
) -> list[Any]:
    consts, b = split_list(args, num_consts)
    if any(type(x) is Linear for x in consts):
        raise custom_linear_solve.missing("transpose")
    if vecmat is None:
        raise TypeError(
            teach(
                "transpose_solve required for backwards mode automatic differentiation of custom_linear_solve",
                at=describe(state.source),
                why="the cotangent of b solves the transposed system",
                do="pass transpose_solve=..., or symmetric=True if the system is symmetric",
            )
        )
    if transpose_solve is None:  # the solver is linear in b itself
        transpose_solve = transposed_program(jaxpr, num_consts)
    cts = instantiate_cotangents(ct[: len(b)], jaxpr.out_avals[: len(b)])
    found = custom_linear_solve.bind(
        *consts,
        *(retyped(c, aval) for c, aval in zip(cts, transpose_solve.in_avals[num_consts:], strict=True)),
        jaxpr=transpose_solve,
        matvec=vecmat,
        vecmat=matvec,
        transpose_solve=jaxpr,
        num_consts=num_consts,
    )
    return [*[None] * num_consts, *(c if type(x) is Linear else None for c, x in zip(found, b, strict=False))]


def _batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, batch_axis_name: Any = None, **params: Any
) -> tuple[list[Any], list[int]]:
    num_consts = params["num_consts"]
    const_axes = tuple(axes[:num_consts])
    in_axes = (*const_axes, *(0,) * (len(args) - num_consts))

    def batched(closed: ClosedJaxpr | None) -> ClosedJaxpr | None:
        if closed is None:
            return None
        every: Flags = (True,) * len(closed.out_avals)
        return batch_jaxpr(closed, size, in_axes, batch_axis_name, every)[0]

    programs = {name: batched(params[name]) for name in ("jaxpr", "matvec", "vecmat", "transpose_solve")}
    pairs = zip(args[num_consts:], axes[num_consts:], strict=True)
    b = [materialize(x, axis, size, 0) for x, axis in pairs]
    outs = custom_linear_solve.bind(*args[:num_consts], *b, **programs, num_consts=num_consts)
    return outs, [0] * len(outs)


custom_linear_solve = Primitive(
    "custom_linear_solve",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    transpose=_transpose,
    batch=_batch,
    params={
        "jaxpr": ClosedJaxpr,
        "matvec": ClosedJaxpr,
        "num_consts": int,
        "transpose_solve": (ClosedJaxpr, type(None)),
        "vecmat": (ClosedJaxpr, type(None)),
    },
    multiple_results=True,
    doc="""The solution of A x = b by a given solver. Operands: constants, then b; results: x, then what the solver gives beside it, which
    has no derivative. The derivative solves A dx = db - dA x; the transpose solves A^T ct_b = ct_x with `transpose_solve`.""",
)
