"""Jacobians and Hessians: push a basis through the linearized program, forward or backward.

The function is traced and linearized once, at known values (so Python branches work); the linear program, or its
transpose, is batched over the standard basis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..array import finished, wrap
from ..dtypes import issubdtype
from ..interpreters._zeros import instantiate
from ..interpreters.batch import batch_values, materialize
from ..interpreters.transpose import transpose_values
from ..ir import ClosedJaxpr, ShapedArray, aval_like, trace_function
from ..primitives._ops import p
from ..tree import tree_unflatten
from ._calls import (
    FlatFunction,
    Traced,
    check_callable,
    flatten_values,
    positions,
    restore_aux,
    trace_flat,
    unflatten_each,
)
from .autodiff import _check_input, _linearize, argument_names_at

__all__ = ["hessian", "jacfwd", "jacobian", "jacrev"]


def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Jacobian, by forward mode: one column per input element. Best for few inputs and many outputs.

    Args:
        fun: trees of arrays to a tree of arrays.
        argnums: which positional arguments.
        has_aux: `fun` returns a pair (output, aux).
        holomorphic: `fun` is complex-analytic.

    Returns:
        A function that returns the Jacobian: a tree like the output, whose leaves are trees like the argument, of
        arrays of shape (*output shape, *input shape); or (Jacobian, aux).

    Raises:
        TypeError: an input is not real (not complex, with `holomorphic`).

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.jacfwd(lambda x: x ** 2)(mnp.array([1.0, 3.0]))
        Array([[2., 0.],
               [0., 6.]], dtype=float32)
    """
    check_callable(fun)

    @wraps(fun, updated=())
    def jacfwd_f(*args: Any, **kwargs: Any) -> Any:
        call = _Call(fun, argnums, has_aux, args, kwargs)
        for x in call.values:
            _check_forward_input(x.aval.dtype, holomorphic)
        traced, linear, nonzero = call.linearize("jacfwd")
        columns = _push_basis(call.values, linear, nonzero, traced.closed.out_avals)
        return call.assemble(traced, columns)

    return jacfwd_f


def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian, by reverse mode: one row per output element. Best for many inputs and few outputs.

    Args:
        fun, argnums, has_aux, holomorphic: see `jacfwd`.
        allow_int: allow integer inputs (their Jacobians have dtype float0).

    Returns:
        See `jacfwd`.

    Raises:
        TypeError: an input or output is not differentiable.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.jacrev(lambda x: mnp.stack([x.sum(), x.prod()]))(mnp.array([2.0, 3.0]))
        Array([[1., 1.],
               [3., 2.]], dtype=float32)
    """
    check_callable(fun)

    @wraps(fun, updated=())
    def jacrev_f(*args: Any, **kwargs: Any) -> Any:
        call = _Call(fun, argnums, has_aux, args, kwargs)
        for x in call.values:
            _check_input(x.aval.dtype, "jacrev", holomorphic, allow_int)
        traced, linear, nonzero = call.linearize("jacrev")
        for aval in traced.closed.out_avals[: traced.out_tree.num_leaves]:
            _check_reverse_output(aval.dtype, holomorphic)
        rows = _pull_basis(call.values, linear, nonzero, traced.closed.out_avals)
        return call.assemble(traced, rows)

    return jacrev_f


jacobian = jacrev


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The matrix of second derivatives: `jacfwd(jacrev(fun))`, forward over reverse.

    Args:
        fun, argnums, has_aux, holomorphic: see `jacfwd`.

    Returns:
        A function that returns the Hessian: trees of arrays of shape (*output, *input, *input).

    Raises:
        TypeError: see `jacrev`.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.hessian(lambda x: x[0] ** 2 * x[1])(mnp.array([1.0, 3.0]))
        Array([[6., 2.],
               [2., 0.]], dtype=float32)
    """
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


