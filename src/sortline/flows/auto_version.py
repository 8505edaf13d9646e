"""Versions that make themselves: at so many staged labels one is made and becomes the active one, and a probe follows.

    AutoVersions   a worker's task: lines where enough waits get a job
    auto_version   the job: the version, then the run, which is compared and gated as any other

Nothing of it promotes: a candidate goes live only where the line promotes by itself and the candidate passes its gates.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from sortline.catalogue.store import versions
from sortline.catalogue.store.waiting import count_staged, newest_staged
from sortline.catalogue.version import Draft, NothingChanged, Version
from sortline.db.session import Session, reading, writing
from sortline.flows.retrain import built
from sortline.flows.runs import Wanted, start_run
from sortline.flows.trainable import check_version
from sortline.flows.versions import from_staged
from sortline.jobs import store as jobs
from sortline.jobs.context import Context
from sortline.jobs.job import State
from sortline.lines.line import Line
from sortline.lines.store import line_by_id, list_lines
from sortline.training.recipe import ProbeRecipe
from sortline.training.run import NothingToTrain

JOB = "auto-version"
# Who such versions and runs name as their author.
WHO = "sortline"
_LOOKED_AT = 200


class AutoVersions:
    """Lines where enough labels wait get a job that makes a version."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self) -> bool:
        """False: whatever was due is a job now, and there is no hurry for more."""
        with reading(self._engine) as session:
            due = [(line, key) for line in list_lines(session) if (key := _due(session, line)) is not None]
        for line, key in due:
            with writing(self._engine) as session:
                args = {"line": line.id, "probe": line.auto_probe}
                jobs.enqueue(session, JOB, args, who=WHO, key=key, exclusive=_exclusive(line))
        return False


def auto_version(engine: Engine, context: Context) -> None:
    """Makes the version that the job is for and, where it says so, starts the probe."""
    made = context.step("version", lambda: _make(engine, context))
    context.log(made["text"])
    if made["version"] is not None and context.job.args["probe"]:
        context.log(context.step("probe", lambda: _probe(engine, context, made["version"])))


def _due(session: Session, line: Line) -> str | None:
    """The key of the job that the line should have; None where too little waits, or a job is at it."""
    wanted = line.auto_version_labels
    if wanted is None or count_staged(session, line.id, wanted) < wanted:
        return None
    for state in (State.QUEUED, State.RUNNING):
        unfinished = jobs.list_jobs(session, kind=JOB, state=state, limit=_LOOKED_AT).items
        if any(job.exclusive == _exclusive(line) for job in unfinished):
            return None
    # What waited and could not be made a version of is not tried again until something comes to it.
    return f"{JOB}/{line.id}/{newest_staged(session, line.id)}"


def _exclusive(line: Line) -> str:
    return f"{JOB}/{line.id}"


def _make(engine: Engine, context: Context) -> dict[str, Any]:
    """The version of all that is staged, active from now on: its number, and what was done, in words."""
    job = context.job
    name = f"auto-{job.created_at:%Y%m%d-%H%M%S}-{job.id[-6:]}"
    context.progress(phase="version")
    with reading(engine) as session:
        line = line_by_id(session, job.args["line"])
        begun = versions.version_named(session, line.id, name)
    version: Version
    try:
        if begun is not None:
            version = built(engine, context, begun)
        else:
            draft = Draft(name=name, notes="made by itself of what was staged", author=WHO)
            version = from_staged(engine, line.id, draft)
    except NothingChanged:
        return {"version": None, "text": "nothing differs from the active version; none was made"}
    with writing(engine) as session:
        if versions.active_version(session, line.id) != version:
            versions.activate(session, version, WHO)
    return {
        "version": version.number,
        "text": f"version {version.number} ({name}) of {version.size} pictures",
    }


def _probe(engine: Engine, context: Context, number: int) -> str:
    """What was started, in words."""
    with reading(engine) as session:
        line = line_by_id(session, context.job.args["line"])
        try:
            check_version(session, line.id, number)
        except NothingToTrain as error:
            return f"no probe: {error}"
    wanted = Wanted(method="probe", recipe=ProbeRecipe(), version=number, note="after an automatic version")
    with writing(engine) as session:
        state = start_run(session, line, wanted, who=WHO, key=context.job.id)
    return f"probe {state.run.id} is queued"
