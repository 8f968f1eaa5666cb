"""odeint: solutions against SciPy and closed forms, derivatives against closed forms, finite differences and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.experimental.ode import odeint
from minijax.ir import histogram


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def pendulum(y, t, gravity, length):
    return y["speed"] * 1.0, -gravity / length * mnp.sin(y["angle"])


def swing(angle, times, gravity=9.81, length=1.0, **settings):
    func = lambda y, t, g, l: dict(zip(("angle", "speed"), pendulum(y, t, g, l), strict=True))
    return odeint(func, {"angle": angle, "speed": 0.0}, times, gravity, length, **settings)


def reference(function, y0, times):
    found = solve_ivp(function, (times[0], times[-1]), y0, t_eval=times, rtol=1e-12, atol=1e-12, method="DOP853")
    return found.y.T


TIMES = np.linspace(0.0, 5.0, 7)
PROBLEMS = {
    "pendulum": (lambda y, t: mnp.array([y[1], -9.81 * mnp.sin(y[0])]), [1.0, 0.0]),
    "lotka volterra": (lambda y, t: mnp.array([y[0] * (1.5 - y[1]), y[1] * (y[0] - 3.0)]), [2.0, 1.0]),
    "van der pol": (lambda y, t: mnp.array([y[1], 5.0 * (1 - y[0] ** 2) * y[1] - y[0]]), [2.0, 0.0]),
    "forced": (lambda y, t: mnp.array([mnp.cos(3.0 * t) - y[0]]), [0.3]),
}


@pytest.mark.parametrize("wrap", [lambda f: f, mj.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_solutions_agree_with_scipy(name, wrap):
    func, y0 = PROBLEMS[name]
    expected = reference(lambda t, y: np.asarray(func(y, t)), y0, TIMES)
    found = wrap(lambda y0, t: odeint(func, y0, t))(np.array(y0), TIMES)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)  # of 1.4e-8 per step, over thousands of them
    assert found.dtype == np.float64


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8, 1e-10])
def test_the_error_follows_the_tolerance(tolerance):
    expected = np.exp(-TIMES)
    error = abs(odeint(lambda y, t: -y, 1.0, TIMES, rtol=tolerance, atol=tolerance) - expected).max()
    assert tolerance / 1e3 < error < 20 * tolerance


def test_a_polynomial_of_degree_four_is_exact_between_the_ends_of_a_step():
    times = np.linspace(0.0, 1.0, 9)
    found = odeint(lambda y, t: 4.0 * t**3 - 6.0 * t**2, 2.0, times, rtol=1.0, atol=1.0)
    np.testing.assert_allclose(found, 2.0 + times**4 - 2.0 * times**3, rtol=1e-13)


def test_complex_states_rotate():
    found = odeint(lambda y, t: 2j * y, 1.0 + 0.0j, TIMES)
    np.testing.assert_allclose(found, np.exp(2j * TIMES), atol=1e-6)


def test_single_precision_stays_single():
    with mj.enable_x64(False):
        found = odeint(lambda y, t: -y, 1.0, mnp.linspace(0.0, 5.0, 7))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.exp(-TIMES), rtol=1e-5)


def test_integers_and_repeated_times():
    found = odeint(lambda y, t, k: -k * y, 2, np.array([0.0, 0.0, 1.0, 1.0]), 3)
    np.testing.assert_allclose(found, 2.0 * np.exp([0.0, 0.0, -3.0, -3.0]), rtol=1e-6)
    np.testing.assert_array_equal(odeint(lambda y, t: -y, np.ones(2), np.array([0.5])), np.ones((1, 2)))


def test_what_cannot_be_reached_is_nan():
    blown_up = odeint(lambda y, t: y * y, 1.0, np.array([0.0, 0.5, 2.0]))
    np.testing.assert_allclose(blown_up, [1.0, 2.0, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(odeint(lambda y, t: -y, 1.0, TIMES[:3], mxstep=2)), [False, True, True])


def test_hmax_bounds_the_steps():
    def calls(**settings):
        seen = []

        def func(y, t):
            mj.debug.callback(lambda t: seen.append(float(t)), t)
            return -y

        odeint(func, 1.0, TIMES, rtol=1e-3, atol=1e-3, **settings)
        return len(seen)

    assert calls(hmax=0.05) >= 6 * 5.0 / 0.05 > 2 * calls()


# -- derivatives


def test_gradients_of_a_linear_equation_have_a_closed_form():
    times = np.array([0.2, 0.5, 1.3])
    weights = np.array([1.0, -2.0, 3.0])
    solved = lambda y0, t, k: weights @ odeint(lambda y, t, k: -k * t * y, y0, t, k)
    exact = lambda y0, t, k: weights @ (y0 * mnp.exp(-k * (t**2 - t[0] ** 2) / 2.0))
    for wrap in (lambda f: f, mj.jit):
        found, expected = (wrap(mj.grad(f, (0, 1, 2)))(1.5, times, 0.7) for f in (solved, exact))
        mj.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8), found, expected)


def test_the_adjoint_of_a_pendulum_equals_finite_differences():
    f = lambda angle, gravity, length: mnp.sin(swing(angle, TIMES, gravity, length)["angle"]).sum()
    point, step = np.array([1.0, 9.81, 1.2]), 1e-4
    gradient = mj.grad(lambda p: f(*p))(point)
    for i, unit in enumerate(np.eye(3)):
        ends = [f(*(point + s * step * unit)) for s in (2, 1, -1, -2)]
        slope = (-ends[0] + 8 * ends[1] - 8 * ends[2] + ends[3]) / (12 * step)
        np.testing.assert_allclose(gradient[i], slope, rtol=1e-5)


def test_closed_over_values_and_trees_of_arguments_are_differentiated():
    def by_closure(k):
        return odeint(lambda y, t: -k * y, 1.0, TIMES)[-1]

    def by_tree(k):
        return odeint(lambda y, t, p: -p["k"] * y / p["n"], 1.0, TIMES, {"k": k, "n": 1})[-1]

    expected = -5.0 * np.exp(-5.0 * 0.3)
    for f in (by_closure, by_tree):
        np.testing.assert_allclose([mj.grad(f)(0.3), mj.jit(mj.grad(f))(0.3)], expected, rtol=1e-6)


def test_second_derivatives_in_reverse_over_reverse():
    f = lambda k: odeint(lambda y, t: -k * y, 1.0, np.array([0.0, 1.0]))[-1]
    np.testing.assert_allclose(mj.grad(mj.grad(f))(0.5), np.exp(-0.5), rtol=1e-6)


def test_the_steps_are_not_kept():
    program = mj.make_jaxpr(mj.grad(lambda y: odeint(lambda y, t: -y, y, TIMES)[-1]))(1.0)
    counts = histogram(program)
    assert counts["while"] == 2 and "deferred_jvp" not in counts  # there, and back


def test_forward_mode_is_refused():
    with pytest.raises(TypeError, match="forward-mode"):
        mj.jvp(lambda y: odeint(lambda y, t: -y, y, TIMES), (1.0,), (1.0,))


def test_batches_have_steps_of_their_own():
    angles, gravities = np.array([0.3, 1.0, 2.5]), np.array([9.81, 1.62, 3.7])
    f = lambda angle, gravity: swing(angle, TIMES, gravity)["angle"][-1]
    for wrap in (lambda f: f, mj.jit):
        each = [[f(a, g), *mj.grad(f, (0, 1))(a, g)] for a, g in zip(angles, gravities, strict=True)]
        value, gradients = wrap(mj.vmap(mj.value_and_grad(f, (0, 1))))(angles, gravities)
        np.testing.assert_allclose(np.stack([value, *gradients], 1), each, rtol=1e-9)


def test_a_solution_within_a_loop():
    step = lambda y, k: (odeint(lambda y, t: -k * y, y, np.array([0.0, 1.0]))[-1], None)
    f = lambda ks: lax.scan(step, 1.0, ks)[0]
    ks = np.array([0.1, 0.2])
    np.testing.assert_allclose(mj.grad(f)(ks), -np.exp(-0.3) * np.ones(2), rtol=1e-6)


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: odeint(lambda y, t: y, 1.0, np.arange(3)), TypeError, "t must be an array of floats"),
        (
            lambda: odeint(lambda y, t: y, 1.0, np.zeros(0)),
            ValueError,
            r"t must have shape \(n,\), n > 0, got \(0,\)",
        ),
        (lambda: odeint(lambda y, t: y, 1.0, 1.0), ValueError, r"t must have shape \(n,\), n > 0, got \(\)"),
        (
            lambda: odeint(lambda y, t: y, 1.0, np.array([1.0, 0.0])),
            ValueError,
            r"(?s)t must increase.*at the times s = -t",
        ),
        (lambda: odeint(lambda y, t, k: y, 1.0, TIMES, "k"), TypeError, "must be arrays or scalars, but got k"),
        (lambda: odeint(lambda y, t: (y, y), 1.0, TIMES), TypeError, "func must return the structure of y0"),
        (
            lambda: odeint(lambda y, t: y[:1], np.ones(2), TIMES),
            TypeError,
            r"(?s)y0 has shape \(2,\), its rate \(1,\).*test_ode.py:",
        ),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message):
        run()
