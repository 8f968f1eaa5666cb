"""Scientific programs: optimisation, mechanics, statistics, computer vision."""

from __future__ import annotations

import numpy as np

from .case import CASES, Case, case, normal


@case("rosenbrock_hessian", "models")
def _rosenbrock(lib, np_):
    def f(x):
        return np_.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return lib.hessian(f), (normal(100),)


@case("nbody", "models")
def _nbody(lib, np_):
    def energy(x):
        d = x[:, None, :] - x[None, :, :]
        return -np_.sum(1.0 / np_.sqrt(np_.sum(d * d, axis=-1) + 0.01))

    return lib.grad(energy), (normal(500, 3),)


@case("logistic_hvp", "models")
def _logistic(lib, np_):
    def loss(w, x, y):
        z = x @ w
        return np_.mean(np_.log1p(np_.exp(-np_.abs(z))) + np_.maximum(z, 0) - y * z)

    def hvp(w, v, x, y):
        return lib.jvp(lambda w: lib.grad(loss)(w, x, y), (w,), (v,))[1]

    labels = (normal(100_000) > 0).astype(np.float32)
    return hvp, (normal(50), normal(50, seed=1), normal(100_000, 50), labels)


def _mixture(d: int) -> None:
    """Log likelihood of a Gaussian mixture with full covariances, as in ADBench (Srajer et al. 2018), without its prior."""
    k, n = 25, 1000

    def build(lib, np_):
        row, column = np.tril_indices(d, -1)

        def f(alphas, means, logs, lower, x):
            factor = np_.zeros((k, d, d), np_.float32).at[:, row, column].set(lower)
            factor = factor + np_.exp(logs)[:, :, None] * np_.eye(d, dtype=np_.float32)
            z = np_.einsum("kij,nkj->nki", factor, x[:, None, :] - means[None])
            inner = alphas + np_.sum(logs, axis=1) - 0.5 * np_.sum(z * z, axis=-1)
            return np_.sum(lib.scipy.special.logsumexp(inner, axis=1)) - n * lib.scipy.special.logsumexp(alphas)

        data = (normal(k), normal(k, d), normal(k, d) / 10, normal(k, len(row)) / 10, normal(n, d))
        return lib.value_and_grad(f, argnums=(0, 1, 2, 3)), data

    CASES[f"mixture_{d}"] = Case(f"mixture_{d}", "models", 0.6, build)


_mixture(10)
_mixture(32)


@case("bundle_adjustment", "models")
def _bundle_adjustment(lib, np_):
    """Jacobian of 2,000 reprojection residuals: Rodrigues rotation, radial distortion (the model of ADBench)."""

    def residual(camera, point, weight, feature):
        axis, centre, focal, principal, radial = camera[:3], camera[3:6], camera[6], camera[7:9], camera[9:11]
        angle = np_.sqrt(np_.sum(axis * axis))
        k, p = axis / angle, point - centre
        rotated = p * np_.cos(angle) + np_.cross(k, p) * np_.sin(angle) + k * np_.dot(k, p) * (1 - np_.cos(angle))
        flat = rotated[:2] / rotated[2]
        r2 = np_.sum(flat * flat)
        return weight * (principal + focal * flat * (1 + radial[0] * r2 + radial[1] * r2 * r2) - feature)

    n = 2000
    points = normal(n, 3) + np.array([0, 0, 8], np.float32)
    return lib.vmap(lib.jacrev(residual, argnums=(0, 1, 2))), (
        normal(n, 11) / 10 + 0.5,
        points,
        1 + normal(n) / 10,
        normal(n, 2),
    )
