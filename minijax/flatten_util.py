"""`ravel_pytree`: a tree of arrays as one flat array, and the way back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import numpy as mnp
from .dtypes import promote_types
from .tree import tree_flatten, tree_unflatten

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Concatenate the raveled leaves of a tree.

    Args:
        pytree: tree of arrays and scalars.

    Returns:
        (flat, unravel): `flat` has shape (total,) and the common dtype of the leaves; `unravel(flat)` gives back
        the tree, each leaf with its shape and dtype.

    Raises:
        ValueError: `unravel` is called with an array of another shape.

    Example:
        >>> import minijax.numpy as mnp
        >>> flat, unravel = ravel_pytree({"b": mnp.ones(2), "a": 3.0})
        >>> flat
        Array([3., 1., 1.], dtype=float32)
        >>> unravel(flat)["b"].shape
        (2,)
    """
    leaves, structure = tree_flatten(pytree)
    arrays = [mnp.asarray(x) for x in leaves]
    if not arrays:
        return mnp.zeros((0,)), lambda flat: tree_unflatten(structure, [])
    dtype = arrays[0].dtype
    for x in arrays[1:]:
        dtype = promote_types(dtype, x.dtype)
    flat = mnp.concatenate([mnp.ravel(x).astype(dtype) for x in arrays])
    shapes = [x.shape for x in arrays]
    dtypes = [x.dtype for x in arrays]
    stops = np.cumsum([x.size for x in arrays])

    def unravel(flat: Any) -> Any:
        if mnp.shape(flat) != (int(stops[-1]),):
            raise ValueError(
                f"unravel function given array of shape {mnp.shape(flat)}, but expected shape {(int(stops[-1]),)}"
            )
        parts = mnp.split(flat, stops[:-1].tolist())
        restored = []
        for part, shape, kind in zip(parts, shapes, dtypes, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # complex to real: the imaginary part was zero to begin with
                restored.append(part.reshape(shape).astype(kind))
        return tree_unflatten(structure, restored)

    return flat, unravel
