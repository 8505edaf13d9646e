"""Runs over HTTP: started, listed, watched, cancelled, their files; and recipes to start them with."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sortline.db.session import reading, writing
from sortline.jobs import worker_store
from sortline.jobs.job import Job, LogLine, State
from sortline.jobs.process import new_runner
from sortline.jobs.store import get_job
from sortline.jobs.worker_store import Report
from sortline.training.run import Artefact
from sortline.training.store import runs as store
from tests.api.catalogue import CatalogueLine
from tests.running import RunningServer
from tests.training_runs import blot, done

JSON = dict[str, Any]
COLOURS = ("Red", "Green", "Blue")


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """A line with a version of two pictures of each of three classes."""
    return labelled(server, 2)


def labelled(server: RunningServer, count: int) -> CatalogueLine:
    """A line with a version of so many pictures of each of three classes."""
    line = CatalogueLine(server)
    for colour in COLOURS:
        files = [("files", (f"{n}.jpg", blot(colour, n))) for n in range(count)]
        answer = server.client.post(
            f"/lines/{line.name}/upload/batch", params={"class_names": colour}, files=files
        )
        assert answer.status_code == 200, answer.text
    line.post("/versions", 201, json={"from": "staged"})
    return line


class Working:
    """A run of a line, and what a worker would do to it."""

    def __init__(self, line: CatalogueLine) -> None:
        """A run that a worker has taken."""
        self.line, self.engine = line, line.server.services.engine
        self.id = line.post("/runs", 202, json={"note": "watched"})["id"]
        self.path = f"/runs/{self.id}"
        with writing(self.engine) as session:
            job = worker_store.take(session, store.get_run(session, self.id).job_id, "a")
        assert job is not None
        self.job: Job = job
        self.told = 0

    def tell(self, *texts: str, **progress: object) -> None:
        """The run tells its progress and these lines."""
        lines = [
            LogLine(number=self.told + n, at=datetime.now(UTC), text=text) for n, text in enumerate(texts, 1)
        ]
        self.told += len(lines)
        with writing(self.engine) as session:
            report = Report(progress=progress, lines=lines, step_done=False)
            assert worker_store.write_report(session, self.job, report)

    def epoch(self, number: int, **figures: float) -> None:
        """The run has an epoch behind it."""
        with writing(self.engine) as session:
            store.add_epoch(session, self.id, number, figures, "a")

    def leave(self, name: str, media_type: str, content: bytes) -> None:
        """The run has left a file."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.line.server.services.installation.blobs.put_many([(sha256, content)])
        artefact = Artefact(sha256=sha256, bytes=len(content), media_type=media_type)
        with writing(self.engine) as session:
            store.set_artefacts(session, self.id, {name: artefact})

    def end(self, state: State, error: str | None = None) -> None:
        """The run has ended."""
        with writing(self.engine) as session:
            assert worker_store.end(session, self.job, state, error)

    def get(self, path: str = "", **headers: str) -> Any:
        """The answer to a GET below the run."""
        url = f"/api/v1/lines/{self.line.name}{self.path}{path}"
        return self.line.server.client.get(url, headers=headers)


@pytest.fixture
def working(line: CatalogueLine) -> Iterator[Working]:
    """A run that a worker has taken."""
    run = Working(line)
    yield run
    with reading(run.engine) as session:
        ended = get_job(session, run.job.id).ended
    if not ended:  # no other test's worker is to wait for it
        run.end(State.CANCELLED)


def events(text: str) -> list[tuple[str, str | None, Any]]:
    """Name, id and data of each event of an answer that has ended."""
    blocks = [dict(row.split(": ", 1) for row in block.splitlines()) for block in text.split("\n\n") if block]
    return [(one["event"], one.get("id"), json.loads(one["data"])) for one in blocks]


def test_a_run_is_started_done_and_promoted(server: RunningServer) -> None:
    """From POST to a candidate with its verdict, comparison and files, done by a worker in this process."""
    line = labelled(server, 50)
    url = f"/api/v1/lines/{line.name}/runs"
    answer = server.client.post(url, json={"recipe": {"strengths": [0.01]}, "note": "the first"})
    assert answer.status_code == 202
    queued = answer.json()
    assert answer.headers["location"] == f"{url}/{queued['id']}"
    assert (queued["state"], queued["method"], queued["version"]) == ("queued", "probe", 1)
    assert (queued["bundle"], queued["promote"], queued["serving"]) == (None, None, False)
    done(server.services.installation, queued["job"])
    run = server.client.get(answer.headers["location"]).json()
    assert (run["state"], run["error"], run["note"]) == ("succeeded", None, "the first")
    assert run["promote"], run["verdict"]
    assert run["recipe"]["strengths"] == [0.01]
    assert run["data"]["pictures"]["train"] > 60
    assert run["comparison"]["candidate_classes"] == list(COLOURS)
    assert (run["live"], run["bundle"]["name"].startswith(line.name)) == (None, True)
    report = server.client.get(run["artefacts"]["report.html"]["url"])
    assert report.headers["content-type"].startswith("text/html")
    line.post(f"/models/{run['bundle']['hash']}/promote", 201)
    assert line.get(f"/runs/{run['id']}")["serving"]
    (older,) = server.client.get(f"/lines/{line.name}/retrain/runs").json()["runs"]
    assert (older["status"], older["metrics"]["promote"]) == ("completed", True)
    assert older["metrics"]["accuracy"] > 0.6
    assert server.client.get(older["model_path"]).status_code == 200


