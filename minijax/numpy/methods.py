"""Methods, properties and operators of arrays: the table that `operators.install` hangs on `Array` and `Tracer`.

In: nothing. Out: importing this module completes both classes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import array, operators
from ..array import Array
from ..ir import Tracer, concretize, python_value
from ..primitives import p
from . import creation, elementwise, grids, indexing, joining, manipulation, products, reductions, searching, ufuncs
from ._promotion import user_dtype
from .ufuncs import OPERATORS, operators_of

__all__: list[str] = []


def reshape(self: Any, *args: Any, order: str = "C", copy: bool | None = None, out_sharding: Any = None) -> Any:
    """`x.reshape(2, 3)`, `x.reshape((2, 3))`."""
    return manipulation.reshape(self, args[0] if len(args) == 1 else args, order)


def transpose(self: Any, *args: Any) -> Any:
    """`x.transpose()`, `x.transpose(1, 0)`, `x.transpose((1, 0))`."""
    if not args or (len(args) == 1 and args[0] is None):
        return manipulation.transpose(self)
    return manipulation.transpose(self, args[0] if len(args) == 1 and not isinstance(args[0], int) else args)


def astype(self: Any, dtype: Any, copy: bool = False, device: Any = None) -> Any:
    """`x` converted to `dtype`."""
    return creation.astype(self, user_dtype(dtype, "astype"))


def flatten(self: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """All elements along one axis."""
    return manipulation.ravel(self, order)


def item(self: Any, *args: Any) -> Any:
    """The only element (or the one at a static index) as a Python number."""
    if args:
        flat = manipulation.ravel(self)
        index = args[0] if len(args) == 1 else args
        self = flat[index] if isinstance(index, int) else self[tuple(index)]
    if self.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return _value(self, "item()").item()


def _value(x: Any, asked: str) -> np.ndarray:
    """The value of an array, also behind tracers that know it."""
    return python_value(x, asked) if type(x) is Tracer else np.asarray(x)


def tolist(self: Any) -> Any:
    """Nested lists of Python numbers."""
    return _value(self, "tolist()").tolist()


def tobytes(self: Any, order: Any = "C") -> bytes:
    """The bytes of the elements."""
    return _value(self, "tobytes()").tobytes(order)


def view(self: Any, dtype: Any = None, type: Any = None) -> Any:
    """The bits read as another dtype; the last axis grows or shrinks with the size of an element."""
    if dtype is None:
        return self
    wanted = user_dtype(dtype, "view")
    assert wanted is not None
    old, new = self.aval.dtype.itemsize, wanted.itemsize
    if self.aval.dtype.kind == "b" or wanted.kind == "b":
        if wanted.kind != "b":
            self = p.convert_element_type(self, new_dtype=np.dtype(np.uint8), weak_type=False)
            old = 1
        else:
            return p.ne(view(self, np.uint8), ufuncs.multiply(view(self, np.uint8), 0))
    if old == new:
        return self if self.aval.dtype == wanted else p.bitcast_convert_type(self, new_dtype=wanted)
    if not self.aval.ndim:
        raise ValueError("Cannot change dtype of a 0D array to one of another size.")
    shape = self.aval.shape
    if old > new:
        out = p.bitcast_convert_type(self, new_dtype=wanted)
        return manipulation.reshape(out, (*shape[:-1], shape[-1] * (old // new)))
    if shape[-1] * old % new:
        raise ValueError(
            "When changing to a larger dtype, its size must be a divisor of the total size in bytes of the last axis."
        )
    grouped = manipulation.reshape(self, (*shape[:-1], shape[-1] * old // new, new // old))
    return p.bitcast_convert_type(grouped, new_dtype=wanted)


def byteswap(self: Any) -> Any:
    """The bytes of every element in reverse order (concrete values only)."""
    return creation.array(_value(self, "byteswap()").byteswap())


def round_(self: Any, ndigits: int | None = None) -> Any:
    """`round(x)`: the nearest integers, as integers; with `ndigits`: rounded floats."""
    rounded = elementwise.round(self, 0 if ndigits is None else ndigits)
    return rounded if ndigits is not None or rounded.aval.dtype.kind in "iu" else creation.astype(rounded, int)


def contains(self: Any, key: Any) -> bool:
    """`key in x`: whether some element equals `key`."""
    return bool(reductions.any(ufuncs.equal(self, key)))


def length(self: Any) -> int:
    """Size of the first axis."""
    if not self.aval.shape:
        raise TypeError("len() of unsized object")
    return int(self.aval.shape[0])


def set_item(self: Any, index: Any, value: Any) -> None:
    """Refused: arrays do not change."""
    raise TypeError(
        "minijax arrays are immutable and do not support in-place item assignment. Instead of x[idx] = y, use "
        "x = x.at[idx].set(y) or another .at[] method"
    )


def array_namespace(self: Any, *, api_version: str | None = None) -> Any:
    """The module with the array API's functions: `minijax.numpy`."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(f"api_version={api_version!r} is not available; '2024.12' is.")
    return sys.modules[__package__]


