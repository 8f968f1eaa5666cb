"""Operands: dtypes and weak types of results, scalars as literals, broadcasting, the errors users see."""

from __future__ import annotations

import enum

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp


def kind_of(x):
    return str(x.dtype), bool(x.weak_type)


@pytest.mark.parametrize(
    ("make", "dtype", "weak"),
    [
        (lambda: mnp.array(1.0), "float32", True),
        (lambda: mnp.asarray(1), "int32", True),
        (lambda: mnp.array([1.0]), "float32", False),
        (lambda: mnp.float32(1) + 1.0, "float32", False),
        (lambda: mnp.array(1, mnp.int32) + 1.0, "float32", True),
        (lambda: mnp.array(1, mnp.int32) / 2, "float32", False),
        (lambda: mnp.int8(1) + mnp.int32(1), "int32", False),
        (lambda: mnp.uint8(1) + mnp.int8(1), "int16", False),
        (lambda: mnp.uint32(1) + mnp.int32(1), "int32", False),
        (lambda: mnp.ones(2, mnp.bfloat16) + np.float32(1), "float32", False),
        (lambda: mnp.ones(2, mnp.bfloat16) * 2.0, "bfloat16", False),
        (lambda: mnp.ones(2) + np.float64(1), "float32", False),
        (lambda: np.float64(1) * mnp.ones(2), "float32", False),
        (lambda: mnp.bool_(True) + 1, "int32", True),
        (lambda: mnp.sum(mnp.ones(2, bool)), "int32", False),
        (lambda: mnp.sum(mnp.ones(2, mnp.uint8)), "uint32", False),
        (lambda: mnp.sum(mnp.full(2, 1.0)), "float32", False),
        (lambda: mnp.max(mnp.full(2, 1.0)), "float32", False),
        (lambda: mnp.full(2, 1.0), "float32", True),
        (lambda: mnp.zeros_like(1.0), "float32", True),
        (lambda: mnp.where(True, 1, 0.5), "float32", True),
        (lambda: mnp.sqrt(4), "float32", True),
        (lambda: mnp.power(2, 3), "int32", True),
        (lambda: mnp.mean(mnp.arange(3)), "float32", False),
        (lambda: mnp.array(1.0).astype(float), "float32", False),
        (lambda: mnp.float32(2) * 1j, "complex64", False),
        (lambda: mnp.arange(3) ** 2, "int32", False),
        (lambda: mnp.clip(mnp.arange(3), 0.5, 2), "float32", True),
    ],
)
def test_dtype_and_weak_type(make, dtype, weak):
    assert kind_of(make()) == (dtype, weak)


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda: mnp.array(1.0), "float64"),
        (lambda: mnp.float32(1) + 1.0, "float32"),
        (lambda: mnp.float32(1) + np.float64(1), "float64"),
        (lambda: mnp.int32(1) + 1.0, "float64"),
        (lambda: mnp.uint32(1) + mnp.int32(1), "int64"),
        (lambda: mnp.arange(3), "int64"),
        (lambda: mnp.array([1.0]) + mnp.float32(1), "float64"),
    ],
)
def test_dtype_with_x64(make, dtype):
    with mj.enable_x64():
        assert str(make().dtype) == dtype


def test_integers_wrap_around_in_narrow_types():
    assert int(mnp.array(1, mnp.int8) + 1000) == np.array(1001).astype(np.int8)
    assert int(mnp.int32(2**31 - 1) + 1) == -(2**31)


def test_integers_that_do_not_fit_raise():
    for make in (lambda: mnp.asarray(2**40), lambda: mnp.array([2**31]), lambda: mnp.int32(1) + 2**40):
        with pytest.raises(OverflowError, match="too large to convert to int32"):
            make()


def test_scalars_become_literals_and_are_not_broadcast():
    text = str(mj.make_jaxpr(lambda x: 1 - x * 2.0)(mnp.ones(3)))
    assert "mul a 2.0:f32[]" in text
    assert "sub 1.0:f32[] b" in text
    assert "broadcast" not in text


def test_the_two_zeros_are_different_literals():
    x = mnp.ones(2)
    for _ in range(2):
        assert not np.signbit(np.asarray(x * 0.0)).any()
        assert np.signbit(np.asarray(x * -0.0)).all()
        assert not np.signbit(np.asarray(x * 0)).any()


def test_true_is_not_mistaken_for_one():
    x = mnp.arange(3)
    assert str((x + 1).dtype) == str((x + True).dtype) == "int32"
    np.testing.assert_array_equal(x + True, [1, 2, 3])


def test_subclasses_of_int_are_numbers():
    color = enum.IntEnum("color", "RED GREEN")
    np.testing.assert_array_equal(mnp.arange(2) + color.GREEN, [2, 3])


