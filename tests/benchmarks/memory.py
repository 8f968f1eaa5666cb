"""The peak memory of a call, as Linux counts it: native code's as well as Python's and NumPy's."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

# an environment in which the allocator gives back what is freed: it is read when a process starts
RETURN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}


def peak(run: Callable[[], Any]) -> int:
    """Bytes that `run` holds at its peak above what was resident before it, and what its programs keep between calls.

    Writing 5 to /proc/self/clear_refs resets VmHWM, the mark that the kernel keeps. The process must have been started
    with `RETURN_MEMORY`.
    """
    for _ in range(3):  # what is compiled once is not counted
        run()
    gc.collect()
    peaks = []
    for _ in range(3):
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        before = status("VmRSS")
        run()
        peaks.append(status("VmHWM") - before)
    kept = sum(x.size for x in gc.get_objects() if type(x).__name__ == "Workspace")
    return max(peaks) + kept


def status(field: str) -> int:
    """A line of /proc/self/status that is in kB, in bytes."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(field))
