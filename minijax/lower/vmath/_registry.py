"""The table of functions, and the text that a kernel needs to use some of them.

Enters: Python functions over a `Block`, each marked by `@function(...)`. Leaves: FUNCTIONS (what exists), and `emit`:
definitions (inline form) or declarations with vector twins (call form) as LLVM IR text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from ._builder import FORMATS, Block, Value
from ._target import vector_widths

PREFIX = "@minijax_"
"""How the name of every function begins in a text that calls it."""
LOOP_MARK = ", !llvm.loop !0"
"""On the back edge of a loop that calls functions: they are interleaved with nothing, and no register lives across them."""
LOOP_METADATA = '!0 = distinct !{!0, !1}\n!1 = !{!"llvm.loop.interleave.count", i32 1}\n'
DTYPES = ("f32", "f64")
FUNCTIONS: dict[str, int] = {}
"""{name: number of arguments}."""
INLINABLE: set[tuple[str, str]] = set()
"""The (name, dtype) whose code is straight-line, so that it can be pasted into a loop that is to be vectorised."""
_BODIES: dict[str, Callable[..., Value]] = {}

Use = tuple[str, str]


class Definition(NamedTuple):
    """One LLVM function: `text` defines `symbol`; it needs the intrinsics `declares` and the functions `helpers`."""

    symbol: str
    text: str
    declares: dict[str, str]
    helpers: dict[str, str]


class Emission(NamedTuple):
    """What a kernel's module contains for the functions it uses; the package docstring explains the parts."""

    text: str
    declares: dict[str, str]
    used: tuple[str, ...]
    externals: tuple[Use, ...]


def function(
    name: str, arity: int = 1, branches: Iterable[str] = ()
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Register a body `(block, *arguments) -> Value` as the function `name`.

    Args:
        name: its name.
        arity: its number of arguments.
        branches: the dtypes for which it contains a branch, so that it cannot be inlined.
    """

    def register(body: Callable[..., Value]) -> Callable[..., Value]:
        FUNCTIONS[name] = arity
        _BODIES[name] = body
        INLINABLE.update((name, dtype) for dtype in DTYPES if dtype not in branches)
        return body

    return register


def symbol(name: str, dtype: str, width: int | None = None) -> str:
    """The LLVM name of a function: scalar, or its twin for vectors of `width` elements.

    Example:
        >>> symbol("exp", "f32"), symbol("exp", "f32", 8)
        ('minijax_exp_f32', 'minijax_exp_f32_x8')
    """
    return f"minijax_{name}_{dtype}" + ("" if width is None else f"_x{width}")


@cache
def definition(name: str, dtype: str, width: int | None = None, inline: bool = False) -> Definition:
    """The LLVM definition of one function, scalar or for a vector."""
    block = Block(FORMATS[dtype], width)
    kind = block.type_of(block.format.real)
    arguments = [Value(block, block.format.real, f"%x{k}") for k in range(FUNCTIONS[name])]
    result = _BODIES[name](block, *arguments)
    head = ", ".join(f"{kind} {x.name}" for x in arguments)
    linkage, attribute = ("private ", "alwaysinline ") if inline else ("", "")
    own = symbol(name, dtype, width)
    lines = [f"define {linkage}{kind} @{own}({head}) nounwind willreturn readnone {attribute}{{", "entry:"]
    lines += [*block.lines, f"  ret {kind} {result.name}", "}", ""]
    return Definition(own, "\n".join(lines), block.declares, block.helpers)


def cost(name: str, dtype: str) -> int:
    """The number of LLVM instructions that one inlined call brings in."""
    return definition(name, dtype, inline=True).text.count(" = ")


def emit(uses: Iterable[Use], inline: bool) -> Emission:
    """The text a module needs for calls of the functions in `uses`.

    Args:
        uses: pairs (name, dtype), e.g. ("exp", "f32").
        inline: whether to define the functions in the module (where they are straight-line) instead of calling them.

    Example:
        >>> part = emit([("exp", "f32")], inline=True)
        >>> part.text.splitlines()[0]
        'define private float @minijax_exp_f32(float %x0) nounwind willreturn readnone alwaysinline {'
        >>> part = emit([("exp", "f32")], inline=False)
        >>> part.used[0][:17]+'..', part.externals
        ('minijax_exp_f32_x..', (('exp', 'f32'),))
    """
    text: dict[str, str] = {}
    declares: dict[str, str] = {}
    used: list[str] = []
    externals: list[Use] = []
    widths = vector_widths()
    for name, dtype in dict.fromkeys(uses):
        if inline and (name, dtype) in INLINABLE:
            d = definition(name, dtype, inline=True)
            text |= {**d.helpers, d.symbol: d.text}
            declares |= d.declares
        else:
            twins = [symbol(name, dtype, width) for width in widths[dtype]]
            text[symbol(name, dtype)] = _declaration(name, dtype, widths[dtype])
            used += twins
            externals.append((name, dtype))
    return Emission("\n".join(text.values()), declares, tuple(used), tuple(externals))


def _declaration(name: str, dtype: str, widths: Iterable[int]) -> str:
    """The scalar function with its twins, in the notation of LLVM's vector function ABI (`_ZGV_LLVM_N8v_...`)."""
    real, arity = FORMATS[dtype].real, FUNCTIONS[name]
    scalar = symbol(name, dtype)
    lines, variants = [], []
    for width in widths:
        twin = symbol(name, dtype, width)
        kind = f"<{width} x {real}>"
        lines.append(f"declare {kind} @{twin}({', '.join([kind] * arity)}) nounwind willreturn readnone")
        variants.append(f"_ZGV_LLVM_N{width}{'v' * arity}_{scalar}({twin})")
    attribute = f'"vector-function-abi-variant"="{",".join(variants)}"'
    lines.append(f"declare {real} @{scalar}({', '.join([real] * arity)}) nounwind willreturn readnone {attribute}")
    return "\n".join(lines) + "\n"


def used_global(symbols: Iterable[str]) -> str:
    """The global that keeps `symbols` alive until the vectoriser has run; empty if there are none.

    Example:
        >>> used_global(["f", "g"])
        '@llvm.compiler.used = appending global [2 x ptr] [ptr @f, ptr @g], section "llvm.metadata"\\n'
    """
    entries = [f"ptr @{name}" for name in dict.fromkeys(symbols)]
    if not entries:
        return ""
    array = f"[{len(entries)} x ptr] [{', '.join(entries)}]"
    return f'@llvm.compiler.used = appending global {array}, section "llvm.metadata"\n'
