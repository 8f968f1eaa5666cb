"""The minimax polynomials of minijax/lower/vmath/power.py, computed again: python -m tests.lower.coefficients

Leaves: tables as they stand in the sources, with the error that each reaches. The other tables come from the same `fit`
with the target, interval and weight that stand above them in the sources.
"""

from __future__ import annotations

import mpmath as mp

from .remez import Function, fit, show

LN2 = mp.log(2)
# the square of s = (m - 1) / (m + 1) for m up to sqrt(2)
SQUARE = float(((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2) * 1.0005


def log2_series(done: int) -> Function:
    """z -> the rest of log2((1 + s) / (1 - s)) / s after `done` terms of its series in z = s**2, over z**done."""

    def rest(z: mp.mpf) -> mp.mpf:
        z = mp.mpf(z)
        if z < mp.mpf("1e-9"):
            return mp.fsum(2 / LN2 / (2 * k + 1) * z ** (k - done) for k in range(done, done + 6))
        s = mp.sqrt(z)
        known = mp.fsum(2 / LN2 / (2 * k + 1) * z**k for k in range(done))
        return (mp.log((1 + s) / (1 - s)) / LN2 / s - known) / z**done

    return rest


def main() -> None:
    mp.mp.dps = 60
    show("LOG2_F64", *fit(log2_series(2), range(8), (0, SQUARE), "f64", lambda z: z**2 * LN2 / 2), "f64")
    show("LOG2_F32", *fit(log2_series(0), range(5), (0, SQUARE), "f64", lambda z: LN2 / 2), "f64")
    growth = fit(lambda r: (2**r - 1) / r if r else LN2, range(6), (-0.5, 0.5), "f64", lambda r: r / 2**r)
    show("EXP2_F32", *growth, "f64")
    ends = float(mp.sqrt(0.5)), float(mp.sqrt(2))
    for dtype in ("f32", "f64"):
        show("ROOT", *fit(lambda m: 1 / mp.cbrt(m), range(5), ends, dtype, mp.cbrt), dtype)


if __name__ == "__main__":
    main()
