"""vmap: a function of one example becomes a function of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..array import finished
from ..interpreters.batch import batch_values, materialize
from ..ir import ShapedArray, aval_like
from ..tree import flatten_prefix, tree_unflatten
from ._calls import (
    FlatFunction,
    argument_names,
    check_callable,
    flatten_values,
    function_name,
    trace_flat,
    whole_call,
)

__all__ = ["vmap"]


def vmap(
    fun: Callable[..., Any],
    in_axes: int | Sequence[Any] | None = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
) -> Callable[..., Any]:
    """Map a function over array axes, without a loop: every operation is carried out on the whole batch.

    Args:
        fun: function of one example.
        in_axes: which axis of each argument to map: an int, None (not mapped), or a tuple with one entry per
            positional argument, each an int, None or a tree of them. Keyword arguments are mapped over axis 0.
        out_axes: where the batch axis goes in the outputs: an int, None (the output must be the same for all), or a tree.
        axis_name: name of the axis for collectives (`lax.psum`, `lax.axis_index`, ...).
        axis_size: the size of the axis; needed when nothing is mapped.
        spmd_axis_name: accepted for compatibility; there is one device.

    Returns:
        The mapped function.

    Raises:
        ValueError: sizes differ, an axis is out of range, `in_axes` does not fit the arguments, or an output
            with `out_axes=None` is mapped.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.vmap(lambda x, y: x * y, in_axes=(0, None))(mnp.arange(3.0), 2.0)
        Array([0., 2., 4.], dtype=float32)
    """
    check_callable(fun)
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not (in_axes is None or isinstance(in_axes, (int, tuple))):
        raise TypeError(f"vmap in_axes must be an int, None, or a tuple of entries, got {in_axes!r}")

    @wraps(fun, updated=())
    def vmap_f(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(
                "vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional arguments passed to "
                f"the function, but got len(in_axes)={len(in_axes)}, len(args)={len(args)}"
            )
        values, structure = flatten_values((args, kwargs))
        axes = flatten_prefix((in_axes, 0), (args, kwargs))
        names = argument_names(fun, args, kwargs)
        axes = [_canonical_axis(axis, x.aval) for axis, x in zip(axes, values, strict=True)]
        size = _batch_size(values, axes, names, axis_size)
        avals = [_without_axis(x.aval, axis) for x, axis in zip(values, axes, strict=True)]
        known = [x if axis is None else None for x, axis in zip(values, axes, strict=True)]
        flat = FlatFunction(_two_trees(fun), [None], {}, (0,), (structure,))
        traced = trace_flat(flat, known, avals=avals, purpose="vmap", names=names, axis=(axis_name, size))
        closed = traced.closed
        outs, found = batch_values(closed.jaxpr, closed.consts, values, axes, size, axis_name)
        template = tree_unflatten(traced.out_tree, outs)
        wanted = flatten_prefix(out_axes, template)
        results = []
        for x, axis, want in zip(outs, found, wanted, strict=True):
            if want is None and axis is not None:
                raise ValueError(
                    f"vmap has mapped output but out_axes is None (function {function_name(fun)}): the output differs "
                    "from example to example; give it an axis in out_axes"
                )
            results.append(finished(materialize(x, axis, size, want)))
        return tree_unflatten(traced.out_tree, results)

    return vmap_f


def _two_trees(fun: Callable[..., Any]) -> Callable[..., Any]:
    call = whole_call(fun)

    def both(trees: tuple[Sequence[Any], dict[str, Any]]) -> Any:
        return call(*trees)

    both.__name__ = function_name(fun)
    return both


def _canonical_axis(axis: Any, aval: ShapedArray) -> int | None:
    if axis is None:
        return None
    if not isinstance(axis, int):
        raise TypeError(f"vmap in_axes must be ints or None, got {axis!r}")
    if not -aval.ndim <= axis < aval.ndim:
        needed = axis + 1 if axis >= 0 else -axis
        raise ValueError(
            f"vmap was requested to map its argument along axis {axis}, which implies that its rank should be at least "
            f"{needed}, but is only {aval.ndim} (its shape is {aval.shape})"
        )
    return axis % aval.ndim


def _without_axis(aval: ShapedArray, axis: int | None) -> ShapedArray:
    if axis is None:
        return aval
    return aval.update(shape=aval.shape[:axis] + aval.shape[axis + 1 :])


def _batch_size(
    values: Sequence[Any], axes: Sequence[int | None], names: Sequence[str], axis_size: int | None
) -> int:
    lines: dict[int, list[str]] = {}
    for x, axis, name in zip(values, axes, names, strict=True):
        if axis is not None:
            aval = aval_like(x)
            shown = f"axis {axis} of argument {name} of type {aval.dtype}[{','.join(map(str, aval.shape))}]"
            lines.setdefault(aval.shape[axis], []).append(shown)
    if axis_size is not None and any(n != axis_size for n in lines):
        raise ValueError(
            f"vmap got axis_size={axis_size}, but arguments are mapped along axes of sizes {sorted(lines)}"
        )
    if len(lines) > 1:
        found = "\n".join(f"  * one axis had size {n}: {'; '.join(where)};" for n, where in lines.items())
        raise ValueError(f"vmap got inconsistent sizes for array axes to be mapped:\n{found}")
    if lines:
        return next(iter(lines))
    if axis_size is None:
        raise ValueError("vmap must have at least one non-None value in in_axes, or axis_size must be given")
    return axis_size
