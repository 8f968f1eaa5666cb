"""Fourier transforms: NumPy's values, and transposes that are transposes."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
from minijax.primitives import p


def normal(seed, *shape, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def operand(fft_type, lengths, *batch, dtype=np.complex128):
    if fft_type == "rfft":
        return normal(0, *batch, *lengths, dtype=np.empty(0, dtype).real.dtype)
    if fft_type == "irfft":
        return normal(0, *batch, *lengths[:-1], lengths[-1] // 2 + 1, dtype=dtype)
    return normal(0, *batch, *lengths, dtype=dtype)


KINDS = pytest.mark.parametrize("fft_type", ["fft", "ifft", "rfft", "irfft"])
LENGTHS = pytest.mark.parametrize("lengths", [(6,), (5,), (1,), (2, 4), (3, 5), (2, 3, 4)])


@KINDS
@LENGTHS
def test_values_are_those_of_numpy(fft_type, lengths):
    with mj.enable_x64():
        x = operand(fft_type, lengths, 2)
        expected = getattr(np.fft, fft_type + "n")(x, s=lengths, axes=range(1, x.ndim))
        np.testing.assert_allclose(p.fft(x, fft_type=fft_type, fft_lengths=lengths), expected, atol=1e-12)


@KINDS
@LENGTHS
def test_transpose_is_the_transpose(fft_type, lengths):
    with mj.enable_x64():
        x = operand(fft_type, lengths, 2)

        def f(x):
            return p.fft(x, fft_type=fft_type, fft_lengths=lengths)

        out, pull = mj.vjp(f, x)
        tangent = np.asarray(mj.jvp(f, (x,), (2 * x,))[1])
        np.testing.assert_allclose(tangent, 2 * np.asarray(out), atol=1e-12)
        ct = normal(3, *out.shape, dtype=out.dtype)
        (back,) = pull(ct)
        assert back.dtype == x.dtype
        there = (ct * np.asarray(out)).sum().real
        np.testing.assert_allclose(there, (np.asarray(back) * x).sum().real, rtol=1e-10)


@KINDS
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_batching_equals_a_loop(fft_type, axis):
    x = operand(fft_type, (6,), 3, 2, dtype=np.complex64)

    def f(x):
        return p.fft(x, fft_type=fft_type, fft_lengths=(6,))

    found = mj.vmap(f, in_axes=axis)(np.moveaxis(x, 0, axis))
    np.testing.assert_allclose(found, np.stack([f(row) for row in x]), rtol=1e-5, atol=1e-5)


@KINDS
def test_single_precision_stays_single(fft_type):
    out = p.fft(operand(fft_type, (4,), dtype=np.complex64), fft_type=fft_type, fft_lengths=(4,))
    expected = np.float32 if fft_type == "irfft" else np.complex64
    assert out.dtype == expected
    assert np.asarray(out).dtype == expected


def test_wrong_operands_are_refused():
    with pytest.raises(TypeError, match="fft input must be complex64 or complex128"):
        p.fft(np.ones(4, np.float32), fft_type="fft", fft_lengths=(4,))
    with pytest.raises(ValueError, match="expects trailing axes"):
        p.fft(np.ones(4, np.float32), fft_type="rfft", fft_lengths=(5,))
    with pytest.raises(ValueError, match="fft_type must be one of"):
        p.fft(np.ones(4, np.float32), fft_type="dct", fft_lengths=(4,))
