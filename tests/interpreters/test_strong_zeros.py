"""With strong zeros a cotangent of zero stays zero: what `where` did not select leaves no nan in a gradient."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.array import wrap
from minijax.interpreters.strong_zeros import PRODUCTS
from minijax.ir import Kind, all_primitives, lookup
from tests.primitives.case_table import CASES

INF, NAN = np.inf, np.nan

# Section 5 of the table of semantics: nan in JAX's reverse mode, and what forward mode (or the limit of the selected branch) gives.
WHERE_NAN = {
    "where log": (lambda x: mnp.where(x > 0, mnp.log(x), 0.0), 0.0, 0.0),
    "where sqrt at 0": (lambda x: mnp.where(x > 0, mnp.sqrt(x), 0.0), 0.0, 0.0),
    "where sqrt of a negative": (lambda x: mnp.where(x > 0, mnp.sqrt(x), 0.0), -1.0, 0.0),
    "where division": (lambda x: mnp.where(x == 0, 1.0, mnp.sin(x) / x), 0.0, 0.0),
    "where norm": (lambda x: mnp.where((x == 0).all(), 0.0, mnp.linalg.norm(x)), np.zeros(3), np.zeros(3)),
    "nested where": (
        lambda x: mnp.where(x > 0, mnp.where(x > 1, mnp.log(x - 1), mnp.sqrt(x)), x**2),
        -3.0,
        -6.0,
    ),
    "nested where in the middle": (
        lambda x: mnp.where(x > 0, mnp.where(x > 1, mnp.log(x - 1), mnp.sqrt(x)), x**2),
        0.25,
        1.0,
    ),
    "select": (lambda x: lax.select(x > 0, mnp.log(x), mnp.zeros_like(x)), 0.0, 0.0),
    "jnp.select": (lambda x: mnp.select([x > 0], [mnp.log(x)], 0.0), 0.0, 0.0),
    "a mask": (lambda x: (x > 0) * mnp.log(x), 0.0, 0.0),
    "nan_to_num of log": (lambda x: mnp.nan_to_num(mnp.log(x)), 0.0, 0.0),
    "nan_to_num of sqrt": (lambda x: mnp.nan_to_num(mnp.sqrt(x)), -1.0, 0.0),
    "nansum": (lambda x: mnp.nansum(x**2), np.array([1.0, NAN]), np.array([2.0, 0.0])),
    "sum of some": (lambda x: mnp.sum(mnp.log(x), where=x > 0), np.array([0.0, 1.0]), np.array([0.0, 1.0])),
    "a slice": (lambda x: mnp.sum(mnp.sqrt(x)[1:]), np.array([0.0, 1.0]), np.array([0.0, 0.5])),
    "an element": (lambda x: mnp.stack([mnp.sqrt(x), x])[1], 0.0, 1.0),
    "maximum": (lambda x: mnp.maximum(mnp.sqrt(x), 1.0), 0.0, 0.0),
    "clip": (lambda x: mnp.clip(mnp.log(x), -5.0, 5.0), 0.0, 0.0),
    "dot": (lambda x: mnp.dot(mnp.array([0.0, 1.0]), mnp.stack([mnp.sqrt(x), x])), 0.0, 1.0),
    "times zero": (lambda x: 0.0 * mnp.sqrt(x), 0.0, 0.0),
    "solve of a singular matrix": (
        lambda a: mnp.where(mnp.linalg.det(a) != 0, mnp.linalg.solve(a, mnp.ones(2)).sum(), a.sum()),
        np.zeros((2, 2)),
        np.ones((2, 2)),
    ),
}


@pytest.mark.parametrize("name", WHERE_NAN)
def test_gradients_of_masked_branches(name):
    f, x, expected = WHERE_NAN[name]
    x = mnp.asarray(x)
    assert not np.isfinite(mj.grad(f)(x)).all() or name.startswith(("nested", "solve"))
    strong = mj.grad(f, strong_zeros=True)
    np.testing.assert_allclose(strong(x), expected, rtol=1e-6)
    np.testing.assert_allclose(mj.value_and_grad(f, strong_zeros=True)(x)[1], expected, rtol=1e-6)
    np.testing.assert_allclose(mj.vjp(f, x, strong_zeros=True)[1](mnp.ones(()))[0], expected, rtol=1e-6)
    np.testing.assert_allclose(mj.jit(strong)(x), expected, rtol=1e-6)
    np.testing.assert_allclose(mj.grad(mj.jit(f), strong_zeros=True)(x), expected, rtol=1e-6)
    np.testing.assert_allclose(mj.vmap(strong)(mnp.stack([x, x]))[1], expected, rtol=1e-6)
    with mj.config.override("minijax_strong_zeros", True):
        np.testing.assert_allclose(mj.grad(f)(x), expected, rtol=1e-6)
        np.testing.assert_allclose(mj.jacrev(f)(x), expected, rtol=1e-6)
        assert np.isfinite(mj.hessian(f)(x)).all()
        assert np.isfinite(mj.jacrev(mj.jacrev(f))(x)).all()


def test_the_flag_holds_for_its_call_only():
    f = WHERE_NAN["where log"][0]
    assert mj.grad(f, strong_zeros=True)(0.0) == 0.0
    assert np.isnan(mj.grad(f)(0.0))
    assert np.isnan(mj.grad(lambda x: mj.grad(f)(x) * x, strong_zeros=True)(0.0))  # not for the inner gradient
    jitted = mj.jit(f)
    assert [bool(np.isnan(mj.grad(jitted, strong_zeros=s)(0.0))) for s in (True, False, True)] == [False, True, False]


def test_true_infinities_and_nans_stay():
    assert mj.grad(mnp.sqrt, strong_zeros=True)(0.0) == INF
    assert mj.grad(lambda x: mnp.log(x) * 2.0, strong_zeros=True)(0.0) == INF
    assert np.isnan(mj.grad(lambda x: x * mnp.nan, strong_zeros=True)(1.0))
    assert np.isnan(mj.vjp(mnp.sin, 1.0, strong_zeros=True)[1](mnp.float32(NAN))[0])


def test_a_cotangent_that_happens_to_be_zero_keeps_its_derivative():
    for f, second in ((lambda x: mnp.sin(x) ** 2, 2.0), (lambda x: (x @ x - 1.0) ** 2, None)):
        x = 0.0 if second else mnp.array([1.0, 0.0])
        plain = mj.hessian(f)(x)
        with mj.config.override("minijax_strong_zeros", True):
            np.testing.assert_allclose(mj.hessian(f)(x), plain)
            np.testing.assert_allclose(mj.jacrev(mj.jacrev(f))(x), plain)
        assert second is None or plain == second


def pull(primitive, place, ct, operands, **params):
    """The cotangent of the operand at `place`, with strong zeros."""

    def f(x):
        return lookup(primitive).bind(*[x if i == place else y for i, y in enumerate(operands)], **params)

    with mj.config.override("minijax_strong_zeros", True):
        return np.asarray(mj.linear_transpose(f, operands[place])(ct)[0])


def arrays(*values):
    return [wrap(np.asarray(x)) for x in values]


def test_products_with_zero_are_zero():
    ct, y = arrays(np.array([0.0, 0.0, 2.0, 0.0], np.float32), np.array([INF, NAN, INF, 3.0], np.float32))
    np.testing.assert_array_equal(pull("mul", 0, ct, [ct, y]), [0.0, 0.0, INF, 0.0])
    np.testing.assert_array_equal(pull("mul", 1, ct, [y, ct]), [0.0, 0.0, INF, 0.0])
    with mj.config.override("minijax_strong_zeros", True):  # the values are not known while this is traced
        compiled = mj.jit(lambda ct, y: mj.linear_transpose(lambda x: x * y, ct)(ct)[0])
        np.testing.assert_array_equal(compiled(ct, y), [0.0, 0.0, INF, 0.0])


def test_products_with_scalars():
    ct, y = arrays(np.array([0.0, 1.0], np.float32), np.array([NAN, 5.0], np.float32))
    (inf,) = arrays(np.float32(INF))
    np.testing.assert_array_equal(pull("mul", 0, ct, [ct, inf]), [0.0, INF])
    np.testing.assert_array_equal(pull("mul", 0, ct, [inf, y]), 5.0)  # a scalar times an array: cotangents are summed


def test_quotients_of_zero_are_zero():
    ct, y = arrays(np.array([0.0, 0.0, 1.0, 0.0, 3.0], np.float32), np.array([0.0, NAN, 0.0, INF, 2.0], np.float32))
    np.testing.assert_array_equal(pull("div", 0, ct, [ct, y]), [0.0, 0.0, INF, 0.0, 1.5])


def test_complex_products():
    ct, y = arrays(
        np.array([0.0, 0.0, 1j], np.complex64), np.array([complex(INF, 0), complex(1, NAN), 2.0], np.complex64)
    )
    np.testing.assert_array_equal(pull("mul", 0, ct, [ct, y]), [0.0, 0.0, 2j])


def test_sums_of_products_leave_out_what_meets_zero():
    matrix = wrap(np.array([[1.0, INF, 2.0], [NAN, 3.0, 4.0]], np.float32))
    product = (((1,), (0,)), ((), ()))
    params = {"dimension_numbers": product, "precision": None, "preferred_element_type": None}
    vector = wrap(np.zeros(3, np.float32))
    for ct, expected in (
        ([1.0, 0.0], [1.0, INF, 2.0]),
        ([0.0, 1.0], [NAN, 3.0, 4.0]),
        ([0.0, 0.0], [0.0, 0.0, 0.0]),
        ([-1.0, 2.0], [NAN, -INF, 6.0]),
    ):
        ct = wrap(np.array(ct, np.float32))
        np.testing.assert_array_equal(pull("dot_general", 1, ct, [matrix, vector], **params), expected)


def test_convolutions_leave_out_what_meets_zero():
    signal, kernel = mnp.zeros((1, 1, 3)), mnp.array([[[1.0, NAN]]])
    f = lambda x: lax.conv_general_dilated(x, kernel, (1,), "VALID")
    with mj.config.override("minijax_strong_zeros", True):
        (ct,) = mj.linear_transpose(f, signal)(mnp.array([[[2.0, 0.0]]]))
    np.testing.assert_array_equal(ct, [[[2.0, NAN, 0.0]]])


def test_scattered_products_leave_out_what_meets_zero():
    x, updates = mnp.zeros(3), mnp.array([INF, 2.0, NAN])
    f = lambda x: x.at[mnp.array([0, 0, 1])].multiply(updates)
    with mj.config.override("minijax_strong_zeros", True):
        np.testing.assert_array_equal(mj.linear_transpose(f, x)(mnp.array([0.0, 0.0, 1.0]))[0], [0.0, 0.0, 1.0])
        np.testing.assert_array_equal(mj.linear_transpose(f, x)(mnp.array([1.0, 0.0, 1.0]))[0], [INF, 0.0, 1.0])


def test_solutions_for_zero_are_zero():
    singular = mnp.array([[1.0, 0.0], [1.0, 0.0]])
    f = lambda b: lax.linalg.triangular_solve(singular, b, left_side=True, lower=True)
    with mj.config.override("minijax_strong_zeros", True):
        (ct,) = mj.linear_transpose(f, mnp.zeros((2, 2)))(mnp.array([[1.0, 0.0], [1.0, 0.0]]))
    assert not np.isfinite(ct[:, 0]).all()
    np.testing.assert_array_equal(ct[:, 1], [0.0, 0.0])


@pytest.mark.parametrize("case", [c for c in CASES if c.primitive in PRODUCTS], ids=lambda c: c.primitive)
def test_finite_coefficients_give_the_ordinary_transposes(case):
    operands = arrays(*case.operands)

    def f(*xs):
        given = iter(xs)
        return lookup(case.primitive).bind(
            *[next(given) if x.dtype.kind in "fc" else x for x in operands], **case.params
        )

    inexact = [x for x in operands if x.dtype.kind in "fc"]
    with mj.enable_x64():
        out, pull_plain = mj.vjp(f, *inexact)
        ct = wrap(np.asarray(out) * (np.arange(out.size).reshape(out.shape) % 2))  # every other one is zero
        _, pull_strong = mj.vjp(f, *inexact, strong_zeros=True)
        for a, b in zip(pull_strong(ct), pull_plain(ct), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        program = mj.jit(lambda ct, *xs: mj.vjp(f, *xs, strong_zeros=True)[1](ct))
        for a, b in zip(program(ct, *inexact), pull_plain(ct), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


NO_PRODUCTS = {
    *("add", "sub", "complex", "concatenate", "pad", "select_n", "dynamic_update_slice"),
    *("scatter", "scatter_add", "scatter_sub"),
}


def test_every_linear_primitive_with_two_operands_is_considered():
    """One whose transpose multiplies by an operand must be in PRODUCTS."""
    inexact = {case.primitive: sum(np.asarray(x).dtype.kind in "fc" for x in case.operands) for case in CASES}
    linear = {
        q.name
        for q in all_primitives()
        if q.transpose is not None and q.kind is not Kind.STRUCTURED and inexact.get(q.name, 0) > 1
    }
    assert linear <= set(PRODUCTS) | NO_PRODUCTS
