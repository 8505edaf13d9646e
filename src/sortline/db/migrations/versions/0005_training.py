"""Training: runs, their epochs, cached embeddings; lines that promote by themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables of training."""
    op.add_column("lines", sa.Column("auto_promote", sa.Boolean, nullable=False, server_default=sa.false()))
    _runs()
    _embeddings()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("job_id", sa.LargeBinary, nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("recipe", JSON, nullable=False),
        sa.Column("version_id", sa.Integer),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary),
        sa.Column("live_hash", sa.LargeBinary),
        sa.Column("promote", sa.Boolean),
        sa.Column("verdict", JSON),
        sa.Column("comparison", JSON),
        sa.Column("compared_at", MOMENT),
        sa.Column("artefacts", JSON, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_runs_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_line_id_id", "runs", ["line_id", "id"])
    op.create_index("ix_runs_bundle_hash", "runs", ["bundle_hash"])
    op.create_table(
        "run_epochs",
        sa.Column("run_id", sa.LargeBinary, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_epochs_run_id_runs"),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_run_epochs"),
    )


def _embeddings() -> None:
    op.create_table(
        "backbones",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backbones"),
        sa.UniqueConstraint("hash", name="uq_backbones_hash"),
    )
    op.create_table(
        "embedding_segments",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("backbone_id", sa.Integer, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["backbone_id"], ["backbones.id"], name="fk_embedding_segments_backbone_id_backbones"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_embedding_segments"),
    )
    op.create_index("ix_embedding_segments_sha256", "embedding_segments", ["sha256"])
    op.create_table(
        "embeddings",
        sa.Column("backbone_id", sa.Integer, nullable=False),
        sa.Column("image_sha256", sa.LargeBinary, nullable=False),
        sa.Column("segment_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("backbone_id", "image_sha256", name="pk_embeddings"),
        sqlite_with_rowid=False,
    )
