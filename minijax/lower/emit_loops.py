"""Loops over blocks of native steps as LLVM IR: the control flow around kernels.

In: a `Loop`. Out: one function, text like that of a kernel (`Emitted`), which holds the kernels of its body and
calls them. A carry of one element lives in a register (an `alloca` that LLVM promotes once the body is inlined); a larger
one alternates between two buffers, by pointers. Slices of scanned arrays and of stacked results are
pointers too: nothing is copied but the last carry.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Var
from .cumulative import Cumulative, emit_cumulative
from .emit_llvm import Emitted, emit_kernel
from .gemm import Product, emit_product
from .loops import Block, Loop
from .nests import STATIC
from .rows import is_divisible
from .scalars import memory_type
from .steps import Fused, Native

__all__ = ["emit_loop", "emit_step"]


def emit_step(step: Native, alone: bool = False) -> Emitted:
    """The LLVM IR of a native step.

    Args:
        step: a kernel or a loop.
        alone: it is in no loop: if that is possible, its outermost loop can be shared out.
    """
    if type(step) is Fused:
        return emit_kernel(step.kernel, alone and is_divisible(step))
    if type(step) is Cumulative:
        return emit_cumulative(step)
    return emit_product(step) if type(step) is Product else emit_loop(step)  # type: ignore[arg-type]


def emit_loop(loop: Loop) -> Emitted:
    """The LLVM IR of a loop."""
    writer = _Writer()
    pointers = {var: f"%b{k}" for k, var in enumerate(loop.variables)}
    writer.loop(loop, pointers)
    return writer.finish(len(pointers))


Pointers = dict[Var, str]


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.numbers: dict[int, int] = {}
        self.parts: dict[str, str] = {}  # names of the kernels called, by text
        self.declares = {"llvm.memcpy": "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"}
        self.vmath: set[tuple[str, str]] = set()
        self.count = 0

    # -- text ----------------------------------------------------------------------------------------------------

    def number(self, n: int) -> str:
        if -STATIC <= n <= STATIC:
            return str(n)
        return f"%p{self.numbers.setdefault(n, len(self.numbers))}"

    def line(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def fresh(self) -> int:
        self.count += 1
        return self.count

    def value(self, instruction: str) -> str:
        name = f"%t{self.fresh()}"
        self.line(f"{name} = {instruction}")
        return name

    def slot(self, type_: str) -> str:
        name = f"%a{self.fresh()}"
        self.allocas.append(f"  {name} = alloca {type_}")
        return name

    def byte(self, pointer: str, offset: str) -> str:
        return pointer if offset == "0" else self.value(f"getelementptr inbounds i8, ptr {pointer}, i64 {offset}")

    def copy(self, target: str, source: str, var: Var) -> None:
        """One element through a register, more by memcpy."""
        if var.aval.size == 1:
            type_ = memory_type(var.aval.dtype)
            held = self.value(f"load {type_}, ptr {source}, align {var.aval.dtype.itemsize}")
            self.line(f"store {type_} {held}, ptr {target}, align {var.aval.dtype.itemsize}")
        elif var.aval.size:
            size = self.number(var.aval.size * var.aval.dtype.itemsize)
            self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    # -- steps ---------------------------------------------------------------------------------------------------

    def block(self, block: Block, pointers: Pointers) -> None:
        for step in block.steps:
            if type(step) is Loop:
                self.loop(step, pointers)
            else:
                self.call(step, pointers)

    def call(self, step: Native, pointers: Pointers) -> None:
        emitted = emit_step(step)
        name = self.parts.setdefault(emitted.body, f"NAME.k{len(self.parts)}")
        self.declares |= emitted.declares
        self.vmath.update(emitted.vmath)
        arguments = [f"ptr {pointers[var]}" for var in step.variables]
        arguments += [f"i64 {self.number(n)}" for n in emitted.numbers]
        self.line(f"call void @{name}.body({', '.join(arguments)})")

    def loop(self, loop: Loop, pointers: Pointers) -> None:
        {"scan": self.scan, "while": self.while_, "cond": self.cond}[loop.kind](loop, pointers)

    def locals(self, block: Block, scratch: str, start: int, pointers: Pointers) -> None:
        """Places of a block's own variables."""
        for var, place in block.places.items():
            if var.aval.size == 1:
                pointers[var] = self.slot(memory_type(var.aval.dtype))
            else:
                pointers[var] = self.byte(scratch, self.number(start + place))

    def carries(self, loop: Loop, inits: Sequence[Var], scratch: str, pointers: Pointers) -> list[tuple[str, str]]:
        """(first, second) buffer of each carry; one of a single element, or changed in place, is copied into its first one."""
        found = []
        for place, (init, (first, second)) in enumerate(zip(inits, loop.carries, strict=True)):
            if init.aval.size == 1:
                type_ = memory_type(init.aval.dtype)
                pair = self.slot(type_), self.slot(type_)
                self.copy(pair[0], pointers[init], init)
            else:
                pair = self.byte(scratch, self.number(first)), self.byte(scratch, self.number(second))
            if place in loop.blocks[-1].in_place:
                pair = pair[0], pair[0]
                self.copy(pair[0], pointers[init], init)
            found.append(pair)
        return found

    def rotating(
        self, k: int, inits: Sequence[Var], buffers: Sequence[tuple[str, str]], pointers: Pointers, before: str
    ) -> list[tuple[str, str]]:
        """(pointer to the carry, pointer for the next one) in each step; at the head of loop `k`."""
        out = []
        for place, (init, (first, second)) in enumerate(zip(inits, buffers, strict=True)):
            if init.aval.size == 1 or first == second:
                out.append((first, second))
                continue
            now, new, spare = (f"%{name}{k}_{place}" for name in ("now", "new", "spare"))
            self.line(f"{now} = phi ptr [ {pointers[init]}, %{before} ], [ {new}, %latch{k} ]")
            self.line(f"{new} = phi ptr [ {first}, %{before} ], [ {spare}, %latch{k} ]")
            self.line(f"{spare} = phi ptr [ {second}, %{before} ], [ {new}, %latch{k} ]")
            out.append((now, new))
        return out

    def scan(self, loop: Loop, outer: Pointers) -> None:
        (block,) = loop.blocks
        params, jaxpr, results = loop.eqn.params, block.jaxpr, loop.eqn.outvars
        length, reverse = params["length"], params["reverse"]
        num_consts, num_carry = params["num_consts"], params["num_carry"]
        inits = loop.operands[num_consts : num_consts + num_carry]
        scanned = loop.operands[num_consts + num_carry :]
        pointers = dict(outer)
        scratch = outer[loop.scratch]
        for var, operand in zip(jaxpr.invars, loop.operands[:num_consts]):
            pointers[var] = outer[operand]
        self.locals(block, scratch, 0, pointers)
        buffers = self.carries(loop, inits, scratch, pointers)
        k = self.fresh()
        self.line(f"br label %before{k}")
        self.label(f"before{k}")
        self.line(f"%any{k} = icmp sgt i64 {self.number(length)}, 0")
        self.line(f"br i1 %any{k}, label %body{k}, label %after{k}")
        self.label(f"body{k}")
        self.line(f"%i{k} = phi i64 [ 0, %before{k} ], [ %next{k}, %latch{k} ]")
        carried = self.rotating(k, inits, buffers, outer, f"before{k}")
        index = f"%i{k}"
        if reverse:
            index = self.value(f"sub nuw nsw i64 {self.number(length - 1)}, %i{k}")
        carry_in = jaxpr.invars[num_consts : num_consts + num_carry]
        for var, out, (now, new) in zip(carry_in, jaxpr.outvars, carried):
            pointers[var], pointers[out] = now, new  # type: ignore[index]
        for var, whole in zip(jaxpr.invars[num_consts + num_carry :], scanned, strict=True):
            pointers[var] = self.row(outer[whole], var, index)
        for var, whole in zip(jaxpr.outvars[num_carry:], results[num_carry:], strict=True):
            pointers[var] = self.row(outer[whole], var, index)  # type: ignore[index, arg-type]
        self.block(block, pointers)
        self.line(f"br label %latch{k}")
        self.label(f"latch{k}")
        self.keep(inits, buffers)
        self.line(f"%next{k} = add nuw nsw i64 %i{k}, 1")
        self.line(f"%more{k} = icmp slt i64 %next{k}, {self.number(length)}")
        self.line(f"br i1 %more{k}, label %body{k}, label %after{k}")
        self.label(f"after{k}")
        finals = []
        for place, init in enumerate(inits):
            if init.aval.size == 1 or buffers[place][0] == buffers[place][1]:
                finals.append(buffers[place][0])
            else:
                last = f"%last{k}_{place}"
                self.line(f"{last} = phi ptr [ {outer[init]}, %before{k} ], [ %new{k}_{place}, %latch{k} ]")
                finals.append(last)
        for final, result in zip(finals, results[:num_carry]):
            self.copy(outer[result], final, result)

    def row(self, pointer: str, var: Var, index: str) -> str:
        """The address of row `index` of an array whose rows are like `var`."""
        size = self.number(var.aval.size * var.aval.dtype.itemsize)
        return self.value(
            f"getelementptr inbounds i8, ptr {pointer}, i64 {self.value(f'mul nuw nsw i64 {index}, {size}')}"
        )

    def keep(self, inits: Sequence[Var], buffers: Sequence[tuple[str, str]]) -> None:
        """What was computed becomes the carry (single elements; larger ones change places by pointer)."""
        for init, (first, second) in zip(inits, buffers, strict=True):
            if init.aval.size == 1:
                self.copy(first, second, init)

    def while_(self, loop: Loop, outer: Pointers) -> None:
        holds, body = loop.blocks
        params = loop.eqn.params
        cond_consts, body_consts = params["cond_nconsts"], params["body_nconsts"]
        inits = loop.operands[cond_consts + body_consts :]
        pointers = dict(outer)
        scratch = outer[loop.scratch]
        for var, operand in zip(holds.jaxpr.invars[:cond_consts], loop.operands, strict=False):
            pointers[var] = outer[operand]
        for var, operand in zip(body.jaxpr.invars[:body_consts], loop.operands[cond_consts:], strict=False):
            pointers[var] = outer[operand]
        self.locals(holds, scratch, 0, pointers)
        self.locals(body, scratch, holds.size, pointers)
        buffers = self.carries(loop, inits, scratch, pointers)
        answer = self.slot("i8")
        k = self.fresh()
        self.line(f"br label %before{k}")
        self.label(f"before{k}")
        self.line(f"br label %head{k}")
        self.label(f"head{k}")
        carried = self.rotating(k, inits, buffers, outer, f"before{k}")
        for var, (now, _) in zip(holds.jaxpr.invars[cond_consts:], carried, strict=True):
            pointers[var] = now
        pointers[holds.jaxpr.outvars[0]] = answer  # type: ignore[index]
        self.block(holds, pointers)
        goes_on = self.value(f"icmp ne i8 {self.value(f'load i8, ptr {answer}')}, 0")
        self.line(f"br i1 {goes_on}, label %body{k}, label %after{k}")
        self.label(f"body{k}")
        for var, out, (now, new) in zip(body.jaxpr.invars[body_consts:], body.jaxpr.outvars, carried, strict=True):
            pointers[var], pointers[out] = now, new  # type: ignore[index]
        self.block(body, pointers)
        self.line(f"br label %latch{k}")
        self.label(f"latch{k}")
        self.keep(inits, buffers)
        self.line(f"br label %head{k}")
        self.label(f"after{k}")
        for result, (now, _) in zip(loop.eqn.outvars, carried, strict=True):
            self.copy(outer[result], now, result)

    def cond(self, loop: Loop, outer: Pointers) -> None:
        scratch = outer[loop.scratch]
        k = self.fresh()
        last = len(loop.blocks) - 1
        self.declares["llvm.smax.i32"] = "declare i32 @llvm.smax.i32(i32, i32)"
        self.declares["llvm.smin.i32"] = "declare i32 @llvm.smin.i32(i32, i32)"
        given = self.value(f"load i32, ptr {outer[loop.operands[0]]}")
        low = self.value(f"call i32 @llvm.smax.i32(i32 {given}, i32 0)")
        index = self.value(f"call i32 @llvm.smin.i32(i32 {low}, i32 {last})")
        arms = " ".join(f"i32 {n}, label %arm{k}_{n}" for n in range(last + 1))
        start, all_pointers = 0, []
        for block in loop.blocks:
            pointers = dict(outer)
            for var, operand in zip(block.jaxpr.invars, loop.operands[1:], strict=True):
                pointers[var] = outer[operand]
            for var, result in zip(block.jaxpr.outvars, loop.eqn.outvars, strict=True):
                pointers[var] = outer[result]  # type: ignore[index]
            self.locals(block, scratch, start, pointers)
            start += block.size
            all_pointers.append(pointers)
        self.line(f"switch i32 {index}, label %arm{k}_{last} [ {arms} ]")
        for n, (block, pointers) in enumerate(zip(loop.blocks, all_pointers, strict=True)):
            self.label(f"arm{k}_{n}")
            self.block(block, pointers)
            self.line(f"br label %join{k}")
        self.label(f"join{k}")

    def finish(self, buffers: int) -> Emitted:
        parameters = [*(f"ptr %b{k}" for k in range(buffers)), *(f"i64 %p{k}" for k in range(len(self.numbers)))]
        head = f"define internal void @NAME.body({', '.join(parameters)}) noinline nounwind {{"
        lines = [head, "entry:", *self.allocas, "  br label %start", "start:", *self.lines, "  ret void", "}"]
        parts = [text.replace("@NAME", f"@{name}") for text, name in self.parts.items()]
        return Emitted(
            "".join(parts) + "\n".join(lines) + "\n",
            buffers,
            self.declares,
            tuple(sorted(self.vmath)),
            tuple(self.numbers),
        )
