"""What is known about the equations of a program before nests are built: their sort, their cost, what is stored.

In: an optimised ClosedJaxpr. Out: `Facts`. A variable is *stored* if somebody outside the nests reads it, if no nest can compute it
again, or if computing it again would cost too much; the rest are parts of the expressions of stored ones.
"""

from __future__ import annotations

import math
import os

import numpy as np

from ..ir import Atom, ClosedJaxpr, Eqn, Literal, Var
from .cumulative import CUMULATIVE
from .in_place import InPlace
from .scalars import EXPENSIVE, NATIVE, SCALARS, word_of
from .steps import LowerLoop, Native
from .views import VIEWS

__all__ = ["LOOPS", "REDUCTIONS", "SMALL_DOT", "Facts", "products", "sort_of"]

REDUCTIONS = {
    "reduce_add": "add",
    "reduce_mul": "mul",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_and": "and",
    "reduce_or": "or",
    "reduce_xor": "xor",
}
LOOPS = ("scan", "while", "cond", *CUMULATIVE)
SMALL_DOT = 4096  # products of numbers up to which a matrix product is a loop nest rather than a call of BLAS
LARGE_DOT = 1 << 21  # from which, outside loops, it is BLAS on several threads rather than microkernels on one
LARGE_DOT_ALONE = 1 << 28  # the same where BLAS has one thread: microkernels need no fresh array for the result
GATHER = 4  # the cost of a start: read, compared, moved inwards
DEEPEST = 60  # operations on top of each other in one expression


def native(eqn: Eqn) -> bool:
    """Whether kernels compute with all dtypes of an equation."""
    return all(x.aval.dtype in NATIVE for x in (*eqn.invars, *eqn.outvars))


def sort_of(eqn: Eqn) -> str:
    """scalar, view, position, gather, reduce, place, scatter, dot or call."""
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
    if word in ("gather", "dynamic_slice"):
        return "gather"
    if word in ("scatter", "dynamic_update_slice"):
        return "scatter" if eqn.outvars[0].aval.size else "call"
    if word in ("concatenate", "pad"):
        return "place" if eqn.outvars[0].aval.size else "call"  # nothing to place: nobody would make the array
    if word == "gemm" and eqn.invars[0].aval.dtype == eqn.outvars[0].aval.dtype:
        return "dot" if eqn.outvars[0].aval.dtype.kind != "b" else "call"
    return "call"


def _kinds(eqn: Eqn) -> str:
    return "".join(x.aval.dtype.kind for x in (*eqn.invars, *eqn.outvars))


class Facts:
    """See the module's docstring.

    Attributes:
        sorts: of each equation; `sort` by variable.
        producers: the equation that makes a variable.
        costs, depths: of computing a variable from stored ones.
        stored: variables that are kept in memory; planning adds to them.
        views: movement that calls and results read, as NumPy views.
        loops: native loops, by their first result.
        homes: the inputs that results of scatters are written into.
    """

    def __init__(
        self, closed: ClosedJaxpr, lower_loop: LowerLoop, inside: bool, in_place: InPlace | None = None
    ) -> None:
        self.jaxpr = closed.jaxpr
        self.inside = inside
        self.loops: dict[Var, Native] = {}  # by the first result
        self.producers: dict[Var, Eqn] = {}
        self.sorts: list[str] = []
        for eqn in self.jaxpr.eqns:
            sort = sort_of(eqn)
            if sort == "call" and eqn.outvars and word_of(eqn.primitive.lower) in LOOPS and not eqn.effects:
                loop = lower_loop(eqn)
                if loop is not None:
                    sort = "loop"
                    self.loops[eqn.outvars[0]] = loop
            elif sort == "dot" and not inside and products(eqn) > _largest_dot(eqn):
                sort = "call"
            self.sorts.append(sort)
        self.sort: dict[Var, str] = {}
        self.costs: dict[Var, int] = {}
        self.depths: dict[Var, int] = {}
        self.homes = in_place.homes if in_place else {}
        self.stored: set[Var] = set(in_place.read) if in_place else set()
        self.views: set[Var] = set()  # movement that calls and results read: NumPy views
        for eqn, sort in zip(self.jaxpr.eqns, self.sorts, strict=True):
            for var in eqn.outvars:
                self.producers[var], self.sort[var] = eqn, sort
            if sort in ("call", "reduce", "place", "scatter", "dot", "loop"):
                self.stored.update(eqn.outvars)
            else:
                self._inline(eqn, sort)
        for atom in self.jaxpr.outvars:
            self._read_outside(atom, result=True)
        for eqn, sort in zip(self.jaxpr.eqns, self.sorts, strict=True):
            for atom in eqn.invars:
                if sort == "call":
                    self._read_outside(atom, result=False)
                elif type(atom) is Var and atom in self.producers and self._is_stored_for(sort, atom):
                    self.stored.add(atom)

    def call_instead(self, position: int) -> None:
        """Equation `position` becomes a call."""
        self.sorts[position] = "call"
        for atom in self.jaxpr.eqns[position].invars:
            self._read_outside(atom, result=False)

    def _is_stored_for(self, sort: str, var: Var) -> bool:
        """What a loop reads is an array; what a product reads is read many times."""
        return sort == "loop" or (sort == "dot" and self.costs.get(var, 0) > 0)

    def _inline(self, eqn: Eqn, sort: str) -> None:
        word = word_of(eqn.primitive.lower)
        cost, depth = (SCALARS[word].cost if sort == "scalar" and word in SCALARS else 0), 1
        if sort == "gather":
            cost = GATHER
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
        """A call, or the caller, reads this: it must be an array. The caller of a loop's body wants it in its own place."""
        if type(atom) is Literal or atom not in self.producers or atom in self.stored or atom in self.views:
            return
        assert type(atom) is Var
        eqn = self.producers[atom]
        word = word_of(eqn.primitive.lower)
        free = word == "reshape" if result else word in ("reshape", "transpose", "slice", "split")
        if self.sort[atom] != "view" or not free or self.inside:
            self.stored.add(atom)
            return
        self.views.update(eqn.outvars)
        self._read_outside(eqn.invars[0], result)


def _largest_dot(eqn: Eqn) -> int:
    if eqn.outvars[0].aval.dtype not in (np.float32, np.float64):
        return SMALL_DOT
    return LARGE_DOT if _threads() > 1 else LARGE_DOT_ALONE


def _threads() -> int:
    """How many threads BLAS can use."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = [os.environ.get(name, "") for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    return min([found, *(int(n) for n in given if n.isdigit() and int(n))])


def products(eqn: Eqn) -> int:
    """How many products of numbers a dot_general makes for each of its batches."""
    (contracted, _), (batch, _) = eqn.params["dimension_numbers"]
    shape = eqn.invars[0].aval.shape
    many = eqn.outvars[0].aval.size * math.prod([shape[d] for d in contracted])
    return many // max(1, math.prod([shape[d] for d in batch]))
