"""Flags: one record of values for all threads, with overrides per thread by context managers.

In: `config.update(name, value)`, environment variables `MINIJAX_<NAME>` at import (`JAX_<NAME>` too for JAX's flags),
context managers. Out: attributes of `config`. Every thread has its own copy of all values, so that reading a flag is one
attribute of a thread-local object; `update`, which is rare, writes to the copies of all threads.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import ContextDecorator
from typing import Any

__all__ = [
    "TRACE_FLAGS",
    "Config",
    "check_tracer_leaks",
    "checking_leaks",
    "config",
    "debug_infs",
    "debug_nans",
    "default_matmul_precision",
    "disable_jit",
    "disable_x64",
    "enable_checks",
    "enable_x64",
    "log_compiles",
    "numpy_dtype_promotion",
    "numpy_rank_promotion",
]

_PRECISIONS = (None, "default", "high", "highest", "bfloat16", "tensorfloat32", "float32")

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
    "jax_default_matmul_precision": (None, _PRECISIONS, "accepted; products are computed in their dtype", False),
    "jax_check_tracer_leaks": (False, None, "accepted; leaks always raise when used", False),
    "jax_threefry_partitionable": (True, (True,), "accepted; the streams of JAX 0.10", False),
    "jax_enable_compilation_cache": (True, None, "keep compiled kernels on disk between processes", False),
    "minijax_branch_capture": ("capture", ("capture", "error"), "error: Python branches raise under jit", True),
    "minijax_cache_dir": ("", None, "folder of compiled kernels; empty: in the user's cache folder", False),
    "minijax_jit_max_specializations": (16, None, "programs kept per signature of a jitted function", False),
    "minijax_num_threads": (1, None, "threads that share the loops of a large kernel", False),
    "minijax_strong_zeros": (False, None, "zero cotangents stay zero times inf or nan", True),
    "minijax_traceback": ("short", ("short", "full"), "full: internal frames are shown", False),
}
TRACE_FLAGS = tuple(name for name, flag in FLAGS.items() if flag[3])
_TRUE = ("1", "true", "t", "yes", "y", "on")
_FALSE = ("0", "false", "f", "no", "n", "off", "")


def _full_name(name: str) -> str:
    for candidate in (name, f"jax_{name}", f"minijax_{name}"):
        if candidate in FLAGS:
            return candidate
    raise AttributeError(f"Unrecognized config option: {name}")


def _checked(name: str, value: Any) -> Any:
    default, allowed, meaning, _ = FLAGS[name]
    if isinstance(default, bool) and isinstance(value, int) and value in (0, 1):
        value = bool(value)
    if allowed is None:
        fits = type(value) is type(default) and (type(value) is not int or value > 0)
        choices = "a positive int" if type(default) is int else f"a {type(default).__name__}"
    else:
        fits = value in allowed
        choices = " or ".join(map(repr, allowed))
    if not fits:
        raise ValueError(f"config option {name} ({meaning}) takes {choices}, got {value!r}")
    return value


def _from_environment(name: str) -> Any:
    default = FLAGS[name][0]
    variables = [f"MINIJAX_{name.removeprefix('jax_').removeprefix('minijax_').upper()}"]
    if name.startswith("jax_"):
        variables.append(name.upper())
    for variable in variables:
        if variable in os.environ:
            try:
                return _checked(name, _parsed(os.environ[variable], default))
            except ValueError as error:
                raise ValueError(f"environment variable {variable}: {error}") from None
    return default


def _parsed(text: str, default: Any) -> Any:
    """The text of an environment variable as a value like `default`; as it is, for the error, if it is none."""
    if isinstance(default, bool):
        word = text.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else text
    if isinstance(default, int):
        return int(text) if text.strip().isdigit() else text
    return text or None if default is None else text


_global = {name: _from_environment(name) for name in FLAGS}
_states: dict[tuple[Any, ...], tuple[Any, ...]] = {}  # every combination of values that a thread has had, once
_lock = threading.Lock()  # between a new thread's copy and an update
# The values of every living thread, for `update`; an entry goes when its thread object does.
_threads: weakref.WeakKeyDictionary[threading.Thread, dict[str, Any]] = weakref.WeakKeyDictionary()


class Config(threading.local):
    """The flags as attributes: `config.jax_enable_x64`; `config.x64` is short for it.

    `config.debugging`: whether nans or infs are looked for.

    Example:
        >>> from minijax import config
        >>> config.jax_numpy_rank_promotion
        'allow'
    """

    x64: bool
    _overrides: dict[str, list[Any]]
    _key: tuple[Any, ...] | None
    _state: tuple[Any, ...] | None  # all values: the same object in all threads that have them; set by `trace_key`

    def __init__(self) -> None:
        # Runs once per thread, at its first access: a copy that only this thread reads.
        attributes = self.__dict__
        attributes["_overrides"] = {}  # per flag, the values to come back to
        with _lock:
            for name, value in _global.items():
                _write(attributes, name, value)
            _threads[threading.current_thread()] = attributes

    def update(self, name: str, value: Any) -> None:
        """Set a flag for all threads; where a thread overrides it, once its block ends.

        Args:
            name: with or without its prefix `jax_` or `minijax_`.
            value: see `FLAGS`.

        Raises:
            AttributeError: there is no such flag.
            ValueError: the flag does not take this value.
        """
        name = _full_name(name)
        value = _checked(name, value)
        with _lock:
            _global[name] = value
            for attributes in _threads.values():
                overridden = attributes["_overrides"].get(name)
                if overridden:
                    overridden[0] = value  # what to come back to
                else:
                    _write(attributes, name, value)

    def read(self, name: str) -> Any:
        """The value of a flag in this thread. Raises AttributeError."""
        return getattr(self, _full_name(name))

    @property
    def values(self) -> dict[str, Any]:
        """All flags and their values in this thread."""
        return {name: getattr(self, name) for name in FLAGS}

    def trace_key(self) -> tuple[Any, ...]:
        """The flags that change what tracing gives: part of the key of every cache of traces."""
        key = self._key
        if key is None:
            attributes = self.__dict__
            values = tuple([attributes[name] for name in FLAGS])
            attributes["_state"] = _states.setdefault(values, values)
            key = attributes["_key"] = tuple([attributes[name] for name in TRACE_FLAGS])
        return key

    def override(self, name: str, value: Any) -> Override:
        """Set a flag for this thread, inside the block (or the decorated function).

        Raises:
            AttributeError: there is no such flag.
            ValueError: the flag does not take this value.
        """
        name = _full_name(name)
        return Override(name, _checked(name, value))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"set config options with config.update({name!r}, {value!r})")


class Override(ContextDecorator):
    """A flag's value inside a block, in this thread; what `config.override` gives. May be entered many times."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __enter__(self) -> None:
        attributes = config.__dict__
        attributes["_overrides"].setdefault(self.name, []).append(attributes[self.name])
        _write(attributes, self.name, self.value)

    def __exit__(self, *exception: object) -> None:
        attributes = config.__dict__
        _write(attributes, self.name, attributes["_overrides"][self.name].pop())


