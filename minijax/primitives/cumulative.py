"""Running reductions along an axis: cumsum, cumprod, cummax, cummin, cumlogsumexp; `reverse` runs from the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Kind, Primitive, ShapedArray, aval_like
from ._families import ANY, FLOAT, NUMERIC, check_dtype
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


def _shifted(x: Any, axis: int, distance: int, reverse: bool, fill: Any) -> Any:
    """`x` moved by `distance` away from the end that the running reduction starts at."""
    move = (-distance, distance, 0) if reverse else (distance, -distance, 0)
    config = tuple(move if i == axis else (0, 0, 0) for i in range(aval_like(x).ndim))
    return p.pad(x, fill, padding_config=config)


def _scan_pairs(
    combine: Any, pair: tuple[Any, Any], neutral: tuple[Any, Any], axis: int, reverse: bool
) -> tuple[Any, Any]:
    """Running combination of pairs by doubling distances (Hillis & Steele 1986): log n steps, no division."""
    distance = 1
    while distance < aval_like(pair[0]).shape[axis]:
        earlier = tuple(_shifted(x, axis, distance, reverse, fill) for x, fill in zip(pair, neutral, strict=True))
        pair = combine(earlier, pair)
        distance *= 2
    return pair


def _cumprod_jvp(t: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    """Products and their tangents together: (a, da) (b, db) = (a b, da b + a db). Right with zeros."""

    def combine(earlier: Any, later: Any) -> Any:
        (a, da), (b, db) = earlier, later
        return p.mul(a, b), p.add(p.mul(da, b), p.mul(a, db))

    return _scan_pairs(combine, (x, t), (like(x, 1), like(t, 0)), axis, reverse)[1]


cumprod = _cumulative(
    "cumprod",
    lambda x, axis: np.cumprod(x, axis=axis, dtype=x.dtype),
    jvp=(_cumprod_jvp,),
    doc="Running product. d by the product rule on running pairs, without division: right with zeros.",
)


def _running_extremum(name: str, f: Any, better: str) -> Primitive:
    def jvp(t: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        one, zero = like(x, 1), like(x, 0)
        extreme = like(x, -np.inf if better == "gt" else np.inf)

        def combine(earlier: Any, later: Any) -> Any:
            (a, a_sum, a_count), (b, b_sum, b_count) = earlier, later
            tie, first = p.eq(a, b), getattr(p, better)(a, b)
            merged = lambda u, v: select(tie, p.add(u, v), select(first, u, v))
            return select(first, a, b), merged(a_sum, b_sum), merged(a_count, b_count)

        # Sums of tangents and numbers of elements that attain the running extremum
        ones = p.broadcast_in_dim(one, shape=aval_like(x).shape, broadcast_dimensions=())
        triple = (x, t, ones)
        distance = 1
        while distance < aval_like(x).shape[axis]:
            moved = tuple(
                _shifted(v, axis, distance, reverse, fill)
                for v, fill in zip(triple, (extreme, like(t, 0), zero), strict=True)
            )
            triple = combine(moved, triple)
            distance *= 2
        return p.div(triple[1], triple[2])

    return _cumulative(
        name,
        f,
        accepts=ANY,
        jvp=(jvp,),
        doc=f"Running {name[3:]}imum; nan from the first nan on. The tangent is the mean over the elements so far that attain it.",
    )


cummax = _running_extremum("cummax", lambda x, axis: np.maximum.accumulate(x, axis=axis), "gt")
cummin = _running_extremum("cummin", lambda x, axis: np.minimum.accumulate(x, axis=axis), "lt")


def _cumlogsumexp_jvp(t: Any, out: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    """sum_i exp(x_i - out_n) dx_i over i <= n, relative to the running maximum so that nothing overflows."""

    def combine(earlier: Any, later: Any) -> Any:
        (a, da), (b, db) = earlier, later
        total = _logaddexp(a, b)
        return total, p.add(p.mul(_weight(a, total), da), p.mul(_weight(b, total), db))

    return _scan_pairs(combine, (x, t), (like(x, -np.inf), like(t, 0)), axis, reverse)[1]


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
