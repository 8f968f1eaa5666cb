"""Functions over trees: map, reduce, transpose, broadcast, prefixes, and the names of arguments.

In: trees. Out: trees, or a value for each leaf. What does not match is named by its key path.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import optree

from .flattening import (
    SPACE,
    IsLeaf,
    PyTreeDef,
    flatten_one_level_with_keys,
    known_leaf_types,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_structure,
    tree_unflatten,
)
from .keys import KeyPath, keystr

__all__ = [
    "flatten_prefix",
    "leaf_names",
    "tree_all",
    "tree_broadcast",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_transpose",
]


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply `f` to the leaves of `tree` (and the corresponding subtrees of `rest`).

    Raises:
        ValueError: a tree of `rest` does not have the structure of `tree`; names the key path.

    Example:
        >>> tree_map(lambda x, y: x + y, {"a": 1}, {"a": 2})
        {'a': 3}
    """
    leaves, structure = tree_flatten(tree, is_leaf)
    if not rest:
        return tree_unflatten(structure, [f(x) for x in leaves])
    others = [_up_to(structure, tree, other, is_leaf, "tree_map") for other in rest]
    return tree_unflatten(structure, [f(*xs) for xs in zip(leaves, *others, strict=True)])


def _up_to(structure: PyTreeDef, tree: Any, other: Any, is_leaf: IsLeaf, caller: str) -> list[Any]:
    """The subtrees of `other` at the leaves of `tree`."""
    try:
        return structure.flatten_up_to(other)
    except ValueError as error:
        place = _first_difference(tree, other, is_leaf) or str(error)
        raise ValueError(f"{caller}: the trees do not match: {place}") from None


def _first_difference(tree: Any, other: Any, is_leaf: IsLeaf) -> str | None:
    """Where `other` ceases to have the containers of `tree`, and what is there."""
    work: list[tuple[KeyPath, Any, Any]] = [((), tree, other)]
    while work:
        path, a, b = work.pop()
        if (is_leaf is not None and is_leaf(a)) or optree.tree_is_leaf(a, namespace=SPACE):
            continue
        try:
            optree.tree_structure(a, lambda x, a=a: x is not a, namespace=SPACE).flatten_up_to(b)
        except ValueError:
            return f"at key path {keystr(path) or '(root)'}: {_shown(a)} and {_shown(b)}"
        inside = dict(flatten_one_level_with_keys(b)[0])
        work += [((*path, key), child, inside[key]) for key, child in reversed(flatten_one_level_with_keys(a)[0])]
    return None


def _shown(x: Any) -> str:
    """A container as an error names it: its type, and its size or keys."""
    if isinstance(x, dict):
        return f"a {type(x).__name__} with keys {sorted(x, key=str)}"
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    return "None" if x is None else f"a value of type {type(x).__name__}"


def tree_all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves are true."""
    return all(tree_leaves(tree, is_leaf))


_NOTHING = object()


def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NOTHING, is_leaf: IsLeaf = None
) -> Any:
    """`functools.reduce` over the leaves."""
    start = () if initializer is _NOTHING else (initializer,)
    return functools.reduce(function, tree_leaves(tree, is_leaf), *start)


def tree_reduce_associative(
    operation: Callable[[Any, Any], Any], tree: Any, *, identity: Any = _NOTHING, is_leaf: IsLeaf = None
) -> Any:
    """Combine the leaves in halves, for associative operations: rounding errors grow with log n instead of n.

    Raises:
        TypeError: there are no leaves and no `identity`, the result for that case.
    """
    leaves = tree_leaves(tree, is_leaf)
    if not leaves and identity is _NOTHING:
        raise TypeError("Must specify identity for the reduction of a tree without leaves")

    def combined(xs: list[Any]) -> Any:
        half = len(xs) // 2
        return operation(combined(xs[:half]), combined(xs[half:])) if half else xs[0]

    return combined(leaves) if leaves else identity


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any) -> Any:
    """Turn a tree of trees inside out; inner None is that of the first subtree. Raises TypeError for a mismatch."""
    leaves, structure = tree_flatten(pytree_to_transpose)
    inner = inner_treedef
    if inner is None:
        inner = tree_structure(outer_treedef.flatten_up_to(pytree_to_transpose)[0])
    if len(leaves) != outer_treedef.num_leaves * inner.num_leaves:
        raise TypeError(f"Mismatch: the tree has the structure {structure}, not {outer_treedef.compose(inner)}")
    n = inner.num_leaves
    return tree_unflatten(inner, [tree_unflatten(outer_treedef, leaves[i::n]) for i in range(n)])


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`prefix_tree` with its leaves repeated to the structure of `full_tree`. Raises ValueError if it is no prefix."""
    subtrees = _up_to(tree_structure(prefix_tree, is_leaf), prefix_tree, full_tree, is_leaf, "tree_broadcast")
    leaves = tree_leaves(prefix_tree, is_leaf)
    repeated = [leaf for leaf, sub in zip(leaves, subtrees, strict=True) for _ in tree_leaves(sub, is_leaf)]
    return tree_unflatten(tree_structure(full_tree, is_leaf), repeated)


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Like `tree_map`, with the key path as first argument of `f`."""
    pairs, structure = tree_flatten_with_path(tree, is_leaf)
    others = [_up_to(structure, tree, other, is_leaf, "tree_map_with_path") for other in rest]
    leaves = [f(path, leaf, *xs) for (path, leaf), *xs in zip(pairs, *others, strict=True)]
    return tree_unflatten(structure, leaves)


def flatten_prefix(prefix: Any, full: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of `prefix`, each repeated for the leaves of the subtree of `full` below it. None is a leaf here.

    `full` is a tree or a structure; `is_leaf` says what is a leaf of it.

    Raises:
        ValueError: `prefix` is not a prefix of `full`; names both and the key path.

    Example:
        >>> flatten_prefix((0, {"a": None}), (1.0, {"a": (2.0, 3.0)}))
        [0, None, None]
    """
    if type(full) is PyTreeDef:
        full = full.unflatten([0] * full.num_leaves)
    if prefix is None or isinstance(prefix, int):
        return [prefix] * len(tree_leaves(full, is_leaf))
    leaves, spec = optree.tree_flatten(prefix, none_is_leaf=True, namespace=SPACE)
    try:
        subtrees = spec.flatten_up_to(full)
    except ValueError as error:
        place = _first_difference(prefix, full, lambda x: x is None) or str(error)
        raise ValueError(
            f"the specification must be a tree prefix of the corresponding value, got {prefix!r} for a value of "
            f"structure {tree_structure(full, is_leaf)}: they differ {place}"
        ) from None
    return [leaf for leaf, sub in zip(leaves, subtrees, strict=True) for _ in tree_leaves(sub, is_leaf)]


def leaf_names(args: Sequence[Any], kwargs: dict[str, Any], parameter_names: Sequence[str]) -> list[str]:
    """Names of all leaves of (args, kwargs).

    Example:
        >>> leaf_names(({"w": 1.0}, 2.0), {"rate": 0.1}, ("params", "x"))
        ["params['w']", 'x', 'rate']
    """
    names: list[str] = []
    named = [*zip(parameter_names, args, strict=True), *((name, kwargs[name]) for name in sorted(kwargs))]
    for name, arg in named:
        if type(arg) in known_leaf_types:
            names.append(name)
        else:
            names += [name + keystr(path) for path, _ in tree_leaves_with_path(arg)]
    return names
