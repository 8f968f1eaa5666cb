"""Matrix products of compiled programs: microkernels and what chooses them, compared with NumPy in double precision."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest

import minijax as mj
import minijax.lax as lax
import minijax.numpy as mnp
from minijax.lower import compile_program, facts, gemm, microkernels
from minijax.lower.compile import lower_program
from minijax.lower.steps import Call
from minijax.lower.vmath._target import target_machine

EXTENTS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 40, 64, 65, 100, 300, 513)
DTYPES = (np.float32, np.float64)


@pytest.fixture(autouse=True)
def wide():
    with mj.enable_x64(True):
        yield


def random_matrix(rng, rows, columns, dtype, transposed):
    shape = (columns, rows) if transposed else (rows, columns)
    x = rng.standard_normal(shape).astype(dtype)
    return x.T if transposed else x


def bound(a, b, dtype):
    """Of the rounding errors of a product: 16 units in the last place of the sum of magnitudes."""
    return np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) * np.finfo(dtype).eps * 16 + 1e-300


def assert_product(got, a, b):
    assert got.dtype == a.dtype
    error = np.abs(np.asarray(got).astype(np.float64) - a.astype(np.float64) @ b.astype(np.float64))
    assert (error <= bound(a, b, a.dtype)).all()


def program_of(f, *args):
    return compile_program(mj.make_jaxpr(f)(*args))


def steps_of(f, *args):
    return [type(step).__name__ for step in program_of(f, *args).steps]


# -- the microkernels by themselves ------------------------------------------------------------------------------------


def library_of(short, register_bytes):
    """The entry of a library for registers of a given size, and what keeps it alive."""
    import llvmlite.binding as llvm

    machine = target_machine()
    module = llvm.parse_assembly(microkernels.module_text(short, register_bytes))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 8, ctypes.c_void_p)
    return kind(engine.get_function_address(microkernels.symbol(short))), engine


@pytest.mark.parametrize("register_bytes", [16, 32, 64])
@pytest.mark.parametrize("short", ["f32", "f64"])
def test_microkernels_of_every_register_size_are_right_and_write_nothing_else(short, register_bytes):
    entry, engine = library_of(short, register_bytes)
    dtype = {"f32": np.float32, "f64": np.float64}[short]
    rng = np.random.default_rng(register_bytes)
    for _ in range(60):
        m, n, k = (int(x) for x in rng.choice(EXTENTS[:-2], 3))
        a = random_matrix(rng, m, k, dtype, rng.random() < 0.5)
        b = random_matrix(rng, k, n, dtype, rng.random() < 0.5)
        c = np.full((m + 2, n + 3), 7, dtype)
        out = c[1:-1, 1:-2]
        numbers = (m, n, k, out.strides[0], *a.strides, *b.strides)
        entry(out.ctypes.data, a.ctypes.data, b.ctypes.data, *numbers, None)
        assert_product(out, a, b)
        out[:] = 7
        assert (c == 7).all()
    del engine


def test_sums_of_many_products_are_taken_in_blocks():
    a = np.full((16, 1 << 16), 0.1, np.float32)
    b = np.full((1 << 16, 16), 0.1, np.float32)
    got = np.asarray(
        mj.jit(lambda a, b: lax.fori_loop(0, 1, lambda i, c: a @ b, mnp.zeros((16, 16), np.float32)))(a, b)
    )
    exact = float(np.float32(0.1)) ** 2 * (1 << 16)
    assert np.abs(got / exact - 1).max() < 3e-6


# -- products of programs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(12))
def test_random_products_agree_with_numpy(seed, dtype):
    rng = np.random.default_rng(seed)
    m, n, k = (int(x) for x in rng.choice(EXTENTS[:-1], 3))
    a, b = random_matrix(rng, m, k, dtype, seed & 1), random_matrix(rng, k, n, dtype, seed & 2)
    assert_product(mj.jit(lambda a, b: a @ b)(a, b), a, b)
    assert_product(mj.jit(lambda a, b: a.T @ b.T)(a.T.copy(), b.T.copy()), a, b)
    assert_product(mj.jit(lambda a, b: (b.T @ a.T).T)(a, b), a, b)
    assert_product(mj.jit(lambda a, b: a[:, ::-1] @ b[::-1])(a, b), a, b)


@pytest.mark.parametrize(
    "extents", [(0, 5, 7), (5, 0, 7), (40, 50, 0), (0, 0, 0), (1, 1, 1), (1, 900, 1), (900, 1, 1)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_with_empty_and_single_axes(extents, dtype):
    m, n, k = extents
    rng = np.random.default_rng(0)
    a, b = random_matrix(rng, m, k, dtype, False), random_matrix(rng, k, n, dtype, False)
    assert_product(mj.jit(lambda a, b: a @ b)(a, b), a, b)
    assert_product(mj.jit(lambda a, b: lax.fori_loop(0, 2, lambda i, c: a @ b, mnp.ones((m, n), dtype)))(a, b), a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "spec", ["ij,jk->ik", "ij,kj->ki", "ji,jk->ik", "ij,j->i", "ji,j->i", "j,jk->k", "i,j->ij", "i,i->"]
)
def test_vectors_matrices_and_their_transposes(spec, dtype):
    rng = np.random.default_rng(1)
    sizes = {"i": 37, "j": 41, "k": 29}
    left, right = spec.split("->")[0].split(",")
    a = rng.standard_normal([sizes[s] for s in left]).astype(dtype)
    b = rng.standard_normal([sizes[s] for s in right]).astype(dtype)
    expected = np.einsum(spec, a.astype(np.float64), b.astype(np.float64))
    got = mj.jit(lambda a, b: mnp.einsum(spec, a, b))(a, b)
    np.testing.assert_allclose(got, expected, rtol=100 * np.finfo(dtype).eps, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "spec",
    [
        "bij,bjk->bik",
        "bij,bkj->bik",
        "bij,jk->bik",
        "bijc,jck->bik",
        "abij,abjk->abik",
        "bij,bjk->kib",
        "bij,cjk->bick",
    ],
)
def test_batches_and_several_axes_of_one_role(spec):
    rng = np.random.default_rng(2)
    sizes = {"a": 2, "b": 3, "c": 4, "i": 17, "j": 24, "k": 19}
    left, right = spec.split("->")[0].split(",")
    a, b = (rng.standard_normal([sizes[s] for s in part]) for part in (left, right))
    got = mj.jit(lambda a, b: mnp.einsum(spec, a, b))(a, b)
    np.testing.assert_allclose(got, np.einsum(spec, a, b), rtol=1e-12, atol=1e-12)


def test_products_run_in_microkernels_and_large_ones_in_blas(monkeypatch):
    monkeypatch.setattr(facts, "_threads", lambda: 2)
    a, b = np.ones((64, 64), np.float32), np.ones((256, 256), np.float32)
    assert steps_of(lambda a: a @ a, a) == ["Product"]
    assert steps_of(lambda a: a.T @ a[::-1], a) == ["Product"]
    assert steps_of(lambda b: b @ b, b) == ["Call"]
    assert steps_of(lambda a: a @ a, a.astype(np.int32)) == ["Call"]
    assert steps_of(lambda a: a[:4, :4] @ a[:4, :4], a) == ["Fused"]


def test_what_a_product_reads_is_computed_once_beside_it():
    a = np.random.default_rng(0).standard_normal((40, 40))
    f = lambda a: mnp.sin(a) @ mnp.cos(a).T + 1
    assert steps_of(f, a) == ["Fused", "Product", "Fused"]
    np.testing.assert_allclose(mj.jit(f)(a), np.sin(a) @ np.cos(a).T + 1, rtol=1e-12, atol=1e-12)


def test_an_operand_that_is_no_matrix_in_memory_is_made_one_if_the_product_is_large():
    a = np.random.default_rng(0).standard_normal((24, 24))
    f = lambda a: mnp.full((24, 24), 2.0) @ a
    assert steps_of(f, a) == ["Fused", "Product"]
    np.testing.assert_allclose(mj.jit(f)(a), np.full((24, 24), 2.0) @ a, rtol=1e-12)
    g = lambda a: mnp.full((8, 8), 2.0) @ a[:8, :8]
    assert steps_of(g, a) == ["Fused"]


def test_a_matrix_that_data_choose():
    rng = np.random.default_rng(7)
    weights, x = rng.standard_normal((5, 30, 30)) / 6, rng.standard_normal((12, 30))
    f = lambda weights, x: lax.fori_loop(0, 5, lambda i, x: mnp.tanh(x @ weights[i]), x)
    expected = x
    for w in weights:
        expected = np.tanh(expected @ w)
    np.testing.assert_allclose(mj.jit(f)(weights, x), expected, rtol=1e-12, atol=1e-13)
    (loop,) = [step for step in program_of(f, weights, x).steps if type(step).__name__ == "Loop"]
    assert "Product" in [type(step).__name__ for step in loop.blocks[-1].steps]


def test_another_size_needs_no_new_text():
    texts = set()
    for m, n, k in itertools.product((16, 40), repeat=3):
        a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
        (step,) = program_of(lambda a, b: a @ b, a, b).steps
        assert isinstance(step, gemm.Product)
        texts.add(gemm.emit_product(step).definition)
    assert len(texts) == 1


# -- inside loops ------------------------------------------------------------------------------------------------------


def finite_difference(f, x, direction, step=1e-6):
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


@pytest.mark.parametrize("hidden, batch", [(24, 5), (32, 1), (17, 3), (40, 16)])
def test_gradients_of_recurrent_scans(hidden, batch):
    rng = np.random.default_rng(hidden)
    w, u, xs = (rng.standard_normal(s) / 4 for s in ((hidden, hidden), (9, hidden), (6, batch, 9)))

    def loss(w, u=u, xs=xs):
        def step(h, x):
            h = mnp.tanh(h @ w + x @ u)
            return h, h @ w.T

        h, ys = lax.scan(step, mnp.zeros((batch, hidden)), xs)
        return mnp.sum(h) + mnp.mean(ys**2)

    program = program_of(mj.value_and_grad(loss, argnums=(0, 1, 2)), w, u, xs)
    assert not any(type(step) is Call and step.eqn.primitive.name == "scan" for step in program.steps)
    plain, fast = mj.value_and_grad(loss, (0, 1, 2)), mj.jit(mj.value_and_grad(loss, (0, 1, 2)))
    for got, expected in zip(
        mj.tree_util.tree_leaves(fast(w, u, xs)), mj.tree_util.tree_leaves(plain(w, u, xs)), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    direction = rng.standard_normal(w.shape)
    slope = np.sum(np.asarray(fast(w, u, xs)[1][0]) * direction)
    np.testing.assert_allclose(slope, finite_difference(mj.jit(loss), w, direction), rtol=1e-6, atol=1e-7)


def test_products_inside_while_and_cond():
    a = np.random.default_rng(0).standard_normal((20, 20)) / 5

    def power(a):
        def body(state):
            i, x = state
            return i + 1, lax.cond(i % 2 == 0, lambda x: x @ a, lambda x: a.T @ x, x)

        return lax.while_loop(lambda state: state[0] < 5, body, (0, mnp.eye(20)))[1]

    expected = np.eye(20)
    for i in range(5):
        expected = expected @ a if i % 2 == 0 else a.T @ expected
    np.testing.assert_allclose(mj.jit(power)(a), expected, rtol=1e-12, atol=1e-14)


def test_a_scan_over_layers_of_weights():
    rng = np.random.default_rng(3)
    weights, x = rng.standard_normal((5, 30, 30)) / 6, rng.standard_normal((12, 30))
    loss = lambda w, x: mnp.sum(lax.scan(lambda h, w: (mnp.tanh(h @ w), None), x, w)[0] ** 2)
    got, expected = mj.jit(mj.grad(loss, (0, 1)))(weights, x), mj.grad(loss, (0, 1))(weights, x)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch", [None, 1, 12])
def test_constants_that_lie_along_the_sum_are_transposed_once_before_the_loop(batch):
    rng = np.random.default_rng(5)
    w, h = rng.standard_normal((24, 24)) / 5, rng.standard_normal((24,) if batch is None else (batch, 24))

    def f(w, h):
        return lax.scan(lambda h, _: (mnp.tanh(h @ w.T if batch else w @ h), None), h, None, length=6)[0]

    (scan,) = [step for step in program_of(f, w, h).steps if type(step).__name__ == "Loop"]
    (product,) = [step for step in scan.blocks[0].steps if type(step).__name__ == "Product"]
    assert product.strides[-1] == 8
    expected = h
    for _ in range(6):
        expected = np.tanh(expected @ w.T if batch else w @ expected)
    np.testing.assert_allclose(mj.jit(f)(w, h), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("spec", ["ij,jk->ik", "bij,bkj->bik", "ji,j->i", "bij,jk->bik"])
def test_products_are_loops_in_readable_source(spec):
    rng = np.random.default_rng(6)
    sizes = {"b": 2, "i": 9, "j": 72, "k": 8}
    left, right = spec.split("->")[0].split(",")
    a, b = (rng.standard_normal([sizes[s] for s in part]) for part in (left, right))
    lowered = lower_program(
        mj.make_jaxpr(
            lambda a, b: (
                lax.fori_loop(
                    0, 2, lambda i, c: c + mnp.einsum(spec, a, b) + i, mnp.full_like(mnp.einsum(spec, a, b), 0.5)
                )
                * mnp.einsum(spec, a, b)
            )
        )(a, b)
    )
    assert "Product" in [type(step).__name__ for step in lowered.steps]
    expected = np.einsum(spec, a, b)
    (got,) = lowered.readable.function()(a, b)
    np.testing.assert_allclose(got, (2 * expected + 1.5) * expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 9, 300])
def test_an_array_that_is_added_to_a_product_is_part_of_it(k, dtype):
    rng = np.random.default_rng(k)
    a, b, d = (rng.standard_normal(s).astype(dtype) for s in ((37, k), (k, 41), (37, 41)))
    for f in (lambda a, b, d: a @ b + d, lambda a, b, d: d + a @ b, lambda a, b, d: d.T + b.T @ a.T):
        given = (a, b, d)
        expected = f(*(x.astype(np.float64) for x in given))
        np.testing.assert_allclose(
            mj.jit(f)(*given),
            expected,
            rtol=1e-5 if dtype == np.float32 else 1e-12,
            atol=1e-4 if dtype == np.float32 else 1e-12,
        )
    assert steps_of(lambda a, b, d: a @ b + d, a, b, d) == ["Product"]
    assert steps_of(lambda a, b: a @ b + a @ b, a, b) != ["Product"]
    (got,) = lower_program(mj.make_jaxpr(lambda a, b, d: a @ b + d)(a, b, d)).readable.function()(a, b, d)
    np.testing.assert_allclose(got, a @ b + d, rtol=1e-3, atol=1e-4)


def test_sums_of_outer_products_stay_in_the_loop_when_a_step_is_large():
    rng = np.random.default_rng(8)
    w, xs = rng.standard_normal((16, 24)) / 4, rng.standard_normal((5, 9, 16))
    loss = lambda w: lax.scan(lambda c, x: (c + mnp.sum(mnp.tanh(x @ w)), None), 0.0, xs)[0]
    program = program_of(mj.grad(loss), w)
    *_, loop = [step for step in program.steps if type(step).__name__ == "Loop"]
    assert [step.onto is not None for step in loop.blocks[0].steps if isinstance(step, gemm.Product)] == [True]
    expected = np.einsum("tij,tik->jk", xs, 1 - np.tanh(xs @ w) ** 2)
    np.testing.assert_allclose(mj.jit(mj.grad(loss))(w), expected, rtol=1e-11, atol=1e-12)
