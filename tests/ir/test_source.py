"""Sources point at the user's line, whatever lies between it and the trace."""

from __future__ import annotations

import gc
import sys
import textwrap
import weakref
from types import SimpleNamespace

import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.ir import Source, print_jaxpr, walk
from minijax.ir.source import is_internal


def sources(function, *args):
    return [eqn.source for eqn in mj.make_jaxpr(function)(*args).eqns]


def line_of(function, text):
    """The number of the line of `function` that contains `text`."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def two_lines(x):
    y = mnp.sin(x)
    return y * 3.0


def test_each_equation_has_its_own_line():
    first, second = sources(two_lines, 1.0)
    assert first.line == line_of(two_lines, "mnp.sin")
    assert second.line == line_of(two_lines, "y * 3.0")
    assert first.file == __file__
    assert first.function == "two_lines"


def test_the_text_is_that_of_the_expression():
    first, second = sources(two_lines, 1.0)
    assert first.text == "mnp.sin(x)"
    assert second.text == "y * 3.0"
    assert second.line_text == "return y * 3.0"
    assert second.column == len("    return ") + 1


def spread(x):
    return mnp.sin(
        x
    )  # fmt: skip


def test_an_expression_over_several_lines_is_whole():
    (source,) = sources(spread, 1.0)
    assert [line.strip() for line in source.text.splitlines()] == ["mnp.sin(", "x", ")"]


def inner(x):
    return mnp.sin(x)


def outer(x):
    return inner(x)


def test_the_call_path_leads_outwards():
    (source,) = sources(outer, 1.0)
    path = [place.function for place in source.path()]
    assert path[:2] == ["inner", "outer"]
    assert source.parent.line == line_of(outer, "inner(x)")


def called_twice(x):
    a = inner(x)
    return inner(a)


def test_two_calls_of_one_function_are_told_apart():
    first, second = sources(called_twice, 1.0)
    assert (first.code, first.line) == (second.code, second.line)
    assert first.parent.line + 1 == second.parent.line


def test_columns_count_characters_not_bytes():
    space = {"mnp": mnp}
    exec(compile("f = lambda x: ('\u00e4', mnp.sin(x))[1]", __file__, "exec"), space)
    (source,) = sources(space["f"], 1.0)
    assert source.position[2] > 0  # columns of `co_positions` are bytes; no line of this file is quoted for them
    assert source.function == "<lambda>"


def test_exec_has_a_line_and_no_text():
    space = {"mnp": mnp}
    exec(
        textwrap.dedent("""
        def f(x):
            return mnp.sin(x)
    """),
        space,
    )
    (source,) = sources(space["f"], 1.0)
    assert (source.file, source.line, source.text) == ("<string>", 3, "")


def test_derived_keeps_the_place_and_names_the_interpreters():
    (source,) = sources(inner, 1.0)
    derived = source.derived("jvp", "sin").derived("transpose", "mul")
    assert derived.origin == "transpose(jvp(sin))"
    assert derived.position == source.position
    assert derived.parent is source.parent
    assert source.origin is None


def test_derivatives_point_at_the_line_they_come_from():
    found = sources(mj.grad(two_lines), 1.0)
    assert {s.line for s in found} <= {line_of(two_lines, "mnp.sin"), line_of(two_lines, "y * 3.0")}


def origins(function, *args):
    """(primitive, origin) of every equation."""
    return [(eqn.primitive.name, eqn.source.origin) for eqn in mj.make_jaxpr(function)(*args).eqns]


def sine(x):
    return mnp.sin(x)


BATCH = mnp.ones(3)
DERIVED = {
    "eval": (sine, (1.0,), [("sin", None)]),
    "jvp": (
        lambda x, t: mj.jvp(sine, (x,), (t,)),
        (1.0, 1.0),
        [("sin", "jvp(sin)"), ("cos", "jvp(sin)"), ("mul", "jvp(sin)")],
    ),
    "linearize": (
        lambda x: mj.linearize(sine, x)[1](x),
        (1.0,),
        [("sin", "jvp(sin)"), ("cos", "jvp(sin)"), ("mul", "jvp(sin)")],
    ),
    "transpose": (mj.grad(sine), (1.0,), [("sin", "jvp(sin)"), ("cos", "jvp(sin)"), ("mul", "transpose(jvp(sin))")]),
    "batch": (mj.vmap(sine), (BATCH,), [("sin", "batch(sin)")]),
    "batch of transpose": (
        mj.vmap(mj.grad(sine)),
        (BATCH,),
        [("sin", "batch(jvp(sin))"), ("cos", "batch(jvp(sin))"), ("mul", "batch(transpose(jvp(sin)))")],
    ),
    "linear_transpose": (mj.linear_transpose(lambda x: 3.0 * x, 1.0), (1.0,), [("mul", "transpose(mul)")]),
}


@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_equation_says_which_interpreter_made_it(name):
    function, args, expected = DERIVED[name]
    assert origins(function, *args) == expected


def test_equations_without_tangents_or_batch_keep_their_origin():
    assert origins(lambda x, y: mj.jvp(lambda x: x * mnp.cos(y), (x,), (1.0,)), 1.0, 2.0)[0] == ("cos", None)
    assert ("cos", None) in origins(mj.vmap(lambda x, y: x * mnp.cos(y), (0, None)), BATCH, 2.0)


def test_sums_of_cotangents_come_from_where_the_value_was_used():
    found = origins(mj.grad(lambda x: mnp.sin(x) * x), 1.0)
    assert found[-2:] == [("mul", "transpose(jvp(sin))"), ("add", "transpose(jvp(sin))")]


def test_bodies_are_derived_too():
    program = mj.make_jaxpr(mj.grad(mj.jit(sine)))(1.0)
    inside = {eqn.source.origin for _, eqn, _ in walk(program) if eqn.primitive.name in ("mul", "cos")}
    assert inside == {"jvp(sin)", "transpose(jvp(sin))"}
    assert {eqn.source.origin for eqn in program.eqns if eqn.primitive.name == "jit"} == {
        "jvp(jit)",
        "transpose(jvp(jit))",
    }


def test_the_source_column_shows_what_made_an_equation():
    text = print_jaxpr(mj.make_jaxpr(mj.grad(sine))(1.0), source=True)
    place = f"# test_source.py:{line_of(sine, 'mnp.sin')} in sine"
    assert [line.partition("#")[2].strip() for line in text.split("\n")[1:-1]] == [
        f"{place[2:]} ({origin})" for origin in ("jvp(sin)", "jvp(sin)", "transpose(jvp(sin))")
    ]


def test_minijax_is_internal_and_its_tests_are_not():
    assert is_internal(mj.__file__)
    assert is_internal(mj.ir.__file__)
    assert not is_internal(__file__)
    assert not is_internal("<ipython-input-1-abc>")


def test_tracing_keeps_no_local_variables_alive():
    class Big:
        pass

    held = []

    def f(x):
        big = Big()
        held.append(weakref.ref(big))
        return mnp.sin(x)

    program = mj.make_jaxpr(f)(1.0)
    gc.collect()
    assert held[0]() is None
    assert len(program.eqns) == 1


def test_short_names_file_line_and_function():
    source = sources(inner, 1.0)[0]
    assert source.short() == f"test_source.py:{line_of(inner, 'mnp.sin')} in inner"
    assert "inner" in repr(source)


def test_a_notebook_cell_is_called_by_its_number(monkeypatch):
    cells = {"/tmp/ipykernel_1/7.py": ("Cell", "In[3]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=cells.get))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert Source(compile("1", "/tmp/ipykernel_1/7.py", "eval"), 0).place == "In[3]:1"
    assert Source(compile("1", __file__, "eval"), 0).place == f"{__file__}:1"
    assert Source(compile("1", "<string>", "eval"), 0).place == "<string>:1"


def test_a_source_without_positions_says_where_its_function_is():
    code = compile("1", "<nowhere>", "eval")
    source = Source(code, 10_000)
    assert source.line == code.co_firstlineno
    assert source.column is None


@pytest.mark.parametrize("transform", [mj.jit, mj.grad, lambda f: mj.vmap(f)])
def test_transformations_add_no_frames_of_their_own(transform):
    argument = mnp.ones(2) if transform not in (mj.jit, mj.grad) else 1.0
    seen = [eqn.source.file for eqn in mj.make_jaxpr(transform(inner))(argument).eqns if eqn.source is not None]
    assert set(seen) <= {__file__}
