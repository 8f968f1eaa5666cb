"""How accurate the functions of vmath are: python -m tests.lower.vmath_accuracy [name ...] [--docs docs/vmath-accuracy.md]

Arguments lie all over the numbers: in f32 every 61st of the 2**32 bit patterns, in f64 a million from all binades, from
the interval where the function changes, and next to special points. A reference of higher precision (f64; x86's 80-bit
format) finds the worst of them, mpmath gives their error. Where no such reference exists (erf, erfc, erf_inv in f64), all
of fewer arguments go through mpmath. The error is in units in the last place of the exact result.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import scipy.special

from minijax.lower import vmath

from .vmath_loops import KINDS, loop

Exact = Callable[..., Any]
Function = Callable[..., np.ndarray]
MANTISSA = {"f32": 23, "f64": 52}
LOWEST = {"f32": -149, "f64": -1074}
CONFIRMED = 12  # candidates of each batch that mpmath looks at
HAS_WIDE = np.finfo(np.longdouble).nmant >= 63
NEAR = (0.5, 1.0, 2.0, math.pi / 2, math.pi, 0.25, 0.75, 4.0)


class Reference(NamedTuple):
    """A function in arbitrary precision and in NumPy, and the interval where it changes."""

    exact: Exact
    numpy: Function
    low: float
    high: float
    wide: bool = True  # `numpy` takes x86's 80-bit format
    slow: bool = False  # mpmath takes milliseconds


def _odd(f: Function) -> Function:
    return lambda x: np.copysign(f(np.abs(x)), x)


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.exp(x), x.dtype.type(1)) / (1 + np.exp(-np.abs(x)))


def _erf(x: mp.mpf) -> mp.mpf:
    """mpmath's, which cannot be asked far outside of where the result is 1 to 400 digits."""
    return mp.erf(max(min(x, mp.mpf(50)), mp.mpf(-50)))


def _erfc(x: mp.mpf) -> mp.mpf:
    return mp.erfc(max(min(x, mp.mpf(50)), mp.mpf(-50)))


def _erf_inv(x: mp.mpf) -> mp.mpf:
    if abs(x) < 1:
        return mp.erfinv(x)
    return mp.sign(x) * mp.inf if abs(x) == 1 else mp.nan


REFERENCES = {
    "exp": Reference(mp.exp, np.exp, -750, 720),
    "exp2": Reference(lambda x: mp.power(2, x), np.exp2, -1080, 1030),
    "expm1": Reference(mp.expm1, np.expm1, -40, 40),
    "log": Reference(mp.log, np.log, 0, 3),
    "log2": Reference(lambda x: mp.log(x, 2), np.log2, 0, 3),
    "log10": Reference(lambda x: mp.log(x, 10), np.log10, 0, 3),
    "log1p": Reference(mp.log1p, np.log1p, -1, 3),
    "sin": Reference(mp.sin, np.sin, -30, 30),
    "cos": Reference(mp.cos, np.cos, -30, 30),
    "tan": Reference(mp.tan, np.tan, -30, 30),
    "asin": Reference(mp.asin, np.arcsin, -1, 1),
    "acos": Reference(mp.acos, np.arccos, -1, 1),
    "atan": Reference(mp.atan, np.arctan, -4, 4),
    "atan2": Reference(mp.atan2, np.arctan2, -4, 4),
    "sinh": Reference(mp.sinh, np.sinh, -5, 5),
    "cosh": Reference(mp.cosh, np.cosh, -5, 5),
    "tanh": Reference(mp.tanh, np.tanh, -20, 20),
    "asinh": Reference(mp.asinh, np.arcsinh, -4, 4),
    "acosh": Reference(mp.acosh, np.arccosh, 1, 4),
    "atanh": Reference(mp.atanh, np.arctanh, -1, 1),
    "logistic": Reference(lambda x: 1 / (1 + mp.exp(-x)), _logistic, -40, 40),
    "erf": Reference(_erf, scipy.special.erf, -6, 6, wide=False),
    "erfc": Reference(_erfc, scipy.special.erfc, -6, 27.5, wide=False),
    "erf_inv": Reference(_erf_inv, _odd(scipy.special.erfinv), -1, 1, wide=False, slow=True),
    "pow": Reference(mp.power, np.power, 0, 4),
    "cbrt": Reference(lambda x: mp.sign(x) * mp.cbrt(abs(x)), np.cbrt, -8, 8),
}
SPECIAL = (0.0, math.inf, math.nan, 1.0, 0.5, 1.5, 2.0, 3.0, 1e30, 16777217.0)


