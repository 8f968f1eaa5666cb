"""Errors that teach: one class per situation; its docstring is its page.

In: what happened, where, why and what to write instead. Out: exceptions whose message has these four parts, always in
this order (`teach` builds it), and whose class explains the situation with the code before and after. The types
are JAX's, so that `except` clauses written for JAX keep working.
"""

from __future__ import annotations

__all__ = [
    "CheckError",
    "ConcretizationTypeError",
    "GradientStopsWarning",
    "InconclusiveDimensionOperation",
    "JAXIndexError",
    "JAXTypeError",
    "JaxRuntimeError",
    "JaxprSyntaxError",
    "JaxprTypeError",
    "KeyReuseError",
    "MissingRuleError",
    "NonConcreteBooleanIndexError",
    "TracerArrayConversionError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "TypePromotionError",
    "UnexpectedTracerError",
    "teach",
]


def teach(first: str, *, at: str | None = None, why: str | None = None, do: str | None = None) -> str:
    """The four-part message of an error.

    Args:
        first: what happened, with the values in it; complete on its own, because log viewers show only this line.
        at: the user's place and text, `file:line in f: text`.
        why: the reason.
        do: the rewrite, as code that can be pasted.

    Returns:
        The parts that are there, in this order, one per line.

    Example:
        >>> print(teach("`x > 0` has no value here", at="model.py:12 in f: if x > 0:", do="where(x > 0, a, b)"))
        `x > 0` has no value here
          at model.py:12 in f: if x > 0:
          do:  where(x > 0, a, b)
    """
    parts = [first]
    if at:
        parts.append(f"  at {at}")
    parts += [f"  {label:<4} {text}" for label, text in (("why:", why), ("do:", do)) if text]
    return "\n".join(parts)


class JAXTypeError(TypeError):
    """What the errors about types of traced values have in common."""


class JAXIndexError(IndexError):
    """What the errors about indices of traced values have in common."""


class JaxRuntimeError(RuntimeError):
    """A program failed while it ran, for instance in a callback."""


class CheckError(ValueError):
    """A condition of `experimental.checkify.check` does not hold, or a check that `checkify` added failed.

    Before:
        >>> from minijax.experimental import checkify
        >>> def root(x):
        ...     checkify.check(x >= 0, "x must not be negative, got {}", x)
        ...     return mj.numpy.sqrt(x)
        >>> root(mj.numpy.float32(-1.0))
        Traceback (most recent call last):
        ...
        minijax.errors.CheckError: x must not be negative, got -1.0 (`check` failed)
        ...

    After: give arguments for which it holds, or ask for failures as values.
        >>> failure, value = checkify.checkify(root)(-1.0)
        >>> failure.get().splitlines()[0]
        'x must not be negative, got -1.0 (`check` failed)'
    """


class InconclusiveDimensionOperation(Exception):
    """A comparison of sizes that are not known; sizes are always known here, so minijax itself never raises it."""


class ConcretizationTypeError(JAXTypeError):
    """Python asked a traced value for a number, and there is none.

    Under `vmap`, inside the body of a loop, or for a `ShapeDtypeStruct`, a traced value stands for many values or for none.
    Under `jit` even a known value is not given away: the program would be compiled again for each.

    Before:
        >>> import math
        >>> mj.jit(lambda x: math.sin(float(x)))(1.0)
        Traceback (most recent call last):
        ...
        minijax.errors.ConcretizationTypeError: ...

    After:
        >>> mj.jit(lambda x: mj.numpy.sin(x))(0.0)
        Array(0., dtype=float32, weak_type=True)
    """


class TracerBoolConversionError(ConcretizationTypeError):
    """Python must choose a branch (`if`, `while`, `and`, `assert`, `min`) by a value that is not known.

    Where the value is known (under `grad`, `jit`, `jacfwd`, ...) the branch is captured instead.

    Before (`x` is many values):
        >>> xs = mj.numpy.array([-1.0, 2.0])
        >>> mj.vmap(lambda x: x if x > 0 else -x)(xs)
        Traceback (most recent call last):
        ...
        minijax.errors.TracerBoolConversionError: ...

    After:
        >>> mj.vmap(lambda x: mj.numpy.where(x > 0, x, -x))(xs)
        Array([1., 2.], dtype=float32)
    """


class TracerIntegerConversionError(JAXTypeError):
    """Python needs an integer (`range(n)`, `some_list[i]`) from a traced value that is not known.

    Before:
        >>> table = [10.0, 20.0, 30.0]
        >>> mj.vmap(lambda i: table[i])(mj.numpy.arange(2))
        Traceback (most recent call last):
        ...
        minijax.errors.TracerIntegerConversionError: ...

    After:
        >>> mj.vmap(lambda i: mj.numpy.asarray(table)[i])(mj.numpy.arange(2))
        Array([10., 20.], dtype=float32)
    """


