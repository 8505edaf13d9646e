"""Versions over HTTP: made from what was labelled, compared, resolved, activated, exported."""

import io
import json
import zipfile
from urllib.parse import quote

import pytest

from tests.api.catalogue import JSON, CatalogueLine
from tests.pictures import photo
from tests.running import RunningServer


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """A line with a version of four pictures."""
    line = CatalogueLine(server, "Glass", "Metal")
    for seed in range(4):
        line.add("Glass" if seed % 2 else "Metal", seed, split="train")
    line.post("/versions", 201, json={"from": "staged", "name": "first", "notes": "four pictures"})
    return line


def image(line: CatalogueLine, name: str) -> JSON:
    """The picture of that name."""
    (found,) = line.get("/images", text=name)["images"]
    return found  # type: ignore[no-any-return]  # JSON


def relabel(line: CatalogueLine, name: str, class_name: str) -> None:
    """The picture of that name has another label."""
    path = f"/images/{image(line, name)['sha256']}/label"
    line.call("PUT", path, 200, json={"class": class_name})


def test_a_first_version_is_active(line: CatalogueLine) -> None:
    """It has what was staged, who made it and why; by number, name or as the active one."""
    views = [line.get(f"/versions/{name}") for name in ("1", "v1", "first", "active")]
    assert views[0] == views[1] == views[2] == views[3]
    first = views[0]
    assert (first["size"], first["added"], first["parent"], first["active"]) == (4, 4, None, True)
    assert (first["made_from"], first["notes"], first["author"], first["state"]) == (
        "staged",
        "four pictures",
        "tester",
        "ready",
    )
    assert line.get("/versions/7", 404)["type"] == "urn:sortline:unknown-version"
    nothing = line.post("/versions", 409, json={"from": "staged"})
    assert nothing["type"] == "urn:sortline:nothing-changed"


def test_a_version_keeps_its_labels(line: CatalogueLine) -> None:
    """What is said of a picture later does not change it; its child differs by that."""
    relabel(line, "0.jpg", "Glass")
    line.add("Metal", 9, split="test")
    second = line.post("/versions", 201, json={"from": "staged", "name": "second"})
    assert (second["parent"], second["added"], second["relabelled"], second["active"]) == (1, 1, 1, False)
    before = {one["name"]: one["class"] for one in line.get("/versions/1/images")["images"]}
    assert before == {"0.jpg": "Metal", "1.jpg": "Glass", "2.jpg": "Metal", "3.jpg": "Glass"}
    after = line.get("/images", version="second", **{"class": "Glass"})["images"]
    assert [one["name"] for one in after] == ["3.jpg", "1.jpg", "0.jpg"]
    assert line.post("/versions/second/activate")["active"] is True
    assert [(one["number"], one["active"]) for one in line.get("/versions")["versions"]] == [
        (2, True),
        (1, False),
    ]


def test_versions_are_compared(line: CatalogueLine) -> None:
    """With the parent unless told otherwise; both ways; page by page."""
    relabel(line, "0.jpg", "Glass")
    line.add("Metal", 9)
    line.post("/versions", 201, json={"from": "staged"})
    line.post(
        "/versions", 201, json={"from": "changes", "parent": "2", "remove": [image(line, "1.jpg")["id"]]}
    )
    diff = line.get("/versions/3/diff", against="1")
    assert diff["counts"] == {"added": 1, "removed": 1, "relabelled": 1, "resplit": 0}
    steps = {one["image"]["name"]: (one["kind"], one["before"], one["after"]) for one in diff["changes"]}
    assert steps["0.jpg"][0] == "relabelled"
    assert (steps["0.jpg"][1]["class"], steps["0.jpg"][2]["class"]) == ("Metal", "Glass")
    assert (steps["1.jpg"][0], steps["1.jpg"][2]) == ("removed", None)
    assert line.get("/versions/3/diff")["counts"]["removed"] == 1
    assert line.get("/versions/1/diff", against="3")["counts"]["removed"] == 1
    assert line.get("/versions/1/diff")["counts"]["added"] == 4
    page = line.get("/versions/3/diff", against="1", limit=2)
    rest = line.get("/versions/3/diff", against="1", limit=2, cursor=page["next_cursor"])
    assert len(page["changes"]) + len(rest["changes"]) == 3
    assert rest["next_cursor"] is None


