"""jit's back end: a Jaxpr becomes loop nests, the nests become LLVM IR, numba compiles and calls it (DESIGN 7).

fuse        which equations become one kernel          nests        the loop-nest IR they become
views       movement as index arithmetic               scalars      one table of scalar operations
emit_llvm   nests as LLVM IR, what runs                emit_python nests as Python, what people read
loops       scan, while, cond as native steps          readable    a whole program as Python
native      LLVM IR to machine code, and into it       buffers      where values live
driver      a program's steps as a Python function     compile      all of it, in order
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compile import (
        Lowered as Lowered,
        Program as Program,
        compile_program as compile_program,
        compiled as compiled,
        forget as forget,
        lower_program as lower_program,
        optimised as optimised,
    )

_FROM_COMPILE = frozenset(
    ("Lowered", "Program", "compile_program", "compiled", "forget", "lower_program", "optimised")
)


def __getattr__(name: str) -> Any:
    """The back end is imported when a program is compiled first: that would be a fifth of the time of `import minijax`."""
    if name not in _FROM_COMPILE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(".compile", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_FROM_COMPILE})


__all__ = sorted(_FROM_COMPILE)
