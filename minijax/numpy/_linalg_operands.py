"""Operands of linear algebra: floats of LAPACK's kinds, matrices in the last two axes.

In: what users pass. Out: values, checked and converted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as mnp  # complete by the time a function here runs
from ..array import as_value
from ..dtypes import result_type, to_inexact_dtype
from ..primitives import p

__all__ = [
    "adjoint",
    "converted",
    "epsilon",
    "hermitian_part",
    "inexact",
    "inexact_pair",
    "matrices",
    "squared_modulus",
]


def inexact(x: Any) -> Any:
    """`x` as a value of a float or complex dtype."""
    x = as_value(x)
    return x if x.dtype.char in "fdFD" else converted(x, to_inexact_dtype(x.dtype))


def inexact_pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Two values of one common float or complex dtype."""
    x, y = as_value(x), as_value(y)
    dtype = to_inexact_dtype(result_type(x, y))
    return converted(x, dtype), converted(y, dtype)


def converted(x: Any, dtype: np.dtype) -> Any:
    """`x` in `dtype`."""
    return x if x.dtype == dtype else p.convert_element_type(x, new_dtype=dtype, weak_type=False)


def matrices(name: str, a: Any, *, square: bool = False) -> Any:
    """`a` as (batches of) float matrices. Raises ValueError if it is not."""
    a = inexact(a)
    if a.ndim < 2:
        raise ValueError(f"{name} requires at least a two-dimensional array, got shape={a.shape}")
    if square and a.shape[-1] != a.shape[-2]:
        raise ValueError(f"Argument to {name} must have shape [..., n, n], got {a.shape}.")
    return a


def adjoint(a: Any) -> Any:
    """Conjugate transpose of the last two axes."""
    a = mnp.swapaxes(a, -1, -2)
    return p.conj(a) if a.dtype.kind == "c" else a


def hermitian_part(a: Any) -> Any:
    """(a + a^H) / 2."""
    return mnp.divide(mnp.add(a, adjoint(a)), 2)


def epsilon(dtype: np.dtype) -> float:
    """Distance from 1 to the next number."""
    return float(np.finfo(dtype).eps)


def squared_modulus(x: Any) -> Any:
    """|x|^2, elementwise; unlike the square of abs, differentiable at zero."""
    if x.dtype.kind == "c":
        return mnp.add(mnp.square(p.real(x)), mnp.square(p.imag(x)))
    return mnp.square(x)
