"""One HTML file from a timeline: text, pictures, script and style, and nothing from anywhere else.

In: a timeline, the listing of the source and the pictures. Out: the page. All that comes from the user's program gets into
it as JSON (with every `<` written as an escape) that the script shows by `textContent`, or as text that ElementTree
escaped. A content security policy allows this one script, by its hash, and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Any, NamedTuple

from ..style import THEMES
from .listing import Listing, block_data
from .picture import Picture
from .steps import VALUE, Quantity, Shown, Stage, Step
from .summary import summary_of
from .timeline import Timeline

__all__ = ["page_html", "timeline_data"]

# Control characters, lone surrogates, and characters that turn the direction of text around, which can make a program read as
# something that it is not (Boucher & Anderson 2021, "Trojan Source"): each is shown as a replacement character.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def page_html(timeline: Timeline, listing: Listing, pictures: Mapping[str, Picture], title: str, call: str) -> str:
    """The page.

    Args:
        timeline: what there is to step through.
        listing: the source.
        pictures: by name, "forward" and, where there is one, "linear".
        title: the function's name.
        call: the arguments, for the heading.

    Returns:
        HTML, a few hundred kilobytes for a hundred equations.
    """
    data = timeline_data(timeline, listing, pictures, title, call)
    script, style = _asset("explorer.js"), _asset("explorer.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    )
    return Template(_asset("explorer.html")).substitute(
        title=html.escape(visible(title)),
        policy=html.escape(policy, quote=True),
        colours=_colours(),
        style=style,
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        forward=visible(pictures["forward"].svg),
        linear=visible(pictures["linear"].svg) if "linear" in pictures else "",
        script=script,
    )


def timeline_data(
    timeline: Timeline, listing: Listing, pictures: Mapping[str, Picture], title: str, call: str
) -> dict[str, Any]:
    """All that the script shows, as plain data."""
    values = _Values()
    first = {node: text for step in timeline.stages[0].steps for node, _, text in step.shown}

    def shown(stage: Stage) -> _Places:
        return _Places(pictures[stage.graph].stand_in, first if stage.graph == "forward" else {})

    data = {
        "title": title,
        "call": call,
        "blocks": [block_data(block) for block in listing.blocks],
        "pictures": {name: {"slots": p.slots, "covers": p.covers} for name, p in pictures.items()},
        "stages": [_stage_data(stage, shown(stage), listing, values) for stage in timeline.stages],
        "values": values.summaries,
    }
    return _cleaned(data)  # type: ignore[no-any-return]


class _Values:
    """Summaries of values, each once."""

    def __init__(self) -> None:
        self.summaries: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int | None:
        if value is None:
            return None
        summary = summary_of(value)
        key = json.dumps(summary)
        if key not in self._places:
            self._places[key] = len(self.summaries)
            self.summaries.append(summary)
        return self._places[key]


class _Places(NamedTuple):
    """Where steps show: which nodes stand for others, and the values of those others.

    A node that stands for the rounds of a loop shows the value of the round that the step is about.
    """

    stand_in: Mapping[str, str]
    values: Mapping[str, str]

    def node(self, node: str) -> str:
        return self.stand_in.get(node, node)

    def shown(self, step: Step) -> list[Shown]:
        found = [(self.node(node), line, text) for node, line, text in step.shown]
        about = dict.fromkeys((step.node, *(node for node, _, _ in step.shown)))
        again = [node for node in about if node in self.stand_in and node in self.values]
        return [*((self.node(node), VALUE, self.values[node]) for node in again), *found]


def _stage_data(stage: Stage, places: _Places, listing: Listing, values: _Values) -> dict[str, Any]:
    return {
        "key": stage.key,
        "title": stage.title,
        "intro": stage.intro,
        "picture": stage.graph,
        "note": stage.note,
        "steps": [_step_data(step, places, listing, values) for step in stage.steps],
    }


def _step_data(step: Step, places: _Places, listing: Listing, values: _Values) -> dict[str, Any]:
    spans = [span for span in (listing.span(source) for source in step.sources) if span is not None]
    return {
        "node": places.node(step.node),
        "title": step.title,
        "sentence": step.sentence,
        "spans": spans,
        "rule": step.rule,
        "reads": [_quantity_data(q, values) for q in step.reads],
        "writes": [_quantity_data(q, values) for q in step.writes],
        "shown": places.shown(step),
        "lines": step.lines,
    }


def _quantity_data(quantity: Quantity, values: _Values) -> dict[str, Any]:
    found: dict[str, Any] = {"name": quantity.name, "role": quantity.role, "value": values.place(quantity.value)}
    if quantity.part is not None:
        found["part"] = values.place(quantity.part)
        found["before"] = values.place(quantity.before)
        found["more"] = quantity.more
    return found


def visible(text: str) -> str:
    """`text` with its hidden characters shown as U+FFFD, one for one: columns stay."""
    return _HIDDEN.sub("\ufffd", text)


def _cleaned(data: Any) -> Any:
    if isinstance(data, str):
        return visible(data)
    if isinstance(data, dict):
        return {visible(key): _cleaned(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_cleaned(item) for item in data]
    return data


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _colours() -> str:
    """The colours of both themes as variables, and the rules that turn the light picture into a dark one."""
    light, dark = THEMES["light"], THEMES["dark"]
    exchanged = "".join(
        f'[data-theme="dark"] .minijax-viz [{name}="{light[role]}"]{{{name}:{dark[role]}}}'
        for role in light
        for name in ("fill", "stroke")
    )
    return f':root{{{_variables(light)}}}@media screen{{[data-theme="dark"]{{{_variables(dark)}}}{exchanged}}}'


def _variables(theme: Mapping[str, str]) -> str:
    return "".join(f"--{role}:{colour};" for role, colour in theme.items())
