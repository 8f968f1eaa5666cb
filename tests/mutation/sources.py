"""Breaks made in the text of a module: one expression of one function is changed, and the function gets the new code.

A flag is negated, the first arm of a conditional expression is left out (a tangent or cotangent is forgotten), neighbours in a
list of operands change places (residuals, carries, tangents), a term of a sum is dropped, a sign flipped.
"""

from __future__ import annotations

import ast
import copy
import gc
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

__all__ = ["Edit", "apply_edit", "edits"]

OPPOSITE = {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn}


UNTOUCHED = ("_abstract", "_vjp_abstract", "_second_abstract")  # they check types: no derivative, no batch


class Edit(NamedTuple):
    """`new` stands in `field` of `parent` (at `index`, in a list), a node of the module's `tree`."""

    function: str  # the qualified name of the outermost one
    text: str
    tree: ast.Module
    parent: ast.AST
    field: str
    index: int | None
    new: ast.AST


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of a node."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=x):
            yield x
        case ast.IfExp(orelse=no):
            yield no
        case ast.Compare(left=left, ops=[op], comparators=right) if type(op) in OPPOSITE:
            yield ast.Compare(left, [OPPOSITE[type(op)]()], right)
        case ast.Call(func=ast.Attribute(attr="add") | ast.Name(id="add_tangents"), args=[a, b]):
            yield a
            yield b
        case ast.Call(func=ast.Attribute(value=ast.Name(id="p"), attr="sub"), args=args):
            yield ast.Call(ast.Attribute(ast.Name("p", ast.Load()), "add", ast.Load()), args, [])
        case ast.Call(func=ast.Attribute(value=ast.Name(id="p"), attr="neg"), args=[x]):
            yield x
    yield from _swaps(node)


def _swaps(node: ast.AST) -> Iterator[ast.AST]:
    """The node with two neighbouring groups of operands (`*a, *b`) in the other order."""
    field = "args" if type(node) is ast.Call else "elts" if type(node) in (ast.List, ast.Tuple) else None
    if field is None:
        return
    items = getattr(node, field)
    for i in range(len(items) - 1):
        if type(items[i]) is type(items[i + 1]) is ast.Starred:
            swapped = copy.copy(node)
            setattr(swapped, field, [*items[:i], items[i + 1], items[i], *items[i + 2 :]])
            yield swapped


def edits(module: ModuleType) -> Iterator[Edit]:
    """Every change of every function of a module."""
    tree = ast.parse(inspect.getsource(module))
    for function, name in _functions(tree):
        seen: dict[str, int] = {}
        for parent, field, index, node in _expressions(function):
            for new in changes(node):
                text = f"{ast.unparse(node)}  =>  {ast.unparse(new)}"
                seen[text] = seen.get(text, 0) + 1
                again = f"  ({seen[text]})" if seen[text] > 1 else ""
                yield Edit(name, text + again, tree, parent, field, index, new)


def _functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if node.name not in UNTOUCHED:
                yield node, node.name
        elif isinstance(node, ast.ClassDef):
            yield from ((x, f"{node.name}.{x.name}") for x in node.body if isinstance(x, ast.FunctionDef))


def _expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """(parent, field, place in the field, node) for all that is below a function, but what it raises and its types."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise):
                yield node, field, index, child
                yield from _expressions(child)


def apply_edit(module: ModuleType, edit: Edit) -> None:
    """Give the functions that exist the code of the changed module. Changes the tree: call it in a process of its own."""
    if edit.index is None:
        setattr(edit.parent, edit.field, edit.new)
    else:
        getattr(edit.parent, edit.field)[edit.index] = edit.new
    code = compile(ast.fix_missing_locations(edit.tree), "<mutant>", "exec", dont_inherit=True)
    changed = {x.co_qualname: x for x in _codes(code) if _outermost(x.co_qualname) == edit.function}
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__module__ == module.__name__:
            new = changed.get(function.__code__.co_qualname)
            if new is not None:
                function.__code__ = new


def _outermost(qualname: str) -> str:
    return qualname.partition(".<locals>")[0]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from _codes(const)
