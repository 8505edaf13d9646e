"""Tombstones in the database: rows that say a picture was there, without anything of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.nearby import forget_near
from sortline.catalogue.tables import entries, images
from sortline.db.among import among
from sortline.db.session import Session

_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """Hashes of pictures that are tombstones now, and of those that were before; where their files lay outside."""

    buried: tuple[str, ...]
    already: tuple[str, ...]
    places: tuple[str, ...]


def bury(session: Session, hashes: Sequence[str]) -> Buried:
    """Those of these pictures that are known are tombstones.

    Fingerprint, embedding, names and client are gone, and no later picture is compared with them. Memberships, labels,
    sizes and counts stay.
    """
    # So that nobody adds one of them at the same time, and whoever looks for near-duplicates finds both or none.
    tick = lock_catalogue(session)
    columns = (images.c.sha256, images.c.erased_at, images.c.phash, images.c.place)
    known = session.execute(select(*columns).where(among(session, images.c.sha256, hashes))).all()
    there = {row.sha256: row for row in known if row.erased_at is None}
    standing = select(entries.c.line_id, entries.c.id, entries.c.image_sha256).where(
        among(session, entries.c.image_sha256, there)
    )
    for line_id, entry, sha256 in session.execute(standing).all():
        if there[sha256].phash is not None:
            forget_near(session, line_id, entry, there[sha256].phash)
    session.execute(update(entries).where(among(session, entries.c.image_sha256, there)).values(name=None))
    session.execute(
        update(images)
        .where(among(session, images.c.sha256, there))
        .values(erased_at=tick.at, phash=None, embedding=None, embedding_bundle=None, client=None, place=None)
    )
    return Buried(
        buried=tuple(sorted(there)),
        already=tuple(sorted(row.sha256 for row in known if row.erased_at is not None)),
        places=tuple(row.place for row in there.values() if row.place is not None),
    )


def from_source(session: Session, line_id: int, source: str, *, after: int = 0) -> list[tuple[int, str]]:
    """Ids above `after`, ascending, and hashes of a line's entries that came from a source, up to 500."""
    query = (
        select(entries.c.id, entries.c.image_sha256)
        .where(entries.c.line_id == line_id, entries.c.source == source, entries.c.id > after)
        .order_by(entries.c.id)
        .limit(_CHUNK)
    )
    return [(entry, sha256) for entry, sha256 in session.execute(query)]
