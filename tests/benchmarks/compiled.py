"""Compiled programs beside jax.jit: ratios of times (below 1: minijax is faster), the worst first.

    python -m tests.benchmarks.compiled [case ...]

Each case is written once, for either library's numpy. Results are compared first; then both run in turns, and the ratio of
the fastest runs is shown with both times. One thread (XLA is told so by its flags, OpenBLAS by OPENBLAS_NUM_THREADS).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import minijax as mj
import minijax.numpy as mnp

CASES: dict[str, Callable[..., Any]] = {}
R = np.random.default_rng(0)


def case(f: Callable[..., Any]) -> Callable[..., Any]:
    """Register a case: `f(library, numpy) -> (function, arguments)`."""
    CASES[f.__name__] = f
    return f


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@case
def dispatch_8(lib, np_):
    return lambda x: x * 2 + 1, (normal(8),)


@case
def dispatch_dict(lib, np_):
    def f(d):
        return {k: v * 2 for k, v in d.items()}

    return f, ({k: normal(8) for k in "abcdef"},)


def _unary(name, n):
    def build(lib, np_):
        return getattr(np_, name), (np.abs(normal(n)),)

    CASES[f"{name}_{n:.0e}".replace("+0", "")] = build


for _name in ("exp", "log", "sin", "tanh"):
    for _n in (10_000, 1_000_000):
        _unary(_name, _n)


def _elementwise(n):
    def build(lib, np_):
        def f(x, y):
            return np_.sum(np_.exp(-x * x) * np_.tanh(y) + x * y)

        return lib.value_and_grad(f, argnums=(0, 1)), (normal(n), normal(n + 1)[:n])

    CASES[f"fused_grad_{n:.0e}".replace("+0", "")] = build


_elementwise(10_000)
_elementwise(1_000_000)


def _mlp(batch):
    def build(lib, np_):
        sizes = (784, 512, 256, 10)
        params = [(normal(a, b) / np.float32(np.sqrt(a)), normal(b)) for a, b in itertools.pairwise(sizes)]
        x = normal(batch, 784)
        y = np.eye(10, dtype=np.float32)[np.arange(batch) % 10]

        def loss(params, x, y):
            for w, b in params[:-1]:
                x = lib.nn.relu(x @ w + b)
            w, b = params[-1]
            return -np_.mean(np_.sum(lib.nn.log_softmax(x @ w + b) * y, axis=1))

        return lib.value_and_grad(loss), (params, x, y)

    CASES[f"mlp_{batch}"] = build


_mlp(128)
_mlp(1024)


@case
def softmax_xent(lib, np_):
    def f(x, y):
        return -np_.mean(np_.sum(lib.nn.log_softmax(x) * y, axis=-1))

    return lib.value_and_grad(f), (normal(256, 1000), np.eye(1000, dtype=np.float32)[np.arange(256)])


@case
def layer_norm(lib, np_):
    def f(x, g, b):
        m = np_.mean(x, axis=-1, keepdims=True)
        v = np_.var(x, axis=-1, keepdims=True)
        return np_.sum(((x - m) / np_.sqrt(v + 1e-5) * g + b) ** 2)

    return lib.value_and_grad(f, argnums=(0, 1, 2)), (normal(512, 768), normal(768), normal(768))


@case
def attention(lib, np_):
    def f(q, k, v):
        s = np_.einsum("hid,hjd->hij", q, k) / 8.0
        return np_.sum(np_.einsum("hij,hjd->hid", lib.nn.softmax(s), v) ** 2)

    return lib.value_and_grad(f, argnums=(0, 1, 2)), (normal(8, 128, 64), normal(8, 128, 64) + 1, normal(8, 128, 64))


def _rnn(hidden, batch, steps=500):
    def build(lib, np_):
        w, u, xs = (
            normal(hidden, hidden) / np.float32(np.sqrt(hidden)),
            normal(hidden, hidden) / 10,
            normal(steps, batch, hidden),
        )

        def loss(w, u, xs):
            def step(h, x):
                h = np_.tanh(h @ w + x @ u)
                return h, h

            _h, hs = lib.lax.scan(step, np_.zeros((batch, hidden), np_.float32), xs)
            return np_.mean(hs**2)

        return lib.value_and_grad(loss, argnums=(0, 1)), (w, u, xs)

    CASES[f"rnn_{hidden}x{batch}"] = build


_rnn(32, 1)
_rnn(128, 16)


@case
def fori_1e5(lib, np_):
    def f(x):
        return lib.lax.fori_loop(0, 100_000, lambda i, v: v * 0.999 + np_.float32(0.001) * x, x)

    return f, (np.float32(1.5),)


@case
def while_newton(lib, np_):
    def f(x):
        def body(s):
            r, i = s
            return 0.5 * (r + x / r), i + 1

        return lib.lax.while_loop(lambda s: s[1] < 1000, body, (x, 0))[0]

    return f, (np.float32(2.0),)


@case
def rosenbrock_hessian(lib, np_):
    def f(x):
        return np_.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return lib.hessian(f), (normal(100),)


@case
def nbody(lib, np_):
    def energy(x):
        d = x[:, None, :] - x[None, :, :]
        r2 = np_.sum(d * d, axis=-1) + 0.01
        return -np_.sum(1.0 / np_.sqrt(r2))

    return lib.grad(energy), (normal(500, 3),)


@case
def logistic_hvp(lib, np_):
    def loss(w, x, y):
        z = x @ w
        return np_.mean(np_.log1p(np_.exp(-np_.abs(z))) + np_.maximum(z, 0) - y * z)

    def hvp(w, v, x, y):
        return lib.jvp(lambda w: lib.grad(loss)(w, x, y), (w,), (v,))[1]

    return hvp, (normal(50), normal(50) + 1, normal(100_000, 50), (normal(100_000) > 0).astype(np.float32))


@case
def embedding(lib, np_):
    ids = R.integers(0, 5000, (64, 32))

    def f(table, ids):
        return np_.sum(np_.tanh(table[ids]) ** 2)

    return lib.value_and_grad(f), (normal(5000, 64), ids.astype(np.int32))


@case
def mixture(lib, np_):
    d, k, n = 10, 25, 1000

    def f(alphas, means, qs, x):
        z = (x[:, None, :] - means[None]) * np_.exp(qs)[None]
        inner = alphas + np_.sum(qs, axis=1) - 0.5 * np_.sum(z * z, axis=-1)
        return np_.sum(lib.scipy.special.logsumexp(inner, axis=1)) - n * lib.scipy.special.logsumexp(alphas)

    return lib.value_and_grad(f, argnums=(0, 1, 2)), (normal(k), normal(k, d), normal(k, d) * 0.1, normal(n, d))


@case
def cumsum_1e6(lib, np_):
    return np_.cumsum, (normal(1_000_000),)


@case
def sort_1e5(lib, np_):
    return np_.sort, (normal(100_000),)


@case
def argmax_1e6(lib, np_):
    return np_.argmax, (normal(1_000_000),)


@case
def sum_axis0(lib, np_):
    return lambda x: np_.sum(x, axis=0), (normal(1000, 1000),)


@case
def transpose_add(lib, np_):
    return lambda x: x + x.T, (normal(1000, 1000),)


@case
def convnet(lib, np_):
    w1, w2 = normal(16, 1, 3, 3) / 3, normal(32, 16, 3, 3) / 12
    dense, x = normal(32 * 7 * 7, 10) / 40, normal(64, 1, 28, 28)
    y = np.eye(10, dtype=np.float32)[np.arange(64) % 10]

    def pool(h):
        return lib.lax.reduce_window(h, -np_.inf, lib.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss(w1, w2, dense, x, y):
        h = pool(lib.nn.relu(lib.lax.conv(x, w1, (1, 1), "SAME")))
        h = pool(lib.nn.relu(lib.lax.conv(h, w2, (1, 1), "SAME")))
        return -np_.mean(np_.sum(lib.nn.log_softmax(h.reshape(64, -1) @ dense) * y, axis=1))

    return lib.value_and_grad(loss, argnums=(0, 1, 2)), (w1, w2, dense, x, y)


def _ready(tree: Any) -> None:
    for x in jax.tree.leaves(tree):
        if hasattr(x, "block_until_ready"):
            x.block_until_ready()


def _time(f: Callable[[], Any], budget: float) -> float:
    """Seconds of one call: the best of runs that take `budget` seconds together."""
    start = time.perf_counter()
    f()
    once = time.perf_counter() - start
    number = max(1, int(budget / 5 / max(once, 1e-7)))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(number):
            f()
        best = min(best, (time.perf_counter() - start) / number)
    return best


def measure(name: str) -> dict[str, Any]:
    """Ratios of a case: first call (tracing and compiling) and steady state."""

    f_jax, args = CASES[name](jax, jnp)
    f_own, _ = CASES[name](mj, mnp)
    jax_args = jax.tree.map(jnp.asarray, args)
    own_args = mj.tree.map(mnp.asarray, args)
    g_jax, g_own = jax.jit(f_jax), mj.jit(f_own)
    start = time.perf_counter()
    theirs = g_jax(*jax_args)
    _ready(theirs)
    compile_jax = time.perf_counter() - start
    start = time.perf_counter()
    ours = g_own(*own_args)
    compile_own = time.perf_counter() - start
    for a, b in zip(jax.tree.leaves(theirs), mj.tree.leaves(ours), strict=True):
        scale = float(np.abs(np.asarray(a)).max())
        np.testing.assert_allclose(np.asarray(b), np.asarray(a), rtol=2e-2, atol=3e-3 * scale)

    def run_jax() -> None:
        _ready(g_jax(*jax_args))

    def run_own() -> None:
        g_own(*own_args)

    best_jax = best_own = float("inf")
    for _ in range(3):
        best_jax = min(best_jax, _time(run_jax, 0.15))
        best_own = min(best_own, _time(run_own, 0.15))
    return {
        "case": name,
        "ratio": best_own / best_jax,
        "own": best_own,
        "jax": best_jax,
        "cold": compile_own / compile_jax,
        "cold_own": compile_own,
        "cold_jax": compile_jax,
    }


def main(names: list[str]) -> None:
    """Measure and print, the worst first."""
    _ready(jax.jit(lambda x: x + 1)(jnp.ones(3)))
    mj.jit(lambda x: x + 1)(mnp.ones(3))
    rows = []
    for name in names or list(CASES):
        try:
            rows.append(measure(name))
            r = rows[-1]
            print(
                f"{name:20} {r['ratio']:6.2f}  {r['own'] * 1e6:10.1f} us {r['jax'] * 1e6:10.1f} us   cold {r['cold']:5.2f}"
                f" ({r['cold_own'] * 1e3:.0f} / {r['cold_jax'] * 1e3:.0f} ms)",
                flush=True,
            )
        except Exception as error:
            print(f"{name:20} {type(error).__name__}: {str(error)[:300]}", flush=True)
    rows.sort(key=lambda r: -r["ratio"])
    print("\nworst first:", ", ".join(f"{r['case']} {r['ratio']:.2f}" for r in rows))
    if rows:
        print(
            f"geometric means: steady {np.exp(np.mean([np.log(r['ratio']) for r in rows])):.2f}, "
            f"cold {np.exp(np.mean([np.log(r['cold']) for r in rows])):.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
