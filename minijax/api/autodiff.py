"""Derivatives: grad, value_and_grad, jvp, vjp, linearize, linear_transpose.

    grad = transpose . linearize . trace

Each function traces the user's function at the arguments it is called with, so that Python control flow takes
the path these arguments take, and hands the Jaxpr to the interpreters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

import numpy as np

from ..array import Array, finished
from ..config import config
from ..dtypes import float0, issubdtype
from ..interpreters._zeros import instantiate
from ..interpreters.eval import eval_jaxpr
from ..interpreters.gradient import value_and_cotangents
from ..interpreters.jvp import jvp_values
from ..interpreters.linearize import linearize_values
from ..interpreters.transpose import transpose_values
from ..ir import ClosedJaxpr, Literal, ShapedArray
from ..tree import leaf_names, tree_flatten, tree_unflatten
from ._calls import (
    LEAF,
    FlatFunction,
    Traced,
    argument_names,
    check_callable,
    flatten_values,
    function_name,
    no_scalar_output,
    parameter_names,
    positions,
    restore_aux,
    trace_flat,
    unflatten_each,
    whole_call,
)

__all__ = ["grad", "jvp", "linear_transpose", "linearize", "value_and_grad", "vjp"]


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
    strong_zeros: bool = False,
) -> Callable[..., Any]:
    """The gradient of a scalar-valued function, by reverse mode.

    Args:
        fun: returns a real scalar (shape ()), or (scalar, aux) with `has_aux`. Its arguments at `argnums` are
            trees of real or complex arrays.
        argnums: which positional arguments to differentiate; an int gives one gradient, a sequence a tuple.
        has_aux: `fun` returns a pair (output, auxiliary data that is not differentiated).
        holomorphic: `fun` is complex-analytic: inputs and output must be complex.
        allow_int: allow integer inputs; their gradients have dtype float0.
        reduce_axes: accepted for compatibility, must be empty.
        strong_zeros: where a cotangent is exactly zero, its product with any slope (inf and nan included) is zero: a
            branch that `where` did not select leaves no nan. `config.minijax_strong_zeros` sets it for all.

    Returns:
        A function with the arguments of `fun` that returns the gradient, a tree like the argument(s), or
        (gradient, aux).

    Raises:
        TypeError: the output is not a scalar, not real, or an input is not differentiable.

    Note:
        At kinks one subgradient is returned: 0 for `abs` at 0, equal shares for ties of `maximum`.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.grad(lambda x: x**3)(2.0)
        Array(12., dtype=float32, weak_type=True)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, reduce_axes, strong_zeros)

    @wraps(fun, updated=())
    def grad_f(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return grad_f


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
    strong_zeros: bool = False,
) -> Callable[..., Any]:
    """The value of a scalar-valued function and its gradient, in one pass.

    Args:
        fun, argnums, has_aux, holomorphic, allow_int, reduce_axes, strong_zeros: see `grad`.

    Returns:
        A function that returns (value, gradient), or ((value, aux), gradient) with `has_aux`.

    Raises:
        TypeError: see `grad`.

    Example:
        >>> import minijax as mj
        >>> value, gradient = mj.value_and_grad(lambda x: x ** 2)(3.0)
        >>> float(value), float(gradient)
        (9.0, 6.0)
    """
    check_callable(fun)
    if reduce_axes:
        raise NotImplementedError("reduce_axes is not supported: sum over the axis inside vmap with lax.psum")
    single = isinstance(argnums, int)

    def check_output(out_tree: Any, outs: Sequence[Any]) -> None:
        _check_scalar(out_tree, outs, fun)
        _check_output(outs[0].aval.dtype, "grad", holomorphic)

    @wraps(fun, updated=())
    def value_and_grad_f(*args: Any, **kwargs: Any) -> Any:
        dynamic = positions(argnums, len(args))
        values, structures = [], []
        for position in dynamic:
            leaves, structure = flatten_values(args[position])
            values += leaves
            structures.append(structure)
        for x in values:
            _check_input(x.aval.dtype, "grad", holomorphic, allow_int)
        traced = trace_flat(
            FlatFunction(fun, args, kwargs, dynamic, structures, has_aux),
            values,
            purpose="grad",
            names=lambda: argument_names_at(fun, args, dynamic, structures),
            check=check_output,
        )
        with _zeros_of(strong_zeros):
            outs, gradients = _value_and_cotangents(traced)
        grads = unflatten_each(structures, gradients)
        value = finished(outs[0])
        if has_aux:
            value = (value, restore_aux(traced, [finished(x) for x in outs[1:]]))
        return value, (grads[0] if single else tuple(grads))

    return value_and_grad_f


