"""Arguments of lax functions: names as in jax.lax, and Python scalars that an array's dtype cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

import minijax.numpy as mnp
from minijax import lax

X = np.arange(6, dtype=np.float32)


def test_arrays_are_passed_by_the_name_operand():
    assert lax.reshape(operand=X, new_sizes=(2, 3)).shape == (2, 3)
    assert lax.transpose(operand=X.reshape(2, 3), permutation=(1, 0)).shape == (3, 2)
    assert lax.reduce_sum(operand=X, axes=(0,)) == 15
    assert lax.cumsum(operand=X)[-1] == 15
    assert lax.argmax(operand=X, axis=0, index_dtype=np.int32) == 5
    assert lax.sort(operand=X[::-1])[0] == 0
    assert lax.concatenate(operands=[X, X], dimension=0).shape == (12,)
    assert lax.dynamic_slice(operand=X, start_indices=(1,), slice_sizes=(2,)).tolist() == [1, 2]
    assert lax.convert_element_type(operand=X, new_dtype=np.int32).dtype == np.int32


def test_special_functions_have_the_names_of_jax():
    assert lax.zeta(x=2.0, q=1.0) == pytest.approx(np.pi**2 / 6, rel=1e-6)
    assert lax.igamma(a=1.0, x=0.0) == 0
    assert lax.polygamma(m=1.0, x=1.0) == pytest.approx(np.pi**2 / 6, rel=1e-6)
    assert lax.nextafter(x1=np.float32(1), x2=np.float32(2)) > 1
    assert lax.round(2.5, rounding_method=lax.RoundingMethod.TO_NEAREST_EVEN) == 2


def test_reduce_window_and_dot_have_the_defaults_of_jax():
    assert lax.reduce_window(X, 0.0, lax.add, (2,)).tolist() == [1, 3, 5, 7, 9]
    assert lax.dot(X, X, dimension_numbers=(([], []), ([0], [0]))).shape == (6,)


def test_negative_starts_are_clamped_when_they_may_not_count_from_the_end():
    assert lax.dynamic_slice_in_dim(X, -2, 2).tolist() == [4, 5]
    assert lax.dynamic_slice_in_dim(X, -2, 2, allow_negative_indices=False).tolist() == [0, 1]
    assert lax.dynamic_index_in_dim(X, -1, allow_negative_indices=False, keepdims=False) == 0


@pytest.mark.parametrize("scalar", [0.7, 1j])
def test_a_scalar_that_would_lose_its_value_is_refused(scalar):
    with pytest.raises(TypeError, match="require arguments to have the same dtypes"):
        lax.mul(mnp.arange(3), scalar)


def test_scalars_of_a_lower_kind_take_the_dtype_of_the_array():
    assert lax.mul(mnp.ones(2, mnp.float16), 2).dtype == np.float16


def test_conj_of_an_infinite_real_has_no_imaginary_part():
    assert lax.conj(np.float32(np.inf)).imag == 0
