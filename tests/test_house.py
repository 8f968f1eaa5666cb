"""The plan of the house: file sizes, module docstrings, no imports inside functions, nothing importable as top-level `ir`."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for folder in ("ir", "viz", "minijax")
    for path in (ROOT / folder).rglob("*.py")
    if "/minijax/ir/" not in str(path) and "/minijax/viz/" not in str(path)
)
HEAVY = ("numba", "scipy", "llvmlite", "opt_einsum", "concurrent")  # imported at the first use, where it is needed


@pytest.mark.parametrize("path", SOURCES, ids=lambda q: str(q.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_stays_readable(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert len(text.splitlines()) <= 620, "too long to read in one sitting"


@pytest.mark.parametrize("path", SOURCES, ids=lambda q: str(q.relative_to(ROOT)))
def test_only_heavy_packages_are_imported_inside_functions(path):
    tree = ast.parse(path.read_text())
    hidden = []
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    hidden += [a.name for a in node.names if not a.name.startswith(HEAVY)]
                elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(HEAVY):
                    hidden.append(node.module)
    allowed = (
        {"printer"} if path.name == "jaxpr.py" else set()
    )  # showing a Jaxpr needs the printer, which reads Jaxprs
    assert set(hidden) <= allowed


LAZY = {
    "minijax": ["debug", "nn", "random", "scipy", "viz", "experimental", "test_util"],
    "minijax.ir": ["parse"],
    "minijax.lower": ["compiled", "optimised"],
}


@pytest.mark.parametrize("module", LAZY)
def test_names_that_are_imported_when_asked_for_are_found_like_all_others(module):
    names = LAZY[module]
    code = f"""
import sys, {module}
room = {module}
assert not [m for m in ("minijax.debug", "minijax.ir.parser", "minijax.lower.compile") if m in sys.modules]
assert set({names}) <= set(dir(room)) and set({names}) <= set(room.__all__)
from {module} import *
assert all(globals()[name] is getattr(room, name) for name in {names})
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_minijax_loads_nothing_heavy():
    code = "import sys, minijax; print([m for m in ('numba', 'scipy', 'graphviz', 'matplotlib') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("on", [True, False])
def test_garbage_is_collected_after_the_import_if_it_was_before(on):
    before = "" if on else "gc.disable(); "
    subprocess.run(
        [sys.executable, "-c", f"import gc; {before}import minijax; assert gc.isenabled() is {on}"],
        check=True,
        cwd=ROOT,
    )


def test_ir_and_viz_are_not_importable_by_themselves():
    code = "import importlib.util; print(importlib.util.find_spec('ir'), importlib.util.find_spec('viz'))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert out.stdout.split() == ["None", "None"]
    assert importlib.util.find_spec("minijax.ir") is not None


def test_the_links_are_relative():
    for name in ("ir", "viz"):
        link = ROOT / "minijax" / name
        assert link.is_symlink()
        assert str(link.readlink()) == f"../{name}"
