"""dot_general against einsum, in values, cotangents and batches, for random dimension numbers and every dtype."""

from __future__ import annotations

import string

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.ir import parse
from minijax.primitives import p

MATMUL = (((1,), (0,)), ((), ()))
DOT = (((0,), (0,)), ((), ()))


def dot(lhs, rhs, numbers, preferred=None):
    preferred = None if preferred is None else np.dtype(preferred)
    return p.dot_general(lhs, rhs, dimension_numbers=numbers, precision=None, preferred_element_type=preferred)


def by_einsum(lhs, rhs, numbers):
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = numbers
    letters = iter(string.ascii_letters)
    left = [next(letters) for _ in lhs.shape]
    right = [next(letters) for _ in rhs.shape]
    for i, j in (*zip(lhs_contract, rhs_contract), *zip(lhs_batch, rhs_batch)):
        right[j] = left[i]
    out = [left[i] for i in lhs_batch]
    out += [left[i] for i in range(lhs.ndim) if i not in lhs_contract and i not in lhs_batch]
    out += [right[i] for i in range(rhs.ndim) if i not in rhs_contract and i not in rhs_batch]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", lhs, rhs)


def random_product(seed):
    """Operands and dimension numbers: up to two axes of each role, in any order."""
    rng = np.random.default_rng(seed)
    contract, batch, lhs_free, rhs_free = (list(rng.integers(1, 4, rng.integers(0, 3))) for _ in range(4))
    shapes, places = [], []
    for free in (lhs_free, rhs_free):
        sizes = [*contract, *batch, *free]
        order = rng.permutation(len(sizes))
        at = [int(i) for i in np.argsort(order)]
        shapes.append(tuple(int(sizes[i]) for i in order))
        places.append((tuple(at[: len(contract)]), tuple(at[len(contract) : len(contract) + len(batch)])))
    (lhs_contract, lhs_batch), (rhs_contract, rhs_batch) = places
    lhs, rhs = (rng.normal(size=shape) + 1j * rng.normal(size=shape) for shape in shapes)
    if seed % 2:
        lhs, rhs = lhs.real, rhs.real
    return lhs, rhs, ((lhs_contract, rhs_contract), (lhs_batch, rhs_batch))


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


any_product = pytest.mark.parametrize("seed", range(40))


@any_product
def test_values_are_those_of_einsum(seed):
    lhs, rhs, numbers = random_product(seed)
    found, expected = np.asarray(dot(lhs, rhs, numbers)), by_einsum(lhs, rhs, numbers)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@any_product
def test_it_is_bilinear_and_cotangents_are_adjoint(seed):
    lhs, rhs, numbers = random_product(seed)
    rng = np.random.default_rng(100 + seed)
    dl, dr = (np.asarray(rng.normal(size=x.shape), x.dtype) for x in (lhs, rhs))
    product = lambda x, y: dot(x, y, numbers)
    _, tangent = mj.jvp(product, (lhs, rhs), (dl, dr))
    expected = by_einsum(dl, rhs, numbers) + by_einsum(lhs, dr, numbers)
    np.testing.assert_allclose(tangent, expected, rtol=1e-12, atol=1e-12)
    out, pull = mj.vjp(product, mnp.asarray(lhs), mnp.asarray(rhs))
    ct = np.asarray(rng.normal(size=out.shape), out.dtype)
    to_lhs, to_rhs = map(np.asarray, pull(mnp.asarray(ct)))
    assert to_lhs.shape == lhs.shape and to_rhs.shape == rhs.shape
    np.testing.assert_allclose((to_lhs * dl).sum(), (ct * by_einsum(dl, rhs, numbers)).sum(), atol=1e-10)
    np.testing.assert_allclose((to_rhs * dr).sum(), (ct * by_einsum(lhs, dr, numbers)).sum(), atol=1e-10)


@any_product
def test_batching_at_any_axis_equals_a_loop(seed):
    lhs, rhs, numbers = random_product(seed)
    rng = np.random.default_rng(200 + seed)
    for which in ((True, False), (False, True), (True, True)):
        axes = tuple(int(rng.integers(0, x.ndim + 1)) if mapped else None for x, mapped in zip((lhs, rhs), which))
        examples = [[x * (1 + k) for k in range(2)] if a is not None else [x] * 2 for x, a in zip((lhs, rhs), axes)]
        stacked = [np.stack(e, a) if a is not None else e[0] for e, a in zip(examples, axes)]
        found = mj.vmap(lambda x, y: dot(x, y, numbers), in_axes=axes)(*map(mnp.asarray, stacked))
        expected = [by_einsum(x, y, numbers) for x, y in zip(*examples)]
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_integers_wrap_in_their_own_dtype(dtype):
    x = np.full((2, 3), 100).astype(dtype)
    out = np.asarray(dot(x, x.T, MATMUL))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, np.full((2, 2), 30000).astype(dtype))


def test_booleans_ask_whether_any_pair_is_true():
    x = np.array([[True, False, True], [False, False, True]])
    out = np.asarray(dot(x, x.T, MATMUL))
    assert out.dtype == bool
    np.testing.assert_array_equal(out, (x[:, None] & x[None]).any(-1))


