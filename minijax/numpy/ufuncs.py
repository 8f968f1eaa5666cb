"""Elementwise functions that are one primitive: `sin`, `add`, `less`, ... and the operators made from them.

In: arrays, tracers, NumPy values, Python scalars. Out: arrays and tracers. Every function is a closure made by a
factory that knows its primitive, so that the common cases (an array; two arrays of one dtype; an array and a
Python number met before) cost a few comparisons before the primitive is bound. Everything else goes through
`_promotion`. The operators of arrays (`x + y`) are the same closures, with operands of foreign types refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import Array
from ..dtypes import issubdtype, scalar_dtype
from ..ir import Literal, Tracer, bind_one, bind_two, lookup
from ._promotion import (
    SCALAR_TYPES,
    as_inexact,
    checked,
    literals,
    promoted,
    promoted_inexact,
    promoted_numeric,
    to_bool,
    weak_scalar,
)

__all__ = ["OPERATORS", "binary_names", "operators_of", "unary_names"]

_FOREIGN_OK = (np.ndarray, np.generic, bool, int, float, complex)


def _named(f: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


def _unary(name: str, primitive_name: str, what: str) -> Callable[[Any], Any]:
    """A function of floats; integers are converted."""
    bind = bind_one(lookup(primitive_name))

    def function(x: Any, /) -> Any:
        kind = type(x)
        if (kind is Array or kind is Tracer) and x.aval.dtype.kind in "fc":
            return bind(x)
        return bind(as_inexact(name, x))

    return _named(
        function, name, f"{what}, elementwise.\n\nArgs:\n    x: array of any shape; integers become floats."
    )


def _unary_any(name: str, primitive_name: str, what: str, kinds: str, otherwise: Callable[[Any], Any]) -> Any:
    """A function that keeps the dtype: bound for dtypes of `kinds`, `otherwise` for the rest (checked values)."""
    bind = bind_one(lookup(primitive_name))

    def function(x: Any, /) -> Any:
        kind = type(x)
        if (kind is Array or kind is Tracer) and x.aval.dtype.kind in kinds:
            return bind(x)
        (x,) = promoted(name, x)
        return bind(x) if x.aval.dtype.kind in kinds else otherwise(x)

    return _named(function, name, f"{what}, elementwise.\n\nArgs:\n    x: array of any shape.")


def _binary(
    name: str, primitive_name: str, what: str, kinds: str, promote: Callable[..., Any], on_bool: str | None = None
) -> tuple[Any, Any, Any]:
    """A function of two arrays, and its operator with the operands in order and reflected.

    Args:
        kinds: of dtypes that need no conversion when both operands have the same one.
        promote: from (name, x, y) to operands.
        on_bool: the primitive for booleans, if it is another.
    """
    bind = bind_two(lookup(primitive_name))
    bind_bool = lookup(on_bool).bind if on_bool else bind

    def slow(x: Any, y: Any) -> Any:
        x, y = promote(name, x, y)
        return bind_bool(x, y) if x.aval.dtype.kind == "b" else bind(x, y)

    def function(x: Any, y: Any, /) -> Any:
        kind, other = type(x), type(y)
        if kind is Array or kind is Tracer:
            a = x.aval
            if other is Array or other is Tracer:
                b = y.aval
                same = a is b or (a.dtype is b.dtype and (not b.shape or not a.shape or a.shape == b.shape))
                if same and a.dtype.kind in kinds:
                    return bind(x, y)
            elif other is float or other is int:
                scalar = literals.get((a.dtype, other, y if y else repr(y))) or weak_scalar(y, a.dtype)
                if scalar is not None and a.dtype.kind in kinds:
                    return bind(x, scalar)
        elif (kind is float or kind is int) and (other is Array or other is Tracer):
            b = y.aval
            scalar = literals.get((b.dtype, kind, x if x else repr(x))) or weak_scalar(x, b.dtype)
            if scalar is not None and b.dtype.kind in kinds:
                return bind(scalar, y)
        return slow(x, y)

    def operator(x: Any, y: Any) -> Any:
        other = type(y)
        a = x.aval
        if other is Array or other is Tracer:
            b = y.aval
            same = a is b or (a.dtype is b.dtype and (not b.shape or not a.shape or a.shape == b.shape))
            if same and a.dtype.kind in kinds:
                return bind(x, y)
        elif other is float or other is int:
            scalar = literals.get((a.dtype, other, y if y else repr(y))) or weak_scalar(y, a.dtype)
            if scalar is not None and a.dtype.kind in kinds:
                return bind(x, scalar)
        elif not isinstance(y, _FOREIGN_OK) and not hasattr(y, "__jax_array__"):
            return NotImplemented
        return slow(x, y)

    def reflected(x: Any, y: Any) -> Any:
        other = type(y)
        if other is float or other is int:
            a = x.aval
            scalar = literals.get((a.dtype, other, y if y else repr(y))) or weak_scalar(y, a.dtype)
            if scalar is not None and a.dtype.kind in kinds:
                return bind(scalar, x)
        elif not isinstance(y, _FOREIGN_OK) and not hasattr(y, "__jax_array__"):
            return NotImplemented
        return slow(y, x)

    doc = f"{what}, elementwise.\n\nArgs:\n    x, y: arrays of shapes that broadcast."
    return _named(function, name, doc), _named(operator, f"__{name}__", doc), _named(reflected, f"__r{name}__", doc)


def operators_of(function: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The operator and reflected operator of a function of two arrays."""

    def operator(x: Any, y: Any) -> Any:
        if type(y) in _NATIVE or isinstance(y, _FOREIGN_OK) or hasattr(y, "__jax_array__"):
            return function(x, y)
        return NotImplemented

    def reflected(x: Any, y: Any) -> Any:
        if type(y) in _NATIVE or isinstance(y, _FOREIGN_OK) or hasattr(y, "__jax_array__"):
            return function(y, x)
        return NotImplemented

    return operator, reflected


