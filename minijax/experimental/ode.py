"""`odeint`: the solution of an ordinary differential equation, with steps of adaptive size and the adjoint as its derivative.

In: y' = func(y, t, *args), y(t[0]), times. Out: y at these times. Steps are those of Dormand & Prince 1980 (order 5, with an error
estimate of order 4), their size and the first one as in Hairer, Norsett & Wanner, "Solving Ordinary Differential Equations I",
sections II.4 and II.5; between its ends a step is interpolated by a polynomial of order 4 (Shampine 1986; same book, II.6).

Reverse mode does not keep the steps: it solves the adjoint equation backwards in time, and y with it,

    l' = -(d_y func)^T l,    l(t_i) grows by the cotangent of y(t_i),    ct_args = integral of (d_args func)^T l

(Pontryagin et al. 1962; Chen, Rubanova, Bettencourt & Duvenaud 2018, "Neural ordinary differential equations").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import lax, numpy as mnp
from ..api.autodiff import vjp
from ..api.custom_vjp import custom_vjp
from ..api.stage import closure_convert
from ..api.vectorize import vmap
from ..errors import teach
from ..flatten_util import ravel_pytree
from ..ir import Tracer
from ..tree import tree_flatten, tree_map, tree_structure, tree_unflatten

__all__ = ["odeint"]

Field = Callable[..., Any]

# Dormand & Prince 1980: nodes, stages (the last row is the solution of order 5), and its difference to the one of order 4
_NODES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_DENSE = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)


class _Settings(NamedTuple):
    rtol: float
    atol: float
    mxstep: float
    hmax: float


class _State(NamedTuple):
    """Where the integration is (y, its rate, t), the size of the next step, and the last step: where it began, its size, its stages."""

    y: Any
    rate: Any
    t: Any
    size: Any
    began_y: Any
    began_t: Any
    taken: Any
    stages: Any


def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: float = math.inf,
    hmax: float = math.inf,
) -> Any:
    """Solve y' = func(y, t, *args), y(t[0]) = y0.

    Args:
        func: `func(y, t, *args)` gives the rate of change of y, a tree like `y0`.
        y0: a tree of arrays.
        t: increasing times, a float array of shape (n,).
        *args: trees of arrays, differentiable as everything that `func` closes over is.
        rtol, atol: the error of a step is kept under `atol + rtol * abs(y)` (root mean square over y).
        mxstep: the largest number of steps between two times.
        hmax: the largest step, in units of t.

    Returns:
        y at the times: a tree like `y0` of arrays of shape (n, ...). NaN from where `mxstep` steps were not enough, or where the
        solution ceases to exist.

    Raises:
        TypeError: `t` is not an array of floats, an argument is no array, or `func` gives another structure or shape than `y0`.
        ValueError: `t` is empty, has not one axis, or decreases.

    Note:
        Reverse mode solves the adjoint equation with the same tolerances. Forward mode is refused, as in JAX.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> from minijax.experimental.ode import odeint
        >>> decay = lambda k: odeint(lambda y, t: -k * y, 1.0, mnp.array([0.0, 1.0]))[-1]
        >>> round(float(decay(0.5)), 4), round(float(mj.grad(decay)(0.5)), 4)
        (0.6065, -0.6065)
    """
    times = _times(t)
    start = tree_map(_as_inexact, y0)
    structure = tree_structure(start)
    flat, unravel = ravel_pytree(start)
    leaves, args_structure = tree_flatten(args)
    leaves = [_argument(x) for x in leaves]

    def field(y: Any, t: Any, *values: Any) -> Any:
        rate = func(unravel(y), t, *tree_unflatten(args_structure, values))
        _check_rate(rate, start, structure, func)
        return ravel_pytree(rate)[0].astype(y.dtype)

    converted, consts = closure_convert(field, flat, times[0], *leaves)
    settings = _Settings(float(rtol), float(atol), float(mxstep), float(hmax))
    return vmap(unravel)(_solution(converted, settings, flat, times, *leaves, *consts))


def _times(t: Any) -> Any:
    times = mnp.asarray(t)
    if not mnp.issubdtype(times.dtype, np.floating):
        raise TypeError(f"t must be an array of floats, but got {t}.")
    if times.ndim != 1 or times.shape[0] == 0:
        raise ValueError(f"odeint: t must have shape (n,), n > 0, got {times.shape}.")
    if type(times) is not Tracer and bool((times[1:] < times[:-1]).any()):
        raise ValueError(
            teach(
                f"odeint: t must increase, got {times}.",
                do="to integrate backwards, solve z'(s) = -func(z, -s) at the times s = -t",
            )
        )
    return times


def _as_inexact(x: Any) -> Any:
    array = mnp.asarray(x)
    return array if mnp.issubdtype(array.dtype, np.inexact) else array.astype(mnp.result_type(float))


def _argument(x: Any) -> Any:
    try:
        return mnp.asarray(x)
    except TypeError:
        raise TypeError(f"The contents of odeint *args must be arrays or scalars, but got {x}.") from None


def _check_rate(rate: Any, y0: Any, structure: Any, func: Callable[..., Any]) -> None:
    found = tree_structure(rate)
    if found != structure:
        raise TypeError(f"odeint: func must return the structure of y0, {structure}, got {found}.")
    for given, out in zip(tree_flatten(y0)[0], tree_flatten(rate)[0], strict=True):
        if mnp.shape(out) != given.shape:
            raise TypeError(
                teach(
                    f"odeint: func must return the shapes of y0: y0 has shape {given.shape}, its rate {mnp.shape(out)}.",
                    at=f"{func.__code__.co_filename}:{func.__code__.co_firstlineno}"
                    if hasattr(func, "__code__")
                    else None,
                )
            )


# -- the solution


@partial(custom_vjp, nondiff_argnums=(0, 1))
def _solution(field: Field, settings: _Settings, y0: Any, ts: Any, *args: Any) -> Any:
    """y at the times, an array of shape (times, components)."""
    rate_at = lambda y, t: field(y, t, *args)
    rate = rate_at(y0, ts[0])
    size = mnp.minimum(_first_size(rate_at, y0, rate, ts[0], settings), settings.hmax).astype(ts.dtype)
    nothing = mnp.zeros((7, *y0.shape), y0.dtype)
    first = _State(y0, rate, ts[0], size, y0, ts[0], mnp.ones((), ts.dtype), nothing)

    def until(state: _State, target: Any) -> tuple[_State, Any]:
        goes_on = lambda carry: (carry[1].t < target) & (carry[0] < settings.mxstep) & (carry[1].size > 0)
        steps = lambda carry: (carry[0] + 1, _stepped(rate_at, carry[1], settings))
        _, state = lax.while_loop(goes_on, steps, (0, state))
        return state, mnp.where(state.t >= target, _interpolated(state, target), mnp.nan)

    return mnp.concatenate([y0[None], lax.scan(until, first, ts[1:])[1]])


def _weighted(weights: Sequence[float], stages: Sequence[Any]) -> Any:
    """The sum of weight times stage."""
    terms = [w * k for w, k in zip(weights, stages, strict=False) if w]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _real_like(x: Any, y: Any) -> Any:
    """A time as a factor of y, which keeps its dtype."""
    return x.astype(y.real.dtype)


def _stepped(rate_at: Callable[[Any, Any], Any], state: _State, settings: _Settings) -> _State:
    """The state after a step was tried: moved on if its error was small enough, with another size in any case."""
    size = _real_like(state.size, state.y)
    stages, y = [state.rate], state.y
    for node, weights in zip(_NODES, _STAGES, strict=True):
        y = state.y + size * _weighted(weights, stages)
        stages.append(rate_at(y, state.t + node * state.size))
    error = size * _weighted(_ERROR, stages)
    allowed = settings.atol + settings.rtol * mnp.maximum(abs(state.y), abs(y))
    ratio = _root_mean_square(error / allowed)
    done = _State(y, stages[-1], state.t + state.size, state.size, state.y, state.t, state.size, mnp.stack(stages))
    accepted = ratio <= 1.0
    moved = _State(*(mnp.where(accepted, new, old) for new, old in zip(done, state, strict=True)))
    return moved._replace(size=mnp.minimum(_next_size(state.size, ratio), settings.hmax).astype(state.size.dtype))


def _root_mean_square(x: Any) -> Any:
    return mnp.sqrt(mnp.mean(abs(x) ** 2))


def _next_size(size: Any, ratio: Any) -> Any:
    """Of order 5: ratio ** (-1/5), with a margin, at most ten times as large and not below a fifth (not smaller after success)."""
    least = mnp.where(ratio < 1.0, 1.0, 0.2)
    factor = mnp.where(ratio == 0.0, 10.0, mnp.clip(0.9 * mnp.where(ratio == 0.0, 1.0, ratio) ** -0.2, least, 10.0))
    return size * factor.astype(size.dtype)


def _first_size(rate_at: Callable[[Any, Any], Any], y: Any, rate: Any, t: Any, settings: _Settings) -> Any:
    """A first step from the sizes of y, y' and y''."""
    scale = settings.atol + settings.rtol * abs(y)
    d0, d1 = _root_mean_square(y / scale), _root_mean_square(rate / scale)
    known = (d0 >= 1e-5) & (d1 >= 1e-5)
    trial = mnp.where(known, 0.01 * d0 / mnp.where(known, d1, 1.0), 1e-6)
    moved = rate_at(y + _real_like(trial, y) * rate, t + trial.astype(t.dtype))
    d2 = _root_mean_square((moved - rate) / scale) / trial
    largest = mnp.maximum(d1, d2)
    curved = largest > 1e-15
    found = mnp.where(curved, (0.01 / mnp.where(curved, largest, 1.0)) ** 0.2, mnp.maximum(1e-6, trial * 1e-3))
    return mnp.minimum(100.0 * trial, found)


