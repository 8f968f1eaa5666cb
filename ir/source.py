"""Where in the user's program an equation came from.

In: the Python frames that are live when an equation is recorded. Out: a `Source` that keeps pointers only
(code object, instruction offset, calling Source) and finds file, line, column, function and text when
somebody looks. Recording costs a walk over a few frames; nothing is formatted until it is shown.

The *call path* is kept, not one frame: `Source.parent` is the call site of the function in which the
equation was recorded. While a frame is live its callers cannot move, so the parent found for a frame
is right until another frame records.
"""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import sys
from collections.abc import Iterator
from types import CodeType, FrameType

import optree

__all__ = ["Pointers", "Source", "SourceRecorder", "user_frame"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_GLUE = (functools.__file__, contextlib.__file__, os.path.dirname(optree.__file__) + os.sep)  # between us and users
_internal: dict[str, bool] = {}  # co_filename -> is the file part of minijax? (one look-up per frame)


class Source:
    """A place in user code: `code` and `lasti` of the frame, `parent` its call site, `origin` a transformation.

    All properties resolve lazily. `origin` is None for recorded equations; otherwise it names the interpreters that
    derived the equation, outermost first, and what it was derived from: `transpose(jvp(sin))`.
    """

    __slots__ = ("code", "lasti", "origin", "parent")

    def __init__(self, code: CodeType, lasti: int, parent: Source | None = None, origin: str | None = None) -> None:
        self.code = code
        self.lasti = lasti
        self.parent = parent
        self.origin = origin

    def derived(self, interpreter: str, operation: str) -> Source:
        """The same place, marked as made by `interpreter` from the equation that was here, an `operation`."""
        return Source(self.code, self.lasti, self.parent, f"{interpreter}({self.origin or operation})")

    @property
    def position(self) -> tuple[int | None, int | None, int | None, int | None]:
        """(line, end line, column, end column) as `code.co_positions` gives them: columns from 0, in UTF-8 bytes."""
        for index, position in enumerate(self.code.co_positions()):
            if index == self.lasti // 2:
                return position
        return self.code.co_firstlineno, None, None, None

    @property
    def file(self) -> str:
        """Path of the file (or `<ipython-input-..>`, `<string>`)."""
        return self.code.co_filename

    @property
    def line(self) -> int:
        """Line number, from 1."""
        return self.position[0] or self.code.co_firstlineno

    @property
    def column(self) -> int | None:
        """Column in characters, from 1; None where Python keeps none."""
        line, _, column, _ = self.position
        if line is None or column is None:
            return None
        text = linecache.getline(self.file, line).encode()
        return len(text[:column].decode(errors="replace")) + 1

    @property
    def function(self) -> str:
        """Name of the enclosing function."""
        return self.code.co_name

    @property
    def line_text(self) -> str:
        """The source line, stripped; empty where the source is not to be had."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def text(self) -> str:
        """The text of the expression itself, one line per source line; empty where it is not to be had."""
        line, end_line, column, end_column = self.position
        if line is None or end_line is None or column is None or end_column is None:
            return self.line_text
        lines = [linecache.getline(self.file, n).encode() for n in range(line, end_line + 1)]
        if not lines or not lines[0]:
            return ""
        lines[-1] = lines[-1][:end_column]
        lines[0] = lines[0][column:]
        return b"".join(lines).decode(errors="replace").strip()

    def path(self) -> Iterator[Source]:
        """This place, then the call sites that led here, innermost first."""
        here: Source | None = self
        while here is not None:
            yield here
            here = here.parent

    def short(self) -> str:
        """`model.py:12 in f`."""
        return f"{os.path.basename(self.file)}:{self.line} in {self.function}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"

    def __repr__(self) -> str:
        return f"Source({self.short()})"


def is_internal(file: str) -> bool:
    """Whether `file` is part of minijax (its tests and docs are user code)."""
    found = _internal.get(file)
    if found is None:
        found = _internal[file] = _inside_package(file)
    return found


def _inside_package(file: str) -> bool:
    if file.startswith("<"):  # notebooks and exec are user code, frozen importlib is not
        return file.startswith("<frozen ")
    return os.path.abspath(file).startswith((_PACKAGE, *_GLUE))


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame, from `frame` outwards, that is not part of minijax."""
    internal = _internal
    while frame is not None:
        file = frame.f_code.co_filename
        known = internal.get(file)
        if not (is_internal(file) if known is None else known):
            return frame
        frame = frame.f_back
    return None


Pointers = tuple[CodeType, int, Source | None]


class SourceRecorder:
    """Makes the `Source` of the equation being recorded; remembers the last frame's call path."""

    __slots__ = ("_frame", "_parent", "_stop")

    def __init__(self, stop: FrameType | None = None) -> None:
        self._stop = stop  # call paths end at the frame that started the trace
        self._frame: FrameType | None = None
        self._parent: Source | None = None

    def pointers(self, depth: int = 2) -> Pointers | None:
        """The three pointers of the innermost user frame above the caller: (code, lasti, call site)."""
        frame: FrameType | None = sys._getframe(depth)
        known = _internal
        while frame is not None:
            code = frame.f_code
            internal = known.get(code.co_filename)
            if internal is None:
                internal = is_internal(code.co_filename)
            if not internal:
                if frame is not self._frame:
                    self._frame, self._parent = frame, self._call_path(frame)
                return code, frame.f_lasti, self._parent
            frame = frame.f_back
        return None

    def here(self, depth: int = 2) -> Source | None:
        """The source of the innermost user frame above the caller."""
        found = self.pointers(depth + 1)
        return None if found is None else Source(*found)

    def close(self) -> None:
        """Let go of the remembered frame (it keeps its locals alive)."""
        self._frame = self._parent = self._stop = None

    def _call_path(self, frame: FrameType) -> Source | None:
        callers: list[FrameType] = []
        caller = frame.f_back
        while caller is not None and caller is not self._stop and len(callers) < 32:
            if not is_internal(caller.f_code.co_filename):
                callers.append(caller)
            caller = caller.f_back
        path: Source | None = None
        for caller in reversed(callers):
            path = Source(caller.f_code, caller.f_lasti, path)
        return path
