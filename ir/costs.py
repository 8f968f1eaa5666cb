"""What equations cost: floating-point operations and bytes read and written.

In: an equation or a program. Out: `Cost(flops, bytes)`, by the primitive's own rule, or by its kind. Bodies of loops count once
per step where the number of steps is written down, once otherwise; of branches the dearest counts. This is an estimate
for people and for the planner's comparisons, the same notion as XLA's cost analysis.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .avals import ShapedArray
from .jaxpr import ClosedJaxpr, Eqn, Jaxpr, sub_jaxprs
from .primitive import Kind

__all__ = ["Cost", "bytes_of", "cost_of", "program_cost"]


class Cost(NamedTuple):
    """`flops` floating-point operations, `bytes` read and written."""

    flops: float
    bytes: float


def bytes_of(avals: Iterable[ShapedArray]) -> float:
    """The bytes of arrays of these types."""
    return float(sum(a.size * a.itemsize for a in avals))


def cost_of(eqn: Eqn) -> Cost:
    """The cost of one equation; without a rule of its own, one operation per element, none for what only moves data."""
    bodies = [body for _, body in sub_jaxprs(eqn)] if eqn.params else []
    if bodies:
        each = [program_cost(body) for body in bodies]
        if "branches" in eqn.params:
            return Cost(max(c.flops for c in each), max(c.bytes for c in each))
        times = eqn.params.get("length", 1)
        return Cost(times * sum(c.flops for c in each), times * sum(c.bytes for c in each))
    avals = [x.aval for x in eqn.invars]
    outs = [v.aval for v in eqn.outvars]
    if eqn.primitive.cost is not None:
        return Cost(*eqn.primitive.cost(*avals, **eqn.params))
    moved = bytes_of([*avals, *outs])
    if eqn.primitive.kind in (Kind.MOVEMENT, Kind.INDEXING, Kind.EFFECT):
        return Cost(0.0, moved)
    return Cost(float(max((a.size for a in (*avals, *outs)), default=0)), moved)


def program_cost(program: Jaxpr | ClosedJaxpr) -> Cost:
    """The cost of all equations."""
    each = [cost_of(eqn) for eqn in program.eqns]
    return Cost(sum(c.flops for c in each), sum(c.bytes for c in each))
