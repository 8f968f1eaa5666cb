"""Fusion: which equations become one kernel, and what is stored between kernels.

In: an optimised ClosedJaxpr. Out: `Step`s in order: `Fused` (a kernel and the variables of its buffers) and `Call` (an
equation that its primitive's NumPy rule computes).

A variable is either *stored* (inputs, results, what calls read or make, what reductions make) or computed again
wherever it is needed, as part of the expression of a stored one: elementwise operations, conversions, positions, and all
movement, which is only index arithmetic (`views.py`). Each stored variable is a *root*: loops over its shape (over its
operand's shape, for a reduction). Roots with the same loops that share what they read become one nest, as long as
no element of one is needed at another point of the other (Darte & Huard 2000: fusion as a partition of
the dependence graph without cycles).

Computing again is bounded: what is expensive and would be computed in two nests, at two indices, or once for every element
of a broadcast is stored instead, and so is what an expression grown too deep starts from. Those decisions are taken
while building; each new one starts the building anew.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, ClosedJaxpr, Eqn, Literal, Var
from .nests import (
    Affine,
    Apply,
    Buffer,
    Const,
    Kernel,
    Load,
    Position,
    Reduce,
    Root,
    Stage,
    Store,
    Value,
    collapsed,
    mapped,
    parts,
)
from .scalars import EXPENSIVE, NATIVE, SCALARS, word_of
from .views import VIEWS, Index, Unreachable, apart, offset_of, whole

__all__ = ["Call", "Fused", "Step", "plan"]

REDUCTIONS = {
    "reduce_add": "add",
    "reduce_mul": "mul",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_and": "and",
    "reduce_or": "or",
    "reduce_xor": "xor",
}
DEEPEST = 60  # operations on top of each other in one expression
LARGEST = 500  # operations in one nest
_TRIES = 40
_CANDIDATES = 16  # nests with the same loops that a root may join, latest first


class Call(NamedTuple):
    """An equation that its primitive's own rule computes; `outs` are the results that are kept (None: not this one)."""

    eqn: Eqn
    outs: tuple[Var | None, ...]


class Fused(NamedTuple):
    """A kernel, and the variable that each of its buffers holds."""

    kernel: Kernel
    variables: tuple[Var, ...]


Step = Call | Fused


def plan(closed: ClosedJaxpr) -> list[Step]:
    """The steps of a program whose calls have been inlined."""
    facts = _Facts(closed)
    for _ in range(_TRIES):
        builder = _Builder(closed, facts)
        builder.build()
        found = builder.to_store - facts.stored
        if not found:
            return builder.steps()
        facts.stored |= found
    facts.stored |= set(facts.producers)  # no agreement: store everything, which always works
    builder = _Builder(closed, facts)
    builder.build()
    return builder.steps()


def native(eqn: Eqn) -> bool:
    """Whether kernels compute with all dtypes of an equation."""
    return all(x.aval.dtype in NATIVE for x in (*eqn.invars, *eqn.outvars))


def sort_of(eqn: Eqn) -> str:
    """scalar, view, position, reduce, place or call."""
    word = word_of(eqn.primitive.lower)
    if eqn.effects or not eqn.outvars or not native(eqn) or eqn.primitive.takes_arrays:
        return "call"
    if word in SCALARS:
        if word == "bitcast" and eqn.invars[0].aval.dtype.itemsize != eqn.outvars[0].aval.dtype.itemsize:
            return "call"
        return "call" if word == "bitcast" and "b" in _kinds(eqn) else "scalar"
    if word in VIEWS or word == "split":
        return "view"
    if word == "iota":
        return "position"
    if word in REDUCTIONS:
        return "reduce" if eqn.params["axes"] else "scalar"
    if word in ("concatenate", "pad"):
        return "place" if eqn.outvars[0].aval.size else "call"  # nothing to place: nobody would make the array
    return "call"


def _kinds(eqn: Eqn) -> str:
    return "".join(x.aval.dtype.kind for x in (*eqn.invars, *eqn.outvars))


