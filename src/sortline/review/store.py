"""Review items in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from sqlalchemy import Executable, func, select

from sortline.db import upsert
from sortline.db.ids import new_id
from sortline.db.paging import Page, cursor_of, older_than, page
from sortline.db.rows import row_of
from sortline.db.session import Session
from sortline.review.item import ReviewItem, Sighting, State
from sortline.review.tables import IS_OPEN, review_items


def open_or_join(session: Session, sightings: Sequence[Sighting]) -> list[str]:
    """The review item of each sighting, in order: a new one, or the picture's open one, seen once more.

    The same picture may come several times in one group. Ids are 32 hex characters.
    """
    if not sightings:
        return []
    first: dict[tuple[int, str], Sighting] = {}
    for sighting in sightings:
        first.setdefault(_picture(sighting), sighting)
    times = Counter(map(_picture, sightings))
    # In the order of the key, so that two servers never wait for each other's rows.
    rows = [
        {**row_of(first[key]), "id": new_id(), "state": "open", "seen": times[key]} for key in sorted(first)
    ]
    opened = session.execute(_opening(session.dialect.name), rows)
    ids = {(line_id, sha256): item_id for line_id, sha256, item_id in opened}
    return [ids[_picture(sighting)] for sighting in sightings]


def count_open(session: Session, line_id: int) -> int:
    """How many pictures of a line wait for a person."""
    waiting = (review_items.c.line_id == line_id) & (review_items.c.state == "open")
    return session.scalar(select(func.count()).select_from(review_items).where(waiting)) or 0


def list_items(
    session: Session,
    line_id: int,
    *,
    state: State = "open",
    limit: int = 50,
    cursor: str | None = None,
    class_name: str | None = None,
    reason: str | None = None,
) -> Page[ReviewItem]:
    """A line's review items, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    columns = review_items.c
    query = select(review_items).where(columns.line_id == line_id, columns.state == state)
    if class_name is not None:
        query = query.where(columns.class_name == class_name)
    if reason is not None:
        query = query.where(columns.reason == reason)
    if cursor is not None:
        query = query.where(older_than(cursor, columns.at, columns.id))
    query = query.order_by(columns.at.desc(), columns.id.desc()).limit(limit + 1)
    found = [ReviewItem(**row._mapping) for row in session.execute(query)]
    return page(found, limit, lambda last: cursor_of(last.at, last.id))


def _picture(sighting: Sighting) -> tuple[int, str]:
    return sighting.line_id, sighting.image_sha256


@cache
def _opening(database: str) -> Executable:
    # Built once: building takes longer than running it does.
    statement = upsert.insert(database, review_items)
    return statement.on_conflict_do_update(
        index_elements=["line_id", "image_sha256"],
        index_where=IS_OPEN,
        set_={"seen": review_items.c.seen + statement.excluded.seen},
    ).returning(review_items.c.line_id, review_items.c.image_sha256, review_items.c.id)
