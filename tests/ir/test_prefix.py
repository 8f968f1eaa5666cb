"""Prefixes: equal programs end at the same one, different programs never do, loops are cut into equal pieces."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax import lax
from minijax.interpreters.eval import eval_jaxpr
from minijax.ir import Literal, aval_like, lookup, new_trace, prefix as prefixes
from minijax.ir.jaxpr import interned
from minijax.ir.prefix import Prefix, shared_root


def traced(function, *values, staging=False):
    """The trace of `function` at `values`, ended."""
    values = [mnp.asarray(x) for x in values]
    with new_trace("test", "f", staging=staging) as trace:
        result = function(*[trace.input(aval_like(x), x) for x in values])
        trace.end(list(result) if isinstance(result, tuple) else [result])
    return trace


def ends(function, *values):
    trace = traced(function, *values)
    return [piece.prefix for piece in trace.pieces], trace.outputs


def same(a, b):
    return a[0] == b[0] and a[1] == b[1]


def test_the_same_program_ends_at_the_same_prefix():
    f = lambda x, y: mnp.sin(x * y).sum() + 1.0
    assert same(ends(f, np.ones(3), np.ones(3)), ends(f, np.zeros(3), np.ones(3)))
    assert same(ends(f, 1.0, 2.0), ends(lambda a, b: mnp.sin(a * b).sum() + 1.0, 3.0, 4.0))


DIFFERENT = {
    "types of inputs": (lambda x: mnp.sin(x), (np.ones(3),), lambda x: mnp.sin(x), (np.ones(4),)),
    "weak types": (lambda x: mnp.sin(x), (1.0,), lambda x: mnp.sin(x), (np.float32(1),)),
    "operations": (lambda x: mnp.sin(x), (1.0,), lambda x: mnp.cos(x), (1.0,)),
    "operands": (lambda x, y: x - y, (1.0, 2.0), lambda x, y: y - x, (1.0, 2.0)),
    "literals": (lambda x: x + 1.0, (1.0,), lambda x: x + 2.0, (1.0,)),
    "signs of zeros": (lambda x: x * 0.0, (1.0,), lambda x: x * -0.0, (1.0,)),
    "params": (lambda x: x.sum(0), (np.ones((2, 2)),), lambda x: x.sum(1), (np.ones((2, 2)),)),
    "outputs": (lambda x: (x, mnp.sin(x)), (1.0,), lambda x: (mnp.sin(x), x), (1.0,)),
    "literal outputs": (lambda x: mnp.float32(1.0), (1.0,), lambda x: mnp.float32(2.0), (1.0,)),
    "numbers of inputs": (lambda x: x, (1.0,), lambda x, y: x, (1.0, 1.0)),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_programs_that_differ_do_not_end_at_the_same_prefix(what):
    f, at, g, there = DIFFERENT[what]
    assert not same(ends(f, *at), ends(g, *there))


def test_params_that_are_equal_in_python_and_not_in_kind_are_told_apart():
    one, true = (lambda x, k=k: lookup("integer_pow").bind(x, y=k) for k in (1, True))
    assert not same(ends(one, 2.0), ends(true, 2.0))


def test_constants_are_inputs_and_their_values_do_not_matter():
    first, second = (traced(lambda x, w=w: (x * w).sum(), np.ones(3)) for w in (mnp.ones(3), mnp.arange(3.0)))
    assert first.pieces[0].prefix is second.pieces[0].prefix
    assert first.consts[0] is not second.consts[0]


def test_guards_do_not_make_programs_different():
    plain = ends(lambda x: mnp.sin(x), 1.0)
    assert same(plain, ends(lambda x: mnp.sin(x) if x.dtype else x, 1.0))
    asked = traced(lambda x: mnp.sin(x) if x > 0 else x, 1.0)
    assert [eqn.primitive.name for eqn in asked.eqns] == ["gt", "guard", "sin"]
    assert asked.pieces[0].prefix is ends(lambda x: (x > 0, mnp.sin(x))[1], 1.0)[0][0]


def test_a_prefix_written_out_computes_the_same():
    f = lambda x, y: (mnp.exp(x) * y + 2.0, mnp.sort(x)[::-1], x)
    x, y = mnp.arange(3.0), mnp.ones(3)
    trace = traced(f, x, y)
    found = eval_jaxpr(trace.pieces[0].prefix.jaxpr(trace.outputs), (), x, y)
    for value, wanted in zip(found, f(x, y), strict=True):
        np.testing.assert_array_equal(value, wanted)


def looping(count):
    def f(x, w):
        for _ in range(count):
            x = mnp.sin(x) * w
            x = x + 1.0
        return x

    return f


def test_a_loop_is_cut_into_equal_pieces():
    pieces = traced(looping(1000), 0.5, 0.9).pieces
    assert len(pieces) > 10
    assert len({id(piece.prefix) for piece in pieces[1:-1]}) == 1
    assert sum(piece.prefix.equations for piece in pieces) == 3000
    assert [piece.base for piece in pieces] == np.cumsum([0, *(p.prefix.results for p in pieces[:-1])]).tolist()


def test_a_program_that_never_comes_round_is_cut_too():
    names = [f"y = mnp.sin(y) * {k}.5" for k in range(1000)]
    space = {"mnp": mnp}
    exec("def f(y):\n  " + "\n  ".join(names) + "\n  return y", space)
    pieces = traced(space["f"], 1.0).pieces
    assert max(piece.prefix.equations for piece in pieces) <= 256
    assert sum(piece.prefix.equations for piece in pieces) == 2000


@pytest.mark.parametrize("count", [3, 40, 500])
def test_the_jaxpr_of_a_loop_does_not_show_the_pieces(count):
    staged = traced(looping(count), 0.5, 0.9, staging=True).closed_jaxpr()
    cut = traced(looping(count), 0.5, 0.9).closed_jaxpr()
    assert str(cut) == str(staged)
    assert [eqn.source.line for eqn in cut.eqns] == [eqn.source.line for eqn in staged.eqns]


def test_each_trace_has_its_own_sources():
    def one(x):
        return mnp.sin(x)

    def other(x):
        return mnp.sin(x)

    first, second = traced(one, 1.0), traced(other, 1.0)
    assert first.pieces[0].prefix is second.pieces[0].prefix
    assert first.eqns[0].source.line == one.__code__.co_firstlineno + 1
    assert second.eqns[0].source.line == other.__code__.co_firstlineno + 1
    assert first.eqns[0].outvars[0] is not second.eqns[0].outvars[0]


def test_sources_of_a_loop_in_a_function_that_is_called_from_two_places():
    def step(x):
        return mnp.sin(x)

    def f(x):
        for _ in range(200):
            x = step(x)
            x = step(x)
        return x

    eqns = traced(f, 1.0).eqns
    assert {eqn.source.function for eqn in eqns} == {"step"}
    first = f.__code__.co_firstlineno
    assert [eqn.source.parent.line - first for eqn in eqns] == [2, 3] * 200


@pytest.fixture
def trie(monkeypatch):
    """A trie with nothing in it."""
    monkeypatch.setattr(prefixes, "_trie", prefixes._Trie())
    return prefixes._trie


def test_bodies_and_what_follows_them_are_not_kept(trie):
    f = lambda x: mnp.sin(mj.checkpoint(lambda y: mnp.cos(y * 1.5))(x) * 7.25)
    (last,), _ = ends(f, np.ones(19))
    assert not last.shared
    assert not last.plain
    assert trie.size == 1  # the input


def test_equations_are_recognised_with_bodies_that_are(trie):
    def f(x):
        return mnp.sin(lax.fori_loop(0, 3, lambda i, v: v * 1.5, x))

    first, second = ends(f, np.ones(19)), ends(f, np.ones(19))
    assert same(first, second)
    assert first[0][0].shared and not first[0][0].plain


def test_staging_traces_keep_nothing(trie):
    trace = traced(lambda x: mnp.sin(mnp.cos(mnp.sin(x)) * 3.25), np.ones(17), staging=True)
    assert not trace.pieces[0].prefix.shared
    assert trie.size == 0


def test_there_is_a_limit_to_what_is_kept(trie):
    trie.limit = 10
    f = looping(30)
    before = shared_root()
    a, b = ends(f, 0.5, 0.9), ends(f, 0.5, 0.9)
    assert trie.root is not before
    assert not same(a, b)
    assert mj.grad(f)(0.5, 0.9) == mj.grad(f)(0.5, 0.9)


def test_a_trace_leaves_no_cycles_behind():
    gc.collect()
    gc.disable()
    try:
        value = mnp.ones(3)
        ref = weakref.ref(value)
        mj.grad(lambda x, w=value: (x * w).sum())(mnp.ones(3))
        mj.grad(lambda x, w=value: looping(100)(x, w).sum())(mnp.ones(3))
        del value
        assert ref() is None
    finally:
        gc.enable()


def test_the_root_has_no_operation():
    root = Prefix()
    assert root.since() == []
    longer = root.with_input(aval_like(mnp.ones(3)))
    assert longer.since() == [longer]
    assert longer.index == -1
    assert repr(longer) == "Prefix(0 equations)"


def test_literals_of_equal_bits_are_one():
    aval = aval_like(mnp.float32(0))
    a, b, c = (interned(Literal(np.float32(v), aval)) for v in (0.0, 0.0, -0.0))
    assert a is b
    assert a is not c
