"""odeint: solve an ordinary differential equation, and differentiate the solution.

In: y' = func(y, t, *args), a start, times. Out: y at these times. The method of Dormand & Prince (1980) with its five-stage
fourth-order error estimate; between steps a polynomial of degree four through both ends, their slopes and the
middle (Shampine 1986); the step size by Hairer, Norsett & Wanner (1993), II.4.

The derivative is the adjoint equation (Pontryagin 1962), solved backwards in time by the same method: memory does not grow
with the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import lax, numpy as mnp
from ..api.autodiff import vjp
from ..api.custom_vjp import custom_vjp
from ..api.stage import closure_convert
from ..array import Array
from ..errors import teach
from ..flatten_util import ravel_pytree
from ..tree import tree_flatten, tree_map, tree_unflatten

__all__ = ["odeint"]

_NODES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (
    35 / 384 - 1951 / 21600,
    0.0,
    500 / 1113 - 22642 / 50085,
    125 / 192 - 451 / 720,
    -2187 / 6784 + 12231 / 42400,
    11 / 84 - 649 / 6300,
    -1 / 60,
)
_MIDDLE = (
    6025192743 / 30085553152 / 2,
    0.0,
    51252292925 / 65400821598 / 2,
    -2691868925 / 45128329728 / 2,
    187940372067 / 1594534317056 / 2,
    -1776094331 / 19743644256 / 2,
    11237099 / 235043384 / 2,
)


class _Settings(NamedTuple):
    rtol: float
    atol: float
    mxstep: float
    hmax: float


def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: float = np.inf,
    hmax: float = np.inf,
) -> Any:
    """Solve y' = func(y, t, *args) from y(t[0]) = y0.

    Args:
        func: gives the derivative of y, a tree like y; t is a scalar.
        y0: tree of arrays: the start.
        t: (n,) increasing times, the first that of the start.
        *args: trees of arrays that `func` gets.
        rtol, atol: how large the estimated error of a step may be, relative to y and absolute.
        mxstep: how many steps may be taken between two times.
        hmax: the longest step.

    Returns:
        Tree like `y0` with a leading axis of size n: y at the times; nan where `mxstep` steps did not suffice, or y grows
        beyond all bounds before (JAX extrapolates).

    Raises:
        ValueError: the times are known and do not increase.
        TypeError: `func` returns another tree, or other shapes, than y0.

    Note:
        Reverse mode, of every order, solves the adjoint equation; derivatives with respect to y0, t, args and what `func`
        closes over. Forward mode is not defined: `jacrev` instead of `jacfwd`. With 32-bit numbers, tolerances below
        1e-6 only cost time.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.experimental.ode import odeint
        >>> y = odeint(lambda y, t: -y, 1.0, mnp.array([0.0, 1.0]), rtol=1e-6, atol=1e-6)
        >>> round(float(y[1]), 4)
        0.3679
    """
    times = mnp.asarray(t)
    times = times if mnp.issubdtype(times.dtype, mnp.floating) else times * 1.0
    _check_times(times)
    start, unravel = ravel_pytree(tree_map(lambda x: x + 0.0 * mnp.asarray(x), y0))
    leaves, structure = tree_flatten(args)
    moving = [mnp.issubdtype(mnp.result_type(x), mnp.inexact) for x in leaves]

    def flat(y: Any, t: Any, *values: Any) -> Any:
        given = iter(values)
        full = [next(given) if flag else x for x, flag in zip(leaves, moving, strict=True)]
        slope = func(unravel(y), t, *tree_unflatten(structure, full))
        _check_slope(slope, y0)
        return ravel_pytree(slope)[0].astype(y.dtype)

    values = [mnp.asarray(x) for x, flag in zip(leaves, moving, strict=True) if flag]
    converted, captured = closure_convert(flat, start, times[0], *values)
    settings = _Settings(rtol, atol, mxstep, hmax)
    ys = _solution(converted, settings, start, times, *values, *captured)
    return _unravel_rows(unravel, ys)


def _check_times(times: Any) -> None:
    if times.ndim != 1:
        raise ValueError(f"odeint: t must be a vector of times, got shape {times.shape}")
    if type(times) is Array and np.any(np.diff(np.asarray(times)) < 0):
        raise ValueError(
            teach(
                "odeint: the times must increase",
                why="the solver walks from t[0] to t[-1]",
                do="to go back in time, solve for s = -t: odeint(lambda y, s: -func(y, -s), y0, -t)",
            )
        )


def _check_slope(slope: Any, y0: Any) -> None:
    (found, is_), (wanted, should) = tree_flatten(slope), tree_flatten(y0)
    if is_ != should:
        raise TypeError(f"odeint: func returns a tree {is_}, y0 is a tree {should}")
    for a, b in zip(found, wanted, strict=True):
        if mnp.shape(a) != mnp.shape(b):
            raise TypeError(
                f"odeint: func returns a derivative of shape {mnp.shape(a)} for a part of y0 of shape {mnp.shape(b)}"
            )


def _unravel_rows(unravel: Callable[[Any], Any], ys: Any) -> Any:
    return lax.map(unravel, ys)


@partial(custom_vjp, nondiff_argnums=(0, 1))
def _solution(func: Callable[..., Any], settings: _Settings, y0: Any, t: Any, *args: Any) -> Any:
    """(n, size): y at the times."""
    slope = lambda y, t: func(y, t, *args)
    first = slope(y0, t[0])
    step = mnp.clip(_first_step(slope, t[0], y0, first, settings), 0.0, settings.hmax)
    state = _State(y0, first, t[0], step, t[0], mnp.broadcast_to(y0, (5, *y0.shape)))

    def reach(state: _State, target: Any) -> tuple[_State, Any]:
        def unfinished(count_and_state: tuple[Any, _State]) -> Any:
            count, now = count_and_state
            return (now.t < target) & (count < settings.mxstep) & (now.step > 0)

        def advance(count_and_state: tuple[Any, _State]) -> tuple[Any, _State]:
            count, now = count_and_state
            return count + 1, _try_step(slope, now, settings)

        _, now = lax.while_loop(unfinished, advance, (0, state))
        width = now.t - now.last_t
        place = (target - now.last_t) / mnp.where(width == 0, 1.0, width)
        y = mnp.where(width == 0, now.y, mnp.polyval(now.polynomial, place.astype(y0.dtype)))
        return now, mnp.where(now.t < target, mnp.nan, y)  # out of steps, or they became too small: not reached

    _, ys = lax.scan(reach, state, t[1:])
    return mnp.concatenate([y0[None], ys])


class _State(NamedTuple):
    """The last accepted step: from `last_t` to `t`, y as a polynomial of (t - last_t) / (t' - last_t), highest power first."""

    y: Any
    slope: Any
    t: Any
    step: Any
    last_t: Any
    polynomial: Any


def _try_step(slope: Callable[..., Any], now: _State, settings: _Settings) -> _State:
    """One step, accepted if its error is small enough; the next step size either way."""
    y, end_slope, error, slopes = _runge_kutta(slope, now)
    ratio = _error_ratio(error, now.y, y, settings)
    step = mnp.clip(_next_step(now.step, ratio), 0.0, settings.hmax)
    polynomial = _polynomial(now, y, end_slope, slopes)
    accepted = _State(y, end_slope, now.t + now.step, step, now.t, polynomial)
    refused = now._replace(step=step)
    return tree_map(lambda a, b: mnp.where(ratio <= 1.0, a, b), accepted, refused)


def _weighted(weights: Sequence[float], slopes: Sequence[Any]) -> Any:
    return sum(w * k for w, k in zip(weights, slopes, strict=True) if w)


def _runge_kutta(slope: Callable[..., Any], now: _State) -> tuple[Any, Any, Any, list[Any]]:
    """(y at the end of the step, its slope, the estimated error, all slopes)."""
    slopes = [now.slope]
    y = now.y
    for node, weights in zip(_NODES, _STAGES, strict=True):
        y = now.y + (now.step * _weighted(weights, slopes)).astype(now.y.dtype)
        slopes.append(slope(y, now.t + now.step * node))
    return y, slopes[-1], now.step * _weighted(_ERROR, slopes), slopes  # the last stage is the result itself


def _polynomial(now: _State, y1: Any, slope1: Any, slopes: Sequence[Any]) -> Any:
    """Coefficients (5, size) of the quartic through both ends, their slopes and the middle."""
    y0, d0, d1 = now.y, now.step * now.slope, now.step * slope1
    middle = y0 + now.step * _weighted(_MIDDLE, slopes)
    a = -2 * d0 + 2 * d1 - 8 * y0 - 8 * y1 + 16 * middle
    b = 5 * d0 - 3 * d1 + 18 * y0 + 14 * y1 - 32 * middle
    c = -4 * d0 + d1 - 11 * y0 - 5 * y1 + 16 * middle
    return mnp.stack([a, b, c, d0, y0]).astype(y0.dtype)


def _size(x: Any) -> Any:
    """Root of the mean square."""
    return mnp.sqrt(mnp.mean(mnp.abs(x) ** 2))


def _error_ratio(error: Any, y0: Any, y1: Any, settings: _Settings) -> Any:
    allowed = settings.atol + settings.rtol * mnp.maximum(mnp.abs(y0), mnp.abs(y1))
    return _size(error / allowed)


def _next_step(step: Any, ratio: Any) -> Any:
    """The step whose error would be 0.9^5 of what is allowed, at most 10 times and at least a fifth of the last."""
    least = mnp.where(ratio < 1, 1.0, 0.2)
    factor = mnp.minimum(10.0, mnp.maximum(0.9 * mnp.where(ratio == 0, 1.0, ratio) ** (-1 / 5), least))
    return step * mnp.where(ratio == 0, 10.0, factor)


def _first_step(slope: Callable[..., Any], t: Any, y: Any, first: Any, settings: _Settings) -> Any:
    """A step for which y and its slope change little (Hairer, Norsett & Wanner, II.4)."""
    scale = settings.atol + mnp.abs(y) * settings.rtol
    d0, d1 = _size(y / scale), _size(first / scale)
    guess = mnp.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / mnp.where(d1 == 0, 1.0, d1))
    second = slope(y + (guess * first).astype(y.dtype), t + guess)
    d2 = _size((second - first) / scale) / guess
    steep = mnp.maximum(d1, d2)
    other = mnp.where(
        steep <= 1e-15, mnp.maximum(1e-6, guess * 1e-3), (0.01 / mnp.where(steep == 0, 1.0, steep)) ** (1 / 5)
    )
    return mnp.minimum(100.0 * guess, other).astype(t.dtype)


