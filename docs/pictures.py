"""The reference pictures: ten programs of ten kinds, drawn. `python docs/pictures.py FOLDER` writes PNG and SVG.

They are looked at when drawing changes: no overlaps, no cut labels, readable at the width of a notebook (900 pixels).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.viz import Drawing, draw, draw_grad


def straight(x, scale):
    y = mnp.sin(x) * scale
    return mnp.sum(y * y + 1.0)


@mj.jit
def layer(x, w):
    return mnp.tanh(x @ w)


@mj.jit
def model(x, w1, w2):
    return mnp.mean(layer(layer(x, w1), w2) ** 2)


def nested_jit(x, w1, w2):
    return model(x, w1, w2) + 0.1 * mnp.sum(w1 * w1)


def captured_if(x, y):
    total = x.sum()
    if total > 0:
        z = mnp.sin(x) * y
    elif total > -10:
        z = mnp.exp(-x) - y
    else:
        z = x
    return mnp.sum(z * z)


def captured_while(x):
    steps = 0
    while x > 1.0:
        x = x / 2.0 + 0.1
        steps += 1
    return x * steps


def cond(flag, x):
    return lax.cond(flag, lambda t: mnp.sin(t) * 2.0, lambda t: t - 1.0, x) + x


def newton(a):
    def improve(state):
        x, step = state
        return 0.5 * (x + a / x), step + 1

    return lax.while_loop(lambda state: mnp.abs(state[0] ** 2 - a) > 1e-5, improve, (a, 0))


def scan(w, xs):
    def step(h, x):
        h = mnp.tanh(w * h + x)
        return h, h * h

    return lax.scan(step, 0.0, xs)


def pair(x, w):
    y = mnp.sin(x) * w
    return mnp.sum(y * mnp.exp(x))


def mlp(params, x, target):
    for w, b in params:
        x = mnp.maximum(x @ w + b, 0.0)
    return mnp.mean((x - target) ** 2)


def long_program(x, w):
    for k in range(50):
        y = mnp.sin(x) * w + 0.1 * k
        for _ in range(12):
            y = y + mnp.tanh(y) * w
        x = x + y
    return x


def _mlp_arguments():
    rng = np.random.default_rng(0)
    sizes = (4, 8, 8, 1)
    params = [(rng.normal(size=(m, n)).astype("f4"), np.zeros(n, "f4")) for m, n in itertools.pairwise(sizes)]
    return params, rng.normal(size=(16, 4)).astype("f4"), np.zeros((16, 1), "f4")


VECTOR = np.linspace(-1.0, 2.0, 5, dtype="f4")
MATRIX = np.ones((5, 5), "f4")

PICTURES: dict[str, Callable[[], Drawing]] = {
    "straight": lambda: draw(straight)(VECTOR, 3.0),
    "nested_jit": lambda: draw(nested_jit)(VECTOR, MATRIX, MATRIX),
    "captured_if": lambda: draw(captured_if)(VECTOR - 1.0, 2.0),
    "captured_if_values": lambda: draw(captured_if, values=True)(VECTOR - 1.0, 2.0),
    "captured_while": lambda: draw(captured_while)(50.0),
    "cond": lambda: draw(cond, values=True)(True, 2.0),
    "while": lambda: draw(newton, values=True)(2.0),
    "scan": lambda: draw(scan)(0.5, VECTOR),
    "grad_pair": lambda: draw_grad(pair)(VECTOR, 2.0),
    "vmap": lambda: draw(mj.vmap(pair, in_axes=(0, None)))(mnp.stack([VECTOR] * 3), 2.0),
    "mlp": lambda: draw(mlp, cost=True)(*_mlp_arguments()),
    "mlp_grad": lambda: draw_grad(mlp)(*_mlp_arguments()),
    "folded": lambda: draw(long_program)(1.0, 0.5),
}


def main(folder: str) -> None:
    """Write all pictures; print their titles."""
    for name, make in PICTURES.items():
        drawing = make()
        for suffix in ("png", "svg"):
            drawing.save(Path(folder) / f"{name}.{suffix}")
        print(f"{name}: {drawing.alt()}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pictures")
