"""More rows for the registry's checks: options and shapes that `case_table.py` leaves at their usual values.

Complex operands, batching dimensions of gather and scatter, several sort keys, negative and interior padding, empty and
one-element arrays. `tests/primitives/test_corner_cases.py` runs every check of `tests/test_registry.py` on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minijax.primitives._index_maps import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from minijax.primitives.convolution import ConvDimensionNumbers
from tests.primitives.case_table import BOOL, F64, Case, comp, ints, real, signed, spd, unary

FLOAT32, COMPLEX128 = np.dtype(np.float32), np.dtype(np.complex128)


def hermitian(n: int) -> np.ndarray:
    a = comp(n, n)
    return a @ a.conj().T + n * np.eye(n)


def gather_params(numbers: GatherDimensionNumbers, sizes: tuple[int, ...], **options: Any) -> dict[str, Any]:
    usual = {
        "mode": GatherScatterMode.CLIP,
        "fill_value": None,
        "indices_are_sorted": False,
        "unique_indices": False,
    }
    return {"dimension_numbers": numbers, "slice_sizes": sizes, **usual, **options}


def scatter_params(numbers: ScatterDimensionNumbers, mode: GatherScatterMode, unique: bool) -> dict[str, Any]:
    return {
        "dimension_numbers": numbers,
        "mode": mode,
        "indices_are_sorted": False,
        "unique_indices": unique,
    }


def solve_params(**options: bool) -> dict[str, bool]:
    usual = {
        "left_side": True,
        "lower": True,
        "transpose_a": False,
        "conjugate_a": False,
        "unit_diagonal": False,
    }
    return {**usual, **options}


SCATTERS = ("scatter", "scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max")
CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
INNER = (((1,), (0,)), ((), ()))

CORNERS: list[Case] = [
    # elementwise: complex branches, converting dtypes, empty and one-element operands
    *unary("asin acos atan asinh acosh atanh expm1 log1p rsqrt logistic sign", comp(3) * 0.6),
    *unary("sin neg exp logistic abs copy", np.zeros((0, 3))),
    *unary("conj real imag", comp(2, 1)),
    Case("convert_element_type", (signed(3),), {"new_dtype": COMPLEX128, "weak_type": False}),
    Case("convert_element_type", (comp(3),), {"new_dtype": COMPLEX128, "weak_type": False}),
    Case("convert_element_type", (signed(3),), {"new_dtype": BOOL, "weak_type": False}),
    Case("convert_element_type", (ints(1, 2),), {"new_dtype": F64, "weak_type": True}),
    Case("bitcast_convert_type", (signed(3),), {"new_dtype": FLOAT32}),
    Case("bitcast_convert_type", (signed(3, 2).astype(np.float32),), {"new_dtype": F64}),
    Case("reduce_precision", (np.array([1.0, 0.5, -2.0]),), {"exponent_bits": 5, "mantissa_bits": 10}, only=()),
    *[Case("integer_pow", (x,), {"y": y}) for y in (5, -1, -3) for x in (-real(3) - 0.5, comp(2))],
    Case("select_n", (np.array([True, False]), comp(2), comp(2)), {}),
    Case("clamp", (np.full(4, -0.5), signed(4), np.array(0.6)), {}),
    *unary("copy exp2", comp(3)),
    Case("clamp", (np.array(-0.5 + 0j), comp(5), np.array(0.6 + 1j)), {}),
    *[Case(name, (comp(3), comp(3) + 0.017), {}) for name in ("max", "min")],
    # movement
    Case("reshape", (comp(2, 3),), {"new_sizes": (6,), "dimensions": None}),
    Case("reshape", (np.zeros((0, 3)),), {"new_sizes": (3, 0), "dimensions": None}),
    Case("broadcast_in_dim", (signed(3),), {"shape": (3, 0), "broadcast_dimensions": (0,)}),
    Case("broadcast_in_dim", (comp(1, 1),), {"shape": (2, 2, 3), "broadcast_dimensions": (0, 2)}),
    Case("concatenate", (signed(2, 2), np.zeros((2, 0)), real(2, 1)), {"dimension": 1}),
    Case("pad", (signed(4, 3), np.array(0.5)), {"padding_config": ((-2, -1, 0), (0, -2, 2))}),
    Case("pad", (comp(3), np.array(0.5 + 1j)), {"padding_config": ((2, 0, 2),)}),
    Case("pad", (np.zeros((0,)), np.array(0.5)), {"padding_config": ((1, 1, 3),)}),
    Case("pad", (signed(3), np.array(0.5)), {"padding_config": ((-4, 3, 1),)}),
    Case("split", (signed(2, 5),), {"sizes": (0, 1, 4), "axis": 1}),
    Case("transpose", (comp(2, 3),), {"permutation": (1, 0)}),
    Case("concatenate", (comp(2), comp(1)), {"dimension": 0}),
    Case("split", (comp(4, 1),), {"sizes": (3, 1), "axis": 0}),
    Case("rev", (comp(3, 2),), {"dimensions": (0,)}),
    Case("squeeze", (comp(1, 3),), {"dimensions": (0,)}),
    # indexing
    Case("slice", (comp(7),), {"start_indices": (1,), "limit_indices": (7,), "strides": (3,)}),
    Case("slice", (signed(4, 3),), {"start_indices": (2, 1), "limit_indices": (2, 2), "strides": (1, 1)}),
    Case("dynamic_slice", (signed(5), np.int32(-3)), {"slice_sizes": (2,)}),
    Case("dynamic_slice", (comp(5, 2), np.int32(1), np.int32(0)), {"slice_sizes": (2, 1)}),
    Case("dynamic_update_slice", (comp(5), comp(2), np.int32(-9)), {}),
    Case(
        "gather",
        (signed(2, 4, 3), ints(0, 3, 1, 2).reshape(2, 2, 1)),
        gather_params(GatherDimensionNumbers((2,), (1,), (1,), (0,), (0,)), (1, 1, 3)),
    ),
    Case(
        "gather",
        (signed(4, 3), ints(0, 2, 3, 0, 1, 9).reshape(3, 2)),
        gather_params(
            GatherDimensionNumbers((), (0, 1), (0, 1)), (1, 1), mode=GatherScatterMode.FILL_OR_DROP, fill_value=0.0
        ),
    ),
    Case(
        "gather",
        (comp(4, 3), ints(1, 0, 9, 1).reshape(2, 2)),
        gather_params(GatherDimensionNumbers((1, 2), (), (1, 0)), (2, 2)),
    ),
    *[
        Case(
            name,
            (signed(2, 4, 3), ints(0, 3, 1, 1).reshape(2, 2, 1), real(2, 2, 3)),
            scatter_params(
                ScatterDimensionNumbers((2,), (1,), (1,), (0,), (0,)), GatherScatterMode.FILL_OR_DROP, False
            ),
        )
        for name in SCATTERS
    ],
    *[
        Case(
            name,
            (signed(5, 4), ints(0, 1, 9, 2).reshape(2, 2), real(2, 2, 2)),
            scatter_params(ScatterDimensionNumbers((1, 2), (), (0, 1)), GatherScatterMode.CLIP, False),
        )
        for name in SCATTERS
    ],
    *[
        Case(
            name,
            (comp(5), ints(0, 4, 2).reshape(3, 1), comp(3)),
            scatter_params(ScatterDimensionNumbers((), (0,), (0,)), GatherScatterMode.FILL_OR_DROP, True),
        )
        for name in SCATTERS
    ],
    Case(
        "scatter_mul",
        (np.array([2.0, 0.0, 3.0]), ints(0, 0, 1, 2, 2).reshape(5, 1), np.array([0.0, 4.0, 5.0, 0.0, 0.0])),
        scatter_params(ScatterDimensionNumbers((), (0,), (0,)), GatherScatterMode.FILL_OR_DROP, False),
    ),
    # reductions
    *[Case(name, (np.zeros((0, 3)),), {"axes": (0,)}) for name in ("reduce_sum", "reduce_prod")],
    *[Case(name, (np.zeros((0, 3)),), {"axes": (1,)}) for name in ("reduce_max", "reduce_min")],
    *[Case(name, (comp(3, 2),), {"axes": (0,)}) for name in ("reduce_prod", "reduce_max", "reduce_min")],
    Case("reduce_prod", (np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]),), {"axes": (0, 1)}),
    *[Case(name, (signed(3, 1),), {"axis": axis, "reverse": False}) for name in CUMULATIVE for axis in (0, 1)],
    *[Case(name, (comp(3, 2),), {"axis": 0, "reverse": True}) for name in CUMULATIVE[:4]],
    *[Case(name, (np.zeros((0, 2)),), {"axis": 0, "reverse": False}) for name in CUMULATIVE],
    Case("cumprod", (np.array([[0.0, 2.0], [3.0, 0.0], [0.0, 1.0]]),), {"axis": 0, "reverse": True}),
    Case(
        "sort",
        (ints(1, 0, 1, 0), signed(4), real(4)),
        {"dimension": 0, "is_stable": True, "num_keys": 2},
    ),
    Case("sort", (signed(3, 4), signed(3, 4)), {"dimension": 0, "is_stable": True, "num_keys": 1}),
    Case("sort", (comp(4),), {"dimension": 0, "is_stable": True, "num_keys": 1}),
    Case("top_k", (signed(2, 3, 4),), {"k": 4}),
    Case("top_k", (signed(3),), {"k": 0}),
    # contraction
    *[
        Case(
            "dot_general",
            (x, y),
            {"dimension_numbers": numbers, "precision": None, "preferred_element_type": preferred},
        )
        for x, y, numbers, preferred in (
            (comp(2, 3, 4), comp(4, 2, 3), (((2, 1), (0, 2)), ((0,), (1,))), None),
            (signed(2, 3), real(3, 2), INNER, F64),
            (np.zeros((2, 0)), np.zeros((0, 3)), INNER, None),
            (np.zeros((0, 3)), real(3, 2), INNER, None),
            (signed(3, 2), real(3, 2), (((), ()), ((0, 1), (0, 1))), None),
            (signed(2, 3, 2), real(2, 2, 3), (((0,), (1,)), ((1, 2), (2, 0))), None),
        )
    ],
    *[
        Case(
            "conv_general_dilated",
            (lhs, rhs),
            {
                "window_strides": strides,
                "padding": padding,
                "lhs_dilation": (dilation,),
                "rhs_dilation": (1,),
                "dimension_numbers": ConvDimensionNumbers(*(((0, 1, 2),) * 3)),
                "feature_group_count": groups,
                "preferred_element_type": None,
            },
        )
        for lhs, rhs, strides, padding, dilation, groups in (
            (comp(1, 2, 5), comp(2, 2, 2), (1,), ((0, 0),), 1, 1),
            (signed(2, 2, 6), real(2, 2, 3), (2,), ((-1, 2),), 1, 1),
            (signed(1, 3, 4), real(6, 1, 2), (2,), ((1, 1),), 3, 3),
            (signed(1, 1, 2), real(1, 1, 4), (1,), ((0, 1),), 1, 1),
        )
    ],
    *[
        Case(
            name,
            (signed(5, 4),),
            {
                "window_dimensions": (2, 2),
                "window_strides": (2, 1),
                "padding": ((1, 0), (0, 1)),
                "base_dilation": (1, 1),
                "window_dilation": (2, 1),
            },
        )
        for name in ("reduce_window_sum", "reduce_window_max", "reduce_window_min")
    ],
    Case(
        "reduce_window_sum",
        (comp(5),),
        {
            "window_dimensions": (3,),
            "window_strides": (2,),
            "padding": ((1, 1),),
            "base_dilation": (1,),
            "window_dilation": (1,),
        },
    ),
    # linear algebra
    Case("cholesky", (hermitian(3),), {}, tolerance=1e-5),
    Case("cholesky", (np.stack([spd(2), spd(2)]),), {}, tolerance=1e-5),
    *[
        Case("triangular_solve", (a, b), solve_params(**options), tolerance=1e-5)
        for a, b, options in (
            (np.tril(comp(3, 3)) + np.eye(3), comp(3, 2), {"transpose_a": True, "conjugate_a": True}),
            (np.triu(comp(3, 3)) + np.eye(3), comp(2, 3), {"left_side": False, "lower": False}),
            (np.tril(real(3, 3)) + np.eye(3), signed(3, 1), {"unit_diagonal": True}),
            (np.tril(real(2, 3, 3)) + np.eye(3), signed(2, 3, 2), {"transpose_a": True}),
        )
    ],
    *[Case(name, (x,), {}, tolerance=1e-5) for name in ("inv", "det") for x in (comp(3, 3) + 2 * np.eye(3), spd(1))],
    Case("det", (np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),), {}, tolerance=1e-5),
    Case("det", (np.stack([spd(4), spd(4)]),), {}, tolerance=1e-5),
    *[
        Case("fft", (x,), {"fft_type": kind, "fft_lengths": lengths})
        for x, kind, lengths in (
            (comp(2, 3, 4), "fft", (2, 3, 4)),
            (comp(1), "ifft", (1,)),
            (signed(3, 4), "rfft", (3, 4)),
            (comp(3, 3), "irfft", (3, 5)),
            (comp(1), "irfft", (1,)),
        )
    ],
]
