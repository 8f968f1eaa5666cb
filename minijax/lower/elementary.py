"""The elementary functions that kernels call, as text beside them.

In: pairs (function, "f32" or "f64"). Out: LLVM IR that defines or declares them, from `vmath`.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import cache, vmath

__all__ = ["support"]

INLINE = 120  # instructions of all functions together up to which they are pasted into the loops
_LIBM = {"pow": 2, "atan2": 2}


def support(uses: Sequence[tuple[str, str]]) -> tuple[str, dict[str, str]]:
    """(definitions, declarations by symbol) of elementary functions."""
    found = [use for use in uses if use[0] in vmath.FUNCTIONS]
    inline = sum(vmath.cost(*use) for use in found) <= INLINE
    part = vmath.emit(found, inline=inline)
    vmath.register(part.externals, cache)
    lines, declares = [part.text, vmath.used_global(part.used)], dict(part.declares)
    for name, short in uses:
        if name in vmath.FUNCTIONS:
            continue
        t = "float" if short == "f32" else "double"
        libm = {"logistic": ""}.get(name, name) + ("f" if short == "f32" else "")
        arity = _LIBM.get(name, 1)
        params = ", ".join(f"{t} %x{i}" for i in range(arity))
        types = ", ".join([t] * arity)
        if name == "logistic":
            libm = "exp" + ("f" if short == "f32" else "")
            declares[libm] = f"declare {t} @{libm}({t})"
            declares[f"llvm.fabs.{short}"] = f"declare {t} @llvm.fabs.{short}({t})"
            lines.append(
                f"""define internal {t} @minijax_{name}_{short}({t} %x) {{
  %n = fneg {t} %x
  %e = call {t} @{libm}({t} %n)
  %d = fadd {t} %e, 1.0
  %r = fdiv {t} 1.0, %d
  ret {t} %r
}}"""
            )
            continue
        declares[libm] = f"declare {t} @{libm}({types})"
        lines.append(
            f"define internal {t} @minijax_{name}_{short}({params}) {{\n  %r = call {t} @{libm}({params})\n  ret {t} %r\n}}"
        )
    return "\n".join(lines), declares