_NATIVE = SCALAR_TYPES | {Array, Tracer, Literal}

_INEXACT = {
    "acos": ("acos", "Inverse cosine"),
    "acosh": ("acosh", "Inverse hyperbolic cosine"),
    "arccos": ("acos", "Inverse cosine"),
    "arccosh": ("acosh", "Inverse hyperbolic cosine"),
    "arcsin": ("asin", "Inverse sine"),
    "arcsinh": ("asinh", "Inverse hyperbolic sine"),
    "arctan": ("atan", "Inverse tangent"),
    "arctanh": ("atanh", "Inverse hyperbolic tangent"),
    "asin": ("asin", "Inverse sine"),
    "asinh": ("asinh", "Inverse hyperbolic sine"),
    "atan": ("atan", "Inverse tangent"),
    "atanh": ("atanh", "Inverse hyperbolic tangent"),
    "cbrt": ("cbrt", "Cube root"),
    "cos": ("cos", "Cosine"),
    "cosh": ("cosh", "Hyperbolic cosine"),
    "exp": ("exp", "Exponential"),
    "exp2": ("exp2", "2**x"),
    "expm1": ("expm1", "exp(x) - 1 without cancellation near 0"),
    "log": ("log", "Natural logarithm"),
    "log1p": ("log1p", "log(1 + x) without cancellation near 0"),
    "sin": ("sin", "Sine"),
    "sinh": ("sinh", "Hyperbolic sine"),
    "sqrt": ("sqrt", "Square root"),
    "tan": ("tan", "Tangent"),
    "tanh": ("tanh", "Hyperbolic tangent"),
}
unary_names = tuple(_INEXACT)
globals().update({name: _unary(name, *row) for name, row in _INEXACT.items()})


def _refuse(name: str) -> Callable[[Any], Any]:
    def refuse(x: Any) -> Any:
        raise TypeError(f"{name} does not accept dtype {x.aval.dtype}: convert with x.astype(...)")

    return refuse


def _itself(x: Any) -> Any:
    return x if type(x) is not Literal else Array(np.asarray(x.value), x.aval)


def _unless_complex(name: str) -> Callable[[Any], Any]:
    """Integers and booleans as they are; complex numbers have no order to round in."""

    def checked_kind(x: Any) -> Any:
        if x.aval.dtype.kind == "c":
            raise TypeError(f"{name} does not accept dtype {x.aval.dtype}: expected floating, integer or boolean")
        return _itself(x)

    return checked_kind


def _square_of_bool(x: Any) -> Any:
    return lookup("square").bind(*promoted_numeric("square", x))


negative = _unary_any("negative", "neg", "Negation", "iufcV", _refuse("negative"))
positive = _unary_any("positive", "copy", "A copy", "iufcVb", _itself)
absolute = _unary_any("absolute", "abs", "Absolute value; its derivative at 0 is 0", "ifcV", _itself)
abs_ = _unary_any("abs", "abs", "Absolute value; its derivative at 0 is 0", "ifcV", _itself)
sign = _unary_any("sign", "sign", "Sign: -1, 0, 1 (x / |x| for complex x); its derivative is 0", "iufcV", _itself)
square = _unary_any("square", "square", "x**2", "iufcV", _square_of_bool)
floor = _unary_any("floor", "floor", "Largest integer not above x", "fV", _unless_complex("floor"))
ceil = _unary_any("ceil", "ceil", "Smallest integer not below x", "fV", _unless_complex("ceil"))
trunc = _unary_any("trunc", "trunc", "x without its fraction", "fV", _unless_complex("trunc"))
conj = _unary_any("conj", "conj", "Complex conjugate", "c", _itself)
conjugate = _unary_any("conjugate", "conj", "Complex conjugate", "c", _itself)
invert = _unary_any("invert", "not", "Bitwise (integers) or logical (booleans) negation", "iub", _refuse("invert"))


