"""Order statistics, correlation, counts of integers.

In: arrays. Out: arrays. Quantiles are differentiated through the sorted elements that they are made of.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import wrap
from ..dtypes import issubdtype, scalar_dtype, to_inexact_dtype
from ..ir import Tracer, concretize
from ..primitives import p
from ..primitives._ops import like, select
from ._promotion import (
    as_array,
    as_dtype,
    canonical_axes,
    common_dtype,
    literal,
    promoted,
    promoted_inexact,
    strengthened,
    user_dtype,
)
from .creation import array
from .indexing import take
from .joining import concatenate
from .manipulation import broadcast_to, expand_dims, ravel, reshape, transpose
from .products import matmul
from .reductions import mean, refuse_out, sum as _sum

__all__ = [
    "bincount",
    "corrcoef",
    "cov",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "percentile",
    "quantile",
]


def _positions(fraction: Any, method: str) -> tuple[Any, Any, Any]:
    """(lower index, upper index, weight of the upper) for real-valued places in a sorted vector."""
    low, high = p.floor(fraction), p.ceil(fraction)
    one, zero = like(fraction, 1), like(fraction, 0)
    if method == "linear":
        return low, high, p.sub(fraction, low)
    if method == "lower":
        return low, high, p.mul(fraction, zero)
    if method == "higher":
        return low, high, p.add(p.mul(fraction, zero), one)
    if method == "midpoint":
        return low, high, select(p.eq(low, high), zero, like(fraction, 0.5))
    nearest = p.round(fraction, rounding_method=1)
    return nearest, nearest, p.mul(fraction, zero)


def _quantile(name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool) -> Any:
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ValueError("method can only be 'linear', 'lower', 'higher', 'midpoint', or 'nearest'")
    a, q = (as_array(name, array(v) if isinstance(v, (list, tuple)) else v, i) for i, v in enumerate((a, q)))
    dtype = to_inexact_dtype(common_dtype([a, q])[0])
    a, q = strengthened(as_dtype(a, dtype)), as_dtype(q, dtype)
    if dtype.kind == "c":
        raise ValueError(f"{name} does not support complex input, as the operation is poorly defined.")
    axes = canonical_axes(axis, a.aval.ndim)
    kept_shape = tuple(1 if i in axes else n for i, n in enumerate(a.aval.shape))
    kept = [i for i in range(a.aval.ndim) if i not in axes]
    rest = tuple(a.aval.shape[i] for i in kept)
    n = math.prod(a.aval.shape[i] for i in axes)
    rows = reshape(transpose(a, (*kept, *axes)), (*rest, n))
    (rows,) = p.sort(rows, dimension=len(rest), is_stable=True, num_keys=1)
    shape = (*q.aval.shape, *rest)
    places = p.broadcast_in_dim(q, shape=shape, broadcast_dimensions=tuple(range(q.aval.ndim)))
    is_nan = p.ne(rows, rows)
    if skip_nan:
        counts = _sum(p.not_(is_nan), axis=-1, dtype=dtype)
        last = p.max(p.sub(counts, like(counts, 1)), like(counts, 0))
        last = p.broadcast_in_dim(last, shape=shape, broadcast_dimensions=tuple(range(q.aval.ndim, len(shape))))
    else:
        last = like(places, n - 1)
    low, high, weight = _positions(p.mul(places, last), method)
    below, above = (_picked(rows, i, q.aval.ndim) for i in (low, high))
    out = p.add(p.mul(below, p.sub(like(weight, 1), weight)), p.mul(above, weight))
    if not skip_nan:
        any_nan = p.reduce_or(is_nan, axes=(len(rest),))
        any_nan = p.broadcast_in_dim(any_nan, shape=shape, broadcast_dimensions=tuple(range(q.aval.ndim, len(shape))))
        out = select(any_nan, like(out, math.nan), out)
    return reshape(out, (*q.aval.shape, *kept_shape)) if keepdims else out


def _picked(rows: Any, index: Any, q_ndim: int) -> Any:
    """rows[..., index]: the leading `q_ndim` axes of `index` are new, the others those of `rows`."""
    rest, n = rows.aval.shape[:-1], rows.aval.shape[-1]
    index = p.convert_element_type(index, new_dtype=scalar_dtype(int), weak_type=False)
    index = p.clamp(like(index, 0), index, like(index, max(n - 1, 0)))
    base = np.arange(math.prod(rest), dtype=scalar_dtype(int)).reshape(rest) * n
    base = p.broadcast_in_dim(
        wrap(base), shape=index.aval.shape, broadcast_dimensions=tuple(range(q_ndim, index.aval.ndim))
    )
    return take(ravel(rows), p.add(base, index), mode="clip")


def _quantiles(name: str, skip_nan: bool, percent: bool, doc: str) -> Callable[..., Any]:
    def function(
        a: Any,
        q: Any,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        interpolation: Any = None,
    ) -> Any:
        refuse_out(name, out)
        if percent:
            (q,) = promoted_inexact(name, array(q) if isinstance(q, (list, tuple)) else q)
            q = p.div(q, like(q, 100))
        return _quantile(name, a, q, axis, method, keepdims, skip_nan)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


quantile = _quantiles(
    "quantile",
    skip_nan=False,
    percent=False,
    doc="""The values below which a fraction `q` of the elements lies.

    Args:
        a: array; any nan makes the result nan.
        q: fractions in [0, 1], any shape; its axes come first in the result.
        axis: int, ints or None.
        out: not supported.
        overwrite_input: accepted.
        method: between two elements: "linear", "lower", "higher", "midpoint", "nearest".
        keepdims: keep reduced axes with size 1.
    """,
)
percentile = _quantiles("percentile", skip_nan=False, percent=True, doc="`quantile` with `q` in per cent.")
nanquantile = _quantiles(
    "nanquantile", skip_nan=True, percent=False, doc="`quantile` of the elements that are not nan."
)
nanpercentile = _quantiles("nanpercentile", skip_nan=True, percent=True, doc="`nanquantile` with `q` in per cent.")


def median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle element along axes, or the mean of the two in the middle.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.median(mnp.array([3.0, 1.0, 10.0]))
        Array(3., dtype=float32)
    """
    return quantile(a, 0.5, axis, out, overwrite_input, "midpoint", keepdims)


