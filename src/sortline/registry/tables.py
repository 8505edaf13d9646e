"""The tables of bundles, of what made each of them live, and of what shadows saw."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

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
    # Set once every file that it names is in the blob store. Text, because a JSONB number need not come back as it was
    # written, and the bundle's hash is one of the manifest's numbers too.
    Column("manifest", Text),
)

# The bundles that were made for a line, offered to it or once live on it.
candidates = Table(
    "candidates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("bundle_hash", ForeignKey("bundles.hash"), nullable=False),
    Column("who", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("line_id", "bundle_hash"),
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

# The bundle that sees a line's traffic without answering, one a line.
shadows = Table(
    "shadows",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("bundle_hash", ForeignKey("bundles.hash"), nullable=False),
    Column("who", String(200), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

# How often a shadow said what, where the live bundle said what.
shadow_counts = Table(
    "shadow_counts",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("bundle_hash", Hex, primary_key=True),
    Column("live_hash", Hex, primary_key=True),
    # Both '' for pictures that the shadow was spared, because the server had enough to do.
    Column("live_class", String(200), primary_key=True),
    Column("shadow_class", String(200), primary_key=True),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)
