"""`Array`: an immutable n-dimensional array value.

In: a NumPy array and its aval. Out: what users hold. The NumPy buffer is never written after construction and
is handed out read-only; operators and methods are installed by `minijax.numpy` through `operators.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .dtypes import canonicalize_dtype, float0, scalar_dtype
from .errors import teach
from .ir import Literal, ShapedArray, Tracer, Typed, aval_like, register_array_type

__all__ = ["Array", "as_value", "delete", "finished", "is_deleted", "raw", "wrap"]


class ArrayType(type):
    """Makes `isinstance(tracer, Array)` true, as in JAX: traced values are arrays to user code."""

    def __instancecheck__(cls, instance: Any) -> bool:
        kind = type(instance)
        return kind is Array or kind is Tracer or (cls is not Array and type.__instancecheck__(cls, instance))


class Array(Typed, metaclass=ArrayType):
    """An immutable array; make one with `minijax.numpy.array` and friends.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.arange(3.0)
        Array([0., 1., 2.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_value", "aval")
    __array_priority__ = 100

    def __init__(self, value: Any, aval: ShapedArray) -> None:
        self._value = value
        self.aval = aval

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        # Only for what is not there: `_value` of an Array that was deleted.
        if name == "_value":
            raise RuntimeError(_deleted(self.aval))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.aval.size * self.aval.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = np.asarray(self._value)
        if dtype is not None and value.dtype != dtype:
            return value.astype(dtype)
        if copy:
            return value.copy()
        view = value.view()
        view.flags.writeable = False
        return view

    def __dlpack__(self, **options: Any) -> Any:
        if self.dtype.kind not in "biufc":
            raise BufferError(f"DLPack export of dtype {self.dtype} is not supported by NumPy")
        # NumPy refuses to export read-only memory to consumers that cannot mark it so; a copy is always safe.
        return np.array(self._value).__dlpack__(**{k: v for k, v in options.items() if k != "copy"})

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # (kDLCPU, 0)

    def __bool__(self) -> bool:
        if self.aval.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
                if self.aval.size
                else "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that it is not empty."
            )
        return bool(self._value)

    def __int__(self) -> int:
        return int(self._scalar("int"))

    def __float__(self) -> float:
        return float(self._scalar("float"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self._value)

    def _scalar(self, wanted: str) -> Any:
        if self.aval.size != 1:
            raise TypeError(f"only size-1 arrays can be converted to Python {wanted}, got shape {self.shape}")
        return np.asarray(self._value).item()

    def __format__(self, spec: str) -> str:
        return format(np.asarray(self._value)[()], spec) if self.ndim == 0 else format(str(self), spec)

    def __repr__(self) -> str:
        body = np.array2string(np.asarray(self._value), separator=", ", prefix="Array(", suffix=",")
        weak = ", weak_type=True" if self.aval.weak_type else ""
        empty = f", shape={self.shape}" if self.size == 0 and self.shape != (0,) else ""
        return f"Array({body}{empty}, dtype={self.dtype.name}{weak})"

    def __str__(self) -> str:
        return str(np.asarray(self._value))

    def __reduce__(self) -> Any:
        return wrap, (np.asarray(self._value), self.aval.weak_type)

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, memo: Any) -> Array:
        return Array(np.array(self._value), self.aval)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        row = ShapedArray(self.shape[1:], self.dtype, False)
        return iter([Array(value, row) for value in self._value])

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "minijax arrays are immutable and do not support in-place item assignment. Instead of x[idx] = y, "
            "use x = x.at[idx].set(y) or another .at[] method"
        )


def wrap(value: np.ndarray | np.generic, weak_type: bool = False) -> Array:
    """An Array around a NumPy value that nobody else will write to (dtype as it is)."""
    return Array(value, ShapedArray(value.shape, value.dtype, weak_type))


register_array_type(Array)


class DeletedArray(ShapedArray):
    """The aval of a deleted Array; it equals no other, so that no compiled program takes the Array. `why`: for the error."""

    __slots__ = ("why",)

    why: str

    def __new__(cls, aval: ShapedArray, why: str) -> DeletedArray:
        """Like `aval`, and not interned."""
        new = object.__new__(cls)
        for name in ("shape", "dtype", "weak_type", "ndim", "size", "is_differentiable"):
            setattr(new, name, getattr(aval, name))
        new.why = why
        return new


def delete(x: Array, why: str = "it was deleted by its method delete()") -> None:
    """Take the value away from an Array: reading it raises RuntimeError from now on."""
    if not is_deleted(x):
        del x._value
        x.aval = DeletedArray(x.aval, why)


def is_deleted(x: Array) -> bool:
    """Whether `delete` was called on an Array."""
    return type(x.aval) is DeletedArray


def _deleted(aval: ShapedArray) -> str:
    shape = f"{aval.dtype.name}[{','.join(map(str, aval.shape))}]"
    return teach(
        f"Array has been deleted with shape={shape}.",
        why=getattr(aval, "why", "it has no value"),
        do="use the result of that call instead, or a copy made before it",
    )


def raw(x: Any) -> Any:
    """The NumPy value behind an Array or literal (NumPy values as they are)."""
    kind = type(x)
    return x._value if kind is Array else x.value if kind is Literal else x


def finished(x: Any) -> Any:
    """A result as users get it: literals and NumPy values become Arrays (float0 stays NumPy)."""
    kind = type(x)
    if kind is Literal:
        return Array(x.value, x.aval)
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype != float0:
        return Array(x, aval_like(x))
    return x


_SCALARS = (bool, int, float, complex)


def as_value(x: Any) -> Any:
    """`x` as something that can be bound: Arrays and tracers as they are, NumPy values and Python scalars as Arrays.

    Args:
        x: Array, tracer, NumPy array or scalar, Python scalar (gives a weakly typed Array), or an object
            with `__jax_array__`.

    Raises:
        TypeError: anything else: "... is not a valid JAX type".
    """
    kind = type(x)
    if kind is Array or kind is Tracer:
        return x
    if kind in _SCALARS:
        dtype = scalar_dtype(kind)
        return Array(np.array(x, dtype), ShapedArray((), dtype, kind is not bool))
    if kind is Literal:
        return Array(x.value, x.aval)
    if isinstance(x, (np.ndarray, np.generic)):
        dtype = canonicalize_dtype(x.dtype)
        if dtype.kind in "biufcV" and not dtype.names:
            # A copy: the caller may write to its array later, an Array never changes.
            return wrap(np.array(x, dtype=dtype)) if isinstance(x, np.ndarray) else wrap(dtype.type(x))
    if hasattr(x, "__jax_array__"):
        return as_value(x.__jax_array__())
    if isinstance(x, _SCALARS):  # subclasses of Python scalars (IntEnum, ...)
        return as_value(next(t for t in _SCALARS if isinstance(x, t))(x))
    raise TypeError(f"Argument {x!r} of type {type(x)} is not a valid JAX type.")
