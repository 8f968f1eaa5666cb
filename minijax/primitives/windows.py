"""Sliding windows: reduce_window_sum, reduce_window_max, reduce_window_min (pooling).

A window is reduced one axis at a time: short windows as an operation on shifted arrays, long ones as strided views. The gradient of a maximum goes to the first element that attains it,
as in JAX (select_and_scatter_add).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir import Kind, Primitive, ShapedArray, aval_like
from ._families import NUMERIC, REAL, check_dtype, move_axis
from ._ops import like, p, select
from ._window_views import check_positive, dilated, padded, window_shape

_LONG = 32
_PARAMS = {
    "window_dimensions": tuple,
    "window_strides": tuple,
    "padding": tuple,
    "base_dilation": tuple,
    "window_dilation": tuple,
}


def _abstract(name: str, accepts: Any) -> Any:
    def abstract(x: ShapedArray, **params: Any) -> ShapedArray:
        check_dtype(name, x, accepts)
        if any(len(value) != x.ndim for value in params.values()):
            raise TypeError(
                f"{name}: windows, strides, padding and dilations need one entry per axis of {x.shape}, got {params}"
            )
        check_positive(name, **{key: value for key, value in params.items() if key != "padding"})
        return x.update(shape=window_shape(x.shape, **params))

    return abstract


def _evaluate(f: np.ufunc, fill_of: Any) -> Any:
    def evaluate(x: Any, **params: Any) -> Any:
        wide = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x
        out = padded(np.asarray(wide), fill_of(wide.dtype), params["padding"], params["base_dilation"])
        sizes = zip(params["window_dimensions"], params["window_strides"], params["window_dilation"], strict=True)
        for axis, (window, stride, dilation) in enumerate(sizes):
            out = _along(f, out, axis, window, stride, dilation)
        return out.astype(x.dtype, copy=False)

    return evaluate


def _along(f: np.ufunc, x: Any, axis: int, window: int, stride: int, dilation: int) -> Any:
    """`x` with `f` of the windows of one axis in place of its elements."""
    before = (slice(None),) * axis
    span = dilated(window, dilation)
    count = max((x.shape[axis] - span) // stride + 1, 0)
    if window > _LONG and count:
        views = np.lib.stride_tricks.sliding_window_view(x, span, axis=axis)
        return f.reduce(views[(*before, slice(None, None, stride))][..., ::dilation], -1, x.dtype)
    reach = dilated(count, stride)
    at = [x[(*before, slice(i, i + reach, stride))] for i in range(0, span, dilation)]
    if window == 1:
        return at[0]
    out = f(at[0], at[1])
    for shifted in at[2:]:
        f(out, shifted, out=out)
    return out


def _batch(name: str) -> Any:
    def batch(size: int, args: Any, axes: Any, **params: Any) -> Any:
        front = move_axis(args[0], axes[0], 0)
        extra = {
            "window_dimensions": 1,
            "window_strides": 1,
            "padding": (0, 0),
            "base_dilation": 1,
            "window_dilation": 1,
        }
        return getattr(p, name)(front, **{key: (extra[key], *value) for key, value in params.items()}), 0

    return batch


def _sum_transpose(ct: Any, x: Any, **params: Any) -> tuple[Any]:
    """Each element gets the sum of the cotangents of the windows it is in: a window sum with strides and dilation swapped."""
    aval = x.aval
    config = []
    shape = aval_like(ct).shape
    for n, m, w, s, (low, _), b, d in zip(
        aval.shape,
        shape,
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params["base_dilation"],
        params["window_dilation"],
        strict=True,
    ):
        reach = (w - 1) * d
        left = reach - low
        config.append((left, dilated(n, b) + reach - left - dilated(m, s)))
    full = p.reduce_window_sum(
        ct,
        window_dimensions=params["window_dimensions"],
        window_strides=params["base_dilation"],
        padding=tuple(config),
        base_dilation=params["window_strides"],
        window_dilation=params["window_dilation"],
    )
    return (full,)


reduce_window_sum = Primitive(
    "reduce_window_sum",
    Kind.REDUCTION,
    abstract=_abstract("reduce_window_sum", NUMERIC),
    evaluate=_evaluate(np.add, lambda dtype: dtype.type(0)),
    jvp="linear",
    transpose=_sum_transpose,
    batch=_batch("reduce_window_sum"),
    lower="library",
    params=_PARAMS,
    doc="Sums over sliding windows. Linear: d = window sums of dx; transpose: window sums with strides and dilation swapped.",
)


def _lowest(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def _highest(dtype: np.dtype) -> Any:
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max if dtype.kind in "iu" else True


def _elements_of_windows(x: Any, fill: Any, out_shape: tuple[int, ...], params: dict[str, Any]) -> Iterator[Any]:
    """For each place in the window, the element that every window has there; `fill` where that is padding."""
    pads = zip(params["padding"], params["base_dilation"], strict=True)
    padded = p.pad(x, fill, padding_config=tuple((low, high, b - 1) for (low, high), b in pads))
    strides = params["window_strides"]
    reach = tuple(dilated(m, s) for m, s in zip(out_shape, strides, strict=True))
    for offset in np.ndindex(params["window_dimensions"]):
        starts = tuple(o * d for o, d in zip(offset, params["window_dilation"], strict=True))
        stops = tuple(a + n for a, n in zip(starts, reach, strict=True))
        yield p.slice(padded, start_indices=starts, limit_indices=stops, strides=strides)


def _extremum_window(name: str, f: Any, fill_of: Any, keeps: str) -> Primitive:
    def jvp(t: Any, out: Any, x: Any, **params: Any) -> Any:
        """The tangent of the element that a walk through the window ends at; a later one must be strictly better."""
        shape = aval_like(out).shape
        if 0 in shape:
            return p.broadcast_in_dim(like(t, 0), shape=shape, broadcast_dimensions=())
        values = _elements_of_windows(x, like(x, fill_of(aval_like(x).dtype)), shape, params)
        tangents = _elements_of_windows(t, like(t, 0), shape, params)
        best, tangent = next(values), next(tangents)
        for value, moved in zip(values, tangents, strict=True):
            stays = getattr(p, keeps)(best, value)
            best, tangent = select(stays, best, value), select(stays, tangent, moved)
        return tangent

    return Primitive(
        name,
        Kind.REDUCTION,
        abstract=_abstract(name, (*REAL, np.bool_)),
        evaluate=_evaluate(f, fill_of),
        jvp=(jvp,),
        batch=_batch(name),
        lower="library",
        params=_PARAMS,
        doc=f"{name[14:].capitalize()}ima over sliding windows (pooling). The tangent is that of the first element of the window that "
        "attains it.",
    )


reduce_window_max = _extremum_window("reduce_window_max", np.maximum, _lowest, "ge")
reduce_window_min = _extremum_window("reduce_window_min", np.minimum, _highest, "le")
