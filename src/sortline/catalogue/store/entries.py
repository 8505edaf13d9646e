"""A line's pictures in the database: how they come in (`adding`), are found, filtered and listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from sortline.catalogue.entry import UNLABELLED, Entry, EntryFilter, NewPicture, Placed, Split, UnknownEntry
from sortline.catalogue.store.adding import add_pictures
from sortline.catalogue.tables import entries, import_entries
from sortline.db.among import among
from sortline.db.paging import Page, id_of, page
from sortline.db.session import Session

__all__ = [
    "NewPicture",
    "Placed",
    "add_pictures",
    "get_entries",
    "get_entry",
    "id_span",
    "ids_of_class",
    "labelled_after",
    "list_entries",
]

# Behind every id there will be.
_BEYOND = 10**18


def get_entry(session: Session, line_id: int, sha256: str) -> Entry:
    """The line's entry for a picture.

    Raises:
        UnknownEntry: the line does not have it.
    """
    query = select(entries).where(entries.c.line_id == line_id, entries.c.image_sha256 == sha256)
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownEntry(sha256)
    return Entry(**row._mapping)


def get_entries(session: Session, line_id: int, entry_ids: Iterable[int]) -> dict[int, Entry]:
    """Those of up to 500 entries that the line has, by id."""
    query = select(entries).where(entries.c.line_id == line_id, among(session, entries.c.id, entry_ids))
    return {row.id: Entry(**row._mapping) for row in session.execute(query)}


def list_entries(
    session: Session, line_id: int, wanted: EntryFilter, *, limit: int = 100, cursor: str | None = None
) -> Page[Entry]:
    """The line's entries that meet the filter, newest first; the cursor is the id of a page's last entry.

    Raises:
        BadCursor: it is no id.
    """
    query = select(entries).where(entries.c.line_id == line_id, *_conditions(session, line_id, wanted))
    if wanted.import_id is not None:
        query = query.join(import_entries, import_entries.c.entry_id == entries.c.id)
    if cursor is not None:
        query = query.where(entries.c.id < id_of(cursor))
    rows = session.execute(query.order_by(entries.c.id.desc()).limit(limit + 1))
    return page([Entry(**row._mapping) for row in rows], limit, lambda entry: str(entry.id))


def ids_of_class(session: Session, line_id: int, class_id: int, *, limit: int) -> list[int]:
    """Ids of a line's entries with this label, in no particular order."""
    query = select(entries.c.id).where(entries.c.line_id == line_id, entries.c.class_id == class_id)
    return list(session.scalars(query.limit(limit)))


def labelled_after(
    session: Session, line_id: int, wanted: EntryFilter, after: int, limit: int, *, upto: int
) -> list[tuple[int, int, Split]]:
    """Id, class and split of labelled entries that meet the filter, ascending, with `after` < id ≤ `upto`."""
    query = select(entries.c.id, entries.c.class_id, entries.c.split).where(
        entries.c.line_id == line_id,
        entries.c.id > after,
        entries.c.id <= upto,
        entries.c.class_id.is_not(None),
        *_conditions(session, line_id, wanted),
    )
    if wanted.import_id is not None:
        query = query.join(import_entries, import_entries.c.entry_id == entries.c.id)
    rows = session.execute(query.order_by(entries.c.id).limit(limit))
    return [(row.id, row.class_id, row.split) for row in rows]


def id_span(
    session: Session, line_id: int, since: datetime | None, until: datetime | None
) -> tuple[int, int | None]:
    """First id and the id behind the last (None: open) of what was added to a line since then and until then.

    Ids and moments rise together, so two probes of an index turn a span of dates into one of ids.
    """
    low = 0 if since is None else _first_from(session, line_id, since)
    high = None if until is None else _first_from(session, line_id, until)
    # Nothing that late yet: for `since` no entry meets it; for `until` all do.
    return (_BEYOND if low is None else low), high


def _first_from(session: Session, line_id: int, moment: datetime) -> int | None:
    query = (
        select(entries.c.id)
        .where(entries.c.line_id == line_id, entries.c.added_at >= moment)
        .order_by(entries.c.added_at, entries.c.id)
        .limit(1)
    )
    return session.scalar(query)


def _conditions(session: Session, line_id: int, wanted: EntryFilter) -> Sequence[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.class_id is not None:
        unlabelled = wanted.class_id == UNLABELLED
        found.append(entries.c.class_id.is_(None) if unlabelled else entries.c.class_id == wanted.class_id)
    if wanted.split is not None:
        found.append(entries.c.split == wanted.split)
    if wanted.source is not None:
        found.append(entries.c.source == wanted.source)
    if wanted.group is not None:
        found.append(entries.c.group_id == wanted.group)
    if wanted.import_id is not None:
        found.append(import_entries.c.import_id == wanted.import_id)
    if wanted.text is not None:
        found.append(func.lower(entries.c.name).contains(wanted.text.lower(), autoescape=True))
    low, high = id_span(session, line_id, wanted.since, wanted.until)
    if low:
        found.append(entries.c.id >= low)
    if high is not None:
        found.append(entries.c.id < high)
    return found
