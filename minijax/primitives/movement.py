"""Movement: operations that place elements elsewhere and change none of them.

reshape, broadcast_in_dim, transpose, squeeze, rev, concatenate, split, pad, and iota, which makes indices. All are
linear, so that each is its own derivative; the transpose of placing elements is collecting them again.

NumPy views are results as good as copies, because arrays are immutable: none but concatenate and pad move bytes.
Adding unit axes is a `broadcast_in_dim`, as in JAX; there is no primitive of its own for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Kind, Linear, Primitive, ShapedArray, Zero, aval_like
from ..ir.passes.rewrite import compose_broadcasts, compose_reshapes, compose_transposes, involution
from ._families import move_axis
from ._ops import like, p, select, zeros


def _reshape_aval(x: ShapedArray, *, new_sizes: tuple[int, ...], dimensions: Any = None) -> ShapedArray:
    if any(n < 0 for n in new_sizes) or math.prod(new_sizes) != x.size:
        raise TypeError(
            f"cannot reshape array of shape {x.shape} (size {x.size}) into shape {tuple(new_sizes)} "
            f"(size {math.prod(new_sizes)}): reshape keeps the number of elements"
        )
    if dimensions is not None and sorted(dimensions) != list(range(x.ndim)):
        raise TypeError(f"reshape: dimensions {dimensions} are not a permutation of the axes of shape {x.shape}")
    return ShapedArray(tuple(new_sizes), x.dtype, x.weak_type)


def _reshape_evaluate(x: Any, *, new_sizes: tuple[int, ...], dimensions: Any = None) -> Any:
    return (x if dimensions is None else x.transpose(dimensions)).reshape(new_sizes)


def _reshape_transpose(ct: Any, x: Linear, *, new_sizes: tuple[int, ...], dimensions: Any = None) -> tuple[Any]:
    if dimensions is None:
        return (p.reshape(ct, new_sizes=x.aval.shape, dimensions=None),)
    permuted = tuple(x.aval.shape[d] for d in dimensions)
    ct = p.reshape(ct, new_sizes=permuted, dimensions=None)
    return (p.transpose(ct, permutation=_inverse(dimensions)),)


def _reshape_batch(size: int, args: Any, axes: Any, *, new_sizes: tuple[int, ...], dimensions: Any = None) -> Any:
    x = move_axis(args[0], axes[0], 0)
    order = None if dimensions is None else (0, *(d + 1 for d in dimensions))
    return p.reshape(x, new_sizes=(size, *new_sizes), dimensions=order), 0


reshape = Primitive(
    "reshape",
    Kind.MOVEMENT,
    abstract=_reshape_aval,
    evaluate=_reshape_evaluate,
    jvp="linear",
    transpose=_reshape_transpose,
    batch=_reshape_batch,
    lower="reshape",
    params={"new_sizes": tuple, "dimensions": (tuple, type(None))},
    simplify=[compose_reshapes],
    doc="""The same elements in row-major order under another shape; after a transposition by `dimensions` where
    given. x: any shape -> new_sizes. d reshape(x) = reshape(dx).""",
)


def _inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    inverse = [0] * len(permutation)
    for position, axis in enumerate(permutation):
        inverse[axis] = position
    return tuple(inverse)


def _broadcast_aval(x: ShapedArray, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]) -> ShapedArray:
    dims = broadcast_dimensions
    if len(dims) != x.ndim:
        raise TypeError(
            f"broadcast_in_dim broadcast_dimensions must have length equal to operand ndim; got "
            f"broadcast_dimensions={dims} for operand ndim {x.ndim}."
        )
    ndim = len(shape)
    last = -1
    for n, d in zip(x.shape, dims):
        if not last < d < ndim:
            raise TypeError(
                f"broadcast_in_dim broadcast_dimensions must be strictly increasing and a subset of the output "
                f"dimensions; got {dims} for output shape {shape}."
            )
        last = d
        if n not in (1, shape[d]):
            raise TypeError(
                f"broadcast_in_dim operand dimension sizes must either be 1, or be equal to their corresponding "
                f"dimensions in the target broadcast shape; got operand of shape {x.shape}, target broadcast shape "
                f"{shape}, broadcast_dimensions {dims}"
            )
    return ShapedArray(tuple(shape), x.dtype, x.weak_type)


def _broadcast_evaluate(x: Any, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]) -> Any:
    if x.ndim == 0 and x.dtype.kind in "fibuc":  # the constants of derivative rules: a tenth of np.broadcast_to
        return np.ndarray(shape, x.dtype, x, strides=(0,) * len(shape))
    unit = [1] * len(shape)
    for n, d in zip(x.shape, broadcast_dimensions):
        unit[d] = n
    unit_shape = tuple(unit)
    x = x.reshape(unit_shape)
    return x if unit_shape == shape else np.broadcast_to(x, shape)


def _broadcast_transpose(
    ct: Any, x: Linear, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]
) -> tuple[Any]:
    operand = x.aval.shape
    kept = {d for n, d in zip(operand, broadcast_dimensions) if n == shape[d]}
    summed = tuple(d for d in range(len(shape)) if d not in kept and shape[d] != 1)
    if summed:
        ct = p.reduce_sum(ct, axes=summed)
    if aval_like(ct).shape != operand:
        ct = p.reshape(ct, new_sizes=operand, dimensions=None)
    return (ct,)


def _broadcast_batch(
    size: int, args: Any, axes: Any, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]
) -> Any:
    x = move_axis(args[0], axes[0], 0)
    dims = (0, *(d + 1 for d in broadcast_dimensions))
    return p.broadcast_in_dim(x, shape=(size, *shape), broadcast_dimensions=dims), 0


broadcast_in_dim = Primitive(
    "broadcast_in_dim",
    Kind.MOVEMENT,
    abstract=_broadcast_aval,
    evaluate=_broadcast_evaluate,
    jvp="linear",
    transpose=_broadcast_transpose,
    batch=_broadcast_batch,
    lower="broadcast_in_dim",
    params={"shape": tuple, "broadcast_dimensions": tuple},
    simplify=[compose_broadcasts],
    doc="""Repeat along new axes and along axes of size 1. Axis i of x becomes axis broadcast_dimensions[i] of
    the result, which has shape `shape`. d broadcast(x) = broadcast(dx); transpose: the sum over the repeated
    axes.""",
)


def _transpose_aval(x: ShapedArray, *, permutation: tuple[int, ...]) -> ShapedArray:
    if sorted(permutation) != list(range(x.ndim)):
        raise TypeError(
            f"transpose permutation isn't a permutation of operand dimensions, got permutation {permutation} for "
            f"operand shape {x.shape}."
        )
    return ShapedArray(tuple(x.shape[d] for d in permutation), x.dtype, x.weak_type)


def _transpose_batch(size: int, args: Any, axes: Any, *, permutation: tuple[int, ...]) -> Any:
    (x,), (axis,) = args, axes
    moved = tuple(d + (d >= axis) for d in permutation)
    return p.transpose(x, permutation=(axis, *moved)), 0


transpose = Primitive(
    "transpose",
    Kind.MOVEMENT,
    abstract=_transpose_aval,
    evaluate=lambda x, *, permutation: x.transpose(permutation),
    jvp="linear",
    transpose=lambda ct, x, *, permutation: (p.transpose(ct, permutation=_inverse(permutation)),),
    batch=_transpose_batch,
    lower="transpose",
    params={"permutation": tuple},
    simplify=[compose_transposes],
    doc="""Axes in another order: axis i of the result is axis permutation[i] of x. Linear; the transpose is the
    inverse permutation.""",
)


def _squeeze_aval(x: ShapedArray, *, dimensions: tuple[int, ...]) -> ShapedArray:
    if any(not 0 <= d < x.ndim for d in dimensions) or len(set(dimensions)) != len(dimensions):
        raise ValueError(f"squeeze: dimensions {dimensions} are not distinct axes of an array of shape {x.shape}")
    if any(x.shape[d] != 1 for d in dimensions):
        raise ValueError(
            f"cannot select an axis to squeeze out which has size not equal to one, got shape={x.shape} and "
            f"dimensions={tuple(dimensions)}"
        )
    return ShapedArray(tuple(n for d, n in enumerate(x.shape) if d not in dimensions), x.dtype, x.weak_type)


def _squeeze_batch(size: int, args: Any, axes: Any, *, dimensions: tuple[int, ...]) -> Any:
    (x,), (axis,) = args, axes
    shifted = tuple(d + (d >= axis) for d in dimensions)
    return p.squeeze(x, dimensions=shifted), axis - sum(d < axis for d in shifted)


squeeze = Primitive(
    "squeeze",
    Kind.MOVEMENT,
    abstract=_squeeze_aval,
    evaluate=lambda x, *, dimensions: x.squeeze(dimensions),
    jvp="linear",
    transpose=lambda ct, x, *, dimensions: (p.reshape(ct, new_sizes=x.aval.shape, dimensions=None),),
    batch=_squeeze_batch,
    lower="reshape",
    params={"dimensions": tuple},
    doc="Without the axes `dimensions`, which have size 1. Linear; the transpose puts them back.",
)


def _rev_aval(x: ShapedArray, *, dimensions: tuple[int, ...]) -> ShapedArray:
    if any(not 0 <= d < x.ndim for d in dimensions) or len(set(dimensions)) != len(dimensions):
        raise TypeError(f"rev: dimensions {dimensions} are not distinct axes of an array of shape {x.shape}")
    return x


def _rev_evaluate(x: Any, *, dimensions: tuple[int, ...]) -> Any:
    return x[tuple(slice(None, None, -1) if d in dimensions else slice(None) for d in range(x.ndim))]


def _rev_batch(size: int, args: Any, axes: Any, *, dimensions: tuple[int, ...]) -> Any:
    (x,), (axis,) = args, axes
    return p.rev(x, dimensions=tuple(d + (d >= axis) for d in dimensions)), axis


rev = Primitive(
    "rev",
    Kind.MOVEMENT,
    abstract=_rev_aval,
    evaluate=_rev_evaluate,
    jvp="linear",
    transpose=lambda ct, x, *, dimensions: (p.rev(ct, dimensions=dimensions),),
    batch=_rev_batch,
    lower="rev",
    params={"dimensions": tuple},
    simplify=[involution],
    doc="Elements in reverse order along the axes `dimensions`. Linear, and its own transpose.",
)


def _concatenate_aval(*xs: ShapedArray, dimension: int) -> ShapedArray:
    if not xs:
        raise ValueError("concatenate expects at least one operand, got 0.")
    first = xs[0]
    if not first.ndim:
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    if not 0 <= dimension < first.ndim:
        raise ValueError(f"concatenate dimension out of bounds: dimension {dimension} for shape {first.shape}.")
    total = 0
    for x in xs:
        if x.dtype != first.dtype:
            found = ", ".join(str(x.dtype) for x in xs)
            raise TypeError(f"concatenate requires arguments to have the same dtypes, got {found}.")
        if (
            x.ndim != first.ndim
            or x.shape[:dimension] != first.shape[:dimension]
            or x.shape[dimension + 1 :] != first.shape[dimension + 1 :]
        ):
            found = ", ".join(str(x.shape) for x in xs)
            raise TypeError(
                f"Cannot concatenate arrays with shapes that differ in dimensions other than the one being "
                f"concatenated: concatenating along dimension {dimension} for shapes {found}."
            )
        total += x.shape[dimension]
    shape = (*first.shape[:dimension], total, *first.shape[dimension + 1 :])
    return ShapedArray(shape, first.dtype, all(x.weak_type for x in xs))


def _concatenate_transpose(ct: Any, *xs: Any, dimension: int) -> list[Any]:
    shape = aval_like(ct).shape
    parts = []
    position = 0
    for x in xs:
        here = position
        position += aval_like(x).shape[dimension]
        if type(x) is Linear:
            start = tuple(here if d == dimension else 0 for d in range(len(shape)))
            limit = tuple(position if d == dimension else n for d, n in enumerate(shape))
            parts.append(p.slice(ct, start_indices=start, limit_indices=limit, strides=None))
        else:
            parts.append(None)
    return parts


def _fronts(size: int, args: Sequence[Any], axes: Sequence[int | None]) -> list[Any]:
    """The operands with the batch axis in front; unmapped ones repeated."""
    out = []
    for x, axis in zip(args, axes, strict=True):
        if axis is not None:
            out.append(move_axis(x, axis, 0))
        else:
            shape = aval_like(x).shape
            dims = tuple(range(1, len(shape) + 1))
            out.append(p.broadcast_in_dim(x, shape=(size, *shape), broadcast_dimensions=dims))
    return out


def _concatenate_batch(size: int, args: Any, axes: Any, *, dimension: int) -> Any:
    return p.concatenate(*_fronts(size, args, axes), dimension=dimension + 1), 0


concatenate = Primitive(
    "concatenate",
    Kind.MOVEMENT,
    abstract=_concatenate_aval,
    evaluate=lambda *xs, dimension: np.concatenate(xs, dimension),
    jvp="linear",
    transpose=_concatenate_transpose,
    batch=_concatenate_batch,
    lower="concatenate",
    params={"dimension": int},
    doc="""Operands after one another along axis `dimension`; their other axes agree. Linear; the transpose cuts the
    cotangent into the operands' pieces.""",
)


