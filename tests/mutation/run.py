"""Mutation check: break one derivative rule at a time, and count the breaks that the tests notice.

A break changes the sign of one rule's result, doubles it, or leaves its term out. The rules are broken in a forked process in
which the registry's checks of that primitive then run; a break that no check notices survives. Run with `make mutation`;
exits with 1 when fewer than 95 % are noticed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import minijax
from minijax.ir import Primitive, Zero, all_primitives, lookup
from minijax.primitives import p
from minijax.primitives._ops import like
from tests import test_registry as registry
from tests.primitives.case_table import CASES

BREAKS: dict[str, Callable[[Any], Any]] = {
    "sign": lambda t: p.neg(t),
    "factor": lambda t: p.mul(like(t, 2), t),
    "missing": lambda t: None,
}

CHECKS = (
    registry.test_forward_mode_equals_finite_differences,
    registry.test_reverse_mode_is_the_transpose_of_forward_mode,
    registry.test_transposes_are_adjoint_in_each_operand_alone,
    registry.test_second_derivatives_agree_in_both_orders_and_with_finite_differences,
)


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


def checks_of(name: str) -> Iterator[Callable[[], None]]:
    """The registry's derivative checks of a primitive, on each of its rows."""
    for check in CHECKS:
        for case in CASES:
            if case.primitive == name and registry.applies(check, case):
                yield partial(check, case)


def survives(mutant: tuple[str, str, str, int]) -> bool:
    """Whether the registry's checks of the primitive pass although its rule is broken.

    They are called in a forked process, not collected by pytest: a mutant costs its checks, and nothing else.
    """
    name, slot, change, place = mutant
    child = os.fork()
    if child == 0:
        noticed = False
        try:
            apply_mutant(lookup(name), slot, BREAKS[change], place)
            with minijax.enable_x64():
                for check in checks_of(name):
                    check()
        except BaseException:  # whatever a broken rule leads to, somebody has noticed
            noticed = True
        finally:
            os._exit(1 if noticed else 0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


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