_AS_CONFIGURED = nullcontext()


def _zeros_of(strong: bool) -> AbstractContextManager[Any]:
    """The block in which cotangents are pulled back."""
    return config.override("minijax_strong_zeros", True) if strong else _AS_CONFIGURED


def argument_names_at(f: Any, args: Sequence[Any], dynamic: Sequence[int], structures: Sequence[Any]) -> list[str]:
    """Names of the leaves of the arguments at `dynamic`; cheap when they are bare arrays."""
    names = parameter_names(f, len(args))
    if all(structure.num_leaves == 1 and structure == LEAF for structure in structures):
        return [names[i] for i in dynamic]
    return leaf_names([args[i] for i in dynamic], {}, [names[i] for i in dynamic])


def _value_and_cotangents(traced: Traced) -> tuple[list[Any], list[Any]]:
    """Results of a traced call whose first result is a scalar, and its gradient with respect to all inputs."""
    if not (config.debugging or config.minijax_strong_zeros):
        found = value_and_cotangents(traced.program)
        if found is not None:
            outs, cts = found
            return outs, [_cotangent(ct, x.aval) for ct, x in zip(cts, traced.values, strict=True)]
    jaxpr = traced.closed.jaxpr
    in_avals = jaxpr.in_avals
    nonzero = [aval.is_differentiable for aval in in_avals]
    outs, linear, out_nonzero = linearize_values(jaxpr, traced.closed.consts, traced.values, nonzero, traced.known)
    seeds: list[Any] = [None] * sum(out_nonzero)
    if out_nonzero[0]:
        out_aval = jaxpr.outvars[0].aval
        seeds[0] = Literal(out_aval.dtype.type(1), out_aval)
    return outs, _pull(in_avals, linear, seeds)


def _cotangent(ct: Any, aval: ShapedArray) -> Any:
    """A NumPy cotangent as users get it."""
    return finished(instantiate(None, aval)) if ct is None else Array(ct, aval)


def _linearize(traced: Traced) -> tuple[list[Any], ClosedJaxpr, list[bool]]:
    jaxpr = traced.closed.jaxpr
    nonzero = [var.aval.is_differentiable for var in jaxpr.invars]
    return linearize_values(jaxpr, traced.closed.consts, traced.values, nonzero, traced.known)


def _pull(in_avals: Sequence[ShapedArray], linear: ClosedJaxpr, cotangents: Sequence[Any]) -> list[Any]:
    """Cotangents of all inputs, as arrays: zeros and float0 included."""
    found = iter(transpose_values(linear.jaxpr, linear.consts, (None,) * len(linear.in_avals), cotangents))
    out = []
    for aval in in_avals:
        ct = next(found) if aval.is_differentiable else None
        out.append(finished(instantiate(ct, aval)))
    return out


def _check_input(dtype: np.dtype, name: str, holomorphic: bool, allow_int: bool) -> None:
    if dtype.kind == "f" and not holomorphic:
        return
    if holomorphic:
        if dtype.kind != "c":
            raise TypeError(f"{name} with holomorphic=True requires inputs with complex dtype, but got {dtype.name}.")
    elif not issubdtype(dtype, np.inexact) and not allow_int:
        raise TypeError(
            f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of np.inexact), but got "
            f"{dtype.name}. If you want to use Boolean- or integer-valued inputs, use vjp or set allow_int to True. "
            "A Python int is an integer: write 3.0 instead of 3."
        )


def _check_output(dtype: np.dtype, name: str, holomorphic: bool) -> None:
    if dtype.kind == "f" and not holomorphic:
        return
    if holomorphic:
        if dtype.kind != "c":
            raise TypeError(
                f"{name} with holomorphic=True requires outputs with complex dtype, but got {dtype.name}."
            )
    elif dtype.kind == "c":
        raise TypeError(
            f"{name} requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but got {dtype.name}. "
            "For holomorphic differentiation, pass holomorphic=True. For differentiation of non-holomorphic functions "
            "involving complex outputs, use minijax.vjp directly."
        )
    elif not issubdtype(dtype, np.floating):
        raise TypeError(
            f"{name} requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but got {dtype.name}. "
            "For differentiation of functions with integer outputs, use minijax.vjp directly."
        )


