"""`scan`, `while_loop`, `fori_loop`: loops that are one equation.

A Python loop over traced values is unrolled into the trace; these are not: their body is traced once. The derivative of the loop is a
loop again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..api._calls import flatten_values, function_name, parameter_names
from ..array import as_value, finished
from ..config import config
from ..dtypes import issubdtype, result_type
from ..errors import teach
from ..ir import ShapedArray, Tracer, aval_like, known_value
from ..primitives import p
from ..structured._bodies import retyped, with_carry_types
from ..structured.scan import scan as scan_primitive
from ..structured.while_ import segmented, while_
from ..tree import PyTreeDef, tree_unflatten
from ._operands import as_operand
from ._tracing import (
    Body,
    called_from,
    carry_error,
    carry_names,
    carry_structure_error,
    described,
    literals,
    trace_body,
)
from .structural import expand_dims

__all__ = ["fori_loop", "scan", "while_loop"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    _split_transpose: bool = False,
) -> tuple[Any, Any]:
    """Carry a value through the leading axis of arrays, and stack what each step gives.

    Args:
        f: `f(carry, x) -> (carry, y)`; traced once. The carry keeps its types from step to step.
        init: the carry at the start, a tree of arrays.
        xs: a tree of arrays of shape (length, ...), one slice per step; None for none.
        length: number of steps, when `xs` does not say.
        reverse: step from the end; results stay in their places.
        unroll: accepted; how often the compiled loop repeats its body.
        _split_transpose: accepted for compatibility.

    Returns:
        (the last carry, the results of the steps stacked: arrays of shape (length, ...)).

    Raises:
        TypeError: the carry changes its structure or types, or `f` does not return a pair.
        ValueError: the lengths of `xs` differ from each other or from `length`, or none is given.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax import lax
        >>> total, sums = lax.scan(lambda c, x: (c + x, c + x), 0.0, mnp.arange(4.0))
        >>> float(total), sums.tolist()
        (6.0, [0.0, 1.0, 3.0, 6.0])
    """
    x_values, x_tree = flatten_values(xs)
    steps = _length(x_values, length)
    if config.jax_disable_jit:
        return _python_scan(f, init, x_values, x_tree, steps, reverse)
    loop = _Loop("scan body", f, 0)
    return loop.scan(f, init, x_values, x_tree, steps, reverse, steps if unroll is True else max(int(unroll), 1))


class _Loop:
    """A loop whose body is a user function: its name and the position of its carried argument, for messages."""

    def __init__(self, what: str, user: Callable[..., Any], position: int) -> None:
        self.what = what
        self.user = user
        self.position = position
        self.leaf_names: list[str] | None = None  # of what the body gets, where it is not called as the user's is

    @property
    def carried(self) -> str:
        """The name of the carried argument."""
        return parameter_names(self.user, self.position + 1)[self.position]

    def scan(
        self,
        step: Callable[[Any, Any], tuple[Any, Any]],
        init: Any,
        xs: Sequence[Any],
        x_tree: PyTreeDef,
        length: int,
        reverse: bool,
        unroll: int,
    ) -> tuple[Any, Any]:
        """Bind a scan of `step`."""
        x_avals = [aval_like(x).update(shape=aval_like(x).shape[1:]) for x in xs]
        values, tree = flatten_values(init)

        def trace(avals: Sequence[ShapedArray]) -> tuple[Body, PyTreeDef]:
            purpose = f"body of {self.what.split()[0]}"
            body = trace_body(step, [tree, x_tree], [*avals, *x_avals], purpose, self.leaf_names)
            carry_tree, y_tree = _pair(body.out_tree, self.user)
            self.check_structure(tree, carry_tree)
            return body, y_tree

        carry, (body, y_tree) = self.settled(trace, values, tree)
        outs = scan_primitive.bind(
            *body.captured,
            *literals(carry),
            *xs,
            jaxpr=with_carry_types(body.closed, len(body.captured), len(carry)),
            length=length,
            reverse=bool(reverse),
            num_consts=len(body.captured),
            num_carry=len(carry),
            unroll=unroll,
        )
        results = [finished(x) for x in outs]
        return tree_unflatten(tree, results[: len(carry)]), tree_unflatten(y_tree, results[len(carry) :])

    def check_structure(self, given: PyTreeDef, found: PyTreeDef) -> None:
        """Raise TypeError unless the body returns the structure that it gets."""
        if given != found:
            raise carry_structure_error(self.what, self.user, self.carried, given, found)

    def settled(
        self, trace: Callable[[Sequence[ShapedArray]], tuple[Body, Any]], carry: Sequence[Any], tree: PyTreeDef
    ) -> tuple[list[Any], tuple[Body, Any]]:
        """Trace a body with carry types that it gives back: Python numbers take the type of the results."""
        carry = list(carry)
        while True:
            avals = [aval_like(x) for x in carry]
            traced = trace(avals)
            outs = traced[0].out_avals[: len(carry)]
            promoted = [_promoted(x, aval, out) for x, aval, out in zip(carry, avals, outs, strict=True)]
            if all(new is old for new, old in zip(promoted, carry, strict=True)):
                break
            carry = promoted  # strong now, or of a wider dtype: this ends
        if any((a.shape, a.dtype) != (b.shape, b.dtype) for a, b in zip(avals, outs, strict=True)):
            raise carry_error(self.what, self.user, self.leaf_names or carry_names(tree, self.carried), avals, outs)
        return carry, traced


def _promoted(x: Any, aval: ShapedArray, out: ShapedArray) -> Any:
    if not aval.weak_type or aval.shape != out.shape:
        return x
    if aval.dtype == out.dtype:
        return x if out.weak_type else retyped(x, aval.strong())
    dtype = result_type(x, out)
    return x if dtype == aval.dtype else p.convert_element_type(x, new_dtype=dtype, weak_type=out.weak_type)


def _length(xs: Sequence[Any], length: int | None) -> int:
    for x in xs:
        if not aval_like(x).shape:
            raise ValueError(
                teach(
                    f"scan got value with no leading axis to scan over: {aval_like(x).str_short()}.",
                    at=called_from(),
                    do="what is the same in every step, let the body close over",
                )
            )
    lengths = {aval_like(x).shape[0] for x in xs}
    if length is not None:
        try:
            length = length.__index__()
        except (AttributeError, TypeError):
            raise TypeError(teach(f"scan: `length` must be an integer, got {length!r}", at=called_from())) from None
        if any(n != length for n in lengths):
            raise ValueError(
                teach(
                    f"scan got `length` argument of {length} which disagrees with leading axis sizes {sorted(lengths)}.",
                    at=called_from(),
                )
            )
        return length
    if len(lengths) > 1:
        raise ValueError(
            teach(
                f"scan got values with different leading axis sizes: {', '.join(map(str, sorted(lengths)))}.",
                at=called_from(),
                why="every step takes one row of each",
            )
        )
    if not lengths:
        raise ValueError(
            teach("scan got no values to scan over and `length` not provided.", at=called_from(), do="length=...")
        )
    return lengths.pop()


def _pair(tree: PyTreeDef, f: Callable[..., Any]) -> tuple[PyTreeDef, PyTreeDef]:
    """Structures of the carry and of the results of a step."""
    parts = tree.children() if not tree.is_leaf() else []
    if len(parts) != 2 or not isinstance(tree_unflatten(tree, [0] * tree.num_leaves), tuple):
        raise TypeError(
            teach(
                f"scan body output must be a pair, got {tree}.",
                at=described(f),
                why="a step returns the next carry and what it adds to the results",
                do="return carry, None if there is nothing to add",
            )
        )
    return parts[0], parts[1]


def _python_scan(
    f: Callable[..., Any], init: Any, xs: Sequence[Any], x_tree: PyTreeDef, length: int, reverse: bool
) -> tuple[Any, Any]:
    """The loop step by step in Python: what `jax_disable_jit` asks for."""
    carry, rows, y_tree = init, [], None
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = f(carry, tree_unflatten(x_tree, [finished(_row(x, i)) for x in xs]))
        leaves, y_tree = flatten_values(y)
        rows.append(leaves)
    if y_tree is None:
        raise ValueError(
            "zero-length scan is not supported in disable_jit() mode because the output type is unknown."
        )
    rows = rows[::-1] if reverse else rows
    columns = [[expand_dims(x, (0,)) for x in column] for column in zip(*rows, strict=True)]
    return carry, tree_unflatten(y_tree, [finished(p.concatenate(*column, dimension=0)) for column in columns])


def _row(x: Any, i: int) -> Any:
    shape = aval_like(x).shape
    starts, limits = (i, *(0,) * (len(shape) - 1)), (i + 1, *shape[1:])
    return p.squeeze(p.slice(x, start_indices=starts, limit_indices=limits, strides=None), dimensions=(0,))


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    checkpoint_every: int | None = None,
) -> Any:
    """Call `body_fun` on a value again and again, as long as `cond_fun` holds.

    Args:
        cond_fun: `cond_fun(val) -> bool`, a boolean scalar.
        body_fun: `body_fun(val) -> val`, of the same structure and types.
        init_val: the value at the start, a tree of arrays.
        checkpoint_every: in reverse mode, keep the value of every k-th step only and compute the steps between again
            (memory of n/k + k steps instead of n).

    Returns:
        The first value for which `cond_fun` is false.

    Raises:
        TypeError: `cond_fun` does not return a boolean scalar, or `body_fun` changes the structure or types of the value.

    Note:
        Reverse mode works: the steps are counted by running the loop once more (JAX refuses).

    Example:
        >>> import minijax as mj
        >>> from minijax import lax
        >>> double = lambda x: lax.while_loop(lambda v: v < 10.0, lambda v: v * 2.0, x)
        >>> float(double(3.0)), float(mj.grad(double)(3.0))
        (12.0, 4.0)
    """
    if checkpoint_every is not None and checkpoint_every < 1:
        raise ValueError(f"while_loop: checkpoint_every must be a positive number of steps, got {checkpoint_every}")
    if config.jax_disable_jit:
        value = init_val
        while cond_fun(value):
            value = body_fun(value)
        return value
    return _bind_while(_Loop("while_loop body", body_fun, 0), cond_fun, body_fun, init_val, checkpoint_every)


def _bind_while(
    loop: _Loop, cond_fun: Callable[..., Any], step: Callable[..., Any], init: Any, checkpoint_every: int | None
) -> Any:
    values, tree = flatten_values(init)

    def trace(avals: Sequence[ShapedArray]) -> tuple[Body, None]:
        body = trace_body(step, [tree], avals, f"body of {loop.what.split()[0]}", loop.leaf_names)
        loop.check_structure(tree, body.out_tree)
        return body, None

    carry, (body, _) = loop.settled(trace, values, tree)
    pred = trace_body(cond_fun, [tree], [aval_like(x) for x in carry], "cond_fun of while_loop")
    _check_predicate(pred, cond_fun)
    outs = while_.bind(
        *pred.captured,
        *body.captured,
        *literals(carry),
        cond_jaxpr=pred.closed,
        body_jaxpr=with_carry_types(body.closed, len(body.captured), len(carry)),
        cond_nconsts=len(pred.captured),
        body_nconsts=len(body.captured),
        **segmented(checkpoint_every),
    )
    return tree_unflatten(tree, [finished(x) for x in outs])


def _check_predicate(pred: Body, cond_fun: Callable[..., Any]) -> None:
    avals = pred.out_avals
    if len(avals) != 1 or not pred.out_tree.is_leaf():
        raise TypeError(
            teach(
                f"cond_fun must return a boolean scalar, but got pytree {pred.out_tree}.",
                at=described(cond_fun),
                why="one answer decides whether the loop goes on",
                do="join the answers: a & b, a | b",
            )
        )
    if avals[0].shape != () or avals[0].dtype != np.bool_:
        shown = ", ".join(f"ShapedArray({a.str_short()})" for a in avals)
        raise TypeError(
            teach(
                f"cond_fun must return a boolean scalar, but got output type(s) [{shown}].",
                at=described(cond_fun),
                why="one answer decides whether the loop goes on",
                do="reduce it: (x < y).all() or .any(), or compare: n != 0",
            )
        )


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoint_every: int | None = None,
) -> Any:
    """`for i in range(lower, upper): val = body_fun(i, val)` as one loop.

    Args:
        lower, upper: integers, or integer scalars.
        body_fun: `body_fun(i, val) -> val`, of the same structure and types.
        init_val: the value at the start, a tree of arrays.
        unroll: accepted; only with `lower` and `upper` known when traced.
        checkpoint_every: as in `while_loop`; for bounds that are known, every step is kept unless this is given.

    Returns:
        The last value.

    Raises:
        TypeError: the bounds are not integers, or `body_fun` changes the structure or types of the value.

    Note:
        With bounds that are known when traced this is a `scan`, else a `while_loop`; both differentiate in both modes.

    Example:
        >>> from minijax import lax
        >>> int(lax.fori_loop(0, 5, lambda i, total: total + i, 0))
        10
    """
    if not callable(body_fun):
        raise TypeError("lax.fori_loop: body_fun argument should be callable.")
    first, last = _bounds(lower, upper)
    loop = _Loop("fori_loop body", body_fun, 1)
    value_tree = flatten_values(init_val)[1]
    counter = parameter_names(body_fun, 2)[0]

    def body(i: Any, value: Any) -> Any:
        result = body_fun(i, value)
        loop.check_structure(value_tree, flatten_values(result)[1])
        return result

    if config.jax_disable_jit:
        value = init_val
        for i in range(int(first), int(last)):
            value = body_fun(as_value(np.asarray(i, first.dtype)), value)
        return value
    start, stop = _known_int(first), _known_int(last)
    if start is None or stop is None or checkpoint_every is not None:
        if unroll is not None and int(unroll) > 1:
            raise ValueError("Can only use `unroll` in `fori_loop` if the loop bounds are statically known.")
        loop.leaf_names = [counter, "upper", *carry_names(value_tree, loop.carried)]
        step = lambda carry: (carry[0] + 1, carry[1], body(carry[0], carry[2]))
        step.__name__ = function_name(body_fun)
        init = (first, last, init_val)
        return _bind_while(loop, lambda carry: carry[0] < carry[1], step, init, checkpoint_every)[2]
    steps = max(stop - start, 0)
    loop.leaf_names = [counter, *carry_names(value_tree, loop.carried)]
    copies = steps if unroll is True else max(int(unroll or 1), 1)
    nothing = flatten_values(None)[1]
    counted = lambda carry, _: ((carry[0] + 1, body(*carry)), None)
    counted.__name__ = function_name(body_fun)
    (_, value), _ = loop.scan(counted, (first, init_val), [], nothing, steps, False, copies)
    return value


def _bounds(lower: Any, upper: Any) -> tuple[Any, Any]:
    """Both bounds as integer scalars of one dtype."""
    found = []
    for name, x in (("lower", lower), ("upper", upper)):
        value = as_operand(x)
        if not issubdtype(value.dtype, np.integer) or value.shape != ():
            raise TypeError(
                teach(
                    f"lower and upper arguments to fori_loop must have equal types, integer scalars; got {name} of type "
                    f"{aval_like(value).str_short()}",
                    at=called_from(),
                    do="convert it: int(n), or n.astype(int) if it is traced",
                )
            )
        found.append(value)
    first, last = found
    if first.dtype == last.dtype:
        return (first, last)
    if first.weak_type or last.weak_type:
        dtype = result_type(first, last)
        return tuple(  # type: ignore[return-value]
            x if x.dtype == dtype else p.convert_element_type(x, new_dtype=dtype, weak_type=False) for x in found
        )
    raise TypeError(
        teach(
            f"lower and upper arguments to fori_loop must have equal types, got {first.dtype.name} and {last.dtype.name}",
            at=called_from(),
            do="convert one of them: .astype(...)",
        )
    )


def _known_int(x: Any) -> int | None:
    """The value of a bound that is the same whenever the program runs; None for a traced one."""
    return None if type(x) is Tracer else int(known_value(x))  # type: ignore[arg-type]
