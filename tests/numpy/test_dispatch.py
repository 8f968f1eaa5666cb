"""NumPy's own functions on traced values are differentiated; what cannot be says so."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import minijax as mj
import minijax.numpy as mnp

X = np.array([0.5, 1.5, 2.5], np.float32)


@pytest.mark.parametrize(
    ("f", "slopes"),
    [
        (lambda x: np.sin(x).sum(), np.cos(X)),
        (lambda x: np.sum(np.exp(x)), np.exp(X)),
        (lambda x: np.mean(x), np.full(3, 1 / 3)),
        (lambda x: np.dot(x, x), 2 * X),
        (lambda x: np.linalg.norm(x), X / np.linalg.norm(X)),
        (lambda x: np.concatenate([x, 2 * x]).sum(), np.full(3, 3)),
        (lambda x: np.stack([x, x]).sum(), np.full(3, 2)),
        (lambda x: np.where(x > 1, x, 0.0).sum(), [0, 1, 1]),
        (lambda x: np.clip(x, 1.0, 2.0).sum(), [0, 1, 0]),
        (lambda x: np.einsum("i,i", x, x), 2 * X),
        (lambda x: np.add.reduce(x * x), 2 * X),
        (lambda x: np.multiply.reduce(x), np.prod(X) / X),
        (lambda x: np.add.accumulate(x)[1], [1, 1, 0]),
        (lambda x: np.multiply.outer(x, x).sum(), np.full(3, 2 * X.sum())),
        (lambda x: np.add(x, 1.0, dtype=np.float32).sum(), np.ones(3)),
        (lambda x: (np.ones(3) * x + x * np.float64(2)).sum(), np.full(3, 3)),
        (lambda x: np.ones((2, 3)) @ x @ np.ones(2), np.full(3, 2)),
        (lambda x: np.maximum([1.0, 1.0, 1.0], x).sum(), [0, 1, 1]),
        (lambda x: np.fft.fft(x).real.sum(), [3, 0, 0]),
        (lambda x: (np.reshape(x, (3, 1)) * np.transpose(x)).sum(), np.full(3, 2 * X.sum())),
    ],
)
def test_numpy_functions_are_differentiated(f, slopes):
    np.testing.assert_allclose(mj.grad(f)(X), slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: scipy.special.expit(x), "minijax.scipy.special.expit"),
        (lambda x: np.copyto(np.zeros(3), x), "minijax.numpy has no copyto"),
        (lambda x: np.add(x, 1.0, out=np.zeros(3, np.float32)), "a = a \\+ x   instead of   a \\+= x"),
        (lambda x: np.add(x, 1.0, where=np.array([True, False, True])), "minijax.numpy.where"),
        (lambda x: np.add.reduceat(x, [0, 1]), "add.reduceat"),
    ],
)
def test_what_has_no_counterpart_says_what_to_do(f, message):
    with pytest.raises(mj.errors.TracerArrayConversionError, match=message) as caught:
        mj.grad(lambda x: mnp.sum(f(x)))(X)
    assert "__array__() was called on traced array with shape float32[3]" in str(caught.value)


def test_foreign_array_types_answer_themselves():
    class Series:
        def __array_ufunc__(self, ufunc, method, *inputs, **options):
            return f"series {ufunc.__name__}"

        def __array_function__(self, function, types, args, options):
            return f"series {function.__name__}"

    seen = []
    mj.grad(lambda x: seen.extend([np.add(x, Series()), np.concatenate([x, Series()])]) or x.sum())(X)
    assert seen == ["series add", "series concatenate"]


def test_concrete_arrays_are_plain_numpy_to_numpy():
    a = mnp.array(X)
    assert type(np.sin(a)) is np.ndarray
    np.testing.assert_allclose(np.sin(a), np.sin(X))
    np.testing.assert_allclose(np.concatenate([a, X]), np.concatenate([X, X]))
