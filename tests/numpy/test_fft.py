"""minijax.numpy.fft: NumPy's values for every length, axis and normalisation; gradients by Parseval."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp


def normal(seed, *shape, complex_=True):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape)).astype(np.complex64) if complex_ else x.astype(np.float32)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    assert found.dtype.itemsize <= 8  # single precision


REAL_INPUT = ("rfft", "ihfft", "rfft2", "rfftn")


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("n", [None, 1, 3, 4, 9])
@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_one_axis(name, n, axis, norm):
    x = normal(0, 5, 4, complex_=name not in REAL_INPUT)
    close(getattr(mnp.fft, name)(x, n, axis, norm), getattr(np.fft, name)(x, n, axis, norm))


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize(("s", "axes"), [(None, (-2, -1)), ((3, 6), (-2, -1)), (None, (1, 0)), ((5, 2), (0, 2))])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_several_axes(name, s, axes, norm):
    x = normal(1, 3, 4, 5, complex_=name not in REAL_INPUT)
    close(getattr(mnp.fft, name)(x, s, axes, norm), getattr(np.fft, name)(x, s, axes, norm))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_all_axes_by_default(name):
    x = normal(2, 2, 3, 4, complex_=name not in REAL_INPUT)
    close(getattr(mnp.fft, name)(x), getattr(np.fft, name)(x))


def test_integers_and_half_precision_are_transformed_in_single():
    close(mnp.fft.fft(np.arange(4)), np.fft.fft(np.arange(4)))
    close(mnp.fft.fft(np.ones(4, np.float16)), [4, 0, 0, 0])


@pytest.mark.parametrize("n", [1, 4, 5])
@pytest.mark.parametrize("d", [1.0, 0.5])
def test_frequencies(n, d):
    close(mnp.fft.fftfreq(n, d), np.fft.fftfreq(n, d))
    close(mnp.fft.rfftfreq(n, d), np.fft.rfftfreq(n, d))


@pytest.mark.parametrize("axes", [None, 0, (1,), (0, 1)])
def test_shifts(axes):
    x = np.arange(20).reshape(4, 5)
    np.testing.assert_array_equal(mnp.fft.fftshift(x, axes), np.fft.fftshift(x, axes))
    np.testing.assert_array_equal(mnp.fft.ifftshift(x, axes), np.fft.ifftshift(x, axes))


def test_errors():
    with pytest.raises(ValueError, match="only real valued inputs supported for rfft"):
        mnp.fft.rfft(normal(3, 4))
    with pytest.raises(ValueError, match="Shape should be positive"):
        mnp.fft.fft(np.ones(4), n=0)
    with pytest.raises(ValueError, match="Invalid norm value x"):
        mnp.fft.fft(np.ones(4), norm="x")
    with pytest.raises(ValueError, match="axis -2 is out of bounds"):
        mnp.fft.fft2(np.ones(4))
    with pytest.raises(ValueError, match="repeated axes"):
        mnp.fft.fftn(np.ones((2, 2)), axes=(0, 0))


@pytest.mark.parametrize("n", [3, 6, 8])
def test_gradient_of_the_energy_of_a_spectrum_is_parsevals(n):
    """sum |fft(x)|^2 = n sum |x|^2, x padded or cropped to n."""
    x = normal(4, 6, complex_=False)
    expected = np.zeros(6)
    expected[:n] = 2 * n * x[:n]
    energy = mj.grad(lambda x: mnp.sum(mnp.abs(mnp.fft.fft(x, n)) ** 2))(x)
    np.testing.assert_allclose(energy, expected, rtol=1e-4, atol=1e-4)


def test_round_trip_differentiates_to_the_identity():
    x = normal(5, 7, complex_=False)
    jacobian = mj.jacrev(lambda x: mnp.fft.irfft(mnp.fft.rfft(x), 7))(x)
    np.testing.assert_allclose(jacobian, np.eye(7), atol=1e-5)
    np.testing.assert_allclose(mj.jacfwd(lambda x: mnp.fft.irfft(mnp.fft.rfft(x), 7))(x), np.eye(7), atol=1e-5)


def test_empty_arrays_have_empty_transforms():
    empty = np.zeros((2, 0), np.float32)
    assert mnp.fft.fft(empty).shape == (2, 0) and mnp.fft.fft(empty).dtype == np.complex64
    assert mnp.fft.irfft(empty).shape == (2, 0) and mnp.fft.irfft(empty).dtype == np.float32
    with pytest.raises(ValueError, match="Shape should be positive"):
        mnp.fft.fft(np.ones(3, np.float32), n=0)


def test_one_dimensional_transforms_take_one_axis():
    with pytest.raises(ValueError, match="does not support multiple axes"):
        mnp.fft.fft(np.ones((2, 2), np.float32), axis=(0, 1))
