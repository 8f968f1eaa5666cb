"""`checkpoint`: a call whose derivative computes intermediate values again instead of keeping them.

    b:f32[] = checkpoint[jaxpr={ ... } policy=None prevent_cse=True differentiated=False] a

Linearized, the call keeps its inputs and what the policy marks. The linear program gets one `checkpoint` equation over
(kept values, tangents) whose body starts from the kept values; its transpose evaluates the known part again, then
runs the linear part backwards (Griewank & Walther 2000, "Algorithm 799: revolve"; Chen et al. 2016).
`name` marks a value, so that a policy can speak of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import teach
from ..interpreters.batch import batch_jaxpr
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.linearize import LinearizedJaxpr, linearize_jaxpr
from ..interpreters.transpose import transpose_jaxpr
from ..ir import ClosedJaxpr, Eqn, Kind, Linear, Primitive, ShapedArray, Var, Zero, trace_function
from ..ir.passes.dce import dce_jaxpr
from ..ir.passes.inline_calls import inline_calls
from ..ir.trace import describe
from ._bodies import present
from .jit import jit

__all__ = ["Offloadable", "Recompute", "Saveable", "checkpoint", "keeps", "name"]


class Offloadable(NamedTuple):
    """The answer of a policy: keep the value in the memory `dst`. There is one memory here, so it is kept."""

    src: str
    dst: str


class _Answer:
    """Another answer of a policy."""

    __slots__ = ("keep", "name")

    def __init__(self, name: str, keep: bool) -> None:
        self.name = name
        self.keep = keep

    def __repr__(self) -> str:
        return self.name


Recompute = _Answer("Recompute", False)
Saveable = _Answer("Saveable", True)


def keeps(policy: Any, eqn: Eqn) -> bool:
    """Whether a policy keeps the results of an equation. Raises TypeError if it does not give an answer."""
    answer = policy(eqn.primitive, *[x.aval for x in eqn.invars], **eqn.params)
    if isinstance(answer, Offloadable):
        return True
    if isinstance(answer, _Answer):
        return answer.keep
    if isinstance(answer, (bool, np.bool_)):
        return bool(answer)
    raise TypeError(
        teach(
            "Value returned by a remat policy should be a bool or `ad_checkpoint.Recompute`, `ad_checkpoint.Saveable` or "
            f"`ad_checkpoint.Offloadable(...)`. Got {answer!r} of type {type(answer)}.",
            at=describe(eqn.source),
            why=f"the policy was asked whether to keep the result of {eqn.primitive.name}",
        )
    )


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, policy: Any, prevent_cse: bool, differentiated: bool) -> Any:
    return jit.bind(*args, jaxpr=jaxpr, name="checkpoint")


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    pushed, out_nonzero = jvp_jaxpr(jaxpr, tuple(type(t) is not Zero for t in tangents))
    given = [t for t in tangents if type(t) is not Zero]
    outs = checkpoint.bind(*primals, *given, jaxpr=pushed, **params)
    num_outs = len(jaxpr.out_avals)
    rest = iter(outs[num_outs:])
    flags = zip(out_nonzero, jaxpr.out_avals, strict=True)
    return outs[:num_outs], [next(rest) if flag else Zero(aval.tangent()) for flag, aval in flags]


def _partial_eval(primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    nonzero = tuple(t is not None for t in tangents)
    body = jaxpr if params["policy"] is None else inline_calls(jaxpr)
    split = linearize_jaxpr(body, nonzero)
    num_outs = len(jaxpr.out_avals)
    forward, again, used_inputs = _kept(split, num_outs, params["policy"])
    outs = jit.bind(*primals, jaxpr=forward, name="checkpoint")
    kept = [x for x, flag in zip((*primals, *outs[num_outs:]), used_inputs, strict=True) if flag]
    given = present(tangents)
    whole = _recompute_and_apply(again, split.linear, len(kept))
    found = iter(checkpoint.bind(*kept, *given, jaxpr=whole, **{**params, "differentiated": True}))
    return outs[:num_outs], [next(found) if flag else None for flag in split.out_nonzero]


def _kept(split: LinearizedJaxpr, num_outs: int, policy: Any) -> tuple[ClosedJaxpr, ClosedJaxpr, list[bool]]:
    """The forward program in two: inputs -> (results, kept values); (some inputs, kept values) -> residuals.

    Returns:
        (forward, again, which of (inputs, kept values) `again` reads).
    """
    known = split.known.jaxpr
    saved: list[Var] = []
    rest = []
    for eqn in known.eqns:
        if policy is not None and eqn.outvars and not eqn.effects and keeps(policy, eqn):
            saved += eqn.outvars
        elif not eqn.effects:  # effects happen once
            rest.append(eqn)
    forward_jaxpr = known.replace(outvars=[*known.outvars[:num_outs], *saved])
    again_jaxpr = known.replace(invars=[*known.invars, *saved], eqns=rest, outvars=known.outvars[num_outs:])
    wanted = [True] * len(again_jaxpr.outvars)
    again, used = dce_jaxpr(ClosedJaxpr(again_jaxpr, split.known.consts), wanted)
    forward, _ = dce_jaxpr(ClosedJaxpr(forward_jaxpr, split.known.consts), [True] * len(forward_jaxpr.outvars))
    if len(forward.in_avals) != len(known.invars):  # inputs that nothing reads stay: the call has its operands
        forward = ClosedJaxpr(forward_jaxpr, split.known.consts)
    return forward, again, used


def _recompute_and_apply(again: ClosedJaxpr, linear: ClosedJaxpr, count: int) -> ClosedJaxpr:
    def both(*args: Any) -> list[Any]:
        residuals = eval_closed(again, *args[:count])
        return eval_closed(linear, *residuals, *args[count:])

    num_residuals = len(again.out_avals)
    avals = (*again.in_avals, *linear.in_avals[num_residuals:])
    return trace_function(both, avals, purpose="checkpoint", name=again.jaxpr.names.function)


def _transpose(ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    linear = tuple(type(x) is Linear for x in args)
    pulled, nonzero_in = transpose_jaxpr(jaxpr, linear, tuple(type(c) is not Zero for c in ct))
    known = [x for x in args if type(x) is not Linear]
    found = iter(checkpoint.bind(*known, *(c for c in ct if type(c) is not Zero), jaxpr=pulled, **params))
    flags = iter(nonzero_in)
    return [next(found) if flag and next(flags) else None for flag in linear]


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    batch_axis_name: Any = None,
    **params: Any,
) -> tuple[list[Any], Sequence[int | None]]:
    batched, out_axes = batch_jaxpr(jaxpr, size, tuple(axes), batch_axis_name)
    return checkpoint.bind(*args, jaxpr=batched, **params), out_axes


def _dce(params: dict[str, Any], used: Sequence[bool]) -> tuple[dict[str, Any], list[bool]]:
    body, used_inputs = dce_jaxpr(params["jaxpr"], used)
    return {**params, "jaxpr": body}, used_inputs


checkpoint = Primitive(
    "checkpoint",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    transpose=_transpose,
    batch=_batch,
    dce=_dce,
    jet="inline",
    params={"jaxpr": ClosedJaxpr, "policy": object, "prevent_cse": bool, "differentiated": bool},
    multiple_results=True,
    doc="""A call that recomputes. Operands and results as those of the body. Reverse mode keeps its inputs and what
    `policy` marks, and computes the rest again from them.""",
)


def _name_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, name: str) -> tuple[Any, Any]:
    return named.bind(primals[0], name=name), tangents[0]


def _name_batch(size: int, args: Sequence[Any], axes: Sequence[int | None], *, name: str) -> tuple[Any, Any]:
    return named.bind(args[0], name=name), axes[0]


named = name = Primitive(
    "name",
    Kind.UNARY,
    abstract=lambda x, *, name: x,
    evaluate=lambda x, *, name: x,
    jvp=_name_jvp,
    transpose=lambda ct, x, *, name: (ct,),
    batch=_name_batch,
    lower="{0}",
    params={"name": str},
    doc="""The value itself, under a name that checkpoint policies know. x: any shape. d name(x) = dx.""",
)
