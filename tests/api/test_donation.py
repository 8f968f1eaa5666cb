"""Donated arguments are deleted, and say so when they are used again; results never share memory with what the caller holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp


def step(params, x):
    return {"w": params["w"] - 0.1 * x, "b": params["b"] * 2.0}, mnp.sum(x)


@pytest.mark.parametrize("options", [{"donate_argnums": 0}, {"donate_argnames": "params"}, {"donate_argnums": (-2,)}])
def test_donated_arrays_are_deleted_in_the_first_call_and_in_later_ones(options):
    g = mj.jit(step, **options)
    params, x = {"w": mnp.ones(3), "b": mnp.ones(2)}, mnp.ones(3)
    for count in range(1, 4):
        before = params
        params, total = g(params, x)
        assert before["w"].is_deleted() and before["b"].is_deleted() and not x.is_deleted()
        np.testing.assert_allclose(params["w"], 1 - 0.1 * count * np.ones(3), rtol=1e-6)
        assert total == 3.0 and params["b"][0] == 2.0**count


def test_the_error_names_the_array_the_call_and_the_argument():
    params = {"w": mnp.ones(3), "b": mnp.ones(2)}
    mj.jit(step, donate_argnums=0)(params, mnp.ones(3))
    w = params["w"]
    assert w.shape == (3,) and w.dtype == np.float32  # types are known
    uses = [
        lambda: w + 1,
        lambda: np.asarray(w),
        lambda: repr(w),
        lambda: float(w[0]),
        lambda: mj.jit(lambda v: v * 2)(w),
        lambda: mj.grad(lambda v: mnp.sum(v))(w),
        lambda: mnp.stack([w, w]),
        lambda: mj.jit(step)({**params, "b": mnp.ones(2)}, mnp.ones(3)),
        lambda: list(w),
    ]
    for use in uses:
        with pytest.raises(
            RuntimeError,
            match=r"Array has been deleted with shape=float32\[3\](.|\n)*donated to jit\(step\)(.|\n)*params\['w'\]",
        ):
            use()


def test_a_compiled_program_never_runs_on_a_deleted_array():
    f = mj.jit(lambda v: v * 2)
    x = mnp.ones(1000)
    f(x), f(x)
    x.delete()
    x.delete()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="deleted by its method delete"):
            f(x)
    assert x.is_deleted() and not hasattr(x, "nothing_of_that_name")


def test_what_no_result_can_use_stays_with_a_warning():
    x = mnp.ones(3)
    g = mj.jit(lambda v: mnp.sum(v), donate_argnums=0)
    with pytest.warns(UserWarning, match=r"Some donated buffers were not usable: v: f32\[3\]"):
        g(x)
    assert not x.is_deleted() and g(x) == 3.0
    y = {"a": mnp.ones(3), "b": mnp.ones(2)}
    with pytest.warns(UserWarning, match=r"not usable: q\['b'\]: f32\[2\]"):
        mj.jit(lambda q: q["a"] * 2, donate_argnums=0)(y)
    assert y["a"].is_deleted() and not y["b"].is_deleted()


def test_each_result_takes_the_place_of_one_argument():
    x, y = mnp.ones(3), mnp.ones(3)
    with pytest.warns(UserWarning, match="not usable: y"):
        mj.jit(lambda x, y: x + y, donate_argnums=(0, 1))(x, y)
    assert x.is_deleted() and not y.is_deleted()


def test_an_array_cannot_be_donated_and_used_in_the_same_call():
    g = mj.jit(lambda x, y: (x + y, y), donate_argnums=0)
    x = mnp.ones(3)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"x is donated and is the argument y as well(.|\n)*x\.copy\(\)"):
            g(x, x)
        assert not x.is_deleted()
        g(mnp.ones(3), x)


def test_inside_of_traces_donation_means_nothing():
    inner = mj.jit(lambda x: x + 1, donate_argnums=0)
    assert mj.jit(lambda x: inner(x) + x)(1.0) == 3.0
    x = mnp.ones(3)
    mj.grad(lambda v: mnp.sum(inner(v)))(x), mj.vmap(inner)(x)
    assert not x.is_deleted()


def test_numpy_arguments_stay_what_they_are():
    x = np.ones(3, np.float32)
    found = mj.jit(lambda v: v + 1, donate_argnums=0)(x)
    np.testing.assert_array_equal(x, 1)
    np.testing.assert_array_equal(found, 2)


def test_other_views_of_donated_memory_stay_right():
    x = mnp.arange(6.0)
    rows, exported, part = x.reshape(2, 3), np.asarray(x), x[1:3]
    found = mj.jit(lambda v: v * 10.0, donate_argnums=0)(x)
    np.testing.assert_array_equal(rows, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(exported, np.arange(6.0))
    np.testing.assert_array_equal(part, [1.0, 2.0])
    np.testing.assert_array_equal(found, 10 * np.arange(6.0))


def test_wrong_arguments_of_jit_are_refused():
    with pytest.raises(ValueError, match=r"donate_argnums \[3\], but the function takes 1 positional"):
        mj.jit(lambda x: x, donate_argnums=3)
    with pytest.raises(ValueError, match=r"donate_argnames \['z'\] are not parameters"):
        mj.jit(lambda x: x, donate_argnames="z")
    with pytest.raises(ValueError, match="cannot intersect"):
        mj.jit(lambda x: x, donate_argnums=0, static_argnums=0)


def identity(x):
    return x


def twice(x):
    y = x + 1.0
    return y, y


def views(x):
    y = x * 2.0
    return y, y.reshape(2, 3), y[1:4], y.T, x, x.reshape(3, 2)


def swapped(x):
    return x[::-1], x, mnp.sort(x), mnp.sort(x)


@pytest.mark.parametrize("f", [identity, twice, views, swapped], ids=lambda f: f.__name__)
def test_results_share_no_memory_that_anything_could_write_to(f):
    """Arrays are immutable, so that sharing read-only memory is harmless; what may be written again must be nobody else's."""
    g = mj.jit(f, donate_argnums=0)
    plain = mj.jit(f)
    for _ in range(2):
        x = mnp.arange(6.0)
        expected = [np.array(v) for v in mj.tree.leaves(f(np.arange(6.0, dtype=np.float32)))]
        kept = plain(x)
        found = mj.tree.leaves(g(x))
        again = mj.tree.leaves(g(mnp.arange(6.0) + 100.0))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(mj.tree.leaves(kept), expected, strict=True):
            np.testing.assert_array_equal(a, b)
        assert not any(np.shares_memory(a, b) for a, b in itertools.product(found, again))


def test_buffers_kept_between_calls_are_never_seen_outside():
    @mj.jit
    def f(x):
        y = mnp.sin(x)
        return mnp.sum(y[:, None] * y[None, :], axis=1), mnp.cumsum(y)

    first = f(mnp.arange(50.0))
    copies = [np.array(v) for v in first]
    for k in range(5):
        f(mnp.arange(50.0) + k)
    for a, b in zip(first, copies, strict=True):
        np.testing.assert_array_equal(a, b)
