"""What a line knows of a picture: its label, its split, its group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Split(IntEnum):
    """Which part of a data set a picture belongs to; `NONE` is never trained on and never evaluated on."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2
    TEST = 3


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
