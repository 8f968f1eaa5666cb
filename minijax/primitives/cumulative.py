"""Running reductions along an axis: cumsum, cumprod, cummax, cummin, cumlogsumexp; `reverse` runs from the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Kind, Primitive, ShapedArray, aval_like
from ._families import FLOAT, NUMERIC, check_dtype
from ._ops import like, p, select


def _from_either_end(f: Any) -> Any:
    """Run `f(x, axis)` from the start, or from the end."""

    def evaluate(x: Any, *, axis: int, reverse: bool) -> Any:
        half = x.dtype.kind == "V" or x.dtype == np.float16
        wide = x.astype(np.float32) if half else x
        out = np.flip(f(np.flip(wide, axis), axis), axis) if reverse else f(wide, axis)
        return out.astype(x.dtype) if out.dtype != x.dtype else out

    return evaluate


def _cumulative(name: str, f: Any, *, jvp: Any, doc: str, accepts: Any = NUMERIC, transpose: Any = None) -> Primitive:
    def abstract(x: ShapedArray, *, axis: int, reverse: bool) -> ShapedArray:
        check_dtype(name, x, accepts)
        if not 0 <= axis < x.ndim:
            raise ValueError(f"{name}: axis {axis} is not an axis of an array of shape {x.shape}")
        return x

    def batch(size: int, args: Any, axes: Any, *, axis: int, reverse: bool) -> Any:
        return getattr(p, name)(args[0], axis=axis + (axis >= axes[0]), reverse=reverse), axes[0]

    return Primitive(
        name,
        Kind.REDUCTION,
        abstract=abstract,
        evaluate=_from_either_end(f),
        jvp=jvp,
        transpose=transpose,
        batch=batch,
        lower=name,
        params={"axis": int, "reverse": bool},
        doc=doc,
    )


def _cumsum(x: Any, axis: int) -> Any:
    """In float64 for float32: a running sum of ones in float32 stops at 2**24."""
    wide = np.float64 if x.dtype == np.float32 else x.dtype
    return np.cumsum(x, axis=axis, dtype=wide).astype(x.dtype, copy=False)


cumsum = _cumulative(
    "cumsum",
    _cumsum,
    jvp="linear",
    transpose=lambda ct, x, axis, reverse: (p.cumsum(ct, axis=axis, reverse=not reverse),),
    doc="Running sum. Linear: d cumsum(x) = cumsum(dx); transpose: cumsum from the other end.",
)


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    """The elements from `start` to `stop` along `axis`."""
    shape = aval_like(x).shape
    starts = tuple(start if i == axis else 0 for i in range(len(shape)))
    stops = tuple(stop if i == axis else n for i, n in enumerate(shape))
    return p.slice(x, start_indices=starts, limit_indices=stops, strides=None)


def _running(combine: Any, values: tuple[Any, ...], axis: int, reverse: bool) -> tuple[Any, ...]:
    """Running combination of tuples by doubling distances (Hillis & Steele 1986): log n steps, no division.

    Elements that have nothing before them are passed on, not combined with a neutral one: 0 * inf would be nan.
    """
    size = aval_like(values[0]).shape[axis]
    distance = 1
    while distance < size:
        front = [_part(x, axis, 0, size - distance) for x in values]
        back = [_part(x, axis, distance, size) for x in values]
        if reverse:
            done = [_part(x, axis, size - distance, size) for x in values]
            pieces = zip(combine(back, front), done, strict=True)
        else:
            done = [_part(x, axis, 0, distance) for x in values]
            pieces = zip(done, combine(front, back), strict=True)
        values = tuple(p.concatenate(*piece, dimension=axis) for piece in pieces)
        distance *= 2
    return values


def _cumprod_jvp(t: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    """Products and their tangents together: (a, da) (b, db) = (a b, da b + a db). Right with zeros."""

    def combine(earlier: Any, later: Any) -> Any:
        (a, da), (b, db) = earlier, later
        return p.mul(a, b), p.add(p.mul(da, b), p.mul(a, db))

    return _running(combine, (x, t), axis, reverse)[1]


cumprod = _cumulative(
    "cumprod",
    lambda x, axis: np.cumprod(x, axis=axis, dtype=x.dtype),
    jvp=(_cumprod_jvp,),
    doc="Running product. d by the product rule on running pairs, without division: right with zeros.",
)


def _running_extremum(name: str, f: Any) -> Primitive:
    def jvp(t: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        zero = like(x, 0)

        def combine(earlier: Any, later: Any) -> Any:
            extremum = getattr(p, name[3:])(earlier[0], later[0])
            attained = p.eq(earlier[0], extremum), p.eq(later[0], extremum)  # neither, where one is nan
            kept = lambda i: p.add(select(attained[0], earlier[i], zero), select(attained[1], later[i], zero))
            return extremum, kept(1), kept(2)

        # With each running extremum go the sum of the tangents and the number of the elements that attain it
        ones = p.broadcast_in_dim(like(x, 1), shape=aval_like(x).shape, broadcast_dimensions=())
        _, total, count = _running(combine, (x, t, ones), axis, reverse)
        return p.div(total, p.max(count, like(x, 1)))

    return _cumulative(
        name,
        f,
        jvp=(jvp,),
        doc=f"Running {name[3:]}imum; nan from the first nan on. The tangent is the mean over the elements so far that attain "
        "it, 0 behind a nan.",
    )


cummax = _running_extremum("cummax", lambda x, axis: np.maximum.accumulate(x, axis=axis))
cummin = _running_extremum("cummin", lambda x, axis: np.minimum.accumulate(x, axis=axis))


def _cumlogsumexp_jvp(t: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    """sum_i exp(x_i - out_n) dx_i over i <= n, relative to the running maximum so that nothing overflows."""

    def combine(earlier: Any, later: Any) -> Any:
        (a, da), (b, db) = earlier, later
        total = _logaddexp(a, b)
        return total, p.add(p.mul(_weight(a, total), da), p.mul(_weight(b, total), db))

    return _running(combine, (x, t), axis, reverse)[1]


def _weight(part: Any, total: Any) -> Any:
    """exp(part - total), 0 where both are -inf."""
    return select(p.eq(part, like(part, -np.inf)), like(part, 0), p.exp(p.sub(part, total)))


def _logaddexp(a: Any, b: Any) -> Any:
    high, low = p.max(a, b), p.min(a, b)
    gap = p.sub(low, high)
    plain = select(p.ne(gap, gap), like(a, -np.inf), gap)  # both infinite: the larger one
    return p.add(high, p.log1p(p.exp(plain)))


cumlogsumexp = _cumulative(
    "cumlogsumexp",
    lambda x, axis: np.logaddexp.accumulate(x, axis=axis),
    accepts=FLOAT,
    jvp=(_cumlogsumexp_jvp,),
    doc="Running log of the sum of exponentials, stable. d = sum_{i <= n} exp(x_i - out_n) dx_i.",
)
