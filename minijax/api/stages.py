"""The stages of a jitted function: traced, lowered, compiled.

    jit(f).trace(x)      Staged     the Jaxpr
          .lower()       Lowered    the optimised Jaxpr and its kernels, as readable source
          .compile()     Compiled   machine code, to be called

Each knows the types of its arguments and results. The same words as JAX's ahead-of-time interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import lower
from ..array import Array, finished, raw
from ..errors import JaxRuntimeError, teach
from ..ir import ClosedJaxpr, GuardMismatch, ShapedArray, guards_of
from ..ir.trace import describe
from ..structured._bodies import hoist_tracers
from ..tree import tree_unflatten
from ._calls import Traced, flatten_values
from .stage import ShapeDtypeStruct

__all__ = ["ArgInfo", "CompiledMemoryStats", "Compiled", "Lowered", "Staged"]


class ArgInfo(NamedTuple):
    """What is known of an argument before the call."""

    shape: tuple[int, ...]
    dtype: Any
    donated: bool


class CompiledMemoryStats(NamedTuple):
    """Bytes of a compiled program's arguments, results, and what it needs in between."""

    argument_size_in_bytes: int
    output_size_in_bytes: int
    alias_size_in_bytes: int
    temp_size_in_bytes: int
    generated_code_size_in_bytes: int = 0


class Call(NamedTuple):
    """What all stages know of a call.

    Attributes:
        name: of the function.
        traced: the program.
        in_tree: the structure of `(args, kwargs)`, static arguments left out.
        names: of the flat arguments.
        donated: for each flat argument, whether its memory may be used.
    """

    name: str
    traced: Traced
    in_tree: Any
    names: tuple[str, ...]
    donated: tuple[bool, ...]


class Stage:
    """The types of a program's arguments and results."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __repr__(self) -> str:
        avals = ", ".join(
            f"{n}: {a.str_short()}" for n, a in zip(self._call.names, self._closed.in_avals, strict=True)
        )
        return f"{type(self).__name__}({self._call.name}({avals}))"

    @property
    def _closed(self) -> ClosedJaxpr:
        return self._call.traced.closed

    @property
    def fun_name(self) -> str:
        """The name of the function."""
        return self._call.name

    @property
    def in_tree(self) -> Any:
        """The structure of `(args, kwargs)`."""
        return self._call.in_tree

    @property
    def out_tree(self) -> Any:
        """The structure of the result."""
        return self._call.traced.out_tree

    @property
    def in_avals(self) -> Any:
        """Avals of the arguments, as `(args, kwargs)`."""
        return tree_unflatten(self.in_tree, list(self._closed.in_avals))

    @property
    def out_avals(self) -> Any:
        """Avals of the result, as a tree."""
        return tree_unflatten(self.out_tree, list(self._closed.out_avals))

    @property
    def args_info(self) -> Any:
        """`ArgInfo` of each argument, as `(args, kwargs)`."""
        pairs = zip(self._closed.in_avals, self._call.donated, strict=True)
        return tree_unflatten(self.in_tree, [ArgInfo(a.shape, a.dtype, donated) for a, donated in pairs])

    @property
    def donate_argnums(self) -> tuple[int, ...]:
        """Numbers of the flat arguments that are donated."""
        return tuple([i for i, donated in enumerate(self._call.donated) if donated])

    @property
    def out_info(self) -> Any:
        """Types of the results, as a tree of `ShapeDtypeStruct`s."""
        avals = self._closed.out_avals
        return tree_unflatten(
            self.out_tree, [ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in avals]
        )


class Staged(Stage):
    """A traced call: `jit(f).trace(...)`. JAX calls it Traced."""

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The program as it was traced."""
        return self._closed

    def lower(self) -> Lowered:
        """Optimise the program and plan its kernels."""
        return Lowered(self._call)


class Lowered(Stage):
    """A program before it is machine code: `jit(f).lower(...)`."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._body, self._captured = hoist_tracers(call.traced.closed)
        self._program: lower.Lowered | None = None

    @property
    def _lowered(self) -> lower.Lowered:
        if self._program is None:
            self._program = lower.lower_program(self._body)
        return self._program

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The program as it was traced."""
        return self._closed

    def as_text(self, dialect: str | None = None) -> str:
        """The program as text.

        Args:
            dialect: "jaxpr", the optimised Jaxpr; "python", the kernels as Python source that runs as it stands; "llvm",
                the LLVM IR that runs; None: the first two.

        Raises:
            ValueError: there is no such dialect.
        """
        return _text(self._lowered, dialect)

    def compiler_ir(self, dialect: str | None = None) -> Any:
        """The optimised Jaxpr (None or "jaxpr"), or `as_text(dialect)`."""
        return self._lowered.closed if dialect in (None, "jaxpr") else self.as_text(dialect)

    def cost_analysis(self) -> dict[str, float]:
        """Estimates: "flops" (operations) and "bytes accessed" (bytes that kernels and calls read and write)."""
        return _costs(self._lowered)

    def compile(self, compiler_options: Any = None) -> Compiled:
        """Machine code for the program."""
        return Compiled(self._call, self._body, self._captured)


