"""conv_general_dilated against its definition as a sum, for random strides, paddings, dilations, groups and layouts."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p
from minijax.primitives.convolution import ConvDimensionNumbers


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def params_of(rank, **options):
    order = tuple(range(rank + 2))
    return {
        "window_strides": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "lhs_dilation": (1,) * rank,
        "rhs_dilation": (1,) * rank,
        "dimension_numbers": ConvDimensionNumbers(order, order, order),
        "feature_group_count": 1,
        "preferred_element_type": None,
        **options,
    }


def conv(**params):
    return lambda lhs, rhs: p.conv_general_dilated(lhs, rhs, **params)


def by_definition(lhs, rhs, params):
    """out[n, o, i] = sum over c, k of padded_and_dilated_lhs[n, c, i * stride + k * dilation] * rhs[o, c, k]."""
    numbers, groups = params["dimension_numbers"], params["feature_group_count"]
    lhs, rhs = lhs.transpose(numbers.lhs_spec), rhs.transpose(numbers.rhs_spec)
    spread = [max((n - 1) * d + 1, 0) if n else 0 for n, d in zip(lhs.shape[2:], params["lhs_dilation"])]
    sizes = [low + n + high for n, (low, high) in zip(spread, params["padding"])]
    padded = np.zeros((*lhs.shape[:2], *[max(n, 0) for n in sizes]), lhs.dtype)
    for place in np.ndindex(*lhs.shape[2:]):
        at = tuple(low + i * d for i, d, (low, _) in zip(place, params["lhs_dilation"], params["padding"]))
        if all(0 <= i < n for i, n in zip(at, sizes)):
            padded[(..., *at)] = lhs[(..., *place)]
    reach = [(w - 1) * d + 1 for w, d in zip(rhs.shape[2:], params["rhs_dilation"])]
    counts = [max((n - r) // s + 1, 0) for n, r, s in zip(sizes, reach, params["window_strides"])]
    weights = rhs.reshape(groups, rhs.shape[0] // groups, *rhs.shape[1:])
    out = np.zeros((lhs.shape[0], rhs.shape[0], *counts), lhs.dtype)
    for place in np.ndindex(*counts):
        for k in np.ndindex(*rhs.shape[2:]):
            at = tuple(
                i * s + j * d for i, s, j, d in zip(place, params["window_strides"], k, params["rhs_dilation"])
            )
            values = padded[(..., *at)].reshape(lhs.shape[0], groups, -1)
            terms = np.einsum("ngc,goc->ngo", values, weights[(..., *k)])
            out[(..., *place)] += terms.reshape(out.shape[:2])
    return out.transpose(np.argsort(numbers.out_spec))


def random_convolution(seed):
    rng = np.random.default_rng(seed)
    rank = seed % 4
    pick = lambda low, high: tuple(int(n) for n in rng.integers(low, high, rank))
    groups, features, outs = (int(n) for n in rng.integers(1, 3, 3))
    orders = [tuple(int(i) for i in rng.permutation(rank + 2)) for _ in range(3)]
    params = params_of(
        rank,
        window_strides=pick(1, 4),
        padding=tuple(zip(pick(-1, 4), pick(-1, 4))),
        lhs_dilation=pick(1, 3),
        rhs_dilation=pick(1, 3),
        dimension_numbers=ConvDimensionNumbers(*orders),
        feature_group_count=groups,
    )
    lhs = rng.normal(size=(2, groups * features, *pick(1, 6 - rank)))
    rhs = rng.normal(size=(groups * outs, features, *pick(1, 4)))
    return lhs.transpose(np.argsort(orders[0])), rhs.transpose(np.argsort(orders[1])), params


any_convolution = pytest.mark.parametrize("seed", range(40))


@any_convolution
def test_values_are_those_of_the_definition(seed):
    lhs, rhs, params = random_convolution(seed)
    found, expected = np.asarray(conv(**params)(lhs, rhs)), by_definition(lhs, rhs, params)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@any_convolution
def test_cotangents_are_adjoint_in_both_operands(seed):
    lhs, rhs, params = random_convolution(seed)
    rng = np.random.default_rng(100 + seed)
    dl, dr = (rng.normal(size=x.shape) for x in (lhs, rhs))
    out, pull = mj.vjp(conv(**params), mnp.asarray(lhs), mnp.asarray(rhs))
    ct = rng.normal(size=out.shape)
    to_lhs, to_rhs = map(np.asarray, pull(mnp.asarray(ct)))
    assert to_lhs.shape == lhs.shape and to_rhs.shape == rhs.shape
    np.testing.assert_allclose((to_lhs * dl).sum(), (ct * by_definition(dl, rhs, params)).sum(), atol=1e-10)
    np.testing.assert_allclose((to_rhs * dr).sum(), (ct * by_definition(lhs, dr, params)).sum(), atol=1e-10)


@any_convolution
def test_batching_at_any_axis_equals_a_loop(seed):
    lhs, rhs, params = random_convolution(seed)
    rng = np.random.default_rng(200 + seed)
    for which in ((True, False), (False, True), (True, True)):
        axes = tuple(int(rng.integers(0, x.ndim + 1)) if mapped else None for x, mapped in zip((lhs, rhs), which))
        examples = [[x * (1 + k) for k in range(2)] if a is not None else [x] * 2 for x, a in zip((lhs, rhs), axes)]
        stacked = [np.stack(e, a) if a is not None else e[0] for e, a in zip(examples, axes)]
        found = mj.vmap(conv(**params), in_axes=axes)(*map(mnp.asarray, stacked))
        expected = [by_definition(x, y, params) for x, y in zip(*examples)]
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("lhs_shape", "rhs_shape", "options"),
    [
        ((2, 3, 50), (4, 3, 3), {}),
        ((3, 4, 7, 9), (6, 2, 2, 3), {"feature_group_count": 2}),
        ((2, 4, 9, 9), (4, 1, 3, 3), {"feature_group_count": 4, "padding": ((1, 1), (1, 1))}),
        (
            (2, 8, 8, 3),
            (5, 2, 3, 3),
            {"dimension_numbers": ConvDimensionNumbers((0, 3, 1, 2), (0, 3, 1, 2), (0, 3, 1, 2))},
        ),
        ((1, 2, 4, 4, 4), (3, 2, 1, 2, 1), {}),
    ],
    ids=str,
)
def test_images_of_many_places(lhs_shape, rhs_shape, options):
    rng = np.random.default_rng(5)
    lhs, rhs, dl, dr = (rng.normal(size=shape) for shape in (lhs_shape, rhs_shape, lhs_shape, rhs_shape))
    params = params_of(len(lhs_shape) - 2, **options)
    out, pull = mj.vjp(conv(**params), mnp.asarray(lhs), mnp.asarray(rhs))
    np.testing.assert_allclose(out, by_definition(lhs, rhs, params), rtol=1e-12, atol=1e-12)
    ct = rng.normal(size=out.shape)
    to_lhs, to_rhs = map(np.asarray, pull(mnp.asarray(ct)))
    np.testing.assert_allclose((to_lhs * dl).sum(), (ct * by_definition(dl, rhs, params)).sum(), rtol=1e-10)
    np.testing.assert_allclose((to_rhs * dr).sum(), (ct * by_definition(lhs, dr, params)).sum(), rtol=1e-10)


def test_it_correlates_the_window_is_not_flipped():
    lhs, rhs = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]])
    np.testing.assert_array_equal(conv(**params_of(1))(lhs, rhs), [[[21, 32]]])


@pytest.mark.parametrize(
    ("space", "window", "options"),
    [
        ((2,), (4,), {}),
        ((2,), (4,), {"window_strides": (2,)}),
        ((2,), (3,), {"window_strides": (3,), "rhs_dilation": (2,)}),
        ((0,), (2,), {"padding": ((2, 2),), "lhs_dilation": (2,)}),
        ((3,), (2,), {"padding": ((-2, -2),)}),
        ((3, 0), (1, 2), {"padding": ((0, 0), (1, 1)), "window_strides": (2, 2)}),
    ],
    ids=str,
)
def test_windows_that_do_not_fit_give_nothing_and_get_zeros_back(space, window, options):
    lhs, rhs = mnp.ones((1, 2, *space)), mnp.ones((3, 2, *window))
    params = params_of(len(space), **options)
    out, pull = mj.vjp(conv(**params), lhs, rhs)
    np.testing.assert_array_equal(out, by_definition(np.ones(lhs.shape), np.ones(rhs.shape), params))
    for x, ct in zip((lhs, rhs), pull(mnp.ones_like(out))):
        np.testing.assert_array_equal(ct, np.zeros(x.shape))


@pytest.mark.parametrize("shapes", [((0, 2, 5), (3, 2, 2)), ((1, 0, 5), (3, 0, 2)), ((1, 2, 5), (0, 2, 2))], ids=str)
def test_empty_batches_and_features(shapes):
    lhs, rhs = map(mnp.ones, shapes)
    out, pull = mj.vjp(conv(**params_of(1)), lhs, rhs)
    np.testing.assert_array_equal(out, np.zeros((shapes[0][0], shapes[1][0], 4)))
    assert [ct.shape for ct in pull(out)] == list(shapes)


@pytest.mark.parametrize(("dtype", "count"), [(np.float16, 4096), (ml_dtypes.bfloat16, 1024)])
def test_half_precision_accumulates_in_float32(dtype, count):
    ones = np.ones((1, 1, count), dtype)
    out = np.asarray(conv(**params_of(1))(ones, ones))
    assert out.dtype == dtype and float(out[0, 0, 0]) == count


def test_integers_complex_numbers_and_preferred_types():
    ones = np.full((1, 1, 3), 100, np.int8)
    assert np.asarray(conv(**params_of(1))(ones, ones)).tolist() == [[[48]]]  # 30000 modulo 256
    wide = np.asarray(conv(**params_of(1, preferred_element_type=np.dtype(np.int32)))(ones, ones))
    assert wide.dtype == np.int32 and wide.tolist() == [[[30000]]]
    z = np.array([[[1j, 2.0]]])
    np.testing.assert_array_equal(conv(**params_of(1))(z, z), [[[3 + 0j]]])


def test_second_derivatives_are_convolutions_of_the_directions():
    lhs, rhs, params = random_convolution(1)
    total = lambda x, w: (conv(**params)(x, w)).sum()
    cross = lambda x, w, dx, dw: mj.jvp(lambda x: mj.jvp(lambda w: total(x, w), (w,), (dw,))[1], (x,), (dx,))[1]
    rng = np.random.default_rng(0)
    dx, dw = rng.normal(size=lhs.shape), rng.normal(size=rhs.shape)
    found = cross(*map(mnp.asarray, (lhs, rhs, dx, dw)))
    np.testing.assert_allclose(found, by_definition(dx, dw, params).sum(), rtol=1e-10)


lhs, rhs = np.ones((1, 2, 5)), np.ones((4, 2, 2))


@pytest.mark.parametrize(
    ("lhs", "rhs", "options", "error", "phrase"),
    [
        (
            lhs,
            rhs,
            {"window_strides": (0,)},
            TypeError,
            "window_strides must have every element be strictly positive",
        ),
        (lhs, rhs, {"lhs_dilation": (0,)}, TypeError, "lhs_dilation must have every element be strictly positive"),
        (lhs, rhs, {"rhs_dilation": (-9,)}, TypeError, "rhs_dilation must have every element be strictly positive"),
        (lhs, rhs, {"window_strides": (1, 1)}, ValueError, "one entry for each of 1 spatial axes"),
        (lhs, rhs, {"feature_group_count": 2}, ValueError, "divided by feature_group_count must equal"),
        (lhs, np.ones((3, 1, 2)), {"feature_group_count": 2}, ValueError, "multiple of feature_group_count"),
        (lhs, rhs.astype(int), {}, TypeError, "same dtypes"),
        (lhs, rhs[0], {}, TypeError, "ndim to be equal"),
        (
            lhs,
            rhs,
            {"preferred_element_type": np.dtype(int)},
            TypeError,
            "incompatible with `preferred_element_type`",
        ),
    ],
)
def test_what_does_not_fit_is_refused(lhs, rhs, options, error, phrase):
    with pytest.raises(error, match=phrase):
        conv(**params_of(1, **options))(lhs, rhs)
