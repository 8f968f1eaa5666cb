"""The same programs as a PyTorch user writes them: eager, with autograd (or torch.func where there is no other way)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .case import CASES


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def gradients(loss, inputs):
    """`run()` of a scalar loss: its value and its gradients."""

    def run():
        value = loss()
        return value.detach(), *torch.autograd.grad(value, inputs)

    return run


def peer(*names):
    def register(build):
        for name in names:
            CASES[name].peers["torch"] = build
        return build

    return register


@peer("fused_grad_1e4", "fused_grad_1e6")
def _fused(x, y):
    x, y = leaves(x, y)
    return gradients(lambda: (torch.exp(-x * x) * torch.tanh(y) + x * y).sum(), (x, y))


@peer("mlp_128", "mlp_1024")
def _mlp(params, x, y):
    flat = leaves(*(a for pair in params for a in pair))
    x, y = torch.tensor(x), torch.tensor(y)

    def loss():
        h = x
        for w, b in zip(flat[:-2:2], flat[1:-2:2], strict=True):
            h = torch.relu(h @ w + b)
        return F.cross_entropy(h @ flat[-2] + flat[-1], y)

    return gradients(loss, flat)


@peer("softmax_xent")
def _xent(x, y):
    (x,), y = leaves(x), torch.tensor(y)
    return gradients(lambda: F.cross_entropy(x, y), (x,))


@peer("layer_norm")
def _layer_norm(x, g, b):
    x, g, b = leaves(x, g, b)
    return gradients(lambda: (F.layer_norm(x, (x.shape[-1],), g, b, 1e-5) ** 2).sum(), (x, g, b))


@peer("attention")
def _attention(q, k, v):
    q, k, v = leaves(q, k, v)
    return gradients(lambda: (F.scaled_dot_product_attention(q, k, v) ** 2).sum(), (q, k, v))


@peer("convnet")
def _convnet(w1, w2, dense, x, y):
    w1, w2, dense = leaves(w1, w2, dense)
    x, y = torch.tensor(x), torch.tensor(y)

    def loss():
        h = F.max_pool2d(torch.relu(F.conv2d(x, w1, padding=1)), 2)
        h = F.max_pool2d(torch.relu(F.conv2d(h, w2, padding=1)), 2)
        return F.cross_entropy(h.flatten(1) @ dense, y)

    return gradients(loss, (w1, w2, dense))


@peer("rnn_32x1", "rnn_128x16")
def _rnn(w, u, xs):
    w, u = leaves(w, u)
    xs = torch.tensor(xs)

    def loss():
        h, hs = torch.zeros(xs.shape[1:]), []
        for x in xs:
            h = torch.tanh(h @ w + x @ u)
            hs.append(h)
        return (torch.stack(hs) ** 2).mean()

    return gradients(loss, (w, u))


@peer("lstm")
def _lstm(params, xs):
    w, u, b = leaves(*params)
    xs = torch.tensor(xs)

    def loss():
        h = c = torch.zeros(xs.shape[1], u.shape[0])
        hs = []
        for x in xs:
            i, f, g, o = (x @ w + h @ u + b).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            hs.append(h)
        return (torch.stack(hs) ** 2).mean()

    return gradients(loss, (w, u, b))


@peer("rosenbrock_hessian")
def _rosenbrock(x):
    x = torch.tensor(x)

    def f(x):
        return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    hessian = torch.func.hessian(f)
    return lambda: (hessian(x),)


@peer("nbody")
def _nbody(x):
    (x,) = leaves(x)

    def energy():
        d = x[:, None, :] - x[None, :, :]
        return -(1.0 / torch.sqrt((d * d).sum(-1) + 0.01)).sum()

    run = gradients(energy, (x,))
    return lambda: run()[1:]


@peer("logistic_hvp")
def _logistic(w, v, x, y):
    w, v, x, y = (torch.tensor(a) for a in (w, v, x, y))

    def loss(w):
        return F.binary_cross_entropy_with_logits(x @ w, y)

    return lambda: (torch.func.jvp(torch.func.grad(loss), (w,), (v,))[1],)


@peer("embedding")
def _embedding(table, ids):
    (table,), ids = leaves(table), torch.tensor(ids, dtype=torch.int64)
    return gradients(lambda: (torch.tanh(table[ids]) ** 2).sum(), (table,))


@peer("mixture_10", "mixture_32")
def _mixture(alphas, means, logs, lower, x):
    alphas, means, logs, lower = leaves(alphas, means, logs, lower)
    x = torch.tensor(x)
    k, d = means.shape
    row, column = torch.tril_indices(d, d, -1)

    def loss():
        factor = torch.zeros(k, d, d).index_put((torch.arange(k)[:, None], row, column), lower)
        factor = factor + torch.diag_embed(torch.exp(logs))
        z = torch.einsum("kij,nkj->nki", factor, x[:, None, :] - means[None])
        inner = alphas + logs.sum(1) - 0.5 * (z * z).sum(-1)
        return torch.logsumexp(inner, 1).sum() - len(x) * torch.logsumexp(alphas, 0)

    return gradients(loss, (alphas, means, logs, lower))
