"""jit: trace once per type of arguments, call the program from then on.

A specialisation is found by the structure and avals of the arguments, the static arguments, the configuration, and
the outcomes of the Python branches it captured: a program whose guard no longer holds is dropped at the guard, and another
one is tried or traced. Programs are compiled by `lower/`.
"""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from .. import lower
from ..array import Array, finished, raw
from ..config import config
from ..errors import teach
from ..ir import ClosedJaxpr, Eqn, GuardMismatch, Tracer, guards_of, state
from ..ir.effects import GUARD
from ..ir.trace import describe
from ..structured._bodies import hoist_tracers
from ..structured.jit import jit as jit_primitive
from ..tree import leaf_names, tree_flatten, tree_map, tree_unflatten
from ._argnums import both_ways, check_disjoint
from ._calls import Traced, check_callable, flatten_values, function_name, parameter_names
from .donation import check_used_once, donating, give_away, warn_of_unusable
from .recompiles import log_compile, logger
from .specialisations import (
    Key,
    Signature,
    Specialisation,
    outcomes_of,
    usable,
)
from .stage import stage_call
from .stages import Call, Lowered, Staged

__all__ = ["Jitted", "clear_caches", "jit"]

_lock = threading.Lock()  # around changes of trees
_every: weakref.WeakSet[Jitted] = weakref.WeakSet()


def clear_caches() -> None:
    """Forget all compiled programs, and the memory they keep: the next calls of jitted functions trace and compile.

    Example:
        >>> import minijax as mj
        >>> mj.clear_caches()
    """
    for jitted in list(_every):
        jitted.clear_cache()
    lower.forget()


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
        donate_argnums, donate_argnames: arguments that the caller will not use again: after the call those that have the shape
            and dtype of a result are deleted, which frees their memory.
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
    return Jitted(
        fun,
        (_positions(static_argnums), _names(static_argnames)),
        (_positions(donate_argnums), _names(donate_argnames)),
    )


def _positions(argnums: int | Sequence[int] | None) -> tuple[int, ...]:
    return () if argnums is None else (argnums,) if isinstance(argnums, int) else tuple(argnums)


