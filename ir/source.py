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
from bisect import bisect_right
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import optree

__all__ = ["Places", "Pointers", "Source", "cell_name", "user_frame"]

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
        positions, index = _positions(self.code), self.lasti // 2
        return positions[index] if 0 <= index < len(positions) else (self.code.co_firstlineno, None, None, None)

    @property
    def file(self) -> str:
        """Path of the file (or `<ipython-input-..>`, `<string>`)."""
        return self.code.co_filename

    @property
    def place(self) -> str:
        """`/home/me/model.py:12`; in a notebook `In[3]:12`, the number of the cell."""
        return f"{cell_name(self.file) or self.file}:{self.line}"

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
        return f"{os.path.basename(self.place)} in {self.function}"

    def __str__(self) -> str:
        return f"{self.place} in {self.function}"

    def __repr__(self) -> str:
        return f"Source({self.short()})"


def cell_name(file: str) -> str | None:
    """What IPython calls the notebook cell that it compiled as `file`: `In[3]`; None for real files."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or os.path.exists(file):
        return None
    kind, name = shell.compile.format_code_name(file) or ("", "")
    return name if kind == "Cell" else None


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


@functools.lru_cache(maxsize=64)
def _positions(code: CodeType) -> tuple[tuple[int | None, int | None, int | None, int | None], ...]:
    """The positions of all instructions: who looks at one equation of a long function soon looks at the next."""
    return tuple(code.co_positions())


Pointers = tuple[CodeType, int, Source | None]


class Places:
    """Where the equations of one trace came from, in the order of recording.

    An equation adds one entry to `offsets`: the instruction offset in the frame that recorded it, or the `Source` of the
    equation that an interpreter derived it from (None: no user code). Whose offset that is stands in `calls`, once for
    a run of equations of one frame.
    """

    __slots__ = ("_caller", "_calls", "_offset", "_parent", "_stop", "frame", "offsets")

    def __init__(self, stop: FrameType | None = None) -> None:
        self.offsets: list[int | Source | None] = []
        self.frame: FrameType | None = None  # the user frame that recorded last
        self._calls: list[tuple[int, CodeType, Source | None]] = []  # from which equation on: code, call site
        self._stop = stop  # call paths end at the frame that started the trace
        self._caller: FrameType | None = None  # of `frame`, and where it stood: calls from one line share their path
        self._offset = -1
        self._parent: Source | None = None

    def enter(self, frame: FrameType | None) -> int | None:
        """The instruction offset of the innermost user frame from `frame` outwards; notes a change of frame."""
        known, stop, beyond = _internal, self._stop, False
        while frame is not None:
            if frame is stop:
                beyond = True
            code = frame.f_code
            internal = known.get(code.co_filename)
            if internal is None:
                internal = is_internal(code.co_filename)
            if not internal:
                if frame is not self.frame:
                    self.frame = frame
                    # beyond the start: our own equation, like the step of a counter; callers are no part of the trace
                    self._calls.append((len(self.offsets), code, None if beyond else self._call_path(frame)))
                return frame.f_lasti
            frame = frame.f_back
        return None

    def here(self, depth: int) -> Source | None:
        """The source of the innermost user frame, `depth` frames above the caller or further out."""
        offset = self.enter(sys._getframe(depth + 1))
        if offset is None:
            return None
        _, code, parent = self._calls[-1]
        return Source(code, offset, parent)

    def repeats(self, index: int, offset: int | Source | None) -> bool:
        """Whether an equation recorded now at `offset` comes from the same line of code as equation number `index`."""
        first = self.offsets[index]
        if type(first) is int and type(offset) is int:
            return first == offset and self._calls[self._call_of(index)][1] is self._calls[-1][1]
        if isinstance(first, Source) and isinstance(offset, Source):
            return first.lasti == offset.lasti and first.code is offset.code
        return first is offset

    def _call_of(self, index: int) -> int:
        return bisect_right(self._calls, index, key=lambda call: call[0]) - 1

    def pointers(self, start: int = 0) -> Iterator[Source | Pointers | None]:
        """The sources of the equations from number `start` on, as an `Eqn` takes them."""
        calls = self._calls
        at = self._call_of(start)
        upcoming = calls[at + 1][0] if at + 1 < len(calls) else sys.maxsize
        for index in range(start, len(self.offsets)):
            while index >= upcoming:
                at += 1
                upcoming = calls[at + 1][0] if at + 1 < len(calls) else sys.maxsize
            offset = self.offsets[index]
            if type(offset) is int:
                _, code, parent = calls[at]
                yield code, offset, parent
            else:
                yield offset  # type: ignore[misc]

    def fingerprint(self) -> tuple[Any, ...]:
        """What two traces have in common whose equations came from the same places (as long as these exist)."""
        offsets = [x if type(x) is int else _identity(x) for x in self.offsets]
        return tuple(offsets), tuple([(first, id(code), _identity(path)) for first, code, path in self._calls])

    def close(self) -> None:
        """Let go of the remembered frames (they keep their locals alive)."""
        self.frame = self._caller = self._stop = None

    def _call_path(self, frame: FrameType) -> Source | None:
        caller = frame.f_back
        while caller is not None and caller is not self._stop and is_internal(caller.f_code.co_filename):
            caller = caller.f_back
        if caller is None or caller is self._stop:
            self._caller = None
            return None
        if caller is not self._caller or caller.f_lasti != self._offset:
            self._caller, self._offset = caller, caller.f_lasti
            self._parent = _path(caller, self._stop)
        return self._parent


def _identity(source: int | Source | None) -> Any:
    """A place and its callers as a value."""
    if type(source) is not Source:
        return source
    return tuple([(id(place.code), place.lasti, place.origin) for place in source.path()])


_LONGEST_PATH = 32


def _path(frame: FrameType, stop: FrameType | None) -> Source | None:
    """`frame` and the user frames that called it, up to `stop`."""
    callers: list[FrameType] = []
    caller: FrameType | None = frame
    while caller is not None and caller is not stop and len(callers) < _LONGEST_PATH:
        if not is_internal(caller.f_code.co_filename):
            callers.append(caller)
        caller = caller.f_back
    path: Source | None = None
    for caller in reversed(callers):
        path = Source(caller.f_code, caller.f_lasti, path)
    return path
