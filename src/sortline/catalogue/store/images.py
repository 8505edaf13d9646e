"""Pictures in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.tables import images
from sortline.db.among import among
from sortline.db.bulk import insert_rows
from sortline.db.rows import row_of
from sortline.db.session import Session


def add_images(session: Session, records: Sequence[ImageRecord]) -> int:
    """How many of the pictures were not known before; one that was keeps what was noted at its first sight."""
    # In the order of the key, so that two servers never wait for each other's rows.
    rows = [row_of(record) for record in sorted(records, key=lambda record: record.sha256)]
    return insert_rows(session, images, rows, known="keep")


def add_catalogued(
    session: Session, records: Sequence[ImageRecord]
) -> tuple[dict[str, Measures], frozenset[str]]:
    """What up to 500 pictures measure as they are known from now on, by hash, and which were not known before.

    All have their fingerprints. One kept without, before it joined a catalogue, gets its own now; one that was erased
    stays erased.
    """
    stored, bare = _known(session, [record.sha256 for record in records])
    fresh = [record for record in records if record.sha256 not in stored]
    if add_images(session, fresh) < len(fresh):
        # A recorder, which does not wait for the catalogue's lock, was first.
        more, more_bare = _known(session, [record.sha256 for record in fresh])
        stored, bare = stored | more, bare | more_bare
    add_fingerprints(session, [record for record in records if record.sha256 in bare])
    unknown = {record.sha256: _measures(record) for record in fresh if record.sha256 not in stored}
    return stored | unknown, frozenset(unknown)


def add_fingerprints(session: Session, records: Sequence[ImageRecord]) -> None:
    """The pictures have their fingerprints, unless they were erased or have one."""
    # In the order of the key, so that two servers never wait for each other's rows.
    ours = sorted({record.sha256: record for record in records}.items())
    if ours:
        session.execute(
            _FINGERPRINT,
            [{"hash": sha256, "fingerprint": one.phash, "kind": one.format} for sha256, one in ours],
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


_MEASURES = [field.name for field in fields(Measures)]
# Every picture that is labelled in review asks these: they are made once.
_IS_BARE = images.c.phash.is_(None) & images.c.erased_at.is_(None)
_STORED = select(*(images.c[name] for name in ("sha256", *_MEASURES)), _IS_BARE.label("bare")).where(
    images.c.sha256.in_(bindparam("hashes", expanding=True))
)
_ERASED = select(images.c.sha256, images.c.erased_at).where(
    images.c.sha256.in_(bindparam("hashes", expanding=True)), images.c.erased_at.is_not(None)
)
_FINGERPRINT = (
    update(images)
    .where(images.c.sha256 == bindparam("hash"), _IS_BARE)
    .values(phash=bindparam("fingerprint"), format=bindparam("kind"))
)


def erased(session: Session, hashes: Sequence[str]) -> dict[str, datetime]:
    """When each of up to 500 pictures was erased, of those that were."""
    return dict(session.execute(_ERASED, {"hashes": list(hashes)}).all())


def kept_embeddings(session: Session, hashes: Sequence[str], bundles: Sequence[str]) -> dict[str, bytes]:
    """The embeddings that predictions by these bundles left of up to 500 pictures, by hash: float16, little-endian."""
    query = select(images.c.sha256, images.c.embedding).where(
        among(session, images.c.sha256, hashes),
        images.c.embedding_bundle.in_(bundles),
        images.c.embedding.is_not(None),
    )
    return {row.sha256: row.embedding for row in session.execute(query)} if bundles else {}


def embeddings_of(session: Session, hashes: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """The embedding that the prediction left of each of up to 500 pictures that has one, by hash.

    With it the hash of the bundle that predicted; the bytes are float16, little-endian.
    """
    query = select(images.c.sha256, images.c.embedding_bundle, images.c.embedding).where(
        among(session, images.c.sha256, hashes),
        images.c.embedding.is_not(None),
        images.c.embedding_bundle.is_not(None),
    )
    return {row.sha256: (row.embedding_bundle, row.embedding) for row in session.execute(query)}


def bury(session: Session, hashes: Sequence[str], at: datetime) -> None:
    """The pictures are tombstones: what shows them or tells whose they were is gone; sizes and counts stay."""
    session.execute(
        update(images)
        .where(among(session, images.c.sha256, hashes), images.c.erased_at.is_(None))
        .values(erased_at=at, phash=None, embedding=None, embedding_bundle=None, client=None, place=None)
    )


def _measures(of: Any) -> Measures:
    return Measures(
        bytes=of.bytes,
        width=of.width,
        height=of.height,
        brightness=of.brightness,
        sharpness=of.sharpness,
        erased_at=of.erased_at,
    )


def _known(session: Session, hashes: Sequence[str]) -> tuple[dict[str, Measures], set[str]]:
    """What up to 500 stored pictures measure, by hash, and which of them lack a fingerprint."""
    rows = session.execute(_STORED, {"hashes": list(hashes)}).all()
    return {row.sha256: _measures(row) for row in rows}, {row.sha256 for row in rows if row.bare}
