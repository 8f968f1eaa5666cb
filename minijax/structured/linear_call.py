"""`linear_call`: a call of a linear function whose transpose the user gives.

    b:f32[] = linear_call[jaxpr={ ... } transpose=<function t> num_residuals=1 name=f] r a

Operands: residuals, in which the function need not be linear, then what it is linear in. `transpose` is a flat rule
`(residuals, cotangents) -> cotangents`. The transpose of the equation is a `linear_call` again, of the rule, whose own
transpose is the body: so transposing twice gives back the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..interpreters._zeros import add_tangents, instantiate
from ..interpreters.batch import batch_jaxpr
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, Zero, aval_like, trace_function
from ._rules import BatchedPullback
from .jit import jit

__all__ = ["TransposeRule", "linear_call"]

TransposeRule = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]


class _BodyAsRule:
    """The body of an equation, as the rule of its transpose."""

    __slots__ = ("__name__", "jaxpr")

    def __init__(self, jaxpr: ClosedJaxpr, name: str) -> None:
        self.jaxpr = jaxpr
        self.__name__ = name

    def __call__(self, residuals: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        return eval_closed(self.jaxpr, *residuals, *xs)


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, transpose: TransposeRule, num_residuals: int, name: str) -> Any:
    return jit.bind(*args, jaxpr=jaxpr, name=name)


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    transpose: TransposeRule,
    num_residuals: int,
    name: str,
) -> tuple[list[Any], list[Any]]:
    params = {"jaxpr": jaxpr, "transpose": transpose, "num_residuals": num_residuals, "name": name}
    outs = linear_call.bind(*primals, **params)
    out_tangents: list[Any] = [None] * len(outs)
    moved, given = tangents[:num_residuals], tangents[num_residuals:]
    if any(type(t) is not Zero for t in given):
        full = [instantiate(t, aval_like(x)) for t, x in zip(given, primals[num_residuals:], strict=True)]
        out_tangents = linear_call.bind(*primals[:num_residuals], *full, **params)
    nonzero = [type(t) is not Zero for t in moved]
    if any(nonzero):  # the body says how the result depends on the residuals
        pushed, out_nonzero = jvp_jaxpr(jaxpr, (*nonzero, *(False for _ in given)))
        found = jit.bind(*primals, *(t for t in moved if type(t) is not Zero), jaxpr=pushed, name=name)
        rest = iter(found[len(outs) :])
        parts = [next(rest) if flag else None for flag in out_nonzero]
        out_tangents = [add_tangents(a, b) for a, b in zip(out_tangents, parts, strict=True)]
    return outs, out_tangents


def _transpose(
    ct: Sequence[Any],
    *args: Any,
    jaxpr: ClosedJaxpr,
    transpose: TransposeRule,
    num_residuals: int,
    name: str,
) -> list[Any]:
    residuals = args[:num_residuals]
    linear = args[num_residuals:]
    if any(type(x) is Linear for x in residuals) or not all(type(x) is Linear for x in linear):
        raise linear_call.missing("transpose")
    avals = [aval_like(x) for x in residuals]

    def pull(*values: Any) -> list[Any]:
        found = transpose(values[:num_residuals], values[num_residuals:])
        return [instantiate(c, x.aval) for c, x in zip(found, linear, strict=True)]

    body = trace_function(pull, (*avals, *jaxpr.out_avals), purpose="transpose", name=name)
    cts = [instantiate(c, aval) for c, aval in zip(ct, jaxpr.out_avals, strict=True)]
    found = linear_call.bind(
        *residuals,
        *cts,
        jaxpr=body,
        transpose=_BodyAsRule(jaxpr, name),
        num_residuals=num_residuals,
        name=name,
    )
    return [None] * num_residuals + list(found)


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    transpose: TransposeRule,
    num_residuals: int,
    name: str,
    batch_axis_name: Any = None,
) -> tuple[list[Any], Sequence[int | None]]:
    every = (True,) * len(jaxpr.out_avals)
    batched, out_axes = batch_jaxpr(jaxpr, size, tuple(axes), batch_axis_name, every)
    rule = BatchedPullback(
        transpose, size, axes[:num_residuals], [0] * len(every), axes[num_residuals:], batch_axis_name
    )
    outs = linear_call.bind(*args, jaxpr=batched, transpose=rule, num_residuals=num_residuals, name=name)
    return outs, out_axes


linear_call = Primitive(
    "linear_call",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    params={"jaxpr": ClosedJaxpr, "transpose": object, "num_residuals": int, "name": str},
    multiple_results=True,
    doc="""A call of a function that is linear in its last operands; results as those of the function. d f(r, x) = f(r, dx) + (d_r f)(r, x) dr; the
    cotangents of x are transpose(r, ct).""",
)
