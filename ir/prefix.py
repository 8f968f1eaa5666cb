"""Prefixes: what traces have recorded, shared by all programs that begin alike.

In: one recorded operation after the other. Out: a `Prefix`, the program so far. A prefix is the dictionary of its
continuations: recording what some trace recorded before after the same prefix is one look-up, which gives the type of
the result too, makes no equation, and ends at the same `Prefix`. So a program that repeats itself (a training loop
traces the same one at every step) is recognised without being looked at, and what interpreters worked out for it is found
on its last prefix. The prefixes are a trie (Fredkin 1960), the programs in it are hash-consed (Ershov 1958).

Results of operations are numbered 0, 1, 2, ..., inputs -1, -2, ... A trace cuts a long loop into segments (`trace.py`), each
of which begins at the root again, so that its iterations share their prefixes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .avals import ShapedArray
from .jaxpr import Atom, Eqn, Jaxpr, Literal, Var

if TYPE_CHECKING:
    from .primitive import Primitive

__all__ = ["Operand", "Piece", "Prefix", "shared_root"]

Operand = int | Literal
T = TypeVar("T")
_MEMO_LIMIT = 64


class Prefix(dict[Any, "Prefix"]):
    """A program so far: `before`, and one more operation (or input). Maps keys of operations to longer prefixes.

    Args:
        shared: keep longer prefixes, to be found again; otherwise each trace that starts here makes its own.

    Attributes:
        primitive: of the last operation; None for an input and at the root.
        operands, params: of the last operation.
        outs: avals of its results (of the input).
        aval, index: aval and number of the first of these.
        equations, results, inputs: how many there are so far.
        full: nothing is to follow; the trace begins a new segment.
        plain: no operation so far holds Jaxprs or has effects.
        memo: what interpreters keep about the programs that end here.
    """

    __slots__ = (
        "aval",
        "before",
        "equations",
        "full",
        "index",
        "inputs",
        "memo",
        "operands",
        "outs",
        "params",
        "plain",
        "primitive",
        "results",
        "shared",
    )

    def __init__(self, shared: bool = False) -> None:
        self.before: Prefix | None = None
        self.primitive: Primitive | None = None
        self.operands: tuple[Operand, ...] = ()
        self.params: dict[str, Any] = {}
        self.outs: tuple[ShapedArray, ...] = ()
        self.aval: ShapedArray | None = None
        self.index = self.equations = self.results = self.inputs = 0
        self.full = False
        self.plain = True
        self.shared = shared
        self.memo: dict[Any, Any] | None = None

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__

    def with_input(self, aval: ShapedArray) -> Prefix:
        """This program with one more input."""
        found = self.get(aval)
        if found is None:
            found = self._longer(self.shared, (aval,))
            found.inputs += 1
            found.index = -found.inputs
            found = self._kept(aval, found)
        return found

    def with_equation(
        self,
        key: Any,
        primitive: Primitive,
        operands: tuple[Operand, ...],
        params: dict[str, Any],
        outs: tuple[ShapedArray, ...],
    ) -> Prefix:
        """This program with one more operation.

        Args:
            key: what to find it by; None: neither it nor what follows is shared.
            primitive, operands, params: the operation.
            outs: avals of its results.
        """
        new = self._longer(self.shared and key is not None, outs)
        new.primitive, new.operands, new.params = primitive, operands, params
        new.index = self.results
        new.equations += 1
        new.results += len(outs)
        new.plain = self.plain and not primitive.takes_arrays
        return self._kept(key, new)

    def _longer(self, shared: bool, outs: tuple[ShapedArray, ...]) -> Prefix:
        new = Prefix(shared)
        new.before = self
        new.outs = outs
        new.aval = outs[0] if outs else None
        new.equations, new.results, new.inputs, new.plain = self.equations, self.results, self.inputs, self.plain
        return new

    def _kept(self, key: Any, new: Prefix) -> Prefix:
        if not new.shared:
            return new
        _trie.size += 1
        return self.setdefault(key, new)  # another thread may have been faster

    def since(self, earlier: Prefix | None = None) -> list[Prefix]:
        """The prefixes after `earlier` (None: the root) up to this one, in order."""
        found = []
        here: Prefix | None = self
        while here is not None and here is not earlier and here.before is not None:
            found.append(here)
            here = here.before
        found.reverse()
        return found

    def remembered(self, key: Any, make: Callable[[], T]) -> T:
        """What `memo` has for `key`; made now if it has nothing. Raises TypeError for a key without a hash."""
        memo = self.memo
        if memo is None:
            memo = self.memo = {}
        found = memo.get(key)
        if found is None:
            if len(memo) >= _MEMO_LIMIT:  # the same program from ever new code
                memo.clear()
            found = memo.setdefault(key, make())
        return found  # type: ignore[no-any-return]

    def jaxpr(self, outputs: Sequence[Operand]) -> Jaxpr:
        """The program on its own: inputs in order, `outputs` as results, no sources."""
        invars: list[Var] = []
        results: list[Var] = []

        def atom(x: Operand) -> Atom:
            return x if isinstance(x, Literal) else results[x] if x >= 0 else invars[-1 - x]

        eqns = []
        for step in self.since():
            new = [Var(aval) for aval in step.outs]
            if step.primitive is None:
                invars += new
            else:
                eqns.append(Eqn(step.primitive, [atom(x) for x in step.operands], new, step.params, None))
                results += new
        return Jaxpr((), invars, eqns, [atom(x) for x in outputs])

    def __repr__(self) -> str:
        return f"Prefix({self.equations} equations)"


class _Trie:
    """All prefixes that are kept, to a limit: then it starts anew (traces that are under way keep theirs)."""

    limit = 50_000  # prefixes, of about 500 bytes each

    def __init__(self) -> None:
        self.root = Prefix(shared=True)
        self.size = 0


_trie = _Trie()


def shared_root() -> Prefix:
    """Where programs begin that may be traced again."""
    if _trie.size > _trie.limit:
        _trie.root = Prefix(shared=True)
        _trie.size = 0
    return _trie.root


class Piece(NamedTuple):
    """A stretch of a traced program: a program of its own, whose inputs are values of earlier pieces.

    Attributes:
        prefix: its operations.
        base: the number, in the whole program, of its first result.
        origins: of each of its inputs: the number, in the whole program, of the value.
    """

    prefix: Prefix
    base: int
    origins: list[int]

    def number(self, index: int) -> int:
        """The number, in the whole program, of value number `index` of this piece."""
        return self.base + index if index >= 0 else self.origins[-1 - index]
