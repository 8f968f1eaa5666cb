"""Sorts and the k largest elements against Python's stable sort, with nan, both zeros, ties, and in short and long arrays."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p

FLOATS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
INTEGERS = [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.bool_]
SHAPES = [((7,), 0), ((600,), 0), ((2, 600), 1), ((600, 2), 0), ((3, 5), 0), ((2, 520, 2), 1)]
nan, inf = np.nan, np.inf
every_dtype = pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=lambda d: np.dtype(d).name)
every_shape = pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def sort(*xs, axis=0, keys=1):
    return p.sort(*xs, dimension=axis, is_stable=True, num_keys=keys)


def sample(shape, dtype, seed=0):
    """Many ties; of floats also nan, infinities and zeros of both signs."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, shape)
    if np.dtype(dtype).kind in "iub":
        return np.abs(x).astype(dtype) if np.dtype(dtype).kind == "u" else x.astype(dtype)
    special = rng.choice([nan, -nan, inf, -inf, -0.0], shape)
    return np.where(rng.random(shape) < 0.3, special, x).astype(dtype)


def stable_order(row, rank):
    """The permutation by Python's sort, which is stable."""
    return sorted(range(len(row)), key=lambda i: rank(row[i]))


def rising(value):
    return (bool(value != value), 0 if value != value else float(value))


def falling(value):
    """nan first, whatever its sign bit; 0 before -0."""
    number = float(value)
    return (True, -number, bool(np.signbit(number))) if number == number else (False,)


def orders(x, axis, rank):
    return np.apply_along_axis(
        lambda row: stable_order(row, rank), axis, x.astype(float) if x.dtype.kind == "V" else x
    )


def same_bits(a, b):
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    missing = a.astype(float) != a.astype(float)  # any nan is as good as another
    np.testing.assert_array_equal(missing, b.astype(float) != b.astype(float))
    assert a.dtype == b.dtype and a[~missing].tobytes() == b[~missing].tobytes()


@every_dtype
@every_shape
def test_sorting_is_stable_with_nan_at_the_end(dtype, shape, axis):
    x = sample(shape, dtype)
    order = orders(x, axis, rising)
    (found,) = sort(x, axis=axis)
    same_bits(np.asarray(found), np.take_along_axis(x, order, axis))
    counter = np.broadcast_to(
        np.expand_dims(np.arange(shape[axis]), [i for i in range(len(shape)) if i != axis]), shape
    )
    keys, permutation = sort(x, counter, axis=axis)
    np.testing.assert_array_equal(permutation, order)
    same_bits(np.asarray(keys), np.take_along_axis(x, order, axis))


@pytest.mark.parametrize("n", [5, 600])
def test_the_first_keys_decide_and_further_ones_break_ties(n):
    major, minor = sample((n,), np.float32), sample((n,), np.int32, 1)
    found = sort(major, minor, np.arange(n), keys=2)
    expected = sorted(range(n), key=lambda i: (rising(major[i]), minor[i]))
    np.testing.assert_array_equal(found[2], expected)
    np.testing.assert_array_equal(found[1], minor[expected])


def test_complex_numbers_are_sorted_by_real_then_imaginary_part():
    x = np.array([1 + 2j, 1 + 1j, 0 + 5j, -1 + 0j])
    np.testing.assert_array_equal(sort(x)[0], [-1, 5j, 1 + 1j, 1 + 2j])
    np.testing.assert_array_equal(sort(x, np.arange(4))[1], [3, 2, 1, 0])


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0)], ids=str)
def test_scalars_and_empty_arrays_are_sorted_already(shape):
    x = mnp.ones(shape)
    outs = sort(x, x)
    assert [out.shape for out in outs] == [shape] * 2
    assert mj.grad(lambda x: sort(x)[0].sum())(x).shape == shape


@pytest.mark.parametrize(("n", "axis"), [(6, 0), (6, 1), (600, 1)])
def test_derivatives_go_where_the_elements_went(n, axis):
    rng = np.random.default_rng(2)
    shape = (n, 3) if axis == 0 else (3, n)
    x, y = (
        rng.integers(0, 5, shape).astype(float),
        rng.normal(size=shape),
    )  # ties: the order is that of the stable sort
    dx, dy, cx, cy = (rng.normal(size=shape) for _ in range(4))
    order = np.argsort(x, axis, kind="stable")
    _, tangents = mj.jvp(lambda x, y: tuple(sort(x, y, axis=axis)), (x, y), (dx, dy))
    for found, t in zip(tangents, (dx, dy)):
        np.testing.assert_array_equal(found, np.take_along_axis(t, order, axis))
    _, pull = mj.vjp(lambda x, y: tuple(sort(x, y, axis=axis)), mnp.asarray(x), mnp.asarray(y))
    for found, ct in zip(pull((mnp.asarray(cx), mnp.asarray(cy))), (cx, cy)):
        expected = np.empty(shape)
        np.put_along_axis(expected, order, ct, axis)
        np.testing.assert_array_equal(found, expected)


