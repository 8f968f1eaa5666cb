"""The command line: `python -m minijax demo | print | grad | draw`.

In: a function in a Python file, and the arguments to look at it with. Out: its program, its derivatives checked
against finite differences, or a picture of it. `demo` does all of that with a small example, which it writes
out first, so that it can be changed and tried again.

    python -m minijax demo --out out
    python -m minijax print model.py:loss --at 1.0 2.0
    python -m minijax grad  model.py:loss --at 1.0 "[1.0, 2.0]"
    python -m minijax draw  model.py:loss --at 1.0 2.0 -o loss.svg
    python -m minijax draw  model.py:loss --at 1.0 2.0 --grad -o gradient.html
    python -m minijax draw  model.py:loss --at 1.0 2.0 --explore
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minijax as mj

from .ir.printer import print_jaxpr
from .ir.source import is_internal
from .viz import Drawing, EngineError, draw, draw_grad, explore

EXAMPLE = '''\
"""A mass on a spring, released at x = 1: how much does it cost where it is after a few steps?"""

import minijax.numpy as mnp


def loss(stiffness, damping):
    x, v = 1.0, 0.0
    for _ in range(2):
        force = -stiffness * x - damping * v
        v = v + 0.5 * force
        x = x + 0.5 * v
    if x < 0:
        cost = mnp.exp(-2.0 * x)
    else:
        cost = mnp.sin(x) ** 2
    return cost
'''
EXAMPLE_AT = (2.0, 0.3)
_ROWS = 24  # of a table of derivatives


class UsageError(Exception):
    """What was asked for cannot be done; the message says why and what would work."""


class Row(NamedTuple):
    """One derivative: of what, and what three methods say."""

    name: str
    reverse: float
    forward: float
    difference: float


def load(target: str) -> Callable[..., Any]:
    """The function that `FILE.py:FUNCTION` names.

    Raises:
        UsageError: no such file or function.
    """
    file, separator, name = target.rpartition(":")
    if not separator or not file or not name:
        raise UsageError(f"expected FILE.py:FUNCTION, got {target!r}")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # so that the file can import its neighbours
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}"
        raise UsageError(f"{where} is not valid Python: {error.msg}\n    {(error.text or '').strip()}") from error
    finally:
        sys.path.pop(0)
    found = getattr(module, name, None)
    if not callable(found):
        own = [
            key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == path.stem
        ]
        raise UsageError(f"{file} has no function {name!r}; it has: {', '.join(own) or 'none'}")
    return found  # type: ignore[no-any-return]


def argument(text: str) -> Any:
    """A number or a (nested) list of numbers, as an array."""
    try:
        value = np.asarray(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, TypeError):
        value = np.asarray(None)
    if value.dtype.kind not in "biuf":
        raise argparse.ArgumentTypeError(f"{text!r} is not a number or a list of numbers")
    return value.item() if value.ndim == 0 else value


def derivatives(function: Callable[..., Any], args: Sequence[Any]) -> tuple[float, list[Row]]:
    """The value of a scalar function and its derivatives by reverse mode, forward mode and central differences.

    Args:
        function: of float arrays, returns a scalar.
        args: its arguments; integers stand for floats.

    Returns:
        (value, one row per element of the arguments), computed in double precision.

    Raises:
        UsageError: the result is not a real scalar.
    """
    with mj.enable_x64(True):
        args = [np.asarray(x, dtype=np.float64) for x in args]
        value = np.asarray(function(*map(mj.numpy.asarray, args)))
        if value.shape != () or value.dtype.kind != "f":
            raise UsageError(
                "derivatives are checked for functions with one real result; "
                f"this one returns {value.dtype}{list(value.shape)}"
            )
        every = tuple(range(len(args)))
        reverse = mj.grad(function, argnums=every)(*args)
        forward = mj.jacfwd(function, argnums=every)(*args)
        rows = []
        names = list(inspect.signature(function).parameters)[: len(args)]
        for position, name in enumerate(names):
            for index in np.ndindex(args[position].shape):
                rows.append(
                    Row(
                        name + "".join(f"[{i}]" for i in index),
                        float(np.asarray(reverse[position])[index]),
                        float(np.asarray(forward[position])[index]),
                        central_difference(function, args, position, index),
                    )
                )
        return float(value), rows


def central_difference(
    function: Callable[..., Any], args: Sequence[np.ndarray], position: int, index: tuple[int, ...]
) -> float:
    """(f(x + h) - f(x - h)) / 2h in one element; h balances truncation against rounding: eps^(1/3)."""
    step = float(np.cbrt(np.finfo(np.float64).eps)) * max(1.0, abs(float(args[position][index])))
    ends = []
    for sign in (1.0, -1.0):
        moved = [x.copy() for x in args]
        moved[position][index] += sign * step
        ends.append(float(function(*map(mj.numpy.asarray, moved))))
    return (ends[0] - ends[1]) / (2.0 * step)


def worst(rows: Sequence[Row]) -> float:
    """The largest relative error of either mode against finite differences."""
    return max(
        (
            max(abs(r.reverse - r.difference), abs(r.forward - r.difference)) / max(1.0, abs(r.difference))
            for r in rows
        ),
        default=0.0,
    )


def table(rows: Sequence[Row]) -> str:
    """The derivatives side by side, with the errors of both modes."""
    width = max([len("argument"), *(len(r.name) for r in rows)])
    head = f"{'argument':{width}}  {'reverse (grad)':>20}  {'forward (jacfwd)':>20}  {'finite difference':>20}"
    lines = [f"{head}  {'error rev':>9}  {'error fwd':>9}"]
    for r in rows[:_ROWS]:
        errors = f"{abs(r.reverse - r.difference):>9.1e}  {abs(r.forward - r.difference):>9.1e}"
        lines.append(f"{r.name:{width}}  {r.reverse:>20.14g}  {r.forward:>20.14g}  {r.difference:>20.14g}  {errors}")
    if len(rows) > _ROWS:
        lines.append(f"... and {len(rows) - _ROWS} more")
    return "\n".join(lines)


def show_derivatives(function: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Print value and derivatives; whether they agree."""
    value, rows = derivatives(function, args)
    print(f"value  {value:.15g}\n")
    print(table(rows))
    agree = worst(rows) < 1e-6
    print(f"\n{'agree' if agree else 'DO NOT AGREE'}: largest relative error {worst(rows):.1e}, in double precision")
    return agree


