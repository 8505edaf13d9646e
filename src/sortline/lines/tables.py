"""The tables of lines: what each sorts into, and by which policy."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

from sortline.db.base import Hex, UtcDateTime, json_type, metadata

lines = Table(
    "lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("policy", json_type(), nullable=False),
    Column("is_default", Boolean, nullable=False),
    # Whether a candidate that passes its gates goes live by itself.
    Column("auto_promote", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcDateTime, nullable=False),
    # What thresholds are fitted to; null: they are set by hand or the bundle's own.
    Column("budget", json_type(none_as_null=True)),
    # Share of accepted pictures that are kept, and for how many days; null: for good.
    Column("keep_accepted", Float, nullable=False, server_default=text("0")),
    Column("keep_days", Integer),
    # Staged labels at which a version is made by itself, and whether a probe is then trained on it.
    Column("auto_version_labels", Integer),
    Column("auto_probe", Boolean, nullable=False, server_default=false()),
)
# At most one row may say true; the store sees to it that one does.
Index(
    "uq_lines_default",
    lines.c.is_default,
    unique=True,
    sqlite_where=lines.c.is_default,
    postgresql_where=lines.c.is_default,
)

# What a line's budget came to for one bundle: settings of the policy that go before the line's own while it is live.
policy_fits = Table(
    "policy_fits",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("bundle_hash", Hex, primary_key=True),
    Column("settings", json_type(), nullable=False),
    Column("expected", json_type(), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

classes = Table(
    "classes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("merged_into", Integer),
    # What is to be done with a thing of this class, for whoever holds it.
    Column("tip", String(500)),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("line_id", "name"),
)

# Names a class had before it was renamed, or that of a class merged into it: they keep naming it.
class_aliases = Table(
    "class_aliases",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("class_id", ForeignKey("classes.id"), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

# What happened to a class: created, renamed, retired, restored, merged. Append-only.
class_events = Table(
    "class_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("class_id", ForeignKey("classes.id"), nullable=False),
    Column("action", String(20), nullable=False),
    Column("detail", json_type(), nullable=False),
    Column("who", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
Index("ix_class_events_class_id_id", class_events.c.class_id, class_events.c.id)
