"""custom_jvp, custom_vjp, custom_gradient: derivatives given by the user.

In: a function and its rule. Out: a callable that runs the function, and whose derivative is the rule. On plain arrays the
function is just called; when something is traced, one equation records the call (`structured/custom_jvp.py`,
`structured/custom_vjp.py`) and the rule waits in it, flattened, until the equation is differentiated.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from ..errors import teach
from ..ir import ShapedArray, Tracer, aval_like, state
from ..primitives._ops import p
from ..structured._closures import captured_tracers, holds_functions, refilled
from ..structured._rules import body_with_captured
from ..structured.custom_jvp import custom_jvp_call
from ..structured.custom_vjp import Pullback, custom_vjp_call
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from ._calls import FlatFunction, check_callable, flatten_values, function_name, trace_flat, unflatten_each
from .autodiff import _finished
from .compile import Jitted

__all__ = ["custom_gradient", "custom_jvp", "custom_vjp"]


class _Call:
    """One call of a function with a custom rule: its arguments split into static and differentiated ones."""

    def __init__(self, fun: Callable[..., Any], nondiff: Sequence[int], args: Any, kwargs: Any, rules: Any) -> None:
        self.fun = fun
        self.name = function_name(fun)
        self.args = _positional(fun, args, kwargs)
        fixed = {n % len(self.args) for n in nondiff}
        self.static = [self.args[i] for i in sorted(fixed)]
        self.dynamic = [i for i in range(len(self.args)) if i not in fixed]
        self.values: list[Any] = []
        self.structures: list[PyTreeDef] = []
        for i in self.dynamic:
            leaves, structure = flatten_values(self.args[i])
            self.values += leaves
            self.structures.append(structure)
        self.rules = rules
        self.captured: list[Any] = []
        self.out_tree: Any = None
        self.out_avals: Sequence[ShapedArray] = ()

    @property
    def is_traced(self) -> bool:
        return state.staging is not None or any(type(x) is Tracer for x in self.values)

    def trace(self) -> Any:
        """The body, whose leading inputs are what it and the rules capture."""
        flat = FlatFunction(self.fun, self.args, {}, self.dynamic, self.structures)
        traced = trace_flat(flat, self.values, purpose="custom rule", staging=True)
        body, self.captured = body_with_captured(traced.closed, captured_tracers(self.rules, self.static))
        self.out_tree, self.out_avals = traced.out_tree, traced.closed.out_avals
        return body

    def live(self, captured: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The rules and the static arguments, with what they captured replaced by its value now."""
        values = {id(old): _finished(new) for old, new in zip(self.captured, captured, strict=True)}
        rules, static = refilled([list(self.rules), self.static], values)
        return rules, static

    def trees(self, leaves: Sequence[Any]) -> list[Any]:
        """Arguments (or tangents) as the user's rule gets them."""
        return unflatten_each(self.structures, [_finished(x) for x in leaves])


def _positional(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """All arguments by position, defaults included, as rules take them."""
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        return list(args)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(
            f"keyword-only arguments cannot be passed to a function with a custom rule: {sorted(bound.kwargs)} of "
            f"{function_name(fun)}"
        )
    return list(bound.args)


def _positions(argnums: int | Sequence[int]) -> tuple[int, ...]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)


