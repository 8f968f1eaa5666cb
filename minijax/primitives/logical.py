"""Comparisons, logic, bits, choice: eq, lt, and, or, not, shifts, select_n, clamp, floor, ceil, round, trunc, nextafter.

Nothing here has a derivative with respect to what decides; `select_n` and `clamp` pass the tangents of what is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Kind, Linear, Primitive, ShapedArray, Zero
from ..ir.passes.rewrite import involution, known_case
from ._families import (
    ANY,
    FLOAT,
    INTEGRAL,
    binary,
    check_dtype,
    elementwise_aval,
    elementwise_batch,
    unary,
    unbroadcast,
)
from ._ops import like, p, select

_BOOL = np.dtype(bool)


def _comparison(name: str, evaluate: Any, symbol: str) -> Primitive:
    return binary(
        name,
        evaluate,
        accepts=ANY,
        jvp=None,
        out_dtype=_BOOL,
        lower=name,
        doc=f"x {symbol} y, elementwise -> bool. The derivative is zero: the result is piecewise constant.",
    )


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _total_order_key(x: Any) -> Any:
    """Integers in the total order of floats: -nan < -inf < ... < -0 < 0 < ... < inf < nan."""
    if x.dtype.kind not in "fV":
        return x
    bits = np.asarray(x).view(f"i{x.dtype.itemsize}")
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits - 1, bits)


def _total(f: Any) -> Any:
    return lambda x, y: f(_total_order_key(x), _total_order_key(y))


eq_to = _comparison("eq_to", _total(np.equal), "== (in the total order of floats)")
le_to = _comparison("le_to", _total(np.less_equal), "<= (in the total order of floats)")
lt_to = _comparison("lt_to", _total(np.less), "< (in the total order of floats)")


def _logical(name: str, evaluate: Any) -> Primitive:
    doc = f"Bitwise {name} of integers, logical {name} of booleans, elementwise. No derivative."
    return binary(name, evaluate, accepts=INTEGRAL, jvp=None, lower=name, doc=doc)


and_ = _logical("and", np.bitwise_and)
or_ = _logical("or", np.bitwise_or)
xor = _logical("xor", np.bitwise_xor)
not_ = unary(
    "not",
    np.invert,
    jvp=None,
    accepts=INTEGRAL,
    lower="not",
    simplify=[involution],
    doc="Bitwise not of integers, logical not of booleans, elementwise. No derivative.",
)


def _bits(x: Any) -> int:
    return int(x.dtype.itemsize * 8)


def _shift_left_evaluate(x: Any, y: Any) -> Any:
    inside = (y >= 0) & (y < _bits(x))
    return np.where(inside, np.left_shift(x, np.where(inside, y, 0).astype(y.dtype)), x.dtype.type(0))


def _shift_right_arithmetic_evaluate(x: Any, y: Any) -> Any:
    inside = (y >= 0) & (y < _bits(x))
    return np.right_shift(x, np.where(inside, y, _bits(x) - 1).astype(y.dtype))


def _shift_right_logical_evaluate(x: Any, y: Any) -> Any:
    unsigned = np.asarray(x).view(f"u{x.dtype.itemsize}")
    inside = (y >= 0) & (y < _bits(x))
    shifted = np.right_shift(unsigned, np.where(inside, y, 0).astype(unsigned.dtype))
    return np.where(inside, shifted, unsigned.dtype.type(0)).view(x.dtype)


def _shift(name: str, evaluate: Any, what: str) -> Primitive:
    doc = f"x {what} by y bits, elementwise; shifts beyond the width shift everything out. No derivative."
    return binary(name, evaluate, accepts=(np.integer,), jvp=None, lower=name, doc=doc)


shift_left = _shift("shift_left", _shift_left_evaluate, "shifted left")
shift_right_arithmetic = _shift(
    "shift_right_arithmetic", _shift_right_arithmetic_evaluate, "shifted right, keeping the sign,"
)
shift_right_logical = _shift(
    "shift_right_logical", _shift_right_logical_evaluate, "shifted right, filling with zeros,"
)


def _clz_evaluate(x: Any) -> Any:
    unsigned = np.asarray(x).view(f"u{x.dtype.itemsize}").astype(np.uint64)
    length = np.zeros(unsigned.shape, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        high = unsigned >> np.uint64(step)
        taken = high > 0
        length += np.where(taken, step, 0)
        unsigned = np.where(taken, high, unsigned)
    return (_bits(x) - length - (unsigned > 0)).astype(x.dtype)


clz = unary(
    "clz",
    _clz_evaluate,
    jvp=None,
    accepts=(np.integer,),
    lower="clz",
    doc="Leading zero bits, elementwise. No derivative.",
)
population_count = unary(
    "population_count",
    lambda x: np.bitwise_count(np.asarray(x).view(f"u{x.dtype.itemsize}")).astype(x.dtype),
    jvp=None,
    accepts=INTEGRAL,
    lower="population_count",
    doc="One bits, elementwise. No derivative.",
)
is_finite = unary(
    "is_finite",
    np.isfinite,
    jvp=None,
    accepts=FLOAT,
    out_dtype=lambda dtype: _BOOL,
    lower="is_finite",
    doc="Neither inf nor nan, elementwise -> bool. No derivative.",
)
nextafter = binary(
    "nextafter",
    np.nextafter,
    accepts=FLOAT,
    jvp="missing",
    lower="nextafter",
    doc="The next float after x towards y, elementwise. Not differentiable: it is about the grid of floats.",
)


def _step(name: str, evaluate: Any, what: str, **more: Any) -> Primitive:
    return unary(
        name,
        evaluate,
        jvp=None,
        accepts=FLOAT,
        lower=name,
        doc=f"{what}, elementwise. The derivative is zero, at the jumps too.",
        **more,
    )


def _round_evaluate(x: Any, *, rounding_method: int) -> Any:
    if rounding_method == 1:
        return np.rint(x)
    nearest = np.trunc(x)
    half = x.dtype.type(0.5)
    return np.where(np.abs(x - nearest) >= half, nearest + np.copysign(x.dtype.type(1), x), nearest).astype(x.dtype)


floor = _step("floor", np.floor, "The largest integer not above x")
ceil = _step("ceil", np.ceil, "The smallest integer not below x")
trunc = _step("trunc", np.trunc, "x without its fraction")
round_ = _step(
    "round",
    _round_evaluate,
    "The nearest integer, halves away from zero (rounding_method 0) or to even (1)",
    params={"rounding_method": int},
)


def _select_abstract(which: ShapedArray, *cases: ShapedArray) -> ShapedArray:
    if which.dtype != _BOOL and which.dtype != np.dtype(np.int32):
        raise TypeError(f"select `which` must be boolean or int32 type, got {which.dtype}.")
    if which.dtype == _BOOL and len(cases) > 2:
        raise TypeError(f"select with boolean `which` takes at most two cases, got {len(cases)}.")
    out = elementwise_aval("select_n", cases)
    if which.shape and out.shape and which.shape != out.shape:
        raise TypeError(
            f"select `which` must be scalar or have the same shape as cases, got `which` shape {which.shape} but case shape "
            f"{out.shape}."
        )
    return out.update(shape=out.shape or which.shape)


def _select_evaluate(which: Any, *cases: Any) -> Any:
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    shape = np.broadcast_shapes(np.shape(which), *[np.shape(case) for case in cases])
    out = np.broadcast_to(cases[0], shape)
    for k in range(1, len(cases)):
        out = np.where(np.asarray(which) >= k, cases[k], out)
    return np.array(out)


def _select_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    which, *cases = primals
    out = p.select_n(which, *cases)
    given = [like(out, 0) if type(t) is Zero else t for t in tangents[1:]]
    tangent = p.select_n(which, *given)
    if tangent.shape != out.shape:
        tangent = p.broadcast_in_dim(tangent, shape=out.shape, broadcast_dimensions=())
    return out, tangent


def _select_transpose(ct: Any, which: Any, *cases: Any) -> list[Any]:
    zero = like(ct, 0)
    out: list[Any] = [None]
    for k, case in enumerate(cases):
        if type(case) is not Linear:
            out.append(None)
            continue
        chosen = p.select_n(which, *[ct if i == k else zero for i in range(len(cases))])
        out.append(unbroadcast(chosen, case.aval))
    return out


select_n = Primitive(
    "select_n",
    Kind.ELEMENTWISE,
    abstract=_select_abstract,
    evaluate=_select_evaluate,
    jvp=_select_jvp,
    transpose=_select_transpose,
    batch=elementwise_batch("select_n"),
    lower="select",
    simplify=[known_case],
    doc="""The case numbered `which` (bool or int32), elementwise. which: shape () or that of the cases. Linear in the cases:
    d = the tangent of the case chosen; zero in `which`.""",
)


def _clamp_abstract(low: ShapedArray, x: ShapedArray, high: ShapedArray) -> ShapedArray:
    for aval in (low, x, high):
        check_dtype("clamp", aval, ANY)
    return elementwise_aval("clamp", (low, x, high)).update(weak_type=x.weak_type)


def _inside(x: Any, low: Any, high: Any) -> Any:
    return p.and_(p.gt(x, low), p.lt(x, high))


clamp = Primitive(
    "clamp",
    Kind.ELEMENTWISE,
    abstract=_clamp_abstract,
    evaluate=lambda low, x, high: np.minimum(np.maximum(x, low), high),
    jvp=(
        lambda t, out, low, x, high: select(p.and_(p.gt(low, x), p.lt(low, high)), t, like(out, 0)),
        lambda t, out, low, x, high: select(_inside(x, low, high), t, like(out, 0)),
        lambda t, out, low, x, high: select(p.gt(x, high), t, like(out, 0)),
    ),
    batch=elementwise_batch("clamp"),
    lower="clamp",
    doc="""x limited to [low, high], elementwise; the limits may be scalars. d = dx strictly inside, the limit's tangent
    outside, 0 for x at the limits.""",
)

mulhi = binary(
    "mulhi",
    lambda x, y: _mulhi(x, y),
    accepts=(np.integer,),
    jvp=None,
    lower="mulhi",
    doc="The high half of the product of integers, elementwise. No derivative.",
)


def _mulhi(x: Any, y: Any) -> Any:
    bits = _bits(x)
    if bits < 64:
        wide = np.dtype(f"{x.dtype.kind}{x.dtype.itemsize * 2}")
        return (np.multiply(x, y, dtype=wide) >> wide.type(bits)).astype(x.dtype)
    product = np.asarray(x).astype(object) * np.asarray(y).astype(object)
    return np.asarray(product >> bits).astype(x.dtype)
