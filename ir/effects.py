"""Effects: what an equation does besides computing its outputs.

An equation with an effect is kept by `dce`, never merged by `cse`, and keeps its order relative to other
equations with effects. There are few: `GUARD` (the program is valid only while this value stays what it was)
callbacks, ordered or not, and `CHECK` (the program fails unless a condition holds).
"""

from __future__ import annotations

__all__ = ["CALLBACK", "CHECK", "GUARD", "NO_EFFECTS", "ORDERED_CALLBACK", "Effect"]


class Effect:
    """A named effect, compared by identity."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


GUARD = Effect("guard")
CALLBACK = Effect("callback")
CHECK = Effect("check")
ORDERED_CALLBACK = Effect("ordered_callback")
NO_EFFECTS: frozenset[Effect] = frozenset()
