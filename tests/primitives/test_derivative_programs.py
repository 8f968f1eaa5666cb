"""The programs that transformations make of each primitive are well formed, and run the same compiled.

For each row that has a derivative: its forward, reverse, linearized, transposed and batched program passes `check_jaxpr`,
and jit of it gives the eager values.
"""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
from minijax.array import wrap
from minijax.ir import check_jaxpr
from tests.primitives.case_table import CASES
from tests.primitives.corner_cases import CORNERS
from tests.test_registry import bound, differentiable, directions

ROWS = [case for case in (*CASES, *CORNERS) if differentiable(case)]


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def forward(f, xs, vs, us):
    return (lambda *a: mj.jvp(f, a[: len(xs)], a[len(xs) :])[1]), (*xs, *vs)


def reverse(f, xs, vs, us):
    return (lambda us, *xs: mj.vjp(f, *xs)[1](us)), (us, *xs)


def linearized(f, xs, vs, us):
    return mj.linearize(f, *xs)[1], vs


def transposed(f, xs, vs, us):
    return mj.vjp(f, *xs)[1], (us,)


def batched_reverse(f, xs, vs, us):
    pair = [wrap(np.stack([np.asarray(x)] * 2)) for x in xs]
    return mj.vmap(reverse(f, xs, vs, us)[0], in_axes=(None, *[0] * len(xs))), (us, *pair)


@pytest.mark.parametrize("program", [forward, reverse, linearized, transposed, batched_reverse])
@pytest.mark.parametrize("case", ROWS, ids=[f"{case.primitive}-{index}" for index, case in enumerate(ROWS)])
def test_derivative_programs_check_and_compile(case, program):
    f, xs = bound(case)
    g, arguments = program(f, xs, directions(xs, 0), directions(f(*xs), 1))
    check_jaxpr(mj.make_jaxpr(g)(*arguments))
    eager, compiled = mj.tree.leaves(g(*arguments)), mj.tree.leaves(mj.jit(g)(*arguments))
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)
