"""Passes: programs to programs with the same meaning. `apply` is the one way to run them.

In: a ClosedJaxpr. Out: a ClosedJaxpr with the same inputs, outputs and effects that computes the same numbers,
bit by bit (zeros keep their signs, nan stays nan). A pass is pure and idempotent, works through sub-Jaxprs, and
keeps the source of every equation it keeps.

    dce             drop what nobody reads
    cse             compute equal things once
    fold_constants  compute now what depends on constants only
    inline_calls    replace `jit` equations by their bodies
    lift_guards     decide as early as possible whether the program is the right one
    rewrite         apply the primitives' own `simplify` rules

`apply` records programs before and after (`recording`), times, and checks the result when
`config.jax_enable_checks` is set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ...config import config
from ..check import check_jaxpr
from ..jaxpr import ClosedJaxpr

__all__ = ["Record", "apply", "recording"]


class Record(NamedTuple):
    """One run of a pass: its name, the programs before and after, and the seconds it took."""

    name: str
    before: ClosedJaxpr
    after: ClosedJaxpr
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether the pass did anything."""
        return self.after is not self.before


class _Listeners(threading.local):
    def __init__(self) -> None:
        self.stack: list[list[Record]] = []


_listeners = _Listeners()


@contextmanager
def recording() -> Iterator[list[Record]]:
    """Collect a `Record` of every pass that this thread runs inside the context. Contexts nest.

    Example:
        >>> from minijax.ir.passes import recording
        >>> with recording() as records:
        ...     pass
        >>> records
        []
    """
    records: list[Record] = []
    _listeners.stack.append(records)
    try:
        yield records
    finally:
        _listeners.stack.pop()


def apply(
    name: str, function: Callable[..., ClosedJaxpr], closed: ClosedJaxpr, *args: Any, **options: Any
) -> ClosedJaxpr:
    """`function(closed, *args, **options)`: recorded under `name`, timed, and checked if the configuration says so.

    Raises:
        JaxprTypeError: `config.jax_enable_checks` is set and the pass made an ill-typed program.
    """
    start = time.perf_counter()
    after = function(closed, *args, **options)
    seconds = time.perf_counter() - start
    if config.jax_enable_checks:
        check_jaxpr(after)
    for records in _listeners.stack:
        records.append(Record(name, closed, after, seconds))
    return after
