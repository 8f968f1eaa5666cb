"""The processor that code is compiled for: the one numba compiles for.

Leaves: an LLVM target machine and the vector widths of its registers. llvmlite is imported at first use.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any


@cache
def processor() -> tuple[str, str]:
    """(name, features) of the processor, as numba sees it: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are honoured."""
    import llvmlite.binding as llvm

    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    return name, llvm.get_host_cpu_features().flatten() if features is None else features


def target_machine() -> Any:
    """A new LLVM target machine for `processor()`, at the highest optimisation level, for code that is run at once."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=name, features=features, opt=3, reloc="default", codemodel="jitdefault")


@cache
def wide_registers() -> bool:
    """Whether loops with elementary functions use registers of 512 bits: 1.1 to 1.5 times faster where the clock stays up.

    LLVM prefers 256 bits on every processor that has both, because the first ones with AVX-512 slowed down under it; those
    have no VBMI2.
    """
    return "+avx512vbmi2" in processor()[1].split(",")


def loop_attribute() -> str:
    """The attribute of a function whose loops call elementary functions; may be empty."""
    return '"prefer-vector-width"="512"' if wide_registers() else ""


@cache
def vector_widths() -> dict[str, tuple[int, ...]]:
    """{dtype: numbers of elements for which vector twins exist}, widest first.

    A loop over doubles and floats is vectorised for its widest type, so floats have a twin of half a register too.
    """
    if wide_registers():
        return {"f32": (16, 8, 4), "f64": (8, 4)}
    if "+avx" in processor()[1].split(","):
        return {"f32": (8, 4), "f64": (4,)}
    return {"f32": (4,), "f64": (2,)}
