"""HTML that cannot be broken by what it shows: the type checker tells text from markup."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import NewType

from sortline.evaluation.wording import printable

# Markup made here. A plain string is not: it becomes one through `text`.
Html = NewType("Html", str)

# What a browser only ever draws; an SVG could bring styles and links of its own.
PICTURES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


def text(value: object) -> Html:
    """The value as text: escaped, and with nothing in it that cannot be shown; a figure keeps its percent sign."""
    return Html(html.escape(printable(str(value))).replace(" %", "&nbsp;%"))


def lines(value: str) -> Html:
    """Text of several lines, for a `pre`."""
    return Html("\n".join(text(line.expandtabs(4)) for line in value.splitlines()))


def tag(name: str, *inside: Html, **attributes: str | None) -> Html:
    """An element around what is inside it; an attribute that is None is left out, `class_` is `class`."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{named}>{''.join(inside)}</{name}>")


def joined(parts: Iterable[Html]) -> Html:
    """Elements one after the other."""
    return Html("\n".join(parts))


def image(media_type: str, data: bytes, alt: str) -> Html | None:
    """An `img` that carries its picture; None for what is no plain picture."""
    if media_type not in PICTURES:
        return None
    source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return Html(f'<img src="{source}" alt="{text(alt)}">')


def table(head: Sequence[str], rows: Iterable[Sequence[Html]], *, class_: str | None = None) -> Html:
    """A table whose first column heads its rows and whose other columns stand to the right, as numbers do."""
    heads = joined(tag("th", text(name), scope="col") for name in head)
    body = joined(
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows
    )
    inner = tag("thead", tag("tr", heads)), tag("tbody", body)
    return tag("div", tag("table", *inner, class_=class_), class_="wide")


def section(title: str, *inside: Html, note: str | None = None) -> Html:
    """A titled section with a sentence on how to read it."""
    notes = [tag("p", text(note), class_="note")] if note else []
    return tag("section", tag("h2", text(title)), *notes, *inside)
