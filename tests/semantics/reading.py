"""Reads `rows.tsv`: results measured on JAX 0.10.2, one expression a row.

A result is written as JAX printed it: `0.5 : float32[] weak`, trees of those, or `RAISES class: message`.
`parse_result` turns that text into a tree of `Expected` leaves that can be compared with a value.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    section: int
    expression: str
    result: str
    note: str

    @property
    def name(self) -> str:
        return f"{self.section}:{self.expression}"


class Expected(NamedTuple):
    value: Any
    dtype: str
    shape: tuple[int, ...]
    weak: bool


class Raises(NamedTuple):
    """The class of an exception, and the start of JAX's message: the phrase that ours must contain too."""

    type_name: str
    message: str

    @property
    def key_phrase(self) -> str:
        text = re.sub(r"\bjax\.", "minijax.", self.message.replace("⏎", " ").strip())
        start = re.match(r"(?:minijax\.|[^.:,;(<'\"`])*", text).group().split(" but got")[0]
        return start.strip() or text[:20]


class Program(NamedTuple):
    """The text of a Jaxpr, white space folded."""

    text: str


def read_rows() -> list[Row]:
    with (Path(__file__).parent / "rows.tsv").open(newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(reader)
        return [Row(int(row[0]), *row[1:4]) for row in reader]


_ARRAY_TYPE = re.compile(r" : (bfloat16|float0|[a-z]+\d*)\[([\d, ]*)\]( weak)?")
_PART = r"(?:nan|inf|\d[\d.]*(?:e[-+]?\d+)?)"
_NUMBER = re.compile(rf"\([-+]?{_PART}[-+]{_PART}j\)|[-+]?{_PART}j?")


def parse_result(text: str) -> Any:
    """A tree of `Expected`, plain Python values, or `Raises`."""
    raises = re.match(r"RAISES `(?:builtins\.|jax\.errors\.)?(\w+)`: (.*)", text)
    if raises:
        return Raises(raises.group(1), raises.group(2))
    if "lambda ;" in text:
        return Program(" ".join(text.strip("`").replace("⏎", " ").split()))
    value, rest = _item(text.strip("`").strip())
    assert not rest.strip() or rest.strip().startswith("["), (text, rest)
    return value


def _item(text: str) -> tuple[Any, str]:
    text = text.lstrip()
    if text.startswith("{"):
        return _dictionary(text[1:])
    if text.startswith("["):
        stop = _closing(text)
        kind = _ARRAY_TYPE.match(text[stop:])
        if kind:
            return _array(text[:stop], kind), text[stop + kind.end() :]
        return _sequence(text[1:], "]", list)
    number = _NUMBER.match(text)
    if number:
        kind = _ARRAY_TYPE.match(text[number.end() :])
        if kind:
            return _array(number.group(), kind), text[number.end() + kind.end() :]
    if text.startswith("("):
        return _sequence(text[1:], ")", tuple)
    if number:
        return _number(number.group()), text[number.end() :]
    word = re.match(r"'[^']*'|\w+", text)
    assert word, text
    return _word(word.group()), text[word.end() :]


def _word(word: str) -> Any:
    return {"None": None, "True": True, "False": False}.get(word, word.strip("'"))


def _closing(text: str) -> int:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth == 0:
            return index + 1
    raise AssertionError(text)


def _array(text: str, kind: re.Match[str]) -> Expected:
    shape = tuple(int(n) for n in kind.group(2).replace(" ", "").split(",") if n)
    numbers = [_number(m.group()) for m in _NUMBER.finditer(text)]
    return Expected(np.array(numbers).reshape(shape), kind.group(1), shape, kind.group(3) is not None)


def _number(text: str) -> complex:
    text = text.strip("()")
    if "j" not in text:
        return float(text)
    parts = re.fullmatch(r"([-+]?(?:nan|inf|[\d.]+(?:e[-+]?\d+)?))?([-+]?(?:nan|inf|[\d.]+(?:e[-+]?\d+)?))j", text)
    assert parts, text
    return complex(float(parts.group(1) or 0), float(parts.group(2)))


def _sequence(text: str, stop: str, make: Any) -> tuple[Any, str]:
    items = []
    text = text.lstrip()
    while not text.startswith(stop):
        item, text = _item(text)
        items.append(item)
        text = text.lstrip().removeprefix(",").lstrip()
    return make(items), text[1:]


def _dictionary(text: str) -> tuple[Any, str]:
    items = {}
    while not text.startswith("}"):
        key, text = _item(text)
        text = text.lstrip().removeprefix(":")
        items[key], text = _item(text)
        text = text.lstrip().removeprefix(",").lstrip()
    return items, text[1:]
