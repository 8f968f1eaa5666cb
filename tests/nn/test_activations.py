"""Activations and normalizers against closed forms, at large arguments, with their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import minijax as mj
import minijax.numpy as mnp
from minijax import nn
from minijax.test_util import check_grads

X = np.array([-2.6, -0.7, 0.2, 1.5, 4.0])
CLOSED_FORMS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "soft_sign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * scipy.special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "log_sigmoid": scipy.special.log_expit,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "celu": lambda x: np.maximum(x, 0) + np.minimum(0, np.expm1(x)),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_values_and_derivatives(name):
    with mj.enable_x64():
        f = getattr(nn, name)
        np.testing.assert_allclose(f(X), CLOSED_FORMS[name](X), rtol=1e-12)
        check_grads(f, (X,), order=2)


@pytest.mark.parametrize("name", [n for n in CLOSED_FORMS if n not in ("elu", "celu")])
def test_gradients_stay_finite_far_out(name):
    slopes = mj.vmap(mj.grad(getattr(nn, name)))(mnp.array([-200.0, 200.0]))
    assert np.isfinite(slopes).all()


def test_gelu_with_and_without_approximation():
    np.testing.assert_allclose(nn.gelu(X, approximate=False), X * scipy.special.ndtr(X), rtol=1e-5)
    np.testing.assert_allclose(nn.gelu(X), X * scipy.special.ndtr(X), atol=2e-3)


def test_softmax_and_logsumexp_equal_scipy_and_are_stable():
    x = np.array([[1.0, 2.0, -3.0], [1000.0, 1001.0, 999.0]], np.float32)
    np.testing.assert_allclose(nn.softmax(x), scipy.special.softmax(x, -1), rtol=1e-5)
    np.testing.assert_allclose(nn.log_softmax(x), scipy.special.log_softmax(x, -1), rtol=1e-5)
    np.testing.assert_allclose(nn.logsumexp(x, axis=1), scipy.special.logsumexp(x, axis=1), rtol=1e-6)
    np.testing.assert_allclose(mj.grad(lambda x: nn.logsumexp(x))(x[1]), scipy.special.softmax(x[1]), rtol=1e-5)


def test_logsumexp_with_weights_signs_and_masks():
    x, b = np.array([0.5, 1.0, 2.0], np.float32), np.array([1.0, -2.0, 0.5], np.float32)
    value, sign = nn.logsumexp(x, b=b, return_sign=True)
    expected, expected_sign = scipy.special.logsumexp(x, b=b, return_sign=True)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert float(sign) == expected_sign
    masked = nn.logsumexp(x, where=np.array([True, False, True]))
    np.testing.assert_allclose(masked, scipy.special.logsumexp(x[[0, 2]]), rtol=1e-6)


def test_one_hot_leaves_out_of_range_indices_at_zero():
    np.testing.assert_array_equal(nn.one_hot(mnp.array([1, 3, -1]), 3), [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert nn.one_hot(mnp.array([1, 0]), 3, axis=0).shape == (3, 2)


@pytest.mark.parametrize(
    ("make", "variance"),
    [
        (nn.initializers.lecun_normal(), 1 / 200),
        (nn.initializers.glorot_uniform(), 2 / 500),
        (nn.initializers.he_normal(), 2 / 200),
        (nn.initializers.normal(0.5), 0.25),
    ],
)
def test_initializers_have_the_variance_they_promise(make, variance):
    weights = np.asarray(make(mj.random.PRNGKey(0), (200, 300), np.float32))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.var(), variance, rtol=0.05)
    np.testing.assert_allclose(weights.mean(), 0, atol=3 * np.sqrt(variance / weights.size))


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "hard_sigmoid", "hard_silu", "hard_tanh", "elu", "celu", "sparse_plus"]
)
def test_nan_stays_nan(name):
    assert np.isnan(getattr(nn, name)(mnp.float32(np.nan)))


@pytest.mark.parametrize(
    "name", ["elu", "celu", "leaky_relu", "hard_sigmoid", "hard_silu", "relu6", "sparse_sigmoid"]
)
def test_integers_become_weak_floats(name):
    out = getattr(nn, name)(mnp.arange(3))
    assert out.dtype == np.float32 and out.weak_type


def test_relu_and_hard_tanh_keep_integers():
    assert nn.relu(mnp.array([-1, 2], mnp.int8)).dtype == np.int8
    assert nn.hard_tanh(mnp.array([-3, 0], mnp.int8)).tolist() == [-1, 0]
    assert nn.hard_tanh(mnp.array([-3, 0], mnp.int8)).dtype == np.int8


def test_logmeanexp_counts_what_the_mask_takes_after_broadcasting():
    x, mask = np.log(np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]], np.float32)), np.array([True, False, True])
    np.testing.assert_allclose(nn.logmeanexp(x, where=mask), np.log(15 / 4), rtol=1e-6)


def test_one_hot_is_float_by_default():
    assert nn.one_hot(mnp.array([1]), 2, dtype=None).dtype == np.float32


def test_initializers_take_no_dtype_and_several_axes():
    init, key = nn.initializers, mj.random.key(0)
    assert init.zeros(key, (2,), None).dtype == init.normal()(key, (2,), None).dtype == np.float32
    weights = init.variance_scaling(1.0, "fan_in", "normal", in_axis=(1, 2), out_axis=3, batch_axis=0)(
        key, (4, 10, 20, 50)
    )
    assert float(weights.std()) == pytest.approx(200**-0.5, rel=0.05)


def test_orthogonal_weights_are_orthogonal():
    w = np.asarray(nn.initializers.orthogonal(2.0)(mj.random.key(1), (2, 3, 4)).reshape(6, 4))
    np.testing.assert_allclose(w.T @ w, 4 * np.eye(4), atol=1e-5)