def _check_scalar(out_tree: Any, outs: Sequence[Any], fun: Callable[..., Any]) -> None:
    if out_tree is not LEAF and out_tree != LEAF:
        shown = tree_unflatten(out_tree, outs)
        raise TypeError(f"Gradient only defined for scalar-output functions. Output was {shown!r}.")
    if outs[0].aval.shape != ():
        raise no_scalar_output(outs[0].aval.shape, function_name(fun))


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Forward mode: the value of a function and its derivative along a direction.

    Args:
        fun: any function of trees of arrays.
        primals: tuple or list of its arguments.
        tangents: the direction, a tuple or list like `primals` with equal shapes and dtypes (float0 for
            integers).
        has_aux: `fun` returns a pair (output, aux).

    Returns:
        (output, tangent of the output), and aux with `has_aux`.

    Raises:
        TypeError, ValueError: tangents do not match primals.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> value, tangent = mj.jvp(mnp.square, (3.0,), (1.0,))
        >>> float(value), float(tangent)
        (9.0, 6.0)
    """
    check_callable(fun)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            "primal and tangent arguments to minijax.jvp must be tuples or lists; "
            f"found {type(primals).__name__} and {type(tangents).__name__}."
        )
    values, structure = flatten_values(tuple(primals))
    directions, tangent_structure = _flatten_tangents(tuple(tangents))
    if structure != tangent_structure:
        raise TypeError(
            "primal and tangent arguments to minijax.jvp must have the same tree structure; primals have tree structure "
            f"{structure} whereas tangents have tree structure {tangent_structure}."
        )
    directions = [_checked_tangent(x.aval, t) for x, t in zip(values, directions, strict=True)]
    flat = FlatFunction(whole_call(fun), [None, {}], {}, (0,), (structure,), has_aux)
    traced = trace_flat(flat, values, purpose="jvp", names=lambda: argument_names(fun, primals, {}))
    closed = traced.closed
    outs, out_tangents = jvp_values(closed.jaxpr, closed.consts, values, directions)
    count = traced.out_tree.num_leaves
    avals = closed.out_avals
    filled = [finished(instantiate(t, aval)) for t, aval in zip(out_tangents[:count], avals[:count], strict=True)]
    results = [finished(x) for x in outs]
    out = tree_unflatten(traced.out_tree, results[:count])
    tangent = tree_unflatten(traced.out_tree, filled)
    return (out, tangent, restore_aux(traced, results[count:])) if has_aux else (out, tangent)


def _flatten_tangents(tree: Any) -> tuple[list[Any], Any]:
    leaves, structure = tree_flatten_raw(tree)
    return [t if _is_float0(t) else flatten_values(t)[0][0] for t in leaves], structure


def tree_flatten_raw(tree: Any) -> tuple[list[Any], Any]:
    """Leaves as they are (float0 arrays cannot become Arrays)."""
    return tree_flatten(tree)


def _is_float0(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == float0


def _checked_tangent(primal: ShapedArray, tangent: Any) -> Any:
    """The tangent, None for float0, checked against its primal."""
    wanted = primal.tangent()
    dtype = tangent.dtype if _is_float0(tangent) else tangent.aval.dtype
    if dtype != wanted.dtype:
        raise TypeError(
            "primal and tangent arguments to minijax.jvp do not match; dtypes must be equal, or in case of int/bool primal "
            f"dtype the tangent dtype must be float0. Got primal dtype {primal.dtype} and so expected tangent dtype "
            f"{_dtype_name(wanted.dtype)}, but got tangent dtype {_dtype_name(dtype)} instead."
        )
    if tangent.shape != primal.shape:
        raise ValueError(
            "jvp called with different primal and tangent shapes;"
            f"Got primal shape {primal.shape} and tangent shape as {tangent.shape}"
        )
    return None if _is_float0(tangent) else tangent


def _dtype_name(dtype: np.dtype) -> str:
    return "float0" if dtype == float0 else dtype.name


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of a function, and its derivative there as a linear function that can be called many times.

    Args:
        fun: any function of trees of arrays.
        *primals: its arguments.
        has_aux: `fun` returns a pair (output, aux).

    Returns:
        (output, f_jvp), and aux with `has_aux`. `f_jvp(*tangents)` gives the tangent of the output without
        running `fun` again.

    Raises:
        ValueError: `f_jvp` is called with tangents that do not match the primals.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> value, f_jvp = mj.linearize(mnp.square, 3.0)
        >>> float(f_jvp(1.0)), float(f_jvp(2.0))
        (6.0, 12.0)
    """
    check_callable(fun)
    values, structure = flatten_values(primals)
    flat = FlatFunction(whole_call(fun), [None, {}], {}, (0,), (structure,), has_aux)
    traced = trace_flat(flat, values, purpose="linearize", names=lambda: argument_names(fun, primals, {}))
    outs, linear, nonzero = _linearize(traced)
    count = traced.out_tree.num_leaves
    in_avals, out_avals = traced.closed.in_avals, traced.closed.out_avals
    results = [finished(x) for x in outs]

    def f_jvp(*tangents: Any) -> Any:
        directions, given = _flatten_tangents(tangents)
        if given != structure:
            raise TypeError(f"linearized function called with tangents of structure {given}, expected {structure}")
        for aval, t in zip(in_avals, directions, strict=True):
            _check_linearized(aval, t)
        inputs = [t for aval, t in zip(in_avals, directions, strict=True) if aval.is_differentiable]
        found = iter(eval_jaxpr(linear.jaxpr, linear.consts, *inputs))
        out = [next(found) if flag else None for flag in nonzero]
        filled = [instantiate(t, aval) for t, aval in zip(out[:count], out_avals[:count], strict=True)]
        return tree_unflatten(traced.out_tree, [finished(t) for t in filled])

    out = tree_unflatten(traced.out_tree, results[:count])
    return (out, f_jvp, restore_aux(traced, results[count:])) if has_aux else (out, f_jvp)


