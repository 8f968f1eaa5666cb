"""Elementary functions as LLVM IR: branch-free, at most 2 ulp, for loops that LLVM's vectoriser can vectorise.

Enters: names such as `("exp", "f32")`. Leaves: LLVM IR text for a kernel, and machine code registered with LLVM's
symbol table for the functions a kernel calls instead of containing. libm is scalar and 13 to 40 times slower in a loop
than these (DESIGN 7), so no kernel calls it.

In a kernel a function is always called the same way, whatever its form:

    %y = call float @minijax_exp_f32(float %x)         ; the name is symbol("exp", "f32"), the arity FUNCTIONS["exp"]

`emit(uses, inline)` returns what must stand in the module beside the kernel:

    part = vmath.emit([("exp", "f32"), ("sin", "f64")], inline=True)
    part.text       definitions and declarations of the functions in `uses`, in no need of anything but:
    part.declares   {symbol: "declare ..." line} of the intrinsics that the text calls (llvm.fma.f32, ...): a dictionary,
                    to be merged with the kernel's own, because a module may declare a function only once
    part.used       symbols to list in @llvm.compiler.used (the vector twins: without it they vanish before the
                    vectoriser sees them); `used_global(part.used)` writes that global if the kernel has no other
    part.externals  the uses that are *called* code: hand them to `register` before the kernel is linked, and also
                    before a kernel read from the disk cache is loaded

Two forms:

  * inline: `define private ... alwaysinline`, straight-line code (fma, select, bitcast, integer operations), which the
    loop vectoriser widens with the loop around it. For small hot kernels; `cost(name, dtype)` is the number of LLVM
    instructions one call brings in. A function that has a rarely taken branch (the trigonometric functions: arguments
    above 1e5 or so; `INLINABLE` lists those without) is emitted in the call form even when inline code is asked for.
  * call: `declare` with the attribute `"vector-function-abi-variant"`, which tells the vectoriser that a twin for
    8 floats or 4 doubles exists (4 floats and 2 doubles on hosts without AVX, 16 and 8 with fast AVX-512, which a
    kernel has to ask for by `loop_attribute()`). The twins are compiled once per process,
    function by function on first use (a few ms each; `register` takes an object-code cache). Costs 15 % at run time and
    saves nearly all of the compile time of a large kernel.

Both forms come from one Python function per mathematical function, written over `_builder.Block`, so scalar, inlined
and twin give the same bits. Results are right at infinities, NaN, signed zeros and denormals and no flag is needed:
the IR must be compiled without fast-math flags on these instructions (per-instruction flags elsewhere are harmless).
Accuracy over the whole range, measured against mpmath: docs/vmath-accuracy.md. The coefficients are minimax
polynomials computed by tests/lower/coefficients.py (Remez exchange).
"""

from __future__ import annotations

from . import erf, exp_log, hyperbolic, power, trig  # noqa: F401 - importing them registers their functions
from ._library import Cache, register
from ._registry import (
    DTYPES,
    FUNCTIONS,
    INLINABLE,
    LOOP_MARK,
    LOOP_METADATA,
    PREFIX,
    Emission,
    cost,
    emit,
    symbol,
    used_global,
)
from ._target import loop_attribute, vector_widths

__all__ = [
    "DTYPES",
    "FUNCTIONS",
    "INLINABLE",
    "LOOP_MARK",
    "LOOP_METADATA",
    "PREFIX",
    "Cache",
    "Emission",
    "cost",
    "emit",
    "loop_attribute",
    "register",
    "symbol",
    "used_global",
    "vector_widths",
]
