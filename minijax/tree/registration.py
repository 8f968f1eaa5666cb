"""Registration: classes whose instances are containers, or parts of the structure; `Partial`.

In: a class, and how it is taken apart and put together. Out: nothing; from then on its instances are flattened.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import optree

from .flattening import SPACE, known_leaf_types
from .keys import GetAttrKey, KeyedEntry

__all__ = [
    "Partial",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "static",
]


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
        _register(nodetype, lambda x: _separated(*flatten_with_keys_func(x)), unflatten_func, KeyedEntry)


def _separated(pairs: Iterable[tuple[Any, Any]], aux: Any) -> tuple[list[Any], Any, tuple[Any, ...]]:
    """What optree wants of a node with keys: children, auxiliary data, keys."""
    pairs = list(pairs)
    return [child for _, child in pairs], aux, tuple([key for key, _ in pairs])


def _register(nodetype: type, flatten_func: Any, unflatten_func: Any, steps: type) -> None:
    try:
        optree.register_pytree_node(nodetype, flatten_func, unflatten_func, path_entry_type=steps, namespace=SPACE)
    except ValueError as error:
        raise ValueError(f"Duplicate custom PyTreeDef type registration for {nodetype}: {error}") from None
    known_leaf_types.discard(nodetype)


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], Any],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], Any] | None = None,
) -> None:
    """`register_pytree_node` for a flatten function that gives keys; `flatten_func` is accepted and not needed."""
    _register(nodetype, lambda x: _separated(*flatten_with_keys(x)), unflatten_func, KeyedEntry)


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

    _register(nodetype, flatten_fields, unflatten_fields, KeyedEntry)
    return nodetype


def static(**kwargs: Any) -> Any:
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
        >>> mj.tree.leaves(Partial(pow, 2))
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
