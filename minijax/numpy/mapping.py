"""Functions of one element, row or slice made functions of arrays: vectorize, piecewise, apply_along_axis, apply_over_axes.

In: a Python function and arrays. Out: the function's results for all elements. It is traced once for one example, and
that program is run over the batch (`interpreters.batch`), which differentiates like everything else.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..config import config
from ..interpreters.batch import batch_values, materialize
from ..ir import trace_function
from ..primitives import p
from ..tree import tree_flatten, tree_unflatten
from ._promotion import as_array, canonical_axis
from .creation import asarray, full_like
from .joining import stack
from .manipulation import broadcast_shapes, broadcast_to, expand_dims, moveaxis, reshape, squeeze
from .searching import where

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise", "vectorize"]

CoreAxes = tuple[str, ...]
_AXES = r"\((?:\w+(?:,\w+)*)?\)"
_SIGNATURE = rf"({_AXES}(?:,{_AXES})*)->({_AXES}(?:,{_AXES})*)"


def over_leading_axis(function: Callable[..., Any], mapped: Sequence[bool]) -> Callable[..., Any]:
    """`function` over the first axis of the arguments flagged by `mapped`; the others are the same for every example."""

    def over(*args: Any) -> Any:
        size = next(x.aval.shape[0] for x, flag in zip(args, mapped, strict=True) if flag)
        avals = [
            x.aval.update(shape=x.aval.shape[1:]) if flag else x.aval for x, flag in zip(args, mapped, strict=True)
        ]
        structure: Any = None

        def example(*xs: Any) -> list[Any]:
            nonlocal structure
            leaves, structure = tree_flatten(function(*xs))
            return [as_array("vectorize", x) for x in leaves]

        known = [None if flag else x for x, flag in zip(args, mapped, strict=True)]
        name = getattr(function, "__name__", "")
        closed = trace_function(example, avals, known, purpose="vmap", name=name, staging=False)
        axes = [0 if flag else None for flag in mapped]
        outs, found = batch_values(closed.jaxpr, closed.consts, args, axes, size)
        outs = [materialize(x, axis, size, 0) for x, axis in zip(outs, found, strict=True)]
        return tree_unflatten(structure, outs)

    return over


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Collection[int | str] = frozenset(), signature: str | None = None
) -> Callable[..., Any]:
    """A function of scalars (or of arrays with the axes in `signature`) as a function of arrays that broadcast.

    Args:
        pyfunc: written with operations on arrays, as for `vmap`; called once for each axis that is mapped.
        excluded: positions and keywords of arguments that are handed to `pyfunc` as they are.
        signature: NumPy's notation for the axes that `pyfunc` works on, such as `"(m,n),(n)->(m)"`; without it, `pyfunc`
            takes scalars and may return arrays of any shape.

    Returns:
        The function of arrays. Keywords that are not excluded are mapped too.

    Raises:
        TypeError, ValueError: `excluded` or `signature` is malformed, or the arguments or results do not fit `signature`.

    Example:
        >>> import minijax.numpy as mnp
        >>> product = mnp.vectorize(lambda matrix, vector: matrix @ vector, signature="(m,n),(n)->(m)")
        >>> product(mnp.ones((5, 2, 3)), mnp.ones(3)).shape
        (5, 2)
    """
    if any(not isinstance(entry, (str, int)) for entry in excluded):
        raise TypeError(f"vectorize can only exclude integer or string arguments, but excluded={excluded!r}")
    if any(isinstance(entry, int) and entry < 0 for entry in excluded):
        raise ValueError(f"excluded={excluded!r} contains negative numbers")
    core_in, core_out = (None, None) if signature is None else _parse(signature)
    context = f"on vectorized function with excluded={excluded!r} and signature={signature!r}"

    @wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        call, given = _without_excluded(pyfunc, excluded, args, kwargs)
        cores = [()] * len(given) if core_in is None else [*core_in, *[()] * len(kwargs.keys() - set(excluded))]
        if len(given) != len(cores):
            raise TypeError(
                f"wrong number of positional arguments: expected {len(cores)}, got {len(given)} {context}"
            )
        for place in [i for i, x in enumerate(given) if x is None]:
            if cores[place]:
                raise ValueError(f"Cannot pass None at locations {{{place}}} with {signature=}")
        call, present = _without_none(call, given)
        cores = [core for core, x in zip(cores, given, strict=True) if x is not None]
        arrays = [asarray(x) for x in present]
        sizes: dict[str, int] = {}
        for x, core in zip(arrays, cores, strict=True):
            if x.ndim < len(core):
                raise ValueError(
                    f"input with shape {x.shape} does not have enough dimensions for all core dimensions {core} {context}"
                )
            _match(sizes, x.shape[x.ndim - len(core) :], core, context)
        loops = [x.shape[: x.ndim - len(core)] for x, core in zip(arrays, cores, strict=True)]
        _check_ranks(loops, arrays, signature)
        return _mapped(call if core_out is None else _checked(call, sizes, core_out, context), arrays, loops)

    return vectorized


def _parse(signature: str) -> tuple[list[CoreAxes], list[CoreAxes]]:
    found = re.fullmatch(_SIGNATURE, signature.replace(" ", ""))
    if found is None:
        raise ValueError(f"not a valid gufunc signature: {signature}")
    inputs, outputs = (
        [tuple(re.findall(r"\w+", axes)) for axes in re.findall(_AXES, side)] for side in found.groups()
    )
    return inputs, outputs


def _without_excluded(
    function: Callable[..., Any], excluded: Collection[int | str], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], list[Any]]:
    """The function of the arguments that are mapped, positional ones first, and these arguments."""
    positions = [i for i in range(len(args)) if i not in excluded]
    keywords = [name for name in kwargs if name not in excluded]

    def call(*mapped: Any) -> Any:
        every = list(args)
        for i, x in zip(positions, mapped):
            every[i] = x
        return function(*every, **{**kwargs, **dict(zip(keywords, mapped[len(positions) :], strict=True))})

    call.__name__ = getattr(function, "__name__", "function")
    return call, [*(args[i] for i in positions), *(kwargs[name] for name in keywords)]


def _without_none(function: Callable[..., Any], args: Sequence[Any]) -> tuple[Callable[..., Any], list[Any]]:
    present = [x for x in args if x is not None]
    if len(present) == len(args):
        return function, present

    def call(*mapped: Any) -> Any:
        rest = iter(mapped)
        return function(*[None if x is None else next(rest) for x in args])

    return call, present


def _match(sizes: dict[str, int], shape: tuple[int, ...], core: CoreAxes, context: str) -> None:
    for name, size in zip(core, shape, strict=True):
        if sizes.setdefault(name, size) != size:
            raise ValueError(f"inconsistent size for core dimension {name!r}: {size} vs {sizes[name]} {context}")


def _checked(
    function: Callable[..., Any], sizes: dict[str, int], core_out: list[CoreAxes], context: str
) -> Callable[..., Any]:
    """`function`, its results held against the signature."""

    def call(*args: Any) -> Any:
        out = function(*args)
        outs = out if isinstance(out, tuple) else (out,)
        if len(core_out) > 1 and not isinstance(out, tuple):
            raise TypeError(f"output must be a tuple when multiple outputs are expected, got: {out!r}\n{context}")
        if len(outs) != len(core_out):
            raise TypeError(f"wrong number of output arguments: expected {len(core_out)}, got {len(outs)} {context}")
        known = dict(sizes)
        for x, core in zip(outs, core_out, strict=True):
            if len(np.shape(x)) != len(core):
                raise ValueError(f"output shape {np.shape(x)} does not match core dimensions {core} {context}")
            _match(known, np.shape(x), core, context)
        return out

    return call


def _check_ranks(loops: Sequence[tuple[int, ...]], arrays: Sequence[Any], signature: str | None) -> None:
    ranks = {len(loop) for loop, x in zip(loops, arrays, strict=True) if x.ndim}
    if config.jax_numpy_rank_promotion == "allow" or len(ranks) < 2:
        return
    message = (
        f"operands with shapes {[x.shape for x in arrays]} require rank promotion for a vectorized function with signature "
        f"{signature}; set jax_numpy_rank_promotion to 'allow' to permit it"
    )
    if config.jax_numpy_rank_promotion == "raise":
        raise ValueError(message)
    warnings.warn(message, stacklevel=3)


def _mapped(function: Callable[..., Any], arrays: Sequence[Any], loops: Sequence[tuple[int, ...]]) -> Any:
    """Map `function` over the axes in front, which broadcast: one map for each axis that is not of size 1, last axis inside."""
    shape = broadcast_shapes(*loops)
    padded = [(1,) * (len(shape) - len(loop)) + loop for loop in loops]
    kept = [squeeze(x, tuple(i for i, n in enumerate(loop) if n == 1)) for x, loop in zip(arrays, loops, strict=True)]
    single = []
    for axis in reversed(range(len(shape))):
        mapped = [loop[axis] != 1 for loop in padded]
        if any(mapped):
            function = over_leading_axis(function, mapped)
        else:
            single.append(axis)
    out = function(*kept)
    if not single:
        return out
    leaves, structure = tree_flatten(out)
    return tree_unflatten(structure, [expand_dims(x, tuple(single)) for x in leaves])


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`func1d(vector, *args, **kwargs)` for every vector along `axis`.

    Args:
        func1d: from a vector to an array (or a tree of arrays); written with operations on arrays, as for `vmap`.
        axis: of `arr`, replaced by the axes of the result.
        arr: array (..., n, ...).

    Example:
        >>> import minijax.numpy as mnp
        >>> mnp.apply_along_axis(lambda v: v - v.mean(), 1, mnp.array([[1.0, 3.0], [2.0, 8.0]]))
        Array([[-1.,  1.],
               [-3.,  3.]], dtype=float32)
    """
    arr = as_array("apply_along_axis", arr)
    axis = canonical_axis(axis, arr.aval.ndim)
    vectors = moveaxis(arr, axis, -1)
    loop = vectors.aval.shape[:-1]
    call = lambda vector: func1d(vector, *args, **kwargs)
    call.__name__ = getattr(func1d, "__name__", "func1d")
    if not loop:
        return call(vectors)
    flat = reshape(vectors, (int(np.prod(loop)), vectors.aval.shape[-1]))
    leaves, structure = tree_flatten(over_leading_axis(call, [True])(flat))
    behind = range(axis, len(loop))  # axes of the loop that follow the results
    outs = [reshape(x, loop + x.aval.shape[1:]) for x in leaves]
    return tree_unflatten(structure, [moveaxis(x, tuple(behind), tuple(i - len(loop) for i in behind)) for x in outs])


