"""Choosing, finding and sorting: where, select, argmax, sort, searchsorted, nonzero, ...

In: arrays. Out: arrays. Where the number of results depends on values (`nonzero`, `argwhere`), `size` makes it static;
without it the values must be known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Array, wrap
from ..dtypes import scalar_dtype, to_inexact_dtype
from ..ir import Literal, Tracer, concretize, lookup
from ..primitives import p
from ..primitives._ops import like, select as choose_between
from ._promotion import (
    as_array,
    as_bool,
    as_dtype,
    broadcast_all,
    canonical_axis,
    checked,
    common_dtype,
    known_values,
    literal,
    plain_pair,
    promoted,
    static_shape,
)
from .indexing import take
from .manipulation import broadcast_arrays, expand_dims, moveaxis, ravel, reshape

__all__ = [
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "choose",
    "compress",
    "digitize",
    "extract",
    "flatnonzero",
    "lexsort",
    "nonzero",
    "partition",
    "place",
    "searchsorted",
    "select",
    "sort",
    "sort_complex",
    "where",
]


def where(condition: Any, x: Any = None, y: Any = None, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """`x` where `condition`, else `y`, elementwise.

    Both are computed, and both are differentiated: where the one not chosen has an infinite derivative, reverse mode
    gives nan. Make its argument safe with a second `where`, or use `grad(..., strong_zeros=True)`.

    Args:
        condition: array; not zero counts as true.
        x, y: arrays that broadcast with it; both or none: `where(condition)` is `nonzero(condition)`.
        size, fill_value: for `nonzero`.

    Example:
        >>> import minijax.numpy as mnp
        >>> x = mnp.array([-1.0, 4.0])
        >>> mnp.where(x > 0, x, 0)
        Array([0., 4.], dtype=float32)
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise ValueError("Either both or neither of the x and y arguments should be provided to jax.numpy.where")
    kind = type(condition)
    if (kind is Tracer or kind is Array) and condition.aval.dtype.kind == "b":
        mask = condition
    else:
        mask = as_bool("where", condition)
    pair = plain_pair(x, y)
    if pair is None:
        values = checked("where", x, y)
        dtype, weak = common_dtype(values)
        on_true, on_false = (as_dtype(v, dtype, weak) for v in values)
    else:
        on_true, on_false = pair
    shape = mask.aval.shape
    if not (on_true.aval.shape in ((), shape) and on_false.aval.shape in ((), shape)):
        mask, on_true, on_false = broadcast_all("where", [mask, on_true, on_false])
    return p.select_n(mask, on_false, on_true)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The choice of the first condition that is true, elementwise; `default` where none is."""
    if len(condlist) != len(choicelist):
        raise ValueError(f"condlist must have length equal to choicelist ({len(condlist)} vs {len(choicelist)})")
    if not condlist:
        raise ValueError("condlist must be non-empty")
    choices = promoted("select", *choicelist, default)
    out = choices[-1]
    for condition, choice in zip(reversed(condlist), reversed(choices[:-1]), strict=True):
        out = where(condition, choice if type(choice) is not Literal else as_array("select", choice), _valued(out))
    return _valued(out)


def _valued(x: Any) -> Any:
    return as_array("select", x) if type(x) is Literal else x


def choose(a: Any, choices: Sequence[Any], out: None = None, mode: str = "raise") -> Any:
    """Element by element, the choice whose number `a` says.

    Args:
        a: integers.
        choices: arrays that broadcast with `a`.
        out: not supported.
        mode: "wrap", "clip", or "raise" (needs known values).
    """
    arrays = [as_array("choose", x) for x in choices]
    a = as_array("choose", a)
    n = len(arrays)
    if mode == "raise":
        values = np.asarray(concretize(a, "value", "choose with mode='raise'") if type(a) is Tracer else a)
        if (values < 0).any() or (values >= n).any():
            raise ValueError("invalid entry in choice array")
    elif mode == "wrap":
        a = p.rem(p.add(p.rem(a, like(a, n)), like(a, n)), like(a, n))
    else:
        a = p.clamp(like(a, 0), a, like(a, n - 1))
    index, *arrays = broadcast_arrays(a, *promoted("choose", *arrays))
    result = arrays[0]
    for k, array in enumerate(arrays[1:], 1):
        result = choose_between(p.eq(index, like(index, k)), array, result)
    return result


def _argument(name: str, what: str) -> Callable[..., Any]:
    bind = lookup(name).bind

    def search(a: Any, axis: int | None = None, out: None = None, keepdims: bool | None = None) -> Any:
        if out is not None:
            raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported.")
        a = as_array(name, a)
        flat = axis is None
        ndim = a.aval.ndim
        if flat:
            a, axis = ravel(a), 0
        axis = canonical_axis(axis, a.aval.ndim)
        if not a.aval.shape[axis]:
            raise ValueError(f"attempt to get {name} of an empty sequence")
        found = bind(a, axes=(axis,), index_dtype=scalar_dtype(int))
        if not keepdims:
            return found
        return reshape(found, (1,) * ndim) if flat else expand_dims(found, axis)

    search.__name__ = search.__qualname__ = name
    search.__doc__ = f"""Index of the first {what} along `axis` (None: in the flattened array); of the first nan if any.

    Args:
        a: array.
        axis: int or None.
        out: not supported.
        keepdims: keep the axis with size 1.
    """
    return search


argmax = _argument("argmax", "maximum")
argmin = _argument("argmin", "minimum")


def _sortable(name: str, a: Any, axis: int | None) -> tuple[Any, int]:
    a = as_array(name, a)
    if axis is None:
        return ravel(a), 0
    return a, canonical_axis(axis, a.aval.ndim)


def sort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: str | None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """Sorted along `axis` (None: flattened); nan last. The derivative follows the elements; ties keep their order.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.sort(mnp.array([3, 1, 2]))
        Array([1, 2, 3], dtype=int32)
    """
    a, dimension = _sortable("sort", a, axis)
    (out,) = p.sort(a, dimension=dimension, is_stable=True, num_keys=1)
    return p.rev(out, dimensions=(dimension,)) if descending else out


def argsort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: str | None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """The indices that sort along `axis` (None: flattened). No derivative.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.argsort(mnp.array([3, 1, 2]))
        Array([1, 2, 0], dtype=int32)
    """
    a, dimension = _sortable("argsort", a, axis)
    index = p.iota(dtype=scalar_dtype(int), shape=a.aval.shape, dimension=dimension)
    if descending:  # sorted backwards and reversed, so that ties keep their order
        a = p.rev(a, dimensions=(dimension,))
        index = p.rev(index, dimensions=(dimension,))
    _, order_ = p.sort(a, index, dimension=dimension, is_stable=True, num_keys=1)
    return p.rev(order_, dimensions=(dimension,)) if descending else order_


def lexsort(keys: Any, axis: int = -1) -> Any:
    """The indices that sort by the last key, then by the one before it, and so on."""
    arrays = list(keys) if not isinstance(keys, (list, tuple)) else [as_array("lexsort", key) for key in keys]
    if not arrays:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if not arrays[0].aval.ndim:
        return wrap(np.zeros((), scalar_dtype(int)))
    dimension = canonical_axis(axis, arrays[0].aval.ndim)
    index = p.iota(dtype=scalar_dtype(int), shape=arrays[0].aval.shape, dimension=dimension)
    return p.sort(*arrays[::-1], index, dimension=dimension, is_stable=True, num_keys=len(arrays))[-1]


def sort_complex(a: Any) -> Any:
    """Sorted along the last axis, as complex numbers (by real, then imaginary part)."""
    a = as_array("sort_complex", a)
    if a.aval.dtype.kind != "c":
        return as_dtype(sort(a), np.result_type(to_inexact_dtype(a.aval.dtype), np.complex64))
    (out,) = p.sort(a, dimension=a.aval.ndim - 1, is_stable=True, num_keys=1)
    return out


def partition(a: Any, kth: int, axis: int = -1) -> Any:
    """Element `kth` in its sorted place, smaller ones before, larger ones after it."""
    a, dimension = _sortable("partition", a, axis)
    return sort(a, dimension)


def argpartition(a: Any, kth: int, axis: int = -1) -> Any:
    """The indices that `partition` along `axis`."""
    a, dimension = _sortable("argpartition", a, axis)
    return argsort(a, dimension)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan") -> Any:
    """Where to insert `v` into the sorted vector `a` to keep it sorted.

    Args:
        a: sorted vector (n,).
        v: values.
        side: "left" (before equal ones) or "right".
        sorter: indices that sort `a`, if it is not sorted.
        method: accepted.

    Returns:
        Integers of the shape of `v`, found by bisection in log n steps.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.searchsorted(mnp.array([1, 2, 2, 3]), 2, side="right")
        Array(3, dtype=int32)
    """
    if side not in ("left", "right"):
        raise ValueError(f"{side!r} is an invalid value for keyword 'side'. Expected one of ['left', 'right'].")
    a, v = as_array("searchsorted", a), as_array("searchsorted", v, 1)
    if a.aval.ndim != 1:
        raise ValueError("a should be 1-dimensional")
    dtype, _ = common_dtype([a, v])
    a, v = as_dtype(a, dtype), as_dtype(v, dtype)
    if sorter is not None:
        a = take(a, sorter, mode="clip")
    return _bisect(a, v, side)


def _bisect(a: Any, v: Any, side: str) -> Any:
    n = a.aval.shape[0]
    index = scalar_dtype(int)
    low = p.broadcast_in_dim(literal(0, index), shape=v.aval.shape, broadcast_dimensions=())
    if not n:
        return low
    high = p.broadcast_in_dim(literal(n, index), shape=v.aval.shape, broadcast_dimensions=())
    for _ in range(n.bit_length()):
        middle = p.div(p.add(low, high), like(low, 2))
        here = take(a, middle, mode="clip")
        before = _ordered(here, v) if side == "left" else p.not_(_ordered(v, here))
        open_ = p.lt(low, high)
        low = choose_between(p.and_(open_, before), p.add(middle, like(middle, 1)), low)
        high = choose_between(p.and_(open_, p.not_(before)), middle, high)
    return low


def _ordered(x: Any, y: Any) -> Any:
    """x < y with nan after every number."""
    if x.aval.dtype.kind not in "fc":
        return p.lt(x, y)
    return p.or_(p.lt(x, y), p.and_(p.eq(x, x), p.ne(y, y)))


def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Any:
    """The number of the bin that each element of `x` falls into; `bins` rise or fall."""
    x, bins = as_array("digitize", x), as_array("digitize", bins, 1)
    if bins.aval.ndim != 1:
        raise ValueError(f"digitize: bins must be a 1-dimensional array; got bins={bins}")
    n = bins.aval.shape[0]
    if not n:
        return p.broadcast_in_dim(literal(0, scalar_dtype(int)), shape=x.aval.shape, broadcast_dimensions=())
    side = "right" if not right else "left"
    rising = searchsorted(bins, x, side)
    falling = searchsorted(p.rev(bins, dimensions=(0,)), x, side)
    up = p.le(
        *[
            p.squeeze(p.slice(bins, start_indices=(i,), limit_indices=(i + 1,), strides=None), dimensions=(0,))
            for i in (0, n - 1)
        ]
    )
    return choose_between(up, rising, p.sub(like(falling, n), falling))


def nonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> tuple[Any, ...]:
    """Indices of the elements that are not zero, one vector per axis.

    Args:
        a: array.
        size: of the results; required where values are not known. Extra ones are dropped.
        fill_value: index at the places left over; an int or one per axis.

    Raises:
        ConcretizationTypeError: no `size` where the values are not known.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.nonzero(mnp.array([0, 5, 6]))
        (Array([1, 2], dtype=int32),)
    """
    a = as_array("nonzero", a)
    if not a.aval.ndim:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use jnp.atleast_1d(scalar).nonzero() instead.")
    index = scalar_dtype(int)
    if size is None:
        return tuple(wrap(i.astype(index)) for i in np.nonzero(known_values("nonzero", a)))
    (size,) = static_shape(size)
    mask = ravel(as_bool("nonzero", a))
    count = p.cumsum(p.convert_element_type(mask, new_dtype=index, weak_type=False), axis=0, reverse=False)
    total = p.reduce_sum(p.convert_element_type(mask, new_dtype=index, weak_type=False), axes=(0,))
    slots = p.iota(dtype=index, shape=(size,), dimension=0)
    flat = searchsorted(count, p.add(slots, like(slots, 1)))  # the first place where the count reaches k + 1
    fills = fill_value if isinstance(fill_value, (tuple, list)) else (fill_value or 0,) * a.aval.ndim
    out = []
    for axis, fill in enumerate(fills):
        stride = int(np.prod(a.aval.shape[axis + 1 :], dtype=int))
        along = p.rem(p.div(flat, like(flat, max(stride, 1))), like(flat, max(a.aval.shape[axis], 1)))
        out.append(choose_between(p.lt(slots, total), along, as_dtype(checked("nonzero", fill)[0], index)))
    return tuple(out)


def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Indices in the flattened array of the elements that are not zero; see `nonzero`."""
    return nonzero(ravel(a), size=size, fill_value=fill_value)[0]


