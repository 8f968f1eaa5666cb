"""odeint: against closed forms and SciPy; its adjoint against closed forms and finite differences; trees, jit, vmap; errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.experimental.ode import odeint
from minijax.ir import histogram
from minijax.test_util import check_grads

TIMES = np.linspace(0.0, 4.0, 9)


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def pendulum(y, t, gravity, damping):
    angle, speed = y
    return speed, -gravity * mnp.sin(angle) - damping * speed


def reference(gravity=9.8, damping=0.1):
    def slope(t, y):
        return [y[1], -gravity * np.sin(y[0]) - damping * y[1]]

    return solve_ivp(slope, (0, 4), [1.0, 0.0], t_eval=TIMES, rtol=1e-12, atol=1e-12).y


@pytest.mark.parametrize("wrap", [lambda f: f, mj.jit])
def test_a_pendulum_swings_as_scipy_says(wrap):
    solve = wrap(lambda y0, t: odeint(pendulum, y0, t, 9.8, 0.1))
    np.testing.assert_allclose(solve((1.0, 0.0), TIMES), reference(), atol=1e-6)
    loose = odeint(pendulum, (1.0, 0.0), TIMES, 9.8, 0.1, rtol=1e-3, atol=1e-3)
    assert 1e-6 < np.abs(np.array(loose) - reference()).max() < 0.1


def test_short_steps_are_kept_short():
    """y' = 1 near t = 2 only: a solver that leaps over it finds nothing."""
    bump = lambda y, t: mnp.exp(-(((t - 2.0) * 50) ** 2))
    area = np.sqrt(np.pi) / 50
    np.testing.assert_allclose(odeint(bump, 0.0, mnp.array([0.0, 4.0]), hmax=0.02)[1], area, rtol=1e-6)


def test_what_is_not_reached_is_nan():
    t = mnp.array([0.0, 1.0, 1e6])
    np.testing.assert_array_equal(np.isnan(odeint(lambda y, t: mnp.cos(t), 0.0, t, mxstep=30)), [False, False, True])
    blown_up = odeint(lambda y, t: y**2, 1.0, mnp.array([0.0, 0.5, 2.0]))  # 1 / (1 - t)
    np.testing.assert_allclose(blown_up, [1.0, 2.0, np.nan], rtol=1e-6)


def test_trees_times_and_types():
    y0 = {"a": mnp.ones(2), "b": 1}
    y = odeint(lambda y, t: {"a": -y["a"], "b": y["b"]}, y0, mnp.array([0, 1, 1, 2]))
    np.testing.assert_allclose(y["a"][:, 0], np.exp([0.0, -1.0, -1.0, -2.0]), rtol=1e-7)
    np.testing.assert_allclose(y["b"], np.exp([0.0, 1.0, 1.0, 2.0]), rtol=1e-7)
    assert odeint(lambda y, t: y, mnp.float32(1.0), mnp.array([0.0, 1.0])).dtype == np.float32
    turning = odeint(lambda y, t: 1j * y, 1.0 + 0j, mnp.arange(3.0))
    np.testing.assert_allclose(turning, np.exp(1j * np.arange(3)), rtol=1e-6)
    np.testing.assert_allclose(odeint(lambda y, t: y, 2.0, mnp.array([0.5])), [2.0])


def exponential(rate, start, end):
    return odeint(lambda y, t, rate: rate * y, start, mnp.stack([0.0, end]), rate)[1]


@pytest.mark.parametrize("wrap", [lambda f: f, mj.jit])
def test_derivatives_of_the_exponential(wrap):
    """y = start exp(rate end)."""
    found = wrap(mj.grad(exponential, argnums=(0, 1, 2)))(0.5, 2.0, 3.0)
    e = np.exp(1.5)
    np.testing.assert_allclose(found, [6.0 * e, e, e], rtol=1e-6)


