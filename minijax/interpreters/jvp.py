"""jvp: push tangents forward through a Jaxpr, beside the values (forward mode).

In: a Jaxpr, primals, tangents. Out: results and their tangents. Zero tangents stay symbolic and cost nothing.
(Radul et al. 2023, "You Only Linearize Once", section 3; Griewank & Walther 2008, chapter 3.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..ir import ClosedJaxpr, Jaxpr, Literal, source_of, state, trace_function
from ._env import Environment
from ._zeros import apply_jvp, instantiate

__all__ = ["jvp_jaxpr", "jvp_values"]


def jvp_values(
    jaxpr: Jaxpr, consts: Sequence[Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Push `tangents` through `jaxpr`.

    Args:
        jaxpr, consts: the program.
        primals: values of its inputs.
        tangents: one per input; None for zero.

    Returns:
        (results, tangents of the results), None for zero tangents.
    """
    env = Environment(jaxpr, consts, primals)
    tangent_of = {var: t for var, t in zip(jaxpr.invars, tangents, strict=True) if t is not None}
    with source_of(state.source):
        for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
            state.source = eqn.source
            xs = env.read(eqn.invars)
            ts = [None if type(x) is Literal else tangent_of.get(x) for x in eqn.invars]
            if any(t is not None for t in ts):
                state.source = eqn.derived("jvp")
                outs, out_ts = apply_jvp(eqn.primitive, xs, ts, eqn.params)
                for var, t in zip(eqn.outvars, out_ts, strict=True):
                    if t is not None:
                        tangent_of[var] = t
            else:
                outs = eqn.primitive.bind(*xs, **eqn.params)
                outs = outs if eqn.primitive.multiple_results else (outs,)
            env.write(eqn.outvars, outs)
            env.free(done)
            for var in done:
                tangent_of.pop(var, None)
    out_tangents = [None if type(x) is Literal else tangent_of.get(x) for x in jaxpr.outvars]
    return env.read(jaxpr.outvars), out_tangents


@lru_cache(maxsize=2048)
def jvp_jaxpr(
    closed: ClosedJaxpr, nonzero: tuple[bool, ...], instantiated: tuple[bool, ...] | None = None
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The program `(primals, nonzero tangents) -> (results, nonzero result tangents)`.

    Args:
        closed: the program.
        nonzero: which inputs have a nonzero tangent.
        instantiated: which result tangents must be arrays even if zero (None: only the nonzero ones).

    Returns:
        (program, which results have a tangent).
    """
    out_nonzero: list[bool] = []

    def push(*args: Any) -> list[Any]:
        primals, rest = args[: len(nonzero)], iter(args[len(nonzero) :])
        tangents = [next(rest) if flag else None for flag in nonzero]
        outs, out_tangents = jvp_values(closed.jaxpr, closed.consts, primals, tangents)
        if instantiated is not None:
            out_tangents = [
                instantiate(t, aval) if wanted else t
                for t, wanted, aval in zip(out_tangents, instantiated, closed.out_avals, strict=True)
            ]
        out_nonzero.extend(t is not None for t in out_tangents)
        return [*outs, *(t for t in out_tangents if t is not None)]

    tangent_avals = [aval.tangent() for aval, flag in zip(closed.in_avals, nonzero, strict=True) if flag]
    names = closed.jaxpr.names
    program = trace_function(push, (*closed.in_avals, *tangent_avals), purpose="jvp", name=names.function)
    return program, tuple(out_nonzero)
