"""Loops that are one equation: recurrent networks by scan, fori_loop, while_loop."""

from __future__ import annotations

import numpy as np

from .case import CASES, Case, case, normal


def _rnn(hidden: int, batch: int) -> None:
    def build(lib, np_):
        w, u = normal(hidden, hidden) / np.float32(np.sqrt(hidden)), normal(hidden, hidden, seed=1) / 10

        def loss(w, u, xs):
            def step(h, x):
                h = np_.tanh(h @ w + x @ u)
                return h, h

            _, hs = lib.lax.scan(step, np_.zeros((batch, hidden), np_.float32), xs)
            return np_.mean(hs**2)

        return lib.value_and_grad(loss, argnums=(0, 1)), (w, u, normal(500, batch, hidden))

    CASES[f"rnn_{hidden}x{batch}"] = Case(f"rnn_{hidden}x{batch}", "loops", 0.6, build)


_rnn(32, 1)
_rnn(128, 16)


@case("lstm", "loops", 0.5)
def _lstm(lib, np_):
    hidden, batch, steps = 64, 16, 100
    params = (normal(64, 4 * hidden) / 8, normal(hidden, 4 * hidden) / 8, normal(4 * hidden) / 10)

    def loss(params, xs):
        w, u, b = params

        def step(carry, x):
            h, c = carry
            i, f, g, o = np_.split(x @ w + h @ u + b, 4, axis=-1)
            c = lib.nn.sigmoid(f) * c + lib.nn.sigmoid(i) * np_.tanh(g)
            h = lib.nn.sigmoid(o) * np_.tanh(c)
            return (h, c), h

        zero = np_.zeros((batch, hidden), np_.float32)
        _, hs = lib.lax.scan(step, (zero, zero), xs)
        return np_.mean(hs**2)

    return lib.value_and_grad(loss), (params, normal(steps, batch, 64))


@case("lstm_language_model", "loops", 0.5)
def _language_model(lib, np_):
    """Next-character loss of the diagonal two-layer LSTM of ADBench (Srajer, Kukelova and Fitzgibbon 2018)."""
    layers, width, steps = 2, 14, 300
    main, extra = normal(layers, 8, width) / 4, normal(3, width) / 4
    state = normal(layers, 2, width) / 4
    text = (normal(steps, width) > 0).astype(np.float32)

    def loss(main, extra, state, text):
        def cell(weights, x, state):
            (wi, wf, wo, wg, bi, bf, bo, bg), (h, c) = weights, state
            c = lib.nn.sigmoid(x * wf + bf) * c + lib.nn.sigmoid(h * wi + bi) * np_.tanh(h * wg + bg)
            return np_.stack([lib.nn.sigmoid(x * wo + bo) * np_.tanh(c), c])

        def step(state, pair):
            x, target = pair
            x, states = x * extra[0], []
            for i in range(layers):
                new = cell(main[i], x, state[i])
                states.append(new)
                x = new[0]
            guess = x * extra[1] + extra[2]
            guess = guess - np_.log(np_.sum(np_.exp(guess)) + 2.0)
            return np_.stack(states), np_.sum(target * guess)

        _, losses = lib.lax.scan(step, state, (text[:-1], text[1:]))
        return -np_.sum(losses) / ((steps - 1) * width)

    return lib.value_and_grad(loss, argnums=(0, 1)), (main, extra, state, text)


@case("fori_1e5", "loops", 0.6)
def _fori(lib, np_):
    def f(x):
        return lib.lax.fori_loop(0, 100_000, lambda i, v: v * 0.999 + np_.float32(0.001) * x, x)

    return f, (np.float32(1.5),)


@case("while_newton", "loops", 0.6)
def _newton(lib, np_):
    """A thousand dependent divisions: latency, not throughput."""

    def f(x):
        def body(state):
            root, i = state
            return 0.5 * (root + x / root), i + 1

        return lib.lax.while_loop(lambda s: s[1] < 1000, body, (x, 0))[0]

    return f, (np.float32(2.0),)


@case("while_newton_batch", "loops", 0.6)
def _newton_batch(lib, np_):
    """10,000 square roots, each iterated until it stands still."""

    def root(x):
        def moving(state):
            last, now = state
            return np_.abs(now - last) > 1e-5 * now

        return lib.lax.while_loop(moving, lambda s: (s[1], 0.5 * (s[1] + x / s[1])), (x, x + 1))[1]

    return lib.vmap(root), (np.geomspace(1e-2, 1e4, 10_000).astype(np.float32),)
