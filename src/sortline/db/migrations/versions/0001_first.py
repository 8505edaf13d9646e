"""Lines, classes, bundles, promotions, images, predictions, counts, review items."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the first tables."""
    _lines()
    _registry()
    _images()
    _monitoring()
    _review()


def _lines() -> None:
    op.create_table(
        "lines",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("policy", JSON, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lines"),
        sa.UniqueConstraint("name", name="uq_lines_name"),
    )
    is_default = sa.text("is_default")
    op.create_index(
        "uq_lines_default",
        "lines",
        ["is_default"],
        unique=True,
        sqlite_where=is_default,
        postgresql_where=is_default,
    )
    op.create_table(
        "classes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("retired_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_classes"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_classes_line_id_lines"),
        sa.UniqueConstraint("line_id", "name", name="uq_classes_line_id_name"),
    )


def _registry() -> None:
    op.create_table(
        "bundles",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("classes", JSON, nullable=False),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_bundles"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_promotions_line_id_lines"),
        sa.ForeignKeyConstraint(["bundle_hash"], ["bundles.hash"], name="fk_promotions_bundle_hash_bundles"),
    )
    op.create_index("ix_promotions_line_id_id", "promotions", ["line_id", "id"])


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("media_type", sa.String(50), nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("brightness", sa.Float, nullable=False),
        sa.Column("sharpness", sa.Float, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("client", sa.String(200)),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("embedding", sa.LargeBinary),
        sa.Column("embedding_bundle", sa.LargeBinary),
        sa.PrimaryKeyConstraint("sha256", name="pk_images"),
    )


def _monitoring() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("class_name", sa.String(200), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("ood_score", sa.Float, nullable=False),
        sa.Column("energy", sa.Float, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_predictions"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_predictions_line_id_lines"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_predictions_line_id_at_id", "predictions", ["line_id", "at", "id"])
    op.create_table(
        "counts",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("class_name", sa.String(200), nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("line_id", "hour", "class_name", "verdict", "reason", name="pk_counts"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_counts_line_id_lines"),
        sqlite_with_rowid=False,
    )


def _review() -> None:
    op.create_table(
        "review_items",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("image_sha256", sa.LargeBinary, nullable=False),
        sa.Column("prediction_id", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("class_name", sa.String(200), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("ood_score", sa.Float, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("seen", sa.Integer, nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("lease_by", sa.String(200)),
        sa.PrimaryKeyConstraint("id", name="pk_review_items"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_review_items_line_id_lines"),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_review_items_open",
        "review_items",
        ["line_id", "image_sha256"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_review_items_line_id_state_at_id", "review_items", ["line_id", "state", "at", "id"])
