"""The directive `reference`: everything that a module offers, grouped by the file that it is written in.

In: the name of a module. Out: one section per file, with the first line of the file's docstring as its title and text, and
the documentation of each public function and class in it, in the order of the file. Nothing is listed by hand, so nothing
is forgotten; what is no function or class (constants, dtypes) is named in one line at the end.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from plain_docstrings import escaped
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

import minijax

_WITHOUT_MEMBERS = {"Array", "Tracer"}  # their methods are the functions of minijax.numpy


class Reference(SphinxDirective):
    """`.. reference:: minijax.numpy`"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the page as reStructuredText and have it read."""
        lines = reference_lines(self.arguments[0])
        node = nodes.section()
        node.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=self.arguments[0]), node)
        return node.children


def reference_lines(name: str) -> list[str]:
    """The text of the reference of module `name`."""
    module = import_module(name)
    files: dict[str, list[tuple[int, str]]] = {}
    others = []
    for public, value in sorted(_public(module).items()):
        if _is_documented(value, module):
            files.setdefault(value.__module__, []).append((_line(value), public))
        elif not isinstance(value, ModuleType) and type(value).__module__ != "__future__":
            others.append(public)
    lines: list[str] = []
    for file in _in_order(module, list(files)):
        if len(files) > 1:
            lines += _heading(file)
        for _, public in sorted(files[file]):
            lines += _entry(name, public, getattr(module, public))
    if others:
        lines += ["", "Other names", "-" * 27, "", ", ".join(f"``{public}``" for public in others), ""]
    return lines


def _public(module: ModuleType) -> dict[str, Any]:
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return {name: x for name, x in found.items() if getattr(x, "__module__", "") != "typing"}


def _is_documented(value: Any, module: ModuleType) -> bool:
    if not isinstance(value, (FunctionType, type)) or not value.__module__.startswith("minijax") or not value.__doc__:
        return False
    elsewhere = isinstance(value, type) and getattr(minijax, value.__name__, None) is value  # a class has one page
    return module is minijax or not elsewhere


def _in_order(module: ModuleType, files: list[str]) -> list[str]:
    """Files in the order in which the module first mentions them; what it defines itself comes first."""
    source = inspect.getsource(module)

    def place(file: str) -> tuple[bool, int, str]:
        found = source.find(f"from .{file.removeprefix(module.__name__ + '.')} ")
        return file != module.__name__, found if found >= 0 else len(source), file

    return sorted(files, key=place)


def _line(value: Any) -> int:
    code = getattr(inspect.unwrap(value), "__code__", None)
    if code is not None:
        return code.co_firstlineno
    try:
        return inspect.getsourcelines(value)[1]
    except (OSError, TypeError):  # made by a function call
        return 0


def _heading(file: str) -> list[str]:
    first = (sys.modules[file].__doc__ or file).strip().split("\n")[0]
    title, _, rest = first.partition(": ")
    if title.startswith("`minijax.") and rest:
        title = rest
    title = title.replace("`", "").rstrip(".")
    title = title[:1].upper() + title[1:] if " " in title else title
    text = escaped(rest[:1].upper() + rest[1:])
    return ["", title, "-" * len(title), "", text, ""]


def _entry(module: str, public: str, value: Any) -> list[str]:
    kind = "class" if isinstance(value, type) else "function"
    lines = ["", f".. auto{kind}:: {module}.{public}"]
    if kind == "class" and public not in _WITHOUT_MEMBERS:
        lines.append("   :members:")
    return [*lines, ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
