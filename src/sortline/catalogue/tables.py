"""The tables of the catalogue: pictures, what a line knows of each, versions as deltas, imports.

    images ◀── entries (a line's pictures) ◀── label_events, staged, near…
                  ▲
                  ├── version_changes ──▶ versions ──▶ branches
                  └── base_members ─────▶ bases

An entry's id is what versions are made of: 8 bytes instead of a hash of 32 in every index.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from sortline.catalogue.entry import Split
from sortline.db.base import Hex, UtcDateTime, json_type, metadata


class SplitType(TypeDecorator[Split]):
    """A `Split`, stored as its small number."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Split | None, dialect: Dialect) -> int | None:
        """The number; drivers would store the member's name."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Split | None:
        """The split."""
        return None if value is None else _SPLITS[value]


_SPLITS = tuple(Split)

# SQLite counts up only an INTEGER; PostgreSQL's INTEGER ends at 2 billion.
_Serial: Any = BigInteger().with_variant(Integer, "sqlite")

# A picture is stored once per installation, under the hash of its canonical bytes. A row with `erased_at` is a
# tombstone: memberships and counts stay, the picture is gone. `place` is a file registered where it lies.
images = Table(
    "images",
    metadata,
    Column("sha256", Hex, primary_key=True),
    Column("media_type", String(50), nullable=False),
    Column("format", String(10)),
    Column("bytes", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("brightness", Float, nullable=False),
    Column("sharpness", Float, nullable=False),
    Column("phash", LargeBinary),
    Column("source", String(200), nullable=False),
    Column("client", String(200)),
    Column("place", Text),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("erased_at", UtcDateTime),
    Column("embedding", LargeBinary),
    Column("embedding_bundle", Hex),
)

# One row: the next entry's id and the latest moment an entry was added. Whoever adds to the catalogue locks it, so ids
# and moments rise together, and a span of dates is a span of ids.
catalogue_clock = Table(
    "catalogue_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("next_entry", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# What a line knows of a picture. `class_id` is derived from its label events; `split` is fixed at first sight, and
# `why` tells why it is none; `group_id` is the smallest id of its group of near-duplicates, null for a picture alone.
entries = Table(
    "entries",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=False),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("image_sha256", ForeignKey("images.sha256"), nullable=False),
    Column("class_id", ForeignKey("classes.id")),
    Column("split", SplitType, nullable=False),
    Column("declared", Boolean, nullable=False),
    Column("why", String(20)),
    Column("group_id", BigInteger),
    Column("source", String(200), nullable=False),
    Column("name", String(1000)),
    Column("added_at", UtcDateTime, nullable=False),
    # By hash first: the same index finds what an erased picture stands in, on all lines. A second one by hash would be
    # one more page of its own for every picture that comes.
    UniqueConstraint("image_sha256", "line_id"),
)
Index("ix_entries_line_id_id", entries.c.line_id, entries.c.id)
Index(
    "ix_entries_line_id_class_id_split_id",
    entries.c.line_id,
    entries.c.class_id,
    entries.c.split,
    entries.c.id,
)
Index("ix_entries_line_id_added_at_id", entries.c.line_id, entries.c.added_at, entries.c.id)
_GROUPED = entries.c.group_id.is_not(None)
Index(
    "ix_entries_group_id",
    entries.c.line_id,
    entries.c.group_id,
    entries.c.split,
    # So that counting the groups needs nothing else.
    entries.c.class_id,
    entries.c.id,
    sqlite_where=_GROUPED,
    postgresql_where=_GROUPED,
)
# Perceptual hashes (`engine.fingerprint.hashes`) to look near-duplicates up by: `data` holds pairs of an entry's id and
# its hash, 8 bytes each (store/lookup.py). The latest entries of a line lie as they came, some 256 a row or more; older
# ones under each of their bands. `near_folds` tells how far those with an id below `upto` have come from here to there.
# These and the other tables with a row for every picture and version name entries without a foreign key: an entry is
# never deleted, and checking would cost a look-up a row.
near_recent = Table(
    "near_recent",
    metadata,
    Column("line_id", Integer, primary_key=True),
    Column("first_id", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
near = Table(
    "near",
    metadata,
    Column("line_id", Integer, primary_key=True),
    Column("band", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
near_folds = Table(
    "near_folds",
    metadata,
    Column("line_id", Integer, primary_key=True, autoincrement=False),
    Column("upto", BigInteger, nullable=False),
    Column("band", Integer, nullable=False),
)

# Who said what, when. Append-only: a null class takes the label away, `undoes` names the event an undo restores before.
label_events = Table(
    "label_events",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("entry_id", ForeignKey("entries.id"), nullable=False),
    Column("class_id", ForeignKey("classes.id")),
    Column("origin", String(20), nullable=False),
    Column("who", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("undoes", Hex),
    Column("import_id", Hex),
    sqlite_with_rowid=False,
)
Index("ix_label_events_entry_id_id", label_events.c.entry_id, label_events.c.id)

# Entries whose label or split changed since a version last took them up.
staged = Table(
    "staged",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("origin", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

# A run of versions, each the child of the one before. `parent_id` is the version it forks from.
branches = Table(
    "branches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("parent_id", Integer),
)

# An immutable set of (entry, class, split), as the delta from its parent. It resolves from `base_id` and the changes
# on the way there, of which there are `overlay`. `plan` says what it was made from and, while it is built, how far that
# has come.
versions = Table(
    "versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("parent_id", ForeignKey("versions.id")),
    Column("merged_id", ForeignKey("versions.id")),
    Column("branch_id", ForeignKey("branches.id"), nullable=False),
    Column("base_id", Integer),
    Column("overlay", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("size", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("relabelled", Integer, nullable=False),
    Column("resplit", Integer, nullable=False),
    Column("plan", json_type(), nullable=False),
    Column("notes", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("line_id", "number"),
    UniqueConstraint("line_id", "name"),
)

# Which version a line works with; it changes only when somebody says so.
active_versions = Table(
    "active_versions",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True, autoincrement=False),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("who", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# One entry's step from a version's parent to the version. No class before: added; none after: removed.
version_changes = Table(
    "version_changes",
    metadata,
    Column("version_id", Integer, primary_key=True),
    Column("entry_id", BigInteger, primary_key=True),
    Column("branch_id", Integer, nullable=False),
    Column("before_class", Integer),
    Column("before_split", SplitType),
    Column("class_id", Integer),
    Column("split", SplitType),
    sqlite_with_rowid=False,
)
Index(
    "ix_version_changes_entry",
    version_changes.c.branch_id,
    version_changes.c.entry_id,
    version_changes.c.version_id,
)
Index(
    "ix_version_changes_member",
    version_changes.c.branch_id,
    version_changes.c.class_id,
    version_changes.c.split,
    version_changes.c.entry_id,
    version_changes.c.version_id,
)

# A version written out in full, for its descendants to resolve from. `copied` is the last entry already written.
bases = Table(
    "bases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("state", String(20), nullable=False),
    Column("copied", BigInteger, nullable=False),
)
base_members = Table(
    "base_members",
    metadata,
    Column("base_id", Integer, primary_key=True),
    Column("entry_id", BigInteger, primary_key=True),
    Column("class_id", Integer, nullable=False),
    Column("split", SplitType, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_base_members_member",
    base_members.c.base_id,
    base_members.c.class_id,
    base_members.c.split,
    base_members.c.entry_id,
)

# What insights tell, kept by the delta: one row a version, one for everything a line has (`line_summaries`).
version_summaries = Table(
    "version_summaries",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
line_summaries = Table(
    "line_summaries",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# One import: what it reads, how far it has come (`done` of `total` files, in the source's own order), what came of it.
# `runner` is the process at work on it: what it writes, it writes only while its name stands here.
imports = Table(
    "imports",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("location", Text, nullable=False),
    Column("options", json_type(), nullable=False),
    Column("state", String(20), nullable=False),
    Column("fingerprint", String(64)),
    Column("total", Integer),
    Column("done", Integer, nullable=False),
    Column("counts", json_type(), nullable=False),
    Column("who", String(200), nullable=False),
    Column("error", Text),
    Column("version_id", Integer),
    Column("runner", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
)
Index("ix_imports_line_id_id", imports.c.line_id, imports.c.id)
import_entries = Table(
    "import_entries",
    metadata,
    Column("import_id", Hex, primary_key=True),
    Column("entry_id", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
# What was not taken as it stood, file by file.
import_problems = Table(
    "import_problems",
    metadata,
    Column("import_id", ForeignKey("imports.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)
