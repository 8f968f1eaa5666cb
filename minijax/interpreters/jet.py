"""jet: push truncated Taylor polynomials through a Jaxpr (Taylor mode).

In: a Jaxpr, and for each input the coefficients x_0, x_1, ..., x_K of x(s) = x_0 + x_1 s + x_2 s^2 + ... Out: those of its
results y(s). The cost grows with a small power of K where nested jvp's grows with 2^K.

No primitive needs a rule of its own: along the path its jvp rule says y' = R(x, y, x'), so that

    y_k = (coefficient k - 1 of R(x(s), y(s), x'(s))) / k,

and R is a program of primitives, of which one order less is needed. Its equations are nodes that yield coefficients on demand;
equal ones are shared. For exp (y' = x' y) this is the classic recurrence; the rules of sin and cos call each other, and
find each other. (Griewank & Walther 2008, chapter 13; lazy power series: McIlroy 1999, "Power series, power serious".)
What R says shorter is used so: if R does not depend on the point (the primitive is affine in what varies), y_k = R(x_k). Four
things are said by the primitive (its `jet` slot):

- "bilinear": y_k = sum over j of the product of x_j and z_(k-j) (mul, dot_general, conv_general_dilated);
- "implicit": y solves a(s) y(s) = b(s), whose rule is y' = a^-1 (b' - a' y); then y_k = a_0^-1 (b_k - sum of a_j y_(k-j), j > 0),
  read off the same rule (div, triangular_solve, solve: their R would call them without end);
- "inline": a call whose body is pushed through;
- a function `(order, *operands, **params) -> coefficients of all results`, for loops and branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ..ir import (
    Atom,
    ClosedJaxpr,
    Eqn,
    Jaxpr,
    Literal,
    Primitive,
    ShapedArray,
    Var,
    source_of,
    state,
    trace_function,
)
from ..ir.passes.dce import dce
from ..primitives._ops import like, p
from ._zeros import add_tangents, apply_jvp, instantiate

__all__ = ["jet_jaxpr", "jet_values"]

Coefficients = Sequence[Any]  # x_0, x_1, ...; None for zero; what is not there is zero too


def jet_values(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Coefficients], order: int) -> list[list[Any]]:
    """Push polynomials through `jaxpr`.

    Args:
        jaxpr, consts: the program.
        inputs: the coefficients of each input, the value first; a value alone for a constant.
        order: the highest coefficient wanted.

    Returns:
        The coefficients of each result: `order + 1`, or the value alone where the result does not vary.
    """
    env: dict[Any, Series] = {v: Given(v.aval, [x]) for v, x in zip(jaxpr.constvars, consts, strict=True)}
    env.update((v, Given(v.aval, list(x))) for v, x in zip(jaxpr.invars, inputs, strict=True))
    with source_of(state.source):
        for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
            operands = [Given(x.aval, [x]) if type(x) is Literal else env[x] for x in eqn.invars]
            varies = any(not x.constant for x in operands)
            state.source = eqn.derived("jet") if varies else eqn.source
            for var, found in zip(eqn.outvars, _applied(eqn, operands, order), strict=True):
                env[var] = Given(var.aval, found)
            for var in done:
                env.pop(var, None)
    return [[x] if type(x) is Literal else env[x].upto(order) for x in jaxpr.outvars]


def _applied(eqn: Eqn, operands: Sequence[Series], order: int) -> list[list[Any]]:
    """The coefficients of the results of one equation: values, not nodes, so that what they were made from can go."""
    if eqn.primitive.jet == "inline":
        body = eqn.params["jaxpr"]
        return jet_values(body.jaxpr, body.consts, [x.upto(order) for x in operands], order)
    nodes = Nodes(order)
    if all(x.constant for x in operands):
        out = eqn.primitive.bind(*[x[0] for x in operands], **eqn.params)
        return [[x] for x in (out if eqn.primitive.multiple_results else (out,))]
    found = nodes.results(eqn.primitive, eqn.params, operands, [v.aval for v in eqn.outvars])
    return [x.upto(order) for x in found]


@lru_cache(maxsize=512)
def jet_jaxpr(
    closed: ClosedJaxpr, order: int, varying: tuple[bool, ...], instantiated: tuple[bool, ...] | None = None
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The program over coefficients: `(x_0, ..., then x_1, ..., x_K of each varying input) -> the same of the results`.

    Args:
        closed: the program.
        order: K.
        varying: which inputs have coefficients.
        instantiated: which results must have coefficients even if they do not vary (None: none).

    Returns:
        (program, which results have coefficients).
    """
    flags: list[bool] = []

    def push(*args: Any) -> list[Any]:
        rest = iter(args[len(varying) :])
        inputs = [[x, *(next(rest) for _ in range(order) if flag)] for x, flag in zip(args, varying, strict=False)]
        outs = jet_values(closed.jaxpr, closed.consts, inputs, order)
        must = instantiated or (False,) * len(outs)
        flags.extend(len(y) > 1 or wanted for y, wanted in zip(outs, must, strict=True))
        return [*(y[0] for y in outs), *coefficients_of(outs, flags, closed.out_avals, order)]

    more = [aval.tangent() for aval, flag in zip(closed.in_avals, varying, strict=True) if flag for _ in range(order)]
    program = trace_function(push, (*closed.in_avals, *more), purpose="jet", name=closed.jaxpr.names.function)
    return program, tuple(flags)


