"""`minijax.debug`: look at values while a program runs, under grad, vmap and jit too."""

from __future__ import annotations

import string
import sys
from typing import Any

from .api.callbacks import debug_callback as callback

__all__ = ["callback", "print"]


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


def print(fmt: str, *args: Any, ordered: bool = False, partitioned: bool = False, **kwargs: Any) -> None:
    """Print values of the program each time it runs.

    Args:
        fmt: text for `str.format`.
        *args, **kwargs: arrays to put in.
        ordered, partitioned: accepted for compatibility.

    Raises:
        ValueError: an argument has no place in the text.

    Example:
        >>> import minijax as mj
        >>> mj.debug.print("x = {x}", x=2)
        x = 2
    """
    _Check().format(fmt, *args, **kwargs)

    def show(*values: Any, **named: Any) -> None:
        sys.stdout.write(fmt.format(*values, **named) + "\n")

    callback(show, *args, ordered=ordered, **kwargs)
