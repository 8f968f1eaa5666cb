"""Rewriting: apply the primitives' own `simplify` rules.

In: a ClosedJaxpr. Out: one in which no rule applies any more. A rule is a function of one equation, seen through a
`View`, that returns what the equation can be replaced by: an operand or literal, another operation on
existing operands, or None. It must keep the value bit by bit, for -0.0, inf and nan too: `x * 1` is `x`, but `x + 0`
is not (-0.0 + 0.0 is 0.0), and `x * 0` is not 0. The driver refuses a replacement of another type (shape, dtype or
weak type), so that rules need not look.

Forms that families share are here, so that a declaration says `simplify=[unit(1)]` or `[compose_transposes]`.

One walk forward is enough: rules look at operands, which are in normal form by the time they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from ..avals import ShapedArray
from ..jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from ..primitive import lookup
from ..walk import map_sub_jaxprs, resolved, with_operands
from .cse import literal_key

__all__ = [
    "Operation",
    "Rule",
    "View",
    "compose_broadcasts",
    "compose_reshapes",
    "compose_transposes",
    "identity_if_same_type",
    "involution",
    "known_case",
    "rewrite",
    "scalar_operands",
    "unit",
]

_MAX_STEPS = 64  # replacements of one equation: rules that undo each other must not loop for ever


class Operation(NamedTuple):
    """What to compute instead: `primitive[params] operands`."""

    primitive: str
    operands: tuple[Atom, ...]
    params: dict[str, Any]


class View:
    """An equation as its rules see it. `operands`, `params`, `aval` (of its result)."""

    __slots__ = ("_producers", "aval", "eqn", "operands", "params")

    def __init__(self, eqn: Eqn, producers: dict[Var, Eqn]) -> None:
        self.eqn = eqn
        self.operands = eqn.invars
        self.params = eqn.params
        self.aval: ShapedArray = eqn.outvars[0].aval
        self._producers = producers

    def literal(self, index: int) -> Any:
        """The NumPy scalar that operand `index` is, None if it is not a literal."""
        operand = self.operands[index]
        return operand.value if type(operand) is Literal else None

    def made_by(self, index: int, primitive: str) -> View | None:
        """The equation that made operand `index`, if it is a `primitive` equation."""
        operand = self.operands[index]
        eqn = None if type(operand) is Literal else self._producers.get(operand)  # type: ignore[arg-type]
        if eqn is None or eqn.primitive.name != primitive:
            return None
        return View(eqn, self._producers)


Rule = Callable[[View], Atom | Operation | None]


def unit(value: complex, *, left: bool = True, complex_too: bool = True) -> Rule:
    """`op(x, value) -> x`, and `op(value, x) -> x` if `left`: 1 for products, -0.0 for sums.

    Args:
        value: the neutral element; the sign of a zero counts (`x + -0.0` is x, `-0.0 + 0.0` is not -0.0).
        left: whether it is neutral on the left side too.
        complex_too: whether it is neutral for complex numbers: 1 is not, since (inf + 0j) * (1 + 0j) has a nan.
    """

    def rule(view: View) -> Atom | None:
        if view.aval.dtype.kind == "c" and not complex_too:
            return None
        x, y = view.operands
        if _has_bits(y, value):
            return x
        return y if left and _has_bits(x, value) else None

    return rule


def _has_bits(atom: Atom, value: complex) -> bool:
    if type(atom) is not Literal or atom.aval.dtype.kind == "b":
        return False
    wanted = Literal(np.asarray(value).astype(atom.aval.dtype)[()], atom.aval)
    return literal_key(atom) == literal_key(wanted)


def involution(view: View) -> Atom | None:
    """`op(op(x)) -> x`."""
    inner = view.made_by(0, view.eqn.primitive.name)
    return None if inner is None or inner.params != view.params else inner.operands[0]


def identity_if_same_type(view: View) -> Atom | None:
    """`op(x) -> x` for operations that only change the type (convert, reshape, broadcast), when they do not."""
    return view.operands[0] if view.operands[0].aval is view.aval else None


def compose_transposes(view: View) -> Atom | Operation | None:
    """A transposition that moves nothing is its operand; two in a row are one."""
    permutation = view.params["permutation"]
    if permutation == tuple(range(len(permutation))):
        return view.operands[0]
    inner = view.made_by(0, view.eqn.primitive.name)
    if inner is None:
        return None
    composed = tuple(inner.params["permutation"][axis] for axis in permutation)
    return Operation(view.eqn.primitive.name, (inner.operands[0],), {"permutation": composed})


def compose_reshapes(view: View) -> Atom | Operation | None:
    """A reshape to the same shape is its operand; of two in a row only the last shape matters."""
    if view.params.get("dimensions") is not None:
        return None
    if view.operands[0].aval is view.aval:
        return view.operands[0]
    inner = view.made_by(0, view.eqn.primitive.name)
    if inner is None:
        return None
    params = {**inner.params, "new_sizes": view.params["new_sizes"]}
    return Operation(view.eqn.primitive.name, (inner.operands[0],), params)


def compose_broadcasts(view: View) -> Atom | Operation | None:
    """A broadcast to the same shape is its operand; two in a row are one."""
    if view.operands[0].aval is view.aval:
        return view.operands[0]
    inner = view.made_by(0, view.eqn.primitive.name)
    if inner is None:
        return None
    outer_axes = view.params["broadcast_dimensions"]
    axes = tuple(outer_axes[axis] for axis in inner.params["broadcast_dimensions"])
    params = {"shape": view.params["shape"], "broadcast_dimensions": axes}
    return Operation(view.eqn.primitive.name, (inner.operands[0],), params)


def scalar_operands(view: View) -> Operation | None:
    """`op(broadcast(s), x) -> op(s, x)` for a scalar s: elementwise operations broadcast scalars by themselves."""
    operands = list(view.operands)
    for index in range(len(operands)):
        inner = view.made_by(index, "broadcast_in_dim")
        if inner is not None and not inner.operands[0].aval.shape:
            others = operands[:index] + operands[index + 1 :]
            if any(other.aval.shape == view.aval.shape for other in others):
                operands[index] = inner.operands[0]
                return Operation(view.eqn.primitive.name, tuple(operands), view.params)
    return None


def known_case(view: View) -> Atom | None:
    """A selection by a literal, or among one and the same value."""
    cases = view.operands[1:]
    which = view.literal(0)
    if which is not None and 0 <= int(which) < len(cases):
        return cases[int(which)]
    return cases[0] if all(case is cases[0] for case in cases) else None


def rewrite(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` with the `simplify` rules of its primitives applied until none applies, also inside sub-Jaxprs."""
    return _Rewriter().program(closed)


