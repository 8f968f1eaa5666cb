"""Flags: one record of values for all threads, with overrides per thread by context managers.

In: `config.update(name, value)`, environment variables `MINIJAX_<NAME>` at import, context managers. Out: attributes of
`config`. Reading a flag is one attribute of a thread-local object.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "Config",
    "check_tracer_leaks",
    "checking_leaks",
    "config",
    "debug_infs",
    "debug_nans",
    "default_matmul_precision",
    "disable_jit",
    "enable_checks",
    "enable_x64",
    "log_compiles",
    "numpy_dtype_promotion",
    "numpy_rank_promotion",
]

# name: (default, allowed values (None: any of the default's type), what it does, whether traces depend on it)
FLAGS: dict[str, tuple[Any, tuple[Any, ...] | None, str, bool]] = {
    "jax_enable_x64": (False, None, "64-bit dtypes; off: they are truncated to 32 bits", True),
    "jax_debug_nans": (False, None, "raise FloatingPointError where a nan appears", False),
    "jax_debug_infs": (False, None, "raise FloatingPointError where an inf appears", False),
    "jax_enable_checks": (False, None, "check_jaxpr after every transformation", False),
    "jax_disable_jit": (False, None, "call jitted functions as they are", False),
    "jax_log_compiles": (False, None, "say why a call was traced again", False),
    "jax_numpy_dtype_promotion": ("standard", ("standard", "strict"), "strict: mixed dtypes raise", True),
    "jax_numpy_rank_promotion": ("allow", ("allow", "warn", "raise"), "mixed ranks in broadcasting", True),
    "jax_default_matmul_precision": (None, None, "accepted; products are computed in their dtype", False),
    "jax_check_tracer_leaks": (False, None, "accepted; leaks always raise when used", False),
    "jax_threefry_partitionable": (True, (True,), "accepted; the streams of JAX 0.10", False),
    "minijax_branch_capture": ("capture", ("capture", "error"), "error: Python branches raise under jit", True),
    "minijax_jit_max_specializations": (16, None, "programs kept per signature of a jitted function", False),
    "minijax_traceback": ("short", ("short", "full"), "full: internal frames are shown", False),
}
_CONTEXT_FLAGS = tuple(name for name, flag in FLAGS.items() if flag[3])


def _full_name(name: str) -> str:
    for candidate in (name, f"jax_{name}", f"minijax_{name}"):
        if candidate in FLAGS:
            return candidate
    raise AttributeError(f"Unrecognized config option: {name}")


def _checked(name: str, value: Any) -> Any:
    default, allowed, meaning, _ = FLAGS[name]
    if isinstance(default, bool) and value in (0, 1):
        value = bool(value)
    fits = value in allowed if allowed is not None else default is None or type(value) is type(default)
    if not fits:
        choices = " or ".join(map(repr, allowed)) if allowed else f"a {type(default).__name__}"
        raise ValueError(f"config option {name} ({meaning}) takes {choices}, got {value!r}")
    return value


def _from_environment(name: str) -> Any:
    default = FLAGS[name][0]
    short = name.removeprefix("jax_").removeprefix("minijax_").upper()
    text = os.environ.get(f"MINIJAX_{short}", os.environ.get(name.upper()) if name.startswith("jax_") else None)
    if text is None:
        return default
    if isinstance(default, bool):
        return _checked(name, text.lower() in ("1", "true", "yes", "on"))
    return _checked(name, int(text) if isinstance(default, int) else text)


_global = {name: _from_environment(name) for name in FLAGS}


class Config(threading.local):
    """The flags as attributes: `config.jax_enable_x64`; `config.x64` is short for it.

    Example:
        >>> from minijax import config
        >>> config.jax_numpy_rank_promotion
        'allow'
    """

    def __init__(self) -> None:
        # Runs once per thread, at its first access: a copy that only this thread reads.
        self._overrides: dict[str, list[Any]] = {}
        self._key: tuple[Any, ...] | None = None
        for name, value in _global.items():
            super().__setattr__(name, value)
        super().__setattr__("x64", _global["jax_enable_x64"])
        _threads.append(self.__dict__)

    def update(self, name: str, value: Any) -> None:
        """Set a flag for all threads.

        Args:
            name: with or without its prefix `jax_` or `minijax_`.
            value: see the flag.

        Raises:
            AttributeError: there is no such flag.
            ValueError: the flag does not take this value.
        """
        name = _full_name(name)
        _global[name] = value = _checked(name, value)
        for attributes in _threads:
            if not attributes["_overrides"].get(name):
                _write(attributes, name, value)
            else:
                attributes["_overrides"][name][0] = value  # what to come back to

    def read(self, name: str) -> Any:
        """The value of a flag in this thread."""
        return getattr(self, _full_name(name))

    def trace_key(self) -> tuple[Any, ...]:
        """The flags that change what tracing gives: part of the key of every cache of traces."""
        if self._key is None:
            self._key = tuple(getattr(self, name) for name in _CONTEXT_FLAGS)
        return self._key

    @contextmanager
    def override(self, name: str, value: Any) -> Iterator[None]:
        """Set a flag for this thread, inside the block."""
        name = _full_name(name)
        value = _checked(name, value)
        attributes = self.__dict__
        before = self._overrides.setdefault(name, [])
        before.append(attributes[name])
        _write(attributes, name, value)
        try:
            yield
        finally:
            _write(attributes, name, before.pop())

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FLAGS:
            raise AttributeError(f"set config options with config.update({name!r}, {value!r})")
        super().__setattr__(name, value)


def _write(attributes: dict[str, Any], name: str, value: Any) -> None:
    attributes[name] = value
    attributes["_key"] = None
    if name == "jax_enable_x64":
        attributes["x64"] = value


_threads: list[dict[str, Any]] = []  # the flags of every thread, for `update`
config = Config()


def enable_x64(new_val: bool = True) -> Any:
    """Use 64-bit dtypes inside the block, in this thread.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> with mj.enable_x64():
        ...     mnp.array(1.0).dtype
        dtype('float64')
    """
    return config.override("jax_enable_x64", new_val)


def debug_nans(new_val: bool = True) -> Any:
    """Raise FloatingPointError where a nan appears, inside the block."""
    return config.override("jax_debug_nans", new_val)


def debug_infs(new_val: bool = True) -> Any:
    """Raise FloatingPointError where an inf appears, inside the block."""
    return config.override("jax_debug_infs", new_val)


def enable_checks(new_val: bool = True) -> Any:
    """Check every transformed program, inside the block."""
    return config.override("jax_enable_checks", new_val)


def disable_jit(new_val: bool = True) -> Any:
    """Call jitted functions as they are, inside the block."""
    return config.override("jax_disable_jit", new_val)


def log_compiles(new_val: bool = True) -> Any:
    """Say why calls are traced again, inside the block."""
    return config.override("jax_log_compiles", new_val)


def numpy_dtype_promotion(new_val: str) -> Any:
    """ "strict": mixed dtypes raise, inside the block."""
    return config.override("jax_numpy_dtype_promotion", new_val)


def numpy_rank_promotion(new_val: str) -> Any:
    """ "warn" or "raise" where arrays of different rank are broadcast, inside the block."""
    return config.override("jax_numpy_rank_promotion", new_val)


def default_matmul_precision(new_val: str | None) -> Any:
    """Accepted for compatibility: products are computed in their dtype."""
    return config.override("jax_default_matmul_precision", new_val)


def check_tracer_leaks(new_val: bool = True) -> Any:
    """Accepted for compatibility: leaked tracers always raise when they are used."""
    return config.override("jax_check_tracer_leaks", new_val)


checking_leaks = check_tracer_leaks
