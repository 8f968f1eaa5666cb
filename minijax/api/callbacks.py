"""pure_callback, io_callback, debug_callback: Python functions as parts of programs.

In: a function of NumPy arrays and the types of its results. Out: its results, computed when the program runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import as_value, finished
from ..ir import ShapedArray
from ..structured.callback import (
    debug_callback as debug_primitive,
    io_callback as io_primitive,
    ordered_io_callback as ordered_primitive,
    pure_callback as pure_primitive,
)
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from ._calls import check_callable, flatten_values, function_name
from .stage import abstract_leaf

__all__ = ["debug_callback", "io_callback", "pure_callback"]


class _FlatCallback:
    """A Python function on flat NumPy values; `fixed` leaves of its arguments, by position, are not values."""

    __slots__ = ("__name__", "fixed", "function", "in_tree", "out_tree")

    def __init__(
        self,
        function: Callable[..., Any],
        in_tree: PyTreeDef,
        out_tree: PyTreeDef | None,
        fixed: dict[int, Any] | None = None,
    ) -> None:
        self.function = function
        self.in_tree = in_tree
        self.out_tree = out_tree
        self.fixed = fixed or {}
        self.__name__ = function_name(function)

    def __call__(self, *values: np.ndarray) -> list[Any]:
        given = iter(values)
        leaves = [self.fixed[i] if i in self.fixed else next(given) for i in range(self.in_tree.num_leaves)]
        args, kwargs = tree_unflatten(self.in_tree, leaves)
        result = self.function(*args, **kwargs)
        if self.out_tree is None:
            return []
        leaves, structure = tree_flatten(result)
        if structure != self.out_tree:
            raise ValueError(
                f"callback {self.__name__} returned a value of structure {structure}, but result_shape_dtypes says "
                f"{self.out_tree}"
            )
        return leaves


def _result_types(tree: Any) -> tuple[tuple[ShapedArray, ...], PyTreeDef]:
    leaves, structure = tree_flatten(tree)
    return tuple(abstract_leaf(x)[0].update(weak_type=False) for x in leaves), structure


_METHODS = (None, "sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized")


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """Call a Python function of NumPy arrays that has no side effects.

    Args:
        callback: takes NumPy arrays, returns a tree of them.
        result_shape_dtypes: a tree of `ShapeDtypeStruct`s: the types of what it returns.
        *args, **kwargs: trees of arrays.
        sharding: accepted for compatibility.
        vmap_method: under vmap, "sequential": one call per example, in a loop ("sequential_unrolled": the loop is unrolled
            when compiled); "expand_dims": one call, unmapped arguments with a leading axis of size 1; "broadcast_all": one
            call, all arguments with the batch axis in front; "legacy_vectorized": one call, unmapped arguments as they are.

    Returns:
        What `callback` returns, as Arrays.

    Raises:
        ValueError: the results do not have the types announced; or the call is differentiated.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp, numpy as np
        >>> mj.pure_callback(np.sin, mj.ShapeDtypeStruct((), mnp.float32), mnp.float32(0.0))
        Array(0., dtype=float32)
    """
    check_callable(callback)
    if vmap_method not in _METHODS:
        raise ValueError(f"vmap_method must be one of {_METHODS[1:]}, got {vmap_method!r}")
    values, in_tree = flatten_values((args, kwargs))
    result_avals, out_tree = _result_types(result_shape_dtypes)
    flat = _FlatCallback(callback, in_tree, out_tree)
    outs = pure_primitive.bind(*values, callback=flat, result_avals=result_avals, vmap_method=vmap_method)
    return tree_unflatten(out_tree, [finished(x) for x in outs])


def io_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a Python function with side effects, once each time the program runs.

    Args:
        callback, result_shape_dtypes, args, sharding, kwargs: see `pure_callback`.
        ordered: keep the order of such calls (they are always kept in order here).

    Returns:
        What `callback` returns, as Arrays.

    Example:
        >>> from minijax.api.callbacks import io_callback
        >>> seen = []
        >>> io_callback(lambda x: seen.append(float(x)), None, 2.0)
        >>> seen
        [2.0]
    """
    check_callable(callback)
    values, in_tree = flatten_values((args, kwargs))
    result_avals, out_tree = _result_types(result_shape_dtypes)
    primitive = ordered_primitive if ordered else io_primitive
    outs = primitive.bind(*values, callback=_FlatCallback(callback, in_tree, out_tree), result_avals=result_avals)
    return tree_unflatten(out_tree, [finished(x) for x in outs])


def debug_callback(
    callback: Callable[..., Any] | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a Python function on values of the program, under every transformation; its result is dropped.

    Args:
        callback: takes NumPy arrays.
        *args, **kwargs: trees of arrays; leaves that are no arrays are passed as they are.
        ordered, partitioned: accepted: calls are in the order of the program.

    Note:
        `debug_callback(ordered=True)` without a function returns a function that takes the others.

    Example:
        >>> import minijax as mj
        >>> seen = []
        >>> float(mj.grad(lambda x: (mj.debug.callback(lambda v: seen.append(float(v)), x), x * x)[1])(3.0)), seen
        (6.0, [3.0])
    """
    if callback is None:
        if args or kwargs:
            raise TypeError(f"debug_callback received unexpected arguments in the two-call form: {args=} {kwargs=}")
        return _call
    _call(callback, *args, **kwargs)
    return None


def _call(callback: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    if not callable(callback):
        raise TypeError(
            f"first argument to minijax.debug.callback must be callable, but got an object of type {type(callback)}"
        )
    leaves, in_tree = tree_flatten((args, kwargs))
    fixed = {i: x for i, x in enumerate(leaves) if not _is_value(x)}
    values = [as_value(x) for i, x in enumerate(leaves) if i not in fixed]
    debug_primitive.bind(*values, callback=_FlatCallback(callback, in_tree, None, fixed), result_avals=())


def _is_value(x: Any) -> bool:
    try:
        as_value(x)
    except TypeError:
        return False
    return True
