"""vmath: right to 2 ulp against mpmath, at special arguments, and in every form the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.ir import lookup
from minijax.lower import vmath
from minijax.lower.facts import sort_of

from .vmath_accuracy import measure, wrong_specials
from .vmath_loops import KINDS, loop

ALL = [(name, dtype) for name in sorted(vmath.FUNCTIONS) for dtype in vmath.DTYPES]


@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_the_loop_is_vectorised_in_every_form(name, dtype):
    width = vmath.vector_widths()[dtype][0]
    real = {"f32": "float", "f64": "double"}[dtype]
    assert f"@{vmath.symbol(name, dtype, width)}(<{width} x {real}>" in loop(name, dtype, inline=False).ir
    if (name, dtype) in vmath.INLINABLE:
        assert f"<{width} x {real}>" in loop(name, dtype, inline=True).ir


@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_scalar_vector_and_inlined_code_give_the_same_bits(name, dtype):
    rng = np.random.default_rng(1)
    arguments = [rng.uniform(-3, 3, 1003).astype(KINDS[dtype]) for _ in range(vmath.FUNCTIONS[name])]
    results = [loop(name, dtype, inline)(*arguments) for inline in (False, True)]
    results.append(loop(name, dtype, inline=False, vectorise=False)(*arguments))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].view(np.uint8), other.view(np.uint8))


@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_results_are_right_to_2_ulp(name, dtype):
    found = measure(name, dtype, quick=True)
    assert found.count > 100
    assert found.worst <= 2, found


@pytest.mark.parametrize(("name", "dtype"), ALL)
def test_zeros_infinities_and_nan_are_as_c99_has_them(name, dtype):
    assert wrong_specials(name, dtype) == []


@pytest.mark.parametrize("dtype", vmath.DTYPES)
def test_atanh_next_to_1_keeps_what_1_minus_x_says(dtype):
    x = np.array([np.nextafter(KINDS[dtype](1), KINDS[dtype](0))])
    exact = 0.5 * np.log1p(2 * x.astype(np.longdouble) / (1 - x.astype(np.longdouble)))
    np.testing.assert_allclose(loop("atanh", dtype)(x), exact, rtol=2 * np.finfo(KINDS[dtype]).eps)


@pytest.mark.parametrize("name", sorted({*vmath.FUNCTIONS} - {"log2", "log10"}))  # those two: for kernels to come
def test_a_primitive_lowers_to_every_function(name):
    """A kernel that nobody names is a call of SciPy in its place: right, and thirty times slower."""
    x = mnp.full(3, 0.5)
    closed = mj.make_jaxpr(lookup(name).bind)(*[x] * vmath.FUNCTIONS[name])
    assert [sort_of(eqn) for eqn in closed.eqns] == ["scalar"]
