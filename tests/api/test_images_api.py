"""A line's pictures over HTTP: added, found, looked at, labelled, erased."""

import pytest

from tests.api.catalogue import CatalogueLine
from tests.pictures import bad_inputs, drawn, encode, photo
from tests.running import RunningServer


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """An empty line with two classes."""
    return CatalogueLine(server, "Glass", "Metal")


def test_an_added_picture_can_be_found(line: CatalogueLine) -> None:
    """It has its class, a split, who labelled it, and where its file and thumbnails are."""
    added = line.add("Glass", 1, source="shop-1")
    assert (added["outcome"], added["problems"]) == ("added", [])
    image = line.get(f"/images/{added['image']['sha256']}")
    assert (image["class"], image["source"], image["name"]) == ("Glass", "shop-1", "1.jpg")
    assert image["split"] in {"train", "validation", "test"}
    (event,) = image["history"]
    assert (event["class"], event["origin"], event["who"]) == ("Glass", "upload", "tester")
    client = line.server.client
    file = client.get(image["urls"]["file"])
    assert (file.headers["content-type"], len(file.content)) == ("image/jpeg", image["bytes"])
    for size in ("128", "384"):
        thumbnail = client.get(image["urls"]["thumbnails"][size])
        assert thumbnail.headers["content-type"] == "image/webp"
    assert line.get("/images")["images"][0]["sha256"] == image["sha256"]


