"""`custom_jvp_call`: a call of a function whose derivative the user gives.

    b:f32[] = custom_jvp_call[jaxpr={ ... } jvp=<function f> name=f num_captured=0] a

The body is the traced function; `jvp` is a flat rule `(captured, primals, tangents) -> (results, tangents)`, with `Zero`
for tangents that are zero, that runs when the equation is differentiated. In `linearize` its tangents are tracers of the linear program, its primals values:
so the same rule gives reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import teach
from ..interpreters.batch import batch_jaxpr, materialize
from ..ir import ClosedJaxpr, Kind, Primitive, ShapedArray, Zero
from ._bodies import retyped
from ._rules import over_batch, without_axis
from .jit import jit

__all__ = ["check_captured", "custom_jvp_call"]

FlatRule = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], tuple[Sequence[Any], Sequence[Any]]]


class _BatchedRule:
    """A rule for a batch of examples; all results have the batch axis in front."""

    __slots__ = ("__name__", "axes", "axis_name", "rule", "size")

    def __init__(self, rule: FlatRule, size: int, axes: Sequence[int | None], axis_name: Any, name: str) -> None:
        self.rule = rule
        self.size = size
        self.axes = tuple(axes)
        self.axis_name = axis_name
        self.__name__ = name

    def __call__(
        self, captured: Sequence[Any], primals: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        first, second = len(captured), len(captured) + len(primals)
        axes = self.axes[first:]
        given = [
            Zero(without_axis(t.aval, axis)) if type(t) is Zero else None
            for t, axis in zip(tangents, axes, strict=True)
        ]
        zeros: list[Any] = []

        def flat(*args: Any) -> list[Any]:
            rest = iter(args[second:])
            outs, out_tangents = self.rule(
                args[:first], args[first:second], [next(rest) if t is None else t for t in given]
            )
            zeros.extend(t if type(t) is Zero else None for t in out_tangents)
            return [*outs, *(t for t in out_tangents if type(t) is not Zero)]

        nonzero_axes = [axis for t, axis in zip(given, axes, strict=True) if t is None]
        args = (*captured, *primals, *(t for t in tangents if type(t) is not Zero))
        found, found_axes = over_batch(
            flat, self.size, args, (*self.axes, *nonzero_axes), self.axis_name, self.__name__
        )
        values = iter([materialize(x, axis, self.size, 0) for x, axis in zip(found, found_axes, strict=True)])
        outs = [next(values) for _ in zeros]
        return outs, [next(values) if t is None else Zero(_with_axis(t.aval, self.size)) for t in zeros]


def _with_axis(aval: ShapedArray, size: int) -> ShapedArray:
    return aval.update(shape=(size, *aval.shape))


def check_captured(tangents: Sequence[Any], kind: str, name: str) -> None:
    """Raise TypeError if a value that the function closes over has a tangent."""
    if any(t is not None and type(t) is not Zero for t in tangents):
        raise TypeError(
            teach(
                f"Detected differentiation of a {kind} function with respect to a closed-over value: {name}.",
                why="the rule only says how to differentiate with respect to the arguments",
                do=f"pass the value to {name} as an argument, or through minijax.lax.stop_gradient",
            )
        )


def _abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> tuple[ShapedArray, ...]:
    return jaxpr.out_avals


def _evaluate(*args: Any, jaxpr: ClosedJaxpr, jvp: FlatRule, name: str, num_captured: int) -> Any:
    return jit.bind(*args, jaxpr=jaxpr, name=name)


def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    jvp: FlatRule,
    name: str,
    num_captured: int,
) -> tuple[list[Any], list[Any]]:
    check_captured(tangents[:num_captured], "custom_jvp", name)
    captured, arguments = primals[:num_captured], primals[num_captured:]
    outs, out_tangents = jvp(captured, arguments, tangents[num_captured:])
    avals = jaxpr.out_avals
    return (
        [retyped(x, aval) for x, aval in zip(outs, avals, strict=True)],
        [t if type(t) is Zero else retyped(t, aval.tangent()) for t, aval in zip(out_tangents, avals, strict=True)],
    )


def _transpose(ct: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, jvp: FlatRule, name: str, num_captured: int) -> Any:
    assert jit.transpose is not None
    return jit.transpose(ct, *args, jaxpr=jaxpr, name=name)


def _batch(
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    *,
    jaxpr: ClosedJaxpr,
    jvp: FlatRule,
    name: str,
    num_captured: int,
    batch_axis_name: Any = None,
) -> tuple[list[Any], list[int | None]]:
    every = (True,) * len(jaxpr.out_avals)
    batched, out_axes = batch_jaxpr(jaxpr, size, tuple(axes), batch_axis_name, every)
    rule = _BatchedRule(jvp, size, axes, batch_axis_name, name)
    outs = custom_jvp_call.bind(*args, jaxpr=batched, jvp=rule, name=name, num_captured=num_captured)
    return outs, list(out_axes)


custom_jvp_call = Primitive(
    "custom_jvp_call",
    Kind.STRUCTURED,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    params={"jaxpr": ClosedJaxpr, "jvp": object, "name": str, "num_captured": int},
    multiple_results=True,
    doc="""A call whose derivative is a rule of the user. Operands: captured values, then arguments; results as those of
    the body. d f(x) = rule(x, dx); the body itself is never differentiated.""",
)
