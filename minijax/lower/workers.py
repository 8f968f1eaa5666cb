"""Threads that share the loops of large kernels.

In: a kernel as functions of its arrays, one for each part of its outermost loop. Out: all parts done, by the calling thread and
by a pool that stays. `config.minijax_num_threads` (1 by default) says how many parts. No turn of such a loop needs what another
one writes, so results do not depend on the number. Parts are native and let go of the GIL.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..config import config

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["LARGE", "Divided", "bounds"]

LARGE = 1 << 20  # scalar operations from which a kernel is shared: it takes far longer than waking a thread
_ALIGNED = 16  # turns: parts meet at the ends of cache lines where an element is a turn

Part = Callable[..., int]
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def bounds(turns: int, parts: int) -> list[tuple[int, int]]:
    """Begin and end of each part of a loop; fewer parts where there are few turns.

    Example:
        >>> bounds(100, 3)
        [(0, 32), (32, 64), (64, 100)]
    """
    unit = _ALIGNED if turns >= _ALIGNED * parts else 1
    parts = min(parts, turns)
    ends = [turns * k // parts // unit * unit for k in range(parts)] + [turns]
    return [*pairwise(ends)]


class Divided:
    """A kernel that is called whole, or in parts by several threads.

    Args:
        turns: of its outermost loop.
        part: makes the function of a part of them; it returns 0, or another number and has done nothing.
    """

    def __init__(self, turns: int, part: Callable[[int, int], Part]) -> None:
        self.turns = turns
        self.part = part
        self.parts: dict[int, list[Part]] = {}

    def __call__(self, *arrays: Any) -> int:
        count = config.minijax_num_threads
        parts = self.parts.get(count)
        if parts is None:
            parts = self.parts[count] = [self.part(*pair) for pair in bounds(self.turns, count)]
        if len(parts) == 1:
            return parts[0](*arrays)
        own, *others = parts
        waiting = [_executor().submit(other, *arrays) for other in others]
        return max([own(*arrays), *(found.result() for found in waiting)])


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor  # most programs never need it

            _pool = ThreadPoolExecutor(os.cpu_count(), "minijax")
        return _pool


def _forget() -> None:
    """In a forked process: its parent's threads are not there."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
