"""Jobs as the rest of the house sees them: enqueued in a caller's own transaction, looked at, cancelled.

Nothing here knows how jobs are done; a worker looks for queued ones ten times a second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, Select, case, delete, func, select, update

from sortline.db import upsert
from sortline.db.among import among
from sortline.db.ids import new_id
from sortline.db.paging import BadCursor, Page, page
from sortline.db.session import Session
from sortline.jobs.job import ENDED, Job, LogLine, State, UnknownJob
from sortline.jobs.tables import job_log, jobs

# Of a job's row, what a job says of itself.
COLUMNS = [column for column in jobs.c if column.name not in ("key", "deaths")]


def enqueue(
    session: Session,
    kind: str,
    args: Mapping[str, Any],
    *,
    who: str,
    key: str | None = None,
    exclusive: str | None = None,
) -> Job:
    """A new job, queued once the caller's transaction is committed. The same `key` again gives the job it first made.

    Of the jobs with one `exclusive` key (`train/waste`) at most one runs at a time, the others wait in order.
    """
    job_id = new_id()
    row = {
        "id": job_id,
        "kind": kind,
        "args": dict(args),
        "key": key,
        "exclusive": exclusive,
        "state": State.QUEUED,
        "progress": {},
        "attempt": 0,
        "deaths": 0,
        "cancelling": False,
        "who": who,
        "created_at": datetime.now(UTC),
    }
    statement = upsert.insert(session.dialect.name, jobs).on_conflict_do_nothing(index_elements=["key"])
    session.execute(statement, row)
    return get_job(session, job_id) if key is None else _of_key(session, key)


def get_job(session: Session, job_id: str) -> Job:
    """The job.

    Raises:
        UnknownJob: there is none of this id.
    """
    if not _is_id(job_id):
        raise UnknownJob(job_id)
    row = session.execute(select(*COLUMNS).where(jobs.c.id == job_id)).mappings().one_or_none()
    if row is None:
        raise UnknownJob(job_id)
    return job_of(row)


def list_jobs(
    session: Session,
    *,
    kind: str | None = None,
    state: State | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Job]:
    """Jobs, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    query: Select[Any] = select(*COLUMNS).order_by(jobs.c.id.desc()).limit(limit + 1)
    if kind is not None:
        query = query.where(jobs.c.kind == kind)
    if state is not None:
        query = query.where(jobs.c.state == state)
    if cursor is not None:
        if not _is_id(cursor):
            raise BadCursor(cursor)
        query = query.where(jobs.c.id < cursor)
    found = [job_of(row) for row in session.execute(query).mappings()]
    return page(found, limit, lambda job: job.id)


def cancel(session: Session, job_id: str) -> Job:
    """The job, which ends as soon as whoever does it looks up; one that waits has ended now, an ended one stays.

    Raises:
        UnknownJob: there is none of this id.
    """
    if not _is_id(job_id):
        raise UnknownJob(job_id)
    waits = jobs.c.state == State.QUEUED
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.not_in(ENDED))
        .values(
            cancelling=True,
            state=case((waits, State.CANCELLED), else_=jobs.c.state),
            finished_at=case((waits, datetime.now(UTC)), else_=jobs.c.finished_at),
        )
    )
    session.execute(statement)
    return get_job(session, job_id)


def log_after(session: Session, job_id: str, after: int = 0, limit: int = 500) -> list[LogLine]:
    """The lines of a job's log behind the one of number `after`."""
    query = (
        select(job_log.c.number, job_log.c.at, job_log.c.text)
        .where(job_log.c.job_id == job_id, job_log.c.number > after)
        .order_by(job_log.c.number)
        .limit(limit)
    )
    return [LogLine(**row) for row in session.execute(query).mappings()]


def forget_log(session: Session, before: datetime, lines: int = 500) -> bool:
    """Whether some job that had ended by then still had a log; up to that many lines of it are gone."""
    query = (
        select(job_log.c.job_id, func.min(job_log.c.number))
        .join(jobs, jobs.c.id == job_log.c.job_id)
        .where(jobs.c.state.in_(ENDED), jobs.c.finished_at < before)
        .group_by(job_log.c.job_id)
        .limit(1)
    )
    if (found := session.execute(query).one_or_none()) is None:
        return False
    job_id, first = found
    session.execute(delete(job_log).where(job_log.c.job_id == job_id, job_log.c.number < first + lines))
    return True


def long_ended(session: Session, job_ids: Collection[str], before: datetime) -> list[str]:
    """Of these jobs, those that had ended by then."""
    query = select(jobs.c.id).where(among(session, jobs.c.id, job_ids), jobs.c.finished_at < before)
    return list(session.scalars(query))


def job_of(row: RowMapping) -> Job:
    """The job of a row."""
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    return Job(**{**values, "state": State(values["state"])})


def _of_key(session: Session, key: str) -> Job:
    return job_of(session.execute(select(*COLUMNS).where(jobs.c.key == key)).mappings().one())


def _is_id(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")
