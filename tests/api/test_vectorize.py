"""vmap: axes in and out, trees, named axes and collectives, errors."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax


def test_in_axes_may_be_a_tree():
    f = lambda q, x: q["w"] * x + q["b"]
    out = mj.vmap(f, in_axes=({"w": 0, "b": None}, 1))({"w": mnp.arange(3.0), "b": 1.0}, mnp.ones((2, 3)))
    np.testing.assert_array_equal(out, np.stack([np.full(2, k + 1.0) for k in range(3)]))


def test_out_axes_place_the_batch_axis():
    out = mj.vmap(lambda x: (x, x.sum()), out_axes=(1, 0))(mnp.ones((3, 2)))
    assert out[0].shape == (2, 3)
    assert out[1].shape == (3,)
    assert mj.vmap(lambda x: x, out_axes=-1)(mnp.ones((3, 2))).shape == (2, 3)


def test_an_output_that_is_the_same_for_all_may_stay_unmapped():
    assert mj.vmap(lambda x: mnp.ones(2), out_axes=None)(mnp.ones(3)).shape == (2,)
    assert mj.vmap(lambda x: mnp.ones(2))(mnp.ones(3)).shape == (3, 2)
    with pytest.raises(ValueError, match="out_axes is None"):
        mj.vmap(lambda x: x, out_axes=None)(mnp.ones(3))


def test_errors_name_arguments_and_sizes():
    with pytest.raises(ValueError, match="inconsistent sizes") as caught:
        mj.vmap(lambda x, y: x + y)(mnp.ones(3), mnp.ones(2))
    assert "argument x" in str(caught.value)
    assert "argument y" in str(caught.value)
    with pytest.raises(ValueError, match="rank should be at least 2"):
        mj.vmap(mnp.sin, in_axes=1)(mnp.ones(3))
    with pytest.raises(ValueError, match=r"len\(in_axes\)=2, len\(args\)=1"):
        mj.vmap(lambda x: x, in_axes=(0, 0))(mnp.ones(3))
    with pytest.raises(ValueError, match="at least one"):
        mj.vmap(lambda x: x, in_axes=None)(mnp.ones(3))


def test_axis_size_maps_a_function_of_no_mapped_argument():
    assert mj.vmap(lambda: lax.axis_index("i"), axis_name="i", axis_size=3)().tolist() == [0, 1, 2]


def test_keyword_arguments_are_mapped():
    np.testing.assert_array_equal(mj.vmap(lambda x, y: x * y)(mnp.arange(3.0), y=mnp.arange(3.0)), [0, 1, 4])


def test_nested_vmaps_make_an_outer_product():
    x, y = mnp.arange(2.0), mnp.arange(3.0)
    out = mj.vmap(lambda a: mj.vmap(lambda b: a * b)(y))(x)
    np.testing.assert_array_equal(out, np.outer(x, y))


X = np.array([[1.0, 5.0], [3.0, 2.0], [2.0, 4.0]], np.float32)


@pytest.mark.parametrize(
    ("collective", "reduction"), [(lax.psum, np.sum), (lax.pmean, np.mean), (lax.pmax, np.max), (lax.pmin, np.min)]
)
def test_collectives_reduce_over_the_named_axis(collective, reduction):
    out = mj.vmap(lambda x: collective(x, "i"), axis_name="i")(X)
    np.testing.assert_allclose(out, np.broadcast_to(reduction(X, axis=0), X.shape), rtol=1e-6)


@pytest.mark.parametrize("collective", [lax.psum, lax.pmean, lax.pmax, lax.pmin], ids=lambda c: c.__name__)
def test_gradients_of_collectives_equal_those_of_the_array_program(collective):
    whole = {"psum": mnp.sum, "pmean": mnp.mean, "pmax": mnp.max, "pmin": mnp.min}[collective.__name__]
    by_name = lambda x: (mj.vmap(lambda row: mnp.sin(row) * collective(row, "i"), axis_name="i")(x)).sum()
    by_array = lambda x: (mnp.sin(x) * whole(x, axis=0)).sum()
    np.testing.assert_allclose(mj.grad(by_name)(X), mj.grad(by_array)(X), rtol=1e-5)
    np.testing.assert_allclose(mj.jvp(by_name, (X,), (X,))[1], mj.jvp(by_array, (X,), (X,))[1], rtol=1e-5)


def test_gradient_inside_a_named_axis():
    f = lambda x: lax.psum(x * x, "i").sum()
    # every example contributes to every example's loss: the cotangents add up
    np.testing.assert_allclose(mj.vmap(mj.grad(f), axis_name="i")(X), 2 * X * 3, rtol=1e-6)


def test_all_gather_stacks_all_examples():
    out = mj.vmap(lambda x: lax.all_gather(x, "i"), axis_name="i")(X)
    np.testing.assert_array_equal(out, np.broadcast_to(X, (3, 3, 2)))
    out = mj.vmap(lambda x: lax.all_gather(x, "i", axis=1), axis_name="i")(X)
    np.testing.assert_array_equal(out, np.broadcast_to(X.T, (3, 2, 3)))
    weights = np.arange(18.0, dtype=np.float32).reshape(3, 3, 2)
    loss = lambda x: (mj.vmap(lambda row, w: lax.all_gather(row, "i") * w, axis_name="i")(x, weights)).sum()
    np.testing.assert_allclose(mj.grad(loss)(X), weights.sum(0), rtol=1e-6)


def test_collectives_under_jit_and_another_vmap():
    f = mj.jit(lambda x: x / lax.psum(x, "i"))
    np.testing.assert_allclose(mj.vmap(f, axis_name="i")(X), X / X.sum(0), rtol=1e-6)
    outer = mj.vmap(lambda col: mj.vmap(lambda x: lax.psum(x, "i"), axis_name="i")(col), in_axes=1, out_axes=1)
    np.testing.assert_allclose(outer(X), np.broadcast_to(X.sum(0), X.shape), rtol=1e-6)


def test_two_named_axes():
    f = mj.vmap(mj.vmap(lambda x: lax.psum(x, ("i", "j")), axis_name="j"), axis_name="i")
    np.testing.assert_allclose(f(X), np.full(X.shape, X.sum()), rtol=1e-6)


def test_an_unknown_axis_name_is_an_error_that_says_what_to_do():
    with pytest.raises(NameError, match="unbound axis name: i") as caught:
        lax.psum(1.0, "i")
    assert "vmap" in str(caught.value)


def test_psum_of_a_constant_counts_the_examples():
    assert mj.vmap(lambda x: x + lax.psum(1.0, "i"), axis_name="i")(mnp.zeros(4)).tolist() == [4.0] * 4
