"""`map`, `associative_scan`: a function over the rows of arrays, one after the other or in a tree.

In: a function, trees of arrays. Out: trees of arrays. Both are written with other functions of `lax` and `vmap`, so their
derivatives, batches and compiled forms are those of `scan` and of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..api._calls import flatten_values
from ..api.vectorize import vmap
from ..errors import teach
from ..ir import ShapedArray, aval_like
from ..tree import PyTreeDef, tree_map, tree_unflatten
from ._operands import canonical_axis
from ._tracing import described, difference, type_difference
from .loops import scan
from .structural import collapse, concatenate, expand_dims, reshape, rev, slice_in_dim

__all__ = ["associative_scan", "map"]


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply a function to the rows of arrays, one after the other, and stack the results.

    Args:
        f: function of one row; traced once (with `batch_size`, once for batches and once for what is left over).
        xs: a tree of arrays of shape (n, ...).
        batch_size: apply it to so many rows at once, by `vmap`; 0: to all.

    Returns:
        The results stacked: arrays of shape (n, ...).

    Raises:
        TypeError: `f` cannot be called, or `batch_size` is not an integer.
        ValueError: `xs` holds no arrays, arrays without rows or of different lengths, or `batch_size` is negative.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax import lax
        >>> lax.map(lambda x: x * x, mnp.arange(5.0), batch_size=2).tolist()
        [0.0, 1.0, 4.0, 9.0, 16.0]
    """
    if not callable(f):
        raise TypeError("lax.map: f argument should be callable.")
    if batch_size is None:
        return _one_by_one(f, xs)
    batch_size = _size(batch_size)
    values, tree = flatten_values(xs)
    length = _rows(values)
    if batch_size == 0:
        return vmap(f)(xs)
    batches, rest = divmod(length, batch_size)
    outs = []
    if batches:
        whole = [
            reshape(slice_in_dim(x, 0, batches * batch_size), (batches, batch_size, *x.shape[1:])) for x in values
        ]
        stacked = _one_by_one(vmap(f), tree_unflatten(tree, whole))
        outs.append(tree_map(lambda y: collapse(y, 0, 2), stacked))
    if rest or not batches:
        outs.append(vmap(f)(tree_unflatten(tree, [slice_in_dim(x, length - rest, length) for x in values])))
    return outs[0] if len(outs) == 1 else tree_map(lambda a, b: concatenate([a, b], 0), *outs)


def _one_by_one(f: Callable[[Any], Any], xs: Any) -> Any:
    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        return carry, f(x)

    step.__name__ = getattr(f, "__name__", step.__name__)
    return scan(step, (), xs)[1]


def _size(batch_size: Any) -> int:
    try:
        size = batch_size.__index__()
    except (AttributeError, TypeError):
        raise TypeError(f"lax.map: batch_size must be an integer, got {batch_size!r}") from None
    if size < 0:
        raise ValueError(f"lax.map: batch_size must be non-negative, got {size}")
    return int(size)


