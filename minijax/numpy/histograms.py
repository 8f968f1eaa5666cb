"""Histograms in one and more dimensions.

In: samples. Out: counts and bin edges. Counts are piecewise constant in the samples, linear in the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import result_type, to_inexact_dtype
from ..ir import Tracer, python_value
from ..primitives import p
from ..primitives._ops import like
from ._promotion import as_array, as_dtype
from .calculus import diff
from .creation import array, linspace, ones_like
from .joining import stack
from .manipulation import ravel, reshape
from .reductions import max as _max, min as _min, sum as _sum
from .searching import searchsorted, where
from .statistics import bincount

__all__ = ["histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of `bins` equal bins between the extrema of `a`, or in `range`; or `bins` itself if it is a vector."""
    a = as_array("histogram_bin_edges", a)
    if isinstance(bins, str):
        values = python_value(a, f"histogram_bin_edges with bins={bins!r}") if type(a) is Tracer else np.asarray(a)
        return array(np.histogram_bin_edges(values, bins, range))
    bins = as_array("histogram_bin_edges", array(bins) if isinstance(bins, (list, tuple)) else bins)
    dtype = to_inexact_dtype(result_type(a, bins))
    if bins.aval.ndim:
        return as_dtype(bins, dtype)
    if range is not None:
        low, high = (as_array("histogram_bin_edges", v) for v in range)
    elif a.aval.size:
        low, high = _min(a), _max(a)
    else:
        low, high = as_array("histogram_bin_edges", 0.0), as_array("histogram_bin_edges", 1.0)
    low, high = as_dtype(low, dtype), as_dtype(high, dtype)
    equal = p.eq(low, high)
    low, high = where(equal, low - 0.5, low), where(equal, high + 0.5, high)
    return linspace(low, high, int(bins) + 1, dtype=dtype)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, Any]:
    """Counts of samples in bins.

    Args:
        a: samples.
        bins: number of equal bins, or their edges.
        range: (lowest, highest) edge.
        weights: of the samples.
        density: divide by the total and the widths.

    Returns:
        (counts (n,), edges (n + 1,)); the last bin includes its right edge.
    """
    a = as_array("histogram", a)
    edges = histogram_bin_edges(a, bins, range)
    w = ones_like(a, dtype=to_inexact_dtype(a.aval.dtype)) if weights is None else as_array("histogram", weights)
    if w.aval.shape != a.aval.shape:
        raise ValueError("weights should have the same shape as a.")
    index, inside = _bins(ravel(a), edges)
    counts = bincount(index, where(inside, ravel(w), 0), length=edges.aval.shape[0] - 1)
    if density:
        counts = counts / diff(edges) / _sum(counts)
    return counts, edges


def _bins(x: Any, edges: Any) -> tuple[Any, Any]:
    """(number of the bin of each sample, whether it lies in any)."""
    n = edges.aval.shape[0]
    index = searchsorted(edges, x, side="right") - 1
    inside = (x >= edges[0]) & (x <= edges[-1])
    return p.clamp(like(index, 0), index, like(index, n - 2)), inside


def histogramdd(
    sample: Any, bins: Any = 10, range: Sequence[Any] | None = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, list[Any]]:
    """Counts of samples (n, d) in bins of d dimensions; see `histogram`."""
    sample = stack(list(sample), axis=1) if isinstance(sample, (list, tuple)) else as_array("histogramdd", sample)
    if sample.aval.ndim != 2:
        sample = reshape(sample, (-1, 1))
    dims = sample.aval.shape[1]
    if isinstance(bins, (list, tuple)) or getattr(bins, "ndim", 0):
        if len(bins) != dims:
            raise ValueError("should be a bin for each dimension.")
        per_axis = list(bins)
    else:
        per_axis = [bins] * dims
    edges, flat, inside = [], None, None
    for d, b in enumerate(per_axis):
        x = sample[:, d]
        edge = histogram_bin_edges(x, b, None if range is None else range[d])
        index, ok = _bins(x, edge)
        edges.append(edge)
        flat = index if flat is None else flat * (edge.shape[0] - 1) + index
        inside = ok if inside is None else inside & ok
    sizes = tuple(edge.shape[0] - 1 for edge in edges)
    w = ones_like(flat) if weights is None else as_array("histogramdd", weights)
    counts = reshape(bincount(flat, where(inside, w, 0), length=int(np.prod(sizes))), sizes)
    if density:
        counts = counts / _sum(counts)
        for d, edge in enumerate(edges):
            counts = counts / reshape(diff(edge), tuple(-1 if i == d else 1 for i in np.arange(dims)))
    return counts, edges


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, Any, Any]:
    """Counts of points (x, y) in a grid of bins; see `histogram`."""
    if isinstance(bins, (list, tuple)) and len(bins) == 1:
        bins = bins[0]
    elif getattr(bins, "ndim", 0) == 1:
        bins = [bins, bins]
    counts, edges = histogramdd(stack([ravel(x), ravel(y)], axis=1), bins, range, weights, density)
    return counts, edges[0], edges[1]
