"""Scatter: many windows written, added, multiplied or compared into an operand, at places given by an array of indices.

Each row of `indices` names a window of the operand, which meets the row's part of `updates`. Conventions are XLA's
(openxla.org/xla/operation_semantics) with the index vector in the last axis; `_index_maps.py` holds the arithmetic.

Where several updates meet the same element: `scatter` keeps the last one, and only that one gets the cotangent;
`scatter_min` and `scatter_max` share it equally among all that attain the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Kind, Linear, Primitive, ShapedArray, Tracer, Zero, aval_like
from ._families import move_axis, moved_to_front
from ._index_maps import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    accumulate,
    batched_numbers,
    check_numbers,
    row_count,
    single_window,
    window_plan,
    write_windows,
)
from ._ops import like, p, select, zeros

_PARAMS = {
    "dimension_numbers": ScatterDimensionNumbers,
    "indices_are_sorted": bool,
    "unique_indices": bool,
    "mode": GatherScatterMode,
}


def _as_gather(numbers: ScatterDimensionNumbers) -> GatherDimensionNumbers:
    """The numbers of the gather that reads the windows which a scatter writes."""
    return GatherDimensionNumbers(*numbers)


def _window_sizes(ndim: int, shape: tuple[int, ...], numbers: ScatterDimensionNumbers) -> tuple[int, ...]:
    """Window sizes along the operand's axes, from the shape of the updates."""
    dropped = numbers.inserted_window_dims + numbers.operand_batching_dims
    windows = iter(numbers.update_window_dims)
    return tuple([1 if d in dropped else shape[next(windows)] for d in range(ndim)])


def _scatter_aval(name: str) -> Callable[..., ShapedArray]:
    def abstract(
        x: ShapedArray, indices: ShapedArray, updates: ShapedArray, *, dimension_numbers: Any, **params: Any
    ) -> ShapedArray:
        if x.dtype != updates.dtype:
            raise TypeError(f"{name} requires arguments to have the same dtypes, got {x.dtype}, {updates.dtype}.")
        if name == "scatter_sub" and x.dtype.kind == "b":
            raise TypeError(
                "scatter_sub does not accept dtype bool: booleans have no difference. Convert to integers"
            )
        windows = dimension_numbers.update_window_dims
        rows = tuple(n for d, n in enumerate(updates.shape) if d not in windows)
        if rows != indices.shape[:-1] or len(windows) + len(rows) != updates.ndim:
            raise TypeError(
                f"{name}: updates of shape {updates.shape} with window axes {windows} do not have one window per "
                f"row of indices of shape {indices.shape}"
            )
        dropped = dimension_numbers.inserted_window_dims + dimension_numbers.operand_batching_dims
        if len(windows) + len(dropped) != x.ndim:
            raise TypeError(
                f"{name}: each axis of the operand (shape {x.shape}) is a window axis, inserted or batching; got "
                f"{dimension_numbers}"
            )
        sizes = _window_sizes(x.ndim, updates.shape, dimension_numbers)
        check_numbers(name, x, indices, _as_gather(dimension_numbers), sizes)
        return x

    return abstract


def _scatter_evaluate(ufunc: Any) -> Callable[..., Any]:
    """Write all windows, in row order, combining with `ufunc` (None: the last one stays)."""

    def evaluate(
        x: Any,
        indices: Any,
        updates: Any,
        *,
        dimension_numbers: ScatterDimensionNumbers,
        mode: GatherScatterMode,
        unique_indices: bool = False,
        **params: Any,
    ) -> Any:
        out = np.array(x, order="C")
        if not updates.size:
            return out
        sizes = _window_sizes(out.ndim, updates.shape, dimension_numbers)
        plan = window_plan(out.shape, indices.ndim - 1, _as_gather(dimension_numbers), sizes)
        clips = mode is GatherScatterMode.CLIP
        if row_count(indices) == 1 and not dimension_numbers.operand_batching_dims:
            window = single_window(plan, indices, clips)
            if window is not None:
                here = out[window]
                updates = updates.reshape(here.shape)
                out[window] = updates if ufunc is None else ufunc(here, updates)
            return out
        view, picked, updates = write_windows(plan, out, indices, updates, not clips)
        if ufunc is None:
            view[picked] = updates
        elif unique_indices:
            view[picked] = ufunc(view[picked], updates)
        else:
            accumulate(ufunc, view, picked, updates)
        return out

    return evaluate


