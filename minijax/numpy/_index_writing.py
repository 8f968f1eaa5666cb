"""Writing by an index: `x.at[index].set(values)` and its like, as scatters.

In: an array, an index and values that broadcast to `x[index]`. Out: a copy with the elements changed. What is out of
bounds is dropped unless a mode says otherwise. Values take the array's dtype; a warning says where that loses
something.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import as_value
from ..dtypes import result_type
from ..ir import Tracer
from ..primitives._index_maps import GatherScatterMode, ScatterDimensionNumbers
from ..primitives._ops import like, p
from ._index_forms import Positions, Windows, expanded, windows
from ._index_reading import read_basic, read_windows

__all__ = ["At", "IndexedAt"]

_CLAMPING = (GatherScatterMode.CLIP, GatherScatterMode.PROMISE_IN_BOUNDS)


class At:
    """`x.at`: indexing it says where an update happens.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.zeros(3).at[1].set(5.0)
        Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> IndexedAt:
        return IndexedAt(self.array, index)

    def __repr__(self) -> str:
        return f"At({self.array!r})"


class IndexedAt:
    """`x.at[index]`: gives copies of `x` with the indexed elements changed.

    All methods take `indices_are_sorted` and `unique_indices` (promises, about index arrays), `mode` ("drop" or
    "fill": what is outside is left alone, the default; "clip": the nearest element is meant;
    "promise_in_bounds") and `wrap_negative_indices`.

    Args:
        array: x.
        index: as in `x[index]`.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any) -> None:
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"IndexedAt({self.array!r}, {self.index!r})"

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        """`x[index]`, where `mode="fill"` gives `fill_value` outside (default nan, or an extreme integer)."""
        x = as_value(self.array)
        how = GatherScatterMode.PROMISE_IN_BOUNDS if mode is None else GatherScatterMode.from_any(mode)
        items = expanded(x.aval.shape, self.index)
        has_arrays = any(type(item) is Positions for item in items)
        has_integers = any(type(item) in (int, Tracer) for item in items)
        if not has_arrays and (not has_integers or (how in _CLAMPING and wrap_negative_indices)):
            return read_basic(x, items)
        return read_windows(x, items, how, fill_value, wrap_negative_indices, indices_are_sorted, unique_indices)

    def set(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] = values`."""
        return _update(self, "scatter", values, **options)

    def add(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] += values`; an element that is meant several times gets all of them."""
        return _update(self, "scatter_add", values, **options)

    def subtract(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] -= values`; an element that is meant several times gets all of them."""
        return _update(self, "scatter_sub", values, **options)

    def multiply(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] *= values`; an element that is meant several times gets all of them."""
        return _update(self, "scatter_mul", values, **options)

    mul = multiply

    def divide(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] /= values` (integers become floats, as with `/`)."""
        return self.array / IndexedAt(_ones(self.array), self.index).multiply(values, **options)

    def power(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] **= values`."""
        return self.array ** IndexedAt(_ones(self.array), self.index).multiply(values, **options)

    def min(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] = minimum(x[index], values)`."""
        return _update(self, "scatter_min", values, **options)

    def max(self, values: Any, **options: Any) -> Any:
        """`x` with `x[index] = maximum(x[index], values)`."""
        return _update(self, "scatter_max", values, **options)

    def apply(self, func: Callable[[Any], Any], **options: Any) -> Any:
        """`x` with the elementwise function `func` applied at `index`, as often as an element is meant."""
        x = as_value(self.array)
        found = windows(x.aval.shape, expanded(x.aval.shape, self.index), options.get("wrap_negative_indices", True))
        options["unique_indices"] = found.unique or options.get("unique_indices", False)
        for each in _rounds(found, options["unique_indices"]):
            taken = p.gather(
                x,
                each.indices,
                dimension_numbers=each.numbers,
                slice_sizes=each.sizes,
                mode=GatherScatterMode.PROMISE_IN_BOUNDS,
                fill_value=None,
                indices_are_sorted=False,
                unique_indices=True,
            )
            x = _write(x, "scatter", each, as_dtype(func(taken), x), **{**options, "unique_indices": True})
        return x


def _ones(array: Any) -> Any:
    aval = array.aval
    return p.broadcast_in_dim(like(array, 1), shape=aval.shape, broadcast_dimensions=())


