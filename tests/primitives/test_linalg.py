"""Linear algebra primitives: factors multiply back, derivatives agree with finite differences in both modes
and twice."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
from minijax.primitives import p

SYMMETRIC = {"lower": True, "sort_eigenvalues": True}
TRIANGLE = {
    "left_side": True,
    "lower": True,
    "transpose_a": False,
    "conjugate_a": False,
    "unit_diagonal": False,
}


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def normal(seed, *shape, dtype=float):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if dtype is complex else x


def positive_definite(seed, *batch, n=3, dtype=float):
    x = normal(seed, *batch, n, n, dtype=dtype)
    return x @ x.conj().swapaxes(-1, -2) + n * np.eye(n)


def dominant(seed, *batch, n=3, dtype=float):
    return normal(seed, *batch, n, n, dtype=dtype) + 3 * np.eye(n)


def modulus(x):
    """Squared moduli: the part of an eigenvector that its phase does not change."""
    return p.real(p.mul(x, p.conj(x))) if x.dtype.kind == "c" else p.mul(x, x)


def arrays(outs):
    return [np.asarray(x) for x in (outs if isinstance(outs, (list, tuple)) else [outs])]


def slopes(f, args, tangents, step=1e-6):
    """Central differences along `tangents`."""
    ahead = arrays(f(*(x + step * t for x, t in zip(args, tangents, strict=True))))
    behind = arrays(f(*(x - step * t for x, t in zip(args, tangents, strict=True))))
    return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]


def tangents_like(args, seed):
    return [normal(seed + i, *x.shape, dtype=complex if x.dtype.kind == "c" else float) for i, x in enumerate(args)]


def check_first_order(f, args, seed=100, tolerance=2e-6):
    tangents = tangents_like(args, seed)
    outs, found = mj.jvp(f, tuple(args), tuple(tangents))
    found = arrays(found)
    for a, b in zip(found, slopes(f, args, tangents), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    outs, pull = mj.vjp(f, *args)
    cts = tangents_like(arrays(outs), seed + 50)
    pulled = arrays(pull(type(outs)(cts) if isinstance(outs, (list, tuple)) else cts[0]))
    there = sum((ct * t).sum().real for ct, t in zip(cts, found, strict=True))
    back = sum((ct * t).sum().real for ct, t in zip(pulled, tangents, strict=True))
    np.testing.assert_allclose(there, back, rtol=1e-9, atol=1e-9)


def check(f, *args):
    """First derivatives of `f`, and of its directional derivative, forward and reverse."""
    check_first_order(f, args)
    tangents = tangents_like(args, 7)
    check_first_order(lambda *xs: mj.jvp(f, xs, tuple(tangents))[1], args, tolerance=2e-5)


DTYPES = pytest.mark.parametrize("dtype", [float, complex])
BATCHES = pytest.mark.parametrize("batch", [(), (2,)])


@DTYPES
@BATCHES
def test_cholesky_factor_multiplies_back(dtype, batch):
    a = positive_definite(0, *batch, dtype=dtype)
    factor = np.asarray(p.cholesky(a))
    np.testing.assert_allclose(factor @ factor.conj().swapaxes(-1, -2), a, rtol=1e-12)
    assert not np.triu(factor, 1).any()


@DTYPES
@BATCHES
def test_cholesky_derivatives(dtype, batch):
    check(p.cholesky, positive_definite(0, *batch, dtype=dtype))


def test_failed_cholesky_is_nan_for_that_matrix_alone():
    out = np.asarray(p.cholesky(np.stack([np.eye(2), -np.eye(2)])))
    np.testing.assert_array_equal(out[0], np.eye(2))
    assert np.isnan(out[1][np.tril_indices(2)]).all()


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3)])
@DTYPES
def test_lu_multiplies_back(shape, dtype):
    a = normal(1, *shape, dtype=dtype)
    lu, pivots, permutation = arrays(p.lu(a))
    m, n = shape[-2:]
    k = min(m, n)
    lower = np.tril(lu[..., :k], -1) + np.eye(m, k)
    upper = np.triu(lu[..., :k, :])
    np.testing.assert_allclose(lower @ upper, np.take_along_axis(a, permutation[..., None], -2), atol=1e-12)
    again = p.lu_pivots_to_permutation(pivots, permutation_size=m)
    np.testing.assert_array_equal(again, permutation)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3)])
@DTYPES
def test_lu_derivatives(shape, dtype):
    check(lambda a: p.lu(a)[0], normal(1, *shape, dtype=dtype))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3)])
@DTYPES
def test_qr_multiplies_back_and_differentiates(shape, dtype):
    a = normal(2, *shape, dtype=dtype)
    q, r = arrays(p.qr(a, full_matrices=False))
    np.testing.assert_allclose(q @ r, a, atol=1e-12)
    check(lambda a: p.qr(a, full_matrices=False), a)


@pytest.mark.parametrize("shape", [(3, 2), (4, 1), (2, 4, 2), (3, 3), (2, 3), (3, 0)])
@DTYPES
def test_complete_qr_multiplies_back_and_differentiates(shape, dtype):
    a = normal(12, *shape, dtype=dtype)
    q, r = arrays(p.qr(a, full_matrices=True))
    assert q.shape[-2:] == (shape[-2], shape[-2])
    np.testing.assert_allclose(q @ r, a, atol=1e-12)
    check(lambda a: p.qr(a, full_matrices=True), a)


@DTYPES
def test_householder_product_is_the_q_of_qr(dtype):
    from scipy.linalg import lapack

    a = normal(3, 4, 3, dtype=dtype)
    reflectors, taus, *_ = (lapack.zgeqrf if dtype is complex else lapack.dgeqrf)(a)
    q = np.asarray(p.householder_product(np.ascontiguousarray(reflectors), taus))
    np.testing.assert_allclose(np.abs(q), np.abs(np.linalg.qr(a)[0]), atol=1e-12)


@DTYPES
@BATCHES
@pytest.mark.parametrize("lower", [True, False])
def test_eigh_diagonalises_and_differentiates(dtype, batch, lower):
    a = positive_definite(4, *batch, dtype=dtype)
    v, w = arrays(p.eigh(a, lower=lower, sort_eigenvalues=True))
    np.testing.assert_allclose(v * w[..., None, :] @ v.conj().swapaxes(-1, -2), a, atol=1e-10)
    assert (np.diff(w) >= 0).all()

    def phase_free(a):
        v, w = p.eigh(a, lower=lower, sort_eigenvalues=True)
        return (w, modulus(v)) if dtype is complex else (w, v)

    check(phase_free, a)


def test_eigh_reads_one_triangle():
    a = normal(5, 3, 3)
    for lower in (True, False):
        filled = np.tril(a) + np.tril(a, -1).T if lower else np.triu(a) + np.triu(a, 1).T
        w = p.eigh(a, lower=lower, sort_eigenvalues=True)[1]
        np.testing.assert_allclose(w, np.linalg.eigvalsh(filled), atol=1e-12)


def test_equal_eigenvalues_have_derivatives_but_their_vectors_do_not():
    (dv, dw) = mj.jvp(lambda a: p.eigh(a, **SYMMETRIC), (np.eye(2),), (np.diag([1.0, 2.0]),))[1]
    assert np.isnan(dv).any()
    np.testing.assert_allclose(np.sort(dw), [1, 2])


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
@DTYPES
def test_svd_multiplies_back_and_differentiates(shape, dtype):
    a = normal(6, *shape, dtype=dtype)
    s, u, vh = arrays(p.svd(a, full_matrices=False, compute_uv=True))
    np.testing.assert_allclose(u * s[..., None, :] @ vh, a, atol=1e-12)

    def low_rank(a):
        s, u, vh = p.svd(a, full_matrices=False, compute_uv=True)
        # Independent of the phases of the vectors: the moduli, and u_i v_i^H for the first i.
        front = (0,) * (u.ndim - 2)
        u0 = p.slice(u, start_indices=(*front, 0, 0), limit_indices=(*u.shape[:-1], 1), strides=None)
        v0 = p.slice(vh, start_indices=(*front, 0, 0), limit_indices=(*vh.shape[:-2], 1, vh.shape[-1]), strides=None)
        dims = (((u.ndim - 1,), (u.ndim - 2,)), (tuple(range(u.ndim - 2)),) * 2)
        return (
            s,
            modulus(u),
            modulus(vh),
            p.dot_general(u0, v0, dimension_numbers=dims, precision=None, preferred_element_type=None),
        )

    check(low_rank, a)


@DTYPES
def test_singular_values_alone_have_the_same_derivative(dtype):
    check(lambda a: p.svd(a, full_matrices=True, compute_uv=False)[0], normal(6, 3, 4, dtype=dtype))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
def test_full_svd_of_a_matrix_that_is_not_square_has_no_derivative(shape):
    f = lambda a: mj.numpy.linalg.svd(a, full_matrices=True)[0].sum()
    with pytest.raises(NotImplementedError) as caught:
        mj.grad(f)(np.ones(shape))
    first, why, rewrite = str(caught.value).split("\n")
    assert first.startswith("Singular value decomposition JVP not implemented for full matrices")
    assert f"shape {shape}" in first
    assert "not a function of the matrix" in why
    assert "full_matrices=False" in rewrite
    check(lambda a: p.svd(a, full_matrices=True, compute_uv=True)[1], normal(6, 3, 3))


@DTYPES
@BATCHES
def test_eig_satisfies_its_equations(dtype, batch):
    a = dominant(7, *batch, dtype=dtype)
    w, left, right = arrays(p.eig(a, compute_left_eigenvectors=True, compute_right_eigenvectors=True))
    np.testing.assert_allclose(a @ right, right * w[..., None, :], atol=1e-10)
    adjoint = a.conj().swapaxes(-1, -2)
    np.testing.assert_allclose(adjoint @ left, left * w.conj()[..., None, :], atol=1e-10)


@pytest.mark.parametrize("left", [True, False])
@DTYPES
def test_eig_derivatives(dtype, left):
    def phase_free(a):
        w, v = p.eig(a, compute_left_eigenvectors=left, compute_right_eigenvectors=not left)
        return w, modulus(v)

    check(phase_free, dominant(7, dtype=dtype))


@pytest.mark.parametrize("left_side", [True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transpose_a", [True, False])
@pytest.mark.parametrize("unit_diagonal", [True, False])
@DTYPES
def test_triangular_solve_solves_and_differentiates(left_side, lower, transpose_a, unit_diagonal, dtype):
    options = {
        "left_side": left_side,
        "lower": lower,
        "transpose_a": transpose_a,
        "conjugate_a": dtype is complex,
        "unit_diagonal": unit_diagonal,
    }
    a = dominant(8, 2, dtype=dtype)
    b = normal(9, 2, 3, 2, dtype=dtype) if left_side else normal(9, 2, 2, 3, dtype=dtype)
    x = np.asarray(p.triangular_solve(a, b, **options))
    t = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        t = t * (1 - np.eye(3)) + np.eye(3)
    t = t.swapaxes(-1, -2) if transpose_a else t
    t = t.conj()
    np.testing.assert_allclose(t @ x if left_side else x @ t, b, atol=1e-12)
    check(lambda a, b: p.triangular_solve(a, b, **options), a, b)


def _solve(a, b, transpose_a=False):
    factors, pivots = p.lu_factors(a)
    return p.solve(a, factors, pivots, b, transpose_a=transpose_a)


@pytest.mark.parametrize("transpose_a", [True, False])
@DTYPES
@BATCHES
def test_solve_solves_and_differentiates(transpose_a, dtype, batch):
    a, b = dominant(10, *batch, dtype=dtype), normal(11, *batch, 3, 2, dtype=dtype)
    x = np.asarray(_solve(a, b, transpose_a))
    np.testing.assert_allclose((a.swapaxes(-1, -2) if transpose_a else a) @ x, b, atol=1e-12)
    check(lambda a, b: _solve(a, b, transpose_a), a, b)


@DTYPES
@BATCHES
def test_inverse_differentiates(dtype, batch):
    a = dominant(12, *batch, dtype=dtype)
    np.testing.assert_allclose(p.inv(a), np.linalg.inv(a), atol=1e-12)
    check(p.inv, a)


def test_inverse_of_a_singular_matrix_is_not_finite_and_does_not_spoil_its_neighbours():
    out = np.asarray(p.inv(np.stack([np.zeros((2, 2)), 2 * np.eye(2)])))
    assert not np.isfinite(out[0]).any()
    np.testing.assert_array_equal(out[1], np.eye(2) / 2)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (3, 3), (2, 3, 2)])
@DTYPES
def test_pseudo_inverse_differentiates(shape, dtype):
    a = normal(13, *shape, dtype=dtype)
    rtol = np.full(shape[:-2], 1e-10)
    np.testing.assert_allclose(p.pinv(a, rtol, hermitian=False), np.linalg.pinv(a), atol=1e-10)
    check(lambda a: p.pinv(a, rtol, hermitian=False), a)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@DTYPES
def test_determinants_differentiate(n, dtype):
    a = normal(14, n, n, dtype=dtype)
    np.testing.assert_allclose(p.det(a), np.linalg.det(a), rtol=1e-12)
    check(p.det, a)
    check(p.det, np.stack([a, 2 * a]))
    check(lambda a: p.slogdet(a)[1], a)
    if dtype is complex:
        check(lambda a: p.slogdet(a)[0], a)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_gradient_of_a_singular_determinant_is_the_cofactors(n):
    a = np.diag([0.0] + [2.0] * (n - 1))
    expected = np.zeros((n, n))
    expected[0, 0] = 2.0 ** (n - 1)
    np.testing.assert_allclose(mj.grad(p.det)(a), expected, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3])
def test_second_derivative_of_a_small_singular_determinant_is_finite(n):
    check(p.det, np.zeros((n, n)))


@pytest.mark.parametrize(
    "f",
    [
        p.cholesky,
        p.inv,
        p.det,
        lambda a: p.lu(a),
        lambda a: p.qr(a, full_matrices=False),
        lambda a: p.eigh(a, **SYMMETRIC),
        lambda a: p.svd(a, full_matrices=False, compute_uv=True),
        lambda a: p.slogdet(a),
        lambda a: p.cofactor(a),
        lambda a: _solve(a, a),
        lambda a: p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=True),
    ],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_batching_equals_a_loop(f, axis):
    a = positive_definite(15, 4)
    batched = arrays(mj.vmap(f, in_axes=axis)(np.moveaxis(a, 0, axis)))
    looped = zip(*(arrays(f(x)) for x in a), strict=True)
    for found, expected in zip(batched, looped, strict=True):
        np.testing.assert_allclose(found, np.stack(expected), atol=1e-10)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None), (None, 1), (None, 2)])
@pytest.mark.parametrize("left_side", [True, False])
def test_batched_solves_equal_a_loop(axes, left_side):
    a = dominant(16, 4) if axes[0] is not None else dominant(16)
    b = normal(17, 4, 3, 3) if axes[1] is not None else normal(17, 3, 3)
    moved = b if axes[1] is None else np.moveaxis(b, 0, axes[1])
    options = TRIANGLE | {"left_side": left_side}
    for f in (lambda a, b: p.triangular_solve(a, b, **options), _solve):
        found = mj.vmap(f, in_axes=axes)(a, moved)
        for i in range(4):
            x, y = (a if axes[0] is None else a[i]), (b if axes[1] is None else b[i])
            np.testing.assert_allclose(np.asarray(found)[i], f(x, y), atol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: p.svd(a, full_matrices=False, compute_uv=True),
        lambda a: p.eigh(a, **SYMMETRIC),
        lambda a: p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=True),
        lambda a: p.qr(a, full_matrices=False),
        lambda a: [p.inv(a), p.cholesky(a)],
    ],
)
def test_nan_gives_nan_and_leaves_the_rest_of_the_batch_alone(f):
    a = np.stack([np.full((2, 2), np.nan), np.diag([2.0, 1.0])])
    for out in arrays(f(a)):
        assert np.isnan(out[0]).any()
        assert np.isfinite(out[1]).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.int32])
def test_lapack_dtypes_only(dtype):
    a = np.eye(2).astype(dtype)
    for name, params in [
        ("cholesky", {}),
        ("lu", {}),
        ("inv", {}),
        ("det", {}),
        ("eigh", SYMMETRIC),
        ("qr", {"full_matrices": False}),
        ("svd", {"full_matrices": False, "compute_uv": True}),
    ]:
        with pytest.raises(TypeError, match="does not accept dtype"):
            getattr(p, name)(a, **params)


def test_shapes_are_checked():
    with pytest.raises(TypeError, match="rank at least 2"):
        p.svd(np.ones(3), full_matrices=False, compute_uv=True)
    with pytest.raises(ValueError, match=r"shape \[..., n, n\]"):
        p.inv(np.ones((2, 3)))
    with pytest.raises(TypeError, match="same batch axes"):
        p.triangular_solve(np.ones((2, 3, 3)), np.ones((3, 3)), **TRIANGLE)


def test_single_precision_stays_single():
    a = positive_definite(18).astype(np.float32)
    for out in (p.cholesky(a), p.inv(a), p.det(a), *p.svd(a, full_matrices=False, compute_uv=True), *p.lu(a)[:1]):
        assert out.dtype == np.float32
        assert np.asarray(out).dtype == np.float32
    for out in p.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=True):
        assert np.asarray(out).dtype == np.complex64


@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2)])
def test_empty_matrices(shape):
    a = np.ones(shape)
    assert p.inv(a).shape == shape
    assert p.cholesky(a).shape == shape
    assert p.lu(a)[0].shape == shape
    np.testing.assert_array_equal(p.det(a), np.ones(shape[:-2]))
    assert p.svd(a, full_matrices=False, compute_uv=False)[0].shape == shape[:-1]
