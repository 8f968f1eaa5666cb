"""Guards: the Python decisions that a traced program depends on.

When Python asks a traced value for a bool, an int or its value, the trace records an equation
`guard[kind=bool, value=True] v`: this program is what the function does *while v is True*. The arm that was
taken, and the text of the arm that was not, are worked out from the equation's source when somebody looks
(`branches.py`). Guards have an effect, so that no pass drops them; they carry no tangent. The programs that `jit` keeps
for one signature form a `GuardTree`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .avals import ShapedArray
from .effects import GUARD
from .jaxpr import ClosedJaxpr, Eqn, Literal
from .primitive import Kind, Primitive

__all__ = ["GuardMismatch", "GuardNode", "GuardTree", "guard", "guards_of", "outcome_of"]


class GuardMismatch(Exception):
    """Raised while evaluating a program whose guard no longer holds.

    Attributes:
        kind, expected: of the guard.
        outcome: what it is now.
        index: which of the program's guards it is; None where that is not known.
    """

    def __init__(self, kind: str, expected: Any, outcome: Any, index: int | None = None) -> None:
        super().__init__(f"guard on {kind}: recorded {expected}, now {outcome}")
        self.kind = kind
        self.expected = expected
        self.outcome = outcome
        self.index = index


def outcome_of(kind: str, value: Any) -> Any:
    """What Python sees when it asks `value` (NumPy) for a bool, an int, or its value."""
    if kind == "bool":
        return bool(value)
    if kind == "int":
        return int(value)
    return np.asarray(value).tolist() if value.ndim else value.item()


def _guard_abstract(aval: ShapedArray, *, kind: str, value: Any) -> tuple[()]:
    return ()


def _guard_evaluate(x: Any, *, kind: str, value: Any) -> tuple[()]:
    x = np.asarray(x.value if type(x) is Literal else x)
    if kind == "value":  # a constant taken out of the program: nothing to compare
        return ()
    outcome = outcome_of(kind, x)
    if outcome != value:
        raise GuardMismatch(kind, value, outcome)
    return ()


def _guard_batch(size: int, args: Any, axes: Any, **params: Any) -> tuple[list[Any], list[Any]]:
    guard.bind(*args, **params)
    return [], []


guard = Primitive(
    "guard",
    Kind.EFFECT,
    abstract=_guard_abstract,
    evaluate=_guard_evaluate,
    jvp=None,
    batch=_guard_batch,
    params={"kind": str, "value": object},
    multiple_results=True,
    effects=frozenset({GUARD}),
    doc="""The program is valid while its operand keeps the recorded outcome. x: any shape () -> no outputs.
    No derivative: which arm is taken is piecewise constant in the inputs.""",
)


def guards_of(jaxpr: ClosedJaxpr) -> list[Eqn]:
    """The guard equations at the top level of a program, in order."""
    return [eqn for eqn in jaxpr.eqns if eqn.primitive is guard]


class GuardNode:
    """A question, and what followed from each answer to it; or, at the end, a leaf.

    Attributes:
        guard: the equation that asks; None at a leaf, and before anything is known.
        children: node by outcome.
        leaf: what is kept for this way through the program.
    """

    __slots__ = ("children", "guard", "leaf")

    def __init__(self) -> None:
        self.guard: Eqn | None = None
        self.children: dict[Any, GuardNode] = {}
        self.leaf: Any = None


class GuardTree:
    """The specialisations of one signature, by the outcomes of their guards.

    Tracing is deterministic: two specialisations ask the same questions until one is answered differently. So they form a
    tree, and a program whose guard number `k` failed tells the answers to questions 0 to `k` for the present inputs. The leaf
    that has those answers is tried next; every try knows more answers than the one before, so that it ends (the
    trace trees of Gal & Franz 2006, without machine code for the tree itself).

    Leaves are objects with the attributes `outcomes` (a tuple) and `hits`.

    Attributes:
        recent: the leaf that ran last; it is tried first.
    """

    __slots__ = ("_leaves", "recent", "root")

    def __init__(self) -> None:
        self.root = GuardNode()
        self.recent: Any = None
        self._leaves: list[Any] = []

    def __len__(self) -> int:
        return len(self._leaves)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._leaves)

    @property
    def hits(self) -> int:
        """How many calls ran one of its leaves."""
        return sum(leaf.hits for leaf in self._leaves)

    def insert(self, leaf: Any, guards: Sequence[Eqn]) -> None:
        """Add a leaf, whose outcomes are answers to `guards`; it takes the place of one with the same answers."""
        node = self.root
        for eqn, outcome in zip(guards, leaf.outcomes, strict=True):
            if node.guard is None:
                node.guard = eqn
            node = node.children.setdefault(outcome, GuardNode())
        if node.leaf is not None:
            leaf.hits += node.leaf.hits
            self._leaves.remove(node.leaf)
        node.leaf = leaf
        self._leaves.append(leaf)
        self.recent = leaf

    def after(self, leaf: Any, mismatch: GuardMismatch) -> tuple[Any, Eqn | None]:
        """What to try when `leaf` met a guard that does not hold.

        Returns:
            (a leaf with the answers that are known now, or None; the guard that failed, where it is known).
        """
        if mismatch.index is None:  # evaluated equation by equation: any other leaf may be the one
            return None, None
        node = self.root
        for outcome in leaf.outcomes[: mismatch.index]:
            node = node.children[outcome]
        failed = node.guard
        below = node.children.get(mismatch.outcome)
        while below is not None and below.leaf is None:
            below = max(below.children.values(), key=_hits)
        return (None if below is None else below.leaf), failed


def _hits(node: GuardNode) -> int:
    """How many calls went through a node."""
    total, work = 0, [node]
    while work:
        node = work.pop()
        total += node.leaf.hits if node.leaf is not None else 0
        work.extend(node.children.values())
    return total
