"""eval: run a Jaxpr equation by equation through `bind`.

In: a Jaxpr, its constants, its arguments. Out: its results. On arrays it computes with NumPy; on tracers it
records the equations into their trace. Values are freed after their last use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import ClosedJaxpr, Jaxpr, source_of, state
from ._env import Environment

__all__ = ["eval_closed", "eval_jaxpr"]


def eval_jaxpr(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any) -> list[Any]:
    """Evaluate `jaxpr`.

    Args:
        jaxpr: the program.
        consts: values of its constvars.
        *args: values of its inputs (Arrays, NumPy arrays or tracers).

    Returns:
        A list of its results.
    """
    env = Environment(jaxpr, consts, args)
    with source_of(state.source):
        for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
            state.source = eqn.source
            outs = eqn.primitive.bind(*env.read(eqn.invars), **eqn.params)
            env.write(eqn.outvars, outs if eqn.primitive.multiple_results else (outs,))
            env.free(done)
    return env.read(jaxpr.outvars)


def eval_closed(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    """`eval_jaxpr` of a closed Jaxpr."""
    return eval_jaxpr(closed.jaxpr, closed.consts, *args)
