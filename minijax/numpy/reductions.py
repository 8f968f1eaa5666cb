"""Reductions over axes: sums, products, extrema, moments, running sums.

In: arrays, `axis` (None: all; int; tuple of ints), `keepdims`, `where` (a mask that broadcasts), `initial`. Out: arrays;
their types are strong. Sums of booleans and small integers are of the default integer type; means are floats.
Extrema share the derivative between ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import Array
from ..dtypes import issubdtype, scalar_dtype, to_inexact_dtype
from ..ir import Tracer, lookup
from ..primitives import p
from ..primitives._ops import like, select
from ._promotion import (
    BOOL,
    as_array,
    as_dtype,
    broadcast_all,
    broadcast_value,
    canonical_axes,
    canonical_axis,
    checked,
    literal,
    promoted,
    strengthened,
    to_bool,
    typed,
    user_dtype,
)

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "average",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]


def refuse_out(name: str, out: Any) -> None:
    """Raise if an `out` argument was given."""
    if out is not None:
        raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported.")


def with_axes_kept(x: Any, axes: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """A reduced array with the reduced axes of `shape` as axes of size 1."""
    kept = tuple(i for i in range(len(shape)) if i not in axes)
    sizes = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return p.broadcast_in_dim(x, shape=sizes, broadcast_dimensions=kept)


def _summed_dtype(dtype: np.dtype, promote_integers: bool) -> np.dtype:
    """The dtype that sums and products of `dtype` have."""
    if dtype == BOOL:
        return scalar_dtype(int)
    if promote_integers and dtype.kind in "iu" and dtype.itemsize < scalar_dtype(int).itemsize:
        return np.dtype(f"{dtype.kind}{scalar_dtype(int).itemsize}")
    return dtype


def masked(name: str, a: Any, where: Any, fill: Any) -> Any:
    """`a` with the literal `fill` where the mask `where` is false."""
    mask = to_bool(as_array(name, where))
    a, mask = broadcast_all(name, [a, mask])
    return select(mask, a, fill)


def _accumulation(name: str, primitive_name: str, combine_name: str, neutral: int, what: str) -> Callable[..., Any]:
    bind, combine = lookup(primitive_name).bind, lookup(combine_name).bind

    def reduce(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
        promote_integers: bool = True,
    ) -> Any:
        if out is not None:
            refuse_out(name, out)
        a = as_array(name, a)
        wanted = user_dtype(dtype, name) or _summed_dtype(a.aval.dtype, promote_integers)
        if a.aval.dtype != wanted:
            a = p.convert_element_type(a, new_dtype=wanted, weak_type=False)
        if where is not None:
            a = masked(name, a, where, literal(neutral, wanted))
        axes = canonical_axes(axis, a.aval.ndim)
        result = bind(a, axes=axes) if axes else a
        if result.aval.weak_type:
            result = strengthened(result)
        if initial is not None:
            result = combine(*broadcast_all(name, [as_dtype(checked(name, initial)[0], wanted), result]))
        return with_axes_kept(result, axes, a.aval.shape) if keepdims else result

    reduce.__name__ = reduce.__qualname__ = name
    reduce.__doc__ = f"""{what} along axes.

    Args:
        a: array.
        axis: int, ints, or None for all.
        dtype: of the result; default: that of `a`, at least the default int.
        out: not supported.
        keepdims: keep reduced axes with size 1.
        initial: number to start with.
        where: mask of the elements that count.
        promote_integers: whether small integers widen.
    """
    return reduce


sum = _accumulation("sum", "reduce_sum", "add", 0, "Sum")
prod = _accumulation("prod", "reduce_prod", "mul", 1, "Product")


def extreme_value(dtype: np.dtype, largest: bool) -> Any:
    """The literal that never wins a comparison: the largest or smallest value of `dtype`."""
    if dtype.kind == "b":
        return literal(largest, dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return literal(info.max if largest else info.min, dtype)
    return literal(math.inf if largest else -math.inf, dtype)


def _extremum(name: str, primitive_name: str, combine_name: str, largest: bool, what: str) -> Callable[..., Any]:
    bind, combine = lookup(primitive_name).bind, lookup(combine_name).bind

    def reduce(
        a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Any:
        refuse_out(name, out)
        a = as_array(name, a)
        axes = canonical_axes(axis, a.aval.ndim)
        if where is not None:
            if initial is None:
                raise ValueError(
                    f"reduction operation {name} does not have an identity, so to use a where mask one has to "
                    "specify 'initial'"
                )
            a = masked(name, a, where, extreme_value(a.aval.dtype, largest))
        if initial is None and not math.prod(a.aval.shape[i] for i in axes):
            raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
        result = strengthened(bind(a, axes=axes) if axes else a)
        if initial is not None:
            result = combine(*promoted(name, initial, result))
        return with_axes_kept(result, axes, a.aval.shape) if keepdims else result

    reduce.__name__ = reduce.__qualname__ = name
    reduce.__doc__ = f"""{what} along axes; nan wins.

    Args:
        a: array.
        axis: int, ints, or None for all.
        out: not supported.
        keepdims: keep reduced axes with size 1.
        initial: a bound on the result; needed for empty arrays and with `where`.
        where: mask of the elements that count.

    Returns:
        Array. Ties share the derivative equally.

    Raises:
        ValueError: no elements and no `initial`.
    """
    return reduce


max = _extremum("max", "reduce_max", "max", False, "Maximum")
min = _extremum("min", "reduce_min", "min", True, "Minimum")
amax, amin = max, min


def _test(name: str, primitive_name: str, neutral: bool, what: str) -> Callable[..., Any]:
    bind = lookup(primitive_name).bind

    def reduce(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
        refuse_out(name, out)
        a = to_bool(as_array(name, a))
        if where is not None:
            a = masked(name, a, where, literal(neutral, BOOL))
        axes = canonical_axes(axis, a.aval.ndim)
        result = bind(a, axes=axes) if axes else a
        return with_axes_kept(result, axes, a.aval.shape) if keepdims else result

    reduce.__name__ = reduce.__qualname__ = name
    reduce.__doc__ = f"""Whether {what} elements along axes are not zero.

    Args:
        a: array.
        axis, keepdims, where: as for `sum`.
        out: not supported.
    """
    return reduce


all = _test("all", "reduce_and", True, "all")
any = _test("any", "reduce_or", False, "some")


def count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements along axes are not zero."""
    return sum(to_bool(as_array("count_nonzero", a)), axis=axis, dtype=scalar_dtype(int), keepdims=keepdims)