def specials(dtype: str, arity: int) -> list[np.ndarray]:
    """Zeros, infinities, NaN, the extremes of the format and some whole numbers, of both signs; pairs for two arguments."""
    info = np.finfo(KINDS[dtype])
    values = [*SPECIAL, info.max, info.tiny, info.smallest_subnormal]
    both = np.array([*values, *(-v for v in values)], KINDS[dtype])
    return [np.array(column, KINDS[dtype]) for column in zip(*itertools.product(both, repeat=arity), strict=True)]


def wrong_specials(name: str, dtype: str) -> list[str]:
    """Where the function is not NaN, infinite or a signed zero as C99 and SciPy have it, in words."""
    arguments = specials(dtype, vmath.FUNCTIONS[name])
    got = loop(name, dtype)(*arguments)
    with np.errstate(all="ignore"):
        expected = REFERENCES[name].numpy(*arguments).astype(KINDS[dtype])
    special = ~np.isfinite(expected) | (expected == 0) | ~np.isfinite(got) | (got == 0)
    agree = (np.isnan(got) & np.isnan(expected)) | ((got == expected) & (np.signbit(got) == np.signbit(expected)))
    return [
        f"{name}({', '.join(str(a[k]) for a in arguments)}) = {got[k]}, not {expected[k]}"
        for k in np.flatnonzero(special & ~agree)
    ]


def exact_error(name: str, dtype: str, got: Any, arguments: tuple[Any, ...]) -> float:
    """The error of one result against mpmath, in ulp of the exact result; infinite if one is finite and the other not."""
    if not all(np.isfinite(a) for a in arguments) or (len(arguments) == 2 and 0 in arguments):
        return 0.0  # `wrong_specials` looks at these; mpmath has other conventions, and no -0
    digits = 400 if name in ("sin", "cos", "tan") else 60
    with mp.workdps(digits):
        exact = REFERENCES[name].exact(*(mp.mpf(float(a)) for a in arguments))
    if not isinstance(exact, mp.mpf) or mp.isnan(exact):
        return 0.0 if np.isnan(got) else math.inf
    limit = mp.mpf(float(np.finfo(KINDS[dtype]).max)) * (1 + mp.mpf(2) ** -(MANTISSA[dtype] + 2))
    if not np.isfinite(got) or abs(exact) >= limit:
        return 0.0 if np.isinf(got) and abs(exact) >= limit and (got > 0) == (exact > 0) else math.inf
    exponent = int(mp.floor(mp.log(abs(exact), 2))) if exact else -10000
    ulp = mp.mpf(2) ** max(exponent - MANTISSA[dtype], LOWEST[dtype])
    return float(abs(mp.mpf(float(got)) - exact) / ulp)


