"""How runs are asked for, and how they read."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from sortline.api.answers import Model, timestamp
from sortline.api.jobs import StateName
from sortline.api.picture_filters import VersionRef
from sortline.catalogue.store.versions import version_numbers
from sortline.db.session import Session
from sortline.flows.runs import RunState
from sortline.registry import store as registry
from sortline.training.run import EpochRow, Run
from sortline.training.store.runs import list_epochs

MethodName = Literal["probe", "finetune"]


class NewRun(BaseModel):
    """A run to start."""

    model_config = ConfigDict(extra="forbid")

    method: MethodName = Field(
        default="probe",
        description="probe: a new head on the live network's embeddings, seconds. finetune: the whole network.",
    )
    recipe: dict[str, Any] = Field(
        default={}, description="What differs from the defaults; …/recipes/{method} has every key."
    )
    version: VersionRef | None = Field(default=None, description="Default: the active version.")
    note: str = Field(default="", max_length=10_000, pattern=r"^[^\x00]*$", description="What it is for.")


class RunView(BaseModel):
    """A training run: how far it is, and what came of it."""

    id: str = Field(description="32 hex digits; later runs sort later.")
    line: str
    method: MethodName
    version: int | None = Field(description="Number of the version it is made from; null until that is made.")
    note: str
    who: str
    job: str = Field(description="Id of the job that does it; /api/v1/jobs has it, too.")
    state: StateName
    cancelling: bool = Field(description="It was asked to end.")
    progress: dict[str, Any] = Field(
        description="`phase`, `done` of `total`, `eta_s` in seconds, and figures so far."
    )
    attempt: int = Field(description="How often a worker has taken it.")
    error: str | None = Field(description="Why it failed, in a line.")
    created_at: str
    started_at: str | None
    finished_at: str | None
    data: dict[str, Any] = Field(
        description="What it was made from, counted: `pictures` and `remembered` by part, and `classes`."
    )
    bundle: Model | None = Field(description="The candidate that it made.")
    live: Model | None = Field(description="The bundle that was live then, and that it was compared with.")
    serving: bool = Field(description="Whether the candidate is live now.")
    compared_at: str | None
    promote: bool | None = Field(description="Whether the candidate passed every check.")
    verdict: dict[str, Any] | None = Field(
        description="`text` in a line, `reasons`, and `checks`, each with `name`, `passed` and `detail`."
    )


class ArtefactView(BaseModel):
    """A file that a run left."""

    url: str
    media_type: str
    bytes: int
    sha256: str


class EpochView(BaseModel):
    """One epoch and its figures by name."""

    number: int
    figures: dict[str, Any]
    at: str


class RunDetail(RunView):
    """A run with everything that is known of it."""

    recipe: dict[str, Any] = Field(description="Every key, defaults included.")
    comparison: dict[str, Any] | None = Field(
        description="The candidate beside the live bundle on the same pictures: `shared` classes and `all`."
    )
    artefacts: dict[str, ArtefactView] = Field(description="By name.")
    epochs: list[EpochView]


class RunPage(BaseModel):
    """Runs, newest first, and the cursor of the next page."""

    runs: list[RunView]
    next_cursor: str | None


class RecipeView(BaseModel):
    """A method's recipe with every default; it can be sent to …/runs as it is."""

    method: MethodName
    recipe: dict[str, Any]


def run_views(session: Session, line: str, states: Sequence[RunState]) -> list[RunView]:
    """The views of some of a line's runs."""
    return [RunView(**fields) for fields in _fields(session, line, states)]


def run_detail(session: Session, line: str, state: RunState) -> RunDetail:
    """Everything that is known of a run."""
    (fields,) = _fields(session, line, [state])
    run = state.run
    return RunDetail(
        **fields,
        recipe=dict(run.recipe),
        comparison=None if run.comparison is None else dict(run.comparison),
        artefacts={name: _artefact(line, run, name) for name in sorted(run.artefacts)},
        epochs=[epoch_view(one) for one in list_epochs(session, run.id)],
    )


def epoch_view(epoch: EpochRow) -> EpochView:
    """The view of an epoch."""
    return EpochView(number=epoch.number, figures=dict(epoch.figures), at=timestamp(epoch.at))


def run_url(line: str, run_id: str) -> str:
    """Where a run is found."""
    return f"/api/v1/lines/{line}/runs/{run_id}"


def _fields(session: Session, line: str, states: Sequence[RunState]) -> list[dict[str, Any]]:
    runs = [state.run for state in states]
    numbers = version_numbers(session, {run.version_id for run in runs if run.version_id is not None})
    hashes = {one for run in runs for one in (run.bundle_hash, run.live_hash) if one is not None}
    models = {
        found.hash: Model(name=found.name, hash=found.hash)
        for found in registry.get_bundles(session, hashes).values()
    }
    live = {line_id: bundle.hash for line_id, bundle in registry.live_bundles(session).items()}
    return [
        _of_run(line, state.run, numbers, models)
        | {"serving": live.get(state.run.line_id, "") == state.run.bundle_hash}
        | _of_job(state)
        for state in states
    ]


def _of_run(line: str, run: Run, numbers: Mapping[int, int], models: Mapping[str, Model]) -> dict[str, Any]:
    return {
        "id": run.id,
        "line": line,
        "method": run.method,
        "version": numbers.get(run.version_id or 0),
        "note": run.note,
        "who": run.who,
        "data": dict(run.data),
        "bundle": models.get(run.bundle_hash or ""),
        "live": models.get(run.live_hash or ""),
        "compared_at": None if run.compared_at is None else timestamp(run.compared_at),
        "promote": run.promote,
        "verdict": None if run.verdict is None else dict(run.verdict),
    }


def _of_job(state: RunState) -> dict[str, Any]:
    job = state.job
    return {
        "job": job.id,
        "state": job.state.value,
        "cancelling": job.cancelling,
        "progress": dict(job.progress),
        "attempt": job.attempt,
        "error": job.error,
        "created_at": timestamp(state.run.created_at),
        "started_at": None if job.started_at is None else timestamp(job.started_at),
        "finished_at": None if job.finished_at is None else timestamp(job.finished_at),
    }


def _artefact(line: str, run: Run, name: str) -> ArtefactView:
    found = run.artefacts[name]
    return ArtefactView(
        url=f"{run_url(line, run.id)}/artefacts/{quote(name)}",
        media_type=found.media_type,
        bytes=found.bytes,
        sha256=found.sha256,
    )
