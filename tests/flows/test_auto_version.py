"""Versions that make themselves, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sortline.catalogue.entry import EntryFilter
from sortline.catalogue.store.entries import list_entries
from sortline.catalogue.store.labels import stage
from sortline.catalogue.store.versions import active_version
from sortline.db.session import reading, writing
from sortline.flows.auto_version import JOB, AutoVersions
from sortline.flows.runs import list_runs
from sortline.jobs import store as jobs
from sortline.jobs.job import Job, State
from sortline.lines.line import Line
from sortline.lines.store import line_by_id, set_auto_version
from sortline.wiring import Installation
from tests.importing import Line as Import
from tests.importing import folder_of
from tests.training_runs import done, installed


@pytest.fixture
def ready(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation of its own."""
    with installed(database_url, tmp_path) as found:
        yield found


def labelled(ready: Installation, folder: Path, counts: dict[str, int]) -> Line:
    """A line with so many labelled pictures that no version has taken up."""
    found = Import(engine=ready.engine, blobs=ready.blobs, name="auto")
    found.load(folder_of(folder, counts), version=False)
    with writing(ready.engine) as session:
        ids = [one.id for one in list_entries(session, found.id, EntryFilter(), limit=100).items]
        stage(session, found.id, ids, "review", datetime.now(UTC))
        return line_by_id(session, found.id)


def queued(engine: Engine) -> list[Job]:
    """The jobs that make versions, newest first."""
    with reading(engine) as session:
        return list(jobs.list_jobs(session, kind=JOB).items)


def test_a_version_is_made_at_so_many_labels_and_a_probe_follows(ready: Installation, tmp_path: Path) -> None:
    """Nothing with too few; then one job, whose version is active and has a run, compared as any other."""
    line = labelled(ready, tmp_path / "in", {"Glass": 4, "Metal": 4})
    look = AutoVersions(ready.engine).look
    with writing(ready.engine) as session:
        set_auto_version(session, line.name, labels=9, probe=True)
    look()
    assert queued(ready.engine) == []
    with writing(ready.engine) as session:
        set_auto_version(session, line.name, labels=8, probe=True)
    look()
    look()
    (job,) = queued(ready.engine)
    done(ready, job.id)
    with reading(ready.engine) as session:
        ended, version = jobs.get_job(session, job.id), active_version(session, line.id)
        runs = list_runs(session, line.id).items
    assert (ended.state, ended.error) == (State.SUCCEEDED, None)
    assert version is not None
    assert (version.size, version.author) == (8, "sortline")
    assert [(run.run.version_id, run.run.method, run.run.who) for run in runs] == [
        (version.id, "probe", "sortline")
    ]
    look()
    assert len(queued(ready.engine)) == 1


def test_without_a_probe_the_version_is_all(ready: Installation, tmp_path: Path) -> None:
    """It is made and active; nothing is trained."""
    line = labelled(ready, tmp_path / "in", {"Glass": 3})
    with writing(ready.engine) as session:
        set_auto_version(session, line.name, labels=1, probe=False)
    AutoVersions(ready.engine).look()
    (job,) = queued(ready.engine)
    done(ready, job.id)
    with reading(ready.engine) as session:
        version, runs = active_version(session, line.id), list_runs(session, line.id).items
    assert version is not None
    assert (version.size, len(runs)) == (3, 0)