def _integers(name: str, x: Any, y: Any) -> list[Any]:
    values = promoted(name, x, y)
    if not (issubdtype(values[0].aval.dtype, np.integer) or values[0].aval.dtype.kind == "b"):
        raise TypeError(f"{name} does not accept dtype {values[0].aval.dtype}: expected integers or booleans")
    return values


def _counted_in_bits(name: str, x: Any, y: Any) -> list[Any]:
    """`_integers`; booleans are counted as the default integers."""
    values = _integers(name, x, y)
    if values[0].aval.dtype.kind != "b":
        return values
    return [lookup("convert_element_type").bind(v, new_dtype=scalar_dtype(int), weak_type=False) for v in values]


def _logical_operands(name: str, x: Any, y: Any) -> list[Any]:
    return promoted(name, *[to_bool(v) for v in checked(name, x, y)])


_NUMBERS, _ANY, _BITS = "iufc", "biufc", "biu"
_BINARY = {
    # name: (primitive, what, kinds bound directly, promotion, primitive for booleans, operator)
    "add": ("add", "Sum", _NUMBERS, promoted, "or", "add"),
    "subtract": ("sub", "Difference", _NUMBERS, promoted, None, "sub"),
    "multiply": ("mul", "Product", _NUMBERS, promoted, "and", "mul"),
    "true_divide": ("div", "Quotient; integers become floats", "fc", promoted_inexact, None, "truediv"),
    "maximum": ("max", "Larger of two; nan wins, ties share the derivative", _ANY, promoted, None, None),
    "minimum": ("min", "Smaller of two; nan wins, ties share the derivative", _ANY, promoted, None, None),
    "arctan2": ("atan2", "Angle of the point (y, x)", "f", promoted_inexact, None, None),
    "nextafter": ("nextafter", "Next float after x towards y", "f", promoted_inexact, None, None),
    "equal": ("eq", "x == y", _ANY, promoted, None, "eq"),
    "not_equal": ("ne", "x != y", _ANY, promoted, None, "ne"),
    "less": ("lt", "x < y", _ANY, promoted, None, "lt"),
    "less_equal": ("le", "x <= y", _ANY, promoted, None, "le"),
    "greater": ("gt", "x > y", _ANY, promoted, None, "gt"),
    "greater_equal": ("ge", "x >= y", _ANY, promoted, None, "ge"),
    "bitwise_and": ("and", "Bitwise and", _BITS, _integers, None, "and"),
    "bitwise_or": ("or", "Bitwise or", _BITS, _integers, None, "or"),
    "bitwise_xor": ("xor", "Bitwise exclusive or", _BITS, _integers, None, "xor"),
    "logical_and": ("and", "x and y are not zero", "b", _logical_operands, None, None),
    "logical_or": ("or", "x or y is not zero", "b", _logical_operands, None, None),
    "logical_xor": ("xor", "One of x and y is not zero", "b", _logical_operands, None, None),
    "left_shift": ("shift_left", "x shifted left by y bits", "iu", _counted_in_bits, None, "lshift"),
}
binary_names = tuple(_BINARY)

# Dunder name -> function of (self, other), for `operators.install`.
OPERATORS: dict[str, Callable[..., Any]] = {}
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")

for _name, (_primitive, _what, _kinds, _promote, _on_bool, _dunder) in _BINARY.items():
    _function, _operator, _reflected = _binary(_name, _primitive, _what, _kinds, _promote, _on_bool)
    globals()[_name] = _function
    if _dunder:
        OPERATORS[f"__{_dunder}__"] = _operator
        if _dunder not in _COMPARISONS:
            OPERATORS[f"__r{_dunder}__"] = _reflected

OPERATORS |= {"__neg__": negative, "__pos__": positive, "__abs__": abs_, "__invert__": invert}


def logical_not(x: Any, /) -> Any:
    """Whether x is zero, elementwise."""
    (x,) = checked("logical_not", x)
    return lookup("not").bind(to_bool(x))


def right_shift(x1: Any, x2: Any, /) -> Any:
    """x1 shifted right by x2 bits, elementwise; signed integers keep their sign."""
    x, y = _counted_in_bits("right_shift", x1, x2)
    signed = x.aval.dtype.kind == "i"
    return lookup("shift_right_arithmetic" if signed else "shift_right_logical").bind(x, y)


OPERATORS["__rshift__"], OPERATORS["__rrshift__"] = operators_of(right_shift)