def coefficients_of(
    values: Sequence[Coefficients], flags: Sequence[bool], avals: Sequence[ShapedArray], order: int
) -> list[Any]:
    """x_1, ..., x_K of the flagged ones, one after the other, as arrays."""
    found = []
    for series, flag, aval in zip(values, flags, avals, strict=True):
        if flag:
            found += [instantiate(series[k] if k < len(series) else None, aval) for k in range(1, order + 1)]
    return found


class Series:
    """The coefficients of one value, worked out as they are asked for. `constant`: all but the first are zero."""

    __slots__ = ("aval", "constant", "known")

    def __init__(self, aval: ShapedArray, known: list[Any], constant: bool) -> None:
        self.aval = aval
        self.known = known
        self.constant = constant

    def __getitem__(self, k: int) -> Any:
        """Coefficient k, None for zero."""
        if k and self.constant:
            return None
        while len(self.known) <= k:
            self.extend()
        return self.known[k]

    def extend(self) -> None:
        """Work out one coefficient more."""
        raise NotImplementedError

    def upto(self, order: int) -> list[Any]:
        """The value alone, or all coefficients up to `order`."""
        if self.constant or not order:
            return [self[0]]
        found = [self[k] for k in range(order + 1)]
        return found if any(c is not None for c in found[1:]) else found[:1]


class Given(Series):
    """Coefficients that are there; further ones are zero."""

    __slots__ = ()

    def __init__(self, aval: ShapedArray, known: list[Any]) -> None:
        super().__init__(aval, known, len(known) == 1)

    def extend(self) -> None:
        """Zero."""
        self.known.append(None)


class Derivative(Series):
    """x'(s): coefficient k is (k + 1) x_(k+1)."""

    __slots__ = ("of",)

    def __init__(self, of: Series) -> None:
        super().__init__(of.aval.tangent(), [], False)
        self.of = of

    def extend(self) -> None:
        """From the next coefficient of x."""
        k = len(self.known) + 1
        self.known.append(_times(self.of[k], k))


class Result(Series):
    """A result of an equation."""

    __slots__ = ("equation",)

    def __init__(self, aval: ShapedArray, equation: Equation, constant: bool) -> None:
        super().__init__(aval, [], constant)
        self.equation = equation

    def extend(self) -> None:
        """The equation gives one coefficient more of all its results."""
        self.equation.extend()


def _times(x: Any, factor: int) -> Any:
    return x if x is None or factor == 1 else p.mul(x, like(x, factor))


def _over(x: Any, divisor: int) -> Any:
    return x if x is None or divisor == 1 else p.div(x, like(x, divisor))


