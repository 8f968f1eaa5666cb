"""Structures: flattening a tree to its leaves and a `PyTreeDef`, and putting leaves back.

In: a tree. Out: its leaves in a fixed order, with their key paths where asked for, and its structure. A bare leaf and a flat
tuple of leaves, the arguments and results of most functions, are flattened without optree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import optree

from .keys import KeyPath, key_of

__all__ = [
    "IsLeaf",
    "PyTreeDef",
    "SPACE",
    "all_leaves",
    "build_tree",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "known_leaf_types",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_structure",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

IsLeaf = Callable[[Any], bool] | None
SPACE = "minijax"  # optree's namespace: classes registered here are containers for minijax only


class PyTreeDef:
    """The structure of a tree: its containers, with places for `num_leaves` leaves.

    Example:
        >>> tree_structure((1, {"a": 2}))
        PyTreeDef((*, {'a': *}))
    """

    __slots__ = ("spec",)

    def __init__(self, spec: optree.PyTreeSpec) -> None:
        self.spec = spec

    num_leaves = property(lambda self: self.spec.num_leaves)
    num_nodes = property(lambda self: self.spec.num_nodes)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with these leaves. Raises ValueError if they are too few or too many."""
        try:
            return self.spec.unflatten(leaves)
        except ValueError as error:
            raise ValueError(str(error).replace("PyTreeSpec", "PyTreeDef")) from None

    def flatten_up_to(self, full: Any) -> list[Any]:
        """The subtrees of `full` at the places of the leaves. Raises ValueError if there are no such places."""
        return self.spec.flatten_up_to(full)

    def children(self) -> list[PyTreeDef]:
        """The structures of the children of the outermost container."""
        return [_interned(spec) for spec in self.spec.children()]

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """This structure with `inner` at the place of each leaf."""
        return _interned(self.spec.compose(inner.spec))

    def is_leaf(self) -> bool:
        """Whether this is the structure of a single leaf."""
        return self is _LEAF or self.spec.is_leaf()

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is PyTreeDef and self.spec == other.spec)

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        text = str(self.spec).removeprefix("PyTreeSpec(")[:-1].removesuffix(f", namespace={SPACE!r}")
        return f"PyTreeDef({text.replace('CustomTreeNode(', 'CustomNode(')})"


def _interned(spec: optree.PyTreeSpec) -> PyTreeDef:
    return _LEAF if spec.num_nodes == 1 and spec.num_leaves == 1 else PyTreeDef(spec)


_LEAF = PyTreeDef(optree.treespec_leaf())
_LONGEST = 32
# The structures of flat tuples of 0, 1, 2, ... leaves.
_TUPLES = [PyTreeDef(optree.treespec_tuple([_LEAF.spec] * n, namespace=SPACE)) for n in range(_LONGEST)]
# Types known to be leaves, which depends on nothing else; others are learned, and forgotten when they are registered.
known_leaf_types: set[type] = {bool, int, float, complex, np.ndarray}
_MOST_TYPES = 512


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of `tree` and its structure; where `is_leaf` is true there is a leaf, whatever its type.

    Example:
        >>> tree_flatten({"b": 1, "a": (2, None)})
        ([2, 1], PyTreeDef({'a': (*, None), 'b': *}))
    """
    if is_leaf is None:
        kind = type(tree)
        if kind in known_leaf_types:
            return [tree], _LEAF
        if kind is tuple and len(tree) < _LONGEST and known_leaf_types.issuperset(map(type, tree)):
            return list(tree), _TUPLES[len(tree)]
    leaves, spec = optree.tree_flatten(tree, is_leaf, namespace=SPACE)
    nodes = spec.num_nodes
    if is_leaf is None and ((nodes == 1 and leaves) or (kind is tuple and nodes - 1 == len(leaves))):
        known_leaf_types.update(map(type, leaves))
        if len(known_leaf_types) > _MOST_TYPES:  # a program that makes types without end
            known_leaf_types.clear()
    return leaves, _LEAF if nodes == 1 and leaves else PyTreeDef(spec)  # type: ignore[arg-type, return-value]


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves. Raises ValueError if they are too few or too many."""
    if treedef is _LEAF and type(leaves) is list and len(leaves) == 1:
        return leaves[0]
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of `tree`."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """The structure of `tree`."""
    return tree_flatten(tree, is_leaf)[1]


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Pairs (key path, leaf), and the structure.

    Example:
        >>> tree_flatten_with_path({"a": [1]})
        ([((DictKey(key='a'), SequenceKey(idx=0)), 1)], PyTreeDef({'a': [*]}))
    """
    accessors, leaves, spec = optree.tree_flatten_with_accessor(tree, is_leaf, namespace=SPACE)
    pairs = [(tuple([key_of(entry) for entry in path]), leaf) for path, leaf in zip(accessors, leaves, strict=True)]
    return pairs, _interned(spec)  # type: ignore[arg-type]


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Pairs (key path, leaf)."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def flatten_one_level(tree: Any) -> tuple[list[Any], Any]:
    """The children of the outermost container, and its auxiliary data. Raises ValueError for a leaf."""
    children, metadata, *_ = optree.tree_flatten_one_level(tree, namespace=SPACE)
    return children, metadata


def flatten_one_level_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """Pairs (key, child) of the outermost container, and its auxiliary data. Raises ValueError for a leaf."""
    pairs = tree_leaves_with_path(tree, lambda x: x is not tree)
    return [(path[0], child) for path, child in pairs], flatten_one_level(tree)[1]


def build_tree(treedef: PyTreeDef, xs: Any) -> Any:
    """The tree of this structure from nested iterables: an iterable of children for each container."""
    if treedef.is_leaf():
        return xs
    found = [build_tree(child, x) for child, x in zip(treedef.children(), xs, strict=True)]
    return treedef.spec.one_level().unflatten(found)


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """Structures of the children of the outermost node."""
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is a single node: a leaf, or an empty container."""
    return treedef.num_nodes == 1


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of these structures."""
    return PyTreeDef(optree.treespec_tuple([treedef.spec for treedef in treedefs], namespace=SPACE))


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf = None) -> bool:
    """Whether every element is a leaf."""
    return all(tree_structure(x, is_leaf).is_leaf() for x in iterable)