@pytest.mark.parametrize(("dtype", "count"), [(np.float16, 4096), (ml_dtypes.bfloat16, 1024)])
@pytest.mark.parametrize("batched", [False, True])
def test_half_precision_accumulates_in_float32(dtype, count, batched):
    x = np.ones((1, count), dtype)
    out = np.asarray(dot(x, x, (((1,), (1,)), ((0,), (0,)) if batched else ((), ()))))
    assert out.dtype == dtype and float(out.ravel()[0]) == count  # in `dtype` it would stop at 2048, at 256


def test_the_preferred_type_is_that_of_the_sum():
    x = np.full((1, 3), 100, np.int8)
    out = np.asarray(dot(x, x.T, MATMUL, np.int32))
    assert out.dtype == np.int32 and out.tolist() == [[30000]]
    x = np.full((1, 2), 6e4, np.float16)
    assert np.asarray(dot(x, x.T, MATMUL, np.float32)).tolist() == [[2 * float(np.float32(x[0, 0])) ** 2]]


def test_cotangents_have_the_types_of_the_operands_when_another_type_is_preferred():
    x = mnp.ones((2, 3), np.float16)
    out, pull = mj.vjp(lambda x, y: dot(x, y, MATMUL, np.float32), x, x.T)
    assert out.dtype == np.float32
    assert [ct.dtype for ct in pull(out)] == [np.float16] * 2


@pytest.mark.parametrize(
    ("shapes", "numbers"),
    [
        (((2, 0), (0, 3)), MATMUL),
        (((0,), (0,)), DOT),
        (((0, 3), (3, 2)), MATMUL),
        (((0, 2, 3), (0, 3, 2)), (((2,), (1,)), ((0,), (0,)))),
        (((2, 3, 0), (2, 0, 4)), (((2,), (1,)), ((0,), (0,)))),
    ],
    ids=str,
)
def test_a_sum_of_nothing_is_zero(shapes, numbers):
    lhs, rhs = map(mnp.ones, shapes)
    out, pull = mj.vjp(lambda x, y: dot(x, y, numbers), lhs, rhs)
    np.testing.assert_array_equal(out, by_einsum(*map(np.ones, shapes), numbers))
    assert [ct.shape for ct in pull(out)] == list(shapes)


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_memory_layout_of_vectors_and_matrices(order):
    rng = np.random.default_rng(0)
    a, b = (np.asarray(rng.normal(size=s), order=order)[::-1] for s in ((3, 4), (4, 5)))
    v = rng.normal(size=8)[::2]
    np.testing.assert_allclose(dot(a, b, MATMUL), a @ b, rtol=1e-12)
    np.testing.assert_allclose(dot(a, v, MATMUL), a @ v, rtol=1e-12)
    np.testing.assert_allclose(dot(v, b, DOT), v @ b, rtol=1e-12)
    np.testing.assert_allclose(dot(v, v, DOT), v @ v, rtol=1e-12)
    np.testing.assert_allclose(dot(b, a, (((0,), (1,)), ((), ()))), b.T @ a.T, rtol=1e-12)


def test_second_derivatives_of_a_quadratic_form():
    a = np.random.default_rng(0).normal(size=(3, 3))
    form = lambda x: dot(x, dot(mnp.asarray(a), x, MATMUL), DOT)
    np.testing.assert_allclose(mj.hessian(form)(mnp.arange(3.0)), a + a.T, rtol=1e-12)


def test_dimension_numbers_are_printed_and_parsed_as_tuples():
    jaxpr = mj.make_jaxpr(mnp.matmul)(mnp.ones((2, 3)), mnp.ones(3))
    assert "dimension_numbers=(((1,), (0,)), ((), ()))" in str(jaxpr)
    assert str(parse(str(jaxpr))) == str(jaxpr)


x23, x34 = np.ones((2, 3)), np.ones((3, 4))


@pytest.mark.parametrize(
    ("lhs", "rhs", "numbers", "phrase"),
    [
        (x23, x34, (((0,), (0,)), ((), ())), "contracting dimensions to have the same shape"),
        (x23, x34, (((), ()), ((0,), (0,))), "batch dimensions to have the same shape"),
        (x23, x34, (((0, 1), (0,)), ((), ())), "contracting dimensions to have the same shape"),
        (x23, x34, (((5,), (0,)), ((), ())), "lhs dimension numbers to be nonnegative and less than"),
        (x23, x34, (((1,), (2,)), ((), ())), "rhs dimension numbers to be nonnegative and less than"),
        (x23, x34, (((-1,), (0,)), ((), ())), "lhs dimension numbers to be nonnegative and less than"),
        (x23, x34, (((1, 1), (0, 0)), ((), ())), "lhs contracting dimensions to be distinct"),
        (x23, x23, (((), ()), ((0, 1), (0, 0))), "rhs batch dimensions to be distinct"),
        (x23, x23, (((0,), (0,)), ((0,), (0,))), "batch dimensions to be disjoint from contracting"),
        (x23, x34.astype(int), MATMUL, "same dtypes"),
    ],
)
def test_what_does_not_fit_is_refused(lhs, rhs, numbers, phrase):
    with pytest.raises(TypeError, match=phrase):
        dot(lhs, rhs, numbers)