def test_second_derivatives_of_an_order_statistic():
    x = mnp.asarray(np.array([3.0, 1.0, 2.0]))
    cube = lambda x: sort(x)[0][1] ** 3
    np.testing.assert_allclose(mj.hessian(cube)(x), np.diag([0, 0, 12.0]), rtol=1e-12)


def test_a_batch_is_sorted_row_by_row_and_unmapped_operands_join():
    x, y = sample((3, 4), np.int32), np.arange(4)
    for axis in (0, 1):
        rows = np.moveaxis(x, axis, 0)
        keys, joined = mj.vmap(lambda row: tuple(sort(row, mnp.asarray(y[: row.shape[0]]))), in_axes=axis)(x)
        order = np.argsort(rows, 1, kind="stable")
        np.testing.assert_array_equal(keys, np.take_along_axis(rows, order, 1))
        np.testing.assert_array_equal(joined, order)
    scalars = mj.vmap(lambda v: sort(v)[0])(mnp.asarray(y))
    np.testing.assert_array_equal(scalars, y)


@every_dtype
@pytest.mark.parametrize("shape", [(7,), (600,), (2, 530)], ids=str)
def test_the_largest_come_first_and_of_ties_the_lowest_index(dtype, shape):
    x = sample(shape, dtype)
    order = orders(x, -1, falling)
    for k in (0, 1, 2, 3, 5, shape[-1] // 2, shape[-1] - 1, shape[-1]):
        values, indices = p.top_k(x, k=k)
        assert indices.dtype == np.int32
        np.testing.assert_array_equal(indices, order[..., :k])
        same_bits(np.asarray(values), np.take_along_axis(x, order[..., :k], -1))


@pytest.mark.parametrize(
    ("x", "k", "place", "expected"),
    [([1.0, 3.0, 3.0], 1, 0, [0, 1, 0]), ([1.0, 3.0, 3.0], 2, 1, [0, 0, 1]), ([nan, 3.0], 1, 0, [1, 0])],
)
def test_the_gradient_goes_to_the_chosen_element(x, k, place, expected):
    chosen = lambda x: p.top_k(x, k=k)[0][place]
    np.testing.assert_array_equal(mj.grad(chosen)(mnp.asarray(np.array(x))), expected)


def test_derivatives_of_the_largest_of_each_row():
    rng = np.random.default_rng(3)
    x, ct = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 2))
    _, pull = mj.vjp(lambda x: p.top_k(x, k=2)[0], mnp.asarray(x))
    expected = np.zeros(x.shape)
    np.put_along_axis(expected, np.argsort(-x, -1)[..., :2], ct, -1)
    np.testing.assert_array_equal(pull(mnp.asarray(ct))[0], expected)
    values, indices = mj.vmap(lambda x: tuple(p.top_k(x, k=2)), in_axes=1)(mnp.asarray(x))
    np.testing.assert_array_equal(indices, np.argsort(-x, -1)[..., :2].swapaxes(0, 1))
    np.testing.assert_array_equal(values, -np.sort(-x, -1)[..., :2].swapaxes(0, 1))


x = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "phrase"),
    [
        (lambda: sort(), TypeError, "at least one operand"),
        (lambda: sort(x, x[:1]), TypeError, "operands of one shape"),
        (lambda: sort(x, axis=2), ValueError, "not an axis"),
        (lambda: sort(x, keys=0), ValueError, "num_keys=0"),
        (lambda: sort(x, x, keys=3), ValueError, "num_keys=3"),
        (lambda: p.top_k(x, k=4), ValueError, "k argument to top_k must be no larger than"),
        (lambda: p.top_k(x, k=-1), ValueError, "k argument to top_k"),
        (lambda: p.top_k(x[0, 0], k=1), TypeError, "must have >= 1 dimension"),
        (lambda: p.top_k(x * 1j, k=1), TypeError, "does not accept dtype complex"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call()
