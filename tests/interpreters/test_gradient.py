"""Gradients on arrays: the tape, the compiled program and programs of many pieces agree with the general path."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax


def general(function, *args, argnums=0):
    """The gradient by `linearize` and `transpose` of the whole program: inputs that are traced take that path."""
    nums = (argnums,) if isinstance(argnums, int) else argnums
    out, pull = mj.vjp(function, *args)
    cts = pull(mnp.ones((), out.dtype))
    return cts[argnums] if isinstance(argnums, int) else tuple(cts[n] for n in nums)


def chain(x, y):
    return (mnp.tanh(x) * y + mnp.exp(-x) / (1.0 + y * y)).sum()


def several_results(x, y):
    values, places = lax.top_k(x * y, 2)
    return (values * x[places]).sum() + mnp.sort(y)[0]


def no_derivative_on_the_way(x, y):
    return (mnp.floor(x) * y + lax.stop_gradient(x) * x + (x > y) * y).sum()


def scalars_beside_arrays(x, y):
    return (x[0] * y).sum() * 2.0 - y[1] / x[2]


def an_operand_twice(x, y):
    return (x * x * x + x * y * x).sum()


def unused(x, y):
    return (y * 2.0).sum()


def itself(x, y):
    return x[0]


def constant(x, y):
    return mnp.float32(3.0)


FUNCTIONS = [
    chain,
    several_results,
    no_derivative_on_the_way,
    scalars_beside_arrays,
    an_operand_twice,
    unused,
    itself,
    constant,
]
X, Y = mnp.array([0.3, 1.7, -0.4]), mnp.array([0.9, -1.1, 2.0])


@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_every_call_gives_the_same(function, argnums):
    wanted = general(function, X, Y, argnums=argnums)
    for _ in range(4):  # on the tape, compiled, compiled before
        value, found = mj.value_and_grad(function, argnums)(X, Y)
        assert value == function(X, Y)
        for a, b in zip(mj.tree.leaves(found), mj.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)
            assert (a.dtype, a.shape, a.weak_type) == (b.dtype, b.shape, b.weak_type)


def test_a_scalar_argument():
    f = lambda x: x
    assert [mj.grad(f)(2.0) for _ in range(3)] == [1.0, 1.0, 1.0]


def test_integer_arguments_have_no_derivative():
    f = lambda x, n: (x * n).sum()
    for _ in range(3):
        dx, dn = mj.grad(f, (0, 1), allow_int=True)(X, mnp.arange(3))
        np.testing.assert_array_equal(dx, [0.0, 1.0, 2.0])
        assert dn.dtype == mj.dtypes.float0


def test_captured_arrays_are_not_part_of_what_is_kept():
    gradients = [mj.grad(lambda x, w=w: (x * w).sum())(X) for w in (X, Y, X + Y, X - Y)]
    for found, wanted in zip(gradients, (X, Y, X + Y, X - Y), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_auxiliary_results_come_out_of_every_call():
    f = lambda x: ((x * x).sum(), {"twice": x * 2.0, "n": 3})
    for scale in (1.0, 2.0, 3.0):
        (value, aux), gradient = mj.value_and_grad(f, has_aux=True)(X * scale)
        assert value == ((X * scale) ** 2).sum()
        np.testing.assert_array_equal(aux["twice"], X * scale * 2.0)
        assert aux["n"] == 3
        np.testing.assert_array_equal(gradient, 2.0 * X * scale)


def test_branches_have_programs_of_their_own():
    f = lambda x: x * x if x > 0 else -x
    assert [mj.grad(f)(x) for x in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0)] == [2.0, -1.0, 4.0, -1.0, 6.0, -1.0]


def loop(x, w, count, every=10):
    """`x` follows a recurrence whose body is longer at every tenth step; `early` is read late."""
    early = mnp.sin(x)
    for k in range(count):
        x = mnp.sin(x) * w + 0.1
        if k % every == 0:
            x = x + 0.01 * early
    return (x * early).sum()


def loop_in_numpy(x, w, count, every=10):
    early = np.sin(x)
    for k in range(count):
        x = np.sin(x) * w + 0.1
        if k % every == 0:
            x = x + 0.01 * early
    return (x * early).sum()


@pytest.mark.parametrize("count", [5, 50, 700])
def test_long_loops_against_differences(count):
    with mj.enable_x64():
        x, w = mnp.array([0.3, 1.2]), mnp.array([0.9, 1.01])
        for _ in range(3):
            dx, dw = mj.grad(loop, (0, 1))(x, w, count)
        step = 1e-6
        for found, at in ((dx, 0), (dw, 1)):
            for i in range(2):
                ends = []
                for sign in (1, -1):
                    args = [np.array(x), np.array(w)]
                    args[at][i] += sign * step
                    ends.append(loop_in_numpy(*args, count))
                np.testing.assert_allclose(found[i], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-8)


def test_long_loops_agree_with_the_general_path():
    wanted = general(lambda x, w: loop(x, w, 300), X, Y, argnums=(0, 1))
    for _ in range(4):
        found = mj.grad(lambda x, w: loop(x, w, 300), (0, 1))(X, Y)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4)


def test_a_result_of_an_early_piece():
    def f(x):
        first = mnp.sin(x)
        y = x
        for _ in range(300):
            y = mnp.cos(y)
        return first, y

    for _ in range(3):
        gradient, aux = mj.grad(f, has_aux=True)(0.5)
        np.testing.assert_allclose(gradient, np.cos(0.5), rtol=1e-6)
        np.testing.assert_allclose(aux, 0.7390851, rtol=1e-6)


def test_second_derivatives_of_long_loops():
    f = lambda x: loop(x, 0.9, 120)
    with mj.enable_x64():
        for _ in range(2):
            second = mj.grad(mj.grad(f))(0.3)
        step = 1e-5
        wanted = (mj.grad(f)(0.3 + step) - mj.grad(f)(0.3 - step)) / (2 * step)
        np.testing.assert_allclose(second, wanted, rtol=1e-6)


def test_programs_that_are_never_the_same():
    rng = np.random.default_rng(0)
    for _ in range(5):
        factors = rng.uniform(0.9, 1.1, 150).tolist()

        def f(x, factors=factors):
            for factor in factors:
                x = x * factor
            return x

        np.testing.assert_allclose(mj.grad(f)(1.0), np.prod(factors), rtol=1e-4)


def test_memory_of_a_loop_is_linear_in_its_length():
    def peak(count):
        mj.grad(lambda x: loop(x, 0.9, count))(0.5)
        tracemalloc.start()
        mj.grad(lambda x: loop(x, 0.9, count))(0.5)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    short, long = peak(1_000), peak(8_000)
    assert long < 10 * short
    assert long < 8_000 * 1_000  # bytes for each step, of three operations


def test_overwritten_buffers_are_never_those_of_the_user():
    """Cotangents that meet are added in place only where the tape made the array."""
    f = lambda x: (x + x + x + x).sum() + (x * 3.0).sum()
    for _ in range(3):
        np.testing.assert_array_equal(mj.grad(f)(X), [7.0, 7.0, 7.0])
        _, pull = mj.vjp(f, X)
        np.testing.assert_array_equal(pull(mnp.ones(()))[0], [7.0, 7.0, 7.0])
