"""`minijax.test_util`: check derivatives against finite differences.

In: a function and a point. Out: nothing, or an AssertionError that shows both numbers. Forward mode is compared with a
central difference along a random direction, reverse mode with forward mode's difference through the dot-product test
<J v, u> = <v, J^T u>; higher orders check the derivative functions themselves.
(Griewank & Walther 2008, section 3.3 for the dot-product identity.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .api.autodiff import jvp, vjp
from .array import as_value, wrap
from .dtypes import float0, issubdtype
from .tree import tree_leaves, tree_map

__all__ = ["check_grads", "check_jvp", "check_vjp", "numerical_jvp"]

_TOLERANCE = {
    "float16": 1e-1,
    "bfloat16": 1e-1,
    "float32": 2e-2,
    "complex64": 2e-2,
    "float64": 1e-5,
    "complex128": 1e-5,
}
_STEP = {"float32": 1e-2, "complex64": 1e-2, "float64": 1e-5, "complex128": 1e-5}


def numerical_jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], eps: float) -> Any:
    """The central difference (f(x + eps v) - f(x - eps v)) / (2 eps), as a tree of NumPy arrays.

    Args:
        f: function of trees of arrays.
        primals, tangents: tuples of trees; float0 tangents stand still.
        eps: step.
    """
    above = f(*[tree_map(partial(_moved, eps), x, t) for x, t in zip(primals, tangents, strict=True)])
    below = f(*[tree_map(partial(_moved, -eps), x, t) for x, t in zip(primals, tangents, strict=True)])
    return tree_map(lambda a, b: (_wide(a) - _wide(b)) / (2 * eps), above, below)


def _moved(step: float, x: Any, t: Any) -> Any:
    if getattr(t, "dtype", None) == float0:
        return x
    x = np.asarray(as_value(x))
    return wrap((_wide(x) + step * _wide(t)).astype(x.dtype))


def _wide(x: Any) -> np.ndarray:
    x = np.asarray(as_value(x))
    return x.astype(complex if x.dtype.kind == "c" else float)


def _random_like(rng: np.random.Generator, tree: Any) -> Any:
    """A random tangent (or cotangent) of `tree`."""
    return tree_map(partial(_direction, rng), tree)


def _direction(rng: np.random.Generator, x: Any) -> Any:
    """A random tangent for `x`."""
    value = np.asarray(as_value(x))
    if not issubdtype(value.dtype, np.inexact):
        return np.zeros(value.shape, float0)
    direction = rng.standard_normal(value.shape)
    if value.dtype.kind == "c":
        direction = direction + 1j * rng.standard_normal(value.shape)
    return wrap(np.asarray(direction).astype(value.dtype), bool(getattr(as_value(x), "weak_type", False)))


def _dtype_of(tree: Any) -> str:
    """The least precise inexact dtype in a tree."""
    names = [str(np.asarray(as_value(x)).dtype) for x in tree_leaves(tree)]
    found = [name for name in _TOLERANCE if name in names]
    return found[0] if found else "float32"


def _close(got: Any, wanted: Any, atol: float, rtol: float, message: str) -> None:
    for a, b in zip(tree_leaves(got), tree_leaves(wanted), strict=True):
        if getattr(a, "dtype", None) != float0:
            np.testing.assert_allclose(_wide(a), b, atol=atol, rtol=rtol, err_msg=message)


def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Compare `f_jvp(primals, tangents)` with finite differences of `f` along a random direction.

    Raises:
        AssertionError: they differ.
    """
    dtype = _dtype_of(args)
    rng = np.random.default_rng(0)
    tangents = [_random_like(rng, x) for x in args]
    value, tangent = f_jvp(tuple(args), tuple(tangents))
    atol, rtol = _tolerances(dtype, atol, rtol)
    _close(value, tree_map(_wide, f(*args)), atol, rtol, f"{err_msg}: value of jvp")
    numerical = numerical_jvp(f, args, tangents, eps or _STEP.get(dtype, 1e-2))
    _close(tangent, numerical, atol, rtol, f"{err_msg}: forward mode against finite differences")


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Compare `f_vjp(*args)` with finite differences of `f` by the dot-product test.

    Raises:
        AssertionError: they differ.
    """
    dtype = _dtype_of(args)
    rng = np.random.default_rng(1)
    value, pull = f_vjp(*args)
    tangents = [_random_like(rng, x) for x in args]
    cotangent = _random_like(rng, value)
    numerical = numerical_jvp(f, args, tangents, eps or _STEP.get(dtype, 1e-2))
    forward = _inner(numerical, cotangent)
    backward = _inner(tangents, list(pull(cotangent)))
    atol, rtol = _tolerances(dtype, atol, rtol)
    np.testing.assert_allclose(
        backward, forward, atol=atol, rtol=rtol, err_msg=f"{err_msg}: reverse mode against finite differences"
    )


def _inner(a: Any, b: Any) -> float:
    """The real bilinear product that transposition refers to."""
    total = 0.0
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        if getattr(x, "dtype", None) != float0 and getattr(y, "dtype", None) != float0:
            total = total + np.sum(_wide(x) * _wide(y))
    return float(np.real(total))


def _tolerances(dtype: str, atol: float | None, rtol: float | None) -> tuple[float, float]:
    default = _TOLERANCE[dtype]
    return default if atol is None else atol, default if rtol is None else rtol


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of `f` up to `order`, in forward and reverse mode and their mixtures.

    Args:
        f: function of trees of arrays.
        args: the point, a tuple of arguments.
        order: highest derivative.
        modes: "fwd", "rev" or both.
        atol, rtol, eps: tolerances and step (defaults by dtype).

    Raises:
        AssertionError: a derivative differs from finite differences.

    Example:
        >>> import minijax.numpy as mnp
        >>> check_grads(mnp.sin, (0.5,), order=2)
    """
    _check(f, tuple(args), order, tuple(modes), atol, rtol, eps, "f")


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    atol: Any,
    rtol: Any,
    eps: Any,
    name: str,
) -> None:
    if "fwd" in modes:
        check_jvp(f, partial(jvp, f), args, atol, rtol, eps, name)
        if order > 1:

            def forward(*xs: Any) -> Any:
                rng = np.random.default_rng(2)
                directions = tuple(_random_like(rng, x) for x in args)
                return jvp(f, xs, directions)[1]

            _check(forward, args, order - 1, modes, atol, rtol, eps, f"fwd of {name}")
    if "rev" in modes:
        check_vjp(f, partial(vjp, f), args, atol, rtol, eps, name)
        if order > 1:

            def reverse(*xs: Any) -> Any:
                rng = np.random.default_rng(3)
                value, pull = vjp(f, *xs)
                cotangent = tree_map(lambda x: _direction(rng, np.zeros(x.shape, x.dtype)), value)
                return pull(cotangent)

            _check(reverse, args, order - 1, modes, atol, rtol, eps, f"rev of {name}")
