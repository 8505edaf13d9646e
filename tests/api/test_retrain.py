"""Clients of the systems Sortline replaces ask for a retrain as they always did, and get one."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from sortline.db.session import reading, writing
from sortline.flows.retrain import retrain
from sortline.flows.uploads import uploads_folder
from sortline.flows.work import run_next_import
from sortline.jobs import worker_store
from sortline.jobs.context import Context, Stopping
from sortline.jobs.job import State
from sortline.jobs.run import Run
from sortline.jobs.store import cancel
from sortline.review.item import ItemFilter
from sortline.review.store.items import list_items
from sortline.training.store import runs as store
from sortline.wiring import import_tools, job_kinds
from tests.api.catalogue import CatalogueLine, zipped
from tests.pictures import photo
from tests.running import RunningServer
from tests.training_runs import blot, done

JSON = dict[str, Any]


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """An empty line without classes."""
    return CatalogueLine(server)


def post(line: CatalogueLine, status: int = 200, **arguments: Any) -> JSON:
    """What a retrain of the line answers."""
    answer = line.server.client.post(f"/lines/{line.name}/retrain", **arguments)
    assert answer.status_code == status, answer.text
    found: JSON = answer.json()
    assert {"success", "message", "status", "run_id", "images_received", "new_classes"} <= set(found)
    return found


def images(*files: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    """A form with these pictures."""
    return [("images", (f"{number}.jpg", data)) for number, data in enumerate(files)]


def job_of(line: CatalogueLine, run_id: str) -> str:
    """The id of the job that does a run."""
    with reading(line.server.services.engine) as session:
        return store.get_run(session, run_id).job_id


def end(line: CatalogueLine, run_id: str) -> None:
    """A run that waits has ended, so that no other test's worker does it."""
    with writing(line.server.services.engine) as session:
        cancel(session, store.get_run(session, run_id).job_id)


def stage(line: CatalogueLine, **classes: int) -> None:
    """So many labelled pictures of each class wait for a version."""
    for colour, count in classes.items():
        answer = line.server.client.post(
            f"/lines/{line.name}/upload/batch",
            params={"class_names": colour},
            files=[("files", (f"{n}.jpg", blot(colour, n))) for n in range(count)],
        )
        assert answer.status_code == 200, answer.text


class Killed(Exception):
    """What a test throws where a worker dies."""


def take_up(line: CatalogueLine, run_id: str, *, dies_after: str | None = None) -> list[str]:
    """The steps that are run of a run's job by a worker without memory, up to where it dies."""
    ran: list[str] = []
    engine = line.server.services.engine
    with writing(engine) as session:
        job = worker_store.take(session, job_of(line, run_id), "a")
    assert job is not None

    def step(name: str, function: Any) -> Any:
        result = function()
        ran.append(name)
        if name == dies_after:
            raise Killed
        return result

    run = Run(job, last_line=0, stopping=Event(), known_until=lambda: float("inf"))
    tools = job_kinds(line.server.services.installation)["retrain"].run.args[0]  # type: ignore[attr-defined]  # a partial
    try:
        retrain(tools, Context(run, step, retries=0))
    except (Killed, Stopping):
        with writing(engine) as session:
            worker_store.end(session, job, State.QUEUED)
    return ran


def test_what_is_staged_is_trained_on(line: CatalogueLine) -> None:
    """A retrain without a word makes a version of it, which becomes the active one, and a candidate of that."""
    stage(line, Red=30, Blue=30)
    line.post("/versions", 201, json={"from": "staged"})
    stage(line, Green=30)
    told = post(line)
    assert (told["success"], told["status"], told["images_received"]) == (True, "started", 0)
    assert told["new_classes"] == ["Blue", "Green", "Red"]
    done(line.server.services.installation, job_of(line, told["run_id"]))
    run = line.get(f"/runs/{told['run_id']}")
    assert (run["state"], run["error"], run["version"]) == ("succeeded", None, 2)
    version = line.get("/versions/active")
    assert (version["number"], version["added"], version["size"]) == (2, 30, 90)
    assert version["name"].startswith("retrain-")
    assert set(run["comparison"]["candidate_classes"]) == {"Red", "Green", "Blue"}
    listed = line.server.client.get(f"/lines/{line.name}/retrain/runs", params={"limit": 1}).json()
    assert listed["total"] == 1
    (older,) = listed["runs"]
    assert {"id", "started_at", "completed_at", "status", "metrics", "model_path"} <= set(older)
    assert (older["id"], older["status"]) == (told["run_id"], "completed")
    assert older["metrics"]["accuracy"] > 0.5
    assert older["model_path"].endswith(f"/models/{run['bundle']['hash']}/download")


