"""Native code: LLVM IR text to addresses, and the one native function that Python calls.

In: texts of kernels. Out: addresses of machine code, made by numba's code generator (its CPU detection, optimisation
pipeline, linker and memory manager), one LLVM module for all kernels that are new. There is no Python front end
between: numba compiles the IR as it does the IR of its own functions (14 ms a kernel, against 80 through `@njit`).

Python enters native code through `enter(program)`: a built-in function (METH_FASTCALL) whose `self` is the program, an
int64 array. It reads the addresses of its arguments out of the ndarrays, checks that they are contiguous, lets go of
the GIL where the work is worth it, and calls one kernel after the other. A call costs 0.05 us and 5 ns a kernel.

    header   number of arguments, of slots, 1 to let go of the GIL, number of derived slots, address of the type ndarray
    derived  (slot, base slot, byte offset) each: pieces of a workspace
    calls    (address, number of buffers, number of sizes, slots..., sizes...) each; 0 ends the program

Everything here is guarded by numba's global compiler lock.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from . import cache, microkernels
from .elementary import support
from .emit_llvm import Emitted
from .vmath._target import processor, target_machine

__all__ = ["compiled", "enter", "lock", "program"]

_HEADER = object.__basicsize__  # bytes before the first field of a Python object; the type is the last of them

_ENTER = """
declare ptr @PyLong_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)

