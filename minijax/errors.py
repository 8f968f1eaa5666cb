"""Errors that teach: one class per situation; its docstring is its page.

Every message has the same four parts, in this order: what happened, with the values in it; where (`at`); why; and the
rewrite that works (`do`). `teach` builds it.
"""

from __future__ import annotations

__all__ = [
    "ConcretizationTypeError",
    "JaxprSyntaxError",
    "JaxprTypeError",
    "MissingRuleError",
    "NonConcreteBooleanIndexError",
    "TracerArrayConversionError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "UnexpectedTracerError",
    "teach",
]


def teach(first: str, *, at: str | None = None, why: str | None = None, do: str | None = None) -> str:
    """The four-part message: `first` is complete on its own; `at` a place, `why` a reason, `do` code to paste."""
    parts = [first]
    parts += [f"  {label}: {text}" for label, text in (("why", why), ("do ", do)) if text]
    if at:
        parts.insert(1, f"  at {at}")
    return "\n".join(parts)


class ConcretizationTypeError(TypeError):
    """Python asked a traced value for a number, and there is none.

    Under `vmap`, inside the body of a loop, or for a `ShapeDtypeStruct`, a traced value stands for many values or for none.
    Under `jit` even a known value is not given away: the program would be compiled again for each.

        jit(lambda x: math.sin(float(x)))      # raises
        jit(lambda x: minijax.numpy.sin(x))    # works
    """


class TracerBoolConversionError(ConcretizationTypeError):
    """Python must choose a branch (`if`, `while`, `and`, `assert`, `min`) by a value that is not known.

        vmap(lambda x: x if x > 0 else -x)                     # raises: x is many values
        vmap(lambda x: minijax.numpy.where(x > 0, x, -x))      # works

    Where the value is known (under `grad`, `jit`, `jacfwd`, ...) the branch is captured instead.
    """


class TracerIntegerConversionError(TypeError):
    """Python needs an integer (`range(n)`, `some_list[i]`) from a traced value that is not known.

    vmap(lambda i: table[i])                               # raises for a list
    vmap(lambda i: minijax.numpy.asarray(table)[i])        # works
    """


class TracerArrayConversionError(TypeError):
    """A traced value was handed to something that wants a NumPy array.

        grad(lambda x: scipy.special.expit(x))                 # raises
        grad(lambda x: minijax.nn.sigmoid(x))                  # works

    NumPy's own functions are sent to `minijax.numpy`; libraries that convert to NumPy cannot be differentiated: wrap them
    in `custom_jvp`, or compute what does not depend on the input outside.
    """


class NonConcreteBooleanIndexError(IndexError):
    """A boolean mask as an index gives a result whose shape depends on values that are not known.

    jit(lambda x, m: x[m].sum())                           # raises
    jit(lambda x, m: minijax.numpy.where(m, x, 0).sum())   # works
    """


class UnexpectedTracerError(Exception):
    """A traced value was used after the transformation that made it had ended.

        seen = []
        grad(lambda x: seen.append(x) or x * x)(1.0)
        seen[0] + 1                                            # raises

    Return the value instead (`has_aux=True`), or print it with `debug.print`.
    """


class MissingRuleError(NotImplementedError):
    """A primitive has no rule for what is asked of it (differentiation, transposition, batching)."""


class JaxprTypeError(TypeError):
    """A Jaxpr is not well formed: a variable used before it is defined, or an aval that its equation does not give."""


class JaxprSyntaxError(ValueError):
    """The text of a Jaxpr cannot be read.

    Args:
        message: what is wrong.
        line, column: where, from 1.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.line = line
        self.column = column
