"""Running reductions (cumsum, cumprod, cummax, cummin) as native steps.

In: the equation. Out: a `Cumulative`, and its LLVM IR. The axis lies between `outer` loops and `inner` ones, which run
through memory as one each. Along contiguous memory, `LANES` elements are combined with each other by doubling distances
(Hillis & Steele, "Data parallel algorithms", 1986) and then with what came before, so that only one operation per `LANES`
elements waits for the one before; products keep the order in which they are written (overflow depends on it). Across
memory, up to `COLUMNS` columns run side by side. Sums of float32 are kept in float64, as eval keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..ir import Eqn, Var
from .emit_llvm import Emitted, initial
from .emit_python import Source
from .scalars import NATIVE, constant, llvm_type, word_of

__all__ = ["CUMULATIVE", "Cumulative", "cumulative_of", "emit_cumulative", "python_cumulative"]

CUMULATIVE = {"cumsum": "add", "cumprod": "mul", "cummax": "max", "cummin": "min"}
LANES = 8
COLUMNS = 64


class Cumulative(NamedTuple):
    """A native step.

    Attributes:
        eqn: the equation.
        op: add, mul, max or min.
        sizes: outer, along the axis, inner.
        reverse: whether it runs from the end.
    """

    eqn: Eqn
    op: str
    sizes: tuple[int, int, int]
    reverse: bool

    @property
    def variables(self) -> tuple[Var, ...]:
        """Operand and result."""
        return (self.eqn.invars[0], self.eqn.outvars[0])  # type: ignore[return-value]

    @property
    def written(self) -> tuple[bool, ...]:
        """For each variable, whether the step writes it."""
        return (False, True)

    @property
    def work(self) -> float:
        """About how many scalar operations it makes."""
        return 2.0 * math.prod(self.sizes)

    @property
    def dtype(self) -> np.dtype:
        """Of operand and result."""
        return self.eqn.outvars[0].aval.dtype

    @property
    def accumulator(self) -> np.dtype:
        """In which the running value is kept."""
        wide = self.op == "add" and self.dtype == np.float32
        return np.dtype(np.float64) if wide else self.dtype


def cumulative_of(eqn: Eqn) -> Cumulative | None:
    """The step for a running reduction; None if kernels do not compute with its dtype, or there is nothing to run over."""
    op = CUMULATIVE[word_of(eqn.primitive.lower)]
    operand, aval = eqn.invars[0], eqn.outvars[0].aval
    if type(operand) is not Var or aval.dtype not in NATIVE or aval.dtype.kind == "b" or not aval.size:
        return None
    axis, shape = eqn.params["axis"], aval.shape
    sizes = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    return Cumulative(eqn, op, sizes, eqn.params["reverse"])


def emit_cumulative(step: Cumulative) -> Emitted:
    """The LLVM IR of a running reduction; its sizes are run-time numbers."""
    text, declares = _Writer(step).along_rows() if step.sizes[2] == 1 else _Writer(step).across_rows()
    head = "define internal void @NAME.body(ptr noalias readonly %b0, ptr noalias %b1, i64 %p0, i64 %p1, i64 %p2)"
    return Emitted(f"{head} noinline nounwind {{\n{text}}}\n", 2, declares, (), step.sizes)


class _Writer:
    def __init__(self, step: Cumulative) -> None:
        self.step = step
        self.element, self.total = llvm_type(step.dtype), llvm_type(step.accumulator)
        self.start = constant(initial(step.op, step.accumulator), step.accumulator)
        self.align = step.dtype.itemsize
        self.declares: dict[str, str] = {}

    def combine(self, name: str, kind: str, a: str, b: str, lanes: int = 0) -> str:
        """The line `name = a op b`."""
        op, sort = self.step.op, self.step.accumulator.kind
        if op in ("add", "mul"):
            return f"  {name} = {'f' if sort == 'f' else ''}{op} {kind} {a}, {b}\n"
        word = {"f": f"{op}imum", "i": f"s{op}", "u": f"u{op}"}[sort]
        short = {"float": "f32", "double": "f64"}.get(self.total, self.total)
        symbol = f"llvm.{word}.{f'v{lanes}' if lanes else ''}{short}"
        self.declares[symbol] = f"declare {kind} @{symbol}({kind}, {kind})"
        return f"  {name} = call {kind} @{symbol}({kind} {a}, {kind} {b})\n"

    def place(self, name: str, index: str, buffer: str) -> str:
        return f"  {name} = getelementptr inbounds {self.element}, ptr {buffer}, i64 {index}\n"

    def converted(self, name: str, value: str, source: str, target: str) -> tuple[str, str]:
        """(line, name) of `value` as `target`: float and double, or the same."""
        if source == target:
            return "", value
        opcode = "fpext" if "float" in source else "fptrunc"
        return f"  {name} = {opcode} {source} {value} to {target}\n", name

    def one(self, before: str, after: str, index: str, tag: str) -> str:
        """The element at `index`: `after` is `before` combined with it, and stored."""
        widened, x = self.converted(f"%w{tag}", f"%x{tag}", self.element, self.total)
        narrowed, y = self.converted(f"%y{tag}", after, self.total, self.element)
        return (
            self.place(f"%p{tag}", index, "%b0")
            + f"  %x{tag} = load {self.element}, ptr %p{tag}, align {self.align}\n"
            + widened
            + self.combine(after, self.total, before, x)
            + narrowed
            + self.place(f"%q{tag}", index, "%b1")
            + f"  store {self.element} {y}, ptr %q{tag}, align {self.align}\n"
        )

    def along_rows(self) -> tuple[str, dict[str, str]]:
        reverse, total = self.step.reverse, self.total
        vectors = self.step.op != "mul"
        text = f"""entry:
  %blocks = {f"and i64 %p1, {-LANES}" if vectors else "add i64 0, 0"}
  %last = sub i64 %p1, 1
  br label %row
