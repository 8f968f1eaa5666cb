"""Printer: a Jaxpr as text, in JAX's notation.

In: a Jaxpr. Out: text that `parser.parse` reads back. A Jaxpr goes on one line when it fits; otherwise each
equation gets a line, and an equation that does not fit puts each parameter on a line (the greedy layout of
Lindig 2000, "Strictly pretty", without its document algebra: three levels are all there is).

    { lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b 2.0:f32[] in (c,) }

Names are given by position, so that equal programs print equally. Weak types are not shown. A variable that
nothing reads prints as `_`; a sub-Jaxpr that several equations share is printed in full each time, with the
same names. Constants appear as constvars, before the `;`: `constants_of` lists their values.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..dtypes import float0
from .jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from .primitive import Primitive

__all__ = [
    "constants_of",
    "dtype_name",
    "equation_lines",
    "format_literal",
    "format_param",
    "names_of",
    "print_jaxpr",
    "variable_name",
]

_WIDTH = 80  # of a line, its indentation not counted
_COMMENT_COLUMN = 72  # comments are aligned, but not further to the right than this
_RESERVED = frozenset({"in", "let", "lambda", "nan", "inf"})
_BARE = re.compile(r"[A-Za-z_]\w*|<[A-Za-z_]\w*>", re.ASCII)
_WORDS = frozenset({"True", "False", "None", "nan", "inf"})

Program = Jaxpr | ClosedJaxpr


def print_jaxpr(program: Program, *, source: bool = False, custom: Callable[[Eqn], str | None] | None = None) -> str:
    """The text of a program.

    Args:
        program: a Jaxpr, closed or not (the text is the same).
        source: add a comment to each equation that says where it came from: `# model.py:12 in f`.
        custom: text of the comment, from the equation; in place of the source.

    Returns:
        The text; `parser.parse` reads it.

    Example:
        >>> import minijax, minijax.numpy as mnp
        >>> print_jaxpr(minijax.make_jaxpr(mnp.sin)(1.0))
        '{ lambda ; a:f32[]. let b:f32[] = sin a in (b,) }'
    """
    comment = custom if custom is not None else _source_comment if source else None
    printer = _Printer(comment)
    printer.give_names(program)
    return printer.jaxpr(program, 0, 0)


def equation_lines(program: Program, start: int, stop: int) -> list[str]:
    """The texts of the equations `start` to `stop` (not included), named as in the text of the whole program."""
    printer = _Printer(None)
    printer.give_names(program)
    names = printer.names[id(program)]
    return [printer.equation(eqn, names, 4) for eqn in _open(program).eqns[start:stop]]


def constants_of(closed: ClosedJaxpr) -> list[Any]:
    """The values of all constvars, in the order in which the text shows them: what `parse` wants as `consts`."""
    values: list[Any] = []
    seen: set[int] = set()

    def visit(program: Program) -> None:
        if id(program) in seen:
            return
        seen.add(id(program))
        values.extend(program.consts if isinstance(program, ClosedJaxpr) else ())
        for eqn in _open(program).eqns:
            for body in _bodies(eqn):
                visit(body)

    visit(closed)
    return values


def names_of(program: Program) -> dict[Atom, str]:
    """The names that `print_jaxpr` gives to the variables of a program and of its bodies."""
    printer = _Printer(None)
    printer.give_names(program)
    return {var: name for names in printer.names.values() for var, name in names.items()}


def variable_name(index: int) -> str:
    """a, b, ..., z, ba, bb, ...: the number `index` in base 26, as JAX names variables."""
    name = ""
    while True:
        index, digit = divmod(index, 26)
        name = chr(ord("a") + digit) + name
        if index == 0:
            return name


def format_literal(literal: Literal) -> str:
    """`2.0:f32[]`: the shortest text from which the dtype reads the same value back."""
    return f"{_number(literal.value)}:{literal.aval.str_short()}"


def _number(value: Any) -> str:
    dtype = np.dtype(type(value)) if not isinstance(value, (np.generic, np.ndarray)) else value.dtype
    kind = dtype.kind
    if kind == "b":
        return str(bool(value))
    if kind in "iu":
        return str(int(value))
    if kind == "c":
        return repr(complex(value))
    try:
        exact = float(value)
    except (TypeError, ValueError):  # float0 and other dtypes without numbers
        return "0"
    short = str(value)
    if "." not in short and "e" not in short and exact - exact == 0:
        short += ".0"
    try:
        same = dtype.type(float(short)) == value
    except ValueError:
        same = False
    return short if same else repr(exact)


def format_param(value: Any, declared: Any = object, body: Callable[[Any], str] | None = None) -> str:
    """The text of a parameter.

    Args:
        value: what the equation holds.
        declared: its type in `Primitive.params`; a parameter declared `str` needs no quotes.
        body: prints a Jaxpr (default: on one line).

    Returns:
        Text that reads back as an equal value. What has no such text (functions, arrays) is shown as
        `<function name>`, which the parser refuses.
    """
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, (bool, np.bool_)):
        return str(value)
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, (complex, np.complexfloating)):
        return repr(complex(value))
    if isinstance(value, str):
        return _string(value, declared)
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        return body(value) if body is not None else print_jaxpr(value)
    if isinstance(value, np.dtype):
        return dtype_name(value)
    if isinstance(value, type) and issubclass(value, np.generic):
        return dtype_name(np.dtype(value))
    if isinstance(value, (tuple, list)) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return _sequence(value, body)
    return _opaque(value)


def dtype_name(dtype: np.dtype[Any]) -> str:
    """`float32`; `float0` for the dtype that NumPy calls void."""
    return "float0" if dtype == float0 else dtype.name


def _string(value: str, declared: Any) -> str:
    if _BARE.fullmatch(value) and (declared is str or not (value in _WORDS or _is_dtype_name(value))):
        return value
    return json.dumps(value)


def _is_dtype_name(word: str) -> bool:
    if word.startswith(("float", "bfloat")):
        return True
    try:
        return np.dtype(word).name == word
    except TypeError:
        return False


def _sequence(value: Any, body: Callable[[Any], str] | None) -> str:
    if dataclasses.is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif hasattr(value, "_fields"):
        named = value._asdict()
    else:
        items = [format_param(item, body=body) for item in value]
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        if items and all(isinstance(item, (Jaxpr, ClosedJaxpr)) for item in value):
            return f"({' '.join(items)})"
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    fields = ", ".join(f"{name}={format_param(item, body=body)}" for name, item in named.items())
    return f"{type(value).__name__}({fields})"


def _opaque(value: Any) -> str:
    if isinstance(value, Primitive):
        return f"<primitive {value.name}>"
    if callable(value):
        return f"<function {getattr(value, '__name__', type(value).__name__)}>"
    if isinstance(value, np.ndarray) or hasattr(value, "aval"):
        return f"<array {value.dtype.name} {value.shape}>"
    return f"<{type(value).__name__} object>"


def _source_comment(eqn: Eqn) -> str | None:
    if eqn.source is None:
        return None
    place = eqn.source.short()
    return place if eqn.source.origin is None else f"{place} ({eqn.source.origin})"


def _open(program: Program) -> Jaxpr:
    return program.jaxpr if isinstance(program, ClosedJaxpr) else program


def _sorted_params(eqn: Eqn) -> list[tuple[str, Any]]:
    """By name; `name` itself comes first, since it says what a long body is."""
    return sorted(eqn.params.items(), key=lambda item: (item[0] != "name", item[0]))


def _bodies(eqn: Eqn) -> Iterator[Program]:
    """Sub-Jaxprs in the order in which they are printed."""
    for _, value in _sorted_params(eqn):
        yield from _bodies_in(value)


def _bodies_in(value: Any) -> Iterator[Program]:
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _bodies_in(item)


class _Printer:
    """Names of variables, by Jaxpr (a sub-Jaxpr is a scope of its own), and how to lay out what."""

    def __init__(self, comment: Callable[[Eqn], str | None] | None) -> None:
        self.comment = comment
        self.names: dict[int, dict[Atom, str]] = {}
        self._count = 0

    def give_names(self, program: Program) -> None:
        if id(program) in self.names:
            return
        jaxpr = _open(program)
        names: dict[Atom, str] = {}
        self.names[id(program)] = names
        used: set[Atom] = set(jaxpr.outvars)
        for eqn in jaxpr.eqns:
            used.update(eqn.invars)
        for var in (*jaxpr.constvars, *jaxpr.invars):
            names[var] = self._next_name()
        for eqn in jaxpr.eqns:
            for var in eqn.outvars:
                names[var] = self._next_name() if var in used else "_"
            if eqn.params:
                for body in _bodies(eqn):
                    self.give_names(body)

    def _next_name(self) -> str:
        name = variable_name(self._count)
        self._count += 1
        return self._next_name() if name in _RESERVED else name

    def jaxpr(self, program: Program, indent: int, used: int) -> str:
        """The text when the current line has `indent` spaces and `used` characters after them."""
        flat = self.flat_jaxpr(program)
        if flat is not None and used + len(flat) <= _WIDTH:
            return flat
        jaxpr, names = _open(program), self.names[id(program)]
        lines = [self._head(jaxpr, names, indent, used)]
        texts = [self.equation(eqn, names, indent + 4) for eqn in jaxpr.eqns]
        if self.comment is not None:
            texts = self._with_comments(jaxpr.eqns, texts, indent + 4)
        lines += [" " * (indent + 4) + text for text in texts]
        outs = [atom + "," for atom in self._atoms(jaxpr.outvars, names)]
        if len(outs) > 1:
            outs[-1] = outs[-1][:-1]
        results = _fill("in (", outs, 0, indent + 4)
        lines.append(" " * (indent + 2) + f"{results}) }}")
        return "\n".join(lines)

    def flat_jaxpr(self, program: Program) -> str | None:
        """The text on one line; None where it is hopeless to try, or where there are comments to place."""
        jaxpr, names = _open(program), self.names[id(program)]
        if 8 * len(jaxpr.eqns) > _WIDTH or (self.comment is not None and jaxpr.eqns):
            return None
        eqns = [self._flat_equation(eqn, names) for eqn in jaxpr.eqns]
        outs = self._atoms(jaxpr.outvars, names)
        results = f"({outs[0]},)" if len(outs) == 1 else f"({', '.join(outs)})"
        if any(text is None for text in eqns):
            return None
        body = "; ".join(text for text in eqns if text is not None)
        return f"{self._head(jaxpr, names, 0, None)} {body} in {results} }}"

    def _head(self, jaxpr: Jaxpr, names: dict[Atom, str], indent: int, used: int | None) -> str:
        constants, inputs = self._binders(jaxpr.constvars, names), self._binders(jaxpr.invars, names)
        if constants:
            constants[-1] += ";"
        items = [*(constants or [";"]), *inputs]
        if inputs:
            items[-1] += "."
        else:
            items.append(".")
        items.append("let")
        return "{ lambda " + " ".join(items) if used is None else _fill("{ lambda ", items, used, indent + 4)

    def equation(self, eqn: Eqn, names: dict[Atom, str], indent: int) -> str:
        """The text of an equation whose first line is indented by `indent` (not included)."""
        flat = self._flat_equation(eqn, names)
        if flat is not None and len(flat) <= _WIDTH:
            return flat
        head = _fill("", self._binders(eqn.outvars, names), 0, indent + 2) + " = " if eqn.outvars else ""
        head += eqn.primitive.name
        used = len(head.rpartition("\n")[2].lstrip()) if "\n" in head else len(head)
        params = self._params(eqn, self.flat_jaxpr)
        if params is None or used + len(params) > _WIDTH:
            params = "[\n" + "".join(
                " " * (indent + 2) + self._param(eqn, name, value, indent + 2) + "\n"
                for name, value in _sorted_params(eqn)
            )
            params += " " * indent + "]"
            used = 1
        else:
            used += len(params)
        operands = self._atoms(eqn.invars, names)
        return head + params + (_fill(" ", operands, used, indent + 2) if operands else "")

    def _flat_equation(self, eqn: Eqn, names: dict[Atom, str]) -> str | None:
        params = self._params(eqn, self.flat_jaxpr)
        if params is None:
            return None
        outs = " ".join(self._binders(eqn.outvars, names))
        call = " ".join([f"{eqn.primitive.name}{params}", *self._atoms(eqn.invars, names)])
        return f"{outs} = {call}" if outs else call

    def _params(self, eqn: Eqn, body: Callable[[Program], str | None]) -> str | None:
        """All parameters on one line, None if a body does not go on one."""
        if not eqn.params:
            return ""
        flat: list[str] = []
        texts = {id(item): body(item) for item in _bodies(eqn)}
        if any(text is None for text in texts.values()):
            return None
        for name, value in _sorted_params(eqn):
            declared = eqn.primitive.params.get(name, object)
            flat.append(f"{name}={format_param(value, declared, lambda item: texts[id(item)] or '')}")
        return f"[{' '.join(flat)}]"

    def _param(self, eqn: Eqn, name: str, value: Any, indent: int) -> str:
        if isinstance(value, tuple) and value and all(isinstance(item, (Jaxpr, ClosedJaxpr)) for item in value):
            inner = " " * (indent + 2)
            bodies = "".join(f"{inner}{self.jaxpr(item, indent + 2, 0)}\n" for item in value)
            return f"{name}=(\n{bodies}{' ' * indent})"
        declared = eqn.primitive.params.get(name, object)
        used = len(name) + 1
        return f"{name}={format_param(value, declared, lambda item: self.jaxpr(item, indent, used))}"

    def _binders(self, variables: Sequence[Var], names: dict[Atom, str]) -> list[str]:
        return [f"{self._name(var, names)}:{var.aval.str_short()}" for var in variables]

    def _atoms(self, atoms: Sequence[Atom], names: dict[Atom, str]) -> list[str]:
        return [format_literal(x) if type(x) is Literal else self._name(x, names) for x in atoms]

    def _name(self, var: Atom, names: dict[Atom, str]) -> str:
        found = names.get(var)
        if found is None:  # not in scope: the checker prints such programs
            found = names[var] = f"{self._next_name()}?"
        return found

    def _with_comments(self, eqns: Sequence[Eqn], texts: list[str], indent: int) -> list[str]:
        assert self.comment is not None
        parts = [text.partition("\n") for text in texts]
        column = min(max((len(first) for first, _, _ in parts), default=0), _COMMENT_COLUMN - indent)
        out = []
        for eqn, (first, newline, rest) in zip(eqns, parts, strict=True):
            remark = self.comment(eqn)
            if remark:
                first = f"{first.ljust(column)}  # {' '.join(remark.split())}"
            out.append(first + newline + rest)
        return out


def _fill(head: str, items: Sequence[str], used: int, indent: int) -> str:
    """`head` and the items, separated by blanks, broken where a line gets too long."""
    parts = [head]
    used += len(head)
    for number, item in enumerate(items):
        if number and used + 1 + len(item) > _WIDTH:
            parts.append("\n" + " " * indent + item)
            used = len(item)
        elif number:
            parts.append(" " + item)
            used += 1 + len(item)
        else:
            parts.append(item)
            used += len(item)
    return "".join(parts)
