"""linear_call, custom_transpose: linear functions whose transpose the user gives.

In: a function that is linear in its second argument, and its transpose. Out: the result; reverse mode uses the transpose
given, also when the derivative of something else calls the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from ..array import finished
from ..errors import teach
from ..interpreters._zeros import instantiate
from ..ir import aval_like
from ..structured.linear_call import linear_call as linear_call_primitive
from ..tree import tree_flatten, tree_unflatten
from ._calls import check_callable, flatten_values, function_name
from ._custom_calls import CustomCall, run_rule, shown_types
from .stage import abstract_leaf

__all__ = ["custom_transpose", "linear_call"]


def linear_call(
    fun: Callable[..., Any], fun_transpose: Callable[..., Any], residual_args: Any, linear_args: Any
) -> Any:
    """Call a linear function with its own transpose.

    Args:
        fun: `fun(residual_args, linear_args)`, linear in the second argument.
        fun_transpose: `fun_transpose(residual_args, ct)`, its transpose: gives a tree like `linear_args`.
        residual_args: a tree of arrays in which `fun` need not be linear.
        linear_args: a tree of arrays.

    Returns:
        `fun(residual_args, linear_args)`.

    Raises:
        TypeError: when it is transposed, and `fun_transpose` returns a tree of another structure or other types.

    Example:
        >>> import minijax as mj
        >>> def halve(x):
        ...     return mj.custom_derivatives.linear_call(lambda r, x: x / r, lambda r, ct: 10.0 * ct / r, 2.0, x)
        >>> float(halve(3.0)), float(mj.grad(halve)(3.0))
        (1.5, 5.0)
    """
    check_callable(fun)
    check_callable(fun_transpose)
    call = CustomCall(fun, [residual_args, linear_args], (), (fun_transpose,))
    if not call.is_traced:
        return fun(residual_args, linear_args)
    body, operands = call.trace()
    outs = linear_call_primitive.bind(
        *operands,
        jaxpr=body,
        transpose=_FlatTranspose(call),
        num_residuals=len(call.captured) + call.structures[0].num_leaves,
        name=call.name,
    )
    return tree_unflatten(call.out_tree, [finished(x) for x in outs])


class _FlatTranspose:
    """The user's transpose on flat values, its results checked."""

    __slots__ = ("__name__", "call")

    def __init__(self, call: CustomCall) -> None:
        self.call = call
        self.__name__ = call.name

    def __call__(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        call = self.call
        count = len(call.captured)
        (rule,), _ = call.live(residuals[:count])
        first, second = call.structures
        full = [finished(instantiate(ct, aval)) for ct, aval in zip(cts, call.out_avals, strict=True)]
        saved = tree_unflatten(first, [finished(x) for x in residuals[count:]])
        result = run_rule(rule, saved, tree_unflatten(call.out_tree, full))
        found, structure = flatten_values(result)
        avals = [aval.tangent() for aval in call.in_avals[first.num_leaves :]]
        if structure != second:
            raise TypeError(
                teach(
                    "transpose output pytree structure must match that of linear inputs, got output structure "
                    f"{structure} and input structure {second}.",
                    at=self.call.place,
                    why=f"{function_name(rule)} gives one cotangent for each linear input of {call.name}",
                )
            )
        types = [aval_like(x) for x in found]
        if [(a.shape, a.dtype) for a in types] != [(a.shape, a.dtype) for a in avals]:
            raise TypeError(
                teach(
                    f"transpose output must have the types of the linear inputs: {function_name(rule)} gave "
                    f"{shown_types(structure, types)} for {shown_types(second, avals)}.",
                    at=self.call.place,
                    why=f"{function_name(rule)} gives one cotangent for each linear input of {call.name}",
                )
            )
        return found


class custom_transpose:
    """A linear function with its own transpose, called with the types of its results.

    Args:
        fun: `fun(residual_args, linear_args)`, linear in the second argument.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> @mj.custom_transpose.custom_transpose
        ... def divide(r, x):
        ...     return x / r
        >>> @divide.def_transpose
        ... def divide_transpose(r, ct):
        ...     return 10.0 * ct / r
        >>> scalar = mj.ShapeDtypeStruct((), mnp.float32)
        >>> float(mj.grad(lambda x: divide(scalar, 2.0, x))(3.0))
        5.0
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        check_callable(fun)
        update_wrapper(self, fun, updated=())
        self.fun = fun
        self.transpose: Callable[..., Any] | None = None

    def def_transpose(self, transpose: Callable[..., Any]) -> Callable[..., Any]:
        """Set the transpose, `transpose(residual_args, ct) -> linear_args`; returns it."""
        self.transpose = transpose
        return transpose

    def __call__(self, out_types: Any, res_arg: Any, lin_arg: Any) -> Any:
        """Call the function.

        Args:
            out_types: a tree of `ShapeDtypeStruct`s: what the function returns.
            res_arg: what it need not be linear in.
            lin_arg: what it is linear in.

        Raises:
            AttributeError: there is no transpose.
            TypeError: the function returns something else than `out_types`.
        """
        name = function_name(self.fun)
        if self.transpose is None:
            raise AttributeError(f"transpose of custom_transpose function {name} is not defined, use def_transpose.")
        out = linear_call(self.fun, self.transpose, res_arg, lin_arg)
        found, structure = flatten_values(out)
        wanted, wanted_structure = tree_flatten(out_types)
        types = [abstract_leaf(x)[0] for x in wanted]
        given = [aval_like(x) for x in found]
        if structure != wanted_structure or any(
            (a.shape, a.dtype) != (b.shape, b.dtype) for a, b in zip(given, types, strict=True)
        ):
            raise TypeError(
                f"custom_transpose function {name} returned {shown_types(structure, given)}, but out_types says "
                f"{shown_types(wanted_structure, types)}"
            )
        return out
