"""What jit compiles for: everything that changes the program is part of the key, nothing else is; and it says why it compiled."""

from __future__ import annotations

import functools
import logging

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax


class Counted:
    """A function that counts how often Python runs it: how often it is traced."""

    def __init__(self, f):
        functools.update_wrapper(self, f)
        self.f = f
        self.traces = 0

    def __call__(self, *args, **kwargs):
        self.traces += 1
        return self.f(*args, **kwargs)


def grows(jitted, counted, *calls):
    """How many traces each call added."""
    found = []
    for args, kwargs in calls:
        before = counted.traces
        jitted(*args, **kwargs)
        found.append(counted.traces - before)
    return found


def call(*args, **kwargs):
    return args, kwargs


def test_shapes_dtypes_and_weak_types_are_keys_and_values_are_not():
    f = Counted(lambda x: x + 1)
    calls = [
        1.0,
        2.0,
        mnp.float32(1.0),
        np.float32(3.0),
        1,
        True,
        mnp.ones(3),
        np.zeros(3, np.float32),
        mnp.ones((3, 1)),
        mnp.ones(3, int),
    ]
    assert grows(mj.jit(f), f, *map(call, calls)) == [1, 0, 1, 0, 1, 1, 1, 0, 1, 1]


def test_a_weak_result_stays_weak_and_a_strong_one_strong():
    g = mj.jit(lambda x: x * 2)
    assert g(1.0).weak_type and not g(mnp.float32(1.0)).weak_type and g(1.0).weak_type


def test_the_structure_of_trees_is_a_key():
    f = Counted(lambda q: mj.tree.leaves(q)[0] * 2)
    x = mnp.ones(2)
    calls = [{"a": x}, {"a": -x}, {"b": x}, [x], (x,), [x, None], {"a": x, "b": x}, {"b": x, "a": x}]
    assert grows(mj.jit(f), f, *map(call, calls)) == [1, 0, 1, 1, 1, 1, 1, 0]


def test_keyword_arguments_are_traced_and_keyed_by_name_not_by_order():
    f = Counted(lambda x, *, y=1.0, z=2.0: x * y - z)
    calls = [call(1.0, y=2.0, z=3.0), call(1.0, z=3.0, y=2.0), call(1.0, y=2.0), call(1.0, z=2.0), call(1.0)]
    g = mj.jit(f)
    assert grows(g, f, *calls) == [1, 0, 1, 1, 1]
    assert (g(1.0, y=2.0, z=3.0), g(1.0, y=2.0), g(1.0, z=5.0), g(1.0)) == (-1.0, 0.0, -4.0, -1.0)


@pytest.mark.parametrize(
    "options",
    [{"static_argnums": 1}, {"static_argnames": "n"}, {"static_argnums": (-1,)}, {"static_argnames": ["n"]}],
)
def test_static_arguments_are_keyed_by_value_and_type(options):
    f = Counted(lambda x, n: x * n if isinstance(n, int) else x + len(n))
    g = mj.jit(f, **options)
    assert grows(g, f, call(1.0, 2), call(2.0, 2), call(1.0, 3), call(1.0, "ab"), call(1.0, True), call(1.0, 2)) == [
        1,
        0,
        1,
        1,
        1,
        0,
    ]
    assert (g(1.0, 2), g(1.0, 3), g(1.0, "abc")) == (2.0, 3.0, 4.0)


def test_a_static_argument_by_name_and_by_position_are_both_static():
    f = Counted(lambda x, n: x**n)
    g = mj.jit(f, static_argnames="n")
    assert grows(g, f, call(2.0, n=3), call(3.0, n=3), call(2.0, 3), call(2.0, n=2)) == [1, 0, 1, 1]


def test_static_arguments_compare_by_their_own_equality():
    class Options:
        def __init__(self, rate):
            self.rate = rate

        def __eq__(self, other):
            return type(other) is Options and self.rate == other.rate

        def __hash__(self):
            return hash(self.rate)

    f = Counted(lambda x, o: x * o.rate)
    g = mj.jit(f, static_argnums=1)
    assert grows(g, f, call(1.0, Options(2)), call(1.0, Options(2)), call(1.0, Options(3))) == [1, 0, 1]


def test_flags_that_change_traces_are_keys():
    f = Counted(lambda x: x + 1)
    g = mj.jit(f)
    x = mnp.ones(2, np.float32)
    g(x)
    with mj.enable_x64():
        assert g(x).dtype == np.float32 and g(1.0).dtype == np.float64
    assert g(1.0).dtype == np.float32
    with mj.numpy_rank_promotion("raise"):
        g(x)
    with mj.debug_nans():  # changes how programs run, not what they are
        g(x)
    assert f.traces == 5
    g(x), g(1.0)
    assert f.traces == 5


