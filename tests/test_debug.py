"""debug.print, log, callback, breakpoint: what they show, when, and what they refuse."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp

X = mnp.arange(3.0)


def test_options_may_come_first(capsys):
    seen = []

    @mj.jit
    def f(x):
        mj.debug.print(ordered=True)("x = {x}", x=x)
        mj.debug.callback(ordered=True)(lambda v, ordered: seen.append((float(v), ordered)), x, ordered="my own")
        return x

    f(2.0)
    assert capsys.readouterr().out == "x = 2.0\n"
    assert seen == [(2.0, "my own")]
    for function in (mj.debug.print, mj.debug.log, mj.debug.callback):
        with pytest.raises(
            TypeError, match=r"unexpected arguments in the two-call form: args=\(\) kwargs=\{'y': 1\}"
        ):
            function(ordered=True, y=1)


def test_leaves_that_are_no_arrays_are_shown_as_they_are(capsys):
    mj.jit(lambda x: mj.debug.print("{} {} {t[k]}", x, "text", t={"k": object}))(1.0)
    assert capsys.readouterr().out == "1.0 text <class 'object'>\n"


def test_print_options_of_the_call_hold(capsys):
    with np.printoptions(precision=2):
        f = mj.jit(lambda x: mj.debug.print("{}", x))
        f(mnp.array([1 / 3]))
    f(mnp.array([2 / 3]))
    assert capsys.readouterr().out == "[0.33]\n[0.67]\n"


def test_without_places_values_come_behind_the_text(capsys):
    mj.debug.print("x:", 2.0, skip_format_check=True)
    mj.debug.print("plain")
    assert capsys.readouterr().out == "x: 2.0\nplain\n"
    with pytest.raises(ValueError, match="Unused arguments"):
        mj.debug.print("x:", 2.0)
    with pytest.raises(KeyError):
        mj.debug.print("{y}", x=1)


def test_log_records_the_line_of_the_call(caplog):
    @mj.jit
    def f(x):
        mj.debug.log("x = {}", x)
        return x

    with caplog.at_level(logging.INFO, logger="minijax.debug"):
        f(2.0)
        f(3.0)
    assert [record.getMessage() for record in caplog.records] == ["x = 2.0", "x = 3.0"]
    assert caplog.records[0].pathname == __file__
    assert caplog.records[0].lineno == f.__wrapped__.__code__.co_firstlineno + 2


def test_a_callback_must_be_callable():
    with pytest.raises(
        TypeError, match=r"first argument to minijax\.debug\.callback must be callable, but got an object"
    ):
        mj.debug.callback(3, 1.0)


def test_effects_have_names():
    assert mj.debug.DebugEffect in mj.make_jaxpr(lambda x: mj.debug.print("{}", x))(1.0).effects


def test_print_in_loops_and_branches(capsys):
    def step(i, x):
        mj.debug.print("{} {}", i, x)
        return mj.lax.cond(x > 1, lambda v: (mj.debug.print("big"), v)[1], lambda v: v + 1, x)

    mj.jit(lambda x: mj.lax.fori_loop(0, 3, step, x))(0.5)
    assert capsys.readouterr().out.splitlines() == ["0 0.5", "1 1.5", "big", "2 1.5", "big"]


# Breakpoints


def session(commands, run):
    """What the debugger writes for these commands while `run` goes on."""
    out = io.StringIO()
    run({"stdin": io.StringIO(commands), "stdout": out})
    return out.getvalue().replace("(mjdb) ", "").splitlines()


def stopping(files, **options):
    def inner(x):
        y = {"square": x * x, "label": "here"}
        mj.debug.breakpoint(num_frames=2, **options, **files)
        return y["square"] + 1

    def outer(x):
        doubled = 2 * x
        return inner(doubled)

    return outer


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f(1.5),
        lambda f: mj.jit(f)(1.5),
        lambda f: mj.grad(f)(1.5),
        lambda f: mj.jit(mj.grad(f))(1.5),
        lambda f: mj.jvp(f, (1.5,), (1.0,)),
    ],
)
def test_a_breakpoint_shows_the_values_of_all_frames(transform):
    lines = session("p y['square']\ny['label']\nup\np doubled\ndown\nc\n", lambda files: transform(stopping(files)))
    assert lines[0] == "Entering mjdb:"
    assert lines[1] == "9.0" or lines[1].startswith("Array(9., dtype=float32")
    assert lines[2] == "'here'"
    assert lines[3].endswith("in outer")
    assert "->          return inner(doubled)" in lines
    assert any(line == "3.0" or line.startswith("Array(3., dtype=float32") for line in lines)


def test_a_breakpoint_stops_once_for_each_example():
    lines = session("p x\nc\np x\nc\np x\nc\n", lambda files: mj.vmap(stopping(files))(X))
    assert [line for line in lines if line.startswith("Array")] == [
        f"Array({2.0 * i:.0f}., dtype=float32)" for i in range(3)
    ]
    assert lines.count("Entering mjdb:") == 3


def test_commands():
    lines = session(
        "pp mj.numpy.ones(2)\np nothing\nl\nw\n\nu\nu\nd\nd\nhelp up\nc\n", lambda files: stopping(files)(1.0)
    )
    assert lines[1] == "Array([1., 1.], dtype=float32)"
    assert lines[2] == "*** NameError: name 'nothing' is not defined"
    assert any(line.startswith("->") and "mj.debug.breakpoint" in line for line in lines)
    where = lines.index("Traceback:")
    assert lines[where + 1].startswith(f'  File "{__file__}", line ')
    assert lines[where + 1].endswith("in outer")
    assert lines[where + 2] == "    return inner(doubled)"
    assert lines[where + 3].endswith("in inner")
    assert "At topmost frame." in lines
    assert "At bottommost frame." in lines
    assert "u(p): go to the calling frame" in lines


@pytest.mark.parametrize("commands", ["q\n", "exit\n", ""])
def test_quit_and_the_end_of_input_end_the_program(commands):
    with pytest.raises(SystemExit):
        session(commands, lambda files: stopping(files)(1.0))


def test_a_token_orders_the_stop():
    def f(files, x, used):
        y = x + 1
        token = mj.debug.breakpoint(token=y, num_frames=1, **files)
        return token if used else y

    lines = session("p x\nc\n", lambda files: mj.jit(lambda x: f(files, x, True))(2.0))
    assert lines[1] == "Array(2., dtype=float32)"
    assert mj.jit(lambda x: f({}, x, False))(2.0) == 3.0  # nothing reads standard input: pruned
    with pytest.raises(ValueError, match="`ordered` and `token` are mutually exclusive arguments"):
        mj.debug.breakpoint(token=1.0, ordered=True)
    with pytest.raises(ValueError, match="backend='cli', got 'web'"):
        mj.debug.breakpoint(backend="web")


def test_a_program_with_a_breakpoint_does_not_keep_its_trace():
    compiled = mj.jit(stopping({"stdin": io.StringIO("c\np y['square']\nc\n"), "stdout": (out := io.StringIO())}))
    compiled(1.0), compiled(2.0)
    assert "Array(16., dtype=float32)" in out.getvalue()
