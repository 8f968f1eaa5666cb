"""lax functions that reduce, accumulate, contract and sort."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import canonicalize_dtype
from ..ir import lookup
from ..primitives import p
from ..primitives.convolution import ConvDimensionNumbers
from ._operands import as_operand, as_operands, canonical_axes, canonical_axis, static_shape

_REDUCTIONS = ["reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum", "reduce_xor"]
_CUMULATIVE = ["cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"]

__all__ = [
    *_REDUCTIONS,
    *_CUMULATIVE,
    "ConvDimensionNumbers",
    "Precision",
    "argmax",
    "argmin",
    "batch_matmul",
    "conv",
    "conv_dimension_numbers",
    "conv_general_dilated",
    "conv_transpose",
    "conv_with_general_padding",
    "dot",
    "dot_general",
    "padtype_to_pads",
    "reduce_window",
    "sort",
    "sort_key_val",
    "top_k",
]


class Precision(enum.Enum):
    """Accepted for compatibility: products are computed in the dtype of their operands."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


def _reduction(name: str) -> Callable[..., Any]:
    primitive = lookup(name)

    def reduce(operand: Any, axes: Sequence[int]) -> Any:
        x = as_operand(operand)
        return primitive.bind(x, axes=canonical_axes(axes, x.ndim))

    reduce.__name__ = reduce.__qualname__ = name
    reduce.__doc__ = f"`lax.{name}`: {primitive.doc}"
    return reduce


