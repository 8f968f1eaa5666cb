"""Fourier transforms: fft, ifft, rfft, irfft over the last axes.

In: arrays; out: their discrete Fourier transforms (unnormalised forward, 1/n inverse). All four are linear,
so the rules are transposes. A DFT matrix is symmetric: fft and ifft are their own transposes. Real
transforms count the frequencies 1 ... n/2 for their mirror images too, hence the weights below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import ShapedArray, aval_like
from ._families import library_call, move_axis
from ._ops import p

_EVALUATE = {"fft": np.fft.fftn, "ifft": np.fft.ifftn, "rfft": np.fft.rfftn, "irfft": np.fft.irfftn}


def _abstract(x: ShapedArray, *, fft_type: str, fft_lengths: tuple[int, ...]) -> ShapedArray:
    if fft_type not in _EVALUATE:
        raise ValueError(f"fft_type must be one of {', '.join(_EVALUATE)}, got {fft_type!r}")
    rank = len(fft_lengths)
    if not 1 <= rank <= x.ndim:
        raise ValueError(f"fft over {rank} axes needs an array of as many axes, got shape {x.shape}")
    accepted = "fd" if fft_type == "rfft" else "FD"
    if x.dtype.char not in accepted:
        wanted = "float32 or float64" if fft_type == "rfft" else "complex64 or complex128"
        raise TypeError(f"{fft_type} input must be {wanted}, got {x.dtype}. Convert with x.astype(...)")
    expected = (*fft_lengths[:-1], fft_lengths[-1] // 2 + 1) if fft_type == "irfft" else tuple(fft_lengths)
    if x.shape[x.ndim - rank :] != expected:
        raise ValueError(f"{fft_type} with fft_lengths={fft_lengths} expects trailing axes {expected}, got {x.shape}")
    batch = x.shape[: x.ndim - rank]
    if fft_type == "rfft":
        return ShapedArray((*batch, *fft_lengths[:-1], fft_lengths[-1] // 2 + 1), np.dtype(x.dtype.char.upper()))
    if fft_type == "irfft":
        return ShapedArray((*batch, *fft_lengths), np.dtype(x.dtype.char.lower()))
    return x.strong()


def _evaluate(x: np.ndarray, *, fft_type: str, fft_lengths: tuple[int, ...]) -> np.ndarray:
    axes = range(x.ndim - len(fft_lengths), x.ndim)
    if x.size == 0:
        aval = _abstract(ShapedArray(x.shape, x.dtype), fft_type=fft_type, fft_lengths=fft_lengths)
        return np.zeros(aval.shape, aval.dtype)
    return _EVALUATE[fft_type](x, s=fft_lengths, axes=axes)


def _weighted(x: Any, length: int, ends: float, between: float) -> Any:
    """`x` times `ends` at the frequencies that are their own mirror images (0, and n/2 for even n), else
    `between`."""
    aval = aval_like(x)
    weights = np.full(aval.shape[-1], between, aval.dtype)
    weights[0] = ends
    if length % 2 == 0:
        weights[-1] = ends
    spread = p.broadcast_in_dim(weights, shape=aval.shape, broadcast_dimensions=(aval.ndim - 1,))
    return p.mul(x, spread)


def _transpose(ct: Any, x: Any, *, fft_type: str, fft_lengths: tuple[int, ...]) -> tuple[Any]:
    total, last = math.prod(fft_lengths), fft_lengths[-1]
    if fft_type == "rfft":
        # Re sum_k ct_k exp(-2 pi i j k / n): an inverse real transform of conj(ct), mirror images halved.
        weighted = _weighted(p.conj(ct), last, total, total / 2)
        return (p.fft(weighted, fft_type="irfft", fft_lengths=fft_lengths),)
    if fft_type == "irfft":
        # sum_j ct_j exp(2 pi i j k / n) / n, twice where the mirror image counts too.
        transformed = p.conj(p.fft(ct, fft_type="rfft", fft_lengths=fft_lengths))
        return (_weighted(transformed, last, 1 / total, 2 / total),)
    return (p.fft(ct, fft_type=fft_type, fft_lengths=fft_lengths),)


def _batch(size: int, args: Any, axes: Any, *, fft_type: str, fft_lengths: tuple[int, ...]) -> Any:
    (x,), (axis,) = args, axes
    if axis >= aval_like(x).ndim - len(fft_lengths):
        x, axis = move_axis(x, axis, 0), 0
    return p.fft(x, fft_type=fft_type, fft_lengths=fft_lengths), axis


fft = library_call(
    "fft",
    _evaluate,
    abstract=_abstract,
    jvp="linear",
    transpose=_transpose,
    batch=_batch,
    params={"fft_type": str, "fft_lengths": tuple},
    doc="""DFT over the last len(fft_lengths) axes; fft_type "fft", "ifft" (complex to complex), "rfft" (real
    (..., n) to complex (..., n // 2 + 1)), "irfft" (back; fft_lengths are those of the result). Linear.
    Transposes: of fft and ifft themselves; of rfft irfft(w conj(ct)), w = N (N/2 between the ends); of irfft
    v conj(rfft(ct)), v = 1/N (2/N between the ends), N the product of fft_lengths.""",
)
