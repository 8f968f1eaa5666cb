"""`custom_root`: a root of a function, by a solver of the user.

    x:f32[] = custom_root[f={ ... } jaxpr={ solve } num_consts=1 tangent_solve={ ... }] a guess

In: constants that the programs read, then the guess. Out: x with f(x) = 0, and what the solver gives beside it. `jaxpr` takes
(constants, guess) and `f` (constants, x). `tangent_solve` takes (constants, x, y) and solves G v = y, G being the derivative of
f at x; reverse mode transposes it. The solver of f is never differentiated:

    f(c, x) = 0   so   G dx = -d_c f dc   (the implicit function theorem; Krantz & Parks 2002),

a `custom_linear_solve`, which has derivatives of every order. The guess has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..interpreters.batch import batch_jaxpr, materialize
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..ir import ClosedJaxpr, Kind, Primitive, ShapedArray
from ..primitives._ops import p
from ._bodies import (
    check_operands,
    chosen,
    linearize_inside,
    nonzero_flags,
    retraced,
    retyped,
    split_list,
    with_zeros,
)
from .linear_solve import custom_linear_solve, transposed_program

__all__ = ["custom_root", "derivative_at_root"]


@lru_cache(maxsize=512)
def derivative_at_root(f: ClosedJaxpr, num_consts: int) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """(G, its transpose) as programs (constants, x, vector) -> vector."""
    xs = f.in_avals[num_consts:]
    flags = (False,) * num_consts + (True,) * len(xs)
    pushed, _ = jvp_jaxpr(f, flags, (True,) * len(xs))

    def derivative(*args: Any) -> list[Any]:
        return [retyped(t, aval.tangent()) for t, aval in zip(eval_closed(pushed, *args)[len(xs) :], xs, strict=True)]

    forward = retraced(derivative, pushed.in_avals, "jvp", f)
    return forward, transposed_program(forward, len(f.in_avals))


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    check_operands("custom_root", avals, jaxpr.in_avals)
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    return eval_closed(jaxpr, *args)


def _root_tangents(consts: Sequence[Any], outs: Sequence[Any], moved: Sequence[Any], params: Any) -> list[Any]:
    """dx of G dx = -d_c f dc, None for what the solver gives beside x; `moved` is d_c f dc."""
    if not any(nonzero_flags(moved)):
        return [None] * len(outs)
    f, num_consts = params["f"], len(consts)
    avals = f.in_avals[num_consts:]
    rhs = [retyped(p.neg(with_zeros(t, aval)), aval.tangent()) for t, aval in zip(moved, avals, strict=True)]
    matvec, vecmat = derivative_at_root(f, num_consts)
    dx = custom_linear_solve.bind(
        *consts,
        *outs[: len(rhs)],
        *rhs,
        jaxpr=params["tangent_solve"],
        matvec=matvec,
        vecmat=vecmat,
        transpose_solve=None,
        num_consts=num_consts + len(rhs),
    )
    return [*dx, *[None] * (len(outs) - len(rhs))]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    consts, guess = split_list(primals, params["num_consts"])
    outs = custom_root.bind(*primals, **params)
    flags = nonzero_flags(tangents[: len(consts)])
    pushed, active = jvp_jaxpr(params["f"], (*flags, *(False,) * len(guess)))
    found = iter(eval_closed(pushed, *consts, *outs[: len(guess)], *chosen(tangents, flags + (False,) * len(guess))))
    for _ in guess:
        next(found)
    return outs, _root_tangents(consts, outs, [next(found) if flag else None for flag in active], params)


def _partial_eval(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    consts, guess = split_list(primals, params["num_consts"])
    outs = custom_root.bind(*primals, **params)
    point = [*consts, *outs[: len(guess)]]
    _, moved = linearize_inside(params["f"], point, [*tangents[: len(consts)], *[None] * len(guess)])
    return outs, _root_tangents(consts, outs, moved, params)


def _batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, batch_axis_name: Any = None, **params: Any
) -> tuple[list[Any], list[int]]:
    num_consts = params["num_consts"]
    const_axes = tuple(axes[:num_consts])

    def batched(closed: ClosedJaxpr) -> ClosedJaxpr:
        in_axes = (*const_axes, *(0,) * (len(closed.in_avals) - num_consts))
        return batch_jaxpr(closed, size, in_axes, batch_axis_name, (True,) * len(closed.out_avals))[0]

    programs = {name: batched(params[name]) for name in ("f", "jaxpr", "tangent_solve")}
    pairs = zip(args[num_consts:], axes[num_consts:], strict=True)
    guess = [materialize(x, axis, size, 0) for x, axis in pairs]
    outs = custom_root.bind(*args[:num_consts], *guess, **programs, num_consts=num_consts)
    return outs, [0] * len(outs)


custom_root = Primitive(
    "custom_root",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    batch=_batch,
    params={
        "f": ClosedJaxpr,
        "jaxpr": ClosedJaxpr,
        "num_consts": int,
        "tangent_solve": ClosedJaxpr,
    },
    multiple_results=True,
    doc="""A root of f by a given solver. Operands: constants, then the guess; results: x with f(x) = 0, then what the solver gives
    beside it, which has no derivative. The derivative with respect to the constants solves (d_x f) dx = -(d_c f) dc.""",
)
