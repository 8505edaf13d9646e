"""Jobs over HTTP: listed, shown, cancelled, and watched while a worker is at them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sortline.db.session import writing
from sortline.jobs import store, worker_store
from sortline.jobs.job import Job, LogLine, State
from sortline.jobs.worker_store import Report
from tests.running import RunningServer
from tests.waiting import soon


class Working:
    """A job on a server, and what a worker would do to it."""

    def __init__(self, server: RunningServer) -> None:
        """A new job."""
        self.server, self.lines = server, 0
        with writing(server.services.engine) as session:
            self.job = store.enqueue(session, "train", {"line": "waste"}, who="tester", exclusive=None)
        self.path = f"/api/v1/jobs/{self.job.id}"

    def take(self) -> None:
        """A worker has the job."""
        with writing(self.server.services.engine) as session:
            taken = worker_store.take(session, self.job.id, "a")
        assert taken is not None
        self.job: Job = taken

    def tell(self, *texts: str, **progress: object) -> None:
        """The job tells its progress and these lines."""
        numbers = range(self.lines + 1, self.lines + 1 + len(texts))
        self.lines += len(texts)
        lines = [LogLine(number=n, at=datetime.now(UTC), text=t) for n, t in zip(numbers, texts, strict=True)]
        with writing(self.server.services.engine) as session:
            report = Report(progress=progress, lines=lines, step_done=False)
            assert worker_store.write_report(session, self.job, report)

    def end(self, state: State, error: str | None = None) -> None:
        """The job has ended."""
        with writing(self.server.services.engine) as session:
            assert worker_store.end(session, self.job, state, error)

    def get(self, path: str = "", **headers: str) -> Any:
        """The answer to a GET."""
        return self.server.client.get(self.path + path, headers=headers)


@pytest.fixture
def working(server: RunningServer) -> Working:
    """A job that waits."""
    return Working(server)


def events(lines: Iterator[str]) -> Iterator[tuple[str, str | None, Any]]:
    """The events of a stream: name, id, data."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            found[name] = value
        elif found:
            yield found["event"], found.get("id"), json.loads(found["data"])
            found = {}


def whole(answer: httpx.Response) -> list[tuple[str, str | None, Any]]:
    """Every event of an answer that has ended."""
    return list(events(iter(answer.text.splitlines())))


def test_a_job_is_shown_as_it_stands(working: Working) -> None:
    """Waiting, at work with its progress, failed with the reason; and the newest is first in the list."""
    waits = working.get().json()
    assert (waits["state"], waits["args"], waits["who"]) == ("queued", {"line": "waste"}, "tester")
    working.take()
    working.tell(phase="training", done=3, total=20)
    assert working.get().json()["progress"] == {"phase": "training", "done": 3, "total": 20}
    working.end(State.FAILED, "the hub is away")
    failed = working.get().json()
    assert (failed["state"], failed["error"]) == ("failed", "the hub is away")
    listed = working.server.client.get("/api/v1/jobs", params={"kind": "train", "limit": 1}).json()
    assert [job["id"] for job in listed["jobs"]] == [failed["id"]]


def test_the_list_is_chosen_from_and_paged(server: RunningServer) -> None:
    """By kind and state; a cursor that is none of ours is refused."""
    made = [Working(server).job.id for _ in range(3)]
    first = server.client.get("/api/v1/jobs", params={"state": "queued", "limit": 2}).json()
    assert [job["id"] for job in first["jobs"]] == made[:0:-1]
    second = server.client.get("/api/v1/jobs", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert second["jobs"][0]["id"] == made[0]
    assert server.client.get("/api/v1/jobs", params={"kind": "juggle"}).json()["jobs"] == []
    refused = server.client.get("/api/v1/jobs", params={"cursor": "yesterday"})
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:sortline:bad-cursor")


def test_cancelling(working: Working) -> None:
    """A job that waits has ended; one at work is asked to end."""
    answer = working.server.client.post(f"{working.path}/cancel").json()
    assert (answer["state"], answer["cancelling"]) == ("cancelled", True)
    other = Working(working.server)
    other.take()
    answer = other.server.client.post(f"{other.path}/cancel").json()
    assert (answer["state"], answer["cancelling"]) == ("running", True)


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
def test_an_unknown_job_is_told(server: RunningServer, path: str) -> None:
    """404, also where a stream was asked for."""
    method = "POST" if path == "/cancel" else "GET"
    answer = server.client.request(method, f"/api/v1/jobs/{'0' * 32}{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:sortline:unknown-job")


def test_the_events_of_an_ended_job_are_all_there_is(working: Working) -> None:
    """How it stands, its log, the end; asked again from the end on there is nothing more."""
    working.take()
    working.tell("one", "two\nlines", "three", done=3)
    working.end(State.SUCCEEDED)
    answer = working.get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (first, _, job), *logged, (last, last_id, end) = whole(answer)
    assert (first, last, last_id) == ("job", "end", "3.end")
    assert job["progress"] == {"done": 3}
    assert end["state"] == "succeeded"
    assert [(name, number, line["text"]) for name, number, line in logged] == [
        ("log", "1", "one"),
        ("log", "2", "two\nlines"),
        ("log", "3", "three"),
    ]
    assert working.get("/events", **{"Last-Event-ID": "3.end"}).status_code == 204


def test_a_stream_that_broke_off_goes_on_behind_the_last_line(working: Working) -> None:
    """By the id that a browser sends by itself; an id that is none of ours stands for the beginning."""
    working.take()
    working.tell("one", "two", "three")
    working.end(State.SUCCEEDED)
    resumed = whole(working.get("/events", **{"Last-Event-ID": "2"}))
    assert [line["text"] for name, _, line in resumed if name == "log"] == ["three"]
    again = whole(working.get("/events", **{"Last-Event-ID": "-1; what"}))
    assert len([name for name, _, _ in again if name == "log"]) == 3


def test_a_job_is_watched_while_it_runs(working: Working) -> None:
    """Each change and each line, until it ends; meanwhile the server answers others."""
    working.take()
    seen: list[tuple[str, str | None, Any]] = []

    def watch() -> None:
        server = working.server
        url = server.url + working.path + "/events"
        with httpx.stream("GET", url, timeout=120, headers=server.headers) as stream:
            seen.extend(events(stream.iter_lines()))

    def heard(epoch: int) -> bool:
        told = {job["progress"].get("done") for name, _, job in list(seen) if name == "job"}
        return epoch in told and len([name for name, *_ in list(seen) if name == "log"]) == epoch

    watcher = threading.Thread(target=watch)
    watcher.start()
    soon(lambda: bool(seen))
    for epoch in range(1, 4):
        working.tell(f"epoch {epoch}", done=epoch)
        assert working.server.client.get("/health/live").status_code == 200
        soon(lambda epoch=epoch: heard(epoch))  # type: ignore[misc]
    working.end(State.SUCCEEDED)
    watcher.join(timeout=120)
    assert [line["text"] for name, _, line in seen if name == "log"] == ["epoch 1", "epoch 2", "epoch 3"]
    told = [job["progress"].get("done") for name, _, job in seen if name == "job"]
    assert told[:4] == [None, 1, 2, 3]
    assert seen[-1][0] == "end"
