"""The tables of jobs, their logs and the workers that do them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from sortline.db.base import Hex, UtcDateTime, json_type, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("args", json_type(), nullable=False),
    # Whoever enqueued it twice means one job.
    Column("key", String(300), unique=True),
    Column("exclusive", String(200)),
    Column("state", String(20), nullable=False),
    Column("progress", json_type(), nullable=False),
    # Counts how often it was taken. With the worker it tells whose the job is: whoever took it before is refused.
    Column("attempt", Integer, nullable=False),
    # How often in a row a worker died at it without having finished a step.
    Column("deaths", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("error", Text),
    Column("who", String(200), nullable=False),
    Column("worker", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
)
Index(None, jobs.c.state, jobs.c.id)
Index(None, jobs.c.kind, jobs.c.id)
_RUNNING = text("state = 'running'")
# What makes it impossible that two jobs of one exclusive key run, whatever workers believe.
Index(
    "ix_jobs_running_exclusive",
    jobs.c.exclusive,
    unique=True,
    sqlite_where=_RUNNING,
    postgresql_where=_RUNNING,
)

job_log = Table(
    "job_log",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
)

# A worker that lives counts up `beats`; one whose count stands still is taken for dead.
workers = Table(
    "workers",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("beats", BigInteger, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # Of jobs that it can do.
    Column("kinds", json_type()),
)
