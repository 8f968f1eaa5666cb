"""Arrays from nothing or from Python: `array`, `zeros`, `arange`, `eye`, `linspace`, ...

In: shapes, dtypes, nested lists, NumPy arrays. Out: arrays. Lists that contain traced values are stacked; anything
else is read by NumPy at once. Sizes are static.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Array, as_value
from ..dtypes import canonicalize_dtype, issubdtype, result_type, scalar_dtype
from ..ir import ShapedArray, Tracer, python_value
from ..primitives import p
from ..primitives._ops import like, select
from ._nested_lists import cast, check_int, stacked, wrapped
from ._promotion import (
    SCALAR_TYPES,
    as_array,
    as_dtype,
    broadcast_value,
    canonical_axis,
    checked,
    literal,
    promoted,
    promoted_inexact,
    static_shape,
    strengthened,
    typed,
    user_dtype,
)

__all__ = [
    "arange",
    "array",
    "asarray",
    "astype",
    "copy",
    "empty",
    "empty_like",
    "eye",
    "fromfunction",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def array(
    object: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str | None = "K",
    ndmin: int = 0,
    *,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """An array from Python numbers, nested lists, NumPy arrays or arrays.

    Args:
        object: what to convert; lists may contain arrays and traced values.
        dtype: of the result; default: that of the content (64 bits become 32 unless x64 is enabled).
        copy: accepted; arrays never change, so that sharing shows nowhere.
        order: "K" or "C".
        ndmin: at least this many axes, added in front.
        device, out_sharding: accepted.

    Returns:
        Array; a Python scalar gives a weakly typed one.

    Raises:
        TypeError: content that is no number.
        ValueError: lists of unequal lengths.
        OverflowError: a Python int that does not fit.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.array([[1, 2], [3, 4.5]])
        Array([[1. , 2. ],
               [3. , 4.5]], dtype=float32)
    """
    if order not in (None, "K", "C"):
        raise NotImplementedError("Only implemented for order='K'")
    wanted = user_dtype(dtype, "array", 4)
    out = _converted(object, wanted)
    if wanted is not None and (out.aval.dtype != wanted or out.aval.weak_type):
        out = p.convert_element_type(out, new_dtype=wanted, weak_type=False)
    if out.aval.ndim < ndmin:
        out = p.reshape(out, new_sizes=(1,) * (ndmin - out.aval.ndim) + out.aval.shape, dimensions=None)
    return out


def _converted(x: Any, wanted: np.dtype | None) -> Any:
    kind = type(x)
    if kind is Array or kind is Tracer:
        return x
    if kind in SCALAR_TYPES:
        if wanted is not None:
            check_int(x, wanted)
            return wrapped(literal(x, wanted).value)
        dtype = scalar_dtype(kind)
        check_int(x, dtype)
        return Array(np.array(literal(x, dtype).value), ShapedArray((), dtype, kind is not bool))
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype == object:
            return _converted(x.tolist(), wanted)
        return as_value(x) if wanted is None else wrapped(cast(np.asarray(x), wanted))
    if isinstance(x, (list, tuple)):
        return stacked(x, wanted)
    if hasattr(x, "__jax_array__"):
        return _converted(x.__jax_array__(), wanted)
    if x is None or isinstance(x, (str, bytes, dict, set)):
        raise TypeError(f"Value '{x}' with type {kind} is not a valid JAX array type")
    if hasattr(x, "__array__"):
        return _converted(np.array(x), wanted)
    if isinstance(x, (bool, int, float, complex)):
        return as_value(x)
    try:
        return _converted(np.array(memoryview(x)), wanted)
    except TypeError:
        raise TypeError(f"Unexpected input type for array: {kind}") from None


def asarray(
    a: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    copy: bool | None = None,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """`array`, without a copy where possible.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.asarray(1.0)
        Array(1., dtype=float32, weak_type=True)
    """
    if dtype is None and (type(a) is Array or type(a) is Tracer):
        return a
    return array(a, user_dtype(dtype, "asarray", 4), order=order)


def copy(a: Any, order: str | None = None) -> Any:
    """A copy of `a`."""
    return p.copy(as_array("copy", a))


def astype(x: Any, dtype: Any, /, *, copy: bool = False, device: Any = None) -> Any:
    """`x` converted to `dtype`; complex to real drops the imaginary part, floats to integers truncate.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.astype(mnp.array([1.5, -1.5]), int)
        Array([ 1, -1], dtype=int32)
    """
    x = as_array("astype", x)
    wanted = user_dtype(float if dtype is None else dtype, "astype", 4)
    assert wanted is not None
    aval = x.aval
    if aval.dtype == wanted and not aval.weak_type:
        return x
    if aval.dtype.kind == "c" and wanted.kind == "b":
        return p.ne(x, like(x, 0))
    if aval.dtype.kind == "c" and not issubdtype(wanted, np.complexfloating):
        x = p.real(x)
    return p.convert_element_type(x, new_dtype=wanted, weak_type=False)


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array of `shape` with every element `fill_value` (which may be an array that broadcasts)."""
    wanted = user_dtype(dtype, "full")
    if isinstance(fill_value, (list, tuple)):
        fill_value = array(fill_value)
    (value,) = checked("full", fill_value)
    found, weak = typed(value)
    value = as_dtype(value, wanted or found, weak and wanted is None)
    return _filled(value, static_shape(shape))


