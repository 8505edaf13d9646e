"""Lines: what they are and what they did."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.access import Scope, require
from sortline.api.answers import Model, timestamp
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.parameters import moment
from sortline.db.session import Session, reading, writing
from sortline.engine.routing import Name, Policy
from sortline.flows.follow import resolve_policy
from sortline.flows.lines import create_line, know_bundle
from sortline.flows.policy import refit_live
from sortline.lines import store
from sortline.monitoring import store as monitoring
from sortline.monitoring.recorded import RecordedPrediction
from sortline.review.store.items import count_open
from sortline.serving.live import LiveLine

reads = APIRouter(prefix="/api/v1/lines", tags=["lines"], dependencies=[Depends(require(Scope.CLASSIFY))])
writes = APIRouter(prefix="/api/v1/lines", tags=["lines"], dependencies=[Depends(require(Scope.ADMIN))])

WEEK = timedelta(days=7)


class Retention(BaseModel):
    """Which accepted pictures are kept. Those that were set aside are kept with what people said of them."""

    model_config = ConfigDict(extra="forbid")

    accepted_share: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Share of accepted pictures that is kept; 0: none."
    )
    days: Annotated[int, Field(ge=1, le=36500)] | None = Field(
        default=None, description="For how long; null: for good."
    )


class LineView(BaseModel):
    """A line as it serves. `problem` says why the bundle that should be live could not be loaded."""

    name: str
    title: str
    default: bool
    auto_promote: bool = Field(description="A candidate that passes its gates goes live by itself.")
    auto_version_labels: int | None = Field(
        description="Staged labels at which a version is made by itself; null: by people alone."
    )
    auto_probe: bool = Field(description="Whether a probe is then trained on it, too.")
    retention: Retention
    classes: list[str]
    model: Model | None
    policy: Policy
    problem: str | None


class LineList(BaseModel):
    """Every line."""

    lines: list[LineView]


class NewLine(BaseModel):
    """A line to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 of a-z, 0-9 and '-'.", examples=["returns"])
    title: Name | None = Field(default=None, max_length=200)
    bundle: str | None = Field(
        default=None, description="Name or hash of a bundle to serve.", examples=["waste"]
    )
    policy: dict[str, Any] = Field(
        default={}, description="What it wants different from the bundle's policy."
    )


class LineChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    policy: dict[str, Any] | None = Field(
        default=None, description="Replaces what the line wants different from the bundle's policy."
    )
    default: Literal[True] | None = Field(default=None, description="Makes it the default line.")
    auto_promote: bool | None = Field(
        default=None, description="Whether a candidate that passes its gates goes live by itself."
    )
    auto_version_labels: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Staged labels at which a version is made by itself; null: by people alone."
    )
    auto_probe: bool | None = Field(default=None, description="Whether a probe is then trained on it, too.")
    retention: Retention | None = Field(default=None, description="Which accepted pictures are kept.")


class CountView(BaseModel):
    """Predictions of one class, verdict and reason in one bucket."""

    at: str
    class_: str = Field(alias="class")
    verdict: str
    reason: str | None
    n: int


class Counts(BaseModel):
    """Counts by bucket, oldest first; days and hours are UTC's."""

    line: str
    bucket: Literal["hour", "day"]
    total: int
    counts: list[CountView]
    review_open: int = Field(description="Pictures that wait for a person now.")


class PredictionRow(BaseModel):
    """A recorded prediction."""

    id: str
    timestamp: str
    class_: str = Field(alias="class")
    confidence: float
    verdict: str
    reason: str | None
    ood_score: float
    energy: float
    model: str = Field(description="Hash of the bundle that answered.")
    latency_ms: float
    source: str


class PredictionPage(BaseModel):
    """Predictions, newest first, and the cursor of the next page."""

    predictions: list[PredictionRow]
    next_cursor: str | None


@reads.get("", summary="List lines")
async def list_lines(services: ServicesDep) -> LineList:
    """Every line with its classes and the bundle that serves it."""
    return LineList(lines=[_view(line) for line in services.live.all()])


@reads.get("/{line}", summary="Show a line")
async def get_line(line: str, live: LineDep) -> LineView:
    """One line with its classes, policy and the bundle that serves it."""
    return _view(live)


