"""hoist_from_scan: what a loop does in every step, done once beside it.

In: a ClosedJaxpr. Out: one that computes the same up to the order of sums. For each `scan` of the program itself (loops inside
loops stay as they are):

- equations that depend on constants of the loop alone come before it, unless their results are larger than their operands;
- products of a scanned operand with a constant, `x_t @ W`, become one product before the loop, scanned in their place, where
  a step alone has too few rows to keep the processor busy;
- constants whose rows lie along the sum of a product are transposed before the loop;
- sums of products, `dW + x_t^T g_t`, leave the carry: the factors are stacked and multiplied once after the loop, as the steps
  are one more contracted axis: sum over t and k of a[t, k, i] b[t, k, j].

Both kinds of stacks together may hold half of the bytes that the loop stacks and scans anyhow; what does not fit stays inside.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from ..ir import Atom, ClosedJaxpr, Eqn, ShapedArray, Var, lookup
from ..ir.jaxpr import sub_jaxprs

__all__ = ["hoist_from_scan"]

_BUSY_FROM = 8  # rows and columns of a product that fill the registers of a tile
_LONG_FROM = 64  # products in a sum from which reading and writing it in every step does not matter
_TRANSPOSED_FROM = 4  # steps of a loop for which a transposed constant pays


def hoist_from_scan(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` with invariant work and matrix products moved out of its scans."""
    eqns: list[Eqn] = []
    for eqn in closed.jaxpr.eqns:
        eqns += _Scan(eqn).result() if eqn.primitive.name == "scan" else [eqn]
    if len(eqns) == len(closed.jaxpr.eqns):
        return closed
    return ClosedJaxpr(closed.jaxpr.replace(eqns=eqns), closed.consts)


def _bytes(aval: ShapedArray) -> int:
    return int(aval.size * aval.dtype.itemsize)


