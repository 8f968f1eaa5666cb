"""Constructors that fill in what the family of a primitive already says.

In: a name, a NumPy function, derivative rules. Out: a `Primitive` with its aval, batching and transposition
rules. A unary elementwise primitive is three lines; see `transcendental.py`.

Elementwise operands have equal shapes, or shape () (scalars and literals broadcast by themselves), and equal
dtypes: promotion is the business of `minijax.numpy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import issubdtype
from ..ir import Kind, Linear, Primitive, ShapedArray, aval_like
from ..ir.passes.rewrite import scalar_operands
from ._ops import p

__all__ = [
    "COMPLEX",
    "FLOAT",
    "INEXACT",
    "INTEGRAL",
    "NUMERIC",
    "REAL",
    "binary",
    "check_dtype",
    "check_preferred",
    "elementwise",
    "elementwise_batch",
    "library_call",
    "move_axis",
    "moved_to_front",
    "reduction",
    "unary",
    "unbroadcast",
]

FLOAT = (np.floating,)
COMPLEX = (np.complexfloating,)
INEXACT = (np.inexact,)
REAL = (np.floating, np.integer)
NUMERIC = (np.number,)
INTEGRAL = (np.integer, np.bool_)
ANY = (np.number, np.bool_)


def unary(
    name: str,
    evaluate: Callable[..., Any],
    *,
    jvp: Any,
    accepts: Sequence[type] = INEXACT,
    out_dtype: Callable[[np.dtype], np.dtype] | None = None,
    linear: bool = False,
    transpose: Callable[..., Any] | None = None,
    lower: Any = None,
    doc: str,
    params: dict[str, Any] | None = None,
    simplify: Sequence[Any] = (),
    check: Callable[..., None] | None = None,
) -> Primitive:
    """An elementwise function of one array.

    Args:
        jvp: `rule(tangent, out, x, **params)`, or None where the derivative is zero.
        accepts: NumPy abstract dtypes of the operand.
        out_dtype: from the operand's dtype, when it differs.
        linear: the function is linear (then `transpose` must be given).
        check: `(aval, **params)`, raises for combinations of dtype and params that are refused.
    """

    def abstract(x: ShapedArray, **params: Any) -> ShapedArray:
        check_dtype(name, x, accepts)
        if check is not None:
            check(x, **params)
        return x if out_dtype is None else x.update(dtype=out_dtype(x.dtype), weak_type=x.weak_type)

    return Primitive(
        name,
        Kind.UNARY,
        abstract=abstract,
        evaluate=evaluate,
        jvp="linear" if linear else None if jvp is None else (jvp,),
        transpose=transpose,
        batch=_unary_batch(name),
        lower=lower,
        simplify=simplify,
        params=params,
        doc=doc,
    )


def _unary_batch(name: str) -> Callable[..., Any]:
    def batch(size: int, args: Any, axes: Any, **params: Any) -> Any:
        return getattr(p, name)(args[0], **params), axes[0]

    return batch


def elementwise(
    name: str,
    evaluate: Callable[..., Any],
    *,
    jvp: Any,
    accepts: Sequence[type] = NUMERIC,
    out_dtype: np.dtype | None = None,
    transpose: Callable[..., Any] | None = None,
    lower: Any = None,
    doc: str,
    params: dict[str, Any] | None = None,
    simplify: Sequence[Any] = (),
    kind: Kind = Kind.ELEMENTWISE,
    jet: Any = None,
) -> Primitive:
    """An elementwise function of several arrays of one dtype.

    Args:
        jvp: tuple of rules, one per operand: `rule(tangent, out, *operands, **params)`; or None; or "linear".
        out_dtype: of the result (bool for comparisons), when it differs from the operands'.
        jet: see `Primitive`.
    """

    def abstract(*avals: ShapedArray, **params: Any) -> ShapedArray:
        for aval in avals:
            check_dtype(name, aval, accepts)
        return elementwise_aval(name, avals, out_dtype)

    return Primitive(
        name,
        kind,
        abstract=abstract,
        evaluate=evaluate,
        jvp=jvp,
        transpose=transpose,
        batch=elementwise_batch(name),
        lower=lower,
        simplify=simplify,
        params=params,
        jet=jet,
        doc=doc,
    )


def binary(name: str, evaluate: Callable[..., Any], **rules: Any) -> Primitive:
    """An elementwise function of two arrays; see `elementwise`."""
    simplify = (scalar_operands, *rules.pop("simplify", ()))
    return elementwise(name, evaluate, kind=Kind.BINARY, simplify=simplify, **rules)


def check_dtype(name: str, aval: ShapedArray, accepts: Sequence[type]) -> None:
    """Raise the TypeError users see when an operand has a dtype that `name` is not defined for."""
    if not any(issubdtype(aval.dtype, kind) for kind in accepts):
        wanted = " or ".join(kind.__name__ for kind in accepts)
        raise TypeError(f"{name} does not accept dtype {aval.dtype}: expected {wanted}. Convert with x.astype(...)")


def check_preferred(name: str, dtype: np.dtype, preferred: np.dtype) -> None:
    """Raise where accumulating in `preferred` would drop imaginary parts or fractions unasked."""
    loses_imaginary = dtype.kind == "c" and preferred.kind != "c"
    loses_fraction = issubdtype(dtype, np.inexact) and not issubdtype(preferred, np.inexact)
    if loses_imaginary or loses_fraction:
        raise TypeError(
            f"{name}: input type {dtype} is incompatible with `preferred_element_type` {preferred}, which cannot hold "
            "it. Take the real part or round explicitly"
        )


def elementwise_aval(name: str, avals: Sequence[ShapedArray], out_dtype: np.dtype | None = None) -> ShapedArray:
    """The result of an elementwise operation: equal dtypes, equal shapes or scalars."""
    first = avals[0]
    shape: tuple[int, ...] = ()
    weak = True
    for aval in avals:
        if aval.dtype != first.dtype:
            found = ", ".join(str(a.dtype) for a in avals)
            raise TypeError(f"{name} requires arguments to have the same dtypes, got {found}.")
        if aval.shape:
            if shape and aval.shape != shape:
                found = ", ".join(str(a.shape) for a in avals)
                raise TypeError(f"{name} got incompatible shapes for broadcasting: {found}.")
            shape = aval.shape
        weak = weak and aval.weak_type
    return ShapedArray(shape, first.dtype if out_dtype is None else out_dtype, weak and out_dtype is None)


def unbroadcast(ct: Any, aval: ShapedArray) -> Any:
    """The cotangent of a scalar operand that an elementwise operation broadcast: summed over all elements."""
    ct_shape = aval_like(ct).shape
    if ct_shape == aval.shape:
        return ct
    return p.reduce_sum(ct, axes=tuple(range(len(ct_shape))))


def elementwise_batch(name: str) -> Callable[..., Any]:
    """The batching rule of elementwise operations: bring mapped axes together and apply."""

    def batch(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, int]:
        avals = [aval_like(x) for x in args]
        mapped = {(axis, aval.shape) for axis, aval in zip(axes, avals, strict=True) if axis is not None}
        scalars = all(aval.shape == () for aval, axis in zip(avals, axes, strict=True) if axis is None)
        if len(mapped) == 1 and scalars:
            ((axis, _),) = mapped
            return getattr(p, name)(*args, **params), axis
        ndim = max(aval.ndim - (axis is not None) for aval, axis in zip(avals, axes, strict=True))
        return getattr(p, name)(*_aligned(size, args, axes, ndim), **params), 0

    return batch


def _aligned(size: int, args: Sequence[Any], axes: Sequence[int | None], ndim: int) -> list[Any]:
    """Operands with a common leading batch axis, all of full shape or scalar."""
    fronts = [x if axis is None else move_axis(x, axis, 0) for x, axis in zip(args, axes, strict=True)]
    shape: tuple[int, ...] = ()
    for x, axis in zip(fronts, axes, strict=True):
        logical = aval_like(x).shape if axis is None else aval_like(x).shape[1:]
        shape = logical or shape
    full = (size, *shape)
    out = []
    for x, axis in zip(fronts, axes, strict=True):
        aval = aval_like(x)
        if (axis is None and aval.ndim == 0) or aval.shape == full:
            out.append(x)
        elif axis is None:
            out.append(p.broadcast_in_dim(x, shape=full, broadcast_dimensions=tuple(range(1, ndim + 1))))
        else:
            out.append(p.broadcast_in_dim(x, shape=full, broadcast_dimensions=(0,)))
    return out


def move_axis(x: Any, source: int, destination: int) -> Any:
    """`x` with axis `source` moved to `destination` (both counted from the front)."""
    if source == destination:
        return x
    order = [i for i in range(aval_like(x).ndim) if i != source]
    order.insert(destination, source)
    return p.transpose(x, permutation=tuple(order))


def moved_to_front(size: int, args: Sequence[Any], axes: Sequence[int | None]) -> list[Any]:
    """All operands with the batch axis in front; unmapped ones are broadcast (a view, not a copy)."""
    out = []
    for x, axis in zip(args, axes, strict=True):
        if axis is not None:
            out.append(move_axis(x, axis, 0))
        else:
            aval = aval_like(x)
            dims = tuple(range(1, aval.ndim + 1))
            out.append(p.broadcast_in_dim(x, shape=(size, *aval.shape), broadcast_dimensions=dims))
    return out


def reduction(
    name: str,
    evaluate: Callable[..., Any],
    *,
    jvp: Any,
    accepts: Sequence[type] = NUMERIC,
    out_dtype: np.dtype | None = None,
    transpose: Callable[..., Any] | None = None,
    lower: Any = None,
    doc: str,
) -> Primitive:
    """A reduction over `axes` (a tuple of ints); evaluate gets `(x, axes=...)`."""

    def abstract(x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        check_dtype(name, x, accepts)
        if any(not 0 <= axis < x.ndim for axis in axes) or len(set(axes)) != len(axes):
            raise ValueError(f"{name}: axes {axes} are not distinct axes of an array of shape {x.shape}")
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return ShapedArray(shape, x.dtype if out_dtype is None else out_dtype, x.weak_type and out_dtype is None)

    def batch(size: int, args: Any, batch_axes: Any, *, axes: tuple[int, ...]) -> Any:
        (x,), (b,) = args, batch_axes
        shifted = tuple(axis + (axis >= b) for axis in axes)
        return getattr(p, name)(x, axes=shifted), b - sum(axis < b for axis in shifted)

    return Primitive(
        name,
        Kind.REDUCTION,
        abstract=abstract,
        evaluate=evaluate,
        jvp=jvp,
        transpose=transpose,
        batch=batch,
        lower=lower,
        params={"axes": tuple},
        doc=doc,
    )


def library_call(
    name: str,
    evaluate: Callable[..., Any],
    *,
    abstract: Callable[..., Any],
    jvp: Any,
    batch: Callable[..., Any],
    doc: str,
    transpose: Callable[..., Any] | None = None,
    params: dict[str, Any] | None = None,
    multiple_results: bool = False,
    jet: Any = None,
) -> Primitive:
    """An operation that NumPy or SciPy carries out on whole arrays (LAPACK, FFT, sorting)."""
    return Primitive(
        name,
        Kind.LIBRARY,
        abstract=abstract,
        evaluate=evaluate,
        jvp=jvp,
        transpose=transpose,
        batch=batch,
        params=params,
        jet=jet,
        doc=doc,
        multiple_results=multiple_results,
        lower="library",
    )


def is_linear(x: Any) -> bool:
    """Whether a transpose rule is asked about this operand."""
    return type(x) is Linear
