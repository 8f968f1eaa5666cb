"""Devices: there is one, the CPU, and everything on it is ready at once. Names that programs written for JAX call."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array, as_value
from ..ir import Tracer
from ..tree import tree_map

__all__ = [
    "Device",
    "block_until_ready",
    "default_backend",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "effects_barrier",
    "local_device_count",
    "local_devices",
    "process_count",
    "process_index",
]


class Device:
    """The CPU."""

    platform = device_kind = "cpu"
    id = process_index = 0

    def __repr__(self) -> str:
        return "CpuDevice(id=0)"


_CPU = Device()


def devices(backend: str | None = None) -> list[Device]:
    """The devices: one CPU. Raises RuntimeError for another backend."""
    if backend not in (None, "cpu"):
        raise RuntimeError(f"Unknown backend {backend}: minijax runs on the CPU")
    return [_CPU]


local_devices = devices


def device_count(backend: str | None = None) -> int:
    """The number of devices: 1."""
    return len(devices(backend))


local_device_count = device_count


def default_backend() -> str:
    """The platform: "cpu"."""
    return "cpu"


def process_index(backend: str | None = None) -> int:
    """The number of this process: 0."""
    return 0


def process_count(backend: str | None = None) -> int:
    """The number of processes: 1."""
    return 1


def device_put(x: Any, device: Any = None, **options: Any) -> Any:
    """The leaves of a tree as Arrays.

    Example:
        >>> import numpy as np
        >>> device_put({"a": np.ones(2, np.float32)})
        {'a': Array([1., 1.], dtype=float32)}
    """
    return tree_map(as_value, x)


def device_get(x: Any) -> Any:
    """The leaves of a tree as NumPy arrays. Raises TracerArrayConversionError for traced values under jit."""
    return tree_map(lambda leaf: np.asarray(leaf) if type(leaf) in (Array, Tracer) else leaf, x)


def block_until_ready(x: Any) -> Any:
    """`x`: results are computed when they are returned."""
    return x


def effects_barrier() -> None:
    """Nothing to wait for: side effects happen in order, at once."""
