"""jet: against mpmath's Taylor coefficients, under every transformation, through loops, branches and custom rules; errors."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.experimental.jet import jet

ORDER = 8


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def unit(order):
    """The series of s -> x + s."""
    return (1.0,) + (0.0,) * (order - 1)


SCALARS = {
    "exp": (mnp.exp, mpmath.exp, 0.3),
    "expm1": (mnp.expm1, mpmath.expm1, 0.3),
    "log": (mnp.log, mpmath.log, 0.7),
    "log1p": (mnp.log1p, mpmath.log1p, 0.7),
    "sin": (mnp.sin, mpmath.sin, 0.3),
    "cos": (mnp.cos, mpmath.cos, 0.3),
    "tan": (mnp.tan, mpmath.tan, 0.3),
    "sinh": (mnp.sinh, mpmath.sinh, 0.3),
    "cosh": (mnp.cosh, mpmath.cosh, 0.3),
    "tanh": (mnp.tanh, mpmath.tanh, 0.3),
    "asin": (mnp.arcsin, mpmath.asin, 0.3),
    "acos": (mnp.arccos, mpmath.acos, 0.3),
    "atan": (mnp.arctan, mpmath.atan, 0.3),
    "asinh": (mnp.arcsinh, mpmath.asinh, 0.3),
    "acosh": (mnp.arccosh, mpmath.acosh, 1.7),
    "atanh": (mnp.arctanh, mpmath.atanh, 0.3),
    "sqrt": (mnp.sqrt, mpmath.sqrt, 0.7),
    "rsqrt": (lax.rsqrt, lambda x: 1 / mpmath.sqrt(x), 0.7),
    "cbrt": (mnp.cbrt, mpmath.cbrt, 0.7),
    "logistic": (mj.nn.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x)), 0.3),
    "power": (lambda x: x**2.5, lambda x: x**2.5, 0.7),
    "variable power": (lambda x: x**x, lambda x: x**x, 0.7),
    "integer power": (lambda x: x**5, lambda x: x**5, 0.7),
    "negative power": (lambda x: x**-3, lambda x: x**-3, 0.7),
    "quotient": (lambda x: mnp.sin(x) / (1 + x), lambda x: mpmath.sin(x) / (1 + x), 0.4),
    "erf": (mj.scipy.special.erf, mpmath.erf, 0.3),
    "erfc": (mj.scipy.special.erfc, mpmath.erfc, 0.3),
    "erf_inv": (mj.scipy.special.erfinv, mpmath.erfinv, 0.3),
    "lgamma": (mj.scipy.special.gammaln, mpmath.loggamma, 1.7),
    "digamma": (mj.scipy.special.digamma, mpmath.digamma, 1.7),
    "composed": (
        lambda x: mnp.tanh(mnp.exp(x) * x) / (1 + mnp.sqrt(x)),
        lambda x: mpmath.tanh(mpmath.exp(x) * x) / (1 + mpmath.sqrt(x)),
        0.4,
    ),
}


@pytest.mark.parametrize("name", SCALARS)
def test_elementary_functions_equal_mpmath(name):
    f, exact, x = SCALARS[name]
    value, found = jet(f, (x,), (unit(ORDER),), factorial_scaled=False)
    with mpmath.workdps(50):
        expected = [float(c) for c in mpmath.taylor(exact, mpmath.mpf(x), ORDER)]
    np.testing.assert_allclose([value, *found], expected, rtol=1e-10, atol=1e-13)
    _, derivatives = jet(f, (x,), (unit(ORDER),))
    factorials = [math.factorial(k) for k in range(1, ORDER + 1)]
    np.testing.assert_allclose(derivatives, np.array(expected[1:]) * factorials, rtol=1e-10, atol=1e-9)


def test_the_chain_rule_of_faa_di_bruno():
    h0, h1, h2, h3 = 0.4, 1.5, -0.7, 2.0
    value, (d1, d2, d3) = jet(mnp.sin, (h0,), ((h1, h2, h3),))
    f, df, d2f, d3f = math.sin(h0), math.cos(h0), -math.sin(h0), -math.cos(h0)
    assert float(value) == pytest.approx(f)
    assert float(d1) == pytest.approx(df * h1)
    assert float(d2) == pytest.approx(d2f * h1**2 + df * h2)
    assert float(d3) == pytest.approx(d3f * h1**3 + 3 * d2f * h1 * h2 + df * h3)


def nested(f, x, order):
    found, g = [], lambda s: f(x + s)
    for _ in range(order):
        g = (lambda h: lambda s: mj.jvp(h, (s,), (1.0,))[1])(g)
        found.append(float(g(0.0)))
    return found


@mj.custom_jvp
def twice_steep(x):
    return mnp.sin(x)


twice_steep.defjvp(lambda p, t: (twice_steep(p[0]), 2 * mnp.cos(p[0]) * t[0]))
WEIGHTS = np.linspace(0.1, 0.5, 4)


def scanned(x):
    carry, ys = lax.scan(lambda c, w: (mnp.sin(c * w) + x, c * c), x, WEIGHTS)
    return carry + (ys * ys).sum()


STRUCTURED = {
    "jit": mj.jit(lambda x: mnp.tanh(x) * x),
    "checkpoint": mj.checkpoint(lambda x: mnp.sin(mnp.sin(x))),
    "custom_jvp": lambda x: twice_steep(x) * x,
    "custom_jvp in jit": mj.jit(lambda x: twice_steep(x) * x),
    "scan": scanned,
    "scan, reversed, constant carry": lambda x: lax.scan(
        lambda c, w: (c + 1, mnp.sin(w * x) * c), 0.0, WEIGHTS, reverse=True
    )[1].sum(),
    "scan whose carry starts constant": lambda x: lax.scan(lambda c, w: (c * w + x * x, None), 1.0, WEIGHTS)[0],
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, c: mnp.sin(c) + x, 1.0),
    "while_loop": lambda x: lax.while_loop(lambda c: c[0] < 4, lambda c: (c[0] + 1, mnp.exp(-c[1]) * x), (0, x))[1],
    "cond": lambda x: lax.cond(x > 0, mnp.sin, lambda v: 0.5 * v, x),
    "cond, one branch constant": lambda x: x * lax.cond(x < 0, mnp.sin, lambda v: 0.5, x),
    "switch": lambda x: lax.switch(1, [mnp.sin, mnp.exp], x * x),
    "cond in scan": lambda x: lax.scan(
        lambda c, w: (lax.cond(c > 0.2, lambda v: mnp.sin(v) * w, lambda v: v * v, c) + x, None), x, WEIGHTS
    )[0],
    "python branch": lambda x: mnp.sin(x) if x > 0 else x,
    "abs, max, clip": lambda x: abs(x - 1) * mnp.maximum(x, 0.2) + mnp.clip(x**2, 0.0, 1.0),
    "where": lambda x: mnp.where(x > 0, x**3, 0.0),
    "sort": lambda x: mnp.sort(mnp.stack([x * x, 1 - x, mnp.sin(x)])) @ mnp.arange(3.0),
    "indexing": lambda x: (x * mnp.arange(4.0)).at[1].set(x**2)[mnp.array([1, 3])].prod(),
    "cumulative": lambda x: mnp.cumprod(x * mnp.arange(1.0, 4.0)).sum() + mnp.cumsum(x * WEIGHTS).max(),
}


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize("wrap", [lambda g: g, mj.jit], ids=["eager", "jit"])
def test_equations_with_bodies_equal_nested_forward_mode(name, wrap):
    f = STRUCTURED[name]
    value, found = wrap(lambda x: jet(f, (x,), (unit(4),)))(0.4)
    assert float(value) == pytest.approx(float(f(0.4)), rel=1e-12)
    np.testing.assert_allclose(found, nested(f, 0.4, 4), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["scan", "cond", "while_loop", "custom_jvp", "jit", "sort"])
def test_a_jet_can_be_differentiated_and_mapped(name):
    f = STRUCTURED[name]
    third = lambda x: jet(f, (x,), (unit(3),))[1][2]
    expected = nested(f, 0.4, 4)[3]
    assert float(mj.grad(third)(0.4)) == pytest.approx(expected, rel=1e-9)
    assert float(mj.jvp(third, (0.4,), (1.0,))[1]) == pytest.approx(expected, rel=1e-9)
    xs = np.array([0.4, 0.45])
    np.testing.assert_allclose(mj.vmap(third)(xs), [nested(f, x, 3)[2] for x in xs], rtol=1e-9)


def test_a_jet_of_a_jet():
    inner = lambda x: jet(mnp.exp, (2.0 * x,), (unit(2),))[1][1]  # exp''(2 x)
    _, (first, second) = jet(inner, (0.5,), (unit(2),))
    assert [float(first), float(second)] == pytest.approx([2 * math.e, 4 * math.e])


def test_the_body_of_a_custom_vjp_is_used():
    f = mj.custom_vjp(lambda x: mnp.sin(x))
    f.defvjp(lambda x: (f(x), None), lambda saved, ct: (0.0 * ct,))
    np.testing.assert_allclose(jet(f, (0.4,), (unit(3),))[1], nested(mnp.sin, 0.4, 3), rtol=1e-12)


def test_vmapped_functions():
    xs, vs = np.array([0.1, 0.2]), np.array([1.0, 2.0])
    _, (first, second) = jet(mj.vmap(lambda x: mnp.sin(x) * x), (xs,), ((vs, 0 * vs),))
    np.testing.assert_allclose(first, vs * (np.cos(xs) * xs + np.sin(xs)))
    np.testing.assert_allclose(second, vs**2 * (2 * np.cos(xs) - xs * np.sin(xs)))


def test_trees_several_arguments_and_results():
    f = lambda d, y: {"product": d["a"] * y, "sum": (d["a"] + y, mnp.arange(2))}
    value, series = jet(f, ({"a": 2.0}, 3.0), ([{"a": 1.0}, {"a": 0.5}], [10.0, 0.0]))
    assert float(value["product"]) == 6.0
    assert [float(d) for d in series["product"]] == [23.0, 21.5]
    assert [float(d) for d in series["sum"][0]] == [11.0, 0.5]
    assert series["sum"][1][0].dtype == mj.float0


def test_complex_arguments():
    z, v = 0.3 + 0.4j, 1.0 - 0.5j
    _, (first, second) = jet(mnp.exp, (z,), ((v, 0j),))
    assert complex(first) == pytest.approx(np.exp(z) * v)
    assert complex(second) == pytest.approx(np.exp(z) * v**2)
    _, (slope,) = jet(lambda z: abs(z), (z,), ((v,),))
    assert float(slope) == pytest.approx((z.conjugate() * v).real / abs(z))


def test_an_ode_solved_by_its_own_series():
    """x'' = x' of x' = x (1 - x), by feeding the result back (Griewank & Walther 2008, section 13.4)."""
    f = lambda x: x * (1 - x)
    x0, terms = 0.3, [f(0.3)]
    for _ in range(7):
        _, found = jet(f, (x0,), (terms,))
        terms = [f(x0), *found]
    h = 0.1
    series = x0 + sum(float(t) * h**k / math.factorial(k) for k, t in enumerate(terms, 1))
    exact = x0 * math.exp(h) / (1 - x0 + x0 * math.exp(h))
    assert series == pytest.approx(exact, rel=1e-10)


def test_order_zero():
    value, series = jet(lambda x: (x, x * x), (3.0,), ((),))
    assert [float(v) for v in value] == [3.0, 9.0]
    assert series == ([], [])


def test_single_precision_stays():
    with mj.enable_x64(False):
        _, found = jet(mnp.exp, (np.float32(0.0),), ((1.0, 0.0, 0.0),))
        assert {x.dtype for x in found} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (
            lambda: jet(mnp.add, (1.0, 2.0), ((1.0,), (1.0, 0.0))),
            ValueError,
            r"jet terms have inconsistent lengths for different arguments: \[1, 2\]",
        ),
        (lambda: jet(mnp.sin, (1.0,), ()), ValueError, "jet got 1 arguments and series for 0 of them"),
        (
            lambda: jet(lambda x: x, (mnp.ones(2),), ((1.0,),)),
            ValueError,
            r"term 1 of argument `x` has shape \(\), the argument has shape \(2,\)",
        ),
        (lambda: jet(lambda x: x, ({"a": 1.0},), ((1.0,),)), ValueError, "must be a tree like its argument"),
        (lambda: jet(lambda n: n, (3,), ((1.0,),)), TypeError, "argument `n` has dtype int64, which has no Taylor"),
        (
            lambda: jet(lambda x: mnp.nextafter(x, 2.0), (1.0,), ((1.0,),)),
            NotImplementedError,
            "Differentiation rule for 'nextafter' not implemented",
        ),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message):
        run()
