"""Nested lists as arrays: by NumPy where every element has a value, by stacking where some are traced.

In: lists of lists of numbers, arrays, traced values. Out: one array. Python integers that do not fit raise, as in JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array, as_value, wrap
from ..dtypes import result_type, scalar_dtype, to_inexact_dtype
from ..ir import Tracer
from ..primitives import p
from ._promotion import SCALAR_TYPES, as_dtype, checked

__all__ = ["cast", "check_int", "stacked", "wrapped"]


def check_int(x: Any, dtype: np.dtype) -> None:
    """Raise OverflowError if a Python int does not fit into an integer dtype."""
    if dtype.kind in "iu" and isinstance(x, int):
        info = np.iinfo(dtype)
        if not info.min <= x <= info.max:
            raise OverflowError(f"Python int {x} too large to convert to {dtype.name}")


def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` in `dtype`; complex to real drops the imaginary part."""
    with np.errstate(all="ignore"):
        if x.dtype.kind == "c" and dtype.kind != "c":
            x = x.real
        return x.astype(dtype)


def wrapped(value: Any) -> Array:
    """An Array around a NumPy value that nobody else will write to."""
    return wrap(np.asarray(value))


def _leaves(x: Any) -> list[Any]:
    """The leaves of nested lists."""
    found: list[Any] = []
    work = [x]
    while work:
        here = work.pop()
        if isinstance(here, (list, tuple)):
            work.extend(reversed(here))
        else:
            found.append(here)
    return found


def stacked(x: Any, wanted: np.dtype | None) -> Any:
    """Nested lists as an array: by NumPy if no traced value is inside, else stacked."""
    if wanted is None or wanted.kind not in "iu":
        found = _of_python_numbers(x, wanted)
        if found is not None:
            return found
    leaves = [leaf.__jax_array__() if hasattr(leaf, "__jax_array__") else leaf for leaf in _leaves(x)]
    for leaf in leaves:
        if leaf is None or isinstance(leaf, (str, bytes, dict, set)):
            raise TypeError(f"Value '{leaf}' with type {type(leaf)} is not a valid JAX array type")
    if not leaves:
        return wrapped(np.array(x, wanted or to_inexact_dtype(np.float32)))
    dtype = wanted if wanted is not None else _common_dtype(leaves)
    if any(type(leaf) is Tracer for leaf in leaves):
        return _stack_levels(x, dtype)
    if all(type(leaf) in SCALAR_TYPES for leaf in leaves) and dtype.kind in "iu":
        for leaf in leaves:
            check_int(leaf, dtype)
    return wrapped(cast(np.array(_unwrapped(x)), dtype))


def _of_python_numbers(x: Any, wanted: np.dtype | None) -> Any:
    """Lists of Python floats, or of ints or bools, at NumPy's speed; None for anything else."""
    kinds = set(map(type, x))
    if len(kinds) == 1 and list in kinds:
        kinds = {kind for row in x for kind in set(map(type, row))}
    if kinds not in ({float}, {int}, {bool}) or (len(x) and type(x[0]) is list and len(set(map(len, x))) > 1):
        return None
    values = np.array(x)
    (kind,) = kinds
    if values.dtype == object or values.dtype.kind not in "bif":
        return None
    dtype = wanted or scalar_dtype(kind)
    if kind is int and values.size and dtype.kind in "iu":
        info = np.iinfo(dtype)
        if values.max() > info.max or values.min() < info.min:
            return None  # the slow path says which number
    return wrapped(cast(values, dtype))


def _common_dtype(leaves: list[Any]) -> np.dtype:
    """The dtype of many leaves; scalars of one type count once."""
    kinds: dict[Any, Any] = {}
    for leaf in leaves:
        kind = type(leaf)
        if kind in SCALAR_TYPES:
            kinds.setdefault(kind, leaf)
        else:
            value = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
            kinds.setdefault((value.dtype, getattr(value, "weak_type", False)), value)
    found: np.dtype = result_type(*kinds.values())
    return found


def _unwrapped(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return [_unwrapped(item) for item in x]
    return np.asarray(x.__jax_array__() if hasattr(x, "__jax_array__") else x)


def _stack_levels(x: Any, dtype: np.dtype) -> Any:
    if not isinstance(x, (list, tuple)):
        (value,) = checked("array", x)
        value = as_dtype(value, dtype)
        return value if type(value) is Tracer else as_value(value)
    parts = [_stack_levels(item, dtype) for item in x]
    if not parts:
        return wrapped(np.zeros(0, dtype))
    shapes = {part.aval.shape for part in parts}
    if len(shapes) > 1:
        raise ValueError(
            "setting an array element with a sequence. The requested array has an inhomogeneous shape: parts of shapes "
            f"{sorted(shapes)}"
        )
    shape = parts[0].aval.shape
    rows = [
        p.broadcast_in_dim(v, shape=(1, *shape), broadcast_dimensions=tuple(range(1, len(shape) + 1))) for v in parts
    ]
    return p.concatenate(*rows, dimension=0) if len(rows) > 1 else rows[0]
