"""A broken rule, and whether anybody notices: each one lives and dies in a forked process of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

__all__ = ["FAILED", "SURVIVED", "Mutant", "in_forks", "noticed"]

T = TypeVar("T")

SURVIVED, NOTICED, FAILED = 0, 1, 3  # exit codes; the last: the work itself raised


class Mutant(NamedTuple):
    """One break: `apply` makes it, `check` raises if it is noticed."""

    name: str
    apply: Callable[[], None]
    check: Callable[[], None]


def noticed(mutant: Mutant) -> int:
    """`NOTICED` if the checks of a mutant fail, else `SURVIVED`. Call it in a process of its own."""
    mutant.apply()
    try:
        mutant.check()
    except BaseException:  # whatever a broken rule leads to, somebody has noticed
        return NOTICED
    return SURVIVED


def in_forks(jobs: Iterable[T], work: Callable[[T], int], seconds: int, workers: int = 2) -> Iterator[tuple[T, int]]:
    """(job, the exit code that `work(job)` gave) as they end; work that takes longer than `seconds` is killed."""
    running: dict[int, T] = {}
    for job in jobs:
        if len(running) == workers:
            yield _ended(running)
        running[_start(work, job, seconds)] = job
    while running:
        yield _ended(running)


def _start(work: Callable[[Any], int], job: Any, seconds: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        signal.alarm(seconds)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        code = work(job)
    finally:
        os._exit(code)


def _ended(running: dict[int, Any]) -> tuple[Any, int]:
    child, status = os.wait()
    return running.pop(child), os.waitstatus_to_exitcode(status)
