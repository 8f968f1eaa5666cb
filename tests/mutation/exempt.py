"""Edits that change nothing but cost or a message, and why: `name of the mutant: reason`."""

from __future__ import annotations

__all__ = ["EXEMPT"]

_BY_REASON: dict[str, tuple[str, ...]] = {
    "the twin with weak types made strong is another program for the same values: the test saves a trace": (
        "structured.cond._typed: wanted == pushed.out_avals  =>  wanted != pushed.out_avals",
    ),
    "inlining calls where nothing is kept by name: the same program in one piece": (
        "structured.checkpoint._partial_eval: jaxpr if params['policy'] is None else inline_calls(jaxpr)  =>  inline_calls(jaxpr)",
    ),
    "an assertion for the type checker": (
        "structured.custom_jvp._transpose: jit.transpose is not None  =>  jit.transpose is None",
    ),
    "the reduced branches stand for the same ones: keeping the old object saves a trace": (
        "structured.cond._dce: branches if same else reduced  =>  reduced",
    ),
    "a literal is in no dictionary that is keyed by variables: asking first saves a hash": (
        "interpreters.batch.batch_values: None if type(x) is Literal else axis_of.get(x)  =>  axis_of.get(x)",
        "interpreters.batch.batch_values: None if type(x) is Literal else axis_of.get(x)  =>  axis_of.get(x)  (2)",
        "interpreters.jvp.jvp_values: None if type(x) is Literal else tangent_of.get(x)  =>  tangent_of.get(x)",
        "interpreters.jvp.jvp_values: None if type(x) is Literal else tangent_of.get(x)  =>  tangent_of.get(x)  (2)",
        "interpreters.linearize.linearize_values: None if type(x) is Literal else tangent_of.get(x)  =>  tangent_of.get(x)",
        "interpreters.linearize.linearize_values: None if type(x) is Literal else tangent_of.get(x)  =>  tangent_of.get(x)  (2)",
    ),
    "what was computed while tracing is computed again: cost only": (
        "interpreters.linearize.linearize_values: known if known is not None else {}  =>  {}",
        "interpreters.linearize.linearize_values: [known.pop(var) for var in eqn.outvars] if eqn.outvars and eqn.outvars[0] in known else None  =>  None",
    ),
    "the source of an equation says where it was made, not what it does": (
        "interpreters.batch.batch_values: eqn.source if unmapped else eqn.derived('batch')  =>  eqn.derived('batch')",
    ),
    "`move_axis` takes negative axes": (
        "interpreters.batch.materialize: wanted + aval.ndim if wanted < 0 else wanted  =>  wanted",
    ),
    "every array has `aval`; NumPy scalars have `shape` too": (
        "interpreters._zeros._spread: out.aval.shape if hasattr(out, 'aval') else out.shape  =>  out.shape",
    ),
    "a known input has no cotangent to give": (
        "interpreters.transpose.transpose_values: None if var in known else cts.get(var)  =>  cts.get(var)",
    ),
}

EXEMPT = {name: reason for reason, names in _BY_REASON.items() for name in names}
