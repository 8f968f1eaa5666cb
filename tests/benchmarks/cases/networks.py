"""Gradients of neural networks: MLP, softmax cross-entropy, layer norm, attention, convolution."""

from __future__ import annotations

import itertools

import numpy as np

from .case import CASES, Case, case, normal


def one_hot(count: int, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[np.arange(count) % classes]


def _mlp(batch: int) -> None:
    def build(lib, np_):
        sizes = (784, 512, 256, 10)
        params = [(normal(a, b) / np.float32(np.sqrt(a)), normal(b)) for a, b in itertools.pairwise(sizes)]

        def loss(params, x, y):
            for w, b in params[:-1]:
                x = lib.nn.relu(x @ w + b)
            w, b = params[-1]
            return -np_.mean(np_.sum(lib.nn.log_softmax(x @ w + b) * y, axis=1))

        return lib.value_and_grad(loss), (params, normal(batch, 784), one_hot(batch, 10))

    CASES[f"mlp_{batch}"] = Case(f"mlp_{batch}", "networks", 1.25, build)


_mlp(128)
_mlp(1024)


@case("softmax_xent", "networks")
def _xent(lib, np_):
    def f(x, y):
        return -np_.mean(np_.sum(lib.nn.log_softmax(x) * y, axis=-1))

    return lib.value_and_grad(f), (normal(256, 1000), one_hot(256, 1000))


@case("layer_norm", "networks")
def _layer_norm(lib, np_):
    def f(x, g, b):
        m = np_.mean(x, axis=-1, keepdims=True)
        v = np_.var(x, axis=-1, keepdims=True)
        return np_.sum(((x - m) / np_.sqrt(v + 1e-5) * g + b) ** 2)

    return lib.value_and_grad(f, argnums=(0, 1, 2)), (normal(512, 768), normal(768), normal(768, seed=1))


@case("attention", "networks")
def _attention(lib, np_):
    def f(q, k, v):
        s = np_.einsum("hid,hjd->hij", q, k) / 8.0
        return np_.sum(np_.einsum("hij,hjd->hid", lib.nn.softmax(s), v) ** 2)

    return lib.value_and_grad(f, argnums=(0, 1, 2)), tuple(normal(8, 128, 64, seed=i) for i in range(3))


@case("convnet", "networks")
def _convnet(lib, np_):
    w1, w2 = normal(16, 1, 3, 3) / 3, normal(32, 16, 3, 3) / 12
    dense, x = normal(32 * 7 * 7, 10) / 40, normal(64, 1, 28, 28)

    def pool(h):
        return lib.lax.reduce_window(h, -np_.inf, lib.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss(w1, w2, dense, x, y):
        h = pool(lib.nn.relu(lib.lax.conv(x, w1, (1, 1), "SAME")))
        h = pool(lib.nn.relu(lib.lax.conv(h, w2, (1, 1), "SAME")))
        return -np_.mean(np_.sum(lib.nn.log_softmax(h.reshape(64, -1) @ dense) * y, axis=1))

    return lib.value_and_grad(loss, argnums=(0, 1, 2)), (w1, w2, dense, x, one_hot(64, 10))
