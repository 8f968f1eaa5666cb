"""Dtypes: the lattice against its written definition, weak types, widths, names, the warning."""

from __future__ import annotations

import warnings
from itertools import product

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import minijax as mj
from minijax import dtypes
from minijax.config import disable_x64, enable_x64, numpy_dtype_promotion
from minijax.dtypes import (
    bfloat16,
    canonicalize_dtype,
    check_user_dtype,
    finfo,
    float0,
    from_short_name,
    iinfo,
    is_weak,
    isdtype,
    issubdtype,
    itemsize_bits,
    promote,
    promote_types,
    result_type,
    scalar_dtype,
    scalar_type_of,
    short_name,
    tangent_dtype,
    to_inexact_dtype,
    to_numeric_dtype,
)
from minijax.errors import TypePromotionError

NAMES = ["bool", *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)), "bfloat16"]
NAMES += ["float16", "float32", "float64", "complex64", "complex128"]
WEAK = {"int*": int, "float*": float, "complex*": complex}
NODES = [*NAMES, *WEAK]
DTYPES = {name: np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" else name) for name in NAMES}
FLOAT8 = [
    dtypes.float8_e4m3b11fnuz,
    dtypes.float8_e4m3fn,
    dtypes.float8_e4m3fnuz,
    dtypes.float8_e5m2,
    dtypes.float8_e5m2fnuz,
]


def kind_of(node):
    return "bool" if node == "bool" else node.rstrip("*0123456789").removeprefix("b")


def meet(a, b):
    """Where two nodes meet, from the rules in words; independent of any graph of the lattice.

    The higher kind wins; among equal kinds the wider; signed beside unsigned needs a signed type wide enough for both, and
    above int64 that is a weak float; bfloat16 and float16 share no bits layout, so they meet at float32; a float beside a
    complex needs a complex whose parts hold it; a weak type only brings its kind.
    """
    order = ["bool", "uint", "int", "float", "complex"]
    a, b = sorted((a, b), key=lambda node: (order.index(kind_of(node)), node.endswith("*")))
    kinds = kind_of(a), kind_of(b)
    if a == b or kinds[0] == "bool":
        return b
    if "int*" in (a, b):
        other = b if a == "int*" else a
        return other
    integers = ("uint", "int")
    if kinds[0] in integers and kinds[1] not in integers:
        return b
    if kinds[0] in integers:
        widths = [int(node.removeprefix("u").removeprefix("int")) for node in (a, b)]
        if kinds[0] == kinds[1]:
            return a if widths[0] > widths[1] else b
        needed = max(2 * widths[0], widths[1])
        return f"int{needed}" if needed <= 64 else "float*"
    if kinds[0] == kinds[1]:
        if "*" in a + b:
            return a if b.endswith("*") else b
        if {a, b} == {"bfloat16", "float16"}:
            return "float32"
        return max((a, b), key=lambda node: int(node.removeprefix("b").removeprefix("float").removeprefix("complex")))
    parts = {"bfloat16": 16, "float16": 16, "float32": 32, "float64": 64, "float*": 0}[a]
    if b == "complex*" and parts == 0:
        return b
    return "complex128" if b == "complex128" or parts == 64 else "complex64"


def as_operand(node):
    """(dtype, weak) with full width."""
    if node in WEAK:
        return np.dtype({"int*": "int64", "float*": "float64", "complex*": "complex128"}[node]), True
    return DTYPES[node], False


def operand_of(node):
    dtype, weak = as_operand(node)
    return canonicalize_dtype(dtype), weak


def join(a, b):
    return promote(*operand_of(a), *operand_of(b))


@pytest.mark.parametrize("wide", [True, False], ids=["x64", "x32"])
@pytest.mark.parametrize("a", NODES)
def test_every_pair_meets_where_the_rules_say(a, wide):
    with enable_x64(wide):
        for b in NODES:
            if wide:
                expected = as_operand(meet(a, b))
            else:
                met = meet(narrow(a), narrow(b))
                expected = operand_of(met)
            assert join(a, b) == expected, (a, b)


def narrow(node):
    return {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}.get(node, node)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("uint8", "int8", "int16"),
        ("uint32", "int32", "int64"),
        ("uint64", "int8", "float*"),
        ("int64", "float16", "float16"),
        ("int32", "bfloat16", "bfloat16"),
        ("bfloat16", "float16", "float32"),
        ("int8", "int*", "int8"),
        ("uint8", "int*", "uint8"),
        ("bool", "int*", "int*"),
        ("int64", "float*", "float*"),
        ("float16", "float*", "float16"),
        ("float16", "complex*", "complex64"),
        ("float64", "complex*", "complex128"),
        ("float64", "complex64", "complex128"),
    ],
)
def test_rows_of_the_table_that_surprise(a, b, expected):
    assert meet(a, b) == expected
    with enable_x64():
        assert join(a, b) == join(b, a) == as_operand(expected)


