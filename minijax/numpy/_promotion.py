"""Operands of NumPy functions: checked, converted to one dtype, broadcast to one shape.

In: what users pass (arrays, tracers, NumPy values, Python scalars). Out: values that primitives can be bound to. Python
scalars become literals of the dtype that the operation has, so that `x * 2.0` is one equation `mul x 2.0`; a
scalar is never broadcast, since elementwise primitives take shape () beside any other. The lattice is in
`minijax.dtypes`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..array import Array, as_value
from ..config import config
from ..dtypes import canonicalize_dtype, check_user_dtype, promote, scalar_dtype, to_inexact_dtype
from ..errors import ConcretizationTypeError
from ..ir import Literal, ShapedArray, Tracer, concretize
from ..primitives import p

__all__ = [
    "SCALAR_TYPES",
    "as_array",
    "as_bool",
    "as_dtype",
    "as_inexact",
    "broadcast_all",
    "broadcast_value",
    "canonical_axes",
    "canonical_axis",
    "checked",
    "common_dtype",
    "known_values",
    "literal",
    "literals",
    "plain_pair",
    "promoted",
    "promoted_inexact",
    "promoted_numeric",
    "static_shape",
    "strengthened",
    "to_bool",
    "typed",
    "user_dtype",
    "weak_scalar",
]

SCALAR_TYPES = frozenset((bool, int, float, complex))
BOOL = np.dtype(bool)
_KINDS = {bool: "biufcV", int: "iufcV", float: "fcV", complex: "c"}
_CACHE_LIMIT = 4096

# Weak literals met before, by (dtype, type, value): the two zeros compare equal, so zero is entered as its repr.
literals: dict[Any, Literal] = {}


def weak_scalar(y: Any, dtype: np.dtype) -> Literal | None:
    """The Python scalar `y` as a weak literal of `dtype`; None if `y` would change an operand of that dtype."""
    kind = type(y)
    if dtype.kind not in _KINDS[kind] or config.jax_numpy_dtype_promotion == "strict":
        return None if dtype.kind not in _KINDS[kind] else _weak_literal(y, dtype)
    if len(literals) > _CACHE_LIMIT:
        literals.clear()
    found = literals[dtype, kind, y if y else repr(y)] = _weak_literal(y, dtype)
    return found


def _weak_literal(y: Any, dtype: np.dtype) -> Literal:
    return Literal(_converted(y, dtype), ShapedArray((), dtype, dtype.kind != "b"))


def _converted(y: Any, dtype: np.dtype) -> Any:
    """A Python or NumPy scalar in `dtype`; integers wrap around in narrower types, as XLA converts."""
    if dtype.kind == "f" and type(y) in (int, float) and -1e4 < y < 1e4:
        return dtype.type(y)  # the common case: nothing overflows, no warnings to silence
    with np.errstate(all="ignore"):
        if dtype.kind in "iu" and isinstance(y, int):
            info = np.iinfo(dtype)
            if not info.min <= y <= info.max:
                return _int(y).astype(dtype)
        return np.bool_(y) if dtype.kind == "b" else dtype.type(y)


def _int(y: int) -> Any:
    """A Python int in the default int dtype. Raises OverflowError."""
    dtype = scalar_dtype(int)
    info = np.iinfo(dtype)
    if not info.min <= y <= info.max:
        raise OverflowError(f"Python int {y} too large to convert to {dtype.name}")
    return dtype.type(y)


def literal(y: Any, dtype: np.dtype, weak: bool = False) -> Literal:
    """A scalar as a literal of `dtype`."""
    return Literal(_converted(y, dtype), ShapedArray((), dtype, weak))


def plain_pair(x: Any, y: Any) -> tuple[Any, Any] | None:
    """Two arrays of one dtype, or an array and a Python number that takes its dtype; None: promotion has to decide."""
    kind, other = type(x), type(y)
    if kind is Array or kind is Tracer:
        dtype = x.aval.dtype
        if other is Array or other is Tracer:
            return (x, y) if y.aval.dtype is dtype else None
        if other is float or other is int:
            scalar = literals.get((dtype, other, y if y else repr(y))) or weak_scalar(y, dtype)
            return None if scalar is None else (x, scalar)
    elif (kind is float or kind is int) and (other is Array or other is Tracer):
        dtype = y.aval.dtype
        scalar = literals.get((dtype, kind, x if x else repr(x))) or weak_scalar(x, dtype)
        return None if scalar is None else (scalar, y)
    return None


def checked(name: str, *args: Any) -> list[Any]:
    """`args` as values, Python and NumPy scalars as they are.

    Raises:
        TypeError: an argument that is no array: "sum requires ndarray or scalar arguments, got <class 'list'> at
            position 0".
    """
    return [_checked(name, x, position) for position, x in enumerate(args)]


def _checked(name: str, x: Any, position: int) -> Any:
    kind = type(x)
    if kind is Array or kind is Tracer or kind in SCALAR_TYPES or kind is Literal:
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype.kind in "OSUMm" or (x.dtype.kind == "V" and x.dtype.names):
            raise TypeError(f"{name}: arrays of dtype {x.dtype} are not valid JAX types, at position {position}.")
        return as_value(x) if isinstance(x, np.ndarray) else canonicalize_dtype(x.dtype).type(x)
    if hasattr(x, "__jax_array__"):
        return _checked(name, x.__jax_array__(), position)
    if isinstance(x, (bool, int, float, complex)):  # IntEnum and the like
        return as_value(x)
    raise TypeError(
        f"{name} requires ndarray or scalar arguments, got {kind} at position {position}."
        + (" Convert it with minijax.numpy.asarray first." if isinstance(x, (list, tuple)) else "")
    )


def as_array(name: str, x: Any, position: int = 0) -> Any:
    """`x` as an Array or tracer; Python scalars give weakly typed ones."""
    kind = type(x)
    if kind is Array or kind is Tracer:
        return x
    x = _checked(name, x, position)
    return x if type(x) is Tracer else as_value(x)


def typed(x: Any) -> tuple[np.dtype, bool]:
    """(dtype, weak) of a checked value."""
    kind = type(x)
    if kind in SCALAR_TYPES:
        return scalar_dtype(kind), kind is not bool
    if isinstance(x, np.generic):
        return x.dtype, False
    return x.aval.dtype, x.aval.weak_type


def common_dtype(values: Iterable[Any]) -> tuple[np.dtype, bool]:
    """The dtype and weak flag of an operation on checked values."""
    values = iter(values)
    dtype, weak = typed(next(values))
    for x in values:
        dtype, weak = promote(dtype, weak, *typed(x))
    return dtype, weak


def as_dtype(x: Any, dtype: np.dtype, weak: bool = False) -> Any:
    """A checked value in `dtype`; scalars become literals."""
    kind = type(x)
    if kind in SCALAR_TYPES:
        if kind is int and dtype.kind in "biu":
            _int(x) if dtype.itemsize <= 4 and dtype.kind != "u" else None
        return literal(x, dtype, weak)
    if isinstance(x, np.generic):
        return literal(x, dtype, weak) if x.dtype.kind != "c" or dtype.kind == "c" else as_dtype(as_value(x), dtype)
    if x.aval.dtype == dtype:
        return x
    return p.convert_element_type(x, new_dtype=dtype, weak_type=weak)


def _ready_pair(x: Any, y: Any) -> list[Any] | None:
    """`plain_pair`, if the shapes agree too."""
    pair = plain_pair(x, y)
    if pair is None:
        return None
    a, b = pair[0].aval.shape, pair[1].aval.shape
    return [*pair] if a == b or not a or not b else None


def promoted(name: str, *args: Any) -> list[Any]:
    """`args` in one dtype and of one shape (or scalars)."""
    if len(args) == 2 and (pair := _ready_pair(*args)) is not None:
        return pair
    values = checked(name, *args)
    dtype, weak = common_dtype(values)
    return broadcast_all(name, [as_dtype(x, dtype, weak) for x in values])


def promoted_inexact(name: str, *args: Any) -> list[Any]:
    """As `promoted`, integers and booleans as floats."""
    if len(args) == 2 and (pair := _ready_pair(*args)) is not None and pair[0].aval.dtype.kind in "fc":
        return pair
    values = checked(name, *args)
    dtype, weak = common_dtype(values)
    dtype = to_inexact_dtype(dtype)
    return broadcast_all(name, [as_dtype(x, dtype, weak) for x in values])


def promoted_numeric(name: str, *args: Any) -> list[Any]:
    """As `promoted`, booleans as integers."""
    if len(args) == 2 and (pair := _ready_pair(*args)) is not None and pair[0].aval.dtype != BOOL:
        return pair
    values = checked(name, *args)
    dtype, weak = common_dtype(values)
    if dtype == BOOL:
        dtype = scalar_dtype(int)
    return broadcast_all(name, [as_dtype(x, dtype, weak) for x in values])


def as_inexact(name: str, x: Any) -> Any:
    """One value of a float or complex dtype."""
    (x,) = checked(name, x)
    dtype, weak = typed(x)
    return as_dtype(x, to_inexact_dtype(dtype), weak)


def to_bool(x: Any) -> Any:
    """A checked value as booleans: True where it is not zero."""
    if type(x) in SCALAR_TYPES or isinstance(x, np.generic):
        return literal(bool(x), BOOL)
    if x.aval.dtype == BOOL:
        return x
    return p.ne(x, literal(0, x.aval.dtype, x.aval.weak_type))


def as_bool(name: str, x: Any, position: int = 0) -> Any:
    """An argument as booleans."""
    return to_bool(_checked(name, x, position))


def strengthened(x: Any) -> Any:
    """`x` without its weak type."""
    if not x.aval.weak_type:
        return x
    return p.convert_element_type(x, new_dtype=x.aval.dtype, weak_type=False)


def broadcast_all(name: str, values: Sequence[Any]) -> list[Any]:
    """Values of one shape; scalars stay scalars.

    Raises:
        TypeError: "add got incompatible shapes for broadcasting: (3,), (4,)."
    """
    shapes = {x.aval.shape for x in values}
    shapes.discard(())
    if len(shapes) <= 1:
        return list(values)
    if config.jax_numpy_rank_promotion != "allow" and len({len(shape) for shape in shapes}) > 1:
        _rank_promotion(name, [x.aval.shape for x in values])
    shape = _broadcast_shape(name, [x.aval.shape for x in values])
    return [x if not x.aval.shape or x.aval.shape == shape else broadcast_value(x, shape) for x in values]


def _broadcast_shape(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    ndim = max(map(len, shapes))
    out = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(shape, ndim - len(shape)):
            if n != 1 and out[i] != n:
                if out[i] != 1:
                    found = ", ".join(map(str, shapes))
                    raise TypeError(f"{name} got incompatible shapes for broadcasting: {found}.")
                out[i] = n
    return tuple(out)


def _rank_promotion(name: str, shapes: Sequence[tuple[int, ...]]) -> None:
    message = (
        f"Operands could not be broadcast together for {name} on shapes {' '.join(map(str, shapes))} and with the "
        f"config option jax_numpy_rank_promotion={config.jax_numpy_rank_promotion!r}: add axes with x[None]"
    )
    if config.jax_numpy_rank_promotion == "raise":
        raise ValueError(message)
    warnings.warn(f"Following NumPy automatic rank promotion for {name}: {message}", stacklevel=5)


def broadcast_value(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` repeated to `shape`, its axes being the last ones."""
    ndim = x.aval.ndim
    return p.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(len(shape) - ndim, len(shape))))


