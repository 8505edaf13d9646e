"""The table of pictures waiting for a person."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, text

from sortline.db.base import Hex, UtcDateTime, metadata

# What the list filters on and shows is copied onto the row, so that no query crosses domains.
review_items = Table(
    "review_items",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("image_sha256", Hex, nullable=False),
    Column("prediction_id", Hex, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("class_name", String(200), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("ood_score", Float, nullable=False),
    Column("source", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("lease_by", String(200)),
)
IS_OPEN = text("state = 'open'")
# One open item per picture and line: a second sight joins it.
Index(
    "uq_review_items_open",
    review_items.c.line_id,
    review_items.c.image_sha256,
    unique=True,
    sqlite_where=IS_OPEN,
    postgresql_where=IS_OPEN,
)
Index(None, review_items.c.line_id, review_items.c.state, review_items.c.at, review_items.c.id)
