"""Edits that change nothing but cost or a message, and why: `name of the mutant: reason`."""

from __future__ import annotations

__all__ = ["EXEMPT"]

EXEMPT: dict[str, str] = {}
