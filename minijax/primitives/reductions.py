"""Reductions over axes: sum, prod, max, min, and, or, xor, argmax, argmin.

A reduction keeps the dtype of its operand (`minijax.numpy` decides about promotion); half precision is accumulated in
float32. Gradients at ties are shared equally, products are differentiated without dividing by their factors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import issubdtype
from ..ir import Kind, Primitive, ShapedArray, aval_like
from ._families import ANY, INTEGRAL, REAL, check_dtype, reduction
from ._ops import like, p, select

ORDERED = (*REAL, np.bool_)
_FLOAT32 = np.dtype(np.float32)
_RUN = 4096  # elements that fit the first cache


def _keeping_dtype(f: np.ufunc) -> Any:
    """`f` in the dtype of its operand; 16-bit floats accumulate in float32."""

    def evaluate(x: Any, *, axes: tuple[int, ...]) -> Any:
        dtype = x.dtype
        if dtype.itemsize == 2 and dtype.kind in "fV":
            return _reduced(f, np.asarray(x).astype(_FLOAT32), axes, _FLOAT32).astype(dtype)
        return _reduced(f, x, axes, dtype)

    return evaluate


def _reduced(f: np.ufunc, x: Any, axes: tuple[int, ...], dtype: np.dtype) -> Any:
    """NumPy reduces fast, and adds pairwise, along the innermost axis only: long outer axes are folded first.

    Without it a float32 sum of ones along an outer axis stops at 2**24, and a column takes ten times as long as a row.
    """
    if x.size > _RUN and axes and x.ndim > 1 and not (len(axes) == x.ndim and x.flags.forc):
        axis = max(axes, key=x.shape.__getitem__)
        # A broadcast axis has stride 0, and is as slow as any outer one
        innermost = 0 != x.strides[axis] == min(x.strides, key=abs)
        inner = math.prod(x.shape[axis + 1 :])
        size = max(64, _RUN // inner)
        if not innermost and x.shape[axis] > (2 * size if inner <= _RUN else _RUN):
            x = _folded(f, x, axis, size, dtype)
    return f.reduce(x, axes, dtype)


def _folded(f: np.ufunc, x: Any, axis: int, size: int, dtype: np.dtype) -> Any:
    """`x` with `axis` cut into pieces of `size`, which are combined element by element: long vectors for NumPy."""
    before = (slice(None),) * axis
    whole = x.shape[axis] // size * size
    pieces = x[(*before, slice(whole))].reshape((*x.shape[:axis], -1, size, *x.shape[axis + 1 :]))
    out = f.reduce(pieces, axis, dtype)
    if whole < x.shape[axis]:
        head = (*before, slice(x.shape[axis] - whole))
        f(out[head], x[(*before, slice(whole, None))], out=out[head], dtype=dtype)
    return out


def _spread(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """A reduced array along the axes it was reduced over."""
    kept = tuple(i for i in range(len(shape)) if i not in axes)
    return p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=kept)


def _sum_transpose(ct: Any, x: Any, *, axes: tuple[int, ...]) -> tuple[Any]:
    return (_spread(ct, x.aval.shape, axes),)


reduce_sum = reduction(
    "reduce_sum",
    _keeping_dtype(np.add),
    jvp="linear",
    transpose=_sum_transpose,
    lower="reduce_add",
    doc="Sum over `axes`; 0 of nothing. Linear: d = sum of dx; transpose: the cotangent along `axes`.",
)


def _flattened(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` with the reduced axes as one last axis."""
    shape = aval_like(x).shape
    kept = tuple(i for i in range(len(shape)) if i not in axes)
    count = int(np.prod([shape[a] for a in axes], dtype=int))
    order = (*kept, *axes)
    if order != tuple(range(len(shape))):
        x = p.transpose(x, permutation=order)
    return p.reshape(x, new_sizes=(*(shape[i] for i in kept), count), dimensions=None)


def products_of_others(x: Any) -> Any:
    """For each element of the last axis, the product of the others: right also where elements are zero."""
    aval = aval_like(x)
    last = aval.ndim - 1
    one = like(x, 1)
    before = _pad_one(p.cumprod(x, axis=last, reverse=False), one, (1, -1, 0))
    after = _pad_one(p.cumprod(x, axis=last, reverse=True), one, (-1, 1, 0))
    return p.mul(before, after)


def _pad_one(x: Any, one: Any, last: tuple[int, int, int]) -> Any:
    config = ((0, 0, 0),) * (aval_like(x).ndim - 1) + (last,)
    return p.pad(x, one, padding_config=config)


