"""Strong zeros: a cotangent that is exactly zero stays zero, whatever it is multiplied by.

In: a primitive, the cotangent of its result, its operands. Out: the cotangents of its linear operands, as its own `transpose`
rule gives them, but with 0 * inf and 0 * nan equal to 0. A branch that `where` did not select then contributes nothing to a
gradient, be its slope infinite or undefined there. Only coefficients that are not finite are treated differently, so that a
cotangent that happens to be zero keeps its own derivatives.

Reverse mode multiplies cotangents by residuals in a few primitives only (`PRODUCTS`); all others copy, move and add.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Array, raw
from ..ir import Linear, Literal, Primitive, aval_like, lookup
from ..primitives._ops import like, p, select

__all__ = ["PRODUCTS", "strong_transpose"]


def strong_transpose(primitive: Primitive, ct: Any, operands: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
    """What `primitive.transpose(ct, *operands, **params)` gives, with strong zeros."""
    rule = PRODUCTS.get(primitive.name)
    if rule is None:
        return primitive.transpose(ct, *operands, **params)  # type: ignore[misc]
    return rule(primitive, ct, list(operands), params)


def _product(primitive: Primitive, ct: Any, operands: list[Any], params: dict[str, Any]) -> Sequence[Any]:
    place = 1 if type(operands[0]) is Linear else 0
    y = operands[place]
    if not _all_finite(y):
        operands[place] = select(p.and_(_is_zero(ct), p.not_(_is_finite(y))), like(y, 0), y)
    return primitive.transpose(ct, *operands, **params)  # type: ignore[misc]


def _quotient(primitive: Primitive, ct: Any, operands: list[Any], params: dict[str, Any]) -> Sequence[Any]:
    y = operands[1]
    if type(y) is not Linear and not _all_finite(y, np.reciprocal):
        undefined = p.or_(_is_zero(y), p.ne(y, y))  # where 1 / y is inf or nan
        silent = p.and_(_is_zero(ct), undefined)
        ct, operands[1] = select(silent, like(ct, 0), ct), select(silent, like(y, 1), y)
    return primitive.transpose(ct, *operands, **params)  # type: ignore[misc]


def _sum_of_products(primitive: Primitive, ct: Any, operands: list[Any], params: dict[str, Any]) -> Sequence[Any]:
    """Three contractions: the finite coefficients alone, all of them, and whether another one meets a nonzero."""
    place = 1 if type(operands[0]) is Linear else 0
    y = operands[place]

    def pull(cotangent: Any, coefficient: Any) -> Any:
        both = [coefficient if i == place else x for i, x in enumerate(operands)]
        return primitive.transpose(cotangent, *both, **params)[1 - place]  # type: ignore[misc]

    if _all_finite(y):
        out = pull(ct, y)
    else:
        finite = _is_finite(y)
        loud = select(_is_zero(ct), like(ct, 0), like(ct, 1))
        meetings = pull(loud, select(finite, like(y, 0), like(y, 1)))
        out = select(_is_zero(meetings), pull(ct, select(finite, y, like(y, 0))), pull(ct, y))
    return (out, None) if place == 1 else (None, out)


def _scattered_product(primitive: Primitive, ct: Any, operands: list[Any], params: dict[str, Any]) -> Sequence[Any]:
    x, indices, updates = operands
    if type(updates) is Linear or _all_finite(updates):
        return primitive.transpose(ct, *operands, **params)  # type: ignore[misc]
    ones = p.broadcast_in_dim(like(ct, 1), shape=x.aval.shape, broadcast_dimensions=())
    factor = primitive.bind(ones, indices, updates, **params)
    return (*_product(lookup("mul"), ct, [x, factor], {})[:1], None, None)


def _solution(primitive: Primitive, ct: Any, operands: list[Any], params: dict[str, Any]) -> Sequence[Any]:
    """Columns of zeros stay zero where the matrix cannot be inverted."""
    cts = list(primitive.transpose(ct, *operands, **params))  # type: ignore[misc]
    out = cts[-1]
    if out is not None and not _all_finite(out):
        shape = aval_like(ct).shape
        axis = len(shape) - (2 if params.get("left_side", True) else 1)
        silent = p.reduce_and(_is_zero(ct), axes=(axis,))
        kept = tuple(i for i in range(len(shape)) if i != axis)
        silent = p.broadcast_in_dim(silent, shape=shape, broadcast_dimensions=kept)
        cts[-1] = select(p.and_(silent, p.not_(_is_finite(out))), like(out, 0), out)
    return cts


def _is_zero(x: Any) -> Any:
    return p.eq(x, like(x, 0))


def _is_finite(x: Any) -> Any:
    if aval_like(x).dtype.kind != "c":
        return p.is_finite(x)
    return p.and_(p.is_finite(p.real(x)), p.is_finite(p.imag(x)))


def _all_finite(x: Any, function: Callable[[Any], Any] = np.positive) -> bool:
    """Whether `function(x)` is known to be finite: then there is nothing to do."""
    if type(x) is not Array and type(x) is not Literal:
        return False
    with np.errstate(all="ignore"):
        return bool(np.isfinite(function(raw(x))).all())


PRODUCTS: dict[str, Callable[..., Sequence[Any]]] = {
    "mul": _product,
    "div": _quotient,
    "dot_general": _sum_of_products,
    "conv_general_dilated": _sum_of_products,
    "scatter_mul": _scattered_product,
    "triangular_solve": _solution,
    "solve": _solution,
}
