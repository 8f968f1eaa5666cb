"""Dtypes: canonical widths, JAX's promotion lattice with weak types, names.

In: NumPy dtypes, Python scalar types. Out: the dtype (and weak flag) that an operation has. The lattice is that of
JAX's "Design of type promotion semantics": Python scalars are weak types `i*`, `f*`, `c*` that sit just
below the dtypes of their kind, so that they never widen an array.

    b1 - i* - u8 - u16 - u32 - u64 -+
          \\- i8 - i16 - i32 - i64 --+- f* - bf16, f16 - f32 - f64
                                       f* - c* ;  f32, c* - c64 ; f64, c64 - c128
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from .config import config

__all__ = [
    "bfloat16",
    "canonicalize_dtype",
    "check_user_dtype",
    "finfo",
    "float0",
    "from_short_name",
    "iinfo",
    "is_weak",
    "isdtype",
    "issubdtype",
    "promote",
    "promote_types",
    "result_type",
    "scalar_dtype",
    "short_name",
    "tangent_dtype",
    "to_inexact_dtype",
    "to_numeric_dtype",
]

float0 = np.dtype([("float0", np.void, 0)])
bfloat16 = np.dtype(ml_dtypes.bfloat16)

_NARROW = {
    np.dtype(wide): np.dtype(narrow)
    for wide, narrow in (
        ("int64", "int32"),
        ("uint64", "uint32"),
        ("float64", "float32"),
        ("complex128", "complex64"),
    )
}
_SHORT = {
    np.dtype(name): short
    for name, short in (
        ("bool", "bool"),
        *((f"int{n}", f"i{n}") for n in (8, 16, 32, 64)),
        *((f"uint{n}", f"u{n}") for n in (8, 16, 32, 64)),
        *((f"float{n}", f"f{n}") for n in (16, 32, 64)),
        *((f"complex{n}", f"c{n}") for n in (64, 128)),
    )
}
_SHORT[bfloat16] = "bf16"
_SHORT[float0] = "float0"
_LONG = {short: dtype for dtype, short in _SHORT.items()}
_PYTHON = {bool: np.dtype(bool), int: np.dtype("int64"), float: np.dtype("float64"), complex: np.dtype("complex128")}


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = False) -> np.dtype:
    """`dtype` as arrays have it: 64-bit types become 32-bit ones unless x64 is enabled.

    Example:
        >>> canonicalize_dtype("float64")
        dtype('float32')
    """
    if type(dtype) is not type(np.dtype(bool)) and not isinstance(dtype, np.dtype):
        dtype = _PYTHON.get(dtype) or np.dtype(dtype)
    return dtype if config.x64 else _NARROW.get(dtype, dtype)


def scalar_dtype(python_type: type) -> np.dtype:
    """The dtype of a Python scalar type: int32 for int (int64 with x64), float32 for float, ..."""
    dtype = _PYTHON[python_type]
    return dtype if config.x64 else _NARROW.get(dtype, dtype)


def tangent_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of tangents: float0 for integers and booleans, the dtype itself for floats."""
    return dtype if dtype.kind in "fc" or (dtype.kind == "V" and issubdtype(dtype, np.floating)) else float0


def short_name(dtype: np.dtype) -> str:
    """`f32`, `i8`, `bool`, `bf16`: as in a printed Jaxpr."""
    return _SHORT.get(dtype) or str(dtype)


def from_short_name(name: str) -> np.dtype:
    """The dtype called `name` in a printed Jaxpr. Raises KeyError."""
    return _LONG[name]


def _is_small_float(dtype: np.dtype) -> bool:
    return (dtype.kind == "V" and dtype.type.__module__.startswith("ml_dtypes")) or dtype == bfloat16


def issubdtype(a: Any, b: Any) -> bool:
    """`numpy.issubdtype` that knows bfloat16 (a floating type) and float0 (nothing).

    Example:
        >>> issubdtype(bfloat16, np.floating)
        True
    """
    return _issubdtype(_hashable(a), _hashable(b))


def _hashable(x: Any) -> Any:
    return x if isinstance(x, (type, np.dtype)) else np.dtype(x)


@lru_cache(maxsize=1024)
def _issubdtype(a: Any, b: Any) -> bool:
    is_abstract = isinstance(a, type) and issubclass(a, np.generic) and a in _ABSTRACT
    dtype = None if is_abstract else np.dtype(a)
    if dtype is not None and dtype == float0:
        return b is np.void or (not isinstance(b, type) and np.dtype(b) == float0)
    if dtype is not None and dtype.type.__module__.startswith("ml_dtypes"):
        if isinstance(b, type) and b in _ABSTRACT:
            base = np.integer if "int" in dtype.name else np.floating
            return issubclass(base, b)
        return np.dtype(b) == dtype
    return bool(np.issubdtype(a, b))


