"""Garbage collection rests while minijax is imported.

Imports make fifty thousand objects and no garbage. The collector would walk over them ten times, and once more over all of
them (30 ms) in the middle of the first function that is differentiated.
"""

from __future__ import annotations

import gc

_was_on = gc.isenabled()
gc.disable()


def resume() -> None:
    """Collect again, if that is what the process did before."""
    if _was_on:
        gc.enable()
