"""Programs of thousands of equations: kernels stay under a size, and their values are right."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.lower import compile_program
from minijax.lower.fuse import LARGEST
from minijax.lower.nests import Apply, parts

EQUATIONS = 3000


def chain(x, y, cos, maximum):
    for i in range(EQUATIONS // 4):
        x, y = y * 0.5 + x, maximum(x, y) if i % 3 else cos(x)
    return x


def many(x, y, cos, maximum):
    """Results that read each other and all are wanted."""
    found = [x, y]
    for _ in range(EQUATIONS // 6):
        found.append(found[-1] * 0.5 - cos(found[-2]) * found[len(found) // 2])
    return maximum(found[-1], 0.0), *found[::50]


@pytest.mark.parametrize("f", [chain, many])
def test_thousands_of_equations_become_kernels_of_bounded_size(f):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 100))
    with mj.enable_x64():
        program = compile_program(mj.make_jaxpr(lambda x, y: f(x, y, mnp.cos, mnp.maximum))(x, y))
        found = program.run(x, y)
    for a, b in zip(found, np.reshape(f(x, y, np.cos, np.maximum), (-1, 100)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    for step in program.steps:
        roots = [root for stage in step.kernel.stages for root in stage.roots]
        operations = {id(v) for root in roots for v in parts(root) if type(v) is Apply}
        assert len(operations) <= 2 * LARGEST
