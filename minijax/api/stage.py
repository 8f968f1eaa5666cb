"""Looking at a program without running it: make_jaxpr, eval_shape, ShapeDtypeStruct, closure_convert, typeof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from ..array import Array, as_value, finished
from ..dtypes import canonicalize_dtype, float0
from ..interpreters.eval import eval_jaxpr
from ..ir import ClosedJaxpr, ShapedArray, Tracer, aval_like, state
from ..tree import leaf_names, tree_flatten, tree_map, tree_unflatten
from ._calls import FlatFunction, Traced, check_callable, function_name, parameter_names, trace_flat

__all__ = [
    "ShapeDtypeStruct",
    "closure_convert",
    "ensure_compile_time_eval",
    "eval_shape",
    "make_jaxpr",
    "stage_call",
    "typeof",
]


class ShapeDtypeStruct:
    """The type of an array without its value: what `eval_shape` returns and `make_jaxpr` accepts.

    Args:
        shape: tuple of ints.
        dtype: anything NumPy takes for a dtype.
        weak_type: whether the dtype gives way in promotion.

    Example:
        >>> import minijax as mj, numpy as np
        >>> mj.ShapeDtypeStruct((2, 3), np.float32)
        ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    __slots__ = ("dtype", "shape", "sharding", "weak_type")

    def __init__(self, shape: Sequence[int], dtype: Any, *, sharding: Any = None, weak_type: bool = False) -> None:
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.weak_type = weak_type
        self.sharding = sharding

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ShapeDtypeStruct):
            return NotImplemented
        return (self.shape, self.dtype, self.weak_type) == (other.shape, other.dtype, other.weak_type)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak})"


def abstract_leaf(x: Any) -> tuple[ShapedArray, Any]:
    """(aval, value) of an argument leaf; the value is None for a `ShapeDtypeStruct`-like."""
    if type(x) is Array or type(x) is Tracer:
        return x.aval, x
    if hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, (np.ndarray, np.generic)):
        dtype = canonicalize_dtype(np.dtype(x.dtype))
        return ShapedArray(tuple(x.shape), dtype, bool(getattr(x, "weak_type", False))), None
    value = as_value(x)
    return aval_like(value), value


def stage_call(
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    static_argnums: Sequence[int] = (),
    purpose: str = "make_jaxpr",
) -> Traced:
    """Trace `fun(*args, **kwargs)` with every operation recorded, constants included."""
    static = {n % len(args) for n in static_argnums if -len(args) <= n < len(args)}
    dynamic = [i for i in range(len(args)) if i not in static]
    leaves, structure = tree_flatten(([args[i] for i in dynamic], kwargs))
    pairs = [abstract_leaf(x) for x in leaves]

    def call(trees: tuple[Sequence[Any], dict[str, Any]]) -> Any:
        given = dict(zip(dynamic, trees[0], strict=True))
        return fun(*[given.get(i, x) for i, x in enumerate(args)], **trees[1])

    call.__name__ = function_name(fun)

    def names() -> list[str]:
        all_names = parameter_names(fun, len(args))
        return leaf_names([args[i] for i in dynamic], kwargs, [all_names[i] for i in dynamic])

    return trace_flat(
        FlatFunction(call, [None], {}, (0,), (structure,)),
        [value for _, value in pairs],
        avals=[aval for aval, _ in pairs],
        purpose=purpose,
        names=names,
        staging=True,
    )


