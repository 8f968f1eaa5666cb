"""jit's back end: a Jaxpr becomes loop nests, the nests become LLVM IR, numba compiles and calls it (DESIGN 7).

fuse        which equations become one kernel          nests        the loop-nest IR they become
views       movement as index arithmetic               scalars      one table of scalar operations
emit_llvm   nests as LLVM IR, what runs                emit_python  nests as Python, what people read
native      LLVM IR to machine code, and into it       buffers      where values live
driver      a program's steps as a Python function     compile      all of it, in order
"""

from __future__ import annotations

from .compile import (
    Program as Program,
    compile_program as compile_program,
    compiled as compiled,
    optimised as optimised,
)