def test_the_same_key_starts_one_run(line: CatalogueLine) -> None:
    """Whoever asks twice gets the run they first started."""
    first = line.post("/runs", 202, headers={"Idempotency-Key": "monday"}, json={})
    again = line.post("/runs", 202, headers={"Idempotency-Key": "monday"}, json={"note": "again"})
    other = line.post("/runs", 202, headers={"Idempotency-Key": "tuesday"}, json={})
    assert first["id"] == again["id"] != other["id"]
    for run in (first, other):
        assert line.post(f"/runs/{run['id']}/cancel")["state"] == "cancelled"


def test_runs_come_in_pages_newest_first(line: CatalogueLine) -> None:
    """A cursor that is none of ours is refused."""
    made = [line.post("/runs", 202, json={"version": "v1"})["id"] for _ in range(3)]
    first = line.get("/runs", limit=2)
    assert [run["id"] for run in first["runs"]] == made[:0:-1]
    second = line.get("/runs", limit=2, cursor=first["next_cursor"])
    assert ([run["id"] for run in second["runs"]], second["next_cursor"]) == ([made[0]], None)
    assert line.get("/runs", 400, cursor="yesterday")["type"] == "urn:sortline:bad-cursor"
    for run in made:
        assert line.post(f"/runs/{run}/cancel")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"recipe": {"strength": 1}}, 422, "invalid-recipe"),
        ({"recipe": {"strengths": [-1]}}, 422, "invalid-recipe"),
        ({"method": "finetune", "recipe": {"backbone": "a\0b"}}, 422, "invalid-recipe"),
        ({"method": "guess"}, 422, "invalid-request"),
        ({"recipes": {}}, 422, "invalid-request"),
        ({"version": "v7"}, 404, "unknown-version"),
    ],
)
def test_a_run_that_cannot_be_is_refused(line: CatalogueLine, asked: JSON, status: int, kind: str) -> None:
    """At once, by name; no run is queued."""
    assert line.post("/runs", status, json=asked)["type"] == f"urn:sortline:{kind}"
    assert line.get("/runs")["runs"] == []


def test_without_enough_data_nothing_is_started(server: RunningServer) -> None:
    """No version, and a version of one class: both say what is missing."""
    line = CatalogueLine(server, "Red")
    assert line.post("/runs", 404, json={})["type"] == "urn:sortline:no-version"
    line.add("Red", 1, split="train")
    line.post("/versions", 201, json={"from": "staged"})
    refused = line.post("/runs", 409, json={})
    assert refused["type"] == "urn:sortline:nothing-to-train"
    assert "1 class with training pictures, and two are needed" in refused["detail"]


def test_pictures_that_are_not_for_training_are_told_of(server: RunningServer) -> None:
    """Else nobody would see why labelled pictures are not enough."""
    line = CatalogueLine(server, "Red", "Blue")
    for seed, colour in enumerate(("Red", "Blue")):
        line.add(colour, seed, split="validation")
    line.post("/versions", 201, json={"from": "staged"})
    refused = line.post("/runs", 409, json={})
    assert (
        "no classes with training pictures, and two are needed; 2 pictures are for validation"
        in refused["detail"]
    )


@pytest.mark.parametrize("kinds", [["finetune", "train"], ["train"], None], ids=["able", "unable", "older"])
def test_a_fine_tune_is_refused_where_no_worker_can_do_it(
    line: CatalogueLine, monkeypatch: pytest.MonkeyPatch, kinds: list[str] | None
) -> None:
    """By what the workers that live say, whatever is installed beside the server; nothing is queued then."""
    monkeypatch.setattr("sortline.flows.trainable.can_finetune", lambda: False)
    engine, worker = line.server.services.engine, new_runner()
    with writing(engine) as session:
        worker_store.beat(session, worker, kinds)
    unable = kinds == ["train"]
    answer = line.post("/runs", 409 if unable else 202, json={"method": "finetune"})
    line.post("/runs", 202, json={"method": "probe"})
    with writing(engine) as session:
        worker_store.sign_off(session, worker)
    if unable:
        assert answer["type"] == "urn:sortline:missing-training"
        assert "pip install 'sortline[train]'" in answer["detail"]
        assert sys.executable not in answer["detail"]
    assert len(line.get("/runs")["runs"]) == (1 if unable else 2)


