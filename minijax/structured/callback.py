"""Callbacks: `pure_callback`, `io_callback`, `debug_callback` call Python from a program.

    b:f32[] = pure_callback[callback=<function f> result_avals=... vmap_method=None] a

In: a flat function of NumPy arrays that gives NumPy arrays. A pure callback may be left out, called once more or less
often; the others have an effect, so every evaluation of the program calls them once, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..array import Array
from ..interpreters.batch import materialize
from ..ir import CALLBACK, ORDERED_CALLBACK, Kind, Primitive, ShapedArray, aval_like, trace_function
from ..primitives._families import move_axis
from .scan import scan

__all__ = ["debug_callback", "io_callback", "ordered_io_callback", "pure_callback"]

FlatCallback = Callable[..., Sequence[np.ndarray]]


def _abstract(*avals: ShapedArray, result_avals: tuple[ShapedArray, ...], **params: Any) -> tuple[ShapedArray, ...]:
    return result_avals


def _evaluate(
    *args: Any, callback: FlatCallback, result_avals: tuple[ShapedArray, ...], vmap_method: str | None = None
) -> list[Array]:
    outs = callback(*[np.asarray(getattr(x, "_value", x)) for x in args])
    found = []
    for number, (out, aval) in enumerate(zip(outs, result_avals, strict=True)):
        value = np.asarray(out)
        if value.shape != aval.shape or value.dtype != aval.dtype:
            raise ValueError(
                f"callback returned {value.dtype}[{','.join(map(str, value.shape))}] as result {number}, but "
                f"result_shape_dtypes says {aval.dtype.name}[{','.join(map(str, aval.shape))}]"
            )
        found.append(Array(value[()], aval))
    return found


def _refuse(kind: str) -> Callable[..., NoReturn]:
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> NoReturn:
        raise ValueError(
            f"{kind} callbacks do not support JVP. Please use `minijax.custom_jvp` to use callbacks while taking gradients."
        )

    return jvp


def _one_by_one(
    primitive: Primitive,
    size: int,
    args: Sequence[Any],
    axes: Sequence[int | None],
    params: dict[str, Any],
    unroll: int = 1,
) -> tuple[list[Any], list[int]]:
    """A loop over the examples."""
    mapped = [axis is not None for axis in axes]
    shared = [x for x, flag in zip(args, mapped, strict=True) if not flag]
    rows = [move_axis(x, axis, 0) for x, axis in zip(args, axes, strict=True) if axis is not None]

    def example(*values: Any) -> list[Any]:
        whole, own = iter(values[: len(shared)]), iter(values[len(shared) :])
        return primitive.bind(*[next(own) if flag else next(whole) for flag in mapped], **params)  # type: ignore[no-any-return]

    row_avals = [aval_like(x).update(shape=aval_like(x).shape[1:]) for x in rows]
    body = trace_function(example, [*map(aval_like, shared), *row_avals], purpose="vmap", name=primitive.name)
    outs = scan.bind(
        *shared,
        *rows,
        jaxpr=body,
        length=size,
        reverse=False,
        num_consts=len(shared),
        num_carry=0,
        unroll=unroll,
    )
    return outs, [0] * len(outs)


def _batch(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[list[Any], list[int]]:
    method = params["vmap_method"]
    if method is None:
        raise NotImplementedError(
            "pure_callback was called under vmap without vmap_method. Say vmap_method='sequential' (one call per example), "
            "or 'expand_dims' / 'broadcast_all' if the function takes arrays with leading axes."
        )
    if method in ("sequential", "sequential_unrolled"):
        unroll = size if method == "sequential_unrolled" else 1
        return _one_by_one(pure_callback, size, args, axes, params, max(unroll, 1))
    length = {"expand_dims": 1, "broadcast_all": size}.get(
        method
    )  # legacy_vectorized: unmapped arguments as they are
    given = [
        move_axis(x, axis, 0) if axis is not None else x if length is None else materialize(x, None, length, 0)
        for x, axis in zip(args, axes, strict=True)
    ]
    avals = tuple(aval.update(shape=(size, *aval.shape)) for aval in params["result_avals"])
    outs = pure_callback.bind(*given, **{**params, "result_avals": avals})
    return outs, [0] * len(outs)


pure_callback = Primitive(
    "pure_callback",
    Kind.EFFECT,
    abstract=_abstract,
    evaluate=_evaluate,
    jvp=_refuse("Pure"),
    batch=_batch,
    params={"callback": object, "result_avals": tuple, "vmap_method": (str, type(None))},
    multiple_results=True,
    doc="""Call a Python function of NumPy arrays that has no side effects. Results as `result_avals` says. No
    derivative: give one with custom_jvp.""",
)


def _effectful(name: str, effect: Any, jvp: Any, doc: str) -> Primitive:
    def batch(size: int, args: Sequence[Any], axes: Sequence[int | None], **params: Any) -> tuple[Any, Any]:
        return _one_by_one(primitive, size, args, axes, params)

    primitive = Primitive(
        name,
        Kind.EFFECT,
        abstract=_abstract,
        evaluate=_evaluate,
        jvp=jvp,
        batch=batch,
        params={"callback": object, "result_avals": tuple},
        multiple_results=True,
        effects=frozenset({effect}),
        doc=doc,
    )
    return primitive


io_callback = _effectful(
    "io_callback",
    CALLBACK,
    _refuse("IO"),
    "Call a Python function with side effects, once per evaluation; under vmap once per example. No derivative.",
)
ordered_io_callback = _effectful(
    "ordered_io_callback",
    ORDERED_CALLBACK,
    _refuse("IO"),
    "As `io_callback`, in the order of the program.",
)
debug_callback = _effectful(
    "debug_callback",
    CALLBACK,
    None,
    "Call a Python function for its side effect, on the values alone: tangents pass it by. No results.",
)
