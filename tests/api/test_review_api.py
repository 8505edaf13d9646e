"""The review loop over HTTP, as the web app and clients use it."""

from __future__ import annotations

import httpx
import pytest

from sortline.flows.set_aside import set_aside
from tests.api.catalogue import JSON, CatalogueLine
from tests.pictures import photo
from tests.running import RunningServer


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """An empty line with two classes."""
    return CatalogueLine(server, "Glass", "Metal")


def queue(line: CatalogueLine, *seeds: int) -> None:
    """These drawn pictures wait for review."""
    services = line.server.services
    for seed in seeds:
        set_aside(
            services.engine,
            services.installation.blobs,
            services.live[line.name].id,
            photo(seed=seed),
            guessed=None,
            source="belt-1",
        )


def lease(line: CatalogueLine, **wanted: object) -> list[JSON]:
    """The items that the caller is given."""
    found: list[JSON] = line.post("/review/lease", json=wanted)["items"]
    return found


def decide(line: CatalogueLine, *decisions: JSON) -> JSON:
    """What became of the decisions."""
    return line.post("/review/decide", json={"decisions": list(decisions)})


def test_a_picture_goes_from_the_queue_into_the_catalogue(line: CatalogueLine) -> None:
    """Listed, leased, looked at, labelled, staged for the next version, undone."""
    queue(line, 1, 2)
    listed = line.get("/review")
    assert (len(listed["items"]), listed["next"]) == (2, None)
    first, second = lease(line, limit=2)
    assert (first["reason"], first["class"], first["label"], first["state"]) == (
        "uploaded",
        None,
        None,
        "open",
    )
    assert first["lease_by"] is not None
    client = line.server.client
    file = client.get(first["file"])
    assert (file.headers["content-type"], len(file.content)) == ("image/jpeg", first["bytes"])
    thumbnail = client.get(first["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/webp"
    assert client.get(first["file"], headers={"If-None-Match": file.headers["etag"]}).status_code == 304
    told = decide(
        line,
        {"item": first["id"], "action": "label", "class": "Glass", "ms": 900},
        {"item": second["id"], "action": "label", "class": "Bottle cap", "new_class": True},
    )
    assert [one["label"] for one in told["decided"]] == ["Glass", "Bottle cap"]
    assert line.get(f"/images/{first['sha256']}")["class"] == "Glass"
    assert line.get("/review")["items"] == []
    assert {one["label"] for one in line.get("/review", state="done")["items"]} == {"Bottle cap", "Glass"}
    (undone,) = line.post("/review/undo", json={})["undone"]
    assert (undone["item"], undone["state"]) == (second["id"], "open")
    assert line.get(f"/review/{second['id']}")["state"] == "open"


def test_leases_are_renewed_and_given_back(line: CatalogueLine) -> None:
    """By whoever has them."""
    queue(line, 1)
    (item,) = lease(line, seconds=60)
    assert line.post("/review/renew", json={"items": [item["id"]], "seconds": 600})["items"] == [item["id"]]
    assert line.get(f"/review/{item['id']}")["lease_until"] > item["lease_until"]
    assert line.post("/review/release", json={"items": [item["id"]]})["items"] == [item["id"]]
    assert line.get(f"/review/{item['id']}")["lease_by"] is None


def test_refusals_name_their_problem(line: CatalogueLine) -> None:
    """With the types of problem documents; the rest is decided."""
    queue(line, 1, 2)
    one, other = (item["id"] for item in lease(line))
    decide(line, {"item": one, "action": "unusable"})
    told = decide(
        line,
        {"item": one, "action": "label", "class": "Glass"},
        {"item": other, "action": "label"},
        {"item": other, "action": "label", "class": "Wood"},
        {"item": "0" * 32, "action": "skip"},
        {"item": other, "action": "defer"},
    )
    assert [refused["type"].removeprefix("urn:sortline:") for refused in told["refused"]] == [
        "already-decided",
        "label-missing",
        "unknown-class",
        "unknown-item",
    ]
    assert [done["state"] for done in told["decided"]] == ["open"]
    assert lease(line) == []
    assert line.get("/review/" + "0" * 32, 404)["type"] == "urn:sortline:unknown-item"


def test_filters_and_pages_of_the_list(line: CatalogueLine) -> None:
    """The cursor goes through the queue, and filters narrow it."""
    queue(line, 1, 2, 3)
    first = line.get("/review", limit=2)
    rest = line.get("/review", limit=2, cursor=first["next"])
    assert len({item["id"] for item in (*first["items"], *rest["items"])}) == 3
    assert line.get("/review", reason="unknown")["items"] == []
    assert len(line.get("/review", reason="uploaded", source="belt-1", max_score=0.5)["items"]) == 3
    assert line.get("/review", until="2020-01-01T00:00:00Z")["items"] == []
    assert line.get("/review", 400, cursor="nonsense")["type"] == "urn:sortline:bad-cursor"


def test_settings_decide_who_is_asked(line: CatalogueLine) -> None:
    """With second opinions for all, the first label leaves the item open, and its giver is not asked again."""
    assert line.get("/review/settings")["second_opinions"] == 0
    line.call("PUT", "/review/settings", 200, json={"second_opinions": 1.0})
    queue(line, 1)
    (item,) = lease(line)
    (made,) = decide(line, {"item": item["id"], "action": "label", "class": "Glass"})["decided"]
    assert (made["state"], made["label"]) == ("open", None)
    assert lease(line) == []
    assert line.get(f"/review/{item['id']}")["label"] is None


def test_stats_clusters_and_similar_answer_on_any_queue(line: CatalogueLine) -> None:
    """Where nothing has an embedding, nothing looks alike."""
    queue(line, 1)
    stats = line.get("/review/stats", days=7)
    assert (stats["waiting"], stats["accuracy"], len(stats["per_day"])) == ({"uploaded": 1}, None, 7)
    assert line.get("/review/clusters")["clusters"] == []
    (item,) = line.get("/review")["items"]
    assert line.get(f"/review/{item['id']}/similar")["items"] == []


def test_an_answer_is_corrected(server: RunningServer) -> None:
    """By its id, with the picture or without; it shows among the confusions."""
    client = server.client

    def classified(seed: int) -> JSON:
        answer: httpx.Response = client.post(
            "/api/v1/lines/waste/classify", files={"image": photo(seed=seed)}
        )
        found: JSON = answer.json()
        return found

    answer = classified(71)
    labels = client.get("/api/v1/lines/waste").json()["classes"]
    other = next(name for name in labels if name != answer["class"])
    path = f"/api/v1/lines/waste/predictions/{answer['id']}/correct"
    bad = client.post(path, json={"class": 7})
    assert bad.status_code == 422
    made = client.post(path, data={"class": other}, files={"image": ("71.jpg", photo(seed=71))})
    assert made.status_code == 200, made.text
    assert made.json()["label"] == other
    undone = client.post(
        "/api/v1/lines/waste/review/undo", json={"decisions": [made.json()["decision"]]}
    ).json()
    assert len(undone["undone"]) == 1
    unknown = client.post(f"/api/v1/lines/waste/predictions/{'0' * 32}/correct", json={"class": other})
    assert unknown.status_code == 404
