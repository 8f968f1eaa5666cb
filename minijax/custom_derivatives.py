"""`minijax.custom_derivatives`: the names of `jax.custom_derivatives`."""

from __future__ import annotations

from typing import Any

from .api.custom_jvp import custom_jvp as custom_jvp
from .api.custom_vjp import (
    CustomVJPPrimal as CustomVJPPrimal,
    custom_gradient as custom_gradient,
    custom_vjp as custom_vjp,
    custom_vjp_primal_tree_values as custom_vjp_primal_tree_values,
)
from .api.linear_call import linear_call as linear_call
from .api.stage import closure_convert as closure_convert, typeof
from .array import finished
from .interpreters._zeros import instantiate
from .ir import Zero as SymbolicZero
from .structured.custom_jvp import custom_jvp_call as custom_jvp_call_p
from .structured.custom_vjp import custom_vjp_call as custom_vjp_call_p
from .tree import tree_map

__all__ = [
    "CustomVJPPrimal",
    "SymbolicZero",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_jvp_call_p",
    "custom_vjp",
    "custom_vjp_call_p",
    "custom_vjp_primal_tree_values",
    "linear_call",
    "zero_from_primal",
]


def zero_from_primal(val: Any, symbolic_zeros: bool = False) -> Any:
    """The zero tangents of a tree of values.

    Args:
        val: a tree of arrays.
        symbolic_zeros: give `SymbolicZero` objects instead of arrays.

    Example:
        >>> import minijax as mj
        >>> mj.custom_derivatives.zero_from_primal({"a": 2.0}, symbolic_zeros=True)
        {'a': Zero(f32[])}
    """
    symbolic = tree_map(lambda x: SymbolicZero(typeof(x).tangent()), val)
    return symbolic if symbolic_zeros else tree_map(lambda zero: finished(instantiate(None, zero.aval)), symbolic)
