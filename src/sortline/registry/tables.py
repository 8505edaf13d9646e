"""The tables of bundles and of what made each of them live."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from sortline.db.base import Hex, UtcDateTime, json_type, metadata

bundles = Table(
    "bundles",
    metadata,
    Column("hash", Hex, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("path", Text, nullable=False),
    Column("classes", json_type(), nullable=False),
    Column("metrics", json_type(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# Append-only: the newest entry of a line names its live bundle.
promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("bundle_hash", ForeignKey("bundles.hash"), nullable=False),
    Column("action", String(20), nullable=False),
    Column("who", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", json_type(), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
Index(None, promotions.c.line_id, promotions.c.id)