nodes = st.sampled_from(NODES)


@given(nodes, nodes, nodes, st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_promotion_is_a_join(a, b, c, wide):
    """Commutative, idempotent, associative: the dtype of a sum does not depend on how it is grouped."""
    with enable_x64(wide):
        assert join(a, b) == join(b, a)
        assert join(a, a) == operand_of(a)
        if wide:  # truncating int64 to int32 half way through is not associative
            assert promote(*join(a, b), *operand_of(c)) == promote(*operand_of(a), *join(b, c))


def test_with_narrow_types_grouping_can_matter():
    with disable_x64():
        both = promote(*join("uint32", "int32"), *operand_of("float16"))
        assert both == (np.dtype("float16"), False)
        assert join("uint32", "int32") == (np.dtype("int32"), False)


@given(nodes, nodes)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_weak_types_never_widen_an_array_of_their_kind(a, b):
    with enable_x64():
        dtype, weak = join(a, b)
        strong = [x for x in (a, b) if x not in WEAK]
        if any(kind_of(x) in ("float", "complex") for x in strong):
            assert not weak
        if len(strong) == 1 and kind_of(a) == kind_of(b):
            assert (dtype, weak) == as_operand(strong[0])
        if not strong:
            assert weak


@pytest.mark.parametrize("dtype", FLOAT8, ids=str)
def test_eight_bit_floats_meet_integers_and_scalars_but_no_float(dtype):
    for other in ("bool", "int32", "uint64", int, float):
        assert promote_types(dtype, other) == dtype
    for other in ("float16", "bfloat16", "float64", "complex64", *(d for d in FLOAT8 if d != dtype)):
        with pytest.raises(TypePromotionError, match="no available implicit dtype promotion path"):
            promote_types(dtype, DTYPES.get(other, other) if isinstance(other, str) else other)


@pytest.mark.parametrize("other", [float0, "S3", object, "datetime64[s]"])
def test_what_is_no_number_is_not_promoted(other):
    with pytest.raises(ValueError, match="not a valid dtype for type promotion"):
        promote_types(other, "int32")


def test_types_asked_for_keep_their_width():
    with disable_x64():
        assert promote_types("uint32", "int32") == promote_types(int, int) == np.dtype("int64")
        assert promote_types(float, "int32") == np.dtype("float64")


@pytest.mark.parametrize(
    ("args", "dtype", "weak"),
    [
        ((1,), "int32", True),
        ((True,), "bool", False),
        ((True, 1), "int32", True),
        ((1, 2.0), "float32", True),
        ((1, 2j), "complex64", True),
        ((np.float32(1), 1.0), "float32", False),
        ((np.float64(1),), "float32", False),
        ((np.int64(3), np.float16), "float16", False),
        ((np.zeros(2, np.int8), 1), "int8", False),
        ((np.zeros(2, np.int8), 1.0), "float32", True),
        ((int, np.float16), "float16", False),
        ((float,), "float32", True),
        (("int8", int), "int8", False),
        ((mj.numpy.asarray(1.0),), "float32", True),
        ((mj.numpy.asarray(1.0), np.float16(2)), "float16", False),
        ((mj.numpy.ones(2), 1j), "complex64", False),
        ((mj.ShapeDtypeStruct((2,), np.int8), 1), "int8", False),
    ],
)
def test_result_type_of_values_and_types(args, dtype, weak):
    assert result_type(*args, return_weak_type_flag=True) == (np.dtype(dtype), weak)
    assert result_type(*args) == np.dtype(dtype)


def test_result_type_refuses_what_is_no_array():
    with pytest.raises(ValueError, match="at least one array or dtype is required"):
        result_type()
    for value in ([1, 2], object()):
        with pytest.raises(TypeError, match="not a valid JAX type"):
            result_type(value)


def test_a_weak_float_of_integers_stays_weak():
    assert result_type(np.int8(1), 1.0, return_weak_type_flag=True) == (np.dtype("float32"), True)


@pytest.mark.parametrize("value", [1, 1.0, 1j])
def test_python_numbers_are_weak_and_numpy_numbers_are_not(value):
    assert is_weak(value)
    assert not is_weak(np.asarray(value)[()])
    assert not is_weak(True)
    assert is_weak(mj.numpy.asarray(value))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.int32(1), np.float32(1)),
        (1.0, np.int32(1)),
        (True, 1),
        (np.bool_(True), np.float32(1)),
        (np.float32(1), 1j),
    ],
)
def test_strict_promotion_changes_no_array(x, y):
    with numpy_dtype_promotion("strict"), pytest.raises(TypePromotionError, match="jax_numpy_dtype_promotion=strict"):
        result_type(x, y)
    result_type(x, y)  # the strict error is not kept in the cache