def test_objects_with_jax_array_are_arrays():
    class Wrapped:
        def __jax_array__(self):
            return mnp.arange(3.0)

    np.testing.assert_array_equal(mnp.ones(3) + Wrapped(), [1, 2, 3])
    np.testing.assert_array_equal(mnp.sin(Wrapped()), np.sin(np.arange(3, dtype=np.float32)))


@pytest.mark.parametrize(
    "shapes", [((2, 1), (3,)), ((1, 3), (2, 3)), ((4, 1, 3), (2, 1)), ((3,), ()), ((1,), (3,)), ((0,), (1,))]
)
def test_shapes_broadcast_as_in_numpy(shapes):
    x, y = (np.arange(1.0, 1 + np.prod(s), dtype=np.float32).reshape(s) for s in shapes)
    np.testing.assert_allclose(mnp.subtract(x, y), x - y)
    np.testing.assert_allclose(mnp.where(x > y, x, y), np.maximum(x, y))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mnp.ones(3) + mnp.ones(4), TypeError, "add got incompatible shapes for broadcasting: (3,), (4,)."),
        (
            lambda: mnp.sum([1, 2, 3]),
            TypeError,
            "sum requires ndarray or scalar arguments, got <class 'list'> at position 0.",
        ),
        (
            lambda: mnp.sin([1.0]),
            TypeError,
            "sin requires ndarray or scalar arguments, got <class 'list'> at position 0.",
        ),
        (
            lambda: mnp.sin(None),
            TypeError,
            "sin requires ndarray or scalar arguments, got <class 'NoneType'> at position 0.",
        ),
        (
            lambda: mnp.add(1.0, "a"),
            TypeError,
            "add requires ndarray or scalar arguments, got <class 'str'> at position 1.",
        ),
        (
            lambda: mnp.ones((2, 3)) @ mnp.ones((2, 3)),
            TypeError,
            "contracting dimensions to have the same shape, got (3,) and (2,)",
        ),
        (
            lambda: mnp.reshape(mnp.ones(6), (4, -1)),
            TypeError,
            "cannot reshape array of shape (6,) (size 6) into shape (4, -1)",
        ),
        (lambda: mnp.concatenate(mnp.ones(3)), ValueError, "Zero-dimensional arrays cannot be concatenated."),
        (
            lambda: mnp.array(2) ** -1,
            TypeError,
            "Integers cannot be raised to negative powers, got integer_pow(~int32[], -1)",
        ),
        (lambda: mnp.power(mnp.array(2), mnp.array(-1)), TypeError, "Integers cannot be raised to negative powers"),
        (lambda: mnp.asarray([[1, 2], [3]]), ValueError, "setting an array element with a sequence"),
        (lambda: mnp.zeros((2.0,)), TypeError, "Shapes must be 1D sequences of concrete values of integer type"),
        (lambda: mnp.sum(mnp.ones(3), axis=1), ValueError, "axis 1 is out of bounds for array of dimension 1"),
        (lambda: mnp.max(mnp.zeros(0)), ValueError, "zero-size array to reduction operation max"),
        (lambda: mnp.array("a"), TypeError, "is not a valid JAX array type"),
        (lambda: mnp.sum(mnp.ones(2), out=1), NotImplementedError, "The 'out' argument"),
        (lambda: mnp.invert(mnp.ones(2)), TypeError, "does not accept dtype float32"),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_asking_for_sixty_four_bits_warns():
    with pytest.warns(UserWarning, match="Explicitly requested dtype float64 requested in ones is not available"):
        assert str(mnp.ones(2, mnp.float64).dtype) == "float32"


def test_rank_promotion_can_be_refused():
    with mj.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank_promotion='raise'"):
        mnp.ones((2, 3)) + mnp.ones(3)
    with mj.numpy_rank_promotion("raise"):
        mnp.ones((2, 3)) + 1.0


def test_strict_dtype_promotion_allows_scalars_only():
    with mj.numpy_dtype_promotion("strict"):
        assert str((mnp.ones(2) * 3.5).dtype) == "float32"
        with pytest.raises(TypeError, match="strict"):
            mnp.ones(2) + mnp.arange(2)


def test_scalar_types_are_callable_dtypes():
    assert kind_of(mnp.float32(1)) == ("float32", False)
    assert mnp.zeros(1, mnp.int8).dtype == mnp.int8 == np.int8
    assert np.dtype(mnp.bfloat16) == ml_dtypes.bfloat16
    assert mnp.issubdtype(mnp.float16, mnp.floating) and not mnp.issubdtype(mnp.int8, mnp.inexact)
    assert mnp.finfo(mnp.float32).eps == np.finfo(np.float32).eps
    assert isinstance(np.float32(1), mnp.float32)
