"""Minimax polynomials with coefficients that are floats: how the tables in minijax/lower/vmath were computed.

Enters: a function, an interval, the exponents of the polynomial and a weight. Leaves: coefficients rounded to binary32
or binary64 and the weighted error they reach. The Remez exchange finds the best polynomial; then the coefficients are
rounded one after the other, lowest first, and the remaining ones are fitted again to what rounding left (the greedy
form of Brisebarre and Chevillard, "Efficient polynomial L-infinity approximations", 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath as mp
import numpy as np

mp.mp.dps = 45
Function = Callable[[mp.mpf], mp.mpf]


def remez(
    target: Function, basis: Sequence[Function], interval: tuple[float, float], weight: Function, points: int = 400
) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients c of the minimiser of max |weight * (target - sum c[k] basis[k])| over an interval, and that maximum.

    `basis` must satisfy Haar's condition on the interval.
    """
    low, high = map(mp.mpf, interval)
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / (points - 1)) for k in range(points)]
    grid = [x for x in grid if weight(x)]  # an error that is multiplied by zero does not count
    points = len(grid)
    values = [target(x) for x in grid]
    weights = [weight(x) for x in grid]
    rows = [[phi(x) for phi in basis] for x in grid]
    count = len(basis) + 1
    reference = [round(k * (points - 1) / (count - 1)) for k in range(count)]
    best: tuple[list[mp.mpf], mp.mpf] | None = None
    for _ in range(30):
        system = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for i, k in enumerate(reference):
            for j, entry in enumerate(rows[k]):
                system[i, j] = entry
            system[i, count - 1] = (-1) ** i / weights[k]
            right[i] = values[k]
        solution = mp.lu_solve(system, right)
        coefficients = list(solution)[:-1]
        errors = [
            w * (v - mp.fsum(c * r for c, r in zip(coefficients, row, strict=True)))
            for w, v, row in zip(weights, values, rows, strict=True)
        ]
        new = _alternating_extrema(errors, count)
        worst = max(abs(e) for e in errors)
        if best is None or worst < best[1]:
            best = coefficients, worst
        if new is None or new == reference or worst < abs(solution[count - 1]) * (1 + mp.mpf("1e-4")):
            break
        reference = new
    assert best is not None
    return best


def _alternating_extrema(errors: Sequence[mp.mpf], count: int) -> list[int] | None:
    """`count` positions of alternating sign with the largest errors, or None if there are not so many."""
    runs: list[int] = []
    for k, e in enumerate(errors):
        if runs and (e > 0) == (errors[runs[-1]] > 0):
            if abs(e) > abs(errors[runs[-1]]):
                runs[-1] = k
        elif e != 0:
            runs.append(k)
    while len(runs) > count:
        if len(runs) == count + 1:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        else:
            k = min(range(len(runs) - 1), key=lambda i: max(abs(errors[runs[i]]), abs(errors[runs[i + 1]])))
            del runs[k : k + 2]
    return runs if len(runs) == count else None


def round_to(dtype: str, x: mp.mpf) -> float:
    """The nearest binary32 or binary64 number."""
    if dtype == "f64":
        return float(x)
    scale = mp.mpf(2) ** (24 - int(mp.floor(mp.log(abs(x), 2))) - 1) if x else mp.mpf(1)
    return float(mp.nint(x * scale) / scale)


def fit(
    target: Function,
    exponents: Sequence[int],
    interval: tuple[float, float],
    dtype: str,
    weight: Function = lambda x: mp.mpf(1),
    fixed: dict[int, float | mp.mpf] | None = None,
    together: int = 0,
) -> tuple[list[float], float]:
    """Coefficients of x**exponents[k], rounded to `dtype`, and log2 of the weighted error they reach.

    Args:
        target: the function to approximate.
        exponents: which powers of x, ascending.
        interval: where.
        dtype: "f32" or "f64".
        weight: multiplies the error: 1/target for a relative error.
        fixed: {exponent: coefficient} not to be fitted.
        together: number of highest coefficients that are rounded together at the end instead of one by one.
    """
    known: dict[int, mp.mpf] = {e: mp.mpf(c) for e, c in (fixed or {}).items()}
    open_ = [e for e in exponents if e not in known]
    low, high = interval
    samples = [mp.mpf(low) + (mp.mpf(high) - low) * k / 600 for k in range(601)]
    samples = [(x, target(x), weight(x)) for x in samples if weight(x)]

    def error_of(coefficients: dict[int, mp.mpf]) -> mp.mpf:
        return max(abs(w * (v - mp.fsum(c * x**e for e, c in coefficients.items()))) for x, v, w in samples)

    def rest(x: mp.mpf) -> mp.mpf:
        return target(x) - mp.fsum(c * x**e for e, c in known.items())

    previous: dict[int, mp.mpf] = {}
    while open_:
        found, _ = remez(rest, [lambda x, e=e: x**e for e in open_], interval, weight)
        fitted = dict(zip(open_, found, strict=True))
        # powers that vanish inside the interval violate Haar's condition: then the exchange may find nothing better
        if previous and error_of(known | previous) < error_of(known | fitted):
            fitted = previous
        take = len(open_) if len(open_) <= together else 1
        for e in open_[:take]:
            known[e] = mp.mpf(round_to(dtype, fitted[e]))
        open_ = open_[take:]
        previous = {e: fitted[e] for e in open_}
    return [float(known[e]) for e in exponents], float(mp.log(error_of(known), 2))


def show(name: str, coefficients: Sequence[float], error: float, dtype: str) -> None:
    """Print a table as it stands in the sources."""
    kind = np.float32 if dtype == "f32" else np.float64
    print(f"{name} {dtype}: 2**{error:.1f}")  # noqa: T201
    print("    (" + ", ".join(str(kind(c)) for c in coefficients) + "),")  # noqa: T201
