"""Loops over kernels as Python text: the readable twin of `emit_loops.py`.

In: a `Loop` and names for its buffers. Out: the lines of a function: a `for` (scan), a `while`, or an `if` (cond) around
calls of the kernels of its bodies. A carry alternates between two arrays; a row of a scanned array is a slice of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Var
from .cumulative import Cumulative, python_cumulative
from .emit_python import Source, emit_python
from .gemm import Product
from .loops import Block, Loop
from .steps import Fused

__all__ = ["LoopWriter"]

Names = dict[Var, str]


class LoopWriter:
    """Writes the function of a loop, after those of the kernels in it.

    Args:
        source: where to.
        name: of the function; kernels inside are called after it.
    """

    def __init__(self, source: Source, name: str) -> None:
        self.source = source
        self.name = name
        self.body = Source()
        self.body.depth = 1
        self.kernels = 0

    def function(self, loop: Loop, buffers: Sequence[str]) -> None:
        """Write a loop as a function of flat arrays, whose names are `buffers`: all its variables but the scratch memory."""
        names = dict(zip((var for var in loop.variables if var is not loop.scratch), buffers, strict=True))
        self.loop(loop, names)
        self.source.names |= self.body.names
        self.source.start(f"{self.name}({', '.join(buffers)})")
        self.source.lines += self.body.lines or ["    pass"]

    def loop(self, loop: Loop, names: Names) -> None:
        {"scan": self.scan, "while": self.while_, "cond": self.cond}[loop.kind](loop, names)

    def block(self, block: Block, names: Names) -> None:
        for step in block.steps:
            if type(step) is Loop:
                self.loop(step, names)
                continue
            name = f"{self.name}_kernel_{self.kernels}"
            self.kernels += 1
            parameters = [f"b{n}" for n in range(len(step.variables))]
            if type(step) is Cumulative:
                python_cumulative(self.source, step, name, parameters)
            else:
                assert type(step) in (Fused, Product)
                emit_python(self.source, step.kernel, name, parameters)
            self.body.line(f"{name}({', '.join(names[var] for var in step.variables)})")

    def empty(self, var: Var) -> str:
        self.body.names.add("empty")
        return f"empty({max(var.aval.size, 1)}, {self.body.dtype(var.aval.dtype)})"

    def locals(self, block: Block, names: Names) -> None:
        """Arrays for a block's own variables."""
        for var in block.places:
            names[var] = self.body.fresh("v")
            self.body.line(f"{names[var]} = {self.empty(var)}")

    def carries(self, inits: Sequence[Var], names: Names, in_place: frozenset[int]) -> list[tuple[str, str]]:
        """(carry, next carry): names of two arrays each, or of one that is changed in place."""
        pairs = []
        for place, init in enumerate(inits):
            if place in in_place:
                name = self.body.fresh("carry")
                self.body.line(f"{name} = {names[init]}.copy()")
                pairs.append((name, name))
                continue
            now, new = self.body.fresh("now"), self.body.fresh("next")
            self.body.line(f"{now}, {new} = {names[init]}.copy(), {self.empty(init)}")
            pairs.append((now, new))
        return pairs

    def rotate(self, pairs: Sequence[tuple[str, str]]) -> None:
        for now, new in pairs:
            if now != new:
                self.body.line(f"{now}, {new} = {new}, {now}")

    def keep(self, pairs: Sequence[tuple[str, str]], results: Sequence[Var], names: Names) -> None:
        for (now, _), result in zip(pairs, results, strict=True):
            self.body.line(f"{names[result]}[:] = {now}")

    def row(self, whole: str, var: Var, index: str) -> str:
        n = var.aval.size
        name = self.body.fresh("row")
        start, end = (index, f"{index} + 1") if n == 1 else (f"{index} * {n}", f"({index} + 1) * {n}")
        self.body.line(f"{name} = {whole}[{start} : {end}]")
        return name

    def scan(self, loop: Loop, outer: Names) -> None:
        (block,) = loop.blocks
        params, jaxpr, results = loop.eqn.params, block.jaxpr, loop.eqn.outvars
        length, num_consts, num_carry = params["length"], params["num_consts"], params["num_carry"]
        split = num_consts + num_carry
        names = dict(outer)
        names.update(zip(jaxpr.invars[:num_consts], (outer[x] for x in loop.operands[:num_consts]), strict=True))
        self.locals(block, names)
        pairs = self.carries(loop.operands[num_consts:split], outer, block.in_place)
        counter = self.body.fresh("step")
        order = f"range({length - 1}, -1, -1)" if params["reverse"] else f"range({length})"
        self.body.line(f"for {counter} in {order}:")
        self.body.depth += 1
        for var, out, (now, new) in zip(jaxpr.invars[num_consts:split], jaxpr.outvars, pairs, strict=False):
            names[var], names[out] = now, new  # type: ignore[index]
        for var, whole in zip(jaxpr.invars[split:], loop.operands[split:], strict=True):
            names[var] = self.row(outer[whole], var, counter)
        for var, whole in zip(jaxpr.outvars[num_carry:], results[num_carry:], strict=True):
            names[var] = self.row(outer[whole], var, counter)  # type: ignore[index, arg-type]
        self.block(block, names)
        self.rotate(pairs)
        self.pass_if_empty(counter)
        self.body.depth -= 1
        self.keep(pairs, results[:num_carry], outer)

    def pass_if_empty(self, head: str) -> None:
        if f" {head} in " in self.body.lines[-1] or self.body.lines[-1].endswith(f"{head}:"):
            self.body.line("pass")

    def while_(self, loop: Loop, outer: Names) -> None:
        holds, body = loop.blocks
        cond_consts, body_consts = loop.eqn.params["cond_nconsts"], loop.eqn.params["body_nconsts"]
        names = dict(outer)
        names.update(zip(holds.jaxpr.invars, (outer[x] for x in loop.operands[:cond_consts]), strict=False))
        rest = loop.operands[cond_consts:]
        names.update(zip(body.jaxpr.invars, (outer[x] for x in rest[:body_consts]), strict=False))
        self.locals(holds, names)
        self.locals(body, names)
        pairs = self.carries(rest[body_consts:], outer, body.in_place)
        answer = self.body.fresh("goes_on")
        (asked,) = holds.jaxpr.outvars
        self.body.line(f"{answer} = {self.empty(asked)}")  # type: ignore[arg-type]
        names[asked] = answer  # type: ignore[index]
        self.body.line("while True:")
        self.body.depth += 1
        names.update(zip(holds.jaxpr.invars[cond_consts:], (now for now, _ in pairs), strict=True))
        self.block(holds, names)
        self.body.line(f"if not {answer}[0]:")
        self.body.line("    break")
        for var, out, (now, new) in zip(body.jaxpr.invars[body_consts:], body.jaxpr.outvars, pairs, strict=True):
            names[var], names[out] = now, new  # type: ignore[index]
        self.block(body, names)
        self.rotate(pairs)
        self.body.depth -= 1
        self.keep(pairs, loop.eqn.outvars, outer)

    def cond(self, loop: Loop, outer: Names) -> None:
        last = len(loop.blocks) - 1
        index = self.body.fresh("which")
        self.body.line(f"{index} = min(max({outer[loop.operands[0]]}[0], 0), {last})")
        for number, block in enumerate(loop.blocks):
            names = dict(outer)
            names.update(zip(block.jaxpr.invars, (outer[x] for x in loop.operands[1:]), strict=True))
            names.update(zip(block.jaxpr.outvars, (outer[x] for x in loop.eqn.outvars), strict=True))  # type: ignore[arg-type]
            head = "if" if number == 0 else "elif"
            self.body.line(f"{head} {index} == {number}:" if number < last or last == 0 else "else:")
            self.body.depth += 1
            count = len(self.body.lines)
            self.locals(block, names)
            self.block(block, names)
            if len(self.body.lines) == count:
                self.body.line("pass")
            self.body.depth -= 1
