"""Running reductions against loops over prefixes, in values and in derivatives, also at ties, zeros, nan and infinities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p

WHOLE = {  # the same by NumPy, of all elements at once
    "cumsum": np.sum,
    "cumprod": np.prod,
    "cummax": np.max,
    "cummin": np.min,
    "cumlogsumexp": lambda x, axis: np.logaddexp.reduce(x, axis=axis),
}
nan, inf = np.nan, np.inf
both_ends = pytest.mark.parametrize("reverse", [False, True], ids=["from the start", "from the end"])


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def running(name, reverse=False, axis=0):
    return lambda x: getattr(p, name)(x, axis=axis, reverse=reverse)


def jacobian(name, x, reverse=False, mode=mj.jacfwd):
    return np.asarray(mode(running(name, reverse))(mnp.asarray(x)))


def prefixes(n, reverse):
    return [slice(k, n) if reverse else slice(k + 1) for k in range(n)]


@both_ends
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", WHOLE)
def test_each_place_holds_the_reduction_of_what_came_before(name, axis, reverse):
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    parts = [
        WHOLE[name](np.take(x, range(x.shape[axis])[part], axis), axis=axis)
        for part in prefixes(x.shape[axis], reverse)
    ]
    np.testing.assert_allclose(running(name, reverse, axis)(x), np.stack(parts, axis), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
def test_dtypes_are_kept_and_integers_wrap(name, dtype):
    x = mnp.asarray(np.array([3, 1, 2, 5])).astype(dtype)
    out = running(name)(x)
    assert out.dtype == x.dtype
    wide = [WHOLE[name](np.array([3, 1, 2, 5])[: k + 1]) for k in range(4)]
    np.testing.assert_array_equal(np.asarray(out).astype(complex), wide)
    wrapped = np.asarray(running("cumprod")(np.array([100, 3], np.int8)))
    assert wrapped.tolist() == [100, 44]


def test_a_running_sum_in_float32_keeps_counting_behind_its_last_integer():
    ones_behind = np.array([2**24, 1, 1, 1, 1], np.float32)
    assert float(running("cumsum")(ones_behind)[-1]) == 2**24 + 4


@both_ends
@pytest.mark.parametrize("zeros", list(itertools.product((False, True), repeat=3)), ids=str)
def test_derivatives_of_running_products_do_not_divide(zeros, reverse):
    x = np.where(zeros, 0.0, [2.0, 3.0, 5.0])
    expected = np.zeros((3, 3))
    for row, part in enumerate(prefixes(3, reverse)):
        inside = range(3)[part]
        for i in inside:
            expected[row, i] = np.prod([x[j] for j in inside if j != i])
    for mode in (mj.jacfwd, mj.jacrev):
        np.testing.assert_allclose(jacobian("cumprod", x, reverse, mode), expected, rtol=1e-12)
    at = 0 if reverse else -1
    second = mj.hessian(lambda x: running("cumprod", reverse)(x)[at])(mnp.asarray(x))
    others = [[0 if i == j else x[3 - i - j] for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(second, others, rtol=1e-12)


@both_ends
def test_the_derivative_of_a_running_sum_is_a_triangle_of_ones(reverse):
    expected = np.triu(np.ones((4, 4))) if reverse else np.tril(np.ones((4, 4)))
    for mode in (mj.jacfwd, mj.jacrev):
        np.testing.assert_array_equal(jacobian("cumsum", np.arange(4.0), reverse, mode), expected)


def test_the_derivative_at_the_end_where_it_starts_is_one_also_at_an_infinity():
    np.testing.assert_array_equal(jacobian("cumprod", np.array([inf, 2.0]))[0], [1, 0])  # 0 * inf would be nan
    np.testing.assert_array_equal(jacobian("cumprod", np.array([2.0, inf]), reverse=True)[1], [0, 1])
    np.testing.assert_array_equal(jacobian("cumlogsumexp", np.array([-inf, 2.0])), [[1, 0], [0, 1]])


@both_ends
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("name", "whole"), [("cummax", "reduce_max"), ("cummin", "reduce_min")])
def test_a_running_extremum_shares_ties_as_the_extremum_of_each_prefix_does(name, whole, seed, reverse):
    x = np.random.default_rng(seed).integers(0, 3, 7).astype(float)
    x[seed] = (-inf, inf)[seed % 2]
    found = jacobian(name, x, reverse)
    for row, part in enumerate(prefixes(7, reverse)):
        expected = np.zeros(7)
        expected[part] = mj.grad(lambda x: getattr(p, whole)(x, axes=(0,)))(mnp.asarray(x[part]))
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)
    np.testing.assert_allclose(jacobian(name, x, reverse, mj.jacrev), found, rtol=1e-12)


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_behind_a_nan_a_running_extremum_is_nan_with_tangent_zero(name):
    x = np.array([2.0, 2.0, nan, 1.0, 3.0])
    assert np.isnan(np.asarray(running(name)(x))).tolist() == [False, False, True, True, True]
    np.testing.assert_array_equal(jacobian(name, x)[:2, :2], [[1, 0], [0.5, 0.5]])
    np.testing.assert_array_equal(jacobian(name, x)[2:], 0)


@both_ends
def test_the_derivative_of_cumlogsumexp_is_the_softmax_of_each_prefix(reverse):
    x = np.array([1.0, -2.0, 800.0, 3.0, -inf, 799.0])
    expected = np.zeros((6, 6))
    for row, part in enumerate(prefixes(6, reverse)):
        weights = np.exp(x[part] - np.max(x[part]))
        expected[row, part] = weights / weights.sum()
    for mode in (mj.jacfwd, mj.jacrev):
        np.testing.assert_allclose(jacobian("cumlogsumexp", x, reverse, mode), expected, rtol=1e-12, atol=1e-300)


def test_cumlogsumexp_is_stable_at_huge_and_masked_elements():
    x = np.array([-inf, -inf, 1e4, 1e4, -1e4])
    np.testing.assert_allclose(running("cumlogsumexp")(x), [-inf, -inf, 1e4, *[1e4 + np.log(2)] * 2], rtol=1e-15)
    first, second = (
        np.asarray(d(lambda x: running("cumlogsumexp")(x)[-1])(mnp.asarray(x))) for d in (mj.grad, mj.hessian)
    )
    np.testing.assert_allclose(first, [0, 0, 0.5, 0.5, 0], rtol=1e-12)
    expected = np.zeros((5, 5))
    expected[2:4, 2:4] = [[0.25, -0.25], [-0.25, 0.25]]
    np.testing.assert_allclose(second, expected, rtol=1e-12, atol=1e-15)
    assert np.isfinite(jacobian("cumlogsumexp", x)).all()


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 3), (2, 0)], ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_of_nothing_and_of_one_element(name, shape):
    x = mnp.ones(shape)
    out, pull = mj.vjp(running(name), x)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(pull(x)[0], x)


x = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "phrase"),
    [
        (lambda: p.cumsum(x, axis=2, reverse=False), ValueError, "not an axis"),
        (lambda: p.cumsum(x, axis=-1, reverse=False), ValueError, "not an axis"),
        (lambda: p.cumsum(x > 0, axis=0, reverse=False), TypeError, "does not accept dtype bool"),
        (lambda: p.cummax(x > 0, axis=0, reverse=False), TypeError, "does not accept dtype bool"),
        (lambda: p.cumlogsumexp(x.astype(int), axis=0, reverse=False), TypeError, "does not accept dtype int"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call()
