"""What `jit` keeps: for each signature a tree of compiled programs, one per way through the Python branches.

Key             what a signature is: structure, avals, static arguments, configuration, mapped axes
Signature       the `GuardTree` of a key, and how to call its arguments in messages
Specialisation  a leaf: one traced program, and how often it ran
why_compiled    what differs from what was compiled before, in words (`jax_log_compiles`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..ir import ClosedJaxpr, Eqn, GuardTree, ShapedArray

__all__ = ["Key", "Signature", "Specialisation", "outcomes_of", "shown", "usable"]


class Key(NamedTuple):
    """What a program is compiled for.

    Attributes:
        structure: of `(args, kwargs)` without static arguments.
        avals: of the flat arguments.
        statics: values of static positional arguments.
        named: (name, value) of static keyword arguments.
        kinds: types of the static values: 1 and 1.0 and True are equal, but not the same argument.
        flags: the configuration.
        axes: (name, size) of the axes mapped around the call.
    """

    structure: Any
    avals: tuple[ShapedArray, ...]
    statics: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]
    kinds: tuple[Any, ...]
    flags: tuple[Any, ...]
    axes: tuple[Any, ...]


class Specialisation:
    """One traced program of a signature.

    Attributes:
        closed: the program.
        out_tree: the structure of its result.
        outcomes: the answers to its guards.
        donated: for each flat argument, whether its memory is given away.
        hits: how many calls ran it.
        run: for calls with Arrays alone, `(*Arrays) -> result`; None until it has been made.
    """

    __slots__ = ("closed", "donated", "hits", "out_tree", "outcomes", "run")

    def __init__(
        self, closed: ClosedJaxpr, out_tree: Any, outcomes: tuple[Any, ...], donated: tuple[bool, ...]
    ) -> None:
        self.closed = closed
        self.out_tree = out_tree
        self.outcomes = outcomes
        self.donated = donated
        self.hits = 0
        self.run: Callable[..., Any] | None = None


class Signature(GuardTree):
    """The specialisations of one key; `names` and `donated` of its flat arguments."""

    __slots__ = ("donated", "names")

    def __init__(self, names: Sequence[str], donated: tuple[bool, ...]) -> None:
        super().__init__()
        self.names = names
        self.donated = donated


def outcomes_of(guards: Iterable[Eqn]) -> tuple[Any, ...]:
    """The answers that a program was traced with; a value that became a constant is compared with nothing."""
    return tuple([None if eqn.params["kind"] == "value" else eqn.params["value"] for eqn in guards])


def usable(donated: Sequence[bool], given: Sequence[ShapedArray], wanted: Sequence[ShapedArray]) -> tuple[bool, ...]:
    """Which donated arguments have a result of their shape and dtype, each result used once."""
    free = [(a.shape, a.dtype) for a in wanted]
    found = []
    for flag, aval in zip(donated, given, strict=True):
        fits = flag and (aval.shape, aval.dtype) in free
        if fits:
            free.remove((aval.shape, aval.dtype))
        found.append(fits)
    return tuple(found)


def shown(aval: ShapedArray) -> str:
    """`f32[3]`, `weak f32[]`."""
    return f"weak {aval.str_short()}" if aval.weak_type else aval.str_short()
