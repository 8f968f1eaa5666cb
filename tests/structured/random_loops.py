"""Random programs of nested scan, while, fori_loop and cond, each with two readings: equations that hold Jaxprs, and plain Python.

A program is a tuple of statements over a state (u, v) of two vectors and a parameter w; a statement that holds a body is a tuple
(kind, options, body...). `structured` and `plain` run the same program; the second is what the first must equal.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import minijax.numpy as mnp
from minijax import lax

STEPS = {
    "rotate": lambda u, v, w: (mnp.sin(u + 0.5 * v), mnp.cos(v) * w),
    "mix": lambda u, v, w: (mnp.tanh(u * w) + 0.3 * v, v - 0.2 * u),
    "swap": lambda u, v, w: (v, u),
    "squash": lambda u, v, w: (u / (1.0 + v * v), mnp.exp(-u * u) + 0.1 * w),
    "share": lambda u, v, w: (u + 0.1 * mnp.sum(v), v * w),
    "forget": lambda u, v, w: (mnp.ones_like(u) * 0.3, u),
    "constant": lambda u, v, w: (mnp.tanh(w * w) * u, mnp.sin(w) + 0.0 * v),
}


def programs(depth: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Programs nested up to `depth` bodies deep."""
    simple = st.sampled_from(sorted(STEPS))
    if depth == 0:
        return st.lists(simple, min_size=1, max_size=2).map(tuple)
    inner = programs(depth - 1)
    loops = st.one_of(
        st.tuples(st.just("scan"), st.tuples(st.integers(0, 3), st.booleans()), inner),
        st.tuples(st.just("while"), st.tuples(st.integers(0, 3), st.sampled_from([None, 1, 2])), inner),
        st.tuples(st.just("fori"), st.integers(0, 3), inner),
        st.tuples(st.just("cond"), st.sampled_from([-0.5, 0.0, 0.4]), inner, inner),
        st.tuples(st.just("switch"), st.integers(0, 2), inner, inner, inner),
    )
    return st.lists(st.one_of(simple, loops), min_size=1, max_size=2).map(tuple)


def run(program: tuple[Any, ...], u: Any, v: Any, w: Any, reading: Any) -> tuple[Any, Any]:
    """Run a program in one of the two readings."""
    for statement in program:
        if isinstance(statement, str):
            u, v = STEPS[statement](u, v, w)
        else:
            kind, options, *bodies = statement
            steps = [lambda u, v, w, body=body: run(body, u, v, w, reading) for body in bodies]
            u, v = reading[kind](options, u, v, w, *steps)
    return u, v


def _rows(length: int, w: Any) -> Any:
    return mnp.stack([w * (0.5 + i) for i in range(length)]) if length else mnp.zeros((0, *w.shape))


def _going(u: Any, count: Any, limit: int) -> Any:
    return (count < limit) & (mnp.sum(u * u) < 4.0 + limit)


def _scan(options: Any, u: Any, v: Any, w: Any, body: Any) -> Any:
    length, reverse = options

    def step(state: Any, row: Any) -> Any:
        u, v = body(*state, row)
        return (u, v), u * row

    (u, v), rows = lax.scan(step, (u, v), _rows(length, w), reverse=reverse)
    return u, v + mnp.sum(rows, axis=0) * 0.1


def _plain_scan(options: Any, u: Any, v: Any, w: Any, body: Any) -> Any:
    length, reverse = options
    total = mnp.zeros_like(v)
    for i in reversed(range(length)) if reverse else range(length):
        row = w * (0.5 + i)
        u, v = body(u, v, row)
        total = total + u * row
    return u, v + total * 0.1


def _while(options: Any, u: Any, v: Any, w: Any, body: Any) -> Any:
    limit, every = options
    _, u, v = lax.while_loop(
        lambda state: _going(state[1], state[0], limit),
        lambda state: (state[0] + 1, *body(state[1], state[2], w)),
        (0, u, v),
        checkpoint_every=every,
    )
    return u, v


def _plain_while(options: Any, u: Any, v: Any, w: Any, body: Any) -> Any:
    limit, count = options[0], 0
    while _going(u, count, limit):
        u, v = body(u, v, w)
        count += 1
    return u, v


def _fori(stop: int, u: Any, v: Any, w: Any, body: Any) -> Any:
    return lax.fori_loop(0, stop, lambda i, state: body(state[0] + 0.1 * i, state[1], w), (u, v))


def _plain_fori(stop: int, u: Any, v: Any, w: Any, body: Any) -> Any:
    for i in range(stop):
        u, v = body(u + 0.1 * i, v, w)
    return u, v


def _cond(level: float, u: Any, v: Any, w: Any, yes: Any, no: Any) -> Any:
    return lax.cond(mnp.sum(u) > level, lambda u, v: yes(u, v, w), lambda u, v: no(u, v, w), u, v)


def _plain_cond(level: float, u: Any, v: Any, w: Any, yes: Any, no: Any) -> Any:
    return yes(u, v, w) if mnp.sum(u) > level else no(u, v, w)


def _index(offset: int, v: Any) -> Any:
    return mnp.floor(3.0 * mnp.abs(v[0])).astype(int) + offset - 1


def _switch(offset: int, u: Any, v: Any, w: Any, *bodies: Any) -> Any:
    return lax.switch(_index(offset, v), [lambda u, v, b=b: b(u, v, w) for b in bodies], u, v)


def _plain_switch(offset: int, u: Any, v: Any, w: Any, *bodies: Any) -> Any:
    return bodies[min(max(int(_index(offset, v)), 0), len(bodies) - 1)](u, v, w)


structured = {"scan": _scan, "while": _while, "fori": _fori, "cond": _cond, "switch": _switch}
plain = {
    "scan": _plain_scan,
    "while": _plain_while,
    "fori": _plain_fori,
    "cond": _plain_cond,
    "switch": _plain_switch,
}
