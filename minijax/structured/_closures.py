"""Functions that close over traced values: finding these, and putting others in their place.

In: a function (or a tree of values and functions). Out: the tracers in its closure; a copy with other values there.

A rule given by the user runs when the program is transformed, after the trace that called its function has ended. What
it closed over then must be what the interpreter computed, not the dead tracer: the tracers become operands of the
equation, and the closure cells are filled again when the rule runs (closure conversion, Reynolds 1972).
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from ..ir import Tracer
from ..tree import tree_flatten, tree_unflatten

__all__ = ["captured_tracers", "holds_functions", "refilled"]

_holders: dict[type, tuple[tuple[str, ...], Callable[[Any], Any]]] = {}


def holds_functions(kind: type, attributes: tuple[str, ...], fresh: Callable[[Any], Any]) -> None:
    """Say that objects of class `kind` hold functions in `attributes`; `fresh(x)` is a copy of one, to be changed."""
    _holders[kind] = attributes, fresh


def captured_tracers(*things: Any) -> list[Any]:
    """The tracers among `things`, in trees of them and in closures of functions; each once."""
    found: dict[int, Any] = {}
    _collect(list(things), found, set())
    return list(found.values())


def _collect(thing: Any, found: dict[int, Any], seen: set[int]) -> None:
    for leaf in tree_flatten(thing)[0]:
        if type(leaf) is Tracer:
            found.setdefault(id(leaf), leaf)
        elif id(leaf) not in seen and callable(leaf):
            seen.add(id(leaf))
            for part in _parts(leaf):
                _collect(part, found, seen)


def _parts(function: Any) -> list[Any]:
    """What a function holds: the contents of its closure, the arguments of a partial, the object of a method."""
    if type(function) is functools.partial:
        return [function.func, list(function.args), function.keywords]
    if type(function) is types.MethodType:
        return [function.__func__, function.__self__]
    if type(function) in _holders:
        return [getattr(function, name) for name in _holders[type(function)][0]]
    if type(function) is not types.FunctionType:
        return []
    parts = [list(function.__defaults__ or ())]
    for cell in function.__closure__ or ():
        try:
            parts.append(cell.cell_contents)
        except ValueError:  # a variable that is assigned later
            continue
    return parts


def refilled(thing: Any, values: dict[int, Any]) -> Any:
    """`thing` with the tracers whose ids `values` lists replaced, in its closures too."""
    return _refill(thing, values, {}) if values else thing


def _refill(thing: Any, values: dict[int, Any], made: dict[int, Any]) -> Any:
    leaves, structure = tree_flatten(thing)
    return tree_unflatten(structure, [_refill_leaf(leaf, values, made) for leaf in leaves])


def _refill_leaf(leaf: Any, values: dict[int, Any], made: dict[int, Any]) -> Any:
    if type(leaf) is Tracer:
        return values.get(id(leaf), leaf)
    if id(leaf) in made:
        return made[id(leaf)]
    if not callable(leaf) or not captured_tracers(leaf):
        return leaf
    if type(leaf) is functools.partial:
        keywords = {name: _refill(value, values, made) for name, value in leaf.keywords.items()}
        return functools.partial(
            _refill_leaf(leaf.func, values, made), *[_refill(x, values, made) for x in leaf.args], **keywords
        )
    if type(leaf) is types.MethodType:
        return types.MethodType(_refill_leaf(leaf.__func__, values, made), _refill(leaf.__self__, values, made))
    if type(leaf) in _holders:
        attributes, fresh = _holders[type(leaf)]
        made[id(leaf)] = copy = fresh(leaf)
        for name in attributes:
            setattr(copy, name, _refill(getattr(leaf, name), values, made))
        return copy
    return _refill_function(leaf, values, made)


def _refill_function(function: types.FunctionType, values: dict[int, Any], made: dict[int, Any]) -> Any:
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    defaults = None if function.__defaults__ is None else tuple(_refill(list(function.__defaults__), values, made))
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__, defaults, cells)
    copy.__kwdefaults__ = function.__kwdefaults__
    made[id(function)] = copy  # before its cells: a recursive function holds itself
    for cell, old in zip(cells, function.__closure__ or (), strict=True):
        try:
            cell.cell_contents = _refill(old.cell_contents, values, made)
        except ValueError:
            continue
    return copy
