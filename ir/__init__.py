"""The language: what a traced program is, and nothing about what is done with it.

    Jaxpr(constvars, invars, eqns, outvars)      a program
    Eqn(primitive, invars, outvars, params, source, effects)
    Var(aval) | Literal(value, aval)             operands
    ShapedArray(shape, dtype, weak_type)         types of operands
    Primitive(name, kind, rules...)              operations, each with all its rules
    Trace, Tracer                                how a Python function becomes a Jaxpr

Read `jaxpr.py` first, then `primitive.py`, then `trace.py`. Nothing here knows NumPy semantics or any
transformation; the printer, parser, checker and passes work on any program.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .avals import ShapedArray as ShapedArray, Typed as Typed, aval_like as aval_like, shaped as shaped
from .check import check_jaxpr as check_jaxpr
from .concrete import concretize as concretize, known_value as known_value, value_of as value_of
from .conversions import python_value as python_value
from .effects import (
    CALLBACK as CALLBACK,
    CHECK as CHECK,
    GUARD as GUARD,
    ORDERED_CALLBACK as ORDERED_CALLBACK,
    Effect as Effect,
)
from .guards import (
    GuardMismatch as GuardMismatch,
    GuardTree as GuardTree,
    guard as guard,
    guards_of as guards_of,
)
from .jaxpr import (
    Atom as Atom,
    ClosedJaxpr as ClosedJaxpr,
    DebugNames as DebugNames,
    Eqn as Eqn,
    Jaxpr as Jaxpr,
    Literal as Literal,
    Var as Var,
    sub_jaxprs as sub_jaxprs,
)
from .prefix import Operand as Operand, Prefix as Prefix
from .primitive import Kind as Kind, Primitive as Primitive, all_primitives as all_primitives, lookup as lookup
from .printer import print_jaxpr as print_jaxpr
from .quick import bind_one as bind_one, bind_two as bind_two
from .source import Source as Source
from .symbolic import Linear as Linear, Zero as Zero
from .trace import (
    Piece as Piece,
    Trace as Trace,
    Tracer as Tracer,
    evaluate as evaluate,
    new_trace as new_trace,
    outside as outside,
    register_array_type as register_array_type,
    source_of as source_of,
    state as state,
    trace_function as trace_function,
)
from .walk import histogram as histogram, needed_for as needed_for, used_by as used_by, walk as walk

if TYPE_CHECKING:
    from .parser import parse as parse


def __getattr__(name: str) -> Any:
    """The parser is imported when it is first asked for: its regular expression takes a while to compile."""
    if name != "parse":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = import_module(".parser", __name__).parse
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), "parse"})


_NOT_OURS = ("Any", "TYPE_CHECKING", "annotations", "import_module")
__all__ = [name for name in __dir__() if name[0] != "_" and name not in _NOT_OURS]
