"""Placeholders that rules meet in place of values.

`Zero(aval)` is a tangent or cotangent known to be zero: it never becomes an array unless somebody needs one. Rules of users
that ask for symbolic zeros get it too (as `custom_derivatives.SymbolicZero`).
`Linear(aval)` marks, in a transpose rule, the operand to transpose with respect to (JAX's UndefinedPrimal).
"""

from __future__ import annotations

from .avals import ShapedArray, Typed

__all__ = ["Linear", "Zero"]


class Zero(Typed):
    """A tangent or cotangent of type `aval` that is zero everywhere."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Zero({self.aval.str_short()})"


class Linear(Typed):
    """The operand of a linear equation that a transpose rule is asked about; only its type is known."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Linear({self.aval.str_short()})"