def clone(self: Any) -> Any:
    """A copy."""
    return creation.copy(self)


def block_until_ready(self: Any) -> Any:
    """The array itself: it is computed already."""
    return self


def to_device(self: Any, device: Any, *, stream: Any = None) -> Any:
    """The array itself: there is one device, the CPU."""
    return self


def devices(self: Any) -> set[str]:
    """The devices that hold the array."""
    return {"cpu"}


def platform(self: Any) -> str:
    """Always "cpu"."""
    return "cpu"


def is_ready(self: Any) -> bool:
    """Always true."""
    return True


def is_deleted(self: Any) -> bool:
    """Whether the memory was given away: by `delete`, or to a jitted function that donates the argument."""
    return type(self) is Array and array.is_deleted(self)


def delete(self: Any) -> None:
    """Let go of the memory now: reading the array raises RuntimeError from now on."""
    if type(self) is Array:
        array.delete(self)


def copy_to_host_async(self: Any) -> None:
    """Nothing: arrays are on the host."""


def on_device_size_in_bytes(self: Any) -> int:
    """Bytes of all elements."""
    return int(self.aval.size * self.aval.dtype.itemsize)


def unsafe_buffer_pointer(self: Any) -> int:
    """The address of the first element of a concrete array."""
    return int(np.asarray(_value(self, "unsafe_buffer_pointer()")).ctypes.data)


def conjugate(self: Any) -> Any:
    """Complex conjugate."""
    return ufuncs.conj(self)


def format_tracer(self: Any, spec: str) -> str:
    """`f"{x}"`; with a format, the value is asked for."""
    if not spec:
        return repr(self)
    if self._trace.staging:
        raise TypeError(f"unsupported format string passed to {type(self).__name__}.__format__")
    return format(concretize(self, "value", "format()")[()], spec)


_FROM_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "all": reductions.all,
    "any": reductions.any,
    "argmax": searching.argmax,
    "argmin": searching.argmin,
    "argpartition": searching.argpartition,
    "argsort": searching.argsort,
    "choose": searching.choose,
    "clip": elementwise.clip,
    "compress": lambda self, condition, axis=None, **options: searching.compress(condition, self, axis, **options),
    "conj": ufuncs.conj,
    "copy": creation.copy,
    "cumprod": reductions.cumprod,
    "cumsum": reductions.cumsum,
    "diagonal": grids.diagonal,
    "dot": products.dot,
    "max": reductions.max,
    "mean": reductions.mean,
    "min": reductions.min,
    "nonzero": searching.nonzero,
    "prod": reductions.prod,
    "ptp": reductions.ptp,
    "ravel": manipulation.ravel,
    "repeat": joining.repeat,
    "round": elementwise.round,
    "searchsorted": searching.searchsorted,
    "sort": searching.sort,
    "squeeze": manipulation.squeeze,
    "std": reductions.std,
    "sum": reductions.sum,
    "swapaxes": manipulation.swapaxes,
    "take": indexing.take,
    "trace": grids.trace,
    "var": reductions.var,
}


METHODS: dict[str, Callable[..., Any]] = {
    **OPERATORS,
    **_FROM_FUNCTIONS,
    "__array_namespace__": array_namespace,
    "__contains__": contains,
    "__getitem__": indexing.getitem,
    "__round__": round_,
    "astype": astype,
    "block_until_ready": block_until_ready,
    "byteswap": byteswap,
    "clone": clone,
    "conjugate": conjugate,
    "copy_to_host_async": copy_to_host_async,
    "delete": delete,
    "devices": devices,
    "flatten": flatten,
    "is_deleted": is_deleted,
    "is_ready": is_ready,
    "item": item,
    "on_device_size_in_bytes": on_device_size_in_bytes,
    "platform": platform,
    "reshape": reshape,
    "to_device": to_device,
    "tobytes": tobytes,
    "tolist": tolist,
    "transpose": transpose,
    "unsafe_buffer_pointer": unsafe_buffer_pointer,
    "view": view,
}
METHODS["__matmul__"], METHODS["__rmatmul__"] = operators_of(products.matmul)

PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "T": manipulation.transpose,
    "at": indexing.At,
    "committed": lambda self: False,
    "device": lambda self: "cpu",
    "flat": manipulation.ravel,
    "imag": elementwise.imag,
    "is_fully_addressable": lambda self: True,
    "is_fully_replicated": lambda self: True,
    "itemsize": lambda self: self.aval.dtype.itemsize,
    "mT": manipulation.matrix_transpose,
    "nbytes": lambda self: self.aval.size * self.aval.dtype.itemsize,
    "real": elementwise.real,
    "sharding": lambda self: None,
}

operators.install(METHODS, PROPERTIES)
# Concrete arrays have these already.
operators.install(
    {"__format__": format_tracer, "__iter__": indexing.iterate, "__len__": length, "__setitem__": set_item},
    {},
    only=Tracer,
)