_ABSTRACT = frozenset(
    (
        np.generic,
        np.number,
        np.integer,
        np.signedinteger,
        np.unsignedinteger,
        np.inexact,
        np.floating,
        np.complexfloating,
    )
)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of a kind of the array API: "bool", "signed integer", "real floating", ..., a dtype, or a tuple."""
    dtype = np.dtype(dtype)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    for one in kinds:
        if isinstance(one, str) and one in _KINDS:
            if any(issubdtype(dtype, abstract) for abstract in _KINDS[one]):
                return True
        elif np.dtype(one) == dtype:
            return True
    return False


_KINDS = {
    "bool": (np.bool_,),
    "signed integer": (np.signedinteger,),
    "unsigned integer": (np.unsignedinteger,),
    "integral": (np.integer,),
    "real floating": (np.floating,),
    "complex floating": (np.complexfloating,),
    "numeric": (np.integer, np.floating, np.complexfloating),
}


def finfo(dtype: Any) -> Any:
    """Limits of a floating dtype (bfloat16 included): `eps`, `max`, `min`, `tiny`, `bits`, ..."""
    dtype = np.dtype(dtype)
    return ml_dtypes.finfo(dtype) if dtype.type.__module__.startswith("ml_dtypes") else np.finfo(dtype)


def iinfo(dtype: Any) -> Any:
    """Limits of an integer dtype: `max`, `min`, `bits`."""
    return np.iinfo(np.dtype(dtype))


# The lattice: from each node to the nodes directly above it. Weak types have names ending in a star.
_ABOVE = {
    "bool": ("i*",),
    "i*": ("u8", "i8"),
    "u8": ("u16", "i16"),
    "u16": ("u32", "i32"),
    "u32": ("u64", "i64"),
    "u64": ("f*",),
    "i8": ("i16",),
    "i16": ("i32",),
    "i32": ("i64",),
    "i64": ("f*",),
    "f*": ("c*", "f16", "bf16"),
    "f16": ("f32",),
    "bf16": ("f32",),
    "f32": ("f64", "c64"),
    "f64": ("c128",),
    "c*": ("c64",),
    "c64": ("c128",),
    "c128": (),
}


def _upper_bounds(node: str) -> frozenset[str]:
    found = {node}
    work = [node]
    while work:
        for above in _ABOVE[work.pop()]:
            if above not in found:
                found.add(above)
                work.append(above)
    return frozenset(found)


_BOUNDS = {node: _upper_bounds(node) for node in _ABOVE}
_WEAK_NODES = {"i": "i*", "u": "i*", "f": "f*", "c": "c*", "b": "bool", "V": "f*"}
_WEAK_TYPES = {"i*": int, "f*": float, "c*": complex}


def _node(dtype: np.dtype, weak: bool) -> str:
    if weak:
        return _WEAK_NODES[dtype.kind]
    found = _SHORT.get(dtype)
    if found is None or found == "float0":
        raise TypeError(f"dtype {dtype} has no place in the promotion lattice")
    return found


@lru_cache(maxsize=4096)
def _join(a: str, b: str) -> str:
    """The least node above both."""
    common = _BOUNDS[a] & _BOUNDS[b]
    for node in common:
        if common == _BOUNDS[node] & common and common <= _BOUNDS[node]:
            return node
    raise TypeError(f"no promotion of {a} and {b}")


_promotions: dict[Any, tuple[np.dtype, bool]] = {}


def promote(dtype_a: np.dtype, weak_a: bool, dtype_b: np.dtype, weak_b: bool) -> tuple[np.dtype, bool]:
    """The dtype and weak flag of an operation on two operands.

    Example:
        >>> promote(np.dtype("float32"), False, np.dtype("float32"), True)
        (dtype('float32'), False)
    """
    key = (dtype_a, weak_a, dtype_b, weak_b, config.x64, config.jax_numpy_dtype_promotion)
    found = _promotions.get(key)
    if found is None:
        found = _promotions[key] = _promote(dtype_a, weak_a, dtype_b, weak_b)
    return found


def _promote(dtype_a: np.dtype, weak_a: bool, dtype_b: np.dtype, weak_b: bool) -> tuple[np.dtype, bool]:
    strict = config.jax_numpy_dtype_promotion == "strict"
    if strict and dtype_a != dtype_b and not (weak_a or weak_b):
        raise TypeError(
            f"Input dtypes {dtype_a} and {dtype_b} have no available implicit dtype promotion path when "
            "jax_numpy_dtype_promotion=strict. Try explicitly casting inputs to the desired output type with x.astype(...)."
        )
    a, b = _node(dtype_a, weak_a), _node(dtype_b, weak_b)
    node = _join(a, b)
    if node in _WEAK_TYPES:
        return scalar_dtype(_WEAK_TYPES[node]), True
    # bool is its own weak form: two weak bools stay weak
    return canonicalize_dtype(_LONG[node]), weak_a and weak_b and node == "bool"


def promote_types(a: Any, b: Any) -> np.dtype:
    """The dtype that values of dtypes `a` and `b` meet at; Python scalar types are weak.

    Example:
        >>> promote_types("int32", "float16")
        dtype('float16')
    """
    return promote(*_typed(a), *_typed(b))[0]


def _typed(x: Any) -> tuple[np.dtype, bool]:
    """(dtype, weak) of an array, aval, dtype, scalar or scalar type."""
    if isinstance(x, type) and x in _PYTHON:
        return scalar_dtype(x), x is not bool
    kind = type(x)
    if kind in _PYTHON:
        return scalar_dtype(kind), kind is not bool
    if isinstance(x, (str, np.dtype, type)):
        return canonicalize_dtype(x), False
    if hasattr(x, "dtype"):
        return canonicalize_dtype(x.dtype), bool(getattr(x, "weak_type", False))
    if hasattr(x, "aval"):
        return canonicalize_dtype(x.aval.dtype), bool(x.aval.weak_type)
    for python_type in _PYTHON:
        if isinstance(x, python_type):
            return scalar_dtype(python_type), python_type is not bool
    raise TypeError(f"Value {x!r} with type {type(x)} is not a valid JAX type")


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype of an operation on `args`: arrays, scalars or dtypes.

    Args:
        *args: at least one.
        return_weak_type_flag: also return whether the result is weakly typed.

    Example:
        >>> result_type(1, 2.0)
        dtype('float32')
    """
    if not args:
        raise ValueError("at least one array or dtype is required")
    dtype, weak = _typed(args[0])
    for x in args[1:]:
        dtype, weak = promote(dtype, weak, *_typed(x))
    return (dtype, weak) if return_weak_type_flag else dtype


