"""Every result measured on JAX 0.10.2 that minijax shares, row by row; and where it differs, how and why.

`DIFFERENT` lists the rows where minijax does something else on purpose, with the result that is right here.
`LATER` lists rows about parts that do not exist yet, each with the issue that brings them.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings

import numpy as np
import pytest
import scipy.special

import minijax
import minijax.numpy as mnp
import minijax.random
import minijax.scipy
from minijax import lax
from tests.semantics.expectations import DIFFERENT, LATER, UNPRINTED
from tests.semantics.reading import Expected, Program, Raises, Row, parse_result, read_rows

ROWS = read_rows()


def scope() -> dict:
    """What the expressions of the rows refer to, made anew for every row."""
    jax, jnp = minijax, mnp
    g = jax.grad

    def cast_sq(x):
        n = x.astype(jnp.int32)
        return (n * n).astype(jnp.float32)

    def inplace(x):
        x[0] = 5.0
        return x.sum()

    def inpl2(x):
        a = np.zeros(2)
        a[0] = x
        return a.sum()

    def iadd(x):
        x += 1
        return (x * x).sum() - x.sum()

    rng = np.random.RandomState(0)

    def noisy(x):
        return x * rng.rand()

    def pr(x):
        print("tracing", x)  # noqa: T201  (the rows are about functions that print)
        return x * 2

    count = [0]

    def imp(x):
        count[0] += 1
        return x * count[0]

    def dpr(x):
        jax.debug.print("x={x}", x=x)
        return x * 2

    leak = []

    def lk(x):
        leak.append(x * 1.0)
        return x * 2

    jit_lk = jax.jit(lk)

    def ff(p):
        return {"s": p["w"].sum() * p["b"], "y": jnp.outer(p["b"], p["b"]) * p["w"].sum()}

    return {
        "jax": jax,
        "jnp": jnp,
        "lax": lax,
        "np": np,
        "math": math,
        "scipy": scipy,
        "g": g,
        "cast_sq": cast_sq,
        "inplace": inplace,
        "inpl2": inpl2,
        "iadd": iadd,
        "noisy": noisy,
        "jn": jax.jit(noisy),
        "pr": pr,
        "jpr": jax.jit(pr),
        "imp": imp,
        "ji": jax.jit(imp),
        "dpr": dpr,
        "leak": leak,
        "lk": lk,
        "jit": jax.jit,
        "jit_lk": jit_lk,
        "shp": lambda tree: jax.tree_util.tree_map(lambda x: tuple(x.shape), tree),
        "ff": lambda p: {"s": p["w"].sum() * p["b"].sum(), "y": (p["w"].sum() * p["b"])},
        "P": {"w": jnp.ones((3, 2)), "b": jnp.ones(3)},
    }


def custom_functions() -> dict:
    """The functions with rules of their own that section 12 is about."""
    jax, jnp = minijax, mnp

    @jax.custom_vjp
    def cv(x):
        return x * 2

    @jax.custom_jvp
    def cj(x):
        return x * 2

    def custom(bwd, count=1):
        f = jax.custom_vjp((lambda x: x * 2) if count == 1 else (lambda x, y: x * y))
        f.defvjp(lambda *xs: (f.__wrapped__(*xs), xs), bwd)
        return f

    return {
        "cv": cv,
        "cj": cj,
        "cv2": custom(lambda res, ct: (10.0 * ct,)),
        "cv3": custom(lambda res, ct: 10.0 * ct),
        "cv4": custom(lambda res, ct: (jnp.ones(2) * ct,)),
        "cv5": custom(lambda res, ct: (None, res[0] * ct), 2),
    }


def evaluate(row: Row):
    expression, names = row.expression, scope()
    if re.search(r"\bc[vj]\d?\(|\(cv\d", expression):
        names.update(custom_functions())
    contexts = contextlib.ExitStack()
    prefix = re.match(r"with (debug_nans|debug_infs): (.*)|x64: (.*)", expression)
    if prefix:
        flag = prefix.group(1)
        expression = prefix.group(2) or prefix.group(3)
        contexts.enter_context(getattr(minijax, flag)(True) if flag else minijax.enable_x64(True))
    with contexts, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression.split("  #")[0], names)


def check(value, expected, where=""):
    if isinstance(expected, Expected):
        dtype = "float0" if np.asarray(value).dtype.names == ("float0",) else str(value.dtype)
        assert dtype == expected.dtype, f"{where} dtype"
        assert tuple(value.shape) == expected.shape, f"{where} shape"
        if dtype != "float0":
            tolerance = {"float16": 2e-3, "bfloat16": 1e-2, "float64": 1e-12, "complex128": 1e-12}.get(dtype, 1e-5)
            np.testing.assert_allclose(np.asarray(value).astype(complex), expected.value, rtol=tolerance, atol=1e-37)
        return
    if isinstance(expected, dict):
        assert set(value) == set(expected)
        for key in expected:
            check(value[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, (tuple, list)):
        assert len(value) == len(expected)
        for i, (v, e) in enumerate(zip(value, expected, strict=True)):
            check(v, e, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert float(value) == pytest.approx(expected, nan_ok=True)
    else:
        assert str(value) == str(expected)


@pytest.mark.parametrize("row", [r for r in ROWS if r.section and r.name not in LATER], ids=lambda r: r.name[:70])
def test_result_equals_the_one_measured(row):
    if row.name in DIFFERENT:
        expected = DIFFERENT[row.name].expected
    elif row.name in UNPRINTED:
        expected = UNPRINTED[row.name]
    else:
        expected = parse_result(row.result)
    if isinstance(expected, Raises):
        with pytest.raises(Exception, match=re.escape(expected.key_phrase)) as caught:
            evaluate(row)
        assert expected.type_name in {c.__name__ for c in type(caught.value).__mro__}
    elif isinstance(expected, Program):
        assert " ".join(str(evaluate(row)).split()) == expected.text
    elif callable(expected):
        assert expected(evaluate(row))
    else:
        check(evaluate(row), expected)


def test_every_exception_from_the_table_names_a_row():
    names = {row.name for row in ROWS}
    assert set(LATER) <= names
    assert set(DIFFERENT) <= names
    assert set(UNPRINTED) <= names


@pytest.mark.parametrize("name", sorted(LATER))
def test_rows_for_later_do_not_work_yet(name):
    (row,) = [r for r in ROWS if r.name == name]
    with pytest.raises(Exception):  # noqa: B017  (the day this works the row belongs in the table above)
        evaluate(row)


def test_debug_nans():
    f = lambda x: mnp.sqrt(x**2)
    with minijax.debug_nans(True):
        for g in (minijax.grad(f), minijax.jit(minijax.grad(f))):
            with pytest.raises(FloatingPointError, match=r"invalid value \(nan\) encountered in mul"):
                g(0.0)
        assert np.isposinf(minijax.grad(mnp.sqrt)(0.0))
        assert minijax.jit(mnp.nansum)(np.array([1.0, np.nan], np.float32)) == 1.0


def test_globals_under_jit():
    factor = [2.0]
    f = lambda x: x * factor[0]
    jitted = minijax.jit(minijax.grad(f))
    before = jitted(1.0)
    factor[0] = 5.0
    assert (before, jitted(1.0), minijax.grad(f)(1.0)) == (2.0, 2.0, 5.0)
