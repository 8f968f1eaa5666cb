"""`p`: the namespace through which rules call primitives.

`p.sin(x)` binds the primitive named "sin"; a trailing underscore frees keywords: `p.and_`. Looked up at the
first use, so that no file of primitives needs to import another.
"""

from __future__ import annotations

from typing import Any

from ..ir import Literal, ShapedArray, aval_like, lookup

__all__ = ["like", "p", "select", "zeros"]


class Operations:
    """Binds primitives by name: `p.mul(x, y)`."""

    def __getattr__(self, name: str) -> Any:
        try:
            bind = lookup(name.rstrip("_")).bind
        except KeyError:
            raise AttributeError(f"there is no primitive named {name!r}") from None
        setattr(self, name, bind)  # from now on a plain attribute
        return bind


p = Operations()


def like(x: Any, scalar: complex) -> Literal:
    """`scalar` as a literal of the dtype and weak type of `x`: the constants of derivative formulas."""
    aval = aval_like(x)
    return Literal(aval.dtype.type(scalar), ShapedArray((), aval.dtype, aval.weak_type))


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """`on_true` where `pred`, else `on_false`; scalars broadcast."""
    return p.select_n(pred, on_false, on_true)


def zeros(aval: ShapedArray) -> Any:
    """Zeros of type `aval` (a literal, for a scalar)."""
    zero = Literal(aval.dtype.type(0), ShapedArray((), aval.dtype, aval.weak_type))
    return p.broadcast_in_dim(zero, shape=aval.shape, broadcast_dimensions=()) if aval.shape else zero
