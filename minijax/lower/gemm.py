"""Matrix products as native steps: dot_general on strided memory, computed by the microkernels.

In: what a product reads and writes at each point of its loops, as affine indices (`Contraction`, made by `roots.py`). Out: a
`Product`, or None where a loop nest is the better program: few products of numbers, an operand that is no array in
memory, axes that are no matrices, or a vector times rows that lie along the sum.

Transposes, slices and broadcasts of the operands are strides. Axes of one role that run through memory as one are one; the
others, and batch axes, are loops around the microkernel. A matrix times a vector is computed as the transposed product.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Var
from .emit_llvm import Emitted
from .microkernels import symbol
from .nests import Affine, Apply, Buffer, Kernel, Load, Reduce, Stage, Store
from .steps import Call, Fused

__all__ = ["Contraction", "Product", "accumulated", "emit_product", "product_of"]

FEWEST = 512  # products of numbers from which a call of the microkernel pays
_FORMATS = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


class Contraction(NamedTuple):
    """A dot_general at the points of its loops.

    Attributes:
        roles: of each loop: b (batch), m, n (axes of the left, right operand that are kept) or k (summed).
        extents: of each loop.
        left, right: the elements that are multiplied.
        out: the index in the result.
    """

    roles: tuple[str, ...]
    extents: tuple[int, ...]
    left: Any
    right: Any
    out: Affine


class Product(NamedTuple):
    """A native step: products of matrices, in loops over `outer`.

    Attributes:
        short: the format, "f32" or "f64".
        out, left, right: the variables.
        starts: offsets of left and right in bytes.
        outer: (extent, step in out, in left, in right) of each loop, steps in bytes.
        sizes: m, n, k.
        strides: of out along m, left along m and k, right along k and n, in bytes.
        onto: a variable that lies like out and is added; None without one. It has no loops in `outer`.
    """

    short: str
    out: Var
    left: Var
    right: Var
    starts: tuple[int, int]
    outer: tuple[tuple[int, int, int, int], ...]
    sizes: tuple[int, int, int]
    strides: tuple[int, int, int, int, int]
    onto: Var | None = None

    @property
    def variables(self) -> tuple[Var, ...]:
        """What it reads and writes."""
        read = (self.left, self.right) if self.onto is None else (self.left, self.right, self.onto)
        return tuple(dict.fromkeys((self.out, *read)))

    @property
    def written(self) -> tuple[bool, ...]:
        """For each variable, whether the step writes it."""
        return tuple([var is self.out for var in self.variables])

    @property
    def work(self) -> float:
        """About how many scalar operations it makes, counted as loop nests count theirs."""
        return math.prod([float(n) for n, _, _, _ in self.outer]) * math.prod(self.sizes) / 8

    @property
    def kernel(self) -> Kernel:
        """The same product as a loop nest."""
        dtype, variables = self.out.aval.dtype, self.variables
        size = dtype.itemsize
        (m, n, k), (cm, am, ak, bk, bn) = self.sizes, self.strides
        loops = zip(*self.outer, strict=True) if self.outer else ((),) * 4
        extents, c, a, b = (tuple(entries) for entries in loops)

        def load(var: Var, start: int, steps: tuple[int, ...]) -> Load:
            index = Affine(start // size, tuple([step // size for step in steps]))
            return Load(variables.index(var), index, dtype)

        left = load(self.left, self.starts[0], (*a, am, ak, 0))
        right = load(self.right, self.starts[1], (*b, 0, bk, bn))
        out = load(self.out, 0, (*c, cm, 0, size))
        value = Apply("mul", (left, right), dtype)
        root = Reduce("add", out.buffer, out.index, (len(self.outer) + 1,), value)
        stages = [Stage((*extents, m, k, n), (root,))]
        if self.onto is not None:
            index = Affine(0, (1,))
            sum_ = Apply(
                "add", (Load(variables.index(self.onto), index, dtype), Load(out.buffer, index, dtype)), dtype
            )
            stages.append(Stage((m * n,), (Store(out.buffer, index, sum_),)))
        buffers = tuple([Buffer(dtype, written) for written in self.written])
        return Kernel((), tuple(stages), buffers)


class _Axis(NamedTuple):
    extent: int
    out: int
    left: int
    right: int


def product_of(what: Contraction, variables: Sequence[Var], out: Var) -> Product | None:
    """The step for a contraction; None if a nest is better.

    Args:
        what: the contraction.
        variables: by buffer number of its loads.
        out: what is computed.
    """
    x, y, short = what.left, what.right, _FORMATS.get(out.aval.dtype)
    loads = type(x) is Load and type(y) is Load and not x.index.terms and not y.index.terms
    if short is None or not loads or x.dtype != out.aval.dtype or y.dtype != out.aval.dtype:
        return None
    size = out.aval.dtype.itemsize
    axes: dict[str, list[_Axis]] = {"b": [], "m": [], "n": [], "k": []}
    steps = zip(what.out.coefficients, x.index.coefficients, y.index.coefficients, strict=True)
    for role, extent, (c, a, b) in zip(what.roles, what.extents, steps, strict=True):
        axes[role].append(_Axis(extent, c * size, a * size, b * size))
    merged = {role: _merged(found) for role, found in axes.items()}
    one = _Axis(1, size, size, size)
    if len(merged["k"]) > 1:
        return None
    m, n, k = (merged[role].pop() if merged[role] else one for role in "mnk")
    outer = [*merged["b"], *merged["m"], *merged["n"]]
    if math.prod([m.extent, n.extent, k.extent]) < FEWEST:
        return None
    sides = [(variables[x.buffer], x.index.offset * size), (variables[y.buffer], y.index.offset * size)]
    if n.extent == 1 and m.extent > 1:
        m, n, k = (_Axis(axis.extent, axis.out, axis.right, axis.left) for axis in (n, m, k))
        outer = [_Axis(axis.extent, axis.out, axis.right, axis.left) for axis in outer]
        sides.reverse()
    if n.out != size or (m.extent == 1 and n.right != size):
        return None
    (left, left_start), (right, right_start) = sides
    strides = (m.out, m.left, k.left, k.right, n.right)
    sizes = (m.extent, n.extent, k.extent)
    starts = (left_start, right_start)
    return Product(short, out, left, right, starts, tuple([tuple(axis) for axis in outer]), sizes, strides)


def _merged(axes: Sequence[_Axis]) -> list[_Axis]:
    """Neighbouring axes that run through memory as one are one, in all three arrays."""
    found: list[_Axis] = []
    for axis in axes:
        n = axis.extent
        if found and found[-1][1:] == (axis.out * n, axis.left * n, axis.right * n):
            found[-1] = axis._replace(extent=found[-1].extent * n)
        else:
            found.append(axis)
    return found


def accumulated(steps: Sequence[Any], results: Sequence[Atom]) -> list[Any]:
    """The steps, where a nest that only adds an array to a product is part of the product."""
    readers = Counter(var for step in steps for var in _variables(step))
    readers.update(x for x in results if type(x) is Var)
    made = {step.out: step for step in steps if type(step) is Product and not step.outer and readers[step.out] == 2}
    found: list[Any] = []
    for step in steps:
        pair = _added(step) if type(step) is Fused else None
        for product, other in (pair, pair[::-1]) if pair else ():
            if product in made:
                (out,) = [var for var, written in zip(step.variables, step.written, strict=True) if written]
                step = made.pop(product)._replace(out=out, onto=other)
                found = [earlier for earlier in found if type(earlier) is not Product or earlier.out is not product]
                break
        found.append(step)
    return found


def _variables(step: Any) -> Sequence[Var]:
    if type(step) is Call:
        return [x for x in (*step.eqn.invars, *step.outs) if type(x) is Var]
    return step.variables  # type: ignore[no-any-return]


def _added(step: Fused) -> tuple[Var, Var] | None:
    """The two arrays whose sum a nest writes, if that is all it does."""
    stages = step.kernel.stages
    if step.kernel.rows or len(stages) != 1 or len(stages[0].roots) != 1:
        return None
    (root,) = stages[0].roots
    straight = Affine(0, (1,))
    if type(root) is not Store or type(root.value) is not Apply or root.value.op != "add" or root.index != straight:
        return None
    x, y = root.value.args
    if type(x) is not Load or type(y) is not Load or x == y or (x.index, y.index) != (straight, straight):
        return None
    return step.variables[x.buffer], step.variables[y.buffer]


def emit_product(step: Product) -> Emitted:
    """The LLVM IR of a product; all numbers are run-time parameters."""
    lines: list[str] = []
    numbers = [*step.starts, *(n for axis in step.outer for n in axis), *step.sizes, *step.strides]
    buffer = {var: f"%b{k}" for k, var in enumerate(step.variables)}
    pointers = {"c": buffer[step.out]}
    for k, (name, var) in enumerate((("a", step.left), ("b", step.right))):
        pointers[name] = f"%{name}_start"
        lines.append(f"  {pointers[name]} = getelementptr i8, ptr {buffer[var]}, i64 %p{k}")
    before = "entry"
    for depth in range(len(step.outer)):
        lines += [f"  br label %body{depth}", f"body{depth}:"]
        lines.append(f"  %i{depth} = phi i64 [ 0, %{before} ], [ %next{depth}, %latch{depth} ]")
        for name in "cab":
            first, later = f"[ {pointers[name]}, %{before} ]", f"[ %{name}_next{depth}, %latch{depth} ]"
            lines.append(f"  %{name}_at{depth} = phi ptr {first}, {later}")
            pointers[name] = f"%{name}_at{depth}"
        before = f"body{depth}"
    first = 2 + 4 * len(step.outer)
    arguments = [*(f"ptr {pointers[name]}" for name in "cab"), *(f"i64 %p{first + k}" for k in range(8))]
    arguments.append("ptr null" if step.onto is None else f"ptr {buffer[step.onto]}")
    lines.append(f"  call void @{symbol(step.short)}({', '.join(arguments)})")
    for depth in reversed(range(len(step.outer))):
        extent, *steps = (f"%p{2 + 4 * depth + k}" for k in range(4))
        lines += [f"  br label %latch{depth}", f"latch{depth}:"]
        for name, by in zip("cab", steps, strict=True):
            lines.append(f"  %{name}_next{depth} = getelementptr i8, ptr %{name}_at{depth}, i64 {by}")
        lines.append(f"  %next{depth} = add nuw nsw i64 %i{depth}, 1")
        lines.append(f"  %more{depth} = icmp slt i64 %next{depth}, {extent}")
        lines += [f"  br i1 %more{depth}, label %body{depth}, label %after{depth}", f"after{depth}:"]
    count = len(step.variables)
    parameters = ", ".join([*(f"ptr %b{k}" for k in range(count)), *(f"i64 %p{k}" for k in range(len(numbers)))])
    head = f"define internal void @NAME.body({parameters}) alwaysinline nounwind {{"
    text = "\n".join([head, "entry:", *lines, "  ret void", "}"]) + "\n"
    declared = f"declare void @{symbol(step.short)}({', '.join(['ptr'] * 3 + ['i64'] * 8 + ['ptr'])}) nounwind"
    return Emitted(text, count, {symbol(step.short): declared}, (), tuple(numbers))
