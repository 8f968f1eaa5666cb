"""Mutation check: break one rule at a time, and count the breaks that the tests notice.

Two kinds: rules of the plain primitives (`plain.py`, judged by the registry's checks), and single expressions in the text of the
equations that hold Jaxprs and of the interpreters (`sources.py`, judged by the suite's tests that reach them, `suite.py`). Run with `make mutation`; words after the
command keep the mutants whose names contain one of them. Exits with 1 when fewer than 95 % are noticed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from functools import partial

from tests.mutation.broken import FAILED, SURVIVED, Mutant, in_forks, noticed
from tests.mutation.exempt import EXEMPT
from tests.mutation.plain import plain_mutants
from tests.mutation.sources import apply_edit, edits
from tests.mutation.suite import Suite, with_suite

MODULES = (
    *(
        f"minijax.structured.{name}"
        for name in [
            "_bodies",
            "_rules",
            "callback",
            "checkpoint",
            "cond",
            "custom_jvp",
            "custom_vjp",
            "custom_vmap",
            "deferred",
            "jit",
            "linear_call",
            "linear_solve",
            "root",
            "scan",
            "scan_bodies",
            "while_",
        ]
    ),
    *(
        f"minijax.interpreters.{name}"
        for name in ["_zeros", "batch", "eval", "jvp", "linearize", "strong_zeros", "transpose"]
    ),
)
TARGETS = (
    *(
        f"tests/structured/test_{name}.py"
        for name in [
            "callback",
            "checkpoint",
            "custom_jvp",
            "custom_vjp",
            "custom_vmap",
            "linear_call",
            "linear_solve",
            "mixed_operands",
            "root",
            "rules_of_users",
        ]
    ),
    "tests/interpreters/test_strong_zeros.py",
    "tests/lax/test_bodies.py",
    "tests/lax/test_conditionals.py",
    "tests/lax/test_loops.py",
    "tests/api/test_nesting.py",
    "tests/api/test_vectorize.py",
    "tests/api/test_custom_rules.py",
    "tests/test_registry.py",
)
PATIENCE = 3.0  # seconds of tests for one mutant


def source_mutants(suite: Suite) -> Iterator[Mutant]:
    """Every edit of every function in `MODULES`."""
    for name in MODULES:
        module = importlib.import_module(name)
        for edit in edits(module):
            place = (module.__file__ or "", edit.function)
            yield Mutant(
                f"{name.removeprefix('minijax.')}.{edit.function}: {edit.text}",
                partial(apply_edit, module, edit),
                partial(suite.judge, place, PATIENCE),
            )


def survivors(mutants: Iterable[Mutant]) -> tuple[int, int]:
    """How many mutants nobody notices, of how many. Prints their names."""
    wanted = sys.argv[1:]
    found = [m for m in mutants if m.name not in EXEMPT and (not wanted or any(word in m.name for word in wanted))]
    alive = 0
    for index, (mutant, code) in enumerate(in_forks(found, noticed, seconds=30)):
        if index % 50 == 0:
            print(f"{index} of {len(found)}", file=sys.stderr)
        if code in (SURVIVED, FAILED):
            alive += 1
            print("survived:" if code == SURVIVED else "could not be made:", mutant.name, flush=True)
    return alive, len(found)


def main() -> int:
    """Break everything once; print the survivors and the score."""
    scores = [survivors(plain_mutants())]
    files = {importlib.import_module(name).__file__ or "" for name in MODULES}
    with_suite(TARGETS, files, lambda suite: scores.append(survivors(source_mutants(suite))))
    alive, count = (sum(column) for column in zip(*scores, strict=True))
    score = 1 - alive / max(count, 1)
    print(f"{count - alive} of {count} breaks noticed: {score:.1%}")
    return 0 if score >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
