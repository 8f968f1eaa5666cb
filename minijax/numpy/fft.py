"""minijax.numpy.fft: NumPy's Fourier transforms over the primitive `fft`.

In: arrays (integers become floats, half precision single), lengths, axes, a normalisation. Out: transforms,
each one cropping or padding, one primitive over trailing axes, and a scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import numpy as mnp  # complete by the time a function here runs
from ..array import as_value, wrap
from ..config import config
from ..dtypes import to_inexact_dtype
from ..primitives import p

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_NORMS = {None: "backward", "backward": "backward", "ortho": "ortho", "forward": "forward"}


def _operand(a: Any, kind: str) -> Any:
    """The operand in the dtype that the transform takes."""
    a = as_value(a)
    dtype = to_inexact_dtype(a.dtype)
    if kind == "rfft" and dtype.kind == "c":
        raise ValueError(f"only real valued inputs supported for {kind}")
    if dtype.itemsize == 2:
        dtype = np.dtype(np.float32)
    if kind != "rfft":
        dtype = np.result_type(dtype, np.complex64)
    return a if a.dtype == dtype else p.convert_element_type(a, new_dtype=dtype, weak_type=False)


def _resized(a: Any, axis: int, size: int) -> Any:
    """`a` cropped, or padded by zeros at the end, to `size` along `axis`."""
    present = a.shape[axis]
    if present == size:
        return a
    if size < present:
        limits = tuple(size if i == axis else n for i, n in enumerate(a.shape))
        return p.slice(a, start_indices=(0,) * a.ndim, limit_indices=limits, strides=None)
    padding = tuple((0, size - present if i == axis else 0, 0) for i in range(a.ndim))
    return p.pad(a, a.dtype.type(0), padding_config=padding)


def _axes(a: Any, axes: Sequence[int] | None, s: Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        axes = range(a.ndim) if s is None else range(a.ndim - len(s), a.ndim)
    found = []
    for axis in axes:
        if isinstance(axis, (tuple, list)):
            raise ValueError(f"a one-dimensional transform does not support multiple axes, got axis={axis}: use fftn")
        if not -a.ndim <= axis < a.ndim:
            raise ValueError(f"axis {axis} is out of bounds for array of dimension {a.ndim}")
        found.append(axis % a.ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"fft does not support repeated axes: got {tuple(axes)}")
    return tuple(found)


def _transform(kind: str, a: Any, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None) -> Any:
    """Any of the transforms: resize, bring the axes to the end, transform, put them back, scale."""
    if norm not in _NORMS:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    a = _operand(a, kind)
    axes = _axes(a, axes, s)
    if not axes:
        return a
    if s is None:
        lengths = [a.shape[axis] for axis in axes]
        if kind == "irfft":
            lengths[-1] = max(2 * (lengths[-1] - 1), 0)
    elif len(s) != len(axes):
        raise ValueError(f"fft requires shape and axes to have the same length, got s={s} and {len(axes)} axes")
    else:
        lengths = [int(n) for n in s]
    if s is None and 0 in lengths and kind != "rfft":
        shape = [lengths[axes.index(i)] if i in axes else n for i, n in enumerate(a.shape)]
        return mnp.zeros(shape, np.dtype(a.dtype.char.lower()) if kind == "irfft" else a.dtype)
    if min(lengths) < 1:
        raise ValueError(f"Shape should be positive: fft over lengths {lengths} of an array of shape {a.shape}")
    for axis, length in zip(axes, lengths, strict=True):
        last = kind == "irfft" and axis == axes[-1]
        a = _resized(a, axis, length // 2 + 1 if last else length)
    trailing = tuple(range(a.ndim - len(axes), a.ndim))
    moved = axes != trailing
    a = mnp.moveaxis(a, axes, trailing) if moved else a
    out = p.fft(a, fft_type=kind, fft_lengths=tuple(lengths))
    out = mnp.moveaxis(out, trailing, axes) if moved else out
    scale = _scale(math.prod(lengths), kind in ("ifft", "irfft"), _NORMS[norm])
    return out if scale == 1 else p.mul(out, out.dtype.type(scale))


def _scale(total: int, inverse: bool, norm: str) -> float:
    """What the primitive's convention (none forward, 1/n inverse) must be multiplied by."""
    if norm == "ortho":
        return math.sqrt(total) if inverse else 1 / math.sqrt(total)
    if norm == "forward":
        return total if inverse else 1 / total
    return 1


def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Discrete Fourier transform along an axis.

    Args:
        a: array.
        n: length, by cropping or padding zeros; default that of the axis.
        axis: the axis.
        norm: "backward" (default: no factor), "ortho" (1/sqrt(n)) or "forward" (1/n).

    Returns:
        Complex array.

    Raises:
        ValueError: another norm, or n < 1.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.fft(mnp.ones(2))
        Array([2.+0.j, 0.+0.j], dtype=complex64)
    """
    return _transform("fft", a, None if n is None else (n,), (axis,), norm)


def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Inverse of `fft`; arguments as there (the factor 1/n is applied by norm "backward").

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.ifft(mnp.array([2.0, 0.0]))
        Array([1.+0.j, 1.+0.j], dtype=complex64)
    """
    return _transform("ifft", a, None if n is None else (n,), (axis,), norm)


