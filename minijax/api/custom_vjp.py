"""custom_vjp, custom_gradient: a pullback given by the user, for reverse mode.

In: a function, a forward rule that also says what to keep, a backward rule. Out: a callable that runs the function, and
whose pullback is the backward rule. On plain arrays the function is just called; when something is traced, one equation
records the call (`structured/custom_vjp.py`) and the rules wait in it, flattened, until it is differentiated.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any

from ..array import finished
from ..errors import teach
from ..interpreters._zeros import instantiate
from ..ir import ShapedArray, Zero, aval_like
from ..primitives._ops import p
from ..structured._closures import holds_functions
from ..structured.custom_vjp import Pullback, custom_vjp_call
from ..tree import (
    Partial,
    PyTreeDef,
    keystr,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_unflatten,
)
from ._calls import check_callable, flatten_values, function_name, parameter_names
from ._custom_calls import CustomCall, CustomFunction, run_rule, shown_type, shown_types
from .stage import ShapeDtypeStruct, closure_convert, typeof

__all__ = ["CustomVJPPrimal", "custom_gradient", "custom_vjp", "custom_vjp_primal_tree_values"]


@dataclass(frozen=True)
class CustomVJPPrimal:
    """What a forward rule with `symbolic_zeros` gets for each leaf of its arguments.

    Attributes:
        value: the leaf.
        perturbed: whether it is differentiated.
    """

    value: Any
    perturbed: bool


def custom_vjp_primal_tree_values(tree: Any) -> Any:
    """A tree of `CustomVJPPrimal`s as the tree of their values.

    Raises:
        TypeError: a leaf is something else.

    Example:
        >>> custom_vjp_primal_tree_values({"a": CustomVJPPrimal(2.0, True)})
        {'a': 2.0}
    """
    for leaf in tree_leaves(tree):
        if type(leaf) is not CustomVJPPrimal:
            raise TypeError(f"unexpected leaf type {type(leaf)}")
    return tree_map(lambda leaf: leaf.value, tree)


class custom_vjp(CustomFunction):
    """A function with its own pullback, for reverse mode.

    Args:
        fun: of trees of arrays.
        nondiff_argnums, nondiff_argnames: arguments that the backward rule gets first, as they are.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> @mj.custom_vjp
        ... def clip_gradient(x):
        ...     return x
        >>> clip_gradient.defvjp(lambda x: (x, None), lambda residuals, ct: (mnp.clip(ct, -1.0, 1.0),))
        >>> float(mj.grad(lambda x: 5.0 * clip_gradient(x))(2.0))
        1.0
    """

    kind = "custom_vjp"
    fwd: Callable[..., Any] | None = None
    bwd: Callable[..., Any] | None = None
    symbolic_zeros = False

    def defvjp(
        self,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        symbolic_zeros: bool = False,
        optimize_remat: bool = False,
    ) -> None:
        """Set the rules.

        Args:
            fwd: `fwd(*args) -> (result, residuals)`, with the arguments of the function.
            bwd: `bwd(*nondiff_args, residuals, ct) -> tuple` with one cotangent per differentiated argument; None
                for zero.
            symbolic_zeros: `fwd` gets a `custom_derivatives.CustomVJPPrimal` for each leaf, which says whether it is
                differentiated; `bwd` gets a `custom_derivatives.SymbolicZero` for each cotangent that is zero, and may
                return some.
            optimize_remat: accepted: under `checkpoint`, what `fwd` computes for nobody is left out anyway.
        """
        if symbolic_zeros and optimize_remat:
            raise NotImplementedError("remat optimization for custom_vjp does not support symbolic zeros")
        self.fwd, self.bwd = fwd, bwd
        self.symbolic_zeros = symbolic_zeros

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise AttributeError(f"No VJP defined for custom_vjp function {function_name(self.fun)} using defvjp.")
        call = self.call(args, kwargs, (self.fwd, self.bwd))
        if not call.is_traced:
            return self.fun(*args, **kwargs)
        body, operands = call.trace()
        outs = custom_vjp_call.bind(
            *operands,
            jaxpr=body,
            rule=_FlatVjp(call, self.symbolic_zeros),
            name=call.name,
            num_captured=len(call.captured),
        )
        return tree_unflatten(call.out_tree, [finished(x) for x in outs])


class _FlatVjp:
    """The user's two rules on flat values, their results checked."""

    __slots__ = ("__name__", "call", "symbolic_zeros")

    def __init__(self, call: CustomCall, symbolic_zeros: bool) -> None:
        self.call = call
        self.symbolic_zeros = symbolic_zeros
        self.__name__ = call.name

    def __call__(
        self, captured: Sequence[Any], primals: Sequence[Any], perturbed: Sequence[bool]
    ) -> tuple[list[Any], list[Any], Pullback]:
        call = self.call
        (fwd, _), static = call.live(captured)
        given = [finished(x) for x in primals]
        if self.symbolic_zeros:
            given = [CustomVJPPrimal(x, flag) for x, flag in zip(given, perturbed, strict=True)]
        result = run_rule(fwd, *call.with_static(static, call.trees(given)))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                teach(
                    f"{self._subject(fwd)} must produce a pair (list or tuple of length two): the output of {call.name} and "
                    f"the residuals to keep for the backward rule, but got {result!r}.",
                    at=self.call.place,
                    do=f"return {call.name}(...), residuals",
                )
            )
        outs, out_tree = flatten_values(result[0])
        self._check_outputs(fwd, out_tree, [aval_like(x) for x in outs])
        residuals, residual_tree = flatten_values(result[1])
        pullback = _FlatPullback(call, self.symbolic_zeros, len(captured), residual_tree)
        return outs, [*captured, *residuals], pullback

    def _subject(self, fwd: Any) -> str:
        return f"Custom VJP fwd rule {function_name(fwd)} for function {self.call.name}"

    def _check_outputs(self, fwd: Any, tree: PyTreeDef, avals: Sequence[ShapedArray]) -> None:
        call = self.call
        what = "container/pytree structure" if tree != call.out_tree else "shapes/dtypes"
        if tree == call.out_tree and all(
            (a.shape, a.dtype) == (b.shape, b.dtype) for a, b in zip(avals, call.out_avals, strict=True)
        ):
            return
        raise TypeError(
            teach(
                f"{self._subject(fwd)} must produce a pair whose first element is the output of {call.name}, of the same "
                f"{what}: the rule gave {shown_types(tree, avals)}, the function "
                f"{shown_types(call.out_tree, call.out_avals)}.",
                at=self.call.place,
                why="the rule computes the value too, when a derivative is taken",
                do=f"return {call.name}(...), residuals",
            )
        )


