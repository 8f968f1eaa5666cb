"""Find and run Graphviz: DOT text in, a picture out.

`dot` on PATH first, then the `graphviz-pure` that pip installs with minijax; there may be none. Engines are run by
argument list with a time limit and see the graph on standard input; nothing goes through a shell. What crashes in
Graphviz is the routing of edges: an engine that fails is tried once more with straight lines.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator

from ..errors import teach

__all__ = ["EngineError", "engines", "no_engine", "run_engine"]

TIME_LIMIT = 60.0  # seconds, for one run of an engine
_SYSTEM = {"darwin": "brew install graphviz", "win32": "winget install graphviz"}
_PATIENCE = 1.5  # seconds after which somebody at a terminal is told what is going on


class EngineError(RuntimeError):
    """No Graphviz engine could draw the graph. Its DOT text, its text picture and its page of words exist all the same."""


def engines() -> Iterator[str]:
    """Paths of the engines on this machine, in order of preference."""
    found = shutil.which("dot")
    if found:
        yield found
    scripts = sysconfig.get_path("scripts")  # of this interpreter: its folder need not be on PATH
    found = shutil.which("graphviz-pure", path=scripts) or shutil.which("graphviz-pure")
    if found:
        yield found


def run_engine(dot: str, form: str, time_limit: float = TIME_LIMIT) -> bytes:
    """Draw DOT text.

    Args:
        dot: the text.
        form: "svg", "png" or "pdf".
        time_limit: seconds for one run.

    Returns:
        The picture.

    Raises:
        EngineError: no engine is installed, or each failed.
    """
    reports = []
    for engine in engines():
        for options in ([], ["-Gsplines=line"]):
            try:
                code, out, complaint = _run([engine, f"-T{form}", *options], dot, time_limit)
            except subprocess.TimeoutExpired:
                reports.append(f"{engine}: more than {time_limit:g} s")
                continue
            except OSError as error:
                reports.append(f"{engine}: {error}")
                break
            if code == 0 and out:
                return out
            said = complaint.decode(errors="replace").strip().splitlines() or ["no output"]
            reports.append(f"{engine}: {said[-1]}")
    raise no_engine(reports, form)


def no_engine(reports: list[str], form: str = "svg") -> EngineError:
    """The error when nothing could draw; `reports` say what each engine said."""
    if form == "pdf":  # graphviz-pure writes none
        command = _SYSTEM.get(sys.platform, "sudo apt-get install graphviz")
        why = "; ".join(reports) or "no `dot` program was found"
        return EngineError(teach("PDF needs the Graphviz of the system", why=why, do=command))
    why = "; ".join(reports) or "pictures need a `dot` program; .dot, .html(), .text() and print() do not"
    return EngineError(
        teach(
            "Graphviz failed to draw the graph" if reports else "Graphviz was not found",
            why=why,
            do="python -m pip install --force-reinstall graphviz-pure",
        )
    )


def _run(command: list[str], dot: str, time_limit: float) -> tuple[int, bytes, bytes]:
    """(exit code, standard output, standard error); tells a waiting person how long it has been."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    started = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        given: bytes | None = dot.encode()
        told = False
        try:
            while True:
                left = time_limit - (time.monotonic() - started)
                if left <= 0:
                    raise subprocess.TimeoutExpired(command, time_limit)
                try:
                    out, complaint = process.communicate(given, timeout=min(_PATIENCE, left))
                    return process.returncode, out, complaint
                except subprocess.TimeoutExpired:
                    given = None  # communicate goes on where it was
                    if watched:
                        sys.stderr.write(f"\rdrawing: {time.monotonic() - started:.0f} s ")
                        sys.stderr.flush()
                        told = True
        finally:
            if process.poll() is None:
                process.kill()
            if told:
                sys.stderr.write("\r\x1b[K")
