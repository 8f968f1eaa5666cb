"""Where arrays and tracers get their operators: one table, filled from above.

In: a table of names (dunders, methods, properties) to functions of `self`. Out: `Array` and `Tracer` with these attributes.
`minijax.numpy` makes the table; nothing is imported upward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .array import Array
from .ir import Tracer

__all__ = ["install"]


def install(
    methods: Mapping[str, Callable[..., Any]],
    properties: Mapping[str, Callable[[Any], Any]],
    *,
    only: type | None = None,
) -> None:
    """Set functions as methods and getters as properties of `Array` and `Tracer`.

    Args:
        methods: from attribute name to function; the first argument is the array.
        properties: from attribute name to getter.
        only: one of the two classes, for what the other does differently.
    """
    for cls in (Array, Tracer) if only is None else (only,):
        for name, function in methods.items():
            setattr(cls, name, function)
        for name, getter in properties.items():
            setattr(cls, name, property(getter, doc=getter.__doc__))
