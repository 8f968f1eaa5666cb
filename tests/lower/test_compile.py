"""Compiling: what fails falls back to evaluation, what only differs in size is compiled once, and threads and forks may do it at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.lower import compile_program, driver, fuse, native, scalars


def program(x, y):
    return mnp.sin(x) * mnp.sum(y) + 1.0, mnp.sort(y)


ARGUMENTS = np.arange(4, dtype=np.float32), np.array([3.0, 1.0, 2.0], np.float32)


def refuse_text(*args):
    raise RuntimeError("LLVM IR parsing error")


BREAKAGES = {
    "an emitter writes nonsense": lambda patch: patch.setitem(
        scalars.SCALARS, "mul", scalars.Scalar(lambda lines, op, xs: lines.value("no such instruction"), "")
    ),
    "an emitter fails": lambda patch: patch.setattr(driver, "emit_step", refuse_text),
    "the compiler fails": lambda patch: patch.setattr(native, "linked", refuse_text),
    "the planner fails": lambda patch: patch.setattr(fuse._Builder, "build", refuse_text),
}


@pytest.mark.parametrize("how", BREAKAGES)
def test_a_program_that_cannot_be_compiled_is_evaluated_with_one_warning_that_reproduces_it(how, monkeypatch):
    expected = [np.asarray(v) for v in program(*map(mnp.array, ARGUMENTS))]
    BREAKAGES[how](monkeypatch)
    monkeypatch.setattr(native, "_addresses", {})
    g = mj.jit(program)
    with pytest.warns(UserWarning, match="a kernel could not be compiled") as caught:
        found = g(*ARGUMENTS)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "evaluated by NumPy instead" in message
    for _ in range(2):  # the next calls do not try again
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
        found = g(*map(mnp.array, ARGUMENTS))
    code = message.partition("reproducer:\n")[2]
    with pytest.warns(UserWarning, match="a kernel could not be compiled"):
        exec(code, {})
    monkeypatch.undo()
    exec(code, {})  # with the compiler mended, the reproducer says nothing


def test_a_reproducer_has_constants_of_the_right_types(monkeypatch):
    monkeypatch.setattr(native, "linked", refuse_text)
    monkeypatch.setattr(native, "_addresses", {})
    table = mnp.arange(5)
    with pytest.warns(UserWarning, match="a kernel could not be compiled") as caught:
        mj.jit(lambda x: x + table * 3)(mnp.ones(5))
    code = str(caught[0].message).partition("reproducer:\n")[2]
    assert re.search(r"numpy\.zeros\(\(5,\), 'float32'\)", code)
    monkeypatch.undo()
    exec(code, {})


# ------------------------------------------------------------------------------------------------------ shapes and code


def layers(q, x, y):
    for w, b in q:
        x = mnp.tanh(x @ w + b)
    return mnp.mean((x - y) ** 2)


def perceptron(batch):
    q = [(mnp.ones((20, 30)), mnp.zeros(30)), (mnp.ones((30, 10)), mnp.zeros(10))]
    return mj.value_and_grad(layers), (q, mnp.ones((batch, 20)), mnp.ones((batch, 10)))


def normalised(batch):
    return lambda x: mj.nn.softmax(x) * mnp.mean(x) + mnp.var(x, axis=0), (mnp.ones((batch, 20)),)


def recurrent(batch):
    def f(w, x):
        return lax.scan(lambda c, v: (mnp.tanh(c * w + v), mnp.sum(c)), mnp.zeros(20), x)

    return mj.grad(lambda w, x: mnp.sum(f(w, x)[0])), (mnp.ones(20), mnp.ones((batch, 20)))


@pytest.mark.parametrize("case", [perceptron, normalised, recurrent], ids=lambda f: f.__name__)
def test_another_batch_size_compiles_no_machine_code(case, monkeypatch):
    compiled = []
    linked = native.linked
    monkeypatch.setattr(native, "linked", lambda text, names: compiled.extend(names) or linked(text, names))
    f, arguments = case(50)  # equal sizes are one number of a kernel: 20 rows of 20 would be other code
    g = mj.jit(f)
    g(*arguments)
    compiled.clear()
    for batch in (100, 130, 33, 500, 77):
        _, arguments = case(batch)
        found, expected = g(*arguments), f(*arguments)
        for a, b in zip(mj.tree.leaves(found), mj.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert compiled == []


def test_constants_of_a_program_are_exact():
    values = [
        0.1,
        -0.1,
        1 / 3,
        640.0,
        1e-40,
        3.4e38,
        -1e-300,
        1e300,
        5e-324,
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        7.0,
        2.125,
        9.0,
    ]
    with mj.enable_x64():
        for value in values:
            for dtype in (np.float32, np.float64):
                with np.errstate(all="ignore"):
                    constant = dtype(value)
                g = mj.jit(lambda x, constant=constant: mnp.where(x > 0, constant, x))
                found = np.asarray(g(mnp.ones(3, dtype)))
                assert found.tobytes() == np.full(3, constant).tobytes()


# ------------------------------------------------------------------------------------------------------------- threads


def test_many_threads_compile_and_call_at_once():
    @mj.jit
    def f(x, k):
        y = mnp.tanh(x) * k if k > 0 else mnp.cos(x)
        return mnp.sum(y * x), mnp.sort(y)

    wrong, started = [], threading.Barrier(8)

    def work(seed):
        rng = np.random.default_rng(seed)
        started.wait()
        for turn in range(40):
            x = rng.standard_normal(int(rng.choice([3, 50, 40_000]))).astype(np.float32)
            k = np.float32(rng.choice([-1.0, 2.0]))
            y = np.tanh(x) * k if k > 0 else np.cos(x)
            with mj.enable_x64(bool(turn % 3 == 0)):
                total, ordered = f(mnp.asarray(x), mnp.asarray(k))
            if not (
                np.allclose(total, np.sum(y * x), rtol=1e-3, atol=1e-2)
                and np.allclose(ordered, np.sort(y), atol=1e-5)
            ):
                wrong.append((seed, turn))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert {len(tree) for tree in f.programs.values()} <= {1, 2}


def test_threads_share_what_was_compiled():
    traces = []

    def f(x):
        traces.append(1)
        return x + 1

    g = mj.jit(f)
    x = mnp.ones(5)
    g(x), g(x)
    configured = g._configured

    def work():
        for _ in range(5):
            g(x)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(traces) == 1 and g._configured is configured  # no thread made the others forget


FORKED = """
import os, threading
import numpy as np
import minijax as mj, minijax.numpy as mnp

