"""The catalogue: entries, labels, versions as deltas, imports; classes that are renamed, retired and merged."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
# SQLite counts up only an INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the catalogue's tables."""
    _classes()
    _images()
    _entries()
    _versions()
    _imports()


def _classes() -> None:
    op.add_column("classes", sa.Column("merged_into", sa.Integer))
    op.create_table(
        "class_aliases",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("class_id", sa.Integer, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_class_aliases_class_id_classes"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_class_aliases_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", "name", name="pk_class_aliases"),
    )
    op.create_table(
        "class_events",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("class_id", sa.Integer, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_class_events_class_id_classes"),
        sa.PrimaryKeyConstraint("id", name="pk_class_events"),
    )
    op.create_index("ix_class_events_class_id_id", "class_events", ["class_id", "id"])


def _images() -> None:
    op.add_column("images", sa.Column("format", sa.String(10)))
    op.add_column("images", sa.Column("phash", sa.LargeBinary))
    op.add_column("images", sa.Column("place", sa.Text))
    op.add_column("images", sa.Column("erased_at", MOMENT))


def _entries() -> None:
    op.create_table(
        "catalogue_clock",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("next_entry", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalogue_clock"),
    )
    op.execute("INSERT INTO catalogue_clock (id, next_entry, at) VALUES (1, 1, '1970-01-01 00:00:00')")
    op.create_table(
        "entries",
        sa.Column("id", SERIAL, autoincrement=False, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("image_sha256", sa.LargeBinary, nullable=False),
        sa.Column("class_id", sa.Integer),
        sa.Column("split", sa.Integer, nullable=False),
        sa.Column("declared", sa.Boolean, nullable=False),
        sa.Column("why", sa.String(20)),
        sa.Column("group_id", sa.BigInteger),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("name", sa.String(1000)),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_entries_class_id_classes"),
        sa.ForeignKeyConstraint(["image_sha256"], ["images.sha256"], name="fk_entries_image_sha256_images"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_entries_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.UniqueConstraint("image_sha256", "line_id", name="uq_entries_image_sha256_line_id"),
    )
    op.create_index(
        "ix_entries_group_id",
        "entries",
        ["line_id", "group_id", "split", "class_id", "id"],
        sqlite_where=sa.text("group_id IS NOT NULL"),
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.create_index("ix_entries_line_id_added_at_id", "entries", ["line_id", "added_at", "id"])
    op.create_index("ix_entries_line_id_class_id_split_id", "entries", ["line_id", "class_id", "split", "id"])
    op.create_index("ix_entries_line_id_id", "entries", ["line_id", "id"])
    op.create_table(
        "near_recent",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("first_id", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("line_id", "first_id", name="pk_near_recent"),
    )
    op.create_table(
        "near",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("band", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("line_id", "band", name="pk_near"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "near_folds",
        sa.Column("line_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("upto", sa.BigInteger, nullable=False),
        sa.Column("band", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("line_id", name="pk_near_folds"),
    )
    op.create_table(
        "label_events",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("entry_id", SERIAL, nullable=False),
        sa.Column("class_id", sa.Integer),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undoes", sa.LargeBinary),
        sa.Column("import_id", sa.LargeBinary),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_label_events_class_id_classes"),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_label_events_entry_id_entries"),
        sa.PrimaryKeyConstraint("id", name="pk_label_events"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_label_events_entry_id_id", "label_events", ["entry_id", "id"])
    op.create_table(
        "staged",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("entry_id", SERIAL, nullable=False),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_staged_entry_id_entries"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_staged_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", "entry_id", name="pk_staged"),
        sqlite_with_rowid=False,
    )


def _versions() -> None:
    op.create_table(
        "branches",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("parent_id", sa.Integer),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_branches_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_branches"),
    )
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("parent_id", sa.Integer),
        sa.Column("merged_id", sa.Integer),
        sa.Column("branch_id", sa.Integer, nullable=False),
        sa.Column("base_id", sa.Integer),
        sa.Column("overlay", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("removed", sa.Integer, nullable=False),
        sa.Column("relabelled", sa.Integer, nullable=False),
        sa.Column("resplit", sa.Integer, nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name="fk_versions_branch_id_branches"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_versions_line_id_lines"),
        sa.ForeignKeyConstraint(["merged_id"], ["versions.id"], name="fk_versions_merged_id_versions"),
        sa.ForeignKeyConstraint(["parent_id"], ["versions.id"], name="fk_versions_parent_id_versions"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("line_id", "name", name="uq_versions_line_id_name"),
        sa.UniqueConstraint("line_id", "number", name="uq_versions_line_id_number"),
    )
    op.create_table(
        "active_versions",
        sa.Column("line_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("version_id", sa.Integer, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_active_versions_line_id_lines"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name="fk_active_versions_version_id_versions"
        ),
        sa.PrimaryKeyConstraint("line_id", name="pk_active_versions"),
    )
    op.create_table(
        "version_changes",
        sa.Column("version_id", sa.Integer, nullable=False),
        sa.Column("entry_id", sa.BigInteger, nullable=False),
        sa.Column("branch_id", sa.Integer, nullable=False),
        sa.Column("before_class", sa.Integer),
        sa.Column("before_split", sa.Integer),
        sa.Column("class_id", sa.Integer),
        sa.Column("split", sa.Integer),
        sa.PrimaryKeyConstraint("version_id", "entry_id", name="pk_version_changes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_version_changes_entry", "version_changes", ["branch_id", "entry_id", "version_id"])
    op.create_index(
        "ix_version_changes_member",
        "version_changes",
        ["branch_id", "class_id", "split", "entry_id", "version_id"],
    )
    op.create_table(
        "bases",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("version_id", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("copied", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_bases_line_id_lines"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_bases_version_id_versions"),
        sa.PrimaryKeyConstraint("id", name="pk_bases"),
    )
    op.create_table(
        "base_members",
        sa.Column("base_id", sa.Integer, nullable=False),
        sa.Column("entry_id", sa.BigInteger, nullable=False),
        sa.Column("class_id", sa.Integer, nullable=False),
        sa.Column("split", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("base_id", "entry_id", name="pk_base_members"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_base_members_member", "base_members", ["base_id", "class_id", "split", "entry_id"])
    op.create_table(
        "version_summaries",
        sa.Column("version_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name="fk_version_summaries_version_id_versions"
        ),
        sa.PrimaryKeyConstraint("version_id", name="pk_version_summaries"),
    )
    op.create_table(
        "line_summaries",
        sa.Column("line_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_line_summaries_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", name="pk_line_summaries"),
    )


def _imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("total", sa.Integer),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("version_id", sa.Integer),
        sa.Column("runner", sa.String(200)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("heartbeat_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_imports_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_index("ix_imports_line_id_id", "imports", ["line_id", "id"])
    op.create_table(
        "import_entries",
        sa.Column("import_id", sa.LargeBinary, nullable=False),
        sa.Column("entry_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("import_id", "entry_id", name="pk_import_entries"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_problems",
        sa.Column("import_id", sa.LargeBinary, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name="fk_import_problems_import_id_imports"),
        sa.PrimaryKeyConstraint("import_id", "position", "code", name="pk_import_problems"),
        sqlite_with_rowid=False,
    )
