"""Pytrees: nested containers of arrays, over optree; key paths and the names of arguments.

In: dicts, lists, tuples, namedtuples, dataclasses and registered classes. Out: their leaves in a fixed order and a
`PyTreeDef` that puts leaves back. None is an empty container; the leaves of a dict are in the order of its sorted keys.
A bare leaf and a flat tuple of leaves, the arguments and results of most functions, are flattened without optree.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import optree

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "build_tree",
    "flatten_one_level",
    "flatten_one_level_with_keys",
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
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

IsLeaf = Callable[[Any], bool] | None
_SPACE = "minijax"


@dataclasses.dataclass(frozen=True)
class DictKey:
    """A step into a dict."""

    key: Hashable
    __str__ = lambda self: f"[{self.key!r}]"


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """A step into a list or tuple."""

    idx: int
    __str__ = lambda self: f"[{self.idx!r}]"


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """A step into an attribute."""

    name: str
    __str__ = lambda self: f".{self.name}"


@dataclasses.dataclass(frozen=True)
class FlattenedIndexKey:
    """A step into the n-th child of a node registered without key names."""

    key: int
    __str__ = lambda self: f"[<flat index {self.key}>]"


KeyEntry = DictKey | SequenceKey | GetAttrKey | FlattenedIndexKey
KeyPath = tuple[Any, ...]


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
        text = str(self.spec).removeprefix("PyTreeSpec(")[:-1].removesuffix(f", namespace={_SPACE!r}")
        return f"PyTreeDef({text.replace('CustomTreeNode(', 'CustomNode(')})"


def _interned(spec: optree.PyTreeSpec) -> PyTreeDef:
    return _LEAF if spec.num_nodes == 1 and spec.num_leaves == 1 else PyTreeDef(spec)


_LEAF = PyTreeDef(optree.treespec_leaf())
_LONGEST = 32
# The structures of flat tuples of 0, 1, 2, ... leaves.
_TUPLES = [PyTreeDef(optree.treespec_tuple([_LEAF.spec] * n, namespace=_SPACE)) for n in range(_LONGEST)]
# Types known to be leaves, which depends on nothing else; others are learned, and forgotten when they are registered.
_leaf_types: set[type] = {bool, int, float, complex, np.ndarray}
_MOST_TYPES = 512


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of `tree` and its structure; where `is_leaf` is true there is a leaf, whatever its type.

    Example:
        >>> tree_flatten({"b": 1, "a": (2, None)})
        ([2, 1], PyTreeDef({'a': (*, None), 'b': *}))
    """
    if is_leaf is None:
        kind = type(tree)
        if kind in _leaf_types:
            return [tree], _LEAF
        if kind is tuple and len(tree) < _LONGEST and _leaf_types.issuperset(map(type, tree)):
            return list(tree), _TUPLES[len(tree)]
    leaves, spec = optree.tree_flatten(tree, is_leaf, namespace=_SPACE)
    nodes = spec.num_nodes
    if is_leaf is None and ((nodes == 1 and leaves) or (kind is tuple and nodes - 1 == len(leaves))):
        _leaf_types.update(map(type, leaves))
        if len(_leaf_types) > _MOST_TYPES:  # a program that makes types without end
            _leaf_types.clear()
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
        if (is_leaf is not None and is_leaf(a)) or optree.tree_is_leaf(a, namespace=_SPACE):
            continue
        try:
            optree.tree_structure(a, lambda x, a=a: x is not a, namespace=_SPACE).flatten_up_to(b)
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


def build_tree(treedef: PyTreeDef, xs: Any) -> Any:
    """The tree of this structure from nested iterables: an iterable of children for each container."""
    if treedef.is_leaf():
        return xs
    found = [build_tree(child, x) for child, x in zip(treedef.children(), xs, strict=True)]
    return treedef.spec.one_level().unflatten(found)


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Pairs (key path, leaf), and the structure.

    Example:
        >>> tree_flatten_with_path({"a": [1]})
        ([((DictKey(key='a'), SequenceKey(idx=0)), 1)], PyTreeDef({'a': [*]}))
    """
    accessors, leaves, spec = optree.tree_flatten_with_accessor(tree, is_leaf, namespace=_SPACE)
    pairs = [(tuple([_key(entry) for entry in path]), leaf) for path, leaf in zip(accessors, leaves, strict=True)]
    return pairs, _interned(spec)  # type: ignore[arg-type]


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Pairs (key path, leaf)."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Like `tree_map`, with the key path as first argument of `f`."""
    pairs, structure = tree_flatten_with_path(tree, is_leaf)
    others = [_up_to(structure, tree, other, is_leaf, "tree_map_with_path") for other in rest]
    leaves = [f(path, leaf, *xs) for (path, leaf), *xs in zip(pairs, *others, strict=True)]
    return tree_unflatten(structure, leaves)


