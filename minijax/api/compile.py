"""jit: trace once per type of arguments, call the program from then on.

A specialisation is found by the structure and avals of the arguments, the static arguments, the configuration, and
the outcomes of the Python branches it captured: a program whose guard no longer holds is dropped at the guard, and another
one is tried or traced. Programs are compiled by `lower/`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from .. import lower
from ..array import Array, finished
from ..config import config
from ..errors import teach
from ..ir import ClosedJaxpr, GuardMismatch, Tracer, guards_of, state
from ..ir.effects import GUARD
from ..ir.trace import describe
from ..structured._bodies import hoist_tracers
from ..structured.jit import jit as jit_primitive
from ..tree import leaf_names, tree_flatten, tree_unflatten
from ._calls import Traced, check_callable, flatten_values, function_name, parameter_names
from .stage import stage_call
from .stages import Call, Lowered, Staged

__all__ = ["jit"]


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
    keep_unused: bool = False,
    device: Any = None,
    backend: Any = None,
    inline: bool = False,
) -> Any:
    """Trace a function once per type of its arguments and run the traced program from then on.

    Args:
        fun: the function; pure, of trees of arrays.
        static_argnums, static_argnames: arguments that are Python values; the program is specialised for each of them.
            They must be hashable.
        donate_argnums, donate_argnames: arguments whose buffers may be reused (accepted).
        keep_unused, device, backend, inline: accepted for compatibility.

    Returns:
        A function with the signature of `fun`; `.trace(*args)`, `.lower(*args)` and `.lower(*args).compile()` give its
        stages, `.clear_cache()` forgets its programs.

    Raises:
        TypeError: an argument is not an array, scalar or tree of them, and not static.
        ValueError: a static argument cannot be hashed.

    Note:
        Python branches on traced values are captured: the program is traced again when a branch goes the other way.

    Example:
        >>> import minijax as mj
        >>> f = mj.jit(lambda x: x ** 2 if x > 0 else -x)
        >>> float(f(3.0)), float(f(-3.0))
        (9.0, 3.0)
    """
    if fun is None:
        options = {k: v for k, v in locals().items() if k != "fun"}
        return lambda f: jit(f, **options)
    check_callable(fun)
    return Jitted(fun, _positions(static_argnums), _names(static_argnames))


def _positions(argnums: int | Sequence[int] | None) -> tuple[int, ...]:
    return () if argnums is None else (argnums,) if isinstance(argnums, int) else tuple(argnums)


def _names(argnames: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if argnames is None else (argnames,) if isinstance(argnames, str) else tuple(argnames)


class Jitted:
    """What `jit` returns: call it like the function it wraps."""

    def __init__(
        self, fun: Callable[..., Any], static_argnums: tuple[int, ...], static_argnames: tuple[str, ...]
    ) -> None:
        self.fun = fun
        self.static_argnums, self.static_argnames = _both_ways(fun, static_argnums, static_argnames)
        self.programs: dict[Any, list[Traced]] = {}
        self._hot: dict[Any, tuple[Callable[..., Any], Traced]] = {}  # calls of Arrays alone, see `_remember`
        self._configured: Any = None  # the configuration that they were compiled in
        self.__name__ = function_name(fun)
        update_wrapper(self, fun, updated=())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _Bound(self, instance)

    def __repr__(self) -> str:
        return f"jit({self.__name__})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if config._key is self._configured and not kwargs and state.staging is None and not state.axes:
            hot = self._hot.get(tuple([x.aval if type(x) is Array else None for x in args]))
            if hot is None:
                leaves, structure = tree_flatten(args)
                hot = self._hot.get((structure, *[x.aval if type(x) is Array else None for x in leaves]))
            else:
                leaves = args
            if hot is not None:
                run, traced = hot
                try:
                    out = run(*leaves)
                except GuardMismatch:
                    return self._call(args, kwargs)
                traced.hits += 1
                return out
        return self._call(args, kwargs)

    def _call(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """A call of any kind: find a program for its types, or trace."""
        if config.jax_disable_jit:
            return self.fun(*args, **kwargs)
        static = self._static(args)
        values, structure = self._flatten(args, kwargs, static)
        key = self._key(args, kwargs, static, values, structure)
        programs = self.programs.setdefault(key, [])
        traced_here = state.staging is not None or any(type(x) is Tracer for x in values)
        for index, traced in enumerate(programs):
            if traced_here and GUARD in traced.closed.effects:
                continue  # whether its guards hold is not known before it runs: trace at these values
            try:
                outs = self._run(traced.closed, values)
            except GuardMismatch:
                continue
            traced.hits += 1
            if index:
                programs.insert(0, programs.pop(index))  # the hot branch first
            if not traced_here and not static and not kwargs:
                self._remember(args, values, traced)
            return self._finish(traced, outs)
        traced, outs = self._trace_and_run(args, kwargs, static, values, programs)
        if programs and programs[0] is traced and not traced_here and not static and not kwargs:
            self._remember(args, values, traced)
        return self._finish(traced, outs)

    def _static(self, args: Sequence[Any]) -> set[int]:
        """Positions of the static arguments."""
        return {n % len(args) for n in self.static_argnums if -len(args) <= n < len(args)}

    def _leaf_names(self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]) -> list[str]:
        """Names of the flat arguments, in their order."""
        names = parameter_names(self.fun, len(args))
        dynamic = [i for i in range(len(args)) if i not in static]
        named = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        return leaf_names([args[i] for i in dynamic], named, [names[i] for i in dynamic])

    def _remember(self, args: Sequence[Any], values: Sequence[Any], traced: Traced) -> None:
        """Let the next call like this one go straight into the compiled program.

        Such calls are known by the avals of their arguments, if these are Arrays, or of their leaves, under the
        same configuration (whose key object is new after every change of a flag), outside of traces and named axes.
        """
        if config.debugging or state.axes or not all(type(x) is Array for x in tree_flatten(args)[0]):
            return
        key = config.trace_key()
        if self._configured is not key:
            self._hot.clear()
            self._configured = key
        body = _compiled_body(traced)
        if body is not None:
            leaves = tree_unflatten(traced.out_tree, list(range(len(traced.closed.out_avals))))
            flat = all(type(x) is Array for x in args)
            avals = tuple([x.aval for x in values])
            place = avals if flat else (tree_flatten(args)[1], *avals)
            self._hot[place] = lower.compiled(body).driver.arrays(leaves), traced

    def _trace_and_run(
        self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int], values: list[Any], programs: list[Traced]
    ) -> tuple[Traced, list[Any]]:
        traced = self._stage(args, kwargs, static)
        if not any(type(x) is Tracer for x in traced.closed.consts):
            # Only the program is kept: not the values it was traced at.
            traced = Traced(traced.closed, {}, (), traced.out_tree, traced.aux)
            traced.hits = 1
            if len(programs) < config.minijax_jit_max_specializations:
                programs.insert(0, traced)
            else:
                self._warn_once(traced.closed, programs)
        return traced, self._run(traced.closed, values)

    def _stage(self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]) -> Traced:
        dynamic_kwargs = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        static_kwargs = {k: v for k, v in kwargs.items() if k in self.static_argnames}

        def call(*a: Any, **k: Any) -> Any:
            return self.fun(*a, **k, **static_kwargs)

        update_wrapper(call, self.fun, updated=())
        call.__name__ = self.__name__
        return stage_call(call, args, dynamic_kwargs, tuple(static), purpose="jit")

    def _run(self, closed: ClosedJaxpr, values: Sequence[Any]) -> list[Any]:
        body, captured = hoist_tracers(closed)
        return jit_primitive.bind(*captured, *values, jaxpr=body, name=self.__name__)  # type: ignore[no-any-return]

    def _finish(self, traced: Traced, outs: Sequence[Any]) -> Any:
        return tree_unflatten(traced.out_tree, [finished(x) for x in outs])

    def _flatten(self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]) -> tuple[list[Any], Any]:
        dynamic = [x for i, x in enumerate(args) if i not in static]
        try:
            return flatten_values((dynamic, {k: v for k, v in kwargs.items() if k not in self.static_argnames}))
        except TypeError as error:
            raise self._not_an_array(args, static, error) from None

    def _not_an_array(self, args: Sequence[Any], static: set[int], error: TypeError) -> TypeError:
        names = parameter_names(self.fun, len(args))
        for i, x in enumerate(args):
            if i in static:
                continue
            for leaf in tree_flatten(x)[0]:
                try:
                    flatten_values(leaf)
                except TypeError:
                    return TypeError(
                        teach(
                            f"Error interpreting argument to {self.__name__} as an abstract array. The problematic value is of "
                            f"type {type(leaf)} and was passed to the function at path {names[i]}.",
                            why="jit traces arrays and numbers; anything else must be static",
                            do=f"minijax.jit({self.__name__}, static_argnums={i})   or   static_argnames={names[i]!r}",
                        )
                    )
        return error

    def _key(
        self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int], values: Sequence[Any], structure: Any
    ) -> Any:
        statics = tuple(args[i] for i in sorted(static))
        named = tuple((k, kwargs[k]) for k in sorted(kwargs) if k in self.static_argnames)
        for x in (*statics, *(v for _, v in named)):
            try:
                hash(x)
            except TypeError as error:
                raise ValueError(
                    "Non-hashable static arguments are not supported. An error occurred while trying to hash an object of "
                    f"type {type(x)}, {x!r}. The error was: TypeError: {error}. Pass a tuple instead of a list."
                ) from None
        axes = tuple((name, size) for name, (size, _) in state.axes.items())
        typed = tuple(type(x) for x in statics), tuple(type(v) for _, v in named)
        return structure, tuple(x.aval for x in values), statics, named, typed, config.trace_key(), axes

    def _warn_once(self, closed: ClosedJaxpr, programs: list[Traced]) -> None:
        guards = guards_of(closed)
        if guards and not getattr(self, "_warned", False):
            self._warned = True
            warnings.warn(
                teach(
                    f"jit({self.__name__}) has {len(programs)} specialisations; more calls are traced each time",
                    at=describe(guards[-1].source),
                    why="a Python branch or loop depends on a traced value and keeps going new ways",
                    do="use minijax.lax.cond, minijax.lax.while_loop or minijax.numpy.where there",
                ),
                UserWarning,
                stacklevel=4,
            )

    def trace(self, *args: Any, **kwargs: Any) -> Staged:
        """The traced program for these arguments (arrays or `ShapeDtypeStruct`s)."""
        static = self._static(args)
        traced = self._stage(args, kwargs, static)
        dynamic = [x for i, x in enumerate(args) if i not in static]
        named = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        _, structure = tree_flatten((tuple(dynamic), named))
        names = self._leaf_names(args, kwargs, static)
        return Staged(Call(self.__name__, traced, structure, tuple(names), (False,) * len(names)))

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The program for these arguments (arrays or `ShapeDtypeStruct`s), optimised, before it is machine code.

        Example:
            >>> import minijax as mj
            >>> lowered = mj.jit(lambda x: 2.0 * x + 1.0).lower(3.0)
            >>> print(lowered.as_text("python"))
            from numba import njit
            from numpy import ascontiguousarray, empty, float32
            <BLANKLINE>
            <BLANKLINE>
            @njit
            def kernel_0(a, c):
                # writes c
                c[0] = float32(2.0) * a[0] + float32(1.0)
            <BLANKLINE>
            <BLANKLINE>
            def flat(x):
                return ascontiguousarray(x).reshape(-1)
            <BLANKLINE>
            <BLANKLINE>
            def program(a):
                c = empty((), float32)
                kernel_0(flat(a), flat(c))
                return (c,)
            <BLANKLINE>
            >>> lowered.compile()(3.0)
            Array(7., dtype=float32, weak_type=True)
        """
        return self.trace(*args, **kwargs).lower()

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The types of the outputs for these arguments."""
        return self.trace(*args, **kwargs).out_info

    def clear_cache(self) -> None:
        """Forget all traced programs."""
        self.programs.clear()
        self._hot.clear()


def _compiled_body(traced: Traced) -> ClosedJaxpr | None:
    """The program whose compiled form runs, None for one that captured tracers."""
    body, captured = hoist_tracers(traced.closed)
    return None if captured else body


class _Bound:
    """A jitted method bound to its instance."""

    def __init__(self, jitted: Jitted, instance: Any) -> None:
        self.jitted = jitted
        self.instance = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.jitted(self.instance, *args, **kwargs)


def _both_ways(
    fun: Callable[..., Any], argnums: tuple[int, ...], argnames: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static positions and names, each completed from the other through the signature."""
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return argnums, argnames
    by_position = [q.name for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]
    unknown = [n for n in argnames if n not in {q.name for q in parameters}]
    if unknown and not any(q.kind is q.VAR_KEYWORD for q in parameters):
        raise ValueError(f"jit of {function_name(fun)}: static_argnames {unknown} are not parameters of the function")
    names = tuple(
        dict.fromkeys((*argnames, *(by_position[n] for n in argnums if -len(by_position) <= n < len(by_position))))
    )
    nums = tuple(dict.fromkeys((*argnums, *(by_position.index(n) for n in argnames if n in by_position))))
    return nums, names