class custom_jvp:
    """A function with its own derivative rule, for forward and reverse mode.

    Args:
        fun: of trees of arrays.
        nondiff_argnums: positions of arguments that are passed to the rule first, as they are.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> @mj.custom_jvp
        ... def f(x):
        ...     return mnp.sin(x)
        >>> @f.defjvp
        ... def f_jvp(primals, tangents):
        ...     (x,), (t,) = primals, tangents
        ...     return f(x), 10.0 * t
        >>> float(mj.grad(f)(1.0))
        10.0
    """

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()) -> None:
        check_callable(fun)
        update_wrapper(self, fun, updated=())
        self.fun = fun
        self.nondiff_argnums = _positions(nondiff_argnums)
        self.jvp: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Set the rule `jvp(*nondiff_args, primals, tangents) -> (result, tangent)`; linear in the tangents.

        Args:
            jvp: the rule; `primals` and `tangents` are tuples of arguments.
            symbolic_zeros: must be False: zero tangents come as arrays.

        Returns:
            `jvp`, so that this can be used as a decorator.
        """
        if symbolic_zeros:
            raise NotImplementedError("symbolic_zeros=True is not supported: zero tangents are passed as arrays")
        self.jvp = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set one rule per argument, `rule(tangent, result, *args) -> tangent`; None for a zero derivative."""
        if self.nondiff_argnums:
            raise TypeError("Can't use ``defjvps`` with ``nondiff_argnums``.")

        def jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            out = self(*primals)
            terms = [rule(t, out, *primals) for rule, t in zip(jvps, tangents, strict=True) if rule is not None]
            leaves, structure = flatten_values(out)
            sums = [flatten_values(term)[0] for term in terms]
            if not sums:
                return out, tree_unflatten(structure, [p.sub(x, x) for x in leaves])
            total = sums[0]
            for term in sums[1:]:
                total = [p.add(a, b) for a, b in zip(total, term, strict=True)]
            return out, tree_unflatten(structure, total)

        self.defjvp(jvp)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else lambda *args, **kwargs: self(instance, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.jvp is None:
            raise AttributeError(f"No JVP defined for custom_jvp function {function_name(self.fun)} using defjvp.")
        call = _Call(self.fun, self.nondiff_argnums, args, kwargs, (self.jvp,))
        if not call.is_traced:
            return self.fun(*args, **kwargs)
        body = call.trace()
        outs = custom_jvp_call.bind(
            *call.captured,
            *call.values,
            jaxpr=body,
            jvp=_FlatJvp(call),
            name=call.name,
            num_captured=len(call.captured),
        )
        return tree_unflatten(call.out_tree, [_finished(x) for x in outs])


class _FlatJvp:
    """The user's rule on flat values, its results checked."""

    __slots__ = ("__name__", "call")

    def __init__(self, call: _Call) -> None:
        self.call = call
        self.__name__ = call.name

    def __call__(
        self, captured: Sequence[Any], primals: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        call = self.call
        (rule,), static = call.live(captured)
        result = rule(*static, tuple(call.trees(primals)), tuple(call.trees(tangents)))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                f"Custom JVP rule {function_name(rule)} for function {call.name} must produce a pair (list or tuple of "
                f"length two) representing primal and tangent outputs, but got {result!r}."
            )
        outs, out_tree = flatten_values(result[0])
        out_tangents, tangent_tree = tree_flatten(result[1])
        if out_tree != tangent_tree or out_tree != call.out_tree:
            raise TypeError(
                f"Custom JVP rule {function_name(rule)} for function {call.name} must produce primal and tangent outputs "
                f"with equal container (pytree) structures, but got {out_tree} and {tangent_tree} respectively"
                f" (the function returns {call.out_tree})."
            )
        found = [_checked(t, x, aval, call) for t, x, aval in zip(out_tangents, outs, call.out_avals, strict=True)]
        return outs, found


def _checked(tangent: Any, out: Any, aval: ShapedArray, call: _Call) -> Any:
    if not aval.is_differentiable:
        return None
    (value,) = flatten_values(tangent)[0]
    expected, found, given = aval.tangent(), aval_like(value), aval_like(out)
    if (given.shape, given.dtype) != (aval.shape, aval.dtype) or (found.shape, found.dtype) != (
        expected.shape,
        expected.dtype,
    ):
        raise TypeError(
            teach(
                f"Custom JVP rule for function {call.name} must produce primal and tangent outputs with corresponding shapes "
                f"and dtypes. Expected {aval.str_short()} (tangent type of {aval.str_short()}) but got primal "
                f"{given.str_short()}, tangent {found.str_short()}.",
                why="a tangent is a small change of the result, so it has its shape and dtype",
                do="check the rule's last line: (result, tangent), with mnp.broadcast_to or .astype where they differ",
            )
        )
    return value


class custom_vjp:
    """A function with its own pullback, for reverse mode.

    Args:
        fun: of trees of arrays.
        nondiff_argnums: positions of arguments that the backward rule gets first, as they are.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> @mj.custom_vjp
        ... def clip_gradient(x):
        ...     return x
        >>> clip_gradient.defvjp(lambda x: (x, None), lambda residuals, ct: (mnp.clip(ct, -1.0, 1.0),))
        >>> float(mj.grad(lambda x: 5.0 * clip_gradient(x))(2.0))
        1.0
    """

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()) -> None:
        check_callable(fun)
        update_wrapper(self, fun, updated=())
        self.fun = fun
        self.nondiff_argnums = _positions(nondiff_argnums)
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None

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
            symbolic_zeros: must be False: zero cotangents come as arrays.
            optimize_remat: accepted for compatibility.
        """
        if symbolic_zeros:
            raise NotImplementedError("symbolic_zeros=True is not supported: zero cotangents are passed as arrays")
        self.fwd, self.bwd = fwd, bwd

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else lambda *args, **kwargs: self(instance, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise AttributeError(f"No VJP defined for custom_vjp function {function_name(self.fun)} using defvjp.")
        call = _Call(self.fun, self.nondiff_argnums, args, kwargs, (self.fwd, self.bwd))
        if not call.is_traced:
            return self.fun(*args, **kwargs)
        body = call.trace()
        outs = custom_vjp_call.bind(
            *call.captured,
            *call.values,
            jaxpr=body,
            rule=_FlatVjp(call),
            name=call.name,
            num_captured=len(call.captured),
        )
        return tree_unflatten(call.out_tree, [_finished(x) for x in outs])


class _FlatVjp:
    """The user's two rules on flat values, their results checked."""

    __slots__ = ("__name__", "call")

    def __init__(self, call: _Call) -> None:
        self.call = call
        self.__name__ = call.name

    def __call__(self, captured: Sequence[Any], primals: Sequence[Any]) -> tuple[list[Any], list[Any], Pullback]:
        call = self.call
        (fwd, _), static = call.live(captured)
        args = list(call.args)
        fixed = [i for i in range(len(args)) if i not in call.dynamic]
        for i, x in (*zip(fixed, static, strict=True), *zip(call.dynamic, call.trees(primals), strict=True)):
            args[i] = x
        result = fwd(*args)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                f"Custom VJP fwd rule {function_name(fwd)} for function {call.name} must produce a pair (list or tuple of "
                f"length two) where the first element represents the primal output and the second the residuals, but got "
                f"{result!r}."
            )
        outs, out_tree = flatten_values(result[0])
        if out_tree != call.out_tree:
            raise TypeError(
                f"Custom VJP fwd rule {function_name(fwd)} for function {call.name} must produce a pair whose first element "
                f"has the structure of the function's output, {call.out_tree}, but got {out_tree}."
            )
        residuals, residual_tree = flatten_values(result[1])
        return outs, [*captured, *residuals], _FlatPullback(call, len(captured), residual_tree)


