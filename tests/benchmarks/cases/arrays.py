"""Array programs: fused elementwise gradients, reductions, movement, cumulative sums, sorting, scattering."""

from __future__ import annotations

import numpy as np

from .case import CASES, Case, case, normal


def _fused(size: int, bar: float) -> None:
    def build(lib, np_):
        def f(x, y):
            return np_.sum(np_.exp(-x * x) * np_.tanh(y) + x * y)

        return lib.value_and_grad(f, argnums=(0, 1)), (normal(size), normal(size, seed=1))

    name = f"fused_grad_1e{len(str(size)) - 1}"
    CASES[name] = Case(name, "arrays", bar, build)


_fused(10_000, 0.3)
_fused(1_000_000, 0.7)


@case("sum_axis0", "arrays")
def _sum(lib, np_):
    return lambda x: np_.sum(x, axis=0), (normal(1000, 1000),)


@case("transpose_add", "arrays")
def _transpose(lib, np_):
    return lambda x: x + x.T, (normal(1000, 1000),)


@case("cumsum_1e6", "arrays", 0.6)
def _cumsum(lib, np_):
    return np_.cumsum, (normal(1_000_000),)


@case("sort_1e5", "arrays", 0.6)
def _sort(lib, np_):
    return np_.sort, (normal(100_000),)


@case("argmax_1e6", "arrays", 0.6)
def _argmax(lib, np_):
    return np_.argmax, (normal(1_000_000),)


@case("scatter_add", "arrays", 0.6)
def _scatter(lib, np_):
    rows = np.random.default_rng(2).integers(0, 5000, 20_000).astype(np.int32)
    return lambda x, rows, u: x.at[rows].add(u), (normal(5000, 16), rows, normal(20_000, 16))


@case("embedding", "arrays", 0.6)
def _embedding(lib, np_):
    ids = np.random.default_rng(0).integers(0, 5000, (64, 32)).astype(np.int32)
    return lib.value_and_grad(lambda table, ids: np_.sum(np_.tanh(table[ids]) ** 2)), (normal(5000, 64), ids)
