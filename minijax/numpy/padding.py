"""`pad`: an array with a border, by constants, edges, reflections, repetition or statistics.

In: an array, widths per axis, a mode. Out: a larger array. Axis by axis, as NumPy does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import Array, wrap
from ..dtypes import scalar_dtype
from ..primitives import p
from . import reductions, statistics
from ._promotion import as_array, as_dtype, checked, literal
from .creation import linspace
from .indexing import take
from .joining import concatenate

__all__ = ["pad"]


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """`array` with a border.

    Args:
        array: array.
        pad_width: int, (before, after), or a pair per axis, static; or a dict from axis to one of these.
        mode: "constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "minimum", "mean", "median",
            "empty", or a function of (padded vector, widths, axis, kwargs) that returns the vector.
        **kwargs: `constant_values`, `end_values`, `stat_length`, `reflect_type`, as the mode takes them.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.pad(mnp.array([1, 2]), (1, 2), mode="edge")
        Array([1, 1, 2, 2, 2], dtype=int32)
    """
    array = as_array("pad", array)
    widths = _pairs(pad_width, array.aval.ndim, "pad_width")
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError("index can't contain negative values")
    if callable(mode):
        raise NotImplementedError("pad with a function as mode is not supported: build the border with concatenate")
    allowed = _OPTIONS.get(mode)
    if allowed is None:
        raise NotImplementedError(f"Unsupported padding mode {mode!r}: one of {', '.join(sorted(_OPTIONS))}.")
    extra = set(kwargs) - set(allowed)
    if extra:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {sorted(extra)}")
    if mode in ("constant", "empty"):
        return _constant(array, widths, kwargs.get("constant_values", 0))
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        return _by_index(array, widths, mode, kwargs.get("reflect_type", "even"))
    if mode == "linear_ramp":
        return _ramp(array, widths, kwargs.get("end_values", 0))
    return _statistic(array, widths, _STATISTICS[mode], kwargs.get("stat_length"))


_OPTIONS = {
    "constant": ("constant_values",),
    "empty": (),
    "edge": (),
    "wrap": (),
    "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",),
    "linear_ramp": ("end_values",),
    "maximum": ("stat_length",),
    "minimum": ("stat_length",),
    "mean": ("stat_length",),
    "median": ("stat_length",),
}
_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": reductions.max,
    "minimum": reductions.min,
    "mean": reductions.mean,
    "median": lambda x, **over: statistics.median(x, **over),
}


def _pairs(value: Any, ndim: int, name: str) -> list[tuple[int, int]]:
    """An int, a pair or a pair per axis as a pair per axis."""
    if isinstance(value, dict):
        full = [(0, 0)] * ndim
        for axis, width in value.items():
            full[axis] = (width, width) if isinstance(width, int) else tuple(width)  # type: ignore[assignment]
        return full
    widths = np.asarray(value)
    if widths.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must be of integral type.")
    try:
        return [(int(a), int(b)) for a, b in np.broadcast_to(widths, (ndim, 2))]
    except ValueError:
        raise ValueError(f"jnp.pad: {name} with {ndim=} has unsupported shape {widths.shape}") from None


def _value_pairs(value: Any, array: Any) -> list[list[Any]]:
    """Values for the two ends of each axis, as scalars of the dtype of `array`."""
    ndim = array.aval.ndim
    if not isinstance(value, (tuple, list)) and np.ndim(value if not hasattr(value, "aval") else 0) == 0:
        one = as_dtype(checked("pad", value)[0], array.aval.dtype, array.aval.weak_type)
        if one.aval.shape == ():
            return [[one, one]] * ndim
    values = np.broadcast_to(np.asarray(value, dtype=array.aval.dtype), (ndim, 2))
    return [[literal(v, array.aval.dtype, array.aval.weak_type) for v in pair] for pair in values]


def _constant(array: Any, widths: list[tuple[int, int]], values: Any) -> Any:
    pairs = _value_pairs(values, array)
    if len({id(v) for pair in pairs for v in pair}) <= 1:
        config = tuple((a, b, 0) for a, b in widths)
        return p.pad(array, pairs[0][0], padding_config=config) if pairs else array
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, pairs, strict=True)):
        for width, value in (((before, 0, 0), low), ((0, after, 0), high)):
            config = tuple(width if i == axis else (0, 0, 0) for i in range(array.aval.ndim))
            array = p.pad(array, value, padding_config=config)
    return array


def _by_index(array: Any, widths: list[tuple[int, int]], mode: str, reflect_type: str) -> Any:
    """Modes that only repeat elements: where each comes from is found by padding the indices."""
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        n = array.aval.shape[axis]
        if not n:
            raise ValueError(f"Cannot apply padding mode {mode!r} to an empty axis")
        source = np.pad(np.arange(n), (before, after), mode=mode)  # type: ignore[call-overload]
        out = take(array, _index(source), axis, mode="clip")
        if reflect_type == "odd" and mode in ("reflect", "symmetric"):
            out = _odd(array, axis, before, after, mode)
        array = out
    return array


def _index(places: np.ndarray) -> Array:
    return wrap(places.astype(scalar_dtype(int)))


def _odd(array: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """Reflections through the end points: every element is a + k (b - c) for elements a, b, c of `array`."""
    n = array.aval.shape[axis]
    # An odd reflection is linear, so what it does to unit vectors says what it does to all.
    weights = np.stack([np.pad(row, (before, after), mode=mode, reflect_type="odd") for row in np.eye(n)])  # type: ignore[call-overload]
    matrix = wrap(weights.astype(array.aval.dtype))
    out = p.dot_general(
        array,
        matrix,
        dimension_numbers=(((axis,), (0,)), ((), ())),
        precision=None,
        preferred_element_type=array.aval.dtype,
    )
    order = list(range(array.aval.ndim - 1))
    order.insert(axis, array.aval.ndim - 1)
    return p.transpose(out, permutation=tuple(order))


def _ramp(array: Any, widths: list[tuple[int, int]], end_values: Any) -> Any:
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, _value_pairs(end_values, array), strict=True)):
        n = array.aval.shape[axis]
        first, last = (p.slice(array, **_cut(array, axis, i, i + 1)) for i in (0, n - 1))
        parts = [array]
        for width, value, edge, front in ((before, low, first, True), (after, high, last, False)):
            if width:
                flat = p.squeeze(edge, dimensions=(axis,))
                ramp = linspace(value, flat, width, endpoint=False, dtype=array.aval.dtype, axis=axis)
                parts = [ramp, *parts] if front else [*parts, p.rev(ramp, dimensions=(axis,))]
        array = concatenate(parts, axis)
    return array


def _cut(array: Any, axis: int, start: int, stop: int) -> dict[str, Any]:
    ndim = array.aval.ndim
    return {
        "start_indices": tuple(start if i == axis else 0 for i in range(ndim)),
        "limit_indices": tuple(stop if i == axis else n for i, n in enumerate(array.aval.shape)),
        "strides": None,
    }


def _statistic(array: Any, widths: list[tuple[int, int]], statistic: Callable[..., Any], length: Any) -> Any:
    lengths = None if length is None else _pairs(length, array.aval.ndim, "stat_length")
    for axis, (before, after) in enumerate(widths):
        n = array.aval.shape[axis]
        parts = [array]
        for width, front in ((before, True), (after, False)):
            if not width:
                continue
            count = n if lengths is None else min(lengths[axis][0 if front else 1], n)
            source = p.slice(array, **(_cut(array, axis, 0, count) if front else _cut(array, axis, n - count, n)))
            value = statistic(source, axis=axis, keepdims=True)
            if array.aval.dtype.kind in "iu" and value.aval.dtype.kind == "f":
                value = p.round(value, rounding_method=1)
            value = as_dtype(value, array.aval.dtype)
            shape = tuple(width if i == axis else m for i, m in enumerate(array.aval.shape))
            border = p.broadcast_in_dim(value, shape=shape, broadcast_dimensions=tuple(range(len(shape))))
            parts = [border, *parts] if front else [*parts, border]
        array = concatenate(parts, axis)
    return array
