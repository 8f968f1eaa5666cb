"""map, associative_scan: results against plain Python, derivatives against those of the loop, batches, errors."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.ir import histogram

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


@pytest.mark.parametrize("length", range(14))
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_partial_results_at_every_length_and_axis(length, reverse, axis):
    shape = (length, 2) if axis == 0 else (2, length)
    x = RNG.standard_normal(shape)
    y = np.flip(x, axis) if reverse else x
    expected = np.cumsum(y, axis)
    found = lax.associative_scan(mnp.add, x, reverse=reverse, axis=axis)
    np.testing.assert_allclose(found, np.flip(expected, axis) if reverse else expected, rtol=1e-12, atol=1e-12)


def test_the_order_of_operands_is_kept():
    mats = RNG.standard_normal((7, 3, 3))
    forwards = list(itertools.accumulate(mats, np.matmul))
    np.testing.assert_allclose(lax.associative_scan(mnp.matmul, mats), forwards, rtol=1e-10)
    backwards = list(itertools.accumulate(mats[::-1], np.matmul))[::-1]
    np.testing.assert_allclose(lax.associative_scan(mnp.matmul, mats, reverse=True), backwards, rtol=1e-10)


def affine(f, g):
    """First x -> a x + b, then x -> c x + d."""
    return {"a": f["a"] * g["a"], "b": g["a"] * f["b"] + g["b"]}


def recurrence(a, b):
    """x_i = a_i x_(i-1) + b_i, one after the other."""
    return lax.scan(lambda x, ab: ((ab[0] * x + ab[1]),) * 2, 0.0 * b[0], (a, b))[1]


A, B = RNG.uniform(0.5, 1.5, 9), RNG.standard_normal(9)


def by_associative_scan(a, b):
    return lax.associative_scan(affine, {"a": a, "b": b})["b"]


@pytest.mark.parametrize("wrap", [lambda f: f, mj.jit], ids=["eager", "jit"])
def test_a_linear_recurrence_and_its_derivatives_equal_those_of_the_loop(wrap):
    found, expected = wrap(by_associative_scan), recurrence
    np.testing.assert_allclose(found(A, B), expected(A, B), rtol=1e-12)
    loss = lambda f: lambda a, b: mnp.sin(f(a, b)).sum()
    for x, y in zip(mj.grad(loss(found), (0, 1))(A, B), mj.grad(loss(expected), (0, 1))(A, B), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(mj.hessian(loss(found))(A, B), mj.hessian(loss(expected))(A, B), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        mj.jvp(found, (A, B), (B, A))[1], mj.jvp(expected, (A, B), (B, A))[1], rtol=1e-10, atol=1e-12
    )
    many = wrap(mj.vmap(by_associative_scan, in_axes=(None, 0)))(A, np.stack([B, 2 * B]))
    np.testing.assert_allclose(many, np.stack([expected(A, B), expected(A, 2 * B)]), rtol=1e-12)


def test_the_number_of_equations_grows_with_the_logarithm():
    count = lambda n: histogram(mj.make_jaxpr(lambda x: lax.associative_scan(mnp.multiply, x))(np.ones(n)))["mul"]
    assert [count(n) for n in (2, 16, 1024)] == [1, 7, 19]


def test_elements_that_are_not_finite_stay_in_their_places():
    x = np.array([1.0, 2.0, 3.0, np.inf, np.nan])
    np.testing.assert_array_equal(lax.associative_scan(mnp.maximum, x), [1.0, 2.0, 3.0, np.inf, np.nan])
    ints, flags = np.array([3, 1, 2]), np.array([True, False, True])
    np.testing.assert_array_equal(lax.associative_scan(mnp.minimum, ints), [3, 1, 1])
    np.testing.assert_array_equal(lax.associative_scan(mnp.logical_and, flags), [True, False, False])


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: lax.associative_scan(1, A), TypeError, "fn argument should be callable"),
        (
            lambda: lax.associative_scan(affine, {"a": A, "b": B[:3]}),
            ValueError,
            r"same length along axis 0, got shapes \[\(9,\), \(3,\)\]",
        ),
        (lambda: lax.associative_scan(mnp.add, A, axis=1), ValueError, "axis 1 is out of bounds"),
        (
            lambda: lax.associative_scan(lambda x, y: (x, y), A),
            TypeError,
            r"(?s)the input is a pytree leaf but the output is a <class 'tuple'>.*test_mapping\.py:",
        ),
        (
            lambda: lax.associative_scan(lambda x, y: (x + y).astype("float32"), A),
            TypeError,
            r"(?s)input has type f64\[4\], the output has type f32\[4\], so the dtypes do not match.*test_mapping\.py:",
        ),
    ],
)
def test_errors_of_associative_scan(run, error, message):
    with pytest.raises(error, match=message):
        run()


@pytest.mark.parametrize("batch_size", [None, 0, 1, 2, 3, 7, 20])
@pytest.mark.parametrize("length", [0, 1, 7])
def test_map_stacks_the_results_of_the_rows(batch_size, length):
    xs = {"a": RNG.standard_normal((length, 2)), "n": np.arange(length)}
    f = lambda row: (mnp.sin(row["a"]) * row["n"], row["n"] + 1)
    values, numbers = lax.map(f, xs, batch_size=batch_size)
    np.testing.assert_allclose(values, np.sin(xs["a"]) * xs["n"][:, None], rtol=1e-12)
    np.testing.assert_array_equal(numbers, np.arange(length) + 1)


@pytest.mark.parametrize("batch_size", [None, 2, 3])
def test_map_differentiates_batches_and_compiles(batch_size):
    xs = RNG.standard_normal((5, 3))
    mapped = functools.partial(lax.map, batch_size=batch_size)
    loss = lambda w, xs: (mapped(lambda x: mnp.tanh(x @ w), xs) ** 2).sum()
    plain = lambda w, xs: (mnp.tanh(xs @ w) ** 2).sum()
    w = np.array([0.3, -0.2, 0.5])
    for wrap in (lambda f: f, mj.jit):
        np.testing.assert_allclose(wrap(mj.grad(loss))(w, xs), mj.grad(plain)(w, xs), rtol=1e-10)
        np.testing.assert_allclose(wrap(mj.hessian(loss))(w, xs), mj.hessian(plain)(w, xs), rtol=1e-9)
        batch = np.stack([xs, 2 * xs])
        np.testing.assert_allclose(
            wrap(mj.vmap(loss, (None, 0)))(w, batch), mj.vmap(plain, (None, 0))(w, batch), rtol=1e-10
        )


def test_the_function_is_traced_for_batches_and_for_the_rest():
    shapes = []
    lax.map(lambda x: shapes.append(x.shape) or x, np.ones((10, 3, 4)), batch_size=3)
    assert shapes == [(3, 4), (3, 4)]


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: lax.map(1, A), TypeError, "lax.map: f argument should be callable"),
        (lambda: lax.map(mnp.sin, A, batch_size=-1), ValueError, "batch_size must be non-negative, got -1"),
        (lambda: lax.map(mnp.sin, A, batch_size=1.5), TypeError, "batch_size must be an integer, got 1.5"),
        (lambda: lax.map(mnp.sin, 1.0, batch_size=1), ValueError, "no leading axis to map over"),
        (lambda: lax.map(mnp.sin, 1.0), ValueError, "no leading axis to scan over"),
        (lambda: lax.map(mnp.sin, (A, B[:3]), batch_size=1), ValueError, "different leading axis sizes: 3, 9"),
        (lambda: lax.map(mnp.sin, (), batch_size=1), ValueError, "no arrays to map over"),
    ],
)
def test_errors_of_map(run, error, message):
    with pytest.raises(error, match=message):
        run()