class _Rewriter:
    def __init__(self) -> None:
        self.bodies: dict[Hashable, tuple[ClosedJaxpr, ClosedJaxpr]] = {}  # the originals too: they keep their ids

    def program(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        found = self.bodies.get(id(closed))
        if found is None:
            found = self.bodies[id(closed)] = (closed, self._rewritten(closed))
        return found[1]

    def _rewritten(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        jaxpr = closed.jaxpr
        mapping: dict[Var, Atom] = {}
        producers: dict[Var, Eqn] = {}
        eqns: list[Eqn] = []
        for eqn in jaxpr.eqns:
            new = map_sub_jaxprs(eqn, self.program)
            if mapping:
                new = with_operands(new, [resolved(x, mapping) for x in new.invars])
            if new.primitive.simplify and len(new.outvars) == 1 and not new.effects:
                result = _normal_form(new, producers)
                if not isinstance(result, Eqn):
                    mapping[new.outvars[0]] = result
                    continue
                new = result
            eqns.append(new)
            if not new.effects:
                producers.update((var, new) for var in new.outvars)
        if len(eqns) == len(jaxpr.eqns) and all(new is old for new, old in zip(eqns, jaxpr.eqns, strict=True)):
            return closed
        outvars = [resolved(x, mapping) for x in jaxpr.outvars]
        return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, eqns, outvars, jaxpr.names), closed.consts)


def _normal_form(eqn: Eqn, producers: dict[Var, Eqn]) -> Eqn | Atom:
    """The equation, or the atom that stands for its result, once no rule applies."""
    for _ in range(_MAX_STEPS):
        found = _rewritten_once(eqn, producers)
        if found is None:
            return eqn
        if not isinstance(found, Eqn):
            return found
        eqn = found
    return eqn


def _rewritten_once(eqn: Eqn, producers: dict[Var, Eqn]) -> Eqn | Atom | None:
    """What the first rule that applies makes of the equation."""
    for rule in eqn.primitive.simplify:
        found = _applied(rule, eqn, producers)
        if found is not None:
            return found
    return None


def _applied(rule: Rule, eqn: Eqn, producers: dict[Var, Eqn]) -> Eqn | Atom | None:
    """What a rule makes of an equation; None if it does not apply or would change the type of the result."""
    result = rule(View(eqn, producers))
    (out,) = eqn.outvars
    if result is None:
        return None
    if isinstance(result, Operation):
        primitive = lookup(result.primitive)
        avals = [x.aval for x in result.operands]
        if primitive.abstract(*avals, **result.params) is not out.aval:
            return None
        return Eqn(primitive, result.operands, eqn.outvars, result.params, eqn.source, primitive.effects)
    return result if result.aval is out.aval else None