def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Sequence[Any] | None = None,
    return_shape: bool = False,
) -> Callable[..., Any]:
    """The program of a function: trace it and return the Jaxpr.

    Args:
        fun: the function.
        static_argnums: positions of arguments that stay Python values.
        axis_env: accepted for compatibility, must be empty: put the function in a vmap instead.
        return_shape: also return the types of the outputs.

    Returns:
        A function with the arguments of `fun` (arrays or `ShapeDtypeStruct`s) that returns a `ClosedJaxpr`, or a
        pair (ClosedJaxpr, tree of `ShapeDtypeStruct`).

    Note:
        Python branches on values are captured as `guard` equations when the arguments have values.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.make_jaxpr(lambda x: mnp.sin(x) * 2.0)(1.0)
        { lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b 2.0:f32[] in (c,) }
    """
    check_callable(fun)
    if axis_env:
        raise NotImplementedError("axis_env is not supported: call make_jaxpr(vmap(f, axis_name=...)) instead")
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun, updated=())
    def make_jaxpr_f(*args: Any, **kwargs: Any) -> Any:
        traced = stage_call(fun, args, kwargs, static)
        return (traced.closed, _shapes(traced)) if return_shape else traced.closed

    return make_jaxpr_f


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The types of the outputs of a function, without computing anything.

    Args:
        fun: the function.
        *args, **kwargs: trees of arrays or `ShapeDtypeStruct`s.

    Returns:
        A tree of `ShapeDtypeStruct`s.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> mj.eval_shape(mnp.dot, mnp.ones((2, 3)), mnp.ones(3))
        ShapeDtypeStruct(shape=(2,), dtype=float32)
    """
    check_callable(fun)
    types = tree_map(_as_struct, (args, kwargs))
    return _shapes(stage_call(fun, types[0], types[1], purpose="eval_shape"))


def _as_struct(x: Any) -> Any:
    aval, _ = abstract_leaf(x)
    return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _shapes(traced: Traced) -> Any:
    avals = traced.closed.out_avals
    return tree_unflatten(traced.out_tree, [ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in avals])


def typeof(x: Any) -> ShapedArray:
    """The aval (shape, dtype, weak type) of an array or scalar.

    Example:
        >>> import minijax as mj
        >>> mj.typeof(1.0)
        ShapedArray(float32[], weak_type=True)
    """
    return abstract_leaf(x)[0]


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Turn the traced values that a function closes over into arguments.

    Args:
        fun: a function of arrays that may close over values being differentiated.
        *example_args: arguments to trace it with.

    Returns:
        (converted, consts): `converted(*args, *consts)` equals `fun(*args)` and closes over no traced value.

    Example:
        >>> import minijax as mj
        >>> converted, consts = mj.closure_convert(lambda x: 2.0 * x, 1.0)
        >>> float(converted(3.0, *consts))
        6.0
    """
    check_callable(fun)
    traced = stage_call(fun, example_args, {}, purpose="closure_convert")
    closed: ClosedJaxpr = traced.closed
    captured = [i for i, x in enumerate(closed.consts) if type(x) is Tracer]
    in_tree = tree_flatten(list(example_args))[1]

    def converted(*args_and_consts: Any) -> Any:
        split = len(args_and_consts) - len(captured)
        leaves, structure = tree_flatten(list(args_and_consts[:split]))
        if structure != in_tree:
            raise TypeError(f"closure-converted function called with structure {structure}, traced with {in_tree}")
        consts = list(closed.consts)
        for place, value in zip(captured, args_and_consts[split:], strict=True):
            consts[place] = value
        values = [x if getattr(x, "dtype", None) == float0 else as_value(x) for x in leaves]
        outs = eval_jaxpr(closed.jaxpr, consts, *values)
        return tree_unflatten(traced.out_tree, [finished(x) for x in outs])

    return converted, [closed.consts[i] for i in captured]


@contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """Inside, operations on constants are computed now, even while a jit or make_jaxpr is tracing.

    Example:
        >>> import minijax as mj, minijax.numpy as mnp
        >>> def f(x):
        ...     with mj.ensure_compile_time_eval():
        ...         table = mnp.arange(3.0) ** 2
        ...     return x + table
        >>> len(mj.make_jaxpr(f)(1.0).eqns)
        1
    """
    before = state.staging
    state.staging = None
    try:
        yield
    finally:
        state.staging = before
