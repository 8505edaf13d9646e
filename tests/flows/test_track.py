"""What a real MLflow server has of runs, and that no run fails because of one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from math import inf
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from running_server import free_port
from sortline.catalogue.store.versions import version_by_id
from sortline.db.session import reading, writing
from sortline.engine.bundle import read_bundle
from sortline.flows import track, train
from sortline.flows.mlflow_server import MlflowMissing, Refused, log_figures, mlflow_client
from sortline.flows.promote import promote, rollback
from sortline.flows.runs import RunState
from sortline.jobs.context import Context, Transient
from sortline.jobs.run import Run as JobRun
from sortline.jobs.store import list_jobs, log_after
from sortline.lines.line import Line
from sortline.lines.store import get_line, set_auto_promote
from sortline.registry import store as registry
from sortline.training.store import runs as store
from sortline.wiring import Installation
from tests.training_runs import coloured, done, installed, line_with, trained

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "sortline-colours"


@dataclass(frozen=True)
class Told:
    """An installation whose line has had two runs, both told to a real MLflow server; the second in two goes."""

    ready: Installation
    line: Line
    first: RunState
    second: RunState


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The runs, which the line promotes by itself; the server is waited for when the first comes to it."""
    folder, uri = tmp_path_factory.mktemp("track"), f"http://127.0.0.1:{free_port()}"
    with (
        _served(folder, uri) as server,
        pytest.MonkeyPatch.context() as patch,
        installed(f"sqlite:///{folder / 'sortline.db'}", folder) as ready,
    ):
        line = line_with(ready, "colours", coloured(folder / "in", {"Red": 50, "Green": 50, "Blue": 50}))
        with writing(ready.engine) as session:
            set_auto_promote(session, "colours", True)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # other tests may keep the machine busy
        patch.setattr(train, "track", lambda *told: (_wait_for(server, uri), track.track(*told)))
        first = trained(ready, line)
        with _failing_once(track, "version_of"):
            second = trained(ready, line)
        yield Told(ready, line, first, second)


def test_a_run_is_there_with_all_it_left(told: Told, tmp_path: Path) -> None:
    """Parameters, figures, every file, and the bundle as a version of the line's model, which can be fetched."""
    from mlflow.artifacts import download_artifacts

    run = told.first.run
    with mlflow_client() as client:
        (there,) = _runs(client, run.id)
        assert there.info.status == "FINISHED"
        assert there.data.params["method"] == "probe"
        assert there.data.params["version"] == "v1"
        assert there.data.params["recipe.strengths"].startswith("[0.03,")
        figures = (run.comparison or {})["all"]["candidate"]
        assert there.data.metrics["test_accuracy"] == figures["accuracy"]["value"]
        assert there.data.metrics["test_macro_f1"] == figures["macro_f1"]
        assert there.data.metrics["test_ece"] == figures["calibration"]["error"]
        files = client.list_artifacts(there.info.run_id)
        assert {one.path: one.file_size for one in files if not one.is_dir} == {
            name: artefact.bytes for name, artefact in run.artefacts.items()
        }
        (version,) = _versions(client, run.id)
        client.set_registered_model_alias(MODEL, "first", version.version)
    folder = download_artifacts(f"models:/{MODEL}@first", dst_path=str(tmp_path))
    assert read_bundle(Path(folder)).hash == run.bundle_hash == version.tags["sortline.bundle"]


def test_a_run_that_is_told_in_two_goes_is_there_once(told: Told) -> None:
    """The server failed before the model was registered; the next try went on with the same run."""
    assert any(line == "track: away; tried again in 1 s" for line in _log(told.ready, told.second))
    with mlflow_client() as client:
        (there,) = _runs(client, told.second.run.id)
        (version,) = _versions(client, told.second.run.id)
        assert there.data.metrics["accuracy_difference"] == 0
        assert client.get_model_version_by_alias(MODEL, "candidate").version == version.version


def test_every_epoch_is_a_step_of_its_figures(told: Told) -> None:
    """A run that had epochs, as a fine-tune has: what is no number is left out."""
    with writing(told.ready.engine) as session:
        for number, loss in ((1, 0.5), (2, 0.25)):
            store.add_epoch(session, told.first.run.id, number, {"train_loss": loss, "rate": None}, "tester")
    with reading(told.ready.engine) as session:
        epochs = store.list_epochs(session, told.first.run.id)
    with mlflow_client() as client:
        (there,) = _runs(client, told.first.run.id)
        for _ in range(2):
            log_figures(client, there.info.run_id, {}, list(track.epoch_points(epochs)))
        history = client.get_metric_history(there.info.run_id, "train_loss")
    assert [(one.step, one.value) for one in history] == [(1, 0.5), (2, 0.25)]


