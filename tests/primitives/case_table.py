"""One row per primitive and kind of use: operands and params at which every rule of the primitive is checked.

Operands are NumPy arrays in double precision; integers and booleans are not differentiated. Points keep a distance from kinks
and poles, where finite differences say nothing: these have tests of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minijax.primitives._index_maps import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from minijax.primitives.convolution import ConvDimensionNumbers


class Case(NamedTuple):
    primitive: str
    operands: tuple[Any, ...]
    params: dict[str, Any]
    second_order: bool = True
    only: tuple[int, ...] | None = None  # operands to differentiate (default: all inexact ones)
    tolerance: float = 1e-6


_rng = np.random.default_rng(7)
INT, BOOL, F64 = np.dtype(np.int32), np.dtype(bool), np.dtype(np.float64)


def real(*shape: int, low: float = 0.3, high: float = 0.9) -> np.ndarray:
    """Distinct values in (low, high), in random order."""
    size = int(np.prod(shape))
    return _rng.permutation(np.linspace(low, high, size)).reshape(shape)


def signed(*shape: int) -> np.ndarray:
    return real(*shape, low=-1.3, high=1.2)


def comp(*shape: int) -> np.ndarray:
    return signed(*shape) + 1j * real(*shape)


def spd(n: int) -> np.ndarray:
    a = signed(n, n)
    return a @ a.T + n * np.eye(n)


def ints(*values: Any) -> np.ndarray:
    return np.array(values, INT)


def unary(names: str, *operands: np.ndarray, **options: Any) -> list[Case]:
    return [Case(name, (x,), {}, **options) for name in names.split() for x in operands]


def pair(names: str, x: Any, y: Any, **options: Any) -> list[Case]:
    """Equal shapes, and a scalar on either side."""
    scalars = [(x, y), (x, y.reshape(-1)[0]), (x.reshape(-1)[0], y)]
    return [Case(name, (a, b), {}, **options) for name in names.split() for a, b in scalars]


CASES: list[Case] = [
    *unary("sin cos tan asin acos atan sinh cosh tanh asinh atanh exp exp2 expm1", signed(3, 2) * 0.6),
    *unary("log log1p sqrt rsqrt cbrt lgamma digamma logistic erf erfc xlogx", real(3, 2)),
    *unary("acosh", real(3, low=1.2, high=2.5)),
    *unary("erf_inv bessel_i0e bessel_i1e", signed(4) * 0.6),
    *unary("neg abs sign square copy", signed(3, 2)),
    *unary("floor ceil trunc", np.array([0.3, 1.6, -0.7, -2.2])),
    Case("round", (np.array([0.3, 1.6, -0.7, -2.2]),), {"rounding_method": 0}),
    Case("round", (np.array([0.3, 1.6, -0.7, -2.2]),), {"rounding_method": 1}),
    *unary("sin cos exp log tanh sqrt square neg tan sinh cosh", comp(3)),
    *unary("real imag conj abs", comp(3)),
    *unary("stop_gradient is_finite", signed(3)),
    *unary("not population_count clz", ints(1, 5, 8)),
    *[Case("integer_pow", (x,), {"y": y}) for y in (0, 1, 2, 3, -2) for x in (real(3) + 0.5, comp(2))],
    Case("reduce_precision", (signed(3),), {"exponent_bits": 11, "mantissa_bits": 52}),
    Case("convert_element_type", (signed(3),), {"new_dtype": F64, "weak_type": False}),
    Case("convert_element_type", (signed(3) * 9,), {"new_dtype": INT, "weak_type": False}),
    Case("bitcast_convert_type", (signed(3),), {"new_dtype": np.dtype(np.int64)}),
    *pair("add sub mul div max min pow atan2", real(3, 2), real(3, 2) + 0.017),
    *pair("add sub mul div pow", comp(3), comp(3)),
    *pair("rem", real(3) * 9, real(3) + 0.5),
    *pair("complex", signed(3), signed(3)),
    *pair("igamma igammac", real(3) + 1, real(3) + 0.7, second_order=False, tolerance=1e-5),
    *pair("xlogy xlog1py", real(3), real(3) + 0.1),
    *pair("eq ne lt le gt ge eq_to le_to lt_to nextafter", signed(3), signed(3)),
    *pair("and or xor shift_left shift_right_arithmetic shift_right_logical mulhi", ints(1, 6, 9), ints(2, 3, 1)),
    *pair("random_gamma_grad igamma_grad_a", real(3) + 1, real(3) + 1),
    Case("polygamma", (np.full(3, 2.0), real(3) + 0.5), {}, only=(1,)),
    Case("zeta", (np.full(3, 2.5), real(3) + 0.5), {}, only=(1,)),
    Case("regularized_incomplete_beta", (np.full(3, 2.0), np.full(3, 1.5), real(3) * 0.9), {}, only=(2,)),
    Case("select_n", (np.array([True, False, True]), signed(3), real(3)), {}),
    Case("select_n", (np.array(True), signed(3), real(3)), {}),
    Case("select_n", (ints(0, 2, 1), signed(3), real(3), signed(3)), {}),
    Case("clamp", (np.array(-0.5), signed(5), np.array(0.6)), {}),
    Case("clamp", (np.full(5, -0.5), signed(5), np.full(5, 0.6)), {}),
    # movement
    Case("reshape", (signed(3, 4),), {"new_sizes": (2, 6), "dimensions": None}),
    Case("broadcast_in_dim", (signed(3, 1),), {"shape": (2, 3, 4), "broadcast_dimensions": (1, 2)}),
    Case("broadcast_in_dim", (np.array(0.4),), {"shape": (2, 3), "broadcast_dimensions": ()}),
    Case("transpose", (signed(2, 3, 4),), {"permutation": (2, 0, 1)}),
    Case("squeeze", (signed(1, 3, 1),), {"dimensions": (0, 2)}),
    Case("rev", (signed(3, 2),), {"dimensions": (0, 1)}),
    Case("concatenate", (signed(2, 2), real(3, 2)), {"dimension": 0}),
    Case("pad", (signed(3, 2), np.array(0.5)), {"padding_config": ((1, 2, 1), (-1, 1, 0))}),
    Case("split", (signed(5, 2),), {"sizes": (2, 3), "axis": 0}),
    Case("iota", (), {"dtype": INT, "shape": (3, 2), "dimension": 0}),
    # slices and indices
    Case("slice", (signed(5, 4),), {"start_indices": (1, 0), "limit_indices": (5, 3), "strides": (2, 1)}),
    Case("slice", (signed(5),), {"start_indices": (1,), "limit_indices": (4,), "strides": None}),
    Case("dynamic_slice", (signed(5, 4), INT.type(2), INT.type(9)), {"slice_sizes": (2, 3)}),
    Case("dynamic_update_slice", (signed(5, 4), real(2, 3), INT.type(2), INT.type(9)), {}),
    *[
        Case(
            "gather",
            (signed(4, 3), ints(0, 2, 2, 9).reshape(4, 1)),
            {
                "dimension_numbers": GatherDimensionNumbers((1,), (0,), (0,)),
                "slice_sizes": (1, 3),
                "mode": mode,
                "fill_value": fill,
                "indices_are_sorted": False,
                "unique_indices": False,
            },
        )
        for mode, fill in ((GatherScatterMode.CLIP, None), (GatherScatterMode.FILL_OR_DROP, 0.0))
    ],
    *[
        Case(
            name,
            (signed(4, 3), ints(*rows).reshape(3, 1), real(3, 3)),
            {
                "dimension_numbers": ScatterDimensionNumbers((1,), (0,), (0,)),
                "mode": GatherScatterMode.FILL_OR_DROP,
                "indices_are_sorted": False,
                "unique_indices": False,
            },
        )
        for name in ("scatter", "scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max")
        for rows in ((0, 2, 3), (1, 1, 9))
    ],
    # reductions
    *[
        Case(name, (x,), {"axes": axes})
        for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min")
        for x, axes in ((signed(3, 4), (1,)), (real(2, 3, 2), (0, 2)), (signed(4), ()))
    ],
    Case("reduce_sum", (comp(3, 2),), {"axes": (0,)}),
    Case("reduce_prod", (np.array([[0.0, 2.0, 3.0], [1.0, 0.0, 0.0]]),), {"axes": (1,)}),
    *[Case(name, (ints(3, 5, 6),), {"axes": (0,)}) for name in ("reduce_and", "reduce_or", "reduce_xor")],
    *[Case(name, (signed(3, 4),), {"axes": (1,), "index_dtype": INT}) for name in ("argmax", "argmin")],
    *[
        Case(name, (signed(3, 4),), {"axis": 1, "reverse": reverse})
        for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
        for reverse in (False, True)
    ],
    Case("cumprod", (np.array([0.5, 0.0, 2.0, 0.0, 3.0]),), {"axis": 0, "reverse": False}),
    # contraction
    *[
        Case(
            "dot_general",
            (x, y),
            {"dimension_numbers": numbers, "precision": None, "preferred_element_type": None},
        )
        for x, y, numbers in (
            (signed(3), real(3), (((0,), (0,)), ((), ()))),
            (signed(2, 3), real(3, 4), (((1,), (0,)), ((), ()))),
            (signed(3, 2), real(4, 3), (((0,), (1,)), ((), ()))),
            (signed(2, 3, 4), real(4, 2, 3), (((2, 1), (0, 2)), ((0,), (1,)))),
            (signed(5, 2, 3), real(5, 3), (((2,), (1,)), ((0,), (0,)))),
            (comp(2, 3), comp(3, 2), (((1,), (0,)), ((), ()))),
            (signed(2), real(3), (((), ()), ((), ()))),
        )
    ],
    *[
        Case(
            "conv_general_dilated",
            (lhs, rhs),
            {
                "window_strides": strides,
                "padding": padding,
                "lhs_dilation": lhs_dilation,
                "rhs_dilation": rhs_dilation,
                "dimension_numbers": ConvDimensionNumbers(*specs),
                "feature_group_count": groups,
                "preferred_element_type": None,
            },
        )
        for lhs, rhs, strides, padding, lhs_dilation, rhs_dilation, specs, groups in (
            (signed(2, 3, 7), real(4, 3, 3), (2,), ((1, 2),), (1,), (1,), ((0, 1, 2),) * 3, 1),
            (signed(2, 4, 6), real(6, 2, 2), (1,), ((0, 1),), (2,), (2,), ((0, 1, 2),) * 3, 2),
            (
                signed(2, 6, 5, 2),
                real(3, 2, 2, 3),
                (2, 1),
                ((1, 1), (0, 0)),
                (1, 1),
                (1, 1),
                ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)),
                1,
            ),
            (
                signed(1, 2, 3, 3, 3),
                real(2, 2, 2, 2, 2),
                (1,) * 3,
                ((0, 0),) * 3,
                (1,) * 3,
                (1,) * 3,
                ((0, 1, 2, 3, 4),) * 3,
                1,
            ),
        )
    ],
    *[
        Case(
            name,
            (signed(2, 7),),
            {
                "window_dimensions": (1, 3),
                "window_strides": (1, 2),
                "padding": ((0, 0), (1, 1)),
                "base_dilation": (1, base),
                "window_dilation": (1, dilation),
            },
        )
        for name in ("reduce_window_sum", "reduce_window_max", "reduce_window_min")
        for base, dilation in ((1, 1), (1, 2), (2, 1))
    ],
    Case("sort", (signed(3, 4),), {"dimension": 1, "is_stable": True, "num_keys": 1}),
    Case("sort", (signed(4), real(4)), {"dimension": 0, "is_stable": True, "num_keys": 1}),
    Case("top_k", (signed(3, 4),), {"k": 2}),
    # linear algebra
    Case("cholesky", (spd(3),), {}, tolerance=1e-5),
    Case(
        "triangular_solve",
        (np.tril(real(3, 3)) + np.eye(3), signed(3, 2)),
        {"left_side": True, "lower": True, "transpose_a": False, "conjugate_a": False, "unit_diagonal": False},
        tolerance=1e-5,
    ),
    Case(
        "triangular_solve",
        (np.triu(real(3, 3)) + np.eye(3), signed(2, 3)),
        {"left_side": False, "lower": False, "transpose_a": True, "conjugate_a": False, "unit_diagonal": False},
        tolerance=1e-5,
    ),
    Case("inv", (spd(3),), {}, tolerance=1e-5),
    Case("det", (spd(3),), {}, tolerance=1e-5),
    Case("fft", (comp(2, 4),), {"fft_type": "fft", "fft_lengths": (4,)}),
    Case("fft", (comp(3, 4),), {"fft_type": "ifft", "fft_lengths": (3, 4)}),
    Case("fft", (signed(2, 5),), {"fft_type": "rfft", "fft_lengths": (5,)}),
    Case("fft", (comp(2, 3),), {"fft_type": "irfft", "fft_lengths": (4,)}),
]

# Checked elsewhere, with the reason why a row here would not do.
ELSEWHERE = {
    **dict.fromkeys(
        ("psum", "pmax", "pmin", "all_gather", "axis_index"), "need a named axis: tests/api/test_vectorize.py"
    ),
    **dict.fromkeys(
        ("eigh", "eig", "svd", "qr", "lu", "lu_factors", "lu_pivots_to_permutation", "householder_product"),
        "factors are unique up to signs, phases or pivots: tests/primitives/test_linalg.py",
    ),
    **dict.fromkeys(
        ("solve", "pinv", "slogdet", "cofactor"), "operands belong together: tests/primitives/test_linalg.py"
    ),
    **dict.fromkeys(
        ("threefry2x32", "random_bits", "random_split", "random_fold_in", "random_seed"),
        "streams are checked bit for bit: tests/primitives/test_random_bits.py",
    ),
    "guard": "an effect: tests/ir/test_guards.py",
    "check": "raises or does nothing: tests/experimental/test_checkify.py",
    "name": "an identity that checkpoint policies look for: tests/structured/test_checkpoint.py",
    **dict.fromkeys(
        ("pure_callback", "io_callback", "ordered_io_callback", "debug_callback"),
        "call Python: tests/structured/test_callback.py",
    ),
}
