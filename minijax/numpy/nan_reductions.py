"""Reductions that leave out nan: nansum, nanmean, nanmax, nanmedian, ...

In: arrays. Out: arrays. A nan is replaced by what does not change the result before the reduction, so its derivative is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import issubdtype
from ..primitives import p
from ..primitives._ops import like, select
from . import reductions
from ._promotion import as_array, canonical_axes, literal
from .reductions import extreme_value, refuse_out
from .searching import argmax, argmin

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


def _without_nan(a: Any, value: Any) -> Any:
    """`a` with `value` (a number or a literal) in place of nan."""
    if not issubdtype(a.aval.dtype, np.inexact):
        return a
    return select(p.ne(a, a), like(a, value) if isinstance(value, (int, float)) else value, a)


def _accumulation(name: str, reduce: Callable[..., Any], neutral: int) -> Callable[..., Any]:
    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        refuse_out(name, out)
        return reduce(_without_nan(as_array(name, a), neutral), axis, dtype, None, keepdims, initial, where)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name[3:]}` of the elements that are not nan."
    return function


nansum = _accumulation("nansum", reductions.sum, 0)
nanprod = _accumulation("nanprod", reductions.prod, 1)


def _extremum(name: str, reduce: Callable[..., Any], largest: bool) -> Callable[..., Any]:
    def function(
        a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Any:
        refuse_out(name, out)
        a = as_array(name, a)
        if not issubdtype(a.aval.dtype, np.inexact):
            return reduce(a, axis, None, keepdims, initial, where)
        neutral = extreme_value(a.aval.dtype, largest)
        result = reduce(_without_nan(a, neutral), axis, None, keepdims, initial, where)
        empty = reductions.all(p.ne(a, a), axis=axis, keepdims=keepdims)  # only nans: nan
        return select(empty, literal(np.nan, a.aval.dtype), result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name[3:]}` of the elements that are not nan; nan if all are."
    return function


nanmax = _extremum("nanmax", reductions.max, False)
nanmin = _extremum("nanmin", reductions.min, True)


def _counted(a: Any, where: Any) -> Any:
    """Mask of the elements that count: not nan, and in `where`."""
    mask = p.eq(a, a)
    return mask if where is None else reductions.masked("nanmean", mask, where, literal(False, np.dtype(bool)))


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, where: Any = None
) -> Any:
    """Mean of the elements that are not nan."""
    refuse_out("nanmean", out)
    a = reductions.as_inexact_of("nanmean", a, dtype)
    mask = _counted(a, where)
    return reductions.mean(_without_nan(a, 0), axis, None, None, keepdims, where=mask)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    where: Any = None,
) -> Any:
    """Variance of the elements that are not nan."""
    refuse_out("nanvar", out)
    a = reductions.as_inexact_of("nanvar", a, dtype)
    mask = _counted(a, where)
    return reductions.var(_without_nan(a, 0), axis, None, None, ddof, keepdims, where=mask)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    where: Any = None,
) -> Any:
    """Standard deviation of the elements that are not nan."""
    return p.sqrt(nanvar(a, axis, dtype, out, ddof, keepdims, where))


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running sum; nan counts as 0."""
    return reductions.cumsum(_without_nan(as_array("nancumsum", a), 0), axis, dtype, out)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running product; nan counts as 1."""
    return reductions.cumprod(_without_nan(as_array("nancumprod", a), 1), axis, dtype, out)


def _argument(name: str, function: Callable[..., Any], largest: bool) -> Callable[..., Any]:
    def search(a: Any, axis: int | None = None, out: None = None, keepdims: bool | None = None) -> Any:
        refuse_out(name, out)
        a = as_array(name, a)
        if not issubdtype(a.aval.dtype, np.inexact):
            return function(a, axis, None, keepdims)
        found = function(_without_nan(a, extreme_value(a.aval.dtype, largest)), axis, None, keepdims)
        axes = canonical_axes(axis, a.aval.ndim)
        empty = reductions.all(p.ne(a, a), axis=axes, keepdims=bool(keepdims))
        return select(empty, like(found, -1), found)

    search.__name__ = search.__qualname__ = name
    search.__doc__ = f"`{name[3:]}` of the elements that are not nan; -1 if all are."
    return search


nanargmax = _argument("nanargmax", argmax, False)
nanargmin = _argument("nanargmin", argmin, True)
