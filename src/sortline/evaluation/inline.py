"""Plots inside a page: in the page's own colours, light or dark, and under ids that no other plot has."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Tree

from sortline.evaluation.markup import Html
from sortline.evaluation.plots import HAIR, INK, RIGHT, SOFT, SURFACE, WRONG, Plot

_COLOURS = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    HAIR: "var(--hair)",
    SURFACE: "var(--surface)",
    RIGHT: "var(--right)",
    WRONG: "var(--wrong)",
}
_COLOUR = re.compile("|".join(_COLOURS))
_REFERENCE = re.compile(r"url\(#|^#")


def inline(plot: Plot) -> Html:
    """The plot as an `svg` element, named for screen readers."""
    root = Tree.fromstring(plot.svg())  # noqa: S314 - drawn by us a line before
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(key): _own(_local(key), value, plot.name) for key, value in element.attrib.items()
        }
    width = plot.size[0] * 96
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "class": "plot",
        "style": f"max-width: {width:.0f}px",
        "role": "img",
        "aria-label": plot.says,
    }
    return Html(Tree.tostring(root, encoding="unicode"))


def _local(name: str) -> str:
    """A name without its namespace, as HTML has it."""
    return name.rpartition("}")[2]


def _own(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href" and not value.startswith("#"):
        return value  # a picture of its own
    value = _REFERENCE.sub(lambda found: f"{found[0]}{prefix}-", value)
    return _COLOUR.sub(lambda found: _COLOURS[found[0]], value)
