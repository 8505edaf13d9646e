"""The audit log in the database."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from sortline.accounts.audit import LONGEST, AuditEvent, Change
from sortline.accounts.tables import audit_events
from sortline.db.bulk import insert_rows
from sortline.db.paging import Page, id_of, page
from sortline.db.session import Session


def note(session: Session, change: Change) -> None:
    """The change is in the log."""
    row = {
        "at": datetime.now(UTC),
        "who": change.who,
        "route": change.route[:200],
        "target": change.target[:LONGEST],
        "status": change.status,
        "address": change.address and change.address[:45],
    }
    insert_rows(session, audit_events, [row])


def list_events(
    session: Session, *, who: str | None = None, limit: int = 50, cursor: str | None = None
) -> Page[AuditEvent]:
    """What was changed, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    query = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit + 1)
    if who is not None:
        query = query.where(audit_events.c.who == who)
    if cursor is not None:
        query = query.where(audit_events.c.id < id_of(cursor))
    found = [AuditEvent(**row._mapping) for row in session.execute(query)]
    return page(found, limit, lambda last: str(last.id))
