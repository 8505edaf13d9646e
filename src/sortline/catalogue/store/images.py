"""Pictures in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.tables import images
from sortline.db import upsert
from sortline.db.rows import row_of
from sortline.db.session import Session


def add_images(session: Session, records: Sequence[ImageRecord]) -> None:
    """The pictures are known; one already known keeps what was noted at its first sight."""
    if not records:
        return
    # In the order of the key, so that two servers never wait for each other's rows.
    rows = [row_of(record) for record in sorted(records, key=lambda record: record.sha256)]
    session.execute(
        upsert.insert(session.dialect.name, images).on_conflict_do_nothing(index_elements=["sha256"]), rows
    )


def get_image(session: Session, sha256: str) -> ImageRecord | None:
    """What is known of a picture, or None."""
    row = session.execute(select(images).where(images.c.sha256 == sha256)).one_or_none()
    return None if row is None else ImageRecord(**row._mapping)
