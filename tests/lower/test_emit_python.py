"""The readable rendering of programs runs, with numba and without, and gives what the LLVM one gives: each is the other's oracle."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.array import wrap
from minijax.lower import compile_program, lower_program, native, vmath
from minijax.lower.emit_llvm import emit_kernel
from minijax.lower.emit_python import Source, emit_python
from minijax.lower.nests import Affine, Apply, Buffer, Kernel, Load, Stage, Store
from minijax.lower.readable import helpers, imports, readable
from minijax.lower.scalars import SCALARS
from tests.lower.random_programs import program
from tests.lower.test_fuzz import assert_close

FLOATS = [0.0, -0.0, 0.3, -0.7, 0.5, 1.5, -2.5, 3.0, 11.0, 1e10, -1e10, np.inf, -np.inf, np.nan]
ONLY_FLOATS = {
    *(
        "sqrt",
        "rsqrt",
        "floor",
        "ceil",
        "trunc",
        "round",
        "is_finite",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log1p",
        "logistic",
        "cbrt",
    ),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("erf", "erfc", "erf_inv", "pow", "atan2"),
}
ONLY_INTEGERS = {"shift_left", "shift_right_arithmetic", "shift_right_logical", "clz", "population_count"}
BITS = {"and", "or", "xor", "not"}
LIBRARY = {"erf_inv"}  # what the C library does not have is native when `vmath` has it
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "is_finite"}
ARITY = {"select": 3, "clamp": 3} | dict.fromkeys(
    ("add", "sub", "mul", "div", "rem", "max", "min", "and", "or", "xor", "pow", "atan2", *COMPARISONS)
    + ("shift_left", "shift_right_arithmetic", "shift_right_logical"),
    2,
)
ARITY["is_finite"] = 1


def operands(dtype: np.dtype, count: int) -> list[np.ndarray]:
    """All combinations of awkward values."""
    if dtype.kind == "b":
        values = np.array([False, True])
    elif dtype.kind == "f":
        values = np.array(FLOATS).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        negative = (-1, -2, -7) if dtype.kind == "i" else ()
        values = np.array([0, 1, 2, 3, 7, 31, *negative, limits.max, limits.max - 1, limits.min], dtype)
    return (
        [x.ravel() for x in np.meshgrid(*[values] * count)]
        if count < 3
        else [values, values[::-1].copy(), np.roll(values, 1)]
    )


def cases():
    for op in sorted(op for op in SCALARS if op not in LIBRARY or op in vmath.FUNCTIONS):
        for name in ("float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64", "bool"):
            dtype = np.dtype(name)
            if (op in ONLY_FLOATS and dtype.kind != "f") or (op in ONLY_INTEGERS and dtype.kind not in "iu"):
                continue
            if (op in BITS and dtype.kind == "f") or (
                dtype.kind == "b"
                and op in {"div", "rem", "sign", "abs", "neg", "clamp", "integer_pow", "square", "bitcast"}
            ):
                continue
            yield op, dtype


def both(
    op: str, dtype: np.dtype, out: np.dtype, inputs: list[np.ndarray], params: tuple = ()
) -> tuple[np.ndarray, np.ndarray]:
    """An operation on arrays through LLVM, and through Python."""
    n, at = len(inputs[0]), Affine(0, (1,))
    loads = tuple([Load(k, at, x.dtype) for k, x in enumerate(inputs)])
    store = Store(len(inputs), at, Apply(op, loads, out, params))
    buffers = (*[Buffer(x.dtype, False) for x in inputs], Buffer(out, True))
    kernel = Kernel((), (Stage((n,), (store,)),), buffers)
    arrays = [*inputs, np.empty(n, out)]
    emitted = emit_kernel(kernel)
    (address,) = native.compiled([emitted])
    slots = list(range(len(arrays)))
    code = native.program(len(arrays), len(arrays), [], [(address, slots, emitted.numbers)], False)
    assert native.enter(code)(*arrays) == 0
    source = Source()
    emit_python(source, kernel, "kernel", [f"b{k}" for k in slots])
    scope = {"njit": lambda f: f}
    lines = [imports(source.names), *helpers(source.names), *source.lines]
    exec("\n".join(lines), scope)
    shown = [*inputs, np.empty(n, out)]
    with np.errstate(all="ignore"):
        scope["kernel"](*shown)
    return arrays[-1], shown[-1]


@pytest.mark.parametrize("op,dtype", [*cases()], ids=lambda x: str(x))
def test_every_scalar_operation_reads_as_it_runs(op, dtype):
    if op == "select":
        choice = operands(np.dtype(bool), 1)[0]
        x = operands(dtype, 1)[0]
        inputs = [np.resize(choice, len(x)), x, x[::-1].copy()]
    else:
        inputs = operands(dtype, ARITY.get(op, 1))
    if op == "integer_pow":
        found = [
            both(op, dtype, dtype, inputs, (("y", y),))
            for y in (0, 1, 2, 3, 7, *((-1, -3) if dtype.kind == "f" else ()))
        ]
    elif op == "round":
        found = [both(op, dtype, dtype, inputs, (("rounding_method", k),)) for k in (0, 1)]
    elif op == "convert":
        targets = ("float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64", "bool")
        found = [both(op, dtype, np.dtype(name), inputs) for name in targets]
    elif op == "bitcast":
        partner = np.dtype({"f": "i", "i": "u", "u": "i"}[dtype.kind] + str(dtype.itemsize))
        found = [both(op, dtype, partner, inputs)]
    else:
        found = [both(op, dtype, np.dtype(bool) if op in COMPARISONS else dtype, inputs)]
    for machine, python in found:
        if machine.dtype.kind == "f":
            tolerance = 30 * np.finfo(machine.dtype).eps
            np.testing.assert_allclose(machine, python, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(machine, python)


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program_in_plain_python_equals_machine_code(seed):
    with mj.enable_x64():
        f, inputs = program(seed)
        closed = mj.make_jaxpr(f)(*[wrap(x) for x in inputs])
        compare(closed, inputs, None)


def compare(closed, inputs, njit):
    lowered = lower_program(closed)
    expected = compile_program(closed).run(*inputs)
    with np.errstate(all="ignore"):
        found = lowered.readable.function(njit)(*inputs)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert_close(np.asarray(a), np.asarray(b), "f32" in str(closed), lowered.readable.source)


def elementwise(x, y):
    return mnp.tanh(x @ y) * 2 + mnp.sum(x, axis=1)


def softmax(x, y):
    return mj.nn.softmax(x) * y, mnp.max(y), mnp.argsort(y)


def looped(x, y):
    total, rows = lax.scan(lambda c, row: (mnp.sin(c + row), c * row), y, x, reverse=True)
    return lax.fori_loop(0, 4, lambda i, c: c * i + y, total), rows


def branching(x, y):
    found = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, mnp.cos(c[1])), (0, y))[1]
    return lax.cond(mnp.sum(x) > 0, lambda v: v + 1.0, lambda v: v * found, y), lax.switch(
        2, [mnp.sin, mnp.cos, mnp.exp], y
    )


def gradient(x, y):
    return mj.grad(lambda w: mnp.sum(lax.scan(lambda c, row: (mnp.tanh(c * w + row), None), y, x)[0]))(y)


PROGRAMS = [elementwise, softmax, looped, branching, gradient]
X, Y = np.linspace(-1, 2, 40, dtype=np.float32).reshape(8, 5), np.linspace(0.1, 2, 5, dtype=np.float32)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("compiled", [False, True], ids=["python", "numba"])
def test_programs_with_loops_and_calls_read_as_they_run(f, compiled):
    njit = None
    if compiled:
        from numba import njit as numba_njit

        njit = numba_njit(error_model="numpy")
    compare(mj.make_jaxpr(f)(X, Y), [X, Y], njit)


def test_the_text_is_a_file_that_runs(tmp_path):
    text = mj.jit(elementwise).lower(X, Y).as_text("python")
    (tmp_path / "kernels.py").write_text(
        text + "\nfrom numpy import ones\nprint(program(ones((8, 5), float32), ones(5, float32))[0][0])\n"
    )
    shown = subprocess.run(
        [sys.executable, "-W", "error", tmp_path / "kernels.py"], capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(float(shown.stdout), np.tanh(5.0) * 2 + 5, rtol=1e-6)


def test_the_text_of_a_kernel():
    text = mj.jit(lambda x, y: mnp.sum(x * y + 1.0, axis=1) / 2.0).lower(X, Y).as_text("python")
    assert (
        """
@njit
def kernel_0(a, b, f):
    # writes f
    for i0 in range(8):
        sum1 = float32(0.0)
        for i1 in range(5):
            sum1 += a[i0 * 5 + i1] * b[i1] + float32(1.0)
        f[i0] = sum1
"""
        in text
    )


def test_what_is_used_twice_gets_a_name_and_operators_their_parentheses():
    text = mj.jit(lambda x: (mnp.sin(x) - (x - 1.0)) / (mnp.sin(x) * 2.0) - -x).lower(1.0).as_text("python")
    assert "t1 = sin(a[0])" in text
    assert "(t1 - (a[0] - float32(1.0))) / (t1 * float32(2.0)) - -a[0]" in text


def test_a_guard_and_a_call_show_their_line_and_parameters():
    text = readable(*lower_program(mj.make_jaxpr(lambda x: mnp.sort(x) if x[0] > 0 else x)(Y))).source
    assert "# sort[dimension=0 is_stable=True num_keys=1]" in text
    assert "if bool(" in text and "raise mismatch_" in text
