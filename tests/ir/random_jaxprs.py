"""A hypothesis strategy of random well-typed programs, and inputs for them.

In: bounds. Out: `Program(closed, inputs)`: elementwise operations, movement, reductions, comparisons with select,
conversions, constants, guards and calls (`jit`) of random sub-programs, some of them shared. Inputs contain the
values on which rewriting goes wrong: -0.0, inf, nan, denormals.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np

import minijax.ir as ir
from minijax.array import wrap
from minijax.config import disable_jit
from minijax.interpreters.eval import eval_closed

FLOAT, INT = np.dtype("float32"), np.dtype("int32")
SHAPES = [(), (3,), (2, 3)]
UNARY = ["neg", "sin", "tanh", "abs", "sign", "square", "exp", "floor"]
BINARY = ["add", "sub", "mul", "div", "max", "min"]
COMPARISONS = ["lt", "ge", "eq"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, -3.25, np.inf, -np.inf, np.nan, 1e-40, 3e38]


class Program(NamedTuple):
    """A closed program and one list of input values."""

    closed: ir.ClosedJaxpr
    inputs: list[Any]

    def run(self, closed: ir.ClosedJaxpr | None = None) -> list[np.ndarray]:
        """The results of `closed` (default: the program itself) at the inputs, by NumPy alone."""
        with disable_jit():
            results = eval_closed(closed or self.closed, *self.inputs)
        return [np.asarray(x.value if type(x) is ir.Literal else x) for x in results]


def bits(values: list[np.ndarray]) -> list[Any]:
    """Values for comparison bit by bit; all nans are equal."""
    return [
        (x.dtype.name, x.shape, np.where(np.isnan(x), np.nan, x).astype(x.dtype).tobytes())
        if x.dtype.kind == "f"
        else (x.dtype.name, x.shape, x.tobytes())
        for x in values
    ]


def bind(name: str, /, *args: Any, **params: Any) -> Any:
    return ir.lookup(name).bind(*args, **params)


def literal(value: float, dtype: np.dtype) -> ir.Literal:
    return ir.Literal(dtype.type(value), ir.ShapedArray((), dtype))


@st.composite
def programs(draw: Any, max_equations: int = 14, depth: int = 2, guards: bool = True) -> Program:
    """Programs with inputs. Hypothesis draws length and seed only: its own choices are too small to find anything."""
    length = draw(st.integers(1, max_equations))
    dice = random.Random(draw(st.integers(0, 2**32)))
    avals = [
        ir.ShapedArray(dice.choice(SHAPES), dice.choice([FLOAT, FLOAT, FLOAT, INT]))
        for _ in range(dice.randint(1, 3))
    ]
    closed = _program(dice, avals, length, depth, guards)
    return Program(closed, [_values(dice, aval) for aval in avals])


def _values(dice: random.Random, aval: ir.ShapedArray) -> Any:
    pool = SPECIAL if aval.dtype == FLOAT else [0, 1, -1, 7, -(2**31)]
    return wrap(np.array(dice.choices(pool, k=aval.size), aval.dtype).reshape(aval.shape))


def _program(dice: random.Random, avals: list[Any], length: int, depth: int, guards: bool) -> ir.ClosedJaxpr:
    def function(*args: Any) -> list[Any]:
        values = list(args)
        bodies: list[ir.ClosedJaxpr] = []
        for _ in range(length):
            kinds = ["unary", "binary", "binary", "neutral", "movement", "reduction", "select", "convert", "constant"]
            kinds += ["guard"] * guards + ["call"] * (depth > 0)
            step = STEPS[dice.choice(kinds)]
            values += step(dice, values) if step is not _call else _call(dice, values, bodies, depth, guards)
        return dice.choices(values, k=dice.randint(1, 3))

    return ir.trace_function(function, avals, purpose="test", name="random_program", staging=True)


def _any(dice: random.Random, values: list[Any], dtype: np.dtype | None = None) -> Any:
    found = [x for x in values if dtype is None or x.dtype == dtype]
    return dice.choice(found) if found else literal(1.5, dtype or FLOAT)


def _partner(dice: random.Random, values: list[Any], x: Any) -> Any:
    """An operand that goes with `x` in an elementwise operation."""
    found = [y for y in values if y.dtype == x.aval.dtype and y.shape in ((), x.aval.shape)]
    if found and dice.random() < 0.5:
        return dice.choice(found)
    return literal(dice.choice(SPECIAL if x.aval.dtype == FLOAT else [0, 1, 2]), x.aval.dtype)


def _unary(dice: random.Random, values: list[Any]) -> list[Any]:
    x = _any(dice, values, FLOAT)
    return [bind(dice.choice(UNARY), x)]


def _binary(dice: random.Random, values: list[Any]) -> list[Any]:
    x = _any(dice, values)
    operands = [x, _partner(dice, values, x)]
    if dice.random() < 0.5:
        operands.reverse()
    return [bind(dice.choice(BINARY), *operands)]


def _neutral(dice: random.Random, values: list[Any]) -> list[Any]:
    """What the `simplify` rules look for."""
    x = _any(dice, values)
    dtype, shape = x.aval.dtype, x.aval.shape
    axes = tuple(range(len(shape)))
    choice = dice.randint(0, 7)
    if choice < 4:
        name, value = (("mul", 1), ("add", 0), ("sub", 0), ("add", -0.0))[choice]
        return [bind(name, x, literal(value, dtype))]
    if choice == 4:
        return [bind("neg", bind("neg", x))]
    if choice == 5:
        return [bind("integer_pow", x, y=1)]
    if choice == 6:
        return [bind("transpose", bind("transpose", x, permutation=axes[::-1]), permutation=axes[::-1])]
    return [bind("convert_element_type", x, new_dtype=dtype, weak_type=False)]


def _movement(dice: random.Random, values: list[Any]) -> list[Any]:
    x = _any(dice, values)
    shape, ndim = x.aval.shape, len(x.aval.shape)
    choice = dice.randint(0, 3)
    if choice == 0:
        return [
            bind(
                "reshape",
                bind("reshape", x, new_sizes=(x.aval.size,), dimensions=None),
                new_sizes=shape,
                dimensions=None,
            )
        ]
    if choice == 1:
        return [bind("transpose", x, permutation=tuple(reversed(range(ndim))))]
    if choice == 2 and ndim:
        return [bind("rev", x, dimensions=(0,))]
    return [bind("broadcast_in_dim", x, shape=(2, *shape), broadcast_dimensions=tuple(range(1, ndim + 1)))]


def _reduction(dice: random.Random, values: list[Any]) -> list[Any]:
    x = _any(dice, values)
    axes = tuple(range(len(x.aval.shape)))[: dice.randint(0, 2)]
    return [bind(dice.choice(["reduce_sum", "reduce_max"]), x, axes=axes)]


def _select(dice: random.Random, values: list[Any]) -> list[Any]:
    x = _any(dice, values)
    pred = bind(dice.choice(COMPARISONS), x, _partner(dice, values, x))
    if pred.shape != x.aval.shape:
        return []
    return [bind("select_n", pred, x, bind("neg", x))]


def _convert(dice: random.Random, values: list[Any]) -> list[Any]:
    x = _any(dice, values, INT)
    return [bind("convert_element_type", x, new_dtype=FLOAT, weak_type=dice.random() < 0.5)]


CONSTANTS = [wrap(np.array([1.0, -0.0, 3.0], np.float32)), wrap(np.ones((2, 3), np.float32))]


def _constant(dice: random.Random, values: list[Any]) -> list[Any]:
    return [bind("mul", dice.choice(CONSTANTS), literal(dice.choice([1, -2]), FLOAT))]


def _guard(dice: random.Random, values: list[Any]) -> list[Any]:
    bind("guard", _any(dice, values), kind="value", value="array")
    return []


def _call(
    dice: random.Random, values: list[Any], bodies: list[ir.ClosedJaxpr], depth: int, guards: bool
) -> list[Any]:
    """A call of a new body, or of one that was called before."""
    if bodies and dice.random() < 0.5:
        body = dice.choice(bodies)
    else:
        avals = [x.aval for x in dice.choices(values, k=dice.randint(1, 2))]
        body = _program(dice, avals, 5, depth - 1, guards)
        bodies.append(body)
    fitting = [[x for x in values if x.aval is aval] for aval in body.in_avals]
    operands = [dice.choice(found) for found in fitting]
    return list(bind("jit", *operands, jaxpr=body, name="body"))


STEPS: dict[str, Any] = {
    "unary": _unary,
    "binary": _binary,
    "neutral": _neutral,
    "movement": _movement,
    "reduction": _reduction,
    "select": _select,
    "convert": _convert,
    "constant": _constant,
    "guard": _guard,
    "call": _call,
}
