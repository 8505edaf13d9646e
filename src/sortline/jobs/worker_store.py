"""The workers' side of the tables: signing on, taking jobs, telling how they come on, ending them.

A job belongs to whoever wrote its `worker` and `attempt` last. Every write names both, so that a worker that was
taken for dead can change nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from sortline.db import upsert
from sortline.db.session import Session
from sortline.jobs.job import Job, LogLine, State
from sortline.jobs.process import is_gone
from sortline.jobs.store import COLUMNS, job_of
from sortline.jobs.tables import job_log, jobs, workers

# A job at which workers died this often in a row, with no step finished in between, is taken for the cause.
MOST_DEATHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a job has told since the last report: its whole progress if that changed, and new lines of its log."""

    progress: Mapping[str, Any] | None
    lines: Sequence[LogLine]
    step_done: bool


def beat(session: Session, worker: str, kinds: Collection[str] | None = None) -> None:
    """The worker lives: it is known from now on, with the kinds of jobs it can do, and its count has moved."""
    now = datetime.now(UTC)
    statement = upsert.insert(session.dialect.name, workers).on_conflict_do_update(
        index_elements=["id"], set_={"beats": workers.c.beats + 1, "seen_at": now}
    )
    told = None if kinds is None else sorted(kinds)
    session.execute(statement, {"id": worker, "beats": 1, "started_at": now, "seen_at": now, "kinds": told})


def sign_off(session: Session, worker: str) -> None:
    """The worker is none any more; it has let go of its jobs."""
    session.execute(delete(workers).where(workers.c.id == worker))


def beats(session: Session) -> dict[str, int]:
    """Every worker's count. A worker that only has jobs, and no row of its own, counts 0."""
    lost = select(jobs.c.worker).where(jobs.c.state == State.RUNNING, jobs.c.worker.is_not(None)).distinct()
    known = {row.id: row.beats for row in session.execute(select(workers.c.id, workers.c.beats))}
    return dict.fromkeys(session.scalars(lost), 0) | known


def alive(session: Session, silence: timedelta) -> list[frozenset[str] | None]:
    """Of each worker whose process is not known to have ended, the kinds of jobs it can do; None where it does not say.

    Only of those that said within `silence` that they live, by their machines' clocks. On SQLite a worker seldom says
    so, and its process is on this machine.
    """
    query = select(workers.c.id, workers.c.kinds)
    if session.dialect.name != "sqlite":
        query = query.where(workers.c.seen_at > datetime.now(UTC) - silence)
    found = [kinds for worker, kinds in session.execute(query) if not is_gone(worker)]
    return [None if kinds is None else frozenset(kinds) for kinds in found]


def bury(session: Session, worker: str, count: int) -> list[str] | None:
    """The ids of the jobs that a dead worker had, which wait again; None where its count has moved after all.

    A job that was asked to end has ended. So has one at which workers died too often.
    """
    gone = session.execute(delete(workers).where(workers.c.id == worker, workers.c.beats == count)).rowcount
    if not gone and session.scalar(select(workers.c.id).where(workers.c.id == worker)) is not None:
        return None
    deadly = jobs.c.deaths + 1 >= MOST_DEATHS
    why = f"the worker died {MOST_DEATHS} times at this job without finishing a step; its log and the worker's say more"
    state = case((jobs.c.cancelling, State.CANCELLED), (deadly, State.FAILED), else_=State.QUEUED)
    statement = (
        update(jobs)
        .where(jobs.c.state == State.RUNNING, jobs.c.worker == worker)
        .values(
            state=state,
            error=case((and_(deadly, ~jobs.c.cancelling), why), else_=None),
            finished_at=case((or_(jobs.c.cancelling, deadly), datetime.now(UTC)), else_=None),
            worker=None,
            deaths=jobs.c.deaths + 1,
        )
        .returning(jobs.c.id)
    )
    return list(session.scalars(statement))


