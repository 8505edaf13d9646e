"""Predictions and their counts in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, delete, func, select

from sortline.db.bulk import insert_rows
from sortline.db.ids import first_id
from sortline.db.paging import Page, cursor_of, older_than, page
from sortline.db.rows import row_of
from sortline.db.session import Session
from sortline.monitoring.recorded import Bucket, Count, RecordedPrediction, Totals, hour_of, hour_start
from sortline.monitoring.tables import counts, predictions

# How long single predictions are kept; their counts stay.
KEEP = timedelta(days=30)


def record(session: Session, rows: Sequence[RecordedPrediction]) -> None:
    """The group is written and counted in the caller's transaction; up to 500 rows keep that short.

    The hot path: two statements whatever the group's size.
    """
    if not rows:
        return
    insert_rows(session, predictions, [row_of(row) for row in rows])
    _count(session, rows)


def recent(
    session: Session,
    line_id: int,
    *,
    limit: int = 50,
    cursor: str | None = None,
    class_name: str | None = None,
    verdict: str | None = None,
) -> Page[RecordedPrediction]:
    """A line's predictions of the last 30 days, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    columns = predictions.c
    query = select(predictions).where(columns.line_id == line_id)
    if class_name is not None:
        query = query.where(columns.class_name == class_name)
    if verdict is not None:
        query = query.where(columns.verdict == verdict)
    if cursor is not None:
        query = query.where(older_than(cursor, columns.at, columns.id))
    query = query.order_by(columns.at.desc(), columns.id.desc()).limit(limit + 1)
    found = [RecordedPrediction(**row._mapping) for row in session.execute(query)]
    return page(found, limit, lambda last: cursor_of(last.at, last.id))


def get(session: Session, line_id: int, prediction_id: str) -> RecordedPrediction | None:
    """A prediction of the last 30 days; None where the line has none of this id."""
    query = select(predictions).where(predictions.c.id == prediction_id, predictions.c.line_id == line_id)
    row = session.execute(query).one_or_none()
    return None if row is None else RecordedPrediction(**row._mapping)


def count(session: Session, line_id: int, start: datetime, end: datetime, bucket: Bucket) -> list[Count]:
    """Counts per bucket, class, verdict and reason, oldest first.

    From the bucket that holds `start` to the one that holds the last moment before `end`; days are UTC's.
    """
    kind = (counts.c.class_name, counts.c.verdict, counts.c.reason)
    return [
        Count(at=at, class_name=class_name, verdict=verdict, reason=reason or None, n=n)
        for at, class_name, verdict, reason, n in _counted(session, line_id, start, end, bucket, *kind)
    ]


def count_verdicts(
    session: Session, line_id: int, start: datetime, end: datetime, bucket: Bucket
) -> Iterator[tuple[datetime, str, str, int]]:
    """Counts per bucket, verdict and reason ("" for none); see `count`."""
    yield from _counted(session, line_id, start, end, bucket, counts.c.verdict, counts.c.reason)


def count_classes(
    session: Session, line_id: int, start: datetime, end: datetime, bucket: Bucket
) -> Iterator[tuple[datetime, str, int]]:
    """Counts per bucket and class; see `count`."""
    yield from _counted(session, line_id, start, end, bucket, counts.c.class_name)


def _counted(
    session: Session, line_id: int, start: datetime, end: datetime, bucket: Bucket, *kind: Column[Any]
) -> Iterator[Any]:
    hours = 1 if bucket == "hour" else 24
    first = hour_of(start) // hours * hours
    begins = (counts.c.hour // hours * hours).label("begins")
    query = (
        select(begins, *kind, func.sum(counts.c.n))
        .where(counts.c.line_id == line_id, counts.c.hour >= first, counts.c.hour < _hours_before(end, hours))
        .group_by(begins, *kind)
        .order_by(begins, *kind)
    )
    for hour, *rest, n in session.execute(query):
        yield hour_start(hour), *rest, int(n)


def totals(session: Session, line_id: int, since: datetime | None = None) -> Totals:
    """What a line did in all, or from the hour that holds `since` on."""
    kind = (counts.c.class_name, counts.c.verdict, counts.c.reason)
    query = select(*kind, func.sum(counts.c.n).label("n")).where(counts.c.line_id == line_id).group_by(*kind)
    if since is not None:
        query = query.where(counts.c.hour >= hour_of(since))
    by_verdict, by_class, by_reason = Counter[str](), Counter[str](), Counter[str]()
    for class_name, verdict, reason, n in session.execute(query):
        by_verdict[verdict] += int(n)
        by_class[class_name] += int(n)
        if reason:
            by_reason[reason] += int(n)
    return Totals(
        total=by_verdict.total(),
        by_verdict=dict(by_verdict),
        by_class=dict(by_class),
        by_reason=dict(by_reason),
    )


def roll_up(session: Session, before: datetime, *, limit: int = 500) -> int:
    """How many predictions made before a moment were forgotten, at most `limit`; call until it says 0.

    Their counts by hour were written with them, and stay. Age is the time in the id: it needs no index.
    """
    oldest = (
        select(predictions.c.id)
        .where(predictions.c.id < first_id(before))
        .order_by(predictions.c.id)
        .limit(limit)
    )
    return session.execute(delete(predictions).where(predictions.c.id.in_(oldest))).rowcount


def _count(session: Session, rows: Sequence[RecordedPrediction]) -> None:
    found = Counter(
        (row.line_id, hour_of(row.at), row.class_name, row.verdict, row.reason or "") for row in rows
    )
    # In the order of the key, so that two servers never wait for each other's rows.
    keyed = [dict(zip(_KEY, key, strict=True), n=n) for key, n in sorted(found.items())]
    insert_rows(session, counts, keyed, known="add")


_KEY = ("line_id", "hour", "class_name", "verdict", "reason")


def _hours_before(end: datetime, hours: int) -> int:
    # The first hour of the first bucket that holds nothing before `end`.
    last = end - timedelta(microseconds=1)
    return (hour_of(last) // hours + 1) * hours
