"""Donated arguments: Arrays that a call takes away from its caller.

After the call a donated Array is deleted: reading it raises RuntimeError and names the call. JAX's rules: what has no result of
its shape and dtype stays, with a warning; inside of traces donation means nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..array import Array, delete
from ..errors import teach
from ..ir import ClosedJaxpr
from .specialisations import Signature, shown

__all__ = ["check_used_once", "donating", "give_away", "warn_of_unusable"]


def check_used_once(name: str, names: Sequence[str], donated: Sequence[bool], values: Sequence[Any]) -> None:
    """Raise RuntimeError if a donated Array is an argument twice."""
    for i, (flag, x) in enumerate(zip(donated, values, strict=True)):
        if flag:
            twice = [names[j] for j, y in enumerate(values) if y is x and j != i]
            if twice:
                raise RuntimeError(
                    teach(
                        f"jit({name}): {names[i]} is donated and is the argument {twice[0]} as well",
                        why="a donated array is the call's to delete",
                        do=f"pass a copy: {names[i]}.copy()",
                    )
                )


def give_away(name: str, names: Sequence[str], donated: Sequence[bool], values: Sequence[Any]) -> None:
    """Delete the donated arguments of a call that has run."""
    for flag, x, argument in zip(donated, values, names, strict=True):
        if flag and type(x) is Array:
            delete(x, f"it was donated to jit({name}) as its argument {argument}")


def donating(run: Callable[..., Any], name: str, names: Sequence[str], donated: Sequence[bool]) -> Callable[..., Any]:
    """`run`, a function of Arrays, with its donated arguments deleted after the call."""

    def run_and_delete(*arrays: Array) -> Any:
        check_used_once(name, names, donated, arrays)
        out = run(*arrays)
        give_away(name, names, donated, arrays)
        return out

    return run_and_delete


def warn_of_unusable(name: str, tree: Signature, donated: Sequence[bool], closed: ClosedJaxpr) -> None:
    """Warn of donated arguments that no result can use."""
    rest = [
        f"{argument}: {shown(aval)}"
        for argument, aval, wanted, used in zip(tree.names, closed.in_avals, tree.donated, donated, strict=True)
        if wanted and not used
    ]
    if rest:
        warnings.warn(
            teach(
                f"Some donated buffers were not usable: {', '.join(rest)}",
                why=f"no result of {name} has that shape and dtype",
                do="leave these arguments out of donate_argnums",
            ),
            UserWarning,
            stacklevel=6,
        )
