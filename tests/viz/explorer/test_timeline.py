"""The timeline holds what the interpreters compute: step by step the same values, tangents and cotangents."""

from __future__ import annotations

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.array import Array
from minijax.interpreters.linearize import linearize_values
from minijax.tree import tree_flatten, tree_unflatten
from minijax.viz import explore
from tests.viz.explorer.programs import PROGRAMS, calls, loops, newton, shared, spring

EACH = pytest.mark.parametrize("name", PROGRAMS)


def explored(name):
    function, args = PROGRAMS[name]
    with mj.enable_x64(True):
        return explore(function)(*args).timeline


def stage_of(timeline, key):
    return next(stage for stage in timeline.stages if stage.key == key)


def results(stage):
    """The values that the last steps, those of the results, read."""
    return [step.reads[0].value for step in stage.steps if step.node.lstrip("t").startswith("o")]


def flat_floats(args):
    leaves = [np.asarray(x) for x in tree_flatten(args)[0]]
    return leaves, [x.dtype.kind == "f" for x in leaves]


def scalar_of(name):
    """The sum of all results as a function of the flat arguments."""
    function, args = PROGRAMS[name]
    structure = tree_flatten(args)[1]

    def total(*leaves):
        found = tree_flatten(function(*tree_unflatten(structure, leaves)))[0]
        return sum(mnp.sum(x) for x in found)

    return total


def test_a_notebook_cell_is_called_by_its_number(monkeypatch):
    assert '"programs.py, spring"' in str(explore(spring)(2.0, 0.3))
    monkeypatch.setattr("minijax.viz.explorer.listing.cell_name", {spring.__code__.co_filename: "In[3]"}.get)
    assert '"In[3], spring"' in str(explore(spring)(2.0, 0.3))


@EACH
def test_the_values_are_those_of_the_function(name):
    function, args = PROGRAMS[name]
    with mj.enable_x64(True):
        wanted = tree_flatten(function(*args))[0]
    found = results(stage_of(explored(name), "eval"))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-14)


@EACH
def test_the_tangents_are_those_of_jvp_and_of_finite_differences(name):
    leaves, moving = flat_floats(PROGRAMS[name][1])
    total = scalar_of(name)
    found = sum(float(np.sum(x)) for x in results(stage_of(explored(name), "jvp")))
    floats = [x for x, flag in zip(leaves, moving, strict=True) if flag]

    def along(*values):
        rest = iter(values)
        return total(*(next(rest) if flag else x for x, flag in zip(leaves, moving, strict=True)))

    with mj.enable_x64(True):
        _, wanted = mj.jvp(along, floats, [np.ones_like(x) for x in floats])
        h = 1e-6
        ends = [float(along(*(x + sign * h for x in floats))) for sign in (1.0, -1.0)]
    np.testing.assert_allclose(found, float(wanted), rtol=1e-12)
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-6)


