"""`sortline jobs`: listed, shown, followed, cancelled; and a worker that is one too many."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import httpx

from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import migrate
from sortline.db.session import writing
from sortline.jobs import store, worker_store
from sortline.jobs.job import LogLine, State
from sortline.jobs.worker_store import Report
from tests.cli.conftest import Sortline
from tests.cli.test_cli_worker import running
from tests.waiting import soon


def a_job(tmp_path: Path, *, state: State | None, error: str | None = None) -> str:
    """The id of a job that waits (None), or that a worker has ended in this state, with a line in its log."""
    engine = connect(f"sqlite:///{tmp_path / 'data' / 'sortline.db'}")
    migrate(engine, metadata)
    with writing(engine) as session:
        job = store.enqueue(session, "train", {"line": "waste"}, who="tester")
        if state is not None and (taken := worker_store.take(session, job.id, "a")) is not None:
            line = LogLine(number=1, at=datetime.now(UTC), text="epoch 1: 0.81")
            report = Report(
                progress={"phase": "training", "done": 1, "total": 2}, lines=[line], step_done=False
            )
            worker_store.write_report(session, taken, report)
            worker_store.end(session, taken, state, error)
    engine.dispose()
    return job.id


def test_jobs_are_listed_and_shown(sortline: Sortline, tmp_path: Path) -> None:
    """For people and as JSON; a failed one with its reason."""
    waits, failed = a_job(tmp_path, state=None), a_job(tmp_path, state=State.FAILED, error="the hub is away")
    listed = sortline("jobs", "list").stdout
    assert waits in listed
    assert "the hub is away" in listed
    assert [job["id"] for job in json.loads(sortline("jobs", "list", "--json").stdout)] == [failed, waits]
    shown = sortline("jobs", "show", failed).stdout
    assert "the hub is away" in shown
    assert '{"line": "waste"}' in shown
    assert json.loads(sortline("jobs", "show", failed, "--json").stdout)["state"] == "failed"
    unknown = sortline("jobs", "show", "what")
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (1, 1)


def test_a_log_is_followed_to_the_end(sortline: Sortline, tmp_path: Path) -> None:
    """The exit code says whether the job succeeded."""
    failed = a_job(tmp_path, state=State.FAILED, error="the hub is away")
    assert "epoch 1: 0.81" in sortline("jobs", "log", failed).stdout
    followed = sortline("jobs", "log", failed, "--follow")
    assert (followed.returncode, followed.stderr.strip()) == (1, "failed: the hub is away")
    assert sortline("jobs", "log", a_job(tmp_path, state=State.SUCCEEDED), "--follow").returncode == 0


def test_a_job_is_cancelled(sortline: Sortline, tmp_path: Path) -> None:
    """One that waits has ended."""
    job = a_job(tmp_path, state=None)
    assert f"{job} is cancelled" in sortline("jobs", "cancel", job).stdout


def test_a_watched_job_keeps_no_server(sortline: Sortline, tmp_path: Path) -> None:
    """A stream that is open when the server is told to stop ends then, not when its job does."""
    job = a_job(tmp_path, state=None)
    key = sortline("keys", "create", "watcher", "--scope", "train").stdout.strip()
    with running(tmp_path, "serve", "--port", "0") as server:
        assert server.stdout is not None
        (address,) = re.findall(r"http://[\d.:]+", server.stdout.readline())
        url, headers = f"{address}/api/v1/jobs/{job}/events", {"Authorization": f"Bearer {key}"}
        with httpx.stream("GET", url, headers=headers, timeout=120) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: job"
            server.send_signal(signal.SIGTERM)
            # To its proper end: a server that loses patience breaks it off, which httpx would raise.
            assert "event: end" not in list(lines)
        server.wait(timeout=120)
    assert "exceeded" not in (tmp_path / "log").read_text()


def test_a_second_worker_is_refused_and_a_servers_own_stands_by(sortline: Sortline, tmp_path: Path) -> None:
    """In one line; with `up` beside it, the server runs, and its worker takes over when the other has ended."""
    lock = tmp_path / "data" / "worker.lock"
    with running(tmp_path, "worker") as first:
        soon(lambda: lock.exists() and lock.read_text() == str(first.pid))
        second = sortline("worker")
        assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
        assert f"process {first.pid}" in second.stderr
        with running(tmp_path, "up", "--port", "0") as up:
            assert up.stdout is not None
            assert "is ready" in up.stdout.readline()
            first.send_signal(signal.SIGTERM)
            assert first.wait(timeout=120) == 0
            soon(lambda: lock.read_text() not in ("", str(first.pid)))
            up.send_signal(signal.SIGTERM)
            up.wait(timeout=120)
