"""Every primitive at every dtype it accepts: results have the promised type, derivatives the type of their operand.

In: the rows of `case_table.py` and `corner_cases.py`, their real operands cast to narrower floats, integers and booleans. A
dtype that a primitive does not take must be refused by its abstract rule, before NumPy is asked.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import minijax as mj
from minijax.array import wrap
from minijax.ir import lookup
from tests.primitives.case_table import CASES, Case
from tests.primitives.corner_cases import CORNERS

ROWS = [*CASES, *CORNERS]
FLOATS = (np.float16, ml_dtypes.bfloat16, np.float32)
OTHERS = (np.int8, np.uint8, np.int32, np.int64, np.bool_, np.complex64)
DTYPES = [np.dtype(d) for d in (*FLOATS, *OTHERS)]


@pytest.fixture(autouse=True)
def _double_precision():
    with mj.enable_x64():
        yield


def cast(case: Case, dtype: np.dtype) -> list[np.ndarray] | None:
    """The operands with floats as `dtype`; None where a complex one would lose its imaginary part."""
    out = []
    for x in map(np.asarray, case.operands):
        if x.dtype.kind == "c" and dtype.kind != "c":
            return None
        if x.dtype.kind in "fc":
            x = (3 * x).astype(dtype) if dtype.kind in "iu" else x.astype(dtype)
        out.append(x)
    return out


def promised(case: Case, operands: list[np.ndarray]):
    """Types of the results, or None when the abstract rule refuses the operands."""
    primitive = lookup(case.primitive)
    try:
        out = primitive.abstract(*[wrap(x).aval for x in operands], **case.params)
    except (TypeError, ValueError):  # bitcasts refuse widths by ValueError
        return None
    return out if primitive.multiple_results else (out,)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_results_have_the_promised_types_and_other_dtypes_are_refused(dtype):
    accepted = 0
    for case in ROWS:
        operands = cast(case, dtype)
        avals = None if operands is None else promised(case, operands)
        if avals is None:
            continue
        primitive = lookup(case.primitive)
        for f, xs in ((primitive.bind, list(map(wrap, operands))), (primitive.evaluate, operands)):
            found = f(*xs, **case.params)
            found = found if primitive.multiple_results else (found,)
            types = [(np.asarray(x).shape, np.asarray(x).dtype) for x in found]
            assert types == [(aval.shape, aval.dtype) for aval in avals], case.primitive
        accepted += 1
    assert accepted > 40


@pytest.mark.parametrize("dtype", [np.dtype(d) for d in (*FLOATS, np.complex64)], ids=str)
def test_tangents_and_cotangents_have_the_type_of_their_primal(dtype):
    checked = 0
    for case in ROWS:
        operands = cast(case, dtype)
        primitive = lookup(case.primitive)
        if operands is None or promised(case, operands) is None or primitive.jvp in ("missing", None):
            continue
        places = [i for i, x in enumerate(operands) if x.dtype == dtype]
        places = list(case.only) if case.only is not None else places

        def f(*xs, operands=operands, places=places, case=case):
            arguments = list(map(wrap, operands))
            for place, x in zip(places, xs, strict=True):
                arguments[place] = x
            return lookup(case.primitive).bind(*arguments, **case.params)

        xs = [wrap(operands[i]) for i in places]
        out, tangent = mj.jvp(f, xs, [wrap(np.ones_like(x)) for x in map(np.asarray, xs)])
        for x, t in zip(mj.tree.leaves(out), mj.tree.leaves(tangent), strict=True):
            assert t.shape == x.shape and t.dtype in (x.dtype, mj.dtypes.float0), case.primitive
        for x, ct in zip(xs, mj.vjp(f, *xs)[1](tangent), strict=True):
            assert (ct.shape, ct.dtype) == (x.shape, x.dtype), case.primitive
        checked += 1
    assert checked > 40


@pytest.mark.parametrize(
    ("name", "dtype", "params", "phrase"),
    [
        ("integer_pow", np.int32, {"y": -2}, "negative powers"),
        ("rem", np.complex64, {}, "does not accept dtype complex64"),
        ("atan2", np.complex64, {}, "does not accept dtype complex64"),
        ("complex", np.float16, {}, "does not accept dtype float16"),
        ("sin", np.int32, {}, "does not accept dtype int32"),
    ],
)
def test_refusals_name_the_primitive_and_the_dtype(name, dtype, params, phrase):
    count = 1 if name in ("integer_pow", "sin") else 2
    with pytest.raises(TypeError, match=phrase):
        lookup(name).bind(*[wrap(np.ones(2, dtype))] * count, **params)


@pytest.mark.parametrize(("dtype", "preferred"), [(np.complex64, np.float64), (np.float32, np.int32)])
def test_products_refuse_to_accumulate_in_a_type_that_cannot_hold_them(dtype, preferred):
    x = wrap(np.ones((2, 2), dtype))
    params = {"dimension_numbers": (((1,), (0,)), ((), ())), "precision": None}
    with pytest.raises(TypeError, match="incompatible with `preferred_element_type`"):
        lookup("dot_general").bind(x, x, **params, preferred_element_type=np.dtype(preferred))


def test_booleans_are_not_subtracted_from_windows():
    case = next(case for case in ROWS if case.primitive == "scatter_sub")
    x, indices, updates = cast(case, np.dtype(bool))
    with pytest.raises(TypeError, match="scatter_sub does not accept dtype bool"):
        lookup("scatter_sub").bind(wrap(x), wrap(indices), wrap(updates), **case.params)
