"""What `sortline data check` asks the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from sortline.catalogue.tables import entries, images
from sortline.db.among import among
from sortline.db.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database says of a picture's bytes: how many there are, where they lie, whether they were erased."""

    sha256: str
    bytes: int
    place: str | None
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A line that has the picture, and the name it came under."""

    sha256: str
    line_id: int
    name: str | None


def pictures_after(session: Session, after: str, limit: int) -> list[Known]:
    """Pictures in the order of their hashes, from behind `after` on ("" is before all)."""
    query = _KNOWN.order_by(images.c.sha256).limit(limit)
    if after:
        query = query.where(images.c.sha256 > after)
    return [_known(row) for row in session.execute(query)]


def pictures(session: Session, sha256s: Sequence[str]) -> dict[str, Known]:
    """Those of up to 500 pictures that are known."""
    found = session.execute(_KNOWN.where(images.c.sha256.in_(sha256s)))
    return {known.sha256: known for known in map(_known, found)}


def uses(session: Session, sha256s: Sequence[str]) -> list[Use]:
    """Where up to 500 pictures are used."""
    query = select(entries.c.image_sha256, entries.c.line_id, entries.c.name).where(
        among(session, entries.c.image_sha256, sha256s)
    )
    return [
        Use(sha256=sha256, line_id=line_id, name=name) for sha256, line_id, name in session.execute(query)
    ]


def entry_ids_after(session: Session, line_id: int, after: int, limit: int) -> list[int]:
    """Ids of a line's entries in rising order, from behind `after` on."""
    mine = (entries.c.line_id == line_id) & (entries.c.id > after)
    return list(session.scalars(select(entries.c.id).where(mine).order_by(entries.c.id).limit(limit)))


_KNOWN = select(images.c.sha256, images.c.bytes, images.c.place, images.c.erased_at)


def _known(row: tuple[str, int, str | None, object]) -> Known:
    sha256, size, place, erased_at = row
    return Known(sha256=sha256, bytes=size, place=place, erased=erased_at is not None)
