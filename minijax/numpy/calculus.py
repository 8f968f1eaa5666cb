"""Differences, slopes, integrals and interpolation of samples.

In: samples. Out: arrays. Everything is a composition of slices and arithmetic, so that derivatives follow.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..dtypes import to_inexact_dtype
from ..primitives import p
from ..primitives._ops import like, select
from ._promotion import as_array, as_dtype, canonical_axes, canonical_axis, checked, promoted, strengthened
from .indexing import take
from .joining import concatenate
from .manipulation import broadcast_to, moveaxis, ravel, reshape
from .reductions import sum as _sum
from .searching import searchsorted, where
from .statistics import promoted_inexact_each

__all__ = ["diff", "ediff1d", "gradient", "interp", "trapezoid", "unwrap"]


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along `axis`, `n` times."""
    a = as_array("diff", a)
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if not a.aval.ndim:
        raise ValueError("diff requires input that is at least one dimensional; got " + str(a))
    axis = canonical_axis(axis, a.aval.ndim)
    parts = []
    for value in (prepend, a, append):
        if value is None:
            continue
        value = as_array("diff", value)
        if not value.aval.ndim:
            value = broadcast_to(value, tuple(1 if i == axis else m for i, m in enumerate(a.aval.shape)))
        parts.append(value)
    a = concatenate(parts, axis) if len(parts) > 1 else a
    for _ in range(n):
        if not a.aval.shape[axis]:
            break
        later, earlier = _cut(a, axis, 1, None), _cut(a, axis, 0, -1)
        a = p.ne(later, earlier) if a.aval.dtype.kind == "b" else p.sub(later, earlier)
    return a


