"""batch: where the batch axis of a result goes, and which axis a collective means."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax

X = np.arange(6.0, dtype=np.float32).reshape(2, 3)
SHARED = np.array([5.0, 7.0, 9.0, 11.0], np.float32)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_results_have_the_axis_that_was_asked_for(axis):
    outs = mj.vmap(lambda x: (mnp.sin(x), mnp.asarray(SHARED)), out_axes=axis)(X)
    np.testing.assert_allclose(outs[0], np.stack(list(np.sin(X)), axis), rtol=1e-6)
    np.testing.assert_allclose(outs[1], np.stack([SHARED, SHARED], axis))


def test_a_collective_means_its_own_axis_only():
    def inner(x):
        return lax.psum(x, "rows") + 10.0 * lax.psum(x, "columns") + 100.0 * lax.axis_index("rows")

    nested = mj.vmap(mj.vmap(inner, axis_name="columns"), axis_name="rows")
    expected = X.sum(0) + 10.0 * X.sum(1, keepdims=True) + 100.0 * np.arange(2)[:, None]
    np.testing.assert_allclose(nested(X), expected)
    np.testing.assert_allclose(mj.jit(nested)(X), expected)
