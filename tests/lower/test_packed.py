"""Every family of kernels is vectorised: LLVM's vectoriser fails silently, so the optimised code is read for packed arithmetic."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.interpreters.eval import eval_closed
from minijax.lower import compile_program, native

X = np.random.default_rng(0).standard_normal((40, 72)).astype(np.float32)
ROWS = np.random.default_rng(1).integers(0, 40, 50).astype(np.int32)
U = np.random.default_rng(2).standard_normal((50, 72)).astype(np.float32)

FLOATS = r"(fadd|fsub|fmul|fdiv)( reassoc)? <(4|8|16) x float>"
# by family: (function, inputs, packed instruction that its inner loop must have)
FAMILIES = {
    "elementwise": (lambda x: x * x + 1, (X,), FLOATS),
    "elementary": (lambda x: mnp.exp(x) + mnp.sin(x), (X,), FLOATS),
    "double": (lambda x: x * 2 + x, (X.astype(np.float64),), r"fmul <(2|4|8) x double>"),
    "integers": (lambda i: i * 3 + 1, (ROWS,), r"(mul|add)( nsw| nuw)* <(4|8|16) x i32>"),
    "select": (lambda x: mnp.where(x > 0, x * 2, x), (X,), r"select <(4|8|16) x i1>"),
    "convert": (lambda i: i.astype(np.float32), (ROWS,), r"sitofp <(4|8|16) x i32>"),
    "positions": (lambda x: x * mnp.arange(72.0), (X,), FLOATS),
    "broadcast": (lambda x, v: x * v, (X, X[0]), FLOATS),
    "outer broadcast": (lambda x, v: x * v[:, None], (X, X[:, 0].copy()), FLOATS),
    "slices": (lambda x: x[:, 1:] - x[:, :-1], (X,), FLOATS),
    "reversed": (lambda x: x[:, ::-1] + x, (X,), FLOATS),
    "concatenation": (lambda x: mnp.concatenate([x * 2, x + 1], 1), (X,), FLOATS),
    "padding": (lambda x: mnp.pad(x * 2, 1), (X,), FLOATS),
    "full sum": (lambda x: mnp.sum(x * x), (X,), FLOATS),
    "inner sum": (lambda x: mnp.sum(x * x, 1), (X,), FLOATS),
    "outer sum": (lambda x: mnp.sum(x * x, 0), (X,), FLOATS),
    "maximum": (
        lambda x: mnp.max(x, 0),
        (X,),
        r"llvm.maximum.v(4|8|16)f32|fcmp u?(gt|lt|no|ogt|olt) <(4|8|16) x float>",
    ),
    "softmax": (mj.nn.softmax, (X,), r"fdiv <(4|8|16) x float>"),
    "layer norm": (lambda x: (x - x.mean(1, keepdims=True)) / mnp.sqrt(x.var(1, keepdims=True) + 1), (X,), FLOATS),
    "gradient": (mj.grad(lambda x: mnp.sum(mnp.tanh(x) ** 2)), (X,), FLOATS),
    "gathered rows": (lambda x, i: x[i] * 2, (X, ROWS), FLOATS),
    "gathered elements": (lambda x, i: mnp.take(x[0], i) * 2, (X, ROWS), FLOATS),
    "scattered rows": (lambda x, i, u: x.at[i].add(u), (X, ROWS, U), FLOATS),
    "window": (lambda x, i: lax.dynamic_slice(x, (i, i), (8, 60)) * 2, (X, np.int32(3)), FLOATS),
    "written window": (lambda x, u, i: lax.dynamic_update_slice(x, u * 2, (i, 0)), (X, X[:9], np.int32(3)), FLOATS),
    "scan": (lambda x: lax.scan(lambda c, row: (c * 2 + row, c), X[0], x), (X,), FLOATS),
    "small product": (lambda x, y: x @ y, (X[:4, :8].copy(), X[:8, :12].copy()), FLOATS),
}


@pytest.fixture
def optimised(monkeypatch):
    """The optimised LLVM IR of what is compiled during a test, whatever was compiled or cached before."""
    texts: list[str] = []

    def linked(text, names):
        library = native._compiled(text)
        texts.append(library.get_llvm_str())
        return [library.get_pointer_to_function(name) for name in names]

    native.enter(np.zeros(6, np.int64))  # the entry to native code is made: it would be in the texts
    monkeypatch.setattr(native, "linked", linked)
    monkeypatch.setattr(native, "_addresses", {})
    return texts


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_kernels_is_vectorised(family, optimised):
    f, inputs, packed = FAMILIES[family]
    with mj.enable_x64(family == "double"):
        closed = mj.make_jaxpr(f)(*inputs)
        found = compile_program(closed).run(*inputs)
        assert re.search(packed, "\n".join(optimised)), f"{family} is scalar:\n" + "\n".join(optimised)
        for a, b in zip(found, eval_closed(closed, *map(mnp.asarray, inputs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