def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """`median` of the elements that are not nan."""
    return nanquantile(a, 0.5, axis, out, overwrite_input, "midpoint", keepdims)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    dtype: Any = None,
) -> Any:
    """Covariance matrix of variables (rows of `m`) over observations (columns).

    Args:
        m: (variables, observations), or one variable.
        y: more variables.
        rowvar: False: variables are columns.
        bias: divide by n instead of n - 1.
        ddof: divide by n - ddof.
        fweights: how often each observation counts (integers).
        aweights: weights of the observations.
        dtype: of the computation and the result.
    """
    wanted = _inexact_or_none("cov", dtype)
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    values = [as_array("cov", m)] if y is None else [as_array("cov", v, i) for i, v in enumerate((m, y))]
    if any(v.aval.ndim > 2 for v in values):
        raise ValueError(
            "m has more than 2 dimensions" if values[0].aval.ndim > 2 else "y has more than 2 dimensions"
        )
    values = promoted_inexact_each("cov", values, wanted)
    values = [strengthened(v) if v.aval.shape else expand_dims(v, 0) for v in values]
    values = [v if rowvar or v.aval.ndim == 1 else transpose(v) for v in values]
    x = concatenate([v if v.aval.ndim == 2 else expand_dims(v, 0) for v in values], 0)
    if ddof is None:
        ddof = 0 if bias else 1
    weights = _weights(x, fweights, aweights)
    n = x.aval.shape[1]
    if weights is None:
        centre = mean(x, axis=1, keepdims=True)
        factor: Any = like(x, n - ddof) if x.aval.dtype.kind != "c" else literal(n - ddof, x.aval.dtype)
        centred = p.sub(*promoted("cov", x, centre))
        right = centred
    else:
        total = _sum(weights)
        centre = p.div(*promoted("cov", _sum(x * weights, axis=1, keepdims=True), total))
        factor = total - (
            ddof * _sum(weights * as_array("cov", aweights)) / total if aweights is not None and ddof else ddof
        )
        centred = p.sub(*promoted("cov", x, centre))
        right = centred * weights
    other = transpose(right)
    other = p.conj(other) if other.aval.dtype.kind == "c" else other
    product = p.div(*promoted("cov", matmul(centred, other), factor))
    return reshape(product, ()) if product.aval.shape == (1, 1) else product


