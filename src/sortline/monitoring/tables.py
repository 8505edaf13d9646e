"""The tables of what a line did: every prediction for 30 days, counts by hour for ever, accepted pictures it keeps."""

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

# How many predictions of an hour took how long: `step` as `recorded.latency_step` has it.
latencies = Table(
    "latencies",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Pictures of accepted items that a line keeps, by prediction: its id tells its age.
kept_pictures = Table(
    "kept_pictures",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("prediction_id", Hex, primary_key=True),
    Column("image_sha256", Hex, nullable=False),
    Column("source", String(200), nullable=False),
    sqlite_with_rowid=False,
)
Index(None, kept_pictures.c.image_sha256)
Index(None, kept_pictures.c.line_id, kept_pictures.c.source, kept_pictures.c.prediction_id)