class _Facts:
    """What is known about the equations before nests are built, and the variables to store."""

    def __init__(self, closed: ClosedJaxpr) -> None:
        self.jaxpr = closed.jaxpr
        self.producers: dict[Var, Eqn] = {}
        self.sorts: list[str] = [sort_of(eqn) for eqn in self.jaxpr.eqns]
        self.sort: dict[Var, str] = {}
        self.costs: dict[Var, int] = {}
        self.depths: dict[Var, int] = {}
        self.stored: set[Var] = set()
        self.views: set[Var] = set()  # movement that calls and results read: NumPy views
        for eqn, sort in zip(self.jaxpr.eqns, self.sorts, strict=True):
            for var in eqn.outvars:
                self.producers[var], self.sort[var] = eqn, sort
            if sort in ("call", "reduce", "place"):
                self.stored.update(eqn.outvars)
            else:
                self._inline(eqn, sort)
        for atom in self.jaxpr.outvars:
            self._read_outside(atom, result=True)
        for eqn, sort in zip(self.jaxpr.eqns, self.sorts, strict=True):
            if sort == "call":
                for atom in eqn.invars:
                    self._read_outside(atom, result=False)

    def _inline(self, eqn: Eqn, sort: str) -> None:
        word = word_of(eqn.primitive.lower)
        cost, depth = (SCALARS[word].cost if sort == "scalar" and word in SCALARS else 0), 1
        for atom in eqn.invars:
            if type(atom) is Literal or atom in self.stored:
                continue
            grows = eqn.outvars[0].aval.size > atom.aval.size
            if grows and self.costs.get(atom, 0) >= EXPENSIVE:
                self.stored.add(atom)  # type: ignore[arg-type]
                continue
            cost += self.costs.get(atom, 0)  # type: ignore[arg-type]
            depth = max(depth, 1 + self.depths.get(atom, 0))  # type: ignore[arg-type]
        for var in eqn.outvars:
            self.costs[var], self.depths[var] = min(cost, 10**6), depth
            if depth >= DEEPEST:
                self.stored.add(var)

    def _read_outside(self, atom: Atom, result: bool) -> None:
        """A call, or the caller, reads this: it must be an array."""
        if type(atom) is Literal or atom not in self.producers or atom in self.stored or atom in self.views:
            return
        assert type(atom) is Var
        eqn = self.producers[atom]
        word = word_of(eqn.primitive.lower)
        free = word == "reshape" if result else word in ("reshape", "transpose", "slice", "split")
        if self.sort[atom] != "view" or not free:
            self.stored.add(atom)
            return
        self.views.update(eqn.outvars)
        self._read_outside(eqn.invars[0], result)


class _Unit:
    """A nest being put together, or a call."""

    __slots__ = ("after", "before", "eqn", "number", "operations", "outs", "position", "roots", "shape", "variables")

    def __init__(self, number: int, position: int, shape: tuple[int, ...] | None, eqn: Eqn | None) -> None:
        self.number = number
        self.position = position
        self.shape = shape
        self.eqn = eqn
        self.roots: list[Root] = []
        self.before = 0  # bits of the units that must come first, indirectly too
        self.after: set[int] = set()  # those that must come first directly
        self.outs: tuple[Var | None, ...] = ()
        self.operations: set[int] = set()
        self.variables: set[Var] = set()