@pytest.mark.parametrize(
    ("x", "y", "dtype"),
    [(1, np.float32(1), "float32"), (1, 2.0, "float32"), (np.uint8(1), 1, "uint8"), (1.0, 1j, "complex64")],
)
def test_strict_promotion_lets_scalars_take_the_dtype_of_an_array(x, y, dtype):
    with numpy_dtype_promotion("strict"):
        assert result_type(x, y) == result_type(y, x) == np.dtype(dtype)


@pytest.mark.parametrize(("given", "wide", "narrow"), [
    ("int64", "int64", "int32"), (np.uint64, "uint64", "uint32"), (np.dtype("float64"), "float64", "float32"),
    (complex, "complex128", "complex64"), (int, "int64", "int32"), (float, "float64", "float32"), (bool, "bool", "bool"),
    ("i4", "int32", "int32"), (np.float16, "float16", "float16"), (ml_dtypes.bfloat16, bfloat16, bfloat16),
    (float0, float0, float0), (None, "float64", "float32"), (mj.numpy.float32, "float32", "float32"),
])  # fmt: skip
def test_canonical_dtypes_follow_x64(given, wide, narrow):
    with enable_x64():
        assert canonicalize_dtype(given) == np.dtype(wide)
    with disable_x64():
        assert canonicalize_dtype(given) == np.dtype(narrow)
        assert type(canonicalize_dtype(given)) is type(np.dtype(narrow))


def test_structured_dtypes_are_not_taken_for_float0():
    other = np.dtype([("x", np.int8)])
    assert canonicalize_dtype(other) == other != float0


@pytest.mark.parametrize("wide", [True, False])
def test_default_dtypes_of_python_numbers(wide):
    with enable_x64(wide):
        bits = 64 if wide else 32
        found = [scalar_dtype(t).name for t in (bool, int, float, complex)]
        assert found == ["bool", f"int{bits}", f"float{bits}", f"complex{2 * bits}"]


@pytest.mark.parametrize("name", NAMES)
def test_tangents_exist_for_inexact_dtypes_only(name):
    dtype = DTYPES[name]
    assert tangent_dtype(dtype) == (dtype if kind_of(name) in ("float", "complex") else float0)


@pytest.mark.parametrize("dtype", [*DTYPES.values(), float0, *FLOAT8], ids=str)
def test_short_names_are_read_back(dtype):
    assert from_short_name(short_name(dtype)) == dtype


def test_short_names_are_those_of_jaxprs():
    names = {"float32": "f32", "int8": "i8", "uint16": "u16", "bool": "bool", "complex64": "c64", "bfloat16": "bf16"}
    assert {name: short_name(DTYPES[name]) for name in names} == names
    assert short_name(float0) == "float0"
    with pytest.raises(KeyError):
        from_short_name("f33")


ABSTRACT = {
    np.generic: "all", np.number: "iufc", np.integer: "iu", np.signedinteger: "i", np.unsignedinteger: "u",
    np.inexact: "fc", np.floating: "f", np.complexfloating: "c", np.bool_: "b",
}  # fmt: skip


@pytest.mark.parametrize("abstract", ABSTRACT)
def test_the_hierarchy_of_types(abstract):
    letters = {"bool": "b", "int": "i", "uint": "u", "float": "f", "complex": "c"}
    for name, dtype in DTYPES.items():
        expected = abstract is np.generic or letters[kind_of(name)] in ABSTRACT[abstract]
        assert (
            issubdtype(dtype, abstract)
            == issubdtype(dtype.type, abstract)
            == issubdtype(dtype.name, abstract)
            == expected
        )


@pytest.mark.parametrize(("a", "b", "expected"), [
    (bfloat16, bfloat16, True), (bfloat16, float, False), (np.float32, bfloat16, False), (np.float64, float, True),
    (float, np.floating, True), (np.inexact, np.floating, False), (np.floating, np.inexact, True),
    (float0, np.floating, False), (float0, np.void, True), (float0, np.generic, True), (float0, float0, True),
    (np.float32, float0, False), (ml_dtypes.int4, np.signedinteger, True), (ml_dtypes.uint4, np.signedinteger, False),
    (ml_dtypes.uint4, np.unsignedinteger, True), (ml_dtypes.float8_e5m2, np.floating, True),
    (ml_dtypes.float8_e5m2, np.complexfloating, False),
])  # fmt: skip
def test_subtypes_of_what_numpy_does_not_know(a, b, expected):
    assert issubdtype(a, b) is expected


