"""Which pictures review has to do with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from sortline.db.among import among
from sortline.db.session import Session
from sortline.review.tables import review_items


def in_review(session: Session, hashes: Sequence[str]) -> set[str]:
    """Those of up to 500 pictures that were ever set aside for a person, on any line."""
    query = (
        select(review_items.c.image_sha256)
        .where(among(session, review_items.c.image_sha256, hashes))
        .distinct()
    )
    return set(session.scalars(query))


def set_aside_from(
    session: Session, line_id: int, source: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """Ids behind `after` ("" for the first), ascending, and hashes of a line's items that came from a source."""
    query = select(review_items.c.id, review_items.c.image_sha256).where(
        review_items.c.line_id == line_id, review_items.c.source == source
    )
    if after:
        query = query.where(review_items.c.id > after)
    return [
        (item, sha256) for item, sha256 in session.execute(query.order_by(review_items.c.id).limit(limit))
    ]
