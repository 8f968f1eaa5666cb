"""Programs whose failures are results: `check` equations, and checks that are added, become an error code and its values.

In: a program and which failures to look for. Out: a program with the same results, in front of them the number of the first check
that failed (0: none) and, for each check in it, the values that its message shows. Nothing is raised, so the program may
be staged, mapped and differentiated.

The number of the first failure wins everywhere: an equation with bodies runs programs with their own numbers, moved
behind those that the surrounding program has given already. A loop carries number and values; a branch that is not taken gives 0.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..interpreters.eval import eval_closed
from ..ir import CHECK, ClosedJaxpr, Eqn, Jaxpr, Kind, Literal, ShapedArray, aval_like, source_of, state
from ..ir.trace import describe
from ..primitives._index_maps import GatherScatterMode
from ..primitives._ops import like, p, zeros
from ..tree import PyTreeDef, tree_flatten
from ._bodies import retraced, retyped, split_list
from .check import Message

__all__ = ["Check", "Failure", "checked_values", "first_failing"]

_INT = ShapedArray((), np.dtype(np.int32))


class Failure(enum.Enum):
    """What can be looked for."""

    USER = "user"
    NAN = "nan"
    INDEX = "index"
    DIVISION = "div"


class Check(NamedTuple):
    """One place where a program can fail.

    Attributes:
        message: what it says.
        place: where in the user's program.
        avals: of the values that the message shows.
    """

    message: Message
    place: str | None
    avals: tuple[ShapedArray, ...]


class _Record:
    """The checks of a program that is running: the number of the first that failed, and their values."""

    def __init__(self) -> None:
        self.code: Any = Literal(np.int32(0), _INT)
        self.checks: list[Check] = []
        self.values: list[Any] = []

    def add(self, holds: Any, message: Message, values: Sequence[Any]) -> None:
        """One check; with axes, it fails where the first element of `holds` is False."""
        if not all(aval_like(holds).shape):
            return
        failed, values = first_failing(holds, values)
        check = Check(message, describe(state.source), tuple(map(aval_like, values)))
        number = p.convert_element_type(failed, new_dtype=np.dtype(np.int32), weak_type=False)
        self.join(number, [check], values)

    def join(self, code: Any, checks: Sequence[Check], values: Sequence[Any]) -> None:
        """Those of a program that ran after what is recorded here; `code` counts from 1 among its own."""
        moved = _moved(code, len(self.checks))
        earlier = p.gt(self.code, like(self.code, 0))
        self.code = p.select_n(earlier, moved, self.code) if self.checks else moved
        self.checks += checks
        self.values += values


def _moved(code: Any, by: int) -> Any:
    return p.select_n(p.gt(code, like(code, 0)), code, p.add(code, like(code, by))) if by else code


def first_failing(holds: Any, values: Sequence[Any]) -> tuple[Any, list[Any]]:
    """(whether some element of `holds` is False, the values at the first such element: those of its axes are taken away)."""
    shape = aval_like(holds).shape
    if not shape:
        return p.not_(holds), list(values)
    fails = p.not_(p.reshape(holds, new_sizes=(aval_like(holds).size,), dimensions=None))
    index = p.argmax(fails, axes=(0,), index_dtype=np.dtype(np.int32))
    return p.reduce_or(fails, axes=(0,)), [_element(x, index, len(shape)) for x in values]


def _element(x: Any, index: Any, ndim: int) -> Any:
    shape = aval_like(x).shape
    own = shape[ndim:]
    rows = p.reshape(x, new_sizes=(int(np.prod(shape[:ndim])), *own), dimensions=None)
    zero = like(index, 0)
    row = p.dynamic_slice(rows, index, *[zero] * len(own), slice_sizes=(1, *own))
    return p.squeeze(row, dimensions=(0,))


Errors = frozenset[Failure]


def checked_values(
    jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any], errors: Errors
) -> tuple[Any, list[Check], list[Any], list[Any]]:
    """Run a program with its failures as results.

    Args:
        jaxpr, consts, args: the program and its inputs.
        errors: what to look for.

    Returns:
        (code, checks, values, results): the number of the first failed check from 1, or 0; the checks; the values that their
        messages show, one check after the other; the results of the program.
    """
    record = _Record()
    env = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))
    with source_of(state.source):
        for eqn, done in zip(jaxpr.eqns, jaxpr.last_uses, strict=True):
            state.source = eqn.source
            operands = [x if type(x) is Literal else env[x] for x in eqn.invars]
            outs = _run(eqn, operands, errors, record)
            env.update(zip(eqn.outvars, outs, strict=True))
            for var in done:
                env.pop(var, None)
    return record.code, record.checks, record.values, [x if type(x) is Literal else env[x] for x in jaxpr.outvars]


def _run(eqn: Eqn, operands: Sequence[Any], errors: Errors, record: _Record) -> Sequence[Any]:
    primitive, params = eqn.primitive, eqn.params
    if primitive.name == "check":
        if Failure.USER in errors:
            record.add(operands[0], params["message"], operands[1:])
        return ()
    structured = _STRUCTURED.get(primitive.name)
    if structured is not None:
        code, checks, values, outs = structured(operands, errors, **params)
        if checks:
            record.join(code, checks, values)
        return outs
    before = {Failure.DIVISION: _check_division, Failure.INDEX: _check_index}
    for failure, look in before.items():
        if failure in errors:
            look(eqn, operands, record)
    out = primitive.bind(*operands, **_silent(params))
    outs = out if primitive.multiple_results else (out,)
    if Failure.NAN in errors and primitive.kind not in _MOVES:
        _check_nan(primitive.name, outs, record)
    return outs  # type: ignore[no-any-return]


# -- checks that are added

_MOVES = (Kind.MOVEMENT, Kind.INDEXING, Kind.EFFECT, Kind.RANDOM)


def _message(text: str, count: int) -> Message:
    return Message(text, _structure(count))


@lru_cache(maxsize=16)
def _structure(count: int) -> PyTreeDef:
    return tree_flatten(((0,) * count, {}))[1]


def _check_nan(name: str, outs: Sequence[Any], record: _Record) -> None:
    for out in outs:
        aval = aval_like(out)
        if aval.is_differentiable:
            number = p.eq(out, out)
            holds = p.reduce_and(number, axes=tuple(range(aval.ndim))) if aval.ndim else number
            record.add(holds, _message(f"nan generated by primitive: {name}.", 0), [])


def _check_division(eqn: Eqn, operands: Sequence[Any], record: _Record) -> None:
    if eqn.primitive.name in ("div", "rem"):
        divisor = operands[1]
        nonzero = p.ne(divisor, like(divisor, 0) if not aval_like(divisor).ndim else zeros(aval_like(divisor)))
        ndim = aval_like(divisor).ndim
        holds = p.reduce_and(nonzero, axes=tuple(range(ndim))) if ndim else nonzero
        record.add(holds, _message("division by zero", 0), [])


def _check_index(eqn: Eqn, operands: Sequence[Any], record: _Record) -> None:
    """The start of every window of an equation that reads or writes at given indices."""
    name, params = eqn.primitive.name, eqn.params
    x = aval_like(operands[0])
    if name in ("dynamic_slice", "dynamic_update_slice"):
        count = 1 if name == "dynamic_slice" else 2
        sizes = params["slice_sizes"] if count == 1 else aval_like(operands[1]).shape
        rows = [_int32(i) for i in operands[count:]]
        if rows:
            starts = p.concatenate(*(p.reshape(i, new_sizes=(1,), dimensions=None) for i in rows), dimension=0)
            _check_starts(x.shape, starts, tuple(range(x.ndim)), sizes, record)
    elif name == "gather" or name.startswith("scatter"):
        if params["mode"] is GatherScatterMode.CLIP:
            return
        numbers = params["dimension_numbers"]
        axes = numbers[2]  # start_index_map, or scatter_dims_to_operand_dims
        sizes = params["slice_sizes"] if name == "gather" else _window(x, operands[2], numbers)
        _check_starts(x.shape, _int32(operands[1]), axes, [sizes[d] for d in axes], record)


def _window(x: ShapedArray, updates: Any, numbers: Any) -> list[int]:
    shape = aval_like(updates).shape
    extents = iter(shape[d] for d in numbers.update_window_dims)
    single = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    return [1 if d in single else next(extents) for d in range(x.ndim)]


def _int32(x: Any) -> Any:
    return p.convert_element_type(x, new_dtype=np.dtype(np.int32), weak_type=False)


def _check_starts(
    shape: tuple[int, ...], starts: Any, axes: Sequence[int], sizes: Sequence[int], record: _Record
) -> None:
    """`starts`: (..., one entry per axis of `axes`)."""
    whole = aval_like(starts).shape
    if not all(whole):
        return

    def row(values: Sequence[int]) -> Any:  # of literals: bodies of loops hold no arrays
        columns = [Literal(np.int32(value), _INT) for value in values]
        shaped = [p.broadcast_in_dim(x, shape=(*whole[:-1], 1), broadcast_dimensions=()) for x in columns]
        return p.concatenate(*shaped, dimension=len(whole) - 1)

    last = row([shape[d] - w for d, w in zip(axes, sizes, strict=True)])
    holds = p.and_(p.ge(starts, row([0] * len(axes))), p.le(starts, last))
    text = f"out-of-bounds indexing for array of shape {shape}: index {{}} is out of bounds for axis {{}} with size {{}}. "
    record.add(holds, _message(text, 3), [starts, row(axes), row([shape[d] for d in axes])])


# -- equations with bodies


class Checked(NamedTuple):
    """`program`: (code, values of the checks, results) of the inputs of the program it was made from."""

    program: ClosedJaxpr
    checks: list[Check]

    @property
    def avals(self) -> list[ShapedArray]:
        """Of the values of all checks."""
        return [aval for check in self.checks for aval in check.avals]


@lru_cache(maxsize=512)
def _checked(closed: ClosedJaxpr, errors: Errors) -> Checked:
    checks: list[Check] = []

    def run(*args: Any) -> list[Any]:
        code, found, values, outs = checked_values(closed.jaxpr, closed.consts, args, errors)
        checks.extend(found)
        return [code, *values, *(retyped(x, aval) for x, aval in zip(outs, closed.out_avals, strict=True))]

    return Checked(retraced(run, closed.in_avals, "checkify", closed), checks)


def _split(outs: Sequence[Any], checked: Checked) -> tuple[Any, list[Check], list[Any], list[Any]]:
    code, values, rest = outs[0], *split_list(outs[1:], len(checked.avals))
    return code, checked.checks, values, rest


Found = tuple[Any, Sequence[Check], Sequence[Any], Sequence[Any]]


def _call(name: str) -> Callable[..., Found]:
    """A call of a body stays a call."""

    def run(operands: Sequence[Any], errors: Errors, *, jaxpr: ClosedJaxpr, **params: Any) -> Found:
        checked = _checked(jaxpr, errors)
        return _split(getattr(p, name)(*operands, jaxpr=checked.program, **params), checked)

    return run


def _call_with_rule(name: str) -> Callable[..., Found]:
    """Results by the call, which keeps the rule of the user; failures by the body, beside it."""

    def run(operands: Sequence[Any], errors: Errors, *, jaxpr: ClosedJaxpr, **params: Any) -> Found:
        outs = getattr(p, name)(*operands, jaxpr=_without_checks(jaxpr), **params)
        checked = _checked(jaxpr, errors)
        code, checks, values, _ = _split(eval_closed(checked.program, *operands), checked)
        return code, checks, values, outs

    return run


@lru_cache(maxsize=512)
def _without_checks(closed: ClosedJaxpr) -> ClosedJaxpr:
    if CHECK not in closed.effects:
        return closed
    program = _checked(closed, frozenset()).program
    return retraced(lambda *args: eval_closed(program, *args)[1:], closed.in_avals, "checkify", closed)


def _solver(name: str) -> Callable[..., Found]:
    """A solution, whose solver gives its failures beside it: it is not differentiated, and what it gives beside x neither."""

    def run(operands: Sequence[Any], errors: Errors, *, jaxpr: ClosedJaxpr, **params: Any) -> Found:
        program, checked = _failures_last(jaxpr, errors)
        outs = getattr(p, name)(*operands, jaxpr=program, **_silent(params))
        count = len(jaxpr.out_avals)
        return _split([*outs[count:], *outs[:count]], checked)

    return run


@lru_cache(maxsize=256)
def _failures_last(closed: ClosedJaxpr, errors: Errors) -> tuple[ClosedJaxpr, Checked]:
    checked = _checked(closed, errors)

    def run(*args: Any) -> list[Any]:
        code, _, values, outs = _split(eval_closed(checked.program, *args), checked)
        return [*outs, code, *values]

    return retraced(run, closed.in_avals, "checkify", closed), checked


def _silent(params: dict[str, Any]) -> dict[str, Any]:
    """Params whose programs check nothing: those of a derivative, for instance, whose checks were made by what it derives from."""
    return {
        name: _without_checks(value) if isinstance(value, ClosedJaxpr) else value for name, value in params.items()
    }


def _cond(operands: Sequence[Any], errors: Errors, *, branches: tuple[ClosedJaxpr, ...]) -> Found:
    programs = _agreeing(branches, errors)
    outs = p.cond(*operands, branches=tuple(checked.program for checked in programs))
    return _split(outs, programs[0])


@lru_cache(maxsize=256)
def _agreeing(branches: tuple[ClosedJaxpr, ...], errors: Errors) -> list[Checked]:
    """Branches that give the checks of all of them; those of the others are 0."""
    all_checked = [_checked(branch, errors) for branch in branches]
    checks = [check for checked in all_checked for check in checked.checks]
    found, before, zeros_before = [], 0, 0
    avals = [aval for check in checks for aval in check.avals]
    for checked, branch in zip(all_checked, branches, strict=True):

        def run(*args: Any, own: Checked = checked, by: int = before, start: int = zeros_before) -> list[Any]:
            code, _, values, outs = _split(eval_closed(own.program, *args), own)
            others = [zeros(aval) for aval in avals]
            others[start : start + len(values)] = values
            typed = [retyped(x, aval) for x, aval in zip(others, avals, strict=True)]
            return [_moved(code, by), *typed, *outs]

        found.append(Checked(retraced(run, branch.in_avals, "checkify", branch), checks))
        before += len(checked.checks)
        zeros_before += len(checked.avals)
    return found


def _kept(carried: Sequence[Any], found: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    """(code, values) after a step: those of the first step that failed."""
    earlier = p.gt(carried[0], like(carried[0], 0))
    return [
        retyped(p.select_n(_spread(earlier, aval), new, old), aval)
        for old, new, aval in zip(carried, found, (_INT, *avals), strict=True)
    ]


def _spread(flag: Any, aval: ShapedArray) -> Any:
    return p.broadcast_in_dim(flag, shape=aval.shape, broadcast_dimensions=()) if aval.shape else flag


def _started(avals: Sequence[ShapedArray]) -> list[Any]:
    return [retyped(zeros(aval), aval) for aval in (_INT, *avals)]


def _scan(
    operands: Sequence[Any], errors: Errors, *, jaxpr: ClosedJaxpr, num_consts: int, num_carry: int, **loop: Any
) -> Found:
    checked = _checked(jaxpr, errors)
    count = 1 + len(checked.avals)
    consts, rest = split_list(operands, num_consts)
    outs = p.scan(
        *consts,
        *_started(checked.avals),
        *rest,
        jaxpr=_scan_body(jaxpr, errors, num_consts),
        num_consts=num_consts,
        num_carry=num_carry + count,
        **loop,
    )
    return _split(outs, checked)


@lru_cache(maxsize=256)
def _scan_body(jaxpr: ClosedJaxpr, errors: Errors, num_consts: int) -> ClosedJaxpr:
    checked = _checked(jaxpr, errors)
    carried = (_INT, *checked.avals)

    def step(*args: Any) -> list[Any]:
        consts, before, rest = split_list(args, num_consts, len(carried))
        code, _, values, outs = _split(eval_closed(checked.program, *consts, *rest), checked)
        return [*_kept(before, [code, *values], checked.avals), *outs]

    avals = (*jaxpr.in_avals[:num_consts], *carried, *jaxpr.in_avals[num_consts:])
    return retraced(step, avals, "checkify", jaxpr)


def _while(
    operands: Sequence[Any],
    errors: Errors,
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
    **params: Any,
) -> Found:
    """The predicate is checked on the first carry and after every step."""
    cond_consts, body_consts, carry = split_list(operands, cond_nconsts, body_nconsts)
    holds, step, checked = _while_bodies(cond_jaxpr, body_jaxpr, cond_nconsts, body_nconsts, errors)
    first = _checked(cond_jaxpr, errors)
    started = _started(checked.avals)
    if first.checks:
        code, _, values, _ = _split(eval_closed(first.program, *cond_consts, *carry), first)
        started = [code, *values, *started[1 + len(first.avals) :]]
    outs = p.while_(
        *cond_consts,
        *cond_consts,
        *body_consts,
        *started,
        *carry,
        cond_jaxpr=holds,
        body_jaxpr=step,
        cond_nconsts=cond_nconsts,
        body_nconsts=cond_nconsts + body_nconsts,
        **params,
    )
    return _split(outs, checked)


@lru_cache(maxsize=256)
def _while_bodies(
    cond: ClosedJaxpr, body: ClosedJaxpr, cond_nconsts: int, body_nconsts: int, errors: Errors
) -> tuple[ClosedJaxpr, ClosedJaxpr, Checked]:
    """(predicate, step, a record of the checks of both: those of the predicate first)."""
    holds, moves = _checked(cond, errors), _checked(body, errors)
    carried = (_INT, *holds.avals, *moves.avals)
    plain = _without_checks(cond)

    def predicate(*args: Any) -> list[Any]:
        consts, _, carry = split_list(args, cond_nconsts, len(carried))
        return eval_closed(plain, *consts, *carry)

    def step(*args: Any) -> list[Any]:
        cond_consts, body_consts, before, carry = split_list(args, cond_nconsts, body_nconsts, len(carried))
        code, _, values, outs = _split(eval_closed(moves.program, *body_consts, *carry), moves)
        after, _, cond_values, _ = _split(eval_closed(holds.program, *cond_consts, *outs), holds)
        moved = _moved(code, len(holds.checks))
        both = p.select_n(p.gt(moved, like(moved, 0)), after, moved) if holds.checks else moved
        return [*_kept(before, [both, *cond_values, *values], carried[1:]), *outs]

    cond_avals, carry_avals = split_list(cond.in_avals, cond_nconsts)
    body_avals = body.in_avals[:body_nconsts]
    return (
        retraced(predicate, (*cond_avals, *carried, *carry_avals), "checkify", cond),
        retraced(step, (*cond_avals, *body_avals, *carried, *carry_avals), "checkify", body),
        Checked(moves.program, [*holds.checks, *moves.checks]),
    )


_STRUCTURED: dict[str, Callable[..., Found]] = {
    "jit": _call("jit"),
    "checkpoint": _call("checkpoint"),
    "custom_jvp_call": _call_with_rule("custom_jvp_call"),
    "custom_vjp_call": _call_with_rule("custom_vjp_call"),
    "custom_vmap_call": _call_with_rule("custom_vmap_call"),
    "linear_call": _call_with_rule("linear_call"),
    "custom_linear_solve": _solver("custom_linear_solve"),
    "custom_root": _solver("custom_root"),
    "cond": _cond,
    "scan": _scan,
    "while": _while,
}
