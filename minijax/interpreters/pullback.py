"""pullback: reverse mode on arrays, with every derivative rule worked out once.

In: a program, and which of its inputs carry tangents. Out: how to run it forward on NumPy values, keeping residuals, and how to
pull cotangents back. `linearize` and `transpose` of a program depend only on its equations, not on values; so both are done
once, and what remains per call is NumPy. Two ways: a `Pullback` is made of the whole program; a `Tape` is a list of
pullbacks of single equations, which most programs share, so that a program seen for the first time is differentiated
ten times faster than by applying the rules anew. The derivative rules are the same as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import ClosedJaxpr, Eqn, Jaxpr, Literal, Operand, Prefix, ShapedArray, Var
from .linearize import linearize_jaxpr
from .straight_line import straight_line
from .transpose import transpose_jaxpr

__all__ = ["HasBodies", "Pullback", "Tape", "compiled"]


class Pullback:
    """A program without bodies, linearized: run forward with residuals, then backward.

    Args:
        closed: the program.
        mask: which of its inputs carry tangents.

    Raises:
        HasBodies: a derivative rule uses equations that hold Jaxprs.
    """

    __slots__ = ("_active", "_backward", "_linear", "_num_residuals", "num_outs", "out_nonzero", "run")

    def __init__(self, closed: ClosedJaxpr, mask: tuple[bool, ...]) -> None:
        split = linearize_jaxpr(closed, mask)
        if any(eqn.primitive.takes_arrays for eqn in split.linear.eqns):
            raise HasBodies
        self.run = compiled(split.known)  # gives (results..., residuals...)
        self.num_outs = len(split.out_nonzero)
        self.out_nonzero = split.out_nonzero
        self._num_residuals = split.num_residuals
        self._active = [place for place, flag in enumerate(mask) if flag]
        self._linear = split.linear
        self._backward: dict[tuple[bool, ...], tuple[Callable[..., Any], tuple[int, ...]]] = {}

    def backward(self, mask: tuple[bool, ...]) -> tuple[Callable[..., Any], tuple[int, ...]]:
        """For cotangents at the results flagged by `mask`.

        Returns:
            A function from (residuals..., these cotangents...) to cotangents of inputs, and which inputs these are.
        """
        found = self._backward.get(mask)
        if found is None:
            wanted = tuple([flag for flag, nonzero in zip(mask, self.out_nonzero, strict=True) if nonzero])
            linear = (False,) * self._num_residuals + (True,) * len(self._active)
            pulled, nonzero_in = transpose_jaxpr(self._linear, linear, wanted)
            places = tuple([place for place, flag in zip(self._active, nonzero_in, strict=True) if flag])
            found = self._backward[mask] = compiled(pulled), places
        return found

    def forward(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """Results, and what `pull` needs."""
        found = self.run(*inputs)
        return found[: self.num_outs], found[self.num_outs :]

    def pull(self, saved: Any, cts: Sequence[Any]) -> list[tuple[int, Any]]:
        """Pairs (which input, its cotangent) for cotangents of the results (None for zero, or for no tangent)."""
        run, places = self.backward(tuple([ct is not None for ct in cts]))
        return list(zip(places, run(*saved, *[ct for ct in cts if ct is not None]), strict=True))


class HasBodies(Exception):
    """A program holds equations with Jaxprs: NumPy alone does not run it."""


def compiled(closed: ClosedJaxpr) -> Callable[..., tuple[Any, ...]]:
    """The program as a function of NumPy values. Raises HasBodies."""
    run = straight_line(closed)
    if run is None:
        raise HasBodies
    return run


_LIMIT = 8192
_rules: dict[Any, Pullback | None] = {}


def _rule(step: Prefix, avals: tuple[ShapedArray, ...], mask: tuple[bool, ...]) -> Pullback:
    """The pullback of one equation on operands of types `avals`, of which those flagged by `mask` carry tangents."""
    primitive, params = step.primitive, step.params
    key = (primitive, mask, avals, tuple(params.items()))
    try:
        rule = _rules[key]
    except KeyError:
        invars, outvars = [Var(aval) for aval in avals], [Var(aval) for aval in step.outs]
        one = Jaxpr((), invars, (Eqn(primitive, invars, outvars, params, None),), outvars)
        try:
            rule = Pullback(ClosedJaxpr(one, ()), mask)
        except HasBodies:
            rule = None
        if len(_rules) >= _LIMIT:
            _rules.clear()
        _rules[key] = rule
    except TypeError:  # a param that cannot be hashed
        rule = None
    if rule is None:
        raise HasBodies
    return rule


class _Step(NamedTuple):
    """One equation of a tape. Values, literals and inputs are places in one list."""

    rule: Pullback | None  # None: no operand carries a tangent
    run: Callable[..., Any]
    params: dict[str, Any]
    operands: list[int]
    out: int
    outs: int
    done: list[int]  # what nothing reads later


class Tape:
    """A program as a list of equations, each with its rule.

    Args:
        prefix: the program.
        mask: which of its inputs carry tangents.
        outputs: numbers of its results.

    Raises:
        HasBodies: see `Pullback`.
    """

    __slots__ = ("_blank", "_outputs", "_size", "_steps", "out_nonzero", "uses")

    def __init__(self, prefix: Prefix, mask: tuple[bool, ...], outputs: Sequence[Operand]) -> None:
        self.uses = 0
        # Places: results 0, 1, ..., then literals, then the inputs backwards, so that input -1 is the last place.
        self._blank: list[Any] = [None] * prefix.results
        avals: dict[int, ShapedArray] = {}
        active = {-1 - index for index, flag in enumerate(mask) if flag}
        steps = []
        for step in prefix.since():
            avals.update((step.index + n, aval) for n, aval in enumerate(step.outs))
            if step.primitive is not None:
                steps.append(self._step(step, avals, active))
        self._outputs = [self._place(x) for x in outputs]
        self._steps = _freeing(steps, self._outputs)
        self.out_nonzero = [x in active for x in self._outputs]
        self._size = len(self._blank) + prefix.inputs

    def _place(self, x: Operand) -> int:
        if type(x) is Literal:
            self._blank.append(x.value)
            return len(self._blank) - 1
        return x

    def _step(self, step: Prefix, avals: dict[int, ShapedArray], active: set[int]) -> _Step:
        primitive = step.primitive
        operands = [self._place(x) for x in step.operands]
        mask = tuple([x in active for x in operands])
        if True not in mask:
            return _Step(None, primitive.evaluate, step.params, operands, step.index, len(step.outs), [])
        types = tuple([x.aval if type(x) is Literal else avals[x] for x in step.operands])
        rule = _rule(step, types, mask)
        active.update(step.index + n for n, flag in enumerate(rule.out_nonzero) if flag)
        return _Step(rule, rule.run, step.params, operands, step.index, len(step.outs), [])

    def forward(self, inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results, and what `pull` needs."""
        values = [*self._blank, *reversed(inputs)]
        saved = []
        for rule, run, params, operands, out, outs, done in self._steps:
            args = [values[x] for x in operands]
            if rule is not None:
                found = run(*args)
                values[out : out + outs] = found[:outs]
                saved.append(found[outs:])
            elif outs == 1:
                found = run(*args, **params)
                values[out] = found
            else:
                values[out : out + outs] = run(*args, **params)
            for x in done:
                values[x] = None
        return [values[x] for x in self._outputs], saved

    def pull(self, saved: list[Any], cts: Sequence[Any]) -> list[tuple[int, Any]]:
        """Pairs (which input, its cotangent) for cotangents of the results (None for zero). Uses up `saved`."""
        found: list[Any] = [None] * self._size
        owned: set[int] = set()  # places whose cotangents are arrays made here, which may be written to
        for x, ct in zip(self._outputs, cts, strict=True):
            _add(found, owned, x, ct)
        for rule, _, _, operands, out, outs, _ in reversed(self._steps):
            if rule is None:
                continue
            residuals = saved.pop()
            if outs == 1:
                ct = found[out]
                if ct is None:
                    continue
                found[out] = None
                run, places = rule.backward(_ONE)
                parts = run(*residuals, ct)
            else:
                given = found[out : out + outs]
                mask = tuple([ct is not None for ct in given])
                if True not in mask:
                    continue
                found[out : out + outs] = [None] * outs
                run, places = rule.backward(mask)
                parts = run(*residuals, *[ct for ct in given if ct is not None])
            for place, part in zip(places, parts):
                _add(found, owned, operands[place], part)
        inputs = range(self._size - len(self._blank))
        return [(index, found[-1 - index]) for index in inputs if found[-1 - index] is not None]


_ONE = (True,)


def _add(cts: list[Any], owned: set[int], place: int, part: Any) -> None:
    """Add to the cotangent at `place`."""
    before = cts[place]
    if before is None:
        cts[place] = part
    elif part is None:
        pass
    elif place in owned and type(before) is np.ndarray:
        np.add(before, part, out=before)
    else:
        cts[place] = np.add(before, part)
        owned.add(place)


def _freeing(steps: list[_Step], outputs: Sequence[int]) -> list[_Step]:
    """`steps`, each with the places that nothing after it reads."""
    seen = set(outputs)
    for step in reversed(steps):
        for x in (*step.operands, *range(step.out, step.out + step.outs)):
            if x not in seen:
                seen.add(x)
                step.done.append(x)
    return steps
