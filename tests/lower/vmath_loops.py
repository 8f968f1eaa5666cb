"""Loops over arrays that call one function of vmath: what the tests and the benchmark run.

Enters: a function, a dtype and a form. Leaves: a Python function of NumPy arrays, and the optimised LLVM IR of its loop.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from minijax.lower import vmath
from minijax.lower.vmath._target import target_machine

KINDS = {"f32": np.float32, "f64": np.float64}
REALS = {"f32": "float", "f64": "double"}


def loop_text(name: str, dtype: str, inline: bool, vectorise: bool = True) -> str:
    """LLVM IR of `for k in range(n): out[k] = name(x[k], ...)`."""
    real, arity = REALS[dtype], vmath.FUNCTIONS[name]
    part = vmath.emit([(name, dtype)], inline=inline)
    vmath.register(part.externals)
    pointers = ", ".join(f"ptr noalias %a{k}" for k in range(arity))
    loads = "\n".join(
        f"  %p{k} = getelementptr inbounds {real}, ptr %a{k}, i64 %i\n  %x{k} = load {real}, ptr %p{k}"
        for k in range(arity)
    )
    arguments = ", ".join(f"{real} %x{k}" for k in range(arity))
    hint = (
        vmath.LOOP_METADATA
        if vectorise
        else '\n!0 = distinct !{!0, !1}\n!1 = !{!"llvm.loop.vectorize.enable", i1 false}\n'
    )
    mark = vmath.LOOP_MARK if vectorise else ", !llvm.loop !0"
    return (
        "\n".join([*part.declares.values(), part.text, vmath.used_global(part.used)])
        + f"""
define void @loop(i64 %n, ptr noalias %out, {pointers}) {vmath.loop_attribute()} nounwind {{
entry:
  %empty = icmp sle i64 %n, 0
  br i1 %empty, label %exit, label %body
body:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
{loads}
  %y = call {real} @{vmath.symbol(name, dtype)}({arguments})
  %q = getelementptr inbounds {real}, ptr %out, i64 %i
  store {real} %y, ptr %q
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %exit{mark}
exit:
  ret void
}}
{hint}"""
    )


def optimised(text: str, machine: Any) -> Any:
    """A verified, vectorised module."""
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


class Loop:
    """`loop(x)` applies the function elementwise to arrays of one length."""

    def __init__(self, name: str, dtype: str, inline: bool, vectorise: bool = True) -> None:
        machine = target_machine()
        module = optimised(loop_text(name, dtype, inline, vectorise), machine)
        self.ir = str(module)
        self.assembly = machine.emit_assembly(module)
        self.kind = KINDS[dtype]
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        arity = vmath.FUNCTIONS[name]
        signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1))
        self.call = signature(self._engine.get_function_address("loop"))

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        arrays = tuple(np.ascontiguousarray(a, self.kind) for a in arrays)
        out = np.empty_like(arrays[0])
        self.call(out.size, out.ctypes.data, *(a.ctypes.data for a in arrays))
        return out


@cache
def loop(name: str, dtype: str, inline: bool = False, vectorise: bool = True) -> Loop:
    return Loop(name, dtype, inline, vectorise)
