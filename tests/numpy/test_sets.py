"""Set functions take their elements from the traced array, so that derivatives follow them."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

X = np.array([3.0, 1.0, 3.0, 5.0, 1.0])
Y = np.array([5.0, 2.0, 2.0, 9.0])
FUNCTIONS = {
    "union1d": lambda m, x, y: m.union1d(x, y),
    "intersect1d": lambda m, x, y: m.intersect1d(x, y),
    "setdiff1d": lambda m, x, y: m.setdiff1d(x, y),
    "setxor1d": lambda m, x, y: m.setxor1d(x, y),
    "setdiff1d of distinct": lambda m, x, y: m.setdiff1d(x[1:4], y[1:], assume_unique=True),
    "setxor1d of distinct": lambda m, x, y: m.setxor1d(x[1:4], y[1:], assume_unique=True),
    "unique": lambda m, x, y: m.unique(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("x", "y"), [(X, Y), (X[:0], Y), (X, Y[:0]), (X[:0], Y[:0]), (X.reshape(5, 1), Y)])
def test_values_equal_numpys(name, x, y):
    with mj.enable_x64():
        np.testing.assert_array_equal(FUNCTIONS[name](mnp, mnp.asarray(x), mnp.asarray(y)), FUNCTIONS[name](np, x, y))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_element_of_the_result_has_the_derivative_of_the_one_it_is(name):
    f = FUNCTIONS[name]
    with mj.enable_x64():
        x, y = mnp.asarray(X), mnp.asarray(Y)
        slopes = mj.jacobian(lambda x, y: f(mnp, x, y), (0, 1))(x, y)
        values, sources = f(np, X, Y), np.concatenate([X, Y])
        table = np.concatenate(slopes, 1)
        assert table.shape == (len(values), len(sources))
        np.testing.assert_array_equal(table.sum(1), 1.0)
        np.testing.assert_array_equal(table @ sources, values)


def test_results_of_a_given_size_are_cut_off_or_filled():
    a, b = mnp.array([5, 1, 4, 2]), mnp.array([1, 9])
    assert mnp.setdiff1d(a, b, size=5).tolist() == [2, 4, 5, 0, 0]
    assert mnp.setdiff1d(a, b, size=5, fill_value=9).tolist() == [2, 4, 5, 9, 9]
    assert mnp.setxor1d(a, b, size=6).tolist() == [2, 4, 5, 9, 2, 2]
    assert mnp.setxor1d(a, b, size=2).tolist() == [2, 4]
    assert mnp.intersect1d(a, mnp.array([1, 5]), size=4).tolist() == [1, 5, 1, 1]
    assert mnp.union1d(a, b, size=7).tolist() == [1, 2, 4, 5, 9, 1, 1]
    assert mj.jit(lambda a, b: mnp.union1d(a, b, size=7))(a, b).tolist() == [1, 2, 4, 5, 9, 1, 1]
    assert [x.tolist() for x in mnp.intersect1d(a, mnp.array([1, 5]), return_indices=True)] == [
        [1, 5],
        [1, 0],
        [0, 1],
    ]


@pytest.mark.parametrize("name", ["intersect1d", "setdiff1d", "setxor1d"])
def test_unknown_values_are_refused(name):
    with pytest.raises(mj.errors.ConcretizationTypeError, match="size argument"):
        mj.jit(lambda x: FUNCTIONS[name](mnp, x, x))(mnp.arange(3.0))
