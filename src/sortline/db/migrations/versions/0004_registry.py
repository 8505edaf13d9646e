"""The registry: bundles whose files are blobs too, candidates of a line, shadows and what they saw."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables; what was ever live on a line is a candidate of it."""
    op.add_column("bundles", sa.Column("manifest", sa.Text))
    _candidates()
    _shadows()
    op.execute(
        "INSERT INTO candidates (line_id, bundle_hash, who, at) "
        "SELECT line_id, bundle_hash, MIN(who), MIN(at) FROM promotions "
        "GROUP BY line_id, bundle_hash ORDER BY MIN(id)"
    )


def _candidates() -> None:
    op.create_table(
        "candidates",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["bundle_hash"], ["bundles.hash"], name="fk_candidates_bundle_hash_bundles"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_candidates_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
        sa.UniqueConstraint("line_id", "bundle_hash", name="uq_candidates_line_id_bundle_hash"),
    )


def _shadows() -> None:
    op.create_table(
        "shadows",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["bundle_hash"], ["bundles.hash"], name="fk_shadows_bundle_hash_bundles"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_shadows_line_id_lines"),
        sa.PrimaryKeyConstraint("line_id", name="pk_shadows"),
    )
    op.create_table(
        "shadow_counts",
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("bundle_hash", sa.LargeBinary, nullable=False),
        sa.Column("live_hash", sa.LargeBinary, nullable=False),
        sa.Column("live_class", sa.String(200), nullable=False),
        sa.Column("shadow_class", sa.String(200), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_shadow_counts_line_id_lines"),
        sa.PrimaryKeyConstraint(
            "line_id", "bundle_hash", "live_hash", "live_class", "shadow_class", name="pk_shadow_counts"
        ),
        sqlite_with_rowid=False,
    )
