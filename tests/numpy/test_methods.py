"""Operators, methods and properties of arrays and traced values."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, divmod,
]  # fmt: skip
X = np.array([1.5, 2.0, 3.25], np.float32)


def traced(f, *args):
    """f on traced values, as a NumPy array."""
    return np.asarray(mj.jit(f)(*args))


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("other", [2.0, 2, X[::-1].copy(), np.float32(1.5), np.array(2.0, np.float32)], ids=type)
def test_operators_agree_with_numpy_from_both_sides(op, other):
    a = mnp.array(X)
    for found, wanted in ((op(a, other), op(X, other)), (op(other, a), op(other, X))):
        for ours, theirs in zip(*(v if isinstance(v, tuple) else (v,) for v in (found, wanted)), strict=True):
            assert isinstance(ours, mnp.ndarray)
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    if op is not divmod:
        np.testing.assert_allclose(traced(lambda x: op(x, other), a), op(X, other), rtol=1e-6)
        np.testing.assert_allclose(traced(lambda x: op(other, x), a), op(other, X), rtol=1e-6)


@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift])
def test_bit_operators(op):
    x = np.array([5, 12, 255], np.int32)
    a = mnp.array(x)
    for found, wanted in ((op(a, 3), op(x, 3)), (op(3, a % 8), op(3, x % 8)), (op(a, x % 5), op(x, x % 5))):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(~a, ~x)
    np.testing.assert_array_equal(~(a > 6), x <= 6)
    np.testing.assert_array_equal(mnp.array(-8) >> 1, -4)
    np.testing.assert_array_equal(mnp.uint8(200) >> 1, 100)


def test_matmul_operator_from_both_sides():
    m = np.arange(6, dtype=np.float32).reshape(2, 3)
    for found in (mnp.array(m) @ X, m @ mnp.array(X)):
        assert isinstance(found, mnp.ndarray)
        np.testing.assert_allclose(found, m @ X)


def test_foreign_operands_are_asked_themselves():
    class Foreign:
        def __radd__(self, other):
            return "mine"

        def __rmatmul__(self, other):
            return "mine"

    assert mnp.ones(2) + Foreign() == "mine"
    assert mnp.ones(2) @ Foreign() == "mine"
    assert (mnp.ones(2) == None) is False  # noqa: E711
    for other in ([1.0, 2.0], "a", {1}):
        with pytest.raises(TypeError, match="unsupported operand"):
            mnp.ones(2) + other


def test_augmented_assignment_makes_a_new_array():
    a = b = mnp.ones(2)
    a += 1
    np.testing.assert_array_equal(b, 1)
    np.testing.assert_array_equal(a, 2)


def test_python_functions_of_numbers():
    x = mnp.float32(-2.75)
    assert float(abs(x)) == 2.75 and float(-x) == 2.75 and float(+x) == -2.75
    assert float(round(x)) == -3.0 and float(round(x, 1)) == pytest.approx(-2.8)
    assert float(pow(x, 2)) == 2.75**2
    assert "integer_pow[y=2]" in str(mj.make_jaxpr(lambda x: x**2)(1.0))
    assert "pow a 2.0:f32[]" in str(mj.make_jaxpr(lambda x: x**2.0)(1.0))


METHODS = {
    "all": (), "any": (), "argmax": (), "argmin": (1,), "argsort": (), "clip": (0.5, 1.5), "conj": (), "conjugate": (), "copy": (),
    "cumprod": (1,), "cumsum": (), "diagonal": (), "dot": (np.ones(3, np.float32),), "flatten": (), "max": (0,), "mean": (),
    "min": (), "prod": (), "ravel": (), "repeat": (2,), "reshape": (3, 2), "round": (), "sort": (), "squeeze": (), "std": (),
    "sum": (1,), "swapaxes": (0, 1), "take": (np.array([0, 2]),), "trace": (), "transpose": (), "var": (), "tolist": (),
    "astype": (np.int32,), "view": (np.int32,), "tobytes": (),
}  # fmt: skip
M = np.array([[1.0, 2.0, 0.5], [3.0, 0.25, 1.75]], np.float32)


@pytest.mark.parametrize("name", METHODS)
def test_methods_agree_with_numpy(name):
    wanted = M.copy() if name == "sort" else getattr(M, name)(*METHODS[name])
    if name == "sort":
        wanted.sort()
    found = getattr(mnp.array(M), name)(*METHODS[name])
    if isinstance(wanted, (np.ndarray, np.generic)):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        np.testing.assert_allclose(
            traced(lambda x: getattr(x, name)(*METHODS[name]), mnp.array(M)), wanted, rtol=1e-6
        )
    else:
        assert found == wanted


def test_properties():
    a = mnp.array(M)
    np.testing.assert_array_equal(a.T, M.T)
    np.testing.assert_array_equal(mnp.stack([a, a]).mT, np.stack([M.T, M.T]))
    np.testing.assert_array_equal(a.real, M)
    np.testing.assert_array_equal(a.imag, 0)
    np.testing.assert_array_equal(a.flat, M.ravel())
    assert (a.nbytes, a.itemsize, a.size, a.ndim) == (24, 4, 6, 2)
    assert float(mj.grad(lambda x: x.at[0].set(5.0).sum())(mnp.ones(3))[0]) == 0.0


def test_reshape_and_transpose_take_several_integers_or_a_tuple():
    a = mnp.zeros((2, 3, 4))
    assert a.reshape(4, -1).shape == a.reshape((4, -1)).shape == (4, 6)
    assert a.transpose(1, 0, 2).shape == a.transpose((1, 0, 2)).shape == (3, 2, 4)
    assert a.transpose().shape == a.T.shape == (4, 3, 2)


def test_rows_of_traced_values():
    assert float(mj.grad(lambda x: sum(x))(mnp.ones(3))[1]) == 1.0
    assert mj.make_jaxpr(lambda x: len(x) * x[0])(mnp.ones(3)) is not None
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        mj.grad(lambda x: sum(x))(1.0)
    with pytest.raises(TypeError, match="len\\(\\) of unsized object"):
        mj.grad(lambda x: x * len(x))(1.0)


@pytest.mark.filterwarnings("ignore::minijax.errors.GradientStopsWarning")
def test_items_and_lists_of_traced_values_are_constants():
    assert float(mj.grad(lambda x: x.item() * x)(2.5)) == 2.5
    assert float(mj.grad(lambda x: x.tolist()[0] * x.sum())(mnp.array([2.0, 1.0]))[1]) == 2.0
    with pytest.raises(mj.errors.ConcretizationTypeError):
        mj.jit(lambda x: x.tolist())(mnp.ones(3))


def test_membership():
    assert 2.0 in mnp.array(X) and 7 not in mnp.array(X)
    assert float(mj.grad(lambda x: x if x in (1.0, 3.0) else 2 * x)(3.0)) == 1.0


def test_assignment_to_elements_is_refused_with_the_rewrite():
    for run in (
        lambda: operator.setitem(mnp.ones(3), 0, 1.0),
        lambda: mj.grad(lambda x: operator.setitem(x, 0, 1.0))(mnp.ones(3)),
    ):
        with pytest.raises(TypeError, match=r"x = x.at\[idx\].set\(y\)"):
            run()


def test_unknown_attributes_are_attribute_errors():
    with pytest.raises(AttributeError, match="nope"):
        mj.grad(lambda x: x.nope)(1.0)


def test_views_change_the_last_axis():
    a = mnp.array(M)
    np.testing.assert_array_equal(a.view(np.uint8), M.view(np.uint8))
    np.testing.assert_array_equal(a.view(np.uint8).view(np.float32), M)
    with pytest.raises(ValueError, match="divisor"):
        mnp.zeros(3, np.uint8).view(np.float32)


def test_the_array_namespace():
    assert mnp.ones(2).__array_namespace__() is mnp
    with pytest.raises(ValueError, match="not available"):
        mnp.ones(2).__array_namespace__(api_version="1999.01")


def test_dlpack_and_numpy_share_values():
    x = np.arange(3.0, dtype=np.float32)
    np.testing.assert_array_equal(mnp.from_dlpack(x), x)
    np.testing.assert_array_equal(np.from_dlpack(mnp.array(x)), x)
    a = mnp.array(x)
    x[0] = 9.0
    assert float(a[0]) == 0.0


def test_formatting():
    assert f"{mnp.float32(1.5):.2f}" == "1.50"
    assert float(mj.grad(lambda x: f"{x}" and x)(3.0)) == 1.0
    with pytest.raises(TypeError, match="unsupported format string"):
        mj.jit(lambda x: f"{x:.2f}" and x)(3.0)


def test_functions_of_two_arrays_have_the_methods_of_ufuncs():
    for name in ("add", "multiply", "maximum", "minimum"):
        ours, theirs = getattr(mnp, name), getattr(np, name)
        np.testing.assert_allclose(ours.reduce(M), theirs.reduce(M), rtol=1e-6)
        np.testing.assert_allclose(ours.accumulate(M, axis=1), theirs.accumulate(M, axis=1), rtol=1e-6)
        np.testing.assert_allclose(ours.outer(X, X), theirs.outer(X, X), rtol=1e-6)
        copy = X.copy()
        theirs.at(copy, [0, 0], 3.0)
        np.testing.assert_allclose(ours.at(X, np.array([0, 0]), 3.0, inplace=False), copy)
    with pytest.raises(NotImplementedError, match="immutable"):
        mnp.add.at(X, 0, 1.0)
