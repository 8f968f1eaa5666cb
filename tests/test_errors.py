"""Errors: the four parts of a message, JAX's hierarchy, and a page for every class."""

from __future__ import annotations

import copy
import inspect
import pickle
from itertools import combinations

import pytest

from minijax import errors

CLASSES = [getattr(errors, name) for name in errors.__all__ if name != "teach"]
PARTS = {"at": "model.py:12 in f: if x > 0:", "why": "x is mapped by vmap", "do": "where(x > 0, a, b)"}
LABELS = {"at": "  at ", "why": "  why: ", "do": "  do:  "}


@pytest.mark.parametrize("given", [c for n in range(4) for c in combinations(PARTS, n)], ids="-".join)
def test_a_message_has_the_parts_that_are_given_in_one_order(given):
    shuffled = {name: PARTS[name] for name in reversed(given)}
    lines = errors.teach("`x > 0` has no value", **shuffled).split("\n")
    assert lines == ["`x > 0` has no value", *(LABELS[name] + PARTS[name] for name in PARTS if name in given)]


def test_empty_parts_leave_no_line():
    assert errors.teach("first", at="", why=None, do="") == "first"


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_takes_one_message_and_shows_it(cls):
    message = errors.teach("what happened", **PARTS)
    error = cls(message)
    assert str(error).startswith("what happened\n  at model.py:12")
    assert isinstance(error, Exception)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_has_its_own_page(cls):
    page = inspect.cleandoc(cls.__dict__["__doc__"])
    first = page.split("\n")[0]
    assert first.endswith(".")
    assert len(first) > 30


@pytest.mark.parametrize(
    "name",
    [
        "ConcretizationTypeError",
        "TracerBoolConversionError",
        "TracerIntegerConversionError",
        "TracerArrayConversionError",
        "NonConcreteBooleanIndexError",
        "UnexpectedTracerError",
        "TypePromotionError",
    ],
)
def test_the_pages_users_meet_show_the_code_before_and_after(name):
    page = getattr(errors, name).__doc__
    assert page.index("Before") < page.index(f"minijax.errors.{name}: ...") < page.index("After")


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("ConcretizationTypeError", ("JAXTypeError", TypeError)),
        ("TracerBoolConversionError", ("ConcretizationTypeError", TypeError)),
        ("TracerIntegerConversionError", ("JAXTypeError", TypeError)),
        ("TracerArrayConversionError", ("JAXTypeError", TypeError)),
        ("UnexpectedTracerError", ("JAXTypeError", TypeError)),
        ("KeyReuseError", ("JAXTypeError", TypeError)),
        ("NonConcreteBooleanIndexError", ("JAXIndexError", IndexError)),
        ("JaxRuntimeError", (RuntimeError,)),
        ("MissingRuleError", (NotImplementedError,)),
        ("TypePromotionError", (ValueError, TypeError)),
        ("JaxprTypeError", (TypeError,)),
        ("JaxprSyntaxError", (ValueError,)),
        ("InconclusiveDimensionOperation", (Exception,)),
    ],
)
def test_except_clauses_written_for_jax_catch_them(name, bases):
    cls = getattr(errors, name)
    for base in bases:
        assert issubclass(cls, getattr(errors, base) if isinstance(base, str) else base)


def test_conversions_that_jax_keeps_apart_do_not_catch_each_other():
    apart = [
        errors.TracerBoolConversionError,
        errors.TracerIntegerConversionError,
        errors.TracerArrayConversionError,
        errors.UnexpectedTracerError,
        errors.KeyReuseError,
    ]
    for a in apart:
        for b in apart:
            assert issubclass(a, b) == (a is b)


def test_a_syntax_error_knows_its_place():
    error = errors.JaxprSyntaxError("unknown primitive 'sine'", 3, 14)
    assert (error.line, error.column) == (3, 14)
    assert str(error) == "unknown primitive 'sine' (line 3, column 14)"


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("how", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive_copies_between_processes(cls, how):
    error = cls("gone wrong")
    again = how(error)
    assert type(again) is cls
    assert str(again) == str(error)
