"""Key paths: the steps from the root of a tree to a leaf, and how they are written.

In: optree's entries. Out: JAX's key classes, and texts such as `['a'][0].b`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

import optree

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "KeyedEntry",
    "SequenceKey",
    "key_of",
    "keystr",
]


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


class KeyedEntry(optree.PyTreeEntry):
    """A step into a child that was registered with a key."""

    __slots__ = ()


_STEPS: dict[type, Callable[[Any], Any]] = {
    KeyedEntry: lambda e: e.entry,
    optree.FlattenedEntry: lambda e: FlattenedIndexKey(e.entry),
    optree.SequenceEntry: lambda e: SequenceKey(e.entry),
    optree.MappingEntry: lambda e: DictKey(e.entry),
    optree.NamedTupleEntry: lambda e: GetAttrKey(e.field),
    optree.StructSequenceEntry: lambda e: GetAttrKey(e.field),
}


def key_of(entry: Any) -> Any:
    """JAX's key for a step as optree describes it."""
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