class Equation:
    """A primitive applied to series."""

    __slots__ = ("nodes", "operands", "params", "primitive", "rate", "results")

    def __init__(
        self,
        primitive: Primitive,
        params: dict[str, Any],
        operands: Sequence[Series],
        out_avals: Sequence[ShapedArray],
        nodes: Nodes,
    ) -> None:
        self.primitive = primitive
        self.params = params
        self.operands = operands
        self.nodes = nodes
        constant = primitive.jvp is None or all(x.constant for x in operands)
        self.results = [Result(aval, self, constant or not aval.is_differentiable) for aval in out_avals]
        self.rate: Callable[[int], Sequence[Any]] | None = None

    def extend(self) -> None:
        """Work out the next coefficient of each result (all of them, where a body need not be run again for each)."""
        k = max((len(y.known) for y in self.results if not y.constant), default=0)
        if k and callable(self.primitive.jet):
            self._extend_body(k)
            return
        for y, c in zip(self.results, self._coefficients(k), strict=True):
            if not (k and y.constant):
                y.known.append(c)

    def _extend_body(self, k: int) -> None:
        order = self.nodes.order if all(type(x) is Given for x in self.operands) else k
        found = self.primitive.jet(order, *(x.upto(order) for x in self.operands), **self.params)
        for y, series in zip(self.results, found, strict=True):
            if not y.constant:
                y.known += [*series, *[None] * (order + 1 - len(series))][k:]

    def _coefficients(self, k: int) -> Sequence[Any]:
        if not k:
            return self._values()
        if self.rate is None:
            self.rate = self._rate([i for i, x in enumerate(self.operands) if not x.constant])
        return self.rate(k)

    def _values(self) -> Sequence[Any]:
        first = [x[0] for x in self.operands]  # of a derivative, it may be zero
        if self.primitive.jet == "bilinear" and any(c is None for c in first):
            return (None,)
        out = self.primitive.bind(
            *[instantiate(c, x.aval) for c, x in zip(first, self.operands, strict=True)], **self.params
        )
        return out if self.primitive.multiple_results else (out,)

    def _rate(self, active: Sequence[int]) -> Callable[[int], Sequence[Any]]:
        """`k -> coefficient k of the results`, for k > 0."""
        rule = self.primitive.jet
        if rule == "bilinear" and len(active) == 2:
            return self._product
        if rule == "implicit":
            return lambda k: (self._solution(active, k),)
        rate = _rate_program(self.primitive, self.params, [x.aval for x in self.operands], tuple(active))
        if rate.affine:
            return lambda k: self._affine(rate, active, k)
        tangents = [self.nodes.derivative(self.operands[i]) for i in active]
        outs, steps = self.nodes.program(rate.program, (*self.operands, *self.results, *tangents))

        def coefficients(k: int) -> list[Any]:
            for step in steps:  # in order, so that none has to ask its operands
                step[k - 1]
            return [None if y is None else _over(y[k - 1], k) for y in rate.placed(outs)]

        return coefficients

    def _product(self, k: int) -> tuple[Any]:
        x, y = self.operands
        total = None
        for j in range(k + 1):
            if x[j] is not None and y[k - j] is not None:
                total = add_tangents(total, self.primitive.bind(x[j], y[k - j], **self.params))
        return (total,)

    def _solution(self, active: Sequence[int], k: int) -> Any:
        point, out = [instantiate(x[0], x.aval) for x in self.operands], self.results[0]
        total = None
        for i in active:
            rate = _rate_program(self.primitive, self.params, [x.aval for x in self.operands], (i,))
            for j in range(1, k + 1) if rate.reads_results else (k,):
                t, y = self.operands[i][j], out[k - j]
                if t is not None and y is not None:
                    total = add_tangents(total, _run(rate.program, [*point, y, t])[0])
        return total

    def _affine(self, rate: RateProgram, active: Sequence[int], k: int) -> list[Any]:
        given = [self.operands[i][k] for i in active]
        if all(c is None for c in given):
            return [None] * len(self.results)
        full = [instantiate(c, self.operands[i].aval) for c, i in zip(given, active, strict=True)]
        inputs = [x[0] for x in self.operands] + [y[0] for y in self.results] + full
        return rate.placed(_run(rate.program, inputs))