f = mj.jit(lambda x: mnp.sum(mnp.sin(x)) + 1)
f(mnp.ones(10))
stop = threading.Event()

def busy():
    k = 0
    while not stop.is_set():  # always in the middle of compiling something
        k += 1
        mj.jit(lambda x: x * k + mnp.cos(x))(mnp.ones(3))

thread = threading.Thread(target=busy)
thread.start()
codes = []
for n in range(6):
    child = os.fork()
    if child == 0:
        old = float(f(mnp.ones(10)))
        new = float(mj.jit(lambda x: mnp.sum(mnp.exp(x)) * n)(mnp.zeros(4)))
        grad = float(mj.grad(lambda x: mnp.sin(x))(0.0))
        os._exit(0 if (abs(old - 10 * np.sin(1) - 1) < 1e-4 and new == 4 * n and grad == 1.0) else 1)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
thread.join()
print(codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX")
@pytest.mark.parametrize("cache", ["1", "0"])
def test_forked_processes_compile_and_call(cache, tmp_path):
    environment = {**os.environ, "MINIJAX_CACHE_DIR": str(tmp_path), "MINIJAX_ENABLE_COMPILATION_CACHE": cache}
    found = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert found.stdout.strip() == str([0] * 6)


def test_long_programs_let_other_threads_run():
    source = []
    original = native.program

    def watched(*args, **kwargs):
        source.append(kwargs["frees_lock"])
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "program", watched)
        for size in (10, 100_000):
            compile_program(mj.make_jaxpr(lambda x: mnp.sin(x) + 1)(mj.ShapeDtypeStruct((size,), np.float32)))
    assert source == [False, True]


def test_nothing_is_warned_of_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mj.jit(program)(*ARGUMENTS)
