"""`custom_vjp_call`: a call of a function whose pullback the user gives; `custom_vjp_linear`: its derivative.

    b:f32[] = custom_vjp_call[jaxpr={ ... } rule=<function f> name=f num_captured=0] a

When the equation is linearized, the rule's forward function runs: (results, residuals, pullback). The linear program
gets one equation, opaque until it is transposed; then the pullback runs as ordinary operations, so that it can be
differentiated further. There is no forward mode. Cotangents that are zero reach the pullback as `Zero`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from ..errors import teach
from ..interpreters.batch import batch_jaxpr, materialize
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, aval_like
from ._bodies import retyped
from ._rules import BatchedPullback, Pullback, over_batch
from .custom_jvp import check_captured
from .jit import jit

__all__ = ["Pullback", "VjpRule", "custom_vjp_call", "custom_vjp_linear"]


class VjpRule(Protocol):
    """`(captured, arguments, which arguments have a tangent) -> (results, residuals, pullback)`."""

    def __call__(
        self, captured: Sequence[Any], primals: Sequence[Any], perturbed: Sequence[bool]
    ) -> tuple[Sequence[Any], Sequence[Any], Pullback]: ...


class _BatchedRule:
    """A rule for a batch of examples; results have the batch axis in front."""

    __slots__ = ("__name__", "axes", "axis_name", "rule", "size")

    def __init__(self, rule: VjpRule, size: int, axes: Sequence[int | None], axis_name: Any, name: str) -> None:
        self.rule = rule
        self.size = size
        self.axes = tuple(axes)
        self.axis_name = axis_name
        self.__name__ = name

    def __call__(
        self, captured: Sequence[Any], primals: Sequence[Any], perturbed: Sequence[bool]
    ) -> tuple[Sequence[Any], Sequence[Any], Pullback]:
        pull: list[Pullback] = []
        split: list[int] = []

        def flat(*args: Any) -> list[Any]:
            outs, residuals, pullback = self.rule(args[: len(captured)], args[len(captured) :], perturbed)
            pull.append(pullback)
            split.append(len(outs))
            return [*outs, *residuals]

        args = (*captured, *primals)
        found, axes = over_batch(flat, self.size, args, self.axes, self.axis_name, self.__name__)
        count = split[0]
        outs = [materialize(x, axis, self.size, 0) for x, axis in zip(found[:count], axes[:count], strict=True)]
        in_axes = self.axes[len(captured) :]
        ct_axes = [0] * sum(aval_like(x).is_differentiable for x in outs)
        pullback = BatchedPullback(pull[0], self.size, axes[count:], ct_axes, in_axes, self.axis_name)
        return outs, found[count:], pullback


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, rule: VjpRule, name: str, num_captured: int) -> Any:
    return jit.bind(*args, jaxpr=jaxpr, name=name)


def _no_forward_mode(*args: Any, name: str, **params: Any) -> NoReturn:
    raise TypeError(
        teach(
            "can't apply forward-mode autodiff (jvp) to a custom_vjp function.",
            why=f"{name} has a rule for reverse mode only",
            do="use grad, vjp or jacrev; or write the rule with minijax.custom_jvp, which serves both modes",
        )
    )


def _partial_eval(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    rule: VjpRule,
    name: str,
    num_captured: int,
) -> tuple[list[Any], list[Any]]:
    check_captured(tangents[:num_captured], "custom_vjp", name)
    given = tangents[num_captured:]
    outs, residuals, pullback = rule(primals[:num_captured], primals[num_captured:], [t is not None for t in given])
    out_avals = jaxpr.out_avals
    out_tangents = iter(
        custom_vjp_linear.bind(
            *residuals,
            *(t for t in given if t is not None),
            pullback=pullback,
            num_residuals=len(residuals),
            nonzero=tuple(t is not None for t in given),
            out_avals=tuple(aval.tangent() for aval in out_avals if aval.is_differentiable),
            name=name,
        )
    )
    results = [retyped(x, aval) for x, aval in zip(outs, out_avals, strict=True)]
    return results, [next(out_tangents) if aval.is_differentiable else None for aval in out_avals]


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    rule: VjpRule,
    name: str,
    num_captured: int,
    batch_axis_name: Any = None,
) -> tuple[list[Any], list[int | None]]:
    every = (True,) * len(jaxpr.out_avals)
    batched, out_axes = batch_jaxpr(jaxpr, size, tuple(axes), batch_axis_name, every)
    batched_rule = _BatchedRule(rule, size, axes, batch_axis_name, name)
    outs = custom_vjp_call.bind(*args, jaxpr=batched, rule=batched_rule, name=name, num_captured=num_captured)
    return outs, list(out_axes)


custom_vjp_call = Primitive(
    "custom_vjp_call",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_no_forward_mode,
    partial_eval=_partial_eval,
    batch=_batch,
    jet="inline",
    params={"jaxpr": ClosedJaxpr, "rule": object, "name": str, "num_captured": int},
    multiple_results=True,
    doc="""A call whose pullback is a rule of the user. Operands: captured values, then arguments; results as those of
    the body. Reverse mode only: ct_x = bwd(residuals, ct), residuals from fwd(x).""",
)


def _linear_abstract(
    *avals: ShapedArray, out_avals: tuple[ShapedArray, ...], **params: Any
) -> tuple[ShapedArray, ...]:
    return out_avals


def _linear_evaluate(
    *args: Any, pullback: Pullback, num_residuals: int, nonzero: Any, out_avals: Any, name: str
) -> NoReturn:
    _no_forward_mode(name=name)


def _linear_transpose(
    ct: Sequence[Any],
    *args: Any,
    pullback: Pullback,
    num_residuals: int,
    nonzero: tuple[bool, ...],
    out_avals: tuple[ShapedArray, ...],
    name: str,
) -> list[Any]:
    found = pullback(args[:num_residuals], ct)
    wanted = [c for c, flag in zip(found, nonzero, strict=True) if flag]
    typed = [
        retyped(c, x.aval) if c is not None and type(x) is Linear else None
        for c, x in zip(wanted, args[num_residuals:], strict=True)
    ]
    return [None] * num_residuals + typed


def _linear_batch(
    size: int, args: Sequence[Any], axes: Sequence[int | None], *, batch_axis_name: Any = None, **params: Any
) -> tuple[list[Any], list[int | None]]:
    count = params["num_residuals"]
    found = iter(axes[count:])
    in_axes = [next(found) if flag else None for flag in params["nonzero"]]
    ct_axes = [0] * len(params["out_avals"])
    pullback = BatchedPullback(params["pullback"], size, axes[:count], ct_axes, in_axes, batch_axis_name)
    out_avals = tuple(aval.update(shape=(size, *aval.shape)) for aval in params["out_avals"])
    outs = custom_vjp_linear.bind(*args, **{**params, "pullback": pullback, "out_avals": out_avals})
    return outs, [0] * len(outs)


custom_vjp_linear = Primitive(
    "custom_vjp_linear",
    Kind.STRUCTURED,
    abstract=_linear_abstract,
    evaluate=_linear_evaluate,
    jvp=_no_forward_mode,
    transpose=_linear_transpose,
    batch=_linear_batch,
    params={
        "pullback": object,
        "num_residuals": int,
        "nonzero": tuple,
        "out_avals": tuple,
        "name": str,
    },
    multiple_results=True,
    doc="""The derivative of a custom_vjp call, known through its transpose only. Operands: residuals, then the nonzero
    tangents; results: the tangents of the differentiable results. ct_x = pullback(residuals, ct).""",
)