def _cumulative(name: str) -> Callable[..., Any]:
    primitive = lookup(name)

    def accumulate(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        x = as_operand(operand)
        return primitive.bind(x, axis=canonical_axis(axis, x.ndim), reverse=bool(reverse))

    accumulate.__name__ = accumulate.__qualname__ = name
    accumulate.__doc__ = f"`lax.{name}`: {primitive.doc}"
    return accumulate


globals().update({name: _reduction(name) for name in _REDUCTIONS})
globals().update({name: _cumulative(name) for name in _CUMULATIVE})


def argmax(operand: Any, axis: int, index_dtype: Any) -> Any:
    """The index of the first maximum along `axis`; the first nan where there is one."""
    x = as_operand(operand)
    return p.argmax(x, axes=(canonical_axis(axis, x.ndim),), index_dtype=canonicalize_dtype(index_dtype))


def argmin(operand: Any, axis: int, index_dtype: Any) -> Any:
    """The index of the first minimum along `axis`; the first nan where there is one."""
    x = as_operand(operand)
    return p.argmin(x, axes=(canonical_axis(axis, x.ndim),), index_dtype=canonicalize_dtype(index_dtype))


def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Contract and batch axes of two arrays.

    Args:
        lhs, rhs: arrays of one dtype.
        dimension_numbers: ((lhs contracting, rhs contracting), (lhs batch, rhs batch)), sequences of axes.
        precision: accepted.
        preferred_element_type: dtype of the result.

    Returns:
        Array of shape (*batch, *free lhs axes, *free rhs axes).

    Example:
        >>> import minijax.numpy as mnp
        >>> dot_general(mnp.ones((2, 3)), mnp.ones((3, 4)), (([1], [0]), ([], []))).shape
        (2, 4)
    """
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    numbers = ((tuple(lhs_contract), tuple(rhs_contract)), (tuple(lhs_batch), tuple(rhs_batch)))
    wanted = None if preferred_element_type is None else canonicalize_dtype(preferred_element_type)
    return p.dot_general(
        *as_operands(lhs, rhs), dimension_numbers=numbers, precision=None, preferred_element_type=wanted
    )


def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Vector, matrix-vector and matrix products; `dot_general` if `dimension_numbers` is given."""
    x, y = as_operands(lhs, rhs)
    if dimension_numbers is not None:
        return dot_general(x, y, dimension_numbers, precision, preferred_element_type)
    if not (1 <= x.ndim <= 2 and 1 <= y.ndim <= 2 and x.shape[-1] == y.shape[0]):
        raise TypeError(f"Incompatible shapes for dot: got {x.shape} and {y.shape}.")
    return dot_general(x, y, (((x.ndim - 1,), (0,)), ((), ())), precision, preferred_element_type)


def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Matrix products over leading batch axes."""
    x, y = as_operands(lhs, rhs)
    batch = tuple(range(x.ndim - 2))
    return dot_general(x, y, (((x.ndim - 1,), (y.ndim - 2,)), (batch, batch)), precision)


class _Layout(NamedTuple):
    lhs: str
    rhs: str
    out: str


def conv_dimension_numbers(
    lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: Any
) -> ConvDimensionNumbers:
    """Layouts such as ("NCHW", "OIHW", "NCHW") (the default) or ("NHWC", "HWIO", "NHWC") as axis numbers."""
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    ndim = len(lhs_shape)
    if dimension_numbers is None:
        order = tuple(range(ndim))
        return ConvDimensionNumbers(order, order, order)
    layout = _Layout(*dimension_numbers)
    spatial = [c for c in layout.rhs if c not in "OI"]

    def axes(text: str, first: str, second: str) -> tuple[int, ...]:
        if len(text) != ndim or sorted(text) != sorted([first, second, *spatial]):
            raise ValueError(
                f"convolution layout {text!r} does not fit {dimension_numbers} for {ndim}-dimensional arrays"
            )
        return (text.index(first), text.index(second), *(text.index(c) for c in spatial))

    return ConvDimensionNumbers(axes(layout.lhs, "N", "C"), axes(layout.rhs, "O", "I"), axes(layout.out, "N", "C"))


def padtype_to_pads(
    in_shape: Sequence[int], window_shape: Sequence[int], window_strides: Sequence[int], padding: str
) -> list[tuple[int, int]]:
    """(low, high) padding per axis for "SAME", "SAME_LOWER" or "VALID"."""
    if padding.upper() == "VALID":
        return [(0, 0)] * len(in_shape)
    if padding.upper() not in ("SAME", "SAME_LOWER"):
        raise ValueError(f"Unrecognized padding type: expected 'VALID', 'SAME' or 'SAME_LOWER', got {padding!r}")
    pads = []
    for size, window, stride in zip(in_shape, window_shape, window_strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        half = total // 2 if padding.upper() == "SAME" else total - total // 2
        pads.append((half, total - half))
    return pads


def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Convolution (cross-correlation) in any number of spatial dimensions.

    Args:
        lhs: (batch, features, spatial...) unless `dimension_numbers` says otherwise.
        rhs: (out features, in features, window...).
        window_strides: one per spatial axis.
        padding: "SAME", "VALID" or (low, high) pairs.
        lhs_dilation, rhs_dilation: spacing of input and window elements.
        dimension_numbers: see `conv_dimension_numbers`.
        feature_group_count, batch_group_count: groups.
        precision: accepted.
        preferred_element_type: dtype of the result.

    Returns:
        (batch, out features, spatial...) in the output layout.
    """
    x, w = as_operands(lhs, rhs)
    numbers = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    rank = x.ndim - 2
    lhs_dilation = (1,) * rank if lhs_dilation is None else static_shape(lhs_dilation)
    rhs_dilation = (1,) * rank if rhs_dilation is None else static_shape(rhs_dilation)
    if isinstance(padding, str):
        window = [(w.shape[axis] - 1) * d + 1 for axis, d in zip(numbers.rhs_spec[2:], rhs_dilation, strict=True)]
        sizes = [(x.shape[axis] - 1) * d + 1 for axis, d in zip(numbers.lhs_spec[2:], lhs_dilation, strict=True)]
        padding = padtype_to_pads(sizes, window, window_strides, padding)
    if batch_group_count != 1:
        x, numbers = _batch_groups_as_features(x, numbers, batch_group_count)
        feature_group_count = batch_group_count
    return p.conv_general_dilated(
        x,
        w,
        window_strides=static_shape(window_strides),
        padding=tuple((int(a), int(b)) for a, b in padding),
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=numbers,
        feature_group_count=int(feature_group_count),
        preferred_element_type=None if preferred_element_type is None else canonicalize_dtype(preferred_element_type),
    )


def _batch_groups_as_features(x: Any, numbers: ConvDimensionNumbers, groups: int) -> tuple[Any, ConvDimensionNumbers]:
    """Each group of the batch sees its own windows: the groups become groups of features."""
    x = p.transpose(x, permutation=tuple(numbers.lhs_spec))
    batch, features, *space = x.shape
    x = p.reshape(x, new_sizes=(groups, batch // groups, features, *space), dimensions=None)
    x = p.transpose(x, permutation=(1, 0, *range(2, x.ndim)))
    x = p.reshape(x, new_sizes=(batch // groups, groups * features, *space), dimensions=None)
    return x, numbers._replace(lhs_spec=tuple(range(x.ndim)))


def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """`conv_general_dilated` without dilation, in the default layout."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, preferred_element_type=preferred_element_type)


def conv_with_general_padding(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """`conv_general_dilated` in the default layout."""
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        preferred_element_type=preferred_element_type,
    )


def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The transposed (fractionally strided) convolution.

    Args:
        lhs, rhs, rhs_dilation, dimension_numbers: see `conv_general_dilated`; default layout ("NHWC", "HWIO", "NHWC").
        strides: upsampling factors.
        padding: "SAME", "VALID" or pairs.
        transpose_kernel: flip the window and swap its features: the gradient of a convolution.
    """
    x, w = as_operands(lhs, rhs)
    rank = x.ndim - 2
    if dimension_numbers is None:
        spatial = "DHW"[3 - rank :]
        dimension_numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    numbers = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    rhs_dilation = (1,) * rank if rhs_dilation is None else static_shape(rhs_dilation)
    window = [(w.shape[axis] - 1) * d + 1 for axis, d in zip(numbers.rhs_spec[2:], rhs_dilation, strict=True)]
    if isinstance(padding, str):
        padding = [_transposed_padding(k, s, padding) for k, s in zip(window, strides, strict=True)]
    if transpose_kernel:
        w = p.rev(w, dimensions=tuple(numbers.rhs_spec[2:]))
        out, features = numbers.rhs_spec[:2]
        numbers = numbers._replace(rhs_spec=(features, out, *numbers.rhs_spec[2:]))
    ones = (1,) * rank
    return conv_general_dilated(
        x, w, ones, padding, strides, rhs_dilation, numbers, preferred_element_type=preferred_element_type
    )


def _transposed_padding(window: int, stride: int, padding: str) -> tuple[int, int]:
    """Padding that makes the output of the transposed convolution as large as the input of the convolution was."""
    if padding == "SAME":
        total = window + stride - 2
        low = window - 1 if stride > window - 1 else -(-total // 2)
        return low, total - low
    if padding == "VALID":
        return window - 1, window - 1 + max(stride - window, 0) + (stride - 1 if stride <= window else window - 1)
    raise ValueError(f"padding must be 'SAME', 'VALID' or pairs, got {padding!r}")


_WINDOW_REDUCERS = {"add": "reduce_window_sum", "max": "reduce_window_max", "maximum": "reduce_window_max"}
_WINDOW_REDUCERS |= {"min": "reduce_window_min", "minimum": "reduce_window_min"}


def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[..., Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Sums, maxima or minima over sliding windows.

    Args:
        operand: array.
        init_value: neutral element: 0 for `lax.add`, -inf for `lax.max`, inf for `lax.min`.
        computation: `lax.add`, `lax.max` or `lax.min`.
        window_dimensions, window_strides, base_dilation, window_dilation: one per axis.
        padding: "SAME", "VALID" or (low, high) pairs.

    Raises:
        NotImplementedError: another computation.
    """
    x = as_operand(operand)
    name = _WINDOW_REDUCERS.get(getattr(computation, "__name__", ""))
    if name is None:
        raise NotImplementedError(
            "reduce_window takes lax.add, lax.max or lax.min; for another computation, stack the windows"
        )
    window = static_shape(window_dimensions)
    ones = (1,) * x.ndim
    strides = ones if window_strides is None else static_shape(window_strides)
    dilation = ones if window_dilation is None else static_shape(window_dilation)
    base = ones if base_dilation is None else static_shape(base_dilation)
    if isinstance(padding, str):
        sizes = [(n - 1) * d + 1 for n, d in zip(x.shape, base, strict=True)]
        padding = padtype_to_pads(
            sizes, [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)], strides, padding
        )
    out = getattr(p, name)(
        x,
        window_dimensions=window,
        window_strides=strides,
        padding=tuple((int(a), int(b)) for a, b in padding),
        base_dilation=base,
        window_dilation=dilation,
    )
    x, init = as_operands(x, init_value)
    combine = {"reduce_window_sum": p.add, "reduce_window_max": p.max, "reduce_window_min": p.min}[name]
    return combine(out, init)


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort along an axis; of several arrays, the first `num_keys` are the keys."""
    many = isinstance(operand, (tuple, list))
    arrays = [as_operand(x) for x in (operand if many else (operand,))]
    out = p.sort(
        *arrays, dimension=canonical_axis(dimension, arrays[0].ndim), is_stable=bool(is_stable), num_keys=num_keys
    )
    return tuple(out) if many else out[0]


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> tuple[Any, Any]:
    """`keys` sorted along an axis, and `values` in the same order."""
    out: tuple[Any, Any] = sort((keys, values), dimension, is_stable)
    return out


def top_k(operand: Any, k: int, *, axis: int = -1) -> list[Any]:
    """The `k` largest elements along an axis in falling order, and their indices."""
    x = as_operand(operand)
    axis = canonical_axis(axis, x.ndim)
    last = x.ndim - 1
    if axis == last:
        return list(p.top_k(x, k=int(k)))
    order = tuple(i for i in range(x.ndim) if i != axis) + (axis,)
    back = tuple(np.argsort(order).tolist())
    return [p.transpose(y, permutation=back) for y in p.top_k(p.transpose(x, permutation=order), k=int(k))]
