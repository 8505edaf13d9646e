"""What waits for a version to take it up: labels and splits that changed since one last did."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from sortline.catalogue.tables import staged
from sortline.db.session import Session


def count_staged(session: Session, line_id: int, most: int) -> int:
    """How many pictures of a line wait for a version, counted up to `most`."""
    waiting = select(staged.c.entry_id).where(staged.c.line_id == line_id).limit(most)
    return session.scalar(select(func.count()).select_from(waiting.subquery())) or 0


def list_staged(session: Session, line_id: int, limit: int) -> list[int]:
    """Ids of the entries that came to wait last, newest first."""
    query = (
        select(staged.c.entry_id)
        .where(staged.c.line_id == line_id)
        .order_by(staged.c.at.desc(), staged.c.entry_id.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def newest_staged(session: Session, line_id: int) -> datetime | None:
    """When the last of those that wait came; None where none does."""
    newest: datetime | None = session.scalar(select(func.max(staged.c.at)).where(staged.c.line_id == line_id))
    return newest
