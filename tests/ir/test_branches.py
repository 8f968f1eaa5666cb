"""Which arm Python took: checked by running, each arm saying its own name."""

from __future__ import annotations

import ast
import linecache
import os
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

import minijax as mj
from minijax.ir.branches import Branch, branches_of

RAN: list[str] = []
FLAG = True


def arm(name: str, x: Any) -> Any:
    """What an arm calls to leave its name."""
    RAN.append(name)
    return x * 2.0


def simple_if(x):
    if x > 1.0:
        return arm("A", x)
    else:
        return arm("B", x)


def early_return(x):
    if x > 1.0:
        return arm("A", x)
    y = x + 1.0
    return arm("B", y)


def ternary(x):
    return arm("A", x) if x > 1.0 else arm("B", x)


def ternary_of_a_call(x):
    return arm("A", x) if above(x, 1.0) else arm("B", x)


def above(x, bound):
    return x > bound


two_lambdas = (lambda x: arm("Z", x), lambda x: arm("A", x) if above(x, 1.0) else arm("B", x))[1]


def negated(x):
    if not x > 1.0:
        return arm("A", x)
    return arm("B", x)


def conjunction(x):
    if x > -1.0 and above(x, 1.0):
        return arm("A", x)
    else:
        return arm("B", x)


def disjunction(x):
    if above(x, 5.0) or not x > -1.0:
        return arm("A", x)
    else:
        return arm("B", x)


def de_morgan(x):
    return arm("A", x) if not (x > 1.0 or not above(x, -1.0)) else arm("B", x)


def chain(x):
    if -1.0 < x < 5.0:
        return arm("A", x)
    return arm("B", x)


def walrus(x):
    if y := above(x, 1.0):
        return arm("A", (x, y)[0])
    else:
        return arm("B", x)


def nested_test(x):
    if x > 1.0 if x > 0.0 else above(x, -1.0):
        return arm("A", x)
    else:
        return arm("B", x)


def multi_line(x):
    if (
        above(x, 1.0)
        and
        x < 5.0
    ):  # fmt: skip
        return arm("A", x)
    else:
        return arm("B", x)


def match_guard(x):
    match x:
        case y if above(y, 1.0):
            return arm("A", y)
        case _:
            return arm("B", x)


def plain_operand_after(x):
    if x > 1.0 and FLAG:
        return arm("A", x)
    else:
        return arm("B", x)


FUNCTIONS = [
    simple_if,
    early_return,
    ternary,
    ternary_of_a_call,
    two_lambdas,
    negated,
    conjunction,
    disjunction,
    de_morgan,
    chain,
    walrus,
    nested_test,
    multi_line,
    match_guard,
    plain_operand_after,
]


def branches(function: Callable[..., Any], *args: Any) -> list[Branch]:
    RAN.clear()
    return [branch for _, branch in branches_of(mj.make_jaxpr(function)(*args))]


@pytest.mark.parametrize("value", [-2.0, -0.5, 0.5, 1.5, 3.0, 7.0])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_arm_named_is_the_arm_that_ran(function, value):
    found = branches(function, value)
    assert found, "no branch was captured"
    last = found[-1]
    assert not last.undecided
    (name,) = RAN
    other = {"A": "B", "B": "A"}[name]
    for branch in found:
        if '"A"' in "".join(a.text for a in branch.arms) and branch.taken is not None:
            assert f'"{name}"' in branch.taken_text
            assert f'"{other}"' in branch.other_text
    assert f'"{name}"' in last.taken_text


@pytest.mark.parametrize(
    ("function", "kind", "predicate"),
    [
        (simple_if, "if", "x > 1.0"),
        (ternary, "ternary", "x > 1.0"),
        (ternary_of_a_call, "ternary", "above(x, 1.0)"),
        (negated, "if", "not x > 1.0"),
        (chain, "if", "-1.0 < x < 5.0"),
        (walrus, "if", "y := above(x, 1.0)"),
        (match_guard, "match", "above(y, 1.0)"),
    ],
)
def test_the_whole_test_is_the_predicate(function, kind, predicate):
    branch = branches(function, 2.0)[-1]
    assert (branch.kind, branch.predicate) == (kind, predicate)


def test_the_operand_is_the_part_that_was_asked():
    first, second = branches(disjunction, 0.0)
    assert first.predicate == second.predicate == "above(x, 5.0) or not x > -1.0"
    assert (first.operand, first.outcome) == ("above(x, 5.0)", False)
    assert (second.operand, second.outcome) == ("x > -1.0", True)
    assert second.column == len("    if above(x, 5.0) or not ") + 1


def test_a_jump_after_a_comparison_is_told_from_it():
    # Python 3.11 gives both jumps the position of the comparison.
    first, second = branches(de_morgan, 0.5)
    assert (first.operand, second.operand) == ("x > 1.0", "above(x, -1.0)")


def elif_chain(x):
    if x < 0.0:
        return arm("A", x)
    elif x < 1.0:
        return arm("B", x)
    else:
        return arm("C", x)


def test_elif_belongs_to_the_else_arm():
    first, second = branches(elif_chain, 0.5)
    assert (first.kind, second.kind) == ("if", "elif")
    assert first.taken.label == "elif"
    assert first.taken_text.startswith("elif x < 1.0:")
    assert second.taken_text == 'return arm("B", x)'
    assert second.other_text == 'return arm("C", x)'


def loop(x):
    while x > 1.0:
        x = x / 2.0
    return x


