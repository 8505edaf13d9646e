"""A line's figures for people to look at: what came, how fast, what serves, what waits, what was done last."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from sortline.api.access import Scope, require
from sortline.api.answers import Model, timestamp
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.jobs import StateName
from sortline.api.parameters import moment
from sortline.api.review_stats import AccuracyView
from sortline.api.run_views import RunView, run_views
from sortline.db.session import reading
from sortline.flows.dashboard import Dashboard, Span, dashboard
from sortline.jobs.job import Job
from sortline.serving.live import LiveLine
from sortline.wiring import Services

router = APIRouter(
    prefix="/api/v1/lines/{line}/dashboard", tags=["dashboard"], dependencies=[Depends(require(Scope.REVIEW))]
)

DAY, WEEK = timedelta(days=1), timedelta(days=7)


class Counted(BaseModel):
    """Items by verdict, by class, and by reason of those set aside."""

    total: int
    accepted: int
    reviewed: int
    classes: dict[str, int] = Field(description="Class → items, most first.")
    reasons: dict[str, int] = Field(description="Reason → items, most first.")


class BucketView(Counted):
    """What came in an hour or a day."""

    at: str = Field(description="When it begins, in UTC.")


class LatencyView(BaseModel):
    """Milliseconds under which half, 95 % and 99 % of `n` answers stayed, to within 5 %."""

    p50: float
    p95: float
    p99: float
    n: int


class ThroughputView(BaseModel):
    """Answers: of this server in the last minute, of all servers an hour over the span."""

    per_minute: int
    per_hour: float


class ServerView(BaseModel):
    """The server that answers, all its lines together."""

    cpu_percent: float = Field(description="Of one core, over the last second or more.")
    memory_percent: float = Field(description="Of the machine's.")
    memory_bytes: int
    uptime_seconds: float


class LiveView(BaseModel):
    """What serves the line; `since` is when it was made live."""

    model: Model | None
    since: str | None
    who: str | None
    problem: str | None


class JobBrief(BaseModel):
    """A job, of whichever line, without its arguments."""

    id: str
    kind: str
    state: StateName
    progress: dict[str, Any]
    error: str | None
    created_at: str
    finished_at: str | None


class DashboardView(Counted):
    """A line's figures. `counts` has every bucket of the span, the empty ones too."""

    line: str
    since: str
    until: str
    bucket: Literal["hour", "day"]
    counts: list[BucketView]
    review_rate: float | None = Field(description="Share of items that were set aside; null where none came.")
    latency: LatencyView | None
    throughput: ThroughputView
    server: ServerView
    live: LiveView
    accuracy: AccuracyView | None = Field(description="Null until people labelled some of the control share.")
    queue: int = Field(description="Pictures that wait for a person; counted up to 100,000.")
    drifted: bool = Field(description="The thresholds no longer do what was expected when they were fitted.")
    runs: list[RunView] = Field(description="The line's last five, newest first.")
    jobs: list[JobBrief] = Field(description="The installation's last five, newest first.")


@router.get("", summary="Show a line's figures")
def get_dashboard(
    line: str,
    services: ServicesDep,
    live: LineDep,
    since: Annotated[datetime | None, Query(description="Default: a day or a week before `until`.")] = None,
    until: Annotated[datetime | None, Query(description="Default: now.")] = None,
    bucket: Literal["hour", "day"] = "hour",
) -> DashboardView:
    """Counts, rates and latencies of a span of time, by hour (31 days at most) or day (366), and how things stand."""
    now = datetime.now(UTC)
    end = moment("until", until) or now
    start = min(moment("since", since) or end - (DAY if bucket == "hour" else WEEK), end)
    with reading(services.engine) as session:
        found = dashboard(session, services.past, live.id, start, end, bucket, now)
        runs = run_views(session, live.name, found.runs)
    items = found.total.accepted + found.total.reviewed
    return DashboardView(
        line=live.name,
        since=timestamp(found.total.at),
        until=timestamp(end),
        bucket=bucket,
        **_counted(found.total),
        counts=[BucketView(at=timestamp(span.at), **_counted(span)) for span in found.buckets],
        review_rate=found.total.reviewed / items if items else None,
        latency=LatencyView.model_validate(found.latency, from_attributes=True) if found.latency else None,
        throughput=ThroughputView(
            per_minute=services.meter.per_minute(live.id),
            per_hour=items / max((end - found.total.at) / timedelta(hours=1), 1),
        ),
        server=_server(services),
        live=_live(live, found),
        accuracy=AccuracyView.model_validate(found.accuracy, from_attributes=True)
        if found.accuracy
        else None,
        queue=found.waiting,
        drifted=found.drifted,
        runs=runs,
        jobs=[_job(job) for job in found.jobs],
    )


def _counted(span: Span) -> dict[str, Any]:
    return {
        "total": span.accepted + span.reviewed,
        "accepted": span.accepted,
        "reviewed": span.reviewed,
        "classes": dict(span.classes.most_common()),
        "reasons": dict(span.reasons.most_common()),
    }


def _server(services: Services) -> ServerView:
    usage = services.metrics.usage()
    return ServerView(
        cpu_percent=usage.cpu_percent,
        memory_percent=round(usage.memory_percent, 2),
        memory_bytes=usage.memory_bytes,
        uptime_seconds=round(services.metrics.uptime_seconds, 1),
    )


def _live(live: LiveLine, found: Dashboard) -> LiveView:
    bundle = live.classifier.bundle if live.classifier else None
    return LiveView(
        model=Model(name=bundle.manifest.name, hash=bundle.hash) if bundle else None,
        since=timestamp(found.live.at) if found.live else None,
        who=found.live.who if found.live else None,
        problem=live.problem,
    )


def _job(job: Job) -> JobBrief:
    return JobBrief(
        id=job.id,
        kind=job.kind,
        state=job.state.value,
        progress=dict(job.progress),
        error=job.error,
        created_at=timestamp(job.created_at),
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
    )
