"""Pages of long lists, newest first, right while rows are added: the cursor names a row, not a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy import Column, ColumnElement, literal, tuple_

from sortline.errors import SortlineError

Item = TypeVar("Item")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[0-9]{1,18}")
_CURSOR = re.compile(r"([0-9]{1,17})-([0-9a-f]{32})")


class BadCursor(SortlineError):
    """A cursor we never gave out."""

    def __init__(self, cursor: str) -> None:
        super().__init__("the cursor is not one of ours; leave it out to start from the newest")
        self.cursor = cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some items, newest first, and the cursor of the next page (None on the last)."""

    items: tuple[Item, ...]
    next_cursor: str | None


def cursor_of(at: datetime, row_id: str) -> str:
    """The cursor of a row: microseconds since 1970 and its id."""
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}-{row_id}"


def id_of(cursor: str) -> int:
    """The id that the cursor of a list ordered by a counted id is.

    Raises:
        BadCursor: it is none.
    """
    if not _ID.fullmatch(cursor):
        raise BadCursor(cursor)
    return int(cursor)


def older_than(cursor: str, at: Column[datetime], row_id: Column[str]) -> ColumnElement[bool]:
    """The condition that keeps what comes after a cursor in a list ordered by (at, id), both descending.

    Raises:
        BadCursor: it is not a cursor.
    """
    if not (parts := _CURSOR.fullmatch(cursor)):
        raise BadCursor(cursor)
    moment = _EPOCH + timedelta(microseconds=int(parts[1]))
    return tuple_(at, row_id) < tuple_(literal(moment, at.type), literal(parts[2], row_id.type))


def page(rows: Sequence[Item], limit: int, cursor: Callable[[Item], str]) -> Page[Item]:
    """A page of `limit` items from up to `limit + 1` rows: the one too many says that there are more."""
    items = tuple(rows[:limit])
    return Page(items=items, next_cursor=cursor(items[-1]) if len(rows) > limit else None)
