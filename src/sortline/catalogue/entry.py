"""What a line knows of a picture: its label, its split, its group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from sortline.catalogue.image import ImageRecord
from sortline.errors import SortlineError

# What stands for "no label" in a filter, where None means any; ids of classes begin at 1.
UNLABELLED: Final = 0

# The part of its data a registered bundle had the picture (SHA-256 in hex) in; None where no bundle knows it.
TrainedLookup: TypeAlias = Callable[[str], "Split | None"]

Outcome: TypeAlias = Literal["added", "known", "labelled", "relabelled", "erased"]


class Split(IntEnum):
    """Which part of a data set a picture belongs to; `NONE` is never trained on and never evaluated on.

    The greater the number, the more frozen: what leaks out of test spoils most.
    """

    NONE = 0
    TRAIN = 1
    VALIDATION = 2
    TEST = 3

    # The number's own: an enum's, written in Python, is most of what counting by split costs.
    __hash__ = int.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture in a line's catalogue.

    `split` is fixed at first sight; `declared` says that it came with an import; `why` tells why it is none:
    `bridge` (between groups of different splits), `trained` (declared test, but a bundle was trained on it),
    `dropped` (taken out of a leak), `declared`. `group_id` names its group of near-duplicates, None when alone.
    """

    id: int
    line_id: int
    image_sha256: str
    class_id: int | None
    split: Split
    declared: bool
    why: str | None
    group_id: int | None
    source: str
    name: str | None
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPicture:
    """A picture on its way into a line's catalogue; its blob is already stored, `image.phash` is set.

    `declared` is the split it came with, None where the catalogue chooses; `name` what it was called where it came
    from.
    """

    image: ImageRecord
    class_id: int | None
    declared: Split | None
    source: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacingProblem:
    """Something about a picture that was not taken as it came.

    Codes: `label-conflict` (known under another label, which stays), `near-duplicate-label-conflict` (a near-duplicate
    has another label), `bridge` (between groups of different splits: not used), `leak` (its declared split differs
    from its group's), `trained` (a bundle was trained on it: kept out of test), `split-kept` (known in another split
    than declared; it never moves), `erased` (deleted for good, not taken again). `other` is the entry and `class_id`
    the label it is in conflict with.
    """

    code: str
    detail: str
    other: int | None = None
    class_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of a picture.

    `added`: new to the line; `known`: nothing changed; `labelled`: known without a label, has one now; `relabelled`:
    its label was replaced; `erased`: not taken, `entry_id` is None where the line never had it. `event` is the one
    that gave it the label it came with, None where it had that before, or came without.
    """

    entry_id: int | None
    outcome: Outcome
    event: str | None = None
    problems: tuple[PlacingProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries: those that meet every condition given. `class_id` may be `UNLABELLED`.

    `text` is looked for in the name, whatever its case; `since` is included, `until` is not.
    """

    class_id: int | None = None
    split: Split | None = None
    source: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    import_id: str | None = None
    group: int | None = None


class UnknownEntry(SortlineError):
    """The line's catalogue has no such picture."""

    def __init__(self, entry: int | str) -> None:
        self.entry = entry
        super().__init__(
            f"the line's catalogue has no picture {entry}; see what it has with: sortline data list"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Near-duplicates of one another, by the smallest of their ids, oldest first."""

    id: int
    entries: tuple[Entry, ...]
