"""transpose: run a linear Jaxpr backwards (the reverse half of reverse mode).

In: a linear program and a cotangent for each of its results. Out: a cotangent for each of its inputs. One walk from
the last equation to the first, no recursion; a variable used twice adds up its cotangents.
(Frostig, Johnson, Maclaurin, Paszke & Radul 2021, "Decomposing reverse-mode automatic differentiation".)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..config import config
from ..ir import ClosedJaxpr, Jaxpr, Linear, Literal, Var, Zero, source_of, state, trace_function
from ..primitives._ops import p
from ._zeros import instantiate
from .strong_zeros import strong_transpose

__all__ = ["transpose_jaxpr", "transpose_values"]


def transpose_values(
    jaxpr: Jaxpr,
    consts: Sequence[Any],
    args: Sequence[Any],
    cotangents: Sequence[Any],
) -> list[Any]:
    """Pull `cotangents` back through `jaxpr`.

    Args:
        jaxpr, consts: the program.
        args: one per input: None for the inputs that it is linear in, the value of the others.
        cotangents: one per result, None for zero.

    Returns:
        One per input: the cotangent of a linear input (None for zero); None for the others.
    """
    known: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update((var, x) for var, x in zip(jaxpr.invars, args, strict=True) if x is not None)
    cts: dict[Var, Any] = {}
    strong = config.minijax_strong_zeros
    with source_of(state.source):
        linear_eqns = _evaluate_known(jaxpr, known)
        for atom, ct in zip(jaxpr.outvars, cotangents, strict=True):
            if ct is not None and type(atom) is Var and atom not in known:
                cts[atom] = p.add(cts[atom], ct) if atom in cts else ct
        for eqn in reversed(linear_eqns):
            primitive = eqn.primitive
            if primitive.multiple_results:
                found = [cts.pop(var, None) for var in eqn.outvars]
                if found.count(None) == len(found):
                    continue
                ct = [Zero(v.aval) if c is None else c for v, c in zip(eqn.outvars, found, strict=True)]
            else:
                ct = cts.pop(eqn.outvars[0], None)
                if ct is None:
                    continue
            state.source = eqn.derived("transpose")
            if primitive.transpose is None:
                raise primitive.missing("transpose")
            operands = [x if type(x) is Literal else known[x] if x in known else Linear(x.aval) for x in eqn.invars]
            if strong:
                parts = strong_transpose(primitive, ct, operands, eqn.params)
            else:
                parts = primitive.transpose(ct, *operands, **eqn.params)
            for x, part in zip(eqn.invars, parts, strict=True):
                if part is not None and type(part) is not Zero and type(x) is Var and x not in known:
                    before = cts.get(x)
                    cts[x] = part if before is None else p.add(before, part)
    return [None if var in known else cts.get(var) for var in jaxpr.invars]


def _evaluate_known(jaxpr: Jaxpr, known: dict[Var, Any]) -> list[Any]:
    """Evaluate the equations that depend on known values only; the others, in order."""
    linear = []
    for eqn in jaxpr.eqns:
        if all(type(x) is Literal or x in known for x in eqn.invars):
            state.source = eqn.source
            args = [x if type(x) is Literal else known[x] for x in eqn.invars]  # type: ignore[index]
            outs = eqn.primitive.bind(*args, **eqn.params)
            known.update(zip(eqn.outvars, outs if eqn.primitive.multiple_results else (outs,), strict=True))
        else:
            linear.append(eqn)
    return linear


def transpose_jaxpr(
    closed: ClosedJaxpr, linear: tuple[bool, ...], nonzero: tuple[bool, ...]
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The program `(known inputs, nonzero cotangents of the results) -> nonzero cotangents of the linear inputs`.

    Args:
        closed: a program linear in the inputs flagged by `linear`.
        linear: one flag per input.
        nonzero: one flag per result: has a cotangent.

    Returns:
        (program, one flag per linear input: has a nonzero cotangent).
    """
    return _transposed(closed, linear, nonzero, config.minijax_strong_zeros)


@lru_cache(maxsize=2048)
def _transposed(
    closed: ClosedJaxpr, linear: tuple[bool, ...], nonzero: tuple[bool, ...], strong_zeros: bool
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    nonzero_in: list[bool] = []
    num_known = len(linear) - sum(linear)

    def pull(*args: Any) -> list[Any]:
        values, cts = iter(args[:num_known]), iter(args[num_known:])
        inputs = [None if flag else next(values) for flag in linear]
        cotangents = [next(cts) if flag else None for flag in nonzero]
        found = transpose_values(closed.jaxpr, closed.consts, inputs, cotangents)
        wanted = [ct for ct, flag in zip(found, linear, strict=True) if flag]
        nonzero_in.extend(ct is not None for ct in wanted)
        return [ct for ct in wanted if ct is not None]

    known_avals = [aval for aval, flag in zip(closed.in_avals, linear, strict=True) if not flag]
    ct_avals = [aval.tangent() for aval, flag in zip(closed.out_avals, nonzero, strict=True) if flag]
    program = trace_function(pull, (*known_avals, *ct_avals), purpose="transpose", name=closed.jaxpr.names.function)
    return program, tuple(nonzero_in)


def instantiate_cotangents(cts: Sequence[Any], avals: Sequence[Any]) -> list[Any]:
    """Cotangents as arrays, zeros where they are None."""
    return [instantiate(ct, aval) for ct, aval in zip(cts, avals, strict=True)]
