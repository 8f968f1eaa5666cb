"""How large text is, and the box around it: the same numbers for every engine, whatever fonts a machine has.

In: lines of text and a shape. Out: points (1/72 inch). Widths are those of Helvetica (Adobe Font Metrics), which Arial and
Liberation Sans share. Graphviz without font libraries measures some fonts too narrow; boxes sized here fit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["LINE_HEIGHT", "box_of", "text_height", "text_width"]

# Of the characters from blank to tilde, in thousandths of the font size.
_WIDTHS = (
    [278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278]
    + [556] * 10
    + [278, 278, 584, 584, 584, 556, 1015]
    + [667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833]
    + [722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611]
    + [278, 278, 278, 469, 556, 333]
    + [556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833]
    + [556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500]
    + [334, 260, 334, 584]
)
_OTHERS = {"\u00a0": 278, "\u2026": 1000, "\u00d7": 584, "\u2190": 1000, "\u2192": 1000}
LINE_HEIGHT = 1.2  # of the font size


def text_width(text: str, size: float) -> float:
    """Width of one line of text in points."""
    total = 0.0
    for char in text:
        code = ord(char)
        if 32 <= code < 127:
            total += _WIDTHS[code - 32]
        elif char in _OTHERS:
            total += _OTHERS[char]
        elif unicodedata.east_asian_width(char) in "WF":
            total += 1050
        elif not unicodedata.combining(char):
            total += 620
    return total * size / 1000.0


def is_measured(text: str) -> bool:
    """Whether the width of every character is known, not estimated."""
    return all(32 <= ord(char) < 127 or char in _OTHERS for char in text)


def text_height(lines: int, size: float) -> float:
    """Height of some lines of text in points."""
    return lines * LINE_HEIGHT * size


def box_of(shape: str, lines: Sequence[str], size: float) -> tuple[float, float]:
    """Width and height of a shape that holds centred lines of text."""
    width = max((text_width(line, size) for line in lines), default=0.0)
    height = text_height(len(lines), size)
    if shape == "diamond":
        return _diamond(lines, size)
    if shape in ("house", "invhouse"):
        return width + 26.0, height * 1.45 + 8.0
    if shape == "octagon":
        return width + 24.0, height + 16.0
    if shape == "hexagon":
        return width + 2.0 * min(14.0, 0.5 * height) + 14.0, height + 8.0
    if shape in ("corners", "double", "solid"):
        return width + 26.0, height + 16.0
    if shape == "note":
        return width + 30.0, height + 12.0
    return width + 20.0, height + 10.0


def _diamond(lines: Sequence[str], size: float) -> tuple[float, float]:
    """A diamond of twice the height of its text, as wide as its widest line needs at its place."""
    block = text_height(len(lines), size)
    height = 2.0 * block + 8.0
    width = 0.0
    for index, line in enumerate(lines):
        top = abs(-block / 2 + index * LINE_HEIGHT * size)
        bottom = abs(-block / 2 + (index + 1) * LINE_HEIGHT * size)
        width = max(width, text_width(line, size) / (1.0 - 2.0 * max(top, bottom) / height))
    return max(width + 8.0, 1.1 * height), height
