"""Arithmetic: add, sub, mul, div, rem, neg, abs, sign, max, min, pow, integer_pow, square.

Derivative forms are chosen so that no intermediate over- or underflows where the result does not: division is
differentiated as `-(x / y) / y`, powers by cases at zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Linear, ShapedArray, aval_like
from ..ir.passes.rewrite import View, involution, unit
from ._families import ANY, INEXACT, NUMERIC, REAL, binary, unary, unbroadcast
from ._ops import like, p, select


def _is_complex(x: Any) -> bool:
    return bool(aval_like(x).dtype.kind == "c")


def _add_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return (
        unbroadcast(ct, x.aval) if type(x) is Linear else None,
        unbroadcast(ct, y.aval) if type(y) is Linear else None,
    )


add = binary(
    "add",
    np.add,
    jvp=(lambda t, out, x, y: t, lambda t, out, x, y: t),
    transpose=_add_transpose,
    lower="add",
    simplify=[unit(-0.0, complex_too=False)],
    doc="Sum, elementwise. d(x + y) = dx + dy.",
)


def _sub_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return (
        unbroadcast(ct, x.aval) if type(x) is Linear else None,
        unbroadcast(p.neg(ct), y.aval) if type(y) is Linear else None,
    )


sub = binary(
    "sub",
    np.subtract,
    jvp=(lambda t, out, x, y: t, lambda t, out, x, y: p.neg(t)),
    transpose=_sub_transpose,
    lower="sub",
    simplify=[unit(0, left=False)],
    doc="Difference, elementwise. d(x - y) = dx - dy.",
)


def _mul_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if type(x) is Linear:
        return unbroadcast(p.mul(ct, y), x.aval), None
    return None, unbroadcast(p.mul(x, ct), y.aval)


mul = binary(
    "mul",
    np.multiply,
    jvp=(lambda t, out, x, y: p.mul(t, y), lambda t, out, x, y: p.mul(x, t)),
    jet="bilinear",
    transpose=_mul_transpose,
    lower="mul",
    simplify=[unit(1, complex_too=False)],
    doc="Product, elementwise. d(x y) = dx y + x dy.",
)


def _div_evaluate(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        return _divide_integers(x, y)
    return np.true_divide(x, y)


def _divide_integers(x: Any, y: Any) -> Any:
    """Truncating division; by zero gives -1 (all bits), as XLA defines it."""
    safe = np.where(y == 0, y.dtype.type(1), y)
    quotient = np.floor_divide(x, safe)
    remainder = x - quotient * safe
    towards_zero = (remainder != 0) & ((x < 0) != (safe < 0))
    quotient = quotient + towards_zero.astype(quotient.dtype)
    return np.where(y == 0, np.array(-1).astype(y.dtype), quotient)


def _div_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if type(y) is Linear:
        raise div.missing("transpose")
    return unbroadcast(p.div(ct, y), x.aval), None


div = binary(
    "div",
    _div_evaluate,
    jvp=(
        lambda t, out, x, y: p.div(t, y),
        lambda t, out, x, y: p.mul(p.div(p.neg(out), y), t),
    ),
    transpose=_div_transpose,
    jet="implicit",
    lower="div",
    simplify=[unit(1, left=False, complex_too=False)],
    doc="""Quotient, elementwise; integers truncate towards zero. d(x / y) = dx / y - (x / y) / y dy: the second term
    without squaring y, which over- or underflows where the quotient does not.""",
)


def _rem_evaluate(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        return np.where(y == 0, x, np.fmod(x, np.where(y == 0, y.dtype.type(1), y)))
    return np.fmod(x, y)


rem = binary(
    "rem",
    _rem_evaluate,
    accepts=REAL,
    jvp=(lambda t, out, x, y: t, lambda t, out, x, y: p.mul(p.neg(p.trunc(p.div(x, y))), t)),
    lower="rem",
    doc="Remainder with the sign of x (C's fmod), elementwise. d rem = dx - trunc(x / y) dy, jumps have derivative zero.",
)

neg = unary(
    "neg",
    np.negative,
    jvp=None,
    accepts=NUMERIC,
    linear=True,
    transpose=lambda ct, x: (p.neg(ct),),
    lower="neg",
    simplify=[involution],
    doc="Negation, elementwise. d(-x) = -dx.",
)


sign = unary(
    "sign",
    np.sign,
    jvp=None,
    accepts=NUMERIC,
    lower="sign",
    doc="Sign, elementwise; x / |x| for complex x, 0 at 0, nan at nan. The derivative is zero, at the jump too.",
)


def _abs_jvp(t: Any, out: Any, x: Any) -> Any:
    if _is_complex(x):
        nonzero = select(p.eq(out, like(out, 0)), like(out, 1), out)  # at 0: Re 0 = Im 0 = 0, so the slope is 0
        re, im = p.div(p.real(x), nonzero), p.div(p.imag(x), nonzero)
        return p.add(p.mul(re, p.real(t)), p.mul(im, p.imag(t)))
    zero = like(x, 0)
    return select(p.eq(x, zero), zero, select(p.gt(x, zero), t, p.neg(t)))


abs_ = unary(
    "abs",
    np.abs,
    jvp=_abs_jvp,
    accepts=NUMERIC,
    out_dtype=lambda dtype: np.empty(0, dtype).real.dtype if dtype.kind == "c" else dtype,
    lower="abs",
    doc="""Absolute value, elementwise. d|x| = sign(x) dx; 0 at 0, the subgradient of least norm (JAX takes 1).
    Complex x: Re(conj(x) dx) / |x|, 0 at 0.""",
)


def _tie_share(x: Any, out: Any, y: Any) -> Any:
    """1 where x is the larger (smaller) one, 1/2 at ties, 0 elsewhere and at nan."""
    one, half, zero = like(out, 1), like(out, 0.5), like(out, 0)
    return select(p.eq(x, out), select(p.eq(y, out), half, one), zero)


def _extremum(name: str, evaluate: Any) -> Any:
    return binary(
        name,
        evaluate,
        accepts=ANY,
        jvp=(
            lambda t, out, x, y: p.mul(t, _tie_share(x, out, y)),
            lambda t, out, x, y: p.mul(t, _tie_share(y, out, x)),
        ),
        lower=name,
        doc=f"""{name.capitalize()}imum, elementwise; nan wins. The tangent is that of the operand chosen; a tie shares it
        equally, a nan gets nothing.""",
    )


max_ = _extremum("max", np.maximum)
min_ = _extremum("min", np.minimum)


def _pow_jvp_base(t: Any, out: Any, x: Any, y: Any) -> Any:
    zero, one = like(y, 0), like(y, 1)
    flat = p.eq(y, zero)  # x**0 is constant, at x = 0 too
    slope = p.mul(y, p.pow(x, select(flat, one, p.sub(y, one))))
    return p.mul(t, select(flat, zero, slope))


def _pow_jvp_exponent(t: Any, out: Any, x: Any, y: Any) -> Any:
    zero, one = like(x, 0), like(x, 1)
    safe = select(p.eq(x, zero), one, x)  # 0**y is flat in y: log 1 = 0
    return p.mul(t, p.mul(p.log(safe), out))


pow_ = binary(
    "pow",
    np.power,
    accepts=INEXACT,
    jvp=(_pow_jvp_base, _pow_jvp_exponent),
    lower="pow",
    doc="""x**y, elementwise. d = y x**(y-1) dx + log(x) x**y dy, by cases at zero: x**0 is constant in x (also at x = 0),
    0**y is constant in y.""",
)


def _integer_pow_evaluate(x: Any, *, y: int) -> Any:
    if y >= 0:
        return np.power(x, np.asarray(y).astype(x.dtype) if x.dtype.kind in "iu" else x.dtype.type(y))
    return np.true_divide(x.dtype.type(1), np.power(x, x.dtype.type(-y)))


def _integer_pow_jvp(t: Any, out: Any, x: Any, *, y: int) -> Any:
    if y == 0:
        return p.mul(t, like(x, 0))
    if y == 1:
        return t
    if y == 2:
        return p.mul(t, p.mul(like(x, 2), x))
    return p.mul(t, p.mul(like(x, y), p.integer_pow(x, y=y - 1)))


def _refuse_integer_reciprocals(x: ShapedArray, *, y: int) -> None:
    if y < 0 and x.dtype.kind in "iu":
        raise TypeError(
            f"Integers cannot be raised to negative powers, got integer_pow({x.str_short()}, {y}): the result is no "
            "integer. Convert with x.astype(float) first"
        )


def _first_power(view: View) -> Any:
    """x**1 is x."""
    return view.operands[0] if view.params["y"] == 1 else None


integer_pow = unary(
    "integer_pow",
    _integer_pow_evaluate,
    jvp=_integer_pow_jvp,
    accepts=NUMERIC,
    params={"y": int},
    lower="integer_pow",
    simplify=[_first_power],
    check=_refuse_integer_reciprocals,
    doc="x**y for a Python int y, elementwise. d = y x**(y-1) dx; 0 for y = 0, at x = 0 too.",
)

square = unary(
    "square",
    np.square,
    jvp=lambda t, out, x: p.mul(t, p.mul(like(x, 2), x)),
    accepts=NUMERIC,
    lower="square",
    doc="x**2, elementwise. d = 2 x dx.",
)
