"""Checker: is this program well formed?

In: a Jaxpr. Out: nothing, or a `JaxprTypeError` that shows the offending equation among its neighbours.
The rules are those of a simply typed language in A-normal form: every variable is defined once, before its
uses; every operand has the type that it was defined with; every result has the type that its
primitive's `abstract` gives (weak types included); effects are those of the primitive and of the bodies.
Interpreters and passes rely on all of it, and none checks it again.
"""

from __future__ import annotations

import functools
import inspect
import operator
import types
import typing
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import JaxprTypeError
from .avals import ShapedArray, aval_like
from .effects import NO_EFFECTS, Effect
from .jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, effects_of, sub_jaxprs
from .primitive import Kind, Primitive
from .printer import equation_lines

__all__ = ["accepts", "check_call", "check_jaxpr", "effects_of_equation"]

_NEIGHBOURS = 10
Program = Jaxpr | ClosedJaxpr


def check_jaxpr(program: Program) -> None:
    """Check a program and, recursively, its sub-Jaxprs.

    Args:
        program: a Jaxpr; if closed, the types of its constants are checked too.

    Raises:
        JaxprTypeError: what is wrong, and the equation with ten equations either side.

    Example:
        >>> import minijax, minijax.numpy as mnp
        >>> check_jaxpr(minijax.make_jaxpr(mnp.sin)(1.0))
    """
    _check(program, set())


def _check(program: Program, done: set[int]) -> None:
    if id(program) in done:  # shared bodies are checked once
        return
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    if isinstance(program, ClosedJaxpr):
        _check_constants(program)
    defined: set[Atom] = set()
    for var in (*jaxpr.constvars, *jaxpr.invars):
        _define(var, defined, program, None)
    for index, eqn in enumerate(jaxpr.eqns):
        for atom in eqn.invars:
            _check_operand(atom, defined, program, index)
        _check_equation(eqn, program, index)
        for _, body in sub_jaxprs(eqn) if eqn.params else ():
            _check(body, done)
        for var in eqn.outvars:
            _define(var, defined, program, index)
    for atom in jaxpr.outvars:
        _check_operand(atom, defined, program, None)
    found = effects_of(jaxpr.eqns)
    if jaxpr.effects != found:
        raise _error(
            f"the program says that its effects are {_names(jaxpr.effects)}, its equations' are {_names(found)}",
            program,
        )
    done.add(id(program))


def _check_constants(closed: ClosedJaxpr) -> None:
    variables, values = closed.jaxpr.constvars, closed.consts
    if len(variables) != len(values):
        raise _error(f"{len(variables)} constvars, but {len(values)} constants", closed)
    for number, (var, value) in enumerate(zip(variables, values, strict=True)):
        aval = aval_like(value)
        if (aval.shape, aval.dtype) != (var.aval.shape, var.aval.dtype):
            raise _error(f"constvar {number} is {var.aval.str_short()}, its constant is {aval.str_short()}", closed)


def _define(var: Any, defined: set[Atom], program: Program, index: int | None) -> None:
    if type(var) is not Var or not isinstance(var.aval, ShapedArray):
        raise _error(f"{var!r} is defined, but it is not a variable with a type", program, index)
    if var in defined:
        raise _error("a variable is defined twice", program, index)
    defined.add(var)


def _check_operand(atom: Any, defined: set[Atom], program: Program, index: int | None) -> None:
    if type(atom) is Literal:
        _check_literal(atom, program, index)
    elif type(atom) is not Var:
        raise _error(f"{atom!r} is neither a variable nor a literal", program, index)
    elif atom not in defined:
        raise _error(f"a variable of type {atom.aval.str_short()} is read, but not defined before", program, index)


def _check_literal(literal: Literal, program: Program, index: int | None) -> None:
    aval, value = literal.aval, literal.value
    if aval.shape != () or np.shape(value) != ():
        raise _error(f"literal {value!r} is not a scalar: arrays are constants", program, index)
    found = getattr(value, "dtype", None)
    if found != aval.dtype:
        raise _error(f"literal {value!r} has dtype {found}, but its type is {aval.str_short()}", program, index)


def _check_equation(eqn: Eqn, program: Program, index: int) -> None:
    primitive = eqn.primitive
    if not isinstance(primitive, Primitive):
        raise _error(f"{primitive!r} is not a primitive", program, index)
    wrong = check_call(primitive, len(eqn.invars), eqn.params)
    if wrong:
        raise _error(wrong, program, index)
    avals = [x.aval for x in eqn.invars]
    try:
        out = primitive.abstract(*avals, **eqn.params)
    except Exception as error:
        raise _error(f"{primitive.name} does not accept these operands: {error}", program, index) from error
    wrong = _mismatch(out if primitive.multiple_results else (out,), eqn.outvars) or _call_mismatch(eqn, avals)
    if wrong:
        raise _error(wrong, program, index)
    effects = effects_of_equation(primitive, eqn.params)
    if effects != eqn.effects:
        raise _error(f"the equation's effects are {_names(eqn.effects)}, should be {_names(effects)}", program, index)


