"""The tables of training: runs and their epochs, and the embeddings that are computed once for each backbone."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from sortline.db.base import Hex, UtcDateTime, json_type, metadata

# One training run. Whether it waits, runs or failed, its job tells. `bundle_hash` is the candidate it made, `live_hash`
# the bundle it was held against, `promote` and `verdict` what came of that; `artefacts` are blobs by name.
runs = Table(
    "runs",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("job_id", Hex, nullable=False),
    Column("method", String(20), nullable=False),
    Column("recipe", json_type(), nullable=False),
    Column("version_id", Integer),
    Column("note", Text, nullable=False),
    Column("who", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("data", json_type(), nullable=False),
    Column("bundle_hash", Hex),
    Column("live_hash", Hex),
    Column("promote", Boolean),
    Column("verdict", json_type()),
    Column("comparison", json_type()),
    Column("compared_at", UtcDateTime),
    Column("artefacts", json_type(), nullable=False),
)
Index("ix_runs_line_id_id", runs.c.line_id, runs.c.id)
Index("ix_runs_bundle_hash", runs.c.bundle_hash)

# One epoch of a run, written by the worker that ran it.
run_epochs = Table(
    "run_epochs",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("figures", json_type(), nullable=False),
    Column("worker", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# A backbone by the hash that bundles of it share; its id keeps the index of embeddings small.
backbones = Table(
    "backbones",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", Hex, nullable=False),
    UniqueConstraint("hash"),
)

# An immutable blob of embeddings: `length` rows of `width` float16 numbers.
embedding_segments = Table(
    "embedding_segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("backbone_id", ForeignKey("backbones.id"), nullable=False),
    Column("sha256", Hex, nullable=False),
    Column("length", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("ix_embedding_segments_sha256", embedding_segments.c.sha256)

# Where the embedding of a picture lies. One that was computed twice at once keeps its first place.
embeddings = Table(
    "embeddings",
    metadata,
    Column("backbone_id", Integer, primary_key=True),
    Column("image_sha256", Hex, primary_key=True),
    Column("segment_id", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    sqlite_with_rowid=False,
)
