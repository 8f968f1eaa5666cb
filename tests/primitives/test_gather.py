"""Gather and scatter against XLA's definition written as loops, and their derivatives against finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.primitives import p
from minijax.primitives.gather import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers

CLIP, FILL, PROMISE = (GatherScatterMode[m] for m in ("CLIP", "FILL_OR_DROP", "PROMISE_IN_BOUNDS"))
SCATTERS = {
    "scatter": lambda old, new: new,
    "scatter_add": np.add,
    "scatter_sub": np.subtract,
    "scatter_mul": np.multiply,
    "scatter_min": np.minimum,
    "scatter_max": np.maximum,
}


class Case:
    """An operand shape, index rows (some out of bounds, some twice) and dimension numbers."""

    def __init__(self, name, shape, indices, sizes, offset, collapsed, mapped, shared=(), rows=()):
        self.name, self.shape, self.sizes = name, shape, sizes
        self.indices = np.array(indices, np.int32)
        self.numbers = GatherDimensionNumbers(offset, collapsed, mapped, shared, rows)

    def __repr__(self):
        return self.name


CASES = [
    Case("elements", (5,), [[0], [3], [3], [9], [-1]], (1,), (), (0,), (0,)),
    Case("rows", (4, 3), [[2], [0], [2], [4]], (1, 3), (1,), (0,), (0,)),
    Case("columns", (4, 3), [[2], [0], [5]], (4, 1), (0,), (1,), (1,)),
    Case("middle axis", (2, 4, 3), [[[1], [3]], [[1], [7]]], (2, 1, 3), (0, 3), (1,), (1,)),
    Case("rows of a matrix of indices", (4, 3), [[[2], [0]], [[1], [2]]], (1, 3), (0,), (0,), (0,)),
    Case("windows", (5, 4), [[0, 0], [3, 1], [1, 2], [4, 4]], (2, 3), (1, 2), (), (0, 1)),
    Case("windows first", (5, 4), [[0, 0], [3, 1], [3, 1]], (2, 3), (0, 1), (), (0, 1)),
    Case("swapped columns", (3, 4), [[3, 0], [1, 2], [1, 2], [3, 3]], (1, 1), (), (0, 1), (1, 0)),
    Case("window and element", (3, 4, 2), [[1, 2], [0, 0], [2, 3]], (1, 2, 2), (1, 2), (0,), (0, 1)),
    Case("partial unmapped window", (4, 5), [[1], [1], [3]], (1, 2), (1,), (0,), (0,)),
    Case("unit windows", (4, 3), [[1], [3]], (1, 1), (0, 2), (), (0,)),
    Case("unmapped collapsed axis", (4, 3), [[1], [3]], (1, 1), (), (0, 1), (0,)),
    Case("whole windows", (2, 3), [[0], [1], [0]], (2, 3), (1, 2), (), (0,)),
    Case("no index at all", (2, 3), np.zeros((2, 0)), (2, 3), (1, 2), (), ()),
    Case("one row", (4, 3), [2, 1], (2, 2), (0, 1), (), (0, 1)),
    Case("one row outside", (4, 3), [3, 1], (2, 2), (0, 1), (), (0, 1)),
    Case("along an axis", (2, 4), [[[1], [3], [0]], [[2], [2], [5]]], (1, 1), (), (1,), (1,), (0,), (0,)),
    Case("shared last axis", (4, 2), [[[1], [3]], [[2], [6]], [[2], [3]]], (1, 1), (), (0,), (0,), (1,), (1,)),
    Case("shared axis alone", (2, 3), np.zeros((2, 2, 0)), (1, 3), (2,), (), (), (0,), (0,)),
    Case("shared axis and window", (2, 5), [[[1], [9]], [[2], [2]]], (1, 3), (2,), (), (1,), (0,), (0,)),
    Case("no rows", (4, 3), np.zeros((0, 1)), (1, 3), (1,), (0,), (0,)),
    Case("empty operand", (0, 3), np.zeros((0, 1)), (1, 3), (1,), (0,), (0,)),
    Case("empty windows", (4, 0), [[1], [3]], (1, 0), (1,), (0,), (0,)),
]
every_case = pytest.mark.parametrize("case", CASES, ids=repr)
every_mode = pytest.mark.parametrize("mode", [CLIP, FILL], ids=lambda mode: mode.name)


def result_shape(case):
    rows = iter(case.indices.shape[:-1])
    dropped = case.numbers.collapsed_slice_dims + case.numbers.operand_batching_dims
    windows = iter([n for d, n in enumerate(case.sizes) if d not in dropped])
    ndim = case.indices.ndim - 1 + len(case.numbers.offset_dims)
    return tuple(next(windows) if o in case.numbers.offset_dims else next(rows) for o in range(ndim))


def places(case, mode):
    """Pairs (index into the result, index into the operand or None where it is outside): XLA's definition."""
    numbers = case.numbers
    dropped = numbers.collapsed_slice_dims + numbers.operand_batching_dims
    kept = [d for d in range(len(case.shape)) if d not in dropped]
    for out in itertools.product(*map(range, result_shape(case))):
        row = [i for o, i in enumerate(out) if o not in numbers.offset_dims]
        start = [0] * len(case.shape)
        for d, k in zip(numbers.start_index_map, case.indices[tuple(row)]):
            start[d] = int(k)
        last = [n - w for n, w in zip(case.shape, case.sizes)]
        outside = any(not 0 <= start[d] <= last[d] for d in numbers.start_index_map)
        if outside and mode is FILL:
            yield out, None
            continue
        start = [min(max(s, 0), m) for s, m in zip(start, last)]
        for d, r in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims):
            start[d] = row[r]
        for d, o in zip(kept, numbers.offset_dims):
            start[d] += out[o]
        yield out, tuple(start)


