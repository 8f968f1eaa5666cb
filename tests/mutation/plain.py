"""Broken rules of the plain primitives.

A derivative rule gets the other sign, is doubled, or loses its term, one operand at a time; a batch rule says another axis than
the one where the batch is, or that there is none. The registry's checks of that primitive have to notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import minijax
from minijax.ir import Zero, all_primitives, lookup
from minijax.primitives import p
from minijax.primitives._ops import like
from tests import test_registry as registry
from tests.mutation.broken import Mutant
from tests.primitives.case_table import CASES, Case

__all__ = ["AXES", "BREAKS", "plain_mutants"]

Rule = Callable[..., Any]

BREAKS: dict[str, Callable[[Any], Any]] = {
    "sign": lambda t: p.neg(t),
    "factor": lambda t: p.mul(like(t, 2), t),
    "missing": lambda t: None,
}

DERIVATIVES = (
    registry.test_forward_mode_equals_finite_differences,
    registry.test_reverse_mode_is_the_transpose_of_forward_mode,
    registry.test_transposes_are_adjoint_in_each_operand_alone,
    registry.test_second_derivatives_agree_in_both_orders_and_with_finite_differences,
)
BATCHING = (registry.test_batching_equals_a_loop,)


def _next_axis(x: Any, axis: int | None) -> int | None:
    """Another axis of the same length, or any other."""
    if axis is None or x.ndim == 1:
        return None
    others = [i for i in range(x.ndim) if i != axis]
    return next((i for i in others if x.shape[i] == x.shape[axis]), others[0])


# (primitive, operand): not linear in it, so its transpose rule raises or gives no cotangent there; nothing to break
NOT_LINEAR = {("div", 1), ("scatter_mul", 2), ("triangular_solve", 0)}

AXES: dict[str, Callable[[Any, int | None], int | None]] = {
    "next axis": _next_axis,
    "no axis": lambda x, axis: None,
}


def broken(rule: Rule, change: Callable[[Any], Any]) -> Rule:
    """A rule for one operand whose result is changed."""

    def apply(*args: Any, **params: Any) -> Any:
        out = rule(*args, **params)
        return None if out is None else change(out)

    return apply


def broken_at(rule: Rule, place: int, change: Callable[[Any], Any]) -> Rule:
    """A transpose rule whose cotangent at `place` is changed."""

    def apply(*args: Any, **params: Any) -> Any:
        cts = list(rule(*args, **params))
        if cts[place] is not None and type(cts[place]) is not Zero:
            cts[place] = change(cts[place])
        return cts

    return apply


def broken_axis(rule: Rule, several: bool, change: Callable[[Any, int | None], int | None]) -> Rule:
    """A batch rule that is wrong about where the batch is."""

    def apply(*args: Any, **params: Any) -> Any:
        out, axis = rule(*args, **params)
        if not several:
            return out, change(out, axis)
        return out, [change(x, a) for x, a in zip(out, axis, strict=True)]

    return apply


def plain_mutants() -> Iterator[Mutant]:
    """Every rule of a plain primitive that the case table reaches, in every way."""
    covered = {case.primitive: case for case in CASES if case.operands}
    for primitive in all_primitives():
        case = covered.get(primitive.name)
        if case is None:
            continue
        for name, change in BREAKS.items():
            for place in _places(case):
                if type(primitive.jvp) is tuple and primitive.jvp[place] is not None:
                    yield _mutant(
                        case.primitive, f"{name} in jvp, operand {place}", DERIVATIVES, "jvp", place, change
                    )
                if primitive.transpose is not None and (primitive.name, place) not in NOT_LINEAR:
                    text = f"{name} in transpose, operand {place}"
                    yield _mutant(case.primitive, text, DERIVATIVES, "transpose", place, change)
        if primitive.batch is not None:
            for name, axis_change in AXES.items():
                yield _mutant(case.primitive, f"{name} in batch", BATCHING, "batch", 0, axis_change)


def _places(case: Case) -> list[int]:
    if case.only is not None:
        return list(case.only)
    return [i for i, x in enumerate(case.operands) if getattr(x, "dtype", np.dtype(bool)).kind in "fc"]


def _mutant(name: str, text: str, checks: Any, slot: str, place: int, change: Any) -> Mutant:
    return Mutant(f"{name}: {text}", partial(_apply, name, slot, place, change), partial(_run, name, checks))


def _apply(name: str, slot: str, place: int, change: Any) -> None:
    primitive = lookup(name)
    if slot == "jvp":
        rules = list(primitive.jvp)
        rules[place] = broken(rules[place], change)
        primitive.jvp = tuple(rules)
    elif slot == "transpose":
        primitive.transpose = broken_at(primitive.transpose, place, change)  # type: ignore[arg-type]
    else:
        primitive.batch = broken_axis(primitive.batch, primitive.multiple_results, change)  # type: ignore[arg-type]


def _run(name: str, checks: Any) -> None:
    """The registry's checks of a primitive, on each of its rows."""
    with minijax.enable_x64():
        for check in checks:
            for case in CASES:
                if case.primitive == name and registry.applies(check, case):
                    check(case)
