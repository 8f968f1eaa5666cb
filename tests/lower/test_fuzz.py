"""Random programs, compiled, equal the same programs evaluated by NumPy. More: `python -m tests.lower.test_fuzz 10000`."""

from __future__ import annotations

import faulthandler
import sys
import warnings

import numpy as np
import pytest

import minijax as mj
from minijax.array import wrap
from minijax.interpreters.eval import eval_closed
from minijax.lower import compile_program
from tests.lower.random_programs import program

COUNT = 60


def check(seed: int) -> None:
    """Compile program number `seed` and compare all its results with NumPy's."""
    with mj.enable_x64():
        f, inputs = program(seed)
        arrays = [wrap(x) for x in inputs]
        closed = mj.make_jaxpr(f)(*arrays)
        expected = [np.asarray(x) for x in eval_closed(closed, *arrays)]
        found = compile_program(closed).run(*inputs)
    text = str(closed)
    for a, b, aval in zip(found, expected, closed.out_avals, strict=True):
        assert (a.shape, a.dtype) == (aval.shape, aval.dtype)
        assert_close(np.asarray(a), b, "float32" in text or "f32" in text, f"program {seed}:\n{text}")


def assert_close(a, b, single, message):
    if b.dtype.kind in "iub":
        np.testing.assert_array_equal(a, b, err_msg=message)
        return
    if b.dtype.kind == "V" or b.dtype.itemsize == 2:
        a, b = a.astype(np.float32), b.astype(np.float32)
    rtol = 2e-4 if single or b.real.dtype.itemsize == 4 else 1e-9
    scale = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * float(scale), err_msg=message)


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_random_program_compiled_equals_its_evaluation(seed):
    check(seed)


if __name__ == "__main__":
    faulthandler.enable()
    warnings.simplefilter("error")
    count, start = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed = 0
    for number in range(start, start + count):
        try:
            check(number)
        except Exception as error:  # report it and go on
            failed += 1
            print(f"--- {number}: {type(error).__name__}\n{str(error)[:1500]}", flush=True)
            if failed >= 5:
                break
    print(f"{count} programs, {failed} failed")
