"""Primitives: the words of the language, each one object that carries all its rules.

In: a name, a kind and rule functions. Out: something that can be bound to arguments. `bind` evaluates now
when every argument has a value, and records an equation when one of them is being traced.

The slots are explained in `Primitive`. Interpreters read them; nothing registers rules anywhere else.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import MissingRuleError, teach
from . import trace as tracing
from .avals import ShapedArray
from .effects import NO_EFFECTS, Effect

__all__ = ["Kind", "Primitive", "all_primitives", "lookup"]

_registry: dict[str, Primitive] = {}
_CACHE_LIMIT = 4096
_INSTEAD = {
    "jvp": "wrap the function in minijax.custom_jvp, or use minijax.lax.stop_gradient on its argument",
    "transpose": "linear_transpose is for linear functions; minijax.vjp linearizes any function first",
    "batch": "use minijax.lax.map instead of vmap for this function",
}


class Kind(enum.Enum):
    """What sort of operation a primitive is; decides which rules it must have."""

    UNARY = "unary"
    BINARY = "binary"
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    MOVEMENT = "movement"
    INDEXING = "indexing"
    CONTRACTION = "contraction"
    LIBRARY = "library"
    RANDOM = "random"
    COLLECTIVE = "collective"
    STRUCTURED = "structured"
    EFFECT = "effect"


class Primitive:
    """An operation with all its rules.

    Args:
        name: unique; what a printed Jaxpr shows.
        kind: see `Kind`.
        abstract: `(*avals, **params) -> aval` (or a tuple of avals when `multiple_results`). Raises the
            shape and dtype errors that users see.
        evaluate: `(*ndarrays, **params) -> ndarray` (or a sequence). The reference implementation. Structured
            primitives and effects get `Array`s instead and may bind other primitives.
        jvp: a tuple with one rule per argument, `rule(tangent, out, *primals, **params) -> tangent
            contribution` (None: no derivative in that argument), or one function
            `(primals, tangents, **params) -> (outs, tangents_out)` where a tangent may be `Zero` (in `tangents_out` also None). The string
            "linear" says that the primitive is linear in all its arguments jointly; None that
            it is differentiable in none of them (its tangents are zero); missing raises.
        transpose: `(ct, *args, **params) -> sequence` with one cotangent (or None) per argument; arguments to
            transpose come as `Linear(aval)`, known ones as values. `ct` is a list when `multiple_results`.
        batch: `(size, args, axes, **params) -> (out, out_axis)`; `axes[i]` is an int or None (not mapped).
        partial_eval, dce: rules of equations that hold Jaxprs (`structured/`).
        jet: how Taylor coefficients go through, where `jvp` does not say it well: "bilinear", "implicit", "inline" or a
            function (see `interpreters/jet.py`).
        lower: how jit's back end emits it.
        simplify: rules for `passes.rewrite`: functions of a `View` of the equation.
        cost: `(*avals, **params) -> (flops, bytes)`.
        params: {name: type}, what the parser accepts.
        doc: shapes, the formula of the derivative, conventions at special points.
        multiple_results: whether `bind` returns a list.
        effects: effects of every equation of this primitive.
    """

    __slots__ = (
        "_abstract",
        "batch",
        "collective",
        "cost",
        "dce",
        "doc",
        "effects",
        "evaluate",
        "jet",
        "jvp",
        "kind",
        "known_avals",
        "lower",
        "multiple_results",
        "name",
        "params",
        "partial_eval",
        "simplify",
        "takes_arrays",
        "transpose",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        *,
        abstract: Callable[..., Any],
        evaluate: Callable[..., Any],
        jvp: Any = "missing",
        transpose: Callable[..., Sequence[Any]] | None = None,
        batch: Callable[..., Any] | None = None,
        partial_eval: Callable[..., Any] | None = None,
        dce: Callable[..., Any] | None = None,
        jet: Any = None,
        collective: Callable[..., Any] | None = None,
        lower: Any = None,
        simplify: Sequence[Any] = (),
        cost: Callable[..., tuple[float, float]] | None = None,
        params: dict[str, Any] | None = None,
        doc: str = "",
        multiple_results: bool = False,
        effects: frozenset[Effect] = NO_EFFECTS,
        register: bool = True,
    ) -> None:
        self.name = name
        self.kind = kind
        self._abstract = abstract
        self.evaluate = evaluate
        self.jvp = jvp
        self.transpose = transpose
        self.batch = batch
        self.partial_eval = partial_eval
        self.dce = dce
        self.jet = jet
        self.collective = collective
        self.lower = lower
        self.simplify = simplify
        self.cost = cost
        self.params = params or {}
        self.doc = doc
        self.multiple_results = multiple_results
        self.effects = effects
        self.takes_arrays = kind in (Kind.STRUCTURED, Kind.EFFECT)
        self.known_avals: dict[Any, Any] = {}
        if register:
            if name in _registry:
                raise ValueError(f"a primitive named {name!r} exists already")
            _registry[name] = self

    def abstract(self, *avals: ShapedArray, **params: Any) -> Any:
        """Output aval(s) for input avals: cached, since programs repeat themselves."""
        key = (avals, tuple(params.items())) if params else avals
        try:
            found = self.known_avals.get(key)
            if found is not None:
                return found
        except TypeError:  # an unhashable param: work it out each time
            return self._abstract(*avals, **params)
        out = self._abstract(*avals, **params)
        if len(self.known_avals) >= _CACHE_LIMIT:
            self.known_avals.clear()
        self.known_avals[key] = out
        return out

    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply to values: evaluate now, or record in the innermost trace among them.

        Args:
            *args: `Array`, `Tracer`, `Literal` or NumPy values (not Python scalars: they have no dtype yet).
            **params: static parameters.

        Returns:
            One value, or a list when `multiple_results`.
        """
        trace = tracing.state.staging
        for x in args:
            if type(x) is tracing.Tracer and (trace is None or x._segment.trace.level > trace.level):
                trace = x._segment.trace
        if trace is None:
            return tracing.evaluate(self, args, params)
        return trace.record(self, args, params)

    def missing(self, rule: str) -> MissingRuleError:
        """The error for a rule that this primitive does not have."""
        what = {"jvp": "Differentiation", "transpose": "Transposition", "batch": "Batching"}.get(rule, rule)
        why = self.doc.strip().splitlines()[0] if self.doc else None
        if rule == "transpose":
            why = f"{self.name} is not linear in the operand whose cotangent is asked for"
        return MissingRuleError(
            teach(
                f"{what} rule for {self.name!r} not implemented",
                at=tracing.describe(tracing.state.source),
                why=why,
                do=_INSTEAD.get(rule),
            )
        )

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], Primitive], tuple[str]]:
        return lookup, (self.name,)


def lookup(name: str) -> Primitive:
    """The registered primitive called `name`. Raises KeyError."""
    return _registry[name]


def all_primitives() -> Iterator[Primitive]:
    """Every registered primitive, by name."""
    return iter([_registry[name] for name in sorted(_registry)])