def _interpolated(state: _State, t: Any) -> Any:
    """y at a time within the last step."""
    s = _real_like((t - state.began_t) / state.taken, state.y)
    blend, bump = s * s * (3.0 - 2.0 * s), (s * (1.0 - s)) ** 2
    weights = [blend * b + bump * d for b, d in zip((*_STAGES[-1], 0.0), _DENSE, strict=True)]
    weights[0] = weights[0] + s * (1.0 - s) ** 2
    weights[6] = weights[6] - s * s * (1.0 - s)
    return state.began_y + _real_like(state.taken, state.y) * (mnp.stack(weights) @ state.stages)


# -- its adjoint


def _forward(field: Field, settings: _Settings, y0: Any, ts: Any, *args: Any) -> tuple[Any, Any]:
    ys = _solution(field, settings, y0, ts, *args)
    return ys, (ys, ts, args)


def _pullback(field: Field, settings: _Settings, saved: Any, ct: Any) -> tuple[Any, ...]:
    ys, ts, args = saved
    moves = [mnp.issubdtype(x.dtype, np.inexact) for x in args]

    def augmented(state: Any, minus_t: Any, *args: Any) -> Any:
        """Rates, backwards in time, of (y, its cotangent, the cotangents of the arguments)."""
        y, y_ct, _ = state

        def of_moving(y: Any, *moving: Any) -> Any:
            given = iter(moving)
            return field(y, -minus_t, *(next(given) if flag else x for x, flag in zip(args, moves, strict=True)))

        rate, pull = vjp(of_moving, y, *(x for x, flag in zip(args, moves, strict=True) if flag))
        y_rate, *arg_rates = pull(y_ct)
        return -rate, y_rate, arg_rates

    def back(carry: Any, i: Any) -> tuple[Any, Any]:
        """From time i to time i - 1."""
        y_ct, arg_cts = carry
        t_ct = _time_cotangent(field(ys[i], ts[i], *args), ct[i])
        interval = mnp.stack([-ts[i], -ts[i - 1]])
        ends = odeint(augmented, (ys[i], y_ct, arg_cts), interval, *args, **settings._asdict())
        _, y_ct, arg_cts = tree_map(lambda x: x[1], ends)
        return (y_ct + ct[i - 1], arg_cts), t_ct

    nothing = [mnp.zeros_like(x) for x, flag in zip(args, moves, strict=True) if flag]
    order = mnp.arange(ts.shape[0] - 1, 0, -1)
    (y_ct, arg_cts), t_cts = lax.scan(back, (ct[-1], nothing), order)
    start_ct = -_time_cotangent(field(ys[0], ts[0], *args), y_ct - ct[0])  # later is nearer to all other times
    found = iter(arg_cts)
    return y_ct, mnp.concatenate([start_ct[None], t_cts[::-1]]), *(next(found) if flag else None for flag in moves)


def _time_cotangent(rate: Any, ct: Any) -> Any:
    """Of a time at which y is read: y changes by its rate."""
    return mnp.sum(rate * ct).real


_solution.defvjp(_forward, _pullback)