define ptr @minijax_enter(ptr %self, ptr %args, i64 %given) {
entry:
  %cp = getelementptr i8, ptr %self, i64 HEADER
  %code = load ptr, ptr %cp
  %count = load i64, ptr %code
  %slots_p = getelementptr i64, ptr %code, i64 1
  %slots = load i64, ptr %slots_p
  %frees_p = getelementptr i64, ptr %code, i64 2
  %frees = load i64, ptr %frees_p
  %derived_p = getelementptr i64, ptr %code, i64 3
  %derived = load i64, ptr %derived_p
  %ndarray_p = getelementptr i64, ptr %code, i64 4
  %ndarray = load i64, ptr %ndarray_p
  %same = icmp eq i64 %count, %given
  br i1 %same, label %start, label %wrong
wrong:
  %m = call ptr @PyLong_FromLong(i64 -1)
  ret ptr %m
start:
  %table = alloca ptr, i64 %slots
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %read, label %pieces
read:
  %i = phi i64 [ 0, %start ], [ %i1, %next ]
  %ap = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %ap
  %tp = getelementptr i8, ptr %object, i64 TYPE
  %type = load i64, ptr %tp
  %inside = getelementptr i8, ptr %object, i64 HEADER
  %is_array = icmp eq i64 %type, %ndarray
  br i1 %is_array, label %array, label %next
array:
  %fp = getelementptr i8, ptr %inside, i64 48
  %flags = load i32, ptr %fp
  %wanted = and i32 %flags, 257
  %good = icmp eq i32 %wanted, 257
  %data = load ptr, ptr %inside
  br i1 %good, label %next, label %bad
bad:
  %i_bad = add i64 %i, 1
  %b = call ptr @PyLong_FromLong(i64 %i_bad)
  ret ptr %b
next:
  %pointer = phi ptr [ %inside, %read ], [ %data, %array ]
  %sp = getelementptr ptr, ptr %table, i64 %i
  store ptr %pointer, ptr %sp
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %count
  br i1 %more, label %read, label %pieces
pieces:
  %first = getelementptr i64, ptr %code, i64 5
  %any_piece = icmp sgt i64 %derived, 0
  br i1 %any_piece, label %piece, label %run
piece:
  %k = phi i64 [ 0, %pieces ], [ %k1, %piece ]
  %k3 = mul i64 %k, 3
  %dp = getelementptr i64, ptr %first, i64 %k3
  %slot = load i64, ptr %dp
  %dp1 = getelementptr i64, ptr %dp, i64 1
  %base = load i64, ptr %dp1
  %dp2 = getelementptr i64, ptr %dp, i64 2
  %shift = load i64, ptr %dp2
  %bp = getelementptr ptr, ptr %table, i64 %base
  %base_pointer = load ptr, ptr %bp
  %moved = getelementptr i8, ptr %base_pointer, i64 %shift
  %tp2 = getelementptr ptr, ptr %table, i64 %slot
  store ptr %moved, ptr %tp2
  %k1 = add i64 %k, 1
  %more_pieces = icmp slt i64 %k1, %derived
  br i1 %more_pieces, label %piece, label %run
run:
  %size3 = mul i64 %derived, 3
  %calls = getelementptr i64, ptr %first, i64 %size3
  %local = alloca ptr, i64 %slots
  %free_it = icmp ne i64 %frees, 0
  br i1 %free_it, label %unlock, label %loop_entry
unlock:
  %saved = call ptr @PyEval_SaveThread()
  br label %loop_entry
loop_entry:
  %thread = phi ptr [ null, %run ], [ %saved, %unlock ]
  br label %fetch
fetch:
  %pc = phi ptr [ %calls, %loop_entry ], [ %pc_next, %invoke ]
  %function = load ptr, ptr %pc
  %nb_p = getelementptr i64, ptr %pc, i64 1
  %ns_p = getelementptr i64, ptr %pc, i64 2
  %list = getelementptr i64, ptr %pc, i64 3
  %ended = icmp eq ptr %function, null
  br i1 %ended, label %end, label %operands
operands:
  %nb = load i64, ptr %nb_p
  %ns = load i64, ptr %ns_p
  %any_operand = icmp sgt i64 %nb, 0
  br i1 %any_operand, label %operand, label %invoke
operand:
  %j = phi i64 [ 0, %operands ], [ %j1, %operand ]
  %jp = getelementptr i64, ptr %list, i64 %j
  %js = load i64, ptr %jp
  %jt = getelementptr ptr, ptr %table, i64 %js
  %jv = load ptr, ptr %jt
  %jl = getelementptr ptr, ptr %local, i64 %j
  store ptr %jv, ptr %jl
  %j1 = add i64 %j, 1
  %more_operands = icmp slt i64 %j1, %nb
  br i1 %more_operands, label %operand, label %invoke
invoke:
  %sizes = getelementptr i64, ptr %list, i64 %nb
  call void %function(ptr %local, ptr %sizes)
  %pc_next = getelementptr i64, ptr %sizes, i64 %ns
  br label %fetch
end:
  br i1 %free_it, label %lock, label %done
lock:
  call void @PyEval_RestoreThread(ptr %thread)
  br label %done
done:
  %ok = call ptr @PyLong_FromLong(i64 0)
  ret ptr %ok
}
"""


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80
lock = threading.RLock()  # around all that compiles
_libraries: list[Any] = []  # machine code lives as long as its library or engine


def linked(text: str, names: Sequence[str]) -> list[int]:
    """Addresses of the functions `names` in a module of LLVM IR: from the cache on disk, or compiled by numba's code generator.

    Code from the disk is loaded by llvmlite alone: a process that compiles nothing does not import numba.
    """
    key = cache.key_of([text, *processor(), *_versions()])
    code = cache.load(key)
    if code is not None:
        return _loaded(code, names)
    library = _compiled(text)
    addresses = [library.get_pointer_to_function(name) for name in names]
    cache.store(key, library.serialize_using_object_code()[2][0])
    return addresses


@functools.cache
def _versions() -> tuple[str, ...]:
    import llvmlite.binding as llvm

    return version("numba"), version("llvmlite"), str(llvm.llvm_version_info)


def _compiled(text: str) -> Any:
    import llvmlite.binding as llvm
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    with global_compiler_lock:
        module = llvm.parse_assembly(text)
        module.verify()
        library = cpu_target.target_context.codegen().create_library(f"minijax_{len(_libraries)}")
        library.enable_object_caching()
        library.add_llvm_module(module)
        library.finalize()
        _libraries.append(library)
        return library


def _loaded(code: bytes, names: Sequence[str]) -> list[int]:
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _libraries.append(engine)
    return [engine.get_function_address(name) for name in names]


@functools.cache
def _door() -> _MethodDef:
    text = _ENTER.replace("HEADER", str(_HEADER)).replace("TYPE", str(_HEADER - 8))
    (address,) = linked(text, ["minijax_enter"])
    return _MethodDef(b"minijax_program", address, _FASTCALL, None)


def enter(code: np.ndarray) -> Callable[..., int]:
    """A program as a function of its arrays.

    Args:
        code: int64 array, see the module's docstring and `program`.

    Returns:
        A function of ndarrays (or NumPy scalars, for arrays without axes). It returns 0; or the number, from 1, of the
        first argument that is not contiguous and aligned, before it has done anything; or -1 for a wrong number of them.
    """
    with lock:
        door = _door()
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return new(ctypes.addressof(door), code, None)  # type: ignore[no-any-return]


def program(
    arguments: int,
    slots: int,
    derived: Sequence[tuple[int, int, int]],
    calls: Sequence[tuple[int, Sequence[int], Sequence[int]]],
    frees_lock: bool,
) -> np.ndarray:
    """The words of a program.

    Args:
        arguments: how many arrays it is called with: slots 0, 1, ...
        slots: all of them, the derived ones included.
        derived: (slot, base slot, byte offset) of pieces of an argument.
        calls: (address, slots of the buffers, run-time numbers) of the kernels, in order.
        frees_lock: whether to let go of the GIL.
    """
    most = max([slots, *(len(buffers) for _, buffers, _ in calls)])
    words = [arguments, most, int(frees_lock), len(derived), id(np.ndarray)]
    for piece in derived:
        words += piece
    for address, buffers, sizes in calls:
        words += [address, len(buffers), len(sizes), *buffers, *sizes]
    return np.array([*words, 0], np.int64)


_addresses: dict[str, int] = {}


def compiled(kernels: Sequence[Emitted]) -> list[int]:
    """Addresses of kernels (`Emitted`); those not met before are compiled, in one module.

    Raises:
        RuntimeError: LLVM refuses the text.
    """
    with lock:
        new = {k.definition: k for k in kernels if k.definition not in _addresses}
        if new:
            names = [f"minijax_{cache.key_of([definition])[:24]}" for definition in new]  # the same in every process
            declares: dict[str, str] = {}
            for kernel in new.values():
                declares |= kernel.declares
            uses = sorted({use for kernel in new.values() for use in kernel.vmath})
            helper, more = support(uses, "".join(new))
            microkernels.register(short for short in ("f32", "f64") if microkernels.symbol(short) in declares)
            parts = [k.definition.replace("@NAME", f"@{name}") for k, name in zip(new.values(), names, strict=True)]
            text = "\n".join([*{**more, **declares}.values(), helper, *parts])
            for key, address in zip(new, linked(text, names), strict=True):
                _addresses[key] = address
        return [_addresses[k.definition] for k in kernels]