def element_count(name: str, a: Any, axes: tuple[int, ...], where: Any, keepdims: bool) -> Any:
    """How many elements are reduced to one: an int, or an array when there is a mask."""
    if where is None:
        return math.prod(a.aval.shape[i] for i in axes)
    mask = broadcast_value(to_bool(as_array(name, where)), a.aval.shape)
    return sum(mask, axis=axes, dtype=a.aval.dtype, keepdims=keepdims)


def as_inexact_of(name: str, a: Any, dtype: Any) -> Any:
    """`a` as floats, or in the dtype asked for."""
    a = as_array(name, a)
    wanted = user_dtype(dtype, name, 5)
    return as_dtype(
        a, wanted if wanted is not None and issubdtype(wanted, np.inexact) else to_inexact_dtype(a.aval.dtype)
    )


def quotient(x: Any, count: Any) -> Any:
    """x / count."""
    return p.div(x, like(x, count) if isinstance(count, (int, float)) else as_dtype(count, x.aval.dtype))


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Arithmetic mean along axes.

    Args:
        a: array; integers become floats.
        axis, keepdims, where: as for `sum`.
        dtype: of the result.
        out: not supported.

    Returns:
        Array; nan of nothing.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.mean(mnp.array([1, 2]))
        Array(1.5, dtype=float32)
    """
    refuse_out("mean", out)
    if dtype is None and where is None and type(a) in (Array, Tracer) and a.aval.dtype.kind == "f":
        axes = canonical_axes(axis, a.aval.ndim)
        total = sum(a, axis=axes, keepdims=keepdims)
        return p.div(total, literal(math.prod(a.aval.shape[i] for i in axes), total.aval.dtype))
    wanted = user_dtype(dtype, "mean")
    a = as_inexact_of("mean", a, wanted)
    axes = canonical_axes(axis, a.aval.ndim)
    result = quotient(
        sum(a, axis=axes, keepdims=keepdims, where=where), element_count("mean", a, axes, where, keepdims)
    )
    return result if wanted is None else as_dtype(result, wanted)


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance along axes: the mean of squared distances from the mean.

    Args:
        a: array; complex ones give real variances.
        axis, keepdims, where: as for `sum`.
        dtype: to compute in.
        out: not supported.
        ddof, correction: taken off the number of elements in the denominator.
        mean: the mean, if it is known (with reduced axes kept).
    """
    refuse_out("var", out)
    if correction is not None:
        ddof = correction
    wanted = user_dtype(dtype, "var")
    if wanted is not None and not issubdtype(wanted, np.inexact):
        raise ValueError(f"dtype argument to jnp.var must be inexact; got {wanted}")
    a = as_inexact_of("var", a, dtype)
    axes = canonical_axes(axis, a.aval.ndim)
    centre = _mean_kept(a, axes, where) if mean is None else as_array("var", mean)
    distance = p.sub(*promoted("var", a, centre))
    squared = _squared_modulus(distance)
    total = sum(squared, axis=axes, keepdims=keepdims, where=where)
    count = element_count("var", a, axes, where, keepdims)
    if isinstance(count, int) and isinstance(ddof, (int, float)):
        return quotient(total, count - ddof if count - ddof > 0 else 0)
    return quotient(total, p.sub(*promoted("var", count, ddof)))


