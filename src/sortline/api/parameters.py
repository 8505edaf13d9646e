"""What parameters of several routes have in common: hashes and ids in paths, names of splits, moments, pages."""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from fastapi import Path, Query
from pydantic import Field

from sortline.api.calls import InvalidParameter
from sortline.catalogue.entry import Split
from sortline.engine.routing import Name

SplitName: TypeAlias = Literal["none", "train", "validation", "test"]
MAX_PAGE = 500

_HASH, _ID, _NO_NUL = r"^[0-9a-f]{64}$", r"^[0-9a-f]{32}$", r"^[^\x00]*$"
REFERENCE = r"^([0-9a-f]{6,64}|live|shadow|previous)$"
# What each pattern of a parameter asks for, in words.
PATTERNS = {
    _HASH: "a picture's SHA-256, 64 hex digits",
    _ID: "an id, 32 hex digits",
    _NO_NUL: "text without NUL characters",
    REFERENCE: "a bundle's hash or its first 6 characters at least; or live, shadow or previous",
}

Hash = Annotated[str, Path(pattern=_HASH, description="A picture's SHA-256, 64 hex digits.")]
Id = Annotated[str, Path(pattern=_ID, description="32 hex digits.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many a page has at most.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before; none for the first.")]
ClassName: TypeAlias = Annotated[Name, Field(min_length=1, max_length=200)]
Words: TypeAlias = Annotated[Name, Field(max_length=200)]


def split_of(name: SplitName) -> Split:
    """The split of this name."""
    return Split[name.upper()]


def split_name(split: Split) -> SplitName:
    """The name of a split."""
    return _NAMES[split]


_NAMES: dict[Split, SplitName] = {
    Split.NONE: "none",
    Split.TRAIN: "train",
    Split.VALIDATION: "validation",
    Split.TEST: "test",
}


def moment(name: str, given: datetime | None) -> datetime | None:
    """A moment that can be counted from; without a zone it is meant in UTC.

    Raises:
        InvalidParameter: it lies beyond what can be counted.
    """
    if given is None:
        return None
    if not 1970 < given.year < 9999:
        raise InvalidParameter(name, given.isoformat(), "between 1971 and 9998")
    return given if given.tzinfo else given.replace(tzinfo=UTC)
