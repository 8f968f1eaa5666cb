"""static_argnums and donate_argnums: positions and names of parameters, each completed from the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ._calls import function_name

__all__ = ["both_ways", "check_disjoint"]


def both_ways(
    fun: Callable[..., Any], what: str, argnums: tuple[int, ...], argnames: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names, each completed from the other through the signature.

    Args:
        fun: the function.
        what: "static" or "donate".
        argnums, argnames: as the user gave them.

    Raises:
        ValueError: there is no such parameter.
    """
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return argnums, argnames
    by_position = [q.name for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]
    unknown = [n for n in argnames if n not in {q.name for q in parameters}]
    if unknown and not any(q.kind is q.VAR_KEYWORD for q in parameters):
        raise ValueError(f"jit of {function_name(fun)}: {what}_argnames {unknown} are not parameters of the function")
    count = len(by_position)
    outside = [n for n in argnums if not -count <= n < count]
    if outside and what == "donate" and not any(q.kind is q.VAR_POSITIONAL for q in parameters):
        raise ValueError(
            f"jit of {function_name(fun)}: {what}_argnums {outside}, but the function takes {count} positional arguments"
        )
    names = tuple(dict.fromkeys((*argnames, *(by_position[n] for n in argnums if -count <= n < count))))
    nums = tuple(dict.fromkeys((*argnums, *(by_position.index(n) for n in argnames if n in by_position))))
    return nums, names


def check_disjoint(static: tuple[str, ...], donated: tuple[str, ...]) -> None:
    """Raise ValueError if an argument is static and donated."""
    both = sorted({*static} & {*donated})
    if both:
        raise ValueError(f"static_argnames and donate_argnames cannot intersect: {both} are in both")
