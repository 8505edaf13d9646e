"""A line, one sorting task, and its classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sortline.errors import SortlineError

# Stands in URLs, folder names and metric labels.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MAX_CLASS_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sorting task. `policy` is JSON, read by whoever routes; empty means the bundle's defaults. `budget`, JSON
    too, is what thresholds are fitted to for each bundle; None where nobody gave one.

    With `auto_promote` a candidate that passes its gates goes live by itself. Of accepted pictures the share
    `keep_accepted` is kept, for `keep_days` (None: for good). At `auto_version_labels` staged labels a version is made
    (None: by people alone), and with `auto_probe` a probe trained on it.
    """

    id: int
    name: str
    title: str
    policy: Mapping[str, object]
    is_default: bool
    auto_promote: bool
    created_at: datetime
    budget: Mapping[str, object] | None
    keep_accepted: float
    keep_days: int | None
    auto_version_labels: int | None
    auto_probe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFit:
    """What a line's budget came to for one bundle: `settings` of the policy, and the figures `expected` from them."""

    line_id: int
    bundle_hash: str
    settings: Mapping[str, object]
    expected: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A label a line knows; `position` counts from 0 in the order the line learned them.

    A retired class is given to no new pictures. `merged_into` is the id of the class that took its place. `tip` says
    what is to be done with a thing of this class.
    """

    id: int
    name: str
    position: int
    retired_at: datetime | None
    merged_into: int | None
    created_at: datetime
    tip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvent:
    """What happened to a class.

    `action`: `created`, `renamed`, `retired`, `restored`, `merged`, `taken` (another merged into it). `detail` has the
    names and classes it concerned.
    """

    id: int
    class_id: int
    action: str
    detail: Mapping[str, object]
    who: str
    at: datetime


class UnknownClass(SortlineError):
    """The line has no class of this name, and none had it before."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        some = ", ".join(self.known[:20]) if self.known else "none yet"
        super().__init__(f"the line has no class {name!r}; it has: {some}")


class ClassExists(SortlineError):
    """The name is another class's."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the line already has a class {name!r}; choose another name, or merge the two")


class RetiredClass(SortlineError):
    """A retired class is given to no new pictures."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the class {name!r} is retired; restore it, or give another label")


class InvalidMerge(SortlineError):
    """These two classes cannot become one."""

    def __init__(self, name: str, into: str, reason: str) -> None:
        self.name, self.into = name, into
        super().__init__(f"cannot merge {name!r} into {into!r}: {reason}")


class UnknownLine(SortlineError):
    """No line has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        lines = ", ".join(self.known) if self.known else "none yet"
        super().__init__(
            f"there is no line {name!r}; known: {lines}; create one with: sortline lines create NAME"
        )


class NoDefaultLine(SortlineError):
    """There is no line at all yet, so none is the default."""

    def __init__(self) -> None:
        super().__init__("there is no line yet; create one with: sortline lines create NAME")


class LineExists(SortlineError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is already a line {name!r}; choose another name")


class InvalidLineName(SortlineError):
    """A line's name must fit into URLs and folder names."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name!r} cannot name a line; use 1 to 63 of a-z, 0-9 and '-', starting with a letter or digit"
        )


class InvalidClassName(SortlineError):
    """A class needs a printable name of bounded length."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name!r} cannot name a class; use 1 to {MAX_CLASS_NAME} printable characters, no spaces around"
        )


def valid_line_name(name: str) -> str:
    """The name itself.

    Raises:
        InvalidLineName: it is no slug.
    """
    if not _NAME.fullmatch(name):
        raise InvalidLineName(name)
    return name


def valid_class_name(name: str) -> str:
    """The name itself.

    Raises:
        InvalidClassName: empty, too long, padded with spaces or not printable.
    """
    if not name or len(name) > MAX_CLASS_NAME or name != name.strip() or not name.isprintable():
        raise InvalidClassName(name)
    return name
