"""Roots: the nests that store variables, as expressions over loops.

In: an equation whose result is stored. Out: `Placed` roots: loops, and what is stored or reduced in them. The value of an element
is found by walking from the result to stored variables, with the index that each operation asks its operand for
(`views.py` for movement).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Eqn, Literal, Var
from .facts import REDUCTIONS, SMALL_DOT, Facts, products
from .gemm import Contraction, Product, product_of
from .nests import Affine, Apply, Const, Datum, Load, Position, Reduce, Root, Store, Value
from .scalars import word_of
from .views import VIEWS, Index, Unreachable, apart, offset_of, whole
from .windows import read_window, updates_of

__all__ = ["Placed", "Roots"]


class Placed(NamedTuple):
    """A root, the extents of its loops, the variable it writes, and whether what was written before must come first."""

    var: Var
    shape: tuple[int, ...]
    root: Root
    after: bool = False


class Roots:
    """Builds expressions; equal ones are one object, so that nests share them.

    Attributes:
        vars: variables by buffer number.
        to_store: what was found to be computed twice, or out of reach.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.numbers: dict[Var, int] = {}
        self.vars: list[Var] = []
        self.to_store: set[Var] = set()
        self.values: dict[Any, Value] = {}  # by (variable, index, loops)
        self.nodes: dict[Any, Value] = {}
        self.data: dict[int, Datum] = {}  # by identity of their values
        self.indices: dict[tuple[Var, tuple[int, ...]], set[Any]] = {}

    def of(self, eqn: Eqn, sort: str) -> list[Placed]:
        """The roots of an equation.

        Raises:
            Unreachable: something must be stored first; it is in `to_store`.
        """
        make = {"dot": self.product, "reduce": self.reduction, "place": self.placement, "scatter": self.scatter}.get(
            sort
        )
        if make is not None:
            return make(eqn)
        return [self.definition(var) for var in eqn.outvars if var in self.facts.stored]

    def number(self, var: Var) -> int:
        var = self.facts.homes.get(var, var)
        if var not in self.numbers:
            self.numbers[var] = len(self.vars)
            self.vars.append(var)
        return self.numbers[var]

    def shared(self, key: Any, node: Value) -> Value:
        return self.nodes.setdefault(key, node)

    def constant(self, literal: Literal) -> Value:
        return self.scalar(literal.value, literal.aval.dtype)

    def scalar(self, value: Any, dtype: np.dtype) -> Value:
        data = np.asarray(value).astype(dtype).tobytes()
        return self.shared(("const", data, dtype), Const(data, dtype))

    def load(self, var: Var, index: Index, loops: int) -> Value:
        offset = offset_of(index, Affine(0, (0,) * loops))
        number = self.number(var)
        return self.shared(("load", number, offset), Load(number, offset, var.aval.dtype))

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
        if sort == "gather":
            return read_window(self, eqn, index, shape)
        operand = eqn.invars[0]
        word = word_of(eqn.primitive.lower)
        params = eqn.params
        if word == "split":
            word, params = "slice", split_as_slice(eqn, var)
        inner = self.reachable(var, lambda: VIEWS[word](index, operand.aval.shape, loops, **params))
        return self.value(operand, inner, shape)

    def reachable(self, var: Var, f: Callable[[], Any]) -> Any:
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

    def definition(self, var: Var) -> Placed:
        """A root that stores an elementwise variable; it is computed here, not loaded."""
        shape = long_axes(var.aval.shape)
        index = whole(var.aval.shape)
        value = self.computed(var, index, shape)
        return Placed(var, shape, Store(self.number(var), offset_of(index, zero_of(shape)), value))

    def reduction(self, eqn: Eqn) -> list[Placed]:
        """Loops over the operand, accumulating."""
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
        number = self.number(var)
        root = Reduce(op, number, offset, reduced, value) if reduced else Store(number, offset, value)
        return [Placed(var, shape, root)]

    def product(self, eqn: Eqn) -> list[Placed]:
        """dot_general as a nest."""
        (var,) = eqn.outvars
        what, number = self.contraction(eqn), self.number(var)
        x, y, dtype = what.left, what.right, var.aval.dtype
        value = self.shared(("mul", dtype, (), id(x), id(y)), Apply("mul", (x, y), dtype))
        axes = tuple([place for place, role in enumerate(what.roles) if role == "k"])
        root: Root = Reduce("add", number, what.out, axes, value) if axes else Store(number, what.out, value)
        return [Placed(var, what.extents, root)]

    def contraction(self, eqn: Eqn) -> Contraction:
        """dot_general at the points of loops: the innermost is one along which both operands are contiguous, or one and the result."""
        (var,), (lhs, rhs) = eqn.outvars, eqn.invars
        (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = eqn.params["dimension_numbers"]
        lhs_free = [d for d in range(lhs.aval.ndim) if d not in lhs_contract and d not in lhs_batch]
        rhs_free = [d for d in range(rhs.aval.ndim) if d not in rhs_contract and d not in rhs_batch]
        sizes = lhs.aval.shape
        batch = [("b", k, sizes[d]) for k, d in enumerate(lhs_batch)]
        rows = [("m", k, sizes[d]) for k, d in enumerate(lhs_free)]
        columns = [("n", k, rhs.aval.shape[d]) for k, d in enumerate(rhs_free)]
        summed = [("k", k, sizes[d]) for k, d in enumerate(lhs_contract)]
        inner_contract = (
            bool(summed) and lhs_contract[-1] == lhs.aval.ndim - 1 and rhs_contract[-1] == rhs.aval.ndim - 1
        )
        if not columns and lhs_free and not inner_contract:  # A^T x: along the rows
            order = [*batch, *summed, *rows]
        else:
            order = [*batch, *rows, *columns, *summed] if inner_contract else [*batch, *rows, *summed, *columns]
        loops = [entry for entry in order if entry[2] != 1]
        shape = tuple([n for _, _, n in loops])
        counter = {
            (role, k): Affine(0, tuple([int(place == here) for here in range(len(loops))]))
            for place, (role, k, _) in enumerate(loops)
        }
        zero = zero_of(shape)

        def index_of(atom: Atom, roles: dict[int, tuple[str, int]]) -> Index:
            return tuple([((n,), counter.get(roles[d], zero)) for d, n in enumerate(atom.aval.shape)])

        left = {d: ("b", k) for k, d in enumerate(lhs_batch)} | {d: ("m", k) for k, d in enumerate(lhs_free)}
        left |= {d: ("k", k) for k, d in enumerate(lhs_contract)}
        right = {d: ("b", k) for k, d in enumerate(rhs_batch)} | {d: ("n", k) for k, d in enumerate(rhs_free)}
        right |= {d: ("k", k) for k, d in enumerate(rhs_contract)}
        x = self.value(lhs, index_of(lhs, left), shape)
        y = self.value(rhs, index_of(rhs, right), shape)
        out_roles = [*(("b", k) for k in range(len(batch))), *(("m", k) for k in range(len(rows)))]
        out_roles += [("n", k) for k in range(len(columns))]
        offset = offset_of(index_of(var, dict(enumerate(out_roles))), zero)
        return Contraction(tuple([role for role, _, _ in loops]), shape, x, y, offset)

    def matrices(self, eqn: Eqn) -> Product | None:
        """dot_general as a step of microkernels; None if it is a nest.

        Raises:
            Unreachable: an operand must be stored first; it is in `to_store`.
        """
        what = self.contraction(eqn)
        step = product_of(what, self.vars, eqn.outvars[0])
        if step is None and products(eqn) > SMALL_DOT:  # a matrix at a place that data decide, or of one number
            sides = zip(eqn.invars, (what.left, what.right), strict=True)
            shapeless = {x for x, value in sides if type(value) is not Load or value.index.terms}
            unwritten = {x for x in shapeless if type(x) is Var and not self.stored(x)}
            if unwritten:
                self.to_store |= unwritten
                raise Unreachable
        return step

    def placement(self, eqn: Eqn) -> list[Placed]:
        """concatenate and pad: roots that write their piece of the result."""
        (var,) = eqn.outvars
        if word_of(eqn.primitive.lower) == "concatenate":
            pieces, start, axis = [], 0, eqn.params["dimension"]
            for operand in eqn.invars:
                n, ndim = operand.aval.shape[axis], operand.aval.ndim
                starts = tuple([start if d == axis else 0 for d in range(ndim)])
                if n:
                    pieces.append(self.piece(var, operand, operand.aval.shape, (0,) * ndim, starts, (1,) * ndim))
                start += n
            return pieces
        operand, fill = eqn.invars
        config = eqn.params["padding_config"]
        shape = long_axes(var.aval.shape)
        value = self.value(fill, (), shape)
        background = Store(self.number(var), offset_of(whole(var.aval.shape), zero_of(shape)), value)
        first, count, start_at = [], [], []
        for n, (low, _, interior), size in zip(operand.aval.shape, config, var.aval.shape, strict=True):
            step = interior + 1
            begin = -(low // step) if low < 0 else 0
            end = min(n, -((low - size) // step))
            first.append(begin)
            count.append(max(0, end - begin))
            start_at.append(low + begin * step)
        placed = [Placed(var, shape, background)]
        if all(count):
            steps = tuple([interior + 1 for _, _, interior in config])
            inside = self.piece(var, operand, tuple(count), tuple(first), tuple(start_at), steps)
            placed.append(inside._replace(after=True))
        return placed

    def scatter(self, eqn: Eqn) -> list[Placed]:
        """scatter and dynamic_update_slice: a copy of the operand (unless in place), and what is written into it."""
        (var,) = eqn.outvars
        placed = []
        if var not in self.facts.homes:
            shape, index = long_axes(var.aval.shape), whole(var.aval.shape)
            value = self.value(eqn.invars[0], index, shape)
            placed.append(Placed(var, shape, Store(self.number(var), offset_of(index, zero_of(shape)), value)))
        update = updates_of(self, eqn)
        if 0 not in update.shape:
            placed.append(Placed(var, update.shape, update.root, after=True))
        return placed

    def piece(
        self,
        var: Var,
        operand: Atom,
        counts: tuple[int, ...],
        first: tuple[int, ...],
        start: tuple[int, ...],
        steps: tuple[int, ...],
    ) -> Placed:
        """Write `counts` elements of `operand` from `first` on to `var`, every `steps`-th from `start` on."""
        shape = long_axes(counts)
        index = whole(counts)
        taken, written = [], []
        for d, ((_, linear), n, m) in enumerate(zip(index, operand.aval.shape, var.aval.shape, strict=True)):
            taken.append(((n,), linear.shifted(first[d])))
            written.append(((m,), linear.times(steps[d]).shifted(start[d])))
        value = self.value(operand, tuple(taken), shape)
        return Placed(var, shape, Store(self.number(var), offset_of(tuple(written), zero_of(shape)), value))


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