class _Builder:
    def __init__(self, closed: ClosedJaxpr, facts: _Facts) -> None:
        self.closed = closed
        self.facts = facts
        self.jaxpr = closed.jaxpr
        self.numbers: dict[Var, int] = {}
        self.vars: list[Var] = []
        self.units: list[_Unit] = []
        self.writers: dict[Var, list[int]] = {}
        self.to_store: set[Var] = set()
        self.values: dict[Any, Value] = {}  # by (variable, index, loops)
        self.nodes: dict[Any, Value] = {}
        self.indices: dict[tuple[Var, tuple[int, ...]], set[Any]] = {}
        self.by_shape: dict[tuple[int, ...], list[_Unit]] = {}
        self.needed = 0  # bits of the units that some unit needs

    # -- expressions ---------------------------------------------------------------------------------------------

    def number(self, var: Var) -> int:
        if var not in self.numbers:
            self.numbers[var] = len(self.vars)
            self.vars.append(var)
        return self.numbers[var]

    def shared(self, key: Any, node: Value) -> Value:
        return self.nodes.setdefault(key, node)

    def constant(self, literal: Literal) -> Value:
        dtype = literal.aval.dtype
        data = np.asarray(literal.value).astype(dtype).tobytes()
        return self.shared(("const", data, dtype), Const(data, dtype))

    def load(self, var: Var, index: Index, loops: int) -> Value:
        offset = offset_of(index, Affine(0, (0,) * loops))
        return self.shared(("load", var, offset), Load(self.number(var), offset, var.aval.dtype))

    def stored(self, var: Var) -> bool:
        return var not in self.facts.producers or var in self.facts.stored

    def value(self, atom: Atom, index: Index, shape: tuple[int, ...]) -> Value:
        """The element of `atom` at `index`, in loops over `shape`.

        Raises:
            Unreachable: after noting what must be stored.
        """
        if type(atom) is Literal:
            return self.constant(atom)
        assert type(atom) is Var
        loops = len(shape)
        if self.stored(atom):
            return self.load(atom, index, loops)
        key = (atom, index, shape)
        found = self.values.get(key)
        if found is None:
            others = self.indices.setdefault((atom, shape), set())
            others.add(index)
            if len(others) > 1 and self.facts.costs[atom] > 3:
                self.to_store.add(atom)
            found = self.values[key] = self.computed(atom, index, shape)
        return found

    def computed(self, var: Var, index: Index, shape: tuple[int, ...]) -> Value:
        eqn = self.facts.producers[var]
        sort = self.facts.sort[var]
        loops = len(shape)
        if sort == "scalar":
            return self.operation(eqn, index, shape)
        if sort == "position":
            axis = self.reachable(var, lambda: apart(index, loops))[eqn.params["dimension"]]
            return self.shared(("position", axis, var.aval.dtype), Position(axis, var.aval.dtype))
        operand = eqn.invars[0]
        word = word_of(eqn.primitive.lower)
        params = eqn.params
        if word == "split":
            word, params = "slice", split_as_slice(eqn, var)
        inner = self.reachable(var, lambda: VIEWS[word](index, operand.aval.shape, loops, **params))
        return self.value(operand, inner, shape)

    def reachable(self, var: Var, f: Any) -> Any:
        try:
            return f()
        except Unreachable:
            self.to_store.add(var)
            raise

    def operation(self, eqn: Eqn, index: Index, shape: tuple[int, ...]) -> Value:
        word = word_of(eqn.primitive.lower)
        if word in REDUCTIONS:  # over no axes
            return self.value(eqn.invars[0], index, shape)
        scalar: Index = ()
        args = [self.value(x, index if x.aval.shape else scalar, shape) for x in eqn.invars]
        dtype = eqn.outvars[0].aval.dtype
        params = tuple([(k, v) for k, v in eqn.params.items() if k in ("y", "rounding_method")])
        if word == "copy" or (word == "convert" and args[0].dtype == dtype):
            return args[0]
        key = (word, dtype, params, *map(id, args))
        return self.shared(key, Apply(word, tuple(args), dtype, params))

    # -- roots ---------------------------------------------------------------------------------------------------

    def build(self) -> None:
        facts = self.facts
        last_effect = -1
        for position, (eqn, sort) in enumerate(zip(self.jaxpr.eqns, facts.sorts, strict=True)):
            if sort == "call":
                unit = self.call(position, eqn, tuple(eqn.outvars))
                if eqn.effects:
                    if last_effect >= 0:
                        self.order(unit, last_effect)
                    last_effect = unit.number
                continue
            outs = tuple([var if var in facts.views and var not in facts.stored else None for var in eqn.outvars])
            if sort == "view" and any(outs):
                self.call(position, eqn, outs)
            try:
                if sort == "reduce":
                    self.reduction(position, eqn)
                elif sort == "place":
                    self.placement(position, eqn)
                else:
                    for var in eqn.outvars:
                        if var in facts.stored:
                            self.definition(position, var)
            except Unreachable:
                continue  # what to store was noted: everything is built anew

    def call(self, position: int, eqn: Eqn, outs: tuple[Var | None, ...]) -> _Unit:
        unit = self.unit(position, None, eqn)
        unit.outs = outs
        for atom in eqn.invars:
            if type(atom) is Var:
                for writer in self.writers.get(atom, ()):
                    self.order(unit, writer)
        for var in outs:
            if var is not None:
                self.writers.setdefault(var, []).append(unit.number)
        return unit

    def definition(self, position: int, var: Var) -> None:
        """A root that stores an elementwise variable; what it reads of itself is computed, not loaded."""
        shape = long_axes(var.aval.shape)
        index = whole(var.aval.shape)
        value = self.computed(var, index, shape)
        self.place(position, var, shape, Store(self.number(var), offset_of(index, zero_of(shape)), value))

    def reduction(self, position: int, eqn: Eqn) -> None:
        (var,), (operand,) = eqn.outvars, eqn.invars
        op = REDUCTIONS[word_of(eqn.primitive.lower)]
        full = operand.aval.shape
        shape, index = long_axes(full), whole(full)
        value = self.value(operand, index, shape)
        axes = eqn.params["axes"]
        kept = tuple([group for axis, group in enumerate(index) if axis not in axes])
        offset = offset_of(kept, zero_of(shape))
        loops = [axis for axis, n in enumerate(full) if n != 1]
        reduced = tuple([place for place, axis in enumerate(loops) if axis in axes])
        root: Root = (
            Reduce(op, self.number(var), offset, reduced, value)
            if reduced
            else Store(self.number(var), offset, value)
        )
        self.place(position, var, shape, root)

    def placement(self, position: int, eqn: Eqn) -> None:
        """concatenate and pad: roots that write their piece of the result."""
        (var,) = eqn.outvars
        if word_of(eqn.primitive.lower) == "concatenate":
            start, axis = 0, eqn.params["dimension"]
            for operand in eqn.invars:
                n = operand.aval.shape[axis]
                if n:
                    starts = tuple([start if d == axis else 0 for d in range(operand.aval.ndim)])
                    self.piece(position, var, operand, operand.aval.shape, (0,) * operand.aval.ndim, starts, None)
                start += n
            self.writers.setdefault(var, [])
            return
        operand, fill = eqn.invars
        config = eqn.params["padding_config"]
        shape = long_axes(var.aval.shape)
        index = whole(var.aval.shape)
        value = self.value(fill, (), shape)
        self.place(position, var, shape, Store(self.number(var), offset_of(index, zero_of(shape)), value))
        first, count, start = [], [], []
        for n, (low, _, interior), size in zip(operand.aval.shape, config, var.aval.shape, strict=True):
            step = interior + 1
            begin = -(low // step) if low < 0 else 0
            end = min(n, -((low - size) // step))
            first.append(begin)
            count.append(max(0, end - begin))
            start.append(low + begin * step)
        if all(count):
            steps = tuple([interior + 1 for _, _, interior in config])
            self.piece(position, var, operand, tuple(count), tuple(first), tuple(start), steps)

    def piece(
        self,
        position: int,
        var: Var,
        operand: Atom,
        counts: tuple[int, ...],
        first: tuple[int, ...],
        start: tuple[int, ...],
        steps: tuple[int, ...] | None,
    ) -> None:
        """Write `counts` elements of `operand` from `first` on to `var` from `start` on."""
        shape = long_axes(counts)
        index = whole(counts)
        taken, written = [], []
        for d, ((_, linear), n, m) in enumerate(zip(index, operand.aval.shape, var.aval.shape, strict=True)):
            taken.append(((n,), linear.shifted(first[d])))
            written.append(((m,), linear.times(1 if steps is None else steps[d]).shifted(start[d])))
        value = self.value(operand, tuple(taken), shape)
        root = Store(self.number(var), offset_of(tuple(written), zero_of(shape)), value)
        self.place(position, var, shape, root, after=list(self.writers.get(var, ())) if steps is not None else [])

    # -- units ---------------------------------------------------------------------------------------------------

    def unit(self, position: int, shape: tuple[int, ...] | None, eqn: Eqn | None) -> _Unit:
        unit = _Unit(len(self.units), position, shape, eqn)
        self.units.append(unit)
        if shape is not None:
            self.by_shape.setdefault(shape, []).append(unit)
        return unit

    def order(self, later: _Unit, earlier: int) -> None:
        """`earlier` and all it needs come before `later` and all that need it."""
        later.after.add(earlier)
        bits = (1 << earlier) | self.units[earlier].before
        self.needed |= bits
        if later.before & bits == bits:
            return
        later.before |= bits
        if self.needed >> later.number & 1:
            mark = 1 << later.number
            for unit in self.units:
                if unit.before & mark:
                    unit.before |= later.before

    def place(self, position: int, var: Var, shape: tuple[int, ...], root: Root, after: Sequence[int] = ()) -> None:
        """Put a root into a nest with the same loops, or a new one."""
        loads = [v for v in parts(root) if type(v) is Load]
        operations = {id(v) for v in parts(root) if type(v) is Apply}
        reads = {self.vars[v.buffer] for v in loads}
        chosen = None
        for unit in self.by_shape.get(shape, ())[: -_CANDIDATES - 1 : -1]:
            if len(unit.operations) + len(operations) > LARGEST and not operations <= unit.operations:
                continue
            if shape and not (reads & unit.variables or operations & unit.operations):
                continue
            if self.fits(unit, loads) and not any(w == unit.number or self.needs(w, unit) for w in after):
                chosen = unit
                break
        if chosen is None:
            chosen = self.unit(position, shape, None)
        for read in reads:
            for writer in self.writers.get(read, ()):
                if writer != chosen.number:
                    self.order(chosen, writer)
        for writer in after:
            self.order(chosen, writer)
        chosen.roots.append(root)
        chosen.operations |= operations
        chosen.variables |= reads | {var}
        self.writers.setdefault(var, []).append(chosen.number)

    def needs(self, unit: int, other: _Unit) -> bool:
        return bool(self.units[unit].before >> other.number & 1)

    def fits(self, unit: _Unit, loads: Sequence[Load]) -> bool:
        """Whether a root that makes these loads can join `unit`."""
        stores = {root.buffer: root for root in unit.roots}
        for load in loads:
            for writer in self.writers.get(self.vars[load.buffer], ()):
                if writer == unit.number:
                    store = stores[load.buffer]
                    alone = len(self.writers[self.vars[load.buffer]]) == 1
                    if type(store) is not Store or store.index != load.index or not alone:
                        return False
                elif self.needs(writer, unit):
                    return False
        return True

    # -- the result ----------------------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        waits = [len(unit.after) for unit in self.units]
        users: list[list[int]] = [[] for _ in self.units]
        for unit in self.units:
            for earlier in unit.after:
                users[earlier].append(unit.number)
        ready = [(u.position, u.number) for u in self.units if not u.after]
        heapq.heapify(ready)
        steps: list[Step] = []
        while ready:
            unit = self.units[heapq.heappop(ready)[1]]
            steps.append(self.fused(unit) if unit.eqn is None else Call(unit.eqn, unit.outs))
            for later in users[unit.number]:
                waits[later] -= 1
                if not waits[later]:
                    heapq.heappush(ready, (self.units[later].position, later))
        assert len(steps) == len(self.units), "a cycle among the nests"
        return steps

    def fused(self, unit: _Unit) -> Fused:
        assert unit.shape is not None
        stage = collapsed(Stage(unit.shape, tuple(forwarded(unit.roots))))
        return assembled((), [stage], self.vars)


def long_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """The extents that need a loop."""
    return tuple([n for n in shape if n != 1])


def zero_of(shape: Sequence[int]) -> Affine:
    """The affine index 0 in loops over `shape`."""
    return Affine(0, (0,) * len(shape))


def split_as_slice(eqn: Eqn, var: Var) -> dict[str, Any]:
    """The slice that one result of a split is."""
    axis, shape = eqn.params["axis"], eqn.invars[0].aval.shape
    start = 0
    for out, n in zip(eqn.outvars, eqn.params["sizes"], strict=True):
        if out is var:
            break
        start += n
    starts = tuple([start if d == axis else 0 for d in range(len(shape))])
    limits = tuple([start + var.aval.shape[d] if d == axis else n for d, n in enumerate(shape)])
    return {"start_indices": starts, "limit_indices": limits, "strides": None}


def forwarded(roots: Sequence[Root]) -> list[Root]:
    """Roots of one nest, where what one of them stores is used directly by the others."""
    stored: dict[int, Store] = {root.buffer: root for root in roots if type(root) is Store}
    memo: dict[int, Any] = {}

    def part(value: Value) -> Value | None:
        if type(value) is Load and value.buffer in stored:
            store = stored[value.buffer]
            if store.index == value.index:
                return mapped(store.value, part, memo)
        return None

    return [root._replace(value=mapped(root.value, part, memo)) for root in roots]


def assembled(rows: tuple[int, ...], stages: Sequence[Stage], variables: Sequence[Var]) -> Fused:
    """A kernel whose buffers are numbered in the order in which it meets them."""
    numbers: dict[int, int] = {}
    written: set[int] = set()
    memo: dict[int, Any] = {}

    def renumbered(buffer: int) -> int:
        return numbers.setdefault(buffer, len(numbers))

    def part(value: Value) -> Value | None:
        return value._replace(buffer=renumbered(value.buffer)) if type(value) is Load else None

    new_stages = []
    for stage in stages:
        roots: list[Root] = []
        for root in stage.roots:
            value = mapped(root.value, part, memo)
            written.add(root.buffer)
            roots.append(root._replace(value=value, buffer=renumbered(root.buffer)))
        new_stages.append(Stage(stage.extents, tuple(roots)))
    used = [variables[old] for old in numbers]
    buffers = tuple([Buffer(variables[old].aval.dtype, old in written) for old in numbers])
    return Fused(Kernel(rows, tuple(new_stages), buffers), tuple(used))
