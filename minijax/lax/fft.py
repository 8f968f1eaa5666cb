"""`lax.fft`: discrete Fourier transforms over the last axes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from ..primitives import p
from ._operands import as_operand, static_shape

__all__ = ["FftType", "fft"]


class FftType(enum.Enum):
    """Which transform: complex forward and inverse, real forward and inverse."""

    FFT = "fft"
    IFFT = "ifft"
    RFFT = "rfft"
    IRFFT = "irfft"


def fft(x: Any, fft_type: FftType | str, fft_lengths: Sequence[int]) -> Any:
    """The discrete Fourier transform over the last `len(fft_lengths)` axes.

    Args:
        x: array (..., n1, ..., nk); complex for FFT, IFFT and IRFFT.
        fft_type: see `FftType`; a name such as "FFT" will do.
        fft_lengths: sizes of the transformed axes (of the result, for IRFFT).
    """
    kind = fft_type.value if isinstance(fft_type, FftType) else str(fft_type).lower()
    return p.fft(as_operand(x), fft_type=kind, fft_lengths=static_shape(fft_lengths))
