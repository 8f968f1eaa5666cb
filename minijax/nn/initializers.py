"""Initializers: functions (key, shape, dtype) -> array that fill the parameters of a network.

Variance scaling as in Glorot & Bengio 2010 (xavier), He et al. 2015 (kaiming) and LeCun et al. 1998.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import numpy as mnp, random

__all__ = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Initializer = Callable[..., Any]


def _or_float(dtype: Any) -> Any:
    return float if dtype is None else dtype


def zeros(key: Any, shape: Sequence[int], dtype: Any = None, out_sharding: Any = None) -> Any:
    """All zeros."""
    return mnp.zeros(tuple(shape), _or_float(dtype))


def ones(key: Any, shape: Sequence[int], dtype: Any = None, out_sharding: Any = None) -> Any:
    """All ones."""
    return mnp.ones(tuple(shape), _or_float(dtype))


def constant(value: Any, dtype: Any = None) -> Initializer:
    """Every element `value`."""
    return lambda key, shape, dtype=dtype, out_sharding=None: mnp.full(tuple(shape), value, _or_float(dtype))


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform on [0, scale)."""
    return lambda key, shape, dtype=dtype, out_sharding=None: random.uniform(key, tuple(shape), dtype) * scale


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Normal with standard deviation `stddev`."""
    return lambda key, shape, dtype=dtype, out_sharding=None: random.normal(key, tuple(shape), dtype) * stddev


def truncated_normal(stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0) -> Initializer:
    """Normal, cut off at `lower` and `upper` standard deviations."""

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype, out_sharding: Any = None) -> Any:
        return random.truncated_normal(key, lower, upper, tuple(shape), dtype) * stddev

    return init


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """`scale` times an orthogonal matrix, uniformly distributed: axis `column_axis` against all the others
    (Saxe et al. 2014)."""

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype, out_sharding: Any = None) -> Any:
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        matrix = random.orthogonal(key, rows, (), _or_float(dtype), columns)
        rest = tuple(n for i, n in enumerate(shape) if i != column_axis % len(shape))
        return scale * mnp.moveaxis(matrix.reshape(*rest, columns), -1, column_axis)

    return init


Axes = int | Sequence[int]


def _fans(shape: Sequence[int], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """(fan in, fan out): sizes of the two axes times the receptive field."""
    fan_in, fan_out, batch = (
        shape[axes] if isinstance(axes, int) else math.prod(shape[i] for i in axes)
        for axes in (in_axis, out_axis, batch_axis)
    )
    receptive = math.prod(shape) / (fan_in * fan_out * batch)
    return fan_in * receptive, fan_out * receptive


# The standard deviation of a standard normal cut off at +-2: its samples are divided by it.
_TRUNCATED = 0.87962566103423978


def variance_scaling(
    scale: float,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """Samples with variance scale / n, where n is the fan in, the fan out or their mean.

    Args:
        scale: positive number.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal", "normal" or "uniform".
        in_axis, out_axis: axis or axes of the weights that are summed over, and that are left.
        batch_axis: axis or axes that count for neither.
        dtype: of the weights (default: float).

    Raises:
        ValueError: another mode or distribution.
    """
    if mode not in ("fan_in", "fan_out", "fan_avg"):
        raise ValueError(f"invalid mode for variance scaling initializer: {mode}")
    if distribution not in ("truncated_normal", "normal", "uniform"):
        raise ValueError(f"invalid distribution for variance scaling initializer: {distribution}")

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype, out_sharding: Any = None) -> Any:
        fan_in, fan_out = _fans(shape, in_axis, out_axis, batch_axis)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        deviation = math.sqrt(scale / fan)
        if distribution == "normal":
            return random.normal(key, tuple(shape), dtype) * deviation
        if distribution == "uniform":
            return random.uniform(key, tuple(shape), dtype, -1) * (math.sqrt(3) * deviation)
        return random.truncated_normal(key, -2, 2, tuple(shape), dtype) * (deviation / _TRUNCATED)

    return init


def _scaled(scale: float, mode: str, distribution: str, doc: str) -> Callable[..., Initializer]:
    def make(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__doc__ = doc
    return make


glorot_uniform = xavier_uniform = _scaled(1.0, "fan_avg", "uniform", "Glorot & Bengio 2010, uniform.")
glorot_normal = xavier_normal = _scaled(1.0, "fan_avg", "truncated_normal", "Glorot & Bengio 2010, truncated normal.")
lecun_uniform = _scaled(1.0, "fan_in", "uniform", "LeCun et al. 1998, uniform.")
lecun_normal = _scaled(1.0, "fan_in", "truncated_normal", "LeCun et al. 1998, truncated normal.")
he_uniform = kaiming_uniform = _scaled(2.0, "fan_in", "uniform", "He et al. 2015, uniform.")
he_normal = kaiming_normal = _scaled(2.0, "fan_in", "truncated_normal", "He et al. 2015, truncated normal.")