def test_whoever_makes_a_bundle_live_the_server_hears_of_it(told: Told) -> None:
    """First the run itself, then a rollback, then somebody who promotes a bundle that the server never saw."""
    ready, announcer = told.ready, track.Announcer(told.ready.engine)
    with mlflow_client() as client:
        assert _live_there(client) == told.second.run.bundle_hash
        with writing(ready.engine) as session:
            rollback(session, "colours", who="tester")
        _announce(ready, announcer)
        assert _live_there(client) == told.first.run.bundle_hash
        with writing(ready.engine) as session:
            other = registry.live_bundles(session)[get_line(session, "waste").id].hash
            promote(session, "colours", other, who="tester", reason="a trial", force=True)
        _announce(ready, announcer)
        assert _live_there(client) is None
        with writing(ready.engine) as session:
            rollback(session, "colours", who="tester")


def test_a_server_that_never_answers_fails_no_run(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again for a while; then the log says that the run is not there, and no password."""
    run = JobRun(told.second.job, last_line=0, stopping=Event(), known_until=lambda: inf)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setattr(track, "RETRIES", 1)
        context = Context(run, lambda _, step: step(), retries=0)
        track.track(context, told.ready.blobs, lambda: _finished(told))
    report = run.report()
    assert report is not None
    phase, first, last = (line.text for line in report.lines)
    assert phase == "mlflow …"
    assert first.startswith("track: ")
    assert first.endswith("tried again in 1 s")
    assert last.startswith("the run is not on the MLflow server, or not all of it: API request to http://127")
    assert "timed out" in last
    assert "secret" not in first + last


def test_a_server_that_says_no_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without permission another try is of no use; without a working server it may be."""
    for status, error in ((403, Refused), (503, Transient)):
        with _answering(status) as uri:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
            with pytest.raises(error), mlflow_client() as client:
                client.get_experiment_by_name("any")


def test_without_the_extra_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is set, the client is not there."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MlflowMissing, match=r"sortline\[mlflow\]"), mlflow_client():
        pass


def _runs(client: MlflowClient, run_id: str) -> list[Any]:
    there = client.get_experiment_by_name(MODEL)
    return list(client.search_runs([there.experiment_id], f"tags.`sortline.run` = '{run_id}'"))


def _versions(client: MlflowClient, run_id: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{MODEL}' and tags.`sortline.run` = '{run_id}'"))


def _live_there(client: MlflowClient) -> str | None:
    version = client.get_registered_model(MODEL).aliases.get("live")
    return None if version is None else str(client.get_model_version(MODEL, version).tags["sortline.bundle"])


def _finished(told: Told) -> track.Finished:
    run = told.second.run
    with reading(told.ready.engine) as session:
        version = version_by_id(session, run.version_id or 0)
    bundle = read_bundle(told.ready.bundles_dir / (run.bundle_hash or ""))
    return track.Finished(run=run, line=told.line, version=version, bundle=bundle, epochs=(), live=True)


def _announce(ready: Installation, announcer: track.Announcer) -> None:
    """What waits for the announcer has been told."""
    announcer.look()
    with reading(ready.engine) as session:
        waiting = [job.id for job in list_jobs(session, kind=track.JOB).items if not job.ended]
    for job_id in waiting:
        done(ready, job_id)


def _log(ready: Installation, found: RunState) -> list[str]:
    with reading(ready.engine) as session:
        return [line.text for line in log_after(session, found.job.id, 0, 1000)]


@contextmanager
def _failing_once(module: ModuleType, name: str) -> Iterator[None]:
    real, calls = getattr(module, name), count()

    def call(*args: Any, **named: Any) -> Any:
        if next(calls) == 0:
            raise Transient("away")
        return real(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, call)
        yield


@contextmanager
def _served(folder: Path, uri: str) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's own server; its database and files lie in the folder."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    # Its app for Uvicorn, the default, needs what MLflow's client comes without.
    command += ["--gunicorn-opts", "--no-control-socket"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "mlflow"), "--host", "127.0.0.1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", uri.rpartition(":")[2]],
            cwd=folder,
            env=os.environ | quiet,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(120)


def _wait_for(server: subprocess.Popen[bytes], uri: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{uri}/health", timeout=30).is_success:
                return
        time.sleep(0.1)
    pytest.fail("the MLflow server did not start; server.log in the test's folder says why")


@contextmanager
def _answering(status: int) -> Iterator[str]:
    """A server that answers everything with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
