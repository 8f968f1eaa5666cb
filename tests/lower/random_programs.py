"""Random programs for the compiler: every fusable operation, awkward shapes, all dtypes, and inputs laid out in every way."""

from __future__ import annotations

import numpy as np

import minijax.lax as lax
import minijax.numpy as mnp

EXTENTS = (0, 1, 7, 8, 9, 3, 40, 1000)
DTYPES = (
    "float32",
    "float64",
    "int32",
    "int64",
    "bool",
    "uint8",
    "bfloat16",
    "float16",
    "int8",
    "uint32",
    "complex64",
)
WEIGHTS = (8, 3, 3, 1, 2, 2, 1, 1, 1, 1, 1)
FLOAT_UNARY = ("sin", "exp", "tanh", "log1p", "sqrt", "floor", "abs", "neg", "sign", "square", "logistic", "expm1")
INTEGER_UNARY = ("abs", "neg", "sign", "square", "bitwise_not", "population_count")
FLOAT_BINARY = ("add", "sub", "mul", "div", "max", "min")
INTEGER_BINARY = ("add", "sub", "mul", "div", "rem", "max", "min", "bitwise_and", "bitwise_xor", "shift_left")
COMPARISONS = ("eq", "lt", "ge", "ne")


def random_input(rng, shape, dtype):
    """An array of a shape and dtype: contiguous, reversed, transposed, strided or with zero strides."""
    values = rng.standard_normal(shape) * 3
    if dtype.startswith(("int", "uint")):
        values = rng.integers(0 if dtype[0] == "u" else -9, 10, shape)
    x = np.asarray(values).astype(mnp.dtype(dtype)) if dtype != "bool" else np.asarray(values > 0)
    layout = rng.integers(0, 6)
    if layout == 1 and x.ndim:
        x = np.ascontiguousarray(x[::-1])[::-1]
    elif layout == 2 and x.ndim > 1:
        x = np.ascontiguousarray(x.T).T
    elif layout == 3 and x.ndim:
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    elif layout == 4 and x.ndim and x.shape[0]:
        x = np.broadcast_to(x[:1], x.shape)
    return x


def random_shape(rng):
    while True:
        shape = tuple(int(n) for n in rng.choice(EXTENTS, rng.integers(0, 4)))
        if np.prod(shape, dtype=float) <= 20000:
            return shape


def program(seed: int, length: int = 12):
    """(function, inputs): a program of about `length` operations and inputs for it."""
    rng = np.random.default_rng(seed)
    weights = np.array(WEIGHTS) / sum(WEIGHTS)
    count = int(rng.integers(1, 4))
    shapes = [random_shape(rng)]
    while len(shapes) < count:
        shapes.append(shapes[0] if rng.random() < 0.6 else random_shape(rng))
    kind = str(rng.choice(DTYPES, p=weights))
    inputs = [
        random_input(rng, s, kind if rng.random() < 0.7 else str(rng.choice(DTYPES, p=weights))) for s in shapes
    ]
    if count > 1 and rng.random() < 0.2:
        inputs[1] = inputs[0]  # the same memory twice
    recipe = int(rng.integers(1 << 62))

    def f(*xs):
        steps = np.random.default_rng(recipe)
        values = list(xs)
        for _ in range(int(steps.integers(2, length))):
            made = _step(steps, values)
            if made is not None:
                values.append(made)
        chosen = steps.choice(len(values), min(len(values), 3), replace=False)
        return tuple(values[i] for i in {*chosen.tolist(), len(values) - 1})

    return f, inputs


def _step(rng, values):
    """One random operation on earlier values; None where it does not apply."""
    recent = values[-4:] if rng.random() < 0.7 else values
    x = recent[rng.integers(len(recent))]
    what = rng.integers(0, 22)
    floating = mnp.issubdtype(x.dtype, mnp.floating)
    integral = mnp.issubdtype(x.dtype, mnp.integer)
    if what <= 2 and (floating or integral):
        return getattr(lax, str(rng.choice(FLOAT_UNARY if floating else INTEGER_UNARY)))(x)
    same = [y for y in values if y.dtype == x.dtype and (y.shape == x.shape or not y.shape or not x.shape)]
    if what <= 5 and same:
        y = same[rng.integers(len(same))]
        if floating or integral:
            names = FLOAT_BINARY if floating else INTEGER_BINARY
            return getattr(lax, str(rng.choice(names if rng.random() < 0.8 else COMPARISONS)))(
                *mnp.broadcast_arrays(x, y)
            )
        if x.dtype == bool:
            return lax.bitwise_and(*mnp.broadcast_arrays(x, y))
    if what == 6 and x.ndim and x.dtype != bool and mnp.issubdtype(x.dtype, mnp.number):
        axes = tuple(sorted(rng.choice(x.ndim, rng.integers(1, x.ndim + 1), replace=False).tolist()))
        if mnp.issubdtype(x.dtype, mnp.complexfloating):
            return mnp.sum(x, axis=axes)
        which = rng.integers(0, 3)
        if which and all(x.shape[a] for a in axes):
            return (mnp.max, mnp.min)[which - 1](x, axis=axes)
        return mnp.sum(x, axis=axes)
    if what == 7:
        return mnp.transpose(x, rng.permutation(x.ndim).tolist())
    if what == 8:
        return x.reshape(_other_shape(rng, x))
    if what == 9 and x.ndim:
        starts = [int(rng.integers(0, n + 1)) for n in x.shape]
        limits = [int(rng.integers(s, n + 1)) for s, n in zip(starts, x.shape)]
        return lax.slice(x, starts, limits, [int(rng.integers(1, 3)) for _ in starts])
    if what == 10 and x.ndim:
        return lax.rev(x, [int(rng.integers(x.ndim))])
    if what == 11 and x.ndim < 3 and x.size < 5000:
        return mnp.broadcast_to(x, (int(rng.integers(1, 9)), *x.shape))
    if what == 12 and x.ndim and x.size < 5000:
        others = [y for y in same if y.shape == x.shape]
        return lax.concatenate([x, others[rng.integers(len(others))]], int(rng.integers(x.ndim)))
    if what == 13 and x.ndim and x.size < 5000:
        config = [(int(rng.integers(-1, 3)), int(rng.integers(0, 3)), int(rng.integers(0, 2))) for _ in range(x.ndim)]
        config = [(max(low, -n), high, inner) for (low, high, inner), n in zip(config, x.shape)]
        return lax.pad(x, lax.full_like(x, 1, shape=()), config)
    if what == 14:
        target = str(rng.choice(["float32", "int32", "bool", "float64", "uint8", "int64"]))
        if mnp.issubdtype(x.dtype, mnp.complexfloating):
            return mnp.real(x)
        return x.astype(target)
    if what in (15, 16, 17) and x.ndim and x.size and x.size < 5000:
        return (_gathered, _scattered, _window)[what - 15](rng, x)
    if what == 18 and x.ndim and x.size and x.size < 5000 and (floating or integral):
        return mnp.sort(x, axis=int(rng.integers(x.ndim)))
    if what == 19 and x.ndim and x.size < 5000 and (floating or integral):
        return mnp.cumsum(x, axis=int(rng.integers(x.ndim)), dtype=x.dtype)
    if what >= 20 and x.ndim and x.dtype.itemsize >= 4 and mnp.issubdtype(x.dtype, mnp.number):
        return _product(rng, x, [y for y in values if y.dtype == x.dtype and y.ndim])
    if x.ndim and mnp.issubdtype(x.dtype, mnp.number):
        pred = x > 0 if not mnp.issubdtype(x.dtype, mnp.complexfloating) else mnp.real(x) > 0
        return mnp.where(pred, x, lax.full_like(x, 2))
    return None


