"""How lines review, in the database."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import bindparam, select

from sortline.db import upsert
from sortline.db.session import Session
from sortline.review.item import ReviewSettings
from sortline.review.tables import review_settings

_SETTINGS = select(review_settings.c.second_opinions, review_settings.c.control_share).where(
    review_settings.c.line_id == bindparam("line")
)


def get_settings(session: Session, line_id: int) -> ReviewSettings:
    """How the line reviews; the defaults until somebody says otherwise."""
    row = session.execute(_SETTINGS, {"line": line_id}).one_or_none()
    return ReviewSettings() if row is None else ReviewSettings(**row._mapping)


def set_settings(session: Session, line_id: int, wanted: ReviewSettings) -> None:
    """From now on the line reviews like this; items that have an opinion already are decided as before."""
    values = asdict(wanted)
    statement = upsert.insert(session.dialect.name, review_settings).values(line_id=line_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["line_id"], set_=values))
