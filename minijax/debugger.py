"""`debug.breakpoint`: a prompt in the middle of a running program, where its values can be looked at.

In: the user's frames at the call, and standard input. The traced values among their local variables become operands of a
callback; when the program runs, the frames are put together again with the values of that run.
"""

from __future__ import annotations

import cmd
import inspect
import linecache
import pprint
import sys
import threading
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any, TextIO

from .api.callbacks import debug_callback, pure_callback
from .array import as_value
from .ir import Tracer, state
from .ir.source import is_internal
from .lax import stop_gradient
from .tree import tree_flatten, tree_map, tree_unflatten

__all__ = ["Debugger", "DebuggerFrame", "breakpoint"]


class DebuggerFrame:
    """A Python frame as it was; its local variables as leaves and trees, so that values can replace tracers."""

    def __init__(self, frame: FrameType) -> None:
        self.filename = frame.f_code.co_filename
        self.lineno = frame.f_lineno
        self.function = frame.f_code.co_name
        self.first_line = frame.f_code.co_firstlineno
        self.globals = frame.f_globals
        self.leaves: list[Any] = []
        self.parts: dict[str, tuple[Any, int, int]] = {}
        for name, value in frame.f_locals.items():
            leaves, structure = tree_flatten(value)
            start = len(self.leaves)
            self.leaves += leaves
            self.parts[name] = structure, start, len(self.leaves)
        self.places = [i for i, x in enumerate(self.leaves) if type(x) is Tracer and _is_usable(x)]

    def take_values(self) -> list[Any]:
        """The traced values among the leaves; they go, so that a program that is kept does not keep its trace."""
        found = [self.leaves[i] for i in self.places]
        for i in self.places:
            self.leaves[i] = None
        return found

    def names(self, values: Sequence[Any]) -> dict[str, Any]:
        """The local variables, with `values` in place of the traced leaves."""
        leaves = list(self.leaves)
        for place, x in zip(self.places, values, strict=True):
            leaves[place] = as_value(x)
        return {name: tree_unflatten(tree, leaves[a:b]) for name, (tree, a, b) in self.parts.items()}

    def line(self, number: int) -> str:
        """A line of its file."""
        return linecache.getline(self.filename, number).rstrip("\n")


def _is_usable(x: Tracer) -> bool:
    """Whether an operation may read `x` here: its trace goes on, in this thread."""
    trace = x._trace
    return trace.alive and trace.owner == threading.get_ident() and trace.level <= state.level


def breakpoint(
    *,
    backend: str | None = None,
    filter_frames: bool = True,
    num_frames: int | None = None,
    ordered: bool = False,
    token: Any = None,
    **kwargs: Any,
) -> Any:
    """Stop the program here when it runs, and read commands: `p`, `pp`, `up`, `down`, `list`, `where`, `continue`, `quit`.

    Args:
        backend: None or "cli": there is one.
        filter_frames: leave minijax's own frames out.
        num_frames: how many frames can be looked at, from the innermost.
        ordered: accepted: breakpoints come in the order of the program.
        token: a tree of arrays: stop when it is computed, and return it; nothing stops if the result is not used.
        **kwargs: `stdin`, `stdout`: files to read commands from and to write to.

    Returns:
        `token`.

    Raises:
        ValueError: `ordered` and `token` are both given; there is no such backend.

    Example:
        >>> import io, minijax as mj
        >>> def f(x):
        ...     y = x * x
        ...     mj.debug.breakpoint(stdin=io.StringIO("p y\\nc\\n"), num_frames=1)
        ...     return y + 1.0
        >>> float(mj.jit(f)(3.0))
        Entering mjdb:
        (mjdb) Array(9., dtype=float32)
        (mjdb) 10.0
    """
    if token is not None and ordered:
        raise ValueError("`ordered` and `token` are mutually exclusive arguments.")
    if backend not in (None, "cli"):
        raise ValueError(f"breakpoint: there is one debugger, backend='cli', got {backend!r}")
    caller = inspect.currentframe()
    frames = _frames(caller and caller.f_back, filter_frames)[:num_frames]
    values = [x for frame in frames for x in frame.take_values()]

    def stop(*found: Any) -> None:
        given = iter(found)
        names = [frame.names([next(given) for _ in frame.places]) for frame in frames]
        Debugger(frames, names, **kwargs).run()

    if token is None:
        debug_callback(stop, *values)
        return None

    def stop_and_return(given: Any, *found: Any) -> Any:
        stop(*found)
        return given

    token = tree_map(stop_gradient, token)
    types = tree_map(as_value, token)
    return pure_callback(stop_and_return, types, token, *map(stop_gradient, values), vmap_method="sequential")


