"""Why a call is compiled, in words: what `config.update("jax_log_compiles", True)` prints.

In: the key of a call and the signatures compiled before. Out: a line on the logger "minijax.jit": the argument, static
argument, flag or branch that is not as it was in the most similar signature.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from ..config import TRACE_FLAGS
from ..ir import Eqn, GuardMismatch, ShapedArray
from ..ir.trace import describe
from .specialisations import Key, Signature, shown

__all__ = ["log_compile", "logger", "why_compiled"]

logger = logging.getLogger("minijax.jit")


def log_compile(
    name: str,
    fun: Callable[..., Any],
    key: Key,
    static_names: Sequence[str],
    programs: dict[Key, Signature],
    failed: tuple[Eqn | None, GuardMismatch] | None,
) -> None:
    """Say that and why a call of jit(`name`) is compiled; `fun`, `programs`: of the jitted function."""
    names = programs[key].names
    reasons = why_compiled(key, names, static_names, programs, failed)
    if reasons == [FIRST]:
        repeated = _made_again(fun)
        reasons += [repeated] if repeated else []
    types = ", ".join(f"{argument}: {shown(aval)}" for argument, aval in zip(names, key.avals, strict=True))
    logger.warning("Compiling jit(%s) for (%s): %s", name, types, "; ".join(reasons))


FIRST = "first call"


def why_compiled(
    key: Key,
    names: Sequence[str],
    static_names: Sequence[str],
    before: dict[Key, Signature],
    failed: tuple[Eqn | None, GuardMismatch] | None,
) -> list[str]:
    """Why a call is compiled: what differs from the most similar signature that was compiled before.

    Args:
        key: of the call.
        names: of its flat arguments.
        static_names: of its static positional arguments.
        before: what has been compiled.
        failed: the guard that did not hold in the last program tried, if that is the reason.
    """
    if failed is not None:
        eqn, mismatch = failed
        place = "" if eqn is None or eqn.source is None else f" at {describe(eqn.source)}"
        return [f"a Python branch went another way: it was {mismatch.expected}, is now {mismatch.outcome}{place}"]
    others = [(other, signature) for other, signature in before.items() if len(signature) and other != key]
    if not others:
        return [FIRST]
    found: list[tuple[int, int, list[str]]] = []
    for age, (other, signature) in enumerate(reversed(others)):  # of those equally similar, the latest
        found.append((_distance(key, other), age, _differences(key, names, static_names, other, signature.names)))
    return min(found)[2]


def _distance(key: Key, other: Key) -> int:
    """How many parts of two keys differ."""
    far = 100 * (key.structure != other.structure) + sum(a != b for a, b in zip(key.flags, other.flags, strict=True))
    far += sum(a != b for a, b in zip(key.statics, other.statics, strict=False)) + (key.axes != other.axes)
    far += len({name for name, _ in {*key.named} ^ {*other.named}})
    for a, b in zip(key.avals, other.avals, strict=False):
        far += (a.shape != b.shape) + (a.dtype != b.dtype) + (a.weak_type != b.weak_type)
    return far


def _differences(
    key: Key, names: Sequence[str], static_names: Sequence[str], other: Key, other_names: Sequence[str]
) -> list[str]:
    found = []
    if key.structure != other.structure or list(names) != list(other_names):
        new = [n for n in names if n not in other_names]
        gone = [n for n in other_names if n not in names]
        if new:
            found.append(f"new arguments {', '.join(new)}")
        if gone:
            found.append(f"missing arguments {', '.join(gone)}")
        if not new and not gone:
            found.append(f"the structure of the arguments was {other.structure}, is now {key.structure}")
    was = dict(zip(other_names, other.avals, strict=True))
    for name, aval in zip(names, key.avals, strict=True):
        if was.get(name, aval) is not aval:
            found.append(f"argument {name} was {shown(was[name])}, is now {shown(aval)}{_which(was[name], aval)}")
    for name, now, old in zip(static_names, key.statics, other.statics, strict=False):
        if (type(now), now) != (type(old), old):
            found.append(f"static argument {name} was {old!r}, is now {now!r}")
    old_named = dict(other.named)
    for name, now in key.named:
        old = old_named.get(name, _ABSENT)
        if (type(now), now) != (type(old), old):
            found.append(f"static argument {name} was {old!r}, is now {now!r}")
    for flag, now, old in zip(TRACE_FLAGS, key.flags, other.flags, strict=True):
        if now != old:
            found.append(f"config {flag} was {old!r}, is now {now!r}")
    if key.axes != other.axes:
        found.append(f"the mapped axes around the call were {dict(other.axes)}, are now {dict(key.axes)}")
    return found or ["the static arguments differ"]


class _Absent:
    def __repr__(self) -> str:
        return "not given"


_ABSENT = _Absent()


def _which(old: ShapedArray, new: ShapedArray) -> str:
    """What of the type changed, where that is easily overlooked."""
    if (old.shape, old.dtype) == (new.shape, new.dtype):
        return " (only the weak type: a Python number instead of an array, or the reverse)"
    return " (only the dtype)" if old.shape == new.shape else ""


_wrapped: weakref.WeakKeyDictionary[CodeType, int] = weakref.WeakKeyDictionary()


def _made_again(fun: Callable[..., Any]) -> str:
    """Count functions of one `def` or `lambda` that jit has compiled; what to say if this is not the first."""
    code = getattr(fun, "__code__", None)
    if code is None:
        return ""
    count = _wrapped[code] = _wrapped.get(code, 0) + 1
    if count == 1:
        return ""
    return (
        f"jit has compiled {count} functions made by the same code, {code.co_filename}:{code.co_firstlineno}: "
        "each new function object is compiled anew; call jit once, outside of the loop"
    )
