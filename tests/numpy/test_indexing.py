"""Indexing against NumPy where NumPy has an answer, and against the rules for what is out of bounds."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.errors import NonConcreteBooleanIndexError

SHAPE = (4, 3, 5, 2)
MASK = np.array([True, False, True, False])
ROWS = np.array([0, -1, 2])
COLUMNS = np.array([[2, 0, 1], [-3, 1, 1]])
INDICES = {
    "integer": 1,
    "negative integer": -2,
    "NumPy integer": np.uint8(3),
    "slice": slice(1, 3),
    "slice that sticks out": slice(-9, 99),
    "empty slice": slice(3, 1),
    "empty slice outside": slice(7, None),
    "strided slice": slice(None, None, 3),
    "strided slice with one element": (slice(None), slice(2, 9, 4)),
    "reversed": slice(None, None, -1),
    "reversed and strided": (slice(None), slice(None), slice(4, None, -2)),
    "reversed with an end": (..., slice(4, 1, -1), 0),
    "reversed and empty": (..., slice(1, 4, -1), 0),
    "ellipsis": ...,
    "nothing": (),
    "new axis": None,
    "new axes": (None, slice(1, 2), None, ..., None),
    "new axes and integers": (0, None, ..., 1, None),
    "integers": (1, -1, 2, 0),
    "integers at the end": (..., 3, 1),
    "array": ROWS,
    "array of shape ()": np.array(2),
    "matrix": COLUMNS,
    "empty array": np.zeros(0, int),
    "array with a whole slice": (slice(None), ROWS),
    "array with a strided slice": (slice(None, None, 2), ROWS, slice(None, None, -1)),
    "array at the end": (..., np.array([1, 0, -1])),
    "arrays side by side": (slice(None), ROWS, ROWS),
    "arrays that broadcast": (slice(None), ROWS[:, None], np.array([4, 0])),
    "arrays apart come first": (ROWS, slice(1, 4), ROWS),
    "array and integer side by side": (slice(None), 1, ROWS),
    "array and integer apart": (0, slice(None), ROWS),
    "array and integer beyond an empty ellipsis": (slice(None), ROWS, 1, ..., 0),
    "arrays apart by a new axis": (ROWS, None, ROWS),
    "array after new axes": (None, slice(None), None, ROWS, None),
    "sequence in a tuple": (slice(None), [0, 2]),
    "unsigned array": np.array([1, 3], np.uint8),
    "mask": MASK,
    "mask of nothing": np.zeros(4, bool),
    "mask beside a slice": (MASK, slice(0, 2)),
    "mask of two axes": np.random.default_rng(0).random((4, 3)) > 0.5,
    "mask of inner axes": (slice(None), np.random.default_rng(1).random((3, 5)) > 0.5),
    "mask of everything": np.random.default_rng(2).random(SHAPE) > 0.5,
    "mask beside an array": (MASK, np.array([0, 2])),
    "true": True,
    "false": False,
    "true beside an integer": (slice(None), True, 0),
    "true apart from an integer": (True, slice(None), 0),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
UPDATES = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "mul": np.multiply,
    "divide": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


def numbers_of(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def as_traced(index):
    """The index with its integers and integer arrays as minijax arrays."""
    if isinstance(index, tuple):
        return tuple(map(as_traced, index))
    if isinstance(index, (int, np.integer, np.ndarray)) and not isinstance(index, bool):
        return mnp.asarray(index)
    return index


@every_index
def test_reading_takes_what_numpy_takes(index):
    x = numbers_of(SHAPE)
    for found in (mnp.asarray(x)[index], mnp.asarray(x)[as_traced(index)], mnp.asarray(x).at[index].get()):
        np.testing.assert_array_equal(found, x[index])
        assert found.shape == x[index].shape == np.asarray(found).shape


@every_index
def test_reading_while_tracing(index):
    x = numbers_of(SHAPE)
    np.testing.assert_array_equal(mj.jit(lambda x: x[index])(mnp.asarray(x)), x[index])


@pytest.mark.parametrize("name", [n for n, i in INDICES.items() if "mask" not in n and "in a tuple" not in n])
def test_reading_at_traced_indices(name):
    index = INDICES[name] if isinstance(INDICES[name], tuple) else (INDICES[name],)
    x = numbers_of(SHAPE)
    variable = [
        i
        for i, item in enumerate(index)
        if isinstance(item, (int, np.integer, np.ndarray)) and not isinstance(item, bool)
    ]

    def read(x, *values):
        items = list(index)
        for i, value in zip(variable, values):
            items[i] = value
        return x[tuple(items)]

    found = mj.jit(read)(mnp.asarray(x), *(mnp.asarray(index[i]) for i in variable))
    np.testing.assert_array_equal(found, x[index])


@every_index
def test_gradient_of_reading_counts_how_often_an_element_is_read(index):
    x, weight = numbers_of(SHAPE), numbers_of(numbers_of(SHAPE)[index].shape, 1)
    expected = np.zeros(SHAPE, np.float32)
    np.add.at(expected, index, weight)
    found = mj.grad(lambda x: (x[index] * weight).sum())(mnp.asarray(x))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@every_index
def test_set_writes_what_numpy_writes(index):
    x = numbers_of(SHAPE)
    places = np.arange(x.size).reshape(SHAPE)[index]
    full = numbers_of(places.shape, 1)
    for values in (full, full[..., :1] if full.ndim else full, np.float32(7)):
        expected = x.copy().reshape(-1)
        for place, value in zip(places.ravel(), np.broadcast_to(values, places.shape).ravel()):
            expected[place] = value  # in order: the last one stays
        found = mnp.asarray(x).at[index].set(values)
        np.testing.assert_array_equal(found, expected.reshape(SHAPE))


@every_index
@pytest.mark.parametrize("name", UPDATES)
def test_updates_count_every_time(name, index):
    x = numbers_of(SHAPE)
    places = np.arange(x.size).reshape(SHAPE)[index]
    values = 2 + numbers_of(places.shape, 1) ** 2
    expected = x.copy()
    UPDATES[name].at(expected.reshape(-1), places.ravel(), values.ravel())
    found = getattr(mnp.asarray(x).at[index], name)(values)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@every_index
def test_apply_and_power(index):
    x = 1 + numbers_of(SHAPE) ** 2
    expected = x.copy()
    places, counts = np.unique(np.arange(x.size).reshape(SHAPE)[index], return_counts=True)
    expected.reshape(-1)[places] **= 2.0**counts
    np.testing.assert_allclose(mnp.asarray(x).at[index].apply(lambda v: v * v), expected, rtol=1e-4)
    np.testing.assert_allclose(mnp.asarray(x).at[index].power(2.0), expected, rtol=1e-4)


def test_apply_at_traced_indices_counts_repetitions():
    x = mnp.asarray(np.array([1.0, 2.0, 3.0], np.float32))
    found = mj.jit(lambda x, i: x.at[i].apply(lambda v: v * v))(x, mnp.asarray(np.array([1, 1, 2])))
    np.testing.assert_array_equal(found, [1.0, 16.0, 9.0])


def test_gradient_of_updates():
    x, v = mnp.ones(3), mnp.asarray(np.array([3.0, 5.0], np.float32))
    g = mj.grad
    np.testing.assert_array_equal(g(lambda x: x.at[0].set(5.0).sum())(x), [0, 1, 1])
    np.testing.assert_array_equal(g(lambda x: x.at[0].add(x[1]).sum())(x), [1, 2, 1])
    np.testing.assert_array_equal(g(lambda x: x.at[0].mul(0.0).sum())(x), [0, 1, 1])
    np.testing.assert_array_equal(g(lambda x: x.at[0].max(x[1]).sum())(x), [0.5, 1.5, 1])
    twice = mnp.asarray(np.array([0, 0]))
    np.testing.assert_array_equal(g(lambda x: x.at[twice].set(v).sum())(x), [0, 1, 1])
    np.testing.assert_array_equal(g(lambda v: mnp.zeros(3).at[twice].set(v).sum())(v), [0, 1])
    np.testing.assert_array_equal(g(lambda v: mnp.ones(3).at[twice].mul(v).sum())(v), [5, 3])
    np.testing.assert_array_equal(g(lambda v: mnp.zeros(3).at[1:].set(v).sum())(v), [1, 1])


def test_reading_outside_reads_the_nearest_element():
    x = mnp.arange(3.0)
    far = mnp.asarray(np.array([10, -1, -5]))
    assert float(x[10]) == 2.0 and float(x[-10]) == 0.0 and float(x.at[10].get()) == 2.0
    np.testing.assert_array_equal(x[far], [2, 2, 0])
    for i, expected in ((10, 2.0), (-1, 2.0), (-7, 0.0)):
        assert float(mj.jit(lambda x, i: x[i])(x, i)) == expected
    np.testing.assert_array_equal(mj.grad(lambda x: x[10])(x), [0, 0, 1])


def test_reading_outside_with_a_fill_value():
    x = mnp.arange(3.0)
    assert np.isnan(float(x.at[5].get(mode="fill")))
    assert float(x.at[5].get(mode="fill", fill_value=-1)) == -1.0
    for fill_value in (np.float32(-2), mnp.asarray(-2.0)):
        assert float(x.at[5].get(mode="fill", fill_value=fill_value)) == -2.0
    assert float(x.at[5].get(mode="clip")) == 2.0
    np.testing.assert_array_equal(mnp.arange(3).at[mnp.asarray(np.array([5, -1]))].get(mode="fill"), [-(2**31), 2])
    np.testing.assert_array_equal(mj.grad(lambda x: x.at[10].get(mode="fill", fill_value=0.0))(x), [0, 0, 0])
    np.testing.assert_array_equal(x.at[1:].get(mode="fill"), [1, 2])


def test_writing_outside_is_dropped():
    x = mnp.arange(3.0)
    for index in (10, -5, 2**40, -(2**40), slice(10, None), mnp.asarray(np.array([3, -4]))):
        np.testing.assert_array_equal(x.at[index].set(9.0), [0, 1, 2])
    for i in (7, -7):
        np.testing.assert_array_equal(mj.jit(lambda x, i: x.at[i].set(9.0))(x, i), [0, 1, 2])
    np.testing.assert_array_equal(x.at[7].multiply(3, mode="clip"), [0, 1, 6])
    np.testing.assert_array_equal(x.at[-1].set(9.0, wrap_negative_indices=False), [0, 1, 2])
    np.testing.assert_array_equal(mj.grad(lambda v: x.at[7].set(v).sum())(1.0), 0.0)


def test_static_indices_become_slices():
    x = mnp.ones((3, 4))
    names = lambda f, *args: [e.primitive.name for e in mj.make_jaxpr(f)(*args).eqns]
    assert names(lambda x: x[1], x) == ["slice", "squeeze"]
    assert names(lambda x: x[1:], x) == ["slice"]
    assert names(lambda x: x[:], x) == []
    assert names(lambda x: x[::-1], x) == ["rev"]
    assert names(lambda x: x[None], x) == ["broadcast_in_dim"]
    assert names(lambda x: x[:, 2], x) == ["slice", "squeeze"]
    assert names(lambda x, i: x[i], x, 1)[-2:] == ["dynamic_slice", "squeeze"]
    assert names(lambda x: x[np.array([0, 2])], x) == ["gather"]
    assert names(lambda x: x.at[0, 1:].set(2.0), x)[-1:] == ["dynamic_update_slice"]


def test_rows_of_traced_arrays():
    x = numbers_of((3, 2))
    rows = mj.jit(lambda x: list(x))(mnp.asarray(x))
    np.testing.assert_array_equal(np.stack([np.asarray(r) for r in rows]), x)
    weights = np.array([1.0, 10.0, 100.0], np.float32)
    found = mj.grad(lambda x: sum(w * row for w, row in zip(weights.tolist(), x)).sum())(mnp.asarray(x))
    np.testing.assert_array_equal(found, np.repeat(weights[:, None], 2, 1))
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        mj.jit(lambda x: list(x))(1.0)


def test_masks_need_values():
    x = mnp.arange(3.0)
    np.testing.assert_array_equal(mj.grad(lambda x: (x[x > 0] * x[x > 0]).sum())(x), [0, 2, 4])
    for f in (lambda x: x[x > 0], lambda x: x.at[x > 0].set(5.0)):
        with pytest.raises(
            NonConcreteBooleanIndexError, match=r"Array boolean indices must be concrete; got bool\[3\]"
        ):
            mj.jit(f)(x)
        with pytest.raises(NonConcreteBooleanIndexError, match="where"):
            mj.vmap(f)(x[None])


def test_mapped_indices():
    x, i = numbers_of((4, 3)), np.array([2, 0, 7, -1])
    clipped = np.array([2, 0, 2, 2])
    found = mj.vmap(lambda row, i: row[i])(mnp.asarray(x), mnp.asarray(i))
    np.testing.assert_array_equal(found, x[np.arange(4), clipped])
    found = mj.vmap(lambda i: mnp.asarray(x)[i, 1:])(mnp.asarray(np.array([3, 0])))
    np.testing.assert_array_equal(found, x[[3, 0], 1:])
    found = mj.vmap(lambda row, i: row.at[i].add(1.0))(mnp.asarray(x), mnp.asarray(i))
    expected = x.copy()
    expected[[0, 1, 3], [2, 0, 2]] += 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "index, error, phrase",
    [
        (1.0, TypeError, "Indexer must have integer or boolean type, got indexer with type float64"),
        (np.array([1.0], np.float32), TypeError, "got indexer with type float32"),
        ("a", TypeError, "does not support string indexing; got idx='a'"),
        ([0, 1], TypeError, "Using a non-tuple sequence for multidimensional indexing is not allowed"),
        (range(2), TypeError, "Using a non-tuple sequence for multidimensional indexing is not allowed"),
        ((0, 0), IndexError, "Too many indices: array is 1-dimensional, but 2 were indexed"),
        ((0, ..., 0), IndexError, "Too many indices"),
        ((..., ...), IndexError, "single ellipsis"),
        ({}, IndexError, "only integers, slices"),
        (np.array([True, False]), IndexError, "boolean index did not match shape of indexed array in index 0"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (slice(1.5, None), TypeError, "integer"),
    ],
)
def test_what_is_no_index_is_refused(index, error, phrase):
    with pytest.raises(error, match=phrase):
        mnp.ones(3)[index]
    with pytest.raises(error, match=phrase):
        mnp.ones(3).at[index].set(1.0)


def test_arrays_that_do_not_broadcast_are_refused():
    with pytest.raises(ValueError, match="Incompatible shapes for broadcasting"):
        mnp.ones((3, 3))[np.array([0, 1]), np.array([0, 1, 2])]


def test_empty_axes_have_no_elements():
    with pytest.raises(IndexError, match="out of bounds for axis 0 with size 0"):
        mnp.zeros(0)[0]
    with pytest.raises(IndexError, match="out of bounds for axis 0 with size 0"):
        mj.jit(lambda x, i: x[i])(mnp.zeros((0, 2)), 1)
    assert mnp.zeros((0, 2))[:, 1].shape == (0,)
    assert mnp.zeros(0)[np.zeros(0, int)].shape == (0,)
    assert mnp.zeros((0, 3)).at[np.array([0])].set(1.0).shape == (0, 3)


def test_slices_need_static_ends():
    with pytest.raises(IndexError, match="Slice entries must be static integers"):
        mj.vmap(lambda x, i: x[:i])(mnp.ones((2, 3)), mnp.arange(2))


def test_values_take_the_dtype_of_the_array():
    with pytest.warns(FutureWarning, match="scatter inputs have incompatible types"):
        found = mnp.arange(3).at[0].set(2.7)
    np.testing.assert_array_equal(found, [2, 1, 2])
    with pytest.warns(FutureWarning, match="cannot safely cast value from dtype=float32 to dtype=float16"):
        assert mnp.ones(3, "float16").at[0].add(mnp.float32(2)).dtype == np.float16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (1, True, np.int32(2), np.float16(3), [4.0]):
            assert mnp.ones(3).at[0:1].set(value).dtype == np.float32
        np.testing.assert_array_equal(mnp.asarray(np.arange(3, dtype=np.int8)).at[0].set(300), [44, 1, 2])


def test_division_of_integers_gives_floats():
    np.testing.assert_array_equal(mnp.arange(3).at[1].divide(2), [0, 0.5, 2])


@pytest.mark.parametrize("values, phrase", [(np.ones(2), "fewer dimensions"), (np.ones(1), "fewer dimensions")])
def test_values_must_fit_an_element(values, phrase):
    with pytest.raises(ValueError, match=phrase):
        mnp.ones(3).at[0].set(values.astype(np.float32))


def test_values_must_fit_a_slice():
    with pytest.raises(ValueError, match="Incompatible shapes for broadcasting"):
        mnp.ones(3).at[:2].set(np.ones(3, np.float32))


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="Unknown gather mode"):
        mnp.ones(3).at[0].get(mode="wrap")
    with pytest.raises(ValueError, match="Unknown gather mode"):
        mnp.ones(3).at[0].set(1.0, mode="wrap")


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [np.array([1, 0]), np.array([[1], [-1]]), np.array(1)], ids=str)
def test_take_is_that_of_numpy(axis, indices):
    x = numbers_of((2, 3))
    np.testing.assert_array_equal(
        mnp.take(mnp.asarray(x), mnp.asarray(indices), axis=axis), np.take(x, indices, axis)
    )
    np.testing.assert_array_equal(
        mj.jit(lambda x, i: mnp.take(x, i, axis=axis))(mnp.asarray(x), mnp.asarray(indices)),
        np.take(x, indices, axis),
    )


def test_take_outside():
    x, far = mnp.arange(3.0), mnp.asarray(np.array([5, -1, -4]))
    for transform in (lambda f: f, mj.jit):
        np.testing.assert_array_equal(transform(lambda x, i: mnp.take(x, i))(x, far), [np.nan, 2, np.nan])
        np.testing.assert_array_equal(transform(lambda x, i: mnp.take(x, i, mode="clip"))(x, far), [2, 0, 0])
        np.testing.assert_array_equal(transform(lambda x, i: mnp.take(x, i, mode="wrap"))(x, far), [2, 2, 2])
        np.testing.assert_array_equal(transform(lambda x, i: mnp.take(x, i, fill_value=7.0))(x, far), [7, 2, 7])
    np.testing.assert_array_equal(mj.grad(lambda x: mnp.take(x, 10))(x), [0, 0, 0])


@pytest.mark.parametrize(
    "call, error, phrase",
    [
        (lambda x: mnp.take(x, [0, 1]), TypeError, "take requires ndarray or scalar arguments, got <class 'list'>"),
        (lambda x: mnp.take(x, 1.0), ValueError, "integer type"),
        (lambda x: mnp.take(x, 0, mode="raise"), NotImplementedError, "'raise' mode"),
        (lambda x: mnp.take(x, 0, axis=1), ValueError, "axis 1 is out of bounds for array of dimension 1"),
        (lambda x: mnp.take(x[:0], mnp.arange(2)), IndexError, "non-empty"),
        (lambda x: mnp.take_along_axis(x, mnp.ones((1, 1), "int32"), 0), ValueError, "same number of dimensions"),
        (lambda x: mnp.take_along_axis(x, mnp.ones((1, 1), "int32"), None), ValueError, "must be 1D if axis=None"),
        (lambda x: mnp.take_along_axis(x, x, 0), TypeError, "integer type"),
        (lambda x: mnp.put_along_axis(x, mnp.arange(1), 1.0, 0), ValueError, "inplace=False"),
    ],
)
def test_wrong_takes_are_refused(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call(mnp.ones(3))


@pytest.mark.parametrize(
    "shape, indices_shape, axis",
    [((4, 3), (2, 3), 0), ((4, 3), (4, 5), 1), ((1, 3), (4, 2), 1), ((4, 3), (1, 2), -1)],
)
def test_along_an_axis(shape, indices_shape, axis):
    x = numbers_of(shape)
    indices = np.random.default_rng(0).integers(-shape[axis], shape[axis], indices_shape)
    expected = np.take_along_axis(x, indices, axis)
    for transform in (lambda f: f, mj.jit):
        found = transform(lambda x, i: mnp.take_along_axis(x, i, axis))(mnp.asarray(x), mnp.asarray(indices))
        np.testing.assert_array_equal(found, expected)
    if shape[1 - axis % 2] == expected.shape[1 - axis % 2]:
        indices = np.argsort(numbers_of(shape, 3), axis)  # each element once
        values = numbers_of(shape, 4)
        expected = x.copy()
        np.put_along_axis(expected, indices, values, axis)
        found = mnp.put_along_axis(mnp.asarray(x), mnp.asarray(indices), mnp.asarray(values), axis, inplace=False)
        np.testing.assert_array_equal(found, expected)


def test_along_an_axis_outside_and_flat():
    x = mnp.arange(6.0).reshape(2, 3)
    found = mnp.take_along_axis(x, mnp.asarray(np.array([[1], [7]])), 1)
    np.testing.assert_array_equal(found, [[1], [np.nan]])
    flat = mnp.asarray(np.array([5, 0]))
    np.testing.assert_array_equal(mnp.take_along_axis(x, flat, None), [5, 0])
    put = mnp.put_along_axis(x, flat, 9.0, None, inplace=False)
    np.testing.assert_array_equal(put, [[9, 1, 2], [3, 4, 9]])


def test_gradient_of_sorting_by_indices():
    x = numbers_of((3, 4))
    order = mnp.asarray(np.argsort(x, 1))
    weight = numbers_of((3, 4), 1)
    found = mj.grad(lambda x: (mnp.take_along_axis(x, order, 1) * weight).sum())(mnp.asarray(x))
    expected = np.zeros_like(x)
    np.put_along_axis(expected, np.asarray(order), weight, 1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", [None, "clip", "wrap"])
def test_narrow_indices_reach_from_the_end_of_long_axes(mode):
    x, index = np.arange(1000), np.array([-1, 3, -128], np.int8)
    expected = x[np.clip(index, 0, 999)] if mode == "clip" else x[index]
    for f in (mnp.take, mj.jit(mnp.take, static_argnames="mode")):
        np.testing.assert_array_equal(f(x, index, mode=mode), expected)
    np.testing.assert_array_equal(mnp.asarray(x)[index], x[index])
    assert mnp.asarray(x).at[index].set(7)[999] == 7
