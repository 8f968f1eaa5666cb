"""`jit`: a call. The equation holds the traced function as one sub-Jaxpr.

    b:f32[] = jit[jaxpr={ lambda ; c:f32[]. let d:f32[] = sin c in (d,) } name=f] a

Every transformation maps the body and calls the mapped body, so that what the user compiled as one piece
stays one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import lower
from ..array import Array, raw
from ..config import config
from ..interpreters.batch import batch_jaxpr
from ..interpreters.eval import eval_closed
from ..interpreters.jvp import jvp_jaxpr
from ..interpreters.linearize import linearize_jaxpr
from ..interpreters.transpose import transpose_jaxpr
from ..ir import ClosedJaxpr, Kind, Linear, Primitive, ShapedArray, Zero
from ..ir.passes.dce import dce_jaxpr
from ._bodies import present

__all__ = ["jit"]


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, name: str) -> tuple[ShapedArray, ...]:
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, name: str) -> list[Any]:
    if config.debugging or config.jax_disable_jit:
        return eval_closed(jaxpr, *args)
    outs = lower.compiled(jaxpr).run(*[raw(x) for x in args])
    return [Array(value, aval) for value, aval in zip(outs, jaxpr.out_avals, strict=True)]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, name: str) -> Any:
    nonzero = tuple(type(t) is not Zero for t in tangents)
    pushed, out_nonzero = jvp_jaxpr(jaxpr, nonzero)
    given = [t for t in tangents if type(t) is not Zero]
    outs = jit.bind(*primals, *given, jaxpr=pushed, name=name)
    num_outs = len(jaxpr.out_avals)
    rest = iter(outs[num_outs:])
    out_tangents = [
        next(rest) if flag else Zero(aval.tangent()) for flag, aval in zip(out_nonzero, jaxpr.out_avals, strict=True)
    ]
    return outs[:num_outs], out_tangents


def _partial_eval(primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: ClosedJaxpr, name: str) -> Any:
    split = linearize_jaxpr(jaxpr, tuple(t is not None for t in tangents))
    num_outs = len(jaxpr.out_avals)
    outs = jit.bind(*primals, jaxpr=split.known, name=name)
    found = iter(jit.bind(*outs[num_outs:], *present(tangents), jaxpr=split.linear, name=name))
    return outs[:num_outs], [next(found) if flag else None for flag in split.out_nonzero]


def _transpose(ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, name: str) -> list[Any]:
    linear = tuple(type(x) is Linear for x in args)
    nonzero = tuple(type(c) is not Zero for c in ct)
    pulled, nonzero_in = transpose_jaxpr(jaxpr, linear, nonzero)
    known = [x for x in args if type(x) is not Linear]
    found = iter(jit.bind(*known, *(c for c in ct if type(c) is not Zero), jaxpr=pulled, name=name))
    flags = iter(nonzero_in)
    return [next(found) if flag and next(flags) else None for flag in linear]


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    name: str,
    batch_axis_name: Any = None,
) -> tuple[list[Any], Sequence[int | None]]:
    batched, out_axes = batch_jaxpr(jaxpr, size, tuple(axes), batch_axis_name)
    return jit.bind(*args, jaxpr=batched, name=name), out_axes


def _dce(params: dict[str, Any], used: Sequence[bool]) -> tuple[dict[str, Any], list[bool]]:
    body, used_inputs = dce_jaxpr(params["jaxpr"], used)
    return {**params, "jaxpr": body}, used_inputs


jit = Primitive(
    "jit",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    partial_eval=_partial_eval,
    transpose=_transpose,
    batch=_batch,
    dce=_dce,
    jet="inline",
    params={"jaxpr": ClosedJaxpr, "name": str},
    multiple_results=True,
    doc="""A call of a traced function. Operands and results as those of the body; derivatives are the calls of the
    differentiated, transposed or batched body: d jit(f) = jit(d f).""",
)
