"""Changing the type of values: convert_element_type, bitcast_convert_type, reduce_precision, copy, stop_gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import issubdtype
from ..ir import Kind, Primitive, ShapedArray, aval_like
from ..ir.passes.rewrite import identity_if_same_type
from ._families import ANY, FLOAT, unary
from ._ops import p


def _convert_abstract(x: ShapedArray, *, new_dtype: np.dtype, weak_type: bool) -> ShapedArray:
    return ShapedArray(x.shape, new_dtype, weak_type)


def _convert_evaluate(x: Any, *, new_dtype: np.dtype, weak_type: bool) -> Any:
    if x.dtype == new_dtype:
        return x
    kind = x.dtype.kind
    if kind == "c" and new_dtype.kind != "c":
        x = x.real if new_dtype.kind != "b" else x != 0
    if new_dtype.kind == "b":
        return x != 0
    if new_dtype.kind in "iu" and x.dtype.kind in "fV":
        return _truncated(x, new_dtype)
    return x.astype(new_dtype)


def _truncated(x: Any, new_dtype: np.dtype) -> Any:
    """Floats to integers: towards zero, saturating, nan to 0 (XLA's convention; C leaves it undefined)."""
    limits = np.iinfo(new_dtype)
    wide = np.asarray(x).astype(np.float64)
    low, high = float(limits.min), float(limits.max)  # high may round up to 2**63: compare with >=
    inside = (wide > low) & (wide < high)
    out = np.where(inside, wide, 0).astype(new_dtype)
    out = np.where(wide >= high, new_dtype.type(limits.max), out)
    return np.where(wide <= low, new_dtype.type(limits.min), out)


def _convert_jvp(t: Any, out: Any, x: Any, *, new_dtype: np.dtype, weak_type: bool) -> Any:
    if not issubdtype(new_dtype, np.inexact):
        return None
    return p.convert_element_type(t, new_dtype=new_dtype, weak_type=weak_type)


def _convert_transpose(ct: Any, x: Any, *, new_dtype: np.dtype, weak_type: bool) -> tuple[Any]:
    return (p.convert_element_type(ct, new_dtype=x.aval.dtype, weak_type=x.aval.weak_type),)


convert_element_type = Primitive(
    "convert_element_type",
    Kind.UNARY,
    abstract=_convert_abstract,
    evaluate=_convert_evaluate,
    jvp=(_convert_jvp,),
    transpose=_convert_transpose,
    batch=lambda size, args, axes, **params: (p.convert_element_type(args[0], **params), axes[0]),
    lower="convert",
    params={"new_dtype": np.dtype, "weak_type": bool},
    simplify=[identity_if_same_type],
    doc="""x as `new_dtype`. Floats are truncated towards zero to integers, saturating, nan to 0; complex to real drops the
    imaginary part. Linear between floats: d = dx as `new_dtype`; zero to and from integers and booleans.""",
)


def _bitcast_abstract(x: ShapedArray, *, new_dtype: np.dtype) -> ShapedArray:
    old, new = x.dtype.itemsize, new_dtype.itemsize
    if old == new:
        shape = x.shape
    elif old > new:
        shape = (*x.shape, old // new)
    elif x.shape and x.shape[-1] * old == new:
        shape = x.shape[:-1]
    else:
        raise ValueError(
            f"Attempting to convert array of shape {x.shape} from {x.dtype} of {old * 8} bits to {new_dtype} of {new * 8} bits: "
            f"the last axis must have size {new // old}"
        )
    return ShapedArray(shape, new_dtype)


def _bitcast_evaluate(x: Any, *, new_dtype: np.dtype) -> Any:
    x = np.ascontiguousarray(x).reshape(np.shape(x))
    old, new = x.dtype.itemsize, new_dtype.itemsize
    if old == new:
        return x.view(new_dtype)
    if old > new:
        return x[..., None].view(new_dtype)
    return x.view(new_dtype)[..., 0]


def _bitcast_batch(size: int, args: Any, axes: Any, *, new_dtype: np.dtype) -> Any:
    (x,), (axis,) = args, axes
    order = (axis, *(i for i in range(aval_like(x).ndim) if i != axis))
    return p.bitcast_convert_type(p.transpose(x, permutation=order), new_dtype=new_dtype), 0


bitcast_convert_type = Primitive(
    "bitcast_convert_type",
    Kind.UNARY,
    abstract=_bitcast_abstract,
    evaluate=_bitcast_evaluate,
    jvp=None,
    batch=_bitcast_batch,
    lower="bitcast",
    params={"new_dtype": np.dtype},
    doc="""The bits of x read as `new_dtype`; a wider or narrower dtype drops or adds a last axis. No derivative: it is about the
    representation, not the value.""",
)


def _reduce_precision_evaluate(x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    dtype = x.dtype
    wide = np.asarray(x).astype(np.float64)
    mantissa, exponent = np.frexp(wide)
    scale = 2.0 ** (mantissa_bits + 1)
    rounded = np.ldexp(np.rint(mantissa * scale) / scale, exponent)
    largest = 2.0 ** (2 ** (exponent_bits - 1) - 1) * (2 - 2.0**-mantissa_bits)
    smallest = 2.0 ** (2 - 2 ** (exponent_bits - 1))
    rounded = np.where(np.abs(rounded) > largest, np.copysign(np.inf, wide), rounded)
    rounded = np.where(np.abs(rounded) < smallest, np.copysign(0.0, wide), rounded)
    return np.where(np.isfinite(wide), rounded, wide).astype(dtype)


reduce_precision = unary(
    "reduce_precision",
    _reduce_precision_evaluate,
    jvp=None,
    accepts=FLOAT,
    linear=True,
    transpose=lambda ct, x, **params: (p.reduce_precision(ct, **params),),
    params={"exponent_bits": int, "mantissa_bits": int},
    lower="reduce_precision",
    doc="""x rounded to a format with fewer exponent and mantissa bits. Treated as linear: d = dx, rounded the same way
    (straight through).""",
)


copy = unary(
    "copy",
    lambda x: np.array(x),
    jvp=None,
    accepts=ANY,
    linear=True,
    transpose=lambda ct, x: (ct,),
    lower="copy",
    doc="x in a buffer of its own. Linear: d = dx.",
)

stop_gradient = unary(
    "stop_gradient",
    lambda x: x,
    jvp=None,
    accepts=ANY,
    lower="copy",
    doc="x, without its derivative: d = 0 by definition.",
)