def test_an_array_closed_over_is_a_constant_of_the_program():
    table = mnp.arange(3.0)
    box = {"scale": 2.0}
    f = Counted(lambda x: (x + table) * box["scale"])
    g = mj.jit(f)
    np.testing.assert_array_equal(g(mnp.ones(3)), [2.0, 4.0, 6.0])
    box["scale"] = 10.0  # as in JAX: a Python value that is read while tracing stays as it was
    np.testing.assert_array_equal(g(mnp.ones(3)), [2.0, 4.0, 6.0])
    assert f.traces == 1


def test_a_numpy_array_closed_over_may_change_afterwards():
    table = np.arange(3.0, dtype=np.float32)
    g = mj.jit(lambda x: x + table)
    g(mnp.zeros(3))
    table[:] = 7
    np.testing.assert_array_equal(g(mnp.zeros(3)), [0.0, 1.0, 2.0])


def test_vmap_and_grad_of_a_jitted_function_share_its_trace():
    f = Counted(lambda x: mnp.sin(x) * 2)
    g = mj.jit(f)
    g(1.0)
    mj.grad(g)(1.0), mj.vmap(g)(mnp.ones(3)), mj.grad(g)(2.0)
    assert f.traces <= 2  # one more for the strong type of the rows


def test_clear_cache_and_clear_caches_forget():
    f = Counted(lambda x: x + 1)
    g = mj.jit(f)
    g(1.0), g(1.0)
    g.clear_cache()
    g(1.0)
    assert f.traces == 2
    mj.clear_caches()
    g(1.0), g(2.0)
    assert f.traces == 3


def test_clear_caches_lets_go_of_programs_that_are_still_referred_to():
    """The rules keep the loops they have transposed, and with a loop its program keeps memory."""
    from minijax.lower import compiled

    closed = mj.make_jaxpr(lambda x: mnp.sin(x) * 2)(1.0)
    program = compiled(closed)
    assert compiled(closed) is program
    mj.clear_caches()
    assert compiled(closed) is not program


def test_methods_are_compiled_once_per_equal_instance():
    class Model:
        def __init__(self, w):
            self.w = w

        @functools.partial(mj.jit, static_argnums=0)
        def __call__(self, x):
            return x * self.w

    a, b = Model(2.0), Model(3.0)
    assert (a(1.0), b(1.0), a(2.0)) == (2.0, 3.0, 4.0)


# ------------------------------------------------------------------------------------------------ why it compiled again


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, logger="minijax.jit")
    mj.config.update("jax_log_compiles", True)
    yield lambda: [
        r.getMessage().partition("): ")[2] for r in caplog.records if r.getMessage().startswith("Compiling")
    ]
    mj.config.update("jax_log_compiles", False)


def test_compiles_are_explained_by_the_argument_that_changed(said):
    def f(w, q, n=2):
        return (w * q["a"]) ** n

    g = mj.jit(f, static_argnames="n")
    one, three = mnp.ones(()), mnp.ones(3)
    g(one, {"a": one})
    g(one, {"a": three})
    g(one, {"a": mnp.ones(4)})
    g(1.0, {"a": mnp.ones(4)})
    g(one, {"a": mnp.ones(4, int)})
    g(one, {"a": three}, n=3)
    g(one, {"a": three}, n=4)
    g(one, {"a": three, "b": one})
    with mj.enable_x64():
        g(one, {"a": three})
    g(one, {"a": three})
    assert said() == [
        "first call",
        "argument q['a'] was f32[], is now f32[3]",
        "argument q['a'] was f32[3], is now f32[4]",
        "argument w was f32[], is now weak f32[] (only the weak type: a Python number instead of an array, or the reverse)",
        "argument q['a'] was f32[4], is now i32[4] (only the dtype)",
        "static argument n was not given, is now 3",
        "static argument n was 3, is now 4",
        "new arguments q['b']",
        "config jax_enable_x64 was False, is now True",
    ]


def test_compiles_are_explained_by_the_branch_that_turned(said):
    def f(x):
        if x > 0:
            return x
        return -x

    g = mj.jit(f)
    g(1.0), g(2.0), g(-1.0), g(1.0), g(-2.0)
    first, second = said()
    assert first == "first call"
    assert second.startswith("a Python branch went another way: it was True, is now False at ")
    assert "test_jit_cache.py" in second and "if x > 0" in second


def test_a_function_made_anew_for_every_call_is_pointed_out(said):
    for scale in (1.0, 2.0):
        mj.jit(lambda x, scale=scale: x * scale)(1.0)
    first, second = said()
    assert first == "first call"
    assert (
        "first call; jit has compiled 2 functions made by the same code" in second and "outside of the loop" in second
    )