def _read_back(operand: Any, indices: Any, updates: Any, numbers: Any, mode: GatherScatterMode) -> Any:
    """The windows of `operand` where a scatter writes `updates`; zero where it drops them."""
    return p.gather(
        operand,
        indices,
        dimension_numbers=_as_gather(numbers),
        slice_sizes=_window_sizes(aval_like(operand).ndim, aval_like(updates).shape, numbers),
        mode=GatherScatterMode.CLIP if mode is GatherScatterMode.CLIP else GatherScatterMode.FILL_OR_DROP,
        fill_value=0,
        indices_are_sorted=False,
        unique_indices=False,
    )


def _scatter_batch(name: str) -> Callable[..., Any]:
    def batch(size: int, args: Any, axes: Any, *, dimension_numbers: Any, **params: Any) -> Any:
        indices, row_axis = args[1], axes[1]
        x, updates = moved_to_front(size, (args[0], args[2]), (axes[0], axes[2]))
        if row_axis is not None:
            indices = move_axis(indices, row_axis, 0)
            params["indices_are_sorted"] = False
        numbers = batched_numbers(dimension_numbers, row_axis is not None, True)
        return getattr(p, name)(x, indices, updates, dimension_numbers=numbers, **params), 0

    return batch


def _scatter(name: str, ufunc: Any, *, jvp: Any, transpose: Any, doc: str) -> Primitive:
    return Primitive(
        name,
        Kind.INDEXING,
        abstract=_scatter_aval(name),
        evaluate=_scatter_evaluate(ufunc),
        jvp=jvp,
        transpose=transpose,
        batch=_scatter_batch(name),
        lower="scatter",
        params=_PARAMS,
        doc=doc,
    )


def _is_unique(
    x: Any,
    indices: Any,
    updates: Any,
    *,
    dimension_numbers: Any,
    mode: Any,
    unique_indices: bool = False,
    **params: Any,
) -> bool:
    """Whether no element is written twice: promised, plain from the shape, or seen in the indices where known."""
    if unique_indices or row_count(aval_like(indices)) <= 1:
        return True
    if type(indices) is Tracer or mode is GatherScatterMode.CLIP or dimension_numbers.operand_batching_dims:
        return False
    sizes = _window_sizes(aval_like(x).ndim, aval_like(updates).shape, dimension_numbers)
    mapped = dimension_numbers.scatter_dims_to_operand_dims
    if not mapped or any(sizes[d] != 1 for d in mapped):
        return False  # different windows may overlap
    rows = np.asarray(indices).reshape(-1, len(mapped))
    return len(np.unique(rows, axis=0) if rows.shape[1] > 1 else np.unique(rows)) == len(rows)


def _set_jvp(primals: Any, tangents: Any, *, unique_indices: bool = False, **params: Any) -> Any:
    x, indices, updates = primals
    out = p.scatter(x, indices, updates, unique_indices=unique_indices, **params)
    t, _, t_updates = tangents
    if type(t) is Zero and type(t_updates) is Zero:
        return out, Zero(aval_like(out).tangent())
    t, t_updates = (zeros(a.aval) if type(a) is Zero else a for a in (t, t_updates))
    if unique_indices or _is_unique(x, indices, updates, **params):
        return out, p.scatter(t, indices, t_updates, unique_indices=True, **params)
    winners, won = _winners(x, indices, updates, **params)
    t = select(p.eq(winners, np.int32(0)), t, like(t, 0))
    t_updates = select(won, t_updates, like(t_updates, 0))
    return out, p.scatter_add(t, indices, t_updates, unique_indices=False, **params)


