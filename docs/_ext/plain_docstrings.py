"""Docstrings are plain text with `code` in backticks; Sphinx reads reStructuredText. This stands between the two.

In: a docstring. Out: the same with its code spans as literals and with everything escaped that reStructuredText would take
for markup: `|x|` is no substitution, `2 * x` no emphasis, `r_` no reference. Doctest blocks stay as they are.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SPAN = re.compile(r"(``?)(?=\S)(.+?)\1(\w?)", re.DOTALL)
_MARKUP = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")


def escaped(docstring: str) -> str:
    """The docstring as reStructuredText."""
    return "\n\n".join(_paragraph(part) for part in docstring.split("\n\n"))


def _paragraph(text: str) -> str:
    head, prompt, example = text.partition(">>> ")
    pieces = []
    end = 0
    for span in _SPAN.finditer(head):
        pieces.append(_MARKUP.sub(r"\\\1", head[end : span.start()]))
        code = " ".join(span[2].split()) if "\n" in span[2] else span[2]
        pieces.append(f"``{code}``" + (f"\\ {span[3]}" if span[3] else ""))
        end = span.end()
    pieces.append(_MARKUP.sub(r"\\\1", head[end:]))
    return "".join(pieces) + prompt + example


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = escaped("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