def test_derivatives_of_second_order_and_under_vmap():
    e = np.exp(1.5)
    np.testing.assert_allclose(mj.grad(mj.grad(exponential))(0.5, 2.0, 3.0), 18.0 * e, rtol=1e-6)
    rates = mnp.array([0.1, 0.5, -1.0])
    found = mj.vmap(mj.grad(exponential), (0, None, None))(rates, 2.0, 3.0)
    np.testing.assert_allclose(found, 6.0 * np.exp(3.0 * np.asarray(rates)), rtol=1e-6)


def test_derivatives_of_the_pendulum_agree_with_finite_differences():
    solve = mj.jit(lambda y0, t, gravity, damping: odeint(pendulum, y0, t, gravity, damping))
    check_grads(solve, ((1.0, 0.0), TIMES, 9.8, 0.1), order=1, modes=["rev"], rtol=1e-5, atol=1e-5)


def test_values_that_the_function_closes_over_and_integers():
    def end(rate):
        return odeint(lambda y, t, n: rate * y * n, 1.0, mnp.array([0.0, 1.0]), 2)[1]

    np.testing.assert_allclose(mj.grad(end)(0.5), 2.0 * np.e, rtol=1e-6)


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match=r"the times must increase(.|\n)*odeint\(lambda y, s: -func"):
        odeint(lambda y, t: y, 1.0, mnp.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"a vector of times, got shape \(\)"):
        odeint(lambda y, t: y, 1.0, 1.0)
    with pytest.raises(TypeError, match="func returns a tree"):
        odeint(lambda y, t: (y, y), 1.0, mnp.array([0.0, 1.0]))
    with pytest.raises(TypeError, match=r"a derivative of shape \(2,\) for a part of y0 of shape \(\)"):
        odeint(lambda y, t: mnp.ones(2), 1.0, mnp.array([0.0, 1.0]))


PROBLEMS = {
    "lotka volterra": (lambda y, t: mnp.array([y[0] * (1.5 - y[1]), y[1] * (y[0] - 3.0)]), [2.0, 1.0]),
    "van der pol": (lambda y, t: mnp.array([y[1], 5.0 * (1 - y[0] ** 2) * y[1] - y[0]]), [2.0, 0.0]),
    "forced": (lambda y, t: mnp.array([mnp.cos(3.0 * t) - y[0]]), [0.3]),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_other_equations_agree_with_scipy(name):
    func, y0 = PROBLEMS[name]
    slope = lambda t, y: np.asarray(func(y, t))
    expected = solve_ivp(slope, (0, 4), y0, t_eval=TIMES, rtol=1e-12, atol=1e-12, method="DOP853").y.T
    np.testing.assert_allclose(odeint(func, np.array(y0), TIMES), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8, 1e-10])
def test_the_error_follows_the_tolerance(tolerance):
    error = abs(odeint(lambda y, t: -y, 1.0, TIMES, rtol=tolerance, atol=tolerance) - np.exp(-TIMES)).max()
    assert tolerance / 1e3 < error < 20 * tolerance


def test_the_steps_are_not_kept_for_the_derivative():
    counts = histogram(mj.make_jaxpr(mj.grad(lambda y: odeint(lambda y, t: -y, y, TIMES)[-1]))(1.0))
    assert counts["while"] == 2 and "deferred_jvp" not in counts  # there, and back


def test_a_solution_within_a_loop_is_differentiated():
    step = lambda y, k: (odeint(lambda y, t: -k * y, y, np.array([0.0, 1.0]))[-1], None)
    found = mj.grad(lambda ks: lax.scan(step, 1.0, ks)[0])(np.array([0.1, 0.2]))
    np.testing.assert_allclose(found, -np.exp(-0.3) * np.ones(2), rtol=1e-6)


def test_forward_mode_is_refused():
    with pytest.raises(TypeError, match="forward-mode"):
        mj.jvp(lambda y: odeint(lambda y, t: -y, y, TIMES), (1.0,), (1.0,))
