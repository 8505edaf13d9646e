"""A version: an immutable set of (picture, class, split) of a line, as its difference from the version before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sortline.catalogue.entry import Split
from sortline.errors import SortlineError

# Changes that are made in one transaction; more are made in chunks, by whoever asked for them or the worker.
MOST_AT_ONCE: Final = 10_000
LONGEST_NAME: Final = 200


class Member(NamedTuple):
    """An entry in a version, with its class and split there. A tuple, for there are millions."""

    entry_id: int
    class_id: int
    split: Split


class Place(NamedTuple):
    """What a version has an entry as."""

    class_id: int
    split: Split


class Change(NamedTuple):
    """An entry's step from one version to another; None: it is not in that version."""

    entry_id: int
    before: Place | None
    after: Place | None

    @property
    def kind(self) -> ChangeKind:
        """What sort of step it is; another class counts before another split."""
        if self.before is None:
            return ChangeKind.ADDED
        if self.after is None:
            return ChangeKind.REMOVED
        return ChangeKind.RESPLIT if self.before.class_id == self.after.class_id else ChangeKind.RELABELLED


class ChangeKind(StrEnum):
    """What may happen to an entry between two versions."""

    ADDED = "added"
    REMOVED = "removed"
    RELABELLED = "relabelled"
    RESPLIT = "resplit"


class VersionState(StrEnum):
    """`building`: not all its changes are written, and nobody sees it yet."""

    BUILDING = "building"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a line's data.

    `number` counts a line's versions from 1. `merged_id` is the second parent of a merge. It differs from its parent
    by `added`, `removed`, `relabelled` and `resplit` entries, and has `size` in all. `plan` says what it was made from
    (`kind`: changes, staged, import, filter, merge, restore). `overlay` changes lie between it and its base.
    """

    id: int
    line_id: int
    number: int
    name: str
    parent_id: int | None
    merged_id: int | None
    branch_id: int
    base_id: int | None
    overlay: int
    state: VersionState
    size: int
    added: int
    removed: int
    relabelled: int
    resplit: int
    plan: Mapping[str, object]
    notes: str
    author: str
    created_at: datetime

    @property
    def changed(self) -> int:
        """How many entries differ from the parent."""
        return self.added + self.removed + self.relabelled + self.resplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A version to be: under `name` (None: v and its number), as a child of `parent_id` (None: of the active)."""

    name: str | None = None
    notes: str = ""
    author: str
    parent_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """How one version differs from another: counts of all changes by kind, some of the changes by entry id.

    `next_cursor` continues them, None at the end.
    """

    counts: Mapping[ChangeKind, int]
    changes: Sequence[Change]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """An entry that both versions of a merge changed, differently."""

    entry_id: int
    base: Place | None
    ours: Place | None
    theirs: Place | None


_NAME = re.compile(r"(?!v?\d+$)(?!active$)\S(.*\S)?", re.IGNORECASE)


def valid_version_name(name: str) -> str:
    """The name.

    Raises:
        InvalidVersionName: it is empty, not printable, too long, or reads as a number.
    """
    if not _NAME.fullmatch(name) or not name.isprintable() or len(name) > LONGEST_NAME:
        raise InvalidVersionName(name)
    return name


class InvalidVersionName(SortlineError):
    """Numbers and `active` name versions already."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name[:60]!r} cannot name a version: take 1 to {LONGEST_NAME} printable characters, no number "
            "(versions are also known as 3 or v3) and not 'active'"
        )


class UnknownVersion(SortlineError):
    """The line has no such version."""

    def __init__(self, version: int | str) -> None:
        self.version = version
        super().__init__(f"the line has no version {version}; see those it has with: sortline data versions")


class VersionNameTaken(SortlineError):
    """Another version of the line has the name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the line already has a version {name!r}; choose another name")


class NoVersion(SortlineError):
    """The line has no version yet."""

    def __init__(self) -> None:
        super().__init__("the line has no version yet; make the first with: sortline data create")


class NothingChanged(SortlineError):
    """A version like its parent is not made."""

    def __init__(self, parent: str | None) -> None:
        self.parent = parent
        where = f"nothing differs from version {parent}" if parent else "there is no labelled picture to take"
        super().__init__(f"{where}; a version was not made")


class TooManyChanges(SortlineError):
    """More changes than are named one by one."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"{count} changes are too many to name one by one (at most {MOST_AT_ONCE}); "
            "make the version from an import, from staged labels or by filter"
        )


class UnknownPictures(SortlineError):
    """Named entries are not the line's, or have no label and get none."""

    def __init__(self, entry_ids: Sequence[int]) -> None:
        self.entry_ids = tuple(entry_ids)
        some = ", ".join(map(str, self.entry_ids[:10])) + ("…" if len(self.entry_ids) > 10 else "")
        super().__init__(
            f"the line has no labelled pictures {some}; see what it has with: sortline data list"
        )


class MergeConflicts(SortlineError):
    """Both versions changed some entries, differently. `conflicts` are the first of `count`."""

    def __init__(self, conflicts: Sequence[Conflict], count: int) -> None:
        self.conflicts = tuple(conflicts)
        self.count = count
        super().__init__(
            f"both versions changed {count} of the same pictures, differently; merge again and say which to prefer: "
            "ours or theirs"
        )


class VersionBusy(SortlineError):
    """Another process is building the version."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"version {number} is being built by another process; it is ready in a moment")
