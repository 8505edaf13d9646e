"""Decisions in the database: appended, found, and which of them hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select, update

from sortline.db.bulk import insert_rows
from sortline.db.rows import row_of
from sortline.db.session import Session
from sortline.review.outcome import Decision, UnknownDecision
from sortline.review.tables import review_decisions

_columns = review_decisions.c

# What every decision and undo asks is made once, as in `items`.
_MARK = (
    update(review_decisions).where(_columns.id == bindparam("decision")).values(undone=bindparam("holds_not"))
)
_OF_ITEMS = (
    select(review_decisions)
    .where(_columns.item_id.in_(bindparam("items", expanding=True)))
    .order_by(_columns.id)
)
_BY_IDS = select(review_decisions).where(
    _columns.line_id == bindparam("line"), _columns.id.in_(bindparam("ids", expanding=True))
)
_NEWEST = (
    select(review_decisions)
    .where(
        _columns.line_id == bindparam("line"),
        _columns.who == bindparam("who"),
        _columns.undone == bindparam("undone", False),
        _columns.action != "undo",
    )
    .order_by(_columns.id.desc())
    .limit(1)
)
_KNOWN = (
    select(review_decisions)
    .where(
        _columns.item_id.in_(bindparam("items", expanding=True))
        | (
            (_columns.line_id == bindparam("line"))
            & (_columns.who == bindparam("who"))
            & _columns.key.is_not(None)
            & _columns.key.in_(bindparam("keys", expanding=True))
        )
    )
    .order_by(_columns.id)
)


def append(session: Session, decisions: Sequence[Decision]) -> None:
    """The decisions are there, for good."""
    insert_rows(session, review_decisions, [row_of(one) for one in decisions])


def mark(session: Session, undone: dict[str, bool]) -> None:
    """Whether each of these decisions, by id, holds no longer."""
    if undone:
        session.execute(
            _MARK, [{"decision": one, "holds_not": not_any_more} for one, not_any_more in undone.items()]
        )


def of_items(session: Session, item_ids: Iterable[str]) -> dict[str, list[Decision]]:
    """What was decided about each of up to 500 items, oldest first; items without decisions have none."""
    ids = list(item_ids)
    found: dict[str, list[Decision]] = {one: [] for one in ids}
    for row in session.execute(_OF_ITEMS, {"items": ids}):
        found[row.item_id].append(Decision(**row._mapping))
    return found


def of_prediction(session: Session, line_id: int, prediction_id: str) -> list[Decision]:
    """How an accepted prediction was corrected, oldest first, with what was undone of it."""
    query = select(review_decisions).where(
        _columns.line_id + 0 == line_id,  # not to be looked up by, see `items.of_line`
        _columns.prediction_id == prediction_id,
    )
    return [Decision(**row._mapping) for row in session.execute(query.order_by(_columns.id))]


def get_decisions(session: Session, line_id: int, decision_ids: Sequence[str]) -> list[Decision]:
    """Up to 500 decisions, in this order.

    Raises:
        UnknownDecision: the line has not one of them.
    """
    rows = session.execute(_BY_IDS, {"line": line_id, "ids": list(decision_ids)})
    found = {row.id: Decision(**row._mapping) for row in rows}
    for one in decision_ids:
        if one not in found:
            raise UnknownDecision(one)
    return [found[one] for one in dict.fromkeys(decision_ids)]


def newest(session: Session, line_id: int, who: str) -> Decision | None:
    """The person's newest decision on the line that holds; None where there is none."""
    row = session.execute(_NEWEST, {"line": line_id, "who": who}).one_or_none()
    return None if row is None else Decision(**row._mapping)


def known(
    session: Session, line_id: int, item_ids: Iterable[str], *, who: str, keys: Sequence[str]
) -> tuple[dict[str, list[Decision]], dict[str, Decision]]:
    """What was decided about each of up to 500 items, as `of_items` has it; and what a person has decided under each of
    up to 500 keys, about whatever item, by key.
    """
    if not keys:
        return of_items(session, item_ids), {}
    ids, wanted = list(item_ids), set(keys)
    made: dict[str, list[Decision]] = {one: [] for one in ids}
    under: dict[str, Decision] = {}
    for row in session.execute(_KNOWN, {"items": ids, "line": line_id, "who": who, "keys": list(keys)}):
        found = Decision(**row._mapping)
        if found.item_id in made:
            made[found.item_id].append(found)
        if found.key in wanted and (found.line_id, found.who) == (line_id, who):
            under[found.key] = found
    return made, under
