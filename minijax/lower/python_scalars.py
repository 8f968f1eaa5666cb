"""Scalar operations that neither Python nor NumPy writes in one word, as plain functions of scalars.

In: scalars. Out: a scalar. Programs shown as Python source (`emit_python.py`) call these; the source of those that a
program uses stands at its beginning. Each refers to nothing but Python's operators and the names imported here, so
that numba compiles it as it stands. `bits` is the width of an operand.
"""

from __future__ import annotations

import inspect
from math import erf
from typing import Any

import numpy as np
from numpy import copysign, exp, floor, inf, log, nan, sqrt, uint64

__all__ = [
    "NEEDS",
    "bit_count",
    "divide",
    "erf_inv",
    "leading_zeros",
    "logistic",
    "remainder",
    "round_half_away",
    "round_half_even",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "source_of",
]


NEEDS = {  # what the functions take from elsewhere
    "bit_count": ("uint64",),
    "erf_inv": ("copysign", "erf", "exp", "inf", "log", "nan", "sqrt"),
    "leading_zeros": ("uint64",),
    "logistic": ("exp",),
    "round_half_away": ("copysign", "floor"),
    "round_half_even": ("copysign", "floor"),
    "shift_right_logical": ("uint64",),
}


def divide(x: Any, y: Any) -> Any:
    """Integers, rounded towards zero; by zero: all bits set."""
    if y == 0:
        return ~y
    if y < 0 and ~y == 0:
        return -x
    quotient = x // y
    if quotient * y != x and (x < 0) != (y < 0):
        quotient = quotient + y // y
    return quotient


def remainder(x: Any, y: Any) -> Any:
    """Integers; the sign of x; by zero: x."""
    if y == 0:
        return x
    if y < 0 and ~y == 0:
        return x - x
    rest = x % y
    if rest != 0 and (rest < 0) != (x < 0):
        rest = rest - y
    return rest


def shift_left(x: Any, count: Any, bits: int) -> Any:
    """x * 2**count; 0 for counts outside of 0..bits-1."""
    return x << count if count >= 0 and count < bits else x - x


def shift_right_arithmetic(x: Any, count: Any, bits: int) -> Any:
    """x / 2**count, rounded down; further than its width: only the sign is left."""
    if count >= 0 and count < bits:
        return x >> count
    return (x >> (bits - 2)) >> 1


def shift_right_logical(x: Any, count: Any, bits: int) -> Any:
    """The bits of x, `count` to the right, zeros from the left."""
    if count < 0 or count >= bits:
        return uint64(0)
    return (uint64(x) << uint64(64 - bits)) >> uint64(64 - bits + count)


def leading_zeros(x: Any, bits: int) -> Any:
    """How many bits of x are 0 before its first 1."""
    rest = uint64(x) << uint64(64 - bits)
    count = 0
    while count < bits and (rest >> uint64(63)) == uint64(0):
        rest = rest << uint64(1)
        count += 1
    return count


def bit_count(x: Any, bits: int) -> Any:
    """How many bits of x are 1."""
    rest = uint64(x) << uint64(64 - bits)
    count = 0
    for _ in range(bits):
        if (rest >> uint64(63)) == uint64(1):
            count += 1
        rest = rest << uint64(1)
    return count


def round_half_even(x: Any) -> Any:
    """The nearest whole number; of two, the even one."""
    down = floor(x)
    if x - down > 0.5 or (x - down == 0.5 and floor(down / 2) * 2 != down):
        down = down + 1
    return copysign(down, x)


def round_half_away(x: Any) -> Any:
    """The nearest whole number; of two, the one further from 0."""
    size = abs(x)
    down = floor(size)
    if size - down >= 0.5:
        down = down + 1
    return copysign(down, x)


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + exp(-x))


def erf_inv(y: Any) -> Any:
    """The x with erf(x) = y: Winitzki's approximation (2008), then Newton's method."""
    if not (y > -1 and y < 1):
        return copysign(inf, y) if abs(y) == 1 else nan
    part = 4.33 + log(1 - y * y) / 2
    x = copysign(sqrt(sqrt(part * part - log(1 - y * y) / 0.147) - part), y)
    for _ in range(4):
        x = x - (erf(x) - y) * exp(x * x) * 0.886226925452758
    return x


def source_of(name: str) -> str:
    """The Python source of the function `name`; `to_int32` and its like, which convert floats, are written here."""
    if not name.startswith("to_"):
        return inspect.getsource(globals()[name]).replace(": Any", "").replace(" -> Any", "").replace(": int", "")
    dtype = name.removeprefix("to_")
    limits = np.iinfo(dtype)
    return f'''def {name}(x):
    """A float without its fraction; the nearest {dtype} if that is none; 0 for nan."""
    if x != x:
        return {dtype}(0)
    if x <= {float(limits.min)}:
        return {dtype}({limits.min})
    if x >= {float(limits.max)}:
        return {dtype}({limits.max})
    return {dtype}(x)
'''