def _rows(values: Sequence[Any]) -> int:
    shapes = [aval_like(x).shape for x in values]
    if not shapes:
        raise ValueError("lax.map got no arrays to map over.")
    if not all(shapes):
        raise ValueError("lax.map got a value with no leading axis to map over.")
    lengths = sorted({shape[0] for shape in shapes})
    if len(lengths) > 1:
        raise ValueError(
            f"lax.map got values with different leading axis sizes: {', '.join(str(n) for n in lengths)}."
        )
    return lengths[0]


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All partial results of an associative operation, in about 2 log2(n) operations on arrays.

    Args:
        fn: `fn(a, b)`, associative, on trees like `elems` with any length along `axis`: it works on all rows at once.
        elems: a tree of arrays, n long along `axis`.
        reverse: from the end: [..., fn(fn(z, y), x), fn(z, y), z].
        axis: which axis to go along.

    Returns:
        A tree like `elems`: [a, fn(a, b), fn(fn(a, b), c), ...].

    Raises:
        TypeError: `fn` cannot be called, or gives other types or another structure than it gets.
        ValueError: the arrays differ in length along `axis`, or have no such axis.

    Note:
        Neighbours are combined, the partial results of the pairs found in the same way, and those between filled in
        (Blelloch 1990, "Prefix sums and their applications").

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax import lax
        >>> lax.associative_scan(mnp.maximum, mnp.array([3, 1, 4, 1, 5])).tolist()
        [3, 3, 4, 4, 5]
    """
    if not callable(fn):
        raise TypeError("lax.associative_scan: fn argument should be callable.")
    values, tree = flatten_values(elems)
    axes = [canonical_axis(axis, len(aval_like(x).shape)) for x in values]
    lengths = {aval_like(x).shape[a] for x, a in zip(values, axes, strict=True)}
    if len(lengths) != 1:
        shown = [aval_like(x).shape for x in values]
        raise ValueError(f"associative_scan: arrays must have the same length along axis {axis}, got shapes {shown}.")
    (length,) = lengths
    if reverse:
        values = [rev(x, (a,)) for x, a in zip(values, axes, strict=True)]
    found = _Combined(fn, tree, axes).partial_results(values, length)
    if reverse:
        found = [rev(x, (a,)) for x, a in zip(found, axes, strict=True)]
    return tree_unflatten(tree, found)


class _Combined:
    """An associative function of two lists of arrays."""

    def __init__(self, fn: Callable[[Any, Any], Any], tree: PyTreeDef, axes: Sequence[int]) -> None:
        self.fn = fn
        self.tree = tree
        self.axes = axes

    def __call__(self, a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        result = self.fn(tree_unflatten(self.tree, a), tree_unflatten(self.tree, b))
        found, structure = flatten_values(result)
        if structure != self.tree:
            raise TypeError(
                teach(
                    "associative_scan: fn must return the structure that it gets: "
                    + difference(self.tree, structure, "the input", "the output"),
                    at=described(self.fn),
                )
            )
        for x, y in zip(a, found, strict=True):
            given, out = aval_like(x), aval_like(y)
            if (given.shape, given.dtype) != (out.shape, out.dtype):
                raise self._changed(given, out)
        return found

    def _changed(self, given: ShapedArray, found: ShapedArray) -> TypeError:
        return TypeError(
            teach(
                f"associative_scan: fn must return the types that it gets: the input has type {given.str_short()}, the "
                f"output has type {found.str_short()}{type_difference(given, found)}.",
                at=described(self.fn),
                why="what it returns is combined again",
            )
        )

    def partial_results(self, values: Sequence[Any], length: int) -> list[Any]:
        """[a, fn(a, b), ...] along the axes."""
        if length < 2:
            return list(values)
        pairs = self(self._every_second(values, 0, length - 1), self._every_second(values, 1, length))
        odd = self.partial_results(pairs, length // 2)  # results number 1, 3, 5, ...
        first = self._rows(values, 0, 1)
        if length == 2:
            return self._joined(first, odd)
        before = odd if length % 2 else self._rows(odd, 0, length // 2 - 1)
        rest = self(before, self._every_second(values, 2, length))
        return self._alternating(self._joined(first, rest), odd, length)

    def _every_second(self, values: Sequence[Any], start: int, limit: int) -> list[Any]:
        return [slice_in_dim(x, start, limit, 2, a) for x, a in zip(values, self.axes, strict=True)]

    def _rows(self, values: Sequence[Any], start: int, limit: int) -> list[Any]:
        return [slice_in_dim(x, start, limit, 1, a) for x, a in zip(values, self.axes, strict=True)]

    def _joined(self, *parts: Sequence[Any]) -> list[Any]:
        return [concatenate(xs, a) for *xs, a in zip(*parts, self.axes, strict=True)]

    def _alternating(self, even: Sequence[Any], odd: Sequence[Any], length: int) -> list[Any]:
        """even[0], odd[0], even[1], odd[1], ..."""
        half = length // 2
        paired = [
            collapse(concatenate([expand_dims(x, (a + 1,)), expand_dims(y, (a + 1,))], a + 1), a, a + 2)
            for x, y, a in zip(self._rows(even, 0, half), odd, self.axes, strict=True)
        ]
        return self._joined(paired, self._rows(even, half, half + 1)) if length % 2 else paired
