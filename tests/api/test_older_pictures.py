"""Clients of the systems Sortline replaces upload pictures and look at them as they always did."""

import pytest

from tests.api.catalogue import CatalogueLine
from tests.pictures import drawn, encode, photo
from tests.running import RunningServer


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """An empty line without classes."""
    return CatalogueLine(server)


def test_a_picture_is_uploaded(line: CatalogueLine) -> None:
    """Its class is made; the same picture under another class has that one from then on."""
    client, base = line.server.client, f"/lines/{line.name}"
    files = {"file": ("../p.jpg", photo(seed=1))}
    answer = client.post(f"{base}/upload", params={"class_name": "Paper"}, files=files).json()
    assert {"message", "image_id", "class_name", "filename"} <= set(answer)
    assert (answer["success"], answer["class_name"], answer["filename"]) == (True, "Paper", "p.jpg")
    assert line.get(f"/images/{answer['image_id']}")["class"] == "Paper"
    again = client.post(f"{base}/upload", params={"class_name": "Card"}, files=files).json()
    assert again["image_id"] == answer["image_id"]
    assert line.get(f"/images/{answer['image_id']}")["class"] == "Card"


@pytest.mark.parametrize("class_name", [None, "", " ", "a" * 201, "tab\tin"])
def test_an_upload_without_a_usable_class_is_refused(line: CatalogueLine, class_name: str | None) -> None:
    """4xx with the fields that older clients read."""
    answer = line.server.client.post(
        f"/lines/{line.name}/upload",
        params={} if class_name is None else {"class_name": class_name},
        files={"file": ("p.jpg", photo(seed=1))},
    )
    assert answer.status_code == 422
    assert {"success": False, "error": answer.json()["detail"]}.items() <= answer.json().items()


@pytest.mark.parametrize(
    ("class_names", "expected"), [("Paper", ["Paper"] * 2), ("Paper, Card", ["Paper", "Card"])]
)
def test_a_batch_is_uploaded(line: CatalogueLine, class_names: str, expected: list[str]) -> None:
    """With one class for all, or one for each."""
    files = [("files", (f"{seed}.jpg", photo(seed=seed))) for seed in (1, 2)]
    answer = line.server.client.post(
        f"/lines/{line.name}/upload/batch", params={"class_names": class_names}, files=files
    ).json()
    assert (answer["success"], answer["total"]) == (True, 2)
    assert [line.get(f"/images/{sha256}")["class"] for sha256 in answer["image_ids"]] == expected


def test_one_bad_picture_does_not_spoil_a_batch(line: CatalogueLine) -> None:
    """Its error stands in its place; where all are bad the request fails as a whole."""
    post = line.server.client.post
    url, good, bad = f"/lines/{line.name}/upload/batch", ("g.jpg", photo(seed=1)), ("b.jpg", b"text")
    mixed = post(url, params={"class_names": "a"}, files=[("files", bad), ("files", good)])
    assert (mixed.status_code, mixed.json()["total"]) == (200, 1)
    first, second = mixed.json()["results"]
    assert (first["success"], first["type"], first["filename"]) == (
        False,
        "urn:sortline:not-an-image",
        "b.jpg",
    )
    assert second["image_id"] == mixed.json()["image_ids"][0]
    assert post(url, params={"class_names": "a"}, files=[("files", bad)] * 2).status_code == 415
    assert post(url, params={"class_names": "a,b,c"}, files=[("files", good)] * 2).status_code == 422


def test_the_example_of_a_class_is_its_newest_picture(line: CatalogueLine) -> None:
    """With its true content type, whatever it was called; 404 without one."""
    png = encode(drawn(seed=3), "png")
    line.post("/classes", 201, json={"name": "a/b"})
    example = f"/lines/{line.name}/classes/a%2Fb/example"
    client = line.server.client
    assert client.get(example).json()["type"] == "urn:sortline:no-example"
    line.add("a/b", 1)
    line.post("/images", 201, files={"image": ("wrong.jpg", png)}, data={"class": "a/b"})
    found = client.get(example)
    assert found.headers["content-type"] == "image/png"
    assert found.content.startswith(b"\x89PNG")
    missing = client.get(f"/lines/{line.name}/classes/none/example")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:sortline:unknown-class")


def test_data_insights_in_the_old_shape(line: CatalogueLine) -> None:
    """Counts, three samples of each class that can be opened, and sizes."""
    url = f"/lines/{line.name}/data-insights"
    empty = line.server.client.get(url).json()
    assert (empty["class_distribution"], empty["image_dimensions"]["total_images"]) == ({}, 0)
    for seed in range(4):
        line.add("Glass", seed, new_class="true")
    wide = {"image": ("w.jpg", photo(200, 100, seed=9))}
    line.post("/images", 201, files=wide, data={"class": "Metal", "new_class": "true"})
    found = line.server.client.get(url).json()
    assert found["class_distribution"] == {"Glass": 4, "Metal": 1}
    assert {name: len(samples) for name, samples in found["sample_images"].items()} == {
        "Glass": 3,
        "Metal": 1,
    }
    for sample in found["sample_images"]["Glass"]:
        assert line.server.client.get(sample).headers["content-type"] == "image/jpeg"
    assert found["image_dimensions"] == {
        "min_width": 120,
        "max_width": 200,
        "avg_width": 136.0,
        "min_height": 90,
        "max_height": 100,
        "avg_height": 92.0,
        "total_images": 5,
    }
