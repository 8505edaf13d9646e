"""Leases in the database: who is given which items next, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, exists, or_, select, update

from sortline.db.session import Session
from sortline.engine.routing import Reason
from sortline.review.item import ReviewItem
from sortline.review.outcome import OPINIONS
from sortline.review.store.items import of_line
from sortline.review.tables import IS_WAITING, review_decisions, review_items

_columns = review_items.c
# By the lease alone: with more conditions SQLite takes an index in which a hundred thousand rows meet them.
_HELD = (
    select(review_items)
    .where(
        _columns.line_id == bindparam("line"),
        _columns.lease_by.is_not(None),
        _columns.lease_by == bindparam("who"),
        _columns.lease_until > bindparam("now"),
    )
    .with_for_update(skip_locked=True)
)
_LEASE = (
    update(review_items)
    .where(_columns.id.in_(bindparam("items", expanding=True)))
    .values(lease_by=bindparam("who"), lease_until=bindparam("until"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which items a person asks for: of one reason, one answered class, one cluster, of the control share or not.

    What was drawn by lot from the accepted is given in its turn, or by that reason, but not for its class: labelled for
    what it was taken for it would no longer tell how good the answers are.
    """

    reason: str | None = None
    class_name: str | None = None
    cluster_id: int | None = None
    control: bool | None = None

    @property
    def narrow(self) -> bool:
        """Whether the person chose what to see."""
        return self.reason is not None or self.class_name is not None or self.cluster_id is not None

    def has(self, item: ReviewItem) -> bool:
        """Whether the item waits and is one of those."""
        pairs = (
            (self.reason, item.reason),
            (self.class_name, item.class_name),
            (self.cluster_id, item.cluster_id),
            (self.control, item.control),
        )
        passed_over = item.reason == Reason.SAMPLED and self.class_name is not None and self.reason is None
        return item.waiting and not passed_over and all(asked in (None, found) for asked, found in pairs)


def held(
    session: Session, line_id: int, who: str, now: datetime, wanted: Wanted, limit: int
) -> list[ReviewItem]:
    """What a person has on lease and has not decided, the first in the queue first."""
    rows = session.execute(_HELD, {"line": line_id, "who": who, "now": now})
    found = [item for item in (ReviewItem(**row._mapping) for row in rows) if wanted.has(item)]
    return sorted(found, key=lambda item: (item.priority, item.id), reverse=True)[:limit]


def free(
    session: Session, line_id: int, who: str, now: datetime, wanted: Wanted, limit: int
) -> list[ReviewItem]:
    """What is next for a person: waits, is nobody's, and the person has given no opinion on it.

    Until this transaction ends nobody else is given any of it: what others are being given at the same moment is
    passed over.
    """
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    values = {"line": line_id, "who": who, "now": now, "most": limit, **asked}
    return [ReviewItem(**row._mapping) for row in session.execute(_free(tuple(asked)), values)]


def first(session: Session, line_id: int, wanted: Wanted, limit: int) -> list[ReviewItem]:
    """What stands first in the queue, whoever has it."""
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    values = {"line": line_id, "most": limit, **asked}
    return [ReviewItem(**row._mapping) for row in session.execute(_waiting(tuple(asked)), values)]


def lease(session: Session, item_ids: Sequence[str], who: str, until: datetime) -> None:
    """The items, up to 500, are the person's until then."""
    session.execute(_LEASE, {"items": list(item_ids), "who": who, "until": until})


def renew(
    session: Session, line_id: int, item_ids: Iterable[str], who: str, now: datetime, until: datetime
) -> list[str]:
    """Those of up to 500 items that the person still has, and has until then; what was lost is left out."""
    query = _own(line_id, item_ids, who, now)
    return _changed(session, query, lease_until=until)


def release(session: Session, line_id: int, item_ids: Iterable[str], who: str, now: datetime) -> list[str]:
    """Those of up to 500 items that were the person's; they are nobody's."""
    query = _own(line_id, item_ids, who, now)
    return _changed(session, query, lease_by=None, lease_until=None)


@cache
def _waiting(asked: tuple[str, ...]) -> Select[Any]:
    """What waits, the first in the queue first; `asked` are the columns whose values somebody named."""
    named = [_columns[name] == bindparam(name, type_=_columns[name].type) for name in asked]
    if "class_name" in asked and "reason" not in asked:
        named.append(_columns.reason != Reason.SAMPLED)
    query = select(review_items).where(_columns.line_id == bindparam("line"), IS_WAITING, *named)
    return query.order_by(_columns.priority.desc(), _columns.id.desc()).limit(bindparam("most"))


@cache
def _free(asked: tuple[str, ...]) -> Select[Any]:
    said = exists().where(
        review_decisions.c.item_id == _columns.id,
        review_decisions.c.who == bindparam("who"),
        review_decisions.c.undone == bindparam("undone", False),
        review_decisions.c.action.in_(sorted(OPINIONS)),
    )
    query = _waiting(asked).where(
        or_(_columns.lease_until.is_(None), _columns.lease_until <= bindparam("now")),
        or_(_columns.deferred_until.is_(None), _columns.deferred_until <= bindparam("now")),
        or_(_columns.opinions == 0, ~said),
    )
    # SQLite has one writer; it leaves these words out.
    return query.with_for_update(skip_locked=True, of=review_items)


def _own(line_id: int, item_ids: Iterable[str], who: str, now: datetime) -> Select[Any]:
    return (
        select(_columns.id)
        .where(
            of_line(line_id),
            _columns.id.in_(list(item_ids)),
            _columns.lease_by == who,
            _columns.lease_until > now,
            IS_WAITING,
        )
        .order_by(_columns.image_sha256)
        .with_for_update()
    )


def _changed(session: Session, query: Select[Any], **values: object) -> list[str]:
    found: list[str] = list(session.scalars(query).all())
    if found:
        session.execute(update(review_items).where(_columns.id.in_(found)).values(values))
    return found