class TracerArrayConversionError(JAXTypeError):
    """A traced value was handed to something that wants a NumPy array.

    NumPy's own functions are sent to `minijax.numpy`; libraries that convert to NumPy cannot be differentiated: use the
    function of minijax, wrap theirs in `custom_jvp`, or compute what does not depend on the input outside.

    Before:
        >>> import numpy as np
        >>> mj.jit(lambda x: np.asarray(x) * 2.0)(1.0)
        Traceback (most recent call last):
        ...
        minijax.errors.TracerArrayConversionError: ...

    After:
        >>> mj.jit(lambda x: mj.numpy.asarray(x) * 2.0)(1.0)
        Array(2., dtype=float32, weak_type=True)
    """


class NonConcreteBooleanIndexError(JAXIndexError):
    """A boolean mask as an index gives a result whose shape depends on values that are not known.

    Before:
        >>> x = mj.numpy.arange(3.0)
        >>> mj.jit(lambda x: x[x > 0].sum())(x)
        Traceback (most recent call last):
        ...
        minijax.errors.NonConcreteBooleanIndexError: ...

    After:
        >>> mj.jit(lambda x: mj.numpy.where(x > 0, x, 0.0).sum())(x)
        Array(3., dtype=float32)
    """


class UnexpectedTracerError(JAXTypeError):
    """A traced value was used after the transformation that made it had ended.

    Before:
        >>> seen = []
        >>> gradient = mj.grad(lambda x: seen.append(x) or x * x)(1.0)
        >>> seen[0] + 1
        Traceback (most recent call last):
        ...
        minijax.errors.UnexpectedTracerError: ...

    After (values leave a function by its results):
        >>> gradient, x = mj.grad(lambda x: (x * x, x), has_aux=True)(1.0)
        >>> float(x + 1)
        2.0
    """


class KeyReuseError(JAXTypeError):
    """A random key was used twice, which gives the same numbers twice.

    Before: `a, b = random.normal(key), random.normal(key)` makes `a == b`.
    After: `first, second = random.split(key)`, one for each.
    """


class MissingRuleError(NotImplementedError):
    """A primitive has no rule for what is asked of it (differentiation, transposition, batching).

    Before: a gradient through `nextafter`, which has no derivative.
    After: compute that part outside of what is differentiated (`lax.stop_gradient`), or give the rule with `custom_jvp`.
    """


class TypePromotionError(ValueError, TypeError):
    """Two dtypes do not meet in the promotion lattice, or may not meet while `jax_numpy_dtype_promotion` is "strict".

    A ValueError as in JAX, and a TypeError as in NumPy, which raises one where two dtypes have no common dtype.

    Before:
        >>> with mj.numpy_dtype_promotion("strict"):
        ...     mj.numpy.result_type("int32", "float32")
        Traceback (most recent call last):
        ...
        minijax.errors.TypePromotionError: ...

    After: convert one of them, `x.astype("float32")`.
    """


class GradientStopsWarning(UserWarning):
    """Python took a number out of a function that is being differentiated.

    `float(x)`, `x.item()` and `np.asarray(x)` give the value, and what is computed with it by Python, `math`, SciPy or pandas
    is a constant to the derivative. Printing and formatting (`f"{x:.3f}"`) do not warn, nor does a value behind
    `lax.stop_gradient`, an integer or a bool.

    Before (the derivative of exp(x) is not 0):
        >>> import math, warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     mj.grad(lambda x: x + math.exp(x))(0.0)
        Array(1., dtype=float32, weak_type=True)
        >>> print(str(caught[0].message).split("\\n")[0])
        float() of a traced value (f32[]): the gradient stops here

    After:
        >>> mj.grad(lambda x: x + mj.numpy.exp(x))(0.0)
        Array(2., dtype=float32, weak_type=True)

    After, where a constant is meant:
        >>> mj.grad(lambda x: x + math.exp(mj.lax.stop_gradient(x)))(0.0)
        Array(1., dtype=float32, weak_type=True)
    """


class JaxprTypeError(TypeError):
    """A Jaxpr is not well formed: a variable used before it is defined, or an aval that its equation does not give.

    A Jaxpr traced by minijax always is: the cause is a hand-written Jaxpr or a wrong rule. `ir.check_jaxpr` raises it.
    """


class JaxprSyntaxError(ValueError):
    """The text of a Jaxpr cannot be read.

    Args:
        message: what is wrong.
        line, column: where, from 1.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.message = message
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[type, tuple[str, int, int]]:
        # Exceptions are copied with their `args`, here the finished text: the place would be written twice.
        return type(self), (self.message, self.line, self.column)