def test_versions_branch_and_merge(line: CatalogueLine) -> None:
    """Two children of one version; a conflict has to be decided."""
    first, second = image(line, "0.jpg")["id"], image(line, "1.jpg")["id"]
    left = {"from": "changes", "parent": "1", "name": "left", "relabel": {first: "Glass"}}
    right = {
        "from": "changes",
        "parent": "1",
        "name": "right",
        "relabel": {second: "Metal"},
        "remove": [first],
    }
    for body in (left, right):
        line.post("/versions", 201, json=body)
    merge = {"from": "merge", "parent": "left", "version": "right"}
    assert line.post("/versions", 409, json=merge)["type"] == "urn:sortline:merge-conflicts"
    merged = line.post("/versions", 201, json=merge | {"prefer": "ours", "activate": True})
    assert (merged["parent"], merged["merged"], merged["active"]) == (2, 3, True)
    classes = {one["name"]: one["class"] for one in line.get("/versions/active/images")["images"]}
    assert classes == {"0.jpg": "Glass", "1.jpg": "Metal", "2.jpg": "Metal", "3.jpg": "Glass"}
    restored = line.post("/versions", 201, json={"from": "restore", "version": "first"})
    assert line.get(f"/versions/{restored['number']}/diff", against="1")["changes"] == []


def test_a_version_from_a_filter(line: CatalogueLine) -> None:
    """Exactly what meets it."""
    made = line.post("/versions", 201, json={"from": "filter", "filter": {"class": "Glass"}})
    assert (made["size"], made["removed"]) == (2, 2)
    names = [one["name"] for one in line.get(f"/versions/{made['number']}/images")["images"]]
    assert names == ["3.jpg", "1.jpg"]


def test_a_version_from_an_import(server: RunningServer) -> None:
    """One that made none itself."""
    line = CatalogueLine(server)
    queued = line.import_zip({f"a/{n}.jpg": photo(seed=n) for n in range(3)}, version="false")
    line.work()
    made = line.post("/versions", 201, json={"from": "import", "import": queued["id"]})
    assert (made["size"], made["made_from"]) == (3, "import")
    other = line.import_zip({f"a/{n}.jpg": photo(seed=n) for n in range(5)})
    line.work()
    assert line.get(f"/imports/{other['id']}")["version"] == 2


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"from": "merge"}, 422, "invalid-request"),
        ({"from": "restore"}, 422, "invalid-request"),
        ({"from": "import"}, 422, "invalid-request"),
        ({"from": "filter"}, 422, "invalid-request"),
        ({"from": "thin air"}, 422, "invalid-request"),
        ({"from": "import", "import": "0" * 32}, 404, "unknown-import"),
        ({"from": "restore", "version": "none"}, 404, "unknown-version"),
        ({"from": "filter", "filter": {"class": "none"}}, 404, "unknown-class"),
        ({"from": "changes", "add": [1 << 40]}, 404, "unknown-picture"),
        ({"from": "restore", "version": "1", "parent": "none"}, 404, "unknown-version"),
    ],
)
def test_versions_that_cannot_be_made(line: CatalogueLine, body: JSON, status: int, kind: str) -> None:
    """Each says what is wrong."""
    assert line.post("/versions", status, json=body)["type"] == f"urn:sortline:{kind}"


def test_names_of_versions(line: CatalogueLine) -> None:
    """Taken, like a number, and with what a URL has to escape."""
    line.add("Glass", 9)
    for name, status in (
        ("first", 409),
        ("7", 422),
        ("v7", 422),
        ("active", 422),
        ("späte Ernte 100 %", 201),
    ):
        line.post("/versions", status, json={"from": "staged", "name": name})
    assert line.get(f"/versions/{quote('späte Ernte 100 %')}")["number"] == 2


def test_a_version_is_exported(line: CatalogueLine) -> None:
    """As a ZIP with splits, in each format; what it says of itself is in it."""
    line.add("Glass", 9)  # staged, in no version
    client = line.server.client
    for format_ in ("folders", "coco", "csv", "parquet", "huggingface"):
        answer = client.get(f"/api/v1/lines/{line.name}/versions/first/export", params={"format": format_})
        assert answer.headers["content-type"] == "application/zip"
        assert "attachment" in answer.headers["content-disposition"]
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert archive.testzip() is None
        assert sum(name.endswith(".jpg") for name in archive.namelist()) == 4
        told = json.loads(archive.read("sortline.json"))
        assert (told["line"], told["version"], told["written"]) == (line.name, "first", 4)
    assert line.get("/versions/none/export", 404)["type"] == "urn:sortline:unknown-version"


def test_an_export_comes_back_the_same(line: CatalogueLine) -> None:
    """Sent to another line as an import, it has the same classes and splits."""
    export = line.server.client.get(f"/api/v1/lines/{line.name}/versions/1/export").content
    other = CatalogueLine(line.server)
    other.post("/imports", 202, files={"file": ("e.zip", export)})
    other.work()
    assert {
        (one["name"].rpartition("/")[2], one["class"], one["split"]) for one in other.get("/images")["images"]
    } == {(one["name"], one["class"], one["split"]) for one in line.get("/versions/1/images")["images"]}
