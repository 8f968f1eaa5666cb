"""What a benchmark case is: data, and one function of it per library, each in that library's own style.

minijax and jax have the same API, so `functions["minijax"]` and `functions["jax"]` are one text called with either module.
Torch and autograd have theirs where people would write such a program with them (`torch_peers.py`, `autograd_peers.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["CASES", "Case", "case", "normal"]


@dataclass
class Case:
    """A program to time.

    Attributes:
        name: how the command line and the table call it.
        group: the table's section.
        bar: the ratio to jax.jit that is asked of it.
        build: `(lib, numpy of lib) -> (function, arguments)`; arguments are NumPy arrays (or pytrees of them).
        x64: whether it runs in double precision.
        peers: {library: `(*arguments) -> run`}, where `run()` computes and returns what the function returns.
    """

    name: str
    group: str
    bar: float
    build: Callable[..., Any]
    x64: bool = False
    peers: dict[str, Callable[..., Any]] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def case(
    name: str, group: str, bar: float = 1.25, *, x64: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `build` as a case."""

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        CASES[name] = Case(name, group, bar, build, x64)
        return build

    return register


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal float32, the same on every call."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
