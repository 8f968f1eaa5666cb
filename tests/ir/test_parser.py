"""The parser: reads what the printer writes; refuses everything else with a place and a reason."""

from __future__ import annotations

import contextlib
import enum
import string
from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import minijax.ir as ir
from minijax.array import wrap
from minijax.errors import JaxprSyntaxError, JaxprTypeError
from minijax.interpreters.eval import eval_closed
from minijax.ir import parser
from minijax.ir.parser import parse
from minijax.ir.printer import constants_of, print_jaxpr
from tests.ir.random_jaxprs import Program, bits, programs

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True)


@SETTINGS
@given(programs())
def test_parsed_program_prints_and_computes_the_same(program: Program):
    text = str(program.closed)
    parsed = parse(text, constants_of(program.closed))
    assert str(parsed) == text
    assert bits(program.run(parsed)) == bits(program.run())


@SETTINGS
@given(programs(max_equations=6))
def test_comments_are_skipped(program: Program):
    text = print_jaxpr(program.closed, source=True)
    assert str(parse(text, constants_of(program.closed))) == str(program.closed)


@SETTINGS
@given(programs(max_equations=6), st.data())
def test_mutated_text_never_fails_in_another_way(program: Program, data):
    text = str(program.closed)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 6)))
        piece = data.draw(
            st.one_of(
                st.text(string.printable, max_size=4),
                st.sampled_from(
                    ["{ lambda ; . let  in () }", "(", "[", "inf", "1e999", "a", "jit", "guard", "0", "-1", "<f>"]
                ),
                st.integers(0, len(text)).map(lambda i: text[i : i + 8]),
            )
        )
        text = text[:start] + piece + text[stop:]
    with contextlib.suppress(JaxprSyntaxError, JaxprTypeError):
        parse(text, constants_of(program.closed))


@SETTINGS
@given(st.text(max_size=60))
def test_arbitrary_text_never_fails_in_another_way(text: str):
    with pytest.raises((JaxprSyntaxError, JaxprTypeError)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected '{'"),
        ("{ lambda ; a:f32[]. let\n  b:f32[] = nope a in (b,) }", 2, 13, "unknown primitive 'nope'"),
        ("{ lambda ; a:f32[]. let\n  b:f32[] = neg c in (b,) }", 2, 17, "defined before"),
        ("{ lambda ; a:f32[] a:f32[]. let  in (a,) }", 1, 20, "defined twice"),
        ("{ lambda ; a:f33[]. let  in (a,) }", 1, 14, "unknown element type 'f33'"),
        ("{ lambda ; a:f32[-1]. let  in (a,) }", 1, 18, "length of an axis"),
        ("{ lambda ; a:f32[]. let  in (a, }", 1, 33, "closes nothing"),
        ("{ lambda ; a:f32[]. let  in (a,) } x", 1, 36, "end of the text"),
        ("{ lambda ; a:f32[]. let b:f32[] = add a 1.5:i32[] in (b,) }", 1, 41, "not a int32"),
        ("{ lambda ; a:f32[]. let b:f32[] = add a 1.5:f32[1] in (b,) }", 1, 41, "scalar"),
        ("{ lambda ; . let b:u8[] = neg 256:u8[] in (b,) }", 1, 31, "not a uint8"),
        ("{ lambda ; a:f32[]. let b:f32[] = integer_pow[y=<function f>] a in (b,) }", 1, 49, "no text"),
        ("{ lambda ; a:f32[]. let b:f32[] = integer_pow[y=os.system] a in (b,) }", 1, 49, "not a type"),
        ("{ lambda ; a:f32[]. let b:f32[] = integer_pow[y=1 y=2] a in (b,) }", 1, 51, "given twice"),
        ("{ lambda ; a:f32[]. let $", 1, 25, "unexpected character"),
    ],
)
def test_syntax_errors_say_where(text, line, column, message):
    with pytest.raises(JaxprSyntaxError, match=message) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ lambda ; a:f32[2]. let b:f32[3] = neg a in (b,) }", r"result is f32\[2\], not f32\[3\]"),
        ("{ lambda ; a:f32[2] b:f32[3]. let c:f32[3] = add a b in (c,) }", "incompatible shapes"),
        ("{ lambda ; a:f32[2]. let b:f32[2] = neg a a in (b,) }", "does not accept"),
        ("{ lambda ; a:f32[2]. let b:f32[2] c:f32[2] = neg a in (b,) }", "1 results, 2 are named"),
        ("{ lambda ; a:f32[2]. let b:f32[2] = neg[axis=1] a in (b,) }", "no parameter 'axis'"),
        ("{ lambda ; a:f32[2]. let b:f32[2] = integer_pow[y=1.5] a in (b,) }", "not a"),
        ("{ lambda ; a:f32[2]. let b:f32[2] = integer_pow a in (b,) }", "does not accept"),
        ("{ lambda a:f32[2]; . let  in (a,) }", "constants were given"),
        (
            "{ lambda ; a:f32[]. let b:f32[] = jit[jaxpr={ lambda ; . let  in (1.0:f32[],) } name=f] a in (b,) }",
            "body takes",
        ),
    ],
)
def test_type_errors(text, message):
    with pytest.raises(JaxprTypeError, match=message):
        parse(text)


