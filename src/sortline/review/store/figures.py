"""What review has come to, counted in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, bindparam, func, select

from sortline.db.ids import first_id
from sortline.db.session import Session
from sortline.engine.routing import Reason
from sortline.review.item import UPLOADED
from sortline.review.outcome import OPINIONS, UNUSABLE
from sortline.review.pace import Work
from sortline.review.tables import review_decisions, review_items

_items, _decisions = review_items.c, review_decisions.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How many answers named one class where people said another, or the same (an id); `sampled`: drawn by lot."""

    predicted: str
    class_id: int
    sampled: bool
    n: int


def oldest_waiting(session: Session, line_id: int) -> datetime | None:
    """When the item that has waited longest came; None where none waits."""
    moments = [
        session.scalar(
            select(_items.at)
            .where(_items.line_id == line_id, _items.state == state)
            .order_by(_items.at, _items.id)
            .limit(1)
        )
        for state in ("open", "disputed")
    ]
    return min((at for at in moments if at is not None), default=None)


def count_leased(session: Session, line_id: int, now: datetime) -> int:
    """How many items somebody is at work on."""
    query = select(func.count()).where(
        _items.line_id == line_id, _items.lease_by.is_not(None), _items.lease_until > now
    )
    return session.scalar(query) or 0


def work_since(session: Session, line_id: int, since: datetime, *, most: int) -> list[Work]:
    """The labels that hold, given since then, oldest first; of very many the newest."""
    query = select(_decisions.who, _decisions.at, _decisions.ms).where(*_opinions(line_id, since))
    rows = session.execute(query.order_by(_decisions.id.desc()).limit(most)).all()
    return [Work(who=row.who, at=row.at, ms=row.ms) for row in reversed(rows)]


def opinion_pairs(session: Session, line_id: int, since: datetime, *, most: int) -> list[tuple[int, int]]:
    """The first two opinions on each item that has several, given since then; of very many the newest."""
    several = (
        select(_items.id)
        .where(_items.line_id == line_id, _items.opinions > 1, _items.decided_at >= since)
        .where(_items.decided_at.is_not(None))
    )
    disputed = select(_items.id).where(_items.line_id == line_id, _items.state == "disputed")
    query = (
        select(_decisions.item_id, _decisions.class_id)
        .where(_decisions.item_id.in_(several.union_all(disputed)), _opinion())
        .order_by(_decisions.id.desc())
        .limit(2 * most)
    )
    votes: dict[str, list[int]] = {}
    for item, class_id in reversed(session.execute(query).all()):
        votes.setdefault(item, []).append(UNUSABLE if class_id is None else class_id)
    return [(first, second) for first, second, *_ in (one for one in votes.values() if len(one) > 1)]


def told_since(session: Session, line_id: int, since: datetime) -> list[Told]:
    """What people said of answers since then: by labelling what was set aside, and by correcting what was accepted."""
    query = select(_items.class_name, _items.class_id, _items.reason, func.count()).where(
        _items.line_id == line_id,
        _items.decided_at.is_not(None),
        _items.decided_at >= since,
        _items.state == "done",
        _items.reason != UPLOADED,
    )
    rows = session.execute(query.group_by(_items.class_name, _items.class_id, _items.reason))
    return [
        Told(predicted=name, class_id=class_id, sampled=reason == Reason.SAMPLED, n=n)
        for name, class_id, reason, n in rows
    ]


def corrected_since(session: Session, line_id: int, since: datetime) -> list[Told]:
    """How accepted answers were corrected since then."""
    query = select(_decisions.predicted, _decisions.class_id, func.count()).where(
        _decisions.line_id == line_id,
        _decisions.id >= first_id(since),
        _decisions.action == "correct",
        _decisions.undone == bindparam("undone", False),
    )
    rows = session.execute(query.group_by(_decisions.predicted, _decisions.class_id))
    return [Told(predicted=name, class_id=class_id, sampled=False, n=n) for name, class_id, n in rows]


def decided_by_day(session: Session, line_id: int, since: datetime) -> dict[date, int]:
    """How many labels that hold were given, by day in UTC."""
    day = _day(session, _decisions.at).label("day")
    query = select(day, func.count()).where(*_opinions(line_id, since)).group_by(day)
    return _days(session.execute(query))


def _opinions(line_id: int, since: datetime) -> Sequence[ColumnElement[bool]]:
    return (_decisions.line_id == line_id, _decisions.id >= first_id(since), _opinion())


def _opinion() -> ColumnElement[bool]:
    return _decisions.action.in_(sorted(OPINIONS)) & (_decisions.undone == bindparam("undone", False))


def _day(session: Session, at: Column[datetime]) -> ColumnElement[str]:
    """The day of a moment in UTC, as 2026-05-01."""
    if session.dialect.name == "sqlite":
        return func.substr(at, 1, 10)  # stored as text in UTC, and cheaper than reading it
    return func.to_char(func.timezone("UTC", at), "YYYY-MM-DD")


def _days(rows: Iterable[Any]) -> dict[date, int]:
    return {date.fromisoformat(day): int(n) for day, n in rows}
