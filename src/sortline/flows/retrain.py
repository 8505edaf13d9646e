"""A run without a word about versions, as older clients ask for it: on all that is labelled, or that an archive brings.

    start_retrain        the run is queued; its version is still to be made
    start_with_archive   the same, behind the import of an archive of class folders
    retrain              the version is made and becomes the active one, then the run is done as any other

What the version is made of waits in the database, and the version's name is the run's own: whoever takes the job up
after a kill makes it once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from sortline.catalogue.importing import Import, Options, State
from sortline.catalogue.sources.item import IGNORED, Item, Refused, Source
from sortline.catalogue.store import imports, versions
from sortline.catalogue.version import Draft, NothingChanged, Version, VersionBusy, VersionState
from sortline.db.ids import new_id
from sortline.db.session import Session, reading, writing
from sortline.flows.ingest import Request, open_for, start_import
from sortline.flows.runs import JOB as TRAIN
from sortline.flows.runs import RunState
from sortline.flows.train import TrainTools, train
from sortline.flows.versions import build, from_staged
from sortline.jobs import store as jobs
from sortline.jobs.context import Context
from sortline.jobs.job import State as JobState
from sortline.lines.line import Line
from sortline.training.recipe import ProbeRecipe
from sortline.training.run import NothingToTrain, Run
from sortline.training.store import runs as store

JOB = "retrain"
# Seconds between looks at an import that is waited for, or at a version that another process builds.
LOOK_S = 0.5
# Runs that wait, of all lines, among which one's own is looked for.
_LOOKED_AT = 200


# What pictures in an archive that an older client sends are to a line: the last word counts, and what it declares as
# test may not be too like what it declares as training.
_OPTIONS = Options(relabel=True, leaks="resplit")


@dataclass(frozen=True, slots=True, kw_only=True)
class FromArchive:
    """A run that begins once an archive is imported, how many pictures are in that, and the names of their classes."""

    state: RunState
    pictures: int
    labels: frozenset[str]


def start_retrain(session: Session, line: Line, *, who: str) -> RunState:
    """A run, queued behind those of its line: the one that waits already, for it will take up the same labels."""
    waiting = jobs.list_jobs(session, kind=JOB, state=JobState.QUEUED, limit=_LOOKED_AT).items
    for job in waiting:
        if job.exclusive == _exclusive(line) and job.args["import"] is None:
            return RunState(run=store.get_run(session, job.args["run"]), job=job)
    return _queue(session, line, who=who, import_id=None)


def start_with_archive(engine: Engine, line: Line, archive: Path, *, who: str) -> FromArchive:
    """The archive's import and a run behind it, both queued at once.

    Raises:
        SourceError: the archive cannot be read.
        NothingToTrain: it holds no picture that has a class.
    """
    with open_for(Request(location=str(archive), kind="zip", options=_OPTIONS)) as source:
        pictures, labels, refused = _survey(source)
        if not pictures:
            why = f"; {refused.name[:100]}: {refused.detail}" if refused else ""
            raise NothingToTrain(
                f"no file in the archive lies in a folder that is named after its class{why}"
            )
        with writing(engine) as session:
            begun = start_import(session, line.id, source, _OPTIONS, who=who)
            state = _queue(session, line, who=who, import_id=begun.id)
    return FromArchive(state=state, pictures=pictures, labels=labels)


def _survey(source: Source) -> tuple[int, frozenset[str], Refused | None]:
    """How many pictures there are, the names of their classes, and the first file that is meant as one and is none."""
    found = list(source.items())
    items = [one for one in found if isinstance(one, Item)]
    refused = (one for one in found if isinstance(one, Refused) and one.code != IGNORED)
    return len(items), frozenset(one.label for one in items if one.label is not None), next(refused, None)


def _queue(session: Session, line: Line, *, who: str, import_id: str | None) -> RunState:
    run_id = new_id()
    job = jobs.enqueue(
        session, JOB, {"run": run_id, "import": import_id}, who=who, exclusive=_exclusive(line)
    )
    run = store.add_run(
        session,
        run_id,
        line_id=line.id,
        job_id=job.id,
        method="probe",
        recipe=asdict(ProbeRecipe()),
        version_id=None,
        note="",
        who=who,
    )
    return RunState(run=run, job=job)


def _exclusive(line: Line) -> str:
    return f"{TRAIN}/{line.id}"


def retrain(tools: TrainTools, context: Context) -> None:
    """Does the run that the job names, to its end or from where it was left."""
    context.step("version", lambda: _make_version(tools.engine, context))
    train(tools, context)


def _make_version(engine: Engine, context: Context) -> dict[str, Any]:
    """The version that the run is made from, active from now on: its number, for the job's record."""
    with reading(engine) as session:
        run = store.get_run(session, context.job.args["run"])
    import_id = context.job.args.get("import")
    base = _imported(engine, context, import_id) if import_id else None
    context.progress(phase="version")
    version = _taken_up(engine, context, run, base)
    with writing(engine) as session:
        if versions.active_version(session, run.line_id) != version:
            versions.activate(session, version, run.who)
        store.set_version(session, run.id, version.id)
    context.log(f"version {version.number} ({version.name}) of {version.size} pictures")
    return {"version": version.number}


def _imported(engine: Engine, context: Context, import_id: str) -> Version | None:
    """The version that was made of the import, once it is done; None where nothing in it was new.

    Raises:
        NothingToTrain: the import failed or was cancelled.
    """
    while (found := _import(engine, import_id)).state in (State.QUEUED, State.RUNNING):
        context.progress(phase="import", done=found.done, total=found.total)
        context.wait(LOOK_S)
    if found.state is not State.DONE:
        # Where it lies is the server's business; what it is called, the sender's.
        error = (found.error or "").replace(found.location, Path(found.location).name)
        became = "was cancelled" if found.state is State.CANCELLED else f"failed: {error}"
        raise NothingToTrain(f"the import {import_id} of its pictures {became}")
    if found.version_id is None:
        return None
    with reading(engine) as session:
        return versions.version_by_id(session, found.version_id)


def _import(engine: Engine, import_id: str) -> Import:
    with reading(engine) as session:
        return imports.get(session, import_id)


def _taken_up(engine: Engine, context: Context, run: Run, base: Version | None) -> Version:
    """The version with all that is staged, on top of `base` (None: the active one), or that one where nothing is.

    Raises:
        NothingToTrain: there is none.
    """
    name = f"retrain-{run.created_at:%Y%m%d-%H%M%S}-{run.id[-6:]}"
    draft = Draft(
        name=name, notes="made for a retrain", author=run.who, parent_id=None if base is None else base.id
    )
    with reading(engine) as session:
        begun = versions.version_named(session, run.line_id, name)
    try:
        if begun is not None:
            return built(engine, context, begun)
        return from_staged(engine, run.line_id, draft)
    except NothingChanged:
        with reading(engine) as session:
            found = base or versions.active_version(session, run.line_id)
    if found is None:
        raise NothingToTrain("no picture of the line is labelled")
    return found


def built(engine: Engine, context: Context, version: Version) -> Version:
    """The version, ready; a worker that died at it left it half built."""
    while version.state is not VersionState.READY:
        context.check()
        try:
            version = build(engine, version.id) or version
        except VersionBusy:  # whoever was at it lives, or died less than a lease ago
            context.wait(LOOK_S)
            with reading(engine) as session:
                version = versions.version_by_id(session, version.id)
    return version
