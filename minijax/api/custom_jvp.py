"""custom_jvp: a derivative rule given by the user, for forward and reverse mode.

In: a function and its rule. Out: a callable that runs the function, and whose derivative is the rule. On plain arrays the
function is just called; when something is traced, one equation records the call (`structured/custom_jvp.py`) and the rule
waits in it, flattened, until the equation is differentiated.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from ..array import finished
from ..errors import teach
from ..interpreters._zeros import instantiate
from ..ir import ShapedArray, Tracer, Zero, aval_like
from ..primitives._ops import p
from ..structured._closures import holds_functions
from ..structured.custom_jvp import custom_jvp_call
from ..tree import tree_flatten, tree_map, tree_unflatten
from ._calls import flatten_values, function_name
from ._custom_calls import CustomCall, CustomFunction, run_rule, shown_type, shown_types

__all__ = ["custom_jvp"]


class custom_jvp(CustomFunction):
    """A function with its own derivative rule, for forward and reverse mode.

    Args:
        fun: of trees of arrays.
        nondiff_argnums, nondiff_argnames: arguments that are passed to the rule first, as they are.

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

    kind = "custom_jvp"
    jvp: Callable[..., Any] | None = None
    symbolic_zeros = False

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Set the rule `jvp(*nondiff_args, primals, tangents) -> (result, tangent)`; linear in the tangents.

        Args:
            jvp: the rule; `primals` and `tangents` are tuples of arguments.
            symbolic_zeros: pass `custom_derivatives.SymbolicZero` objects for tangents that are zero, not arrays. The rule
                may return such objects too.

        Returns:
            `jvp`, so that this can be used as a decorator.
        """
        self.jvp = jvp
        self.symbolic_zeros = symbolic_zeros
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set one rule per argument, `rule(tangent, result, *args) -> tangent`; None for a zero derivative.

        Raises:
            TypeError: there are static arguments.
        """
        if self.nondiff_argnums:
            raise TypeError("Can't use ``defjvps`` with ``nondiff_argnums``.")

        def jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
            out = self(*primals)
            terms = [run_rule(rule, t, out, *primals) for rule, t in zip(jvps, tangents, strict=True) if rule]
            leaves, structure = flatten_values(out)
            if not terms:
                return out, tree_unflatten(structure, [Zero(aval_like(x).tangent()) for x in leaves])
            total = flatten_values(terms[0])[0]
            for term in terms[1:]:
                total = [p.add(a, b) for a, b in zip(total, flatten_values(term)[0], strict=True)]
            return out, tree_unflatten(structure, total)

        self.defjvp(jvp)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.jvp is None:
            raise AttributeError(f"No JVP defined for custom_jvp function {function_name(self.fun)} using defjvp.")
        call = self.call(args, kwargs, (self.jvp,))
        if not call.is_traced:
            return self.fun(*args, **kwargs)
        for i, x in enumerate(call.args):
            if i not in call.dynamic:
                call.args[i] = tree_map(_without_tangent, x)
        body, operands = call.trace()
        outs = custom_jvp_call.bind(
            *operands,
            jaxpr=body,
            jvp=_FlatJvp(call, self.symbolic_zeros),
            name=call.name,
            num_captured=len(call.captured),
        )
        return tree_unflatten(call.out_tree, [finished(x) for x in outs])


def _without_tangent(x: Any) -> Any:
    return p.stop_gradient(x) if type(x) is Tracer and x.aval.is_differentiable else x


class _FlatJvp:
    """The user's rule on flat values, its results checked."""

    __slots__ = ("__name__", "call", "symbolic_zeros")

    def __init__(self, call: CustomCall, symbolic_zeros: bool) -> None:
        self.call = call
        self.symbolic_zeros = symbolic_zeros
        self.__name__ = call.name

    def __call__(
        self, captured: Sequence[Any], primals: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        call = self.call
        (rule,), static = call.live(captured)
        if not self.symbolic_zeros:
            tangents = [instantiate(t, aval) for t, aval in zip(tangents, call.in_avals, strict=True)]
        result = run_rule(rule, *static, tuple(call.trees(primals)), tuple(call.trees(tangents)))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                teach(
                    f"{self._subject(rule)} must produce a pair (list or tuple of length two) representing primal and tangent "
                    f"outputs, but got {result!r}.",
                    at=self.call.place,
                    do="return result, tangent",
                )
            )
        outs, out_tree = flatten_values(result[0])
        out_tangents, tangent_tree = tree_flatten(result[1])
        if out_tree != tangent_tree:
            raise TypeError(
                teach(
                    f"{self._subject(rule)} must produce primal and tangent outputs with equal container (pytree) "
                    f"structures, but got {out_tree} and {tangent_tree} respectively.",
                    at=self.call.place,
                    why="a tangent is a small change of the result, leaf by leaf",
                )
            )
        self._check_outputs(rule, out_tree, [aval_like(x) for x in outs])
        found = [
            self._checked(i, t, aval) for i, (t, aval) in enumerate(zip(out_tangents, call.out_avals, strict=True))
        ]
        return outs, found

    def _subject(self, rule: Any) -> str:
        return f"Custom JVP rule {function_name(rule)} for function {self.call.name}"

    def _check_outputs(self, rule: Any, tree: Any, avals: Sequence[ShapedArray]) -> None:
        call = self.call
        what = "container/pytree structure" if tree != call.out_tree else "shapes/dtypes"
        if tree == call.out_tree and all(
            (a.shape, a.dtype) == (b.shape, b.dtype) for a, b in zip(avals, call.out_avals, strict=True)
        ):
            return
        raise TypeError(
            teach(
                f"{self._subject(rule)} must produce the output of {call.name} as its first element, of the same {what}: "
                f"the rule gave {shown_types(tree, avals)}, the function {shown_types(call.out_tree, call.out_avals)}.",
                at=self.call.place,
                why="the rule computes the value too, when a derivative is taken",
                do=f"return {call.name}(*primals), tangent",
            )
        )

    def _checked(self, index: int, tangent: Any, aval: ShapedArray) -> Any:
        expected = aval.tangent()
        if not aval.is_differentiable:
            return Zero(expected)
        value = tangent if type(tangent) is Zero else flatten_values(tangent)[0][0]
        found = aval_like(value)
        if (found.shape, found.dtype) == (expected.shape, expected.dtype):
            return value
        place = f" at output {index}" if len(self.call.out_avals) > 1 else ""
        raise TypeError(
            teach(
                f"Custom JVP rule for function {self.call.name} must produce primal and tangent outputs with corresponding "
                f"shapes and dtypes. Expected {shown_type(expected)} (tangent type of {shown_type(aval)}) but got "
                f"{shown_type(found)}{place}.",
                at=self.call.place,
                why="a tangent is a small change of the result, so it has its shape and dtype",
                do="check the rule's last line: (result, tangent), with mnp.broadcast_to or .astype where they differ",
            )
        )


holds_functions(custom_jvp, ("fun", "jvp"), copy.copy)
