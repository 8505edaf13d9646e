"""The tables of lines: what each sorts into, and by which policy."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from sortline.db.base import UtcDateTime, json_type, metadata

lines = Table(
    "lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("policy", json_type(), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
# At most one row may say true; the store sees to it that one does.
Index(
    "uq_lines_default",
    lines.c.is_default,
    unique=True,
    sqlite_where=lines.c.is_default,
    postgresql_where=lines.c.is_default,
)

classes = Table(
    "classes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("line_id", "name"),
)