def flatten_one_level(tree: Any) -> tuple[list[Any], Any]:
    """The children of the outermost container, and its auxiliary data. Raises ValueError for a leaf."""
    children, metadata, *_ = optree.tree_flatten_one_level(tree, namespace=_SPACE)
    return children, metadata


def flatten_one_level_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """Pairs (key, child) of the outermost container, and its auxiliary data. Raises ValueError for a leaf."""
    pairs = tree_leaves_with_path(tree, lambda x: x is not tree)
    return [(path[0], child) for path, child in pairs], flatten_one_level(tree)[1]


class _Keyed(optree.PyTreeEntry):
    """A step into a child that was registered with a key."""

    __slots__ = ()


_STEPS: dict[type, Callable[[Any], Any]] = {
    _Keyed: lambda e: e.entry,
    optree.FlattenedEntry: lambda e: FlattenedIndexKey(e.entry),
    optree.SequenceEntry: lambda e: SequenceKey(e.entry),
    optree.MappingEntry: lambda e: DictKey(e.entry),
    optree.NamedTupleEntry: lambda e: GetAttrKey(e.field),
    optree.StructSequenceEntry: lambda e: GetAttrKey(e.field),
}


def _key(entry: Any) -> Any:
    return _STEPS.get(type(entry), _STEPS[optree.FlattenedEntry])(entry)


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

    Raises:
        ValueError: the class is a container already.
    """
    if flatten_with_keys_func is None:
        _register(nodetype, lambda x: tuple(flatten_func(x)), unflatten_func, optree.FlattenedEntry)
    else:
        _register(nodetype, lambda x: _separated(*flatten_with_keys_func(x)), unflatten_func, _Keyed)


def _separated(pairs: Iterable[tuple[Any, Any]], aux: Any) -> tuple[list[Any], Any, tuple[Any, ...]]:
    """What optree wants of a node with keys: children, auxiliary data, keys."""
    pairs = list(pairs)
    return [child for _, child in pairs], aux, tuple([key for key, _ in pairs])


def _register(nodetype: type, flatten_func: Any, unflatten_func: Any, steps: type) -> None:
    try:
        optree.register_pytree_node(nodetype, flatten_func, unflatten_func, path_entry_type=steps, namespace=_SPACE)
    except ValueError as error:
        raise ValueError(f"Duplicate custom PyTreeDef type registration for {nodetype}: {error}") from None
    _leaf_types.discard(nodetype)


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], Any],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], Any] | None = None,
) -> None:
    """`register_pytree_node` for a flatten function that gives keys; `flatten_func` is accepted and not needed."""
    _register(nodetype, lambda x: _separated(*flatten_with_keys(x)), unflatten_func, _Keyed)


def register_pytree_node_class(cls: type) -> type:
    """Class decorator: the class has `tree_flatten(self)` and `tree_unflatten(cls, aux, children)`."""
    register_pytree_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys_class(cls: type) -> type:
    """Class decorator: the class has `tree_flatten_with_keys(self)` and `tree_unflatten(cls, aux, children)`."""
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_dataclass(
    nodetype: type,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> type:
    """Make a dataclass a container: `data_fields` are children, `meta_fields` belong to the structure.

    Args:
        nodetype: the class, also returned; need not be a dataclass if both lists are given.
        data_fields, meta_fields: names of fields; by default all, those with `metadata={"static": True}` as meta fields.
        drop_fields: fields that are left to their defaults.

    Raises:
        TypeError: only one of the two lists is given, or none for a class that is no dataclass.
        ValueError: the lists leave out a field of `__init__`, or name one that it does not have.
    """
    if (data_fields is None) != (meta_fields is None):
        raise TypeError(f"register_dataclass: give both lists or none, got {data_fields=} {meta_fields=}")
    fields = [f for f in dataclasses.fields(nodetype) if f.init] if dataclasses.is_dataclass(nodetype) else None
    if data_fields is None or meta_fields is None:
        if fields is None:
            raise TypeError(f"register_dataclass: {nodetype} is no dataclass; give data_fields and meta_fields")
        kept = [f for f in fields if f.name not in drop_fields]
        meta_fields = [f.name for f in kept if f.metadata.get("static", False)]
        data_fields = [f.name for f in kept if not f.metadata.get("static", False)]
    data, meta = tuple(data_fields), tuple(meta_fields)
    wanted = {*data, *meta} if fields is None else {f.name for f in fields} - {*drop_fields}
    if wanted != {*data, *meta}:
        raise ValueError(
            "register_dataclass: data_fields and meta_fields must name the fields of __init__, drop_fields those left to "
            f"their defaults. Missing fields: {sorted(wanted - {*data, *meta})}. "
            f"Unexpected fields: {sorted({*data, *meta} - wanted)}."
        )
    keys = tuple([GetAttrKey(name) for name in data])

    def flatten_fields(x: Any) -> Any:
        return [getattr(x, name) for name in data], tuple([getattr(x, name) for name in meta]), keys

    def unflatten_fields(aux: Any, children: Any) -> Any:
        return nodetype(**dict(zip(data, children, strict=True)), **dict(zip(meta, aux, strict=True)))

    _register(nodetype, flatten_fields, unflatten_fields, _Keyed)
    return nodetype


def _static(**kwargs: Any) -> Any:
    """`dataclasses.field` for a field that belongs to the structure."""
    return dataclasses.field(**{**kwargs, "metadata": {**(kwargs.get("metadata") or {}), "static": True}})


def register_static(cls: type) -> type:
    """Class decorator: instances are part of the structure and have no leaves."""
    register_pytree_node(cls, lambda x: ((), x), lambda aux, _: aux)
    return cls


@dataclasses.dataclass(frozen=True, slots=True)
class _Opaque:
    """A `functools.partial` inside a `Partial`: part of the structure, where `functools` would merge its arguments."""

    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


class Partial(functools.partial):  # type: ignore[type-arg]
    """`functools.partial` that is a container of its arguments, so that it can pass through transformations.

    Example:
        >>> tree_leaves(Partial(pow, 2))
        [2]
    """

    def __new__(cls, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Partial:
        function = _Opaque(func) if isinstance(func, functools.partial) else func
        return super().__new__(cls, function, *args, **kwargs)


register_pytree_with_keys(
    Partial,
    lambda x: ([(GetAttrKey("args"), x.args), (GetAttrKey("keywords"), x.keywords)], x.func),
    lambda func, xs: Partial(func, *xs[0], **xs[1]),
)


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """Structures of the children of the outermost node."""
    return treedef.children()


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is a single node: a leaf, or an empty container."""
    return treedef.num_nodes == 1


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of these structures."""
    return PyTreeDef(optree.treespec_tuple([treedef.spec for treedef in treedefs], namespace=_SPACE))


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf = None) -> bool:
    """Whether every element is a leaf."""
    return all(tree_structure(x, is_leaf).is_leaf() for x in iterable)


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
    leaves, spec = optree.tree_flatten(prefix, none_is_leaf=True, namespace=_SPACE)
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
        if type(arg) in _leaf_types:
            names.append(name)
        else:
            names += [name + keystr(path) for path, _ in tree_leaves_with_path(arg)]
    return names


class tree:
    """The short names: `tree.map`, `tree.leaves`, ..."""

    all = staticmethod(tree_all)
    broadcast = staticmethod(tree_broadcast)
    flatten = staticmethod(tree_flatten)
    flatten_with_path = staticmethod(tree_flatten_with_path)
    leaves = staticmethod(tree_leaves)
    leaves_with_path = staticmethod(tree_leaves_with_path)
    map = staticmethod(tree_map)
    map_with_path = staticmethod(tree_map_with_path)
    reduce = staticmethod(tree_reduce)
    reduce_associative = staticmethod(tree_reduce_associative)
    static = staticmethod(_static)
    structure = staticmethod(tree_structure)
    transpose = staticmethod(tree_transpose)
    unflatten = staticmethod(tree_unflatten)