def _product(rng, x, others):
    """The product of `x` and another array over a pair of axes as long, with a pair of batch axes if there is one."""
    y = others[rng.integers(len(others))]
    pairs = [(i, j) for i, n in enumerate(x.shape) for j, m in enumerate(y.shape) if n == m]
    if not pairs:
        return None
    i, j = pairs[rng.integers(len(pairs))]
    batches = [(a, b) for a, b in pairs if a != i and b != j]
    chosen = [batches[rng.integers(len(batches))]] if batches and rng.random() < 0.5 else []
    size = x.size * y.size / max(1, x.shape[i]) ** 2 / max(1, *(x.shape[a] for a, _ in chosen), 1)
    if size > 20000 or size * x.shape[i] > 3e6:
        return None
    numbers = (((i,), (j,)), (tuple(a for a, _ in chosen), tuple(b for _, b in chosen)))
    return lax.dot_general(x, y, numbers)


def _indices(rng, n, shape):
    """Integers that mostly lie in range(n)."""
    dtype = rng.choice(["int32", "int64", "int8", "uint32"])
    return mnp.asarray(rng.integers(0 if dtype[0] == "u" else -n - 1, n + 2, shape).astype(dtype))


def _gathered(rng, x):
    """Rows, elements or windows of x at random places."""
    axis = int(rng.integers(x.ndim))
    mode = str(rng.choice(["fill", "clip"]))
    which = rng.integers(0, 3)
    if which == 0:
        shape = [(), (1,), (5,), (2, 3)][rng.integers(4)]
        return mnp.take(x, _indices(rng, x.shape[axis], shape), axis=axis, mode=mode)
    if which == 1:
        shape = list(x.shape)
        shape[axis] = int(rng.integers(1, 4))
        return mnp.take_along_axis(x, _indices(rng, x.shape[axis], shape), axis, mode=mode)
    return x[tuple([_indices(rng, n, (4,)) for n in x.shape])]


def _scattered(rng, x):
    """x with something written at random places."""
    mode = str(rng.choice(["drop", "clip"]))
    methods = ["set", "add"] if x.dtype == bool else ["set", "add", "multiply", "subtract"]
    if mnp.issubdtype(x.dtype, mnp.floating) or mnp.issubdtype(x.dtype, mnp.integer):
        methods += ["min", "max"]
    axis = int(rng.integers(x.ndim))
    rows = _indices(rng, x.shape[axis], [(), (1,), (6,), (2, 3)][rng.integers(4)])
    at = x.at[(slice(None),) * axis + (rows,)]
    return getattr(at, str(rng.choice(methods)))(lax.full_like(x, 2, shape=()), mode=mode)


def _window(rng, x):
    """A window of x, alone or put back elsewhere."""
    sizes = [int(rng.integers(0, n + 1)) for n in x.shape]
    part = lax.dynamic_slice(x, [_indices(rng, n, ()) for n in x.shape], sizes)
    if rng.random() < 0.5:
        return part
    return lax.dynamic_update_slice(x, part, [_indices(rng, n, ()) for n in x.shape])


def _other_shape(rng, x):
    sizes = list(x.shape)
    if rng.random() < 0.4 or not sizes:
        return (x.size,)
    if rng.random() < 0.5 and len(sizes) > 1:
        i = int(rng.integers(len(sizes) - 1))
        return (*sizes[:i], sizes[i] * sizes[i + 1], *sizes[i + 2 :])
    i = int(rng.integers(len(sizes)))
    for factor in (2, 3, 5):
        if sizes[i] and sizes[i] % factor == 0:
            return (*sizes[:i], factor, sizes[i] // factor, *sizes[i + 1 :])
    return (1, *sizes)
