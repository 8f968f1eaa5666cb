"""custom_vmap: what `vmap` does with a function, given by the user.

In: a function of one example, and a rule for a batch. Out: a callable that runs the function, and whose batched form is
the rule.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from ..array import finished
from ..errors import teach
from ..ir import ShapedArray, aval_like
from ..structured._bodies import retyped
from ..structured._closures import holds_functions
from ..structured.custom_vmap import Batch, custom_vmap_call
from ..tree import tree_flatten, tree_unflatten
from ._calls import flatten_values, function_name, unflatten_each
from ._custom_calls import CustomCall, CustomFunction, run_rule, shown_type

__all__ = ["custom_vmap"]


class custom_vmap(CustomFunction):
    """A function with its own batched form.

    Args:
        fun: of trees of arrays.

    Note:
        Derivatives are those of the function; under `vmap`, those of the rule.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> @mj.custom_batching.custom_vmap
        ... def f(x, y):
        ...     return x + y
        >>> @f.def_vmap
        ... def f_vmap(axis_size, in_batched, x, y):
        ...     return x * y, True
        >>> mj.vmap(f)(mnp.arange(3.0), mnp.arange(3.0))
        Array([0., 1., 4.], dtype=float32)
    """

    kind = "custom_vmap"
    vmap_rule: Callable[..., Any] | None = None

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(fun)

    def def_vmap(self, vmap_rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule `vmap_rule(axis_size, in_batched, *args) -> (result, out_batched)`.

        Args:
            vmap_rule: gets the arguments, mapped leaves with the batch axis in front, and `in_batched`: a list with a tree
                of bools per argument. Returns the results, mapped ones with the batch axis in front, and a tree of bools
                that says which are.

        Returns:
            `vmap_rule`, so that this can be used as a decorator.
        """
        self.vmap_rule = vmap_rule
        return vmap_rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.vmap_rule is None:
            raise AttributeError(
                f"No batching rule defined for custom_vmap function {function_name(self.fun)} using def_vmap."
            )
        call = self.call(args, kwargs, (self.vmap_rule,))
        if not call.is_traced:
            return self.fun(*args, **kwargs)
        body, operands = call.trace()
        outs = custom_vmap_call.bind(*operands, jaxpr=body, rule=_FlatRule(call), name=call.name)
        return tree_unflatten(call.out_tree, [finished(x) for x in outs])


class _FlatRule:
    """The user's rule on flat values, its results checked."""

    __slots__ = ("__name__", "call")

    def __init__(self, call: CustomCall) -> None:
        self.call = call
        self.__name__ = call.name

    def __call__(self, size: int, mapped: Sequence[bool], args: Sequence[Any]) -> Batch:
        call = self.call
        count = len(call.captured)
        if any(mapped[:count]):
            raise ValueError(
                teach(
                    f"custom_vmap function {call.name} closes over a value that is mapped by the vmap around it",
                    at=self.call.place,
                    why="its rule is told which arguments are mapped, and knows nothing about other values",
                    do=f"pass the value to {call.name} as an argument",
                )
            )
        (rule,), _ = call.live(args[:count])
        flags = unflatten_each(call.structures, mapped[count:])
        result = run_rule(rule, size, flags, *call.trees(args[count:]))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                teach(
                    f"custom vmap rule ({function_name(rule)}) of {call.name} must return a pair (result, out_batched), got "
                    f"{result!r}",
                    at=self.call.place,
                    do="return result, True",
                )
            )
        outs, out_tree = flatten_values(result[0])
        out_mapped, mapped_tree = tree_flatten(result[1])
        if out_tree != mapped_tree:
            raise ValueError(
                teach(
                    "structure of output value and output batching specification returned by custom vmap rule "
                    f"({function_name(rule)}) do not match: output values {out_tree}, batching spec {mapped_tree}",
                    at=self.call.place,
                    do="return one bool per array of the result",
                )
            )
        if out_tree != call.out_tree:
            raise ValueError(
                teach(
                    f"structure of output returned by custom vmap rule ({function_name(rule)}) does not match that of "
                    f"{call.name}: original output {call.out_tree}, rule output {out_tree}",
                    at=self.call.place,
                )
            )
        typed = [
            self._checked(rule, i, x, bool(flag), size, aval)
            for i, (x, flag, aval) in enumerate(zip(outs, out_mapped, call.out_avals, strict=True))
        ]
        return typed, [bool(flag) for flag in out_mapped]

    def _checked(self, rule: Any, index: int, x: Any, flag: bool, size: int, aval: ShapedArray) -> Any:
        wanted = aval.update(shape=(size, *aval.shape)) if flag else aval
        found = aval_like(x)
        if (found.shape, found.dtype) == (wanted.shape, wanted.dtype):
            return retyped(x, wanted)
        raise ValueError(
            teach(
                f"custom vmap rule ({function_name(rule)}) of {self.call.name} returned {shown_type(found)} as output {index}, "
                f"expected {shown_type(wanted)}",
                at=self.call.place,
                why=f"{self.call.name} returns {shown_type(aval)} for one example, there are {size}, and the rule says that "
                f"this output is {'' if flag else 'not '}mapped",
                do="put the batch axis in front, and say True for the outputs that have one",
            )
        )


holds_functions(custom_vmap, ("fun", "vmap_rule"), copy.copy)
