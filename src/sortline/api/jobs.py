"""Jobs: what is done in the background, how far it is, and its log while it runs."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Engine
from starlette.responses import Response, StreamingResponse

from sortline.api.access import Scope, require
from sortline.api.deps import ServicesDep
from sortline.api.events import RESPONSES, ROWS, Look, log_rows, watched
from sortline.api.parameters import Cursor, Id, Limit, Words
from sortline.db.session import reading, writing
from sortline.jobs import store
from sortline.jobs.job import Job, State

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], dependencies=[Depends(require(Scope.TRAIN))])

StateName: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobView(BaseModel):
    """A job, and what it last told of itself."""

    id: str = Field(description="32 hex digits; later jobs sort later.")
    kind: str
    args: dict[str, Any]
    exclusive: str | None = Field(description="Of the jobs with this key at most one runs at a time.")
    state: StateName
    cancelling: bool = Field(description="It was asked to end.")
    progress: dict[str, Any] = Field(
        description="`phase`, `done` of `total`, `eta_s` in seconds, and what else the job tells."
    )
    attempt: int = Field(description="How often a worker has taken it.")
    error: str | None = Field(description="Why it failed, in a line.")
    who: str
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobView]
    next_cursor: str | None


@router.get("", summary="List jobs")
def get_jobs(
    services: ServicesDep,
    kind: Annotated[Words | None, Query(description="Only jobs of this kind.")] = None,
    state: Annotated[StateName | None, Query(description="Only jobs that stand there.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """Jobs, newest first."""
    only = None if state is None else State(state)
    with reading(services.engine) as session:
        found = store.list_jobs(session, kind=kind, state=only, limit=limit, cursor=cursor)
    return JobPage(jobs=[job_view(job) for job in found.items], next_cursor=found.next_cursor)


@router.get("/{job_id}", summary="Show a job")
def get_job(job_id: Id, services: ServicesDep) -> JobView:
    """One job with its progress."""
    with reading(services.engine) as session:
        return job_view(store.get_job(session, job_id))


@router.post("/{job_id}/cancel", summary="Cancel a job")
def cancel_job(job_id: Id, services: ServicesDep) -> JobView:
    """The job, which ends within a second where it runs, and at once where it waits. One that has ended stays."""
    with writing(services.engine) as session:
        return job_view(store.cancel(session, job_id))


@router.get(
    "/{job_id}/events",
    summary="Watch a job",
    response_class=StreamingResponse,
    responses=RESPONSES,
)
async def get_events(
    job_id: Id,
    services: ServicesDep,
    request: Request,
    last_event_id: Annotated[
        str | None, Header(description="The last event received; the log goes on behind it.")
    ] = None,
) -> Response:
    """Server-sent events until the job ends: `job` whenever it has changed, `log` for each line of its log, `end`."""
    return await watched(request, "job", 1, last_event_id, partial(_look, services.engine, job_id))


def job_view(job: Job) -> JobView:
    """The job as the API shows it."""
    return JobView(
        id=job.id,
        kind=job.kind,
        args=dict(job.args),
        exclusive=job.exclusive,
        state=job.state.value,
        cancelling=job.cancelling,
        progress=dict(job.progress),
        attempt=job.attempt,
        error=job.error,
        who=job.who,
        worker=job.worker,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _look(engine: Engine, job_id: str, received: Sequence[int]) -> Look:
    with reading(engine) as session:
        job = store.get_job(session, job_id)
        lines = store.log_after(session, job_id, received[0], ROWS)
    return Look(document=job_view(job).model_dump_json(), ended=job.ended, series={"log": log_rows(lines)})
