"""Gradients of loops that are one equation: how time and peak memory grow with their length, and what checkpointing saves.

Time is the best of three runs; memory is what the process holds at its peak while the gradient is computed, above what was
there before (`memory.py`). Run with `make bench`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import minijax as mj
import minijax.numpy as mnp
from minijax import lax

from .memory import RETURN_MEMORY, peak

WIDTH = 10_000  # float32 elements of the carry
OPERATIONS = 16  # per step


def step(x):
    """A step with `OPERATIONS` nonlinear operations, each of which needs its own residual."""
    for _ in range(OPERATIONS // 2):
        x = mnp.sin(mnp.exp(-x))
    return x


def scanned(body: Callable, length: int) -> Callable:
    """The sum of a carry after `length` steps."""
    return lambda x: mnp.sum(lax.scan(lambda c, _: (body(c), None), x, None, length=length)[0])


def looped(length: int, every: int | None) -> Callable:
    """The same as a while loop that keeps every so-manieth carry."""

    def f(x):
        _, x = lax.while_loop(
            lambda c: c[0] < length, lambda c: (c[0] + 1, step(c[1])), (0, x), checkpoint_every=every
        )
        return mnp.sum(x)

    return f


def seconds(run: Callable) -> float:
    """The best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def slope() -> None:
    """Time and memory per step of a scan of scalars."""
    print("grad of a scan of scalars, sin(c) * v a step")
    for length in (1_000, 10_000, 100_000):
        xs, g = mnp.ones(length), mj.grad(lambda c, xs: lax.scan(lambda c, v: (mnp.sin(c) * v, None), c, xs)[0])
        g(0.5, xs)
        each = seconds(lambda g=g, xs=xs: g(0.5, xs)) / length * 1e6
        print(
            f"  {length:7} steps: {each:5.1f} us a step, peak {peak(lambda g=g, xs=xs: g(0.5, xs)) / length:6.1f} bytes a step"
        )


def checkpointed() -> None:
    """Peak memory with and without recomputation, and its growth from one length to the next."""
    x, row = mnp.full(WIDTH, 0.3), WIDTH * 4
    print(f"grad of a loop of steps with {OPERATIONS} operations on {WIDTH} float32; peak in arrays of that size")
    rows: dict[str, list[float]] = {}
    for length in (100, 400):
        root = round(length**0.5)
        loops = {
            "scan": scanned(step, length),
            "scan with checkpoint": scanned(mj.checkpoint(step), length),
            "while": looped(length, None),
            "while with checkpoint_every=sqrt(n)": looped(length, root),
        }
        for name, f in loops.items():
            mj.clear_caches()  # and what the programs before keep
            rows.setdefault(name, []).append(peak(lambda f=f: mj.grad(f)(x)) / row)
    theory = {
        "scan": f"{OPERATIONS} a step",
        "scan with checkpoint": "1 a step (its carry)",
        "while": f"{OPERATIONS} a step",
        "while with checkpoint_every=sqrt(n)": f"{(OPERATIONS + 1) * 10 / 300:.2f} a step: {OPERATIONS} + 1 per sqrt(n)",
    }
    for name, (short, long) in rows.items():
        print(
            f"  {name:36}{short:6.0f} at 100 steps, {long:6.0f} at 400: {(long - short) / 300:5.2f} a step; theory {theory[name]}"
        )


if __name__ == "__main__":
    if not RETURN_MEMORY.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks.control_flow"], os.environ | RETURN_MEMORY)
    slope()
    checkpointed()