class Compiled(Stage):
    """A compiled program, called with the arguments it was lowered for, without the static ones."""

    def __init__(self, call: Call, body: ClosedJaxpr, captured: Sequence[Any]) -> None:
        super().__init__(call)
        if captured:
            raise ValueError(
                f"{call.name} cannot be compiled ahead of its call: it closes over values that are being traced. "
                "Pass them as arguments."
            )
        self._program = lower.compiled(body)
        self._body = body  # keeps the entry of the cache

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values, structure = flatten_values((args, kwargs))
        if structure != self.in_tree:
            raise TypeError(
                teach(
                    f"Function compiled with input pytree does not match the input pytree it was called with: {self.fun_name} "
                    f"was compiled for {self.in_tree}, called with {structure}",
                    why="static arguments are part of the compiled program and are not passed again",
                )
            )
        self._check(values)
        try:
            outs = self._program.run(*[raw(x) for x in values])
        except GuardMismatch as error:
            raise self._other_branch(error) from None
        return tree_unflatten(
            self.out_tree, [finished(Array(x, a)) for x, a in zip(outs, self._closed.out_avals, strict=True)]
        )

    def _check(self, values: Sequence[Any]) -> None:
        wrong = [
            f"Argument '{name}' compiled with {_short(aval)} and called with {_short(x.aval)}"
            for name, aval, x in zip(self._call.names, self._closed.in_avals, values, strict=True)
            if (aval.shape, aval.dtype) != (x.aval.shape, x.aval.dtype)
        ]
        if wrong:
            raise TypeError(
                teach(
                    "Argument types differ from the types for which this computation was compiled. The mismatches are:\n"
                    + "\n".join(wrong),
                    do="lower and compile again for these types, or call the jitted function itself",
                )
            )

    def _other_branch(self, error: GuardMismatch) -> JaxRuntimeError:
        asked = [eqn for eqn in guards_of(self._closed) if eqn.params["value"] == error.expected]
        return JaxRuntimeError(
            teach(
                f"{self.fun_name} was compiled for a branch whose condition was {error.expected}; now it is {error.outcome}",
                at=describe(asked[0].source) if asked else None,
                why="a Python branch on a traced value was captured when the function was lowered",
                do="call the jitted function itself, which has a program per branch; or use minijax.lax.cond there",
            )
        )

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The optimised program."""
        return self._program.closed

    def as_text(self, dialect: str | None = None) -> str:
        """The program as text, see `Lowered.as_text`."""
        return _text(lower.Lowered(self._program.closed, list(self._program.steps)), dialect)

    def cost_analysis(self) -> dict[str, float]:
        """Estimates, see `Lowered.cost_analysis`."""
        return _costs(lower.Lowered(self._program.closed, list(self._program.steps)))

    def memory_analysis(self) -> CompiledMemoryStats:
        """Bytes of arguments, results and intermediate values."""
        closed = self._program.closed
        made = {v: v.aval for step in self._program.steps for v in _made(step)}
        for atom in closed.jaxpr.outvars:
            made.pop(atom, None)  # type: ignore[call-overload]
        inside = [aval for var, aval in made.items() if var not in self._program.driver.workspace.places]
        return CompiledMemoryStats(
            _bytes(closed.in_avals),
            _bytes(closed.out_avals),
            0,
            self._program.driver.workspace.size + _bytes(inside),
        )


def _made(step: Any) -> list[Any]:
    if hasattr(step, "outs"):
        return [v for v in step.outs if v is not None]
    return [v for v, written in zip(step.variables, step.written, strict=True) if written]


def _bytes(avals: Sequence[ShapedArray]) -> int:
    return sum(a.size * a.itemsize for a in avals)


def _short(aval: ShapedArray) -> str:
    return f"{aval.dtype.name}[{','.join(map(str, aval.shape))}]"


def _costs(program: lower.Lowered) -> dict[str, float]:
    cost = program.cost
    return {"flops": cost.flops, "bytes accessed": cost.bytes}


def _text(program: lower.Lowered, dialect: str | None) -> str:
    if dialect is None:
        return f"{program.closed}\n\n{program.readable.source}"
    if dialect == "jaxpr":
        return str(program.closed)
    if dialect == "python":
        return program.readable.source
    if dialect == "llvm":
        return program.llvm
    raise ValueError(f'as_text: dialect {dialect!r} is not one of "jaxpr", "python", "llvm"')
