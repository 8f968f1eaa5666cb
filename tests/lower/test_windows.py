"""Gather, scatter and dynamic slices inside kernels: values of plain NumPy, and no call of it in the program."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.lower import compile_program
from minijax.lower.emit_loops import emit_step
from minijax.lower.steps import Call

METHODS = {
    "set": lambda old, new: new,
    "add": lambda old, new: old + new,
    "multiply": lambda old, new: old * new,
    "min": np.minimum,
    "max": np.maximum,
}
rng = np.random.default_rng(11)
TABLE = rng.standard_normal((9, 5)).astype(np.float32)
ROWS = rng.integers(-12, 12, 40).astype(np.int32)
UPDATES = rng.standard_normal((40, 5)).astype(np.float32)


def native(f, *xs):
    """The results of a compiled program that never leaves native code."""
    program = compile_program(mj.make_jaxpr(f)(*xs))
    assert not [step for step in program.steps if type(step) is Call]
    return program.run(*[np.asarray(x) for x in xs])


def resolved(row, n, mode):
    """The row of n that an index means; None if it is dropped."""
    row = row + n if row < 0 else row
    if mode == "clip":
        return min(max(row, 0), n - 1)
    return row if 0 <= row < n else None


@pytest.mark.parametrize("mode", [None, "drop", "clip"])
@pytest.mark.parametrize("method", METHODS)
def test_rows_are_written_one_after_the_other(method, mode):
    (found,) = native(lambda x, rows, u: getattr(x.at[rows], method)(u, mode=mode), TABLE, ROWS, UPDATES)
    expected = TABLE.copy()
    for row, update in zip(ROWS, UPDATES, strict=True):
        place = resolved(row, 9, mode)
        if place is not None:
            expected[place] = METHODS[method](expected[place], update)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float32"])
def test_elements_are_written_in_order_in_every_dtype(dtype):
    values = (rng.integers(0, 7, 40) % (2 if dtype == "bool" else 7)).astype(dtype)
    x = np.zeros((9, 5), dtype)
    columns = np.abs(ROWS) % 5
    (found,) = native(lambda x, i, j, v: x.at[i, j].set(v), x, ROWS, columns, values)
    expected = x.copy()
    for row, column, value in zip(ROWS, columns, values, strict=True):
        place = resolved(row, 9, None)
        if place is not None:
            expected[place, column] = value
    np.testing.assert_array_equal(found, expected)


def test_a_dropped_update_leaves_negative_zero_alone():
    (found,) = native(lambda x, i: x.at[i].add(1.0), np.float32([-0.0, -0.0]), np.int32([7, 0]))
    assert np.signbit(found).tolist() == [False, True]


@pytest.mark.parametrize("mode", ["fill", "clip"])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_gather_is_part_of_the_kernel_that_wants_it(axis, mode):
    def f(x, rows):
        return mnp.sum(mnp.take(x, rows, axis=axis, mode=mode) ** 2, axis=1 - axis)

    program = compile_program(mj.make_jaxpr(f)(TABLE, ROWS))
    assert len(program.steps) == 1
    n = TABLE.shape[axis]
    places = [min(max(row, 0), n - 1) if mode == "clip" else resolved(row, n, mode) for row in ROWS]
    rows = [
        np.full(TABLE.shape[1 - axis], np.nan) if place is None else np.take(TABLE, place, axis) for place in places
    ]
    np.testing.assert_allclose(program.run(TABLE, ROWS)[0], np.sum(np.square(rows), axis=1), rtol=1e-5)


@pytest.mark.parametrize(("dtype", "outside"), [("int32", -(2**31)), ("uint8", 255), ("bool", True)])
def test_what_lies_outside_is_read_as_the_dtypes_fill_value(dtype, outside):
    (found,) = native(
        lambda x, i: mnp.take(x, i, axis=0, mode="fill"), np.zeros(3, dtype), np.int32([0, 3, 2**31 - 1, -4])
    )
    np.testing.assert_array_equal(found, np.array([0, outside, outside, outside]).astype(dtype))


def test_indices_of_every_width_mean_the_same():
    for dtype in (np.int8, np.uint8, np.int32, np.uint32):
        (found,) = native(lambda x, i: mnp.take(x, i, axis=0, mode="clip"), TABLE, np.array([0, 100, 8], dtype))
        np.testing.assert_array_equal(found, TABLE[[0, 8, 8]])


@pytest.mark.parametrize("axis", [0, 1])
def test_take_along_axis_and_its_gradient(axis):
    places = rng.integers(0, TABLE.shape[axis], (4, 5) if axis == 0 else (9, 3)).astype(np.int32)
    weights = rng.standard_normal(places.shape).astype(np.float32)

    def loss(x):
        return mnp.sum(mnp.take_along_axis(x, places, axis) * weights)

    (found,) = native(mj.grad(loss), TABLE)
    expected = np.zeros_like(TABLE)
    for (i, j), place in np.ndenumerate(places):
        expected[(place, j) if axis == 0 else (i, place)] += weights[i, j]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_batched_windows_follow_their_batch():
    starts = rng.integers(-2, 12, 7).astype(np.int32)
    (found,) = native(mj.vmap(lambda s: lax.dynamic_slice(TABLE, (s, s), (2, 3))), starts)
    for got, s in zip(found, starts, strict=True):
        row, column = min(max(s + 9 if s < 0 else s, 0), 7), min(max(s + 5 if s < 0 else s, 0), 2)
        np.testing.assert_array_equal(got, TABLE[row : row + 2, column : column + 3])


@pytest.mark.parametrize("start", [-20, -1, 0, 3, 7, 8, 100])
def test_dynamic_slices_are_moved_inwards(start):
    def f(x, i):
        part = lax.dynamic_slice(x, (i, 1), (2, 3))
        return part, lax.dynamic_update_slice(x, -part, (i, 0))

    part, updated = native(f, TABLE, np.int32(start))
    row = min(max(start + 9 if start < 0 else start, 0), 7)
    np.testing.assert_array_equal(part, TABLE[row : row + 2, 1:4])
    expected = TABLE.copy()
    expected[row : row + 2, :3] = -part
    np.testing.assert_array_equal(updated, expected)


def test_loops_that_read_and_write_elements_are_native():
    def f(x):
        return lax.fori_loop(1, 9, lambda i, x: x.at[i].set(x[i] + 0.5 * x[i - 1]), x)

    (found,) = native(f, TABLE)
    expected = TABLE.copy()
    for i in range(1, 9):
        expected[i] += np.float32(0.5) * expected[i - 1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_overlapping_windows_are_written_row_by_row():
    starts = np.int32([[0], [1], [0], [2]])
    updates = np.arange(12, dtype=np.float32).reshape(3, 4)  # the axis of the window comes first
    numbers = lax.ScatterDimensionNumbers((0,), (), (0,))
    (found,) = native(
        lambda x, i, u: lax.scatter(x, i, u, numbers, mode="drop"), np.zeros(6, np.float32), starts, updates
    )
    expected = np.zeros(6, np.float32)
    for k, (start,) in enumerate(starts):
        expected[start : start + 3] = updates[:, k]
    np.testing.assert_array_equal(found, expected)


def test_an_empty_scatter_copies_its_operand():
    empty = np.zeros(0, np.int32)
    (found,) = native(lambda x, i, u: x.at[i].add(u), TABLE, empty, np.zeros((0, 5), np.float32))
    np.testing.assert_array_equal(found, TABLE)


def test_the_gradient_of_an_embedding_needs_no_scipy():
    ids = rng.integers(0, 9, (6, 4)).astype(np.int32)
    before = "scipy.sparse" in sys.modules
    (found,) = native(mj.grad(lambda x: mnp.sum(mnp.tanh(x[ids]) ** 2)), TABLE)
    assert ("scipy.sparse" in sys.modules) == before
    t = np.tanh(TABLE.astype(np.float64))
    counts = np.bincount(ids.ravel(), minlength=9)[:, None]
    np.testing.assert_allclose(found, counts * 2 * t * (1 - t * t), rtol=1e-4, atol=1e-6)


def test_a_kernel_for_another_table_is_the_same_kernel():
    def text(n, m):
        table, rows = np.zeros((n, m), np.float32), np.zeros(3 * n, np.uint32)
        program = compile_program(mj.make_jaxpr(lambda x, i: mnp.tanh(mnp.take(x, i, axis=0)))(table, rows))
        return emit_step(program.steps[0]).body

    assert text(100, 30) == text(50, 20)