row:
  %o = phi i64 [ 0, %entry ], [ %o.next, %row.end ]
  %base = mul i64 %o, %p1
  %end = add i64 %base, %last
  %any = icmp ugt i64 %blocks, 0
  br i1 %any, label %wide, label %rest
"""
        text += self.wide_loop() if vectors else "wide:\n  br label %rest\n"
        carried = "[ %carry, %wide.end ]" if vectors else f"[ {self.start}, %wide ]"
        index = "sub i64 %end, %j" if reverse else "add i64 %base, %j"
        text += f"""rest:
  %done = phi {total} [ {self.start}, %row ], {carried}
  %left = icmp ult i64 %blocks, %p1
  br i1 %left, label %single, label %row.end
single:
  %j = phi i64 [ %blocks, %rest ], [ %j.next, %single ]
  %sum = phi {total} [ %done, %rest ], [ %sum.next, %single ]
  %at = {index}
{self.one("%sum", "%sum.next", "%at", "s")}  %j.next = add i64 %j, 1
  %j.more = icmp ult i64 %j.next, %p1
  br i1 %j.more, label %single, label %row.end
row.end:
  %o.next = add i64 %o, 1
  %o.more = icmp ult i64 %o.next, %p0
  br i1 %o.more, label %row, label %exit
exit:
  ret void
"""
        return text, self.declares

    def wide_loop(self) -> str:
        """LANES elements at a time; `carry` is the running value after them."""
        vector, wide = f"<{LANES} x {self.element}>", f"<{LANES} x {self.total}>"
        backwards = f"<{LANES} x i32> <{', '.join(f'i32 {LANES - 1 - k}' for k in range(LANES))}>"
        first = "%end, %i" if self.step.reverse else "%base, %i"
        text = f"""wide:
  %i = phi i64 [ 0, %row ], [ %i.next, %wide ]
  %before = phi {wide} [ {self.splat(self.start)}, %row ], [ %after, %wide ]
  %first = {"sub" if self.step.reverse else "add"} i64 {first}
"""
        place = "%first"
        if self.step.reverse:
            text += f"  %low = sub i64 %first, {LANES - 1}\n"
            place = "%low"
        text += self.place("%p", place, "%b0") + f"  %v = load {vector}, ptr %p, align {self.align}\n"
        value = "%v"
        if self.step.reverse:
            text += f"  %turned = shufflevector {vector} %v, {vector} poison, {backwards}\n"
            value = "%turned"
        line, value = self.converted("%w", value, vector, wide)
        text += line
        distance = 1
        while distance < LANES:
            lanes = [f"i32 {LANES}"] * distance + [f"i32 {k}" for k in range(LANES - distance)]
            neutral = self.splat(self.start)
            text += f"  %m{distance} = shufflevector {wide} {value}, {wide} {neutral}, <{LANES} x i32> <{', '.join(lanes)}>\n"
            text += self.combine(f"%c{distance}", wide, f"%m{distance}", value, LANES)
            value, distance = f"%c{distance}", 2 * distance
        ends = ", ".join([f"i32 {LANES - 1}"] * LANES)
        text += f"  %whole = shufflevector {wide} {value}, {wide} poison, <{LANES} x i32> <{ends}>\n"
        text += self.combine("%r", wide, "%before", value, LANES) + self.combine(
            "%after", wide, "%before", "%whole", LANES
        )
        line, result = self.converted("%n", "%r", wide, vector)
        text += line
        if self.step.reverse:
            text += f"  %back = shufflevector {vector} {result}, {vector} poison, {backwards}\n"
            result = "%back"
        text += self.place("%q", place, "%b1") + f"  store {vector} {result}, ptr %q, align {self.align}\n"
        return (
            text
            + f"""  %i.next = add i64 %i, {LANES}
  %i.more = icmp ult i64 %i.next, %blocks
  br i1 %i.more, label %wide, label %wide.end
