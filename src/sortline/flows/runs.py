"""Runs as people ask for them: started, looked at, cancelled. What a worker then does stands in `train`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sortline.catalogue.store.versions import get_version
from sortline.catalogue.version import Version
from sortline.db.ids import new_id
from sortline.db.paging import Page
from sortline.db.session import Session
from sortline.jobs import store as jobs
from sortline.jobs.job import Job
from sortline.lines.line import Line
from sortline.training.recipe import FinetuneRecipe, Method, ProbeRecipe
from sortline.training.run import Run, UnknownRun
from sortline.training.store import runs as store

JOB = "train"
# A kind of its own: not every worker has what it takes.
FINETUNE = "finetune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A run somebody wants: how (`recipe`), on which version (None: the active one), and why, in their words."""

    method: Method
    recipe: ProbeRecipe | FinetuneRecipe
    version: int | str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run and the job that does it."""

    run: Run
    job: Job


def start_run(session: Session, line: Line, wanted: Wanted, *, who: str, key: str | None = None) -> RunState:
    """A run, queued behind those of its line. The same `key` again gives the run it first started.

    Raises:
        NoVersion, UnknownVersion: there is no data to train on.
    """
    version = get_version(session, line.id, wanted.version)
    run_id = new_id()
    job = jobs.enqueue(
        session,
        FINETUNE if wanted.method == "finetune" else JOB,
        {"run": run_id},
        who=who,
        key=None if key is None else f"{JOB}/{line.name}/{key}",
        exclusive=f"{JOB}/{line.id}",
    )
    if job.args["run"] != run_id:
        return get_run(session, line.id, job.args["run"])
    run = store.add_run(
        session,
        run_id,
        line_id=line.id,
        job_id=job.id,
        method=wanted.method,
        recipe=asdict(wanted.recipe),
        version_id=version.id,
        note=wanted.note,
        who=who,
    )
    return RunState(run=run, job=job)


def get_run(session: Session, line_id: int, run_id: str) -> RunState:
    """The line's run and its job.

    Raises:
        UnknownRun: the line has none of this id.
    """
    run = store.get_run(session, run_id)
    if run.line_id != line_id:
        raise UnknownRun(run_id)
    return RunState(run=run, job=jobs.get_job(session, run.job_id))


def list_runs(
    session: Session, line_id: int, *, limit: int = 50, cursor: str | None = None
) -> Page[RunState]:
    """The line's runs with their jobs, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    found = store.list_runs(session, line_id, limit=limit, cursor=cursor)
    states = tuple(RunState(run=run, job=jobs.get_job(session, run.job_id)) for run in found.items)
    return Page(items=states, next_cursor=found.next_cursor)


def cancel_run(session: Session, line_id: int, run_id: str) -> RunState:
    """The run, which ends within a second or so; one that has ended stays as it is.

    Raises:
        UnknownRun: the line has none of this id.
    """
    found = get_run(session, line_id, run_id)
    return RunState(run=found.run, job=jobs.cancel(session, found.run.job_id))


def evidence_of(run: Run) -> dict[str, Any]:
    """What a promotion of the run's candidate rests on: the verdict, on which data, against which bundle."""
    return {
        "verdict": run.verdict,
        "against": run.live_hash,
        "version": run.version_id,
        "data": {part: run.data.get(part) for part in ("pictures", "remembered")},
    }


def version_name(version: Version) -> str:
    """How a bundle names the version it was made from."""
    return (
        f"v{version.number}" if version.name == f"v{version.number}" else f"v{version.number} {version.name}"
    )
