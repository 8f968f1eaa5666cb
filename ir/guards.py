"""Guards: the Python decisions that a traced program depends on.

When Python asks a traced value for a bool, an int or its value, the trace records an equation
`guard[kind=bool, value=True] v`: this program is what the function does *while v is True*. The arm that was
taken, and the text of the arm that was not, are worked out from the equation's source when somebody looks
(`branches.py`). Guards have an effect, so that no pass drops them; they carry no tangent.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .avals import ShapedArray
from .effects import GUARD
from .jaxpr import ClosedJaxpr, Eqn, Literal
from .primitive import Kind, Primitive

__all__ = ["GuardMismatch", "guard", "guards_of", "outcome_of"]


class GuardMismatch(Exception):
    """Raised while evaluating a program whose guard no longer holds. `equation`, `outcome`: which, and what it is now."""

    def __init__(self, kind: str, expected: Any, outcome: Any) -> None:
        super().__init__(f"guard on {kind}: recorded {expected}, now {outcome}")
        self.kind = kind
        self.expected = expected
        self.outcome = outcome


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
