"""Dtypes: canonical widths, JAX's promotion lattice with weak types, names.

In: NumPy dtypes, Python scalar types. Out: the dtype (and weak flag) that an operation has. The lattice is that of
JAX's "Design of type promotion semantics": Python scalars are weak types `i*`, `f*`, `c*` that sit just
below the dtypes of their kind, so that they never widen an array.

    b1 - i* - u8 - u16 - u32 - u64 -+
          \\- i8 - i16 - i32 - i64 --+- f* - bf16, f16 - f32 - f64
                                       f* - c* ;  f32, c* - c64 ; f64, c64 - c128

The 8-bit floats sit above f* with nothing above them: they meet no other float.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from .config import config
from .errors import TypePromotionError, teach

__all__ = [
    "TypePromotionError",
    "bfloat16",
    "canonicalize_dtype",
    "check_user_dtype",
    "finfo",
    "float0",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "from_short_name",
    "iinfo",
    "is_weak",
    "isdtype",
    "issubdtype",
    "itemsize_bits",
    "promote",
    "promote_types",
    "result_type",
    "scalar_dtype",
    "scalar_type_of",
    "short_name",
    "tangent_dtype",
    "to_inexact_dtype",
    "to_numeric_dtype",
]

float0 = np.dtype([("float0", np.void, 0)])
bfloat16 = np.dtype(ml_dtypes.bfloat16)
float8_e4m3b11fnuz = np.dtype(ml_dtypes.float8_e4m3b11fnuz)
float8_e4m3fn = np.dtype(ml_dtypes.float8_e4m3fn)
float8_e4m3fnuz = np.dtype(ml_dtypes.float8_e4m3fnuz)
float8_e5m2 = np.dtype(ml_dtypes.float8_e5m2)
float8_e5m2fnuz = np.dtype(ml_dtypes.float8_e5m2fnuz)
_FLOAT8 = (float8_e4m3b11fnuz, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz)

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
_SHORT |= {dtype: dtype.name.replace("float", "f") for dtype in _FLOAT8}
_SHORT[float0] = "float0"
_LONG = {short: dtype for dtype, short in _SHORT.items()}
_PYTHON = {bool: np.dtype(bool), int: np.dtype("int64"), float: np.dtype("float64"), complex: np.dtype("complex128")}


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = False) -> np.dtype:
    """`dtype` as arrays have it: 64-bit types become 32-bit ones unless x64 is enabled.

    Example:
        >>> canonicalize_dtype("float64")
        dtype('float32')
    """
    try:
        return (_canonical_wide if config.x64 else _canonical)[dtype]
    except (KeyError, TypeError):
        found = _PYTHON.get(dtype) if isinstance(dtype, Hashable) else None
        found = found or np.dtype(dtype)
        return found if config.x64 else _NARROW.get(found, found)


# The answers for the types and dtypes that there are; what is not here (names, structured dtypes) is converted each time.
_canonical_wide: dict[Any, np.dtype] = {key: dtype for dtype in _SHORT for key in (dtype, dtype.type)}
_canonical_wide |= _PYTHON
del _canonical_wide[np.void]  # the type of float0, and of other structured dtypes
_canonical = {key: _NARROW.get(dtype, dtype) for key, dtype in _canonical_wide.items()}


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


def issubdtype(arg1: Any, arg2: Any) -> bool:
    """`numpy.issubdtype` that knows bfloat16 (a floating type) and float0 (nothing).

    Example:
        >>> issubdtype(bfloat16, np.floating)
        True
    """
    return _issubdtype(_hashable(arg1), _hashable(arg2))


def _hashable(x: Any) -> Any:
    return x if isinstance(x, (type, np.dtype)) else np.dtype(x)


@lru_cache(maxsize=1024)
def _issubdtype(a: Any, b: Any) -> bool:
    is_abstract = isinstance(a, type) and issubclass(a, np.generic) and a in _ABSTRACT
    dtype = None if is_abstract else np.dtype(a)
    if dtype is not None and dtype == float0:
        return b in (np.void, np.generic) or (not isinstance(b, type) and np.dtype(b) == float0)
    if dtype is not None and dtype.type.__module__.startswith("ml_dtypes"):
        if isinstance(b, type) and b in _ABSTRACT:
            base = np.floating
            if "int" in dtype.name:
                base = np.unsignedinteger if dtype.name.startswith("u") else np.signedinteger
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
    """Whether `dtype` is of a kind of the array API.

    Args:
        dtype: a dtype.
        kind: "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric";
            a dtype; or a tuple of these.

    Raises:
        ValueError: a name that is no kind and no dtype.
        TypeError: `kind` is something else, an abstract type like `numpy.floating` included.
    """
    dtype = np.dtype(dtype)
    return any(_is_kind(dtype, one) for one in (kind if isinstance(kind, tuple) else (kind,)))


def _is_kind(dtype: np.dtype, kind: Any) -> bool:
    if isinstance(kind, str) and kind in _KINDS:
        return any(issubdtype(dtype, abstract) for abstract in _KINDS[kind])
    if kind is None or (isinstance(kind, type) and kind in _ABSTRACT):
        raise TypeError(f"Expected kind to be a dtype, string, or tuple; got kind={kind!r}")
    try:
        return bool(np.dtype(kind) == dtype)
    except TypeError:
        if isinstance(kind, str):
            raise ValueError(f"Unrecognized kind={kind!r}: expected one of {list(_KINDS)}, or a dtype") from None
        raise TypeError(f"Expected kind to be a dtype, string, or tuple; got kind={kind!r}") from None


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
    """Limits of a floating or complex dtype, or of an array's: `eps`, `max`, `min`, `tiny`, `bits`, ...

    Raises:
        ValueError: the dtype is not inexact.
    """
    dtype = _dtype_of(dtype)
    return ml_dtypes.finfo(dtype) if dtype.type.__module__.startswith("ml_dtypes") else np.finfo(dtype)


def iinfo(int_type: Any) -> Any:
    """Limits of an integer dtype, or of an array's: `max`, `min`, `bits`.

    Raises:
        ValueError: the dtype is no integer type.
    """
    dtype = _dtype_of(int_type)
    return ml_dtypes.iinfo(dtype) if dtype.type.__module__.startswith("ml_dtypes") else np.iinfo(dtype)


def _dtype_of(x: Any) -> np.dtype:
    return np.dtype(getattr(x, "dtype", x) if not isinstance(x, type) else x)


def itemsize_bits(dtype: Any) -> int:
    """Bits of one element."""
    dtype = np.dtype(dtype)
    small = dtype.name.removeprefix("u").removeprefix("int")  # int4 and its like are stored in a byte each
    return int(small) if small in ("1", "2", "4") else 8 * dtype.itemsize


def scalar_type_of(x: Any) -> type:
    """The Python type of the elements of `x`: bool, int, float or complex."""
    dtype = _typed(x)[0]
    for python_type, abstract in (
        (bool, np.bool_),
        (int, np.integer),
        (float, np.floating),
        (complex, np.complexfloating),
    ):
        if issubdtype(dtype, abstract):
            return python_type
    raise TypeError(f"Invalid scalar value {x!r}")


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
    "f*": ("c*", "f16", "bf16", *(_SHORT[dtype] for dtype in _FLOAT8)),
    "f16": ("f32",),
    "bf16": ("f32",),
    "f32": ("f64", "c64"),
    "f64": ("c128",),
    "c*": ("c64",),
    "c64": ("c128",),
    "c128": (),
    **{_SHORT[dtype]: () for dtype in _FLOAT8},
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
    if weak and dtype.kind in _WEAK_NODES:
        return _WEAK_NODES[dtype.kind]
    found = _SHORT.get(dtype)
    if found is None or found == "float0":
        raise ValueError(f"dtype={dtype} is not a valid dtype for type promotion: it has no place in the lattice")
    return found


@lru_cache(maxsize=4096)
def _join(a: str, b: str) -> str:
    """The least node above both."""
    common = _BOUNDS[a] & _BOUNDS[b]
    for node in common:
        if common <= _BOUNDS[node]:
            return node
    raise TypePromotionError(
        teach(
            f"Input dtypes {_name(a)} and {_name(b)} have no available implicit dtype promotion path",
            why="8-bit floats meet no other float: which range and precision is meant cannot be guessed",
            do="x.astype(...) of one of them",
        )
    )


def _name(node: str) -> str:
    return _WEAK_TYPES[node].__name__ if node in _WEAK_TYPES else _LONG[node].name


_promotions: dict[Any, tuple[np.dtype, bool]] = {}
_promotions_wide: dict[Any, tuple[np.dtype, bool]] = {}


def promote(dtype_a: np.dtype, weak_a: bool, dtype_b: np.dtype, weak_b: bool) -> tuple[np.dtype, bool]:
    """The dtype and weak flag of an operation on two operands.

    Raises:
        TypePromotionError: the two dtypes do not meet, or may not while `jax_numpy_dtype_promotion` is "strict".
        ValueError: a dtype that takes no part in promotion (float0, strings, objects).

    Example:
        >>> promote(np.dtype("float32"), False, np.dtype("float32"), True)
        (dtype('float32'), False)
    """
    key = (dtype_a, weak_a, dtype_b, weak_b, config.jax_numpy_dtype_promotion)
    cache = _promotions_wide if config.x64 else _promotions
    found = cache.get(key)
    if found is None:
        found = cache[key] = _promote(dtype_a, weak_a, dtype_b, weak_b)
    return found


def _promote(dtype_a: np.dtype, weak_a: bool, dtype_b: np.dtype, weak_b: bool) -> tuple[np.dtype, bool]:
    a, b = _node(dtype_a, weak_a), _node(dtype_b, weak_b)
    node = _join(a, b)
    if config.jax_numpy_dtype_promotion == "strict":
        _check_strict(a, b, node)
    if node in _WEAK_TYPES:
        return scalar_dtype(_WEAK_TYPES[node]), True
    # bool is its own weak form: two weak bools stay weak
    return canonicalize_dtype(_LONG[node]), weak_a and weak_b and node == "bool"


def _check_strict(a: str, b: str, node: str) -> None:
    """Python scalars may join each other, or take the dtype of an array; nothing else."""
    both_weak = a in _WEAK_TYPES and b in _WEAK_TYPES
    unchanged = all(x == node or x in _WEAK_TYPES for x in (a, b))
    if not (both_weak or (unchanged and node not in _WEAK_TYPES)):
        wanted = _name(node) if node in _LONG else scalar_dtype(_WEAK_TYPES[node]).name
        raise TypePromotionError(
            teach(
                f"Input dtypes {_name(a)} and {_name(b)} have no available implicit dtype promotion path when "
                "jax_numpy_dtype_promotion=strict",
                why="strict promotion changes no array's dtype",
                do=f"x.astype({wanted!r}), or minijax.numpy_dtype_promotion('standard')",
            )
        )


def promote_types(a: Any, b: Any) -> np.dtype:
    """The dtype that values of dtypes `a` and `b` meet at; Python scalar types are weak.

    Types are asked for, not arrays: 64-bit types stay 64-bit ones, whatever x64 says.

    Example:
        >>> promote_types("int32", "float16"), promote_types("uint32", "int32")
        (dtype('float16'), dtype('int64'))
    """
    node = _join(_type_node(a), _type_node(b))
    return _PYTHON[_WEAK_TYPES[node]] if node in _WEAK_TYPES else _LONG[node]


def _type_node(x: Any) -> str:
    python_type = x if isinstance(x, type) and x in _PYTHON else None
    dtype = _PYTHON[python_type] if python_type else np.dtype(x)
    return _node(dtype, python_type is not None)


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

    Raises:
        TypeError: a dtype that arrays cannot have (strings, objects, dates).
    """
    if isinstance(dtype, type) and dtype in _PYTHON:
        return scalar_dtype(dtype)  # Python types ask for a kind, not for a width
    wide = np.dtype(dtype).newbyteorder("=")
    if wide not in _SHORT and not wide.type.__module__.startswith("ml_dtypes"):
        where = f" in {name}" if name else ""
        raise TypeError(f"JAX only supports number, bool, and string dtypes, got dtype {dtype}{where}")
    narrow = canonicalize_dtype(wide)
    if narrow is not wide and narrow != wide:
        where = f" requested in {name}" if name else ""
        warnings.warn(
            f"Explicitly requested dtype {wide.name}{where} is not available, and will be truncated to dtype {narrow.name}. "
            "To enable more dtypes, set the jax_enable_x64 configuration option (minijax.config.update('jax_enable_x64', "
            "True)) or the MINIJAX_ENABLE_X64 environment variable.",
            UserWarning,
            stacklevel=stacklevel,
        )
    return narrow
