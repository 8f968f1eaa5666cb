"""Complex numbers and their parts: real, imag, conj, complex.

These are linear over the reals. Cotangents follow JAX's convention: the transpose of `real` is ct -> ct + 0i, that of
`imag` is ct -> 0 - i ct, so that `grad` of a real function of z = x + iy is df/dx - i df/dy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Linear, Primitive, ShapedArray
from ..ir.passes.rewrite import involution
from ._families import COMPLEX, Kind, check_dtype, elementwise_aval, elementwise_batch, unary, unbroadcast
from ._ops import like, p


def _part_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype("float32") if dtype == np.dtype("complex64") else np.dtype("float64")


def _whole_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype("complex64") if dtype == np.dtype("float32") else np.dtype("complex128")


def _zero_like(ct: Any) -> Any:
    return like(ct, 0)


real = unary(
    "real",
    np.real,
    jvp=None,
    accepts=COMPLEX,
    out_dtype=_part_dtype,
    linear=True,
    transpose=lambda ct, x: (p.complex(ct, _zero_like(ct)),),
    lower="real",
    doc="Real part, elementwise. d = Re dx; transpose: ct -> ct + 0i.",
)
imag = unary(
    "imag",
    np.imag,
    jvp=None,
    accepts=COMPLEX,
    out_dtype=_part_dtype,
    linear=True,
    transpose=lambda ct, x: (p.complex(_zero_like(ct), p.neg(ct)),),
    lower="imag",
    doc="Imaginary part, elementwise. d = Im dx; transpose: ct -> -i ct.",
)
conj = unary(
    "conj",
    np.conj,
    jvp=None,
    accepts=COMPLEX,
    linear=True,
    transpose=lambda ct, x: (p.conj(ct),),
    lower="conj",
    simplify=[involution],
    doc="Complex conjugate, elementwise. d = conj(dx); transpose: ct -> conj(ct) (linear over the reals).",
)


def _complex_abstract(x: ShapedArray, y: ShapedArray) -> ShapedArray:
    for aval in (x, y):
        check_dtype("complex", aval, (np.float32, np.float64))  # there are no complex halves
    out = elementwise_aval("complex", (x, y))
    return out.update(dtype=_whole_dtype(out.dtype))


def _complex_evaluate(x: Any, y: Any) -> Any:
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    out = np.empty(shape, _whole_dtype(x.dtype))
    out.real = x
    out.imag = y
    return out


def _complex_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return (
        unbroadcast(p.real(ct), x.aval) if type(x) is Linear else None,
        unbroadcast(p.neg(p.imag(ct)), y.aval) if type(y) is Linear else None,
    )


complex_ = Primitive(
    "complex",
    Kind.BINARY,
    abstract=_complex_abstract,
    evaluate=_complex_evaluate,
    jvp=(
        lambda t, out, x, y: p.complex(t, _zero_like(t)),
        lambda t, out, x, y: p.complex(_zero_like(t), t),
    ),
    transpose=_complex_transpose,
    batch=elementwise_batch("complex"),
    lower="complex",
    doc="x + iy, elementwise. d = dx + i dy; transpose: ct -> (Re ct, -Im ct).",
)
