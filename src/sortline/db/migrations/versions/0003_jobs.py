"""Jobs: what workers do, their logs, and the workers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables of jobs."""
    _jobs()
    op.create_table(
        "job_log",
        sa.Column("job_id", sa.LargeBinary, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_log_job_id_jobs"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_log"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("args", JSON, nullable=False),
        sa.Column("key", sa.String(300)),
        sa.Column("exclusive", sa.String(200)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("progress", JSON, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("worker", sa.String(200)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("key", name="uq_jobs_key"),
    )
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    op.create_index("ix_jobs_kind_id", "jobs", ["kind", "id"])
    running = sa.text("state = 'running'")
    op.create_index(
        "ix_jobs_running_exclusive",
        "jobs",
        ["exclusive"],
        unique=True,
        sqlite_where=running,
        postgresql_where=running,
    )
