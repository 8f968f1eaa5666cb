"""Pytrees: nested containers of arrays, over optree; key paths and the names of arguments.

In: dicts, lists, tuples, namedtuples, dataclasses and registered classes. Out: their leaves in a fixed order and a
`PyTreeDef` that puts leaves back. None is an empty container; dict keys are sorted.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import optree

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "flatten_prefix",
    "keystr",
    "leaf_names",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "tree",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

PyTreeDef = optree.PyTreeSpec
IsLeaf = Callable[[Any], bool] | None
_SPACE = "minijax"


@dataclasses.dataclass(frozen=True)
class DictKey:
    """A step into a dict."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """A step into a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """A step into an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclasses.dataclass(frozen=True)
class FlattenedIndexKey:
    """A step into the n-th child of a node registered without key names."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


KeyPath = tuple[Any, ...]


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of `tree` and its structure.

    Example:
        >>> leaves, structure = tree_flatten({"b": 1, "a": (2, None)})
        >>> leaves
        [2, 1]
    """
    return optree.tree_flatten(tree, is_leaf, namespace=_SPACE)  # type: ignore[return-value]


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves."""
    return optree.tree_unflatten(treedef, leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of `tree`."""
    return optree.tree_leaves(tree, is_leaf, namespace=_SPACE)


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """The structure of `tree`."""
    return optree.tree_structure(tree, is_leaf, namespace=_SPACE)


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply `f` to the leaves of `tree` (and the corresponding subtrees of `rest`).

    Raises:
        ValueError: a tree of `rest` does not have the structure of `tree`.

    Example:
        >>> tree_map(lambda x, y: x + y, {"a": 1}, {"a": 2})
        {'a': 3}
    """
    leaves, structure = tree_flatten(tree, is_leaf)
    try:
        others = [structure.flatten_up_to(other) for other in rest]
    except ValueError as error:
        raise ValueError(f"tree_map: the trees do not match: {error}") from None
    return tree_unflatten(structure, [f(*xs) for xs in zip(leaves, *others, strict=True)])


def tree_all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves are true."""
    return all(tree_leaves(tree, is_leaf))


_NOTHING = object()


def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NOTHING, is_leaf: IsLeaf = None
) -> Any:
    """`functools.reduce` over the leaves."""
    leaves = tree_leaves(tree, is_leaf)
    return (
        functools.reduce(function, leaves)
        if initializer is _NOTHING
        else functools.reduce(function, leaves, initializer)
    )


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any) -> Any:
    """Turn a tree of trees inside out: outer of inner becomes inner of outer."""
    subtrees = outer_treedef.flatten_up_to(pytree_to_transpose)
    inner = inner_treedef if inner_treedef is not None else tree_structure(subtrees[0])
    columns = zip(*(inner.flatten_up_to(subtree) for subtree in subtrees), strict=True)
    return tree_unflatten(inner, [tree_unflatten(outer_treedef, column) for column in columns])


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`prefix_tree` with its leaves repeated to the structure of `full_tree`."""
    structure = tree_structure(full_tree, is_leaf)
    return tree_unflatten(structure, flatten_prefix(prefix_tree, full_tree, is_leaf))


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Pairs (key path, leaf), and the structure.

    Example:
        >>> pairs, _ = tree_flatten_with_path({"a": [1, 2]})
        >>> [keystr(path) for path, _ in pairs]
        ["['a'][0]", "['a'][1]"]
    """
    accessors, leaves, structure = optree.tree_flatten_with_accessor(tree, is_leaf, namespace=_SPACE)
    return [(_path(a), leaf) for a, leaf in zip(accessors, leaves, strict=True)], structure  # type: ignore[return-value]


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Pairs (key path, leaf)."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Like `tree_map`, with the key path as first argument of `f`."""
    pairs, structure = tree_flatten_with_path(tree, is_leaf)
    others = [structure.flatten_up_to(other) for other in rest]
    leaves = [f(path, leaf, *xs) for (path, leaf), *xs in zip(pairs, *others, strict=True)]
    return tree_unflatten(structure, leaves)


def _path(accessor: Any) -> KeyPath:
    return tuple(_key(entry) for entry in accessor)


def _key(entry: Any) -> Any:
    names = _key_names.get(entry.type)
    if names is not None:
        return names[entry.entry] if isinstance(entry.entry, int) and entry.entry < len(names) else entry.entry
    if isinstance(entry, (optree.NamedTupleEntry, optree.StructSequenceEntry)):
        return GetAttrKey(entry.field)
    if isinstance(entry, (optree.DataclassEntry, optree.GetAttrEntry)):
        return GetAttrKey(entry.name)
    if isinstance(entry, optree.MappingEntry):
        return DictKey(entry.entry)
    if isinstance(entry, optree.SequenceEntry):
        return SequenceKey(entry.entry)
    return entry.entry if dataclasses.is_dataclass(entry.entry) else FlattenedIndexKey(entry.entry)


_key_names: dict[type, tuple[Any, ...]] = {}


def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """A key path as text: `['a'][0].b`; with `simple`, only the names, joined by `separator`.

    Example:
        >>> keystr((DictKey("a"), SequenceKey(0)), simple=True, separator="/")
        'a/0'
    """
    return separator.join(_simple(key) if simple else str(key) for key in keys)


def _simple(key: Any) -> str:
    for field in ("key", "idx", "name"):
        if hasattr(key, field):
            return str(getattr(key, field))
    return str(key)


def register_pytree_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_with_keys_func: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make instances of `nodetype` containers.

    Args:
        nodetype: the class.
        flatten_func: instance -> (children, auxiliary data); the data must be hashable and comparable.
        unflatten_func: (auxiliary data, children) -> instance.
        flatten_with_keys_func: instance -> (pairs (key, child), auxiliary data), for key paths.
    """

    def flatten(x: Any) -> Any:
        if flatten_with_keys_func is not None:
            pairs, aux = flatten_with_keys_func(x)
            pairs = list(pairs)
            return [child for _, child in pairs], aux, tuple(key for key, _ in pairs)
        children, aux = flatten_func(x)
        return children, aux

    optree.register_pytree_node(nodetype, flatten, unflatten_func, namespace=_SPACE)


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], Any],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], Any] | None = None,
) -> None:
    """`register_pytree_node` for a flatten function that gives keys."""

    def flatten(x: Any) -> Any:
        pairs, aux = flatten_with_keys(x)
        return [child for _, child in pairs], aux

    register_pytree_node(nodetype, flatten_func or flatten, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: type) -> type:
    """Class decorator: the class has `tree_flatten(self)` and `tree_unflatten(cls, aux, children)`."""
    register_pytree_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys_class(cls: type) -> type:
    """Class decorator: the class has `tree_flatten_with_keys(self)` and `tree_unflatten(cls, aux, children)`."""
    flatten = getattr(cls, "tree_flatten", None)
    register_pytree_with_keys(
        cls,
        lambda x: x.tree_flatten_with_keys(),
        cls.tree_unflatten,  # type: ignore[attr-defined]
        None if flatten is None else lambda x: x.tree_flatten(),
    )
    return cls


def register_dataclass(
    nodetype: type,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> type:
    """Make a dataclass a container: `data_fields` are children, `meta_fields` belong to the structure.

    Fields default to all fields; those with `metadata={"static": True}` are meta fields.
    """
    if data_fields is None or meta_fields is None:
        fields = [f for f in dataclasses.fields(nodetype) if f.init and f.name not in drop_fields]
        meta_fields = [f.name for f in fields if f.metadata.get("static", False)]
        data_fields = [f.name for f in fields if not f.metadata.get("static", False)]
    data, meta = tuple(data_fields), tuple(meta_fields)

    def flatten_with_keys(x: Any) -> Any:
        return [(GetAttrKey(n), getattr(x, n)) for n in data], tuple(getattr(x, n) for n in meta)

    def unflatten(aux: Any, children: Any) -> Any:
        return nodetype(**dict(zip(data, children, strict=True)), **dict(zip(meta, aux, strict=True)))

    register_pytree_with_keys(nodetype, flatten_with_keys, unflatten)
    return nodetype


def register_static(cls: type) -> type:
    """Class decorator: instances are part of the structure and have no leaves."""
    register_pytree_node(cls, lambda x: ((), x), lambda aux, _: aux)
    return cls


class Partial(functools.partial):  # type: ignore[type-arg]
    """`functools.partial` that is a container of its arguments, so that it can pass through transformations."""


register_pytree_with_keys(
    Partial,
    lambda x: ([(GetAttrKey("args"), x.args), (GetAttrKey("keywords"), x.keywords)], x.func),
    lambda func, xs: Partial(func, *xs[0], **xs[1]),
)


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """Structures of the children of the outermost node."""
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is a single leaf."""
    return treedef.is_leaf()


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of these structures."""
    return optree.treespec_tuple(treedefs, namespace=_SPACE)


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf = None) -> bool:
    """Whether every element is a leaf."""
    return all(tree_structure(x, is_leaf).is_leaf() for x in iterable)


def flatten_prefix(prefix: Any, full: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of `prefix`, each repeated for the leaves of the subtree of `full` below it. None is a leaf here.

    Raises:
        ValueError: `prefix` is not a prefix of `full`.
    """
    if prefix is None or isinstance(prefix, int):
        return [prefix] * len(tree_leaves(full, is_leaf))
    structure = optree.tree_structure(prefix, none_is_leaf=True, namespace=_SPACE)
    try:
        subtrees = structure.flatten_up_to(full)
    except ValueError as error:
        raise ValueError(f"the tree {prefix!r} is not a prefix of the arguments: {error}") from None
    leaves = optree.tree_leaves(prefix, none_is_leaf=True, namespace=_SPACE)
    return [leaf for leaf, sub in zip(leaves, subtrees, strict=True) for _ in tree_leaves(sub, is_leaf)]


def leaf_names(args: Sequence[Any], kwargs: dict[str, Any], parameter_names: Sequence[str]) -> list[str]:
    """Names of all leaves of (args, kwargs): `x`, `params['w']`."""
    names = []
    for name, arg in zip(parameter_names, args, strict=True):
        names += [name + keystr(path) for path, _ in tree_leaves_with_path(arg)]
    for name in sorted(kwargs):
        names += [name + keystr(path) for path, _ in tree_leaves_with_path(kwargs[name])]
    return names


class _Tree(NamedTuple):
    """The short names: `tree.map`, `tree.leaves`, ..."""

    map: Any = staticmethod(tree_map)
    leaves: Any = staticmethod(tree_leaves)
    flatten: Any = staticmethod(tree_flatten)
    unflatten: Any = staticmethod(tree_unflatten)
    structure: Any = staticmethod(tree_structure)
    all: Any = staticmethod(tree_all)
    reduce: Any = staticmethod(tree_reduce)
    transpose: Any = staticmethod(tree_transpose)
    broadcast: Any = staticmethod(tree_broadcast)
    map_with_path: Any = staticmethod(tree_map_with_path)
    flatten_with_path: Any = staticmethod(tree_flatten_with_path)
    leaves_with_path: Any = staticmethod(tree_leaves_with_path)


tree = _Tree()