def _prod_jvp(t: Any, out: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    flat = _flattened(x, axes)
    if aval_like(flat).shape[-1] == 0:
        return p.mul(out, like(out, 0))
    terms = p.mul(_flattened(t, axes), products_of_others(flat))
    return p.reduce_sum(terms, axes=(aval_like(flat).ndim - 1,))


reduce_prod = reduction(
    "reduce_prod",
    _keeping_dtype(np.multiply),
    jvp=(_prod_jvp,),
    lower="reduce_mul",
    doc="Product over `axes`; 1 of nothing. d = sum_i dx_i prod_{j != i} x_j, by running products: right with zeros.",
)


def _empty_value(dtype: np.dtype, largest: bool) -> Any:
    if dtype.kind == "b":
        return np.bool_(largest)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return dtype.type(limits.max if largest else limits.min)
    return dtype.type(np.inf if largest else -np.inf)


def _extremum(name: str, f: np.ufunc, largest_when_empty: bool) -> Primitive:
    def evaluate(x: Any, *, axes: tuple[int, ...]) -> Any:
        if x.size and x.dtype.kind != "V":
            return _reduced(f, x, axes, x.dtype)
        return f.reduce(x, axes, initial=_empty_value(x.dtype, largest_when_empty))

    def jvp(t: Any, out: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        shape = aval_like(x).shape
        chosen = select(p.eq(x, _spread(out, shape, axes)), _ones(x), like(x, 0))
        count = p.reduce_sum(chosen, axes=axes)
        return p.div(p.reduce_sum(p.mul(t, chosen), axes=axes), count)

    return reduction(
        name,
        evaluate,
        accepts=ANY,
        jvp=(jvp,),
        lower=name,
        doc=f"{name[7:].capitalize()}imum over `axes`; nan wins. The tangent is the mean of those of the elements that attain it: "
        "ties share the gradient equally.",
    )


def _ones(x: Any) -> Any:
    return p.broadcast_in_dim(like(x, 1), shape=aval_like(x).shape, broadcast_dimensions=())


reduce_max = _extremum("reduce_max", np.maximum, False)
reduce_min = _extremum("reduce_min", np.minimum, True)


def _bitwise(name: str, f: Any) -> Primitive:
    return reduction(
        name,
        lambda x, axes: f.reduce(x, axis=axes, dtype=x.dtype),
        accepts=INTEGRAL,
        jvp=None,
        lower=name,
        doc=f"Bitwise (integers) or logical (booleans) {name[7:]} over `axes`. No derivative.",
    )


reduce_and = _bitwise("reduce_and", np.bitwise_and)
reduce_or = _bitwise("reduce_or", np.bitwise_or)
reduce_xor = _bitwise("reduce_xor", np.bitwise_xor)


def _arg(name: str, f: Any) -> Primitive:
    def abstract(x: ShapedArray, *, axes: tuple[int], index_dtype: np.dtype) -> ShapedArray:
        check_dtype(name, x, ORDERED)
        if not issubdtype(index_dtype, np.integer):
            raise TypeError(f"{name}: index_dtype must be an integer type, but got {index_dtype}")
        (axis,) = axes
        if not 0 <= axis < x.ndim:
            raise ValueError(f"{name}: axis {axis} is not an axis of an array of shape {x.shape}")
        if not x.shape[axis]:
            raise ValueError(f"attempt to get {name} of an empty sequence")
        return ShapedArray(x.shape[:axis] + x.shape[axis + 1 :], index_dtype)

    def evaluate(x: Any, *, axes: tuple[int], index_dtype: np.dtype) -> Any:
        x = np.asarray(x)
        wide = x.astype(np.float32) if x.dtype.kind == "V" else x
        return f(wide, axis=axes[0]).astype(index_dtype)

    def batch(size: int, args: Any, batch_axes: Any, *, axes: tuple[int], index_dtype: np.dtype) -> Any:
        (x,), (b,), (axis,) = args, batch_axes, axes
        shifted = axis + (axis >= b)
        return getattr(p, name)(x, axes=(shifted,), index_dtype=index_dtype), b - (shifted < b)

    return Primitive(
        name,
        Kind.REDUCTION,
        abstract=abstract,
        evaluate=evaluate,
        jvp=None,
        batch=batch,
        lower=name,
        params={"axes": tuple, "index_dtype": np.dtype},
        doc=f"Index of the first {name[3:]}imum along the axis in `axes`; of the first nan where there is one. No derivative.",
    )


argmax = _arg("argmax", np.argmax)
argmin = _arg("argmin", np.argmin)
