"""The reference pictures: one of each kind that is looked at when it changes, and measured by `test_references`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.viz import Drawing, draw, draw_branches, draw_grad

VECTOR = np.ones(3, np.float32)
MATRIX = np.ones((2, 3), np.float32)


def straight(x, y):
    a = mnp.sin(x) * y
    return a + mnp.exp(-a)


@mj.jit
def inner(x):
    return mnp.tanh(x) * 2.0


@mj.jit
def outer(x):
    return inner(x) + inner(x * x)


def nested(x):
    return outer(x) - 1.0


def captured_if(x, y):
    z = x * y
    if z.sum() > 0:
        return mnp.sin(z).sum()
    elif z.max() > -5:
        return mnp.cos(z).sum()
    else:
        return z.sum()


def captured_while(x):
    while x > 1.0:
        x = x / 2.0
    return x * 3.0


def cond(x):
    return lax.cond(x > 0, lambda t: mnp.sin(t) * 2.0, lambda t: mnp.exp(-t), x)


def scan(xs, w):
    def step(carry, x):
        carry = mnp.tanh(carry * w + x)
        return carry, carry * 2.0

    return lax.scan(step, 0.0, xs)


def while_loop(x):
    return lax.while_loop(lambda c: c[0] < 5.0, lambda c: (c[0] + 1.0, c[1] * x), (0.0, x))


def layer(x, w):
    return mnp.tanh(mnp.dot(w, x))


def loss(x, w):
    return mnp.sum(layer(x, w) ** 2)


def mlp(params, x, y):
    for w, b in params[:-1]:
        x = mnp.maximum(x @ w + b, 0.0)
    w, b = params[-1]
    return -mnp.mean(mnp.sum(mj.nn.log_softmax(x @ w + b) * y, axis=-1))


def long(x):
    for _ in range(500):
        x = mnp.sin(x) * 1.01 + mnp.cos(x)
    return x


MLP = [
    (np.ones((8, 16), np.float32), np.zeros(16, np.float32)),
    (np.ones((16, 4), np.float32), np.zeros(4, np.float32)),
]
DEEP = [(np.ones((m, n), np.float32), np.zeros(n, np.float32)) for m, n in ((4, 8), (8, 8), (8, 1))]
IMAGES, LABELS = np.ones((5, 8), np.float32), np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]


def deep(params, x, target):
    for w, b in params:
        x = mnp.maximum(x @ w + b, 0.0)
    return mnp.mean((x - target) ** 2)


def branches() -> Drawing:
    jitted = mj.jit(captured_if)
    for x in (VECTOR, -VECTOR, -3.0 * VECTOR, VECTOR):
        jitted(x, VECTOR)
    return draw_branches(jitted)


SMALL: dict[str, Callable[[], Drawing]] = {
    "straight": lambda: draw(straight, values=True)(1.0, 2.0),
    "nested": lambda: draw(nested)(1.0),
    "captured_if": lambda: draw(captured_if, values=True)(VECTOR, -VECTOR),
    "captured_while": lambda: draw(captured_while)(100.0),
    "cond": lambda: draw(cond, values=True)(1.0),
    "scan": lambda: draw(scan)(np.arange(5, dtype=np.float32), 0.5),
    "while_loop": lambda: draw(while_loop)(2.0),
    "vmap": lambda: draw(mj.vmap(layer, in_axes=(0, None)))(np.ones((4, 3), np.float32), MATRIX),
}
LARGE: dict[str, Callable[[], Drawing]] = {
    "pair": lambda: draw_grad(loss)(VECTOR, MATRIX),
    "mlp": lambda: draw(mlp)(MLP, IMAGES, LABELS),
    "mlp_pair": lambda: draw_grad(mlp)(MLP, IMAGES, LABELS),
    "deep_pair": lambda: draw_grad(deep)(DEEP, np.ones((16, 4), np.float32), np.zeros((16, 1), np.float32)),
    "folded": lambda: draw(long)(1.0),
    "branches": branches,
    "diff": lambda: draw(captured_if).diff((VECTOR, VECTOR), (VECTOR, -VECTOR)),
}