def test_nothing_is_said_without_the_flag(caplog):
    caplog.set_level(logging.WARNING, logger="minijax.jit")
    mj.jit(lambda x: x)(1.0)
    assert not caplog.records


# -------------------------------------------------------------------------------------------------------------- the tree


def collatz_like(x):
    """Eight ways through: three questions."""
    y = x[0]
    for k in range(3):
        y = y * 2.0 if x[k] > 0 else y - 1.0
    return y


def tree_of(jitted):
    (tree,) = jitted.programs.values()
    return tree


def test_every_way_is_compiled_once_and_found_again():
    f = Counted(collatz_like)
    g = mj.jit(f)
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 3)).astype(np.float32)
    for x in inputs:
        np.testing.assert_allclose(g(mnp.array(x)), collatz_like(x), rtol=1e-6)
    ways = {tuple((x > 0).tolist()) for x in inputs}
    tree = tree_of(g)
    assert f.traces == len(tree) == len(ways) == 8
    assert {leaf.outcomes for leaf in tree} == ways
    assert tree.hits == 200
    counts = {way: sum(tuple((x > 0).tolist()) == way for x in inputs) for way in ways}
    assert {leaf.outcomes: leaf.hits for leaf in tree} == counts


def test_a_call_tries_at_most_one_program_per_guard():
    g = mj.jit(collatz_like)
    rng = np.random.default_rng(1)
    inputs = [mnp.array(x) for x in rng.standard_normal((64, 3)).astype(np.float32)]
    for x in inputs:
        g(x)
    runs = []
    for leaf in tree_of(g):
        leaf.run = noted(leaf.run, runs)
    most, total = 0, 0
    for x in inputs:
        runs.clear()
        g(x)
        most, total = max(most, len(runs)), total + len(runs)
    assert most <= 4 and total <= 3 * len(inputs)


def noted(f, runs):
    def g(*args):
        runs.append(1)
        return f(*args)

    return g


def test_integers_are_children_by_value():
    f = Counted(lambda x, n: [x := x * 2.0 for _ in range(n)][-1])
    g = mj.jit(f)
    assert [float(g(1.0, n)) for n in (1, 3, 1, 2, 3)] == [2.0, 8.0, 2.0, 4.0, 8.0]
    assert f.traces == 3 and {leaf.outcomes for leaf in tree_of(g)} == {(1,), (2,), (3,)}
    assert set(tree_of(g).root.children) == {1, 2, 3}


def test_beyond_the_limit_calls_are_evaluated_with_one_warning_that_quotes_the_line():
    def halvings(x):
        count = 0
        while x > 1.0:
            x = x / 2.0
            count = count + 1
        return x, count

    f = Counted(halvings)
    g = mj.jit(f)
    mj.config.update("minijax_jit_max_specializations", 3)
    try:
        for x in (1.0, 2.0, 4.0):
            g(x)
        with pytest.warns(UserWarning, match="3 specialisations") as caught:
            assert g(100.0) == (halvings(100.0)[0], 7)
        assert len(caught) == 1
        text = str(caught[0].message)
        assert "while x > 1.0:" in text and "minijax.lax.while_loop" in text and "minijax.lax.cond" in text
        out, count = g(64.0)  # evaluated, without another warning
        assert (out, count) == (1.0, 6) and type(out) is type(count) is mj.Array
        assert len(tree_of(g)) == 3
        assert g(4.0) == (1.0, 2)
        assert mj.grad(lambda x: g(x)[0])(64.0) == 2.0**-6
    finally:
        mj.config.update("minijax_jit_max_specializations", 16)


def test_the_pictures_count_the_calls_of_the_tree():
    g = mj.jit(lambda x: x * 2.0 if x > 0 else -x)
    for x in (1.0, 2.0, -3.0):
        g(mnp.float32(x))
    text = str(mj.viz.draw_branches(g))
    assert "then: 2 calls" in text and "else: 1 call" in text


def test_branches_of_inner_jitted_functions_are_questions_of_the_outer_program():
    inner = mj.jit(lambda x: x * 2.0 if x > 0 else -x)
    g = mj.jit(lambda x, y: inner(x) + inner(y))
    for x, y in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)):
        assert g(x, y) == float(inner(x)) + float(inner(y))
    assert len(tree_of(g)) == 4


def test_guards_in_the_debug_mode_find_their_program_too():
    g = mj.jit(collatz_like)
    with mj.debug_nans():
        for x in ([1, 1, 1], [1, -1, 1], [-1, 1, -1], [1, 1, 1], [-1, 1, -1]):
            np.testing.assert_allclose(g(mnp.array(x, float)), collatz_like(np.array(x, float)))
        assert len(tree_of(g)) == 3
    assert lax.add(g(mnp.array([1.0, 1.0, 1.0])), 0.0) == 8.0
