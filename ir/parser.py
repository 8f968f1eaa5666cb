"""Parser: text to program.

In: what the printer writes. Out: a type-checked `ClosedJaxpr` that computes the same numbers. A tokenizer (one
regular expression) and recursive descent over

    program  = { lambda binder* ; binder* . let equation* in ( atom,* ) }
    binder   = name : type                                   type = f32[3,4]
    equation = [binder* =] primitive [[ param* ]] atom*      separated by `;` or by starting a line
    atom     = name | number : type                          param = name = value
    value    = number | word | "string" | dtype | (value,*) | [value,*] | program | Enum.MEMBER | Record(param,*)

Text is data: nothing is evaluated, primitives come from the registry, enums and records from the declared
types of the params. Hostile text gets a `JaxprSyntaxError` with line and column, or a `JaxprTypeError`; sizes,
nesting and the number of equations are limited. Weak types have no notation: inputs and literals are
strong, and the rest follows from the primitives. Comments run from `#` to the end of the line.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import ml_dtypes
import numpy as np

from ..dtypes import float0, short_name
from ..errors import JaxprSyntaxError, JaxprTypeError
from .avals import ShapedArray
from .check import check_call, check_jaxpr, effects_of_equation
from .jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from .primitive import Primitive, all_primitives, lookup
from .printer import dtype_name

__all__ = ["parse"]

MAX_BYTES = 1 << 24
MAX_DEPTH = 48
MAX_EQUATIONS = 500_000
MAX_NUMBER = 400  # characters of a number
MAX_STRING = 1 << 16  # characters of a string or word
MAX_RANK = 64  # NumPy's limit
MAX_DIMENSION = (1 << 63) - 1

_NUMBER = r"[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|inf|nan)"
_TOKEN = re.compile(
    rf"""(?P<space>(?:[ \t\r\n]|\#[^\n]*)+)
    |(?P<complex>\({_NUMBER}[-+](?:[\d.eE]|(?<=[eE])[-+]|inf|nan)+j\)|{_NUMBER}j\b)
    |(?P<number>{_NUMBER}(?![\w.]))
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<angle><[^<>\n]*>)
    |(?P<sign>[{{}}()\[\];:,=.])""",
    re.VERBOSE | re.ASCII,
)
_BRACKETS = {"}": "{", ")": "(", "]": "["}


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int
    indent: int  # of the first token of a line; -1 for others


def parse(text: str, consts: Sequence[Any] = ()) -> ClosedJaxpr:
    """The program that `text` describes.

    Args:
        text: as written by `print_jaxpr` (with or without source comments).
        consts: values of the constvars, in the order in which they appear in the text (those of a repeated
            sub-Jaxpr once): `printer.constants_of(closed)`.

    Returns:
        The program, type-checked. `str(parse(str(j), constants_of(j))) == str(j)`.

    Raises:
        JaxprSyntaxError: the text is not a program, is too large, or names an unknown primitive.
        JaxprTypeError: it is one, but ill-typed; or the constants do not fit its constvars.

    Example:
        >>> parse("{ lambda ; a:f32[]. let b:f32[] = mul a 2.0:f32[] in (b,) }")
        { lambda ; a:f32[]. let b:f32[] = mul a 2.0:f32[] in (b,) }
    """
    if not isinstance(text, str):
        raise TypeError(f"parse takes text, got {type(text).__name__}")
    parser = _Parser(text, consts)
    with np.errstate(all="ignore"):
        closed = parser.program()
    parser.expect_end()
    check_jaxpr(closed)
    return closed


@functools.cache
def _dtypes() -> tuple[dict[str, np.dtype[Any]], dict[str, np.dtype[Any]]]:
    """Dtypes by their short name (`f32`) and by their full name (`float32`)."""
    names = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
    known = [np.dtype(name) for name in names.split()]
    extended = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "int4", "uint4")
    known += [np.dtype(getattr(ml_dtypes, name)) for name in extended if hasattr(ml_dtypes, name)]
    known.append(float0)
    return {short_name(dtype): dtype for dtype in known}, {dtype_name(dtype): dtype for dtype in known}


def _named_types(declared: Any, found: dict[str, type]) -> None:
    for item in declared if isinstance(declared, tuple) else getattr(declared, "__args__", (declared,)):
        is_record = isinstance(item, type) and (dataclasses.is_dataclass(item) or hasattr(item, "_fields"))
        if is_record or (isinstance(item, type) and issubclass(item, enum.Enum)):
            found[item.__name__] = item


class _Parser:
    def __init__(self, text: str, consts: Sequence[Any]) -> None:
        self.text = text
        if len(text) > MAX_BYTES:
            raise JaxprSyntaxError(f"the text has {len(text)} characters, the limit is {MAX_BYTES}")
        self.tokens = list(self._tokenize())
        self.closing = self._match_brackets()
        self.at = 0
        self.equations = 0
        self.consts = list(consts)
        self.consts_used = 0
        self.bodies: dict[tuple[str, ...], ClosedJaxpr] = {}  # repeated text is a shared body

    # tokens

    def _tokenize(self) -> Iterator[_Token]:
        text, offset, indent = self.text, 0, 0
        while offset < len(text):
            match = _TOKEN.match(text, offset)
            if match is None:
                raise self._error_at(f"unexpected character {text[offset]!r}", offset)
            kind, found = str(match.lastgroup), match.group()
            if kind == "space":
                newline = found.rfind("\n")
                if newline >= 0:
                    indent = len(found) - newline - 1
            else:
                limit = MAX_NUMBER if kind in ("number", "complex") else MAX_STRING
                if len(found) > limit:
                    raise self._error_at(f"a {kind} of {len(found)} characters, the limit is {limit}", offset)
                yield _Token(kind, found, offset, indent)
                indent = -1
            offset = match.end()

    def _match_brackets(self) -> dict[int, int]:
        """Where each opening bracket is closed."""
        closing: dict[int, int] = {}
        open_: list[int] = []
        for index, token in enumerate(self.tokens):
            if token.kind != "sign":
                continue
            if token.text in "{([":
                if len(open_) >= MAX_DEPTH:
                    raise self._error_at(f"nested more than {MAX_DEPTH} deep", token.offset)
                open_.append(index)
            elif token.text in _BRACKETS:
                if not open_ or self.tokens[open_[-1]].text != _BRACKETS[token.text]:
                    raise self._error_at(f"{token.text!r} closes nothing", token.offset)
                closing[open_.pop()] = index
        if open_:
            raise self._error_at(f"{self.tokens[open_[-1]].text!r} is never closed", self.tokens[open_[-1]].offset)
        return closing

    def _error_at(self, message: str, offset: int) -> JaxprSyntaxError:
        line = self.text.count("\n", 0, offset) + 1
        return JaxprSyntaxError(message, line, offset - self.text.rfind("\n", 0, offset))

    def fail(self, message: str, token: _Token | None = None) -> NoReturn:
        if token is None:
            token = self.peek()
        raise self._error_at(message, token.offset) from None

    def peek(self, ahead: int = 0) -> _Token:
        index = self.at + ahead
        if index < len(self.tokens):
            return self.tokens[index]
        return _Token("end", "the end of the text", len(self.text), 0)

    def next(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def take(self, text: str) -> bool:
        """Step over `text` if it comes next."""
        token = self.peek()
        if token.text == text and token.kind in ("sign", "word"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            self.fail(f"expected {text!r}, found {self.peek().text[:40]!r}")

    def expect_word(self, what: str) -> _Token:
        token = self.next()
        if token.kind != "word":
            self.fail(f"expected {what}, found {token.text[:40]!r}", token)
        return token

    def expect_end(self) -> None:
        if self.peek().kind != "end":
            self.fail(f"expected the end of the text, found {self.peek().text[:40]!r}")
        if self.consts_used != len(self.consts):
            raise JaxprTypeError(
                f"the program has {self.consts_used} constvars, but {len(self.consts)} constants were given"
            )

    # programs

    def program(self) -> ClosedJaxpr:
        start = self.at
        if self.peek().text != "{" or self.peek().kind != "sign":
            self.fail(f"expected '{{', found {self.peek().text[:40]!r}")
        if start == 0:
            return self._new_program()
        end = self.closing[start] + 1
        key = tuple(token.text for token in self.tokens[start:end])
        if key in self.bodies:
            self.at = end
            return self.bodies[key]
        closed = self.bodies[key] = self._new_program()
        return closed

    def _new_program(self) -> ClosedJaxpr:
        scope: dict[str, Var] = {}
        self.expect("{")
        self.expect("lambda")
        constvars = self.binders(scope, ";")
        consts = self.consts[self.consts_used : self.consts_used + len(constvars)]
        self.consts_used += len(constvars)
        if len(consts) < len(constvars):
            raise JaxprTypeError(
                f"the program has {self.consts_used} constvars or more, but {len(self.consts)} constants were given: "
                "parse(text, consts)"
            )
        invars = self.binders(scope, ".")
        self.expect("let")
        eqns = []
        while not self.take("in"):
            eqns.append(self.equation(scope))
            self.take(";")
        outvars = self.sequence("(", ")", lambda: self.atom(scope))
        self.expect("}")
        return ClosedJaxpr(Jaxpr(constvars, invars, eqns, outvars), consts)

    def binders(self, scope: dict[str, Var], end: str) -> list[Var]:
        variables = []
        while not self.take(end):
            token, aval = self.binder()
            variables.append(self.define(scope, token, aval))
        return variables

    def binder(self) -> tuple[_Token, ShapedArray]:
        token = self.expect_word("a variable")
        self.expect(":")
        return token, self.aval()

    def define(self, scope: dict[str, Var], token: _Token, aval: ShapedArray) -> Var:
        if token.text in scope:
            self.fail(f"variable {token.text!r} is defined twice", token)
        var = Var(aval)
        if token.text != "_":
            scope[token.text] = var
        return var

    def aval(self) -> ShapedArray:
        token = self.expect_word("a type such as f32[3]")
        dtype = _dtypes()[0].get(token.text)
        if dtype is None:
            self.fail(f"unknown element type {token.text[:40]!r}", token)
        shape = self.sequence("[", "]", self.dimension)
        if len(shape) > MAX_RANK:
            self.fail(f"{len(shape)} axes, the limit is {MAX_RANK}", token)
        return ShapedArray(tuple(shape), dtype)

    def dimension(self) -> int:
        token = self.next()
        if token.kind != "number" or not token.text.isdigit() or int(token.text) > MAX_DIMENSION:
            self.fail(f"expected the length of an axis, found {token.text[:40]!r}", token)
        return int(token.text)

    def sequence(self, start: str, end: str, item: Callable[[], Any], optional_commas: bool = False) -> list[Any]:
        self.expect(start)
        items: list[Any] = []
        while not self.take(end):
            items.append(item())
            if not self.take(",") and not optional_commas:
                self.expect(end)
                break
        return items

    # equations

    def equation(self, scope: dict[str, Var]) -> Eqn:
        first = self.peek()
        self.equations += 1
        if self.equations > MAX_EQUATIONS:
            self.fail(f"more than {MAX_EQUATIONS} equations")
        binders = []
        while self.peek(1).text == ":" and self.peek().kind == "word":
            binders.append(self.binder())
        if binders:
            self.expect("=")
        name = self.expect_word("a primitive")
        try:
            primitive = lookup(name.text)
        except KeyError:
            self.fail(f"unknown primitive {name.text[:40]!r}", name)
        params = self.params(primitive) if self.peek().text == "[" else {}
        invars: list[Atom] = []
        while not self._equation_ends(first):
            invars.append(self.atom(scope))
        return self._typed(primitive, params, invars, binders, scope, name)

    def _equation_ends(self, first: _Token) -> bool:
        token = self.peek()
        starts_line = token.indent >= 0 and token is not first
        return (
            token.text in (";", "in", "}")
            or token.kind == "end"
            or (starts_line and first.indent >= 0 and token.indent <= first.indent)
        )

    def _typed(
        self,
        primitive: Primitive,
        params: dict[str, Any],
        invars: list[Atom],
        binders: list[tuple[_Token, ShapedArray]],
        scope: dict[str, Var],
        name: _Token,
    ) -> Eqn:
        """The equation with the types that its primitive gives, which must be those written."""
        wrong = check_call(primitive, len(invars), params)
        if wrong:
            raise self._type_error(wrong, name)
        try:
            out = primitive.abstract(*(x.aval for x in invars), **params)
            avals = out if primitive.multiple_results else (out,)
            effects = effects_of_equation(primitive, params)
        except Exception as error:  # rules may fail in any way on operands they were not made for
            raise self._type_error(f"{primitive.name} does not accept these operands: {error}", name) from error
        if len(avals) != len(binders):
            raise self._type_error(f"{primitive.name} has {len(avals)} results, {len(binders)} are named", name)
        outvars = []
        for (token, written), aval in zip(binders, avals, strict=True):
            if (aval.shape, aval.dtype) != (written.shape, written.dtype):
                raise self._type_error(f"the result is {aval.str_short()}, not {written.str_short()}", token)
            outvars.append(self.define(scope, token, aval))
        return Eqn(primitive, invars, outvars, params, None, effects)

    def _type_error(self, message: str, token: _Token) -> JaxprTypeError:
        place = self._error_at(message, token.offset)
        return JaxprTypeError(str(place))

    def atom(self, scope: dict[str, Var]) -> Atom:
        token = self.next()
        if token.kind in ("number", "complex") or token.text in ("True", "False", "nan", "inf"):
            self.expect(":")
            aval = self.aval()
            if aval.shape:
                self.fail("a literal is a scalar: arrays are constvars", token)
            return Literal(self.scalar(token, aval.dtype), aval)
        found = scope.get(token.text)
        if found is None:
            self.fail(f"expected a variable defined before or a literal, found {token.text[:40]!r}", token)
        return found

    def scalar(self, token: _Token, dtype: np.dtype[Any]) -> Any:
        text = token.text
        value: Any
        try:
            if dtype == np.bool_:
                value = {"True": True, "False": False}[text]
            elif text in ("True", "False"):
                raise ValueError
            elif dtype == float0:
                return np.zeros((), float0)[()]
            elif dtype.kind in "iu" or dtype.name in ("int4", "uint4"):
                value = int(text)
            else:
                value = complex(text) if dtype.kind == "c" else float(text)
            return dtype.type(value)
        except (ValueError, KeyError, OverflowError, TypeError):
            self.fail(f"{text[:40]!r} is not a {dtype.name}", token)

    # parameters

    def params(self, primitive: Primitive) -> dict[str, Any]:
        params: dict[str, Any] = {}
        self.expect("[")
        while not self.take("]"):
            name = self.expect_word("the name of a parameter")
            if name.text in params:
                self.fail(f"parameter {name.text!r} is given twice", name)
            self.expect("=")
            params[name.text] = self.value(primitive.params.get(name.text, object))
        return params

    def value(self, declared: Any) -> Any:
        token = self.peek()
        if token.kind == "sign":
            if token.text == "{":
                return self.program()
            if token.text == "(":
                bodies = self.peek(1).text == "{" and self.peek(1).kind == "sign"
                return tuple(self.sequence("(", ")", lambda: self.value(object), optional_commas=bodies))
            if token.text == "[":
                return self.sequence("[", "]", lambda: self.value(object))
            self.fail(f"expected a value, found {token.text!r}")
        self.at += 1
        if token.kind == "number":
            return self._number(token)
        if token.kind == "complex":
            return self._complex(token)
        if token.kind == "string":
            return self._string(token)
        if token.kind == "angle":
            if not re.fullmatch(r"<\w+>", token.text):
                self.fail(f"{token.text[:40]} stands for a value that has no text", token)
            return token.text
        if token.kind == "word":
            return token.text if declared is str else self._word(token)
        self.fail(f"expected a value, found {token.text[:40]!r}", token)

    def _number(self, token: _Token) -> int | float:
        text = token.text
        return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)

    def _complex(self, token: _Token) -> complex:
        try:
            return complex(token.text)
        except ValueError:
            self.fail(f"{token.text[:40]!r} is not a number", token)

    def _string(self, token: _Token) -> str:
        try:
            return str(json.loads(token.text))
        except ValueError:
            self.fail("not a string: escapes are those of JSON", token)

    def _word(self, token: _Token) -> Any:
        text = token.text
        constants = {"True": True, "False": False, "None": None, "nan": float("nan"), "inf": float("inf")}
        if text in constants:
            return constants[text]
        if text in _dtypes()[1]:
            return _dtypes()[1][text]
        head, dot, member = text.partition(".")
        following = self.peek()
        if not dot and not (following.text == "(" and following.offset == token.offset + len(text)):
            return text
        found: dict[str, type] = {}
        for primitive in all_primitives():
            for declared in primitive.params.values():
                _named_types(declared, found)
        kind = found.get(head)
        if kind is None:
            self.fail(f"{head[:40]!r} is not a type that a primitive declares for a parameter", token)
        if dot:
            if not issubclass(kind, enum.Enum) or member not in kind.__members__:
                self.fail(f"{head} has no member {member[:40]!r}", token)
            return kind[member]
        return self._record(kind, token)

    def _record(self, kind: type, token: _Token) -> Any:
        fields = dict(self.sequence("(", ")", self._field))
        try:
            return kind(**fields)
        except Exception as error:  # a record may validate its fields in any way
            self.fail(f"not a {kind.__name__}: {error}", token)

    def _field(self) -> tuple[str, Any]:
        name = self.expect_word("the name of a field")
        self.expect("=")
        return name.text, self.value(object)
