"""conv_general_dilated: convolution (cross-correlation) in any number of spatial dimensions.

Canonical layout: lhs (batch, features, space...), rhs (out features, in features / groups, window...), out (batch, out
features, space...). Other layouts are transposed to it. Bilinear; both transposes are convolutions again
(Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", for the paddings). Evaluated as windows times
matrix ("im2col").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Kind, Linear, Primitive, ShapedArray, aval_like
from ._families import check_preferred, move_axis
from ._ops import p
from ._window_views import Pairs, check_positive, dilated, window_shape, window_views

__all__ = ["ConvDimensionNumbers"]

_MANY = 32  # places per example, from which a matrix product per example pays


class ConvDimensionNumbers(NamedTuple):
    """Where the axes are: (batch, features, space...) of lhs and out, (out features, in features, window...) of rhs."""

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(order))


def _ordered(x: Any, order: Sequence[int]) -> Any:
    return x if tuple(order) == tuple(range(len(order))) else p.transpose(x, permutation=tuple(order))


def _conv_abstract(
    lhs: ShapedArray,
    rhs: ShapedArray,
    *,
    window_strides: tuple[int, ...],
    padding: Pairs,
    lhs_dilation: tuple[int, ...],
    rhs_dilation: tuple[int, ...],
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    preferred_element_type: Any,
) -> ShapedArray:
    if lhs.dtype != rhs.dtype:
        raise TypeError(
            f"conv_general_dilated requires arguments to have the same dtypes, got {lhs.dtype}, {rhs.dtype}."
        )
    if lhs.ndim != rhs.ndim or lhs.ndim < 2:
        raise TypeError(
            f"convolution requires lhs and rhs ndim to be equal and at least 2, got {lhs.ndim} and {rhs.ndim}."
        )
    batch, features, *space = (lhs.shape[i] for i in dimension_numbers.lhs_spec)
    out_features, in_features, *window = (rhs.shape[i] for i in dimension_numbers.rhs_spec)
    if any(len(v) != len(space) for v in (window_strides, padding, lhs_dilation, rhs_dilation)):
        raise ValueError(
            f"conv_general_dilated: strides, padding and dilations need one entry for each of {len(space)} spatial axes"
        )
    check_positive(
        "conv_general_dilated", window_strides=window_strides, lhs_dilation=lhs_dilation, rhs_dilation=rhs_dilation
    )
    if features != in_features * feature_group_count:
        raise ValueError(
            "conv_general_dilated lhs feature dimension size divided by feature_group_count must equal the rhs input feature "
            f"dimension size, but {features} // {feature_group_count} != {in_features}."
        )
    if out_features % feature_group_count:
        raise ValueError(
            "conv_general_dilated rhs output feature dimension size must be a multiple of feature_group_count, but "
            f"{out_features} is not a multiple of {feature_group_count}."
        )
    out_space = window_shape(space, window, window_strides, padding, lhs_dilation, rhs_dilation)
    canonical = (batch, out_features, *out_space)
    shape = tuple(canonical[i] for i in _inverse(dimension_numbers.out_spec))
    if preferred_element_type is not None:
        check_preferred("conv_general_dilated", lhs.dtype, preferred_element_type)
    dtype = lhs.dtype if preferred_element_type is None else preferred_element_type
    return ShapedArray(shape, dtype, lhs.weak_type and rhs.weak_type)


def _conv_evaluate(
    lhs: Any,
    rhs: Any,
    *,
    window_strides: tuple[int, ...],
    padding: Pairs,
    lhs_dilation: tuple[int, ...],
    rhs_dilation: tuple[int, ...],
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    preferred_element_type: Any,
) -> Any:
    dtype = lhs.dtype if preferred_element_type is None else preferred_element_type
    compute = np.dtype(np.float32) if lhs.dtype.itemsize <= 2 and lhs.dtype.kind in "fV" else dtype
    x = np.transpose(lhs, dimension_numbers.lhs_spec).astype(compute, copy=False)
    w = np.transpose(rhs, dimension_numbers.rhs_spec).astype(compute, copy=False)
    groups = feature_group_count
    batch = x.shape[0]
    out_features, in_features, *window = w.shape
    rank = len(window)
    views = window_views(
        x,
        0,
        (1, 1, *window),
        (1, 1, *window_strides),
        ((0, 0), (0, 0), *padding),
        (1, 1, *lhs_dilation),
        (1, 1, *rhs_dilation),
    )
    space = views.shape[2 : 2 + rank]
    views = views.reshape((batch, groups, in_features, *space, *window))
    columns = w.reshape((groups, out_features // groups, in_features * math.prod(window)))
    if math.prod(space) >= _MANY:  # one product per example: its result is laid out as wanted
        order = (0, 1, 2, *range(3 + rank, 3 + 2 * rank), *range(3, 3 + rank))
        shape = (batch, groups, in_features * math.prod(window), math.prod(space))
        out = np.matmul(columns, np.transpose(views, order).reshape(shape)).reshape((batch, out_features, *space))
        return np.transpose(out, _inverse(dimension_numbers.out_spec)).astype(dtype, copy=False)
    order = (1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    rows = np.transpose(views, order).reshape((groups, batch * math.prod(space), in_features * math.prod(window)))
    out = np.matmul(rows, np.swapaxes(columns, 1, 2))
    out = out.reshape((groups, batch, *space, out_features // groups))
    out = np.moveaxis(out, (0, -1), (1, 2)).reshape((batch, out_features, *space))
    return np.transpose(out, _inverse(dimension_numbers.out_spec)).astype(dtype, copy=False)


def _canonical(ndim: int) -> ConvDimensionNumbers:
    order = tuple(range(ndim))
    return ConvDimensionNumbers(order, order, order)


def _conv_transpose(ct: Any, lhs: Any, rhs: Any, *, dimension_numbers: ConvDimensionNumbers, **params: Any) -> Any:
    numbers = dimension_numbers
    params.pop("preferred_element_type")
    linear = lhs if type(lhs) is Linear else rhs
    if aval_like(ct).dtype != linear.aval.dtype:
        ct = p.convert_element_type(ct, new_dtype=linear.aval.dtype, weak_type=False)
    ct = _ordered(ct, numbers.out_spec)
    if type(lhs) is Linear:
        shape = tuple(lhs.aval.shape[i] for i in numbers.lhs_spec)
        found = _cotangent_of_lhs(ct, _ordered(rhs, numbers.rhs_spec), shape, **params)
        return _ordered(found, _inverse(numbers.lhs_spec)), None
    shape = tuple(rhs.aval.shape[i] for i in numbers.rhs_spec)
    found = _cotangent_of_rhs(ct, _ordered(lhs, numbers.lhs_spec), shape, **params)
    return None, _ordered(found, _inverse(numbers.rhs_spec))


def _cotangent_of_lhs(
    ct: Any,
    rhs: Any,
    lhs_shape: tuple[int, ...],
    *,
    window_strides: tuple[int, ...],
    padding: Pairs,
    lhs_dilation: tuple[int, ...],
    rhs_dilation: tuple[int, ...],
    feature_group_count: int,
) -> Any:
    """Correlate the cotangent, spread by the strides, with the flipped window."""
    out_features, in_features, *window = aval_like(rhs).shape
    groups = feature_group_count
    flipped = p.rev(rhs, dimensions=tuple(range(2, 2 + len(window)))) if window else rhs
    grouped = p.reshape(flipped, new_sizes=(groups, out_features // groups, in_features, *window), dimensions=None)
    swapped = p.reshape(
        move_axis(grouped, 2, 1), new_sizes=(groups * in_features, out_features // groups, *window), dimensions=None
    )
    pads = []
    for n, m, w, s, (low, _), ld, rd in zip(
        lhs_shape[2:],
        aval_like(ct).shape[2:],
        window,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        strict=True,
    ):
        reach = dilated(w, rd)
        before = reach - low - 1
        pads.append((before, dilated(n, ld) + reach - 1 - dilated(m, s) - before))
    return p.conv_general_dilated(
        ct,
        swapped,
        window_strides=lhs_dilation,
        padding=tuple(pads),
        lhs_dilation=window_strides,
        rhs_dilation=rhs_dilation,
        dimension_numbers=_canonical(len(lhs_shape)),
        feature_group_count=groups,
        preferred_element_type=None,
    )


def _cotangent_of_rhs(
    ct: Any,
    lhs: Any,
    rhs_shape: tuple[int, ...],
    *,
    window_strides: tuple[int, ...],
    padding: Pairs,
    lhs_dilation: tuple[int, ...],
    rhs_dilation: tuple[int, ...],
    feature_group_count: int,
) -> Any:
    """Correlate lhs with the cotangent as the window: batch and features change places, strides and dilation too."""
    batch, features, *space = aval_like(lhs).shape
    groups = feature_group_count
    lhs = p.reshape(lhs, new_sizes=(batch, groups, features // groups, *space), dimensions=None)
    lhs = p.transpose(lhs, permutation=(2, 1, 0, *range(3, 3 + len(space))))
    lhs = p.reshape(lhs, new_sizes=(features // groups, groups * batch, *space), dimensions=None)
    kernel = move_axis(ct, 1, 0)  # (out features, batch, space)
    pads = []
    for n, m, w, s, (low, _), ld, rd in zip(
        space,
        aval_like(ct).shape[2:],
        rhs_shape[2:],
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        strict=True,
    ):
        pads.append((low, (w - 1) * rd + dilated(m, s) - dilated(n, ld) - low))
    out = p.conv_general_dilated(
        lhs,
        kernel,
        window_strides=rhs_dilation,
        padding=tuple(pads),
        lhs_dilation=lhs_dilation,
        rhs_dilation=window_strides,
        dimension_numbers=_canonical(len(rhs_shape)),
        feature_group_count=groups,
        preferred_element_type=None,
    )
    return move_axis(out, 1, 0)


def _conv_batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    **params: Any,
) -> tuple[Any, int]:
    (lhs, rhs), (left, right) = args, axes
    numbers, groups = dimension_numbers, feature_group_count
    params = {**params, "dimension_numbers": _canonical(len(numbers.lhs_spec))}
    lhs = _examples(lhs, left, numbers.lhs_spec)
    rhs = _examples(rhs, right, numbers.rhs_spec)
    if right is None:
        _, batch, *rest = aval_like(lhs).shape
        merged = p.reshape(lhs, new_sizes=(size * batch, *rest), dimensions=None)
        out = p.conv_general_dilated(merged, rhs, feature_group_count=groups, **params)
        out = p.reshape(out, new_sizes=(size, batch, *aval_like(out).shape[1:]), dimensions=None)
    elif left is None:
        out = _many_windows(size, lhs, rhs, groups, params)
    else:
        _, batch, features, *space = aval_like(lhs).shape
        _, out_features, in_features, *window = aval_like(rhs).shape
        lhs = p.reshape(move_axis(lhs, 0, 1), new_sizes=(batch, size * features, *space), dimensions=None)
        rhs = p.reshape(rhs, new_sizes=(size * out_features, in_features, *window), dimensions=None)
        out = p.conv_general_dilated(lhs, rhs, feature_group_count=size * groups, **params)
        out = p.reshape(out, new_sizes=(batch, size, out_features, *aval_like(out).shape[2:]), dimensions=None)
        out = move_axis(out, 1, 0)
    order = _inverse(numbers.out_spec)
    return _ordered(out, (0, *(i + 1 for i in order))), 0


def _examples(x: Any, axis: int | None, spec: Sequence[int]) -> Any:
    """The operand in canonical layout, behind its batch axis if it has one."""
    if axis is None:
        return _ordered(x, spec)
    return _ordered(move_axis(x, axis, 0), (0, *(i + 1 for i in spec)))


def _many_windows(size: int, lhs: Any, rhs: Any, groups: int, params: dict[str, Any]) -> Any:
    _, out_features, in_features, *window = aval_like(rhs).shape
    per_group = out_features // groups
    rhs = p.reshape(rhs, new_sizes=(size, groups, per_group, in_features, *window), dimensions=None)
    rhs = p.reshape(
        move_axis(rhs, 0, 1), new_sizes=(groups * size * per_group, in_features, *window), dimensions=None
    )
    out = p.conv_general_dilated(lhs, rhs, feature_group_count=groups, **params)
    batch, _, *space = aval_like(out).shape
    out = p.reshape(out, new_sizes=(batch, groups, size, per_group, *space), dimensions=None)
    out = move_axis(out, 2, 0)
    return p.reshape(out, new_sizes=(size, batch, out_features, *space), dimensions=None)


conv_general_dilated = Primitive(
    "conv_general_dilated",
    Kind.CONTRACTION,
    abstract=_conv_abstract,
    evaluate=_conv_evaluate,
    jvp=(
        lambda t, out, lhs, rhs, **params: p.conv_general_dilated(t, rhs, **params),
        lambda t, out, lhs, rhs, **params: p.conv_general_dilated(lhs, t, **params),
    ),
    transpose=_conv_transpose,
    jet="bilinear",
    batch=_conv_batch,
    lower="library",
    params={
        "window_strides": tuple,
        "padding": tuple,
        "lhs_dilation": tuple,
        "rhs_dilation": tuple,
        "dimension_numbers": ConvDimensionNumbers,
        "feature_group_count": int,
        "preferred_element_type": object,
    },
    doc="""Correlation of lhs with the windows rhs, per feature group. Bilinear: d = dlhs * rhs + lhs * drhs; the transposes correlate
    the cotangent with the flipped window, or lhs with the cotangent.""",
)