def bind_gather(case, x, mode, indices=None, fill_value=None):
    return p.gather(
        x,
        case.indices if indices is None else indices,
        dimension_numbers=case.numbers,
        slice_sizes=case.sizes,
        mode=mode,
        fill_value=fill_value,
        indices_are_sorted=False,
        unique_indices=False,
    )


def bind_scatter(name, case, x, updates, mode, indices=None, unique=False):
    return getattr(p, name)(
        x,
        case.indices if indices is None else indices,
        updates,
        dimension_numbers=ScatterDimensionNumbers(*case.numbers),
        mode=mode,
        indices_are_sorted=False,
        unique_indices=unique,
    )


def numbers_of(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@every_case
@every_mode
def test_gather_reads_what_the_definition_says(case, mode):
    x = numbers_of(case.shape)
    expected = np.full(result_shape(case), np.nan, np.float32)
    for out, place in places(case, mode):
        if place is not None:
            expected[out] = x[place]
    found = np.asarray(bind_gather(case, x, mode))
    assert found.shape == expected.shape and found.dtype == x.dtype
    np.testing.assert_array_equal(found, expected)


@every_case
@every_mode
@pytest.mark.parametrize("name", SCATTERS)
def test_scatter_writes_what_the_definition_says(case, mode, name):
    x, updates = numbers_of(case.shape), numbers_of(result_shape(case), 1)
    expected = x.copy()
    for out, place in places(case, mode):
        if place is not None:
            expected[place] = SCATTERS[name](expected[place], updates[out])
    before = x.copy()
    found = np.asarray(bind_scatter(name, case, x, updates, mode))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(x, before)


@every_case
@every_mode
def test_gather_transposes_into_the_sum_over_places(case, mode):
    x, ct = numbers_of(case.shape), numbers_of(result_shape(case), 2)
    expected = np.zeros_like(x)
    for out, place in places(case, mode):
        if place is not None:
            expected[place] += ct[out]
    _, pull = mj.vjp(lambda x: bind_gather(case, x, mode, fill_value=0), mnp.asarray(x))
    np.testing.assert_allclose(pull(mnp.asarray(ct))[0], expected, rtol=1e-5, atol=1e-6)


def central_difference(f, primals, tangents, step):
    ahead = f(*(x + step * t for x, t in zip(primals, tangents)))
    behind = f(*(x - step * t for x, t in zip(primals, tangents)))
    return (np.asarray(ahead) - np.asarray(behind)) / (2 * step)


@every_case
@every_mode
@pytest.mark.parametrize("name", SCATTERS)
def test_scatter_derivatives(case, mode, name):
    with mj.enable_x64():
        x = numbers_of(case.shape).astype(float)
        updates = numbers_of(result_shape(case), 1).astype(float)
        tangents = numbers_of(x.shape, 2).astype(float), numbers_of(updates.shape, 3).astype(float)

        def f(x, updates):
            return bind_scatter(name, case, x, updates, mode)

        _, tangent = mj.jvp(f, (x, updates), tangents)
        expected = central_difference(lambda *args: np.asarray(f(*args)), (x, updates), tangents, 1e-5)
        np.testing.assert_allclose(tangent, expected, rtol=1e-6, atol=1e-8)
        _, pull = mj.vjp(f, x, updates)
        ct = numbers_of(x.shape, 4).astype(float)
        x_ct, updates_ct = map(np.asarray, pull(mnp.asarray(ct)))
        there = (ct * np.asarray(tangent)).sum()
        back = (x_ct * tangents[0]).sum() + (updates_ct * tangents[1]).sum()
        np.testing.assert_allclose(there, back, rtol=1e-9, atol=1e-12)


def stacked(x, axis, size, seed):
    """`size` variants of x along a new axis; x itself if axis is None."""
    if axis is None:
        return x
    if x.dtype.kind == "i":
        return np.stack([np.roll(x, i, 0) if x.ndim > 1 else x + i for i in range(size)], axis)
    return np.stack([numbers_of(x.shape, seed + i) for i in range(size)], axis)


def example(x, axis, i):
    return x if axis is None else np.take(x, i, axis)


@every_case
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (-1, 1), (-1, None)])
def test_batched_gather_equals_a_loop(case, axes):
    axes = tuple(a if a is None or a < 0 or a < n else 0 for a, n in zip(axes, (len(case.shape), case.indices.ndim)))
    x, indices = stacked(numbers_of(case.shape), axes[0], 3, 7), stacked(case.indices, axes[1], 3, 8)

    def f(x, indices):
        return bind_gather(case, x, FILL, indices, fill_value=-1.0)

    found = mj.vmap(f, in_axes=axes)(mnp.asarray(x), mnp.asarray(indices))
    expected = [np.asarray(f(example(x, axes[0], i), example(indices, axes[1], i))) for i in range(3)]
    np.testing.assert_array_equal(found, np.stack(expected))