@writes.post("", status_code=201, summary="Create a line")
def post_line(new: NewLine, services: ServicesDep) -> LineView:
    """A new line; with a bundle it serves at once."""
    resolve_policy(Policy(), new.policy)
    ready = services.installation
    bundle = know_bundle(ready.engine, ready.bundles_dir, ready.blobs, new.bundle) if new.bundle else None
    with writing(services.engine) as session:
        create_line(
            session,
            ready.bundles_dir,
            new.name,
            title=new.title,
            bundle=bundle.hash if bundle else None,
            policy=new.policy,
            who="api",
            reason="served from its creation on",
        )
    services.follower.refresh()
    return _view(services.live[new.name])


@writes.patch("/{line}", summary="Change a line")
def patch_line(line: str, change: LineChange, services: ServicesDep, live: LineDep) -> LineView:
    """The line as it is from now on."""
    if change.policy is not None:
        resolve_policy(Policy(), change.policy)
    with writing(services.engine) as session:
        if change.policy is not None:
            store.set_policy(session, line, change.policy)
        if change.default:
            store.make_default(session, line)
        if change.auto_promote is not None:
            store.set_auto_promote(session, line, change.auto_promote)
        if change.retention is not None:
            kept = change.retention
            store.set_retention(session, line, share=kept.accepted_share, days=kept.days)
        _change_versions(session, line, change)
    if change.policy is not None and live.classifier is not None:
        refit_live(services.engine, live.id, live.classifier)
    services.follower.refresh()
    return _view(services.live[line])


@reads.get("/{line}/counts", summary="Count what a line did")
def get_counts(
    line: str,
    services: ServicesDep,
    live: LineDep,
    from_: Annotated[datetime | None, Query(alias="from", description="Default: a week before `to`.")] = None,
    to: Annotated[datetime | None, Query(description="Default: now.")] = None,
    bucket: Literal["hour", "day"] = "day",
) -> Counts:
    """Predictions by class, verdict and reason, in buckets of an hour or a day."""
    end = moment("to", to) or datetime.now(UTC)
    start = moment("from", from_) or end - WEEK
    with reading(services.engine) as session:
        found = monitoring.count(session, live.id, start, end, bucket)
        waiting = count_open(session, live.id)
    counts = [
        CountView.model_validate(
            {"at": timestamp(c.at), "class": c.class_name, "verdict": c.verdict, "reason": c.reason, "n": c.n}
        )
        for c in found
    ]
    total = sum(c.n for c in found)
    return Counts(line=line, bucket=bucket, total=total, counts=counts, review_open=waiting)


@reads.get("/{line}/predictions", summary="List a line's predictions")
def get_predictions(
    line: str,
    services: ServicesDep,
    live: LineDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
    class_: Annotated[Name | None, Query(alias="class")] = None,
    verdict: Literal["accept", "review"] | None = None,
) -> PredictionPage:
    """The predictions of the last 30 days, newest first."""
    with reading(services.engine) as session:
        page = monitoring.recent(
            session, live.id, limit=limit, cursor=cursor, class_name=class_, verdict=verdict
        )
    return PredictionPage(predictions=[_row(found) for found in page.items], next_cursor=page.next_cursor)


def _change_versions(session: Session, line: str, change: LineChange) -> None:
    """When versions are made by themselves, where that is to change."""
    if not change.model_fields_set & {"auto_version_labels", "auto_probe"}:
        return
    now = store.get_line(session, line)
    asked = "auto_version_labels" in change.model_fields_set
    labels = change.auto_version_labels if asked else now.auto_version_labels
    probe = now.auto_probe if change.auto_probe is None else change.auto_probe
    store.set_auto_version(session, line, labels=labels, probe=probe)


def _view(line: LiveLine) -> LineView:
    bundle = line.classifier.bundle if line.classifier else None
    return LineView(
        name=line.name,
        title=line.title,
        default=line.is_default,
        auto_promote=line.auto_promote,
        auto_version_labels=line.auto_version_labels,
        auto_probe=line.auto_probe,
        retention=Retention(accepted_share=line.keep_accepted, days=line.keep_days),
        classes=list(line.classes),
        model=Model(name=bundle.manifest.name, hash=bundle.hash) if bundle else None,
        policy=line.policy,
        problem=line.problem,
    )


def _row(found: RecordedPrediction) -> PredictionRow:
    return PredictionRow.model_validate(
        {
            "id": found.id,
            "timestamp": timestamp(found.at),
            "class": found.class_name,
            "confidence": found.confidence,
            "verdict": found.verdict,
            "reason": found.reason,
            "ood_score": found.ood_score,
            "energy": found.energy,
            "model": found.bundle_hash,
            "latency_ms": found.latency_ms,
            "source": found.source,
        }
    )
