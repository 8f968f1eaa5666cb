"""One measurement in a process of its own: `python -m tests.benchmarks.child steady|cold|memory CASE ...`, JSON on stdout.

A fresh process knows no compiled program, no warm allocator and no other case; the number of threads is set before any
library is imported.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .cases import CASES, Case
from .memory import peak

ROUNDS, SLICE = 9, 0.03  # rounds of interleaved runs; seconds that a library runs in each


def libraries() -> dict[str, tuple[Any, Any]]:
    """{name: (library, its numpy)} of those that share the API."""
    import jax
    import jax.numpy as jnp

    import minijax as mj
    import minijax.numpy as mnp

    return {"minijax": (mj, mnp), "jax": (jax, jnp)}


def prepare(case: Case, name: str, lib: Any, np_: Any) -> tuple[Any, Any]:
    """The jitted function and its arguments as the library's arrays."""
    lib.config.update("jax_enable_x64", case.x64)
    f, args = case.build(lib, np_)
    return lib.jit(f), lib.tree_util.tree_map(np_.asarray, args)


def ready(lib: Any, tree: Any) -> None:
    for x in lib.tree_util.tree_leaves(tree):
        x.block_until_ready()


def runner(case: Case, name: str, lib: Any, np_: Any) -> tuple[Callable[[], Any], Callable[[], list[np.ndarray]]]:
    """A call that waits for its results, and the results as NumPy arrays."""
    g, args = prepare(case, name, lib, np_)
    waits = name != "minijax"

    def run() -> None:
        out = g(*args)
        if waits:
            ready(lib, out)

    return run, lambda: [np.asarray(x) for x in lib.tree_util.tree_leaves(g(*args))]


def agree(name: str, ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    """Results that are compared before anything is timed; differences in rounding grow along long programs."""
    assert len(ours) == len(theirs), f"{name}: {len(ours)} results, {len(theirs)} expected"
    for a, b in zip(ours, theirs, strict=True):
        scale = float(np.nanmax(np.abs(b), initial=0.0))
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=3e-3 * scale, err_msg=name)


def steady(case: Case, threads: int) -> dict[str, Any]:
    """Seconds per call of every library in every round, after all have given the same results."""
    runs: dict[str, Callable[[], Any]] = {}
    results: dict[str, list[np.ndarray]] = {}
    for name, (lib, np_) in libraries().items():
        runs[name], values = runner(case, name, lib, np_)
        results[name] = values()
    add_peers(case, threads, runs, results)
    for name, values_ in results.items():
        agree(name, values_, results["jax"])
    for run in runs.values():
        run()
    number = {name: max(1, int(SLICE / max(seconds(run, 2), 1e-7))) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(seconds(run, number[name]))
    return times


def add_peers(
    case: Case, threads: int, runs: dict[str, Callable[[], Any]], results: dict[str, list[np.ndarray]]
) -> None:
    """Torch and autograd where they are installed and the case has their version."""
    import torch

    from .cases import autograd_peers, torch_peers

    assert autograd_peers and torch_peers
    torch.set_num_threads(threads)
    _, args = case.build(*libraries()["jax"])
    for name, build in case.peers.items():
        runs[name] = build(*args)
        results[name] = [np.asarray(x) for x in runs[name]()]


def seconds(run: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def cold(case: Case, name: str) -> dict[str, float]:
    """Seconds from the first call to its result, when another program was compiled before."""
    lib, np_ = libraries_one(name)
    ready(lib, lib.jit(lambda x: x * 3 + 1)(np_.ones(3)))
    g, args = prepare(case, name, lib, np_)
    start = time.perf_counter()
    ready(lib, g(*args))
    return {"first_call": time.perf_counter() - start}


def libraries_one(name: str) -> tuple[Any, Any]:
    """A library alone, so that the other is not even imported."""
    if name == "jax":
        import jax
        import jax.numpy as jnp

        return jax, jnp
    import minijax as mj
    import minijax.numpy as mnp

    return mj, mnp


def memory(case: Case, name: str) -> dict[str, float]:
    """Bytes that a call holds at its peak."""
    lib, np_ = libraries_one(name)
    g, args = prepare(case, name, lib, np_)
    return {"peak": peak(lambda: ready(lib, g(*args)))}


def main(kind: str, case: str, option: str) -> None:
    measurement = {"steady": lambda: steady(CASES[case], int(option)), "cold": lambda: cold(CASES[case], option)}
    measurement["memory"] = lambda: memory(CASES[case], option)
    print(json.dumps(measurement[kind]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
