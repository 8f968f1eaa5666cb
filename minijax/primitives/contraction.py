"""dot_general: products of arrays over contracting axes, batched over others: matmul, dot, einsum, tensordot.

`dimension_numbers = ((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))`; the result has the batch axes, then the
free axes of lhs, then those of rhs. Bilinear, so all derivatives are products of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Kind, Linear, Primitive, ShapedArray, aval_like
from ._families import check_preferred, move_axis
from ._ops import p

Numbers = tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]]


def _free(ndim: int, contract: Sequence[int], batch: Sequence[int]) -> tuple[int, ...]:
    return tuple(i for i in range(ndim) if i not in contract and i not in batch)


def _check_axes(side: str, ndim: int, contract: Sequence[int], batch: Sequence[int]) -> None:
    if not all(0 <= i < ndim for i in (*contract, *batch)):
        raise TypeError(
            f"dot_general requires {side} dimension numbers to be nonnegative and less than the number of axes of the {side} "
            f"value, got {side}_batch of {batch} and {side}_contracting of {contract} for {side} of rank {ndim}"
        )
    for what, axes in (("contracting", contract), ("batch", batch)):
        if len(set(axes)) != len(axes):
            raise TypeError(f"dot_general requires {side} {what} dimensions to be distinct, got {axes}.")
    if set(contract) & set(batch):
        raise TypeError(
            f"dot_general requires {side} batch dimensions to be disjoint from contracting dimensions, got {side}_batch "
            f"{batch} and {side}_contracting {contract}."
        )


def _dot_abstract(
    lhs: ShapedArray, rhs: ShapedArray, *, dimension_numbers: Numbers, precision: Any, preferred_element_type: Any
) -> ShapedArray:
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    if lhs.dtype != rhs.dtype:
        raise TypeError(f"dot_general requires arguments to have the same dtypes, got {lhs.dtype}, {rhs.dtype}.")
    _check_axes("lhs", lhs.ndim, lhs_contract, lhs_batch)
    _check_axes("rhs", rhs.ndim, rhs_contract, rhs_batch)
    for what, left, right in (("contracting", lhs_contract, rhs_contract), ("batch", lhs_batch, rhs_batch)):
        lhs_sizes = tuple(lhs.shape[i] for i in left)
        rhs_sizes = tuple(rhs.shape[i] for i in right)
        if lhs_sizes != rhs_sizes:
            raise TypeError(
                f"dot_general requires {what} dimensions to have the same shape, got {lhs_sizes} and {rhs_sizes}."
            )
    shape = (
        *(lhs.shape[i] for i in lhs_batch),
        *(lhs.shape[i] for i in _free(lhs.ndim, lhs_contract, lhs_batch)),
        *(rhs.shape[i] for i in _free(rhs.ndim, rhs_contract, rhs_batch)),
    )
    if preferred_element_type is not None:
        check_preferred("dot_general", lhs.dtype, preferred_element_type)
    dtype = lhs.dtype if preferred_element_type is None else preferred_element_type
    return ShapedArray(shape, dtype, lhs.weak_type and rhs.weak_type)


def _dot_evaluate(
    lhs: Any, rhs: Any, *, dimension_numbers: Numbers, precision: Any, preferred_element_type: Any
) -> Any:
    dtype = lhs.dtype if preferred_element_type is None else preferred_element_type
    if lhs.dtype.itemsize <= 2 and lhs.dtype.kind in "fV":  # half precision accumulates in float32
        lhs, rhs = lhs.astype(np.float32), rhs.astype(np.float32)
    elif dtype != lhs.dtype:
        lhs, rhs = lhs.astype(dtype), rhs.astype(dtype)
    out = _product(lhs, rhs, dimension_numbers)
    return out if out.dtype == dtype else out.astype(dtype)


def _product(lhs: Any, rhs: Any, dimension_numbers: Numbers) -> Any:
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    if not lhs_batch:
        if len(lhs_contract) == 1 and lhs.ndim <= 2 and rhs.ndim <= 2:
            left = lhs if lhs_contract[0] == lhs.ndim - 1 else lhs.T
            right = rhs if rhs_contract[0] == 0 else rhs.T
            return np.dot(left, right)
        return np.tensordot(lhs, rhs, (lhs_contract, rhs_contract))
    lhs_free = _free(lhs.ndim, lhs_contract, lhs_batch)
    rhs_free = _free(rhs.ndim, rhs_contract, rhs_batch)
    batch_shape = tuple(lhs.shape[i] for i in lhs_batch)
    lhs_shape, rhs_shape = [lhs.shape[i] for i in lhs_free], [rhs.shape[i] for i in rhs_free]
    count = math.prod(lhs.shape[i] for i in lhs_contract)
    left = np.transpose(lhs, (*lhs_batch, *lhs_free, *lhs_contract)).reshape(
        (*batch_shape, math.prod(lhs_shape), count)
    )
    right = np.transpose(rhs, (*rhs_batch, *rhs_contract, *rhs_free)).reshape(
        (*batch_shape, count, math.prod(rhs_shape))
    )
    return np.matmul(left, right).reshape((*batch_shape, *lhs_shape, *rhs_shape))


def _cotangent_of(ct: Any, other: Any, aval: ShapedArray, numbers: Numbers, swapped: bool) -> Any:
    """The cotangent of the left operand (of the right one when `swapped`, numbers swapped accordingly)."""
    (contract, other_contract), (batch, other_batch) = numbers
    other_ndim = aval_like(other).ndim
    free = _free(aval.ndim, contract, batch)
    other_free = _free(other_ndim, other_contract, other_batch)
    count = len(batch)
    ct_ndim = count + len(free) + len(other_free)
    if swapped:
        ct_other = tuple(range(count, count + len(other_free)))
    else:
        ct_other = tuple(range(ct_ndim - len(other_free), ct_ndim))
    dims = ((ct_other, other_free), (tuple(range(count)), other_batch))
    out = p.dot_general(ct, other, dimension_numbers=dims, precision=None, preferred_element_type=None)
    # axes of `out`: batch, free, then the contracted axes in the order they have in `other`
    matching = dict(zip(other_contract, contract, strict=True))
    target = (*batch, *free, *(matching[i] for i in sorted(other_contract)))
    order = tuple(int(i) for i in np.argsort(target))
    return out if order == tuple(range(len(order))) else p.transpose(out, permutation=order)


def _dot_transpose(
    ct: Any, lhs: Any, rhs: Any, *, dimension_numbers: Numbers, precision: Any, preferred_element_type: Any
) -> tuple[Any, Any]:
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    linear = lhs if type(lhs) is Linear else rhs
    if aval_like(ct).dtype != linear.aval.dtype:
        ct = p.convert_element_type(ct, new_dtype=linear.aval.dtype, weak_type=False)
    if type(lhs) is Linear:
        return _cotangent_of(ct, rhs, lhs.aval, dimension_numbers, False), None
    swapped = ((rhs_contract, lhs_contract), (rhs_batch, lhs_batch))
    return None, _cotangent_of(ct, lhs, rhs.aval, swapped, True)


def _dot_batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, dimension_numbers: Numbers, **params: Any
) -> tuple[Any, int]:
    lhs, rhs = args
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    left, right = axes
    if left is not None and right is not None:
        lhs, rhs = move_axis(lhs, left, 0), move_axis(rhs, right, 0)
        numbers = (
            (_shift(lhs_contract, 0), _shift(rhs_contract, 0)),
            ((0, *_shift(lhs_batch, 0)), (0, *_shift(rhs_batch, 0))),
        )
        return p.dot_general(lhs, rhs, dimension_numbers=numbers, **params), 0
    if left is not None:
        numbers = ((_shift(lhs_contract, left), rhs_contract), (_shift(lhs_batch, left), rhs_batch))
        free = _free(aval_like(lhs).ndim, *(numbers[0][0], numbers[1][0]))
        return p.dot_general(lhs, rhs, dimension_numbers=numbers, **params), len(lhs_batch) + free.index(left)
    assert right is not None
    numbers = ((lhs_contract, _shift(rhs_contract, right)), (lhs_batch, _shift(rhs_batch, right)))
    free = _free(aval_like(rhs).ndim, *(numbers[0][1], numbers[1][1]))
    before = aval_like(lhs).ndim - len(lhs_contract)
    return p.dot_general(lhs, rhs, dimension_numbers=numbers, **params), before + free.index(right)


def _shift(dims: Sequence[int], axis: int) -> tuple[int, ...]:
    """Axes of an example as axes of the batch, whose extra axis is at `axis`."""
    return tuple(d + (d >= axis) for d in dims)


def _dot_cost(
    lhs: ShapedArray, rhs: ShapedArray, *, dimension_numbers: Numbers, **params: Any
) -> tuple[float, float]:
    (lhs_contract, _), _ = dimension_numbers
    out = _dot_abstract(lhs, rhs, dimension_numbers=dimension_numbers, precision=None, preferred_element_type=None)
    flops = 2.0 * out.size * math.prod(lhs.shape[i] for i in lhs_contract)
    return flops, float(lhs.size * lhs.itemsize + rhs.size * rhs.itemsize + out.size * out.itemsize)


dot_general = Primitive(
    "dot_general",
    Kind.CONTRACTION,
    abstract=_dot_abstract,
    evaluate=_dot_evaluate,
    jvp=(
        lambda t, out, lhs, rhs, **params: p.dot_general(t, rhs, **params),
        lambda t, out, lhs, rhs, **params: p.dot_general(lhs, t, **params),
    ),
    transpose=_dot_transpose,
    jet="bilinear",
    batch=_dot_batch,
    lower="gemm",
    cost=_dot_cost,
    params={"dimension_numbers": tuple, "precision": object, "preferred_element_type": object},
    doc="""Sum over the contracting axes of the products of lhs and rhs, for each index of the batch axes. Bilinear: d(lhs . rhs) =
    dlhs . rhs + lhs . drhs; the transposes contract the cotangent with the other operand's free axes.""",
)