def test_without_a_worker_a_fine_tune_is_refused_where_one_would_be_of_this_machine(
    line: CatalogueLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SQLite database has its worker here; one of PostgreSQL may come with PyTorch from anywhere."""
    monkeypatch.setattr("sortline.flows.trainable.can_finetune", lambda: False)
    here = line.server.services.engine.dialect.name == "sqlite"
    line.post("/runs", 409 if here else 202, json={"method": "finetune"})


def test_a_run_at_work_is_shown_and_cancelled(working: Working) -> None:
    """Its progress and epochs while it runs; asked to end, it says so."""
    working.tell(phase="training", done=1, total=20, accuracy=0.5)
    working.epoch(1, loss=1.5)
    run = working.get().json()
    assert (run["state"], run["attempt"], run["note"]) == ("running", 1, "watched")
    assert run["progress"] == {"phase": "training", "done": 1, "total": 20, "accuracy": 0.5}
    assert [(one["number"], one["figures"]) for one in run["epochs"]] == [(1, {"loss": 1.5})]
    asked = working.line.post(f"{working.path}/cancel")
    assert (asked["state"], asked["cancelling"]) == ("running", True)


def test_the_events_of_a_run_are_all_there_is(working: Working) -> None:
    """How it stands, log and epochs, the end; a stream that broke off goes on behind what was received."""
    working.tell("one", "two", phase="training")
    working.epoch(1, loss=1.5)
    working.epoch(2, loss=1.0)
    working.end(State.FAILED, "the disk is full")
    answer = working.get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (first, _, run), *rows, (last, last_id, end) = events(answer.text)
    assert (first, run["progress"], last, last_id) == ("run", {"phase": "training"}, "end", "2.2.end")
    assert (end["state"], end["error"]) == ("failed", "the disk is full")
    assert [(name, number) for name, number, _ in rows] == [
        ("log", "1.0"),
        ("log", "2.0"),
        ("epoch", "2.1"),
        ("epoch", "2.2"),
    ]
    assert rows[3][2]["figures"] == {"loss": 1.0}
    resumed = events(working.get("/events", **{"Last-Event-ID": "1.2"}).text)
    assert [(name, number) for name, number, _ in resumed] == [
        ("run", None),
        ("log", "2.2"),
        ("end", "2.2.end"),
    ]
    assert working.get("/events", **{"Last-Event-ID": "2.2.end"}).status_code == 204


def test_a_runs_files_come_in_a_sandbox(working: Working) -> None:
    """With their media type and an ETag; no script in a page of a run ever runs."""
    page = b"<!doctype html><script>alert(1)</script>"
    working.leave("report.html", "text/html; charset=utf-8", page)
    working.leave("best.safetensors", "application/octet-stream", b"\0\1")
    found = working.get("/artefacts/report.html")
    assert (found.content, found.headers["content-type"]) == (page, "text/html; charset=utf-8")
    policy = found.headers["content-security-policy"]
    assert "sandbox;" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "'self'; img-src" not in policy
    tag = found.headers["etag"]
    assert working.get("/artefacts/report.html", **{"If-None-Match": tag}).status_code == 304
    weights = working.get("/artefacts/best.safetensors")
    assert weights.headers["content-disposition"] == 'attachment; filename="best.safetensors"'
    listed = working.get().json()["artefacts"]
    assert (listed["best.safetensors"]["bytes"], sorted(listed)) == (2, ["best.safetensors", "report.html"])
    missing = working.get("/artefacts/plan.txt")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:sortline:unknown-artefact")


@pytest.mark.parametrize("path", ["", "/events", "/artefacts/report.html", "/cancel"])
def test_a_run_of_another_line_is_unknown(working: Working, path: str) -> None:
    """404, as for one that never was, also where a stream was asked for."""
    other = CatalogueLine(working.line.server)
    method = "POST" if path == "/cancel" else "GET"
    for run_id in (working.id, "0" * 32):
        refused = other.call(method, f"/runs/{run_id}{path}", 404)
        assert refused["type"] == "urn:sortline:unknown-run"


@pytest.mark.parametrize("method", ["probe", "finetune"])
def test_a_recipe_has_every_default(line: CatalogueLine, method: str) -> None:
    """As TOML for people, and as JSON that starts a run as it is."""
    if method == "finetune":
        pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")
    client, url = line.server.client, f"/api/v1/lines/{line.name}/recipes/{method}"
    text = client.get(url)
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "class_weights" in text.text
    found = client.get(url, headers={"Accept": "application/json"}).json()
    assert (found["method"], found["recipe"]["class_weights"]) == (method, "none")
    run = line.post("/runs", 202, json=found)
    assert line.get(f"/runs/{run['id']}")["recipe"] == found["recipe"]
    line.post(f"/runs/{run['id']}/cancel")


def test_a_line_promotes_by_itself_once_told(line: CatalogueLine) -> None:
    """PATCH sets `auto_promote`, and the line shows it."""
    url = f"/api/v1/lines/{line.name}"
    client = line.server.client
    assert client.get(url).json()["auto_promote"] is False
    assert client.patch(url, json={"auto_promote": True}).json()["auto_promote"] is True
    assert client.patch(url, json={"policy": {}}).json()["auto_promote"] is True
    assert client.get(url).json()["auto_promote"] is True
