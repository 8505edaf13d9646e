"""Review items in the database: opened, found, listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Executable, Select, bindparam, select, update

from sortline.db import upsert
from sortline.db.among import among
from sortline.db.ids import new_id
from sortline.db.paging import Page, cursor_of, older_than, page
from sortline.db.rows import row_of
from sortline.db.session import Session
from sortline.review.item import WAITING, ItemFilter, ReviewItem, Sighting, UnknownItem
from sortline.review.order import is_control, priority
from sortline.review.store import tallies
from sortline.review.tables import IS_WAITING, review_items, review_vectors

_columns = review_items.c
_OPEN = ItemFilter()


def of_line(line_id: int | BindParameter[int]) -> ColumnElement[bool]:
    """Whether an item that is looked for by an id is one of the line.

    Not to be looked up by: SQLite, which does not know how many items a line has, would rather go through all of them
    than through fifty ids.
    """
    line: Any = _columns.line_id + 0
    found: ColumnElement[bool] = line == line_id
    return found


# What every decision asks is made once: to make a statement takes three times as long as to run it.
_BY_IDS = select(review_items).where(
    of_line(bindparam("line")), _columns.id.in_(bindparam("ids", expanding=True))
)
_LOCKED = (
    # In the order in which the recorder takes them, so that the two never wait for each other.
    _BY_IDS.order_by(_columns.image_sha256, _columns.id).with_for_update()
)
_TWINS = select(_columns.image_sha256, _columns.id).where(
    _columns.line_id == bindparam("line"),
    IS_WAITING,
    _columns.image_sha256.in_(bindparam("hashes", expanding=True)),
)


def open_or_join(session: Session, sightings: Sequence[Sighting]) -> list[str]:
    """The review item of each sighting, in order: a new one, or the picture's waiting one, seen once more.

    The same picture may come several times in one group. Ids are 32 hex characters.
    """
    if not sightings:
        return []
    first: dict[tuple[int, str], Sighting] = {}
    for sighting in sightings:
        first.setdefault(_picture(sighting), sighting)
    times = Counter(map(_picture, sightings))
    # In the order of the key, so that two servers never wait for each other's rows.
    rows = [_row(first[key], times[key]) for key in sorted(first)]
    opened = session.execute(_opening(session.dialect.name), rows)
    ids = {(line_id, sha256): item_id for line_id, sha256, item_id in opened}
    new = [row for row in rows if ids[row["line_id"], row["image_sha256"]] == row["id"]]
    tallies.came(
        session, Counter((row["line_id"], row["reason"], row["at"].astimezone(UTC).date()) for row in new)
    )
    return [ids[_picture(sighting)] for sighting in sightings]


def count_open(session: Session, line_id: int, *, most: int | None = None) -> int:
    """How many pictures of a line wait for a person, or `most`, if they are more."""
    waiting = sum(tallies.waiting_by_reason(session, line_id).values())
    return waiting if most is None else min(waiting, most)


def get_item(session: Session, line_id: int, item_id: str) -> ReviewItem:
    """The line's item.

    Raises:
        UnknownItem: there is none of this id.
    """
    found = get_items(session, line_id, [item_id])
    if item_id not in found:
        raise UnknownItem(item_id)
    return found[item_id]


def get_items(session: Session, line_id: int, item_ids: Iterable[str]) -> dict[str, ReviewItem]:
    """Those of up to 500 items that the line has, by id."""
    rows = session.execute(_BY_IDS, {"line": line_id, "ids": list(item_ids)})
    return {row.id: ReviewItem(**row._mapping) for row in rows}


def lock_items(session: Session, line_id: int, item_ids: Iterable[str]) -> dict[str, ReviewItem]:
    """Those of up to 500 items that the line has, by id; nobody else changes them until this transaction ends."""
    rows = session.execute(_LOCKED, {"line": line_id, "ids": list(item_ids)})
    return {row.id: ReviewItem(**row._mapping) for row in rows}


def of_prediction(session: Session, line_id: int, prediction_id: str) -> ReviewItem | None:
    """The item that a prediction opened; None where it was accepted or joined another."""
    query = select(review_items).where(of_line(line_id), _columns.prediction_id == prediction_id)
    row = session.execute(query.limit(1)).one_or_none()
    return None if row is None else ReviewItem(**row._mapping)


def waiting_twins(session: Session, line_id: int, hashes: Iterable[str]) -> dict[str, str]:
    """The waiting item of each of up to 500 pictures that has one on the line, by the picture's hash."""
    return dict(session.execute(_TWINS, {"line": line_id, "hashes": list(hashes)}).all())


