"""minijax.scipy.linalg against SciPy, with derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import minijax as mj
import minijax.numpy as mnp
from minijax.scipy import linalg
from minijax.test_util import check_grads

_rng = np.random.default_rng(3)
A = _rng.normal(size=(3, 3)) + 1j * _rng.normal(size=(3, 3)) + 4 * np.eye(3)
SPD = A @ A.conj().T
B = _rng.normal(size=(3, 2))


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


@pytest.mark.parametrize("trans", [0, 1, 2, "N", "T", "C"])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("b", [B, B[:, 0]])
def test_solve_triangular(trans, lower, b):
    for unit in (False, True):
        np.testing.assert_allclose(
            linalg.solve_triangular(A, b, trans, lower, unit),
            scipy.linalg.solve_triangular(A, b, trans, lower, unit),
            rtol=1e-11,
        )


def test_solve_triangular_refuses_another_trans():
    with pytest.raises(ValueError, match="Invalid 'trans' value 3"):
        linalg.solve_triangular(A, B, 3)


@pytest.mark.parametrize("lower", [False, True])
def test_cholesky_factors_and_solves(lower):
    np.testing.assert_allclose(linalg.cholesky(SPD, lower), scipy.linalg.cholesky(SPD, lower), atol=1e-12)
    np.testing.assert_allclose(
        linalg.cho_solve(linalg.cho_factor(SPD, lower), B), np.linalg.solve(SPD, B), atol=1e-12
    )


def test_solvers_batch_and_differentiate():
    real = mnp.asarray(SPD.real)
    check_grads(lambda a, b: linalg.cho_solve(linalg.cho_factor((a + a.T) / 2), b), (real, mnp.asarray(B)), order=2)
    batched = mj.vmap(lambda b: linalg.solve_triangular(real, b))(mnp.asarray(B.T))
    np.testing.assert_allclose(batched.T, linalg.solve_triangular(real, B), rtol=1e-12)