def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Any:
    """`func(a, axis)` for one axis after the other; reduced axes are put back with size 1."""
    a = as_array("apply_over_axes", a)
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        ndim = a.aval.ndim
        axis = canonical_axis(axis, ndim)
        out = func(a, axis)
        if out.ndim == ndim - 1:
            out = expand_dims(out, axis)
        if out.ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
        a = out
    return a


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """A function defined by cases, elementwise.

    Args:
        x: array.
        condlist: conditions, each a boolean array that broadcasts against `x`; where several hold, the last one counts.
        funclist: for each condition a constant, or a function of one element (called with `*args`, `**kw`); one more is
            for where none holds (default 0).

    Returns:
        Array with the dtype of `x`.

    Note:
        A case has no part in the derivative where it does not apply, also if its own derivative is inf or nan there.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> f = lambda x: mnp.piecewise(x, [x > 0], [mnp.log, 0.0])
        >>> mj.grad(lambda x: f(x).sum())(mnp.array([0.0, 2.0]))
        Array([0. , 0.5], dtype=float32)
    """
    x = as_array("piecewise", x)
    count = len(condlist)
    if len(funclist) not in (count, count + 1):
        raise ValueError(
            f"with {count} condition(s), either {count} or {count + 1} functions are expected; got {len(funclist)}"
        )
    shape = x.aval.shape
    conditions = [broadcast_to(asarray(condition, bool), shape) for condition in condlist]
    out = _case(funclist[count] if len(funclist) > count else 0, x, ~_any(conditions, shape), args, kw)
    for k, (condition, case) in enumerate(zip(conditions, funclist)):
        applies = condition & ~_any(conditions[k + 1 :], shape)
        out = where(applies, _case(case, x, applies, args, kw), out)
    return out


def _any(conditions: Sequence[Any], shape: tuple[int, ...]) -> Any:
    return stack(conditions).any(0) if conditions else broadcast_to(asarray(False), shape)


def _case(case: Any, x: Any, applies: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    if not callable(case):
        return full_like(x, case)
    if x.aval.dtype.kind in "fc":  # where another case applies, this one sees a constant: no nan leaves it
        x = where(applies, x, p.stop_gradient(x))
    return vectorize(lambda element: asarray(case(element, *args, **kw)).astype(x.aval.dtype))(x)