@pytest.mark.parametrize(("dtype", "kind", "expected"), [
    ("bool", "bool", True), ("bool", "numeric", False), ("int8", "signed integer", True), ("int8", "unsigned integer", False),
    ("uint8", "integral", True), (bfloat16, "real floating", True), ("complex64", "complex floating", True),
    ("complex64", "real floating", False), ("float32", ("bool", "numeric"), True), ("float32", ("bool", "integral"), False),
    ("float32", np.float32, True), ("int32", int, False), ("float32", "float32", True),
])  # fmt: skip
def test_kinds_of_the_array_api(dtype, kind, expected):
    assert isdtype(dtype, kind) is expected


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="Unrecognized kind='nope'"):
        isdtype("float32", "nope")
    for kind in (np.floating, None, 3.0):
        with pytest.raises(TypeError, match="Expected kind to be a dtype, string, or tuple"):
            isdtype("float32", kind)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "float64", "complex64"])
def test_eps_is_the_distance_from_one_to_the_next_number(name):
    info = finfo(DTYPES[name])
    real = info.dtype.type
    assert real(1) + real(info.eps) > real(1)
    assert real(1) + real(info.eps) * real(0.5) == real(1)
    assert np.isfinite(real(info.max))


def test_limits_of_arrays_and_small_integers():
    assert finfo(mj.numpy.ones(2)).bits == 32
    assert finfo(bfloat16).bits == 16
    assert (iinfo("int8").min, iinfo(np.zeros(1, np.uint16)).max, iinfo(ml_dtypes.int4).max) == (-128, 65535, 7)
    for wrong in (lambda: iinfo("float32"), lambda: finfo("int32")):
        with pytest.raises(ValueError, match=r"int|inexact"):
            wrong()


def test_sizes_and_python_types():
    assert [itemsize_bits(d) for d in ("bool", "int64", bfloat16, "complex64", ml_dtypes.int4)] == [8, 64, 16, 64, 4]
    assert [scalar_type_of(x) for x in (True, np.uint8(1), np.zeros(2, bfloat16), 1j)] == [bool, int, float, complex]


def test_inexact_and_numeric_dtypes():
    assert [to_inexact_dtype(d).name for d in ("int8", "bool", "float16", "complex64")] == [
        "float32",
        "float32",
        "float16",
        "complex64",
    ]
    assert to_inexact_dtype(bfloat16) == bfloat16
    assert [to_numeric_dtype(d).name for d in ("bool", "uint8", "float16")] == ["int32", "uint8", "float16"]
    with enable_x64():
        assert to_inexact_dtype("int8") == np.dtype("float64")
        assert to_numeric_dtype("bool") == np.dtype("int64")


@pytest.mark.parametrize("name", ["float64", "int64", "uint64", "complex128"])
def test_asking_for_64_bits_without_x64_warns_at_the_users_line(name):
    with pytest.warns(
        UserWarning,
        match=f"^Explicitly requested dtype {name} requested in ones is not available, and will be truncated",
    ) as caught:
        array = mj.numpy.ones(2, name)
    assert caught[0].filename == __file__
    assert array.dtype == canonicalize_dtype(name)


@pytest.mark.parametrize("dtype", [int, float, complex, "float32", "int8", np.float16, bool])
def test_asking_for_a_kind_or_a_narrow_dtype_does_not_warn(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_user_dtype(dtype, "ones") == canonicalize_dtype(dtype)
        with enable_x64():
            assert check_user_dtype("float64", "ones") == np.dtype("float64")


@pytest.mark.parametrize("dtype", [object, str, "U3", "datetime64[s]", "V8"])
def test_arrays_of_other_things_are_refused(dtype):
    with pytest.raises(TypeError, match=r"only supports number, bool, and string dtypes, got dtype .* in ones"):
        check_user_dtype(dtype, "ones")


def test_foreign_byte_order_becomes_native():
    assert check_user_dtype(">f4", "ones") == np.dtype("float32")


def test_promotion_agrees_with_numpy_where_the_lattices_agree():
    """Strong types of one kind promote as NumPy's do."""
    same = [n for n in NAMES if n != "bfloat16"]
    with enable_x64():
        for a, b in product(same, same):
            if kind_of(a) == kind_of(b):
                assert promote_types(a, b) == np.promote_types(a, b)
