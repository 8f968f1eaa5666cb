"""Scalar operations: what each is called, how it is emitted as LLVM IR, how it reads in Python.

In: the `lower` words of elementwise primitives ("add", "vmath.sin({0})"). Out: `SCALARS`, one row per operation, read by
both emitters. Results are those of the primitives' NumPy `evaluate`: bitwise for integers and booleans (shifts beyond
the width, division by zero and conversions that do not fit included), a few ulp for floats.

Elementary functions are calls of `vmath`; there is no libm call in a vector loop (DESIGN 7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["EXPENSIVE", "NATIVE", "SCALARS", "Lines", "Scalar", "constant", "llvm_type", "memory_type", "word_of"]

_TYPES = {
    "float32": "float",
    "float64": "double",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "i8",
    "uint16": "i16",
    "uint32": "i32",
    "uint64": "i64",
    "bool": "i1",
}
NATIVE = frozenset(np.dtype(name) for name in _TYPES)  # dtypes that kernels compute with; others are called


def llvm_type(dtype: np.dtype) -> str:
    """The LLVM type of a value in a register."""
    return _TYPES[dtype.name]


def memory_type(dtype: np.dtype) -> str:
    """The LLVM type of an element in memory: booleans take a byte."""
    return "i8" if dtype.kind == "b" else _TYPES[dtype.name]


def constant(value: Any, dtype: np.dtype) -> str:
    """A scalar as LLVM text, exactly."""
    if dtype.kind == "f":
        return f"0x{np.float64(value).view(np.uint64):016X}"  # floats are written as the double of the same value
    if dtype.kind == "b":
        return "true" if value else "false"
    return str(int(value))


class Lines:
    """The instructions of a block while it is written, and the functions that they call."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.declares: dict[str, str] = {}
        self.vmath: set[tuple[str, str]] = set()

    def value(self, instruction: str) -> str:
        """Append an instruction; the name of its result."""
        name = f"%v{self.count}"
        self.count += 1
        self.lines.append(f"  {name} = {instruction}")
        return name

    def intrinsic(self, name: str, result: str, args: Sequence[tuple[str, str]], suffix: str | None = None) -> str:
        """Call `llvm.<name>.<type>`."""
        symbol = f"llvm.{name}.{suffix or _suffix(result)}"
        types = ", ".join(t for t, _ in args)
        self.declares[symbol] = f"declare {result} @{symbol}({types})"
        return self.value(f"call {result} @{symbol}({', '.join(f'{t} {v}' for t, v in args)})")

    def elementary(self, name: str, dtype: np.dtype, args: Sequence[str]) -> str:
        """Call a function of `vmath`."""
        short = "f32" if dtype.itemsize == 4 else "f64"
        self.vmath.add((name, short))
        type_ = llvm_type(dtype)
        return self.value(f"call {type_} @minijax_{name}_{short}({', '.join(f'{type_} {x}' for x in args)})")


def _suffix(type_: str) -> str:
    return {"float": "f32", "double": "f64"}.get(type_, type_)


class Operation(NamedTuple):
    """What an emitter of a scalar operation knows: operand and result dtypes and static params."""

    source: np.dtype  # of the last operand (all but `select_n` and shifts have one dtype)
    dtype: np.dtype
    params: dict[str, Any]

    @property
    def type(self) -> str:
        """LLVM type of the operands."""
        return llvm_type(self.source)

    @property
    def kind(self) -> str:
        """f, i, u or b: of the operands."""
        return self.source.kind


Emit = Callable[[Lines, Operation, Sequence[str]], str]


class Scalar(NamedTuple):
    """A row: `emit(lines, operation, operands)` and a Python expression with `{0}`, `{1}` for operands.

    `integer`, `boolean`: the expressions for such operands, where they differ. Names in them are those of NumPy and of
    `python_scalars.py`.
    """

    emit: Emit
    python: str
    cost: int = 1
    integer: str = ""
    boolean: str = ""


