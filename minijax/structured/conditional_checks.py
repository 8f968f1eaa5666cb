"""Checks that count only where a condition holds: what `vmap` makes of the checks in branches and loops.

Mapped, a branch runs for the examples that do not take it too, and the body of a loop for those that are done. In: a body with
`check` equations. Out: the body with a condition as its first input; where that is False, its checks hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..ir import CHECK, ClosedJaxpr, Eqn, Literal, ShapedArray, aval_like, source_of, state
from ..primitives._ops import p
from ._bodies import retraced, split_list

__all__ = ["has_checks", "under_condition"]

_BOOL = ShapedArray((), np.dtype(bool))
_CALLS = ("jit", "checkpoint")


def has_checks(closed: ClosedJaxpr) -> bool:
    """Whether a body checks something."""
    return CHECK in closed.effects


@lru_cache(maxsize=256)
def under_condition(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program (condition, inputs) -> results, whose checks count where the condition holds."""
    jaxpr = closed.jaxpr

    def run(condition: Any, *args: Any) -> list[Any]:
        env = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*closed.consts, *args), strict=True))
        with source_of(state.source):
            for eqn in jaxpr.eqns:
                state.source = eqn.source
                out = _run(eqn, condition, [x if type(x) is Literal else env[x] for x in eqn.invars])
                env.update(zip(eqn.outvars, out if eqn.primitive.multiple_results else (out,), strict=True))
        return [x if type(x) is Literal else env[x] for x in jaxpr.outvars]

    return retraced(run, (_BOOL, *closed.in_avals), "vmap", closed)


def _run(eqn: Eqn, condition: Any, operands: Sequence[Any]) -> Any:
    bind, name, params = eqn.primitive.bind, eqn.primitive.name, dict(eqn.params)
    if CHECK not in eqn.effects:
        return bind(*operands, **params)
    if name == "check":
        return bind(_or_not(operands[0], condition), *operands[1:], **params)
    if name in _CALLS:
        return bind(condition, *operands, **{**params, "jaxpr": under_condition(params["jaxpr"])})
    if name == "cond":
        branches = tuple(map(under_condition, params["branches"]))
        return bind(operands[0], condition, *operands[1:], branches=branches)
    if name == "scan":
        changed = {"jaxpr": under_condition(params["jaxpr"]), "num_consts": params["num_consts"] + 1}
        return bind(condition, *operands, **{**params, **changed})
    if name == "while":
        of_cond, rest = split_list(operands, params["cond_nconsts"])
        changed = {
            "cond_jaxpr": under_condition(params["cond_jaxpr"]),
            "body_jaxpr": under_condition(params["body_jaxpr"]),
            "cond_nconsts": params["cond_nconsts"] + 1,
            "body_nconsts": params["body_nconsts"] + 1,
        }
        return bind(condition, *of_cond, condition, *rest, **{**params, **changed})
    return bind(*operands, **params)  # rules of the user belong to the body as it is


def _or_not(holds: Any, condition: Any) -> Any:
    shape = aval_like(holds).shape
    exempt = p.not_(condition)
    return p.or_(holds, p.broadcast_in_dim(exempt, shape=shape, broadcast_dimensions=()) if shape else exempt)
