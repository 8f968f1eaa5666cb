"""Expressions that write themselves down as LLVM IR.

Enters: Python arithmetic on `Value`s. Leaves: the lines of one LLVM function, scalar (`float`) or for a vector
(`<8 x float>`), from the same Python code: a `Block` knows its format and width, a `Value` its element type and name.
Operators are LLVM's instructions one to one (`+` is fadd or add, `<` an ordered comparison, `>>` an arithmetic shift);
plain Python numbers on either side become constants. Nothing is simplified here: LLVM does that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Format(NamedTuple):
    """One floating-point format with the constants that range reductions need."""

    dtype: str
    real: str
    integer: str
    suffix: str
    bits: int
    mantissa: int  # stored bits of the significand
    bias: int

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def magic(self) -> float:
        """Adding 1.5 * 2**mantissa rounds to the nearest integer and leaves it in the low bits."""
        return 1.5 * 2.0**self.mantissa


FORMATS = {
    "f32": Format("f32", "float", "i32", "f32", 32, 23, 127),
    "f64": Format("f64", "double", "i64", "f64", 64, 52, 1023),
}
SUFFIX = {"float": "f32", "double": "f64"}
FLOATS = ("float", "double")
Number = int | float


def literal(element: str, value: Number) -> str:
    """`value` as an LLVM constant: decimals for integers, the exact bit pattern for floats."""
    if element not in FLOATS:
        return str(int(value))
    if element == "float":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


LONG = 14  # coefficients


class Value:
    """One SSA value: `element` is its LLVM element type, `name` how the text refers to it."""

    __slots__ = ("block", "element", "name")

    def __init__(self, block: Block, element: str, name: str) -> None:
        self.block, self.element, self.name = block, element, name

    def __repr__(self) -> str:
        return f"<{self.block.type_of(self.element)} {self.name}>"

    def _arithmetic(self, on_floats: str, on_integers: str, other: Value | Number, swap: bool = False) -> Value:
        other = self.block.lift(other, self.element)
        a, b = (other, self) if swap else (self, other)
        opcode = on_floats if self.element in FLOATS else on_integers
        return self.block.instruction(self.element, f"{opcode} {self.block.type_of(self.element)} {a.name}, {b.name}")

    def _compare(self, on_floats: str, on_integers: str, other: Value | Number) -> Value:
        other = self.block.lift(other, self.element)
        opcode = f"fcmp {on_floats}" if self.element in FLOATS else f"icmp {on_integers}"
        return self.block.instruction("i1", f"{opcode} {self.block.type_of(self.element)} {self.name}, {other.name}")

    def __add__(self, other: Value | Number) -> Value:
        return self._arithmetic("fadd", "add", other)

    def __radd__(self, other: Number) -> Value:
        return self._arithmetic("fadd", "add", other, swap=True)

    def __sub__(self, other: Value | Number) -> Value:
        return self._arithmetic("fsub", "sub", other)

    def __rsub__(self, other: Number) -> Value:
        return self._arithmetic("fsub", "sub", other, swap=True)

    def __mul__(self, other: Value | Number) -> Value:
        return self._arithmetic("fmul", "mul", other)

    def __rmul__(self, other: Number) -> Value:
        return self._arithmetic("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._arithmetic("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Number) -> Value:
        return self._arithmetic("fdiv", "sdiv", other, swap=True)

    def __neg__(self) -> Value:
        if self.element in FLOATS:
            return self.block.instruction(self.element, f"fneg {self.block.type_of(self.element)} {self.name}")
        return 0 - self

    def __and__(self, other: Value | Number) -> Value:
        return self._arithmetic("", "and", other)

    def __or__(self, other: Value | Number) -> Value:
        return self._arithmetic("", "or", other)

    def __xor__(self, other: Value | Number) -> Value:
        return self._arithmetic("", "xor", other)

    def __invert__(self) -> Value:
        return self ^ (1 if self.element == "i1" else -1)

    def __lshift__(self, count: Value | Number) -> Value:
        return self._arithmetic("", "shl", count)

    def __rshift__(self, count: Value | Number) -> Value:
        return self._arithmetic("", "ashr", count)

    def unsigned_shift(self, count: Value | Number) -> Value:
        """Shift right, zeros from the left."""
        return self._arithmetic("", "lshr", count)

    def __lt__(self, other: Value | Number) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Value | Number) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Value | Number) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Value | Number) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Value | Number) -> Value:
        """Equality of every element, false for NaN (`==` stays Python's identity)."""
        return self._compare("oeq", "eq", other)

    def unordered(self, other: Value) -> Value:
        """Whether one of two floats is NaN."""
        return self._compare("uno", "", other)

    def differs(self, other: Value | Number) -> Value:
        """Not equal, true for NaN."""
        return self._compare("une", "ne", other)


class Block:
    """The body of one function under construction, in one format and for one width (None: scalar).

    Attributes:
        format: the format of the arguments and the result.
        lines: the instructions so far.
        declares: {symbol: declaration} of the intrinsics used.
        helpers: {symbol: definition} of further functions and tables that the body refers to.
    """

    def __init__(self, format: Format, width: int | None = None) -> None:
        self.format, self.width = format, width
        self.lines: list[str] = []
        self.declares: dict[str, str] = {}
        self.helpers: dict[str, str] = {}
        self._label = "entry"
        self._count = 0

    # types and constants

    def type_of(self, element: str) -> str:
        return element if self.width is None else f"<{self.width} x {element}>"

    def lift(self, x: Value | Number, element: str) -> Value:
        """`x` itself, or the constant `x` in every lane."""
        if isinstance(x, Value):
            if x.element != element:
                raise TypeError(f"{x!r} meets an operand of type {element}: convert it first")
            return x
        text = literal(element, x)
        if self.width is not None:
            text = "<" + ", ".join([f"{element} {text}"] * self.width) + ">"
        return Value(self, element, text)

    def real(self, x: Number) -> Value:
        """A constant in the block's format."""
        return self.lift(x, self.format.real)

    def integer(self, x: int) -> Value:
        """A constant integer as wide as the block's format."""
        return self.lift(x, self.format.integer)

    # instructions

    def instruction(self, element: str, text: str) -> Value:
        name = f"%v{self._count}"
        self._count += 1
        self.lines.append(f"  {name} = {text}")
        return Value(self, element, name)

    def intrinsic(self, name: str, element: str, *operands: Value, overloads: Sequence[str] = ()) -> Value:
        """Call `llvm.<name>`, overloaded on the element types in `overloads` (default: the first operand's)."""
        overloads = overloads or (operands[0].element,)
        lane = "" if self.width is None else f"v{self.width}"
        symbol = ".".join(["llvm", name, *(lane + SUFFIX.get(e, e) for e in overloads)])
        result = self.type_of(element)
        types = [self.type_of(x.element) for x in operands]
        self.declares[symbol] = f"declare {result} @{symbol}({', '.join(types)})"
        arguments = ", ".join(f"{t} {x.name}" for t, x in zip(types, operands, strict=True))
        return self.instruction(element, f"call {result} @{symbol}({arguments})")

    def fma(self, a: Value | Number, b: Value | Number, c: Value | Number) -> Value:
        """a * b + c, rounded once."""
        element = next(x.element for x in (a, b, c) if isinstance(x, Value))
        return self.intrinsic("fma", element, *(self.lift(x, element) for x in (a, b, c)))

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x.element, x)

    def abs(self, x: Value) -> Value:
        return self.intrinsic("fabs", x.element, x)

    def floor(self, x: Value) -> Value:
        return self.intrinsic("floor", x.element, x)

    def copysign(self, magnitude: Value | Number, sign: Value) -> Value:
        return self.intrinsic("copysign", sign.element, self.lift(magnitude, sign.element), sign)

    def select(self, condition: Value, yes: Value | Number, no: Value | Number) -> Value:
        element = next((x.element for x in (yes, no) if isinstance(x, Value)), self.format.real)
        yes, no = self.lift(yes, element), self.lift(no, element)
        kind, flag = self.type_of(element), self.type_of("i1")
        return self.instruction(element, f"select {flag} {condition.name}, {kind} {yes.name}, {kind} {no.name}")

    def at_most(self, x: Value, limit: Number) -> Value:
        """The smaller of `x` and a constant; NaN stays NaN."""
        return self.select(x > limit, limit, x)

    def at_least(self, x: Value, limit: Number) -> Value:
        """The larger of `x` and a constant; NaN stays NaN."""
        return self.select(x < limit, limit, x)

    def cast(self, opcode: str, x: Value, element: str) -> Value:
        """`bitcast`, `fpext`, `fptrunc`, `sitofp`, `zext`, `trunc`, ... to another element type."""
        source, target = self.type_of(x.element), self.type_of(element)
        return self.instruction(element, f"{opcode} {source} {x.name} to {target}")

    def bits(self, x: Value) -> Value:
        """The bit pattern of a float as an integer."""
        return self.cast("bitcast", x, "i32" if x.element == "float" else "i64")

    def from_bits(self, n: Value) -> Value:
        """The float with a given bit pattern."""
        return self.cast("bitcast", n, "float" if n.element == "i32" else "double")

    # common pieces of elementary functions

    def poly(self, x: Value, coefficients: Sequence[Value | Number]) -> Value:
        """c[0] + c[1] x + c[2] x**2 + ..., by Horner's rule: fewest operations, smallest error.

        A long one is two of them in x**2, even and odd powers, side by side: half the latency, one more operation.
        """
        if len(coefficients) >= LONG:
            square = x * x
            tail = coefficients[2:]
            even, odd = self.poly_step(square, tail[::2]), self.poly_step(square, tail[1::2])
            rest = self.fma(odd, x, even)
            return self.fma(square, rest, self.fma(x, coefficients[1], coefficients[0]))
        return self.poly_step(x, coefficients)

    def poly_step(self, x: Value, coefficients: Sequence[Value | Number]) -> Value:
        result: Value | Number = coefficients[-1]
        for c in reversed(coefficients[:-1]):
            result = self.fma(result, x, c)
        return self.lift(result, x.element)

    def power_of_two(self, n: Value) -> Value:
        """2**n for an integer vector, n within the exponents of normal numbers."""
        format = FORMATS["f32" if n.element == "i32" else "f64"]
        return self.from_bits((n + format.bias) << format.mantissa)

    def nearest(self, x: Value, scale: Number = 1.0) -> tuple[Value, Value]:
        """The integer nearest to `x * scale` as (float, integer), for magnitudes below 2**(mantissa - 2)."""
        format = FORMATS["f32" if x.element == "float" else "f64"]
        shifted = self.fma(x, scale, format.magic)
        magic_bits = int(literal(x.element, format.magic), 16)
        if x.element == "float":
            magic_bits = struct.unpack("<i", struct.pack("<f", format.magic))[0]
        return shifted - format.magic, self.bits(shifted) - magic_bits

    # control flow and memory: only in functions that are called, never in inline code

    def rarely(self, condition: Value, compute: Callable[[], Sequence[Value]], usual: Sequence[Value]) -> list[Value]:
        """`usual`, or what `compute` makes of it on a path that is taken only if `condition` holds in some lane."""
        if self.width is None:
            some = condition.name
        else:
            mask = f"%m{self._count}"
            some = f"%s{self._count}"
            self.lines.append(f"  {mask} = bitcast <{self.width} x i1> {condition.name} to i{self.width}")
            self.lines.append(f"  {some} = icmp ne i{self.width} {mask}, 0")
        self.declares["llvm.expect.i1"] = "declare i1 @llvm.expect.i1(i1, i1)"
        before, slow, after = self._label, f"slow{self._count}", f"after{self._count}"
        self.lines.append(f"  %e{self._count} = call i1 @llvm.expect.i1(i1 {some}, i1 false)")
        self.lines.append(f"  br i1 %e{self._count}, label %{slow}, label %{after}")
        self._start(slow)
        unusual = compute()
        end_of_slow = self._label
        self.lines.append(f"  br label %{after}")
        self._start(after)
        return [
            self.instruction(
                a.element, f"phi {self.type_of(a.element)} [ {a.name}, %{end_of_slow} ], [ {b.name}, %{before} ]"
            )
            for a, b in zip(unusual, usual, strict=True)
        ]

    def each_lane(self, symbol: str, x: Value, elements: Sequence[str]) -> list[Value]:
        """The results, of types `elements`, of a scalar function that returns a struct, called for each lane of `x`."""
        struct_type = "{ " + ", ".join(elements) + " }"
        results = ["poison"] * len(elements)
        for lane in range(self.width or 1):
            scalar = x.name
            if self.width is not None:
                scalar = f"%lane{self._count}"
                self.lines.append(f"  {scalar} = extractelement {self.type_of(x.element)} {x.name}, i32 {lane}")
            call = f"%call{self._count}"
            self.lines.append(f"  {call} = call {struct_type} @{symbol}({x.element} {scalar})")
            for k, element in enumerate(elements):
                part = self.instruction(element, f"extractvalue {struct_type} {call}, {k}").name
                if self.width is not None:
                    insertion = f"insertelement {self.type_of(element)} {results[k]}, {element} {part}, i32 {lane}"
                    part = self.instruction(element, insertion).name
                results[k] = part
        return [Value(self, element, name) for element, name in zip(elements, results, strict=True)]

    def entry(self, table: str, length: int, element: str, index: Value) -> Value:
        """`table[index]` for a scalar i64 index into a constant array."""
        place = self.instruction(
            "ptr", f"getelementptr [{length} x {element}], ptr @{table}, i64 0, i64 {index.name}"
        )
        return self.instruction(element, f"load {element}, ptr {place.name}")

    def _start(self, label: str) -> None:
        self._label = label
        self.lines.append(f"{label}:")