def _cut(x: Any, axis: int, start: int, stop: int | None, step: int = 1) -> Any:
    n = x.aval.shape[axis]
    begin, end, _ = slice(start, stop, step).indices(n)
    return p.slice(
        x,
        start_indices=tuple(min(begin, n) if i == axis else 0 for i in range(x.aval.ndim)),
        limit_indices=tuple(max(end, begin) if i == axis else m for i, m in enumerate(x.aval.shape)),
        strides=None,
    )


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the flattened array, with values put before and after."""
    out = diff(ravel(ary))
    parts = [ravel(as_dtype(as_array("ediff1d", v), out.aval.dtype)) for v in (to_begin,) if v is not None]
    parts.append(out)
    parts += [ravel(as_dtype(as_array("ediff1d", v), out.aval.dtype)) for v in (to_end,) if v is not None]
    return concatenate(parts) if len(parts) > 1 else out


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int | None = None) -> Any:
    """Slopes by central differences, one-sided at the ends.

    Args:
        f: samples on a grid.
        *varargs: nothing (distance 1), one distance, or per axis a distance or the coordinates.
        axis: int, ints or None (all: a list is returned if there are several).
        edge_order: 1 (the only one).
    """
    if edge_order not in (None, 1):
        raise NotImplementedError(
            "The 'edge_order' argument to jnp.gradient is not supported: differences at the ends are of order 1."
        )
    f = as_array("gradient", f)
    f = as_dtype(f, to_inexact_dtype(f.aval.dtype))
    axes = canonical_axes(axis, f.aval.ndim)
    spacing = list(varargs) or [1.0]
    if len(spacing) == 1:
        spacing *= len(axes)
    if len(spacing) != len(axes):
        raise TypeError(f"Invalid number of spacing arguments {len(varargs)} for {len(axes)} axes")
    if any(f.aval.shape[i] < 2 for i in axes):
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, at least 2 elements are required."
        )
    out = [_slopes(f, i, h) for i, h in zip(axes, spacing, strict=True)]
    return out[0] if (axis is None and len(axes) == 1) or isinstance(axis, int) else out


def _slopes(f: Any, axis: int, spacing: Any) -> Any:
    h = as_array("gradient", spacing)
    if not h.aval.ndim:
        ends = [p.sub(_cut(f, axis, a + 1, a + 2), _cut(f, axis, a, a + 1)) for a in (0, f.aval.shape[axis] - 2)]
        middle = p.mul(p.sub(_cut(f, axis, 2, None), _cut(f, axis, 0, -2)), like(f, 0.5))
        out = p.concatenate(ends[0], middle, ends[1], dimension=axis)
        return p.div(*promoted("gradient", out, as_dtype(h, f.aval.dtype)))
    gaps = diff(as_dtype(h, f.aval.dtype))
    shape = tuple(gaps.aval.size if i == axis else 1 for i in range(f.aval.ndim))
    gaps = reshape(gaps, shape)
    rises = p.sub(_cut(f, axis, 1, None), _cut(f, axis, 0, -1))
    slopes = p.div(*promoted("gradient", rises, gaps))
    left, right = _cut(gaps, axis, 0, -1), _cut(gaps, axis, 1, None)
    weighted = [
        p.mul(*promoted("gradient", _cut(slopes, axis, *cut), w)) for cut, w in (((0, -1), right), ((1, None), left))
    ]
    middle = p.div(*promoted("gradient", p.add(*weighted), p.add(left, right)))
    return p.concatenate(_cut(slopes, axis, 0, 1), middle, _cut(slopes, axis, -1, None), dimension=axis)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integral along `axis` by the trapezoidal rule.

    Args:
        y: values.
        x: their places, along the axis; None: distance `dx`.
        dx: distance.
        axis: which axis.
    """
    if x is None:
        y, step = (as_array("trapezoid", v) for v in (y, dx))
        y = as_dtype(y, to_inexact_dtype(y.aval.dtype))
        step = as_dtype(step, y.aval.dtype)
        y = moveaxis(y, axis, -1)
    else:
        y, x = promoted_inexact_each("trapezoid", [as_array("trapezoid", v, i) for i, v in enumerate((y, x))])
        y = moveaxis(y, axis, -1)
        step = diff(x) if x.aval.ndim == 1 else diff(moveaxis(x, axis, -1))
    last = y.aval.ndim - 1
    pairs = p.add(_cut(y, last, 1, None), _cut(y, last, 0, -1))
    total = _sum(p.mul(*promoted("trapezoid", pairs, step)), axis=-1)
    return p.mul(total, like(total, 0.5))


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation.

    Args:
        x: where to evaluate.
        xp: rising vector of places.
        fp: values there.
        left, right: outside (default: the first and last value; "extrapolate": the line goes on).
        period: of `xp`; replaces left and right.

    Returns:
        Array of the shape of `x`. At a place of `xp` the slope is that of the piece to its right.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.interp(1.5, mnp.array([1.0, 2.0]), mnp.array([0.0, 10.0]))
        Array(5., dtype=float32)
    """
    values = [as_array("interp", v, i) for i, v in enumerate((x, xp, fp))]
    if values[1].aval.shape != values[2].aval.shape or values[1].aval.ndim != 1:
        raise ValueError("xp and fp must be one-dimensional arrays of equal size")
    x, xp, fp = (strengthened(v) if k else v for k, v in enumerate(promoted_inexact_each("interp", values)))
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, as_dtype(checked("interp", period)[0], x.aval.dtype))
    n = xp.aval.shape[0]
    i = searchsorted(xp, x, side="right")
    i = p.clamp(like(i, 1), i, like(i, max(n - 1, 1)))
    x0, x1 = take(xp, p.sub(i, like(i, 1)), mode="clip"), take(xp, i, mode="clip")
    y0, y1 = take(fp, p.sub(i, like(i, 1)), mode="clip"), take(fp, i, mode="clip")
    width = p.sub(x1, x0)
    flat = p.le(p.abs(width), like(width, float(np.finfo(width.aval.dtype).tiny)))
    slope_width = select(flat, like(width, 1), width)
    line = p.add(y0, p.mul(p.div(p.sub(x, x0), slope_width), p.sub(y1, y0)))
    out = select(flat, y0, line)
    if period is None:
        if not _extrapolates(left):
            out = where(
                x < xp[0], fp[0] if left is None else as_dtype(checked("interp", left)[0], out.aval.dtype), out
            )
        if not _extrapolates(right):
            out = where(
                x > xp[-1], fp[-1] if right is None else as_dtype(checked("interp", right)[0], out.aval.dtype), out
            )
    return out


def _extrapolates(side: Any) -> bool:
    if isinstance(side, str):
        if side != "extrapolate":
            raise ValueError(
                "the only valid string value of `left` and `right` is 'extrapolate', but got: " + repr(side)
            )
        return True
    return False


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    x, xp = x % _array(period), xp % _array(period)
    xp, fp = p.sort(xp, fp, dimension=0, is_stable=True, num_keys=1)
    period = _array(period)
    return x, concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])


def _array(x: Any) -> Any:
    return as_array("interp", x)


def unwrap(p_: Any, discont: Any = None, axis: int = -1, period: Any = 2 * math.pi) -> Any:
    """Angles without jumps: multiples of `period` are added where neighbours differ by more than half of it.

    Args:
        p_: array of angles.
        discont: smallest difference that counts as a jump; default period / 2.
        axis: which axis.
        period: of the angles.
    """
    values = as_array("unwrap", p_)
    if values.aval.dtype.kind not in "iu" or not isinstance(period, int):
        values = as_dtype(values, to_inexact_dtype(values.aval.dtype))
    if discont is None:
        discont = period / 2
    interval = period // 2 if isinstance(period, int) and values.aval.dtype.kind in "iu" else period / 2
    axis = canonical_axis(axis, values.aval.ndim)
    step = diff(values, axis=axis)
    wrapped = (step + interval) % period - interval
    wrapped = where((wrapped == -interval) & (step > 0), interval, wrapped)
    jump = where(abs(step) < discont, like_zero(step), wrapped - step)
    moved = p.add(_cut(values, axis, 1, None), p.cumsum(as_dtype(jump, values.aval.dtype), axis=axis, reverse=False))
    return concatenate([_cut(values, axis, 0, 1), moved], axis)


def like_zero(x: Any) -> Any:
    """Zeros like `x`."""
    return p.sub(x, x)
