"""Loop nests as Python text: the readable twin of `emit_llvm.py`.

In: a `Kernel` and names for its buffers. Out: the lines of a function over flat, row-major arrays, which runs as it stands,
or compiled by numba. It says what the LLVM function does, loop for loop: the same order of stages, accumulators where
those are registers, memory where those are memory. What it leaves out is what LLVM does about speed: `noalias`,
partial sums (`CHUNK`), hoisting out of the innermost loop.
"""

from __future__ import annotations

import ast
import functools
import keyword
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from .emit_llvm import initial
from .nests import Affine, Apply, Const, Kernel, Load, Position, Reduce, Stage, Store, Value, parts
from .scalars import SCALARS

__all__ = ["Source", "affine_text", "emit_python"]

_LONGEST = 72  # characters of an expression that gets no name of its own
_ATOM = 20
_BINDING: dict[type, int] = {  # how strongly the operators of Python bind
    ast.Pow: 9,
    ast.USub: 8,
    ast.Invert: 8,
    ast.Mult: 7,
    ast.Div: 7,
    ast.Add: 6,
    ast.Sub: 6,
    ast.BitAnd: 4,
    ast.BitXor: 3,
    ast.BitOr: 2,
    ast.Compare: 1,
    ast.Not: 0,
    ast.IfExp: -1,
}
_FUSED_ASSIGNMENTS = {"add": "+=", "mul": "*=", "and": "&=", "or": "|=", "xor": "^="}
_WIDENED = ("**", "erf", "logistic", "round_half", "cbrt")  # expressions that numba gives a wider type than NumPy