wide.end:
  %carry = extractelement {wide} %after, i32 0
  br label %rest
"""
        )

    def splat(self, value: str) -> str:
        return "<" + ", ".join([f"{self.total} {value}"] * LANES) + ">"

    def across_rows(self) -> tuple[str, dict[str, str]]:
        total = self.total
        row = "sub i64 %last, %i" if self.step.reverse else "add i64 %i, 0"
        text = f"""entry:
  %sums = alloca [{COLUMNS} x {total}], align 64
  %last = sub i64 %p1, 1
  %size = mul i64 %p1, %p2
  br label %outer
outer:
  %o = phi i64 [ 0, %entry ], [ %o.next, %outer.end ]
  %base = mul i64 %o, %size
  br label %tile
tile:
  %t = phi i64 [ 0, %outer ], [ %t.next, %tile.end ]
  %left = sub i64 %p2, %t
  %narrow = icmp ult i64 %left, {COLUMNS}
  %width = select i1 %narrow, i64 %left, i64 {COLUMNS}
  br label %clear
clear:
  %z = phi i64 [ 0, %tile ], [ %z.next, %clear ]
  %zp = getelementptr inbounds {total}, ptr %sums, i64 %z
  store {total} {self.start}, ptr %zp, align {self.step.accumulator.itemsize}
  %z.next = add i64 %z, 1
  %z.more = icmp ult i64 %z.next, %width
  br i1 %z.more, label %clear, label %rows
rows:
  %i = phi i64 [ 0, %clear ], [ %i.next, %rows.end ]
  %k = {row}
  %down = mul i64 %k, %p2
  %here = add i64 %base, %down
  %from = add i64 %here, %t
  br label %column
column:
  %j = phi i64 [ 0, %rows ], [ %j.next, %column ]
  %at = add i64 %from, %j
  %sp = getelementptr inbounds {total}, ptr %sums, i64 %j
  %sum = load {total}, ptr %sp, align {self.step.accumulator.itemsize}
{self.one("%sum", "%sum.next", "%at", "c")}  store {total} %sum.next, ptr %sp, align {self.step.accumulator.itemsize}
  %j.next = add nuw nsw i64 %j, 1
  %j.more = icmp ult i64 %j.next, %width
  br i1 %j.more, label %column, label %rows.end
rows.end:
  %i.next = add i64 %i, 1
  %i.more = icmp ult i64 %i.next, %p1
  br i1 %i.more, label %rows, label %tile.end
tile.end:
  %t.next = add i64 %t, {COLUMNS}
  %t.more = icmp ult i64 %t.next, %p2
  br i1 %t.more, label %tile, label %outer.end
outer.end:
  %o.next = add i64 %o, 1
  %o.more = icmp ult i64 %o.next, %p0
  br i1 %o.more, label %outer, label %exit
exit:
  ret void
"""
        return text, self.declares


def python_cumulative(source: Source, step: Cumulative, name: str, buffers: Sequence[str]) -> None:
    """Write a running reduction as the Python function `name` of flat arrays: element after element."""
    x, out = buffers
    outer, length, inner = step.sizes
    source.start(f"{name}({x}, {out})")
    source.depth += 1
    source.line(f"for i0 in range({outer}):")  # a digit in every name: buffers have none
    source.line(f"    for i1 in range({inner}):")
    source.line(f"        total0 = {source.constant(initial(step.op, step.accumulator), step.accumulator)}")
    source.line(f"        for i2 in range({f'{length - 1}, -1, -1' if step.reverse else length}):")
    source.line(f"            at0 = (i0 * {length} + i2) * {inner} + i1")
    combined = {"add": "total0 + {x}", "mul": "total0 * {x}"}.get(step.op, f"{step.op}imum(total0, {{x}})")
    if "imum" in combined:
        source.names.add(f"{step.op}imum")
    combined = combined.format(x=f"{x}[at0]")
    kept = f"{source.dtype(step.dtype)}({combined})" if step.dtype == step.accumulator else combined
    source.line(f"            total0 = {kept}")
    source.line(f"            {out}[at0] = total0")
    source.depth -= 1
