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
from minijax import lax
from tests.semantics.expectations import DIFFERENT, LATER, UNPRINTED
from tests.semantics.reading import Expected, Raises, Row, parse_result, read_rows

ROWS = read_rows()


def scope() -> dict:
    """What the expressions of the rows refer to, made anew for every row."""
    jax, jnp = minijax, mnp
    g = jax.grad

    def cast_sq(x):
        return x.astype(jnp.int32).astype(jnp.float32) ** 2

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
        print("tracing", x)
        return x * 2

    count = [0]

    def imp(x):
        count[0] += 1
        return x * count[0]

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
        "leak": leak,
        "lk": lk,
        "jit": jax.jit,
        "jit_lk": jit_lk,
        "shp": lambda tree: jax.tree_util.tree_map(lambda x: tuple(x.shape), tree),
        "ff": lambda p: {"s": p["w"].sum() * p["b"].sum(), "y": (p["w"].sum() * p["b"])},
        "P": {"w": jnp.ones((3, 2)), "b": jnp.ones(3)},
    }


def evaluate(row: Row):
    expression, names = row.expression, scope()
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
        with pytest.raises(Exception, match=re.escape(expected.message)) as caught:
            evaluate(row)
        assert expected.type_name in {c.__name__ for c in type(caught.value).__mro__}
    elif callable(expected):
        assert expected(evaluate(row))
    else:
        check(evaluate(row), expected)


def test_every_exception_from_the_table_names_a_row():
    names = {row.name for row in ROWS}
    assert set(LATER) <= names
    assert set(DIFFERENT) <= names
    assert set(UNPRINTED) <= names
