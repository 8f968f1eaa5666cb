"""The directive `house`: the map of the source, from the bottom floor to the top, one line per file.

In: the import-linter contract in pyproject.toml (which room may import from which), and the first line of each file's docstring.
Out: a table per room. Nothing is listed by hand, so the map is as true as the docstrings.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from plain_docstrings import escaped
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

ROOT = Path(__file__).parents[2]


class House(SphinxDirective):
    """`.. house::`"""

    def run(self) -> list[nodes.Node]:
        """Write the tables as reStructuredText and have them read."""
        lines = [line for number, rooms in enumerate(floors()) for line in floor_lines(number, rooms)]
        node = nodes.section()
        node.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source="pyproject.toml"), node)
        return node.children


def floors() -> list[list[str]]:
    """Modules of each floor, the lowest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return [[room.strip() for room in layer.split("|")] for layer in reversed(layers)]


def floor_lines(number: int, rooms: list[str]) -> list[str]:
    """The section of one floor."""
    title = f"Floor {number}: {', '.join(room.removeprefix('minijax.') for room in rooms)}"
    lines = ["", title, "-" * len(title), "", ".. list-table::", "   :widths: 28 72", ""]
    for room in rooms:
        for file in files(room):
            lines += [f"   * - ``{file.relative_to(ROOT)}``", f"     - {escaped(first_line(file))}"]
    return [*lines, ""]


def files(room: str) -> list[Path]:
    """The files of a room, that which explains it first."""
    path = ROOT / room.replace(".", "/")
    real = path.resolve()  # minijax/ir and minijax/viz are links
    if not real.is_dir():
        return [path.with_suffix(".py")]
    return sorted(real.rglob("*.py"), key=lambda file: (file.name != "__init__.py", str(file)))


def first_line(file: Path) -> str:
    """What a file says it is."""
    return (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n")[0]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("house", House)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
