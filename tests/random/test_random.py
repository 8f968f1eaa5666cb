"""minijax.random: the numbers of JAX 0.10 (measured there), their distributions, and gradients through samples."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import minijax as mj
import minijax.numpy as mnp
from minijax import random

# Drawn on JAX 0.10.2 with k = PRNGKey(7).
SINGLE = [
    ("random.uniform(k,(3,),minval=-2.,maxval=3.)", [1.37044954, 2.87308455, -0.485782146], "float32"),
    ("random.normal(k,(4,))", [0.451235145, 1.95345092, -0.516239464, -0.140940294], "float32"),
    ("random.normal(k,(2,),'complex64')", [(0.787750304 + 0.321120888j), (0.100148447 + 0.664088368j)], "complex64"),
    ("random.normal(k,(2,),'bfloat16')", [-1.734375, -2.890625], "bfloat16"),
    ("random.uniform(k,(3,),'float16')", [0.16015625, 0.4921875, 0.162109375], "float16"),
    ("random.uniform(k,(3,),'bfloat16')", [0.0390625, 0.0, 0.6640625], "bfloat16"),
    ("random.randint(k,(4,),-5,100,'int8')", [44, 12, 85, 17], "int8"),
    ("random.randint(k,(4,),0,60000,'uint16')", [48799, 7622, 11100, 18637], "uint16"),
    ("random.randint(k,(3,),0,2**31-1)", [752193312, 1400917351, 1692160380], "int32"),
    ("random.bernoulli(k,0.3,(6,))", [False, False, False, False, False, False], "bool"),
    ("random.categorical(k,mnp.log(mnp.array([.1,.2,.7])),shape=(6,))", [1, 2, 2, 2, 2, 2], "int32"),
    ("random.categorical(k,mnp.zeros((2,3)),axis=0)", [0, 0, 1], "int32"),
    ("random.categorical(k,mnp.zeros((2,3)),axis=-1,shape=(4,2))", [[1, 1], [0, 2], [2, 2], [1, 2]], "int32"),
    ("random.categorical(k,mnp.arange(5.),shape=(3,),replace=False)", [4, 1, 3], "int32"),
    ("random.permutation(k,10)", [9, 4, 2, 3, 5, 0, 7, 6, 1, 8], "int32"),
    ("random.permutation(k,mnp.arange(6).reshape(3,2))", [[4, 5], [0, 1], [2, 3]], "int32"),
    ("random.permutation(k,mnp.arange(6).reshape(3,2),independent=True)", [[4, 3], [2, 5], [0, 1]], "int32"),
    ("random.permutation(k,mnp.arange(6).reshape(3,2),axis=1)", [[0, 1], [2, 3], [4, 5]], "int32"),
    ("random.choice(k,5,(3,),replace=False)", [4, 2, 3], "int32"),
    ("random.choice(k,mnp.arange(5.),(4,),p=mnp.array([.1,.1,.1,.2,.5]))", [3.0, 0.0, 4.0, 4.0], "float32"),
    ("random.choice(k,5,(3,),replace=False,p=mnp.array([.1,.1,.1,.2,.5]))", [1, 4, 0], "int32"),
    ("random.choice(k,5)", 4, "int32"),
    ("random.choice(k,mnp.arange(6).reshape(2,3),(4,),axis=1)", [[1, 2, 0, 1], [4, 5, 3, 4]], "int32"),
    ("random.exponential(k,(3,))", [1.1211338, 3.67367101, 0.36074546], "float32"),
    ("random.gumbel(k,(3,))", [0.930410504, 3.66084313, -0.177760184], "float32"),
    ("random.truncated_normal(k,-1.,2.,(4,))", [0.554733753, 1.71112883, -0.236399457, 0.0553678386], "float32"),
    ("random.laplace(k,(3,))", [-0.427986622, -2.98052502, 0.50139159], "float32"),
    ("random.rademacher(k,(6,))", [-1, -1, 1, 1, -1, -1], "int32"),
    ("random.cauchy(k,(3,))", [0.608875096, 12.5136395, -0.712980866], "float32"),
    ("random.logistic(k,(3,))", [0.726742029, 3.64796019, -0.833793402], "float32"),
    ("random.lognormal(k,0.5,(3,))", [1.25309634, 2.65574551, 0.77250272], "float32"),
    ("random.rayleigh(k,2.,(3,))", [1.77626979, 0.453526855, 3.09132838], "float32"),
    ("random.weibull_min(k,1.5,2.,(3,))", [1.58825421, 2.87502337, 0.900931299], "float32"),
    ("random.pareto(k,2.,(3,))", [1.75166523, 6.27664423, 1.19766366], "float32"),
    ("random.multivariate_normal(k,mnp.zeros(2),mnp.array([[2.,.5],[.5,1.]]))", [0.638142824, 1.98682177], "float32"),
    (
        "random.multivariate_normal(k,mnp.zeros(2),mnp.array([[2.,.5],[.5,1.]]),shape=(2,))",
        [[0.638142824, 1.98682177], [-0.730072856, -0.314355791]],
        "float32",
    ),
    ("random.maxwell(k,(2,))", [2.07028675, 0.714470327], "float32"),
    ("random.triangular(k,0.,.3,1.,(3,))", [0.522363067, 0.866702676, 0.301423252], "float32"),
    ("random.permutation(k,0)", [], "int32"),
    ("random.orthogonal(k,2)", [[0.658112645, 0.752919495], [-0.752919495, 0.658112645]], "float32"),
    ("random.geometric(k,.3,(4,))", [2, 1, 4, 3], "int32"),
    ("random.randint(k,(3,),5,5)", [5, 5, 5], "int32"),
    ("random.randint(k,(2,),mnp.array([0,10]),mnp.array([5,20]))", [4, 12], "int32"),
    ("random.bernoulli(k,mnp.array([.1,.9]))", [False, False], "bool"),
    ("random.truncated_normal(k,-1.,mnp.array([2.,3.]))", [0.554733753, 2.00145698], "float32"),
    ("random.gumbel(k,(3,),mode='high')", [-0.114340499, -1.30119145, 1.01958227], "float32"),
    ("random.bernoulli(k,0.3,(3,),mode='high')", [False, False, False], "bool"),
    ("random.permutation(k,mnp.arange(5.))", [4.0, 2.0, 3.0, 0.0, 1.0], "float32"),
    ("random.fold_in(k,1.5)", [195045567, 4062205631], "uint32"),
]

DOUBLE = [
    ("random.PRNGKey(-1)", [4294967295, 4294967295], "uint32"),
    ("random.uniform(k,(2,))", [0.8441069450823528, 0.04541258512665647], "float64"),
    ("random.normal(k,(2,))", [1.0114813355590866, -1.6910609087906374], "float64"),
    ("random.randint(k,(3,),0,10)", [7, 9, 6], "int64"),
    ("random.bits(k,(2,),'uint64')", [15571024786774969728, 837714335556982463], "uint64"),
    ("random.permutation(k,5)", [4, 2, 3, 0, 1], "int64"),
]


def check_row(expression, expected, dtype):
    found = eval(expression, {"random": random, "mnp": mnp, "k": random.PRNGKey(7)})
    assert found.dtype.name == dtype
    expected = np.array(expected)
    assert found.shape == expected.shape
    if found.dtype.kind in "iub":
        np.testing.assert_array_equal(found, expected)
    else:
        # Not to the last bit: logarithms and error functions differ by an ulp or two between libraries.
        tolerance = {"bfloat16": 1e-2, "float64": 1e-12}.get(dtype, 2e-6)
        np.testing.assert_allclose(
            np.asarray(found, np.complex128 if "complex" in dtype else float), expected, tolerance
        )


@pytest.mark.parametrize(("expression", "expected", "dtype"), SINGLE)
def test_numbers_of_jax(expression, expected, dtype):
    check_row(expression, expected, dtype)


@pytest.mark.parametrize(("expression", "expected", "dtype"), DOUBLE)
def test_numbers_of_jax_with_x64(expression, expected, dtype):
    with mj.enable_x64():
        check_row(expression, expected, dtype)


def test_uniform_numbers_are_equal_to_the_last_bit():
    found = random.uniform(random.PRNGKey(42), (2,))
    np.testing.assert_array_equal(found, np.array([0.48870957, 0.6797972], np.float32))


def test_keys():
    np.testing.assert_array_equal(random.PRNGKey(-1), [0, 2**32 - 1])
    np.testing.assert_array_equal(random.PRNGKey(2**40 + 5), [0, 5])
    np.testing.assert_array_equal(random.key(3), random.PRNGKey(np.int32(3)))
    np.testing.assert_array_equal(random.fold_in(random.PRNGKey(0), 7), [2716826189, 292468403])
    assert random.split(random.key(0), (2, 3)).shape == (2, 3, 2)
    key = random.key(5)
    np.testing.assert_array_equal(random.wrap_key_data(random.key_data(random.clone(key))), key)
    assert random.key_impl(key) == "fry"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: random.normal(0), TypeError, "invalid PRNG key data: expected key_data to have ndim"),
        (lambda k: random.normal(mnp.zeros(3)), TypeError, "expected key_data.shape to end with"),
        (lambda k: random.uniform(random.split(k), (3,)), ValueError, "uniform accepts a single key"),
        (lambda k: random.PRNGKey(1.5), TypeError, "PRNG key seed must be an integer"),
        (lambda k: random.PRNGKey(2**70), OverflowError, "too large to convert"),
        (lambda k: random.PRNGKey(mnp.arange(2)), TypeError, "PRNGKey accepts a scalar seed"),
        (lambda k: random.PRNGKey(0, impl="rbg"), ValueError, "unrecognized PRNG implementation"),
        (lambda k: random.fold_in(k, -1), OverflowError, "out of bounds for uint32"),
        (lambda k: random.uniform(k, (2,), int), ValueError, "`uniform` must be a float dtype"),
        (lambda k: random.normal(k, (2,), int), ValueError, "`normal` must be a float or complex dtype"),
        (lambda k: random.bits(k, (2,), np.int32), ValueError, "`bits` must be an unsigned int dtype"),
        (lambda k: random.randint(k, (2,), 0, 10, float), TypeError, "randint only accepts integer dtypes"),
        (lambda k: random.randint(k, (2,), 0, 2**31), OverflowError, "does not fit"),
        (lambda k: random.uniform(k, (-1,)), ValueError, "negative"),
        (lambda k: random.choice(k, 3, (5,), replace=False), ValueError, "Cannot take a larger sample"),
        (lambda k: random.choice(k, 3, p=mnp.ones(2)), ValueError, "1D vector with the same size"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(random.PRNGKey(0))


DISTRIBUTIONS = [
    (lambda k, n: random.uniform(k, n, minval=-1.0, maxval=3.0), scipy.stats.uniform(-1, 4)),
    (lambda k, n: random.normal(k, n), scipy.stats.norm()),
    (lambda k, n: random.truncated_normal(k, -1.0, 2.0, n), scipy.stats.truncnorm(-1, 2)),
    (lambda k, n: random.exponential(k, n), scipy.stats.expon()),
    (lambda k, n: random.gumbel(k, n), scipy.stats.gumbel_r()),
    (lambda k, n: random.gumbel(k, n, mode="high"), scipy.stats.gumbel_r()),
    (lambda k, n: random.laplace(k, n), scipy.stats.laplace()),
    (lambda k, n: random.logistic(k, n), scipy.stats.logistic()),
    (lambda k, n: random.cauchy(k, n), scipy.stats.cauchy()),
    (lambda k, n: random.lognormal(k, 0.5, n), scipy.stats.lognorm(0.5)),
    (lambda k, n: random.rayleigh(k, 2.0, n), scipy.stats.rayleigh(scale=2)),
    (lambda k, n: random.weibull_min(k, 2.0, 1.5, n), scipy.stats.weibull_min(1.5, scale=2)),
    (lambda k, n: random.pareto(k, 3.0, n), scipy.stats.pareto(3)),
    (lambda k, n: random.triangular(k, 0.0, 0.3, 1.0, n), scipy.stats.triang(0.3)),
    (lambda k, n: random.maxwell(k, n), scipy.stats.maxwell()),
]


@pytest.mark.parametrize(("draw", "distribution"), DISTRIBUTIONS)
def test_distributions(draw, distribution):
    sample = np.asarray(draw(random.PRNGKey(11), (4000,)), float)
    assert scipy.stats.kstest(sample, distribution.cdf).pvalue > 1e-3


@pytest.mark.parametrize("mode", ["low", "high"])
def test_bernoulli_frequency(mode):
    share = np.asarray(random.bernoulli(random.PRNGKey(1), 0.3, (4000,), mode)).mean()
    assert abs(share - 0.3) < 5 * np.sqrt(0.21 / 4000)


@pytest.mark.parametrize("replace", [True, False])
def test_choice_follows_its_weights(replace):
    weights = mnp.array([0.1, 0.2, 0.3, 0.4])
    keys = random.split(random.PRNGKey(2), 2000)
    first = mj.vmap(lambda k: random.choice(k, 4, (2,), replace, weights)[0])(keys)
    counts = np.bincount(np.asarray(first), minlength=4)
    assert scipy.stats.chisquare(counts, 2000 * np.array([0.1, 0.2, 0.3, 0.4])).pvalue > 1e-3


def test_selections_without_replacement_are_distinct():
    key = random.PRNGKey(3)
    for drawn in (
        random.permutation(key, 50),
        random.choice(key, 50, (50,), replace=False),
        random.choice(key, 50, (50,), replace=False, p=mnp.ones(50) / 50),
        random.categorical(key, mnp.zeros(50), shape=(50,), replace=False),
    ):
        np.testing.assert_array_equal(np.sort(np.asarray(drawn)), np.arange(50))


def test_orthogonal_matrices_are_orthogonal():
    q = np.asarray(random.orthogonal(random.PRNGKey(4), 3, (5,)))
    np.testing.assert_allclose(q @ q.swapaxes(-1, -2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-5)
    wide = np.asarray(random.orthogonal(random.PRNGKey(4), 2, m=3))
    np.testing.assert_allclose(wide @ wide.T, np.eye(2), atol=1e-5)


@pytest.mark.parametrize("method", ["cholesky", "eigh", "svd"])
def test_multivariate_normal_has_its_covariance(method):
    cov = np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)
    x = np.asarray(random.multivariate_normal(random.PRNGKey(5), mnp.array([1.0, -1.0]), cov, (4000,), method=method))
    np.testing.assert_allclose(x.mean(0), [1, -1], atol=0.12)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.2)


def test_gradients_pass_through_parameters():
    key = random.PRNGKey(6)
    u = float(random.uniform(key))
    assert float(mj.grad(lambda b: random.uniform(key, minval=0.0, maxval=b))(2.0)) == pytest.approx(u, rel=1e-5)
    e = float(random.exponential(key))
    expected = -e / 4 * np.exp(e / 2)
    assert float(mj.grad(lambda b: random.pareto(key, b))(2.0)) == pytest.approx(expected, rel=1e-4)
    chosen = mj.grad(lambda x: mnp.sum(random.permutation(key, x) * mnp.arange(4.0)))(mnp.ones(4))
    np.testing.assert_array_equal(np.sort(np.asarray(chosen)), np.arange(4))
    assert float(mj.grad(lambda p: random.bernoulli(key, p) * 1.0)(0.5)) == 0


def test_vmap_over_keys_draws_what_a_loop_draws():
    keys = random.split(random.PRNGKey(8), 3)
    for draw in (
        lambda k: random.normal(k, (2,)),
        lambda k: random.randint(k, (2,), 0, 100),
        lambda k: random.permutation(k, 5),
        lambda k: random.categorical(k, mnp.arange(3.0), shape=(4,)),
    ):
        np.testing.assert_array_equal(mj.vmap(draw)(keys), np.stack([draw(k) for k in keys]))


def test_numbers_under_jit_are_the_same():
    key = random.PRNGKey(9)
    np.testing.assert_array_equal(
        mj.jit(lambda k: random.randint(k, (5,), 0, 1000))(key), random.randint(key, (5,), 0, 1000)
    )