def _winners(x: Any, indices: Any, updates: Any, **params: Any) -> tuple[Any, Any]:
    """For each element of x the number of the row that it keeps (0: its own), and for each update whether it is kept."""
    params.pop("unique_indices", None)
    aval, window_axes = aval_like(updates), params["dimension_numbers"].update_window_dims
    row_axes = tuple(d for d in range(aval.ndim) if d not in window_axes)
    rows = np.arange(1, row_count(aval_like(indices)) + 1, dtype=np.int32)
    rows = rows.reshape([aval.shape[d] for d in row_axes])
    numbers = p.broadcast_in_dim(rows, shape=aval.shape, broadcast_dimensions=row_axes)
    nobody = zeros(ShapedArray(aval_like(x).shape, rows.dtype))
    winners = p.scatter(nobody, indices, numbers, unique_indices=False, **params)
    won = p.eq(_read_back(winners, indices, updates, params["dimension_numbers"], params["mode"]), numbers)
    return winners, won


def _set_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> tuple[Any, None, Any]:
    """Where several updates meet the same element, only the one that stayed gets its cotangent."""
    x_ct = p.scatter(ct, indices, zeros(aval_like(updates)), **params) if type(x) is Linear else None
    updates_ct = None
    if type(updates) is Linear:
        updates_ct = _read_back(ct, indices, updates, params["dimension_numbers"], params["mode"])
        if not _is_unique(x, indices, updates, **params):
            updates_ct = select(_winners(x, indices, updates, **params)[1], updates_ct, like(updates_ct, 0))
    return x_ct, None, updates_ct


scatter = _scatter(
    "scatter",
    None,
    jvp=_set_jvp,
    transpose=_set_transpose,
    doc="""x with windows replaced by `updates`, one for each row of `indices`; of several at one element the
    last stays. Windows outside are dropped, or moved inwards (CLIP). Linear in x and updates jointly; only the
    update that stays has a derivative.""",
)


def _sum_jvp(name: str) -> Callable[..., Any]:
    def jvp(primals: Any, tangents: Any, **params: Any) -> Any:
        x, indices, updates = primals
        out = getattr(p, name)(x, indices, updates, **params)
        t, _, t_updates = tangents
        if type(t_updates) is Zero:
            return out, t
        t = zeros(t.aval) if type(t) is Zero else t
        return out, getattr(p, name)(t, indices, t_updates, **params)

    return jvp


def _sum_transpose(sign: Callable[[Any], Any]) -> Callable[..., Any]:
    def transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> tuple[Any, None, Any]:
        updates_ct = None
        if type(updates) is Linear:
            updates_ct = sign(_read_back(ct, indices, updates, params["dimension_numbers"], params["mode"]))
        return (ct if type(x) is Linear else None), None, updates_ct

    return transpose


scatter_add = _scatter(
    "scatter_add",
    np.add,
    jvp=_sum_jvp("scatter_add"),
    transpose=_sum_transpose(lambda ct: ct),
    doc="""x with `updates` added to its windows, one for each row of `indices`; all count where they meet.
    Linear in x and updates jointly; the transpose is the identity for x and gather for the updates.""",
)

scatter_sub = _scatter(
    "scatter_sub",
    np.subtract,
    jvp=_sum_jvp("scatter_sub"),
    transpose=_sum_transpose(lambda ct: p.neg(ct)),
    doc="""x with `updates` subtracted from its windows, one for each row of `indices`; all count where they
    meet. Linear in x and updates jointly; the transpose is the identity for x and minus gather for the
    updates.""",
)


def _product_of_others(x: Any, indices: Any, updates: Any, params: dict[str, Any]) -> Any:
    """For each update, the product of all else at its element.

    No division: the updates are sorted by element, and each is given the products of those before and after it, in doubling
    steps within the element's run (Hillis & Steele 1986). So zeros, however many meet, have derivatives of every order.
    """
    numbers, mode = params["dimension_numbers"], params["mode"]
    own = _read_back(x, indices, updates, numbers, mode)
    aval = aval_like(updates)
    if not aval.size or _is_unique(x, indices, updates, **params):
        return own
    shape, flat = aval_like(x).shape, (aval.size,)
    elements = p.reshape(np.arange(1, math.prod(shape) + 1, dtype=np.int32), new_sizes=shape, dimensions=None)
    element = _read_back(elements, indices, updates, numbers, mode)  # 0: dropped
    keys = p.reshape(element, new_sizes=flat, dimensions=None)
    values = p.reshape(updates, new_sizes=flat, dimensions=None)
    by_key = {"dimension": 0, "is_stable": True, "num_keys": 1}
    keys, values, order = p.sort(keys, values, np.arange(aval.size, dtype=np.int32), **by_key)
    others = p.mul(_products_before(keys, values, False), _products_before(keys, values, True))
    _, others = p.sort(order, others, **by_key)
    others = p.mul(own, p.reshape(others, new_sizes=aval.shape, dimensions=None))
    return select(p.eq(element, like(element, 0)), like(others, 0), others)


