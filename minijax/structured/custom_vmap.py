"""`custom_vmap_call`: a call of a function whose batched form the user gives.

    b:f32[] = custom_vmap_call[jaxpr={ ... } rule=<function f_vmap> name=f] a

`rule` is a flat rule `(size, which operands are mapped, operands) -> (results, which are mapped)`; mapped values have the
batch axis in front. Differentiating the call differentiates the body, and the rule with it: the derivative of the call
is again a `custom_vmap_call`, so that `vmap` of the derivative is the derivative of the user's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..interpreters.batch import batch_values, materialize
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.transpose import transpose_jaxpr
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, Zero, aval_like, trace_function
from ..primitives._ops import zeros
from .jit import jit

__all__ = ["VmapRule", "custom_vmap_call"]

Batch = tuple[Sequence[Any], Sequence[bool]]
VmapRule = Callable[[int, Sequence[bool], Sequence[Any]], Batch]


def _traced(rule: VmapRule, size: int, mapped: Sequence[bool], avals: Sequence[ShapedArray]) -> Any:
    """(the rule as a program over the batch, which of its results are mapped)."""
    flags: Sequence[bool] = ()

    def run(*args: Any) -> Sequence[Any]:
        nonlocal flags
        outs, flags = rule(size, mapped, args)
        return outs

    program = trace_function(run, avals, purpose="vmap", name=getattr(rule, "__name__", ""))
    return program, flags


class _TangentRule:
    """The rule of a derivative, `(primals, nonzero tangents) -> (results, tangents of the differentiable ones)`."""

    __slots__ = ("__name__", "body", "nonzero", "rule")

    def __init__(self, rule: VmapRule, body: ClosedJaxpr, nonzero: Sequence[bool], name: str) -> None:
        self.rule = rule
        self.body = body  # for one example
        self.nonzero = tuple(nonzero)
        self.__name__ = name

    def __call__(self, size: int, mapped: Sequence[bool], args: Sequence[Any]) -> Batch:
        count = len(self.nonzero)
        if not any(mapped[:count]):  # many tangents at one point: the rule is about many points
            axes = [0 if flag else None for flag in mapped]
            outs, found = batch_values(self.body.jaxpr, self.body.consts, args, axes, size)
            flags = [axis is not None for axis in found]
            return [materialize(x, a, size, 0 if f else None) for x, a, f in zip(outs, found, flags)], flags
        primals, points, tangents = list(args[:count]), list(mapped[:count]), list(args[count:])
        places = [i for i, flag in enumerate(self.nonzero) if flag]
        for number, place in enumerate(places):  # a primal and its tangent are mapped together
            if points[place] and not mapped[count + number]:
                tangents[number] = materialize(tangents[number], None, size, 0)
            elif mapped[count + number] and not points[place]:
                primals[place], points[place] = materialize(primals[place], None, size, 0), True
        program, flags = _traced(self.rule, size, points, [aval_like(x) for x in primals])
        wanted = tuple(aval.is_differentiable for aval in program.out_avals)
        pushed, _ = jvp_jaxpr(program, self.nonzero, wanted)
        outs = eval_closed(pushed, *primals, *tangents)
        return outs, [*flags, *(flag for flag, keep in zip(flags, wanted, strict=True) if keep)]


class _LinearRule:
    """The rule of a derivative without its results: the tangents alone."""

    __slots__ = ("__name__", "num_outs", "rule")

    def __init__(self, rule: VmapRule, num_outs: int, name: str) -> None:
        self.rule = rule
        self.num_outs = num_outs
        self.__name__ = name

    def __call__(self, size: int, mapped: Sequence[bool], args: Sequence[Any]) -> Batch:
        outs, flags = self.rule(size, mapped, args)
        return outs[self.num_outs :], flags[self.num_outs :]


class _TransposedRule:
    """The rule of a transpose, `(known operands, nonzero cotangents) -> nonzero cotangents of the linear operands`."""

    __slots__ = ("__name__", "avals", "linear", "nonzero", "nonzero_in", "rule")

    def __init__(
        self,
        rule: VmapRule,
        avals: Sequence[ShapedArray],
        linear: Sequence[bool],
        nonzero: Sequence[bool],
        nonzero_in: Sequence[bool],
        name: str,
    ) -> None:
        self.rule = rule
        self.avals = avals
        self.linear = linear
        self.nonzero = tuple(nonzero)
        self.nonzero_in = nonzero_in
        self.__name__ = name

    def __call__(self, size: int, mapped: Sequence[bool], args: Sequence[Any]) -> Batch:
        num_known = len(self.linear) - sum(self.linear)
        flags = iter(mapped[:num_known])
        points = [True if linear else next(flags) for linear in self.linear]
        avals = [
            aval.update(shape=(size, *aval.shape)) if flag else aval
            for aval, flag in zip(self.avals, points, strict=True)
        ]
        program = trace_function(self._all_mapped(size, points), avals, purpose="vmap", name=self.__name__)
        pulled, found_nonzero = transpose_jaxpr(program, tuple(self.linear), self.nonzero)
        cts = [
            x if flag else materialize(x, None, size, 0)
            for x, flag in zip(args[num_known:], mapped[num_known:], strict=True)
        ]
        found = iter(eval_closed(pulled, *args[:num_known], *cts))
        linear_avals = [aval for aval, flag in zip(avals, self.linear, strict=True) if flag]
        parts = [next(found) if flag else None for flag in found_nonzero]
        outs = [
            zeros(aval) if part is None else part
            for part, aval, wanted in zip(parts, linear_avals, self.nonzero_in, strict=True)
            if wanted
        ]
        return outs, [True] * len(outs)

    def _all_mapped(self, size: int, points: Sequence[bool]) -> Callable[..., list[Any]]:
        def run(*args: Any) -> list[Any]:
            outs, flags = self.rule(size, points, args)
            return [x if flag else materialize(x, None, size, 0) for x, flag in zip(outs, flags, strict=True)]

        return run


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, rule: VmapRule, name: str) -> Any:
    return jit.bind(*args, jaxpr=jaxpr, name=name)


def _pushed(
    jaxpr: ClosedJaxpr, rule: VmapRule, nonzero: Sequence[bool], name: str
) -> tuple[ClosedJaxpr, _TangentRule, list[bool]]:
    """The derivative: its body, its rule, which results have a tangent."""
    differentiable = [aval.is_differentiable for aval in jaxpr.out_avals]
    body, _ = jvp_jaxpr(jaxpr, tuple(nonzero), tuple(differentiable))
    return body, _TangentRule(rule, body, nonzero, name), differentiable


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, rule: VmapRule, name: str
) -> tuple[Sequence[Any], list[Any]]:
    body, derived, differentiable = _pushed(jaxpr, rule, [type(t) is not Zero for t in tangents], name)
    given = [t for t in tangents if type(t) is not Zero]
    outs = custom_vmap_call.bind(*primals, *given, jaxpr=body, rule=derived, name=name)
    num_outs = len(differentiable)
    rest = iter(outs[num_outs:])
    flags = zip(differentiable, jaxpr.out_avals, strict=True)
    return outs[:num_outs], [next(rest) if flag else Zero(aval.tangent()) for flag, aval in flags]


def _partial_eval(
    primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, rule: VmapRule, name: str
) -> tuple[Sequence[Any], list[Any]]:
    outs = custom_vmap_call.bind(*primals, jaxpr=jaxpr, rule=rule, name=name)
    body, derived, differentiable = _pushed(jaxpr, rule, [t is not None for t in tangents], name)
    num_outs = len(differentiable)
    alone = ClosedJaxpr(body.jaxpr.replace(outvars=body.jaxpr.outvars[num_outs:]), body.consts)
    given = [t for t in tangents if t is not None]
    linear = _LinearRule(derived, num_outs, name)
    found = iter(custom_vmap_call.bind(*primals, *given, jaxpr=alone, rule=linear, name=name))
    return outs, [next(found) if flag else None for flag in differentiable]


def _transpose(ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, rule: VmapRule, name: str) -> list[Any]:
    linear = tuple(type(x) is Linear for x in args)
    nonzero = tuple(type(c) is not Zero for c in ct)
    pulled, nonzero_in = transpose_jaxpr(jaxpr, linear, nonzero)
    derived = _TransposedRule(rule, jaxpr.in_avals, linear, nonzero, nonzero_in, name)
    known = [x for x in args if type(x) is not Linear]
    given = [c for c in ct if type(c) is not Zero]
    found = iter(custom_vmap_call.bind(*known, *given, jaxpr=pulled, rule=derived, name=name))
    flags = iter(nonzero_in)
    return [next(found) if flag and next(flags) else None for flag in linear]


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    rule: VmapRule,
    name: str,
    batch_axis_name: Any = None,
) -> tuple[Sequence[Any], list[int | None]]:
    mapped = [axis is not None for axis in axes]
    given = [x if axis is None else materialize(x, axis, size, 0) for x, axis in zip(args, axes, strict=True)]
    outs, flags = rule(size, mapped, given)
    return outs, [0 if flag else None for flag in flags]


custom_vmap_call = Primitive(
    "custom_vmap_call",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    transpose=_transpose,
    batch=_batch,
    jet="inline",
    params={"jaxpr": ClosedJaxpr, "rule": object, "name": str},
    multiple_results=True,
    doc="""A call whose batched form is a rule of the user. Operands: captured values, then arguments; results as those of
    the body. d f = the derivative of the body, and of the rule under vmap.""",
)