def run_demo(out: Path) -> int:
    """The main job, on an example: trace, differentiate both ways, check, draw."""
    path = out / "spring.py"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(EXAMPLE, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error
    function = load(f"{path}:loss")
    at = ", ".join(f"{name}={x}" for name, x in zip(inspect.signature(function).parameters, EXAMPLE_AT, strict=True))
    print(f"A Python function, with a loop and a branch ({path}):\n")
    print(inspect.getsource(function))
    print(f"Its program, traced at {at}. `guard` is the branch that Python took:\n")
    print(print_jaxpr(mj.make_jaxpr(function)(*EXAMPLE_AT), source=True))
    print("\nValue and gradient, reverse and forward mode, against central differences:\n")
    agree = show_derivatives(function, EXAMPLE_AT)
    drawing = draw(function)(*EXAMPLE_AT)
    print("\nThe captured branch, and the arm that did not run:\n")
    for _, branch in drawing.graph.branches:
        print(f"  {branch}")
        print(f"  ran:     {' '.join(branch.taken_text.split())}")
        print(f"  did not: {' '.join(branch.other_text.split())}")
    print()
    save([drawing], out / "spring.svg", out / "spring.png")
    save([explore(function)(*EXAMPLE_AT)], out / "spring.html")
    print("Open it in a browser: it steps through the values, tangents and cotangents, beside the source.")
    return 0 if agree else 1


def save(drawings: Sequence[Any], *paths: Path) -> None:
    """Write pictures and say where; DOT text in place of a picture when there is no engine."""
    for drawing in drawings:
        for path in paths:
            try:
                print(f"wrote {drawing.save(path)}")
            except EngineError as error:
                print(f"wrote {drawing.save(path.with_suffix('.dot'))} instead of {path}: {error}", file=sys.stderr)
            except ValueError as error:
                raise UsageError(str(error)) from error
            except OSError as error:
                raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error


def explore_to(function: Callable[..., Any], args: Sequence[Any], path: Path) -> None:
    """Write the explorer and say where."""
    if path.suffix != ".html":
        raise UsageError(f"the explorer is an HTML page: cannot write {path.name!r}, the suffix must be .html")
    save([explore(function)(*args)], path)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m minijax", description="Look at the program and the gradient of a function."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="trace, differentiate, check and draw a small example")
    demo.add_argument("--out", type=Path, default=Path("out"), help="folder for the example and its picture")
    for name, text in (
        ("print", "the program of a function"),
        ("grad", "value and gradient, checked against finite differences"),
        ("draw", "a picture of the program, with the branches that were captured"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("target", metavar="FILE.py:FUNCTION")
        command.add_argument(
            "--at", nargs="+", type=argument, default=[], metavar="X", help='arguments: 1.0, -2 or "[1.0, 2.0]"'
        )
        if name == "draw":
            command.add_argument(
                "-o", "--out", type=Path, help=".svg, .png, .pdf, .html, .dot or .txt (default: text, printed)"
            )
            command.add_argument("--grad", action="store_true", help="forward and backward side by side")
            command.add_argument("--values", action="store_true", help="with what each equation computed")
            command.add_argument("--text", action="store_true", help="print the picture in words")
            command.add_argument(
                "--explore", action="store_true", help="an HTML page to step through (default: FUNCTION.html)"
            )
    return top


def check_arguments(function: Callable[..., Any], args: Sequence[Any]) -> None:
    """Raise UsageError unless `function` takes this many arguments."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        raise UsageError(
            f"{name}{inspect.signature(function)} called with {len(args)} values (--at): {error}"
        ) from error


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; the exit status."""
    if options.command == "demo":
        return run_demo(options.out)
    function = load(options.target)
    check_arguments(function, options.at)
    if options.command == "print":
        print(print_jaxpr(mj.make_jaxpr(function)(*options.at), source=True))
    elif options.command == "grad":
        return 0 if show_derivatives(function, options.at) else 1
    elif options.explore:
        explore_to(function, options.at, options.out or Path(f"{options.target.rpartition(':')[2]}.html"))
    else:
        show(picture(function, options), options)
    return 0


def picture(function: Callable[..., Any], options: argparse.Namespace) -> Drawing:
    """What `draw` is asked for: the program, or with --grad forward and backward."""
    if not options.grad:
        return draw(function, tuple(options.at), values=options.values)  # type: ignore[no-any-return]
    floats = [np.asarray(x, dtype=np.float32) for x in options.at]  # integers stand for floats, as in `grad`
    return draw_grad(function, tuple(floats), argnums=tuple(range(len(floats))))  # type: ignore[no-any-return]


def show(drawing: Drawing, options: argparse.Namespace) -> None:
    """Write the picture where the command line says, or print it in words."""
    if options.out is not None:
        save([drawing], options.out)
    if options.out is None or options.text:
        print(drawing)


def _is_negative(word: str) -> bool:
    """Whether argparse would take `-1e-3` or `-inf` for an option; with a space in front it does not."""
    try:
        return word.startswith("-") and float(word) <= 0
    except ValueError:
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 done, 1 derivatives do not agree or the function raised, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args([f" {word}" if _is_negative(word) else word for word in words])
    try:
        return run(options)
    except UsageError as error:
        print(f"python -m minijax {options.command}: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_internal(frame.filename)]
        if not own:  # not raised in the user's function
            raise
        print(*traceback.format_list(own), *traceback.format_exception_only(error), sep="", end="", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
