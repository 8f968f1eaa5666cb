"""checkpoint (remat), checkpoint_name, saved residuals: which intermediate values reverse mode keeps.

In: a function. Out: the same function, whose derivative computes intermediate values again. What is kept is the business of a
policy (`checkpoint_policies.py`); `print_saved_residuals` shows what a function keeps, and the line it comes from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..array import finished
from ..errors import teach
from ..interpreters.linearize import linearize_jaxpr
from ..ir import Eqn, Literal, ShapedArray
from ..ir.passes.inline_calls import inline_calls
from ..structured._bodies import hoist_tracers
from ..structured.checkpoint import checkpoint as checkpoint_primitive, name as name_primitive
from ..tree import tree_unflatten
from ._calls import check_callable, flatten_values, function_name
from .checkpoint_policies import Policy
from .stage import stage_call

__all__ = ["checkpoint", "checkpoint_name", "print_saved_residuals", "remat", "saved_residuals"]


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: bool | Sequence[bool] = True,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    concrete: bool = False,
) -> Any:
    """Trade time for memory: the derivative of `fun` computes its intermediate values again.

    Args:
        fun: a function of trees of arrays.
        prevent_cse: accepted for compatibility.
        policy: which intermediate values to keep (see `checkpoint_policies`); None keeps the inputs only.
        static_argnums, static_argnames: arguments that stay Python values.
        concrete: must be False: use static_argnums.

    Returns:
        A function with the same values and derivatives.

    Raises:
        ValueError: `static_argnums` names an argument that is not there.
        TypeError: `static_argnums` or `prevent_cse` have the wrong type; the policy gives no answer.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> f = mj.checkpoint(lambda x: mnp.sin(mnp.sin(x)))
        >>> float(mj.grad(f)(0.0))
        1.0
    """
    if concrete:
        raise NotImplementedError("concrete=True is not supported: name the Python values in static_argnums")
    if not isinstance(prevent_cse, (bool, tuple, list)):
        raise TypeError(f"prevent_cse must be a bool or tuple of bools, got {prevent_cse!r}")
    if fun is None:
        options = {"prevent_cse": prevent_cse, "policy": policy}
        return lambda f: checkpoint(f, **options, static_argnums=static_argnums, static_argnames=static_argnames)
    check_callable(fun)
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if not all(isinstance(n, int) for n in static):
        raise TypeError(
            f"the `static_argnums` argument to `checkpoint` must be an int or a tuple of ints, got {static_argnums!r}"
        )

    @wraps(fun, updated=())
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        fixed = _static_positions(static, args, fun)
        given = {k: v for k, v in kwargs.items() if k not in names}
        fixed_kwargs = {k: v for k, v in kwargs.items() if k in names}

        @wraps(fun, updated=())
        def call(*a: Any, **k: Any) -> Any:
            return fun(*a, **k, **fixed_kwargs)

        traced = stage_call(call, args, given, fixed, purpose="checkpoint")
        values, _ = flatten_values(([x for i, x in enumerate(args) if i not in fixed], given))
        body, captured = hoist_tracers(traced.closed)
        outs = checkpoint_primitive.bind(
            *captured, *values, jaxpr=body, policy=policy, prevent_cse=bool(prevent_cse), differentiated=False
        )
        return tree_unflatten(traced.out_tree, [finished(x) for x in outs])

    return checkpointed


remat = checkpoint


def _static_positions(static: Sequence[int], args: Sequence[Any], fun: Callable[..., Any]) -> tuple[int, ...]:
    count = len(args)
    if not all(-count <= n < count for n in static):
        raise ValueError(
            teach(
                f"the `static_argnums` argument to `checkpoint` can only take integer values greater than or equal to "
                f"`-len(args)` and less than `len(args)`, but got {tuple(static)}, while `len(args)` = {count}",
                why=f"{function_name(fun)} was called with {count} positional arguments",
                do="give keyword arguments in static_argnames",
            )
        )
    return tuple(n % count for n in static)


def checkpoint_name(x: Any, name: str) -> Any:
    """`x` itself, under a name that checkpoint policies know.

    Args:
        x: a tree of arrays.
        name: for `save_only_these_names` and its relatives.

    Example:
        >>> import minijax as mj
        >>> float(mj.ad_checkpoint.checkpoint_name(2.0, "activation"))
        2.0
    """
    leaves, structure = flatten_values(x)
    return tree_unflatten(structure, [finished(name_primitive.bind(leaf, name=name)) for leaf in leaves])


def saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> list[tuple[ShapedArray, str]]:
    """What reverse mode keeps between the forward and the backward pass: (type, where it comes from) of each value.

    Args:
        f: a function of trees of arrays.
        *args, **kwargs: its arguments.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> from minijax.api.checkpointing import saved_residuals
        >>> saved_residuals(mj.checkpoint(lambda x: mnp.sin(mnp.sin(x))), 1.0)
        [(ShapedArray(float32[], weak_type=True), 'from the argument x')]
    """
    traced = stage_call(f, args, kwargs, purpose="saved_residuals")
    closed = inline_calls(traced.closed)
    split = linearize_jaxpr(closed, tuple(aval.is_differentiable for aval in closed.in_avals))
    known = inline_calls(split.known).jaxpr
    kept = list(dict.fromkeys(known.outvars[len(closed.out_avals) :]))
    names = dict(zip(known.invars, closed.jaxpr.names.arg_names, strict=False))
    producers = {var: eqn for eqn in known.eqns for var in eqn.outvars}
    order = {var: i for i, var in enumerate((*known.constvars, *known.invars, *producers))}
    found = []
    for atom in sorted(kept, key=lambda atom: order.get(atom, -1)):  # type: ignore[call-overload]
        if type(atom) is Literal:
            where = "from a literal"
        elif atom in producers:
            where = _origin(producers[atom])  # type: ignore[index]
        elif atom in names:
            where = f"from the argument {names[atom]}"  # type: ignore[index]
        else:
            where = "from a constant"
        found.append((atom.aval, where))
    return found


def _origin(eqn: Eqn) -> str:
    source = eqn.source
    place = "unknown" if source is None else f"{source.file}:{source.line}:{source.column} ({source.function})"
    if eqn.primitive is name_primitive:
        return f"named '{eqn.params['name']}' from {place}"
    return f"output of {eqn.primitive.name} from {place}"


def print_saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what reverse mode keeps between the forward and the backward pass, a line per value.

    Args:
        f: a function of trees of arrays.
        *args, **kwargs: its arguments.

    Example:
        >>> import minijax as mj
        >>> mj.ad_checkpoint.print_saved_residuals(lambda x, y: x * y, 2.0, 3.0)
        f32[] from the argument x
        f32[] from the argument y
    """
    for aval, where in saved_residuals(f, *args, **kwargs):
        sys.stdout.write(f"{aval.str_short()} {where}\n")
