"""Compiled programs in other processes: loaded instead of compiled, and compiled again where the disk cannot be trusted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import minijax as mj, minijax.numpy as mnp
from minijax import lax

@mj.jit
def f(x):
    y = mnp.sin(x) * mnp.exp(-x) + mnp.sum(x)
    return lax.fori_loop(0, 5, lambda i, c: mnp.tanh(c) + i, y)

print(repr(mnp.sum(f(mnp.arange(100.0)))), "numba" in sys.modules)
"""


def run(folder, **environment):
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**os.environ, "MINIJAX_CACHE_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    result, used_numba = found.stdout.rsplit(" ", 1)
    return result, used_numba.strip() == "True"


@pytest.fixture
def compiled(tmp_path):
    result, used_numba = run(tmp_path)
    assert used_numba
    return tmp_path, result


def test_a_second_process_loads_what_the_first_compiled(compiled):
    folder, result = compiled
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert run(folder) == (result, False)
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before


def test_damaged_entries_are_compiled_again(compiled):
    folder, result = compiled
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert run(folder) == (result, True)
    assert run(folder) == (result, False)


def test_without_the_cache_everything_is_compiled(compiled, tmp_path):
    folder, result = compiled
    assert run(folder, MINIJAX_ENABLE_COMPILATION_CACHE="0") == (result, True)


def test_other_processor_features_are_other_code(compiled):
    folder, _ = compiled
    _, used_numba = run(folder, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert used_numba


def test_processes_that_compile_at_once_agree(tmp_path):
    environment = {**os.environ, "MINIJAX_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    results = {process.communicate()[0].rsplit(" ", 1)[0] for process in running}
    assert len(results) == 1 and all(process.returncode == 0 for process in running)
    assert run(tmp_path)[1] is False
