"""Accepted pictures that lines keep, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from sortline.db.among import among
from sortline.db.bulk import insert_rows
from sortline.db.ids import first_id
from sortline.db.rows import row_of
from sortline.db.session import Session
from sortline.monitoring.recorded import KeptPicture
from sortline.monitoring.tables import kept_pictures, predictions

_columns = kept_pictures.c


def keep_accepted(session: Session, pictures: Sequence[KeptPicture]) -> None:
    """The pictures are kept from now on."""
    insert_rows(session, kept_pictures, [row_of(picture) for picture in pictures])


def kept_for(session: Session, line_id: int, prediction_id: str) -> KeptPicture | None:
    """The picture of an accepted prediction, where the line kept it."""
    query = select(kept_pictures).where(_columns.line_id == line_id, _columns.prediction_id == prediction_id)
    row = session.execute(query).one_or_none()
    return None if row is None else KeptPicture(**row._mapping)


def kept_before(session: Session, line_id: int, before: datetime | None, limit: int) -> list[KeptPicture]:
    """The oldest pictures that a line keeps: those accepted before a moment (None: all), up to `limit`."""
    query = select(kept_pictures).where(_columns.line_id == line_id)
    if before is not None:
        query = query.where(_columns.prediction_id < first_id(before))
    found = session.execute(query.order_by(_columns.prediction_id).limit(limit))
    return [KeptPicture(**row._mapping) for row in found]


def kept_from(session: Session, line_id: int, source: str, after: str, limit: int) -> list[KeptPicture]:
    """The pictures of a source that a line keeps, behind the prediction `after` ("" for the first)."""
    query = select(kept_pictures).where(_columns.line_id == line_id, _columns.source == source)
    if after:
        query = query.where(_columns.prediction_id > after)
    found = session.execute(query.order_by(_columns.prediction_id).limit(limit))
    return [KeptPicture(**row._mapping) for row in found]


def let_go(session: Session, line_id: int, prediction_ids: Sequence[str]) -> None:
    """Up to 500 pictures are not kept for these predictions any more."""
    session.execute(
        delete(kept_pictures).where(
            _columns.line_id == line_id, among(session, _columns.prediction_id, prediction_ids)
        )
    )


def let_go_of(session: Session, hashes: Sequence[str]) -> None:
    """Up to 500 pictures, by hash, are kept for no prediction of any line any more."""
    session.execute(delete(kept_pictures).where(among(session, _columns.image_sha256, hashes)))


def still_kept(session: Session, hashes: Sequence[str]) -> set[str]:
    """Those of up to 500 pictures that some line keeps."""
    query = select(_columns.image_sha256).where(among(session, _columns.image_sha256, hashes)).distinct()
    return set(session.scalars(query))


def forget_source(
    session: Session, line_id: int, source: str, after: str, limit: int
) -> tuple[int, str | None]:
    """Of the next `limit` predictions of a line, by id behind `after`, those of a source are forgotten; counts stay.

    How many those were, and the last prediction looked at (None: there are no more).
    """
    query = select(predictions.c.id, predictions.c.source).where(predictions.c.line_id == line_id)
    if after:
        query = query.where(predictions.c.id > after)
    found = session.execute(query.order_by(predictions.c.id).limit(limit)).all()
    wanted = [row.id for row in found if row.source == source]
    if wanted:
        session.execute(delete(predictions).where(among(session, predictions.c.id, wanted)))
    return len(wanted), found[-1].id if found else None