def test_a_worker_that_dies_makes_the_version_once(line: CatalogueLine) -> None:
    """Killed behind the version's commit and before the step was kept: the next goes on with that version."""
    stage(line, Red=2, Blue=2)
    run_id = post(line)["run_id"]
    assert take_up(line, run_id, dies_after="version") == ["version"]
    first = line.get("/versions")["versions"]
    stage(line, Green=1)
    assert take_up(line, run_id, dies_after="version") == ["version"]
    assert line.get("/versions")["versions"] == first
    assert line.get(f"/runs/{run_id}")["version"] == 1
    end(line, run_id)


def test_labelled_pictures_are_taken_in_first(line: CatalogueLine) -> None:
    """With a class for each, or one for all, in the query or in the form; new classes are made."""
    pair = images(blot("Red", 1), blot("Blue", 1))
    told = post(line, files=pair, params={"class_names": "Red, Blue"})
    assert (told["images_received"], told["new_classes"]) == (2, ["Blue", "Red"])
    assert [one["class_name"] for one in told["results"]] == ["Red", "Blue"]
    repeated = post(line, files=pair[:1], data={"labels": "Green"})
    assert [one["outcome"] for one in repeated["results"]] == ["relabelled"]
    # Nobody has begun the first: it takes up these labels, too.
    assert repeated["run_id"] == told["run_id"]
    refused = line.server.client.post(
        f"/lines/{line.name}/retrain", files=pair, params={"labels": "Red,Blue,Green"}
    )
    assert (refused.status_code, refused.json()["success"]) == (422, False)
    end(line, told["run_id"])


def test_pictures_without_a_class_wait_for_a_person(line: CatalogueLine) -> None:
    """As `uploaded`, counted nowhere as seen; with nothing labelled there is no run, and the answer says why."""
    told = post(line, 409, files=images(photo(seed=1), photo(seed=2)))
    assert (told["success"], told["run_id"], told["images_received"]) == (False, None, 2)
    assert "no picture is labelled yet" in told["detail"]
    assert "2 pictures wait for a person" in told["message"]
    with reading(line.server.services.engine) as session:
        line_id = line.server.services.live[line.name].id
        waiting = list_items(session, line_id, ItemFilter(reason="uploaded")).items
    assert {item.image_sha256 for item in waiting} == {one["image_id"] for one in told["results"]}
    assert {(item.class_name, item.source, item.width) for item in waiting} == {("", "retrain", 120)}
    counts = line.get("/counts")
    assert (counts["total"], counts["review_open"]) == (0, 2)


def test_a_run_starts_on_what_is_labelled_while_others_wait(server: RunningServer) -> None:
    """On the default line the live model's guess goes with them; a labelled picture does not wait again."""
    client = server.client
    label = {"class_name": "Plastic"}
    assert client.post("/upload", params=label, files={"file": ("p.jpg", photo(seed=71))}).status_code == 200
    told = client.post("/retrain", files=images(photo(seed=71), photo(seed=72))).json()
    assert (told["success"], told["status"]) == (True, "started")
    assert [one["outcome"] for one in told["results"]] == ["labelled", "review"]
    with reading(server.services.engine) as session:
        waste = server.services.live["waste"]
        (item,) = list_items(session, waste.id, ItemFilter(reason="uploaded")).items
    assert item.class_name in waste.classes
    assert item.confidence > 0
    with writing(server.services.engine) as session:
        cancel(session, store.get_run(session, told["run_id"]).job_id)


def test_an_archive_is_imported_and_then_trained_on(line: CatalogueLine) -> None:
    """Answered at once; the run waits for the import, through deaths, and is made from the version of it."""
    files = {f"set/{name}/{n}.jpg": blot(name, n) for name in ("Red", "Blue") for n in range(6)}
    told = post(line, files={"data_zip": ("again.zip", zipped(files))})
    assert (told["status"], told["images_received"], told["new_classes"]) == ("started", 12, ["Blue", "Red"])
    run_id = told["run_id"]
    assert line.get(f"/runs/{run_id}")["version"] is None
    services = line.server.services
    # Other tests may have left imports that wait.
    while run_next_import(services.engine, lambda: import_tools(services.installation), Event()):
        pass
    stage(line, Green=1)
    assert take_up(line, run_id, dies_after="version") == ["version"]
    assert take_up(line, run_id, dies_after="version") == ["version"]
    version = line.get("/versions/active")
    assert (version["number"], version["size"], version["added"]) == (2, 13, 1)
    assert line.get(f"/runs/{run_id}")["version"] == 2
    end(line, run_id)