def _mean_kept(a: Any, axes: tuple[int, ...], where: Any) -> Any:
    """The mean, of a shape that broadcasts with `a`."""
    kept = len(axes) < a.aval.ndim  # a mean over everything is a scalar, which needs no broadcasting
    return quotient(sum(a, axis=axes, keepdims=kept, where=where), element_count("var", a, axes, where, kept))


def _squared_modulus(x: Any) -> Any:
    if x.aval.dtype.kind == "c":
        return p.add(p.square(p.real(x)), p.square(p.imag(x)))
    return p.square(x)


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Standard deviation along axes: the square root of `var`, with the same arguments. Its derivative is nan at 0."""
    refuse_out("std", out)
    return p.sqrt(var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


def ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Maximum minus minimum along axes."""
    refuse_out("ptp", out)
    return p.sub(max(a, axis=axis, keepdims=keepdims), min(a, axis=axis, keepdims=keepdims))


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """Weighted mean along axes.

    Args:
        a: array.
        axis: int, ints or None.
        weights: of the shape of `a`, or a vector along `axis`; None: the mean.
        returned: also return the sums of the weights.
        keepdims: keep reduced axes with size 1.
    """
    a = as_array("average", a)
    if weights is None:
        result = mean(a, axis=axis, keepdims=keepdims)
        count = math.prod(a.aval.shape[i] for i in canonical_axes(axis, a.aval.ndim))
        return (result, broadcast_value(literal(count, result.aval.dtype), result.aval.shape)) if returned else result
    a, w = as_array("average", a), as_array("average", weights, 1)
    axes = canonical_axes(axis, a.aval.ndim)
    if w.aval.shape != a.aval.shape:
        if axis is None:
            raise ValueError("Axis must be specified when shapes of a and weights differ.")
        if w.aval.shape != tuple(a.aval.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        w = p.broadcast_in_dim(w, shape=a.aval.shape, broadcast_dimensions=axes)
    dtype = to_inexact_dtype(typed(promoted("average", a, w)[0])[0])
    a, w = as_dtype(a, dtype), as_dtype(w, dtype)
    total = sum(w, axis=axes, keepdims=keepdims)
    result = p.div(sum(p.mul(a, w), axis=axes, keepdims=keepdims), total)
    return (result, total) if returned else result


def _running(name: str, what: str) -> Callable[..., Any]:
    bind = lookup(name).bind

    def accumulate(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
        refuse_out(name, out)
        a = as_array(name, a)
        wanted = user_dtype(dtype, name)
        if axis is None:
            a, axis = p.reshape(a, new_sizes=(a.aval.size,), dimensions=None), 0
        if wanted is None:
            wanted = scalar_dtype(int) if a.aval.dtype == BOOL else a.aval.dtype
        a = strengthened(as_dtype(a, wanted))
        return bind(a, axis=canonical_axis(axis, a.aval.ndim), reverse=False)

    accumulate.__name__ = accumulate.__qualname__ = name
    accumulate.__doc__ = f"""{what} along `axis`; of the flattened array for None.

    Args:
        a: array.
        axis: int or None.
        dtype: of the result.
        out: not supported.
    """
    return accumulate


cumsum = _running("cumsum", "Running sum")
cumprod = _running("cumprod", "Running product")


def _cumulative(name: str, function: Callable[..., Any], neutral: int) -> Callable[..., Any]:
    def accumulate(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        x = as_array(name, x)
        if axis is None:
            if x.aval.ndim != 1:
                raise ValueError(
                    f"The input array has rank {x.aval.ndim}, however axis was not set to an explicit value."
                )
            axis = 0
        wanted = user_dtype(dtype, name) or _summed_dtype(x.aval.dtype, True)
        out = function(as_dtype(x, wanted), axis=axis)
        if not include_initial:
            return out
        config = tuple((1 if i == canonical_axis(axis, x.aval.ndim) else 0, 0, 0) for i in range(x.aval.ndim))
        return p.pad(out, literal(neutral, wanted), padding_config=config)

    accumulate.__name__ = accumulate.__qualname__ = name
    accumulate.__doc__ = (
        f"`{name[11:]}` running along `axis`, with {neutral} in front if `include_initial` (array API)."
    )
    return accumulate


cumulative_sum = _cumulative("cumulative_sum", cumsum, 0)
cumulative_prod = _cumulative("cumulative_prod", cumprod, 1)
