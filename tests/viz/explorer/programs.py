"""Functions to explore: branches, arrays, calls, loops, custom rules, values used several times."""

from __future__ import annotations

import numpy as np

import minijax as mj
import minijax.numpy as mnp
from minijax import lax


def spring(stiffness, damping):
    x, v = 1.0, 0.0
    for _ in range(2):
        force = -stiffness * x - damping * v
        v = v + 0.5 * force
        x = x + 0.5 * v
    if x < 0:
        cost = mnp.exp(-2.0 * x)
    else:
        cost = mnp.sin(x) ** 2
    return cost


def shared(x):
    y = x + 1.0
    z = x * 2.0
    return y * z + y


def mlp(params, x):
    h = mnp.tanh(x @ params["w"] + params["b"])
    return mnp.mean(h**2)


def newton(a):
    x = a * 0.5
    while abs(x * x - a) > 1e-3:
        x = 0.5 * (x + a / x)
    return x


@mj.jit
def inner(u):
    v = mnp.sin(u)
    return v * u


def calls(x):
    return inner(inner(x)) + inner(x)


def loops(x, w):
    def cell(h, t):
        h = mnp.tanh(w * h + t)
        return h, h

    h, hs = lax.scan(cell, x, mnp.arange(3.0))
    y = lax.cond(h > 0, lambda z: z * 2.0, lambda z: -z, h)
    z = lax.while_loop(lambda s: s < 10.0, lambda s: s * 1.7, y)
    return z + hs.sum()


@mj.custom_jvp
def smooth_abs(x):
    return mnp.sqrt(x * x + 0.01)


@smooth_abs.defjvp
def _smooth_abs_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return smooth_abs(x), x / smooth_abs(x) * dx


def custom(x):
    return smooth_abs(x) * x if x > 1 else smooth_abs(x)


def picked(x, i):
    y = mnp.exp(-x * x)
    return (y / y.sum())[i] * mnp.max(y)


def two_results(x, y):
    return {"sum": x + y, "product": x * y}


_rng = np.random.default_rng(7)

# name: (function, arguments)
PROGRAMS = {
    "spring": (spring, (2.0, 0.3)),
    "shared": (shared, (1.5,)),
    "mlp": (mlp, ({"w": _rng.normal(size=(4, 3)), "b": _rng.normal(size=3)}, _rng.normal(size=(5, 4)))),
    "newton": (newton, (7.0,)),
    "calls": (calls, (0.7,)),
    "loops": (loops, (0.3, 0.9)),
    "custom": (custom, (1.5,)),
    "picked": (picked, (np.array([0.5, -1.0, 2.0]), 1)),
    "two_results": (two_results, (2.0, 5.0)),
    "grad": (mj.grad(shared), (1.5,)),
}
