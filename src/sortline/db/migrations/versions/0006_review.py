"""The review loop: decisions, leases, corrections, what is kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
WAITING = sa.text("state IN ('open', 'disputed')")


def upgrade() -> None:
    """Creates the tables of review; what waits keeps waiting, in the new order."""
    _items()
    _item_indexes()
    _decisions()
    _clusters()
    _settings()
    _lines()


def _items() -> None:
    for column in (
        sa.Column("control", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("priority", sa.Float, nullable=False, server_default="0"),
        sa.Column("crowd", sa.Integer, nullable=False, server_default="0"),
        sa.Column("skips", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cluster_id", sa.Integer),
        sa.Column("needed", sa.Integer, nullable=False, server_default="1"),
        sa.Column("opinions", sa.Integer, nullable=False, server_default="0"),
        sa.Column("deferred_until", MOMENT),
        sa.Column("class_id", sa.Integer),
        sa.Column("label_event", sa.LargeBinary),
        sa.Column("decided_at", MOMENT),
    ):
        op.add_column("review_items", column)
    # As `review.order` has it from now on; drawing lots for what was sampled before is not worth a function in SQL.
    op.execute("UPDATE review_items SET priority = 0.6 * ood_score + 0.4 * (1 - confidence)")
    op.execute("UPDATE review_items SET control = (reason = 'sampled')")


def _item_indexes() -> None:
    op.drop_index("uq_review_items_open", "review_items")
    _waiting("uq_review_items_waiting", "line_id", "image_sha256", unique=True)
    for facet in ("reason", "class_name", "source"):
        name = f"ix_review_items_line_id_state_{facet}_at_id"
        op.create_index(name, "review_items", ["line_id", "state", facet, "at", "id"])
    for facet in ("control", "reason", "class_name", "cluster_id"):
        _waiting(f"ix_review_items_next_{facet}", "line_id", facet, "priority", "id")
    _where("ix_review_items_held", "lease_by IS NOT NULL", "line_id", "lease_by")
    _where("ix_review_items_decided", "decided_at IS NOT NULL", "line_id", "decided_at")
    _where("ix_review_items_loose", f"cluster_id IS NULL AND {WAITING.text}", "line_id", "id")
    op.create_index("ix_review_items_prediction_id", "review_items", ["prediction_id"])
    op.create_index("ix_review_items_image_sha256", "review_items", ["image_sha256"])


def _decisions() -> None:
    op.create_table(
        "review_decisions",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("item_id", sa.LargeBinary),
        sa.Column("prediction_id", sa.LargeBinary),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("class_id", sa.Integer),
        sa.Column("predicted", sa.String(200)),
        sa.Column("until", MOMENT),
        sa.Column("undoes", sa.LargeBinary),
        sa.Column("undone", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("ms", sa.Integer),
        sa.Column("key", sa.String(64)),
        sa.Column("label_event", sa.LargeBinary),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_review_decisions_class_id_classes"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_review_decisions_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_review_decisions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_review_decisions_item_id_id", "review_decisions", ["item_id", "id"])
    op.create_index("ix_review_decisions_line_id_id", "review_decisions", ["line_id", "id"])
    op.create_index("ix_review_decisions_line_id_who_id", "review_decisions", ["line_id", "who", "id"])
    op.create_index("ix_review_decisions_prediction_id", "review_decisions", ["prediction_id"])
    keyed = sa.text("key IS NOT NULL")
    op.create_index(
        "uq_review_decisions_key",
        "review_decisions",
        ["line_id", "who", "key"],
        unique=True,
        sqlite_where=keyed,
        postgresql_where=keyed,
    )


def _clusters() -> None:
    op.create_table(
        "review_clusters",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("space", sa.LargeBinary, nullable=False),
        sa.Column("centre", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("newest_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_review_clusters_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_review_clusters"),
    )
    op.create_index("ix_review_clusters_line_id_space", "review_clusters", ["line_id", "space"])
    op.create_table(
        "review_vectors",
        sa.Column("cluster_id", sa.Integer, nullable=False),
        sa.Column("item_id", sa.LargeBinary, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "item_id", name="pk_review_vectors"),
        sqlite_with_rowid=False,
    )


def _settings() -> None:
    op.create_table(
        "review_settings",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("second_opinions", sa.Float, nullable=False),
        sa.Column("control_share", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_review_settings_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", name="pk_review_settings"),
    )


def _lines() -> None:
    """What a line's settings need; see `lines` and `monitoring`."""
    for column in (
        sa.Column("budget", JSON),
        sa.Column("keep_accepted", sa.Float, nullable=False, server_default=sa.text("0")),
        sa.Column("keep_days", sa.Integer),
        sa.Column("auto_version_labels", sa.Integer),
        sa.Column("auto_probe", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("lines", column)
    op.create_table(
        "policy_fits",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary, nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("expected", JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_policy_fits_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", "bundle_hash", name="pk_policy_fits"),
    )
    op.create_table(
        "latencies",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_latencies_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", "hour", "step", name="pk_latencies"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kept_pictures",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("prediction_id", sa.LargeBinary, nullable=False),
        sa.Column("image_sha256", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_kept_pictures_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", "prediction_id", name="pk_kept_pictures"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_kept_pictures_image_sha256", "kept_pictures", ["image_sha256"])
    op.create_index(
        "ix_kept_pictures_line_id_source_prediction_id",
        "kept_pictures",
        ["line_id", "source", "prediction_id"],
    )


def _waiting(name: str, *columns: str, unique: bool = False) -> None:
    op.create_index(
        name,
        "review_items",
        list(columns),
        unique=unique,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )


def _where(name: str, condition: str, *columns: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "review_items", list(columns), sqlite_where=where, postgresql_where=where)
