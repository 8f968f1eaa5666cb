"""checkify: run-time checks in programs that are compiled, mapped and differentiated.

In: a function with `check` calls, or one to look for NaN, division by zero and wrong indices in. Out: a function that returns
(error, result): the error is a value like others. `structured/checked.py` does the work.

Without `checkify`, a `check` that fails raises, under `jit` too (JAX refuses to compile it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..api._calls import (
    FlatFunction,
    argument_names,
    check_callable,
    flatten_values,
    trace_flat,
    whole_call,
)
from ..array import Array, as_value, finished
from ..errors import CheckError, teach
from ..ir import ShapedArray, Source, Tracer, aval_like
from ..ir.source import user_frame
from ..primitives._ops import like, p
from ..structured.check import Message, check as check_primitive
from ..structured.checked import Check, Failure, checked_values
from ..tree import register_pytree_node_class, tree_flatten, tree_unflatten

__all__ = [
    "Error",
    "JaxRuntimeError",
    "all_checks",
    "automatic_checks",
    "check",
    "check_error",
    "checkify",
    "debug_check",
    "div_checks",
    "float_checks",
    "index_checks",
    "init_error",
    "nan_checks",
    "user_checks",
]

JaxRuntimeError = CheckError

user_checks = frozenset((Failure.USER,))
nan_checks = frozenset((Failure.NAN,))
index_checks = frozenset((Failure.INDEX,))
div_checks = frozenset((Failure.DIVISION,))
float_checks = nan_checks | div_checks
automatic_checks = float_checks | index_checks
all_checks = automatic_checks | user_checks


@register_pytree_node_class
class Error:
    """The first failure of a program, or none: a tree of arrays, to be returned from jitted and mapped functions.

    `error.get()` is its message or None; `error.throw()` raises.
    """

    __slots__ = ("_checks", "_code", "_values")

    def __init__(self, code: Any, values: Sequence[Any], checks: Sequence[Check]) -> None:
        self._code = code
        self._values = list(values)
        self._checks = tuple(checks)

    def get(self) -> str | None:
        """The message of the failure, None if there is none; under vmap a line for each example that failed.

        Example:
            >>> from minijax.experimental import checkify
            >>> checkify.checkify(lambda x: 1 / x, errors=checkify.div_checks)(2.0)[0].get() is None
            True
        """
        codes = np.asarray(self._code)
        if not codes.ndim:
            return self._message(int(codes), ()) if codes else None
        lines = [
            f"at mapped index {', '.join(map(str, place))}: {self._message(int(codes[place]), place)}"
            for place in np.ndindex(codes.shape)
            if codes[place]
        ]
        return "\n".join(lines) or None

    def throw(self) -> None:
        """Raise `CheckError` (JAX: `JaxRuntimeError`), a ValueError with the message, if there is a failure."""
        check_error(self)

    def _message(self, number: int, place: tuple[int, ...]) -> str:
        check = self._checks[number - 1]
        values = self._of(number - 1)
        return check.message.formatted([np.asarray(x)[place] for x in values], check.place)

    def _of(self, index: int) -> list[Any]:
        start = sum(len(check.avals) for check in self._checks[:index])
        return self._values[start : start + len(self._checks[index].avals)]

    def __str__(self) -> str:
        return f"Error({'traced' if type(self._code) is Tracer else self.get()})"

    __repr__ = __str__

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """(arrays, what is static)."""
        return (self._code, *self._values), self._checks

    @classmethod
    def tree_unflatten(cls, checks: Any, leaves: Sequence[Any]) -> Error:
        """The inverse of `tree_flatten`."""
        return cls(leaves[0], leaves[1:], checks)


init_error = Error(Array(np.int32(0), ShapedArray((), np.dtype(np.int32))), (), ())


def checkify(f: Callable[..., Any], errors: frozenset[Failure] = user_checks) -> Callable[..., tuple[Error, Any]]:
    """A function that returns its failures beside its result, instead of raising.

    Args:
        f: a function of trees of arrays. It may call `jit`ted functions, loops, branches, `grad` and `vmap`.
        errors: what to look for: `user_checks` (calls of `check`), `nan_checks`, `index_checks`, `div_checks`, `float_checks` (NaN and
            division), `automatic_checks` (these and indices), `all_checks`, or a union (`|`) of them.

    Returns:
        A function with the arguments of `f` that returns (`Error`, result of `f`). It can be jitted, mapped and differentiated.

    Note:
        The first failure in the order of the program is kept. The results are those of `f`: nothing stops.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> from minijax.experimental import checkify
        >>> def f(x, i):
        ...     checkify.check(i >= 0, "index {} is negative", i)
        ...     return mnp.sin(x[i])
        >>> error, y = mj.jit(checkify.checkify(f, errors=checkify.all_checks))(mnp.zeros(3), 5)
        >>> print(error.get().splitlines()[0])
        out-of-bounds indexing for array of shape (3,): index 5 is out of bounds for axis 0 with size 3.
    """
    check_callable(f)
    wanted = frozenset(errors)

    @wraps(f)
    def checked(*args: Any, **kwargs: Any) -> tuple[Error, Any]:
        values, structure = flatten_values((args, kwargs))
        flat = FlatFunction(_of_pair(f), [None], {}, (0,), (structure,))
        traced = trace_flat(flat, values, purpose="checkify", names=lambda: argument_names(f, args, kwargs))
        closed = traced.closed
        code, checks, shown, outs = checked_values(closed.jaxpr, closed.consts, values, wanted)
        error = Error(finished(code), [finished(x) for x in shown], checks)
        return error, tree_unflatten(traced.out_tree, [finished(x) for x in outs])

    return checked


def _of_pair(f: Callable[..., Any]) -> Callable[..., Any]:
    call = whole_call(f)

    def of_pair(pair: tuple[Sequence[Any], dict[str, Any]]) -> Any:
        return call(*pair)

    of_pair.__name__ = call.__name__
    return of_pair


def check(pred: Any, msg: str, *fmt_args: Any, debug: bool = False, **fmt_kwargs: Any) -> None:
    """Require a condition.

    Args:
        pred: a boolean scalar.
        msg: a format string, filled with `fmt_args` and `fmt_kwargs` (trees of arrays).
        debug: leave the check out unless the function is checkified.

    Raises:
        CheckError: the condition does not hold, and the function is not checkified.
        TypeError: `pred` is not a boolean scalar, or a value to show is not an array.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.experimental import checkify
        >>> checkify.check(mnp.array(2.0) > 1.0, "must be above 1")
    """
    holds = as_value(pred)
    if aval_like(holds).shape or aval_like(holds).dtype != np.bool_:
        raise TypeError(
            teach(
                f"check takes a scalar pred as argument, got {pred}",
                why="a check holds or does not hold: its condition is one boolean",
                do="write the comparison (`x > 0`), and for arrays `.all()`: check((x > 0).all(), ...)",
            )
        )
    leaves, structure = tree_flatten((fmt_args, fmt_kwargs))
    frame = user_frame(sys._getframe(1))
    source = Source(frame.f_code, frame.f_lasti) if frame else None
    message = Message(msg, structure, "`check` failed", source)
    check_primitive.bind(holds, *map(_shown, leaves), message=message, debug=debug)


def _shown(x: Any) -> Any:
    try:
        return as_value(x)
    except TypeError:
        raise TypeError(
            teach(
                f"Formatting arguments to checkify.check need to be PyTrees of arrays, but got {x!r} of type {type(x)}.",
                why="they become results of the program",
                do='format what is known now into the message: check(ok, f"... {name} ...")',
            )
        ) from None


def debug_check(pred: Any, msg: str, *fmt_args: Any, **fmt_kwargs: Any) -> None:
    """As `check`, but nothing at all unless the function is checkified: it costs nothing in production.

    Example:
        >>> import minijax.numpy as mnp
        >>> from minijax.experimental import checkify
        >>> checkify.debug_check(mnp.array(0.0) > 1.0, "must be above 1")
    """
    check(pred, msg, *fmt_args, debug=True, **fmt_kwargs)


def check_error(error: Error) -> None:
    """Raise if there is a failure; in a traced function, `check` that there is none.

    Args:
        error: of a checkified call.

    Raises:
        CheckError: there is one.

    Example:
        >>> from minijax.experimental import checkify
        >>> checkify.check_error(checkify.init_error)
    """
    if not isinstance(error, Error):
        raise ValueError(f"check_error takes the Error that a checkified function returns, got {error!r}")
    if type(error._code) is not Tracer:
        if (message := error.get()) is not None:
            raise CheckError(message)
        return
    for index, found in enumerate(error._checks):
        holds = p.ne(error._code, like(error._code, index + 1))
        check_primitive.bind(holds, *error._of(index), message=found.message, debug=False)
