"""Pictures that no catalogue has: which they are, and their rows, which leave nothing behind."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.tables import entries, images
from sortline.db.among import among
from sortline.db.session import Session


def catalogued(session: Session, hashes: Sequence[str]) -> set[str]:
    """Those of up to 500 pictures that are in some line's catalogue."""
    query = select(entries.c.image_sha256).where(among(session, entries.c.image_sha256, hashes)).distinct()
    return set(session.scalars(query))


def remove_images(session: Session, hashes: Sequence[str]) -> list[ImageRecord]:
    """What was known of up to 500 pictures that are in no catalogue; nothing is, from now on. Tombstones stay.

    The caller holds the catalogue's lock, so that nobody takes one of them up meanwhile.
    """
    there = among(session, images.c.sha256, hashes) & images.c.erased_at.is_(None)
    found = [ImageRecord(**row._mapping) for row in session.execute(select(images).where(there))]
    session.execute(delete(images).where(there))
    return found
