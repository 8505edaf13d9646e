"""Pictures in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select, update

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.tables import images
from sortline.db import upsert
from sortline.db.rows import row_of
from sortline.db.session import Session


def add_images(session: Session, records: Sequence[ImageRecord]) -> None:
    """The pictures are known; one already known keeps what was noted at its first sight."""
    if not records:
        return
    session.execute(
        upsert.insert(session.dialect.name, images).on_conflict_do_nothing(index_elements=["sha256"]),
        _rows(records),
    )


def add_catalogued(session: Session, records: Sequence[ImageRecord]) -> None:
    """The pictures are known with their fingerprints; one kept without, before it joined a catalogue, has its own now.

    One that was erased stays erased.
    """
    if not records:
        return
    statement = upsert.insert(session.dialect.name, images)
    excluded = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["sha256"],
            set_={"phash": excluded.phash, "format": excluded.format},
            where=and_(images.c.phash.is_(None), images.c.erased_at.is_(None)),
        ),
        _rows(records),
    )


def get_image(session: Session, sha256: str) -> ImageRecord | None:
    """What is known of a picture, or None."""
    row = session.execute(select(images).where(images.c.sha256 == sha256)).one_or_none()
    return None if row is None else ImageRecord(**row._mapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What a stored picture measures: bytes, pixels, brightness 0–255, sharpness; `erased_at` where it is gone."""

    bytes: int
    width: int
    height: int
    brightness: float
    sharpness: float
    erased_at: datetime | None


def measures(session: Session, hashes: Sequence[str]) -> dict[str, Measures]:
    """What up to 500 stored pictures measure, by hash."""
    names = ("bytes", "width", "height", "brightness", "sharpness", "erased_at")
    query = select(images.c.sha256, *(images.c[name] for name in names)).where(images.c.sha256.in_(hashes))
    return {
        sha256: Measures(**dict(zip(names, values, strict=True)))
        for sha256, *values in session.execute(query)
    }


def erased(session: Session, hashes: Sequence[str]) -> dict[str, datetime]:
    """When each of up to 500 pictures was erased, of those that were."""
    query = select(images.c.sha256, images.c.erased_at).where(
        images.c.sha256.in_(hashes), images.c.erased_at.is_not(None)
    )
    return dict(session.execute(query).all())


def bury(session: Session, hashes: Sequence[str], at: datetime) -> None:
    """The pictures are tombstones: what shows them or tells whose they were is gone; sizes and counts stay."""
    session.execute(
        update(images)
        .where(images.c.sha256.in_(hashes), images.c.erased_at.is_(None))
        .values(erased_at=at, phash=None, embedding=None, embedding_bundle=None, client=None, place=None)
    )


def _rows(records: Sequence[ImageRecord]) -> list[dict[str, object]]:
    # In the order of the key, so that two servers never wait for each other's rows.
    return [row_of(record) for record in sorted(records, key=lambda record: record.sha256)]