class _Call:
    """The arguments of one call of jacfwd or jacrev, flattened, and the way back to trees."""

    def __init__(
        self, fun: Callable[..., Any], argnums: Any, has_aux: bool, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        self.single = isinstance(argnums, int)
        self.has_aux = has_aux
        self.dynamic = positions(argnums, len(args))
        flattened = [flatten_values(args[position]) for position in self.dynamic]
        self.values = [x for leaves, _ in flattened for x in leaves]
        self.structures = [structure for _, structure in flattened]
        self.flat = FlatFunction(fun, args, kwargs, self.dynamic, self.structures, has_aux)
        self.names = lambda: argument_names_at(fun, args, self.dynamic, self.structures)
        self.outs: list[Any] = []

    def linearize(self, purpose: str) -> tuple[Traced, ClosedJaxpr, list[bool]]:
        traced = trace_flat(self.flat, self.values, purpose=purpose, names=self.names)
        self.outs, linear, nonzero = _linearize(traced)
        return traced, linear, nonzero

    def assemble(self, traced: Traced, blocks: list[list[Any]]) -> Any:
        """blocks[i][j]: derivative of output leaf i with respect to input leaf j, as trees of trees."""
        count = traced.out_tree.num_leaves
        rows = []
        for block in blocks[:count]:
            trees = unflatten_each(self.structures, [finished(x) for x in block])
            rows.append(trees[0] if self.single else tuple(trees))
        jacobian_tree = tree_unflatten(traced.out_tree, rows)
        if not self.has_aux:
            return jacobian_tree
        return jacobian_tree, restore_aux(traced, [finished(x) for x in self.outs[count:]])


def _basis(avals: Sequence[ShapedArray]) -> list[Any]:
    """The standard basis of the product of `avals`: arrays (total, *shape), one per aval."""
    total = sum(aval.size for aval in avals)
    out, start = [], 0
    for aval in avals:
        block = np.zeros((total, aval.size), aval.dtype)
        block[np.arange(start, start + aval.size), np.arange(aval.size)] = 1
        out.append(wrap(block.reshape((total, *aval.shape)), aval.weak_type))
        start += aval.size
    return out


def _push_basis(
    values: Sequence[Any], linear: ClosedJaxpr, nonzero: Sequence[bool], out_avals: Sequence[ShapedArray]
) -> list[list[Any]]:
    in_avals = [aval_like(x) for x in values]
    basis = _basis(in_avals)
    total = sum(aval.size for aval in in_avals)
    outs, axes = batch_values(linear.jaxpr, linear.consts, basis, (0,) * len(basis), total)
    found = iter(zip(outs, axes, strict=True))
    rows = []
    for aval, flag in zip(out_avals, nonzero, strict=True):
        if flag:
            out, axis = next(found)
            columns = materialize(out, axis, total, aval.ndim)
        else:
            columns = instantiate(None, aval.update(shape=(*aval.shape, total)))
        rows.append(
            _split(columns, aval.ndim, in_avals, lambda block, a, o=aval: _reshape(block, (*o.shape, *a.shape)))
        )
    return rows


def _pull_basis(
    values: Sequence[Any], linear: ClosedJaxpr, nonzero: Sequence[bool], out_avals: Sequence[ShapedArray]
) -> list[list[Any]]:
    in_avals = [aval_like(x) for x in values]
    used = [aval.tangent() for aval, flag in zip(out_avals, nonzero, strict=True) if flag]
    if not used:
        return [[instantiate(None, _block(o, a)) for a in in_avals] for o in out_avals]
    linear_avals = linear.in_avals

    def pull(*cts: Any) -> list[Any]:
        found = transpose_values(linear.jaxpr, linear.consts, (None,) * len(linear_avals), cts)
        return [instantiate(ct, aval) for ct, aval in zip(found, linear_avals, strict=True)]

    transposed = trace_function(pull, used, purpose="transpose", name="", staging=False)
    total = sum(aval.size for aval in used)
    outs, axes = batch_values(transposed.jaxpr, transposed.consts, _basis(used), (0,) * len(used), total)
    rows = [materialize(out, axis, total, 0) for out, axis in zip(outs, axes, strict=True)]
    table = []
    start = 0
    for out_aval, flag in zip(out_avals, nonzero, strict=True):
        found = iter(rows)
        line = []
        for aval in in_avals:
            block = next(found) if aval.is_differentiable else None
            if block is None or not flag:
                line.append(finished(instantiate(None, _block(out_aval, aval))))
            else:
                part = _take(block, 0, start, start + out_aval.size)
                line.append(_reshape(part, (*out_aval.shape, *aval.shape)))
        table.append(line)
        start += out_aval.size if flag else 0
    return table


def _block(out_aval: ShapedArray, in_aval: ShapedArray) -> ShapedArray:
    return in_aval.update(shape=(*out_aval.shape, *in_aval.shape))


def _split(x: Any, axis: int, avals: Sequence[ShapedArray], finish: Callable[..., Any]) -> list[Any]:
    out, start = [], 0
    for aval in avals:
        out.append(finish(_take(x, axis, start, start + aval.size), aval))
        start += aval.size
    return out


def _take(x: Any, axis: int, start: int, stop: int) -> Any:
    shape = aval_like(x).shape
    if start == 0 and stop == shape[axis]:
        return x
    starts = tuple(start if i == axis else 0 for i in range(len(shape)))
    stops = tuple(stop if i == axis else n for i, n in enumerate(shape))
    return p.slice(x, start_indices=starts, limit_indices=stops, strides=None)


def _reshape(x: Any, shape: tuple[int, ...]) -> Any:
    return x if aval_like(x).shape == shape else p.reshape(x, new_sizes=shape, dimensions=None)


def _check_forward_input(dtype: np.dtype, holomorphic: bool) -> None:
    if holomorphic:
        if dtype.kind != "c":
            raise TypeError(f"jacfwd with holomorphic=True requires inputs with complex dtype, but got {dtype.name}.")
    elif not issubdtype(dtype, np.floating):
        raise TypeError(
            "jacfwd requires real-valued inputs (input dtype that is a sub-dtype of np.floating), but got "
            f"{dtype.name}. For holomorphic differentiation, pass holomorphic=True. For differentiation of "
            "non-holomorphic functions involving complex inputs or integer inputs, use minijax.jvp directly."
        )


def _check_reverse_output(dtype: np.dtype, holomorphic: bool) -> None:
    if holomorphic:
        if dtype.kind != "c":
            raise TypeError(
                f"jacrev with holomorphic=True requires outputs with complex dtype, but got {dtype.name}."
            )
    elif not issubdtype(dtype, np.floating):
        raise TypeError(
            "jacrev requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but got "
            f"{dtype.name}. For differentiation of functions with complex or integer outputs, use minijax.vjp directly."
        )
