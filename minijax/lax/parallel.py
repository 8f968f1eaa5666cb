"""Collectives over named vmap axes: psum, pmean, pmax, pmin, all_gather, axis_index, axis_size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..primitives import p
from ..primitives.collectives import axis_size
from ..tree import tree_map
from ._operands import as_operand, as_operands, canonical_axis

__all__ = ["all_gather", "axis_index", "axis_size", "pmax", "pmean", "pmin", "psum"]


def _over(name: str, x: Any, axis_name: Any) -> Any:
    def reduce(leaf: Any) -> Any:
        leaf = as_operand(leaf)
        for one in axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,):
            leaf = getattr(p, name)(leaf, axis_name=one)
        return leaf

    return tree_map(reduce, x)


def psum(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The sum of `x` (a tree) over all examples of a named axis.

    Args:
        x: tree of arrays.
        axis_name: name or names given to `vmap(axis_name=...)`.
        axis_index_groups: must be None.

    Raises:
        NameError: no vmap with this axis name is active.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.vmap(lambda x: x / psum(x, "i"), axis_name="i")(mnp.array([1.0, 3.0]))
        Array([0.25, 0.75], dtype=float32)
    """
    _no_groups(axis_index_groups)
    return _over("psum", x, axis_name)


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The maximum of `x` (a tree) over all examples of a named axis."""
    _no_groups(axis_index_groups)
    return _over("pmax", x, axis_name)


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The minimum of `x` (a tree) over all examples of a named axis."""
    _no_groups(axis_index_groups)
    return _over("pmin", x, axis_name)


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The mean of `x` (a tree) over all examples of a named axis."""
    _no_groups(axis_index_groups)
    count = 1
    for one in axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,):
        count *= axis_size(one)
    return tree_map(lambda total: p.div(*as_operands(total, count)), psum(x, axis_name))


def all_gather(x: Any, axis_name: Any, *, axis_index_groups: Any = None, axis: int = 0, tiled: bool = False) -> Any:
    """The values of `x` (a tree) of all examples, stacked along `axis` (concatenated, with `tiled`)."""
    _no_groups(axis_index_groups)

    def gather(leaf: Any) -> Any:
        leaf = as_operand(leaf)
        place = canonical_axis(axis, leaf.ndim + (not tiled))
        out = p.all_gather(leaf, axis_name=axis_name, axis=place)
        if not tiled:
            return out
        shape = (*leaf.shape[:place], out.shape[place] * leaf.shape[place], *leaf.shape[place + 1 :])
        return p.reshape(out, new_sizes=shape, dimensions=None)

    return tree_map(gather, x)


def axis_index(axis_name: Any) -> Any:
    """The position of this example along a named axis: int32 scalar."""
    return p.axis_index(axis_name=axis_name)


def _no_groups(groups: Sequence[Any] | None) -> None:
    if groups is not None:
        raise NotImplementedError("axis_index_groups is not supported: reshape the axis into two and name both")
