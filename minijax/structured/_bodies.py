"""What equations with bodies share: closing bodies over outer tracers, splitting operands by flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import ClosedJaxpr, Jaxpr, Tracer

__all__ = ["hoist_tracers", "present"]


def hoist_tracers(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list[Any]]:
    """A body whose captured outer tracers became leading inputs, and those tracers.

    A body may close over values of the traces around it. Interpreters see only operands of the equation, so these
    values must be among them; array constants stay constants.
    """
    jaxpr = closed.jaxpr
    pairs = list(zip(jaxpr.constvars, closed.consts, strict=True))
    tracers = [(var, x) for var, x in pairs if type(x) is Tracer]
    if not tracers:
        return closed, []
    arrays = [(var, x) for var, x in pairs if type(x) is not Tracer]
    opened = Jaxpr(
        [var for var, _ in arrays],
        [*(var for var, _ in tracers), *jaxpr.invars],
        jaxpr.eqns,
        jaxpr.outvars,
        jaxpr.names,
        jaxpr.effects,
    )
    return ClosedJaxpr(opened, [x for _, x in arrays]), [x for _, x in tracers]


def present(values: Sequence[Any]) -> list[Any]:
    """The values that are not None."""
    return [x for x in values if x is not None]
