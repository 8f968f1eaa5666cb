"""minijax.numpy.linalg: NumPy's values, JAX's conventions at singular points, gradients."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp


def normal(seed, *shape, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def positive(seed, n, dtype=np.float32):
    x = normal(seed, n, n, dtype=dtype)
    return (x @ x.conj().T + n * np.eye(n)).astype(dtype)


def close(found, expected, tolerance=2e-4):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, 0.5, -1, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms(ord, dtype, keepdims):
    x = normal(0, 3, 4, dtype=dtype)
    expected = np.linalg.norm(x, ord, axis=1, keepdims=keepdims)
    close(mnp.linalg.norm(x, ord, axis=1, keepdims=keepdims), expected)
    if ord is not None:
        close(mnp.linalg.vector_norm(x, ord=ord, axis=1, keepdims=keepdims), expected)
        close(mnp.linalg.vector_norm(x, ord=ord), np.linalg.norm(x.ravel(), ord))


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [(0, 1), (-1, 0), (2, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms(ord, axis, keepdims):
    x = normal(1, 3, 4, 3)
    close(mnp.linalg.norm(x, ord, axis, keepdims), np.linalg.norm(x, ord, axis, keepdims))
    if ord is not None:
        close(mnp.linalg.matrix_norm(x, ord=ord, keepdims=keepdims), np.linalg.norm(x, ord, (-2, -1), keepdims))


def test_norm_errors():
    with pytest.raises(ValueError, match="Improper number of axes for norm"):
        mnp.linalg.norm(np.ones((2, 2, 2)), ord=2)
    with pytest.raises(ValueError, match="Invalid order 'fro' for vector norm"):
        mnp.linalg.norm(np.ones(3), ord="fro")
    with pytest.raises(ValueError, match="Invalid order '3' for matrix norm"):
        mnp.linalg.norm(np.ones((2, 2)), ord=3)


def test_gradients_of_norms_at_zero_are_nan_for_roots():
    assert np.isnan(mj.grad(mnp.linalg.norm)(np.zeros(3, np.float32))).all()


def test_gradient_of_the_spectral_norm_shares_between_equal_values():
    close(mj.grad(lambda x: mnp.linalg.norm(x, ord=2))(np.eye(2, dtype=np.float32)), np.eye(2) / 2)


NAN = np.full((2, 2), np.nan)


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [  # measured on JAX 0.10
        (mnp.linalg.det, np.zeros((2, 2)), np.zeros((2, 2))),
        (lambda x: mnp.linalg.slogdet(x)[1], np.zeros((2, 2)), NAN),
        (lambda x: mnp.sum(mnp.linalg.eigh(x)[1]), np.eye(2), NAN),
        (lambda x: mnp.sum(mnp.linalg.eigh(x)[0]), np.eye(2), np.eye(2)),
        (lambda x: mnp.sum(mnp.linalg.svd(x)[0]), np.eye(2), NAN),
        (lambda x: mnp.sum(mnp.linalg.svd(x, compute_uv=False)), np.eye(2), np.eye(2)),
        (lambda x: mnp.sum(mnp.linalg.inv(x)), np.zeros((2, 2)), NAN),
        (lambda x: mnp.sum(mnp.linalg.cholesky(x)), np.zeros((2, 2)), NAN),
        (lambda x: mnp.sum(mnp.linalg.qr(x)[0]), np.zeros((2, 2)), NAN),
        (lambda x: mnp.sum(mnp.linalg.pinv(x)), np.zeros((2, 2)), np.zeros((2, 2))),
        (mnp.linalg.norm, np.zeros((2, 2)), NAN),
    ],
)
def test_gradients_at_singular_points(f, at, expected):
    np.testing.assert_array_equal(mj.grad(f)(at.astype(np.float32)), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_decompositions_multiply_back(dtype):
    a = positive(2, 3, dtype)
    factor = np.asarray(mnp.linalg.cholesky(a))
    close(factor @ factor.conj().T, a, 1e-3)
    close(mnp.linalg.cholesky(a, upper=True), factor.conj().T)
    w, v = mnp.linalg.eigh(a)
    close(np.asarray(v) * np.asarray(w) @ np.asarray(v).conj().T, a, 1e-3)
    close(mnp.linalg.eigvalsh(a), w)
    b = normal(3, 3, 2, dtype=dtype)
    for full in (True, False):
        u, s, vh = (np.asarray(x) for x in mnp.linalg.svd(b, full_matrices=full))
        close(u[:, :2] * s @ vh, b)
        assert u.shape == ((3, 3) if full else (3, 2))
    close(mnp.linalg.svdvals(b), s)
    for mode, columns in (("reduced", 2), ("complete", 3)):
        q, r = (np.asarray(x) for x in mnp.linalg.qr(b, mode=mode))
        close(q @ r, b)
        assert q.shape == (3, columns)
    close(mnp.linalg.qr(b, mode="r"), np.linalg.qr(b, mode="r"))


def test_results_are_named():
    a = np.diag([2.0, 1.0]).astype(np.float32)
    close(mnp.linalg.svd(a).S, [2, 1])
    close(mnp.linalg.eigh(a).eigenvalues, [1, 2])
    close(mnp.linalg.eig(a).eigenvalues, [2, 1])
    close(mnp.linalg.slogdet(a).logabsdet, np.log(2))
    assert mnp.linalg.qr(a).Q.shape == (2, 2)


def test_hermitian_svd_agrees_with_the_general_one():
    a = positive(4, 3) - 4 * np.eye(3, dtype=np.float32)
    u, s, vh = (np.asarray(x) for x in mnp.linalg.svd(a, hermitian=True))
    close(u * s @ vh, a, 1e-3)
    close(s, np.linalg.svd(a, compute_uv=False), 1e-3)
    close(mnp.linalg.svd(a, hermitian=True, compute_uv=False), s)


def test_subset_of_singular_values():
    a = normal(5, 4, 3)
    u, s, vh = mnp.linalg.svd(a, full_matrices=False, subset_by_index=(0, 2))
    assert (u.shape, s.shape, vh.shape) == ((4, 2), (2,), (2, 3))


def test_eig_and_eigvals_agree_with_numpy():
    a = normal(6, 3, 3)
    close(np.sort_complex(np.asarray(mnp.linalg.eigvals(a))), np.sort_complex(np.linalg.eigvals(a)))
    w, v = (np.asarray(x) for x in mnp.linalg.eig(a))
    close(a @ v, v * w, 1e-3)


def test_integers_become_floats():
    a = np.array([[2, 0], [0, 4]])
    for out in (mnp.linalg.inv(a), mnp.linalg.det(a), mnp.linalg.norm(a), mnp.linalg.cholesky(a)):
        assert out.dtype == np.float32
    close(mnp.linalg.det(a), 8)


def test_half_precision_is_refused():
    a = mnp.eye(2, dtype=mnp.bfloat16)
    for f in (mnp.linalg.svd, mnp.linalg.inv, mnp.linalg.cholesky, mnp.linalg.eigh, mnp.linalg.qr):
        with pytest.raises(TypeError, match="does not accept dtype bfloat16"):
            f(a)


@pytest.mark.parametrize(("a", "b"), [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((3, 3), (2, 3, 2)),
                                      ((2, 1, 3, 3), (4, 3, 2)), ((2, 3, 3), (3,))])  # fmt: skip
def test_solve_broadcasts(a, b):
    a, b = normal(7, *a) + 3 * np.eye(3, dtype=np.float32), normal(8, *b)
    x = np.asarray(mnp.linalg.solve(a, b))
    if b.ndim == 1:
        close(np.einsum("...ij,...j->...i", a, x), np.broadcast_to(b, x.shape), 1e-3)
    else:
        close(a @ x, np.broadcast_to(b, x.shape), 1e-3)


def test_solve_of_a_singular_system_is_not_finite():
    assert not np.isfinite(mnp.linalg.solve(np.zeros((2, 2), np.float32), np.ones(2, np.float32))).any()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="inconsistent size"):
        mnp.linalg.solve(np.eye(2), np.ones(3))
    with pytest.raises(ValueError, match=r"Argument to inv must have shape \[..., n, n\], got \(2, 3\)"):
        mnp.linalg.inv(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"must have shape \[..., n, n\]"):
        mnp.linalg.det(np.ones((2, 3)))


def test_gradient_of_solve_is_the_adjoint_solution():
    a, b = normal(9, 3, 3) + 3 * np.eye(3, dtype=np.float32), normal(10, 3)
    grad_a, grad_b = mj.grad(lambda a, b: mnp.sum(mnp.linalg.solve(a, b)), (0, 1))(a, b)
    adjoint = np.linalg.solve(a.T, np.ones(3))
    close(grad_b, adjoint)
    close(grad_a, -np.outer(adjoint, np.linalg.solve(a, b)))


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("vector", [True, False])
def test_least_squares(shape, vector):
    a, b = normal(11, *shape), normal(12, shape[0]) if vector else normal(12, shape[0], 2)
    expected, _, rank, s = np.linalg.lstsq(a, b, rcond=None)
    x, residuals, found_rank, found_s = mnp.linalg.lstsq(a, b)
    close(x, expected, 1e-3)
    close(found_s, s)
    assert int(found_rank) == rank
    np.testing.assert_allclose(residuals, np.atleast_1d(((b - a @ expected) ** 2).sum(0)), atol=1e-3)


def test_least_squares_of_a_deficient_matrix_takes_the_shortest():
    a = np.ones((3, 2), np.float32)
    close(mnp.linalg.lstsq(a, np.ones(3, np.float32))[0], [0.5, 0.5])


def test_pinv_satisfies_penrose():
    a = normal(13, 4, 2)
    inverse = np.asarray(mnp.linalg.pinv(a))
    close(a @ inverse @ a, a)
    close(inverse @ a @ inverse, inverse)
    close(mnp.linalg.pinv(np.zeros((2, 3))), np.zeros((3, 2)))
    close(mnp.linalg.pinv(np.diag([1.0, 1e-3]).astype(np.float32), rtol=0.1), np.diag([1.0, 0.0]))


def test_rank_power_cond():
    assert int(mnp.linalg.matrix_rank(np.ones((3, 3), np.float32))) == 1
    assert int(mnp.linalg.matrix_rank(np.eye(3, dtype=np.float32))) == 3
    assert int(mnp.linalg.matrix_rank(np.zeros(3, np.float32))) == 0
    a = normal(14, 3, 3)
    for n in (0, 1, 2, 3, 5, -2):
        close(mnp.linalg.matrix_power(a, n), np.linalg.matrix_power(a, n), 5e-3)
    with pytest.raises(TypeError, match="exponent must be an integer"):
        mnp.linalg.matrix_power(a, 1.5)
    for ord in (None, 2, -2, 1, "fro", np.inf):
        close(mnp.linalg.cond(a, ord), np.linalg.cond(a, ord), 1e-3)
    assert np.isinf(mnp.linalg.cond(np.zeros((2, 2), np.float32)))


def test_multi_dot_takes_any_order_to_the_same_product():
    xs = [normal(i, *shape) for i, shape in enumerate([(2, 7), (7, 3), (3, 5), (5, 2)])]
    close(mnp.linalg.multi_dot(xs), np.linalg.multi_dot(xs), 1e-3)
    close(mnp.linalg.multi_dot([xs[0][0], *xs[1:]]), np.linalg.multi_dot([xs[0][0], *xs[1:]]), 1e-3)
    close(mnp.linalg.multi_dot([xs[0][0], xs[1], xs[2][:, 0]]), xs[0][0] @ xs[1] @ xs[2][:, 0], 1e-3)
    with pytest.raises(ValueError, match="at least two arrays"):
        mnp.linalg.multi_dot(xs[:1])


def test_tensor_inverse_and_solution():
    a = normal(15, 6, 2, 3)
    close(mnp.linalg.tensorinv(a, ind=1), np.linalg.tensorinv(a, ind=1), 1e-2)
    b = normal(16, 6)
    close(mnp.linalg.tensorsolve(a, b), np.linalg.tensorsolve(a, b), 1e-2)


def test_products_and_diagonals():
    x, y = normal(17, 2, 3), normal(18, 2, 3)
    close(mnp.linalg.cross(x, y), np.cross(x, y))
    close(mnp.linalg.vecdot(x, y), (x * y).sum(-1))
    close(mnp.linalg.outer(x[0], y[0]), np.outer(x[0], y[0]))
    close(mnp.linalg.matmul(x, y.T), x @ y.T)
    close(mnp.linalg.tensordot(x, y, axes=2), np.tensordot(x, y, 2))
    close(mnp.linalg.matrix_transpose(x), x.T)
    z = normal(19, 2, 3, 4)
    for offset in (-2, -1, 0, 1, 3, 5):
        close(mnp.linalg.diagonal(z, offset=offset), np.linalg.diagonal(z, offset=offset))
        close(mnp.linalg.trace(z, offset=offset), np.linalg.trace(z, offset=offset))


def test_linear_algebra_under_jit_and_vmap():
    a = np.stack([positive(i, 3) for i in range(4)])

    def f(a):
        return mnp.linalg.slogdet(a)[1] + mnp.sum(mnp.linalg.inv(a)) + mnp.linalg.norm(mnp.linalg.cholesky(a))

    one_by_one = np.stack([f(x) for x in a])
    close(mj.vmap(f)(a), one_by_one)
    close(mj.jit(mj.vmap(f))(a), one_by_one)
    gradients = np.stack([mj.grad(f)(x) for x in a])
    close(mj.vmap(mj.grad(f))(a), gradients)


def test_rank_of_an_empty_vector_is_zero_and_of_a_hermitian_matrix_is_by_its_eigenvalues():
    assert int(mnp.linalg.matrix_rank(mnp.zeros((0,)))) == 0
    assert int(mnp.linalg.matrix_rank(mnp.array([[1.0, 1.0], [1.0, 1.0]]), hermitian=True)) == 1


def test_matrix_norm_of_a_scalar_is_an_error():
    with pytest.raises(ValueError, match="axis -2 is out of bounds for array of dimension 0"):
        mnp.linalg.matrix_norm(1.0)