def _names(argnames: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if argnames is None else (argnames,) if isinstance(argnames, str) else tuple(argnames)


class Jitted:
    """What `jit` returns: call it like the function it wraps."""

    def __init__(
        self,
        fun: Callable[..., Any],
        static: tuple[tuple[int, ...], tuple[str, ...]] = ((), ()),
        donated: tuple[tuple[int, ...], tuple[str, ...]] = ((), ()),
    ) -> None:
        self.fun = fun
        self.static_argnums, self.static_argnames = both_ways(fun, "static", *static)
        self.donate_argnums, self.donate_argnames = both_ways(fun, "donate", *donated)
        check_disjoint(self.static_argnames, self.donate_argnames)
        self.programs: dict[Key, Signature] = {}
        self._hot: dict[Any, Signature] = {}  # calls of Arrays alone, see `_remember`
        self._configured: Any = None  # the configuration that they were compiled in
        self._warned = False
        _every.add(self)
        self.__name__ = function_name(fun)
        update_wrapper(self, fun, updated=())

    def remade(self) -> Jitted:
        """The same without its programs."""
        static, donated = (self.static_argnums, self.static_argnames), (self.donate_argnums, self.donate_argnames)
        return Jitted(self.fun, static, donated)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _Bound(self, instance)

    def __repr__(self) -> str:
        return f"jit({self.__name__})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if config._state is self._configured and not kwargs and state.staging is None and not state.axes:
            hot = self._hot.get(tuple([x.aval if type(x) is Array else None for x in args]))
            if hot is None:
                leaves, structure = tree_flatten(args)
                hot = self._hot.get((structure, *[x.aval if type(x) is Array else None for x in leaves]))
            else:
                leaves = args
            if hot is not None:
                leaf = hot.recent
                try:
                    out = leaf.run(*leaves)
                except GuardMismatch as mismatch:
                    return self._another(hot, mismatch, leaves, args)
                leaf.hits += 1
                return out
        return self._call(args, kwargs)

    def _another(self, tree: Signature, mismatch: GuardMismatch, leaves: Sequence[Any], args: Sequence[Any]) -> Any:
        """A call like those that went straight into a program, which takes another branch this time."""
        leaf, _ = tree.after(tree.recent, mismatch)
        while leaf is not None and leaf.run is not None:
            try:
                out = leaf.run(*leaves)
            except GuardMismatch as next_mismatch:
                leaf, _ = tree.after(leaf, next_mismatch)
                continue
            leaf.hits += 1
            tree.recent = leaf
            return out
        return self._call(args, {})

    def _call(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """A call of any kind: find a program for its types, or trace."""
        if config.jax_disable_jit:
            return self.fun(*args, **kwargs)
        static = self._static(args)
        values, structure = self._flatten(args, kwargs, static)
        key = self._key(args, kwargs, static, values, structure)
        tree = self.programs.get(key)
        if tree is None:
            tree = Signature(self._leaf_names(args, kwargs, static), self._donated(args, kwargs, static))
            tree = self.programs.setdefault(key, tree)
        traced_here = state.staging is not None or any(type(x) is Tracer for x in values)
        if any(tree.donated) and not traced_here:
            check_used_once(self.__name__, tree.names, tree.donated, values)
        # Inside of a trace, whether guards hold is not known before the program runs: trace at these values.
        leaf = tree.root.leaf if traced_here else tree.recent
        failed, tried = None, []
        while leaf is not None:
            try:
                outs = self._run(leaf.closed, values)
            except GuardMismatch as mismatch:
                tried.append(leaf)
                following, asked = tree.after(leaf, mismatch)
                failed = asked, mismatch
                if mismatch.index is None:  # evaluated without compiling: try all
                    following = next((other for other in tree if other not in tried), None)
                leaf = following
                continue
            leaf.hits += 1
            return self._done(leaf, outs, tree, args, kwargs, values, traced_here)
        if len(tree) >= config.minijax_jit_max_specializations and not traced_here:
            self._warn_once(tree, failed)
            return self._uncompiled(args, static, kwargs, values, structure)
        if config.jax_log_compiles:
            parameters = parameter_names(self.fun, len(args))
            log_compile(self.__name__, self.fun, key, [parameters[i] for i in sorted(static)], self.programs, failed)
        leaf, outs = self._specialise(args, kwargs, static, values, tree, traced_here)
        return self._done(leaf, outs, tree, args, kwargs, values, traced_here)

    def _done(
        self,
        leaf: Specialisation,
        outs: Sequence[Any],
        tree: Signature,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        values: Sequence[Any],
        traced_here: bool,
    ) -> Any:
        """The result of a call; the next one like it will be quicker."""
        if not traced_here:
            if not self.static_argnums and not kwargs and leaf in tree:
                self._remember(args, values, leaf, tree)
            if any(leaf.donated):
                give_away(self.__name__, tree.names, leaf.donated, values)
            tree.recent = leaf
        return tree_unflatten(leaf.out_tree, [finished(x) for x in outs])

    def _static(self, args: Sequence[Any]) -> set[int]:
        """Positions of the static arguments."""
        return {n % len(args) for n in self.static_argnums if -len(args) <= n < len(args)}

    def _dynamic(
        self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]
    ) -> tuple[list[int], dict[str, Any]]:
        """Positions of the arguments that are traced, and those with a name."""
        named = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        return [i for i in range(len(args)) if i not in static], named

    def _leaf_names(self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]) -> list[str]:
        """Names of the flat arguments, in their order."""
        names = parameter_names(self.fun, len(args))
        dynamic, named = self._dynamic(args, kwargs, static)
        return leaf_names([args[i] for i in dynamic], named, [names[i] for i in dynamic])

    def _donated(self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]) -> tuple[bool, ...]:
        """For each flat argument, whether its memory is given away."""
        given = {n % len(args) for n in self.donate_argnums if -len(args) <= n < len(args)}
        dynamic, named = self._dynamic(args, kwargs, static)
        marked = [tree_map(lambda _, flag=i in given: flag, args[i]) for i in dynamic]
        by_name = {k: tree_map(lambda _, flag=k in self.donate_argnames: flag, v) for k, v in named.items()}
        return tuple(tree_flatten((marked, by_name))[0])

    def _remember(self, args: Sequence[Any], values: Sequence[Any], leaf: Specialisation, tree: Signature) -> None:
        """Let the next call like this one go straight into the compiled program.

        Such calls are known by the avals of their arguments, if these are Arrays, or of their leaves, under the
        same configuration, outside of traces and named axes.
        """
        if config.debugging or state.axes or not all(type(x) is Array for x in tree_flatten(args)[0]):
            return
        config.trace_key()
        if self._configured is not config._state:
            self._hot.clear()
            self._configured = config._state
        body, captured = hoist_tracers(leaf.closed)
        if captured:
            return
        if leaf.run is None:
            places = tree_unflatten(leaf.out_tree, list(range(len(leaf.closed.out_avals))))
            run = lower.compiled(body).driver.arrays(places)
            leaf.run = donating(run, self.__name__, tree.names, leaf.donated) if any(leaf.donated) else run
        avals = tuple([x.aval for x in values])
        self._hot[avals if all(type(x) is Array for x in args) else (tree_flatten(args)[1], *avals)] = tree

    def _specialise(
        self,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        static: set[int],
        values: list[Any],
        tree: Signature,
        traced_here: bool,
    ) -> tuple[Specialisation, list[Any]]:
        """Trace, keep the program, run it."""
        start = time.perf_counter()
        traced = self._stage(args, kwargs, static)
        closed, between = traced.closed, time.perf_counter()
        donated = usable(tree.donated, closed.in_avals, closed.out_avals)
        guarded = GUARD in closed.effects
        guards: list[Eqn] = []
        if not traced_here and not config.debugging:
            warn_of_unusable(self.__name__, tree, donated, closed)
            program = lower.compiled(hoist_tracers(closed)[0])
            guards = guards_of(program.closed) if guarded else []
        elif not traced_here and guarded:
            guards = guards_of(lower.optimised(closed))
        leaf = Specialisation(closed, traced.out_tree, outcomes_of(guards), donated)
        if not any(type(x) is Tracer for x in closed.consts) and not (traced_here and guarded):
            with _lock:
                tree.insert(leaf, guards)
        if config.jax_log_compiles and not traced_here:
            logger.warning(
                "jit(%s): traced %d equations in %.3f s, compiled in %.3f s",
                self.__name__,
                len(closed.eqns),
                between - start,
                time.perf_counter() - between,
            )
        outs = self._run(closed, values)
        leaf.hits += 1
        return leaf, outs

    def _uncompiled(
        self, args: Sequence[Any], static: set[int], kwargs: dict[str, Any], values: Sequence[Any], structure: Any
    ) -> Any:
        """The call as it is without jit, on Arrays."""
        dynamic, named = tree_unflatten(structure, values)
        given = iter(dynamic)
        whole = [x if i in static else next(given) for i, x in enumerate(args)]
        static_named = {k: v for k, v in kwargs.items() if k in self.static_argnames}
        outs, out_tree = flatten_values(self.fun(*whole, **named, **static_named))
        return tree_unflatten(out_tree, [finished(x) for x in outs])

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

    def _flatten(self, args: Sequence[Any], kwargs: dict[str, Any], static: set[int]) -> tuple[list[Any], Any]:
        dynamic = [x for i, x in enumerate(args) if i not in static]
        try:
            values, structure = flatten_values(
                (dynamic, {k: v for k, v in kwargs.items() if k not in self.static_argnames})
            )
        except TypeError as error:
            raise self._not_an_array(args, static, error) from None
        for x in values:
            if type(x) is Array:
                raw(x)  # raises for one that was deleted
        return values, structure

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
    ) -> Key:
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
        return Key(structure, tuple([x.aval for x in values]), statics, named, typed, config.trace_key(), axes)

    def _warn_once(self, tree: Signature, failed: tuple[Eqn | None, GuardMismatch] | None) -> None:
        if self._warned:
            return
        self._warned = True
        eqn = None if failed is None else failed[0]
        warnings.warn(
            teach(
                f"jit({self.__name__}) has {len(tree)} specialisations for these types; what takes yet another way is evaluated "
                "without being compiled",
                at=None if eqn is None else describe(eqn.source),
                why="a Python branch or loop depends on a traced value and keeps going new ways",
                do="use minijax.lax.cond, minijax.lax.while_loop or minijax.numpy.where there; or raise "
                "config.update('minijax_jit_max_specializations', n)",
            ),
            UserWarning,
            stacklevel=4,
        )

    def trace(self, *args: Any, **kwargs: Any) -> Staged:
        """The traced program for these arguments (arrays or `ShapeDtypeStruct`s)."""
        static = self._static(args)
        traced = self._stage(args, kwargs, static)
        dynamic, named = self._dynamic(args, kwargs, static)
        _, structure = tree_flatten((tuple([args[i] for i in dynamic]), named))
        names = self._leaf_names(args, kwargs, static)
        return Staged(Call(self.__name__, traced, structure, tuple(names), self._donated(args, kwargs, static)))

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


class _Bound:
    """A jitted method bound to its instance."""

    def __init__(self, jitted: Jitted, instance: Any) -> None:
        self.jitted = jitted
        self.instance = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.jitted(self.instance, *args, **kwargs)
