"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import minijax
import minijax.ir
import minijax.viz

MODULES = sorted(
    {
        module.name
        for package in (minijax, minijax.ir, minijax.viz)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        if not module.name.endswith("__main__")
    }
    | {"minijax", "minijax.ir", "minijax.viz"}
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    module = importlib.import_module(name)
    scope = {**vars(module), "mj": minijax, "minijax": minijax}
    result = doctest.testmod(module, extraglobs=scope, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0
