"""What came lately to a line, as far as thresholds need it: how much a day, and a sample of single predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import Select, func, select

from sortline.db.session import Session
from sortline.monitoring.recorded import hour_of, hour_start
from sortline.monitoring.tables import counts, predictions

_HOUR = timedelta(hours=1)
# Places in time that a sample is read from where there is more than it takes: each is one look into an index.
_PLACES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A prediction, as far as thresholds need it."""

    class_name: str
    confidence: float
    reason: str | None
    ood_score: float
    bundle_hash: str


def per_day(session: Session, line_id: int, now: datetime, *, days: int) -> list[float]:
    """Pictures in each of the last `days` spans of 24 hours, the newest first, back to the line's first picture.

    Where that came less than a day ago, what a whole day would have had; nothing where none came.
    """
    last = hour_of(now)
    hours = dict(_hourly(session, line_id, now - timedelta(days=days), now))
    if not hours:
        return []
    age = last - min(hours) + 1
    if age < 24:
        return [sum(hours.values()) * 24 / age]
    return [
        float(sum(hours.get(hour, 0) for hour in range(last - 24 * day - 23, last - 24 * day + 1)))
        for day in range(min(days, age // 24))
    ]


def sample(
    session: Session, line_id: int, start: datetime, end: datetime, *, most: int = 5000
) -> list[Sampled]:
    """All predictions of a span of time, or `most` of them from a hundred places in it, busy hours in proportion."""
    hours = _hourly(session, line_id, start, end)
    total = sum(n for _, n in hours)
    if total <= most:
        return _from(session, line_id, start, end, most)
    found: list[Sampled] = []
    for place in _places(hours, total):
        found += _from(session, line_id, max(place, start), end, most // _PLACES)
    return found


def _hourly(session: Session, line_id: int, start: datetime, end: datetime) -> Sequence[tuple[int, int]]:
    query = (
        select(counts.c.hour, func.sum(counts.c.n))
        .where(counts.c.line_id == line_id, counts.c.hour >= hour_of(start), counts.c.hour <= hour_of(end))
        .group_by(counts.c.hour)
        .order_by(counts.c.hour)
    )
    return [(hour, int(n)) for hour, n in session.execute(query)]


def _places(hours: Sequence[tuple[int, int]], total: int) -> list[datetime]:
    """Moments with equally many predictions between each and the next."""
    ends, found, index = list(accumulate(n for _, n in hours)), list[datetime](), 0
    for place in range(_PLACES):
        position = place * total / _PLACES
        while ends[index] <= position:
            index += 1
        hour, n = hours[index]
        found.append(hour_start(hour) + _HOUR * ((position - (ends[index] - n)) / n))
    return found


def _from(session: Session, line_id: int, start: datetime, end: datetime, limit: int) -> list[Sampled]:
    columns = predictions.c
    wanted = (columns.class_name, columns.confidence, columns.reason, columns.ood_score, columns.bundle_hash)
    query: Select[Any] = (
        select(*wanted)
        .where(columns.line_id == line_id, columns.at >= start, columns.at < end)
        .order_by(columns.at, columns.id)
        .limit(limit)
    )
    return [Sampled(**row._mapping) for row in session.execute(query)]
