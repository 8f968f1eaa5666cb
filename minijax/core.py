"""`minijax.core`: the IR under the names that client libraries of JAX import."""

from __future__ import annotations

from .ir import (
    ClosedJaxpr as ClosedJaxpr,
    Eqn as JaxprEqn,
    Jaxpr as Jaxpr,
    Literal as Literal,
    Primitive as Primitive,
    ShapedArray as ShapedArray,
    Tracer as Tracer,
    Var as Var,
    check_jaxpr as check_jaxpr,
)

__all__ = [
    "ClosedJaxpr",
    "Jaxpr",
    "JaxprEqn",
    "Literal",
    "Primitive",
    "ShapedArray",
    "Tracer",
    "Var",
    "check_jaxpr",
]
