"""The same programs with HIPS autograd, as its users write them: NumPy through its wrapper, no compiler."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
from autograd.scipy.special import logsumexp

from .case import CASES


def peer(*names):
    def register(build):
        for name in names:
            CASES[name].peers["autograd"] = build
        return build

    return register


def gradients(loss, *inputs):
    """`run()` of a scalar loss: its value and its gradients with respect to all inputs."""
    both = autograd.value_and_grad(lambda inputs: loss(*inputs))

    def run():
        value, grads = both(inputs)
        return value, *grads

    return run


@peer("fused_grad_1e4", "fused_grad_1e6")
def _fused(x, y):
    return gradients(lambda x, y: anp.sum(anp.exp(-x * x) * anp.tanh(y) + x * y), x, y)


@peer("mlp_128", "mlp_1024")
def _mlp(params, x, y):
    def loss(*flat):
        h = x
        for w, b in zip(flat[:-2:2], flat[1:-2:2], strict=True):
            h = anp.maximum(h @ w + b, 0)
        z = h @ flat[-2] + flat[-1]
        return -anp.mean(anp.sum((z - logsumexp(z, axis=1, keepdims=True)) * y, axis=1))

    return gradients(loss, *(a for pair in params for a in pair))


@peer("rnn_32x1", "rnn_128x16")
def _rnn(w, u, xs):
    def loss(w, u):
        h, hs = anp.zeros(xs.shape[1:], "float32"), []
        for x in xs:
            h = anp.tanh(h @ w + x @ u)
            hs.append(h)
        return anp.mean(anp.stack(hs) ** 2)

    return gradients(loss, w, u)


@peer("rosenbrock_hessian")
def _rosenbrock(x):
    hessian = autograd.hessian(lambda x: anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))
    return lambda: (hessian(x),)


@peer("nbody")
def _nbody(x):
    def energy(x):
        d = x[:, None, :] - x[None, :, :]
        return -anp.sum(1.0 / anp.sqrt(anp.sum(d * d, axis=-1) + 0.01))

    gradient = autograd.grad(energy)
    return lambda: (gradient(x),)