def _write(attributes: dict[str, Any], name: str, value: Any) -> None:
    attributes[name] = value
    attributes["_key"] = attributes["_state"] = None
    attributes["x64"] = attributes.get("jax_enable_x64", False)
    attributes["debugging"] = attributes.get("jax_debug_nans", False) or attributes.get("jax_debug_infs", False)


config = Config()


def enable_x64(new_val: bool = True) -> Override:
    """Use 64-bit dtypes inside the block, in this thread.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> with mj.enable_x64():
        ...     mnp.array(1.0).dtype
        dtype('float64')
    """
    return config.override("jax_enable_x64", new_val)


def disable_x64() -> Override:
    """Truncate 64-bit dtypes to 32 bits inside the block, in this thread."""
    return config.override("jax_enable_x64", False)


def debug_nans(new_val: bool = True) -> Override:
    """Raise FloatingPointError where a nan appears, inside the block."""
    return config.override("jax_debug_nans", new_val)


def debug_infs(new_val: bool = True) -> Override:
    """Raise FloatingPointError where an inf appears, inside the block."""
    return config.override("jax_debug_infs", new_val)


def enable_checks(new_val: bool = True) -> Override:
    """Check every transformed program, inside the block."""
    return config.override("jax_enable_checks", new_val)


def disable_jit(new_val: bool = True) -> Override:
    """Call jitted functions as they are, inside the block."""
    return config.override("jax_disable_jit", new_val)


def log_compiles(new_val: bool = True) -> Override:
    """Say why calls are traced again, inside the block."""
    return config.override("jax_log_compiles", new_val)


def numpy_dtype_promotion(new_val: str) -> Override:
    """With "strict", mixed dtypes raise TypePromotionError inside the block; "standard" promotes them."""
    return config.override("jax_numpy_dtype_promotion", new_val)


def numpy_rank_promotion(new_val: str) -> Override:
    """With "warn" or "raise", do so where arrays of different rank are broadcast inside the block."""
    return config.override("jax_numpy_rank_promotion", new_val)


def default_matmul_precision(new_val: str | None) -> Override:
    """Accepted for compatibility: products are computed in their dtype."""
    return config.override("jax_default_matmul_precision", new_val)


def check_tracer_leaks(new_val: bool = True) -> Override:
    """Accepted for compatibility: leaked tracers always raise when they are used."""
    return config.override("jax_check_tracer_leaks", new_val)


checking_leaks = check_tracer_leaks