def test_constants_must_fit():
    text = "{ lambda a:f32[2]; . let  in (a,) }"
    value = wrap(np.ones(2, np.float32))
    assert parse(text, [value]).consts == (value,)
    with pytest.raises(JaxprTypeError, match="1 constvars, but 2"):
        parse(text, [value, value])
    with pytest.raises(JaxprTypeError, match=r"its constant is f32\[3\]"):
        parse(text, [wrap(np.ones(3, np.float32))])


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4028235e38, np.inf, np.nan, 1 / 3])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_literals_round_trip_exactly(value, dtype):
    dtype = ir.parser._dtypes()[1][dtype] if hasattr(ir, "parser") else parser._dtypes()[1][dtype]
    with np.errstate(all="ignore"):
        scalar = dtype.type(value)
    aval = ir.ShapedArray((), dtype)
    jaxpr = ir.Jaxpr([], [], [], [ir.Literal(scalar, aval)])
    (out,) = parse(str(jaxpr)).jaxpr.outvars
    assert out.aval is aval
    assert np.asarray(out.value).tobytes() == np.asarray(scalar).tobytes() or (
        np.isnan(value) and np.isnan(out.value)
    )


class Mode(enum.Enum):
    CLIP = 1
    FILL = 2


class Numbers(NamedTuple):
    offset: tuple[int, ...]
    flag: bool


def test_params_of_every_kind_round_trip():
    held = {}

    def abstract(x, **params):
        held.update(params)
        return x

    values = {
        "mode": Mode.FILL,
        "numbers": Numbers((1, 2), True),
        "axes": (0,),
        "pairs": ((1, 2), [3.5, -1.0]),
        "eps": 1e-6,
        "z": 1 - 2j,
        "dtype": np.dtype("float32"),
        "text": 'a "quoted" \\ line\n# not a comment',
        "name": "True",
        "nothing": None,
        "flag": False,
        "infinite": -float("inf"),
    }
    types = {name: type(value) for name, value in values.items()}
    types.update(dtype=np.dtype, nothing=object)
    echo = ir.Primitive("parser_test_echo", ir.Kind.UNARY, abstract=abstract, evaluate=lambda x, **_: x, params=types)
    try:
        aval = ir.ShapedArray((), np.dtype("float32"))
        a, b = ir.Var(aval), ir.Var(aval)
        text = str(ir.Jaxpr([], [a], [ir.Eqn(echo, [a], [b], values, None)], [b]))
        held.clear()
        eqn = parse(text).eqns[0]
        assert eqn.params == values
        assert all(type(eqn.params[name]) is type(value) for name, value in values.items() if name != "dtype")
    finally:
        ir.primitive._registry.pop("parser_test_echo")


def test_repeated_text_is_a_shared_body():
    call = "jit[name=f jaxpr={ lambda ; c:f32[]. let d:f32[] = neg c in (d,) }]"
    closed = parse(f"{{ lambda ; a:f32[]. let\n  b:f32[] = {call} a\n  e:f32[] = {call} b\n  in (e,) }}")
    assert closed.eqns[0].params["jaxpr"] is closed.eqns[1].params["jaxpr"]
    assert float(eval_closed(closed, wrap(np.float32(2)))[0]) == 2.0


def test_limits(monkeypatch):
    with pytest.raises(JaxprSyntaxError, match="nested more than"):
        parse("{ lambda ; a:f32[]. let b:f32[] = integer_pow[y=" + "(" * 200 + ")" * 200 + "] a in (b,) }")
    with pytest.raises(JaxprSyntaxError, match="a number of 10000 characters"):
        parse("{ lambda ; . let  in (" + "1" * 10_000 + ":i32[],) }")
    with pytest.raises(JaxprSyntaxError, match="the limit is 64"):
        parse("{ lambda ; a:f32[" + "1," * 70 + "1]. let  in () }")
    with pytest.raises(JaxprSyntaxError, match="length of an axis"):
        parse("{ lambda ; a:f32[99999999999999999999]. let  in () }")
    monkeypatch.setattr(parser, "MAX_BYTES", 30)
    with pytest.raises(JaxprSyntaxError, match="the limit is 30"):
        parse("{ lambda ; a:f32[]. let  in (a,) }")


def test_number_of_equations_is_limited(monkeypatch):
    monkeypatch.setattr(parser, "MAX_EQUATIONS", 3)
    with pytest.raises(JaxprSyntaxError, match="more than 3 equations"):
        parse("{ lambda ; a:f32[]. let " + "_:f32[] = neg a; " * 4 + " in () }")


def test_text_must_be_text():
    with pytest.raises(TypeError, match="takes text"):
        parse(b"{ lambda ; . let  in () }")
