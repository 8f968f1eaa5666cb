"""named_call and named_scope: names for parts of a program.

In JAX they label XLA's profile. Here every equation knows its source line and function, so they label nothing: code that
uses them runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["named_call", "named_scope"]


@contextmanager
def named_scope(name: str) -> Iterator[None]:
    """A context, or a decorator, that names what is traced inside it.

    Raises:
        TypeError: `name` is no string.

    Example:
        >>> with named_scope("layer"):
        ...     y = 1.0
    """
    if not isinstance(name, str):
        raise TypeError(f"named_scope name argument must be a string; got {name!r}")
    yield


def named_call(fun: Callable[..., Any], *, name: str | None = None) -> Callable[..., Any]:
    """`fun` inside a `named_scope` of its own name, or of `name`."""
    return named_scope(fun.__name__ if name is None else name)(fun)
