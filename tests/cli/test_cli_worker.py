"""The worker: alone, and beside the server of `sortline up`, with which it begins and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from sortline.catalogue.importing import Options
from sortline.catalogue.sources.source import open_source
from sortline.db.engine import connect
from sortline.db.session import writing
from sortline.flows.ingest import start_import
from sortline.lines.store import get_line
from tests.cli.conftest import Sortline, environment
from tests.importing import folder_of
from tests.waiting import soon

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")


@contextmanager
def running(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`sortline ARGUMENTS…` at work; killed with all it started when the block ends."""
    command = [sys.executable, "-m", "sortline.cli.main", *arguments]
    with (
        (tmp_path / "log").open("ab") as log,
        subprocess.Popen(
            command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            for one in [*_children(process.pid), process]:
                if one.is_running() if isinstance(one, psutil.Process) else one.poll() is None:
                    one.kill()


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else []


def queue_import(tmp_path: Path, folder: Path) -> None:
    """An import waits for a worker."""
    engine = connect(f"sqlite:///{tmp_path / 'data' / 'sortline.db'}")
    with open_source(str(folder)) as source, writing(engine) as session:
        start_import(session, get_line(session, "waste").id, source, Options(), who="tester")
    engine.dispose()


def test_a_worker_does_what_is_queued_and_ends_when_told(sortline: Sortline, tmp_path: Path) -> None:
    """Started by itself it runs the import that waits, makes the thumbnails, and ends on SIGTERM with exit code 0."""
    sortline("lines", "list")
    queue_import(tmp_path, folder_of(tmp_path / "photos", {"Glass": 5}))
    thumbnails = tmp_path / "data" / "thumbnails"
    with running(tmp_path, "worker") as worker:
        soon(lambda: len([f for f in thumbnails.rglob("*") if len(f.name) == 64]) >= 10)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=120) == 0
    (one,) = json.loads(sortline("data", "imports", "--json").stdout)
    assert (one["state"], one["outcomes"]) == ("done", {"added": 5})


def test_up_has_a_worker_that_dies_with_it(sortline: Sortline, tmp_path: Path) -> None:
    """It runs what is queued; when the server is killed, the worker goes, too."""
    sortline("lines", "list")
    queue_import(tmp_path, folder_of(tmp_path / "photos", {"Glass": 5}))
    with running(tmp_path, "up", "--port", "0") as up:
        # Between its two births a process has its parent's command line.
        soon(lambda: ["worker" in one.cmdline() for one in _children(up.pid)] == [True])
        (worker,) = _children(up.pid)
        soon(lambda: json.loads(sortline("data", "imports", "--json").stdout)[0]["state"] == "done")
        up.kill()
        soon(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    """The server goes on; a few seconds later there is another worker."""
    with running(tmp_path, "up", "--port", "0") as up:
        soon(lambda: len(_children(up.pid)) == 1)
        (first,) = _children(up.pid)
        first.kill()
        soon(lambda: [one.pid for one in _children(up.pid)] not in ([], [first.pid]))
        assert up.poll() is None
