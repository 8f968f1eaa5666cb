"""checkpoint (remat), its policies, and checkpoint_name: which intermediate values reverse mode keeps.

In: a function. Out: the same function, whose derivative computes intermediate values again. A policy is a function
`(primitive, *avals, **params) -> bool`: keep the results of this equation?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..ir import Primitive, ShapedArray
from ..structured._bodies import hoist_tracers
from ..structured.checkpoint import checkpoint as checkpoint_primitive, name as name_primitive
from ..tree import tree_unflatten
from ._calls import check_callable, flatten_values
from .autodiff import _finished
from .stage import stage_call

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "remat"]

Policy = Callable[..., bool]


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
    concrete: bool = False,
) -> Any:
    """Trade time for memory: the derivative of `fun` computes its intermediate values again.

    Args:
        fun: a function of trees of arrays.
        prevent_cse: accepted for compatibility.
        policy: which intermediate values to keep (see `checkpoint_policies`); None keeps the inputs only.
        static_argnums: positions of arguments that stay Python values.
        concrete: must be False: use static_argnums.

    Returns:
        A function with the same values and derivatives.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> f = mj.checkpoint(lambda x: mnp.sin(mnp.sin(x)))
        >>> float(mj.grad(f)(0.0))
        1.0
    """
    if concrete:
        raise NotImplementedError("concrete=True is not supported: name the Python values in static_argnums")
    if fun is None:
        return lambda f: checkpoint(f, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums)
    check_callable(fun)
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun, updated=())
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        fixed = {n % len(args) for n in static}
        traced = stage_call(fun, args, kwargs, static, purpose="checkpoint")
        values, _ = flatten_values(([x for i, x in enumerate(args) if i not in fixed], kwargs))
        body, captured = hoist_tracers(traced.closed)
        outs = checkpoint_primitive.bind(
            *captured, *values, jaxpr=body, policy=policy, prevent_cse=prevent_cse, differentiated=False
        )
        return tree_unflatten(traced.out_tree, [_finished(x) for x in outs])

    return checkpointed


remat = checkpoint


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
    return tree_unflatten(structure, [_finished(name_primitive.bind(leaf, name=name)) for leaf in leaves])


class checkpoint_policies:
    """Ready-made policies. Those with names or policies as arguments return a policy; the others are policies."""

    @staticmethod
    def everything_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep every value."""
        return True

    @staticmethod
    def nothing_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep the inputs only."""
        return False

    @staticmethod
    def dots_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep the results of contractions and convolutions."""
        return primitive.name in ("dot_general", "conv_general_dilated")

    checkpoint_dots = dots_saveable

    @staticmethod
    def dots_with_no_batch_dims_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep the results of contractions without batch dimensions."""
        return primitive.name == "dot_general" and not any(params["dimension_numbers"][1])

    checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable

    @staticmethod
    def save_only_these_names(*names: str) -> Policy:
        """Keep values named so by `checkpoint_name`."""
        return lambda primitive, *avals, **params: primitive.name == "name" and params["name"] in names

    @staticmethod
    def save_any_names_but_these(*names: str) -> Policy:
        """Keep named values, except those with these names."""
        return lambda primitive, *avals, **params: primitive.name == "name" and params["name"] not in names

    @staticmethod
    def save_anything_except_these_names(*names: str) -> Policy:
        """Keep every value, except those with these names."""
        return lambda primitive, *avals, **params: primitive.name != "name" or params["name"] not in names

    @staticmethod
    def save_from_both_policies(first: Policy, second: Policy) -> Policy:
        """Keep what either policy keeps."""
        return lambda primitive, *avals, **params: (
            first(primitive, *avals, **params) or second(primitive, *avals, **params)
        )

    @staticmethod
    def save_and_offload_only_these_names(
        *, names_which_can_be_saved: Sequence[str], names_which_can_be_offloaded: Sequence[str], **places: str
    ) -> Policy:
        """Keep values with any of these names (there is one memory, so offloading is keeping)."""
        return checkpoint_policies.save_only_these_names(*names_which_can_be_saved, *names_which_can_be_offloaded)