def _split_aval(x: ShapedArray, *, sizes: tuple[int, ...], axis: int) -> tuple[ShapedArray, ...]:
    if not 0 <= axis < x.ndim:
        raise ValueError(f"split: axis {axis} out of bounds for shape {x.shape}")
    if any(n < 0 for n in sizes) or sum(sizes) != x.shape[axis]:
        raise ValueError(
            f"split: sizes {tuple(sizes)} must be nonnegative and sum to {x.shape[axis]}, axis {axis} of {x.shape}"
        )
    return tuple(ShapedArray((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype, x.weak_type) for n in sizes)


def _split_evaluate(x: Any, *, sizes: tuple[int, ...], axis: int) -> list[Any]:
    before = (slice(None),) * axis
    parts = []
    start = 0
    for n in sizes:
        parts.append(x[(*before, slice(start, start + n))])
        start += n
    return parts


def _split_transpose(cts: Any, x: Linear, *, sizes: tuple[int, ...], axis: int) -> tuple[Any]:
    parts = [zeros(ct.aval) if type(ct) is Zero else ct for ct in cts]
    return (p.concatenate(*parts, dimension=axis),)


def _split_batch(size: int, args: Any, axes: Any, *, sizes: tuple[int, ...], axis: int) -> Any:
    (x,), (b,) = args, axes
    return p.split(x, sizes=sizes, axis=axis + (axis >= b)), [b] * len(sizes)


split = Primitive(
    "split",
    Kind.MOVEMENT,
    abstract=_split_aval,
    evaluate=_split_evaluate,
    jvp="linear",
    transpose=_split_transpose,
    batch=_split_batch,
    lower="split",
    params={"sizes": tuple, "axis": int},
    doc="Pieces of the given sizes along `axis`, as several results. Linear; the transpose concatenates.",
    multiple_results=True,
)


def _padded_size(n: int, low: int, high: int, interior: int) -> int:
    return low + high + (n + (n - 1) * interior if n else 0)


def _pad_aval(x: ShapedArray, value: ShapedArray, *, padding_config: tuple[tuple[int, int, int], ...]) -> ShapedArray:
    if x.dtype != value.dtype:
        raise TypeError(f"pad requires arguments to have the same dtypes, got {x.dtype}, {value.dtype}.")
    if value.shape != ():
        raise TypeError(f"padding_value must be a scalar; got shape {value.shape}.")
    if len(padding_config) != x.ndim:
        raise TypeError(
            f"length of padding_config must equal the number of axes of operand, got padding_config "
            f"{padding_config} for operand shape {x.shape}"
        )
    if any(interior < 0 for _, _, interior in padding_config):
        raise TypeError(
            f"interior padding in padding_config must be nonnegative, got padding_config {padding_config}"
        )
    shape = tuple(_padded_size(n, *config) for n, config in zip(x.shape, padding_config))
    if any(n < 0 for n in shape):
        raise ValueError(
            f"Dimension size after padding is not at least 0, got result shape {shape}, for padding_config "
            f"{padding_config} and operand shape {x.shape}"
        )
    return ShapedArray(shape, x.dtype, x.weak_type and value.weak_type)


def _pad_slices(n: int, low: int, high: int, interior: int) -> tuple[slice, slice]:
    """Which elements of an axis of size n survive, and where they go (negative padding cuts some off)."""
    step = interior + 1
    size = _padded_size(n, low, high, interior)
    first = -(low // step) if low < 0 else 0  # the first i with low + i * step >= 0
    end = min(n, -((low - size) // step))  # the first i with low + i * step >= size
    if end <= first:
        return slice(0, 0), slice(0, 0)
    return slice(first, end), slice(low + first * step, low + (end - 1) * step + 1, step)


def _pad_evaluate(x: Any, value: Any, *, padding_config: tuple[tuple[int, int, int], ...]) -> Any:
    shape = tuple([_padded_size(n, *config) for n, config in zip(x.shape, padding_config)])
    if any(value.tobytes()):
        out = np.full(shape, value, x.dtype)
    else:  # fresh zero pages: what derivatives of slices need (all bits zero: -0.0 is another number)
        out = np.zeros(shape, x.dtype)
    pairs = [_pad_slices(n, *config) for n, config in zip(x.shape, padding_config)]
    out[tuple([to for _, to in pairs])] = x[tuple([source for source, _ in pairs])]
    return out


def _pad_transpose(
    ct: Any, x: Any, value: Any, *, padding_config: tuple[tuple[int, int, int], ...]
) -> tuple[Any, Any]:
    """Cut off what was added, put zeros where something was cut off, keep every (interior + 1)-th."""
    total = p.reduce_sum(ct, axes=tuple(range(aval_like(ct).ndim))) if type(value) is Linear else None
    if type(x) is not Linear and total is None:
        return None, None
    cut = ct
    if any(low or high for low, high, _ in padding_config):
        config = tuple((-low, -high, 0) for low, high, _ in padding_config)
        cut = p.pad(ct, like(ct, 0), padding_config=config)
    if any(interior for _, _, interior in padding_config):
        shape = aval_like(cut).shape
        strides = tuple(interior + 1 for _, _, interior in padding_config)
        cut = p.slice(cut, start_indices=(0,) * len(shape), limit_indices=shape, strides=strides)
    if total is None:
        return cut, None
    rest = p.sub(total, p.reduce_sum(cut, axes=tuple(range(aval_like(cut).ndim))))
    return (cut if type(x) is Linear else None), rest


def _pad_batch(size: int, args: Any, axes: Any, *, padding_config: tuple[tuple[int, int, int], ...]) -> Any:
    (x, value), (axis, value_axis) = args, axes
    if value_axis is None:
        config = (*padding_config[:axis], (0, 0, 0), *padding_config[axis:])
        return p.pad(x, value, padding_config=config), axis
    # One padding value per example: pad with anything, then choose by a mask that is padded alike.
    (x,) = _fronts(size, (x,), (axis,))
    shape = aval_like(x).shape
    config = ((0, 0, 0), *padding_config)
    padded = p.pad(x, like(x, 0), padding_config=config)
    true = p.broadcast_in_dim(np.bool_(True), shape=shape, broadcast_dimensions=())
    kept = p.pad(true, np.bool_(False), padding_config=config)
    values = p.broadcast_in_dim(value, shape=aval_like(padded).shape, broadcast_dimensions=(0,))
    return select(kept, padded, values), 0


pad = Primitive(
    "pad",
    Kind.MOVEMENT,
    abstract=_pad_aval,
    evaluate=_pad_evaluate,
    jvp="linear",
    transpose=_pad_transpose,
    batch=_pad_batch,
    lower="pad",
    params={"padding_config": tuple},
    doc="""x with a scalar value added: (low, high, interior) for each axis say how much before, after and between its
    elements. Negative low and high cut off instead. Linear in both; the cotangent of x is what lies at its
    elements' places, that of the value the sum of the rest.""",
)


def _iota_aval(*, dtype: Any, shape: tuple[int, ...], dimension: int) -> ShapedArray:
    if not 0 <= dimension < len(shape):
        raise ValueError(f"iota dimension must be between 0 and {len(shape) - 1}, got {dimension} for shape {shape}")
    return ShapedArray(tuple(shape), np.dtype(dtype), False)


def _iota_evaluate(*, dtype: Any, shape: tuple[int, ...], dimension: int) -> Any:
    count = np.arange(shape[dimension]).astype(dtype)
    if len(shape) == 1:
        return count
    return np.broadcast_to(count.reshape((-1,) + (1,) * (len(shape) - dimension - 1)), shape)


iota = Primitive(
    "iota",
    Kind.MOVEMENT,
    abstract=_iota_aval,
    evaluate=_iota_evaluate,
    jvp=None,
    lower="iota",
    params={"dtype": np.dtype, "shape": tuple, "dimension": int},
    doc="An array of the given shape and dtype whose elements are their own index along axis `dimension`. Constant.",
)