def as_dtype(values: Any, x: Any) -> Any:
    """`values` as an array of the dtype of `x`. Warns where the promotion rules would not convert."""
    dtype = x.aval.dtype
    kind = type(values)
    if dtype.kind == "f" and (kind is float or kind is int):
        return dtype.type(values)
    if isinstance(values, (list, tuple)):
        values = np.asarray(values)
    values = as_value(values)
    aval = values.aval
    if aval.dtype == dtype:
        return values
    if result_type(x, values) != dtype:
        warnings.warn(
            f"scatter inputs have incompatible types: cannot safely cast value from dtype={aval.dtype} to "
            f"dtype={dtype} with jax_numpy_dtype_promotion=standard. In future releases this will be an error.",
            FutureWarning,
            stacklevel=4,
        )
    return p.convert_element_type(values, new_dtype=dtype, weak_type=False)


def _update(where: IndexedAt, name: str, values: Any, **options: Any) -> Any:
    """Broadcast `values` to `x[index]` and scatter them."""
    x = as_value(where.array)
    shape = x.aval.shape
    found = windows(shape, expanded(shape, where.index), options.get("wrap_negative_indices", True))
    values = as_dtype(values, x)
    given = values.shape
    if given == found.full_shape:
        if given != found.shape:
            values = p.reshape(values, new_sizes=found.shape, dimensions=None)
    elif not given:
        values = p.broadcast_in_dim(values, shape=found.shape, broadcast_dimensions=())
    else:
        values = _broadcast(values, found)
    return _write(x, name, found, values, **options)


def _broadcast(values: Any, found: Windows) -> Any:
    given, full = values.shape, found.full_shape
    if len(given) > len(full):
        raise ValueError(f"Cannot broadcast to shape with fewer dimensions: arr_shape={given} shape={full}")
    lead = len(full) - len(given)
    if any(n not in (1, m) for n, m in zip(given, full[lead:])):
        raise ValueError(f"Incompatible shapes for broadcasting: {given} and requested shape {full}")
    values = p.broadcast_in_dim(values, shape=full, broadcast_dimensions=tuple(range(lead, len(full))))
    return values if full == found.shape else p.reshape(values, new_sizes=found.shape, dimensions=None)


def _write(
    x: Any,
    name: str,
    found: Windows,
    values: Any,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Any = None,
    wrap_negative_indices: bool = True,
) -> Any:
    how = GatherScatterMode.from_any(mode)
    if not x.aval.size or 0 in found.shape:
        return x
    if found.inside and name == "scatter":
        starts = dict(zip(found.numbers.start_index_map, found.indices.ravel()))
        update = p.reshape(values, new_sizes=found.sizes, dimensions=None) if values.shape != found.sizes else values
        zero = found.indices.dtype.type(0)
        return p.dynamic_update_slice(x, update, *[starts.get(d, zero) for d in range(x.aval.ndim)])
    return getattr(p, name)(
        x,
        found.indices,
        values,
        dimension_numbers=ScatterDimensionNumbers(*found.numbers),
        indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices or found.unique,
        mode=how,
    )


def _rounds(found: Windows, unique: bool) -> list[Windows]:
    """The windows in rounds, within each of which none occurs twice: known ones by rank, traced ones one by one."""
    indices = found.indices
    count, width = indices.size // max(indices.shape[-1], 1), indices.shape[-1]
    if unique or not width:
        return [found]
    numbers = found.numbers._replace(offset_dims=tuple(range(1, 1 + len(found.numbers.offset_dims))))
    rows = p.reshape(indices, new_sizes=(count, width), dimensions=None) if type(indices) is Tracer else None
    if rows is not None:
        parts = [
            p.slice(rows, start_indices=(i, 0), limit_indices=(i + 1, width), strides=None) for i in range(count)
        ]
    else:
        rows = indices.reshape(count, width)
        seen: dict[tuple[int, ...], int] = {}
        ranks = []
        for row in map(tuple, rows.tolist()):
            seen[row] = seen.get(row, -1) + 1
            ranks.append(seen[row])
        order = np.array(ranks, np.intp)
        parts = [rows[order == rank] for rank in range(order.max(initial=-1) + 1)]
    return [found._replace(indices=part, numbers=numbers) for part in parts]