@EACH
def test_the_linear_program_run_with_ones_gives_the_same_tangents(name):
    timeline = explored(name)
    for a, b in zip(results(stage_of(timeline, "linearize")), results(stage_of(timeline, "jvp")), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@EACH
def test_the_linear_program_is_the_one_that_linearize_makes(name):
    timeline = explored(name)
    if name in ("calls", "grad"):  # there the explorer steps into jitted calls, which linearize keeps as calls
        return
    forward = timeline.forward
    values = [step.writes[0].value for step in timeline.stages[0].steps if step.node.startswith("v")]
    avals = forward.closed.in_avals
    with mj.enable_x64(True):
        args = [Array(x, aval) for x, aval in zip(values, avals, strict=True)]
        flags = [aval.is_differentiable for aval in avals]
        _, linear, _ = linearize_values(forward.closed.jaxpr, forward.closed.consts, args, flags)
    assert str(timeline.linear.closed) == str(linear)


@EACH
def test_what_comes_back_to_the_inputs_is_the_gradient(name):
    leaves, moving = flat_floats(PROGRAMS[name][1])
    steps = stage_of(explored(name), "transpose").steps
    found = {step.node: step.reads[0].value for step in steps if step.node.startswith("v")}
    with mj.enable_x64(True):
        wanted = mj.grad(scalar_of(name), argnums=[i for i, flag in enumerate(moving) if flag])(*leaves)
    given = [f"v{i}" for i, flag in enumerate(moving) if flag]
    assert sorted(found) == sorted(given)
    for node, gradient in zip(given, wanted, strict=True):
        value = np.zeros_like(gradient) if found[node] is None else found[node]
        np.testing.assert_allclose(value, np.asarray(gradient), rtol=1e-11, err_msg=node)


@EACH
def test_every_cotangent_on_the_way_is_a_partial_derivative(name):
    """Tangent times cotangent, summed over the inputs, is the same number as over the results."""
    timeline = explored(name)
    tangents = {q.name: q.value for s in stage_of(timeline, "jvp").steps for q in s.writes}
    last = {q.name: q for s in stage_of(timeline, "transpose").steps for q in s.writes}
    outs = sum(float(np.sum(x)) for x in results(stage_of(timeline, "jvp")) if x is not None)
    inputs = [s for s in timeline.stages[0].steps if s.node.startswith("v")]
    total = 0.0
    for step in inputs:
        name = step.writes[0].name
        if f"ct({name})" in last and tangents[f"d{name}"] is not None:
            total += float(np.sum(np.asarray(last[f"ct({name})"].value) * np.asarray(tangents[f"d{name}"])))
    np.testing.assert_allclose(total, outs, rtol=1e-11)


def test_a_cotangent_of_a_value_used_twice_is_added_up_in_view():
    steps = stage_of(explore(shared)(1.5).timeline, "transpose").steps
    writes = [q for s in steps for q in s.writes if q.name == "ct(b)"]
    assert [q.before is None for q in writes] == [True, False]
    assert [q.more for q in writes] == [True, False]
    assert float(writes[1].value) == float(writes[0].part) + float(writes[1].part) == 1.0 + 3.0
    shown = [text for s in steps for _, _, text in s.shown if text.startswith("ct(b)")]
    assert shown == ["ct(b) = 1 + \u2026", "ct(b) = 4"]


def test_an_aliased_tangent_does_not_mix_up_cotangents():
    """y = x + 1 has the tangent of x, but its cotangent is not that of x."""
    steps = stage_of(explore(lambda x: (x + 1.0) + x * 2.0)(1.0).timeline, "transpose").steps
    last = {q.name: float(q.value) for s in steps for q in s.writes}
    assert (last["ct(b)"], last["ct(a)"]) == (1.0, 3.0)


def test_a_captured_branch_is_a_step_that_says_which_arm_runs():
    (step,) = [s for s in explore(spring)(2.0, 0.3).timeline.stages[0].steps if "Python asked" in s.sentence]
    assert "is x < 0? The answer is True" in step.sentence
    assert "'then' (line 19) runs; 'else' (line 21) is not part of this program" in step.sentence
    assert "else: does not run" in step.lines


def test_a_python_loop_asks_at_every_round():
    asked = [s.sentence for s in explore(newton)(7.0).timeline.stages[0].steps if "Python asked" in s.sentence]
    assert [("once more" in x, "loop ends" in x) for x in asked] == [(True, False)] * 3 + [(False, True)]


def test_steps_use_the_names_of_the_user():
    sentences = [s.sentence for s in explore(spring)(2.0, 0.3).timeline.stages[0].steps]
    assert "Line 15: f is -2, which the program calls \u2018force\u2019." in sentences


def test_a_jitted_call_is_stepped_into_and_each_call_has_its_own_variables():
    timeline = explore(calls)(0.7).timeline
    nodes = [s.node for s in timeline.stages[0].steps]
    assert len(set(nodes)) == len(nodes) == 1 + 3 * 2 + 1 + 1
    inside = [s for s in timeline.stages[0].steps if "_" in s.node]
    assert len(inside) == 6
    assert all(len(s.sources) == 2 for s in inside)  # in `inner`, called from `calls`


def test_loops_and_conditions_are_one_step_each():
    timeline = explore(loops)(0.3, 0.9).timeline
    kinds = [s.title.split(" = ")[1].split(" ")[0] for s in timeline.stages[0].steps if s.node.startswith("c")]
    assert kinds == ["scan", "cond", "while"]


def test_a_step_stands_at_a_node_that_is_drawn():
    for function, args in PROGRAMS.values():
        timeline = explore(function)(*args).timeline
        for stage in timeline.stages:
            graph = (timeline.linear if stage.graph == "linear" else timeline.forward).graph
            drawn = {x.id for x in (*graph.nodes, *graph.clusters)}
            assert {s.node for s in stage.steps} <= drawn
            assert {node for s in stage.steps for node, _, _ in s.shown} <= drawn


def test_integers_do_not_move():
    steps = stage_of(explore(PROGRAMS["picked"][0])(*PROGRAMS["picked"][1]).timeline, "jvp").steps
    (step,) = [s for s in steps if s.node == "v1"]
    assert step.writes[0].value is None
    assert "fixed" in step.sentence


def test_a_function_of_integers_has_values_only():
    (stage,) = explore(lambda n: n * 2)(3).timeline.stages
    assert (stage.key, "write 3.0 instead of 3" in stage.note) == ("eval", True)
    (stage,) = explore(lambda x: x > 2.0)(3.0).timeline.stages
    assert "no result is a floating point number" in stage.note


def test_the_stage_ends_where_there_is_no_rule_and_says_why():
    @mj.custom_vjp
    def f(x):
        return x * x

    f.defvjp(lambda x: (x * x, x), lambda x, ct: (2.0 * x * ct,))
    timeline = explore(lambda x: f(x) + 1.0)(3.0).timeline
    assert "forward-mode" in stage_of(timeline, "jvp").note
    assert stage_of(timeline, "jvp").steps[-1].sentence == stage_of(timeline, "jvp").note
    (gradient,) = [s.reads[0].value for s in stage_of(timeline, "transpose").steps if s.node == "v0"]
    assert float(gradient) == 6.0


def test_a_value_that_nothing_depends_on_gets_no_cotangent_which_is_not_called_zero_before():
    steps = stage_of(explore(lambda x, y: x * 2.0)(1.0, 5.0).timeline, "transpose").steps
    (step,) = [s for s in steps if s.node == "v1"]
    assert step.reads[0].value is None
    assert "Nothing came back to y" in step.sentence


def test_nan_is_named_and_marked():
    steps = explore(lambda x: mnp.log(x) * 2.0)(-1.0).timeline.stages[0].steps
    assert [text for s in steps for _, _, text in s.shown][1] == "! = nan"


def test_explore_wants_a_function_and_values():
    with pytest.raises(TypeError, match="explore takes a function, got int"):
        explore(3)
    with pytest.raises(TypeError, match="needs the values of all arguments, and got a type"):
        explore(shared)(mj.ShapeDtypeStruct((), np.float32))
