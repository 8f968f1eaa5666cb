"""Gradients of long Python loops: time per operation and peak memory as the loop grows. Run with `make bench`."""

from __future__ import annotations

import resource
import time

import minijax as mj
import minijax.numpy as mnp


def loop(count: int):
    """`count` operations on a scalar."""

    def f(x):
        for _ in range(count // 2):
            x = mnp.sin(x) * 1.0001
        return x

    return f


def main() -> None:
    """Print one line per length. The first length is short enough to be differentiated as a repeated program."""
    mj.grad(loop(10))(0.5)
    for count in (1_000, 10_000, 100_000):
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            mj.grad(loop(count))(0.5)
            best = min(best, time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count:7} operations: {best / count * 1e6:5.1f} us each, peak memory of the process {peak:.0f} MB")


if __name__ == "__main__":
    main()
