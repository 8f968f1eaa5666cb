"""Time of every vmath function as a ratio to jax.jit and to NumPy.

    python -m tests.benchmarks.vmath [name ...]        (make bench runs it with the others)

One thread on one core. Each round times all contenders one after the other on the same array; the ratio of a round is
taken within the round, and the table shows the median over the rounds, the worst ratios first. Every call writes into a
new array, as jitted programs do. The time of jax.jit contains its dispatch (5 to 10 us, a good part of the time at 1e4).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.scipy import special as jsp

from minijax.lower import vmath
from tests.lower.vmath_loops import KINDS, loop

jax.config.update("jax_enable_x64", True)

# name: (low, high, JAX, NumPy or SciPy); arguments are uniform between low and high
CASES: dict[str, tuple[float, float, Callable[..., Any], Callable[..., Any] | None]] = {
    "exp": (-10, 10, jnp.exp, np.exp),
    "exp2": (-10, 10, jnp.exp2, np.exp2),
    "expm1": (-5, 5, jnp.expm1, np.expm1),
    "log": (1e-3, 100, jnp.log, np.log),
    "log2": (1e-3, 100, jnp.log2, np.log2),
    "log10": (1e-3, 100, jnp.log10, np.log10),
    "log1p": (-0.9, 10, jnp.log1p, np.log1p),
    "sin": (-10, 10, jnp.sin, np.sin),
    "cos": (-10, 10, jnp.cos, np.cos),
    "tan": (-10, 10, jnp.tan, np.tan),
    "tanh": (-5, 5, jnp.tanh, np.tanh),
    "logistic": (-10, 10, jax.nn.sigmoid, scipy.special.expit),
    "erf": (-3, 3, jsp.erf, scipy.special.erf),
    "erfc": (-3, 3, jsp.erfc, scipy.special.erfc),
    "erf_inv": (-0.99, 0.99, jsp.erfinv, scipy.special.erfinv),
    "pow": (0.1, 10, jnp.power, np.power),
    "cbrt": (-10, 10, jnp.cbrt, np.cbrt),
    "rsqrt": (0.1, 10, jax.lax.rsqrt, lambda x: 1 / np.sqrt(x)),
    "atan": (-10, 10, jnp.arctan, np.arctan),
    "atan2": (-10, 10, jnp.arctan2, np.arctan2),
    "asin": (-1, 1, jnp.arcsin, np.arcsin),
    "acos": (-1, 1, jnp.arccos, np.arccos),
    "sinh": (-5, 5, jnp.sinh, np.sinh),
    "cosh": (-5, 5, jnp.cosh, np.cosh),
    "asinh": (-10, 10, jnp.arcsinh, np.arcsinh),
    "acosh": (1, 10, jnp.arccosh, np.arccosh),
    "atanh": (-0.99, 0.99, jnp.arctanh, np.arctanh),
}
FORMS = ("inline", "call", "jax", "numpy")


def seconds(f: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        f()
    return (time.perf_counter() - start) / repeats


def native(name: str, dtype: str, inline: bool, arrays: list[np.ndarray]) -> Callable[[], np.ndarray]:
    """A call of the loop that allocates its result; what ctypes costs per argument is paid before."""
    call = loop(name, dtype, inline).call
    addresses = [a.ctypes.data for a in arrays]
    size, kind = arrays[0].size, arrays[0].dtype

    def run() -> np.ndarray:
        out = np.empty(size, kind)
        call(size, out.__array_interface__["data"][0], *addresses)
        return out

    return run


def measure(name: str, dtype: str, size: int, rounds: int) -> dict[str, list[float]]:
    """{form: seconds of each round}."""
    low, high, on_jax, on_numpy = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(low, high, size).astype(KINDS[dtype]) for _ in range(vmath.FUNCTIONS[name])]
    on_device = [jnp.asarray(a) for a in arrays]
    compiled = jax.jit(on_jax)
    contenders = {
        "inline": native(name, dtype, True, arrays),
        "call": native(name, dtype, False, arrays),
        "jax": lambda: compiled(*on_device).block_until_ready(),
        "numpy": lambda: on_numpy(*arrays),
    }
    for f in contenders.values():
        f()
    repeats = {form: max(1, int(2e-3 / max(seconds(f, 2), 1e-7))) for form, f in contenders.items()}
    times: dict[str, list[float]] = {form: [] for form in contenders}
    for _ in range(rounds):
        for form, f in contenders.items():
            times[form].append(seconds(f, repeats[form]))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help="functions; all by default")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    warnings.simplefilter("ignore")
    rows = []
    for name in options.names or [n for n in CASES if n in vmath.FUNCTIONS]:
        for dtype in vmath.DTYPES:
            for size in (10**4, 10**6):
                times = measure(name, dtype, size, options.rounds)
                to_jax = {
                    form: statistics.median(a / b for a, b in zip(times[form], times["jax"], strict=True))
                    for form in ("inline", "call")
                }
                to_numpy = statistics.median(a / b for a, b in zip(times["call"], times["numpy"], strict=True))
                best = {form: min(t) / size * 1e9 for form, t in times.items()}
                rows.append((to_jax["inline"], to_jax["call"], to_numpy, name, dtype, size, best))
    print("ratio to jax.jit | to NumPy |                          | best ns per element")
    print("inline    call   | call     | function  dtype     size | inline    call     jax   numpy")
    for inline, call, to_numpy, name, dtype, size, best in sorted(rows, key=lambda r: -max(r[0], r[1])):
        columns = " ".join(f"{best[form]:7.3f}" for form in FORMS)
        print(f"{inline:6.2f}  {call:6.2f}   | {to_numpy:6.2f}   | {name:9s} {dtype}  {size:9.0e} | {columns}")


if __name__ == "__main__":
    main()