def _mismatch(expected: Sequence[ShapedArray], outvars: Sequence[Var]) -> str | None:
    if len(expected) != len(outvars):
        return f"the equation defines {len(outvars)} variables, its primitive has {len(expected)} results"
    for number, (aval, var) in enumerate(zip(expected, outvars, strict=True)):
        if aval is not var.aval:
            return f"result {number} is {aval!r}, but its variable has type {var.aval!r}"
    return None


def _call_mismatch(eqn: Eqn, avals: Sequence[ShapedArray]) -> str | None:
    """A call has the operands that its body wants. (Other bodies are wired in ways that only `abstract` knows.)"""
    if eqn.primitive.name != "jit":
        return None
    wanted = eqn.params["jaxpr"].in_avals
    if [(a.shape, a.dtype) for a in wanted] != [(a.shape, a.dtype) for a in avals]:
        shown, given = (" ".join(a.str_short() for a in side) or "nothing" for side in (wanted, avals))
        return f"the body takes {shown}, the call gives {given}"
    return None


_ARITY = {Kind.UNARY: 1, Kind.BINARY: 2}


def check_call(primitive: Primitive, operands: int, params: dict[str, Any]) -> str | None:
    """What is wrong with the number of operands or with the params (unknown, missing, another type); or None."""
    arity = _ARITY.get(primitive.kind, operands)
    if operands != arity:
        return f"{primitive.name} does not accept {operands} operands: it takes {arity}"
    for name, value in params.items():
        if name not in primitive.params:
            known = ", ".join(sorted(primitive.params)) or "none"
            return f"{primitive.name} has no parameter {name!r} (its parameters: {known})"
        if not accepts(primitive.params[name], value):
            return f"{primitive.name}: parameter {name} = {value!r} is not a {primitive.params[name]}, as declared"
    missing = _required(primitive) - params.keys()
    if missing:
        return f"{primitive.name} does not accept these parameters: {', '.join(sorted(missing))} is missing"
    return None


@functools.lru_cache(maxsize=1024)
def _required(primitive: Primitive) -> frozenset[str]:
    """The declared parameters for which `evaluate` has no default."""
    if not primitive.params:
        return frozenset()
    try:
        signature = inspect.signature(primitive.evaluate)
    except (TypeError, ValueError):  # a NumPy function
        return frozenset()
    return frozenset(
        name
        for name, parameter in signature.parameters.items()
        if name in primitive.params and parameter.default is parameter.empty
    )


def accepts(declared: Any, value: Any) -> bool:
    """Whether `value` fits a type as written in `Primitive.params`: a class, a tuple or union of them, a generic."""
    if declared is Any or declared is object or not isinstance(declared, (type, tuple, types.UnionType)):
        origin = typing.get_origin(declared)
        return not isinstance(origin, type) or accepts(origin, value)
    if isinstance(declared, tuple):
        return any(accepts(item, value) for item in declared)
    if isinstance(declared, types.UnionType):
        return any(accepts(item, value) for item in typing.get_args(declared))
    if typing.get_origin(declared) is not None:  # tuple[int, ...]
        return accepts(typing.get_origin(declared), value)
    if isinstance(value, declared):
        return True
    if declared is float:
        return isinstance(value, (int, np.number)) and not isinstance(value, bool)
    if declared is int:
        return hasattr(value, "__index__") and bool(operator.index(value) == value)
    return declared is np.dtype and isinstance(value, type) and issubclass(value, np.generic)


def effects_of_equation(primitive: Primitive, params: dict[str, Any]) -> frozenset[Effect]:
    """The effects of an equation: its primitive's and those of its bodies."""
    found = primitive.effects or NO_EFFECTS
    if primitive.takes_arrays:
        for value in params.values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, ClosedJaxpr):
                    found = found | item.effects
    return found


def _names(effects: frozenset[Effect]) -> str:
    return "{" + ", ".join(sorted(effect.name for effect in effects)) + "}"


def _error(message: str, program: Program, index: int | None = None) -> JaxprTypeError:
    """The error, with the equations around the offending one."""
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    if index is None:
        return JaxprTypeError(f"Ill-typed program: {message}.")
    start, stop = max(0, index - _NEIGHBOURS), min(len(jaxpr.eqns), index + _NEIGHBOURS + 1)
    try:
        lines = equation_lines(program, start, stop)
    except Exception:  # a program so broken that it cannot be shown
        lines = [repr(eqn) for eqn in jaxpr.eqns[start:stop]]
    shown = [
        (" >> " if start + number == index else "    ") + line.replace("\n", "\n    ")
        for number, line in enumerate(lines)
    ]
    return JaxprTypeError(f"Ill-typed program, equation {index}: {message}.\n" + "\n".join(shown))