def argwhere(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """Indices of the elements that are not zero, one row each; see `nonzero`."""
    a = as_array("argwhere", a)
    if not a.aval.ndim:
        return reshape(argwhere(reshape(a, (1,)), size=size), (-1,))[:, None][:, :0]
    found = nonzero(a, size=size, fill_value=fill_value)
    return p.concatenate(*[expand_dims(i, 1) for i in found], dimension=1)


def compress(
    condition: Any, a: Any, axis: int | None = None, *, size: int | None = None, fill_value: Any = 0, out: None = None
) -> Any:
    """The slices of `a` along `axis` at which the vector `condition` is true."""
    a, mask = as_array("compress", a), as_bool("compress", condition)
    if axis is None:
        a, axis = ravel(a), 0
    a = moveaxis(a, axis, 0)
    index = flatnonzero(mask, size=size, fill_value=a.aval.shape[0])
    rows = (
        take(a, index, 0, mode="fill", fill_value=fill_value) if size is not None else take(a, index, 0, mode="clip")
    )
    return moveaxis(rows, 0, axis)


def extract(condition: Any, arr: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """The elements of `arr` at which `condition` is true."""
    return compress(ravel(condition), ravel(arr), size=size, fill_value=fill_value)


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Any:
    """`arr` with the values of `vals`, in order and repeated, where `mask`.

    Raises:
        ValueError: `inplace` is true: arrays do not change.
    """
    if inplace:
        raise ValueError(
            "jax.numpy.place cannot modify arrays in-place, because JAX arrays are immutable. Pass inplace=False"
        )
    arr = as_array("place", arr)
    mask, vals = ravel(as_bool("place", mask)), ravel(vals)
    index = scalar_dtype(int)
    order = p.cumsum(p.convert_element_type(mask, new_dtype=index, weak_type=False), axis=0, reverse=False)
    which = p.rem(p.sub(order, like(order, 1)), like(order, vals.aval.shape[0]))
    new = take(as_dtype(vals, arr.aval.dtype), which, mode="clip")
    return reshape(where(mask, new, ravel(arr)), arr.aval.shape)
