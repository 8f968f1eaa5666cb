"""Values as people can read them: a few characters for a node, a table or a histogram for the card.

In: NumPy values. Out: plain data for JSON. Scalars are given in full, up to 64 numbers as a table, larger arrays by
shape, range, mean and a histogram; nan and inf are counted and named, never hidden.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import float0
from ...ir import aval_like
from ..graph import counted
from ..values import summary

__all__ = ["is_odd", "short_text", "spoken_text", "summary_of"]

_TABLE = 64  # numbers
_BARS = 24  # of a histogram


def short_text(value: Any) -> str:
    """A few words: `0.84147`, `[1 2 3]`, `mean 0.3, min -1.2, max 3.4`; what is not finite comes first."""
    if np.asarray(value).dtype == float0:
        return "no tangent"
    text, wrong = summary(value)
    text = text.removeprefix("= ")
    if text == "-0":
        text = "0"
    return f"{wrong}; {text}" if wrong and np.ndim(value) else text


def spoken_text(value: Any) -> str:
    """The value in a sentence: `0.84147`, `[1 2 3]`, `f32[32,4] (mean 0.3, min -1.2, max 3.4)`, `zero` for None."""
    if value is None:
        return "zero"
    text = short_text(value)
    return text if np.ndim(value) == 0 or "[" in text else f"{aval_like(np.asarray(value)).str_short()} ({text})"


def is_odd(value: Any) -> bool:
    """Whether there is a nan or inf in the value."""
    return value is not None and bool(summary(value)[1])


def summary_of(value: Any) -> dict[str, Any]:
    """The value for the card.

    Args:
        value: anything that NumPy takes for an array.

    Returns:
        `short`, `type`, and one of `number` (text), `table` (rows of texts, `rows` their labels) or `stats` (pairs) with
        `bars`, `low`, `high`; `odd` says how many numbers are NaN or inf.
    """
    x = np.asarray(value)
    found: dict[str, Any] = {
        "short": short_text(x),
        "type": "float0" if x.dtype == float0 else aval_like(x).str_short(),
    }
    if x.dtype == float0:
        return found
    wrong = summary(x)[1]
    if wrong:
        found["odd"] = f"{wrong} of {counted(x.size, 'number')}"
    if x.ndim == 0:
        found["number"] = str(x[()])
    elif 0 < x.size <= _TABLE:
        rows = x.reshape(-1, x.shape[-1])
        found["table"] = [[_digits(item, 5) for item in row] for row in rows]
        if x.ndim > 1:
            found["rows"] = [f"[{', '.join(map(str, at))}]" for at in np.ndindex(x.shape[:-1])]
    elif x.dtype.kind != "c":
        found.update(_distribution(x))
    return found


def _distribution(x: np.ndarray) -> dict[str, Any]:
    numbers = x.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    stats = [["shape", _shape(x)], ["numbers", f"{x.size:,}"]]
    if not finite.size:
        return {"stats": stats}
    low, high = float(finite.min()), float(finite.max())
    stats += [
        ["smallest", f"{low:.6g}"],
        ["mean", f"{finite.mean():.6g}"],
        ["largest", f"{high:.6g}"],
        ["zeros", f"{int((finite == 0).sum()):,}"],
    ]
    with np.errstate(all="ignore"):
        spread = high - low
    if not np.isfinite(spread) or spread / _BARS <= np.spacing(max(abs(low), abs(high))):
        return {"stats": stats}
    bars = np.histogram(finite, _BARS, (low, high))[0]
    return {"stats": stats, "bars": bars.tolist(), "low": f"{low:.4g}", "high": f"{high:.4g}"}


def _digits(item: Any, digits: int) -> str:
    kind = np.asarray(item).dtype.kind
    if kind == "b":
        return str(bool(item))
    if kind in "iu":
        return str(int(item))
    if kind == "c":
        return f"{complex(item):.{digits}g}"
    return f"{float(item) + 0.0:.{digits}g}"  # -0.0 is shown as 0


def _shape(x: np.ndarray) -> str:
    return " x ".join(map(str, x.shape)) or "scalar"
