"""Policies of `checkpoint`: which intermediate values reverse mode keeps.

A policy is a function `(primitive, *avals, **params) -> answer` about one equation: keep its results? The answer is a bool,
`Saveable`, `Recompute` or `Offloadable(src, dst)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..ir import Primitive, ShapedArray
from ..structured.checkpoint import Offloadable, Recompute, Saveable

__all__ = ["Offloadable", "Policy", "Recompute", "Saveable", "checkpoint_policies"]

Policy = Callable[..., Any]


def _named(primitive: Primitive, params: dict[str, Any]) -> Any:
    """The name that `checkpoint_name` gave; None for other equations."""
    return params["name"] if primitive.name == "name" else None


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
    def offload_dot_with_no_batch_dims(offload_src: str, offload_dst: str) -> Policy:
        """Keep the results of contractions without batch dimensions, in the memory `offload_dst`."""
        keep = checkpoint_policies.dots_with_no_batch_dims_saveable

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> Any:
            return Offloadable(offload_src, offload_dst) if keep(primitive, *avals, **params) else Recompute

        return policy

    @staticmethod
    def save_only_these_names(*names_which_can_be_saved: str) -> Policy:
        """Keep values named so by `checkpoint_name`."""
        names = frozenset(names_which_can_be_saved)
        return lambda primitive, *avals, **params: _named(primitive, params) in names

    @staticmethod
    def save_any_names_but_these(*names_not_to_save: str) -> Policy:
        """Keep named values, except those with these names."""
        names = frozenset((None, *names_not_to_save))
        return lambda primitive, *avals, **params: _named(primitive, params) not in names

    @staticmethod
    def save_anything_except_these_names(*names_not_to_save: str) -> Policy:
        """Keep every value, except those with these names."""
        names = frozenset(names_not_to_save)
        return lambda primitive, *avals, **params: _named(primitive, params) not in names

    @staticmethod
    def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
        """Keep what either policy keeps; both must answer with bools."""

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
            first, second = policy_1(primitive, *avals, **params), policy_2(primitive, *avals, **params)
            if not (isinstance(first, bool) and isinstance(second, bool)):
                raise ValueError(
                    f"The return value of the policies should be a boolean. Got: {first} and {second}. Write one policy "
                    "function that asks both and decides"
                )
            return first or second

        return policy

    @staticmethod
    def save_and_offload_only_these_names(
        *,
        names_which_can_be_saved: Iterable[str],
        names_which_can_be_offloaded: Iterable[str],
        offload_src: str,
        offload_dst: str,
    ) -> Policy:
        """Keep values with any of these names; the second ones in the memory `offload_dst` (there is one memory here)."""
        saved, offloaded = frozenset(names_which_can_be_saved), frozenset(names_which_can_be_offloaded)
        if saved & offloaded:
            raise ValueError(
                "The names should be exclusive and should not intersect in `names_which_can_be_saved` and "
                f"`names_which_can_be_offloaded`: both have {sorted(saved & offloaded)}"
            )

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> Any:
            name = _named(primitive, params)
            if name in saved:
                return Saveable
            return Offloadable(offload_src, offload_dst) if name in offloaded else Recompute

        return policy
