"""Worker threads: the same bits whatever their number, safe when many call at once and after a fork."""

from __future__ import annotations

import multiprocessing
import threading
from itertools import pairwise

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.lower import lower_program, workers
from minijax.lower.rows import is_divisible

ROWS, LENGTH = 1500, 1000  # above `workers.LARGE`, not a multiple of the parts


@pytest.fixture(autouse=True)
def _one_thread_afterwards():
    yield
    mj.config.update("minijax_num_threads", 1)


def matrix(shape=(ROWS, LENGTH)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


X = matrix()
PROGRAMS = {
    "elementwise": lambda x: mnp.tanh(x) * 2.0 + mnp.exp(-x),
    "softmax": lambda x: mj.nn.softmax(x, axis=1),
    "sums of rows": lambda x: mnp.sum(x * x, axis=1),
    "sums of columns": lambda x: mnp.sum(x * x, axis=0),
    "sum of all": lambda x: mnp.sum(mnp.sin(x)),
    "transposed": lambda x: mnp.sin(x.T) * 2.0,
    "gathered": lambda x: x[::-1] * x[mnp.arange(ROWS) * 7 % ROWS],
    "scattered": lambda x: mnp.zeros_like(x).at[mnp.arange(ROWS) % 10].add(x),
    "gradient": mj.grad(lambda x: mnp.sum(mj.nn.log_softmax(x) ** 2)),
    "several": lambda x: (mnp.cumsum(x, axis=1), mnp.max(x, axis=1), x > 0, (x * 10).astype(np.int8)),
}


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_results_do_not_depend_on_the_number_of_threads(f):
    g = mj.jit(f)
    found = []
    for count in (1, 2, 3, 7):
        mj.config.update("minijax_num_threads", count)
        found.append([np.asarray(leaf).tobytes() for leaf in mj.tree.leaves(g(X))])
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("name", ["elementwise", "softmax", "sums of rows", "transposed", "gradient"])
def test_parts_are_done_by_other_threads(name, monkeypatch):
    who = set()
    whole = workers.Divided.__call__

    def watched(self, *arrays):
        for place, parts in self.parts.items():
            self.parts[place] = [
                lambda *a, part=part: (who.add(threading.get_ident()), part(*a))[1] for part in parts
            ]
        return whole(self, *arrays)

    mj.config.update("minijax_num_threads", 3)
    g = mj.jit(PROGRAMS[name])
    expected = np.asarray(g(X))
    monkeypatch.setattr(workers.Divided, "__call__", watched)
    for _ in range(10):
        np.testing.assert_array_equal(np.asarray(g(X)), expected)
    assert len(who) > 1


def test_small_kernels_are_not_shared_out():
    mj.config.update("minijax_num_threads", 4)
    g = mj.jit(PROGRAMS["elementwise"])
    g(X[:10])
    program = lower_program(mj.make_jaxpr(PROGRAMS["elementwise"])(X[:10]))
    assert all(step.work < workers.LARGE for step in program.steps)


DIVISIBLE = {
    "elementwise": (lambda x: mnp.exp(x) + 1.0, True),
    "softmax": (lambda x: mj.nn.softmax(x), True),
    "rows": (lambda x: mnp.max(x, axis=1), True),
    "transposed": (lambda x: x.T * 2.0, True),
    "columns": (lambda x: mnp.max(x, axis=0), False),
    "all": (lambda x: mnp.sum(x), False),
}


@pytest.mark.parametrize(("f", "expected"), DIVISIBLE.values(), ids=DIVISIBLE)
def test_loops_whose_turns_meet_in_memory_are_not_divided(f, expected):
    steps = lower_program(mj.make_jaxpr(f)(X)).steps
    assert all(map(is_divisible, steps)) is expected


def test_many_threads_call_at_once():
    mj.config.update("minijax_num_threads", 2)
    g = mj.jit(PROGRAMS["softmax"])
    inputs = [X + k for k in range(8)]
    expected = [np.asarray(g(x)) for x in inputs]
    found: dict[int, np.ndarray] = {}

    def work(k):
        for _ in range(3):
            found[k] = np.asarray(g(inputs[k]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, value in enumerate(expected):
        np.testing.assert_array_equal(found[k], value)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    mj.config.update("minijax_num_threads", 2)
    g = mj.jit(PROGRAMS["elementwise"])
    expected = np.asarray(g(X))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(float(np.max(np.abs(np.asarray(g(X)) - expected)))))
    child.start()
    assert queue.get(timeout=60) == 0.0
    child.join(timeout=60)
    assert child.exitcode == 0


@pytest.mark.parametrize("turns", [1, 2, 15, 16, 31, 33, 1000, 1 << 20])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_follow_each_other_and_cover_the_loop(turns, parts):
    found = workers.bounds(turns, parts)
    assert found[0][0] == 0 and found[-1][1] == turns
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all(begin < end for begin, end in found) and len(found) <= parts


def test_the_number_is_a_positive_integer():
    with pytest.raises(ValueError, match="a positive int"):
        mj.config.update("minijax_num_threads", 0)
