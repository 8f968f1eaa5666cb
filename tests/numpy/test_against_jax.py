"""Values, dtypes and errors that a differential run against jax 0.10 found to differ, one claim each."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

SPECIAL = np.float32([0.0, -1.0, np.inf, np.nan])


def test_imaginary_part_of_reals_is_zero_at_inf_and_nan():
    np.testing.assert_array_equal(mnp.imag(SPECIAL), np.zeros(4))


def test_log10_of_a_complex_zero():
    assert mnp.log10(mnp.array(0j)) == complex(-np.inf, 0)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "fabs"])
def test_complex_numbers_have_no_floor(name):
    with pytest.raises(TypeError, match=f"{name}.* does not (accept|support)"):
        getattr(mnp, name)(mnp.array([1j]))


def test_booleans_shift_as_integers():
    flags = mnp.array([True, False])
    assert mnp.left_shift(flags, flags).tolist() == [2, 0]
    assert mnp.right_shift(flags, flags).tolist() == [0, 0]
    assert mnp.left_shift(flags, flags).dtype == np.int32


def test_outer_of_booleans_is_boolean():
    assert mnp.outer(mnp.array([True, False]), mnp.array([True])).tolist() == [[True], [False]]


def test_sort_complex_of_integers_is_complex64():
    assert mnp.sort_complex(mnp.array([2, 1])).dtype == np.complex64


def test_setdiff1d_has_the_dtype_of_its_first_argument():
    assert mnp.setdiff1d(mnp.array([1, 2]), mnp.array([0.5, 2.0])).dtype == np.int32


def test_derivatives_of_geomspace_between_complex_numbers():
    with mj.enable_x64():
        start, stop, step = 1 + 2j, -2 + 0.5j, 1e-6
        found = mj.jacfwd(lambda a: mnp.geomspace(a, stop, 5), holomorphic=True)(mnp.array(start))
        wanted = (mnp.geomspace(start + step, stop, 5) - mnp.geomspace(start - step, stop, 5)) / (2 * step)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(mnp.geomspace(start, stop, 5), np.geomspace(start, stop, 5), rtol=1e-12)


def test_cov_and_corrcoef_take_a_dtype():
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    assert mnp.cov(x, dtype=mnp.float16).dtype == mnp.corrcoef(x, dtype=mnp.float16).dtype == np.float16
    with pytest.raises(ValueError, match="cov: dtype must be a subclass of float or complex"):
        mnp.cov(x, dtype="int32")


def test_variance_in_integers_is_an_error():
    with pytest.raises(ValueError, match="must be inexact; got int32"):
        mnp.var(SPECIAL, dtype="int32")


def test_trim_zeros_along_axes():
    x = np.array([[0, 0, 0, 0], [0, 1, 2, 0]])
    np.testing.assert_array_equal(mnp.trim_zeros(x), [[1, 2]])
    np.testing.assert_array_equal(mnp.trim_zeros(x, axis=-1), [[0, 0], [1, 2]])
    assert mnp.trim_zeros(mnp.zeros(3)).shape == (0,)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("iinfo", ["int_type"]),
        ("issubdtype", ["arg1", "arg2"]),
        ("kaiser", ["M", "beta"]),
        ("hamming", ["M"]),
    ],
)
def test_arguments_have_the_names_of_jax(name, arguments):
    assert list(inspect.signature(getattr(mnp, name)).parameters) == arguments