def _check_linearized(primal: ShapedArray, tangent: Any) -> None:
    wanted = primal.tangent()
    if tangent.shape != wanted.shape or tangent.dtype != wanted.dtype:
        got = "float0" if _is_float0(tangent) else tangent.aval.str_short()
        raise ValueError(
            "linearized function called on tangent values inconsistent with the original primal values: "
            f"Got tangent aval {got} for primal aval {primal.str_short()} but expected {wanted.str_short()}."
        )


def vjp(
    fun: Callable[..., Any],
    *primals: Any,
    has_aux: bool = False,
    reduce_axes: Sequence[Any] = (),
    strong_zeros: bool = False,
) -> tuple[Any, ...]:
    """Reverse mode: the value of a function, and a function that pulls cotangents back.

    Args:
        fun: any function of trees of arrays.
        *primals: its arguments.
        has_aux: `fun` returns a pair (output, aux).
        reduce_axes: accepted for compatibility, must be empty.
        strong_zeros: see `grad`.

    Returns:
        (output, vjp_fun), and aux with `has_aux`. `vjp_fun(ct)` takes one cotangent, a tree like the output,
        and returns a tuple with the cotangent of each argument.

    Raises:
        TypeError, ValueError: `vjp_fun` is called with a cotangent that does not match the output.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> value, vjp_fun = mj.vjp(mnp.sin, 0.0)
        >>> float(vjp_fun(2.0)[0])
        2.0
    """
    check_callable(fun)
    if reduce_axes:
        raise NotImplementedError("reduce_axes is not supported: sum over the axis inside vmap with lax.psum")
    values, structure = flatten_values(primals)
    flat = FlatFunction(whole_call(fun), [None, {}], {}, (0,), (structure,), has_aux)
    traced = trace_flat(flat, values, purpose="vjp", names=lambda: argument_names(fun, primals, {}))
    outs, linear, nonzero = _linearize(traced)
    count = traced.out_tree.num_leaves
    in_avals, out_avals = traced.closed.in_avals, traced.closed.out_avals[:count]
    results = [finished(x) for x in outs]
    name = function_name(fun)

    def vjp_fun(*cotangents: Any) -> tuple[Any, ...]:
        if len(cotangents) != 1:
            raise TypeError(
                f"The function returned by `minijax.vjp` applied to {name} was called with {len(cotangents)} arguments, but "
                "functions returned by `minijax.vjp` must be called with a single argument corresponding to the single "
                "value returned by the function being differentiated (even if that returned value is a tuple or other "
                "container). For an output (x, y) call vjp_fun((x_bar, y_bar)), not vjp_fun(x_bar, y_bar)."
            )
        cts = _checked_cotangents(cotangents[0], traced.out_tree, out_avals, name)
        cts += [None] * (len(nonzero) - count)
        seeds = [ct for ct, flag in zip(cts, nonzero, strict=True) if flag]
        with _zeros_of(strong_zeros):
            return tree_unflatten(structure, _pull(in_avals, linear, seeds))

    out = tree_unflatten(traced.out_tree, results[:count])
    return (out, vjp_fun, restore_aux(traced, results[count:])) if has_aux else (out, vjp_fun)