class _FlatPullback:
    """The user's backward rule: (residuals, cotangents) -> cotangents of the arguments, None for zero."""

    __slots__ = ("__name__", "call", "num_captured", "residual_tree", "symbolic_zeros")

    def __init__(self, call: CustomCall, symbolic_zeros: bool, num_captured: int, residual_tree: PyTreeDef) -> None:
        self.call = call
        self.symbolic_zeros = symbolic_zeros
        self.num_captured = num_captured
        self.residual_tree = residual_tree
        self.__name__ = call.name

    def __call__(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        call = self.call
        (_, bwd), static = call.live(residuals[: self.num_captured])
        saved = tree_unflatten(self.residual_tree, [finished(x) for x in residuals[self.num_captured :]])
        given = iter(cts)
        full = [self._cotangent(next(given) if a.is_differentiable else None, a) for a in call.out_avals]
        return self._checked(bwd, run_rule(bwd, *static, saved, tree_unflatten(call.out_tree, full)))

    def _cotangent(self, ct: Any, aval: ShapedArray) -> Any:
        if self.symbolic_zeros and (ct is None or type(ct) is Zero):
            return Zero(aval.tangent())
        return finished(instantiate(ct, aval))

    def _checked(self, bwd: Any, result: Any) -> list[Any]:
        structures = self.call.structures
        if not isinstance(result, (tuple, list)) or len(result) != len(structures):
            raise self._wrong_structure(bwd, result)
        found: list[Any] = []
        for part, structure in zip(result, structures, strict=True):
            if part is None:
                found += [None] * structure.num_leaves
                continue
            leaves, given = tree_flatten(part, is_leaf=lambda x: x is None)
            if given != structure:
                raise self._wrong_structure(bwd, result)
            found += leaves
        return [self._typed(i, ct, aval) for i, (ct, aval) in enumerate(zip(found, self.call.in_avals, strict=True))]

    def _wrong_structure(self, bwd: Any, result: Any) -> TypeError:
        call = self.call
        wanted = tree_flatten(tuple(call.trees(call.in_avals)))[1]
        names = [f"ct_{name}" for name in self._argument_names()]
        return TypeError(
            teach(
                "Custom VJP bwd rule must produce an output with the same container (pytree) structure as the args tuple of "
                "the primal function, and in particular must produce a tuple of length equal to the number of arguments to "
                f"the primal function, but got bwd output structure {tree_flatten(result)[1]} for primal input structure "
                f"{wanted}.",
                at=self.call.place,
                why=f"{function_name(bwd)} gives the cotangents of the arguments of {call.name}: {', '.join(names)}",
                do=f"return ({', '.join(names)}{',' if len(names) == 1 else ''}), with None for a zero cotangent",
            )
        )

    def _argument_names(self) -> list[str]:
        names = parameter_names(self.call.fun, len(self.call.args))
        return [names[i] for i in self.call.dynamic]

    def _typed(self, index: int, ct: Any, aval: ShapedArray) -> Any:
        if ct is None or not aval.is_differentiable:
            return None
        value = ct if type(ct) is Zero else flatten_values(ct)[0][0]
        found, wanted = aval_like(value), aval.tangent()
        if found.shape != wanted.shape or (found.dtype.kind == "c" and wanted.dtype.kind != "c"):
            raise self._wrong_type(index, found, aval)
        if type(ct) is Zero:
            return None
        if found.dtype == wanted.dtype:
            return value
        return p.convert_element_type(value, new_dtype=wanted.dtype, weak_type=wanted.weak_type)

    def _wrong_type(self, index: int, found: ShapedArray, aval: ShapedArray) -> ValueError:
        call = self.call
        what = "shapes" if found.shape != aval.shape else "dtypes"
        paths = tree_flatten_with_path(tuple(call.trees(call.in_avals)))[0]
        first, *rest = paths[index][0]
        name = self._argument_names()[first.idx] + keystr(tuple(rest))
        return ValueError(
            teach(
                "Custom VJP bwd rule must produce an output with the same type as the args tuple of the primal function, but "
                f"at output{keystr(paths[index][0])} the bwd rule produced an output of type {shown_type(found)} "
                f"corresponding to an input of type {shown_type(aval)}, so the {what} do not match",
                at=self.call.place,
                why=f"it is the cotangent of argument `{name}` of {call.name}, one number per number of the argument",
                do="sum over what the function broadcasts; take the real part where the argument is real",
            )
        )


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns its value together with its pullback.

    Args:
        fun: returns `(value, pullback)`; `pullback(ct)` gives the cotangent of the argument, or a tuple of them.

    Returns:
        A function of the same arguments that returns the value.

    Example:
        >>> import minijax as mj
        >>> f = mj.custom_gradient(lambda x: (x ** 2, lambda ct: 7.0 * ct))
        >>> float(mj.grad(f)(3.0))
        7.0
    """
    check_callable(fun)

    def value(*args: Any, **kwargs: Any) -> Any:
        return fun(*args, **kwargs)[0]

    update_wrapper(value, fun, updated=())
    wrapped = custom_vjp(value)

    def fwd(*args: Any) -> tuple[Any, Partial]:
        out, pullback = fun(*args)
        # A tree whose leaves are the traced values that the pullback closes over.
        converted, captured = closure_convert(pullback, tree_map(_cotangent_type, out))
        return out, Partial(partial(_pulled, converted), captured)

    def bwd(residuals: Partial, ct: Any) -> Any:
        found = residuals(ct)
        return found if isinstance(found, (tuple, list)) else (found,)

    wrapped.defvjp(fwd, bwd)
    return wrapped


def _pulled(converted: Callable[..., Any], captured: Sequence[Any], ct: Any) -> Any:
    return converted(ct, *captured)


def _cotangent_type(x: Any) -> ShapeDtypeStruct:
    aval = typeof(x).tangent()
    return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


holds_functions(custom_vjp, ("fun", "fwd", "bwd"), copy.copy)
