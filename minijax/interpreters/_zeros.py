"""Tangents that are zero, and the application of a primitive's jvp rule.

A zero tangent is `None` inside the interpreters: it costs nothing and never becomes an array unless a rule asks
(then it gets `Zero(aval)`) or the caller wants one (`instantiate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import float0
from ..ir import Primitive, ShapedArray, Zero, aval_like
from ..primitives._ops import p, zeros

__all__ = ["add_tangents", "apply_jvp", "instantiate"]


def instantiate(tangent: Any, primal: ShapedArray) -> Any:
    """`tangent` as an array: zeros (float0 zeros for integers) where it is None or `Zero`."""
    if tangent is not None and type(tangent) is not Zero:
        return tangent
    aval = primal.tangent()
    return np.zeros(aval.shape, float0) if aval.dtype == float0 else zeros(aval)


def add_tangents(a: Any, b: Any) -> Any:
    """The sum of two tangents (or cotangents), None standing for zero."""
    if a is None:
        return b
    return a if b is None else p.add(a, b)


def apply_jvp(
    primitive: Primitive,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    params: dict[str, Any],
    outs: Sequence[Any] | None = None,
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Apply the jvp rule of `primitive`, in whichever of its forms.

    Args:
        primals: operands.
        tangents: theirs, None for zero.
        outs: the results, where they are known already.

    Returns:
        (results, their tangents), None for zero tangents.
    """
    rule = primitive.jvp
    if type(rule) is tuple:
        out = primitive.bind(*primals, **params) if outs is None else outs[0]
        tangent = None
        for term, t in zip(rule, tangents, strict=True):
            if t is not None and term is not None:
                part = term(t, out, *primals, **params)
                if part is not None:
                    tangent = add_tangents(tangent, _spread(part, out))
        return (out,), (tangent,)
    if rule == "linear":
        outs = _bind(primitive, primals, params) if outs is None else outs
        full = [instantiate(t, aval_like(x)) for t, x in zip(tangents, primals, strict=True)]
        return outs, _bind(primitive, full, params)
    if rule is None:
        outs = _bind(primitive, primals, params) if outs is None else outs
        return outs, (None,) * len(outs)
    if rule == "missing":
        raise primitive.missing("jvp")
    symbolic = [Zero(aval_like(x).tangent()) if t is None else t for t, x in zip(tangents, primals, strict=True)]
    outs, out_tangents = rule(primals, symbolic, **params)
    if not primitive.multiple_results:
        outs, out_tangents = (outs,), (out_tangents,)
    return outs, [None if type(t) is Zero else t for t in out_tangents]


def _bind(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
    out = primitive.bind(*args, **params)
    return out if primitive.multiple_results else (out,)


def _spread(part: Any, out: Any) -> Any:
    """A contribution from a scalar operand, broadcast to the result it belongs to."""
    shape = out.aval.shape if hasattr(out, "aval") else out.shape
    if aval_like(part).shape == shape:
        return part
    return p.broadcast_in_dim(part, shape=shape, broadcast_dimensions=())