def _products_before(keys: Any, values: Any, reverse: bool) -> Any:
    """For each place of a sorted vector, the product of the values before it (after it) with an equal key."""
    size = aval_like(keys).shape[0]

    def shifted(x: Any, fill: int, step: int) -> Any:
        return p.pad(x, like(x, fill), padding_config=((-step, step, 0) if reverse else (step, -step, 0),))

    def neighbours(step: int) -> Any:
        return select(p.eq(shifted(keys, -1, step), keys), shifted(values, 1, step), like(values, 1))

    values = neighbours(1)
    step = 1
    while step < size:
        values = p.mul(values, neighbours(step))
        step *= 2
    return values


def _filled(x: Any, scalar: float) -> Any:
    return p.broadcast_in_dim(like(x, scalar), shape=aval_like(x).shape, broadcast_dimensions=())


def _mul_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    x, indices, updates = primals
    out = p.scatter_mul(x, indices, updates, **params)
    t, _, t_updates = tangents
    tangent = None if type(t) is Zero else p.scatter_mul(t, indices, updates, **params)
    if type(t_updates) is not Zero:
        parts = p.mul(t_updates, _product_of_others(x, indices, updates, params))
        tangent = p.scatter_add(zeros(aval_like(x)) if tangent is None else tangent, indices, parts, **params)
    return out, Zero(aval_like(out).tangent()) if tangent is None else tangent


def _mul_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> tuple[Any, None, None]:
    if type(updates) is Linear:
        raise scatter_mul.missing("transpose")
    return p.scatter_mul(ct, indices, updates, **params), None, None


scatter_mul = _scatter(
    "scatter_mul",
    np.multiply,
    jvp=_mul_jvp,
    transpose=_mul_transpose,
    doc="""x with its windows multiplied by `updates`, one for each row of `indices`; all count where they meet.
    d = product of the updates times dx, plus each update's tangent times the product of all else at its
    element.""",
)


def _extremum_jvp(name: str) -> Callable[..., Any]:
    def jvp(primals: Any, tangents: Any, **params: Any) -> Any:
        x, indices, updates = primals
        out = getattr(p, name)(x, indices, updates, **params)
        t, _, t_updates = tangents
        if type(t) is Zero and type(t_updates) is Zero:
            return out, Zero(aval_like(out).tangent())
        zero, one = like(x, 0), like(x, 1)
        numbers, mode = params["dimension_numbers"], params["mode"]
        kept = select(p.eq(x, out), one, zero)
        reached = p.eq(updates, _read_back(out, indices, updates, numbers, mode))
        attains = select(reached, _filled(updates, 1), zero)
        number = p.scatter_add(kept, indices, attains, **params)
        share = p.div(one, select(p.eq(number, zero), one, number))  # nobody attains nan: it gets nothing
        tangent = None if type(t) is Zero else p.mul(t, kept)
        if type(t_updates) is not Zero:
            start = zeros(aval_like(x)) if tangent is None else tangent
            tangent = p.scatter_add(start, indices, p.mul(t_updates, attains), **params)
        return out, p.mul(tangent, share)

    return jvp


def _extremum(name: str, ufunc: Any, which: str) -> Primitive:
    return _scatter(
        name,
        ufunc,
        jvp=_extremum_jvp(name),
        transpose=None,
        doc=f"""x with its windows replaced by the {which} of what is there and `updates`, one for each row of
        `indices`. The tangent is the mean of the tangents of all (x and updates) that attain the result; a nan
        gets nothing.""",
    )


scatter_min = _extremum("scatter_min", np.minimum, "minimum")
scatter_max = _extremum("scatter_max", np.maximum, "maximum")
