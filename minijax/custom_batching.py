"""`minijax.custom_batching`: the names of `jax.custom_batching`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .api.custom_vmap import custom_vmap as custom_vmap
from .lax.mapping import map as one_by_one
from .tree import tree_flatten, tree_map, tree_unflatten

__all__ = ["custom_vmap", "sequential_vmap"]


def sequential_vmap(f: Callable[..., Any]) -> custom_vmap:
    """A function that `vmap` calls for one example after the other, in a loop.

    Args:
        f: a function of trees of arrays.

    Returns:
        `f` with that as its batched form.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> @mj.custom_batching.sequential_vmap
        ... def f(x):
        ...     mj.debug.print("{}", x)
        ...     return x + 1
        >>> mj.vmap(f)(mnp.arange(3))
        0
        1
        2
        Array([1, 2, 3], dtype=int32)
    """
    called = custom_vmap(f)

    def rule(axis_size: int, in_batched: Sequence[Any], *args: Any) -> tuple[Any, Any]:
        leaves, structure = tree_flatten(args)
        mapped = tree_flatten(tuple(in_batched))[0]

        def example(rows: Sequence[Any]) -> Any:
            own = iter(rows)
            values = [next(own) if flag else x for x, flag in zip(leaves, mapped, strict=True)]
            return called(*tree_unflatten(structure, values))

        out = one_by_one(example, [x for x, flag in zip(leaves, mapped, strict=True) if flag])
        return out, tree_map(lambda _: True, out)

    called.def_vmap(rule)
    return called
