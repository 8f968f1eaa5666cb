"""`minijax.typing`: annotations for functions of arrays."""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from .array import Array

__all__ = ["ArrayLike", "DTypeLike"]

ArrayLike = Union[Array, np.ndarray, np.bool_, np.number, bool, int, float, complex]  # noqa: UP007  (for isinstance-free use)
DTypeLike = Any