@every_case
@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_max"])
@pytest.mark.parametrize(
    "axes", [(0, None, None), (None, 0, None), (None, None, 0), (-1, 0, -1), (0, 0, 0), (0, None, 0)]
)
def test_batched_scatter_equals_a_loop(case, name, axes):
    x, updates = numbers_of(case.shape), numbers_of(result_shape(case), 1)
    args = [stacked(a, axis, 3, 10 * k) for k, (a, axis) in enumerate(zip((x, case.indices, updates), axes))]

    def f(x, indices, updates):
        return bind_scatter(name, case, x, updates, FILL, indices)

    found = mj.vmap(f, in_axes=axes)(*map(mnp.asarray, args))
    expected = [np.asarray(f(*(example(a, axis, i) for a, axis in zip(args, axes)))) for i in range(3)]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "dtype, expected",
    [("float32", np.nan), ("int32", -(2**31)), ("int8", -128), ("uint8", 255), ("bool", True), ("bfloat16", np.nan)],
)
def test_what_is_read_outside(dtype, expected):
    x = mnp.zeros(2, dtype)
    found = np.asarray(bind_gather(Case("", (2,), [[0], [2]], (1,), (), (0,), (0,)), x, FILL))
    np.testing.assert_array_equal(found.astype(float), [0.0, float(expected)])


def test_broken_promises_read_the_nearest_element_and_give_it_the_gradient():
    case = Case("", (3,), [[7], [1]], (1,), (), (0,), (0,))
    x = mnp.arange(3.0)
    np.testing.assert_array_equal(bind_gather(case, x, PROMISE), [2.0, 1.0])
    gradient = mj.grad(lambda x: bind_gather(case, x, PROMISE).sum())(x)
    np.testing.assert_array_equal(gradient, [0.0, 1.0, 1.0])


