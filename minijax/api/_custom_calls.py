"""Functions with rules of their own: what custom_jvp, custom_vjp and custom_vmap share.

In: a function, the arguments of one call, the user's rules. Out: the traced body with what it and the rules close over as
leading operands, and the rules as functions of flat values, ready to run when the program is transformed. The trace of the
call has ended by then: what a rule closed over is filled in again (`structured/_closures.py`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from ..array import finished
from ..dtypes import float0
from ..ir import ClosedJaxpr, ShapedArray, Tracer, aval_like, source_of, state
from ..ir.source import Places, is_internal
from ..ir.trace import describe
from ..structured._closures import captured_tracers, holds_functions, refilled
from ..structured._rules import body_with_captured
from ..tree import PyTreeDef, tree_unflatten
from ._calls import FlatFunction, check_callable, flatten_values, function_name, trace_flat, unflatten_each
from .compile import Jitted

__all__ = ["CustomCall", "CustomFunction", "run_rule", "shown_type", "shown_types"]

_DEFINING = frozenset(("def_vmap", "defjvp", "defjvps", "defvjp"))


class CustomFunction:
    """A decorated function: its arguments come by position, some of them are static.

    Args:
        fun: the user's.
        nondiff_argnums, nondiff_argnames: arguments that are passed to the rules as they are.
    """

    kind = "custom"

    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: int | Sequence[int] = (), nondiff_argnames: Sequence[str] = ()
    ) -> None:
        check_callable(fun)
        functools.update_wrapper(self, fun, updated=())
        self.fun = fun
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        names = (nondiff_argnames,) if isinstance(nondiff_argnames, str) else tuple(nondiff_argnames)
        self.nondiff_argnums = tuple(dict.fromkeys((*numbers, *(self._position(name) for name in names))))

    def _position(self, name: str) -> int:
        parameters = [q for q in self.signature.parameters.values() if q.kind is not q.KEYWORD_ONLY]
        found = [i for i, q in enumerate(parameters) if q.name == name]
        if not found:
            raise ValueError(
                f"{self.kind} of {function_name(self.fun)}: nondiff_argnames {name!r} is not a positional parameter; "
                f"these are: {', '.join(q.name for q in parameters)}"
            )
        return found[0]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name in _DEFINING:  # a rule for a decorator further in: custom_vjp(custom_vmap(f)).def_vmap
            return getattr(self.fun, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """That of the function; (*args, **kwargs) where there is none to be had, and for a `functools.partial`."""
        if not isinstance(self.fun, functools.partial):
            with contextlib.suppress(TypeError, ValueError):
                return inspect.signature(self.fun)
        return inspect.signature(lambda *args, **kwargs: None)

    def by_position(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """All arguments by position, defaults included, as rules take them."""
        try:
            bound = self.signature.bind(*args, **kwargs)
            bound.apply_defaults()
            by_name = [name for name in bound.kwargs if name in kwargs]
            if by_name:
                raise TypeError(
                    f"The following keyword arguments could not be resolved to positions: {', '.join(by_name)}"
                )
        except TypeError as error:
            raise TypeError(
                f"The input arguments to the {self.kind}-decorated function {function_name(self.fun)} could not be resolved "
                f"to positional-only arguments. Binding failed with the error:\n{error}"
            ) from None
        return list(bound.args)

    def call(self, args: Sequence[Any], kwargs: dict[str, Any], rules: Sequence[Any]) -> CustomCall:
        """This call, not traced yet."""
        return CustomCall(self.fun, self.by_position(args, kwargs), self.nondiff_argnums, rules)


class CustomCall:
    """One call: static arguments and rules as they are, the types and trees of the others, `values` until it is traced."""

    __slots__ = (
        "args",
        "captured",
        "dynamic",
        "fun",
        "in_avals",
        "name",
        "out_avals",
        "out_tree",
        "rules",
        "site",
        "structures",
        "values",
    )

    def __init__(
        self, fun: Callable[..., Any], args: list[Any], nondiff: Sequence[int], rules: Sequence[Any]
    ) -> None:
        self.fun = fun
        self.name = function_name(fun)
        fixed = {n % len(args) for n in nondiff if -len(args) <= n < len(args)}
        self.dynamic = [i for i in range(len(args)) if i not in fixed]
        self.args = args
        self.values: list[Any] = []
        self.structures: list[PyTreeDef] = []
        for i in self.dynamic:
            leaves, structure = flatten_values(args[i])
            self.values += leaves
            self.structures.append(structure)
        self.in_avals = [aval_like(x) for x in self.values]
        self.rules = list(rules)
        self.site = state.source if state.source is not None else Places().here(1)
        self.captured: list[Any] = []
        self.out_tree: Any = None
        self.out_avals: Sequence[ShapedArray] = ()

    @property
    def is_traced(self) -> bool:
        """Whether an equation must be recorded."""
        return state.staging is not None or any(type(x) is Tracer for x in self.values)

    @property
    def place(self) -> str | None:
        """The user's line with this call, for messages."""
        return describe(self.site)

    @property
    def static(self) -> list[Any]:
        """The static arguments, in order."""
        return [x for i, x in enumerate(self.args) if i not in self.dynamic]

    def trace(self) -> tuple[ClosedJaxpr, list[Any]]:
        """The body, whose leading inputs are what it and the rules capture, and its operands. To be called once."""
        flat = FlatFunction(self.fun, self.args, {}, self.dynamic, self.structures)
        traced = trace_flat(flat, self.values, purpose="custom rule", staging=True)
        body, self.captured = body_with_captured(traced.closed, captured_tracers(self.rules, self.static))
        self.out_tree, self.out_avals = traced.out_tree, traced.closed.out_avals
        operands = [*self.captured, *self.values]
        self.values = []  # the equation may live long: it must not keep the operands of this call
        self.args = [None if i in self.dynamic else x for i, x in enumerate(self.args)]
        return body, operands

    def live(self, captured: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The rules and the static arguments, with what they captured replaced by its value now."""
        values = {id(old): finished(new) for old, new in zip(self.captured, captured, strict=True)}
        rules, static = refilled([self.rules, self.static], values)
        return rules, static

    def trees(self, leaves: Sequence[Any]) -> list[Any]:
        """Arguments (or tangents) as the user's rule gets them."""
        return unflatten_each(self.structures, [finished(x) for x in leaves])

    def with_static(self, static: Sequence[Any], trees: Sequence[Any]) -> list[Any]:
        """All arguments in order."""
        fixed, given = iter(static), iter(trees)
        return [next(given) if i in self.dynamic else next(fixed) for i in range(len(self.args))]


def run_rule(rule: Callable[..., Any], *args: Any) -> Any:
    """Call a rule. What it computes comes from its own lines, unless it is one of minijax's own rules."""
    code = getattr(inspect.unwrap(rule), "__code__", None)
    if code is not None and is_internal(code.co_filename):
        return rule(*args)
    with source_of(None):
        return rule(*args)


class _Bare(str):
    """Text that is shown without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def shown_type(aval: ShapedArray) -> str:
    """`float32[2,3]`."""
    return f"{'float0' if aval.dtype == float0 else aval.dtype.name}[{','.join(map(str, aval.shape))}]"


def shown_types(structure: PyTreeDef, avals: Sequence[ShapedArray]) -> str:
    """A tree of types: `(float32[3], {'a': int32[]})`."""
    return repr(tree_unflatten(structure, [_Bare(shown_type(aval)) for aval in avals]))


holds_functions(Jitted, ("fun",), Jitted.remade)
