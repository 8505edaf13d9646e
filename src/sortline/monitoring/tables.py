"""The tables of what a line did: every prediction for 30 days, and counts by hour for ever."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table

from sortline.db.base import Hex, UtcDateTime, metadata

# The hot table: only its line is a foreign key, and SQLite keeps it in the order of its time-sorted id (no
# rowid), so a row costs two b-trees, not three.
predictions = Table(
    "predictions",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("class_name", String(200), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("reason", String(20)),
    Column("ood_score", Float, nullable=False),
    Column("energy", Float, nullable=False),
    Column("bundle_hash", Hex, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("source", String(200), nullable=False),
    sqlite_with_rowid=False,
)
Index(None, predictions.c.line_id, predictions.c.at, predictions.c.id)

counts = Table(
    "counts",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    # Hours since 1970 in UTC: days are hour / 24 on every database.
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("class_name", String(200), primary_key=True),
    Column("verdict", String(20), primary_key=True),
    # '' for accept: NULLs are never equal, so they could not be counted under one key.
    Column("reason", String(20), primary_key=True),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)