def test_the_last_of_several_updates_gets_the_gradient():
    case = Case("", (3,), [[0], [0], [2]], (1,), (), (0,), (0,))
    x_ct, updates_ct = mj.grad(lambda x, u: bind_scatter("scatter", case, x, u, FILL).sum(), (0, 1))(
        mnp.ones(3), mnp.arange(3.0)
    )
    np.testing.assert_array_equal(x_ct, [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(updates_ct, [0.0, 1.0, 1.0])


@pytest.mark.parametrize("name", ["scatter_min", "scatter_max"])
def test_ties_share_equally(name):
    case = Case("", (2,), [[0], [0]], (1,), (), (0,), (0,))
    x_ct, updates_ct = mj.grad(lambda x, u: bind_scatter(name, case, x, u, FILL).sum(), (0, 1))(
        mnp.ones(2), mnp.ones(2)
    )
    np.testing.assert_allclose(x_ct, [1 / 3, 1.0], rtol=1e-6)
    np.testing.assert_allclose(updates_ct, [1 / 3, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    "factors, expected", [((2.0, 3.0), (3.0, 2.0)), ((0.0, 3.0), (3.0, 0.0)), ((0.0, 0.0), (0.0, 0.0))]
)
def test_factors_at_one_element_get_the_product_of_the_others(factors, expected):
    case = Case("", (1,), [[0], [0]], (1,), (), (0,), (0,))
    gradient = mj.grad(lambda u: bind_scatter("scatter_mul", case, mnp.ones(1), u, FILL).sum())(mnp.array(factors))
    np.testing.assert_allclose(gradient, expected)


def test_second_derivative_of_products_at_one_element():
    case = Case("", (1,), [[0], [0]], (1,), (), (0,), (0,))
    f = lambda u: bind_scatter("scatter_mul", case, mnp.ones(1), u, FILL).sum()
    np.testing.assert_allclose(mj.hessian(f)(mnp.array([2.0, 3.0])), [[0.0, 1.0], [1.0, 0.0]], atol=1e-6)


def test_integers_have_no_derivative():
    case = Case("", (3,), [[0], [2]], (1,), (), (0,), (0,))
    f = lambda x: (bind_scatter("scatter", case, mnp.arange(3), mnp.ones(2, "int32"), FILL) * x).sum()
    assert float(mj.grad(f)(2.0)) == 3.0


@pytest.mark.parametrize(
    "call, error, phrase",
    [
        (lambda x: bind_gather(CASES[0], x, FILL, np.zeros((2, 1), np.float32)), ValueError, "integer"),
        (lambda x: bind_gather(CASES[1], x, FILL), TypeError, "window"),
        (lambda x: bind_scatter("scatter_add", CASES[0], x, np.zeros(5, np.int32), FILL), TypeError, "same dtypes"),
        (lambda x: bind_scatter("scatter_add", CASES[0], x, np.zeros(4, np.float32), FILL), TypeError, "row"),
        (
            lambda x: bind_gather(Case("", (5,), [[0]], (6,), (1,), (), (0,)), x, FILL),
            TypeError,
            "Slice size at index 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call(np.zeros(5, np.float32))


def test_modes_have_names():
    assert GatherScatterMode.from_any("drop") is GatherScatterMode.from_any(None) is FILL
    assert GatherScatterMode.from_any("clip") is CLIP
    with pytest.raises(ValueError, match="Unknown gather mode"):
        GatherScatterMode.from_any("wrap")


@pytest.mark.parametrize("dtype", ["float32", "int32", "complex64", "float16"])
@pytest.mark.parametrize("name", ["scatter_add", "scatter_sub"])
@pytest.mark.parametrize("width", [1, 7])
def test_many_updates_add_up(dtype, name, width):
    """Large scatters take another way than small ones."""
    rng = np.random.default_rng(0)
    case = Case("", (50, width), rng.integers(-2, 52, (40_000 // width, 1)), (1, width), (1,), (0,), (0,))
    x = rng.integers(-3, 4, case.shape).astype(dtype)
    updates = rng.integers(-1, 2, result_shape(case)).astype(dtype)  # sums that every dtype holds exactly
    expected = x.copy()
    inside = (case.indices[:, 0] >= 0) & (case.indices[:, 0] < 50)
    getattr(np, "add" if name == "scatter_add" else "subtract").at(expected, case.indices[inside, 0], updates[inside])
    np.testing.assert_array_equal(bind_scatter(name, case, x, updates, FILL), expected)


@pytest.mark.parametrize(
    "indices, is_plain",
    [([[0], [2]], True), ([[0], [0]], False), ([[1], [7]], True)],
    ids=["unique", "twice", "outside"],
)
def test_derivative_of_writes_that_never_meet_compares_nothing(indices, is_plain):
    case = Case("", (3,), indices, (1,), (), (0,), (0,))
    gradient = mj.grad(lambda u: (bind_scatter("scatter", case, mnp.ones(3), u, FILL) * 2.0).sum())
    names = [eqn.primitive.name for eqn in mj.make_jaxpr(gradient)(mnp.ones(2)).eqns]
    assert ("eq" not in names) == is_plain  # no comparison of who wrote last
    np.testing.assert_array_equal(
        gradient(mnp.ones(2)), [2.0 * (i[0] < 3 and i not in indices[k + 1 :]) for k, i in enumerate(indices)]
    )
