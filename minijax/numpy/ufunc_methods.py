"""`add.reduce`, `maximum.accumulate`, `multiply.outer`, `add.at`: the methods of NumPy's ufuncs, on our functions of two arrays.

In: nothing. Out: importing this module hangs the methods on the functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir import lookup
from . import reductions, ufuncs
from ._promotion import as_array, canonical_axis
from .elementwise import power, remainder
from .manipulation import reshape

__all__ = ["attach"]

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": reductions.sum,
    "multiply": reductions.prod,
    "maximum": reductions.max,
    "minimum": reductions.min,
    "logical_and": reductions.all,
    "logical_or": reductions.any,
}
_ACCUMULATIONS = {"add": "cumsum", "multiply": "cumprod", "maximum": "cummax", "minimum": "cummin"}
_UPDATES = {"add": "add", "multiply": "multiply", "maximum": "max", "minimum": "min", "subtract": "subtract"}
_IDENTITIES = {"add": 0, "multiply": 1, "logical_and": True, "logical_or": False}


def _reduce(name: str) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = 0, **options: Any) -> Any:
        """The reduction of `a` along `axis` (the first one by default)."""
        return _REDUCTIONS[name](a, axis=axis, **options)

    return reduce


def _accumulate(name: str) -> Callable[..., Any]:
    primitive = lookup(_ACCUMULATIONS[name])

    def accumulate(a: Any, axis: int = 0) -> Any:
        """Running results along `axis`."""
        a = as_array(name, a)
        return primitive.bind(a, axis=canonical_axis(axis, a.aval.ndim), reverse=False)

    return accumulate


def _outer(function: Callable[..., Any]) -> Callable[..., Any]:
    def outer(a: Any, b: Any, /) -> Any:
        """The function of every element of `a` with every element of `b`."""
        a, b = as_array("outer", a), as_array("outer", b, 1)
        return function(reshape(a, a.aval.shape + (1,) * b.aval.ndim), b)

    return outer


def _at(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def at(a: Any, indices: Any, b: Any, /, *, inplace: bool = True) -> Any:
        """A copy of `a` with the function of its elements at `indices` and `b` there."""
        if inplace:
            raise NotImplementedError(
                f"{name}.at cannot modify arrays in-place, because they are immutable. Pass inplace=False"
            )
        place = as_array(name, a).at[indices]
        return getattr(place, _UPDATES[name])(b) if name in _UPDATES else place.apply(lambda x: function(x, b))

    return at


def attach(name: str, function: Any) -> None:
    """Give a function of two arrays the methods that the ufunc of its name has."""
    function.outer, function.at = _outer(function), _at(name, function)
    function.nin, function.nout, function.nargs, function.identity = 2, 1, 3, _IDENTITIES.get(name)
    if name in _REDUCTIONS:
        function.reduce = _reduce(name)
    if name in _ACCUMULATIONS:
        function.accumulate = _accumulate(name)


for _name in ufuncs.binary_names:
    attach(_name, getattr(ufuncs, _name))
attach("power", power)
attach("remainder", remainder)
