"""Loop nests as LLVM IR text.

In: a `Kernel`. Out: the text of two functions and the numbers that the kernel wants at run time:

    void @name(ptr table, ptr sizes)     reads the buffers' addresses and the numbers, and calls
    void @name.body(ptr noalias b0, ..., i64 p0, ...)

What makes LLVM's vectoriser succeed is written here: `noalias` on every buffer (the planner never gives two buffers of
a kernel the same memory if one is written), counters that start at 0 and count up by 1, unit coefficients as literals,
accumulators in registers, and `reassoc` on the additions and products of accumulators *only* (for a whole function
it made gradients wrong by percents). All other arithmetic is exactly what the program says.

Loads and arithmetic that do not depend on the innermost loop are moved out of it by LLVM; nothing is hoisted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import vmath
from .nests import STATIC, Affine, Apply, Const, Kernel, Load, Position, Reduce, Root, Stage, Store, Value
from .scalars import SCALARS, Lines, Operation, constant, llvm_type, memory_type

__all__ = ["CHUNK", "Emitted", "emit_kernel", "initial"]

SHORT = 32  # an inner loop below it is widened but not interleaved: it would end before four vectors are full
CHUNK = (
    2048  # elements that one float accumulator adds up before it is added to the total: rounding errors stay small
)


class Emitted(NamedTuple):
    """A kernel as text.

    Attributes:
        body: the definition of `@NAME.body` and what it calls.
        buffers: how many pointers it takes, before its numbers.
        declares: declarations by symbol.
        vmath: the elementary functions that it calls.
        numbers: its run-time numbers at this shape.
        divided: the first two numbers are the bounds of its outermost loop, of which any part may be done by itself.
    """

    body: str
    buffers: int
    declares: dict[str, str]
    vmath: tuple[tuple[str, str], ...]
    numbers: tuple[int, ...]
    divided: bool = False

    @property
    def definition(self) -> str:
        """The body, and `@NAME`, which takes its arguments out of two arrays."""
        lines = [self.body + "define void @NAME(ptr %table, ptr %sizes) nounwind {"]
        for k in range(self.buffers):
            lines.append(f"  %q{k} = getelementptr ptr, ptr %table, i64 {k}")
            lines.append(f"  %b{k} = load ptr, ptr %q{k}")
        for k in range(len(self.numbers)):
            lines.append(f"  %s{k} = getelementptr i64, ptr %sizes, i64 {k}")
            lines.append(f"  %p{k} = load i64, ptr %s{k}")
        pointers = [f"ptr %b{k}" for k in range(self.buffers)]
        arguments = ", ".join([*pointers, *(f"i64 %p{k}" for k in range(len(self.numbers)))])
        lines += [f"  call void @NAME.body({arguments})", "  ret void", "}"]
        return "\n".join(lines) + "\n"


def emit_kernel(kernel: Kernel, divided: bool = False) -> Emitted:
    """The LLVM IR of a kernel; the name of the function is the placeholder `@NAME`.

    Args:
        kernel: the nest.
        divided: let the outermost loop run between two numbers.
    """
    writer = _Writer(kernel, divided)
    writer.kernel()
    return writer.finish()


def initial(op: str, dtype: np.dtype) -> Any:
    """The neutral element of a reduction."""
    if op in ("add", "or", "xor"):
        return dtype.type(0)
    if op == "mul":
        return dtype.type(1)
    if op == "and":
        return dtype.type(True) if dtype.kind == "b" else np.array(-1).astype(dtype)[()]
    if dtype.kind == "b":
        return np.bool_(op == "min")
    if dtype.kind == "f":
        return dtype.type(np.inf if op == "min" else -np.inf)
    limits = np.iinfo(dtype)
    return dtype.type(limits.max if op == "min" else limits.min)


class Point(NamedTuple):
    """What has been written about one point of the loops: its counters, names of values (by identity) and of offsets."""

    counters: Sequence[str]
    values: dict[int, str]
    offsets: dict[Affine, str]


def point_at(counters: Sequence[str]) -> Point:
    """A point about which nothing has been written."""
    return Point(counters, {}, {})


class _Writer:
    def __init__(self, kernel: Kernel, divided: bool) -> None:
        self.nest = kernel
        self.divided = divided
        self.out = Lines()
        self.allocas: list[str] = []
        self.numbers: dict[int | str, int] = {"from": 0, "to": 1} if divided else {}
        self.literals: dict[Any, str] = {}
        self.labels = 0
        self.starts: dict[str, int] = {}  # where the text of an open loop begins

    # -- pieces of text ------------------------------------------------------------------------------------------

    def number(self, n: int) -> str:
        """A literal, or the run-time parameter that holds `n`."""
        if -STATIC <= n <= STATIC:
            return str(n)
        return f"%p{self.numbers.setdefault(n, len(self.numbers))}"

    def literal(self, value: Const) -> str:
        """A constant. Floats that may come from shapes (1 / n) or be learning rates are run-time numbers: their bits."""
        number = value.value
        if (
            value.dtype.kind != "f"
            or not np.isfinite(number)
            or (abs(number) <= STATIC and number * 8 == int(number * 8))
        ):
            return constant(number, value.dtype)
        key = (number, value.dtype)
        if key not in self.literals:
            name = self.literals[key] = f"%c{len(self.literals)}"
            wide = f"{name}.double" if value.dtype.itemsize == 4 else name
            bits = self.number(int(np.float64(number).view(np.int64)))
            self.allocas.append(f"  {wide} = bitcast i64 {bits} to double")
            if wide != name:
                self.allocas.append(f"  {name} = fptrunc double {wide} to float")
        return self.literals[key]

    def line(self, text: str) -> None:
        self.out.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        self.out.lines.append(f"{name}:")

    def offset(self, index: Affine, point: Point) -> str:
        """The value of an index."""
        found = point.offsets.get(index)
        if found is not None:
            return found
        total = None
        for factor, datum in index.terms:
            term = self.value(datum.value, point)
            term = term if factor == 1 else self.out.value(f"mul nsw i64 {term}, {self.number(factor)}")
            total = term if total is None else self.out.value(f"add nsw i64 {total}, {term}")
        for c, counter in zip(index.coefficients, point.counters, strict=True):
            if c:
                term = counter if c == 1 else self.out.value(f"mul nsw i64 {counter}, {self.number(c)}")
                total = term if total is None else self.out.value(f"add nsw i64 {total}, {term}")
        if index.offset or total is None:
            base = self.number(index.offset)
            total = base if total is None else self.out.value(f"add nsw i64 {total}, {base}")
        point.offsets[index] = total
        return total

    def address(self, buffer: int, offset: str) -> str:
        type_ = memory_type(self.nest.buffers[buffer].dtype)
        return self.out.value(f"getelementptr inbounds {type_}, ptr %b{buffer}, i64 {offset}")

    def read(self, buffer: int, offset: str) -> str:
        dtype = self.nest.buffers[buffer].dtype
        address = self.address(buffer, offset)
        loaded = self.out.value(f"load {memory_type(dtype)}, ptr {address}, align {dtype.itemsize}")
        return self.out.value(f"icmp ne i8 {loaded}, 0") if dtype.kind == "b" else loaded

    def write(self, buffer: int, offset: str, value: str) -> None:
        dtype = self.nest.buffers[buffer].dtype
        if dtype.kind == "b":
            value = self.out.value(f"zext i1 {value} to i8")
        address = self.address(buffer, offset)
        self.line(f"store {memory_type(dtype)} {value}, ptr {address}, align {dtype.itemsize}")

    # -- loops ---------------------------------------------------------------------------------------------------

    def loop(self, extent: str, start: str = "0", step: str = "1") -> tuple[str, str]:
        """Open a loop; (counter, label number). Its body follows."""
        k = str(self.labels)
        self.labels += 1
        self.line(f"br label %before{k}")
        self.label(f"before{k}")
        self.line(f"%any{k} = icmp slt i64 {start}, {extent}")
        self.line(f"br i1 %any{k}, label %body{k}, label %after{k}")
        self.starts[k] = len(self.out.lines)
        self.label(f"body{k}")
        self.line(f"%i{k} = phi i64 [ {start}, %before{k} ], [ %next{k}, %latch{k} ]")
        return f"%i{k}", k

    def bounds(self, axis: int, extent: int) -> tuple[str, str]:
        """Where the loop over an axis begins and ends."""
        return ("%p0", "%p1") if self.divided and axis == 0 else ("0", self.number(extent))

    def end_loop(self, k: str, extent: str, step: str = "1", short: bool = False) -> None:
        self.line(f"br label %latch{k}")
        self.label(f"latch{k}")
        self.line(f"%next{k} = add nuw nsw i64 %i{k}, {step}")
        self.line(f"%more{k} = icmp slt i64 %next{k}, {extent}")
        calls = vmath.PREFIX in "".join(self.out.lines[self.starts.pop(k) :])
        mark = vmath.LOOP_MARK if calls or short else ""
        self.line(f"br i1 %more{k}, label %body{k}, label %after{k}{mark}")
        self.label(f"after{k}")

    # -- the kernel ----------------------------------------------------------------------------------------------

    def kernel(self) -> None:
        rows = len(self.nest.rows)
        for stage in self.nest.stages:
            for root in stage.roots:
                if type(root) is Reduce and any(axis < rows for axis in root.axes):
                    self.fill((), (*self.nest.rows, *stage.extents), root)
        opened = []
        for axis, extent in enumerate(self.nest.rows):
            start, end = self.bounds(axis, extent)
            opened.append((*self.loop(end, start), end))
        counters = [counter for counter, _, _ in opened]
        for stage in self.nest.stages:
            self.stage(counters, stage)
        for _, k, end in reversed(opened):
            self.end_loop(k, end)

    def fill(self, counters: Sequence[str], extents: Sequence[int], root: Reduce) -> None:
        """Write the neutral element wherever a reduction will accumulate in memory; outer counters are given."""
        all_counters, opened = list(counters), []
        for axis in range(len(counters), len(extents)):
            if axis in root.axes:
                all_counters.append("0")
            else:
                counter, k = self.loop(self.number(extents[axis]))
                all_counters.append(counter)
                opened.append((k, extents[axis]))
        dtype = self.nest.buffers[root.buffer].dtype
        self.write(
            root.buffer, self.offset(root.index, point_at(all_counters)), constant(initial(root.op, dtype), dtype)
        )
        for k, extent in reversed(opened):
            self.end_loop(k, self.number(extent))

    def stage(self, rows: list[str], stage: Stage) -> None:
        extents = (*self.nest.rows, *stage.extents)
        depth = len(extents)
        registers: dict[int, tuple[str, int]] = {}  # reductions by number of the root: slot, first loop
        for place, root in enumerate(stage.roots):
            if type(root) is not Reduce:
                continue
            first = depth
            while first > len(rows) and first - 1 in root.axes:
                first -= 1
            if first < depth:
                registers[place] = (self.slot(self.nest.buffers[root.buffer].dtype), first)
            if any(axis < first for axis in root.axes) and all(axis >= len(rows) for axis in root.axes):
                self.fill(rows, extents, root)  # (over rows: filled before the kernel's first loop)
        chunked = (
            depth > len(rows)
            and extents[-1] > 2 * CHUNK
            and any(stage.roots[p].op == "add" and self.is_float(stage.roots[p]) for p in registers)  # type: ignore[union-attr]
        )
        counters = list(rows)
        opened: list[tuple[str, str, str]] = []
        for axis in range(len(rows), depth):
            self.start_accumulators(stage, registers, axis)
            start, extent = self.bounds(axis, extents[axis])
            if chunked and axis == depth - 1:
                self.chunked_loop(stage, registers, counters, extent)
            else:
                counter, k = self.loop(extent, start)
                counters.append(counter)
                opened.append((k, extent, "1"))
        if not chunked:
            self.point(stage, registers, counters)
        for axis in range(depth - 1, len(rows) - 1, -1):
            if not (chunked and axis == depth - 1):
                k, extent, step = opened.pop()
                self.end_loop(k, extent, step, short=axis > 0 and axis == depth - 1 and extents[axis] < SHORT)
                counters.pop()
            self.finish_accumulators(stage, registers, axis, counters, depth)

    def is_float(self, root: Root) -> bool:
        return self.nest.buffers[root.buffer].dtype.kind == "f"

    def slot(self, dtype: np.dtype) -> str:
        name = f"%a{len(self.allocas)}"
        self.allocas.append(f"  {name} = alloca {llvm_type(dtype)}")
        return name

    def start_accumulators(self, stage: Stage, registers: dict[int, tuple[str, int]], axis: int) -> None:
        for place, (slot, first) in registers.items():
            if first == axis:
                root = stage.roots[place]
                dtype = self.nest.buffers[root.buffer].dtype
                value = constant(initial(root.op, dtype), dtype)  # type: ignore[union-attr]
                self.line(f"store {llvm_type(dtype)} {value}, ptr {slot}")

    def finish_accumulators(
        self, stage: Stage, registers: dict[int, tuple[str, int]], axis: int, counters: list[str], depth: int
    ) -> None:
        for place, (slot, first) in registers.items():
            if first != axis:
                continue
            root = stage.roots[place]
            assert type(root) is Reduce
            dtype = self.nest.buffers[root.buffer].dtype
            total = self.out.value(f"load {llvm_type(dtype)}, ptr {slot}")
            offset = self.offset(root.index, point_at([*counters, *["0"] * (depth - len(counters))]))
            if any(a < first for a in root.axes):
                total = self.combine(root.op, dtype, self.read(root.buffer, offset), total)
            self.write(root.buffer, offset, total)

    def combine(self, op: str, dtype: np.dtype, x: str, y: str) -> str:
        if dtype.kind == "f" and op in ("add", "mul"):
            return self.out.value(f"{'fadd' if op == 'add' else 'fmul'} reassoc {llvm_type(dtype)} {x}, {y}")
        return SCALARS[op].emit(self.out, Operation(dtype, dtype, {}), [x, y])

    def chunked_loop(
        self, stage: Stage, registers: dict[int, tuple[str, int]], counters: list[str], extent: str
    ) -> None:
        """The innermost loop, with float sums started anew every `CHUNK` elements."""
        partial = dict(registers)
        for place in registers:
            partial[place] = (self.slot(self.nest.buffers[stage.roots[place].buffer].dtype), -1)
        start, k = self.loop(extent, step=str(CHUNK))
        for place, (slot, _) in partial.items():
            dtype = self.nest.buffers[stage.roots[place].buffer].dtype
            value = constant(initial(stage.roots[place].op, dtype), dtype)  # type: ignore[union-attr]
            self.line(f"store {llvm_type(dtype)} {value}, ptr {slot}")
        end = self.out.value(f"add nuw nsw i64 {start}, {CHUNK}")
        self.out.declares["llvm.smin.i64"] = "declare i64 @llvm.smin.i64(i64, i64)"
        stop = self.out.value(f"call i64 @llvm.smin.i64(i64 {end}, i64 {extent})")
        counter, inner = self.loop(stop, start=start)
        self.point(stage, partial, [*counters, counter])
        self.end_loop(inner, stop)
        for place, (slot, _) in partial.items():
            dtype = self.nest.buffers[stage.roots[place].buffer].dtype
            type_ = llvm_type(dtype)
            total = self.out.value(f"load {type_}, ptr {registers[place][0]}")
            part = self.out.value(f"load {type_}, ptr {slot}")
            new = self.combine(stage.roots[place].op, dtype, total, part)  # type: ignore[union-attr]
            self.line(f"store {type_} {new}, ptr {registers[place][0]}")
        self.end_loop(k, extent, step=str(CHUNK))

    def point(self, stage: Stage, registers: dict[int, tuple[str, int]], counters: list[str]) -> None:
        """What happens at one point of the loops."""
        point = point_at(counters)
        for place, root in enumerate(stage.roots):
            if type(root) is Store:
                value = self.value(root.value, point)
                self.write(root.buffer, self.offset(root.index, point), value)
                continue
            value = self.value(root.value, point)
            dtype = self.nest.buffers[root.buffer].dtype
            if place in registers:
                slot = registers[place][0]
                held = self.out.value(f"load {llvm_type(dtype)}, ptr {slot}")
                new = self.combine(root.op, dtype, held, value)
                self.line(f"store {llvm_type(dtype)} {new}, ptr {slot}")
            else:
                offset = self.offset(root.index, point)
                self.write(root.buffer, offset, self.combine(root.op, dtype, self.read(root.buffer, offset), value))

    def value(self, value: Value, point: Point) -> str:
        found = point.values.get(id(value))
        if found is not None:
            return found
        if type(value) is Const:
            name = self.literal(value)
        elif type(value) is Load:
            name = self.read(value.buffer, self.offset(value.index, point))
        elif type(value) is Position:
            position = self.offset(value.index, point)
            wide = np.dtype(np.int64)
            name = SCALARS["convert"].emit(self.out, Operation(wide, value.dtype, {}), [position])
        else:
            assert type(value) is Apply
            args = [self.value(x, point) for x in value.args]
            params = dict(value.params)
            source = value.args[-1].dtype if value.args else value.dtype
            if value.op == "select":
                params["boolean"] = value.args[0].dtype.kind == "b"
            name = SCALARS[value.op].emit(self.out, Operation(source, value.dtype, params), args)
        point.values[id(value)] = name
        return name

    def finish(self) -> Emitted:
        buffers, numbers = self.nest.buffers, self.numbers
        pointers = [f"ptr noalias {'' if b.written else 'readonly '}%b{k}" for k, b in enumerate(buffers)]
        parameters = ", ".join([*pointers, *(f"i64 %p{k}" for k in range(len(numbers)))])
        inline = "noinline" if self.labels else "alwaysinline"  # without a loop, it belongs into the loop around it
        wide = vmath.loop_attribute() if self.out.vmath else ""
        lines = [
            f"define internal void @NAME.body({parameters}) {inline} {wide} nounwind {{",
            "entry:",
            *self.allocas,
        ]
        text = "\n".join([*lines, *self.out.lines, "  ret void", "}"]) + "\n"
        outermost = (*self.nest.rows, *self.nest.stages[0].extents)[:1]
        values = tuple([{"from": 0, "to": outermost[0]}.get(n, n) if self.divided else n for n in numbers])
        uses = tuple(sorted(self.out.vmath))
        return Emitted(text, len(buffers), dict(self.out.declares), uses, values, self.divided)