def test_a_run_whose_import_was_cancelled_fails_and_says_so(line: CatalogueLine) -> None:
    """And holds up nobody."""
    told = post(
        line, files={"data_zip": ("a.zip", zipped({"a/1.jpg": photo(seed=1), "b/2.jpg": photo(seed=2)}))}
    )
    (queued,) = line.get("/imports")["imports"]
    line.post(f"/imports/{queued['id']}/cancel")
    done(line.server.services.installation, job_of(line, told["run_id"]))
    run = line.get(f"/runs/{told['run_id']}")
    assert (run["state"], run["version"]) == ("failed", None)
    assert "was cancelled" in run["error"]


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [
        ({"files": {"data_zip": ("a.zip", b"no archive")}}, 422, "unreadable-source"),
        ({"files": {"data_zip": ("a.zip", zipped({"notes.txt": b"x"}))}}, 409, "nothing-to-train"),
        ({"files": [("images", ("1.jpg", b"text"))] * 2}, 415, "not-an-image"),
        ({"content": b"PK\3\4", "headers": {"Content-Type": "application/zip"}}, 400, "bad-multipart"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad-multipart"),
        ({"json": {"epochs": 3}}, 409, "nothing-to-train"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(
    line: CatalogueLine, arguments: JSON, status: int, kind: str
) -> None:
    """With the fields that older clients read; no run is queued and nothing is left of what was sent."""
    folder: Path = uploads_folder(line.server.services.settings.data_dir)
    before = sorted(folder.iterdir()) if folder.is_dir() else []
    answer = line.server.client.post(f"/lines/{line.name}/retrain", **arguments)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:sortline:{kind}")
    assert answer.json()["success"] is False
    assert line.get("/runs")["runs"] == []
    assert (sorted(folder.iterdir()) if folder.is_dir() else []) == before


RED = blot("Red", 1)
ZIP = zipped({"Red/1.jpg": RED})


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ({"files": {"zip": ("a.zip", ZIP)}}, 400, ["'data_zip'", "found: 'zip'"]),
        ({"files": {"data": ("a.zip", bytes(1 << 20))}}, 400, ["'data_zip'", "found: 'data'"]),
        ({"files": {"file": ("a.zip", ZIP)}}, 415, ["a.zip is a ZIP", "'data_zip'"]),
        ({"files": {"data_zip": (None, b"a.zip")}}, 400, ["-F data_zip=@PATH"]),
        ({"files": {"data_zip": ("a.zip", b"none")}}, 422, ["cannot read a.zip"]),
        ({"files": {"data_zip": ("a.zip", zipped({"1.jpg": RED}))}}, 409, ["1.jpg: "]),
        ({"files": {"data_zip": ("a.zip", zipped({"../Red/1.jpg": RED}))}}, 409, ["../Red/1.jpg: "]),
        (
            {"files": images(RED, RED), "data": {"class_names": "a,b,c"}},
            422,
            ["The parameter class_names is one class, or 2"],
        ),
        (
            {"files": images(RED), "data": {"class_name": "Red"}},
            409,
            ["Fields that were not read: class_name."],
        ),
    ],
    ids=["other", "large", "picture", "text", "broken", "no folder", "traversal", "labels", "misspelt"],
)
def test_a_refusal_names_the_field_and_no_path(
    line: CatalogueLine, arguments: JSON, status: int, says: list[str]
) -> None:
    """Whatever was sent in the wrong place, the answer says where it belongs."""
    answer = line.server.client.post(f"/lines/{line.name}/retrain", **arguments)
    assert answer.status_code == status, answer.text
    told = answer.json()
    for words in says:
        assert words in told.get("message", told["detail"])
    assert str(line.server.services.settings.data_dir) not in answer.text


def test_one_bad_picture_does_not_spoil_a_retrain(line: CatalogueLine) -> None:
    """Its error stands in its place."""
    files = images(b"text", blot("Red", 1), blot("Blue", 2))
    told = post(line, files=files, params={"class_names": "Red,Red,Blue"})
    assert (told["success"], told["images_received"]) == (True, 2)
    assert [one["success"] for one in told["results"]] == [False, True, True]
    assert told["results"][0]["type"] == "urn:sortline:not-an-image"
    end(line, told["run_id"])
