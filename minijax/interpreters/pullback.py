"""pullback: reverse mode on arrays, with the rule of every equation worked out once.

In: a traced program whose values all exist. Out: its results, and cotangents of its inputs. `linearize` and
`transpose` of a one-equation program depend only on the primitive, the avals, the params and which operands carry
tangents; so both are done once per such key, and what remains per call is NumPy: `forward` gives the result and
the residuals, `backward` maps a cotangent to cotangents. The same derivative rules as everywhere, ten times faster
than applying them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Array, raw
from ..ir import ClosedJaxpr, Eqn, Jaxpr, Literal, Tracer, Var, guard, state
from .linearize import linearize_jaxpr
from .straight_line import straight_line
from .transpose import transpose_jaxpr

__all__ = ["Tape", "record_tape"]

_LIMIT = 8192
_rules: dict[Any, EquationRule | None] = {}


class EquationRule:
    """How one kind of equation is run forward with its residuals, and backward.

    `forward(*operands)` gives (results..., residuals...); `backward(mask)` the function from (residuals...,
    cotangents of the results flagged by mask) to cotangents, and which active operands these belong to.
    """

    __slots__ = ("_backward", "_linear", "forward", "num_outs", "num_residuals", "out_nonzero", "single")

    def __init__(
        self, forward: Callable[..., Any], linear: ClosedJaxpr, num_residuals: int, out_nonzero: Any
    ) -> None:
        self.forward = forward
        self.num_outs = len(out_nonzero)
        self.num_residuals = num_residuals
        self.out_nonzero = out_nonzero
        self._linear = linear
        self._backward: dict[tuple[bool, ...], Any] = {}
        self.single = self.num_outs == 1 and out_nonzero[0]

    def backward(self, mask: tuple[bool, ...]) -> tuple[Callable[..., Any], tuple[int, ...]]:
        """For cotangents at the nonzero results flagged by `mask`."""
        found = self._backward.get(mask)
        if found is None:
            flags = (False,) * self.num_residuals + (True,) * (len(self._linear.in_avals) - self.num_residuals)
            pulled, nonzero_in = transpose_jaxpr(self._linear, flags, mask)
            run = straight_line(pulled)
            assert run is not None  # the forward program had no bodies, its transpose has none
            places = tuple(i for i, flag in enumerate(nonzero_in) if flag)
            found = self._backward[mask] = (run, places)
        return found  # type: ignore[no-any-return]


def _rule(eqn: Eqn, mask: tuple[bool, ...]) -> EquationRule | None:
    """The rule for an equation whose operands flagged by `mask` carry tangents; None: use the general path."""
    key = (eqn.primitive, mask, tuple([x.aval for x in eqn.invars]), tuple(eqn.params.items()))
    try:
        return _rules[key]
    except KeyError:
        pass
    except TypeError:  # a param that cannot be hashed
        return None
    if len(_rules) >= _LIMIT:
        _rules.clear()
    rule = _rules[key] = _make_rule(eqn, mask)
    return rule


def _make_rule(eqn: Eqn, mask: tuple[bool, ...]) -> EquationRule | None:
    if eqn.primitive.takes_arrays:
        return None
    invars = [Var(x.aval) for x in eqn.invars]
    outvars = [Var(x.aval) for x in eqn.outvars]
    one = Jaxpr((), invars, (Eqn(eqn.primitive, invars, outvars, eqn.params, None),), outvars)
    split = linearize_jaxpr(ClosedJaxpr(one, ()), mask)
    forward = straight_line(split.known)
    if forward is None or any(e.primitive.takes_arrays for e in split.linear.eqns):
        return None
    return EquationRule(forward, split.linear, split.num_residuals, split.out_nonzero)


class Tape:
    """What the backward pass needs: per equation the rule, its residuals, its active operands and results."""

    __slots__ = ("active", "entries", "jaxpr", "outs")

    def __init__(self, jaxpr: Jaxpr, outs: list[Any], entries: list[Any], active: set[Var]) -> None:
        self.jaxpr = jaxpr
        self.outs = outs
        self.entries = entries
        self.active = active

    def pull(self, seed: Any) -> list[Any]:
        """Cotangents (NumPy, None for zero) of all inputs for the cotangent `seed` of the first result. Uses up the tape."""
        return state.context.run(self._pull, seed)  # type: ignore[no-any-return]

    def _pull(self, seed: Any) -> list[Any]:
        cts: dict[Any, Any] = {self.jaxpr.outvars[0]: seed}
        owned: set[Any] = set()
        entries = self.entries
        while entries:
            rule, residuals, operands, outvars = entries.pop()
            if rule.single:
                ct = cts.pop(outvars[0], None)
                if ct is None:
                    continue
                run, places = rule.backward(_ONE)
                parts = run(*residuals, ct)
            else:
                found = [cts.pop(v, None) for v, flag in zip(outvars, rule.out_nonzero, strict=True) if flag]
                mask = tuple([c is not None for c in found])
                if True not in mask:
                    continue
                run, places = rule.backward(mask)
                parts = run(*residuals, *[c for c in found if c is not None])
            for place, part in zip(places, parts, strict=True):
                var = operands[place]
                before = cts.get(var)
                if before is None:
                    cts[var] = part
                elif var in owned and type(before) is np.ndarray:
                    np.add(before, part, out=before)
                else:
                    cts[var] = np.add(before, part)
                    owned.add(var)
        return [cts.get(var) if var in self.active else None for var in self.jaxpr.invars]


_ONE = (True,)


def record_tape(jaxpr: Jaxpr, consts: Sequence[Any], primals: Sequence[Any], nonzero: Sequence[bool]) -> Tape | None:
    """Run `jaxpr` on arrays and keep what the backward pass needs.

    Returns:
        The tape, or None when the general path (`linearize_values`) must be taken: an operand is traced, or an
        equation holds Jaxprs.
    """
    if state.staging is not None:
        return None
    for x in (*consts, *primals):
        if type(x) is Tracer:
            return None
    rules = []
    active = {var for var, flag in zip(jaxpr.invars, nonzero, strict=True) if flag}
    for eqn in jaxpr.eqns:
        mask = tuple([x in active for x in eqn.invars])
        if True in mask:
            rule = _rule(eqn, mask)
            if rule is None:
                return None
            for var, flag in zip(eqn.outvars, rule.out_nonzero, strict=True):
                if flag:
                    active.add(var)
        elif eqn.primitive.takes_arrays and eqn.primitive is not guard:
            return None
        else:
            rule = None
        rules.append((rule, mask))
    return state.context.run(_run, jaxpr, consts, primals, rules, active)  # type: ignore[no-any-return]


def _run(jaxpr: Jaxpr, consts: Sequence[Any], primals: Sequence[Any], rules: list[Any], active: set[Var]) -> Tape:
    env: dict[Any, Any] = {}
    for var, x in zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *primals), strict=True):
        env[var] = raw(x)
    entries = []
    for eqn, done, (rule, mask) in zip(jaxpr.eqns, jaxpr.last_uses, rules, strict=True):
        args = [x.value if type(x) is Literal else env[x] for x in eqn.invars]
        outvars = eqn.outvars
        if rule is not None:
            results = rule.forward(*args)
            num_outs = rule.num_outs
            for var, out in zip(outvars, results):
                env[var] = out
            operands = [x for x, flag in zip(eqn.invars, mask) if flag]
            entries.append((rule, results[num_outs:], operands, outvars))
        elif eqn.primitive.multiple_results:
            if outvars:  # a guard holds: these are the values that it was recorded at
                env.update(zip(outvars, eqn.primitive.evaluate(*args, **eqn.params), strict=True))
        else:
            env[outvars[0]] = eqn.primitive.evaluate(*args, **eqn.params)
        for var in done:
            del env[var]
    outs = [Array(x.value if type(x) is Literal else env[x], x.aval) for x in jaxpr.outvars]
    return Tape(jaxpr, outs, entries, active)
