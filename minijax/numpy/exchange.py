"""Arrays from and to other programs: buffers, files, text, DLPack; and the window functions, which are tables.

In: bytes, files, objects of other libraries. Out: arrays. NumPy does the reading.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import wrap
from ..dtypes import scalar_dtype
from .creation import array

__all__ = [
    "array_repr",
    "array_str",
    "bartlett",
    "blackman",
    "from_dlpack",
    "frombuffer",
    "fromfile",
    "fromiter",
    "fromstring",
    "hamming",
    "hanning",
    "kaiser",
    "load",
    "save",
    "savez",
]


def _window(f: Callable[..., np.ndarray], what: str) -> Callable[..., Any]:
    def window(M: int) -> Any:
        return wrap(f(operator.index(M)).astype(scalar_dtype(float)))

    window.__name__ = window.__qualname__ = f.__name__
    window.__doc__ = f"{what} window of `M` points."
    return window


bartlett = _window(np.bartlett, "Triangular")
blackman = _window(np.blackman, "Blackman's")
hamming = _window(np.hamming, "Hamming's")
hanning = _window(np.hanning, "Hann's (raised cosine)")


def kaiser(M: int, beta: Any) -> Any:
    """Kaiser's window of `M` points; `beta` trades the width of its main lobe for the height of the others."""
    return wrap(np.kaiser(operator.index(M), beta).astype(scalar_dtype(float)))


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """An array from an object that speaks DLPack (NumPy, PyTorch, ...); always a copy."""
    return array(np.from_dlpack(x))


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Any:
    """A vector from the bytes of `buffer`."""
    return array(np.frombuffer(buffer, dtype=dtype, count=count, offset=offset))


def fromfile(*args: Any, **kwargs: Any) -> Any:
    """Not available, as in JAX: reading a file is a side effect; use `array(numpy.fromfile(...))`."""
    raise NotImplementedError("fromfile is not supported: use minijax.numpy.array(numpy.fromfile(...))")


def fromiter(*args: Any, **kwargs: Any) -> Any:
    """Not available, as in JAX: use `array(list(...))`."""
    raise NotImplementedError("fromiter is not supported: use minijax.numpy.array(list(iterable))")


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Any:
    """A vector from numbers in text, separated by `sep`."""
    return array(np.fromstring(string, dtype=dtype, count=count, sep=sep))


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.load`, as an array."""
    out = np.load(file, *args, **kwargs)
    return array(out) if isinstance(out, np.ndarray) else out


def save(file: Any, arr: Any, *args: Any, **kwargs: Any) -> None:
    """`numpy.save`."""
    np.save(file, np.asarray(arr), *args, **kwargs)


def savez(file: Any, *args: Any, **kwargs: Any) -> None:
    """`numpy.savez`."""
    np.savez(file, *map(np.asarray, args), **{name: np.asarray(x) for name, x in kwargs.items()})


def array_repr(arr: Any, *args: Any, **kwargs: Any) -> str:
    """`repr` of an array."""
    return repr(array(arr))


def array_str(a: Any, *args: Any, **kwargs: Any) -> str:
    """`str` of an array."""
    return str(array(a))
