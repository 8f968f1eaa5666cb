"""`jet`: Taylor mode, derivatives of any order along a curve at a polynomial cost.

In: a function, its arguments as truncated Taylor series. Out: its results as such. `interpreters/jet.py` does the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..api._calls import (
    FlatFunction,
    argument_names,
    check_callable,
    flatten_values,
    trace_flat,
    whole_call,
)
from ..array import finished
from ..errors import teach
from ..interpreters._zeros import instantiate
from ..interpreters.jet import jet_values
from ..ir import ShapedArray, aval_like
from ..primitives._ops import like, p
from ..tree import tree_unflatten

__all__ = ["jet"]


def jet(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    series: Sequence[Sequence[Any]],
    factorial_scaled: bool = True,
    **_: Any,
) -> tuple[Any, Any]:
    """Push a truncated Taylor series through a function.

    Args:
        fun: a function of trees of arrays.
        primals: tuple or list of its arguments: the values x(0).
        series: one list per argument, with its derivatives x'(0), x''(0), ... (trees like the argument); all of one length.
        factorial_scaled: False: the terms, in and out, are Taylor coefficients, derivatives divided by k!.

    Returns:
        (value, series): `fun(*primals)`, and a tree like it whose leaves are lists of the derivatives of fun(x(s)) at s = 0.

    Raises:
        ValueError: the lists have different lengths, or a term has another shape than its argument.
        TypeError: an argument is an integer, or a function is not differentiable forwards.

    Note:
        A `custom_jvp` rule is used; of a `custom_vjp` function, which has no forward rule, the body.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.experimental.jet import jet
        >>> value, derivatives = jet(mnp.exp, (0.0,), ((1.0, 0.0, 0.0),))
        >>> float(value), [float(d) for d in derivatives]
        (1.0, [1.0, 1.0, 1.0])
    """
    check_callable(fun)
    lengths = {len(terms) for terms in series}
    if len(lengths) > 1:
        raise ValueError(f"jet terms have inconsistent lengths for different arguments: {sorted(lengths)}")
    if len(series) != len(primals):
        raise ValueError(f"jet got {len(primals)} arguments and series for {len(series)} of them")
    order = lengths.pop() if lengths else 0
    values, structure = flatten_values(tuple(primals))
    rows = [_row(tuple(terms[k] for terms in series), structure) for k in range(order)]
    names = argument_names(fun, primals, {})
    inputs = [
        [x, *(_term(row[i], x.aval, names[i], k, factorial_scaled) for k, row in enumerate(rows, 1))]
        for i, x in enumerate(values)
    ]
    flat = FlatFunction(whole_call(fun), [None, {}], {}, (0,), (structure,))
    traced = trace_flat(flat, values, purpose="jet", names=names)
    closed = traced.closed
    outs = jet_values(closed.jaxpr, closed.consts, inputs, order)
    results = [finished(y[0]) for y in outs]
    terms = [_derivatives(y, aval, order, factorial_scaled) for y, aval in zip(outs, closed.out_avals, strict=True)]
    return tree_unflatten(traced.out_tree, results), tree_unflatten(traced.out_tree, terms)


def _row(terms: tuple[Any, ...], structure: Any) -> list[Any]:
    leaves, found = flatten_values(terms)
    if found != structure:
        raise ValueError(f"a term of a series must be a tree like its argument: {structure}, got {found}")
    return leaves


def _term(x: Any, aval: ShapedArray, name: str, k: int, scaled: bool) -> Any:
    """The Taylor coefficient k of an argument."""
    if not aval.is_differentiable:
        raise TypeError(
            teach(
                f"jet: argument `{name}` has dtype {aval.dtype.name}, which has no Taylor series",
                why="integers and booleans do not vary continuously",
                do="write 3.0 instead of 3, or let the function close over the value",
            )
        )
    found = aval_like(x)
    if found.shape != aval.shape:
        raise ValueError(
            f"jet: term {k} of argument `{name}` has shape {found.shape}, the argument has shape {aval.shape}"
        )
    if found.dtype != aval.dtype or found.weak_type != aval.weak_type:
        x = p.convert_element_type(x, new_dtype=aval.dtype, weak_type=aval.weak_type)
    return p.div(x, like(x, _factorial(k))) if scaled and k > 1 else x


def _derivatives(y: Sequence[Any], aval: ShapedArray, order: int, scaled: bool) -> list[Any]:
    found = []
    for k in range(1, order + 1):
        c = instantiate(y[k] if k < len(y) else None, aval)
        found.append(finished(p.mul(c, like(c, _factorial(k))) if scaled and k > 1 and aval.is_differentiable else c))
    return found


def _factorial(k: int) -> float:
    return float(math.factorial(k))
