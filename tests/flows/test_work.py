"""The worker: it takes turns, survives what fails, ends when told, and goes on with what others left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sortline.catalogue.importing import State
from sortline.catalogue.sources.item import SourceError
from sortline.catalogue.store import imports
from sortline.db.session import reading, writing
from sortline.flows.work import Task, run_next_import, work
from sortline.jobs.process import new_runner
from sortline.storage.local import LocalBlobs
from tests.importing import Line, folder_of


@pytest.fixture
def line(engine: Engine, tmp_path: Path) -> Iterator[Line]:
    """An empty line, its pictures in a folder."""
    blobs = LocalBlobs(tmp_path / "blobs")
    yield Line(engine=engine, blobs=blobs)
    blobs.close()


def run_next(line: Line) -> bool:
    """A turn of the worker's."""
    return run_next_import(line.engine, lambda: line.tools, threading.Event())


def test_a_queued_import_is_run(line: Line, tmp_path: Path) -> None:
    """What somebody queued is done at the next turn; then there is nothing more to do."""
    begun = line.start(folder_of(tmp_path / "in", {"Glass": 4}))
    assert run_next(line)
    with reading(line.engine) as session:
        assert imports.get(session, begun.id).state is State.DONE
    assert not run_next(line)


def test_an_import_whose_process_died_is_taken_over(line: Line, tmp_path: Path) -> None:
    """One that is running elsewhere is left alone, one whose process is gone is brought to its end."""
    begun = line.start(folder_of(tmp_path / "in", {"Glass": 4}))
    with writing(line.engine) as session:
        imports.take(session, begun, new_runner())
    assert not run_next(line)
    host, _, since, turn = new_runner().rsplit("/", 3)
    with writing(line.engine) as session:
        imports.end(session, begun.id, imports.get(session, begun.id).runner or "", State.QUEUED)
        imports.take(session, begun, f"{host}/{2**22 - 7}/{since}/{turn}")
    assert run_next(line)
    with reading(line.engine) as session:
        assert imports.get(session, begun.id).state is State.DONE


def test_a_failed_import_is_not_tried_again_by_itself(line: Line, tmp_path: Path) -> None:
    """Its source is gone: it fails once, says why, and waits for somebody to run it again."""
    folder = folder_of(tmp_path / "in", {"Glass": 4})
    begun = line.start(folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError) as failure:
        run_next(line)
    with reading(line.engine) as session:
        found = imports.get(session, begun.id)
    assert (found.state, found.error) == (State.FAILED, str(failure.value))
    assert not run_next(line)


def test_a_failing_task_stops_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged and left alone for a while; the others have their turns."""
    monkeypatch.setattr("sortline.flows.work.FIRST_PAUSE_S", 200.0)  # longer than this takes anywhere
    stop, turns = threading.Event(), list[str]()

    def fail(_: threading.Event) -> bool:
        turns.append("fail")
        raise RuntimeError("no luck")

    def count(_: threading.Event) -> bool:
        turns.append("count")
        if turns.count("count") == 3:
            stop.set()
        return True

    with caplog.at_level(logging.WARNING):
        work([Task(name="a", run=fail), Task(name="b", run=count)], stop, interval=0.01)
    assert (turns.count("fail"), turns.count("count")) == (1, 3)
    assert "a failed, tried again in 200 s: no luck" in caplog.text


def test_it_ends_when_told() -> None:
    """Told to stop while it waits for work, it does not wait to its end."""
    stop, looked = threading.Event(), threading.Event()

    def idle(_: threading.Event) -> bool:
        looked.set()
        return False

    tasks = [Task(name="idle", run=idle)]
    thread = threading.Thread(target=work, args=(tasks, stop), kwargs={"interval": 3600}, daemon=True)
    thread.start()
    assert looked.wait(120)
    stop.set()
    thread.join(120)
    assert not thread.is_alive()