def test_files_are_cached_for_good(line: CatalogueLine) -> None:
    """The hash is the ETag; whoever has it gets 304, and need not even ask."""
    urls = line.add("Glass", 1)["image"]["urls"]
    for url in (urls["file"], urls["thumbnails"]["128"]):
        first = line.server.client.get(url)
        assert "immutable" in first.headers["cache-control"]
        for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
            again = line.server.client.get(url, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
        assert line.server.client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert line.server.client.get(urls["thumbnails"]["128"].replace("128", "77")).status_code == 422


def test_the_same_picture_is_kept_once(line: CatalogueLine) -> None:
    """Again it is known; under another label the first one stays, unless told otherwise."""
    first = line.add("Glass", 1)["image"]
    assert line.add("Glass", 1)["outcome"] == "known"
    other = line.add("Metal", 1)
    assert [problem["code"] for problem in other["problems"]] == ["label-conflict"]
    assert other["image"]["class"] == "Glass"
    changed = line.add("Metal", 1, relabel="true")
    assert (changed["outcome"], changed["image"]["class"]) == ("relabelled", "Metal")
    assert changed["image"]["id"] == first["id"]
    assert len(line.get("/images")["images"]) == 1


@pytest.mark.parametrize("name", bad_inputs())
def test_what_is_no_picture_is_refused(line: CatalogueLine, name: str) -> None:
    """With a problem below 500, and nothing is kept."""
    answer = line.server.client.post(
        f"/api/v1/lines/{line.name}/images",
        files={"image": ("x", bad_inputs()[name])},
        data={"class": "Glass"},
    )
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert line.get("/images")["images"] == []


def test_labels_that_cannot_be_given_are_refused(line: CatalogueLine) -> None:
    """Unknown, retired, missing; a new one only when asked for."""
    assert line.add("Wood", 1, 404)["type"] == "urn:sortline:unknown-class"
    line.call("PATCH", "/classes/Metal", 200, json={"retired": True})
    assert line.add("Metal", 1, 409)["type"] == "urn:sortline:retired-class"
    files = {"image": ("1.jpg", photo(seed=1))}
    assert "class" in line.post("/images", 422, files=files)["detail"]
    assert line.post("/images", 422, files=files, data={"class": "Glass", "split": "half"})
    assert line.add("Wood", 1, new_class="true")["image"]["class"] == "Wood"


def test_a_label_can_be_changed_and_undone(line: CatalogueLine) -> None:
    """Each change is an event; undoing twice redoes; an event that is not the newest is not undone."""
    image = line.add("Glass", 1)["image"]
    path = f"/images/{image['sha256']}"
    assert line.call("PUT", f"{path}/label", 200, json={"class": "Metal"})["class"] == "Metal"
    correction = line.get(path)["history"][-1]
    assert correction["origin"] == "correction"
    assert line.post(f"{path}/label/undo", json={"event": correction["id"]})["class"] == "Glass"
    refused = line.post(f"{path}/label/undo", 409, json={"event": correction["id"]})
    assert refused["type"] == "urn:sortline:not-newest-event"
    assert line.post(f"{path}/label/undo", json={})["class"] == "Metal"
    assert line.call("PUT", f"{path}/label", 200, json={"class": None})["class"] is None
    assert [image["class"] for image in line.get("/images", unlabelled=True)["images"]] == [None]
    assert (
        line.post(f"{path}/label/undo", 404, json={"event": "0" * 32})["type"] == "urn:sortline:unknown-event"
    )


def test_pictures_are_filtered(line: CatalogueLine) -> None:
    """By class, split, source, words in the name and time; filters add up."""
    for seed in range(6):
        line.add("Glass" if seed % 2 else "Metal", seed, source=f"s{seed % 3}", split="train")
    assert len(line.get("/images", **{"class": "Glass"})["images"]) == 3
    assert len(line.get("/images", split="train")["images"]) == 6
    assert line.get("/images", split="test")["images"] == []
    assert [one["name"] for one in line.get("/images", **{"class": "Glass", "source": "s0"})["images"]] == [
        "3.jpg"
    ]
    assert [one["name"] for one in line.get("/images", text="5.J")["images"]] == ["5.jpg"]
    newest, *_, oldest = line.get("/images")["images"]
    assert len(line.get("/images", since=newest["added_at"], text="5")["images"]) <= 1
    assert line.get("/images", until="2020-01-01")["images"] == []
    assert len(line.get("/images", since="2020-01-01")["images"]) == 6
    assert oldest["name"] == "0.jpg"
    assert line.get("/images", 404, **{"class": "Wood"})["type"] == "urn:sortline:unknown-class"


def test_pages_follow_each_other(line: CatalogueLine) -> None:
    """Every picture comes once, newest first, also when some are added meanwhile."""
    for seed in range(5):
        line.add("Glass", seed)
    first = line.get("/images", limit=2)
    line.add("Glass", 77)
    second = line.get("/images", limit=2, cursor=first["next_cursor"])
    third = line.get("/images", limit=2, cursor=second["next_cursor"])
    names = [one["name"] for page in (first, second, third) for one in page["images"]]
    assert names == ["4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg"]
    assert third["next_cursor"] is None
    assert line.get("/images", 400, cursor="x")["type"] == "urn:sortline:bad-cursor"


def test_near_duplicates_and_what_is_wrong_with_them(line: CatalogueLine) -> None:
    """A re-encoded copy joins the group; another label is a conflict, another split a leak, and leaks are mended."""
    line.add("Glass", 1, split="train")
    copy = line.post(
        "/images",
        201,
        files={"image": ("copy.jpg", encode(drawn(seed=1), quality=80))},
        data={"class": "Metal", "split": "test"},
    )
    assert {problem["code"] for problem in copy["problems"]} == {"near-duplicate-label-conflict", "leak"}
    for kind in ("duplicates", "conflicts", "leaks"):
        (group,) = line.get(f"/{kind}")["groups"]
        assert [image["name"] for image in group["images"]] == ["1.jpg", "copy.jpg"]
    detail = line.get(f"/images/{copy['image']['sha256']}")
    assert [image["name"] for image in detail["near_duplicates"]] == ["1.jpg"]
    assert line.post("/leaks/resplit")["mended"] == 1
    assert line.get("/leaks")["groups"] == []
    assert [one["split"] for one in line.get("/images")["images"]] == ["test", "test"]


def test_an_erased_picture_leaves_a_tombstone(line: CatalogueLine) -> None:
    """Its file and thumbnails are gone for good; that it was there, and what counts it, stays."""
    image = line.add("Glass", 1001)["image"]
    path = f"/images/{image['sha256']}"
    line.server.client.get(image["urls"]["thumbnails"]["128"])
    assert line.call("DELETE", path, 200) == {"erased": 1, "already": 0, "places": []}
    assert line.call("DELETE", path, 200)["already"] == 1
    for url in (image["urls"]["file"], image["urls"]["thumbnails"]["128"]):
        gone = line.server.client.get(url)
        assert (gone.status_code, gone.json()["type"]) == (410, "urn:sortline:erased-picture")
    left = line.get(path)
    assert (left["class"], left["urls"], left["name"]) == ("Glass", None, None)
    assert left["erased_at"] is not None
    assert line.add("Glass", 1001, 410)["type"] == "urn:sortline:erased-picture"


def test_everything_from_a_source_is_erased(line: CatalogueLine) -> None:
    """And nothing else."""
    for seed in (2001, 2002, 2003):
        line.add("Glass", seed, source="belt" if seed == 2001 else "phone")
    assert line.post("/images/erase", json={"source": "phone"})["erased"] == 2
    standing = [one["source"] for one in line.get("/images")["images"] if one["erased_at"] is None]
    assert standing == ["belt"]


def test_a_picture_of_another_line_is_not_shown(line: CatalogueLine, server: RunningServer) -> None:
    """Lines do not see each other's pictures, whatever hash is asked for."""
    sha256 = line.add("Glass", 1)["image"]["sha256"]
    other = CatalogueLine(server)
    for path in ("", "/file", "/thumbnail"):
        assert other.get(f"/images/{sha256}{path}", 404)["type"] == "urn:sortline:unknown-picture"
    assert other.call("DELETE", f"/images/{sha256}", 404)
    assert other.get("/images/nonsense", 422)["type"] == "urn:sortline:invalid-request"