def _plain(floats: str, integers: str, booleans: str | None = None, unsigned: str | None = None) -> Emit:
    """One instruction: by kind of dtype."""

    def emit(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
        word = {"f": floats, "i": integers, "u": unsigned or integers, "b": booleans or integers}[op.kind]
        return lines.value(f"{word} {op.type} {', '.join(xs)}")

    return emit


def _comparison(floats: str, signed: str, unsigned: str) -> Emit:
    return _plain(f"fcmp {floats}", f"icmp {signed}", f"icmp {unsigned}", f"icmp {unsigned}")


def _elementary(name: str) -> Emit:
    return lambda lines, op, xs: lines.elementary(name, op.dtype, xs)


def _one_intrinsic(name: str) -> Emit:
    return lambda lines, op, xs: lines.intrinsic(name, op.type, [(op.type, x) for x in xs])


def _select(lines: Lines, type_: str, pred: str, yes: str, no: str) -> str:
    return lines.value(f"select i1 {pred}, {type_} {yes}, {type_} {no}")


def _neg(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    return lines.value(f"fneg {op.type} {xs[0]}" if op.kind == "f" else f"sub {op.type} 0, {xs[0]}")


def _lowest(op: Operation) -> str:
    return str(np.iinfo(op.source).min)


def _safe_divisor(lines: Lines, op: Operation, x: str, y: str) -> tuple[str, str]:
    """A divisor that the machine accepts (1 for 0, and for -1 under the lowest number), and whether y is 0."""
    zero = lines.value(f"icmp eq {op.type} {y}, 0")
    bad = zero
    if op.kind == "i":
        overflows = lines.value(
            f"and i1 {lines.value(f'icmp eq {op.type} {y}, -1')}, {lines.value(f'icmp eq {op.type} {x}, {_lowest(op)}')}"
        )
        bad = lines.value(f"or i1 {zero}, {overflows}")
    return _select(lines, op.type, bad, "1", y), zero


def _div(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    x, y = xs
    if op.kind == "f":
        return lines.value(f"fdiv {op.type} {x}, {y}")
    divisor, zero = _safe_divisor(lines, op, x, y)
    quotient = lines.value(f"{'sdiv' if op.kind == 'i' else 'udiv'} {op.type} {x}, {divisor}")
    return _select(lines, op.type, zero, "-1", quotient)


def _rem(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    x, y = xs
    if op.kind == "f":
        return lines.value(f"frem {op.type} {x}, {y}")
    divisor, zero = _safe_divisor(lines, op, x, y)
    rest = lines.value(f"{'srem' if op.kind == 'i' else 'urem'} {op.type} {x}, {divisor}")
    return _select(lines, op.type, zero, x, rest)


def _sign(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    (x,) = xs
    if op.kind == "f":
        positive, negative = lines.value(f"fcmp ogt {op.type} {x}, 0.0"), lines.value(f"fcmp olt {op.type} {x}, 0.0")
        is_nan = lines.value(f"fcmp uno {op.type} {x}, 0.0")
        rest = _select(lines, op.type, is_nan, x, "0.0")
        return _select(lines, op.type, positive, "1.0", _select(lines, op.type, negative, "-1.0", rest))
    if op.kind == "u":
        return lines.value(f"zext i1 {lines.value(f'icmp ne {op.type} {x}, 0')} to {op.type}")
    high = lines.value(f"zext i1 {lines.value(f'icmp sgt {op.type} {x}, 0')} to {op.type}")
    low = lines.value(f"sext i1 {lines.value(f'icmp slt {op.type} {x}, 0')} to {op.type}")
    return lines.value(f"or {op.type} {high}, {low}")


def _abs(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    if op.kind == "f":
        return lines.intrinsic("fabs", op.type, [(op.type, xs[0])])
    if op.kind in "ub":
        return xs[0]
    return lines.intrinsic("abs", op.type, [(op.type, xs[0]), ("i1", "false")])


def _extremum(floats: str, signed: str, unsigned: str, booleans: str) -> Emit:
    def emit(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
        if op.kind == "b":
            return lines.value(f"{booleans} i1 {xs[0]}, {xs[1]}")
        name = {"f": floats, "i": signed, "u": unsigned}[op.kind]
        return lines.intrinsic(name, op.type, [(op.type, xs[0]), (op.type, xs[1])])

    return emit


_max = _extremum("maximum", "smax", "umax", "or")
_min = _extremum("minimum", "smin", "umin", "and")
_mul = _plain("fmul", "mul", "and")


def _integer_pow(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    """Repeated squaring: at most 2 log2(y) products."""
    exponent = op.params["y"]
    one = "1.0" if op.kind == "f" else "1"
    result, square, left = None, xs[0], abs(exponent)
    while left:
        if left & 1:
            result = square if result is None else _mul(lines, op, [result, square])
        left >>= 1
        if left:
            square = _mul(lines, op, [square, square])
    if result is None:
        return one
    return lines.value(f"fdiv {op.type} 1.0, {result}") if exponent < 0 else result


def _clamp(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    low, x, high = xs
    return _min(lines, op, [_max(lines, op, [x, low]), high])


def _select_n(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    which, *cases = xs
    type_ = llvm_type(op.dtype)
    if op.params["boolean"]:
        return cases[0] if len(cases) == 1 else _select(lines, type_, which, cases[1], cases[0])
    out = cases[0]
    for k, case in enumerate(cases[1:], start=1):
        out = _select(lines, type_, lines.value(f"icmp sge i32 {which}, {k}"), case, out)
    return out


def _shift(instruction: str) -> Emit:
    def emit(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
        x, y = xs
        bits = op.source.itemsize * 8
        inside = lines.value(f"icmp ult {op.type} {y}, {bits}")
        if instruction == "ashr":
            count = _select(lines, op.type, inside, y, str(bits - 1))
            return lines.value(f"{'ashr' if op.kind == 'i' else 'lshr'} {op.type} {x}, {count}")
        shifted = lines.value(f"{instruction} {op.type} {x}, {_select(lines, op.type, inside, y, '0')}")
        return _select(lines, op.type, inside, shifted, "0")

    return emit


def _not(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    return lines.value(f"xor {op.type} {xs[0]}, {'true' if op.kind == 'b' else '-1'}")


def _is_finite(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    size = lines.intrinsic("fabs", op.type, [(op.type, xs[0])])
    return lines.value(f"fcmp olt {op.type} {size}, 0x7FF0000000000000")


def _round(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    if op.params["rounding_method"] == 1:
        return lines.intrinsic("roundeven", op.type, [(op.type, xs[0])])
    return lines.intrinsic("round", op.type, [(op.type, xs[0])])


def _convert(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    (x,) = xs
    source, target = op.source, op.dtype
    if source == target:
        return x
    a, b = llvm_type(source), llvm_type(target)
    if target.kind == "b":
        return lines.value(f"fcmp une {a} {x}, 0.0" if source.kind == "f" else f"icmp ne {a} {x}, 0")
    if source.kind == "f" and target.kind == "f":
        return lines.value(f"{'fpext' if target.itemsize > source.itemsize else 'fptrunc'} {a} {x} to {b}")
    if source.kind == "f":  # saturating, nan to 0: XLA's convention
        name = "fptosi.sat" if target.kind == "i" else "fptoui.sat"
        return lines.intrinsic(name, b, [(a, x)], suffix=f"{b}.{_suffix(a)}")
    if target.kind == "f":
        return lines.value(f"{'sitofp' if source.kind == 'i' else 'uitofp'} {a} {x} to {b}")
    if source.kind != "b" and target.itemsize == source.itemsize:
        return x
    if source.kind != "b" and target.itemsize < source.itemsize:
        return lines.value(f"trunc {a} {x} to {b}")
    return lines.value(f"{'sext' if source.kind == 'i' else 'zext'} {a} {x} to {b}")


def _bitcast(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    a, b = op.type, llvm_type(op.dtype)
    return xs[0] if a == b else lines.value(f"bitcast {a} {xs[0]} to {b}")


def _square(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    return _mul(lines, op, [xs[0], xs[0]])


def _rsqrt(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    root = lines.intrinsic("sqrt", op.type, [(op.type, xs[0])])
    return lines.value(f"fdiv {op.type} 1.0, {root}")


def _leading_zeros(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    return lines.intrinsic("ctlz", op.type, [(op.type, xs[0]), ("i1", "false")])


def _same(lines: Lines, op: Operation, xs: Sequence[str]) -> str:
    return xs[0]


_NUMPY = {f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
EXPENSIVE = 8  # what costs at least this much is not computed twice

SCALARS: dict[str, Scalar] = {
    "add": Scalar(_plain("fadd", "add", "or"), "{0} + {1}", boolean="{0} | {1}"),
    "sub": Scalar(_plain("fsub", "sub", "xor"), "{0} - {1}", boolean="{0} ^ {1}"),
    "mul": Scalar(_mul, "{0} * {1}", boolean="{0} & {1}"),
    "div": Scalar(_div, "{0} / {1}", 4, integer="divide({0}, {1})"),
    "rem": Scalar(_rem, "fmod({0}, {1})", 8, integer="remainder({0}, {1})"),
    "neg": Scalar(_neg, "-{0}"),
    "sign": Scalar(_sign, "sign({0})", 2),
    "abs": Scalar(_abs, "abs({0})"),
    "max": Scalar(_max, "maximum({0}, {1})", boolean="{0} | {1}"),
    "min": Scalar(_min, "minimum({0}, {1})", boolean="{0} & {1}"),
    "integer_pow": Scalar(_integer_pow, "{0} ** {y}", 3),
    "square": Scalar(_square, "{0} * {0}", boolean="{0}"),
    "sqrt": Scalar(_one_intrinsic("sqrt"), "sqrt({0})", 4),
    "rsqrt": Scalar(_rsqrt, "1 / sqrt({0})", 6),
    "eq": Scalar(_comparison("oeq", "eq", "eq"), "{0} == {1}"),
    "ne": Scalar(_comparison("une", "ne", "ne"), "{0} != {1}"),
    "lt": Scalar(_comparison("olt", "slt", "ult"), "{0} < {1}"),
    "le": Scalar(_comparison("ole", "sle", "ule"), "{0} <= {1}"),
    "gt": Scalar(_comparison("ogt", "sgt", "ugt"), "{0} > {1}"),
    "ge": Scalar(_comparison("oge", "sge", "uge"), "{0} >= {1}"),
    "and": Scalar(_plain("", "and"), "{0} & {1}"),
    "or": Scalar(_plain("", "or"), "{0} | {1}"),
    "xor": Scalar(_plain("", "xor"), "{0} ^ {1}"),
    "not": Scalar(_not, "~{0}", boolean="not {0}"),
    "shift_left": Scalar(_shift("shl"), "shift_left({0}, {1}, {bits})"),
    "shift_right_arithmetic": Scalar(_shift("ashr"), "shift_right_arithmetic({0}, {1}, {bits})"),
    "shift_right_logical": Scalar(_shift("lshr"), "shift_right_logical({0}, {1}, {bits})"),
    "clz": Scalar(_leading_zeros, "leading_zeros({0}, {bits})"),
    "population_count": Scalar(_one_intrinsic("ctpop"), "bit_count({0}, {bits})"),
    "is_finite": Scalar(_is_finite, "isfinite({0})"),
    "floor": Scalar(_one_intrinsic("floor"), "floor({0})"),
    "ceil": Scalar(_one_intrinsic("ceil"), "ceil({0})"),
    "trunc": Scalar(_one_intrinsic("trunc"), "trunc({0})"),
    "round": Scalar(_round, "{rounding}({0})"),
    "select": Scalar(_select_n, "select({0}, {rest})"),
    "clamp": Scalar(_clamp, "minimum(maximum({1}, {0}), {2})", 2),
    "convert": Scalar(_convert, "{dtype}({0})"),
    "bitcast": Scalar(_bitcast, "{0}.view({dtype})"),
    "copy": Scalar(_same, "{0}", 0),
}
for _name, _cost in {
    "exp": 10,
    "exp2": 10,
    "expm1": 12,
    "log": 12,
    "log1p": 14,
    "logistic": 12,
    "cbrt": 14,
    "sin": 16,
    "cos": 16,
    "tan": 20,
    "asin": 14,
    "acos": 14,
    "atan": 14,
    "sinh": 14,
    "cosh": 14,
    "tanh": 14,
    "asinh": 18,
    "acosh": 18,
    "atanh": 18,
    "erf": 16,
    "erfc": 20,
    "erf_inv": 24,
}.items():
    SCALARS[_name] = Scalar(_elementary(_name), f"{_NUMPY.get(_name, _name)}({{0}})", _cost)
SCALARS["pow"] = Scalar(_elementary("pow"), "{0} ** {1}", 30)
SCALARS["atan2"] = Scalar(_elementary("atan2"), "arctan2({0}, {1})", 20)


def word_of(lower: object) -> str:
    """The row that a primitive's `lower` slot names: "vmath.sin({0})" and "sin" are the same word."""
    if not isinstance(lower, str):
        return ""
    return lower.partition("(")[0].removeprefix("vmath.")