def _inexact_or_none(name: str, dtype: Any) -> Any:
    """The dtype asked for. Raises ValueError unless it is floating or complex."""
    wanted = user_dtype(dtype, name)
    if wanted is not None and not issubdtype(wanted, np.inexact):
        raise ValueError(f"{name}: dtype must be a subclass of float or complex; got {dtype=}")
    return wanted


def promoted_inexact_each(name: str, values: list[Any], dtype: Any = None) -> list[Any]:
    """Arrays of one float or complex dtype (`dtype`, if given); shapes as they are."""
    dtype = to_inexact_dtype(common_dtype(values)[0]) if dtype is None else dtype
    return [as_dtype(v, dtype) for v in values]


def _weights(x: Any, fweights: Any, aweights: Any) -> Any:
    found = None
    for weights, kind in ((fweights, "fweights"), (aweights, "aweights")):
        if weights is None:
            continue
        w = as_array("cov", weights)
        if w.aval.ndim != 1:
            raise RuntimeError(f"cannot handle multidimensional {kind}")
        if w.aval.shape[0] != x.aval.shape[1]:
            raise RuntimeError(f"incompatible numbers of samples and {kind}")
        if kind == "fweights" and not issubdtype(w.aval.dtype, np.integer):
            raise TypeError("fweights must be integer.")
        found = w if found is None else found * w
    return found


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Any:
    """Correlation coefficients of variables; see `cov`."""
    c = cov(x, y, rowvar, dtype=_inexact_or_none("corrcoef", dtype))
    if not c.aval.shape:
        return p.div(c, c)
    n = c.aval.shape[0]
    deviation = p.sqrt(p.real(_diagonal(c)) if c.aval.dtype.kind == "c" else _diagonal(c))
    rows = p.broadcast_in_dim(deviation, shape=(n, n), broadcast_dimensions=(0,))
    columns = p.broadcast_in_dim(deviation, shape=(n, n), broadcast_dimensions=(1,))
    c = p.div(*promoted("corrcoef", p.div(*promoted("corrcoef", c, rows)), columns))
    if c.aval.dtype.kind == "c":
        return p.complex(*[p.clamp(like(part, -1), part, like(part, 1)) for part in (p.real(c), p.imag(c))])
    return p.clamp(like(c, -1), c, like(c, 1))


def _diagonal(x: Any) -> Any:
    n = x.aval.shape[0]
    flat = ravel(x)
    return p.slice(flat, start_indices=(0,), limit_indices=(n * n,), strides=(n + 1,))


def bincount(x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None) -> Any:
    """How often each integer occurs, or the sum of its weights.

    Args:
        x: vector of integers; negative ones count as 0.
        weights: one per element.
        minlength: at least this many bins.
        length: number of bins, where the largest integer is not known; larger ones are left out.
    """
    x = as_array("bincount", x)
    if not (issubdtype(x.aval.dtype, np.integer) or x.aval.dtype.kind == "b"):
        raise TypeError(f"x argument to bincount must have an integer type; got {x.aval.dtype}")
    if x.aval.ndim != 1:
        raise ValueError("only 1-dimensional input supported.")
    x = as_dtype(x, scalar_dtype(int)) if x.aval.dtype.kind == "b" else x
    minlength = operator.index(minlength)
    if length is None:
        if type(x) is Tracer:
            values = concretize(x, "value", "bincount: the length argument must be specified")
        else:
            values = np.asarray(x)
        length = max(minlength, int(values.max()) + 1 if values.size else 0)
    else:
        length = max(operator.index(length), minlength)
    w = literal(1, scalar_dtype(int)) if weights is None else as_array("bincount", weights, 1)
    dtype = scalar_dtype(int) if weights is None else w.aval.dtype
    bins = p.max(x, like(x, 0)) if x.aval.dtype.kind != "u" else x
    zeros = p.broadcast_in_dim(literal(0, dtype), shape=(length,), broadcast_dimensions=())
    w = broadcast_to(w if weights is not None else wrap(np.asarray(w.value)), x.aval.shape)
    return as_array("bincount", zeros).at[bins].add(w) if x.aval.size else zeros
