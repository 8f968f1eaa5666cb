"""`minijax.debug`: look at values while a program runs, under grad, vmap and jit too."""

from __future__ import annotations

import logging
import string
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .api.callbacks import debug_callback as callback
from .debugger import breakpoint as breakpoint
from .ir import CALLBACK, ORDERED_CALLBACK, Effect
from .ir.source import Places

__all__ = ["DebugEffect", "OrderedDebugEffect", "breakpoint", "callback", "log", "print"]

DebugEffect: Effect = CALLBACK
OrderedDebugEffect: Effect = ORDERED_CALLBACK

_logger = logging.getLogger("minijax.debug")


class _Check(string.Formatter):
    """Formats nothing, but refuses places without a value and values without a place."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return ""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return value

    def check_unused_args(self, used_args: Any, args: Any, kwargs: Any) -> None:
        unused = [i for i in range(len(args)) if i not in used_args]
        unused_names = [name for name in kwargs if name not in used_args]
        if unused or unused_names:
            what = (
                f"keyword arguments to `minijax.debug.print`: {unused_names}"
                if unused_names
                else (f"arguments to `minijax.debug.print`: positions {unused}")
            )
            raise ValueError(
                f"Unused {what}. You may be passing an f-string, which is formatted before the program runs: pass a regular "
                'string with places, debug.print("x = {x}", x=x)'
            )


def print(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    **kwargs: Any,
) -> Any:
    """Print values of the program each time it runs.

    Args:
        fmt: text for `str.format`.
        *args, **kwargs: arrays to put in (leaves that are no arrays are put in as they are).
        ordered, partitioned: accepted: lines come in the order of the program.
        skip_format_check: allow arguments without a place; without any place in the text, they are printed behind it.

    Raises:
        ValueError: an argument has no place in the text.
        IndexError, KeyError: a place has no argument.

    Note:
        `print(ordered=True)` without a text returns a function that takes the text and the values. Arrays are shown
        with the `numpy.printoptions` that hold where the call was traced.

    Example:
        >>> import minijax as mj
        >>> mj.debug.print("x = {x}", x=2)
        x = 2
    """
    return _emit(_write, "debug.print", skip_format_check, fmt, args, kwargs)


def log(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    **kwargs: Any,
) -> Any:
    """As `print`, to the logger "minijax.debug" at level INFO; the record has the file and line of this call.

    Args:
        fmt, args, ordered, partitioned, skip_format_check, kwargs: see `print`.

    Example:
        >>> import minijax as mj
        >>> mj.debug.log("x = {x}", x=2)
    """
    source = Places().here(1)
    file, line = ("(unknown file)", 0) if source is None else (source.file, source.line)

    def handle(text: str) -> None:
        if _logger.isEnabledFor(logging.INFO):
            _logger.handle(_logger.makeRecord(_logger.name, logging.INFO, file, line, text, (), None))

    return _emit(handle, "debug.log", skip_format_check, fmt, args, kwargs)


def _emit(
    emit: Callable[[str], None], name: str, skip_check: bool, fmt: str | None, args: Any, kwargs: Any
) -> Callable[..., None] | None:
    """Emit a formatted text whenever the program runs; without a text, return what takes it."""

    def formatted(fmt: str, /, *args: Any, **kwargs: Any) -> None:
        callback()(_shown(fmt, skip_check, args, kwargs, emit), *args, **kwargs)

    if fmt is not None:
        return formatted(fmt, *args, **kwargs)
    if args or kwargs:
        raise TypeError(f"{name} received unexpected arguments in the two-call form: {args=} {kwargs=}")
    return formatted


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def _shown(fmt: str, skip_check: bool, args: Any, kwargs: Any, emit: Callable[[str], None]) -> Callable[..., None]:
    """The callback that formats values and hands the text to `emit`."""
    if not skip_check:
        _Check().format(fmt, *args, **kwargs)
    has_places = any(field is not None for _, field, _, _ in string.Formatter().parse(fmt))
    options = np.get_printoptions()

    def show(*values: Any, **named: Any) -> None:
        with np.printoptions(**options):
            if has_places or not values:
                emit(fmt.format(*values, **named))
            else:
                emit(" ".join((fmt, *map(str, values))))

    return show
