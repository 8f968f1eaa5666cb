"""The printer: JAX's notation, deterministic names, layout, sources."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
import pytest

import minijax.ir as ir
from minijax.array import wrap
from minijax.ir.printer import constants_of, format_literal, format_param, print_jaxpr, variable_name
from minijax.primitives._ops import like, p
from tests.ir.random_jaxprs import FLOAT, bind, literal


def trace(function, *shapes, dtype=FLOAT):
    avals = [ir.ShapedArray(shape, dtype) for shape in shapes]
    return ir.trace_function(function, avals, purpose="test", name="f")


def test_short_program_is_one_line_as_in_jax():
    closed = trace(lambda a: [p.mul(p.neg(a), like(a, 2))], ())
    assert str(closed) == "{ lambda ; a:f32[]. let b:f32[] = neg a; c:f32[] = mul b 2.0:f32[] in (c,) }"
    assert str(closed.jaxpr) == str(closed) == repr(closed)


def test_empty_programs():
    assert str(trace(lambda a: [a], ())) == "{ lambda ; a:f32[]. let  in (a,) }"
    assert str(trace(list)) == "{ lambda ; . let  in () }"


def test_long_program_has_one_equation_a_line_and_unused_results_are_underscores():
    def f(a, b):
        p.neg(a)
        return [p.mul(p.add(a, b), wrap(np.ones(3, np.float32))), a]

    assert str(trace(f, (3,), (3,))) == (
        "{ lambda a:f32[3]; b:f32[3] c:f32[3]. let\n"
        "    _:f32[3] = neg b\n"
        "    d:f32[3] = add b c\n"
        "    e:f32[3] = mul d a\n"
        "  in (e, b) }"
    )


def test_call_is_laid_out_as_in_jax_and_the_name_comes_first():
    body = trace(lambda a: [p.mul(a, like(a, 2))], ())
    closed = trace(lambda a: bind("jit", a, jaxpr=body, name="<lambda>"), ())
    assert str(closed) == (
        "{ lambda ; a:f32[]. let\n"
        "    b:f32[] = jit[\n"
        "      name=<lambda>\n"
        "      jaxpr={ lambda ; c:f32[]. let d:f32[] = mul c 2.0:f32[] in (d,) }\n"
        "    ] a\n"
        "  in (b,) }"
    )


def test_body_that_does_not_fit_is_indented():
    body = trace(lambda a, b: [p.add(p.mul(p.add(a, b), a), b)], (3,), (3,))
    closed = trace(lambda a: bind("jit", a, a, jaxpr=body, name="f"), (3,))
    assert str(closed) == (
        "{ lambda ; a:f32[3]. let\n"
        "    b:f32[3] = jit[\n"
        "      name=f\n"
        "      jaxpr={ lambda ; c:f32[3] d:f32[3]. let\n"
        "          e:f32[3] = add c d\n"
        "          f:f32[3] = mul e c\n"
        "          g:f32[3] = add f d\n"
        "        in (g,) }\n"
        "    ] a a\n"
        "  in (b,) }"
    )


def test_shared_body_is_printed_in_full_with_the_same_names():
    body = trace(lambda a: [p.neg(a)], ())
    closed = trace(lambda a: bind("jit", bind("jit", a, jaxpr=body, name="f")[0], jaxpr=body, name="f"), ())
    text = "{ lambda ; c:f32[]. let d:f32[] = neg c in (d,) }"
    assert str(closed).count(text) == 2


def test_equal_programs_print_equally():
    def f(a):
        return [p.neg(p.add(a, a))]

    assert str(trace(f, (2,))) == str(trace(f, (2,)))


def test_many_results_are_wrapped_at_eighty_columns():
    text = str(trace(lambda a: [p.add(a, like(a, i)) for i in range(30)], (3,)))
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("w, x, y, z,\n    ba, bb, bc, bd, be) }")


def test_names_skip_keywords():
    names = [variable_name(i) for i in range(800)]
    assert names[:3] == ["a", "b", "c"] and names[25:28] == ["z", "ba", "bb"]
    assert len(set(names)) == 800
    text = str(trace(lambda a: [p.add(a, like(a, i)) for i in range(300)], ()))
    assert "ik:f32[]" in text and "in:f32[]" not in text


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (2.0, "float32", "2.0:f32[]"),
        (-0.0, "float32", "-0.0:f32[]"),
        (0.1, "float32", "0.1:f32[]"),
        (1e20, "float32", "1e+20:f32[]"),
        (np.inf, "float64", "inf:f64[]"),
        (-np.inf, "float16", "-inf:f16[]"),
        (np.nan, "float32", "nan:f32[]"),
        (-7, "int32", "-7:i32[]"),
        (True, "bool", "True:bool[]"),
        (1 + 2j, "complex64", "(1+2j):c64[]"),
        (2j, "complex64", "2j:c64[]"),
    ],
)
def test_literals(value, dtype, text):
    assert format_literal(literal(value, np.dtype(dtype))) == text


class Mode(enum.Enum):
    CLIP = 1


class Numbers(NamedTuple):
    offset: tuple[int, ...]
    flag: bool


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1.0"),
        (True, "True"),
        (None, "None"),
        ("relu", "relu"),
        ("<lambda>", "<lambda>"),
        ("two words", '"two words"'),
        ("None", '"None"'),
        ("float32", '"float32"'),
        ("", '""'),
        ('"\n', '"\\"\\n"'),
        (np.dtype("float32"), "float32"),
        (np.int8, "int8"),
        ((), "()"),
        ((1,), "(1,)"),
        (((0, 1), [2]), "((0, 1), [2])"),
        (float("nan"), "nan"),
        (Mode.CLIP, "Mode.CLIP"),
        (Numbers((1,), False), "Numbers(offset=(1,), flag=False)"),
        (len, "<function len>"),
        (np.ones(2), "<array float64 (2,)>"),
    ],
)
def test_params(value, text):
    assert format_param(value) == text


def test_declared_strings_need_no_quotes():
    assert format_param("bool", str) == "bool"
    assert format_param("two words", str) == '"two words"'


def test_source_column_names_file_line_and_function():
    def model(a):
        b = p.neg(a)
        return [p.add(b, b)]

    text = print_jaxpr(trace(model, (2,)), source=True)
    first = model.__code__.co_firstlineno
    lines = text.splitlines()
    assert lines[1].endswith(f"# test_printer.py:{first + 1} in model")
    assert lines[2].endswith(f"# test_printer.py:{first + 2} in model")
    assert lines[1].index("#") == lines[2].index("#")


def test_custom_comment():
    text = print_jaxpr(trace(lambda a: [p.neg(a)], ()), custom=lambda eqn: f"{eqn.primitive.name}\nhere")
    assert "b:f32[] = neg a  # neg here\n" in text


def test_constants_are_listed_in_the_order_of_the_text():
    one, two = wrap(np.array([1.0], np.float32)), wrap(np.array([2.0], np.float32))
    body = trace(lambda a: [p.add(a, two)], (1,))
    closed = trace(
        lambda a: bind("jit", *bind("jit", p.mul(a, one), jaxpr=body, name="f"), jaxpr=body, name="f"), (1,)
    )
    assert [id(x) for x in constants_of(closed)] == [id(one), id(two)]


def test_printing_is_linear_in_the_program():
    def f(a):
        for _ in range(20_000):
            a = p.neg(a)
        return [a]

    assert len(str(trace(f, ())).splitlines()) == 20_002
