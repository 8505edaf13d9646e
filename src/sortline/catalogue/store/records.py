"""Many pictures' records at once: by their hashes, or by when they joined the catalogue. Without embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.tables import entries, images
from sortline.db.session import Session

# Embeddings are most of a row's bytes, and nobody who asks for many records wants them.
_COLUMNS = [column for column in images.c if column.name not in ("embedding", "embedding_bundle")]

_BY_HASHES = select(*_COLUMNS).where(images.c.sha256.in_(bindparam("hashes", expanding=True)))


def get_records(session: Session, hashes: Sequence[str]) -> dict[str, ImageRecord]:
    """The pictures of these hashes (at most 500) that are known, by hash; tombstones too."""
    rows = session.execute(_BY_HASHES, {"hashes": list(hashes)})
    return {row.sha256: ImageRecord(**row._mapping) for row in rows}


def newest_pictures(
    session: Session, *, before: int | None, after: int, limit: int
) -> list[tuple[int, ImageRecord]]:
    """Entry ids and pictures of all lines, up to `limit`, newest first; ids rise with time.

    Only those with `after` < id < `before`. A picture in several lines comes several times, an erased one as the
    tombstone it is, so that a full page always has `limit` rows.
    """
    query = (
        select(entries.c.id.label("entry_id"), *_COLUMNS)
        .join(images, images.c.sha256 == entries.c.image_sha256)
        .where(entries.c.id > after)
        .order_by(entries.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(entries.c.id < before)
    found = []
    for row in session.execute(query).mappings():
        facts = dict(row)
        found.append((facts.pop("entry_id"), ImageRecord(**facts)))
    return found