class _FlatPullback:
    """The user's backward rule: (residuals, cotangents) -> cotangents of the arguments, None for zero."""

    __slots__ = ("__name__", "call", "num_captured", "residual_tree")

    def __init__(self, call: _Call, num_captured: int, residual_tree: PyTreeDef) -> None:
        self.call = call
        self.num_captured = num_captured
        self.residual_tree = residual_tree
        self.__name__ = call.name

    def __call__(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        call = self.call
        (_, bwd), static = call.live(residuals[: self.num_captured])
        saved = tree_unflatten(self.residual_tree, [_finished(x) for x in residuals[self.num_captured :]])
        ct = tree_unflatten(call.out_tree, [None if c is None else _finished(c) for c in cts])
        return self._checked(bwd(*static, saved, ct))

    def _checked(self, result: Any) -> list[Any]:
        structures = self.call.structures
        if not isinstance(result, (tuple, list)) or len(result) != len(structures):
            raise self._wrong_structure(result)
        found: list[Any] = []
        for part, structure in zip(result, structures, strict=True):
            if part is None:
                found += [None] * structure.num_leaves
                continue
            leaves, given = tree_flatten(part, is_leaf=lambda x: x is None)
            if given != structure:
                raise self._wrong_structure(result)
            found += leaves
        return [
            self._typed(i, ct, aval_like(x)) for i, (ct, x) in enumerate(zip(found, self.call.values, strict=True))
        ]

    def _wrong_structure(self, result: Any) -> TypeError:
        wanted = tree_flatten(tuple(self.call.trees(self.call.values)))[1]
        return TypeError(
            "Custom VJP bwd rule must produce an output with the same container (pytree) structure as the args tuple of the "
            "primal function, and in particular must produce a tuple of length equal to the number of arguments to the "
            f"primal function, but got bwd output structure {tree_flatten(result)[1]} for primal input structure {wanted}."
        )

    def _typed(self, index: int, ct: Any, aval: ShapedArray) -> Any:
        if ct is None or not aval.is_differentiable:
            return None
        (value,) = flatten_values(ct)[0]
        found, wanted = aval_like(value), aval.tangent()
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            what = "shapes" if found.shape != wanted.shape else "dtypes"
            raise ValueError(
                "Custom VJP bwd rule must produce an output with the same type as the args tuple of the primal function, but "
                f"at output[{index}] the bwd rule produced an output of type {_long(found)} corresponding to an input of "
                f"type {_long(aval)}, so the {what} do not match"
            )
        return value


def _long(aval: ShapedArray) -> str:
    return f"{aval.dtype.name}[{','.join(map(str, aval.shape))}]"


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

    def fwd(*args: Any) -> tuple[Any, Any]:
        return value(*args), args

    def bwd(args: Any, ct: Any) -> tuple[Any, ...]:
        cts = fun(*args)[1](ct)
        return tuple(cts) if isinstance(cts, (tuple, list)) and len(args) > 1 else (cts,) if len(args) == 1 else cts

    wrapped.defvjp(fwd, bwd)
    return wrapped


holds_functions(custom_jvp, ("fun", "jvp"), copy.copy)
holds_functions(custom_vjp, ("fun", "fwd", "bwd"), copy.copy)
holds_functions(Jitted, ("fun",), lambda jitted: Jitted(jitted.fun, jitted.static_argnums, jitted.static_argnames))