def _frames(frame: FrameType | None, filter_frames: bool) -> list[DebuggerFrame]:
    """The frames from `frame` outwards, innermost first."""
    found = []
    while frame is not None:
        if not (filter_frames and is_internal(frame.f_code.co_filename)):
            found.append(DebuggerFrame(frame))
        frame = frame.f_back
    return found


class Debugger(cmd.Cmd):
    """A prompt over frames; anything that is no command is evaluated in the current frame.

    Args:
        frames: innermost first.
        names: their local variables.
        stdin, stdout: files; standard input and output by default.
    """

    prompt = "(mjdb) "
    intro = "Entering mjdb:"

    def __init__(
        self,
        frames: Sequence[DebuggerFrame],
        names: Sequence[dict[str, Any]],
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
    ) -> None:
        super().__init__(stdin=stdin, stdout=stdout or sys.stdout)
        self.use_rawinput = stdin is None
        self.frames = frames
        self.names = names
        self.index = 0

    def run(self) -> None:
        """Read commands until `continue`. Raises SystemExit on `quit`."""
        self.cmdloop()

    def _write(self, text: str) -> None:
        self.stdout.write(text + "\n")

    def _show(self, expression: str, show: Any) -> None:
        try:
            self._write(show(eval(expression, {**self.frames[self.index].globals, **self.names[self.index]})))
        except Exception as error:
            self._write(f"*** {traceback.format_exception_only(error)[-1].strip()}")

    def default(self, line: str) -> None:
        """Evaluate an expression and print it."""
        if line == "EOF":
            self.do_quit("")
        self._show(line, repr)

    def emptyline(self) -> bool:
        """An empty line does nothing."""
        return False

    def do_p(self, arg: str) -> None:
        """p expression: print its value"""
        self._show(arg, repr)

    def do_pp(self, arg: str) -> None:
        """pp expression: pretty-print its value"""
        self._show(arg, pprint.pformat)

    def do_up(self, arg: str) -> None:
        """u(p): go to the calling frame"""
        self._move(1, "At topmost frame.")

    def do_down(self, arg: str) -> None:
        """d(own): go to the called frame"""
        self._move(-1, "At bottommost frame.")

    def _move(self, step: int, refusal: str) -> None:
        if 0 <= self.index + step < len(self.frames):
            self.index += step
        else:
            self._write(refusal)
        self._context(2)

    def do_list(self, arg: str) -> None:
        """l(ist): show the lines around the current one"""
        self._context(5)

    def _context(self, count: int) -> None:
        frame = self.frames[self.index]
        self._write(f"> {frame.filename}({frame.lineno}) in {frame.function}")
        for number in range(max(frame.first_line, frame.lineno - count), frame.lineno + count + 1):
            text = frame.line(number)
            if text:
                self._write(("->  " if number == frame.lineno else "    ") + text)

    def do_where(self, arg: str) -> None:
        """w(here), bt: show the frames, the current line last"""
        self._write("Traceback:")
        for frame in reversed(self.frames):
            self._write(f'  File "{frame.filename}", line {frame.lineno}, in {frame.function}')
            self._write(f"    {frame.line(frame.lineno).strip() or '<no source>'}")

    def do_continue(self, arg: str) -> bool:
        """c(ont(inue)): let the program go on"""
        return True

    def do_quit(self, arg: str) -> bool:
        """q(uit), exit: end the program"""
        sys.exit(0)

    do_u, do_d, do_l, do_w, do_bt = do_up, do_down, do_list, do_where, do_where
    do_c = do_cont = do_continue
    do_q = do_exit = do_quit
