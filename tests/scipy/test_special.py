"""minijax.scipy.special against SciPy at poles, infinities and with SciPy's defaults."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import minijax.numpy as mnp
from minijax.scipy import special

M = np.array([[0.1, 0.7], [-0.2, 0.9]], np.float32)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_is_over_all_axes_unless_told(name):
    ours, theirs = getattr(special, name), getattr(scipy.special, name)
    np.testing.assert_allclose(ours(M), theirs(M), rtol=1e-6)
    np.testing.assert_allclose(ours(M, axis=0), theirs(M, axis=0), rtol=1e-6)


def test_gamma_at_its_poles_and_at_signed_zeros():
    np.testing.assert_array_equal(
        special.gamma(np.float32([-1, -2, -np.inf, 0.0, -0.0, np.inf])),
        [np.nan, np.nan, np.nan, np.inf, -np.inf, np.inf],
    )


def test_kl_div_of_inf_is_inf():
    assert special.kl_div(np.float32(np.inf), 0.7) == np.inf


@pytest.mark.parametrize("name", ["kl_div", "rel_entr"])
def test_relative_entropies_refuse_complex_numbers(name):
    with pytest.raises(ValueError, match=f"{name} does not support complex-valued inputs"):
        getattr(special, name)(mnp.array([1j]), mnp.array([1j]))


def test_arguments_have_the_names_of_jax():
    assert special.rel_entr(p=0.0, q=1.0) == 0
    assert special.ndtri(p=0.5) == 0
    assert special.zeta(x=2.0, q=None) == pytest.approx(np.pi**2 / 6, rel=1e-6)
