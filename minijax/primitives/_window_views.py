"""Sliding windows of an array as a strided view: what pooling and convolution share.

In: an array, window sizes, strides, padding, dilations. Out: a view with the windows as trailing axes; only padding and
dilation of the array itself copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Pairs = tuple[tuple[int, int], ...]

__all__ = ["Pairs", "check_positive", "dilated", "padded", "window_shape", "window_views"]


def check_positive(name: str, **values: Sequence[int]) -> None:
    """Strides, dilations and windows below 1 would read outside the array: a view does not check."""
    for what, value in values.items():
        if any(n < 1 for n in value):
            raise TypeError(f"{name} {what} must have every element be strictly positive, got {tuple(value)}.")


def dilated(n: int, d: int) -> int:
    """The reach of `n` elements that are `d` apart; 0 of none."""
    return max(n - 1, 0) * d + min(n, 1)


def window_shape(
    shape: Sequence[int],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Pairs,
    base_dilation: Sequence[int],
    window_dilation: Sequence[int],
) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    out = []
    for n, w, s, (low, high), b, d in zip(
        shape, window_dimensions, window_strides, padding, base_dilation, window_dilation, strict=True
    ):
        size = dilated(n, b) + low + high
        reach = dilated(w, d)
        out.append(0 if size < reach else (size - reach) // s + 1)
    return tuple(out)


def window_views(
    x: Any,
    fill: Any,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Pairs,
    base_dilation: Sequence[int],
    window_dilation: Sequence[int],
) -> Any:
    """The windows, shape (*number of windows, *window_dimensions); `fill` where there is padding."""
    x = np.asarray(x)
    shape = window_shape(x.shape, window_dimensions, window_strides, padding, base_dilation, window_dilation)
    if 0 in shape:
        return np.empty((*shape, *window_dimensions), x.dtype)
    base = padded(x, fill, padding, base_dilation)
    steps = tuple(a * s for a, s in zip(base.strides, window_strides, strict=True))
    inner = tuple(a * d for a, d in zip(base.strides, window_dilation, strict=True))
    return np.lib.stride_tricks.as_strided(base, (*shape, *window_dimensions), (*steps, *inner))


def padded(x: Any, fill: Any, padding: Pairs, dilation: Sequence[int]) -> Any:
    """`x` with its elements `dilation` apart and `padding` around them (cut away where negative); itself, if that is none."""
    if all(pair == (0, 0) for pair in padding) and all(d == 1 for d in dilation):
        return x
    sizes = [dilated(n, d) for n, d in zip(x.shape, dilation, strict=True)]
    grown = [max(low, 0) + n + max(high, 0) for n, (low, high) in zip(sizes, padding, strict=True)]
    out = np.full(grown, fill, x.dtype)
    inside = tuple(
        slice(max(low, 0), max(low, 0) + n, d) for n, (low, _), d in zip(sizes, padding, dilation, strict=True)
    )
    out[inside] = x
    cut = tuple(slice(max(-low, 0), g - max(-high, 0)) for g, (low, high) in zip(grown, padding, strict=True))
    return out[cut]