class _Scan:
    """One loop being taken apart: variables of its body beside the atoms that stand for them outside."""

    def __init__(self, eqn: Eqn) -> None:
        params, jaxpr = eqn.params, eqn.params["jaxpr"].jaxpr
        n, m = params["num_consts"], params["num_consts"] + params["num_carry"]
        self.eqn = eqn
        self.jaxpr = jaxpr
        self.length: int = params["length"]
        self.consts: dict[Var, Atom] = dict(zip(jaxpr.invars[:n], eqn.invars[:n], strict=True))
        self.carry: list[tuple[Var, Atom, Atom, Var]] = list(
            zip(
                jaxpr.invars[n:m],
                eqn.invars[n:m],
                jaxpr.outvars[: m - n],
                eqn.outvars[: m - n],
                strict=True,
            )
        )
        self.scanned: dict[Var, Atom] = dict(zip(jaxpr.invars[m:], eqn.invars[m:], strict=True))
        self.stacked: list[tuple[Atom, Var]] = list(zip(jaxpr.outvars[m - n :], eqn.outvars[m - n :], strict=True))
        self.transposes: dict[Atom, Var] = {}  # by the constant outside
        self.before: list[Eqn] = []
        self.after: list[Eqn] = []
        self.body: list[Eqn] = []
        whole = [*self.scanned.values(), *(var for _, var in self.stacked)]
        self.room = sum(_bytes(atom.aval) for atom in whole) // 2

    def result(self) -> list[Eqn]:
        """The equations that replace the loop."""
        for eqn in self.jaxpr.eqns:
            if not (self.invariant(eqn) or self.batched(eqn)):
                self.body.append(self.straight(eqn))
        self.uses = Counter(x for eqn in self.body for x in eqn.invars if type(x) is Var)
        self.uses.update(x for x in self.jaxpr.outvars if type(x) is Var)
        for entry in list(self.carry):
            self.accumulated(entry)
        if not (self.before or self.after):
            return [self.eqn]
        return [*self.before, self.rebuilt(), *self.after]

    def stack_of(self, aval: ShapedArray) -> Var:
        return Var(aval.update(shape=(self.length, *aval.shape)))

    def invariant(self, eqn: Eqn) -> bool:
        """Move an equation of constants before the loop."""
        operands = [x for x in eqn.invars if type(x) is Var]
        if not operands or eqn.effects or not all(x in self.consts for x in operands) or any(sub_jaxprs(eqn)):
            return False
        if sum(_bytes(var.aval) for var in eqn.outvars) > sum(_bytes(x.aval) for x in operands):
            return False
        outside = [Var(var.aval) for var in eqn.outvars]
        invars = [self.consts[x] if type(x) is Var else x for x in eqn.invars]
        self.before.append(Eqn(eqn.primitive, invars, outside, eqn.params, eqn.source))
        self.consts.update(zip(eqn.outvars, outside, strict=True))
        return True

    def batched(self, eqn: Eqn) -> bool:
        """Make one product of all steps' products of a scanned operand with a constant."""
        if eqn.primitive.name != "dot_general" or not _is_plain(eqn):
            return False
        which = [(x in self.scanned, x in self.consts) for x in eqn.invars]
        if which not in ([(True, False), (False, True)], [(False, True), (True, False)]) or _is_busy(eqn):
            return False
        (var,) = eqn.outvars
        size = _bytes(var.aval) * self.length
        if size > self.room:
            return False
        self.room -= size
        side = 0 if which[0][0] else 1
        (left, right), _ = eqn.params["dimension_numbers"]
        contract = (_shifted(left), right) if side == 0 else (left, _shifted(right))
        place = 0 if side == 0 else eqn.invars[0].aval.ndim - len(left)  # the axis of the steps in the product
        shape = [*var.aval.shape]
        shape.insert(place, self.length)
        made = Var(var.aval.update(shape=tuple(shape)))
        operands = [self.scanned.get(x) or self.consts[x] for x in eqn.invars]  # type: ignore[arg-type, index]
        self.before.append(Eqn(eqn.primitive, operands, [made], _with_contraction(eqn, contract), eqn.source))
        if place:
            axes = (place, *[d for d in range(len(shape)) if d != place])
            moved = self.stack_of(var.aval)
            self.before.append(Eqn(lookup("transpose"), [made], [moved], {"permutation": axes}, eqn.source))
            made = moved
        self.scanned[var] = made
        return True

    def straight(self, eqn: Eqn) -> Eqn:
        """A product whose constant factor is contiguous along the result, if a transpose before the loop can make it so."""
        if eqn.primitive.name != "dot_general" or not _is_plain(eqn) or self.length < _TRANSPOSED_FROM:
            return eqn
        contract = list(eqn.params["dimension_numbers"][0])
        side = 1 if eqn.invars[1].aval.ndim == 2 else 0  # a vector times a matrix reads the matrix
        factor = eqn.invars[side]
        if factor not in self.consts or factor.aval.ndim != 2 or contract[side] != (1,):
            return eqn
        outside = self.consts[factor]  # type: ignore[index]
        if outside not in self.transposes:
            shape = factor.aval.shape
            inner, outer = (Var(factor.aval.update(shape=shape[::-1])) for _ in range(2))
            self.before.append(Eqn(lookup("transpose"), [outside], [outer], {"permutation": (1, 0)}, eqn.source))
            self.transposes[outside] = inner
            self.consts[inner] = outer
        contract[side] = (0,)
        invars = list(eqn.invars)
        invars[side] = self.transposes[outside]
        return Eqn(eqn.primitive, invars, eqn.outvars, _with_contraction(eqn, tuple(contract)), eqn.source)

    def accumulated(self, entry: tuple[Var, Atom, Atom, Var]) -> None:
        """Replace a carry that only sums products by one product after the loop."""
        held, init, out, total = entry
        made = {var: eqn for eqn in self.body for var in eqn.outvars}
        if type(out) is not Var or out not in made or self.uses[held] != 1 or self.uses[out] != 1:
            return
        add = made[out]
        if (
            add.primitive.name not in ("add", "add_any")
            or held not in add.invars
            or out.aval.dtype.kind not in "fiuc"
        ):
            return
        term = add.invars[1] if add.invars[0] is held else add.invars[0]
        chain = [add]
        while True:
            if type(term) is not Var or term not in made or self.uses[term] != 1:
                return
            chain.append(made[term])
            if chain[-1].primitive.name != "transpose":
                break
            (term,) = chain[-1].invars
        product = chain[-1]
        if product.primitive.name != "dot_general" or not _is_plain(product) or _is_busy(product, _LONG_FROM):
            return
        stacks = self.stacks(product)
        if stacks is None:
            return
        (left, right), _ = product.params["dimension_numbers"]
        params = _with_contraction(product, ((0, *_shifted(left)), (0, *_shifted(right))))
        value = Var(product.outvars[0].aval)
        self.after.append(Eqn(product.primitive, stacks, [value], params, product.source))
        for eqn in reversed(chain[1:-1]):
            moved = Var(eqn.outvars[0].aval)
            self.after.append(Eqn(eqn.primitive, [value], [moved], eqn.params, eqn.source))
            value = moved
        self.after.append(Eqn(add.primitive, [init, value], [total], add.params, add.source))
        self.body = [eqn for eqn in self.body if not any(eqn is gone for gone in chain)]
        self.carry.remove(entry)

    def stacks(self, product: Eqn) -> list[Atom] | None:
        """The factors of all steps; None if one is a constant or there is no room."""
        whole: dict[Any, Atom] = {**self.scanned, **{x: var for x, var in self.stacked if type(x) is Var}}
        new: list[Var] = []
        for x in product.invars:
            if type(x) is not Var or x in self.consts or x in self.jaxpr.constvars:
                return None
            if x not in whole:
                whole[x] = self.stack_of(x.aval)
                new.append(x)
        size = sum(_bytes(x.aval) for x in new) * self.length
        if size > self.room:
            return None
        self.room -= size
        self.stacked += [(x, whole[x]) for x in new]  # type: ignore[misc]
        self.uses.update(new)
        return [whole[x] for x in product.invars]

    def rebuilt(self) -> Eqn:
        """The loop with what is left."""
        inside = [*self.consts, *(held for held, _, _, _ in self.carry), *self.scanned]
        outside = [*self.consts.values(), *(init for _, init, _, _ in self.carry), *self.scanned.values()]
        returned = [*(out for _, _, out, _ in self.carry), *(x for x, _ in self.stacked)]
        results = [*(total for _, _, _, total in self.carry), *(var for _, var in self.stacked)]
        jaxpr = self.jaxpr.replace(invars=inside, eqns=self.body, outvars=returned)
        params = self.eqn.params | {
            "jaxpr": ClosedJaxpr(jaxpr, self.eqn.params["jaxpr"].consts),
            "num_consts": len(self.consts),
            "num_carry": len(self.carry),
        }
        return Eqn(self.eqn.primitive, outside, results, params, self.eqn.source, self.eqn.effects)


def _is_busy(eqn: Eqn, summed_from: int = _BUSY_FROM) -> bool:
    """Whether the microkernels make a product of one step as fast as one of many steps."""
    (left, _right), _ = eqn.params["dimension_numbers"]
    lhs, rhs = (x.aval for x in eqn.invars)
    summed = math.prod([lhs.shape[d] for d in left])
    sides = (lhs.size // max(1, summed), rhs.size // max(1, summed))
    return lhs.dtype.name in ("float32", "float64") and min(sides) >= _BUSY_FROM and summed >= summed_from


def _is_plain(eqn: Eqn) -> bool:
    """Whether a product has no batch axes and two arrays as operands."""
    return not any(eqn.params["dimension_numbers"][1]) and all(type(x) is Var and x.aval.ndim for x in eqn.invars)


def _shifted(axes: Any) -> tuple[int, ...]:
    return tuple([axis + 1 for axis in axes])


def _with_contraction(eqn: Eqn, contract: tuple[Any, Any]) -> dict[str, Any]:
    return eqn.params | {"dimension_numbers": (contract, ((), ()))}
