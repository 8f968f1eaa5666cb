"""The suite's own tests as judges: which of them reach a function, and whether they notice that it is broken.

pytest collects once. Each test then runs in a fork, which writes down the functions it enters and its time; a broken
function is judged by the tests that enter it, the fastest first, until one fails or a few seconds are used up.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NamedTuple

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.broken import in_forks

__all__ = ["Suite", "with_suite"]

Place = tuple[str, str]  # file, qualified name of the outermost function

SLOW = 3  # seconds: a test that takes longer is not asked
FIRST = "test_mixed_operands.py"  # judges that see the most in the shortest time, beside those that mirror the file
MOST = 40  # rows of one parametrised test that are asked


class Judge(NamedTuple):
    seconds: float
    item: Any


class Suite:
    """The tests that were collected, by the functions that they enter."""

    def __init__(self, items: Sequence[Any], files: set[str]) -> None:
        self.judges: dict[Place, list[Judge]] = {}
        with tempfile.TemporaryDirectory() as folder:
            jobs = [(item, os.path.join(folder, str(number))) for number, item in enumerate(_sample(items))]
            for (item, path), code in in_forks(jobs, lambda job: _recorded(*job, files), SLOW):
                if code == 0:
                    with open(path) as file:
                        seconds, places = json.load(file)
                    for place in places:
                        self.judges.setdefault(tuple(place), []).append(Judge(seconds, item))
        for judges in self.judges.values():
            judges.sort(key=lambda judge: judge.seconds)

    def judge(self, place: Place, seconds: float) -> None:
        """Run the tests that enter a function, those that fit into so many seconds. Raises AssertionError."""
        mirror = f"test_{os.path.basename(place[0]).strip('_')}"
        judges = sorted(self.judges.get(place, []), key=lambda judge: judge.item.path.name not in (mirror, FIRST))
        for took, item in judges:
            seconds -= took
            if seconds < 0:
                break
            assert not _fails(item)


def _sample(items: Sequence[Any]) -> list[Any]:
    """At most `MOST` rows of every test, evenly spaced."""
    rows: dict[Any, list[Any]] = {}
    for item in items:
        rows.setdefault((item.path, item.originalname), []).append(item)
    steps = [1 if path.name == FIRST else -(-len(found) // MOST) for (path, _), found in rows.items()]
    return [item for found, step in zip(rows.values(), steps, strict=True) for item in found[::step]]


def _recorded(item: Any, path: str, files: set[str]) -> int:
    """Run a test and write down how long it took and which functions of `files` it entered."""
    entered: set[Place] = set()

    def enter(frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if code.co_filename in files:
            entered.add((code.co_filename, code.co_qualname.partition(".<locals>")[0]))

    started = time.perf_counter()
    sys.settrace(enter)
    failed = _fails(item)
    sys.settrace(None)
    with open(path, "w") as file:
        json.dump([time.perf_counter() - started, sorted(entered)], file)
    return int(failed)


def _fails(item: Any) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def with_suite(targets: Sequence[str], files: set[str], work: Callable[[Suite], None]) -> None:
    """Collect the tests in `targets` and call `work` while pytest is up."""

    class Loop:
        def pytest_runtestloop(self, session: Any) -> bool:
            work(Suite(session.items, files))
            return True

    pytest.main([*targets, "--capture=no", "-qq", "-p", "no:cacheprovider"], plugins=[Loop()])