def test_while_asks_once_a_round():
    found = branches(loop, 5.0)
    assert [b.outcome for b in found] == [True, True, True, False]
    assert [b.taken.label for b in found] == ["body", "body", "body", "exit"]
    assert found[0].taken_text == "x = x / 2.0"
    assert {b.kind for b in found} == {"while"}
    assert len({(b.line, b.column) for b in found}) == 1


def asserting(x):
    assert above(x, 0.0), "must be positive"
    return x * 1.0


def test_assert_has_no_arms():
    (branch,) = branches(asserting, 2.0)
    assert branch.kind == "assert"
    assert branch.predicate == "above(x, 0.0)"
    assert branch.arms == ()
    assert not branch.undecided


def filtering(x):
    kept = [x * k for k in (1.0, 2.0, 3.0) if above(x, k)]
    return sum(kept)


def test_a_comprehension_filter_keeps_or_skips():
    found = branches(filtering, 1.5)
    assert [b.kind for b in found] == ["filter"] * 3
    assert [b.taken.label for b in found] == ["keep", "skip", "skip"]
    assert found[0].taken_text == "x * k"


def as_values(x):
    y = above(x, 1.0) and x > 2.0
    z = not above(x, 1.0)
    return x * 1.0 if z is False and y is not None else x


def test_and_not_as_values():
    found = branches(as_values, 1.5)
    assert [b.kind for b in found] == ["and", "not"]
    assert found[0].taken.label == "go on"
    assert found[0].taken_text == "x > 2.0"


def calls(x):
    smaller = min(x, x * 2.0)
    return smaller if any(t > 100.0 for t in [x, x]) else smaller * 2.0


def test_calls_that_ask_have_no_arms():
    found = branches(calls, 1.5)
    assert [b.kind for b in found] == ["call", "call", "call"]
    assert found[0].predicate == "min(x, x * 2.0)"
    assert not any(b.arms for b in found)


def silent_arms(x):
    if x > 0.0 and FLAG:
        return x
    return x


def test_without_evidence_nothing_is_guessed():
    (branch,) = branches(silent_arms, 1.0)
    assert branch.undecided
    assert branch.taken is None
    assert "later operand" in branch.note
    assert [a.text for a in branch.arms] == ["return x", "return x"]


def flagged_in_a_loop(x, flags):
    y = x * 1.0
    for flag in flags:
        if x > 0.0 and flag:
            y = arm("A", y)
    return y


def test_evidence_is_not_used_in_loops():
    # In the first round no arm records anything; the equation that follows belongs to the second.
    found = branches(lambda x: flagged_in_a_loop(x, (False, True)), 1.0)
    assert all(b.undecided for b in found)


def module_of(tmp_path, text: str, name: str = "sample") -> tuple[dict[str, Any], Any]:
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return space, path


TEXT = """
    def f(x):
        if x > 1.0:
            return x * 2.0
        return x * 3.0
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("2.0", "4.0"), ("x >", "x  >"), ("> 1", "< 1"), ("def f", "\ndef f"), ("return x * 3.0", "pass")],
)
def test_a_changed_file_is_not_quoted(tmp_path, old, new):
    space, path = module_of(tmp_path, TEXT)
    assert branches(space["f"], 2.0)[0].taken_text == "return x * 2.0"
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, (1, 1))  # a clock that ticks between two writes
    (branch,) = branches(space["f"], 2.0)
    assert branch.note == "source changed since import"
    assert (branch.predicate, branch.arms, branch.taken) == ("", (), None)


def test_a_file_that_no_longer_parses_is_not_quoted(tmp_path):
    space, path = module_of(tmp_path, TEXT)
    path.write_text("def f(x:\n")
    assert branches(space["f"], 2.0)[0].note == "source changed since import"


def test_exec_strings_have_a_line_and_no_text():
    space: dict[str, Any] = {}
    exec(textwrap.dedent(TEXT), space)
    (branch,) = branches(space["f"], 2.0)
    assert branch.kind == "unknown"
    assert branch.note == "the source text is not available"
    assert branch.line == 3


def test_notebook_cells_are_read_through_linecache():
    text = textwrap.dedent(TEXT)
    name = "<ipython-input-7-abcdef>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        space: dict[str, Any] = {}
        exec(compile(text, name, "exec"), space)
        assert branches(space["f"], 2.0)[0].other_text == "return x * 3.0"
    finally:
        del linecache.cache[name]


def test_cells_that_import_are_read_although_their_statements_are_compiled_one_by_one():
    text = "import minijax.numpy as mnp\ndef f(x):\n    return mnp.sin(x) if x > 0 else mnp.cos(x)\n"
    name = "/tmp/ipykernel_1/7.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        space: dict[str, Any] = {}
        for statement in ast.parse(text).body:
            exec(compile(ast.Module([statement], []), name, "exec"), space)
        assert branches(space["f"], 2.0)[0].other_text == "mnp.cos(x)"
    finally:
        del linecache.cache[name]


def test_columns_count_characters(tmp_path):
    text = 'f = lambda x: ("\u00e4\u00f6", x * 2.0)[1] if x > 1.0 else x * 3.0\n'
    space, _ = module_of(tmp_path, text)
    (branch,) = branches(space["f"], 2.0)
    assert branch.predicate == "x > 1.0"
    assert branch.column == text.index("x > 1.0") + 1


def test_branches_survive_differentiation():
    (eqn, branch), *_ = branches_of(mj.make_jaxpr(mj.grad(simple_if))(2.0))
    assert eqn.params["value"] is True
    assert branch.taken_text == 'return arm("A", x)'