def waiting(session: Session, kinds: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Ids and kinds of jobs that may be taken now, in order: none whose exclusive key is held or waited for by an
    earlier one.
    """
    before = jobs.alias("before")
    earlier = and_(before.c.state == State.QUEUED, before.c.id < jobs.c.id)
    held = exists().where(
        before.c.exclusive == jobs.c.exclusive, or_(before.c.state == State.RUNNING, earlier)
    )
    query = (
        select(jobs.c.id, jobs.c.kind)
        .where(jobs.c.state == State.QUEUED, jobs.c.kind.in_(kinds))
        .where(or_(jobs.c.exclusive.is_(None), ~held))
        .order_by(jobs.c.id)
        .limit(limit)
    )
    return [(job_id, kind) for job_id, kind in session.execute(query)]


def take(session: Session, job_id: str, worker: str) -> Job | None:
    """The job, which is this worker's now; None where another was faster."""
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == State.QUEUED)
        .values(
            state=State.RUNNING,
            worker=worker,
            attempt=jobs.c.attempt + 1,
            started_at=func.coalesce(jobs.c.started_at, datetime.now(UTC)),
        )
        .returning(*COLUMNS)
    )
    try:
        with session.begin_nested():
            row = session.execute(statement).mappings().one_or_none()
    except IntegrityError:  # another job of its exclusive key began in this moment
        return None
    return None if row is None else job_of(row)


def last_line(session: Session, job_id: str) -> int:
    """The number of the last line of a job's log, 0 where it has none."""
    return session.scalar(select(func.max(job_log.c.number)).where(job_log.c.job_id == job_id)) or 0


def mine(session: Session, worker: str) -> dict[tuple[str, int], bool]:
    """The jobs that a worker has, by id and attempt, and whether each was asked to end."""
    query = select(jobs.c.id, jobs.c.attempt, jobs.c.cancelling).where(
        jobs.c.state == State.RUNNING, jobs.c.worker == worker
    )
    return {(job_id, attempt): cancelling for job_id, attempt, cancelling in session.execute(query)}


def write_report(session: Session, job: Job, report: Report) -> bool:
    """Whether the job is still this worker's; then the report is written."""
    values: dict[str, Any] = {"attempt": job.attempt}
    if report.progress is not None:
        values["progress"] = report.progress
    if report.step_done:
        values["deaths"] = 0
    if session.execute(update(jobs).where(_held(job)).values(values)).rowcount != 1:
        return False
    if report.lines:
        rows = [
            {"job_id": job.id, "number": line.number, "at": line.at, "text": line.text}
            for line in report.lines
        ]
        session.execute(insert(job_log), rows)
    return True


def end(session: Session, job: Job, state: State, error: str | None = None) -> bool:
    """Whether the job was still this worker's; then it has ended in this state, or waits again if that is `queued`."""
    finished = None if state is State.QUEUED else datetime.now(UTC)
    statement = (
        update(jobs).where(_held(job)).values(state=state, error=error, finished_at=finished, worker=None)
    )
    return session.execute(statement).rowcount == 1


def release(session: Session, job_id: str, worker: str, attempt: int) -> bool:
    """Whether the job was this worker's, in this attempt; then it waits again."""
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == State.RUNNING)
        .where(jobs.c.worker == worker, jobs.c.attempt == attempt)
        .values(state=State.QUEUED, worker=None)
    )
    return session.execute(statement).rowcount == 1


def last_of(session: Session, kind: str, who: str) -> datetime | None:
    """When somebody last enqueued a job of this kind."""
    query = select(jobs.c.created_at).where(jobs.c.kind == kind, jobs.c.who == who)
    return session.scalar(query.order_by(jobs.c.id.desc()).limit(1))


def _held(job: Job) -> ColumnElement[bool]:
    return and_(
        jobs.c.id == job.id,
        jobs.c.state == State.RUNNING,
        jobs.c.worker == job.worker,
        jobs.c.attempt == job.attempt,
    )