class Nodes:
    """The equations that belong together: equal ones are made once.

    Args:
        order: the highest coefficient that will be asked for.
    """

    def __init__(self, order: int) -> None:
        self.order = order
        self.made: dict[Any, list[Series]] = {}
        self.kept: list[Any] = []  # what the ids in the keys belong to

    def results(
        self,
        primitive: Primitive,
        params: dict[str, Any],
        operands: Sequence[Series],
        out_avals: Sequence[ShapedArray],
    ) -> list[Series]:
        """The results of an equation; a call of a body (`jet="inline"`) is replaced by the body."""
        if primitive.jet == "inline":
            return self.program(params["jaxpr"], operands)[0]
        key = (primitive, tuple(map(id, operands)), tuple(params.items()))
        try:
            found = self.made.get(key)
        except TypeError:  # a param that cannot be hashed
            return list(Equation(primitive, params, operands, out_avals, self).results)
        if found is None:
            found = self.made[key] = list(Equation(primitive, params, operands, out_avals, self).results)
        return found

    def program(self, closed: ClosedJaxpr, inputs: Sequence[Series]) -> tuple[list[Series], list[Series]]:
        """(results of a program, everything that it computes in order)."""
        env: dict[Atom, Series] = dict(zip(closed.jaxpr.invars, inputs, strict=True))
        env.update((v, self.constant(x, v.aval)) for v, x in zip(closed.jaxpr.constvars, closed.consts, strict=True))
        steps: list[Series] = []
        for eqn in closed.eqns:
            operands = [self._read(x, env) for x in eqn.invars]
            found = self.results(eqn.primitive, eqn.params, operands, [v.aval for v in eqn.outvars])
            env.update(zip(eqn.outvars, found, strict=True))
            steps += found
        return [self._read(x, env) for x in closed.jaxpr.outvars], steps

    def _read(self, atom: Atom, env: dict[Atom, Series]) -> Series:
        return self.constant(atom, atom.aval) if type(atom) is Literal else env[atom]

    def constant(self, x: Any, aval: ShapedArray) -> Series:
        """A value that does not vary; equal literals are one."""
        key = (aval, x.value.tobytes()) if type(x) is Literal else id(x)
        if key not in self.made:
            self.kept.append(x)
            self.made[key] = [Given(aval, [x])]
        return self.made[key][0]

    def derivative(self, x: Series) -> Series:
        """The series of x'(s)."""
        key = (Derivative, id(x))
        if key not in self.made:
            self.made[key] = [Derivative(x)]
        return self.made[key][0]


class RateProgram(NamedTuple):
    """R of an equation: `(operands, results, tangents of the active operands) -> tangents of the nonzero results`.

    `reads_results`: it needs them. `affine`: it needs neither them nor the active operands.
    """

    program: ClosedJaxpr
    nonzero: tuple[bool, ...]
    reads_results: bool
    affine: bool

    def placed(self, found: Sequence[Any]) -> list[Any]:
        """One per result, None for zero."""
        rest = iter(found)
        return [next(rest) if flag else None for flag in self.nonzero]


def _rate_program(
    primitive: Primitive, params: dict[str, Any], avals: Sequence[ShapedArray], active: tuple[int, ...]
) -> RateProgram:
    """R of an equation, worked out once for equations that are alike."""
    try:
        return _cached_program(primitive, tuple(params.items()), tuple(avals), active)
    except TypeError:  # a param that cannot be hashed
        return _make_program(primitive, params, avals, active)


@lru_cache(maxsize=2048)
def _cached_program(
    primitive: Primitive,
    params: tuple[tuple[str, Any], ...],
    avals: tuple[ShapedArray, ...],
    active: tuple[int, ...],
) -> RateProgram:
    return _make_program(primitive, dict(params), avals, active)


def _make_program(
    primitive: Primitive, params: dict[str, Any], avals: Sequence[ShapedArray], active: tuple[int, ...]
) -> RateProgram:
    out = primitive.abstract(*avals, **params)
    out_avals = out if primitive.multiple_results else (out,)
    nonzero: list[bool] = []

    def rate(*args: Any) -> list[Any]:
        primals, outs = args[: len(avals)], args[len(avals) : len(avals) + len(out_avals)]
        given = dict(zip(active, args[len(avals) + len(out_avals) :], strict=True))
        _, tangents = apply_jvp(primitive, primals, [given.get(i) for i in range(len(avals))], params, outs)
        nonzero.extend(t is not None for t in tangents)
        return [t for t in tangents if t is not None]

    tangent_avals = [avals[i].tangent() for i in active]
    program = dce(trace_function(rate, (*avals, *out_avals, *tangent_avals), purpose="jet", name=primitive.name))
    inputs = program.jaxpr.invars
    used = {x for eqn in program.eqns for x in eqn.invars if type(x) is Var}.union(program.jaxpr.outvars)
    reads_results = not used.isdisjoint(inputs[len(avals) : len(avals) + len(out_avals)])
    reads_operands = not used.isdisjoint([inputs[i] for i in active])
    return RateProgram(program, tuple(nonzero), reads_results, not (reads_results or reads_operands))


def _run(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """Evaluate a rule's program; its equations come from where the equation it belongs to comes from."""
    env: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    env.update(zip(closed.jaxpr.invars, args, strict=True))
    for eqn in closed.eqns:
        outs = eqn.primitive.bind(*[x if type(x) is Literal else env[x] for x in eqn.invars], **eqn.params)
        env.update(zip(eqn.outvars, outs if eqn.primitive.multiple_results else (outs,), strict=True))
    return [x if type(x) is Literal else env[x] for x in closed.jaxpr.outvars]
