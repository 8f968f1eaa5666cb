"""Functions of whole arrays against NumPy, value by value, and their derivatives against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.test_util import check_grads

rng = np.random.default_rng(7)
X = rng.standard_normal((3, 4))
Y = rng.standard_normal((4, 3))
V = rng.standard_normal(5)
W = rng.standard_normal(3)
T = rng.standard_normal((2, 3, 4))
N = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, np.nan]])
I = np.array([2, 0, 1])
S = np.sort(rng.standard_normal(6))

# (function of a namespace and float arrays, the arrays); differentiated in all of them
LINEAR_AND_SMOOTH = {
    "sum": (lambda m, x: m.sum(x, axis=1, keepdims=True), X),
    "sum where": (lambda m, x: m.sum(x, where=X > 0, initial=2.0), X),
    "prod": (lambda m, x: m.prod(x, axis=0), X),
    "mean": (lambda m, x: m.mean(x, axis=(0, 2)), T),
    "mean where": (lambda m, x: m.mean(x, axis=0, where=X > -0.7), X),
    "var": (lambda m, x: m.var(x, axis=0, ddof=1), X),
    "std": (lambda m, x: m.std(x, axis=1), X),
    "max": (lambda m, x: m.max(x, axis=0), X),
    "min": (lambda m, x: m.min(x), X),
    "ptp": (lambda m, x: m.ptp(x, axis=1), X),
    "average": (lambda m, x, w: m.average(x, axis=0, weights=w), X, np.abs(W)),
    "cumsum": (lambda m, x: m.cumsum(x, axis=1), X),
    "cumprod": (lambda m, x: m.cumprod(x), X),
    "median": (lambda m, x: m.median(x, axis=0), X),
    "quantile": (lambda m, x: m.quantile(x, np.array([0.1, 0.6]), axis=1), X),
    "percentile": (lambda m, x: m.percentile(x, 37.0, axis=(0, 1), keepdims=True), X),
    "cov": (lambda m, x: m.cov(x), X),
    "cov of two": (lambda m, x, y: m.cov(x, y), V, V[::-1].copy()),
    "corrcoef": (lambda m, x: m.corrcoef(x), X),
    "diff": (lambda m, x: m.diff(x, 2, axis=1), X),
    "ediff1d": (lambda m, x: m.ediff1d(x, 9.0, 8.0), V),
    "gradient": (lambda m, x: m.gradient(x, 2.0, axis=0), X),
    "gradient uneven": (lambda m, x: m.gradient(x, np.array([0.0, 1.0, 3.0, 3.5]), axis=1), X),
    "trapezoid": (lambda m, y, x: m.trapezoid(y, x), V, np.sort(V)),
    "interp": (lambda m, x, f: m.interp(x, S, f), V, S**2),
    "unwrap": (lambda m, x: m.unwrap(x), 4 * V),
    "dot": (lambda m, x, y: m.dot(x, y), X, Y),
    "matmul vectors": (lambda m, x, y: m.matmul(x, y), V, V),
    "matmul batched": (lambda m, x, y: m.matmul(x, y), T, rng.standard_normal((2, 4, 2))),
    "matmul broadcast": (lambda m, x, y: m.matmul(x, y), X, rng.standard_normal((5, 2, 4, 2))),
    "matmul broadcast batch": (lambda m, x, y: m.matmul(x, y), T[:, None], rng.standard_normal((5, 4, 2))),
    "matmul vector left": (lambda m, x, y: m.matmul(x, y), W, T),
    "inner": (lambda m, x, y: m.inner(x, y), T, X),
    "outer": (lambda m, x, y: m.outer(x, y), V, W),
    "vdot": (lambda m, x, y: m.vdot(x, y), X, Y),
    "vecdot": (lambda m, x, y: m.vecdot(x, y), T, X),
    "tensordot": (lambda m, x, y: m.tensordot(x, y, ((1, 2), (1, 0))), T, Y),
    "kron": (lambda m, x, y: m.kron(x, y), X, W),
    "cross": (lambda m, x, y: m.cross(x, y), rng.standard_normal((2, 3)), W),
    "einsum chain": (lambda m, x, y, z: m.einsum("ij,jk,lki->l", x, y, z), X, Y, rng.standard_normal((2, 3, 3))),
    "einsum trace": (lambda m, x: m.einsum("ii", x), X[:, :3]),
    "einsum diagonal": (lambda m, x: m.einsum("ii->i", x), X[:, :3]),
    "einsum batch": (lambda m, x, y: m.einsum("...ij,...j", x, y), T, X[:2]),
    "einsum spaces": (lambda m, x, y: m.einsum(" ij , jk -> ki ", x, Y), X, X),
    "einsum of a number": (lambda m, x: m.einsum(",ij->ji", 2.0, x), X),
    "einsum implicit": (lambda m, x, y: m.einsum("ij,jk", x, y), X, Y),
    "einsum outer": (lambda m, x, y: m.einsum("i,j->ji", x, y), V, W),
    "einsum sums": (lambda m, x, y: m.einsum("ij,kl->", x, y), X, Y),
    "convolve full": (lambda m, x, y: m.convolve(x, y), V, W),
    "convolve same": (lambda m, x, y: m.convolve(x, y, "same"), W, V),
    "convolve even": (lambda m, x, y: m.convolve(x, y, "same"), V, V[:4]),
    "correlate valid": (lambda m, x, y: m.correlate(x, y), V, W),
    "correlate swapped": (lambda m, x, y: m.correlate(x, y, "full"), W, V),
    "correlate same": (lambda m, x, y: m.correlate(x, y, "same"), V, V[:4]),
    "correlate same swapped": (lambda m, x, y: m.correlate(x, y, "same"), V[:3], V[:4]),
    "reshape": (lambda m, x: m.reshape(x, (2, -1)), X),
    "reshape by columns": (lambda m, x: m.reshape(x, (2, 6), order="F"), X),
    "transpose": (lambda m, x: m.transpose(x, (2, 0, 1)), T),
    "moveaxis": (lambda m, x: m.moveaxis(x, (0, 1), (-1, 0)), T),
    "rollaxis": (lambda m, x: m.rollaxis(x, 2, 1), T),
    "swapaxes": (lambda m, x: m.swapaxes(x, 0, -1), T),
    "expand and squeeze": (lambda m, x: m.squeeze(m.expand_dims(x, (0, 2)), 2), X),
    "flip": (lambda m, x: m.flip(x, (0, 1)), X),
    "rot90": (lambda m, x: m.rot90(x, 3, (1, 2)), T),
    "roll": (lambda m, x: m.roll(x, (1, -2), (0, 1)), X),
    "roll flat": (lambda m, x: m.roll(x, 5), X),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (2, 3, 4)), X),
    "resize": (lambda m, x: m.resize(x, (5, 3)), X),
    "concatenate": (lambda m, x, y: m.concatenate([x, y], axis=1), X, X[:, :1]),
    "stack": (lambda m, x, y: m.stack([x, y], axis=-1), X, 2 * X),
    "vstack": (lambda m, x, y: m.vstack([x, y]), V, V),
    "hstack": (lambda m, x, y: m.hstack([x, y]), V, W),
    "dstack": (lambda m, x, y: m.dstack([x, y]), V, V),
    "column_stack": (lambda m, x, y: m.column_stack([x, y]), V, V),
    "block": (lambda m, x, y: m.block([[x, x], [y, y]]), X, X[:1]),
    "split": (lambda m, x: m.split(x, [1, 3], axis=1)[1], X),
    "array_split": (lambda m, x: m.array_split(x, 3)[0], V),
    "tile": (lambda m, x: m.tile(x, (2, 1, 3)), X),
    "repeat": (lambda m, x: m.repeat(x, np.array([1, 0, 2]), axis=0), X),
    "repeat all": (lambda m, x: m.repeat(x, 2), X),
    "append": (lambda m, x: m.append(x, 3.0), X),
    "delete": (lambda m, x: m.delete(x, [0, 2], axis=1), X),
    "insert": (lambda m, x, y: m.insert(x, 1, y, axis=0), X, X[0]),
    "insert many": (lambda m, x: m.insert(x, np.array([1, 3]), np.array([5.0, 6.0])), V),
    "tril": (lambda m, x: m.tril(x, -1), T),
    "triu": (lambda m, x: m.triu(x, 1), X),
    "diag": (lambda m, x: m.diag(x, -1), V),
    "diagonal": (lambda m, x: m.diagonal(x, 1, 1, 2), T),
    "trace": (lambda m, x: m.trace(x, -1), X),
    "diagflat": (lambda m, x: m.diagflat(x, 1), X),
    "vander": (lambda m, x: m.vander(x, 3), V),
    "meshgrid": (lambda m, x, y: m.meshgrid(x, y)[1], V, W),
    "sort": (lambda m, x: m.sort(x, axis=0), X),
    "take": (lambda m, x: m.take(x, I, axis=1), X),
    "select": (lambda m, x: m.select([X > 1, X > 0], [x, 2 * x], -x), X),
    "polyval": (lambda m, p, x: m.polyval(p, x), V, X),
    "polymul": (lambda m, p, q: m.polymul(p, q), V, W),
    "polyadd": (lambda m, p, q: m.polyadd(p, q), V, W),
    "polydiv": (lambda m, p, q: m.polydiv(p, q)[0], V, np.array([2.0, 1.0])),
    "polyder": (lambda m, p: m.polyder(p, 2), V),
    "polyint": (lambda m, p: m.polyint(p, 2), V),
    "poly": (lambda m, r: m.poly(r), W),
    "linspace": (lambda m, a, b: m.linspace(a, b, 4, axis=-1), W, 2 * W + 1),
    "logspace": (lambda m, a: m.logspace(a, 1.0, 3), W),
    "geomspace": (lambda m, a, b: m.geomspace(a, b, 4), np.abs(W), np.abs(W) + 2),
    **{
        f"pad {mode} {widths}": (lambda m, x, mode=mode, widths=widths: m.pad(x, widths, mode=mode), X)
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "mean", "median")
        for widths in (1, ((1, 2), (0, 5)))
    },
    "pad values": (lambda m, x: m.pad(x, 1, constant_values=((1.0, 2.0), (3.0, 4.0))), X),
    "pad odd": (lambda m, x: m.pad(x, 2, mode="reflect", reflect_type="odd"), X),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR_AND_SMOOTH)
def test_values_and_derivatives(name):
    f, *arrays = LINEAR_AND_SMOOTH[name]
    with mj.enable_x64():
        np.testing.assert_allclose(f(mnp, *arrays), f(np, *arrays), rtol=1e-11, atol=1e-12)
        check_grads(lambda *xs: f(mnp, *xs), tuple(arrays), order=1, modes=("fwd", "rev"), atol=1e-4, rtol=1e-4)
    single = [x.astype(np.float32) for x in arrays]
    assert str(f(mnp, *single).dtype) == "float32"


VALUES = {
    "any": lambda m: m.any(X > 1, axis=0),
    "all": lambda m: m.all(X > -9),
    "count_nonzero": lambda m: m.count_nonzero(X > 0, axis=1),
    "argmax": lambda m: m.argmax(X, axis=1, keepdims=True),
    "argmin": lambda m: m.argmin(X),
    "argsort": lambda m: m.argsort(X, axis=0),
    "lexsort": lambda m: m.lexsort((np.array([1, 1, 0, 0]), np.array([2, 1, 2, 1]))),
    "searchsorted": lambda m: m.searchsorted(S, np.concatenate([S, V, [np.nan]]), side="right"),
    "searchsorted left": lambda m: m.searchsorted(S, np.concatenate([S, V])),
    "digitize": lambda m: m.digitize(V, S),
    "digitize falling": lambda m: m.digitize(np.concatenate([V, S]), S[::-1].copy(), right=True),
    "nonzero": lambda m: m.nonzero(X > 0)[1],
    "flatnonzero": lambda m: m.flatnonzero(V > 0),
    "argwhere": lambda m: m.argwhere(X > 0),
    "compress": lambda m: m.compress([True, False, True], X, axis=0) if m is np else m.compress(np.array([True, False, True]), X, axis=0),
    "extract": lambda m: m.extract(X > 0, X),
    "choose": lambda m: m.choose(I, [V[:3], W, -W]),
    "unique": lambda m: m.unique(np.array([3, 1, 3, 2])),
    "unique inverse": lambda m: m.unique(np.array([[3, 1], [3, 2]]), return_inverse=True)[1],
    "unique rows": lambda m: m.unique(np.array([[1, 2], [1, 2], [0, 5]]), axis=0),
    "isin": lambda m: m.isin(np.arange(6).reshape(2, 3), np.array([1, 5]), invert=True),
    "union1d": lambda m: m.union1d(np.array([1, 3]), np.array([2, 3])),
    "intersect1d": lambda m: m.intersect1d(np.array([1, 3, 4]), np.array([4, 3])),
    "setdiff1d": lambda m: m.setdiff1d(np.array([1, 3, 4]), np.array([4])),
    "setxor1d": lambda m: m.setxor1d(np.array([1, 3, 4]), np.array([4, 5])),
    "bincount": lambda m: m.bincount(np.array([0, 2, 2]), minlength=5),
    "bincount weights": lambda m: m.bincount(np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0])),
    "histogram": lambda m: m.histogram(V, bins=4)[0],
    "histogram edges": lambda m: m.histogram(V, bins=4, range=(-1.0, 2.0), density=True)[0],
    "histogram2d": lambda m: m.histogram2d(V, V**2, bins=3)[0],
    "histogramdd": lambda m: m.histogramdd(np.stack([V, V**2], 1), bins=(2, 3))[0],
    "nansum": lambda m: m.nansum(N, axis=0),
    "nanprod": lambda m: m.nanprod(N),
    "nanmean": lambda m: m.nanmean(N, axis=1),
    "nanmax": lambda m: m.nanmax(N, axis=0),
    "nanvar": lambda m: m.nanvar(N, axis=1),
    "nanstd": lambda m: m.nanstd(N, axis=1),
    "nanmedian": lambda m: m.nanmedian(N, axis=1),
    "nanquantile": lambda m: m.nanquantile(N, 0.3),
    "nancumsum": lambda m: m.nancumsum(N, axis=1),
    "nanargmax": lambda m: m.nanargmax(N, axis=1),
    "quantile of nan": lambda m: m.quantile(N, 0.5, axis=1),
    "quantile nearest": lambda m: m.quantile(V, [0.2, 0.55], method="lower"),
    "eye": lambda m: m.eye(2, 3, 1),
    "tri": lambda m: m.tri(3, 2, -1),
    "tril_indices": lambda m: m.tril_indices(3, -1, 4)[1],
    "triu_indices": lambda m: m.triu_indices(3, 1)[0],
    "indices": lambda m: m.indices((2, 3)),
    "mgrid": lambda m: m.mgrid[0:2, 1:4:2],
    "mgrid points": lambda m: m.mgrid[0:1:5j],
    "ogrid": lambda m: m.ogrid[0:2, 0:3][1],
    "r_": lambda m: m.r_[1:4, 0, 9],
    "c_": lambda m: m.c_[V, V],
    "ix_": lambda m: X[np.ix_([0, 2], [1])] if m is np else m.array(X)[m.ix_([0, 2], [1])],
    "unravel_index": lambda m: m.unravel_index(np.array([5, 7]), (2, 4))[1],
    "ravel_multi_index": lambda m: m.ravel_multi_index((np.array([1]), np.array([2])), (2, 4)),
    "fromfunction": lambda m: m.fromfunction(lambda i, j: i + 2 * j, (2, 3)),
    "packbits": lambda m: m.packbits(np.array([1, 0, 1, 1, 0, 0, 1, 0, 1])),
    "unpackbits": lambda m: m.unpackbits(np.array([5, 200], np.uint8), bitorder="little"),
    "bitwise_count": lambda m: m.bitwise_count(np.array([7, -1, 0], np.int32)),
    "roots": lambda m: np.sort_complex(m.roots(np.array([1.0, -6.0, 11.0, -6.0, 0.0]))),
    "polyfit": lambda m: m.polyfit(S, S**2 + 1, 2),
    "gradient of two axes": lambda m: m.gradient(X)[0],
    "hanning": lambda m: m.hanning(6),
    "kaiser": lambda m: m.kaiser(6, 3.0),
    "arange": lambda m: m.arange(2.0, 3.0, 0.3),
    "linspace": lambda m: m.linspace(0, 10, 4, endpoint=False, dtype=int),
    "array": lambda m: m.array([[1, 2.5], [3, 4]], ndmin=3),
    "nan_to_num": lambda m: m.nan_to_num(np.array([np.nan, 1.0]), nan=7.0),
    "trim_zeros": lambda m: m.trim_zeros(np.array([0, 0, 1, 0, 2, 0])),
    "cumulative_sum": lambda m: m.cumulative_sum(W, include_initial=True),
    "apply_over_axes": lambda m: m.apply_over_axes(m.sum, T, (0, 2)),
    "sort_complex": lambda m: m.sort_complex(np.array([2 + 1j, 1.0, 2 - 1j])),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    with mj.enable_x64():
        np.testing.assert_allclose(np.asarray(VALUES[name](mnp)), VALUES[name](np), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("f", "x", "slopes"),
    [
        (mnp.max, [1.0, 3.0, 3.0], [0, 0.5, 0.5]),
        (lambda x: mnp.sort(x)[0], [1.0, 1.0, 3.0], [1, 0, 0]),
        (mnp.median, [1.0, 2.0, 2.0, 3.0], [0, 0.5, 0.5, 0]),
        (mnp.median, [1.0, 2.0, 2.0, 2.0, 3.0], [0, 0, 1, 0, 0]),
        (mnp.ptp, [1.0, 1.0, 3.0], [-0.5, -0.5, 1]),
        (mnp.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
        (lambda x: mnp.cumprod(x)[-1], [0.0, 2.0, 3.0], [6, 0, 0]),
        (mnp.std, [1.0, 1.0, 1.0], [np.nan] * 3),
        (mnp.var, [1.0, 1.0, 1.0], [0, 0, 0]),
        (mnp.nanmax, [1.0, np.nan, 3.0], [0, 0, 1]),
        (mnp.nanmean, [1.0, np.nan], [1, 0]),
        (lambda x: mnp.nansum(x**2), [1.0, np.nan], [2, np.nan]),
        (lambda x: mnp.sum(mnp.log(x), where=x > 0), [0.0, 1.0], [np.nan, 1]),
        (lambda x: mnp.sum(mnp.unwrap(x)), [0.0, 4.0], [1, 1]),
    ],
)
def test_derivatives_at_ties_and_singular_points(f, x, slopes):
    np.testing.assert_allclose(mj.grad(f)(mnp.array(x)), slopes)


def test_the_slope_of_interp_at_a_place_is_that_of_the_piece_to_its_right():
    slope = mj.grad(lambda x: mnp.interp(x, mnp.array([0.0, 1.0, 2.0]), mnp.array([0.0, 1.0, 0.0])))(1.0)
    assert float(slope) == -1.0


def test_interp_outside_and_periodic():
    xp, fp = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 1.0])
    x = np.array([0.0, 1.5, 3.0, 9.0])
    with mj.enable_x64():
        np.testing.assert_allclose(mnp.interp(x, xp, fp, left=-1.0), np.interp(x, xp, fp, left=-1.0))
        np.testing.assert_allclose(mnp.interp(x, xp, fp, period=5.0), np.interp(x, xp, fp, period=5.0))
        np.testing.assert_allclose(mnp.interp(5.0, xp, fp, right="extrapolate"), -1.0)


def test_sizes_make_results_static_under_tracing():
    x = mnp.array([3, 0, 3, 1])

    def f(x):
        return (
            *mnp.nonzero(x, size=4, fill_value=9),
            mnp.unique(x, size=4, fill_value=-1),
            mnp.bincount(x, length=3),
            mnp.repeat(x, x, total_repeat_length=8),
        )

    expected = [[0, 2, 3, 9], [0, 1, 3, -1], [1, 1, 0], [3, 3, 3, 3, 3, 3, 1, 1]]
    for found, wanted in zip(mj.jit(f)(x), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    for found, wanted in zip(f(x), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_unique_of_traced_values_agrees_with_numpy():
    x = np.array([2.0, 1.0, 2.0, np.nan, 1.0, np.nan], np.float32)
    found = mj.jit(lambda x: mnp.unique(x, True, True, True, size=3))(x)
    for ours, theirs in zip(found, np.unique(x, True, True, True), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nonzero_without_size_says_what_to_do():
    with pytest.raises(
        mj.errors.ConcretizationTypeError, match=r"size argument of jnp\.nonzero must be statically specified"
    ):
        mj.vmap(lambda x: mnp.nonzero(x)[0])(mnp.ones((2, 3)))


def test_in_place_functions_refuse_and_offer_a_copy():
    x = mnp.zeros((2, 2))
    for call in (lambda **o: mnp.fill_diagonal(x, 5.0, **o), lambda **o: mnp.put(x, np.array([0, 3]), 5.0, **o)):
        with pytest.raises(ValueError, match="immutable"):
            call()
        np.testing.assert_array_equal(call(inplace=False), 5 * np.eye(2))
    np.testing.assert_array_equal(mnp.place(x, x == 0, mnp.arange(3.0), inplace=False), [[0, 1], [2, 0]])


def test_descending_sorts_keep_the_order_of_ties():
    x = mnp.array([1, 3, 3, 2])
    np.testing.assert_array_equal(mnp.sort(x, descending=True), [3, 3, 2, 1])
    np.testing.assert_array_equal(mnp.argsort(x, descending=True), [1, 2, 3, 0])


def test_rolls_and_padding_work_by_traced_amounts():
    x = mnp.arange(5)
    for by in (-7, -1, 0, 3):
        np.testing.assert_array_equal(
            mj.vmap(lambda k: mnp.roll(x, k))(mnp.array([by]))[0], np.roll(np.arange(5), by)
        )


def test_einsum_contracts_in_a_cheap_order():
    a, b, c = (mnp.ones(s) for s in ((2, 50), (50, 50), (50, 1)))
    sizes = [
        eqn.outvars[0].aval.size
        for eqn in mj.make_jaxpr(lambda *x: mnp.einsum("ij,jk,kl->il", *x))(a, b, c).jaxpr.eqns
    ]
    assert max(sizes) <= 100


def test_lists_with_traced_values_are_stacked():
    f = lambda x: mnp.array([[x, 2.0], [x * x, mnp.sin(x)]]).sum()
    assert float(mj.grad(f)(3.0)) == pytest.approx(1 + 6 + np.cos(3.0), rel=1e-6)
    with pytest.raises(ValueError, match="inhomogeneous"):
        mj.grad(lambda x: mnp.array([[x, x], [x]]).sum())(1.0)


def test_correlation_conjugates_the_second_vector():
    x, y = 1j * np.array([1.0, 2.0]), np.array([1j, 1.0, 3.0 - 1j])
    for a, b in ((x, y), (y, x)):
        for mode in ("full", "same", "valid"):
            np.testing.assert_allclose(mnp.correlate(a, b, mode), np.correlate(a, b, mode), rtol=1e-6)


def test_empty_and_scalar_arrays():
    assert mnp.argwhere(mnp.array(1)).shape == (1, 0)
    assert mnp.sum(mnp.zeros(0)) == 0 and mnp.prod(mnp.zeros(0)) == 1 and np.isnan(mnp.mean(mnp.zeros(0)))
    assert mnp.linspace(0, 1, 0).shape == (0,) and mnp.array([]).dtype == np.float32
    np.testing.assert_array_equal(mnp.arange(3, dtype=mnp.bfloat16).astype(float), [0, 1, 2])
    np.testing.assert_array_equal(mnp.arange(5, 0, -2), [5, 3, 1])


@pytest.mark.parametrize("name", LINEAR_AND_SMOOTH)
def test_compiled_and_mapped_results_agree(name):
    f, *arrays = LINEAR_AND_SMOOTH[name]
    with mj.enable_x64():
        wanted = np.asarray(f(mnp, *arrays))
        np.testing.assert_allclose(mj.jit(lambda *xs: f(mnp, *xs))(*arrays), wanted, rtol=1e-11, atol=1e-12)
        pairs = [np.stack([1.5 * x + 0.1, x]) for x in arrays]
        np.testing.assert_allclose(mj.vmap(lambda *xs: f(mnp, *xs))(*pairs)[1], wanted, rtol=1e-11, atol=1e-12)
