"""vectorize, piecewise and apply_along_axis against NumPy's loops, with derivatives, under every transformation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.errors import TracerBoolConversionError
from minijax.test_util import check_grads

rng = np.random.default_rng(3)
ROWS = rng.standard_normal((4, 1, 3)).astype(np.float32)
MATRICES = rng.standard_normal((5, 2, 3)).astype(np.float32)
ELEMENTS = rng.standard_normal((2, 3, 4)).astype(np.float32)


def polar(x, y):
    return mnp.hypot(x, y), mnp.arctan2(y, x)


@pytest.mark.parametrize(
    "shapes", [((), ()), ((3,), ()), ((), (3,)), ((3, 1), (4,)), ((2, 1, 3), (4, 1)), ((1, 1), (1,)), ((0, 2), (2,))]
)
def test_scalars_are_mapped_and_broadcast(shapes):
    x, y = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    found = mnp.vectorize(polar)(x, y)
    assert isinstance(found, tuple)
    for a, b in zip(found, (np.hypot(x, y), np.arctan2(y, x)), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_function_sees_scalars_and_is_called_once_for_each_mapped_axis():
    seen = []
    f = mnp.vectorize(lambda x, y: seen.append((x.shape, y.shape)) or x + y)
    assert f(mnp.ones((2, 1)), mnp.ones(3)).shape == (2, 3)
    assert seen == [((), ())]


@pytest.mark.parametrize(
    ("signature", "function", "args", "shape"),
    [
        ("(m,n),(n)->(m)", lambda a, v: a @ v, (MATRICES, ROWS), (4, 5, 2)),
        ("(n),(n)->()", lambda a, b: a @ b, (ROWS, ROWS[0]), (4, 1)),
        ("(n)->(n),()", lambda v: (v / v.sum(), v.sum()), (ROWS,), None),
        ("(),()->()", lambda a, b: a * b, (ROWS, 2.0), (4, 1, 3)),
        ("(n)->(m)", lambda v: mnp.concatenate([v, v]), (ROWS,), (4, 1, 6)),
    ],
)
def test_signatures(signature, function, args, shape):
    found = mnp.vectorize(function, signature=signature)(*args)
    expected = np.vectorize(
        lambda *xs: mj.tree.map(np.asarray, function(*map(mnp.asarray, xs))), signature=signature
    )(*args)
    assert shape is None or found.shape == shape
    for a, b in zip(mj.tree.leaves(found), mj.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_excluded_arguments_and_keywords_are_handed_over_as_they_are():
    f = lambda x, power, *, shift=0.0, names=(): (x**power + shift) * len(names)
    found = mnp.vectorize(f, excluded={1, "names"})(mnp.arange(3.0), 2, shift=mnp.ones((2, 1)), names=("a", "b"))
    np.testing.assert_array_equal(found, np.broadcast_to((np.arange(3.0) ** 2 + 1) * 2, (2, 3)))
    assert mnp.vectorize(lambda x, y: x if y is None else x + y)(mnp.arange(2.0), None).tolist() == [0.0, 1.0]


def test_results_may_be_trees():
    assert mnp.vectorize(lambda x: {"a": (x, 1.0)})(mnp.arange(2.0))["a"][1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "phrase"),
    [
        (lambda: mnp.vectorize(abs, excluded={1.5}), TypeError, "can only exclude integer or string"),
        (lambda: mnp.vectorize(abs, excluded={-1}), ValueError, "contains negative numbers"),
        (lambda: mnp.vectorize(abs, signature="n->()"), ValueError, "not a valid gufunc signature: n->()"),
        (lambda: mnp.vectorize(abs, signature="(n),(n)->()")(ROWS), TypeError, "expected 2, got 1"),
        (lambda: mnp.vectorize(abs, signature="(n)->()")(1.0), ValueError, "does not have enough dimensions"),
        (lambda: mnp.vectorize(abs, signature="(n)->()")(ROWS), ValueError, "does not match core dimensions"),
        (lambda: mnp.vectorize(abs, signature="(n)->(),()")(ROWS), TypeError, "output must be a tuple"),
        (lambda: mnp.vectorize(lambda x: (x,), signature="()->(),()")(1.0), TypeError, "expected 2, got 1"),
        (
            lambda: mnp.vectorize(mnp.add, signature="(n),(n)->(n)")(mnp.ones(2), mnp.ones(3)),
            ValueError,
            "inconsistent size for core dimension 'n': 3 vs 2",
        ),
        (lambda: mnp.vectorize(mnp.add)(mnp.ones(2), mnp.ones(3)), ValueError, "Incompatible shapes"),
        (lambda: mnp.vectorize(lambda a, b: a, signature="(n),()->(n)")(None, 1.0), ValueError, "Cannot pass None"),
        (lambda: mnp.apply_along_axis(mnp.sum, 2, mnp.ones((2, 3))), ValueError, "axis 2 is out of bounds"),
        (lambda: mnp.apply_along_axis(mnp.sum, 0, [1, 2]), TypeError, "requires ndarray or scalar"),
        (lambda: mnp.piecewise(mnp.ones(2), [True], [1, 2, 3]), ValueError, "1 condition.s., either 1 or 2"),
        (lambda: mnp.piecewise(mnp.ones(3), [mnp.ones(4) > 0], [1]), ValueError, "Incompatible shapes"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call()


def test_rank_promotion_is_reported_as_elsewhere():
    f = mnp.vectorize(mnp.add)
    with mj.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="require rank promotion"):
        f(mnp.ones((2, 3)), mnp.ones(3))
    with mj.numpy_rank_promotion("warn"), pytest.warns(UserWarning, match="require rank promotion"):
        f(mnp.ones((2, 3)), mnp.ones(3))


def test_mapped_functions_differentiate_compile_and_nest():
    f = lambda a, v: mnp.vectorize(lambda m, v: mnp.tanh(m @ v), signature="(m,n),(n)->(m)")(a, v)
    a, v = MATRICES.astype(np.float64), ROWS.astype(np.float64)
    with mj.enable_x64():
        check_grads(f, (a, v), order=2)
        check_grads(lambda x: mnp.apply_along_axis(lambda v: mnp.cumsum(v) * v[0], 1, x), (MATRICES * 1.0,), order=2)
    np.testing.assert_allclose(mj.jit(f)(MATRICES, ROWS), f(MATRICES, ROWS), rtol=1e-6)
    batched = mj.vmap(f, in_axes=(0, None))(np.stack([MATRICES, 2 * MATRICES]), ROWS)
    np.testing.assert_allclose(batched[1], f(2 * MATRICES, ROWS), rtol=1e-6)


def test_python_branches_need_a_known_value():
    f = mnp.vectorize(lambda x: x if x > 0 else -x)
    assert f(-2.0) == 2.0
    assert mj.grad(f)(-2.0) == -1.0
    with pytest.raises(TracerBoolConversionError):
        f(mnp.arange(3.0))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize(
    "function",
    [
        lambda m, v: v.sum(),
        lambda m, v: v[:2] * 2,
        lambda m, v: m.outer(v, v),
        lambda m, v: m.sort(v),
    ],
    ids=["to scalar", "to vector", "to matrix", "sort"],
)
def test_along_an_axis(axis, function):
    found = mnp.apply_along_axis(lambda v: function(mnp, v), axis, mnp.asarray(ELEMENTS))
    expected = np.apply_along_axis(lambda v: function(np, v), axis, ELEMENTS)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_along_the_only_axis_and_with_further_arguments():
    assert mnp.apply_along_axis(lambda v, a, b=1: v.sum() * a * b, 0, mnp.arange(3.0), 2, b=5) == 30.0
    first, second = mnp.apply_along_axis(lambda v: (v.sum(), v), 1, mnp.asarray(ELEMENTS))
    assert (first.shape, second.shape) == ((2, 4), (2, 3, 4))
    assert mnp.apply_along_axis(lambda v: v.sum(), 1, mnp.ones((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("conditions", "cases"),
    [
        (lambda x: [x < -1, x > 1], [-1.0, 1.0]),
        (lambda x: [x < -1, x > 1], [lambda x: x * x, 1.0, lambda x: -x]),
        (lambda x: [x > 0, x > 1], [2.0, 3.0, 4.0]),
        (lambda x: [x[0] > 0], [lambda x: 3 * x, 0.5]),
        (lambda x: [np.True_], [lambda x: 3 * x, 0.5]),
    ],
)
def test_cases_equal_numpys(conditions, cases):
    x = np.linspace(-2, 2, 9, dtype=np.float32)
    wide = [np.broadcast_to(c, x.shape) for c in conditions(x)]
    expected = np.piecewise(x, wide, cases)
    for found in (
        mnp.piecewise(mnp.asarray(x), conditions(mnp.asarray(x)), cases),
        mj.jit(lambda x: mnp.piecewise(x, conditions(x), cases))(x),
        mnp.stack([mnp.piecewise(x, [c[i] for c in wide], cases) for i, x in enumerate(x)]),
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_result_has_the_dtype_of_x():
    n = mnp.arange(4)
    found = mnp.piecewise(n, [n > 1], [lambda x: x * 2.5, 7.9])
    assert (found.dtype, found.tolist()) == (np.int32, [7, 7, 5, 7])
    assert not mnp.piecewise(mnp.arange(2.0), [True], [1.0, 2.0]).weak_type


def test_further_arguments_go_to_the_functions():
    x = mnp.arange(4.0)
    assert mnp.piecewise(x, [x > 1], [lambda x, a, b: x * a + b, 7], 3, b=2).tolist() == [7.0, 7.0, 8.0, 11.0]


def test_a_case_that_does_not_apply_leaves_no_nan():
    f = lambda x: mnp.piecewise(x, [x > 0, x > 3], [mnp.log, mnp.sqrt, lambda x: x**2]).sum()
    x = mnp.array([-1.0, 0.0, 2.0, 4.0])
    expected = [-2.0, 0.0, 0.5, 0.25]
    for derivative in (mj.grad(f), mj.jacfwd(f), mj.jit(mj.grad(f))):
        np.testing.assert_allclose(derivative(x), expected, rtol=1e-6)
    second = np.diag([2.0, 2.0, -0.25, -1 / 32])
    np.testing.assert_allclose(mj.hessian(f)(x), second, rtol=1e-6)
    for point, slope in zip(x, expected, strict=True):
        assert float(mj.grad(f)(point)) == pytest.approx(slope)
        assert float(mj.grad(f)(float(point))) == pytest.approx(slope)
    np.testing.assert_allclose(mj.vmap(mj.grad(f))(x), expected, rtol=1e-6)


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mnp.piecewise(mnp.array([0.0, -1.0]), [False], [mnp.log])
