"""Compiled programs beside jax.jit, torch and autograd: every case, one thread and all cores, steady, cold, warm, memory.

    python -m tests.benchmarks.compiled [case or group ...] [--quick] [--out out/benchmarks.json] [--docs docs]

Each measurement is a process of its own (`child.py`). Steady state: results are compared first; then all libraries run in
turns for nine rounds; a ratio is taken within a round, and the median over rounds is reported with its quartiles. First
calls: the time to the first result, tracing and compiling included, alternating between the libraries; "warm" is the same
with the programs on disk, for both. Memory: what a call holds at its peak above what it found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import report
from .cases import CASES
from .memory import RETURN_MEMORY

FIRST_CALLS = 3


def child(arguments: list[str], threads: int, **environment: str) -> dict[str, Any]:
    """What `child.py` measures in a new process; its error, if it fails."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads), **environment}
    if threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    run = [sys.executable, "-m", "tests.benchmarks.child", *arguments]
    if threads == 1:
        run = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *run]
    done = subprocess.run(run, capture_output=True, text=True, env=env)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def ratio(times: dict[str, list[float]], other: str) -> dict[str, float]:
    """Median and quartiles over rounds of minijax's time in the other's."""
    low, middle, high = statistics.quantiles(
        (a / b for a, b in zip(times["minijax"], times[other], strict=True)), n=4
    )
    return {"ratio": middle, "low": low, "high": high, "seconds": statistics.median(times[other])}


def steady(name: str, threads: int) -> dict[str, Any]:
    times = child(["steady", name, str(threads)], threads)
    if "error" in times:
        return times
    own = statistics.median(times["minijax"])
    return {"seconds": own, "peers": {other: ratio(times, other) for other in times if other != "minijax"}}


def first_calls(name: str) -> dict[str, float]:
    """Median seconds of first calls: both libraries without and with their caches on disk."""
    kinds: dict[str, list[float]] = {"minijax": [], "jax": [], "minijax_warm": [], "jax_warm": []}
    with tempfile.TemporaryDirectory() as folder:
        caches = {
            "MINIJAX_CACHE_DIR": folder,
            "JAX_COMPILATION_CACHE_DIR": folder,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        for library in ("minijax", "jax"):
            child(["cold", name, library], 1, **caches)
        for _ in range(FIRST_CALLS):
            for library in ("minijax", "jax"):
                kinds[library].append(
                    child(["cold", name, library], 1, MINIJAX_ENABLE_COMPILATION_CACHE="0")["first_call"]
                )
                kinds[library + "_warm"].append(child(["cold", name, library], 1, **caches)["first_call"])
    return {kind: statistics.median(seconds) for kind, seconds in kinds.items()}


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, versions, and two speeds that bound every program."""
    import numpy as np

    with open("/proc/cpuinfo") as f:
        model = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    a, b = np.ones(64_000_000, np.float32), np.ones(64_000_000, np.float32)
    m = np.ones((1000, 1000), np.float32)
    libraries = ("minijax", "numpy", "numba", "jax", "torch", "autograd")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "copy_gigabytes_per_second": 2 * a.nbytes / report.best(lambda: np.copyto(b, a), 5) / 1e9,
        "matmul_gigaflops": 2e9 / report.best(lambda: m @ m, 5) / 1e9,
    }


def measure(name: str, quick: bool) -> dict[str, Any]:
    case = CASES[name]
    row: dict[str, Any] = {"group": case.group, "bar": case.bar, "one thread": steady(name, 1)}
    if not quick and "error" not in row["one thread"]:
        row["all cores"] = steady(name, os.cpu_count() or 1)
        if case.group != "elementary" or name == "exp_f32_1e4":
            row["first call"] = first_calls(name)
            row["memory"] = {
                lib: child(["memory", name, lib], 1, **RETURN_MEMORY)["peak"] for lib in ("minijax", "jax")
            }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases or of their groups; all by default")
    parser.add_argument("--quick", action="store_true", help="only steady state, one thread")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks.json"))
    parser.add_argument("--docs", type=Path, help="folder that gets benchmarks.md and benchmarks.svg")
    options = parser.parse_args()
    names = [n for n, c in CASES.items() if not options.cases or {n, c.group} & set(options.cases)]
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    results: dict[str, Any] = {"machine": machine(), "cases": {}}
    for index, name in enumerate(names, 1):
        results["cases"][name] = row = measure(name, options.quick)
        print(f"[{index}/{len(names)}] {report.line(name, row)}", flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1))
    print(report.summary(results))
    if options.docs:
        report.write(results, options.docs)


if __name__ == "__main__":
    main()