def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The n // 2 + 1 first entries of `fft` of a real array (the others are their conjugates).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.rfft(mnp.ones(4)).shape
        (3,)
    """
    return _transform("rfft", a, None if n is None else (n,), (axis,), norm)


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Inverse of `rfft`; n is the length of the result, default 2 (m - 1) for m entries.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.irfft(mnp.array([2.0, 0.0]))
        Array([1., 1.], dtype=float32)
    """
    return _transform("irfft", a, None if n is None else (n,), (axis,), norm)


def _swapped(norm: str | None) -> str:
    """The normalisation of the inverse direction."""
    if norm not in _NORMS:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return {"backward": "forward", "ortho": "ortho", "forward": "backward"}[_NORMS[norm]]


def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Transform of a signal with Hermitian symmetry, of which half is given: a real spectrum of length n.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.hfft(mnp.array([1.0, 1.0]))
        Array([2., 0.], dtype=float32)
    """
    return irfft(mnp.conj(a), n, axis, _swapped(norm))


def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Inverse of `hfft`: half of the Hermitian signal of a real spectrum.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.ihfft(mnp.array([2.0, 0.0])).shape
        (2,)
    """
    return mnp.conj(rfft(a, n, axis, _swapped(norm)))


def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """`fft` over several axes: lengths `s`, default all axes (or the last len(s)).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.fftn(mnp.ones((2, 2)))[0, 0]
        Array(4.+0.j, dtype=complex64)
    """
    return _transform("fft", a, s, axes, norm)


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """Inverse of `fftn`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.ifftn(mnp.ones((2, 2)))[0, 0]
        Array(1.+0.j, dtype=complex64)
    """
    return _transform("ifft", a, s, axes, norm)


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """`rfft` over the last of several axes, `fft` over the others.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.rfftn(mnp.ones((3, 4))).shape
        (3, 3)
    """
    return _transform("rfft", a, s, axes, norm)


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """Inverse of `rfftn`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.irfftn(mnp.ones((3, 3))).shape
        (3, 4)
    """
    return _transform("irfft", a, s, axes, norm)


def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """`fftn` over two axes.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.fft2(mnp.ones((3, 2, 2))).shape
        (3, 2, 2)
    """
    return _transform("fft", a, s, axes, norm)


def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """Inverse of `fft2`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.ifft2(mnp.ones((3, 2, 2))).shape
        (3, 2, 2)
    """
    return _transform("ifft", a, s, axes, norm)


def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """`rfftn` over two axes.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.rfft2(mnp.ones((2, 4))).shape
        (2, 3)
    """
    return _transform("rfft", a, s, axes, norm)


def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """Inverse of `rfft2`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.irfft2(mnp.ones((2, 3))).shape
        (2, 4)
    """
    return _transform("irfft", a, s, axes, norm)


def _frequencies(counts: np.ndarray, n: int, d: Any, dtype: Any) -> Any:
    dtype = np.dtype(dtype) if dtype is not None else np.dtype("float64" if config.jax_enable_x64 else "float32")
    return mnp.divide(wrap(counts.astype(dtype)), mnp.multiply(d, n))


def fftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """Frequencies of the entries of `fft` for n samples at distance d: 0, 1, ..., -2, -1 over n d.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.fftfreq(4)
        Array([ 0.  ,  0.25, -0.5 , -0.25], dtype=float32)
    """
    counts = np.arange(n)
    return _frequencies(np.where(counts < (n + 1) // 2, counts, counts - n), n, d, dtype)


def rfftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """Frequencies of the entries of `rfft`: 0, 1, ..., n // 2 over n d.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.rfftfreq(4)
        Array([0.  , 0.25, 0.5 ], dtype=float32)
    """
    return _frequencies(np.arange(n // 2 + 1), n, d, dtype)


def _shifted(x: Any, axes: Any, sign: int) -> Any:
    x = as_value(x)
    axes = tuple(range(x.ndim)) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,)
    return mnp.roll(x, tuple(sign * (x.shape[axis] // 2) for axis in axes), tuple(axes))


def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the zero frequency to the middle of `axes` (default all).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.fftshift(mnp.array([0, 1, 2, -2, -1]))
        Array([-2, -1,  0,  1,  2], dtype=int32)
    """
    return _shifted(x, axes, 1)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """Inverse of `fftshift`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.fft.ifftshift(mnp.array([-2, -1, 0, 1, 2]))
        Array([ 0,  1,  2, -2, -1], dtype=int32)
    """
    return _shifted(x, axes, -1)
