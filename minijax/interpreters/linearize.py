"""linearize: run a program at a point, and write down its derivative there as a linear program.

In: a Jaxpr, values of its inputs, which of them have tangents. Out: its results, and a Jaxpr that maps input
tangents to output tangents. Equation by equation, the primitive's jvp rule is applied to known values and to
tangent tracers of a fresh trace: what is known times known is computed now by `bind`, what touches a tangent is
recorded. The constants of the recorded program are the residuals. There is no partial-evaluation tracer.
(Radul et al. 2023, "You Only Linearize Once: tangents transpose to gradients".)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ..ir import ClosedJaxpr, Jaxpr, Literal, Var, new_trace, state, trace_function
from ._env import Environment
from ._zeros import apply_jvp

__all__ = ["LinearizedJaxpr", "linearize_jaxpr", "linearize_values"]


def linearize_values(
    jaxpr: Jaxpr,
    consts: Sequence[Any],
    primals: Sequence[Any],
    nonzero: Sequence[bool],
    known: dict[Var, Any] | None = None,
) -> tuple[list[Any], ClosedJaxpr, list[bool]]:
    """Linearize `jaxpr` at `primals`.

    Args:
        jaxpr, consts: the program.
        primals: values of its inputs.
        nonzero: which inputs have a tangent.
        known: values of intermediate variables that were computed while tracing; they are not computed again.

    Returns:
        (results, linear program from the nonzero input tangents to the nonzero output tangents, which
        outputs have a nonzero tangent).
    """
    env = Environment(jaxpr, consts, primals)
    known = known if known is not None else {}
    with new_trace("linearize", jaxpr.names.function) as trace:
        tangent_of: dict[Var, Any] = {
            var: trace.input(var.aval.tangent()) for var, flag in zip(jaxpr.invars, nonzero, strict=True) if flag
        }
        for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
            state.source = eqn.source
            primitive = eqn.primitive
            xs = env.read(eqn.invars)
            ts = [None if type(x) is Literal else tangent_of.get(x) for x in eqn.invars]
            outs = [known.pop(var) for var in eqn.outvars] if eqn.outvars and eqn.outvars[0] in known else None
            if ts.count(None) < len(ts):
                state.source = eqn.derived("jvp")
                if primitive.partial_eval is not None:
                    outs, out_ts = primitive.partial_eval(xs, ts, **eqn.params)
                else:
                    outs, out_ts = apply_jvp(primitive, xs, ts, eqn.params, outs)
                for var, t in zip(eqn.outvars, out_ts, strict=True):
                    if t is not None:
                        tangent_of[var] = t
            elif outs is None:
                outs = primitive.bind(*xs, **eqn.params)
                outs = outs if primitive.multiple_results else (outs,)
            env.write(eqn.outvars, outs)
            for var in done:
                env.pop(var, None)
                tangent_of.pop(var, None)
        tangents = [None if type(x) is Literal else tangent_of.get(x) for x in jaxpr.outvars]
        linear = trace.finish([t for t in tangents if t is not None])
    return env.read(jaxpr.outvars), linear, [t is not None for t in tangents]


class LinearizedJaxpr(NamedTuple):
    """A program split in two: `known` gives (results, residuals), `linear` maps (residuals, tangents) to tangents."""

    known: ClosedJaxpr
    linear: ClosedJaxpr
    num_residuals: int
    out_nonzero: tuple[bool, ...]


@lru_cache(maxsize=2048)
def linearize_jaxpr(closed: ClosedJaxpr, nonzero: tuple[bool, ...]) -> LinearizedJaxpr:
    """The Jaxpr-level twin: used by equations that hold Jaxprs.

    Args:
        closed: the program.
        nonzero: which inputs have a tangent.

    Returns:
        `known`: inputs -> (results, residuals). `linear`: (residuals, nonzero input tangents) -> nonzero
        output tangents.
    """
    linear: ClosedJaxpr | None = None
    out_nonzero: tuple[bool, ...] = ()

    def forward(*primals: Any) -> list[Any]:
        nonlocal linear, out_nonzero
        outs, linear, flags = linearize_values(closed.jaxpr, closed.consts, primals, nonzero)
        out_nonzero = tuple(flags)
        return [*outs, *linear.consts]

    known = trace_function(forward, closed.in_avals, purpose="linearize", name=closed.jaxpr.names.function)
    assert linear is not None
    body = linear.jaxpr
    opened = Jaxpr((), (*body.constvars, *body.invars), body.eqns, body.outvars, body.names)
    return LinearizedJaxpr(known, ClosedJaxpr(opened, ()), len(linear.consts), out_nonzero)
