"""`minijax.debug`: look at values while a program runs, under grad, vmap and jit too."""

from __future__ import annotations

import string
from typing import Any

from .api.callbacks import debug_callback as callback

__all__ = ["callback", "print"]


class _Checked(string.Formatter):
    """A formatter that refuses arguments that the text does not use."""

    def check_unused_args(self, used_args: Any, args: Any, kwargs: Any) -> None:
        unused = [str(i) for i in range(len(args)) if i not in used_args] + [k for k in kwargs if k not in used_args]
        if unused:
            raise ValueError(
                f"Unused arguments to `debug.print`: {', '.join(unused)}. The text has no place for them."
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
    _Checked().format(fmt, *[0] * len(args), **kwargs) if not args else None

    def show(*values: Any, **named: Any) -> None:
        text = _Checked().format(fmt, *values, **named)
        __builtins__print(text)

    callback(show, *args, ordered=ordered, **kwargs)