def _checked_cotangents(ct: Any, out_tree: Any, out_avals: Sequence[ShapedArray], name: str) -> list[Any]:
    cts, structure = _flatten_tangents(ct)
    if structure != out_tree:
        raise ValueError(
            "unexpected tree structure. The argument to a VJP function returned by `minijax.vjp` must match the pytree "
            f"structure of the differentiated function {name}. But the tree structures differ: "
            f"the output is {out_tree}, the argument is {structure}."
        )
    for aval, c in zip(out_avals, cts, strict=True):
        wanted = aval.tangent()
        if c.shape != wanted.shape or c.dtype != wanted.dtype:
            got = f"float0[{','.join(map(str, c.shape))}]" if _is_float0(c) else c.aval.str_short()
            raise ValueError(
                "unexpected JAX type (e.g. shape/dtype) for argument to VJP function: got "
                f"{_long_name(c, got)}, but expected {_dtype_name(wanted.dtype)}[{','.join(map(str, wanted.shape))}] because the "
                f"corresponding output of the differentiated function had JAX type {aval.dtype}"
                f"[{','.join(map(str, aval.shape))}]"
            )
    return [None if _is_float0(c) else c for c in cts]


def _long_name(x: Any, short: str) -> str:
    return short if _is_float0(x) else f"{x.dtype}[{','.join(map(str, x.shape))}]"


def linear_transpose(fun: Callable[..., Any], *primals: Any, reduce_axes: Sequence[Any] = ()) -> Callable[..., Any]:
    """The transpose of a linear function.

    Args:
        fun: linear in all its arguments.
        *primals: arguments, or `ShapeDtypeStruct`s: only their types are used.
        reduce_axes: accepted for compatibility, must be empty.

    Returns:
        A function that maps a cotangent of the output to a tuple of cotangents of the arguments.

    Raises:
        MissingRuleError: `fun` is not linear (it uses an operation that has no transpose).

    Example:
        >>> import minijax as mj
        >>> f_transposed = mj.linear_transpose(lambda x: 3.0 * x, 1.0)
        >>> float(f_transposed(2.0)[0])
        6.0
    """
    check_callable(fun)
    if reduce_axes:
        raise NotImplementedError("reduce_axes is not supported")
    leaves, structure = tree_flatten_raw(primals)
    avals = [_abstract_leaf(x) for x in leaves]
    flat = FlatFunction(whole_call(fun), [None, {}], {}, (0,), (structure,))
    traced = trace_flat(flat, [None] * len(avals), avals=avals, purpose="linear_transpose")
    closed = traced.closed
    name = function_name(fun)

    def transposed(ct: Any) -> tuple[Any, ...]:
        cts = _checked_cotangents(ct, traced.out_tree, closed.out_avals, name)
        found = transpose_values(closed.jaxpr, closed.consts, (None,) * len(avals), cts)
        filled = [finished(instantiate(c, aval)) for c, aval in zip(found, avals, strict=True)]
        return tree_unflatten(structure, filled)

    return transposed


def _abstract_leaf(x: Any) -> ShapedArray:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return ShapedArray(tuple(x.shape), np.dtype(x.dtype), getattr(x, "weak_type", False))
    return flatten_values(x)[0][0].aval
