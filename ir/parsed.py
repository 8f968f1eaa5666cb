"""Source files as text and as syntax trees, for those who quote a program to its author.

In: a code object. Out: the file that it was compiled from, read through `linecache` (so notebook cells and
doctests work), parsed once per version of the file, or the reason why it must not be quoted: there is no text, or the
text is no longer what was compiled. That is found out by compiling the text again and comparing.
"""

from __future__ import annotations
import __future__

import ast
import linecache
import os
import textwrap
from collections.abc import Iterator
from functools import reduce
from types import CodeType
from typing import Any

__all__ = ["CHANGED", "NO_TEXT", "ParsedFile", "Span", "parsed_file", "span_of"]

Span = tuple[int, int, int, int]  # line, column, end line, end column; lines from 1, columns from 0 in UTF-8 bytes

NO_TEXT = "the source text is not available"
CHANGED = "source changed since import"


class ParsedFile:
    """A parsed file: its lines, the parent of every AST node, expressions by position."""

    def __init__(self, lines: list[str], tree: ast.Module, codes: list[CodeType]) -> None:
        self.lines = lines
        self.encoded = [line.encode() for line in lines]
        self.codes = codes
        self.verdicts: dict[CodeType, bool] = {}  # was this code compiled from this text?
        self.parents: dict[ast.AST, ast.AST] = {}
        self.by_span: dict[Span, ast.expr] = {}
        for parent in ast.walk(tree):
            for child in ast.iter_child_nodes(parent):
                self.parents[child] = parent
                if isinstance(child, ast.expr):
                    self.by_span.setdefault(span_of(child), child)

    def text(self, span: Span | None) -> str:
        """The text of a span, dedented."""
        if span is None:
            return ""
        line, column, end_line, end_column = span
        lines = self.encoded[line - 1 : end_line]
        lines[-1] = lines[-1][:end_column]
        if not lines[0][:column].isspace():  # indentation stays, so that the first line is aligned with the others
            lines[0] = lines[0][column:]
        return textwrap.dedent(b"".join(lines).decode(errors="replace")).strip()

    def column(self, node: ast.expr) -> int:
        """The column of a node in characters, from 1."""
        return len(self.encoded[node.lineno - 1][: node.col_offset].decode(errors="replace")) + 1

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node


# By name, with the list that linecache gave: it gives another one when the file has changed.
_files: dict[str, tuple[list[str], ParsedFile | None]] = {}
_FUTURE = reduce(int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))


def parsed_file(code: CodeType) -> ParsedFile | str:
    """The parsed file that `code` was compiled from, or why there is none."""
    name = code.co_filename
    linecache.checkcache(name)
    lines = linecache.getlines(name)
    if not lines:
        return NO_TEXT
    cached = _files.get(name)
    if cached is None or cached[0] is not lines:
        cached = _files[name] = (lines, _parse(lines, name, code.co_flags & _FUTURE))
    file = cached[1]
    if file is None or not _compiled_from(code, file):
        return CHANGED
    return file


def _parse(lines: list[str], name: str, flags: int) -> ParsedFile | None:
    text = "".join(lines)
    try:
        tree = ast.parse(text)
        codes = [compile(text, name, "exec", flags, dont_inherit=True)]
        if not os.path.exists(name):  # a notebook cell: IPython compiles its statements one by one, and Python 3.11
            # then does not see that a name is that of a module: it calls `module.sin` by another instruction
            codes += [compile(ast.Module([n], []), name, "exec", flags, dont_inherit=True) for n in tree.body]
    except (SyntaxError, ValueError):
        return None
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return ParsedFile(lines, tree, codes)


def _compiled_from(code: CodeType, file: ParsedFile) -> bool:
    verdict = file.verdicts.get(code)
    if verdict is None:
        # pytest rewrites `assert` (and keeps positions): its code never equals what the text compiles to.
        rewritten = any(name.startswith("@py_") for name in code.co_varnames)
        verdict = file.verdicts[code] = rewritten or any(_same_code(code, other) for other in file.codes)
    return verdict


def _same_code(code: CodeType, other: CodeType) -> bool:
    return (
        code.co_name == other.co_name
        and code.co_code == other.co_code
        and code.co_names == other.co_names
        and _constants(code) == _constants(other)
        and list(code.co_positions()) == list(other.co_positions())
    )


def _constants(code: CodeType) -> list[str]:
    return [repr(constant) for constant in code.co_consts if not isinstance(constant, CodeType)]


def span_of(node: Any) -> Span:
    """Where an AST node stands."""
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
