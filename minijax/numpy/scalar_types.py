"""Scalar types and dtypes: `float32`, `int8`, ... can be called, and used wherever a dtype is asked for.

In: values, dtypes. Out: arrays of a dtype, facts about dtypes.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ..dtypes import (
    finfo as finfo,
    iinfo as iinfo,
    isdtype as isdtype,
    issubdtype as issubdtype,
    promote_types as promote_types,
    result_type as result_type,
)
from .creation import array

__all__ = [
    "ABSTRACT",
    "SCALARS",
    "can_cast",
    "dtype",
    "finfo",
    "iinfo",
    "isdtype",
    "issubdtype",
    "promote_types",
    "result_type",
]


class ScalarType(type):
    """The class of `float32` and its like: `float32(x)` is `array(x, float32)`; equal to the dtype and to NumPy's type.

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.float32(1), mnp.float32 == np.float32
        (Array(1., dtype=float32), True)
    """

    dtype: np.dtype

    def __call__(cls, x: Any, *args: Any, **kwargs: Any) -> Any:
        return array(x, cls.dtype, *args, **kwargs)

    def __eq__(cls, other: Any) -> bool:
        return other is cls or cls.dtype.type == other or (isinstance(other, np.dtype) and cls.dtype == other)

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.dtype.type)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return subclass is cls

    def __repr__(cls) -> str:
        return f"<class 'minijax.numpy.{cls.__name__}'>"


def _scalar_type(name: str, dtype: Any) -> ScalarType:
    found = np.dtype(dtype)
    return ScalarType(
        name,
        (object,),
        {"dtype": found, "__doc__": f"Arrays of dtype {found.name}, and that dtype.", "__module__": __name__},
    )


SCALARS: dict[str, ScalarType] = {}
for _name in [
    "bool_",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]:
    SCALARS[_name] = _scalar_type(_name, getattr(np, _name))
for _name in [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "int2",
    "int4",
    "uint2",
    "uint4",
    "int1",
    "uint1",
]:
    if hasattr(ml_dtypes, _name):
        SCALARS[_name] = _scalar_type(_name, getattr(ml_dtypes, _name))
for _alias, _name in (
    ("bool", "bool_"),
    ("single", "float32"),
    ("float_", "float64"),
    ("double", "float64"),
    ("csingle", "complex64"),
    ("cdouble", "complex128"),
    ("complex_", "complex128"),
    ("int_", "int64"),
    ("uint", "uint64"),
):
    SCALARS[_alias] = SCALARS[_name]

# NumPy's abstract types, for issubdtype
ABSTRACT = {
    name: getattr(np, name)
    for name in [
        "character",
        "complexfloating",
        "flexible",
        "floating",
        "generic",
        "inexact",
        "integer",
        "number",
        "object_",
        "signedinteger",
        "unsignedinteger",
    ]
}

dtype = np.dtype


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether a dtype converts to another under NumPy's rules."""
    return bool(np.can_cast(np.dtype(from_.dtype if hasattr(from_, "aval") else from_), np.dtype(to), casting))