def batches(name: str, dtype: str, quick: bool) -> Iterator[list[np.ndarray]]:
    """Arrays of arguments."""
    arity, reference = vmath.FUNCTIONS[name], REFERENCES[name]
    rng = np.random.default_rng(7)
    if dtype == "f32" and arity == 1:
        step, part = (6007, 2**31) if quick else (61, 2**27)
        for start in range(0, 2**32, part):
            yield [np.arange(start + start // part % step, start + part, step).astype(np.uint32).view(np.float32)]
        yield [_arguments("near", 0, reference, rng, 1000 if quick else 100_000).astype(np.float32)]
        return
    by_mpmath = dtype == "f64" and not (reference.wide and HAS_WIDE)
    count = (100 if reference.slow else 200) if quick else 10_000 if by_mpmath else 1_000_000
    for kind in ("bits", "interval", "binades", "near"):
        columns = [_arguments(kind, k, reference, rng, count) for k in range(arity)]
        with np.errstate(over="ignore", invalid="ignore"):
            yield [np.asarray(column).astype(KINDS[dtype]) for column in columns]
    if name == "pow":  # powers that are neither 0 nor infinite
        base = np.exp(rng.uniform(-700, 700, count) * rng.choice([1, 1e-2, 1e-4], count))
        limit = 104 if dtype == "f32" else 745
        with np.errstate(all="ignore"):
            base = np.maximum(base, np.finfo(KINDS[dtype]).tiny).astype(KINDS[dtype])
            yield [base, (rng.uniform(-limit, limit, count) / np.log(base)).astype(KINDS[dtype])]


def _arguments(kind: str, place: int, reference: Reference, rng: np.random.Generator, count: int) -> np.ndarray:
    if kind == "bits":
        return rng.integers(0, 2**64, count, np.uint64).view(np.float64)
    if kind == "interval":
        return rng.uniform(reference.low, reference.high, count)
    if kind == "binades":
        return np.ldexp(rng.uniform(1, 2, count), rng.integers(-20, 12, count)) * rng.choice([-1, 1], count)
    signs = rng.choice([-1, 1], count)
    return signs * rng.choice(NEAR, count) * (1 + rng.integers(-9, 9, count) * 2.0 ** -rng.integers(4, 54, count))


class Accuracy(NamedTuple):
    """The largest error and its arguments, the mean error, the number of arguments."""

    worst: float
    where: tuple[Any, ...]
    mean: float
    count: int


def measure(name: str, dtype: str, quick: bool = False) -> Accuracy:
    """The accuracy of one function.

    Args:
        name: the function.
        dtype: "f32" or "f64".
        quick: few arguments, for the tests.
    """
    reference, run = REFERENCES[name], loop(name, dtype)
    worst, where, total, count = 0.0, (), 0.0, 0
    by_mpmath = dtype == "f64" and not (reference.wide and HAS_WIDE)
    for arguments in batches(name, dtype, quick):
        got = run(*arguments)
        if by_mpmath:
            errors = np.array([exact_error(name, dtype, g, a) for g, *a in zip(got, *arguments, strict=True)])
            candidates = [int(errors.argmax())]
        else:
            errors = screened(name, dtype, got, arguments)
            candidates = np.argsort(-errors)[:CONFIRMED].tolist()
        total, count = total + float(errors[np.isfinite(errors)].sum()), count + int(np.isfinite(errors).sum())
        for k in candidates:
            at = tuple(a[k] for a in arguments)
            error = exact_error(name, dtype, got[k], at)
            if error > worst:
                worst, where = error, at
    return Accuracy(worst, where, total / max(count, 1), count)


def screened(name: str, dtype: str, got: np.ndarray, arguments: list[np.ndarray]) -> np.ndarray:
    """Errors in ulp against a reference of higher precision; infinite if one result is not finite, NaN if both are equally so or an argument is not."""
    wide = np.float64 if dtype == "f32" else np.longdouble
    with np.errstate(all="ignore"):
        expected = REFERENCES[name].numpy(*(a.astype(wide) for a in arguments))
        exponent = np.frexp(np.where(np.isfinite(expected), expected, 1))[1] - 1
        ulp = np.ldexp(wide(1), np.maximum(exponent - MANTISSA[dtype], LOWEST[dtype]))
        errors = np.abs(got.astype(wide) - expected) / ulp
        rounded = expected.astype(KINDS[dtype])
        finite = np.all([np.isfinite(a) for a in arguments], axis=0)
        same = ~finite | (got == rounded) & ~np.isfinite(rounded) | np.isnan(got) & np.isnan(rounded)
    return np.where(same, np.nan, np.where(np.isfinite(errors), errors, np.inf)).astype(np.float64)


def table(names: list[str]) -> Iterator[str]:
    """The rows of the table, in Markdown."""
    yield "| function | format | largest error (ulp) | at | mean error | arguments | zeros, infinities, NaN |"
    yield "|---|---|---|---|---|---|---|"
    for name in names:
        for dtype in vmath.DTYPES:
            found, wrong = measure(name, dtype), wrong_specials(name, dtype)
            at = ", ".join(str(v) for v in found.where)
            verdict = "right" if not wrong else "; ".join(wrong[:3])
            yield f"| {name} | {dtype} | {found.worst:.3f} | {at} | {found.mean:.3f} | {found.count:,} | {verdict} |"


PAGE = """# Accuracy of compiled elementary functions

What `jit` compiles calls these functions (`minijax/lower/vmath`) instead of libm's. The bound is 2 ulp. The table was written by
`python -m tests.lower.vmath_accuracy --docs docs/vmath-accuracy.md`. {method}

{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help="functions; all by default")
    parser.add_argument("--docs", help="write the table to this file")
    options = parser.parse_args()
    lines = []
    for line in table(options.names or list(REFERENCES)):
        lines.append(line)
        print(line, flush=True)  # noqa: T201
    if options.docs:
        method = " ".join(line.strip() for line in __doc__.split("\n\n")[1].splitlines())
        with open(options.docs, "w", encoding="utf-8") as file:
            file.write(PAGE.format(method=method, table="\n".join(lines)))


if __name__ == "__main__":
    sys.exit(main())