def list_items(
    session: Session, line_id: int, wanted: ItemFilter = _OPEN, *, limit: int = 50, cursor: str | None = None
) -> Page[ReviewItem]:
    """A line's review items that meet the filter, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    query = select(review_items).where(*_conditions(line_id, wanted))
    if cursor is not None:
        query = query.where(older_than(cursor, _columns.at, _columns.id))
    query = query.order_by(_columns.at.desc(), _columns.id.desc()).limit(limit + 1)
    found = [ReviewItem(**row._mapping) for row in session.execute(query)]
    return page(found, limit, lambda last: cursor_of(last.at, last.id))


def change_items(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """The items, each named by `id`, have these values; all rows have the same columns."""
    if not rows:
        return
    names = tuple(name for name in rows[0] if name != "id")
    session.execute(
        _change(names), [{"item": row["id"], **{f"new_{name}": row[name] for name in names}} for row in rows]
    )


def erase_items(session: Session, hashes: Sequence[str]) -> None:
    """No item of these pictures, up to 500, waits any more on any line, and nothing tells what they looked like.

    What was decided stays, for the counts.
    """
    query = select(_columns.id, _columns.line_id, _columns.reason)
    rows = session.execute(query.where(among(session, _columns.image_sha256, hashes), IS_WAITING)).all()
    found = [row.id for row in rows]
    for start in range(0, len(found), 500):
        part = found[start : start + 500]
        these = among(session, _columns.id, part)
        clusters = select(_columns.cluster_id).where(these, _columns.cluster_id.is_not(None))
        session.execute(
            review_vectors.delete().where(
                review_vectors.c.cluster_id.in_(clusters), among(session, review_vectors.c.item_id, part)
            )
        )
        session.execute(
            update(review_items).where(these).values(state="erased", lease_by=None, lease_until=None)
        )
    tallies.gone(session, Counter((row.line_id, row.reason) for row in rows))


def _picture(sighting: Sighting) -> tuple[int, str]:
    return sighting.line_id, sighting.image_sha256


def _row(sighting: Sighting, seen: int) -> dict[str, Any]:
    item_id = new_id()
    control = is_control(item_id, sighting.reason)
    place = priority(
        item_id,
        reason=sighting.reason,
        confidence=sighting.confidence,
        ood_score=sighting.ood_score,
        control=control,
    )
    made = {"id": item_id, "state": "open", "seen": seen, "control": control, "priority": place}
    return {**row_of(sighting), **made}


@cache
def _opening(database: str) -> Executable:
    # Built once: building takes longer than running it does.
    statement = upsert.insert(database, review_items)
    return statement.on_conflict_do_update(
        index_elements=["line_id", "image_sha256"],
        index_where=IS_WAITING,
        set_={"seen": review_items.c.seen + statement.excluded.seen},
    ).returning(review_items.c.line_id, review_items.c.image_sha256, review_items.c.id)


@cache
def _change(names: tuple[str, ...]) -> Executable:
    statement = update(review_items).where(_columns.id == bindparam("item"))
    return statement.values({name: bindparam(f"new_{name}", type_=_columns[name].type) for name in names})


def _of_cluster(line_id: int, cluster_id: int) -> Select[tuple[str]]:
    waiting = select(_columns.id).where(
        _columns.line_id == line_id, _columns.cluster_id == cluster_id, IS_WAITING
    )
    return waiting.correlate(None)


def _conditions(line_id: int, wanted: ItemFilter) -> list[ColumnElement[bool]]:
    found: list[Any] = [_columns.state == wanted.state]
    if wanted.cluster_id is not None and wanted.state in WAITING:
        # By the clusters' index, and then sorted: by date a small cluster would be far to go. So that SQLite does, the
        # line is not named again.
        found.append(_columns.id.in_(_of_cluster(line_id, wanted.cluster_id)))
    else:
        found.append(_columns.line_id == line_id)
    if wanted.reason is not None:
        found.append(_columns.reason == wanted.reason)
    if wanted.class_name is not None:
        found.append(_columns.class_name == wanted.class_name)
    if wanted.source is not None:
        found.append(_columns.source == wanted.source)
    if wanted.cluster_id is not None:
        found.append(_columns.cluster_id == wanted.cluster_id)
    if wanted.min_score is not None:
        found.append(_columns.ood_score >= wanted.min_score)
    if wanted.max_score is not None:
        found.append(_columns.ood_score <= wanted.max_score)
    if wanted.since is not None:
        found.append(_columns.at >= wanted.since)
    if wanted.until is not None:
        found.append(_columns.at < wanted.until)
    return found
