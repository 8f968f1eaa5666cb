"""The elementary functions that kernels call, as text beside them.

In: pairs (function, "f32" or "f64"), and the kernels' text. Out: LLVM IR that defines or declares them, from `vmath`.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import cache, vmath

__all__ = ["support"]

INLINE = 200  # instructions that may be pasted into the loops of one module, over all places of call


def support(uses: Sequence[tuple[str, str]], kernels: str) -> tuple[str, dict[str, str]]:
    """(definitions, declarations by symbol) of the elementary functions that `kernels` call.

    Pasting saves the call and what it makes the loop spill; the cheapest are pasted, as long as compiling stays short.
    """
    added = {use: vmath.cost(*use) * kernels.count(f"@{vmath.symbol(*use)}(") for use in uses}
    pasted, total = [], 0
    for use in sorted(uses, key=lambda use: (added[use], use)):
        total += added[use]
        if total <= INLINE:
            pasted.append(use)
    parts = [vmath.emit(pasted, inline=True), vmath.emit([use for use in uses if use not in pasted], inline=False)]
    used = [symbol for part in parts for symbol in part.used]
    vmath.register([use for part in parts for use in part.externals], cache)
    text = [*(part.text for part in parts), vmath.used_global(used), vmath.LOOP_METADATA]
    return "\n".join(text), parts[0].declares | parts[1].declares