def canonical_axis(axis: Any, ndim: int) -> int:
    """A nonnegative axis. Raises ValueError when it is out of range."""
    axis = axis.__index__()
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return int(axis) % ndim


def canonical_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Nonnegative axes: all for None, one for an int. Raises ValueError for duplicates."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list, np.ndarray)):
        return (canonical_axis(axis, ndim),)
    axes = tuple(canonical_axis(a, ndim) for a in axis)
    if len(set(axes)) != len(axes):
        raise ValueError(f"duplicate value in 'axis': {tuple(axis)}")
    return axes


def static_shape(shape: Any) -> tuple[int, ...]:
    """A shape of Python ints; one int is a shape of one axis.

    Raises:
        TypeError: a size that is no integer or not known while tracing.
    """
    if type(shape) is int:
        return (shape,)
    sizes = tuple(shape) if isinstance(shape, (tuple, list, np.ndarray)) else None
    if sizes is None:
        sizes = tuple(shape) if getattr(shape, "ndim", 0) and type(shape) is not Tracer else (shape,)
    if any(type(n) is Tracer for n in sizes):
        raise TypeError(
            f"Shapes must be 1D sequences of concrete values of integer type, got {sizes}. If using `jit`, try using "
            "`static_argnums` or applying `jit` to smaller subfunctions."
        )
    try:
        return tuple(n.__index__() for n in sizes)
    except (TypeError, AttributeError):
        raise TypeError(f"Shapes must be 1D sequences of concrete values of integer type, got {shape!r}.") from None


def user_dtype(dtype: Any, name: str, stacklevel: int = 4) -> np.dtype | None:
    """A `dtype` argument in canonical form; None stays None. Results of a requested dtype are never weak."""
    if dtype is None:
        return None
    if hasattr(dtype, "dtype") and not isinstance(dtype, (np.dtype, type)):
        dtype = dtype.dtype
    return check_user_dtype(dtype, name, stacklevel)


def known_values(name: str, x: Any) -> np.ndarray:
    """The values of `x`, for a function whose result has a shape that depends on them.

    Raises:
        ConcretizationTypeError: they are not known here.
    """
    if type(x) is not Tracer:
        return np.asarray(x)
    try:
        return concretize(x, "value", name)  # type: ignore[no-any-return]
    except ConcretizationTypeError as error:
        raise ConcretizationTypeError(
            f"{error}\n  note: The size argument of jnp.{name} must be statically specified to use jnp.{name} within "
            "JAX transformations."
        ) from None
