"""NumPy's functions on traced values: `np.sin(x)`, `np.sum(x)`, `np.concatenate([x, y])` are differentiated.

In: NumPy's own protocols (NEP 13 for ufuncs, NEP 18 for functions), which hand over the function that was called. Out: what
the function of the same name in `minijax.numpy` gives. What has no counterpart raises and says so; types that
are not NumPy's or ours (pandas, xarray) get NotImplemented, so that they may answer themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import numpy as mnp, operators  # complete by the time a function here runs
from ..array import Array
from ..errors import TracerArrayConversionError, teach
from ..ir import Tracer

__all__ = ["array_function", "array_ufunc"]

_KNOWN = (Array, Tracer, np.generic, bool, int, float, complex, list, tuple)


def _is_known(x: Any) -> bool:
    return type(x) is np.ndarray or isinstance(x, _KNOWN)


def _no_counterpart(x: Tracer, called: str, why: str, do: str) -> TracerArrayConversionError:
    shape = f"{x.aval.dtype}[{','.join(map(str, x.aval.shape))}]"
    first = (
        f"The numpy.ndarray conversion method __array__() was called on traced array with shape {shape} (by {called})"
    )
    return TracerArrayConversionError(teach(first, why=why, do=do))


def _counterpart(function: Any, name: str, module: str) -> Callable[..., Any] | None:
    """The function of ours that stands for NumPy's `function`."""
    if isinstance(function, np.ufunc):
        return getattr(mnp, name, None) if getattr(np, name, None) is function else None
    room = {"numpy": mnp, "numpy.linalg": mnp.linalg, "numpy.fft": mnp.fft}.get(module)
    return getattr(room, name, None)


def array_ufunc(self: Tracer, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """`__array_ufunc__` of traced values."""
    if not all(_is_known(x) for x in inputs):
        return NotImplemented
    called = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if options.get("out") is not None:
        raise _no_counterpart(
            self,
            f"{called} with out=",
            "a NumPy array cannot hold traced values, so nothing can be written into it",
            "a = a + x   instead of   a += x",
        )
    function = _counterpart(ufunc, ufunc.__name__, "")
    if function is None:
        raise _no_counterpart(
            self,
            ufunc.__name__,
            f"{ufunc!r} has no counterpart in minijax.numpy",
            f"minijax.scipy.special.{ufunc.__name__} if there is one, or wrap it in minijax.custom_jvp",
        )
    options.pop("out", None)
    arrays = [mnp.asarray(x) if isinstance(x, (list, tuple)) else x for x in inputs]
    if method == "__call__":
        return _called(self, function, arrays, options, called)
    return _method(self, function, method, arrays, options, called)


def _called(
    self: Tracer, function: Callable[..., Any], arrays: list[Any], options: dict[str, Any], called: str
) -> Any:
    dtype = options.pop("dtype", None)
    for ignored in ("casting", "order", "subok", "signature"):
        options.pop(ignored, None)
    if options.pop("where", True) is not True or options:
        raise _no_counterpart(
            self,
            f"{called} with where=",
            "elements left out would be undefined",
            "minijax.numpy.where(mask, f(x), other)",
        )
    out = function(*arrays)
    return out if dtype is None else mnp.astype(out, dtype)


def _method(
    self: Tracer, function: Callable[..., Any], method: str, arrays: list[Any], options: dict[str, Any], called: str
) -> Any:
    ours = None if method == "at" else getattr(function, method, None)
    if ours is None:
        raise _no_counterpart(
            self,
            called,
            "this method of the ufunc has no counterpart",
            "write it with minijax.numpy or minijax.lax",
        )
    return ours(*arrays, **options)


def array_function(self: Tracer, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`__array_function__` of traced values."""
    if not all(kind in (Tracer, Array, np.ndarray) for kind in types):
        return NotImplemented
    module = getattr(function, "__module__", "numpy") or "numpy"
    name = function.__name__
    ours = _counterpart(function, name, module)
    if ours is None:
        raise _no_counterpart(
            self,
            f"{module.replace('numpy', 'np', 1)}.{name}",
            f"minijax.numpy has no {name}",
            "compute it from functions of minijax.numpy, or outside of the traced function",
        )
    return ours(*args, **kwargs)


operators.install({"__array_ufunc__": array_ufunc, "__array_function__": array_function}, {}, only=Tracer)
