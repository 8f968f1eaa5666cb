"""SVG: what an engine drew, made fit for pages, notebooks and screen readers.

In: the SVG of an engine, and the graph. Out: one `<svg>` element, no prologue: with `role="img"`, a title and
a description; nodes, edges and frames with the ids of the graph and their tooltips as `<title>`; text that keeps
inside its box whatever fonts the reader has (`textLength`); colours that follow the reader's light or dark setting.
No script, nothing from the network.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from .graph import Graph
from .measure import is_measured, text_width
from .style import THEMES
from .text import alt_text, text_of

__all__ = ["SVG", "finished_svg"]

SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}title"
_PIXELS = 4 / 3  # per point
_SMALLEST = 0.6  # of its size: text of 10 points is 8 pixels high; a wider picture scrolls
_DESCRIBED = 2000  # characters of the text picture that go into the description
_GROUPS = ("node", "edge", "cluster", "graph")


def finished_svg(drawn: str, graph: Graph, theme: str = "auto", prefix: str = "") -> str:
    """The SVG of an engine with all that the engine does not know.

    Args:
        drawn: the engine's output.
        graph: what was drawn.
        theme: "auto" adds the dark colours for readers who prefer them.
        prefix: put before every id.

    Returns:
        The element, as text.
    """
    root = ElementTree.fromstring(drawn[drawn.index("<svg") :])
    titles = {x.id: x.detail or x.title for x in (*graph.nodes, *graph.clusters)}
    for group in root.iter(f"{{{SVG}}}g"):
        if group.get("class", "").split(" ")[0] in _GROUPS:
            _tidy(group, titles.get(group.get("id", "")))
    for text in root.iter(f"{{{SVG}}}text"):
        _hold(text)
    _titles_on_top(root)
    root.set("role", "img")
    root.set("class", "minijax-viz")
    root.set("aria-label", alt_text(graph))
    width = float(re.sub(r"[a-z]+$", "", root.get("width", "0"))) * _PIXELS
    root.set("style", f"max-width:100%;min-width:{width * _SMALLEST:.0f}px;height:auto")
    for index, (tag, content) in enumerate(
        (
            ("title", graph.summary()),
            ("desc", text_of(graph)[:_DESCRIBED]),
            *((("style", _dark_rules()),) if theme == "auto" else ()),
        )
    ):
        element = ElementTree.Element(f"{{{SVG}}}{tag}")
        element.text = clean(content)
        root.insert(index, element)
    for element in root.iter():  # the tree is written without namespace prefixes
        element.tag = element.tag.rpartition("}")[2]
        if prefix and "id" in element.attrib:
            element.set("id", prefix + element.get("id", ""))
        for name in [key for key in element.attrib if key.startswith("{")]:
            del element.attrib[name]
    root.set("xmlns", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(group: ElementTree.Element, tooltip: str | None) -> None:
    """The tooltip is the group's `<title>`; the link that the engine put it into is gone."""
    title = group.find(f"{{{SVG}}}title")
    if title is not None:
        group.remove(title)
    for inner in group.findall(f"{{{SVG}}}g"):
        for link in inner.findall(f"{{{SVG}}}a"):
            if link.get(_XLINK) is not None:
                place = list(group).index(inner)
                group.remove(inner)
                for offset, child in enumerate(link):
                    group.insert(place + offset, child)
    if tooltip:
        title = ElementTree.Element(f"{{{SVG}}}title")
        title.text = clean(tooltip)
        group.insert(0, title)


def _titles_on_top(root: ElementTree.Element) -> None:
    """Titles of frames come after the edges that cross them; they and the labels of edges have a rim of the paper's colour."""
    for parent in list(root.iter(f"{{{SVG}}}g")):
        for group in parent.findall(f"{{{SVG}}}g"):
            kind = group.get("class", "").split(" ")[0]
            if kind not in ("cluster", "edge"):
                continue
            for text in group.findall(f"{{{SVG}}}text"):
                text.set("stroke", THEMES["light"]["paper"])
                text.set("stroke-width", "3")
                text.set("paint-order", "stroke")
                if kind == "cluster":
                    group.remove(text)
                    parent.append(text)


def _hold(text: ElementTree.Element) -> None:
    """Fix the width of a line: the box was sized for it, the reader's font may be wider."""
    content, size = text.text or "", float(text.get("font-size", "10").removesuffix("px"))
    if len(content.strip()) > 1 and is_measured(content):
        text.set("textLength", f"{text_width(content, size):.1f}")
        text.set("lengthAdjust", "spacingAndGlyphs")


def _dark_rules() -> str:
    """Rules that exchange the colours of the light theme for those of the dark one."""
    rules = []
    for role, light in THEMES["light"].items():
        dark = THEMES["dark"][role]
        rules += [f'.minijax-viz [{name}="{light}"]{{{name}:{dark}}}' for name in ("fill", "stroke")]
    ink = THEMES["dark"]["ink"]
    rules.append(f".minijax-viz text:not([fill]){{fill:{ink}}}")
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"


def clean(text: str) -> str:
    """Text without the characters that XML has no place for."""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text)