def is_weak(x: Any) -> bool:
    """Whether the dtype of `x` gives way in promotion: Python scalars (not bool) and weakly typed arrays."""
    return _typed(x)[1]


@lru_cache(maxsize=256)
def _inexact(dtype: np.dtype, x64: bool) -> np.dtype:
    if issubdtype(dtype, np.inexact):
        return dtype
    return np.dtype("float64") if x64 else np.dtype("float32")


def to_inexact_dtype(dtype: Any) -> np.dtype:
    """`dtype` if it is floating or complex, else the default float."""
    return _inexact(canonicalize_dtype(dtype), config.x64)


def to_numeric_dtype(dtype: Any) -> np.dtype:
    """`dtype`, or the default int for bool."""
    dtype = canonicalize_dtype(dtype)
    return scalar_dtype(int) if dtype == np.dtype(bool) else dtype


def check_user_dtype(dtype: Any, name: str = "", stacklevel: int = 3) -> np.dtype:
    """The canonical form of a dtype that a user asked for; warns when 64 bits are asked for and x64 is off.

    Args:
        dtype: as given by the user.
        name: of the function it was given to.
        stacklevel: frames from here to the user's line.
    """
    asked = _PYTHON.get(dtype) if isinstance(dtype, type) and dtype in _PYTHON else None
    if asked is not None:
        return canonicalize_dtype(asked)  # Python types ask for a kind, not for a width
    wide = np.dtype(dtype)
    narrow = canonicalize_dtype(wide)
    if narrow != wide:
        where = f" requested in {name}" if name else ""
        warnings.warn(
            f"Explicitly requested dtype {wide.name}{where} is not available, and will be truncated to dtype {narrow.name}. "
            "To enable more dtypes, set the jax_enable_x64 configuration option (minijax.config.update('jax_enable_x64', "
            "True)) or the MINIJAX_ENABLE_X64 environment variable.",
            UserWarning,
            stacklevel=stacklevel,
        )
    return narrow
