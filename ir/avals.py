"""Abstract values: what is known about an array before it exists.

In: a shape, a dtype and the weak-type flag. Out: one interned `ShapedArray` per triple, so that equality
is identity and a dictionary keyed by avals costs one hash of a pointer.

A *weak* type is that of a Python scalar: it gives way to the dtype of whatever it meets (JAX's promotion
rules). `float0` is the dtype of tangents of integers and booleans: they have no derivative.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import float0, short_name, tangent_dtype

__all__ = ["ShapedArray", "Typed", "aval_like", "shaped"]

_interned: dict[tuple[tuple[int, ...], np.dtype, bool], ShapedArray] = {}


class ShapedArray:
    """The type of an array: `shape`, `dtype` and `weak_type`. Interned: compare with `is`.

    Args:
        shape: tuple of ints.
        dtype: NumPy dtype (already canonical, see `minijax.dtypes.canonicalize_dtype`).
        weak_type: True for values that come from Python scalars.
    """

    __slots__ = ("__weakref__", "dtype", "is_differentiable", "ndim", "shape", "size", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype
    weak_type: bool
    ndim: int
    size: int
    is_differentiable: bool  # whether values of this type carry a nonzero tangent (real and complex floats)

    def __new__(cls, shape: tuple[int, ...], dtype: np.dtype, weak_type: bool = False) -> ShapedArray:
        found = _interned.get((shape, dtype, weak_type))
        if found is not None:
            return found
        shape = tuple(int(n) for n in shape)
        dtype = np.dtype(dtype)
        aval = object.__new__(cls)
        aval.shape, aval.dtype, aval.weak_type = shape, dtype, bool(weak_type)
        aval.ndim, aval.size = len(shape), math.prod(shape)
        aval.is_differentiable = tangent_dtype(dtype) is not float0
        return _interned.setdefault((shape, dtype, aval.weak_type), aval)

    def tangent(self) -> ShapedArray:
        """The aval of a tangent (or cotangent) of this value: `float0` for integers and booleans."""
        return ShapedArray(self.shape, tangent_dtype(self.dtype), self.weak_type)

    def strong(self) -> ShapedArray:
        """The same aval without the weak flag."""
        return ShapedArray(self.shape, self.dtype, False) if self.weak_type else self

    def update(
        self,
        shape: tuple[int, ...] | None = None,
        dtype: np.dtype | None = None,
        weak_type: bool | None = None,
    ) -> ShapedArray:
        """A copy with the given fields replaced."""
        return ShapedArray(
            self.shape if shape is None else shape,
            self.dtype if dtype is None else dtype,
            self.weak_type if weak_type is None else weak_type,
        )

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def str_short(self) -> str:
        """`f32[3,4]`, as in a printed Jaxpr."""
        return f"{short_name(self.dtype)}[{','.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        dims = ",".join(map(str, self.shape))
        return f"ShapedArray({self.dtype.name if self.dtype is not float0 else 'float0'}[{dims}]{weak})"

    def __reduce__(self) -> tuple[type[ShapedArray], tuple[tuple[int, ...], np.dtype, bool]]:
        return ShapedArray, (self.shape, self.dtype, self.weak_type)

    def __copy__(self) -> ShapedArray:
        return self

    def __deepcopy__(self, memo: object) -> ShapedArray:
        return self


def shaped(value: np.ndarray | np.generic) -> ShapedArray:
    """The aval of a NumPy array or scalar. Strong: NumPy values carry their dtype on purpose."""
    return ShapedArray(value.shape, value.dtype, False)


class Typed:
    """What has an `aval` has a shape and a dtype: arrays, tracers, placeholders of rules."""

    __slots__ = ()

    aval: ShapedArray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype: float0 for the tangent of an integer or boolean."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.aval.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.aval.size

    @property
    def weak_type(self) -> bool:
        """Whether the dtype gives way in promotion, as a Python scalar's does."""
        return self.aval.weak_type


def aval_like(value: object) -> ShapedArray:
    """The aval of an `Array`, a `Tracer` or a NumPy value."""
    try:
        return value.aval  # type: ignore[attr-defined,no-any-return]
    except AttributeError:
        return shaped(value)  # type: ignore[arg-type]
