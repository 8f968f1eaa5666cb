"""Pytrees: nested containers of arrays, over optree; key paths and the names of arguments.

In: dicts, lists, tuples, namedtuples, dataclasses and registered classes. Out: their leaves in a fixed order and a
`PyTreeDef` that puts leaves back. None is an empty container; the leaves of a dict are in the order of its sorted keys.

`minijax.tree.map`, `.leaves`, `.flatten`, ... are the short names of `tree_map`, `tree_leaves`, `tree_flatten`, ...
"""

from __future__ import annotations

from .flattening import (
    PyTreeDef as PyTreeDef,
    all_leaves as all_leaves,
    build_tree as build_tree,
    flatten_one_level as flatten_one_level,
    flatten_one_level_with_keys as flatten_one_level_with_keys,
    tree_flatten as tree_flatten,
    tree_flatten_with_path as tree_flatten_with_path,
    tree_leaves as tree_leaves,
    tree_leaves_with_path as tree_leaves_with_path,
    tree_structure as tree_structure,
    tree_unflatten as tree_unflatten,
    treedef_children as treedef_children,
    treedef_is_leaf as treedef_is_leaf,
    treedef_tuple as treedef_tuple,
)
from .functions import (
    flatten_prefix as flatten_prefix,
    leaf_names as leaf_names,
    tree_all as tree_all,
    tree_broadcast as tree_broadcast,
    tree_map as tree_map,
    tree_map_with_path as tree_map_with_path,
    tree_reduce as tree_reduce,
    tree_reduce_associative as tree_reduce_associative,
    tree_transpose as tree_transpose,
)
from .keys import (
    DictKey as DictKey,
    FlattenedIndexKey as FlattenedIndexKey,
    GetAttrKey as GetAttrKey,
    KeyEntry as KeyEntry,
    KeyPath as KeyPath,
    SequenceKey as SequenceKey,
    keystr as keystr,
)
from .registration import (
    Partial as Partial,
    register_dataclass as register_dataclass,
    register_pytree_node as register_pytree_node,
    register_pytree_node_class as register_pytree_node_class,
    register_pytree_with_keys as register_pytree_with_keys,
    register_pytree_with_keys_class as register_pytree_with_keys_class,
    register_static as register_static,
    static as static,
)

all = tree_all
broadcast = tree_broadcast
flatten = tree_flatten
flatten_with_path = tree_flatten_with_path
leaves = tree_leaves
leaves_with_path = tree_leaves_with_path
map = tree_map
map_with_path = tree_map_with_path
reduce = tree_reduce
reduce_associative = tree_reduce_associative
structure = tree_structure
transpose = tree_transpose
unflatten = tree_unflatten
