"""Where embeddings lie: an index over immutable segments in the blob store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from sortline.db import upsert
from sortline.db.among import among
from sortline.db.bulk import insert_rows
from sortline.db.session import Session
from sortline.training.run import Place
from sortline.training.tables import backbones, embedding_segments, embeddings

# Hashes in one query; rows in one transaction.
MOST = 500


def backbone_id(session: Session, backbone: str) -> int | None:
    """The small number of a backbone (64 hex digits); None where nothing was embedded with it."""
    return session.scalar(select(backbones.c.id).where(backbones.c.hash == backbone))


def places(session: Session, backbone: int, hashes: Sequence[str]) -> dict[str, Place]:
    """Where the embeddings of up to 500 pictures lie, by their hashes; those that have none are left out."""
    query = (
        select(
            embeddings.c.image_sha256,
            embedding_segments.c.sha256,
            embeddings.c.position,
            embedding_segments.c.length,
            embedding_segments.c.width,
        )
        .join(embedding_segments, embedding_segments.c.id == embeddings.c.segment_id)
        .where(embeddings.c.backbone_id == backbone, among(session, embeddings.c.image_sha256, hashes))
    )
    return {
        row.image_sha256: Place(sha256=row.sha256, position=row.position, length=row.length, width=row.width)
        for row in session.execute(query)
    }


def add_segment(session: Session, backbone: str, sha256: str, hashes: Sequence[str], width: int) -> None:
    """A segment whose blob is stored: row i is the embedding of picture `hashes[i]`, at most 500 of them.

    A picture that has an embedding keeps the place it has.
    """
    statement = upsert.insert(session.dialect.name, backbones).on_conflict_do_nothing()
    session.execute(statement, {"hash": backbone})
    number = backbone_id(session, backbone)
    segment = session.execute(
        insert(embedding_segments).returning(embedding_segments.c.id),
        {
            "backbone_id": number,
            "sha256": sha256,
            "length": len(hashes),
            "width": width,
            "created_at": datetime.now(UTC),
        },
    ).scalar_one()
    rows = [
        {"backbone_id": number, "image_sha256": image, "segment_id": segment, "position": position}
        for position, image in enumerate(hashes)
    ]
    # In the order of the key, so that two workers never wait for each other's rows.
    insert_rows(session, embeddings, sorted(rows, key=lambda row: str(row["image_sha256"])), known="keep")


def forget(session: Session, hashes: Sequence[str]) -> None:
    """The embeddings of up to 500 pictures are found no more."""
    found = session.scalars(select(backbones.c.id)).all()
    for number in found:
        session.execute(
            delete(embeddings).where(
                embeddings.c.backbone_id == number, among(session, embeddings.c.image_sha256, hashes)
            )
        )


def segment_blobs(session: Session) -> Iterator[str]:
    """The SHA-256 of every segment's blob."""
    yield from session.scalars(select(embedding_segments.c.sha256))