class Source:
    """Lines of Python under way, and the names that they use.

    Attributes:
        lines: with their indentation.
        names: of NumPy, of `math` and of `python_scalars.py`.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: set[str] = set()
        self.depth = 0
        self._count = 0

    def line(self, text: str) -> None:
        """Append a line at the current depth."""
        self.lines.append("    " * self.depth + text)

    def start(self, head: str) -> None:
        """Begin a function, in which names are given anew."""
        if self.lines:
            self.lines += ["", ""]
        self.lines += ["@njit", f"def {head}:"]
        self._count = 0

    def fresh(self, stem: str) -> str:
        """A name that is not taken: variables of a program have no digits in theirs."""
        self._count += 1
        return f"{stem}{self._count}"

    def dtype(self, dtype: np.dtype) -> str:
        """The name of a dtype."""
        name = "bool_" if dtype.kind == "b" else dtype.name
        self.names.add(name)
        return name

    def constant(self, value: Any, dtype: np.dtype) -> str:
        """A scalar."""
        if dtype.kind == "b":
            return str(bool(value))
        if dtype.kind == "f" and not np.isfinite(value):
            word = "nan" if np.isnan(value) else "inf"
            self.names.add(word)
            return f"{self.dtype(dtype)}({'-' if value < 0 else ''}{word})"
        return f"{self.dtype(dtype)}({value.item() if dtype.itemsize == 8 else value})"


def affine_text(index: Affine, counters: Sequence[str], dynamic: Sequence[str] = ()) -> str:
    """`sum(dynamic) + sum(coefficient * counter) + offset`."""
    terms = list(dynamic)
    terms += [
        counter if c == 1 else f"{counter} * {c}"
        for c, counter in zip(index.coefficients, counters, strict=True)
        if c and counter != "0"
    ]
    if index.offset or not terms:
        terms.append(str(index.offset))
    return " + ".join(terms).replace("+ -", "- ")


def emit_python(source: Source, kernel: Kernel, name: str, buffers: Sequence[str]) -> None:
    """Write a kernel as the function `name` of flat arrays.

    Args:
        source: where to.
        kernel: the nest.
        name: of the function.
        buffers: names of its parameters.
    """
    source.start(f"{name}({', '.join(buffers)})")
    source.depth += 1
    written = ", ".join(b for b, buffer in zip(buffers, kernel.buffers, strict=True) if buffer.written)
    source.line(f"# writes {written}")
    _Writer(source, kernel, buffers).kernel()
    source.depth -= 1


class _Writer:
    def __init__(self, source: Source, kernel: Kernel, buffers: Sequence[str]) -> None:
        self.source = source
        self.nest = kernel
        self.buffers = buffers
        self.loops = 0

    # -- loops: as in emit_llvm ----------------------------------------------------------------------------------

    def open(self, extent: int) -> str:
        counter = f"i{self.loops}"
        self.loops += 1
        self.source.line(f"for {counter} in range({extent}):")
        self.source.depth += 1
        return counter

    def close(self) -> None:
        self.source.depth -= 1
        self.loops -= 1

    def kernel(self) -> None:
        rows = len(self.nest.rows)
        for stage in self.nest.stages:
            for root in stage.roots:
                if type(root) is Reduce and any(axis < rows for axis in root.axes):
                    self.fill((), (*self.nest.rows, *stage.extents), root)
        counters = [self.open(extent) for extent in self.nest.rows]
        for stage in self.nest.stages:
            self.stage(counters, stage)
        for _ in counters:
            self.close()

    def fill(self, counters: Sequence[str], extents: Sequence[int], root: Reduce) -> None:
        every, opened = list(counters), 0
        for axis in range(len(counters), len(extents)):
            if axis in root.axes:
                every.append("0")
            else:
                every.append(self.open(extents[axis]))
                opened += 1
        self.source.line(f"{self.place(root.buffer, root.index, every)} = {self.start(root)}")
        for _ in range(opened):
            self.close()

    def start(self, root: Reduce) -> str:
        dtype = self.nest.buffers[root.buffer].dtype
        return self.source.constant(initial(root.op, dtype), dtype)

    def stage(self, rows: list[str], stage: Stage) -> None:
        extents = (*self.nest.rows, *stage.extents)
        depth = len(extents)
        held: dict[int, tuple[str, int]] = {}  # accumulators by number of the root: name, first loop
        for place, root in enumerate(stage.roots):
            if type(root) is not Reduce:
                continue
            first = depth
            while first > len(rows) and first - 1 in root.axes:
                first -= 1
            if first < depth:
                held[place] = (self.source.fresh({"add": "sum", "mul": "product"}.get(root.op, root.op)), first)
            if any(axis < first for axis in root.axes) and all(axis >= len(rows) for axis in root.axes):
                self.fill(rows, extents, root)
        counters = list(rows)
        for axis in range(len(rows), depth):
            for place, (name, first) in held.items():
                if first == axis:
                    self.source.line(f"{name} = {self.start(stage.roots[place])}")  # type: ignore[arg-type]
            counters.append(self.open(extents[axis]))
        self.point(stage, held, counters)
        for axis in range(depth - 1, len(rows) - 1, -1):
            self.close()
            counters.pop()
            for place, (name, first) in held.items():
                if first == axis:
                    self.finish(stage.roots[place], name, first, [*counters, *["0"] * (depth - axis)])  # type: ignore[arg-type]

    def finish(self, root: Reduce, name: str, first: int, counters: Sequence[str]) -> None:
        place = self.place(root.buffer, root.index, counters)
        if any(axis < first for axis in root.axes):
            self.combine(root, place, name)
        else:
            self.source.line(f"{place} = {name}")

    def combine(self, root: Reduce, target: str, value: str) -> None:
        """`target` becomes `target op value`."""
        dtype = self.nest.buffers[root.buffer].dtype
        operator = _FUSED_ASSIGNMENTS.get(root.op)
        if operator and (dtype.kind == "f" or dtype.itemsize == 8):
            self.source.line(f"{target} {operator} {value}")
        else:
            self.source.line(
                f"{target} = {self.operation(root.op, dtype, dtype, {}, [(target, _ATOM), (value, -2)])[0]}"
            )

    # -- values --------------------------------------------------------------------------------------------------

    def place(self, buffer: int, index: Affine, counters: Sequence[str], terms: Sequence[str] = ()) -> str:
        return f"{self.buffers[buffer]}[{affine_text(index, counters, terms)}]"

    def point(self, stage: Stage, held: dict[int, tuple[str, int]], counters: Sequence[str]) -> None:
        """What happens at one point of the loops."""
        uses: Counter[int] = Counter()
        for root in stage.roots:
            for value in parts(root):
                if type(value) is Apply:
                    uses.update({id(x): value.args.count(x) for x in value.args})
                elif type(value) is Load or type(value) is Position:
                    uses.update(id(datum.value) for _, datum in value.index.terms)
            uses.update(id(datum.value) for _, datum in root.index.terms)
            uses[id(root.value)] += 1
        named: dict[int, tuple[str, int]] = {}
        for place, root in enumerate(stage.roots):
            value = self.value(root.value, counters, uses, named)[0]
            if type(root) is Store:
                terms = self.terms(root.index, counters, uses, named)
                self.source.line(f"{self.place(root.buffer, root.index, counters, terms)} = {value}")
            else:
                target = held[place][0] if place in held else self.place(root.buffer, root.index, counters)
                self.combine(root, target, value)  # type: ignore[arg-type]

    def terms(self, index: Affine, counters: Sequence[str], uses: Counter[int], named: dict[int, Any]) -> list[str]:
        """What an index reads from memory, as terms of a sum."""
        texts = []
        for factor, datum in index.terms:
            text, binding = self.value(datum.value, counters, uses, named)
            text = f"({text})" if binding < _BINDING[ast.Mult] else text
            texts.append(text if factor == 1 else f"{text} * {factor}")
        return texts

    def value(
        self, value: Value, counters: Sequence[str], uses: Counter[int], named: dict[int, tuple[str, int]]
    ) -> tuple[str, int]:
        """(text, how strongly its outermost operator binds) of an expression; what is used twice gets a name."""
        found = named.get(id(value))
        if found is not None:
            return found
        if type(value) is Const:
            return self.source.constant(value.value, value.dtype), _ATOM
        if type(value) is Position:
            text = self.position(value, counters, self.terms(value.index, counters, uses, named))
            return f"{self.source.dtype(value.dtype)}({text})", _ATOM
        if type(value) is Load:
            terms = self.terms(value.index, counters, uses, named)
            return self.place(value.buffer, value.index, counters, terms), _ATOM
        assert type(value) is Apply
        args = [self.value(x, counters, uses, named) for x in value.args]
        source = value.args[-1].dtype if value.args else value.dtype
        text, binding = self.operation(
            value.op, source, value.dtype, dict(value.params), args, value.args[0].dtype if value.args else None
        )
        if uses[id(value)] > 1 or len(text) > _LONGEST:
            name = self.source.fresh("t")
            self.source.line(f"{name} = {text}")
            text, binding = named[id(value)] = name, _ATOM
        return text, binding

    def position(self, value: Position, counters: Sequence[str], terms: Sequence[str]) -> str:
        text = affine_text(value.index, counters, terms)
        return f"{self.source.dtype(np.dtype(np.int64))}({text})" if value.dtype.itemsize < 4 else text

    def operation(
        self,
        op: str,
        source: np.dtype,
        dtype: np.dtype,
        params: dict[str, Any],
        args: Sequence[tuple[str, int]],
        first: np.dtype | None = None,
    ) -> tuple[str, int]:
        """(text, binding) of a scalar operation."""
        if op == "select":
            template = _select(len(args) - 1, first is not None and first.kind == "b")
        elif op == "convert":
            template = self.conversion(source, dtype)
        else:
            row = SCALARS[op]
            template = {"b": row.boolean, "i": row.integer, "u": row.integer}.get(source.kind, "") or row.python
        half = "round_half_even" if params.get("rounding_method") == 1 else "round_half_away"
        words = {
            "bits": source.itemsize * 8,
            "dtype": self.source.dtype(dtype) if "{dtype}" in template else "",
            "rounding": half,
            "y": abs(params["y"]) if "y" in params and source.kind != "f" else params.get("y"),
        }
        outer, inner, names = _shape(template)
        text = template.format(
            *[f"({text})" if binding < inner.get(n, -2) else text for n, (text, binding) in enumerate(args)], **words
        )
        self.source.names.update(name if name != "rounding" else half for name in names)
        narrow = dtype.kind in "iu" and (dtype.itemsize < 8 or op == "shift_right_logical")
        wide = dtype.kind == "f" and dtype.itemsize == 4 and any(word in text for word in _WIDENED)
        if (narrow or wide) and not text.startswith(f"{dtype.name}("):
            return f"{self.source.dtype(dtype)}({text})", _ATOM
        return text, outer

    def conversion(self, source: np.dtype, target: np.dtype) -> str:
        if target.kind == "b":
            return "{0} != 0"
        if source.kind == "f" and target.kind in "iu":
            self.source.dtype(target)
            return f"to_{target.name}({{0}})"
        return "{dtype}({0})"


def _select(cases: int, boolean: bool) -> str:
    """`select(which, case 0, case 1, ...)`: a boolean chooses between two."""
    if cases == 1:
        return "{1}"
    if boolean:
        return "{2} if {0} else {1}"
    text = f"{{{cases}}}"
    for k in range(cases - 1, 0, -1):
        text = f"{{{k}}} if {{0}} <= {k - 1} else {text}"
    return text


@functools.cache
def _shape(template: str) -> tuple[int, dict[int, int], frozenset[str]]:
    """(binding of the outermost operator, least binding of each operand, names used) of a template."""
    text = template
    for word in ("bits", "dtype", "y"):
        text = text.replace(f"{{{word}}}", "1" if word != "dtype" else "float32")
    text = text.replace("{rounding}", "rounding")
    for n in range(30):
        text = text.replace(f"{{{n}}}", f"ARG{n}")
    tree = ast.parse(text, mode="eval").body
    inner: dict[int, int] = {}

    def binding(node: ast.AST) -> int:
        operator = getattr(node, "op", node)
        return _BINDING.get(type(operator), _BINDING.get(type(node), _ATOM))

    def visit(node: ast.AST, least: int) -> None:
        if isinstance(node, ast.Name) and node.id.startswith("ARG"):
            n = int(node.id[3:])
            inner[n] = max(inner.get(n, -2), least)
            return
        inside = isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Attribute))
        for field, child in ast.iter_fields(node):
            for item in child if isinstance(child, list) else [child]:
                if isinstance(item, ast.AST):
                    # the right operand of -, / must bind more strongly than the operator; that of + need not
                    loose = field == "left" and not isinstance(getattr(node, "op", None), ast.Pow)
                    visit(item, (binding(node) + (not loose)) if inside else -2)

    visit(tree, -2)
    names = frozenset(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not node.id.startswith("ARG") and not keyword.iskeyword(node.id)
    )
    return binding(tree), inner, names
