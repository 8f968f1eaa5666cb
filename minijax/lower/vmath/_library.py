"""Machine code of the called form: each function with its vector twins, compiled once per process on first use.

Enters: uses (name, dtype). Leaves: addresses in LLVM's symbol table, where every kernel linked later finds them. The
object code of one function can be kept in a cache that the caller brings (`minijax.lower.cache`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

from ._registry import Use, definition, symbol
from ._target import processor, target_machine, vector_widths


class Cache(Protocol):
    """Where object code is kept between processes."""

    def load(self, key: str) -> bytes | None:
        """The object code stored under `key`, or None."""

    def store(self, key: str, code: bytes) -> None:
        """Keep `code` under `key`."""


_lock = threading.Lock()
_engines: dict[Use, Any] = {}  # an engine owns the machine code, so it lives as long as the process


def register(uses: Iterable[Use], cache: Cache | None = None) -> None:
    """Make the called form of the functions in `uses` known to LLVM; those known already cost a look-up.

    Args:
        uses: pairs (name, dtype), e.g. ("sin", "f64").
        cache: where to look for object code before compiling, and where to leave it.

    Example:
        >>> register([("exp", "f32")])
    """
    for use in uses:
        if use not in _engines:
            with _lock:
                if use not in _engines:
                    _engines[use] = _compile(use, cache)


@cache
def module_text(name: str, dtype: str) -> str:
    """LLVM IR of one function: its scalar form and its twins."""
    pieces: dict[str, str] = {}
    for width in (None, *vector_widths()[dtype]):
        d = definition(name, dtype, width)
        pieces |= d.declares | d.helpers | {d.symbol: d.text}
    return "\n".join(pieces.values())


def optimised_module(name: str, dtype: str, machine: Any) -> Any:
    """The verified and optimised LLVM module of one function, as llvmlite's ModuleRef."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(module_text(name, dtype))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _compile(use: Use, cache: Cache | None) -> Any:
    """The engine with the machine code of `use`, its symbols registered."""
    import llvmlite.binding as llvm

    name, dtype = use
    machine = target_machine()
    key = hashlib.sha256("\n".join((module_text(name, dtype), *processor(), str(llvm.llvm_version_info))).encode())
    key_text = f"vmath-{name}-{dtype}-{key.hexdigest()[:32]}"
    code = cache.load(key_text) if cache else None
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    if code is None:
        code = machine.emit_object(optimised_module(name, dtype, machine))
        if cache:
            cache.store(key_text, code)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    for width in (None, *vector_widths()[dtype]):
        twin = symbol(name, dtype, width)
        llvm.add_symbol(twin, engine.get_function_address(twin))
    return engine
