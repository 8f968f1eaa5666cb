"""Functions of functions and of places: apply_over_axes, put.

In: arrays, a function, places. Out: arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import scalar_dtype
from ..primitives import p
from ..primitives._ops import like
from ._promotion import as_array, as_dtype, canonical_axis
from .creation import array
from .indexing import take
from .manipulation import expand_dims, ravel, reshape

__all__ = ["apply_over_axes", "put"]


def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Any:
    """`func(a, axis)` for one axis after the other; reduced axes are put back with size 1."""
    a = as_array("apply_over_axes", a)
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        ndim = a.aval.ndim
        axis = canonical_axis(axis, ndim)
        out = func(a, axis)
        if out.ndim == ndim - 1:
            out = expand_dims(out, axis)
        if out.ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
        a = out
    return a


def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Any:
    """`a` with `v` (repeated) at places `ind` of the flattened array.

    Args:
        a: array.
        ind: integers.
        v: values.
        mode: places outside: "clip", "wrap", or dropped (None).
        inplace: must be False: arrays do not change.

    Raises:
        ValueError: `inplace` is true.
    """
    if inplace:
        raise ValueError(
            "jax.numpy.put cannot modify arrays in-place, because JAX arrays are immutable. Pass inplace=False"
        )
    a = as_array("put", a)
    places, values = (ravel(array(x) if isinstance(x, (list, tuple)) else x) for x in (ind, v))
    if not places.aval.size or not values.aval.size:
        return a
    if mode == "wrap":
        places = places % max(a.aval.size, 1)
    elif mode == "clip":
        places = p.clamp(like(places, 0), places, like(places, a.aval.size - 1))
    which = p.iota(dtype=scalar_dtype(int), shape=(places.aval.size,), dimension=0)
    repeated = take(values, p.rem(which, like(which, values.aval.size)), mode="clip")
    return reshape(ravel(a).at[places].set(as_dtype(repeated, a.aval.dtype), mode="drop"), a.aval.shape)