def _filled(value: Any, shape: tuple[int, ...]) -> Any:
    if any(n < 0 for n in shape):
        raise TypeError(f"Shapes must be 1D sequences of nonnegative integers, got {shape}")
    if value.aval.shape not in ((), shape):
        np.broadcast_shapes(value.aval.shape, shape)
    return broadcast_value(value, shape)


def zeros(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array of `shape` with every element 0; float by default.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.zeros((1, 2))
        Array([[0., 0.]], dtype=float32)
    """
    return _filled(literal(0, _float_or(dtype, "zeros")), static_shape(shape))


def ones(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array of `shape` with every element 1; float by default."""
    return _filled(literal(1, _float_or(dtype, "ones")), static_shape(shape))


def empty(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """`zeros`: there is no uninitialised memory here."""
    return _filled(literal(0, _float_or(dtype, "empty")), static_shape(shape))


def _float_or(dtype: Any, name: str) -> np.dtype:
    return user_dtype(dtype, name, 5) or scalar_dtype(float)


def _like(name: str, a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    if not hasattr(a, "dtype") or not hasattr(a, "shape"):
        (a,) = checked(name, a)
    found, weak = (
        (canonicalize_dtype(a.dtype), bool(getattr(a, "weak_type", False))) if hasattr(a, "dtype") else typed(a)
    )
    wanted = user_dtype(dtype, name, 5)
    value = as_dtype(value, wanted or found, weak and wanted is None)
    return _filled(value, tuple(getattr(a, "shape", ())) if shape is None else static_shape(shape))


def zeros_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Zeros of the shape and dtype of `a`, unless given."""
    return _like("zeros_like", a, 0, dtype, shape)


def ones_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Ones of the shape and dtype of `a`, unless given."""
    return _like("ones_like", a, 1, dtype, shape)


def empty_like(
    prototype: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """Zeros of the shape and dtype of `prototype`, unless given."""
    return _like("empty_like", prototype, 0, dtype, shape)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """An array of the shape and dtype of `a` (unless given) with every element `fill_value`."""
    (value,) = checked("full_like", fill_value)
    if type(value) is float and (dtype is None) and hasattr(a, "dtype") and np.dtype(a.dtype).kind in "iu":
        value = int(value)
    return _like("full_like", a, value, dtype, shape)


def arange(
    start: Any, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """Evenly spaced numbers start, start + step, ... below stop.

    Args:
        start: first number, or the stop if it is alone.
        stop, step: numbers known while tracing.
        dtype: default: that of the arguments.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.arange(2, 8, 3)
        Array([2, 5], dtype=int32)
    """
    wanted = user_dtype(dtype, "arange")
    given = [_static(v) for v in (start, stop, step) if v is not None]
    for v in (start, stop, step):
        if v is not None and np.ndim(v if type(v) is not Tracer else 0):
            raise ValueError(f"jax.numpy.arange: arguments must be scalars; got {start=} {stop=} {step=}")
    dtype_ = wanted or canonicalize_dtype(result_type(*[v for v in (start, stop, step) if v is not None]))
    if stop is None and step is None and dtype_.kind in "iuf":
        size = max(math.ceil(given[0]), 0)
        return p.iota(dtype=dtype_, shape=(size,), dimension=0)
    if stop is None:  # start is the end then
        given = [0, *given]
    values = np.arange(*given)
    return wrapped(values.astype(dtype_))


def _static(v: Any) -> Any:
    if type(v) is Tracer:
        if v.aval.dtype.kind in "iu":
            return operator.index(v)
        return python_value(v, "arange: it requires concrete values").item()
    return v.item() if hasattr(v, "item") else v


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`.

    Args:
        start, stop: numbers or arrays that broadcast.
        num: how many.
        endpoint: whether `stop` is one of them.
        retstep: also return the distance.
        dtype: of the result; integers are rounded down.
        axis: of the result, along which they lie.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.linspace(0, 1, 3)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    x, y = promoted_inexact("linspace", _arrays_of(start), _arrays_of(stop))
    wanted = user_dtype(dtype, "linspace") or x.aval.dtype
    shape = np.broadcast_shapes(x.aval.shape, y.aval.shape)
    x, y = (broadcast_value(as_array("linspace", v), (1, *shape)) for v in (x, y))
    parts = num - 1 if endpoint else num
    fraction = wrapped((np.arange(num) / max(parts, 1)).astype(x.aval.dtype))
    fraction = p.broadcast_in_dim(fraction, shape=(num, *shape), broadcast_dimensions=(0,))
    full_x, full_y = (
        p.broadcast_in_dim(v, shape=(num, *shape), broadcast_dimensions=tuple(range(1 + len(shape)))) for v in (x, y)
    )
    out = p.add(p.mul(full_x, p.sub(like(fraction, 1), fraction)), p.mul(full_y, fraction))
    if endpoint and num > 1:  # the last one exactly
        last = wrapped(np.arange(num) == num - 1)
        out = select(p.broadcast_in_dim(last, shape=(num, *shape), broadcast_dimensions=(0,)), full_y, out)
    if wanted.kind in "iu" and out.aval.dtype.kind == "f":
        out = p.floor(out)
    out = p.convert_element_type(out, new_dtype=wanted, weak_type=False)
    axis = canonical_axis(axis, out.aval.ndim)
    if axis:
        order = list(range(1, out.aval.ndim))
        order.insert(axis, 0)
        out = p.transpose(out, permutation=tuple(order))
    if not retstep:
        return out
    step = p.div(p.sub(y, x), like(x, parts)) if parts else p.mul(y, like(y, math.nan))
    return out, p.reshape(strengthened(step), new_sizes=shape, dimensions=None)


def _arrays_of(x: Any) -> Any:
    return array(x) if isinstance(x, (list, tuple)) else x


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` numbers from base**start to base**stop with even ratios."""
    wanted = user_dtype(dtype, "logspace")
    out = p.pow(*promoted_inexact("logspace", base, linspace(start, stop, num, endpoint, axis=axis)))
    return out if wanted is None else p.convert_element_type(out, new_dtype=wanted, weak_type=False)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` numbers from `start` to `stop` with even ratios."""
    wanted = user_dtype(dtype, "geomspace")
    x, y = promoted_inexact("geomspace", _arrays_of(start), _arrays_of(stop))
    if x.aval.dtype.kind == "c":  # start (stop / start)**t: the sign of a complex number has a derivative
        lead, first, last = x, p.mul(x, like(x, 0)), p.log(p.div(y, x))
    else:
        lead = p.sign(x)
        first, last = p.log(p.mul(x, lead)), p.log(p.mul(y, lead))
    logs = linspace(first, last, num, endpoint, axis=axis)
    if lead.aval.ndim:
        axis = canonical_axis(axis, logs.aval.ndim)
        lead = p.broadcast_in_dim(
            lead, shape=logs.aval.shape, broadcast_dimensions=tuple(i for i in range(logs.aval.ndim) if i != axis)
        )
    out = p.mul(*promoted("geomspace", lead, p.exp(logs)))
    return p.convert_element_type(out, new_dtype=wanted or out.aval.dtype, weak_type=False)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, device: Any = None) -> Any:
    """An (N, M) matrix with ones on diagonal `k`.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.eye(2, 3, 1)
        Array([[0., 1., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    wanted = _float_or(dtype, "eye")
    (rows,), columns = static_shape(N), static_shape(N if M is None else M)[0]
    return wrapped(np.eye(rows, columns, operator.index(k)).astype(wanted))


def identity(n: int, dtype: Any = None) -> Any:
    """The (n, n) identity matrix."""
    return eye(n, dtype=_float_or(dtype, "identity"))


def fromfunction(function: Callable[..., Any], shape: Sequence[int], *, dtype: Any = float, **kwargs: Any) -> Any:
    """`function` of the index arrays of `shape`."""
    wanted = user_dtype(dtype, "fromfunction")
    shape = static_shape(shape)
    grids = [p.iota(dtype=wanted, shape=shape, dimension=d) for d in range(len(shape))]
    return function(*grids, **kwargs)
