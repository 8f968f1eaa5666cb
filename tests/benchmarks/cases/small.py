"""Dispatch of calls that compute almost nothing, and each elementary function by itself."""

from __future__ import annotations

import numpy as np

from .case import CASES, Case, case, normal


@case("dispatch_8", "dispatch", 0.25)
def _flat(lib, np_):
    return lambda x: x * 2 + 1, (normal(8),)


@case("dispatch_dict", "dispatch", 0.6)
def _dict(lib, np_):
    return lambda d: {k: v * 2 for k, v in d.items()}, ({k: normal(8) for k in "abcdef"},)


# name: (low, high, number of arguments, where the name is)
ELEMENTARY = {
    "exp": (-10, 10, 1, "numpy"),
    "exp2": (-10, 10, 1, "numpy"),
    "expm1": (-5, 5, 1, "numpy"),
    "log": (1e-3, 100, 1, "numpy"),
    "log2": (1e-3, 100, 1, "numpy"),
    "log1p": (-0.9, 10, 1, "numpy"),
    "sin": (-10, 10, 1, "numpy"),
    "cos": (-10, 10, 1, "numpy"),
    "tan": (-10, 10, 1, "numpy"),
    "arcsin": (-1, 1, 1, "numpy"),
    "arccos": (-1, 1, 1, "numpy"),
    "arctan": (-10, 10, 1, "numpy"),
    "arctan2": (-10, 10, 2, "numpy"),
    "sinh": (-5, 5, 1, "numpy"),
    "cosh": (-5, 5, 1, "numpy"),
    "tanh": (-5, 5, 1, "numpy"),
    "arcsinh": (-10, 10, 1, "numpy"),
    "arccosh": (1, 10, 1, "numpy"),
    "arctanh": (-0.99, 0.99, 1, "numpy"),
    "power": (0.1, 10, 2, "numpy"),
    "cbrt": (-10, 10, 1, "numpy"),
    "sqrt": (0.1, 10, 1, "numpy"),
    "rsqrt": (0.1, 10, 1, "lax"),
    "sigmoid": (-10, 10, 1, "nn"),
    "erf": (-3, 3, 1, "scipy.special"),
    "erfc": (-3, 3, 1, "scipy.special"),
    "erfinv": (-0.99, 0.99, 1, "scipy.special"),
}
_LOWER_BARS = {("sin", 4), ("cos", 4), ("power", 4), ("sin", 8), ("cos", 8), ("power", 8), ("log", 8)}


def _elementary(name: str, size: int, dtype: type) -> None:
    low, high, count, module = ELEMENTARY[name]

    def build(lib, np_):
        owner = lib
        for part in module.split("."):
            owner = getattr(owner, part)
        rng = np.random.default_rng(1)
        return getattr(owner, name), tuple(rng.uniform(low, high, size).astype(dtype) for _ in range(count))

    width = np.dtype(dtype).itemsize
    title = f"{name}_{'f32' if width == 4 else 'f64'}_1e{len(str(size)) - 1}"
    bar = 0.35 if (name, width) in _LOWER_BARS else 1.0
    CASES[title] = Case(title, "elementary", bar, build, x64=width == 8)


for _name in ELEMENTARY:
    for _size in (10_000, 1_000_000):
        for _dtype in (np.float32, np.float64):
            _elementary(_name, _size, _dtype)
