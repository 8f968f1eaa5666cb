"""Mutation check: break one derivative rule at a time, and count the breaks that the tests notice.

A break changes the sign of one rule's result, doubles it, or leaves its term out. The rules are broken in a forked process in
which the registry's checks of that primitive then run; a break that no check notices survives. Run with `make mutation`;
exits with 1 when fewer than 95 % are noticed.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import minijax  # noqa: F401  (declares the primitives)
from minijax.ir import Primitive, Zero, all_primitives, lookup
from minijax.primitives import p
from minijax.primitives._ops import like
from tests.primitives.case_table import CASES

BREAKS: dict[str, Callable[[Any], Any]] = {
    "sign": lambda t: p.neg(t),
    "factor": lambda t: p.mul(like(t, 2), t),
    "missing": lambda t: None,
}


def broken(rule: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A rule for one operand whose result is changed."""

    def apply(*args: Any, **params: Any) -> Any:
        out = rule(*args, **params)
        return None if out is None else change(out)

    return apply


def broken_at(rule: Callable[..., Any], place: int, change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A transpose rule whose cotangent at `place` is changed."""

    def apply(*args: Any, **params: Any) -> Any:
        cts = list(rule(*args, **params))
        if cts[place] is not None and type(cts[place]) is not Zero:
            cts[place] = change(cts[place])
        return cts

    return apply


def mutants() -> Iterator[tuple[str, str, str, int]]:
    """(primitive, slot, break, operand) for every derivative rule that the case table reaches."""
    covered = {case.primitive: case for case in CASES if case.operands}
    for primitive in all_primitives():
        case = covered.get(primitive.name)
        if case is None:
            continue
        inexact = [
            i for i, x in enumerate(case.operands) if getattr(x, "dtype", None) is not None and x.dtype.kind in "fc"
        ]
        wanted = inexact if case.only is None else list(case.only)
        for name in BREAKS:
            if type(primitive.jvp) is tuple:
                for place in wanted:
                    if primitive.jvp[place] is not None:
                        yield primitive.name, "jvp", name, place
            if primitive.transpose is not None:
                for place in wanted:
                    yield primitive.name, "transpose", name, place


def apply_mutant(primitive: Primitive, slot: str, change: Callable[[Any], Any], place: int) -> None:
    if slot == "jvp":
        rules = list(primitive.jvp)
        rules[place] = broken(rules[place], change)
        primitive.jvp = tuple(rules)
    else:
        primitive.transpose = broken_at(primitive.transpose, place, change)  # type: ignore[arg-type]


def survives(mutant: tuple[str, str, str, int]) -> bool:
    """Whether the registry's checks of the primitive pass although its rule is broken."""
    name, slot, change, place = mutant
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            apply_mutant(lookup(name), slot, BREAKS[change], place)
            args = ["tests/test_registry.py", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
            code = pytest.main([*args, "-k", f"({name}- or {name}) and (forward or reverse or second or adjoint)"])
        os.write(write, b"1" if code == 0 else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    answer = os.read(read, 1)
    os.close(read)
    return answer == b"1"


def main() -> int:
    """Break everything once; print the survivors and the score."""
    wanted = set(sys.argv[1:])
    found = [mutant for mutant in mutants() if not wanted or mutant[0] in wanted]
    survivors = []
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for index, (mutant, alive) in enumerate(zip(found, pool.imap(survives, found), strict=True)):
            if index % 25 == 0:
                print(f"{index} of {len(found)}", file=sys.stderr)
            if alive:
                survivors.append(mutant)
    for name, slot, change, place in survivors:
        print(f"survived: {change} in {slot} of {name}, operand {place}")
    score = 1 - len(survivors) / len(found)
    print(f"{len(found) - len(survivors)} of {len(found)} breaks noticed: {score:.1%}")
    return 0 if score >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