def _forward(func: Callable[..., Any], settings: _Settings, y0: Any, t: Any, *args: Any) -> tuple[Any, Any]:
    ys = _solution(func, settings, y0, t, *args)
    return ys, (ys, t, args)


def _backward(func: Callable[..., Any], settings: _Settings, saved: Any, g: Any) -> tuple[Any, ...]:
    """The adjoint a' = -a . d func / d y, from the last time to the first; at each time the cotangent of y joins.

    A time that is read moves y there by its slope; the time of the start moves all that comes after the other way.
    """
    ys, t, args = saved

    def backwards(state: tuple[Any, ...], s: Any, *args: Any) -> tuple[Any, ...]:
        y, adjoint, *_ = state
        slope, pull = vjp(lambda y, *args: func(y, -s, *args), y, *args)
        return (-slope, *pull(adjoint))

    def interval(carry: tuple[Any, ...], row: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
        adjoint, *args_bar = carry
        y, g_end, end, start = row
        state = (y, adjoint + g_end, *args_bar)
        times = mnp.stack([-end, -start])
        _, *moved = tree_map(lambda x: x[1], odeint(backwards, state, times, *args, **settings._asdict()))
        return tuple(moved), _against(func(y, end, *args), g_end, t)

    begin = (mnp.zeros_like(g[0]), *(mnp.zeros_like(x) for x in args))
    (adjoint, *args_bar), t_bars = lax.scan(interval, begin, (ys[1:], g[1:], t[1:], t[:-1]), reverse=True)
    t0_bar = -_against(func(ys[0], t[0], *args), adjoint, t)
    return (adjoint + g[0], mnp.concatenate([t0_bar[None], t_bars]), *args_bar)


def _against(slope: Any, cotangent: Any, t: Any) -> Any:
    """The cotangent of a time at which y has this slope and this cotangent."""
    return mnp.sum(slope * cotangent).real.astype(t.dtype)


_solution.defvjp(_forward, _backward)
